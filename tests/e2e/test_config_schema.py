"""The JSON Schema that `deltaforge schema` prints says what `deltaforge validate` does; the reference pages follow it."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from harness.engine import BINARY
from harness.procs import REPO

Json = dict[str, Any]
Path_ = tuple[Any, ...]

ENVIRONMENT = {"POSTGRES_DSN": "postgresql://h/d", "MYSQL_DSN": "mysql://u:p@h/d", "KAFKA_BROKERS": "h:9092",
               "REDIS_URI": "redis://h", "NATS_URL": "nats://h", "API_TOKEN": "t", "SIGNING_KEY": "k", "MASK_KEY": "k",
               "PATH": "/usr/bin"}

# Of the files below tests/config/broken: what no schema can say, being about several fields, two documents, the
# spelling of a text or the environment.
ONLY_VALIDATE_KNOWS = {
    "08-name-with-capitals", "09-name-climbs-out", "10-name-too-long", "25-two-sinks-one-id", "26-id-with-colons",
    "30-quorum-too-large", "31-quorum-without-number", "38-unknown-variable", "39-sensing-comes-later",
    "45-table-pattern-empty", "47-snapshot-comes-later", "49-kafka-exactly-once-comes-later",
    "50-kafka-client-setting-unknown", "52-storage-comes-later", "53-storage-twice", "54-name-taken",
    "60-http-user-in-url", "61-http-port-is-a-variable", "62-http-not-http", "64-http-header-of-the-sink",
    "66-http-allowed-host-with-port", "67-http-tls-without-https", "68-javascript-syntax", "69-javascript-without-entry", "70-javascript-throws-at-once",
    "71-dead-letters-without-journal", "93-outbox-headers", "97-two-processors-one-id",
    "99-nats-subject", "100-nats-two-logins", "101-nats-url", "102-redis-stream-variable", "103-redis-uri",
    "105-kafka-topic-blank", "106-kafka-client-conf", "109-http-url-variable-in-scheme",
    "74-javascript-endless", "78-mask-hash-without-key", "79-mask-key-for-redact",
    "80-mask-truncate-without-length", "82-mask-rename-without-to", "83-mask-rename-of-many", "84-mask-rule-behind-another",
    "85-mask-column-without-name", "113-destinations-that-are-refused",
}
NO_TREE = {"41-key-twice", "42-tab-for-indentation", "43-unclosed-json", "55-alias-bomb", "56-custom-tag",
           "57-empty-file"}  # no YAML, or no document


class CoreLoader(yaml.SafeLoader):
    """YAML 1.2: `yes` and dates are texts, as for the engine."""


CoreLoader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers
             if tag not in ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:bool")]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()}
CoreLoader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(true|True|TRUE|false|False|FALSE)$"),
                                 list("tTfF"))


def documents(path: Path) -> list[Json]:
    return [each for each in yaml.load_all(path.read_text(), CoreLoader) if each is not None]


def call(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(BINARY), *args], capture_output=True, text=True, timeout=300, env=ENVIRONMENT)


@pytest.fixture(scope="module")
def schema() -> Json:
    done = call("schema")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def checker(schema: Json) -> jsonschema.Draft202012Validator:
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def full_files() -> list[Path]:
    """Every field that there is; a component may bring its own file."""
    return [*REPO.glob("tests/config/full/*.yaml"), *REPO.glob("src/*/*/full.yaml")]


def good_files() -> list[Path]:
    files = [*REPO.glob("examples/*.yaml"), *REPO.glob("tests/config/book/loads/*.yaml"),
             *full_files()]
    assert len(files) >= 15, files
    return sorted(files)


def test_what_validate_accepts_fits_the_schema(checker: jsonschema.Draft202012Validator) -> None:
    for path in good_files():
        done = call("validate", str(path))
        assert done.returncode == 0, f"{path}: {done.stderr}"
        for document in documents(path):
            problems = [f"{error.json_path}: {error.message}" for error in checker.iter_errors(document)]
            assert not problems, f"{path}: {problems}"


def test_what_the_schema_refuses_of_the_broken_files(checker: jsonschema.Draft202012Validator) -> None:
    accepted = set()
    for path in sorted(REPO.glob("tests/config/broken/*.yaml")):
        if path.stem not in NO_TREE and all(checker.is_valid(each) for each in documents(path)):
            accepted.add(path.stem)
    assert accepted == ONLY_VALIDATE_KNOWS


def places(value: Any, at: Path_ = ()) -> Iterator[tuple[Path_, Any]]:
    yield at, value
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        yield from places(inner, (*at, key))


def changed(document: Json, at: Path_, value: Any) -> Json:
    result = copy.deepcopy(document)
    holder: Any = result
    for key in at[:-1]:
        holder = holder[key]
    holder[at[-1]] = value
    return result


FREE_MAPS = ("labels", "annotations", "client_conf", "headers", "additional_headers")


def mutants(document: Json) -> Iterator[tuple[str, Json]]:
    """One mistake each: a key that nobody has, a value of the wrong type, a word that is none of the choices."""
    for at, value in places(document):
        where = ".".join(map(str, at))
        if isinstance(value, dict) and (not at or at[-1] not in FREE_MAPS):
            yield f"{where}: a key of nobody", changed(document, (*at, "no_such_field"), 1)
            if at:
                yield f"{where}: a list for a map", changed(document, at, [[1]])
        free = "value" in at[-2:]  # what a filter compares with: text, a number, or a list of them
        if isinstance(value, list) and not free:
            yield f"{where}: a text for a list", changed(document, at, "text")
        if at and isinstance(value, (str, bool, int, float)):
            yield f"{where}: a list for a scalar", changed(document, at, [["x"]])
            yield f"{where}: a map for a scalar", changed(document, at, {"x": {"y": 1}})
        if at and isinstance(value, (bool, int, float)) and at[-1] != "id" and at[-2] not in FREE_MAPS and not free:
            yield f"{where}: a text for a number or boolean", changed(document, at, "many")


def enum_mutants(document: Json) -> Iterator[tuple[str, Json]]:
    words = ("apiVersion", "kind", "mode", "type", "envelope", "encoding", "format", "headers", "payload_field",
             "on_schema_drift", "start_position", "backend", "overflow_policy", "json_schema_format")
    for at, value in places(document):
        if at and at[-1] in words and isinstance(value, str) and at[-2:-1] != ("sharding",):
            yield f"{'.'.join(map(str, at))}: no such choice", changed(document, at, "no-such-choice")


def test_mistakes_are_refused_by_both(checker: jsonschema.Draft202012Validator, tmp_path: Path) -> None:
    """Each mistake, in each place of each good document."""
    names: dict[str, str] = {}
    for path in good_files():
        for document in documents(path):
            for what, mutant in (*mutants(document), *enum_mutants(document)):
                name = f"m{len(names):05}"
                names[name] = f"{path.name}: {what}"
                assert not checker.is_valid(mutant), f"the schema accepts {names[name]}"
                if what.startswith("storage"):  # of many files only the first one's would be read
                    file = tmp_path.parent / f"{tmp_path.name}-storage.json"
                    file.write_text(json.dumps(mutant))
                    assert call("validate", str(file)).returncode == 1, f"accepted: {names.pop(name)}"
                    continue
                if "metadata" in mutant:
                    mutant.pop("storage", None)
                (tmp_path / f"{name}.json").write_text(json.dumps(mutant))
    assert len(names) > 1300, len(names)
    refused = {name for name, what in names.items() if not (tmp_path / f"{name}.json").exists()}
    done = call("validate", str(tmp_path))
    assert done.returncode == 1
    for line in done.stderr.splitlines():
        found = re.match(rf"{re.escape(str(tmp_path))}/(m\d+)\.json:\d+:\d+: (?!.*: warning: )", line)
        # Every file repeats the name of another: that alone is no refusal.
        if found and "is defined in" not in line and "storage is set at" not in line:
            refused.add(found.group(1))
    assert not names.keys() - refused, [names[name] for name in sorted(names.keys() - refused)][:20]


# Chapter 3.3 of the contract: the fields of what exists, and their defaults. None: no default. REQUIRED: must be given.
REQUIRED = object()
_FORMAT: Json = {"envelope": "native", "encoding": "json", "required": True, "filter": None, "id": None,
                 "hold_secs": 86400, "hold_bytes": 10 << 30}
_SNAPSHOT: Json = {"mode": "never", "max_parallel_tables": 8, "chunk_size": 10000, "intra_table_parallel": False,
                   "max_parallel_chunks": 4}
CONTRACT: dict[str, Json] = {
    "metadata": {"name": REQUIRED, "tenant": REQUIRED, "labels": {}, "annotations": {}},
    "spec": {"source": REQUIRED, "processors": None, "sinks": REQUIRED, "sharding": None, "connection_policy": None,
             "batch": None, "commit_policy": None, "sink_batch_deadline_secs": None, "schema_sensing": None,
             "journal": None},
    "batch": {"max_events": 2000, "max_bytes": 16777216, "max_ms": 50, "respect_source_tx": True, "max_inflight": 1,
              "memory_bytes": 128 << 20, "max_tx_bytes": 16 << 30},
    "commit_policy": {"mode": "required", "quorum": None},
    "sharding": {"mode": None, "count": None, "key": None},
    "connection_policy": {"default_mode": None, "preferred_replica": None, "limits": None},
    "journal": {"enabled": False, "max_event_bytes": 262144, "dlq": None},
    "dlq": {"max_entries": 10000, "max_age_secs": 604800, "overflow_policy": "drop_oldest", "park_keys": False,
            "park_max_entries": 10000},
    "snapshot": _SNAPSHOT,
    "source.mysql.config": {"id": None, "dsn": REQUIRED, "tables": [], "outbox": None, "snapshot": None,
                            "on_schema_drift": "adapt", "server_id": None},
    "source.postgres.config": {"id": None, "dsn": REQUIRED, "slot": REQUIRED, "publication": REQUIRED, "tables": [],
                               "start_position": "earliest", "outbox": None, "snapshot": None,
                               "on_schema_drift": "adapt"},
    "sink.kafka.config": {**_FORMAT, "brokers": REQUIRED, "topic": REQUIRED, "key": None, "exactly_once": False,
                          "send_timeout_secs": 30, "client_conf": {}, "headers": "none", "tls": None},
    "sink.redis.config": {**_FORMAT, "uri": REQUIRED, "stream": REQUIRED, "key": None, "exactly_once": False,
                          "send_timeout_secs": 5, "batch_timeout_secs": 30, "connect_timeout_secs": 10, "tls": None,
                          "payload_field": "event", "maxlen": None, "maxlen_exact": False},
    "sink.http.config": {**_FORMAT, "url": REQUIRED, "method": "POST", "headers": {}, "batch_mode": False, "key": None,
                         "send_timeout_secs": 10, "batch_timeout_secs": 30, "connect_timeout_secs": 5, "tls": None,
                         "signature": None, "allow_hosts": []},
    "signature": {"secret": REQUIRED, "header": "df-signature"},
    "sink.nats.config": {**_FORMAT, "url": REQUIRED, "subject": REQUIRED, "stream": None, "key": None,
                         "exactly_once": False, "send_timeout_secs": 5, "batch_timeout_secs": 30,
                         "connect_timeout_secs": 10, "credentials_file": None, "username": None, "password": None,
                         "token": None, "nkey": None, "tls": None},
    "sink.file.config": {**_FORMAT, "path": REQUIRED, "roll_bytes": 0, "roll_ms": 0, "exactly_once": True},
    "sink.stdout.config": {**_FORMAT, "format": "json"},
    "sink.blackhole.config": _FORMAT,
    "processor.filter": {"type": REQUIRED, "id": "filter", "ops": [], "tables": None, "fields": None, "match": "all"},
    "filter_tables": {"include": [], "exclude": []},
    "filter_field": {"path": REQUIRED, "op": REQUIRED, "value": None},
    "processor.flatten": {"type": REQUIRED, "id": "flatten", "separator": "__", "max_depth": None, "on_collision": "last",
                          "empty_object": "preserve", "lists": "preserve", "empty_list": "preserve", "on_error": "fail"},
    "processor.mask": {"type": REQUIRED, "id": "mask", "rules": REQUIRED},
    "mask_rule": {"tables": [], "columns": REQUIRED, "action": REQUIRED, "key": None, "to": None, "length": None},
    "processor.outbox": {"type": REQUIRED, "id": "outbox", "tables": [], "topic": None, "default_topic": None, "key": None,
                         "raw_payload": False, "strict": False, "on_error": "fail", "columns": None, "additional_headers": {}},
    "outbox_columns": {"payload": "payload", "aggregate_type": "aggregate_type", "aggregate_id": "aggregate_id",
                       "event_type": "event_type", "topic": "topic", "event_id": "id"},
    "outbox_messages": {"prefixes": []},
    "outbox_tables": {"tables": []},
    "processor.javascript": {"type": REQUIRED, "id": "javascript", "inline": REQUIRED, "limits": None, "on_error": "fail",
                             "clock": "wall"},
    "limits": {"cpu_ms": 50, "mem_mb": 128, "timeout_ms": 500},
    "filter": {"exclude_synthetic": False, "synthetic_only": False, "producers": []},
    "tls": {"ca_file": None, "cert_file": None, "key_file": None, "insecure_skip_verify": False},
    "schema_sensing": {"enabled": False, "tables": None, "deep_inspect": None, "sampling": None,
                       "high_cardinality": None, "tracking": None, "output": None},
    "sensing_deep_inspect": {"enabled": True, "max_depth": 10, "max_sample_size": 1000, "columns": None},
    "sensing_sampling": {"warmup_events": 1000, "sample_rate": 10, "structure_cache": True,
                         "structure_cache_size": 100},
    "sensing_high_cardinality": {"enabled": True, "min_events": 100, "stable_threshold": 0.5, "min_dynamic_fields": 5,
                                 "confidence_threshold": 0.7, "reevaluate_interval": 10000, "hll_precision": 12,
                                 "heavy_hitter_capacity": 50, "sample_size": 50},
    "sensing_tracking": {"field_statistics": False, "null_rates": True, "enum_detection": True,
                         "enum_max_cardinality": 50, "detect_drift": True, "drift_threshold": 0.1},
    "sensing_output": {"expose_api": True, "emit_events": False, "export_json_schema": True, "emit_schemas": True,
                       "json_schema_format": "draft-07"},
    "storage": {"backend": None, "path": None, "dsn": None},
}


def of_the_contract(schema: Json) -> set[str]:
    """What is reached without a component that the contract does not name: such a one may declare what it likes."""
    seen: set[str] = set()
    todo: list[Any] = [{name: value for name, value in schema.items() if name != "$defs"}]
    while todo:
        for at, value in places(todo.pop()):
            name = str(value).removeprefix("#/$defs/") if at and at[-1] == "$ref" else ""
            a_component = re.fullmatch(r"sink\.\w+|source\.\w+|processor\.\w+", name.removesuffix(".config"))
            if name and name not in seen and (not a_component or {name, f"{name}.config"} & CONTRACT.keys()):
                seen.add(name)
                todo.append(schema["$defs"][name])
    return seen


def test_fields_and_defaults_of_the_contract(schema: Json) -> None:
    for name, wanted in CONTRACT.items():
        definition = schema["$defs"][name]
        required = definition.get("required", [])
        found = {field: REQUIRED if field in required else value.get("default")
                 for field, value in definition["properties"].items()}
        assert found == wanted, name
    described = {name for name in of_the_contract(schema)
                 if "properties" in schema["$defs"][name] and name.count(".") != 1}
    assert described - CONTRACT.keys() == {
        "connection_limits", "sensing_names", "envelope.map.native", "envelope.map.debezium",
        "envelope.map.cloudevents", "encoding.map.json"} | (described & {"source", "processor", "sink"})


def given(value: Any) -> Iterator[str]:
    """The names of the fields in a document."""
    for at, _ in places(value):
        if at and isinstance(at[-1], str):
            yield at[-1]


def test_the_full_files_hold_every_field(schema: Json) -> None:
    there = {name for path in full_files() for each in documents(path) for name in given(each)}
    for at, value in places(schema):
        if at and at[-1] == "properties" and "if" not in at:
            assert not value.keys() - there, at


LATER = {  # what is known and refused, in the place where it stands
    "source.config": {"snapshot": {"mode": "initial"}, "on_schema_drift": "halt"},
    "sinks.0.config": {"exactly_once": True, "encoding": {"type": "avro", "schema_registry_url": "http://h"}},
    "spec": {"schema_sensing": {"enabled": True}},
    "root": {"storage": {"backend": "postgres", "dsn": "postgresql://h/d"}},
}


def test_what_comes_later_is_refused_as_such(tmp_path: Path) -> None:
    """Never passed over in silence: exit 1, and "not in this build"."""
    full = documents(REPO / "tests/config/full/mysql-to-kafka-and-stdout.yaml")[0]
    for place, fields in LATER.items():
        for name, value in fields.items():
            mutant = copy.deepcopy(full)
            spec = mutant["spec"]
            holder = {"root": mutant, "spec": spec, "source.config": spec["source"]["config"],
                      "sinks.0.config": spec["sinks"][0]["config"]}[place]
            holder[name] = value
            (tmp_path / "later.json").write_text(json.dumps(mutant))
            done = call("validate", str(tmp_path / "later.json"))
            problems = [line for line in done.stderr.splitlines() if ": warning: " not in line]
            assert done.returncode == 1 and len(problems) == 1, (name, done.stderr)
            assert "not in this build: " in problems[0] and name in problems[0], (name, done.stderr)


def test_the_schema_goes_into_a_file(tmp_path: Path, schema: Json) -> None:
    done = call("schema", "--output", str(tmp_path / "s.json"))
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert json.loads((tmp_path / "s.json").read_text()) == schema
    done = call("schema", "--output", str(tmp_path / "none/s.json"))
    assert done.returncode == 1 and "none/s.json: No such file or directory" in done.stderr


def test_every_field_is_described(schema: Json) -> None:
    for at, value in places(schema):
        if at and at[-1] == "properties" and "if" not in at:
            for name, field in value.items():
                assert field.get("description"), f"{at}.{name} has no words"


def test_reference_pages_are_current(tmp_path: Path) -> None:
    schema = tmp_path / "s.json"
    assert call("schema", "-o", str(schema)).returncode == 0
    tool = [sys.executable, str(REPO / "tools/reference.py"), str(schema)]
    done = subprocess.run([*tool, "--check"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout
    # And it would see a difference.
    subprocess.run([*tool, "--folder", str(tmp_path / "pages")], check=True, capture_output=True, timeout=60)
    page = tmp_path / "pages/sink-kafka.md"
    page.write_text(page.read_text().replace("`30`", "`31`"))
    (tmp_path / "pages/sink-none.md").write_text("left over")
    done = subprocess.run([*tool, "--check", "--folder", str(tmp_path / "pages")], capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 1 and "sink-kafka.md" in done.stdout and "sink-none.md" in done.stdout
