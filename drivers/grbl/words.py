"""GRBL's words: what a line from the machine means. Pure functions over bytes that nobody vouches for.

Sources: GRBL 1.1's interface description, and a 1.1h as seen on the wire.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Word(StrEnum):
    """What a line from the machine is. Only OK and ERROR acknowledge a line; the others are pushed at any time."""

    OK = "ok"
    ERROR = "error"
    ALARM = "alarm"
    STATUS = "status"
    BANNER = "banner"  # it has just been reset
    STARTUP = "startup"  # a stored start-up line was run; its ok is part of the line and acknowledges nothing
    MESSAGE = "message"  # [MSG:...]
    INFO = "info"  # [VER:...], [OPT:...], [GC:...] and the like
    SETTING = "setting"
    OTHER = "other"


_WORDS: tuple[tuple[Word, re.Pattern[bytes]], ...] = (
    (Word.OK, re.compile(rb"ok$")),
    (Word.ERROR, re.compile(rb"error:\s*\d{1,3}$")),
    (Word.ALARM, re.compile(rb"ALARM:\s*\d{1,3}$")),
    (Word.STATUS, re.compile(rb"<[^<>]*>$")),
    (Word.BANNER, re.compile(rb"Grbl(?:HAL)? ?\d+\.\d+", re.IGNORECASE)),
    (Word.STARTUP, re.compile(rb">.*:(?:ok|error:\d+)$")),
    (Word.MESSAGE, re.compile(rb"\[MSG:.*\]$")),
    (Word.INFO, re.compile(rb"\[[A-Za-z0-9]+:?.*\]$")),
    (Word.SETTING, re.compile(rb"\$\d{1,3}=")),
)


def classify(line: bytes) -> Word:
    if line == b"ok":
        return Word.OK
    for word, pattern in _WORDS:
        if pattern.match(line):
            return word
    return Word.OTHER


def number(line: bytes) -> int:
    """The code of an ERROR or ALARM line."""
    return int(line.rsplit(b":", 1)[1])


class State(StrEnum):
    """The machine's own word for what it does."""

    IDLE = "Idle"
    RUN = "Run"
    HOLD = "Hold"
    JOG = "Jog"
    ALARM = "Alarm"
    DOOR = "Door"
    CHECK = "Check"
    HOME = "Home"
    SLEEP = "Sleep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One `<...>`. `part` is what stands behind the colon: Hold 0 stands still, 1 slows down; Door 0 is closed
    and waits, 1 is open, 2 opens (slowing down), 3 goes on.

    `power` is the second number of FS, None where the firmware sends none. `accessories` are the letters of
    A: (S and C: the beam's output is on), "" when the firmware said that all are off, None when this report
    does not speak of them: A: may only stand beside Ov:, which is sent now and then.
    """

    state: State
    part: int = 0
    position_mm: tuple[float, ...] = ()
    power: float | None = None
    accessories: str | None = None
    feed_override: int | None = None

    @property
    def still(self) -> bool:
        """The head does not move."""
        if self.state in (State.HOLD, State.DOOR):
            return self.part == 0 or (self.state is State.DOOR and self.part == 1)
        return self.state not in (State.RUN, State.JOG, State.HOME)

    @property
    def held(self) -> bool:
        """It waits for a person."""
        return self.state is State.HOLD or (self.state is State.DOOR and self.part != 3)

    @property
    def ready(self) -> bool:
        """It waits for a person, and `~` would let it go on."""
        return self.held and self.part == 0

    @property
    def beam(self) -> bool:
        """The beam's output is on, as far as this report speaks of it."""
        return bool(self.power) or self.output_on

    @property
    def output_on(self) -> bool:
        """The output itself is read as on; `power` is only what was last asked for, in some builds."""
        return bool({"S", "C"} & set(self.accessories or ""))


_STATE = re.compile(rb"<([A-Za-z]+)(?::(\d))?(?=[|>])")
_FIELD = re.compile(rb"\|([A-Za-z]+):([^|>]*)")
_NUMBER = re.compile(rb"-?\d{1,9}(?:\.\d{1,9})?$")


def report(line: bytes) -> Report | None:
    """None when it is no whole report, or of a state we do not know."""
    head = _STATE.match(line)
    if head is None or not line.endswith(b">"):
        return None
    try:
        state = State(head[1].decode())
    except ValueError:
        return None
    fields: dict[bytes, bytes] = dict(_FIELD.findall(line))
    speeds = _numbers(fields.get(b"FS", b""))
    overrides = _numbers(fields.get(b"Ov", b""))
    accessories = fields.get(b"A")
    return Report(
        state=state,
        part=int(head[2] or 0),
        position_mm=_numbers(fields.get(b"MPos", fields.get(b"WPos", b""))),
        power=speeds[1] if len(speeds) > 1 else None,
        accessories=accessories.decode("ascii", "replace")
        if accessories is not None
        else ("" if overrides else None),
        feed_override=int(overrides[0]) if overrides else None,
    )


def _numbers(text: bytes) -> tuple[float, ...]:
    parts = text.split(b",")
    return tuple(float(part) for part in parts) if all(_NUMBER.match(part) for part in parts) else ()


_BANNER = re.compile(rb"(Grbl(?:HAL)?) ?(\d+)\.(\d+)", re.IGNORECASE)
_SETTING = re.compile(rb"\$(\d{1,3})=\s*(-?\d{1,9}(?:\.\d{1,9})?)")
_VERSION = re.compile(rb"\[VER:([^:\]]*):?([^\]]*)\]$")
_OPTIONS = re.compile(rb"\[OPT:([^,\]]*)(?:,(\d{1,5}))?(?:,(\d{1,5}))?[^\]]*\]$")


def too_old(banner: bytes) -> bool:
    """Before 1.1 a status is written differently, and there is no laser mode."""
    found = _BANNER.match(banner)
    return found is not None and (int(found[2]), int(found[3])) < (1, 1)


def setting(line: bytes) -> tuple[int, float] | None:
    """`$32=1` as (32, 1.0)."""
    found = _SETTING.match(line)
    return (int(found[1]), float(found[2])) if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """What $I told. `rx` is the size of the receive buffer in bytes, 0 when it was not told."""

    version: str = ""
    name: str = ""  # a text the owner may have stored
    options: str = ""
    rx: int = 0


def build(lines: Iterable[bytes]) -> Build:
    version = name = options = ""
    rx = 0
    for line in lines:
        if found := _VERSION.match(line):
            version, name = plain(found[1]), plain(found[2])
        elif found := _OPTIONS.match(line):
            options, rx = plain(found[1]), int(found[3] or 0)
    return Build(version=version, name=name, options=options, rx=rx)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """The settings that matter here, out of $$; None where the machine did not tell."""

    values: Mapping[int, float] = field(default_factory=dict)

    @property
    def laser_mode(self) -> bool | None:
        """$32: without it the beam goes on burning while the head stands still."""
        return None if 32 not in self.values else self.values[32] == 1

    @property
    def rapid_mm_s(self) -> float:
        """The slower of $110 and $111, for moves without a feed rate of their own."""
        told = [self.values[number] for number in (110, 111) if self.values.get(number, 0) > 0]
        return min(told) / 60 if told else 10.0

    def features(self) -> dict[str, str]:
        mode = {None: "unknown", True: "on", False: "off"}[self.laser_mode]
        found = {"laser_mode": mode}
        for number, name in ((30, "power_max"), (31, "power_min")):
            if number in self.values:
                found[name] = f"{self.values[number]:g}"
        return found


def plain(line: bytes) -> str:
    """A line for a person: no bytes that a screen or a log would choke on."""
    text = line.decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else " " for letter in text).strip()[:200]
