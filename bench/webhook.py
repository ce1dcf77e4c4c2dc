#!/usr/bin/env python3
"""Posts the rows of one prepared binary log to a receiver, one request for each event, and the very same bodies with
nothing but keep-alive connections, in turn, in one run; the receiver answers at once, or 20 ms later.

The plain poster sends what it has prepared on 64 connections, one request at a time on each, and looks at no more of an
answer than its status. Each row has a key of its own, so the engine may send all of them beside each other.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPO / "tests"), str(REPO / "bench")]

from measure import Run, conditions, cpu_seconds, keep, per_event, show, summary  # noqa: E402
from mysql import Backlog, engine  # noqa: E402

from harness.engine import BINARY, http_sink  # noqa: E402
from harness.webhook import Webhook, WebhookReader  # noqa: E402

LINKS = 64
ENGINE, PLAIN = "engine -> HTTP", "plain keep-alive posting"


async def post(port: int, requests: list[bytes]) -> None:
    waiting = iter(requests)

    async def link() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for request in waiting:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            size = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            await reader.readexactly(size)
        writer.close()
    await asyncio.gather(*(link() for _ in range(LINKS)))


def plain(hook: Webhook, path: str, bodies: list[bytes]) -> Run:
    head = (f"POST /{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            "Idempotency-Key: 01961234-5678-7abc-def0-123456789abc\r\nContent-Length: %d\r\n\r\n").encode()
    requests = [head % len(body) + body for body in bodies]
    assert hook.process is not None
    own, server = sum(os.times()[:2]), cpu_seconds(hook.process.pid)
    started = time.monotonic()
    asyncio.run(post(hook.port, requests))
    seconds = time.monotonic() - started
    return Run(PLAIN, len(bodies), seconds, {"client": per_event(sum(os.times()[:2]) - own, len(bodies)),
                                             "receiver": per_event(cpu_seconds(hook.process.pid) - server, len(bodies))})


def rounds(backlog: Backlog, count: int, root: Path, hook: Webhook, delay: float) -> list[dict[str, Run]]:
    found = []
    for number in range(1, count + 1):
        one = {}
        hook.forget()
        hook.rules({"path": "/bench", "delay": delay})
        one[ENGINE] = engine(backlog, root, http_sink(f"{hook.url}/bench"), ENGINE, {"receiver": hook.process})
        reader = WebhookReader(hook, "/bench")
        while reader.drain():
            pass
        one[PLAIN] = plain(hook, "bench", reader.records)
        for done in one.values():
            print(f"  {delay * 1000:g} ms {number}/{count}  {done.what:26} {done.rate:10,.0f} events/s  {done.cpu}",
                  file=sys.stderr)
        found.append(one)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev bench webhook", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=20_000, help="in transactions of 64")
    args = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="df-bench-"))
    root.chmod(0o755)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, root, ignore_errors=True)
        hook = Webhook(root / "webhook").start()
        stack.callback(hook.stop)
        backlog = Backlog(root, "batched", args.rows // 64, 64)
        stack.callback(backlog.stop)
        report = {"conditions": {**conditions(REPO, BINARY), "rounds": args.rounds}, "workloads": {
            f"{backlog.events:,} rows, answered after {delay * 1000:g} ms": summary(
                rounds(backlog, args.rounds, root, hook, delay), [(ENGINE, PLAIN)]) for delay in (0, 0.02)}}
    show(report)
    keep(report, REPO, "webhook")
    return 0


if __name__ == "__main__":
    sys.exit(main())
