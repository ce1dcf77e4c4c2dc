"""The engine goes on at a replica that was promoted, though the transactions lie in another order there; and it does not
where that replica lacks what was delivered."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource

from conftest import Workbench
from harness.disk import SmallDisk
from harness.engine import Engine, file_sink, kafka_sink, mysql_source, pipeline
from harness.kafka import Kafka
from harness.mysql import MysqlFamily
from harness.oracle import parse
from harness.procs import wait_until
from harness.readers import FileReader, KafkaReader

FLAVORS = ["mysql", "mariadb"]


def _replica(bench: Workbench, flavor: str, primary: MysqlFamily, **settings: str) -> MysqlFamily:
    replica = bench.server(flavor, settings=settings)
    replica.replicate_from(primary)
    replica.wait_replicated(primary)
    return replica


def _point(engine: Engine, server: MysqlFamily, database: str, sinks: list[dict[str, Any]]) -> Engine:
    source = mysql_source(server.dsn(database), name="orders", tables=[f"{database}.t"])
    engine.configure(pipeline(source, sinks, batch={"max_events": 1}))
    return engine


def _ids(reader: FileReader | KafkaReader) -> list[int]:
    reader.drain()
    return [parse(record)["after"]["id"] for record in reader.records]


def _allow(kafka: Kafka, topic: str, size: int) -> None:
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic, set_config={"max.message.bytes": str(size)})
    admin = AdminClient({"bootstrap.servers": kafka.brokers})  # its futures die with it
    for done in admin.alter_configs([resource]).values():
        done.result(20)


def test_two_sinks_at_sets_without_an_order(bench: Workbench, kafka: Kafka, small_disk: SmallDisk) -> None:
    """Transactions are a, b, c at the primary and a, c, b at the replica. One sink has {a, b}, the other {a, c}."""
    primary = bench.server("mysql")
    database = bench.database(primary)
    primary.execute("CREATE TABLE t (id int PRIMARY KEY, v longtext)", database)
    replica = _replica(bench, "mysql", primary, **{"replica-preserve-commit-order": "OFF"})
    topic = kafka.create_topic(database)
    _allow(kafka, topic, 100_000)
    sinks = [file_sink(small_disk.path / "out"), kafka_sink(kafka.brokers, topic)]
    engine = bench.keep(Engine(bench.home / "engine", []))
    _point(engine, primary, database, sinks).start()
    in_file, in_kafka = FileReader(small_disk.path / "out"), KafkaReader(kafka.brokers, topic)

    def delivered() -> dict[str, str]:
        return {sink: (engine.position(sink) or {}).get("gtid_set", "") for sink in ("file", "kafka")}

    primary.execute("INSERT INTO t VALUES (1, 'a')", database)
    wait_until(lambda: _ids(in_file) == _ids(in_kafka) == [1], 20, "a everywhere")
    replica.wait_replicated(primary)
    with replica.connect(database) as link, link.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("INSERT INTO t VALUES (2, 'in the way of b')")
        primary.execute("INSERT INTO t VALUES (2, %s)", database, (secrets.token_hex(250_000),))  # no codec helps
        wait_until(lambda: _ids(in_file) == [1, 2], 20, "b in the file")
        engine.wait_status({"degraded"})  # too large for the topic
        wait_until(lambda: delivered()["file"] != delivered()["kafka"], 10, "the positions to part")
        engine.kill()
        primary.execute("INSERT INTO t VALUES (3, 'c')", database)
        wait_until(lambda: replica.query("SELECT count(*) FROM t WHERE id = 3", database)[0][0] == "1", 20,
                   "c at the replica, before b")
        cursor.execute("ROLLBACK")
    replica.wait_replicated(primary)
    primary.kill()
    replica.promote()

    with small_disk.full():
        _point(engine, replica, database, sinks).start(ready=False)
        wait_until(lambda: _ids(in_kafka) == [1, 3], 30, "c, which comes first here")
        wait_until(lambda: not _subset(replica, delivered()["kafka"], delivered()["file"]), 10, "c in the position")
        assert not _subset(replica, delivered()["file"], delivered()["kafka"]), "the sets have an order"
        engine.kill()
    _allow(kafka, topic, 2_000_000)
    engine.start(ready=False)
    replica.execute("INSERT INTO t VALUES (4, 'd')", database)
    wait_until(lambda: len(_ids(in_file)) >= 4 and len(_ids(in_kafka)) >= 4, 30, "everything everywhere")
    assert _ids(in_file) == [1, 2, 3, 4]
    assert _ids(in_kafka) == [1, 3, 2, 4]
    engine.wait_status({"running"})


def _subset(server: MysqlFamily, some: str, all_of: str) -> bool:
    return server.query("SELECT GTID_SUBSET(%s, %s)", args=(some, all_of))[0][0] == "1"


@pytest.mark.parametrize("flavor", FLAVORS)
def test_promoted_replica(flavor: str, bench: Workbench) -> None:
    primary = bench.server(flavor)
    database = bench.database(primary)
    primary.execute("CREATE TABLE t (id int PRIMARY KEY)", database)
    replica = _replica(bench, flavor, primary)
    sinks = [file_sink(bench.home / "out")]
    engine = bench.keep(Engine(bench.home / "engine", []))
    _point(engine, primary, database, sinks).start()
    reader = FileReader(bench.home / "out")
    for number in range(5):
        primary.execute(f"INSERT INTO t VALUES ({number})", database)
    wait_until(lambda: len(_ids(reader)) == 5, 20, "five rows")
    engine.kill()
    primary.execute("INSERT INTO t VALUES (5)", database)
    replica.wait_replicated(primary)
    primary.kill()
    replica.promote()
    replica.execute("INSERT INTO t VALUES (6)", database)
    _point(engine, replica, database, sinks).start()
    wait_until(lambda: len(_ids(reader)) >= 7, 20, "the rest")
    assert _ids(reader) == list(range(7))


@pytest.mark.parametrize("flavor", FLAVORS)
def test_promoted_replica_that_lacks_what_was_delivered(flavor: str, bench: Workbench) -> None:
    """MariaDB: it gives the same sequence numbers again, to other transactions."""
    primary = bench.server(flavor)
    database = bench.database(primary)
    primary.execute("CREATE TABLE t (id int PRIMARY KEY)", database)
    replica = _replica(bench, flavor, primary)
    replica.script("STOP REPLICA;")
    sinks = [file_sink(bench.home / "out")]
    engine = bench.keep(Engine(bench.home / "engine", []))
    _point(engine, primary, database, sinks).start()
    reader = FileReader(bench.home / "out")
    primary.execute("INSERT INTO t VALUES (1)", database)
    wait_until(lambda: _ids(reader) == [1], 20, "the row")
    engine.kill()
    primary.kill()
    replica.promote()
    for number in range(11, 14):
        replica.execute(f"INSERT INTO t VALUES ({number})", database)
    _point(engine, replica, database, sinks).start(ready=False)
    failed = engine.wait_status({"failed"})
    assert failed["error"]["kind"] == "position_lost", failed["error"]
    assert failed["error"]["hint"]
    assert _ids(reader) == [1]
