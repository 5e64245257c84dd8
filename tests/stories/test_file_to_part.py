"""From a file to a finished part, on both databases, with a device that a test holds in its hand."""

from __future__ import annotations

import asyncio
import itertools
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from fablab.base.errors import Conflict, Invalid, Refused
from fablab.claims.jobs import use as jobs
from fablab.claims.jobs.models import Job, JobState
from fablab.claims.jobs.use import Wishes
from fablab.claims.models import Allocation, Claim, ClaimState
from fablab.device import (
    DeviceRefused,
    DeviceState,
    LinkLost,
    Outcome,
    Progress,
    Status,
)
from fablab.money.models import Charge
from fablab.notices import unseen
from fablab.places.models import Machine, MachineGate, Spool
from fablab.runs import attempts
from fablab.runs.models import Run, RunState
from scheduler.dispatch import Dispatcher
from tests.lab import GEAR, Lab
from tests.scheduler.hand_link import HandLink, eventually


class Floor:
    """A dispatcher over one hand-held link, and short ways to look."""

    def __init__(self, lab: Lab, first: Status | None = None) -> None:
        self.lab = lab
        self.link = HandLink(lab.clock, "mk3")
        self.link.status = first or self.link.status
        self.dispatcher = Dispatcher(lab.database, {"mk3": self.link}, lab.intake.store.path, lab.clock)
        self.mk3 = lab.resources["mk3"]

    async def __aenter__(self) -> Floor:
        await self.dispatcher.begin()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.dispatcher.close()

    async def submitted(self, **wishes: object) -> str:
        job = await asyncio.to_thread(receive, self.lab)
        await asyncio.to_thread(self.lab.intake.submit, self.lab.maker, job, Wishes(**wishes))  # type: ignore[arg-type]
        return job

    async def tapped(self) -> Run:
        return await self.dispatcher.tap(self.lab.staff, self.mk3, bed_clear=True)

    async def until(self, run_id: str, state: RunState) -> Run:
        return await eventually(lambda: self._run_in(run_id, state))

    def _run_in(self, run_id: str, state: RunState) -> Run | None:
        with self.lab.database.read() as uow:
            run = attempts.get(uow, run_id)
            return run if run.state is state else None


def receive(lab: Lab) -> str:
    with GEAR.open("rb") as stream:
        return lab.intake.receive(lab.maker, iter(lambda: stream.read(65536), b""), "gear.gcode").id


def mine(run: Run, fraction: float = 0.5, outcome: Outcome | None = None) -> Progress:
    return Progress(token=run.id, fraction=fraction, elapsed_s=60, remaining_s=60, outcome=outcome)


async def test_a_gear_becomes_a_part_with_grams_charge_and_a_true_calendar(any_lab: Lab) -> None:
    async with Floor(any_lab) as floor:
        job_id = await floor.submitted(project_id=any_lab.projects["drone"])
        run = await floor.tapped()
        await floor.until(run.id, RunState.STARTING)
        assert floor.link.sent == [("start", run.id)]
        floor.link.say(DeviceState.RUNNING, mine(run))
        await floor.until(run.id, RunState.RUNNING)
        any_lab.clock.advance(minutes=33)
        floor.link.say(DeviceState.IDLE, mine(run, 1.0, Outcome.DONE))
        await floor.until(run.id, RunState.SUCCEEDED)
    with any_lab.database.read() as uow:
        claim = uow.session.get(Claim, job_id)
        assert claim is not None
        assert jobs.get(uow, job_id).state is JobState.DONE
        assert claim.state is ClaimState.CLOSED
        assert uow.session.get_one(Spool, any_lab.spools["PETG"]).left_g == pytest.approx(795.5)
        charge = uow.session.scalar(select(Charge).where(Charge.run_id == run.id))
        assert charge is not None
        assert charge.total_cents == 118  # two begun half-hours at 1 EUR an hour, 4.50 g at 40 EUR a kilogram
        (allocation,) = claim.allocations
        assert (allocation.run_id, allocation.end_at) == (run.id, any_lab.clock.now())
        assert uow.session.get_one(Machine, floor.mk3).gate is MachineGate.AWAITING_CLEAR
        assert [notice.code for notice in unseen(uow, any_lab.maker.member_id or 0)] == ["job.done"]


def test_a_submission_is_told_when_between_and_why(any_lab: Lab) -> None:
    job_id = receive(any_lab)
    _, promise = any_lab.intake.submit(any_lab.maker, job_id, Wishes())
    assert promise is not None
    assert promise.ready_from <= promise.ready_at <= promise.ready_until
    assert promise.ready_at < any_lab.clock.now() + timedelta(hours=2)
    with any_lab.database.read() as uow:
        claim = uow.session.get_one(Claim, job_id)
        assert claim.ready_at == promise.ready_at
        assert any(reason["about"] == "not_there" for reason in claim.reasons)


async def test_nothing_starts_on_a_bed_that_nobody_confirmed(lab: Lab) -> None:
    async with Floor(lab) as floor:
        await floor.submitted()
        with pytest.raises(Invalid, match="bed"):
            await floor.dispatcher.tap(lab.staff, floor.mk3, bed_clear=False)
        lab.clock.advance(hours=1)
        floor.link.say(DeviceState.IDLE)
        assert floor.link.sent == []


async def test_the_wrong_colour_is_refused_and_nothing_is_kept(lab: Lab) -> None:
    async with Floor(lab) as floor:
        job_id = await floor.submitted()
        with pytest.raises(Refused) as refused:
            await floor.dispatcher.tap(lab.staff, floor.mk3, bed_clear=True, spool_id=lab.spools["PLA"])
        assert [refusal.code for refusal in refused.value.refusals] == ["material.other_loaded"]
    with lab.database.read() as uow:
        assert jobs.get(uow, job_id).state is JobState.QUEUED
        assert uow.session.get_one(Machine, floor.mk3).spool_id == lab.spools["PETG"]


async def test_a_refused_start_puts_the_job_back_in_the_plan(lab: Lab) -> None:
    async with Floor(lab) as floor:
        job_id = await floor.submitted()
        floor.link.answer = DeviceRefused("the door is open")
        run = await floor.tapped()
        failed = await floor.until(run.id, RunState.FAILED)
        assert failed.detail == "the door is open"
    with lab.database.read() as uow:
        assert jobs.get(uow, job_id).state is JobState.QUEUED
        assert uow.session.get_one(Claim, job_id).state is ClaimState.OPEN
    await asyncio.to_thread(floor.dispatcher.replan)
    with lab.database.read() as uow:
        assert uow.session.get_one(Claim, job_id).state is ClaimState.HELD


async def test_a_lost_answer_to_the_start_is_no_second_start(lab: Lab) -> None:
    async with Floor(lab) as floor:
        await floor.submitted()
        floor.link.answer = LinkLost("gone")
        run = await floor.tapped()
        await floor.until(run.id, RunState.STARTING)
        floor.link.say(DeviceState.RUNNING, mine(run))
        await floor.until(run.id, RunState.RUNNING)
        assert floor.link.sent == [("start", run.id)]


async def test_a_machine_that_forgot_the_run_interrupts_it_and_nothing_restarts(lab: Lab) -> None:
    async with Floor(lab) as floor:
        job_id = await floor.submitted()
        run = await floor.tapped()
        await floor.until(run.id, RunState.STARTING)
        floor.link.say(DeviceState.RUNNING, mine(run))
        await floor.until(run.id, RunState.RUNNING)
        floor.link.say(DeviceState.IDLE)
        await floor.until(run.id, RunState.INTERRUPTED)
        floor.link.say(DeviceState.IDLE)
        assert floor.link.sent == [("start", run.id)]
    with lab.database.read() as uow:
        assert jobs.get(uow, job_id).state is JobState.QUEUED
        assert jobs.get(uow, job_id).tries == 0
        assert uow.session.scalar(select(func.count(Charge.id))) == 0


async def test_a_server_that_comes_back_finds_the_same_run(lab: Lab) -> None:
    async with Floor(lab) as floor:
        await floor.submitted()
        run = await floor.tapped()
        await floor.until(run.id, RunState.STARTING)
        floor.link.say(DeviceState.RUNNING, mine(run))
        await floor.until(run.id, RunState.RUNNING)
    seen = Status(at=lab.clock.now(), state=DeviceState.RUNNING, progress=mine(run, 0.7))
    async with Floor(lab, seen) as floor:
        floor.link.say(DeviceState.IDLE, mine(run, 1.0, Outcome.DONE))
        await floor.until(run.id, RunState.SUCCEEDED)
        assert floor.link.sent == []


async def test_the_owner_cancels_and_pays_the_part_that_was_made(lab: Lab) -> None:
    async with Floor(lab) as floor:
        job_id = await floor.submitted()
        run = await floor.tapped()
        await floor.until(run.id, RunState.STARTING)
        floor.link.say(DeviceState.RUNNING, mine(run, 0.5))
        await floor.until(run.id, RunState.RUNNING)
        await asyncio.to_thread(lab.intake.cancel, lab.maker, job_id)
        await eventually(lambda: True if ("cancel",) in floor.link.sent else None)
        floor.link.say(DeviceState.IDLE, mine(run, 0.5, Outcome.CANCELLED))
        await floor.until(run.id, RunState.CANCELLED)
    with lab.database.read() as uow:
        assert uow.session.get_one(Job, job_id).state is JobState.CANCELLED
        assert uow.session.scalar(select(Charge.total_cents)) == 59


def test_two_jobs_never_share_a_machine_at_a_time(any_lab: Lab) -> None:
    for _ in range(6):
        any_lab.intake.submit(any_lab.maker, receive(any_lab), Wishes())
    with any_lab.database.read() as uow:
        rows = list(
            uow.session.scalars(select(Allocation).order_by(Allocation.resource_id, Allocation.start_at))
        )
        pairs = [(a, b) for a, b in itertools.pairwise(rows) if a.resource_id == b.resource_id]
        assert len(rows) == 6
        assert all(a.end_at <= b.start_at for a, b in pairs)


def test_a_busy_machine_takes_no_second_tap(lab: Lab) -> None:
    async def story() -> None:
        async with Floor(lab) as floor:
            await floor.submitted()
            second = await floor.submitted()
            await floor.tapped()
            with pytest.raises(Conflict, match="busy"):
                await floor.dispatcher.tap(lab.staff, floor.mk3, claim_id=second, bed_clear=True)

    asyncio.run(story())
