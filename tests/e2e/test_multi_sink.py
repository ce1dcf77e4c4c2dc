"""Several sinks, each with its own position: a restart repeats nothing that a sink has stored; one that is away, or too
slow, holds nobody up where the policy allows, catches up when it is back, and is lost when it is not."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from conftest import Outlets, Servers, Workbench
from flow import SERVERS, SINKS, Arrivals, commit_number, matrix, reach
from harness.disk import SmallDisk
from harness.engine import blackhole_sink, redis_sink
from harness.oracle import check
from harness.outlets import Outlet
from harness.postgres import lsn
from harness.procs import wait_until
from harness.stored import stored_values
from harness.workload import Server, Writer, single_row

Json = dict[str, Any]


@contextmanager
def _away(outlet: Outlet) -> Iterator[None]:
    outlet.server.proxy.cut()
    try:
        yield
    finally:
        outlet.server.proxy.heal()


@matrix("which, other, ahead",
        "15-kafka-file 15-kafka-other mysql-valkey-other mariadb-redis-file 15-http-other mysql-nats-new-other",
        SERVERS, SINKS[1:],
        ("file", "other"))
def test_restart_with_one_sink_ahead(which: int | str, other: str, ahead: str, bench: Workbench, servers: Servers,
                                     outlet: Outlets, small_disk: SmallDisk) -> None:
    server = servers(which)
    database = bench.database(server)
    Writer.create_tables(server, database)
    file, remote = outlet("file", database, path=small_disk.path / "out"), outlet(other, database, proxied=True)
    assert remote.server is not None
    arrivals = {each.kind: Arrivals(each.reader()) for each in (file, remote)}
    leader, follower = (file, remote) if ahead == "file" else (remote, file)
    engine = bench.engine(server, database, [file.config, remote.config], tables=server.dialect.tables(database),
                          batch={"max_events": 10, "max_inflight": 64}).start()
    writer = Writer(server, database, sizes=single_row, big=200)
    writer.commit(30)
    for each in arrivals.values():
        each.wait_for(writer.book)

    def lead() -> int:
        return len(arrivals[leader.kind].look().xids) - len(arrivals[follower.kind].look().xids)

    def stored(sink: Outlet) -> int:
        return reach(engine.position(sink.kind) or {"lsn": "0/0"})

    with small_disk.full() if follower is file else _away(remote):
        for _ in range(40):  # in small steps, so that many batches are cut
            writer.commit(5)
            wait_until(lambda: len(arrivals[leader.kind].look().xids) > 30, 20, f"{leader.kind} to go on alone")
        wait_until(lambda: lead() >= 50, 30, f"{leader.kind} to be 50 commits ahead")
        wait_until(lambda: stored(leader) > stored(follower), 10, "the positions to part")
        engine.kill()
    position = remote.position(engine)
    assert position is not None
    first_run = {name: len(each.look().reader.records) for name, each in arrivals.items()}

    engine.config.write_text(engine.config.read_text().replace("max_events: 10", "max_events: 7"))
    engine.start()
    writer.commit(20)
    book = writer.stop()
    for each in arrivals.values():
        each.wait_for(book)
    assert engine.terminate() == 0
    assert check(arrivals["file"].look().reader.records, book, server, database).assert_sound().duplicates == 0
    verdict = check(arrivals[other].look().reader.records, book, server, database).assert_sound()
    early = {xid for xid in verdict.duplicated if commit_number(verdict, xid) < reach(position)}
    assert not early, f"{other} got again what lies before its stored position {position}: {early}"
    assert first_run[leader.kind] > first_run[follower.kind]


class Pair:
    """A file that must have all, and a sink behind a proxy that may be missing; a table of numbers feeds both."""

    def __init__(self, bench: Workbench, server: Server, outlet: Outlets, kind: str, *, more: list[Json] | None = None,
                 policy: Json | None = None, required: bool = False, spec: Json | None = None, **options: Any) -> None:
        self.server, self.database = server, bench.database(server)
        server.execute("CREATE TABLE t (id int PRIMARY KEY, v varchar(2000))", self.database)
        self.file = outlet("file", f"{self.database}-file", path=bench.home / "out")
        self.other = outlet(kind, self.database, proxied=True, required=required, **options)
        assert self.other.server is not None
        self.proxy = self.other.server.proxy
        self.sinks = [self.file.config, self.other.config, *(more or [])]
        self.engine = bench.engine(server, self.database, self.sinks, batch={"max_events": 5},
                                   **({"commit_policy": policy} if policy else {}), **(spec or {})).start()
        self.readers = {each.kind: each.reader() for each in (self.file, self.other)}
        self.last = 0

    def write(self, count: int, size: int = 1) -> None:
        """Each row is a transaction."""
        for _ in range(count):
            self.last += 1
            self.server.execute(f"INSERT INTO t VALUES ({self.last}, '{'x' * size}')", self.database)

    def ids(self, outlet: Outlet) -> list[int]:
        """As they came; a row that came again is there once."""
        reader = self.readers[outlet.kind]
        reader.drain()
        rows = [json.loads(each)["after"]["id"] for each in reader.records]
        return list(dict.fromkeys(rows))

    def has_all(self, outlet: Outlet, seconds: float = 20, first: int = 1) -> None:
        wanted = list(range(first, self.last + 1))
        wait_until(lambda: self.ids(outlet)[-1:] == wanted[-1:], seconds, f"row {self.last} in {outlet.kind}")
        assert self.ids(outlet) == wanted, f"{outlet.kind}: out of order, or some are missing"

    def repeated(self, outlet: Outlet) -> int:
        return len(self.readers[outlet.kind].records) - len(self.ids(outlet))

    def state(self, sink: str) -> str:
        return next(each["state"] for each in self.engine.pipeline()["ops"]["sinks"] if each["id"] == sink)

    def write_until(self, state: str, seconds: float = 20, size: int = 1) -> None:
        """Goes on writing until the other sink is in that state: its queue fills, and the log grows."""
        def there() -> bool:
            self.write(3, size)
            return self.state(self.other.kind) == state
        wait_until(there, seconds, f"{self.other.kind} to be {state}", every=0.1)

    def held(self) -> Json | None:
        record = stored_values(self.engine.database, "holds").get(f"{self.database}::sink::{self.other.kind}")
        return json.loads(record) if record else None

    def patch(self, *sinks: Json) -> None:
        status, answer = self.engine.request("PATCH", "/pipelines/p", {"spec": {"sinks": list(sinks)}})
        assert status == 200, answer


@pytest.mark.parametrize("how", ["silent", "detached"])
def test_a_refused_change_keeps_the_log_of_a_sink_that_it_left_out(how: str, bench: Workbench, servers: Servers,
                                                                   outlet: Outlets) -> None:
    """It stood further back than all that the change had."""
    pair = Pair(bench, servers(15), outlet, "redis", required=how == "silent")
    nowhere = redis_sink("redis://127.0.0.1:1", "nowhere", id="nowhere", required=True)
    pair.write(10)
    pair.has_all(pair.other)
    if how == "silent":
        pair.proxy.silence()
        pair.write(8)
    else:
        pair.proxy.cut()
        pair.write_until("detached")
    pair.has_all(pair.file)
    # Degraded it would be changed without a trial.
    assert how == "silent" or pair.engine.request("POST", "/pipelines/p/pause")[0] == 200
    status, answer = pair.engine.request("PATCH", "/pipelines/p", {"spec": {"sinks": [pair.file.config, nowhere]}}, seconds=60)
    assert status == 503 and "nowhere" in answer, answer
    pair.proxy.heal()
    assert how == "silent" or pair.engine.request("POST", "/pipelines/p/resume")[0] == 200
    pair.write(5)
    pair.has_all(pair.file, 30)
    pair.has_all(pair.other, 90)
    assert pair.engine.terminate() == 0


def test_a_change_does_not_wait_for_an_optional_sink(bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    pair = Pair(bench, servers(15), outlet, "redis")
    pair.write(10)
    pair.has_all(pair.other)
    pair.engine.wait_status({"running"}, 20)
    pair.proxy.cut()
    status, answer = pair.engine.request("PATCH", "/pipelines/p", {"spec": {"batch": {"max_events": 9}}}, seconds=60)
    assert status == 200, answer
    pair.proxy.heal()
    pair.write(5)
    pair.has_all(pair.other, 60)
    assert pair.engine.terminate() == 0


def test_lost_after_hold_secs(bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    """Its log is let go, the others go on, a restart does not bring it back; taken out and put in it gets new rows."""
    pg = servers(15)
    pair = Pair(bench, pg, outlet, "redis", hold_secs=2)
    engine, sink = pair.engine, pair.other.kind
    pair.write(10)
    pair.has_all(pair.other)
    pair.proxy.cut()
    pair.write_until("detached")
    held = engine.metrics()
    assert held[f'deltaforge_sink_attached{{pipeline="p",sink="{sink}"}}'] == 0
    wait_until(lambda: pair.state(sink) == "lost", 10, "the sink to be lost")
    assert pair.held() == {"v": 1, "since": pair.held()["since"], "lost": True, "why": "hold_secs (2)"}  # type: ignore[index]
    assert engine.metrics()[f'deltaforge_sink_attached{{pipeline="p",sink="{sink}"}}'] == -1
    assert "put it in again" in engine.pipeline()["ops"]["sink_errors"][sink]
    assert '"level":"error"' in next(line.lower() for line in engine.log_text().splitlines() if "sink lost" in line)
    assert engine.get("/health")["status"] == "degraded" and engine.request("GET", "/ready")[0] == 200

    def confirmed() -> int:
        return lsn(pg.slot(f"df_{pair.database}")["confirmed_flush_lsn"])  # type: ignore[index]

    def released() -> bool:
        return confirmed() >= reach(pair.file.position(engine) or {"lsn": "0/0"})
    pair.write(5)
    pair.has_all(pair.file)
    wait_until(released, 10, "the slot to move on")

    pair.proxy.heal()
    lost_from = pair.ids(pair.other)
    assert engine.terminate() == 0
    engine.start(ready=False)
    engine.wait_status({"degraded", "running"})
    pair.write(5)
    pair.has_all(pair.file)
    assert pair.state(sink) == "lost" and "a lost sink stays out" in engine.log_text()
    wait_until(released, 10, "the slot to move on")
    assert pair.ids(pair.other) == lost_from

    pair.patch(pair.file.config)
    assert pair.held() is None
    engine.wait_status({"running"}, 10)
    pair.patch(*pair.sinks)
    before = pair.last
    pair.write(5)
    wait_until(lambda: pair.ids(pair.other)[-1] == pair.last, 20, "new rows in the sink that was lost")
    assert pair.ids(pair.other) == lost_from + list(range(before + 1, pair.last + 1))
    assert pair.state(sink) == "attached"
    pair.has_all(pair.file)
    assert pair.repeated(pair.file) == 0


@pytest.mark.parametrize("which", [15, "mariadb"])
def test_lost_after_hold_bytes(which: int | str, bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    """PostgreSQL: what nobody captures counts, too, for the slot keeps it."""
    pair = Pair(bench, servers(which), outlet, "valkey", hold_bytes=300_000)
    pair.write(10)
    pair.has_all(pair.other)
    pair.proxy.cut()
    pair.write_until("detached")
    assert pair.held() is not None and not pair.held()["lost"]  # type: ignore[index]
    pair.write_until("lost", size=1900)
    assert pair.held()["why"] == "hold_bytes (300000)"  # type: ignore[index]
    pair.has_all(pair.file)
    pair.proxy.heal()


def _policy(name: str) -> tuple[Json, bool, list[Json]]:
    """Of three sinks, and whether the one that goes away is required."""
    third = blackhole_sink(required=name == "quorum")
    return ({"mode": name} | ({"quorum": 2} if name == "quorum" else {}), name == "quorum", [third])


@pytest.mark.parametrize("policy, server", [("required", 15), ("quorum", 15), ("required", "mysql")])
def test_a_sink_goes_away_and_comes_back(policy: str, server: int | str, bench: Workbench, servers: Servers,
                                         outlet: Outlets) -> None:
    """Down, back in the running process, down again, back with a restart: it gets every row in order."""
    mode, required, more = _policy(policy)
    pair = Pair(bench, servers(server), outlet, "redis", more=more, policy=mode, required=required)
    engine = pair.engine
    pair.write(10)
    pair.has_all(pair.other)
    pair.proxy.cut()
    pair.write_until("detached")
    pair.has_all(pair.file)
    assert pair.held() is not None and not pair.held()["lost"]  # type: ignore[index]
    wait_until(lambda: engine.metric("deltaforge_source_lag_seconds") == 0, 5, "no lag of those who are there")
    assert engine.metrics()[f'deltaforge_sink_held_seconds{{pipeline="p",sink="{pair.other.kind}"}}'] >= 0
    pair.proxy.heal()
    pair.has_all(pair.other, 20)
    assert engine.log_text().count("restarting the source") == 1
    wait_until(lambda: engine.metric("deltaforge_source_lag_seconds") == 0, 5, "all to be acknowledged")
    counted = engine.metrics()[f'deltaforge_sink_events_total{{pipeline="p",sink="{pair.file.kind}"}}']
    assert counted == pair.last, "what was read again was not sent again"
    pair.write(10)
    pair.has_all(pair.other)
    wait_until(lambda: pair.held() is None, 10, "nothing to be held any more")
    assert pair.state(pair.other.kind) == "attached"

    pair.proxy.cut()
    pair.write_until("detached")
    pair.has_all(pair.file)
    pair.proxy.heal()
    engine.kill()
    engine.start()
    pair.write(10)
    pair.has_all(pair.other)
    pair.has_all(pair.file)
    assert pair.repeated(pair.file) == 0, "nor did a restart repeat anything there"
    wait_until(lambda: pair.held() is None, 10, "nothing to be held any more")


@pytest.mark.full
@pytest.mark.parametrize("policy", ["required", "quorum"])
def test_a_sink_comes_back_twice_in_one_process(policy: str, bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    mode, required, more = _policy(policy)
    pair = Pair(bench, servers(15), outlet, "redis", more=more, policy=mode, required=required)
    pair.write(10)
    pair.has_all(pair.other)
    restarts = []
    for _ in range(3):
        pair.proxy.cut()
        pair.write_until("detached")
        pair.proxy.heal()
        pair.has_all(pair.other, 60)
        restarts.append(time.monotonic())
    assert pair.engine.log_text().count("restarting the source") == 3
    assert all(later - sooner > 25 for sooner, later in zip(restarts, restarts[1:])), restarts
    pair.has_all(pair.file)
    assert pair.repeated(pair.file) == 0


def test_all_waits_for_all(bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    """`commit_policy: all`: no sink is ever left behind, optional or not."""
    mode, required, more = _policy("all")
    pair = Pair(bench, servers(15), outlet, "redis", more=more, policy=mode, required=required)
    for _ in range(2):
        pair.write(10)
        pair.has_all(pair.other)
        pair.proxy.cut()
        end, enough = time.monotonic() + 8, pair.last + 200
        while time.monotonic() < end or pair.last < enough:
            pair.write(5)
            time.sleep(0.02)
        behind = pair.last - len(pair.ids(pair.file))
        assert behind > 50, f"the file went on alone: it lacks {behind} rows only"
        assert pair.state(pair.other.kind) == "attached" and pair.held() is None
        pair.proxy.heal()
        pair.has_all(pair.other)
        pair.has_all(pair.file)
    assert "restarting the source" not in pair.engine.log_text()
    assert pair.repeated(pair.file) == 0


def test_a_sink_that_is_always_ten_times_slower(bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    """The others have their rows, and stand still for a tenth of the time at most, but for the first window."""
    pg = servers(15)
    database = bench.database(pg)
    Writer.create_tables(pg, database)
    file, slow = outlet("file", database, path=bench.home / "out"), outlet("http", database, required=False)
    slow.server.rules({"delay": 0.02})  # 50 events a second
    engine = bench.engine(pg, database, [file.config, slow.config], tables=pg.dialect.tables(database),
                          batch={"max_events": 50}).start()
    arrivals = Arrivals(file.reader())
    writer = Writer(pg, database, rate=500, sizes=single_row, big=200).start()
    began = last = time.monotonic()
    gaps, seen = [], 0
    while time.monotonic() < began + 32:
        time.sleep(0.1)
        have = len(arrivals.look().xids)
        if have > seen:
            gaps.append((time.monotonic() - last, last - began))
            seen, last = have, time.monotonic()
    book = writer.stop()
    arrivals.wait_for(book, 30)
    log = engine.log_text()
    assert "the others, which waited for it alone" in log
    assert log.count("restarting the source") == 1, "the next one is due a minute after the first"
    longest, when = max(gaps)
    assert longest < 10, f"the file got nothing for {longest:.1f} s from second {when:.0f} on"
    reader = file.reader()  # one that did not list the directory while segments were being made
    assert check(reader.drain(), book, pg, database).assert_sound().duplicates == 0
    held = json.loads(stored_values(engine.database, "holds")[f"{database}::sink::http"])
    assert not held["lost"]
    ids, followed = ([json.loads(each)["event_id"] for each in lines] for lines in (reader.records, slow.reader().drain()))
    assert len(followed) > 300, "it gets on, too"
    unique = list(dict.fromkeys(followed))
    assert unique == ids[:len(unique)], "in order, without a gap"
    assert len(followed) - len(unique) < 300, "what was in flight when it was detached comes again, no more"


def test_a_slow_sink_catches_up_while_nothing_is_new(bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    """A burst, then silence: nobody is held up by reading again, so the slow one has more time for it."""
    pg = servers(15)
    database = bench.database(pg)
    pg.execute("CREATE TABLE t (id int PRIMARY KEY, v varchar(20))", database)
    file, slow = outlet("file", database, path=bench.home / "out"), outlet("http", database, required=False)
    slow.server.rules({"delay": 0.01})  # 100 events a second
    engine = bench.engine(pg, database, [file.config, slow.config], batch={"max_events": 50}).start()
    rows = 1400
    for first in range(1, rows, 50):
        pg.execute(f"INSERT INTO t SELECT i, 'x' FROM generate_series({first}, {first + 49}) i", database)

    def ids(sink: Outlet, seconds: float) -> list[str]:
        reader = sink.reader()
        found: dict[str, None] = {}

        def all_there() -> bool:
            found.update(dict.fromkeys(json.loads(each)["event_id"] for each in reader.drain()))
            return len(found) >= rows
        wait_until(all_there, seconds, f"{rows} events in {sink.kind}")
        return list(found)
    assert ids(file, 20) == ids(slow, 60), "in order, without a gap"
    log = engine.log_text()
    assert "the others, which waited for it alone" in log
    assert log.count("restarting the source") == 1


MAKES = 'function processBatch(events) { return events.flatMap(e => [e, {after: {made_of: e.after.id}}]); }'


def test_different_envelopes_and_filters(bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    """One pipeline, four sinks; one of them is away for a while."""
    pg = servers(15)
    database = bench.database(pg)
    pg.execute("CREATE TABLE t (id int PRIMARY KEY, v varchar(20))", database)
    wanted: dict[str, Json] = {
        "all": {}, "read": {"filter": {"exclude_synthetic": True}, "envelope": "debezium"},
        "made": {"filter": {"synthetic_only": True}, "envelope": {"type": "cloudevents", "type_prefix": "x"}},
        "named": {"filter": {"producers": ["copies"]}, "required": False}}
    sinks = {name: outlet("redis" if name == "named" else "file", f"{database}-{name}", **more,
                          **({"proxied": True} if name == "named" else {"path": bench.home / name}))
             for name, more in wanted.items()}
    for name, sink in sinks.items():
        sink.config["config"]["id"] = name
    engine = bench.engine(pg, database, [each.config for each in sinks.values()], batch={"max_events": 5}, processors=[
        {"type": "javascript", "id": "copies", "inline": MAKES}]).start()
    readers = {name: each.reader() for name, each in sinks.items()}

    def got(name: str) -> list[tuple[str, int]]:
        readers[name].drain()
        every = []
        for record in readers[name].records:
            event = json.loads(record)
            event = event.get("payload", event.get("data", event))
            after = event["after"]
            every.append(("read", after["id"]) if "id" in after else ("made", after["made_of"]))
        return list(dict.fromkeys(every))

    def wait_for(count: int) -> None:
        both = [(kind, number) for number in range(1, count + 1) for kind in ("read", "made")]
        for name, kinds in (("all", ("read", "made")), ("read", ("read",)), ("made", ("made",)), ("named", ("made",))):
            expected = [each for each in both if each[0] in kinds]
            wait_until(lambda: len(got(name)) >= len(expected), 30, f"{len(expected)} events in {name}")  # noqa: B023
            assert got(name) == expected, name
    for number in range(1, 21):
        pg.execute(f"INSERT INTO t VALUES ({number}, 'x')", database)
    wait_for(20)
    with _away(sinks["named"]):
        for number in range(21, 101):
            pg.execute(f"INSERT INTO t VALUES ({number}, 'x')", database)
        wait_until(lambda: len(got("all")) == 200, 20, "the others to go on")
        assert len(got("named")) < 100
    wait_for(100)
    text = {name: readers[name].records[0] for name in wanted}
    debezium = json.loads(text["read"])
    assert debezium.keys() == {"schema", "payload"} and debezium["schema"] is None, debezium
    assert {"before", "after", "source", "op", "ts_ms"} <= debezium["payload"].keys() and debezium["payload"]["op"] == "c"
    assert b'"payload"' not in text["all"]
    assert b'"specversion"' in text["made"] and b'"specversion"' not in text["all"]
    assert b'"synthetic":"copies"' in text["named"] and b'"synthetic"' not in text["all"]


def test_added_and_removed(bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    """A new sink begins where the slowest of the others stands; of a removed one no key stays, however it went."""
    pg = servers(15)
    pair = Pair(bench, pg, outlet, "redis")
    engine = pair.engine
    pair.write(10)
    pair.has_all(pair.other)
    pair.proxy.cut()
    pair.write_until("detached")
    pair.has_all(pair.file)
    slowest = len(pair.ids(pair.other))
    assert slowest < pair.last - 10
    added = outlet("file", "added", path=bench.home / "added")
    added.config["config"]["id"] = added.kind = "added"
    pair.patch(*pair.sinks, added.config)
    pair.readers["added"] = added.reader()
    wait_until(lambda: pair.ids(added)[-1:] == [pair.last], 20, "the new sink to have the last row")
    first = pair.ids(added)[0]
    assert slowest - 50 < first <= slowest + 1, f"it began at {first}, the slowest had {slowest}"
    assert pair.ids(added) == list(range(first, pair.last + 1))
    pair.proxy.heal()
    pair.has_all(pair.other, 30)

    def keys(sink: str) -> list[str]:
        return [f"{name}/{key}" for name in ("checkpoints", "checkpoints_short", "origins", "holds")
                for key in stored_values(engine.database, name) if key == f"{pair.database}::sink::{sink}"]
    assert keys("added") and keys("redis")
    pair.patch(pair.file.config, added.config)
    assert keys("redis") == []
    # The file of the configuration never had `added`: the next start takes it for removed.
    assert engine.terminate() == 0
    assert keys("added")
    engine.start()
    assert keys("added") == [] and keys("file")
    assert "no longer of the pipeline" in engine.log_text()


# --- dead letters of processors, which go to all sinks ---

@pytest.mark.parametrize("park", [False, True])
def test_a_retry_does_not_wait_for_a_sink_that_is_away(park: bool, bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    """The others get it at once, and once; the one that is away gets it when it is back, in its place among the row's."""
    fails = {"type": "javascript", "id": "js", "on_error": "dlq",
             "inline": "(e) => { if (e.after.v === 'bad') throw new Error('bad'); }"}
    pair = Pair(bench, servers(15), outlet, "redis",
                spec={"journal": {"enabled": True, "dlq": {"park_keys": park}}, "processors": [fails]})

    def insert_bad() -> int:
        pair.last += 1
        pair.server.execute(f"INSERT INTO t VALUES ({pair.last}, 'bad')", pair.database)
        pair.server.execute(f"UPDATE t SET v = 'second' WHERE id = {pair.last}", pair.database)
        return pair.last

    def seen(outlet: Outlet, row: int | None = None) -> list[tuple[int, str]]:
        reader = pair.readers[outlet.kind]
        reader.drain()
        images = [json.loads(each)["after"] for each in reader.records]
        return [(each["id"], each["v"]) for each in images if row in (None, each["id"])]

    def ops() -> Json:
        ops: Json = pair.engine.pipeline()["ops"]
        return ops

    pair.write(5)
    early = insert_bad()  # all else has gone to both when one goes away
    pair.write(1)
    wait_until(lambda: all((pair.last, "x") in seen(each) for each in (pair.file, pair.other)), 20, "all to arrive")
    with _away(pair.other):
        pair.write_until("detached")
        late = insert_bad()
        wait_until(lambda: ops()["dlq_entries"] == 2, 20, "two dead letters")
        assert pair.engine.request("PATCH", "/pipelines/p", {"spec": {"processors": []}})[0] == 200
        pair.write_until("detached")
        begin = time.monotonic()
        status, text = pair.engine.request("POST", "/pipelines/p/journal/dlq/retry")
        answer = json.loads(text)
        assert status == 200 and answer["delivered"] == 2 and answer["not_delivered"] == [], text
        assert time.monotonic() - begin < 5
        wait_until(lambda: all((row, "second") in seen(pair.file, row) for row in (early, late)), 20, "those that waited")
        for row in (early, late):
            assert sorted(seen(pair.file, row)) == [(row, "bad"), (row, "second")]
            assert not park or seen(pair.file, row) == [(row, "bad"), (row, "second")]
        assert pair.state("redis") == "detached" and ops()["dlq_entries"] == 0 and ops()["dlq_parked"] >= 2
        pair.write(5)
    wait_until(lambda: (pair.last, "x") in seen(pair.other) and ops()["dlq_parked"] == 0, 60, "it to catch up")
    wait_until(lambda: (pair.last, "x") in seen(pair.file), 20, "the other to have all")
    assert set(seen(pair.other)) == set(seen(pair.file))
    for row in (early, late):
        versions = list(dict.fromkeys(seen(pair.other, row)))
        assert not park or versions == [(row, "bad"), (row, "second")]
    assert pair.engine.terminate() == 0
