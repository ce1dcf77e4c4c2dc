"""A pipeline whose script does not come back stops all the same: at once, with nothing delivered of what the script held,
and nothing lost."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from conftest import Servers, Workbench
from harness.engine import Engine, file_sink, pipeline, postgres_source
from harness.postgres import Postgres
from harness.procs import wait_until
from harness.readers import FileReader

STUCK = "(e) => { while (e.after.id >= 40) {} return [e]; }"
MENDED = "(e) => [e]"


def script(text: str, **more: Any) -> dict[str, Any]:
    """It may run for ten minutes."""
    return {"type": "javascript", "id": "stuck", "inline": text,
            "limits": {"cpu_ms": 60_000, "timeout_ms": 600_000}} | more


class Stuck:
    """A pipeline in a call that does not end: 30 rows are delivered, a transaction of 21 more is not."""

    def __init__(self, bench: Workbench, pg: Postgres, **settings: Any) -> None:
        self.database = bench.database(pg)
        pg.execute("CREATE TABLE t (id int PRIMARY KEY)", self.database)
        self.engine: Engine = bench.keep(Engine(bench.home / "engine", []))
        self.engine.config = bench.home / "none"  # no pipeline in a file: it is made through the API, to be deleted there
        self.engine.config.mkdir()
        (self.engine.config / "storage.yaml").write_text("storage: {backend: sqlite}\n")
        self.reader = FileReader(bench.home / "out")
        document = pipeline(postgres_source(pg.dsn(self.database), name=self.database), [file_sink(bench.home / "out")],
                            processors=[script(STUCK, **settings)], batch={"max_events": 7})
        self.engine.start(ready=False)
        wait_until(lambda: self.engine.get("/livez", missing=None), 20, "the API")
        status, text = self.engine.request("POST", "/pipelines", document)
        assert status == 200, text
        self.engine.wait_status({"running"})
        for number in range(1, 31):
            pg.execute(f"INSERT INTO t VALUES ({number})", self.database)
        pg.execute("INSERT INTO t SELECT generate_series(40, 60)", self.database)
        wait_until(lambda: self.delivered() == list(range(1, 31)), 20, "what comes before them")
        time.sleep(0.5)

    def delivered(self) -> list[int]:
        self.reader.drain()
        return [json.loads(record)["after"]["id"] for record in self.reader.records]

    def mend(self) -> None:
        """Nothing came meanwhile; then everything does, once."""
        assert self.delivered() == list(range(1, 31))
        status, text = self.engine.request("PATCH", "/pipelines/p", {"spec": {"processors": [script(MENDED)]}})
        assert status == 200, text
        self.engine.post("/pipelines/p/resume")
        wait_until(lambda: len(self.delivered()) >= 51, 20, "the rest")
        assert self.delivered() == [*range(1, 31), *range(40, 61)]


@pytest.mark.parametrize("settings", [{}, {"on_error": "drop"}, {"on_error": "drop", "limits": {"cpu_ms": 300}}],
                         ids=["fail", "drop", "drop-short"])
def test_stop(settings: dict[str, Any], bench: Workbench, servers: Servers) -> None:
    """With a short limit the script is stopped anyway, and begins again for each event alone: some seconds for all."""
    stuck = Stuck(bench, servers(15), **settings)
    begin = time.monotonic()
    assert stuck.engine.request("POST", "/pipelines/p/stop")[0] == 200
    assert time.monotonic() - begin < 2
    assert stuck.engine.pipeline()["status"] == "stopped"
    stuck.mend()
    assert stuck.engine.terminate() == 0


def test_a_mended_script_takes_over_at_once(bench: Workbench, servers: Servers) -> None:
    stuck = Stuck(bench, servers(15), on_error="drop")
    begin = time.monotonic()
    stuck.mend()
    assert time.monotonic() - begin < 4


def test_the_process_ends(bench: Workbench, servers: Servers) -> None:
    stuck = Stuck(bench, servers(15), on_error="drop")
    begin = time.monotonic()
    assert stuck.engine.terminate() == 4, "it says that something was left"
    assert time.monotonic() - begin < 2
    stuck.engine.start(ready=False)
    wait_until(lambda: stuck.engine.get("/livez", missing=None), 20, "the API")
    stuck.mend()


def test_delete(bench: Workbench, servers: Servers) -> None:
    stuck = Stuck(bench, servers(15))
    begin = time.monotonic()
    assert stuck.engine.request("DELETE", "/pipelines/p")[0] in (200, 204)
    assert time.monotonic() - begin < 2
    assert stuck.engine.get("/pipelines") == []
    assert stuck.engine.terminate() == 0
