"""Processes, ports and bounded waiting. Whoever starts a process here owns its pid and ends only that."""

from __future__ import annotations

import ctypes
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

REPO = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("DF_CACHE", Path.home() / ".cache" / "deltaforge"))


class Timeout(AssertionError):
    """Something did not happen in time."""


def wait_until(probe: Callable[[], T], seconds: float, what: str, every: float = 0.05) -> T:
    """The first true value of `probe`, or Timeout. Never waits without a bound."""
    end = time.monotonic() + seconds
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() >= end:
            raise Timeout(f"waited {seconds:g} s for {what}")
        time.sleep(every)


_handed_out: set[int] = set()


def free_port() -> int:
    """A loopback port that nobody listens on, that this process has not handed out yet, and that the system gives to no
    connection before somebody listens there."""
    outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.SystemRandom().randrange(10_000, max(outgoing, 20_000))
        if port in _handed_out:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _handed_out.add(port)
        return port


def _die_with_parent() -> None:
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


class Process:
    """A child with its output in files. Dies with the harness, however that ends; hears no Ctrl-C of its own."""

    def __init__(self, argv: list[str], log: Path, *, stdout: Path | None = None, cwd: Path | None = None,
                 env: dict[str, str] | None = None) -> None:
        self.argv = argv
        self.log = log
        with open(log, "ab") as err, open(stdout or log, "ab") as out:
            self.popen = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=cwd, env=env,
                                          start_new_session=True, preexec_fn=_die_with_parent)

    @property
    def pid(self) -> int:
        return self.popen.pid

    def alive(self) -> bool:
        return self.popen.poll() is None

    def send(self, sig: signal.Signals) -> None:
        if self.alive():
            self.popen.send_signal(sig)

    def wait(self, seconds: float) -> int:
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Timeout(f"{self.argv[0]} (pid {self.pid}) did not end within {seconds:g} s") from None

    def kill(self) -> None:
        self.send(signal.SIGKILL)
        self.popen.wait()

    def stop(self, sig: signal.Signals = signal.SIGTERM, seconds: float = 20) -> None:
        """Asks, then insists: nothing that we started outlives us."""
        self.send(sig)
        try:
            self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    def log_tail(self, lines: int = 30) -> str:
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
