"""A transaction is one batch, however large: 50,000 rows with max_events 100 are one segment of the file sink."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from conftest import Outlets, Servers, Workbench
from flow import SERVERS, SINKS, matrix
from harness.engine import file_sink
from harness.mysql import MysqlFamily
from harness.oracle import parse, xid_of
from harness.outlets import Reader
from harness.postgres import Postgres
from harness.procs import wait_until
from harness.readers import FileReader

ROWS = 50_000
INSERT = f"INSERT INTO big SELECT i, repeat('x', 40) FROM generate_series({{0}} * {ROWS}, ({{0}} + 1) * {ROWS} - 1) i"


def test_one_segment(bench: Workbench, servers: Callable[[int], Postgres]) -> None:
    pg = servers(15)
    database = bench.database(pg)
    pg.execute("CREATE TABLE big (id bigint PRIMARY KEY, pad text)", database)
    bench.engine(pg, database, [file_sink(bench.home / "out")], batch={"max_events": 100}).start()
    reader = FileReader(bench.home / "out")
    pg.execute(INSERT.format(0), database)
    wait_until(lambda: reader.drain() or reader.records, 60, "the transaction")
    assert [count for _, count in reader.segments if count] == [ROWS]
    _assert_whole(reader, [0])


def test_giant_first_rows_between_small_commits(bench: Workbench, servers: Callable[[int], Postgres]) -> None:
    """A row larger than the receive buffer arrives in pieces; no batch may be cut under it, though the timer is due."""
    pg = servers(15)
    database = bench.database(pg)
    pg.execute("CREATE TABLE big (id bigint PRIMARY KEY, pad text)", database)
    bench.engine(pg, database, [file_sink(bench.home / "out")], batch={"max_ms": 1}).start()
    reader = FileReader(bench.home / "out")
    for number in range(15):
        for small in range(3):
            pg.execute(f"INSERT INTO big VALUES ({number * 10 + small}, 'small')", database)
        pg.execute(f"INSERT INTO big VALUES ({number * 10 + 9}, repeat(md5('{number}'), 120000))", database)
    wait_until(lambda: reader.drain() is not None and len(reader.records) == 60, 60, "all rows")
    for record in reader.records:
        after = parse(record)["after"]
        number, rest = divmod(after["id"], 10)
        digest = hashlib.md5(str(number).encode()).hexdigest()
        assert after["pad"] == (digest * 120000 if rest == 9 else "small"), f"row {after['id']} is damaged"


def test_one_segment_when_killed_in_the_middle(bench: Workbench, servers: Callable[[int], Postgres]) -> None:
    pg = servers(15)
    database = bench.database(pg)
    pg.execute("CREATE TABLE big (id bigint PRIMARY KEY, pad text)", database)
    out = bench.home / "out"
    engine = bench.engine(pg, database, [file_sink(out)], batch={"max_events": 100})
    reader = FileReader(out)
    engine.start()
    middle = 0
    for number in range(30):
        pg.execute(INSERT.format(number), database)
        committed = number + 1
        # The n-th try kills at a later instant: while rows are read, encoded, written, renamed.
        wait_until(lambda: any(out.glob("*.open")) or reader.drain(), 10,
                   "work on the transaction", every=0.001)
        engine.kill()
        reader.drain()
        middle += len(reader.records) < committed * ROWS
        engine.start()
        if middle >= 3:
            break
        wait_until(lambda: reader.drain() is not None and len(reader.records) == committed * ROWS, 60, "the rest")
    assert middle >= 3, "no kill hit the middle of a transaction; the test does not test"
    wait_until(lambda: reader.drain() is not None and len(reader.records) == committed * ROWS, 60, "all transactions")
    assert [count for _, count in reader.segments if count] == [ROWS] * committed
    _assert_whole(reader, list(range(committed)))


@matrix("which, kind", "mysql-redis mariadb-kafka 15-arrays 15-nats-new", SERVERS, SINKS)
def test_whole_in_every_sink(which: int | str, kind: str, bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    """The engine is killed in the middle; what comes twice is the same, and first copies are whole and in order."""
    server = servers(which)
    database = bench.database(server)
    server.execute("CREATE TABLE big (id bigint PRIMARY KEY, pad text)", database)
    sink = outlet(kind, database)
    engine = bench.engine(server, database, [sink.config], batch={"max_events": 100},
                          tables=[f"{database if isinstance(server, MysqlFamily) else 'public'}.big"]).start()
    reader = sink.reader()
    hit, committed = False, 0
    while not hit and committed < 6:
        before = reader.held()
        rows = ", ".join(f"({number}, repeat('x', 40))" for number in range(committed * ROWS, (committed + 1) * ROWS))
        server.execute(f"INSERT INTO big VALUES {rows}", database)
        committed += 1
        wait_until(lambda: reader.held() > before, 60, "the first rows", every=0.001)  # noqa: B023
        engine.kill()
        hit = sink.exactly_once or reader.held() < before + ROWS  # the file sink shows all or nothing
        engine.start()
        wait_until(lambda: reader.drain() is not None and _first_copies(reader) == list(range(committed * ROWS)), 60,
                   "all rows, once and in order", every=0.5)
    assert hit, "no kill hit the middle of a transaction; the test does not test"
    repeated = len(reader.records)
    reader.records = list(dict.fromkeys(reader.records))  # a copy that differs stays
    repeated -= len(reader.records)
    assert repeated == 0 or not sink.exactly_once
    _assert_whole(reader, list(range(committed)))
    print(f"{repeated} rows came again")


def _first_copies(reader: Reader) -> list[int]:
    return list(dict.fromkeys(parse(record)["after"]["id"] for record in reader.records))


def _assert_whole(reader: Reader, numbers: list[int]) -> None:
    ids = [parse(record)["after"]["id"] for record in reader.records]
    assert ids == list(range(numbers[0] * ROWS, (numbers[-1] + 1) * ROWS))
    assert len({xid_of(record) for record in reader.records}) == len(numbers)
    assert [index for index, record in enumerate(reader.records) if parse(record).get("tx_end")] == [
        (number + 1) * ROWS - 1 for number in numbers]
