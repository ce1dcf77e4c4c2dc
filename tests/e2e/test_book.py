"""Every complete pipeline of the book runs as it is printed, and what arrives has the printed shape. Where a printed sample
and its script differ, the script wins. How they are run: book.py. Here: the chapters up to routing; the outbox and chapter
30: test_book_examples.py; what reads them: test_book_consumers.py."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

import test_book_examples  # noqa: F401  (what it runs counts, too)
from book import (API_TOKEN, MYSQLS, ORDERS, PG_ORDERS, PIPELINES, RUN, STORY, TOLD, cloudevents, debezium, native, prints,
                  runner, told)
from conftest import Servers
from harness.procs import wait_until
from harness.webhook import Webhook

# What the build lacks for the files in tests/config/book/later. The list may only shrink.
WAITING = {
    "03-sources-16-avro-17-topics": ["snapshot", "encoding avro"],
    "25-schema-sensing-1": ["schema_sensing"],
    "30-examples-2": ["source turso", "schema_sensing"],
    "30-examples-6": ["schema_sensing"],
    "30-examples-7": ["exactly_once"],
    "30-examples-9": ["exactly_once"],
}
run = runner  # a fixture


@prints("00-introduction-1")
@MYSQLS
def test_introduction(which: str, run: Any, servers: Servers) -> None:
    with run("00-introduction-1", servers(which), ORDERS, ["kafka:order-events"]) as book:
        begin = time.time() * 1000
        book.sql(STORY)
        events = native(book["kafka:order-events"].events(4), book, "mysql-0", "orders")
        assert told(events) == TOLD
        assert all(isinstance(each["processed_at"], int) for each in events)
        assert all(begin - 1000 <= each["processed_at"] <= time.time() * 1000 for each in events)


@prints("02-quickstart-1")
@MYSQLS
def test_quickstart(which: str, run: Any, servers: Servers) -> None:
    with run("02-quickstart-1", servers(which), ORDERS, ["kafka:orders"]) as book:
        book.sql(STORY)
        events = native(book["kafka:orders"].events(4), book, "orders-mysql", "orders")
        assert told(events) == TOLD and all(each["tags"] == ["processed"] for each in events)
        # 3. Verify it's running
        engine = book.engine
        assert engine.request("GET", "/health")[0] == 200 and engine.request("GET", "/ready")[0] == 200
        assert [each["name"] for each in engine.get("/pipelines")] == ["orders-mysql-to-kafka"]
        # 4. Manage pipelines
        engine.post("/pipelines/orders-mysql-to-kafka/pause")
        engine.wait_status({"paused"})
        book.sql("INSERT INTO orders (status) VALUES ('paused')")
        time.sleep(0.5)
        book["kafka:orders"].assert_no_more()
        engine.post("/pipelines/orders-mysql-to-kafka/resume")
        assert book["kafka:orders"].events(5)[4]["after"]["status"] == "paused"
        engine.post("/pipelines/orders-mysql-to-kafka/stop")
        engine.wait_status({"stopped"})


@prints("03-configuration-1")
@MYSQLS
def test_mysql_to_kafka(which: str, run: Any, servers: Servers) -> None:
    with run("03-configuration-1", servers(which), ORDERS, ["kafka:orders"]) as book:
        book.sql(STORY)
        events = debezium(book["kafka:orders"].events(4), book, "orders-mysql", "orders")
        assert told(events) == TOLD and all(each["tags"] == ["normalized"] for each in events)


@prints("03-configuration-2")
def test_postgres_to_kafka_with_cloudevents(run: Any, servers: Servers) -> None:
    tables = """CREATE TABLE users (id serial PRIMARY KEY, name text, email text);
        CREATE TABLE user_sessions (id serial PRIMARY KEY, user_id int); CREATE TABLE other (id int PRIMARY KEY);
        ALTER TABLE users REPLICA IDENTITY FULL;"""
    with run("03-configuration-2", servers(15), tables, ["kafka:user-events"], database="mydb") as book:
        book.sql("""INSERT INTO users (name, email) VALUES ('Alice', 'alice@example.com'); INSERT INTO other VALUES (1);
            INSERT INTO user_sessions (user_id) VALUES (1); UPDATE users SET email = 'alice.new@example.com';
            DELETE FROM users;""")
        old = {"id": 1, "name": "Alice", "email": "alice@example.com"}
        new = {**old, "email": "alice.new@example.com"}
        data = cloudevents(book["kafka:user-events"].events(4), "users-postgres", "com.acme.users",
                           "public.users public.user_sessions public.users public.users")
        assert told(data) == [("c", None, old), ("c", None, {"id": 1, "user_id": 1}), ("u", old, new), ("d", new, None)]


@prints("03-configuration-3", "11-sinks")
@pytest.mark.parametrize("file, stream", [("03-configuration-3", "orders-cache"), ("11-sinks", "analytics")])
@MYSQLS
def test_many_formats(which: str, file: str, stream: str, run: Any, servers: Servers) -> None:
    with run(file, servers(which), ORDERS, ["kafka:connect-events", "kafka:lambda-events", f"redis:{stream}"]) as book:
        book.sql(STORY)
        name = "orders-mysql"
        assert told(debezium(book["kafka:connect-events"].events(4), book, name, "orders")) == TOLD
        assert told(cloudevents(book["kafka:lambda-events"].events(4), name, "com.acme.cdc", "shop.orders")) == TOLD
        assert told(native(book[f"redis:{stream}"].events(4), book, name, "orders")) == TOLD


@prints("03-configuration-4", "14-nats")
@MYSQLS
def test_mysql_to_nats(which: str, run: Any, servers: Servers) -> None:
    tables = ORDERS + "CREATE TABLE order_items (id int PRIMARY KEY); CREATE TABLE other (id int PRIMARY KEY);"
    with run("03-configuration-4", servers(which), tables, ["nats:ORDERS=orders.>"]) as book:
        book.sql(STORY + "INSERT INTO other VALUES (1); INSERT INTO order_items VALUES (5);")
        arrived = book["nats:ORDERS"]
        events = native(arrived.events(5), book, "orders-mysql", "orders orders orders orders order_items")
        assert told(events) == [*TOLD, ("c", None, {"id": 5})]
        assert set(arrived.subjects) == {"orders.events"}
        # Chapter 14, "Deduplication"
        assert len({each["Nats-Msg-Id"] for each in arrived.headers}) == 5
    with run("14-nats", servers(which), ORDERS, ["nats:ORDERS=orders.>"]) as book:
        book.sql(STORY)
        assert told(native(book["nats:ORDERS"].events(4), book, "orders-mysql", "orders")) == TOLD


@prints("03-options-08-patterns-16-envelopes-23-storage")
def test_patterns_of_postgres(run: Any, servers: Servers) -> None:
    """The slot is there before (chapter 8, "Replication Slot and Publication"): a new one holds no position to begin at."""
    pg = servers(15)
    tables = PG_ORDERS + """CREATE SCHEMA myschema; CREATE SCHEMA third; CREATE TABLE myschema.thing (id int PRIMARY KEY);
        CREATE TABLE order_items (id int PRIMARY KEY); CREATE TABLE third.audit_log (id int PRIMARY KEY);
        CREATE TABLE third.orders (id int PRIMARY KEY); CREATE PUBLICATION users_pub FOR ALL TABLES;
        SELECT pg_create_logical_replication_slot('deltaforge_users', 'pgoutput'); INSERT INTO orders (id) VALUES (99);"""

    def replaced() -> dict[str, str]:
        return {"host=localhost port=5432 user=deltaforge password=pass": f"host=127.0.0.1 port={pg.port} user=postgres",
                "0/16B6C50": pg.query("SELECT pg_current_wal_lsn()")[0][0]}
    with run("03-options-08-patterns-16-envelopes-23-storage", pg, tables, ["kafka:events", "kafka:more"], database="mydb",
             replaced=replaced) as book:
        for table in ("orders", "third.orders", "myschema.thing", "order_items", "third.audit_log"):
            book.sql(f"INSERT INTO {table} (id) VALUES (1)")
        for topic in ("kafka:events", "kafka:more"):
            events = native(book[topic].events(4), book, "users-postgres", "orders thing order_items audit_log")
            assert [each["after"]["id"] for each in events] == [1, 1, 1, 1], "not the row before that position"


@prints("08-source-13-sink-29-batch")
def test_postgres_to_kafka(run: Any, servers: Servers) -> None:
    tables = PG_ORDERS + "CREATE TABLE order_items (id int PRIMARY KEY); ALTER TABLE orders REPLICA IDENTITY FULL;"
    with run("08-source-13-sink-29-batch", servers(15), tables, ["kafka:orders"], database="orders") as book:
        book.sql("""BEGIN; INSERT INTO orders (customer, total) VALUES ('alice', 149.99); INSERT INTO order_items VALUES (3);
            COMMIT; UPDATE orders SET status = 'paid'; DELETE FROM order_items;""")
        row = {"id": 1, "customer": "alice", "total": "149.99", "status": None}
        events = native(book["kafka:orders"].events(4), book, "orders-postgres", "orders order_items orders order_items")
        assert told(events) == [("c", None, row), ("c", None, {"id": 3}), ("u", row, {**row, "status": "paid"}),
                                ("d", {"id": 3}, None)]


@prints("10-filters")
@MYSQLS
def test_filters(which: str, run: Any, servers: Servers) -> None:
    tables = """CREATE TABLE orders (id int PRIMARY KEY, status varchar(20), total int, retry_count int);
        CREATE TABLE inventory.products (id int PRIMARY KEY, stock_qty int);"""
    names = ["only-active-orders", "no-deletes", "alert-worthy", "low-stock", "real-status-changes"]
    with run("10-filters", servers(which), tables, [f"redis:{each}" for each in names], more_databases=("inventory",)) as book:
        book.sql("""INSERT INTO orders VALUES (1, 'active', 100, 0), (2, 'active', 99, 0), (3, 'failed', 500, 0),
                (4, 'pending', 500, 3);
            UPDATE orders SET total = 101 WHERE id = 1;
            UPDATE orders SET status = 'active' WHERE id = 4;
            DELETE FROM orders WHERE id = 3;
            INSERT INTO inventory.products VALUES (1, 10), (2, 9), (3, 0);
            DELETE FROM inventory.products WHERE id = 3;""")

        def ids(name: str, count: int) -> list[tuple[str, int]]:
            return [(op, (after or before)["id"]) for op, before, after in told(book[f"redis:{name}"].events(count))]
        assert ids("only-active-orders", 3) == [("c", 1), ("u", 1), ("u", 4)]
        assert ids("no-deletes", 9) == [*(("c", id) for id in (1, 2, 3, 4)), ("u", 1), ("u", 4),
                                        *(("c", id) for id in (1, 2, 3))]
        assert ids("alert-worthy", 3) == [("c", 3), ("c", 4), ("u", 4)]
        assert ids("real-status-changes", 1) == [("u", 4)]
        low = book["redis:low-stock"].events(2)
        assert [each["after"] for each in low] == [{"id": 2, "stock_qty": 9, "alert_level": "warning"},
                                                   {"id": 3, "stock_qty": 0, "alert_level": "critical"}]


@prints("10-flatten")
def test_flatten(run: Any, servers: Servers) -> None:
    tables = """CREATE TABLE orders (order_id varchar(20) PRIMARY KEY, customer json, tags json, meta json, none json);
        CREATE TABLE outbox (id int AUTO_INCREMENT PRIMARY KEY, aggregate_type varchar(64), aggregate_id varchar(64),
          event_type varchar(64), payload json);"""
    streams = [f"redis:{each}" for each in ("flat", "flat-debezium", "flat-cloudevents", "Order.OrderCreated",
                                            "raw.Order.OrderCreated", "analytics", "rest")]
    with run("10-flatten", servers("mysql"), tables, streams) as book:
        customer = '{"id": 1, "address": {"city": "Berlin", "zip": "10115"}}'
        book.sql(f"""INSERT INTO orders VALUES ('abc', '{customer}', '["vip"]', '{{}}', '[]');
            INSERT INTO outbox (aggregate_type, aggregate_id, event_type, payload) VALUES ('Order', '1', 'OrderCreated',
              '{{"customer": {customer}, "tags": ["vip"], "none": []}}');""")
        customers = {"customer__id": 1, "customer__address__city": "Berlin", "customer__address__zip": "10115"}
        printed = {"order_id": "abc", **customers, "tags": ["vip"], "meta": {}}
        (flat,) = native(book["redis:flat"].events(1), book, "mysql-1", "orders")
        assert flat["after"] == printed
        (flat,) = debezium(book["redis:flat-debezium"].events(1), book, "mysql-1", "orders")
        assert flat["after"] == printed
        (flat,) = cloudevents(book["redis:flat-cloudevents"].events(1), "mysql-1", "com.example.cdc", "shop.orders")
        assert flat["after"] == printed
        (flat,) = native(book["redis:Order.OrderCreated"].events(1), book, "mysql-2", "outbox")
        assert flat["after"] == {**{name.replace("__", "."): value for name, value in customers.items()}, "tags": ["vip"]}
        assert book["redis:raw.Order.OrderCreated"].events(1) == [{**customers, "tags": ["vip"]}]
        (flat,) = native(book["redis:analytics"].events(1), book, "mysql-4", "orders")
        assert flat["after"] == {"order_id": "abc", **customers, "tags__0": "vip"}


@prints("15-http", "15-webhook")
@MYSQLS
def test_webhooks(which: str, run: Any, servers: Servers, webhook: Webhook) -> None:
    """`.api.internal` becomes `.localhost`; that it may be an address of our own network must be said (contract S22)."""
    replaced = {'"https://${source.db}.api.internal/events"':
                f'"http://${{source.db}}.localhost:{webhook.port}/by-database"\n        allow_hosts: ["*.localhost"]'}
    tables = ORDERS + "CREATE TABLE customers (id int PRIMARY KEY);"
    with run("15-http", servers(which), tables, [], replaced=replaced) as book:
        book.sql(STORY + "INSERT INTO customers VALUES (1)")

        def requests(path: str, count: int) -> list[Any]:
            wait_until(lambda: sum(len(each.events()) for each in webhook.requests(path)) >= count, 30, f"{count} at {path}")
            return webhook.requests(path)
        single = requests("/events", 5)
        for each in single:
            assert each.method == "POST" and each.headers["content-type"] == "application/json"
            assert each.headers["authorization"] == f"Bearer {API_TOKEN}" and each.headers["x-source"] == "deltaforge"
        events = [each.events()[0] for each in single]
        assert all(json.loads(each.body) == event for each, event in zip(single, events)), "one event, no array"
        orders = [each for each in events if each["source"]["table"] == "orders"]
        by_id = [each for each in orders if (each["after"] or each["before"])["id"] == 1]
        assert told(native(by_id, book, "orders-mysql", "orders")) == [TOLD[0], TOLD[2]], "in the order of each key"
        assert len({each["id"] for each in events}) == 5
        assert {each.path for each in requests("/cdc/", 5)} == {"/cdc/orders", "/cdc/customers"}
        arrays = requests("/by-database", 5)
        assert all(each.body.startswith("[") and each.headers["host"].startswith("shop.localhost") for each in arrays)
        batched = [event for each in arrays for event in each.events()]
        assert told(batched) == [*TOLD, ("c", None, {"id": 1})]
        assert len(webhook.requests("/events")) == 5
    with run("15-webhook", servers(which), ORDERS, []) as book:
        book.sql(STORY)
        assert len(requests("/webhook", 4)) == 4


@prints("17-redis", "17-routes")
@MYSQLS
def test_routes(which: str, run: Any, servers: Servers) -> None:
    tables = ORDERS + "CREATE TABLE customers (id int PRIMARY KEY);"
    with run("17-redis", servers(which), tables, ["redis:events:orders", "redis:events:customers"]) as book:
        book.sql(STORY + "INSERT INTO customers VALUES (9)")
        assert told(book["redis:events:orders"].events(4)) == TOLD
        assert told(book["redis:events:customers"].events(1)) == [("c", None, {"id": 9})]
        assert book["redis:events:orders"].keys[:3] == [b"1", b"2", b"1"] and book["redis:events:customers"].keys == [b"9"]

    amounts = ORDERS + "ALTER TABLE orders ADD total_amount int;"
    streams = ["kafka:cdc.shop.orders", "nats:CDC=cdc.>", "nats:ORDERS=orders.>",
               *(f"{kind}:{name}" for kind in ("kafka", "redis") for name in ("orders", "orders.priority", "orders.standard"))]
    with run("17-routes", servers(which), amounts, streams) as book:
        book.sql("""INSERT INTO orders (customer_id, total_amount) VALUES (42, 10001), (43, 10000);
            DELETE FROM orders WHERE id = 2;""")
        routed = book["kafka:cdc.shop.orders"]
        assert [op for op, _, _ in told(debezium(routed.events(3), book, "mysql-1", "orders"))] == ["c", "c", "d"]
        assert routed.keys[:2] == [b"42", b"43"]
        routed = book["nats:CDC"]
        native(routed.events(3), book, "mysql-2", "orders")
        assert set(routed.subjects) == {"cdc.shop.orders"}
        assert [each.get("df-key") for each in routed.headers][:2] == ["1", "2"]

        tier = {"x-tier": "high-value", "x-amount": "10001"}
        for kind in ("kafka", "redis"):
            priority, standard = book[f"{kind}:orders.priority"], book[f"{kind}:orders.standard"]
            assert [each["after"]["customer_id"] for each in native(priority.events(1), book, "mysql-3", "orders")] == [42]
            assert priority.keys == [b"42"] and priority.headers[0].items() >= tier.items()
            assert [each["after"]["customer_id"] for each in native(standard.events(1), book, "mysql-3", "orders")] == [43]
            assert standard.keys == [b"43"] and not tier.keys() & standard.headers[0].keys()
            assert told(book[f"{kind}:orders"].events(1))[0][0] == "d", "what the script leaves goes where the sink says"
        routed = book["nats:ORDERS"]
        assert [op for op, _, _ in told(routed.events(3))] == ["c", "c", "d"]
        assert routed.subjects == ["orders.priority", "orders.standard", "orders.events"]
        assert [each.get("df-key") for each in routed.headers][:2] == ["42", "43"]
        assert routed.headers[0].items() >= tier.items()


@prints("20-dead-letters-1")
def test_dead_letters(run: Any, servers: Servers) -> None:
    """The entry, the count, ack and purge that the chapter prints, for a record that the broker does not take."""
    with run("20-dead-letters-1", servers(15), PG_ORDERS, ["kafka:orders"]) as book:
        queue = "/pipelines/fragment/journal/dlq"
        book.sql("INSERT INTO orders (customer, status) VALUES ('a', 'first');"
                 "INSERT INTO orders (customer, status) SELECT 'b', string_agg(md5(n::text), '') FROM generate_series(1, 100000) n;"
                 "INSERT INTO orders (customer, status) VALUES ('c', 'third');")
        assert [after["status"] for _, _, after in told(book["kafka:orders"].events(2))] == ["first", "third"]
        entry, = book.engine.get(f"{queue}?limit=10")
        assert entry.keys() == {"seq", "timestamp", "pipeline", "stream", "event_id", "source_cursor", "payload_truncated",
                                "event", "meta"}
        assert entry["pipeline"] == "fragment" and entry["stream"] == "dlq" and entry["payload_truncated"]
        assert entry["event"]["id"] == entry["event_id"] and entry["event"]["op"] == "c"
        assert entry["event"]["source"]["table"] == "orders" and "left out" in entry["event"]["after"]
        assert entry["meta"].keys() == {"sink_id", "error_kind", "error_message", "attempts"}
        assert entry["meta"]["sink_id"] == "k" and entry["meta"]["error_kind"] == "too_large"
        assert book.engine.get(f"{queue}?sink_id=k&error_kind=too_large&limit=5") == [entry]
        assert book.engine.get(f"{queue}/count") == {"count": 1}
        assert json.loads(book.engine.request("POST", f"{queue}/ack", {"up_to_seq": entry["seq"] - 1})[1]) == {"acked": 0}
        assert json.loads(book.engine.request("DELETE", queue)[1]) == {"purged": 1}


def test_every_file_is_run_or_waits() -> None:
    assert RUN == {path.stem for path in (PIPELINES / "loads").glob("*.yaml")}
    waiting = {path.stem: path.with_suffix(".expect").read_text() for path in (PIPELINES / "later").glob("*.yaml")}
    assert waiting.keys() == WAITING.keys(), "a file that loads now belongs to `loads`, and gets a test"
    for name, reasons in WAITING.items():
        assert len(set(reasons)) == len(reasons)
        assert all(f"not in this build: {reason}" in waiting[name] for reason in reasons), waiting[name]
        for line in waiting[name].splitlines():
            assert any(f"not in this build: {reason}" in line for reason in reasons), line
