"""One program being streamed, and how it ended. The lab's clock tells durations; the worker's own timers do
not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from drivers.marlin.program import Program
from fablab.device import DeviceState, Outcome, Progress


class Phase(StrEnum):
    """RUNNING <-> PAUSED -> ENDING -> OVER; a lost machine goes straight to OVER."""

    RUNNING = "running"
    PAUSED = "paused"
    ENDING = "ending"  # the last moves run out, heaters go off; `planned` says how it will have ended
    OVER = "over"


STATES = {
    Phase.RUNNING: DeviceState.RUNNING,
    Phase.PAUSED: DeviceState.PAUSED,
    Phase.ENDING: DeviceState.RUNNING,
    Phase.OVER: DeviceState.IDLE,
}


@dataclass(slots=True, kw_only=True)
class Job:
    """Mutable, and owned by the worker thread; others only read it through `progress`."""

    token: str
    program: Program
    began_at: datetime
    phase: Phase = Phase.RUNNING
    planned: Outcome = Outcome.DONE
    outcome: Outcome | None = None
    detail: str = ""
    ended_at: datetime | None = None
    line: int = 0  # of the file, last sent
    offset: int = 0  # bytes of the file, up to the end of that line
    remaining_s: float | None = None  # as the program itself announced it ...
    remaining_at: datetime | None = None  # ... at this moment
    withheld: int = 0

    @property
    def live(self) -> bool:
        return self.phase is not Phase.OVER

    def end(self, outcome: Outcome, detail: str, at: datetime) -> None:
        self.outcome = outcome
        self.detail = detail
        self.ended_at = at
        self.phase = Phase.OVER
        self.program.close()

    def note(self, detail: str) -> None:
        """Add to what will be told about the end."""
        self.detail = f"{self.detail}; {detail}" if self.detail else detail

    def progress(self, now: datetime) -> Progress:
        at = self.ended_at or now
        remaining_s = None
        if self.outcome is None and self.remaining_s is not None and self.remaining_at is not None:
            remaining_s = max(0.0, self.remaining_s - (at - self.remaining_at).total_seconds())
        done = self.outcome is Outcome.DONE
        size = self.program.size
        return Progress(
            token=self.token,
            fraction=1.0 if done else min(1.0, self.offset / size) if size else 0.0,
            elapsed_s=max(0.0, (at - self.began_at).total_seconds()),
            remaining_s=remaining_s,
            outcome=self.outcome,
            detail=self.detail,
        )
