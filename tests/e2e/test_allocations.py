"""The hot path makes no heap call per event: from each source to each kind of sink, client libraries and encoder
included. What a source does by the clock (PostgreSQL's looks at the catalogue every 5 s) is measured on an idle engine and
taken off."""

from __future__ import annotations

import time
from typing import Any

from conftest import Outlets, Servers, Workbench
from flow import SERVERS, matrix
from harness.allocations import AllocationCounter
from harness.engine import blackhole_sink
from harness.procs import wait_until

HOT = ("df-source", "df-transform", "df-lane")
CHECKPOINT = "df-checkpoint"
PAIRS = 3  # a look may fall into the one drain and not into the other; what an event costs shows in each pair
ROWS = 256  # a transaction

TABLE = "CREATE TABLE t (id bigint PRIMARY KEY, a int, b bigint, c varchar(40), d {decimal}, e {time}, f text, g json)"
TYPES = {"postgres": {"decimal": "numeric", "time": "timestamptz"},
         "mysql": {"decimal": "decimal(20,10)", "time": "timestamp(6)"}}
FILL = f"""INSERT INTO t WITH RECURSIVE r (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < {ROWS})
    SELECT {{at}} + i, i, i, concat('text ', i), i / 7.0, now(), 'more text', '{{{{"a": [1, 2.5, "x"]}}}}' FROM r"""

OPTIONS: dict[str, dict[str, Any]] = {"redis": {"maxlen": 1000}}
PER_EVENT = {"kafka": 1.1}  # librdkafka's own: one a record, and some a batch of them
PER_CHECKPOINT = {"file": 30}  # the names of a segment, and its position


MASK = {"type": "mask", "rules": [{"columns": ["id", "c", "d", "g"], "action": "hash", "key": "k"},
                                  {"columns": ["f"], "action": "truncate", "length": 4},
                                  {"columns": ["b"], "action": "drop"}]}


@matrix("which, kind", "15-blackhole 15-redis mysql-blackhole mysql-file mariadb-blackhole mariadb-kafka", SERVERS,
        ("blackhole", "file", "kafka", "redis"))
def test_no_allocation_per_event(which: int | str, kind: str, bench: Workbench, servers: Servers,
                                 outlet: Outlets) -> None:
    assert_flat(which, kind, bench, servers, outlet)


def test_no_allocation_in_a_mask(bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    assert_flat(15, "blackhole", bench, servers, outlet, processors=[MASK])


def assert_flat(which: int | str, kind: str, bench: Workbench, servers: Servers, outlet: Outlets, **spec: Any) -> None:
    server = servers(which)
    database = bench.database(server)
    counter = AllocationCounter(bench.home)
    sink = blackhole_sink() if kind == "blackhole" else outlet(kind, database, **OPTIONS.get(kind, {})).config
    if which == 15:
        server.execute(TABLE.format(**TYPES["postgres"]), database)
        engine = bench.engine(server, database, [sink], tables=["public.t"], **spec)
    else:  # without TLS, as PostgreSQL: OpenSSL makes a call a record of it
        server.execute(TABLE.format(**TYPES["mysql"]), database)
        dsn = server.dsn(database, options="ssl-mode=DISABLED")
        engine = bench.engine(server, database, [sink], tables=[f"{database}.t"], dsn=dsn, **spec)
    engine.env.update(counter.env())
    engine.start()
    delivered = 0

    def by_the_clock(seconds: float) -> dict[str, float]:
        """Heap calls a second, by thread name, of an engine that has nothing to do."""
        before = counter.by_thread(engine.pid)
        time.sleep(seconds)
        return {name: (count - before.get(name, 0)) / seconds for name, count in counter.by_thread(engine.pid).items()}

    def drain(rows: int) -> tuple[dict[str, float], float]:
        """Heap calls by thread name and stored checkpoints, for that many more rows read as a backlog."""
        nonlocal delivered
        engine.post("/pipelines/p/pause")
        with server.connect(database) as link, link.cursor() as cursor:
            for _ in range(rows // ROWS):
                cursor.execute(FILL.format(at=delivered))
                delivered += ROWS
        before, stored = counter.by_thread(engine.pid), engine.metric("deltaforge_checkpoints_total")
        began = time.monotonic()
        engine.post("/pipelines/p/resume")
        wait_until(lambda: engine.metric("deltaforge_sink_events_total") >= delivered, 60, f"{rows} rows", every=0.2)
        time.sleep(0.5)
        after = counter.by_thread(engine.pid)
        took = time.monotonic() - began
        calls = {name: count - before.get(name, 0) - idle.get(name, 0) * took for name, count in after.items()}
        return calls, engine.metric("deltaforge_checkpoints_total") - stored

    idle: dict[str, float] = {}
    drain(64_000)  # every buffer has grown to its size
    idle = by_the_clock(10.0 if which == 15 else 1.0)  # two looks
    for _ in range(PAIRS):
        small, few = drain(20_000)
        large, stored = drain(120_000)
        growth = {name: large[name] - small[name] for name in HOT}  # KeyError: no thread is called so
        growth["df-lane"] -= 100_000 * PER_EVENT.get(kind, 0) + (stored - few) * PER_CHECKPOINT.get(kind, 0)
        if max(growth.values()) <= 100:
            break
    assert max(growth.values()) <= 100, f"heap calls for 100,000 events more: {growth}"
    assert stored > 0
    assert large[CHECKPOINT] <= 60 * stored, f"{large[CHECKPOINT]} calls for {stored:.0f} checkpoints"
