"""Columns of every type: what goes into them, and how the server is asked what it has. test_types.py compares."""

from __future__ import annotations

import base64
import json
import random
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from .cases import Number
from .dialect_mysql import shortest_float32

Pick = random.Random
Make = Callable[[Pick], Any]


@dataclass(frozen=True)
class Column:
    type: str  # as CREATE TABLE spells it
    edges: tuple[Any, ...]
    make: Make  # any other value
    says: str = ""  # the SQL that asks for the value; {} is the column
    shape: str = "text"  # of the answer: a name of SHAPES
    put: str = "%s"  # the SQL that stores a value
    name: str = ""

    def title(self) -> str:
        return self.name or self.type


@dataclass(frozen=True)
class Table:
    name: str
    columns: list[Column]
    setup: str = field(default="", kw_only=True)  # statements before CREATE TABLE
    after: str = field(default="", kw_only=True)  # and after it

    def rows(self, pick: Pick, count: int) -> list[list[Any]]:
        """The first is all NULL, then come the edges of each column, then anything."""
        columns = [([None, *column.edges], column.make) for column in self.columns]
        count = max(count, *(len(edges) for edges, _ in columns))
        return [[edges[row] if row < len(edges) else None if pick.random() < 0.1 else make(pick)
                 for edges, make in columns] for row in range(count)]


# What a server says -> the JSON that stands for it, parsed as the events are.

def exact(text: str | bytes) -> Any:
    """JSON with nothing lost: numbers as they are written, objects as their pairs in order."""
    return json.loads(text, parse_float=Number, parse_int=Number, object_pairs_hook=tuple)


def _base64(text: str) -> Any:
    return (("_base64", text.replace("\n", "")),)


def _vector(text: str) -> Any:
    return [_real(str(shortest_float32(each))) for (each,) in struct.iter_unpack("<f", bytes.fromhex(text))]


def _real(text: str) -> Any:
    number = Decimal(text)
    return number.is_signed(), number.normalize()


def _shortest(text: str) -> Any:
    """The fewest digits that read back as that double: servers print more of a whole number."""
    return text if text.lstrip("-") in ("NaN", "Infinity") else _real(repr(float(text)))


def _shortest32(text: str) -> Any:
    if text.lstrip("-") in ("NaN", "Infinity") or float(text) == 0:
        return _shortest(text)
    return _real(str(shortest_float32(float(text))))


def _each(make: Callable[[str], Any], value: Any) -> Any:
    if isinstance(value, list):
        return [_each(make, each) for each in value]
    return None if value is None else make(value)


SHAPES: dict[str, Callable[[str], Any]] = {
    "text": str,
    "json": exact,
    "base64": _base64,
    "hex": lambda text: _base64(base64.b64encode(bytes.fromhex(text)).decode()),
    "real": _shortest,
    "real32": _shortest32,
    "reals": lambda text: _each(_shortest, exact(text)),
    "reals32": lambda text: _each(_shortest32, exact(text)),
    "vector": _vector,
}


def expected(column: Column, said: str | None) -> Any:
    return None if said is None else SHAPES[column.shape](said)


def comparable(column: Column, found: Any) -> Any:
    """A value of an event in the terms of expected(). A real must look like one: 1 stays a text and will differ."""
    if column.shape not in ("real", "real32", "reals", "reals32", "vector"):
        return found
    if isinstance(found, list):
        return [comparable(column, each) for each in found]
    return _real(found) if isinstance(found, Number) and ("." in found or "e" in found) else found


# Values

NASTY = ["", " ", "NULL", "null", "a,b", '"', "\\", "\\\"", "{}", "'", "a\nb", "\t\r\x01\x1f\x7f", "ž", "€", "日本", "🐎",
         "\u2028", "\ufeff", "\uffff", "\U0010ffff", "e\u0301", "%s", "<&>", "\x0b"]


def text(pick: Pick, most: int = 20) -> str:
    return "".join(pick.choice(pick.choice(NASTY) or "x") for _ in range(pick.randint(0, most)))


def one_of(*values: Any) -> Make:
    return lambda pick: pick.choice(values)


def whole(low: int, high: int) -> Make:
    """Evenly over the sizes, not over the numbers, or nearly all would be long."""
    def make(pick: Pick) -> int:
        bits = pick.randint(1, max(high.bit_length(), low.bit_length()))
        number = pick.getrandbits(bits)
        return min(max(-number if low < 0 and pick.random() < 0.5 else number, low), high)
    return make


def around(low: int, high: int) -> tuple[int, ...]:
    return tuple(sorted({low, low + 1, -1 if low < 0 else 0, 0, 1, high - 1, high}))


def decimal(digits: int, scale: int) -> Make:
    def make(pick: Pick) -> str:
        front = "".join(pick.choices("0123456789", k=pick.randint(1, digits - scale))) if digits > scale else "0"
        back = "".join(pick.choices("0123456789", k=pick.randint(0, scale)))
        return pick.choice(["", "-"]) + front + ("." + back if back else "")
    return make


def real(form: str) -> Make:
    """Any bits that are a finite number, in as many digits as it has. `form`: f or d, of struct."""
    def make(pick: Pick) -> str:
        while True:
            number = struct.unpack(form, pick.randbytes(struct.calcsize(form)))[0]
            if abs(number) < float("inf"):
                return repr(number)
    return make


def raw(most: int) -> Make:
    return lambda pick: pick.randbytes(pick.randint(0, most))


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def document(pick: Pick, depth: int = 3) -> str:
    """The text of a JSON value. Each key of an object comes once."""
    kind = pick.choice(["scalar", "array", "object"]) if depth else "scalar"
    if kind == "scalar":
        return pick.choice(["null", "true", "false", str(whole(-2**63, 2**64 - 1)(pick)), real("d")(pick), "-1.50",
                            f"{pick.randrange(999)}.{pick.randrange(10**6):06}", _quoted(text(pick))])
    inner = [document(pick, depth - 1) for _ in range(pick.randint(0, 5))]
    if kind == "array":
        return "[" + ", ".join(inner) + "]"
    names = pick.sample(NASTY, len(inner))
    return "{" + ",".join(f"{_quoted(name)} : {each}" for name, each in zip(names, inner)) + "}"


def day(pick: Pick, first: int = 1, last: int = 9999) -> str:
    return f"{pick.randint(first, last):04}-{pick.randint(1, 12):02}-{pick.randint(1, 28):02}"


def clock(pick: Pick, digits: int = 6) -> str:
    fraction = f".{pick.randrange(10**digits):0{digits}}" if digits else ""
    return f"{pick.randrange(24):02}:{pick.randrange(60):02}:{pick.randrange(60):02}{fraction}"


def moment(pick: Pick, digits: int = 6, first: int = 1, last: int = 9999) -> str:
    return f"{day(pick, first, last)} {clock(pick, digits)}"
