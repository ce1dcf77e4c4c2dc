#!/usr/bin/env python3
"""Starts a private PostgreSQL 15 and 18, MySQL 9, MariaDB, Kafka, Redis and NATS, prints how to reach them, and stops them at Ctrl-C."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from harness.kafka import Kafka  # noqa: E402
from harness.mysql import SERVERS  # noqa: E402
from harness.nats import Nats  # noqa: E402
from harness.postgres import VERSIONS, Postgres  # noqa: E402
from harness.redis import Redis  # noqa: E402


def main() -> int:
    root = Path(tempfile.mkdtemp(prefix="df-up-"))
    root.chmod(0o755)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, root, ignore_errors=True)
        try:
            for version in VERSIONS:
                pg = Postgres(version, root / f"pg{version}")
                stack.callback(pg.stop)
                print(f"PostgreSQL {version}: {pg.start().dsn()}", flush=True)
            for name, kind in SERVERS.items():
                server = kind(root / name)
                stack.callback(server.stop)
                print(f"{server.title}: {server.start().dsn()} (socket {server.socket})", flush=True)
            kafka = Kafka(root / "kafka")
            stack.callback(kafka.stop)
            print(f"Kafka: {kafka.start().brokers}", flush=True)
            redis = Redis(root / "redis")
            stack.callback(redis.stop)
            print(f"Redis: {redis.start().uri}", flush=True)
            nats = Nats(root / "nats")
            stack.callback(nats.stop)
            print(f"NATS: {nats.start().url}", flush=True)
            print("Ctrl-C stops them.", flush=True)
            signal.pause()
        except KeyboardInterrupt:
            pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
