"""`deltaforge plan` tells what a start would do, and does nothing of it: servers, sinks, state and files are the same
before and after, whatever it finds."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from confluent_kafka.admin import AdminClient

from conftest import Outlets, Servers, Workbench
from flow import SERVERS, matrix
from harness import mysql, postgres
from harness.engine import Engine, blackhole_sink, capture, file_sink, kafka_sink, mysql_source, pipeline, redis_sink
from harness.kafka import SCRAM_PASSWORD, SCRAM_USER, Kafka
from harness.mysql import MysqlFamily
from harness.postgres import Postgres
from harness.procs import free_port, wait_until
from harness.redis import Redis
from harness.stored import stored_position

WRONG = "canary-wrong-9c4f"
SECRETS = (postgres.PASSWORD, mysql.PASSWORD, SCRAM_PASSWORD, WRONG)

pairs = matrix("which, kind", "15-file 15-kafka 15-redis 18-file mysql-file mysql-kafka mariadb-file mariadb-redis",
               (*SERVERS, 18), ("file", "kafka", "redis"))


@dataclass
class Plan:
    code: int
    text: str
    pipelines: list[dict[str, Any]]

    def said(self, kind: str, part: str = "") -> str:
        """All findings of one kind, with their remedies, statements and names."""
        found = [finding for each in self.pipelines for section in each["parts"] if part in ("", section["part"])
                 for finding in section["findings"] if finding["kind"] == kind]
        return "\n".join(" ".join([each["text"], each.get("remedy", ""), *each.get("statements", []), *each.get("names", [])])
                         for each in found)

    def remedies(self) -> list[str]:
        return [finding.get("remedy", "") for each in self.pipelines for section in each["parts"]
                for finding in section["findings"] if finding["kind"] == "problem"]

    def starts(self) -> "Plan":
        assert self.code == 0 and "would start" in self.text and self.said("problem") == "", self.text
        return self

    def refuses(self, *texts: str) -> "Plan":
        assert self.code == 1 and "would not start: " in self.text, self.text
        for text in texts:
            assert text in self.said("problem"), f"{text!r} is no problem of\n{self.text}"
        return self


def plan(engine: Engine, *flags: str, seconds: float = 45) -> Plan:
    """As text and as JSON. Neither says a password."""
    argv = [str(engine.binary), "plan", str(engine.config), "--storage-path", str(engine.database), *flags]
    done = [subprocess.run([*argv, *form], capture_output=True, text=True, timeout=seconds, cwd=engine.root)
            for form in ([], ["--json"])]
    for each in done:
        for secret in SECRETS:
            for form in (secret, quote(secret, safe="")):
                assert form not in each.stdout + each.stderr, "a password is printed"
        assert each.stderr == "", each.stderr
    answer = json.loads(done[1].stdout)
    assert done[0].returncode == done[1].returncode == (0 if answer["would_start"] else 1), done[0].stdout
    return Plan(done[0].returncode, done[0].stdout, answer["pipelines"])


def _files(bench: Workbench) -> dict[str, Any]:
    """Of engines and file sinks; a private server lies beside them, and does as it likes."""
    def of(path: Path) -> Any:
        return path.read_bytes() if path.is_file() else sorted(path.iterdir())
    tops = [path for path in bench.home.iterdir() if not re.fullmatch(r"\w+-\d+", path.name) or "engine" in path.name]
    return {str(path): (path.stat().st_mtime_ns, of(path))
            for path in [bench.home, *tops, *(below for top in tops for below in top.rglob("*"))]}


def _of_server(server: Any, database: str) -> Any:
    if isinstance(server, Postgres):
        return [server.query(sql, database) for sql in (
            "SELECT slot_name, plugin, restart_lsn::text, confirmed_flush_lsn::text FROM pg_replication_slots ORDER BY 1",
            "SELECT pubname, obj_description(oid, 'pg_publication') FROM pg_publication ORDER BY 1",
            "SELECT prpubid, prrelid FROM pg_publication_rel ORDER BY 1, 2",
            "SELECT oid, relname, relreplident, relowner FROM pg_class ORDER BY 1",
            "SELECT rolname, rolreplication, rolcanlogin FROM pg_roles ORDER BY 1")]
    return [server.binlog_status(), server.executed_gtids(), server.query("SHOW DATABASES"),
            server.query("SELECT user, host FROM mysql.user ORDER BY 1, 2")]


@pytest.fixture
def unchanged(bench: Workbench, request: pytest.FixtureRequest) -> Callable[..., Plan]:
    """Plans, and compares all there is before and after."""
    def run(server: Any, database: str, engine: Engine, *flags: str) -> Plan:
        def everything() -> list[Any]:
            seen = [_files(bench), _of_server(server, database)]
            if "kafka" in request.fixturenames:
                admin = AdminClient({"bootstrap.servers": request.getfixturevalue("kafka").brokers})
                seen.append(sorted(admin.list_topics(timeout=10).topics))
            if "redis" in request.fixturenames:
                redis: Redis = request.getfixturevalue("redis")
                seen.append(sorted((key, redis.ask("TYPE", key)) for key in redis.ask("KEYS", "*")))
            return seen
        before = everything()
        result = plan(engine, *flags)
        assert everything() == before
        return result
    return run


def _dsn(server: Any, database: str, user: str = "cdc", password: str | None = None, port: int | None = None) -> str:
    if isinstance(server, Postgres):
        return server.dsn(database, user=user, password=password or postgres.PASSWORD, port=port)
    return server.dsn(user=user, password=password or mysql.PASSWORD, port=port)


def _engine(bench: Workbench, server: Any, database: str, sink: dict[str, Any], **dsn: Any) -> Engine:
    tables = ["public.t"] if isinstance(server, Postgres) else [f"{database}.t"]
    return bench.engine(server, database, [sink], tables=tables, dsn=_dsn(server, database, **dsn))


def _table(bench: Workbench, server: Any, which: str = "t") -> str:
    database = bench.database(server)
    server.execute(f"CREATE TABLE {which} (id int PRIMARY KEY)", database)
    return database


def _runs_once(engine: Engine, server: Any, database: str, sink_id: str) -> None:
    """It has delivered a row, and is killed."""
    engine.start()
    server.execute("INSERT INTO t VALUES (1)", database)
    wait_until(lambda: stored_position(engine.database, sink_id), 20, "a stored position")
    engine.kill()
    if isinstance(server, Postgres):
        server.wait_slot_free(f"df_{database}")


@pairs
def test_what_a_start_would_do(which: int | str, kind: str, bench: Workbench, servers: Servers, outlet: Outlets,
                               unchanged: Callable[..., Plan], request: pytest.FixtureRequest) -> None:
    """Fresh, beside the running engine, after it was killed, and after a clean stop."""
    server = servers(which)
    database = _table(bench, server)
    sink = outlet(kind, f"plan_{database}")
    engine = _engine(bench, server, database, sink.config)
    if kind != "file":
        request.getfixturevalue(kind)

    fresh = unchanged(server, database, engine).starts()
    assert "there is no state yet" in fresh.said("step", "state")
    assert "first start" in fresh.said("fact", "source") and f"{server.flavor if not isinstance(which, int) else which}" in \
        fresh.said("fact", "source").lower()
    assert f"tables that match{'' if isinstance(which, int) else ', of those that the user may see'}: 1" in fresh.text
    if isinstance(which, int):
        steps = fresh.said("step", "source")
        assert f'CREATE PUBLICATION "df_{database}_pub" FOR TABLE "public"."t" WITH' in steps
        assert f'CREATE_REPLICATION_SLOT "df_{database}" LOGICAL pgoutput' in steps

    engine.start()
    server.execute("INSERT INTO t VALUES (1)", database)
    wait_until(lambda: stored_position(engine.database, sink.config["config"]["id"]), 20, "a stored position")
    beside = plan(engine).refuses(f"in use by process {engine.pid}")
    assert "position of sink" in beside.said("fact", "state")
    if isinstance(which, int):
        beside.refuses(f'replication slot "df_{database}" is active')
    if kind == "file":
        beside.refuses(f"process {engine.pid} writes into")
    engine.wait_status({"running"}, 5)
    engine.kill()

    if isinstance(which, int):
        server.wait_slot_free(f"df_{database}")
    killed = unchanged(server, database, engine).starts()
    assert ("(its own)" if kind == "file" else "(stored)") in killed.said("fact", "state")
    assert "goes on" in killed.said("fact", "source") and killed.said("step") == "", killed.text
    if isinstance(which, int):
        assert "made by this pipeline" in killed.said("fact", "source") and "confirmed_flush_lsn" in killed.text
    engine.start()
    assert engine.terminate() == 0
    if isinstance(which, int):
        server.wait_slot_free(f"df_{database}")
    unchanged(server, database, engine).starts()


@pytest.mark.parametrize("which", SERVERS)
def test_wrong_password(which: int | str, bench: Workbench, servers: Servers, unchanged: Callable[..., Plan]) -> None:
    server = servers(which)
    database = _table(bench, server)
    engine = _engine(bench, server, database, blackhole_sink(), password=WRONG)
    refused = unchanged(server, database, engine).refuses("cdc")
    assert "password" in "".join(refused.remedies())


@pytest.mark.parametrize("version", [15, 18])
def test_missing_grants_postgres(version: int, bench: Workbench, servers: Servers, unchanged: Callable[..., Plan]) -> None:
    """All at once; who runs what it prints has a pipeline that starts."""
    server = servers(version)
    database = _table(bench, server)
    user = f"poor_{database}"
    server.execute(f"CREATE ROLE {user} LOGIN")
    server.execute(f"GRANT SELECT ON t TO {user}", database)
    try:
        engine = bench.engine(server, database, [blackhole_sink()], tables=["public.t"],
                              dsn=server.dsn(database, user=user))
        refused = unchanged(server, database, engine).refuses(
            "may not read the log", "may not make a publication", "does not own 1 of the tables")
        for remedy in refused.remedies():
            server.execute(remedy.split(" Or let ")[0], database)
        unchanged(server, database, engine).starts()
        engine.start()
        engine.kill()
        server.wait_slot_free(f"df_{database}")
    finally:
        server.execute(f"REASSIGN OWNED BY {user} TO postgres; DROP OWNED BY {user}", database)
        server.execute(f"DROP ROLE {user}")


def _settle(server: Any) -> None:
    """MariaDB writes one thing more into a new file, a moment after it has begun it."""
    def still() -> bool:
        before = server.binlog_status()
        time.sleep(1)
        return server.binlog_status() == before
    wait_until(still, 20, "the log to stand still")


@pytest.mark.parametrize("flavor", ["mysql", "mariadb"])
def test_missing_settings_and_grants_mysql(flavor: str, bench: Workbench, unchanged: Callable[..., Plan]) -> None:
    server = bench.server(flavor, settings={"binlog-row-metadata": "MINIMAL", "binlog-format": "MIXED"})
    database = _table(bench, server)
    engine = _engine(bench, server, database, blackhole_sink(), user="denied")
    refused = unchanged(server, database, engine).refuses("binlog_row_metadata is MINIMAL", "binlog_format is MIXED",
                                                          "may not read it", "may not ask where it ends")
    assert f"the table pattern {database}.t matches no table that the user may see" in refused.said("warning")
    for statement in " ".join(refused.remedies()).split(";"):
        if statement.startswith((" SET", "SET", " GRANT", "GRANT")):
            server.execute(statement.replace("'denied'", "denied"))
    unchanged(server, database, engine).starts()


def test_missing_setting_postgres(bench: Workbench, unchanged: Callable[..., Plan]) -> None:
    server = bench.server(15, settings={"wal_level": "replica"})
    database = _table(bench, server)
    refused = unchanged(server, database, _engine(bench, server, database, blackhole_sink()))
    refused.refuses("wal_level is replica", "ALTER SYSTEM SET wal_level = 'logical'")


def test_no_slot_left(bench: Workbench, unchanged: Callable[..., Plan]) -> None:
    server = bench.server(15, settings={"max_replication_slots": "1"})
    database = _table(bench, server)
    server.execute("SELECT pg_create_logical_replication_slot('other', 'pgoutput')", database)
    unchanged(server, database, _engine(bench, server, database, blackhole_sink())).refuses("no free replication slot")


@pytest.mark.parametrize("which", SERVERS)
def test_nobody_answers(which: int | str, bench: Workbench, servers: Servers, unchanged: Callable[..., Plan]) -> None:
    """Neither server nor sinks: each is a problem, and all are told."""
    server = servers(which)
    database = _table(bench, server)
    dead = free_port()
    source = capture(server, bench.home / "engine", database, [], dsn=_dsn(server, database, port=dead))
    document = json.loads(json.dumps(_document(source)))
    document["spec"]["sinks"] = [kafka_sink(f"127.0.0.1:{dead}", "t"), redis_sink(f"redis://127.0.0.1:{dead}", "s"),
                                 file_sink(bench.home / "engine" / "pipeline.yaml")]
    engine = bench.keep(Engine(bench.home / "engine", document))
    refused = unchanged(server, database, engine).refuses("connecting to Kafka", "Redis", "file sink")
    for part in ("source", "sink"):
        assert str(dead) in refused.said("problem", part), refused.text
    assert len(refused.remedies()) == 4 and all(refused.remedies()), refused.text
    unchanged(server, database, engine, "--offline").starts()


def _document(engine: Engine) -> dict[str, Any]:
    return yaml.safe_load(engine.config.read_text())


@pytest.mark.parametrize("which", SERVERS)
def test_pattern_that_matches_nothing(which: int | str, bench: Workbench, servers: Servers,
                                      unchanged: Callable[..., Plan]) -> None:
    server = servers(which)
    database = _table(bench, server, "other")
    engine = _engine(bench, server, database, blackhole_sink())
    assert "matches no table" in unchanged(server, database, engine).starts().said("warning", "source")


def test_tables_without_identity(bench: Workbench, servers: Servers, unchanged: Callable[..., Plan]) -> None:
    server = servers(15)
    database = bench.database(server)
    server.execute("CREATE TABLE keyless (v text); CREATE TABLE keyed (id int PRIMARY KEY);"
                   "CREATE TABLE whole (v text); ALTER TABLE whole REPLICA IDENTITY FULL", database)
    found = unchanged(server, database, bench.engine(server, database, [blackhole_sink()], tables=["public.*"])).starts()
    warned = found.said("warning", "source").splitlines()
    assert any("only inserts and truncates" in each and "public.keyless" in each and "keyed" not in each for each in warned)
    assert any("key only" in each and "public.keyed" in each and "public.whole" not in each for each in warned)
    assert all(name in found.said("fact", "source") for name in ("public.keyless", "public.keyed", "public.whole"))


@pytest.mark.parametrize("version", [15, 18])
def test_dropped_slot(version: int, bench: Workbench, servers: Servers, unchanged: Callable[..., Plan]) -> None:
    server = servers(version)
    database = _table(bench, server)
    engine = _engine(bench, server, database, blackhole_sink())
    _runs_once(engine, server, database, "blackhole")
    server.execute(f"SELECT pg_drop_replication_slot('df_{database}')")
    unchanged(server, database, engine).refuses(f'replication slot "df_{database}" does not exist any more')
    server.execute(f'DROP PUBLICATION "df_{database}_pub"', database)
    unchanged(server, database, engine).refuses("publication", "does not exist any more")


def test_slot_of_somebody_else(bench: Workbench, servers: Servers, unchanged: Callable[..., Plan]) -> None:
    """With a publication of its own it is taken over; without one it cannot be read; another plugin's is of no use."""
    server = servers(15)
    database = _table(bench, server)
    engine = _engine(bench, server, database, blackhole_sink())
    make = f"SELECT pg_create_logical_replication_slot('df_{database}', '%s')"
    server.execute(make % "pgoutput", database)
    unchanged(server, database, engine).refuses("exists, but its publication does not")
    server.execute(f'CREATE PUBLICATION "df_{database}_pub"', database)
    found = unchanged(server, database, engine).starts()
    assert "takes an existing replication slot over" in found.said("warning")
    assert f'ALTER PUBLICATION "df_{database}_pub" ADD TABLE "public"."t";' in found.said("warning")
    assert found.said("fact").count("not made by this pipeline") == 2
    server.execute(f"SELECT pg_drop_replication_slot('df_{database}')")
    server.execute(make % "test_decoding", database)
    unchanged(server, database, engine).refuses("its plugin is test_decoding")


def test_table_that_is_new(bench: Workbench, servers: Servers, unchanged: Callable[..., Plan]) -> None:
    server = servers(15)
    database = _table(bench, server)
    engine = bench.engine(server, database, [blackhole_sink()], tables=["public.*"], dsn=_dsn(server, database))
    _runs_once(engine, server, database, "blackhole")
    server.execute("CREATE TABLE fresh (id int PRIMARY KEY)", database)
    steps = unchanged(server, database, engine).starts().said("step")
    assert f'ALTER PUBLICATION "df_{database}_pub" ADD TABLE "public"."fresh";' in steps


@pytest.mark.parametrize("flavor", ["mysql", "mariadb"])
def test_purged_log(flavor: str, bench: Workbench, unchanged: Callable[..., Plan]) -> None:
    server = bench.server(flavor)
    database = _table(bench, server)
    engine = _engine(bench, server, database, blackhole_sink())
    _runs_once(engine, server, database, "blackhole")
    server.execute("INSERT INTO t VALUES (2)", database)
    server.flush_logs()
    _settle(server)
    assert "goes on" in unchanged(server, database, engine).starts().said("fact", "source")

    def purged() -> bool:  # not while the server has not noticed that its reader is gone
        server.execute(f"PURGE BINARY LOGS TO '{server.binlog_status()[0]}'")
        return len(server.query("SHOW BINARY LOGS")) == 1
    wait_until(purged, 30, "the log to be purged")
    unchanged(server, database, engine).refuses("purged")


def test_topic_that_does_not_exist(bench: Workbench, servers: Servers, kafka: Kafka,
                                   unchanged: Callable[..., Plan]) -> None:
    """Asking for it does not make it, not even at brokers that make topics."""
    server = servers(15)
    database = _table(bench, server)
    engine = _engine(bench, server, database, kafka_sink(kafka.brokers, f"absent_{database}"))
    assert "the brokers make it" in unchanged(server, database, engine).starts().said("step", "sink")


def test_topic_that_nobody_makes(bench: Workbench, servers: Servers, home: Path) -> None:
    broker = Kafka(home / "kafka", more="auto.create.topics.enable=false")
    try:
        broker.start()
        server = servers(15)
        database = _table(bench, server)
        engine = _engine(bench, server, database, kafka_sink(broker.brokers, "absent"))
        plan(engine).refuses("topic absent does not exist", "create the topic")
        broker.create_topic("absent", 3)
        assert "topic absent: 3 partitions" in plan(engine).starts().said("fact", "sink")
    finally:
        broker.stop()


def test_login_at_the_sinks(bench: Workbench, servers: Servers, kafka: Kafka, redis: Redis,
                            unchanged: Callable[..., Plan]) -> None:
    server = servers(15)
    database = _table(bench, server)
    login = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "SCRAM-SHA-256", "sasl.username": SCRAM_USER,
             "sasl.password": WRONG}
    engine = _engine(bench, server, database, kafka_sink(kafka.scram, "t", client_conf=login))
    unchanged(server, database, engine).refuses("Authentication failed", "sasl.password")
    engine.configure(_with_sink(engine, redis_sink(f"redis://app:{WRONG}@127.0.0.1:{redis.port}", "s")))
    unchanged(server, database, engine).refuses("WRONGPASS")
    redis.ask("SET", f"string_{database}", "x")
    engine.configure(_with_sink(engine, redis_sink(redis.uri, f"string_{database}")))
    unchanged(server, database, engine).refuses("holds a string")
    redis.ask("DEL", f"string_{database}")


def _with_sink(engine: Engine, sink: dict[str, Any]) -> dict[str, Any]:
    document = _document(engine)
    document["spec"]["sinks"] = [sink]
    return document


def test_sink_that_lost_its_memory(bench: Workbench, servers: Servers, unchanged: Callable[..., Plan]) -> None:
    """The directory is empty though the state says otherwise; and one that another pipeline has written."""
    server = servers(15)
    database = _table(bench, server)
    out = bench.home / "out"
    engine = _engine(bench, server, database, file_sink(out))
    _runs_once(engine, server, database, "file")
    moved = out.rename(bench.home / "moved")
    unchanged(server, database, engine).refuses("has lost its own position")
    moved.rename(out)
    (engine.state / "deltaforge.db").rename(bench.home / "kept.db")
    for path in engine.state.iterdir():
        path.unlink()
    unchanged(server, database, engine).refuses("was written by pipeline uid")


def test_documents(bench: Workbench, servers: Servers, unchanged: Callable[..., Plan]) -> None:
    """Every problem of every document; two pipelines of one source id."""
    server = servers(15)
    database = _table(bench, server)
    engine = _engine(bench, server, database, blackhole_sink())
    good = _document(engine)
    second = {**good, "metadata": {"name": "second", "tenant": "acme"}}
    broken = pipeline(mysql_source("no dsn", slott="x"), [{"type": "carrier-pigeon", "config": {}}], name="broken")
    engine.configure([good, second, broken])
    refused = unchanged(server, database, engine, "--offline").refuses(
        "unknown field", "not a MySQL connection string", "carrier-pigeon", "reads the source id")
    assert [each["would_start"] for each in refused.pipelines] == [True, False, False]
    assert refused.said("fact", "source") == "", "nobody is asked"


def test_lost_state(bench: Workbench, servers: Servers, unchanged: Callable[..., Plan]) -> None:
    server = servers(15)
    database = _table(bench, server)
    engine = _engine(bench, server, database, blackhole_sink())
    _runs_once(engine, server, database, "blackhole")
    for path in engine.state.glob("deltaforge.db*"):
        path.unlink()
    unchanged(server, database, engine).refuses("is missing or empty, though it was in use")
