"""What the book prints for reading webhooks, NATS and its examples (chapters 14, 15, 30), behind the pipelines that the same
chapters print. `tests/book` holds those consumers as they are printed; only addresses are replaced. They are given
`process(event)` and the type `Event`, which they use and nobody defines. Those of chapters 12 and 13: test_consumers.py.

The consumer in Rust does not compile as printed (async-nats has four kinds of consumers, and E0034 asks which); it reads
what the one in Go reads."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from book import ORDERS, STORY, TOLD, runner, told
from conftest import Servers
from harness.nats import Nats
from harness.procs import CACHE, REPO, Process, free_port, wait_until
from harness.redis import Redis
from test_book_examples import CACHE_KEYS, CACHE_STORY, CACHE_TABLES, SALES_STORY, SALES_TABLES

run = runner  # a fixture
LIBRARIES = CACHE / "consumers"


# Debian 12's Go is too old for nats.go: those in Go are run where another is.
GO_TOO = ["go"] if (LIBRARIES / "go/go.sum").exists() else []


def sample(file: str, *replaced: tuple[str, str]) -> str:
    text = (REPO / "tests/book" / file).read_text()
    for old, new in replaced:
        assert old in text
        text = text.replace(old, new)
    return text


class Consumer:
    def __init__(self, argv: list[str], home: Path, **env: str) -> None:
        self.out = home / "processed"
        self.process = Process(argv, home / "consumer.log", stdout=self.out, cwd=home, env={**os.environ, **env})

    def lines(self, begin: str = "") -> list[str]:
        assert self.process.alive(), self.process.log_tail()
        return [line for line in self.out.read_text().splitlines() if line.startswith(begin)]

    def wait_for(self, count: int, begin: str = "") -> list[str]:
        wait_until(lambda: len(self.lines(begin)) >= count, 40, f"the consumer to process {count} events")
        return self.lines(begin)


@contextmanager
def python(text: str, home: Path) -> Iterator[Consumer]:
    (home / "consumer.py").write_text(text)
    yield from _until_done(Consumer([sys.executable, str(home / "consumer.py")], home))


@contextmanager
def node(text: str, home: Path, **env: str) -> Iterator[Consumer]:
    _need("npm", LIBRARIES / "node_modules")
    (home / "consumer.js").write_text(text)
    env["NODE_PATH"] = str(LIBRARIES / "node_modules")
    yield from _until_done(Consumer(["node", str(home / "consumer.js")], home, **env))


@contextmanager
def go(text: str, home: Path) -> Iterator[Consumer]:
    _need("go", LIBRARIES / "go/go.sum")
    for name in ("go.mod", "go.sum"):
        shutil.copy(LIBRARIES / "go" / name, home)
    (home / "main.go").write_text(text)
    done = subprocess.run(["go", "build", "-mod=mod", "-o", "consumer", "."], cwd=home, capture_output=True, text=True,
                          timeout=240, env={**os.environ, "GOPROXY": "off", "GOWORK": "off"})
    assert done.returncode == 0, done.stderr
    yield from _until_done(Consumer([str(home / "consumer")], home))


def _until_done(consumer: Consumer) -> Iterator[Consumer]:
    try:
        yield consumer
    finally:
        consumer.process.kill()


def _need(tool: str, library: Path) -> None:
    assert shutil.which(tool) and library.exists(), f"{tool} or {library} is not there: run ./dev setup"


GO = """package main

import (
%s)

type Event struct {
	ID     string         `json:"id"`
	Op     string         `json:"op"`
	Before map[string]any `json:"before"`
	After  map[string]any `json:"after"`
}

func process(event Event) {
	text, _ := json.Marshal(map[string]any{"op": event.Op, "before": event.Before, "after": event.After})
	fmt.Println(string(text))
}

func main() {
%s
}
"""


def go_program(imports: str, body: str) -> str:
    return GO % ("".join(f'\t"{each}"\n' for each in imports.split()), body)


def webhook_of(language: str, home: Path, port: int) -> Any:
    if language == "python":
        text = "import json\nfrom flask import Flask, request\napp = Flask(__name__)\n"
        # In one piece: each request has a thread of its own.
        text += "def process(event): print(json.dumps(event) + '\\n', end='', flush=True)\n"
        return python(f"{text}{sample('python_flask.txt')}\napp.run(host='127.0.0.1', port={port})\n", home)
    if language == "node":
        text = "const express = require('express');\nconst app = express();\napp.use(express.json());\n"
        return node(f"{text}{sample('node_express.txt')}\napp.listen({port}, '127.0.0.1');\n", home)
    body = sample("go_http.txt") + f'\npanic(http.ListenAndServe("127.0.0.1:{port}", nil))'
    return go(go_program("encoding/json fmt net/http", body), home)


def one_key(events: list[Any], row: int) -> list[Any]:
    return [each for each in events if (each[1] or each[2])["id"] == row]


@pytest.mark.parametrize("language", ["python", "node", *GO_TOO])
def test_webhooks(language: str, run: Any, servers: Servers, home: Path) -> None:
    """Rows of different keys come beside each other, those of one key in their order."""
    port = free_port()
    with webhook_of(language, home, port) as consumer, run(
            "15-webhook", servers("mysql"), ORDERS, [],
            replaced={"https://api.example.com": f"http://127.0.0.1:{port}"}) as book:
        book.sql(STORY)
        if language == "node":
            printed = [f"{op} on orders: {json.dumps(after, separators=(',', ':'))}" for op, _, after in TOLD]
            assert sorted(consumer.wait_for(4)) == sorted(printed)
            return
        events = told([json.loads(line) for line in consumer.wait_for(4, "{")])
        assert [one_key(events, row) for row in (1, 2)] == [one_key(TOLD, row) for row in (1, 2)]


@pytest.mark.parametrize("language", GO_TOO)
def test_nats_in_go(language: str, run: Any, servers: Servers, home: Path, nats: Nats) -> None:
    """Less the line that names the durable consumer a second time, which nats.go refuses."""
    with run("14-nats", servers("mysql"), ORDERS, ["nats:ORDERS=orders.>"]) as book:
        body = sample("go_nats.txt", ("nats://localhost:4222", nats.url),
                      ('    nats.Durable("orders-processor"),\n', ""))
        with go(go_program("encoding/json fmt time github.com/nats-io/nats.go", body), home) as consumer:
            book.sql(STORY)
            book["nats:ORDERS"].events(4)
            assert told([json.loads(line) for line in consumer.wait_for(4)]) == TOLD


def test_cache_worker(run: Any, servers: Servers, home: Path, redis: Redis) -> None:
    """(Its message ends with `undefined`: event.table is there in a processor only, contract K56.)"""
    with run("30-examples-8", servers("mysql"), CACHE_TABLES, ["redis:cache:invalidations"], database="app") as book:
        with node(sample("node_cache_worker.txt"), home, REDIS_URI=redis.uri) as consumer:
            every = {key for keys in CACHE_KEYS for key in keys}
            for key in (*every, "user:2"):
                redis.ask("SET", key, "cached")
            book.sql(CACHE_STORY)
            book["redis:cache:invalidations"].events(len(CACHE_KEYS))
            lines = consumer.wait_for(1 + len(CACHE_KEYS))
            said = [line.partition(" for ")[0] for line in lines[1:]]
            assert said == [f"Invalidated {len(keys)} keys" for keys in CACHE_KEYS]
            assert [key for key in every if redis.ask("GET", key)] == [] and redis.ask("GET", "user:2") == b"cached"


def test_counter_worker(run: Any, servers: Servers, home: Path, redis: Redis) -> None:
    def total(pattern: str, field: str) -> float:
        """Over the hours or days, in case that one ends meanwhile."""
        keys = redis.ask("KEYS", pattern)
        return sum(float((redis.ask("HGET", key, field) if field else redis.ask("GET", key)) or 0) for key in keys)
    streams = ["kafka:analytics.events", "redis:analytics:realtime"]
    with run("30-examples-10", servers("mysql"), SALES_TABLES, streams) as book:
        with node(sample("node_counter_worker.txt"), home, REDIS_URI=redis.uri) as consumer:
            book.sql(SALES_STORY)
            for stream in streams:
                book[stream].events(7)
            wait_until(lambda: total("stats:events:*", "orders.created") == 2 and total("stats:events:*", "orders.updated") == 1
                       and redis.ask("LLEN", "alerts:high_value_orders") == 2, 30, "the counters")
            assert total("stats:orders:count:*", "") == 2 and abs(total("stats:orders:revenue:*", "") - 899.99) < 1e-6
            assert [total("stats:orders:channel:*", channel) for channel in ("mobile", "web")] == [1, 1]
            alerts = [json.loads(each) for each in redis.ask("LRANGE", "alerts:high_value_orders", 0, -1)]
            assert alerts[1] == {"order_id": 98766, "total": 600}, "the row that was deleted had the tag, too"
            consumer.lines()


def test_audit_tags_in_node(home: Path) -> None:
    """Of the sample that chapter 30 prints; test_book.py sees that these tags are what arrives."""
    tags = ["audited", "sensitivity:HIGH", "classification:PII", "retention:2190d", "regulation:GDPR", "regulation:CCPA",
            "changed:email"]
    with node(sample("node_audit_tags.txt") + f"\nconsole.log(JSON.stringify(parseAuditTags({json.dumps(tags)})));"
              "\nsetTimeout(() => {}, 60000);", home) as consumer:
        assert json.loads(consumer.wait_for(1)[0]) == {
            "audited": True, "sensitivity": "HIGH", "classification": "PII", "retention": "2190d",
            "regulation": ["GDPR", "CCPA"], "changed": "email"}
