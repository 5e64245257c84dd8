"""What the clock does to public dates, each minute: offers that nobody took, those who wait, too few people, reminders."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.base.states import step
from fablab.claims.workshops import line, public
from fablab.claims.workshops.models import Registration, Session
from fablab.claims.workshops.turns import remind_from
from fablab.claims.workshops.words import REGISTRATION_STEPS, RegistrationState, SessionState

#: Whoever asked so shortly before the reminder has just had a letter.
TOLD_LATELY = timedelta(hours=12)


def tend(uow: UnitOfWork) -> int:
    """How many people or dates something was done about. One date after the other, each locked, by their ids."""
    return sum(work(uow) for work in WORKS)


def lapse(uow: UnitOfWork) -> int:
    """A held seat that nobody took in time goes to the next; who lost it is told."""
    late = select(Registration.session_id).where(
        Registration.state == RegistrationState.OFFERED, Registration.hold_until <= uow.now
    )
    count = 0
    for session_id in sorted(set(uow.session.scalars(late))):
        session = line.locked(uow, session_id)
        for row in line.people_in(uow, session.id):
            if row.state is not RegistrationState.OFFERED or row.hold_until is None:
                continue
            if row.hold_until <= uow.now:
                row.state = step(REGISTRATION_STEPS, row.state, "lapse")
                row.hold_until, row.ended_at = None, uow.now
                line.say(uow, session, row, "agenda.lapsed")
                count += 1
        line.offer_free(uow, session)
        line.changed(uow, session)
    return count


def decide(uow: UnitOfWork) -> int:
    """Too few by the time that was set: it is cancelled, everything it held is free, everybody is told."""
    query = select(Session.id).where(
        Session.public, Session.state == SessionState.CONFIRMED, Session.decide_at <= uow.now
    )
    count = 0
    for session_id in sorted(uow.session.scalars(query)):
        session = line.locked(uow, session_id)
        if session.state is not SessionState.CONFIRMED or session.decide_at is None:
            continue
        coming = line.seats_of(line.people_in(uow, session.id), (RegistrationState.JOINED,))
        session.decide_at = None
        has_begun = session.start_at is not None and session.start_at <= uow.now
        if coming < session.least and not has_begun:
            public.cancel(uow, session, "agenda.too_few", least=session.least, coming=coming)
            count += 1
    return count


def remind(uow: UnitOfWork) -> int:
    """The day before, whoever has a seat."""
    query = select(Session).where(
        Session.public,
        Session.state == SessionState.CONFIRMED,
        Session.start_at > uow.now,
        Session.start_at < uow.now + timedelta(hours=48),
    )
    count = 0
    for session in list(uow.session.scalars(query.order_by(Session.id)).unique()):
        zone = line.zone_of(uow)
        if session.start_at is None or uow.now < remind_from(session.start_at, zone):
            continue
        count += sum(_remind(uow, session, row) for row in line.people_in(uow, session.id))
    return count


def _remind(uow: UnitOfWork, session: Session, row: Registration) -> bool:
    if row.state is not RegistrationState.JOINED or row.reminded_at is not None:
        return False
    if row.asked_at > uow.now - TOLD_LATELY:
        return False
    row.reminded_at = uow.now
    line.say(uow, session, row, "agenda.tomorrow")
    return True


WORKS: tuple[Callable[[UnitOfWork], int], ...] = (lapse, decide, remind)
