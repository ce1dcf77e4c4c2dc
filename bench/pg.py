#!/usr/bin/env python3
"""Drains one prepared backlog with pg_recvlogical and with the engine, in turn, in one run.

Every drain reads the same WAL from its own copy of one slot. Rates are from process start to the last event; what is
compared is the ratio of neighbours in a round, and its median over the rounds.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPO / "tests"), str(REPO / "bench")]

from measure import Run, conditions, cpu_seconds, drain, keep, median, memory_mib, per_event, show, summary  # noqa: E402

from harness.engine import BINARY, Engine, blackhole_sink, kafka_sink, pipeline, postgres_source  # noqa: E402
from harness.kafka import Kafka  # noqa: E402
from harness.postgres import Postgres  # noqa: E402

UNIX, TCP = "pg_recvlogical, unix socket", "pg_recvlogical, TCP"
BLACKHOLE, KAFKA = "engine -> blackhole, TCP", "engine -> Kafka, TCP"
RATIOS = [(BLACKHOLE, UNIX), (BLACKHOLE, TCP), (KAFKA, UNIX), (KAFKA, TCP), (KAFKA, BLACKHOLE)]

SCHEMA = """
CREATE TABLE bench (id bigint PRIMARY KEY, a int, b bigint, c text, d numeric(12,2), e timestamptz, f text);
CREATE PUBLICATION bench_pub FOR TABLE bench;
CREATE PROCEDURE fill(first bigint, transactions int, per int) LANGUAGE plpgsql AS $$
BEGIN
  FOR n IN 0..transactions - 1 LOOP
    INSERT INTO bench SELECT first + n * per + i, i, i * 1000003::bigint, 'customer ' || md5(i::text), i / 7.0, now(),
      'a short note ' || i FROM generate_series(1, per) i;
    COMMIT;
  END LOOP;
END $$;
"""


class Backlog:
    """A database whose slot `base` stands before `events` rows."""

    def __init__(self, pg: Postgres, name: str, transactions: int, per: int) -> None:
        self.pg, self.name, self.events = pg, name, transactions * per
        pg.create_database(name)
        pg.execute(SCHEMA, name)
        pg.execute(f"SELECT pg_create_logical_replication_slot('{name}_base', 'pgoutput')", name)
        pg.execute(f"CALL fill(0, {transactions}, {per})", name)
        self.end = pg.query("SELECT pg_current_wal_flush_lsn()::text")[0][0]
        pg.execute("SELECT pg_logical_emit_message(false, 'bench', 'after the end')", name)
        self.slots = 0

    def slot(self) -> str:
        self.slots += 1
        name = f"{self.name}_{self.slots}"
        self.pg.execute(f"SELECT pg_copy_logical_replication_slot('{self.name}_base', '{name}')", self.name)
        return name

    def drop(self, slot: str) -> None:
        self.pg.wait_slot_free(slot)
        self.pg.execute(f"SELECT pg_drop_replication_slot('{slot}')")

    def walsender(self, slot: str) -> int | None:
        rows = self.pg.query("SELECT active_pid FROM pg_replication_slots WHERE slot_name = %s", args=(slot,))
        return rows[0][0] if rows else None


def recvlogical(backlog: Backlog, host: str, what: str) -> Run:
    slot = backlog.slot()
    argv = ["/usr/lib/postgresql/15/bin/pg_recvlogical", "-h", host, "-p", str(backlog.pg.port), "-U", "postgres", "-d",
            backlog.name, "-S", slot, "--start", "--no-loop", "-f", "/dev/null", "-o", "proto_version=1", "-o",
            "publication_names=bench_pub", "-E", backlog.end]
    started = time.monotonic()
    child = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
    sender, sender_cpu = None, 0.0
    while True:
        done, status, usage = os.wait4(child.pid, os.WNOHANG)
        if done:
            break
        sender = sender or backlog.walsender(slot)
        if sender:
            try:
                sender_cpu = cpu_seconds(sender)
            except OSError:
                pass
        time.sleep(0.02)
    seconds = time.monotonic() - started
    if status != 0:
        raise RuntimeError(f"pg_recvlogical ended with status {status}")
    backlog.drop(slot)
    return Run(what, backlog.events, seconds, {
        "client": per_event(usage.ru_utime + usage.ru_stime, backlog.events),
        "walsender": per_event(sender_cpu, backlog.events)})


def engine(backlog: Backlog, root: Path, sink: dict[str, Any], what: str, kafka: Kafka | None = None) -> Run:
    slot = backlog.slot()
    source = postgres_source(backlog.pg.dsn(backlog.name), name="bench", tables=["public.bench"])
    source["config"].update(slot=slot, publication="bench_pub")
    beside = {"walsender": lambda: backlog.walsender(slot)}
    if kafka:
        beside["broker"] = lambda: kafka.process and kafka.process.pid
    try:
        return drain(Engine(root / f"engine-{slot}", pipeline(source, [sink])), backlog.events, what, beside)
    finally:
        backlog.drop(slot)


def idle(pg: Postgres, root: Path) -> dict[str, float]:
    """A caught-up pipeline: start to connected with an existing slot and state, memory, CPU."""
    pg.create_database("idle")
    pg.execute("CREATE TABLE t (id int PRIMARY KEY)", "idle")
    each = Engine(root / "idle", pipeline(postgres_source(pg.dsn("idle"), name="idle"), [blackhole_sink()])).start()
    each.terminate()
    starts = []
    for _ in range(5):
        pg.wait_slot_free("df_idle")
        started = time.monotonic()
        each.start(ready=False)
        while (each.get("/pipelines", missing=None) or [{"status": ""}])[0]["status"] != "running":
            if time.monotonic() - started > 20:
                raise RuntimeError(f"the idle pipeline did not start:\n{each.log_tail()}")
            time.sleep(0.001)
        starts.append((time.monotonic() - started) * 1000)
        if len(starts) < 5:
            each.terminate()
    time.sleep(3)
    before, seconds = cpu_seconds(each.pid), 20
    time.sleep(seconds)
    found = {"start_to_connected_ms": round(median(starts), 1), "rss_mib": round(memory_mib(each.pid, "VmRSS"), 1),
             "rss_anon_mib": round(memory_mib(each.pid), 1),
             "cpu_percent_of_a_core": round((cpu_seconds(each.pid) - before) / seconds * 100, 3)}
    each.kill()
    return found


def rounds(backlog: Backlog, count: int, root: Path, kafka: Kafka) -> list[dict[str, Run]]:
    found = []
    for number in range(1, count + 1):
        topic = kafka.create_topic(f"{backlog.name}-{number}")
        one = {}
        for run in (
                lambda: recvlogical(backlog, str(backlog.pg.socket_dir), UNIX),
                lambda: engine(backlog, root, blackhole_sink(), BLACKHOLE),
                lambda: recvlogical(backlog, "127.0.0.1", TCP),
                lambda: engine(backlog, root, kafka_sink(kafka.brokers, topic), KAFKA, kafka)):
            done = run()
            one[done.what] = done
            print(f"  {backlog.name} {number}/{count}  {done.what:28} {done.rate:10,.0f} events/s", file=sys.stderr)
        found.append(one)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev bench pg", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=1_000_000, help="in transactions of 64")
    parser.add_argument("--single", type=int, default=200_000, help="transactions of one row")
    args = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="df-bench-"))
    root.chmod(0o755)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, root, ignore_errors=True)
        pg = Postgres(15, root / "pg", settings={
            "shared_buffers": "512MB", "max_wal_size": "8GB", "synchronous_commit": "off", "autovacuum": "off",
            "checkpoint_timeout": "1h"})
        stack.callback(pg.stop, "immediate")
        pg.start()
        kafka = Kafka(root / "kafka", heap_mb=1024, more="log.segment.bytes=268435456")
        stack.callback(kafka.stop)
        kafka.start()
        report: dict[str, Any] = {"conditions": {**conditions(REPO, BINARY), "postgres": pg.query("SHOW server_version")[0][0],
                                                 "rounds": args.rounds},
                                  "idle": idle(pg, root), "workloads": {}}
        for name, title, transactions, per in (
                ("batched", f"{args.rows:,} rows in transactions of 64", args.rows // 64, 64),
                ("single", f"{args.single:,} transactions of one row", args.single, 1)):
            print(f"preparing: {title}", file=sys.stderr)
            backlog = Backlog(pg, name, transactions, per)
            report["workloads"][title] = summary(rounds(backlog, args.rounds, root, kafka), RATIOS)
    show(report)
    keep(report, REPO, "pg")
    return 0


if __name__ == "__main__":
    sys.exit(main())
