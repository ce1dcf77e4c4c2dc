#!/usr/bin/env python3
"""Many pipelines with nothing to do, in one process: what each costs in memory and CPU."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPO / "tests"), str(REPO / "bench")]

from measure import conditions, cpu_seconds, keep, memory_mib  # noqa: E402

from harness.engine import BINARY, Engine, blackhole_sink, kafka_sink, pipeline, postgres_source  # noqa: E402
from harness.kafka import Kafka  # noqa: E402
from harness.postgres import Postgres  # noqa: E402
from harness.procs import wait_until  # noqa: E402


def cost(pg: Postgres, root: Path, name: str, count: int, sink: dict[str, Any]) -> dict[str, float]:
    """Of one process with `count` pipelines, all caught up."""
    documents = []
    for number in range(count):
        source = postgres_source(pg.dsn("idle"), name=f"{name}{count}_{number}", tables=["public.t"])
        documents.append(pipeline(source, [sink], name=f"p{number}"))
    engine = Engine(root / f"{name}-{count}", documents).start(ready=False)
    try:
        wait_until(lambda: sum(each["status"] == "running" for each in engine.get("/pipelines", missing=[])) == count, 180,
                   f"{count} pipelines to run", every=1)
        time.sleep(5)
        before, seconds = cpu_seconds(engine.pid), 20
        time.sleep(seconds)
        return {"rss_anon_mib": memory_mib(engine.pid), "rss_mib": memory_mib(engine.pid, "VmRSS"),
                "cpu_percent_of_a_core": round((cpu_seconds(engine.pid) - before) / seconds * 100, 3)}
    finally:
        engine.terminate()
        for number in range(count):
            slot = f"df_{name}{count}_{number}"
            pg.wait_slot_free(slot)
            pg.execute(f"SELECT pg_drop_replication_slot('{slot}')")


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev bench idle", description=__doc__)
    parser.add_argument("--pipelines", type=int, default=200)
    parser.add_argument("--with-kafka", type=int, default=50, help="of those with a Kafka client each")
    args = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="df-bench-"))
    root.chmod(0o755)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, root, ignore_errors=True)
        most = str(max(args.pipelines, args.with_kafka) + 20)
        pg = Postgres(15, root / "pg", settings={"max_replication_slots": most, "max_wal_senders": most,
                                                 "max_connections": str(4 * int(most))})
        stack.callback(pg.stop, "immediate")
        pg.start()
        pg.create_database("idle")
        pg.execute("CREATE TABLE t (id int PRIMARY KEY)", "idle")
        kafka = Kafka(root / "kafka", heap_mb=512)
        stack.callback(kafka.stop)
        kafka.start()
        kafka.create_topic("idle")
        report: dict[str, Any] = {"conditions": conditions(REPO, BINARY), "idle_pipelines": {}}
        for name, count, sink in (("blackhole", args.pipelines, blackhole_sink()),
                                  ("kafka", args.with_kafka, kafka_sink(kafka.brokers, "idle"))):
            one, many = (cost(pg, root, name, number, sink) for number in (1, count))
            each = {key: round((many[key] - one[key]) / (count - 1), 3) for key in one}
            report["idle_pipelines"][name] = {"one": one, f"{count}": many, "each_further": each}
            print(f"{name}: one {one}, {count} {many}, each further {each}")
    keep(report, REPO, "idle")
    return 0


if __name__ == "__main__":
    sys.exit(main())
