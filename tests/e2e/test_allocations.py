"""The hot path makes no heap call per event: PostgreSQL to blackhole and to Redis, libpq and encoder included. What the
source does by the clock (it looks at the catalogue every 5 s) is measured on an idle engine and taken off."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from conftest import Workbench
from harness.allocations import AllocationCounter
from harness.engine import blackhole_sink, redis_sink
from harness.postgres import Postgres
from harness.procs import wait_until
from harness.redis import Redis

HOT = ("df-source", "df-transform", "df-lane")
CHECKPOINT = "df-checkpoint"
IDLE_SECONDS = 10.0  # two looks
PAIRS = 3  # a look may fall into the one drain and not into the other; what an event costs shows in each pair

FILL = """
CREATE TABLE t (id bigint PRIMARY KEY, a int, b bigint, c text, d numeric, e timestamptz, f text);
CREATE PROCEDURE fill(rows int) LANGUAGE plpgsql AS $$
BEGIN
  FOR n IN 1..rows / 64 LOOP
    INSERT INTO t SELECT coalesce((SELECT max(id) FROM t), 0) + i, i, i, 'text ' || i, i / 7.0, now(), 'more text'
      FROM generate_series(1, 64) i;
    COMMIT;
  END LOOP;
END $$;
"""


@pytest.mark.parametrize("sink", ["blackhole", "redis"])
def test_no_allocation_per_event(sink: str, bench: Workbench, servers: Callable[[int], Postgres],
                                 request: pytest.FixtureRequest) -> None:
    pg = servers(15)
    database = bench.database(pg)
    pg.execute(FILL, database)
    counter = AllocationCounter(bench.home)
    configured = blackhole_sink()
    if sink == "redis":
        server: Redis = request.getfixturevalue("redis")
        configured = redis_sink(server.uri, "${source.db}:${source.table}", maxlen=1000)
    engine = bench.engine(pg, database, [configured], tables=["public.t"])
    engine.env.update(counter.env())
    engine.start()
    delivered = 0

    def by_the_clock() -> dict[str, float]:
        """Heap calls a second, by thread name, of an engine that has nothing to do."""
        before = counter.by_thread(engine.pid)
        time.sleep(IDLE_SECONDS)
        return {name: (count - before.get(name, 0)) / IDLE_SECONDS for name, count in counter.by_thread(engine.pid).items()}

    def drain(rows: int) -> tuple[dict[str, float], float]:
        """Heap calls by thread name and stored checkpoints, for that many more rows read as a backlog."""
        nonlocal delivered
        engine.post("/pipelines/p/pause")
        pg.execute(f"CALL fill({rows})", database)
        before, stored = counter.by_thread(engine.pid), engine.metric("deltaforge_checkpoints_total")
        began = time.monotonic()
        engine.post("/pipelines/p/resume")
        delivered += rows // 64 * 64
        wait_until(lambda: engine.metric("deltaforge_sink_events_total") >= delivered, 60, f"{rows} rows", every=0.2)
        time.sleep(0.5)
        after = counter.by_thread(engine.pid)
        took = time.monotonic() - began
        calls = {name: count - before.get(name, 0) - idle.get(name, 0) * took for name, count in after.items()}
        return calls, engine.metric("deltaforge_checkpoints_total") - stored

    idle: dict[str, float] = {}
    drain(64_000)  # every buffer has grown to its size
    idle = by_the_clock()
    for _ in range(PAIRS):
        small, _ = drain(100_000)
        large, stored = drain(200_000)
        growth = {name: large[name] - small[name] for name in HOT}  # KeyError: no thread is called so
        if max(growth.values()) <= 100:
            break
    assert max(growth.values()) <= 100, f"heap calls for 100,000 events more: {growth}"
    assert stored > 0
    assert large[CHECKPOINT] <= 50 * stored, f"{large[CHECKPOINT]} calls for {stored:.0f} checkpoints"
