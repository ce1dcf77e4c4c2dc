"""Two sinks, each with its own position: a restart repeats nothing that a sink has stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from conftest import Workbench
from flow import Arrivals
from harness.disk import SmallDisk
from harness.engine import Engine, file_sink, kafka_sink, pipeline, postgres_source
from harness.kafka import Kafka
from harness.oracle import check
from harness.postgres import Postgres, lsn
from harness.procs import wait_until
from harness.readers import FileReader, KafkaReader
from harness.stored import stored_lsn
from harness.workload import TABLES, Writer, single_row


@contextmanager
def _away(kafka: Kafka) -> Iterator[None]:
    kafka.proxy.cut()
    try:
        yield
    finally:
        kafka.proxy.heal()


@pytest.mark.parametrize("ahead", ["kafka", "file"])
def test_restart_with_one_sink_ahead(ahead: str, bench: Workbench, servers: Callable[[int], Postgres], kafka: Kafka,
                                     small_disk: SmallDisk) -> None:
    pg = servers(15)
    database = bench.database(pg)
    Writer.create_tables(pg, database)
    topic = kafka.create_topic(database)
    out = small_disk.path / "out"
    source = postgres_source(pg.dsn(database), name=database, tables=TABLES)
    sinks = [file_sink(out), kafka_sink(kafka.proxied, topic)]
    engine = bench.keep(Engine(bench.home / "engine", pipeline(
        source, sinks, batch={"max_events": 10, "max_inflight": 64})))
    engine.start()
    arrivals = {"file": Arrivals(FileReader(out)), "kafka": Arrivals(KafkaReader(kafka.brokers, topic))}
    writer = Writer(pg, database, sizes=single_row, big=200)
    writer.commit(30)
    for each in arrivals.values():
        each.wait_for(writer.book)

    behind = "file" if ahead == "kafka" else "kafka"
    with small_disk.full() if behind == "file" else _away(kafka):
        for _ in range(40):  # in small steps, so that many batches are cut
            writer.commit(5)
            wait_until(lambda: len(arrivals[ahead].look().xids) > 30, 20, f"{ahead} to go on alone")
        wait_until(lambda: len(arrivals[ahead].look().xids) - len(arrivals[behind].look().xids) >= 50, 30,
                   f"{ahead} to be 50 commits ahead")
        wait_until(lambda: (lsn(engine.checkpoint(ahead) or "0/0") > lsn(engine.checkpoint(behind) or "0/0")), 10,
                   "the positions to part")
        engine.kill()
    stored = stored_lsn(engine.database, "kafka")
    assert stored is not None
    first_run = {name: len(each.look().reader.records) for name, each in arrivals.items()}

    engine.configure(pipeline(source, sinks, batch={"max_events": 7, "max_inflight": 64}))
    engine.start()
    writer.commit(20)
    book = writer.stop()
    for each in arrivals.values():
        each.wait_for(book)
    assert engine.terminate() == 0
    assert check(arrivals["file"].look().reader.records, book, pg, database).assert_sound().duplicates == 0
    verdict = check(arrivals["kafka"].look().reader.records, book, pg, database).assert_sound()
    repeated = {xid: verdict.lsns[xid] for xid in verdict.duplicated}
    early = {xid: f"{commit:X}" for xid, commit in repeated.items() if commit < lsn(stored)}
    assert not early, f"Kafka got again what lies before its stored position {stored}: {early}"
    assert first_run[ahead] > first_run[behind]
