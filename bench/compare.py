#!/usr/bin/env python3
"""The newest kept run of each benchmark beside the one before: CPU per event of the engine, brought to one speed of the
machine by the calibration of both. Ends with 1 when a figure has grown by more than 10 %."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"
ALLOWED = 1.10


def figures(report: dict[str, Any]) -> dict[str, float]:
    """Microseconds of CPU per event, by workload and run."""
    found = {f"{workload}: {name}": run["cpu_us_per_event"]["engine"]
             for workload, part in report.get("workloads", {}).items()
             for name, run in part["runs"].items() if "engine" in run["cpu_us_per_event"]}
    found.update({f"latency: {name}": run["cpu_us_per_event"] for name, run in report.get("latency", {}).items()})
    return found


def compare(name: str, before: dict[str, Any], after: dict[str, Any]) -> int:
    """Prints the change; how many figures are too large."""
    speed = before["conditions"]["calibration_ms"] / after["conditions"]["calibration_ms"]
    print(f"\n{name}: {before['conditions']['commit']} -> {after['conditions']['commit']}, machine {speed:.2f}x as fast")
    old, bad = figures(before), 0
    for what, value in figures(after).items():
        if not old.get(what):
            print(f"  {what:75} {'new':>6} -> {value:6.2f}")
            continue
        change = value * speed / old[what]
        slower = change > ALLOWED
        bad += slower
        print(f"  {what:75} {old[what]:6.2f} -> {value:6.2f} us  {change - 1:+7.1%}{'  SLOWER' if slower else ''}")
    return bad


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev bench --compare", description=__doc__)
    parser.add_argument("names", nargs="*", default=["pg", "mysql", "latency"])
    bad = 0
    for name in parser.parse_args().names:
        kept = sorted(RESULTS.glob(f"{name}-*.json"))
        if len(kept) < 2:
            print(f"\n{name}: {len(kept)} kept run, two are needed")
            continue
        before, after = (json.loads(path.read_text()) for path in kept[-2:])
        bad += compare(name, before, after)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
