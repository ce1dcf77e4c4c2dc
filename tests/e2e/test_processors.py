"""Processors between real databases and a real sink: what passes, what it looks like, and that positions pass with it."""

from __future__ import annotations

import json
from typing import Any

from conftest import Outlets, Servers, Workbench
from flow import SINKS, matrix
from harness.procs import wait_until

FILTER: dict[str, Any] = {"type": "filter", "id": "paid", "ops": ["create", "update"], "tables": {"exclude": ["*.secret"]},
                          "fields": [{"path": "status", "op": "in", "value": ["paid", "sent"]},
                                     {"path": "doc.customer.tier", "op": "gte", "value": 2}]}
FLATTEN: dict[str, Any] = {"type": "flatten", "id": "flat", "lists": "index", "empty_object": "drop"}


def prepare(bench: Workbench, server: Any) -> str:
    database = bench.database(server)
    for table in ("orders", "secret"):
        server.execute(f"CREATE TABLE {table} (id int PRIMARY KEY, status varchar(10), total decimal(8,2), doc json)", database)
    return database


def row(number: int, status: str = "paid", tier: int = 2) -> str:
    document = {"customer": {"tier": tier, "name": f"c{number}"}, "lines": [1, {"n": 2}], "none": {}}
    return f"({number}, '{status}', {number}.50, '{json.dumps(document)}')"


@matrix("which, kind", "15-file 15-kafka mysql-redis", (15, "mysql"), SINKS)
def test_filter_and_flatten(which: int | str, kind: str, bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    """Not for MariaDB, whose JSON is text to its log: nothing lies below a column there."""
    server = servers(which)
    database = prepare(bench, server)
    sink = outlet(kind, database)
    schema = "public" if which == 15 else database
    engine = bench.engine(server, database, [sink.config], tables=[f"{schema}.*"], processors=[FILTER, FLATTEN]).start()
    server.execute(f"INSERT INTO orders VALUES {row(1)}, {row(2, 'open')}, {row(3, tier=1)}, {row(4)}", database)
    server.execute(f"INSERT INTO secret VALUES {row(9)}", database)
    server.execute("UPDATE orders SET status = 'sent' WHERE id = 2", database)
    server.execute("DELETE FROM orders", database)
    server.execute(f"INSERT INTO orders VALUES {row(5)}", database)
    reader = sink.reader()
    wait_until(lambda: reader.drain() is not None and len(reader.records) >= 4, 30, "what passes")
    events = [json.loads(record) for record in reader.records]
    assert [(event["op"], event["after"]["id"]) for event in events] == [("c", 1), ("c", 4), ("u", 2), ("c", 5)]
    assert [event.get("tx_end") for event in events] == [None, True, True, True], "the last that is left ends its transaction"
    assert [event["transaction"]["total_order"] for event in events] == [1, 4, 1, 1], "as the source counts"
    after = events[0]["after"]
    assert after == {"id": 1, "status": "paid", "total": "1.50", "doc__customer__tier": 2, "doc__customer__name": "c1",
                     "doc__lines__0": 1, "doc__lines__1__n": 2}
    # id 2, 3, one of `secret`, four deletes
    wait_until(lambda: engine.metric("deltaforge_filter_dropped_total") == 7, 20, "the dropped ones to be counted")
    wait_until(lambda: engine.metric("deltaforge_source_lag_seconds") == 0, 20, "positions to pass what was dropped")
    engine.kill()
    engine.start()
    server.execute(f"INSERT INTO orders VALUES {row(6)}", database)
    wait_until(lambda: reader.drain() is not None and json.loads(reader.records[-1])["after"]["id"] == 6, 30, "the next row")
    ids = [json.loads(record)["event_id"] for record in reader.records]
    assert len(set(ids)) == 5, "what comes again has the id that it had"


def test_what_a_template_sees_is_flat(bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    """Keys and streams behind a processor are made of what it left; the row's own key stays."""
    pg = servers(15)
    database = prepare(bench, pg)
    sink = outlet("redis", database)
    sink.config["config"]["key"] = "${after.doc__customer__name}"
    bench.engine(pg, database, [sink.config], processors=[FLATTEN]).start()
    pg.execute(f"INSERT INTO orders VALUES {row(1)}", database)
    reader = sink.reader()
    wait_until(lambda: reader.drain() is not None and len(reader.records) == 1, 30, "the row")
    assert reader.keys == [b"c1"]


def test_a_collision_that_is_an_error_stops_the_pipeline(bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    """Nothing behind it is delivered; with the setting mended everything is."""
    pg = servers(15)
    database = prepare(bench, pg)
    sink = outlet("file", database, path=bench.home / "out")
    strict = {"type": "flatten", "on_collision": "error"}
    engine = bench.engine(pg, database, [sink.config], processors=[strict]).start()
    pg.execute("""INSERT INTO orders VALUES (1, '', 1, '{"a__b": 1, "a": {"b": 2}}')""", database)
    pg.execute(f"INSERT INTO orders VALUES {row(2)}", database)
    engine.wait_status({"failed"}, 20)
    error = engine.pipeline()["error"]
    assert 'two fields become "doc__a__b"' in error["message"] and "on_collision" in error["hint"], error
    assert engine.metric("deltaforge_processor_errors_total") == 1
    name = engine.get("/pipelines")[0]["name"]
    status, text = engine.request("PATCH", f"/pipelines/{name}", {"spec": {"processors": [{"type": "flatten"}]}})
    assert status == 200, text
    reader = sink.reader()
    wait_until(lambda: reader.drain() is not None and len(reader.records) == 2, 30, "both rows")
    assert json.loads(reader.records[0])["after"]["doc__a__b"] == 2


def test_a_sink_takes_what_its_filter_lets_through(bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    """Nothing is made by a processor here: a sink that wants only that gets nothing, and holds nobody up."""
    pg = servers(15)
    database = prepare(bench, pg)
    sinks = {name: outlet("file", f"{database}-{name}", path=bench.home / name, filter=each) for name, each in (
        ("all", None), ("read", {"exclude_synthetic": True}), ("made", {"synthetic_only": True}))}
    for name, sink in sinks.items():
        sink.config["config"]["id"] = name
    engine = bench.engine(pg, database, [sink.config for sink in sinks.values()]).start()
    pg.execute(f"INSERT INTO orders VALUES {row(1)}, {row(2)}", database)
    for name in ("all", "read"):
        reader = sinks[name].reader()
        wait_until(lambda: reader.drain() is not None and len(reader.records) == 2, 20, name)  # noqa: B023
    end = pg.query("SELECT pg_current_wal_lsn()::text")[0][0]
    wait_until(lambda: pg.query("SELECT confirmed_flush_lsn >= %s::pg_lsn FROM pg_replication_slots WHERE database = %s",
                                args=(end, database))[0][0], 30, "the slot to pass what nobody wanted")
    reader = sinks["made"].reader()
    reader.drain()
    assert reader.records == [] and engine.pipeline()["status"] == "running"


def test_processors_are_shown_and_taken_back(bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    """What GET shows of them, PATCH takes."""
    pg = servers(15)
    database = prepare(bench, pg)
    engine = bench.engine(pg, database, [outlet("file", database, path=bench.home / "out").config],
                          processors=[FILTER, FLATTEN]).start()
    name = engine.get("/pipelines")[0]["name"]
    shown = engine.pipeline(name)["spec"]["spec"]["processors"]
    assert [each["type"] for each in shown] == ["filter", "flatten"]
    assert shown[0]["fields"][0] == {"path": "status", "op": "in", "value": ["paid", "sent"]} and shown[1]["max_depth"] is None
    assert engine.request("PATCH", f"/pipelines/{name}", {"spec": {"processors": shown}})[0] == 200
    assert engine.pipeline(name)["spec"]["spec"]["processors"] == shown
