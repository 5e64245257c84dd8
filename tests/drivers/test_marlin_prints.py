"""A program through the Marlin driver to a mocked firmware on a real pty: the ordinary ways it goes and
ends.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from drivers.marlin import Marlin
from drivers.mock.marlin import Abilities, MockMarlin
from fablab.base.clock import FakeClock
from fablab.device import Capability, DeviceRefused, DeviceState, LinkLost, Misfit, Outcome, Safety
from tests.drivers.marlin_rig import (
    QUICK,
    connected,
    ended,
    holds,
    lost,
    moves,
    outcome,
    reached,
    until,
    written,
)

OFF = ["M104 S0", "M140 S0", "M107"]


async def test_opening_tells_who_answers() -> None:
    with MockMarlin(name="Prusa 3") as mock:
        marlin = Marlin(name="m", port=mock.port, limits=QUICK)
        identity = await marlin.open()
        await marlin.close()
    assert identity.firmware.startswith("Marlin 2.0.9")
    assert identity.model == "Prusa 3"
    assert identity.serial_number == mock.serial_number
    assert identity.features["EMERGENCY_PARSER"] == "1"
    assert Capability.SAFE_STOP in marlin.capabilities


async def test_the_wrong_machine_on_the_port_is_noticed() -> None:
    with MockMarlin(name="other") as mock:
        marlin = Marlin(name="m", port=mock.port, limits=QUICK, serial_number="0000-1111")
        with pytest.raises(Misfit, match=mock.serial_number):
            await marlin.open()


async def test_a_second_driver_cannot_open_the_same_port() -> None:
    async with connected() as (_, mock):
        with pytest.raises(LinkLost, match="held by another program"):
            await Marlin(name="thief", port=mock.port, limits=QUICK).open()


async def test_an_open_device_is_not_opened_twice() -> None:
    async with connected() as (marlin, _):
        with pytest.raises(DeviceRefused, match="open already"):
            await marlin.open()


async def test_before_opening_there_is_no_link() -> None:
    marlin = Marlin(name="m", port="/dev/none", limits=QUICK)
    with pytest.raises(LinkLost, match="not open"):
        await marlin.pause()
    assert await marlin.make_safe() is Safety.NOT_CONFIRMED
    await marlin.close()


async def test_an_absent_port_is_a_lost_link(tmp_path: Path) -> None:
    marlin = Marlin(name="m", port=str(tmp_path / "none"), limits=QUICK)
    with pytest.raises(LinkLost, match="not there"):
        await marlin.open()
    _, error = await lost(marlin)
    assert isinstance(error, LinkLost)


async def test_every_line_arrives_once_and_in_order_and_the_job_is_done(tmp_path: Path) -> None:
    lines = moves(3000)
    async with connected() as (marlin, mock):
        await marlin.start(written(tmp_path, ["; a comment", "", *lines]), "run-1")
        status = await ended(marlin)
    assert status.state is DeviceState.IDLE
    assert status.progress is not None
    assert (status.progress.outcome, status.progress.token, status.progress.fraction) == (
        Outcome.DONE,
        "run-1",
        1,
    )
    assert reached(mock) == lines


async def test_a_job_ends_with_the_queue_run_out_and_then_the_heaters_off(tmp_path: Path) -> None:
    async with connected() as (marlin, mock):
        await marlin.start(written(tmp_path, ["M104 S60", "M140 S50", *moves(3)]), "run-1")
        await ended(marlin)
        assert mock.accepted[-5:] == ["M400", *OFF, "M105"]
        assert (mock.heat["tool0_target"], mock.heat["bed_target"]) == (0, 0)


async def test_temperatures_are_told_while_it_heats(tmp_path: Path) -> None:
    async with connected(speed=60) as (marlin, _):
        await marlin.start(written(tmp_path, ["M140 S60", "M109 S205", *moves(5)]), "run-1")
        status = await until(marlin, lambda status: status.heat_c.get("tool0", 0) > 60)
    assert status.state is DeviceState.RUNNING
    assert (status.heat_c["tool0_target"], status.heat_c["bed_target"]) == (205, 60)


async def test_a_firmware_that_reports_nothing_by_itself_is_asked(tmp_path: Path) -> None:
    plain = Abilities(emergency_parser=False, reports_heat=False, says_busy=False)
    async with connected(speed=300, abilities=plain) as (marlin, mock):
        await marlin.start(written(tmp_path, ["M109 S120", *moves(50)]), "run-1")
        await until(marlin, lambda status: status.heat_c.get("tool0", 0) > 100)
        await ended(marlin)
        assert "M155 S1" not in mock.accepted


async def test_a_finished_program_keeps_its_outcome_and_its_token_starts_nothing_again(
    tmp_path: Path,
) -> None:
    path = written(tmp_path, moves(5))
    async with connected() as (marlin, mock):
        await marlin.start(path, "run-1")
        await ended(marlin)
        await marlin.start(path, "run-1")
        status = await until(marlin, lambda status: True)
        assert outcome(status) is Outcome.DONE
        assert len(reached(mock)) == 5
        await marlin.start(path, "run-2")
        await until(
            marlin, lambda s: s.progress is not None and s.progress.token == "run-2" and bool(outcome(s))
        )
        assert len(reached(mock)) == 10


async def test_a_second_program_is_refused_while_the_first_runs(tmp_path: Path) -> None:
    path = written(tmp_path, moves(400))
    async with connected(speed=1) as (marlin, _):
        await marlin.start(path, "run-1")
        await marlin.start(path, "run-1")
        with pytest.raises(DeviceRefused, match="busy"):
            await marlin.start(path, "run-2")


async def test_a_program_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    async with connected() as (marlin, _):
        with pytest.raises(DeviceRefused, match="cannot be read"):
            await marlin.start(tmp_path / "none.gcode", "run-1")


async def test_pause_stops_feeding_and_resume_goes_on_at_the_next_line(tmp_path: Path) -> None:
    lines = moves(600, step_mm=0.5)
    parking = {"on_pause": ("G4 P1",), "on_resume": ("G4 P2",)}
    async with connected(speed=5, device=parking) as (marlin, mock):
        await marlin.start(written(tmp_path, lines), "run-1")
        await holds(lambda: len(reached(mock)) > 20)
        await marlin.pause()
        await marlin.pause()
        await until(marlin, lambda status: status.state is DeviceState.PAUSED)
        await holds(lambda: mock.accepted[-1] == "G4 P1")
        count = len(reached(mock))
        mock.set_speed(0)
        await marlin.resume()
        await marlin.resume()
        await ended(marlin)
        assert mock.accepted[mock.accepted.index(lines[count - 1]) :][1:5] == [
            "M400",
            "G4 P1",
            "G4 P2",
            lines[count],
        ]
    assert reached(mock) == lines


async def test_m0_pauses_at_the_host_with_its_message(tmp_path: Path) -> None:
    lines = moves(20)
    async with connected() as (marlin, mock):
        await marlin.start(written(tmp_path, [*lines[:10], "M0 Put the nut in", *lines[10:]]), "run-1")
        status = await until(marlin, lambda status: status.state is DeviceState.PAUSED)
        assert status.message == "Put the nut in"
        assert len(reached(mock)) == 10
        await marlin.resume()
        await ended(marlin)
    assert reached(mock) == lines
    assert not any(line.startswith("M0") for line in mock.accepted)


async def test_cancel_turns_the_heaters_off_and_is_told_as_cancelled(tmp_path: Path) -> None:
    async with connected(speed=1, device={"on_cancel": ("M84",)}) as (marlin, mock):
        await marlin.start(written(tmp_path, ["M104 S200", "M140 S60", *moves(5000)]), "run-1")
        await holds(lambda: len(reached(mock)) > 5)
        await marlin.cancel()
        await marlin.cancel()
        status = await ended(marlin)
        assert outcome(status) is Outcome.CANCELLED
        assert status.state is DeviceState.IDLE
        assert len(reached(mock)) < 5000
        assert mock.accepted[-6:] == [*OFF, "M400", "M84", "M105"]
        assert (mock.heat["tool0_target"], mock.heat["bed_target"]) == (0, 0)


async def test_cancel_breaks_a_heat_wait_with_m108(tmp_path: Path) -> None:
    async with connected(speed=1) as (marlin, mock):
        await marlin.start(written(tmp_path, ["M109 S250", *moves(5)]), "run-1")
        await holds(lambda: "M109 S250" in mock.accepted)
        await marlin.cancel()
        assert outcome(await ended(marlin, 5)) is Outcome.CANCELLED
        assert "M108" in mock.accepted


async def test_a_paused_program_can_be_cancelled(tmp_path: Path) -> None:
    async with connected(device={"quick_stop": True}) as (marlin, mock):
        await marlin.start(written(tmp_path, ["M0", *moves(5)]), "run-1")
        await until(marlin, lambda status: status.state is DeviceState.PAUSED)
        await marlin.cancel()
        assert outcome(await ended(marlin)) is Outcome.CANCELLED
        assert "M410" in mock.accepted


async def test_with_nothing_running_there_is_nothing_to_pause_resume_or_cancel() -> None:
    async with connected() as (marlin, _):
        for order in (marlin.pause, marlin.resume, marlin.cancel):
            with pytest.raises(DeviceRefused, match="no program"):
                await order()


async def test_what_must_not_reach_a_machine_is_held_back_and_said(tmp_path: Path) -> None:
    bad = ["M112", "m112", "M 112", "@pause", "M110 N5", "N7 M112*33", "M28 x.g", "$H", "M997", "G1 X9\rM112"]
    async with connected() as (marlin, mock):
        await marlin.start(written(tmp_path, [*moves(2), *bad, *moves(2)]), "run-1")
        status = await ended(marlin)
    assert status.progress is not None
    assert status.progress.outcome is Outcome.DONE
    assert status.progress.detail == "M112 in line 3 was not sent to the machine"
    assert not {"M112", "M28 x.g", "M997", "M410", "M110 N5"} & set(mock.accepted)


async def test_a_line_too_long_for_the_firmware_fails_the_job_and_text_is_cut(tmp_path: Path) -> None:
    async with connected() as (marlin, mock):
        await marlin.start(written(tmp_path, ["M117 " + "a" * 200, "G1 X1", "G1 X" + "1" * 120]), "run-1")
        status = await ended(marlin)
        assert mock.heat["tool0_target"] == 0
    assert status.progress is not None
    assert status.progress.outcome is Outcome.FAILED
    assert "line 3 is longer" in status.progress.detail
    assert any(line.startswith("M117 aaa") and len(line) < 96 for line in mock.accepted)


async def test_the_time_left_is_what_the_program_says_less_what_has_passed(tmp_path: Path) -> None:
    clock = FakeClock(datetime(2026, 3, 1, 12, tzinfo=UTC))
    async with connected(device={"clock": clock}) as (marlin, _):
        await marlin.start(written(tmp_path, ["M73 P0 R30", "M73 Q0 S31", *moves(3), "M0 wait"]), "run-1")
        await until(marlin, lambda status: status.state is DeviceState.PAUSED)
        clock.advance(minutes=10)
        status = await until(marlin, lambda status: True)
    assert status.progress is not None
    assert (status.progress.elapsed_s, status.progress.remaining_s) == (600, 1200)
    assert status.at == clock.now()


async def test_an_empty_program_is_done(tmp_path: Path) -> None:
    path = tmp_path / "empty.gcode"
    path.touch()
    async with connected() as (marlin, _):
        await marlin.start(path, "run-1")
        assert outcome(await ended(marlin)) is Outcome.DONE


async def test_the_journal_is_told_how_far_the_file_was_sent(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    path = written(tmp_path, moves(300))
    device = {"journal": lambda line, offset: told.append((line, offset))}
    async with connected(device=device, speed=1) as (marlin, _):
        await marlin.start(path, "run-1")
        await ended(marlin)
    assert told == sorted(told)
    assert len(told) > 2
    assert told[-1] == (300, path.stat().st_size)


async def test_a_wider_window_loses_no_line(tmp_path: Path) -> None:
    lines = moves(2000)
    async with connected(device={"window": 4}, faults=["corrupt_line@500", "lost_ok@900"]) as (marlin, mock):
        await marlin.start(written(tmp_path, lines), "run-1")
        assert outcome(await ended(marlin)) is Outcome.DONE
    assert reached(mock) == lines


async def test_watching_ends_when_the_device_is_closed() -> None:
    async with connected() as (marlin, _):
        await marlin.close()
        status, error = await lost(marlin)
    assert status is not None
    assert status.state is DeviceState.OFFLINE
    assert isinstance(error, LinkLost)


async def test_make_safe_reads_the_targets_back_and_ends_the_program(tmp_path: Path) -> None:
    async with connected(speed=1) as (marlin, mock):
        await marlin.start(written(tmp_path, ["M140 S60", "M109 S250", *moves(5)]), "run-1")
        await holds(lambda: "M109 S250" in mock.accepted)
        assert await marlin.make_safe() is Safety.CONFIRMED
        assert (mock.heat["tool0_target"], mock.heat["bed_target"]) == (0, 0)
        assert outcome(await ended(marlin)) is Outcome.CANCELLED
        assert reached(mock) == []


async def test_after_make_safe_the_machine_prints_again(tmp_path: Path) -> None:
    async with connected() as (marlin, mock):
        assert await marlin.make_safe() is Safety.CONFIRMED
        await marlin.start(written(tmp_path, moves(300)), "run-1")
        assert outcome(await ended(marlin)) is Outcome.DONE
        assert reached(mock) == moves(300)
