"""A mishap moves what cannot stay, and tells exactly those whose promise it changed."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select

from fablab.claims import calendar
from fablab.claims.jobs.use import Wishes
from fablab.claims.models import AllocationState, Claim, ClaimState
from fablab.notices import Notice, tell
from fablab.places import house
from fablab.places.models import Closure
from scheduler import planner
from scheduler.planner.upkeep import MOVED
from tests.lab import OVERLAPS, TUESDAY, Lab, analysed, breaches, counted, submitted
from tests.scheduler.test_planner import (
    HOUR,
    MINUTE,
    allocation_of,
    claim_of,
    only_mk3,
    refresh,
    reserve,
    run_on,
)

Seen = dict[str, tuple[int, datetime, datetime | None]]


def lock_out(lab: Lab, machine: str) -> None:
    with lab.database.begin() as uow:
        house.turn_gate(uow, house.machine(uow, lab.resources[machine]), "lock_out", "smoke")


def seen(lab: Lab, *job_ids: str) -> Seen:
    """Where each job is, and when its owner was told it would be ready."""
    found: Seen = {}
    for job_id in job_ids:
        place = allocation_of(lab, job_id)
        found[job_id] = place.resource_id, place.start_at, claim_of(lab, job_id).told_ready_at
    return found


def told(lab: Lab) -> list[str]:
    """The claims that a notice of a moved promise was about, one for each."""
    with lab.database.read() as uow:
        names = uow.session.scalars(select(Notice.claim_id).where(Notice.code == MOVED))
        return sorted(name for name in names if name is not None)


def sound(lab: Lab) -> None:
    assert counted(lab, OVERLAPS) == 0
    assert breaches(lab) == ()


def told_are_those_who_moved(lab: Lab, before: Seen) -> list[str]:
    """Exactly they, once each."""
    moved = []
    for job_id, (_, _, was) in before.items():
        now = claim_of(lab, job_id).ready_at
        assert was is not None
        assert now is not None
        if abs(now - was) >= planner.TELL_FROM:
            moved.append(job_id)
    assert told(lab) == sorted(moved)
    return moved


def test_a_fault_moves_what_was_on_that_machine_and_nothing_else(any_lab: Lab) -> None:
    ids = [submitted(any_lab, analysed(duration_s=s)) for s in (3600, 7200, 1800, 5400, 3600, 2400)]
    before = seen(any_lab, *ids)
    on_it = [job_id for job_id in ids if before[job_id][0] == any_lab.resources["mk3"]]
    assert 0 < len(on_it) < len(ids)
    lock_out(any_lab, "mk3")
    refresh(any_lab)
    for job_id in ids:
        place = allocation_of(any_lab, job_id)
        if job_id in on_it:
            assert place.resource_id == any_lab.resources["ender"]
        elif claim_of(any_lab, job_id).told_ready_at == before[job_id][2]:
            assert (place.resource_id, place.start_at) == before[job_id][:2]
    moved = told_are_those_who_moved(any_lab, before)
    assert len(moved) <= 1.2 * len(on_it)
    sound(any_lab)
    assert refresh(any_lab) == 0
    assert len(told(any_lab)) == len(moved)


def behind_a_run(lab: Lab, *seconds: int) -> tuple[datetime, list[str]]:
    """A run of four hours on the only printer and jobs behind it, of people in turn; when the run is to end."""
    only_mk3(lab)
    first = submitted(lab, analysed(duration_s=4 * 3600))
    run_on(lab, first)
    actors = (lab.maker, lab.actors["other"])
    ids = [submitted(lab, analysed(duration_s=s), actor=actors[n % 2]) for n, s in enumerate(seconds)]
    return allocation_of(lab, first).run_end_at, ids


def test_a_short_overrun_is_handed_on_and_nobody_hears_of_it(any_lab: Lab) -> None:
    end, ids = behind_a_run(any_lab, 1800, 1800)
    before = seen(any_lab, *ids)
    assert refresh(any_lab, run=end + 10 * MINUTE) == 0
    for job_id, (machine, start, _) in before.items():
        place = allocation_of(any_lab, job_id)
        assert (place.resource_id, place.start_at) == (machine, start + 10 * MINUTE)
    assert told(any_lab) == []
    sound(any_lab)


def test_a_long_overrun_is_told_to_those_whom_it_moves(lab: Lab) -> None:
    end, ids = behind_a_run(lab, 1800, 1800, 1800)
    before = seen(lab, *ids)
    refresh(lab, run=end + 50 * MINUTE)
    assert told_are_those_who_moved(lab, before)
    sound(lab)


def test_a_cancelled_job_leaves_a_gap_and_everybody_in_peace(lab: Lab) -> None:
    ids = [submitted(lab, analysed(duration_s=3600)) for _ in range(5)]
    before = seen(lab, *ids[1:])
    with lab.database.begin() as uow:
        calendar.release(uow, calendar.claim(uow, ids[0]), "end")
    assert refresh(lab) == 0
    assert seen(lab, *ids[1:]) == before
    assert told(lab) == []


def test_a_day_that_is_shut_moves_what_needed_somebody_then(any_lab: Lab) -> None:
    only_mk3(any_lab)
    ids = [submitted(any_lab, analysed(duration_s=6 * 3600)) for _ in range(3)]
    before = seen(any_lab, *ids)
    with any_lab.database.begin() as uow:
        begin = TUESDAY + timedelta(hours=12)
        uow.session.add(Closure(start_at=begin, end_at=begin + timedelta(days=1), name="flu"))
    refresh(any_lab)
    moved = told_are_those_who_moved(any_lab, before)
    assert 0 < len(moved) < len(ids)
    for job_id in set(ids) - set(moved):
        assert allocation_of(any_lab, job_id).start_at == before[job_id][1]
    sound(any_lab)


def test_what_a_person_made_firm_moves_only_when_its_machine_is_out(lab: Lab) -> None:
    _, ids = behind_a_run(lab, 1800, 1800)
    with lab.database.begin() as uow:
        for place in calendar.current(calendar.claim(uow, ids[1])):
            place.state = AllocationState.FIRM
    before = seen(lab, *ids)
    end = before[ids[0]][1]
    refresh(lab, run=end + 8 * MINUTE)  # it would do to hand eight minutes on
    assert seen(lab, ids[1]) == {ids[1]: before[ids[1]]}
    assert told(lab) == [ids[0]]
    lock_out(lab, "mk3")
    refresh(lab)
    assert claim_of(lab, ids[1]).state is ClaimState.OPEN


def nearly_told(lab: Lab, job_id: str) -> None:
    """Its owner was told ten minutes less: ten more are worth a message."""
    with lab.database.begin() as uow:
        claim: Claim = calendar.claim(uow, job_id)
        assert claim.ready_at is not None
        claim.told_ready_at = claim.ready_at - 10 * MINUTE


def test_somebody_who_could_stay_is_moved_where_that_pays(lab: Lab) -> None:
    end, ids = behind_a_run(lab, 1800, 1800)
    nearly_told(lab, ids[1])
    refresh(lab, run=end + 10 * MINUTE)
    assert told(lab) == [ids[1]]


def test_nobody_who_has_heard_of_enough_changes_today_is_moved_without_need(lab: Lab) -> None:
    end, ids = behind_a_run(lab, 1800, 1800)
    nearly_told(lab, ids[1])
    with lab.database.begin() as uow:
        for _ in range(2):
            tell(uow, lab.actors["other"].member_id, MOVED)
    before = seen(lab, ids[1])
    refresh(lab, run=end + 10 * MINUTE)
    assert seen(lab, ids[1]) == before
    assert ids[1] not in told(lab)
    assert ids[0] in told(lab)
    sound(lab)


def test_who_must_move_is_told_however_often_that_was_today(lab: Lab) -> None:
    end, ids = behind_a_run(lab, 1800, 1800)
    with lab.database.begin() as uow:
        for _ in range(2):
            tell(uow, lab.maker.member_id, MOVED)
    refresh(lab, run=end + 2 * HOUR)
    assert ids[0] in told(lab)
    sound(lab)


def test_a_start_that_was_missed_keeps_its_turn_on_the_only_machine(lab: Lab) -> None:
    only_mk3(lab)
    ids = [submitted(lab, wishes=Wishes(colour="orange")) for _ in range(3)]
    before = seen(lab, *ids)
    lab.clock.set(allocation_of(lab, ids[0]).run_start_at + 6 * MINUTE)
    refresh(lab)
    starts = [allocation_of(lab, job_id).start_at for job_id in ids]
    assert starts == sorted(starts)
    told_are_those_who_moved(lab, before)
    sound(lab)


# --- a machine that is expected back


def take_out(lab: Lab, hours: float) -> None:
    with lab.database.begin(lab.staff) as uow:
        planner.take_out(uow, lab.resources["mk3"], "belt", until=uow.now + timedelta(hours=hours))


def test_jobs_wait_behind_an_outage_whose_end_is_known(any_lab: Lab) -> None:
    only_mk3(any_lab)
    ids = [submitted(any_lab, analysed(duration_s=1800)) for _ in range(6)]
    before = seen(any_lab, *ids)
    back_at = any_lab.clock.now() + timedelta(hours=2)
    in_the_way = [job_id for job_id in ids if before[job_id][1] < back_at]
    take_out(any_lab, 2)
    assert 0 < len(in_the_way) < len(ids)
    for job_id in ids:
        assert claim_of(any_lab, job_id).state is ClaimState.HELD
        assert allocation_of(any_lab, job_id).start_at >= back_at
    told_are_those_who_moved(any_lab, before)
    sound(any_lab)
    assert refresh(any_lab) == 0


def test_an_outage_lasts_around_what_is_a_persons_own(lab: Lab) -> None:
    own = reserve(lab, TUESDAY + HOUR, TUESDAY + 2 * HOUR, "mk3")
    take_out(lab, 3)
    take_out(lab, 4)  # a new word
    assert claim_of(lab, own).state is ClaimState.HELD
    with lab.database.read() as uow:
        (outage,) = calendar.outages(uow, lab.resources["mk3"])
        assert [(place.start_at, place.end_at) for place in outage.allocations] == [
            (TUESDAY, TUESDAY + HOUR),
            (TUESDAY + 2 * HOUR, TUESDAY + 4 * HOUR),
        ]


def test_a_machine_that_is_not_back_in_time_is_out_until_it_is(lab: Lab) -> None:
    only_mk3(lab)
    job_id = submitted(lab)
    take_out(lab, 2)
    assert claim_of(lab, job_id).state is ClaimState.HELD
    lab.clock.advance(hours=2)
    refresh(lab)
    assert claim_of(lab, job_id).state is ClaimState.OPEN
    with lab.database.begin(lab.staff) as uow:
        planner.give_back(uow, lab.resources["mk3"])
    refresh(lab)
    assert claim_of(lab, job_id).state is ClaimState.HELD


def test_a_machine_that_is_back_early_can_be_used_at_once(any_lab: Lab) -> None:
    only_mk3(any_lab)
    take_out(any_lab, 5)
    any_lab.clock.advance(hours=1)
    with any_lab.database.begin(any_lab.staff) as uow:
        planner.give_back(uow, any_lab.resources["mk3"])
    job_id = submitted(any_lab)
    assert allocation_of(any_lab, job_id).start_at == any_lab.clock.now()
