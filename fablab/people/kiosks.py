"""Kiosks: a tablet on the wall beside a machine, the code that is stuck to each machine, and who is known there now.

A kiosk is let in by a link that is good once; its long token is in its cookie and here as a hash. By itself it shows
the machine's state, reports a problem and stops. Whoever shows it a badge or a PIN is known there for a minute, with
the rights that hands at a machine need and no others (`actor_of`): never those to manage the house or to see names.
A code is no secret to those in the room; all it opens without a person is the state, the report and the stop.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ForeignKey, String, delete, func, select
from sqlalchemy.orm import Mapped, mapped_column, relationship

from fablab.base.database import SYSTEM, Actor, Base, Database, UnitOfWork
from fablab.base.errors import Conflict, Forbidden, Invalid, LabError, NotFound
from fablab.notices import tell
from fablab.people import badges, log
from fablab.people.access import RIGHTS, Right, Scope, policy, require
from fablab.people.access.tries import digest, failed, slow_down
from fablab.people.models import LoginTry, Member, MemberState
from fablab.places import house
from fablab.places.models import Resource

KNOWN_FOR: Final = timedelta(seconds=60)
LINK_LIFE: Final = timedelta(hours=1)
#: Within fifteen minutes (`access.tries`): wrong PINs of one member, and everything that was wrong at one kiosk.
TRIES_BY_PIN: Final = 5
TRIES_BY_KIOSK: Final = 20
MOST_REPORTS: Final = 6
MOST_WORDS: Final = 300
#: What hands at a machine need; what the role does not allow they have not got either.
HANDS: Final = frozenset({Scope.SUBMIT.value, Scope.OPERATE.value})
SEEN_EVERY: Final = timedelta(minutes=10)


class Kiosk(Base):
    """A tablet, of one machine. `link_hash`: it has yet to be let in; `token_hash`: it is."""

    __tablename__ = "kiosks"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    resource_id: Mapped[int] = mapped_column(ForeignKey("resources.id"), index=True)
    link_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    link_until: Mapped[datetime | None]
    token_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    made_at: Mapped[datetime]
    made_by_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    enrolled_at: Mapped[datetime | None]
    seen_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

    resource: Mapped[Resource] = relationship(lazy="joined", viewonly=True)


class MachineCode(Base):
    """What is stuck to a machine: it stays the same until the staff make another."""

    __tablename__ = "machine_codes"

    resource_id: Mapped[int] = mapped_column(ForeignKey("resources.id"), primary_key=True)
    code: Mapped[str] = mapped_column(String(32), unique=True)
    made_at: Mapped[datetime]


class Presence(Base):
    """Who is known at a kiosk, until when."""

    __tablename__ = "kiosk_presences"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    kiosk_id: Mapped[int] = mapped_column(ForeignKey("kiosks.id"), index=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), index=True)
    expires_at: Mapped[datetime]

    member: Mapped[Member] = relationship(lazy="joined", viewonly=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """`link_token` is shown this once."""

    kiosk: Kiosk
    link_token: str


# -- the staff's part ------------------------------------------------------------------------------------------------


def every(uow: UnitOfWork) -> Sequence[Kiosk]:
    """Those that are not revoked, by machine."""
    require(uow.actor, Right.OPERATE)
    query = select(Kiosk).where(Kiosk.revoked_at.is_(None)).order_by(Kiosk.resource_id, Kiosk.id)
    return uow.session.scalars(query).unique().all()


def make(uow: UnitOfWork, name: str, resource_id: int) -> Made:
    """Raises `Invalid` kiosk.name, `NotFound` machine.unknown."""
    require(uow.actor, Right.OPERATE)
    said = " ".join(name.split())[:80]
    machine = house.machine(uow, resource_id)
    if not machine.resource.active:
        raise NotFound("machine.unknown", id=resource_id)
    if not said:
        raise Invalid("kiosk.name", field="name")
    token = secrets.token_urlsafe(32)
    row = Kiosk(
        name=said,
        resource_id=resource_id,
        link_hash=digest(token),
        link_until=uow.now + LINK_LIFE,
        made_at=uow.now,
        made_by_id=uow.actor.member_id,
    )
    uow.session.add(row)
    uow.session.flush()
    log.record(uow, "kiosk.made", about=f"kiosk {row.id}", name=said)
    return Made(kiosk=row, link_token=token)


def revoke(uow: UnitOfWork, kiosk_id: int) -> None:
    """Its cookie opens nothing any more, and nobody is known at it."""
    require(uow.actor, Right.OPERATE)
    row = uow.session.get(Kiosk, kiosk_id)
    if row is None or row.revoked_at is not None:
        raise NotFound("kiosk.unknown")
    row.revoked_at, row.link_hash, row.token_hash = uow.now, None, None
    uow.session.execute(delete(Presence).where(Presence.kiosk_id == row.id))
    log.record(uow, "kiosk.revoked", about=f"kiosk {row.id}", name=row.name)


def codes(uow: UnitOfWork) -> dict[int, str]:
    """By machine; some may have none yet (`with_codes`)."""
    return {row.resource_id: row.code for row in uow.session.scalars(select(MachineCode))}


def with_codes(uow: UnitOfWork) -> dict[int, str]:
    """A code for every machine that has none."""
    require(uow.actor, Right.OPERATE)
    known = codes(uow)
    for row in house.machines(uow):
        if row.id not in known:
            known[row.id] = secrets.token_urlsafe(9)
            uow.session.add(MachineCode(resource_id=row.id, code=known[row.id], made_at=uow.now))
    uow.session.flush()
    return known


def new_code(uow: UnitOfWork, resource_id: int) -> str:
    """The old label leads nowhere from now on."""
    require(uow.actor, Right.OPERATE)
    row = uow.session.get(MachineCode, resource_id)
    if row is None:
        return with_codes(uow)[house.machine(uow, resource_id).resource_id]
    row.code, row.made_at = secrets.token_urlsafe(9), uow.now
    log.record(uow, "kiosk.new_code", about=f"machine {resource_id}")
    return row.code


def machine_of(uow: UnitOfWork, code: str) -> int:
    """Raises `NotFound` kiosk.no_code."""
    found = uow.session.scalar(select(MachineCode.resource_id).where(MachineCode.code == code[:32]))
    if found is None:
        raise NotFound("kiosk.no_code")
    return found


def code_of(uow: UnitOfWork, resource_id: int) -> str:
    """Empty where it has none yet."""
    row = uow.session.get(MachineCode, resource_id)
    return row.code if row is not None else ""


# -- the tablet's part -----------------------------------------------------------------------------------------------


def linked(uow: UnitOfWork, link_token: str) -> Kiosk:
    """Which kiosk this link would make. Raises `NotFound` kiosk.link_over."""
    row = uow.session.scalar(select(Kiosk).where(Kiosk.link_hash == digest(link_token)))
    if row is None or row.link_until is None or row.link_until <= uow.now:
        raise NotFound("kiosk.link_over")
    return row


def enrol(uow: UnitOfWork, link_token: str) -> tuple[Kiosk, str]:
    """The link is used up; the kiosk's token in clear, this once. Its machine has a code from now on."""
    row, token = linked(uow, link_token), secrets.token_urlsafe(32)
    row.link_hash, row.link_until = None, None
    row.token_hash, row.enrolled_at, row.seen_at = digest(token), uow.now, uow.now
    with_codes(uow.acting(SYSTEM))
    log.record(uow, "kiosk.enrolled", about=f"kiosk {row.id}", name=row.name)
    return row, token


def kiosk_of(uow: UnitOfWork, token: str) -> Kiosk:
    """Whose cookie it is. Raises `Forbidden` kiosk.unknown_tablet: signing in would not help."""
    row = uow.session.scalar(select(Kiosk).where(Kiosk.token_hash == digest(token))) if token else None
    if row is None or row.revoked_at is not None or not row.resource.active:
        raise Forbidden("kiosk.unknown_tablet")
    return row


def by_badge(database: Database, kiosk_token: str, said: str) -> str:
    """A token by which they are known here for `KNOWN_FOR`.

    Raises `Forbidden` kiosk.who for a badge that is nobody's, `TooMany`. As `access.sign_in`, it takes the
    database: no hash is worked out while the writer's lock is held, and what was wrong stays counted.
    """
    with database.read() as uow:
        kiosk = kiosk_of(uow, kiosk_token)
        slow_down(uow, (_at(kiosk), TRIES_BY_KIOSK))
        salt = badges.salt_of(uow)
    number = badges.number_of(said)
    hashed = badges.number_hash(number or "0", salt)
    with database.begin() as uow:
        row = uow.session.scalar(select(badges.Badge).where(badges.Badge.number_hash == hashed))
        known = number is not None and row is not None and _is_somebody(row.member)
        if row is None or not known:
            failed(uow, [_at(kiosk)])
            outcome: str | LabError = Forbidden("kiosk.who")
        else:
            outcome = _known(uow, kiosk, row.member_id)
    return _settled(outcome)


def by_pin(database: Database, kiosk_token: str, name: str, pin: str) -> str:
    """As `by_badge`; `name` is a member's number or e-mail. Wrong PINs are counted by member and by kiosk, and the
    member is told when theirs are used up."""
    wanted = name.strip().lower()[:254]
    number = int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) < 10 else None
    who = Member.email == wanted if number is None else Member.id == number
    with database.read() as uow:
        kiosk = kiosk_of(uow, kiosk_token)
        member = uow.session.scalar(select(Member).where(who))
        key = digest(f"pin:{member.id}" if member is not None else f"pin-name:{wanted}")
        slow_down(uow, (key, TRIES_BY_PIN), (_at(kiosk), TRIES_BY_KIOSK))
        row = uow.session.get(badges.Pin, member.id) if member is not None else None
        stored = row.pin_hash if row is not None else None
    good = badges.is_pin(stored, pin.strip())
    with database.begin() as uow:
        if member is None or not good or not _is_somebody(member):
            outcome = _wrong(uow, kiosk, key, member)
        else:
            uow.session.execute(delete(LoginTry).where(LoginTry.key == key))
            return _known(uow, kiosk, member.id)
    raise outcome


def _wrong(uow: UnitOfWork, kiosk: Kiosk, key: str, member: Member | None) -> LabError:
    failed(uow, (key, _at(kiosk)))
    uow.session.flush()
    count = uow.session.scalars(select(func.count()).where(LoginTry.key == key)).one()
    if member is not None and count == TRIES_BY_PIN:
        tell(uow, member.id, "security.wrong_pins", kiosk=kiosk.name, path="/badge")
    return Forbidden("kiosk.who_pin")


def _settled(outcome: str | LabError) -> str:
    if isinstance(outcome, LabError):
        raise outcome
    return outcome


def _at(kiosk: Kiosk) -> str:
    return digest(f"kiosk:{kiosk.id}")


def _is_somebody(member: Member) -> bool:
    """Whoever is suspended is known too, and told why they cannot start anything."""
    return member.state in (MemberState.ACTIVE, MemberState.SUSPENDED)


def _known(uow: UnitOfWork, kiosk: Kiosk, member_id: int) -> str:
    """One at a time: who comes next takes the place of who was there before."""
    uow.session.execute(delete(Presence).where(Presence.kiosk_id == kiosk.id))
    token = secrets.token_urlsafe(24)
    uow.session.add(
        Presence(
            token_hash=digest(token),
            kiosk_id=kiosk.id,
            member_id=member_id,
            expires_at=uow.now + KNOWN_FOR,
        )
    )
    here = uow.session.get(Kiosk, kiosk.id)
    if here is not None and (here.seen_at is None or uow.now - here.seen_at >= SEEN_EVERY):
        here.seen_at = uow.now
    return token


def presence_of(uow: UnitOfWork, kiosk: Kiosk, token: str) -> Presence | None:
    """Who is known at this kiosk by this token; None once the minute is over."""
    row = uow.session.get(Presence, digest(token)) if token else None
    if row is None or row.kiosk_id != kiosk.id or row.expires_at <= uow.now:
        return None
    return row if _is_somebody(row.member) else None


def prolong(uow: UnitOfWork, kiosk: Kiosk, token: str) -> None:
    """They have just pressed something: another minute."""
    row = presence_of(uow, kiosk, token)
    if row is not None:
        row.expires_at = uow.now + KNOWN_FOR


def not_me(uow: UnitOfWork, kiosk: Kiosk) -> None:
    """Nobody is known here any more."""
    uow.session.execute(delete(Presence).where(Presence.kiosk_id == kiosk.id))


def forget(uow: UnitOfWork, member_id: int) -> None:
    """Of a member who is forgotten for good."""
    badges.forget(uow, member_id)
    uow.session.execute(delete(Presence).where(Presence.member_id == member_id))


def actor_of(uow: UnitOfWork, member: Member) -> Actor:
    """Their hands at a machine: their role, within `HANDS`. Whose second factor is overdue works no machine of others.

    Raises `Forbidden` membership.not_active.
    """
    if not member.active:
        raise Forbidden("membership.not_active")
    due_at = policy.due_at(uow, member)
    held_back = due_at is not None and due_at <= uow.now
    scopes = frozenset({Scope.SUBMIT.value}) if held_back else HANDS
    return Actor(member_id=member.id, name=member.name, role=member.role.value, scopes=scopes)


# -- a problem -------------------------------------------------------------------------------------------------------


def report(uow: UnitOfWork, resource_id: int, said: str, *, where: str) -> None:
    """Something is wrong with a machine: everybody who works the machines is told. Whoever stands there may say so;
    `where`: the kiosk's name or the address it came from.

    Raises `Invalid` kiosk.problem_empty, `Conflict` kiosk.problem_many.
    """
    words = " ".join(said.split())[:MOST_WORDS]
    machine = house.machine(uow, resource_id)
    if not words:
        raise Invalid("kiosk.problem_empty", field="problem")
    about = f"machine {resource_id}"
    since = uow.now - timedelta(minutes=15)
    earlier = select(func.count(log.Doing.id)).where(
        log.Doing.code == "machine.problem", log.Doing.about == about, log.Doing.at > since
    )
    if uow.session.scalars(earlier).one() >= MOST_REPORTS:
        raise Conflict("kiosk.problem_many")
    log.record(uow, "machine.problem", about=about, words=words, where=where[:80])
    query = select(Member.id, Member.role).where(Member.active)
    for member_id, role in uow.session.execute(query):
        if Right.OPERATE in RIGHTS[role]:
            tell(
                uow,
                member_id,
                "incident.reported",
                machine=machine.resource.name,
                words=words,
                by=uow.actor.name if uow.actor.member_id is not None else "",
                path=f"/floor#machine-{resource_id}",
            )
