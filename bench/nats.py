#!/usr/bin/env python3
"""Drains one prepared binary log into a JetStream stream, and publishes the very same messages, headers and all, to a new
stream with nothing but a socket, in turn, in one run.

The raw publisher writes what it has prepared in memory, with 4,096 messages under way, and counts acknowledgements: it
decodes nothing and looks at no answer. Rates are from process start (of the engine) or the first byte (of the raw
publisher) to the last acknowledgement.
"""

from __future__ import annotations

import argparse
import os
import select
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPO / "tests"), str(REPO / "bench")]

from measure import Run, conditions, cpu_seconds, keep, per_event, show, summary  # noqa: E402
from mysql import BLACKHOLE, Backlog, engine  # noqa: E402

from harness.engine import BINARY, blackhole_sink, nats_sink  # noqa: E402
from harness.nats import PROGRAMS, Nats, NatsReader  # noqa: E402

UNDER_WAY = 4096
PIECE = 128  # messages in one write
_ANSWER = b"MSG _INBOX.raw."


def messages(reader: NatsReader) -> list[bytes]:
    """Of a whole stream, as they go over the wire, in pieces."""
    while reader.drain():
        pass
    pieces, piece = [], []
    for number, (subject, headers, body) in enumerate(zip(reader.subjects, reader.headers, reader.records, strict=True)):
        head = ("NATS/1.0\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n").encode()
        piece.append(b"HPUB %s _INBOX.raw.%d %d %d\r\n%s%s\r\n" % (
            subject.encode(), number, len(head), len(head) + len(body), head, body))
        if len(piece) == PIECE:
            pieces.append(b"".join(piece))
            piece = []
    return [*pieces, b"".join(piece)] if piece else pieces


def raw_publisher(nats: Nats, events: int, pieces: list[bytes], what: str) -> Run:
    client = nats.client()
    assert nats.process is not None
    own, server = sum(os.times()[:2]), cpu_seconds(nats.process.pid)
    client._send(b"SUB _INBOX.raw.* 7\r\n")
    link = client.socket
    link.setblocking(False)
    started = time.monotonic()
    sent = answered = 0
    waiting, rest, carry = iter(pieces), b"", b""
    while answered < events:
        if not rest and sent - answered <= UNDER_WAY - PIECE:
            rest = next(waiting, b"")
            sent += PIECE if rest else 0
        readable, writable, _ = select.select([link], [link] if rest else [], [], 30)
        if writable:
            rest = rest[link.send(rest):]
        if readable:
            data = carry + link.recv(1 << 18)
            assert b'"error"' not in data and b"-ERR" not in data, data[:500]
            answered += data.count(_ANSWER)
            carry = data[-(len(_ANSWER) - 1):]
        if not readable and not writable:
            raise RuntimeError(f"NATS is silent: {answered} of {events} answered")
    seconds = time.monotonic() - started
    client.close()
    return Run(what, events, seconds, {"client": per_event(sum(os.times()[:2]) - own, events),
                                       "nats": per_event(cpu_seconds(nats.process.pid) - server, events)})


def rounds(backlog: Backlog, count: int, root: Path, nats: Nats, to: str, raw: str) -> list[dict[str, Run]]:
    found = []
    for number in range(1, count + 1):
        one: dict[str, Run] = {}

        def note(done: Run) -> None:
            one[done.what] = done  # noqa: B023
            print(f"  {nats.kind} {number}/{count}  {done.what:24} {done.rate:12,.0f} events/s  {done.cpu}",  # noqa: B023
                  file=sys.stderr)
        nats.create_stream("BENCH", "bench")
        note(engine(backlog, root, blackhole_sink(), BLACKHOLE, {}))
        note(engine(backlog, root, nats_sink(nats.url, "bench", stream="BENCH"), to, {"nats": nats.process}))
        pieces = messages(NatsReader(nats, "BENCH"))
        nats.delete_stream("BENCH")
        nats.create_stream("BENCH", "bench")
        note(raw_publisher(nats, backlog.events, pieces, raw))
        nats.delete_stream("BENCH")
        found.append(one)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev bench nats", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=300_000, help="in transactions of 64")
    args = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="df-bench-"))
    root.chmod(0o755)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, root, ignore_errors=True)
        report: dict[str, Any] = {"conditions": {**conditions(REPO, BINARY), "rounds": args.rounds}, "workloads": {}}
        backlog = Backlog(root, "batched", args.rows // 64, 64)
        stack.callback(backlog.stop)
        for kind in PROGRAMS:
            nats = Nats(root / kind, kind).start()
            try:
                to, raw = "engine -> NATS", "raw publisher"
                report["workloads"][f"{kind}: {args.rows:,} rows in transactions of 64"] = summary(
                    rounds(backlog, args.rounds, root, nats, to, raw), [(to, raw), (to, BLACKHOLE)])
            finally:
                nats.stop()
    show(report)
    keep(report, REPO, "nats")
    return 0


if __name__ == "__main__":
    sys.exit(main())
