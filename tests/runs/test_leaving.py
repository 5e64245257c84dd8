"""Somebody goes: all that was kept for them is given back in the same transaction, and a machine finishes what it makes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select

from fablab.base.errors import Conflict
from fablab.claims import calendar, reservations, waiting
from fablab.claims.jobs import use as jobs
from fablab.claims.jobs.models import JobState
from fablab.claims.models import ClaimState
from fablab.claims.reservations import Order, ReservationState
from fablab.claims.trainings import use as trainings
from fablab.claims.trainings.models import SeatState
from fablab.claims.waiting import WaitingState
from fablab.device import DeviceState, Outcome, Progress, Status
from fablab.notices import Notice
from fablab.people import invitations, members, standing
from fablab.people.models import Invitation, InvitationState, Member, MemberState
from fablab.places.models import ResourceKind, Technology
from fablab.runs import attempts, leaving
from fablab.runs.models import RunState
from scheduler import planner
from scheduler import waiting as turns
from scheduler.reserving import Kind, Wanted
from scheduler.training import plan_training
from tests.conftest import LabMaker
from tests.lab import TUESDAY, Lab, submitted
from tests.web.letters import codes_to

TWO, SIX = TUESDAY + timedelta(hours=4), TUESDAY + timedelta(hours=8)


@pytest.fixture
def lab(lab_maker: LabMaker) -> Lab:
    lab = lab_maker()
    lab.database.witnesses += (leaving.witness, turns.offer_freed)
    return lab


def number(lab: Lab, who: str) -> int:
    found = lab.actors[who].member_id
    assert found is not None
    return found


def reserved(lab: Lab, who: str = "maker", what: str = "room") -> str:
    order = Order(resource_ids=(lab.resources[what],), start_at=TWO, end_at=SIX)
    return lab.database.write(lambda uow: reservations.reserve(uow, order), lab.actors[who]).id


def in_line(lab: Lab, who: str) -> str:
    kind = Kind(wanted=(Wanted(kind=ResourceKind.ROOM),), duration_s=4 * 3600, since=TWO, until=SIX)
    lab.clock.advance(seconds=1)
    return lab.database.write(lambda uow: turns.join(uow, kind), lab.actors[who]).id


def entry(lab: Lab, entry_id: str) -> WaitingState:
    with lab.database.read() as uow:
        return waiting.get(uow, entry_id).state


def leaves(lab: Lab, who: str = "maker") -> None:
    lab.database.write(lambda uow: standing.leave(uow, number(lab, who)), lab.actors[who])


def suspended(lab: Lab, who: str = "maker") -> None:
    lab.database.write(lambda uow: standing.suspend(uow, number(lab, who), "A reason"), lab.staff)


def tapped(lab: Lab) -> tuple[str, str]:
    """A job of the maker's on mk3, and its run, which is prepared."""
    job_id = submitted(lab)
    with lab.database.begin(lab.staff) as uow:
        place = planner.place_now(uow, calendar.claim(uow, job_id), lab.resources["mk3"])
        return job_id, attempts.prepare(uow, place, bed_clear=True).id


def running(lab: Lab) -> tuple[str, str]:
    job_id, run_id = tapped(lab)
    with lab.database.begin() as uow:
        attempts.begin(uow, run_id)
    seen(lab, run_id, None)
    return job_id, run_id


def seen(lab: Lab, run_id: str, outcome: Outcome | None) -> RunState:
    state = DeviceState.RUNNING if outcome is None else DeviceState.IDLE
    progress = Progress(token=run_id, fraction=0.5, elapsed_s=60, outcome=outcome)
    with lab.database.begin() as uow:
        return attempts.observe(uow, run_id, Status(at=lab.clock.now(), state=state, progress=progress)).state


def job_state(lab: Lab, job_id: str) -> JobState:
    with lab.database.read() as uow:
        return jobs.get(uow, job_id).state


def told(lab: Lab, who: str) -> list[str]:
    with lab.database.read() as uow:
        query = select(Notice.code).where(Notice.member_id == number(lab, who)).order_by(Notice.id)
        return list(uow.session.scalars(query))


GOING: tuple[Callable[[Lab], None], ...] = (leaves, suspended)


@pytest.mark.parametrize("goes", GOING)
def test_what_they_had_reserved_is_offered_to_whoever_waits(lab: Lab, goes: Callable[[Lab], None]) -> None:
    mine = reserved(lab)
    next_in_line = in_line(lab, "other")
    goes(lab)
    assert entry(lab, next_in_line) is WaitingState.OFFERED
    with lab.database.read(lab.staff) as uow:
        assert reservations.may_see(uow, mine).state is ReservationState.CANCELLED


def test_what_they_gave_back_is_not_offered_to_themselves(lab: Lab) -> None:
    reserved(lab)
    mine, others = in_line(lab, "maker"), in_line(lab, "other")
    leaves(lab)
    assert (entry(lab, mine), entry(lab, others)) == (WaitingState.WITHDRAWN, WaitingState.OFFERED)


def test_what_was_held_for_them_goes_to_the_next(lab: Lab) -> None:
    taken = reserved(lab, "staff")
    mine, others = in_line(lab, "maker"), in_line(lab, "other")
    lab.database.write(lambda uow: reservations.cancel(uow, taken), lab.staff)
    assert entry(lab, mine) is WaitingState.OFFERED
    suspended(lab)
    assert (entry(lab, mine), entry(lab, others)) == (WaitingState.WITHDRAWN, WaitingState.OFFERED)


def test_a_job_that_waits_or_is_only_prepared_leaves_the_plan(lab: Lab) -> None:
    prepared, run_id = tapped(lab)
    queued = submitted(lab)
    leaves(lab)
    assert {job_state(lab, prepared), job_state(lab, queued)} == {JobState.CANCELLED}
    with lab.database.read() as uow:
        assert attempts.get(uow, run_id).state is RunState.CANCELLED
        assert calendar.claim(uow, queued).state is ClaimState.CLOSED
        assert not calendar.claim(uow, prepared).allocations


def test_a_machine_that_runs_their_job_finishes_it_and_the_staff_knows(lab: Lab) -> None:
    job_id, run_id = running(lab)
    suspended(lab)
    assert "job.goes_on" in told(lab, "staff")
    assert "member.gave_back_running" in codes_to(lab, "maker@lab.example")
    assert seen(lab, run_id, Outcome.DONE) is RunState.SUCCEEDED
    assert job_state(lab, job_id) is JobState.DONE


def test_what_fails_after_they_went_is_not_tried_again(lab: Lab) -> None:
    job_id, run_id = running(lab)
    leaves(lab)
    assert seen(lab, run_id, Outcome.FAILED) is RunState.FAILED
    assert job_state(lab, job_id) is JobState.CANCELLED


def test_their_seat_goes_to_whoever_waits_for_one(lab: Lab) -> None:
    plan = trainings.Plan(
        technology=Technology.LASER,
        start_at=TUESDAY + timedelta(days=1),
        end_at=TUESDAY + timedelta(days=1, hours=2),
        places=1,
        trainer_id=number(lab, "admin"),
    )
    session = plan_training(lab.database, lab.staff, plan).id
    for who in ("maker", "other"):
        lab.clock.advance(seconds=1)
        lab.database.write(lambda uow: trainings.join(uow, session), lab.actors[who])
    leaves(lab)
    with lab.database.read() as uow:
        seats = {seat.member.name: seat.state for seat in trainings.get(uow, session).seats}
    assert seats == {"Maker": SeatState.LEFT, "Other": SeatState.JOINED}


def test_the_staff_hears_of_a_training_that_has_lost_its_trainer(lab: Lab) -> None:
    plan = trainings.Plan(
        technology=Technology.LASER,
        start_at=TUESDAY + timedelta(days=1),
        end_at=TUESDAY + timedelta(days=1, hours=2),
        places=1,
    )
    plan_training(lab.database, lab.staff, plan)
    lab.database.write(lambda uow: standing.leave(uow, number(lab, "staff")), lab.actors["admin"])
    assert "training.no_trainer" in told(lab, "admin")


def test_invitations_by_them_and_to_them_end_and_whoever_asked_is_told(lab: Lab) -> None:
    with lab.database.begin(lab.maker) as uow:
        invitations.to_project(uow, lab.projects["drone"], "friend@post.example")
        invitations.to_project(uow, lab.projects["drone"], "other@lab.example")
    leaves(lab, "other")
    assert told(lab, "maker")[-1] == "invitation.ended"
    leaves(lab)
    with lab.database.read() as uow:
        assert set(uow.session.scalars(select(Invitation.state))) == {InvitationState.WITHDRAWN}


def test_nothing_is_given_back_where_the_step_itself_is_refused(lab: Lab) -> None:
    mine = reserved(lab, "admin")
    with pytest.raises(Conflict, match="last_admin"):
        leaves(lab, "admin")
    with lab.database.read(lab.staff) as uow:
        assert reservations.may_see(uow, mine).state is ReservationState.CONFIRMED


def test_whoever_is_forgotten_keeps_nothing_either(lab: Lab) -> None:
    """A member who had left before this house gave anything back may still hold a place."""
    mine = reserved(lab)
    with lab.database.begin() as uow:
        uow.session.get_one(Member, number(lab, "maker")).state = MemberState.LEFT
    lab.database.write(lambda uow: members.forget(uow, number(lab, "maker")), lab.actors["admin"])
    with lab.database.read(lab.staff) as uow:
        assert reservations.may_see(uow, mine).state is ReservationState.CANCELLED
