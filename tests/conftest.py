"""Servers shared by all tests of a session; whatever a test starts is gone when it ends."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.disk import SmallDisk
from harness.engine import Engine, capture
from harness.kafka import Kafka
from harness.mysql import SERVERS, MysqlFamily
from harness import nats as nats_server
from harness.outlets import (Outlet, arrays_outlet, file_outlet, http_outlet, kafka_outlet, nats_outlet,
                             redis_outlet)
from harness.postgres import Postgres
from harness.procs import Process
from harness.proxy import Proxy
from harness.redis import PROGRAMS, Redis
from harness.webhook import Webhook

Servers = Callable[..., Any]  # a version of PostgreSQL, or "mysql" or "mariadb", to a server that runs; tls=True
Outlets = Callable[..., Outlet]  # "file", "kafka", one of Redis or NATS, and the name of the topic or stream; proxied=True

_WITH_SERVER: dict[str, Outlets] = {"kafka": kafka_outlet, "http": http_outlet, "arrays": arrays_outlet,
                                   **dict.fromkeys(PROGRAMS, redis_outlet),
                                   **dict.fromkeys(nats_server.PROGRAMS, nats_outlet)}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true",
                     help="every server with every sink, and the long forms: 20 counted kills per pair")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--full"):
        return
    long = [item for item in items if item.get_closest_marker("full")]
    items[:] = [item for item in items if item not in long]
    config.hook.pytest_deselected(items=long)


@pytest.fixture(scope="session")
def full(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--full"))


@pytest.fixture(scope="session")
def root() -> Iterator[Path]:
    """Readable by the user that PostgreSQL runs as. DF_KEEP=1 leaves it for a look."""
    path = Path(tempfile.mkdtemp(prefix="df-e2e-"))
    path.chmod(0o755)
    yield path
    if os.environ.get("DF_KEEP"):
        print(f"\nleft in place: {path}")
    else:
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def servers(root: Path) -> Iterator[Servers]:
    """servers(15), servers(18), servers("mysql"), servers("mariadb", tls=True): started at the first use."""
    running: dict[str, Postgres | MysqlFamily] = {}

    def get(which: int | str, tls: bool = False) -> Postgres | MysqlFamily:
        name = f"server-{which}{'-tls' if tls else ''}"
        if name not in running:
            running[name] = make_server(which, root / name, tls=tls).start()
        return running[name]
    yield get
    for each in running.values():
        throw_away(each)


def make_server(which: int | str, path: Path, **options: Any) -> Postgres | MysqlFamily:
    return SERVERS[which](path, **options) if isinstance(which, str) else Postgres(which, path, **options)


def throw_away(server: Postgres | MysqlFamily) -> None:
    """Its data is removed next: it need not be tidy."""
    if isinstance(server, Postgres):
        server.stop("immediate")
    else:
        server.kill()


@pytest.fixture(scope="session")
def kafka(root: Path) -> Iterator[Kafka]:
    broker = Kafka(root / "kafka")
    try:
        yield broker.start()
    finally:
        broker.stop()


def _redis(root: Path, kind: str) -> Iterator[Redis]:
    server = Redis(root / kind, kind)
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture(scope="session")
def redis(root: Path) -> Iterator[Redis]:
    yield from _redis(root, "redis")


@pytest.fixture(scope="session")
def redis8(root: Path) -> Iterator[Redis]:
    yield from _redis(root, "redis8")


@pytest.fixture(scope="session")
def valkey(root: Path) -> Iterator[Redis]:
    yield from _redis(root, "valkey")


@pytest.fixture(scope="session")
def webhook(root: Path) -> Iterator[Webhook]:
    receiver = Webhook(root / "webhook")
    try:
        yield receiver.start()
    finally:
        receiver.stop()


@pytest.fixture
def http(webhook: Webhook) -> Webhook:
    return webhook


@pytest.fixture
def arrays(webhook: Webhook) -> Webhook:
    return webhook


def _nats(root: Path, kind: str) -> Iterator[nats_server.Nats]:
    server = nats_server.Nats(root / kind, kind, options="max_payload: 8MB")
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture(scope="session")
def nats(root: Path) -> Iterator[nats_server.Nats]:
    yield from _nats(root, "nats")


@pytest.fixture(scope="session", name="nats-new")
def nats_new(root: Path) -> Iterator[nats_server.Nats]:
    yield from _nats(root, "nats-new")


@pytest.fixture
def home(root: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder for this test alone."""
    safe = "".join(c if c.isalnum() else "_" for c in request.node.name)[:40].strip("_").lower()
    path = Path(tempfile.mkdtemp(prefix=f"{safe}-", dir=root))
    yield path
    if not os.environ.get("DF_KEEP"):
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def small_disk(home: Path) -> Iterator[SmallDisk]:
    disk = SmallDisk(home / "disk")
    yield disk
    disk.unmount()


class Workbench:
    """Hands out databases, private servers and engines, and takes all of them back."""

    def __init__(self, home: Path, servers: Servers) -> None:
        self.home, self.servers = home, servers
        self._engines: list[Engine] = []
        self._databases: list[tuple[Any, str]] = []
        self._private: list[Any] = []
        self._proxies: list[Proxy] = []
        self._processes: list[Process] = []

    def database(self, server: Any) -> str:
        name = f"d{abs(hash(self.home)) % 10**9}_{len(self._databases)}"
        self._databases.append((server, name))
        return server.create_database(name)

    def server(self, which: int | str = 15, **options: Any) -> Any:
        """A private one, for tests that restart or reconfigure it."""
        path = self.home / f"{which}-{len(self._private)}"  # short: sockets lie below it
        self.home.chmod(0o755)
        server = make_server(which, path, **options)
        self._private.append(server)
        return server.start()

    def proxy(self, upstream: int) -> Proxy:
        proxy = Proxy(upstream, self.home / f"proxy-{len(self._proxies)}.log").start()
        self._proxies.append(proxy)
        return proxy

    def engine(self, server: Any, database: str, sinks: list[dict[str, Any]], **options: Any) -> Engine:
        return self.keep(capture(server, self.home / f"engine-{len(self._engines)}", database, sinks, **options))

    def keep(self, engine: Engine) -> Engine:
        self._engines.append(engine)
        return engine

    def close(self) -> None:
        for engine in self._engines:
            engine.kill()
        for proxy in self._proxies:
            proxy.stop()
        for server in self._private:
            throw_away(server)
        for server, name in self._databases:
            if server not in self._private:
                server.drop_database(name)


@pytest.fixture
def outlet(bench: Workbench, request: pytest.FixtureRequest) -> Iterator[Outlets]:
    made: list[Outlet] = []

    def make(kind: str, name: str, **more: Any) -> Outlet:
        if kind == "file":
            made.append(file_outlet(more.pop("path", bench.home / "out"), **more))
        else:
            made.append(_WITH_SERVER[kind](request.getfixturevalue(kind), name, **more))
        return made[-1]
    yield make
    for each in made:
        each.discard()


@pytest.fixture
def bench(home: Path, servers: Servers) -> Iterator[Workbench]:
    workbench = Workbench(home, servers)
    yield workbench
    workbench.close()
