"""Links that work once: made of 256 random bits, kept as a hash, good until they expire or a newer one is sent."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import delete, func, select, update

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, NotFound
from fablab.people.models import KeyPurpose, Member, OneTimeKey

LIFE: Mapping[KeyPurpose, timedelta] = {
    KeyPurpose.CONFIRM: timedelta(hours=48),
    KeyPurpose.PASSWORD: timedelta(hours=2),
    KeyPurpose.EMAIL: timedelta(hours=24),
}
#: What the staff or a parent has sent to somebody who has no password yet.
WELCOME_LIFE = timedelta(days=7)
#: Letters to one member within an hour: nobody's mailbox is filled by somebody else typing their address.
MOST_AN_HOUR = 3
KEPT = timedelta(days=7)


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def new_secret() -> str:
    return secrets.token_urlsafe(32)


def make(
    uow: UnitOfWork, member: Member, purpose: KeyPurpose, email: str, life: timedelta | None = None
) -> str | None:
    """The secret, this once; earlier links for the same purpose end. None where too many were made within an hour."""
    uow.session.execute(delete(OneTimeKey).where(OneTimeKey.expires_at < uow.now - KEPT))
    query = select(func.count()).where(
        OneTimeKey.member_id == member.id, OneTimeKey.made_at > uow.now - timedelta(hours=1)
    )
    if uow.session.scalars(query).one() >= MOST_AN_HOUR:
        return None
    end_all(uow, member.id, purpose)
    secret = new_secret()
    uow.session.add(
        OneTimeKey(
            key_hash=digest(secret),
            purpose=purpose,
            member_id=member.id,
            email=email,
            made_at=uow.now,
            expires_at=uow.now + (life or LIFE[purpose]),
        )
    )
    uow.session.flush()
    return secret


def find(uow: UnitOfWork, secret: str, purpose: KeyPurpose | None = None) -> OneTimeKey:
    """Raises `NotFound` key.unknown, also for another purpose's; `Conflict` key.used, key.expired."""
    row = uow.session.scalar(select(OneTimeKey).where(OneTimeKey.key_hash == digest(secret)))
    if row is None or (purpose is not None and row.purpose is not purpose):
        raise NotFound("key.unknown")
    if row.used_at is not None:
        raise Conflict("key.used")
    if row.expires_at <= uow.now:
        raise Conflict("key.expired")
    return row


def end_all(uow: UnitOfWork, member_id: int, purpose: KeyPurpose | None = None) -> None:
    """The member's open links work no more."""
    query = update(OneTimeKey).where(OneTimeKey.member_id == member_id, OneTimeKey.used_at.is_(None))
    if purpose is not None:
        query = query.where(OneTimeKey.purpose == purpose)
    uow.session.execute(query.values(used_at=uow.now))
