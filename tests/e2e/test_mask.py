"""The mask between real databases and real sinks: what it hides is in no byte that leaves the engine, nor in its log."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

from conftest import Outlets, Servers, Workbench
from flow import SERVERS, SINKS, assert_silent, matrix
from harness.mysql import MysqlFamily
from harness.procs import wait_until

KEY = "canary-key-of-the-mask-5e1f"
ALICE, BOB = "alice@canary.example", "bob@canary.example"
CLEAR = (ALICE, BOB, "777123456", "987654.32", "1979-03-14", "canary-document", "555-0117", "3704 0044", "canary-secret")
COLUMNS = ("email varchar(60) PRIMARY KEY, ssn int, balance decimal(12,2), born date, doc json, phone varchar(40), "
           "iban varchar(40), secret_word varchar(40), cust_nm varchar(40)")
ROW = """('{email}', 777123456, 987654.32, '1979-03-14', '{{"a": "canary-document"}}', '555-0117', 'DE89 3704 0044',
          'canary-secret', 'Alice')"""
MASK: dict[str, Any] = {"type": "mask", "id": "private", "rules": [
    {"tables": ["*.people"], "columns": ["email", "ssn", "balance", "born"], "action": "hash", "key": KEY},
    {"columns": ["secret_*", "doc"], "action": "redact", "to": "(hidden)"},
    {"columns": ["phone"], "action": "drop"},
    {"columns": ["iban"], "action": "truncate", "length": 4},
    {"columns": ["cust_nm"], "action": "rename", "to": "name"}]}


def hashed(text: str) -> str:
    return hmac.new(KEY.encode(), text.encode(), hashlib.sha256).hexdigest()


def masked(email: str) -> dict[str, Any]:
    return {"email": hashed(email), "ssn": hashed("777123456"), "balance": hashed("987654.32"), "born": hashed("1979-03-14"),
            "doc": "(hidden)", "iban": "DE89", "secret_word": "(hidden)", "name": "Alice"}


def prepare(bench: Workbench, server: Any) -> str:
    database = bench.database(server)
    server.execute(f"CREATE TABLE people ({COLUMNS})", database)
    if not isinstance(server, MysqlFamily):
        server.execute("ALTER TABLE people REPLICA IDENTITY FULL", database)
    return database


def capture(bench: Workbench, server: Any, database: str, sink: Any, *processors: dict[str, Any], **options: Any) -> Any:
    tables = [f"{database if isinstance(server, MysqlFamily) else 'public'}.people"]
    engine = bench.engine(server, database, [sink.config], tables=tables, processors=list(processors), **options)
    engine.env["RUST_LOG"] = "debug"
    return engine.start()


def events_of(reader: Any, count: int) -> list[dict[str, Any]]:
    wait_until(lambda: reader.drain() is not None and len(reader.records) >= count, 30, f"{count} events")
    return [json.loads(record) for record in reader.records]


@matrix("which, kind", "15-file 15-kafka mysql-kafka mysql-http mariadb-file", SERVERS, SINKS)
def test_no_sink_holds_what_is_masked(which: int | str, kind: str, bench: Workbench, servers: Servers,
                                      outlet: Outlets) -> None:
    server = servers(which)
    database = prepare(bench, server)
    sink = outlet(kind, database)
    engine = capture(bench, server, database, sink, MASK)
    server.execute(f"INSERT INTO people VALUES {ROW.format(email=ALICE)}", database)
    server.execute("UPDATE people SET cust_nm = NULL, ssn = NULL", database)
    server.execute(f"UPDATE people SET email = '{BOB}'", database)
    server.execute("DELETE FROM people", database)
    reader = sink.reader()
    created, updated, moved, deleted = events_of(reader, 4)
    alice, bob = masked(ALICE), masked(BOB) | {"ssn": None, "name": None}
    assert (created["before"], created["after"]) == (None, alice)
    assert (updated["before"], updated["after"]) == (alice, alice | {"ssn": None, "name": None})
    assert (moved["before"], moved["after"]) == (alice | {"ssn": None, "name": None}, bob)
    assert (deleted["before"], deleted["after"]) == (bob, None)
    if kind == "kafka":
        assert reader.keys == [hashed(each).encode() for each in (ALICE, ALICE, BOB, BOB)], "keys are masked, too"
    said = b"\n".join([*reader.records, repr(vars(reader)).encode()])  # keys and headers, where there are any
    if kind == "file":
        said += b"".join(path.read_bytes() for path in reader.path.rglob("*") if path.is_file())
    for clear in CLEAR:
        assert clear.encode() not in said, f"{clear} is in the sink"
    assert_silent(engine, KEY, *CLEAR)


def test_what_stands_behind_it_sees_masked_values(bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    """A filter, a script and the template of a key; and a mask behind flatten knows its names."""
    pg = servers(15)
    database = prepare(bench, pg)
    sink = outlet("redis", database)
    sink.config["config"]["key"] = "${after.email}/${after.name}"
    only_alice = {"type": "filter", "fields": [{"path": "email", "op": "eq", "value": hashed(ALICE)}]}
    tells = {"type": "javascript", "inline": "(e) => { e.seen = JSON.stringify([e.before, e.after]); return [e]; }",
             "limits": {"cpu_ms": 5000, "timeout_ms": 20000}}
    first = MASK | {"rules": [rule for rule in MASK["rules"] if "doc" not in rule["columns"]] +
                             [{"columns": ["secret_*"], "action": "redact"}]}
    second = {"type": "mask", "id": "second", "rules": [{"columns": ["doc__*"], "action": "hash", "key": KEY}]}
    engine = capture(bench, pg, database, sink, first, {"type": "flatten"}, second, only_alice, tells)
    for email in (BOB, ALICE):
        pg.execute(f"INSERT INTO people VALUES {ROW.format(email=email)}", database)
    pg.execute(f"UPDATE people SET iban = 'XX' WHERE email = '{ALICE}'", database)
    reader = sink.reader()
    created, updated = events_of(reader, 2)
    alice = masked(ALICE) | {"secret_word": "***", "doc__a": hashed("canary-document")}
    del alice["doc"]
    assert created["after"] == alice and json.loads(created["seen"]) == [None, alice]
    assert updated["before"] == alice and json.loads(updated["seen"]) == [alice, alice | {"iban": "XX"}]
    assert reader.keys == [f"{hashed(ALICE)}/Alice".encode()] * 2
    for clear in CLEAR:
        assert all(clear.encode() not in record for record in reader.records), f"{clear} is in the sink"
    assert_silent(engine, KEY, *CLEAR)


def test_a_name_that_is_taken_stops_the_pipeline(bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    """Nothing leaves under a name that nobody meant; with the rule mended everything is delivered."""
    pg = servers(15)
    database = prepare(bench, pg)
    sink = outlet("file", database)
    rules = [{"columns": ["cust_nm"], "action": "rename", "to": "iban"}]
    engine = capture(bench, pg, database, sink, {"type": "mask", "rules": rules})
    pg.execute(f"INSERT INTO people VALUES {ROW.format(email=ALICE)}", database)
    engine.wait_status({"failed"}, 20)
    error = engine.pipeline()["error"]
    assert 'column "cust_nm" of table public.people is to become "iban"' in error["message"], error
    assert "`to`" in error["hint"], error
    rules.append({"columns": ["iban"], "action": "drop"})
    status, text = engine.request("PATCH", "/pipelines/p", {"spec": {"processors": [{"type": "mask", "rules": rules}]}})
    assert status == 200, text
    (event,) = events_of(sink.reader(), 1)
    assert event["after"]["iban"] == "Alice"


def test_a_column_that_is_not_there_is_warned_of(bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    """Else a misspelt name would let values through in silence."""
    pg = servers(15)
    database = prepare(bench, pg)
    sink = outlet("file", database)
    rules = [{"tables": ["public.people"], "columns": ["E_Mail", "ssn", "old_*"], "action": "redact"},
             {"tables": ["public.*"], "columns": ["nowhere"], "action": "drop"}]
    engine = capture(bench, pg, database, sink, {"type": "mask", "rules": rules})
    pg.execute(f"INSERT INTO people VALUES {ROW.format(email=ALICE)}", database)
    (event,) = events_of(sink.reader(), 1)
    assert event["after"]["ssn"] == "***"
    wait_until(lambda: "lacks a column" in engine.log.read_text(), 10, "the warning")
    lines = [json.loads(line) for line in engine.log.read_text().splitlines() if "lacks a column" in line]
    assert [(each["table"], each["column"]) for each in lines] == [("public.people", "E_Mail")]
