"""The workload's SQL and the expected look of values for PostgreSQL."""

from __future__ import annotations

import base64
import json
import random
from decimal import Decimal
from typing import Any

import psycopg2

from .dialect import Key, Row

_SCHEMA = """
CREATE TABLE t_pk (id bigint PRIMARY KEY, version int NOT NULL, txn bigint NOT NULL, note text);
CREATE TABLE t_comp (a int, b text, version int NOT NULL, txn bigint NOT NULL, note text, PRIMARY KEY (a, b));
CREATE TABLE t_nopk (id bigint, version int NOT NULL, txn bigint NOT NULL, note text);
ALTER TABLE t_nopk REPLICA IDENTITY FULL;
CREATE TYPE mood AS ENUM ('calm', 'so so', 'quote"d');
CREATE TABLE t_wide (id bigint PRIMARY KEY, version int NOT NULL, txn bigint NOT NULL, note text, big text, yes bool,
  small smallint, num numeric, price numeric(12,2), f4 real, f8 double precision, doc jsonb, raw json, blob bytea,
  at timestamptz, local timestamp, day date, clock time, uid uuid, feel mood, tags text[], nums int[]);
ALTER TABLE t_wide ALTER COLUMN big SET STORAGE EXTERNAL;
"""


class PostgresDialect:
    errors = psycopg2.Error
    schema = _SCHEMA

    def tables(self, database: str) -> list[str]:
        return ["public.t_pk", "public.t_comp", "public.t_nopk", "public.t_wide"]

    def connect(self, server: Any, database: str) -> Any:
        return psycopg2.connect(server.socket_dsn(database), connect_timeout=5)

    def backend(self, link: Any) -> int:
        return link.info.backend_pid

    def lives(self, cursor: Any, backend: int) -> bool:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE pid = %s", (backend,))
        return cursor.fetchone()[0] != 0

    def begin(self, cursor: Any) -> str:
        cursor.execute("SELECT pg_current_xact_id()::text")
        return cursor.fetchone()[0]

    def commit(self, server: Any, link: Any, xid: str) -> str:
        link.commit()
        return xid

    def touch(self, cursor: Any, number: int, key: int) -> int:
        cursor.execute("UPDATE t_pk SET version = version + 1, txn = %s WHERE id = %s RETURNING version", (number, key))
        return cursor.fetchone()[0]

    def update(self, cursor: Any, number: int, table: str, columns: Key, rows: list[tuple[Any, ...]], grow: bool) -> int:
        casts = ", ".join(["(" + ", ".join(["%s::int", "%s::text"] if table == "t_comp" else ["%s::bigint"])
                           + ", %s::int, %s::text)"] * len(rows))
        same = " AND ".join(f"t.{column} = v.{column}" for column in columns)
        more = ", big = repeat(v.note, 700)" if grow else ""
        cursor.execute(f"UPDATE {table} t SET version = v.version, txn = {number}, note = v.note{more} "
                       f"FROM (VALUES {casts}) v({', '.join(columns)}, version, note) WHERE {same}",
                       [value for row in rows for value in row])
        return cursor.rowcount

    def wide(self, pick: random.Random, big: int) -> tuple[Any, ...]:
        return ("".join(pick.choices("abcdefgh", k=big)) if pick.random() < 0.7 else None, pick.random() < 0.5,
                pick.randint(-32768, 32767), str(pick.choice(["0.10", "-12345678901234567890.5", "1e3", "NaN"])), "9.90",
                pick.choice([0.1, 1.0, -2.5e10]), pick.choice([0.1, 1.0, 1e300, -0.0]),
                pick.choice(['{"a": [1, 2.50, null], "ž": "x\\"y"}', "[]", '"text"']), '{"b" : 1 }',
                psycopg2.Binary(pick.randbytes(pick.randint(0, 40))), "2024-02-29 12:34:56.123456+02",
                "1999-12-31 23:59:59.5", "2024-02-29", "13:00:00.25", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
                pick.choice(["calm", "so so", 'quote"d']), ["a", None, "NULL", 'b"c\\d', "x,{y}"],
                [1, None, -3] if pick.random() < 0.8 else None)

    def select(self, server: Any, database: str, table: str) -> list[Row]:
        columns = server.query("SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = "
                               "%s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum", database, (table,))
        texts = ", ".join(f'to_json("{name}")::text' if kind.endswith("[]") else f'"{name}"::text'
                          for name, kind in columns)
        with server.connect(database) as link, link.cursor() as cursor:
            cursor.execute("SET timezone = 'UTC'; SET extra_float_digits = 3; SET bytea_output = hex; SET datestyle = ISO")
            cursor.execute(f"SELECT {texts} FROM {table}")
            return [{name: _as_event(kind, text) for (name, kind), text in zip(columns, row)}
                    for row in cursor.fetchall()]


def _as_event(kind: str, text: str | None) -> Any:
    if text is None:
        return None
    if kind in ("integer", "bigint", "smallint"):
        return int(text)
    if kind == "boolean":
        return text == "true"
    if kind in ("real", "double precision"):
        return Decimal(text) if text not in ("NaN", "Infinity", "-Infinity") else text
    if kind in ("json", "jsonb") or kind.endswith("[]"):
        return json.loads(text, parse_float=Decimal)
    if kind == "bytea":
        return {"_base64": base64.b64encode(bytes.fromhex(text[2:])).decode()}
    if kind == "timestamp with time zone":
        return text.replace(" ", "T").replace("+00", "Z")
    if kind == "timestamp without time zone":
        return text.replace(" ", "T")
    return text
