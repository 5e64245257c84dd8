"""What a machine may still need when no run is live on it: a stop that has not arrived, heat left on, an unwanted program.

Decisions only, and what has to be remembered for them; the dispatcher speaks to the machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from fablab.device import DeviceState, Status
from fablab.runs.stops import Stopped

COOL_AFTER = timedelta(seconds=20)  # parking, and a driver's own cooling, come first
COOL_TRIES = 3
STOP_LIFE = timedelta(minutes=30)  # after that somebody has long been there
MOVING = frozenset({DeviceState.RUNNING, DeviceState.PAUSED})


@dataclass(slots=True)
class Care:
    """Of one machine, in memory only. `ended_at`: a run has ended, and the machine was not seen cold since."""

    stopped_at: datetime | None = None  # the last stop that somebody asked for ...
    stop_open: bool = False  # ... and the machine has not confirmed
    told: Stopped | None = None  # what the screens say of it, until somebody has acknowledged it
    unwritten: bool = False  # the database does not have it yet
    ended_at: datetime | None = None
    tries: int = 0
    token: str = ""  # of the program that was looked up last,
    unwanted: bool = False  # and what was found
    tried: float = float("-inf")  # the loop's time of the last command sent from here

    @property
    def is_open(self) -> bool:
        return self.stop_open or self.unwritten or self.ended_at is not None

    def stopped_since(self, prepared_at: datetime) -> bool:
        """A stop takes back every tap made before it."""
        return self.stopped_at is not None and self.stopped_at >= prepared_at

    def stop_is_due(self, now: datetime, prepared_at: datetime | None) -> bool:
        """Whether an unconfirmed stop is sent again; a tap made after it means that somebody has looked."""
        if not self.stop_open or self.stopped_at is None:
            return False
        tapped = prepared_at is not None and not self.stopped_since(prepared_at)
        self.stop_open = not tapped and abs(now - self.stopped_at) <= STOP_LIFE
        return self.stop_open


class Cooling(StrEnum):
    """What to do about the heat after a run."""

    WAIT = "wait"
    OVER = "over"  # seen cold
    DUE = "due"
    GIVEN_UP = "given_up"


def cooling(care: Care, status: Status, now: datetime) -> Cooling:
    if care.ended_at is None:
        return Cooling.OVER
    targets = [degrees for name, degrees in status.heat_c.items() if name.endswith("_target")]
    idle, fault = status.state is DeviceState.IDLE, status.state is DeviceState.FAULT
    if idle and targets and not any(targets):
        return Cooling.OVER
    # In a fault nothing is reported any more: off is commanded at once, and read back by the driver if it can.
    if not fault and not (idle and any(targets) and abs(now - care.ended_at) >= COOL_AFTER):
        return Cooling.WAIT
    return Cooling.DUE if care.tries < COOL_TRIES else Cooling.GIVEN_UP


def is_moving(status: Status) -> bool:
    """A program runs. One whose outcome is known merely comes to rest."""
    return status.state in MOVING and (status.progress is None or status.progress.outcome is None)
