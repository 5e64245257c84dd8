"""OctoPrint behind a wire that fails: what is unknown is told as unknown, and a whole print arrives line by line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from drivers.link import Link, Pace
from drivers.mock.octoprint import MockOctoPrint
from drivers.octoprint import OctoPrint
from fablab.base.clock import SystemClock
from fablab.device import DeviceRefused, DeviceState, LinkLost, Outcome, Status
from fablab.runs.models import RunState
from fablab.runs.reconcile import reconcile

CLOCK = SystemClock()
PACE = Pace(stale_s=2.0, open_s=2.0, command_s=5.0, first_wait_s=0.05, last_wait_s=0.1)
SAMPLES = Path(__file__).resolve().parents[1] / "samples"


@pytest.fixture
def long(tmp_path: Path) -> Path:
    (file := tmp_path / "long.gcode").write_text("G1 X1\n" * 6000)
    return file


@asynccontextmanager
async def linked() -> AsyncIterator[tuple[MockOctoPrint, Link, list[Status]]]:
    """A machine, its link, and every status that the link has told."""
    async with MockOctoPrint() as mock:
        device = OctoPrint(
            name="m", url=mock.url, api_key=mock.api_key, answer_s=0.3, look_s=0.1, upload_s=1.0
        )
        told: list[Status] = []
        async with Link(device, clock=CLOCK, pace=PACE, jitter=lambda: 0.0) as link:

            async def follow() -> None:
                async for status in link.subscribe():
                    told.append(status)

            following = asyncio.create_task(follow())
            await link.wait_online(5)
            yield mock, link, told
        await following


async def until(link: Link, want: Callable[[Status], object], within_s: float = 10) -> Status:
    async with asyncio.timeout(within_s):
        async for status in link.subscribe():
            if want(status):
                return status
    raise AssertionError("the link was closed")


async def start(link: Link, program: Path, token: str = "r1") -> None:
    await link.start(program, token, CLOCK.now() + timedelta(minutes=1))


def moving(status: Status) -> bool:
    return status.state is DeviceState.RUNNING and status.progress is not None


def offline(status: Status) -> bool:
    return status.state is DeviceState.OFFLINE


def judged(told: list[Status], token: str = "r1") -> set[str | None]:
    """What the lab would have made of a running run."""
    return {reconcile(RunState.RUNNING, status.at, status.at, token, status) for status in told}


@pytest.mark.parametrize(
    "fault",
    [
        "half_open:0.6",
        "socket_drop:0.5",
        "trickle:6@GET /api/job",
        "half_answer:8@GET /api/job",
        "garbage:8@GET /api/job",
        "http_500:8@GET /api/job",
        "timeout:3@GET /api/job",
        "lost:8@GET /api/job",
    ],
)
async def test_a_print_that_is_out_of_sight_for_a_while_is_unknown_and_then_found_again(
    fault: str, long: Path
) -> None:
    async with linked() as (mock, link, told):
        await start(link, long)
        await until(link, moving)
        told.clear()
        mock.inject(fault)
        await until(link, offline)
        found = await until(link, moving)
        assert found.progress is not None
        assert (found.progress.token, found.progress.outcome) == ("r1", None)
    assert judged(told) <= {None, "run"}


async def test_a_print_that_ends_out_of_sight_is_done(long: Path) -> None:
    async with linked() as (mock, link, told):
        await start(link, long)
        await until(link, moving)
        told.clear()
        mock.inject("half_open:0.6")
        mock.speed = 1e5
        found = await until(link, lambda s: s.progress and s.progress.outcome)
        assert found.progress is not None
        assert found.progress.outcome is Outcome.DONE
    assert judged(told) <= {None, "run", "succeed"}


async def test_a_server_that_died_in_mid_print_has_lost_the_run_and_does_not_fail_it(long: Path) -> None:
    async with linked() as (mock, link, told):
        await start(link, long)
        await until(link, moving)
        told.clear()
        mock.inject("server_killed:0.2")
        await until(link, offline)
        back = await until(link, lambda s: s.state is DeviceState.IDLE)
        assert back.progress is None
        assert mock.starts == 1
    assert judged(told) <= {None, "run", "interrupt"}


async def test_a_start_that_never_runs_leaves_the_machine_idle_without_our_run(long: Path) -> None:
    async with linked() as (mock, link, _):
        mock.inject("never_runs")
        with pytest.raises(DeviceRefused, match="nothing began"):
            await start(link, long)
        status = await until(link, lambda s: s.state is DeviceState.IDLE)
        assert status.progress is None
        assert mock.starts == 0


async def test_a_storm_of_conflicts_refuses_the_start_in_clear_words(long: Path) -> None:
    async with linked() as (mock, link, _):
        mock.inject("conflict_storm:30")
        with pytest.raises(DeviceRefused, match="OctoPrint refuses"):
            await start(link, long)
        mock.heal()
        await start(link, long, "r2")
        assert mock.starts == 1


async def test_a_start_into_silence_is_unknown_and_found_when_the_wire_is_back(long: Path) -> None:
    async with linked() as (mock, link, told):
        mock.before("POST /api/files/local/fablab", lambda: mock.inject("half_open:0.5"))
        with pytest.raises(LinkLost):
            await start(link, long)
        status = await until(link, moving)
        assert status.progress is not None
        assert (status.progress.token, mock.starts) == ("r1", 1)
    assert judged(told) <= {None, "run", "interrupt"}


async def test_a_lost_printer_is_offline_and_its_run_unknown(long: Path) -> None:
    async with linked() as (mock, link, told):
        await start(link, long)
        await until(link, moving)
        told.clear()
        mock.inject("printer_lost")
        status = await until(link, offline)
        assert "not connected" in status.message
    assert judged(told) <= {None, "run"}


async def test_every_line_of_a_sliced_file_reaches_the_machine_in_order() -> None:
    program = SAMPLES / "gear_mk3s_petg.gcode"
    async with MockOctoPrint(speed=1e6, push_s=0.5) as mock:
        device = OctoPrint(name="m", url=mock.url, api_key=mock.api_key, look_s=0.5)
        async with Link(device, clock=CLOCK) as link:
            await link.wait_online(5)
            await start(link, program)
            ended = await until(link, lambda s: s.progress and s.progress.outcome, within_s=60)
    assert ended.progress is not None
    assert (ended.progress.outcome, ended.progress.fraction) == (Outcome.DONE, 1.0)
    sent = (line.split(";", 1)[0].strip() for line in program.read_text().splitlines())
    assert mock.executed == [line for line in sent if line]
