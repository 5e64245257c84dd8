"""A program through the GRBL driver to a mocked machine on a real pty: the ordinary ways it goes and ends."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from drivers.grbl import Grbl
from drivers.grbl.program import bare
from drivers.mock.grbl import MockGrbl
from drivers.mock.marlin import MockMarlin
from fablab.base.clock import FakeClock
from fablab.device import DeviceRefused, DeviceState, LinkLost, Misfit, Outcome, Safety
from tests.drivers.grbl_rig import (
    QUICK,
    SAMPLE,
    back_and_forth,
    burns,
    connected,
    detail,
    ended,
    holds,
    lost,
    outcome,
    until,
    written,
)


async def test_opening_tells_who_answers_and_that_it_is_in_laser_mode() -> None:
    with MockGrbl() as mock:
        grbl = Grbl(name="g", port=mock.port, limits=QUICK)
        identity = await grbl.open()
        await grbl.close()
    assert identity.firmware == "Grbl 1.1h.20190830"
    assert identity.features["laser_mode"] == "on"
    assert (identity.features["rx_buffer"], identity.features["power_max"]) == ("128", "1000")


async def test_a_board_that_boots_with_errors_and_its_settings_is_waited_for() -> None:
    async with connected(factory_new=True) as (grbl, _):
        assert (await until(grbl, lambda s: True)).state is DeviceState.IDLE


async def test_a_printer_on_the_port_is_named_with_what_was_expected() -> None:
    with MockMarlin(name="other") as mock:
        grbl = Grbl(name="g", port=mock.port, limits=QUICK)
        with pytest.raises(Misfit, match=r"expected a GRBL 1.1 laser on .*, this answered: "):
            await grbl.open()
    await grbl.close()


async def test_a_second_driver_cannot_open_the_same_port() -> None:
    async with connected() as (grbl, mock):
        with pytest.raises(LinkLost, match="held by another program"):
            await Grbl(name="thief", port=mock.port, limits=QUICK).open()
        with pytest.raises(DeviceRefused, match="open already"):
            await grbl.open()


async def test_before_opening_there_is_no_link_and_nothing_is_confirmed() -> None:
    grbl = Grbl(name="g", port="/dev/none", limits=QUICK)
    with pytest.raises(LinkLost, match="not open"):
        await grbl.pause()
    assert await grbl.make_safe() is Safety.NOT_CONFIRMED
    await grbl.close()
    with pytest.raises(LinkLost, match="not there"):
        await grbl.open()
    _, error = await lost(grbl)
    assert isinstance(error, LinkLost)


async def test_every_line_of_a_real_program_arrives_once_in_order_without_its_comments() -> None:
    async with connected() as (grbl, mock):
        await grbl.start(SAMPLE, "run-1")
        status = await ended(grbl)
        # The machine says [MSG:Pgm End] at M2; what follows it is ours: beam off, and wait for standstill.
        sent = [line for raw in SAMPLE.read_text().splitlines() if (line := bare(raw))]
        assert mock.accepted[-len(sent) - 2 :] == [*sent, "M5", "G4 P0.01"]
        assert mock.checked == sent
        assert (mock.rx_lost, mock.refused, mock.beam_on) == (0, [], False)
    assert status.state is DeviceState.IDLE
    assert status.progress is not None
    assert (status.progress.outcome, status.progress.fraction, status.progress.detail) == (
        Outcome.DONE,
        1.0,
        "",
    )


async def test_comments_leave_and_only_g_code_is_sent(tmp_path: Path) -> None:
    lines = ["; Terminé !", "G21 (mm ~ ?)", "", "%", "M4 S0 ; on", "G1 X1 F600 S10 (half"]
    async with connected() as (grbl, mock):
        await grbl.start(written(tmp_path, lines), "run-1")
        assert outcome(await ended(grbl)) is Outcome.DONE
        assert mock.accepted[-5:] == ["G21", "M4 S0", "G1 X1 F600 S10", "M5", "G4 P0.01"]


async def test_it_is_done_only_when_the_head_stands_still(tmp_path: Path) -> None:
    async with connected(speed=5) as (grbl, mock):
        await grbl.start(written(tmp_path, ["M4 S100", "G1 X60 F3000"]), "run-1")
        await until(grbl, lambda s: s.progress and s.progress.fraction == 1.0)
        assert mock.position[0] < 60
        assert outcome(await ended(grbl)) is Outcome.DONE
        assert mock.position[0] == pytest.approx(60)


async def test_progress_and_journal_follow_what_the_machine_has_acknowledged(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    clock = FakeClock(datetime(2026, 5, 4, 12, 0, tzinfo=UTC))
    lines = burns(200)
    program = written(tmp_path, lines)
    async with connected(
        device={"clock": clock, "journal": lambda line, offset: told.append((line, offset))}
    ) as (grbl, _):
        await grbl.start(program, "run-1")
        clock.advance(seconds=90)
        status = await ended(grbl)
    assert status.progress is not None
    assert status.progress.elapsed_s == 90
    ends = [sum(len(line) + 1 for line in lines[: n + 1]) for n in range(len(lines))]
    assert told[: len(lines)] == list(zip(range(1, len(lines) + 1), ends, strict=True))


async def test_a_full_disk_spoils_no_program_and_is_said_once(tmp_path: Path) -> None:
    def full(line: int, offset: int) -> None:
        raise OSError(28, "No space left on device")

    async with connected(device={"journal": full}) as (grbl, _):
        await grbl.start(written(tmp_path, burns(20)), "run-1")
        status = await ended(grbl)
    assert outcome(status) is Outcome.DONE
    assert detail(status).count("could not be written down: No space left") == 1


async def test_a_finished_program_keeps_its_outcome_and_its_token_starts_nothing_again(
    tmp_path: Path,
) -> None:
    program = written(tmp_path, burns(3))
    async with connected() as (grbl, mock):
        await grbl.start(program, "run-1")
        await ended(grbl)
        before = len(mock.accepted)
        await grbl.start(program, "run-1")
        await grbl.close()
        await grbl.open()
        assert outcome(await until(grbl, lambda s: True)) is Outcome.DONE
        await holds(lambda: mock.accepted[before:] == ["M5"])  # of the new opening; no line of the program


async def test_lines_that_store_values_go_alone_and_are_not_tried_before(tmp_path: Path) -> None:
    lines = ["G21", *["G10 L2 P2 X1 Y1", "G55", "G1 X1 F6000", "G54"] * 5, "G28.1", "G1 X2"]
    async with connected() as (grbl, mock):
        await grbl.start(written(tmp_path, lines), "run-1")
        assert outcome(await ended(grbl)) is Outcome.DONE
        assert mock.accepted[-len(lines) - 2 : -2] == lines
        assert mock.checked == [line for line in lines if not line.startswith(("G10", "G28.1"))]
        assert mock.rx_lost == 0


async def test_a_pause_holds_and_a_resume_goes_on_where_it_stood(tmp_path: Path) -> None:
    lines = back_and_forth(4)
    async with connected(speed=4) as (grbl, mock):
        await grbl.start(written(tmp_path, lines), "run-1")
        for _ in range(2):
            await holds(lambda: mock.state == "Run")
            await grbl.pause()
            status = await until(grbl, lambda s: s.state is DeviceState.PAUSED)
            assert (mock.state, status.message, mock.beam_on) == ("Hold:0", "", False)
            await grbl.pause()
            await grbl.resume()
            await until(grbl, lambda s: s.state is DeviceState.RUNNING)
            await grbl.resume()
        assert outcome(await ended(grbl)) is Outcome.DONE
        assert mock.accepted[-7:-2] == lines


async def test_a_cancel_keeps_the_position_and_ends_with_the_beam_read_back_as_off(tmp_path: Path) -> None:
    async with connected(speed=1) as (grbl, mock):
        await grbl.start(written(tmp_path, back_and_forth(50)), "run-1")
        await holds(lambda: mock.beam_on)
        await grbl.cancel()
        await grbl.cancel()
        status = await ended(grbl)
        assert (outcome(status), status.state, detail(status)) == (Outcome.CANCELLED, DeviceState.IDLE, "")
        assert (mock.beam_on, mock.state) == (False, "Idle")
        assert mock.position[0] > 0
        assert mock.accepted[-1] == "M5"


async def test_a_cancel_while_paused_ends_it_too(tmp_path: Path) -> None:
    async with connected(speed=1) as (grbl, mock):
        await grbl.start(written(tmp_path, back_and_forth(50)), "run-1")
        await holds(lambda: mock.beam_on)
        await grbl.pause()
        await grbl.cancel()
        assert outcome(await ended(grbl)) is Outcome.CANCELLED
        assert mock.state == "Idle"


async def test_without_a_program_there_is_nothing_to_pause_resume_or_cancel() -> None:
    async with connected() as (grbl, _):
        for order in (grbl.pause, grbl.resume, grbl.cancel):
            with pytest.raises(DeviceRefused, match="no program is running"):
                await order()


async def test_another_program_is_refused_while_one_runs(tmp_path: Path) -> None:
    program = written(tmp_path, back_and_forth(50))
    async with connected(speed=1) as (grbl, _):
        await grbl.start(program, "run-1")
        with pytest.raises(DeviceRefused, match="busy with another program"):
            await grbl.start(program, "run-2")


# -- before the start


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("G1 X1 X2 F100", r"line 3 \(G1 X1 X2 F100\): error 25: a word stands twice in one line"),
        ("G1 F100 S1e3", r"line 3 .*: error 20: the machine does not know this command"),
        ("$32=0", r"line 3 \(\$32=0\) cannot be sent .*not taken from a program"),
        ("G1 X1!", r"line 3 .*obey at once"),
        ("G1 X1 é", r"line 3 .*plain ASCII"),
    ],
)
async def test_a_line_that_will_not_do_refuses_the_start_before_anything_moves(
    tmp_path: Path, line: str, said: str
) -> None:
    async with connected() as (grbl, mock):
        await holds(lambda: mock.accepted == ["M5"])
        with pytest.raises(DeviceRefused, match=said):
            await grbl.start(written(tmp_path, ["G21", "; a comment", line, "G1 X10"]), "run-1")
        status = await until(grbl, lambda s: s.state is DeviceState.IDLE)
        assert (status.progress, mock.accepted, mock.state) == (None, ["M5"], "Idle")
        await grbl.start(written(tmp_path, burns(2)), "run-2")
        assert outcome(await ended(grbl)) is Outcome.DONE


async def test_a_missing_file_refuses_the_start(tmp_path: Path) -> None:
    async with connected() as (grbl, _):
        with pytest.raises(DeviceRefused, match="cannot be read: No such file"):
            await grbl.start(tmp_path / "none.nc", "run-1")


async def test_a_long_program_is_tried_in_part_and_that_is_said(tmp_path: Path) -> None:
    async with connected(limits={"check_s": 0.05}) as (grbl, mock):
        await grbl.start(written(tmp_path, burns(20_000, step_mm=0.001)), "run-1")
        await holds(lambda: len(mock.accepted) > 10)
        tried = len(mock.checked)
        assert 0 < tried < 20_001
        await grbl.cancel()
        assert f"the machine tried the first {tried} of 20001 lines" in detail(await ended(grbl))


async def test_a_cancel_overtakes_a_start_that_is_still_being_checked(tmp_path: Path) -> None:
    async with connected() as (grbl, mock):
        starting = asyncio.create_task(grbl.start(written(tmp_path, burns(20_000, step_mm=0.001)), "run-1"))
        await holds(lambda: len(mock.checked) > 100)
        status = await until(grbl, lambda s: "checking the program" in s.message)
        assert status.state is DeviceState.IDLE
        await grbl.cancel()
        with pytest.raises(DeviceRefused, match="stopped before run-1 had begun"):
            await starting
        await holds(lambda: mock.state == "Idle")
        assert "G1 X0.00 S101 F3000" not in mock.accepted
        await until(grbl, lambda s: s.state is DeviceState.IDLE and not s.message)
        await grbl.start(written(tmp_path, burns(2)), "run-2")
        assert outcome(await ended(grbl)) is Outcome.DONE


async def test_a_stop_overtakes_a_file_that_is_still_being_read(tmp_path: Path) -> None:
    async with connected() as (grbl, mock):
        starting = asyncio.create_task(grbl.start(written(tmp_path, burns(200_000)), "run-1"))
        await asyncio.sleep(0.01)
        await grbl.cancel()
        with pytest.raises(DeviceRefused, match="stopped before run-1 had begun"):
            await starting
        assert mock.checked == []


async def test_a_beam_is_refused_where_laser_mode_is_off_and_the_rest_is_not(tmp_path: Path) -> None:
    async with connected(settings={32: 0}) as (grbl, _):
        status = await until(grbl, lambda s: s.state is DeviceState.IDLE)
        assert "laser mode is off ($32=0)" in status.message
        with pytest.raises(DeviceRefused, match=r"\$32=1"):
            await grbl.start(written(tmp_path, burns(2)), "run-1")
        await grbl.start(written(tmp_path, ["G0 X10", "G0 X0"]), "run-2")
        assert outcome(await ended(grbl)) is Outcome.DONE


async def test_a_move_beyond_the_travel_is_found_before_the_start(tmp_path: Path) -> None:
    async with connected(settings={22: 1, 20: 1}) as (grbl, mock):
        await until(grbl, lambda s: s.state is DeviceState.FAULT)
        mock.inject("reset")
        with pytest.raises(DeviceRefused, match="not free"):
            await grbl.start(written(tmp_path, ["G1 X900 F1000"]), "run-1")
        assert mock.commands.count("$X") == mock.commands.count("$H") == 0
