"""The printer as this PrusaLink sees it: its state in PrusaLink's words, the job, and how long an end is told."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from drivers.mock.printer import Printer
from drivers.mock.prusalink.files import Stored

JOB_STATES: Final = frozenset({"PRINTING", "PAUSED", "ATTENTION"})
_FREE: Final = frozenset({"IDLE", "READY"})
_ENDS: Final = frozenset({"FINISHED", "STOPPED"})
_OK: Final = {"ok": True, "message": "OK"}


class PrinterState:
    """`held_s`: how long an end stays, in pretended seconds, but never less than `seen_s` real ones.

    `built_in`: the firmware's own PrusaLink, which is BUSY between two states and may start from an end.
    """

    def __init__(self, printer: Printer, files: dict[str, Stored], *, built_in: bool) -> None:
        self.printer = printer
        self.files = files
        self.built_in = built_in
        self.text = "IDLE"
        self.trouble = ""
        self.job_id = 41
        self.last: str | None = None  # the file printed last, which only the legacy address tells
        self.held_s, self.seen_s = 12.0, 2.5
        self.passing_s = 0.3
        self._job: asyncio.Task[None] | None = None
        self._later: asyncio.Task[None] | None = None

    @property
    def has_job(self) -> bool:
        return self.text in JOB_STATES

    @property
    def may_start(self) -> bool:
        return self.text in _FREE or (self.built_in and self.text in _ENDS)

    # -- what happens

    def start(self, name: str) -> None:
        self._cut()
        self.last = name
        self.job_id += 1
        self.text = "PRINTING"
        self.printer.begin(name, self.files[name].content)
        self._job = asyncio.create_task(self._print())

    async def _print(self) -> None:
        await self.printer.run()
        self._end("FINISHED")

    def pause(self) -> bool:
        """False where PrusaLink says 409. It works a moment later."""
        if self.text != "PRINTING":
            return False
        self._soon("PAUSED")
        return True

    def resume(self) -> bool:
        if self.text != "PAUSED":
            return False
        self._soon("PRINTING")
        return True

    def stop(self) -> bool:
        if self.text not in (JOB_STATES if self.built_in else JOB_STATES - {"ATTENTION"}):
            return False
        if self._job is not None:
            self._job.cancel()
        self._soon("STOPPED")
        return True

    def attention(self, message: str) -> None:
        """A person is needed: no filament, a fan that does not turn."""
        self.printer.go.clear()
        self.text, self.trouble = "ATTENTION", message

    def attended(self) -> None:
        self.printer.go.set()
        self.text, self.trouble = "PRINTING", ""

    def fail(self, message: str) -> None:
        self._cut()
        self.text, self.trouble = "ERROR", message

    def clear(self) -> None:
        """The printer was reset, or is there again."""
        self._cut()
        self.text, self.trouble = "IDLE", ""

    async def forget(self) -> None:
        """The computer in front of the printer, or the printer itself, lost its power."""
        tasks = [task for task in (self._job, self._later) if task is not None]
        self.clear()
        self.last = None
        await asyncio.gather(*tasks, return_exceptions=True)

    def finish(self) -> None:
        """The print is suddenly at its end."""
        self._cut()
        self._end("FINISHED")

    def _soon(self, text: str) -> None:
        if self._later is not None:
            self._later.cancel()
        if self.built_in:
            self.text = "BUSY"
        self._later = asyncio.create_task(self._turn(text))

    async def _turn(self, text: str) -> None:
        await asyncio.sleep(self.passing_s / self.printer.speed)
        if text == "STOPPED":
            self.printer.halt()
            self._end(text)
        else:
            self.text = text
            (self.printer.go.clear if text == "PAUSED" else self.printer.go.set)()

    def _end(self, text: str) -> None:
        self.text = text
        self._later = asyncio.create_task(self._let_go(text))

    async def _let_go(self, text: str) -> None:
        if self.built_in:
            return  # until somebody has pressed the button
        await asyncio.sleep(max(self.held_s / self.printer.speed, self.seen_s))
        if self.text == text:
            self.text = "IDLE"

    def _cut(self) -> None:
        for task in (self._job, self._later):
            if task is not None:
                task.cancel()

    # -- what is told

    def status(self) -> dict[str, Any]:
        """`GET /api/v1/status`, but for the storage."""
        told: dict[str, Any] = {"printer": self._printer()}
        return told | ({"job": self._counters()} if self.has_job else {})

    def job(self) -> dict[str, Any] | None:
        """`GET /api/v1/job`."""
        if not self.has_job or self.last is None:
            return None
        stored = self.files[self.last]
        state = "PAUSED" if self.text == "ATTENTION" else self.text
        return self._counters() | {"state": state, "file": stored.describe(self.last)}

    def legacy_job(self) -> dict[str, Any]:
        """`GET /api/job`: "Operational" after every end; 0.8.1 goes on naming the file."""
        text = "Printing" if self.has_job else "Operational"
        if self.built_in:
            file = {"name": self.last} if self.has_job else None
            return {"state": text, "job": None if file is None else {"file": file}, "progress": None}
        return {"state": text, "job": {"file": {"name": self.last, "origin": "local" if self.last else None}}}

    def _printer(self) -> dict[str, Any]:
        nozzle, bed = self.printer.heaters["tool0"], self.printer.heaters["bed"]
        told: dict[str, Any] = {
            "state": self.text,
            "temp_nozzle": round(nozzle.actual_c, 1),
            "target_nozzle": nozzle.target_c,
            "temp_bed": round(bed.actual_c, 1),
            "target_bed": bed.target_c,
            "axis_z": 0.2,
            "flow": 100,
            "speed": 100,
            "fan_hotend": 0,
            "fan_print": 0,
        }
        if not self.built_in:
            told["status_printer"] = {"ok": False, "message": self.trouble} if self.trouble else _OK
        return told

    def _counters(self) -> dict[str, Any]:
        size = len(self.files[self.last].content) if self.last in self.files else 0
        return {
            "id": self.job_id,
            "progress": float(round(100 * self.printer.position / (size or 1))),
            "time_printing": int(self.printer.elapsed_s),
        }
