"""What the workload and the oracle need of a database, said in its own SQL. A server has one as `server.dialect`.

The tables of the workload are the same everywhere: `t_pk` (id), `t_comp` (a, b), `t_nopk` (id, but no key) and `t_wide`
(id, and a column of every type). Then come `version`, `txn`, `note`, and in `t_wide` the rest.
"""

from __future__ import annotations

import random
from typing import Any, Protocol

Key = tuple[Any, ...]
Row = dict[str, Any]


class Dialect(Protocol):
    """Has no state: it may be shared by all threads; a link may not."""

    errors: type[Exception]  # what the driver raises when the server refuses or is away
    schema: str  # a script that makes the tables

    def tables(self, database: str) -> list[str]:
        """The tables as the `tables` option of a source names them."""

    def connect(self, server: Any, database: str) -> Any:
        """A DB-API connection, not in autocommit."""

    def backend(self, link: Any) -> int:
        """The server's number of a connection."""

    def lives(self, cursor: Any, backend: int) -> bool:
        """Whether the server still works for that connection: a lost one may be committing."""

    def begin(self, cursor: Any) -> str:
        """Begins a transaction; its name, where the database tells it before the commit, else ""."""

    def commit(self, server: Any, link: Any, xid: str) -> str:
        """Commits; the transaction's name as events give it in transaction.id."""

    def touch(self, cursor: Any, number: int, key: int) -> int:
        """Raises the version of one row of t_pk that others may change, too, and returns it."""

    def update(self, cursor: Any, number: int, table: str, columns: Key, rows: list[tuple[Any, ...]], grow: bool) -> int:
        """One statement. `rows` are key, version, note; with `grow` the big column changes, too. Returns how many."""

    def wide(self, pick: random.Random, big: int) -> tuple[Any, ...]:
        """The columns of t_wide after `note`; the first is a text of `big` characters, or None."""

    def select(self, server: Any, database: str, table: str) -> list[Row]:
        """The rows as they must look in an event (docs/formats/native-event.md), by way of the database's own text."""
