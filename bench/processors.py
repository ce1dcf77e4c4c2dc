#!/usr/bin/env python3
"""Drains one prepared binary log into a sink that takes everything, without a processor and with each of them, in turn, in
one run. What a processor costs is the difference in CPU of the engine; it works on a thread of its own, so the rate of a
pipeline is that of its slowest stage.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPO / "tests"), str(REPO / "bench")]

from measure import Run, conditions, keep, show, summary  # noqa: E402
from mysql import BLACKHOLE, Backlog, engine  # noqa: E402

from harness.engine import BINARY, blackhole_sink  # noqa: E402

SCHEMA = ("CREATE TABLE bench (id bigint PRIMARY KEY, aggregate_type varchar(40), aggregate_id varchar(40), event_type "
          "varchar(40), topic varchar(40), payload json)")
SCRIPT = """
function processBatch(events) {
  return events.map(e => {
    if (e.after && e.after.topic) e.after.topic = '[redacted]';
    e.tags = ['redacted'];
    return e;
  });
}
"""
LIMITS = {"cpu_ms": 5_000, "timeout_ms": 20_000}

PROCESSORS: dict[str, dict[str, Any]] = {
    "filter": {"type": "filter", "ops": ["create", "update"], "fields": [
        {"path": "aggregate_type", "op": "in", "value": ["Order", "Customer"]}, {"path": "id", "op": "gte", "value": 0}]},
    "flatten": {"type": "flatten"},
    "outbox": {"type": "outbox", "topic": "orders.${event_type}"},
    "mask": {"type": "mask", "rules": [{"columns": ["aggregate_id"], "action": "hash", "key": "a key of the bench"}]},
    "javascript, redact and tag": {"type": "javascript", "inline": SCRIPT, "limits": LIMITS},
    "javascript, untouched": {"type": "javascript", "inline": "function processBatch(events) { return events; }",
                              "limits": LIMITS},
}


def rows(first: int, count: int) -> str:
    return ",".join(f"({n},'Order','{n % 1000}','placed','orders','{{\"customer\": {{\"tier\": \"gold\", \"city\": \"Bern\"}}, "
                    f"\"items\": {n % 9}}}')" for n in range(first, first + count))


def rounds(backlog: Backlog, count: int, root: Path) -> list[dict[str, Run]]:
    found = []
    for number in range(1, count + 1):
        one: dict[str, Run] = {}
        for name, processor in [(BLACKHOLE, None), *PROCESSORS.items()]:
            spec: dict[str, Any] = {"processors": [processor]} if processor else {}
            if name == "outbox":
                source = backlog.source
                spec["source"] = {**source, "config": {**source["config"], "outbox": {"tables": ["bench.bench"]}}}
            one[name] = engine(backlog, root, blackhole_sink(), name, {}, **spec)
            print(f"  {number}/{count}  {name:28} {one[name].rate:12,.0f} events/s  {one[name].cpu}", file=sys.stderr)
        found.append(one)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev bench processors", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=1_000_000, help="in transactions of 64")
    args = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="df-bench-"))
    root.chmod(0o755)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, root, ignore_errors=True)
        backlog = Backlog(root, "batched", args.rows // 64, 64, schema=SCHEMA, rows=rows)
        stack.callback(backlog.stop)
        found = rounds(backlog, args.rounds, root)
        part = summary(found, [(name, BLACKHOLE) for name in PROCESSORS])
        base = part["runs"][BLACKHOLE]["cpu_us_per_event"]["engine"]
        for name in PROCESSORS:
            part["runs"][name]["cpu_us_per_event"]["of it the processor"] = round(
                part["runs"][name]["cpu_us_per_event"]["engine"] - base, 2)
        report = {"conditions": {**conditions(REPO, BINARY), "rounds": args.rounds},
                  "workloads": {f"{args.rows:,} rows in transactions of 64": part}}
    show(report)
    keep(report, REPO, "processors")
    return 0


if __name__ == "__main__":
    sys.exit(main())
