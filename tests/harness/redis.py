"""A real Redis or Valkey with an append-only file, a client of a few lines, and a reader of streams."""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path
from typing import Any

from .procs import CACHE, Process, free_port, wait_until
from .proxy import Proxy


class RedisError(Exception):
    """What the server answered with `-`."""


class RedisClient:
    """One connection; speaks RESP2."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.file = self.socket.makefile("rb")

    def __call__(self, *command: Any) -> Any:
        words = [word if isinstance(word, bytes) else str(word).encode() for word in command]
        self.socket.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
        return self._reply()

    def _reply(self) -> Any:
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("Redis hung up")
        kind, text = line[:1], line[1:-2]
        if kind == b"+":
            return text
        if kind == b"-":
            raise RedisError(text.decode())
        if kind == b":":
            return int(text)
        if int(text) < 0:
            return None
        if kind == b"$":
            return self.file.read(int(text) + 2)[:-2]
        return [self._reply() for _ in range(int(text))]

    def close(self) -> None:
        self.file.close()
        self.socket.close()


PROGRAMS = {"redis": Path("redis-server"), "redis8": CACHE / "redis/bin/redis8", "valkey": CACHE / "redis/bin/valkey"}


class Redis:
    """Debian's Redis 7.0, or a newer one out of the cache. `durable`: what it has answered outlives it."""

    def __init__(self, root: Path, kind: str = "redis", *, durable: bool = True) -> None:
        self.program = str(PROGRAMS[kind])
        if shutil.which(self.program) is None:
            raise RuntimeError(f"{self.program} is not there: run ./dev setup")
        self.root, self.kind = root, kind
        self.log = ["--appendonly", "yes", "--appendfsync", "always"] if durable else []
        root.mkdir(parents=True)
        self.port = free_port()
        self.proxy = Proxy(self.port, root / "proxy.log")
        self.process: Process | None = None

    @property
    def uri(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    @property
    def proxied(self) -> str:
        return f"redis://127.0.0.1:{self.proxy.port}"

    def start(self) -> "Redis":
        if self.process is None:
            self.proxy.start()
        self.process = Process([self.program, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.root),
                                *self.log, "--save", ""],
                               self.root / f"{self.kind}.log", cwd=self.root)
        wait_until(self._ready, 60, f"{self.kind} to answer")
        return self

    def _ready(self) -> bool:
        if self.process is None or not self.process.alive():
            raise RuntimeError(f"{self.kind} ended: {self.process.log_tail() if self.process else ''}")
        try:
            return self.ask("PING") == b"PONG"
        except (OSError, RedisError):
            return False

    def ask(self, *command: Any) -> Any:
        client = RedisClient(self.port)
        try:
            return client(*command)
        finally:
            client.close()

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process = None
            self.proxy.stop()


class RedisReader:
    """Reads one stream from its start; the payload is the field `event`, the first one."""

    def __init__(self, redis: Redis, stream: str) -> None:
        self.redis, self.stream = redis, stream
        self.records: list[bytes] = []
        self.keys: list[bytes | None] = []
        self.headers: list[dict[str, str]] = []
        self._last = b"-"

    def held(self) -> int:
        return self.redis.ask("XLEN", self.stream)

    def drain(self) -> list[bytes]:
        """At most 200,000 records: what a huge transaction leaves is read in pieces."""
        start = len(self.records)
        client = RedisClient(self.redis.port)
        try:
            while len(self.records) - start < 200_000 and (
                    entries := client("XRANGE", self.stream, self._last, "+", "COUNT", 2000)):
                for identifier, fields in entries:
                    names = [b"event", b"event_id", b"idempotency_key", b"df-key", b"df-headers"]
                    assert fields[0::2] in (names, names[:4]), fields[0::2]
                    self.records.append(fields[1])
                    self.keys.append(fields[7])
                    self.headers.append(json.loads(fields[9]) if len(fields) > 8 else {})
                    self._last = b"(" + identifier
        finally:
            client.close()
        return self.records[start:]
