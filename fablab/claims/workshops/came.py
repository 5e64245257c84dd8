"""Who came to a public date: ticked by hand, counted, and some days later nobody's name is left."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import delete, or_, select

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, Invalid, NotFound
from fablab.base.states import step
from fablab.claims.workshops import line, thread
from fablab.claims.workshops.models import Registration, Session, SessionKey
from fablab.claims.workshops.words import (
    REGISTRATION_STEPS,
    EntryKind,
    KeyUse,
    RegistrationState,
    SessionState,
)
from fablab.notices import outbox
from fablab.people.access import Right, require

#: Long enough to write to somebody who left their coat; the numbers stay.
NAMES_KEPT = timedelta(days=14)
LATE_ENTRY = timedelta(days=14)
MOST_WALK_INS = 500


def tick(uow: UnitOfWork, session_id: str, came: Mapping[str, int], more: int = 0) -> int:
    """How many came in all. `came`: by registration, how many of them; whoever is not named did not. `more`: people
    without a registration. May be said again until it is put right.

    Raises `Conflict` agenda.not_begun, agenda.too_late, agenda.over; `Invalid` registration.came, agenda.more;
    `NotFound` for a registration of another date.
    """
    require(uow.actor, Right.OPERATE)
    session = line.locked(uow, session_id)
    if session.state not in (SessionState.CONFIRMED, SessionState.DELIVERED) or session.start_at is None:
        raise Conflict("agenda.over")
    if uow.now < session.start_at - timedelta(hours=1):
        raise Conflict("agenda.not_begun", start=session.start_at.isoformat())
    if session.end_at is not None and uow.now > session.end_at + LATE_ENTRY:
        raise Conflict("agenda.too_late", days=LATE_ENTRY.days)
    if not 0 <= more <= MOST_WALK_INS:
        raise Invalid("agenda.more", field="more", most=MOST_WALK_INS)
    rows = line.people_in(uow, session.id)
    if came.keys() - {row.id for row in rows}:
        raise NotFound("registration.unknown")
    for row in rows:
        _mark(uow, row, came.get(row.id, 0))
    session.people = sum(row.came or 0 for row in rows) + more
    facts = {"people": session.people, "more": more}
    thread.write(uow, session, EntryKind.ATTENDED, facts=facts, for_staff=True)
    line.changed(uow, session)
    return session.people


def walk_ins(session: Session, rows: list[Registration]) -> int:
    """Those who were counted without a registration."""
    return max(0, session.people - sum(row.came or 0 for row in rows))


def _mark(uow: UnitOfWork, row: Registration, came: int) -> None:
    if not 0 <= came <= row.seats:
        raise Invalid("registration.came", field="came", most=row.seats)
    if row.state is RegistrationState.LEFT and not came:
        return
    if row.state is RegistrationState.LEFT:  # gave it up, and came all the same
        row.state = step(REGISTRATION_STEPS, row.state, "join")
    marked = RegistrationState.ATTENDED if came else RegistrationState.ABSENT
    waited = row.state in (RegistrationState.WAITING, RegistrationState.OFFERED)
    if waited and not came:
        row.state = step(REGISTRATION_STEPS, row.state, "leave")
    elif row.state is not marked:
        row.state = step(REGISTRATION_STEPS, row.state, "attend" if came else "miss")
    row.came, row.hold_until, row.ended_at = came, None, uow.now


def forget(uow: UnitOfWork) -> int:
    """Two weeks after a date nobody can say any more who was in it: name, address, account, notes, links and letters
    are gone. What stays is how many. Returns of how many registrations."""
    until = uow.now - NAMES_KEPT
    old = select(Session.id).where(
        Session.public, or_(Session.end_at < until, Session.closed_at < until, Session.end_at.is_(None))
    )
    query = select(Registration).where(
        Registration.session_id.in_(old),
        or_(Registration.name != "", Registration.email != "", Registration.member_id.is_not(None)),
    )
    rows = list(uow.session.scalars(query).unique())
    for address in sorted({row.email for row in rows if row.email}):
        outbox.forget_address(uow, address, "agenda.", before=until)
    for row in rows:
        row.name = row.email = row.note = ""
        row.member_id = None
    ids = [row.id for row in rows]
    uow.session.execute(
        delete(SessionKey).where(
            SessionKey.registration_id.in_(ids), SessionKey.purpose == KeyUse.REGISTRATION
        )
    )
    uow.session.flush()
    return len(rows)
