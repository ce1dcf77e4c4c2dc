"""No password is ever written: not to logs, REST, metrics, errors, nor to the state directory."""

from __future__ import annotations

import time
from collections.abc import Callable

from conftest import Workbench
from flow import assert_silent
from harness.engine import Engine, blackhole_sink, kafka_sink, pipeline, postgres_source
from harness.kafka import SCRAM_PASSWORD, SCRAM_USER, Kafka
from harness.postgres import PASSWORD, Postgres
from harness.procs import wait_until
from harness.readers import KafkaReader

WRONG = "canary-wrong-88d2"


def scram(password: str) -> dict[str, str]:
    return {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "SCRAM-SHA-256", "sasl.username": SCRAM_USER,
            "sasl.password": password}


def _engine(bench: Workbench, dsn: str, brokers: str, database: str, password: str) -> Engine:
    source = postgres_source(dsn, name=database, tables=["public.t"])
    sink = kafka_sink(brokers, database, client_conf=scram(password))
    return bench.keep(Engine(bench.home / "engine", pipeline(source, [sink]), env={"RUST_LOG": "debug"}))


def _table(bench: Workbench, pg: Postgres) -> str:
    database = bench.database(pg)
    pg.execute("CREATE TABLE t (id int PRIMARY KEY)", database)
    return database


def test_canaries_when_all_is_well(bench: Workbench, servers: Callable[[int], Postgres], kafka: Kafka) -> None:
    pg = servers(15)
    database = _table(bench, pg)
    kafka.create_topic(database)
    dsn = pg.dsn(database, user="cdc", password=PASSWORD)
    engine = _engine(bench, dsn, kafka.scram, database, SCRAM_PASSWORD).start()
    pg.execute("INSERT INTO t VALUES (1)", database)
    reader = KafkaReader(kafka.brokers, database)
    wait_until(lambda: reader.drain(), 20, "the row, through a SCRAM login")
    assert_silent(engine, PASSWORD, SCRAM_PASSWORD, WRONG)


def test_canaries_with_a_wrong_database_password(bench: Workbench, servers: Callable[[int], Postgres],
                                                 kafka: Kafka) -> None:
    pg = servers(15)
    database = _table(bench, pg)
    dsn = f"host=127.0.0.1 port={pg.port} dbname={database} user=cdc password='{WRONG}'"
    engine = _engine(bench, dsn, kafka.scram, database, SCRAM_PASSWORD).start(ready=False)
    entry = engine.wait_status({"failed"}, 20)
    assert "authentication" in entry["error"]["message"], entry["error"]
    assert_silent(engine, PASSWORD, SCRAM_PASSWORD, WRONG)


def test_canaries_with_a_wrong_broker_password(bench: Workbench, servers: Callable[[int], Postgres],
                                               kafka: Kafka) -> None:
    pg = servers(15)
    database = _table(bench, pg)
    kafka.create_topic(database)
    engine = _engine(bench, pg.dsn(database, user="cdc", password=PASSWORD), kafka.scram, database, WRONG)
    engine.start(ready=False)
    entry = engine.wait_status({"failed", "degraded"}, 30)
    assert entry["error"], entry
    time.sleep(1)
    assert_silent(engine, PASSWORD, SCRAM_PASSWORD, WRONG)


def test_state_directory_is_private(bench: Workbench, servers: Callable[[int], Postgres]) -> None:
    pg = servers(15)
    database = _table(bench, pg)
    engine = bench.engine(pg, database, [blackhole_sink()]).start()
    modes = {path.name: path.stat().st_mode & 0o777 for path in [engine.state, *engine.state.iterdir()]}
    assert modes.pop("state") == 0o700
    assert all(mode & 0o077 == 0 for mode in modes.values()), modes
