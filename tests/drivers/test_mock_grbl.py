"""The mocked GRBL does what a real 1.1h does: against its documents and recorded words, not against our driver."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from drivers.mock.grbl.faults import Fault
from drivers.mock.grbl.firmware import Firmware
from drivers.mock.grbl.motion import Axes, Motion, Move
from drivers.mock.grbl.settings import Settings

BANNER = ["", "Grbl 1.1h ['$' for help]"]
LOCKED = "[MSG:'$H'|'$X' to unlock]"


class Bench:
    """A firmware in the hand, without wire or clock: `ask` sends bytes and gives the lines that come back."""

    def __init__(
        self,
        *,
        speed: float = 1.0,
        faults: tuple[str, ...] = (),
        settings: Mapping[int, float] | None = None,
        **more: Any,
    ) -> None:
        self.accepted: list[bytes] = []
        self.wall = 0.0
        eeprom = Settings()
        for number, value in (settings or {}).items():
            eeprom.store(number, value)
        self.firmware = Firmware(
            name="bench",
            speed=speed,
            accept=self.accepted.append,
            settings=eeprom,
            faults=[Fault.parse(text) for text in faults],
            **more,
        )
        self.machine = self.firmware.machine
        self.firmware.boot(0.0)
        self.banner = self.take()

    def take(self) -> list[str]:
        lines = self.firmware.out.decode("latin-1").split("\r\n")[:-1]
        self.firmware.out.clear()
        return lines

    def ask(self, data: str | bytes) -> list[str]:
        self.firmware.receive(data.encode() if isinstance(data, str) else data, self.wall)
        self.firmware.run(self.wall)
        return self.take()

    def wait(self, seconds: float, step_s: float = 0.01) -> list[str]:
        for _ in range(round(seconds / step_s)):
            self.wall += step_s
            self.firmware.run(self.wall)
        return self.take()

    def at(self) -> tuple[float, ...]:
        return self.machine.motion.position

    def state(self) -> str:
        return self.ask("?")[-1][1:].split("|")[0]

    def strike(self, fault: str) -> list[str]:
        self.firmware.strike(Fault.parse(fault), self.wall)
        self.firmware.run(self.wall)
        return self.take()


def running(*lines: str, **bench: Any) -> Bench:
    """A machine on its way with the beam at 500, after half a second."""
    it = Bench(**bench)
    it.ask("M4 S500\nG1 X100 F1200\n" + "".join(f"{line}\n" for line in lines))
    it.wait(0.5)
    return it


# -- words ----------------------------------------------------------------------------------------------


def test_it_boots_with_a_banner_and_nothing_else() -> None:
    assert Bench().banner == BANNER


def test_a_new_one_says_error_7_and_all_its_settings_before_its_first_banner() -> None:
    bench = Bench(factory_new=True)
    assert bench.banner[:2] == ["error:7", "$0=10"]
    assert bench.banner[-2:] == BANNER
    bench.firmware.boot(0.0)
    assert bench.take() == BANNER


def test_it_tells_its_build_and_its_buffers() -> None:
    assert Bench().ask("$I\n") == ["[VER:1.1h.20190830:]", "[OPT:V,15,128]", "ok"]


def test_it_tells_settings_modes_parameters_startup_lines_and_help() -> None:
    bench = Bench()
    settings = bench.ask("$$\n")
    assert {"$10=1", "$32=1", "$30=1000.000", "$110=12000.000"} < set(settings)
    assert bench.ask("$G\n") == ["[GC:G0 G54 G17 G21 G90 G94 M5 M9 T0 F0 S0]", "ok"]
    assert bench.ask("$#\n")[0] == "[G54:0.000,0.000,0.000]"
    assert bench.ask("$N\n") == ["$N0=", "$N1=", "ok"]
    assert bench.ask("$\n")[0].startswith("[HLP:$$ $#")


def test_the_status_rotates_offset_and_overrides() -> None:
    bench = Bench()
    reports = [bench.ask("?")[0] for _ in range(12)]
    assert reports[0] == "<Idle|MPos:0.000,0.000,0.000|FS:0,0|WCO:0.000,0.000,0.000>"
    assert reports[1] == "<Idle|MPos:0.000,0.000,0.000|FS:0,0|Ov:100,100,100>"
    assert reports[2] == "<Idle|MPos:0.000,0.000,0.000|FS:0,0>"
    assert [at for at, line in enumerate(reports) if "WCO" in line] == [0, 10]


def test_the_mask_chooses_work_position_and_buffers() -> None:
    bench = Bench(settings={10: 2})
    bench.ask("G92 X5\n")
    assert bench.ask("?")[0].startswith("<Idle|WPos:5.000,0.000,0.000|Bf:15,128|FS:0,0|WCO:-5.000")


def test_a_carriage_return_ends_a_line_and_with_a_line_feed_there_are_two() -> None:
    bench = Bench()
    assert bench.ask("G21\r") == ["ok"]
    assert bench.ask("G21\r\n") == ["ok", "ok"]


def test_comments_blanks_case_and_block_delete_do_not_count() -> None:
    bench = Bench()
    assert bench.ask("/ g1 x 1 (words; and G0) f600 ; more\n") == ["ok"]
    assert bench.ask("; only words\n") == ["ok"]
    assert bench.wait(1) == []
    assert bench.at()[0] == pytest.approx(1)


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["10"], 1),
        (["GX"], 2),
        (["G1 X F600"], 2),
        (["$100"], 3),
        (["$999=1"], 3),
        (["$Jx"], 3),
        (["$CC"], 3),
        (["$HX"], 3),
        (["$RST=X"], 3),
        (["$100=5x"], 3),
        (["$N7=G21"], 3),
        (["G4 P-1"], 4),
        (["$100=-5"], 4),
        (["$H"], 5),
        (["$0=2"], 6),
        (["$20=1"], 10),
        (["G1 " + "X1 " * 40], 11),
        (["$J=G91 X1"], 22),
        (["$J=G91 F100"], 26),
        (["$J=G91 X1 F100 M3"], 16),
        (["$J=G28 X1 F100"], 16),
        (["$J=G91 X1 F100 S5"], 36),
        (["S1e3"], 20),
        (["G5"], 20),
        (["G43 Z1"], 20),
        (["G90.1"], 20),
        (["M6"], 20),
        (["G10 L3 P1 X1"], 20),
        (["G10 L2 P1 X1 R1"], 20),
        (["A1"], 20),
        (["G0 G90 G91"], 21),
        (["M3 M5"], 21),
        (["G1 X10"], 22),
        (["G93 G1 X10"], 22),
        (["G1.5 X10 F100"], 23),
        (["M3.5"], 23),
        (["G28 G0 X1"], 24),
        (["G1 X1 X2 F100"], 25),
        (["G2 F100"], 26),
        (["G10 L2 P1"], 26),
        (["G92"], 26),
        (["G38.2 F100"], 26),
        (["N10000001 G21"], 27),
        (["G4"], 28),
        (["G10 X1"], 28),
        (["G10 L2 P9 X1"], 29),
        (["F100", "G2 X1 I1 G53"], 30),
        (["G80 X1"], 31),
        (["G17 G2 Z1 I1 F100"], 32),
        (["G2 X10 I1 F100"], 33),
        (["G2 X0 R5 F100"], 33),
        (["G38.2 X0 F100"], 33),
        (["G2 X100 R1 F100"], 34),
        (["G2 X10 F100"], 35),
        (["G21 X1 I1 F100"], 36),
        (["G21 P1"], 36),
        (["G43.1 X1"], 37),
        (["T256"], 38),
    ],
)
def test_a_wrong_line_gets_its_error_and_changes_nothing(lines: list[str], code: int) -> None:
    bench = Bench()
    *before, wrong = lines
    for line in before:
        assert bench.ask(f"{line}\n") == ["ok"]
    modes = bench.ask("$G\n")
    assert bench.ask(f"{wrong}\n") == [f"error:{code}"]
    assert bench.ask("$G\n") == modes
    assert bench.firmware.refused == [(wrong.strip(), code)]


def test_after_an_error_the_next_lines_still_run() -> None:
    assert Bench().ask("G21\nG5\nG90\n") == ["ok", "error:20", "ok"]


# -- the buffer -----------------------------------------------------------------------------------------


def test_sixty_moves_at_once_overflow_the_buffer_in_silence() -> None:
    bench = Bench()
    bench.ask("F60\n")
    said = bench.ask("".join(f"G1X{n % 7}.{n % 10}00\n" for n in range(1, 61)))
    said += bench.wait(600, step_s=0.5)
    assert said == ["ok"] * 30  # fifteen planned, one at hand, fourteen in the buffer
    assert bench.firmware.rx_lost == 30 * 9 - 2


def test_lost_bytes_merge_two_lines() -> None:
    bench = Bench()
    bench.ask("F600\n" + "".join(f"G1X{n}\n" for n in range(1, 18)))  # the last one is in the buffer
    assert bench.ask("(" + "x" * 119 + "\nG21\n") == []
    assert bench.firmware.rx_lost == 3
    assert bench.wait(3) == ["ok", "ok", "ok"]
    assert bench.ask("G90\n") == ["error:2"]  # it read GG90


def test_realtime_bytes_take_no_room_and_are_obeyed_even_in_a_comment() -> None:
    bench = running()
    assert bench.ask("(Fini ") == []
    assert bench.ask("!") == []
    assert bench.state() == "Hold:1"
    bench.wait(0.5)
    assert bench.state() == "Hold:0"
    assert bench.ask(") M5\n") == []  # no line is looked at in a hold
    assert bench.ask("~") == []
    assert bench.wait(10)[-1:] == ["ok"]


def test_an_accent_in_a_comment_is_an_override_or_a_door() -> None:
    bench = running()
    bench.ask(b"(\x91\x91)")  # the second byte of some letters in UTF-8
    assert bench.machine.overrides.feed == 120
    assert bench.ask(b"(\x84)")[0] == "[MSG:Check Door]"


def test_a_line_of_any_length_does_not_fill_the_buffer_while_nothing_is_executed() -> None:
    bench = Bench()
    assert bench.ask("(" + "x" * 9000 + ")\n") == ["ok"]
    assert bench.firmware.rx_lost == 0


def test_writing_a_setting_deafens_it_for_a_moment() -> None:
    bench = Bench()
    assert bench.ask("$110=5000\n$111=5000\n?") == []
    assert bench.wait(0.1) == ["ok"]
    assert (bench.machine.settings[110], bench.machine.settings[111]) == (5000, 12000)


# -- motion ---------------------------------------------------------------------------------------------


def test_fifteen_blocks_are_planned_and_the_sixteenth_ok_waits() -> None:
    bench = Bench()
    bench.ask("F60\n")
    assert bench.ask("".join(f"G1X{n}\n" for n in range(1, 18))) == ["ok"] * 15
    assert bench.wait(1.2) == ["ok"]


def test_a_move_takes_its_trapezoid() -> None:
    bench = Bench(settings={120: 100})
    bench.ask("G1 X20 F1200\n")
    bench.wait(0.1)
    assert bench.ask("?")[0] == "<Run|MPos:0.500,0.000,0.000|FS:600,0|WCO:0.000,0.000,0.000>"
    bench.wait(1.0)
    assert bench.state() == "Run"
    bench.wait(0.11)
    assert bench.state() == "Idle"
    assert bench.at()[0] == 20


def test_a_straight_line_in_pieces_is_driven_through_and_a_corner_is_not() -> None:
    def seconds(*targets: tuple[float, float]) -> float:
        motion = Motion(axes=Axes(max_rate=(200.0,) * 3, acceleration=(500.0,) * 3))
        for x, y in targets:
            motion.add(Move(target=(x, y, 0.0), feed=100.0))
        took = 0.0
        while motion.blocks:
            took += motion.block_s
            motion.advance(motion.block_s + 1e-9)
        return took

    whole = seconds((100, 0))
    assert seconds(*[(float(n), 0.0) for n in range(10, 101, 10)]) == pytest.approx(whole, abs=1e-3)
    assert seconds((50, 0), (50, 50)) > whole + 0.1
    assert seconds((50, 0), (0, 0)) > whole + 0.15


def test_two_thousand_short_moves_obey_a_machines_limits() -> None:
    motion = Motion(axes=Axes(max_rate=(100.0,) * 3, acceleration=(1000.0,) * 3))
    added = 0
    while motion.blocks or added < 2000:
        while added < 2000 and not motion.full:
            added += 1
            motion.add(Move(target=(added * 0.1, (added % 2) * 0.02, 0.0), feed=100.0))
        before = motion.speed
        motion.advance(0.002)
        assert motion.speed <= 100.0 + 1e-6
        assert abs(motion.speed - before) <= 1000.0 * 1.5 * 0.002 + 1.0
    assert motion.position[0] == pytest.approx(200)


def test_arcs_end_where_they_should_and_take_their_length() -> None:
    bench = Bench()
    bench.ask("G17 G21 F1200\n")
    bench.ask("G2 X20 Y0 I10 J0\n")
    bench.wait(0.8)
    assert bench.at()[1] == pytest.approx(10, abs=0.8)
    bench.wait(1.5)
    assert bench.at() == pytest.approx((20, 0, 0))
    bench.ask("G3 X20 Y0 I-10 J0\n")  # a full circle
    bench.wait(1.5)
    assert bench.state() == "Run"
    bench.wait(2)
    assert bench.state() == "Idle"


@pytest.mark.parametrize(("line", "y"), [("G2 X10 R5", 5), ("G3 X10 R5", -5), ("G3 X10 R-5.001", -5)])
def test_an_arc_by_its_radius_turns_to_the_right_side(line: str, y: float) -> None:
    bench = Bench()
    bench.ask(f"F600\n{line}\n")
    bench.wait(0.8)
    assert bench.at()[1] == pytest.approx(y, abs=0.5)


def test_an_arc_in_another_plane_may_climb() -> None:
    bench = Bench(settings={112: 12000, 122: 1000})
    bench.ask("G18 F1200\nG2 X10 Z0 Y3 I5 K0\n")
    bench.wait(3)
    assert bench.at() == pytest.approx((10, 3, 0))


def test_inverse_time_gives_a_move_its_duration() -> None:
    bench = Bench()
    bench.ask("G93\nG1 X10 F60\n")
    bench.wait(0.9)
    assert bench.state() == "Run"
    bench.wait(0.2)
    assert bench.state() == "Idle"


def test_a_dwell_waits_for_the_moves_and_holds_the_ok() -> None:
    bench = Bench()
    assert bench.ask("G1 X10 F600\nG4 P0.5\n") == ["ok"]
    assert bench.wait(1.4) == []
    assert bench.state() == "Idle"  # GRBL says Idle in a dwell
    assert bench.wait(0.3) == ["ok"]


def test_a_hold_stops_a_dwell_too() -> None:
    bench = Bench()
    bench.ask("G4 P0.5\n")
    bench.wait(0.2)
    bench.ask("!")
    assert bench.state() == "Hold:0"
    assert bench.wait(5) == []
    bench.ask("~")
    assert bench.wait(0.2) == []
    assert bench.wait(0.2) == ["ok"]


def test_coordinate_systems_offsets_and_homes_add_up() -> None:
    bench = Bench(speed=0)

    def ask(line: str) -> list[str]:
        return bench.ask(f"{line}\n") + bench.wait(0.1, step_s=0.1)

    ask("G10 L2 P2 X10 Y20")
    ask("G55")
    ask("G0 X1 Y2")
    assert bench.at() == (11, 22, 0)
    ask("G92 X0")
    ask("G91")
    ask("G0 X1")
    assert bench.at() == (12, 22, 0)
    ask("G28.1")
    ask("G90 G53 G0 X0 Y0")
    assert bench.at() == (0, 0, 0)
    ask("G28 X5")  # by way of X5, and only X goes home
    assert bench.at() == (12, 0, 0)
    ask("G28")
    assert bench.at() == (12, 22, 0)
    ask("G10 L20 P0 X1")
    ask("G43.1 Z2")
    ask("G20 G0 Z1")
    assert bench.at() == pytest.approx((12, 22, 27.4))
    parameters = ask("$#")
    assert "[G28:12.000,22.000,0.000]" in parameters
    assert "[TLO:2.000]" in parameters
    ask("G92.1")
    ask("G49")
    ask("G30.1")
    ask("G30")
    assert ask("$G")[0].startswith("[GC:G0 G55 G17 G20 G90")
    assert "[G92:0.000,0.000,0.000]" in ask("$#")


def test_a_probe_that_is_not_there_fails_as_on_a_machine_without_one() -> None:
    bench = Bench(speed=0)
    assert bench.ask("G38.3 X5 F600\n") == ["[PRB:5.000,0.000,0.000:0]", "ok"]
    assert bench.ask("G38.2 X9\n") == ["ALARM:5", "[PRB:5.000,0.000,0.000:0]", "ok"]
    assert bench.ask("G0\n$X\nG38.4 X0 F100\n") == [
        "error:9",
        "[MSG:Caution: Unlocked]",
        "ok",
        "ALARM:4",
        "ok",
    ]


# -- the beam -------------------------------------------------------------------------------------------


def test_m4_follows_the_speed_and_is_off_at_rest() -> None:
    bench = Bench(settings={120: 100})
    bench.ask("M4 S500\n")
    assert bench.machine.power == 0
    bench.ask("G1 X20 F1200\n")
    bench.wait(0.1)
    assert "FS:600,250" in bench.ask("?")[0]
    bench.wait(0.3)
    assert "FS:1200,500" in bench.ask("?")[0]
    assert "|A:C" in "".join(bench.ask("?" * 20))
    bench.wait(2)
    assert bench.machine.power == 0
    assert bench.machine.motion.still_s == 0


def test_m3_burns_on_when_the_head_stands() -> None:
    bench = Bench()
    bench.ask("M3 S500\nG1 X10 F1200\n")
    bench.wait(1.5)
    assert bench.machine.power == 500
    assert bench.machine.motion.still_s == pytest.approx(1, abs=0.1)
    assert bench.ask("G0\n") == ["ok"]  # off when a line leaves the cutting moves
    assert bench.machine.power == 0
    bench.ask("G1\n")
    assert bench.machine.power == 500
    bench.ask("S0\n")
    assert bench.machine.power == 0


def test_rapids_carry_no_beam_in_laser_mode_and_the_spindle_turns_on_without() -> None:
    bench = Bench()
    bench.ask("M4 S500\nG0 X10\n")
    bench.wait(0.05)
    assert bench.machine.power == 0
    spindle = Bench(settings={32: 0})
    spindle.ask("M3 S500\nG0 X10\n")
    spindle.wait(0.05)
    assert spindle.machine.power == 500
    assert spindle.ask("M5\n") == []  # waits for the motion
    assert spindle.wait(1) == ["ok"]
    assert spindle.machine.power == 0


def test_power_stays_between_its_settings_and_follows_its_override() -> None:
    bench = Bench(settings={31: 100})
    bench.ask("M3 S5000\nG1 X1 F60\n")
    bench.wait(0.1)
    assert bench.machine.power == 1000
    bench.ask("\x18")
    bench.ask("$X\nM3 S10\nG1 X1 F60\n")
    bench.wait(0.1)
    assert bench.machine.power == 100
    bench.ask(b"S500\n")
    bench.wait(3)
    bench.ask(b"\x9b\x9b")
    assert bench.machine.power == 400


def test_a_hold_puts_the_beam_off_in_laser_mode_only() -> None:
    for laser, power in ((1, 0), (0, 500)):
        bench = Bench(settings={32: laser})
        bench.ask("M3 S500\nG1 X100 F1200\n")
        bench.wait(0.5)
        bench.ask("!")
        bench.wait(0.5)
        assert (bench.state(), bench.machine.power) == ("Hold:0", power)


def test_the_spindle_stop_override_acts_in_a_hold_only() -> None:
    bench = Bench(settings={32: 0})
    bench.ask("M3 S500\n")
    bench.ask(b"\x9e")
    assert bench.machine.power == 500
    bench.ask(b"!\x9e")
    assert bench.machine.power == 0
    bench.ask(b"\x9e")
    assert bench.machine.power == 500


def test_overrides_are_bounded_and_told_at_once() -> None:
    bench = running()
    bench.ask("?")
    bench.ask(b"\x91" * 15)
    assert "Ov:200,100,100" in bench.ask("?")[0]
    bench.wait(0.2)
    assert "FS:2400,1000" in bench.ask("?")[0]  # twice the speed, twice the power
    bench.ask(b"\x92" * 30 + b"\x93\x94\x96")
    assert "Ov:10,50,100" in bench.ask("?")[0]
    bench.ask(b"\x90\x97\x9a\x9c\x9d\xa0")
    assert "Ov:100,25,110|A:CF" in bench.ask("?")[0]
    bench.ask(b"\x95\x99")
    assert bench.machine.overrides.rapid == 100


def test_the_end_of_a_program_switches_off_and_is_told() -> None:
    bench = running("M8", "M2")
    assert bench.wait(10)[-2:] == ["[MSG:Pgm End]", "ok"]
    assert bench.ask("$G\n")[0] == "[GC:G1 G54 G17 G21 G90 G94 M5 M9 T0 F1200 S500]"


def test_m0_is_a_hold_that_a_person_ends() -> None:
    bench = Bench()
    assert bench.ask("M0\n") == []
    assert bench.state() == "Hold:0"
    assert bench.ask("~") == ["ok"]
    assert bench.state() == "Idle"


# -- states ---------------------------------------------------------------------------------------------


def test_a_hold_decelerates_and_resumes_where_it_was() -> None:
    bench = running()
    assert bench.ask("!") == []
    assert bench.state() == "Hold:1"
    assert bench.ask("~") == []  # too early: it is ignored
    bench.wait(0.2)
    assert bench.state() == "Hold:0"
    at = bench.at()[0]
    bench.wait(3)
    assert bench.at()[0] == at
    bench.ask("~")
    assert bench.state() == "Run"
    bench.wait(6)
    assert (bench.state(), bench.at()[0]) == ("Idle", 100)


def test_a_hold_may_end_in_a_later_block() -> None:
    bench = Bench(settings={120: 100})
    bench.ask("F6000\n" + "".join(f"G1X{n}\n" for n in range(2, 32, 2)))
    bench.wait(0.5)
    bench.ask("!")
    left = len(bench.machine.motion.blocks)
    bench.wait(2)
    assert bench.state() == "Hold:0"
    assert 0 < len(bench.machine.motion.blocks) < left


def test_a_reset_in_motion_is_alarm_3_and_in_a_hold_only_a_banner() -> None:
    bench = running()
    assert bench.ask("\x18") == ["ALARM:3", *BANNER, LOCKED]
    assert bench.machine.power == 0
    assert bench.ask("G0 X1\n") == ["error:9"]
    assert bench.ask("$X\n") == ["[MSG:Caution: Unlocked]", "ok"]
    assert bench.ask("$X\n") == ["ok"]
    held = running()
    held.ask("!")
    held.wait(0.5)
    assert held.ask("\x18") == BANNER
    assert held.state() == "Idle"
    braking = running()
    assert braking.ask("!\x18")[0] == "ALARM:3"


def test_a_reset_forgets_modes_buffers_and_offsets_but_not_the_position() -> None:
    bench = running("G92 X1", "G55", "G1 X0")
    bench.ask("!")
    bench.wait(0.5)
    at = bench.at()
    bench.ask("\x18")
    assert bench.ask("$G\n")[0] == "[GC:G0 G54 G17 G21 G90 G94 M5 M9 T0 F0 S0]"
    assert bench.at() == at
    assert bench.wait(5) == []


def test_check_mode_parses_without_moving_and_ends_with_a_banner() -> None:
    bench = Bench()
    assert bench.ask("$C\n") == ["[MSG:Enabled]", "ok"]
    assert bench.state() == "Check"
    assert bench.ask("M3 S100\nG1 X10 F600\nG4 P9\nG2 X0 I-5\nM0\nG38.2 X9\nG5\nM2\n") == [
        *["ok"] * 6,
        "error:20",
        "[MSG:Pgm End]",
        "ok",
    ]
    assert bench.at() == (0, 0, 0)
    assert (bench.accepted, len(bench.firmware.checked)) == ([], 7)
    assert bench.ask("!~") == []
    assert bench.ask("$H\n") == ["error:8"]
    assert bench.ask("$C\n") == ["[MSG:Disabled]", "ok", *BANNER]
    assert bench.state() == "Idle"


def test_what_needs_an_idle_machine_is_refused_on_the_way() -> None:
    bench = running()
    said = bench.ask("$$\n$C\n$#\n$100=5\n$J=X1F100\n$N0=G21\n$G\n")
    assert said == ["error:8"] * 6 + ["[GC:G1 G54 G17 G21 G90 G94 M4 M9 T0 F1200 S500]", "ok"]


def test_a_jog_is_cancelled_in_silence_and_takes_no_g_code() -> None:
    bench = Bench()
    assert bench.ask("$J=G91 X10 F1000\n") == ["ok"]
    assert bench.state() == "Jog"
    assert bench.ask("G1 X1\n") == ["error:9"]
    assert bench.ask("$J=G91 X10 F1000\n") == ["ok"]
    bench.wait(0.3)
    assert bench.ask(b"\x85") == []
    bench.wait(0.2)
    assert bench.state() == "Idle"
    assert 4 < bench.at()[0] < 6
    assert bench.ask("$G\n")[0].startswith("[GC:G0 ")
    bench.ask("$J=X0 F12000\n")
    bench.wait(1)
    assert (bench.state(), bench.at()[0]) == ("Idle", 0)
    bench.ask("$J=G53 X5 F600\n")
    bench.ask("!")  # a hold cancels a jog
    bench.wait(0.2)
    assert bench.state() == "Idle"
    assert bench.ask(b"\x85") == []


def test_soft_limits_stop_a_program_for_good_and_only_refuse_a_jog() -> None:
    bench = Bench(settings={22: 1, 20: 1})
    bench.ask("$X\nG1 X-10 F600\n")
    bench.wait(0.5)
    assert bench.ask("G1 X-900\n") == []
    assert bench.state() == "Hold:1"
    assert bench.wait(0.5) == ["ALARM:2", "[MSG:Reset to continue]"]
    assert bench.ask("?\n$X\n") == []
    assert bench.ask("\x18") == [*BANNER, LOCKED]
    bench.ask("$X\n")
    assert bench.ask("$J=X5 F100\n") == ["error:15"]
    assert bench.ask("$C\nG0 X1\n")[2:] == ["ALARM:2", "[MSG:Reset to continue]"]


def test_a_machine_that_homes_is_locked_until_it_has() -> None:
    bench = Bench(settings={22: 1, 23: 1})
    assert bench.banner == [*BANNER, LOCKED]
    assert bench.ask("G0 X1\n") == ["error:9"]
    assert bench.ask("$H\n?") == []
    assert bench.wait(7) == []
    assert bench.wait(2) == ["<Home|MPos:-399.000,-1.000,-1.000|FS:0,0|WCO:0.000,0.000,0.000>", "ok"]


@pytest.mark.parametrize(("byte", "alarm"), [(b"\x18", "ALARM:6"), (b"\x84", "ALARM:7")])
def test_homing_that_is_disturbed_ends_in_an_alarm(byte: bytes, alarm: str) -> None:
    bench = Bench(settings={22: 1})
    bench.ask("$H\n")
    assert bench.ask(byte) == [alarm, *BANNER, LOCKED]
    assert bench.state() == "Alarm"
    assert bench.wait(20) == []


def test_a_door_stops_and_a_closed_one_waits_for_a_cycle_start() -> None:
    bench = running()
    assert bench.strike("door") == ["[MSG:Check Door]"]
    assert bench.state() == "Door:2"
    bench.wait(0.2)
    assert bench.state() == "Door:1"
    assert "Pn:D" in bench.ask("?")[0]
    assert bench.machine.power == 0
    assert bench.ask("~") == []
    assert bench.state() == "Door:1"
    bench.strike("door_close")
    assert bench.state() == "Door:0"
    bench.ask("~")
    assert bench.state() == "Run"
    bench.wait(6)
    assert bench.state() == "Idle"


def test_a_spindle_has_time_to_spin_up_after_the_door() -> None:
    bench = Bench(settings={32: 0})
    bench.ask("M3 S500\nM8\n")
    bench.ask(b"\x84")
    assert bench.state() == "Door:0"  # no pin says that it is open
    assert bench.machine.power == 0
    bench.ask("~")
    assert bench.state() == "Door:3"
    bench.wait(4.1)
    assert (bench.state(), bench.machine.power) == ("Idle", 500)


def test_an_open_door_is_seen_at_a_reset_and_locks_the_unlocking() -> None:
    bench = Bench(settings={22: 1})
    bench.strike("door")
    assert bench.ask("$X\n$H\n") == ["error:13"] * 2
    bench.strike("door_close")
    bench.ask("$X\n")
    bench.strike("door")
    assert bench.ask("\x18")[-1] == "[MSG:Check Door]"
    assert bench.state() == "Door:1"


def test_a_door_in_a_jog_ends_it_and_stays_a_door() -> None:
    bench = Bench()
    bench.ask("$J=G91 X50 F1000\n")
    bench.wait(0.3)
    bench.strike("door")
    assert bench.state() == "Jog"
    bench.wait(0.3)
    assert bench.state() == "Door:1"


def test_sleep_ends_only_by_a_reset_and_then_it_is_locked() -> None:
    bench = Bench()
    assert bench.ask("$SLP\n") == ["ok", "[MSG:Sleeping]"]
    assert bench.ask("~G0 X1\n?") == ["<Sleep|MPos:0.000,0.000,0.000|FS:0,0|WCO:0.000,0.000,0.000>"]
    assert bench.ask("\x18") == [*BANNER, LOCKED]


def test_startup_lines_run_after_a_reset_and_their_ok_is_marked() -> None:
    bench = Bench()
    assert bench.ask("$N0=G55\n") == []
    assert bench.wait(0.1) == ["ok"]
    assert bench.ask("$N1=G99\n") == ["error:20"]
    bench.machine.settings.startup[1] = "G99"
    assert bench.ask("\x18") == [*BANNER, ">G55:ok", ">G99:error:20"]
    bench.ask("$N0=\n")
    bench.wait(0.1)
    assert bench.ask("$N\n")[0] == "$N0="


def test_settings_are_restored_with_a_banner() -> None:
    bench = Bench(settings={110: 77})
    bench.ask("$RST=*\n")
    assert bench.wait(0.5) == ["[MSG:Restoring defaults]", "ok", *BANNER]
    assert bench.machine.settings[110] == 12000
    bench.ask("$I=laser 2\n")
    assert bench.wait(0.1) == ["ok"]
    assert bench.ask("$I\n")[0] == "[VER:1.1h.20190830:LASER2]"
    assert bench.ask("$Ix\n") == ["error:3"]
    bench.ask("$22=1\n")
    bench.wait(0.1)
    bench.ask("$20=1\n")
    bench.wait(0.1)
    bench.ask("$22=0\n")
    assert bench.wait(0.1) == ["ok"]
    assert bench.machine.settings[20] == 0


# -- faults ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("lost_ok@2", []),
        ("damaged_ok@2", ["o\0k"]),
        ("corrupt_line@2", ["error:1"]),
        ("reset@2", ["ok", *BANNER]),
        ("alarm:3@2", ["ok", "ALARM:3", *BANNER, LOCKED]),
        ("alarm:2@2", ["ok", "ALARM:2", "[MSG:Reset to continue]"]),
        ("alarm:5@2", ["ok", "ALARM:5"]),
        ("silence@2", ["ok"]),
        ("door@2", ["ok", "[MSG:Check Door]"]),
        ("hold@2", ["ok"]),
    ],
)
def test_a_fault_strikes_at_its_line(fault: str, said: list[str]) -> None:
    bench = Bench(faults=(fault,))
    assert bench.ask("G90\n$G\n")[-1] == "ok"
    assert bench.ask("G91\n") == said


def test_a_busy_line_gets_its_ok_late_and_status_is_answered_meanwhile() -> None:
    bench = Bench(faults=("busy:3@1",))
    assert bench.ask("G90\nG91\n") == []
    assert bench.wait(2.9) == []
    assert bench.state() == "Idle"
    assert bench.wait(0.2) == ["ok", "ok"]


def test_silence_ends_and_garbage_is_noise() -> None:
    bench = Bench(faults=("silence:2",))
    assert bench.ask("G90\n") == ["ok"]
    assert bench.ask("G91\n?") == []
    assert bench.wait(2.1) == []
    assert bench.ask("G91\n") == ["ok"]
    assert len("".join(bench.strike("garbage"))) > 50


@pytest.mark.parametrize("code", range(1, 10))
def test_every_alarm_stops_motion_and_beam_and_needs_what_it_needs(code: int) -> None:
    bench = running()
    assert bench.strike(f"alarm:{code}")[0] == f"ALARM:{code}"
    assert (bench.machine.power, bench.machine.motion.blocks) == (0, type(bench.machine.motion.blocks)())
    if code < 3:
        assert bench.ask("?$X\n") == []
        bench.ask("\x18")
    assert bench.state() == "Alarm"
    assert bench.ask("$X\n")[-1] == "ok"
    assert bench.ask("G0 X1\n") == ["ok"]


def test_an_alarm_has_a_number_from_one_to_nine() -> None:
    with pytest.raises(ValueError, match="1 to 9"):
        Fault.parse("alarm:10")


def test_power_that_fails_loses_the_position_and_lets_nothing_burn() -> None:
    bench = running()
    bench.strike("reset")
    assert (bench.at(), bench.machine.power) == ((0, 0, 0), 0)


def test_settings_of_zero_and_numbers_of_any_size_do_no_harm() -> None:
    bench = Bench(speed=0, settings={110: 0, 120: 0})
    said = bench.ask(
        "M4 S5\nG0 X1\nG1 X2 F" + "9" * 60 + "\nG2 X1 I" + "9" * 60 + "\nG0 Y" + "9" * 60 + "\n?"
    )
    assert said[:-1] == ["ok"] * 5
    assert bench.machine.motion.still_s == 0


def test_speed_zero_ends_every_wait_at_once() -> None:
    bench = Bench(speed=0, settings={22: 1})
    said = bench.ask("$H\nG1 X-5 F1\nG4 P100\nM0\n")
    assert said == ["ok"] * 3
    assert bench.ask("~M2\n") == ["ok", "[MSG:Pgm End]", "ok"]
    assert re.match(r"<Idle\|MPos:-5.000", bench.ask("?")[0])
