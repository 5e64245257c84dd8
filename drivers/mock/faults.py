"""Faults on request of the serial mocks: how one is written, and those that strike the cable whatever hangs on it.

Written `KIND`, `KIND:VALUE`, `KIND@LINE` or `KIND:VALUE@LINE`: `lost_ok@120` loses the ok of the 120th
accepted line, `busy:60` keeps the next one busy for a minute, `resend:3@50` asks three times.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Final, Self

_WRITTEN: Final = re.compile(r"(?P<kind>[a-z_]+?)(?:[:_](?P<value>\d+(?:\.\d+)?))?(?:@(?P<line>\d+))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """`does` says it to a person; `value` is what holds when none is given; `at_once` ones need no line."""

    does: str
    value: float = 0.0
    at_once: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`line` counts accepted lines since the mock was made, from 1; 0 means at the next chance."""

    kinds: ClassVar[Mapping[str, Kind]] = {}

    kind: str
    value: float = 0.0
    line: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError with the kinds there are."""
        found = _WRITTEN.fullmatch(text)
        if not found or found["kind"] not in cls.kinds:
            raise ValueError(f"{text!r} is no fault; there are: {', '.join(cls.kinds)} (KIND[:VALUE][@LINE])")
        value = float(found["value"]) if found["value"] else cls.kinds[found["kind"]].value
        return cls(kind=found["kind"], value=value, line=int(found["line"] or 0))

    @property
    def at_once(self) -> bool:
        return self.kinds[self.kind].at_once

    def again(self) -> Self | None:
        """What is left of a fault counted in times after it struck once."""
        return replace(self, value=self.value - 1) if self.value > 1 else None


# The pty plays these by itself: see `pty.SerialMock`.
CABLE: Final[Mapping[str, Kind]] = {
    "unplug": Kind(does="the port goes away for VALUE seconds; 0 is for ever", at_once=True),
    "replug": Kind(
        does="the port goes away and is back after VALUE seconds (0.5) under another tty name",
        value=0.5,
        at_once=True,
    ),
    "trickle": Kind(does="for VALUE seconds (10) what it says comes at 1 byte/s", value=10.0, at_once=True),
}

PULLS: Final = frozenset({"unplug", "replug"})


class Faults:
    """Faults that wait for their line. `here` is the number of the line at hand, from 1."""

    def __init__(self, waiting: Iterable[Fault] = ()) -> None:
        self._waiting = list(waiting)

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, fault: Fault) -> None:
        self._waiting.append(fault)

    def put_back(self, fault: Fault) -> None:
        self._waiting.insert(0, fault)

    def take(self, kinds: frozenset[str], here: int) -> Fault | None:
        """The first of these kinds whose line has come; it waits no longer."""
        for fault in self._waiting:
            if fault.kind in kinds and here >= fault.line:
                self._waiting.remove(fault)
                return fault
        return None
