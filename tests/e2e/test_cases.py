"""Runs tests/cases/*.case: real SQL on a real server, the events that arrive compared field by field."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from conftest import Workbench
from harness.cases import Comparison, parse_exact, read_case
from harness.engine import file_sink
from harness.postgres import Postgres
from harness.procs import REPO, Timeout, wait_until
from harness.readers import FileReader

CASES = [read_case(path) for path in sorted((REPO / "tests/cases").glob("*.case"))]
RUNS = [(case, version) for case in CASES for version in case.versions]


@pytest.mark.parametrize(("case", "version"), RUNS, ids=[f"{case.name}-{version}" for case, version in RUNS])
def test_case(case, version: int, bench: Workbench, servers: Callable[[int], Postgres]) -> None:
    pg = servers(version)
    database = bench.database(pg)
    pg.execute("CREATE TABLE public.case_end (id int PRIMARY KEY)", database)
    pg.psql(case.setup, database)
    engine = bench.engine(pg, database, [file_sink(bench.home / "out")],
                          tables=[*case.tables, "public.case_end"]).start()
    reader = FileReader(bench.home / "out")
    pg.psql(case.sql, database)
    pg.execute("INSERT INTO public.case_end VALUES (1)", database)

    def ended() -> bool:
        reader.drain()
        return any(b'"table":"case_end"' in record for record in reader.records[-1:])
    try:
        wait_until(ended, 20, "the end of the case")
    except Timeout as late:
        raise AssertionError(f"{late}; {engine.pipeline()['error']}; {len(reader.records)} events so far\n"
                             f"{engine.log_tail(10)}") from None
    problems = Comparison().events([parse_exact(record) for record in reader.records[:-1]], case.expect)
    text = "\n".join(record.decode() for record in reader.records[:-1])
    assert not problems, "\n".join([*problems, "the events were:", text])
