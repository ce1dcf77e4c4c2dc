"""The pipelines that the book prints (tests/config/book/loads), run as they stand there against real servers.

What a pipeline leaves to the environment it is given so; the rest of names and ports is replaced by `BookServers._replaced`.
One pipeline file at a time, each with a database of the name that it prints, and with empty streams."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from harness.engine import Engine
from harness.kafka import Kafka
from harness.mysql import MysqlFamily
from harness.nats import Nats, NatsError, NatsReader
from harness.outlets import Reader
from harness.postgres import Postgres
from harness.procs import REPO, Timeout, wait_until
from harness.readers import KafkaReader
from harness.redis import Redis, RedisReader
from harness.webhook import Webhook

PIPELINES = REPO / "tests/config/book"
API_TOKEN = "canary-token-8d1e"

RUN: set[str] = set()
Test = Callable[..., None]


def prints(*names: str) -> Callable[[Test], Test]:
    """Which files of tests/config/book/loads a test runs."""
    RUN.update(names)
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


class Tail:
    """What a topic, stream or stream of NATS gets from now on."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        reader.drain()
        self.start = self.seen = len(reader.records)

    def _now(self) -> int:
        self.reader.drain()
        return len(self.reader.records)

    def bodies(self, count: int) -> list[bytes]:
        """The first `count`; that no more of them come is seen at the end."""
        self.seen = max(self.seen, self.start + count)
        try:
            wait_until(lambda: self._now() >= self.seen, 30, f"{count} events")
        except Timeout as late:
            raise Timeout(f"{late}, got {self.reader.records[self.start:]}") from None
        return self.reader.records[self.start:self.start + count]

    def events(self, count: int) -> list[Any]:
        return [json.loads(body) for body in self.bodies(count)]

    @property
    def keys(self) -> list[bytes | None]:
        return self.reader.keys[self.start:]

    @property
    def headers(self) -> list[dict[str, str]]:
        return self.reader.headers[self.start:]

    @property
    def subjects(self) -> list[str]:
        assert isinstance(self.reader, NatsReader)
        return self.reader.subjects[self.start:]

    def assert_no_more(self) -> None:
        more = self.reader.records[self.seen:] if self._now() > self.seen else []
        assert not more, f"{len(more)} events that nobody expected: {more}"


@dataclass
class Printed:
    """A file of the book that runs."""

    engine: Engine
    source: MysqlFamily | Postgres
    database: str
    tails: dict[str, Tail] = field(default_factory=dict)

    def sql(self, script: str) -> None:
        """Each statement commits by itself unless it says BEGIN."""
        self.source.script(script, self.database)

    def __getitem__(self, name: str) -> Tail:
        """Of a topic "kafka:orders", a stream "redis:orders", a stream "nats:ORDERS"."""
        return self.tails[name]

    @property
    def connector(self) -> str:
        return {"mysql": "mysql", "mariadb": "mariadb"}.get(getattr(self.source, "flavor", ""), "postgresql")


class BookServers:
    """All servers that the pipelines name."""

    def __init__(self, home: Path, kafka: Kafka, redis: Redis, nats: Nats, webhook: Webhook) -> None:
        self.home = home
        self.kafka, self.redis, self.nats, self.webhook = kafka, redis, nats, webhook
        self._runs = 0

    def _environment(self, source: MysqlFamily | Postgres, database: str) -> dict[str, str]:
        return {"KAFKA_BROKERS": self.kafka.brokers, "REDIS_URI": self.redis.uri, "NATS_URL": self.nats.url,
                "API_TOKEN": API_TOKEN,
                "MYSQL_DSN" if isinstance(source, MysqlFamily) else "POSTGRES_DSN": source.dsn(database)}

    def _replaced(self, text: str, more: dict[str, str]) -> str:
        names = {"https://api.example.com": self.webhook.url, "localhost:9092": self.kafka.brokers, **more}
        for old, new in names.items():
            text = text.replace(old, new)
        return text

    def _empty(self, database: str, streams: list[str]) -> dict[str, Tail]:
        """`streams`: "kafka:topic", "redis:stream", "nats:STREAM=subject.>"."""
        self.webhook.forget()
        self.redis.ask("FLUSHALL")
        tails: dict[str, Tail] = {}
        for each in streams:
            kind, _, name = each.partition(":")
            if kind == "kafka":
                with suppress(Exception):  # it is there from the pipeline before
                    self.kafka.create_topic(name)
                tails[each] = Tail(KafkaReader(self.kafka.brokers, name))
            elif kind == "redis":
                tails[each] = Tail(RedisReader(self.redis, name))
            else:
                stream, _, subject = name.partition("=")
                self._drop_stream(stream)
                self.nats.create_stream(stream, subject)
                tails[f"nats:{stream}"] = Tail(NatsReader(self.nats, stream))
        return tails

    def _drop_stream(self, name: str) -> None:
        with suppress(NatsError):
            self.nats.delete_stream(name)

    def _drop_databases(self, server: MysqlFamily | Postgres, names: list[str]) -> None:
        for name in names:
            with suppress(Exception):
                server.drop_database(name)

    @contextmanager
    def run(self, name: str, source: MysqlFamily | Postgres, tables: str, streams: list[str], *, database: str = "shop",
            more_databases: tuple[str, ...] = (), replaced: dict[str, str] | Callable[[], dict[str, str]] = {}
            ) -> Iterator[Printed]:
        """`name`: of the file; those in `loads` need no folder. `replaced`: further words of it. Ends with a clean shutdown,
        and with a look for what came besides what was asked for."""
        name = name if "/" in name else f"loads/{name}"
        databases = [database, *more_databases]
        self._drop_databases(source, databases)
        for each in databases:
            source.create_database(each)
        source.script(tables, database)
        tails = self._empty(database, streams)
        self._runs += 1
        engine = Engine(self.home / str(self._runs), [], env=self._environment(source, database))
        names = replaced() if callable(replaced) else replaced
        engine.config.write_text(self._replaced((PIPELINES / f"{name}.yaml").read_text(), names))
        try:
            engine.start()
            yield Printed(engine, source, database, tails)
            assert engine.terminate() == 0, engine.log_tail()
            for tail in tails.values():
                tail.assert_no_more()
        finally:
            engine.kill()
            for tail in tails.values():
                if isinstance(tail.reader, KafkaReader):
                    tail.reader.close()
            for each in streams:
                if each.startswith("nats:"):
                    self._drop_stream(each.removeprefix("nats:").partition("=")[0])
            self._drop_databases(source, databases)


@pytest.fixture(scope="module", name="run")
def runner(root: Path, kafka: Kafka, redis: Redis, nats: Nats, webhook: Webhook) -> Callable[..., Any]:
    return BookServers(Path(tempfile.mkdtemp(prefix="book-", dir=root)), kafka, redis, nats, webhook).run


# what chapter 16 prints

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_TYPES = {"c": "created", "u": "updated", "d": "deleted", "t": "truncated"}


def told(events: list[dict[str, Any]]) -> list[tuple[str, Any, Any]]:
    return [(each["op"], each["before"], each["after"]) for each in events]


def native(events: list[dict[str, Any]], printed: Printed, name: str, tables: str) -> list[dict[str, Any]]:
    """They have the printed fields in their printed order. `tables`: of each event, or one for all."""
    mine = ["db", "schema", "table"] if printed.connector == "postgresql" else ["db", "table", "server_id"]
    for event in events:
        assert list(event)[:5] == ["before", "after", "source", "op", "ts_ms"], event
        source = event["source"]
        assert list(source)[:7] == ["version", "connector", "name", "ts_ms", *mine], source
        assert (source["connector"], source["name"], source["db"]) == (printed.connector, name, printed.database)
        assert isinstance(event["ts_ms"], int) and source["ts_ms"] == event["ts_ms"]
    found = [event["source"]["table"] for event in events]
    assert found == (tables.split() if " " in tables else [tables] * len(events))
    return events


def debezium(events: list[dict[str, Any]], printed: Printed, name: str, tables: str) -> list[dict[str, Any]]:
    for event in events:
        assert list(event) == ["schema", "payload"] and event["schema"] is None, event
    return native([event["payload"] for event in events], printed, name, tables)


def cloudevents(events: list[dict[str, Any]], name: str, prefix: str, tables: str) -> list[dict[str, Any]]:
    """What they carry. `tables`: full names."""
    for event in events:
        assert list(event) == ["specversion", "id", "source", "type", "time", "datacontenttype", "subject", "data"], event
        assert event["specversion"] == "1.0" and event["datacontenttype"] == "application/json"
        assert event["source"] == f"deltaforge/{name}/{event['subject']}"
        assert list(event["data"]) == ["before", "after", "op"]
        assert event["type"] == f"{prefix}.{_TYPES[event['data']['op']]}"
        assert _TIME.fullmatch(event["time"]), event["time"]
    assert len({event["id"] for event in events}) == len(events)
    assert [event["subject"] for event in events] == (tables.split() if " " in tables else [tables] * len(events))
    return [event["data"] for event in events]
