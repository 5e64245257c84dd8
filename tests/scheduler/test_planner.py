"""Claims into the calendar: the promise, the tap that takes a place now, and a plan kept true as the day goes by."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from fablab.base.errors import Refused
from fablab.base.ids import new_id
from fablab.claims import calendar
from fablab.claims.calendar import Place
from fablab.claims.jobs.use import Wishes
from fablab.claims.models import Allocation, AllocationState, Claim, ClaimKind, ClaimState, Need
from fablab.notices import Notice
from fablab.places import house
from fablab.places.models import MachineGate
from scheduler import planner
from scheduler.planner import Promise
from tests.lab import OVERLAPS, TUESDAY, Lab, analysed, breaches, counted, drafted, submitted

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def allocation_of(lab: Lab, claim_id: str) -> Allocation:
    with lab.database.read() as uow:
        (row,) = calendar.claim(uow, claim_id).allocations
        return row


def claim_of(lab: Lab, claim_id: str) -> Claim:
    with lab.database.read() as uow:
        return calendar.claim(uow, claim_id)


def promised(lab: Lab, duration_s: float = 1800, material: str = "PETG") -> tuple[str, Promise]:
    job_id = drafted(lab, analysed(duration_s=duration_s, material=material))
    _, promise = lab.intake.submit(lab.maker, job_id, Wishes())
    assert promise is not None
    return job_id, promise


def reserve(
    lab: Lab,
    start: datetime,
    end: datetime,
    *machines: str,
    kind: ClaimKind = ClaimKind.RESERVATION,
    state: AllocationState = AllocationState.FIRM,
) -> str:
    with lab.database.begin() as uow:
        claim = Claim(
            id=new_id(uow.now),
            kind=kind,
            state=ClaimState.OPEN,
            title="Repair café",
            release_at=start,
            estimate_s=60,
            made_at=uow.now,
            allocations=[],
            needs=[],
        )
        uow.session.add(claim)
        uow.session.flush()
        places = [
            Place(
                resource_id=lab.resources[name],
                start_at=start,
                run_start_at=start,
                run_end_at=end,
                end_at=end,
            )
            for name in machines
        ]
        calendar.hold(uow, claim, places, state)
        return claim.id


def tap(lab: Lab, claim_id: str, machine: str = "mk3") -> Allocation:
    with lab.database.begin(lab.staff) as uow:
        return planner.place_now(uow, calendar.claim(uow, claim_id), lab.resources[machine])


def refresh(lab: Lab, **ends: datetime) -> int:
    with lab.database.begin() as uow:
        return planner.refresh(uow, ends)


def run_on(lab: Lab, claim_id: str, machine: str = "mk3", run_id: str = "run") -> None:
    """A run stands on the claim's place from now on."""
    tap(lab, claim_id, machine)
    with lab.database.begin() as uow:
        calendar.claim(uow, claim_id).allocations[0].run_id = run_id


def notices(lab: Lab) -> list[str]:
    with lab.database.read() as uow:
        return list(uow.session.scalars(select(Notice.code).order_by(Notice.id)))


# -- the promise ---------------------------------------------------------------------------------------------------


def test_a_promise_is_a_place_held_and_written_on_the_claim(any_lab: Lab) -> None:
    job_id, promise = promised(any_lab)
    claim, row = claim_of(any_lab, job_id), allocation_of(any_lab, job_id)
    assert (claim.ready_at, claim.ready_from, claim.ready_until) == (
        promise.ready_at,
        promise.ready_from,
        promise.ready_until,
    )
    assert (row.start_at, row.end_at, row.state) == (
        promise.start_at,
        promise.ready_at,
        AllocationState.TENTATIVE,
    )
    assert promise.resource_ids == (any_lab.resources["mk3"],)  # where the material is already in
    assert promise.ready_from < promise.ready_at < promise.ready_until


def test_many_promises_keep_every_rule_of_the_referee(lab: Lab) -> None:
    chance = random.Random(7)
    for number in range(30):
        duration_s = chance.choice((600, 3600, 4 * 3600, 11 * 3600))
        actor = lab.actors["maker" if number % 2 else "other"]
        submitted(lab, analysed(duration_s=duration_s, material=chance.choice(("PLA", "PETG"))), actor=actor)
    assert breaches(lab) == ()
    assert counted(lab, OVERLAPS) == 0
    assert counted(lab, "SELECT count(*) FROM allocations") == 30


def test_what_has_no_place_says_why_and_what_would_work(lab: Lab) -> None:
    job_id = drafted(lab, analysed(duration_s=20 * 86400))
    _, promise = lab.intake.submit(lab.maker, job_id, Wishes())
    assert promise is None
    claim = claim_of(lab, job_id)
    assert (claim.state, claim.ready_at, claim.allocations) == (ClaimState.OPEN, None, [])
    assert {reason["about"] for reason in claim.reasons} == {"unplaced", "nearest"}


def test_reasons_name_machines_and_instants_and_never_whose_job_it_was(lab: Lab) -> None:
    first = submitted(lab, analysed(duration_s=7200))
    second = submitted(lab, analysed(duration_s=7200))
    reasons = claim_of(lab, second).reasons
    facts = [reason["facts"] for reason in reasons]
    assert any(fact.get("machine") == "mk3" for fact in facts if isinstance(fact, dict))
    assert first not in str(reasons)
    for fact in facts:
        assert isinstance(fact, dict)
        for name in ("since", "until", "start", "ready_at"):
            if name in fact:
                assert datetime.fromisoformat(str(fact[name])) >= TUESDAY


def test_an_urgent_job_displaces_nobody_at_once(lab: Lab) -> None:
    first, _ = promised(lab, 7200)
    before = allocation_of(lab, first).start_at
    submitted(lab, analysed(duration_s=7200), actor=lab.staff, wishes=Wishes(priority=1))
    assert allocation_of(lab, first).start_at == before


def test_a_preview_is_the_promise_and_writes_nothing(any_lab: Lab) -> None:
    submitted(any_lab)
    job_id = drafted(any_lab)
    before = counted(any_lab, "SELECT count(*) FROM claims")
    shown = any_lab.intake.preview(any_lab.maker, job_id, Wishes())
    assert counted(any_lab, "SELECT count(*) FROM claims") == before
    assert counted(any_lab, "SELECT count(*) FROM jobs WHERE state = 'draft'") == 1
    _, promise = any_lab.intake.submit(any_lab.maker, job_id, Wishes())
    assert shown.promise == promise
    written = [reason for reason in shown.reasons if reason["about"] != "would_help"]
    assert written == claim_of(any_lab, job_id).reasons


def test_a_gang_starts_together(lab: Lab) -> None:
    reserve(lab, TUESDAY, TUESDAY + HOUR, "ender")
    with lab.database.begin() as uow:
        claim = Claim(
            id="gang",
            kind=ClaimKind.SESSION,
            state=ClaimState.OPEN,
            title="class",
            release_at=uow.now,
            estimate_s=3600,
            made_at=uow.now,
        )
        uow.session.add(claim)
        uow.session.flush()
        fdm, room = [lab.resources["mk3"], lab.resources["ender"]], [lab.resources["room"]]
        uow.session.add_all(
            [Need(claim_id="gang", quantity=2, eligible=fdm), Need(claim_id="gang", eligible=room)]
        )
        uow.session.flush()
        uow.session.refresh(claim, ["needs", "allocations"])
        promise = planner.insert(uow, claim)
    assert promise is not None
    assert sorted(promise.resource_ids) == sorted([*fdm, *room])
    with lab.database.read() as uow:
        rows = calendar.claim(uow, "gang").allocations
        assert len({row.run_start_at for row in rows}) == 1
        assert min(row.start_at for row in rows) >= TUESDAY + HOUR


# -- now -----------------------------------------------------------------------------------------------------------


def test_a_tap_takes_the_machine_from_this_very_moment(any_lab: Lab) -> None:
    job_id, _ = promised(any_lab)
    now = any_lab.clock.advance(minutes=3, seconds=17)
    row = tap(any_lab, job_id)
    assert (row.start_at, row.run_start_at, row.state) == (now, now, AllocationState.FIRM)
    claim = claim_of(any_lab, job_id)
    assert claim.ready_from is not None
    assert claim.ready_until is not None
    assert claim.ready_from <= row.end_at == claim.ready_at <= claim.ready_until


def test_planned_jobs_in_the_way_move_on(lab: Lab) -> None:
    first, _ = promised(lab, 3600)
    second, _ = promised(lab, 3600)
    before = allocation_of(lab, first)
    row = tap(lab, second)
    after = allocation_of(lab, first)
    assert before.start_at < row.end_at
    assert after.resource_id != row.resource_id or after.start_at >= row.end_at
    assert claim_of(lab, first).state is ClaimState.HELD
    assert counted(lab, OVERLAPS) == 0
    assert breaches(lab) == ()


@pytest.mark.parametrize("kind", [ClaimKind.RESERVATION, ClaimKind.OUTAGE, ClaimKind.SESSION])
def test_a_tap_does_not_run_into_what_is_a_person_s_own(lab: Lab, kind: ClaimKind) -> None:
    job_id, _ = promised(lab, 3600)
    before = allocation_of(lab, job_id)
    reserve(lab, TUESDAY + 3 * HOUR, TUESDAY + 4 * HOUR, "mk3", kind=kind)
    lab.clock.advance(hours=2)
    with pytest.raises(Refused) as refused:
        tap(lab, job_id)
    (refusal,) = refused.value.refusals
    assert refusal.code == "machine.would_run_into"
    assert refusal.facts["from"] == (TUESDAY + 3 * HOUR).isoformat()
    assert allocation_of(lab, job_id).start_at == before.start_at


def test_a_slow_run_would_run_into_it_too(lab: Lab) -> None:
    job_id, promise = promised(lab, 3600)
    setup = allocation_of(lab, job_id).run_start_at - TUESDAY
    reserve(lab, promise.ready_at + 5 * MINUTE, promise.ready_at + HOUR, "mk3")
    lab.clock.advance(setup)
    with pytest.raises(Refused):
        tap(lab, job_id)


def test_where_there_is_just_room_it_runs_and_ends_before(lab: Lab) -> None:
    lab.clock.set(TUESDAY.replace(hour=15))
    job_id, _ = promised(lab, 3600)
    lab.clock.set(TUESDAY.replace(hour=16, minute=50))
    # The bed will be cleared tomorrow by the hours; a reservation this evening stands before that.
    reserve(lab, TUESDAY.replace(hour=18, minute=30), TUESDAY.replace(hour=19), "mk3")
    row = tap(lab, job_id)
    assert row.end_at <= TUESDAY.replace(hour=18, minute=30)
    assert counted(lab, OVERLAPS) == 0


def test_a_tap_on_a_machine_that_was_barred_says_why(lab: Lab) -> None:
    with lab.database.begin() as uow:
        house.machine(uow, lab.resources["ender"]).nozzle_mm = 0.8
    job_id, _ = promised(lab)
    with pytest.raises(Refused) as refused:
        tap(lab, job_id, "ender")
    assert refused.value.refusals[0].facts["reason"] == "machine.other_nozzle"


def test_what_the_last_run_left_behind_is_not_in_the_way(lab: Lab) -> None:
    first, _ = promised(lab)
    second, _ = promised(lab)
    run_on(lab, first)
    lab.clock.advance(hours=1)
    with lab.database.begin() as uow:
        (row,) = calendar.claim(uow, first).allocations
        for other in calendar.between(uow, uow.now, uow.now + HOUR, [row.resource_id]):
            if other.id != row.id:
                calendar.release(uow, other.claim, "replan")
        calendar.trim(uow, row, run_end_at=uow.now - MINUTE, end_at=uow.now + 20 * MINUTE)
    assert tap(lab, second).start_at == lab.clock.now()
    assert allocation_of(lab, first).end_at == lab.clock.now()


# -- as the day goes by --------------------------------------------------------------------------------------------


def test_a_plan_that_is_true_is_left_alone(any_lab: Lab) -> None:
    ids = [submitted(any_lab) for _ in range(4)]
    before = [(allocation_of(any_lab, i).id, allocation_of(any_lab, i).start_at) for i in ids]
    any_lab.clock.advance(minutes=2)
    assert refresh(any_lab) == 0
    assert [(allocation_of(any_lab, i).id, allocation_of(any_lab, i).start_at) for i in ids] == before


def test_an_overrun_pushes_what_was_planned_behind_it(any_lab: Lab) -> None:
    first, _ = promised(any_lab, 3600)
    run_on(any_lab, first)
    second, was = promised(any_lab, 3600)
    end = any_lab.clock.now() + 4 * HOUR
    any_lab.clock.advance(minutes=30)
    refresh(any_lab, run=end)
    row = allocation_of(any_lab, first)
    assert (row.run_end_at, row.end_at) == (end, end + 5 * MINUTE)
    claim = claim_of(any_lab, first)
    assert claim.ready_from is not None
    assert claim.ready_until is not None
    assert claim.ready_from <= row.end_at == claim.ready_at <= claim.ready_until
    after = allocation_of(any_lab, second)
    assert after.resource_id != row.resource_id or after.start_at >= row.end_at
    assert counted(any_lab, OVERLAPS) == 0
    assert breaches(any_lab) == ()
    assert was.ready_at != claim_of(any_lab, second).ready_at


def test_a_run_that_will_end_sooner_lets_the_next_one_come_after_it(lab: Lab) -> None:
    first, _ = promised(lab, 4 * 3600)
    run_on(lab, first)
    lab.clock.advance(minutes=10)
    refresh(lab, run=lab.clock.now() + 20 * MINUTE)
    assert allocation_of(lab, first).run_end_at == lab.clock.now() + 20 * MINUTE


def test_a_small_drift_is_not_written(lab: Lab) -> None:
    first, _ = promised(lab, 3600)
    run_on(lab, first)
    before = allocation_of(lab, first).run_end_at
    refresh(lab, run=before + planner.END_DRIFT)
    assert allocation_of(lab, first).run_end_at == before


def test_an_overrun_stops_before_what_is_a_person_s_own(lab: Lab) -> None:
    first, _ = promised(lab, 3600)
    run_on(lab, first)
    own = reserve(lab, TUESDAY + 3 * HOUR, TUESDAY + 4 * HOUR, "mk3")
    refresh(lab, run=TUESDAY + 5 * HOUR)
    assert allocation_of(lab, first).end_at == TUESDAY + 3 * HOUR
    assert allocation_of(lab, own).start_at == TUESDAY + 3 * HOUR
    assert counted(lab, OVERLAPS) == 0


def test_a_run_that_should_be_over_lasts_until_now_at_least(lab: Lab) -> None:
    first, _ = promised(lab, 3600)
    run_on(lab, first)
    now = lab.clock.advance(hours=3)
    refresh(lab, run=now - HOUR)
    assert allocation_of(lab, first).run_end_at == now


def test_a_start_nobody_came_for_moves_and_what_follows_keeps_its_turn(any_lab: Lab) -> None:
    with any_lab.database.begin() as uow:
        house.turn_gate(uow, house.machine(uow, any_lab.resources["ender"]), "lock_out")
    ids = [submitted(any_lab, analysed(duration_s=1800)) for _ in range(3)]
    any_lab.clock.set(allocation_of(any_lab, ids[0]).run_start_at + planner.LATE_START + MINUTE)
    refresh(any_lab)
    starts = [allocation_of(any_lab, job_id).start_at for job_id in ids]
    assert starts == sorted(starts)
    assert starts[0] >= any_lab.clock.now()
    assert breaches(any_lab) == ()


def test_a_start_a_little_late_is_waited_for(lab: Lab) -> None:
    job_id = submitted(lab)
    before = allocation_of(lab, job_id)
    lab.clock.set(before.run_start_at + planner.LATE_START)
    refresh(lab)
    assert allocation_of(lab, job_id).start_at == before.start_at


def test_a_place_that_is_past_altogether_is_not_waited_for_for_ever(any_lab: Lab) -> None:
    ids = [submitted(any_lab) for _ in range(2)]
    any_lab.clock.advance(days=2)  # the server was away
    refresh(any_lab)
    for job_id in ids:
        assert allocation_of(any_lab, job_id).start_at >= any_lab.clock.now()
        assert claim_of(any_lab, job_id).state is ClaimState.HELD
    assert breaches(any_lab) == ()


def test_a_machine_out_of_service_is_left_and_found_again(lab: Lab) -> None:
    job_id, _ = promised(lab)
    assert allocation_of(lab, job_id).resource_id == lab.resources["mk3"]
    with lab.database.begin() as uow:
        house.turn_gate(uow, house.machine(uow, lab.resources["mk3"]), "lock_out", "smoke")
    refresh(lab)
    assert allocation_of(lab, job_id).resource_id == lab.resources["ender"]
    with lab.database.begin() as uow:
        house.turn_gate(uow, house.machine(uow, lab.resources["ender"]), "lock_out", "smoke")
    refresh(lab)
    claim = claim_of(lab, job_id)
    assert (claim.state, claim.ready_at) == (ClaimState.OPEN, None)
    assert notices(lab) == ["job.no_place"]
    refresh(lab)
    assert notices(lab) == ["job.no_place"]  # said once
    with lab.database.begin() as uow:
        row = house.machine(uow, lab.resources["mk3"])
        house.turn_gate(uow, row, "give_back")
        assert row.gate is MachineGate.AWAITING_CLEAR
    refresh(lab)
    assert claim_of(lab, job_id).state is ClaimState.HELD


def test_what_is_out_of_service_keeps_its_reservations(lab: Lab) -> None:
    own = reserve(lab, TUESDAY + HOUR, TUESDAY + 2 * HOUR, "mk3")
    with lab.database.begin() as uow:
        house.turn_gate(uow, house.machine(uow, lab.resources["mk3"]), "lock_out", "smoke")
    refresh(lab)
    assert claim_of(lab, own).state is ClaimState.HELD


# -- telling -------------------------------------------------------------------------------------------------------


def only_mk3(lab: Lab) -> None:
    with lab.database.begin() as uow:
        house.turn_gate(uow, house.machine(uow, lab.resources["ender"]), "lock_out")


def move_by(lab: Lab, minutes: int) -> int:
    """Push the plan on: nobody came for that long after the planned start."""
    with lab.database.read() as uow:
        first = uow.session.scalars(select(Allocation.run_start_at)).one()
    lab.clock.set(first + minutes * MINUTE)
    return refresh(lab)


def test_owners_are_told_of_a_move_beyond_the_threshold_only(lab: Lab) -> None:
    only_mk3(lab)
    submitted(lab, wishes=Wishes(colour="orange"))  # what is loaded: ten minutes of set-up after each refresh
    assert move_by(lab, 4) == 0
    assert notices(lab) == []
    assert move_by(lab, 30) == 1
    assert notices(lab) == ["job.moved"]


def test_many_small_moves_are_told_as_one_large_one(lab: Lab) -> None:
    only_mk3(lab)
    job_id = submitted(lab, wishes=Wishes(colour="orange"))
    was = claim_of(lab, job_id).ready_at
    assert was is not None
    told = [move_by(lab, 4) for _ in range(5)]
    assert told == [0, 1, 0, 1, 0]  # fourteen minutes, then twenty-eight since the owner was told
    with lab.database.read() as uow:
        first = uow.session.scalars(select(Notice).order_by(Notice.id)).first()
        assert first is not None
        assert first.facts["was"] == was.isoformat()
        assert first.claim_id == job_id


def test_an_outage_has_nobody_to_tell(lab: Lab) -> None:
    only_mk3(lab)
    job_id = submitted(lab)
    with lab.database.begin() as uow:
        calendar.claim(uow, job_id).member_id = None
    assert move_by(lab, 60) == 1
    assert notices(lab) == []


def test_urgent_jobs_are_planned_anew_first_then_those_promised_earlier(lab: Lab) -> None:
    only_mk3(lab)
    normal = [submitted(lab, analysed(duration_s=3600)) for _ in range(2)]
    urgent = submitted(lab, analysed(duration_s=3600), actor=lab.staff, wishes=Wishes(priority=1))
    lab.clock.advance(days=2)
    refresh(lab)
    starts = {job_id: allocation_of(lab, job_id).start_at for job_id in (urgent, *normal)}
    assert sorted(starts, key=lambda job_id: starts[job_id]) == [urgent, *normal]
