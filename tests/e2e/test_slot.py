"""The slot: idle restarts repeat nothing, an idle slot advances, and a slot that lost something stops the pipeline."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable

import pytest

from conftest import Workbench
from flow import Arrivals
from harness.engine import Engine, file_sink, kafka_sink
from harness.kafka import Kafka
from harness.oracle import check
from harness.postgres import Postgres, lsn
from harness.procs import wait_until
from harness.readers import FileReader, KafkaReader
from harness.workload import TABLES, Writer


def test_idle_restarts_repeat_nothing(bench: Workbench, servers: Callable[[int], Postgres], kafka: Kafka) -> None:
    pg = servers(15)
    database = bench.database(pg)
    Writer.create_tables(pg, database)
    topic = kafka.create_topic(database)
    sinks = [file_sink(bench.home / "out"), kafka_sink(kafka.brokers, topic)]
    engine = bench.engine(pg, database, sinks, tables=TABLES).start()
    writer = Writer(pg, database)
    writer.commit(50)
    book = writer.stop()
    arrivals = [Arrivals(FileReader(bench.home / "out")), Arrivals(KafkaReader(kafka.brokers, topic))]
    for each in arrivals:
        each.wait_for(book)
    time.sleep(0.5)  # the positions are stored after the acknowledgement
    before = [len(each.reader.records) for each in arrivals]
    for number in range(5):
        if number % 2:
            engine.kill()
        else:
            assert engine.terminate() == 0
        engine.start()
        time.sleep(0.3)
    assert [len(each.look().reader.records) for each in arrivals] == before
    for each in arrivals:
        assert check(each.reader.records, book, pg, database).assert_sound().duplicates == 0


def test_idle_slot_advances(bench: Workbench, servers: Callable[[int], Postgres]) -> None:
    """Another database writes; the slot follows, and a restart after that does not halt."""
    pg = servers(15)
    database, other = bench.database(pg), bench.database(pg)
    pg.execute("CREATE TABLE t (id int PRIMARY KEY)", database)
    pg.execute("CREATE TABLE noise (id int, pad text)", other)
    engine = bench.engine(pg, database, [file_sink(bench.home / "out")]).start()
    reader = FileReader(bench.home / "out")
    pg.execute("INSERT INTO t VALUES (1)", database)
    wait_until(lambda: reader.drain(), 20, "the first row")
    pg.execute("INSERT INTO noise SELECT i, repeat('y', 500) FROM generate_series(1, 5000) i", other)
    target = lsn(pg.query("SELECT pg_current_wal_lsn()::text")[0][0])

    def advanced() -> bool:
        slot = pg.slot(f"df_{database}")
        return slot is not None and lsn(slot["confirmed_flush_lsn"]) >= target
    wait_until(advanced, 40, "the idle slot to advance over foreign changes", every=0.5)
    position = reader.stream()
    assert position is not None and lsn(position["lsn"]) >= target, "a sink that holds its position knows of the advance"
    engine.kill()
    engine.start()
    pg.execute("INSERT INTO t VALUES (2)", database)
    wait_until(lambda: reader.drain(), 20, "a row after the restart")
    assert len(reader.records) == 2


def _halted(engine: Engine) -> str:
    """Starts and returns the message with which the pipeline fails, remedy included."""
    engine.start(ready=False)
    entry = engine.wait_status({"failed"}, 30)
    health, body = engine.request("GET", "/health")
    assert health == 503 and "p" in body, f"/health: {health} {body}"
    error = entry["error"]
    assert error["message"].startswith("position lost: "), error
    assert "Re-snapshot required" in error["message"] + (error.get("hint") or ""), error
    return error["message"]


def _stopped_with_history(bench: Workbench, pg: Postgres) -> tuple[Engine, str, FileReader]:
    database = bench.database(pg)
    pg.execute("CREATE TABLE t (id int PRIMARY KEY)", database)
    out = bench.home / database
    engine = bench.engine(pg, database, [file_sink(out)]).start()
    reader = FileReader(out)
    pg.execute("INSERT INTO t VALUES (1)", database)
    wait_until(lambda: reader.drain(), 20, "the first row")
    assert engine.terminate() == 0
    pg.wait_slot_free(f"df_{database}")
    pg.execute("INSERT INTO t VALUES (2)", database)
    return engine, database, reader


@pytest.mark.parametrize("version", [15, 18])
def test_slot_rules(version: int, bench: Workbench, servers: Callable[[int], Postgres]) -> None:
    """Dropped, advanced, re-created: each halts before a row could be skipped, and says what happened."""
    pg = servers(version)
    messages = {}
    for case in ("dropped", "advanced", "re-created"):
        engine, database, reader = _stopped_with_history(bench, pg)
        slot = f"df_{database}"
        if case == "advanced":
            pg.execute(f"SELECT pg_replication_slot_advance('{slot}', pg_current_wal_lsn())", database)
        else:
            pg.execute(f"SELECT pg_drop_replication_slot('{slot}')")
        if case == "re-created":
            pg.execute(f"SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')", database)
        messages[case] = _halted(engine)
        assert slot in messages[case], messages[case]
        time.sleep(0.5)
        assert reader.drain() == [], "a halted pipeline delivers nothing"
        assert pg.slot(slot) is None or case != "dropped", "a dropped slot must not be made anew silently"
        engine.kill()
    assert "does not exist" in messages["dropped"], messages
    for case in ("advanced", "re-created"):  # these two cannot be told apart
        assert "advanced" in messages[case] and "made again" in messages[case], messages


@pytest.mark.parametrize("version", [15, 18])
def test_publication_made_again(version: int, bench: Workbench, servers: Callable[[int], Postgres]) -> None:
    """What was written while there was none cannot be read with the new one of the same name: never skipped."""
    pg = servers(version)
    engine, database, reader = _stopped_with_history(bench, pg)
    publication = f"df_{database}_pub"
    pg.execute(f"DROP PUBLICATION {publication}", database)
    pg.execute("INSERT INTO t VALUES (3)", database)
    pg.execute(f"CREATE PUBLICATION {publication} FOR TABLE t", database)
    message = _halted(engine)
    assert publication in message, message
    assert all(b'"after":{"id":2}' in record for record in reader.drain()), "nothing after the gap is delivered"


@pytest.mark.parametrize("version", [15, 18])
def test_lost_slot(version: int, bench: Workbench) -> None:
    pg = bench.server(version, settings={"max_slot_wal_keep_size": "1MB", "max_wal_size": "32MB",
                                         "min_wal_size": "32MB"})
    engine, database, reader = _stopped_with_history(bench, pg)
    pg.execute("CREATE TABLE noise (pad text)", database)
    for _ in range(20):
        pg.execute("INSERT INTO noise SELECT repeat('z', 1000) FROM generate_series(1, 20000)", database)
        pg.execute("SELECT pg_switch_wal()")
        pg.execute("CHECKPOINT")
        if pg.slot(f"df_{database}")["wal_status"] == "lost":  # type: ignore[index]
            break
    assert pg.slot(f"df_{database}")["wal_status"] == "lost"  # type: ignore[index]
    message = _halted(engine)
    assert "lost" in message.removeprefix("position lost") or "invalid" in message, message
    assert reader.drain() == []


def test_reset_by_operator(bench: Workbench, servers: Callable[[int], Postgres], kafka: Kafka) -> None:
    """A checkpoint removed through the kv view: the sink starts afresh where the slot stands, loudly."""
    pg = servers(15)
    database = bench.database(pg)
    pg.execute("CREATE TABLE t (id int PRIMARY KEY)", database)
    topic = kafka.create_topic(database)
    engine = bench.engine(pg, database, [kafka_sink(kafka.brokers, topic)]).start()
    reader = KafkaReader(kafka.brokers, topic)
    pg.execute("INSERT INTO t VALUES (1)", database)
    wait_until(lambda: reader.drain() or reader.records, 20, "the first row")
    assert engine.terminate() == 0
    pg.wait_slot_free(f"df_{database}")
    with sqlite3.connect(engine.database) as state:
        keys = [row[0] for row in state.execute("SELECT key FROM kv WHERE namespace = 'checkpoints'")]
        assert len(keys) == 2, keys  # of the sink, and of the source
        state.execute("DELETE FROM kv WHERE namespace = 'checkpoints'")
    pg.execute("INSERT INTO t VALUES (2)", database)
    engine.start()
    wait_until(lambda: reader.drain() and b'"after":{"id":2}' in reader.records[-1], 20, "the row after the reset")
    assert "reset by operator" in engine.log_text()
