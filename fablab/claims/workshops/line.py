"""Who is in a public date and who waits for it: its row locked, its free seats counted, what is freed held for the next.

Whoever changes anything of a date's registrations takes `locked` first: the last seat goes to one of two.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from fablab import notices
from fablab.base.database import UnitOfWork
from fablab.base.errors import Fact, NotFound
from fablab.base.ids import new_id
from fablab.base.states import step
from fablab.claims.workshops.models import Registration, Session, SessionKey
from fablab.claims.workshops.offer import in_language
from fablab.claims.workshops.turns import hold_until, served
from fablab.claims.workshops.words import (
    REGISTRATION_STEPS,
    KeyUse,
    RegistrationState,
    SessionState,
)
from fablab.people import keys
from fablab.people.models import Member
from fablab.places import house

#: Those whose seats nobody else can have.
SEATED = (RegistrationState.JOINED, RegistrationState.OFFERED, RegistrationState.ATTENDED)
#: Those who hear of what becomes of the date.
LIVE = (RegistrationState.JOINED, RegistrationState.OFFERED, RegistrationState.WAITING)
PAGE = "/house/agenda/"
#: Where a guest's link leads.
OWN_PAGE = "/house/registration?key="


def locked(uow: UnitOfWork, session_id: str) -> Session:
    """The date, nobody else changing it or its registrations until this transaction ends. Raises `NotFound`."""
    uow.session.flush()
    query = (
        select(Session)
        .where(Session.id == session_id, Session.public)
        .with_for_update(of=Session)
        .execution_options(populate_existing=True)
    )
    row = uow.session.scalars(query).unique().one_or_none()
    if row is None:
        raise NotFound("agenda.unknown")
    return row


def people_in(uow: UnitOfWork, session_id: str) -> list[Registration]:
    """All that was ever asked for, in the order it was; as the database has it now."""
    uow.session.flush()
    query = (
        select(Registration)
        .where(Registration.session_id == session_id)
        .order_by(Registration.asked_at, Registration.id)
        .execution_options(populate_existing=True)
    )
    return list(uow.session.scalars(query).unique())


def seats_of(rows: Iterable[Registration], states: Sequence[RegistrationState] = SEATED) -> int:
    return sum(row.seats for row in rows if row.state in states)


def free_seats(session: Session, rows: Iterable[Registration]) -> int:
    """0 where more are in than there are seats now."""
    return max(0, (session.capacity or 0) - seats_of(rows))


def offer_free(uow: UnitOfWork, session: Session) -> int:
    """Hold what is free for those who wait, whole groups only, each until a time of their own; they get a letter. How
    many were offered something. The caller has the date locked."""
    if session.state is not SessionState.CONFIRMED or session.start_at is None:
        return 0
    until = hold_until(uow.now, session.start_at, zone_of(uow))
    if until is None:
        return 0
    rows = people_in(uow, session.id)
    waiting = [(row, row.seats) for row in rows if row.state is RegistrationState.WAITING]
    turn = served(waiting, free_seats(session, rows))
    for row in turn:
        row.state = step(REGISTRATION_STEPS, row.state, "offer")
        row.hold_until = until
        say(uow, session, row, "agenda.offered", until=until.isoformat())
    uow.session.flush()
    return len(turn)


def zone_of(uow: UnitOfWork) -> ZoneInfo:
    return ZoneInfo(house.house(uow).zone)


def say(uow: UnitOfWork, session: Session, row: Registration, code: str, **facts: Fact) -> None:
    """To a member on their page and by letter as they have chosen; to a guest by letter, with a link to their own
    registration."""
    member = uow.session.get(Member, row.member_id) if row.member_id is not None else None
    language = member.language if member is not None else row.language
    told: dict[str, Fact] = {
        "title": title(session, language),
        "start": _iso(session.start_at),
        "seats": row.seats,
        **facts,
    }
    if member is not None:
        notices.tell(uow, member.id, code, claim_id=session.id, path=f"{PAGE}{session.id}", **told)
    elif row.email:
        told |= {"name": row.name, "secret_path": f"{OWN_PAGE}{new_key(uow, row)}"}
        notices.write(uow, row.email, language, code, claim_id=None, **told)


def title(session: Session, language: str) -> str:
    return in_language(session.workshop.title, language)


def new_key(uow: UnitOfWork, row: Registration) -> str:
    """The secret of one more link to this registration; those of earlier letters go on working."""
    secret = keys.new_secret()
    uow.session.add(
        SessionKey(
            key_hash=keys.digest(secret),
            session_id=row.session_id,
            registration_id=row.id,
            purpose=KeyUse.REGISTRATION,
            made_at=uow.now,
        )
    )
    uow.session.flush()
    return secret


def keys_since(uow: UnitOfWork, registration_id: str, since: datetime) -> int:
    """How many letters with a link this registration was sent since then."""
    query = select(func.count()).where(
        SessionKey.registration_id == registration_id, SessionKey.made_at > since
    )
    return uow.session.scalar(query) or 0


def by_key(uow: UnitOfWork, secret: str) -> Registration:
    """Raises `NotFound` registration.unknown_key: also for one that is long past and forgotten."""
    query = select(SessionKey.registration_id).where(
        SessionKey.key_hash == keys.digest(secret), SessionKey.purpose == KeyUse.REGISTRATION
    )
    found = uow.session.scalar(query)
    row = uow.session.get(Registration, found) if found is not None else None
    if row is None:
        raise NotFound("registration.unknown_key")
    return row


def changed(uow: UnitOfWork, session: Session) -> None:
    uow.session.flush()
    uow.raise_event("agenda", session.id, "changed")


def fresh_id(uow: UnitOfWork) -> str:
    return new_id(uow.now)


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at is not None else None
