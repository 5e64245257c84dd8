"""The printer as this OctoPrint sees it: its state in OctoPrint's words, the selected file, events and pictures."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from drivers.mock.octoprint.files import Stored
from drivers.mock.printer import Heater, Printer

PRINTING: Final = ("Starting", "Printing", "Pausing", "Paused", "Resuming", "Finishing", "Cancelling")
_STATE_IDS: Final = {"Offline after error": "OFFLINE", "Offline": "OFFLINE"}


class PrinterState:
    """`say(text)` reaches every listener of the push socket."""

    def __init__(self, printer: Printer, files: dict[str, Stored], say: Callable[[str], None]) -> None:
        self.printer = printer
        self.files = files
        self.text = "Operational"
        self.error = ""
        self.targets_told = True
        self.plugged = True
        self.push_s = 0.02
        self.pausing_s = 0.0
        self.cancelling_s = 0.05
        self.history: list[dict[str, Any]] = []
        self.clock_s = 1_795_000_000.0  # the server's own, which no test may rely on
        self._say = say
        self._selected: str | None = None
        self._progress = False
        self._job: asyncio.Task[None] | None = None
        self._later: asyncio.Task[None] | None = None

    @property
    def offline(self) -> bool:
        return self.text.startswith("Offline")

    @property
    def printing(self) -> str | None:
        """The path of the file that prints."""
        return self._selected if self.text in PRINTING else None

    # -- what happens

    def select(self, path: str) -> None:
        self._selected, self._progress = path, False

    def start(self, path: str) -> None:
        self.select(path)
        self._progress = True
        self._become("Starting")
        self._tell("PrintStarted", {"path": path, "size": len(self.files[path].content)})
        self.printer.begin(path, self.files[path].content)
        self._job = asyncio.create_task(self._print(path))

    async def _print(self, path: str) -> None:
        stored = self.files[path]
        self._become("Printing")
        await self.printer.run()
        self._become("Finishing")
        stored.success += 1
        self._tell("PrintDone", {"path": path, "time": self.printer.elapsed_s})
        await asyncio.sleep(self.push_s)
        self._become("Operational")

    def steer(self, order: Mapping[str, Any]) -> bool:
        """POST /api/job; False where OctoPrint says 409."""
        if self.text not in PRINTING:
            return False
        if order.get("command") == "cancel":
            if self.text != "Cancelling":
                self._cancel()
            return True
        action = order.get("action") or (
            "resume" if self.printer.paused else "pause"
        )  # without one it toggles
        if action == "pause" and not self.printer.paused and self.text != "Cancelling":
            self.printer.go.clear()
            self._become("Pausing")
            self._later = asyncio.create_task(self._paused())
        elif action == "resume" and self.text == "Paused":  # while "Pausing" it is taken and dropped
            self.printer.go.set()
            self._become("Printing")
        return True

    async def _paused(self) -> None:
        await asyncio.sleep(self.pausing_s)
        if self.text == "Pausing":
            self._become("Paused")

    def _cancel(self) -> None:
        path = self._selected
        assert path is not None
        self._cut()
        self._become("Cancelling")
        self._progress = False
        self.files[path].failure += 1
        self._tell("PrintCancelled", {"path": path, "time": self.printer.elapsed_s})
        self._tell("PrintFailed", {"path": path, "reason": "cancelled", "time": self.printer.elapsed_s})
        self._job = asyncio.create_task(self._settle())

    async def _settle(self) -> None:
        await asyncio.sleep(self.cancelling_s)
        self._become("Operational")

    def finish(self) -> None:
        """The print is suddenly at its end."""
        self._cut()
        self._become("Operational")

    def fail(self, error: str) -> None:
        """The firmware dies: the file is deselected first, then the failure is told (measured order)."""
        path = self.printing
        self._cut()
        self.printer.halt()
        self._deselect()
        self.error = error
        self._tell("Error", {"error": error})
        self._tell("Disconnected", None)
        self._become("Offline after error")
        if path is not None:
            self.files[path].failure += 1
            told = {"path": path, "reason": "error", "error": error, "time": self.printer.elapsed_s}
            self._tell("PrintFailed", told)

    def unplug(self) -> None:
        """Somebody pressed Disconnect, or the printer has no power."""
        self._cut()
        self._deselect()
        self._tell("Disconnected", None)
        self._become("Offline")

    def connect(self) -> None:
        self.error = ""
        self._become("Operational" if self.plugged else "Offline")

    async def forget(self) -> None:
        """The server was killed: no event, no count, and the print is over."""
        tasks = [task for task in (self._job, self._later) if task is not None]
        self._cut()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._deselect()
        self.text, self.error = "Operational" if self.plugged else "Offline", ""

    async def command(self, line: str) -> None:
        """A line past a print."""
        await self.printer.execute(line)
        if line.startswith("M105"):
            self.report()

    def _cut(self) -> None:
        for task in (self._job, self._later):
            if task is not None:
                task.cancel()

    def _deselect(self) -> None:
        self._selected, self._progress = None, False

    # -- what is told

    def beat(self) -> None:
        """Heat flows, and listeners get the throttled picture."""
        self.printer.flow(self.push_s)
        if not self.offline:
            self.report()
            self._push({"current": self.picture()})

    def report(self) -> None:
        self.clock_s += 1
        heat: dict[str, Any] = {"time": int(self.clock_s), "chamber": {"actual": None, "target": None}}
        for name, heater in self.printer.heaters.items():
            heat[name] = self._told(heater)
        self.history = [*self.history[-9:], heat]

    def _told(self, heater: Heater) -> dict[str, float | None]:
        return {"actual": heater.actual_c, "target": heater.target_c if self.targets_told else None}

    def job(self) -> dict[str, Any]:
        """`GET /api/job`."""
        path = self._selected
        size = len(self.files[path].content) if path in self.files else None
        known = self._progress and size is not None
        told: dict[str, Any] = {
            "job": {"file": {"path": path, "size": size, "origin": "local" if path else None}},
            "progress": {
                "completion": 100 * self.printer.position / (size or 1) if known else None,
                "filepos": self.printer.position if known else None,
                "printTime": int(self.printer.elapsed_s) if known else None,
                "printTimeLeft": None,
            },
            "state": self.text,
        }
        return told | ({"error": self.error} if self.error else {})

    def picture(self) -> dict[str, Any]:
        told = self.job()
        return told | {"state": {"text": self.text, "error": self.error}, "temps": self.history[-1:]}

    def _become(self, text: str) -> None:
        self.text = text
        state_id = _STATE_IDS.get(text, text.upper())
        self._tell("PrinterStateChanged", {"state_id": state_id, "state_string": text})

    def _tell(self, event: str, payload: Mapping[str, Any] | None) -> None:
        self._push({"event": {"type": event, "payload": payload}})

    def _push(self, message: Mapping[str, Any]) -> None:
        self._say(json.dumps(message))
