"""The stop: hold, reset, beam off, read back. Pure: it hears what came and says what is to be sent.

A reset while the head moves costs the position, so the hold comes first; but it has little time. The reset itself
switches the beam's output off, even where a locked machine then refuses the M5. Nothing counts as off that the
machine has not said after that.
"""

from __future__ import annotations

from enum import Enum, StrEnum

from drivers.grbl.limits import Limits
from drivers.grbl.words import Report, State
from fablab.device import Safety

_ENOUGH = 3  # reports without the beam, from a firmware that never tells its accessories
_OFF_AGAIN_S = 0.5


class Act(Enum):
    NOTHING = "nothing"
    HOLD = "hold"
    RESET = "reset"
    OFF = "off"  # M5


class Leg(StrEnum):
    """HOLDING -> RESETTING -> READING -> OVER."""

    HOLDING = "holding"
    RESETTING = "resetting"
    READING = "reading"
    OVER = "over"


class Stop:
    """Times are those of one monotonic clock, in seconds. `safety` stays None until it is over."""

    def __init__(self, limits: Limits, now: float, *, first: Leg = Leg.HOLDING) -> None:
        self.safety: Safety | None = None
        self.leg = first
        self._limits = limits
        self._deadline = now + limits.safe_s
        self._leg_until = now + (limits.hold_s if first is Leg.HOLDING else limits.reset_s)
        self._banner = first is Leg.READING
        self._resets = 0
        self._off_at = now
        self._off_ok = False
        self._off_answered = False
        self._clean = 0

    @property
    def over(self) -> bool:
        return self.leg is Leg.OVER

    def begin(self) -> Act:
        return {Leg.HOLDING: Act.HOLD, Leg.RESETTING: Act.RESET}.get(self.leg, Act.OFF)

    def hear_banner(self, now: float) -> Act:
        """The reset has happened, ours or the machine's own."""
        if self.over:
            return Act.NOTHING
        self._banner = True
        self._off_answered = self._off_ok = False
        return self._read(now)

    def hear_answer(self, *, ok: bool) -> None:
        """To our M5; a locked machine refuses it."""
        self._off_answered = True
        self._off_ok = ok
        self._clean = 0

    def hear_report(self, report: Report, now: float) -> Act:
        if self.leg is Leg.HOLDING:
            return self._reset(now) if report.still else Act.NOTHING
        if self.leg is not Leg.READING:
            return Act.NOTHING
        # With the door open no line is read, and so M5 is not; the reset has done its work all the same.
        deaf = self._banner and report.state is State.DOOR
        if not (self._off_ok or deaf or (self._banner and self._off_answered)):
            return Act.NOTHING
        if report.beam or not report.still:
            self._clean = 0
            if now - self._off_at < _OFF_AGAIN_S:
                return Act.NOTHING
            self._off_at = now
            return Act.OFF
        self._clean += 1
        if report.accessories is not None or (report.power is not None and self._clean >= _ENOUGH):
            self._end(Safety.CONFIRMED)
        return Act.NOTHING

    def tick(self, now: float) -> Act:
        """To be called often: time itself is news."""
        if self.over or now < min(self._deadline, self._leg_until):
            return Act.NOTHING
        if now >= self._deadline:
            self._end(Safety.NOT_CONFIRMED)
            return Act.NOTHING
        if self.leg is Leg.HOLDING or (self.leg is Leg.RESETTING and self._resets < 2):
            return self._reset(now)
        if self.leg is Leg.RESETTING:
            return self._read(now)
        if not self._off_answered:  # or the answer was lost
            self._off_at, self._leg_until = now, now + _OFF_AGAIN_S
            return Act.OFF
        return Act.NOTHING

    def _reset(self, now: float) -> Act:
        self.leg = Leg.RESETTING
        self._resets += 1
        self._leg_until = now + self._limits.reset_s
        return Act.RESET

    def _read(self, now: float) -> Act:
        self.leg = Leg.READING
        self._leg_until = now + _OFF_AGAIN_S
        self._off_at = now
        self._clean = 0
        return Act.OFF

    def _end(self, safety: Safety) -> None:
        self.safety = safety
        self.leg = Leg.OVER
