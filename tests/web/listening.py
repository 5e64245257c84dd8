"""A real HTTP server for tests: remembers what it was sent and answers as a test tells it to."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from drivers.mock.wire import stop


@dataclass
class Heard:
    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Listener:
    """`status`: what it answers with; `more`: further lines of the head; `endless`: a body that does not end."""

    port: int = 0
    heard: list[Heard] = field(default_factory=list)
    status: int = 204
    more: str = ""
    body: bytes = b""
    endless: bool = False
    silent: bool = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?x=1"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            self.heard.append(Heard(line=head[0], headers=headers, body=body))
            if self.silent:
                await reader.read()
                return
            length = "" if self.endless else f"Content-Length: {len(self.body)}\r\n"
            writer.write(
                f"HTTP/1.1 {self.status} Said\r\n{length}{self.more}Connection: close\r\n\r\n".encode()
                + self.body
            )
            while self.endless:
                writer.write(b"x" * 65536)
                await writer.drain()
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the other side has had enough
        finally:
            writer.close()


@asynccontextmanager
async def listening(tls: ssl.SSLContext | None = None) -> AsyncIterator[Listener]:
    found = Listener()
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0, ssl=tls)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        await stop(server)
