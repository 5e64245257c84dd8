"""The dispatcher between the links and the database: what people may ask of it, and what it does when things go wrong."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from fablab.base.errors import Conflict, Forbidden, NotFound, Refused
from fablab.base.events import Event
from fablab.claims.jobs import use as jobs
from fablab.claims.jobs.models import JobState
from fablab.claims.models import Claim
from fablab.device import DeviceState, LinkState, Outcome, Progress, Safety
from fablab.runs import attempts
from fablab.runs.models import Run, RunState
from scheduler.dispatch import Dispatcher, start_now
from tests.lab import Lab, submitted
from tests.scheduler.hand_link import HandLink, eventually


class Floor:
    """A dispatcher over one link that the test holds in its hand."""

    def __init__(self, lab: Lab, *, program: Path | None = None) -> None:
        self.lab = lab
        self.link = HandLink(lab.clock, "mk3")
        file = program or Path(__file__)
        self.dispatcher = Dispatcher(lab.database, {"mk3": self.link}, lambda _: file, lab.clock)
        self.mk3 = lab.resources["mk3"]

    async def __aenter__(self) -> Floor:
        await self.dispatcher.begin()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.dispatcher.close()

    async def tapped(self) -> Run:
        await asyncio.to_thread(submitted, self.lab)
        return await self.dispatcher.tap(self.lab.staff, self.mk3, bed_clear=True)

    async def running(self) -> Run:
        run = await self.tapped()
        await self.until(run.id, RunState.STARTING)
        self.say(run, DeviceState.RUNNING)
        return await self.until(run.id, RunState.RUNNING)

    def say(self, run: Run, state: DeviceState, *, remaining_s: float | None = 60, **more: object) -> None:
        elapsed_s = (self.lab.clock.now() - run.prepared_at).total_seconds()
        progress = Progress(
            token=run.id,
            fraction=0.5,
            elapsed_s=elapsed_s,
            remaining_s=remaining_s,
            **more,  # type: ignore[arg-type]  # an outcome
        )
        self.link.say(state, progress)

    async def until(self, run_id: str, state: RunState) -> Run:
        return await eventually(lambda: self.run_in(run_id, state))

    def run_in(self, run_id: str, state: RunState) -> Run | None:
        with self.lab.database.read() as uow:
            run = attempts.get(uow, run_id)
            return run if run.state is state else None


async def test_nothing_is_sent_to_a_machine_that_is_out_of_sight(lab: Lab) -> None:
    async with Floor(lab) as floor:
        floor.link.state = LinkState.WAITING
        run = await floor.tapped()
        floor.link.say(DeviceState.OFFLINE)
        floor.link.state = LinkState.ONLINE
        floor.link.say(DeviceState.IDLE)
        await floor.until(run.id, RunState.STARTING)
        assert floor.link.sent == [("start", run.id)]


async def test_a_stale_tap_is_taken_back_and_nothing_is_sent(lab: Lab) -> None:
    async with Floor(lab) as floor:
        floor.link.state = LinkState.WAITING
        run = await floor.tapped()
        lab.clock.advance(attempts.PREPARE_LIFE)
        floor.link.say(DeviceState.OFFLINE)
        ended = await floor.until(run.id, RunState.CANCELLED)
        assert (ended.detail, floor.link.sent) == ("too_late", [])


async def test_what_is_said_while_the_start_is_on_its_way_is_not_lost(lab: Lab) -> None:
    async with Floor(lab) as floor:
        floor.link.on_start = lambda token: floor.link.say(
            DeviceState.RUNNING, Progress(token=token, fraction=0.0)
        )
        run = await floor.tapped()
        await floor.until(run.id, RunState.RUNNING)  # said once, before the start was answered


async def test_pause_resume_and_stop_go_to_the_wire(lab: Lab) -> None:
    async with Floor(lab) as floor:
        run = await floor.running()
        await floor.dispatcher.pause(lab.staff, run.id)
        await floor.dispatcher.resume(lab.staff, run.id)
        assert await floor.dispatcher.stop(lab.staff, floor.mk3) is Safety.CONFIRMED
        assert floor.link.sent[1:] == [("pause",), ("resume",), ("make_safe",)]


async def test_makers_pause_and_stop_nothing(lab: Lab) -> None:
    async with Floor(lab) as floor:
        run = await floor.running()
        for asked in (
            floor.dispatcher.pause(lab.maker, run.id),
            floor.dispatcher.resume(lab.maker, run.id),
            floor.dispatcher.stop(lab.maker, floor.mk3),
            floor.dispatcher.cancel(lab.actors["other"], run.id),
            floor.dispatcher.tap(lab.maker, floor.mk3, bed_clear=True),
        ):
            with pytest.raises(Forbidden):
                await asked
        assert floor.link.sent == [("start", run.id)]


async def test_a_machine_without_a_link_is_said(lab: Lab) -> None:
    async with Floor(lab) as floor:
        with pytest.raises(NotFound, match="no_link"):
            await floor.dispatcher.stop(lab.staff, lab.resources["ender"])


async def test_where_nothing_is_planned_there_is_nothing_to_tap(lab: Lab) -> None:
    async with Floor(lab) as floor:
        with pytest.raises(Conflict, match="nothing_planned"):
            await floor.dispatcher.tap(lab.staff, floor.mk3, bed_clear=True)


async def test_a_cancel_is_sent_to_the_machine_and_ends_the_job(lab: Lab) -> None:
    async with Floor(lab) as floor:
        run = await floor.running()
        await floor.dispatcher.cancel(lab.maker, run.id)
        await eventually(lambda: ("cancel",) in floor.link.sent or None)
        floor.say(run, DeviceState.IDLE, outcome=Outcome.CANCELLED)
        await floor.until(run.id, RunState.CANCELLED)
    with lab.database.read() as uow:
        assert jobs.get(uow, run.claim_id).state is JobState.CANCELLED


async def test_a_fault_of_our_own_leaves_no_machine_unwatched(lab: Lab) -> None:
    async with Floor(lab) as floor:
        floor.link.answer = RuntimeError("a mistake")
        run = await floor.tapped()
        await floor.until(run.id, RunState.STARTING)
        floor.say(run, DeviceState.RUNNING)
        await floor.until(run.id, RunState.RUNNING)


async def test_telemetry_reaches_the_screens_but_not_the_database(lab: Lab) -> None:
    events: list[Event] = []
    lab.database.bus.subscribe(events.append)
    async with Floor(lab) as floor:
        run = await floor.running()
        version = version_of(lab, run.id)
        events.clear()
        async with asyncio.timeout(10):
            while not any(event.name == "progress" for event in events):
                floor.say(run, DeviceState.RUNNING)
                await asyncio.sleep(0.05)
        assert version_of(lab, run.id) == version
        lab.clock.advance(attempts.WRITE_EVERY)
        floor.say(run, DeviceState.RUNNING)
        await eventually(lambda: version_of(lab, run.id) > version or None)


def version_of(lab: Lab, run_id: str) -> int:
    with lab.database.read() as uow:
        return attempts.get(uow, run_id).version


async def test_a_plan_follows_what_the_machine_says_remains_and_widens_to_it(lab: Lab) -> None:
    """Half an hour was estimated, two hours more are said: much later than the estimate, not quite as late as said."""
    async with Floor(lab) as floor:
        run = await floor.running()
        floor.say(run, DeviceState.RUNNING, remaining_s=7200)
        await eventually(lambda: floor.link.status.progress is not None or None)
        await asyncio.to_thread(floor.dispatcher.replan)
        with lab.database.read() as uow:
            claim = uow.session.get_one(Claim, run.claim_id)
            (row,) = claim.allocations
            assert timedelta(minutes=75) < row.run_end_at - lab.clock.now() <= timedelta(hours=2)
            assert claim.ready_from is not None
            assert claim.ready_until is not None
            assert claim.ready_from < row.end_at < claim.ready_until


async def test_a_plan_goes_by_experience_where_the_machine_says_nothing(lab: Lab) -> None:
    async with Floor(lab) as floor:
        run = await floor.running()
        floor.say(run, DeviceState.RUNNING, remaining_s=None)
        lab.clock.advance(hours=1)
        await asyncio.to_thread(floor.dispatcher.replan)
        with lab.database.read() as uow:
            (row,) = uow.session.get_one(Claim, run.claim_id).allocations
            assert row.run_end_at > lab.clock.now()


def test_a_tap_of_a_job_that_is_over_says_so(lab: Lab) -> None:
    job_id = submitted(lab)
    lab.intake.cancel(lab.maker, job_id)
    with lab.database.begin(lab.staff) as uow, pytest.raises(Refused) as refused:
        start_now(uow, lab.resources["mk3"], job_id, bed_clear=True)
    assert [refusal.code for refusal in refused.value.refusals] == ["job.not_waiting"]


async def test_an_idle_floor_plans_nothing(lab: Lab) -> None:
    async with Floor(lab) as floor:
        assert await asyncio.to_thread(floor.dispatcher.replan) == 0
