"""The positions in the engine's own store, read as an operator would: through the `kv` view."""

from __future__ import annotations

import json
import sqlite3
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
