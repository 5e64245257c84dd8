"""GRBL behind its serial side: its states, and what the realtime commands do. Source: `protocol.c`.

Nothing here knows bytes or the wall's clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum, auto
from typing import Final

from drivers.mock.grbl.motion import Motion, Spindle, Vector
from drivers.mock.grbl.parser import Parser
from drivers.mock.grbl.settings import ZERO, Settings

BANNER: Final = "\r\nGrbl 1.1h ['$' for help]"
HOMING_S: Final = 8.0
SPIN_UP_S: Final = 4.0  # after a door was closed; not in laser mode
WRITE_S: Final = 0.017  # a few bytes of EEPROM


class State(StrEnum):
    """As in a status report; Hold and Door carry a digit there."""

    IDLE = "Idle"
    RUN = "Run"
    HOLD = "Hold"
    JOG = "Jog"
    HOME = "Home"
    DOOR = "Door"
    ALARM = "Alarm"
    CHECK = "Check"
    SLEEP = "Sleep"


class Need(Enum):
    ROOM = auto()  # in the planner
    EMPTY = auto()  # the planner, and the head at rest
    REST = auto()  # the head, though moves may be left


@dataclass(slots=True)
class Dwell:
    """Machine time; it stops in a hold."""

    left_s: float


@dataclass(frozen=True, slots=True)
class Eeprom:
    """Time on the wall in which no interrupt is served: what the line carries then is lost."""

    duration_s: float = WRITE_S


Wait = Need | Dwell | Eeprom
Line = Iterator[Wait]


class Aborted(Exception):
    """The line gets no answer: an alarm has stopped everything."""


@dataclass(slots=True)
class Overrides:
    feed: int = 100
    rapid: int = 100
    spindle: int = 100


@dataclass(slots=True)
class Machine:
    say: Callable[[str], None]
    report: Callable[[], None]
    """Say the status now."""
    settings: Settings = field(default_factory=Settings)
    state: State = State.IDLE
    motion: Motion = field(default_factory=Motion)
    parser: Parser = field(default_factory=Parser)
    overrides: Overrides = field(default_factory=Overrides)
    door_open: bool = False
    critical: bool = False
    """After ALARM:1 and 2: only 0x18 is obeyed."""
    suspended: bool = False
    """At rest in Hold, Door or Sleep: no line is looked at."""
    door_ajar: bool = False
    restore_s: float | None = None
    """What is left of the spin-up after a door, while it runs."""
    soft_limit: bool = False
    wants_reset: bool = False
    wants_sleep: bool = False
    status_asked: bool = False
    """While homing, which answers once, at its end."""
    probed: Vector = ZERO
    flooding: bool = False
    wco_in: int = 0
    ov_in: int = 0

    # -- power, reset, alarms ----------------------------------------------------------------------------

    def power_on(self) -> None:
        """All but the EEPROM is forgotten; with homing enabled the position has to be found first."""
        self.motion = Motion(still_s=self.motion.still_s)
        self.state = State.ALARM if self.settings[22] else State.IDLE
        self.restart()

    def restart(self) -> None:
        """What every reset ends with. The position is kept."""
        self.motion.drop()
        self.motion.axes = self.settings.axes
        self.motion.output = 0.0
        self.motion.override(100, 100)
        self.overrides = Overrides()
        self.parser = Parser(position=self.motion.position, system=self.settings.offset("G54"))
        self.critical = self.suspended = self.door_ajar = self.soft_limit = False
        self.wants_reset = self.wants_sleep = self.status_asked = self.flooding = False
        self.restore_s = None
        self.wco_in = self.ov_in = 0
        self.say(BANNER)
        if self.state in (State.ALARM, State.SLEEP):
            self.say("[MSG:'$H'|'$X' to unlock]")
            self.state = State.ALARM
            return
        self.state = State.IDLE
        if self.door_open:
            self.door()

    def reset(self) -> None:
        """0x18. In motion the steppers stop at once, so that the position is lost: ALARM:3, or 6 while homing."""
        moving = self.state in (State.RUN, State.JOG) or (self.motion.holding and not self.motion.held)
        if self.state is State.HOME:
            self.alarm(6)
        elif moving:
            self.alarm(3)
        self.restart()

    def alarm(self, code: int) -> None:
        self.motion.drop()
        self.motion.output = 0.0
        self.state = State.ALARM
        self.suspended = self.soft_limit = False
        self.parser.position = self.motion.position
        self.say(f"ALARM:{code}")
        if code in (1, 2):
            self.say("[MSG:Reset to continue]")
            self.critical = True

    # -- realtime commands -------------------------------------------------------------------------------

    def hold(self) -> None:
        if self.state in (State.ALARM, State.CHECK, State.HOME):
            return
        self._stop_motion()
        if self.state not in (State.DOOR, State.JOG, State.SLEEP):
            self.state = State.HOLD
        self.settle()

    def cancel_jog(self) -> None:
        if self.state is State.JOG:
            self._stop_motion()
            self.settle()

    def _stop_motion(self) -> None:
        if self.state in (State.RUN, State.JOG):
            self.motion.holding = True
        elif self.state is State.IDLE:
            self.suspended = True
            self._laser_off()

    def door(self) -> None:
        if self.state is State.HOME:
            self.alarm(7)
            self.wants_reset = True
            return
        if self.state in (State.ALARM, State.CHECK):
            return
        self.say("[MSG:Check Door]")
        self._stop_motion()
        self.door_ajar = True
        self.restore_s = None
        if self.state not in (State.JOG, State.SLEEP):
            self.state = State.DOOR
        self.settle()

    def cycle_start(self) -> None:
        if self.state is State.DOOR and self.suspended and not self.door_ajar and self.restore_s is None:
            modal = self.parser.modal
            spins = modal.spindle is not Spindle.OFF and not self.settings.laser
            self.restore_s = SPIN_UP_S if spins else 0.0
            self.settle()
        elif self.state is State.HOLD and self.suspended:
            self._resume()

    def _resume(self) -> None:
        self.suspended = False
        self.restore_s = None
        self.motion.holding = False
        self.motion.override(self.overrides.feed, self.overrides.rapid)
        self.state = State.RUN if self.motion.blocks else State.IDLE

    def override(
        self, *, feed: int | None = None, rapid: int | None = None, spindle: int | None = None
    ) -> None:
        """New values in percent; GRBL keeps them within its bounds."""
        now = self.overrides
        new = Overrides(
            feed=now.feed if feed is None else max(10, min(200, feed)),
            rapid=now.rapid if rapid is None else rapid,
            spindle=now.spindle if spindle is None else max(10, min(200, spindle)),
        )
        if new != now:
            self.overrides = new
            self.ov_in = 0
            self.motion.override(new.feed, new.rapid)

    def toggle_spindle(self) -> None:
        """Only in a hold; the beam comes back with the next motion or toggle."""
        if self.state is State.HOLD and self.suspended:
            if self.motion.output:
                self.motion.output = 0.0
            elif not self.settings.laser:
                self.spin(self.parser.modal.spindle, self.parser.power)

    def toggle_coolant(self) -> None:
        if self.state in (State.IDLE, State.RUN, State.HOLD, State.JOG):
            self.flooding = not self.flooding
            self.parser.modal = replace(self.parser.modal, flood=self.flooding)

    # -- time --------------------------------------------------------------------------------------------

    def event_s(self) -> float:
        """Until something comes to its end by itself; infinite when nothing does."""
        if self.restore_s is not None:
            return self.restore_s
        return self.motion.block_s

    def advance(self, duration_s: float) -> None:
        self.motion.advance(duration_s)
        if self.restore_s is not None:
            self.restore_s -= duration_s
        self.settle()

    def settle(self) -> None:
        """The states that follow from motion being at its end, or at rest."""
        motion = self.motion
        at_rest = not motion.blocks or motion.held
        if self.state is State.JOG and at_rest:
            if motion.holding:
                motion.drop()
                self.parser.position = motion.position
            self.state = State.DOOR if self.door_ajar else State.IDLE
        elif self.state is State.RUN and not motion.blocks:
            self.state = State.IDLE
        elif self.state is State.HOLD and at_rest and not self.suspended:
            if self.soft_limit:
                motion.drop()
                self.state = State.IDLE
            else:
                self.suspended = True
                self._laser_off()
        if self.state is State.DOOR and at_rest:
            if self.restore_s is None:
                self.suspended = True
                motion.output = 0.0
                self.flooding = False
            self.door_ajar = self.door_ajar and self.door_open
        if self.restore_s is not None and self.restore_s <= 0:
            self.flooding = self.parser.modal.flood
            if not self.settings.laser:
                self.spin(self.parser.modal.spindle, self.parser.power)
            self._resume()

    def _laser_off(self) -> None:
        if self.settings.laser:
            self.motion.output = 0.0

    @property
    def power(self) -> float:
        """What the spindle pin puts out now, in S units."""
        asked = self.motion.output * self.overrides.spindle / 100
        if asked <= 0:
            return 0.0
        return min(max(asked, self.settings[31]), self.settings[30])

    def met(self, need: Need) -> bool:
        if need is Need.ROOM:
            return not self.motion.full
        if need is Need.REST:
            return not self.motion.blocks or self.motion.held
        return not self.motion.blocks and self.state is not State.RUN

    def dynamic(self, spindle: Spindle) -> bool:
        """Power follows the speed."""
        return self.settings.laser and spindle is Spindle.CCW

    def spin(self, spindle: Spindle, power: float) -> None:
        """Without motion: M4 in laser mode puts nothing out at rest."""
        off = spindle is Spindle.OFF or self.dynamic(spindle)
        self.motion.output = 0.0 if off else power
