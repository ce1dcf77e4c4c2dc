"""The option that leaves the JavaScript processor out: what is left builds, knows nothing of the engine, and says so."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from harness.procs import REPO

PIPELINE = """\
metadata: {name: p, tenant: t}
spec:
  source: {type: postgres, config: {id: db, dsn: "postgresql://localhost/shop", slot: s, publication: p}}
  processors:
    - {type: javascript, inline: "(e) => [e]"}
  sinks: [{type: stdout, config: {id: out}}]
"""


def run(*argv: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, cwd=REPO, capture_output=True, text=True, env={**os.environ, **more}, check=False)


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_builds_and_refuses_the_processor(home: Path) -> None:
    """In a folder that stays: only what is new is compiled again. No library of the engine is to be found meanwhile."""
    build = REPO / "build" / "no-javascript"
    no_library = home / "pkg-config"
    no_library.write_text("#!/bin/sh\ncase \"$*\" in *mozjs*) exit 1 ;; esac\nexec /usr/bin/pkg-config \"$@\"\n")
    no_library.chmod(0o755)
    configured = run("cmake", "--preset", "debug", "-B", str(build), "-DDELTAFORGE_JAVASCRIPT=OFF",
                     f"-DPKG_CONFIG_EXECUTABLE={no_library}")
    assert configured.returncode == 0, configured.stdout + configured.stderr
    built = run("ninja", "-C", str(build), "deltaforge", "server_test")
    assert built.returncode == 0, built.stdout[-3000:] + built.stderr
    binary = str(build / "deltaforge")
    assert "mozjs" not in run("ldd", binary).stdout
    (home / "p.yaml").write_text(PIPELINE)
    refused = run(binary, "validate", str(home / "p.yaml"))
    said = refused.stdout + refused.stderr
    assert refused.returncode != 0 and "javascript" in said and "not in this build" in said, said
    assert "p.yaml:5:" in said, f"with its place: {said}"
    (home / "p.yaml").write_text(PIPELINE.replace('javascript, inline: "(e) => [e]"', "flatten"))
    assert run(binary, "validate", str(home / "p.yaml")).returncode == 0
    configs_with_scripts = "BrokenConfigs.*:BookExamples.*:Examples.*"
    tested = run(str(build / "src/server/server_test"), f"--gtest_filter=-{configs_with_scripts}")
    assert tested.returncode == 0, tested.stdout[-3000:]
