"""The sinks of a test: what the engine is told of each, and how to look at what it holds."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .engine import Engine, file_sink, http_sink, kafka_sink, nats_sink, redis_sink
from .kafka import Kafka
from .nats import Nats, NatsError, NatsReader
from .readers import FileReader, KafkaReader
from .redis import Redis, RedisReader
from .stored import stored_position
from .webhook import Webhook, WebhookReader

Reader = FileReader | KafkaReader | NatsReader | RedisReader | WebhookReader


@dataclass
class Outlet:
    kind: str  # and the sink's id
    config: dict[str, Any]
    reader: Callable[[], Reader]  # a new one, for one thread
    server: Kafka | Nats | Redis | Webhook | None = None

    @property
    def exactly_once(self) -> bool:
        """Each event shows once. At NATS within the stream's window, which is longer than any test."""
        return self.kind in ("file", "nats", "nats-new")

    def discard(self) -> None:
        """Streams lie in the server's memory, or on its disk, or in one file for all: in the way of the next test."""
        if isinstance(self.server, Nats):
            with suppress(OSError, NatsError):
                self.server.delete_stream(self.config["config"]["stream"])
        if isinstance(self.server, Redis):
            with suppress(OSError):  # some tests end with a server that is down
                self.server.ask("FLUSHALL")
        if isinstance(self.server, Webhook):
            self.server.forget()

    def position(self, engine: Engine) -> dict[str, Any] | None:
        """What is stored as delivered to this sink, with or without a running engine."""
        if self.kind == "file":
            return FileReader(Path(self.config["config"]["path"])).stream()
        return stored_position(engine.database, self.kind)


def file_outlet(path: Path, **more: Any) -> Outlet:
    return Outlet("file", file_sink(path, **more), lambda: FileReader(path))


def kafka_outlet(broker: Kafka, topic: str, *, proxied: bool = False, **more: Any) -> Outlet:
    broker.create_topic(topic)
    return Outlet("kafka", kafka_sink(broker.proxied if proxied else broker.brokers, topic, **more),
                  lambda: KafkaReader(broker.brokers, topic), broker)


def redis_outlet(server: Redis, stream: str, *, proxied: bool = False, **more: Any) -> Outlet:
    return Outlet(server.kind, redis_sink(server.proxied if proxied else server.uri, stream, id=server.kind, **more),
                  lambda: RedisReader(server, stream), server)


def http_outlet(webhook: Webhook, path: str, *, proxied: bool = False, **more: Any) -> Outlet:
    """In the order of all changes: one key for all events, or arrays."""
    url = f"{webhook.proxied if proxied else webhook.url}/{path}"
    more = {"key": "all", **more} if not more.get("batch_mode") else more
    return Outlet("http", http_sink(url, **more), lambda: WebhookReader(webhook, f"/{path}"), webhook)


def arrays_outlet(webhook: Webhook, path: str, **more: Any) -> Outlet:
    outlet = http_outlet(webhook, path, batch_mode=True, **more)
    outlet.kind = outlet.config["config"]["id"] = "arrays"
    return outlet


def nats_outlet(server: Nats, stream: str, *, proxied: bool = False, **more: Any) -> Outlet:
    """A stream of its own, which captures its name and all below it."""
    server.create_stream(stream, stream, f"{stream}.>")
    config = {"id": server.kind, "stream": stream, **more}
    return Outlet(server.kind, nats_sink(server.proxied if proxied else server.url, config.pop("subject", stream), **config),
                  lambda: NatsReader(server, stream), server)
