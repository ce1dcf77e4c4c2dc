"""Links and servers that go away: the engine waits, says so, and recovers by itself."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest

from conftest import Outlets, Servers, Workbench
from flow import SERVERS, SINKS, Arrivals, matrix
from harness.engine import Engine, file_sink
from harness.oracle import check
from harness.procs import wait_until
from harness.proxy import Proxy
from harness.readers import FileReader
from harness.workload import TABLES, Server, Writer


def health(engine: Engine) -> str:
    status = engine.get("/health")["status"]
    assert engine.alive(), engine.log_tail()
    return status


def wait_health(engine: Engine, status: str, seconds: float) -> None:
    wait_until(lambda: health(engine) == status, seconds, f"/health to say {status}")


@matrix("which, kind, fault", "15-kafka-cut 15-kafka-silence 15-redis-cut 15-valkey-silence", SERVERS, SINKS[1:],
        ("cut", "silence"))
def test_sink_unreachable(which: int | str, kind: str, fault: str, bench: Workbench, servers: Servers,
                          outlet: Outlets) -> None:
    server = servers(which)
    database = bench.database(server)
    Writer.create_tables(server, database)
    # The user's message.timeout.ms says when the pipeline counts as degraded; it never drops anything.
    more = {"client_conf": {"message.timeout.ms": "5000"}} if kind == "kafka" else {}
    sink = outlet(kind, database, proxied=True, **more)
    assert sink.server is not None
    engine = bench.engine(server, database, [sink.config], tables=server.dialect.tables(database)).start()
    arrivals = Arrivals(sink.reader())
    writer = Writer(server, database, rate=100).start()
    wait_until(lambda: len(arrivals.look().xids) > 20, 20, "the first transactions in the sink")
    assert health(engine) == "healthy"

    getattr(sink.server.proxy, fault)()
    try:
        started = time.monotonic()
        wait_health(engine, "degraded", 20)
        assert engine.get("/health")["degraded_pipelines"] == ["p"]
        assert engine.request("GET", "/ready")[0] == 200, "only a sink is down"
        time.sleep(max(0.0, (30 if fault == "cut" and kind == "kafka" else 12) - (time.monotonic() - started)))
        assert health(engine) == "degraded"
    finally:
        sink.server.proxy.heal()
    book = writer.stop()
    arrivals.wait_for(book, 60)
    wait_health(engine, "healthy", 30)
    assert engine.terminate() == 0
    check(arrivals.look().reader.records, book, server, database).assert_sound()


@matrix("which, kind", "mysql-kafka mariadb-valkey", SERVERS, SINKS[1:])
def test_sink_killed(which: int | str, kind: str, bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    server = servers(which)
    database = bench.database(server)
    Writer.create_tables(server, database)
    sink = outlet(kind, database)
    assert sink.server is not None
    engine = bench.engine(server, database, [sink.config], tables=server.dialect.tables(database)).start()
    arrivals = Arrivals(sink.reader())
    writer = Writer(server, database, rate=100).start()
    wait_until(lambda: len(arrivals.look().xids) > 20, 20, "the first transactions in the sink")
    sink.server.kill()
    time.sleep(1)
    sink.server.start()
    time.sleep(1)
    book = writer.stop()
    arrivals.wait_for(book, 60)
    assert engine.terminate() == 0
    check(arrivals.look().reader.records, book, server, database).assert_sound()


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_postgres_restarted(mode: str, bench: Workbench) -> None:
    pg = bench.server(15)
    database = bench.database(pg)
    Writer.create_tables(pg, database)
    engine = bench.engine(pg, database, [file_sink(bench.home / "out")], tables=TABLES).start()
    arrivals = Arrivals(FileReader(bench.home / "out"))
    writer = Writer(pg, database, rate=200).start()
    wait_until(lambda: len(arrivals.look().xids) > 20, 20, "the first transactions in the file")
    pg.stop(mode)
    assert pg.process is None, "the server did not stop"
    wait_health(engine, "degraded", 20)
    time.sleep(3)
    pg.start()
    wait_health(engine, "healthy", 30)
    time.sleep(1)
    book = writer.stop()
    arrivals.wait_for(book, 30)
    assert engine.terminate() == 0
    assert check(arrivals.look().reader.records, book, pg, database).assert_sound().duplicates == 0


@matrix("which, kind, fault", "15-file-cut 15-file-silence mysql-file-silence mariadb-redis-cut", SERVERS, SINKS,
        ("cut", "silence"))
def test_database_unreachable(which: int | str, kind: str, fault: str, bench: Workbench, outlet: Outlets) -> None:
    server = bench.server(which, settings={"wal_sender_timeout": "6s"} if which == 15 else {})
    database = bench.database(server)
    Writer.create_tables(server, database)
    proxy = bench.proxy(server.port)
    sink = outlet(kind, database)
    engine = bench.engine(server, database, [sink.config], tables=server.dialect.tables(database),
                          port=proxy.port).start()
    arrivals = Arrivals(sink.reader())
    writer = Writer(server, database, rate=200).start()
    wait_until(lambda: len(arrivals.look().xids) > 20, 20, "the first transactions in the sink")
    getattr(proxy, fault)()
    wait_health(engine, "degraded", 60)
    time.sleep(3)
    proxy.heal()
    wait_health(engine, "healthy", 40)
    book = writer.stop()
    arrivals.wait_for(book, 30)
    assert engine.terminate() == 0
    verdict = check(arrivals.look().reader.records, book, server, database).assert_sound()
    assert verdict.duplicates == 0, "only the source was away: nothing had to be sent again"


@pytest.mark.full
@pytest.mark.timeout(900)
def test_half_open_for_five_minutes(bench: Workbench, outlet: Outlets) -> None:
    """Every link of three pipelines falls silent at once; none is closed."""
    @dataclass
    class Silenced:
        server: Server
        database: str
        engine: Engine
        arrivals: Arrivals
        writer: Writer
        proxy: Proxy

    flows = []
    for which, kind in zip(SERVERS, ("kafka", "redis", "kafka")):
        server = bench.server(which)
        database = bench.database(server)
        Writer.create_tables(server, database)
        proxy = bench.proxy(server.port)
        sink = outlet(kind, database, proxied=True)
        engine = bench.engine(server, database, [sink.config], tables=server.dialect.tables(database),
                              port=proxy.port).start()
        flows.append(Silenced(server, database, engine, Arrivals(sink.reader()),
                              Writer(server, database, rate=20).start(), proxy))
    sinks = [outlet(kind, "unused", proxied=True).server.proxy for kind in ("kafka", "redis")]
    for each in flows:
        wait_until(lambda: len(each.arrivals.look().xids) > 20, 30, "the first transactions in the sink")
    try:
        for proxy in [*sinks, *(each.proxy for each in flows)]:
            proxy.silence()
        silent = time.monotonic()
        for each in flows:
            wait_health(each.engine, "degraded", 120)
        time.sleep(300 - (time.monotonic() - silent))
        for each in flows:
            assert health(each.engine) == "degraded"
            assert each.engine.anonymous_mib() < 100
    finally:
        for proxy in [*sinks, *(each.proxy for each in flows)]:
            proxy.heal()
    for each in flows:
        wait_health(each.engine, "healthy", 60)
        book = each.writer.stop()
        each.arrivals.wait_for(book, 60)
        assert each.engine.terminate() == 0
        check(each.arrivals.look().reader.records, book, each.server, each.database).assert_sound()


@matrix("which, kind", "15-file mysql-file mariadb-redis", SERVERS, SINKS)
def test_cut_inside_a_transaction(which: int | str, kind: str, bench: Workbench, servers: Servers,
                                  outlet: Outlets) -> None:
    """The link breaks at arbitrary bytes of the stream: no half transaction is ever seen."""
    server = servers(which)
    database = bench.database(server)
    Writer.create_tables(server, database)
    proxy = bench.proxy(server.port)
    sink = outlet(kind, database)
    engine = bench.engine(server, database, [sink.config], tables=server.dialect.tables(database),
                          port=proxy.port).start()
    arrivals = Arrivals(sink.reader())
    writer = Writer(server, database, rate=200).start()
    for count in (1, 777, 20_000, 150_001):
        proxy.cut_after(count, replies=True)
        wait_until(lambda: proxy.stats()["links"] == 0, 20, "the cut")
        proxy.heal()
        engine.wait_status({"running"}, 30)
        time.sleep(0.5)
    book = writer.stop()
    arrivals.wait_for(book, 30)
    assert engine.terminate() == 0
    assert check(arrivals.look().reader.records, book, server, database).assert_sound().duplicates == 0
