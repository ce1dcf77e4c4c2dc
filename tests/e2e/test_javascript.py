"""The JavaScript processor between PostgreSQL and the file sink: what a script makes of events, what limits it."""

from __future__ import annotations

import json
import time
from typing import Any

from conftest import Outlets, Servers, Workbench
from harness.procs import wait_until

SHAPE = """
function processBatch(events) {
  const out = [];
  for (const e of events) {
    if (e.op === 'd') continue;
    if (e.after.email) e.after.email = '[redacted]';
    e.tags = ['js', e.table];
    out.push(e);
    if (Number(e.after.id) % 5 === 0) out.push(e, {after: {made_of: e.after.id}});
  }
  return out.reverse();
}
"""


def script(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "javascript", "id": "shape", "inline": text,
            "limits": {"cpu_ms": 5000, "timeout_ms": 20000}} | more


def prepare(bench: Workbench, server: Any) -> str:
    database = bench.database(server)
    server.execute("CREATE TABLE people (id bigint PRIMARY KEY, email text, doc jsonb, ratio float8)", database)
    return database


def events_of(reader: Any) -> list[dict[str, Any]]:
    return [json.loads(record) for record in reader.records]


def test_a_script_redacts_tags_drops_copies_and_reorders(bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    """The same bytes come out again after a kill, with small batches: calls go by transaction."""
    pg = servers(15)
    database = prepare(bench, pg)
    first = outlet("file", f"{database}-1", path=bench.home / "one")
    pipeline: dict[str, Any] = {"processors": [script(SHAPE)]}
    engine = bench.engine(pg, database, [first.config], batch={"max_events": 7}, **pipeline).start()
    pg.execute("INSERT INTO people SELECT n, 'a@b', '{}', 1 FROM generate_series(1, 2500) n", database)
    pg.execute("DELETE FROM people WHERE id < 100", database)
    pg.execute("INSERT INTO people VALUES (9007199254740993, 'x', '{\"big\": 9007199254740995}', 2)", database)
    reader = first.reader()
    wanted = 2500 + 500 * 2 + 1
    wait_until(lambda: reader.drain() is not None and len(reader.records) >= wanted, 60, "what the script made")
    events = events_of(reader)
    assert len(events) == wanted
    assert [each["after"].get("id") for each in events[:3]] == [None, 1000, 1000], "reversed within the first thousand"
    assert events[0]["after"] == {"made_of": 1000} and events[0]["synthetic"] == "shape"
    assert events[1]["after"] == {"id": 1000, "email": "[redacted]", "doc": {}, "ratio": 1.0}
    assert events[1]["tags"] == ["js", "public.people"] and "synthetic" not in events[1]
    assert len({each["event_id"] for each in events}) == wanted, "ids of their own"
    last = reader.records[-1]
    assert b'"id":9007199254740993' in last and b'9007199254740995' in last and b'"ratio":2.0' in last
    assert [each.get("tx_end") for each in events].count(True) == 2, "the transaction of deletes left nothing"
    engine.kill()
    engine.start()
    wait_until(lambda: engine.metric("deltaforge_source_lag_seconds") == 0, 30, "positions to pass what was dropped")
    pg.execute("INSERT INTO people VALUES (3001, 'y', '{}', 3)", database)
    wait_until(lambda: reader.drain() is not None and events_of(reader)[-1]["after"]["id"] == 3001, 30, "the next row")
    assert len({record for record in reader.records}) == wanted + 1, "what comes again has the bytes that it had"


def test_a_script_routes(bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    pg = servers(15)
    database = prepare(bench, pg)
    sink = outlet("redis", database)
    sink.config["config"]["key"] = "${after.email}"
    route = "(e) => { if (e.after.id > 1) e.route({key: 'k' + e.after.id, headers: {'x-tier': 'high'}}); return [e]; }"
    bench.engine(pg, database, [sink.config], processors=[script(route)]).start()
    pg.execute("INSERT INTO people VALUES (1, 'from-template'), (2, 'x')", database)
    reader = sink.reader()
    wait_until(lambda: reader.drain() is not None and len(reader.records) == 2, 30, "both rows")
    assert reader.keys == [b"from-template", b"k2"]


def test_an_error_stops_the_pipeline_and_a_mended_script_goes_on(bench: Workbench, servers: Servers,
                                                                  outlet: Outlets) -> None:
    """Nothing is lost: the row that made the script fail is delivered by the one that does not."""
    pg = servers(15)
    database = prepare(bench, pg)
    sink = outlet("file", database, path=bench.home / "out")
    bad = script("function processBatch(all) {\n  return all.filter(e => e.after.email.length > 0);\n}")
    engine = bench.engine(pg, database, [sink.config], processors=[bad]).start()
    pg.execute("INSERT INTO people VALUES (1, 'a')", database)
    pg.execute("INSERT INTO people VALUES (2, NULL)", database)
    engine.wait_status({"failed"}, 20)
    error = engine.pipeline()["error"]
    assert "processor 'shape'" in error["message"] and "TypeError" in error["message"], error
    assert "line 2, column" in error["message"] and "public.people" in error["message"], error
    name = engine.get("/pipelines")[0]["name"]
    status, text = engine.request("PATCH", f"/pipelines/{name}", {"spec": {"processors": [script("function (")]}})
    assert status == 400 and "SyntaxError" in text, text
    status, text = engine.request("PATCH", f"/pipelines/{name}", {"spec": {"processors": [script("(e) => [e]")]}})
    assert status == 200, text
    reader = sink.reader()
    wait_until(lambda: reader.drain() is not None and len(reader.records) == 2, 30, "both rows")


def test_on_error_drop_drops_what_fails_alone(bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    pg = servers(15)
    database = prepare(bench, pg)
    sink = outlet("file", database, path=bench.home / "out")
    picky = script("function processBatch(all) { for (const e of all) e.n = e.after.email.length; }", on_error="drop")
    engine = bench.engine(pg, database, [sink.config], processors=[picky]).start()
    pg.execute("INSERT INTO people VALUES (1, 'a'), (2, NULL), (3, 'ccc')", database)
    reader = sink.reader()
    wait_until(lambda: reader.drain() is not None and len(reader.records) == 2, 30, "the rows that do not fail")
    assert [(each["after"]["id"], each["n"]) for each in events_of(reader)] == [(1, 1), (3, 3)]
    assert engine.metric("deltaforge_script_failed_events_dropped_total") == 1
    wait_until(lambda: engine.metric("deltaforge_source_lag_seconds") == 0, 20, "positions to pass what was dropped")


def test_an_endless_script_is_stopped_and_others_go_on(bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    """The offender is named and tried again; the process and its memory stay; a mended script delivers the row."""
    pg = servers(15)
    database = prepare(bench, pg)
    sink = outlet("file", database, path=bench.home / "out")
    greedy = script("(e) => { const all = []; while (e.after.id === 1) all.push({}); }",
                    limits={"cpu_ms": 2000, "timeout_ms": 2000, "mem_mb": 32})
    engine = bench.engine(pg, database, [sink.config], processors=[greedy]).start()
    before = engine.metric("process_resident_memory_bytes")
    pg.execute("INSERT INTO people VALUES (1, 'a')", database)
    wait_until(lambda: "limits." in json.dumps(engine.pipeline().get("error") or {}), 30, "the limit")
    error = engine.pipeline()["error"]
    assert "processor 'shape'" in error["message"] and "limits.mem_mb" in error["message"], error
    assert engine.metric("process_resident_memory_bytes") - before < 500e6
    name = engine.get("/pipelines")[0]["name"]
    begin = time.monotonic()
    assert engine.request("PATCH", f"/pipelines/{name}", {"spec": {"processors": [script("(e) => [e]")]}})[0] == 200
    reader = sink.reader()
    wait_until(lambda: reader.drain() is not None and len(reader.records) == 1, 30, "the row")
    assert time.monotonic() - begin < 25


def test_the_clock_of_the_commit_gives_the_same_bytes(bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    """What a script takes from clock and chance is the event's, and nothing is the host's."""
    pg = servers(15)
    database = prepare(bench, pg)
    sink = outlet("file", database, path=bench.home / "out")
    stamped = script("(e) => { e.processed_at = Date.now(); e.chance = Math.random(); e.hours = new Date(0).getHours();"
                     "e.shown = (1234.5).toLocaleString(); return [e]; }", clock="commit")
    engine = bench.engine(pg, database, [sink.config], processors=[stamped])
    engine.env |= {"TZ": "Asia/Tokyo", "LANG": "de_DE.UTF-8", "LC_ALL": "de_DE.UTF-8"}
    engine.start()
    pg.execute("INSERT INTO people VALUES (1, 'a'), (2, 'b')", database)
    reader = sink.reader()
    wait_until(lambda: reader.drain() is not None and len(reader.records) == 2, 30, "both rows")
    events = events_of(reader)
    assert all(each["processed_at"] == each["ts_ms"] and 0 <= each["chance"] < 1 for each in events), events
    assert events[0]["chance"] != events[1]["chance"]
    assert (events[0]["hours"], events[0]["shown"]) == (0, "1,234.5")


def test_the_api_survives_what_a_script_does_when_it_is_read(bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    """Requests are served by threads with small stacks."""
    pg = servers(15)
    database = prepare(bench, pg)
    sink = outlet("file", database)
    engine = bench.engine(pg, database, [sink.config]).start()
    name = engine.get("/pipelines")[0]["name"]
    for text, why in (("(function f() { f() })(); e => e", "too much recursion"), ("(" * 100_000, "too much recursion"),
                      ("for (;;) {}", "processor time")):
        status, answer = engine.request("PATCH", f"/pipelines/{name}", {"spec": {"processors": [script(text)]}})
        assert status >= 400 and why in answer, answer
    pg.execute("INSERT INTO people VALUES (1, 'a', '{}', 1)", database)
    reader = sink.reader()
    wait_until(lambda: reader.drain() is not None and len(reader.records) == 1, 30, "the row")
    assert engine.terminate() == 0
