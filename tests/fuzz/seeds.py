"""Cuts what a server said into seeds, each in the form that its target reads (see the top of <target>_fuzz.cc)."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path

Seed = tuple[str, bytes]

MOST = 24 * 1024  # bytes of a seed: a fuzzer learns little from large ones
PIECE = 6 * 1024  # of a stream that is cut into several

# The types of postgres_values_fuzz.cc, in its order.
TYPES = [16, 17, 18, 23, 25, 114, 603, 700, 701, 1082, 1083, 1114, 1184, 1266, 1700, 3802, 1000, 1001, 1002, 1007,
         1009, 199, 1020, 1021, 1022, 1182, 1183, 1115, 1185, 1270, 1231, 3807]
ALIKE = {20: 23, 21: 23, 1016: 1007, 1005: 1007}


def sized(data: bytes) -> bytes:
    return struct.pack("<H", len(data)) + data


# --- PostgreSQL ---

def frames(said: bytes) -> Iterator[tuple[bytes, bytes, int]]:
    """Type, body, and where the message ends."""
    at = 0
    while at + 5 <= len(said):
        length, = struct.unpack(">I", said[at + 1:at + 5])
        end = at + 1 + length
        if end > len(said):
            return
        yield said[at:at + 1], said[at + 5:end], end
        at = end


def of_postgres(said: bytes) -> Iterator[Seed]:
    messages: list[bytes] = []
    stream = bytearray()
    streaming = False
    for kind, body, end in frames(said):
        if kind == b"W":
            streaming = True
        elif kind == b"D" and (text := body[6:]).startswith(b'{"types"'):
            yield "postgres_catalogue", text
        elif streaming and kind == b"d":
            if len(body) < MOST:
                stream += kind + struct.pack(">I", len(body) + 4) + body
            if body[:1] == b"w" and len(body) < MOST:
                messages.append(body[25:])
    if messages:
        for flags, piece in ((0x01, slice(0, PIECE)), (0x0E, slice(0, PIECE))):
            yield "postgres_stream", bytes([flags]) + bytes(stream[piece])
        yield from _postgres_messages(messages)
        yield from _postgres_values(messages)


def _postgres_messages(messages: list[bytes]) -> Iterator[Seed]:
    """In pieces that each begin with the relations they need."""
    relations: dict[bytes, bytes] = {}
    piece = b""
    for message in messages:
        if message[:1] == b"R":
            relations[message[1:5]] = message
        if message[:1] == b"B" and len(piece) > PIECE:
            yield "postgres_messages", b"\x01" + piece
            piece = b"".join(sized(relation) for relation in relations.values())
        piece += sized(message)
    yield "postgres_messages", b"\x01" + piece


def _postgres_values(messages: list[bytes]) -> Iterator[Seed]:
    types: dict[bytes, list[int]] = {}
    for message in messages:
        kind = message[:1]
        if kind == b"R":
            at = message.index(0, message.index(0, 5) + 1) + 2
            types[message[1:5]] = found = []
            count, = struct.unpack(">H", message[at:at + 2])
            at += 2
            for _ in range(count):
                at = message.index(0, at + 1) + 1
                found.append(struct.unpack(">I", message[at:at + 4])[0])
                at += 8
        elif kind == b"I":
            at = 8
            for oid in types.get(message[1:5], []):
                if message[at:at + 1] != b"t":
                    at += 1
                    continue
                size, = struct.unpack(">I", message[at + 1:at + 5])
                value, at = message[at + 5:at + 5 + size], at + 5 + size
                oid = ALIKE.get(oid, oid)
                if oid in TYPES and size < 400:
                    yield "postgres_values", bytes([TYPES.index(oid)]) + value


# --- MySQL and MariaDB ---

HEADER = 19
ROWS = {*range(23, 26), *range(30, 33), 39, *range(166, 172)}


def of_mysql(said: bytes, flavor: str) -> Iterator[Seed]:
    flags = 1 if flavor == "mariadb" else 0
    packets = _binlog_packets(said)
    if not packets:
        return
    for more in (0x00, 0x18):
        stream = b"".join(struct.pack("<I", len(body))[:3] + bytes([(number + 1) & 255]) + body
                          for number, body in enumerate(_short(packets)))
        yield "mysql_stream", bytes([flags | more]) + stream
    maps: dict[bytes, bytes] = {}
    piece = b""
    for body in packets:
        event = body[1:]
        kind, content = event[4], event[HEADER:]
        if len(content) > MOST:
            continue
        if kind == 19:
            maps[content[:6]] = content
        elif kind in ROWS and (table := maps.get(content[:6])) is not None and len(content) < 2048:
            yield "mysql_rows", bytes([flags, kind]) + sized(table) + content
        elif kind == 2:
            yield "mysql_statement", b"\x04" + content
        elif kind == 40:
            yield "mysql_values", bytes([5, 0]) + content
        elif kind == 35:
            yield "gtid_set", b"\x00" + content
        nowhere = 0x40 if event[13:17] == b"\0\0\0\0" else 0
        if kind in (33, 34, 42, 162) and len(piece) > PIECE:
            yield "mysql_events", bytes([flags | 0x80]) + piece
            piece = b""
        if kind != 15:
            piece += bytes([kind, event[17] & 0xBF | nowhere]) + sized(content)
    yield "mysql_events", bytes([flags]) + piece


def _short(packets: list[bytes]) -> list[bytes]:
    taken, size = [], 0
    for body in packets:
        size += len(body) + 4
        if size > PIECE:
            break
        taken.append(body)
    return taken


def _binlog_packets(said: bytes) -> list[bytes]:
    """The bodies of the packets of the stream: status byte 0 and one event, the first of them a ROTATE."""
    at, bodies = 0, []
    while at + 4 <= len(said):
        size = int.from_bytes(said[at:at + 3], "little")
        body = said[at + 4:at + 4 + size]
        at += 4 + size
        whole = len(body) > HEADER and body[0] == 0 and int.from_bytes(body[10:14], "little") == len(body) - 1
        if whole and (bodies or body[5] == 4):
            bodies.append(body)
    return bodies


# --- what no server sends ---

def by_hand(repo: Path) -> Iterator[Seed]:
    for path in [*repo.glob("tests/config/**/*.yaml"), *repo.glob("tests/config/**/*.json"),
                 *repo.glob("examples/*.yaml")]:
        if path.stat().st_size < 8192:
            yield "config", b"\x00" + path.read_bytes()
    for path in repo.glob("tests/data/postgres/*.facts"):
        for line in path.read_bytes().splitlines():
            yield "postgres_catalogue", line
    yield from _json(repo)
    yield from _positions()
    for text in ("cdc.${source.db}.${source.table}", "${after.a.b}-${before.id}", "$${x}${op}", "${DSN:-none}",
                 "${tenant_id}/${source.connector}", "postgres://u:p@h/d?password=x"):
        yield "template", text.encode()
    for text in ("public.*\npublic\norders", '"Odd.Name".t%\nOdd.Name\ntable', "a*b*c\n\naxbxc", "s.\\*\ns\n*", "*\nq\nt",
                 '"a""b"\n\na"b'):
        yield "table_pattern", text.encode()
    for text in ("mysql://u:p%40@h:3306/db?ssl-mode=VERIFY_IDENTITY&ssl-ca=/ca.pem", "mariadb://u@[::1]/?socket=/s",
                 "postgresql://u:p@h1:1,[::1]:2/db?sslmode=require", "host=h user=u password='a b' dbname=d",
                 "postgres:///db?host=/run"):
        yield "dsn", text.encode()
    yield "json_writer", bytes([16, 4, *range(8), 9, 3]) + b"a\"\n" + bytes([8, 1]) + b"1" + bytes([10, 2, 0, 255, 0])
    yield "json_writer", b"\x09\x20" + "é €  🐎 \x00\x1f\x7f\"\\/ plain ascii".encode()[:32]
    yield "json_writer", bytes([7]) + struct.pack("<d", 1e300) + bytes([6]) + struct.pack("<f", 0.1)
    decimal = bytes.fromhex("800000010dfb38d204d2")
    yield "mysql_values", bytes([0, 13, 4]) + decimal
    for kind, data in ((0, "e8cf0f"), (7, "99b2bd3ac0"), (8, "99b2bd3ac00180e0"), (2, "65f0a1b2"), (3, "80c89a"),
                       (4, "d8bd5d45c5120000"), (5, "65f0a1b2"), (6, "3fe2cf")):
        yield "mysql_values", bytes([1, kind]) + bytes.fromhex(data)
    for collation, text in ((8, "é".encode("latin-1")), (28, "中".encode("gbk")), (35, "é".encode("utf-16-be")),
                            (54, "🐎".encode("utf-16-be")), (56, "🐎".encode("utf-16-le")),
                            (60, "🐎".encode("utf-32-be")), (13, "日本".encode("shift-jis")), (45, "é🐎".encode())):
        yield "mysql_values", struct.pack("<BBH", 2, 0, collation) + text
    zlib = bytes.fromhex("789c4b4c4a4e49050005b101e9")
    yield "mysql_values", bytes([4, 0]) + b"\x81\x05" + zlib
    yield "mysql_values", bytes([3, 0]) + b"\x81\x05" + zlib
    for sql in ("TRUNCATE TABLE `a``b`.\"c\" /* x */", "/*!50000 INSERT INTO */ a.b SELECT 'x\\'' FROM c -- d\n",
                "XA START 'a','b',1", "ROLLBACK WORK TO SAVEPOINT `s`", "WITH x AS (SELECT 1) UPDATE t, u SET a=1"):
        yield "mysql_statement", b"\x01" + sql.encode()


def _json(repo: Path) -> Iterator[Seed]:
    """The documents and diffs of the unit tests, which were recorded from a server."""
    documents = []
    for name in ("json_binary_test.cc", "json_diff_test.cc"):
        text = (repo / "src/sources/mysql" / name).read_text()
        text = re.sub(r'"\s*\n\s*"', "", text)
        found = [bytes.fromhex(each) for each in re.findall(r'"((?:[0-9a-f]{2}){2,})"', text)]
        documents += [each for each in found if len(each) < MOST]
    for before, after in zip(documents, documents[1:]):
        yield "mysql_json", sized(before) + after


def _positions() -> Iterator[Seed]:
    head = '{"v":1,"uid":"u","epoch":1,'
    uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
    wal = head + ('"server":{"system_identifier":"7412345678901234567","timeline":1,"database":"shop"},'
                  '"stream":{"lsn":"0/16B6C50","xid":731},"tracks":{}}')
    yield "position", b"\x00" + wal.encode() + b"\n" + wal.replace("6C50", "7C50").encode()
    yield "file_position", wal.encode() + b"\n"
    tagged = f"{uuid}:1-5:8:tag:1-3"
    place = '"file":"b.000002","pos":100'
    for server, stream in ((f'"flavor":"mysql","uuid":"{uuid}"', f'{place},"gtid_set":"{tagged}"'),
                           ('"flavor":"mariadb","server_id":1', f'{place},"gtid":"0-1-5,1-1-7"'),
                           (f'"flavor":"mysql","uuid":"{uuid}"', place)):
        record = f'{head}"server":{{{server}}},"stream":{{{stream}}},"tracks":{{}}}}'
        yield "position", b"\x01" + record.encode() + b"\n" + record.replace("100", "4").encode()
    yield "gtid_set", f"\x02{tagged}\n{uuid}:3-9".encode()
    yield "gtid_set", b"\x010-1-100,1-2-7\n0-2-90"
    # One uuid, one interval: count u64 | uuid | intervals u64 | begin u64 | end u64.
    yield "gtid_set", b"\x00" + struct.pack("<Q16sQQQ", 1, bytes(range(16)), 1, 1, 6)
