"""A script that makes ten events of each: what it makes beyond `batch.memory_bytes` goes through the disk, as a huge
transaction does. Neither it nor the batch that is being read meanwhile waits for the other's pages."""

from __future__ import annotations

import re

import pytest

from conftest import Servers, Workbench
from harness.engine import file_sink
from harness.procs import wait_until
from harness.readers import FileReader

MIB = 1024 * 1024
COPIES = 10
SCRIPT = f"""
function processBatch(all) {{
  const out = [];
  for (const e of all) {{
    out.push(e);
    for (let i = 1; i < {COPIES}; ++i) out.push({{...e, after: {{...e.after, copy: i}}}});
  }}
  return out;
}}
"""
RECORD = re.compile(rb'"after":\{"id":(\d+),"pad":"([0-9a-f]{32,})"(?:,"copy":(\d+))?\}')
pytestmark = pytest.mark.timeout(1500)


class _Arrivals:
    """That row and copy follow each other as they must. Keeps no records: there are too many."""

    def __init__(self, reader: FileReader) -> None:
        self.reader, self.count, self.bytes = reader, 0, 0

    def look(self) -> int:
        for record in self.reader.drain():
            found = RECORD.search(record)
            assert found, record[:300]
            assert (int(found[1]), int(found[3] or 0)) == divmod(self.count, COPIES), f"event {self.count}: {record[:200]!r}"
            assert len(found[2]) == 1024
            self.count += 1
            self.bytes += len(record)
        self.reader.records.clear()
        return self.count


def test_ten_of_each(bench: Workbench, servers: Servers, full: bool) -> None:
    """Three transactions, one directly behind the other: while the first is processed the next is read."""
    rows, transactions, budget, limit = (45_000, 3, 64 * MIB, 350) if full else (11_000, 3, 16 * MIB, 280)
    pg = servers(15)
    database = bench.database(pg)
    pg.execute("CREATE TABLE big (id bigint PRIMARY KEY, pad text)", database)
    script = {"type": "javascript", "inline": SCRIPT, "limits": {"cpu_ms": 30_000, "timeout_ms": 120_000, "mem_mb": 64}}
    engine = bench.engine(pg, database, [file_sink(bench.home / "out")], processors=[script],
                          batch={"memory_bytes": budget, "max_events": 1000})
    engine.env["ASAN_OPTIONS"] = "quarantine_size_mb=1"  # of a debug build: what it keeps back is not the engine's
    engine.start()
    arrivals = _Arrivals(FileReader(bench.home / "out"))
    for number in range(transactions):
        pg.execute(f"INSERT INTO big SELECT i, repeat(md5(i::text), 32) FROM generate_series({number * rows}, "
                   f"{(number + 1) * rows - 1}) i", database)
    most = spilled = 0.0

    def done() -> bool:
        nonlocal most, spilled
        most = max(most, engine.anonymous_mib())
        spilled = max(spilled, engine.metric("deltaforge_pipeline_spilled_bytes"))
        return arrivals.look() >= rows * transactions * COPIES
    wait_until(done, 120 + rows * transactions * COPIES / 3_000, "all copies", every=0.05)
    print(f"{most:.0f} MiB anonymous, {spilled / MIB:.0f} MiB on disk, {arrivals.bytes / MIB:.0f} MiB delivered")
    assert arrivals.bytes > (1 << 30 if full else 300 * MIB)
    assert spilled > rows * COPIES * 1024 / 2, "the test did not spill"
    assert most <= limit
    wait_until(lambda: engine.metric("deltaforge_pipeline_spilled_bytes") == 0, 20, "the disk to be free again")
    assert engine.terminate() == 0
