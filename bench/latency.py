#!/usr/bin/env python3
"""How long a commit takes to be acknowledged by Kafka at a steady rate of small transactions.

From the commit time in the event to the time at which the broker appended the record (LogAppendTime), both by the clock of
this machine and in whole milliseconds. The first seconds warm the broker up and do not count. Beside it the engine's own
histogram, from received to acknowledged.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, TopicPartition

REPO = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPO / "tests"), str(REPO / "bench")]

from measure import conditions, cpu_seconds, keep, per_event  # noqa: E402

from harness.engine import BINARY, Engine, kafka_sink, mysql_source, pipeline, postgres_source  # noqa: E402
from harness.kafka import Kafka  # noqa: E402
from harness.mysql import Mysql  # noqa: E402
from harness.postgres import Postgres  # noqa: E402
from harness.procs import wait_until  # noqa: E402

WARM_UP = 5  # seconds
SCHEMA = "CREATE TABLE t (id bigint PRIMARY KEY, v varchar(100))"


def write(server: Any, database: str, rate: int, seconds: int) -> int:
    """One-row transactions, each at its time. How many."""
    link = server.dialect.connect(server, database)
    count = rate * seconds
    with link, link.cursor() as cursor:
        begun = time.monotonic()
        for number in range(count):
            left = begun + number / rate - time.monotonic()
            if left > 0:
                time.sleep(left)
            cursor.execute(f"INSERT INTO t VALUES ({number}, 'a short text of about the usual size')")
            link.commit()
    late = time.monotonic() - begun - seconds
    if late > 1:
        raise RuntimeError(f"the writer was {late:.1f} s late: the machine is too busy for {rate} transactions a second")
    return count


def latencies(kafka: Kafka, topic: str, count: int) -> list[int]:
    """In the order of the rows."""
    consumer = Consumer({"bootstrap.servers": kafka.brokers, "group.id": "latency", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, 0)])
    found: list[int] = []
    end = time.monotonic() + 60
    while len(found) < count and time.monotonic() < end:
        for message in consumer.consume(1000, 1):
            if not message.error():
                found.append(message.timestamp()[1] - json.loads(message.value())["ts_ms"])
    consumer.close()
    if len(found) != count:
        raise RuntimeError(f"{len(found)} of {count} rows arrived")
    return found


def measure(name: str, server: Any, source: dict[str, Any], database: str, kafka: Kafka, root: Path, rate: int,
            seconds: int) -> dict[str, Any]:
    topic = kafka.create_topic(f"latency_{name}", settings={"message.timestamp.type": "LogAppendTime"})
    engine = Engine(root / f"engine-{name}", pipeline(source, [kafka_sink(kafka.brokers, topic)])).start()
    try:
        before = cpu_seconds(engine.pid)
        count = write(server, database, rate, WARM_UP + seconds)
        wait_until(lambda: engine.metric("deltaforge_sink_events_total") >= count, 60, "all rows to be delivered")
        found = sorted(latencies(kafka, topic, count)[rate * WARM_UP:])
        own = engine.metric("deltaforge_e2e_latency_seconds_sum") / engine.metric("deltaforge_e2e_latency_seconds_count")
        return {"transactions_per_second": rate, "p50_ms": found[len(found) // 2], "p99_ms": found[len(found) * 99 // 100],
                "max_ms": found[-1], "received_to_acknowledged_mean_ms": round(own * 1000, 2),
                "cpu_us_per_event": per_event(cpu_seconds(engine.pid) - before, count)}
    finally:
        engine.kill()


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev bench latency", description=__doc__)
    parser.add_argument("--rate", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=20)
    args = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="df-bench-"))
    root.chmod(0o755)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, root, ignore_errors=True)
        kafka = Kafka(root / "kafka", heap_mb=1024)
        stack.callback(kafka.stop)
        kafka.start()
        report: dict[str, Any] = {"conditions": conditions(REPO, BINARY), "latency": {}}
        # Commits flush the log, without the disk. An asynchronous commit is not sent before the server's own writer flushes.
        servers = {"postgres": Postgres(15, root / "pg", settings={"synchronous_commit": "on", "fsync": "off"}),
                   "mysql": Mysql(root / "mysql", settings={"sync_binlog": "0", "innodb_flush_log_at_trx_commit": "0"})}
        for name, server in servers.items():
            stack.callback(server.stop)
            server.start()
            server.create_database("bench")
            server.execute(SCHEMA, "bench")
            dsn = server.dsn("bench")
            source = postgres_source(dsn, name="bench") if name == "postgres" else mysql_source(
                dsn, name="bench", tables=["bench.t"])
            report["latency"][name] = measure(name, server, source, "bench", kafka, root, args.rate, args.seconds)
            print(f"{name}: {report['latency'][name]}")
    keep(report, REPO, "latency")
    return 0


if __name__ == "__main__":
    sys.exit(main())
