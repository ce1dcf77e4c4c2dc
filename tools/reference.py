#!/usr/bin/env python3
"""The pages below docs/reference/, made from the JSON Schema that the engine prints: nobody writes them by hand.

reference.py SCHEMA           writes the pages
reference.py SCHEMA --check   says which pages are not what would be written; exit 1 when there are any
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "docs/reference"
Json = dict[str, Any]

NOTE = "<!-- Made by `./dev reference` from `deltaforge schema`. Do not edit. -->\n"
WORDS = {"string": "text", "secret": "text, secret", "template": "text, [template](README.md#words)",
         "milliseconds": "milliseconds", "bytes": "bytes", "list-of-strings": "list of texts",
         "list-of-table-patterns": "list of table patterns", "operand": "text, number, boolean or list", "map-of-strings": "map of texts"}
INTRODUCTION = """\
Every field that a pipeline file may hold, with its type, its default and its meaning. What is not listed is refused.
`deltaforge schema --output pipeline.schema.json` writes the same as a JSON Schema for editors; a file names it in its
first line: `# yaml-language-server: $schema=pipeline.schema.json`.

## Words

Any scalar may be `${NAME}` or `${NAME:-default}`, taken from the environment. A **secret** is never shown again. A
**template** may hold variables of the event, such as `${source.table}`. A **table pattern** is `schema.table` with `*`
or `%` for any characters. What is marked "not in this build" is known and refused.
An `id` that is left out is made of the type and the place (`kafka-0`), with a warning.
"""


class Reference:
    def __init__(self, schema: Json) -> None:
        self.schema = schema
        self.definitions: Json = schema["$defs"]

    def resolve(self, value: Json) -> tuple[str, Json]:
        """The name of what a property refers to, and that; both empty when it refers to nothing."""
        forms = [value, *value.get("anyOf", [])]
        names = [form["$ref"].removeprefix("#/$defs/") for form in forms if "$ref" in form]
        names = [name for name in names if name != "variable"]
        return (names[0], self.definitions[names[0]]) if names else ("", {})

    def type_of(self, value: Json) -> str:
        name, definition = self.resolve(value)
        if self.has_page(name):
            return f"[{name}]({name}.md)"
        enums = [form["enum"] for form in value.get("anyOf", []) if "enum" in form]
        if enums:
            return " \\| ".join(f"`{each}`" for each in enums[0] if each is not None)
        if value.get("type") == "null":
            return "-"
        if "array" in value.get("type", []):
            item = value.get("items", {}).get("$ref", "").removeprefix("#/$defs/")
            if "allOf" not in self.definitions.get(item, {}):
                return "list of maps" if item else "list"
            return f"list of [{item}s](README.md#{item}s)"
        if "pattern" in str(definition.get("anyOf", "")):
            return "text or map"
        return (WORDS.get(name) or (name if name in ("boolean", "integer", "number") else "map")) + self.bounds(value)

    @staticmethod
    def bounds(value: Json) -> str:
        low, high = value.get("minimum"), value.get("maximum")
        if low is not None and high is not None:
            return f", {low} to {high}"
        return f", from {low}" if low is not None else f", up to {high}" if high is not None else ""

    def has_page(self, name: str) -> bool:
        """An envelope or an encoding: told apart by type, by bare name or as a map."""
        return f"{name}.map" in self.definitions and "allOf" in self.definitions[f"{name}.map"]

    def nested(self, value: Json) -> Json | None:
        name, definition = self.resolve(value)
        if self.has_page(name):
            return None
        if f"{name}.map" in self.definitions:
            return self.definitions[f"{name}.map"]
        return definition if "properties" in definition and "allOf" not in definition else None

    def rows(self, definition: Json, prefix: str = "") -> Iterator[str]:
        for name, value in definition["properties"].items():
            needed = name in definition.get("required", [])
            default = "**required**" if needed else f"`{json.dumps(value['default'])}`" if "default" in value else ""
            meaning = " ".join(value["description"].split()).replace("|", "\\|")
            yield f"| `{prefix}{name}` | {self.type_of(value)} | {default} | {meaning} |"
            nested = self.nested(value)
            if nested:
                yield from self.rows(nested, f"{prefix}{name}.")
            item = self.definitions.get(value.get("items", {}).get("$ref", "").removeprefix("#/$defs/"), {})
            if "properties" in item and "allOf" not in item:
                yield from self.rows(item, f"{prefix}{name}[].")

    def table(self, definition: Json) -> str:
        return "\n".join(["| field | type | default | meaning |", "|---|---|---|---|", *self.rows(definition)]) + "\n"

    def component(self, kind: str, name: str) -> str:
        definition = self.own_fields(kind, name)
        where = "Fields beside its `type`" if kind == "processor" else "Fields of its `config`"
        rest = {k: v for k, v in definition["properties"].items() if k != "type"}
        table = self.table({**definition, "properties": rest})
        return f"# {kind} `{name}`\n\n{definition['description']} {where}:\n\n{table}"

    def own_fields(self, kind: str, name: str) -> Json:
        return self.definitions[f"{kind}.{name}" if kind == "processor" else f"{kind}.{name}.config"]

    def told_apart(self, name: str) -> str:
        text = f"# {name}\n\nA bare name where nothing else is needed, or a map with its `type`.\n"
        for each in self.types(f"{name}.map"):
            definition = self.definitions[f"{name}.map.{each}"]
            text += f"\n## `{each}`\n\n{definition['description']}\n"
            rest = {k: v for k, v in definition["properties"].items() if k != "type"}
            if rest:
                text += "\n" + self.table({**definition, "properties": rest})
        return text

    def types(self, name: str) -> list[str]:
        forms = self.definitions.get(name, {}).get("properties", {}).get("type", {}).get("anyOf", [])
        return [each for form in forms for each in form.get("enum", [])]

    def pipeline(self) -> str:
        return ("# The pipeline file\n\nA YAML or JSON file holds one document or, in YAML, several.\n\n" +
                self.table({**self.schema, **self.schema["anyOf"][0]}))

    def pages(self) -> dict[str, str]:
        pages = {"pipeline.md": self.pipeline()}
        index = f"# Configuration reference\n\n{INTRODUCTION}\n## Pages\n\n* [The pipeline file](pipeline.md)\n"
        for name in self.definitions:
            if self.has_page(name):
                pages[f"{name}.md"] = self.told_apart(name)
                index += f"* [{name}]({name}.md)\n"
        for kind in ("source", "processor", "sink"):
            types = self.types(kind)
            if types:
                index += f"\n## {kind}s\n\n"
            for each in types:
                pages[f"{kind}-{each}.md"] = self.component(kind, each)
                index += f"* [{each}]({kind}-{each}.md): {self.own_fields(kind, each)['description']}\n"
        pages["README.md"] = index
        return {name: NOTE + text for name, text in pages.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("schema", type=Path, help="what `deltaforge schema` prints; - for standard input")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    options = parser.parse_args()
    text = sys.stdin.read() if str(options.schema) == "-" else options.schema.read_text()
    pages = Reference(json.loads(text)).pages()
    there = {path.name: path.read_text() for path in options.folder.glob("*.md")}
    if options.check:
        stale = sorted(name for name in pages.keys() | there.keys() if pages.get(name) != there.get(name))
        for name in stale:
            print(f"docs/reference/{name} is not what the configuration says: run ./dev reference")
        return 1 if stale else 0
    options.folder.mkdir(parents=True, exist_ok=True)
    for name in there.keys() - pages.keys():
        (options.folder / name).unlink()
    for name, page in pages.items():
        (options.folder / name).write_text(page)
    print(f"{len(pages)} pages in {options.folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
