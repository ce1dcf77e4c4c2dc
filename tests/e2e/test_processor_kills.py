"""Processors under SIGKILL, with another max_events at each start: the sink holds the events that it would hold without a
kill, byte for byte. What these are is told twice: by an engine that nobody kills, and by the book of the writer."""

from __future__ import annotations

import json
import random
import re
import threading
import time
from typing import Any

import pytest

from conftest import Outlets, Servers, Workbench
from flow import matrix
from harness.engine import Engine, capture
from harness.mysql import MysqlFamily
from harness.outlets import Reader, file_outlet
from harness.procs import wait_until

Row = tuple[str, int]  # op and id; "made" and the id of the row that it was made of; "message" and its number

PER_CALL = 1000  # events that a script gets at a time, counted from the first of the transaction
SCRIPT = """
let calls = 0;
function processBatch(events) {
  const out = [];
  for (const e of events) {
    if (e.op === 'd') continue;
    e.tags = ['seen'];
    out.push(e);
    if (e.after.id % 5 === 0) out.push({...e, chance: Math.random()}, {after: {made_of: e.after.id}});
  }
  return out.reverse();
}
"""
# MariaDB's JSON is text to its log.
PARSE = "(e) => { if (e.after && typeof e.after.doc === 'string') e.after.doc = JSON.parse(e.after.doc); }"
LIMITS = {"cpu_ms": 10_000, "timeout_ms": 60_000}
PROCESSORS: dict[str, list[dict[str, Any]]] = {
    "script": [{"type": "javascript", "id": "shape", "inline": SCRIPT, "limits": LIMITS, "clock": "commit"}],
    "flatten": [{"type": "javascript", "id": "parse", "inline": PARSE, "limits": LIMITS},
                {"type": "flatten", "lists": "index"}],
    "outbox": [{"type": "outbox"}]}


class Book:
    """What is committed, as the sink must show it. Written by one thread, whose commits are in order."""

    def __init__(self, processor: str) -> None:
        self.processor = processor
        self.rows: list[Row] = []

    def add(self, transaction: list[Row]) -> None:
        if self.processor != "script":
            self.rows += [row for row in transaction if row[0] != "taken out"]
            return
        for first in range(0, len(transaction), PER_CALL):
            out: list[Row] = []
            for op, number in transaction[first:first + PER_CALL]:
                if op != "d":
                    out += [(op, number)] + ([(op, number), ("made", number)] if number % 5 == 0 else [])
            self.rows += reversed(out)


class Work:
    """Commits some hundred transactions a second: inserts, updates and deletes of orders, messages of an outbox."""

    def __init__(self, server: Any, database: str, book: Book, messages: bool) -> None:
        self.server, self.database, self.book, self.messages = server, database, book, messages
        self.random = random.Random(5)
        self.fresh = 0
        self.alive: list[int] = []
        self._stop = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    @staticmethod
    def create_tables(server: Any, database: str) -> None:
        server.execute("CREATE TABLE orders (id int PRIMARY KEY, status varchar(20), doc json)", database)
        if isinstance(server, MysqlFamily):
            server.execute("CREATE TABLE outbox (id int PRIMARY KEY, aggregate_type varchar(20), aggregate_id varchar(20), "
                           "event_type varchar(20), payload json)", database)

    def start(self) -> "Work":
        self._thread.start()
        return self

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(60)
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            with self.server.connect(self.database) as link, link.cursor() as cursor:
                while not self._stop.wait(0.004):
                    self.commit(cursor)
        except Exception as failure:  # told by stop()
            self._failure = failure

    def commit(self, cursor: Any) -> None:
        cursor.execute("BEGIN")
        rows = self._insert(cursor, self.random.choice((1, 1, 2, 3, 8)) if self.random.random() < 0.98 else 1100)
        if self.messages:
            rows += self._message(cursor)
        if self.random.random() < 0.5:
            rows += self._update_and_delete(cursor)
        cursor.execute("COMMIT")
        self.book.add(rows)

    def _insert(self, cursor: Any, count: int) -> list[Row]:
        numbers = range(self.fresh, self.fresh + count)
        self.fresh += count
        rows = ", ".join(f"({n}, 'new', '{json.dumps({'n': n, 'lines': [1, {'deep': 'ü'}]})}')" for n in numbers)
        cursor.execute(f"INSERT INTO orders VALUES {rows}")
        self.alive += numbers
        return [("c", number) for number in numbers]

    def _update_and_delete(self, cursor: Any) -> list[Row]:
        changed, gone = self.random.sample(self.alive, 1)[0], self.alive.pop(0)
        cursor.execute(f"UPDATE orders SET status = '{self.random.choice('abc')}{self.fresh}' WHERE id = {changed}")
        cursor.execute(f"DELETE FROM orders WHERE id = {gone}")
        return [("u", changed), ("d", gone)]

    def _message(self, cursor: Any) -> list[Row]:
        payload = json.dumps({"number": self.fresh})
        if isinstance(self.server, MysqlFamily):
            cursor.execute(f"INSERT INTO outbox VALUES ({self.fresh}, 'Order', '{self.fresh}', 'made', '{payload}')")
            cursor.execute(f"DELETE FROM outbox WHERE id = {self.fresh}")
            return [("message", self.fresh), ("taken out", self.fresh)]
        text = json.dumps({"id": self.fresh, "aggregate_type": "Order", "aggregate_id": str(self.fresh),
                           "event_type": "made", "payload": {"number": self.fresh}})
        cursor.execute(f"SELECT pg_logical_emit_message(true, 'outbox', '{text}')")
        return [("message", self.fresh)]


def row_of(record: bytes) -> Row:
    event = json.loads(record)
    image = event["after"] or event["before"]
    if "made_of" in image:
        return "made", image["made_of"]
    return ("message", image["number"]) if "number" in image else (event["op"], image["id"])


class Seen:
    """First copies, and how many came again. What comes again must be what it was."""

    _ID = re.compile(rb'"event_id":"([0-9a-f-]+)"')

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.first: dict[bytes, bytes] = {}
        self.repeated = 0

    def look(self) -> int:
        for record in self.reader.drain():
            found = self._ID.search(record)
            assert found, record[:300]
            if self.first.setdefault(found[1], record) is not record:
                self.repeated += 1
                assert self.first[found[1]] == record, f"came again with other bytes: {record[:400]!r}"
        return len(self.first)


def documents(server: Any, database: str, processor: str) -> dict[str, Any]:
    """What both engines are told."""
    mysql = isinstance(server, MysqlFamily)
    tables = [f"{database}.orders", f"{database}.outbox"] if mysql else ["public.orders"]
    outbox = {"outbox": {"tables": ["outbox"]} if mysql else {"prefixes": ["outbox"]}} if processor == "outbox" else {}
    if mysql and not outbox:
        tables.pop()
    return {"tables": tables, "processors": PROCESSORS[processor], "more_of_source": outbox}


def begin_reference(bench: Workbench, server: Any, database: str, settings: dict[str, Any]) -> tuple[Engine, Any]:
    """Reads the same log from the same place, in batches of its own, and is left in peace."""
    own = ({"server_id": 77_001} if isinstance(server, MysqlFamily)
           else {"slot": f"ref_{database}", "publication": f"ref_{database}_pub"})
    outlet = file_outlet(bench.home / "reference")
    engine = capture(server, bench.home / "reference-engine", database, [outlet.config],
                     **settings | {"more_of_source": settings["more_of_source"] | own})
    return bench.keep(engine).start(), outlet.reader()


@pytest.mark.timeout(1800)
@matrix("which, kind, processor", "15-file-script 15-kafka-script mariadb-file-script mariadb-kafka-script 15-kafka-outbox "
        "mariadb-file-outbox 15-file-flatten mariadb-kafka-flatten", (15, "mysql", "mariadb"), ("file", "kafka"),
        tuple(PROCESSORS))
def test_killed_and_cut_elsewhere(which: int | str, kind: str, processor: str, bench: Workbench, servers: Servers,
                                  outlet: Outlets, full: bool) -> None:
    server = servers(which)
    database = bench.database(server)
    Work.create_tables(server, database)
    sink = outlet(kind, database)
    settings = documents(server, database, processor)
    pick = random.Random(f"{which}{kind}{processor}")
    sizes = [1, 7, 100, 2000]
    engine = bench.engine(server, database, [sink.config], batch={"max_events": sizes[0]}, **settings).start()
    reference, expected = begin_reference(bench, server, database, settings)
    book = Book(processor)
    work = Work(server, database, book, messages=processor == "outbox").start()
    seen = Seen(sink.reader())

    wanted, counted, kills = (20 if full else 3), 0, 0
    give_up = time.monotonic() + (1200 if full else 120)
    while counted < wanted or (not sink.exactly_once and seen.repeated == 0):
        assert time.monotonic() < give_up, f"{counted} counted kills of {kills}; the test does not test"
        time.sleep(pick.uniform(0.05, pick.choice((0.3, 2.0))))
        committed = len(book.rows)
        engine.kill()
        kills += 1
        counted += seen.look() < committed
        cut_anew(engine, sizes[kills % len(sizes)])
        engine.start(ready=False)
    work.stop()
    wait_until(lambda: seen.look() >= len(book.rows), 120, f"all {len(book.rows)} events", every=0.2)
    wait_until(lambda: expected.drain() is not None and len(expected.records) >= len(book.rows), 60, "the reference")
    assert engine.terminate() == 0 and reference.terminate() == 0
    seen.look()
    got = list(seen.first.values())
    assert [row_of(record) for record in got] == book.rows
    assert got == expected.records, next((a, b) for a, b in zip(got, expected.records) if a != b)
    assert seen.repeated == 0 or not sink.exactly_once
    print(f"{kills} kills, {counted} counted, {len(got)} events, {seen.repeated} repeated")


def cut_anew(engine: Engine, max_events: int) -> None:
    text = engine.config.read_text()
    changed = re.sub(r"max_events: \d+", f"max_events: {max_events}", text)
    assert "max_events" in text
    engine.config.write_text(changed)
