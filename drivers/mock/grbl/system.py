"""GRBL's `$` commands."""

from __future__ import annotations

from typing import Final

from drivers.mock.grbl import execution, reports
from drivers.mock.grbl.machine import Eeprom, Line, Machine, State
from drivers.mock.grbl.settings import DEFAULTS, STARTUP_LINES
from drivers.mock.grbl.words import Refused, number

_WIPE_S: Final = 0.3
_QUIET: Final = frozenset({State.IDLE, State.ALARM})


def command(machine: Machine, text: str) -> Line:
    """`text` as `words.stripped` gives it. Raises Refused, or Aborted."""
    if text == "$":
        machine.say(reports.HELP)
    elif text.startswith("$J"):
        if machine.state not in (State.IDLE, State.JOG):
            raise Refused(8)
        if not text.startswith("$J="):
            raise Refused(3)
        yield from execution.jog(machine, text)
    elif text[1] in "$GCX":
        if len(text) > 2:
            raise Refused(3)
        _short(machine, text[1])
    elif machine.state not in _QUIET:
        raise Refused(8)
    else:
        yield from _at_rest(machine, text)


def _short(machine: Machine, letter: str) -> None:
    if letter == "$":
        if machine.state in (State.RUN, State.HOLD):
            raise Refused(8)
        for line in machine.settings.lines():
            machine.say(line)
    elif letter == "G":
        machine.say(reports.modes(machine))
    elif letter == "C":
        _check_mode(machine)
    elif machine.state is State.ALARM:
        if machine.door_open:
            raise Refused(13)
        machine.say("[MSG:Caution: Unlocked]")
        machine.state = State.IDLE


def _check_mode(machine: Machine) -> None:
    if machine.state is State.CHECK:
        machine.say("[MSG:Disabled]")
        machine.wants_reset = True
    elif machine.state is State.IDLE:
        machine.state = State.CHECK
        machine.say("[MSG:Enabled]")
    else:
        raise Refused(8)


def _at_rest(machine: Machine, text: str) -> Line:
    if text == "$#":
        for line in reports.parameters(machine):
            machine.say(line)
    elif text == "$H":
        if not machine.settings[22]:
            raise Refused(5)
        if machine.door_open:
            raise Refused(13)
        yield from execution.home(machine)
        yield from startup(machine)
    elif text == "$SLP":
        machine.wants_sleep = True
    elif text == "$I":
        for line in reports.build(machine):
            machine.say(line)
    elif text in ("$RST=$", "$RST=#", "$RST=*"):
        yield Eeprom(_WIPE_S)
        _restore(machine, text[-1])
    elif text == "$N":
        for index, line in enumerate(machine.settings.startup):
            machine.say(f"$N{index}={line}")
    elif text[1] in "#HSR":
        raise Refused(3)
    elif text[1] == "N":
        yield from _store_startup(machine, text)
    elif text.startswith("$I"):
        if not text.startswith("$I="):
            raise Refused(3)
        yield Eeprom()
        machine.settings.build_info = text[3:]
    else:
        yield from _store(machine, text)


def _restore(machine: Machine, what: str) -> None:
    settings = machine.settings
    if what in "$*":
        settings.values = dict(DEFAULTS)
    if what in "#*":
        settings.offsets.clear()
    if what == "*":
        settings.startup = [""] * STARTUP_LINES
        settings.build_info = ""
    machine.say("[MSG:Restoring defaults]")
    machine.wants_reset = True


def _store_startup(machine: Machine, text: str) -> Line:
    if machine.state is not State.IDLE:
        raise Refused(8)
    index, at = number(text, 2)
    if text[at : at + 1] != "=" or index not in range(STARTUP_LINES):
        raise Refused(3)
    line = text[at + 1 :]
    if line:
        yield from execution.gcode(machine, line)
    yield Eeprom()
    machine.settings.startup[int(index)] = line


def _store(machine: Machine, text: str) -> Line:
    which, at = number(text, 1)
    if text[at : at + 1] != "=":
        raise Refused(3)
    value, at = number(text, at + 1)
    if at != len(text) or which > 255:
        raise Refused(3)
    machine.settings.store(int(which), value)
    machine.motion.axes = machine.settings.axes
    yield Eeprom()


def startup(machine: Machine) -> Line:
    """The stored lines, executed after a reset and after homing; `>LINE:ok` is not a stream's ok."""
    for line in machine.settings.startup:
        if line and machine.state is not State.ALARM:
            try:
                yield from execution.gcode(machine, line)
            except Refused as error:
                machine.say(f">{line}:error:{error.code}")
            else:
                machine.say(f">{line}:ok")
