"""A reservation is honoured by the machine: who may start in it, what may start before it, and runs that take too long."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fablab.base.database import Actor
from fablab.base.errors import Conflict, Forbidden, Refused
from fablab.base.events import Event
from fablab.claims import calendar, reservations
from fablab.claims.jobs.use import Wishes
from fablab.claims.models import Allocation, AllocationState, Claim, ClaimKind, ClaimState
from fablab.claims.reservations import Order, Reservation, ReservationState
from fablab.claims.reservations.reads import get
from fablab.claims.rules.models import Overrun, ReservationPolicy
from fablab.device import DeviceState, LinkState, Outcome
from fablab.money import quotes
from fablab.notices import latest
from fablab.places.models import Machine, MachineGate, Technology
from fablab.reports import timing
from fablab.runs import attempts
from fablab.runs.models import Clash, Run, RunState
from scheduler import overruns, planner
from scheduler.dispatch import Dispatcher
from scheduler.durations import FinishedRun, learn
from scheduler.lore import key_of
from scheduler.planner.headway import would_run_into
from scheduler.ticks import Ticks
from tests.lab import OVERLAPS, Lab, analysed, breaches, counted, drafted
from tests.stories.test_review_floor import Floor, HeldLink, held, until

HOUR = timedelta(hours=1)
HALF = timedelta(minutes=30)


def reserved(lab: Lab, holder: Actor, start_at: datetime, length: timedelta = HOUR, name: str = "mk3") -> str:
    order = Order(resource_ids=(lab.resources[name],), start_at=start_at, end_at=start_at + length)
    return lab.database.write(lambda uow: reservations.reserve(uow, order), holder).id


def job_of(lab: Lab, owner: Actor, duration_s: float = 1800) -> str:
    """One that only the first printer makes."""
    job = drafted(lab, analysed(duration_s=duration_s), actor=owner)
    lab.intake.submit(owner, job, Wishes())
    with lab.database.begin() as uow:
        calendar.claim(uow, job).needs[0].eligible = [lab.resources["mk3"]]
    return job


def policy(lab: Lab, overrun: Overrun) -> None:
    with lab.database.begin() as uow:
        uow.session.add(
            ReservationPolicy(resource_id=lab.resources["mk3"], overrun=overrun, set_at=lab.clock.now())
        )


def told(lab: Lab, actor: Actor) -> list[str]:
    assert actor.member_id is not None
    with lab.database.read() as uow:
        return [notice.code for notice in latest(uow, actor.member_id)]


def reservation(lab: Lab, reservation_id: str) -> Reservation:
    with lab.database.read() as uow:
        return get(uow, reservation_id)


def held_now(lab: Lab, resource_id: int) -> set[tuple[ClaimKind, str]]:
    """Who holds the machine at this moment."""
    with lab.database.read() as uow:
        now = uow.now
        rows = calendar.between(uow, now, now + timedelta(seconds=1), [resource_id])
        return {(row.claim.kind, row.claim_id) for row in rows}


class Pausing(HeldLink):
    async def pause(self) -> None:
        self.sent.append("pause")


async def begun(floor: Floor, job: str, actor: Actor) -> Run:
    """A run that is seen to run."""
    run = await floor.dispatcher.tap(actor, floor.mk3, claim_id=job, bed_clear=True)
    await floor.until(run, RunState.STARTING)
    floor.link.say(DeviceState.RUNNING, run.id)
    return await floor.until(run, RunState.RUNNING)


# -- before a reservation


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    minutes=st.integers(1, 600),
    gap_min=st.integers(0, 900),
    spread=st.lists(st.floats(0.6, 2.0), max_size=30),
    quantile=st.floats(0.01, 0.90),
)
def test_no_start_leads_into_a_reservation_however_slow_the_run_up_to_nine_of_ten(
    lab: Lab, minutes: int, gap_min: int, spread: list[float], quantile: float
) -> None:
    mk3 = lab.resources["mk3"]
    with lab.database.read() as uow:  # nothing of it is kept
        start_at = uow.now + timedelta(minutes=gap_min)
        factors = learn([run_of(mk3, minutes * 60.0, minutes * 60.0 * factor) for factor in spread])
        uow.memory["lore.factors"] = (stamp_of(lab), (factors, None))
        for claim_id, kind in (("job-in-hand", ClaimKind.JOB), ("somebody's", ClaimKind.RESERVATION)):
            uow.session.add(bare_claim(claim_id, kind, minutes * 60, uow.now))
        uow.session.flush()
        uow.session.add(
            Allocation(
                claim_id="somebody's",
                resource_id=mk3,
                state=AllocationState.FIRM,
                start_at=start_at,
                run_start_at=start_at,
                run_end_at=start_at + HOUR,
                end_at=start_at + HOUR,
            )
        )
        uow.session.flush()
        job = calendar.claim(uow, "job-in-hand")
        machine = uow.session.get(Machine, mk3)
        assert machine is not None
        taken_s = factors.distribution(key_of(mk3, None, "given"), minutes * 60).quantile(quantile)
        over_at = uow.now + attempts.START_LIFE + timedelta(seconds=taken_s + machine.clear_s)
        if would_run_into(uow, job, mk3) is None:
            assert over_at <= start_at
    uow.memory.clear()


async def test_a_tap_that_might_run_into_a_reservation_is_refused_with_its_hour(lab: Lab) -> None:
    job = job_of(lab, lab.maker, 3600)
    start_at = lab.clock.now() + timedelta(minutes=75)
    with lab.database.begin() as uow:
        calendar.release(uow, calendar.claim(uow, job), "replan")
    reserved(lab, lab.actors["other"], start_at)
    async with Floor(lab) as floor:
        with pytest.raises(Refused) as caught:
            await floor.dispatcher.tap(lab.staff, floor.mk3, claim_id=job, bed_clear=True)
        assert [(r.code, r.facts["from"]) for r in caught.value.refusals] == [
            ("machine.would_run_into", start_at.isoformat())
        ]
        assert floor.link.sent == []


async def test_a_tap_that_has_become_too_late_meanwhile_is_dropped_and_said(lab: Lab) -> None:
    job = job_of(lab, lab.maker, 3600)
    async with Floor(lab) as floor:
        floor.link.state = LinkState.WAITING
        floor.link.say(DeviceState.OFFLINE)
        run = await floor.dispatcher.tap(lab.staff, floor.mk3, claim_id=job, bed_clear=True)
        await asyncio.to_thread(_cut_in, lab, run, lab.clock.now() + timedelta(minutes=70))
        floor.link.state = LinkState.ONLINE
        floor.link.say(DeviceState.IDLE)
        poke(floor)
        ended = await floor.until(run, RunState.CANCELLED)
        assert ended.detail == "would_run_into"
        await held(lambda: floor.link.sent == [], 0.2)
    assert "job.start_dropped" in told(lab, lab.maker)
    assert "job.start_dropped" in told(lab, lab.staff)


async def test_a_tap_of_somebody_who_may_no_longer_start_is_dropped(lab: Lab) -> None:
    job = job_of(lab, lab.maker)
    async with Floor(lab) as floor:
        floor.link.state = LinkState.WAITING
        floor.link.say(DeviceState.OFFLINE)
        run = await floor.dispatcher.tap(lab.staff, floor.mk3, claim_id=job, bed_clear=True)
        with lab.database.begin() as uow:
            row = uow.session.get(Machine, floor.mk3)
            assert row is not None
            row.gate = MachineGate.OUT_OF_SERVICE
        floor.link.state = LinkState.ONLINE
        floor.link.say(DeviceState.IDLE)
        poke(floor)
        ended = await floor.until(run, RunState.CANCELLED)
        assert ended.detail == "not_allowed"
        assert floor.link.sent == []


def test_a_planned_job_that_has_no_room_for_a_slow_run_gives_way(lab: Lab) -> None:
    job_of(lab, lab.maker, 3600)
    job = job_of(lab, lab.maker, 3600)
    with lab.database.begin() as uow:  # behind the other one, on the same machine
        calendar.release(uow, calendar.claim(uow, job), "replan")
    lab.database.write(lambda uow: planner.refresh(uow, {}))
    with lab.database.read() as uow:
        place = calendar.claim(uow, job).allocations[0]
    reserved(lab, lab.actors["other"], place.end_at)
    dispatcher = Dispatcher(lab.database, {}, lambda sha256: lab.intake.store.root / sha256, lab.clock)
    dispatcher.replan()
    with lab.database.read() as uow:
        now = calendar.claim(uow, job).allocations[0]
    assert now.start_at >= place.end_at + HOUR
    assert not breaches(lab)


# -- in a reservation


async def test_a_holder_starts_their_own_job_and_has_the_machine_back_after_it(lab: Lab) -> None:
    job = job_of(lab, lab.maker)
    with lab.database.begin() as uow:
        calendar.release(uow, calendar.claim(uow, job), "replan")
    mine = reserved(lab, lab.maker, lab.clock.now(), 3 * HOUR)
    async with Floor(lab) as floor:
        run = await begun(floor, job, lab.maker)
        assert reservation(lab, mine).state is ReservationState.IN_USE
        assert held_now(lab, floor.mk3) == {(ClaimKind.JOB, job)}
        lab.clock.advance(HALF)
        floor.link.say(DeviceState.IDLE, run.id, Outcome.DONE)
        await floor.until(run, RunState.SUCCEEDED)
    assert held_now(lab, lab.resources["mk3"]) == {(ClaimKind.RESERVATION, mine)}
    assert counted(lab, OVERLAPS) == 0


@pytest.mark.parametrize(
    ("length", "lines"),
    [
        (3 * HOUR, {("reserved_time", 1.0, 0), ("material", 4.5, 18)}),
        (HALF, {("machine_time", 0.5, 50), ("reserved_time", 0.5, 0), ("material", 4.5, 18)}),
    ],
    ids=["all of it", "its first half"],
)
async def test_hours_in_the_owners_own_reservation_are_paid_once(
    lab: Lab, length: timedelta, lines: set[tuple[str, float, int]]
) -> None:
    job = job_of(lab, lab.maker, 3600)
    with lab.database.begin() as uow:
        calendar.release(uow, calendar.claim(uow, job), "replan")
    mine = reserved(lab, lab.maker, lab.clock.now(), length)
    async with Floor(lab) as floor:
        run = await begun(floor, job, lab.staff)
        with lab.database.begin(lab.maker) as uow:
            if reservations.may_see(uow, mine).state is not ReservationState.IN_USE:
                reservations.check_in(uow, mine, reservations.Arrival.PAGE)
        lab.clock.advance(HOUR)
        floor.link.say(DeviceState.IDLE, run.id, Outcome.DONE)
        await floor.until(run, RunState.SUCCEEDED)
    lab.clock.advance(3 * HOUR)
    lab.database.write(reservations.complete_ended)
    with lab.database.read() as uow:
        of_job, of_reservation = quotes.charge_of(uow, job), quotes.charge_of(uow, mine)
    assert of_job is not None
    assert of_reservation is not None
    assert {(each.code, each.quantity, each.amount_cents) for each in of_job.lines} == lines
    assert of_reservation.total_cents == 100 * length / HOUR


async def test_nobody_else_starts_there_but_staff(lab: Lab) -> None:
    others = job_of(lab, lab.actors["other"])
    with lab.database.begin() as uow:
        calendar.release(uow, calendar.claim(uow, others), "replan")
    reserved(lab, lab.maker, lab.clock.now(), 3 * HOUR)
    async with Floor(lab) as floor:
        with pytest.raises(Forbidden):
            await floor.dispatcher.tap(lab.actors["other"], floor.mk3, claim_id=others, bed_clear=True)
        with pytest.raises(Forbidden):  # it is the holder's machine, and not the holder's job
            await floor.dispatcher.tap(lab.maker, floor.mk3, claim_id=others, bed_clear=True)
        with pytest.raises(Conflict):  # nobody is put on it who was not named
            await floor.dispatcher.tap(lab.staff, floor.mk3, bed_clear=True)
        run = await floor.dispatcher.tap(lab.staff, floor.mk3, claim_id=others, bed_clear=True)
        await floor.until(run, RunState.STARTING)


async def test_a_member_without_a_reservation_starts_nothing(lab: Lab) -> None:
    job = job_of(lab, lab.maker)
    async with Floor(lab) as floor:
        with pytest.raises(Forbidden):
            await floor.dispatcher.tap(lab.maker, floor.mk3, claim_id=job, bed_clear=True)


async def test_a_holders_tap_is_dropped_when_their_hour_is_over(lab: Lab) -> None:
    job = job_of(lab, lab.maker)
    with lab.database.begin() as uow:
        calendar.release(uow, calendar.claim(uow, job), "replan")
    mine = reserved(lab, lab.maker, lab.clock.now(), HOUR)
    async with Floor(lab) as floor:
        floor.link.state = LinkState.WAITING
        floor.link.say(DeviceState.OFFLINE)
        run = await floor.dispatcher.tap(lab.maker, floor.mk3, claim_id=job, bed_clear=True)
        lab.database.write(lambda uow: reservations.end_early(uow, mine), lab.maker)
        floor.link.state = LinkState.ONLINE
        floor.link.say(DeviceState.IDLE)
        poke(floor)
        await floor.until(run, RunState.CANCELLED)
        assert floor.link.sent == []


async def test_a_run_that_never_began_gives_the_machine_back_to_the_reservation(lab: Lab) -> None:
    job = job_of(lab, lab.maker)
    with lab.database.begin() as uow:
        calendar.release(uow, calendar.claim(uow, job), "replan")
    mine = reserved(lab, lab.maker, lab.clock.now(), 2 * HOUR)
    async with Floor(lab) as floor:
        floor.link.state = LinkState.WAITING
        floor.link.say(DeviceState.OFFLINE)
        run = await floor.dispatcher.tap(lab.maker, floor.mk3, claim_id=job, bed_clear=True)
        await floor.dispatcher.cancel(lab.maker, run.id)
    assert held_now(lab, lab.resources["mk3"]) == {(ClaimKind.RESERVATION, mine)}
    assert counted(lab, OVERLAPS) == 0


# -- a run that takes too long


async def overrunning(lab: Lab, link: HeldLink | None = None) -> tuple[Floor, Run, str]:
    """A run of an hour, and a reservation an hour and a half after its start that somebody made meanwhile; then it
    turns out to take two."""
    floor = Floor(lab, link)
    await floor.__aenter__()
    job = job_of(lab, lab.maker, 3600)
    run = await begun(floor, job, lab.staff)
    theirs = reserved(lab, lab.actors["other"], lab.clock.now() + 3 * HALF)
    lab.clock.advance(timedelta(minutes=85))
    return floor, run, theirs


async def test_both_are_told_once_and_the_run_goes_on(lab: Lab) -> None:
    policy(lab, Overrun.WARN)
    floor, _run, theirs = await overrunning(lab)
    await asyncio.to_thread(floor.dispatcher.replan)
    await asyncio.to_thread(floor.dispatcher.replan)
    await floor.__aexit__()
    assert told(lab, lab.actors["other"]).count("reservation.overrun") == 1
    assert told(lab, lab.maker).count("job.runs_into") == 1
    assert reservation(lab, theirs).state is ReservationState.CONFIRMED
    assert [sent for sent in floor.link.sent if not sent.startswith("start")] == []


@pytest.mark.parametrize(
    ("overrun", "asked"), [(Overrun.REFUSE, 1), (Overrun.WARN, 0)], ids=["refuse", "warn"]
)
async def test_the_staff_is_asked_to_settle_it_where_the_policy_says_so(
    lab: Lab, overrun: Overrun, asked: int
) -> None:
    policy(lab, overrun)
    floor, _run, _theirs = await overrunning(lab)
    for _ in range(2):
        await asyncio.to_thread(floor.dispatcher.replan)
    await floor.__aexit__()
    assert told(lab, lab.actors["admin"]).count("job.overruns") == asked
    assert told(lab, lab.actors["other"]).count("reservation.overrun") == 1


async def test_a_reservation_is_shifted_and_its_holder_may_decline(lab: Lab) -> None:
    policy(lab, Overrun.SHIFT)
    floor, run, theirs = await overrunning(lab)
    was = reservation(lab, theirs).start_at
    await asyncio.to_thread(floor.dispatcher.replan)
    await floor.__aexit__()
    now = reservation(lab, theirs)
    assert now.start_at > was
    assert (now.end_at - now.start_at, now.start_at.minute % 5) == (HOUR, 0)
    assert "reservation.shifted" in told(lab, lab.actors["other"])
    lab.database.write(lambda uow: overruns.decline(uow, theirs), lab.actors["other"])
    gone = reservation(lab, theirs)
    assert (gone.state, gone.late) == (ReservationState.CANCELLED, False)
    with lab.database.read() as uow:
        clash = uow.session.get(Clash, (run.id, theirs))
        assert clash is not None
        assert (clash.was_start_at, clash.declined_at) == (was, lab.clock.now())
    with pytest.raises(Conflict):
        lab.database.write(lambda uow: overruns.decline(uow, theirs), lab.actors["other"])


async def test_where_what_follows_is_taken_it_is_shorter_as_long_as_that_is_worth_having(lab: Lab) -> None:
    policy(lab, Overrun.SHIFT)
    floor, run, theirs = await overrunning(lab)
    await floor.__aexit__()
    was = reservation(lab, theirs)
    reserved(lab, lab.staff, was.end_at, HOUR)
    expect(lab, run, was.start_at + timedelta(minutes=15))
    now = reservation(lab, theirs)
    assert (now.start_at, now.end_at) == (was.start_at + timedelta(minutes=20), was.end_at)
    expect(lab, run, was.start_at + timedelta(minutes=45))
    assert reservation(lab, theirs).start_at == now.start_at
    assert told(lab, lab.actors["other"])[0] == "reservation.overrun"
    assert counted(lab, OVERLAPS) == 0


async def test_a_run_is_paused_when_the_reservation_begins_and_not_before(lab: Lab) -> None:
    policy(lab, Overrun.PAUSE)
    floor, run, theirs = await overrunning(lab, Pausing(lab.clock))
    await asyncio.to_thread(floor.dispatcher.replan)
    floor.link.say(DeviceState.RUNNING, run.id)
    await held(lambda: "pause" not in floor.link.sent, 0.2)
    lab.clock.advance(timedelta(minutes=6))
    floor.link.say(DeviceState.RUNNING, run.id)
    poke(floor)
    await until(lambda: "pause" in floor.link.sent)
    await until(lambda: "job.paused_for_reservation" in told(lab, lab.maker))
    floor.link.say(DeviceState.PAUSED, run.id)
    await floor.until(run, RunState.PAUSED)
    floor.link.say(DeviceState.RUNNING, run.id)  # somebody has resumed it: it is not paused again
    await floor.until(run, RunState.RUNNING)
    poke(floor)
    await held(lambda: floor.link.sent.count("pause") == 1, 0.2)
    await floor.__aexit__()
    assert "cancel" not in floor.link.sent
    assert reservation(lab, theirs).state is ReservationState.CONFIRMED


async def test_a_beam_is_never_paused(lab: Lab) -> None:
    policy(lab, Overrun.PAUSE)
    floor, run, _theirs = await overrunning(lab, Pausing(lab.clock))
    with lab.database.begin() as uow:
        machine = uow.session.get(Machine, floor.mk3)
        assert machine is not None
        machine.resource.technology = Technology.LASER
    await asyncio.to_thread(floor.dispatcher.replan)
    lab.clock.advance(timedelta(minutes=6))
    floor.link.say(DeviceState.RUNNING, run.id)
    poke(floor)
    await held(lambda: "pause" not in floor.link.sent, 0.3)
    await floor.__aexit__()
    assert "reservation.overrun" in told(lab, lab.actors["other"])


# -- nobody came


def test_a_place_nobody_came_to_is_offered_before_the_plan_fills_it(lab: Lab) -> None:
    missed = reserved(lab, lab.maker, lab.clock.now(), 3 * HOUR)
    seen: list[str] = []

    def offer() -> int:
        seen.append("offered")
        return 1

    def plan() -> int:
        seen.append("planned")
        return 0

    beat = Ticks(lab.database, plan, on_freed=[offer])
    beat.plan()
    lab.clock.advance(timedelta(minutes=15))
    beat.plan()
    beat.plan()
    assert seen == ["planned", "offered", "planned", "planned"]
    assert reservation(lab, missed).state is ReservationState.MISSED
    assert held_now(lab, lab.resources["mk3"]) == set()


# -- what these tests are made of


def expect(lab: Lab, run: Run, end_at: datetime) -> None:
    """The machine says that it takes until then."""
    lab.database.write(lambda uow: overruns.see_to(uow, {run.id: end_at}))


def poke(floor: Floor) -> None:
    """News of the machine's run, as any transaction tells them."""
    floor.lab.database.bus.publish(
        [Event(topic="machine", id=floor.mk3, name="run", at=floor.lab.clock.now())]
    )


def _cut_in(lab: Lab, run: Run, start_at: datetime) -> None:
    """Somebody has the machine from then on, and the run's own place is cut short: as if its tap had been older."""
    with lab.database.begin() as uow:
        for place in calendar.claim(uow, run.claim_id).allocations:
            calendar.trim(uow, place, run_end_at=min(place.run_end_at, start_at), end_at=start_at)
    reserved(lab, lab.actors["other"], start_at)


def run_of(resource_id: int, estimate_s: float, actual_s: float) -> FinishedRun:
    return FinishedRun(key=key_of(resource_id, None, "given"), estimate_s=estimate_s, actual_s=actual_s)


def stamp_of(lab: Lab) -> object:
    with lab.database.read() as uow:
        return timing.stamp(uow)


def bare_claim(claim_id: str, kind: ClaimKind, estimate_s: int, at: datetime) -> Claim:
    return Claim(
        id=claim_id,
        kind=kind,
        state=ClaimState.HELD,
        title=claim_id,
        release_at=at,
        estimate_s=estimate_s,
        made_at=at,
    )
