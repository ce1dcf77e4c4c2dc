"""The demo does what the README says, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.procs import REPO

DEMO = [sys.executable, str(REPO / "tools/demo/demo.py")]


def finish(argv: list[str], scratch: Path, interrupt_after: float | None = None) -> tuple[int, str, str]:
    out, err = scratch.parent / "out", scratch.parent / "err"
    scratch.mkdir()
    scratch.chmod(0o755)
    with open(out, "wb") as stdout, open(err, "wb") as stderr:
        demo = subprocess.Popen(argv, stdout=stdout, stderr=stderr, stdin=subprocess.DEVNULL,
                                env={**os.environ, "TMPDIR": str(scratch)})
    try:
        if interrupt_after is not None:
            time.sleep(interrupt_after)
            demo.send_signal(signal.SIGINT)
        code = demo.wait(90)
    finally:
        demo.kill()
    assert list(scratch.iterdir()) == [], "the demo left files behind"
    return code, out.read_text(), err.read_text()


@pytest.fixture
def scratch(home: Path) -> Path:
    home.chmod(0o755)
    return home / "tmp"


def test_demo_on_the_terminal(scratch: Path) -> None:
    assert_shop_is_seen(*finish([*DEMO, "--seconds", "6", "--rate", "20"], scratch))


def test_demo_mysql(scratch: Path) -> None:
    assert_shop_is_seen(*finish([*DEMO, "mysql", "--seconds", "6", "--rate", "20"], scratch))


def assert_shop_is_seen(code: int, out: str, err: str) -> None:
    assert code == 0, err
    lines = out.splitlines()
    assert len(lines) > 20, out + err
    for word in ("INSERT", "UPDATE"):
        assert any(word in line for line in lines), out
    assert any("orders" in line for line in lines)
    assert len(re.findall(r"^-- +[\d.]+ changes/s, \d+ in all, lag [\d.]+ s, running$", err, re.M)) >= 4, err


def test_demo_kafka(scratch: Path) -> None:
    code, out, err = finish([*DEMO, "kafka", "--seconds", "8", "--rate", "20"], scratch)
    assert code == 0, err
    assert len([line for line in out.splitlines() if '"op":"' in line]) > 20, out[:2000] + err


def test_demo_interrupted(scratch: Path) -> None:
    code, _, err = finish([*DEMO], scratch, interrupt_after=6)
    assert code == 0, err
    assert "everything is stopped and removed" in err
