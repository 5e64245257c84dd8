"""What a program may not do on a machine: bounds, heat, and commands that outlive it or reach past it.

Fed by what `gcode.analyse` noted (steps with lines, rare commands), so the file is not read again. All refusals
come back at once; each names its line. Sources of the command table: Marlin's and GRBL's command references,
Klipper's list of G-codes, OctoPrint's and printcore's `@` host commands.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from fablab.base.errors import Refusal
from fablab.programs.gcode import Analysis, Box, Incident, Kind, Stairs, Step


class Origin(StrEnum):
    """Where a machine counts its millimetres from."""

    FRONT_LEFT = "front_left"
    CENTRE = "centre"
    WORKPIECE = "workpiece"  # set by hand before each run (G54): only the size can be checked, not the place


class Why(StrEnum):
    """Why a command is not let through; the words for each stand at the edge."""

    PERSISTS = "persists"  # writes settings that stay on the machine
    UNSAFE = "unsafe"  # takes away a protection, or drives heat, pins or power past it
    HOST = "host"  # speaks to the software that sends the program, not to the machine
    FILES = "files"  # writes or starts files on the machine's own card
    STOPS = "stops"  # stops, resets or re-links the machine in mid-program
    REALTIME = "realtime"  # single bytes that a firmware obeys at once, in the middle of a line


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What a machine can reach and bear. Margins say how far beyond the bed a move is still normal there:
    a prime line in front of it (MK3: Y-3), a parking place behind it. Heat None: not checked, or none there."""

    kind: Kind
    bed_x_mm: float
    bed_y_mm: float
    height_mm: float
    origin: Origin = Origin.FRONT_LEFT
    min_x_margin_mm: float = 5.0
    min_y_margin_mm: float = 5.0
    max_x_margin_mm: float = 0.0
    max_y_margin_mm: float = 0.0
    below_mm: float = 0.5  # how far under Z 0 a move may go; a mill's depth of cut
    max_nozzle_c: float | None = None
    max_bed_c: float | None = None
    max_chamber_c: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    why: Why
    waivable: bool = False
    kinds: tuple[Kind, ...] = tuple(Kind)


_PERSISTS = _Rule(why=Why.PERSISTS)
_PERSISTS_WAIVABLE = _Rule(why=Why.PERSISTS, waivable=True)  # lost when the machine is switched off
_UNSAFE = _Rule(why=Why.UNSAFE)
_UNSAFE_WAIVABLE = _Rule(why=Why.UNSAFE, waivable=True)
_HOST = _Rule(why=Why.HOST)
_FILES = _Rule(why=Why.FILES)
_FILES_FDM = _Rule(why=Why.FILES, kinds=(Kind.FDM,))  # on a mill M30 ends the program
_STOPS = _Rule(why=Why.STOPS)
_REALTIME = _Rule(why=Why.REALTIME)

FORBIDDEN: dict[str, _Rule] = {
    "M500": _PERSISTS,  # save, load, reset settings
    "M501": _PERSISTS,
    "M502": _PERSISTS,
    "M503": _Rule(why=Why.PERSISTS, waivable=True),  # only tells them, but floods the answers
    "M504": _PERSISTS,
    "M505": _PERSISTS,
    "M92": _PERSISTS_WAIVABLE,  # steps per mm
    "M206": _PERSISTS_WAIVABLE,  # home offset
    "M218": _PERSISTS_WAIVABLE,  # tool offset
    "M301": _PERSISTS_WAIVABLE,  # heater control
    "M304": _PERSISTS_WAIVABLE,
    "M305": _UNSAFE,  # what sort of thermistor it is
    "M306": _PERSISTS_WAIVABLE,
    "M428": _PERSISTS_WAIVABLE,
    "M665": _PERSISTS_WAIVABLE,
    "M666": _PERSISTS_WAIVABLE,
    "M851": _PERSISTS_WAIVABLE,  # probe offset: the nozzle into the bed
    "M906": _PERSISTS_WAIVABLE,  # motor currents
    "M907": _PERSISTS_WAIVABLE,
    "M908": _PERSISTS_WAIVABLE,
    "M909": _PERSISTS_WAIVABLE,
    "M910": _PERSISTS_WAIVABLE,
    "G10 L": _PERSISTS,  # stored work offsets
    "G28.1": _PERSISTS,
    "G30.1": _PERSISTS,
    "G33": _PERSISTS,
    "M42": _UNSAFE,  # any pin of the board
    "M43": _UNSAFE,
    "M80": _UNSAFE,  # power supply
    "M81": _UNSAFE,
    "M211": _UNSAFE_WAIVABLE,  # software end stops off
    "M121": _UNSAFE_WAIVABLE,  # end stops off
    "M260": _UNSAFE,  # raw bytes on the board's bus
    "M261": _UNSAFE,
    "M302": _UNSAFE,  # cold extrusion
    "M303": _UNSAFE,  # heater tuning: full power, unattended
    "M562": _UNSAFE,  # clears a heater fault
    "M570": _UNSAFE,
    "M143": _UNSAFE,  # a heater's own limit
    "M575": _STOPS,  # line speed
    "M108": _STOPS,
    "M112": _STOPS,
    "M410": _STOPS,
    "M997": _STOPS,
    "M999": _STOPS,
    "M110": _Rule(why=Why.HOST, waivable=True),  # line numbers are the sender's
    "M118 ACTION": _HOST,
    "M20": _FILES,
    "M21": _FILES,
    "M22": _FILES,
    "M23": _FILES,
    "M24": _FILES,
    "M26": _FILES,
    "M27": _FILES,
    "M28": _FILES,
    "M29": _FILES,
    "M30": _FILES_FDM,
    "M32": _FILES,
    "M33": _FILES,
    "M34": _FILES,
    "M928": _FILES,
    "SAVE_CONFIG": _PERSISTS,
    "SAVE_VARIABLE": _PERSISTS,
    "RESTART": _STOPS,
    "FIRMWARE_RESTART": _STOPS,
    "CANCEL_PRINT": _STOPS,
    "CLEAR_PAUSE": _STOPS,
    "FORCE_MOVE": _UNSAFE,
    "SET_KINEMATIC_POSITION": _UNSAFE,
    "SET_PIN": _UNSAFE_WAIVABLE,
    "SET_HEATER_TEMPERATURE": _UNSAFE_WAIVABLE,  # a heat that the limits above do not see
    "PID_CALIBRATE": _UNSAFE,
    "RUN_SHELL_COMMAND": _HOST,
    "SDCARD_PRINT_FILE": _FILES,
    "SDCARD_RESET_FILE": _FILES,
    "$RST": _PERSISTS,
    "$N": _PERSISTS,
    "$I": _PERSISTS,
    "$X": _UNSAFE,  # goes on after an alarm without homing
    "$C": _STOPS,
    "$SLP": _STOPS,
    "$J": _STOPS,
    "!": _REALTIME,
    "~": _REALTIME,
    "?": _REALTIME,
    "NON_ASCII": _REALTIME,
}


def inspect(analysis: Analysis, envelope: Envelope) -> tuple[Refusal, ...]:
    """Every reason why this program may not run in `envelope`; empty if there is none. Nothing is raised."""
    return (
        *_kind(analysis, envelope),
        *_bounds(analysis, envelope),
        *_heat(analysis.stairs, envelope),
        *_commands(analysis, envelope),
    )


def rule_for(command: str) -> _Rule | None:
    """The rule for a command's normal form (`gcode.command_name`), if there is one."""
    if command.startswith("@"):
        return _HOST
    if command.startswith("$") and command[1:2].isdigit():
        return _PERSISTS
    return FORBIDDEN.get(command)


def _kind(analysis: Analysis, envelope: Envelope) -> Iterator[Refusal]:
    if analysis.kind is not envelope.kind:
        both_cut = Kind.FDM not in (analysis.kind, envelope.kind)
        yield Refusal(
            code="admission.wrong_kind",
            waivable=both_cut,  # a mill's and a laser's program may look the same
            facts={"program": analysis.kind.value, "machine": envelope.kind.value},
        )


def _bounds(analysis: Analysis, envelope: Envelope) -> Iterator[Refusal]:
    if envelope.origin is Origin.WORKPIECE:
        if analysis.travel_mm is not None:
            yield from _size(analysis.travel_mm, analysis.stairs, envelope)
        return
    x0, y0 = 0.0, 0.0
    if envelope.origin is Origin.CENTRE:
        x0, y0 = -envelope.bed_x_mm / 2.0, -envelope.bed_y_mm / 2.0
    stairs = analysis.stairs
    low = {
        "x": (stairs.min_x, x0 - envelope.min_x_margin_mm),
        "y": (stairs.min_y, y0 - envelope.min_y_margin_mm),
        "z": (stairs.min_z, -envelope.below_mm),
    }
    high = {
        "x": (stairs.max_x, x0 + envelope.bed_x_mm + envelope.max_x_margin_mm),
        "y": (stairs.max_y, y0 + envelope.bed_y_mm + envelope.max_y_margin_mm),
        "z": (stairs.max_z, envelope.height_mm),
    }
    for axis, (steps, limit) in low.items():
        if steps and -steps[-1].value < limit:
            yield _outside(axis, -steps[-1].value, limit, _first_above(steps, -limit))
    for axis, (steps, limit) in high.items():
        if steps and steps[-1].value > limit:
            yield _outside(axis, steps[-1].value, limit, _first_above(steps, limit))


def _size(box: Box, stairs: Stairs, envelope: Envelope) -> Iterator[Refusal]:
    sides = (
        ("x", box.max_x_mm - box.min_x_mm, envelope.bed_x_mm, stairs.min_x, stairs.max_x),
        ("y", box.max_y_mm - box.min_y_mm, envelope.bed_y_mm, stairs.min_y, stairs.max_y),
        ("z", box.max_z_mm - box.min_z_mm, envelope.height_mm, stairs.min_z, stairs.max_z),
    )
    for axis, size, limit, falling, rising in sides:
        if size > limit:
            yield Refusal(
                code="admission.too_large",
                facts={
                    "axis": axis,
                    "size_mm": round(size, 3),
                    "limit_mm": limit,
                    "line": _line_too_large(falling, rising, limit),
                },
            )


def _line_too_large(falling: tuple[Step, ...], rising: tuple[Step, ...], limit: float) -> int:
    """The first step at which the lowest and the highest place so far lie further apart than `limit`."""
    places = sorted(
        [(step.line, -step.value) for step in falling] + [(step.line, step.value) for step in rising]
    )
    low = high = places[0][1]
    for line, at in places:
        low, high = min(low, at), max(high, at)
        if high - low > limit:
            return line
    return places[-1][0]  # steps were forgotten: no later than here


def _first_above(steps: tuple[Step, ...], limit: float) -> int:
    return next(step.line for step in steps if step.value > limit)


def _outside(axis: str, value: float, limit: float, line: int) -> Refusal:
    code = "admission.too_high" if axis == "z" and value > limit else "admission.outside_bed"
    return Refusal(
        code=code, facts={"axis": axis, "value_mm": round(value, 3), "limit_mm": limit, "line": line}
    )


def _heat(stairs: Stairs, envelope: Envelope) -> Iterator[Refusal]:
    for code, steps, limit in (
        ("admission.nozzle_too_hot", stairs.nozzle, envelope.max_nozzle_c),
        ("admission.bed_too_hot", stairs.bed, envelope.max_bed_c),
        ("admission.chamber_too_hot", stairs.chamber, envelope.max_chamber_c),
    ):
        if limit is not None and steps and steps[-1].value > limit:
            yield Refusal(
                code=code,
                facts={"value_c": steps[-1].value, "limit_c": limit, "line": _first_above(steps, limit)},
            )


def _commands(analysis: Analysis, envelope: Envelope) -> Iterator[Refusal]:
    for incident in analysis.incidents:
        rule = rule_for(incident.command)
        if rule is not None and envelope.kind in rule.kinds:
            yield _forbidden(incident, rule)
    if analysis.incidents_hidden:
        yield Refusal(code="admission.too_many_unknown", facts={"count": analysis.incidents_hidden})


def _forbidden(incident: Incident, rule: _Rule) -> Refusal:
    return Refusal(
        code="admission.forbidden_command",
        waivable=rule.waivable,
        facts={
            "command": incident.command,
            "line": incident.line,
            "count": incident.count,
            "text": incident.text,
            "why_code": rule.why.value,
        },
    )
