"""Faults of networked machines on request: the words, what they do, and what their value counts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Fault(StrEnum):
    """What each does stands in `FAULTS`."""

    LOST = "lost"
    LOST_START = "lost_start"
    HALF_ANSWER = "half_answer"
    GARBAGE = "garbage"
    TRICKLE = "trickle"
    ENDLESS = "endless"
    PACKED = "packed"
    TIMEOUT = "timeout"
    DROPPED = "dropped"
    HTTP_500 = "http_500"
    HTTP_503 = "http_503"
    CONFLICT_STORM = "conflict_storm"
    FORBIDDEN = "forbidden"
    MOVED = "moved"
    HALF_OPEN = "half_open"
    SOCKET_DROP = "socket_drop"
    SERVER_KILLED = "server_killed"
    NEVER_RUNS = "never_runs"
    PRINTER_FAULT = "printer_fault"
    PRINTER_LOST = "printer_lost"


class Unit(StrEnum):
    TIMES = "times"
    SECONDS = "s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """`default` is the value where none is given."""

    words: str
    unit: Unit = Unit.TIMES
    default: float = 1


FAULTS: Final[Mapping[Fault, Meaning]] = {
    Fault.LOST: Meaning(words="the request is obeyed, but the connection drops before the answer"),
    Fault.LOST_START: Meaning(words="a start is obeyed, but its answer is lost"),
    Fault.HALF_ANSWER: Meaning(words="the request is obeyed, but the answer ends in its middle"),
    Fault.GARBAGE: Meaning(words="the request is obeyed, but the answer cannot be read"),
    Fault.TRICKLE: Meaning(words="the request is obeyed, but the answer comes at one byte a second"),
    Fault.ENDLESS: Meaning(words="the request is obeyed, but the answer does not end"),
    Fault.PACKED: Meaning(words="the request is obeyed, but the answer comes compressed, unasked"),
    Fault.TIMEOUT: Meaning(words="the request is not obeyed and never answered"),
    Fault.DROPPED: Meaning(words="the request is not obeyed and the connection drops"),
    Fault.HTTP_500: Meaning(words="the request is not obeyed and answered HTTP 500"),
    Fault.HTTP_503: Meaning(words="the request is not obeyed and answered HTTP 503"),
    Fault.CONFLICT_STORM: Meaning(
        words="no command is obeyed, each is answered HTTP 409", unit=Unit.SECONDS, default=10
    ),
    Fault.FORBIDDEN: Meaning(words="the request is not obeyed and answered HTTP 403"),
    Fault.MOVED: Meaning(words="the request is not obeyed and answered with another address"),
    Fault.HALF_OPEN: Meaning(
        words="connections are accepted and nothing is ever said on them", unit=Unit.SECONDS, default=30
    ),
    Fault.SOCKET_DROP: Meaning(
        words="the websockets are cut, and refused for so long", unit=Unit.SECONDS, default=0
    ),
    Fault.SERVER_KILLED: Meaning(
        words="the server is killed and comes back after so long", unit=Unit.SECONDS, default=5
    ),
    Fault.NEVER_RUNS: Meaning(words="a start is accepted and nothing begins"),
    Fault.PRINTER_FAULT: Meaning(words="the firmware halts on a heater fault"),
    Fault.PRINTER_LOST: Meaning(
        words="the printer is gone from its server, for so long (0: for good)", unit=Unit.SECONDS, default=0
    ),
}

# These are answered without the machine hearing of it.
STATUS: Final[Mapping[Fault, int]] = {
    Fault.HTTP_500: 500,
    Fault.HTTP_503: 503,
    Fault.CONFLICT_STORM: 409,
    Fault.FORBIDDEN: 403,
    Fault.MOVED: 302,
}

_WRITTEN = re.compile(r"(?P<kind>[a-z0-9_]+)(?::(?P<value>\d{1,6}(?:\.\d+)?))?(?:@(?P<request>[A-Z]+ /\S*))?")


@dataclass(slots=True, kw_only=True)
class Armed:
    """A fault that waits for its request: for `times` of them, or for all `until` an instant of `time.monotonic`."""

    kind: Fault
    request: str = ""
    times: int = 1
    until: float | None = None


def parse(text: str) -> tuple[Fault, float, str]:
    """Kind, value and request of `KIND[:VALUE][@METHOD /path]`; ValueError names the kinds there are."""
    found = _WRITTEN.fullmatch(text)
    if found is None or found["kind"] not in set(Fault):
        raise ValueError(f"{text!r} is no fault; there are: {', '.join(Fault)} (KIND[:VALUE][@METHOD /path])")
    kind = Fault(found["kind"])
    value = float(found["value"]) if found["value"] else FAULTS[kind].default
    return kind, value, found["request"] or ""
