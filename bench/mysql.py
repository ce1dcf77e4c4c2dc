#!/usr/bin/env python3
"""Drains one prepared binary log with `mysqlbinlog --raw` and with the engine, in turn, in one run; beside the Redis sink
`redis-cli --pipe` writes the same commands.

A pipeline begins at the end of the log, so it is started once before the log is filled; every drain begins from a copy
of the state of that start. Rates are from process start to the last event; what is compared is the ratio of neighbours
in a round, and its median over the rounds.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPO / "tests"), str(REPO / "bench")]

from measure import Run, conditions, cpu_seconds, drain, keep, per_event, show, summary  # noqa: E402

from harness.engine import (  # noqa: E402
    BINARY, Engine, blackhole_sink, file_sink, http_sink, kafka_sink, mysql_source, nats_sink, pipeline, redis_sink)
from harness.kafka import Kafka  # noqa: E402
from harness.mysql import PASSWORD, Mysql, tool  # noqa: E402
from harness.procs import Process, wait_until  # noqa: E402
from harness.redis import Redis  # noqa: E402

BINLOG, PIPE = "mysqlbinlog --raw", "redis-cli --pipe"
BLACKHOLE, FILE, KAFKA, REDIS = (f"engine -> {to}" for to in ("blackhole", "file", "Kafka", "Redis"))
RATIOS = [(BLACKHOLE, BINLOG), (FILE, BLACKHOLE), (KAFKA, BLACKHOLE), (REDIS, BLACKHOLE), (REDIS, PIPE)]

SCHEMA = "CREATE TABLE bench (id bigint PRIMARY KEY, a int, b bigint, c varchar(80), d decimal(12,2), e timestamp(6), f text)"


def rows(first: int, count: int) -> str:
    return ",".join(f"({n},{n % 64},{n * 1000003},'customer {n:032x}',{n % 1000}.25,now(6),'a short note {n % 64}')"
                    for n in range(first, first + count))


class Backlog:
    """A server whose log holds `events` rows behind the position that `state` stands at."""

    def __init__(self, root: Path, name: str, transactions: int, per: int, *, schema: str = SCHEMA,
                 rows: Callable[[int, int], str] = rows) -> None:
        self.events = transactions * per
        self.server = Mysql(root / name, settings={"sync_binlog": "0", "innodb_flush_log_at_trx_commit": "0",
                                                   "max_binlog_size": "1G"})
        self.server.start()
        self.server.create_database("bench")
        self.server.execute(schema, "bench")
        self.source = mysql_source(self.server.dsn("bench"), name="bench", tables=["bench.bench"])
        self.first_file = self.server.binlog_status()[0]
        base = Engine(root / f"{name}-base", pipeline(self.source, [
            blackhole_sink(), file_sink(root / f"{name}-none"), kafka_sink("127.0.0.1:1", "none"),
            redis_sink("redis://127.0.0.1:1", "none"), nats_sink("nats://127.0.0.1:1", "none"),
            http_sink("http://127.0.0.1:1")]))
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
    return Run(BINLOG, backlog.events, seconds,
               {"client": per_event(sum(subprocess_times()) - before, backlog.events)})


def subprocess_times() -> tuple[float, float]:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime, usage.ru_stime


def engine(backlog: Backlog, root: Path, sink: dict[str, Any], what: str, beside: dict[str, Process | None],
           **spec: Any) -> Run:
    home = Path(tempfile.mkdtemp(dir=root))
    each = Engine(home, pipeline(spec.pop("source", backlog.source), [sink], **spec))
    shutil.copytree(backlog.state, each.state)
    each.state.chmod(0o700)
    processes = {"mysqld": backlog.server.process, **beside}
    try:
        return drain(each, backlog.events, what, {name: lambda it=it: it and it.pid for name, it in processes.items()})
    finally:
        shutil.rmtree(home, ignore_errors=True)


def raw_commands(redis: Redis, stream: str, count: int, file: Path) -> None:
    """Writes the XADDs that would fill a stream with what is at the start of this one, over and over."""
    def command(fields: list[bytes]) -> bytes:
        words = [b"XADD", b"raw", b"*", *fields]
        return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
    some = [command(fields) for _, fields in redis.ask("XRANGE", stream, "-", "+", "COUNT", 1000)]
    with file.open("wb") as out:
        for start in range(0, count, len(some)):
            out.writelines(some[:count - start])


def raw_writer(backlog: Backlog, redis: Redis, file: Path) -> Run:
    """`redis-cli --pipe`: the same commands from a file, nothing decoded and nothing waited for."""
    before, server = sum(subprocess_times()), cpu_seconds(redis.process.pid)
    started = time.monotonic()
    with file.open("rb") as commands:
        subprocess.run(["redis-cli", "-p", str(redis.port), "--pipe"], stdin=commands, check=True, capture_output=True)
    seconds = time.monotonic() - started
    held = redis.ask("XLEN", "raw")
    if held != backlog.events:
        raise RuntimeError(f"redis-cli wrote {held} of {backlog.events}")
    return Run(PIPE, backlog.events, seconds, {
        "client": per_event(sum(subprocess_times()) - before, backlog.events),
        "redis": per_event(cpu_seconds(redis.process.pid) - server, backlog.events)})


def rounds(backlog: Backlog, name: str, count: int, root: Path, kafka: Kafka, redis: Redis) -> list[dict[str, Run]]:
    found = []
    for number in range(1, count + 1):
        topic = kafka.create_topic(f"{name}-{number}")
        out, commands = root / "out", root / "commands"
        one = {}
        for run in (
                lambda: mysqlbinlog(backlog, root),
                lambda: engine(backlog, root, blackhole_sink(), BLACKHOLE, {}),
                lambda: engine(backlog, root, file_sink(out), FILE, {}),
                lambda: engine(backlog, root, kafka_sink(kafka.brokers, topic), KAFKA, {"broker": kafka.process}),
                lambda: engine(backlog, root, redis_sink(redis.uri, "engine"), REDIS,
                               {"redis": redis.process}),
                lambda: raw_writer(backlog, redis, commands)):
            done = run()
            one[done.what] = done
            print(f"  {name} {number}/{count}  {done.what:24} {done.rate:12,.0f} events/s  {done.cpu}", file=sys.stderr)
            if done.what == REDIS:
                raw_commands(redis, "engine", backlog.events, commands)
                redis.ask("DEL", "engine")
        redis.ask("DEL", "raw")
        shutil.rmtree(out)
        found.append(one)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev bench mysql", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=2_000_000, help="in transactions of 64")
    parser.add_argument("--single", type=int, default=200_000, help="transactions of one row")
    args = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="df-bench-"))
    root.chmod(0o755)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, root, ignore_errors=True)
        kafka = Kafka(root / "kafka", heap_mb=1024, more="log.segment.bytes=268435456")
        stack.callback(kafka.stop)
        kafka.start()
        redis = Redis(root / "redis", durable=False).start()
        stack.callback(redis.stop)
        report: dict[str, Any] = {"conditions": {**conditions(REPO, BINARY), "rounds": args.rounds}, "workloads": {}}
        for name, title, transactions, per in (
                ("batched", f"{args.rows:,} rows in transactions of 64", args.rows // 64, 64),
                ("single", f"{args.single:,} transactions of one row", args.single, 1)):
            print(f"preparing: {title}", file=sys.stderr)
            backlog = Backlog(root, name, transactions, per)
            try:
                report["workloads"][title] = summary(
                    rounds(backlog, name, args.rounds, root, kafka, redis), RATIOS)
            finally:
                backlog.stop()
    show(report)
    keep(report, REPO, "mysql")
    return 0


if __name__ == "__main__":
    sys.exit(main())
