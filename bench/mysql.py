#!/usr/bin/env python3
"""Drains one prepared binary log with `mysqlbinlog --raw` and with the engine, in turn, in one run.

A pipeline begins at the end of the log, so it is started once before the log is filled; every drain begins from a copy
of the state of that start. Rates are from process start to the last event; what is compared is the ratio of neighbours
in a round, and its median over the rounds.
"""

from __future__ import annotations

import argparse
import json
import resource
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

from measure import PeakMemory, Run, conditions, cpu_seconds, median, per_event  # noqa: E402

from harness.engine import BINARY, Engine, blackhole_sink, kafka_sink, mysql_source, pipeline  # noqa: E402
from harness.kafka import Kafka  # noqa: E402
from harness.mysql import PASSWORD, Mysql, tool  # noqa: E402
from harness.procs import wait_until  # noqa: E402

SCHEMA = "CREATE TABLE bench (id bigint PRIMARY KEY, a int, b bigint, c varchar(80), d decimal(12,2), e timestamp(6), f text)"


def rows(first: int, count: int) -> str:
    return ",".join(f"({n},{n % 64},{n * 1000003},'customer {n:032x}',{n % 1000}.25,now(6),'a short note {n % 64}')"
                    for n in range(first, first + count))


class Backlog:
    """A server whose log holds `events` rows behind the position that `state` stands at."""

    def __init__(self, root: Path, name: str, transactions: int, per: int) -> None:
        self.events = transactions * per
        self.server = Mysql(root / name, settings={"sync_binlog": "0", "innodb_flush_log_at_trx_commit": "0",
                                                   "max_binlog_size": "1G"})
        self.server.start()
        self.server.create_database("bench")
        self.server.execute(SCHEMA, "bench")
        self.source = mysql_source(self.server.dsn("bench"), name="bench", tables=["bench.bench"])
        self.first_file = self.server.binlog_status()[0]
        base = Engine(root / f"{name}-base", pipeline(self.source, [blackhole_sink(), kafka_sink("127.0.0.1:1", "none")]))
        base.start(ready=False)
        wait_until(lambda: "streaming from the binary log" in base.log_text(), 30, "the first start")
        base.kill()
        self.state = base.state
        with self.server.link("bench", autocommit=False) as link, link.cursor() as cursor:
            for number in range(transactions):
                cursor.execute(f"INSERT INTO bench VALUES {rows(number * per, per)}")
                link.commit()

    def stop(self) -> None:
        self.server.stop()


def mysqlbinlog(backlog: Backlog, root: Path) -> Run:
    folder = Path(tempfile.mkdtemp(dir=root))
    started = time.monotonic()
    before = sum(subprocess_times())
    subprocess.run(tool("mysqlbinlog", "--no-defaults", "--raw", "--read-from-remote-server", "--host=127.0.0.1",
                        f"--port={backlog.server.port}", "--user=cdc", f"--password={PASSWORD}", "--to-last-log",
                        f"--result-file={folder}/", backlog.first_file),
                   check=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seconds = time.monotonic() - started
    shutil.rmtree(folder)
    return Run("mysqlbinlog --raw", backlog.events, seconds,
               {"client": per_event(sum(subprocess_times()) - before, backlog.events)})


def subprocess_times() -> tuple[float, float]:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime, usage.ru_stime


def engine(backlog: Backlog, root: Path, sink: dict[str, Any], what: str, kafka: Kafka | None = None) -> Run:
    home = Path(tempfile.mkdtemp(dir=root))
    each = Engine(home, pipeline(backlog.source, [sink]))
    shutil.copytree(backlog.state, each.state)
    each.state.chmod(0o700)
    server_before = cpu_seconds(backlog.server.process.pid) if backlog.server.process else 0.0
    broker_before = cpu_seconds(kafka.process.pid) if kafka and kafka.process else 0.0
    started = time.time()
    each.start(ready=False)
    try:
        memory = PeakMemory(each.pid)

        def drained() -> bool:
            if not each.alive():
                raise RuntimeError(f"the engine ended:\n{each.log_tail()}")
            try:
                return each.metric("deltaforge_sink_events_total") >= backlog.events
            except OSError:
                return False
        # Asked rarely, since every look at the metrics costs the engine; when it ended is what the engine itself noted.
        wait_until(drained, 300, f"{what} to drain", every=0.3)
        seconds = each.metric("deltaforge_last_checkpoint_ts") - started
        cpu = {"engine": per_event(cpu_seconds(each.pid), backlog.events)}
        if backlog.server.process:
            cpu["mysqld"] = per_event(cpu_seconds(backlog.server.process.pid) - server_before, backlog.events)
        if kafka and kafka.process:
            cpu["broker"] = per_event(cpu_seconds(kafka.process.pid) - broker_before, backlog.events)
        return Run(what, backlog.events, seconds, cpu, round(memory.stop(), 1))
    finally:
        each.kill()
        shutil.rmtree(home, ignore_errors=True)


def rounds(backlog: Backlog, name: str, count: int, root: Path, kafka: Kafka) -> list[dict[str, Run]]:
    found = []
    for number in range(1, count + 1):
        topic = kafka.create_topic(f"{name}-{number}")
        one = {}
        for run in (lambda: mysqlbinlog(backlog, root),
                    lambda: engine(backlog, root, blackhole_sink(), "engine -> blackhole"),
                    lambda: engine(backlog, root, kafka_sink(kafka.brokers, topic), "engine -> Kafka", kafka)):
            done = run()
            one[done.what] = done
            print(f"  {name} {number}/{count}  {done.what:28} {done.rate:12,.0f} events/s  {done.cpu}", file=sys.stderr)
        found.append(one)
    return found


def summary(found: list[dict[str, Run]]) -> dict[str, Any]:
    def ratio(a: str, b: str) -> float:
        return round(median([one[a].rate / one[b].rate for one in found]), 2)
    raw, black, kafka = found[0]
    return {"runs": {name: {
        "events_per_second": round(median([one[name].rate for one in found])),
        "cpu_us_per_event": {process: round(median([one[name].cpu[process] for one in found]), 2)
                             for process in found[0][name].cpu},
        "peak_anon_mib": max((one[name].peak_mib or 0 for one in found), default=0) or None} for name in found[0]},
        "ratios": {"blackhole / mysqlbinlog --raw": ratio(black, raw), "Kafka / blackhole": ratio(kafka, black)}}


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev bench mysql", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=1_000_000, help="in transactions of 64")
    parser.add_argument("--single", type=int, default=200_000, help="transactions of one row")
    args = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="df-bench-"))
    root.chmod(0o755)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, root, ignore_errors=True)
        kafka = Kafka(root / "kafka", heap_mb=1024, more="log.segment.bytes=268435456")
        stack.callback(kafka.stop)
        kafka.start()
        report: dict[str, Any] = {"conditions": {**conditions(REPO, BINARY), "rounds": args.rounds}, "workloads": {}}
        for name, title, transactions, per in (
                ("batched", f"{args.rows:,} rows in transactions of 64", args.rows // 64, 64),
                ("single", f"{args.single:,} transactions of one row", args.single, 1)):
            print(f"preparing: {title}", file=sys.stderr)
            backlog = Backlog(root, name, transactions, per)
            try:
                report["workloads"][title] = summary(rounds(backlog, name, args.rounds, root, kafka))
            finally:
                backlog.stop()
        target = REPO / "bench/results" / f"mysql-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}.json"
        target.parent.mkdir(exist_ok=True)
        target.write_text(json.dumps(report, indent=1) + "\n")
    for workload, part in report["workloads"].items():
        print(f"\n{workload}")
        for name, run in part["runs"].items():
            cpu = ", ".join(f"{process} {value}" for process, value in run["cpu_us_per_event"].items())
            print(f"  {name:24} {run['events_per_second']:>12,} events/s  {run['peak_anon_mib'] or '':>7} MiB  {cpu} us/event")
        print("  " + ", ".join(f"{name} {value}x" for name, value in part["ratios"].items()))
    print(f"\n{target.relative_to(REPO)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
