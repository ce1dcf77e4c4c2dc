#!/usr/bin/env python3
"""Sums JUnit files (gtest, pytest, and the ones written here) into one line; a skipped test counts as failed.

    results.py record DIR [SUITE::]NAME passed|failed
    results.py sum DIR
"""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as xml
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Result:
    suite: str  # gtest: the test suite; pytest: the module without folders
    name: str
    state: str  # passed, failed, skipped


def read(folder: Path) -> Iterator[Result]:
    for file in sorted(folder.rglob("*.xml")):
        try:
            root = xml.parse(file).getroot()
        except xml.ParseError:  # the program died while it wrote
            yield Result("results", f"{file.name} cannot be read", "failed")
            continue
        for case in root.iter("testcase"):
            suite = case.get("classname", "").rpartition(".")[2]
            yield Result(suite, case.get("name", ""), _state(case))


def _state(case: xml.Element) -> str:
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    not_run = case.get("status") == "notrun" or case.get("result") in ("skipped", "suppressed")
    return "skipped" if not_run or case.find("skipped") is not None else "passed"


def record(folder: Path, name: str, state: str) -> None:
    of, _, test = name.rpartition("::")
    suite = xml.Element("testsuite", name=of or "step")
    case = xml.SubElement(suite, "testcase", classname=of or "step", name=test)
    if state != "passed":
        xml.SubElement(case, "failure", message=f"{name} failed")
    folder.mkdir(parents=True, exist_ok=True)
    xml.ElementTree(suite).write(folder / f"step-{re.sub('[^a-z0-9]+', '-', name.lower())}.xml")


def summarize(folder: Path) -> tuple[int, list[Result]]:
    results = list(read(folder))
    bad = [result for result in results if result.state != "passed"]
    return len(results) - len(bad), bad


def main(argv: list[str]) -> int:
    if argv[:1] == ["record"] and len(argv) == 4:
        record(Path(argv[1]), argv[2], argv[3])
        return 0
    if argv[:1] == ["sum"] and len(argv) == 2:
        passed, bad = summarize(Path(argv[1]))
        for result in bad:
            print(f"{result.state}: {result.suite}::{result.name}")
        print(f"{passed} passed, {len(bad)} failed")
        return 1 if bad or passed == 0 else 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
