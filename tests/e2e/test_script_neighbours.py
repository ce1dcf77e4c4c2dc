"""Scripts that want too much: the pipelines beside them in the process do not feel it, and the error names who did it."""

from __future__ import annotations

import time
from typing import Any

import pytest

from conftest import Servers, Workbench
from harness.engine import Engine, file_sink, pipeline, postgres_source
from harness.postgres import Postgres
from harness.procs import wait_until
from harness.readers import FileReader

GREEDY = {
    "loop": "(e) => { for (;;) {} }",
    "objects": "(e) => { const all = []; for (;;) all.push({a: {}, b: []}); }",
    "strings": "(e) => { const all = []; for (let i = 0;; ++i) all.push(('x' + i).repeat(10000).split('').join('y')); }",
    "typed-arrays": "(e) => { const all = []; for (;;) all.push(new Uint8Array(1000000).fill(1)); }",
    "regex": "(e) => /^(a+)+$/.test('a'.repeat(40) + 'b')",
}
# Takes as much of the machine, within its limits: that much is nobody's harm.
BUSY = "(e) => { for (const end = Date.now() + 100; Date.now() < end;); return [e]; }"
SAMPLES = 120
ROUNDS = 4  # the best counts: other tests run beside this one


def script(text: str, on_error: str) -> dict[str, Any]:
    return {"type": "javascript", "id": "greedy", "inline": text, "on_error": on_error,
            "limits": {"cpu_ms": 200, "mem_mb": 64, "timeout_ms": 5000}}


class Neighbour:
    """How long a row takes from its commit into the file of a pipeline that does nothing wrong."""

    def __init__(self, pg: Postgres, database: str, reader: FileReader) -> None:
        self.pg, self.database, self.reader, self.count = pg, database, reader, 0

    def p99(self) -> float:
        """In milliseconds."""
        took = []
        with self.pg.connect(self.database) as link, link.cursor() as cursor:
            for _ in range(SAMPLES):
                self.count += 1
                cursor.execute("INSERT INTO good VALUES (%s)", (self.count,))
                begin = time.monotonic()
                wait_until(lambda: self.reader.drain() is not None and len(self.reader.records) == self.count, 20,
                           "the neighbour's row", every=0.003)
                took.append(time.monotonic() - begin)
        return sorted(took)[-1 - SAMPLES // 100] * 1000


def start(bench: Workbench, pg: Postgres, database: str) -> Engine:
    for table in ("good", "bad"):
        pg.execute(f"CREATE TABLE {table} (id int PRIMARY KEY)", database)
    documents = []
    for table in ("good", "bad"):
        source = postgres_source(pg.dsn(database), name=f"{database}_{table}", tables=[f"public.{table}"])
        documents.append(pipeline(source, [file_sink(bench.home / table)], name=table))
    documents[1]["spec"]["batch"] = {"max_events": 1}  # a call each
    documents[1]["spec"]["processors"] = [script("(e) => [e]", "fail")]
    return bench.keep(Engine(bench.home / "engine", documents)).start()


@pytest.mark.timeout(400)
@pytest.mark.parametrize("greedy", GREEDY)
def test_neighbours_are_unharmed(greedy: str, bench: Workbench, servers: Servers) -> None:
    pg = servers(15)
    database = bench.database(pg)
    engine = start(bench, pg, database)
    neighbour = Neighbour(pg, database, FileReader(bench.home / "good"))
    alone = neighbour.p99()
    memory = engine.anonymous_mib()

    def use(text: str, on_error: str) -> None:
        status, answer = engine.request("PATCH", "/pipelines/bad", {"spec": {"processors": [script(text, on_error)]}})
        assert status == 200, answer
    use(BUSY, "fail")
    pg.execute("DO $$ BEGIN FOR i IN 1..3000 LOOP INSERT INTO bad VALUES (i); COMMIT; END LOOP; END $$", database)
    lawful = min(neighbour.p99() for _ in range(2))
    use(GREEDY[greedy], "drop")
    errors = "deltaforge_script_errors_total"
    wait_until(lambda: engine.metric(errors) >= 2, 30, "the offender to be at it")
    allowed, beside, most = max(lawful + 50, lawful * 3), float("inf"), 0.0
    for _ in range(ROUNDS):
        before = engine.metric(errors)
        beside = min(beside, neighbour.p99())
        most = max(most, engine.anonymous_mib())
        assert engine.metric(errors) > before, "the offender has come to an end; the test does not test"
        if beside <= allowed:
            break
    print(f"{greedy}: p99 {alone:.0f} ms alone, {lawful:.0f} ms beside a busy script, {beside:.0f} ms beside this one; "
          f"{memory:.0f} MiB before, {most:.0f} MiB at most")
    assert beside <= allowed
    assert most - memory < (1200 if b"__asan_init" in engine.binary.read_bytes() else 400)

    use(GREEDY[greedy], "fail")
    wait_until(lambda: engine.pipeline("bad").get("error"), 30, "the offender to be named")
    error = engine.pipeline("bad")["error"]
    assert "processor 'greedy'" in error["message"] and "public.bad" in error["message"], error
    assert "limits." in error["message"] or "out of memory" in error["message"], error
    assert engine.pipeline("good")["status"] == "running" and not engine.pipeline("good").get("error")
    begin = time.monotonic()
    assert engine.terminate() in (0, 4)
    assert time.monotonic() - begin < 3
