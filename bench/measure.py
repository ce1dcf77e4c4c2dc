"""What a run cost: CPU by process, peak memory, and the conditions it ran under."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import statistics
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time so far, of a process and the children it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def memory_mib(pid: int, name: str = "RssAnon") -> float:
    found = re.search(rf"^{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.M)
    return int(found.group(1)) / 1024 if found else 0.0


def per_event(seconds: float, events: int) -> float:
    """In microseconds."""
    return round(seconds / events * 1e6, 3)


class PeakMemory:
    """Samples the anonymous memory of one process until stopped."""

    def __init__(self, pid: int) -> None:
        self.pid, self.peak = pid, 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(0.05):
            try:
                self.peak = max(self.peak, memory_mib(self.pid))
            except OSError:
                return

    def stop(self) -> float:
        self._stop.set()
        self._thread.join()
        return self.peak


@dataclass
class Run:
    """One drain."""

    what: str
    events: int
    seconds: float
    cpu: dict[str, float] = field(default_factory=dict)  # process -> us per event
    peak_mib: float | None = None

    @property
    def rate(self) -> float:
        return self.events / self.seconds


def calibration_ms() -> float:
    """A fixed piece of work on one core: beside it CPU figures of different machines can be compared."""
    block = bytes(1 << 20)
    best = float("inf")
    for _ in range(3):
        started = time.perf_counter()
        digest = hashlib.sha256()
        for _ in range(64):
            digest.update(block)
        best = min(best, time.perf_counter() - started)
    return round(best * 1000, 1)


def conditions(root: Path, binary: Path) -> dict[str, Any]:
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())

    def output(*argv: str) -> str:
        return subprocess.run(argv, capture_output=True, text=True, cwd=root).stdout.strip()
    return {"date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "cpu": model.group(1) if model else "?",
            "cores": os.cpu_count(), "load": os.getloadavg()[0], "kernel": platform.release(),
            "calibration_ms": calibration_ms(), "commit": output("git", "rev-parse", "--short", "HEAD"),
            "binary": output(str(binary), "version")}


def median(values: list[float]) -> float:
    return statistics.median(values) if values else float("nan")
