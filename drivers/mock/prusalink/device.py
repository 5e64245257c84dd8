"""PrusaLink's addresses, and what a test may change about them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from drivers.mock import camera
from drivers.mock.print_server import PrintServer
from drivers.mock.printer import Printer
from drivers.mock.prusalink.digest import Digest
from drivers.mock.prusalink.files import Stored, short_name
from drivers.mock.prusalink.state import PrinterState
from drivers.mock.server import Answer, Fault, Request

_FILES: Final = "/api/v1/files/"
_JOB: Final = "/api/v1/job/"
_UNTOLD: Final = "application/octet-stream"
_TYPES: Final = (_UNTOLD, "text/x.gcode")
_BEAT_S: Final = 0.05
_NOTHING: Final[Answer] = (204, None)


def _refusal(status: int, title: str) -> Answer:
    return status, {"title": title, "message": f"{title}."}


_NOT_FOUND: Final = _refusal(404, "Not found")
_NO_STATE: Final = _refusal(409, "Printer is not in state to print")
_NOT_PRINTING: Final = _refusal(409, "Printer is not printing")


@dataclass(kw_only=True, eq=False)
class MockPrusaLink(PrintServer):
    """`speed` divides all pretended times but never lets an end pass in less than `seen_s` real seconds.

    `built_in` is the PrusaLink that lives in the firmware of MK4, MINI and XL.
    """

    name: str = "mock"
    user: str = "maker"
    password: str = "correct-Horse7"  # noqa: S105 - of a pretended machine
    api_key: str = "0123456789abcdef"
    prefix: str = ""
    port: int = 0
    speed: float = 1.0
    line_s: float = 0.01
    held_s: float = 12.0
    seen_s: float = 2.5
    passing_s: float = 0.3
    listed_s: float = 0.1  # an upload is taken before it is listed
    built_in: bool = False
    serial_number: str | None = "CZPX0720X004XC12345"
    version: str = "PrusaLink 0.8.1"
    heaters_stuck: bool = False  # takes M104 S0 and keeps heating
    targets_told: bool = True
    truncate_uploads: bool = False
    slow_upload_s: float = 0.0
    no_drive: bool = False
    files: dict[str, Stored] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__(prefix=self.prefix, port=self.port, speed=self.speed)
        self.printer = Printer(speed=self.speed, line_s=self.line_s)
        self.state = PrinterState(self.printer, self.files, built_in=self.built_in)
        self.digest = Digest(user=self.user, password=self.password)
        self._clock_s = 1_795_000_000  # the server's own, which no test may rely on
        self._settings()

    # -- what a test sees and does

    @property
    def text(self) -> str:
        """PrusaLink's own word for the state."""
        return self.state.text

    @property
    def busy(self) -> bool:
        return self.text in ("PRINTING", "PAUSED", "ATTENTION", "BUSY")

    def print_by_hand(self, name: str, content: bytes = b"") -> None:
        """Somebody starts a file at the printer's screen."""
        self._settings()
        self.files.setdefault(name, self._stored(name, content))
        self.state.start(name)

    async def heat_by_hand(self, line: str) -> None:
        self._settings()
        await self.printer.execute(line)

    def finish(self) -> None:
        """The print is suddenly at its end."""
        self._settings()
        self.state.finish()

    # -- the server's hooks

    def credentials(self) -> dict[str, str]:
        return {"user": self.user, "password": self.password}

    async def went_down(self) -> None:
        """0.8.1 streams the file itself, and a built-in one is the printer: either way the print is dead."""
        await super().went_down()
        await self.state.forget()
        if self.built_in:
            self.printer.halt()

    def is_start(self, request: Request) -> bool:
        return request.called.startswith(f"POST {_FILES}")

    def printer_fault(self) -> None:
        self.printer.halt()
        self.state.fail("Heaters switched off. Thermal runaway")

    def printer_lost(self, seconds: float) -> None:
        self.state.fail("Serial device does not exist")
        if seconds:
            self.soon(self._back(seconds))

    async def _back(self, seconds: float) -> None:
        """Opening the port resets the printer."""
        await asyncio.sleep(seconds)
        self.printer.halt()
        self.state.clear()

    @property
    def beat_s(self) -> float:
        return _BEAT_S

    def beat(self) -> None:
        self.printer.flow(_BEAT_S)

    def _settings(self) -> None:
        super()._settings()
        self.state.held_s, self.state.seen_s, self.state.passing_s = self.held_s, self.seen_s, self.passing_s

    # -- HTTP

    async def answer(self, request: Request) -> Answer:
        self._settings()
        if request.path.startswith("/webcam/"):
            return camera.answer(request)
        if not request.path.startswith("/api/"):
            return 200, b"<html>PrusaLink</html>", {"Content-Type": "text/html"}
        if (refused := self._let_in(request)) is not None:
            return refused
        if request.path.startswith(_FILES):
            return await self._file(request)
        if request.path.startswith(_JOB):
            return self._steer(request)
        return self._look(request) if request.method == "GET" else await self._order(request)

    def _let_in(self, request: Request) -> Answer | None:
        key = request.headers.get("x-api-key")
        if key is not None:
            return None if key == self.api_key else (403, b"Bad X-Api-Key.", {"Content-Type": "text/plain"})
        if self.digest.accepts(request):
            return None
        return 401, b"<html>401</html>", {**self.digest.challenge(), "Content-Type": "text/html"}

    def _look(self, request: Request) -> Answer:
        looks: dict[str, Callable[[], Any]] = {
            "/api/version": self._version,
            "/api/v1/info": self._info,
            "/api/v1/status": self._status,
            "/api/v1/job": self.state.job,
            "/api/v1/storage": self._storages,
            "/api/job": self.state.legacy_job,
        }
        look = looks.get(request.path)
        if look is None:
            return _NOT_FOUND
        told = look()
        return _NOTHING if told is None else (200, told)

    def _version(self) -> dict[str, Any]:
        can = {"capabilities": {"upload-by-put": True}, "hostname": self.name}
        if self.built_in:
            return {"api": "2.0.0", "server": "2.1.2", "nozzle_diameter": 0.4, "text": "PrusaLink", **can}
        known = {"server": "0.8.1", "original": "PrusaLink I3MK3S", "firmware": "3.13.3-7094"}
        return {"api": "2.0.0", "text": self.version, "sdk": "0.8.1", **known, **can}

    def _info(self) -> dict[str, Any]:
        told = {"nozzle_diameter": 0.4, "serial": self.serial_number, "hostname": self.name, "mmu": False}
        return told | ({} if self.built_in else {"name": self.name, "location": "", "port": 0})

    def _status(self) -> dict[str, Any]:
        told = self.state.status()
        if not self.targets_told:
            del told["printer"]["target_bed"]
        return told | {
            "storage": {"path": "/usb/", "name": "usb", "read_only": False} if self.built_in else []
        }

    def _storages(self) -> dict[str, Any]:
        if self.built_in:
            drive = {"type": "USB", "path": "/usb/", "read_only": False, "available": not self.no_drive}
            return {"storage_list": [drive]}
        local = {"type": "LOCAL", "path": "/local", "read_only": False, "available": not self.no_drive}
        card = {"type": "SDCARD", "path": "/sdcard", "read_only": True, "available": True}
        return {"storage_list": [local, card]}

    def _steer(self, request: Request) -> Answer:
        number, _, action = request.path.removeprefix(_JOB).partition("/")
        if number != str(self.state.job_id):
            return _refusal(404, "Not the current job")
        match request.method, action:
            case "DELETE", "":
                done = self.state.stop()
            case "PUT", "pause":
                done = self.state.pause()
            case "PUT", "resume":
                done = self.state.resume()
            case _:
                return _refusal(400, "Bad request")
        return _NOTHING if done else _NOT_PRINTING

    async def _order(self, request: Request) -> Answer:
        """Older than v1, and gone from newer firmware."""
        order = request.json()
        if self.built_in or order.get("command") != "target":
            return _NOT_FOUND
        match request.called:
            case "POST /api/printer/tool":
                targets = order.get("targets")
                degrees = targets.get("tool0") if isinstance(targets, dict) else None
                code = "M104"
            case "POST /api/printer/bed":
                degrees, code = order.get("target"), "M140"
            case _:
                return _NOT_FOUND
        if not isinstance(degrees, int | float):
            return _refusal(400, "Bad request")
        await self.printer.execute(f"{code} S{degrees:g}")
        return _NOTHING

    # -- files

    async def _file(self, request: Request) -> Answer:
        storage, _, name = request.path.removeprefix(_FILES).partition("/")
        if storage == "sdcard" and not self.built_in:
            return _refusal(409, "SD Card storage is read only")
        if storage != ("usb" if self.built_in else "local"):
            return _NOT_FOUND
        if request.method == "PUT":
            await asyncio.sleep(self.slow_upload_s)
            return self._keep(request, name)
        listed = {n: f for n, f in self.files.items() if f.listed_at <= time.monotonic()}
        if request.method == "GET" and not name:
            return 200, {"type": "FOLDER", "children": [f.describe(n) for n, f in listed.items()]}
        name = next((n for n, f in listed.items() if name in (n, f.short)), "")
        if not name:
            return _NO_STATE if request.method == "POST" and not self.state.may_start else _NOT_FOUND
        match request.method:
            case "GET":
                return 200, listed[name].describe(name)
            case "DELETE" if self.state.has_job and name == self.state.last:
                return _refusal(409, "File is currently printed")
            case "DELETE":
                del self.files[name]
                return _NOTHING
            case "POST":
                return self._start(name)
        return _refusal(405, "Method not allowed")

    def _keep(self, request: Request, name: str) -> Answer:
        kind = request.headers.get("content-type")
        if self.built_in and not name.endswith((".gcode", ".gco", ".g")):
            return _refusal(415, "Not a GCODE")
        if not self.built_in and kind not in _TYPES:  # 0.8.1 looks at the type, not at the name (measured)
            return _refusal(415, "Unsupported media type")
        if not request.body:
            return _refusal(411, "Length required")
        if name in self.files and request.headers.get("overwrite") != "?1":
            return _refusal(409, "File already exists")
        if not self.built_in and kind == _UNTOLD:  # it looks for the type in a file not there yet (measured)
            return 500, b"<html>500</html>", {"Content-Type": "text/html"}
        whole = request.body
        self.files[name] = self._stored(name, whole[: len(whole) // 2] if self.truncate_uploads else whole)
        if request.headers.get("print-after-upload") == "?1":
            started = self._start(name)
            return started if started[0] != 204 else (201, None)
        return 201, None

    def _stored(self, name: str, content: bytes) -> Stored:
        self._clock_s += 1
        return Stored(
            content=content,
            m_timestamp=self._clock_s,
            listed_at=time.monotonic() + self.listed_s,
            short=short_name(name) if self.built_in else "",
        )

    def _start(self, name: str) -> Answer:
        if not self.state.may_start:
            return _NO_STATE
        if not self.take(Fault.NEVER_RUNS):
            self.state.start(name)
        return _NOTHING
