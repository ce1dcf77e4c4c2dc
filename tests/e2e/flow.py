"""Steps that many tests share."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from pathlib import Path

from harness.oracle import Verdict, xid_of
from harness.postgres import Postgres, lsn
from harness.procs import Timeout, wait_until
from harness.readers import FileReader, KafkaReader
from harness.redis import RedisReader
from harness.stored import stored_lsn
from harness.workload import Book

Reader = FileReader | KafkaReader | RedisReader

_ID = re.compile(rb'"event_id":"([0-9a-f-]+)"')


class Arrivals:
    """What a sink holds so far: which transactions, and how often an event came again."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.xids: set[str] = set()
        self.duplicates = 0
        self._ids: set[bytes] = set()

    def look(self) -> "Arrivals":
        for record in self.reader.drain():
            self.xids.add(xid_of(record))
            found = _ID.search(record)
            assert found is not None, record[:300]
            if found.group(1) in self._ids:
                self.duplicates += 1
            self._ids.add(found.group(1))
        return self

    def wait_for(self, book: Book, seconds: float = 60) -> "Arrivals":
        try:
            wait_until(lambda: book.xids() <= self.look().xids, seconds, "all commits to arrive", every=0.1)
        except Timeout as late:
            missing = book.xids() - self.xids
            raise Timeout(f"{late}: {len(missing)} of {len(book)} are missing from {type(self.reader).__name__}, "
                          f"for example {sorted(missing)[:5]}") from None
        return self


class SlotWatch:
    """Samples the slot against the stored positions: nothing may be released that is not stored."""

    def __init__(self, pg: Postgres, slot: str, database: Path, file: FileReader | None, *stored: str) -> None:
        """`stored`: the sinks whose positions the engine keeps."""
        self.pg, self.slot, self.database, self.file, self.stored = pg, slot, database, file, stored
        self.samples = 0
        self.moved: set[int] = set()
        self.problems: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> "SlotWatch":
        self._thread.start()
        return self

    def _stored(self) -> list[str | None]:
        found = [self.file.position()] if self.file is not None else []
        return found + [stored_lsn(self.database, sink) for sink in self.stored]

    def _run(self) -> None:
        with self.pg.connect() as link, link.cursor() as cursor:
            while not self._stop.wait(0.02):
                cursor.execute("SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = %s",
                               (self.slot,))
                row = cursor.fetchone()
                stored = self._stored()  # read after the slot: it may only be further
                if row is None or row[0] is None or None in stored:
                    continue
                self.samples += 1
                self.moved.add(lsn(row[0]))
                if lsn(row[0]) > min(lsn(each) for each in stored if each):
                    self.problems.append(f"the slot was confirmed up to {row[0]}, stored was only {stored}")

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(10)
        assert not self.problems, self.problems[:3]
        assert len(self.moved) > 2, f"the slot did not move during the test: {self.moved}"


@dataclass
class Witness:
    """At some instant the slot stood at `confirmed` while the sink held its first `records` records."""

    confirmed: int
    records: int

    def assert_covered(self, verdict: Verdict) -> None:
        """Every captured commit below the slot's position was in the sink by then."""
        for xid, commit in verdict.lsns.items():
            if commit < self.confirmed:
                assert verdict.last_index[xid] < self.records, (
                    f"the slot was confirmed up to {self.confirmed:X}, but transaction {xid} at {commit:X} "
                    f"reached the sink only later (record {verdict.last_index[xid]} of {self.records})")
