"""The outbox, from a commit of the application to the topic, key and headers that it meant."""

from __future__ import annotations

import json
import random
import time
from typing import Any

import pytest

from conftest import Outlets, Servers, Workbench
from flow import matrix
from harness.engine import Engine
from harness.kafka import Kafka
from harness.mysql import Mariadb
from harness.procs import wait_until
from harness.readers import KafkaReader
from harness.redis import Redis, RedisReader

Reader = KafkaReader | RedisReader


def message(kind: str, number: int, **more: Any) -> str:
    return json.dumps({"id": number, "aggregate_type": "Order", "aggregate_id": str(number), "event_type": kind,
                       "payload": {"number": number, "total": 1.50}, **more})


def emit(pg: Any, database: str, *messages: str, prefix: str = "outbox", transactional: bool = True) -> None:
    """All of them in one transaction, behind a row of a table."""
    calls = ["INSERT INTO orders DEFAULT VALUES"]
    calls += [f"SELECT pg_logical_emit_message({transactional}, '{prefix}', $m${each}$m$)" for each in messages]
    pg.execute("; ".join(calls), database)


def prepared(pg: Any, bench: Workbench) -> str:
    database = bench.database(pg)
    pg.execute("CREATE TABLE orders (id serial PRIMARY KEY)", database)
    return database


def capture(bench: Workbench, server: Any, database: str, sink: Any, *processors: dict[str, Any], **outbox: Any) -> Engine:
    return bench.engine(server, database, [sink.config], processors=list(processors),
                        more_of_source={"outbox": outbox}).start()


def records(reader: Reader, count: int) -> list[Any]:
    wait_until(lambda: reader.drain() is not None and len(reader.records) >= count, 30, f"{count} events")
    return [json.loads(record) for record in reader.records]


@pytest.mark.parametrize("which", [15, 18])
def test_messages_of_postgres(which: int, bench: Workbench, servers: Servers, outlet: Outlets, kafka: Kafka) -> None:
    pg = servers(which)
    database = prepared(pg, bench)
    sink = outlet("kafka", database)
    kafka.create_topic(f"{database}.Order.made")
    kafka.create_topic(f"{database}.rest")
    engine = capture(bench, pg, database, sink,
                     {"type": "outbox", "topic": f"{database}.${{aggregate_type}}.${{event_type}}",
                      "default_topic": f"{database}.rest", "raw_payload": True, "additional_headers": {"x-trace": "trace"}},
                     prefixes=["outbox", "out.box_%"])
    emit(pg, database, message("made", 1, trace=7), message("made", 2, trace={"a": 1}))
    emit(pg, database, json.dumps({"payload": {"lone": True}}, indent=1), prefix="out.box_x")
    emit(pg, database, message("made", 9), prefix="foreign")
    emit(pg, database, message("made", 3, trace=""), transactional=False)

    made = KafkaReader(kafka.brokers, f"{database}.Order.made")
    assert records(made, 3) == [{"number": number, "total": 1.5} for number in (1, 2, 3)]
    assert made.keys == [b"1", b"2", b"3"]
    common = {"df-aggregate-type": "Order", "df-event-type": "made", "df-source-kind": "outbox"}
    assert made.headers == [{**common, "df-event-id": "1", "df-aggregate-id": "1", "x-trace": "7"},
                            {**common, "df-event-id": "2", "df-aggregate-id": "2"},
                            {**common, "df-event-id": "3", "df-aggregate-id": "3", "x-trace": ""}]
    rest = KafkaReader(kafka.brokers, f"{database}.rest")
    assert records(rest, 1) == [{"lone": True}]
    assert [sorted(each) for each in rest.headers] == [["df-event-id", "df-source-kind"]], "the id is ours when it has none"
    rows = records(sink.reader(), 4)
    assert [(row["source"]["table"], row["after"]["id"]) for row in rows] == [("orders", number) for number in range(1, 5)]
    assert engine.metric("deltaforge_outbox_transformed_total") == 4
    assert engine.terminate() == 0


def test_without_the_processor_they_are_marked(bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    """And what is no JSON is not lost. Ids stay when everything comes again."""
    pg = servers(15)
    database = prepared(pg, bench)
    sink = outlet("redis", database)
    engine = capture(bench, pg, database, sink, prefixes=["*"])
    emit(pg, database, message("made", 1), "no\n JSON", "[1, 2]")
    emit(pg, database, message("made", 2), transactional=False)
    events = [each for each in records(sink.reader(), 6) if each["source"]["table"] == "outbox"]
    assert [each["source"]["schema"] for each in events] == ["__outbox"] * 4
    assert [each["after"] for each in events] == [json.loads(message("made", 1)), {"_base64": "bm8KIEpTT04="}, [1, 2],
                                                  json.loads(message("made", 2))]
    assert "transaction" not in events[3] and events[3]["ts_ms"] == 0, "the log tells nothing of the sort"
    assert len({each["event_id"] for each in events}) == 4
    assert engine.terminate() == 0


def with_blackhole(server: Any) -> Any:
    if isinstance(server, Mariadb):
        server.execute("INSTALL PLUGIN IF NOT EXISTS blackhole SONAME 'ha_blackhole'")
    return server


@pytest.mark.parametrize("which", ["mysql", "mariadb"])
def test_tables_of_mysql(which: str, bench: Workbench, servers: Servers, outlet: Outlets, redis: Redis) -> None:
    server = with_blackhole(servers(which))
    database = bench.database(server)
    columns = ("id varchar(36) PRIMARY KEY, aggregate_type varchar(64), aggregate_id varchar(64), event_type varchar(64), "
               "payload json, data json")
    for name in ("orders_outbox", "payments_outbox"):
        server.execute(f"CREATE TABLE {name} ({columns}) ENGINE=BLACKHOLE", database)
    server.execute("CREATE TABLE orders (id int PRIMARY KEY)", database)
    sink = outlet("redis", database)
    engine = capture(bench, server, database, sink,
                     {"type": "outbox", "id": "o", "tables": ["orders_outbox"], "topic": f"{database}.orders.${{event_type}}"},
                     {"type": "outbox", "id": "p", "tables": [f"{database}.pay*"], "columns": {"payload": "data"},
                      "topic": f"{database}.payments.${{event_type}}", "key": "${data.who}", "raw_payload": True},
                     tables=[f"{database}.*_outbox"])
    document = json.dumps({"who": "me", "n": [1, 2]})
    server.execute("INSERT INTO orders VALUES (1)", database)
    server.execute(f"INSERT INTO orders_outbox VALUES ('a1', 'Order', '42', 'made', '{document}', NULL)", database)
    server.execute(f"INSERT INTO payments_outbox VALUES ('b1', 'Pay', '43', 'done', NULL, '{document}')", database)
    server.execute(f"INSERT INTO payments_outbox VALUES ('b2', 'Pay', '44', 'done', NULL, NULL)", database)

    orders = RedisReader(redis, f"{database}.orders.made")
    (event,) = records(orders, 1)
    assert event["after"] == {"who": "me", "n": [1, 2]} and event["source"]["table"] == "orders_outbox"
    assert "schema" not in event["source"] and orders.keys == [b"42"]
    assert orders.headers == [{"df-event-id": "a1", "df-aggregate-type": "Order", "df-aggregate-id": "42",
                               "df-event-type": "made", "df-source-kind": "outbox"}]
    payments = RedisReader(redis, f"{database}.payments.done")
    first, second = records(payments, 2)
    # MariaDB's JSON is text to its log, which a path cannot enter: the aggregate's id stands for the key.
    assert first == {"who": "me", "n": [1, 2]} and payments.keys == [b"me" if which == "mysql" else b"43", b"44"]
    assert second == {"id": "b2", "aggregate_type": "Pay", "aggregate_id": "44", "event_type": "done", "payload": None,
                      "data": None}, "a row without a payload is the payload"
    assert records(sink.reader(), 1)[0]["source"]["table"] == "orders"
    assert engine.terminate() == 0


def test_updates_and_deletes_of_an_outbox_are_nobodys_events(bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    server = with_blackhole(servers("mariadb"))
    database = bench.database(server)
    server.execute("CREATE TABLE outbox (id int AUTO_INCREMENT PRIMARY KEY, payload json)", database)
    server.execute("CREATE TABLE hole (id int AUTO_INCREMENT PRIMARY KEY, payload json) ENGINE=BLACKHOLE", database)
    sink = outlet("redis", database)
    engine = capture(bench, server, database, sink, {"type": "outbox"}, tables=["outbox", "hole"])
    server.script("INSERT INTO outbox (payload) VALUES ('1'), ('2'); UPDATE outbox SET payload = '3'; DELETE FROM outbox;"
                  "INSERT INTO outbox (payload) VALUES ('4');", database)
    assert [each["after"] for each in records(sink.reader(), 3)] == [1, 2, 4]
    wait_until(lambda: engine.metric("deltaforge_outbox_dropped_total") == 4, 10, "four to be counted")
    (warning,) = [text for text in engine.pipeline()["ops"]["warnings"] if "BLACKHOLE" in text]
    assert f"{database}.hole" in warning


def test_strict_names_all_that_is_missing(bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    """Nothing is lost meanwhile: with the setting mended it is delivered."""
    pg = servers(15)
    database = prepared(pg, bench)
    sink = outlet("redis", database)
    engine = capture(bench, pg, database, sink, {"type": "outbox", "strict": True}, prefixes=["outbox"])
    emit(pg, database, '{"aggregate_type": "Order", "event_type": null}')
    engine.wait_status({"failed"}, 20)
    message = engine.pipeline()["error"]["message"]
    assert "lacks topic, payload, aggregate_id, event_type" in message, message
    assert sink.reader().held() == 0
    name = engine.get("/pipelines")[0]["name"]
    status, text = engine.request("PATCH", f"/pipelines/{name}", {"spec": {"processors": [{"type": "outbox"}]}})
    assert status == 200, text
    assert records(sink.reader(), 2)[1]["after"] == {"aggregate_type": "Order", "event_type": None}


def test_strict_drops_nothing(bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    pg = servers(15)
    database = prepared(pg, bench)
    sink = outlet("file", database)
    engine = capture(bench, pg, database, sink, {"type": "outbox", "strict": True}, prefixes=["outbox"])
    emit(pg, database, "[1, 2]")
    engine.wait_status({"failed"}, 20)
    assert "is no JSON object" in engine.pipeline()["error"]["message"]


@matrix("which, transactional, kind", "15-True-file 15-False-file 15-True-redis 15-False-redis", (15, 17, 18), (True, False),
        ("file", "redis"))
def test_kills(which: int, transactional: bool, kind: str, bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    """Rows of a table that follow a message are never passed with it, and each message comes again with the id it had."""
    pg = servers(which)
    database = prepared(pg, bench)
    sink = outlet(kind, database)
    engine = capture(bench, pg, database, sink, {"type": "outbox"}, prefixes=["outbox"])
    pick, sent = random.Random(7), 0
    until = time.monotonic() + 12
    while time.monotonic() < until:
        for _ in range(pick.randint(5, 40)):
            sent += 1
            emit(pg, database, message("made", sent), transactional=transactional)
        engine.kill()
        engine.start()
    with pg.connect(database) as late, late.cursor() as cursor:
        cursor.execute("BEGIN; INSERT INTO orders DEFAULT VALUES")
        emit(pg, database, message("made", sent + 1), transactional=transactional)
        records(sink.reader(), 2 * sent + 2)
        engine.kill()
        engine.start()
        cursor.execute("COMMIT")
    reader = sink.reader()
    wait_until(lambda: len({each["event_id"] for each in records(reader, 1)}) >= 2 * sent + 3, 30, "all of them")
    events = records(reader, 1)
    ids: dict[int, set[str]] = {}
    for each in events:
        if each["source"]["table"] == "outbox":
            ids.setdefault(each["after"]["number"], set()).add(each["event_id"])
    assert list(ids) == list(range(1, sent + 2)) and all(len(same) == 1 for same in ids.values())
    if kind == "file":
        assert len(events) == 2 * sent + 3, "exactly once, in a file"
    else:
        assert len(events) > 2 * sent + 3, "no repetition seen: the kills hit nothing"
    assert engine.terminate() == 0
