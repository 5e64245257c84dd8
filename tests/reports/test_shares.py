"""Hours used and held by audience and project, what they do to a claim's weight, and who is told of them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fablab.base.errors import Forbidden, Invalid
from fablab.base.ids import new_id
from fablab.claims.jobs.use import Wishes
from fablab.claims.models import Allocation, AllocationState, Claim, ClaimKind, ClaimState
from fablab.people import shares as due
from fablab.people.models import Audience
from fablab.places import house
from fablab.reports import shares
from fablab.runs import attempts
from scheduler import planner
from scheduler.fairness import ageing
from scheduler.hands import start_now
from scheduler.lore import fairness
from scheduler.sight import look
from tests.lab import Lab, analysed, submitted


def hours(lab: Lab) -> dict[str, shares.Hours]:
    with lab.database.read() as uow:
        return {row.owner: row for row in shares.hours(uow)}


def member(lab: Lab, who: str) -> str:
    return shares.owner_of(None, lab.actors[who].member_id)


def held(
    lab: Lab,
    who: str,
    *,
    starts_in_h: float,
    hours: float,
    kind: ClaimKind = ClaimKind.RESERVATION,
    audience: Audience = Audience.PERSONAL,
    resource: str = "mk3",
) -> str:
    """Somebody's own time on a resource, past or to come."""
    start = lab.clock.now() + timedelta(hours=starts_in_h)
    end = start + timedelta(hours=hours)
    with lab.database.begin() as uow:
        claim = Claim(
            id=new_id(uow.now),
            kind=kind,
            state=ClaimState.HELD if end > uow.now else ClaimState.CLOSED,
            title="own time",
            member_id=lab.actors[who].member_id,
            audience=audience,
            release_at=start,
            estimate_s=round(hours * 3600),
            made_at=start,
        )
        uow.session.add(claim)
        uow.session.flush()
        uow.session.add(
            Allocation(
                claim_id=claim.id,
                resource_id=lab.resources[resource],
                state=AllocationState.FIRM,
                start_at=start,
                run_start_at=start,
                run_end_at=end,
                end_at=end,
            )
        )
        return claim.id


def test_hours_are_added_up_by_project_and_by_member(any_lab: Lab) -> None:
    lab = any_lab
    submitted(lab, analysed(duration_s=3600), wishes=Wishes(project_id=lab.projects["drone"]))
    held(lab, "other", starts_in_h=-5, hours=2, resource="ender")
    held(lab, "other", starts_in_h=200, hours=3, resource="ender")
    found = hours(lab)
    drone = found[shares.owner_of(lab.projects["drone"], None)]
    other = found[member(lab, "other")]
    assert (drone.used_h, drone.waiting) == (0, 1)
    assert 1 < drone.held_h < 1.7
    assert [other.used_h, other.held_h] == pytest.approx([2, 3])
    assert other.waiting == 0


@pytest.mark.parametrize(("end", "counts"), [("succeed", True), ("fail", False), ("interrupt", False)])
def test_what_failed_is_the_labs_bad_luck_and_nobodys_hours(lab: Lab, end: str, counts: bool) -> None:
    job_id = submitted(lab, analysed(duration_s=3600))
    with lab.database.begin(lab.staff) as uow:
        run = start_now(uow, lab.resources["mk3"], job_id, bed_clear=True)
        attempts.begin(uow, run.id)
        attempts.turn(uow, run, "run")
    assert hours(lab)[member(lab, "maker")].used_h > 0.9  # while it runs it is used
    lab.clock.advance(hours=1)
    with lab.database.begin() as uow:
        attempts.turn(uow, attempts.get(uow, run.id), end)
    found = hours(lab).get(member(lab, "maker"))
    assert (found.used_h if found else 0.0) == (pytest.approx(1, abs=0.02) if counts else 0.0)


def test_rooms_outages_and_what_lies_further_back_count_for_nobody(lab: Lab) -> None:
    held(lab, "other", starts_in_h=-5, hours=2, resource="room")
    held(lab, "other", starts_in_h=-9, hours=2, kind=ClaimKind.OUTAGE)
    held(lab, "other", starts_in_h=-29 * 24, hours=2)
    assert hours(lab) == {}


def test_who_has_had_most_stands_behind_in_the_plan(lab: Lab) -> None:
    """Both wait when the machines come back: who has used nothing goes first, although they came last."""
    held(lab, "maker", starts_in_h=-80, hours=60, resource="ender")
    with lab.database.begin() as uow:
        for name in ("mk3", "ender"):
            house.turn_gate(uow, house.machine(uow, lab.resources[name]), "lock_out")
    glutton = waiting_claim(lab, "maker")
    lab.clock.advance(minutes=10)
    newcomer = waiting_claim(lab, "other")
    with lab.database.begin() as uow:
        house.turn_gate(uow, house.machine(uow, lab.resources["mk3"]), "give_back")
        planner.refresh(uow, {})
    with lab.database.read() as uow:
        (first,) = uow.session.get_one(Claim, newcomer).allocations
        (second,) = uow.session.get_one(Claim, glutton).allocations
        assert first.start_at < second.start_at


def waiting_claim(lab: Lab, who: str) -> str:
    """A job that has no place: every machine is out of service."""
    with lab.database.begin() as uow:
        for name in ("mk3", "ender"):
            row = house.machine(uow, lab.resources[name])
            if house.is_out(row):
                house.turn_gate(uow, row, "give_back")
    job_id = submitted(lab, actor=lab.actors[who])
    with lab.database.begin() as uow:
        for name in ("mk3", "ender"):
            house.turn_gate(uow, house.machine(uow, lab.resources[name]), "lock_out")
        planner.refresh(uow, {})
        assert uow.session.get_one(Claim, job_id).state is ClaimState.OPEN
    return job_id


def test_a_claims_weight_is_priority_times_fairness_times_ageing_times_urgency(lab: Lab) -> None:
    due_at = lab.clock.now() + timedelta(days=2, hours=1)
    job_id = submitted(lab, actor=lab.staff, wishes=Wishes(priority=1, due_at=due_at))
    held(lab, "other", starts_in_h=-40, hours=30, resource="ender", audience=Audience.SCHOOL)
    lab.clock.advance(days=2)
    with lab.database.read() as uow:
        sight = look(uow)
        parts = sight.parts(uow.session.get_one(Claim, job_id))
    assert parts.priority == 3
    assert 1 < parts.fairness <= 4
    assert parts.ageing == pytest.approx(ageing(2)) == pytest.approx(2)
    assert 5 < parts.urgency <= 11
    assert parts.weight == parts.priority * parts.fairness * parts.ageing * parts.urgency


def test_a_reservation_does_not_grow_heavier_with_the_months_before_it(lab: Lab) -> None:
    claim_id = held(lab, "other", starts_in_h=-2000, hours=1)
    with lab.database.read() as uow:
        assert look(uow).parts(uow.session.get_one(Claim, claim_id)).ageing == 1


def test_shares_due_are_set_by_an_administrator_and_hold_at_once(lab: Lab) -> None:
    held(lab, "maker", starts_in_h=-50, hours=20, audience=Audience.SCHOOL)
    held(lab, "other", starts_in_h=-50, hours=20, resource="ender")
    with lab.database.begin(lab.staff) as uow, pytest.raises(Forbidden):
        due.set_parts(uow, Audience.SCHOOL, 2)
    for parts in (3, 2):
        with lab.database.begin(lab.actors["admin"]) as uow:
            due.set_parts(uow, Audience.SCHOOL, parts)
    with lab.database.read() as uow:
        assert due.parts_due(uow)[Audience.SCHOOL] == 2
        found = fairness(uow, shares.hours(uow))
    assert found.audiences["school"].due == pytest.approx(2 / 3)
    assert found.audiences["school"].factor > 1 > found.audiences["personal"].factor


def test_a_share_that_cannot_be_is_refused(lab: Lab) -> None:
    with lab.database.begin(lab.actors["admin"]) as uow:
        for parts in (0.0, -1.0, 101.0, float("nan"), float("inf")):
            with pytest.raises(Invalid, match=r"share\.parts"):
                due.set_parts(uow, Audience.SCHOOL, parts)


def test_a_member_is_told_of_their_own_waiting_jobs_only(lab: Lab) -> None:
    mine, theirs = submitted(lab), submitted(lab, actor=lab.actors["other"])
    with lab.database.read(lab.maker) as uow:
        assert [row.job.id for row in shares.waiting(uow)] == [mine]
    with lab.database.read(lab.staff) as uow:
        assert {row.job.id for row in shares.waiting(uow)} == {mine, theirs}


def test_what_a_machine_has_run_of_late_is_its_wear(any_lab: Lab) -> None:
    lab = any_lab
    for end, minutes in (("succeed", 40), ("fail", 25)):
        job_id = submitted(lab, analysed(duration_s=1800))
        with lab.database.begin(lab.staff) as uow:
            run = start_now(uow, lab.resources["mk3"], job_id, bed_clear=True)
            attempts.begin(uow, run.id)
            attempts.turn(uow, run, "run")
        lab.clock.advance(minutes=minutes)
        with lab.database.begin() as uow:
            attempts.turn(uow, attempts.get(uow, run.id), end)
            house.turn_gate(uow, house.machine(uow, lab.resources["mk3"]), "clear")
    with lab.database.read() as uow:
        sight = look(uow)
    worn = {sight.names[machine.index]: machine.worn_min for machine in sight.problem.machines}
    assert worn == {"mk3": 65, "ender": 0, "laser": 0, "Room 1": 0}
    lab.clock.advance(days=29)
    with lab.database.read() as uow:
        assert {machine.worn_min for machine in look(uow).problem.machines} == {0}
