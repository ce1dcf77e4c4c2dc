"""One pipeline, three envelopes: the same events, each in its own form."""

from __future__ import annotations

import json
from collections.abc import Callable

from conftest import Workbench
from harness.engine import file_sink
from harness.postgres import Postgres
from harness.procs import wait_until
from harness.readers import FileReader


def test_envelopes(bench: Workbench, servers: Callable[[int], Postgres]) -> None:
    pg = servers(15)
    database = bench.database(pg)
    pg.execute("CREATE TABLE t (id int PRIMARY KEY, note text)", database)
    forms = {"native": "native", "debezium": "debezium",
             "cloudevents": {"type": "cloudevents", "type_prefix": "com.example.cdc"}}
    bench.engine(pg, database, [file_sink(bench.home / name, id=name, envelope=form)
                                for name, form in forms.items()]).start()
    pg.execute("INSERT INTO t VALUES (1, 'é\"')", database)
    pg.execute("UPDATE t SET note = NULL", database)
    pg.execute("DELETE FROM t", database)
    pg.execute("TRUNCATE t", database)
    readers = {name: FileReader(bench.home / name) for name in forms}
    for reader in readers.values():
        wait_until(lambda: reader.drain() is not None and len(reader.records) == 4, 20, "four events")  # noqa: B023
    for number, native in enumerate(readers["native"].records):
        event = json.loads(native)
        assert readers["debezium"].records[number] == b'{"schema":null,"payload":' + native + b"}"
        cloud = json.loads(readers["cloudevents"].records[number])
        kind = ["created", "updated", "deleted", "truncated"][number]
        assert list(cloud) == ["specversion", "id", "source", "type", "time", "datacontenttype", "subject", "data"]
        assert cloud["specversion"] == "1.0" and cloud["datacontenttype"] == "application/json"
        assert cloud["id"] == event["event_id"] and cloud["type"] == f"com.example.cdc.{kind}"
        assert cloud["source"] == f"deltaforge/{database}/public.t" and cloud["subject"] == "public.t"
        assert cloud["time"].endswith("Z") and len(cloud["time"]) == 24
        assert cloud["data"] == {"before": event["before"], "after": event["after"], "op": event["op"]}
