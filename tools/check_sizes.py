#!/usr/bin/env python3
"""Sizes: header 200, .cc 600 (1000 at the very most), test file 800, function 70 lines.

tools/sizes_waivers.txt names what may be larger, and how large: "path limit" or "path::function limit". A waiver that
is no longer needed, or allows more than is used, must go or shrink: the list may only shrink.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
HEADER, SOURCE, SOURCE_HARD, TEST, FUNCTION = 200, 600, 1000, 800, 70


def limit_of(name: str) -> int:
    if name.endswith(".py"):
        return SOURCE
    if name.endswith("_test.cc") or "/testing/" in name:  # the kits are tests that several components share
        return TEST
    return HEADER if name.endswith(".h") else SOURCE


def strip(text: str) -> str:
    """Blanks out comments, strings and character literals; keeps the lines."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.S)
    return pattern.sub(lambda m: re.sub(r"[^\n]", " ", m.group(0)), text)


_SCOPE = re.compile(r"\b(namespace|class|struct|union|enum)\b[^;(){}]*$|\bextern\s*$")


def functions(text: str) -> Iterator[tuple[str, int]]:
    """Name and length of each outermost function body. By braces alone: good enough for formatted code."""
    text = strip(text)
    stack: list[tuple[bool, int, str]] = []  # is a function, line, name
    line, head = 1, ""
    for char in text:
        if char == "\n":
            line += 1
        if char == "{":
            inside = any(is_function for is_function, _, _ in stack)
            named = re.findall(r"([~\w:]+)\s*\(", head)
            is_function = not inside and bool(named) and not _SCOPE.search(head.split("(")[0] + " ")
            start = line - head.lstrip().count("\n")
            macro = re.search(r"\bTEST\w*\((\w+), *(\w+)\)", head)
            stack.append((is_function, start, ".".join(macro.groups()) if macro else named[0] if named else ""))
            head = ""
        elif char == "}":
            if stack:
                is_function, start, name = stack.pop()
                if is_function:
                    yield name, line - start + 1
            head = ""
        elif char == ";":
            head = ""
        else:
            head += char


def check(root: Path, files: list[Path], waivers: dict[str, int]) -> list[str]:
    problems, used = [], {}

    def judge(what: str, size: int, limit: int, hard: int | None = None) -> None:
        allowed = waivers.get(what, limit)
        if what in waivers:
            used[what] = size
        if size > allowed or hard is not None and size > hard:
            problems.append(f"{what}: {size} lines, the limit is {min(allowed, hard or allowed)}; split it by idea")
        elif what in waivers and (size <= limit or size < allowed):
            problems.append(f"{what}: its waiver allows {allowed} lines but it has {size}; shrink or remove the waiver")

    for file in files:
        name, text = file.relative_to(root).as_posix(), file.read_text()
        judge(name, text.count("\n"), limit_of(name), SOURCE_HARD)
        if not name.endswith(".py"):
            for function, size in functions(text):
                judge(f"{name}::{function}", size, FUNCTION) if size > FUNCTION or f"{name}::{function}" in waivers else None
    problems += [f"{what}: waived, but there is no such thing" for what in waivers if what not in used]
    return problems


def read_waivers(path: Path) -> dict[str, int]:
    lines = path.read_text().splitlines() if path.exists() else []
    return {words[0]: int(words[1]) for words in map(str.split, lines) if words and not words[0].startswith("#")}


def main() -> int:
    files = [file for folder in ("src", "tests", "tools", "bench") for suffix in ("cc", "h", "py")
             for file in sorted((REPO / folder).rglob(f"*.{suffix}"))]
    problems = check(REPO, files, read_waivers(REPO / "tools/sizes_waivers.txt"))
    print("\n".join(problems) if problems else "sizes: ok")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
