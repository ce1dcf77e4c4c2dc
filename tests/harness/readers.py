"""Independent readers of what a sink holds. They keep what they have read and return only what is new."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaError, TopicPartition


class FileReader:
    """Reads finished segments in order, straight from the directory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records: list[bytes] = []
        self.segments: list[tuple[str, int]] = []  # name, number of records

    def drain(self) -> list[bytes]:
        known = {name for name, _ in self.segments}
        start = len(self.records)
        for segment in sorted(self.path.glob("*.jsonl")) if self.path.is_dir() else []:
            if segment.name in known:
                continue
            lines = segment.read_bytes().split(b"\n")
            assert lines.pop() == b"", f"{segment} does not end with a line feed: a torn segment was renamed"
            self.segments.append((segment.name, len(lines)))
            self.records += lines
        return self.records[start:]

    def held(self) -> int:
        """How many records the sink holds now."""
        self.drain()
        return len(self.records)

    def stream(self) -> dict[str, Any] | None:
        """`stream` of the newest position file. PostgreSQL: lsn, xid; MySQL: file, pos, gtid_set; MariaDB: gtid."""
        files = sorted(self.path.glob("*.pos"))
        for file in reversed(files):  # a .pos is written before its segment is renamed
            number = file.stem
            if number.strip("0") and not (self.path / f"{number}.jsonl").exists():
                continue
            try:
                return json.loads(file.read_text())["stream"]
            except FileNotFoundError:
                continue
        return None


class KafkaReader:
    """Reads every partition of a topic from the start."""

    def __init__(self, brokers: str, topic: str, partitions: int = 1) -> None:
        self.records: list[bytes] = []
        self.keys: list[bytes | None] = []
        self.headers: list[dict[str, str]] = []
        self.topic, self.partitions = topic, partitions
        self.consumer = Consumer({"bootstrap.servers": brokers, "group.id": f"reader-{topic}",
                                  "enable.auto.commit": False, "auto.offset.reset": "earliest",
                                  "fetch.wait.max.ms": 20, "fetch.error.backoff.ms": 50,
                                  "enable.partition.eof": False, "log_level": 0})
        self.consumer.assign([TopicPartition(topic, number, 0) for number in range(partitions)])

    def drain(self, seconds: float = 20) -> list[bytes]:
        """Everything up to the end that the topic has now."""
        start = len(self.records)
        end_by = time.monotonic() + seconds
        ends = {number: self._end(number, end_by) for number in range(self.partitions)}
        while any(self._at(number) < end for number, end in ends.items()):
            if time.monotonic() > end_by:
                raise AssertionError(f"could not read {self.topic} to its end within {seconds:g} s")
            for message in self.consumer.consume(2000, 0.1):
                if message.error():
                    assert message.error().code() != KafkaError.OFFSET_OUT_OF_RANGE, "the broker threw records away"
                    continue
                self.records.append(message.value())
                self.keys.append(message.key())
                self.headers.append({name: value.decode() for name, value in message.headers() or []})
        return self.records[start:]

    def held(self) -> int:
        return sum(self._end(number, time.monotonic() + 20) for number in range(self.partitions))

    def _end(self, number: int, end_by: float) -> int:
        while True:
            try:
                return self.consumer.get_watermark_offsets(TopicPartition(self.topic, number), timeout=3)[1]
            except Exception:  # the broker is away for a moment, or the topic is not there yet
                if time.monotonic() > end_by:
                    raise
                time.sleep(0.1)

    def _at(self, number: int) -> int:
        return max(0, self.consumer.position([TopicPartition(self.topic, number)])[0].offset)

    def close(self) -> None:
        self.consumer.close()
