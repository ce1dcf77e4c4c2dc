"""./dev new makes folders that compile as they are."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]


def copy_and_make(kind: str, name: str, to: Path) -> None:
    for part in ("src", "tools", "cmake"):
        shutil.copytree(REPO / part, to / part)
    for file in ("dev", ".clang-format"):
        shutil.copy(REPO / file, to)
    subprocess.run(["./dev", "new", kind, name], cwd=to, check=True)


@pytest.mark.parametrize(("kind", "name"), [("sink", "pulsar"), ("processor", "lower"), ("source", "sql_server")])
def test_new_component_compiles(kind: str, name: str, tmp_path: Path) -> None:
    copy_and_make(kind, name, tmp_path)
    for file in sorted((tmp_path / f"src/{kind}s/{name}").glob("*.cc")):
        subprocess.run(["g++", "-std=c++20", "-fsyntax-only", "-Isrc", "-Wall", "-Wextra", "-Wpedantic", "-Werror",
                        "-Wno-missing-field-initializers", str(file)], cwd=tmp_path, check=True)
    again = subprocess.run(["./dev", "new", kind, name], cwd=tmp_path, capture_output=True, text=True)
    assert again.returncode != 0 and "exists already" in again.stderr


@pytest.mark.parametrize(("kind", "name", "library"), [
    ("sink", "pulsar", "pulsar"), ("sink", "postgres", "postgres_sink"), ("processor", "hash", "hash"),
    ("processor", "lower", "lower"), ("processor", "a", "a"), ("source", "z", "z")])
def test_its_line_finds_its_place(kind: str, name: str, library: str, tmp_path: Path) -> None:
    before = (REPO / "src/server/components.def").read_text().splitlines()
    copy_and_make(kind, name, tmp_path)
    line = f"COMPONENT({kind}s, {name})"
    after = (tmp_path / "src/server/components.def").read_text().splitlines()
    assert line in after and [each for each in after if each != line] == before
    # Sorted, and not inside another's #if.
    command = ["g++", "-E", "-P", "-x", "c++", "-DDELTAFORGE_JAVASCRIPT=0", "src/server/components.def"]
    listed = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout.split("\n")
    assert line in listed and listed[:-1] == sorted(listed[:-1])
    assert f"df_folder({library} " in (tmp_path / f"src/{kind}s/{name}/CMakeLists.txt").read_text()
