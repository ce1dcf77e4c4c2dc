"""A broker that takes its time: the engine waits for it without asking the clock all the while."""

from __future__ import annotations

import time

from conftest import Outlets, Servers, Workbench
from harness.procs import cpu_seconds, wait_until


def test_waiting_for_kafka_costs_no_cpu(bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    pg = servers(15)
    database = bench.database(pg)
    pg.execute("CREATE TABLE t (id int PRIMARY KEY, v text)", database)
    to = outlet("kafka", database, proxied=True)
    engine = bench.engine(pg, database, [to.config]).start()
    pg.execute("INSERT INTO t VALUES (0, 'first')", database)
    wait_until(lambda: engine.metric("deltaforge_sink_events_total") == 1, 30, "the first row to be delivered")

    to.server.proxy.delay(0.5)
    rows = 30_000
    for first in range(1, rows, 1000):
        pg.execute(f"INSERT INTO t SELECT n, repeat('x', 300) FROM generate_series({first}, {first} + 999) n", database)
    wait_until(lambda: engine.metric("deltaforge_sink_events_total") > 1, 30, "an answer of the slow broker")
    before, begun = cpu_seconds(engine.pid), time.monotonic()
    time.sleep(3)
    used = (cpu_seconds(engine.pid) - before) / (time.monotonic() - begun)
    delivered = engine.metric("deltaforge_sink_events_total")
    to.server.proxy.heal()
    wait_until(lambda: engine.metric("deltaforge_sink_events_total") > rows, 60, "all rows to be delivered")
    assert delivered <= rows, "the broker was too fast for this test"
    assert used < 0.4, f"{used:.0%} of a core while waiting"
