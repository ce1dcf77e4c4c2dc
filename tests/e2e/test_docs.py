"""Every fenced block of the documentation is run or checked, and every page that commands something is followed.

What stands behind ``` says how: `yaml` (a document, validated; `fragment`: fields of spec; `file=NAME`: what later blocks
use), `json` (parses), `sql server=NAME` (executed in the order of the page; `db=`, `restart`), `ini server=NAME` (the
server is started with it), `sh run` (executed, must succeed), `sh start` (an engine that runs from there on), `sh check`
(what would change this machine: its syntax, our own flags and verbs), `text` (a picture), `text sample` (what a command
prints elsewhere), `text output` (what the last command printed; `...` is anything); `scratch`: in a copy of this repository
(test_adding.py)."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.docs import (KINDS, Block, Page, environment_names, json_values, matches_output, pages, pieces_of_message,
                          read_page, said_by_the_program, whole_document)
from harness.docs_run import Reader
from harness.engine import BINARY
from harness.procs import REPO

PAGES = pages()
BLOCKS = [block for page in PAGES for block in page.blocks]
_VALUES = {"POSTGRES_DSN": "postgresql://u:p@h/d", "MYSQL_DSN": "mysql://u:p@h/d", "REDIS_URI": "redis://h:6379",
           "NATS_URL": "nats://h:4222", "API_TOKEN": "t", "SIGNING_KEY": "k",
           "MASK_KEY": "k"}


def problem_of(block: Block, scratch: Path) -> str:
    """What is wrong with a block, without a server."""
    if problem := block.problem():
        return problem
    try:
        if block.language == "yaml" and "scratch" not in block.words:
            return _invalid(whole_document(block.text) if "fragment" in block.words else block.text, scratch)
        if block.language == "json":
            json_values(block.text)
        if block.language == "sh":
            return _bad_shell(block.text)
    except (ValueError, AssertionError) as failure:
        return str(failure)
    return ""


def _invalid(document: str, scratch: Path) -> str:
    file = scratch / "document.yaml"
    file.write_text(document)
    values = {name: _VALUES.get(name, "h:9092") for name in environment_names(document)}
    done = subprocess.run([str(BINARY), "validate", str(file)], capture_output=True, text=True, timeout=30,
                          env={"PATH": "/usr/bin", **values})
    return "" if done.returncode == 0 else done.stderr


def _help(*command: str) -> str:
    return subprocess.run([*command], capture_output=True, text=True, timeout=60, cwd=REPO).stdout


def _bad_shell(text: str) -> str:
    done = subprocess.run(["bash", "-n", "-c", text], capture_output=True, text=True, timeout=30)
    if done.returncode != 0:
        return done.stderr
    overview = _help(str(BINARY), "--help")
    commands = re.findall(r"^  ([a-z]+) ", overview.partition("Subcommands:")[2], re.M)
    verbs = _help("./dev", "help")
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            words.pop(0)
        if words[:1] == ["deltaforge"]:
            command = words[1] if words[1:2] and not words[1].startswith("-") else "run"
            if command not in commands:
                return f"deltaforge has no command {command}"
            flags = set(re.findall(r"--[a-z][a-z-]+", overview + _help(str(BINARY), command, "--help")))
            for word in words[1:]:
                if word.startswith("--") and word.partition("=")[0] not in flags:
                    return f"deltaforge has no {word}"
        if words[:1] == ["./dev"] and len(words) > 1 and not re.search(rf"^  {words[1]}\b", verbs, re.M):
            return f"./dev has no verb {words[1]}"
    return ""


@pytest.mark.parametrize("block", BLOCKS, ids=[block.place for block in BLOCKS])
def test_every_block_is_known_and_sound(block: Block, tmp_path: Path) -> None:
    assert not (problem := problem_of(block, tmp_path)), f"{block.place}: {problem}"


@pytest.fixture
def reader(home: Path, request: pytest.FixtureRequest) -> Iterator[Reader]:
    home.chmod(0o755)
    follower = Reader(home, lambda: request.getfixturevalue("kafka"))
    yield follower
    follower.close()


@pytest.mark.parametrize("page", [pytest.param(page, id=page.name) for page in PAGES if page.is_executed])
def test_pages_work_as_written(page: Page, reader: Reader) -> None:
    reader.follow(page)


def test_messages_that_troubleshooting_names_exist() -> None:
    """The first column of its tables: what stands in backticks is said by the program, `...` and <names> left open."""
    said, rows = said_by_the_program(), 0
    for line in (REPO / "docs/troubleshooting.md").read_text().splitlines():
        if not line.startswith("| ") or line.startswith("| message"):
            continue
        rows += 1
        messages = re.findall(r"`([^`]+)`", line.split(" | ")[0])
        assert messages, line
        for message in messages:
            for piece in pieces_of_message(message):
                assert piece in said, f"no string of the program holds: {piece}"
    assert rows > 30


def _anchors(path: Path) -> set[str]:
    """Of its headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_lead_somewhere() -> None:
    more = [REPO / "CONTRIBUTING.md", *(REPO / "docs").rglob("*.md"), *(REPO / "src").rglob("README.md")]
    for path in [REPO / "README.md", *more]:
        for target, anchor in re.findall(r"\]\(([^)#\s]*)#?([^)\s]*)\)", path.read_text()):
            if "://" in target:
                continue
            there = path.parent / target if target else path
            assert there.exists(), f"{path.relative_to(REPO)} links to {target}"
            assert not anchor or anchor in _anchors(there), f"{path.relative_to(REPO)} links to {target}#{anchor}"


def test_metrics_that_the_docs_name_exist() -> None:
    said = said_by_the_program()
    for path in (REPO / "docs").rglob("*.md"):
        for name in re.findall(r"`(deltaforge_[a-z_]+[a-z])`", path.read_text()):
            assert name in said, f"{path.name} names {name}"


@pytest.mark.parametrize(("markdown", "expected"), [
    ("```\nx\n```\n", "unknown kind"),
    ("```ruby\nx\n```\n", "unknown kind"),
    ("```sql\nSELECT 1\n```\n", "needs one of the words"),
    ("```sh run check\ntrue\n```\n", "needs one of the words"),
    ("```sh rum\ntrue\n```\n", "unknown word"),
    ("```text\n$ deltaforge run\n```\n", "commands in a block of text"),
    ("```json\n{\"a\":1,}\n```\n", "Expecting"),
    ("```sh check\ndeltaforge run --confg x\n```\n", "deltaforge has no --confg"),
    ("```sh check\ndeltaforge start\n```\n", "deltaforge has no command start"),
    ("```sh check\n./dev frob\n```\n", "./dev has no verb"),
    ("```sh check\nif true\n```\n", "syntax error"),
    ("```yaml fragment\nsinks:\n  - type: file\n    config: {id: f, pth: x}\n```\n", "did you mean 'path'"),
    ("```yaml\nmetadata: {name: p, tenant: t}\nspec: {}\n```\n", "required field is missing"),
])
def test_a_wrong_block_is_found(markdown: str, expected: str, tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text(markdown)
    (block,) = read_page(file).blocks
    assert expected in problem_of(block, tmp_path)
    assert set(KINDS) == {"yaml", "json", "sql", "ini", "sh", "text", "diff", "python"}


def test_output_is_compared() -> None:
    assert matches_output("12:00:00.123 INSERT ... 7\nb\n", "x\n09:11:12.999 INSERT public.t 7  \nb\nc\n")
    assert not matches_output("12:00:00.123 INSERT ... 7\n", "09:11:12.999 INSERT public.t 8\n")
    assert not matches_output("a\nb\n", "a\nc\nb\n")


def test_a_page_that_is_wrong_fails(reader: Reader, tmp_path: Path) -> None:
    """A command that fails, and an output that does not come."""
    for text in ("```sh run\ndeltaforge validate nowhere.yaml\n```\n", "```sh run\necho a\n```\n```text output\nb\n```\n"):
        file = REPO / "docs" / ".wrong.md"
        page = Page(file, [])
        (tmp_path / "p.md").write_text(text)
        page.blocks = [Block(file, each.line, each.info, each.text) for each in read_page(tmp_path / "p.md").blocks]
        with pytest.raises(AssertionError, match=r"docs/\.wrong\.md:\d+"):
            reader.follow(page)
