"""One program being streamed, and how it ended; and how a machine's own state reads in the lab's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from drivers.grbl import meanings
from drivers.grbl.program import Program
from drivers.grbl.words import Report, State
from fablab.device import DeviceState, Outcome, Progress


class Phase(StrEnum):
    """FEEDING -> CLOSING -> OVER; a stop goes from either to STOPPING, a lost machine stays where it was.

    That it is paused is the machine's state, not ours.
    """

    FEEDING = "feeding"
    CLOSING = "closing"  # all lines are sent; the beam's off and a wait for standstill are on their way
    STOPPING = "stopping"
    OVER = "over"


@dataclass(slots=True, kw_only=True)
class Job:
    """Mutable, and owned by the worker thread; others only read it through `progress`.

    `line` and `offset` are the last line of the file the machine has acknowledged, and where it ends: the head
    may be sixteen moves behind it.
    """

    token: str
    program: Program
    began_at: datetime
    phase: Phase = Phase.FEEDING
    outcome: Outcome | None = None
    detail: str = ""
    ended_at: datetime | None = None
    line: int = 0
    offset: int = 0
    lost_oks: int = 0

    @property
    def live(self) -> bool:
        return self.phase is not Phase.OVER

    @property
    def streaming(self) -> bool:
        return self.phase in (Phase.FEEDING, Phase.CLOSING)

    def end(self, outcome: Outcome, at: datetime) -> None:
        self.outcome = outcome
        self.ended_at = at
        self.phase = Phase.OVER
        self.program.close()

    def note(self, detail: str) -> None:
        """Add to what will be told about the end."""
        self.detail = f"{self.detail}; {detail}" if self.detail else detail

    def progress(self, now: datetime) -> Progress:
        size = self.program.size
        done = self.outcome is Outcome.DONE
        return Progress(
            token=self.token,
            fraction=1.0 if done else min(1.0, self.offset / size) if size else 0.0,
            elapsed_s=max(0.0, ((self.ended_at or now) - self.began_at).total_seconds()),
            outcome=self.outcome,
            detail=self.detail,
        )


_DOORS: Final[Mapping[int, str]] = {
    0: "door closed again; press resume to go on",
    1: "door open; close it and press resume",
    2: "door open; the head is still slowing down",
    3: "door closed; going on",
}


def look(report: Report | None, alarm: int, *, program: bool, ours: bool) -> tuple[DeviceState, str]:
    """The lab's word and a sentence for `report`. `alarm`: the last one told, 0 for none; `program`: one is
    being run; `ours`: the hold was asked for by us."""
    if report is None:
        return DeviceState.IDLE, ""
    state, part = report.state, report.part
    if state is State.ALARM:
        why = meanings.alarm(alarm) if alarm else "locked"
        return DeviceState.FAULT, f"{why}; {meanings.UNLOCK}"
    if state is State.SLEEP:
        return DeviceState.FAULT, "asleep; a stop wakes it"
    if state is State.DOOR:
        return DeviceState.RUNNING if part == 3 else DeviceState.PAUSED, _DOORS.get(part, "door open")
    if state is State.HOLD:
        if part:
            return DeviceState.RUNNING, "slowing down to a hold"
        if report.beam:
            return (
                DeviceState.PAUSED,
                "on hold, but the machine tells of a beam: look at it, and stop it if it burns",
            )
        return DeviceState.PAUSED, "" if ours else "on hold at the machine; press resume to go on"
    if program or state in (State.RUN, State.JOG, State.HOME):
        return DeviceState.RUNNING, ""
    return DeviceState.IDLE, "checking a program" if state is State.CHECK else ""


def obstacle(report: Report | None, alarm: int) -> str:
    """Why no program can begin in this state; "" when one can."""
    if report is None:
        return "the machine has not told its state yet"
    if report.state is State.IDLE:
        return ""
    _, why = look(report, alarm, program=False, ours=False)
    return f"the machine is not free: {why or report.state.value}"
