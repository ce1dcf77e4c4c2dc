"""DDL and grants around a pipeline: what our publication does to the application, what is read after the catalogue has
moved on, and publications that somebody changed under us."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from conftest import Workbench
from harness.engine import Engine, file_sink, kafka_sink
from harness.kafka import Kafka
from harness.postgres import Postgres
from harness.procs import wait_until
from harness.readers import FileReader, KafkaReader


def _rows(reader: FileReader | KafkaReader) -> list[Any]:
    reader.drain()
    return [json.loads(record)["after"] for record in reader.records]


def test_generated_columns_leave_the_application_alone(bench: Workbench, servers: Callable[[int], Postgres]) -> None:
    """A publication that lacks a generated column of the identity makes UPDATE and DELETE fail (18 and later)."""
    pg = servers(18)
    database = bench.database(pg)
    pg.execute("""CREATE TABLE f (id int PRIMARY KEY, v int, g int GENERATED ALWAYS AS (v * 2) STORED);
        ALTER TABLE f REPLICA IDENTITY FULL;
        CREATE TABLE k (id int, v int, g int GENERATED ALWAYS AS (v * 2) STORED, PRIMARY KEY (id, g));
        CREATE TABLE w (id int PRIMARY KEY, v int, g int GENERATED ALWAYS AS (v * 2) VIRTUAL);
        ALTER TABLE w REPLICA IDENTITY FULL""", database)
    out = bench.home / "out"
    engine = bench.engine(pg, database, [file_sink(out)]).start()
    for table in ("f", "k", "w"):
        pg.execute(f"INSERT INTO {table} VALUES (1, 1); UPDATE {table} SET v = 2; DELETE FROM {table}", database)
    reader = FileReader(out)
    wait_until(lambda: len(_rows(reader)) >= 7, 20, "the changes of all tables")
    assert _rows(reader) == [{"id": 1, "v": 1, "g": 2}, {"id": 1, "v": 2, "g": 4}, None] * 2 + [{"id": 1, "v": 1}]
    assert any("public.w" in text for text in engine.pipeline()["ops"]["warnings"])


@pytest.mark.parametrize("version", [15, 18])
@pytest.mark.parametrize("how", ["ALTER TABLE p DETACH PARTITION p_1", "DROP TABLE p_1"])
def test_rows_of_a_partition_that_has_gone(version: int, how: str, bench: Workbench,
                                           servers: Callable[[int], Postgres]) -> None:
    """Somebody else's publication names leaves; the option names their root, which the catalogue has forgotten."""
    pg = servers(version)
    database = bench.database(pg)
    pg.execute(f"""CREATE TABLE p (id int, k int, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
        CREATE TABLE p_1 PARTITION OF p FOR VALUES IN (1); CREATE TABLE p_2 PARTITION OF p FOR VALUES IN (2);
        CREATE PUBLICATION df_{database}_pub FOR TABLE p""", database)
    out = bench.home / "out"
    engine = bench.engine(pg, database, [file_sink(out)], tables=["public.p"]).start()
    pg.execute("INSERT INTO p VALUES (1, 1), (1, 2)", database)
    reader = FileReader(out)
    wait_until(lambda: len(_rows(reader)) == 2, 20, "the first rows")
    assert engine.terminate() == 0
    pg.wait_slot_free(f"df_{database}")
    pg.execute(f"INSERT INTO p VALUES (2, 1), (2, 2); {how}", database)
    pg.execute("INSERT INTO p VALUES (3, 2)", database)
    engine.start()
    wait_until(lambda: len(_rows(reader)) >= 5, 20, "the rows of both partitions")
    assert _rows(reader)[2:] == [{"id": 2, "k": 1}, {"id": 2, "k": 2}, {"id": 3, "k": 2}]


@pytest.mark.parametrize("version", [15, 18])
def test_values_of_a_type_that_has_gone(version: int, bench: Workbench, servers: Callable[[int], Postgres]) -> None:
    pg = servers(version)
    database = bench.database(pg)
    pg.execute("""CREATE TYPE feel AS ENUM ('a', 'b'); CREATE DOMAIN whole AS int;
        CREATE TABLE t (id int PRIMARY KEY, f feel[], n whole)""", database)
    out = bench.home / "out"
    engine = bench.engine(pg, database, [file_sink(out)]).start()
    reader = FileReader(out)
    pg.execute("INSERT INTO t VALUES (1, '{a}', 1)", database)
    wait_until(lambda: len(_rows(reader)) == 1, 20, "the first row")
    assert engine.terminate() == 0
    pg.wait_slot_free(f"df_{database}")
    pg.execute("INSERT INTO t VALUES (2, '{a,b}', 5)", database)
    pg.execute("ALTER TABLE t DROP COLUMN f, DROP COLUMN n; DROP TYPE feel; DROP DOMAIN whole", database)
    engine.start()
    wait_until(lambda: len(_rows(reader)) == 2, 20, "the row before the types were dropped")
    assert _rows(reader)[1] == {"id": 2, "f": ["a", "b"], "n": 5}


def test_kafka_keys(bench: Workbench, servers: Callable[[int], Postgres], kafka: Kafka) -> None:
    """Columns that an index merely includes are no key; a composite key stands in its own order."""
    pg = servers(15)
    database = bench.database(pg)
    pg.execute("""CREATE TABLE a (id int, v text, PRIMARY KEY (id) INCLUDE (v)); ALTER TABLE a REPLICA IDENTITY FULL;
        CREATE TABLE b (x int, y int, PRIMARY KEY (y, x));
        CREATE TABLE c (id int, v int, g int GENERATED ALWAYS AS (v * 2) STORED, PRIMARY KEY (id, g))""", database)
    topic = kafka.create_topic(database)
    bench.engine(pg, database, [kafka_sink(kafka.brokers, topic)]).start()
    pg.execute("INSERT INTO a VALUES (1, 'v')", database)
    pg.execute("UPDATE a SET v = 'w'", database)
    pg.execute("INSERT INTO b VALUES (1, 2)", database)
    pg.execute("INSERT INTO c VALUES (1, 2)", database)
    reader = KafkaReader(kafka.brokers, topic)
    wait_until(lambda: reader.drain() is not None and len(reader.keys) >= 4, 20, "four records")
    assert reader.keys == [b"1", b"1", b'{"y":2,"x":1}', b"public.c"], "half a key is none"


def _halts(engine: Engine) -> str:
    error = engine.wait_status({"failed"}, 30)["error"]
    assert error["kind"] == "position_lost", error
    return str(error["message"])


@pytest.mark.parametrize("version", [15, 18])
@pytest.mark.parametrize("change", [
    "DROP PUBLICATION {pub}_inserts",
    "ALTER PUBLICATION {pub} SET (publish = 'insert')",
    "ALTER PUBLICATION {pub} SET TABLE t WHERE (id > 100)",
])
@pytest.mark.parametrize("running", [True, False])
def test_our_publication_is_changed(version: int, change: str, running: bool, bench: Workbench,
                                    servers: Callable[[int], Postgres]) -> None:
    """What it leaves out cannot be read later: found at the next look or start, never passed over."""
    pg = servers(version)
    database = bench.database(pg)
    pg.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE nk (id int)", database)
    out = bench.home / "out"
    engine = bench.engine(pg, database, [file_sink(out)]).start()
    reader = FileReader(out)
    pg.execute("INSERT INTO t VALUES (1); INSERT INTO nk VALUES (1)", database)
    wait_until(lambda: len(_rows(reader)) == 2, 20, "the first rows")
    if not running:
        assert engine.terminate() == 0
        pg.wait_slot_free(f"df_{database}")
    publication = f"df_{database}_pub"
    pg.execute(change.format(pub=publication), database)
    if not running:
        engine.start(ready=False)
    assert publication in _halts(engine)


def test_a_publication_made_again(bench: Workbench, servers: Callable[[int], Postgres]) -> None:
    """From 18 on the server passes silently over what was written while it did not exist."""
    pg = servers(18)
    for second in ("", "_inserts"):
        database = bench.database(pg)
        pg.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE nk (id int)", database)
        engine = bench.engine(pg, database, [file_sink(bench.home / database)]).start()
        assert engine.terminate() == 0
        pg.wait_slot_free(f"df_{database}")
        name = f"df_{database}_pub{second}"
        pg.execute(f"DROP PUBLICATION {name}", database)
        pg.execute("INSERT INTO t VALUES (1); INSERT INTO nk VALUES (1)", database)
        pg.execute(f"CREATE PUBLICATION {name} FOR TABLE {'nk' if second else 't'} WITH (publish = "
                   f"'{'insert, truncate' if second else 'insert, update, delete, truncate'}')", database)
        pg.execute(f"COMMENT ON PUBLICATION {name} IS 'deltaforge source {database}'", database)
        engine.start(ready=False)
        _halts(engine)
        engine.kill()


def test_a_new_leaf_without_identity_is_named(bench: Workbench, servers: Callable[[int], Postgres]) -> None:
    pg = servers(15)
    database = bench.database(pg)
    pg.execute("""CREATE TABLE q (id int, k int) PARTITION BY LIST (k); ALTER TABLE q REPLICA IDENTITY FULL;
        CREATE TABLE q_1 PARTITION OF q FOR VALUES IN (1); ALTER TABLE q_1 REPLICA IDENTITY FULL""", database)
    engine = bench.engine(pg, database, [file_sink(bench.home / "out")]).start()
    pg.execute("CREATE TABLE q_2 PARTITION OF q FOR VALUES IN (2)", database)
    wait_until(lambda: any("public.q" in text for text in engine.pipeline()["ops"]["warnings"]), 20,
               "the warning that updates and deletes of q are no longer captured")
    pg.execute("INSERT INTO q VALUES (1, 2); UPDATE q SET id = 2", database)  # the application goes on working
