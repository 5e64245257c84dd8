"""Klipper's host as Moonraker sees it: its state, the loaded file, the print, the heaters.

It goes on when Moonraker is killed. Commands wait for the present one (a wait for heat), the emergency stop does
not. A pause while idle is remembered; a start while paused drops the print before it; in a shutdown
`print_stats.state` says "paused" and every target stays as it was (all measured).
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any, Final

from drivers.mock.printer import Printer

READY: Final = "ready"
SHUTDOWN: Final = "shutdown"
DISCONNECTED: Final = "disconnected"
_NAMES: Final = {"tool0": "extruder", "bed": "heater_bed"}
_ADVICE: Final = (
    '\nOnce the underlying issue is corrected, use the\n"FIRMWARE_RESTART" command to reset the firmware, reload'
    " the\nconfig, and restart the host software.\nPrinter is shutdown\n"
)


class Refused(Exception):
    """HTTP 400 with these words."""


@dataclass(kw_only=True, eq=False)
class QueuedPrinter(Printer):
    """Whoever has a command for it waits its turn at `turn`."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def execute(self, command: str) -> float:
        async with self.turn:
            return await super().execute(command)


class Klippy:
    """`files` are the G-code files by their paths."""

    def __init__(self, printer: QueuedPrinter, files: dict[str, bytes]) -> None:
        self.printer = printer
        self.files = files
        self.state = READY
        self.message = "Printer is ready"
        self.ready_at = 0.0
        self.filename = ""
        self.print_state = "standby"
        self.print_message = ""
        self.is_paused = False
        self.commands: list[str] = []
        self._job: asyncio.Task[None] | None = None

    @property
    def moving(self) -> bool:
        return self.print_state in ("printing", "paused") and self.state == READY

    # -- commands

    def start(self, path: str) -> None:
        self._must_be_ready()
        if self.print_state == "printing":
            raise Refused("SD busy")
        if path not in self.files:
            self._reset()
            raise Refused("Unable to open file")
        self._cut()
        self.filename, self.print_state, self.print_message = path, "printing", ""
        self.printer.begin(path, self.files[path])
        self._job = asyncio.create_task(self._print())

    async def _print(self) -> None:
        await self.printer.run()
        self.print_state = "complete"

    async def pause(self) -> None:
        async with self._turn():
            self.is_paused = True
            if self.print_state == "printing":
                self.printer.go.clear()
                self.print_state = "paused"

    async def resume(self) -> None:
        async with self._turn():
            self.is_paused = False
            if self.print_state == "paused":
                self.printer.go.set()
                self.print_state = "printing"

    async def cancel(self) -> None:
        async with self._turn():
            self.is_paused = False
            if self.moving:
                self._cut()
                self.print_state = "cancelled"
                self.printer.position = 0

    async def script(self, line: str) -> None:
        self._must_be_ready()
        self.commands.append(line)
        if line == "TURN_OFF_HEATERS":
            async with self._turn():
                if not self.printer.heaters_stuck:
                    self.printer.halt()
        elif not line.startswith(";"):
            await self.printer.execute(line)
        else:
            async with self._turn():
                pass
        self._must_be_ready()

    def emergency_stop(self) -> None:
        if self.state == READY:
            self.halt("Shutdown due to webhooks request")

    def restart(self) -> None:
        """FIRMWARE_RESTART, or the whole program is started again: everything is forgotten."""
        self._reset()
        self.printer.halt()
        self.state, self.message = READY, "Printer is ready"
        self.ready_at = time.monotonic()

    # -- misfortunes

    def halt(self, message: str) -> None:
        self._cut()
        if self.print_state == "printing":
            self.print_state = "paused"
        self.state, self.message = SHUTDOWN, message + _ADVICE

    def fail(self, message: str) -> None:
        """A line of the file is at fault: the print ends, the heaters go off, Klipper stays ready."""
        self._cut()
        self.print_state, self.print_message = "error", message
        self.printer.halt()

    def die(self) -> None:
        self._reset()
        self.state, self.message = DISCONNECTED, ""

    def finish(self) -> None:
        """The print is suddenly at its end."""
        self._cut()
        self.print_state = "complete"

    async def close(self) -> None:
        job = self._job
        self._cut()
        if job is not None:
            await asyncio.gather(job, return_exceptions=True)

    def _reset(self) -> None:
        self._cut()
        self.filename, self.print_state, self.print_message = "", "standby", ""
        self.is_paused = False
        self.printer.position = 0

    def _cut(self) -> None:
        job, self._job = self._job, None
        if job is not None:
            job.cancel()

    def _must_be_ready(self) -> None:
        if self.state != READY:
            raise Refused("Unknown")  # what Moonraker makes of Klipper's answer in a shutdown (measured)

    def _turn(self) -> asyncio.Lock:
        self._must_be_ready()
        return self.printer.turn

    # -- what is told

    def objects(self) -> dict[str, dict[str, Any]]:
        size = len(self.files.get(self.filename, b""))
        heaters = {name_of(name): heater for name, heater in self.printer.heaters.items()}
        told: dict[str, dict[str, Any]] = {
            "webhooks": {"state": self.state, "state_message": self.message},
            "print_stats": {
                "filename": self.filename,
                "total_duration": self.printer.elapsed_s if self.filename else 0.0,
                "print_duration": 0.0,
                "filament_used": 0.0,
                "state": self.print_state,
                "message": self.print_message,
                "info": {"total_layer": None, "current_layer": None},
            },
            "virtual_sdcard": {"progress": self.printer.position / size if size else 0.0},
            "pause_resume": {"is_paused": self.is_paused},
            "heaters": {
                "available_heaters": list(heaters),
                "available_sensors": list(heaters),
                "available_monitors": [],
            },
        }
        for name, heater in heaters.items():
            told[name] = {"temperature": round(heater.actual_c, 2), "target": heater.target_c, "power": 0.0}
        return told


def name_of(heater: str) -> str:
    """The pretended printer's heater in Klipper's words."""
    return _NAMES.get(heater, heater)
