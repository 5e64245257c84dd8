"""A wire that loses answers: what was asked arrives, what is answered often does not.

`LossyHttp` stands between a driver and an HTTP server. Each answer is lost with the chance `loss`, by a cut of the
connection or by silence; a websocket that was let through is cut after a while with the same chance. `LossyLines`
stands between a client and a host on a Unix socket: a lost reply is a cut of the connection.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from drivers.mock.wire import stop

SILENT_SHARE = 0.1  # of the lost answers: nothing comes, instead of the end of the connection
_ERRORS = (ConnectionError, asyncio.IncompleteReadError, OSError)


@dataclass
class LossyHttp:
    """`lost` and `passed` count answers."""

    target: int
    dice: random.Random
    loss: float = 0.3
    socket_s: float = 2.0
    lost: int = 0
    passed: int = 0
    port: int = 0
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        await _end(self._server, self._tasks)

    def _keep(self, task: asyncio.Task[Any]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._keep(task)
        up: asyncio.StreamWriter | None = None
        try:
            there, up = await asyncio.open_connection("127.0.0.1", self.target)
            while await self._one(reader, writer, there, up):
                pass
        except (*_ERRORS, asyncio.CancelledError):
            pass  # streams of Python 3.11 would log a handler that ends as cancelled
        finally:
            writer.transport.abort()
            if up is not None:
                up.transport.abort()

    async def _one(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        there: asyncio.StreamReader,
        up: asyncio.StreamWriter,
    ) -> bool:
        up.write(await _message(reader))
        answer = await _message(there)
        if self.dice.random() < self.loss:
            self.lost += 1
            if self.dice.random() < SILENT_SHARE:
                await reader.read()  # until the other side gives up
            return False
        self.passed += 1
        writer.write(answer)
        if answer.startswith(b"HTTP/1.1 101"):
            life_s = self.dice.uniform(0, self.socket_s) if self.dice.random() < self.loss else None
            with suppress(TimeoutError):
                async with asyncio.timeout(life_s):
                    await _first_of(_pipe(reader, up), _pipe(there, writer))
            return False
        return True


@dataclass
class LossyLines:
    """Greetings and pushes pass; `lost` and `passed` count replies to calls."""

    target: Path
    path: Path
    dice: random.Random
    loss: float = 0.3
    lost: int = 0
    passed: int = 0
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._serve, self.path)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        await _end(self._server, self._tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        up: asyncio.StreamWriter | None = None
        try:
            there, up = await asyncio.open_unix_connection(self.target)
            await _first_of(_pipe(reader, up), self._answers(there, writer))
        except (*_ERRORS, asyncio.CancelledError):
            pass  # as above
        finally:
            writer.transport.abort()
            if up is not None:
                up.transport.abort()

    async def _answers(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await there.readline():
            if "id" in json.loads(line):
                if self.dice.random() < self.loss:
                    self.lost += 1
                    return
                self.passed += 1
            writer.write(line)


async def _end(server: asyncio.Server, tasks: set[asyncio.Task[Any]]) -> None:
    """What was accepted just now is let in, ended with the others, and its connections are really closed."""
    await stop(server)
    for task in tuple(tasks):
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0)


async def _message(reader: asyncio.StreamReader) -> bytes:
    """One HTTP message as it is."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return head + await reader.readexactly(length)


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)


async def _first_of(*works: Coroutine[Any, Any, None]) -> None:
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
