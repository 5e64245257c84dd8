"""Faults on request: what can be asked of the mock, and when it happens.

Written `KIND`, `KIND:VALUE`, `KIND@LINE` or `KIND:VALUE@LINE`: `lost_ok@120` loses the ok of the 120th
accepted line, `busy:60` keeps the next one busy for a minute, `resend:3@50` asks three times.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    """`VALUE` is in seconds or times, as said; without one the default of `DEFAULTS` holds."""

    LOST_OK = "lost_ok"  # the line is taken, its ok is not sent
    LOST_LINE = "lost_line"  # the line never arrives
    CORRUPT_LINE = "corrupt_line"  # the line arrives damaged
    RESEND = "resend"  # asked for again though it was good; VALUE times
    RESEND_STORM = "resend_storm"  # asked for again for ever
    RESET = "reset"
    BUSY = "busy"  # the next line takes VALUE seconds, with `busy:` every 2 s
    THERMAL_RUNAWAY = "thermal_runaway"
    SILENCE = "silence"  # nothing is heard or said for VALUE seconds; 0 is for ever
    GARBAGE = "garbage"  # noise in place of the next ok's neighbours
    UNPLUG = "unplug"  # the port goes away for VALUE seconds; 0 is for ever


DEFAULTS = {FaultKind.RESEND: 1.0, FaultKind.RESEND_STORM: float("inf"), FaultKind.BUSY: 60.0}
_WRITTEN = re.compile(r"(?P<kind>[a-z_]+?)(?:[:_](?P<value>\d+(?:\.\d+)?))?(?:@(?P<line>\d+))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`line` counts accepted lines since the mock was made, from 1; 0 means at the next chance."""

    kind: FaultKind
    value: float = 0.0
    line: int = 0

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Raises ValueError with the kinds there are."""
        found = _WRITTEN.fullmatch(text)
        if not found or found["kind"] not in set(FaultKind):
            raise ValueError(f"{text!r} is no fault; there are: {', '.join(FaultKind)} (KIND[:VALUE][@LINE])")
        kind = FaultKind(found["kind"])
        value = float(found["value"]) if found["value"] else DEFAULTS.get(kind, 0.0)
        return cls(kind=kind, value=value, line=int(found["line"] or 0))
