"""Arrays of the HTTP sink are the same after every kill, whatever the limits of batches are by then."""

from __future__ import annotations

import json
import random
import time
from collections import defaultdict
from typing import Any

import pytest
import yaml

from conftest import Servers, Workbench
from flow import SERVERS, Arrivals, place_in_log
from harness.engine import Engine, http_sink
from harness.oracle import check
from harness.webhook import Request, Webhook, WebhookReader
from harness.workload import Writer

PATH = "/arrays"
LIMITS = [(5000, 200), (3, 20), (400, 100), (17, 5), (100_000, 300), (1, 1), (50, 50)]  # max_events, max_ms


def limit(engine: Engine, max_events: int, max_ms: int) -> None:
    document = yaml.safe_load(engine.config.read_text())
    document["spec"]["batch"] = {"max_events": max_events, "max_ms": max_ms}
    engine.configure(document)


def event_ids(request: Request) -> list[str]:
    return [event["event_id"] for event in request.events()]


def assert_same_arrays(requests: list[Request]) -> None:
    """Of one key all bodies are one, and no event is in arrays of two keys."""
    bodies: dict[str, str] = {}
    keys: dict[str, str] = {}
    for request in requests:
        key = request.headers["idempotency-key"]
        assert bodies.setdefault(key, request.body) == request.body, key
        for event_id in event_ids(request):
            assert keys.setdefault(event_id, key) == key, f"event {event_id} is in an array of {keys[event_id]} and of {key}"


@pytest.mark.timeout(400)
@pytest.mark.parametrize("which", SERVERS)
def test_the_same_arrays_after_every_kill(which: int | str, bench: Workbench, servers: Servers) -> None:
    same_arrays(servers(which), bench, [])


@pytest.mark.timeout(400)
def test_the_same_arrays_of_what_a_processor_leaves(bench: Workbench, servers: Servers) -> None:
    """Of most transactions nothing is left."""
    same_arrays(servers(15), bench, [{"type": "filter", "ops": ["delete"]}])


def same_arrays(server: Any, bench: Workbench, processors: list[dict[str, Any]]) -> None:
    hook = Webhook(bench.home / "hook").start()
    try:
        database = bench.database(server)
        Writer.create_tables(server, database)
        engine = bench.engine(server, database, [http_sink(f"{hook.url}{PATH}/${{source.table}}", batch_mode=True)],
                              tables=server.dialect.tables(database), processors=processors)
        chance = random.Random(7)
        engine.start().kill()  # from here on everything is captured
        writer = Writer(server, database, rate=80, big=1500).start()
        hook.rules({"path": PATH, "delay": 0.05})  # so that some are under way at each kill
        for number in range(14):
            limit(engine, *LIMITS[number % len(LIMITS)])
            engine.start(ready=False)
            time.sleep(0.8 + chance.random())
            engine.kill()
            time.sleep(chance.random() / 2)  # what the next one begins with is more than a batch
        book = writer.stop()
        hook.rules()
        limit(engine, 100, 10)
        engine.start(ready=False)
        engine.wait_ready()
        arrivals = Arrivals(WebhookReader(hook, PATH))
        if processors:
            wait_for_silence(hook)
        else:
            arrivals.wait_for(book, 90)
        assert engine.terminate() == 0

        requests = hook.requests(PATH)
        assert_same_arrays(requests)
        again = len(requests) - len({each.headers["idempotency-key"] for each in requests})
        assert again >= 5, "hardly any array came again: the kills hit nothing"
        assert "is not found as it was" not in engine.log.read_text(), "nothing was given up"
        if not processors:
            records = list(dict.fromkeys(arrivals.reader.records))
            check(sorted(records, key=place_in_log), book, server, database).assert_sound()
        assert_order_of_each_url(requests)
    finally:
        hook.stop()


def wait_for_silence(hook: Webhook) -> None:
    """Nothing came for 3 s."""
    seen, since = -1, time.monotonic()
    while time.monotonic() - since < 3:
        count = len(hook.requests(PATH))
        if count != seen:
            seen, since = count, time.monotonic()
        time.sleep(0.1)


def assert_order_of_each_url(requests: list[Request]) -> None:
    """First copies come in the order of the log."""
    places: dict[str, list[Any]] = defaultdict(list)
    seen: set[str] = set()
    for request in requests:
        for event in request.events():
            if event["event_id"] not in seen:
                seen.add(event["event_id"])
                places[request.path].append(place_in_log(json.dumps(event).encode()))
    for path, each in places.items():
        assert each == sorted(each), path
