#!/usr/bin/env python3
"""Every #include in src/ obeys tools/layers.txt: layers point downwards, vendor headers stay in .cc files at home."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
_INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


class Rules:
    def __init__(self, text: str) -> None:
        self.layers: dict[str, list[str]] = {}
        self.test_kits: dict[str, list[str]] = {}
        self.vendors: dict[str, list[str]] = {}
        for line in text.splitlines():
            words = line.partition("#")[0].split()
            if not words:
                continue
            if words[0] == "vendor":
                self.vendors[words[1]] = words[2:]
            elif words[0] == "test":
                self.test_kits.setdefault(words[1], []).extend(words[3:])
            else:
                self.layers[words[0].rstrip(":")] = words[1:]

    def allowed(self, folder: str) -> set[str]:
        """Patterns of the folders that `folder` may include, itself aside."""
        seen: set[str] = set()
        todo = [rule for pattern, rules in self.layers.items() if fnmatchcase(folder, pattern) for rule in rules]
        while todo:
            pattern = todo.pop()
            if pattern not in seen:
                seen.add(pattern)
                todo += self.layers.get(pattern, [])
        return seen

    def may_use_kit(self, folder: str, kit: str) -> bool:
        return any(fnmatchcase(folder, pattern) for pattern in self.test_kits.get(kit, []))

    def vendor_homes(self, header: str) -> list[str] | None:
        for prefix, homes in self.vendors.items():
            if header == prefix or header.startswith(prefix):
                return homes
        return None


def folder_of(path: str) -> str:
    """sinks/kafka/kafka.h -> sinks/kafka; storage/testing/x.h -> storage/testing; base/fd.h -> base."""
    return path.rpartition("/")[0]


def layer_of(folder: str) -> str:
    """Deeper folders of one-level layers belong to their layer, test kits aside."""
    parts = folder.split("/")
    return "/".join(parts[:2]) if parts[0] in ("sources", "sinks", "processors") else parts[0]


def check_file(rules: Rules, src: Path, file: Path) -> Iterator[str]:
    name = file.relative_to(src).as_posix()
    own = folder_of(name)
    is_test = name.endswith(("_test.cc", "_for_test.h", "_for_test.cc")) or "/testing/" in name or "/e2e/" in name
    for number, line in enumerate(file.read_text().splitlines(), 1):
        found = _INCLUDE.match(line)
        if not found:
            continue
        where, header = f"src/{name}:{number}", found.group(2)
        if (src / header).exists() or (found.group(1) == '"' and "/" in header):
            target = folder_of(header)
            if target == own or layer_of(target) == layer_of(own) and "testing" not in target:
                continue
            kit = target.endswith("/testing")
            if is_test and rules.may_use_kit(layer_of(own), target):
                continue
            if kit and target not in rules.allowed(layer_of(own)) and not is_test:
                yield f"{where}: {header} is for tests only"
            elif not any(fnmatchcase(layer_of(target), pattern) for pattern in rules.allowed(layer_of(own))):
                yield f"{where}: {layer_of(own)} must not include {header} (tools/layers.txt)"
            continue
        homes = rules.vendor_homes(header)
        if homes is None:
            continue
        if not any(fnmatchcase(layer_of(own), home) or home == "*" for home in homes):
            yield f"{where}: vendor header {header} belongs to {', '.join(homes)} (tools/layers.txt)"
        elif name.endswith(".h") and not is_test:
            yield f"{where}: vendor header {header} in a header; it may only stand in .cc files"


def check(src: Path, rules: Rules) -> list[str]:
    files = sorted([*src.rglob("*.cc"), *src.rglob("*.h")])
    return [problem for file in files for problem in check_file(rules, src, file)]


def main() -> int:
    problems = check(REPO / "src", Rules((REPO / "tools/layers.txt").read_text()))
    print("\n".join(problems) if problems else "layers: ok")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
