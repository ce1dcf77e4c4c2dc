"""How the engine connects to MySQL and MariaDB: what is encrypted, whom it trusts, and how it shows who it is.

All of it goes through a proxy that keeps every byte: what is on its tape could be read by anybody on the way."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from conftest import Servers, Workbench
from flow import Arrivals, assert_silent
from harness.engine import Engine, file_sink, mysql_source, pipeline
from harness.mysql import PASSWORD, MysqlFamily
from harness.oracle import check
from harness.procs import wait_until
from harness.readers import FileReader
from harness.tls import Authority, Certificate
from harness.workload import Writer

FLAVORS = ["mysql", "mariadb"]
ROW = "canary-row-51c7"
LONG = "canary-long-7e1d-@:/%?#&' \"ž" * 3
WRONG = "canary-wrong-my-88d2"
PUBLIC_KEY = b"BEGIN PUBLIC KEY"  # the server's, of which a client asks when it must send a password without TLS


class Link:
    """An engine that reads a table of one column, and what passes between it and the server."""

    def __init__(self, bench: Workbench, server: MysqlFamily, options: str = "", *, host: str = "127.0.0.1",
                 user: str = "cdc", password: str = PASSWORD) -> None:
        self.server, self.database = server, bench.database(server)
        server.execute("CREATE TABLE t (v varchar(20))", self.database)
        self.proxy = bench.proxy(server.port)
        self.proxy.record()
        dsn = server.dsn(user=user, password=quote(password, safe=""), port=self.proxy.port, options=options)
        self.source = mysql_source(dsn.replace("127.0.0.1", host), name=self.database, tables=[f"{self.database}.t"])
        self.reader = FileReader(bench.home / f"out-{self.database}")
        self.engine = bench.keep(Engine(bench.home / f"engine-{self.database}",
                                        pipeline(self.source, [file_sink(self.reader.path)]),
                                        env={"RUST_LOG": "debug"}))

    def streams(self) -> bytes:
        """It gets a row; returns all that passed since the proxy began, or began anew."""
        self.engine.kill()
        self.proxy.record()
        self.engine.start()
        self.server.execute("INSERT INTO t VALUES (%s)", self.database, (ROW,))
        wait_until(lambda: self.reader.drain(), 20, "the row")
        assert json.loads(self.reader.records[-1])["after"] == {"v": ROW}
        return self.passed()

    def passed(self) -> bytes:
        return self.proxy.tape.read_bytes()

    def refused(self) -> dict[str, Any]:
        return self.engine.start(ready=False).wait_status({"failed"}, 15)["error"]


def _readable(tape: bytes) -> bool:
    return ROW.encode() in tape


def _shows(tape: bytes, password: str) -> bool:
    return len(password) > 3 and password.encode() in tape


def _account(bench: Workbench, server: MysqlFamily, identified: str, password: str) -> str:
    user = f"u{abs(hash(bench.home)) % 10**9}"
    server.execute(f"CREATE USER {user} IDENTIFIED {identified}", args=(password,))
    server.execute(f"GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO {user}")
    return user


@pytest.mark.parametrize("flavor", FLAVORS)
@pytest.mark.parametrize("options, readable", [
    ("ssl-mode=DISABLED", True), ("", False), ("ssl-mode=PREFERRED", False), ("ssl_mode=required", False),
    ("ssl-mode=VERIFY_CA&ssl-ca={ca}", False), ("ssl-mode=verify-identity&ssl-ca={ca}", False)])
def test_ssl_mode(flavor: str, options: str, readable: bool, bench: Workbench, servers: Servers) -> None:
    server = servers(flavor, tls=True)
    link = Link(bench, server, options.format(ca=server.authority.ca))
    assert _readable(link.streams()) == readable
    if flavor == "mysql":
        assert server.query("""SELECT connection_type FROM performance_schema.threads
            JOIN performance_schema.session_connect_attrs USING (processlist_id)
            WHERE attr_name = 'program_name' AND attr_value = %s AND processlist_command LIKE 'Binlog Dump%%'""",
                            args=(f"deltaforge {link.database}",)) == [("TCP/IP" if readable else "SSL/TLS",)]


@pytest.mark.parametrize("flavor", FLAVORS)
def test_server_without_tls(flavor: str, bench: Workbench) -> None:
    """Rows go there in plain text when the dsn has not a word about TLS; what it asks for is never given up. Nobody reads
    the password either way."""
    server = bench.server(flavor, settings={"tls-version": ""} if flavor == "mysql" else {})
    ca = Authority(bench.home / "tls").ca
    for options in ("ssl-mode=REQUIRED", f"ssl-mode=VERIFY_CA&ssl-ca={ca}", f"ssl-mode=VERIFY_IDENTITY&ssl-ca={ca}",
                    f"ssl-ca={ca}"):
        link = Link(bench, server, options)
        error = link.refused()
        assert error["kind"] == "auth" and "the server does not support it" in error["message"], error
        assert "ssl-mode" in error["hint"]
        assert b"cdc" not in link.passed(), "the user logged in"
    for options in ("", "ssl-mode=PREFERRED"):
        tape = Link(bench, server, options).streams()
        assert _readable(tape) and PASSWORD.encode() not in tape


@pytest.mark.parametrize("flavor", FLAVORS)
def test_authority_is_checked(flavor: str, bench: Workbench, servers: Servers) -> None:
    server = servers(flavor, tls=True)
    stranger = Authority(bench.home / "tls").ca
    for options in (f"ssl-mode=VERIFY_CA&ssl-ca={stranger}", f"ssl-mode=VERIFY_IDENTITY&ssl-ca={stranger}",
                    f"ssl-ca={stranger}", "ssl-mode=VERIFY_CA", "ssl-mode=VERIFY_IDENTITY"):  # the machine's do not know it
        link = Link(bench, server, options)
        error = link.refused()
        assert error["kind"] == "auth" and "certificate" in error["message"] and "ssl-ca" in error["hint"], error
        assert b"cdc" not in link.passed()
    error = Link(bench, server, "ssl-mode=VERIFY_CA&ssl-ca=/nowhere.pem").refused()
    assert "No such file" in error["message"] and "ssl-ca" in error["hint"], error


@pytest.mark.parametrize("flavor", FLAVORS)
def test_identity_is_checked(flavor: str, bench: Workbench) -> None:
    """The name is that of the dsn, whatever it resolves to."""
    server = bench.server(flavor, tls=True)
    options = f"ssl-ca={server.authority.ca}&ssl-mode="
    server.show_certificate_for("DNS:elsewhere.test")
    for host in ("127.0.0.1", "localhost"):
        error = Link(bench, server, options + "VERIFY_IDENTITY", host=host).refused()
        assert error["kind"] == "auth" and "certificate" in error["message"] and host in error["message"], error
    assert not _readable(Link(bench, server, options + "VERIFY_CA").streams())
    server.show_certificate_for("DNS:localhost")
    assert not _readable(Link(bench, server, options + "VERIFY_IDENTITY", host="localhost").streams())
    assert "certificate" in Link(bench, server, options + "VERIFY_IDENTITY").refused()["message"]


@pytest.mark.parametrize("flavor", FLAVORS)
def test_client_certificate(flavor: str, bench: Workbench, servers: Servers) -> None:
    server = servers(flavor, tls=True)
    user = _account(bench, server, "BY %s REQUIRE X509", PASSWORD)

    def options(shown: Certificate) -> str:
        return f"ssl-mode=VERIFY_IDENTITY&ssl-ca={server.authority.ca}&ssl-cert={shown.crt}&ssl-key={shown.key}"
    assert not _readable(Link(bench, server, options(server.authority.issue("client")), user=user).streams())
    for without in ("ssl-mode=REQUIRED", "ssl-mode=DISABLED"):
        error = Link(bench, server, without, user=user).refused()
        assert error["kind"] == "auth" and "ssl-cert" in error["hint"], error
    foreign = Link(bench, server, options(Authority(bench.home / "tls").issue("client")), user=user)
    error = foreign.engine.start(ready=False).wait_status({"degraded"}, 15)["error"]
    assert "ssl-cert" in error["hint"], error  # TLS 1.3: the server just hangs up


@pytest.mark.parametrize("flavor", FLAVORS)
def test_busy_stream_over_tls(flavor: str, bench: Workbench, servers: Servers) -> None:
    """Records of TLS, packets and events end at different bytes; the engine is killed among them."""
    server = servers(flavor, tls=True)
    database = bench.database(server)
    Writer.create_tables(server, database)
    engine = bench.engine(server, database, [file_sink(bench.home / "out")], tables=server.dialect.tables(database),
                          dsn=server.dsn(options=f"ssl-mode=VERIFY_IDENTITY&ssl-ca={server.authority.ca}")).start()
    arrivals = Arrivals(FileReader(bench.home / "out"))
    writer = Writer(server, database, big=40_000).start()
    for count in (100, 200):
        wait_until(lambda: len(arrivals.look().xids) > count, 30, "some transactions")
        engine.kill()
        engine.start()
    book = writer.stop()
    arrivals.wait_for(book)
    assert engine.terminate() == 0
    assert check(arrivals.look().reader.records, book, server, database).assert_sound().duplicates == 0


@pytest.mark.parametrize("password", ["x", LONG, ""], ids=["short", "long", "none"])
def test_caching_sha2(password: str, bench: Workbench, servers: Servers) -> None:
    """Without TLS the password is encrypted with the server's key, but only when the server has forgotten the user."""
    server = servers("mysql", tls=True)
    user = _account(bench, server, "WITH caching_sha2_password BY %s", password)
    plain = Link(bench, server, "ssl-mode=DISABLED", user=user, password=password)
    for _ in range(2):
        server.execute("FLUSH PRIVILEGES")
        tape = plain.streams()
        assert (PUBLIC_KEY in tape) == (password != "")
        assert not _shows(tape, password)
        assert PUBLIC_KEY not in plain.streams(), "the server knows the user"
    server.execute("FLUSH PRIVILEGES")
    encrypted = Link(bench, server, "ssl-mode=REQUIRED", user=user, password=password)
    assert not _shows(encrypted.streams(), password)
    encrypted.streams()


def test_key_of_the_server(bench: Workbench, servers: Servers) -> None:
    """Who has it in a file does not take the one that somebody on the way may send."""
    server = servers("mysql", tls=True)
    user = _account(bench, server, "WITH caching_sha2_password BY %s", LONG)

    def link(key: Path) -> Link:
        server.execute("FLUSH PRIVILEGES")
        return Link(bench, server, f"ssl-mode=DISABLED&server-public-key-path={key}", user=user, password=LONG)
    assert PUBLIC_KEY not in link(server.data / "public_key.pem").streams()
    foreign, none = bench.home / "foreign.pem", bench.home / "none.pem"
    subprocess.run(["openssl", "x509", "-in", str(server.data / "ca.pem"), "-noout", "-pubkey", "-out", str(foreign)],
                   check=True)
    none.write_text("no key")
    for path, kind in ((foreign, "auth"), (none, "config"), (bench.home / "missing.pem", "config")):
        refused = link(path)
        error = refused.refused()
        assert error["kind"] == kind, error
        assert kind == "auth" or (str(path) in error["message"] and "server-public-key-path" in error["hint"]), error
        assert PUBLIC_KEY not in refused.passed()


@pytest.mark.parametrize("flavor, identified", [
    ("mysql", "WITH caching_sha2_password BY %s"), ("mysql", "WITH sha256_password BY %s"),
    ("mariadb", "VIA mysql_native_password USING PASSWORD(%s)"), ("mariadb", "VIA ed25519 USING PASSWORD(%s)")],
                         ids=["caching_sha2", "sha256", "native", "ed25519"])
@pytest.mark.parametrize("mode", ["DISABLED", "REQUIRED"])
def test_plugins(flavor: str, identified: str, mode: str, bench: Workbench, servers: Servers) -> None:
    server = servers(flavor, tls=True)
    if flavor == "mariadb":
        server.execute("INSTALL PLUGIN IF NOT EXISTS ed25519 SONAME 'auth_ed25519'")
    user = _account(bench, server, identified, LONG)
    link = Link(bench, server, f"ssl-mode={mode}", user=user, password=LONG)
    assert not _shows(link.streams(), LONG)
    assert_silent(link.engine, LONG)
    link = Link(bench, server, f"ssl-mode={mode}", user=user, password=WRONG)
    error = link.refused()
    assert error["kind"] == "auth" and f"Access denied for user '{user}'" in error["message"], error
    assert "check user and password" in error["hint"], error
    assert not _shows(link.passed(), WRONG)
    assert_silent(link.engine, WRONG, LONG)


@pytest.mark.parametrize("flavor", FLAVORS)
def test_unix_socket(flavor: str, bench: Workbench, servers: Servers) -> None:
    server = servers(flavor, tls=True)
    server.execute("FLUSH PRIVILEGES")
    assert Link(bench, server, f"socket={server.socket}").streams() == b""


@pytest.mark.parametrize("flavor", FLAVORS)
@pytest.mark.parametrize("mode", ["DISABLED", "REQUIRED"])
def test_another_reader_of_that_name(flavor: str, mode: str, bench: Workbench, servers: Servers) -> None:
    """The server says why it hangs up: two that took it for a lost link would push each other out for ever."""
    link = Link(bench, servers(flavor, tls=True), f"ssl-mode={mode}")
    link.streams()
    assert link.engine.process is not None
    link.engine.process.send(signal.SIGSTOP)
    second = bench.keep(Engine(bench.home / "second", pipeline(link.source, [file_sink(bench.home / "other")]))).start()
    time.sleep(0.5)  # the reason and the end of the link are there together
    link.engine.process.send(signal.SIGCONT)
    error = link.engine.wait_status({"failed"}, 20)["error"]
    assert error["kind"] == "fenced" and "server_id" in error["hint"], error
    second.wait_status({"running"}, 5)
