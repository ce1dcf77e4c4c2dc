#!/usr/bin/python3
"""Makes seeds of what real servers send: every tests/cases/*.case and tests/fuzz/recorded/*.case runs against its
servers, the engine reads through a tap, and what it was told is cut into seeds.

    record.py FOLDER [name...]     FOLDER/<target>/<seed>; names pick cases

DF_BINARY is the engine. What is made is minimised into corpus/ by minimise.py.
"""

from __future__ import annotations

import hashlib
import os
import socket
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import seeds  # noqa: E402
from conftest import make_server, throw_away  # noqa: E402
from harness.cases import Case, read_case  # noqa: E402
from harness.engine import capture, file_sink  # noqa: E402
from harness.procs import REPO, Timeout, free_port, wait_until  # noqa: E402
from harness.readers import FileReader  # noqa: E402

# Nothing of the log is compressed twice, and no checksum makes the fuzzer's every change a refusal.
SETTINGS = {"binlog-checksum": "NONE"}


class Tap:
    """Passes connections through to a server, and keeps what the server says on each."""

    def __init__(self, upstream: int) -> None:
        self.upstream, self.port = upstream, free_port()
        self.replies: list[bytearray] = []
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.upstream))
            said = bytearray()
            self.replies.append(said)
            threading.Thread(target=self._pump, args=(client, server, None), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, said), daemon=True).start()

    @staticmethod
    def _pump(source: socket.socket, to: socket.socket, said: bytearray | None) -> None:
        try:
            while data := source.recv(1 << 16):
                if said is not None:
                    said += data
                to.sendall(data)
        except OSError:
            pass
        for end in (source, to):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self) -> None:
        self._listener.close()


def run_case(case: Case, run: int | str, server: Any, home: Path) -> list[bytes]:
    """What the server said, a text for each connection."""
    script, database = case.on(run), f"f_{case.name}"
    server.create_database(database)
    captured = case.captured(run, database)
    server.execute(f"CREATE TABLE {captured[-1]} (id int PRIMARY KEY)", database)
    server.script(script.setup, database)
    tap = Tap(server.port)
    plain = "sslmode=disable" if isinstance(run, int) else "ssl-mode=DISABLED"
    user = {} if isinstance(run, int) else {"user": "tap", "password": ""}
    engine = capture(server, home / "engine", database, [file_sink(home / "out")], tables=captured,
                     dsn=server.dsn(database, port=tap.port, options=plain, **user)).start()
    try:
        reader = FileReader(home / "out")
        server.script(script.sql, database)
        server.execute(f"INSERT INTO {captured[-1]} VALUES (1)", database)

        def ended() -> bool:
            reader.drain()
            return any(b'"table":"case_end"' in record for record in reader.records[-1:])
        try:
            wait_until(ended, 30, f"the end of {case.name}")
        except Timeout as late:
            raise Timeout(f"{late}; {engine.pipeline()['error']}") from None
    finally:
        engine.kill()
        tap.close()
        server.drop_database(database)
    return [bytes(said) for said in tap.replies]


def write(folder: Path, target: str, seed: bytes) -> None:
    (folder / target).mkdir(parents=True, exist_ok=True)
    (folder / target / hashlib.sha1(seed).hexdigest()[:16]).write_bytes(seed)


def main(folder: Path, names: list[str]) -> None:
    for target, seed in seeds.by_hand(REPO):
        write(folder, target, seed)
    cases = [read_case(path) for path in sorted((REPO / "tests/cases").rglob("*.case"))]
    cases += [read_case(path) for path in sorted((HERE / "recorded").glob("*.case"))]
    with tempfile.TemporaryDirectory(prefix="df-fuzz-", ignore_cleanup_errors=True) as root:
        os.chmod(root, 0o755)
        for run in (15, 18, "mysql", "mariadb"):
            if wanted := [case for case in cases if run in case.runs() and (not names or case.name in names)]:
                record(wanted, run, Path(root), folder)


def record(cases: list[Case], run: int | str, root: Path, folder: Path) -> None:
    options = {} if isinstance(run, int) else {"settings": SETTINGS}
    server = make_server(run, root / f"{run}", **options).start()
    try:
        if not isinstance(run, int):  # without a password the login needs no TLS
            server.execute("CREATE USER tap")
            server.execute("GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO tap")
        for case in cases:
            count = 0
            for said in run_case(case, run, server, root / f"{run}-{case.name}"):
                for target, seed in seeds.of_postgres(said) if isinstance(run, int) else seeds.of_mysql(said, run):
                    write(folder, target, seed)
                    count += 1
            print(f"{case.name} on {run}: {count} seeds", flush=True)
    finally:
        throw_away(server)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), sys.argv[2:])
