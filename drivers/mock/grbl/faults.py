"""What can be asked to go wrong with the mocked GRBL; how a fault is written is told in `drivers.mock.faults`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from drivers.mock import faults
from drivers.mock.faults import CABLE, Kind

KINDS: Final[Mapping[str, Kind]] = {
    "lost_ok": Kind(does="a line is executed, its ok is not sent"),
    "damaged_ok": Kind(does="the ok of a line arrives with a NUL in it"),
    "corrupt_line": Kind(does="a line arrives without its first letter, which is error:1 or 2"),
    "busy": Kind(does="a line gets its ok after VALUE seconds (60); ? is answered meanwhile", value=60.0),
    "reset": Kind(does="power fails for a moment: it boots, position and queue are lost", at_once=True),
    "silence": Kind(does="nothing is heard or said for VALUE seconds; 0 is for ever", at_once=True),
    "garbage": Kind(does="80 bytes of noise are sent", at_once=True),
    "alarm": Kind(
        does="ALARM:VALUE (1 to 9); after 1 and 2 nothing but 0x18 is heard", value=1.0, at_once=True
    ),
    "door": Kind(does="the safety door is opened", at_once=True),
    "door_close": Kind(does="the safety door is closed", at_once=True),
    "hold": Kind(does="somebody presses the hold button on the machine", at_once=True),
    **CABLE,
}


class Fault(faults.Fault):
    kinds: ClassVar[Mapping[str, Kind]] = KINDS

    @classmethod
    def parse(cls, text: str) -> Fault:
        fault = super().parse(text)
        if fault.kind == "alarm" and fault.value not in range(1, 10):
            raise ValueError(f"{text!r} is no fault: alarms are numbered 1 to 9")
        return fault
