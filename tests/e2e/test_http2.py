"""The HTTP sink speaks HTTP/2 over TLS where the server offers it, many requests over one connection; else HTTP/1.1."""

from __future__ import annotations

import json
import shutil
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from conftest import Servers, Workbench
from harness.engine import http_sink
from harness.procs import REPO, Process, free_port, wait_until
from harness.tls import Authority

KEYS, VERSIONS = 200, 3


@contextmanager
def receiver(home: Path, authority: Authority, version: int) -> Iterator[tuple[str, Path]]:
    node = shutil.which("node")
    if node is None:
        pytest.fail("Node.js is missing: ./dev setup")
    own, port, record = authority.issue(f"server{version}", "DNS:localhost"), free_port(), home / f"http{version}.jsonl"
    record.touch()
    process = Process([node, str(REPO / "tests/harness/http2_receiver.js"), str(port), str(own.crt), str(own.key),
                       str(record), str(version)], home / f"http{version}.log")

    def listens() -> bool:
        assert process.alive(), (home / f"http{version}.log").read_text()
        with socket.socket() as link:
            return link.connect_ex(("127.0.0.1", port)) == 0
    try:
        wait_until(listens, 20, "Node.js to listen")
        yield f"https://localhost:{port}/events", record
    finally:
        process.kill()


def requests(record: Path) -> list[dict[str, Any]]:
    text = record.read_text()
    return [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()]


def most_at_once(found: list[dict[str, Any]]) -> int:
    steps = sorted([(each["begin"], 1) for each in found] + [(each["end"], -1) for each in found])
    most = now = 0
    for _, step in steps:
        now += step
        most = max(most, now)
    return most


@pytest.mark.parametrize("version", [2, 1])
def test_the_version_that_the_server_offers(version: int, bench: Workbench, servers: Servers) -> None:
    authority = Authority(bench.home / "authority")
    with receiver(bench.home, authority, version) as (url, record):
        pg = servers(15)
        database = bench.database(pg)
        pg.execute("CREATE TABLE t (id int PRIMARY KEY, note text)", database)
        engine = bench.engine(pg, database, [http_sink(url, tls={"ca_file": str(authority.ca)})], tables=["public.t"]).start()
        pg.execute(f"INSERT INTO t SELECT n, '0' FROM generate_series(0, {KEYS - 1}) n", database)
        for number in range(1, VERSIONS):
            pg.execute(f"UPDATE t SET note = '{number}'", database)
        wait_until(lambda: len(requests(record)) >= KEYS * VERSIONS, 60, "all events")
        assert engine.terminate() == 0

    found = requests(record)
    assert len(found) == KEYS * VERSIONS
    assert {each["version"] for each in found} == {"2.0" if version == 2 else "1.1"}
    links = Counter(each["link"] for each in found)
    assert most_at_once(found) > 20, "requests of other keys go beside each other"
    if version == 2:
        assert len(links) == 1, f"one connection is enough: {links}"
    else:
        assert 20 < len(links) <= 64, f"one request at a time on a connection, and it is kept: {links}"
    ended: dict[str, float] = {}
    seen: Counter[str] = Counter()
    for each in sorted(found, key=lambda one: one["begin"]):
        assert each["begin"] >= ended.get(each["key"], 0), f"two of key {each['key']} at once"
        assert each["note"] == str(seen[each["key"]]), f"key {each['key']}: {each['note']} after {seen[each['key']]} others"
        ended[each["key"]] = each["end"]
        seen[each["key"]] += 1
