"""The positions in the engine's own store, read as an operator would: through the `kv` view."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path


def stored_lsn(database: Path, sink: str) -> str | None:
    """The stored position of one sink, or None before there is one."""
    if not database.exists():
        return None
    link = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=5)
    try:
        rows = link.execute("SELECT value FROM kv WHERE namespace = 'checkpoints' AND key LIKE ?",
                            (f"%::sink::{sink}",)).fetchall()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return None
        raise
    finally:
        link.close()
    return json.loads(rows[0][0])["lsn"] if rows else None
