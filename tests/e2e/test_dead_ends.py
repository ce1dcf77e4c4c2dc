"""A newcomer's mistakes: each ends with a message that names the place and the remedy, and no secret."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import Servers, Workbench
from harness.disk import SmallDisk
from harness.engine import BINARY, Engine, blackhole_sink, file_sink, kafka_sink, mysql_source, pipeline, postgres_source
from harness.procs import free_port, wait_until


def start(*args: str, cwd: Path) -> tuple[int, str]:
    """Of a start that fails."""
    ports = ["--api-addr", f"127.0.0.1:{free_port()}", "--metrics-addr", f"127.0.0.1:{free_port()}"]
    done = subprocess.run([str(BINARY), *args, *ports], capture_output=True, text=True, timeout=30, cwd=cwd,
                          stdin=subprocess.DEVNULL, env={"PATH": os.environ["PATH"]})
    return done.returncode, done.stderr


def refused(document: Any, cwd: Path) -> str:
    (cwd / "p.yaml").write_text(document if isinstance(document, str) else yaml.safe_dump(document))
    code, said = start("--config", "p.yaml", cwd=cwd)
    assert code == 1, said
    assert said.startswith("p.yaml:"), said
    return said


@pytest.mark.parametrize(("dsn", "expected"), [
    ("mysql://u:begin@theirs/rest@h/d", "must be percent-encoded"),
    ("mysql://u:begin?theirs@h/d", "must be percent-encoded"),
    ("mysql://theirs/x", "the user is missing"),
    ("postgresql://u:theirs@h/d", "does not begin with mysql://"),
])
def test_a_password_in_the_wrong_place_of_a_mysql_dsn_is_not_shown(dsn: str, expected: str, tmp_path: Path) -> None:
    said = refused(pipeline(mysql_source(dsn), [blackhole_sink()]), tmp_path)
    assert expected in said and "theirs" not in said, said


def test_a_dsn_of_another_database(tmp_path: Path) -> None:
    said = refused(pipeline(postgres_source("mysql://u:theirs@h/d"), [blackhole_sink()]), tmp_path)
    assert "it does not begin with postgresql://" in said and "theirs" not in said, said


def test_brokers_as_a_url(tmp_path: Path) -> None:
    said = refused(pipeline(postgres_source("postgresql://h/d"), [kafka_sink("kafka://h:9092", "t")]), tmp_path)
    assert "brokers: no list of brokers: write host:port" in said, said


def test_tabs(tmp_path: Path) -> None:
    said = refused("metadata:\n\tname: p\n", tmp_path)
    assert said.startswith("p.yaml:2:") and "a tab indents this line: use blanks" in said, said


def test_json_that_is_none(bench: Workbench, tmp_path: Path) -> None:
    """What looks like JSON is told what is wrong with it as JSON, and nothing of it is repeated."""
    engine = without_pipeline(tmp_path, bench)
    wait_until(lambda: engine.get("/pipelines", missing=None) == [], 20, "the API")
    for body, line in (('{"metadata": {"name": "secret"}', 1), ('{"metadata":\n  {"name": "secret"]}', 2)):
        status, text = engine.request("POST", "/pipelines", body.encode())
        assert status == 400 and f"body:{line}:" in text and "syntax error in JSON:" in text, (body, text)
        assert "secret" not in text, text


def test_a_mysql_table_that_is_not_there(bench: Workbench, servers: Servers) -> None:
    mysql = servers("mysql")
    database = bench.database(mysql)
    mysql.execute("CREATE TABLE orders (id int PRIMARY KEY)", database)
    source = mysql_source(mysql.dsn(database), tables=[f"{database}.orders", f"{database}.oders"])
    engine = bench.keep(Engine(bench.home / "e", pipeline(source, [blackhole_sink()]))).start()
    (warning,) = [text for text in engine.pipeline()["ops"]["warnings"] if "in `tables`" in text]
    assert f"{database}.oders" in warning and f"{database}.orders" not in warning


def test_a_file_without_its_flag(tmp_path: Path) -> None:
    code, said = start("pipeline.yaml", cwd=tmp_path)
    assert code == 2 and "pipeline.yaml" in said and "--config" in said, said


def test_the_state_is_a_directory(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    code, said = start("--storage-path", str(tmp_path / "state"), cwd=tmp_path)
    assert code == 1 and f"{tmp_path}/state is a directory" in said and "state/deltaforge.db" in said, said


def test_the_states_disk_is_full(small_disk: SmallDisk, tmp_path: Path) -> None:
    with small_disk.full():
        code, said = start("--storage-path", str(small_disk.path / "d.db"), cwd=tmp_path)
    assert code == 1 and "No space left on device" in said and "make room on its disk" in said, said


def without_pipeline(tmp_path: Path, bench: Workbench) -> Engine:
    engine = bench.keep(Engine(tmp_path / "e", []))
    engine.config = tmp_path / "none"
    engine.config.mkdir()
    (engine.config / "storage.yaml").write_text("storage: {backend: memory}\n")
    return engine.start(ready=False)


def test_nothing_to_do_is_said(tmp_path: Path, bench: Workbench) -> None:
    engine = without_pipeline(tmp_path, bench)
    wait_until(lambda: "there is no pipeline yet" in engine.log_text(), 20, "a word on what is missing")
    assert engine.terminate() == 0


def test_a_table_that_nobody_has_is_a_warning_of_the_api(bench: Workbench, servers: Servers) -> None:
    pg = servers(15)
    database = bench.database(pg)
    pg.execute("CREATE TABLE orders (id int PRIMARY KEY)", database)
    engine = bench.engine(pg, database, [file_sink(bench.home / "out")], tables=["public.oders", "public.orders"]).start()
    (warning,) = [text for text in engine.pipeline()["ops"]["warnings"] if "no table matched" in text]
    assert "public.oders" in warning and "public.orders" not in warning


def test_what_waits_for_a_resume_says_so(bench: Workbench, servers: Servers) -> None:
    pg = servers(15)
    source = postgres_source(pg.dsn("no_such_database"), name="p")
    engine = bench.keep(Engine(bench.home / "e", pipeline(source, [blackhole_sink()])))
    engine.start(ready=False)
    engine.wait_status({"failed"}, 20)
    (line,) = [each for each in map(json.loads, engine.log_text().splitlines()) if each["level"] == "error"]
    assert line["again"] == "after POST /pipelines/p/resume", line


def test_a_redis_that_is_away_has_a_remedy(bench: Workbench, servers: Servers) -> None:
    pg = servers(15)
    database = bench.database(pg)
    sink = {"type": "redis", "config": {"id": "r", "uri": f"redis://127.0.0.1:{free_port()}", "stream": "s"}}
    engine = bench.engine(pg, database, [sink])
    engine.start(ready=False)
    engine.wait_status({"degraded"}, 20)
    assert "check host and port in `uri`" in engine.pipeline()["error"]["message"]
