"""A training session's use cases: plan, join, leave, write down who came, cancel."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, Forbidden, Invalid, NotFound, Refused
from fablab.base.ids import new_id
from fablab.base.states import step
from fablab.claims import calendar
from fablab.claims.models import CLAIM_STEPS, AllocationState, Claim, ClaimKind, ClaimState, Need
from fablab.claims.rules import Act, Asked, judge
from fablab.claims.trainings import following
from fablab.claims.trainings.models import (
    SEAT_STEPS,
    TRAINING_STEPS,
    SeatState,
    Training,
    TrainingSeat,
    TrainingState,
)
from fablab.notices import tell
from fablab.people import log, standing
from fablab.people.access import Right, allows
from fablab.people.certifications import granting
from fablab.people.models import CertificationLevel, Member, Role
from fablab.places.models import Resource, Technology

MOST_PLACES = 60
LONGEST = timedelta(hours=12)
LATEST = timedelta(days=365)
MOST_HELD = 20
LATE_ENTRY = timedelta(days=14)  # so long afterwards it can still be written down who came


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A session to be. `resource_id`: the one machine it certifies for; None: all of the technology. `holds`: what is
    kept for it, machines and a room; nothing is needed for a session elsewhere. `trainer_id` None: whoever plans it."""

    technology: Technology
    start_at: datetime
    end_at: datetime
    places: int
    level: CertificationLevel = CertificationLevel.USER
    resource_id: int | None = None
    trainer_id: int | None = None
    holds: tuple[int, ...] = ()
    note: str = ""


def create(uow: UnitOfWork, plan: Plan) -> Training:
    """In the calendar from now on, with all that it holds, or not at all.

    Raises `Forbidden` certification.not_trainer; `Invalid` training.places, .past, .too_long, .trainer, .holds;
    `Conflict` slot_taken where something is somebody's already.
    """
    granting.about(uow, plan.technology, plan.resource_id)
    granting.require_vouching(uow, plan.technology, plan.resource_id, plan.level)
    _check(uow, plan)
    trainer = _trainer(uow, plan)
    resources = _resources(uow, plan)
    claim = Claim(
        id=new_id(uow.now),
        kind=ClaimKind.SESSION,
        state=ClaimState.OPEN,
        title=f"{plan.technology.value}: {trainer.name}"[:200],
        member_id=trainer.id,
        priority=0,
        release_at=plan.start_at,
        due_at=plan.end_at,
        estimate_s=round((plan.end_at - plan.start_at).total_seconds()),
        estimate_source="given",
        attended=True,
        made_at=uow.now,
    )
    uow.session.add(claim)
    uow.session.flush()
    needs = [Need(claim_id=claim.id, quantity=1, eligible=[row.id]) for row in resources]
    uow.session.add_all(needs)
    uow.session.flush()
    uow.session.refresh(claim, ["needs", "allocations"])
    places = [
        calendar.Place(
            resource_id=row.id,
            start_at=plan.start_at,
            run_start_at=plan.start_at,
            run_end_at=plan.end_at,
            end_at=plan.end_at,
            need_id=need.id,
        )
        for row, need in zip(resources, needs, strict=True)
    ]
    calendar.hold(uow, claim, places, AllocationState.FIRM)
    session = Training(
        id=claim.id,
        state=TrainingState.PLANNED,
        technology=plan.technology,
        resource_id=plan.resource_id,
        level=plan.level,
        trainer_id=trainer.id,
        places=plan.places,
        start_at=plan.start_at,
        end_at=plan.end_at,
        note=" ".join(plan.note.split())[:500],
        made_by_id=uow.actor.member_id,
        made_at=uow.now,
    )
    uow.session.add(session)
    uow.session.flush()
    uow.session.refresh(session)
    log.record(uow, "training.planned", for_member_id=trainer.id, about=f"training {session.id}")
    uow.raise_event("training", session.id, "planned")
    return session


def join(uow: UnitOfWork, session_id: str, member_id: int | None = None) -> TrainingSeat:
    """A place, or one's turn to wait for one. For oneself, for a child one answers for, or by the staff for anybody.

    Raises `Refused` with everything that stands against it; `Conflict` training.begun, .joined, .own.
    """
    session = _planned(uow, session_id)
    member = standing.acting_for(uow, member_id, "training.joined_for", f"training {session.id}")
    if session.start_at <= uow.now:
        raise Conflict("training.begun")
    if member.id == session.trainer_id:
        raise Conflict("training.own")
    asked = Asked(
        act=Act.JOIN,
        member_id=member.id,
        resource_ids=tuple(a.resource_id for a in calendar.claim(uow, session.id).allocations),
        start_at=session.start_at,
        end_at=session.end_at,
        claim_id=session.id,
    )
    if refusals := judge(uow, asked):
        raise Refused(refusals)
    seat = _seat(session, member.id)
    goes_in = following.free_places(session) > 0
    if seat is None:
        seat = TrainingSeat(
            session=session,
            member_id=member.id,
            state=SeatState.JOINED if goes_in else SeatState.WAITING,
            asked_at=uow.now,
            by_id=uow.actor.member_id,
        )
        uow.session.add(seat)
    elif seat.state is SeatState.LEFT:
        seat.state = step(SEAT_STEPS, seat.state, "join" if goes_in else "wait")
        seat.asked_at, seat.by_id = uow.now, uow.actor.member_id
    else:
        raise Conflict("training.joined")
    _touch(uow, session)
    _say(uow, session, member.id, "training.joined" if goes_in else "training.waiting")
    return seat


def leave(uow: UnitOfWork, session_id: str, member_id: int | None = None) -> TrainingSeat:
    """The place goes to whoever has waited longest. Raises `Conflict` training.not_in, training.begun."""
    session = _planned(uow, session_id)
    member = standing.acting_for(uow, member_id, "training.left_for", f"training {session.id}")
    seat = _seat(session, member.id)
    if seat is None or seat.state not in (SeatState.JOINED, SeatState.WAITING):
        raise Conflict("training.not_in")
    if session.start_at <= uow.now:
        raise Conflict("training.begun")
    seat.state = step(SEAT_STEPS, seat.state, "leave")
    _move_up(uow, session)
    _touch(uow, session)
    return seat


def vacate(uow: UnitOfWork, member_id: int) -> int:
    """Of somebody who goes: every seat in what has not begun, and every turn to have one. The staff hears of sessions
    that have nobody to stand in front of them any more. How many were given up."""
    query = (
        select(Training.id)
        .join(TrainingSeat, TrainingSeat.session_id == Training.id)
        .where(
            TrainingSeat.member_id == member_id,
            TrainingSeat.state.in_((SeatState.JOINED, SeatState.WAITING)),
            Training.state == TrainingState.PLANNED,
            Training.start_at > uow.now,
        )
    )
    ids = list(uow.session.scalars(query.order_by(Training.id)))
    for session_id in ids:
        session = _planned(uow, session_id)
        seat = _seat(session, member_id)
        assert seat is not None
        seat.state = step(SEAT_STEPS, seat.state, "leave")
        _move_up(uow, session)
        _touch(uow, session)
    for session in following.planned(uow):
        if session.trainer_id == member_id:
            _say_nobody_trains(uow, session)
    return len(ids)


def _say_nobody_trains(uow: UnitOfWork, session: Training) -> None:
    staff = select(Member.id).where(Member.role.in_((Role.STAFF, Role.ADMIN)), Member.active)
    for member_id in uow.session.scalars(staff.order_by(Member.id)):
        _say(uow, session, member_id, "training.no_trainer")


def resize(uow: UnitOfWork, session_id: str, places: int) -> Training:
    """More places let those in who wait; fewer than are taken is `Conflict` training.too_few."""
    session = _planned(uow, session_id)
    _require_hand(uow, session)
    if not 1 <= places <= MOST_PLACES:
        raise Invalid("training.places", field="places", most=MOST_PLACES)
    taken = len(seated(session))
    if places < taken:
        raise Conflict("training.too_few", taken=taken)
    session.places = places
    _move_up(uow, session)
    _touch(uow, session)
    return session


def deliver(uow: UnitOfWork, session_id: str, present: Collection[int]) -> tuple[int, ...]:
    """Who came: each of them is certified, and their ids are answered. Whoever came without a place counts too.

    By the trainer or the staff, from its beginning on and up to two weeks later. Raises `Conflict` training.not_begun,
    training.too_late; `Forbidden` training.not_yours.
    """
    session = _planned(uow, session_id)
    _require_hand(uow, session)
    if uow.now < session.start_at:
        raise Conflict("training.not_begun", start=session.start_at.isoformat())
    if uow.now > session.end_at + LATE_ENTRY:
        raise Conflict("training.too_late", days=LATE_ENTRY.days)
    if session.trainer_id in present:
        raise Invalid("training.own", field="present")
    granting.require_vouching(uow, session.technology, session.resource_id, session.level)
    for member_id in sorted(set(present) - {seat.member_id for seat in session.seats}):
        standing.get(uow, member_id)
        session.seats.append(
            TrainingSeat(
                member_id=member_id, state=SeatState.JOINED, asked_at=uow.now, by_id=uow.actor.member_id
            )
        )
    uow.session.flush()
    for seat in session.seats:
        if seat.state is SeatState.LEFT and seat.member_id in present:
            seat.state = step(SEAT_STEPS, seat.state, "join")
        if seat.state in (SeatState.JOINED, SeatState.WAITING):
            seat.state = step(SEAT_STEPS, seat.state, "attend" if seat.member_id in present else "miss")
    certified = sorted(seat.member_id for seat in session.seats if seat.state is SeatState.ATTENDED)
    for member_id in certified:
        granting.grant(
            uow,
            member_id,
            session.technology,
            session.level,
            resource_id=session.resource_id,
            session_id=session.id,
        )
    _over(uow, session, "deliver")
    log.record(uow, "training.delivered", about=f"training {session.id}", count=len(certified))
    return tuple(certified)


def cancel(uow: UnitOfWork, session_id: str, why: str) -> Training:
    """Everybody in it and everybody who waits is told why; what it held is free. Raises `Invalid` training.why."""
    session = _planned(uow, session_id)
    _require_hand(uow, session)
    reason = " ".join(why.split())
    if not 3 <= len(reason) <= 300:
        raise Invalid("training.why", field="why", most=300)
    for seat in session.seats:
        if seat.state in (SeatState.JOINED, SeatState.WAITING):
            _say(uow, session, seat.member_id, "training.cancelled", why=reason)
            seat.state = step(SEAT_STEPS, seat.state, "leave")
    _over(uow, session, "cancel")
    log.record(uow, "training.cancelled", about=f"training {session.id}", why=reason)
    return session


def get(uow: UnitOfWork, session_id: str) -> Training:
    session = uow.session.get(Training, session_id)
    if session is None:
        raise NotFound("training.unknown", id=session_id)
    return session


def may_hand(uow: UnitOfWork, session: Training) -> bool:
    """Who writes down who came, and sees the names: its trainer, and the staff."""
    return session.trainer_id == uow.actor.member_id or allows(uow.actor, Right.OPERATE)


def past(uow: UnitOfWork, *, limit: int = 20) -> list[Training]:
    """Begun or over, the newest first; those whose attendance is still to be written down among them."""
    query = select(Training).where(Training.start_at <= uow.now).order_by(Training.start_at.desc())
    return list(uow.session.scalars(query.limit(limit)).unique())


def seats_of(uow: UnitOfWork, member_id: int) -> dict[str, SeatState]:
    """The sessions this member is in or waits for, or was in."""
    query = select(TrainingSeat.session_id, TrainingSeat.state).where(TrainingSeat.member_id == member_id)
    return {row[0]: row[1] for row in uow.session.execute(query)}


def seated(session: Training) -> list[TrainingSeat]:
    return [seat for seat in session.seats if seat.state is SeatState.JOINED]


def waiting(session: Training) -> list[TrainingSeat]:
    """Whoever asked first stands first."""
    return [seat for seat in session.seats if seat.state is SeatState.WAITING]


def _check(uow: UnitOfWork, plan: Plan) -> None:
    if not 1 <= plan.places <= MOST_PLACES:
        raise Invalid("training.places", field="places", most=MOST_PLACES)
    if plan.end_at <= plan.start_at:
        raise Invalid("span.wrong", field="end_at")
    if plan.end_at - plan.start_at > LONGEST:
        raise Invalid("training.too_long", field="end_at", most_s=LONGEST.total_seconds())
    if plan.start_at <= uow.now:
        raise Invalid("training.past", field="start_at")
    if plan.start_at > uow.now + LATEST:
        raise Invalid("training.too_far", field="start_at", days=LATEST.days)


def _trainer(uow: UnitOfWork, plan: Plan) -> Member:
    """Whoever stands in front must be able to vouch for what the session grants."""
    member_id = plan.trainer_id if plan.trainer_id is not None else uow.actor.member_id
    member = uow.session.get(Member, member_id) if member_id is not None else None
    if member is None or not member.active:
        raise Invalid("training.trainer", field="trainer")
    is_staff = member.role in (Role.STAFF, Role.ADMIN)
    if not is_staff and not granting.is_trainer(
        uow, member.id, plan.technology, plan.resource_id, plan.level
    ):
        raise Invalid("training.trainer", field="trainer")
    return member


def _resources(uow: UnitOfWork, plan: Plan) -> Sequence[Resource]:
    ids = sorted(set(plan.holds))
    query = select(Resource).where(Resource.id.in_(ids), Resource.active).order_by(Resource.id)
    rows = list(uow.session.scalars(query).unique())
    if len(rows) != len(ids) or len(ids) > MOST_HELD:
        raise Invalid("training.holds", field="holds")
    return rows


def _planned(uow: UnitOfWork, session_id: str) -> Training:
    """Its row is held until the end of the transaction: the last place goes to one of two."""
    query = select(Training).where(Training.id == session_id).with_for_update(of=Training)
    session = uow.session.scalars(query).unique().one_or_none()
    if session is None:
        raise NotFound("training.unknown", id=session_id)
    if session.state is not TrainingState.PLANNED:
        raise Conflict("training.over")
    return session


def _require_hand(uow: UnitOfWork, session: Training) -> None:
    if not may_hand(uow, session):
        raise Forbidden("training.not_yours")


def _seat(session: Training, member_id: int) -> TrainingSeat | None:
    return next((seat for seat in session.seats if seat.member_id == member_id), None)


def _move_up(uow: UnitOfWork, session: Training) -> None:
    uow.session.flush()
    uow.session.expire(session, ["seats"])
    for seat in waiting(session)[: session.places - len(seated(session))]:
        seat.state = step(SEAT_STEPS, seat.state, "move_up")
        _say(uow, session, seat.member_id, "training.moved_up")


def _over(uow: UnitOfWork, session: Training, action: str) -> None:
    """What it held in the past stays in the calendar's history; what is still to come is given back."""
    session.state = step(TRAINING_STEPS, session.state, action)
    session.ended_at = uow.now
    claim = calendar.claim(uow, session.id)
    if action == "cancel":
        calendar.release(uow, claim, "end")
    else:
        for allocation in claim.allocations:
            if allocation.end_at > uow.now:
                calendar.trim(uow, allocation, run_end_at=uow.now, end_at=uow.now)
        claim.state = step(CLAIM_STEPS, claim.state, "end")
        claim.closed_at = uow.now
        calendar.announce(uow, claim)
    _touch(uow, session)


def _say(uow: UnitOfWork, session: Training, member_id: int, code: str, why: str = "") -> None:
    tell(
        uow,
        member_id,
        code,
        claim_id=session.id,
        technology=session.technology.value,
        start=session.start_at.isoformat(),
        why=why,
        path=f"/trainings/{session.id}",
    )


def _touch(uow: UnitOfWork, session: Training) -> None:
    uow.session.flush()
    uow.session.expire(session, ["seats"])
    uow.raise_event("training", session.id, "changed")
