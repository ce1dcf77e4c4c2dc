#!/usr/bin/env python3
"""Watch the row changes of a throw-away PostgreSQL arrive: on this terminal, or (`kafka`) in a real Apache Kafka.

`mysql` takes a throw-away MariaDB instead, which is what Debian has of the two.

Changes go to stdout, one a line; once a second a status line goes to stderr. Ctrl-C stops and removes everything.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPO / "tests"), str(Path(__file__).resolve().parent)]

from shop import Shop  # noqa: E402

from harness.engine import Engine, kafka_sink, mysql_source, pipeline, postgres_source  # noqa: E402
from harness.kafka import Kafka  # noqa: E402
from harness.mysql import Mariadb  # noqa: E402
from harness.postgres import Postgres  # noqa: E402

TOPIC = "shop"


class Interrupted(Exception):
    """Ctrl-C, or a polite request to end."""


def _interrupt(*_: object) -> None:
    raise Interrupted


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def database(name: str, root: Path, stack: ExitStack) -> tuple[Postgres | Mariadb, dict[str, Any]]:
    """A server that runs and has the shop's tables, and the source that reads them."""
    say(f"demo: starting a throw-away {'MariaDB' if name == 'mysql' else 'PostgreSQL'}")
    server: Postgres | Mariadb
    if name == "mysql":
        server = Mariadb(root / "mariadb")
        stack.callback(server.kill)
    else:
        server = Postgres(15, root / "postgres")
        stack.callback(server.stop, "immediate")
    server.start()
    server.create_database("shop")
    tables = "shop_mysql.sql" if name == "mysql" else "shop.sql"
    server.script((Path(__file__).parent / tables).read_text(), "shop")
    if name == "mysql":
        return server, mysql_source(server.dsn("shop"), name="shop", tables=["shop.*"])
    return server, postgres_source(server.dsn("shop"), name="shop")


def watch(engine: Engine, seconds: float) -> float:
    """A status line each second until the time is over; returns how many changes were delivered."""
    before, delivered, end = time.monotonic(), 0.0, time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(min(1.0, max(0.0, end - time.monotonic())))
        if not engine.alive():
            raise RuntimeError(f"the engine ended:\n{engine.log_tail()}")
        now, total = time.monotonic(), engine.metric("deltaforge_sink_events_total")
        lag = engine.metric("deltaforge_source_lag_seconds")
        say(f"-- {(total - delivered) / (now - before):6.1f} changes/s, {total:.0f} in all, lag {lag:.3f} s, "
            f"{engine.pipeline('shop')['status']}")
        before, delivered = now, total
    return delivered


def run(args: argparse.Namespace, root: Path, stack: ExitStack) -> int:
    server, source = database("mysql" if "mysql" in args.what else "postgres", root, stack)
    if "kafka" in args.what:
        say("demo: starting Apache Kafka")
        kafka = Kafka(root / "kafka")
        stack.callback(kafka.stop)
        kafka.start().create_topic(TOPIC)
        sink = kafka_sink(kafka.brokers, TOPIC)
    else:
        sink = {"type": "stdout", "config": {"id": "terminal", "format": "pretty"}}
    engine = Engine(root / "engine", pipeline(source, [sink], name="shop"))
    stack.callback(engine.kill)
    if "kafka" not in args.what:
        engine.stdout = Path("/dev/stdout")
    engine.start()
    say(f"demo: the engine runs, its API is http://127.0.0.1:{engine.api}/pipelines")
    if "kafka" in args.what:
        say(f"demo: kcat, an independent consumer, shows the topic '{TOPIC}': key, then event")
        reader = subprocess.Popen(["kcat", "-q", "-u", "-C", "-b", kafka.brokers, "-t", TOPIC, "-o", "beginning", "-f",
                                   "%k  %s\\n"], stdin=subprocess.DEVNULL, start_new_session=True)
        stack.callback(reader.wait)
        stack.callback(reader.kill)
    shop = Shop(lambda: server.dialect.connect(server, "shop"), args.rate).start()
    stack.callback(shop.stop)
    delivered = watch(engine, args.seconds)
    shop.stop()
    code = engine.terminate()
    say(f"demo: {shop.transactions} transactions, {delivered:.0f} changes; the engine drained and ended with {code}")
    return 0 if code == 0 and delivered > 0 else 1


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev demo", description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", metavar="mysql | kafka", help="another database, another target, or both")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop by itself after this time")
    parser.add_argument("--rate", type=float, default=8, help="transactions a second (default 8)")
    args = parser.parse_args()
    if odd := set(args.what) - {"mysql", "kafka"}:
        parser.error(f"there is no '{min(odd)}', only mysql and kafka")
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    root = Path(tempfile.mkdtemp(prefix="df-demo-"))
    root.chmod(0o755)
    with ExitStack() as stack:
        stack.callback(lambda: say("demo: everything is stopped and removed"))
        stack.callback(shutil.rmtree, root, ignore_errors=True)
        try:
            return run(args, root, stack)
        except Interrupted:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # let the clean-up finish
            say("")
            return 0


if __name__ == "__main__":
    sys.exit(main())
