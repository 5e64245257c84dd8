"""Many clients at once over real sockets: HTTP/1.1 by hand, since a client library takes longer than the server does."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

MOST_IDLE_S = 2.0


@dataclass(frozen=True, slots=True)
class Ask:
    """A request; `body` None: a GET."""

    path: str
    token: str
    body: object = None
    headers: tuple[str, ...] = ()

    def encoded(self) -> bytes:
        head = [f"Host: 127.0.0.1\r\nAuthorization: Bearer {self.token}", *self.headers]
        if self.body is None:
            return f"GET {self.path} HTTP/1.1\r\n".encode() + _end(head, b"")
        body = json.dumps(self.body).encode()
        head += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        return f"POST {self.path} HTTP/1.1\r\n".encode() + _end(head, body)


def _end(head: Sequence[str], body: bytes) -> bytes:
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    took_s: float

    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """One connection that stays open; opened anew when the server has closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._used_at = 0.0

    async def open(self) -> None:
        """A connection that has been idle is given up in time: the server closes it after five seconds."""
        if self._streams is not None and time.perf_counter() - self._used_at > MOST_IDLE_S:
            await self.close()
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
            self._used_at = time.perf_counter()

    async def ask(self, ask: Ask) -> Answer:
        """Raises `ConnectionError` where no answer came; whether the server has done it nobody knows then."""
        await self.open()
        assert self._streams is not None
        reader, writer = self._streams
        began = time.perf_counter()
        try:
            writer.write(ask.encoded())
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            at = head.find("content-length:")
            length = int(head[at + 15 : head.index("\r\n", at)]) if at >= 0 else 0
            body = await reader.readexactly(length)
        except (OSError, asyncio.IncompleteReadError) as error:
            await self.close()
            raise ConnectionError(str(error)) from error
        self._used_at = time.perf_counter()
        took_s = self._used_at - began
        if "connection: close" in head:
            await self.close()
        return Answer(status=int(head[9:12]), body=body, took_s=took_s)

    async def close(self) -> None:
        if self._streams is not None:
            writer, self._streams = self._streams[1], None
            writer.close()


async def ask_all(port: int, asks: Iterable[Ask], clients: int) -> tuple[list[Answer], float]:
    """Every client takes the next request as soon as it has its answer. The answers, and the seconds it all took."""
    waiting: Iterator[Ask] = iter(asks)
    answers: list[Answer] = []

    async def one(client: Client) -> None:
        for ask in waiting:
            answers.append(await client.ask(ask))

    crowd = [Client(port) for _ in range(clients)]
    await asyncio.gather(*(client.open() for client in crowd))
    began = time.perf_counter()
    await asyncio.gather(*(one(client) for client in crowd))
    took_s = time.perf_counter() - began
    for client in crowd:
        await client.close()
    return answers, took_s


async def at_once(clients: Sequence[Client], ask: Callable[[int], Ask]) -> list[Answer]:
    """All of them at the same moment, each its own request; their connections are open before."""
    await asyncio.gather(*(client.open() for client in clients))
    return list(await asyncio.gather(*(client.ask(ask(number)) for number, client in enumerate(clients))))
