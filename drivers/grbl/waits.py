"""Somebody waits for the machine to have paused, or to have gone on; its own status is what they are told."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from drivers.grbl.limits import Limits
from drivers.grbl.talk import GO, HOLD
from drivers.grbl.words import Report, State
from drivers.port_thread import promise
from fablab.device import DeviceError, DeviceRefused


@dataclass(slots=True)
class _Wait:
    answer: Future[None]
    until: float


class Waits:
    """`ours`: the hold is one that was asked for here, and no door or button at the machine."""

    def __init__(self, limits: Limits, *, write: Callable[[bytes], None], tell: Callable[[], None]) -> None:
        self._limits = limits
        self._write = write
        self._tell = tell
        self._pausing: _Wait | None = None
        self._resuming: _Wait | None = None
        self.ours = False

    @property
    def pausing(self) -> bool:
        return self._pausing is not None

    @property
    def open(self) -> bool:
        return self._pausing is not None or self._resuming is not None

    def pause(self, report: Report | None) -> Future[None]:
        """Done when the head stands still."""
        answer: Future[None] = promise()
        if self._resuming is not None:  # what we know of it may be from before it was let go
            self.give_up("it was paused again")
        elif report is not None and report.held and report.still:
            answer.set_result(None)
            return answer
        if self._pausing is not None:
            return self._pausing.answer
        self._write(HOLD)
        self.ours = True
        self._pausing = _Wait(answer, time.monotonic() + self._limits.pause_s)
        return answer

    def go_on(self) -> Future[None]:
        """Done when the machine says that it goes on."""
        if self._resuming is None:
            self._write(GO)
            self._resuming = _Wait(promise(), time.monotonic() + self._limits.resume_s)
        return self._resuming.answer

    def settle(self, report: Report) -> None:
        """Whoever waited for what the machine says now is told."""
        if self._pausing is not None:
            if report.held and report.still:
                self.ours = report.state is State.HOLD
                self._pausing.answer.set_result(None)
                self._pausing = None
                self._tell()
            elif report.state is State.ALARM:
                self.give_up("the machine went into an alarm")
        if self._resuming is not None:
            if not report.held:
                self._resuming.answer.set_result(None)
                self._resuming = None
                self._tell()
            elif not report.ready:
                self.give_up("the door is open; close it and press resume")

    def tick(self, now: float) -> None:
        if self._pausing and now > self._pausing.until:
            self.give_up("the machine does not come to a standstill; use its own stop")
        if self._resuming and now > self._resuming.until:
            self.give_up("the machine stays on hold")

    def give_up(self, why: str) -> None:
        pausing, self._pausing = self._pausing, None
        resuming, self._resuming = self._resuming, None
        for wait in (pausing, resuming):
            if wait is not None:
                wait.answer.set_exception(DeviceRefused(why))

    def let_go(self, error: DeviceError) -> None:
        """The link is lost."""
        for wait in (self._pausing, self._resuming):
            if wait is not None:
                wait.answer.set_exception(error)
