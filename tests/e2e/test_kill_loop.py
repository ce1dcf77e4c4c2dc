"""SIGKILL at random instants under a writer of hundreds of transactions a second: nothing lost, nothing invented."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

import pytest

from conftest import Workbench
from flow import Arrivals, SlotWatch, Witness
from harness.engine import file_sink, kafka_sink, redis_sink
from harness.kafka import Kafka
from harness.oracle import check
from harness.postgres import VERSIONS, Postgres, lsn
from harness.readers import FileReader, KafkaReader
from harness.redis import Redis, RedisReader
from harness.workload import TABLES, Writer


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("sinks", ["file", "kafka", "both", "redis"])
@pytest.mark.parametrize("version", VERSIONS)
def test_kill_loop(version: int, sinks: str, bench: Workbench, servers: Callable[[int], Postgres],
                   request: pytest.FixtureRequest, full: bool) -> None:
    pg = servers(version)
    database = bench.database(pg)
    Writer.create_tables(pg, database)
    configured: list[dict[str, Any]] = []
    arrivals: dict[str, Arrivals] = {}
    if sinks in ("file", "both"):
        configured.append(file_sink(bench.home / "out"))
        arrivals["file"] = Arrivals(FileReader(bench.home / "out"))
    if sinks in ("kafka", "both"):
        broker: Kafka = request.getfixturevalue("kafka")
        topic = broker.create_topic(database)
        configured.append(kafka_sink(broker.brokers, topic))
        arrivals["kafka"] = Arrivals(KafkaReader(broker.brokers, topic))
    if sinks == "redis":
        server: Redis = request.getfixturevalue("redis")
        configured.append(redis_sink(server.uri, f"events:{database}"))
        arrivals["redis"] = Arrivals(RedisReader(server, f"events:{database}"))
    engine = bench.engine(pg, database, configured, tables=TABLES).start()
    at_least_once = [name for name in arrivals if name != "file"]
    slot = f"df_{database}"
    file_reader = arrivals["file"].reader if "file" in arrivals else None
    watch = SlotWatch(pg, slot, engine.database, file_reader and FileReader(file_reader.path),  # type: ignore[union-attr]
                      *at_least_once).start()
    writer = Writer(pg, database, seed=version).start()
    pick = random.Random(f"{version}{sinks}")

    wanted, counted, kills = (20 if full else 3), 0, 0
    witnesses: list[tuple[str, Witness]] = []
    give_up = time.monotonic() + (1200 if full else 120)
    while counted < wanted or any(arrivals[name].duplicates == 0 for name in at_least_once):
        assert time.monotonic() < give_up, f"{counted} counted kills of {kills}; the test does not test"
        if not engine.alive():
            engine.start(ready=False)
        time.sleep(pick.uniform(0.05, 2.0))
        acknowledged = writer.book.xids()
        engine.kill()
        kills += 1
        confirmed = lsn(pg.slot(slot)["confirmed_flush_lsn"])  # type: ignore[index]
        missing = []
        for name, each in arrivals.items():
            missing.append(len(acknowledged - each.look().xids))
            witnesses.append((name, Witness(confirmed, len(each.reader.records))))
        counted += all(missing)
    book = writer.stop()
    watch.stop()

    engine.start()
    for each in arrivals.values():
        each.wait_for(book)
    late = Writer(pg, database, seed=99, book=book, first=90)
    late.commit(1)
    for each in arrivals.values():
        each.wait_for(book, 10)
    late.stop()
    assert engine.terminate() == 0

    report = [f"{kills} kills, {counted} counted, {len(book)} transactions, {watch.samples} looks at the slot"]
    for name, each in arrivals.items():
        each.look()
        verdict = check(each.reader.records, book, pg, database).assert_sound()
        for kind, witness in witnesses:
            if kind == name:
                witness.assert_covered(verdict)
        report.append(f"{name}: {verdict.events} events, {verdict.duplicates} repeated")
        if name == "file":
            assert verdict.duplicates == 0, "the file sink is exactly-once"
        else:
            assert verdict.duplicates > 0, "no repetition seen: the kills hit nothing"
    print("; ".join(report))
