"""The next letter to send: whose it is, in which language, and whether this is a time to send it."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.notices import outbox
from fablab.notices.models import ALWAYS_SENT, Channel, Letter, LetterState, QuietHours
from fablab.notices.quiet import next_digest, quiet_until
from fablab.people.models import Member, MemberState
from fablab.places import house

MOST_IN_A_DAY = 100  # lines of a day's letter; the rest is on the page


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """`member_id` None: somebody who is no member yet, and has no name here."""

    member_id: int | None
    name: str
    address: str
    language: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What is sent as one letter: one row of the outbox, or a day's. `off_secret` goes into the letter and nowhere
    else; empty where there is nothing to switch off. `key` is the same whenever this is sent again."""

    lease: str
    key: str
    reader: Reader
    letters: tuple[Letter, ...]
    off_secret: str


def take(uow: UnitOfWork) -> Envelope | None:
    """The next one, ours alone; None when nothing is due. What is not to be sent now, or ever, is put aside."""
    zone = ZoneInfo(house.house(uow).zone)
    for letter in outbox.due(uow):
        lease = secrets.token_hex(16)
        if uow.now - letter.made_at > outbox.EXPIRES:
            _refuse(uow, letter, lease, "letter.too_old")
            continue
        reader = reader_of(uow, letter)
        if reader is None:
            _refuse(uow, letter, lease, "letter.no_address")
            continue
        if _holds(uow, letter, zone):
            continue
        rows = _day_of(uow, letter) if letter.channel is Channel.DAILY else [letter]
        ours = tuple(row for row in rows if outbox.take(uow, row, lease))
        if ours:
            return _envelope(uow, lease, reader, ours)
    return None


def reader_of(uow: UnitOfWork, letter: Letter) -> Reader | None:
    """None where nobody can be written to: no address, or no member any more."""
    if letter.member_id is None:
        if letter.address is None:
            return None
        return Reader(member_id=None, name="", address=letter.address, language=letter.language or "fr")
    member = uow.session.get(Member, letter.member_id)
    if member is None or not member.email or member.state is MemberState.LEFT:
        return None
    return Reader(member_id=member.id, name=member.name, address=member.email, language=member.language)


def _holds(uow: UnitOfWork, letter: Letter, zone: ZoneInfo) -> bool:
    """Whether it was put aside for later: a day's letter for its hour, any other for the end of the quiet hours."""
    if letter.channel is Channel.DAILY and letter.state is LetterState.WAITING:
        outbox.hold(uow, letter, next_digest(uow.now, zone))
        return True
    if letter.member_id is None or letter.subject in ALWAYS_SENT:
        return False
    quiet = uow.session.get(QuietHours, letter.member_id)
    until = quiet_until(uow.now, quiet.from_min, quiet.until_min, zone) if quiet is not None else None
    if until is None:
        return False
    outbox.hold(uow, letter, until)
    return True


def _day_of(uow: UnitOfWork, letter: Letter) -> list[Letter]:
    """All that this member is to be told with this day's letter."""
    query = select(Letter).where(
        Letter.member_id == letter.member_id,
        Letter.channel == Channel.DAILY,
        Letter.state.in_((LetterState.HELD, LetterState.FAILED)),
        Letter.due_at <= uow.now,
    )
    return list(uow.session.scalars(query.order_by(Letter.id).limit(MOST_IN_A_DAY)))


def _envelope(uow: UnitOfWork, lease: str, reader: Reader, ours: tuple[Letter, ...]) -> Envelope:
    first = ours[0]
    secret = ""
    if len(ours) == 1 and first.member_id is not None and first.subject not in ALWAYS_SENT:
        secret = secrets.token_urlsafe(24)
        first.off_hash = hashlib.sha256(secret.encode()).hexdigest()
    return Envelope(
        lease=lease,
        key=f"{first.id}.{first.made_at:%Y%m%d%H%M%S}",
        reader=reader,
        letters=ours,
        off_secret=secret,
    )


def _refuse(uow: UnitOfWork, letter: Letter, lease: str, reason: str) -> None:
    if outbox.take(uow, letter, lease):
        outbox.give_up(uow, lease, reason)
