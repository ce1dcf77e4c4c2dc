"""An HTTP/1.1 server in a process of its own that takes requests, writes each into a file, and answers as it is told.

A line of the file is a JSON object: method, path, headers ([name, value], as they came), body, status, link (which
connection), begin and end (seconds). What it has answered is in the file, whatever happens to this process later.

POST /_rules with a list sets what is done from then on; the first rule that fits a request counts, and without one the
answer is 200. A rule: `path` and `body` (texts that must be in them), `times` (then it is used up), `status`, `headers`,
`delay` (seconds), `size` (bytes of the answer's body), `act`: "hang" (no answer), "close" (hangs up), "endless" (a body
that never ends). GET /_rules waits for nothing and shows them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import time
from typing import Any

LINK = 0


class Receiver:
    def __init__(self, record: str, token: str) -> None:
        self.file = open(record, "ab", buffering=0)
        self.token = token
        self.rules: list[dict[str, Any]] = []

    def rule_for(self, path: str, body: str) -> dict[str, Any]:
        for rule in self.rules:
            if rule.get("path", "") in path and rule.get("body", "") in body and rule.get("times", 1) > 0:
                if "times" in rule:
                    rule["times"] -= 1
                return rule
        return {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        global LINK
        LINK += 1
        link = LINK
        try:
            while await self.request(reader, writer, link):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ssl.SSLError):
            pass
        finally:
            writer.close()

    async def request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, link: int) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        begin = time.monotonic()
        line, *rest = head.rstrip("\r\n").split("\r\n")
        method, path, _ = line.split(" ")
        headers = [(name, value.strip()) for name, _, value in (each.partition(":") for each in rest)]
        known = {name.lower(): value for name, value in headers}
        body = (await reader.readexactly(int(known.get("content-length", "0")))).decode("utf-8", "surrogateescape")
        if path == "/_rules":
            if method == "POST":
                self.rules = json.loads(body)
            return await self.answer(writer, 200, {}, json.dumps(self.rules).encode())

        rule = self.rule_for(path, body)
        status = rule.get("status", 200)
        if self.token and known.get("authorization") != f"Bearer {self.token}":
            status = 401
        if rule.get("delay"):
            await asyncio.sleep(rule["delay"])
        act = rule.get("act", "")
        self.file.write(json.dumps({
            "method": method, "path": path, "headers": headers, "body": body, "status": 0 if act in ("hang", "close") else status,
            "link": link, "begin": begin, "end": time.monotonic()}).encode() + b"\n")
        if act == "close":
            return False
        if act == "hang":
            await asyncio.sleep(3600)
        if act == "endless":
            writer.write(f"HTTP/1.1 {status} X\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
            while True:
                writer.write(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
                await writer.drain()
        return await self.answer(writer, status, rule.get("headers", {}), b"x" * rule.get("size", 0))

    async def answer(self, writer: asyncio.StreamWriter, status: int, headers: dict[str, str], body: bytes) -> bool:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{lines}\r\n".encode() + body)
        await writer.drain()
        return True


async def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--port", type=int, required=True)
    options.add_argument("--record", required=True)
    options.add_argument("--token", default="")
    options.add_argument("--tls-port", type=int)
    options.add_argument("--cert")
    options.add_argument("--key")
    options.add_argument("--client-ca", help="clients must have a certificate of this authority")
    given = options.parse_args()
    receiver = Receiver(given.record, given.token)
    servers = [await asyncio.start_server(receiver.serve, "127.0.0.1", given.port, limit=1 << 20, backlog=512)]
    if given.tls_port:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(given.cert, given.key)
        if given.client_ca:
            context.load_verify_locations(given.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        servers.append(await asyncio.start_server(receiver.serve, "127.0.0.1", given.tls_port, ssl=context, limit=1 << 20))
    await asyncio.gather(*(each.serve_forever() for each in servers))


if __name__ == "__main__":
    asyncio.run(main())
