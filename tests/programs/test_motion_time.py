"""The planner against arithmetic done by hand: ramps, corners, limits, dwell."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import ModuleType

import pytest

from fablab.programs import gcode

Read = Callable[..., gcode.Analysis]

# 1000 mm/s2 everywhere, no jerk at all: every move begins and ends at rest unless it goes straight on
STIFF = gcode.MachineLimits(
    feed_mm_s=(500, 500, 500, 500),
    acceleration_mm_s2=(1000, 1000, 1000, 1000),
    jerk_mm_s=(0, 0, 0, 0),
    print_mm_s2=1000,
    retract_mm_s2=1000,
    travel_mm_s2=1000,
)
LOOSE = gcode.MachineLimits(
    feed_mm_s=(500, 500, 500, 500),
    acceleration_mm_s2=(1000, 1000, 1000, 1000),
    jerk_mm_s=(10, 10, 10, 10),
    print_mm_s2=1000,
    retract_mm_s2=1000,
    travel_mm_s2=1000,
)


def test_a_long_move_speeds_up_cruises_and_brakes(read: Read) -> None:
    # 100 mm/s after 0.1 s and 5 mm, the same at the end, 90 mm between at full speed
    assert read("G1 X100 F6000\n", STIFF).motion_s == pytest.approx(0.1 + 0.9 + 0.1)


def test_a_short_move_never_reaches_its_feed(read: Read) -> None:
    # half of 4 mm at 1000 mm/s2 takes sqrt(2 * 2 / 1000) s
    assert read("G1 X4 F60000\n", STIFF).motion_s == pytest.approx(2 * math.sqrt(4 / 1000))


def test_two_halves_of_a_straight_way_take_as_long_as_the_whole(read: Read) -> None:
    whole = read("G1 X100 F6000\n", STIFF).motion_s
    halves = read("G1 X50 F6000\nG1 X100\n", STIFF).motion_s
    assert halves == pytest.approx(whole)


def test_turning_back_means_stopping(read: Read) -> None:
    there = read("G1 X100 F6000\n", STIFF).motion_s
    assert read("G1 X100 F6000\nG1 X0\n", STIFF).motion_s == pytest.approx(2 * there)


def test_a_square_corner_is_taken_at_the_jerk_limit(read: Read) -> None:
    # from and to the jerk speed of 10 mm/s at both ends of both moves: 0.09 s and 4.95 mm a ramp
    one = 0.09 + (100 - 2 * 4.95) / 100 + 0.09
    assert read("G1 X100 F6000\nG1 Y100\n", LOOSE).motion_s == pytest.approx(2 * one)


def test_a_gentle_corner_is_taken_faster_than_a_square_one(read: Read) -> None:
    gentle = read("G1 X50 F6000\nG1 X100 Y2\n", LOOSE).motion_s
    assert gentle < read("G1 X50 F6000\nG1 X50 Y50.04\n", LOOSE).motion_s


def test_a_faster_move_brakes_for_a_slower_one(read: Read) -> None:
    # 45 mm at 100 mm/s after ramps 0 -> 100 and 100 -> 50, then 50 mm at 50 mm/s with one ramp to rest
    first = 0.1 + 0.05 + (100 - 5 - 3.75) / 100
    second = 0.05 + (50 - 1.25) / 50
    assert read("G1 X100 F6000\nG1 X150 F3000\n", STIFF).motion_s == pytest.approx(first + second)


def test_an_axis_keeps_its_own_speed_limit(read: Read) -> None:
    slow_z = gcode.MachineLimits(feed_mm_s=(500, 500, 10, 60), jerk_mm_s=(1e3, 1e3, 1e3, 1e3))
    assert read("G1 Z100 F6000\n", slow_z).motion_s == pytest.approx(10.0)


def test_limits_that_the_program_sets_count_from_there_on(read: Read) -> None:
    text = "M201 X500\nM204 P500 T500 R500\nM203 X50\nG1 X100 F60000\n"
    # 50 mm/s at 500 mm/s2: ramps of 0.1 s and 2.5 mm
    assert read(text, STIFF).motion_s == pytest.approx(0.2 + 95 / 50)


def test_the_older_m204_names_print_and_retraction(read: Read) -> None:
    text = "M204 S250 T500\nG1 X4 F60000\nG1 E4 F60000\n"
    assert read(text, STIFF).motion_s == pytest.approx(2 * math.sqrt(4 / 250) + 2 * math.sqrt(4 / 500))


def test_nonsense_limits_are_not_believed(read: Read) -> None:
    text = "M201 X0 Y-5\nM203 X0\nM204 S0 P0\nM204 P0 R0 T0\nM205 S-1 T-1\nM220 S0\nM221 S0\nG1 X100 F6000\n"
    assert read(text, STIFF).motion_s == pytest.approx(1.1)


def test_lowest_feeds_are_kept(read: Read) -> None:
    assert read("M205 T100 S100\nG1 X100 F60\n", STIFF).motion_s == pytest.approx(1.1)


def test_junction_deviation_takes_the_place_of_jerk(read: Read) -> None:
    # a right angle: v2 = a * J * sin45 / (1 - sin45), with a limited to sqrt(2) times an axis' 1000
    text = "M205 J0.02\nG1 X100 F6000\nG1 Y100\n"
    corner = math.sqrt(1000 * 0.02 * math.sqrt(0.5) / (1 - math.sqrt(0.5)))
    ramp = (100 - corner) / 1000
    way = (100**2 - corner**2) / 2000
    one = 0.1 + ramp + (100 - 5 - way) / 100
    assert read(text, STIFF).motion_s == pytest.approx(2 * one, rel=1e-6)


def test_junction_deviation_stops_for_a_way_back_and_flies_straight_on(read: Read) -> None:
    back = read("M205 J0.02\nG1 X100 F6000\nG1 X0\n", STIFF).motion_s
    on = read("M205 J0.02\nG1 X50 F6000\nG1 X100\n", STIFF).motion_s
    assert (back, on) == (pytest.approx(2.2), pytest.approx(1.1))


def test_short_pieces_of_a_curve_are_held_to_its_radius(read: Read) -> None:
    def circle(step_mm: float) -> float:
        count = int(2 * math.pi * 5 / step_mm)
        points = [
            f"G1 X{5 * math.cos(2 * math.pi * i / count):.5f} Y{5 * math.sin(2 * math.pi * i / count):.5f}"
            for i in range(count)
        ]
        return read("M205 J0.05\nG1 X5 Y0 F30000\n" + "\n".join(points), STIFF).motion_s

    # at a = v2 / r the circle may not be run faster than sqrt(1000 * 5) mm/s
    assert circle(0.25) >= 2 * math.pi * 5 / math.sqrt(5000) * 0.95


def test_speed_override_makes_everything_faster(read: Read) -> None:
    assert read("M220 S200\nG1 X100 F3000\n", STIFF).motion_s == pytest.approx(1.1)


@pytest.mark.parametrize(
    ("text", "dwell_s"), [("G4 S2\n", 2), ("G4 P1500\n", 1.5), ("G4\n", 0), ("G4 P-5\n", 0)]
)
def test_dwell_counts_and_stops_the_machine(read: Read, text: str, dwell_s: float) -> None:
    moves = read(f"G1 X50 F6000\n{text}G1 X100\n", STIFF).motion_s
    assert moves == pytest.approx(2 * (0.2 + 0.4) + dwell_s)


def test_grbl_dwells_in_seconds(read: Read) -> None:
    assert read("M3 S0\nG4 P2\n").motion_s == pytest.approx(2.0)


def test_filament_only_moves_take_their_time(read: Read) -> None:
    assert read("M83\nG1 E100 F6000\n", STIFF).motion_s == pytest.approx(1.1)


def test_a_rapid_of_a_laser_goes_as_fast_as_the_axis(read: Read) -> None:
    assert read("M4 S0\nG1 F60\nG0 X500\n", STIFF).motion_s == pytest.approx(0.5 + 0.5 + 0.5)


def test_more_moves_than_the_queue_holds_are_planned_as_one_way(read: Read, kernel: ModuleType) -> None:
    count = 3 * kernel.QUEUE
    pieces = "".join(f"G1 X{i}\n" for i in range(1, count + 1))
    assert read("G1 F6000\n" + pieces, STIFF).motion_s == pytest.approx(count / 100 + 0.1)


def test_a_way_too_short_to_brake_is_an_even_ramp(plain_kernel: ModuleType) -> None:
    assert plain_kernel.trapezoid_s(1.0, 10.0, 100.0, 90.0, 10.0) == pytest.approx(2 / 100)
