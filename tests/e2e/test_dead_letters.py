"""Dead letters: what one event cannot do does not stop the others, and nothing is lost of it."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from conftest import Outlets, Servers, Workbench
from harness.engine import Engine
from harness.procs import wait_until

GOOD, POISON = "good", "poison"  # regions; see Case
QUEUE = "/pipelines/p/journal/dlq"


class Case:
    """A table whose rows go to a place that is named by their `region`, and a journal."""

    def __init__(self, bench: Workbench, servers: Servers, outlet: Outlets, kind: str = "redis", server: Any = 15,
                 processors: list[dict[str, Any]] | None = None, **journal: Any) -> None:
        # The last letter of the place comes from the row. A region that is no part of a name is refused.
        self.values = {GOOD: "x", POISON: "../x"}
        self.server = servers(server)
        self.database = bench.database(self.server)
        self.sql("CREATE TABLE t (id int PRIMARY KEY, region varchar(200), note text)")
        self.sink = outlet(kind, self.database)
        self.good = self.sink.config
        field = {"kafka": "topic", "nats": "subject", "redis": "stream", "http": "url", "file": ""}[kind]
        self.wrong = self.good
        if field:
            name = self.good["config"][field]
            self.values[GOOD] = name[-1]
            self.wrong = {**self.good, "config": {**self.good["config"], field: f"{name[:-1]}${{after.region}}"}}
        if kind == "http":
            self.values[POISON] = ""  # anything else would be escaped
            for each in (self.good, self.wrong):
                each["config"]["allow_hosts"] = ["127.0.0.1"]  # what comes through the API is guarded
        spec: dict[str, Any] = {"journal": {"enabled": True, "dlq": journal}}
        if "max_event_bytes" in journal:
            spec["journal"]["max_event_bytes"] = journal.pop("max_event_bytes")
        if processors:
            spec["processors"] = processors
        self.engine: Engine = bench.engine(self.server, self.database, [self.wrong], **spec).start()
        self.reader = self.sink.reader()

    def sql(self, text: str) -> None:
        """With 'good' and 'poison' for regions."""
        for word, value in self.values.items():
            text = text.replace(f"'{word}'", f"'{value}'")
        self.server.execute(text, self.database)

    def insert(self, *rows: tuple[int, str]) -> None:
        for number, region in rows:
            self.sql(f"INSERT INTO t VALUES ({number}, '{region}', 'first')")

    def arrived(self) -> list[tuple[int, str]]:
        self.reader.drain()
        events = [json.loads(record) for record in self.reader.records]
        return [(each["after"]["id"], each["after"]["note"]) for each in events]

    def wait_arrived(self, *rows: tuple[int, str], seconds: float = 30) -> None:
        wait_until(lambda: len(self.arrived()) >= len(rows), seconds, f"{len(rows)} rows to arrive")
        assert self.arrived() == list(rows)

    def entries(self, query: str = "") -> list[dict[str, Any]]:
        status, text = self.engine.request("GET", QUEUE + query)
        assert status == 200, text
        return json.loads(text)

    def wait_entries(self, count: int, seconds: float = 30) -> list[dict[str, Any]]:
        wait_until(lambda: len(self.entries("?limit=1000")) == count, seconds, f"{count} dead letters")
        return self.entries("?limit=1000")

    def ask(self, method: str, path: str, body: Any = None, status: int = 200) -> dict[str, Any]:
        got, text = self.engine.request(method, QUEUE + path, body)
        assert got == status, text
        return json.loads(text)

    def mend(self) -> None:
        status, text = self.engine.request("PATCH", "/pipelines/p", {"spec": {"sinks": [self.good]}})
        assert status == 200, text

    def ops(self) -> dict[str, Any]:
        return self.engine.pipeline()["ops"]


@pytest.mark.parametrize("kind", ["kafka", "redis", "nats", "http"])
def test_a_poison_event_does_not_stop_the_others(kind: str, bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    case = Case(bench, servers, outlet, kind)
    case.insert((1, GOOD), (2, POISON), (3, GOOD))
    case.wait_arrived((1, "first"), (3, "first"))
    entry = case.wait_entries(1)[0]
    assert entry["pipeline"] == "p" and entry["stream"] == "dlq" and not entry["payload_truncated"]
    assert entry["event_id"] == entry["event"]["id"] == entry["event"]["event_id"]
    assert entry["event"]["after"] == {"id": 2, "region": case.values[POISON], "note": "first"} and entry["event"]["op"] == "c"
    assert entry["source_cursor"].keys() == {"lsn", "tx_id"}
    assert abs(entry["timestamp"] - time.time()) < 60
    meta = entry["meta"]
    assert (meta["sink_id"], meta["error_kind"], meta["attempts"]) == (kind, "routing", 1), meta
    assert meta["error_message"], meta
    assert case.ask("GET", "/count") == {"count": 1}
    assert case.ops()["dlq_entries"] == 1 and case.ops()["dlq_data_loss"] == 0
    assert case.engine.get("/health")["status"] == "healthy"
    metrics = case.engine.metrics()
    labels = f'error_kind="routing",pipeline="p",sink="{kind}"'
    assert metrics[f"deltaforge_dlq_events_total{{{labels}}}"] == 1
    assert metrics[f'deltaforge_sink_routing_errors_total{{kind="routing",pipeline="p",sink="{kind}"}}'] == 1
    assert metrics[f'deltaforge_sink_events_total{{pipeline="p",sink="{kind}"}}'] == 2, "what was delivered"
    assert metrics['deltaforge_dlq_entries{pipeline="p"}'] == 1
    assert metrics['deltaforge_dlq_saturation_ratio{pipeline="p"}'] == 0.0001
    # The same at a mended sink: once, with its own id.
    case.mend()
    assert case.ask("POST", "/retry", {"seq": entry["seq"]}) == {
        "delivered": 1, "failed": 0, "pending": 0, "remaining": 0, "not_delivered": []}
    case.wait_arrived((1, "first"), (3, "first"), (2, "first"))
    assert json.loads(case.reader.records[2])["event_id"] == entry["event_id"]
    wait_until(lambda: case.engine.metric("deltaforge_sink_events_total") == 3, 5, "the replay to be counted")
    assert case.entries() == []
    assert case.engine.terminate() == 0


@pytest.mark.parametrize("server", ["mysql", "mariadb"])
def test_the_same_from(server: str, bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    case = Case(bench, servers, outlet, "redis", server)
    case.insert((1, GOOD), (2, POISON), (3, GOOD))
    case.wait_arrived((1, "first"), (3, "first"))
    assert "pos" in case.wait_entries(1)[0]["source_cursor"]
    case.mend()
    assert case.ask("POST", "/retry")["delivered"] == 1
    case.wait_arrived((1, "first"), (3, "first"), (2, "first"))
    assert case.engine.terminate() == 0


def test_a_retry_that_fails_again_counts_and_keeps_the_entry(bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    case = Case(bench, servers, outlet)
    case.insert((1, POISON), (2, POISON))
    case.sql("UPDATE t SET note = 'later' WHERE id = 1")
    before = case.wait_entries(3)
    answer = case.ask("POST", "/retry", {})
    assert (answer["delivered"], answer["failed"], answer["remaining"]) == (0, 3, 3)
    assert [each["code"] for each in answer["not_delivered"]] == ["FAILED", "FAILED", "BEHIND_ANOTHER"]
    assert "is refused (routing)" in answer["not_delivered"][0]["message"]
    after = case.entries()
    assert [each["seq"] for each in after] == [each["seq"] for each in before]
    assert [each["meta"]["attempts"] for each in after] == [2, 2, 1]
    assert case.engine.metric("deltaforge_dlq_events_total") == 3, "events, not attempts"
    assert case.ask("POST", "/retry", {"sequence": 1}, 400)["code"] == "INVALID_REQUEST"
    assert case.ask("POST", "/retry", {"seq": 10**6}, 404)["code"] == "ENTRY_NOT_FOUND"
    assert case.engine.terminate() == 0


def test_peek_filters_then_limits_and_ack_removes_up_to(bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    case = Case(bench, servers, outlet)
    case.sql(f"INSERT INTO t SELECT n, '{POISON}', 'x' FROM generate_series(1, 60) n")
    case.wait_entries(60)
    assert len(case.entries()) == 50
    assert len(case.entries("?limit=5")) == 5 and len(case.entries("?limit=5000")) == 60
    assert case.entries("?sink_id=other&limit=5") == []
    assert len(case.entries("?error_kind=routing%20error&limit=7")) == len(case.entries("?error_kind=routing&limit=7")) == 7
    assert case.entries("?error_kind=serialization") == [] == case.entries("?processor_id=redis")
    assert case.ask("GET", "?limit=x", status=400)["code"] == "INVALID_REQUEST"
    entries = case.entries("?limit=1000")
    assert [each["event"]["after"]["id"] for each in entries] == list(range(1, 61))
    assert [each["seq"] for each in case.entries(f"?after_seq={entries[57]['seq']}")] == [each["seq"] for each in entries[58:]]
    assert case.ask("POST", "/ack", {"up_to_seq": entries[9]["seq"]}) == {"acked": 10}
    assert case.ask("POST", "/ack", {"up_to_seq": entries[9]["seq"]}) == {"acked": 0}
    for wrong in ({}, {"up_to_seq": "x"}, {"up_to_seq": -1}, {"up_to_seq": 1, "more": 2}):
        assert case.ask("POST", "/ack", wrong, 400)["code"] == "INVALID_REQUEST"
    assert case.entries()[0]["event"]["after"]["id"] == 11
    assert case.ask("DELETE", "") == {"purged": 50}
    assert case.ask("GET", "/count") == {"count": 0}
    assert case.engine.terminate() == 0


def test_without_a_journal_there_is_no_queue(bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    pg = servers(15)
    database = bench.database(pg)
    pg.execute("CREATE TABLE t (id int PRIMARY KEY)", database)
    engine = bench.engine(pg, database, [outlet("file", database).config]).start()
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/count"), ("POST", "/ack"), ("POST", "/retry")):
        status, text = engine.request(method, QUEUE + path)
        assert status == 404 and json.loads(text)["code"] == "DLQ_DISABLED", (method, path, text)
    assert engine.terminate() == 0


@pytest.mark.parametrize("policy", ["drop_oldest", "reject"])
def test_a_full_queue_that_loses_says_so(policy: str, bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    case = Case(bench, servers, outlet, max_entries=5, overflow_policy=policy)
    case.insert(*((n, POISON) for n in range(1, 8)), (8, GOOD))
    case.wait_arrived((8, "first"))
    kept = [each["event"]["after"]["id"] for each in case.wait_entries(5)]
    assert kept == ([3, 4, 5, 6, 7] if policy == "drop_oldest" else [1, 2, 3, 4, 5])
    assert case.ops()["dlq_data_loss"] == 2
    health = case.engine.get("/health")
    assert health["status"] == "degraded" and health["dlq_data_loss"] == ["p"] == health["degraded_pipelines"]
    metrics = case.engine.metrics()
    assert metrics['deltaforge_dlq_data_loss{pipeline="p"}'] == 2
    counter = {"drop_oldest": "evicted", "reject": "rejected"}[policy]
    assert metrics[f'deltaforge_dlq_{counter}_total{{pipeline="p"}}'] == 2
    assert metrics['deltaforge_dlq_saturation_ratio{pipeline="p"}'] == 1
    log = case.engine.log_text()
    assert "the dead letter queue fills up" in log and '"level":"warn"' in log and "dead letters are lost" in log
    case.ask("POST", "/ack", {"up_to_seq": case.entries()[0]["seq"]})
    assert case.ops()["dlq_data_loss"] == 0 and case.engine.get("/health")["status"] == "healthy"
    assert case.engine.terminate() == 0


@pytest.mark.parametrize("stage", ["sink", "processor"])
def test_a_full_queue_that_blocks_can_be_stopped_and_goes_on_when_there_is_room(
        stage: str, bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    throws = js("(e) => { if (e.after.region === '../x') throw new Error('bad'); }")
    processors = {"processors": [throws]} if stage == "processor" else {}
    case = Case(bench, servers, outlet, "file" if processors else "redis", max_entries=2, overflow_policy="block", **processors)
    case.insert((1, POISON), (2, POISON), (3, POISON), (4, GOOD))
    wait_until(lambda: "queue is full" in str(case.engine.pipeline()), 30, "it to be told")
    assert case.engine.get("/health")["degraded_pipelines"] == ["p"]
    assert case.arrived() == [] and case.ask("GET", "/count") == {"count": 2}

    def in_time(what: Callable[[], Any]) -> Any:
        begin = time.monotonic()
        answer = what()
        assert time.monotonic() - begin < 5
        return answer
    assert in_time(lambda: case.engine.request("PATCH", "/pipelines/p", {"spec": {"batch": {"max_events": 7}}}))[0] == 200
    wait_until(lambda: "queue is full" in str(case.engine.pipeline()), 30, "it to wait again")
    assert in_time(lambda: case.engine.request("POST", "/pipelines/p/stop"))[0] == 200
    assert case.engine.request("POST", "/pipelines/p/resume")[0] == 200
    wait_until(lambda: "queue is full" in str(case.engine.pipeline()), 30, "it to wait again")
    assert in_time(case.engine.terminate) == 4, "something is not delivered, and is read again"
    case.engine.start(ready=False)
    case.engine.wait_status({"degraded"})
    wait_until(lambda: "queue is full" in str(case.engine.pipeline()), 30, "it to wait again")
    case.ask("POST", "/ack", {"up_to_seq": case.entries()[0]["seq"]})
    case.wait_arrived((4, "first"))
    assert [each["event"]["after"]["id"] for each in case.wait_entries(2)] == [2, 3]
    assert case.ops()["dlq_data_loss"] == 0
    case.insert((5, POISON))
    wait_until(lambda: "queue is full" in str(case.engine.pipeline()), 30, "it to wait once more")
    assert in_time(lambda: case.engine.request("DELETE", "/pipelines/p"))[0] in (200, 204)
    assert case.engine.terminate() == 0


def test_long_events_are_cut_and_cannot_be_replayed(bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    case = Case(bench, servers, outlet, max_event_bytes=2000)
    case.sql(f"INSERT INTO t VALUES (1, '{POISON}', repeat('x', 1500)), (2, '{POISON}', repeat('y', 2500))")
    whole, cut = case.wait_entries(2)
    assert not whole["payload_truncated"] and whole["event"]["after"]["id"] == 1
    assert cut["payload_truncated"] and "left out" in cut["event"]["after"]
    assert cut["event"]["before"] is None and cut["event"]["source"]["table"] == "t" and cut["event"]["op"] == "c"
    assert cut["event"]["event_id"] == cut["event_id"] and cut["event"]["ts_ms"] > 0
    case.mend()
    assert case.ask("POST", "/retry", {"seq": cut["seq"]}, 409)["code"] == "NOT_REPLAYABLE"
    answer = case.ask("POST", "/retry")
    assert answer["delivered"] == 1 and [each["code"] for each in answer["not_delivered"]] == ["NOT_REPLAYABLE"]
    assert case.engine.terminate() == 0


def test_old_entries_are_removed_and_that_is_a_loss(bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    case = Case(bench, servers, outlet, max_age_secs=1)
    case.sql(f"INSERT INTO t SELECT n, '{POISON}', 'x' FROM generate_series(1, 300) n")
    case.wait_entries(300)
    time.sleep(2.1)
    assert case.engine.terminate() == 0
    case.engine.start()  # the first pass comes at the start, then one a minute
    wait_until(lambda: case.entries() == [], 10, "the old ones to go")
    assert case.ops()["dlq_data_loss"] == 300
    assert case.engine.terminate() == 0


def test_a_store_that_takes_nothing_holds_the_position_back(bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    case = Case(bench, servers, outlet)
    case.insert((1, GOOD))
    case.wait_arrived((1, "first"))
    wait_until(lambda: case.engine.checkpoint("redis"), 20, "a checkpoint")
    lock = sqlite3.connect(case.engine.database, isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    before = case.engine.checkpoint("redis")
    case.insert((2, POISON), (3, GOOD))
    wait_until(lambda: "cannot be stored as a dead letter" in str(case.engine.pipeline()), 40, "it to be told")
    assert case.engine.pipeline()["status"] == "degraded"
    assert case.arrived() == [(1, "first")] and case.engine.checkpoint("redis") == before
    lock.execute("ROLLBACK")
    lock.close()
    case.wait_arrived((1, "first"), (3, "first"))
    case.wait_entries(1)
    metrics = case.engine.metrics()
    assert metrics['deltaforge_dlq_write_failures_total{pipeline="p"}'] >= 1
    wait_until(lambda: case.engine.checkpoint("redis") != before, 20, "the position to move")
    assert case.engine.terminate() == 0


# --- ordered replay ---

@pytest.mark.parametrize("kind", ["redis", "kafka", "nats"])
def test_later_events_of_a_parked_row_wait_and_keep_their_order(kind: str, bench: Workbench, servers: Servers,
                                                                outlet: Outlets) -> None:
    case = Case(bench, servers, outlet, kind, park_keys=True)
    case.insert((1, GOOD), (2, POISON), (3, GOOD))
    case.sql("UPDATE t SET region = 'good', note = 'second' WHERE id = 2")  # it could go, but must not pass the first
    case.sql("UPDATE t SET id = 20, note = 'third' WHERE id = 2")       # the new key waits as well
    case.sql("UPDATE t SET note = 'fourth' WHERE id = 20")
    case.sql("UPDATE t SET note = 'free' WHERE id = 3")
    case.wait_arrived((1, "first"), (3, "first"), (3, "free"))
    wait_until(lambda: case.ops()["dlq_parked"] == 3, 10, "three to wait")
    assert case.ops()["dlq_entries"] == 1
    case.engine.kill()
    case.engine.start()
    case.sql("UPDATE t SET note = 'fifth' WHERE id = 20")
    wait_until(lambda: case.ops()["dlq_parked"] == 4, 20, "it to wait, too")
    case.mend()
    assert case.ask("POST", "/retry")["delivered"] == 1
    case.sql("UPDATE t SET note = 'sixth' WHERE id = 20")
    wait_until(lambda: (20, "sixth") in case.arrived(), 30, "all of them")
    mine = [each for each in case.arrived() if each[0] in (2, 20)]
    assert mine == [(2, "first"), (2, "second"), (20, "third"), (20, "fourth"), (20, "fifth"), (20, "sixth")]
    wait_until(lambda: case.ops()["dlq_parked"] == 0, 10, "nothing to wait")
    assert case.engine.terminate() == 0


def test_an_acknowledged_row_goes_on_and_may_stop_again(bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    case = Case(bench, servers, outlet, park_keys=True)
    case.insert((1, POISON))
    case.sql("UPDATE t SET region = 'good', note = 'second' WHERE id = 1")
    case.sql(f"UPDATE t SET region = '{POISON}', note = 'third' WHERE id = 1")
    case.sql("UPDATE t SET region = 'good', note = 'fourth' WHERE id = 1")
    wait_until(lambda: case.ops()["dlq_parked"] == 3, 20, "three to wait")
    first = case.entries()[0]
    case.ask("POST", "/ack", {"up_to_seq": first["seq"]})
    case.wait_arrived((1, "second"))
    wait_until(lambda: case.ops()["dlq_parked"] == 1, 20, "the fourth to wait behind the third")
    assert [each["event"]["after"]["note"] for each in case.wait_entries(1)] == ["third"]
    case.mend()
    assert case.ask("POST", "/retry")["delivered"] == 1
    case.wait_arrived((1, "second"), (1, "third"), (1, "fourth"))
    assert case.engine.terminate() == 0


def test_a_refused_change_leaves_the_rows_in_order(bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    """What the changed pipeline put into the journal while it was tried out is known to the one that goes on."""
    case = Case(bench, servers, outlet, park_keys=True)
    case.insert((1, POISON))
    case.wait_entries(1)
    nowhere = {"type": "redis", "config": {"id": "nowhere", "uri": "redis://127.0.0.1:1", "stream": "x"}}
    with ThreadPoolExecutor(1) as pool:
        change = pool.submit(case.engine.request, "PATCH", "/pipelines/p", {"spec": {"sinks": [case.wrong, nowhere]}})
        time.sleep(2)  # it is tried out for 10 s
        case.insert((2, POISON))
        case.sql("UPDATE t SET note = 'second' WHERE id = 1")
        case.wait_entries(2, 8)
        assert not change.done(), "the entry came after the trial"
        status, text = change.result()
    assert status == 503 and "nowhere" in text, text
    case.sql("UPDATE t SET note = 'second' WHERE id = 2")
    case.sql("UPDATE t SET note = 'third' WHERE id = 1")
    case.insert((3, GOOD))
    case.wait_arrived((3, "first"))
    case.mend()
    assert case.ask("POST", "/retry")["delivered"] == 2
    wait_until(lambda: len(case.arrived()) == 6, 30, "all of them")
    for row, notes in ((1, ["first", "second", "third"]), (2, ["first", "second"])):
        assert [note for number, note in case.arrived() if number == row] == notes
    assert case.ops()["dlq_parked"] == 0 and case.engine.terminate() == 0


def test_a_truncate_waits_for_the_rows_that_it_removes(bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    case = Case(bench, servers, outlet, park_keys=True)
    case.insert((1, POISON), (2, GOOD))
    case.wait_arrived((2, "first"))
    case.sql("TRUNCATE t")
    case.insert((2, GOOD))
    wait_until(lambda: case.ops()["dlq_parked"] == 2, 20, "TRUNCATE, and what comes behind it, to wait")
    case.mend()
    assert case.ask("POST", "/retry")["delivered"] == 1
    wait_until(lambda: case.reader.drain() is not None and len(case.reader.records) == 4, 20, "all")
    seen = [(each["op"], (each["after"] or {}).get("id")) for each in map(json.loads, case.reader.records)]
    assert seen == [("c", 2), ("c", 1), ("t", None), ("c", 2)]
    assert case.engine.terminate() == 0


def test_the_queue_of_those_that_wait_blocks_when_it_is_full(bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    case = Case(bench, servers, outlet, park_keys=True, park_max_entries=2)
    case.insert((1, POISON))
    for note in ("second", "third", "fourth"):
        case.sql(f"UPDATE t SET region = 'good', note = '{note}' WHERE id = 1")
    wait_until(lambda: "park_max_entries" in str(case.engine.pipeline()["error"]), 30, "it to be told")
    assert case.engine.pipeline()["status"] == "degraded" and case.ops()["dlq_parked"] <= 2
    case.ask("DELETE", "")
    case.wait_arrived((1, "second"), (1, "third"), (1, "fourth"))
    assert case.engine.terminate() == 0


# --- processors ---

THROWS = "function processBatch(events) { for (const e of events) if (e.after.region) throw new Error('bad ' + e.after.id);" \
         " return events; }"


def js(text: str) -> dict[str, Any]:
    return {"type": "javascript", "id": "js", "inline": text, "on_error": "dlq",
            "limits": {"cpu_ms": 5000, "timeout_ms": 20000}}


@pytest.mark.parametrize("park", [False, True])
def test_what_fails_in_a_script_reenters_at_it(park: bool, bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    case = Case(bench, servers, outlet, "file", processors=[js(THROWS)], park_keys=park)
    case.sql("INSERT INTO t SELECT n, CASE WHEN n % 3 = 0 THEN 'x' ELSE '' END, 'first' FROM generate_series(1, 9) n")
    case.sql("UPDATE t SET region = '', note = 'second' WHERE id = 3")
    healthy = [(n, "first") for n in (1, 2, 4, 5, 7, 8)]
    case.wait_arrived(*healthy, *([] if park else [(3, "second")]))
    entries = case.wait_entries(3)
    assert [each["event"]["after"]["id"] for each in entries] == [3, 6, 9]
    assert entries[0]["meta"]["processor_id"] == "js" and entries[0]["meta"]["sink_id"] is None
    assert entries[0]["meta"]["error_kind"] == "processor" and "bad 3" in entries[0]["meta"]["error_message"]
    assert len(case.entries("?processor_id=js")) == 3 and case.entries("?sink_id=js") == []
    again = case.ask("POST", "/retry")
    assert again["delivered"] == 0 and "bad 3" in again["not_delivered"][0]["message"]
    assert [each["meta"]["attempts"] for each in case.entries()] == [2, 2, 2]
    marks = "function processBatch(events) { for (const e of events) e.after.note += '!'; return events; }"
    status, text = case.engine.request("PATCH", "/pipelines/p", {"spec": {"processors": [js(marks)]}})
    assert status == 200, text
    assert case.ask("POST", "/retry")["delivered"] == 3
    rest = [(3, "first!"), *([(3, "second!")] if park else []), (6, "first!"), (9, "first!")]
    wait_until(lambda: len(case.arrived()) == len(healthy) + (0 if park else 1) + len(rest), 20, "the rest")
    late = case.arrived()[len(healthy) + (0 if park else 1):]
    assert sorted(late) == sorted(rest)
    assert [each for each in late if each[0] == 3] == [each for each in rest if each[0] == 3]
    assert case.ask("GET", "/count") == {"count": 0} and case.ops()["dlq_parked"] == 0
    assert case.engine.terminate() == 0


def test_a_call_with_a_dead_letter_is_the_same_again(bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    """After a restart its events come alone, as they did, though the one that failed is left out by now."""
    counts = "function processBatch(all) { for (const e of all) { if (e.after.region === '../x') throw new Error('bad');" \
             " e.after.note = `${all.length} ${Math.random()}`; } return all; }"
    case = Case(bench, servers, outlet, "redis", "mysql", processors=[{**js(counts), "clock": "commit"}])

    def arrives(count: int) -> list[bytes]:
        wait_until(lambda: len(case.arrived()) >= count, 30, f"{count} rows")
        return case.reader.records
    case.insert((1, GOOD))
    arrives(1)
    assert case.engine.terminate() == 0
    with sqlite3.connect(case.engine.database) as store:
        positions = store.execute("SELECT value, ns, key FROM df_kv WHERE ns LIKE 'checkpoints%'").fetchall()
    case.engine.start()
    rows = ", ".join(f"({n}, '{POISON if n == 4 else GOOD}', 'x')" for n in range(2, 8))
    case.sql(f"INSERT INTO t VALUES {rows}")
    case.wait_entries(1)
    arrives(6)
    assert case.engine.terminate() == 0
    with sqlite3.connect(case.engine.database) as store:
        store.executemany("UPDATE df_kv SET value = ? WHERE ns = ? AND key = ?", positions)
    case.engine.start()
    records = arrives(11)
    assert records[6:11] == records[1:6]
    assert all(json.loads(each)["after"]["note"].startswith("1 ") for each in records[1:6])
    assert case.engine.terminate() == 0


def test_collisions_and_incomplete_outbox_rows(bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    pg = servers(15)
    database = bench.database(pg)
    pg.execute("CREATE TABLE t (id int PRIMARY KEY, doc jsonb)", database)
    sink = outlet("file", database, path=bench.home / "out")
    engine = bench.engine(pg, database, [sink.config], more_of_source={"outbox": {"prefixes": ["outbox"]}},
                          journal={"enabled": True}, processors=[
                              {"type": "flatten", "on_collision": "error", "on_error": "dlq"},
                              {"type": "outbox", "strict": True, "on_error": "dlq"}]).start()
    pg.execute("INSERT INTO t VALUES (1, '{\"a\": {\"b\": 1}, \"a__b\": 2}'), (2, '{\"a\": {\"b\": 1}}')", database)
    pg.execute("SELECT pg_logical_emit_message(true, 'outbox', '{\"payload\": {\"x\": 1}}')", database)
    reader = sink.reader()
    wait_until(lambda: reader.drain() is not None and len(reader.records) == 1, 20, "the good row")
    wait_until(lambda: len(engine.get(QUEUE)) == 2, 20, "two dead letters")
    entries = engine.get(QUEUE)
    assert [each["meta"]["processor_id"] for each in entries] == ["flatten", "outbox"]
    assert 'two fields become' in entries[0]["meta"]["error_message"]
    missing = entries[1]["meta"]["error_message"]
    assert all(name in missing for name in ("topic", "aggregate_type", "aggregate_id", "event_type")), missing
    assert engine.terminate() == 0


# --- kills ---

def test_kills_between_failure_and_position(bench: Workbench, servers: Servers, outlet: Outlets, full: bool) -> None:
    """Each poison event is in the journal once, every other one is delivered, in order; then all come by a retry."""
    case = Case(bench, servers, outlet, "redis")
    rows, kills = 0, 200 if full else 12
    for number in range(kills):
        case.sql("INSERT INTO t SELECT n, CASE WHEN n % 10 = 0 THEN 'poison' ELSE 'good' END, 'n' "
                 f"FROM generate_series({rows + 1}, {rows + 40}) n")
        rows += 40
        poison = rows // 10 - number % 4
        wait_until(lambda: case.ask("GET", "/count")["count"] >= poison, 20, "a dead letter", every=0.001)  # noqa: B023
        case.engine.kill()
        case.engine.start()
    wait_until(lambda: case.ask("GET", "/count")["count"] == rows // 10, 30, "all dead letters")
    good = [n for n in range(1, rows + 1) if n % 10]
    wait_until(lambda: {each[0] for each in case.arrived()} >= set(good), 30, "all others")
    first_seen = list(dict.fromkeys(each[0] for each in case.arrived()))
    assert first_seen == good, "in order"
    entries = []
    while page := case.entries(f"?limit=1000&after_seq={entries[-1]['seq'] if entries else 0}"):
        entries += page
    assert [each["event"]["after"]["id"] for each in entries] == [n for n in range(1, rows + 1) if n % 10 == 0]
    assert len({each["event_id"] for each in entries}) == len(entries)
    held = len(case.arrived())
    case.mend()
    answer = case.ask("POST", "/retry")
    assert answer["delivered"] == len(entries) and answer["remaining"] == 0
    assert [each[0] for each in case.arrived()[held:]] == [n for n in range(1, rows + 1) if n % 10 == 0]
    assert case.engine.terminate() == 0


def test_deleting_a_pipeline_removes_its_journal(bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    case = Case(bench, servers, outlet, park_keys=True)
    case.insert((1, POISON))
    case.sql("UPDATE t SET note = 'x' WHERE id = 1")
    case.wait_entries(1)
    assert case.engine.request("DELETE", "/pipelines/p")[0] == 204
    case.engine.kill()
    with sqlite3.connect(case.engine.database) as store:
        assert store.execute("SELECT count(*) FROM df_queue").fetchone() == (0,)
