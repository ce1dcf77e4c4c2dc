"""A writer with many connections, and the book of what it committed.

Four tables: a primary key, a composite one, none (PostgreSQL: replica identity full), and a wide one (PostgreSQL: with
TOAST). Every row carries its version, which grows by one with each insert or update of its key, and the number of the
transaction that wrote it. The SQL that is not the same everywhere is in the server's dialect.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from .mysql import MysqlFamily
from .postgres import Postgres

Server = Postgres | MysqlFamily

TABLES = Postgres.dialect.tables("")
KEYS = {"t_pk": ("id",), "t_comp": ("a", "b"), "t_nopk": ("id",), "t_wide": ("id",)}
HOT = 3  # rows of t_pk that all connections fight for
HOT_KEYS = [(number,) for number in range(1, HOT + 1)]

Change = tuple[str, str, tuple[Any, ...], "int | None"]  # table, op, key, version (None for a delete)


@dataclass
class Transaction:
    xid: str  # transaction.id of its events; "" when the server died before it could tell (MySQL, MariaDB)
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
        """Without those that nobody could learn."""
        return {transaction.xid for transaction in self.transactions()} - {""}

    def aborted(self) -> set[str]:
        with self._lock:
            return set(self._aborted)

    def __len__(self) -> int:
        return len(self._transactions)


class _Rolled(Exception):
    """The transaction was rolled back on purpose."""


class _Connection:
    """One connection and the keys that only it writes."""

    def __init__(self, number: int, seed: int, server: Server, database: str, book: Book, big: int,
                 sizes: Callable[[random.Random], int]) -> None:
        self.number, self.server, self.database = number, server, database
        self.book, self.big, self.sizes = book, big, sizes
        self.dialect = server.dialect
        self.random = random.Random(seed * 1000 + number)
        self.alive: dict[str, dict[tuple[Any, ...], int]] = {table: {} for table in KEYS}
        self.dead: dict[str, dict[tuple[Any, ...], int]] = {table: {} for table in KEYS}
        self.fresh = 0
        self.count = 0
        self.link: Any = None
        self.backend = 0
        self.process: Any = None  # of the server, while the connection was made

    def connect(self) -> None:
        self.link = self.dialect.connect(self.server, self.database)
        self.backend = self.dialect.backend(self.link)
        self.process = self.server.process

    def transaction(self) -> None:
        """One transaction, booked when it is committed. Raises dialect.errors when its fate is settled as not so."""
        self.count += 1
        number = self.number * 10_000_000 + self.count
        cursor = self.link.cursor()
        booked = Transaction(self.dialect.begin(cursor), number)
        undo = {table: (dict(self.alive[table]), dict(self.dead[table])) for table in KEYS}
        try:
            self._changes(cursor, booked)
            if self.random.random() < 0.04:
                raise _Rolled
            booked.xid = self.dialect.commit(self.server, self.link, booked.xid)
        except (_Rolled, self.dialect.errors) as failure:
            if isinstance(failure, _Rolled):
                with suppress(self.dialect.errors):  # a server that has gone has rolled back, too
                    self.link.rollback()
            telling = _telling(booked.changes)
            if isinstance(failure, _Rolled) or not telling or not self._was_committed(telling[-1]):
                for table, (alive, dead) in undo.items():
                    self.alive[table], self.dead[table] = alive, dead
                if booked.xid:
                    self.book.add_aborted(booked.xid)
                if isinstance(failure, _Rolled):
                    return
                raise
        self.book.add(booked)

    def _was_committed(self, change: Change) -> bool:
        """What became of a transaction whose client lost its connection: only we write this key, so the row tells.
        (The xid does not: a crashed server may give it to another transaction.)"""
        table, _, key, version = change
        lost, lost_with = self.backend, self.process
        self.link.close()  # after a deadlock it is open still
        where = " AND ".join(f"{column} = %s" for column in KEYS[table])
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                self.connect()
                cursor = self.link.cursor()
                # It may be committing still, unless the server is another one by now, which may use its number again.
                if self.process is not lost_with or not self.dialect.lives(cursor, lost):
                    cursor.execute(f"SELECT version FROM {table} WHERE {where}", key)
                    row = cursor.fetchone()
                    self.link.rollback()
                    return (int(row[0]) if row else None) == version
                self.link.close()
            except self.dialect.errors:
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
            booked.changes.append(("t_pk", "u", (key,), self.dialect.touch(cursor, booked.number, key)))

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
        grow = table == "t_wide" and self.random.random() < 0.3
        updated = self.dialect.update(cursor, booked.number, table, KEYS[table], rows, grow)
        assert updated == len(rows), f"updated {updated} of {len(rows)} rows of {table}"
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
        return self.dialect.wide(self.random, self.big) if table == "t_wide" else ()


def _telling(changes: list[Change]) -> list[Change]:
    """The last change of each key that only we write; not of those that came and went, which tell nothing."""
    first: dict[tuple[Any, ...], Change] = {}
    last: dict[tuple[Any, ...], Change] = {}
    for change in changes:
        table, _, key, _ = change
        if key not in HOT_KEYS:
            first.setdefault((table, key), change)
            last[table, key] = change
    return [change for name, change in last.items() if (first[name][1], change[1]) != ("c", "d")]


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

    def __init__(self, server: Server, database: str, *, connections: int = 6, rate: float = 400, seed: int = 1,
                 big: int = 2500, sizes: Callable[[random.Random], int] = mixed_sizes, book: Book | None = None,
                 first: int = 1) -> None:
        """A second writer of one database takes the book of the first, and connection numbers of its own."""
        self.server, self.database, self.rate = server, database, rate
        self.book = Book() if book is None else book
        self._stop = threading.Event()
        self._calm = threading.Event()
        self._calm.set()
        self._failure: BaseException | None = None
        self._connections = [_Connection(number, seed, server, database, self.book, big, sizes)
                             for number in range(first, first + connections)]
        self._threads: list[threading.Thread] = []

    @staticmethod
    def create_tables(server: Server, database: str) -> None:
        """Before the pipeline starts: the hot rows are not captured as inserts."""
        hot = ", ".join(f"({key}, 1, 0, 'hot')" for (key,) in HOT_KEYS)
        server.script(f"{server.dialect.schema} INSERT INTO t_pk VALUES {hot};", database)

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
            except self.server.dialect.errors:  # the server is away; the fate of the transaction is settled already
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
