"""What a Marlin has that gets hot, as it tells it; the commands that switch it off, and whether it says that it is."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from enum import Enum, auto

from drivers.marlin import words
from fablab.device import Safety

# One report may be the answer to an M105 that was on its way before the stop; two cannot be.
COLD_REPORTS = 2


def off(heat_c: Mapping[str, float]) -> list[bytes]:
    """Commands that leave nothing hot of what was ever reported, nor the fan on."""
    tools = sorted(name for name in heat_c if name.startswith("tool") and name[4:].isdigit())
    more = [b"M104 T%d S0" % int(name[4:]) for name in tools if name != "tool0"]
    chamber = [b"M141 S0"] if "chamber" in heat_c else []
    return [b"M104 S0", *more, b"M140 S0", *chamber, b"M107"]


def blind(heat_c: Mapping[str, float]) -> bytes:
    """Heaters off at once: without numbers, so that no ok is waited for. A firmware takes such lines whatever
    number it expects; one that answers nothing may still listen, and one that is busy finds them in its buffer."""
    return b"".join(command + b"\n" for command in off(heat_c))


class Then(Enum):
    """What a report makes of a stop."""

    CONFIRMED = auto()
    ASK_AGAIN = auto()
    SEND_AGAIN = auto()
    WAIT = auto()  # too late for another try


@dataclass(slots=True)
class SafeStop:
    """`deadline` and `now` are monotonic seconds."""

    answer: Future[Safety]
    deadline: float
    number: int = -1  # of the M105 that reads the targets back
    cold: int = 0  # reports in a row with every target at 0

    def hear(self, degrees: dict[str, float], now: float, *, spare_s: float) -> Then:
        self.cold = self.cold + 1 if words.all_off(degrees) else 0
        if self.cold >= COLD_REPORTS:
            return Then.CONFIRMED
        if self.cold:
            return Then.ASK_AGAIN
        return Then.SEND_AGAIN if now < self.deadline - spare_s else Then.WAIT
