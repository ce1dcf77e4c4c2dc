#!/usr/bin/env python3
"""docs/guarantees.md: every promise (a "### " heading) names its test, which passed in the last run.

A line `test: suite::name` stands below the heading. The suite is a gtest suite or a pytest module; for a parametrised
test the name without brackets means every instance of it that ran (without --full: those that its matrix names).
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import results

REPO = Path(__file__).resolve().parents[1]


def promises(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    heading = ""
    for line in text.splitlines():
        if line.startswith("### "):
            heading = line[4:].strip()
            found[heading] = []
        elif (test := re.match(r"^`?test: *([^`]+?)`?$", line.strip())) and heading:
            found[heading].append(test.group(1).strip())
    return found


def check(text: str, ran: list[results.Result]) -> list[str]:
    states: dict[str, set[str]] = {}
    for result in ran:
        for name in {result.name, result.name.partition("[")[0], result.name.partition("/")[0]}:
            states.setdefault(f"{result.suite}::{name}", set()).add(result.state)
            states.setdefault(f"{result.suite.rpartition('/')[2]}::{name}", set()).add(result.state)
    problems = []
    every = promises(text)
    if not every:
        problems.append("docs/guarantees.md makes no promise at all")
    for promise, tests in every.items():
        if not tests:
            problems.append(f"'{promise}' names no test (a line `test: suite::name`)")
        for test in tests:
            state = states.get(test)
            if state is None:
                problems.append(f"'{promise}': test {test} did not run")
            elif state != {"passed"}:
                problems.append(f"'{promise}': test {test} {' and '.join(sorted(state))}")
    return problems


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=REPO / "build/results/test")
    folder = parser.parse_args().results
    problems = check((REPO / "docs/guarantees.md").read_text(), list(results.read(folder)))
    print("\n".join(problems) if problems else "promises: ok")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
