"""A TCP fault proxy in a process of its own: cut, heal, silence, delay, cut after N bytes, drop replies.

The Proxy class drives it over the child's stdin, one JSON line a command; each is answered by one line.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any, BinaryIO

from .procs import REPO, _die_with_parent, free_port


class Proxy:
    def __init__(self, upstream: int, log: Path) -> None:
        self.upstream = upstream
        self.port = free_port()
        self.log = log
        self.tape = log.with_suffix(".tape")
        self._child: subprocess.Popen[str] | None = None

    def start(self) -> "Proxy":
        with open(self.log, "ab") as err:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "harness.proxy", str(self.port), str(self.upstream)], cwd=REPO / "tests",
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err, text=True, bufsize=1,
                preexec_fn=_die_with_parent)
        self._tell()
        return self

    def stop(self) -> None:
        if self._child is not None:
            self._child.send_signal(signal.SIGKILL)
            self._child.wait()
            self._child = None

    def _tell(self, **command: Any) -> dict[str, Any]:
        assert self._child is not None and self._child.stdin is not None and self._child.stdout is not None
        self._child.stdin.write(json.dumps(command) + "\n")
        answer = self._child.stdout.readline()
        if not answer:
            raise RuntimeError(f"the proxy ended: {self.log.read_text()}")
        return json.loads(answer)

    def heal(self) -> None:
        """Everything passes again; links that a fault touched are reset."""
        self._tell(do="heal")

    def cut(self) -> None:
        """Resets every link and refuses new ones."""
        self._tell(do="cut")

    def silence(self) -> None:
        """Half-open: links stay up and new ones are accepted, but no byte passes."""
        self._tell(do="silence")

    def drop_replies(self) -> None:
        """The server hears the client; the client no longer hears the server."""
        self._tell(do="drop_replies")

    def delay(self, seconds: float) -> None:
        """Each chunk waits, in both directions."""
        self._tell(do="delay", seconds=seconds)

    def cut_after(self, count: int, *, replies: bool = False) -> None:
        """Passes exactly `count` more bytes (to the server, or of its replies), then cuts."""
        self._tell(do="cut_after", count=count, replies=replies)

    def record(self) -> None:
        """Whatever passes from now on, in either direction, is in `tape`, too."""
        self._tell(do="record", path=str(self.tape))

    def stats(self) -> dict[str, int]:
        return self._tell(do="stats")


class _Server:
    """The child's side. Everything runs in one event loop."""

    def __init__(self, port: int, upstream: int) -> None:
        self.port, self.upstream = port, upstream
        self.fault = ""
        self.seconds = 0.0
        self.allowance = {True: -1, False: -1}  # by direction (True: replies); -1 is no limit
        self.passed = {True: 0, False: 0}
        self.links: set[asyncio.StreamWriter] = set()
        self.listener: asyncio.base_events.Server | None = None
        self.flowing = asyncio.Event()
        self.flowing.set()
        self.tape: BinaryIO | None = None

    async def listen(self) -> None:
        self.listener = await asyncio.start_server(self.accept, "127.0.0.1", self.port, limit=1 << 18)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.upstream, limit=1 << 18)
        except OSError:
            self.reset(writer)
            return
        self.links |= {writer, up_writer}
        await asyncio.gather(self.pump(reader, up_writer, False), self.pump(up_reader, writer, True))
        self.links -= {writer, up_writer}

    async def pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, replies: bool) -> None:
        try:
            while data := await reader.read(1 << 16):
                await self.flowing.wait()
                if self.fault == "delay":
                    await asyncio.sleep(self.seconds)
                if self.fault == "drop_replies" and replies:
                    continue
                left = self.allowance[replies]
                if left >= 0:
                    data = data[:left]
                    self.allowance[replies] = left - len(data)
                if self.tape is not None:
                    self.tape.write(data)
                writer.write(data)
                self.passed[replies] += len(data)
                await writer.drain()
                if self.allowance[replies] == 0:
                    self.cut()
            writer.write_eof()
        except (OSError, RuntimeError):
            self.reset(writer)

    @staticmethod
    def reset(writer: asyncio.StreamWriter) -> None:
        sock = writer.get_extra_info("socket")
        if sock is not None and sock.fileno() >= 0:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    def reset_all(self) -> None:
        for writer in list(self.links):
            self.reset(writer)

    def cut(self) -> None:
        self.fault = "cut"
        self.allowance = {True: -1, False: -1}
        if self.listener is not None:
            self.listener.close()
            self.listener = None
        self.reset_all()

    async def command(self, do: str = "", seconds: float = 0, count: int = 0, replies: bool = False,
                      path: str = "") -> dict[str, int]:
        if do == "cut":
            self.cut()
        elif do == "heal":
            if self.fault in ("silence", "drop_replies"):
                self.reset_all()
            self.fault = ""
            self.allowance = {True: -1, False: -1}
            self.flowing.set()
            if self.listener is None:
                await self.listen()
        elif do == "silence":
            self.fault = do
            self.flowing.clear()
        elif do == "cut_after":
            self.allowance[replies] = count
        elif do == "record":
            self.tape = open(path, "wb", buffering=0)
        elif do in ("delay", "drop_replies"):
            self.fault, self.seconds = do, seconds
        return {"to_server": self.passed[False], "to_client": self.passed[True], "links": len(self.links) // 2}


async def _serve(port: int, upstream: int) -> None:
    server = _Server(port, upstream)
    await server.listen()
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while line := await commands.readline():
        print(json.dumps(await server.command(**json.loads(line))), flush=True)


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), int(sys.argv[2])))
