"""A private Kafka broker (KRaft, one node) with a direct listener and one that is reached through a fault proxy."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

from confluent_kafka.admin import AdminClient, NewTopic

from .procs import CACHE, Process, free_port, wait_until
from .proxy import Proxy

SCRAM_USER = "app"
SCRAM_PASSWORD = "canary-kafka-51c9"

_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},PROXIED://127.0.0.1:{behind},SCRAM://127.0.0.1:{scram},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},PROXIED://127.0.0.1:{proxied},SCRAM://127.0.0.1:{scram}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,SCRAM:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={data}
num.partitions=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
sasl.enabled.mechanisms=SCRAM-SHA-256
listener.name.scram.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
{more}
"""


class Kafka:
    def __init__(self, root: Path, *, heap_mb: int = 256, more: str = "") -> None:
        self.lib = CACHE / "kafka" / "lib"
        if not self.lib.is_dir() or shutil.which("java") is None:
            raise RuntimeError("Kafka is not in the cache: run ./dev setup")
        self.root = root
        root.mkdir(parents=True)
        self.heap_mb = heap_mb
        self.port, self.scram_port, behind = free_port(), free_port(), free_port()
        self.proxy = Proxy(behind, root / "proxy.log")
        self.config = root / "server.properties"
        self.config.write_text(_PROPERTIES.format(
            port=self.port, behind=behind, proxied=self.proxy.port, scram=self.scram_port, controller=free_port(),
            data=root / "data", more=more))
        self.process: Process | None = None

    @property
    def brokers(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def proxied(self) -> str:
        return f"127.0.0.1:{self.proxy.port}"

    @property
    def scram(self) -> str:
        return f"127.0.0.1:{self.scram_port}"

    def _java(self, *args: str, heap: int) -> list[str]:
        return ["java", f"-Xmx{heap}m", f"-Xms{heap}m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp",
                f"{self.lib}/*", *args]

    def start(self) -> "Kafka":
        if not (self.root / "data").exists():
            done = Process(self._java("kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c",
                                      str(self.config), "--add-scram",
                                      f"SCRAM-SHA-256=[name={SCRAM_USER},password={SCRAM_PASSWORD}]", heap=128),
                           self.root / "format.log", cwd=self.root)
            if done.wait(90) != 0:
                raise RuntimeError(f"Kafka could not format its storage: {done.log_tail()}")
            self.proxy.start()
        self.process = Process(self._java("kafka.Kafka", str(self.config), heap=self.heap_mb), self.root / "kafka.log",
                               cwd=self.root)
        wait_until(self._ready, 90, "Kafka to answer")
        return self

    def _ready(self) -> bool:
        if self.process is None or not self.process.alive():
            raise RuntimeError(f"Kafka ended: {self.process.log_tail() if self.process else ''}")
        try:
            return bool(AdminClient({"bootstrap.servers": self.brokers, "log_level": 0,
                                     "socket.connection.setup.timeout.ms": 2000}).list_topics(timeout=2).brokers)
        except Exception:  # the client's own class differs by version; the bound is in wait_until
            return False

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()

    def stop(self) -> None:
        if self.process is not None:
            self.process.stop(signal.SIGTERM, 20)
            self.process = None
        self.proxy.stop()

    def create_topic(self, name: str, partitions: int = 1, settings: dict[str, str] | None = None) -> str:
        admin = AdminClient({"bootstrap.servers": self.brokers})  # its futures die with it
        for future in admin.create_topics([NewTopic(name, partitions, 1, config=settings or {})]).values():
            future.result(20)
        return name
