"""docs/adding-a-sink.md and docs/adding-a-processor.md, followed to the letter in a copy of this repository: the folders are
made, the patches put in, the contract kits pass, nothing else has to be touched, and a pipeline runs with what came of it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import Servers, Workbench
from harness.docs import Block, read_page
from harness.engine import BINARY, Engine
from harness.procs import REPO, Process, wait_until

PAGES = ("docs/adding-a-sink.md", "docs/adding-a-processor.md")
# What is built already is in the compiler's cache.
PRESET = "debug" if (REPO / "build/debug/deltaforge").exists() else BINARY.parent.name
pytestmark = pytest.mark.timeout(1500)
builds = pytest.mark.full  # most of the engine, once more


def command(words: list[str], where: Path, text: str = "") -> str:
    done = subprocess.run(words, cwd=where, input=text, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=1200)
    assert done.returncode == 0, f"{words}\n{text}\n{done.stdout[-6000:]}"
    return done.stdout


def follow(block: Block, copy: Path) -> None:
    if block.language == "diff":
        command(["patch", "-p1", "--fuzz=0", "--forward"], copy, block.text)
    elif block.language == "sh":
        command(["bash", "-euo", "pipefail"], copy, re.sub(r"\bdebug\b", PRESET, block.text))
    else:
        (copy / block.words["scratch"]).write_text(block.text)


def copy_to(path: Path) -> Path:
    for part in ("src", "tools", "cmake", "tests", "docs", "examples", "deploy"):
        shutil.copytree(REPO / part, path / part, ignore=shutil.ignore_patterns("__pycache__"))
    for file in [*REPO.glob("CMake*"), *REPO.glob("*.md"), *REPO.glob("LICENSE*"), REPO / "dev", REPO / ".clang-format"]:
        shutil.copy2(file, path)
    return path


def blocks() -> Iterator[Block]:
    for page in PAGES:
        yield from (block for block in read_page(REPO / page).blocks if "scratch" in block.words)


@pytest.fixture(scope="module")
def copy(root: Path) -> Iterator[Path]:
    """The repository with both components in it, as the pages make them."""
    path = copy_to(root / "copy")
    for block in blocks():
        follow(block, path)
    yield path
    shutil.rmtree(path)


def test_every_patch_fits(root: Path) -> None:
    """Nothing is built here; what the patches make is our style, too."""
    path = copy_to(root / "patched")
    for block in blocks():
        if "./dev build" not in block.text:
            follow(block, path)
    command(["bash", "-c", "clang-format-14 --dry-run -Werror src/sinks/unix_socket/*.[hc]* src/processors/upper/*.[hc]*"], path)
    shutil.rmtree(path)


@builds
def test_one_folder_and_one_line(copy: Path) -> None:
    """Nothing but the generated pages follows; what the tests know of components holds for those, too."""
    differs = command(["bash", "-c", f"diff -rq -x build -x '*.pyc' -x __pycache__ {REPO}/src {copy}/src || true"], copy)
    assert sorted(line.removeprefix("Files ").split(" ")[0].removeprefix(f"{REPO}/") for line in differs.splitlines()) == [
        "Only", "Only", "src/server/components.def"], differs
    engine = copy / f"build/{PRESET}/deltaforge"
    command([sys.executable, "tools/reference.py", "-"], copy, command([str(engine), "schema"], copy))
    assert (copy / "docs/reference/sink-unix_socket.md").exists() and (copy / "docs/reference/processor-upper.md").exists()
    for tool in ("tools/check_layers.py", "tools/check_sizes.py"):
        command([sys.executable, tool], copy)
    inner = [sys.executable, "-m", "pytest", "-q", "e2e/test_config_schema.py", "e2e/test_docs.py",
             "-k", "(test_config_schema and not mistakes) or (sound and README and (unix_socket or upper))"]
    done = subprocess.run(inner, cwd=copy / "tests", env={**os.environ, "DF_BINARY": str(engine)}, text=True,
                          stdout=subprocess.PIPE, timeout=600)
    assert done.returncode == 0, done.stdout[-6000:]


def document(copy: Path, name: str, **database: Any) -> dict[str, Any]:
    found = yaml.safe_load((copy / name).read_text())
    found["spec"]["source"]["config"].update(database)
    return found


@builds
def test_the_sink_loses_nothing(copy: Path, bench: Workbench, servers: Servers) -> None:
    """With the reader of the page; both are killed."""
    pg = servers(15)
    database = bench.database(pg)
    pg.execute("CREATE TABLE orders (id int PRIMARY KEY, status text)", database)
    address, out = bench.home / "s", bench.home / "lines"
    spec = document(copy, "socket.yaml", slot=database, publication=database)
    spec["spec"]["sinks"][0]["config"]["path"] = str(address)

    def reader() -> Process:
        address.unlink(missing_ok=True)
        return Process([sys.executable, str(copy / "reader.py"), str(address), str(out)], bench.home / "reader.log")

    def ids() -> list[int]:
        return [json.loads(line)["after"]["id"] for line in out.read_text().splitlines()] if out.exists() else []

    reading = reader()
    try:
        engine = bench.keep(Engine(bench.home / "engine", spec, binary=copy / f"build/{PRESET}/deltaforge",
                                   env={"POSTGRES_DSN": pg.dsn(database)})).start()
        for first in range(0, 400, 100):
            pg.execute(f"INSERT INTO orders SELECT i, 'paid' FROM generate_series({first}, {first + 99}) i", database)
            if first == 100:
                wait_until(lambda: 100 in ids(), 30, "the second hundred")
                reading.kill()
                reading = reader()
            if first == 200:
                engine.kill()
                engine.start()
        wait_until(lambda: set(ids()) == set(range(400)), 60, "all rows")
        events = [json.loads(line) for line in out.read_text().splitlines()]
        assert len({event["event_id"] for event in events}) == 400 == len(set(out.read_text().splitlines()))
        assert list(dict.fromkeys(ids())) == list(range(400))
        assert engine.terminate() == 0
    finally:
        reading.kill()


@builds
def test_the_processor_changes_what_it_says(copy: Path, bench: Workbench, servers: Servers) -> None:
    pg = servers(15)
    database = bench.database(pg)
    pg.execute("CREATE TABLE orders (id int PRIMARY KEY, status text); ALTER TABLE orders REPLICA IDENTITY FULL;"
               "CREATE TABLE other (id int PRIMARY KEY, note text)", database)
    engine = bench.keep(Engine(bench.home / "engine", document(copy, "upper.yaml", slot=database, publication=database),
                               binary=copy / f"build/{PRESET}/deltaforge", env={"POSTGRES_DSN": pg.dsn(database)})).start()
    pg.execute("INSERT INTO orders VALUES (1, 'paid'); INSERT INTO other VALUES (1, 'status'); "
               "UPDATE orders SET status = NULL", database)
    wait_until(lambda: engine.stdout.read_text().count("\n") == 3, 30, "three events")
    events = [json.loads(line) for line in engine.stdout.read_text().splitlines()]
    assert [(event["before"], event["after"]) for event in events] == [
        (None, {"id": 1, "status": "PAID"}), (None, {"id": 1, "note": "status"}),
        ({"id": 1, "status": "PAID"}, {"id": 1, "status": None})]
