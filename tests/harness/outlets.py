"""The sinks of a test: what the engine is told of each, and how to look at what it holds."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .engine import Engine, file_sink, http_sink, kafka_sink, redis_sink
from .kafka import Kafka
from .readers import FileReader, KafkaReader
from .redis import Redis, RedisReader
from .stored import stored_position
from .webhook import Webhook, WebhookReader

Reader = FileReader | KafkaReader | RedisReader | WebhookReader


@dataclass
class Outlet:
    kind: str  # and the sink's id
    config: dict[str, Any]
    reader: Callable[[], Reader]  # a new one, for one thread
    server: Kafka | Redis | Webhook | None = None

    @property
    def exactly_once(self) -> bool:
        return self.kind == "file"

    def discard(self) -> None:
        """What lies in the server's memory, or in one file for all, is in the way of the next test."""
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
