"""The workload's SQL and the expected look of values for MySQL and MariaDB."""

from __future__ import annotations

import base64
import json
import random
import struct
from decimal import Decimal
from typing import Any

import pymysql

from .dialect import Key, Row

# The secondary index of t_nopk is no key; it spares a scan (and its locks) for each row.
_SCHEMA = """
CREATE TABLE t_pk (id bigint PRIMARY KEY, version int NOT NULL, txn bigint NOT NULL, note text);
CREATE TABLE t_comp (a int, b varchar(20) COLLATE utf8mb4_bin, version int NOT NULL, txn bigint NOT NULL, note text,
  PRIMARY KEY (a, b));
CREATE TABLE t_nopk (id bigint, version int NOT NULL, txn bigint NOT NULL, note text, KEY finding (id));
CREATE TABLE t_wide (id bigint PRIMARY KEY, version int NOT NULL, txn bigint NOT NULL, note text, big longtext, yes bool,
  small smallint, most bigint unsigned, flag bit(1), bits bit(33), num decimal(65,30), price decimal(12,2) unsigned,
  f4 float, f8 double, doc json, bytes blob, fixed binary(8), latin varchar(20) CHARACTER SET latin1,
  at timestamp(6) NULL, local datetime(3), day date, clock time(2), born year, feel enum('calm', 'so so', 'quote"d'),
  some set('a', 'b c', 'ž') CHARACTER SET utf8mb4);
"""


class MysqlDialect:
    errors = pymysql.Error
    schema = _SCHEMA

    def tables(self, database: str) -> list[str]:
        return [f"{database}.{table}" for table in ("t_pk", "t_comp", "t_nopk", "t_wide")]

    def connect(self, server: Any, database: str) -> Any:
        link = server.link(database, autocommit=False)
        with link.cursor() as cursor:  # row locks only: with gap locks the writers would mostly deadlock
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        return link

    def backend(self, link: Any) -> int:
        return link.thread_id()

    def lives(self, cursor: Any, backend: int) -> bool:
        # A server that came back numbers its connections anew: ours, or the engine's, may have the old one's number.
        cursor.execute("SELECT count(*) FROM information_schema.processlist WHERE id = %s AND id <> CONNECTION_ID()"
                       " AND user = 'root'", (backend,))
        return cursor.fetchone()[0] != "0"

    def begin(self, cursor: Any) -> str:
        cursor.execute("BEGIN")
        return ""  # the GTID is given at the commit

    def commit(self, server: Any, link: Any, xid: str) -> str:
        return server.commit(link)

    def touch(self, cursor: Any, number: int, key: int) -> int:
        cursor.execute("UPDATE t_pk SET version = version + 1, txn = %s WHERE id = %s", (number, key))
        cursor.execute("SELECT version FROM t_pk WHERE id = %s", (key,))
        return int(cursor.fetchone()[0])

    def update(self, cursor: Any, number: int, table: str, columns: Key, rows: list[tuple[Any, ...]], grow: bool) -> int:
        """All rows get the note of the first: there is no portable UPDATE from a list of values."""
        keys = ", ".join(["(" + ", ".join(["%s"] * len(columns)) + ")"] * len(rows))
        more = ", big = repeat(note, 700)" if grow else ""
        cursor.execute(f"UPDATE {table} SET version = version + 1, txn = {number}, note = %s{more} "
                       f"WHERE ({', '.join(columns)}) IN ({keys})",
                       [rows[0][-1], *(value for row in rows for value in row[:len(columns)])])
        return cursor.rowcount

    def wide(self, pick: random.Random, big: int) -> tuple[Any, ...]:
        return ("".join(pick.choices("abcdefgh", k=big)) if pick.random() < 0.7 else None, pick.random() < 0.5,
                pick.randint(-32768, 32767), pick.choice([0, 2**64 - 1, 2**63]), pick.choice([b"\0", b"\1"]),
                pick.randbytes(4), pick.choice(["0.10", "-12345678901234567890.5", "1e3", None]), "9.90",
                pick.choice([0.1, 1.0, -2.5e10, 16777216]), pick.choice([0.1, 1.0, 1e300, 1e22, -0.0]),
                pick.choice(['{"ž": "x\\"y", "a": [1, 2.50, null]}', "[]", '"text"', "9007199254740993"]),
                pick.randbytes(pick.randint(0, 40)), pick.choice([b"", b"ab\0", b"\0" * 8, b"\xff" * 8]),
                pick.choice(["José €", ""]), "2024-02-29 10:34:56.123456", "1999-12-31 23:59:59.5", "2024-02-29",
                pick.choice(["-838:59:59", "13:00:00.25", "-00:00:00.01"]), pick.choice([1901, 2155, None]),
                pick.choice(["calm", "so so", 'quote"d']), pick.choice(["", "a,ž", "b c"]))

    def select(self, server: Any, database: str, table: str) -> list[Row]:
        columns = server.query("SELECT column_name, data_type, column_type FROM information_schema.columns "
                               "WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position",
                               args=(database, table))
        # The text of a FLOAT is rounded to six digits; that of the same number as a DOUBLE is exact.
        texts = ", ".join(f"`{name}` + 0e0" if kind == "float" else f"`{name}`" for name, kind, _ in columns)
        return [{name: _as_event(kind, declared, value) for (name, kind, declared), value in zip(columns, row)}
                for row in server.query(f"SELECT {texts} FROM `{table}`", database)]


_INTEGERS = ("tinyint", "smallint", "mediumint", "int", "bigint", "year")
_BYTES = ("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "geometry", "point", "linestring", "polygon",
          "multipoint", "multilinestring", "multipolygon", "geomcollection", "geometrycollection")


def _as_event(kind: str, declared: str, value: str | bytes | None) -> Any:
    """`value` as the text protocol gives it, in UTC; JSON of MariaDB is its text (a LONGTEXT)."""
    if value is None:
        return None
    if kind in _BYTES:
        return {"_base64": base64.b64encode(value).decode()}  # type: ignore[arg-type]
    if kind == "bit":
        number = int.from_bytes(value, "big")  # type: ignore[arg-type]
        return bool(number) if declared == "bit(1)" else number
    if kind == "vector":
        return [shortest_float32(each) for (each,) in struct.iter_unpack("<f", value)]  # type: ignore[arg-type]
    assert isinstance(value, str), (kind, value)
    if kind in _INTEGERS:
        return int(value)
    if kind == "float":
        return shortest_float32(float(value))
    if kind == "double":
        return Decimal(repr(float(value)))
    if kind == "json":
        return json.loads(value, parse_float=Decimal)
    if kind in ("datetime", "timestamp"):
        return value.replace(" ", "T") + ("Z" if kind == "timestamp" else "")
    return value


def shortest_float32(number: float) -> Decimal:
    """The shortest decimal that reads back as the same float32."""
    exact = struct.pack("<f", number)
    texts = (f"{number:.{digits}g}" for digits in range(1, 10))
    return next(Decimal(text) for text in texts if _packed(text) == exact)


def _packed(text: str) -> bytes:
    try:
        return struct.pack("<f", float(text))
    except OverflowError:  # rounded up beyond the largest one
        return b""
