"""Each checker can fail: broken input is found, sound input is not."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import check_layers
import check_promises
import check_sizes
import results

REPO = Path(__file__).resolve().parents[1]


def layers(tmp_path: Path, name: str, include: str) -> list[str]:
    for folder in ("base", "core", "encode", "pipeline", "sinks/a", "sinks/b", "sinks/testing", "server"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "x.h").write_text("")
    (tmp_path / name).write_text(f"#include {include}\n")
    return check_layers.check(tmp_path, check_layers.Rules((REPO / "tools/layers.txt").read_text()))


def test_layers_may_point_down(tmp_path: Path) -> None:
    assert layers(tmp_path, "sinks/a/a.cc", '"encode/x.h"') == []
    assert layers(tmp_path, "sinks/a/a.cc", '"base/x.h"') == []
    assert layers(tmp_path, "server/a.cc", '"sinks/b/x.h"') == []


def test_layers_must_not_point_up_or_sideways(tmp_path: Path) -> None:
    assert "must not include" in layers(tmp_path, "base/a.cc", '"core/x.h"')[0]
    assert "must not include" in layers(tmp_path, "sinks/a/a.cc", '"sinks/b/x.h"')[0]
    assert "must not include" in layers(tmp_path, "sinks/a/a.h", '"pipeline/x.h"')[0]
    assert "must not include" in layers(tmp_path, "pipeline/a.cc", '"sinks/b/x.h"')[0]


def test_test_kits_are_for_tests(tmp_path: Path) -> None:
    assert layers(tmp_path, "sinks/a/a_test.cc", '"sinks/testing/x.h"') == []
    assert layers(tmp_path, "sinks/a/a.cc", '"sinks/testing/x.h"') != []


def test_vendor_headers_stay_at_home(tmp_path: Path) -> None:
    assert "belongs to" in layers(tmp_path, "core/a.cc", "<librdkafka/rdkafka.h>")[0]
    assert "in a header" in layers(tmp_path / "other", "server/a.h", "<microhttpd.h>")[0]


def sizes(tmp_path: Path, name: str, text: str, waivers: dict[str, int] | None = None) -> list[str]:
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return check_sizes.check(tmp_path, [file], waivers or {})


def test_sizes_of_files(tmp_path: Path) -> None:
    assert sizes(tmp_path, "src/a.h", "\n" * 200) == []
    assert "201 lines" in sizes(tmp_path, "src/a.h", "\n" * 201)[0]
    assert "601 lines" in sizes(tmp_path, "src/a.cc", "\n" * 601)[0]
    assert sizes(tmp_path, "src/a_test.cc", "\n" * 800) == []
    assert sizes(tmp_path, "src/a.h", "\n" * 210, {"src/a.h": 210}) == []
    assert sizes(tmp_path, "src/a.cc", "\n" * 1001, {"src/a.cc": 2000}) != []


def test_sizes_of_functions(tmp_path: Path) -> None:
    def body(lines: int) -> str:
        return ("namespace a {\nstruct S {\n  int f(int x) {\n    if (x) {\n    }\n"  # the braces in "{" do not count
                + "    g();\n" * (lines - 4) + "  }\n};\n}\n")
    assert sizes(tmp_path, "src/a.cc", body(70)) == []
    assert "a.cc::f: 71 lines" in sizes(tmp_path, "src/a.cc", body(71))[0]


def test_waivers_only_shrink(tmp_path: Path) -> None:
    assert "shrink" in sizes(tmp_path, "src/a.h", "\n" * 210, {"src/a.h": 250})[0]
    assert "no such thing" in sizes(tmp_path, "src/a.h", "\n", {"src/b.h": 250})[0]


GUARANTEES = "### Nothing is lost\ntext\n`test: test_kill_loop::test_file`\n"


def test_promises() -> None:
    def ran(*states: str) -> list[results.Result]:
        return [results.Result("test_kill_loop", f"test_file[{i}]", state) for i, state in enumerate(states)]
    assert check_promises.check(GUARANTEES, ran("passed", "passed")) == []
    assert "failed" in check_promises.check(GUARANTEES, ran("passed", "failed"))[0]
    assert "skipped" in check_promises.check(GUARANTEES, ran("skipped"))[0]
    assert "did not run" in check_promises.check(GUARANTEES, ran())[0]
    assert "names no test" in check_promises.check("### Nothing is lost\n", ran())[0]
    assert "no promise" in check_promises.check("", ran())[0]


def test_results_count_skips_as_failures(tmp_path: Path) -> None:
    results.record(tmp_path, "a", "passed")
    results.record(tmp_path, "suite::b", "failed")
    (tmp_path / "gtest.xml").write_text(
        '<testsuites><testsuite><testcase name="x" classname="S" status="run" result="completed"/>'
        '<testcase name="y" classname="S" status="notrun" result="suppressed"/></testsuite></testsuites>')
    (tmp_path / "torn.xml").write_text("<testsuites>")
    passed, bad = results.summarize(tmp_path)
    assert passed == 2
    assert {(result.suite, result.name, result.state) for result in bad} == {
        ("suite", "b", "failed"), ("S", "y", "skipped"), ("results", "torn.xml cannot be read", "failed")}
