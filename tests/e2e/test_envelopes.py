"""One pipeline, three envelopes: the same events, each in its own form, whatever the database and the kind of sink."""

from __future__ import annotations

import json
from datetime import datetime

from conftest import Outlets, Servers, Workbench
from flow import SERVERS, SINKS, matrix
from harness.procs import wait_until


@matrix("which, kind", "15-file mysql-redis mariadb-kafka", SERVERS, SINKS)
def test_envelopes(which: int | str, kind: str, bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    server = servers(which)
    database = bench.database(server)
    schema = "public" if which == 15 else database
    server.execute("CREATE TABLE t (id int PRIMARY KEY, note text)", database)
    forms = {"native": "native", "debezium": "debezium",
             "cloudevents": {"type": "cloudevents", "type_prefix": "com.example.cdc"}}
    sinks = {}
    for name, form in forms.items():
        place = {"path": bench.home / name} if kind == "file" else {}
        sinks[name] = outlet(kind, f"{database}-{name}", envelope=form, **place)
        sinks[name].config["config"]["id"] = name
    bench.engine(server, database, [sink.config for sink in sinks.values()], tables=[f"{schema}.t"]).start()
    server.execute("INSERT INTO t VALUES (1, 'é\"')", database)
    server.execute("UPDATE t SET note = NULL", database)
    server.execute("DELETE FROM t", database)
    server.execute("TRUNCATE TABLE t", database)
    readers = {name: sink.reader() for name, sink in sinks.items()}
    for reader in readers.values():
        wait_until(lambda: reader.drain() is not None and len(reader.records) == 4, 20, "four events")  # noqa: B023
    for number, native in enumerate(readers["native"].records):
        event = json.loads(native)
        assert readers["debezium"].records[number] == b'{"schema":null,"payload":' + native + b"}"
        cloud = json.loads(readers["cloudevents"].records[number])
        done = ["created", "updated", "deleted", "truncated"][number]
        assert list(cloud) == ["specversion", "id", "source", "type", "time", "datacontenttype", "subject", "data"]
        assert cloud["specversion"] == "1.0" and cloud["datacontenttype"] == "application/json"
        assert cloud["id"] == event["event_id"] and cloud["type"] == f"com.example.cdc.{done}"
        assert cloud["source"] == f"deltaforge/{database}/{schema}.t" and cloud["subject"] == f"{schema}.t"
        assert cloud["time"].endswith("Z") and len(cloud["time"]) == 24
        assert round(datetime.fromisoformat(cloud["time"]).timestamp() * 1000) == event["ts_ms"]
        assert cloud["data"] == {"before": event["before"], "after": event["after"], "op": event["op"]}
