"""The consumers that the book prints read what the engine writes. `tests/book` holds those in Python as they are printed;
only address and names are replaced. They are given `process(event)`, which they call and nobody defines.

Those in Go, Rust and JavaScript need clients that Debian 12 does not have (go-redis, redis-rs, ioredis; its node-redis
has another interface): what they read of an entry is asserted instead."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis as redis_client

from conftest import Outlets, Servers, Workbench
from harness.kafka import Kafka
from harness.procs import Process, wait_until
from harness.redis import PROGRAMS, Redis

BOOK = Path(__file__).parents[1] / "book"
PRELUDE = "def process(event): print(json.dumps(event), flush=True)\n"
Write = Callable[[str], str]  # a kind of sink, to the name of the topic or stream that the engine has written to
WRITTEN = [*(("c", i) for i in range(1, 21)), ("u", 1), ("d", 2)]  # operation and id


@pytest.fixture
def write(bench: Workbench, servers: Servers, outlet: Outlets) -> Write:
    def to(kind: str) -> str:
        pg = servers(15)
        database = bench.database(pg)
        pg.execute("CREATE TABLE orders (id int PRIMARY KEY, note text)", database)
        sink = outlet(kind, database)
        engine = bench.engine(pg, database, [sink.config]).start()
        pg.execute("INSERT INTO orders SELECT i, 'é' FROM generate_series(1, 20) i", database)
        pg.execute("UPDATE orders SET note = 'x' WHERE id = 1", database)
        pg.execute("DELETE FROM orders WHERE id = 2", database)
        reader = sink.reader()
        wait_until(lambda: reader.drain() is not None and len(reader.records) == len(WRITTEN), 20, f"the rows in {kind}")
        assert engine.terminate() == 0
        return database
    return to


def ops(events: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return [(event["op"], (event["after"] or event["before"])["id"]) for event in events]


def sample(file: str, *replaced: tuple[str, str]) -> str:
    text = (BOOK / file).read_text()
    for old, new in replaced:
        assert old in text
        text = text.replace(old, new)
    return text


def run(text: str, home: Path) -> list[dict[str, Any]]:
    """What a sample that does not end processes."""
    script, out = home / "consumer.py", home / "processed"
    script.write_text(PRELUDE + text)
    consumer = Process([sys.executable, str(script)], home / "consumer.log", stdout=out, cwd=home)

    def processed() -> list[str]:
        assert consumer.alive(), consumer.log_tail()
        return out.read_text().splitlines()
    try:
        wait_until(lambda: len(processed()) >= len(WRITTEN), 40, "the consumer to process all events")
        return [json.loads(line) for line in processed()]
    finally:
        consumer.kill()


@pytest.mark.parametrize("kind", PROGRAMS)
def test_redis_in_python(kind: str, write: Write, home: Path, request: pytest.FixtureRequest) -> None:
    redis: Redis = request.getfixturevalue(kind)
    name = write(kind)
    events = run(sample("redis_consumer.txt", ("redis://localhost:6379", redis.uri), ("orders.events", name)), home)
    assert ops(events) == WRITTEN

    # The two ways to skip what comes again, with every entry twice.
    client = redis_client.Redis.from_url(redis.uri)
    messages = client.xrange(name)
    processed: list[dict[str, Any]] = []
    given = {"json": json, "r": client, "redis": client, "stream": name, "group": "mygroup", "messages": messages * 2,
             "process": processed.append}
    exec(sample("redis_duplicates.txt", ("orders.events", name)), dict(given))
    assert ops(processed) == WRITTEN
    processed.clear()
    exec("for msg_id, data in messages:\n    event = json.loads(data[b'event'])\n"
         + textwrap.indent(sample("redis_idempotency.txt", ("processed_keys", f"{name}-processed")), "    "), dict(given))
    assert ops(processed) == WRITTEN


def test_redis_in_other_languages(write: Write, redis: Redis) -> None:
    entries = redis.ask("XRANGE", write("redis"), "-", "+")
    # Both samples in JavaScript: JSON.parse(fields[1]), then event.op and event.after. (event.table, of which they make
    # a message and a name, is there in a processor only: contract K56.)
    first = [json.loads(fields[1]) for _, fields in entries]
    assert ops(first) == WRITTEN
    # Go and Rust: the field of the name "event".
    assert [json.loads(dict(zip(fields[0::2], fields[1::2]))[b"event"]) for _, fields in entries] == first


def test_kafka_in_python(write: Write, home: Path, kafka: Kafka) -> None:
    name = write("kafka")
    events = run(sample("kafka_consumer.txt", ("localhost:9092", kafka.brokers), ("'orders'", f"'{name}'")), home)
    assert ops(events) == WRITTEN
