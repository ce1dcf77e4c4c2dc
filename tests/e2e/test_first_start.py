"""The first start makes publication, intent, slot and position, in this order; killed anywhere in between, the second
start goes on as if nothing had happened."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

import pytest

from conftest import Workbench
from harness.engine import Engine, file_sink, pipeline, postgres_source
from harness.oracle import parse
from harness.postgres import Postgres
from harness.procs import wait_until
from harness.readers import FileReader
from harness.stored import stored_values

TAKEN_OVER = "took an existing replication slot over"


def _ids(reader: FileReader) -> list[int]:
    reader.drain()
    return [parse(record)["after"]["id"] for record in reader.records]


def _arrives(reader: FileReader, row: int) -> None:
    wait_until(lambda: row in _ids(reader), 20, f"row {row}")


def _fresh(bench: Workbench, pg: Postgres, **options: Any) -> tuple[str, Engine, FileReader]:
    database = bench.database(pg)
    pg.execute("CREATE TABLE t (id int PRIMARY KEY)", database)
    out = bench.home / f"out-{database}"
    return database, bench.engine(pg, database, [file_sink(out)], **options), FileReader(out)


def _intent(engine: Engine) -> str | None:
    found = [value for key, value in stored_values(engine.database, "source_state").items()
             if key.endswith("::slot_intent")]
    return found[0] if found else None


def _publication_exists(pg: Postgres, database: str) -> bool:
    return bool(pg.query("SELECT 1 FROM pg_publication WHERE pubname = %s", database, (f"df_{database}_pub",)))


def _how_far(pg: Postgres, database: str, engine: Engine) -> str:
    """The last thing that a killed first start has made."""
    slot = pg.slot(f"df_{database}")  # looked at first: the server goes on making one without us
    if stored_values(engine.database, "origins") or stored_values(engine.database, "checkpoints"):
        return "position"
    if slot is not None:
        return "slot" if slot["confirmed_flush_lsn"] else "half a slot"
    return "publication" if _publication_exists(pg, database) else "none"


@pytest.mark.parametrize("version", [15, 18])
def test_killed_at_random(version: int, bench: Workbench, servers: Callable[[int], Postgres]) -> None:
    pg = servers(version)
    pick = random.Random(version)
    database, engine, _ = _fresh(bench, pg)
    began = time.monotonic()
    engine.start()
    whole = time.monotonic() - began
    engine.kill()
    assert _how_far(pg, database, engine) == "position" and _intent(engine), "we do not see what a first start makes"

    hit: list[tuple[str, float]] = []
    # A dozen, spread over a whole start; then where "none" turns into "position", until we hit what lies between.
    while len(hit) < 12 or (len({state for state, _ in hit}) < 3 and len(hit) < 40):
        middle = (max((delay for state, delay in hit if state == "none"), default=0) +
                  min((delay for state, delay in hit if state == "position"), default=whole)) / 2
        delay = (pick.uniform(len(hit), len(hit) + 1) / 12 * whole if len(hit) < 12
                 else max(0.0, pick.gauss(middle, whole / 12)))
        database, engine, reader = _fresh(bench, pg)
        engine.start(ready=False)
        time.sleep(delay)
        engine.kill()
        state = _how_far(pg, database, engine)
        hit.append((state, delay))
        pg.execute("INSERT INTO t VALUES (1)", database)
        engine.start()
        pg.execute("INSERT INTO t VALUES (2)", database)
        _arrives(reader, 2)
        wanted = [[1, 2]] if state in ("slot", "position") else [[2], [1, 2]]
        assert _ids(reader) in wanted, f"killed after {delay * 1000:.0f} ms with {state}"
        assert TAKEN_OVER not in engine.log_text(), f"killed after {delay * 1000:.0f} ms with {state}"
        assert engine.terminate() == 0
        assert _ids(reader) in wanted
    print(f"a start takes {whole * 1000:.0f} ms; killed after: " +
          ", ".join(f"{delay * 1000:.0f} ms ({state})" for state, delay in sorted(hit, key=lambda each: each[1])))
    assert len({state for state, _ in hit}) >= 3, f"the kills hit too little: {hit}"


@pytest.mark.parametrize("version", [15, 18])
def test_killed_before_it_knows_of_its_slot(version: int, bench: Workbench,
                                            servers: Callable[[int], Postgres]) -> None:
    """The server makes the slot, and we never hear of it. It is ours nevertheless: the intent was stored before."""
    pg = servers(version)
    proxy = bench.proxy(pg.port)
    database, engine, reader = _fresh(bench, pg, port=proxy.port)
    slot = f"df_{database}"
    with pg.connect(database) as link, link.cursor() as cursor:
        cursor.execute("BEGIN; CREATE TABLE open_transaction ()")  # the server waits for it with a slot half made
        engine.start(ready=False)
        wait_until(lambda: pg.slot(slot), 20, "the server to begin with the slot")
        assert pg.slot(slot)["confirmed_flush_lsn"] is None, "the slot did not wait"  # type: ignore[index]
        assert _publication_exists(pg, database)
        assert _intent(engine) is not None, "the slot is asked for before the intent is stored"
        proxy.drop_replies()
        cursor.execute("ROLLBACK")
    wait_until(lambda: (pg.slot(slot) or {}).get("confirmed_flush_lsn"), 20, "the server to finish the slot")
    engine.kill()
    assert _how_far(pg, database, engine) == "slot"
    pg.execute("INSERT INTO t VALUES (1)", database)
    proxy.heal()
    engine.start()
    _arrives(reader, 1)
    assert _ids(reader) == [1]
    assert TAKEN_OVER not in engine.log_text()


def test_no_slot_left(bench: Workbench) -> None:
    """Publication and intent are made, the slot is refused: it says what to do, and goes on when there is one."""
    pg = bench.server(15, settings={"max_replication_slots": "1"})
    pg.execute("SELECT pg_create_physical_replication_slot('other')")
    database, engine, reader = _fresh(bench, pg)
    engine.start(ready=False)
    error = engine.wait_status({"degraded"}, 20)["error"]
    assert "all replication slots are in use" in error["message"], error
    assert "max_replication_slots" in error["message"] + (error.get("hint") or ""), error
    assert _publication_exists(pg, database) and _intent(engine)
    assert not stored_values(engine.database, "origins")
    engine.kill()
    engine.start(ready=False)
    engine.wait_status({"degraded"}, 20)
    pg.execute("SELECT pg_drop_replication_slot('other')")
    engine.wait_status({"running"}, 40)
    pg.execute("INSERT INTO t VALUES (1)", database)
    _arrives(reader, 1)
    assert _ids(reader) == [1]
    assert TAKEN_OVER not in engine.log_text()


@pytest.mark.parametrize("start", ["earliest", "latest", "lsn"])
def test_start_position_in_an_existing_slot(start: str, bench: Workbench, servers: Callable[[int], Postgres]) -> None:
    pg = servers(15)
    database = bench.database(pg)
    pg.execute("CREATE TABLE t (id int PRIMARY KEY)", database)
    source = postgres_source(pg.dsn(database), name=database)
    pg.execute(f"CREATE PUBLICATION {source['config']['publication']} FOR TABLE t", database)
    pg.execute(f"SELECT pg_create_logical_replication_slot('{source['config']['slot']}', 'pgoutput')", database)
    pg.execute("INSERT INTO t VALUES (1)", database)
    between = pg.query("SELECT pg_current_wal_insert_lsn()::text", database)[0][0]
    pg.execute("INSERT INTO t VALUES (2)", database)
    source["config"]["start_position"] = f"lsn:{between}" if start == "lsn" else start
    out = bench.home / "out"
    engine = bench.keep(Engine(bench.home / "engine", pipeline(source, [file_sink(out)]))).start()
    pg.execute("INSERT INTO t VALUES (3)", database)
    reader = FileReader(out)
    _arrives(reader, 3)
    assert _ids(reader) == {"earliest": [1, 2, 3], "lsn": [2, 3], "latest": [3]}[start]
    assert TAKEN_OVER in engine.log_text()
