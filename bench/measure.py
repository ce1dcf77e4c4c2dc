"""What a run cost: CPU by process, peak memory, and the conditions it ran under."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import statistics
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.engine import Engine
from harness.procs import cpu_seconds, wait_until


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


def drain(each: Engine, events: int, what: str, beside: dict[str, Callable[[], int | None]]) -> Run:
    """Starts the engine, waits for `events` to be delivered and kills it. `beside` finds the processes at the other ends;
    one that is not there yet at the start began for this drain."""
    pids = {name: find() for name, find in beside.items()}
    before = {name: cpu_seconds(pid) if pid else 0.0 for name, pid in pids.items()}
    started = time.time()
    each.start(ready=False)
    try:
        memory = PeakMemory(each.pid)

        def drained() -> bool:
            if not each.alive():
                raise RuntimeError(f"the engine ended:\n{each.log_tail()}")
            pids.update({name: find() for name, find in beside.items() if not pids[name]})
            try:
                return each.metric("deltaforge_sink_events_total") >= events
            except OSError:
                return False
        # Asked rarely, since every look at the metrics costs the engine; when it ended is what the engine itself noted.
        wait_until(drained, 300, f"{what} to drain", every=0.5)
        seconds = each.metric("deltaforge_last_checkpoint_ts") - started
        cpu = {"engine": cpu_seconds(each.pid)}
        cpu.update({name: cpu_seconds(pid) - before[name] for name, pid in pids.items() if pid})
        return Run(what, events, seconds, {name: per_event(spent, events) for name, spent in cpu.items()},
                   round(memory.stop(), 1))
    finally:
        each.kill()


def summary(found: list[dict[str, Run]], ratios: list[tuple[str, str]]) -> dict[str, Any]:
    """The medians over the rounds, and those of the ratios of two neighbours in a round."""
    def spent(name: str, process: str) -> float:
        return round(median([one[name].cpu[process] for one in found if process in one[name].cpu]), 2)
    return {"runs": {name: {
        "events_per_second": round(median([one[name].rate for one in found])),
        "cpu_us_per_event": {process: spent(name, process) for process in found[0][name].cpu},
        "peak_anon_mib": max((one[name].peak_mib or 0 for one in found), default=0) or None} for name in found[0]},
        "ratios": {f"{a} / {b}": round(median([one[a].rate / one[b].rate for one in found]), 2) for a, b in ratios}}


def show(report: dict[str, Any]) -> None:
    for workload, part in report["workloads"].items():
        print(f"\n{workload}")
        print(f"  {'':30} {'events/s':>10}  {'peak anon MiB':>13}  CPU us/event")
        for name, run in part["runs"].items():
            cpu = ", ".join(f"{process} {value}" for process, value in run["cpu_us_per_event"].items())
            print(f"  {name:30} {run['events_per_second']:>10,}  {run['peak_anon_mib'] or '':>13}  {cpu}")
        for name, value in part["ratios"].items():
            print(f"  {name:60} {value:5.2f}x")
    if "idle" in report:
        print("\nidle")
        for name, value in report["idle"].items():
            print(f"  {name:30} {value}")
    where = report["conditions"]
    print(f"\n{where['cores']} cores, {where['cpu']}; load {where['load']:.1f}; calibration {where['calibration_ms']} ms")


def keep(report: dict[str, Any], root: Path, name: str) -> None:
    target = root / "bench/results" / f"{name}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(report, indent=1) + "\n")
    print(f"\n{target.relative_to(root)}")


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
