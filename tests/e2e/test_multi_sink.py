"""Two sinks, each with its own position: a restart repeats nothing that a sink has stored."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from conftest import Outlets, Servers, Workbench
from flow import SERVERS, SINKS, Arrivals, commit_number, matrix, reach
from harness.disk import SmallDisk
from harness.oracle import check
from harness.outlets import Outlet
from harness.procs import wait_until
from harness.workload import Writer, single_row


@contextmanager
def _away(outlet: Outlet) -> Iterator[None]:
    outlet.server.proxy.cut()
    try:
        yield
    finally:
        outlet.server.proxy.heal()


@matrix("which, other, ahead",
        "15-kafka-file 15-kafka-other mysql-valkey-other mariadb-redis-file 15-http-other mysql-nats-new-other",
        SERVERS, SINKS[1:],
        ("file", "other"))
def test_restart_with_one_sink_ahead(which: int | str, other: str, ahead: str, bench: Workbench, servers: Servers,
                                     outlet: Outlets, small_disk: SmallDisk) -> None:
    server = servers(which)
    database = bench.database(server)
    Writer.create_tables(server, database)
    file, remote = outlet("file", database, path=small_disk.path / "out"), outlet(other, database, proxied=True)
    assert remote.server is not None
    arrivals = {each.kind: Arrivals(each.reader()) for each in (file, remote)}
    leader, follower = (file, remote) if ahead == "file" else (remote, file)
    engine = bench.engine(server, database, [file.config, remote.config], tables=server.dialect.tables(database),
                          batch={"max_events": 10, "max_inflight": 64}).start()
    writer = Writer(server, database, sizes=single_row, big=200)
    writer.commit(30)
    for each in arrivals.values():
        each.wait_for(writer.book)

    def lead() -> int:
        return len(arrivals[leader.kind].look().xids) - len(arrivals[follower.kind].look().xids)

    def stored(sink: Outlet) -> int:
        return reach(engine.position(sink.kind) or {"lsn": "0/0"})

    with small_disk.full() if follower is file else _away(remote):
        for _ in range(40):  # in small steps, so that many batches are cut
            writer.commit(5)
            wait_until(lambda: len(arrivals[leader.kind].look().xids) > 30, 20, f"{leader.kind} to go on alone")
        wait_until(lambda: lead() >= 50, 30, f"{leader.kind} to be 50 commits ahead")
        wait_until(lambda: stored(leader) > stored(follower), 10, "the positions to part")
        engine.kill()
    position = remote.position(engine)
    assert position is not None
    first_run = {name: len(each.look().reader.records) for name, each in arrivals.items()}

    engine.config.write_text(engine.config.read_text().replace("max_events: 10", "max_events: 7"))
    engine.start()
    writer.commit(20)
    book = writer.stop()
    for each in arrivals.values():
        each.wait_for(book)
    assert engine.terminate() == 0
    assert check(arrivals["file"].look().reader.records, book, server, database).assert_sound().duplicates == 0
    verdict = check(arrivals[other].look().reader.records, book, server, database).assert_sound()
    early = {xid for xid in verdict.duplicated if commit_number(verdict, xid) < reach(position)}
    assert not early, f"{other} got again what lies before its stored position {position}: {early}"
    assert first_run[leader.kind] > first_run[follower.kind]
