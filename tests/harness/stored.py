"""The positions in the engine's own store, read as an operator would: through the `kv` view."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any


def stored_lsn(database: Path, sink: str) -> str | None:
    position = stored_position(database, sink)
    return position["lsn"] if position else None


def stored_position(database: Path, sink: str) -> dict[str, Any] | None:
    """The stored position of one sink in its short form; None before there is one, or while the database cannot be read
    from outside."""
    if not database.exists():
        return None
    link = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=5)
    try:
        rows = link.execute("SELECT value FROM kv WHERE namespace = 'checkpoints' AND key LIKE ?",
                            (f"%::sink::{sink}",)).fetchall()
    except sqlite3.OperationalError:  # not made yet, or a killed engine's log has to be recovered first
        return None
    finally:
        link.close()
    return json.loads(rows[0][0]) if rows else None


def stored_values(database: Path, namespace: str) -> dict[str, str]:
    """Key -> value, from a copy: what a killed engine left is recovered there, and stays for the engine as it was."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / database.name
        for ending in ("", "-wal"):
            if (file := database.with_name(database.name + ending)).exists():
                shutil.copy(file, copy.with_name(file.name))
        with closing(sqlite3.connect(copy)) as link:
            link.text_factory = lambda value: value.decode(errors="replace")  # rows of XA transactions are no text
            try:
                return dict(link.execute("SELECT key, value FROM kv WHERE namespace = ?", (namespace,)))
            except sqlite3.OperationalError:  # not made yet
                return {}
