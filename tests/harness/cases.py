"""Text cases: SQL in, events out. The grammar is in tests/cases/README.md."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_KINDS = {
    "any": r".*",
    "uuid": r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
    "lsn": r"[0-9A-F]+/[0-9A-F]+",
    "gtid": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(:[a-z_][a-z0-9_]*)?:[1-9]\d*|\d+-\d+-[1-9]\d*",
    "binlog": r"[^/]+\.\d{6,}",
    "int": r"-?\d+",
    "ms": r"1[6-9]\d{11}|[2-9]\d{12}",
    "version": r"\d+\.\d+\.\d+",
    "database": r".*",
}


class Number(str):
    """A number as it was written: 1, 1.0 and 1e0 differ."""


def parse_exact(text: str | bytes) -> Any:
    return json.loads(text, parse_float=Number, parse_int=Number)


SERVERS = ("postgres", "mysql", "mariadb")
SECTIONS = ("setup", "sql", "expect")


@dataclass
class Script:
    """A case as it runs on one kind of server."""

    setup: str = ""
    sql: str = ""
    expect: list[Any] = field(default_factory=list)


@dataclass
class Case:
    name: str
    servers: list[str] = field(default_factory=lambda: ["postgres"])
    versions: list[int] = field(default_factory=lambda: [15, 18])
    tables: list[str] = field(default_factory=list)
    scripts: dict[str, Script] = field(default_factory=lambda: {server: Script() for server in SERVERS})

    def runs(self) -> list[int | str]:
        """The servers as the `servers` fixture names them: each version of PostgreSQL is one."""
        return [run for server in self.servers for run in (self.versions if server == "postgres" else [server])]

    def on(self, run: int | str) -> Script:
        return self.scripts["postgres" if isinstance(run, int) else run]

    def captured(self, run: int | str, database: str) -> list[str]:
        """The `tables` option; of MySQL and MariaDB the database stands before a name that has none."""
        if isinstance(run, int):
            return [*(self.tables or ["public.t"]), "public.case_end"]
        return [table if "." in table else f"{database}.{table}" for table in [*(self.tables or ["t"]), "case_end"]]


def read_case(path: Path) -> Case:
    case = Case(path.stem)
    section, where = "", list(case.scripts.values())
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.startswith("--- "):
            section, _, server = line[4:].strip().partition(" ")
            if section not in SECTIONS:
                raise ValueError(f"{path}:{number}: no section '{section}'; there are setup, sql and expect")
            if server and server not in SERVERS:
                raise ValueError(f"{path}:{number}: no server '{server}'; there are {', '.join(SERVERS)}")
            where = [case.scripts[server]] if server else list(case.scripts.values())
        elif section in ("setup", "sql"):
            for script in where:
                setattr(script, section, getattr(script, section) + line + "\n")
        elif not line.strip() or line.startswith("#"):
            continue
        elif section == "expect":
            try:
                event = parse_exact(line)
            except ValueError as error:
                raise ValueError(f"{path}:{number}: not JSON: {error}") from None
            for script in where:
                script.expect.append(event)
        else:
            _setting(case, f"{path}:{number}", line)
    return case


def _setting(case: Case, where: str, line: str) -> None:
    name, _, value = line.partition(":")
    if name == "servers":
        case.servers = value.split()
        if odd := [each for each in case.servers if each not in SERVERS]:
            raise ValueError(f"{where}: no server '{odd[0]}'; there are {', '.join(SERVERS)}")
    elif name == "versions":
        case.versions = [int(each) for each in value.split()]
    elif name == "tables":
        case.tables = [each.strip() for each in value.split(",")]
    else:
        raise ValueError(f"{where}: no setting '{name}'; there are servers, versions and tables")


class Comparison:
    """Compares a run's events with the expected ones; names bound by <name=kind> hold for the whole case."""

    def __init__(self) -> None:
        self.bound: dict[str, Any] = {}

    def events(self, actual: list[Any], expected: list[Any]) -> list[str]:
        problems = []
        for index, (found, wanted) in enumerate(zip(actual, expected), 1):
            problems += [f"event {index}: {problem}" for problem in self.event(found, wanted)]
        if len(actual) != len(expected):
            problems.append(f"{len(actual)} events instead of {len(expected)}; the odd ones: "
                            f"{json.dumps((actual[len(expected):] or expected[len(actual):])[:3], ensure_ascii=False)}")
        return problems

    def event(self, found: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
        """Fields that are given must match; row images, and events marked "exact", also in number and order."""
        wanted = dict(wanted)
        exact = wanted.pop("exact", False)
        return self._members(found, wanted, "", exact)

    def _members(self, found: dict[str, Any], wanted: dict[str, Any], path: str, exact: bool) -> list[str]:
        problems = []
        if exact and list(found) != list(wanted):
            problems.append(f"{path or 'event'} has the fields {list(found)} instead of {list(wanted)}")
        for name, value in wanted.items():
            where = f"{path}.{name}".lstrip(".")
            if value == "<absent>":
                if name in found:
                    problems.append(f"{where} is there: {found[name]!r}")
            elif name not in found:
                problems.append(f"{where} is missing")
            elif isinstance(value, dict) and isinstance(found[name], dict) and name not in ("before", "after"):
                problems += self._members(found[name], value, where, exact)
            else:
                problems += self._value(found[name], value, where)
        return problems

    def _value(self, found: Any, wanted: Any, where: str) -> list[str]:
        if isinstance(wanted, dict) and isinstance(found, dict):
            return self._members(found, wanted, where, True)
        if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
            pairs = enumerate(zip(found, wanted))
            return [problem for i, (f, w) in pairs for problem in self._value(f, w, f"{where}[{i}]")]
        if isinstance(wanted, str) and not isinstance(wanted, Number) and (
                holder := re.fullmatch(r"<(?:(\w+)=)?(\w+)>", wanted)) and holder.group(2) in _KINDS:
            return self._placeholder(found, holder.group(1), holder.group(2), where)
        if type(found) is not type(wanted) or found != wanted:
            return [f"{where} is {_show(found)} instead of {_show(wanted)}"]
        return []

    def _placeholder(self, found: Any, name: str | None, kind: str, where: str) -> list[str]:
        if not re.fullmatch(_KINDS[kind], str(found), re.S):
            return [f"{where} is {_show(found)}, no {kind}"]
        if name is None:
            return []
        if self.bound.setdefault(name, found) != found:
            return [f"{where} is {_show(found)}; '{name}' was {_show(self.bound[name])} before"]
        same = [other for other, value in self.bound.items() if other != name and value == found]
        return [f"{where} is {_show(found)}, which '{same[0]}' is already"] if same else []


def _show(value: Any) -> str:
    return str(value) if isinstance(value, Number) else json.dumps(value, ensure_ascii=False)
