"""A writer with many connections, and the book of what it committed.

Four tables: a primary key, a composite one, none (replica identity full), and a wide one with TOAST. Every row carries
its version, which grows by one with each insert or update of its key, and the number of the transaction that wrote it.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg2

from .postgres import Postgres

TABLES = ["public.t_pk", "public.t_comp", "public.t_nopk", "public.t_wide"]
KEYS = {"t_pk": ("id",), "t_comp": ("a", "b"), "t_nopk": ("id",), "t_wide": ("id",)}
HOT = 3  # rows of t_pk that all connections fight for
HOT_KEYS = [(number,) for number in range(1, HOT + 1)]

SCHEMA = """
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

Change = tuple[str, str, tuple[Any, ...], "int | None"]  # table, op, key, version (None for a delete)


@dataclass
class Transaction:
    xid: str
    number: int
    changes: list[Change] = field(default_factory=list)
    acknowledged: float = 0.0


class Book:
    """The committed transactions that changed a captured table. Shared by all writers of one database."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._transactions: list[Transaction] = []
        self._aborted: set[str] = set()

    def add(self, transaction: Transaction) -> None:
        transaction.acknowledged = time.monotonic()
        if transaction.changes:
            with self._lock:
                self._transactions.append(transaction)

    def add_aborted(self, xid: str) -> None:
        with self._lock:
            self._aborted.add(xid)

    def transactions(self) -> list[Transaction]:
        with self._lock:
            return list(self._transactions)

    def xids(self) -> set[str]:
        return {transaction.xid for transaction in self.transactions()}

    def aborted(self) -> set[str]:
        with self._lock:
            return set(self._aborted)

    def __len__(self) -> int:
        return len(self._transactions)


class _Rolled(Exception):
    """The transaction was rolled back on purpose."""


class _Connection:
    """One connection and the keys that only it writes."""

    def __init__(self, number: int, seed: int, dsn: str, book: Book, big: int, sizes: Callable[[random.Random], int]):
        self.number, self.dsn, self.book, self.big, self.sizes = number, dsn, book, big, sizes
        self.random = random.Random(seed * 1000 + number)
        self.alive: dict[str, dict[tuple[Any, ...], int]] = {table: {} for table in KEYS}
        self.dead: dict[str, dict[tuple[Any, ...], int]] = {table: {} for table in KEYS}
        self.fresh = 0
        self.count = 0
        self.link: Any = None
        self.backend = 0

    def connect(self) -> None:
        self.link = psycopg2.connect(self.dsn, connect_timeout=5)
        self.backend = self.link.info.backend_pid

    def transaction(self) -> None:
        """One transaction, booked when it is committed. Raises psycopg2.Error when its fate is settled as not so."""
        self.count += 1
        number = self.number * 10_000_000 + self.count
        cursor = self.link.cursor()
        cursor.execute("SELECT pg_current_xact_id()::text")
        booked = Transaction(cursor.fetchone()[0], number)
        undo = {table: (dict(self.alive[table]), dict(self.dead[table])) for table in KEYS}
        try:
            self._changes(cursor, booked)
            if self.random.random() < 0.04:
                raise _Rolled
            self.link.commit()
        except (_Rolled, psycopg2.Error) as failure:
            if isinstance(failure, _Rolled):
                self.link.rollback()
            own = [change for change in booked.changes if change[2] not in HOT_KEYS]
            if isinstance(failure, _Rolled) or not own or not self._was_committed(own[-1]):
                for table, (alive, dead) in undo.items():
                    self.alive[table], self.dead[table] = alive, dead
                self.book.add_aborted(booked.xid)
                if isinstance(failure, _Rolled):
                    return
                raise
        self.book.add(booked)

    def _was_committed(self, change: Change) -> bool:
        """What became of a transaction whose client lost its connection: only we write this key, so the row tells.
        (The xid does not: a crashed server may give it to another transaction.)"""
        table, _, key, version = change
        lost = self.backend
        where = " AND ".join(f"{column} = %s" for column in KEYS[table])
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                self.connect()
                cursor = self.link.cursor()
                cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE pid = %s", (lost,))
                if cursor.fetchone()[0] == 0:  # else its backend may be committing still
                    cursor.execute(f"SELECT version FROM {table} WHERE {where}", key)
                    row = cursor.fetchone()
                    self.link.rollback()
                    return (row[0] if row else None) == version
                self.link.close()
            except psycopg2.Error:
                pass
            time.sleep(0.1)
        raise AssertionError(f"what became of {change} could not be learnt within 60 s")

    def _changes(self, cursor: Any, booked: Transaction) -> None:
        left = self.sizes(self.random)
        while left > 0:
            count = min(left, self.random.randint(1, max(1, left)))
            left -= count
            table = self.random.choice(list(KEYS))
            draw = self.random.random()
            if draw < 0.05:
                self._undone(cursor, booked, table, count)
            elif draw < 0.5 or len(self.alive[table]) < count:
                self._insert(cursor, booked, table, count)
            elif draw < 0.85:
                self._update(cursor, booked, table, count)
            else:
                self._delete(cursor, booked, table, count)
        if booked.changes and self.random.random() < 0.1:
            key = self.random.randint(1, HOT)
            cursor.execute("UPDATE t_pk SET version = version + 1, txn = %s WHERE id = %s RETURNING version",
                           (booked.number, key))
            booked.changes.append(("t_pk", "u", (key,), cursor.fetchone()[0]))

    def _undone(self, cursor: Any, booked: Transaction, table: str, count: int) -> None:
        """Rows of a savepoint that is rolled back must never be seen; those of a released one must."""
        cursor.execute("SAVEPOINT s")
        keep = self.random.random() < 0.5
        before = (dict(self.alive[table]), dict(self.dead[table]), len(booked.changes))
        self._insert(cursor, booked, table, count)
        if keep:
            cursor.execute("RELEASE SAVEPOINT s")
        else:
            cursor.execute("ROLLBACK TO SAVEPOINT s")
            self.alive[table], self.dead[table] = before[0], before[1]
            del booked.changes[before[2]:]

    def _new_key(self, table: str) -> tuple[Any, ...]:
        dead = self.dead[table]
        if dead and self.random.random() < 0.3:
            return self.random.choice(list(dead))
        self.fresh += 1
        number = self.number * 10_000_000 + self.fresh
        return (number, self.random.choice(["x", "ü", 'q"', "a,b"])) if table == "t_comp" else (number,)

    def _insert(self, cursor: Any, booked: Transaction, table: str, count: int) -> None:
        keys = list(dict.fromkeys(self._new_key(table) for _ in range(count)))
        versions = [self.dead[table].pop(key, 0) + 1 for key in keys]
        rows = [(*key, version, booked.number, self._note(), *self._wide(table)) for key, version in zip(keys, versions)]
        template = ", ".join(["(" + ", ".join(["%s"] * len(rows[0])) + ")"] * len(rows))
        cursor.execute(f"INSERT INTO {table} VALUES {template}", [value for row in rows for value in row])
        for key, version in zip(keys, versions):
            self.alive[table][key] = version
            booked.changes.append((table, "c", key, version))

    def _update(self, cursor: Any, booked: Transaction, table: str, count: int) -> None:
        keys = self.random.sample(list(self.alive[table]), count)
        rows = [(*key, self.alive[table][key] + 1, self._note()) for key in keys]
        columns = KEYS[table]
        casts = ", ".join(["(" + ", ".join(["%s::int", "%s::text"] if table == "t_comp" else ["%s::bigint"])
                           + ", %s::int, %s::text)"] * len(rows))
        same = " AND ".join(f"t.{column} = v.{column}" for column in columns)
        more = ", big = repeat(v.note, 700)" if table == "t_wide" and self.random.random() < 0.3 else ""
        cursor.execute(f"UPDATE {table} t SET version = v.version, txn = {booked.number}, note = v.note{more} "
                       f"FROM (VALUES {casts}) v({', '.join(columns)}, version, note) WHERE {same}",
                       [value for row in rows for value in row])
        assert cursor.rowcount == len(rows), f"updated {cursor.rowcount} of {len(rows)} rows of {table}"
        for key in keys:
            self.alive[table][key] += 1
            booked.changes.append((table, "u", key, self.alive[table][key]))

    def _delete(self, cursor: Any, booked: Transaction, table: str, count: int) -> None:
        keys = self.random.sample(list(self.alive[table]), count)
        columns = KEYS[table]
        template = ", ".join(["(" + ", ".join(["%s"] * len(columns)) + ")"] * len(keys))
        cursor.execute(f"DELETE FROM {table} WHERE ({', '.join(columns)}) IN ({template})",
                       [part for key in keys for part in key])
        for key in keys:
            self.dead[table][key] = self.alive[table].pop(key)
            booked.changes.append((table, "d", key, None))

    def _note(self) -> str | None:
        return self.random.choice([None, "", "plain", "tab\tline\nfeed", 'q"uo\\te', "žluťoučký 🐎", "\x7f\x01"])

    def _wide(self, table: str) -> tuple[Any, ...]:
        if table != "t_wide":
            return ()
        pick = self.random
        return ("".join(pick.choices("abcdefgh", k=self.big)) if pick.random() < 0.7 else None, pick.random() < 0.5,
                pick.randint(-32768, 32767), str(pick.choice(["0.10", "-12345678901234567890.5", "1e3", "NaN"])), "9.90",
                pick.choice([0.1, 1.0, -2.5e10]), pick.choice([0.1, 1.0, 1e300, -0.0]),
                pick.choice(['{"a": [1, 2.50, null], "ž": "x\\"y"}', "[]", '"text"']), '{"b" : 1 }',
                psycopg2.Binary(pick.randbytes(pick.randint(0, 40))), "2024-02-29 12:34:56.123456+02",
                "1999-12-31 23:59:59.5", "2024-02-29", "13:00:00.25", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
                pick.choice(["calm", "so so", 'quote"d']), ["a", None, "NULL", 'b"c\\d', "x,{y}"],
                [1, None, -3] if pick.random() < 0.8 else None)


def mixed_sizes(pick: random.Random) -> int:
    """1..200 rows, mostly few."""
    draw = pick.random()
    if draw < 0.7:
        return pick.randint(1, 3)
    return pick.randint(4, 30) if draw < 0.97 else pick.randint(31, 200)


def single_row(_: random.Random) -> int:
    return 1


class Writer:
    """Keeps committing until stopped. Survives a restart of the server."""

    def __init__(self, pg: Postgres, database: str, *, connections: int = 6, rate: float = 400, seed: int = 1,
                 big: int = 2500, sizes: Callable[[random.Random], int] = mixed_sizes, book: Book | None = None,
                 first: int = 1) -> None:
        """A second writer of one database takes the book of the first, and connection numbers of its own."""
        self.pg, self.database, self.rate = pg, database, rate
        self.book = Book() if book is None else book
        self._stop = threading.Event()
        self._calm = threading.Event()
        self._calm.set()
        self._failure: BaseException | None = None
        self._connections = [_Connection(number, seed, pg.socket_dsn(database), self.book, big, sizes)
                             for number in range(first, first + connections)]
        self._threads: list[threading.Thread] = []

    @staticmethod
    def create_tables(pg: Postgres, database: str) -> None:
        """Before the pipeline starts: the hot rows are not captured as inserts."""
        pg.execute(SCHEMA, database)
        pg.execute(f"INSERT INTO t_pk SELECT i, 1, 0, 'hot' FROM generate_series(1, {HOT}) i", database)

    def start(self) -> "Writer":
        self._threads = [threading.Thread(target=self._work, args=(each,), daemon=True) for each in self._connections]
        for thread in self._threads:
            thread.start()
        return self

    def _work(self, connection: _Connection) -> None:
        pause = len(self._connections) / self.rate
        due = time.monotonic()
        while not self._stop.is_set():
            self._calm.wait(1)
            if not self._calm.is_set():
                continue
            try:
                if connection.link is None or connection.link.closed:
                    connection.connect()
                connection.transaction()
            except psycopg2.Error:  # the server is away; the fate of the transaction is settled already
                if connection.link is not None:
                    connection.link.close()
                time.sleep(0.2)
            except BaseException as failure:
                self._failure = failure
                return
            due = max(due + pause, time.monotonic() - 0.2)
            time.sleep(max(0.0, due - time.monotonic()))

    def pause(self) -> None:
        self._calm.clear()

    def resume(self) -> None:
        self._calm.set()

    def commit(self, count: int) -> None:
        """That many transactions, one after the other, by the caller's own thread. Not while started."""
        connection = self._connections[0]
        if connection.link is None or connection.link.closed:
            connection.connect()
        target = len(self.book) + count  # those that roll back do not count
        while len(self.book) < target:
            connection.transaction()

    def stop(self) -> Book:
        self._stop.set()
        self.resume()
        for thread in self._threads:
            thread.join(90)
            assert not thread.is_alive(), "a writer did not stop"
        for connection in self._connections:
            if connection.link is not None:
                connection.link.close()
        if self._failure is not None:
            raise self._failure
        return self.book
