"""What GET /metrics says while a pipeline works: every name that the contract gives to what exists, with its labels,
and numbers that agree with what was written."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from conftest import Workbench
from harness.engine import Engine, blackhole_sink
from harness.procs import REPO, wait_until

# name: the labels that each of its series has
NAMES = {
    "deltaforge_build_info": {"version"},
    "deltaforge_panics_total": set(),
    "deltaforge_api_requests_total": {"route", "method", "status"},
    "deltaforge_pipelines_total": set(),
    "deltaforge_pipeline_status": {"pipeline"},
    "deltaforge_pipeline_degraded": {"pipeline"},
    "deltaforge_pipeline_info": {"pipeline", "tenant"},
    "deltaforge_pipeline_pauses_total": {"pipeline"},
    "deltaforge_pipeline_resumes_total": {"pipeline"},
    "deltaforge_pipeline_channel_depth": {"pipeline"},
    "deltaforge_pipeline_memory_bytes": {"pipeline"},
    "deltaforge_pipeline_spilled_bytes": {"pipeline"},
    "deltaforge_source_events_total": {"pipeline", "source", "table"},
    "deltaforge_source_bytes_total": {"pipeline", "source"},
    "deltaforge_source_reconnects_total": {"pipeline", "source"},
    "deltaforge_source_lag_seconds": {"pipeline"},
    "deltaforge_source_table_lag_seconds": {"pipeline", "table"},
    "deltaforge_source_idle_seconds": {"pipeline", "source"},
    "deltaforge_source_log_lag_bytes": {"pipeline", "source"},
    "deltaforge_source_schema_cache_hits_total": {"pipeline", "source"},
    "deltaforge_source_schema_cache_misses_total": {"pipeline", "source"},
    "deltaforge_batch_events_count": {"pipeline"},
    "deltaforge_batch_bytes_count": {"pipeline"},
    "deltaforge_bytes_total": {"pipeline"},
    "deltaforge_stage_latency_seconds_count": {"pipeline", "stage", "trigger"},
    "deltaforge_e2e_latency_seconds_count": {"pipeline"},
    "deltaforge_checkpoints_total": {"pipeline"},
    "deltaforge_last_checkpoint_ts": {"pipeline"},
    "deltaforge_sink_events_total": {"pipeline", "sink"},
    "deltaforge_sink_batch_total": {"pipeline", "sink"},
    "deltaforge_sink_bytes_total": {"pipeline", "sink"},
    "deltaforge_sink_errors_total": {"pipeline", "sink"},
    "deltaforge_sink_reconnects_total": {"pipeline", "sink"},
    "deltaforge_coordinator_sink_timeout_total": {"pipeline", "sink"},
    "deltaforge_sink_latency_seconds_count": {"pipeline", "sink"},
    "deltaforge_sink_checkpoint_status": {"pipeline", "sink", "required"},
    "deltaforge_sink_last_checkpoint_ts": {"pipeline", "sink"},
    "deltaforge_sink_attached": {"pipeline", "sink"},
    "deltaforge_sink_held_seconds": {"pipeline", "sink"},
    "deltaforge_sink_held_bytes": {"pipeline", "sink"},
}
OF_KAFKA = {"deltaforge_kafka_produce_retries_total", "deltaforge_kafka_producer_queue_messages",
            "deltaforge_kafka_producer_queue_bytes"}
_SERIES = re.compile(r"(\w+)(?:\{(.*)\})?")


def found(engine: Engine) -> dict[str, list[tuple[dict[str, str], float]]]:
    names: dict[str, list[tuple[dict[str, str], float]]] = {}
    for series, value in engine.metrics().items():
        match = _SERIES.fullmatch(series)
        assert match is not None, series
        labels = dict(re.findall(r'(\w+)="([^"]*)"', match.group(2) or ""))
        names.setdefault(match.group(1), []).append((labels, value))
    return names


def value(engine: Engine, name: str, **labels: str) -> float:
    return sum(number for own, number in found(engine).get(name, []) if labels.items() <= own.items())


@pytest.mark.parametrize("which", [15, "mysql", "mariadb"])
def test_every_metric_of_what_exists(bench: Workbench, servers: Callable[..., Any], outlet: Callable[..., Any],
                                     which: int | str) -> None:
    server = servers(which)
    database = bench.database(server)
    for table in ("orders", "items"):
        server.execute(f"CREATE TABLE {table} (id int PRIMARY KEY, v varchar(100))", database)
    kafka, file = outlet("kafka", database), outlet("file", database)
    engine = bench.engine(server, database, [kafka.config, file.config],
                          tables=["public.*" if which == 15 else f"{database}.*"]).start()
    begin = time.time()
    for number in range(50):
        server.execute(f"INSERT INTO orders VALUES ({number}, 'x')", database)
        server.execute(f"INSERT INTO items VALUES ({number}, 'y')", database)
    wait_until(lambda: all(value(engine, "deltaforge_sink_events_total", sink=sink) == 100
                           for sink in ("kafka", "file")), 30, "100 events in both sinks")
    engine.post("/pipelines/p/pause")
    engine.post("/pipelines/p/pause")
    engine.post("/pipelines/p/resume")
    wait_until(lambda: [number for _, number in found(engine).get("deltaforge_source_log_lag_bytes", [])] == [0]
               and "deltaforge_kafka_producer_queue_messages" in found(engine)
               and value(engine, "deltaforge_sink_last_checkpoint_ts", sink="file") > 0, 20, "what comes every few seconds")

    names = found(engine)
    missing = (NAMES.keys() | OF_KAFKA) - names.keys()
    assert not missing, missing
    for name, labels in NAMES.items():
        for own, _ in names[name]:
            assert own.keys() == labels, (name, own)

    def of(name: str, **labels: str) -> float:
        return sum(number for own, number in names[name] if labels.items() <= own.items())

    tables = {own["table"]: number for own, number in names["deltaforge_source_events_total"]}
    assert {table.rpartition(".")[2]: number for table, number in tables.items()} == {"orders": 50, "items": 50}
    assert of("deltaforge_source_bytes_total") > 100 * 20, "bytes of the log"
    batches = of("deltaforge_batch_events_count")
    assert 0 < batches <= 100 and of("deltaforge_batch_events_sum") == 100
    assert of("deltaforge_e2e_latency_seconds_count") == batches, "once a batch, however many sinks"
    assert 0 < of("deltaforge_e2e_latency_seconds_sum") < 30
    assert of("deltaforge_stage_latency_seconds_count", stage="sink") == 2 * batches
    assert of("deltaforge_stage_latency_seconds_count", stage="process") == batches
    assert of("deltaforge_stage_latency_seconds_count", stage="commit") == of("deltaforge_checkpoints_total") > 0
    assert {own["trigger"] for own, _ in names["deltaforge_stage_latency_seconds_count"]} <= {
        "limits", "timer", "drained", "cancelled", "shutdown"}
    assert of("deltaforge_stage_latency_seconds_count", stage="process", trigger="drained") > 0, "single commits"
    assert of("deltaforge_source_lag_seconds") == 0 == of("deltaforge_source_table_lag_seconds"), "nothing is under way"
    assert 0 <= of("deltaforge_source_idle_seconds") < 20
    assert of("deltaforge_source_schema_cache_misses_total") >= 2
    assert of("deltaforge_sink_checkpoint_status") == 2
    for sink in ("kafka", "file"):
        assert begin - 1 <= of("deltaforge_sink_last_checkpoint_ts", sink=sink) <= time.time() + 1
    assert of("deltaforge_pipeline_pauses_total") == 1 == of("deltaforge_pipeline_resumes_total"), "said twice, once done"
    assert of("deltaforge_panics_total") == 0
    help_lines = re.findall(r"^# HELP (\w+) (.*)$", engine.request("GET", "/metrics", port=engine.metrics_port)[1], re.M)
    assert all(len(text) > 10 for _, text in help_lines) and len(help_lines) > 30
    page = (REPO / "docs/metrics.md").read_text()
    assert not [name for name, text in help_lines if f"| `{name}` |" not in page or f"| {text} |" not in page]
    assert engine.terminate() == 0


def test_events_are_counted_where_they_pass(bench: Workbench, servers: Callable[..., Any], outlet: Callable[..., Any]) -> None:
    """At the source what it read, at each processor what goes in and comes out, at each sink what it was sent."""
    pg = servers(15)
    database = bench.database(pg)
    pg.execute("CREATE TABLE t (id int PRIMARY KEY, v varchar(20))", database)
    sinks = {name: outlet("file", f"{database}-{name}", path=bench.home / name, filter=each) for name, each in (
        ("all", None), ("read", {"exclude_synthetic": True}), ("none", {"producers": ["nobody"]}))}
    for name, sink in sinks.items():
        sink.config["config"]["id"] = name
    engine = bench.engine(pg, database, [sink.config for sink in sinks.values()], processors=[
        {"type": "filter", "id": "even", "fields": [{"path": "v", "op": "eq", "value": "even"}]},
        {"type": "javascript", "id": "copies", "inline": "(e) => [e, {after: {made_of: e.after.id}}, {...e}]"}]).start()
    pg.execute("INSERT INTO t SELECT n, CASE n % 2 WHEN 0 THEN 'even' ELSE 'odd' END FROM generate_series(1, 100) n", database)
    pg.execute("INSERT INTO t VALUES (101, 'odd')", database)
    readers = {name: sink.reader() for name, sink in sinks.items()}
    for name, count in (("all", 150), ("read", 100)):
        wait_until(lambda: readers[name].drain() is not None and len(readers[name].records) == count, 20, name)  # noqa: B023
    wait_until(lambda: value(engine, "deltaforge_source_lag_seconds") == 0
               and value(engine, "deltaforge_sink_events_total") == 250, 10, "all to be acknowledged")
    assert [number for _, number in found(engine)["deltaforge_source_events_total"]] == [101]
    for sink, events in {"all": 150, "read": 100, "none": 0}.items():
        assert value(engine, "deltaforge_sink_events_total", sink=sink) == events, sink
        batches = value(engine, "deltaforge_sink_batch_total", sink=sink)
        assert batches == value(engine, "deltaforge_sink_latency_seconds_count", sink=sink) == (1 if events else 0), sink
    for processor, events_in, events_out in (("even", 101, 50), ("copies", 50, 150)):
        assert value(engine, "deltaforge_processor_events_in_total", processor=processor) == events_in
        assert value(engine, "deltaforge_processor_events_out_total", processor=processor) == events_out
        assert value(engine, "deltaforge_processor_latency_seconds_count", processor=processor) >= 1
        assert found(engine)["deltaforge_processor_errors_total"][0][0].keys() == {"pipeline", "processor"}
    assert value(engine, "deltaforge_processor_errors_total") == 0
    assert engine.terminate() == 0


def test_lag_shows_while_a_sink_stands_still(bench: Workbench, servers: Callable[..., Any], outlet: Callable[..., Any]) -> None:
    """In seconds, per pipeline and per table, and the queue: an operator sees that and where it waits."""
    pg = servers(15)
    database = bench.database(pg)
    pg.execute("CREATE TABLE t (id int PRIMARY KEY)", database)
    redis = outlet("redis", database, proxied=True)
    engine = bench.engine(pg, database, [redis.config, blackhole_sink(required=False)]).start()
    pg.execute("INSERT INTO t VALUES (0)", database)
    wait_until(lambda: value(engine, "deltaforge_e2e_latency_seconds_count") == 1, 20, "a first event")
    redis.server.proxy.cut()
    for number in range(1, 20):
        pg.execute(f"INSERT INTO t VALUES ({number})", database)
        time.sleep(0.1)
    wait_until(lambda: value(engine, "deltaforge_source_lag_seconds") > 2, 20, "the lag to grow")
    assert value(engine, "deltaforge_pipeline_degraded") == 1
    assert value(engine, "deltaforge_sink_checkpoint_status", sink="redis") == 0
    assert value(engine, "deltaforge_e2e_latency_seconds_count") == 1, "an optional sink alone is not the end"
    assert value(engine, "deltaforge_sink_errors_total", sink="redis") > 0
    assert value(engine, "deltaforge_sink_reconnects_total", sink="redis") == 0, "it was tried, in vain"
    redis.server.proxy.heal()
    wait_until(lambda: value(engine, "deltaforge_source_lag_seconds") == 0
               and value(engine, "deltaforge_e2e_latency_seconds_sum") > 2, 30, "it to catch up")
    assert value(engine, "deltaforge_sink_reconnects_total", sink="redis") == 1
    assert value(engine, "deltaforge_sink_latency_seconds_sum", sink="redis") < 2, "of attempts that succeeded"
    assert value(engine, "deltaforge_stage_latency_seconds_sum", stage="sink") > 2, "with all the waiting"
    assert value(engine, "deltaforge_source_table_lag_seconds") == 0


def test_gauges_go_with_what_they_tell_of(bench: Workbench, servers: Callable[..., Any]) -> None:
    """Neither a pipeline that was stopped nor a sink that was taken away shows a last value for ever."""
    pg = servers(15)
    database = bench.database(pg)
    engine = bench.engine(pg, database, [blackhole_sink(id="kept"), blackhole_sink(id="gone")]).start()
    status = "deltaforge_sink_checkpoint_status"
    wait_until(lambda: value(engine, status, sink="gone") == 1, 20, "both sinks to show")
    name = engine.get("/pipelines")[0]["name"]
    assert engine.request("PATCH", f"/pipelines/{name}", {"spec": {"sinks": [blackhole_sink(id="kept")]}})[0] == 200
    assert [labels["sink"] for labels, _ in found(engine)[status]] == ["kept"]
    engine.post(f"/pipelines/{name}/stop")
    left = found(engine)
    assert not {status, "deltaforge_source_lag_seconds", "deltaforge_source_idle_seconds"} & left.keys()
    assert left["deltaforge_sink_events_total"] and left["deltaforge_pipeline_status"] == [({"pipeline": name}, 0)]
    engine.post(f"/pipelines/{name}/resume")
    wait_until(lambda: value(engine, "deltaforge_pipeline_status") == 1, 20, "it to run again")
    assert found(engine)["deltaforge_source_lag_seconds"] == [({"pipeline": name}, 0)]


def test_source_idle_grows_while_the_server_is_silent(bench: Workbench, servers: Callable[..., Any]) -> None:
    pg = servers(15)
    database = bench.database(pg)
    proxy = bench.proxy(pg.port)
    engine = bench.engine(pg, database, [blackhole_sink()], port=proxy.port).start()
    proxy.silence()
    wait_until(lambda: value(engine, "deltaforge_source_idle_seconds") > 5, 30, "silence to show")
    proxy.heal()
    wait_until(lambda: value(engine, "deltaforge_source_idle_seconds") < 2, 60, "the server to be heard again")
