"""A private MySQL 9 or MariaDB: own data directory, loopback port and socket. Nothing of it outlives its folder."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pymysql
import pymysql.connections
from pymysql.constants import CLIENT

from .dialect_mysql import MysqlDialect
from .procs import CACHE, Process, free_port, wait_until
from .tls import Authority

PASSWORD = "canary-my-2b9e"  # of the users `cdc` and `denied`; must never be seen in anything that the engine writes

_server_ids = itertools.count(1000 + os.getpid() % 100_000 * 100)

_SETTINGS = {
    "bind-address": "127.0.0.1",
    "skip-name-resolve": "ON",
    "log-bin": "binlog",
    "binlog-format": "ROW",
    "binlog-row-image": "FULL",
    "binlog-row-metadata": "FULL",
    "sync-binlog": "0",  # kills of the engine, not of the machine, are under test
    "innodb-flush-log-at-trx-commit": "2",
    "innodb-buffer-pool-size": "64M",
    "max-connections": "200",
    "character-set-server": "utf8mb4",
}

_USERS = f"""\
SET sql_log_bin = 0;
CREATE USER cdc IDENTIFIED BY '{PASSWORD}';
GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO cdc;
CREATE USER denied IDENTIFIED BY '{PASSWORD}';
"""


class Link(pymysql.connections.Connection):
    """A connection that tells whether it is closed and may be closed twice, as psycopg2's. Not to be shared by threads:
    each takes its own."""

    @property
    def closed(self) -> bool:
        return not self.open

    def close(self) -> None:
        if self.open:
            super().close()


class MysqlFamily:
    """What MySQL and MariaDB have in common. `root` is a folder of its own; whoever made it removes it after stop()."""

    flavor: ClassVar[str]
    title: ClassVar[str]
    reload_tls: ClassVar[str]
    dialect = MysqlDialect()

    def __init__(self, root: Path, *, tls: bool = False, settings: dict[str, str] | None = None) -> None:
        self.root = root
        self.port = free_port()
        self.server_id = next(_server_ids)
        self.data = root / "data"
        self.socket = root / "s"
        self.settings = {**_SETTINGS, **self._own_settings(), "server-id": str(self.server_id), **(settings or {})}
        self.process: Process | None = None
        self.scratch = root / "tmp"  # its own: a server that starts clears away what others have in theirs
        self.scratch.mkdir(parents=True, exist_ok=True)
        if len(str(self.socket)) > 100:
            raise RuntimeError(f"{self.socket}: too long for the path of a socket")
        self._initialize()
        if tls:
            self._make_certificate()

    # what differs

    def _own_settings(self) -> dict[str, str]:
        raise NotImplementedError

    def _initialize(self) -> None:
        """Fills the data directory; `root` may then log in through the socket, without a password."""
        raise NotImplementedError

    def _program(self) -> list[str]:
        """The server's own command, without settings."""
        raise NotImplementedError

    def binlog_status(self) -> tuple[str, int]:
        """File and offset at which the next transaction will be written."""
        raise NotImplementedError

    def executed_gtids(self) -> str:
        """All transactions that this server has in its log, in its own form."""
        raise NotImplementedError

    def commit(self, link: Link) -> str:
        """Commits, and returns the GTID that the transaction got; "" when it changed nothing."""
        raise NotImplementedError

    def replicate_from(self, other: "MysqlFamily") -> None:
        """Becomes a replica of `other` from its first transaction on, by GTID. Both must run."""
        raise NotImplementedError

    def wait_replicated(self, other: "MysqlFamily", seconds: float = 30) -> None:
        """All that `other` has by now is here, too."""
        raise NotImplementedError

    def promote(self) -> None:
        """Stops replicating and takes writes."""
        raise NotImplementedError

    # life

    def _run(self, argv: list[str]) -> None:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120, cwd="/",
                              env={**os.environ, "TMPDIR": str(self.scratch)})
        if done.returncode != 0:
            raise RuntimeError(f"{self.title}: {Path(argv[0]).name} failed: {done.stdout[-2000:]}{done.stderr[-2000:]}")

    def _make_certificate(self) -> None:
        """One that names 127.0.0.1, for clients that verify whom they talk to. (MySQL's own does not.)"""
        self.authority = Authority(self.root / "tls")
        shown = self.authority.issue("server", "DNS:localhost,IP:127.0.0.1")
        self.settings.update({"ssl-ca": str(self.authority.ca), "ssl-cert": str(shown.crt), "ssl-key": str(shown.key)})

    def show_certificate_for(self, names: str) -> None:
        """Another one from now on, of the same authority."""
        self.authority.issue("server", names)
        self.execute(self.reload_tls)

    def configure(self, **more: str) -> None:
        """Settings that count from the next start. Names as in Python: binlog_row_image="MINIMAL"."""
        self.settings.update({name.replace("_", "-"): value for name, value in more.items()})

    def start(self) -> "MysqlFamily":
        settings = [f"--{name}={value}" for name, value in self.settings.items()]
        argv = [*self._program(), *_as_root(), f"--datadir={self.data}", f"--port={self.port}",
                f"--socket={self.socket}", f"--pid-file={self.root}/pid", f"--tmpdir={self.scratch}", *settings]
        self.process = Process(argv, self.root / f"{self.flavor}.log", cwd=Path("/"))
        wait_until(self._answers, 60, f"{self.title} on port {self.port}")
        if not self.query("SELECT 1 FROM mysql.user WHERE user = 'cdc'"):
            self.script(_USERS)
        return self

    def _answers(self) -> bool:
        if self.process is None or not self.process.alive():
            raise RuntimeError(f"{self.title} ended: {self.log()}")
        try:
            self.link().close()
        except pymysql.Error:
            return False
        return True

    def stop(self) -> None:
        if self.process is not None:
            self.process.stop(signal.SIGTERM, 60)
            self.process = None

    def kill(self) -> None:
        """kill -9: recovery at the next start."""
        if self.process is not None:
            self.process.kill()
            self.process = None

    def restart(self) -> "MysqlFamily":
        self.stop()
        return self.start()

    def log(self) -> str:
        return self.process.log_tail() if self.process else ""

    # access

    def dsn(self, database: str = "", *, user: str = "cdc", password: str = PASSWORD, port: int | None = None,
            options: str = "") -> str:
        return (f"mysql://{user}:{password}@127.0.0.1:{port or self.port}/{database}"
                f"{'?' + options if options else ''}")

    def link(self, database: str | None = None, *, autocommit: bool = True, **more: Any) -> Link:
        """A new connection of `root`, for one thread. Values come as the server's text, binary ones as bytes."""
        link = Link(unix_socket=str(self.socket), user="root", database=database, autocommit=autocommit,
                    charset="utf8mb4", connect_timeout=5, read_timeout=120, write_timeout=120,
                    conv=dict(pymysql.converters.encoders), **more)
        with link.cursor() as cursor:
            cursor.execute("SET time_zone = '+00:00'")
        return link

    @contextmanager
    def connect(self, database: str | None = None) -> Iterator[Link]:
        link = self.link(database)
        try:
            yield link
        finally:
            link.close()

    def execute(self, sql: str, database: str | None = None, args: tuple[Any, ...] | None = None) -> None:
        """One statement."""
        with self.connect(database) as link, link.cursor() as cursor:
            cursor.execute(sql, args)

    def query(self, sql: str, database: str | None = None, args: tuple[Any, ...] | None = None) -> list[tuple[Any, ...]]:
        with self.connect(database) as link, link.cursor() as cursor:
            cursor.execute(sql, args)
            return list(cursor.fetchall())

    def script(self, text: str, database: str | None = None) -> None:
        """Statements as a user types them: each commits by itself unless the script says BEGIN; DELIMITER works."""
        argv = ["mariadb", "--no-defaults", f"--socket={self.socket}", "-uroot", "--default-character-set=utf8mb4"]
        done = subprocess.run([*argv, *([database] if database else [])], input=text, capture_output=True, text=True,
                              timeout=120)
        if done.returncode != 0:
            raise AssertionError(f"{self.title}: {done.stderr}")

    def create_database(self, name: str) -> str:
        self.execute(f"CREATE DATABASE `{name}`")
        return name

    def drop_database(self, name: str) -> None:
        """Also ends whoever has it open: a lock of an abandoned transaction must not hold this up."""
        for (number,) in self.query("SELECT id FROM information_schema.processlist WHERE db = %s", args=(name,)):
            with self.connect() as link, link.cursor() as cursor:
                try:
                    cursor.execute(f"KILL {number}")
                except pymysql.Error:  # it ended by itself meanwhile
                    pass
        self.execute(f"DROP DATABASE `{name}`")

    def flush_logs(self) -> None:
        """Goes on in a new binlog file."""
        self.execute("FLUSH BINARY LOGS")


class Mysql(MysqlFamily):
    """MySQL 9 out of the cached chroot. It is started with that tree's own loader and libraries, so its data may lie
    anywhere. Its TLS certificates are in the data directory (`ca.pem`), made by itself; tls=True gives it ours."""

    flavor = "mysql"
    title = "MySQL 9"
    reload_tls = "ALTER INSTANCE RELOAD TLS"

    def _own_settings(self) -> dict[str, str]:
        return {"gtid-mode": "ON", "enforce-gtid-consistency": "ON", "mysqlx": "OFF", "secure-file-priv": "NULL",
                "innodb-redo-log-capacity": "128M"}

    def _program(self) -> list[str]:
        return tool("mysqld", "--no-defaults", f"--basedir={CHROOT}/usr", f"--plugin-dir={CHROOT}/usr/lib/mysql/plugin",
                    f"--lc-messages-dir={CHROOT}/usr/share/mysql",
                    f"--character-sets-dir={CHROOT}/usr/share/mysql/charsets")

    def _initialize(self) -> None:
        """./dev setup has made a data directory; a copy takes a tenth of the time."""
        if not (CHROOT / "initialized").is_dir():
            raise RuntimeError("MySQL is not in the cache: run ./dev setup")
        self._run(["cp", "-r", "--sparse=always", f"{CHROOT}/initialized", str(self.data)])

    def link(self, database: str | None = None, *, autocommit: bool = True, **more: Any) -> Link:
        link = super().link(database, autocommit=autocommit, client_flag=CLIENT.SESSION_TRACK, **more)
        with link.cursor() as cursor:
            cursor.execute("SET session_track_gtids = OWN_GTID")
        return link

    def binlog_status(self) -> tuple[str, int]:
        row = self.query("SHOW BINARY LOG STATUS")[0]
        return row[0], int(row[1])

    def executed_gtids(self) -> str:
        return self.query("SELECT @@GLOBAL.gtid_executed")[0][0].replace("\n", "")

    def commit(self, link: Link) -> str:
        with link.cursor() as cursor:
            cursor.execute("COMMIT")
            return tracked_gtid(cursor._result.server_status, cursor._result.message)  # pymysql has no other way

    def replicate_from(self, other: MysqlFamily) -> None:
        self.script(f"""CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = {other.port},
            SOURCE_USER = 'cdc', SOURCE_PASSWORD = '{PASSWORD}', SOURCE_AUTO_POSITION = 1, GET_SOURCE_PUBLIC_KEY = 1,
            SOURCE_CONNECT_RETRY = 1;
            START REPLICA;""")

    def wait_replicated(self, other: MysqlFamily, seconds: float = 30) -> None:
        wanted = other.executed_gtids()
        late = self.query("SELECT WAIT_FOR_EXECUTED_GTID_SET(%s, %s)", args=(wanted, seconds))[0][0]
        assert late == "0", f"{wanted} did not arrive within {seconds:g} s: {self.log()}"

    def promote(self) -> None:
        self.script("STOP REPLICA; RESET REPLICA ALL; SET GLOBAL read_only = 0;")


class Mariadb(MysqlFamily):
    """MariaDB of Debian."""

    flavor = "mariadb"
    title = "MariaDB"
    reload_tls = "FLUSH SSL"

    def _own_settings(self) -> dict[str, str]:
        return {"log-slave-updates": "ON", "gtid-strict-mode": "ON", "innodb-log-file-size": "64M"}

    def _program(self) -> list[str]:
        return ["/usr/sbin/mariadbd", "--no-defaults"]

    def _initialize(self) -> None:
        if not Path(self._program()[0]).exists():
            raise RuntimeError("MariaDB is not installed: run ./dev setup")
        self._run(["mariadb-install-db", "--no-defaults", *_as_root(), f"--datadir={self.data}", "--skip-test-db",
                   "--auth-root-authentication-method=normal", "--innodb-log-file-size=64M"])

    def binlog_status(self) -> tuple[str, int]:
        row = self.query("SHOW MASTER STATUS")[0]
        return row[0], int(row[1])

    def executed_gtids(self) -> str:
        """Of each domain the last one."""
        return self.query("SELECT @@GLOBAL.gtid_binlog_pos")[0][0]

    def commit(self, link: Link) -> str:
        with link.cursor() as cursor:
            cursor.execute("SELECT @@last_gtid")
            before = cursor.fetchone()
            cursor.execute("COMMIT")
            cursor.execute("SELECT @@last_gtid")
            after = cursor.fetchone()
        return "" if after == before else after[0]

    def replicate_from(self, other: MysqlFamily) -> None:
        self.script(f"""CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {other.port}, MASTER_USER = 'cdc',
            MASTER_PASSWORD = '{PASSWORD}', MASTER_USE_GTID = slave_pos, MASTER_CONNECT_RETRY = 1;
            START SLAVE;""")

    def wait_replicated(self, other: MysqlFamily, seconds: float = 30) -> None:
        wanted = other.executed_gtids()
        late = self.query("SELECT MASTER_GTID_WAIT(%s, %s)", args=(wanted, seconds))[0][0]
        assert late == "0", f"{wanted} did not arrive within {seconds:g} s: {self.log()}"

    def promote(self) -> None:
        self.script("STOP SLAVE; RESET SLAVE ALL; SET GLOBAL read_only = 0;")


SERVERS: dict[str, type[MysqlFamily]] = {"mysql": Mysql, "mariadb": Mariadb}

CHROOT = CACHE / "mysql"


def tool(name: str, *args: str) -> list[str]:
    """The command of one of MySQL's own programs (mysqld, mysqlbinlog) from the cache."""
    program = next((path for path in (CHROOT / "usr/sbin" / name, CHROOT / "usr/bin" / name) if path.exists()), None)
    if program is None:
        raise RuntimeError(f"MySQL's {name} is not in the cache: run ./dev setup")
    return [str(CHROOT / "usr/lib64/ld-linux-x86-64.so.2"), "--library-path", str(CHROOT / "usr/lib/x86_64-linux-gnu"),
            str(program), *args]


def _as_root() -> list[str]:
    """Both servers want to hear it."""
    return ["--user=root"] if os.geteuid() == 0 else []


def tracked_gtid(status: int, message: bytes) -> str:
    """The GTID in the session state of an OK packet (what follows its warnings), or ""."""
    session_state_changed, state_gtids = 0x4000, 3
    if not status & session_state_changed:
        return ""
    _, rest = _counted(message)  # the readable part
    states, _ = _counted(rest)
    while states:
        data, rest = _counted(states[1:])
        if states[0] == state_gtids:
            return _counted(data[1:])[0].decode()  # after the number of the encoding, of which there is one
        states = rest
    return ""


def _counted(data: bytes) -> tuple[bytes, bytes]:
    """A length-encoded string, and what follows it."""
    if not data:
        return b"", b""
    first, size = data[0], {0xFC: 2, 0xFD: 3, 0xFE: 8}.get(data[0], 0)
    length = int.from_bytes(data[1:1 + size], "little") if size else first
    start = 1 + size
    return data[start:start + length], data[start + length:]
