"""What a machine does not let in: told all at once, each with its line and whether staff may wave it through."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from fablab.base.errors import Refusal
from fablab.programs import gcode
from fablab.programs.admission import FORBIDDEN, Envelope, Origin, inspect

Read = Callable[..., gcode.Analysis]

MK3S = Envelope(
    kind=gcode.Kind.FDM, bed_x_mm=250, bed_y_mm=210, height_mm=210, max_nozzle_c=300, max_bed_c=120
)
LASER = Envelope(kind=gcode.Kind.LASER, bed_x_mm=400, bed_y_mm=300, height_mm=10, origin=Origin.WORKPIECE)
PART = "G28\nM83\nG1 X10 Y10 Z.2\nG1 X50 E2\n"


def told(analysis: gcode.Analysis, envelope: Envelope = MK3S) -> list[tuple[str, object]]:
    return [(each.code, each.facts.get("line")) for each in inspect(analysis, envelope)]


def only(refusals: tuple[Refusal, ...]) -> Refusal:
    (refusal,) = refusals
    return refusal


@pytest.mark.parametrize("name", ["gear_mk3s_petg.gcode", "name_tag_ender3_pla.gcode"])
def test_real_prints_are_let_in_with_their_prime_line(samples: Path, name: str) -> None:
    assert inspect(gcode.analyse(BytesIO((samples / name).read_bytes())), MK3S) == ()


def test_a_real_laser_program_is_let_in(samples: Path) -> None:
    assert inspect(gcode.analyse([(samples / "box_side_laser.nc").read_bytes()]), LASER) == ()


@pytest.mark.parametrize(
    ("move", "code", "axis", "value"),
    [
        ("X251", "admission.outside_bed", "x", 251),
        ("X-5.5", "admission.outside_bed", "x", -5.5),
        ("Y300", "admission.outside_bed", "y", 300),
        ("Y-9", "admission.outside_bed", "y", -9),
        ("Z211", "admission.too_high", "z", 211),
        ("Z-1", "admission.outside_bed", "z", -1),
    ],
)
def test_moves_beyond_the_machine_are_refused(
    read: Read, move: str, code: str, axis: str, value: float
) -> None:
    refusal = only(inspect(read(PART + f"G1 {move}\nG1 X20\n"), MK3S))
    assert (refusal.code, refusal.waivable) == (code, False)
    assert (refusal.facts["axis"], refusal.facts["value_mm"], refusal.facts["line"]) == (axis, value, 5)


def test_the_first_offence_is_named_and_the_worst_value(read: Read) -> None:
    refusal = only(inspect(read(PART + "G1 X240\nG1 X255\nG1 X400\nG1 X260\n"), MK3S))
    assert (refusal.facts["line"], refusal.facts["value_mm"], refusal.facts["limit_mm"]) == (6, 400, 250)


def test_an_arc_that_swings_out_is_seen(read: Read) -> None:
    assert told(read(PART + "G1 X240 Y100\nG2 X240 Y60 J-20 E1\n")) == [("admission.outside_bed", 6)]


def test_margins_are_the_machines_own(read: Read) -> None:
    wide = replace(MK3S, max_x_margin_mm=10, min_y_margin_mm=20)
    assert told(read(PART + "G1 X259 Y-15\n"), wide) == []


def test_a_round_bed_counts_from_its_centre(read: Read) -> None:
    delta = replace(MK3S, origin=Origin.CENTRE)
    assert told(read(PART + "G1 X-100 Y-90\n"), delta) == []
    assert told(read(PART + "G1 X140\n"), delta) == [("admission.outside_bed", 5)]


def test_a_workpiece_is_checked_by_its_size(read: Read) -> None:
    fits = "M4 S0\nG1 X-100 Y-100 S100 F1000\nG1 X250\n"
    assert told(read(fits), LASER) == []
    refusal = only(inspect(read(fits + "G1 X320\nG1 X400\n"), LASER))
    assert (refusal.code, refusal.facts["size_mm"], refusal.facts["line"]) == ("admission.too_large", 500, 4)


def test_a_forgotten_step_still_gives_a_line(read: Read) -> None:
    moves = "".join(f"X{i}\n" for i in range(1, 700))
    refusal = only(inspect(read("M4 S0\nG1 S1 F1000 X0\n" + moves), replace(LASER, bed_x_mm=690.5)))
    assert 690 <= int(refusal.facts["line"] or 0) <= 701


def test_a_program_without_moves_is_within_any_bounds(read: Read) -> None:
    assert told(read("M3 S1\nM5\n"), replace(LASER, kind=gcode.Kind.LASER)) == []


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("M104 S500", "admission.nozzle_too_hot"),
        ("M109 R301", "admission.nozzle_too_hot"),
        ("M140 S121", "admission.bed_too_hot"),
        ("M190 S130", "admission.bed_too_hot"),
        ("M191 S90", "admission.chamber_too_hot"),
    ],
)
def test_too_much_heat_is_refused(read: Read, line: str, code: str) -> None:
    refusal = only(inspect(read(f"M104 S200\n{line}\n{PART}"), replace(MK3S, max_chamber_c=60)))
    assert (refusal.code, refusal.facts["line"], refusal.waivable) == (code, 2, False)


def test_heat_is_not_checked_where_no_limit_is_known(read: Read) -> None:
    assert told(read("M104 S500\n" + PART), replace(MK3S, max_nozzle_c=None)) == []


@pytest.mark.parametrize(
    ("line", "why"),
    [
        *((f"M{n}", "persists") for n in (500, 501, 502, 504)),
        ("M997", "stops"),
        ("M112", "stops"),
        ("M108", "stops"),
        ("M410", "stops"),
        ("M302 P1", "unsafe"),
        ("M303 E0 S240", "unsafe"),
        ("M42 P4 S255", "unsafe"),
        ("M80", "unsafe"),
        ("M81", "unsafe"),
        ("M28 x.g", "files"),
        ("M30 x.g", "files"),
        ("M32 x.g", "files"),
        ("$32=0", "persists"),
        ("$RST=*", "persists"),
        ("$X", "unsafe"),
        ("@pause", "host"),
        ("@anything at all", "host"),
        ("M118 A1 action:cancel", "host"),
        ("G10 L2 P1 X0", "persists"),
        ("SAVE_CONFIG", "persists"),
        ("run_shell_command CMD=x", "host"),
        ("G1 X5 ! Y5", "realtime"),
        ("é", "realtime"),
    ],
)
def test_dangerous_commands_cannot_be_waved_through(read: Read, line: str, why: str) -> None:
    refusal = only(inspect(read(PART + line + "\n"), MK3S))
    assert (refusal.code, refusal.waivable) == ("admission.forbidden_command", False)
    assert (refusal.facts["line"], refusal.facts["why_code"]) == (5, why)


@pytest.mark.parametrize("line", ["M92 E400", "M851 Z-1", "M301 P20", "M304 P1", "M211 S0", "M110 N0"])
def test_what_is_lost_at_power_off_may_be_waved_through(read: Read, line: str) -> None:
    assert only(inspect(read(PART + line + "\n"), MK3S)).waivable


def test_the_end_of_a_mills_program_is_no_deleted_file(read: Read) -> None:
    mill = Envelope(kind=gcode.Kind.CNC, bed_x_mm=300, bed_y_mm=200, height_mm=50, below_mm=20)
    assert told(read("G21\nM3 S9000\nG1 X5 Z-2 F300\nM5\nM30\n"), mill) == []


@pytest.mark.parametrize("line", ["M600", "M0", "M400", "START_PRINT BED_TEMP=60", "M1", "G29"])
def test_ordinary_commands_pass(read: Read, line: str) -> None:
    assert told(read(PART + line + "\n")) == []


def test_words_in_notes_and_messages_are_no_commands(read: Read) -> None:
    assert told(read(PART + "; M500\nM117 M500\n;@pause\nG1 X5 ; M112\n")) == []


def test_a_print_is_not_let_on_a_laser(read: Read) -> None:
    refusal = only(inspect(read(PART), LASER))
    assert (refusal.code, refusal.waivable) == ("admission.wrong_kind", False)


def test_a_laser_and_a_mill_may_be_mistaken_for_one_another(read: Read) -> None:
    assert only(inspect(read("G1 X5 F100\n"), LASER)).waivable


def test_all_refusals_come_at_once(read: Read) -> None:
    found = told(read(PART + "G1 X999\nM104 S999\nM500\n$1=1\n"))
    assert found == [
        ("admission.outside_bed", 5),
        ("admission.nozzle_too_hot", 6),
        ("admission.forbidden_command", 7),
        ("admission.forbidden_command", 8),
    ]


def test_too_many_odd_commands_are_a_refusal_of_their_own(read: Read) -> None:
    text = PART + "".join(f"MACRO_{i}\n" for i in range(300))
    assert told(read(text)) == [("admission.too_many_unknown", None)]


@pytest.mark.parametrize("command", FORBIDDEN)
def test_every_rule_stands_under_the_normal_form_that_reading_gives(command: str) -> None:
    written = {"G10 L": "G10 L20", "M118 ACTION": "M118 action:x", "NON_ASCII": "é"}.get(command, command)
    assert gcode.command_name(written) == command


@pytest.mark.parametrize("command", [each for each in FORBIDDEN if each[0] in "GM$"])
def test_every_forbidden_command_is_noticed_in_a_program(read: Read, command: str) -> None:
    written = {"G10 L": "G10 L20 P1", "M118 ACTION": "M118 action:x"}.get(command, command)
    assert [each.command for each in read(f"G28\n{written}\n").incidents] == [command]
