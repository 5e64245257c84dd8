"""A thousand jobs over a wire that loses three answers in ten: each starts once or, with a clear word, not at all.

A job is started as the dispatcher does it: written down first, one token, a deadline; after a lost answer only a
look says what happened, and only a machine that stands idle without our run is sent the same start again.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from drivers.link import Link, Pace
from drivers.mock.octoprint import MockOctoPrint
from drivers.mock.printer import Printer
from drivers.octoprint import OctoPrint
from fablab.base.clock import SystemClock
from fablab.device import Device, DeviceRefused, DeviceState, LinkLost, LinkState, Status
from fablab.runs.models import RUN_STEPS, RunState
from fablab.runs.reconcile import reconcile
from tests.drivers.lossy import LossyHttp

LIVE = (RunState.STARTING, RunState.RUNNING, RunState.PAUSED)
PACE = Pace(stale_s=5.0, open_s=5.0, command_s=5.0, first_wait_s=0.005, last_wait_s=0.05)
CLOCK = SystemClock()


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A driver that reaches its machine over the lossy wire, and the truth about that machine."""

    device: Device
    printer: Printer


Maker = Callable[[random.Random], AbstractAsyncContextManager[Machine]]


@asynccontextmanager
async def octoprint(dice: random.Random) -> AsyncIterator[Machine]:
    async with (
        MockOctoPrint(speed=1000, push_s=0.2, cancelling_s=0.01) as mock,
        LossyHttp(mock.port, dice) as wire,
    ):
        device = OctoPrint(name="m", url=wire.url, api_key=mock.api_key, answer_s=0.3, look_s=0.5)
        yield Machine(device=device, printer=mock.printer)


MACHINES: dict[str, Maker] = {"octoprint": octoprint}


@dataclass(kw_only=True)
class Job:
    """What the lab knows of one run, as its database would."""

    token: str
    program: Path
    state: RunState = RunState.STARTING
    refused: str = ""
    sent: int = 0

    def see(self, status: Status) -> None:
        action = reconcile(self.state, status.at, None, self.token, status)
        if action is not None:
            self.state = RUN_STEPS[(self.state, action)]


async def carry_out(job: Job, link: Link) -> None:
    """From the tap to the end of the run, as `scheduler.dispatch` does it."""
    deadline = CLOCK.now() + timedelta(seconds=30)
    statuses = link.subscribe()
    while job.state in LIVE:
        async with asyncio.timeout(30):
            status = await anext(statuses)
        if link.state is not LinkState.ONLINE:
            continue
        job.see(status)
        idle_without_it = status.state is DeviceState.IDLE and job.state is RunState.STARTING
        if not idle_without_it:
            continue
        job.sent += 1
        try:
            await link.start(job.program, job.token, deadline)
        except LinkLost:
            continue  # nobody knows: the next looks say
        except DeviceRefused as error:
            job.refused, job.state = str(error), RunState.FAILED
        else:
            job.see(link.status)


async def lane(name: str, number: int, jobs: int, folder: Path, verdicts: Counter[str]) -> None:
    """One machine and its jobs, one after another."""
    dice = random.Random(f"{name} {number}")
    async with (
        MACHINES[name](dice) as machine,
        Link(machine.device, clock=CLOCK, pace=PACE, jitter=dice.random) as link,
    ):
        for n in range(jobs):
            program = folder / f"{name}-{number}-{n}.gcode"
            program.write_text(f"M117 job {number} {n}\nG1 X{n}\nG4 P20\n")
            job = Job(token=f"run-{number}-{n}", program=program)
            await carry_out(job, link)
            verdicts[verdict(job, machine.printer)] += 1
            verdicts["commands to start"] += job.sent


def verdict(job: Job, printer: Printer) -> str:
    """What became of a job, by the machine's own account of it."""
    begun = [one for one in printer.prints if job.token in one.name]
    if len(begun) > 1:
        return "started twice"
    if job.refused:
        return f"refused, but started: {job.refused}" if begun else "refused"
    if not begun:
        return f"{job.state} without a start"
    if begun[0].sha256 != hashlib.sha256(job.program.read_bytes()).hexdigest():
        return "started with another job's file"
    return "done" if begun[0].whole and job.state is RunState.SUCCEEDED else f"whole, but told as {job.state}"


async def _hold(name: str, lanes: int, jobs: int, folder: Path) -> Counter[str]:
    verdicts: Counter[str] = Counter()
    async with AsyncExitStack():
        await asyncio.gather(*(lane(name, number, jobs, folder, verdicts) for number in range(lanes)))
    return verdicts


@pytest.mark.parametrize("name", sorted(MACHINES))
async def test_no_job_starts_twice_or_is_told_as_failed_when_three_answers_in_ten_are_lost(
    name: str, tmp_path: Path
) -> None:
    verdicts = await _hold(name, lanes=5, jobs=10, folder=tmp_path)
    print(verdicts)
    assert set(verdicts) <= {"done", "refused", "commands to start"}
