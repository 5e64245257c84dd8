"""The server's side of a host: a `Device` that finds or starts its machine's process and speaks with it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from drivers.config import DeviceConfig
from drivers.host import wire
from drivers.host.paths import HostPaths, LockHeld, take_lock
from drivers.host.wire import Call, Hello, Op, Push, Reply
from fablab.device import Capability, DeviceTimeout, Identity, LinkLost, Misfit, Safety, Status

_ROOT: Final = Path(__file__).resolve().parents[2]
_CONNECT_S: Final = 5.0
_LAUNCH_S: Final = 60.0  # a guardian may have to finish first
_QUIT_S: Final = 40.0
# How `python -m drivers host` ends; see drivers.__main__.
EXIT_MISFIT: Final = 2
EXIT_TRY_AGAIN: Final = 75


class HostedDevice:
    """`capabilities` are the driver's own and DETACHED. Closing leaves the host, and its print, going on."""

    def __init__(
        self,
        config: DeviceConfig,
        *,
        data_dir: Path,
        capabilities: frozenset[Capability],
        idle_s: float = 300.0,
    ) -> None:
        self.name = config.name
        self.capabilities = capabilities | {Capability.DETACHED}
        self._config = config
        self._paths = HostPaths(data_dir, config.name)
        self._idle_s = idle_s
        self._connection: _Connection | None = None

    @property
    def host_pid(self) -> int | None:
        """Of the process that is connected to; None while there is none."""
        return self._connection.hello.pid if self._connection else None

    async def open(self) -> Identity:
        """Attach to the host, started if there is none, and have it open the machine."""
        await self.close()
        self._connection = await self._attach()
        reply = await self._connection.call(Op.OPEN)
        if reply.identity is None:
            raise LinkLost("the host did not say who answered on the wire")
        return reply.identity

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def watch(self) -> AsyncIterator[Status]:
        connection = self._connected()
        with connection.watcher() as watcher:
            await connection.call(Op.WATCH)
            while True:
                yield await watcher.next_status()

    async def start(self, program: Path, token: str) -> None:
        await self._connected().call(Op.START, program=str(program.absolute()), token=token)

    async def start_by(self, program: Path, token: str, deadline: datetime) -> None:
        """As `start`, but the host drops it when `deadline` has passed by then."""
        await self._connected().call(
            Op.START, program=str(program.absolute()), token=token, deadline=deadline
        )

    async def pause(self) -> None:
        await self._connected().call(Op.PAUSE)

    async def resume(self) -> None:
        await self._connected().call(Op.RESUME)

    async def cancel(self) -> None:
        await self._connected().call(Op.CANCEL)

    async def make_safe(self) -> Safety:
        """Not open, or lost: over a connection of its own, as long as there is a host. None is started for it."""
        connection = self._connection
        if connection is not None and not connection.is_lost:
            return await _make_safe(connection)
        own = await _connect(self._paths.socket)
        if own is None:
            raise LinkLost(f"{self.name} is not open, and no host runs")
        try:
            return await _make_safe(own)
        finally:
            await own.close()

    async def quit(self, *, force: bool = False) -> bool:
        """End the host; False when none runs. Raises DeviceRefused while it prints, unless forced."""
        connection = self._connection or await _connect(self._paths.socket)
        if connection is None:
            return False
        self._connection = None
        try:
            await _end(connection, self._paths.lock, force=force)
        finally:
            await connection.close()
        return True

    def _connected(self) -> _Connection:
        if self._connection is None:
            raise LinkLost(f"{self.name} is not open")
        return self._connection

    async def _attach(self) -> _Connection:
        """A host of our protocol and settings. One that prints is never replaced; another one is."""
        for _ in range(2):
            connection = await _connect(self._paths.socket) or await self._launch()
            hello = connection.hello
            ours = hello.protocol == wire.PROTOCOL
            if ours and (hello.busy or hello.fingerprint == self._config.fingerprint):
                return connection
            try:
                if hello.busy:
                    raise LinkLost(
                        "a host of another version prints; it is replaced when the print has ended"
                    )
                await _end(connection, self._paths.lock, force=False)
            finally:
                await connection.close()
        raise Misfit(f"{self._config.source} has other settings than this server read; restart the server")

    async def _launch(self) -> _Connection:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "drivers", "host", self.name, "--detach"),
            *("--devices", str(self._config.source), "--data", str(self._paths.data_dir.absolute())),
            *("--idle", str(self._idle_s)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            cwd=_ROOT,
        )
        try:
            async with asyncio.timeout(_LAUNCH_S):
                _, said = await process.communicate()
        except (TimeoutError, asyncio.CancelledError):
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise
        words = said.decode(errors="replace").strip()[-500:]
        if process.returncode == EXIT_MISFIT:
            raise Misfit(words)
        connection = await _connect(self._paths.socket)
        if connection is None:
            raise LinkLost(f"the host did not start: {words or f'exit code {process.returncode}'}")
        return connection


class _Watcher:
    """Of the pushes that one watch has not seen yet, the latest only."""

    def __init__(self) -> None:
        self._push = Push()
        self._news = asyncio.Event()

    def put(self, push: Push) -> None:
        self._push = push
        self._news.set()

    async def next_status(self) -> Status:
        while True:
            await self._news.wait()
            self._news.clear()
            if self._push.lost:
                raise LinkLost(self._push.lost)
            if self._push.status is not None:
                return self._push.status


class _Connection:
    """One open socket: replies find their calls, and every watch hears the pushes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, hello: Hello) -> None:
        self.hello = hello
        self._reader = reader
        self._writer = writer
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self._watchers: set[_Watcher] = set()
        self._lost: LinkLost | None = None
        self._task = asyncio.create_task(self._read(), name="read from host")

    @property
    def is_lost(self) -> bool:
        return self._lost is not None

    async def call(
        self,
        op: Op,
        *,
        program: str = "",
        token: str = "",
        deadline: datetime | None = None,
        force: bool = False,
    ) -> Reply:
        if self._lost is not None:
            raise self._lost
        number = next(self._ids)
        call = Call(id=number, op=op, program=program, token=token, deadline=deadline, force=force)
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            self._writer.write(wire.line(call))
            await self._writer.drain()
            reply = await answer
        except OSError as error:
            raise LinkLost(f"the host is gone: {error}") from None
        finally:
            self._waiting.pop(number, None)
        wire.raise_if_failed(reply)
        return reply

    @contextlib.contextmanager
    def watcher(self) -> Iterator[_Watcher]:
        watcher = _Watcher()
        self._watchers.add(watcher)
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)

    async def gone(self) -> None:
        """Returns when the host has closed the connection."""
        await asyncio.wait((self._task,))

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def _read(self) -> None:
        lost = LinkLost("the connection to the host was closed")
        try:
            while True:
                self._hear(wire.read_answer(await self._reader.readuntil(b"\n")))
        except LinkLost as error:
            lost = error
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            lost = LinkLost("the host is gone")
        finally:
            self._lost = lost
            for watcher in self._watchers:
                watcher.put(Push(lost=str(lost)))
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(lost)

    def _hear(self, answer: Reply | Push) -> None:
        if isinstance(answer, Push):
            for watcher in self._watchers:
                watcher.put(answer)
            return
        if answer.id == 0:  # what we said was not understood, and the host is hanging up
            raise LinkLost(f"the host refused to go on: {answer.message}")
        waiting = self._waiting.get(answer.id)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)


async def _make_safe(connection: _Connection) -> Safety:
    return (await connection.call(Op.MAKE_SAFE)).safety or Safety.NOT_CONFIRMED


async def _connect(path: Path) -> _Connection | None:
    """None when nobody listens there."""
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(_CONNECT_S):
            reader, writer = await asyncio.open_unix_connection(str(path), limit=wire.MAX_LINE_BYTES)
            hello = wire.read_hello(await reader.readuntil(b"\n"))
    except TimeoutError:  # an OSError, too, but one that says that somebody is there
        if writer is not None:
            writer.close()
        raise DeviceTimeout(f"the host does not answer on {path}") from None
    except (OSError, asyncio.IncompleteReadError):
        if writer is not None:
            writer.close()
        return None
    except BaseException:
        if writer is not None:
            writer.close()
        raise
    return _Connection(reader, writer, hello)


async def _end(connection: _Connection, lock: Path, *, force: bool) -> None:
    """Returns when the process has let go of everything: its lock is the last it holds."""
    try:
        async with asyncio.timeout(_QUIT_S):
            await connection.call(Op.QUIT, force=force)
            await connection.gone()
            while not _free(lock):  # noqa: ASYNC110 - another process's lock sets no event here
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise DeviceTimeout("the host did not end in time") from None


def _free(lock: Path) -> bool:
    try:
        os.close(take_lock(lock, ""))
    except LockHeld:
        return False
    return True
