"""Who may use the API, and how much of it one caller can take. No database: the listener alone."""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness.engine import BINARY
from harness.procs import Process, free_port, wait_until
from harness.tls import Authority

ADMIN, NEXT, READER = "admin-0123456789abcdef", "next-0123456789abcdef", "read-0123456789abcdef"
PROBES = ("/livez", "/health", "/ready", "/metrics")
ROUTES = (("GET", "/pipelines"), ("GET", "/pipelines/p"), ("HEAD", "/pipelines"), ("POST", "/pipelines"),
          ("PATCH", "/pipelines/p"), ("DELETE", "/pipelines/p"), ("POST", "/pipelines/p/pause"),
          ("POST", "/pipelines/p/resume"), ("POST", "/pipelines/p/stop"), ("POST", "/validate"), ("GET", "/none"))

Answer = tuple[int, str]


@dataclass
class Api:
    process: Process
    port: int
    metrics: int
    tls: ssl.SSLContext | None = None
    last_headers: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, token: str = "", *, body: bytes | None = None, port: int = 0,
            **headers: str) -> Answer:
        host = ("localhost", port or self.port)
        line: http.client.HTTPConnection
        line = (http.client.HTTPSConnection(*host, timeout=10, context=self.tls) if self.tls and not port else
                http.client.HTTPConnection("127.0.0.1", host[1], timeout=10))
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            line.request(method, path, body, headers)
            answer = line.getresponse()
            self.last_headers = dict(answer.getheaders())
            return answer.status, answer.read().decode()
        finally:
            line.close()

    def say(self, raw: bytes) -> bytes:
        """Everything that the server answers to these bytes, until it closes the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as line:
            line.sendall(raw)
            return b"".join(iter(lambda: line.recv(65536), b""))


Serve = Callable[..., Api]


def command(*options: str, host: str = "127.0.0.1", port: int = 0, metrics: int = 0) -> list[str]:
    return [str(BINARY), "run", "--storage-backend", "memory", "--api-addr", f"{host}:{port or free_port()}",
            "--metrics-addr", f"127.0.0.1:{metrics or free_port()}", *options]


@pytest.fixture
def serve(home: Path) -> Iterator[Serve]:
    running: list[Process] = []

    def start(*options: str, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None, **env: str) -> Api:
        port, metrics = free_port(), free_port()
        process = Process(command(*options, host=host, port=port, metrics=metrics), home / f"log{len(running)}",
                          cwd=home, env={**os.environ, **env})
        running.append(process)
        api = Api(process, port, metrics, tls)

        def lives() -> bool:
            assert process.alive(), process.log_tail()
            try:
                return api.ask("GET", "/livez")[0] == 200
            except OSError:
                return False
        wait_until(lives, 20, "the API")
        return api
    yield start
    for each in running:
        each.stop()


def secret(path: Path, *lines: str) -> str:
    path.write_text("\n".join(lines) + "\n")
    path.chmod(0o600)
    return str(path)


@pytest.fixture
def protected(serve: Serve, home: Path) -> Api:
    return serve("--api-token-file", secret(home / "tokens", ADMIN, NEXT),
                 "--api-read-token-file", secret(home / "readers", READER))


def refused_start(*options: str, **env: str) -> str:
    """What it says instead of starting."""
    done = subprocess.run(command(*options), capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL,
                          env={**os.environ, **env})
    assert done.returncode == 1, done.stderr
    assert '"message":"listening"' not in done.stderr
    return done.stderr


def test_every_route_needs_a_token(protected: Api) -> None:
    for probe in PROBES:
        assert protected.ask("GET", probe)[0] == 200, probe
    wrong = (("", ""), ("wrong-0123456789abcdef", ""), (ADMIN[:-1], ""), (ADMIN + "x", ""), ("", f"?token={ADMIN}"),
             ("", f"?access_token={ADMIN}"))
    for method, path in ROUTES:
        answers = {protected.ask(method, path + query, token) for token, query in wrong}
        assert len(answers) == 1, f"{method} {path}: one answer, whatever is wrong: {answers}"
        status, body = answers.pop()
        assert status == 401 and protected.last_headers["WWW-Authenticate"] == "Bearer"
        assert method == "HEAD" or json.loads(body)["code"] == "TOKEN_REQUIRED"
    assert protected.ask("GET", "/pipelines", Authorization=f"Basic {ADMIN}")[0] == 401
    log = protected.process.log.read_text()
    assert not any(token in log for token in (ADMIN, NEXT, READER)), log


def test_readers_change_nothing(protected: Api) -> None:
    for method, path in ROUTES:
        status, body = protected.ask(method, path, READER)
        if method in ("GET", "HEAD") or path == "/validate":
            assert status not in (401, 403), f"{method} {path}: {status}"
        else:
            assert status == 403 and json.loads(body)["code"] == "FORBIDDEN", f"{method} {path}: {status} {body}"
        assert protected.ask(method, path, ADMIN)[0] not in (401, 403)


def test_what_changes_something_is_logged(protected: Api) -> None:
    protected.ask("POST", "/pipelines/p/pause", READER)
    protected.ask("GET", "/pipelines", ADMIN)
    protected.ask("POST", "/pipelines/p/pause", ADMIN, body=b"canary-of-a-body")

    def lines() -> list[dict[str, object]]:
        every = [json.loads(line) for line in protected.process.log.read_text().splitlines()]
        return [line for line in every if line["message"] == "api"]
    wait_until(lines, 5, "the line")
    assert [{**line, "ts": ""} for line in lines()] == [
        {"ts": "", "level": "info", "message": "api", "method": "POST", "path": "/pipelines/p/pause", "status": 404,
         "role": "admin", "peer": "127.0.0.1"}]
    assert "canary" not in protected.process.log.read_text()


def test_tokens_are_replaced_without_a_gap(serve: Serve, home: Path) -> None:
    def accepted(*lines: str) -> list[int]:
        api = serve("--api-token-file", secret(home / "tokens", *lines))
        return [api.ask("GET", "/pipelines", token)[0] for token in (ADMIN, NEXT)]
    assert accepted(ADMIN) == [200, 401]
    assert accepted(ADMIN, NEXT) == [200, 200]
    assert accepted(NEXT) == [401, 200]


def test_tokens_from_the_environment(serve: Serve, home: Path) -> None:
    api = serve(DELTAFORGE_API_TOKEN=ADMIN, DELTAFORGE_API_READ_TOKEN=READER)
    assert [api.ask("DELETE", "/pipelines", token)[0] for token in ("", READER, ADMIN)] == [401, 403, 405]
    document = home / "pipe.yaml"
    document.write_text("metadata: {name: p, tenant: t}\nspec:\n  source:\n    type: postgres\n    config: {id: a, "
                        "dsn: 'postgresql://h/${DELTAFORGE_API_TOKEN}', slot: s, publication: p}\n"
                        "  sinks: [{type: blackhole, config: {}}]\n")
    refusal = refused_start("--config", str(document), DELTAFORGE_API_TOKEN=ADMIN)
    assert "DELTAFORGE_API_TOKEN" in refusal and ADMIN not in refusal, "a document does not see it"


def test_unusable_files_are_named(home: Path) -> None:
    open_to_all = home / "open"
    open_to_all.write_text(ADMIN)
    open_to_all.chmod(0o644)
    assert f"chmod 600 {open_to_all}" in refused_start("--api-token-file", str(open_to_all))
    assert "--api-read-token-file" in refused_start("--api-read-token-file", str(home / "none"))
    assert "too short" in refused_start("--api-token-file", secret(home / "short", "only-15-bytes.."))
    assert "holds no token" in refused_start("--api-token-file", secret(home / "empty"))
    assert "too short" in refused_start(DELTAFORGE_API_TOKEN="x")
    authority = Authority(home / "authority")
    one, two = authority.issue("one"), authority.issue("two")
    assert "does not belong" in refused_start("--api-tls-cert", str(one.crt), "--api-tls-key", str(two.key))
    assert "--api-tls-cert" in refused_start("--api-tls-cert", str(home / "none"), "--api-tls-key", str(two.key))
    usage = subprocess.run(command("--api-tls-cert", str(one.crt)), capture_output=True, text=True, timeout=20)
    assert usage.returncode == 2 and "--api-tls-key" in usage.stderr


def test_reachable_without_a_token(serve: Serve) -> None:
    """127.1 is loopback for the kernel, but not one of the addresses that count as loopback here."""
    api = serve(host="127.1")
    assert [api.ask("GET", path)[0] for path in (*PROBES, "/pipelines")] == [200, 200, 200, 200, 401]
    assert "--api-token-file" in api.ask("GET", "/pipelines")[1]
    api = serve("--insecure-listen", host="127.1")
    assert api.ask("GET", "/pipelines", Host="api.example")[0] == 200


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the old versions of TLS
def test_tls(serve: Serve, home: Path) -> None:
    authority = Authority(home / "authority")
    pair = authority.issue("api", "DNS:localhost,IP:127.0.0.1")
    trusting = ssl.create_default_context(cafile=str(authority.ca))
    api = serve("--api-tls-cert", str(pair.crt), "--api-tls-key", str(pair.key), tls=trusting)
    assert api.ask("GET", "/pipelines") == (200, "[]")
    assert api.ask("POST", "/pipelines/p/pause", body=b"x" * 1_000_000)[0] == 404
    assert api.ask("GET", "/metrics", port=api.metrics)[0] == 200, "the metrics listener stays plain"

    def version(only: ssl.TLSVersion) -> str | None:
        context = ssl.create_default_context(cafile=str(authority.ca))
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = only
        with socket.create_connection(("127.0.0.1", api.port), timeout=5) as line:
            with context.wrap_socket(line, server_hostname="localhost") as secure:
                return secure.version()
    assert version(ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    assert version(ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
    for old in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        with pytest.raises((ssl.SSLError, ConnectionError)) as refusal:
            version(old)
        said = str(refusal.value).lower()
        assert any(word in said for word in ("closed", "eof", "alert", "reset")), f"our own side refused: {said}"
    assert b"HTTP/1.1 200" not in api.say(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")


def test_pages_of_other_sites(serve: Serve) -> None:
    api = serve()

    def code(path: str = "/pipelines", **headers: str) -> str | int:
        status, body = api.ask("GET", path, **headers)
        return status if status == 200 else json.loads(body)["code"]
    for near in (f"localhost:{api.port}", "127.0.0.1", "[::1]:8080"):
        assert code(Host=near) == 200, near
        assert code(Host=near, Origin=f"http://{near}") == 200, near
    for far in ("attacker.example", f"attacker.example:{api.port}", "10.0.0.1"):
        assert code(Host=far) == "HOST_NOT_ALLOWED", far
    for origin in ("http://attacker.example", "null", "http://localhost:1"):
        assert code(Host=f"localhost:{api.port}", Origin=origin) == "CROSS_SITE", origin
    for probe in PROBES:
        assert code(probe, Host="scraper.example", Origin="http://scraper.example") == 200, probe
    assert not any(name.lower().startswith("access-control") for name in api.last_headers)
    assert api.last_headers["Cache-Control"] == "no-store" and api.last_headers["X-Content-Type-Options"] == "nosniff"


def test_malformed_requests(serve: Serve) -> None:
    api = serve()
    for path in ("/pipelines/p%00x", "/pipelines/p%0a", "/%7f"):
        status, body = api.ask("GET", path)
        assert status == 400 and json.loads(body)["code"] == "BAD_REQUEST", path
    head = b"POST /pipelines HTTP/1.1\r\nHost: localhost\r\n"
    for raw in (head + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
                head + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /pipelines HTTP/1.1\r\n\r\n"):
        answer = api.say(raw)
        assert answer.startswith(b"HTTP/1.1 400 ") and answer.count(b"HTTP/1.1") == 1, answer
    assert api.say(head + b"X: " + b"x" * 20_000 + b"\r\n\r\n").startswith(b"HTTP/1.1 431 ")


def test_bodies_have_a_limit(serve: Serve) -> None:
    api = serve()
    assert api.ask("POST", "/none", body=b"x" * 1024 * 1024)[0] == 404
    for size in (1024 * 1024 + 1, 4_000_000):
        status, body = api.ask("POST", "/none", body=b"x" * size)
        assert status == 413 and json.loads(body)["code"] == "BODY_TOO_LARGE"
    announced = api.say(b"POST /none HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n")
    assert announced.startswith(b"HTTP/1.1 413 ") and b'"BODY_TOO_LARGE"' in announced
    with pytest.raises(OSError):
        api.say(b"POST /none HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" +
                b"100000\r\n" + b"x" * 0x100000 + b"\r\n" + (b"100000\r\n" + b"x" * 0x100000 + b"\r\n") * 60)
    assert api.ask("GET", "/livez")[0] == 200


def test_slow_peers_delay_nobody_and_are_ended(serve: Serve) -> None:
    """150 that drip their head, 50 that drip a body. The heads end after 5 s; for bodies (30 s) see SlowPeer's tests."""
    api = serve()
    begin = time.monotonic()
    lines = [socket.create_connection(("127.0.0.1", api.port), timeout=10) for _ in range(200)]
    heads, bodies = lines[:150], lines[150:]
    for line in heads:
        line.sendall(b"GET /livez HTTP/1.1\r\nX: ")
    for line in bodies:
        line.sendall(b"POST /none HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n")
    slowest = 0.0
    while time.monotonic() - begin < 4:
        for line in lines:
            line.sendall(b"x")
        asked = time.monotonic()
        assert api.ask("GET", "/health")[0] == 200
        slowest = max(slowest, time.monotonic() - asked)
        time.sleep(0.5)
    assert slowest < 1
    for line in heads:
        answer = line.recv(4096)
        assert answer.startswith(b"HTTP/1.1 408 ") and b'"REQUEST_TIMEOUT"' in answer, answer
        assert line.recv(4096) == b""
    assert 4 < time.monotonic() - begin < 9
    for line in bodies:
        line.sendall(b"x")
    for line in lines:
        line.close()
