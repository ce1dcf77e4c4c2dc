"""A receiver of HTTP requests that tests start, steer and read (webhook_receiver.py)."""

from __future__ import annotations

import json
import sys
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .procs import REPO, Process, free_port, wait_until
from .proxy import Proxy
from .tls import Certificate


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]  # names in lower case
    body: str
    status: int  # of the answer; 0: none
    link: int
    begin: float
    end: float

    def events(self) -> list[dict[str, Any]]:
        parsed = json.loads(self.body)
        return parsed if isinstance(parsed, list) else [parsed]


class Webhook:
    """What it has answered outlives kill()."""

    def __init__(self, root: Path, *, token: str = "", tls: Certificate | None = None, client_ca: Path | None = None) -> None:
        root.mkdir(parents=True)
        self.root, self.record = root, root / "requests.jsonl"
        self.record.touch()
        self.port, self.tls_port = free_port(), free_port()
        self.more = ["--token", token] if token else []
        if tls is not None:
            self.more += ["--tls-port", str(self.tls_port), "--cert", str(tls.crt), "--key", str(tls.key)]
        if client_ca is not None:
            self.more += ["--client-ca", str(client_ca)]
        self.proxy = Proxy(self.port, root / "proxy.log")
        self.process: Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def proxied(self) -> str:
        return f"http://127.0.0.1:{self.proxy.port}"

    def start(self) -> "Webhook":
        if self.process is None:
            self.proxy.start()
        self.process = Process([sys.executable, str(REPO / "tests/harness/webhook_receiver.py"), "--port", str(self.port),
                                "--record", str(self.record), *self.more], self.root / "receiver.log")
        wait_until(self._answers, 30, "the receiver to answer")
        return self

    def _answers(self) -> bool:
        assert self.process is not None and self.process.alive(), (self.root / "receiver.log").read_text()
        try:
            urllib.request.urlopen(self.url + "/_rules", timeout=5).close()
            return True
        except OSError:
            return False

    def rules(self, *rules: dict[str, Any]) -> None:
        request = urllib.request.Request(self.url + "/_rules", json.dumps(rules).encode(), method="POST")
        urllib.request.urlopen(request, timeout=10).close()

    def forget(self) -> None:
        """Of all that was sent so far, and of all rules."""
        with open(self.record, "wb"):
            pass
        with suppress(OSError):
            self.rules()

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process = None
            self.proxy.stop()

    def requests(self, path: str = "") -> list[Request]:
        """All so far, in the order in which they were answered."""
        return [each for each in map(_parse, _whole_lines(self.record.read_bytes())) if each.path.startswith(path)]


def _whole_lines(text: bytes) -> list[bytes]:
    return text[:text.rfind(b"\n") + 1].splitlines()


def _parse(line: bytes) -> Request:
    fields = json.loads(line)
    fields["headers"] = {name.lower(): value for name, value in fields["headers"]}
    return Request(**fields)


class WebhookReader:
    """The events of the requests below one path that were taken."""

    def __init__(self, webhook: Webhook, path: str) -> None:
        self.webhook, self.path = webhook, path
        self.records: list[bytes] = []
        self.keys: list[bytes | None] = []  # of single events
        self._at = 0

    def drain(self) -> list[bytes]:
        start = len(self.records)
        with open(self.webhook.record, "rb") as file:
            file.seek(self._at)
            text = file.read(64 << 20)
        lines = _whole_lines(text)
        self._at += text.rfind(b"\n") + 1
        for request in map(_parse, lines):
            if not request.path.startswith(self.path) or not 200 <= request.status < 300:
                continue
            if request.headers.get("df-event-id"):
                self.records.append(request.body.encode())
                self.keys.append(request.headers["df-key"].encode("latin-1"))
            else:
                self.records += _items(request.body)
        return self.records[start:]

    def held(self) -> int:
        self.drain()
        return len(self.records)


def _items(array: str) -> list[bytes]:
    """The items of an array, byte for byte as they stand in it."""
    decoder, at, items = json.JSONDecoder(), 1, []
    while at < len(array) - 1:
        _, end = decoder.raw_decode(array, at)
        items.append(array[at:end].encode())
        at = end + 1
    return items
