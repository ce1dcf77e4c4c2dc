"""The MySQL and MariaDB part of the harness, without an engine: what the writer books is what the server's own binlog
holds, and values are read back as an event must show them."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from decimal import Decimal

import pytest

from conftest import Servers, Workbench
from harness.mysql import MysqlFamily, tool, tracked_gtid
from harness.oracle import check
from harness.procs import wait_until
from harness.workload import KEYS, Writer

FLAVORS = ["mysql", "mariadb"]
_COLUMNS = {"t_pk": ["id", "version", "txn"], "t_comp": ["a", "b", "version", "txn"],
            "t_nopk": ["id", "version", "txn"], "t_wide": ["id", "version", "txn"]}
_OPS = {"INSERT INTO": "c", "UPDATE": "u", "DELETE FROM": "d"}


def binlog(server: MysqlFamily, first: str) -> Iterator[str]:
    """The binlog files from `first` on as the server's own tool prints them."""
    files = [row[0] for row in server.query("SHOW BINARY LOGS") if row[0] >= first]
    program = tool("mysqlbinlog") if server.flavor == "mysql" else ["mariadb-binlog"]
    for file in files:
        yield f"file {file}"
        done = subprocess.run([*program, "--no-defaults", "--base64-output=decode-rows", "-v", str(server.data / file)],
                              capture_output=True, text=True, errors="surrogateescape", timeout=60)
        assert done.returncode == 0, done.stderr
        yield from done.stdout.split("\n")


def records(server: MysqlFamily, database: str, first: str) -> list[bytes]:
    """The binlog's rows in the shape of events, as far as key, version and transaction go."""
    events: list[dict] = []
    gtid, file, pos = "", "", 0
    for line in binlog(server, first):
        if line.startswith("file "):
            file = line[5:]
        elif found := re.match(r"# at (\d+)", line):
            pos = int(found.group(1))
        elif found := re.match(r"SET @@SESSION.GTID_NEXT= '([^']+)'|.*\bGTID (\d+-\d+-\d+)\b", line):
            gtid = found.group(1) or found.group(2)
        elif found := re.match(rf"### (INSERT INTO|UPDATE|DELETE FROM) `{database}`\.`(t_\w+)`", line):
            events.append({"op": _OPS[found.group(1)], "before": None, "after": None,
                           "source": {"file": file, "pos": pos, "gtid": gtid, "table": found.group(2)}})
        elif line in ("### WHERE", "### SET"):
            image = events[-1]["before" if line == "### WHERE" else "after"] = {}
        elif found := re.match(r"###   @(\d+)=('?)([^']*)", line):
            names = _COLUMNS[events[-1]["source"]["table"]]
            if int(found.group(1)) <= len(names):
                text = found.group(3)
                image[names[int(found.group(1)) - 1]] = text if found.group(2) else int(text)
    orders: dict[str, int] = {}
    for number, event in enumerate(events):
        gtid = event["source"]["gtid"]
        orders[gtid] = orders.get(gtid, 0) + 1
        event["transaction"] = {"id": gtid, "total_order": orders[gtid]}
        event["event_id"] = f"01900000-0000-7000-8000-{number:012x}"
        if number + 1 == len(events) or events[number + 1]["source"]["gtid"] != gtid:
            event["tx_end"] = True
    text = [json.dumps(event, separators=(",", ":"), ensure_ascii=False) for event in events]
    return [each.encode(errors="surrogateescape") for each in text]


@pytest.mark.parametrize("flavor", FLAVORS)
def test_the_book_is_what_the_binlog_holds(flavor: str, bench: Workbench) -> None:
    server = bench.server(flavor)
    database = server.create_database("busy")
    Writer.create_tables(server, database)
    server.flush_logs()
    first = server.binlog_status()[0]  # the inserts of the hot rows are in the file before
    writer = Writer(server, database, big=300).start()
    time.sleep(3)
    server.kill()  # in the middle of it all: the writer learns what became of each commit
    server.start()
    count = len(writer.book)
    wait_until(lambda: len(writer.book) > count + 200, 60, "the writer to go on")
    book = writer.stop()
    verdict = check(records(server, database, first), book).assert_sound()
    assert verdict.transactions == len(book) > 300
    assert server.binlog_status()[0] > first, "the restart began no new file"
    for table, columns in KEYS.items():
        alive: dict[tuple, int] = {(number,): 1 for number in range(1, 4)} if table == "t_pk" else {}
        for each in sorted(book.transactions(), key=lambda each: each.number):
            for name, op, key, version in each.changes:
                if name != table:
                    continue
                if op == "d":
                    alive.pop(key)
                else:
                    alive[key] = max(version or 0, alive.get(key, 0))
        rows = server.dialect.select(server, database, table)
        assert {tuple(row[column] for column in columns): row["version"] for row in rows} == alive


@pytest.mark.parametrize("flavor", FLAVORS)
def test_values_look_as_in_an_event(flavor: str, bench: Workbench, servers: Servers) -> None:
    server = servers(flavor)
    database = bench.database(server)
    server.script("""CREATE TABLE t (i tinyint, u bigint unsigned, y year, b1 bit(1), b9 bit(9), f float, g float, d double,
          n decimal(8,3), bn binary(4), bl blob, l varchar(9) CHARACTER SET latin1, ts timestamp(3) NULL, dt datetime,
          tm time(1), e enum('x','ž') CHARACTER SET utf8mb4, s set('a','b'), j json, z date);
        SET sql_mode = '', time_zone = '+02:00';
        INSERT INTO t VALUES (-1, 18446744073709551615, 0, b'1', b'100000001', 16777216, 0.1, 1e22, -0.5, 'a', x'00ff', 'é€',
          '2024-02-29 12:00:00.5', '0000-00-00', '-00:00:00.1', 'ž', 'a,b', '{"b": 1.50, "a": [null]}', '2015-00-21');
        INSERT INTO t (i) VALUES (NULL);""", database)
    first, second = server.dialect.select(server, database, "t")
    text = '{"b": 1.50, "a": [null]}'
    assert first == {
        "i": -1, "u": 2**64 - 1, "y": 0, "b1": True, "b9": 257, "f": Decimal(16777216), "g": Decimal("0.1"),
        "d": Decimal("1e22"), "n": "-0.500", "bn": {"_base64": "YQAAAA=="}, "bl": {"_base64": "AP8="}, "l": "é€",
        "ts": "2024-02-29T10:00:00.500Z", "dt": "0000-00-00T00:00:00", "tm": "-00:00:00.1", "e": "ž", "s": "a,b",
        "j": text if flavor == "mariadb" else {"b": Decimal("1.50"), "a": [None]}, "z": "2015-00-21"}
    assert set(second.values()) == {None}


@pytest.mark.parametrize("flavor", FLAVORS)
def test_replica_takes_over(flavor: str, bench: Workbench) -> None:
    first, second = bench.server(flavor), bench.server(flavor)
    database = first.create_database("moved")
    first.execute("CREATE TABLE t (id int PRIMARY KEY)", database)
    second.replicate_from(first)
    first.execute("INSERT INTO t VALUES (1)", database)
    second.wait_replicated(first)
    assert second.executed_gtids() == first.executed_gtids() != ""
    first.kill()
    second.promote()
    second.execute("INSERT INTO t VALUES (2)", database)
    assert [row[0] for row in second.query("SELECT id FROM t ORDER BY id", database)] == ["1", "2"]
    assert second.executed_gtids() != ""


def test_session_state_of_an_ok_packet() -> None:
    gtid = b"3e11fa47-71ca-11e1-9e33-c80aa9429562:23"
    entry = bytes([3, len(gtid) + 2, 0, len(gtid)]) + gtid
    other = bytes([1, 3]) + b"db1"
    assert tracked_gtid(0x4002, b"\0" + bytes([len(other + entry)]) + other + entry) == gtid.decode()
    assert tracked_gtid(0x4002, b"\0" + bytes([len(other)]) + other) == ""
    assert tracked_gtid(0x0002, b"") == ""
