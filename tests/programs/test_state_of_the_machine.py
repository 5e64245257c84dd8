"""Positions, filament, modes and heat: what a program leaves behind after each command."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from fablab.programs import gcode

Read = Callable[..., gcode.Analysis]
FREE = gcode.MachineLimits(jerk_mm_s=(1e3, 1e3, 1e3, 1e3))


def span(box: gcode.Box | None) -> tuple[float, ...]:
    assert box is not None
    return tuple(
        round(v, 6)
        for v in (box.min_x_mm, box.max_x_mm, box.min_y_mm, box.max_y_mm, box.min_z_mm, box.max_z_mm)
    )


def test_work_and_travel_have_boxes_of_their_own(read: Read) -> None:
    found = read("G28\nG1 X10 Y20 Z.2\nG1 X30 Y20 E1\nG1 X100 Y-3\n")
    assert span(found.work_mm) == (10, 30, 20, 20, 0.2, 0.2)
    assert span(found.travel_mm) == (10, 100, -3, 20, 0.2, 0.2)


def test_a_program_without_moves_has_no_box(read: Read) -> None:
    found = read("M104 S200\n")
    assert (found.work_mm, found.travel_mm, found.moves) == (None, None, 0)


def test_relative_moves_add_up(read: Read) -> None:
    found = read("G91\nG1 X10 E1\nG1 X10 E1\nG90\nG1 X5\n")
    assert (span(found.travel_mm)[:2], found.filament_mm, found.relative) == ((5, 20), 2, True)


def test_inches_become_millimetres(read: Read) -> None:
    found = read("G20\nG1 X2 E1\nG21\nG1 Y10\n")
    assert (span(found.travel_mm)[:4], found.filament_mm, found.inches) == ((50.8, 50.8, 10, 10), 25.4, True)


@pytest.mark.parametrize(
    ("text", "used_mm"),
    [
        ("M82\nG1 X1 E5\nG1 X2 E8\n", 8),
        ("M83\nG1 X1 E5\nG1 X2 E8\n", 13),
        ("G1 X1 E5\nG92 E0\nG1 X2 E5\n", 10),
        ("G1 X1 E5\nG92\nG1 X2 E5\n", 10),
        ("M83\nG1 X1 E5\nG1 E-2\nG1 E2\nG1 E-2\n", 5),  # taken back is not used
        ("M83\nM221 S90\nG1 X1 E10\n", 9),
        ("M83\nM221 T1 S90\nG1 X1 E10\n", 10),  # another tool's flow
        ("M83\nG1 X1 E5\nG10\nG1 X9\nG11\n", 5),
        ("M83\nG10 P0 S200 R150\nG1 X1 E5\n", 5),
        ("M82\nG91\nG1 X1 E5\nG1 X1 E5\n", 10),
    ],
)
def test_filament_is_counted(read: Read, text: str, used_mm: float) -> None:
    assert read(text).filament_mm == pytest.approx(used_mm)


def test_volumetric_extrusion_is_turned_into_length(read: Read) -> None:
    area = math.pi * 1.75**2 / 4
    assert read(f"M200 D1.75\nM83\nG1 X1 E{area:.9f}\nM200 D0\nG1 X2 E1\n").filament_mm == pytest.approx(2)


def test_each_tool_counts_its_own_filament(read: Read) -> None:
    found = read("M83\nT0\nG1 X1 E1\nT1\nG1 X2 E5\nT0\nG1 X3 E1\nT255\nTx\n")
    assert [(one.tool, one.used_mm) for one in found.filament] == [(0, 2), (1, 5)]
    assert (found.tool_changes, found.tools) == (2, (0, 1))


def test_grams_follow_from_length_where_nobody_states_them(read: Read) -> None:
    found = read("; filament_type = PETG\nM83\nG1 X1 E1000\n")
    assert found.filament_g == pytest.approx(math.pi * 1.75**2 / 4 * 1.27)
    assert found.filament[0].weight_source is gcode.Source.MOTION


def test_g92_moves_the_count_and_not_the_machine(read: Read) -> None:
    found = read("G28\nG1 X100\nG92 X0\nG1 X50\nG92.1\nG1 X20\n")
    assert span(found.travel_mm)[:2] == (20, 150)


def test_g92_without_words_sets_all_to_zero(read: Read) -> None:
    assert span(read("G1 X10 Y10\nG92\nG1 X5\n").travel_mm)[:2] == (10, 15)


def test_homing_brings_the_named_axes_back(read: Read) -> None:
    found = read("G1 X50 Y50\nG28 X\nG91\nG1 X1 Y1\n")
    assert (span(found.travel_mm)[:4], found.homes) == ((1, 50, 50, 51), 1)


def test_heat_is_noted_with_the_line_of_the_highest(read: Read) -> None:
    found = read("M104 S200\nM140 S60\nM109 R215\nM190 S55\nM141 S40\nM104 S0\n")
    assert (found.nozzle_c, found.nozzle_line) == (215, 3)
    assert (found.bed_c, found.bed_line, found.chamber_c) == (60, 2, 40)


def test_waiting_for_heat_stops_the_machine(read: Read) -> None:
    through = read("G1 X50 F6000\nG1 X100\n").motion_s
    assert read("G1 X50 F6000\nM109 S200\nG1 X100\n").motion_s > through


def test_layers_are_counted_by_height_where_no_note_says_so(read: Read) -> None:
    found = read("M83\nG1 Z.2\nG1 X5 E1\nG1 Z.6\nG1 X9\nG1 Z.4\nG1 X1 E1\nG1 Z.4 X3 E1\n")
    assert found.layers == 2


@pytest.mark.parametrize("note", [";LAYER_CHANGE", ";LAYER:7", "; CHANGE_LAYER", "; layer 3, Z = 0.6"])
def test_layer_notes_of_the_slicers_are_counted(read: Read, note: str) -> None:
    text = f"M83\n{note}\nG1 Z.2\nG1 X5 E1\n{note}\nG1 X6 E1\n{note}\nG1 X7 E1\n"
    assert read(text).layers == 3


def test_layer_count_is_no_layer(read: Read) -> None:
    assert read(";LAYER_COUNT:9\n;LAYER:0\nG1 X1 E1\n").layers == 1


@pytest.mark.parametrize(
    ("text", "box"),
    [
        ("G1 X10 Y0\nG3 X0 Y10 I-10 J0 E1\n", (0, 10, 0, 10)),
        ("G1 X10 Y0\nG2 X0 Y10 I-10 J0 E1\n", (-10, 10, -10, 10)),
        ("G1 X10 Y0\nG3 I-10 E1\n", (-10, 10, -10, 10)),
        ("G1 X10 Y0\nG3 X0 Y10 R10 E1\n", (0, 10, 0, 10)),
        ("G1 X10 Y0\nG3 X0 Y10 R-10 E1\n", (0, 20, 0, 20)),
        ("G1 X0 Y10\nG2 X10 Y0 R10 E1\n", (0, 10, 0, 10)),
    ],
)
def test_arcs_reach_their_outermost_points(read: Read, text: str, box: tuple[float, ...]) -> None:
    found = read(text)
    assert span(found.work_mm)[:4] == pytest.approx(box)
    assert found.arcs == 1


def test_a_circle_takes_the_time_of_its_length(read: Read) -> None:
    assert read("G1 X10\nG4\nG3 I-10 F600\n", FREE).motion_s == pytest.approx(2 * math.pi + 10 / 25, rel=1e-3)


@pytest.mark.parametrize("code", ["G2", "G3"])
@pytest.mark.parametrize("centre", ["I10", "I-10", "J10", "J-10", "I6 J8", "I-6 J8"])
def test_a_whole_circle_is_one_in_every_direction(read: Read, code: str, centre: str) -> None:
    found = read(f"G1 X50 Y50 F600\nG4\n{code} {centre} E1\n", FREE)
    x0, x1, y0, y1, *_ = span(found.work_mm)
    assert (x1 - x0, y1 - y0) == (pytest.approx(20), pytest.approx(20))
    assert found.motion_s == pytest.approx(math.hypot(50, 50) / 10 + 2 * math.pi, rel=1e-3)


def test_a_helix_climbs(read: Read) -> None:
    found = read("G1 X10 F600\nG2 X10 Y0 Z5 I-10 E1\n", FREE)
    assert span(found.travel_mm)[5] == 5
    assert found.motion_s == pytest.approx(1 + math.hypot(2 * math.pi * 10, 5) / 10, rel=1e-3)


@pytest.mark.parametrize(
    ("text", "axis"),
    [("G18\nG1 X10\nG2 X0 Z10 I-10 K0\n", 4), ("G19\nG1 Y10\nG3 Y0 Z10 J-10 K0\n", 4)],
)
def test_arcs_lie_in_the_chosen_plane(read: Read, text: str, axis: int) -> None:
    box = span(read(text).travel_mm)
    assert box[axis : axis + 2] in {(0, 10), (-10, 10), (10, 10)}


@pytest.mark.parametrize("words", ["X10", "X10 R0", "R5", "X10 I0 J0"])
def test_an_arc_that_is_none_is_a_straight_move(read: Read, words: str) -> None:
    found = read(f"G2 {words} F600\n")
    assert (found.arcs, found.moves) == (0, 1)


def test_a_laser_cuts_only_with_its_beam_on(read: Read) -> None:
    found = read("G21\nG90\nM4 S0\nG0 X10\nG1 X20 S200 F1000\nX30 Y5\nG0 X50\nS0\nG1 X60\nM5\nG1 X70\n")
    assert found.kind is gcode.Kind.LASER
    assert span(found.work_mm)[:4] == (10, 30, 0, 5)
    assert span(found.travel_mm)[:2] == (10, 70)


def test_commands_sharing_a_line_all_count(read: Read) -> None:
    found = read(
        "N10 G21 G91 M3 S100 G1 X10 F600 *71\nX10\n/ G1 X10\n% \nF1200\n(a remark) G1 X10 (another\n"
    )
    assert span(found.travel_mm)[1] == 40


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("G1 X1 E1\n", "fdm"),
        ("M104 S200\nG1 X1\n", "fdm"),
        ("M3 S1000\nG1 Z-1 X5\n", "cnc"),
        ("M3 S1000\nG81 X5 Z-3 R1\nG1 X1\n", "cnc"),
        ("G1 X5 Y5\n", "cnc"),
        ("; technology: laser\nG1 X5\n", "laser"),
        ("M3 S255\nG1 X5\n", "laser"),
    ],
)
def test_the_kind_follows_from_the_commands(read: Read, text: str, kind: str) -> None:
    assert read(text).kind == kind


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("M500 ; save", "M500"),
        ("m0500", "M500"),
        ("M118 A1 action:cancel", "M118 ACTION"),
        ("M118 hello", "M118"),
        ("$32=1", "$32"),
        ("$RST=*", "$RST"),
        ("$", "$"),
        ("@pause now", "@PAUSE"),
        ("SAVE_CONFIG", "SAVE_CONFIG"),
        ("set_pin PIN=x VALUE=1", "SET_PIN"),
        ("_MY_MACRO", "_MY_MACRO"),
        ("G10 L2 P1 X5", "G10 L"),
        ("G28.1", "G28.1"),
        ("M1234567", "M1234567"),
        ("!", "!"),
        ("\u20ac", "NON_ASCII"),
        ("G1 X1 ~", "~"),
    ],
)
def test_rare_commands_are_noted_in_their_normal_form(read: Read, text: str, name: str) -> None:
    found = read(f"G28\n{text}\n{text}\n")
    assert [(one.command, one.line, one.count) for one in found.incidents] == [(name, 2, 2)]


def test_everyday_commands_are_no_incidents(read: Read) -> None:
    text = 'G28 W\nG29\nG80\nM17\nM73 P1 R2\nM106 S255\nM117 M500 soon\nM862.3 P "MK3S"\nM900 K.05\nM84 XYZ\n'
    assert read(text).incidents == ()


def test_rare_commands_are_bounded_and_the_rest_is_counted(read: Read) -> None:
    found = read("G28\n" + "".join(f"${i}=1\n" for i in range(300)))
    assert (len(found.incidents), found.incidents_hidden) == (256, 44)


def test_more_events_than_the_kernel_has_room_for_are_all_told(read: Read) -> None:
    found = read("G28\n" + "M500\n" * 9000)
    assert found.incidents[0].count == 9000


def test_steps_are_thinned_but_the_highest_stays(read: Read) -> None:
    found = read("".join(f"G1 Z{i}\n" for i in range(1, 501)))
    steps = found.stairs.max_z
    assert len(steps) <= 128
    assert (steps[-1].value, steps[-1].line) == (500, 500)


@pytest.mark.parametrize(
    ("number", "value"),
    [
        ("1", 1),
        ("-.5", -0.5),
        ("+2.", 2),
        ("0010.250", 10.25),
        ("1" + "0" * 20, 1e20),
        ("0." + "1" * 30, 1 / 9),
    ],
)
def test_numbers_are_read_as_written(read: Read, number: str, value: float) -> None:
    found = read(f"G92 X{number}\nG28\nG91\nG1 X{number}\n" if value < 1e9 else f"M104 S{number}\n")
    got = found.nozzle_c if value > 1e9 else found.travel_mm and found.travel_mm.max_x_mm
    assert got == pytest.approx(value)


def test_words_beyond_eight_codes_are_let_go(read: Read) -> None:
    assert read("G21 G90 G17 G54 G94 G40 G49 G64 G1 X5\n").moves == 0


def test_lower_case_and_blanks_are_understood(read: Read) -> None:
    assert span(read("g1 x 10\ty 5 e 1\n").work_mm)[:4] == (0, 10, 0, 5)
