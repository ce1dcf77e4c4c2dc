"""The comparison of text cases can fail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.cases import Comparison, parse_exact, read_case


def compare(found: str, wanted: str) -> list[str]:
    return Comparison().event(parse_exact(found), parse_exact(wanted))


@pytest.mark.parametrize(("found", "wanted"), [
    ('{"op":"c","ts_ms":1}', '{"op":"c"}'),
    ('{"after":{"a":1,"b":[1.0,null]}}', '{"after":{"a":1,"b":[1.0,null]}}'),
    ('{"source":{"lsn":"0/1A","x":1}}', '{"source":{"lsn":"<lsn>"}}'),
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
    for text in ("--- what\n", "setting: 1\n", "--- expect\n{broken\n"):
        (tmp_path / "x.case").write_text(text)
        with pytest.raises(ValueError, match=r"x\.case:\d"):
            read_case(tmp_path / "x.case")
