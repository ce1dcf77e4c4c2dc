"""A real NATS server with JetStream, a client of a few lines, and a reader of streams."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .procs import CACHE, Process, free_port, wait_until
from .proxy import Proxy

PROGRAMS = {"nats": Path("nats-server"), "nats-new": CACHE / "nats/bin/nats-server"}


class NatsError(Exception):
    """What the server, or JetStream, has refused."""

    def __init__(self, text: str, code: int = 0) -> None:
        super().__init__(text)
        self.code = code


class NatsClient:
    """One connection; speaks the protocol as it is written. For one thread."""

    def __init__(self, port: int, *, tls: ssl.SSLContext | None = None, seconds: float = 30,
                 sign: Callable[[str], str] | None = None, **login: str) -> None:
        self.socket: socket.socket = socket.create_connection(("127.0.0.1", port), timeout=seconds)
        self.file = self.socket.makefile("rb")
        self.info: dict[str, Any] = json.loads(self._line()[5:])
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
            self.file = self.socket.makefile("rb")
        self._numbers = 0
        hello = {"verbose": False, "pedantic": False, "headers": True, "no_responders": True, "lang": "python",
                 "version": "1", "protocol": 1, **login}
        if sign is not None:
            hello["sig"] = sign(self.info["nonce"])
        self._send(b"CONNECT " + json.dumps(hello).encode() + b"\r\nPING\r\n")
        self._until_pong()
        self._send(b"SUB _INBOX.harness.%d.* 1\r\n" % id(self))

    def _send(self, text: bytes) -> None:
        self.socket.sendall(text)

    def _line(self) -> bytes:
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("NATS hung up")
        return line[:-2]

    def _until_pong(self) -> None:
        while (line := self._line()) != b"PONG":
            if line.startswith(b"-ERR"):
                raise NatsError(line.decode())

    def message(self) -> tuple[str, dict[str, str], bytes, str]:
        """The next one: subject, headers (with `Status`), payload, where to answer."""
        while True:
            words = self._line().split(b" ")
            if words[0] == b"PING":
                self._send(b"PONG\r\n")
            elif words[0] == b"-ERR":
                raise NatsError(b" ".join(words).decode())
            elif words[0] in (b"MSG", b"HMSG"):
                sizes = 2 if words[0] == b"HMSG" else 1
                size = int(words[-1])
                head = int(words[-2]) if sizes == 2 else 0
                body = self.file.read(size + 2)[:-2]
                reply = words[3].decode() if len(words) == 4 + sizes else ""
                return words[1].decode(), _headers(body[:head]), body[head:], reply

    def publish(self, subject: str, payload: bytes | str = b"", headers: dict[str, str] | None = None,
                reply: str = "") -> None:
        data = payload.encode() if isinstance(payload, str) else payload
        head = f"{subject} {reply}".strip()
        if headers is None:
            self._send(f"PUB {head} {len(data)}\r\n".encode() + data + b"\r\n")
            return
        lines = "NATS/1.0\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"
        self._send(f"HPUB {head} {len(lines)} {len(lines) + len(data)}\r\n".encode() + lines.encode() + data + b"\r\n")

    def subscribe(self, subject: str) -> None:
        """What comes is read by message()."""
        self._send(f"SUB {subject} 2\r\nPING\r\n".encode())
        self._until_pong()

    def inbox(self) -> str:
        self._numbers += 1
        return f"_INBOX.harness.{id(self)}.{self._numbers}"

    def request(self, subject: str, payload: bytes | str = b"", headers: dict[str, str] | None = None) -> bytes:
        inbox = self.inbox()
        self.publish(subject, payload, headers, inbox)
        while True:
            where, told, body, _ = self.message()
            if where == inbox:
                if told.get("Status", "").startswith("503"):
                    raise NatsError("no responders", 503)
                return body

    def api(self, what: str, body: Any = None) -> dict[str, Any]:
        answer = json.loads(self.request(f"$JS.API.{what}", b"" if body is None else json.dumps(body)))
        if "error" in answer:
            raise NatsError(answer["error"]["description"], answer["error"].get("err_code", 0))
        return answer

    def close(self) -> None:
        self.file.close()
        self.socket.close()

    def __enter__(self) -> "NatsClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _headers(text: bytes) -> dict[str, str]:
    first, *lines = text.decode().split("\r\n")
    found = {name: value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    if first.removeprefix("NATS/1.0").strip():
        found["Status"] = first.removeprefix("NATS/1.0").strip()
    return found


class Nats:
    """Debian's NATS server 2.9, or a newer one out of the cache. `options`: further lines of its configuration."""

    def __init__(self, root: Path, kind: str = "nats", *, options: str = "", tls: ssl.SSLContext | None = None,
                 **login: Any) -> None:
        self.program = str(PROGRAMS[kind])
        if shutil.which(self.program) is None:
            raise RuntimeError(f"{self.program} is not there: run ./dev setup")
        self.root, self.kind, self.options, self.tls, self.login = root, kind, options, tls, login
        root.mkdir(parents=True)
        self.port = free_port()
        self.proxy = Proxy(self.port, root / "proxy.log")
        self.process: Process | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    @property
    def proxied(self) -> str:
        return f"nats://127.0.0.1:{self.proxy.port}"

    def start(self) -> "Nats":
        if self.process is None:
            self.proxy.start()
        config = self.root / "server.conf"
        store = "" if "jetstream" in self.options else f'jetstream {{ store_dir: "{self.root / "store"}" }}\n'
        config.write_text(f'listen: "127.0.0.1:{self.port}"\n{store}{self.options}\n')
        self.process = Process([self.program, "-c", str(config)], self.root / f"{self.kind}.log", cwd=self.root)
        wait_until(self._ready, 60, f"{self.kind} to answer")
        return self

    def _ready(self) -> bool:
        if self.process is None or not self.process.alive():
            raise RuntimeError(f"{self.kind} ended: {self.process.log_tail() if self.process else ''}")
        try:
            with self.client() as client:
                if "jetstream: disabled" not in self.options:
                    client.api("INFO")
                return True
        except (OSError, NatsError):
            return False

    def client(self) -> NatsClient:
        return NatsClient(self.port, tls=self.tls, **self.login)

    def api(self, what: str, body: Any = None) -> dict[str, Any]:
        with self.client() as client:
            return client.api(what, body)

    def create_stream(self, name: str, *subjects: str, **config: Any) -> None:
        """Its window is an hour, so that a slow machine sees the same."""
        self.api(f"STREAM.CREATE.{name}", {"name": name, "subjects": subjects, "retention": "limits", "storage": "file",
                                           "discard": "old", "num_replicas": 1, "duplicate_window": 3600 * 10**9,
                                           "max_msgs": -1, "max_bytes": -1, "max_age": 0, "max_consumers": -1,
                                           "max_msg_size": -1, **config})

    def update_stream(self, name: str, **config: Any) -> None:
        self.api(f"STREAM.UPDATE.{name}", {**self.stream(name)["config"], **config})

    def stream(self, name: str) -> dict[str, Any]:
        return self.api(f"STREAM.INFO.{name}")

    def delete_stream(self, name: str) -> None:
        self.api(f"STREAM.DELETE.{name}")

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process = None
            self.proxy.stop()


class NatsReader:
    """Reads one stream from its start, through a consumer of its own."""

    BATCH = 2000

    def __init__(self, nats: Nats, stream: str) -> None:
        self.nats, self.stream = nats, stream
        self.records: list[bytes] = []
        self.keys: list[bytes | None] = []
        self.headers: list[dict[str, str]] = []
        self.subjects: list[str] = []
        self._last = 0

    def held(self) -> int:
        return int(self.nats.stream(self.stream)["state"]["messages"])

    def drain(self) -> list[bytes]:
        """At most 200,000 records: what a huge transaction leaves is read in pieces."""
        start = len(self.records)
        with self.nats.client() as client:
            made = client.api(f"CONSUMER.CREATE.{self.stream}", {"stream_name": self.stream, "config": {
                "deliver_policy": "by_start_sequence", "opt_start_seq": self._last + 1, "ack_policy": "all",
                "ack_wait": 3600 * 10**9, "max_ack_pending": -1, "replay_policy": "instant",
                "inactive_threshold": 60 * 10**9}})
            pending = made["num_pending"]
            while pending > 0 and len(self.records) - start < 200_000:
                pending = self._pull(client, made["name"], min(pending, self.BATCH))
            client.api(f"CONSUMER.DELETE.{self.stream}.{made['name']}")
        return self.records[start:]

    def _pull(self, client: NatsClient, consumer: str, count: int) -> int:
        """How many are behind them."""
        client.publish(f"$JS.API.CONSUMER.MSG.NEXT.{self.stream}.{consumer}", json.dumps({"batch": count}),
                       reply=client.inbox())
        pending = 0
        for _ in range(count):
            subject, headers, body, reply = client.message()
            assert reply.startswith("$JS.ACK."), headers
            # $JS.ACK.<stream>.<consumer>.<deliveries>.<sequence in the stream>.<in the consumer>.<time>.<pending>
            self._last, pending = int(reply.split(".")[-4]), int(reply.split(".")[-1])
            self.records.append(body)
            self.subjects.append(subject)
            self.headers.append(headers)
            self.keys.append(headers["df-key"].encode() if "df-key" in headers else None)
        return pending
