"""Links and servers that go away: the engine waits, says so, and recovers by itself."""

from __future__ import annotations

import time

import pytest

from conftest import Outlets, Servers, Workbench
from flow import SERVERS, SINKS, Flow, matrix
from harness.engine import Engine
from harness.procs import wait_until


def health(engine: Engine) -> str:
    status = engine.get("/health")["status"]
    assert engine.alive(), engine.log_tail()
    return status


def wait_health(engine: Engine, status: str, seconds: float) -> None:
    wait_until(lambda: health(engine) == status, seconds, f"/health to say {status}")


@matrix("which, kind, fault", "15-kafka-cut 15-kafka-silence 15-redis-cut 15-valkey-silence 15-nats-cut 15-nats-silence "
        "15-http-cut mysql-arrays-silence", SERVERS, SINKS[1:],
        ("cut", "silence"))
def test_sink_unreachable(which: int | str, kind: str, fault: str, bench: Workbench, servers: Servers,
                          outlet: Outlets) -> None:
    # The user's message.timeout.ms says when the pipeline counts as degraded; it never drops anything.
    more = {"client_conf": {"message.timeout.ms": "5000"}} if kind == "kafka" else {}
    flow = Flow.start(bench, servers(which), lambda name: outlet(kind, name, proxied=True, **more))
    engine, proxy = flow.engine, flow.sink.server.proxy
    assert health(engine) == "healthy"

    getattr(proxy, fault)()
    try:
        started = time.monotonic()
        wait_health(engine, "degraded", 20)
        assert engine.get("/health")["degraded_pipelines"] == ["p"]
        assert engine.request("GET", "/ready")[0] == 200, "only a sink is down"
        time.sleep(max(0.0, (30 if fault == "cut" and kind == "kafka" else 12) - (time.monotonic() - started)))
        assert health(engine) == "degraded"
    finally:
        proxy.heal()
    wait_health(engine, "healthy", 90)
    flow.finish()


@matrix("which, kind", "mysql-kafka mysql-nats mariadb-valkey mariadb-nats-new", SERVERS, SINKS[1:])
def test_sink_killed(which: int | str, kind: str, bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    flow = Flow.start(bench, servers(which), lambda name: outlet(kind, name))
    flow.sink.server.kill()
    time.sleep(1)
    flow.sink.server.start()
    time.sleep(1)
    flow.finish()


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_postgres_restarted(mode: str, bench: Workbench, outlet: Outlets) -> None:
    pg = bench.server(15)
    flow = Flow.start(bench, pg, lambda name: outlet("file", name), rate=200)
    pg.stop(mode)
    assert pg.process is None, "the server did not stop"
    wait_health(flow.engine, "degraded", 20)
    time.sleep(3)
    pg.start()
    wait_health(flow.engine, "healthy", 30)
    time.sleep(1)
    assert flow.finish().duplicates == 0


@matrix("which, kind, fault", "15-file-cut 15-file-silence mysql-file-silence mariadb-redis-cut", SERVERS, SINKS,
        ("cut", "silence"))
def test_database_unreachable(which: int | str, kind: str, fault: str, bench: Workbench, outlet: Outlets) -> None:
    server = bench.server(which, settings={"wal_sender_timeout": "6s"} if which == 15 else {})
    proxy = bench.proxy(server.port)
    flow = Flow.start(bench, server, lambda name: outlet(kind, name), rate=200, port=proxy.port)
    getattr(proxy, fault)()
    wait_health(flow.engine, "degraded", 60)
    time.sleep(3)
    proxy.heal()
    wait_health(flow.engine, "healthy", 40)
    assert flow.finish().duplicates == 0, "only the source was away: nothing had to be sent again"


@pytest.mark.full
@pytest.mark.timeout(900)
def test_half_open_for_five_minutes(bench: Workbench, outlet: Outlets) -> None:
    """Every link of three pipelines falls silent at once; none is closed."""
    flows, proxies = [], []
    for which, kind in zip(SERVERS, ("kafka", "redis", "kafka")):
        server = bench.server(which)
        proxies.append(bench.proxy(server.port))
        flows.append(Flow.start(bench, server, lambda name: outlet(kind, name, proxied=True), rate=20,
                                port=proxies[-1].port))
    proxies += {id(each.sink.server): each.sink.server.proxy for each in flows}.values()
    try:
        for proxy in proxies:
            proxy.silence()
        silent = time.monotonic()
        for each in flows:
            wait_health(each.engine, "degraded", 120)
        time.sleep(300 - (time.monotonic() - silent))
        for each in flows:
            assert health(each.engine) == "degraded"
            assert each.engine.anonymous_mib() < 100
    finally:
        for proxy in proxies:
            proxy.heal()
    for each in flows:
        wait_health(each.engine, "healthy", 60)
        each.finish()


@matrix("which, kind", "15-file mysql-file mariadb-redis", SERVERS, SINKS)
def test_cut_inside_a_transaction(which: int | str, kind: str, bench: Workbench, servers: Servers,
                                  outlet: Outlets) -> None:
    """The link breaks at arbitrary bytes of the stream: no half transaction is ever seen."""
    server = servers(which)
    proxy = bench.proxy(server.port)
    flow = Flow.start(bench, server, lambda name: outlet(kind, name), rate=200, port=proxy.port)
    for count in (1, 777, 20_000, 150_001):
        proxy.cut_after(count, replies=True)
        wait_until(lambda: proxy.stats()["links"] == 0, 20, "the cut")
        proxy.heal()
        flow.engine.wait_status({"running"}, 30)
        time.sleep(0.5)
    assert flow.finish().duplicates == 0
