"""How the source stands in the log: by sets of GTIDs, with tags in them, and without GTIDs by file and offset."""

from __future__ import annotations

import itertools
import json
import re
import time
from collections import Counter
from typing import Any

from conftest import Workbench
from flow import Arrivals
from harness.dialect_mysql import MysqlDialect
from harness.engine import Engine, file_sink
from harness.mysql import MysqlFamily
from harness.oracle import Verdict, check
from harness.procs import wait_until
from harness.readers import FileReader
from harness.stored import stored_position
from harness.workload import Writer

TAGS = ("", "red", "blue_2")
UPWARDS = ("OFF_PERMISSIVE", "ON_PERMISSIVE", "ON")  # gtid_mode takes one step at a time
DOWNWARDS = ("ON_PERMISSIVE", "OFF_PERMISSIVE", "OFF")


class Tagging(MysqlDialect):
    """The connections of a writer use the tags in turn."""

    def __init__(self) -> None:
        self._next = itertools.cycle(TAGS)

    def connect(self, server: Any, database: str) -> Any:
        link = super().connect(server, database)
        if tag := next(self._next):
            with link.cursor() as cursor:
                cursor.execute(f"SET SESSION gtid_next = 'AUTOMATIC:{tag}'")
        return link


class Stream:
    """A writer, an engine that is killed while it reads, and what the file sink holds."""

    def __init__(self, bench: Workbench, server: MysqlFamily) -> None:
        self.server, self.database = server, bench.database(server)
        Writer.create_tables(server, self.database)
        self.engine: Engine = bench.engine(server, self.database, [file_sink(bench.home / "out")],
                                           tables=server.dialect.tables(self.database)).start()
        self.arrivals = Arrivals(FileReader(bench.home / "out"))
        self.writer = Writer(server, self.database, connections=9).start()

    def kill(self, *, seconds: float = 0.3) -> None:
        """At some instant among the next transactions; and they go on while it is away."""
        count = len(self.arrivals.look().xids)
        wait_until(lambda: len(self.arrivals.look().xids) > count + 20, 30, "transactions")
        self.engine.kill()
        time.sleep(seconds)

    def finish(self) -> Verdict:
        """Everything has arrived, once."""
        book = self.writer.stop()
        wait_until(lambda: len(self.arrivals.look().xids) >= len(book), 30, "every transaction")
        assert self.engine.terminate() == 0
        verdict = check(self.arrivals.look().reader.records, book, self.server, self.database).assert_sound()
        assert verdict.duplicates == 0
        return verdict

    def idle_restart(self) -> None:
        """Starts, ends, and has nothing to say."""
        count = self.arrivals.reader.held()
        self.engine.start()
        time.sleep(0.3)
        assert self.engine.terminate() == 0
        assert self.arrivals.reader.held() == count


def test_tagged_gtids(bench: Workbench) -> None:
    server = bench.server("mysql")
    server.dialect = Tagging()
    stream = Stream(bench, server)
    uuid = server.query("SELECT @@server_uuid")[0][0]
    for number, tag in enumerate(TAGS):
        stream.kill()
        with server.connect() as link, link.cursor() as cursor:  # far ahead, and empty: sets with gaps
            cursor.execute(f"SET SESSION gtid_next = '{':'.join(filter(None, (uuid, tag, '100000')))}'")
            cursor.execute("COMMIT")
        stored = stored_position(stream.engine.start().database, "file")
        assert stored is not None and set(_tags(stored["gtid_set"])) == set(TAGS), stored
    verdict = stream.finish()
    counts = Counter(xid.split(":")[1] if xid.count(":") == 2 else "" for xid in verdict.lsns)
    assert min(counts[tag] for tag in TAGS) > 20, counts
    position = stream.arrivals.reader.stream()
    assert position is not None and set(_tags(position["gtid_set"])) == set(TAGS)
    executed = server.executed_gtids()
    assert server.query("SELECT GTID_SUBTRACT(%s, %s), GTID_SUBTRACT(%s, %s)",
                        args=(executed, position["gtid_set"], position["gtid_set"], executed)) == [("", "")]
    stream.idle_restart()


def _tags(gtid_set: str) -> list[str]:
    """"uuid:1-5:7:red:1-2" has "" and "red"."""
    found = []
    for part in gtid_set.replace("\n", "").split(":")[1:]:
        if part[0].isalpha() or part[0] == "_":
            found.append(part)
        elif not found:
            found.append("")
    return found


def test_an_event_that_mariadb_itself_cannot_read(bench: Workbench) -> None:
    """It then does not know which GTIDs lie before a place in that file."""
    server = bench.server("mariadb", settings={"max_allowed_packet": "16777216"})
    database = bench.database(server)
    server.script("CREATE TABLE t (id int PRIMARY KEY, v longtext); INSERT INTO t VALUES (1, REPEAT('x', 8000000));"
                  "INSERT INTO t VALUES (2, 'before the first start'); SET GLOBAL max_allowed_packet = 1048576", database)
    file, offset = server.binlog_status()[:2]
    assert server.query(f"SELECT BINLOG_GTID_POS('{file}', {offset})") == [(None,)]
    engine = bench.engine(server, database, [file_sink(bench.home / "out")], tables=[f"{database}.t"]).start()
    reader = FileReader(bench.home / "out")
    for number in (3, 4):
        server.execute(f"INSERT INTO t VALUES ({number}, 'y')", database)
        wait_until(lambda: reader.drain() is not None and len(reader.records) == number - 2, 20, "the row")
        engine.kill()
        engine.start()
    assert [json.loads(each)["after"]["id"] for each in reader.records] == [3, 4]


def test_without_gtids(bench: Workbench) -> None:
    """Files end while the engine is away and while it reads; the server itself restarts."""
    server = bench.server("mysql", settings={"gtid-mode": "OFF"})
    stream = Stream(bench, server)
    stream.kill()
    server.flush_logs()
    server.flush_logs()
    stream.engine.start()
    server.flush_logs()
    stream.kill()
    server.restart()
    stream.engine.start()
    stream.kill(seconds=0)
    assert set(stored_position(stream.engine.database, "file") or {}) == {"file", "pos"}
    stream.engine.start()
    verdict = stream.finish()
    names = [re.fullmatch(r"(binlog\.\d{6}):\d+", xid) for xid in verdict.lsns]
    assert all(names), "transactions are named after the place where they begin"
    assert len({name[1] for name in names if name}) >= 4, "files"
    position = stream.arrivals.reader.stream()
    assert position == dict(zip(("file", "pos"), server.binlog_status()))
    stream.idle_restart()


def test_gtids_switched_on_under_way(bench: Workbench) -> None:
    """A position by file and offset stays one. The events get the names that their transactions have in the log."""
    server = bench.server("mysql", settings={"gtid-mode": "OFF"})
    stream = Stream(bench, server)
    for mode in UPWARDS:
        stream.kill()
        stream.engine.start()
        wait_until(lambda: mode != "ON" or _anonymous(server) == "0", 10, "an instant without anonymous ones", every=0)
        server.execute(f"SET GLOBAL gtid_mode = {mode}")
    stream.kill()
    stream.engine.start()
    verdict = stream.finish()
    assert {xid.startswith("binlog.") for xid in verdict.lsns} == {True, False}
    assert set(stream.arrivals.reader.stream() or {}) == {"file", "pos"}
    stream.idle_restart()


def _anonymous(server: MysqlFamily) -> str:
    return server.query("SHOW STATUS LIKE 'Ongoing_anonymous_transaction_count'")[0][1]


def test_gtids_switched_off(bench: Workbench) -> None:
    """A set of GTIDs says nothing about transactions without: the pipeline stops, and goes on if none was written."""
    server = bench.server("mysql")
    database = bench.database(server)
    server.execute("CREATE TABLE t (id int PRIMARY KEY)", database)
    engine = bench.engine(server, database, [file_sink(bench.home / "out")], tables=[f"{database}.t"]).start()
    reader = FileReader(bench.home / "out")

    def switch(*modes: str) -> None:
        engine.kill()
        for mode in modes:
            server.execute(f"SET GLOBAL gtid_mode = {mode}")
        engine.start(ready=False)

    def ids() -> list[int]:
        reader.drain()
        return [json.loads(record)["after"]["id"] for record in reader.records]

    server.execute("INSERT INTO t VALUES (1)", database)
    wait_until(lambda: ids() == [1], 20, "the first row")
    switch(*DOWNWARDS)
    error = engine.wait_status({"failed"})["error"]
    assert error["kind"] == "position_lost" and "SET GLOBAL gtid_mode = ON" in error["hint"], error
    switch(*UPWARDS)
    server.execute("INSERT INTO t VALUES (2)", database)
    wait_until(lambda: ids() == [1, 2], 20, "the second row")
    engine.kill()
    switch(*DOWNWARDS)
    server.execute("INSERT INTO t VALUES (3)", database)
    switch(*UPWARDS)
    error = engine.wait_status({"failed"})["error"]
    assert error["kind"] == "position_lost" and "without GTID" in error["message"], error
    assert ids() == [1, 2]


def test_a_log_that_was_reset(bench: Workbench) -> None:
    """Without GTIDs the new file has the name of the old one, and a transaction ends where the old one had its last."""
    server = bench.server("mysql", settings={"gtid-mode": "OFF"})
    database = bench.database(server)
    server.execute("CREATE TABLE t (id int PRIMARY KEY)", database)
    reader = FileReader(bench.home / "out")

    server.execute("RESET BINARY LOGS AND GTIDS")
    engine = bench.engine(server, database, [file_sink(bench.home / "out")], tables=[f"{database}.t"]).start()
    for number in range(5):
        server.execute(f"INSERT INTO t VALUES ({number})", database)
    wait_until(lambda: reader.held() == 5, 20, "the rows")
    place = server.binlog_status()
    assert engine.terminate() == 0
    time.sleep(1.1)  # files are told apart by the second in which they were begun
    server.execute("RESET BINARY LOGS AND GTIDS")
    for number in range(10, 15):
        server.execute(f"INSERT INTO t VALUES ({number})", database)
    assert server.binlog_status() == place
    server.execute("INSERT INTO t VALUES (15)", database)
    error = engine.start(ready=False).wait_status({"failed"})["error"]
    assert error["kind"] == "position_lost" and place[0] in error["message"], error
    assert reader.held() == 5
