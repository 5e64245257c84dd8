"""A date that everybody may come to, planned by the staff: room, people, machines and kit are held together or not at
all. Moved or called off, everybody who is in it or waits for it is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, Invalid, NotFound
from fablab.base.ids import new_id
from fablab.base.states import step
from fablab.claims import calendar
from fablab.claims.models import AllocationState, Claim, ClaimKind, ClaimState, Need
from fablab.claims.workshops import line, thread
from fablab.claims.workshops.models import Registration, Session, Workshop
from fablab.claims.workshops.offer import MOST_PEOPLE, Want, wants
from fablab.claims.workshops.words import (
    REGISTRATION_STEPS,
    SESSION_STEPS,
    EntryKind,
    Payer,
    RegistrationState,
    SessionState,
)
from fablab.notices import tell
from fablab.people import log
from fablab.people.access import Right, require
from fablab.people.models import Audience
from fablab.places.models import Resource, ResourceKind

LATEST = timedelta(days=365)
MOST_HELD = 40
#: Two days before, the staff and whoever is in know whether it takes place.
DECIDE_BEFORE = timedelta(days=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatePlan:
    """A date to be. `capacity`, `least`, `duration_min`: None as the catalogue's entry says. `holds`: what is kept for
    it; None: the first of everything the entry needs that is free. `decide_at`: when too few call it off, None: two days
    before, if there is a least number at all."""

    workshop_id: int
    start_at: datetime
    duration_min: int | None = None
    holds: tuple[int, ...] | None = None
    capacity: int | None = None
    least: int | None = None
    decide_at: datetime | None = None
    mediator_id: int | None = None
    note: str = ""


def plan(uow: UnitOfWork, said: DatePlan) -> Session:
    """In the calendar with all that it holds, open for registration from now on.

    Raises `NotFound` workshop.unknown; `Invalid` agenda.past, .too_far, .capacity, .least, .decide, .holds; `Conflict`
    slot_taken, agenda.no_room, .no_machine, .no_person, .no_kit, .no_desk.
    """
    require(uow.actor, Right.OPERATE)
    workshop = uow.session.get(Workshop, said.workshop_id)
    if workshop is None or not workshop.active:
        raise NotFound("workshop.unknown")
    start_at = said.start_at
    end_at = start_at + timedelta(minutes=_minutes(workshop, said))
    _check_start(uow, start_at)
    capacity = workshop.most_people if said.capacity is None else said.capacity
    least = workshop.least_people if said.least is None else said.least
    _check_people(capacity, least)
    decide_at = _decide_at(uow, said.decide_at, start_at, least)
    ids = holds_for(uow, workshop, start_at, end_at) if said.holds is None else said.holds
    resources = _resources(uow, ids)
    claim = _claim(uow, workshop, start_at, end_at, said.mediator_id)
    _hold(uow, claim, workshop, resources, start_at, end_at)
    session = Session(
        id=claim.id,
        workshop_id=workshop.id,
        state=step(SESSION_STEPS, SessionState.REQUESTED, "plan"),
        public=True,
        capacity=capacity,
        least=least,
        decide_at=decide_at,
        audience=Audience.PERSONAL,
        payer=Payer.PERSON,
        note=" ".join(said.note.split())[:1000],
        start_at=start_at,
        end_at=end_at,
        mediator_id=said.mediator_id,
        made_at=uow.now,
        made_by_id=uow.actor.member_id,
    )
    uow.session.add(session)
    uow.session.flush()
    _enter(uow, session, EntryKind.PLANNED)
    line.changed(uow, session)
    return session


def amend(
    uow: UnitOfWork,
    session_id: str,
    *,
    capacity: int | None = None,
    least: int | None = None,
    note: str | None = None,
) -> Session:
    """More seats are offered to those who wait at once; fewer than are taken are `Conflict` agenda.too_few_seats."""
    require(uow.actor, Right.OPERATE)
    session = _planned(uow, session_id)
    rows = line.people_in(uow, session.id)
    new = (session.capacity or 0) if capacity is None else capacity
    _check_people(new, session.least if least is None else least)
    if new < (taken := line.seats_of(rows)):
        raise Conflict("agenda.too_few_seats", taken=taken)
    session.capacity = new
    if least is not None and least != session.least:
        session.least = least
        session.decide_at = _decide_at(uow, None, _start(session), least)
    if note is not None:
        session.note = " ".join(note.split())[:1000]
    _enter(uow, session, EntryKind.EDITED)
    line.offer_free(uow, session)
    line.changed(uow, session)
    return session


def move(
    uow: UnitOfWork, session_id: str, start_at: datetime, holds: Sequence[int] | None = None, why: str = ""
) -> Session:
    """Another time, the whole gang with it: the same resources, or others. Everybody is told; whoever was reminded will
    be again. Raises as `plan` does, and keeps the old date then."""
    require(uow.actor, Right.OPERATE)
    session = _planned(uow, session_id)
    _check_start(uow, start_at)
    was = _start(session)
    end_at = start_at + (_end(session) - was)
    claim = calendar.claim(uow, session.id)
    before = [allocation.resource_id for allocation in claim.allocations]
    resources = _resources(uow, before if holds is None else holds)
    calendar.lock(uow, {*before, *(row.id for row in resources)})
    calendar.release(uow, claim, "replan")
    _hold(uow, claim, session.workshop, resources, start_at, end_at)
    claim.release_at, claim.due_at = start_at, end_at
    session.start_at, session.end_at = start_at, end_at
    if session.decide_at is not None:
        session.decide_at = max(uow.now, session.decide_at + (start_at - was))
    calendar.freed(uow, before)
    for row in line.people_in(uow, session.id):
        row.reminded_at = None
        if row.state in line.LIVE:
            _keep_in_time(row, start_at)
            line.say(uow, session, row, "agenda.moved", was=was.isoformat(), why=_reason(why))
    _enter(uow, session, EntryKind.MOVED, was=was.isoformat(), why=_reason(why))
    line.changed(uow, session)
    return session


def call_off(uow: UnitOfWork, session_id: str, why: str) -> Session:
    """By the staff: it does not take place. Raises `Invalid` agenda.why."""
    require(uow.actor, Right.OPERATE)
    session = _planned(uow, session_id)
    reason = _reason(why)
    if len(reason) < 3:
        raise Invalid("agenda.why", field="why", most=300)
    return cancel(uow, session, "agenda.cancelled", why=reason)


def cancel(uow: UnitOfWork, session: Session, code: str, **facts: str | int) -> Session:
    """Everything it held is free, everybody is told under this code; the caller has the date locked."""
    for row in line.people_in(uow, session.id):
        if row.state in line.LIVE:
            line.say(uow, session, row, code, **facts)
            row.state = step(REGISTRATION_STEPS, row.state, "leave")
            row.hold_until, row.ended_at = None, uow.now
    session.state = step(SESSION_STEPS, session.state, "cancel")
    session.closed_at, session.decide_at = uow.now, None
    claim = calendar.claim(uow, session.id)
    held = [allocation.resource_id for allocation in claim.allocations]
    calendar.release(uow, claim, "end")
    calendar.freed(uow, held)
    _enter(uow, session, EntryKind.CANCELLED, told=code, **facts)
    _tell_house(uow, session, "agenda.house_cancelled")
    line.changed(uow, session)
    return session


def holds_for(uow: UnitOfWork, workshop: Workshop, start_at: datetime, end_at: datetime) -> tuple[int, ...]:
    """The first of everything that the entry needs and that is free at that time, set-up and clearing with it.

    Raises `Conflict` agenda.no_room and its like.
    """
    start, end = _span(workshop, start_at, end_at)
    rows = list(uow.session.scalars(select(Resource).where(Resource.active).order_by(Resource.id)).unique())
    chosen: list[int] = []
    # What only few can be comes first, or a room for 80 goes to whoever needs any room.
    for want in sorted(wants(workshop.needs), key=lambda want: len(_fitting(want, rows))):
        free = [
            row.id
            for row in _fitting(want, rows)
            if row.id not in chosen and calendar.is_free(uow, row.id, start, end)
        ]
        if len(free) < want.quantity:
            raise Conflict(f"agenda.no_{want.kind.value}", missing=want.quantity - len(free))
        chosen += free[: want.quantity]
    return tuple(chosen)


def _fitting(want: Want, rows: Sequence[Resource]) -> list[Resource]:
    """The smallest room that is large enough stands first. Of somebody whose skills nobody has written down, nobody has
    said that they cannot (as `scheduler.offering.look`)."""
    fits = [
        row
        for row in rows
        if row.kind is want.kind
        and (want.technology is None or row.technology is want.technology)
        and (want.seats is None or (row.seats or 0) >= want.seats)
        and (not want.resource_ids or row.id in want.resource_ids)
        and set(want.equipment) <= set(row.equipment)
        and (not want.skill or not row.equipment or want.skill in row.equipment)
        and set(want.equipment) <= set(row.equipment)
    ]
    return sorted(fits, key=lambda row: (row.seats or 0, row.id))


def holdable(uow: UnitOfWork) -> list[Resource]:
    """What a date may hold, rooms and people before machines."""
    order = list(ResourceKind)
    first = (ResourceKind.ROOM, ResourceKind.PERSON)
    rows = uow.session.scalars(select(Resource).where(Resource.active)).unique()
    return sorted(rows, key=lambda row: (row.kind not in first, order.index(row.kind), row.name))


def _minutes(workshop: Workshop, said: DatePlan) -> int:
    found = workshop.duration_min if said.duration_min is None else said.duration_min
    if not 10 <= found <= 24 * 60:
        raise Invalid("workshop.minutes", field="duration_min", most=24 * 60)
    return found


def _check_start(uow: UnitOfWork, start_at: datetime) -> None:
    if start_at <= uow.now:
        raise Invalid("agenda.past", field="start_at")
    if start_at > uow.now + LATEST:
        raise Invalid("agenda.too_far", field="start_at", days=LATEST.days)


def _check_people(capacity: int, least: int) -> None:
    if not 1 <= capacity <= MOST_PEOPLE:
        raise Invalid("agenda.capacity", field="capacity", most=MOST_PEOPLE)
    if not 0 <= least <= capacity:
        raise Invalid("agenda.least", field="least", most=capacity)


def _decide_at(uow: UnitOfWork, said: datetime | None, start_at: datetime, least: int) -> datetime | None:
    """None where nobody has to come, or where it begins too soon for anything to be decided."""
    if said is not None:
        if not uow.now < said <= start_at:
            raise Invalid("agenda.decide", field="decide_at")
        return said if least > 0 else None
    usual = start_at - DECIDE_BEFORE
    return usual if least > 1 and usual > uow.now else None


def _resources(uow: UnitOfWork, ids: Sequence[int]) -> list[Resource]:
    wanted = sorted(set(ids))
    query = select(Resource).where(Resource.id.in_(wanted), Resource.active).order_by(Resource.id)
    rows = list(uow.session.scalars(query).unique())
    if len(rows) != len(wanted) or len(wanted) > MOST_HELD:
        raise Invalid("agenda.holds", field="holds")
    return rows


def _claim(
    uow: UnitOfWork, workshop: Workshop, start_at: datetime, end_at: datetime, mediator_id: int | None
) -> Claim:
    row = Claim(
        id=new_id(uow.now),
        kind=ClaimKind.SESSION,
        state=ClaimState.OPEN,
        title=workshop.title.get("fr", "")[:200],
        member_id=mediator_id,
        priority=0,
        release_at=start_at,
        due_at=end_at,
        estimate_s=round((end_at - start_at).total_seconds()),
        estimate_source="given",
        attended=True,
        made_at=uow.now,
    )
    uow.session.add(row)
    uow.session.flush()
    return row


def _hold(
    uow: UnitOfWork,
    claim: Claim,
    workshop: Workshop,
    resources: Sequence[Resource],
    start_at: datetime,
    end_at: datetime,
) -> None:
    """One need for each resource: all of them, at the same time."""
    known = {need.eligible[0]: need for need in claim.needs if len(need.eligible) == 1}
    for row in resources:
        if row.id not in known:
            known[row.id] = Need(claim_id=claim.id, quantity=1, eligible=[row.id])
            uow.session.add(known[row.id])
    for id_ in list(known):
        if id_ not in {row.id for row in resources}:
            uow.session.delete(known.pop(id_))
    uow.session.flush()
    uow.session.expire(claim, ["needs", "allocations"])
    start, end = _span(workshop, start_at, end_at)
    places = [
        calendar.Place(
            resource_id=row.id,
            start_at=start,
            run_start_at=start_at,
            run_end_at=end_at,
            end_at=end,
            need_id=known[row.id].id,
        )
        for row in resources
    ]
    calendar.hold(uow, claim, places, AllocationState.FIRM)


def _span(workshop: Workshop, start_at: datetime, end_at: datetime) -> tuple[datetime, datetime]:
    return start_at - timedelta(minutes=workshop.setup_min), end_at + timedelta(minutes=workshop.clear_min)


def _planned(uow: UnitOfWork, session_id: str) -> Session:
    session = line.locked(uow, session_id)
    if session.state is not SessionState.CONFIRMED:
        raise Conflict("agenda.over")
    return session


def _start(session: Session) -> datetime:
    assert session.start_at is not None, "a date that is planned has a beginning"
    return session.start_at


def _end(session: Session) -> datetime:
    assert session.end_at is not None, "a date that is planned has an end"
    return session.end_at


def _keep_in_time(row: Registration, start_at: datetime) -> None:
    if row.state is RegistrationState.OFFERED and row.hold_until is not None:
        row.hold_until = min(row.hold_until, start_at)


def _reason(why: str) -> str:
    return " ".join(why.split())[:300]


def _enter(uow: UnitOfWork, session: Session, kind: EntryKind, **facts: object) -> None:
    thread.write(uow, session, kind, facts=facts, for_staff=True)
    log.record(uow, f"agenda.{kind.value}", about=f"session {session.id}")


def _tell_house(uow: UnitOfWork, session: Session, code: str) -> None:
    """Whoever planned it and whoever leads it, unless they did it themselves."""
    for member_id in sorted({session.made_by_id, session.mediator_id} - {None, uow.actor.member_id}, key=str):
        tell(
            uow,
            member_id,
            code,
            claim_id=session.id,
            title=line.title(session, "fr"),
            start=_start(session).isoformat(),
            path=f"/public-sessions/{session.id}",
        )
