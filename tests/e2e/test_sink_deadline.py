"""`sink_batch_deadline_secs`: a sink that neither fails nor answers is given up in time, and its batch is sent again."""

from __future__ import annotations

import json

from conftest import Outlets, Servers, Workbench
from harness.procs import wait_until


def test_a_batch_without_an_answer(bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    pg = servers(15)
    database = bench.database(pg)
    pg.execute("CREATE TABLE t (id int PRIMARY KEY)", database)
    # Its own time-outs would wait for a quarter of an hour.
    to = outlet("redis", "slow", proxied=True, send_timeout_secs=900, batch_timeout_secs=3600)
    engine = bench.engine(pg, database, [to.config], sink_batch_deadline_secs=2).start()
    reader = to.reader()

    def rows() -> list[int]:
        reader.drain()
        return [json.loads(record)["after"]["id"] for record in reader.records]
    pg.execute("INSERT INTO t VALUES (1)", database)
    wait_until(lambda: rows() == [1] and to.position(engine), 20, "the first row to be delivered")
    first = to.position(engine)

    to.server.proxy.drop_replies()
    pg.execute("INSERT INTO t VALUES (2)", database)
    wait_until(lambda: "not acknowledged within sink_batch_deadline_secs (2 s)" in engine.log_text(), 20,
               "the deadline to pass")
    engine.wait_status({"degraded"}, 5)
    assert engine.metric("deltaforge_coordinator_sink_timeout_total") >= 1
    to.server.proxy.heal()
    engine.wait_status({"running"}, 30)
    pg.execute("INSERT INTO t VALUES (3)", database)
    wait_until(lambda: 3 in rows() and to.position(engine) != first, 30, "all rows to be delivered")
    assert rows() == [1, 2, 2, 3], "the server had taken the second row, unheard"
