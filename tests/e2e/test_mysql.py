"""What only MySQL and MariaDB can do to an engine: nothing lost, nothing invented."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest

from conftest import Outlets, Servers, Workbench
from flow import Arrivals, Flow
from harness.engine import Engine, file_sink
from harness.oracle import check
from harness.procs import wait_until
from harness.readers import FileReader
from harness.stored import stored_values
from harness.workload import Writer

FLAVORS = ["mysql", "mariadb"]


@pytest.mark.parametrize("flavor", FLAVORS)
def test_server_dies_and_comes_back(flavor: str, bench: Workbench, outlet: Outlets) -> None:
    server = bench.server(flavor)
    flow = Flow.start(bench, server, lambda name: outlet("file", name), rate=400)
    writer = flow.writer
    for _ in range(2):
        time.sleep(1.5)
        server.kill()
        time.sleep(0.5)
        server.start()
        count = len(writer.book)
        wait_until(lambda: len(writer.book) > count + 50, 60, "the writer to go on")
    assert flow.finish().duplicates == 0


@pytest.mark.parametrize("flavor", FLAVORS)
def test_goes_on_where_it_stopped(flavor: str, bench: Workbench) -> None:
    """The first start stores its position at once: what comes while the engine is away is not skipped."""
    server = bench.server(flavor)
    database = bench.database(server)
    Writer.create_tables(server, database)
    engine = bench.engine(server, database, [file_sink(bench.home / "out")],
                          tables=server.dialect.tables(database)).start()
    engine.kill()
    writer = Writer(server, database)
    writer.commit(10)
    server.flush_logs()
    writer.commit(10)
    engine.start()
    arrivals = Arrivals(FileReader(bench.home / "out")).wait_for(writer.book)
    assert engine.terminate() == 0
    check(arrivals.reader.records, writer.stop(), server, database).assert_sound()
    position = FileReader(bench.home / "out").stream()
    assert position is not None
    if flavor == "mysql":
        assert position["file"] == server.binlog_status()[0]
        assert position["gtid_set"].replace("\n", "") == server.executed_gtids()
    else:
        assert position["gtid"] == server.executed_gtids()


@pytest.mark.parametrize("flavor", FLAVORS)
def test_xa_in_two_phases(flavor: str, bench: Workbench) -> None:
    """Rows come with the commit, never before it, and not at all after a rollback; the engine is killed in between."""
    server = bench.server(flavor)
    database = bench.database(server)
    server.execute("CREATE TABLE t (id int PRIMARY KEY, v text)", database)
    engine = bench.engine(server, database, [file_sink(bench.home / "out")], tables=[f"{database}.t"]).start()
    reader = FileReader(bench.home / "out")

    def ids() -> list[int]:
        reader.drain()
        return [json.loads(record)["after"]["id"] for record in reader.records]

    _prepare(server, database, "kept", "INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    _prepare(server, database, "dropped", "INSERT INTO t VALUES (3, 'c')")
    server.execute("INSERT INTO t VALUES (4, 'd')", database)
    wait_until(lambda: ids() == [4], 20, "the row of the plain transaction")
    assert _kept(engine) == 2
    engine.kill()
    engine.start()
    server.execute("XA ROLLBACK 'dropped'")
    server.execute("XA COMMIT 'kept'")
    with server.link(database).cursor() as cursor:
        for statement in ("XA START 'one'", "INSERT INTO t VALUES (5, 'e')", "XA END 'one'", "XA COMMIT 'one' ONE PHASE"):
            cursor.execute(statement)
        cursor.connection.close()
    wait_until(lambda: len(ids()) >= 4, 20, "the rows of the prepared transaction")
    server.execute("INSERT INTO t VALUES (6, 'f')", database)
    wait_until(lambda: len(ids()) >= 5, 20, "the last row")
    assert ids() == [4, 1, 2, 5, 6]
    kept = [json.loads(record) for record in reader.records[1:3]]
    assert kept[0]["transaction"]["id"] == kept[1]["transaction"]["id"]
    assert [event.get("tx_end", False) for event in kept] == [False, True]
    wait_until(lambda: _kept(engine) == 0, 20, "the kept rows to be forgotten", every=1)


@pytest.mark.parametrize("flavor", FLAVORS)
def test_an_xa_id_is_used_again(flavor: str, bench: Workbench, outlet: Outlets) -> None:
    """A commit means the rows that its id stands for at that place of the log: also for a sink that was down meanwhile,
    and after a kill."""
    server = bench.server(flavor)
    database = bench.database(server)
    server.execute("CREATE TABLE t (id int PRIMARY KEY)", database)
    file, remote = outlet("file", database), outlet("redis", database, proxied=True)
    assert remote.server is not None
    engine = bench.engine(server, database, [file.config, remote.config], tables=[f"{database}.t"]).start()
    readers = {each.kind: each.reader() for each in (file, remote)}

    def ids(sink: str) -> list[int]:
        readers[sink].drain()
        return list(dict.fromkeys(json.loads(record)["after"]["id"] for record in readers[sink].records))

    def arrive(number: int, *sinks: str) -> None:
        server.execute(f"INSERT INTO t VALUES ({number})", database)
        for sink in sinks:
            wait_until(lambda: number in ids(sink), 20, f"row {number} in {sink}")

    _prepare(server, database, "x", "INSERT INTO t VALUES (1)")
    arrive(10, "file", "redis")
    remote.server.proxy.cut()
    server.execute("XA COMMIT 'x'")
    _prepare(server, database, "x", "INSERT INTO t VALUES (2)")
    arrive(11, "file")
    engine.kill()
    remote.server.proxy.heal()
    engine.start()
    arrive(12, "file", "redis")
    assert ids("file") == ids("redis") == [10, 1, 11, 12]
    server.execute("XA ROLLBACK 'x'")
    _prepare(server, database, "x", "INSERT INTO t VALUES (3)")
    arrive(13, "file", "redis")
    wait_until(lambda: _kept(engine) == 1, 20, "what was committed and rolled back to be forgotten", every=1)
    server.execute("XA COMMIT 'x'")
    arrive(14, "file", "redis")
    assert ids("file") == ids("redis") == [10, 1, 11, 12, 13, 3, 14]
    wait_until(lambda: not _xa_keys(engine), 20, "the rest to be forgotten", every=1)


def test_a_savepoint_inside_xa(bench: Workbench) -> None:
    """What was rolled back stands in the log when a table beside it cannot be rolled back. MySQL refuses all of that."""
    server = bench.server("mariadb")
    database = bench.database(server)
    server.execute("CREATE TABLE t (id int PRIMARY KEY)", database)
    server.execute("CREATE TABLE m (id int) ENGINE = MyISAM", database)
    engine = bench.engine(server, database, [file_sink(bench.home / "out")], tables=[f"{database}.t"]).start()
    reader = FileReader(bench.home / "out")

    def ids() -> list[int]:
        reader.drain()
        return [json.loads(record)["after"]["id"] for record in reader.records]

    _prepare(server, database, "x", "INSERT INTO t VALUES (1)", "SAVEPOINT s", "INSERT INTO t VALUES (2)",
             "INSERT INTO m VALUES (1)", "ROLLBACK TO s", "INSERT INTO t VALUES (3)")
    server.execute("INSERT INTO t VALUES (4)", database)
    wait_until(lambda: ids() == [4], 20, "the row of the plain transaction")
    engine.kill()
    engine.start()
    server.execute("XA COMMIT 'x'")
    server.execute("INSERT INTO t VALUES (5)", database)
    wait_until(lambda: 5 in ids(), 20, "the last row")
    assert ids() == [4, 1, 3, 5]


@pytest.mark.parametrize("flavor", FLAVORS)
def test_of_xa_only_captured_rows_are_kept(flavor: str, bench: Workbench) -> None:
    server = bench.server(flavor)
    database = bench.database(server)
    server.execute("CREATE TABLE t (id int PRIMARY KEY)", database)
    server.execute("CREATE TABLE other (v longtext)", database)
    engine = bench.engine(server, database, [file_sink(bench.home / "out")], tables=[f"{database}.t"]).start()
    large = "INSERT INTO other VALUES (REPEAT('x', 1000000))"
    _prepare(server, database, "x", large, "INSERT INTO t VALUES (1)", large)
    _prepare(server, database, "y", large)
    server.execute("INSERT INTO t VALUES (2)", database)
    reader = FileReader(bench.home / "out")
    wait_until(lambda: reader.drain() is not None and len(reader.records) == 1, 20, "the row of the plain transaction")
    stored = stored_values(engine.database, "source_state")
    assert _kept(engine) == 1 and max(map(len, stored.values())) < 1000
    server.execute("XA COMMIT 'y'")
    server.execute("XA COMMIT 'x'")
    wait_until(lambda: reader.drain() is not None and len(reader.records) == 2, 20, "the row that was kept")
    assert json.loads(reader.records[1])["after"] == {"id": 1}


def _prepare(server: Any, database: str, xid: str, *statements: str) -> None:
    with server.link(database) as link, link.cursor() as cursor:
        for statement in (f"XA START '{xid}'", *statements, f"XA END '{xid}'", f"XA PREPARE '{xid}'"):
            cursor.execute(statement)


def _xa_keys(engine: Engine) -> list[str]:
    return [key for key in stored_values(engine.database, "source_state") if "::xa/" in key]


def _kept(engine: Engine) -> int:
    """Prepared transactions whose rows are kept: ::xa/<id>/<transaction>."""
    return sum(bool(re.search("::xa/[0-9a-f]+/", key)) for key in _xa_keys(engine))


@pytest.mark.parametrize("flavor", FLAVORS)
def test_what_the_log_does_not_say(flavor: str, bench: Workbench, servers: Servers) -> None:
    """Cascades stand in MySQL's log, not in MariaDB's; what goes with a partition in neither."""
    server = servers(flavor)
    database = bench.database(server)
    for statement in ("CREATE TABLE parent (id int PRIMARY KEY)",
                      "CREATE TABLE child (id int PRIMARY KEY, p int, FOREIGN KEY (p) REFERENCES parent (id) ON DELETE CASCADE)",
                      "CREATE TABLE part (id int PRIMARY KEY) PARTITION BY RANGE (id) (PARTITION low VALUES LESS THAN (10))"):
        server.execute(statement, database)
    bench.engine(server, database, [file_sink(bench.home / "out")], tables=[f"{database}.*"]).start()
    for statement in ("INSERT INTO parent VALUES (1)", "INSERT INTO child VALUES (2, 1)", "DELETE FROM parent",
                      "INSERT INTO part VALUES (3)", "ALTER TABLE part TRUNCATE PARTITION low", "INSERT INTO parent VALUES (4)"):
        server.execute(statement, database)
    reader = FileReader(bench.home / "out")

    def seen() -> list[str]:
        reader.drain()
        events = [json.loads(record) for record in reader.records]
        return [f"{each['op']}{(each['before'] or each['after'])['id']}" for each in events]
    wait_until(lambda: "c4" in seen(), 20, "the last row")
    assert seen() == ["c1", "c2", *(["d2"] if flavor == "mysql" else []), "d1", "c3", "c4"]


@pytest.mark.parametrize("flavor", FLAVORS)
def test_xa_prepared_before_the_beginning(flavor: str, bench: Workbench) -> None:
    """A limit: its rows are never seen. What comes after its commit is."""
    server = bench.server(flavor)
    database = bench.database(server)
    server.execute("CREATE TABLE t (id int PRIMARY KEY)", database)
    _prepare(server, database, "early", "INSERT INTO t VALUES (1)")
    bench.engine(server, database, [file_sink(bench.home / "out")], tables=[f"{database}.t"]).start()
    server.execute("XA COMMIT 'early'")
    server.execute("INSERT INTO t VALUES (2)", database)
    reader = FileReader(bench.home / "out")
    wait_until(lambda: reader.drain(), 20, "the row after it")
    assert [json.loads(record)["after"]["id"] for record in reader.records] == [2]


@pytest.mark.parametrize("flavor", FLAVORS)
def test_odd_transactions(flavor: str, bench: Workbench, servers: Servers) -> None:
    """Savepoints, MyISAM, tables of others, DDL with rows, compression, images that leave columns out."""
    server = servers(flavor)
    database = bench.database(server)
    server.execute("CREATE TABLE t (id int PRIMARY KEY, v varchar(20))", database)
    server.execute("CREATE TABLE m (id int PRIMARY KEY) ENGINE = MyISAM", database)
    engine = bench.engine(server, database, [file_sink(bench.home / "out")], tables=[f"{database}.t"]).start()
    reader = FileReader(bench.home / "out")
    server.execute("INSERT INTO t VALUES (1, 'a')", database)
    with server.link(database, autocommit=False) as link, link.cursor() as cursor:
        for statement in ("INSERT INTO t VALUES (2, 'b')", "SAVEPOINT s", "INSERT INTO t VALUES (3, 'c')",
                          "INSERT INTO m VALUES (1)", "ROLLBACK TO S", "INSERT INTO t VALUES (4, 'd')"):
            if flavor == "mariadb" or " m " not in statement:  # MySQL with GTIDs refuses to mix engines
                cursor.execute(statement)
        link.commit()
    server.execute("INSERT INTO m VALUES (2)", database)
    server.execute("CREATE TABLE copy AS SELECT * FROM t", database)
    with server.link(database) as link, link.cursor() as cursor:
        cursor.execute("SET SESSION binlog_row_image = 'MINIMAL'")
        cursor.execute("UPDATE t SET v = 'e' WHERE id = 4")
        cursor.execute("DELETE FROM t WHERE id = 2")
    if flavor == "mysql":
        with server.link(database) as link, link.cursor() as cursor:
            cursor.execute("SET SESSION binlog_transaction_compression = ON")
            cursor.execute("INSERT INTO t SELECT 100 + n, repeat('z', 20) FROM (WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL "
                           "SELECT n + 1 FROM r WHERE n < 500) SELECT n FROM r) x")
    server.execute("INSERT INTO t VALUES (9, 'end')", database)
    wanted = [(1, "a"), (2, "b"), (4, "d"), {"v": "e"}, None]
    if flavor == "mysql":
        wanted += [(100 + n, "z" * 20) for n in range(1, 501)]
    wanted.append((9, "end"))
    expected = [{"id": each[0], "v": each[1]} if isinstance(each, tuple) else each for each in wanted]

    def seen() -> list[Any]:
        reader.drain()
        return [json.loads(record)["after"] for record in reader.records]
    wait_until(lambda: len(seen()) >= len(expected), 30, "all events")
    got = seen()
    assert got[:3] == expected[:3]
    assert got[3]["v"] == "e" and got[4] is None
    assert got[5:] == expected[5:]
    deleted = json.loads(reader.records[4])
    assert deleted["before"] == {"id": 2}, "a key-only image leaves the other columns out"
    assert engine.wait_status({"running"}, 5)


@pytest.mark.full
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("flavor, gtid_mode", [("mysql", "ON"), ("mysql", "OFF"), ("mariadb", "")])
def test_a_log_file_beyond_4_gib(flavor: str, gtid_mode: str, bench: Workbench) -> None:
    """Offsets in the log's headers have 32 bits. One transaction passes them; the engine is killed within it and behind."""
    power, pad = 12, 1_100_000
    modes = {"gtid-mode": gtid_mode, "enforce-gtid-consistency": gtid_mode} if gtid_mode else {}
    server = bench.server(flavor, settings={"max-allowed-packet": "64M", **modes})
    database = bench.database(server)
    server.execute("CREATE TABLE big (id bigint PRIMARY KEY, pad longtext)", database)
    engine = bench.engine(server, database, [file_sink(bench.home / "out")], tables=[f"{database}.big"]).start()
    reader = FileReader(bench.home / "out")
    ids: list[int] = []

    def arrived() -> list[int]:
        for record in reader.drain():
            found = re.search(rb'"after":\{"id":(\d+),"pad":"(x*)"', record)
            assert found and len(found[2]) in (1, pad), record[:200]
            ids.append(int(found[1]))
        reader.records.clear()
        return ids

    def small(number: int) -> None:
        server.execute(f"INSERT INTO big VALUES ({number}, 'x')", database)

    def spilled(size: float) -> None:
        wait_until(lambda: engine.metric("deltaforge_pipeline_spilled_bytes") > size, 300, "the transaction to come")

    file = server.binlog_status()[0]
    with server.connect(database) as link, link.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(f"INSERT INTO big VALUES (0, REPEAT('x', {pad}))")
        for exponent in range(power):
            cursor.execute(f"INSERT INTO big SELECT id + {2**exponent}, pad FROM big ORDER BY id")
        cursor.execute("COMMIT")
    assert server.binlog_status() > (file, 2**32), "the log is too short"
    spilled(2e9)
    engine.kill()
    assert arrived() == []
    engine.start()
    spilled(4e9)
    small(2**power)
    wait_until(lambda: len(arrived()) > 2**power, 300, "all rows", every=0.01)
    small(2**power + 1)
    wait_until(lambda: len(arrived()) > 2**power + 1, 60, "the next row")
    engine.kill()
    small(2**power + 2)
    engine.start()
    wait_until(lambda: len(arrived()) > 2**power + 2, 300, "the row of the time without an engine")
    assert ids == list(range(2**power + 3))
