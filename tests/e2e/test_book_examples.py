"""The pipelines of the chapter on the outbox (18) and of the examples (30) run as they are printed. See test_book.py."""

from __future__ import annotations

import json
import time
from typing import Any

from book import MYSQLS, ORDERS, PG_ORDERS, STORY, TOLD, cloudevents, debezium, native, prints, runner, told
from conftest import Servers
from harness.mysql import Mariadb, MysqlFamily

run = runner  # a fixture


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
        assert told(made.events(1)) == [("c", None, {"n": 1})] and made.keys == [b"42"]
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
    streams = ["kafka:orders.cdc", "redis:orders:cache", "nats:ORDERS=orders.>"]
    with run("30-examples-4", servers(which), tables, streams) as book:
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
            INSERT INTO shop.orders (customer_email, total, status, deleted_at)
              VALUES ('bob@example.com', 75.00, 'pending', NOW());
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
            INSERT INTO outbox (aggregate_type, aggregate_id, event_type, payload)
              VALUES ('Order', '1', 'OrderShipped', '{"n":1}');
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
