"""Every query of the Grafana dashboard and of the alerts asks for what a running engine says of itself."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from conftest import Outlets, Servers, Workbench
from harness import promql
from harness.procs import REPO, wait_until

DASHBOARD = REPO / "deploy/grafana/deltaforge.json"
ALERTS = REPO / "deploy/prometheus/alerts.yaml"
# In the contract, not in the engine yet, with the labels that they will have. The list may only shrink.

def shown_in(text: str) -> set[str]:
    return set(re.findall(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}", text))


def queries() -> list[tuple[str, str, set[str]]]:
    """Where it stands, the expression, the labels that are printed of its result."""
    board = json.loads(DASHBOARD.read_text())
    found = [(f"panel '{panel['title']}'", target["expr"], shown_in(target["legendFormat"]))
             for panel in board["panels"] for target in panel.get("targets", [])]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"]).groups()
            found.append((f"variable '{variable['name']}'", selector, {label}))
    for group in yaml.safe_load(ALERTS.read_text())["groups"]:
        for rule in group["rules"]:
            text = " ".join(rule["annotations"].values()).replace("{{ $value }}", "")
            found.append((f"alert {rule['alert']}", rule["expr"], shown_in(text)))
    return found


@pytest.fixture
def exposition(bench: Workbench, servers: Servers, outlet: Outlets) -> str:
    """Of an engine with a pipeline from PostgreSQL through a filter into Kafka and files, with a journal, that has lost its
    connection once."""
    pg = servers(15)
    database = bench.database(pg)
    pg.execute("CREATE TABLE t (id int PRIMARY KEY)", database)
    sinks = [outlet("kafka", database), outlet("file", database)]
    engine = bench.engine(pg, database, [each.config for each in sinks], journal={"enabled": True}, processors=[
        {"type": "filter", "id": "ops", "ops": ["create"]}]).start()
    pg.execute("INSERT INTO t SELECT generate_series(1, 100)", database)
    wait_until(lambda: engine.metric("deltaforge_sink_events_total") == 200, 20, "both sinks to have the rows")
    wait_until(lambda: all(engine.checkpoint(each.kind) for each in sinks), 20, "their positions")
    pg.execute(f"SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = 'df_{database}'", database)
    wait_until(lambda: engine.metric("deltaforge_source_errors_total") > 0, 20, "the error to be counted")


    def text() -> str:
        return engine.request("GET", "/metrics", port=engine.metrics_port)[1]
    wait_until(lambda: "deltaforge_source_log_lag_bytes{" in text(), 20, "what is asked of the server every 5 s")
    found = text()
    assert engine.terminate() == 0
    return found


def test_every_query_finds_its_metrics(exposition: str) -> None:
    known = promql.families(exposition)
    every = queries()
    assert len(every) > 40
    wrong = [f"{place}: {problem}\n    {expression}" for place, expression, shown in every
             for problem in promql.problems(promql.read(expression), known, shown)]
    assert not wrong, "\n" + "\n".join(wrong)


def test_a_wrong_query_is_seen() -> None:
    """The check itself: what it must find."""
    known = promql.families("# TYPE a_total counter\na_total{pipeline=\"p\"} 1\n# TYPE b gauge\nb{sink=\"s\"} 1\n"
                            "# TYPE c histogram\nc_bucket{pipeline=\"p\",le=\"1\"} 1\nc_sum{pipeline=\"p\"} 1\n")

    def wrong(expression: str, *shown: str) -> list[str]:
        return promql.problems(promql.read(expression), known, set(shown))
    for good in ('rate(a_total{pipeline=~"$pipeline"}[5m])', "time() - (b > 1e9)", "topk(10, sum by (pipeline) (a_total))",
                 "histogram_quantile(0.99, sum by (le, pipeline) (rate(c_bucket[$__rate_interval])))",
                 "sum by (pipeline) (increase(a_total[10m])) > 0 and sum by (pipeline) (a_total) == 0"):
        assert wrong(good) == [], good
    assert wrong("a_totals") == ["no metric a_totals"]
    assert wrong('a_total{sink="s"}') == ["a_total has no label sink"]
    assert wrong("sum by (sink) (a_total)") == ["a_total has no label sink to group by"]
    assert wrong("sum by (le) (a_total)") == ["a_total has no label le to group by"]
    assert wrong("rate(b[5m])") == ["rate() of b, which is a gauge"]
    assert wrong("c") == ["c is a histogram"] and wrong("b_sum") == ["b_sum is a gauge"]
    assert wrong("sum by (pipeline) (a_total)", "sink") == ["{{sink}} is no label of the result"]


def test_the_dashboard_is_whole() -> None:
    board = json.loads(DASHBOARD.read_text())
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    defined = {variable["name"] for variable in board["templating"]["list"]}
    used = {name for name in re.findall(r"\$\{?(\w+)", json.dumps(board)) if not name.startswith("__")}
    assert used == defined, used ^ defined
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken and at["x"] + at["w"] <= 24, panel["title"]
        taken |= cells


def test_alerts_are_whole() -> None:
    rules = [rule for group in yaml.safe_load(Path(ALERTS).read_text())["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules) >= 6
    for rule in rules:
        assert rule["labels"]["severity"] in ("warning", "critical"), rule["alert"]
        assert {"summary", "description"} <= set(rule["annotations"]), rule["alert"]
