"""Addresses under which programs fetch a calendar. Whoever knows one may read; its hash alone is kept."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select, update

from fablab.base.database import UnitOfWork
from fablab.base.errors import Invalid, NotFound
from fablab.notices.models import Feed

MOST_FEEDS = 20
USED_EVERY = timedelta(hours=1)  # last use is written rarely: fetching a feed must not be a write


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A feed with its secret, which is shown this once."""

    feed: Feed
    secret: str


def make(uow: UnitOfWork, member_id: int, name: str, resource_id: int | None = None) -> Made:
    """Raises `Invalid` for a name that is none, and for one feed too many."""
    name = " ".join(name.split())
    if not 1 <= len(name) <= 80:
        raise Invalid("feed.name", field="name", most=80)
    live = select(func.count()).where(Feed.member_id == member_id, Feed.revoked_at.is_(None))
    if uow.session.scalars(live).one() >= MOST_FEEDS:
        raise Invalid("feed.too_many", field="name", most=MOST_FEEDS)
    secret = secrets.token_urlsafe(32)
    row = Feed(
        member_id=member_id,
        resource_id=resource_id,
        name=name,
        secret_hash=digest(secret),
        made_at=uow.now,
    )
    uow.session.add(row)
    uow.session.flush()
    return Made(feed=row, secret=secret)


def of_member(uow: UnitOfWork, member_id: int) -> list[Feed]:
    """Those that still work, oldest first."""
    query = select(Feed).where(Feed.member_id == member_id, Feed.revoked_at.is_(None))
    return list(uow.session.scalars(query.order_by(Feed.id)))


def revoke(uow: UnitOfWork, member_id: int, feed_id: int) -> Feed:
    """From now on its address is unknown. One of somebody else's does not exist here."""
    row = uow.session.get(Feed, feed_id)
    if row is None or row.member_id != member_id or row.revoked_at is not None:
        raise NotFound("feed.unknown")
    row.revoked_at = uow.now
    return row


def by_secret(uow: UnitOfWork, secret: str) -> Feed:
    row = uow.session.scalar(select(Feed).where(Feed.secret_hash == digest(secret)))
    if row is None or row.revoked_at is not None:
        raise NotFound("feed.unknown")
    return row


def used(uow: UnitOfWork, feed_id: int) -> None:
    uow.session.execute(update(Feed).where(Feed.id == feed_id).values(used_at=uow.now))


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
