"""Reads a Dockerfile: the instructions that ours uses, and no others."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Stage:
    base: str
    name: str = ""
    steps: list[tuple[str, str]] = field(default_factory=list)  # RUN, COPY, WORKDIR, in order
    facts: dict[str, str] = field(default_factory=dict)  # the others; the last of each counts

    def argv(self, instruction: str) -> list[str]:
        """ENTRYPOINT, CMD or HEALTHCHECK ... CMD in the form that needs no shell."""
        found: list[str] = json.loads(self.facts[instruction].partition("CMD ")[2] or self.facts[instruction])
        return found


_STEPS = {"RUN", "COPY", "WORKDIR"}
_FACTS = {"USER", "VOLUME", "EXPOSE", "ENTRYPOINT", "CMD", "STOPSIGNAL", "HEALTHCHECK"}


def read(path: Path) -> list[Stage]:
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    stages: list[Stage] = []
    for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        instruction, _, rest = line.strip().partition(" ")
        rest = re.sub(r"\s+", " ", rest).strip()
        if not instruction:
            continue
        if instruction == "FROM":
            base, _, name = rest.partition(" AS ")
            stages.append(Stage(base, name))
        elif instruction in _STEPS:
            stages[-1].steps.append((instruction, rest))
        elif instruction in _FACTS:
            stages[-1].facts[instruction] = rest
        else:
            raise ValueError(f"{path}: {instruction} is not read here: {line}")
    return stages
