"""The process as an operator meets it: one bad pipeline stops no other, REST and metrics, exit codes, validate."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from conftest import Workbench
from harness.engine import BINARY, Engine, blackhole_sink, file_sink, pipeline, postgres_source
from harness.postgres import Postgres
from harness.procs import REPO, free_port, wait_until
from harness.readers import FileReader


def run(*args: str, seconds: float = 30) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(BINARY), *args], capture_output=True, text=True, timeout=seconds,
                          stdin=subprocess.DEVNULL)


def simple(bench: Workbench, servers: Callable[[int], Postgres], **spec: Any) -> tuple[Postgres, str, Engine, FileReader]:
    pg = servers(15)
    database = bench.database(pg)
    pg.execute("CREATE TABLE t (id int PRIMARY KEY, v text)", database)
    engine = bench.engine(pg, database, [file_sink(bench.home / "out")], **spec).start()
    return pg, database, engine, FileReader(bench.home / "out")


def test_one_bad_pipeline_never_stops_the_others(bench: Workbench, servers: Callable[[int], Postgres]) -> None:
    pg = servers(15)
    good, bad = bench.database(pg), bench.database(pg)
    for database in (good, bad):
        pg.execute("CREATE TABLE t (id int PRIMARY KEY)", database)
    nowhere = pg.dsn("x", port=free_port())
    folder = bench.home / "pipelines"
    folder.mkdir()

    def write(name: str, source: dict[str, Any], sink: dict[str, Any]) -> None:
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(pipeline(source, [sink], name=name)))
    write("good", postgres_source(pg.dsn(good), name=good), file_sink(bench.home / "out"))
    write("unreachable", postgres_source(nowhere, name="unreachable"), blackhole_sink())
    write("denied", postgres_source(pg.dsn(bad, user="denied", password="wrong"), name=bad), blackhole_sink())
    (folder / "broken.yaml").write_text("metadata: {name: broken, tenant: t}\nspec:\n  source: {type: oracle}\n")
    (folder / "torn.yaml").write_text("metadata: {name: torn\n  tenant: [")

    engine = bench.keep(Engine(bench.home / "engine", []))
    engine.config = folder
    engine.start(ready=False)
    engine.wait_status({"running", "failed", "degraded", "starting"}, 20, name="good")
    reader = FileReader(bench.home / "out")

    def status() -> dict[str, str]:
        return {entry["name"]: entry["status"] for entry in engine.get("/pipelines")}
    wait_until(lambda: status().get("good") == "running" and status().get("denied") == "failed"
               and status().get("unreachable") == "degraded", 30, "each pipeline to find its state")
    for number in range(3):
        pg.execute(f"INSERT INTO t VALUES ({number})", good)
        wait_until(lambda: len(reader.records) > number or reader.drain(), 10, "the good pipeline to deliver")
    found = status()
    assert found["broken"] == "failed", found
    assert sum(state == "failed" for state in found.values()) == 3, found
    code, body = engine.request("GET", "/health")
    assert code == 503 and set(json.loads(body)["failed_pipelines"]) >= {"broken", "denied"}, body
    assert engine.terminate() == 0


def test_rest(bench: Workbench, servers: Callable[[int], Postgres]) -> None:
    pg, database, engine, reader = simple(bench, servers)
    assert engine.request("GET", "/livez")[0] == 200
    assert engine.get("/health") == {"status": "healthy", "pipelines": 1}
    ready = engine.get("/ready")
    assert ready["status"] == "ready" and ready["pipelines"][0]["name"] == "p"
    assert [entry["name"] for entry in engine.get("/pipelines")] == ["p"]
    assert engine.pipeline()["spec"]["metadata"]["name"] == "p"
    code, body = engine.request("GET", "/pipelines/none")
    assert code == 404 and json.loads(body)["code"] == "PIPELINE_NOT_FOUND"
    assert engine.request("GET", "/nothing")[0] == 404
    assert engine.request("DELETE", "/health")[0] == 405

    pg.execute("INSERT INTO t VALUES (1, 'a')", database)
    wait_until(lambda: reader.drain(), 10, "a row")
    wait_until(lambda: engine.checkpoint("file"), 10, "a checkpoint in REST")
    metrics = engine.metrics()
    assert engine.metric("deltaforge_source_events_total") == 1
    assert engine.metric("deltaforge_sink_events_total") == 1
    assert any(name.startswith("deltaforge_build_info{") for name in metrics)
    assert engine.metric("deltaforge_pipeline_status") == 1
    assert engine.request("GET", "/metrics")[0] == 200, "also on the API's own port"


def test_pause_and_resume(bench: Workbench, servers: Callable[[int], Postgres]) -> None:
    pg, database, engine, reader = simple(bench, servers)
    assert engine.post("/pipelines/p/pause")["status"] == "paused"
    assert engine.post("/pipelines/p/pause")["status"] == "paused"
    pg.execute("INSERT INTO t VALUES (1, 'a')", database)
    time.sleep(1)
    assert reader.drain() == []
    assert pg.slot(f"df_{database}")["active"], "paused, but connected"  # type: ignore[index]
    engine.post("/pipelines/p/resume")
    wait_until(lambda: reader.drain(), 10, "the row after resume")
    assert engine.wait_status({"running"}, 5)["status"] == "running"


def test_paused_is_kept_alive(bench: Workbench) -> None:
    """Keepalives are answered while nothing is read: the server does not cut a paused pipeline off."""
    pg = bench.server(15, settings={"wal_sender_timeout": "2s"})
    database = bench.database(pg)
    pg.execute("CREATE TABLE t (id int PRIMARY KEY)", database)
    engine = bench.engine(pg, database, [file_sink(bench.home / "out")]).start()
    reader = FileReader(bench.home / "out")
    engine.post("/pipelines/p/pause")
    pid = pg.query("SELECT active_pid FROM pg_replication_slots")[0][0]
    pg.execute("INSERT INTO t SELECT generate_series(1, 100000)", database)
    time.sleep(7)
    assert pg.query("SELECT active_pid FROM pg_replication_slots")[0][0] == pid
    engine.post("/pipelines/p/resume")
    wait_until(lambda: reader.drain() is not None and len(reader.records) == 100_000, 30, "all rows after resume")


def test_exit_codes(bench: Workbench, servers: Callable[[int], Postgres]) -> None:
    assert run("version").returncode == 0
    assert run("--help").returncode == 0
    assert run("run", "--no-such-flag").returncode == 2
    assert run("frobnicate").returncode == 2
    pg, database, engine, _ = simple(bench, servers)
    second = run("run", "--config", str(engine.config), "--api-addr", f"127.0.0.1:{free_port()}", "--metrics-addr",
                 f"127.0.0.1:{free_port()}", "--storage-path", str(engine.database))
    assert second.returncode == 3, second.stderr
    assert str(engine.pid) in second.stderr, "it names who holds the state"
    assert run("run", "--config", str(engine.config), "--api-addr", "nonsense").returncode == 2
    assert engine.terminate() == 0
    broken = bench.home / "broken.yaml"
    broken.write_text("spec: [")
    assert run("run", "--config", str(broken), "--storage-path", str(bench.home / "s/d.db")).returncode == 1


def test_lost_state(bench: Workbench, servers: Callable[[int], Postgres]) -> None:
    _, _, engine, _ = simple(bench, servers)
    assert engine.terminate() == 0
    for suffix in ("", "-wal", "-shm"):
        engine.database.with_name(engine.database.name + suffix).unlink(missing_ok=True)
    engine.start(ready=False)
    assert engine.process is not None and engine.process.wait(20) == 3, engine.log_tail()
    assert "state_lost" in engine.log_text(), engine.log_tail()


def test_validate_finds_every_problem(tmp_path: Path) -> None:
    text = """\
metadata: {name: p, tenant: t}
spec:
  source:
    type: postgres
    config: {id: a, dsn: "postgresql://h/d", slot: s, publicaton: p}
  sinks:
    - type: file
      config: {id: f, path: /tmp/x, roll_bytes: many}
    - type: kafca
      config: {id: k}
  batch: {max_events: 0, max_inflight: "no"}
"""
    config = tmp_path / "pipe.yaml"
    config.write_text(text)
    done = run("validate", str(config))
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    for line, what in ((5, "publicaton"), (8, "roll_bytes"), (9, "kafca"), (11, "max_events"), (11, "max_inflight")):
        assert any(f"pipe.yaml:{line}:" in text and what in text for text in lines), (line, what, done.stderr)
    assert any("did you mean 'publication'" in text for text in lines), done.stderr
    assert any("did you mean 'kafka'" in text for text in lines), done.stderr


def test_broken_configurations() -> None:
    """Each of at least 40 broken files is refused with file, line and column."""
    files = sorted((REPO / "tests/config/broken").glob("*.yaml"))
    assert len(files) >= 40
    for file in files:
        done = run("validate", str(file))
        assert done.returncode == 1, f"{file.name}: exit {done.returncode}"
        first = done.stderr.splitlines()[0]
        place = first.partition(": ")[0].rsplit(":", 2)
        assert place[0].endswith(file.name) and place[1].isdigit() and place[2].isdigit(), f"{file.name}: {first}"


def test_examples_are_valid() -> None:
    files = sorted((REPO / "examples").glob("*.yaml"))
    assert files
    for file in files:
        done = subprocess.run([str(BINARY), "validate", str(file)], capture_output=True, text=True, timeout=30, env={
            "POSTGRES_DSN": "postgresql://h/d", "MYSQL_DSN": "mysql://u:p@h/d", "KAFKA_BROKERS": "h:9092",
            "REDIS_URI": "redis://h", "NATS_URL": "nats://h", "API_TOKEN": "t", "SIGNING_KEY": "k", "MASK_KEY": "k",
            "PATH": "/usr/bin"})
        assert done.returncode == 0, f"{file.name}: {done.stderr}"
