"""What an idle machine takes: a job brought forward where somebody is there, and never what is a person's own."""

from __future__ import annotations

from datetime import datetime

import pytest

from fablab.claims import calendar
from fablab.claims.jobs.use import Wishes
from fablab.claims.models import AllocationState
from fablab.places import house
from scheduler import planner
from scheduler.planner import Idle
from tests.lab import OVERLAPS, TUESDAY, Lab, analysed, breaches, counted, submitted
from tests.scheduler.test_planner import (
    HOUR,
    MINUTE,
    allocation_of,
    claim_of,
    notices,
    only_mk3,
    reserve,
    run_on,
)


def fill(lab: Lab, *startable: str, machines: tuple[str, ...] = ("mk3",)) -> int:
    idle = Idle(machines=frozenset(lab.resources[name] for name in machines), startable=frozenset(startable))
    with lab.database.begin() as uow:
        return planner.fill(uow, idle)


def behind_a_gap(lab: Lab, gap_s: float = 3 * 3600, colour: str | None = "orange") -> str:
    """An hour of print behind one that has been taken back, on the only printer, where its spool is in."""
    only_mk3(lab)
    wishes = Wishes(colour=colour)
    first = submitted(lab, analysed(duration_s=gap_s), wishes=wishes)
    job = submitted(lab, analysed(duration_s=3600), actor=lab.actors["other"], wishes=wishes)
    lab.intake.cancel(lab.maker, first)
    return job


def start_of(lab: Lab, job: str) -> datetime:
    return allocation_of(lab, job).start_at


def test_an_idle_machine_takes_its_next_job_at_once_and_the_owner_hears_of_it(any_lab: Lab) -> None:
    job = behind_a_gap(any_lab)
    assert start_of(any_lab, job) > TUESDAY + 2 * HOUR
    told = claim_of(any_lab, job).told_ready_at
    assert told is not None
    assert fill(any_lab, job) == 1
    assert start_of(any_lab, job) == any_lab.clock.now()
    claim = claim_of(any_lab, job)
    assert claim.ready_at == claim.told_ready_at == allocation_of(any_lab, job).end_at
    assert claim.told_ready_at is not None
    assert claim.told_ready_at < told
    assert notices(any_lab) == ["job.moved"]
    assert breaches(any_lab) == ()
    assert fill(any_lab, job) == 0  # it is due by now


def test_whose_set_up_has_become_too_short_may_come_forward_too(lab: Lab) -> None:
    """Any colour will do: behind another such job that is less to set up than behind what is loaded."""
    job = behind_a_gap(lab, colour=None)
    assert breaches(lab) != ()
    assert fill(lab, job) == 1
    assert start_of(lab, job) == lab.clock.now()
    assert breaches(lab) == ()


def test_a_few_minutes_earlier_are_worth_no_message(lab: Lab) -> None:
    job = behind_a_gap(lab)
    before = start_of(lab, job)
    lab.clock.set(before - 8 * MINUTE)
    assert fill(lab, job) == 0
    assert start_of(lab, job) == lab.clock.now()
    assert notices(lab) == []


def test_what_may_not_be_started_is_not_brought_forward(lab: Lab) -> None:
    job = behind_a_gap(lab)
    before = start_of(lab, job)
    assert fill(lab) == 0
    assert start_of(lab, job) == before


def test_what_a_person_was_given_keeps_its_hour(lab: Lab) -> None:
    job = behind_a_gap(lab)
    with lab.database.begin() as uow:
        calendar.settle(uow, calendar.claim(uow, job), AllocationState.FIRM)
    before = start_of(lab, job)
    assert fill(lab, job) == 0
    assert start_of(lab, job) == before


@pytest.mark.parametrize("hours", [-1, 8, 12])
def test_nothing_is_brought_forward_to_an_hour_with_nobody_there(lab: Lab, hours: int) -> None:
    lab.clock.set(TUESDAY + hours * HOUR)
    job = submitted(lab, analysed(duration_s=600))
    before = start_of(lab, job)
    assert fill(lab, job) == 0
    assert start_of(lab, job) == before > lab.clock.now()


def test_a_slow_run_would_still_be_cleared_before_somebody_with_a_date(lab: Lab) -> None:
    """Sixty minutes of print, at P90 some more; the date is in an hour and a quarter."""
    job = behind_a_gap(lab)
    reserve(lab, TUESDAY + 75 * MINUTE, TUESDAY + 100 * MINUTE, "mk3")
    before = start_of(lab, job)
    assert fill(lab, job) == 0
    assert start_of(lab, job) == before


def test_a_machine_that_somebody_holds_is_not_idle(lab: Lab) -> None:
    job = behind_a_gap(lab)
    reserve(lab, TUESDAY, TUESDAY + 20 * MINUTE, "mk3")
    before = start_of(lab, job)
    assert fill(lab, job) == 0
    assert start_of(lab, job) == before


def test_an_idle_machine_takes_what_waits_for_another_one(any_lab: Lab) -> None:
    """Two jobs wait for tomorrow behind ten hours of print; the other printer was to be somebody's today."""
    date = reserve(any_lab, TUESDAY, TUESDAY + 8 * HOUR, "ender")
    run_on(any_lab, submitted(any_lab, analysed(duration_s=10 * 3600)))
    jobs = [submitted(any_lab, analysed(duration_s=1800), actor=any_lab.actors["other"]) for _ in range(2)]
    with any_lab.database.begin() as uow:
        calendar.release(uow, calendar.claim(uow, date), "end")
    any_lab.clock.advance(minutes=1)
    fill(any_lab, *jobs, machines=("ender",))
    taken = [job for job in jobs if allocation_of(any_lab, job).resource_id == any_lab.resources["ender"]]
    assert len(taken) == 1
    assert start_of(any_lab, taken[0]) <= any_lab.clock.now()
    assert counted(any_lab, OVERLAPS) == 0
    assert breaches(any_lab) == ()


def test_who_is_in_the_way_of_the_one_taken_finds_another_place(any_lab: Lab) -> None:
    """A job that waits much heavier than the next of the machine, which cannot begin yet."""
    only_mk3(any_lab)
    urgent = Wishes(due_at=TUESDAY + 3 * HOUR, priority=1)
    first = submitted(any_lab, analysed(duration_s=900))
    run_on(any_lab, first)
    light = submitted(any_lab, analysed(duration_s=3600), actor=any_lab.actors["other"])
    heavy = submitted(any_lab, analysed(duration_s=3600), actor=any_lab.staff, wishes=urgent)
    assert start_of(any_lab, light) < start_of(any_lab, heavy)
    with any_lab.database.begin() as uow:
        (place,) = calendar.claim(uow, first).allocations
        calendar.trim(uow, place, run_end_at=any_lab.clock.now(), end_at=any_lab.clock.now())
    any_lab.clock.advance(minutes=2)
    fill(any_lab, heavy)
    assert start_of(any_lab, heavy) == any_lab.clock.now()
    assert start_of(any_lab, light) >= allocation_of(any_lab, heavy).end_at
    assert counted(any_lab, OVERLAPS) == 0
    assert breaches(any_lab) == ()


def test_of_two_idle_machines_the_one_with_the_least_to_change_takes_it(lab: Lab) -> None:
    job = behind_a_gap(lab)
    with lab.database.begin() as uow:
        house.turn_gate(uow, house.machine(uow, lab.resources["ender"]), "give_back")
        (need,) = calendar.claim(uow, job).needs
        need.eligible, need.barred = sorted([lab.resources["mk3"], lab.resources["ender"]]), {}
    assert fill(lab, job, machines=("ender", "mk3")) == 1
    assert allocation_of(lab, job).resource_id == lab.resources["mk3"]  # its spool is in
    assert start_of(lab, job) == lab.clock.now()
