"""A transaction beyond `batch.memory_bytes` goes through a file in the state directory, not through memory."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import Outlets, Servers, Workbench
from flow import SERVERS, SINKS, matrix
from harness.disk import SmallDisk
from harness.engine import Engine, capture
from harness.outlets import Reader
from harness.postgres import Postgres
from harness.procs import wait_until
from harness.readers import FileReader

MIB = 1024 * 1024
pytestmark = pytest.mark.timeout(1500)  # with --full: two gigabytes, and our reader of Redis is slow
KILOBYTE_ROW = re.compile(rb'"after":\{"id":(-?\d+),"pad":"([0-9a-f]{32})')


def _size(full: bool) -> tuple[int, dict[str, Any], int]:
    """Rows of a kilobyte, as a power of two; batch options; what the process may hold in anonymous memory, in MiB."""
    return (21, {}, 256) if full else (17, {"memory_bytes": 16 * MIB}, 100)


def _transaction(server: Any, database: str, power: int) -> None:
    """Rows 0 to 2^power - 1 in one transaction."""
    postgres = isinstance(server, Postgres)
    digest = "encode(sha256(CAST({0} AS text)::bytea), 'hex')" if postgres else "SHA2(CAST({0} AS char), 256)"

    def pad(number: str) -> str:
        return f"repeat(left({digest.format(number)}, 32), 32)"
    with server.connect(database) as link, link.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(f"INSERT INTO big VALUES (0, {pad('0')})")
        for exponent in range(power):
            step = 2**exponent
            cursor.execute(f"INSERT INTO big SELECT id + {step}, {pad(f'id + {step}')} FROM big WHERE id >= 0 ORDER BY id")
        cursor.execute("COMMIT")


class _Arrivals:
    """Which rows have come, and that each is whole. Keeps no records: there are gigabytes of them."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.ids: list[int] = []

    def look(self) -> int:
        for record in self.reader.drain():
            found = KILOBYTE_ROW.search(record)
            assert found, record[:300]
            assert found[2].decode() == hashlib.sha256(found[1]).hexdigest()[:32], f"row {found[1]} is damaged"
            self.ids.append(int(found[1]))
        self.reader.records.clear()
        if not isinstance(self.reader, FileReader):
            self.reader.keys.clear()
        return len(self.ids)


def _prepare(which: int | str, sink: str, bench: Workbench, servers: Servers, outlet: Outlets,
             **batch: Any) -> tuple[Any, str, Engine, _Arrivals]:
    server = servers(which)
    database = bench.database(server)
    server.execute("CREATE TABLE big (id bigint PRIMARY KEY, pad text)", database)
    to = outlet(sink, database)
    engine = bench.keep(capture(server, bench.home / "engine", database, [to.config], batch=batch))
    return server, database, engine, _Arrivals(to.reader())


@matrix("which, sink", "15-file mysql-kafka mariadb-redis", SERVERS, SINKS)
def test_memory_stays_within_its_limit(which: int | str, sink: str, full: bool, bench: Workbench, servers: Servers,
                                       outlet: Outlets) -> None:
    power, batch, limit = _size(full)
    server, database, engine, arrivals = _prepare(which, sink, bench, servers, outlet, **batch)
    engine.start()
    _transaction(server, database, power)
    most = spilled = 0.0

    def done() -> bool:
        nonlocal most, spilled
        most = max(most, engine.anonymous_mib())
        spilled = max(spilled, engine.metric("deltaforge_pipeline_spilled_bytes"))
        return arrivals.look() >= 2**power
    wait_until(done, 60 + 2**power / 4_000, "all rows", every=0.01)
    print(f"{most:.0f} MiB anonymous, {spilled / MIB:.0f} MiB on disk")
    assert arrivals.ids == list(range(2**power))
    assert spilled > 2**power * 1024 / 2, "the test did not spill"
    assert most <= limit
    wait_until(lambda: engine.metric("deltaforge_pipeline_spilled_bytes") == 0, 10, "the disk to be free again")


@matrix("which, sink", "15-kafka mysql-file", SERVERS, SINKS)
def test_killed_in_the_middle(which: int | str, sink: str, full: bool, bench: Workbench, servers: Servers,
                              outlet: Outlets) -> None:
    power, batch, _ = _size(full)
    server, database, engine, arrivals = _prepare(which, sink, bench, servers, outlet, **batch)
    engine.start()
    _transaction(server, database, power)
    for part in (0.2, 0.9):
        wait_until(lambda: engine.metric("deltaforge_pipeline_spilled_bytes") > 2**power * 1024 * part,
                   60 + 2**power / 4_000, "pages on disk", every=0.005)
        engine.kill()
        arrivals.look()
        assert len(set(arrivals.ids)) < 2**power, "the kill came too late"
        assert not list(engine.state.glob("spill*")), "the file has no name"
        engine.start()
    wait_until(lambda: arrivals.look() and len(set(arrivals.ids)) == 2**power, 60 + 2**power / 4_000, "all rows")
    if sink == "file":
        assert arrivals.ids == list(range(2**power))


@pytest.fixture
def state_disk(home: Path) -> Iterator[SmallDisk]:
    """Where the engine's state lies."""
    disk = SmallDisk(home / "engine" / "state", "64m")
    yield disk
    disk.unmount()


def test_disk_full(state_disk: SmallDisk, bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    power, batch, _ = _size(False)
    server, database, engine, arrivals = _prepare(15, "file", bench, servers, outlet, **batch)
    engine.start()
    server.execute(f"INSERT INTO big VALUES (-1, '{hashlib.sha256(b'-1').hexdigest()}')", database)
    _transaction(server, database, power)
    degraded = engine.wait_status({"degraded"}, 30)
    assert "no room for it in" in degraded["error"]["message"], degraded
    assert str(state_disk.path) in degraded["error"]["message"]
    wait_until(lambda: engine.metric("deltaforge_source_reconnects_total") >= 3, 30, "some attempts")
    assert arrivals.look() <= 1, "a part of the transaction was delivered"
    assert engine.pipeline()["status"] == "degraded"
    state_disk.grow("1g")
    wait_until(lambda: arrivals.look() >= 2**power + 1, 60, "all rows")
    assert arrivals.ids == [-1, *range(2**power)]
    engine.wait_status({"running"}, 10)
