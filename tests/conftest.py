"""Servers shared by all tests of a session; whatever a test starts is gone when it ends."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.engine import Engine, capture
from harness.kafka import Kafka
from harness.postgres import Postgres
from harness.procs import Process
from harness.proxy import Proxy


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="run the long forms: 20 counted kills per pair")


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
def servers(root: Path) -> Iterator[Callable[[int], Postgres]]:
    """servers(15), servers(18): started at the first use."""
    running: dict[int, Postgres] = {}

    def get(version: int) -> Postgres:
        if version not in running:
            running[version] = Postgres(version, root / f"pg{version}").start()
        return running[version]
    yield get
    for each in running.values():
        each.stop("immediate")


@pytest.fixture(scope="session")
def kafka(root: Path) -> Iterator[Kafka]:
    broker = Kafka(root / "kafka")
    try:
        yield broker.start()
    finally:
        broker.stop()


@pytest.fixture
def home(root: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder for this test alone."""
    safe = "".join(c if c.isalnum() else "_" for c in request.node.name)[:40].strip("_").lower()
    path = Path(tempfile.mkdtemp(prefix=f"{safe}-", dir=root))
    yield path
    if not os.environ.get("DF_KEEP"):
        shutil.rmtree(path, ignore_errors=True)


class Workbench:
    """Hands out databases, private servers and engines, and takes all of them back."""

    def __init__(self, home: Path, servers: Callable[[int], Postgres]) -> None:
        self.home, self.servers = home, servers
        self._engines: list[Engine] = []
        self._databases: list[tuple[Postgres, str]] = []
        self._private: list[Postgres] = []
        self._proxies: list[Proxy] = []
        self._processes: list[Process] = []

    def database(self, pg: Postgres) -> str:
        name = f"d{abs(hash(self.home)) % 10**9}_{len(self._databases)}"
        self._databases.append((pg, name))
        return pg.create_database(name)

    def server(self, version: int = 15, **options: Any) -> Postgres:
        """A private one, for tests that restart or reconfigure it."""
        path = self.home / f"pg{version}-{len(self._private)}"
        self.home.chmod(0o755)
        pg = Postgres(version, path, **options)
        self._private.append(pg)
        return pg.start()

    def proxy(self, upstream: int) -> Proxy:
        proxy = Proxy(upstream, self.home / f"proxy-{len(self._proxies)}.log").start()
        self._proxies.append(proxy)
        return proxy

    def engine(self, pg: Postgres, database: str, sinks: list[dict[str, Any]], **options: Any) -> Engine:
        return self.keep(capture(pg, self.home / f"engine-{len(self._engines)}", database, sinks, **options))

    def keep(self, engine: Engine) -> Engine:
        self._engines.append(engine)
        return engine

    def close(self) -> None:
        for engine in self._engines:
            engine.kill()
        for proxy in self._proxies:
            proxy.stop()
        for pg in self._private:
            pg.stop("immediate")
        for pg, name in self._databases:
            if pg not in self._private:
                pg.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
                           f"'{name}' AND pid <> pg_backend_pid()")
                for (slot,) in pg.query("SELECT slot_name FROM pg_replication_slots WHERE database = %s", args=(name,)):
                    pg.wait_slot_free(slot, 10)
                    pg.execute(f"SELECT pg_drop_replication_slot('{slot}')")
                pg.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def bench(home: Path, servers: Callable[[int], Postgres]) -> Iterator[Workbench]:
    workbench = Workbench(home, servers)
    yield workbench
    workbench.close()
