"""A person as the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers.manual import Manual
from fablab.base.clock import FakeClock
from fablab.device import DeviceRefused, DeviceState, LinkLost, Misfit, Outcome, Progress, Safety, Status
from tests.drivers.doubles import NOON

PROGRAM = Path("/p.pdf")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOON)


@pytest.fixture
async def bench(tmp_path: Path, clock: FakeClock) -> Manual:
    return await another(tmp_path, clock)


async def another(tmp_path: Path, clock: FakeClock) -> Manual:
    device = Manual(name="bench", state=tmp_path / "m" / "b.json", clock=clock, estimate_s=100, every_s=0.01)
    await device.open()
    return device


async def look(device: Manual) -> Status:
    return await anext(device.watch())


async def progress(device: Manual) -> Progress:
    seen = (await look(device)).progress
    assert seen is not None
    return seen


async def test_an_unused_bench_is_idle(bench: Manual) -> None:
    seen = await look(bench)
    assert (seen.state, seen.progress, seen.at) == (DeviceState.IDLE, None, NOON)


async def test_work_shows_its_share_of_the_estimate(bench: Manual, clock: FakeClock) -> None:
    await bench.start(PROGRAM, "t1")
    clock.advance(seconds=25)
    assert await progress(bench) == Progress(token="t1", fraction=0.25, elapsed_s=25, remaining_s=75)


async def test_work_over_its_estimate_is_never_shown_as_done(bench: Manual, clock: FakeClock) -> None:
    await bench.start(PROGRAM, "t1")
    clock.advance(seconds=1000)
    assert await progress(bench) == Progress(token="t1", fraction=0.99, elapsed_s=1000, remaining_s=0)


async def test_without_an_estimate_only_time_is_shown(tmp_path: Path, clock: FakeClock) -> None:
    device = Manual(name="bench", state=tmp_path / "b.json", clock=clock)
    await device.open()
    await device.start(PROGRAM, "t1")
    assert await progress(device) == Progress(token="t1")


async def test_a_pause_does_not_count(bench: Manual, clock: FakeClock) -> None:
    await bench.start(PROGRAM, "t1")
    clock.advance(seconds=10)
    await bench.pause()
    await bench.pause()
    clock.advance(seconds=600)
    assert (await look(bench)).state is DeviceState.PAUSED
    assert (await progress(bench)).elapsed_s == 10
    await bench.resume()
    await bench.resume()
    clock.advance(seconds=5)
    assert (await progress(bench)).elapsed_s == 15


@pytest.mark.parametrize("outcome", list(Outcome))
async def test_a_person_reports_the_outcome(bench: Manual, clock: FakeClock, outcome: Outcome) -> None:
    await bench.start(PROGRAM, "t1")
    clock.advance(seconds=40)
    await bench.report(outcome, "as it went")
    await bench.report(outcome)
    clock.advance(seconds=40)
    seen = await progress(bench)
    assert (seen.outcome, seen.detail, seen.elapsed_s, seen.remaining_s) == (outcome, "as it went", 40, None)
    assert seen.fraction == (1.0 if outcome is Outcome.DONE else 0.4)
    assert (await look(bench)).state is DeviceState.IDLE


async def test_one_outcome_cannot_become_another(bench: Manual) -> None:
    await bench.start(PROGRAM, "t1")
    await bench.report(Outcome.FAILED)
    with pytest.raises(DeviceRefused, match="nothing is under way"):
        await bench.report(Outcome.DONE)


async def test_a_restart_keeps_the_work(bench: Manual, tmp_path: Path, clock: FakeClock) -> None:
    await bench.start(PROGRAM, "t1")
    clock.advance(seconds=30)
    await bench.pause()
    again = await another(tmp_path, clock)
    assert (await look(again)).state is DeviceState.PAUSED
    assert (await progress(again)).elapsed_s == 30


async def test_a_damaged_file_needs_a_person(bench: Manual, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "b.json").write_text("{")
    with pytest.raises(Misfit, match="look at it, then remove it"):
        await bench.open()


async def test_nobody_can_confirm_that_a_person_is_safe(bench: Manual) -> None:
    assert await bench.make_safe() is Safety.NOT_CONFIRMED


async def test_a_watch_goes_on_by_itself_and_ends_when_closed(bench: Manual) -> None:
    statuses = bench.watch()
    for _ in range(3):
        await anext(statuses)
    await bench.close()
    with pytest.raises(LinkLost):
        await anext(statuses)
