"""Moonraker's addresses, and what a test may change about them."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any, Final

from drivers.mock import camera
from drivers.mock.moonraker import rpc
from drivers.mock.moonraker.history import History
from drivers.mock.moonraker.klippy import DISCONNECTED, READY, SHUTDOWN, Klippy, QueuedPrinter, Refused
from drivers.mock.print_server import PrintServer
from drivers.mock.printer import Heater
from drivers.mock.server import Answer, Fault, Request, Socket

_DELETE: Final = "/server/files/gcodes/"
_OK: Final[Answer] = (200, {"result": "ok"})


def _refusal(status: int, message: str) -> Answer:
    return status, {"error": {"code": status, "message": message, "traceback": ""}}


_NOT_FOUND: Final = _refusal(404, "Not Found")
_AWAY: Final = _refusal(503, "Klippy Host not connected")


@dataclass(kw_only=True, eq=False)
class MockMoonraker(PrintServer):
    """`speed` divides all pretended times. `commands` are lines sent past a print; `executed` the print's own.

    An empty `api_key` trusts everybody.
    """

    socket_path = "/websocket"

    name: str = "mock"
    api_key: str = ""
    instance_id: str = "0123456789abcdef0123456789abcdef"
    prefix: str = ""
    port: int = 0
    speed: float = 1.0
    tick_s: float = 0.02  # 0.25 in the real one
    line_s: float = 0.01
    unseen_s: float = 0.1  # how long after Klipper came up no history is kept; 0.5 in the real one
    heaters_stuck: bool = False  # takes TURN_OFF_HEATERS and keeps heating
    rename_uploads: str = ""
    truncate_uploads: bool = False
    slow_upload_s: float = 0.0
    files: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__(prefix=self.prefix, port=self.port, speed=self.speed)
        self.printer = queued = QueuedPrinter(speed=self.speed, line_s=self.line_s)
        self.klippy = Klippy(queued, self.files)
        self.history = History()
        self._modified: dict[str, float] = {}
        self._clock_s = 1_795_000_000.0  # the server's own, which no test may rely on
        self._klippy_was = READY
        self._lost = False  # the board is without power, so no restart helps

    # -- what a test sees and does

    @property
    def busy(self) -> bool:
        return self.klippy.moving

    @property
    def text(self) -> str:
        """Klipper's own words: of its host, and of its print."""
        return f"{self.klippy.state} {self.klippy.print_state}"

    @property
    def commands(self) -> list[str]:
        return self.klippy.commands

    def credentials(self) -> dict[str, str]:
        return {"api_key": self.api_key}

    def print_by_hand(self, path: str) -> None:
        """Somebody starts a file in Moonraker's own page."""
        self._settings()
        self.klippy.start(path)

    async def heat_by_hand(self, line: str) -> None:
        self._settings()
        await self.printer.execute(line)

    def add_heaters(self, *names: str) -> None:
        self.printer.heaters |= {name: Heater() for name in names}

    def finish(self) -> None:
        """The print is suddenly at its end."""
        self.klippy.finish()

    def klippy_shutdown(self, message: str = "Shutdown due to M112 command") -> None:
        self.klippy.halt(message)

    def klippy_dies(self) -> None:
        """Its process is gone, as in a crash or a restart; `klippy_returns` starts it anew."""
        self.klippy.die()
        self._notice()

    def klippy_returns(self) -> None:
        self.klippy.restart()
        if self._lost:
            self.klippy.state, self.klippy.message = "error", "mcu 'mcu': Unable to connect"
        self._notice()

    # -- the server's hooks

    async def came_up(self) -> None:
        self.history.interrupt()
        self.history.forget_present(self.klippy.print_state, self.klippy.filename)
        self._klippy_was = self.klippy.state
        await super().came_up()

    async def aclose(self) -> None:
        await super().aclose()
        await self.klippy.close()

    def is_start(self, request: Request) -> bool:
        return request.called == "POST /printer/print/start"

    def printer_fault(self) -> None:
        self.klippy.halt("Heater extruder not heating at expected rate\nSee the 'verify_heater' section")

    def printer_lost(self, seconds: float) -> None:
        self._lost = True
        self.klippy.halt("Lost communication with MCU 'mcu'")
        if seconds:
            self.soon(self._powered_again(seconds))

    async def _powered_again(self, seconds: float) -> None:
        """And somebody restarts the firmware, as a smart plug's script does."""
        await asyncio.sleep(seconds)
        self._lost = False
        self.klippy_dies()
        await asyncio.sleep(self.tick_s * 2)
        self.klippy_returns()

    @property
    def beat_s(self) -> float:
        return self.tick_s

    def beat(self) -> None:
        self.printer.flow(self.tick_s)
        self._notice()

    def _notice(self) -> None:
        """What Moonraker sees of Klipper at this moment, and tells."""
        klippy = self.klippy
        was, self._klippy_was = self._klippy_was, klippy.state
        objects = klippy.objects()
        if klippy.state == DISCONNECTED or was == DISCONNECTED:
            self._noticed_restart(was)
            return
        for socket in self.sockets:
            rpc.tell_changes(socket, objects)
        if klippy.state == SHUTDOWN != was:
            self._tell("klippy_shutdown")
            self._changed(self.history.end("klippy_shutdown", self.printer.elapsed_s))
        if klippy.state == READY:
            if time.monotonic() - klippy.ready_at < self.unseen_s:
                self.history.forget_present(klippy.print_state, klippy.filename)
            else:
                seen = self.history.look(klippy.print_state, klippy.filename, self.printer.elapsed_s)
                self._changed(seen)

    def _noticed_restart(self, was: str) -> None:
        klippy = self.klippy
        if klippy.state == was:
            return
        for socket in self.sockets:
            socket.state.pop("wanted", None)  # subscriptions die with Klipper
        if klippy.state == DISCONNECTED:
            self._tell("klippy_disconnected")
            self._changed(self.history.end("klippy_disconnect", self.printer.elapsed_s))
        elif klippy.state == READY:
            self.history.forget_present(klippy.print_state, klippy.filename)
            self._tell("klippy_ready")

    def _changed(self, news: list[tuple[str, dict[str, Any]]]) -> None:
        for action, row in news:
            self._tell("history_changed", {"action": action, "job": row})

    def _tell(self, what: str, *params: Any) -> None:
        for socket in self.sockets:
            rpc.notify(socket, what, *params)

    # -- the push socket

    def socket_heard(self, socket: Socket, text: str) -> None:
        away = self.klippy.state == DISCONNECTED
        rpc.heard(socket, text, welcome=self._welcome, objects=None if away else self.klippy.objects())

    def _welcome(self, key: str) -> bool:
        return key == self.api_key or not (key or self.api_key)

    # -- HTTP

    async def answer(self, request: Request) -> Answer:
        self._settings()
        if request.path.startswith("/webcam/"):
            return camera.answer(request)
        if not request.path.startswith(("/server/", "/printer/")):
            return _NOT_FOUND
        if not self._welcome(request.headers.get("x-api-key", "")):
            return _refusal(401, "Unauthorized")
        if request.path.startswith("/printer/"):
            if self.klippy.state == DISCONNECTED:
                return _AWAY
            try:
                return await self._printer(request)
            except Refused as refused:
                return _refusal(400, str(refused))
        return await self._server_side(request)

    async def _server_side(self, request: Request) -> Answer:
        match request.called:
            case "GET /server/info":
                return 200, {"result": self._info()}
            case "GET /server/database/item" if request.query.get("key") == "instance_id":
                return 200, {"result": {"namespace": "moonraker", "value": self.instance_id}}
            case "GET /server/history/list":
                limit = request.query.get("limit", "50")
                if not limit.isdecimal() or len(limit) > 9:
                    return 400, {"error": {"code": 400, "message": "Unable to convert argument 'limit'"}}
                rows = self.history.rows[::-1][: int(limit)]
                return 200, {"result": {"count": len(rows), "jobs": rows}}
            case "GET /server/files/directory":
                return self._directory(request.query.get("path", "").removeprefix("gcodes").strip("/"))
            case "POST /server/files/upload":
                await asyncio.sleep(self.slow_upload_s)
                return self._keep(request)
        if request.method == "DELETE" and request.path.startswith(_DELETE):
            return self._delete(request.path.removeprefix(_DELETE))
        return _NOT_FOUND

    async def _printer(self, request: Request) -> Answer:
        klippy = self.klippy
        match request.called:
            case "GET /printer/info":
                told = {"state": klippy.state, "state_message": klippy.message, "hostname": self.name}
                return 200, {"result": told | {"app": "Klipper", "software_version": "v0.13.0-mock"}}
            case "GET /printer/objects/query":
                objects = klippy.objects()
                status = {name: objects.get(name, {}) for name in request.query}
                return 200, {"result": {"eventtime": time.monotonic(), "status": status}}
            case "POST /printer/print/start":
                if not (klippy.state == READY and self.take(Fault.NEVER_RUNS)):
                    async with klippy.printer.turn:
                        klippy.start(request.query.get("filename", ""))
            case "POST /printer/print/pause":
                await klippy.pause()
            case "POST /printer/print/resume":
                await klippy.resume()
            case "POST /printer/print/cancel":
                await klippy.cancel()
            case "POST /printer/gcode/script":
                await klippy.script(request.query.get("script", ""))
            case "POST /printer/emergency_stop":
                klippy.emergency_stop()
            case "POST /printer/restart" | "POST /printer/firmware_restart":
                self.klippy_dies()
                self.soon(self._restarted())
            case _:
                return _NOT_FOUND
        return _OK

    async def _restarted(self) -> None:
        await asyncio.sleep(self.tick_s * 2)
        self.klippy_returns()

    def _info(self) -> dict[str, Any]:
        return {
            "klippy_connected": self.klippy.state != DISCONNECTED,
            "klippy_state": self.klippy.state,
            "components": [],
            "failed_components": [],
            "warnings": [],
            "moonraker_version": "0.11.0",
            "api_version": [1, 5, 0],
        }

    # -- files

    def _directory(self, path: str) -> Answer:
        files = [
            {"filename": name, "modified": self._modified.get(f"{path}/{name}", 0.0), "size": len(content)}
            for folder, _, name, content in ((*p.rpartition("/"), c) for p, c in self.files.items())
            if folder == path
        ]
        if not files:
            return _refusal(400, f"Directory does not exist (/mock/gcodes/{path})")
        return 200, {"result": {"dirs": [], "files": files}}

    def _delete(self, path: str) -> Answer:
        if path not in self.files:
            return _refusal(404, "Path not found")
        if self.klippy.moving and path == self.klippy.filename:
            return _refusal(403, "Forbidden")
        del self.files[path]
        return 200, {"result": {"action": "delete_file"}}

    def _keep(self, request: Request) -> Answer:
        fields = request.form()
        name, content = fields.get("file", ("", b""))
        folder = fields.get("path", ("", b""))[1].decode().strip("/")
        path = f"{folder}/{self.rename_uploads or name}".lstrip("/")
        if self.klippy.moving and path == self.klippy.filename:
            return _refusal(403, "Forbidden")
        self._clock_s += 1
        self.files[path] = content[: len(content) // 2] if self.truncate_uploads else content
        self._modified[path] = self._clock_s
        item = {"path": path, "root": "gcodes", "modified": self._clock_s, "size": len(self.files[path])}
        started = False
        if fields.get("print", ("", b""))[1] == b"true":
            try:
                self.klippy.start(path)
                started = True
            except Refused:
                pass
        return 201, {"action": "create_file", "item": item, "print_started": started, "print_queued": False}
