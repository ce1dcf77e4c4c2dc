"""Keys and streams that are made of the event."""

from __future__ import annotations

import pytest

from conftest import Outlets, Servers, Workbench
from harness.kafka import Kafka
from harness.procs import wait_until
from harness.readers import KafkaReader
from harness.redis import Redis, RedisReader


@pytest.mark.parametrize("kind", ["kafka", "redis"])
def test_key_template(kind: str, bench: Workbench, servers: Servers, outlet: Outlets) -> None:
    pg = servers(15)
    database = bench.database(pg)
    pg.execute("CREATE TABLE t (id int PRIMARY KEY, region text, doc jsonb)", database)
    sink = outlet(kind, database, key="${source.table}/${after.region}/${after.doc.a.b}/${op}/${tenant_id}")
    engine = bench.engine(pg, database, [sink.config]).start()
    pg.execute("INSERT INTO t VALUES (1, 'é/x', '{\"a\": {\"b\": 1.50}}'), (2, NULL, '{}')", database)
    pg.execute("DELETE FROM t WHERE id = 1", database)
    reader = sink.reader()
    wait_until(lambda: reader.drain() is not None and len(reader.records) == 3, 20, "three events")
    assert reader.keys == ["t/é/x/1.50/c/acme".encode(), b"2", b"1"]
    assert engine.log_text().count("the row's primary key stands for it") == 1
    assert engine.terminate() == 0


def test_a_stream_for_each_table(bench: Workbench, servers: Servers, outlet: Outlets, redis: Redis) -> None:
    pg = servers(15)
    database = bench.database(pg)
    for table in ("a", "b"):
        pg.execute(f"CREATE TABLE {table} (id int PRIMARY KEY)", database)
    sink = outlet("redis", f"{database}.${{source.schema}}.${{source.table}}")
    engine = bench.engine(pg, database, [sink.config]).start()
    pg.execute("INSERT INTO a VALUES (1), (2); INSERT INTO b VALUES (3); INSERT INTO a VALUES (4)", database)
    for table, keys in (("a", [b"1", b"2", b"4"]), ("b", [b"3"])):
        reader = RedisReader(redis, f"{database}.public.{table}")
        wait_until(lambda: reader.drain() is not None and len(reader.records) == len(keys), 20, table)  # noqa: B023
        assert reader.keys == keys
    assert engine.terminate() == 0


def test_a_topic_for_each_table(bench: Workbench, servers: Servers, outlet: Outlets, kafka: Kafka) -> None:
    """A topic that is not there yet is named, and waited for."""
    pg = servers(15)
    database = bench.database(pg)
    for table in ("a", "b"):
        pg.execute(f"CREATE TABLE {table} (id int PRIMARY KEY)", database)
    sink = outlet("kafka", database, client_conf={"allow.auto.create.topics": "false", "topic.metadata.propagation.max.ms": 1000})
    sink.config["config"]["topic"] = f"{database}.${{source.schema}}.${{source.table}}"
    kafka.create_topic(f"{database}.public.a")
    engine = bench.engine(pg, database, [sink.config]).start()
    pg.execute("INSERT INTO a VALUES (1), (2); INSERT INTO b VALUES (3); INSERT INTO a VALUES (4)", database)
    wait_until(lambda: f"{database}.public.b" in str(engine.pipeline()), 30, "the missing topic to be named")
    kafka.create_topic(f"{database}.public.b")
    for table, keys in (("b", [b"3"]), ("a", [b"1", b"2", b"4"])):
        reader = KafkaReader(kafka.brokers, f"{database}.public.{table}")
        wait_until(lambda: reader.drain() is not None and len(reader.records) >= len(keys), 60, table)  # noqa: B023
        assert list(dict.fromkeys(reader.keys)) == keys
        assert all(reader.keys.count(key) == 1 for key in keys[1:]), "only the row by which a new client proves itself"
    assert engine.terminate() == 0


@pytest.mark.parametrize("region", ["'../x'", "NULL", "'" + "a" * 250 + "'"])
def test_a_topic_that_is_none_blocks_until_it_is_mended(region: str, bench: Workbench, servers: Servers,
                                                        outlet: Outlets) -> None:
    pg = servers(15)
    database = bench.database(pg)
    pg.execute("CREATE TABLE t (id int PRIMARY KEY, region text)", database)
    sink = outlet("kafka", database)
    wrong = {**sink.config["config"], "topic": f"{database}${{after.region}}"}
    engine = bench.engine(pg, database, [{**sink.config, "config": wrong}]).start()
    reader = sink.reader()
    pg.execute(f"INSERT INTO t VALUES (1, {region}), (2, '')", database)
    wait_until(lambda: "degraded" in str(engine.pipeline()) and "routing" in str(engine.pipeline()), 30, "it to be told")
    assert reader.held() == 0
    name = engine.get("/pipelines")[0]["name"]
    status, text = engine.request("PATCH", f"/pipelines/{name}", {"spec": {"sinks": [sink.config]}})
    assert status == 200, text
    wait_until(lambda: reader.drain() is not None and len(reader.records) == 2, 30, "both")
    assert reader.keys == [b"1", b"2"]
    assert engine.terminate() == 0
