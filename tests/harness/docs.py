"""The fenced blocks of the documentation, and what each of them claims to be. See tests/e2e/test_docs.py."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import yaml

from .procs import REPO

_FENCE = re.compile(r"^(\s*)```(.*)$")
_AFTER = re.compile(r"^<!-- after (\S+) -->$", re.M)

# Language -> the words of which a block must have exactly one (none: it needs none), and those that it may have.
KINDS: dict[str, tuple[set[str], set[str]]] = {
    "yaml": (set(), {"fragment", "file", "scratch"}),
    "json": (set(), set()),
    "sql": ({"server"}, {"db", "restart"}),
    "ini": ({"server"}, set()),
    "sh": ({"run", "start", "check", "scratch"}, set()),
    "text": (set(), {"output", "sample"}),
    "diff": ({"scratch"}, set()),
    "python": ({"scratch"}, set()),
}
_COMMAND = re.compile(r"^\s*(\$ |deltaforge |curl |\./dev |sqlite3 |psql |mysql |SELECT |CREATE |GRANT )", re.M)


@dataclass
class Block:
    path: Path
    line: int
    info: str
    text: str

    @property
    def language(self) -> str:
        return self.info.split()[0] if self.info.split() else ""

    @cached_property
    def words(self) -> dict[str, str]:
        return dict(word.partition("=")[::2] for word in self.info.split()[1:])

    @property
    def place(self) -> str:
        return f"{self.path.relative_to(REPO)}:{self.line}"

    @property
    def is_executed(self) -> bool:
        return bool({"run", "start", "server", "output", "file"} & self.words.keys())

    def problem(self) -> str:
        """Why nobody would check it; "" when somebody does."""
        if self.language not in KINDS:
            return f"unknown kind of block '{self.info}': use one of {', '.join(KINDS)}"
        needed, allowed = KINDS[self.language]
        if unknown := self.words.keys() - needed - allowed:
            return f"unknown word {sorted(unknown)} in '{self.info}'"
        if needed and len(needed & self.words.keys()) != 1:
            return f"'{self.info}' needs one of the words {sorted(needed)}"
        if self.language == "text" and not self.words and _COMMAND.search(self.text):
            return "commands in a block of text are not run: make it sh or sql"
        return ""


@dataclass
class Page:
    path: Path
    blocks: list[Block] = field(default_factory=list)
    after: "Page | None" = None  # whose SQL, up to the start of an engine, has prepared the server

    @property
    def name(self) -> str:
        return str(self.path.relative_to(REPO))

    @property
    def is_executed(self) -> bool:
        return any(block.is_executed for block in self.blocks)


def read_page(path: Path) -> Page:
    page, text = Page(path), path.read_text()
    indent, block = "", None
    for number, line in enumerate(text.splitlines(), 1):
        fence = _FENCE.match(line)
        if fence and block is None:
            indent, block = fence[1], Block(path, number, fence[2].strip(), "")
            page.blocks.append(block)
        elif fence:
            block = None
        elif block is not None:
            block.text += line.removeprefix(indent) + "\n"
    assert block is None, f"{page.name}: a fence is not closed"
    if found := _AFTER.search(text):
        page.after = read_page((path.parent / found[1]).resolve())
    return page


def pages() -> list[Page]:
    files = [REPO / "README.md", *(REPO / "docs").rglob("*.md"), *(REPO / "src").rglob("README.md")]
    return [page for page in map(read_page, sorted(files)) if page.blocks]


def whole_document(fragment: str) -> str:
    """Fields of `spec` as a document that can be validated: what lacks is the simplest there is."""
    fields = yaml.safe_load(fragment)
    assert isinstance(fields, dict), "a fragment holds fields of spec, for example sinks:"
    simplest = {"source": {"type": "postgres", "config": {"id": "s", "dsn": "postgresql://h/d", "slot": "s",
                                                          "publication": "p"}},
                "sinks": [{"type": "blackhole", "config": {"id": "b"}}]}
    return yaml.safe_dump({"metadata": {"name": "fragment", "tenant": "t"}, "spec": {**simplest, **fields}})


def json_values(text: str) -> list[object]:
    """One value after the other."""
    values, rest = [], text.strip()
    while rest:
        value, end = json.JSONDecoder().raw_decode(rest)
        values.append(value)
        rest = rest[end:].lstrip()
    return values


def environment_names(text: str) -> set[str]:
    return set(re.findall(r"(?<!\$)\$\{([A-Z_][A-Z0-9_]*)", text))


def matches_output(expected: str, printed: str) -> bool:
    """The lines stand together in what was printed. `...` is anything, a time of day is any time of day."""
    def pattern(line: str) -> str:
        escaped = re.escape(line.rstrip()).replace(re.escape("..."), ".*")
        return re.sub(r"\d\d:\d\d:\d\d\\\.\d{3}", r"\\d\\d:\\d\\d:\\d\\d\\.\\d{3}", escaped)
    lines = [line.rstrip() for line in printed.splitlines()]
    wanted = [re.compile(pattern(line)) for line in expected.splitlines()]
    return any(all(want.fullmatch(line) for want, line in zip(wanted, lines[start:]))
               for start in range(len(lines) - len(wanted) + 1))


# What the program can say: the string literals of its sources, neighbours joined, cut where a value is put in.
_LITERAL = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
_NEIGHBOURS = re.compile(r'((?:"(?:[^"\\\n]|\\.)*"\s*)+)')
_VALUE = re.compile(r"\{[^{}]*\}")


def said_by_the_program() -> str:
    """All of it, each literal a line."""
    said: list[str] = []
    for path in [*(REPO / "src").rglob("*.cc"), *(REPO / "src").rglob("*.h")]:
        if path.name.endswith("_test.cc"):
            continue
        for group in _NEIGHBOURS.findall(path.read_text()):
            joined = "".join(_LITERAL.findall(group)).replace('\\"', '"')
            said.extend(_VALUE.split(joined))
    return "\n".join(said)


def pieces_of_message(message: str) -> list[str]:
    return [piece.strip() for piece in re.split(r"\.\.\.|<[^>]+>", message) if piece.strip(" :;,()")]
