"""Steps that many tests share."""

from __future__ import annotations

import base64
import json
import re
import threading
from bisect import bisect_left
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import accumulate, product
from typing import Any
from urllib.parse import quote

import pytest

from conftest import Workbench
from harness.engine import Engine
from harness.oracle import Verdict, check, xid_of
from harness.outlets import Outlet, Reader
from harness.postgres import Postgres, lsn
from harness.procs import Timeout, wait_until
from harness.workload import Book, Server, Writer

SERVERS: tuple[int | str, ...] = (15, "mysql", "mariadb")
SINKS = ("file", "kafka", "redis", "valkey", "nats", "nats-new", "http", "arrays")

_ID = re.compile(rb'"event_id":"([0-9a-f-]+)"')


def matrix(names: str, by_default: str, *ways: tuple[Any, ...]) -> pytest.MarkDecorator:
    """Parametrizes with every combination of `ways`. Those that `by_default` does not name ("15-file mysql-redis") run
    with --full only."""
    known = {"-".join(map(str, each)): each for each in product(*ways)}
    wanted = set(by_default.split())
    assert wanted <= known.keys(), f"no such combination: {wanted - known.keys()}"
    return pytest.mark.parametrize(names, [
        pytest.param(*each, id=name, marks=[] if name in wanted else [pytest.mark.full]) for name, each in known.items()])


def place_in_log(record: bytes) -> Any:
    """Orders events as the log does."""
    event = json.loads(record)
    source, transaction = event["source"], event["transaction"]
    if "lsn" in source:
        return lsn(source["lsn"]), transaction["total_order"]
    return int(transaction["id"].replace(":", "-").split("-")[-1]), transaction["total_order"]


def assert_silent(engine: Engine, *secrets: str) -> None:
    """Nothing that a running engine says or has written holds any of the passwords. Ends it."""
    pages = [engine.request("GET", path)[1] for path in ("/pipelines", "/pipelines/p", "/ready", "/health", "/metrics")]
    written = {f"GET {number}": page.encode() for number, page in enumerate(pages)}
    engine.kill()
    for path in [engine.log, engine.stdout, *engine.state.rglob("*")]:
        if path.is_file():
            written[str(path)] = path.read_bytes()
    for secret in secrets:
        for form in (secret.encode(), quote(secret, safe="").encode(), base64.b64encode(secret.encode())):
            for where, text in written.items():
                assert form not in text, f"{where} holds a password"
    assert "***" in pages[1], "the echo of the configuration shows that something is set"


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


@dataclass
class Flow:
    """A writer, an engine and one sink, the first transactions of which have arrived."""

    server: Server
    database: str
    sink: Outlet
    engine: Engine
    arrivals: Arrivals
    writer: Writer

    @staticmethod
    def start(bench: Workbench, server: Server, make_sink: Callable[[str], Outlet], *, rate: float = 100,
              port: int | None = None) -> "Flow":
        database = bench.database(server)
        Writer.create_tables(server, database)
        sink = make_sink(database)
        engine = bench.engine(server, database, [sink.config], tables=server.dialect.tables(database), port=port).start()
        flow = Flow(server, database, sink, engine, Arrivals(sink.reader()), Writer(server, database, rate=rate).start())
        wait_until(lambda: len(flow.arrivals.look().xids) > 20, 30, "the first transactions in the sink")
        return flow

    def finish(self, seconds: float = 60) -> Verdict:
        """All that was written has arrived; the engine stops."""
        book = self.writer.stop()
        self.arrivals.wait_for(book, seconds)
        assert self.engine.terminate() == 0
        return check(self.arrivals.look().reader.records, book, self.server, self.database).assert_sound()


def reach(position: dict[str, Any]) -> int:
    """How far a stored position goes: every commit with a smaller number is below it. PostgreSQL: the LSN; else what
    follows the number of the last GTID, of the only server that there is."""
    if "lsn" in position:
        return lsn(position["lsn"])
    return int(re.findall(r"\d+", position.get("gtid_set") or position["gtid"])[-1]) + 1


def commit_number(verdict: Verdict, xid: str) -> int:
    return verdict.lsns[xid] if xid.isdigit() else int(re.findall(r"\d+", xid)[-1])


@dataclass
class Witness:
    """At some instant a position reached `reach`, and the sink held its first `records` records by then."""

    reach: int
    records: int


class PositionWatch:
    """Samples what counts as delivered. Nothing may be stored that the sink does not hold, and PostgreSQL's slot may be
    confirmed no further than is stored."""

    def __init__(self, server: Server, database: str, engine: Engine, outlets: list[Outlet]) -> None:
        self.pg = server if isinstance(server, Postgres) else None
        self.slot, self.engine, self.outlets = f"df_{database}", engine, outlets
        self.samples = 0
        self.problems: list[str] = []
        self._moved: set[int] = set()
        self._witnesses: dict[str, list[Witness]] = {each.kind: [] for each in outlets}
        self._stop = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> "PositionWatch":
        self._thread.start()
        return self

    def add(self, kind: str, position: int, records: int) -> None:
        self._witnesses[kind].append(Witness(position, records))

    def _confirmed(self, link: Any) -> int:
        """How far the slot is confirmed; 0: there is none yet, or the server has no slots."""
        if link is None:
            return 0
        with link.cursor() as cursor:
            cursor.execute("SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = %s", (self.slot,))
            row = cursor.fetchone()
            return lsn(row[0]) if row and row[0] else 0

    def _run(self) -> None:
        readers = {each.kind: each.reader() for each in self.outlets}
        try:
            with self.pg.connect() if self.pg else nullcontext() as link:
                while not self._stop.wait(0.02):
                    self._look(self._confirmed(link), readers)
        except Exception as failure:  # told by stop()
            self._failure = failure

    def _look(self, confirmed: int, readers: dict[str, Reader]) -> None:
        """Each is read after the one that must not be further."""
        stored = {each.kind: each.position(self.engine) for each in self.outlets}
        positions = {kind: reach(position) for kind, position in stored.items() if position}
        if len(positions) < len(stored):
            return
        self.samples += 1
        self._moved.add(min(positions.values()))
        if confirmed > min(positions.values()):
            self.problems.append(f"the slot was confirmed up to {confirmed:X}, stored was only {stored}")
        for each in self.outlets:
            seen = self._witnesses[each.kind]
            if not seen or seen[-1].reach < positions[each.kind]:
                self.add(each.kind, positions[each.kind], readers[each.kind].held())

    def moved(self) -> bool:
        """Whether it has seen enough to mean something."""
        return len(self._moved) > 2

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(30)
        if self._failure is not None:
            raise self._failure
        assert not self.problems, self.problems[:3]
        assert self.moved(), f"no position moved during the test: {self._moved}"

    def assert_covered(self, kind: str, verdict: Verdict) -> None:
        """Every captured commit below a sampled position was in the sink by then."""
        commits = sorted((commit_number(verdict, xid), last) for xid, last in verdict.last_index.items())
        furthest = list(accumulate((last for _, last in commits), max))
        for witness in self._witnesses[kind]:
            below = bisect_left(commits, (witness.reach, -1))
            assert below == 0 or furthest[below - 1] < witness.records, (
                f"the position was {witness.reach:X}, but {kind} had {witness.records} records by then, and one of "
                f"the {below} transactions below it came later (record {furthest[below - 1]})")
