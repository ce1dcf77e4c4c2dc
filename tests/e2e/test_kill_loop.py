"""SIGKILL at random instants under a writer of hundreds of transactions a second: nothing lost, nothing invented."""

from __future__ import annotations

import random
import time

import pytest

from conftest import Outlets, Servers, Workbench
from flow import SERVERS, SINKS, Arrivals, PositionWatch, matrix
from harness.mysql import MysqlFamily
from harness.oracle import check
from harness.postgres import lsn
from harness.workload import Writer


@pytest.mark.timeout(1800)
@matrix("which, sinks", "15-file 15-kafka 15-redis 15-nats 18-file+kafka+redis mysql-file mysql-valkey mysql-nats-new "
        "mariadb-file mariadb-kafka 15-http mysql-http mariadb-arrays",
        (18, *SERVERS), (*SINKS, "file+kafka+redis"))
def test_kill_loop(which: int | str, sinks: str, bench: Workbench, servers: Servers, outlet: Outlets, full: bool) -> None:
    server = servers(which)
    database = bench.database(server)
    Writer.create_tables(server, database)
    outlets = [outlet(kind, database) for kind in sinks.split("+")]
    arrivals = {each.kind: Arrivals(each.reader()) for each in outlets}
    repeating = [arrivals[each.kind] for each in outlets if not each.exactly_once]
    engine = bench.engine(server, database, [each.config for each in outlets],
                          tables=server.dialect.tables(database)).start()
    watch = PositionWatch(server, database, engine, outlets).start()
    writer = Writer(server, database, seed=len(str(which))).start()
    pick = random.Random(f"{which}{sinks}")

    wanted, counted, kills = (20 if full else 3), 0, 0
    give_up = time.monotonic() + (1200 if full else 120)
    while counted < wanted or not watch.moved() or any(each.duplicates == 0 for each in repeating):
        assert time.monotonic() < give_up, f"{counted} counted kills of {kills}; the test does not test"
        if not engine.alive():
            engine.start(ready=False)
        time.sleep(pick.uniform(0.05, pick.choice((0.2, 2.0))))  # in the middle of catching up, or in the calm after it
        acknowledged = writer.book.xids()
        engine.kill()
        kills += 1
        counted += all([acknowledged - each.look().xids for each in arrivals.values()])
        if isinstance(server, MysqlFamily):
            if kills % 3 == 0:
                server.flush_logs()
            continue
        confirmed = lsn(server.slot(f"df_{database}")["confirmed_flush_lsn"])
        for kind, each in arrivals.items():
            watch.add(kind, confirmed, len(each.reader.records))
    book = writer.stop()
    watch.stop()

    engine.start()
    for each in arrivals.values():
        each.wait_for(book)
    late = Writer(server, database, seed=99, book=book, first=90)
    late.commit(1)
    for each in arrivals.values():
        each.wait_for(book, 10)
    late.stop()
    assert engine.terminate() == 0

    report = [f"{kills} kills, {counted} counted, {len(book)} transactions, {watch.samples} looks at the positions"]
    for target in outlets:
        verdict = check(arrivals[target.kind].look().reader.records, book, server, database).assert_sound()
        watch.assert_covered(target.kind, verdict)
        report.append(f"{target.kind}: {verdict.events} events, {verdict.duplicates} repeated")
        if target.exactly_once:
            assert verdict.duplicates == 0, "each event shows once here"
        else:
            assert verdict.duplicates > 0, "no repetition seen: the kills hit nothing"
    print("; ".join(report))
