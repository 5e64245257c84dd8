"""The mocked Marlin says what a real 2.0.9 says: against recorded words, not against our driver."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import serial

from drivers.mock.marlin import Abilities, MockMarlin
from drivers.mock.marlin.faults import Fault, FaultKind
from drivers.mock.marlin.firmware import Firmware
from drivers.mock.marlin.physics import Head, Planner, bed, hotend


class Bench:
    """A firmware in the hand, without wire or clock: `ask` sends lines and gives what comes back."""

    def __init__(self, *, speed: float = 0.0, faults: tuple[str, ...] = (), **abilities: bool) -> None:
        self.accepted: list[bytes] = []
        self.wall = 0.0
        self.firmware = Firmware(
            name="bench",
            speed=speed,
            abilities=Abilities(**abilities),
            accept=self.accepted.append,
            faults=[Fault.parse(text) for text in faults],
        )
        self.firmware.boot(0.0)
        self.banner = self.take()

    def take(self) -> list[str]:
        lines = self.firmware.out.decode("utf-8", "replace").splitlines()
        self.firmware.out.clear()
        return lines

    def ask(self, *lines: str) -> list[str]:
        self.firmware.receive("".join(f"{line}\n" for line in lines).encode(), self.wall)
        self.firmware.run(self.wall)
        return self.take()

    def wait(self, seconds: float, step_s: float = 0.5) -> list[str]:
        end = self.wall + seconds
        while self.wall < end:
            self.wall += step_s
            self.firmware.run(self.wall)
        return self.take()


def checked(number: int, command: str) -> str:
    body = f"N{number} {command}"
    checksum = 0
    for byte in body.encode():
        checksum ^= byte
    return f"{body}*{checksum}"


def test_it_boots_with_the_words_of_a_real_one() -> None:
    assert Bench().banner[:3] == ["start", "PowerUp", "Marlin 2.0.9.7"]


def test_a_damaged_line_is_asked_for_again_as_a_real_one_does() -> None:
    bench = Bench()
    assert bench.ask("N0 M110 N0*125", checked(1, "G90"), checked(2, "G21")) == ["ok"] * 3
    assert bench.ask("N3 G28*1") == ["Error:checksum mismatch, Last Line: 2", "Resend: 3", "ok"]
    assert bench.ask(checked(7, "G28")) == [
        "Error:Line Number is not Last Line Number+1, Last Line: 2",
        "Resend: 3",
        "ok",
    ]
    assert bench.ask("N3 G28")[0] == "Error:No Checksum with line number, Last Line: 2"
    assert bench.ask("Nx G28*3")[1] == "Resend: 3"
    assert bench.accepted == [b"M110 N0", b"G90", b"G21"]


def test_an_error_flushes_what_was_received_but_not_read() -> None:
    bench = Bench()
    assert bench.ask("N9 G28*1", "M105", "M105") == [
        "Error:Line Number is not Last Line Number+1, Last Line: 0",
        "Resend: 1",
        "ok",
    ]


def test_an_unknown_command_is_echoed_and_acknowledged() -> None:
    assert Bench().ask("FOO") == ['echo:Unknown command: "FOO"', "ok"]


def test_comments_and_empty_lines_get_no_answer() -> None:
    assert Bench().ask("", "; words", "  ", "G90 ; words") == ["ok"]


def test_m115_lists_the_capabilities() -> None:
    said = Bench(emergency_parser=False).ask("M115")
    assert said[0].startswith("FIRMWARE_NAME:Marlin 2.0.9.7")
    assert "Cap:EMERGENCY_PARSER:0" in said
    assert "Cap:AUTOREPORT_TEMP:1" in said
    assert said[-1] == "ok"


def test_m105_answers_within_its_ok() -> None:
    assert Bench().ask("M105") == ["ok T:25.00 /0.00 B:25.00 /0.00 @:0 B@:0"]


def test_m112_kills_it_for_good_even_past_a_full_queue() -> None:
    bench = Bench(speed=1)
    bench.ask("M109 S200", "G28", "G28", "G28", "G28", "G28")
    assert bench.ask("M112") == ["Error:Printer halted. kill() called!"]
    assert bench.ask("M999", "M105") == []
    assert bench.wait(5) == []
    assert bench.firmware.heat(bench.wall)["tool0_target"] == 0


def test_without_an_emergency_parser_m112_waits_its_turn() -> None:
    bench = Bench(speed=1, emergency_parser=False)
    bench.ask("G4 P1000")
    assert bench.ask("M112") == []
    assert bench.wait(1.5) == ["ok", "Error:Printer halted. kill() called!"]


def test_homing_says_busy_every_two_seconds() -> None:
    bench = Bench(speed=1)
    bench.ask("G28")
    assert bench.wait(13) == ["echo:busy: processing"] * 5 + ["ok"]


def test_heating_reports_each_second_and_m108_ends_it() -> None:
    bench = Bench(speed=1)
    bench.ask("M109 S60")
    said = bench.wait(3.5)
    assert [line[-4:] for line in said if "T:" in line] == [" W:?"] * 3
    assert "echo:busy: processing" in said
    assert bench.ask("M108") == ["ok", "ok"]


def test_a_person_is_waited_for_until_m108() -> None:
    bench = Bench(speed=1)
    bench.ask("M0 put the nut in")
    assert bench.wait(5) == ["echo:busy: paused for user"] * 2
    assert bench.ask("M108") == ["ok", "ok"]


def test_m155_reports_by_itself_until_told_not_to() -> None:
    bench = Bench(speed=1)
    assert bench.ask("M155 S1")[0] == "ok"
    assert len(bench.wait(4)) == 4
    bench.ask("M155 S0")
    assert bench.wait(4) == []
    assert Bench(reports_heat=False).ask("M155 S1") == ["ok"]


def test_ok_means_queued_and_m400_means_done() -> None:
    bench = Bench(speed=1)
    assert bench.ask("G1 X100 F600") == ["ok"]
    assert bench.ask("M400") == []
    assert bench.wait(9.5) == ["echo:busy: processing"] * 4
    assert bench.wait(1) == ["ok"]


def test_the_planner_takes_sixteen_moves_and_then_makes_the_host_wait() -> None:
    bench = Bench(speed=1)
    oks = [bench.ask(f"G1 X{index} F60") for index in range(1, 19)]
    assert oks == [["ok"]] * 16 + [[], []]
    assert bench.wait(2.0) == ["ok", "ok"]


def test_m410_drops_the_queued_motion() -> None:
    bench = Bench(speed=1)
    bench.ask("G1 X100 F60", "M400")
    assert bench.ask("M410") == ["ok", "ok"]


def test_speed_zero_ends_every_wait_at_once() -> None:
    bench = Bench()
    assert bench.ask("G28", "G29", "M190 S60", "M109 S210", "G4 S100", "G1 X100 F1", "M400") == ["ok"] * 7
    heat = bench.firmware.heat(bench.wall)
    assert heat["tool0"] == pytest.approx(210, abs=1)


def test_odd_words_have_their_answers() -> None:
    bench = Bench()
    said = bench.ask("G20", "G91", "G1 X1 E1 F600", "M83", "G92 E0", "G90", "M82", "G21", "M220 S50", "M114")
    assert said[-2] == "X:25.40 Y:0.00 Z:0.00 E:0.00 Count X:0 Y:0 Z:0"
    assert bench.ask("M27") == ["Not SD printing", "ok"]
    assert bench.ask("M118 hello") == ["hello", "ok"]
    assert bench.ask('M862.3 P "MK3S"', "M73 P1", "M900 K0", "G4 P1") == ["ok"] * 4
    assert bench.ask("M106 S128") == ["ok"]
    assert bench.firmware.machine.fan == 128
    bench.ask("M107")
    assert bench.firmware.machine.fan == 0


def test_heaters_follow_a_time_constant_and_stop_at_their_limit() -> None:
    tool = hotend()
    tool.aim(200, 0)
    ready = tool.reached_at(0, cooling=False)
    assert 60 < ready < 150
    assert tool.at(ready) == pytest.approx(199)
    assert tool.at(1000) == 200
    tool.aim(0, 1000)
    assert 30 < tool.at(1120) < 120
    assert tool.at(9000) == 25
    assert tool.reached_at(1120, cooling=True) == 1120
    tool.aim(60, 1010)
    assert tool.reached_at(1010, cooling=False) == 1010
    assert tool.at(tool.reached_at(1010, cooling=True)) == pytest.approx(61)
    plate = bed()
    plate.aim(500, 0)
    assert plate.target_c == plate.limit_c


def test_moves_take_their_length_at_their_feed_rate() -> None:
    head = Head()
    assert head.move({"X": 30, "Y": 40, "F": 3000}) == pytest.approx(1.0)
    assert head.move({"E": 5}) == pytest.approx(0.1)
    assert head.move({"F": 600}) == 0
    assert head.move({"I": 10, "J": 0}) == pytest.approx(6.283, abs=0.01)
    assert head.move({"X": 50, "Y": 40, "I": 10}) == pytest.approx(3.1416, abs=0.01)
    planner = Planner()
    planner.add(2, 0)
    assert planner.busy_until == 2


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("lost_ok@120", Fault(kind=FaultKind.LOST_OK, line=120)),
        ("busy_60", Fault(kind=FaultKind.BUSY, value=60)),
        ("busy", Fault(kind=FaultKind.BUSY, value=60)),
        ("resend:3@50", Fault(kind=FaultKind.RESEND, value=3, line=50)),
        ("silence:0.5", Fault(kind=FaultKind.SILENCE, value=0.5)),
    ],
)
def test_a_fault_is_written_in_a_word(text: str, fault: Fault) -> None:
    assert Fault.parse(text) == fault


@pytest.mark.parametrize("text", ["", "nonsense", "lost_ok@", "lost_ok@x"])
def test_what_is_no_fault_is_told_which_there_are(text: str) -> None:
    with pytest.raises(ValueError, match="thermal_runaway"):
        Fault.parse(text)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("lost_ok@2", []),
        (
            "thermal_runaway@2",
            ["Error:Thermal Runaway, system stopped! Heater_ID: 0", "Error:Printer halted. kill() called!"],
        ),
        ("silence@2", ["ok"]),
        ("corrupt_line@2", ["Error:checksum mismatch, Last Line: 1", "Resend: 2", "ok"]),
        ("lost_line@2", []),
    ],
)
def test_a_fault_strikes_at_its_line(fault: str, said: list[str]) -> None:
    bench = Bench(faults=(fault,))
    assert bench.ask(checked(1, "G90")) == ["ok"]
    assert bench.ask(checked(2, "G91")) == said


def test_a_reset_forgets_everything_but_the_warmth() -> None:
    bench = Bench(faults=("reset@3",))
    bench.ask("M104 S200", "M109 S200")
    said = bench.ask("G28")
    assert said[0] == "start"
    assert "ok" not in said
    heat = bench.firmware.heat(bench.wall)
    assert heat["tool0_target"] == 0
    assert heat["tool0"] > 150


# -- on a pty -------------------------------------------------------------------------------------------


def until(fact: Callable[[], Any], within_s: float = 5.0) -> Any:
    deadline = time.monotonic() + within_s
    while not (value := fact()):
        assert time.monotonic() < deadline, "never came"
        time.sleep(0.005)
    return value


def read_line(wire: serial.Serial) -> str:
    return wire.readline().decode("utf-8", "replace").strip()


def test_it_boots_when_the_port_is_first_opened_and_not_again() -> None:
    with MockMarlin() as mock:
        with serial.Serial(mock.port, 115200, timeout=3) as wire:
            assert read_line(wire) == "start"
        with serial.Serial(mock.port, 115200, timeout=3) as wire:
            wire.write(b"M105\n")
            assert until(lambda: read_line(wire)).startswith("ok T:")


def test_a_board_with_dtr_reset_boots_each_time() -> None:
    with MockMarlin(reset_on_open=True) as mock:
        for _ in range(2):
            with serial.Serial(mock.port, 115200, timeout=3) as wire:
                assert read_line(wire) == "start"
            time.sleep(0.1)


def test_it_can_be_unplugged_and_comes_back() -> None:
    with MockMarlin() as mock, serial.Serial(mock.port, 115200, timeout=3) as wire:
        assert read_line(wire) == "start"
        mock.inject("unplug:0.1")
        until(lambda: not Path(mock.port).is_symlink())
        until(lambda: Path(mock.port).is_symlink())
        with serial.Serial(mock.port, 115200, timeout=3) as again:
            assert read_line(again) == "start"


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "drivers.mock.marlin", "--link", str(folder / "by-id" / "m"), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline().startswith("ready: ")
            yield process
        finally:
            process.terminate()
            process.wait(5)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_as_a_program_it_leaves_nothing_behind(tmp_path: Path, signum: signal.Signals) -> None:
    control = tmp_path / "control"
    with running(tmp_path, "--control", str(control), "--speed", "0") as process:
        assert os.readlink(tmp_path / "by-id" / "m").startswith("/dev/")
        assert control.stat().st_mode & 0o777 == 0o600
        process.send_signal(signum)
        assert process.wait(5) == 0
    assert list((tmp_path / "by-id").iterdir()) == []
    assert not control.exists()


def test_as_a_program_it_is_steered_by_its_socket_and_records_what_it_accepts(tmp_path: Path) -> None:
    control, record = tmp_path / "control", tmp_path / "record"
    arguments = ("--control", str(control), "--record", str(record), "--speed", "0", "--name", "MK3")
    with (
        running(tmp_path, *arguments),
        serial.Serial(str(tmp_path / "by-id" / "m"), 115200, timeout=3) as wire,
        socket.socket(socket.AF_UNIX) as steer,
    ):
        steer.connect(str(control))
        answers = steer.makefile("r")

        def order(**request: object) -> dict[str, Any]:
            steer.sendall(json.dumps(request).encode() + b"\n")
            answer: dict[str, Any] = json.loads(answers.readline())
            return answer

        assert read_line(wire) == "start"
        assert order(speed=5) == {"ok": True}
        assert order(fault="lost_ok") == {"ok": True}
        wire.write(b"M104 S50\nM105\n")
        until(lambda: read_line(wire).startswith("ok T:"))
        state = order(do="state")
        assert (state["accepted"], state["heat"]["tool0_target"], state["speed"]) == (2, 50, 5)
        assert order(say="hello\n") == {"ok": True}
        until(lambda: read_line(wire) == "hello")
        assert order(do="reset") == {"ok": True}
        until(lambda: read_line(wire) == "start")
        assert order(fault="unplug") == {"ok": True}
        until(lambda: not order(do="state")["plugged"])
        assert order(do="plug") == {"ok": True}
        until(lambda: order(do="state")["plugged"])
        assert "there are" in order(fault="nonsense")["error"]
        assert "not understood" in order(do="dance")["error"]
        steer.sendall(b"[1]\nnot json\n")
        assert [json.loads(answers.readline())["ok"] for _ in range(2)] == [False, False]
        answers.close()
    assert record.read_text() == "M104 S50\nM105\n"


@pytest.mark.parametrize("wrong", [["--fault", "nonsense"], ["--speed", "-1"], ["--speed", "x"], []])
def test_as_a_program_it_refuses_what_it_does_not_understand(tmp_path: Path, wrong: list[str]) -> None:
    link = ["--link", str(tmp_path / "m")] if wrong else []
    command = [sys.executable, "-m", "drivers.mock.marlin", *link, *wrong]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "usage" in done.stderr


def test_a_host_that_does_not_read_does_not_stop_the_machine() -> None:
    with MockMarlin() as mock, serial.Serial(mock.port, 115200, timeout=3) as wire:
        assert read_line(wire) == "start"
        for _ in range(30):
            wire.write(b"M115\n" * 20)
        until(lambda: len(mock.accepted) == 600, 20)
        assert select.select([wire.fileno()], [], [], 0)[0]
