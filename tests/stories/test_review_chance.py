"""Chance against the dispatcher: lost answers, dropped lines, servers that die anywhere; no start twice, no false success.

The machine is a script that keeps its own book: what it was told to start, and how each of that really ended. A
third of all answers are lost, the line drops, orders arrive late, the server is thrown away at random points and another one
begins on the same database. In the end the machine's book and the lab's are laid side by side.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import select

from drivers.link import Link, Pace
from fablab.base.clock import FakeClock
from fablab.base.errors import LabError
from fablab.claims.jobs.use import Wishes
from fablab.device import (
    Capability,
    DeviceError,
    DeviceRefused,
    DeviceState,
    DeviceTimeout,
    Identity,
    LinkLost,
    Outcome,
    Progress,
    Safety,
    Status,
)
from fablab.runs import attempts
from fablab.runs.models import ENDED, Run, RunState
from scheduler.dispatch import Dispatcher
from tests.lab import Lab, analysed, drafted

LOST = 0.3
PACE = Pace(first_wait_s=0.002, last_wait_s=0.01, close_s=0.5, stale_s=2.0, open_s=1.0, command_s=1.0)


@dataclass
class Machine:
    """What stands in the room. It outlives every server, and writes down what it really did."""

    chance: random.Random
    clock: FakeClock
    started: list[str] = field(default_factory=list)
    ended: dict[str, Outcome] = field(default_factory=dict)
    bed_taken: int = 0  # starts on a bed that nobody had cleared
    clear: bool = True
    token: str = ""
    left: int = 0
    heat: float = 0.0
    forgets: bool = False

    @property
    def runs(self) -> bool:
        return self.left > 0

    def start(self, token: str) -> None:
        if self.token == token:
            return
        if self.runs:
            raise DeviceRefused("busy")
        self.started.append(token)
        self.bed_taken += not self.clear
        self.clear, self.forgets = False, False
        self.token, self.left, self.heat = token, self.chance.randint(1, 6), 200.0

    def go_on(self) -> None:
        """A little later; sometimes it loses power, and with it all it knew."""
        if not self.runs:
            return
        if self.chance.random() < 0.02:
            self.left, self.forgets, self.heat = 0, True, 0.0
            return
        self.left -= 1
        if not self.left:
            bad = self.chance.random() < 0.1
            self.end(Outcome.FAILED if bad else Outcome.DONE)

    def end(self, outcome: Outcome) -> None:
        self.left, self.ended[self.token] = 0, outcome
        self.heat = 200.0 if self.chance.random() < 0.3 else 0.0  # not every program ends as it should

    def status(self) -> Status:
        progress = None
        if self.token and not self.forgets:
            progress = Progress(token=self.token, fraction=0.5, outcome=self.ended.get(self.token))
        return Status(
            at=self.clock.now(),
            state=DeviceState.RUNNING if self.runs else DeviceState.IDLE,
            progress=progress,
            heat_c={"tool0": self.heat, "tool0_target": self.heat},
        )


class Wire:
    """A server's way to the machine, as bad as it gets."""

    name = "mk3"
    capabilities = frozenset({Capability.START, Capability.CANCEL, Capability.SAFE_STOP, Capability.DETACHED})

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._chance = machine.chance

    async def open(self) -> Identity:
        if self._chance.random() < LOST:
            raise LinkLost("no answer")
        return Identity(firmware="script")

    async def close(self) -> None: ...

    async def watch(self) -> AsyncIterator[Status]:
        while True:
            self._machine.go_on()
            yield self._machine.status()
            await asyncio.sleep(0.004)
            if self._chance.random() < 0.05:
                raise LinkLost("the line dropped")

    async def start(self, program: Path, token: str) -> None:
        await self._through(lambda: self._machine.start(token))

    async def pause(self) -> None: ...

    async def resume(self) -> None: ...

    async def cancel(self) -> None:
        def stop() -> None:
            if not self._machine.runs:
                raise DeviceRefused("nothing runs")
            self._machine.end(Outcome.CANCELLED)

        await self._through(stop)

    async def make_safe(self) -> Safety:
        def cool() -> None:
            if self._machine.runs:
                self._machine.end(Outcome.CANCELLED)
            self._machine.heat = 0.0

        await self._through(cool)
        return Safety.CONFIRMED

    async def _through(self, order) -> None:  # type: ignore[no-untyped-def]
        """An order may be lost on its way; its answer may be lost; both may take their time."""
        await asyncio.sleep(self._chance.choice([0, 0, 0.003, 0.02]))
        dice = self._chance.random()
        if dice < LOST / 2:
            raise DeviceTimeout("the order was lost")
        order()
        if dice < LOST:
            raise LinkLost("the answer was lost")


class House:
    """One server after the other over one database and one machine."""

    def __init__(self, lab: Lab, seed: int) -> None:
        self.lab = lab
        self.chance = random.Random(seed)
        self.machine = Machine(self.chance, lab.clock)
        self.mk3 = lab.resources["mk3"]
        self.servers = 0
        self.dispatcher: Dispatcher | None = None

    async def serve(self) -> Dispatcher:
        self.servers += 1
        link = Link(Wire(self.machine), clock=self.lab.clock, pace=PACE)
        self.dispatcher = Dispatcher(
            self.lab.database, {"mk3": link}, Path("/nowhere").joinpath, self.lab.clock
        )
        await self.dispatcher.begin()
        return self.dispatcher

    async def die(self) -> None:
        """As near to SIGKILL as a task can come: everything is cut off where it stands."""
        assert self.dispatcher is not None
        await self.dispatcher.close()

    async def job(self) -> None:
        """One job, tapped as a person would: the bed is cleared first, and the machine was looked at."""
        dispatcher = self.dispatcher or await self.serve()
        lab = self.lab
        job_id = await asyncio.to_thread(drafted, lab, analysed())
        await asyncio.to_thread(lab.intake.submit, lab.maker, job_id, Wishes())
        run = await self._tap(dispatcher, job_id)
        if run is None:
            return
        for _ in range(400):
            await asyncio.sleep(0.003)
            if self.chance.random() < 0.04:
                await self.die()
                dispatcher = await self.serve()
            if self.chance.random() < 0.02:
                await self._quietly(dispatcher.cancel(lab.maker, run.id))
            if self.chance.random() < 0.1:
                lab.clock.advance(seconds=self.chance.choice([1, 20, 100]))
            if (await asyncio.to_thread(self._state, run)) in ENDED:
                break
        else:
            raise AssertionError(f"{run.id} did not end: {self._state(run)}")
        await asyncio.to_thread(self._take_out_of_queue, job_id)

    async def _tap(self, dispatcher: Dispatcher, job_id: str) -> Run | None:
        why: LabError | None = None
        for _ in range(200):
            self.lab.clock.advance(seconds=30)
            if not self.machine.runs:  # nobody clears a bed under a moving head
                self.machine.clear = True
                try:
                    return await dispatcher.tap(self.lab.staff, self.mk3, claim_id=job_id, bed_clear=True)
                except LabError as error:
                    why = error
            await asyncio.sleep(0.005)
        raise AssertionError(f"the machine never came to rest: {why}")

    async def _quietly(self, asked) -> None:  # type: ignore[no-untyped-def]
        try:
            await asked
        except (LabError, DeviceError):
            return

    def _state(self, run: Run) -> RunState:
        with self.lab.database.read() as uow:
            return attempts.get(uow, run.id).state

    def _take_out_of_queue(self, job_id: str) -> None:
        """A job that goes back in the queue would only make the plan longer."""
        try:
            with self.lab.database.begin(self.lab.staff) as uow:
                attempts.cancel_job(uow, job_id)
        except LabError:
            return


async def play(lab: Lab, jobs: int, seed: int) -> dict[str, int]:
    """Raises when the two books do not agree; the counts are for the log."""
    floor = House(lab, seed)
    for _ in range(jobs):
        await floor.job()
    await floor.die()
    with lab.database.read() as uow:
        runs = {run.id: run for run in uow.session.scalars(select(Run)).unique()}
    machine = floor.machine
    assert len(machine.started) == len(set(machine.started)), "a run was started twice"
    assert set(machine.started) <= set(runs), "something was started that nobody had tapped"
    assert machine.bed_taken == 0, "a run was started on a bed that nobody had cleared"
    for run in runs.values():
        if run.state is RunState.SUCCEEDED:
            assert machine.ended.get(run.id) is Outcome.DONE, f"{run.id} did not succeed: {run.detail}"
        if run.id not in machine.started:
            assert run.started_at is None
            assert run.state in (RunState.FAILED, RunState.CANCELLED, RunState.INTERRUPTED)
        if run.state is RunState.FAILED and run.started_at is not None:
            assert machine.ended.get(run.id) is Outcome.FAILED, f"{run.id} did not fail: {run.detail}"
    counts = Counter(run.state.value for run in runs.values())
    return {"servers": floor.servers, "started": len(machine.started), **counts}


@pytest.mark.timeout(200)
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.soak) for seed in (1, 2, 3))])
async def test_seventy_five_jobs_on_a_bad_line_are_each_started_at_most_once(lab: Lab, seed: int) -> None:
    counts = await play(lab, 75, seed)
    print(counts)
    assert counts["succeeded"] > 5


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_a_thousand_jobs_on_a_bad_line_are_each_started_at_most_once(lab: Lab) -> None:
    counts = await play(lab, 1000, random.SystemRandom().randrange(1_000_000))
    print(counts)
    assert counts["servers"] > 100
