"""What a PromQL expression asks for: its metrics, and the labels that it selects and groups by. Enough for the queries
of our dashboard and alerts; it is no parser of the language."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_GROUPING = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\(([^()]*)\)")
_WORDS = {"and", "or", "unless", "bool", "offset"}
_SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\s*(?:\{([^{}]*)\})?(?!\s*\()(?![\w:])")
_CUMULATIVE = re.compile(r"\b(?:rate|increase|irate)\s*\(\s*([a-zA-Z_:][\w:]*)")
_SUFFIX = re.compile(r"_(bucket|sum|count)$")


@dataclass
class Query:
    metrics: dict[str, set[str]] = field(default_factory=dict)  # name -> labels of its selectors
    grouped: set[str] | None = None  # labels of the result; None where nothing is grouped
    cumulative: set[str] = field(default_factory=set)  # metrics inside rate() and increase()


def read(expression: str) -> Query:
    query = Query()
    text = re.sub(r'"(?:\\.|[^"\\])*"', '""', expression)
    text = re.sub(r"\[[^\]]*\]", "", text)
    for _, labels in _GROUPING.findall(text):
        query.grouped = (query.grouped or set()) | {each.strip() for each in labels.split(",")}
    text = _GROUPING.sub(" ", text)
    query.cumulative = set(_CUMULATIVE.findall(text))
    for name, selector in _SELECTOR.findall(text):
        if name in _WORDS or re.fullmatch(r"\d.*|e\d+", name):
            continue
        query.metrics.setdefault(name, set()).update(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector))
    return query


@dataclass
class Family:
    kind: str
    labels: set[str] = field(default_factory=set)


def families(exposition: str) -> dict[str, Family]:
    """Of a GET /metrics."""
    found: dict[str, Family] = {name: Family(kind) for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", exposition, re.M)}
    for name, labels in re.findall(r"^(\w+)(?:\{(.*)\})? \S+$", exposition, re.M):
        base = name if name in found else _SUFFIX.sub("", name)
        found[base].labels |= set(re.findall(r'(\w+)="', labels)) - {"le"}
    return found


def problems(query: Query, known: dict[str, Family], shown: set[str]) -> list[str]:
    """`shown`: labels that the legend or the text of an alert prints."""
    wrong = []
    scraped = {"job", "instance"}
    every: set[str] = set(scraped)
    for name, selected in query.metrics.items():
        base = _SUFFIX.sub("", name)
        family = known.get(name) or known.get(base)
        if family is None:
            wrong.append(f"no metric {name}")
            continue
        if (family.kind == "histogram") != (name not in known):
            wrong.append(f"{name} is a {family.kind}")
        if name in query.cumulative and family.kind == "gauge":
            wrong.append(f"rate() of {name}, which is a gauge")
        labels = family.labels | scraped | ({"le"} if name.endswith("_bucket") else set())
        wrong += [f"{name} has no label {each}" for each in sorted(selected - labels)]
        if query.grouped is not None:
            wrong += [f"{name} has no label {each} to group by" for each in sorted(query.grouped - labels)]
        every |= labels
    printable = query.grouped if query.grouped is not None else every
    return wrong + [f"{{{{{each}}}}} is no label of the result" for each in sorted(shown - printable)]
