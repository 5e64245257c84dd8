"""What can be asked to go wrong with the mocked Marlin; how a fault is written is told in `drivers.mock.faults`."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar, Final

from drivers.mock import faults
from drivers.mock.faults import CABLE, Kind


class FaultKind(StrEnum):
    LOST_OK = "lost_ok"
    LOST_LINE = "lost_line"
    CORRUPT_LINE = "corrupt_line"
    RESEND = "resend"
    RESEND_STORM = "resend_storm"
    RESET = "reset"
    BUSY = "busy"
    THERMAL_RUNAWAY = "thermal_runaway"
    SILENCE = "silence"
    GARBAGE = "garbage"
    UNPLUG = "unplug"
    REPLUG = "replug"
    TRICKLE = "trickle"


KINDS: Final[Mapping[str, Kind]] = {
    FaultKind.LOST_OK: Kind(does="a line is taken, its ok is not sent"),
    FaultKind.LOST_LINE: Kind(does="a line never arrives"),
    FaultKind.CORRUPT_LINE: Kind(does="a line arrives damaged"),
    FaultKind.RESEND: Kind(does="a good line is asked for again, VALUE times (1)", value=1.0),
    FaultKind.RESEND_STORM: Kind(does="a good line is asked for again for ever", value=float("inf")),
    FaultKind.RESET: Kind(does="the firmware restarts and forgets all but its warmth", at_once=True),
    FaultKind.BUSY: Kind(does="a line takes VALUE seconds (60), with busy: every 2 s", value=60.0),
    FaultKind.THERMAL_RUNAWAY: Kind(does="it halts for good with its heaters off", at_once=True),
    FaultKind.SILENCE: Kind(does="nothing is heard or said for VALUE seconds; 0 is for ever", at_once=True),
    FaultKind.GARBAGE: Kind(does="80 bytes of noise are sent", at_once=True),
    **CABLE,
}


class Fault(faults.Fault):
    kinds: ClassVar[Mapping[str, Kind]] = KINDS
