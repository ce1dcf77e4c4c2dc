"""Compares what a sink holds with what was committed. Knows nothing of the engine but its documented event."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from .postgres import lsn
from .workload import HOT, KEYS, Book, Change, Server, Transaction

_XID = re.compile(rb'"transaction":\{"id":"([^"]+)"')
_UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def xid_of(record: bytes) -> str:
    found = _XID.search(record)
    assert found, f"an event without a transaction: {record[:300]!r}"
    return found.group(1).decode()


def parse(record: bytes) -> dict[str, Any]:
    """Numbers keep their digits: 1 and 1.0 differ, 0.1 stays exact."""
    return json.loads(record, parse_float=Decimal)


@dataclass
class Verdict:
    events: int = 0          # without repetitions
    transactions: int = 0
    duplicates: int = 0      # records whose id was seen before
    duplicated: set[str] = field(default_factory=set)  # their transactions
    first_index: dict[str, int] = field(default_factory=dict)  # xid -> record at which its first event stands
    last_index: dict[str, int] = field(default_factory=dict)   # xid -> record of the last one when first complete
    lsns: dict[str, int] = field(default_factory=dict)         # xid -> where it stands in the log: PostgreSQL's LSN
    problems: list[str] = field(default_factory=list)

    def complain(self, text: str) -> None:
        if len(self.problems) < 20:
            self.problems.append(text)

    def assert_sound(self) -> "Verdict":
        assert not self.problems, "\n".join(["the sink does not hold what was committed:", *self.problems])
        return self


def check(records: list[bytes], book: Book, server: Server | None = None, database: str = "") -> Verdict:
    """Everything the issue demands of a sink. With `server`, the fold of all events is compared with SELECT."""
    verdict = Verdict()
    events = _without_repetitions(records, verdict)
    transactions = _transactions(events, verdict)
    _check_commits(transactions, book, verdict)
    fold = _Fold(verdict)
    for _, event in events:
        fold.apply(event)
    if server is not None:
        fold.compare(server, database)
    return verdict


def _without_repetitions(records: list[bytes], verdict: Verdict) -> list[tuple[int, dict[str, Any]]]:
    seen: dict[str, bytes] = {}
    events = []
    for index, record in enumerate(records):
        event = parse(record)
        ident = event.get("event_id", "")
        if not _UUID7.fullmatch(ident):
            verdict.complain(f"record {index}: event_id {ident!r} is no UUIDv7")
        digest = hashlib.blake2b(record, digest_size=16).digest()
        if ident not in seen:
            seen[ident] = digest
            events.append((index, event))
            continue
        verdict.duplicates += 1
        verdict.duplicated.add(event["transaction"]["id"])
        if seen[ident] != digest:
            verdict.complain(f"record {index}: event {ident} came again with other bytes: {record[:400]!r}")
    verdict.events = len(events)
    return events


def _transactions(events: list[tuple[int, dict[str, Any]]], verdict: Verdict) -> dict[str, list[dict[str, Any]]]:
    """Groups by transaction; they must be whole, contiguous and in commit order."""
    groups: dict[str, list[dict[str, Any]]] = {}
    previous, last = None, 0
    for index, event in events:
        xid = event["transaction"]["id"]
        place, name = place_of(event["source"], xid)
        if xid not in groups:
            groups[xid] = []
            verdict.first_index[xid] = index
            verdict.lsns[xid] = place
            if place <= last:
                verdict.complain(f"record {index}: transaction {xid} at {event['source']} came after a later one")
        elif xid != previous:
            verdict.complain(f"record {index}: transaction {xid} is torn apart by {previous}")
        if place < last or name != xid or ("lsn" in event["source"] and place != verdict.lsns[xid]):
            verdict.complain(f"record {index}: source {event['source']} is not that of transaction {xid}")
        last = max(last, place)
        groups[xid].append(event)
        verdict.last_index[xid] = index
        previous = xid
    verdict.transactions = len(groups)
    for xid, rows in groups.items():
        orders = [row["transaction"]["total_order"] for row in rows]
        if orders != list(range(1, len(rows) + 1)):
            verdict.complain(f"transaction {xid}: total_order is {_short(orders)}, not 1..{len(rows)}")
        ends = [order for order, row in enumerate(rows, 1) if row.get("tx_end")]
        if ends != [len(rows)]:
            verdict.complain(f"transaction {xid}: tx_end stands at {ends} of {len(rows)}")
    return groups


def place_of(source: dict[str, Any], xid: str) -> tuple[int, str]:
    """Where in the log an event stands, as a number that grows, and the name of its transaction by `source`.
    PostgreSQL: the commit's LSN, the same in all rows. MySQL and MariaDB: file and offset, which may grow from row to row;
    without GTIDs the name is that of `transaction`."""
    if "lsn" in source:
        return lsn(source["lsn"]), str(source.get("txId"))
    return int(source["file"].rpartition(".")[2]) << 48 | source["pos"], source.get("gtid", xid)


def _short(values: list[Any]) -> str:
    return str(values) if len(values) <= 12 else f"{values[:12]}... ({len(values)})"


def change_of(event: dict[str, Any]) -> Change:
    table, op = event["source"]["table"], event["op"]
    image = event["before"] if op == "d" else event["after"]
    key = tuple(image[column] for column in KEYS[table])
    return table, op, key, None if op == "d" else image["version"]


def _check_commits(groups: dict[str, list[dict[str, Any]]], book: Book, verdict: Verdict) -> None:
    booked = {transaction.xid: transaction for transaction in book.transactions() if transaction.xid}
    booked.update(_named_by_content(groups, book, verdict))
    lost = [xid for xid in booked if xid not in groups]
    if lost:
        verdict.complain(f"LOST: {len(lost)} committed transactions are not in the sink, for example "
                         f"{[describe(booked[xid]) for xid in lost[:3]]}")
    aborted = book.aborted()
    for xid, rows in groups.items():
        changes = Counter(change_of(row) for row in rows)
        if xid not in booked:
            kind = "rolled back" if xid in aborted else "unknown"
            verdict.complain(f"PHANTOM: {kind} transaction {xid} is in the sink: {_short(list(changes))}")
            continue
        expected = Counter(booked[xid].changes)
        if changes != expected:
            verdict.complain(f"transaction {xid}: missing {_short(list((expected - changes).elements()))}, "
                             f"too many {_short(list((changes - expected).elements()))}")
    by_connection: dict[int, int] = {}
    for xid in groups:
        if xid in booked:
            connection, number = divmod(booked[xid].number, 10_000_000)
            if number <= by_connection.get(connection, 0):
                verdict.complain(f"transaction {xid} of connection {connection} came out of order")
            by_connection[connection] = number


def _named_by_content(groups: dict[str, list[dict[str, Any]]], book: Book, verdict: Verdict) -> dict[str, Transaction]:
    """The commits whose name nobody learnt (it died with the server, or there are no GTIDs): found among the transactions
    that nobody booked."""
    known, named = book.xids(), {}
    nameless: dict[frozenset[tuple[Change, int]], list[str]] = {}
    for xid, rows in groups.items():
        if xid not in known:
            nameless.setdefault(_content([change_of(row) for row in rows]), []).append(xid)
    for transaction in book.transactions():
        if transaction.xid:
            continue
        if found := nameless.get(_content(transaction.changes)):
            named[found.pop(0)] = transaction
        else:
            verdict.complain(f"LOST: a committed transaction is not in the sink: {describe(transaction)}")
    return named


def _content(changes: list[Change]) -> frozenset[tuple[Change, int]]:
    return frozenset(Counter(changes).items())


def describe(transaction: Transaction) -> str:
    return f"xid {transaction.xid} ({len(transaction.changes)} rows, first {transaction.changes[0]})"


class _Fold:
    """Replays the events into tables, watching that the versions of each key grow by one."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict
        self.rows: dict[str, dict[tuple[Any, ...], dict[str, Any]]] = {table: {} for table in KEYS}
        self.versions: dict[tuple[Any, ...], int] = {("t_pk", i): 1 for i in range(1, HOT + 1)}
        self.hot_seen: set[int] = set()

    def apply(self, event: dict[str, Any]) -> None:
        table, op, key, version = change_of(event)
        rows = self.rows[table]
        self._check_before(event, rows.get(key, {}))
        if op == "d":
            if rows.pop(key, None) is None:
                self.verdict.complain(f"{table} {key}: deleted, but it was not there")
            return
        full_key = (table, *key)
        if version != self.versions.get(full_key, 0) + 1:
            self.verdict.complain(f"{table} {key}: version {version} after {self.versions.get(full_key, 0)}")
        self.versions[full_key] = version or 0
        if op == "c" and key in rows:
            self.verdict.complain(f"{table} {key}: inserted twice")
        old = rows.get(key, {})
        row = event["after"]
        for column, value in row.items():
            if isinstance(value, dict) and value.get("_unchanged") is True:
                row[column] = old.get(column, "(unchanged, but never seen)")
        rows[key] = row

    def _check_before(self, event: dict[str, Any], old: dict[str, Any]) -> None:
        """What `before` says of a row that we know must be so (the workload changes no keys)."""
        for column, value in (event["before"] or {}).items():
            if column in old and old[column] != value:
                self.verdict.complain(f"{event['source']['table']}: {column} was {str(old[column])[:200]} before, "
                                      f"not {str(value)[:200]}: event {event['event_id']}")

    def compare(self, server: Server, database: str) -> None:
        for table, rows in self.rows.items():
            expected = {tuple(row[column] for column in KEYS[table]): row
                        for row in server.dialect.select(server, database, table)}
            if table == "t_pk":  # the hot rows were there before the stream began
                for number in range(1, HOT + 1):
                    if (number,) not in rows:
                        expected.pop((number,))
            for key in expected.keys() - rows.keys():
                self.verdict.complain(f"{table} {key}: in the table, not in the fold of the events")
            for key in rows.keys() - expected.keys():
                self.verdict.complain(f"{table} {key}: in the fold of the events, not in the table")
            for key in rows.keys() & expected.keys():
                if rows[key] != expected[key] or list(rows[key]) != list(expected[key]):
                    differ = {c: (rows[key].get(c), v) for c, v in expected[key].items() if rows[key].get(c) != v}
                    self.verdict.complain(f"{table} {key}: event and table differ: {str(differ)[:600]}")
