"""Badges and PINs: by what somebody is known at a machine for a minute. Hashes only; neither lets anybody sign in.

A badge's number is short, so its hash is slow and salted by the house's own salt: with a copy of the database alone
ten milliard numbers are years of work. A PIN is hashed as a password is, each with a salt of its own, and belongs to
whoever says their number or e-mail.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type, hash_secret_raw
from sqlalchemy import ForeignKey, String, delete, select
from sqlalchemy.orm import Mapped, mapped_column, relationship

from fablab.base.database import Base, UnitOfWork
from fablab.base.errors import Conflict, Invalid
from fablab.notices import tell
from fablab.people import log, standing
from fablab.people.access import require_fresh
from fablab.people.models import Member

PIN_DIGITS: Final = 6
NUMBER_LEAST: Final = 4
NUMBER_MOST: Final = 32
_NUMBER = re.compile(rf"[0-9A-F]{{{NUMBER_LEAST},{NUMBER_MOST}}}")
_TIME, _MEMORY_KIB = 2, 19 * 1024
_hasher = PasswordHasher(time_cost=_TIME, memory_cost=_MEMORY_KIB, parallelism=1)
#: Verified where nobody has a PIN, so that the answer takes as long as for a wrong one.
_NOBODY = _hasher.hash("nobody has this one")


class BadgeSalt(Base):
    """The house's own, one row, made by the migration."""

    __tablename__ = "badge_salts"

    id: Mapped[int] = mapped_column(primary_key=True)
    salt: Mapped[str] = mapped_column(String(64))


class Badge(Base):
    """One for each member; a new one takes the old one's place."""

    __tablename__ = "badges"

    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), primary_key=True)
    number_hash: Mapped[str] = mapped_column(String(64), unique=True)
    set_at: Mapped[datetime]
    set_by_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))

    member: Mapped[Member] = relationship(foreign_keys=[member_id], lazy="joined", viewonly=True)


class Pin(Base):
    __tablename__ = "pins"

    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), primary_key=True)
    pin_hash: Mapped[str] = mapped_column(String(200))
    set_at: Mapped[datetime]
    set_by_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Since when they have each; None: they have none."""

    badge_at: datetime | None
    pin_at: datetime | None


def keys_of(uow: UnitOfWork, member_id: int) -> Keys:
    badge, pin = uow.session.get(Badge, member_id), uow.session.get(Pin, member_id)
    return Keys(badge_at=badge.set_at if badge else None, pin_at=pin.set_at if pin else None)


def keys_seen(uow: UnitOfWork, member_id: int) -> Keys:
    """For the member, and for the staff of whoever may not more than they."""
    if member_id != uow.actor.member_id:
        standing.at_desk(uow, member_id)
    return keys_of(uow, member_id)


def salt_of(uow: UnitOfWork) -> bytes:
    return bytes.fromhex(uow.session.get_one(BadgeSalt, 1).salt)


def number_of(said: str) -> str | None:
    """As a reader types it: digits, or hexadecimal in either case, blanks and colons between. None: it is none."""
    plain = re.sub(r"[\s:.-]", "", said[:80]).upper()
    return plain if _NUMBER.fullmatch(plain) else None


def number_hash(number: str, salt: bytes) -> str:
    """Takes 40 ms. `number` as `number_of` gives it."""
    raw = hash_secret_raw(
        number.encode(),
        salt,
        time_cost=_TIME,
        memory_cost=_MEMORY_KIB,
        parallelism=1,
        hash_len=32,
        type=Type.ID,
    )
    return raw.hex()


def is_pin(stored: str | None, said: str) -> bool:
    """Takes as long for somebody who has none as for a wrong one."""
    try:
        good = _hasher.verify(stored or _NOBODY, said[:PIN_DIGITS])
    except (VerificationError, InvalidHashError):
        return False
    return good and stored is not None and len(said) == PIN_DIGITS


# -- giving them -----------------------------------------------------------------------------------------------------


def set_badge(uow: UnitOfWork, member_id: int, said: str, *, login_token: str = "") -> None:
    """A member for themselves, by a fresh sign-in; the staff for those whose rights do not go beyond their own.

    Raises `Invalid` badge.wrong, `Conflict` badge.taken, `Forbidden`.
    """
    member = _whose(uow, member_id, login_token)
    number = number_of(said)
    if number is None:
        raise Invalid("badge.wrong", field="badge", least=NUMBER_LEAST, most=NUMBER_MOST)
    hashed = number_hash(number, salt_of(uow))
    other = uow.session.scalar(select(Badge).where(Badge.number_hash == hashed))
    if other is not None and other.member_id != member.id:
        raise Conflict("badge.taken")
    row = uow.session.get(Badge, member.id) or Badge(member_id=member.id)
    row.number_hash, row.set_at, row.set_by_id = hashed, uow.now, uow.actor.member_id
    uow.session.add(row)
    _tell(uow, member, "security.badge_set")


def set_pin(uow: UnitOfWork, member_id: int, said: str, *, login_token: str = "") -> None:
    """Whose as for `set_badge`. Raises `Invalid` pin.wrong or pin.weak, `Forbidden`."""
    member = _whose(uow, member_id, login_token)
    pin = said.strip()
    if not (len(pin) == PIN_DIGITS and pin.isascii() and pin.isdigit()):
        raise Invalid("pin.wrong", field="pin", digits=PIN_DIGITS)
    if is_weak(pin):
        raise Invalid("pin.weak", field="pin")
    row = uow.session.get(Pin, member.id) or Pin(member_id=member.id)
    row.pin_hash, row.set_at, row.set_by_id = _hasher.hash(pin), uow.now, uow.actor.member_id
    uow.session.add(row)
    _tell(uow, member, "security.pin_set")


def is_weak(pin: str) -> bool:
    """What is tried first: one digit or pair or triple again and again, and runs up or down."""
    steps = {(int(b) - int(a)) % 10 for a, b in pairwise(pin)}
    return pin == pin[:1] * 6 or pin == pin[:2] * 3 or pin == pin[:3] * 2 or steps in ({1}, {9})


def take_badge(uow: UnitOfWork, member_id: int, *, login_token: str = "") -> None:
    """Lost or given back: nobody is known by it any more."""
    _take(uow, Badge, _whose(uow, member_id, login_token), "security.badge_taken")


def take_pin(uow: UnitOfWork, member_id: int, *, login_token: str = "") -> None:
    _take(uow, Pin, _whose(uow, member_id, login_token), "security.pin_taken")


def forget(uow: UnitOfWork, member_id: int) -> None:
    """Of a member who is forgotten for good."""
    for table in (Badge, Pin):
        uow.session.execute(delete(table).where(table.member_id == member_id))


def _take(uow: UnitOfWork, table: type[Badge] | type[Pin], member: Member, code: str) -> None:
    row = uow.session.get(table, member.id)
    if row is None:
        return
    uow.session.delete(row)
    _tell(uow, member, code)


def _whose(uow: UnitOfWork, member_id: int, login_token: str) -> Member:
    if member_id != uow.actor.member_id:
        return standing.at_desk(uow, member_id)
    require_fresh(uow, login_token)
    return standing.get(uow, member_id)


def _tell(uow: UnitOfWork, member: Member, code: str) -> None:
    log.record(uow, code, for_member_id=member.id)
    if member.id != uow.actor.member_id:
        tell(uow, member.id, code, by=uow.actor.name, path="/badge")
