"""Machines that come and go while the server runs, stops that stay on the screen, and what a machine cannot do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import select

from fablab.base.errors import Conflict, Forbidden, NotFound, Refused
from fablab.claims.models import Allocation
from fablab.device import Capability, DeviceState, LinkLost, Progress, Safety
from fablab.places import house, setup
from fablab.places.models import Technology
from fablab.runs import attempts
from fablab.runs.models import Run, RunState, Stop
from scheduler.dispatch import Dispatcher
from scheduler.hands import retire, start_now
from tests.lab import Lab, submitted
from tests.scheduler.hand_link import HandLink, eventually


class Doubtful(HandLink):
    """Confirms nothing until `sure`; `lost`: the stop does not even arrive."""

    sure = False
    lost = False

    async def make_safe(self) -> Safety:
        await super().make_safe()
        if self.lost:
            raise LinkLost("no answer")
        return Safety.CONFIRMED if self.sure else Safety.NOT_CONFIRMED


@asynccontextmanager
async def floor(lab: Lab, *links: HandLink) -> AsyncIterator[Dispatcher]:
    by_name = {link.name: link for link in links}
    dispatcher = Dispatcher(lab.database, by_name, lambda _: Path(__file__), lab.clock)
    await dispatcher.begin()
    try:
        yield dispatcher
    finally:
        await dispatcher.close()


def new_machine(lab: Lab, device: str) -> int:
    with lab.database.begin(lab.actors["admin"]) as uow:
        return setup.add_machine(
            uow,
            name=device.title(),
            technology=Technology.FDM,
            device=device,
            bed_mm=(200, 200, 200),
            nozzle_mm=0.4,
            max_nozzle_c=250,
            max_bed_c=100,
        ).id


def stops_of(lab: Lab) -> list[Stop]:
    with lab.database.read() as uow:
        return list(uow.session.scalars(select(Stop)))


async def started(lab: Lab, dispatcher: Dispatcher, link: HandLink) -> Run:
    await asyncio.to_thread(submitted, lab)
    run = await dispatcher.tap(lab.staff, lab.resources["mk3"], bed_clear=True)
    await eventually(lambda: _in(lab, run.id, RunState.STARTING))
    link.say(DeviceState.RUNNING, Progress(token=run.id, fraction=0.1))
    return await eventually(lambda: _in(lab, run.id, RunState.RUNNING))


def _in(lab: Lab, run_id: str, state: RunState) -> Run | None:
    with lab.database.read() as uow:
        run = attempts.get(uow, run_id)
        return run if run.state is state else None


async def test_a_machine_that_is_added_is_followed_at_once(lab: Lab) -> None:
    async with floor(lab) as dispatcher:
        machine = new_machine(lab, "nova")
        link = HandLink(lab.clock, "nova")
        heard: list[object] = []
        lab.database.bus.subscribe(lambda event: heard.append(event.id) if event.topic == "machine" else None)
        assert await dispatcher.add("nova", link) == machine
        await eventually(lambda: True if machine in heard else None)
        assert dispatcher.link(machine) is link


async def test_an_added_machine_starts_what_is_tapped_on_it(lab: Lab) -> None:
    async with floor(lab) as dispatcher:
        link = HandLink(lab.clock, "mk3")
        await dispatcher.add("mk3", link)
        run = await started(lab, dispatcher, link)
        assert link.sent == [("start", run.id)]


async def test_a_device_that_no_row_names_is_not_followed(lab: Lab) -> None:
    async with floor(lab) as dispatcher:
        with pytest.raises(NotFound):
            await dispatcher.add("nova", HandLink(lab.clock, "nova"))
        assert dispatcher.links == {}


async def test_one_machine_is_not_followed_twice(lab: Lab) -> None:
    async with floor(lab, HandLink(lab.clock, "mk3")) as dispatcher:
        with pytest.raises(Conflict):
            await dispatcher.add("mk3", HandLink(lab.clock, "mk3"))


async def test_a_removed_machine_is_watched_no_more_and_may_come_back(lab: Lab) -> None:
    async with floor(lab, HandLink(lab.clock, "mk3")) as dispatcher:
        await dispatcher.remove("mk3")
        with pytest.raises(NotFound):
            dispatcher.link(lab.resources["mk3"])
        again = HandLink(lab.clock, "mk3")
        await dispatcher.add("mk3", again)
        assert dispatcher.link(lab.resources["mk3"]) is again


async def test_what_was_planned_on_a_machine_that_leaves_moves_to_another(lab: Lab) -> None:
    job_id = submitted(lab)
    with lab.database.begin(lab.actors["admin"]) as uow:
        (before,) = uow.session.scalars(select(Allocation).where(Allocation.claim_id == job_id)).unique()
        left = before.resource_id
        assert retire(uow, left) in ("mk3", "ender")
    with lab.database.read() as uow:
        (after,) = uow.session.scalars(select(Allocation).where(Allocation.claim_id == job_id)).unique()
        assert after.resource_id not in (left, lab.resources["laser"])
        assert left not in [row.id for row in house.machines(uow)]


def test_the_names_of_a_machine_that_left_are_free_again(lab: Lab) -> None:
    for _ in range(2):
        machine = new_machine(lab, "nova")
        lab.clock.advance(seconds=1)
        with lab.database.begin(lab.actors["admin"]) as uow:
            assert retire(uow, machine) == "nova"


async def test_a_machine_that_prints_does_not_leave(lab: Lab) -> None:
    link = HandLink(lab.clock, "mk3")
    async with floor(lab, link) as dispatcher:
        await started(lab, dispatcher, link)
        with pytest.raises(Conflict), lab.database.begin(lab.actors["admin"]) as uow:
            retire(uow, lab.resources["mk3"])


def test_only_an_administrator_takes_a_machine_out_for_good(lab: Lab) -> None:
    with pytest.raises(Forbidden), lab.database.begin(lab.staff) as uow:
        retire(uow, lab.resources["mk3"])


def test_nothing_starts_on_a_machine_that_has_left(lab: Lab) -> None:
    with lab.database.begin(lab.actors["admin"]) as uow:
        retire(uow, lab.resources["mk3"])
    with pytest.raises(NotFound), lab.database.begin(lab.staff) as uow:
        start_now(uow, lab.resources["mk3"], None, bed_clear=True)
    with pytest.raises(NotFound), lab.database.begin(lab.actors["admin"]) as uow:
        retire(uow, lab.resources["mk3"])


async def test_a_confirmed_stop_is_told_until_somebody_acknowledges_it(lab: Lab) -> None:
    link, mk3 = HandLink(lab.clock, "mk3"), lab.resources["mk3"]
    async with floor(lab, link) as dispatcher:
        await dispatcher.stop(lab.staff, mk3)
        told = dispatcher.stopped(mk3)
        assert told is not None
        assert (told.by, told.at, told.confirmed_at) == ("Staff", lab.clock.now(), lab.clock.now())
        await dispatcher.acknowledge(lab.staff, mk3)
        assert dispatcher.stopped(mk3) is None
        await dispatcher.acknowledge(lab.staff, mk3)  # twice is once
    (row,) = stops_of(lab)
    assert (row.seen_at, row.seen_by_id) == (lab.clock.now(), lab.staff.member_id)


async def test_a_stop_that_does_not_arrive_is_told_as_not_confirmed(lab: Lab) -> None:
    link, mk3 = Doubtful(lab.clock, "mk3"), lab.resources["mk3"]
    link.lost = True
    async with floor(lab, link) as dispatcher:
        with pytest.raises(LinkLost):
            await dispatcher.stop(lab.staff, mk3)
        told = dispatcher.stopped(mk3)
        assert told is not None
        assert told.confirmed_at is None


async def test_a_stop_that_nobody_acknowledged_is_still_told_after_a_restart(lab: Lab) -> None:
    mk3 = lab.resources["mk3"]
    async with floor(lab, Doubtful(lab.clock, "mk3")) as dispatcher:
        await dispatcher.stop(lab.staff, mk3)
        await eventually(lambda: stops_of(lab) or None)
    async with floor(lab, HandLink(lab.clock, "mk3")) as dispatcher:
        told = dispatcher.stopped(mk3)
        assert told is not None
        assert (told.by, told.confirmed_at) == ("Staff", None)


async def test_who_taps_has_looked_and_the_stop_is_told_no_more(lab: Lab) -> None:
    link, mk3 = HandLink(lab.clock, "mk3"), lab.resources["mk3"]
    async with floor(lab, link) as dispatcher:
        await dispatcher.stop(lab.staff, mk3)
        lab.clock.advance(attempts.CLOCK_SLACK)
        await started(lab, dispatcher, link)
        assert dispatcher.stopped(mk3) is None


async def test_a_maker_acknowledges_no_stop(lab: Lab) -> None:
    async with floor(lab, HandLink(lab.clock, "mk3")) as dispatcher:
        with pytest.raises(Forbidden):
            await dispatcher.acknowledge(lab.maker, lab.resources["mk3"])


@pytest.mark.parametrize(
    ("capability", "code"),
    [(Capability.PAUSE, "machine.cannot_pause"), (Capability.CANCEL, "machine.cannot_cancel")],
)
async def test_what_a_machine_cannot_do_is_refused_in_a_code_and_not_sent(
    lab: Lab, capability: Capability, code: str
) -> None:
    link = HandLink(lab.clock, "mk3")
    link.capabilities = frozenset(Capability) - {capability}
    async with floor(lab, link) as dispatcher:
        run = await started(lab, dispatcher, link)
        asked = dispatcher.pause if capability is Capability.PAUSE else dispatcher.cancel
        with pytest.raises(Refused) as refused:
            await asked(lab.staff, run.id)
        assert [refusal.code for refusal in refused.value.refusals] == [code]
        assert link.sent == [("start", run.id)]


async def test_a_machine_that_cannot_start_is_not_tapped(lab: Lab) -> None:
    link = HandLink(lab.clock, "mk3")
    link.capabilities = frozenset()
    async with floor(lab, link) as dispatcher:
        await asyncio.to_thread(submitted, lab)
        with pytest.raises(Refused) as refused:
            await dispatcher.tap(lab.staff, lab.resources["mk3"], bed_clear=True)
        assert [refusal.code for refusal in refused.value.refusals] == ["machine.cannot_start"]
