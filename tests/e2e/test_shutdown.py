"""SIGTERM and SIGINT drain and exit 0; a sink that takes nothing makes the deadline pass: exit 4, nothing lost."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import pytest

from conftest import Workbench
from flow import Arrivals
from harness.engine import file_sink, kafka_sink
from harness.kafka import Kafka
from harness.oracle import check
from harness.postgres import Postgres
from harness.procs import wait_until
from harness.readers import FileReader, KafkaReader
from harness.workload import TABLES, Writer


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_drains_under_load(sig: signal.Signals, bench: Workbench, servers: Callable[[int], Postgres]) -> None:
    pg = servers(15)
    database = bench.database(pg)
    Writer.create_tables(pg, database)
    engine = bench.engine(pg, database, [file_sink(bench.home / "out")], tables=TABLES)
    arrivals = Arrivals(FileReader(bench.home / "out"))
    engine.start()  # the slot stands before the first row is written
    writer = Writer(pg, database).start()
    for _ in range(4):
        if not engine.alive():
            engine.start()
        time.sleep(0.7)
        started = time.monotonic()
        assert engine.terminate(sig) == 0, engine.log_tail()
        assert time.monotonic() - started < 25
    book = writer.stop()
    engine.start()
    arrivals.wait_for(book)
    assert engine.terminate(sig) == 0
    assert check(arrivals.look().reader.records, book, pg, database).assert_sound().duplicates == 0


def test_clean_stop_repeats_nothing_in_kafka(bench: Workbench, servers: Callable[[int], Postgres],
                                             kafka: Kafka) -> None:
    pg = servers(15)
    database = bench.database(pg)
    Writer.create_tables(pg, database)
    topic = kafka.create_topic(database)
    engine = bench.engine(pg, database, [kafka_sink(kafka.brokers, topic)], tables=TABLES)
    arrivals = Arrivals(KafkaReader(kafka.brokers, topic))
    engine.start()
    writer = Writer(pg, database).start()
    for _ in range(3):
        if not engine.alive():
            engine.start()
        time.sleep(0.7)
        assert engine.terminate() == 0, engine.log_tail()
    book = writer.stop()
    engine.start()
    arrivals.wait_for(book)
    assert engine.terminate() == 0
    assert check(arrivals.look().reader.records, book, pg, database).assert_sound().duplicates == 0


def test_deadline(bench: Workbench, servers: Callable[[int], Postgres], kafka: Kafka) -> None:
    pg = servers(15)
    database = bench.database(pg)
    Writer.create_tables(pg, database)
    topic = kafka.create_topic(database)
    engine = bench.engine(pg, database, [kafka_sink(kafka.proxied, topic)], tables=TABLES)
    engine.shutdown_timeout = "2"
    engine.start()
    arrivals = Arrivals(KafkaReader(kafka.brokers, topic))
    writer = Writer(pg, database)
    writer.commit(5)
    arrivals.wait_for(writer.book)
    kafka.proxy.cut()
    try:
        writer.commit(20)
        time.sleep(1)
        started = time.monotonic()
        assert engine.terminate() == 4, engine.log_tail()
        assert time.monotonic() - started < 6
    finally:
        kafka.proxy.heal()
    book = writer.stop()
    engine.start()
    arrivals.wait_for(book)
    wait_until(lambda: engine.get("/health")["status"] == "healthy", 20, "health")
    check(arrivals.look().reader.records, book, pg, database).assert_sound()
