"""The host process: a Unix socket in front of a `Keeper`, from its start to its orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import logging.handlers
import os
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from drivers import registry
from drivers.config import DeviceConfig
from drivers.host import wire
from drivers.host.guard import Guard
from drivers.host.journal import Journal, Position, position_beside
from drivers.host.keeper import Keeper
from drivers.host.mocks import MockMachine
from drivers.host.paths import HostPaths, LockHeld, take_lock
from drivers.host.wire import Call, Hello, Op, Push, Reply
from fablab.base.clock import Clock, SystemClock
from fablab.device import Capability, DeviceError, DeviceRefused

log = logging.getLogger(__name__)

_MOST_CLIENTS: Final = 32
_MOST_CALLS: Final = 16  # of one client, unanswered
_LOCK_WAIT_S: Final = 40.0  # longer than a guardian may take
_GONE_AFTER_S: Final = 10.0  # a client that takes nothing for so long is cut off


class HostRuns(Exception):
    """This machine's host runs already; there is nothing to do."""


class _Client:
    """One connection. What waits to be sent is bounded: at most `_MOST_CALLS` replies and the latest push."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.watching = False
        self.calls: set[asyncio.Task[None]] = set()
        self._writer = writer
        self._replies: deque[bytes] = deque()
        self._push: Push | None = None
        self._news = asyncio.Event()
        self._last = False

    @property
    def full(self) -> bool:
        return len(self.calls) + len(self._replies) >= _MOST_CALLS

    def reply(self, reply: Reply) -> None:
        self._replies.append(wire.line(reply))
        self._news.set()

    def push(self, push: Push) -> None:
        """A status that was not sent yet is replaced; a loss stays until it is sent, or the machine is back."""
        if self.watching:
            self._push = push
            self._news.set()

    def finish(self) -> None:
        """`send` returns once everything is sent."""
        self._last = True
        self._news.set()

    async def send(self) -> None:
        while not self._last:
            await self._news.wait()
            self._news.clear()
            while self._replies:
                self._writer.write(self._replies.popleft())
            if self._push is not None:
                self._writer.write(wire.line(self._push))
                self._push = None
            async with asyncio.timeout(_GONE_AFTER_S):
                await self._writer.drain()


class Host:
    """Serves `keeper` on `paths.socket` until told to quit, or until nobody needs it for `idle_s`."""

    def __init__(
        self,
        keeper_for: Callable[[Callable[[Push], None]], Keeper],
        *,
        config: DeviceConfig,
        paths: HostPaths,
        idle_s: float,
    ) -> None:
        self._config = config
        self._paths = paths
        self._idle_s = idle_s
        self._clients: set[_Client] = set()
        self._handlers: set[asyncio.Task[None]] = set()
        self._over = asyncio.Event()
        self._needed_at = time.monotonic()
        self.keeper = keeper_for(self._publish)

    async def run(self, ready: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._told_to_end)
        server = await asyncio.start_unix_server(
            self._accepted, sock=_listen(self._paths.socket), limit=wire.MAX_LINE_BYTES
        )
        idle = asyncio.create_task(self._watch_idleness())
        try:
            self.keeper.begin()
            log.info("%s: host %d serves %s", self._config.name, os.getpid(), self._paths.socket)
            ready()
            await self._over.wait()
        finally:
            idle.cancel()
            server.close()
            for handler in list(self._handlers):
                handler.cancel()
            await asyncio.gather(*self._handlers, idle, return_exceptions=True)
            await self.keeper.close()
            self._paths.socket.unlink(missing_ok=True)
            log.info("%s: host %d has ended", self._config.name, os.getpid())

    # -- ends ------------------------------------------------------------------------------------------------

    def _told_to_end(self) -> None:
        log.warning("told to end by a signal")
        task = asyncio.create_task(self._quit(force=True))
        self._handlers.add(task)
        task.add_done_callback(self._handlers.discard)

    async def _quit(self, *, force: bool) -> None:
        await self.keeper.quit(force=force)
        asyncio.get_running_loop().call_later(0.1, self._over.set)  # the reply goes out first

    async def _watch_idleness(self) -> None:
        while True:
            if self._clients or self.keeper.busy or self.keeper.is_healing:
                self._needed_at = time.monotonic()
            elif time.monotonic() - self._needed_at > self._idle_s:
                log.info("nobody needs this host")
                await self._quit(force=False)
                return
            await asyncio.sleep(min(1.0, self._idle_s / 4))

    # -- clients ---------------------------------------------------------------------------------------------

    def _publish(self, push: Push) -> None:
        for client in self._clients:
            client.push(push)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer), name="client")
        self._handlers.add(task)
        task.add_done_callback(self._handlers.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = _Client(writer)
        writer.write(wire.line(self._hello()))
        sending = asyncio.create_task(client.send(), name="send to client")
        try:
            if len(self._clients) >= _MOST_CLIENTS:
                return
            self._clients.add(client)
            reading = asyncio.create_task(self._read(reader, client), name="read from client")
            try:
                await asyncio.wait((reading, sending), return_when=asyncio.FIRST_COMPLETED)
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
            if client.calls:  # a stop or a start goes on although whoever asked for it has died
                await asyncio.wait(client.calls)
            client.finish()
            await asyncio.wait((sending,), timeout=_GONE_AFTER_S)
        finally:
            self._clients.discard(client)
            sending.cancel()
            for call in list(client.calls):
                call.cancel()
            await asyncio.gather(sending, *client.calls, return_exceptions=True)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _read(self, reader: asyncio.StreamReader, client: _Client) -> None:
        while True:
            try:
                data = await reader.readuntil(b"\n")
                call = wire.read_call(data)
                if client.full:
                    raise DeviceRefused("too many calls at once")
            except asyncio.LimitOverrunError:
                client.reply(wire.failed(0, DeviceRefused("a line of more than 64 KB")))
                return
            except DeviceRefused as error:
                client.reply(wire.failed(0, error))
                return
            except (asyncio.IncompleteReadError, OSError):
                return
            task = asyncio.create_task(self._answer(call, client), name=f"call {call.op}")
            client.calls.add(task)
            task.add_done_callback(client.calls.discard)

    async def _answer(self, call: Call, client: _Client) -> None:
        try:
            reply = await self._do(call, client)
        except DeviceError as error:
            reply = wire.failed(call.id, error)
        except Exception:
            # One bad call must not take the host and its print with it; the log keeps the cause.
            log.exception("the call %s failed", call.op)
            reply = wire.failed(call.id, DeviceError(f"{call.op} failed inside the host; see its log"))
        client.reply(reply)

    async def _do(self, call: Call, client: _Client) -> Reply:
        keeper = self.keeper
        match call.op:
            case Op.OPEN:
                return Reply(id=call.id, identity=await keeper.open())
            case Op.WATCH:
                keeper.opened()
                client.watching = True
                if keeper.status is not None:
                    client.push(Push(status=keeper.status))
            case Op.START:
                if not call.token or not Path(call.program).is_absolute():
                    raise DeviceRefused("a start needs a token and the absolute path of a program")
                await keeper.start(Path(call.program), call.token, call.deadline)
            case Op.PAUSE:
                await keeper.opened().pause()
            case Op.RESUME:
                await keeper.opened().resume()
            case Op.CANCEL:
                await keeper.cancel()
            case Op.MAKE_SAFE:
                return Reply(id=call.id, safety=await keeper.make_safe())
            case Op.QUIT:
                await self._quit(force=call.force)
        return Reply(id=call.id)

    def _hello(self) -> Hello:
        return Hello(
            protocol=wire.PROTOCOL,
            name=self._config.name,
            pid=os.getpid(),
            fingerprint=self._config.fingerprint,
            busy=self.keeper.busy,
            capabilities=self.keeper.device.capabilities | {Capability.DETACHED},
        )


def _listen(path: Path) -> socket.socket:
    """Mode 0600 from its first moment; a socket left by a dead host is replaced (the caller holds the lock)."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(before)
    listener.listen(_MOST_CLIENTS)
    return listener


def run(
    config: DeviceConfig,
    data_dir: Path,
    *,
    ready: Callable[[], None],
    idle_s: float = 300.0,
    clock: Clock | None = None,
    known: Mapping[str, str] | None = None,
) -> None:
    """Be the host of `config` until its end. Raises `HostRuns`, `LockHeld` or OSError before `ready`.

    `known`: from the serial numbers of devices.toml to the names of their tables.
    """
    paths = HostPaths(data_dir, config.name)
    paths.prepare()
    name_lock = _own_name(paths)
    keep_log(paths)
    # The lock is never closed here: it falls free when the whole process is gone, and others wait for that.
    keeping = _keeping(config, paths, name_lock, clock=clock or SystemClock(), known=known or {})
    asyncio.run(_run(keeping, config=config, paths=paths, idle_s=idle_s, ready=ready))


async def _run(
    keeping: Callable[[Callable[[Push], None]], Keeper],
    *,
    config: DeviceConfig,
    paths: HostPaths,
    idle_s: float,
    ready: Callable[[], None],
) -> None:
    await Host(keeping, config=config, paths=paths, idle_s=idle_s).run(ready)


def _keeping(
    config: DeviceConfig, paths: HostPaths, name_lock: int, *, clock: Clock, known: Mapping[str, str]
) -> Callable[[Callable[[Push], None]], Keeper]:
    """What makes the keeper, inside the event loop that it belongs to."""
    mock = MockMachine(config, paths.mock_port, control=paths.control) if config.mock else None
    port = str(paths.mock_port) if config.mock else registry.port_of(config)

    def keeper_for(publish: Callable[[Push], None]) -> Keeper:
        guard = Guard(paths.journal, wire=registry.DRIVERS[config.driver].wire, locks=(name_lock,))
        if mock is None:
            guard.begin()
        journal = Journal(paths.journal)  # read before the position in it is written anew
        position = Position(position_beside(paths.journal))
        device = registry.build(
            config, data_dir=paths.data_dir, clock=clock, port=port, sent=position, known=known
        )
        return Keeper(
            device,
            port=port,
            journal=journal,
            guard=guard,
            clock=clock,
            publish=publish,
            position=position,
            mock=mock,
        )

    return keeper_for


def _own_name(paths: HostPaths) -> int:
    """The lock of this machine's name; a guardian at its work is waited for, a living host is not."""
    until = time.monotonic() + _LOCK_WAIT_S
    while True:
        try:
            return take_lock(paths.lock, f"process {os.getpid()}")
        except LockHeld:
            if _answers(paths.socket):
                raise HostRuns(f"the host of {paths.name} runs already") from None
            if time.monotonic() > until:
                raise
        time.sleep(0.1)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2.0)
        try:
            probe.connect(str(path))
            return bool(probe.recv(1))
        except OSError:
            return False


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "at": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "room": record.name,
            "event": record.getMessage(),
        }
        if record.exc_info:
            fields["trace"] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=False)


def keep_log(paths: HostPaths) -> None:
    """At most three files of 1 MB beside the socket: a host may live for months."""
    handler = logging.handlers.RotatingFileHandler(
        paths.log, maxBytes=1_000_000, backupCount=2, encoding="utf-8", delay=True
    )
    handler.setFormatter(_JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
