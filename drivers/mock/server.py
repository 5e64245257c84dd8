"""What the mocks of networked machines share: an HTTP/1.1 and websocket server on one loopback port, with faults.

A mock derives from `NetworkMock` and says what it is:

    async answer(request) -> (status, body) or (status, body, headers)
        body: None, bytes, an async iterator of bytes (sent until it ends), or anything JSON can write
    socket_path                      where a websocket is accepted; "" for none
    socket_opened(socket)            send with `socket.send(text)`, to all with `say(text)`
    socket_heard(socket, text)
    is_start(request)                for `lost_start`; is_command(request): for `conflict_storm`
    printer_fault(), printer_lost(s) the machine's own misfortunes; `take(Fault.NEVER_RUNS)` is asked at a start
    came_up(), went_down()           the server's life; `busy`: something prints; `speed` may change at any time
    credentials(), facts()           for the program in `networked`

Faults are asked for as words, `inject("KIND[:VALUE][@METHOD /path]")`, or one at a time by `fault(kind, "METHOD
/path")`: the next request that begins so meets it, once. `asked` is what was asked, `before` acts right before.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final, Self

from websockets.frames import Frame, Opcode
from websockets.http11 import Request as Handshake
from websockets.protocol import State
from websockets.server import ServerProtocol

from drivers.mock.network_faults import FAULTS, STATUS, Armed, Fault, Unit, parse
from drivers.mock.wire import Answer, Request, Socket, Wire, read, stop, write

__all__ = ["Answer", "Fault", "NetworkMock", "Request", "Socket"]

_log = logging.getLogger(__name__)
_log.setLevel(logging.WARNING)  # below it websockets writes down what is said
_MAX_HEAD: Final = 65536
_DRIP_S: Final = 1.0
_FOREVER_S: Final = 1e9


class NetworkMock:
    """One server on a loopback port, chosen when it first comes up and kept when it comes back."""

    socket_path = ""
    max_body = 64_000_000

    def __init__(self, *, prefix: str = "", port: int = 0, speed: float = 1.0) -> None:
        self.speed = speed
        self.prefix = prefix
        self.port = port
        self.asked: deque[str] = deque(maxlen=20_000)
        self.heard_at = time.monotonic()
        self.drip_s = _DRIP_S
        self._armed: list[Armed] = []
        self._before: list[tuple[str, Callable[[], None]]] = []
        self._server: asyncio.Server | None = None
        self._wires: dict[Wire, asyncio.Task[None]] = {}
        self._deaf_until = 0.0
        self._later: set[asyncio.Task[None]] = set()

    # -- what a mock says of itself

    async def answer(self, request: Request) -> Answer:
        raise NotImplementedError

    @property
    def busy(self) -> bool:
        """Something prints, or is paused."""
        raise NotImplementedError

    def credentials(self) -> dict[str, str]:
        """What a driver needs beside the url, by the names of its own options."""
        return {}

    def facts(self) -> dict[str, Any]:
        """The truth, for who steers the mock from outside."""
        return {"busy": self.busy}

    async def came_up(self) -> None:
        """Right after the port is open."""

    async def went_down(self) -> None:
        """Right after every connection was cut, as by a power cut of the server (not of the machine)."""

    def socket_opened(self, socket: Socket) -> None:
        """A websocket was accepted."""

    def socket_heard(self, socket: Socket, text: str) -> None:
        """A text came in."""

    def is_start(self, request: Request) -> bool:
        return False

    def is_command(self, request: Request) -> bool:
        return request.method != "GET"

    def printer_fault(self) -> None:
        """The firmware halts, as on a heater that does not heat."""

    def printer_lost(self, seconds: float) -> None:
        """The machine behind the server loses its power or cable; 0 s is for good."""

    # -- life

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.prefix}"

    @property
    def sockets(self) -> list[Socket]:
        return [wire.socket for wire in self._wires if wire.socket is not None]

    async def __aenter__(self) -> Self:
        await self.up()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def up(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=_MAX_HEAD)
        self.port = self._server.sockets[0].getsockname()[1]
        await self.came_up()

    async def down(self) -> None:
        """Killed, as by a power cut; `up` brings it back on the same port."""
        server, self._server = self._server, None
        if server is not None:
            await stop(server)
        self.hang_up()
        tasks = list(self._wires.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # what was aborted is closed
        await self.went_down()

    async def aclose(self) -> None:
        """Down for good, whatever was still to happen."""
        for task in self._later:
            task.cancel()
        await asyncio.gather(*self._later, return_exceptions=True)
        await self.down()

    def hang_up(self) -> None:
        """Cut every connection; a print goes on."""
        for wire in self._wires:
            wire.writer.transport.abort()

    def say(self, text: str) -> None:
        """Any text to every open websocket."""
        for socket in self.sockets:
            socket.send(text)

    # -- faults

    def inject(self, text: str) -> None:
        """`KIND[:VALUE][@METHOD /path]` as in `network_faults.FAULTS`; ValueError for anything else."""
        kind, value, request = parse(text)
        if FAULTS[kind].unit is Unit.SECONDS:
            self.fault(kind, request, for_s=value)
        else:
            self.fault(kind, request, times=int(value))

    def fault(self, kind: Fault, request: str = "", *, times: int = 1, for_s: float | None = None) -> None:
        """The next request (or the next `times`, or all for `for_s` seconds) that begins with `request` meets it.

        Faults of the server or the machine itself happen now.
        """
        match kind:
            case Fault.HALF_OPEN:
                self._deaf_until = time.monotonic() + (for_s or FAULTS[kind].default)
                for wire in self._wires:
                    wire.mute = True
            case Fault.SOCKET_DROP:
                for wire in self._wires:
                    if wire.socket is not None:
                        wire.writer.transport.abort()
                if for_s and self.socket_path:
                    refused = f"GET {self.socket_path}"
                    self._armed.append(Armed(kind=Fault.HTTP_503, request=refused, until=_in(for_s)))
            case Fault.SERVER_KILLED:
                self.soon(self._killed(FAULTS[kind].default if for_s is None else for_s))
            case Fault.PRINTER_FAULT:
                self.printer_fault()
            case Fault.PRINTER_LOST:
                self.printer_lost(for_s or 0.0)
            case _:
                until = None if for_s is None else _in(for_s)
                self._armed.append(Armed(kind=kind, request=request, times=times, until=until))

    def heal(self) -> None:
        """Forget every fault that was asked for and has not happened."""
        self._armed.clear()
        self._deaf_until = 0.0

    def take(self, kind: Fault) -> bool:
        """Whether this fault, one of those that the mock itself carries out, is due now."""
        return self._due(lambda armed: armed.kind is kind) is not None

    def before(self, request: str, act: Callable[[], None]) -> None:
        """Do something right before the next request that begins with `request` is looked at, once."""
        self._before.append((request, act))

    def soon(self, work: Coroutine[Any, Any, None]) -> None:
        """A coroutine of the mock's own, ended with it."""
        task = asyncio.create_task(work)
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def _killed(self, seconds: float) -> None:
        await self.down()
        await asyncio.sleep(seconds)
        await self.up()

    def _due(self, meant: Callable[[Armed], bool]) -> Armed | None:
        now = time.monotonic()
        self._armed = [a for a in self._armed if a.until is None or a.until > now]
        found = next((a for a in self._armed if meant(a)), None)
        if found is not None and found.until is None:
            found.times -= 1
            if found.times <= 0:
                self._armed.remove(found)
        return found

    def _fault_for(self, request: Request) -> Fault | None:
        def meant(armed: Armed) -> bool:
            if armed.request:
                return request.called.startswith(armed.request)
            match armed.kind:
                case Fault.LOST_START:
                    return self.is_start(request)
                case Fault.CONFLICT_STORM:
                    return self.is_command(request)
                case Fault.NEVER_RUNS:
                    return False
            return True

        found = self._due(meant)
        return None if found is None else found.kind

    # -- connections

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._server is None:  # accepted in the moment of the power cut
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        wire = Wire(reader, writer, mute=time.monotonic() < self._deaf_until)
        self._wires[wire] = task
        try:
            while (request := await read(wire, prefix=self.prefix, max_body=self.max_body)) is not None:
                if not await self._reply(request, wire):
                    return
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            writer.transport.abort()  # cut off, or no HTTP
        except asyncio.CancelledError:
            pass  # `down` ends it; streams of Python 3.11 would log a handler that ends as cancelled
        finally:
            del self._wires[wire]
            writer.close()

    async def _reply(self, request: Request, wire: Wire) -> bool:
        """False when the connection is to end."""
        if wire.mute:
            await asyncio.sleep(_FOREVER_S)
        self.heard_at = time.monotonic()
        self.asked.append(request.called)
        for waiting in [b for b in self._before if request.called.startswith(b[0])][:1]:
            self._before.remove(waiting)
            waiting[1]()
        fault = self._fault_for(request)
        if fault is Fault.TIMEOUT:
            await asyncio.sleep(_FOREVER_S)
        if fault is Fault.DROPPED:
            wire.writer.transport.abort()
            return False
        answer: Answer
        if fault is not None and fault in STATUS:
            answer = STATUS[fault], {"error": fault.value}
        elif self.socket_path and request.path == self.socket_path and "upgrade" in request.headers:
            await self._socket(request, wire)
            return False
        else:
            answer = await self.answer(request)
        if wire.mute:
            await asyncio.sleep(_FOREVER_S)
        return await write(wire.writer, answer, fault, drip_s=self.drip_s)

    async def _socket(self, request: Request, wire: Wire) -> None:
        protocol = ServerProtocol(logger=_log)
        protocol.receive_data(request.head)
        for handshake in protocol.events_received():
            if isinstance(handshake, Handshake):
                protocol.send_response(protocol.accept(handshake))
        wire.socket = socket = Socket(protocol, wire)
        socket.flush()
        if protocol.state is State.OPEN:
            self.socket_opened(socket)
        while True:
            data = b"" if protocol.close_expected() else await wire.reader.read(65536)
            if not data:
                return
            if wire.mute:
                continue
            protocol.receive_data(data)
            for frame in protocol.events_received():
                if isinstance(frame, Frame) and frame.opcode is Opcode.TEXT:
                    self.heard_at = time.monotonic()
                    with contextlib.suppress(UnicodeDecodeError):
                        self.socket_heard(socket, bytes(frame.data).decode())
            socket.flush()


def _in(seconds: float) -> float:
    return time.monotonic() + seconds
