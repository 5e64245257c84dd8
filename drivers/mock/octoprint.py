"""An OctoPrint of our own making for fast tests: the real paths, answers and oddities as measured on 1.11.8.

It speaks HTTP/1.1 and the push socket on one loopback port and prints its uploads in pretended time. A test
may ask for faults: an answer that is lost, cut or never sent, a printer that fails, a server that is killed
and comes back.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from websockets.frames import Frame, Opcode
from websockets.http11 import Request as Handshake
from websockets.protocol import State
from websockets.server import ServerProtocol

_log = logging.getLogger(__name__)
_log.setLevel(logging.WARNING)  # below it websockets writes down what is said
_ROLES: Final = (
    "status",
    "control",
    "print",
    "connection",
    "files_list",
    "files_upload",
    "files_select",
    "files_delete",
)
_HEATING_C_PER_S: Final = 20.0
_MAX_BODY: Final = 64_000_000
_PRINTING: Final = ("Starting", "Printing", "Pausing", "Paused", "Resuming", "Finishing", "Cancelling")
_STATE_IDS: Final = {"Offline after error": "OFFLINE", "Offline": "OFFLINE"}
_WORD = re.compile(r"([A-Z])(-?[0-9.]+)")


class Fault(StrEnum):
    LOST = "lost"  # done, but the connection drops before the answer
    CUT = "cut"  # done, but the answer ends in its middle
    GARBLED = "garbled"  # done, but the answer is no JSON
    SILENT = "silent"  # not done, and no answer ever
    DROPPED = "dropped"  # not done, connection dropped
    BUSY = "busy"  # not done, HTTP 503
    CONFLICT = "conflict"  # not done, HTTP 409
    FORBIDDEN = "forbidden"  # not done, HTTP 403
    MOVED = "moved"  # not done, HTTP 302
    ENDLESS = "endless"  # far more than anybody would want to read
    PACKED = "packed"  # compressed although nobody asked
    DRIPPING = "dripping"  # a byte now and then


_STATUS: Final = {Fault.BUSY: 503, Fault.CONFLICT: 409, Fault.FORBIDDEN: 403, Fault.MOVED: 302}


@dataclass(kw_only=True)
class Stored:
    content: bytes
    date: float
    success: int = 0
    failure: int = 0

    def describe(self, path: str) -> dict[str, Any]:
        told: dict[str, Any] = {
            "path": path,
            "name": path.rpartition("/")[2],
            "origin": "local",
            "date": int(self.date),
            "size": len(self.content),
        }
        if self.success + self.failure:
            told["prints"] = {"success": self.success, "failure": self.failure}
        return told


@dataclass(frozen=True, kw_only=True)
class _Request:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    head: bytes

    def json(self) -> dict[str, Any]:
        decoded = json.loads(self.body or b"{}")
        return decoded if isinstance(decoded, dict) else {}


_Answer = tuple[int, Any]
_NOTHING: Final[_Answer] = (204, None)
_NOT_FOUND: Final[_Answer] = (404, {"error": "The requested URL was not found on the server."})


@dataclass(kw_only=True)
class MockOctoPrint:
    """`speed` divides all pretended times. `starts` counts prints begun; `commands` are lines sent past a print."""

    api_key: str = "0123456789abcdef0123456789abcdef"
    prefix: str = ""
    speed: float = 1.0
    push_s: float = 0.02
    line_s: float = 0.01
    cancelling_s: float = 0.05
    roles: list[str] = field(default_factory=lambda: list(_ROLES))
    heaters_stuck: bool = False  # takes M104 S0 and keeps heating
    files: dict[str, Stored] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    starts: int = 0
    rename_uploads: str = ""
    selecting_works: bool = True  # False: 204 and nothing happens, as with nothing selected
    targets_told: bool = True  # False: a firmware that reports temperatures without targets
    truncate_uploads: bool = False
    slow_upload_s: float = 0.0
    pausing_s: float = 0.0

    def __post_init__(self) -> None:
        self.text = "Operational"
        self.error = ""
        self._faults: list[tuple[Fault, str]] = []
        self._before: list[tuple[str, Callable[[], None]]] = []
        self._selected: str | None = None
        self._filepos: int | None = None
        self._elapsed_s = 0.0
        self._heat = {"tool0": [21.0, 0.0], "bed": [21.0, 0.0]}
        self._clock_s = 1_795_000_000.0  # the server's own, which no test may rely on
        self._history: list[dict[str, Any]] = []
        self._go = asyncio.Event()
        self._job: asyncio.Task[None] | None = None
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._sockets: dict[asyncio.StreamWriter, ServerProtocol] = {}
        self._pulse: asyncio.Task[None] | None = None
        self._later: asyncio.Task[None] | None = None
        self._handlers: set[asyncio.Task[None]] = set()
        self.port = 0
        self.logins = 0

    # -- life

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.prefix}"

    async def __aenter__(self) -> MockOctoPrint:
        await self.up()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.down()

    async def up(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        self._pulse = asyncio.create_task(self._beat())

    async def down(self) -> None:
        """Killed, as by a power cut: a print is forgotten without a trace in its file's count."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        self.hang_up()
        tasks = [t for t in (self._job, self._pulse, self._later, *self._handlers) if t is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._job = self._pulse = None
        self._deselect()
        self.text, self.error = "Operational", ""

    def hang_up(self) -> None:
        """Cut every connection; the print goes on."""
        for writer in self._writers:
            writer.transport.abort()

    def fault(self, kind: Fault, request: str) -> None:
        """The next request whose "METHOD /path" begins with `request` meets this fault, once."""
        self._faults.append((kind, request))

    def before(self, request: str, act: Callable[[], None]) -> None:
        """Do something right before the next request that begins with `request` is looked at, once."""
        self._before.append((request, act))

    def print_by_hand(self, path: str) -> None:
        """Somebody starts a file in OctoPrint's own page."""
        self._selected, self._filepos, self._elapsed_s = path, 0, 0.0
        self._become("Starting")
        self._tell("PrintStarted", {"path": path, "size": len(self.files[path].content)})
        self._go.set()
        self._job = asyncio.create_task(self._print(path))

    async def heat_by_hand(self, line: str) -> None:
        await self._execute(line, in_print=False)

    def add_heaters(self, *names: str) -> None:
        self._heat |= {name: [21.0, 0.0] for name in names}

    def finish(self) -> None:
        """The print is suddenly at its end."""
        if self._job is not None:
            self._job.cancel()
        self._become("Operational")

    def fail(self, error: str = "Printer halted. kill() called!") -> None:
        """The firmware dies: the file is deselected first, then the failure is told (measured order)."""
        path, job = self._selected, self._job
        printing = job is not None and self.text in _PRINTING
        if job is not None:
            job.cancel()
        self._deselect()
        self.error = error
        self._tell("Error", {"error": error})
        self._tell("Disconnected", None)
        self._become("Offline after error")
        if printing and path is not None:
            self.files[path].failure += 1
            self._tell(
                "PrintFailed", {"path": path, "reason": "error", "error": error, "time": self._elapsed_s}
            )

    def unplug(self) -> None:
        """Somebody pressed Disconnect, or the printer has no power."""
        if self._job is not None:
            self._job.cancel()
        self._deselect()
        self._tell("Disconnected", None)
        self._become("Offline")

    def ask_for_login(self) -> None:
        self._push({"reauthRequired": {"reason": "stale"}})

    def say(self, raw: str) -> None:
        """Any text to all listeners."""
        for writer, socket in self._sockets.items():
            if socket.state is State.OPEN:
                socket.send_text(raw.encode())
                writer.write(b"".join(socket.data_to_send()))

    # -- the printer

    async def _print(self, path: str) -> None:
        stored = self.files[path]
        self.starts += 1
        self._become("Printing")
        for line in stored.content.splitlines(keepends=True):
            await self._go.wait()
            await self._execute(line.decode(errors="replace"), in_print=True)
            self._filepos = (self._filepos or 0) + len(line)
        self._become("Finishing")
        stored.success += 1
        self._tell("PrintDone", {"path": path, "time": self._elapsed_s})
        await asyncio.sleep(self.push_s)
        self._become("Operational")

    async def _execute(self, line: str, *, in_print: bool) -> None:
        line = line.partition(";")[0].strip()
        words = dict(_WORD.findall(line))
        code = line.partition(" ")[0]
        heater = {"M104": "tool0", "M109": "tool0", "M140": "bed", "M190": "bed"}.get(code)
        target = float(words.get("S", 0))
        if heater and not (self.heaters_stuck and target == 0) and words.get("T", "0") == "0":
            self._heat[heater][1] = target
        if code in ("M109", "M190") and heater:
            await self._heated(heater)
        if code == "M105":
            self._report()
        if in_print:
            pause_s = float(words.get("P", 0)) / 1000 if code == "G4" else self.line_s
            self._elapsed_s += pause_s
            await asyncio.sleep(pause_s / self.speed)

    async def _heated(self, heater: str) -> None:
        actual, target = self._heat[heater]
        await asyncio.sleep(max(target - actual, 0.0) / (_HEATING_C_PER_S * self.speed))
        self._heat[heater][0] = target

    def _report(self) -> None:
        self._clock_s += 1
        heat: dict[str, Any] = {"time": int(self._clock_s), "chamber": {"actual": None, "target": None}}
        for name, (actual, target) in self._heat.items():
            heat[name] = {"actual": actual, "target": target if self.targets_told else None}
        self._history = [*self._history[-9:], heat]

    async def _beat(self) -> None:
        """Heat flows, and listeners get the throttled picture."""
        while True:
            await asyncio.sleep(self.push_s)
            for heater in self._heat.values():
                step = _HEATING_C_PER_S * self.speed * self.push_s
                aim = max(heater[1], 21.0)
                heater[0] += max(-step, min(step, aim - heater[0]))
            if self.text != "Offline" and not self.error:
                self._report()
                self._push({"current": self._picture()})

    def _deselect(self) -> None:
        self._selected = self._filepos = None
        self._elapsed_s = 0.0

    def _become(self, text: str) -> None:
        self.text = text
        self._tell(
            "PrinterStateChanged", {"state_id": _STATE_IDS.get(text, text.upper()), "state_string": text}
        )

    def _tell(self, event: str, payload: Mapping[str, Any] | None) -> None:
        self._push({"event": {"type": event, "payload": payload}})

    def _push(self, message: Mapping[str, Any]) -> None:
        self.say(json.dumps(message))

    def _job_answer(self) -> dict[str, Any]:
        path = self._selected
        size = len(self.files[path].content) if path else None
        known = path is not None and self._filepos is not None and size
        told: dict[str, Any] = {
            "job": {"file": {"path": path, "size": size, "origin": "local" if path else None}},
            "progress": {
                "completion": 100 * (self._filepos or 0) / (size or 1) if known else None,
                "filepos": self._filepos,
                "printTime": int(self._elapsed_s) if known else None,
                "printTimeLeft": None,
            },
            "state": self.text,
        }
        return told | ({"error": self.error} if self.error else {})

    def _picture(self) -> dict[str, Any]:
        answer = self._job_answer()
        return answer | {"state": {"text": self.text, "error": self.error}, "temps": self._history[-1:]}

    # -- HTTP

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._handlers.add(task)
        self._writers.add(writer)
        try:
            while (request := await _read(reader, self.prefix)) is not None:
                if not await self._reply(request, reader, writer):
                    return
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._handlers.discard(task)
            self._writers.discard(writer)
            self._sockets.pop(writer, None)
            writer.close()

    async def _reply(
        self, request: _Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """False when the connection is to end."""
        called = f"{request.method} {request.path}"
        self.asked.append(called)
        for waiting in [b for b in self._before if called.startswith(b[0])][:1]:
            self._before.remove(waiting)
            waiting[1]()
        fault = self._fault_for(called)
        if fault is Fault.SILENT:
            await asyncio.sleep(3600)
        if fault is Fault.DROPPED:
            writer.transport.abort()
            return False
        if fault in _STATUS:
            status, told = _STATUS[fault], {"error": fault.value}
        elif request.path == "/sockjs/websocket":
            await self._socket(request, reader, writer)
            return False
        else:
            status, told = await self._answer(request)
        body = b"" if told is None else json.dumps(told, indent=1).encode()
        return await _write(writer, status, body, fault)

    def _fault_for(self, called: str) -> Fault | None:
        meant = next((f for f in self._faults if called.startswith(f[1])), None)
        if meant is None:
            return None
        self._faults.remove(meant)
        return meant[0]

    async def _answer(self, request: _Request) -> _Answer:
        if not request.path.startswith("/api/"):
            return _NOT_FOUND
        if request.headers.get("x-api-key") != self.api_key:
            if request.method == "GET":
                return 403, {"error": "You don't have the permission to access the requested resource."}
            return 400, {"error": "CSRF validation failed"}
        path = request.path
        if path.startswith("/api/files/local/"):
            return await self._file(request, unquote(path.removeprefix("/api/files/local/")))
        match request.method, path:
            case "GET", "/api/version":
                return 200, {"api": "0.1", "server": "1.11.8", "text": "OctoPrint 1.11.8"}
            case "GET", "/api/printerprofiles":
                return 200, {"profiles": {"_default": {"model": "Mock printer", "current": True}}}
            case "GET", "/api/job":
                return 200, self._job_answer()
            case "GET", "/api/printer":
                if self.text.startswith("Offline"):
                    return 409, {"error": "Printer is not operational"}
                heat = {"history": self._history[-1:]}
                return 200, {"state": {"text": self.text}, "temperature": heat}
            case "POST", "/api/login":
                self.logins += 1
                return 200, {"name": "lab", "session": f"session{self.logins}", "needs": {"role": self.roles}}
            case "POST", "/api/job":
                return await self._steer(request.json())
            case "POST", "/api/connection":
                self.error = ""
                self._become("Operational")
                return _NOTHING
            case "POST", "/api/printer/command":
                return await self._commands(request.json())
            case "POST", "/api/files/local":
                await asyncio.sleep(self.slow_upload_s)
                return self._keep(request)
        return _NOT_FOUND

    async def _file(self, request: _Request, path: str) -> _Answer:
        inside = {p: f for p, f in self.files.items() if p.startswith(f"{path}/")}
        if request.method == "GET" and inside:
            return 200, {"children": [f.describe(p) for p, f in inside.items()]}
        stored = self.files.get(path)
        if stored is None and "/" in path and not any(p.startswith("fablab/") for p in self.files):
            return 500, {"error": "The server encountered an internal error"}  # its folder does not exist
        if stored is None:
            return _NOT_FOUND
        if request.method == "GET":
            return 200, stored.describe(path)
        if request.method == "DELETE":
            del self.files[path]
            return _NOTHING
        if self.text != "Operational":
            return 409, {"error": "Printer is already printing, cannot select a new file"}
        if self.selecting_works:
            self.print_by_hand(path)
        return _NOTHING

    async def _steer(self, order: Mapping[str, Any]) -> _Answer:
        if self.text not in _PRINTING:
            return 409, {"error": "Printer is neither printing nor paused"}
        if order.get("command") == "cancel":
            if self.text != "Cancelling":
                self._cancel()
            return _NOTHING
        paused = not self._go.is_set()
        action = order.get("action") or ("resume" if paused else "pause")  # without an action it toggles
        if action == "pause" and not paused and self.text != "Cancelling":
            self._go.clear()
            self._become("Pausing")
            self._later = asyncio.create_task(self._paused())
        elif action == "resume" and self.text == "Paused":  # while "Pausing" it is taken and dropped
            self._go.set()
            self._become("Printing")
        return _NOTHING

    async def _paused(self) -> None:
        await asyncio.sleep(self.pausing_s)
        if self.text == "Pausing":
            self._become("Paused")

    def _cancel(self) -> None:
        path = self._selected
        assert path is not None
        assert self._job is not None
        self._job.cancel()
        self._become("Cancelling")
        self._filepos = None
        self.files[path].failure += 1
        self._tell("PrintCancelled", {"path": path, "time": self._elapsed_s})
        self._tell("PrintFailed", {"path": path, "reason": "cancelled", "time": self._elapsed_s})
        self._job = asyncio.create_task(self._settle())

    async def _settle(self) -> None:
        await asyncio.sleep(self.cancelling_s)
        self._become("Operational")

    async def _commands(self, order: Mapping[str, Any]) -> _Answer:
        if self.text.startswith("Offline"):
            return 409, {"error": "Printer is not operational"}
        for line in order.get("commands", []):
            self.commands.append(line)
            await self._execute(line, in_print=False)
        return _NOTHING

    def _keep(self, request: _Request) -> _Answer:
        fields = _multipart(request)
        name, content = fields.get("file", ("", b""))
        if not name.endswith((".gcode", ".gco", ".g")):
            return 415, {"error": "Could not upload file, invalid type"}
        path = f"{fields['path'][1].decode()}/{self.rename_uploads or name}" if "path" in fields else name
        if path == self._selected and self.text in _PRINTING:
            return 409, {"error": "Trying to overwrite file that is currently being printed"}
        self._clock_s += 1
        content = content[: len(content) // 2] if self.truncate_uploads else content
        self.files[path] = Stored(content=content, date=self._clock_s)
        local = {"name": name, "path": path, "origin": "local"}
        return 201, {
            "done": True,
            "effectivePrint": False,
            "effectiveSelect": False,
            "files": {"local": local},
        }

    # -- the push socket

    async def _socket(
        self, request: _Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        socket = ServerProtocol(logger=_log)
        socket.receive_data(request.head)
        for handshake in socket.events_received():
            if isinstance(handshake, Handshake):
                socket.send_response(socket.accept(handshake))
        socket.send_text(json.dumps({"connected": {"version": "1.11.8"}}).encode())
        while True:
            writer.write(b"".join(socket.data_to_send()))
            data = b"" if socket.close_expected() else await reader.read(65536)
            if not data:
                return
            socket.receive_data(data)
            for frame in socket.events_received():
                if isinstance(frame, Frame) and frame.opcode is Opcode.TEXT:
                    said = json.loads(bytes(frame.data))
                    if str(said.get("auth", "")) == f"lab:session{self.logins}":
                        socket.send_text(json.dumps({"history": self._picture()}).encode())
                        self._sockets[writer] = socket


async def _read(reader: asyncio.StreamReader, prefix: str) -> _Request | None:
    """The next request, its path without the prefix a proxy would take away; None at the end."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *rest = head.decode("latin-1").strip().split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in rest)}
    length = min(int(headers.get("content-length", "0")), _MAX_BODY)
    body = await reader.readexactly(length)
    path = urlsplit(target).path.removeprefix(prefix)
    return _Request(method=method, path=path, headers=headers, body=body, head=head)


async def _write(writer: asyncio.StreamWriter, status: int, body: bytes, fault: Fault | None) -> bool:
    """The answer, or what the fault makes of it; False when the connection is to end."""
    if fault is Fault.LOST:
        writer.transport.abort()
        return False
    if fault is Fault.GARBLED:
        body = b"<html>" + body
    length = 1_000_000_000 if fault is Fault.ENDLESS else len(body)
    packed = "Content-Encoding: gzip\r\n" if fault is Fault.PACKED else ""
    head = (
        f"HTTP/1.1 {status} X\r\n{packed}Content-Length: {length}\r\nContent-Type: application/json\r\n\r\n"
    )
    writer.write(head.encode())
    if fault is Fault.CUT:
        writer.write(body[: len(body) // 2])
    while fault is Fault.ENDLESS:
        writer.write(b" " * 65536)
        await writer.drain()
    for byte in body if fault is Fault.DRIPPING else b"":
        writer.write(bytes([byte]))
        await asyncio.sleep(0.05)
    if fault not in (Fault.CUT, Fault.DRIPPING):
        writer.write(body)
    await writer.drain()
    return fault is not Fault.CUT


def _multipart(request: _Request) -> dict[str, tuple[str, bytes]]:
    """Form fields by name, each with its file name, if any, and content."""
    boundary = request.headers.get("content-type", "").partition("boundary=")[2].strip('"')
    fields: dict[str, tuple[str, bytes]] = {}
    for part in request.body.split(b"--" + boundary.encode())[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        names = dict(re.findall(r'(\w+)="([^"]*)"', head.decode("utf-8", "replace")))
        fields[names.get("name", "")] = (names.get("filename", ""), content.removesuffix(b"\r\n"))
    return fields
