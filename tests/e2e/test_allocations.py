"""The hot path makes no heap call per event: PostgreSQL to blackhole, libpq and encoder included."""

from __future__ import annotations

import time
from collections.abc import Callable

from conftest import Workbench
from harness.allocations import AllocationCounter
from harness.engine import blackhole_sink
from harness.postgres import Postgres
from harness.procs import wait_until

HOT = ("df-source", "df-transform", "df-lane")
CHECKPOINT = "df-checkpoint"

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


def test_no_allocation_per_event(bench: Workbench, servers: Callable[[int], Postgres]) -> None:
    pg = servers(15)
    database = bench.database(pg)
    pg.execute(FILL, database)
    counter = AllocationCounter(bench.home)
    engine = bench.engine(pg, database, [blackhole_sink()], tables=["public.t"])
    engine.env.update(counter.env())
    engine.start()
    delivered = 0

    def drain(rows: int) -> tuple[dict[str, int], float]:
        """Heap calls by thread name and stored checkpoints, for that many more rows read as a backlog."""
        nonlocal delivered
        engine.post("/pipelines/p/pause")
        pg.execute(f"CALL fill({rows})", database)
        before, stored = counter.by_thread(engine.pid), engine.metric("deltaforge_checkpoints_total")
        engine.post("/pipelines/p/resume")
        delivered += rows // 64 * 64
        wait_until(lambda: engine.metric("deltaforge_sink_events_total") >= delivered, 60, f"{rows} rows", every=0.2)
        time.sleep(0.5)
        after = counter.by_thread(engine.pid)
        calls = {name: count - before.get(name, 0) for name, count in after.items()}
        return calls, engine.metric("deltaforge_checkpoints_total") - stored

    drain(64_000)  # every buffer has grown to its size
    small, _ = drain(100_000)
    large, stored = drain(200_000)
    for name in HOT:
        assert name in large, f"no thread is called {name}: {sorted(large)}"
        assert large[name] - small[name] <= 100, f"{name}: {small[name]} calls for 100,000 events, {large[name]} for 200,000"
    assert stored > 0
    assert large[CHECKPOINT] <= 50 * stored, f"{large[CHECKPOINT]} calls for {stored:.0f} checkpoints"
