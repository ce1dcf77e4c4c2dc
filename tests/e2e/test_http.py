"""The HTTP sink through the front door: real databases, and a receiver that answers as it is told."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from conftest import Servers, Workbench
from flow import SERVERS, assert_silent, place_in_log
from harness.engine import Engine, http_sink
from harness.mysql import MysqlFamily
from harness.oracle import check
from harness.procs import cpu_seconds, wait_until
from harness.tls import Authority
from harness.webhook import Request, Webhook
from harness.workload import Writer, single_row

PATH = "/events"


@pytest.fixture
def hook(bench: Workbench) -> Iterator[Webhook]:
    receiver = Webhook(bench.home / "hook")
    yield receiver.start()
    receiver.stop()


def capture(bench: Workbench, server: Any, hook: Webhook, table: str = "id int PRIMARY KEY, note text",
            **more: Any) -> tuple[str, Engine]:
    """A database with the table `t`, and an engine that posts its changes."""
    database = bench.database(server)
    server.execute(f"CREATE TABLE t ({table})", database)
    sink = http_sink(more.pop("url", hook.url + PATH), **more)
    return database, bench.engine(server, database, [sink], tables=[f"{owner(server, database)}.t"])


def owner(server: Any, database: str) -> str:
    return database if isinstance(server, MysqlFamily) else "public"


def insert(server: Any, database: str, first: int, count: int, note: str = "x") -> None:
    rows = ", ".join(f"({number}, '{note}')" for number in range(first, first + count))
    server.execute(f"INSERT INTO t VALUES {rows}", database)


def taken(hook: Webhook) -> list[Request]:
    return [each for each in hook.requests(PATH) if 200 <= each.status < 300]


def ids(hook: Webhook) -> list[int]:
    return [event["after"]["id"] for request in taken(hook) for event in request.events()]


def arrive(hook: Webhook, count: int, seconds: float = 30) -> None:
    wait_until(lambda: len(set(ids(hook))) >= count, seconds, f"{count} rows")


def overlaps(requests: list[Request]) -> list[str]:
    """Keys of which two requests were under way at once."""
    ended: dict[str, float] = {}
    found = []
    for request in sorted(requests, key=lambda each: each.begin):
        key = request.headers["df-key"]
        if request.begin < ended.get(key, 0):
            found.append(key)
        ended[key] = request.end
    return found


@pytest.mark.parametrize("which", SERVERS)
def test_a_thousand_keys_at_twenty_milliseconds(which: int | str, bench: Workbench, servers: Servers, hook: Webhook) -> None:
    server = servers(which)
    database, engine = capture(bench, server, hook)
    engine.start()
    insert(server, database, 100_000, 1)
    arrive(hook, 1)
    hook.rules({"path": PATH, "delay": 0.02})
    started = time.monotonic()
    insert(server, database, 0, 1000)
    arrive(hook, 1001)
    requests = taken(hook)[1:]
    assert max(each.end for each in requests) - started < 2.0
    assert len(requests) == 1000 and not overlaps(requests)


@pytest.mark.parametrize("which", SERVERS)
def test_each_key_in_its_order(which: int | str, bench: Workbench, servers: Servers, hook: Webhook) -> None:
    """The usual load, with the keys of its rows, while the receiver fails at random moments."""
    server = servers(which)
    database = bench.database(server)
    Writer.create_tables(server, database)
    engine = bench.engine(server, database, [http_sink(hook.url + PATH + "/${source.table}")],
                          tables=server.dialect.tables(database)).start()
    writer = Writer(server, database, rate=60, sizes=single_row).start()
    for status in (503, 500, 429, 408):
        time.sleep(0.5)
        hook.rules({"path": PATH, "status": status, "times": 5})
    hook.kill()
    time.sleep(1)
    hook.start()
    time.sleep(1)
    book = writer.stop()
    expected = sum(len(each.changes) for each in book.transactions())
    seen: set[str] = set()

    def all_there() -> bool:
        seen.update(each.headers["df-event-id"] for each in taken(hook))
        return len(seen) >= expected
    wait_until(all_there, 60, "all events", every=0.3)
    assert engine.terminate() == 0
    assert len(seen) == expected
    versions: dict[tuple[str, str], int] = {}
    done: set[str] = set()
    for request in taken(hook):
        event = request.events()[0]
        if request.headers["df-event-id"] in done or event["source"]["table"] == "t_nopk":
            continue
        done.add(request.headers["df-event-id"])
        image = event["after"] or event["before"]
        key = (event["source"]["table"], request.headers["df-key"])
        if event["op"] != "d":
            assert image["version"] > versions.get(key, 0), f"{key}: {image['version']} after {versions[key]}"
            versions[key] = image["version"]
    assert not overlaps([each for each in hook.requests(PATH) if each.status])


def test_the_receiver_is_down_and_back(bench: Workbench, servers: Servers, hook: Webhook) -> None:
    pg = servers(15)
    database, engine = capture(bench, pg, hook)
    engine.start()
    insert(pg, database, 0, 10)
    arrive(hook, 10)
    hook.kill()
    insert(pg, database, 10, 1000)
    wait_until(lambda: engine.get("/health")["status"] == "degraded", 20, "degraded")
    message = engine.pipeline()["error"]["message"]
    assert "connect" in message.lower() and "check host and port in `url`" in message, message
    assert engine.request("GET", "/ready")[0] == 200
    hook.start()
    arrive(hook, 1010, 40)
    wait_until(lambda: engine.get("/health")["status"] == "healthy", 20, "healthy")
    assert engine.terminate() == 0
    assert Counter(ids(hook)) == Counter(range(1010)), "nothing was answered twice: nothing comes twice"


def test_nobody_spins_while_the_receiver_is_silent(bench: Workbench, servers: Servers, hook: Webhook) -> None:
    """What is to be sent again is due while a single request asks whether anybody is there."""
    pg = servers(15)
    database, engine = capture(bench, pg, hook, send_timeout_secs=2)
    engine.start()
    insert(pg, database, 100_000, 1)
    arrive(hook, 1)
    hook.rules({"path": PATH, "delay": 60})
    insert(pg, database, 0, 200)
    time.sleep(3)  # those under way have run into their time-out
    before, begun = cpu_seconds(engine.pid), time.monotonic()
    time.sleep(5)
    used = (cpu_seconds(engine.pid) - before) / (time.monotonic() - begun)
    hook.rules({"path": PATH})
    arrive(hook, 201, 60)
    assert used < 0.3, f"{used:.0%} of a core while waiting"


def test_retry_after_is_longer_than_the_cap(bench: Workbench, servers: Servers, hook: Webhook) -> None:
    pg = servers(15)
    database, engine = capture(bench, pg, hook)
    engine.start()
    hook.rules({"path": PATH, "status": 429, "times": 1, "headers": {"Retry-After": "12"}})
    insert(pg, database, 0, 20)
    wait_until(lambda: "429 Too Many Requests" in json.dumps(engine.pipeline()["error"]), 10, "the reason in its status")
    arrive(hook, 20)
    requests = hook.requests(PATH)
    assert requests[1].begin - requests[0].end >= 12
    assert len(requests) == 21 and requests[0].body == requests[1].body
    assert requests[0].headers["idempotency-key"] == requests[1].headers["idempotency-key"]


def test_flapping(bench: Workbench, servers: Servers, hook: Webhook) -> None:
    pg = servers(15)
    database, engine = capture(bench, pg, hook)
    engine.start()
    for start in range(0, 500, 50):
        hook.rules({"path": PATH, "status": 503, "times": 30})
        insert(pg, database, start, 50)
        time.sleep(0.2)
    arrive(hook, 500, 60)
    assert engine.terminate() == 0
    assert Counter(ids(hook)) == Counter(range(500))


def test_a_refused_event_is_named_and_mended(bench: Workbench, servers: Servers, hook: Webhook) -> None:
    pg = servers(15)
    database, engine = capture(bench, pg, hook)
    engine.start()
    insert(pg, database, 0, 10)
    arrive(hook, 10)
    hook.rules({"path": PATH, "body": "poison", "status": 422})
    insert(pg, database, 10, 1, "poison")
    insert(pg, database, 11, 20)
    wait_until(lambda: engine.get("/health")["status"] == "degraded", 20, "degraded")
    error = wait_until(lambda: (engine.pipeline()["error"] or {}).get("message", ""), 10, "an error")
    refused = [each for each in hook.requests(PATH) if each.status == 422]
    assert refused[0].headers["df-event-id"] in error and "public.t" in error, error
    assert "422" in error and "let the server take this event" in error, error
    time.sleep(5)
    assert Counter(ids(hook)).most_common(1)[0][1] == 1, "offered again alone: nothing else is repeated meanwhile"
    assert 3 <= len([each for each in hook.requests(PATH) if each.status == 422]) < 12
    hook.rules()
    arrive(hook, 31)
    wait_until(lambda: engine.get("/health")["status"] == "healthy", 20, "healthy")
    assert engine.terminate() == 0
    assert max(Counter(ids(hook)).values()) <= 2


@pytest.mark.parametrize("which", SERVERS)
def test_a_transaction_is_one_array(which: int | str, bench: Workbench, servers: Servers, hook: Webhook) -> None:
    server = servers(which)
    database, engine = capture(bench, server, hook, batch_mode=True)
    engine.start()
    insert(server, database, 0, 1000)
    arrive(hook, 1000)
    (request,) = taken(hook)
    assert [event["after"]["id"] for event in request.events()] == list(range(1000))
    assert request.headers["content-type"] == "application/json" and "df-event-id" not in request.headers
    assert request.events()[-1]["tx_end"] is True


def test_arrays_by_url(bench: Workbench, servers: Servers, hook: Webhook) -> None:
    pg = servers(15)
    database, engine = capture(bench, pg, hook, url=hook.url + PATH + "/${after.note}", batch_mode=True)
    engine.start()
    pg.execute("INSERT INTO t SELECT n, 'kind ' || n % 3 FROM generate_series(0, 299) n", database)
    arrive(hook, 300)
    assert engine.terminate() == 0
    found = {request.path: [event["after"]["id"] for event in request.events()] for request in taken(hook)}
    assert found == {f"{PATH}/kind%20{kind}": list(range(kind, 300, 3)) for kind in range(3)}


def test_a_signature_that_a_receiver_can_check(bench: Workbench, servers: Servers, hook: Webhook) -> None:
    pg = servers(15)
    database, engine = capture(bench, pg, hook, signature={"secret": "canary-key", "header": "X-Signature"},
                               headers={"Authorization": "Bearer canary-token"}, method="PUT")
    engine.start()
    insert(pg, database, 7, 1, "grün")
    arrive(hook, 1)
    (request,) = taken(hook)
    signed = f"{request.headers['df-timestamp']}.{request.body}".encode()
    assert request.headers["x-signature"] == hmac.new(b"canary-key", signed, hashlib.sha256).hexdigest()
    assert abs(time.time() - int(request.headers["df-timestamp"])) < 60
    assert request.method == "PUT" and request.headers["authorization"] == "Bearer canary-token"
    assert_silent(engine, "canary-key", "canary-token")


def test_wrong_credentials(bench: Workbench, servers: Servers) -> None:
    guarded = Webhook(bench.home / "guarded", token="right").start()
    try:
        pg = servers(15)
        database, engine = capture(bench, pg, guarded, headers={"Authorization": "Bearer canary-wrong"})
        engine.start()
        insert(pg, database, 0, 5)
        error = engine.wait_status({"failed"}, 20)["error"]
        assert error["kind"] == "auth" and "401 Unauthorized" in error["message"], error
        assert "check the credentials in `headers`" in json.dumps(error), error
        assert len(guarded.requests(PATH)) == 1, "nobody asks again and again"
        assert_silent(engine, "canary-wrong")
    finally:
        guarded.stop()


def test_tls_with_its_own_authority(bench: Workbench, servers: Servers) -> None:
    ours, theirs = Authority(bench.home / "ours"), Authority(bench.home / "theirs")
    hook = Webhook(bench.home / "tls", tls=ours.issue("server", "DNS:localhost"), client_ca=ours.ca).start()
    client = ours.issue("client")
    pg = servers(15)
    try:
        url = f"https://localhost:{hook.tls_port}{PATH}"
        database, engine = capture(bench, pg, hook, url=url, tls={
            "ca_file": str(ours.ca), "cert_file": str(client.crt), "key_file": str(client.key)})
        engine.start()
        insert(pg, database, 0, 100)
        arrive(hook, 100)
        assert engine.terminate() == 0
        database, engine = capture(bench, pg, hook, url=url, tls={"ca_file": str(theirs.ca)})
        engine.start()
        insert(pg, database, 200, 1)
        error = engine.wait_status({"failed"}, 20)["error"]
        assert error["kind"] == "auth" and "certificate" in error["message"], error
        assert "tls.ca_file" in json.dumps(error), error
        assert max(ids(hook)) < 100
    finally:
        hook.stop()


def test_redirects_and_endless_answers(bench: Workbench, servers: Servers, hook: Webhook) -> None:
    pg = servers(15)
    database, engine = capture(bench, pg, hook)
    engine.start()
    hook.rules({"path": PATH, "status": 308, "headers": {"Location": hook.url + "/elsewhere"}})
    insert(pg, database, 0, 3)
    wait_until(lambda: "redirects are not followed" in json.dumps(engine.pipeline()["error"]), 20, "a word on redirects")
    assert not hook.requests("/elsewhere")
    hook.rules({"path": PATH, "act": "endless"})
    arrive(hook, 3, 40)
    wait_until(lambda: engine.get("/health")["status"] == "healthy", 20, "healthy")
    assert engine.anonymous_mib() < 200


def test_an_event_cannot_lead_into_our_own_network(bench: Workbench, servers: Servers, hook: Webhook) -> None:
    pg = servers(15)
    database, engine = capture(bench, pg, hook, url=f"http://${{after.note}}:{hook.port}{PATH}")
    engine.start()
    insert(pg, database, 0, 1, "localhost")
    wait_until(lambda: "private address" in json.dumps(engine.pipeline()["error"]), 20, "the refusal")
    assert "allow_hosts" in json.dumps(engine.pipeline()["error"])
    assert not hook.requests(PATH)


def test_an_event_without_an_url_waits_for_a_better_template(bench: Workbench, servers: Servers, hook: Webhook) -> None:
    pg = servers(15)
    database, engine = capture(bench, pg, hook, url=hook.url + PATH + "/${after.note}")
    engine.start()
    pg.execute("INSERT INTO t VALUES (0, 'a'), (1, NULL), (2, 'b')", database)
    wait_until(lambda: "${after.note}" in json.dumps(engine.pipeline()["error"]), 20, "the variable")
    assert set(ids(hook)) == {0}
    assert engine.terminate() in (0, 4)
    engine.configure(json.loads(json.dumps(_document(engine)).replace("${after.note}", "${after.id}")))
    engine.start()
    arrive(hook, 3)
    assert Counter(ids(hook)[1:]) == Counter(range(3)), "the transaction begins again, as it was not stored"


def _document(engine: Engine) -> Any:
    return yaml.safe_load(engine.config.read_text())


@pytest.mark.timeout(300)
@pytest.mark.parametrize("which", SERVERS)
def test_killed_again_and_again(which: int | str, bench: Workbench, servers: Servers, hook: Webhook) -> None:
    """With the keys of the rows: nothing is lost, copies are the same bytes, each key is in its order."""
    server = servers(which)
    database = bench.database(server)
    Writer.create_tables(server, database)
    engine = bench.engine(server, database, [http_sink(hook.url + PATH)], tables=server.dialect.tables(database)).start()
    writer = Writer(server, database, rate=80, sizes=single_row).start()
    hook.rules({"path": PATH, "delay": 0.03})  # so that some are under way at each kill
    for _ in range(5):
        time.sleep(1)
        engine.kill()
        engine.start(ready=False)
    book = writer.stop()
    expected = sum(len(each.changes) for each in book.transactions())
    wait_until(lambda: len({each.headers["df-event-id"] for each in taken(hook)}) >= expected, 60, "all events", every=0.3)
    engine.wait_ready()  # before it, SIGTERM is no stop yet
    assert engine.terminate() == 0
    bodies: dict[str, str] = {}
    records = []
    for request in taken(hook):
        assert bodies.setdefault(request.headers["df-event-id"], request.body) == request.body
        records.append(request.body.encode())
    assert len(bodies) == expected and len(records) > expected, "no repetition seen: the kills hit nothing"
    # In the order of the log they are what was committed; each key's own order is that order.
    first = list(dict.fromkeys(records))
    ordered = sorted(first, key=place_in_log)
    check(ordered, book, server, database).assert_sound()
    last: dict[tuple[str, str], tuple[int, bytes]] = {}
    number_in_log = {record: number for number, record in enumerate(ordered)}
    for record in first:
        event = json.loads(record)
        key = (event["source"]["table"], json.dumps([(event["after"] or event["before"]).get(name) for name in ("id", "a", "b")]))
        assert last.get(key, (-1, b""))[0] < number_in_log[record], f"{key}: {last[key][1]!r} before {record!r}"
        last[key] = (number_in_log[record], record)
