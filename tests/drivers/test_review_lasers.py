"""A laser that a fresh pair of eyes looked for ways to leave burning, or to begin late."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from drivers.grbl import meanings
from fablab.base.clock import FakeClock
from fablab.device import DeviceRefused, DeviceState, Outcome
from tests.drivers.doubles import NOON
from tests.drivers.grbl_rig import (
    QUICK,
    back_and_forth,
    burns,
    connected,
    detail,
    ended,
    holds,
    outcome,
    until,
    written,
)
from tests.drivers.test_grbl_faults import Script

HELD = b"<Hold:0|MPos:0.000,0.000,0.000|FS:0,0|Ov:100,100,100>\r\n"
BURNS = b"<Hold:0|MPos:0.000,0.000,0.000|FS:0,500|Ov:100,100,100|A:S>\r\n"


async def test_a_pause_right_after_a_resume_holds_the_head_again(tmp_path: Path) -> None:
    script = Script()
    grbl = script.device(limits=replace(QUICK, check_s=0.05), every_s=0.05)
    await grbl.open()
    await grbl.start(written(tmp_path, burns(20_000)), "run-1")
    script.report = HELD
    await grbl.pause()
    resuming = asyncio.create_task(grbl.resume())  # the machine still says that it is held
    await holds(lambda: b"~" in script.port.written)
    await grbl.pause()
    with pytest.raises(DeviceRefused, match="paused again"):
        await resuming
    after = script.port.written[script.port.written.index(b"~") :]
    assert b"!" in after
    await grbl.close()


async def test_a_beam_that_burns_on_in_a_hold_is_stopped(tmp_path: Path) -> None:
    script = Script()
    grbl = script.device(limits=replace(QUICK, check_s=0.05), every_s=0.05)
    await grbl.open()
    await grbl.start(written(tmp_path, burns(20_000)), "run-1")
    script.report = BURNS
    await grbl.pause()
    await until(grbl, lambda s: "tells of a beam" in s.message)
    await holds(lambda: script.port.written[-1] != b"?" and b"M5\n" in script.port.written[-4:])
    script.report = HELD.replace(b"Hold:0", b"Idle")
    status = await ended(grbl)
    assert outcome(status) is Outcome.FAILED
    assert "the beam stayed on while the head stood still" in detail(status)
    await grbl.close()


async def test_a_program_whose_deadline_passes_in_check_mode_does_not_begin(tmp_path: Path) -> None:
    clock = FakeClock(NOON)
    async with connected(device={"clock": clock}) as (grbl, mock):
        file = written(tmp_path, burns(20_000, step_mm=0.001))
        starting = asyncio.create_task(grbl.start_by(file, "run-1", NOON + timedelta(seconds=10)))
        await holds(lambda: len(mock.checked) > 100)
        clock.advance(timedelta(seconds=11))
        with pytest.raises(DeviceRefused, match="after its deadline and was dropped"):
            await starting
        status = await until(grbl, lambda s: s.state is DeviceState.IDLE)
        assert (status.progress, mock.beam_on) == (None, False)


async def test_a_program_before_its_deadline_begins(tmp_path: Path) -> None:
    async with connected(device={"clock": FakeClock(NOON)}) as (grbl, _):
        await grbl.start_by(written(tmp_path, back_and_forth(2)), "run-1", NOON + timedelta(seconds=10))
        assert outcome(await ended(grbl)) is Outcome.DONE


def test_a_program_larger_than_the_machine_is_told_apart_from_a_machine_in_trouble() -> None:
    assert "make it smaller" in meanings.trial_advice(2)
    assert meanings.trial_advice(1) == meanings.UNLOCK
