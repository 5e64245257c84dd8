"""What machines and their drivers say in English, in the language of whoever reads it.

A driver's message is clauses, parted by "; ". Those that are the lab's own stand here, so that they can be translated;
what a firmware says in its own words stays as it said it. The drivers' words are tested against this table.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final


def _(message: str) -> str:
    """Marks a clause for extraction; it is translated when it is said."""
    return message


CLAUSES: Final = frozenset(
    {
        # the lab's own: hosts and all drivers
        _("no program is running"),
        _("nothing is under way"),
        _("the program is just ending"),
        _("the machine is being stopped"),
        _("the machine is being made safe"),
        _("the machine is busy with another program"),
        _("stopped while its program was still on its way"),
        _("a program is running"),
        _("cancel it first, or force the end"),
        _("this host is ending"),
        _("this run had begun before and was lost"),
        _("this run was tried before and did not succeed"),
        _("this run's program was on the printer before"),
        _("it needs a new token"),
        # Marlin
        _("paused at the machine"),
        _("more than a tenth of all lines had to be sent again: check the cable"),
        # GRBL: doors, holds, ends
        _("door open"),
        _("door closed again"),
        _("door closed"),
        _("going on"),
        _("close it and press resume"),
        _("press resume to go on"),
        _("the door is open"),
        _("the head is still slowing down"),
        _("the machine is still slowing down"),
        _("the machine is still slowing down to a hold"),
        _("slowing down to a hold"),
        _("on hold at the machine"),
        _("checking a program"),
        _("locked"),
        _("on hold, but the machine tells of a beam: look at it, and stop it if it burns"),
        _("the beam stayed on while the head stood still"),
        _("asleep"),
        _("a stop wakes it"),
        _("look at the machine, then home it ($H) or unlock it ($X) there"),
        _(
            "nothing moved: place the program within the machine's travel, or make it smaller, and unlock the machine "
            "($X) before the next try"
        ),
        _("the machine has not told its state yet"),
        _("the machine restarted in the middle of the program"),
        _("an acknowledgement was lost on the wire"),
        _("check the cable"),
        _("beam off was NOT confirmed"),
        # GRBL: alarms
        _("a limit switch was hit"),
        _("the position is probably lost"),
        _("a move would have left the machine's travel"),
        _("it was not made and the position still holds"),
        _("it was reset while moving"),
        _("the position is lost"),
        _("the probe was not in the state that is expected before probing"),
        _("the probe found nothing on its way"),
        _("homing failed: the machine was reset during it"),
        _("homing failed: the door was opened during it"),
        _("homing failed: the limit switch did not let go"),
        _("homing failed: no limit switch was found"),
        _("not in the list of GRBL 1.1"),
        # GRBL: errors
        _("a word does not begin with a letter"),
        _("a number is missing or cannot be read"),
        _("the machine does not know this $ command"),
        _("a value is negative where only a positive one makes sense"),
        _("homing is not switched on in the machine's settings"),
        _("the step pulse is set too short"),
        _("the machine could not read its stored settings and has gone back to defaults"),
        _("this is only possible while the machine stands idle"),
        _("the machine is locked by an alarm or is jogging"),
        _("soft limits need homing to be switched on"),
        _("the line is longer than the machine can take"),
        _("a setting asks for more steps a second than the machine can make"),
        _("the safety door is open"),
        _("a start-up line is too long to be stored"),
        _("a jog would leave the machine's travel"),
        _("a jog command lacks its = or holds a forbidden word"),
        _("laser mode needs a spindle output with variable power"),
        _("the machine does not know this command"),
        _("two commands that exclude each other stand in one line"),
        _("no feed rate was set before the first cutting move"),
        _("a command needs a whole number"),
        _("two commands of one line both want the axis words"),
        _("a word stands twice in one line"),
        _("the command needs an axis word and has none"),
        _("the line number is out of range"),
        _("a P or L word is missing"),
        _("this work coordinate system does not exist"),
        _("there are G54 to G59"),
        _("G53 goes with G0 and G1 only"),
        _("axis words stand in a line that has no use for them"),
        _("an arc names no axis of its plane"),
        _("the arc cannot be drawn to this target"),
        _("the radius of the arc cannot be computed"),
        _("an arc lacks its centre offset in the plane"),
        _("a word of this line is used by no command in it"),
        _("a tool length offset goes with the configured axis only"),
        _("the tool number is too high"),
        # OctoPrint, Moonraker, PrusaLink
        _("stopping"),
        _("the print failed"),
        _("OctoPrint took the start, but nothing began"),
        _("the print ended in an error"),
        _("Klipper shut down in mid-print"),
        _("Klipper's host went away in mid-print"),
        _("its host program is not running"),
        _("Klipper is busy with other commands"),
        _("Klipper took the start, but nothing began"),
        _("a person is needed at the printer"),
        _("the printer reports an error"),
        _("busy, though not with a print"),
        _("the printer has no storage for a program"),
        _("put a USB drive into it"),
    }
)

#: The first that fits the whole clause counts. What stands in `why` is said in plain words, too.
_SHAPES: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(shape), message)
    for shape, message in (
        (r"alarm (?P<number>\d+): (?P<why>.+)", _("alarm %(number)s: %(why)s")),
        (r"error (?P<number>\d+): (?P<why>.+)", _("error %(number)s: %(why)s")),
        (r"line (?P<line>\d+) \((?P<command>.*)\): (?P<why>.+)", _("line %(line)s (%(command)s): %(why)s")),
        (
            r"line (?P<line>\d+) \((?P<command>.*)\) cannot be sent to this machine: (?P<why>.+)",
            _("line %(line)s (%(command)s) cannot be sent to this machine: %(why)s"),
        ),
        (r"line (?P<line>\d+): (?P<why>.+)", _("line %(line)s: %(why)s")),
        (
            r"line (?P<line>\d+) could not be got across to the machine",
            _("line %(line)s could not be got across to the machine"),
        ),
        (
            r"line (?P<line>\d+) is longer than the firmware can take",
            _("line %(line)s is longer than the firmware can take"),
        ),
        (
            r"line (?P<line>\d+) could not be read from the file",
            _("line %(line)s could not be read from the file"),
        ),
        (
            r"(?P<command>.+) in line (?P<line>\d+) was not sent to the machine",
            _("%(command)s in line %(line)s was not sent to the machine"),
        ),
        (
            r"the machine tried the first (?P<tried>\d+) of (?P<count>\d+) lines before the start",
            _("the machine tried the first %(tried)s of %(count)s lines before the start"),
        ),
        (
            r"checking the program: (?P<tried>\d+) of (?P<count>\d+) lines",
            _("checking the program: %(tried)s of %(count)s lines"),
        ),
        (r"the machine is not free: (?P<why>.+)", _("the machine is not free: %(why)s")),
        (
            r"the machine has stopped and needs a reset: (?P<why>.+)",
            _("the machine has stopped and needs a reset: %(why)s"),
        ),
        (r"the printer cannot start now: (?P<why>.+)", _("the printer cannot start now: %(why)s")),
        (r"the printer reports an error: (?P<why>.+)", _("the printer reports an error: %(why)s")),
        (r"a person is needed at the printer: (?P<why>.+)", _("a person is needed at the printer: %(why)s")),
        (r"Klipper is not ready: (?P<why>.+)", _("Klipper is not ready: %(why)s")),
        (
            r"prints (?P<file>.+), which the lab did not start",
            _("prints %(file)s, which the lab did not start"),
        ),
        (
            r"the printer is not connected to OctoPrint \((?P<state>.*)\)",
            _("the printer is not connected to OctoPrint (%(state)s)"),
        ),
        (
            r"the start of \S+ came after its deadline and was dropped",
            _("the start came after its deadline and was dropped"),
        ),
        (r"stopped before \S+ had begun", _("stopped before it had begun")),
        (r"interrupted: (?P<why>.+)", _("the connection to the machine was lost: %(why)s")),
    )
)
_PARTING: Final = _("; ")  # French has a space before it


def clauses(said: str, gettext: Callable[[str], str]) -> str:
    """`said` with what is the lab's own translated; it may then stand inside a sentence."""
    return gettext(_PARTING).join(_clause(clause, gettext) for clause in said.split(_PARTING)) if said else ""


def sentence(said: str, gettext: Callable[[str], str]) -> str:
    """The same with a capital and a full stop; untouched where nothing of it is the lab's own."""
    if not any(_is_ours(clause) for clause in said.split(_PARTING)):
        return said
    found = clauses(said, gettext)
    return found[:1].upper() + found[1:] + ("" if found.endswith((".", "!", "?")) else ".")


def _is_ours(clause: str) -> bool:
    return clause in CLAUSES or any(shape.fullmatch(clause) for shape, _message in _SHAPES)


def _clause(clause: str, gettext: Callable[[str], str]) -> str:
    if clause in CLAUSES:
        return gettext(clause)
    for shape, message in _SHAPES:
        if found := shape.fullmatch(clause):
            facts = found.groupdict()
            if "why" in facts:
                facts["why"] = _clause(facts["why"], gettext)
            return gettext(message) % facts
    return clause
