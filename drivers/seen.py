"""What a driver of a machine behind a server knows at a moment: the machine, and the run that is followed.

Each such driver adds what only its machine tells, and says in functions of its own what an answer changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Generic, Self, TypeVar

from fablab.device import DeviceState, Outcome, Progress, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The run we follow, from its accepted start until the next one."""

    token: str
    fraction: float | None = None
    elapsed_s: float = 0.0
    remaining_s: float | None = None
    outcome: Outcome | None = None
    detail: str = ""

    def ended(self, outcome: Outcome, detail: str = "") -> Self:
        """The first outcome stays: a cancel may be followed by a failure that tells less, a run by its reprint."""
        if self.outcome is not None:
            return self
        fraction = 1.0 if outcome is Outcome.DONE else self.fraction
        return replace(self, outcome=outcome, detail=detail, fraction=fraction, remaining_s=None)

    def progress(self) -> Progress:
        return Progress(
            token=self.token,
            fraction=self.fraction,
            elapsed_s=self.elapsed_s,
            remaining_s=self.remaining_s,
            outcome=self.outcome,
            detail=self.detail,
        )


R = TypeVar("R", bound=Run)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen(Generic[R]):
    state: DeviceState = DeviceState.OFFLINE
    message: str = ""
    run: R | None = None
    heat_c: Mapping[str, float] = field(default_factory=dict)

    @property
    def open_run(self) -> R | None:
        """The run whose end we do not know yet."""
        return self.run if self.run is not None and self.run.outcome is None else None

    @property
    def progress(self) -> Progress | None:
        return None if self.run is None else self.run.progress()

    def is_of(self, token: str) -> bool:
        """Whether this run is on the machine, moving or ended."""
        progress = self.progress
        return progress is not None and progress.token == token

    def status(self, at: datetime) -> Status:
        return Status(
            at=at, state=self.state, progress=self.progress, heat_c=self.heat_c, message=self.message
        )
