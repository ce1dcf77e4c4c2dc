"""Heap calls of a running engine, by thread name. The counter is tests/alloc/count_allocations.c, preloaded."""

from __future__ import annotations

import struct
import subprocess
from collections import defaultdict
from pathlib import Path

from .procs import REPO


class AllocationCounter:
    def __init__(self, home: Path) -> None:
        self.library = home / "count_allocations.so"
        self.file = home / "allocations"
        subprocess.run(["cc", "-O2", "-Wall", "-Werror", "-fPIC", "-shared", "-ftls-model=initial-exec", "-o",
                        str(self.library), str(REPO / "tests/alloc/count_allocations.c")], check=True)

    def env(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self.library), "DF_ALLOC_FILE": str(self.file)}

    def by_thread(self, pid: int) -> dict[str, int]:
        """Thread name -> calls so far, of the threads that are alive."""
        calls: dict[str, int] = defaultdict(int)
        for tid, count in struct.iter_unpack("QQ", self.file.read_bytes()):
            comm = Path(f"/proc/{pid}/task/{tid}/comm")
            if tid and comm.exists():
                calls[comm.read_text().strip()] += count
        return dict(calls)
