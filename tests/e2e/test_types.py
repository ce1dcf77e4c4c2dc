"""Every type of every server: random values and the edges of each type go in, and what arrives is what the server
itself says of them by SELECT. DF_SEED=n repeats a run."""

from __future__ import annotations

import os
import random
from typing import Any

import pytest

from conftest import Servers, Workbench
from harness import columns_mysql, columns_postgres
from harness.columns import Table, comparable, exact, expected
from harness.engine import Engine, file_sink
from harness.procs import Timeout, wait_until
from harness.readers import FileReader

SEED = int(os.environ.get("DF_SEED", "20240229"))

Rows = dict[str, dict[str, Any]]  # of a table, by the text of `id`


class Bank:
    """One connection to a database: makes tables, fills them, and asks what they hold."""

    def __init__(self, server: Any, database: str, run: int | str) -> None:
        self.database, self.is_postgres = database, isinstance(run, int)
        self._connection = server.connect(database)
        self._cursor = self._connection.__enter__().cursor()
        self.run("SET timezone = 'UTC'; SET intervalstyle = postgres; SET datestyle = ISO" if self.is_postgres else
                 "SET sql_mode = 'ALLOW_INVALID_DATES'")

    def close(self) -> None:
        self._connection.__exit__(None, None, None)

    def run(self, sql: str, args: list[Any] | None = None) -> list[tuple[Any, ...]]:
        self._cursor.execute(sql, args)
        return list(self._cursor.fetchall()) if self._cursor.description else []

    def quoted(self, name: str) -> str:
        return '"' + name.replace('"', '""') + '"' if self.is_postgres else f"`{name}`"

    def captured(self, *tables: str) -> list[str]:
        return [f"{'public' if self.is_postgres else self.database}.{table}" for table in tables]

    def create(self, table: Table) -> None:
        columns = [f"{self.quoted(each.title())} {each.type}" for each in table.columns]
        script = f"CREATE TABLE {table.name} (id int PRIMARY KEY, {', '.join(columns)})"
        for statement in (table.setup, script, table.after):
            if statement:
                self.run(statement)
        if self.is_postgres:
            self.run(f"ALTER TABLE {table.name} REPLICA IDENTITY FULL")

    def insert(self, table: Table, rows: list[list[Any]]) -> None:
        places = "(%s, " + ", ".join(each.put for each in table.columns) + ")"
        for start in range(0, len(rows), 100):
            part = rows[start:start + 100]
            values = [value for number, row in enumerate(part, start) for value in (number, *row)]
            if self.is_postgres:  # it takes the text of any type, but no number where another type is wanted
                values = [None if value is None else str(value) for value in values]
            self.run(f"INSERT INTO {table.name} VALUES {', '.join([places] * len(part))}", values)

    def rotate(self, table: Table, count: int) -> None:
        """Each row gets the values of the next."""
        names = [self.quoted(each.title()) for each in table.columns]
        if self.is_postgres:
            others = ", ".join(f"o.{name}" for name in names)
            self.run(f"UPDATE {table.name} t SET ({', '.join(names)}) = (SELECT {others} FROM {table.name} o"
                     f" WHERE o.id = (t.id + 1) % {count})")
        else:
            changes = ", ".join(f"t.{name} = o.{name}" for name in names)
            self.run(f"UPDATE {table.name} t JOIN (SELECT * FROM {table.name} LIMIT 1000000) o"  # the limit: a copy
                     f" ON o.id = (t.id + 1) % {count} SET {changes}")

    def says(self, table: Table) -> Rows:
        asked = ", ".join(each.says.format(self.quoted(each.title())) for each in table.columns)
        return {str(number): {column.title(): expected(column, said) for column, said in zip(table.columns, values)}
                for number, *values in self.run(f"SELECT id, {asked} FROM {table.name}")}


def _events(engine: Engine, reader: FileReader) -> list[dict[str, Any]]:
    """All up to that of the table `done`."""
    def ended() -> bool:
        reader.drain()
        return engine.pipeline()["status"] == "failed" or bool(
            reader.records and b'"table":"done"' in reader.records[-1])
    try:
        wait_until(ended, 60, "the last event")
    except Timeout as late:
        raise AssertionError(f"{late}\n{engine.log_tail(10)}") from None
    assert engine.pipeline()["status"] == "running", engine.pipeline()["error"]
    return [dict(exact(record)) for record in reader.records[:-1]]


def _differences(table: Table, image: Any, said: Rows) -> list[str]:
    found = dict(image)
    number = found.pop("id")
    wanted = said[number]
    columns = {each.title(): each for each in table.columns}
    if list(found) != list(wanted):
        return [f"{table.name} {number}: the columns are {list(found)}"]
    return [f"{table.name} {number}, {name}: {str(found[name])[:300]!r}; the server says {str(wanted[name])[:300]!r}"
            for name in wanted if comparable(columns[name], found[name]) != wanted[name]]


def _compare(events: list[dict[str, Any]], tables: dict[str, Table], before: dict[str, Rows],
             after: dict[str, Rows]) -> list[str]:
    problems: list[str] = []
    seen = {name: {"c": 0, "u": 0} for name in tables}
    for event in events:
        name, op = dict(event["source"])["table"], event["op"]
        seen[name][op] += 1
        problems += _differences(tables[name], event["after"], (before if op == "c" else after)[name])
        if op == "u":
            problems += _differences(tables[name], event["before"], before[name])
    for name, ops in seen.items():
        changed = sum(before[name][number] != after[name][number] for number in after[name])
        if ops["c"] != len(before[name]) or ops["u"] < changed:
            problems.append(f"{name}: {ops} events of {len(before[name])} rows, {changed} of them changed")
    return problems


@pytest.mark.parametrize("run", [15, 18, "mysql", "mariadb"])
def test_every_type(run: int | str, bench: Workbench, servers: Servers, full: bool) -> None:
    server = servers(run)
    bank = Bank(server, bench.database(server), run)
    tables = {each.name: each for each in (columns_mysql.tables(run) if isinstance(run, str) else
                                           columns_postgres.TABLES)}
    bank.run("CREATE TABLE done (id int PRIMARY KEY)")
    for table in tables.values():
        bank.create(table)
    out = bench.home / "out"
    engine = bench.engine(server, bank.database, [file_sink(out)], tables=bank.captured(*tables, "done")).start()

    pick = random.Random(SEED)
    before, after = {}, {}
    for table in tables.values():
        rows = table.rows(pick, 3000 if full else 60)
        bank.insert(table, rows)
        before[table.name] = bank.says(table)
        bank.rotate(table, len(rows))
        after[table.name] = bank.says(table)
    bank.run("INSERT INTO done VALUES (1)")
    problems = _compare(_events(engine, FileReader(out)), tables, before, after)
    bank.close()
    assert not problems, f"DF_SEED={SEED}: {len(problems)} differences\n" + "\n".join(problems[:40])


class Charset:
    """A character set, and four columns that have it: everything at once, and a fixed text, an enum and a set."""

    def __init__(self, name: str, bank: Bank, pick: random.Random) -> None:
        self.name, self.pick = name, pick
        self.characters = self._round_trips(bank)
        letters = [each for each in self.characters if each.isalpha() and each > "z"] or list("abcd")
        self.labels = [f"{number}{''.join(pick.sample(letters, 2))}" for number in range(3)]

    def _round_trips(self, bank: Bank) -> str:
        """What the server can turn into this character set and back: of the first plane all, of the others some."""
        others = self.pick.sample(range(0x10000, 0x110000), 500)
        every = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x10000), 0x10000, 0x10FFFF, *others]))
        back = bank.run(f"SELECT CONVERT(CONVERT(%s USING {self.name}) USING utf8mb4)", [every])[0][0]
        assert len(back) == len(every), (self.name, len(back))
        # The servers read a code that stands twice in Big5 as U+FFFD, no character; it comes as the one that it is.
        none = "\ufffd" if self.name == "big5" else ""
        return "".join(here for here, there in zip(every, back) if here == there != none)

    def columns(self) -> dict[str, str]:
        labels = ", ".join(f"'{each}'" for each in self.labels)
        types = {"all": "longtext", "char": "char(20)", "enum": f"enum({labels})", "set": f"set({labels})"}
        return {f"{self.name} {kind}": f"{declared} CHARACTER SET {self.name}" for kind, declared in types.items()}

    def values(self, first: bool) -> list[str]:
        pick = self.pick
        return [self.characters if first else "".join(pick.choices(self.characters, k=30)),
                "".join(pick.choices(self.characters, k=20)), pick.choice(self.labels),
                ",".join(each for each in self.labels if pick.random() < 0.5)]


@pytest.mark.parametrize("run", ["mysql", "mariadb"])
def test_every_character_set(run: str, bench: Workbench, servers: Servers) -> None:
    server = servers(run)
    bank = Bank(server, bench.database(server), run)
    pick = random.Random(SEED)
    charsets = [Charset(name, bank, pick) for name, *_ in bank.run("SHOW CHARACTER SET") if name != "binary"]
    assert len(charsets) > 35, [each.name for each in charsets]
    columns = {name: declared for charset in charsets for name, declared in charset.columns().items()}
    bank.run("CREATE TABLE done (id int PRIMARY KEY)")
    bank.run(f"CREATE TABLE t (id int PRIMARY KEY, {', '.join(f'`{name}` {kind}' for name, kind in columns.items())})")
    out = bench.home / "out"
    engine = bench.engine(server, bank.database, [file_sink(out)], tables=bank.captured("t", "done")).start()
    for number in range(10):
        row = [value for charset in charsets for value in charset.values(number == 0)]
        bank.run(f"INSERT INTO t VALUES ({', '.join(['%s'] * (len(row) + 1))})", [number, *row])
    bank.run("INSERT INTO done VALUES (1)")

    said = bank.run(f"SELECT {', '.join(f'CONVERT(`{name}` USING utf8mb4)' for name in columns)} FROM t ORDER BY id")
    assert list(said[0][::4]) == [each.characters for each in charsets]
    problems = []
    for event, row in zip(_events(engine, FileReader(out)), said, strict=True):
        found = dict(event["after"])
        problems += [f"{found['id']}, {name}: {_odd(found[name], text)}" for name, text in zip(columns, row)
                     if found[name] != text]
    bank.close()
    assert not problems, f"DF_SEED={SEED}: {len(problems)} differences\n" + "\n".join(problems[:40])


MULTI_BYTE = {"big5", "sjis", "cp932", "ujis", "eucjpms", "euckr", "gb2312", "gbk", "gb18030"}
_CODES = """
    CREATE TABLE b (n int); CREATE TABLE codes (code varbinary(3));
    INSERT INTO b WITH RECURSIVE r(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM r WHERE n < 255) SELECT n FROM r;
    INSERT INTO codes SELECT CHAR(x.n, y.n) FROM b x, b y WHERE x.n >= 128 AND y.n >= 48;
    INSERT INTO codes SELECT CHAR(143, x.n, y.n) FROM b x, b y WHERE x.n >= 161 AND y.n >= 161;"""


@pytest.mark.parametrize("run", ["mysql", "mariadb"])
def test_codes_of_several_bytes(run: str, bench: Workbench, servers: Servers, full: bool) -> None:
    """From the bytes on, as several codes may mean one character. All, or without --full a tenth, of what is known."""
    server = servers(run)
    bank = Bank(server, bench.database(server), run)
    server.script(_CODES, bank.database)
    bank.run("CREATE TABLE done (id int PRIMARY KEY)")
    charsets = [name for name, *_ in bank.run("SHOW CHARACTER SET") if name in MULTI_BYTE]
    for name in charsets:
        bank.run(f"CREATE TABLE {name} (id varchar(6) PRIMARY KEY, c varchar(3) CHARACTER SET {name})")
    out = bench.home / "out"
    engine = bench.engine(server, bank.database, [file_sink(out)], tables=bank.captured(*charsets, "done")).start()
    for name in charsets:
        text = f"CAST(code AS CHAR CHARACTER SET {name})"
        some = "" if full else f" AND CRC32(CONCAT(code, {SEED})) % 10 = 0"
        bank.run(f"INSERT INTO {name} SELECT HEX(code), {text} FROM codes WHERE CHAR_LENGTH({text}) = 1 "
                 f"AND CONVERT({text} USING utf8mb4) NOT IN ('?', _utf8mb4 x'EFBFBD'){some}")
    bank.run("INSERT INTO done VALUES (1)")
    said = {name: dict(bank.run(f"SELECT id, CONVERT(c USING utf8mb4) FROM {name}")) for name in charsets}
    found: dict[str, dict[str, str]] = {name: {} for name in charsets}
    for event in _events(engine, FileReader(out)):
        row = dict(event["after"])
        found[dict(event["source"])["table"]][row["id"]] = row["c"]
    bank.close()
    assert all(len(codes) > (5000 if full else 500) for codes in said.values())
    for name in charsets:
        odd = [(code, found[name].get(code), text) for code, text in said[name].items()
               if found[name].get(code) != text]
        assert not odd, f"DF_SEED={SEED}: {name}: {len(odd)} codes differ: {odd[:20]}"


def _odd(found: str, said: str) -> str:
    pairs = [(one, other) for one, other in zip(found, said) if one != other]
    return f"{len(found)} characters of {len(said)}; {len(pairs)} differ, the first: {pairs[:3]}"
