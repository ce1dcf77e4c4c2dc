"""The oracle can fail: each kind of damage to a sound stream is found."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from harness.oracle import check, xid_of
from harness.workload import Book, Transaction


def sound() -> tuple[list[bytes], Book]:
    """Four transactions of one to three rows; the third deletes what the first inserted."""
    book, records = Book(), []
    plan = [[("c", 101, 1), ("c", 102, 1)], [("u", 102, 2)], [("d", 101, None), ("c", 103, 1), ("u", 102, 3)],
            [("u", 103, 2)]]
    for number, rows in enumerate(plan, 1):
        xid = str(700 + number)
        booked = Transaction(xid, 10_000_000 + number)
        for order, (op, key, version) in enumerate(rows, 1):
            booked.changes.append(("t_pk", op, (key,), version))
            image = {"id": key, "version": version, "txn": booked.number, "note": None}
            event = {"before": {"id": key} if op == "d" else None, "after": None if op == "d" else image,
                     "source": {"table": "t_pk", "lsn": f"0/{number:X}000", "txId": int(xid)}, "op": op,
                     "transaction": {"id": xid, "total_order": order},
                     "event_id": f"0190{number:04x}-0000-7000-8000-{order:012x}"}
            if order == len(rows):
                event["tx_end"] = True
            records.append(json.dumps(event, separators=(",", ":")).encode())
        book.add(booked)
    return records, book


def test_a_sound_stream_passes() -> None:
    records, book = sound()
    verdict = check(records, book).assert_sound()
    assert (verdict.events, verdict.transactions, verdict.duplicates) == (7, 4, 0)


def test_repetitions_are_counted() -> None:
    records, book = sound()
    verdict = check(records[:4] + records[2:], book).assert_sound()
    assert verdict.duplicates == 2 and verdict.duplicated == {"702", "703"}


def swap(records: list[bytes], a: int, b: int) -> list[bytes]:
    records = list(records)
    records[a], records[b] = records[b], records[a]
    return records


def edit(records: list[bytes], index: int, old: bytes, new: bytes) -> list[bytes]:
    assert old in records[index]
    return records[:index] + [records[index].replace(old, new)] + records[index + 1:]


DAMAGE: dict[str, tuple[Callable[[list[bytes]], list[bytes]], str]] = {
    "a transaction is lost": (lambda r: r[:6], "LOST"),
    "a row is lost": (lambda r: r[:4] + r[5:], "missing"),
    "a transaction in the middle is lost": (lambda r: r[:2] + r[3:], "LOST"),
    "transactions change places": (lambda r: [r[2], r[0], r[1], *r[3:]], "after a later one"),
    "rows change places": (lambda r: swap(r, 3, 4), "total_order"),
    "a transaction is torn": (lambda r: [*r[:4], r[6], r[4], r[5]], "torn apart"),
    "a phantom row": (lambda r: [*r, r[6].replace(b'"id":"704"', b'"id":"799"').replace(b"01900004", b"01900099")
                                 .replace(b"0/4000", b"0/9000").replace(b'"txId":704', b'"txId":799')], "PHANTOM"),
    "a repetition with other bytes": (lambda r: [*r, r[0].replace(b'"note":null', b'"note":""')], "other bytes"),
    "a wrong version": (lambda r: edit(r, 2, b'"version":2', b'"version":5'), "version 5 after 1"),
    "a wrong tx_end": (lambda r: edit(r, 1, b',"tx_end":true', b""), "tx_end"),
    "an id that is none": (lambda r: edit(r, 0, b"-7000-", b"-4000-"), "no UUIDv7"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_found(kind: str) -> None:
    records, book = sound()
    damage, complaint = DAMAGE[kind]
    problems = check(damage(records), book).problems
    assert any(complaint in problem for problem in problems), problems


def test_rolled_back_rows_are_phantoms() -> None:
    records, book = sound()
    book.add_aborted("704")
    kept = [each for each in book.transactions() if each.xid != "704"]
    other = Book()
    for each in kept:
        other.add(each)
    other.add_aborted("704")
    assert any("rolled back transaction 704" in problem for problem in check(records, other).problems)


def sound_mysql() -> tuple[list[bytes], Book]:
    """The same stream as MySQL tells it: the binlog goes into its next file in the middle, and rows have offsets."""
    records, book = sound()
    told = []
    for index, record in enumerate(records):
        event = json.loads(record)
        number = int(event["transaction"]["id"]) - 700
        event["transaction"]["id"] = gtid(number)
        file = "binlog.999999" if number < 3 else "binlog.1000000"
        event["source"] = {"table": "t_pk", "server_id": 1, "gtid": gtid(number), "file": file,
                           "pos": 9000 - 4000 * (number // 3) + 10 * index, "row": 0}
        told.append(json.dumps(event, separators=(",", ":")).encode())
    for transaction in book.transactions():
        transaction.xid = gtid(int(transaction.xid) - 700)
    return told, book


def gtid(number: int) -> str:
    return f"3e11fa47-71ca-11e1-9e33-c80aa9429562:{number}"


def test_a_sound_stream_of_mysql_passes() -> None:
    records, book = sound_mysql()
    verdict = check(records, book).assert_sound()
    assert (verdict.events, verdict.transactions) == (7, 4)
    assert xid_of(records[0]) == gtid(1)


@pytest.mark.parametrize(("damage", "complaint"), [
    (lambda r: [*r[:2], *r[3:6], r[2], r[6]], "after a later one"),
    (lambda r: edit(r, 2, f'"gtid":"{gtid(2)}"'.encode(), f'"gtid":"{gtid(9)}"'.encode()), "is not that of transaction"),
    (lambda r: edit(r, 4, b'"pos":5040', b'"pos":5020'), "is not that of transaction"),
    (lambda r: r[:6], "LOST"),
    (lambda r: edit(r, 2, b'"before":null', b'"before":{"id":102,"note":"x"}'), "was None before"),
])
def test_damage_of_mysql_is_found(damage: Callable[[list[bytes]], list[bytes]], complaint: str) -> None:
    records, book = sound_mysql()
    problems = check(damage(records), book).problems
    assert any(complaint in problem for problem in problems), problems


def test_a_commit_whose_name_was_lost_is_found_by_its_rows() -> None:
    records, book = sound_mysql()
    book.transactions()[2].xid = ""
    check(records, book).assert_sound()
    assert any("LOST" in problem for problem in check([*records[:3], records[6]], book).problems)
    assert gtid(3) not in book.xids() and len(book.xids()) == 3
