"""Links and servers that go away: the engine waits, says so, and recovers by itself."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from conftest import Workbench
from flow import Arrivals
from harness.engine import Engine, file_sink, kafka_sink, redis_sink
from harness.kafka import Kafka
from harness.oracle import check
from harness.postgres import Postgres
from harness.procs import wait_until
from harness.readers import FileReader, KafkaReader
from harness.redis import Redis, RedisReader
from harness.workload import TABLES, Writer


def health(engine: Engine) -> str:
    status = engine.get("/health")["status"]
    assert engine.alive(), engine.log_tail()
    return status


def wait_health(engine: Engine, status: str, seconds: float) -> None:
    wait_until(lambda: health(engine) == status, seconds, f"/health to say {status}")


@pytest.mark.parametrize("fault", ["cut", "silence"])
def test_kafka_unreachable(fault: str, bench: Workbench, servers: Callable[[int], Postgres], kafka: Kafka) -> None:
    pg = servers(15)
    database = bench.database(pg)
    Writer.create_tables(pg, database)
    topic = kafka.create_topic(database)
    # The user's message.timeout.ms says when the pipeline counts as degraded; it never drops anything.
    sink = kafka_sink(kafka.proxied, topic, client_conf={"message.timeout.ms": "5000"})
    engine = bench.engine(pg, database, [sink], tables=TABLES).start()
    arrivals = Arrivals(KafkaReader(kafka.brokers, topic))
    writer = Writer(pg, database, rate=100).start()
    wait_until(lambda: len(arrivals.look().xids) > 20, 20, "the first transactions in Kafka")
    assert health(engine) == "healthy"

    getattr(kafka.proxy, fault)()
    try:
        started = time.monotonic()
        wait_health(engine, "degraded", 20)
        assert engine.get("/health")["degraded_pipelines"] == ["p"]
        assert engine.request("GET", "/ready")[0] == 200, "only a sink is down"
        time.sleep(max(0.0, (30 if fault == "cut" else 12) - (time.monotonic() - started)))
        assert health(engine) == "degraded"
    finally:
        kafka.proxy.heal()
    book = writer.stop()
    arrivals.wait_for(book, 60)
    wait_health(engine, "healthy", 30)
    assert engine.terminate() == 0
    check(arrivals.look().reader.records, book, pg, database).assert_sound()


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_postgres_restarted(mode: str, bench: Workbench) -> None:
    pg = bench.server(15)
    database = bench.database(pg)
    Writer.create_tables(pg, database)
    engine = bench.engine(pg, database, [file_sink(bench.home / "out")], tables=TABLES).start()
    arrivals = Arrivals(FileReader(bench.home / "out"))
    writer = Writer(pg, database, rate=200).start()
    wait_until(lambda: len(arrivals.look().xids) > 20, 20, "the first transactions in the file")
    pg.stop(mode)
    assert pg.process is None, "the server did not stop"
    wait_health(engine, "degraded", 20)
    time.sleep(3)
    pg.start()
    wait_health(engine, "healthy", 30)
    time.sleep(1)
    book = writer.stop()
    arrivals.wait_for(book, 30)
    assert engine.terminate() == 0
    assert check(arrivals.look().reader.records, book, pg, database).assert_sound().duplicates == 0


@pytest.mark.parametrize("fault", ["cut", "silence"])
def test_postgres_unreachable(fault: str, bench: Workbench) -> None:
    pg = bench.server(15, settings={"wal_sender_timeout": "6s"})
    database = bench.database(pg)
    Writer.create_tables(pg, database)
    proxy = bench.proxy(pg.port)
    engine = bench.engine(pg, database, [file_sink(bench.home / "out")], tables=TABLES, port=proxy.port).start()
    arrivals = Arrivals(FileReader(bench.home / "out"))
    writer = Writer(pg, database, rate=200).start()
    wait_until(lambda: len(arrivals.look().xids) > 20, 20, "the first transactions in the file")
    getattr(proxy, fault)()
    wait_health(engine, "degraded", 60)
    time.sleep(3)
    proxy.heal()
    wait_health(engine, "healthy", 40)
    book = writer.stop()
    arrivals.wait_for(book, 30)
    assert engine.terminate() == 0
    assert check(arrivals.look().reader.records, book, pg, database).assert_sound().duplicates == 0


def test_postgres_cut_inside_a_transaction(bench: Workbench, servers: Callable[[int], Postgres]) -> None:
    """The link breaks at arbitrary bytes of the stream: no half transaction is ever seen."""
    pg = servers(15)
    database = bench.database(pg)
    Writer.create_tables(pg, database)
    proxy = bench.proxy(pg.port)
    engine = bench.engine(pg, database, [file_sink(bench.home / "out")], tables=TABLES, port=proxy.port).start()
    arrivals = Arrivals(FileReader(bench.home / "out"))
    writer = Writer(pg, database, rate=200).start()
    for count in (1, 777, 20_000, 150_001):
        proxy.cut_after(count, replies=True)
        wait_until(lambda: proxy.stats()["links"] == 0, 20, "the cut")
        proxy.heal()
        engine.wait_status({"running"}, 30)
        time.sleep(0.5)
    book = writer.stop()
    arrivals.wait_for(book, 30)
    assert engine.terminate() == 0
    assert check(arrivals.look().reader.records, book, pg, database).assert_sound().duplicates == 0


def test_kafka_broker_killed(bench: Workbench, servers: Callable[[int], Postgres], kafka: Kafka) -> None:
    pg = servers(15)
    database = bench.database(pg)
    Writer.create_tables(pg, database)
    topic = kafka.create_topic(database)
    engine = bench.engine(pg, database, [kafka_sink(kafka.brokers, topic)], tables=TABLES).start()
    arrivals = Arrivals(KafkaReader(kafka.brokers, topic))
    writer = Writer(pg, database, rate=100).start()
    wait_until(lambda: len(arrivals.look().xids) > 20, 20, "the first transactions in Kafka")
    kafka.kill()
    time.sleep(1)
    kafka.start()
    time.sleep(1)
    book = writer.stop()
    arrivals.wait_for(book, 60)
    assert engine.terminate() == 0
    check(arrivals.look().reader.records, book, pg, database).assert_sound()


def test_redis_killed(bench: Workbench, servers: Callable[[int], Postgres], redis: Redis) -> None:
    pg = servers(15)
    database = bench.database(pg)
    Writer.create_tables(pg, database)
    stream = f"events:{database}"
    engine = bench.engine(pg, database, [redis_sink(redis.uri, stream)], tables=TABLES).start()
    arrivals = Arrivals(RedisReader(redis, stream))
    writer = Writer(pg, database, rate=100).start()
    wait_until(lambda: len(arrivals.look().xids) > 20, 20, "the first transactions in Redis")
    redis.kill()
    time.sleep(1)
    redis.start()
    time.sleep(1)
    book = writer.stop()
    arrivals.wait_for(book, 60)
    assert engine.terminate() == 0
    check(arrivals.look().reader.records, book, pg, database).assert_sound()


@pytest.mark.parametrize("fault", ["cut", "silence"])
def test_redis_unreachable(fault: str, bench: Workbench, servers: Callable[[int], Postgres], redis: Redis) -> None:
    pg = servers(15)
    database = bench.database(pg)
    Writer.create_tables(pg, database)
    stream = f"events:{database}"
    engine = bench.engine(pg, database, [redis_sink(redis.proxied, stream)], tables=TABLES).start()
    arrivals = Arrivals(RedisReader(redis, stream))
    writer = Writer(pg, database, rate=100).start()
    wait_until(lambda: len(arrivals.look().xids) > 20, 20, "the first transactions in Redis")

    getattr(redis.proxy, fault)()
    try:
        wait_health(engine, "degraded", 20)
        assert engine.request("GET", "/ready")[0] == 200, "only a sink is down"
        time.sleep(10)
        assert health(engine) == "degraded"
    finally:
        redis.proxy.heal()
    book = writer.stop()
    arrivals.wait_for(book, 60)
    wait_health(engine, "healthy", 30)
    assert engine.terminate() == 0
    check(arrivals.look().reader.records, book, pg, database).assert_sound()
