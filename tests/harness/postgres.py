"""A private PostgreSQL: own directory, loopback port and socket folder, run by an unprivileged user."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extensions

from .dialect_postgres import PostgresDialect
from .procs import CACHE, Process, free_port, wait_until

VERSIONS = (15, 18)
PASSWORD = "canary-pg-7f3a"  # of the role `cdc`; must never be seen in anything that the engine writes

_HBA = """\
local all all trust
local replication all trust
host all cdc,denied 127.0.0.1/32 scram-sha-256
host all all 127.0.0.1/32 trust
host replication all 127.0.0.1/32 trust
"""

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "wal_level": "logical",
    "max_replication_slots": "60",
    "max_wal_senders": "60",
    "max_connections": "120",
    "fsync": "off",  # kills of the engine, not of the machine, are under test
    "shared_buffers": "64MB",
    "max_wal_size": "2GB",
    "log_min_messages": "warning",
    "password_encryption": "scram-sha-256",
}


def installation(version: int) -> Path:
    """The folder that holds bin/. Raises with the remedy when the version is not there."""
    path = Path("/usr/lib/postgresql/15") if version == 15 else CACHE / "postgres18"
    if not (path / "bin" / "postgres").exists():
        raise RuntimeError(f"PostgreSQL {version} is not installed: run ./dev setup")
    return path


def _unprivileged() -> list[str]:
    """postgres refuses to run as root."""
    if os.geteuid() != 0:
        return []
    user = pwd.getpwnam("postgres")
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--pdeathsig", "KILL"]


class Postgres:
    dialect = PostgresDialect()

    def __init__(self, version: int, root: Path, *, tls: bool = False, settings: dict[str, str] | None = None) -> None:
        self.version = version
        self.root = root
        self.port = free_port()
        self.settings = {**_SETTINGS, **(settings or {})}
        self.home = self._reachable(installation(version))
        self.data = root / "data"
        self.socket_dir = root / "s"
        self.process: Process | None = None
        self._init(tls)

    def _reachable(self, home: Path) -> Path:
        """The cache may lie in /root, which the unprivileged user cannot enter: link it into our own folder."""
        self.root.mkdir(parents=True, exist_ok=True)
        if home.is_relative_to("/usr") or os.geteuid() != 0:
            return home
        copy = self.root / "pg"
        link = subprocess.run(["cp", "-al", str(home), str(copy)], capture_output=True)
        if link.returncode != 0:  # another file system
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(home, copy, symlinks=True)
        return copy

    def _init(self, tls: bool) -> None:
        self.data.mkdir()
        self.socket_dir.mkdir()
        if os.geteuid() == 0:
            for folder in (self.root, self.data, self.socket_dir):
                shutil.chown(folder, "postgres", "postgres")
        self._run("initdb", "-D", str(self.data), "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8",
                  "--locale=C.UTF-8")
        if tls:
            self._make_certificate()
            self.settings.update(ssl="on", ssl_cert_file="server.crt", ssl_key_file="server.key")
        (self.data / "pg_hba.conf").write_text(_HBA)
        self.configure()

    def configure(self, **more: str) -> None:
        """Writes the settings; they count from the next start or reload."""
        self.settings.update(more)
        lines = [f"{name} = '{value}'" for name, value in self.settings.items()]
        lines += [f"port = {self.port}", f"unix_socket_directories = '{self.socket_dir}'"]
        (self.data / "postgresql.auto.conf").write_text("\n".join(lines) + "\n")

    def _make_certificate(self) -> None:
        key, crt = self.data / "server.key", self.data / "server.crt"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj",
                        "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", str(key),
                        "-out", str(crt)], check=True, capture_output=True)
        key.chmod(0o600)
        if os.geteuid() == 0:
            shutil.chown(key, "postgres", "postgres")
            shutil.chown(crt, "postgres", "postgres")
        self.ca_file = self.root / "ca.crt"
        shutil.copy(crt, self.ca_file)
        self.ca_file.chmod(0o644)

    def _run(self, program: str, *args: str) -> None:
        done = subprocess.run([*_unprivileged(), str(self.home / "bin" / program), *args], capture_output=True,
                              text=True, timeout=120, cwd="/")
        if done.returncode != 0:
            raise RuntimeError(f"{program} failed: {done.stdout}{done.stderr}")

    # life

    def start(self) -> "Postgres":
        argv = [*_unprivileged(), str(self.home / "bin" / "postgres"), "-D", str(self.data)]
        self.process = Process(argv, self.root / "postgres.log", cwd=Path("/"))
        wait_until(self._answers, 60, f"PostgreSQL {self.version} on port {self.port}")
        first = self.query("SELECT count(*) FROM pg_roles WHERE rolname = 'cdc'")[0][0] == 0
        if first:
            self.execute(f"CREATE ROLE cdc LOGIN REPLICATION SUPERUSER PASSWORD '{PASSWORD}'")
            self.execute(f"CREATE ROLE denied LOGIN PASSWORD '{PASSWORD}'")
        return self

    def _answers(self) -> bool:
        if self.process is None or not self.process.alive():
            raise RuntimeError(f"PostgreSQL {self.version} ended: {self.log()}")
        try:
            psycopg2.connect(self.dsn(), connect_timeout=3).close()
        except psycopg2.OperationalError:
            return False
        return True

    def stop(self, mode: str = "fast") -> None:
        if self.process is None:
            return
        signals = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}
        self.process.stop(signals[mode], 30)
        self.process = None

    def crash(self) -> None:
        """Immediate shutdown: recovery at the next start. (kill -9 would leave backends behind.)"""
        self.stop("immediate")

    def reload(self) -> None:
        assert self.process is not None
        self.process.send(signal.SIGHUP)

    def log(self) -> str:
        return self.process.log_tail() if self.process else ""

    # access

    def dsn(self, database: str = "postgres", *, user: str = "postgres", password: str = "", port: int | None = None,
            options: str = "") -> str:
        secret = f":{password}" if password else ""
        return f"postgresql://{user}{secret}@127.0.0.1:{port or self.port}/{database}{'?' + options if options else ''}"

    def socket_dsn(self, database: str = "postgres") -> str:
        return f"host={self.socket_dir} port={self.port} user=postgres dbname={database}"

    @contextmanager
    def connect(self, database: str = "postgres") -> Iterator[psycopg2.extensions.connection]:
        link = psycopg2.connect(self.socket_dsn(database))
        link.autocommit = True
        try:
            yield link
        finally:
            link.close()

    def execute(self, sql: str, database: str = "postgres") -> None:
        with self.connect(database) as link, link.cursor() as cursor:
            cursor.execute(sql)

    def query(self, sql: str, database: str = "postgres", args: tuple[Any, ...] | None = None) -> list[tuple[Any, ...]]:
        with self.connect(database) as link, link.cursor() as cursor:
            cursor.execute(sql, args)
            return cursor.fetchall()

    def script(self, script: str, database: str) -> None:
        """Statements as a user types them: each commits by itself unless the script says BEGIN."""
        done = subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", self.socket_dsn(database), "-f", "-"],
                              input=script, capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            raise AssertionError(f"psql: {done.stderr}")

    def create_database(self, name: str) -> str:
        self.execute(f'CREATE DATABASE "{name}"')
        return name

    def drop_database(self, name: str) -> None:
        """With its slots, and whoever still uses it."""
        self.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
                     f"'{name}' AND pid <> pg_backend_pid()")
        for (slot,) in self.query("SELECT slot_name FROM pg_replication_slots WHERE database = %s", args=(name,)):
            self.wait_slot_free(slot, 10)
            self.execute(f"SELECT pg_drop_replication_slot('{slot}')")
        self.execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    # slots

    def slot(self, name: str) -> dict[str, Any] | None:
        rows = self.query("SELECT slot_name, active, restart_lsn::text, confirmed_flush_lsn::text, wal_status "
                          "FROM pg_replication_slots WHERE slot_name = %s", args=(name,))
        keys = ("slot_name", "active", "restart_lsn", "confirmed_flush_lsn", "wal_status")
        return dict(zip(keys, rows[0])) if rows else None

    def wait_slot_free(self, name: str, seconds: float = 30) -> None:
        """A killed reader's walsender may hold the slot for a moment."""
        def free() -> bool:
            slot = self.slot(name)
            return slot is None or not slot["active"]
        wait_until(free, seconds, f"slot {name} to become free")


def lsn(text: str) -> int:
    high, low = text.split("/")
    return (int(high, 16) << 32) | int(low, 16)
