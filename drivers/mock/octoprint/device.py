"""OctoPrint's addresses, and what a test may change about them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from drivers.mock import camera
from drivers.mock.octoprint.appkeys import AppKeys
from drivers.mock.octoprint.files import Stored
from drivers.mock.octoprint.state import PRINTING, PrinterState
from drivers.mock.print_server import PrintServer
from drivers.mock.printer import Heater, Printer
from drivers.mock.server import Answer, Fault, Request, Socket

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
_FILES: Final = "/api/files/local/"
_NOTHING: Final[Answer] = (204, None)
_NOT_FOUND: Final[Answer] = (404, {"error": "The requested URL was not found on the server."})


@dataclass(kw_only=True, eq=False)
class MockOctoPrint(PrintServer):
    """`speed` divides all pretended times. `commands` are lines sent past a print; `executed` the print's own."""

    socket_path = "/sockjs/websocket"

    name: str = "mock"
    api_key: str = "0123456789abcdef0123456789abcdef"
    prefix: str = ""
    port: int = 0
    speed: float = 1.0
    push_s: float = 0.02
    line_s: float = 0.01
    cancelling_s: float = 0.05
    pausing_s: float = 0.0
    roles: list[str] = field(default_factory=lambda: list(_ROLES))
    heaters_stuck: bool = False  # takes M104 S0 and keeps heating
    files: dict[str, Stored] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    rename_uploads: str = ""
    selecting_works: bool = True  # False: 204 and nothing happens, as with nothing selected
    targets_told: bool = True  # False: a firmware that reports temperatures without targets
    truncate_uploads: bool = False
    slow_upload_s: float = 0.0

    def __post_init__(self) -> None:
        super().__init__(prefix=self.prefix, port=self.port, speed=self.speed)
        self.printer = Printer(speed=self.speed, line_s=self.line_s)
        self.state = PrinterState(self.printer, self.files, self._to_listeners)
        self.app_keys = AppKeys()
        self.logins = 0

    # -- what a test sees and does

    @property
    def text(self) -> str:
        """OctoPrint's own word for the state."""
        return self.state.text

    @property
    def busy(self) -> bool:
        return self.text in PRINTING

    def print_by_hand(self, path: str) -> None:
        """Somebody starts a file in OctoPrint's own page."""
        self._settings()
        self.state.start(path)

    async def heat_by_hand(self, line: str) -> None:
        self._settings()
        await self.state.command(line)

    def add_heaters(self, *names: str) -> None:
        self.printer.heaters |= {name: Heater() for name in names}
        self.state.report()

    def finish(self) -> None:
        """The print is suddenly at its end."""
        self.state.finish()

    def fail(self, error: str = "Printer halted. kill() called!") -> None:
        self.state.fail(error)

    def unplug(self) -> None:
        self.state.unplug()

    def decide_key(self, yes: bool) -> None:
        """A person answers whoever asked for an app key."""
        self.app_keys.decide(yes, self.api_key)

    def ask_for_login(self) -> None:
        self._to_listeners(json.dumps({"reauthRequired": {"reason": "stale"}}))

    # -- the server's hooks

    def credentials(self) -> dict[str, str]:
        return {"api_key": self.api_key}

    async def went_down(self) -> None:
        """A print is forgotten without a trace in its file's count."""
        await super().went_down()
        await self.state.forget()

    def is_start(self, request: Request) -> bool:
        return request.called.startswith(f"POST {_FILES}")

    def is_command(self, request: Request) -> bool:
        return request.method != "GET" and request.path != "/api/login"

    def printer_fault(self) -> None:
        self.fail("Thermal Runaway, system stopped! Heater_ID: 0")

    def printer_lost(self, seconds: float) -> None:
        self.state.plugged = False
        self.unplug()
        if seconds:
            self.soon(self._plugged_again(seconds))

    async def _plugged_again(self, seconds: float) -> None:
        """As with one of the plugins that connect by themselves."""
        await asyncio.sleep(seconds)
        self.state.plugged = True
        self.state.connect()

    @property
    def beat_s(self) -> float:
        return self.push_s

    def beat(self) -> None:
        self.state.beat()

    def _settings(self) -> None:
        super()._settings()
        self.state.push_s, self.state.pausing_s = self.push_s, self.pausing_s
        self.state.cancelling_s, self.state.targets_told = self.cancelling_s, self.targets_told

    # -- the push socket

    def socket_opened(self, socket: Socket) -> None:
        socket.send(json.dumps({"connected": {"version": "1.11.8"}}))

    def socket_heard(self, socket: Socket, text: str) -> None:
        try:
            said = json.loads(text)
        except (ValueError, RecursionError):
            return
        if isinstance(said, dict) and str(said.get("auth", "")) == f"lab:session{self.logins}":
            socket.state["listens"] = True
            socket.send(json.dumps({"history": self.state.picture()}))

    def _to_listeners(self, text: str) -> None:
        for socket in self.sockets:
            if socket.state.get("listens"):
                socket.send(text)

    # -- HTTP

    async def answer(self, request: Request) -> Answer:
        self._settings()
        if request.path.startswith("/webcam/"):
            return camera.answer(request)
        if (flow := self.app_keys.answer(request, self.url)) is not None:
            return flow
        if not request.path.startswith("/api/"):
            return _NOT_FOUND
        if request.headers.get("x-api-key") != self.api_key:
            if request.method == "GET":
                return 403, {"error": "You don't have the permission to access the requested resource."}
            return 400, {"error": "CSRF validation failed"}
        if request.path.startswith(_FILES):
            return self._file(request, request.path.removeprefix(_FILES))
        return self._look(request) if request.method == "GET" else await self._order(request)

    def _look(self, request: Request) -> Answer:
        match request.path:
            case "/api/version":
                return 200, {"api": "0.1", "server": "1.11.8", "text": "OctoPrint 1.11.8"}
            case "/api/printerprofiles":
                return 200, {"profiles": {"_default": {"model": "Mock printer", "current": True}}}
            case "/api/job":
                return 200, self.state.job()
            case "/api/printer":
                if self.state.offline:
                    return 409, {"error": "Printer is not operational"}
                heat = {"history": self.state.history[-1:]}
                return 200, {"state": {"text": self.text}, "temperature": heat}
        return _NOT_FOUND

    async def _order(self, request: Request) -> Answer:
        match request.called:
            case "POST /api/login":
                self.logins += 1
                return 200, {"name": "lab", "session": f"session{self.logins}", "needs": {"role": self.roles}}
            case "POST /api/job":
                if self.state.steer(request.json()):
                    return _NOTHING
                return 409, {"error": "Printer is neither printing nor paused"}
            case "POST /api/connection":
                self.state.connect()
                return _NOTHING
            case "POST /api/printer/command":
                return await self._commands(request.json())
            case "POST /api/files/local":
                await asyncio.sleep(self.slow_upload_s)
                return self._keep(request)
        return _NOT_FOUND

    def _file(self, request: Request, path: str) -> Answer:
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
            if path == self.state.printing:
                return 409, {"error": "Trying to delete a file that is currently in use"}
            del self.files[path]
            return _NOTHING
        if self.text != "Operational":
            return 409, {"error": "Printer is already printing, cannot select a new file"}
        if self.take(Fault.NEVER_RUNS):
            self.state.select(path)
        elif self.selecting_works:
            self.state.start(path)
        return _NOTHING

    async def _commands(self, order: Mapping[str, Any]) -> Answer:
        if self.state.offline:
            return 409, {"error": "Printer is not operational"}
        for line in order.get("commands", []):
            self.commands.append(line)
            await self.state.command(line)
        return _NOTHING

    def _keep(self, request: Request) -> Answer:
        fields = request.form()
        name, content = fields.get("file", ("", b""))
        if not name.endswith((".gcode", ".gco", ".g")):
            return 415, {"error": "Could not upload file, invalid type"}
        path = f"{fields['path'][1].decode()}/{self.rename_uploads or name}" if "path" in fields else name
        if path == self.state.printing:
            return 409, {"error": "Trying to overwrite file that is currently being printed"}
        self.state.clock_s += 1
        content = content[: len(content) // 2] if self.truncate_uploads else content
        self.files[path] = Stored(content=content, date=self.state.clock_s)
        local = {"name": name, "path": path, "origin": "local"}
        return 201, {
            "done": True,
            "effectivePrint": False,
            "effectiveSelect": False,
            "files": {"local": local},
        }
