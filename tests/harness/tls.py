"""Certificates of our own making."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

_MAKE = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"]


@dataclass
class Certificate:
    crt: Path
    key: Path


class Authority:
    """One that nobody trusts but whoever is given its `ca`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True)
        self._own = self._make("ca", ["-subj", "/CN=authority of the tests"])
        self.ca = self._own.crt

    def issue(self, name: str, names: str = "DNS:nobody") -> Certificate:
        """For `names`, as "DNS:localhost,IP:127.0.0.1"; a second one of the same `name` takes the first one's place."""
        return self._make(name, ["-subj", f"/CN={name} of the tests", "-addext", f"subjectAltName={names}",
                                 "-CA", str(self._own.crt), "-CAkey", str(self._own.key)])

    def _make(self, name: str, more: list[str]) -> Certificate:
        made = Certificate(self.root / f"{name}.crt", self.root / f"{name}.key")
        subprocess.run([*_MAKE, *more, "-keyout", str(made.key), "-out", str(made.crt)], check=True,
                       capture_output=True)
        return made
