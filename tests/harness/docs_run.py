"""Does what a page says, as its reader would: in its order, in a fresh directory, against servers of our own.

Addresses in the text (127.0.0.1:5432) stand for these servers. Servers are set up as their packages do, so whatever the
engine needs beyond that the page must say."""

from __future__ import annotations

import configparser
import json
import os
import signal
import subprocess
import urllib.request
from itertools import takewhile
from pathlib import Path
from typing import Any

from .docs import Block, Page, matches_output
from .engine import BINARY
from .kafka import Kafka
from .mysql import Mariadb, Mysql, MysqlFamily
from .postgres import Postgres
from .procs import Process, free_port, wait_until
from .redis import Redis

_PASSWORDS_COUNT = "host all,replication deltaforge 127.0.0.1/32 scram-sha-256\n"
_ADDRESSES = {"127.0.0.1:5432": "postgres", "127.0.0.1:3306": "mysql", "127.0.0.1:9092": "kafka",
              "127.0.0.1:6379": "redis"}
_OF_MYSQL = ("mysql", "mariadb")

# Adds the ports that the documentation takes for granted, where a command does not name others.
_WRAPPER = """\
#!/bin/sh
case " $* " in *" run "*|*" --config "*)
  case " $* " in *" --api-addr "*) ;; *) set -- "$@" --api-addr 127.0.0.1:{api} ;; esac
  case " $* " in *" --metrics-addr "*) ;; *) set -- "$@" --metrics-addr 127.0.0.1:{metrics} ;; esac ;;
esac
exec {binary} "$@"
"""


class Reader:
    """Follows one page. `close()` ends all that it started."""

    def __init__(self, home: Path, kafka: Any) -> None:
        self.home, self.where, self._kafka = home, home / "here", kafka
        self.where.mkdir()
        self.api, self.metrics, self.receiver = free_port(), free_port(), free_port()
        self._servers: dict[str, Any] = {}
        self._started: Process | None = None
        self._output = home / "output"
        self._exported = home / "exported"
        programs = home / "bin"
        programs.mkdir()
        (programs / "deltaforge").write_text(_WRAPPER.format(api=self.api, metrics=self.metrics, binary=BINARY))
        (programs / "deltaforge").chmod(0o755)
        self._env = {"PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(home), "LC_ALL": "C.UTF-8"}

    def follow(self, page: Page) -> None:
        if page.after is not None:
            for block in takewhile(lambda each: "start" not in each.words, page.after.blocks):
                if "server" in block.words:
                    self._do(block)
        for block in page.blocks:
            if block.is_executed:
                self._do(block)

    def _do(self, block: Block) -> None:
        try:
            if block.language == "sql":
                self._sql(block)
            elif block.language == "ini":
                self._settings(block)
            elif block.language == "yaml":
                (self.where / block.words["file"]).write_text(self._here(block.text))
            elif "run" in block.words:
                self._run(block)
            elif "start" in block.words:
                self._start(block)
            else:
                self._expect(block)
        except Exception as failure:
            raise AssertionError(f"{block.place}: {failure}{self._log()}") from failure

    # servers

    def _server(self, name: str) -> Any:
        if name not in self._servers:
            self._servers[name] = self._make(name)
        return self._servers[name]

    def _make(self, name: str) -> Any:
        root = self.home / name
        if name == "postgres":
            server = Postgres(15, root, settings={"wal_level": "replica"})
            hba = server.data / "pg_hba.conf"
            hba.write_text(_PASSWORDS_COUNT + hba.read_text())
            return server.start()
        if name == "kafka":
            return self._kafka()
        if name == "redis":
            return Redis(root).start()
        server = {"mysql": Mysql, "mariadb": Mariadb}[name](root)
        for ours in ("log-bin", "binlog-format", "binlog-row-image", "binlog-row-metadata", "gtid-mode",
                     "enforce-gtid-consistency"):
            server.settings.pop(ours, None)
        return server.start()

    def _here(self, text: str) -> str:
        """The text with the addresses of our own servers."""
        for address, name in _ADDRESSES.items():
            if address in text:
                text = text.replace(address, f"127.0.0.1:{self._server(self._of_mysql() if name == 'mysql' else name).port}")
        for port, ours in ((8080, self.api), (9000, self.metrics), (8088, self.receiver)):
            text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{ours}")
        return text

    def _of_mysql(self) -> str:
        return next((name for name in _OF_MYSQL if name in self._servers), "mysql")

    # blocks

    def _sql(self, block: Block) -> None:
        for name in block.words["server"].split(","):
            server = self._server(name)
            if isinstance(server, Postgres):
                server.script(block.text, block.words.get("db", "postgres"))
            else:
                server.script(block.text, block.words.get("db"))
            if "restart" in block.words:
                server.stop()
                server.start()

    def _settings(self, block: Block) -> None:
        parsed = configparser.ConfigParser(allow_no_value=True)
        parsed.read_string(block.text)
        for name in block.words["server"].split(","):
            server = self._server(name)
            assert isinstance(server, MysqlFamily)
            own = {key.replace("_", "-"): value or "ON" for key, value in parsed["mysqld"].items()}
            own.pop("server-id", None)  # each of ours has one
            server.stop()
            server.settings.update(own)
            server.start()

    def _shell(self, text: str, last_stays: bool = False) -> list[str]:
        """What is exported is so in later blocks, too. `last_stays`: the last line becomes the process itself."""
        known = f". {self._exported}\n" if self._exported.exists() else ""
        lines = self._here(text).splitlines()
        last = f"exec env {lines.pop()}" if last_stays else ""
        body = "\n".join([*lines, f"export -p > {self._exported}", last])
        return ["bash", "-eu", "-o", "pipefail", "-c", known + body]

    def _run(self, block: Block) -> None:
        done = subprocess.run(self._shell(block.text), cwd=self.where, env=self._env, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60)
        self._output = self.home / "run-output"
        self._output.write_text(done.stdout)
        assert done.returncode == 0, f"exit {done.returncode}: {done.stdout}{done.stderr}"

    def _start(self, block: Block) -> None:
        self._stop()
        self._output = self.home / "start-output"
        self._output.write_text("")
        self._started = Process(self._shell(block.text, last_stays=True), self.home / "start-log", cwd=self.where,
                                stdout=self._output, env=self._env)
        wait_until(self._running, 30, "all pipelines to run")

    def _running(self) -> bool:
        assert self._started is not None and self._started.alive(), "the engine ended"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.api}/pipelines", timeout=5) as answer:
                found = json.load(answer)
        except OSError:
            return False
        return all(each["status"] == "running" for each in found)

    def _expect(self, block: Block) -> None:
        wait_until(lambda: matches_output(block.text, self._output.read_text(errors="replace")), 20,
                   f"this output:\n{block.text}instead of\n{self._output.read_text(errors='replace')[-3000:]}")

    def _log(self) -> str:
        log = self.home / "start-log"
        return f"\nthe engine's log:\n{log.read_text(errors='replace')[-3000:]}" if log.exists() else ""

    # the end

    def _stop(self) -> None:
        if self._started is not None:
            self._started.stop(signal.SIGTERM, 10)
            self._started = None

    def close(self) -> None:
        self._stop()
        for name, server in self._servers.items():
            if name == "postgres":
                server.stop("immediate")
            elif name == "redis":
                server.stop()
            elif name in _OF_MYSQL:
                server.kill()
