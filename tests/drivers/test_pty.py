"""What serial mocks share: the plug, a slow or paced line, the control socket, the program."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
import serial

from drivers.__main__ import main
from drivers.config import parse
from drivers.host.mocks import MockMachine
from drivers.mock import MOCKS, main_of
from drivers.mock.faults import Fault, Faults, Kind
from drivers.mock.grbl import MockGrbl
from drivers.mock.marlin import MockMarlin
from drivers.mock.pace import Pace, Use

Mock = type[MockGrbl] | type[MockMarlin]
BOTH = pytest.mark.parametrize("mocked", [MockGrbl, MockMarlin])


def until(fact: Callable[[], Any], within_s: float = 10.0) -> Any:
    deadline = time.monotonic() + within_s
    while not (value := fact()):
        assert time.monotonic() < deadline, "never came"
        time.sleep(0.005)
    return value


def gone(port: str, wire: serial.Serial) -> bool:
    try:
        wire.read(1)
    except serial.SerialException:
        return True
    return not Path(port).is_symlink()


def greeting(wire: serial.Serial) -> bool:
    """True once the firmware has said that it is there."""
    return bool(until(lambda: wire.readline().strip() in (b"start", b"Grbl 1.1h ['$' for help]")))


@contextmanager
def steered(path: Path) -> Any:
    with socket.socket(socket.AF_UNIX) as wire, wire.makefile("r") as answers:
        wire.connect(str(path))

        def order(**request: object) -> dict[str, Any]:
            wire.sendall(json.dumps(request).encode() + b"\n")
            answer: dict[str, Any] = json.loads(answers.readline())
            return answer

        yield order


@BOTH
def test_replugged_it_is_the_same_machine_under_another_tty_name(mocked: Mock, tmp_path: Path) -> None:
    with mocked(link=tmp_path / "by-id" / "m") as mock, serial.Serial(mock.port, timeout=3) as wire:
        assert greeting(wire)
        before = os.readlink(mock.port)
        mock.inject("replug:0.05")
        until(lambda: gone(mock.port, wire))
        until(lambda: Path(mock.port).is_symlink())
        assert os.readlink(mock.port) != before
        with serial.Serial(mock.port, timeout=3) as again:
            assert greeting(again)


def test_replugged_although_nobody_had_it_open_it_has_another_name_too(tmp_path: Path) -> None:
    with MockGrbl(link=tmp_path / "m") as mock:
        before = os.readlink(mock.port)
        mock.inject("replug:0.02")
        until(lambda: not Path(mock.port).is_symlink())
        until(lambda: Path(mock.port).is_symlink())
        assert os.readlink(mock.port) != before


@BOTH
def test_unplugged_it_stays_away_until_it_is_plugged_in(mocked: Mock, tmp_path: Path) -> None:
    with mocked(link=tmp_path / "m") as mock:
        mock.inject("unplug")
        until(lambda: not Path(mock.port).is_symlink())
        mock.plug()
        until(lambda: Path(mock.port).is_symlink())
        mock.plug()  # in already: nothing happens
        with serial.Serial(mock.port, timeout=3) as wire:
            assert greeting(wire)


@BOTH
def test_a_trickle_gives_a_byte_a_second_and_then_the_rest(mocked: Mock) -> None:
    with mocked() as mock, serial.Serial(mock.port, timeout=0.2) as wire:
        assert greeting(wire)
        until(lambda: not wire.read(1000))
        mock.inject("trickle:1.3")
        time.sleep(0.1)
        wire.write(b"G90\n" * 3)
        began = time.monotonic()
        assert until(lambda: wire.read(1)) == b"o"
        assert time.monotonic() - began > 0.6
        assert until(lambda: wire.read(1)) == b"k"
        assert time.monotonic() - began > 1.1
        rest = bytearray()
        until(lambda: rest.extend(wire.read(100)) or rest.count(b"\n") == 3)
        assert rest.replace(b"\r", b"") == b"\nok\nok\n"


@pytest.mark.parametrize("mocked", [MockGrbl, MockMarlin])
def test_faults_of_the_cable_may_wait_for_a_line(mocked: Mock) -> None:
    with mocked(faults=["unplug:0.02@2"]) as mock, serial.Serial(mock.port, timeout=3) as wire:
        assert greeting(wire)
        wire.write(b"G90\nG91\nG90\n")
        until(lambda: gone(mock.port, wire))
        assert mock.accepted[:2] == ["G90", "G91"]  # a Marlin reads ahead


@BOTH
def test_a_paced_line_takes_its_time_and_tells_its_use(mocked: Mock) -> None:
    with mocked(baud=9600) as mock, serial.Serial(mock.port, timeout=3) as wire:
        assert greeting(wire)
        mock.mark()
        began = time.monotonic()
        for _ in range(20):
            wire.write(b"G90 (1234567890123456789)\n")
            assert until(lambda: wire.readline().strip() == b"ok")
        # 20 * (26 bytes there, 3 or 4 back) at 960 bytes a second
        assert time.monotonic() - began > 0.55
        assert 0 < mock.line_use_pct < 100


def test_a_paced_line_loses_nothing_when_the_host_counts_characters() -> None:
    line = b"G90 (12345678) S100\n"
    with MockGrbl(baud=57600) as mock, serial.Serial(mock.port, timeout=3) as wire:
        assert greeting(wire)
        mock.mark()
        sent = acked = 0
        while acked < 200:
            while sent < 200 and (sent - acked + 1) * len(line) <= 127:
                wire.write(line)
                sent += 1
            acked += until(wire.readline).strip() == b"ok"
        assert 0 < mock.line_use_pct < 103
        assert mock.rx_starved_s > 0
        assert mock.rx_lost == 0


def test_the_pace_hands_over_portions_and_saves_nothing_up() -> None:
    pace = Pace(1000)
    assert (pace.due, pace.room(5.0)) == (0.0, 0)
    pace.busy(10.0)
    assert pace.room(10.0) == 0
    assert pace.due == pytest.approx(10.0015)
    assert pace.room(10.0021) == 2
    pace.passed(2, more=True)
    assert pace.room(10.0021) == 0
    pace.busy(99.0)  # however late the look: a real line would have been read in time
    assert pace.room(99.0) == 11
    pace.passed(3, more=False)
    assert pace.due == 0.0
    assert Pace(0).room(1.0) > 60_000


def test_the_use_is_measured_from_the_first_portion_to_the_last() -> None:
    use = Use()
    assert use.percent(100) == 0
    use.heard(7, 10.0)
    use.heard(50, 11.0)
    assert use.percent(100) == 50
    assert use.percent(0) == 0


@BOTH
def test_the_control_socket_lists_the_faults_and_what_each_does(mocked: Mock, tmp_path: Path) -> None:
    with mocked(control=tmp_path / "c"), steered(tmp_path / "c") as order:
        faults = order(do="faults")["faults"]
        assert {"replug", "trickle", "unplug", "lost_ok", "silence", "garbage", "reset"} <= set(faults)
        assert faults["lost_ok"].endswith("its ok is not sent")
        assert order(do="mark") == {"ok": True}
        assert order(do="plug")["ok"] is False
        assert order(speed=-1)["ok"] is False


def test_the_control_socket_tells_the_truth_of_a_laser(tmp_path: Path) -> None:
    with (
        MockGrbl(control=tmp_path / "c", speed=1) as mock,
        steered(tmp_path / "c") as order,
        serial.Serial(mock.port, timeout=3) as wire,
    ):
        assert order(do="state")["state"] == "Off"
        assert greeting(wire)
        wire.write(b"M3 S300\nG1 X1 F6000\nG5\n")
        until(lambda: wire.readline().strip() == b"error:20")
        until(lambda: order(do="state")["state"] == "Idle")
        state = order(do="state")
        assert (state["beam_on"], state["power"], state["position"]) == (True, 300, [1, 0, 0])
        assert (state["accepted"], state["refused"]) == (2, [["G5", 20]])
        assert order(fault="door") == {"ok": True}
        until(lambda: mock.state == "Door:1")
        assert not mock.beam_on
        assert mock.beam_seconds_still > 0
        assert order(fault="unplug:60") == {"ok": True}
        until(lambda: mock.state == "Off")
        assert order(fault="door_close") == {"ok": True}


@contextmanager
def as_program(kind: str, *arguments: str) -> Any:
    command = [sys.executable, "-m", "drivers", "mock", kind, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline().startswith("ready: ")
            yield process
        finally:
            process.terminate()
            process.wait(5)


def test_a_grbl_as_a_program_takes_its_settings_faults_and_record(tmp_path: Path) -> None:
    link, record = tmp_path / "by-id" / "g", tmp_path / "record"
    words = ["--link", str(link), "--speed", "0", "--setting", "22=1", "--fault", "lost_ok@1"]
    with (
        as_program("grbl", *words, "--record", str(record), "--factory-new", "--baud", "115200") as process,
        serial.Serial(str(link), timeout=3) as wire,
    ):
        assert until(wire.readline).strip() == b"error:7"
        assert greeting(wire)
        assert wire.readline().strip() == b"[MSG:'$H'|'$X' to unlock]"
        wire.write(b"$X\nG90\nG91\n")
        assert [wire.readline().strip() for _ in range(3)] == [b"[MSG:Caution: Unlocked]", b"ok", b"ok"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0
    assert record.read_text() == "G90\nG91\n"
    assert not link.is_symlink()


@pytest.mark.parametrize(
    "wrong",
    [
        ["--setting", "20=1"],
        ["--setting", "x"],
        ["--baud", "7"],
        ["--fault", "alarm:99"],
        ["--fault", "thaw"],
    ],
)
def test_a_grbl_as_a_program_refuses_what_it_does_not_understand(
    wrong: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main_of("grbl")(["--link", str(tmp_path / "m"), *wrong])
    assert "usage" in capsys.readouterr().err


def test_every_mock_of_the_table_can_be_run() -> None:
    for kind in MOCKS:
        assert callable(main_of(kind))


def test_faults_wait_in_order_and_strike_once() -> None:
    class Odd(Fault):
        kinds: ClassVar = {"a": Kind(does="a"), "b": Kind(does="b", value=2.0)}

    waiting = Faults([Odd.parse("a@3"), Odd.parse("b")])
    both = frozenset({"a", "b"})
    first = waiting.take(both, 1)
    assert first == Odd.parse("b:2")
    assert waiting.take(both, 2) is None
    again = first.again() if first else None
    assert again == Odd.parse("b:1")
    assert again is not None
    assert again.again() is None
    waiting.put_back(again)
    assert [waiting.take(both, 3) for _ in range(3)] == [again, Odd.parse("a@3"), None]
    assert not waiting


def test_a_mock_that_is_not_there_is_told_which_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mock", "toaster"]) == 2
    assert main(["mock"]) == 2
    assert "known: marlin, grbl" in capsys.readouterr().err


async def test_a_host_gives_its_mock_the_faults_of_devices_toml_and_a_control_socket(tmp_path: Path) -> None:
    text = '[devices.l1]\ndriver = "grbl"\nmock = true\nspeed = 50\nfaults = ["lost_ok@1"]\n'
    config = parse(text, tmp_path / "devices.toml")["l1"]
    machine = MockMachine(config, tmp_path / "tty", control=tmp_path / "control")
    try:
        assert await machine.plug_in()
        with serial.Serial(str(tmp_path / "tty"), timeout=3) as wire, steered(tmp_path / "control") as order:
            assert greeting(wire)
            wire.write(b"G90\nG5\n")
            assert wire.readline().strip() == b"error:20"
            assert order(do="state")["accepted"] == 1
    finally:
        machine.pull()
