"""./dev new makes folders that compile as they are."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(("kind", "name"), [("sink", "pulsar"), ("source", "sql_server")])
def test_new_component_compiles(kind: str, name: str, tmp_path: Path) -> None:
    for part in ("src", "tools", "cmake"):
        shutil.copytree(REPO / part, tmp_path / part)
    for file in ("dev", ".clang-format"):
        shutil.copy(REPO / file, tmp_path)
    subprocess.run(["./dev", "new", kind, name], cwd=tmp_path, check=True)
    assert f"COMPONENT({kind}s, {name})" in (tmp_path / "src/server/components.def").read_text()
    assert f"{kind}s/{name}" in (tmp_path / "src/CMakeLists.txt").read_text()
    for file in sorted((tmp_path / f"src/{kind}s/{name}").glob("*.cc")):
        subprocess.run(["g++", "-std=c++20", "-fsyntax-only", "-Isrc", "-Wall", "-Wextra", "-Wpedantic", "-Werror",
                        "-Wno-missing-field-initializers", str(file)], cwd=tmp_path, check=True)
    again = subprocess.run(["./dev", "new", kind, name], cwd=tmp_path, capture_output=True, text=True)
    assert again.returncode != 0 and "exists already" in again.stderr
