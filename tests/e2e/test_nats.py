"""What a NATS server does to a pipeline: streams that fill, vanish or are written by others, servers that end."""

from __future__ import annotations

import json
import re
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import Outlets, Servers, Workbench
from flow import Flow, matrix
from harness.engine import Engine, nats_sink, pipeline, postgres_source
from harness.nats import PROGRAMS, Nats, NatsReader
from harness.nkeys import NKey, Operator, credentials
from harness.oracle import parse
from harness.outlets import nats_outlet
from harness.procs import wait_until
from harness.tls import Authority
from test_plan import Plan, plan

pairs = matrix("which, kind", "15-nats mysql-nats-new", (15, "mysql", "mariadb"), tuple(PROGRAMS))


class Private:
    """Servers of one test, which it may end and fill."""

    def __init__(self, home: Path) -> None:
        self.home, self.servers = home, []

    def __call__(self, kind: str = "nats", **options: Any) -> Nats:
        self.servers.append(Nats(self.home / f"nats-{len(self.servers)}", kind, **options))
        return self.servers[-1].start()


@pytest.fixture
def private(home: Path) -> Iterator[Private]:
    """Its servers end after all engines."""
    made = Private(home)
    yield made
    for each in made.servers:
        each.stop()


def _table(bench: Workbench, server: Any) -> str:
    database = bench.database(server)
    server.execute("CREATE TABLE t (id int PRIMARY KEY, pad text)", database)
    return database


def _insert(server: Any, database: str, first: int, count: int, pad: str = "x") -> None:
    rows = ", ".join(f"({number}, '{pad}')" for number in range(first, first + count))
    server.execute(f"INSERT INTO t VALUES {rows}", database)


def _ids(reader: NatsReader) -> list[int]:
    reader.drain()
    return [parse(record)["after"]["id"] for record in reader.records]


def _arrive(reader: NatsReader, count: int, seconds: float = 60) -> None:
    wait_until(lambda: reader.held() >= count, seconds, f"{count} messages in {reader.stream}")


def _error(engine: Engine, pattern: str, seconds: float = 30) -> dict[str, Any]:
    """The error of a degraded pipeline once it says this."""
    def said() -> Any:
        error = (engine.get("/pipelines/p", missing=None) or {}).get("error") or {}
        return error if re.search(pattern, f"{error.get('message')} {error.get('hint')}") else None
    return wait_until(said, seconds, f"an error that says {pattern}")


@pairs
def test_each_event_once_after_kills(which: int | str, kind: str, bench: Workbench, servers: Servers,
                                     outlet: Outlets) -> None:
    """kill -9 while messages are under way: within the stream's window nothing shows twice, and all is in order."""
    flow = Flow.start(bench, servers(which), lambda name: outlet(kind, name))
    for pause in (0.3, 0.7, 0.2, 0.5):
        time.sleep(pause)
        flow.engine.kill()
        flow.engine.start(ready=False)
    verdict = flow.finish()
    assert verdict.duplicates == 0
    reader = flow.arrivals.reader
    assert isinstance(reader, NatsReader)
    for headers, record in zip(reader.headers, reader.records, strict=True):
        event = parse(record)
        assert headers["df-event-id"] == event["event_id"]
        assert headers["Nats-Msg-Id"].startswith(f"p.{kind}:acme|"), headers
        assert headers["Nats-Msg-Id"].endswith(event["event_id"]), headers
        assert headers["content-type"] == "application/json"


@pairs
def test_restart_in_the_middle(which: int | str, kind: str, bench: Workbench, servers: Servers, private: Private) -> None:
    nats = private(kind)
    flow = Flow.start(bench, servers(which), lambda name: nats_outlet(nats, name))
    for _ in range(3):
        time.sleep(0.7)
        nats.kill()
        time.sleep(0.3)
        nats.start()
    assert flow.finish().duplicates == 0


def test_stream_missing_then_made(bench: Workbench, servers: Servers, private: Private) -> None:
    pg, nats = servers(15), private()
    database = _table(bench, pg)
    sink = nats_sink(nats.url, "late.events", stream="LATE")
    engine = bench.engine(pg, database, [sink]).start(ready=False)
    _error(engine, "stream LATE.*not found.*nats stream add LATE --subjects 'late.events'")
    nats.create_stream("LATE", "late.>")
    engine.wait_status({"running"}, 30)
    _insert(pg, database, 0, 10)
    reader = NatsReader(nats, "LATE")
    _arrive(reader, 10)
    assert _ids(reader) == list(range(10))
    assert engine.terminate() == 0


@pytest.mark.parametrize("named", [True, False])
def test_stream_deleted_and_made_again(named: bool, bench: Workbench, servers: Servers, private: Private) -> None:
    """Without `stream`, too: what a stream once took never goes to core NATS."""
    pg, nats = servers(15), private()
    database = _table(bench, pg)
    nats.create_stream("ORDERS", "orders.>")
    sink = nats_sink(nats.url, "orders.events", **({"stream": "ORDERS"} if named else {}))
    engine = bench.engine(pg, database, [sink]).start()
    _insert(pg, database, 0, 10)
    _arrive(NatsReader(nats, "ORDERS"), 10)
    nats.delete_stream("ORDERS")
    _insert(pg, database, 10, 10)
    _error(engine, "stream ORDERS|captures|nobody takes it")
    time.sleep(2)
    nats.create_stream("ORDERS", "orders.>")
    reader = NatsReader(nats, "ORDERS")
    _arrive(reader, 10)
    assert _ids(reader) == list(range(10, 20))
    assert "at most once" not in engine.log_text()
    assert engine.terminate() == 0


def test_that_a_stream_took_the_events_is_remembered(bench: Workbench, servers: Servers, private: Private) -> None:
    """By `plan`, by the next process, by the sink that a PATCH makes anew, and after the positions were forgotten."""
    pg, nats = servers(15), private()
    database = _table(bench, pg)
    nats.create_stream("ORDERS", "orders")
    engine = bench.engine(pg, database, [nats_sink(nats.url, "orders")]).start()
    _insert(pg, database, 0, 10)
    _arrive(NatsReader(nats, "ORDERS"), 10)
    assert engine.terminate() == 0
    nats.delete_stream("ORDERS")
    plan(engine).refuses("captures 'orders' any more")
    engine.start(ready=False)
    _insert(pg, database, 10, 10)
    _error(engine, "captures")
    status, text = engine.request("PATCH", "/pipelines/p", {"spec": {"batch": {"max_events": 5}}})
    assert status == 200, text
    _error(engine, "captures")
    assert engine.request("POST", "/pipelines/p/stop")[0] == 200
    assert engine.request("DELETE", "/pipelines/p/checkpoint")[0] == 204
    assert engine.request("POST", "/pipelines/p/resume")[0] == 200
    _error(engine, "captures")
    nats.create_stream("ORDERS", "orders")
    reader = NatsReader(nats, "ORDERS")
    _insert(pg, database, 20, 10)
    wait_until(lambda: 29 in _ids(reader), 30, "the last row")
    assert _ids(reader)[-10:] == list(range(20, 30))
    assert "at most once" not in engine.log_text()
    assert engine.terminate() == 0


@pytest.mark.parametrize("kind", PROGRAMS)
def test_full_stream_waits_for_room(kind: str, bench: Workbench, servers: Servers, private: Private) -> None:
    pg, nats = servers(15), private(kind)
    database = _table(bench, pg)
    nats.create_stream("ORDERS", "orders", discard="new", max_msgs=25)
    engine = bench.engine(pg, database, [nats_sink(nats.url, "orders", stream="ORDERS")]).start()
    for first in range(0, 60, 10):
        _insert(pg, database, first, 10)
    error = _error(engine, "maximum messages exceeded")
    assert "discard" in error["message"] and "public.t" in error["message"], error
    time.sleep(1)
    reader = NatsReader(nats, "ORDERS")
    assert _ids(reader) == list(range(25))
    nats.update_stream("ORDERS", max_msgs=-1)
    _arrive(reader, 60)
    assert _ids(reader) == list(range(60))
    engine.wait_status({"running"}, 30)
    assert engine.terminate() == 0


def test_insufficient_resources_are_waited_for(bench: Workbench, servers: Servers, private: Private) -> None:
    pg = servers(15)
    nats = private(options='jetstream { store_dir: "store", max_file_store: 1MB }')
    database = _table(bench, pg)
    nats.create_stream("BALLAST", "ballast")
    nats.create_stream("ORDERS", "orders")
    with nats.client() as client:
        for _ in range(9):
            client.request("ballast", b"x" * 100_000)
    engine = bench.engine(pg, database, [nats_sink(nats.url, "orders", stream="ORDERS")]).start()
    for first in range(0, 200, 10):
        _insert(pg, database, first, 10, "x" * 1000)
    _error(engine, "insufficient|resource|exceeded")
    nats.delete_stream("BALLAST")
    reader = NatsReader(nats, "ORDERS")
    _arrive(reader, 200)
    assert _ids(reader) == list(range(200))
    assert engine.terminate() == 0


def test_second_writer_on_the_stream(bench: Workbench, servers: Servers, private: Private) -> None:
    pg, nats = servers(15), private()
    database = _table(bench, pg)
    nats.create_stream("ORDERS", "orders.>")
    engine = bench.engine(pg, database, [nats_sink(nats.url, "orders.events", stream="ORDERS")]).start()
    with nats.client() as client:
        for first in range(0, 400, 10):
            _insert(pg, database, first, 10)
            client.request("orders.foreign", b'{"after": {"id": -1}}')
    reader = NatsReader(nats, "ORDERS")
    _arrive(reader, 440)
    assert "another writer publishes to the stream" in engine.log_text()
    assert [number for number in _ids(reader) if number >= 0] == list(range(400))
    assert engine.terminate() == 0


def test_row_beyond_max_payload_blocks_until_it_is_raised(bench: Workbench, servers: Servers, private: Private) -> None:
    pg = servers(15)
    nats = private(options="max_payload: 20KB")
    database = _table(bench, pg)
    nats.create_stream("ORDERS", "orders")
    engine = bench.engine(pg, database, [nats_sink(nats.url, "orders", stream="ORDERS")]).start()
    _insert(pg, database, 0, 5)
    _insert(pg, database, 5, 1, "y" * 30_000)
    _insert(pg, database, 6, 5)
    error = _error(engine, "max_payload")
    assert re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-7", error["message"]) and "public.t" in error["message"], error
    reader = NatsReader(nats, "ORDERS")
    assert _ids(reader) == list(range(5))
    nats.kill()
    nats.options = "max_payload: 1MB"
    nats.start()
    _arrive(reader, 11)
    assert _ids(reader) == list(range(11))
    engine.wait_status({"running"}, 30)
    assert engine.terminate() == 0


def test_wrong_password(bench: Workbench, servers: Servers, private: Private) -> None:
    pg = servers(15)
    nats = private(options='authorization { user: app, password: "right" }', user="app", **{"pass": "right"})
    nats.create_stream("ORDERS", "orders")
    database = _table(bench, pg)

    def sink(password: str) -> dict[str, Any]:
        return nats_sink(nats.url, "orders", stream="ORDERS", username="app", password=password)
    engine = bench.engine(pg, database, [sink("canary-wrong")]).start(ready=False)
    error = engine.wait_status({"failed"}, 30)["error"]
    assert error["kind"] == "auth" and "Authorization Violation" in error["message"], error
    assert "canary-wrong" not in engine.log_text() + str(engine.pipeline())
    engine.kill()
    engine.configure(pipeline(postgres_source(pg.dsn(database), name=database), [sink("right")]))
    engine.start()
    _insert(pg, database, 0, 3)
    _arrive(NatsReader(nats, "ORDERS"), 3)
    assert engine.terminate() == 0


def _login(way: str, home: Path) -> tuple[dict[str, Any], dict[str, str], dict[str, str]]:
    """A server that knows a user and the login of our own client, fields of a sink that are right, and that are wrong."""
    def file(name: str, text: str) -> str:
        (home / name).write_text(text)
        return str(home / name)
    if way == "token":
        return {"options": 'authorization { token: "canary-t0ken" }', "auth_token": "canary-t0ken"}, \
            {"token": "canary-t0ken"}, {"token": "canary-wrong"}
    if way == "nkey":
        key, other = NKey("U", home), NKey("U", home)
        return {"options": f"authorization {{ users: [ {{ nkey: {key.public} }} ] }}", "nkey": key.public,
                "sign": key.sign}, {"nkey": file("right", f"{key.seed}\n")}, {"nkey": file("wrong", f"{other.seed}\n")}
    operator = Operator(home)
    key, jwt = operator.user()
    stranger = operator.user(NKey("A", home))
    return {"options": operator.options, "jwt": jwt, "sign": key.sign}, \
        {"credentials_file": file("right.creds", credentials(key, jwt))}, \
        {"credentials_file": file("wrong.creds", credentials(*stranger))}


@pytest.mark.parametrize("kind", PROGRAMS)
@pytest.mark.parametrize("way", ["token", "nkey", "credentials"])
def test_ways_to_log_in(way: str, kind: str, bench: Workbench, servers: Servers, private: Private) -> None:
    pg, (server, right, wrong) = servers(15), _login(way, bench.home)
    nats = private(kind, **server)
    nats.create_stream("ORDERS", "orders")
    database = _table(bench, pg)
    engine = bench.engine(pg, database, [nats_sink(nats.url, "orders", stream="ORDERS", **wrong)])
    refused = plan(engine).refuses("Authorization Violation")
    assert "canary" not in refused.text
    engine.configure(pipeline(postgres_source(pg.dsn(database), name=database),
                              [nats_sink(nats.url, "orders", stream="ORDERS", **right)]))
    engine.start()
    _insert(pg, database, 0, 3)
    _arrive(NatsReader(nats, "ORDERS"), 3)
    assert engine.terminate() == 0


def test_core_nats_is_said_to_be_at_most_once(bench: Workbench, servers: Servers, private: Private) -> None:
    pg, nats = servers(15), private(options="jetstream: disabled")
    database = _table(bench, pg)
    with nats.client() as client:
        client.subscribe("orders.>")
        engine = bench.engine(pg, database, [nats_sink(nats.url, "orders.${source.table}")]).start()
        _insert(pg, database, 0, 20)
        heard = [client.message() for _ in range(20)]
    assert [parse(body)["after"]["id"] for _, _, body, _ in heard] == list(range(20))
    assert {subject for subject, _, _, _ in heard} == {"orders.t"}
    assert all(headers["df-key"] for _, headers, _, _ in heard)
    assert engine.log_text().count("at most once") == 1
    assert engine.terminate() == 0


def test_tls(bench: Workbench, servers: Servers, private: Private) -> None:
    pg, authority = servers(15), Authority(bench.home / "authority")
    own = authority.issue("server", "DNS:localhost")
    nats = private(options=f'tls {{ cert_file: "{own.crt}", key_file: "{own.key}" }}',
                   tls=ssl.create_default_context(cafile=str(authority.ca)))
    nats.create_stream("ORDERS", "orders")
    database = _table(bench, pg)
    sink = nats_sink(f"tls://localhost:{nats.port}", "orders", stream="ORDERS", tls={"ca_file": str(authority.ca)})
    engine = bench.engine(pg, database, [sink]).start()
    _insert(pg, database, 0, 3)
    reader = NatsReader(nats, "ORDERS")
    _arrive(reader, 3)
    assert engine.terminate() == 0
    engine.configure(pipeline(postgres_source(pg.dsn(database), name=database), [
        nats_sink(f"tls://localhost:{nats.port}", "orders", stream="ORDERS")]))
    error = engine.start(ready=False).wait_status({"failed"}, 30)["error"]
    assert error["kind"] == "auth" and "certificate" in error["message"] and "tls.ca_file" in error["hint"], error


def test_client_certificates(bench: Workbench, servers: Servers, private: Private) -> None:
    """TLS 1.3 is set up before the server has looked at ours: it says no afterwards."""
    pg, authority = servers(15), Authority(bench.home / "authority")
    own, ours = authority.issue("server", "DNS:localhost"), authority.issue("client", "DNS:client")
    context = ssl.create_default_context(cafile=str(authority.ca))
    context.load_cert_chain(ours.crt, ours.key)
    nats = private(options=f'tls {{ cert_file: "{own.crt}", key_file: "{own.key}", ca_file: "{authority.ca}", '
                           "verify: true }", tls=context)
    nats.create_stream("ORDERS", "orders")
    database = _table(bench, pg)

    def sink(**more: str) -> dict[str, Any]:
        return nats_sink(f"nats://localhost:{nats.port}", "orders", stream="ORDERS", tls={"ca_file": str(authority.ca), **more})
    engine = bench.engine(pg, database, [sink()])
    plan(engine).refuses("opening TLS to NATS", "certificate", "tls.cert_file")
    engine.configure(pipeline(postgres_source(pg.dsn(database), name=database),
                              [sink(cert_file=str(ours.crt), key_file=str(ours.key))]))
    engine.start()
    _insert(pg, database, 0, 3)
    _arrive(NatsReader(nats, "ORDERS"), 3)
    assert engine.terminate() == 0


def test_two_sinks_share_a_stream(bench: Workbench, servers: Servers, private: Private) -> None:
    """`Nats-Msg-Id` begins with the sink's name: neither takes the other's events for its own."""
    pg, nats = servers(15), private()
    database = _table(bench, pg)
    nats.create_stream("BOTH", "both.>")
    sinks = [nats_sink(nats.url, f"both.{name}", stream="BOTH", id=name) for name in ("a", "b")]
    engine = bench.engine(pg, database, sinks).start()
    for first in range(0, 200, 20):
        _insert(pg, database, first, 20)
    reader = NatsReader(nats, "BOTH")
    _arrive(reader, 400)
    ids = _ids(reader)
    for name in ("a", "b"):
        assert [each for each, subject in zip(ids, reader.subjects) if subject == f"both.{name}"] == list(range(200))
    assert engine.terminate() == 0


def test_plan(bench: Workbench, servers: Servers, private: Private) -> None:
    pg, nats = servers(15), private()
    database = _table(bench, pg)

    def planned(subject: str, **more: Any) -> Plan:
        engine.configure(pipeline(postgres_source(pg.dsn(database), name=database),
                                  [nats_sink(nats.url, subject, **more)]))
        return plan(engine)
    engine = bench.engine(pg, database, [nats_sink(nats.url, "orders")])
    planned("orders", stream="ORDERS").refuses("stream not found", "ORDERS")
    assert "at most once" in planned("orders").starts().said("warning", "sink")
    nats.create_stream("ORDERS", "orders.>")
    assert "stream ORDERS: captures orders.>; last sequence 0" in planned("orders.x").starts().said("fact", "sink")
    planned("orders", stream="ORDERS").refuses("does not capture the subject orders")
    nats.kill()
    planned("orders").refuses(f"connecting to NATS at 127.0.0.1:{nats.port}")


def test_an_outbox_chooses_subject_key_headers_and_body(bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    """Routing of a processor wins over `subject` and `key`; the event beside it goes where they say."""
    pg = servers(15)
    database = bench.database(pg)
    pg.execute("CREATE TABLE t (id int PRIMARY KEY)", database)
    sink = outlet("nats", database)
    router = {"type": "outbox", "topic": f"{database}.${{aggregate_type}}.${{event_type}}", "raw_payload": True,
              "additional_headers": {"x-trace": "trace"}}
    engine = bench.engine(pg, database, [sink.config], processors=[router],
                          more_of_source={"outbox": {"prefixes": ["outbox"]}}).start()
    message = json.dumps({"id": "m-1", "aggregate_type": "Order", "aggregate_id": "7", "event_type": "made",
                          "payload": {"total": 1.5}, "trace": "a\r\nNats-Msg-Id: x"})
    pg.execute(f"INSERT INTO t VALUES (1); SELECT pg_logical_emit_message(true, 'outbox', $m${message}$m$)", database)
    reader = sink.reader()
    assert isinstance(reader, NatsReader)
    _arrive(reader, 2)
    reader.drain()
    assert reader.subjects == [database, f"{database}.Order.made"]
    assert json.loads(reader.records[1]) == {"total": 1.5}
    told = reader.headers[1]
    assert (told["df-key"], told["df-event-id"], told["content-type"]) == ("7", "m-1", "application/json")
    assert (told["df-aggregate-type"], told["x-trace"]) == ("Order", "a%0D%0ANats-Msg-Id: x")
    assert told["Nats-Msg-Id"].startswith("p.nats:acme|")
    assert engine.terminate() == 0
