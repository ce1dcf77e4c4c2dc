"""No password is ever written: not to logs, REST, metrics, errors, nor to the state directory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest

from conftest import Servers, Workbench
from flow import SERVERS, assert_silent, matrix
from harness import mysql, postgres
from harness.engine import Engine, blackhole_sink, kafka_sink, mysql_source, pipeline, postgres_source, redis_sink
from harness.kafka import SCRAM_PASSWORD, SCRAM_USER, Kafka
from harness.procs import wait_until
from harness.readers import KafkaReader
from harness.redis import Redis, RedisReader

REDIS_USER, REDIS_PASSWORD = "app", "canary-redis@3d0f"
WRONG = "canary-wrong@88d2"
SECRETS = (postgres.PASSWORD, mysql.PASSWORD, SCRAM_PASSWORD, REDIS_PASSWORD, WRONG)

Far = tuple[Callable[[str | None], dict[str, Any]], Callable[[], Any]]  # a password to a configured sink; its reader
canaries = matrix("which, kind", "15-kafka mysql-redis mariadb-redis", SERVERS, ("kafka", "redis"))


@pytest.fixture
def far(kind: str, request: pytest.FixtureRequest) -> Iterator[Far]:
    """A sink with a login. Without a password given it has the right one."""
    name = f"secrets_{time.monotonic_ns()}"
    if kind == "kafka":
        broker: Kafka = request.getfixturevalue("kafka")
        broker.create_topic(name)
        login = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "SCRAM-SHA-256", "sasl.username": SCRAM_USER}
        yield (lambda wrong: kafka_sink(broker.scram, name,
                                        client_conf={**login, "sasl.password": wrong or SCRAM_PASSWORD}),
               lambda: KafkaReader(broker.brokers, name))
        return
    server: Redis = request.getfixturevalue("redis")
    server.ask("ACL", "SETUSER", REDIS_USER, "on", f">{REDIS_PASSWORD}", "~*", "+@all")
    where = f"127.0.0.1:{server.port}"
    yield (lambda wrong: redis_sink(f"redis://{REDIS_USER}:{quote(wrong or REDIS_PASSWORD, safe='')}@{where}", name),
           lambda: RedisReader(server, name))
    server.ask("ACL", "DELUSER", REDIS_USER)


def _table(bench: Workbench, server: Any) -> str:
    database = bench.database(server)
    server.execute("CREATE TABLE t (id int PRIMARY KEY)", database)
    return database


def _engine(bench: Workbench, server: Any, database: str, sink: dict[str, Any], *, wrong: str | None = None) -> Engine:
    if isinstance(server, postgres.Postgres):
        dsn = (f"host=127.0.0.1 port={server.port} dbname={database} user=cdc password='{wrong}'" if wrong else
               server.dsn(database, user="cdc", password=postgres.PASSWORD))
        source = postgres_source(dsn, name=database, tables=["public.t"])
    else:
        dsn = server.dsn(database, password=quote(wrong or mysql.PASSWORD, safe=""))
        source = mysql_source(dsn, name=database, tables=[f"{database}.t"])
    return bench.keep(Engine(bench.home / "engine", pipeline(source, [sink]), env={"RUST_LOG": "debug"}))


@canaries
def test_canaries_when_all_is_well(which: int | str, bench: Workbench, servers: Servers, far: Far) -> None:
    sink, reader_of = far
    server = servers(which)
    database = _table(bench, server)
    engine = _engine(bench, server, database, sink(None)).start()
    server.execute("INSERT INTO t VALUES (1)", database)
    reader = reader_of()
    wait_until(lambda: reader.drain(), 20, "the row, through both logins")
    assert_silent(engine, *SECRETS)


@canaries
def test_canaries_with_a_wrong_database_password(which: int | str, bench: Workbench, servers: Servers, far: Far) -> None:
    server = servers(which)
    engine = _engine(bench, server, _table(bench, server), far[0](None), wrong=WRONG).start(ready=False)
    error = engine.wait_status({"failed"}, 20)["error"]
    assert error["kind"] == "auth", error
    assert_silent(engine, *SECRETS)


@canaries
def test_canaries_with_a_wrong_sink_password(which: int | str, bench: Workbench, servers: Servers, far: Far) -> None:
    server = servers(which)
    engine = _engine(bench, server, _table(bench, server), far[0](WRONG)).start(ready=False)
    error = engine.wait_status({"failed", "degraded"}, 30)["error"]
    assert error["kind"] == "auth", error
    time.sleep(1)
    assert_silent(engine, *SECRETS)


def test_state_directory_is_private(bench: Workbench, servers: Servers) -> None:
    pg = servers(15)
    engine = _engine(bench, pg, _table(bench, pg), blackhole_sink()).start()
    modes = {path.name: path.stat().st_mode & 0o777 for path in [engine.state, *engine.state.iterdir()]}
    assert modes.pop("state") == 0o700
    assert all(mode & 0o077 == 0 for mode in modes.values()), modes
