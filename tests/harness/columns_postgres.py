"""PostgreSQL's types. Values are their input text; the server is asked in a session with zone UTC."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .columns import (NASTY, Column, Make, Pick, Table, around, clock, day, decimal, document, moment, one_of, raw,
                      real, text, whole)

_JSON = "{}::text"
_TO_JSON = "to_json({})::text"
_TEXTS = "to_json({}::text[])::text"
_UTC = "replace(to_json({})::text, '+00:00', 'Z')"
_REALS = ("NaN", "Infinity", "-Infinity", "0", "-0", "1", "0.1", "1e15", "1e16", "123456789", "1e-5", "1e-4")


def _text(declared: str, edges: tuple[Any, ...], make: Make, says: str = "{}::text", **more: Any) -> Column:
    return Column(declared, edges, make, says, **more)


def _json(declared: str, edges: tuple[Any, ...], make: Make, says: str = _JSON, **more: Any) -> Column:
    return Column(declared, edges, make, says, "json", **more)


def _real(declared: str, edges: tuple[str, ...], form: str) -> Column:
    return Column(declared, (*_REALS, *edges), real(form), "{}::text", "real32" if form == "f" else "real")


def _hex(make: Make) -> Make:
    return lambda pick: "\\x" + make(pick).hex()


def _bits(count: int) -> Make:
    return lambda pick: "".join(pick.choices("01", k=count))


def _quoted(value: Any) -> str:
    return "NULL" if value is None else '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _list(values: list[Any], delimiter: str = ",") -> str:
    return "{" + delimiter.join(values) + "}"


def _array(make: Make, delimiter: str = ",") -> Make:
    """One or two dimensions, their lower bounds sometimes not 1."""
    def item(pick: Pick) -> str:
        return _quoted(None if pick.random() < 0.1 else make(pick))

    def array(pick: Pick) -> str:
        across, low = pick.randint(0, 4), pick.randint(-2, 2)
        down = pick.choice([0, 0, 2]) if across else 0
        if not down:
            values = _list([item(pick) for _ in range(across)], delimiter)
            return f"[{low}:{low + across - 1}]={values}" if across and pick.random() < 0.3 else values
        values = _list([_list([item(pick) for _ in range(across)], delimiter) for _ in range(down)], delimiter)
        return f"[{low}:{low + 1}][0:{across - 1}]={values}" if pick.random() < 0.3 else values
    return array


def _arrays(element: str, edges: tuple[Any, ...], make: Make, says: str = _TEXTS, shape: str = "json",
            delimiter: str = ",") -> Column:
    every = _list([_quoted(each) for each in edges] + ["NULL"], delimiter)
    return Column(f"{element}[]", ("{}", every), _array(make, delimiter), says, shape)


def _range(make: Make, low_first: Callable[[str], Any] = str) -> Make:
    def made(pick: Pick) -> str:
        low, high = sorted((str(make(pick)), str(make(pick))), key=low_first)
        if pick.random() < 0.1:
            return "empty"
        return pick.choice("[(") + pick.choice([low, ""]) + "," + pick.choice([high, ""]) + pick.choice("])")
    return made


def _multirange(make: Make) -> Make:
    return lambda pick: _list([make(pick) for _ in range(pick.randint(0, 3))])


def _interval(pick: Pick) -> str:
    parts = [f"{pick.randint(-99, 99)} {unit}" for unit in ("year", "mon", "day") if pick.random() < 0.6]
    return " ".join([*parts, pick.choice(["", "-"]) + clock(pick)])


def _zone(pick: Pick) -> str:
    return f"{pick.choice('+-')}{pick.randint(0, 15):02}:{pick.choice([0, 15, 30, 45]):02}"


def _inet(pick: Pick) -> str:
    if pick.random() < 0.5:
        return ".".join(str(pick.randrange(256)) for _ in range(4)) + pick.choice(["", f"/{pick.randint(0, 32)}"])
    return ":".join(pick.choice(["0", f"{pick.getrandbits(16):x}"]) for _ in range(8)) + pick.choice(
        ["", f"/{pick.randint(0, 128)}"])


def _mac(count: int) -> Make:
    return lambda pick: pick.randbytes(count).hex(":")


def _uuid(pick: Pick) -> str:
    return pick.randbytes(16).hex()


def _point(pick: Pick) -> str:
    return f"({real('f')(pick)},{pick.randint(-9, 9)})"


def _points(least: int) -> Make:
    return lambda pick: ",".join(_point(pick) for _ in range(pick.randint(least, 5)))


def _wrapped(make: Make, left: str, right: str) -> Make:
    return lambda pick: left + make(pick) + right


def _hstore(pick: Pick) -> str:
    pairs = {text(pick, 4): None if pick.random() < 0.2 else text(pick, 6) for _ in range(pick.randint(0, 4))}
    return ", ".join(f"{_quoted(key)}=>{_quoted(value)}" for key, value in pairs.items())


def _xml(pick: Pick) -> str:
    letters = "".join(pick.choices("ab ž🐎", k=pick.randint(0, 9)))
    return f"<a b='{letters}'>{letters}<!-- {letters} -->&amp;</a>"


_INT2, _INT4, _INT8 = (-2**15, 2**15 - 1), (-2**31, 2**31 - 1), (-2**63, 2**63 - 1)
_NUMERICS = ("NaN", "Infinity", "-Infinity", "0", "0.00", "-0.10", "1e3", "9" * 100, "-1e-100", "1e1000")
_DATES = ("infinity", "-infinity", "4713-11-24 BC", "0001-12-31 BC", "0001-01-01", "1970-01-01", "2024-02-29",
          "9999-12-31", "10000-01-01", "5874897-12-31")
_MOMENTS = ("infinity", "-infinity", "4713-11-24 00:00:00 BC", "0044-03-15 12:00:00.5 BC", "0001-01-01 00:00:00",
            "1969-12-31 23:59:59.999999", "2024-02-29 12:00:00.1", "10000-01-01 00:00:00",
            "294276-12-31 23:59:59.999999")
_ZONED = tuple(each if "inf" in each else each.replace(" BC", "+00 BC") if " BC" in each else each + "+00"
               for each in _MOMENTS) + ("2024-02-29 23:30:00-05", "2024-02-29 00:15:00.123456+05:45")
_INTERVALS = ("0", "178000000 years", "-178000000 years", "1 year -2 mons 3 days -04:05:06.789", "-00:00:00.000001",
              "100:00:00", "1 mon", "-1 day +00:00:01")
_DOCUMENTS = ("null", "[]", "{}", '"x"', '{"a": {"b": [1, 2.50, 1e2, null]}, "ž": "x\\"\\u00e9"}',
              "123456789012345678901234567890", "-0", "0.10")
_LOOSE = ('{"b" : 1,  "b":2.0}', '[1,\n\t2]', ' {"z": 1E400}\r\n')
_TEXT_EDGES = tuple(NASTY)
_CHARS = ("", "a", " ", "\\", '"', "~")
_INETS = ("0.0.0.0/0", "255.255.255.255", "10.0.0.1/8", "::", "::1", "::ffff:1.2.3.4", "2001:db8::/32",
          "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")
_BYTES = ("\\x", "\\x00", "\\xff", "\\x5c78", "\\x0a0d27")
_UUIDS = ("00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff")
_MONEY = ("0", "-0.01", "92233720368547758.07", "-92233720368547758.08")
_TIMES = ("00:00:00", "24:00:00", "23:59:59.999999", "12:00:00.1")



def _clock_zoned(pick: Pick) -> str:
    return clock(pick) + _zone(pick)


def _zoned(pick: Pick) -> str:
    return moment(pick) + _zone(pick)


NUMBERS = Table("numbers", [
    _json("int2", around(*_INT2), whole(*_INT2)),
    _json("int4", around(*_INT4), whole(*_INT4)),
    _json("int8", around(*_INT8), whole(*_INT8)),
    _json("oid", around(0, 2**32 - 1), whole(0, 2**32 - 1)),
    _text("numeric", _NUMERICS, decimal(60, 30)),
    _text("numeric(10,2)", ("NaN", "0", "-0.00", "99999999.99"), decimal(9, 4)),
    _text("numeric(5,-2)", ("0", "9999900", "149"), decimal(6, 0)),
    _text("numeric(3,5)", ("0.00999", "0"), one_of("0.00123")),
    _text("numeric(1000,999)", ("-9." + "9" * 999, "0"), decimal(400, 399)),
    _real("float4", ("3.4028235e38", "-3.4028235e38", "1e-45", "16777217", "8388608.5"), "f"),
    _real("float8", ("1.7976931348623157e308", "5e-324", "0.30000000000000004", "9007199254740993"), "d"),
    _json("bool", ("t", "f"), one_of("t", "f"), _TO_JSON),
    _text("money", _MONEY, decimal(16, 2)),
    _text("pg_lsn", ("0/0", "FFFFFFFF/FFFFFFFF"), one_of("16/B374D848")),
    _text("xid", ("0", "4294967295"), whole(3, 2**32 - 1)),
    _text("xid8", ("0", "18446744073709551615"), whole(3, 2**63)),
    _text("cid", ("0", "4294967295"), whole(0, 2**32 - 1)),
    _text("tid", ("(0,0)", "(4294967295,65535)"), one_of("(7,9)")),
    _text("regtype", ("integer", "text[]"), one_of("-", "bigint")),
])

TEXTS = Table("texts", [
    _text("text", _TEXT_EDGES, text),
    _text("varchar(10)", ("", "ab  ", "🐎" * 10), lambda pick: text(pick, 4)[:10]),
    _json("char(5)", ("", "ab ", "🐎"), one_of("a", "abcde"), _TO_JSON),
    _text("name", _TEXT_EDGES[:13], text),
    _text('"char"', _CHARS, one_of(*"abc"), name="char"),
    _text("citext", ("Ab", ""), text),
    _text("uuid", _UUIDS, _uuid),
    _text("xml", ("", "x<a/>", "<!-- -->"), _xml),
    _json("json", _DOCUMENTS + _LOOSE, document),
    _json("jsonb", _DOCUMENTS, document),
    _text("jsonpath", ('$."a b"[*] ? (@ > 1)', "strict $"), one_of("$.a", "lax $[0 to last]")),
    Column("bytea", _BYTES, _hex(raw(120)), "encode({}, 'base64')", "base64"),
    _text("bit", ("0", "1"), _bits(1)),
    _text("bit(64)", ("0" * 64, "1" * 64), _bits(64)),
    _text("bit(65)", (), _bits(65)),
    _text("varbit", ("", "0", "1" * 100), lambda pick: _bits(pick.randint(0, 70))(pick)),
    _text("tsvector", ("", "'a':1A 'b c':2,3", "x'':1"), one_of("fat:2,4 cat:3")),
    _text("tsquery", ("", "'a b' & !c:*A | d"), one_of("fat & (rat | cat)", "a <-> b")),
    _json("inet", _INETS, _inet, _TO_JSON),
    _text("cidr", ("10/8", "::/0", "10.1.2.3/32"), one_of("192.168.100.128/25", "2001:db8::/64")),
    _text("macaddr", ("00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"), _mac(6)),
    _text("macaddr8", ("ff:ff:ff:ff:ff:ff",), _mac(8)),
    _text("txid_snapshot", ("10:20:10,14,15", "1:1:"), one_of("5:9:6")),
    _text("pg_snapshot", ("1:1:",), one_of("5:9:6")),
    _text("int2vector", ("", "1 2 -3"), one_of("7", "0 0")),
    _text("oidvector", ("", "1 2"), one_of("4294967295")),
],
    setup="CREATE EXTENSION citext")

TIMES = Table("times", [
    _text("date", _DATES, day),
    _text("time", _TIMES, clock),
    _text("timetz", ("00:00:00+15:59", "24:00:00-15:59"), _clock_zoned),
    *(_text(f"time({n})", ("23:59:59.999999",), clock) for n in range(7)),
    _json("timestamp", _MOMENTS, moment, _TO_JSON),
    _json("timestamptz", _ZONED, _zoned, _UTC),
    *(_json(f"timestamp({n})", ("2024-12-31 23:59:59.999999",), moment, _TO_JSON) for n in range(7)),
    *(_json(f"timestamptz({n})", ("2024-12-31 23:59:59.999999+00",), _zoned, _UTC) for n in range(7)),
    _text("interval", _INTERVALS, _interval),
    _text("interval(2)", (), _interval),
    _text("interval year to month", (), _interval),
])

SHAPES = Table("shapes", [
    _text("point", ("(0,-0)", "(NaN,Infinity)", "(1e-300,1e300)"), _point),
    _text("line", ("{1,-1,0}",), one_of("{0,1,-2.5}")),
    _text("lseg", ("[(0,0),(1,1)]",), lambda pick: f"[{_point(pick)},{_point(pick)}]"),
    _text("box", ("(0,0),(1,1)",), lambda pick: f"{_point(pick)},{_point(pick)}"),
    _text("path", ("[(0,0)]", "((0,0),(1,1))"), _wrapped(_points(1), "[", "]")),
    _text("polygon", ("((0,0))",), _wrapped(_points(1), "(", ")")),
    _text("circle", ("<(0,0),0>",), lambda pick: f"<{_point(pick)},{pick.randint(0, 9)}>"),
    _arrays("box", ("(0,0),(1,1)",), lambda pick: f"{_point(pick)},{_point(pick)}", delimiter=";"),
    _arrays("point", ("(0,0)",), _point),
])

_small = whole(-99, 99)
RANGES = Table("ranges", [
    _text("int4range", ("empty", "(,)", "[1,5)"), _range(_small, int)),
    _text("int8range", ("(1,5]",), _range(_small, int)),
    _text("numrange", ("[1.50,2.0]", "(,NaN]"), _range(_small, int)),
    _text("daterange", ("[2024-01-01,infinity)",), _range(day)),
    _text("tsrange", ('["2024-01-01 00:00:00",)',), _range(moment)),
    _text("tstzrange", ('("2024-01-01 00:00:00-05",]',), _range(moment)),
    _text("int4multirange", ("{}", "{[1,2),[5,6)}"), _multirange(_range(_small, int))),
    _text("tstzmultirange", ('{["2024-01-01 00:00:00+02",)}',), _multirange(_range(moment))),
    _text("nummultirange", (), _multirange(_range(_small, int))),
    _text("datemultirange", (), _multirange(_range(day))),
    _arrays("int4range", ("empty", "[1,5)"), _range(_small, int)),
    _arrays("tstzrange", (), _range(moment)),
    _arrays("int4multirange", ("{}",), _multirange(_range(_small, int))),
    _text("span", ("[a,b]", "empty"), one_of('["x,y",)')),
],
    setup="CREATE TYPE span AS RANGE (subtype = text)")

# to_json() of a bytea has no base64.
_BYTEAS = """CASE WHEN {0} IS NOT NULL THEN (SELECT coalesce(json_agg(CASE WHEN e IS NOT NULL THEN
      json_build_object('_base64', translate(encode(e, 'base64'), E'\\n', '')) END ORDER BY n), '[]')
    FROM unnest({0}) WITH ORDINALITY u(e, n))::text END"""


def _flat(make: Make) -> Make:
    return lambda pick: _list([_quoted(pick.choice([None, make(pick)])) for _ in range(pick.randint(0, 4))])


ARRAYS = Table("arrays", [
    _arrays("int2", around(*_INT2), whole(*_INT2), _TO_JSON),
    _arrays("int4", around(*_INT4), whole(*_INT4), _TO_JSON),
    _arrays("int8", around(*_INT8), whole(*_INT8), _TO_JSON),
    _arrays("oid", (0, 2**32 - 1), whole(0, 2**32 - 1), _TO_JSON),
    _arrays("numeric", _NUMERICS, decimal(30, 10)),
    _arrays("float4", _REALS, real("f"), _TO_JSON, "reals32"),
    _arrays("float8", _REALS, real("d"), _TO_JSON, "reals"),
    _arrays("bool", ("t", "f"), one_of("t", "f"), _TO_JSON),
    _arrays("text", _TEXT_EDGES, text),
    _arrays("varchar(10)", ("",), lambda pick: text(pick, 4)[:10]),
    _arrays("char(3)", ("", "a"), one_of("b", "abc"), _TO_JSON),
    _arrays("name", _TEXT_EDGES[:13], text),
    _arrays('"char"', _CHARS, one_of(*"abc")),
    _arrays("citext", ("Ab",), text),
    _arrays("uuid", _UUIDS, _uuid),
    _arrays("xml", ("<a/>",), _xml),
    _arrays("json", _DOCUMENTS + _LOOSE, document, _TO_JSON),
    _arrays("jsonb", _DOCUMENTS, document, _TO_JSON),
    Column("bytea[]", ("{}",), _flat(_hex(raw(60))), _BYTEAS, "json"),
    _arrays("date", _DATES, day),
    _arrays("time", _TIMES, clock),
    _arrays("timetz", (), _clock_zoned),
    _arrays("timestamp", _MOMENTS, moment, _TO_JSON),
    _arrays("timestamptz", _ZONED, _zoned, _UTC),
    _arrays("interval", _INTERVALS, _interval),
    _arrays("inet", _INETS, _inet, _TO_JSON),
    _arrays("macaddr", (), _mac(6)),
    _arrays("cidr", ("10/8",), one_of("::/0")),
    _arrays("money", _MONEY, decimal(16, 2)),
    _arrays("bit(3)", (), _bits(3)),
    _arrays("varbit", ("", "1"), _bits(9)),
    _arrays("tsvector", ("", "'a b':1"), one_of("x y")),
    _arrays("pg_lsn", ("0/0",), one_of("1/2")),
])

_PAIRS = ('(,)', '("a,b",{1})', '("q""\\\\",{})')


def _pair(pick: Pick) -> str:
    return f"({_quoted(text(pick))},{_quoted(_array(_small)(pick))})"


_words = one_of("sad", "it's, ok", 'q"\\', "ž")
OWN = Table("own", [
    _text("feel", ("sad", "it's, ok", 'q"\\', "ž"), _words),
    _arrays("feel", ("sad", "it's, ok", 'q"\\'), _words),
    _text("pair", _PAIRS, _pair),
    _arrays("pair", _PAIRS, _pair),
    _json("whole", around(*_INT4), whole(*_INT4)),
    _arrays("whole", around(*_INT4), whole(*_INT4), _TO_JSON),
    _json("deep", (1,), _small),
    _text("short", ("", "ab"), one_of("x")),
    _text("bad_feel", ("sad",), one_of("sad")),
    _text("pair_domain", _PAIRS, _pair),
    _json("words", ("{}", "{NULL,a}"), _array(text), _TO_JSON),
    _json("since", _ZONED, _zoned, _UTC),
    _json("hstore", ("", 'a=>1, bb=>NULL, "c d"=>"NULL"', '"q\\"\\\\"=>"=>, "'), _hstore, "hstore_to_json({})::text"),
    _json("attrs", ("",), _hstore, "hstore_to_json({})::text"),
    _arrays("hstore", ("", "a=>1", 'b=>"\\""'), _hstore, _TO_JSON),
    _text("ltree", ("", "a.b"), one_of("x.y_1")),
],
    setup="""CREATE TYPE feel AS ENUM ('sad', 'it''s, ok', E'q"\\\\', 'ž'); CREATE TYPE pair AS (a text, b int[]);
        CREATE DOMAIN whole AS int; CREATE DOMAIN deep AS whole CHECK (VALUE < 100); CREATE DOMAIN short AS varchar(5);
        CREATE DOMAIN bad_feel AS feel CHECK (VALUE = 'sad'); CREATE DOMAIN words AS text[];
        CREATE DOMAIN since AS timestamptz; CREATE DOMAIN pair_domain AS pair; CREATE EXTENSION ltree;
        CREATE EXTENSION hstore; CREATE DOMAIN attrs AS hstore""")

TABLES = [NUMBERS, TEXTS, TIMES, SHAPES, RANGES, ARRAYS, OWN]
