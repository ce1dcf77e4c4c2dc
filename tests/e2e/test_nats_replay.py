"""Thousands of messages that a stream has already: the replay ends, in bounded time, and each shows once."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

from conftest import Outlets, Servers, Workbench
from flow import matrix
from harness.engine import Engine
from harness.mysql import MysqlFamily
from harness.nats import PROGRAMS, NatsReader
from harness.oracle import parse
from harness.procs import wait_until

SOON = 45  # a replay of one message a round trip takes minutes


def _insert(server: Any, database: str, first: int, count: int) -> None:
    rows = ", ".join(f"({number}, repeat('x', 200))" for number in range(first, first + count))
    server.execute(f"INSERT INTO t VALUES {rows}", database)


def _begin(which: int | str, kind: str, bench: Workbench, servers: Servers,
           outlet: Outlets) -> tuple[Any, str, Engine, NatsReader]:
    server = servers(which)
    database = bench.database(server)
    server.execute("CREATE TABLE t (id bigint PRIMARY KEY, pad text)", database)
    sink = outlet(kind, database)
    engine = bench.engine(server, database, [sink.config], batch={"max_events": 500},
                          tables=[f"{database if isinstance(server, MysqlFamily) else 'public'}.t"])
    reader = sink.reader()
    assert isinstance(reader, NatsReader)
    return server, database, engine, reader


def _ids(reader: NatsReader) -> list[int]:
    reader.drain()
    return [parse(record)["after"]["id"] for record in reader.records]


def _arrive(reader: NatsReader, count: int, seconds: float = 60) -> None:
    wait_until(lambda: reader.held() >= count, seconds, f"{count} messages in {reader.stream}", every=0.05)


@matrix("which, kind", "15-nats mysql-nats-new", (15, "mysql", "mariadb"), tuple(PROGRAMS))
def test_a_large_transaction_killed_before_its_position_is_stored(which: int | str, kind: str, bench: Workbench,
                                                                  servers: Servers, outlet: Outlets) -> None:
    rows = 20_000
    server, database, engine, reader = _begin(which, kind, bench, servers, outlet)
    engine.start()
    _insert(server, database, 0, rows)
    wait_until(lambda: reader.held() >= 6000, 60, "the first rows", every=0.001)
    engine.kill()
    held = reader.held()
    assert held < rows, "the kill came too late; the test does not test"
    engine.start(ready=False)
    _arrive(reader, rows, SOON)
    _insert(server, database, rows, 10)  # what comes after a replay goes on as before
    _arrive(reader, rows + 10, 10)
    assert _ids(reader) == list(range(rows + 10))
    assert engine.metric("deltaforge_sink_events_total") == rows + 10
    assert engine.terminate() == 0


@matrix("which, kind", "mysql-nats-new mariadb-nats", ("mysql", "mariadb"), tuple(PROGRAMS))
def test_a_position_that_was_set_back(which: int | str, kind: str, bench: Workbench, servers: Servers,
                                      outlet: Outlets) -> None:
    """The state directory of an hour ago is put in place of today's: everything since then comes again."""
    size, count = 500, 16
    server, database, engine, reader = _begin(which, kind, bench, servers, outlet)
    engine.start()
    _insert(server, database, 0, size)
    _arrive(reader, size)
    assert engine.terminate() == 0
    old = Path(shutil.copytree(engine.state, bench.home / "old-state"))
    engine.start()
    for number in range(1, count):
        _insert(server, database, number * size, size)
    _arrive(reader, size * count)
    engine.kill()
    shutil.rmtree(engine.state)
    shutil.copytree(old, engine.state)
    engine.start(ready=False)
    new = size * count
    for number in range(10):  # new ones come while old ones are replayed, and behind them
        _insert(server, database, new + number * 10, 10)
        time.sleep(0.05)
    _arrive(reader, new + 100, SOON)
    wait_until(lambda: engine.metric("deltaforge_sink_events_total") == new - size + 100, 10, "the replay to be counted")
    assert _ids(reader) == list(range(new + 100))
    assert engine.terminate() == 0
