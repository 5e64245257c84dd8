"""To come to a public date: with or without an account, alone or as a group; and to give the seats back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select

from fablab.base.database import Actor, UnitOfWork
from fablab.base.errors import Conflict, Invalid, NotFound, TooMany
from fablab.base.states import step
from fablab.claims.workshops import line
from fablab.claims.workshops.models import Registration, Session
from fablab.claims.workshops.words import REGISTRATION_STEPS, RegistrationState, SessionState
from fablab.people import log
from fablab.people.access import Right, allows, require
from fablab.people.members import clean_email, clean_name
from fablab.people.models import Member, MemberState

MOST_TOGETHER = 8  # in one registration: a class has its own way (a request)
MOST_AN_HOUR = 6  # registrations of one address, whichever date: nobody's mailbox is filled by somebody else
MOST_LETTERS = 3  # within an hour, to whoever asks again for what they have
LINE_LENGTH = 3  # so many times the capacity may wait: more wait for nothing

#: Whoever is not signed in.
VISITOR = Actor(member_id=None, name="visitor", role="visitor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """Who comes. Without `name` and `email` it is whoever is signed in; the staff may write somebody else in."""

    seats: int
    name: str = ""
    email: str = ""
    language: str = "fr"
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the page may say at once. `waits`: there is no room for all of them, they stand in the line. The id is for
    whoever is signed in: to everybody else the letter says it."""

    waits: bool
    seats: int
    registration_id: str | None = None


def join(uow: UnitOfWork, session_id: str, party: Party) -> Answer:
    """All seats together, or a place in the line for all of them. They get a letter with a link to give them back.

    An address that is in already gets its letter again, and the answer does not tell: nobody learns from the form who
    comes. Raises `NotFound` agenda.unknown; `Invalid` registration.seats, member.name, member.email; `Conflict`
    registration.over, registration.joined (a member who is in), registration.line_full; `TooMany`.
    """
    session = _open(uow, session_id)
    most = most_together(session)
    if not 1 <= party.seats <= most:
        raise Invalid("registration.seats", field="seats", most=most)
    rows = line.people_in(uow, session.id)
    waits = party.seats > line.free_seats(session, rows)
    member = _member(uow, party)
    name = clean_name(party.name) if member is None else ""
    email = _email(uow, party) if member is None else ""
    if (known := _known(rows, member, email)) is not None:
        if member is not None:
            raise Conflict("registration.joined")
        _remind(uow, session, known)
        return Answer(waits=waits, seats=party.seats)
    if email:
        _slow_down(uow, email)
    if waits and line.seats_of(rows, (RegistrationState.WAITING,)) >= LINE_LENGTH * (session.capacity or 0):
        raise Conflict("registration.line_full")
    row = Registration(
        id=line.fresh_id(uow),
        session_id=session.id,
        member_id=member.id if member is not None else None,
        state=RegistrationState.WAITING if waits else RegistrationState.JOINED,
        name=name,
        email=email,
        language=party.language,
        seats=party.seats,
        note=" ".join(party.note.split())[:500],
        asked_at=uow.now,
    )
    uow.session.add(row)
    uow.session.flush()
    line.say(uow, session, row, "agenda.waiting" if waits else "agenda.joined")
    line.changed(uow, session)
    return Answer(waits=waits, seats=party.seats, registration_id=row.id if member is not None else None)


def most_together(session: Session) -> int:
    """How many one registration may be for."""
    return min(MOST_TOGETHER, session.capacity or 0)


def take(uow: UnitOfWork, registration_id: str) -> Registration:
    """What was held for them is theirs. Raises `Conflict` registration.too_late, `BadStep` where nothing is held."""
    session, row = _with_session(uow, registration_id)
    state = step(REGISTRATION_STEPS, row.state, "take")
    if row.hold_until is not None and row.hold_until <= uow.now:
        raise Conflict("registration.too_late")
    row.state, row.hold_until = state, None
    _seen(uow, row)
    uow.session.flush()
    line.say(uow, session, row, "agenda.joined")
    line.changed(uow, session)
    return row


def confirm(uow: UnitOfWork, registration_id: str) -> Registration:
    """Whoever has the letter's link says that they come: the address is theirs."""
    session, row = _with_session(uow, registration_id)
    if row.state not in line.LIVE:
        raise Conflict("registration.left")
    _seen(uow, row)
    line.changed(uow, session)
    return row


def leave(uow: UnitOfWork, registration_id: str, seats: int | None = None) -> Registration:
    """Give all seats back, or keep only `seats` of them; what is freed is held for the next at once. Raises `Conflict`
    registration.over once it has begun, `BadStep` for whoever is not in."""
    session, row = _with_session(uow, registration_id)
    if session.start_at is not None and session.start_at <= uow.now:
        raise Conflict("registration.over")
    if seats is not None and seats != row.seats:
        if not 1 <= seats < row.seats or row.state not in line.LIVE:
            raise Invalid("registration.seats", field="seats", most=row.seats)
        row.seats = seats
        code = "agenda.fewer"
    else:
        row.state = step(REGISTRATION_STEPS, row.state, "leave")
        row.hold_until, row.ended_at = None, uow.now
        code = "agenda.left"
    _seen(uow, row)
    line.say(uow, session, row, code)
    line.offer_free(uow, session)
    line.changed(uow, session)
    return row


def vacate(uow: UnitOfWork, member_id: int) -> int:
    """Whoever goes gives back every seat of a date that has not begun, and their turn in a line; how many dates."""
    query = (
        select(Registration.id)
        .join(Session, Session.id == Registration.session_id)
        .where(
            Registration.member_id == member_id,
            Registration.state.in_(line.LIVE),
            Session.start_at > uow.now,
        )
    )
    ids = list(uow.session.scalars(query.order_by(Registration.session_id)))
    for registration_id in ids:
        leave(uow, registration_id)
    return len(ids)


def opened(uow: UnitOfWork, secret: str) -> Registration:
    """What a letter's link is for; looking at it changes nothing, for mail programs look first."""
    return line.by_key(uow, secret)


def mine(uow: UnitOfWork, registration_id: str) -> Registration:
    """One's own; the staff may see anybody's. Raises `NotFound`."""
    row = uow.session.get(Registration, registration_id)
    own = row is not None and row.member_id is not None and row.member_id == uow.actor.member_id
    if row is None or not (own or allows(uow.actor, Right.OPERATE)):
        raise NotFound("registration.unknown")
    return row


def of_member(uow: UnitOfWork, session_id: str, member_id: int) -> Registration | None:
    """Their live registration for this date, or the one that was lived through."""
    query = (
        select(Registration)
        .where(
            Registration.session_id == session_id,
            Registration.member_id == member_id,
            Registration.state != RegistrationState.LEFT,
        )
        .order_by(Registration.asked_at.desc())
    )
    return uow.session.scalars(query).unique().first()


def _open(uow: UnitOfWork, session_id: str) -> Session:
    session = line.locked(uow, session_id)
    over = session.start_at is None or session.start_at <= uow.now
    if session.state is not SessionState.CONFIRMED or over:
        raise Conflict("registration.over")
    return session


def _with_session(uow: UnitOfWork, registration_id: str) -> tuple[Session, Registration]:
    """The date locked first, its registration read again after: what was looked at before may have changed."""
    row = uow.session.get(Registration, registration_id)
    if row is None:
        raise NotFound("registration.unknown")
    session = line.locked(uow, row.session_id)
    uow.session.refresh(row)
    return session, row


def _member(uow: UnitOfWork, party: Party) -> Member | None:
    """None for a guest: with a name and an address of their own, or written in by the staff."""
    if uow.actor.member_id is None or party.name or party.email:
        return None
    require(uow.actor, Right.SUBMIT)
    member = uow.session.get(Member, uow.actor.member_id)
    if member is None or member.state is not MemberState.ACTIVE:
        raise NotFound("member.unknown")
    return member


def _email(uow: UnitOfWork, party: Party) -> str:
    """The staff may write somebody in who has none: they are told by telephone."""
    if not party.email.strip() and allows(uow.actor, Right.OPERATE) and uow.actor.member_id is not None:
        return ""
    return clean_email(party.email)


def _known(rows: list[Registration], member: Member | None, email: str) -> Registration | None:
    """Somebody who is in, or waits, already."""
    return next(
        (
            row
            for row in rows
            if row.state in line.LIVE
            and (row.member_id == member.id if member is not None else row.email == email != "")
        ),
        None,
    )


_CODES = {
    RegistrationState.JOINED: "agenda.joined",
    RegistrationState.WAITING: "agenda.waiting",
    RegistrationState.OFFERED: "agenda.offered",
}


def _remind(uow: UnitOfWork, session: Session, row: Registration) -> None:
    """The letter that did not come, once more."""
    if line.keys_since(uow, row.id, uow.now - timedelta(hours=1)) >= MOST_LETTERS:
        return
    facts = {"until": row.hold_until.isoformat()} if row.hold_until is not None else {}
    line.say(uow, session, row, _CODES[row.state], **facts)


def _slow_down(uow: UnitOfWork, email: str) -> None:
    since = uow.now - timedelta(hours=1)
    query = select(func.count()).where(Registration.email == email, Registration.asked_at > since)
    if (uow.session.scalar(query) or 0) >= MOST_AN_HOUR and not allows(uow.actor, Right.OPERATE):
        raise TooMany("registration.too_many", retry_after_s=3600)


def _seen(uow: UnitOfWork, row: Registration) -> None:
    """Whoever used the link reads the letters that go to this address."""
    if row.member_id is None and row.email_confirmed_at is None and uow.actor.member_id is None:
        row.email_confirmed_at = uow.now
    if uow.actor.member_id is not None and row.member_id != uow.actor.member_id:
        log.record(uow, "registration.by_staff", about=f"registration {row.id}", for_member_id=row.member_id)
