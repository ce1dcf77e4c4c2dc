"""Pipelines made, changed, reset and deleted through the API of a running engine, kills in between."""

from __future__ import annotations

import itertools
import json
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from conftest import Workbench
from harness.engine import Engine, blackhole_sink, file_sink, kafka_sink, pipeline, postgres_source
from harness.postgres import Postgres
from harness.procs import free_port, wait_until
from harness.readers import FileReader

Servers = Callable[[int], Postgres]


def _empty(bench: Workbench, **more: Any) -> Engine:
    """An engine without a pipeline of its own."""
    engine = bench.keep(Engine(bench.home / "engine", [], **more))
    engine.config = bench.home / "none"
    engine.config.mkdir(exist_ok=True)
    (engine.config / "storage.yaml").write_text("storage: {backend: sqlite}\n")
    return engine.start(ready=False)


def _answers(engine: Engine) -> None:
    wait_until(lambda: engine.get("/livez", missing=None), 20, "the API")


def _table(bench: Workbench, pg: Postgres) -> str:
    database = bench.database(pg)
    pg.execute("CREATE TABLE t (id int PRIMARY KEY)", database)
    return database


def _document(bench: Workbench, pg: Postgres, database: str, name: str = "p", place: str = "",
              **spec: Any) -> dict[str, Any]:
    return pipeline(postgres_source(pg.dsn(database), name=database), [file_sink(bench.home / f"out-{name}{place}")],
                    name=name, **spec)


def _ask(engine: Engine, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    status, text = engine.request(method, path, body)
    return status, json.loads(text) if text else None


def test_made_through_the_api_and_back_after_a_kill(bench: Workbench, servers: Servers) -> None:
    pg = servers(15)
    database = _table(bench, pg)
    engine = _empty(bench, env={"SECRET_DSN": pg.dsn(database)})
    _answers(engine)
    document = _document(bench, pg, database)
    document["spec"]["source"]["config"]["dsn"] = "${SECRET_DSN}"
    status, made = _ask(engine, "POST", "/pipelines", document)
    assert status == 200 and made["name"] == "p", made
    assert made["status"] in ("running", "starting"), made
    assert _ask(engine, "POST", "/pipelines", document)[0] == 409
    engine.wait_ready()
    pg.execute("INSERT INTO t VALUES (1)", database)
    reader = FileReader(bench.home / "out-p")
    wait_until(lambda: reader.drain(), 20, "the row")
    engine.kill()
    assert pg.dsn(database).encode() not in engine.database.read_bytes(), "the store shows a password"
    pg.execute("INSERT INTO t VALUES (2)", database)
    engine.start()
    wait_until(lambda: reader.drain() is not None and len(reader.records) == 2, 20, "the row of the time between")


def test_a_change_is_merged_and_survives(bench: Workbench, servers: Servers) -> None:
    pg = servers(15)
    database = _table(bench, pg)
    engine = _empty(bench)
    _answers(engine)
    _ask(engine, "POST", "/pipelines", _document(bench, pg, database, batch={"max_events": 100, "max_ms": 7}))
    engine.wait_ready()
    status, changed = _ask(engine, "PATCH", "/pipelines/p", {"spec": {"batch": {"max_events": 5}}})
    assert status == 200, changed
    assert (changed["spec"]["spec"]["batch"]["max_events"], changed["spec"]["spec"]["batch"]["max_ms"]) == (5, 7)
    # What GET shows goes back as it is: a masked password means the one that is there.
    assert _ask(engine, "PATCH", "/pipelines/p", engine.pipeline()["spec"])[0] == 200
    pg.execute("INSERT INTO t SELECT generate_series(1, 50)", database)
    reader = FileReader(bench.home / "out-p")
    wait_until(lambda: reader.drain() is not None and len(reader.records) == 50, 20, "all rows")
    engine.kill()
    engine.start()
    assert engine.pipeline()["spec"]["spec"]["batch"]["max_events"] == 5
    # From stopped, too.
    engine.post("/pipelines/p/stop")
    assert _ask(engine, "PATCH", "/pipelines/p", {"spec": {"batch": {"max_events": 6}}})[0] == 200
    engine.wait_ready()


def test_a_wrong_change_leaves_the_old_pipeline_running(bench: Workbench, servers: Servers) -> None:
    pg = servers(15)
    database = _table(bench, pg)
    engine = _empty(bench)
    _answers(engine)
    _ask(engine, "POST", "/pipelines", _document(bench, pg, database))
    engine.wait_ready()
    before = engine.pipeline()["spec"]

    def refused(change: dict[str, Any], code: str) -> None:
        status, answer = _ask(engine, "PATCH", "/pipelines/p", change)
        assert status in (400, 409, 503) and answer["code"] == code, answer
        assert engine.wait_status({"running"}, 20)["spec"] == before
    refused({"spec": {"batch": {"max_event": 5}}}, "INVALID_CONFIG")
    refused({"spec": {"sinks": []}}, "INVALID_CONFIG")
    refused({"metadata": {"name": "other"}}, "PIPELINE_NAME_MISMATCH")
    refused({"spec": {"source": {"config": {"dsn": pg.dsn(database, user="denied", password="wrong")}}}},
            "PIPELINE_NOT_STARTED")
    refused({"spec": {"source": {"config": {"dsn": pg.dsn(database, port=free_port())}}}}, "PIPELINE_NOT_STARTED")
    first = before["spec"]["sinks"][0]
    nowhere = kafka_sink(f"127.0.0.1:{free_port()}", "t", id="second")
    refused({"spec": {"sinks": [first, nowhere]}}, "PIPELINE_NOT_STARTED")
    pg.execute("INSERT INTO t VALUES (1)", database)
    reader = FileReader(bench.home / "out-p")
    wait_until(lambda: reader.drain(), 20, "a row through the old one")
    wait_until(lambda: pg.slot(f"df_{database}")["confirmed_flush_lsn"] >= engine.checkpoint("file"), 20,  # type: ignore[index]
               "the slot to move on")
    # Nothing is left of what was refused: the same sink, put right, begins where the others stand.
    second = file_sink(bench.home / "second", id="second")
    status, changed = _ask(engine, "PATCH", "/pipelines/p", {"spec": {"sinks": [first, second]}})
    assert status == 200, changed
    pg.execute("INSERT INTO t VALUES (2)", database)
    other = FileReader(bench.home / "second")
    wait_until(lambda: other.drain(), 20, "the row in the new sink")
    assert [json.loads(each)["after"]["id"] for each in other.records] == [2]


def test_deleted_with_all_that_it_made(bench: Workbench, servers: Servers) -> None:
    pg = servers(15)
    first, second, third = (_table(bench, pg) for _ in range(3))
    engine = _empty(bench)
    _answers(engine)

    def slot(database: str) -> Any:
        return pg.slot(f"df_{database}")
    for name, database in (("one", first), ("two", second), ("three", third)):
        if name == "three":
            pg.execute(f"SELECT pg_create_logical_replication_slot('df_{third}', 'pgoutput')", third)
            pg.execute(f"CREATE PUBLICATION df_{third}_pub FOR ALL TABLES", third)
        status, answer = _ask(engine, "POST", "/pipelines", _document(bench, pg, database, name))
        assert status == 200, answer
    engine.wait_ready()
    assert slot(first) and slot(second) and slot(third)
    for name, query in (("one", ""), ("two", "?keep_state=true"), ("three", "")):
        assert _ask(engine, "DELETE", f"/pipelines/{name}{query}") == (204, None)
    assert not slot(first), "made by us"
    assert slot(second), "kept on demand"
    assert slot(third), "was there before"
    assert not pg.query("SELECT 1 FROM pg_publication", first)
    assert engine.get("/pipelines") == []
    engine.kill()
    engine.start(ready=False)
    _answers(engine)
    assert engine.get("/pipelines") == []
    # The name and all are free for a new one.
    assert _ask(engine, "POST", "/pipelines", _document(bench, pg, first, "again"))[0] == 200
    engine.wait_ready()


def test_what_two_pipelines_share_outlives_one_of_them(bench: Workbench, servers: Servers) -> None:
    """Positions and slots hang on the source's id."""
    pg = servers(15)
    database = _table(bench, pg)
    engine = bench.keep(Engine(bench.home / "engine", [_document(bench, pg, database, name) for name in ("p", "copy")]))
    engine.start(ready=False)
    engine.wait_status({"running"}, 20, name="p")
    assert engine.pipeline("copy")["error"]["kind"] == "SOURCE_ID_IN_USE"
    pg.execute("INSERT INTO t VALUES (1)", database)
    reader = FileReader(bench.home / "out-p")
    wait_until(lambda: reader.drain(), 20, "the row")
    assert _ask(engine, "DELETE", "/pipelines/copy") == (204, None)
    assert pg.slot(f"df_{database}")
    engine.kill()
    engine.configure(_document(bench, pg, database))
    engine.start()
    pg.execute("INSERT INTO t VALUES (2)", database)
    wait_until(lambda: reader.drain() is not None and len(reader.records) == 2, 20, "the next row, and only that")


def test_a_drain_waits_for_a_change(bench: Workbench, servers: Servers) -> None:
    pg = servers(15)
    database = _table(bench, pg)
    engine = bench.engine(pg, database, [file_sink(bench.home / "out")]).start()
    done: list[Any] = []
    change = threading.Thread(target=lambda: done.append(_ask(engine, "PATCH", "/pipelines/p", {"metadata": {"labels": {"a": "b"}}})))
    pg.execute("INSERT INTO t SELECT generate_series(1, 20000)", database)
    change.start()
    time.sleep(0.05)  # a process that is told to end takes no new calls
    code = engine.terminate()
    change.join()
    assert code == 0 and done
    reader = FileReader(bench.home / "out")
    reader.drain()
    ids = [json.loads(each)["after"]["id"] for each in reader.records]
    assert ids == list(range(1, len(ids) + 1))


def test_checkpoints_are_shown_and_forgotten(bench: Workbench, servers: Servers) -> None:
    pg = servers(15)
    database = _table(bench, pg)
    engine = _empty(bench)
    _answers(engine)
    document = pipeline(postgres_source(pg.dsn(database), name=database), [blackhole_sink(id="hole")])
    _ask(engine, "POST", "/pipelines", document)
    engine.wait_ready()
    pg.execute("INSERT INTO t VALUES (1)", database)
    wait_until(lambda: engine.checkpoint("hole"), 20, "a checkpoint")
    status, shown = _ask(engine, "GET", "/pipelines/p/checkpoints")
    assert status == 200 and shown[0]["sink_id"] == "hole" and shown[0]["position"]["lsn"], shown
    assert _ask(engine, "DELETE", "/pipelines/p/checkpoint")[0] == 409
    engine.post("/pipelines/p/stop")
    assert _ask(engine, "DELETE", "/pipelines/p/checkpoint") == (204, None)
    engine.post("/pipelines/p/resume")
    engine.wait_ready()


@pytest.mark.parametrize("clients, calls", [(16, 63)])
def test_a_storm_of_calls(bench: Workbench, servers: Servers, clients: int, calls: int) -> None:
    """Random calls about three pipelines from many clients: none fails by itself, and what is left is one truth."""
    pg = servers(15)
    databases = {name: _table(bench, pg) for name in ("a", "b", "c")}
    engine = _empty(bench)
    _answers(engine)
    odd: list[Any] = []
    made = itertools.count()  # a pipeline that is made anew refuses the place of the one before it

    def client(seed: int) -> None:
        choice = random.Random(seed)
        for _ in range(calls):
            name = choice.choice("abc")
            method, path, body = choice.choice((
                ("POST", "/pipelines", _document(bench, pg, databases[name], name, f"-{next(made)}")),
                ("PATCH", f"/pipelines/{name}", {"spec": {"batch": {"max_events": choice.randint(1, 100)}}}),
                ("DELETE", f"/pipelines/{name}", None), ("POST", f"/pipelines/{name}/pause", None),
                ("POST", f"/pipelines/{name}/stop", None), ("POST", f"/pipelines/{name}/resume", None),
                ("GET", "/pipelines", None), ("GET", f"/pipelines/{name}", None), ("GET", "/ready", None)))
            try:
                status, answer = engine.request(method, path, body, seconds=120)
            except OSError as lost:
                odd.append((method, path, lost))
                continue
            if status not in (200, 204, 404, 409, 503) or (status == 503 and path != "/ready"):
                odd.append((method, path, status, answer))
    threads = [threading.Thread(target=client, args=(seed,)) for seed in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not odd, odd[:5]
    before = {each["name"]: each["spec"] for each in engine.get("/pipelines")}
    engine.kill()
    engine.start(ready=False)
    _answers(engine)
    assert {each["name"]: each["spec"] for each in engine.get("/pipelines")} == before
