"""What MySQL and MariaDB can do that must stop a pipeline loudly, and what they lack when it starts."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from contextlib import closing
from typing import Any

import pytest

from conftest import Workbench
from harness.engine import Engine, file_sink, http_sink, mysql_source, pipeline
from harness.procs import wait_until
from harness.readers import FileReader
from harness.stored import stored_values

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


def _begin_afresh(engine: Engine, source: str, remedy: str) -> FileReader:
    """Does what the remedy says; the engine must be down. A file sink needs an empty directory."""
    statement = re.search(r"DELETE FROM kv [^;]*", remedy)
    assert statement and "file sink" in remedy, remedy
    with closing(sqlite3.connect(engine.database)) as state:
        state.execute(statement[0].replace("<source id>", source))
        state.commit()
    out = engine.root.parent / "out"
    out.rename(out.with_name("out-before"))
    return FileReader(out)


def _afters(reader: FileReader) -> list[Any]:
    reader.drain()
    return [json.loads(record)["after"] for record in reader.records]


def _failure(engine: Engine) -> dict[str, Any]:
    return engine.wait_status({"failed"}, 30)["error"]


@pytest.mark.parametrize("flavor, before", [("mysql", ""), ("mariadb", ""),
                                            ("mariadb", "SET STATEMENT max_statement_time = 9 FOR ")])
def test_a_change_in_statement_format(flavor: str, before: str, bench: Workbench) -> None:
    server, database, engine, reader = _capture(bench, flavor)
    server.execute("CREATE TABLE other (id int)", database)
    with server.link(database) as link, link.cursor() as cursor:
        cursor.execute("SET SESSION binlog_format = 'STATEMENT'")
        cursor.execute("INSERT INTO other VALUES (1)")  # nobody asked for that table
    server.execute("INSERT INTO t VALUES (2, 'b')", database)
    wait_until(lambda: reader.drain() is not None and len(reader.records) == 2, 20, "the row after it")
    with server.link(database) as link, link.cursor() as cursor:
        cursor.execute("SET SESSION binlog_format = 'STATEMENT'")
        cursor.execute(f"{before}INSERT INTO t VALUES (3, 'c')")
    error = _failure(engine)
    assert error["kind"] == "undecodable" and f"{database}.t" in error["message"], error
    assert "binlog_format" in error["hint"], error
    engine.kill()
    engine.start(ready=False)
    assert _failure(engine)["message"] == error["message"], "the same after a restart"
    reader.drain()
    assert len(reader.records) == 2


@pytest.mark.parametrize("flavor", FLAVORS)
def test_a_change_in_statement_format_inside_xa(flavor: str, bench: Workbench) -> None:
    server, database, engine, _ = _capture(bench, flavor)
    with server.link(database) as link, link.cursor() as cursor:
        for statement in ("SET SESSION binlog_format = 'STATEMENT'", "XA START 'x'", "INSERT INTO t VALUES (2, 'b')",
                          "XA END 'x'", "XA PREPARE 'x'"):
            cursor.execute(statement)
    error = _failure(engine)
    assert error["kind"] == "undecodable" and f"{database}.t was changed in statement format" in error["message"], error
    server.execute("XA ROLLBACK 'x'")


@pytest.mark.parametrize("flavor", FLAVORS)
def test_a_function_that_changes_rows_in_statement_format(flavor: str, bench: Workbench) -> None:
    server, database, engine, _ = _capture(bench, flavor, log_bin_trust_function_creators="1")
    server.execute("CREATE FUNCTION f() RETURNS int MODIFIES SQL DATA "
                   "BEGIN INSERT INTO t VALUES (2, 'b'); RETURN 1; END", database)
    with server.link(database) as link, link.cursor() as cursor:
        cursor.execute("SET SESSION binlog_format = 'STATEMENT'")
        cursor.execute("SELECT f()")
    error = _failure(engine)
    assert "does not say of which tables" in error["message"] and "binlog_format" in error["hint"], error


@pytest.mark.parametrize("flavor", FLAVORS)
def test_load_data_in_statement_format(flavor: str, bench: Workbench) -> None:
    server, database, engine, reader = _capture(bench, flavor, secure_file_priv="")
    server.execute("CREATE TABLE other (id int, v varchar(20))", database)
    rows = bench.home / "rows"
    rows.write_text("5\tfive\n")
    rows.chmod(0o644)
    for table, number in (("other", 2), ("t", 3)):
        with server.link(database) as link, link.cursor() as cursor:
            cursor.execute("SET SESSION binlog_format = 'STATEMENT'")
            cursor.execute(f"LOAD DATA INFILE '{rows}' INTO TABLE {table} (id, v)")
        server.execute(f"INSERT INTO t VALUES ({number}, 'x')", database)
        if table == "other":
            wait_until(lambda: len(_afters(reader)) == 2, 20, "the row behind it")
    error = _failure(engine)
    assert f"{database}.t was changed in statement format" in error["message"], error
    assert [row["id"] for row in _afters(reader)] == [1, 2]


def test_names_without_regard_to_case(bench: Workbench) -> None:
    server, database, engine, reader = _capture(bench, "mariadb", lower_case_table_names="1")
    server.execute("TRUNCATE TABLE T", database)
    wait_until(lambda: reader.drain() is not None and len(reader.records) == 2, 20, "the truncation")
    with server.link(database) as link, link.cursor() as cursor:
        cursor.execute("SET SESSION binlog_format = 'STATEMENT'")
        cursor.execute("INSERT INTO T VALUES (2, 'b')")
    assert f"{database}.t was changed in statement format" in _failure(engine)["message"]


@pytest.mark.parametrize("flavor", FLAVORS)
def test_a_statement_in_the_character_set_of_its_client(flavor: str, bench: Workbench) -> None:
    server = bench.server(flavor)
    database = bench.database(server)
    server.execute("CREATE TABLE `té` (id int PRIMARY KEY)", database)
    bench.engine(server, database, [file_sink(bench.home / "out")], tables=[f"{database}.té"]).start()
    with server.link(database) as link, link.cursor() as cursor:
        cursor.execute("SET NAMES latin1")
        cursor.execute("TRUNCATE TABLE `té`".encode("latin1"))
    reader = FileReader(bench.home / "out")
    wait_until(lambda: reader.drain() is not None and len(reader.records) == 1, 20, "the truncation")
    event = json.loads(reader.records[0])
    assert (event["op"], event["source"]["table"]) == ("t", "té")


@pytest.mark.parametrize("flavor", FLAVORS)
def test_rows_without_names(flavor: str, bench: Workbench) -> None:
    server, database, engine, _ = _capture(bench, flavor, max_connections="50")  # a server of its own
    server.script("SET GLOBAL binlog_row_metadata = 'MINIMAL'; FLUSH TABLES; INSERT INTO t VALUES (2, 'b')", database)
    error = _failure(engine)
    assert "no column names" in error["message"], error
    assert error["hint"].startswith("SET GLOBAL binlog_row_metadata = 'FULL'; "), error


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
def test_purged_logs_that_only_a_sink_needs_that_is_away(flavor: str, bench: Workbench) -> None:
    """It is lost, and the others go on."""
    server = bench.server(flavor)
    database = bench.database(server)
    server.execute("CREATE TABLE t (id int PRIMARY KEY, v varchar(20))", database)
    sinks = [file_sink(bench.home / "out"), http_sink("http://127.0.0.1:1/", id="away", required=False)]
    engine = bench.engine(server, database, sinks, tables=[f"{database}.t"], batch={"max_events": 5}).start()
    reader = FileReader(bench.home / "out")
    for number in range(200):
        server.execute(f"INSERT INTO t VALUES ({number}, 'a')", database)
    wait_until(lambda: reader.drain() is not None and len(reader.records) == 200, 60, "the others to go on without it")
    assert engine.terminate() == 0
    wait_until(lambda: not server.query("SELECT 1 FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'"),
               30, "the server to notice that the engine has gone", every=0.5)
    server.flush_logs()

    def purged() -> bool:  # MariaDB keeps a file until it has noted in the next one that it may go
        server.execute(f"PURGE BINARY LOGS TO '{server.binlog_status()[0]}'")
        return len(server.query("SHOW BINARY LOGS")) == 1
    wait_until(purged, 30, "the log to be purged")
    server.execute("INSERT INTO t VALUES (200, 'b')", database)
    engine.start(ready=False)
    wait_until(lambda: reader.drain() is not None and len(reader.records) == 201, 60, "the row behind the gap")
    assert {each["id"]: each["state"] for each in engine.pipeline()["ops"]["sinks"]} == {"file": "attached", "away": "lost"}
    assert "the end of the server's log" in engine.pipeline()["ops"]["sink_errors"]["away"]


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
    engine.kill()
    reader = _begin_afresh(engine, database, error["hint"])
    engine.start()
    server.execute("INSERT INTO t VALUES (30, 'z')", database)
    wait_until(lambda: _afters(reader), 20, "the row after the remedy")
    assert _afters(reader) == [{"id": 30, "v": "z"}]


@pytest.mark.parametrize("after", ["nothing", "rows", "a new file", "rows and a new file"])
@pytest.mark.parametrize("flavor", FLAVORS)
def test_a_log_that_is_reset_while_it_is_read(flavor: str, after: str, bench: Workbench) -> None:
    server, database, engine, reader = _capture(bench, flavor)
    for number in range(2, 8):
        server.execute(f"INSERT INTO t VALUES ({number}, REPEAT('x', 20))", database)
    wait_until(lambda: reader.drain() is not None and len(reader.records) == 7, 20, "the rows")
    time.sleep(1.1)  # files are told apart by the second in which they were begun
    server.execute("RESET BINARY LOGS AND GTIDS" if flavor == "mysql" else "RESET MASTER")
    if "rows" in after:
        for number in range(10, 40):
            server.execute(f"INSERT INTO t VALUES ({number}, 'y')", database)
    if "file" in after:
        server.flush_logs()
        server.execute("INSERT INTO t VALUES (50, 'y')", database)
    error = _failure(engine)
    assert error["kind"] == "position_lost" or "was used before" in error["message"], error
    assert "DELETE FROM kv" in error["hint"], error


@pytest.mark.parametrize("flavor", FLAVORS)
def test_prepared_rows_do_not_outlive_the_position(flavor: str, bench: Workbench) -> None:
    """An XA id that is used again while nobody reads: its commit is not that of the transaction that was kept."""
    server, database, engine, reader = _capture(bench, flavor)

    def prepare(row: int) -> None:
        with server.link(database).cursor() as cursor:
            for statement in ("XA START 'x'", f"INSERT INTO t VALUES ({row}, 'x')", "XA END 'x'", "XA PREPARE 'x'"):
                cursor.execute(statement)
            cursor.connection.close()

    prepare(2)
    wait_until(lambda: [key for key in stored_values(engine.database, "source_state") if "::xa/" in key], 20, "its rows")
    assert engine.terminate() == 0
    reader = _begin_afresh(engine, database, "DELETE FROM kv WHERE key = '<source id>'; file sink")
    server.execute("XA ROLLBACK 'x'")
    prepare(3)
    engine.start()
    server.execute("XA COMMIT 'x'")
    server.execute("INSERT INTO t VALUES (4, 'd')", database)

    wait_until(lambda: _afters(reader), 20, "the row after it")
    assert _afters(reader) == [{"id": 4, "v": "d"}]


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


def test_types_that_only_the_catalogue_knows_need_select(bench: Workbench) -> None:
    server = bench.server("mariadb")
    database = bench.database(server)
    server.execute("GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO denied")
    server.script("CREATE TABLE plain (id int PRIMARY KEY, c char(4) CHARACTER SET latin1, v varbinary(16));"
                  "CREATE TABLE t (id int PRIMARY KEY, u uuid)", database)
    source = mysql_source(server.dsn(user="denied"), name=database, tables=[f"{database}.%"])
    engine = bench.keep(Engine(bench.home / "engine", pipeline(source, [file_sink(bench.home / "out")]))).start()
    reader = FileReader(bench.home / "out")
    server.execute("INSERT INTO plain VALUES (1, 'abcd', 'x')", database)
    wait_until(lambda: len(_afters(reader)) == 1, 20, "the row of a table that needs no catalogue")
    server.execute("INSERT INTO t VALUES (2, '123e4567-e89b-12d3-a456-426655440000')", database)
    error = _failure(engine)
    assert error["kind"] == "auth" and f"column u of {database}.t" in error["message"], error
    grant = error["hint"].partition(";")[0]
    assert grant == f"GRANT SELECT ON `{database}`.`t` TO 'denied'", error
    server.execute(grant.replace("SELECT", "SELECT (id)"))  # not the one that counts
    engine.post("/pipelines/p/resume")
    time.sleep(1)
    assert _failure(engine)["kind"] == "auth"
    server.execute(grant)
    engine.post("/pipelines/p/resume")
    wait_until(lambda: len(_afters(reader)) == 2, 20, "the row that it stopped at")
    assert _afters(reader)[1]["u"] == "123e4567-e89b-12d3-a456-426655440000"


def test_tables_that_were_dropped_before_their_rows_were_read(bench: Workbench) -> None:
    """What the catalogue said once is kept. Of a table that it never showed bytes stay bytes, loudly."""
    server = bench.server("mariadb")
    database = bench.database(server)
    server.execute("CREATE TABLE t (u uuid, b binary(16))", database)
    engine = bench.engine(server, database, [file_sink(bench.home / "out")], tables=[f"{database}.%"]).start()
    reader = FileReader(bench.home / "out")
    row = "('123e4567-e89b-12d3-a456-426655440000', '0123456789abcdef')"
    server.execute(f"INSERT INTO t VALUES {row}", database)
    wait_until(lambda: len(_afters(reader)) == 1, 20, "the first row")
    known = _afters(reader)[0]
    assert known == {"u": "123e4567-e89b-12d3-a456-426655440000", "b": {"_base64": "MDEyMzQ1Njc4OWFiY2RlZg=="}}
    engine.kill()
    server.script(f"""INSERT INTO t VALUES {row};
        ALTER TABLE t RENAME COLUMN u TO w; INSERT INTO t VALUES {row}; ALTER TABLE t RENAME COLUMN w TO x;
        DROP TABLE t; CREATE TABLE t (u inet4); INSERT INTO t VALUES ('1.2.3.4');
        CREATE TABLE short (u uuid, b binary(16)); INSERT INTO short VALUES {row}; DROP TABLE short""", database)
    engine.start()
    unknown = {"_base64": "Ej5FZ+ibEtOkVkJmVUQAAA=="}
    wait_until(lambda: len(_afters(reader)) == 5, 20, "the rows of tables that have gone")
    as_bytes = {"u": unknown, "b": known["b"]}
    assert _afters(reader)[1:] == [known, {"w": unknown, "b": known["b"]}, {"u": "1.2.3.4"}, as_bytes]
    warnings = [json.loads(line) for line in engine.log_text().splitlines() if "cannot be told from bytes" in line]
    tables = [(each["table"], each["columns"]) for each in warnings]
    assert tables == [(f"{database}.t", "w"), (f"{database}.short", "u, b")]


def test_old_temporals_of_a_table_that_has_gone(bench: Workbench) -> None:
    """Without their digits the row cannot be read: it halts until the table is there again."""
    server = bench.server("mariadb")
    database = bench.database(server)
    engine = bench.engine(server, database, [file_sink(bench.home / "out")], tables=[f"{database}.%"]).start()
    engine.kill()
    create = "SET GLOBAL mysql56_temporal_format = OFF; CREATE TABLE t (at time(3));"
    server.script(f"{create} INSERT INTO t VALUES ('01:02:03.456'); DROP TABLE t", database)
    engine.start(ready=False)
    error = _failure(engine)
    assert error["kind"] == "undecodable" and f"{database}.t" in error["message"] and "make the table" in error["hint"]
    server.script(create, database)
    engine.post("/pipelines/p/resume")
    reader = FileReader(bench.home / "out")
    wait_until(lambda: _afters(reader), 20, "the row that it stopped at")
    assert _afters(reader) == [{"at": "01:02:03.456"}]
