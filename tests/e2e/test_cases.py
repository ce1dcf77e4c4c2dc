"""Runs tests/cases/*.case: real SQL on a real server, the events that arrive compared field by field."""

from __future__ import annotations

import pytest

from conftest import Servers, Workbench
from harness.cases import Case, Comparison, parse_exact, read_case
from harness.engine import file_sink
from harness.procs import REPO, Timeout, wait_until
from harness.readers import FileReader

CASES = [read_case(path) for path in sorted((REPO / "tests/cases").rglob("*.case"))]
RUNS = [(case, run) for case in CASES for run in case.runs()]


@pytest.mark.parametrize(("case", "run"), RUNS, ids=[f"{case.name}-{run}" for case, run in RUNS])
def test_case(case: Case, run: int | str, bench: Workbench, servers: Servers) -> None:
    server, script = servers(run), case.on(run)
    database = bench.database(server)
    captured = case.captured(run, database)
    end = captured[-1]
    server.execute(f"CREATE TABLE {end} (id int PRIMARY KEY)", database)
    server.script(script.setup, database)
    engine = bench.engine(server, database, [file_sink(bench.home / "out")], tables=captured).start()
    reader = FileReader(bench.home / "out")
    server.script(script.sql, database)
    server.execute(f"INSERT INTO {end} VALUES (1)", database)

    def ended() -> bool:
        reader.drain()
        return any(b'"table":"case_end"' in record for record in reader.records[-1:])
    try:
        wait_until(ended, 20, "the end of the case")
    except Timeout as late:
        raise AssertionError(f"{late}; {engine.pipeline()['error']}; {len(reader.records)} events so far\n"
                             f"{engine.log_tail(10)}") from None
    problems = Comparison().events([parse_exact(record) for record in reader.records[:-1]], script.expect)
    text = "\n".join(record.decode() for record in reader.records[:-1])
    assert not problems, "\n".join([*problems, "the events were:", text])
