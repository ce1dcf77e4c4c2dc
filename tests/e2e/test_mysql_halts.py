"""What MySQL and MariaDB can do that must stop a pipeline loudly, and what they lack when it starts."""

from __future__ import annotations

import time
from typing import Any

import pytest

from conftest import Workbench
from harness.engine import Engine, file_sink, mysql_source, pipeline
from harness.procs import wait_until
from harness.readers import FileReader

FLAVORS = ["mysql", "mariadb"]


def _capture(bench: Workbench, flavor: str, **settings: str) -> tuple[Any, str, Engine, FileReader]:
    server = bench.server(flavor, settings=settings) if settings else bench.server(flavor)
    database = bench.database(server)
    server.execute("CREATE TABLE t (id int PRIMARY KEY, v varchar(20))", database)
    engine = bench.engine(server, database, [file_sink(bench.home / "out")], tables=[f"{database}.t"]).start()
    server.execute("INSERT INTO t VALUES (1, 'a')", database)
    reader = FileReader(bench.home / "out")
    wait_until(lambda: reader.drain() is not None and len(reader.records) == 1, 20, "the first row")
    return server, database, engine, reader


def _failure(engine: Engine) -> dict[str, Any]:
    return engine.wait_status({"failed"}, 30)["error"]


@pytest.mark.parametrize("flavor", FLAVORS)
def test_a_change_in_statement_format(flavor: str, bench: Workbench) -> None:
    server, database, engine, reader = _capture(bench, flavor)
    server.execute("CREATE TABLE other (id int)", database)
    with server.link(database) as link, link.cursor() as cursor:
        cursor.execute("SET SESSION binlog_format = 'STATEMENT'")
        cursor.execute("INSERT INTO other VALUES (1)")  # nobody asked for that table
    server.execute("INSERT INTO t VALUES (2, 'b')", database)
    wait_until(lambda: reader.drain() is not None and len(reader.records) == 2, 20, "the row after it")
    with server.link(database) as link, link.cursor() as cursor:
        cursor.execute("SET SESSION binlog_format = 'STATEMENT'")
        cursor.execute("INSERT INTO t VALUES (3, 'c')")
    error = _failure(engine)
    assert error["kind"] == "undecodable" and f"{database}.t" in error["message"], error
    assert "binlog_format" in error["hint"], error
    engine.kill()
    engine.start(ready=False)
    assert _failure(engine)["message"] == error["message"], "the same after a restart"
    reader.drain()
    assert len(reader.records) == 2


@pytest.mark.parametrize("flavor", FLAVORS)
def test_purged_logs(flavor: str, bench: Workbench) -> None:
    server, database, engine, reader = _capture(bench, flavor)
    assert engine.terminate() == 0
    server.execute("INSERT INTO t VALUES (2, 'b')", database)
    # A reader that has gone holds its file until the server has noticed.
    wait_until(lambda: not server.query("SELECT 1 FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'"),
               30, "the server to notice that the engine has gone", every=0.5)
    server.flush_logs()
    server.execute("INSERT INTO t VALUES (3, 'c')", database)
    server.flush_logs()
    server.execute(f"PURGE BINARY LOGS TO '{server.binlog_status()[0]}'")
    server.execute("INSERT INTO t VALUES (4, 'd')", database)
    engine.start(ready=False)
    error = _failure(engine)
    assert error["kind"] == "position_lost" and error["message"].startswith("position lost: "), error
    time.sleep(0.5)
    reader.drain()
    assert len(reader.records) == 1, "nothing from behind the gap"


@pytest.mark.parametrize("flavor", FLAVORS)
def test_a_log_that_was_reset(flavor: str, bench: Workbench) -> None:
    server, database, engine, reader = _capture(bench, flavor)
    for number in range(2, 8):
        server.execute(f"INSERT INTO t VALUES ({number}, 'x')", database)
    wait_until(lambda: reader.drain() is not None and len(reader.records) == 7, 20, "the rows")
    assert engine.terminate() == 0
    time.sleep(1.1)  # files are told apart by the second in which they were begun
    server.execute("RESET BINARY LOGS AND GTIDS" if flavor == "mysql" else "RESET MASTER")
    for number in range(10, 30):  # as many as before, and more: the same numbers come again
        server.execute(f"INSERT INTO t VALUES ({number}, 'y')", database)
    engine.start(ready=False)
    error = _failure(engine)
    assert error["kind"] == "position_lost", error
    time.sleep(0.5)
    reader.drain()
    assert len(reader.records) == 7


@pytest.mark.parametrize("flavor, gtid_mode", [
    ("mysql", "OFF"), *(pytest.param(*each, marks=pytest.mark.full) for each in (("mysql", "ON"), ("mariadb", "")))])
def test_another_servers_log(flavor: str, gtid_mode: str, bench: Workbench) -> None:
    """Its files have the same names, and the same transactions at the same offsets."""
    settings = {"gtid-mode": gtid_mode, "enforce-gtid-consistency": gtid_mode} if gtid_mode else {}
    server, database, engine, reader = _capture(bench, flavor, **settings)
    assert engine.terminate() == 0
    other = bench.server(flavor, settings=settings)
    other.create_database(database)
    other.execute("CREATE TABLE t (id int PRIMARY KEY, v varchar(20))", database)
    for number in range(1, 10):
        other.execute(f"INSERT INTO t VALUES ({number}, 'b')", database)
    assert other.binlog_status()[0] == server.binlog_status()[0]
    source = mysql_source(other.dsn(database), name=database, tables=[f"{database}.t"])
    engine.configure(pipeline(source, [file_sink(bench.home / "out")]))
    engine.start(ready=False)
    error = _failure(engine)
    assert error["kind"] == "position_lost" and error["hint"], error
    assert flavor == "mariadb" or "another server" in error["message"], error  # MariaDB itself refuses, in its own words
    time.sleep(0.5)
    reader.drain()
    assert len(reader.records) == 1


@pytest.mark.full
@pytest.mark.parametrize("flavor", FLAVORS)
def test_an_xa_transaction_too_large_to_keep(flavor: str, bench: Workbench) -> None:
    server, database, engine, reader = _capture(bench, flavor)
    server.execute("ALTER TABLE t MODIFY v longtext", database)
    with server.link(database) as link, link.cursor() as cursor:
        cursor.execute("XA START 'x'")
        for number in range(2, 212):
            cursor.execute(f"INSERT INTO t VALUES ({number}, REPEAT('x', 1024 * 1024))")
        cursor.execute("XA END 'x'")
        cursor.execute("XA PREPARE 'x'")
    server.execute("INSERT INTO t VALUES (1000, 'z')", database)
    error = _failure(engine)
    assert error["kind"] == "limit" and "XA transaction" in error["message"] and error["hint"], error
    reader.drain()
    assert len(reader.records) == 1


@pytest.mark.parametrize("flavor", FLAVORS)
def test_settings_and_grants_are_named(flavor: str, bench: Workbench) -> None:
    server = bench.server(flavor)
    database = bench.database(server)

    def error_of(user: str = "cdc") -> dict[str, Any]:
        source = mysql_source(server.dsn("", user=user), name=database, tables=[f"{database}.t"])
        engine = bench.keep(Engine(bench.home / f"engine-{time.monotonic_ns()}", pipeline(source, [file_sink(bench.home / user)])))
        engine.start(ready=False)
        return _failure(engine)

    error = error_of("denied")
    assert error["kind"] == "auth" and "GRANT REPLICATION SLAVE" in error["hint"], error
    server.execute("SET GLOBAL binlog_row_metadata = 'MINIMAL'")
    try:
        error = error_of()
        assert error["kind"] == "config" and "SET GLOBAL binlog_row_metadata = 'FULL'" in error["hint"], error
    finally:
        server.execute("SET GLOBAL binlog_row_metadata = 'FULL'")
    server.execute("SET GLOBAL binlog_format = 'MIXED'")
    try:
        error = error_of()
        assert "SET GLOBAL binlog_format = 'ROW'" in error["hint"], error
    finally:
        server.execute("SET GLOBAL binlog_format = 'ROW'")
