"""The types of MySQL and MariaDB. The session has zone UTC and takes zero and invalid dates."""

from __future__ import annotations

import json
import struct
from typing import Any

from .columns import (NASTY, Column, Make, Pick, Table, around, clock, day, decimal, document, moment, one_of, raw,
                      real, text, whole)

_CHARS = "CAST({} AS CHAR)"
_UTF8 = "CONVERT({} USING utf8mb4)"


def _json(declared: str, edges: tuple[Any, ...], make: Make, says: str = _CHARS, **more: Any) -> Column:
    return Column(declared, edges, make, says, "json", **more)


def _text(declared: str, edges: tuple[Any, ...], make: Make, says: str = _UTF8, **more: Any) -> Column:
    return Column(declared, edges, make, says, **more)


def _integers(name: str, bits: int) -> list[Column]:
    signed, unsigned = (-2**(bits - 1), 2**(bits - 1) - 1), (0, 2**bits - 1)
    return [_json(name, around(*signed), whole(*signed)),
            _json(f"{name} unsigned", (*around(*unsigned), signed[1] + 1), whole(*unsigned))]


def _decimal(digits: int, scale: int) -> Column:
    most = "9" * (digits - scale) + ("." + "9" * scale if scale else "")
    least = f"{1 / 10**scale:.{scale}f}" if scale else "1"
    edges = ("0", most, "-" + most, least, "-" + least)
    return _text(f"decimal({digits},{scale})", edges, decimal(digits, scale), _CHARS)


def _bits(count: int) -> Column:
    says = "ELT({} + 1, 'false', 'true')" if count == 1 else "CONV(HEX({}), 16, 10)"
    return _json(f"bit({count})", (0, 1, 2**count - 1, 2**(count - 1)), lambda pick: pick.getrandbits(count), says)


def _bytes(declared: str, edges: tuple[bytes, ...], most: int, says: str = "TO_BASE64({})", **more: Any) -> Column:
    return Column(declared, edges, raw(most), says, "base64", **more)


def _enum(labels: tuple[str, ...], charset: str, kind: str = "enum") -> Column:
    quoted = ", ".join("'" + each.replace("\\", "\\\\").replace("'", "''") + "'" for each in labels)

    def some(pick: Pick) -> str:
        return pick.choice(labels) if kind == "enum" else ",".join(each for each in labels if pick.random() < 0.5)
    edges = (*labels, "") if kind == "enum" else (*labels[:8], "", ",".join(labels))
    return _text(f"{kind}({quoted}) CHARACTER SET {charset}", edges, some, name=f"{kind} {len(labels)} {charset}")


_WIDTHS = (("tinyint", 8), ("smallint", 16), ("mediumint", 24), ("int", 32), ("bigint", 64))
_FLOATS = ("0", "-0", "1", "0.1", "3.4028234e38", "-3.4028234e38", "1.17549e-38", "1e-45", "16777216")
_DOUBLES = ("0", "-0", "1", "0.1", "1.7976931348623157e308", "-1.7976931348623157e308", "2.2250738585072014e-308",
            "5e-324", "1e15", "1e16", "9007199254740993")
NUMBERS = Table("numbers", [
    *(column for name, bits in _WIDTHS for column in _integers(name, bits)),
    _json("bool", (0, 1, 2, -128), one_of(0, 1)),
    _json("int(9) zerofill", (0, 7, 2**32 - 1), whole(0, 2**32 - 1), "CAST({} + 0 AS CHAR)"),
    _json("year", ("0000", 1901, 2155), lambda pick: pick.randint(1901, 2155), "CAST({} + 0 AS CHAR)"),
    Column("float", _FLOATS, real("f"), "CAST({} * 1e0 AS CHAR)", "real32"),
    Column("float unsigned", ("0", "1e10"), one_of("0.5", "7"), "CAST({} * 1e0 AS CHAR)", "real32"),
    Column("double", _DOUBLES, real("d"), _CHARS, "real"),
])

_DECIMALS = ((65, 30), (65, 0), (30, 30), (38, 10), (10, 2), (1, 0), (1, 1), (9, 9), (10, 9), (18, 9))
DECIMALS = Table("decimals", [
    *(_decimal(*each) for each in _DECIMALS),
    *(_decimal(digits, digits // 2) for digits in range(2, 18)),
    _text("decimal(20,4) unsigned", ("0", "9999999999999999.9999"), one_of("1.5"), _CHARS),
])

BITS = Table("bits", [_bits(count) for count in range(1, 65)])

def _temporal(name: str, digits: int, zone: str, edges: tuple[str, ...], first: int, last: int) -> Column:
    fraction = f", LEFT(DATE_FORMAT({{0}}, '.%f'), {digits + 1})" if digits else ""
    says = f"CONCAT(DATE_FORMAT({{0}}, '%Y-%m-%dT%H:%i:%s'){fraction}, '{zone}')"
    null = " NULL" if zone else ""  # or a TIMESTAMP would be NOT NULL
    return _text(f"{name}({digits}){null}", edges, lambda pick: moment(pick, digits, first, last), says)


def _datetime(digits: int) -> Column:
    edges = ("0000-00-00 00:00:00", "2015-00-21 10:11:12.5", "2024-02-31 00:00:00", "1000-01-01 00:00:00.000001",
             "9999-12-31 23:59:59." + ("9" * digits or "0"))
    return _temporal("datetime", digits, "", edges, 1, 9999)


def _timestamp(digits: int) -> Column:
    edges = ("0000-00-00 00:00:00", "1970-01-01 00:00:01", "2000-02-29 23:59:59.4",
             "2038-01-19 03:14:07." + ("9" * digits or "0"))
    return _temporal("timestamp", digits, "Z", edges, 1971, 2037)


def _time(digits: int) -> Column:
    def make(pick: Pick) -> str:
        hours = pick.choice([0, pick.randint(0, 23), pick.randint(24, 837)])
        return pick.choice(["", "-"]) + f"{hours}:{clock(pick, digits)[3:]}"
    edges = ("00:00:00", "838:59:59", "-838:59:59", "-00:00:00.000001", "-00:00:00.5", "-00:00:01", "-23:59:59.999999",
             "-00:01:00.1", "24:00:00", "100:00:00.9")
    return _text(f"time({digits})", edges, make, _CHARS)


_TIMES = [_text("date", ("0000-00-00", "2024-00-00", "2024-02-00", "2024-02-31", "1000-01-01", "9999-12-31"), day,
                "DATE_FORMAT({}, '%Y-%m-%d')"),
          *(make(digits) for make in (_datetime, _timestamp, _time) for digits in range(7))]
TIMES = Table("times", _TIMES)
# The formats from before MySQL 5.6, which MariaDB still writes when told to.
OLD_TIMES = Table("old_times", _TIMES, setup="SET GLOBAL mysql56_temporal_format = OFF",
                  after="SET GLOBAL mysql56_temporal_format = ON")

_TEXTS = tuple(NASTY) + ("ab  ", "\0", "a\0b")
TEXTS = Table("texts", [
    _text("char(63)", _TEXTS, text),
    _text("char(255)", ("🐎" * 255,), text),
    _text("varchar(63)", _TEXTS, text),
    _text("varchar(64)", ("🐎" * 64,), text),
    _text("varchar(2000)", ("🐎" * 2000,), text),
    _text("tinytext", _TEXTS, text),
    _text("text", ("ž" * 32767,), text),
    _text("mediumtext", ("x" * 70000,), text),
    _text("longtext", _TEXTS, text),
    _text("varchar(20) COLLATE utf8mb4_bin", ("Ä",), text, name="binary collation"),
    _bytes("binary(1)", (b"", b"\0", b"\xff"), 1),
    _bytes("binary(8)", (b"", b"ab\0", b"\0a", b"a "), 8),
    _bytes("binary(255)", (b"",), 255),
    _bytes("varbinary(255)", (b"", b"\0", b"\0" * 255), 255),
    _bytes("varbinary(256)", (b"\xff" * 256,), 256),
    _bytes("tinyblob", (b"", b"\0" * 255), 255),
    _bytes("blob", (b"",), 99),
    _bytes("mediumblob", (b"\n" * 65536,), 99),
    _bytes("longblob", (b"a\0",), 99),
    _bytes("varchar(20) CHARACTER SET binary", (b"\xff", b"a\0"), 20, name="character set binary"),
])

LABELS = Table("labels", [
    _enum(("a", "b,c", "d'e", 'f"g', "ž", " h"), "utf8mb4"),
    _enum(("José", "€"), "latin1"),
    _enum(tuple(f"label {number}" for number in range(300)), "ascii"),
    *(_enum(tuple(f"{number}é" for number in range(count)), "utf8mb4", "set") for count in (1, 8, 9, 17, 25, 33, 64)),
    _enum(("日", "本 "), "sjis", "set"),
    _enum(("я", "ю"), "cp1251", "set"),
])


def _wkt(pick: Pick) -> str:
    def points(count: int) -> str:
        return ", ".join(f"{pick.randint(-80, 80)} {pick.uniform(-80, 80)!r}" for _ in range(count))
    return pick.choice([f"POINT({points(1)})", f"LINESTRING({points(3)})", f"MULTIPOINT({points(2)})",
                        "POLYGON((0 0, 9 0, 9 9, 0 9, 0 0), (1 1, 2 1, 2 2, 1 1))",
                        f"GEOMETRYCOLLECTION(POINT({points(1)}), LINESTRING({points(2)}))"])


def _geometry(declared: str, edges: tuple[str, ...], make: Make, srid: int = 0) -> Column:
    return Column(declared, edges, make, "HEX({})", "hex", f"ST_GeomFromText(%s, {srid})", f"{declared} in {srid}")


SHAPES = Table("shapes", [
    _geometry("geometry", ("POINT(0 0)", "GEOMETRYCOLLECTION EMPTY"), _wkt),
    _geometry("geometry", (), _wkt, 4326),
    _geometry("point", ("POINT(-0.5 1e300)",), one_of("POINT(1 2)")),
    _geometry("multipolygon", (), one_of("MULTIPOLYGON(((0 0, 1 0, 1 1, 0 0)))")),
])

_DOCUMENTS = ("null", "true", "[]", "{}", '""', '"x"', "0", "-1", "0.0", "-0.0", "1e15", "1e16", "1e100", "1.5e-7",
              "0.10", "32767", "-32769", "65536", "2147483648", "-9223372036854775808", "18446744073709551615",
              "18446744073709551616", '{"b": 1, "aa": 2, "a": 3}',
              '{"a": {"b": [1, 2.50, null, {"": []}]}, "ž": "x\\"\\u00e9\\u0001"}',
              json.dumps({f"k{i}": "x" * 90 for i in range(800)}), json.dumps(list(range(-20000, 20000))))
_SQL_IN_JSON = ("JSON_ARRAY(CAST(%s AS DECIMAL(65,30)), TIME'-12:00:00.25', TIMESTAMP'2024-02-29 10:11:12.5', "
                "DATE'2024-02-29', x'00ff', 18446744073709551615, 1e0, true, NULL, 0.10)")
DOCUMENTS = Table("documents", [
    _json("json", _DOCUMENTS, document),
    _json("json", ("0", "-0.5", "9" * 35), decimal(60, 30), put=_SQL_IN_JSON, name="json of SQL values")])


def _hex(*numbers: float) -> str:
    return struct.pack(f"<{len(numbers)}f", *numbers).hex()


def _vector(most: int, *edges: tuple[float, ...]) -> Column:
    def make(pick: Pick) -> str:
        return _hex(*(float(real("f")(pick)) for _ in range(pick.randint(1, most))))
    return Column(f"vector({most})", tuple(_hex(*each) for each in edges), make, "HEX({})", "vector", "UNHEX(%s)")


VECTORS = Table("vectors", [_vector(3, (0, -0.0, 1), (3.4028234e38, 1e-45, 0.1), (16777216,)), _vector(40)])

_UUIDS = ("00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff",
          "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A00")
_INET6 = ("::", "::1", "1::", "::ffff:10.0.0.1", "::1.2.3.4", "1:0:0:2:0:0:0:3", "2001:db8::", "0:1:2:3:4:5:6:7")


def _inet4(pick: Pick) -> str:
    return ".".join(str(pick.randrange(256)) for _ in range(4))


def _inet6(pick: Pick) -> str:
    return ":".join(pick.choice(["0", "0", f"{pick.getrandbits(16):x}"]) for _ in range(8))


_JSON_TEXTS = ('{"b" : 1,  "b":2.0}', "[1,\n2]", " null")
OWN = Table("own", [
    _text("uuid", _UUIDS, lambda pick: pick.randbytes(16).hex(), _CHARS),
    _text("inet4", ("0.0.0.0", "255.255.255.255"), _inet4, _CHARS),
    _text("inet6", _INET6, _inet6, _CHARS),
    _text("json", _JSON_TEXTS, document),
    _text("varchar(300) COMPRESSED", _TEXTS + ("ab" * 150,), text),
    _text("text COMPRESSED CHARACTER SET sjis", ("日本" * 500, "\\~"), one_of("", "x", "ｱ")),
    _bytes("varbinary(300) COMPRESSED", (b"", b"\0" * 300), 300),
    _bytes("longblob COMPRESSED", (b"ab" * 50000,), 999),
])


def tables(flavor: str) -> list[Table]:
    own = [DOCUMENTS, VECTORS] if flavor == "mysql" else [OWN, OLD_TIMES]
    return [NUMBERS, DECIMALS, BITS, TIMES, TEXTS, LABELS, SHAPES, *own]
