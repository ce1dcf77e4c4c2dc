"""Every complete pipeline of the book runs as it is printed, and what arrives has the printed shape. Where a printed sample
and its script differ, the script wins. How they are run: book.py. What reads them: test_book_consumers.py."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from book import API_TOKEN, PIPELINES, cloudevents, debezium, native, runner, told
from conftest import Servers
from harness.mysql import Mariadb, MysqlFamily
from harness.procs import wait_until
from harness.webhook import Webhook

# What the build lacks for the files in tests/config/book/later. The list may only shrink.
WAITING = {
    "03-sources-16-avro-17-topics": ["snapshot", "encoding avro"],
    "20-dead-letters-1": ["journal"],
    "25-schema-sensing-1": ["schema_sensing"],
    "30-examples-2": ["source turso", "schema_sensing"],
    "30-examples-6": ["schema_sensing"],
    "30-examples-7": ["exactly_once"],
    "30-examples-9": ["exactly_once"],
}
run = runner  # a fixture
_RUN: set[str] = set()
Test = Callable[..., None]


def prints(*names: str) -> Callable[[Test], Test]:
    """Which files of tests/config/book/loads a test runs."""
    _RUN.update(names)
    return lambda test: test


MYSQLS = pytest.mark.parametrize("which", ["mysql", pytest.param("mariadb", marks=pytest.mark.full)])

ORDERS = ("CREATE TABLE orders (id int AUTO_INCREMENT PRIMARY KEY, customer_id int, email varchar(100), "
          "total decimal(10,2), status varchar(20));")
STORY = """INSERT INTO orders (customer_id, email, total, status) VALUES (7, 'alice@example.com', 1500.00, 'pending');
INSERT INTO orders (customer_id, email, total, status) VALUES (8, 'bob@example.com', 99.99, 'pending');
UPDATE orders SET status = 'paid' WHERE id = 1;
DELETE FROM orders WHERE id = 2;
"""
ALICE = {"id": 1, "customer_id": 7, "email": "alice@example.com", "total": "1500.00", "status": "pending"}
PAID = {**ALICE, "status": "paid"}
BOB = {"id": 2, "customer_id": 8, "email": "bob@example.com", "total": "99.99", "status": "pending"}
TOLD = [("c", None, ALICE), ("c", None, BOB), ("u", ALICE, PAID), ("d", BOB, None)]

PG_ORDERS = "CREATE TABLE orders (id serial PRIMARY KEY, customer text, total numeric(10,2), status text);"


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
    pg = servers(15)
    tables = PG_ORDERS + """CREATE SCHEMA myschema; CREATE SCHEMA third; CREATE TABLE myschema.thing (id int PRIMARY KEY);
        CREATE TABLE order_items (id int PRIMARY KEY); CREATE TABLE third.audit_log (id int PRIMARY KEY);
        CREATE TABLE third.orders (id int PRIMARY KEY);"""
    here = pg.query("SELECT pg_current_wal_lsn()")[0][0]
    replaced = {"host=localhost port=5432 user=deltaforge password=pass": f"host=127.0.0.1 port={pg.port} user=postgres",
                "0/16B6C50": here}
    with run("03-options-08-patterns-16-envelopes-23-storage", pg, tables, ["kafka:events", "kafka:more"], database="mydb",
             replaced=replaced) as book:
        for table in ("orders", "third.orders", "myschema.thing", "order_items", "third.audit_log"):
            book.sql(f"INSERT INTO {table} (id) VALUES (1)")
        for topic in ("kafka:events", "kafka:more"):
            native(book[topic].events(4), book, "users-postgres", "orders thing order_items audit_log")


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
        assert list(flat["after"].items()) == list(printed.items())
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
        by_id = [each for each in events if each["source"]["table"] == "orders" and (each["after"] or each["before"])["id"] == 1]
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


@prints("18-outbox-1")
def test_outbox_of_postgres(run: Any, servers: Servers) -> None:
    topics = ["kafka:Order.OrderCreated", "kafka:events.unrouted", "kafka:events.fallback"]
    with run("18-outbox-1", servers(15), "CREATE TABLE orders (id int PRIMARY KEY, total numeric(10,2));", topics) as book:
        book.sql("""
            BEGIN;
            INSERT INTO orders (id, total) VALUES (42, 99.99);
            SELECT pg_logical_emit_message(
              true,     -- transactional: tied to the enclosing TX
              'outbox', -- prefix: matched by DeltaForge
              '{"aggregate_type":"Order","aggregate_id":"42","event_type":"OrderCreated","payload":{"total":99.99}}'
            );
            COMMIT;
            BEGIN;
            INSERT INTO orders (id, total) VALUES (43, 1);
            SELECT pg_logical_emit_message(true, 'outbox', '{"aggregate_type":"Order","event_type":"OrderCreated"}');
            ROLLBACK;
            SELECT pg_logical_emit_message(true, 'outbox', '{"payload":{"nobody":"knows"}}');
            SELECT pg_logical_emit_message(true, 'foreign', '{"payload":{"not":"ours"}}');""")
        created = book["kafka:Order.OrderCreated"]
        assert created.bodies(1) == [b'{"total":99.99}'] and created.keys == [b"42"]
        assert created.headers[0].items() >= {"df-aggregate-type": "Order", "df-aggregate-id": "42",
                                              "df-event-type": "OrderCreated"}.items()
        assert book["kafka:events.unrouted"].events(1) == [{"nobody": "knows"}]
        rows = native(book["kafka:events.fallback"].events(1), book, "pg1", "orders")
        assert told(rows) == [("c", None, {"id": 42, "total": "99.99"})]


def with_blackhole(server: MysqlFamily) -> MysqlFamily:
    if isinstance(server, Mariadb):
        server.execute("INSTALL PLUGIN IF NOT EXISTS blackhole SONAME 'ha_blackhole'")
    return server


OUTBOX = """(id INT AUTO_INCREMENT PRIMARY KEY, aggregate_type VARCHAR(64), aggregate_id VARCHAR(64), event_type VARCHAR(64),
    payload JSON) ENGINE=BLACKHOLE;"""


@prints("18-outbox-2")
@MYSQLS
def test_several_outboxes_of_mysql(which: str, run: Any, servers: Servers) -> None:
    topics = ["kafka:orders.OrderCreated", "kafka:payments.PaymentReceived", "kafka:events.default"]
    tables = ORDERS + f"CREATE TABLE orders_outbox {OUTBOX} CREATE TABLE payments_outbox {OUTBOX}"
    with run("18-outbox-2", with_blackhole(servers(which)), tables, topics) as book:
        book.sql("""BEGIN; INSERT INTO orders (customer_id, total) VALUES (1, 99.99);
            INSERT INTO orders_outbox (aggregate_type, aggregate_id, event_type, payload)
              VALUES ('Order', '42', 'OrderCreated', '{"total": 99.99}');
            INSERT INTO payments_outbox (aggregate_type, aggregate_id, event_type, payload)
              VALUES ('Payment', '43', 'PaymentReceived', '{"paid": true}'); COMMIT;""")
        assert book["kafka:orders.OrderCreated"].events(1) == [{"total": 99.99}]
        assert book["kafka:payments.PaymentReceived"].events(1) == [{"paid": True}]
        (keys, headers) = (book["kafka:payments.PaymentReceived"].keys, book["kafka:payments.PaymentReceived"].headers[0])
        assert keys == [b"43"] and headers["df-aggregate-type"] == "Payment"
        native(book["kafka:events.default"].events(1), book, "m1", "orders")
        (warning,) = [text for text in book.engine.pipeline("shop-events")["ops"]["warnings"] if "orders_outbox" in text]
        assert "BLACKHOLE" in warning


@prints("18-migrating")
def test_outbox_with_other_columns(run: Any, servers: Servers) -> None:
    streams = ["kafka:Order.made", "kafka:events.fallback", "redis:order.made", "redis:rest", "redis:orders.made",
               "redis:payments.done", "redis:channels"]
    with run("18-migrating", servers(15), PG_ORDERS, streams) as book:
        def emit(prefix: str, **message: Any) -> None:
            book.sql(f"SELECT pg_logical_emit_message(true, '{prefix}', $m${json.dumps(message)}$m$)")
        emit("outbox_events", id="e7d2", aggregatetype="Order", aggregateid="42", type="made", payload={"total": 1},
             traceid="abc-123", tenant="acme")
        emit("own", uuid=17, type="order", key=42, action="made", data={"n": 1}, trace_id="t", correlation_id=True, region=None)
        emit("orders_outbox", event_type="made", payload={"n": 2})
        emit("payments_outbox", event_type="done", data={"n": 3})
        book.sql("INSERT INTO orders (id) VALUES (1)")

        made = book["kafka:Order.made"]
        assert made.events(1) == [{"total": 1}] and made.keys == [b"42"]
        assert made.headers[0].items() >= {"df-event-id": "e7d2", "df-aggregate-type": "Order", "df-aggregate-id": "42",
                                           "df-event-type": "made", "x-trace-id": "abc-123", "x-tenant": "acme"}.items()
        made = book["redis:order.made"]
        (event,) = native(made.events(1), book, "pg2", "own")
        assert event["after"] == {"n": 1} and made.keys == [b"42"]
        assert made.headers[0].items() >= {"df-event-id": "17", "x-trace-id": "t", "x-correlation-id": "true"}.items()
        assert "x-source-region" not in made.headers[0]
        assert book["redis:orders.made"].events(1) == [{"n": 2}] and book["redis:payments.done"].events(1) == [{"n": 3}]
        for stream, source in (("kafka:events.fallback", "pg1"), ("redis:rest", "pg2"), ("redis:channels", "pg3")):
            native(book[stream].events(1), book, source, "orders")


# chapter 30


@prints("30-examples-1", "30-variations")
@MYSQLS
def test_mysql_to_redis(which: str, run: Any, servers: Servers) -> None:
    tables = "CREATE TABLE orders (id int AUTO_INCREMENT PRIMARY KEY, email text, total decimal(10,2), status text);"
    insert = "INSERT INTO shop.orders (email, total, status) VALUES ('alice@example.com', 99.99, 'pending');"
    row = {"id": 1, "email": "[redacted]", "total": "99.99", "status": "pending"}
    with run("30-examples-1", servers(which), tables, ["redis:orders"]) as book:
        book.sql(insert + "UPDATE orders SET email = NULL; DELETE FROM orders;")
        clear = {**row, "email": "alice@example.com"}
        none = {**row, "email": None}
        assert told(native(book["redis:orders"].events(3), book, "orders-mysql", "orders")) == [
            ("c", None, row), ("u", clear, none), ("d", none, None)], "the script looks at `after` alone"
    streams = ["redis:orders", "nats:USERS=users.>", "kafka:two-of-three", "redis:two-of-three", "nats:ORDERS=orders.>",
               "kafka:all-of-two", "redis:all-of-two"]
    with run("30-variations", servers(which), ORDERS, streams) as book:
        book.sql(STORY)
        assert told(debezium(book["redis:orders"].events(4), book, "mysql-1", "orders")) == TOLD
        assert told(debezium(book["nats:USERS"].events(4), book, "mysql-2", "orders")) == TOLD
        for stream in ("kafka:two-of-three", "redis:two-of-three", "nats:ORDERS"):
            assert told(native(book[stream].events(4), book, "mysql-3", "orders")) == TOLD
        assert told(debezium(book["kafka:all-of-two"].events(4), book, "mysql-4", "orders")) == TOLD
        assert told(native(book["redis:all-of-two"].events(4), book, "mysql-4", "orders")) == TOLD


@prints("30-examples-3")
def test_postgres_to_nats(run: Any, servers: Servers) -> None:
    tables = """CREATE TABLE users (id serial PRIMARY KEY, name text, email text, created_at timestamptz);
        CREATE TABLE profiles (id int PRIMARY KEY); CREATE TABLE user_sessions (id int PRIMARY KEY);
        CREATE PUBLICATION users_pub FOR TABLE users, profiles, user_sessions;"""
    with run("30-examples-3", servers(15), tables, ["nats:USERS=users.>"], database="mydb") as book:
        book.sql("""INSERT INTO users (name, email, created_at) VALUES ('Alice', 'alice@example.com', '2025-01-15T10:30:00Z');
            UPDATE users SET email = 'alice.new@example.com' WHERE name = 'Alice'; INSERT INTO profiles VALUES (2);""")
        row = {"id": 1, "name": "Alice", "email": "alice@example.com", "created_at": "2025-01-15T10:30:00Z"}
        arrived = book["nats:USERS"]
        data = cloudevents(arrived.events(3), "users-postgres", "com.acme.users", "public.users public.users public.profiles")
        assert told(data) == [("c", None, row), ("u", None, {**row, "email": "alice.new@example.com"}), ("c", None, {"id": 2})]
        assert set(arrived.subjects) == {"users.events"}


@prints("30-examples-4")
@MYSQLS
def test_fan_out(which: str, run: Any, servers: Servers) -> None:
    tables = ORDERS + "CREATE TABLE order_items (id int PRIMARY KEY);"
    with run("30-examples-4", servers(which), tables, ["kafka:orders.cdc", "redis:orders:cache", "nats:ORDERS=orders.>"]) as book:
        book.sql(STORY + "INSERT INTO order_items VALUES (5)")
        everything = [*TOLD, ("c", None, {"id": 5})]
        names = "orders orders orders orders order_items"
        high, low = ["entity:order", "priority:high", "enriched"], ["entity:order", "enriched"]
        for events in (debezium(book["kafka:orders.cdc"].events(5), book, "orders-mysql", names),
                       native(book["redis:orders:cache"].events(5), book, "orders-mysql", names)):
            assert told(events) == everything
            assert [each["tags"] for each in events] == [high, low, high, low, ["enriched"]]
        data = cloudevents(book["nats:ORDERS"].events(5), "orders-mysql", "com.acme.orders",
                           " ".join(f"shop.{name}" for name in names.split()))
        assert told(data) == everything


@prints("30-examples-5")
@MYSQLS
def test_event_filtering(which: str, run: Any, servers: Servers) -> None:
    """The script asks for `email` where the printed rows have `customer_email`, and drops rows of tables that have no
    `deleted_at` at all: undefined is not null."""
    tables = """CREATE TABLE orders (id int AUTO_INCREMENT PRIMARY KEY, customer_email text, email text, phone text,
          total decimal(10,2), status text, deleted_at datetime);
        CREATE TABLE order_items (id int PRIMARY KEY);
        CREATE TABLE audit_log (id int AUTO_INCREMENT PRIMARY KEY, level text, message text, deleted_at datetime);"""
    with run("30-examples-5", servers(which), tables, ["kafka:orders.filtered"]) as book:
        book.sql("""
            INSERT INTO shop.orders (customer_email, total, status) VALUES ('alice@example.com', 99.99, 'pending');
            INSERT INTO shop.orders (email, phone, total) VALUES ('alice@example.com', '555-1234', 99.99);
            INSERT INTO shop.orders (email, total) VALUES ('test@test.local', 50.00);
            INSERT INTO shop.orders (email) VALUES ('nonsense');
            INSERT INTO shop.orders (customer_email, total, status, deleted_at) VALUES ('bob@example.com', 75.00, 'pending', NOW());
            INSERT INTO shop.audit_log (level, message) VALUES ('info', 'User logged in');
            INSERT INTO shop.audit_log (level, message) VALUES ('error', 'Payment failed');
            INSERT INTO shop.order_items VALUES (1);
            DELETE FROM shop.orders WHERE id = 4; DELETE FROM shop.audit_log;""")
        events = native(book["kafka:orders.filtered"].events(5), book, "orders-mysql", "orders orders orders audit_log orders")
        assert [each["op"] for each in events] == ["c", "c", "c", "c", "d"]
        assert all(each["tags"] == ["filtered"] for each in events)
        kept = [each["after"] or each["before"] for each in events]
        assert [each.get("email") for each in kept] == [None, "a***e@example.com", "[invalid-email]", None, "nonsense"]
        assert kept[0]["customer_email"] == "alice@example.com" and kept[1]["phone"] == "[redacted]"
        assert (kept[3]["level"], kept[3]["message"]) == ("error", "Payment failed")


CACHE_TABLES = """CREATE TABLE users (id int PRIMARY KEY, email varchar(100));
    CREATE TABLE products (id int PRIMARY KEY, category_id int); CREATE TABLE orders (id int PRIMARY KEY, user_id int);
    CREATE TABLE inventory (id int PRIMARY KEY, product_id int);"""
CACHE_STORY = """INSERT INTO users VALUES (1, 'alice@example.com');
    UPDATE app.users SET email = 'alice.new@example.com' WHERE id = 1;
    INSERT INTO products VALUES (2, 20); INSERT INTO orders VALUES (3, 1); INSERT INTO inventory VALUES (4, 2);
    DELETE FROM orders;"""
CACHE_KEYS = [["user:1", "user:email:alice@example.com", "user:1:orders", "user:1:profile"],
              ["user:1", "user:email:alice.new@example.com", "user:email:alice@example.com", "user:1:orders",
               "user:1:profile"],
              ["product:2", "product:2:details", "category:20:products"], ["order:3", "user:1:orders"],
              ["inventory:2", "product:2:stock"], ["order:3", "user:1:orders"]]


@prints("30-examples-8")
@MYSQLS
def test_cache_invalidation(which: str, run: Any, servers: Servers) -> None:
    with run("30-examples-8", servers(which), CACHE_TABLES, ["redis:cache:invalidations"], database="app") as book:
        book.sql(CACHE_STORY)
        events = native(book["redis:cache:invalidations"].events(6), book, "app-mysql",
                        "users users products orders inventory orders")
        strategies = ["batched"] * 4 + ["immediate"] * 2
        for event, keys, strategy in zip(events, CACHE_KEYS, strategies):
            record = event["after"] or event["before"]
            assert record["_cache_keys"] == keys and record["_invalidation_strategy"] == strategy
            assert event["tags"] == ["cache:invalidate", f"strategy:{strategy}", f"keys:{len(keys)}"]
        assert "_cache_keys" not in events[1]["before"]


SALES_TABLES = """CREATE TABLE orders (id int PRIMARY KEY, customer_id int, total decimal(10,2), status varchar(20),
      channel varchar(20), item_count int);
    CREATE TABLE order_items (id int PRIMARY KEY, order_id int, product_id int, quantity int, line_total decimal(10,2));
    CREATE TABLE payments (id int PRIMARY KEY, order_id int, method varchar(20), amount decimal(10,2));
    CREATE TABLE cart_events (id int PRIMARY KEY);"""
SALES_STORY = """INSERT INTO orders VALUES (98765, 12345, 299.99, 'pending', 'mobile', 3);
    INSERT INTO orders VALUES (98766, 12345, 600, 'pending', NULL, 1);
    INSERT INTO order_items VALUES (1, 98765, 5, 2, 10.50); INSERT INTO payments VALUES (2, 98765, 'card', 299.99);
    INSERT INTO cart_events VALUES (3); UPDATE orders SET status = 'paid' WHERE id = 98765;
    DELETE FROM orders WHERE id = 98766;"""


@prints("30-examples-10")
@MYSQLS
def test_analytics(which: str, run: Any, servers: Servers) -> None:
    with run("30-examples-10", servers(which), SALES_TABLES, ["kafka:analytics.events", "redis:analytics:realtime"]) as book:
        book.sql(SALES_STORY)
        names = "orders orders order_items payments cart_events orders orders"
        events = native(book["kafka:analytics.events"].events(7), book, "ecommerce-mysql", names)
        assert events == native(book["redis:analytics:realtime"].events(7), book, "ecommerce-mysql", names)
        assert list(events[0]["after"]) == ["id", "customer_id", "total", "status", "channel", "item_count", "_analytics"]
        assert events[0]["tags"] == ["orders", "c", "status:pending"]
        committed = time.gmtime(events[0]["ts_ms"] / 1000)
        when = {"hour_of_day": committed.tm_hour, "day_of_week": (committed.tm_wday + 1) % 7}
        assert events[0]["after"]["_analytics"] == {
            "event_type": "orders.created",
            "dimensions": {**when, "customer_id": 12345, "status": "pending", "channel": "mobile"},
            "metrics": {"event_count": 1, "order_total": 299.99, "item_count": 3}}
        second = events[1]["after"]["_analytics"]
        assert events[1]["tags"] == ["orders", "c", "high_value", "status:pending"]
        assert second["dimensions"]["channel"] == "web" and second["metrics"]["order_total"] == 600
        assert [each["after"]["_analytics"]["event_type"] for each in events[2:6]] == [
            "order_items.created", "payments.created", "cart_events.created", "orders.updated"]
        assert [each["after"]["_analytics"]["metrics"] for each in events[2:5]] == [
            {"event_count": 1, "quantity": 2, "line_total": 10.5}, {"event_count": 1, "payment_amount": 299.99},
            {"event_count": 1}]
        assert events[3]["after"]["_analytics"]["dimensions"]["payment_method"] == "card"
        assert events[6]["tags"] == ["orders", "d", "high_value", "status:pending"] and events[6]["after"] is None


@prints("30-examples-11")
@MYSQLS
def test_outbox_pattern(which: str, run: Any, servers: Servers) -> None:
    tables = f"""CREATE TABLE orders (id INT AUTO_INCREMENT PRIMARY KEY, customer VARCHAR(64), total DECIMAL(10,2),
        status VARCHAR(32), created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP); CREATE TABLE outbox {OUTBOX}"""
    topics = ["kafka:Order.OrderCreated", "kafka:Order.OrderShipped", "kafka:cdc.shop.orders", "kafka:events.unrouted"]
    with run("30-examples-11", with_blackhole(servers(which)), tables, topics) as book:
        book.sql("""
            BEGIN;
            INSERT INTO orders (customer, total, status) VALUES ('alice', 149.99, 'pending');
            INSERT INTO outbox (aggregate_type, aggregate_id, event_type, payload)
            VALUES (
              'Order',
              LAST_INSERT_ID(),
              'OrderCreated',
              JSON_OBJECT('customer', 'alice', 'total', 149.99, 'status', 'pending')
            );
            COMMIT;
            BEGIN;
            INSERT INTO shop.orders (customer, total, status) VALUES ('bob', 1, 'pending');
            INSERT INTO shop.outbox (aggregate_type, aggregate_id, event_type, payload)
            VALUES ('Order', LAST_INSERT_ID(), 'OrderCreated', '{"customer":"bob"}');
            ROLLBACK;
            INSERT INTO outbox (aggregate_type, aggregate_id, event_type, payload) VALUES ('Order', '1', 'OrderShipped', '{"n":1}');
            INSERT INTO outbox (payload) VALUES ('{"nobody":"knows"}');""")
        created = book["kafka:Order.OrderCreated"]
        assert created.events(1) == [{"customer": "alice", "total": 149.99, "status": "pending"}]
        assert created.keys == [b"1"]
        assert created.headers[0].items() >= {"df-aggregate-type": "Order", "df-aggregate-id": "1",
                                              "df-event-type": "OrderCreated"}.items()
        assert book["kafka:Order.OrderShipped"].events(1) == [{"n": 1}]
        assert book["kafka:events.unrouted"].events(1) == [{"nobody": "knows"}]
        (row,) = debezium(book["kafka:cdc.shop.orders"].events(1), book, "orders-mysql", "orders")
        assert row["op"] == "c" and row["before"] is None
        assert {name: row["after"][name] for name in ("id", "customer", "total", "status")} == {
            "id": 1, "customer": "alice", "total": "149.99", "status": "pending"}


AUDIT_TABLES = """CREATE TABLE users (id int PRIMARY KEY, email text, name text, password_hash text);
    CREATE TABLE user_profiles (id int PRIMARY KEY, date_of_birth date);
    CREATE TABLE payment_methods (id int PRIMARY KEY, card_number text); CREATE TABLE transactions (id int PRIMARY KEY);
    CREATE TABLE roles (id int PRIMARY KEY); CREATE TABLE permissions (id int PRIMARY KEY);
    CREATE TABLE user_roles (id int PRIMARY KEY);
    CREATE PUBLICATION audit_pub FOR TABLE
      public.users,
      public.user_profiles,
      public.payment_methods,
      public.transactions,
      public.roles,
      public.permissions,
      public.user_roles
    WITH (publish = 'insert, update, delete');
    ALTER TABLE public.users REPLICA IDENTITY FULL;
    ALTER TABLE public.user_profiles REPLICA IDENTITY FULL;
    ALTER TABLE public.payment_methods REPLICA IDENTITY FULL;
    ALTER TABLE public.transactions REPLICA IDENTITY FULL;"""


def test_audit_trail_but_for_exactly_once(run: Any, servers: Servers) -> None:
    """Its script is the longest of the book: it need not wait for that one line."""
    with run("later/30-examples-9", servers(15), AUDIT_TABLES, ["kafka:audit.trail.events"], database="app",
             replaced={"exactly_once: true": "exactly_once: false"}) as book:
        book.sql("""INSERT INTO users VALUES (42, 'alice@old-domain.com', 'Alice Smith', 'x');
            UPDATE users SET email = 'alice@new-domain.com'; INSERT INTO payment_methods VALUES (1, '4111');
            INSERT INTO roles VALUES (2);""")
        events = debezium(book["kafka:audit.trail.events"].events(4), book, "app-postgres", "users users payment_methods roles")
        hidden = {"password_hash": "[REDACTED]", "_password_hash_redacted": True}
        old = {"id": 42, "email": "alice@old-domain.com", "name": "Alice Smith", **hidden}
        assert told(events) == [("c", None, old), ("u", old, {**old, "email": "alice@new-domain.com"}),
                                ("c", None, {"id": 1, "card_number": "[REDACTED]", "_card_number_redacted": True}),
                                ("c", None, {"id": 2})]
        tags = ["audited", "sensitivity:HIGH", "classification:PII", "retention:2190d", "regulation:GDPR", "regulation:CCPA"]
        assert [each["tags"] for each in events] == [
            tags, [*tags, "changed:email"],
            ["audited", "sensitivity:HIGH", "classification:PCI", "retention:2555d", "regulation:PCI-DSS", "regulation:SOX"],
            ["audited", "sensitivity:LOW", "classification:INTERNAL", "retention:1095d"]]


# what there is


def test_every_file_is_run_or_waits() -> None:
    assert _RUN == {path.stem for path in (PIPELINES / "loads").glob("*.yaml")}
    waiting = {path.stem: path.with_suffix(".expect").read_text() for path in (PIPELINES / "later").glob("*.yaml")}
    assert waiting.keys() == WAITING.keys(), "a file that loads now belongs to `loads`, and gets a test"
    for name, reasons in WAITING.items():
        assert len(set(reasons)) == len(reasons)
        assert all(f"not in this build: {reason}" in waiting[name] for reason in reasons), waiting[name]
        for line in waiting[name].splitlines():
            assert any(f"not in this build: {reason}" in line for reason in reasons), line
