"""What GRBL's numbers mean, in plain English. Source: GRBL 1.1's list of error and alarm codes, in our own words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

ERRORS: Final[Mapping[int, str]] = {
    1: "a word does not begin with a letter",
    2: "a number is missing or cannot be read",
    3: "the machine does not know this $ command",
    4: "a value is negative where only a positive one makes sense",
    5: "homing is not switched on in the machine's settings",
    6: "the step pulse is set too short",
    7: "the machine could not read its stored settings and has gone back to defaults",
    8: "this is only possible while the machine stands idle",
    9: "the machine is locked by an alarm or is jogging",
    10: "soft limits need homing to be switched on",
    11: "the line is longer than the machine can take",
    12: "a setting asks for more steps a second than the machine can make",
    13: "the safety door is open",
    14: "a start-up line is too long to be stored",
    15: "a jog would leave the machine's travel",
    16: "a jog command lacks its = or holds a forbidden word",
    17: "laser mode needs a spindle output with variable power",
    20: "the machine does not know this command",
    21: "two commands that exclude each other stand in one line",
    22: "no feed rate was set before the first cutting move",
    23: "a command needs a whole number",
    24: "two commands of one line both want the axis words",
    25: "a word stands twice in one line",
    26: "the command needs an axis word and has none",
    27: "the line number is out of range",
    28: "a P or L word is missing",
    29: "this work coordinate system does not exist; there are G54 to G59",
    30: "G53 goes with G0 and G1 only",
    31: "axis words stand in a line that has no use for them",
    32: "an arc names no axis of its plane",
    33: "the arc cannot be drawn to this target",
    34: "the radius of the arc cannot be computed",
    35: "an arc lacks its centre offset in the plane",
    36: "a word of this line is used by no command in it",
    37: "a tool length offset goes with the configured axis only",
    38: "the tool number is too high",
}

# A person has to look at the machine after each of these; what must be known is whether the position still holds.
ALARMS: Final[Mapping[int, str]] = {
    1: "a limit switch was hit; the position is probably lost",
    2: "a move would have left the machine's travel; it was not made and the position still holds",
    3: "it was reset while moving; the position is lost",
    4: "the probe was not in the state that is expected before probing",
    5: "the probe found nothing on its way",
    6: "homing failed: the machine was reset during it; the position is lost",
    7: "homing failed: the door was opened during it; the position is lost",
    8: "homing failed: the limit switch did not let go; the position is lost",
    9: "homing failed: no limit switch was found; the position is lost",
}

# Nothing but a reset is obeyed or answered after these.
CRITICAL: Final = frozenset({1, 2})

UNLOCK: Final = "look at the machine, then home it ($H) or unlock it ($X) there"


_TOO_LARGE: Final = (
    "nothing moved: place the program within the machine's travel, or make it smaller, and unlock the machine "
    "($X) before the next try"
)


def error(number: int) -> str:
    return f"error {number}: {ERRORS.get(number, 'not in the list of GRBL 1.1')}"


def alarm(number: int) -> str:
    return f"alarm {number}: {ALARMS.get(number, 'not in the list of GRBL 1.1')}"


def trial_advice(number: int) -> str:
    """What a person does about an alarm in check mode, where nothing moved."""
    return _TOO_LARGE if number == 2 else UNLOCK
