"""The comparison of text cases can fail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.cases import Case, Comparison, parse_exact, read_case


def compare(found: str, wanted: str) -> list[str]:
    return Comparison().event(parse_exact(found), parse_exact(wanted))


@pytest.mark.parametrize(("found", "wanted"), [
    ('{"op":"c","ts_ms":1}', '{"op":"c"}'),
    ('{"after":{"a":1,"b":[1.0,null]}}', '{"after":{"a":1,"b":[1.0,null]}}'),
    ('{"source":{"lsn":"0/1A","x":1}}', '{"source":{"lsn":"<lsn>"}}'),
    ('{"gtid":"3e11fa47-71ca-11e1-9e33-c80aa9429562:23","file":"a-bin.000001"}', '{"gtid":"<gtid>","file":"<binlog>"}'),
    ('{"gtid":"3e11fa47-71ca-11e1-9e33-c80aa9429562:tag:1"}', '{"gtid":"<gtid>"}'),
    ('{"gtid":"0-1-100"}', '{"gtid":"<gtid>"}'),
    ('{"before":null}', '{"before":null,"tx_end":"<absent>"}'),
])
def test_same(found: str, wanted: str) -> None:
    assert compare(found, wanted) == []


@pytest.mark.parametrize(("found", "wanted"), [
    ('{"op":"c"}', '{"op":"u"}'),
    ('{"after":{"a":1}}', '{"after":{"a":"1"}}'),
    ('{"after":{"a":1}}', '{"after":{"a":1.0}}'),
    ('{"after":{"b":1,"a":1}}', '{"after":{"a":1,"b":1}}'),
    ('{"after":{"a":1,"b":1}}', '{"after":{"a":1}}'),
    ('{"after":{"a":[1,2]}}', '{"after":{"a":[1]}}'),
    ('{"before":{}}', '{"before":null}'),
    ('{"source":{"lsn":"x"}}', '{"source":{"lsn":"<lsn>"}}'),
    ('{"gtid":"3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5"}', '{"gtid":"<gtid>"}'),
    ('{"gtid":""}', '{"gtid":"<gtid>"}'),
    ('{"tx_end":true}', '{"tx_end":"<absent>"}'),
    ('{"op":"c"}', '{"op":"c","ts_ms":"<int>"}'),
    ('{"b":1,"a":1}', '{"exact":true,"a":1,"b":1}'),
    ('{"op":"<any>"}', '{"op":true}'),
])
def test_different(found: str, wanted: str) -> None:
    assert compare(found, wanted) != []


def test_bound_names_hold_for_the_case() -> None:
    wanted: list[Any] = [{"x": "<a=int>"}, {"x": "<a=int>"}, {"x": "<b=int>"}]
    assert Comparison().events([{"x": "1"}, {"x": "1"}, {"x": "2"}], wanted) == []
    assert Comparison().events([{"x": "1"}, {"x": "2"}, {"x": "3"}], wanted) != []
    assert Comparison().events([{"x": "1"}, {"x": "1"}, {"x": "1"}], wanted) != []
    assert Comparison().events([{"x": "1"}, {"x": "1"}], wanted) != []


def test_reader_names_file_and_line(tmp_path: Path) -> None:
    for text in ("--- what\n", "setting: 1\n", "--- expect\n{broken\n", "servers: oracle\n", "--- sql oracle\n"):
        (tmp_path / "x.case").write_text(text)
        with pytest.raises(ValueError, match=r"x\.case:\d"):
            read_case(tmp_path / "x.case")


def test_sections_may_be_for_one_server(tmp_path: Path) -> None:
    (tmp_path / "x.case").write_text(
        "servers: mysql mariadb\ntables: t, other.u\n--- setup\nA\n--- setup mariadb\nB\n--- sql\nC\n"
        '--- expect\n{"n":1}\n--- expect mysql\n{"n":2}\n--- expect mariadb\n{"n":3}\n--- expect\n{"n":4}\n')
    case = read_case(tmp_path / "x.case")
    assert case.runs() == ["mysql", "mariadb"]
    assert (case.on("mysql").setup, case.on("mariadb").setup) == ("A\n", "A\nB\n")
    assert case.on("mariadb").sql == "C\n"
    assert [event["n"] for event in case.on("mysql").expect] == ["1", "2", "4"]
    assert [event["n"] for event in case.on("mariadb").expect] == ["1", "3", "4"]
    assert case.captured("mysql", "d") == ["d.t", "other.u", "d.case_end"]
    assert Case("y").runs() == [15, 18] and Case("y").captured(15, "d") == ["public.t", "public.case_end"]
