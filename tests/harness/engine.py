"""The engine under test: the real binary with its own configuration, ports, state and logs."""

from __future__ import annotations

import json
import os
import re
import signal
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import yaml

from .mysql import MysqlFamily
from .postgres import Postgres
from .procs import REPO, Process, Timeout, free_port, wait_until

BINARY = Path(os.environ.get("DF_BINARY", REPO / "build" / "release" / "deltaforge"))


def postgres_source(dsn: str, *, name: str = "pg", tables: list[str] | None = None, **more: Any) -> dict[str, Any]:
    config = {"id": name, "dsn": dsn, "slot": f"df_{name}", "publication": f"df_{name}_pub", **more}
    if tables is not None:
        config["tables"] = tables
    return {"type": "postgres", "config": config}


def mysql_source(dsn: str, *, name: str = "my", tables: list[str] | None = None, **more: Any) -> dict[str, Any]:
    """For MariaDB, too: which of the two it is, the engine sees by itself."""
    config = {"id": name, "dsn": dsn, **more}
    if tables is not None:
        config["tables"] = tables
    return {"type": "mysql", "config": config}


def file_sink(path: Path, **more: Any) -> dict[str, Any]:
    return {"type": "file", "config": {"id": "file", "path": str(path), **more}}


def kafka_sink(brokers: str, topic: str, **more: Any) -> dict[str, Any]:
    return {"type": "kafka", "config": {"id": "kafka", "brokers": brokers, "topic": topic, **more}}


def redis_sink(uri: str, stream: str, **more: Any) -> dict[str, Any]:
    return {"type": "redis", "config": {"id": "redis", "uri": uri, "stream": stream, **more}}


def http_sink(url: str, **more: Any) -> dict[str, Any]:
    return {"type": "http", "config": {"id": "http", "url": url, **more}}


def nats_sink(url: str, subject: str, **more: Any) -> dict[str, Any]:
    return {"type": "nats", "config": {"id": "nats", "url": url, "subject": subject, **more}}


def blackhole_sink(**more: Any) -> dict[str, Any]:
    return {"type": "blackhole", "config": {"id": "blackhole", **more}}


def pipeline(source: dict[str, Any], sinks: list[dict[str, Any]], *, name: str = "p", **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "deltaforge/v1", "kind": "Pipeline", "metadata": {"name": name, "tenant": "acme"},
            "spec": {"source": source, "sinks": sinks, **spec}}


class Engine:
    """One engine and its state; start() again after kill() or stop() continues where it was."""

    def __init__(self, root: Path, documents: dict[str, Any] | list[dict[str, Any]], *,
                 binary: Path | None = None, shutdown_timeout: str = "", env: dict[str, str] | None = None) -> None:
        self.root = root
        self.binary = binary or BINARY
        self.config = root / "pipeline.yaml"
        self.state = root / "state"
        self.log = root / "engine.log"
        self.stdout = root / "stdout"
        self.api, self.metrics_port = free_port(), free_port()
        self.shutdown_timeout = shutdown_timeout
        self.env = {**os.environ, **(env or {})}
        self.process: Process | None = None
        root.mkdir(parents=True, exist_ok=True)
        self.configure(documents)

    def configure(self, documents: dict[str, Any] | list[dict[str, Any]]) -> None:
        every = documents if isinstance(documents, list) else [documents]
        self.config.write_text(yaml.safe_dump_all(every, sort_keys=False))

    # life

    def start(self, *, ready: bool = True) -> "Engine":
        if not self.binary.exists():
            raise RuntimeError(f"{self.binary} does not exist: run ./dev build")
        argv = [str(self.binary), "run", "--config", str(self.config), "--api-addr", f"127.0.0.1:{self.api}",
                "--metrics-addr", f"127.0.0.1:{self.metrics_port}", "--storage-path", str(self.database)]
        if self.shutdown_timeout:
            argv += ["--shutdown-timeout", self.shutdown_timeout]
        self.process = Process(argv, self.log, stdout=self.stdout, env=self.env, cwd=self.root)
        if ready:
            self.wait_ready()
        return self

    @property
    def database(self) -> Path:
        return self.state / "deltaforge.db"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def anonymous_mib(self) -> float:
        found = re.search(r"RssAnon:\s*(\d+)", Path(f"/proc/{self.pid}/status").read_text())
        return int(found[1]) / 1024 if found else 0.0

    def alive(self) -> bool:
        return self.process is not None and self.process.alive()

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process = None

    def terminate(self, sig: signal.Signals = signal.SIGTERM, seconds: float = 40) -> int:
        """Asks for a drain and returns the exit code."""
        assert self.process is not None
        self.process.send(sig)
        code = self.process.wait(seconds)
        self.process = None
        return code

    def wait_ready(self, seconds: float = 30) -> None:
        """Every pipeline is streaming (or at least not starting any more and not failed)."""
        self.wait_status({"running"}, seconds)

    def wait_status(self, wanted: set[str], seconds: float = 30, name: str | None = None) -> dict[str, Any]:
        last: Any = None

        def probe() -> Any:
            nonlocal last
            if not self.alive():
                raise AssertionError(f"the engine ended: {self.log_tail()}")
            answer = self.get("/pipelines", missing=None)
            last = answer
            if not answer:
                return None
            chosen = [each for each in answer if name is None or each["name"] == name]
            return chosen[0] if chosen and all(each["status"] in wanted for each in chosen) else None
        try:
            return wait_until(probe, seconds, f"status {sorted(wanted)}", every=0.02)
        except Timeout as late:
            raise Timeout(f"{late}; the API says {json.dumps(last)[:1500]}\n{self.log_tail()}") from None

    # what it says

    def request(self, method: str, path: str, body: Any = None, *, port: int | None = None,
                seconds: float = 40) -> tuple[int, str]:
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{port or self.api}{path}", data=data, method=method,
                                         headers={"Content-Type": "application/json"} if data else {})
        try:
            with urllib.request.urlopen(request, timeout=seconds) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.read().decode()

    def get(self, path: str, *, missing: Any = ...) -> Any:
        """The body as JSON whatever the status; `missing` instead of an error while nobody listens."""
        try:
            return json.loads(self.request("GET", path)[1])
        except (OSError, ValueError):
            if missing is ...:
                raise
            return missing

    def post(self, path: str) -> Any:
        status, body = self.request("POST", path)
        assert status == 200, f"POST {path}: {status} {body}"
        return json.loads(body)

    def pipeline(self, name: str = "p") -> dict[str, Any]:
        return self.get(f"/pipelines/{name}")

    def position(self, sink: str, name: str = "p") -> dict[str, Any] | None:
        """What REST shows as this sink's position: PostgreSQL {lsn, tx_id}, MySQL {file, pos, gtid_set}."""
        for each in self.pipeline(name).get("ops", {}).get("checkpoints", []):
            if each["sink_id"] == sink and each["position"]:
                return each["position"]
        return None

    def checkpoint(self, sink: str, name: str = "p") -> str | None:
        """The LSN of that position."""
        position = self.position(sink, name)
        return position["lsn"] if position else None

    def metrics(self) -> dict[str, float]:
        """Series name with labels, as printed -> value."""
        text = self.request("GET", "/metrics", port=self.metrics_port)[1]
        series = re.findall(r"^(\w+(?:\{[^}]*\})?) (\S+)", text, re.M)
        return {name: float(value) for name, value in series}

    def metric(self, name: str) -> float:
        """The sum over all label sets."""
        return sum(value for series, value in self.metrics().items() if series.partition("{")[0] == name)

    def log_tail(self, lines: int = 25) -> str:
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def log_text(self) -> str:
        return self.log.read_text(errors="replace")


def capture(server: Postgres | MysqlFamily, root: Path, database: str, sinks: list[dict[str, Any]], *,
            port: int | None = None, tables: list[str] | None = None, name: str = "p", dsn: str = "",
            more_of_source: dict[str, Any] | None = None, **spec: Any) -> Engine:
    """An engine that captures one database of `server`; slot and publication are named after the database."""
    source_of = mysql_source if isinstance(server, MysqlFamily) else postgres_source
    source = source_of(dsn or server.dsn(database, port=port), name=database, tables=tables,
                       **(more_of_source or {}))
    return Engine(root, pipeline(source, sinks, name=name, **spec))
