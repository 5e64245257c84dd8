"""Training sessions: in the calendar with what they hold, joined in turn, and certifying whoever came."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from fablab.base.errors import Conflict, Forbidden, Invalid, LabError, NotFound, Refused
from fablab.claims import calendar
from fablab.claims.models import ClaimState
from fablab.claims.rules import may_start, passport
from fablab.claims.trainings import following
from fablab.claims.trainings import use as trainings
from fablab.claims.trainings.models import SeatState, TrainingState
from fablab.claims.trainings.use import Plan
from fablab.notices import Notice
from fablab.people import members
from fablab.people.certifications import granting
from fablab.people.models import CertificationLevel, Member, MemberState
from fablab.places.models import Technology
from scheduler.training import plan_training
from tests.lab import OVERLAPS, TUESDAY, Lab, analysed, counted, submitted

LASER = Technology.LASER
TOMORROW = TUESDAY + timedelta(days=1)


def plan(lab: Lab, **changes: object) -> Plan:
    made = Plan(
        technology=LASER,
        start_at=TOMORROW,
        end_at=TOMORROW + timedelta(hours=2),
        places=2,
        trainer_id=lab.staff.member_id,
        holds=(lab.resources["laser"], lab.resources["room"]),
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # a table of any field


def planned(lab: Lab, by: str = "staff", **changes: object) -> str:
    return plan_training(lab.database, lab.actors[by], plan(lab, **changes)).id


def member(lab: Lab, name: str) -> int:
    found = lab.actors[name].member_id
    assert found is not None
    return found


def join(lab: Lab, session: str, who: str, to: int | None = None) -> SeatState:
    with lab.database.begin(lab.actors[who]) as uow:
        return trainings.join(uow, session, to).state


def leave(lab: Lab, session: str, who: str) -> None:
    with lab.database.begin(lab.actors[who]) as uow:
        trainings.leave(uow, session)


def deliver(lab: Lab, session: str, *present: int, by: str = "staff") -> tuple[int, ...]:
    with lab.database.begin(lab.actors[by]) as uow:
        return trainings.deliver(uow, session, present)


def seats(lab: Lab, session: str) -> dict[str, SeatState]:
    with lab.database.read() as uow:
        return {seat.member.name: seat.state for seat in trainings.get(uow, session).seats}


def told(lab: Lab, who: str) -> list[str]:
    with lab.database.read() as uow:
        query = select(Notice.code).where(Notice.member_id == member(lab, who)).order_by(Notice.id)
        return list(uow.session.scalars(query))


def newcomer(lab: Lab, name: str = "Newcomer") -> int:
    with lab.database.begin() as uow:
        return members.add_member(uow, name=name).id


# -- in the calendar ---------------------------------------------------------------------------------------------------


def test_it_holds_its_machine_and_its_room_for_good(lab: Lab) -> None:
    session = planned(lab)
    with lab.database.read() as uow:
        claim = calendar.claim(uow, session)
        held = {allocation.resource_id: allocation.state.value for allocation in claim.allocations}
    assert (claim.kind.value, claim.state.value) == ("session", "held")
    assert held == {lab.resources["laser"]: "firm", lab.resources["room"]: "firm"}


def test_two_cannot_have_one_room_at_one_time(lab: Lab) -> None:
    planned(lab)
    with pytest.raises(Conflict, match="slot_taken"):
        planned(lab, holds=(lab.resources["room"],))
    assert counted(lab, "SELECT count(*) FROM claims") == 1


def test_a_planned_job_makes_room_and_keeps_a_place(lab: Lab) -> None:
    jobs = [submitted(lab, analysed(duration_s=7200)) for _ in range(4)]
    with lab.database.read() as uow:
        last = max(
            (a for job in jobs for a in calendar.claim(uow, job).allocations), key=lambda a: a.start_at
        )
    planned(
        lab,
        technology=Technology.FDM,
        holds=(last.resource_id,),
        start_at=last.start_at,
        end_at=last.start_at + timedelta(hours=1),
    )
    with lab.database.read() as uow:
        assert {calendar.claim(uow, job).state for job in jobs} == {ClaimState.HELD}
    assert counted(lab, OVERLAPS) == 0


def test_one_elsewhere_holds_nothing(lab: Lab) -> None:
    session = planned(lab, holds=())
    with lab.database.read() as uow:
        assert calendar.claim(uow, session).state is ClaimState.HELD


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"places": 0}, "training.places"),
        ({"places": 61}, "training.places"),
        ({"end_at": TOMORROW}, "span.wrong"),
        ({"end_at": TOMORROW + timedelta(hours=13)}, "training.too_long"),
        ({"start_at": TUESDAY, "end_at": TUESDAY + timedelta(hours=1)}, "training.past"),
        (
            {"start_at": TUESDAY + timedelta(days=366), "end_at": TUESDAY + timedelta(days=366, hours=1)},
            "training.too_far",
        ),
        ({"trainer_id": 10**6}, "training.trainer"),
        ({"holds": (10**6,)}, "training.holds"),
        ({"resource_id": 10**6}, "machine.unknown"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_kept(lab: Lab, changes: dict[str, object], code: str) -> None:
    with pytest.raises(LabError, match=code):
        planned(lab, **changes)
    assert counted(lab, "SELECT count(*) FROM claims") == 0


def test_who_stands_in_front_must_be_able_to_vouch(lab: Lab) -> None:
    with pytest.raises(Invalid, match=r"training.trainer"):
        planned(lab, trainer_id=member(lab, "other"))


def test_a_member_who_trains_plans_their_own(lab: Lab) -> None:
    with pytest.raises(Forbidden, match=r"certification.not_trainer"):
        planned(lab, by="other", trainer_id=None)
    with lab.database.begin(lab.actors["admin"]) as uow:
        granting.grant(uow, member(lab, "other"), LASER, CertificationLevel.TRAINER)
    assert planned(lab, by="other", trainer_id=None)


# -- joining -----------------------------------------------------------------------------------------------------------


def test_whoever_comes_late_waits_and_moves_up_in_turn(lab: Lab) -> None:
    session = planned(lab, places=1)
    third = newcomer(lab)
    states = [join(lab, session, "maker"), join(lab, session, "other"), join(lab, session, "staff", third)]
    leave(lab, session, "maker")
    assert states == [SeatState.JOINED, SeatState.WAITING, SeatState.WAITING]
    assert seats(lab, session) == {
        "Maker": SeatState.LEFT,
        "Other": SeatState.JOINED,
        "Newcomer": SeatState.WAITING,
    }
    assert told(lab, "other") == ["training.waiting", "training.moved_up"]


def test_whoever_comes_back_stands_at_the_end(lab: Lab) -> None:
    session = planned(lab, places=1)
    third = newcomer(lab)
    join(lab, session, "staff", third)
    join(lab, session, "maker")
    lab.clock.advance(minutes=1)
    join(lab, session, "other")
    leave(lab, session, "maker")
    lab.clock.advance(minutes=1)
    join(lab, session, "maker")
    with lab.database.read() as uow:
        order = [seat.member.name for seat in trainings.waiting(trainings.get(uow, session))]
    assert order == ["Other", "Maker"]


def test_more_places_let_those_in_who_wait(lab: Lab) -> None:
    session = planned(lab, places=1)
    join(lab, session, "maker")
    join(lab, session, "other")
    with lab.database.begin(lab.staff) as uow:
        trainings.resize(uow, session, 2)
    assert seats(lab, session) == {"Maker": SeatState.JOINED, "Other": SeatState.JOINED}


def test_places_that_are_taken_are_not_taken_away(lab: Lab) -> None:
    session = planned(lab)
    join(lab, session, "maker")
    join(lab, session, "other")
    with pytest.raises(Conflict, match=r"training.too_few"), lab.database.begin(lab.staff) as uow:
        trainings.resize(uow, session, 1)


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (lambda lab, session: join(lab, session, "maker"), "training.joined"),
        (lambda lab, session: leave(lab, session, "other"), "training.not_in"),
        (lambda lab, session: join(lab, session, "staff"), "training.own"),
        (lambda lab, session: join(lab, "nowhere", "maker"), "training.unknown"),
        (lambda lab, session: join(lab, session, "other", member(lab, "maker")), "member.unknown"),
    ],
)
def test_what_makes_no_sense_is_refused(lab: Lab, act: Callable[[Lab, str], object], code: str) -> None:
    session = planned(lab)
    join(lab, session, "maker")
    with pytest.raises(LabError, match=code):
        act(lab, session)


def test_nobody_joins_what_has_begun(lab: Lab) -> None:
    session = planned(lab)
    lab.clock.set(TOMORROW)
    with pytest.raises(Conflict, match=r"training.begun"):
        join(lab, session, "maker")


def test_a_child_joins_with_a_parents_yes_only(lab: Lab) -> None:
    session = planned(lab)
    child = newcomer(lab, "Kid")
    with lab.database.begin() as uow:
        row = uow.session.get_one(Member, child)
        row.parent_id, row.born_on = member(lab, "maker"), TUESDAY.date().replace(year=2014)
    with pytest.raises(Refused) as refused:
        join(lab, session, "maker", child)
    assert [refusal.code for refusal in refused.value.refusals] == ["minor.no_consent"]


def test_somebody_suspended_does_not_join(lab: Lab) -> None:
    session = planned(lab)
    with lab.database.begin() as uow:
        uow.session.get_one(Member, member(lab, "maker")).state = MemberState.SUSPENDED
    with pytest.raises(Refused) as refused:
        join(lab, session, "maker")
    assert [refusal.code for refusal in refused.value.refusals] == ["membership.not_active"]


# -- afterwards --------------------------------------------------------------------------------------------------------


def test_whoever_came_is_certified_and_whoever_did_not_is_not(lab: Lab) -> None:
    session = planned(lab)
    join(lab, session, "maker")
    join(lab, session, "other")
    lab.clock.set(TOMORROW + timedelta(hours=2))
    assert deliver(lab, session, member(lab, "maker")) == (member(lab, "maker"),)
    with lab.database.read() as uow:
        held = [passport.holds(uow, member(lab, name), lab.resources["laser"]) for name in ("maker", "other")]
        (stamp,) = passport.stamps(uow, member(lab, "maker"))
    assert [one is not None for one in held] == [True, False]
    assert stamp.granted_by == "Staff"
    assert seats(lab, session) == {"Maker": SeatState.ATTENDED, "Other": SeatState.ABSENT}


def test_whoever_came_without_a_place_counts(lab: Lab) -> None:
    session = planned(lab, places=1)
    join(lab, session, "maker")
    join(lab, session, "other")
    lab.clock.set(TOMORROW)
    third = newcomer(lab)
    assert deliver(lab, session, member(lab, "other"), third) == (member(lab, "other"), third)


def test_what_it_held_afterwards_is_free_and_what_it_had_stays_in_the_books(lab: Lab) -> None:
    session = planned(lab)
    lab.clock.set(TOMORROW + timedelta(hours=1))
    deliver(lab, session)
    with lab.database.read() as uow:
        claim = calendar.claim(uow, session)
        assert claim.state is ClaimState.CLOSED
        assert {allocation.end_at for allocation in claim.allocations} == {lab.clock.now()}


@pytest.mark.parametrize(
    ("at", "code"),
    [
        (TOMORROW - timedelta(seconds=1), "training.not_begun"),
        (TOMORROW + timedelta(days=14, hours=2, seconds=1), "training.too_late"),
    ],
)
def test_who_came_is_written_down_in_time(lab: Lab, at: object, code: str) -> None:
    session = planned(lab)
    lab.clock.set(at)  # type: ignore[arg-type]  # a table
    with pytest.raises(Conflict, match=code):
        deliver(lab, session)


def test_only_its_trainer_and_the_staff_write_down_who_came(lab: Lab) -> None:
    session = planned(lab)
    lab.clock.set(TOMORROW)
    with pytest.raises(Forbidden, match=r"training.not_yours"):
        deliver(lab, session, by="maker")


def test_everybody_is_told_when_it_does_not_take_place(lab: Lab) -> None:
    session = planned(lab, places=1)
    join(lab, session, "maker")
    join(lab, session, "other")
    with lab.database.begin(lab.staff) as uow:
        trainings.cancel(uow, session, "the trainer is ill")
    assert (told(lab, "maker")[-1], told(lab, "other")[-1]) == ("training.cancelled", "training.cancelled")
    with lab.database.read() as uow:
        assert trainings.get(uow, session).state is TrainingState.CANCELLED
        assert calendar.is_free(uow, lab.resources["room"], TOMORROW, TOMORROW + timedelta(hours=2))


def test_what_is_over_is_over(lab: Lab) -> None:
    session = planned(lab)
    with lab.database.begin(lab.staff) as uow:
        trainings.cancel(uow, session, "the trainer is ill")
    with pytest.raises(Conflict, match=r"training.over"):
        join(lab, session, "maker")


# -- the way to it -----------------------------------------------------------------------------------------------------


def test_a_refused_start_names_the_next_training_with_a_free_place(lab: Lab) -> None:
    full = planned(lab, places=1)
    join(lab, full, "other")
    later = planned(
        lab,
        start_at=TOMORROW + timedelta(days=1),
        end_at=TOMORROW + timedelta(days=1, hours=2),
        resource_id=lab.resources["laser"],
    )
    with lab.database.read() as uow:
        (refusal,) = may_start(uow, lab.resources["laser"], member(lab, "maker"))
    assert (refusal.code, refusal.facts["session"], refusal.facts["free"]) == (
        "certification.missing",
        later,
        2,
    )


def test_where_all_are_full_the_first_is_named(lab: Lab) -> None:
    full = planned(lab, places=1)
    join(lab, full, "other")
    with lab.database.read() as uow:
        found = following.next_training(uow, LASER)
        assert found is not None
        assert (found.id, following.free_places(found)) == (full, 0)


def test_nobody_else_starts_the_machine_while_it_is_used_for_training(lab: Lab) -> None:
    planned(lab)
    lab.clock.set(TOMORROW)
    with lab.database.begin(lab.actors["admin"]) as uow:
        granting.grant(uow, member(lab, "maker"), LASER)
    with lab.database.read() as uow:
        found = [refusal.code for refusal in may_start(uow, lab.resources["laser"], member(lab, "maker"))]
    assert found == ["reservation.somebody_elses"]


def test_a_session_that_is_nowhere_is_not_found(lab: Lab) -> None:
    with pytest.raises(NotFound, match=r"training.unknown"), lab.database.read() as uow:
        trainings.get(uow, "nowhere")
