"""Calendar feeds: made with a secret address that is answered once, listed, revoked."""

from __future__ import annotations

from datetime import datetime

import msgspec
from litestar import delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from fablab.base.database import Database
from fablab.notices.models import Feed
from fablab.people.access import SignedIn
from fablab.people.post import feeds
from web.security import Access
from web.settings import Settings


class FeedIn(msgspec.Struct, frozen=True, kw_only=True):
    """`resource_id` null: my own calendar; otherwise when that resource is taken, without names."""

    name: str
    resource_id: int | None = None


class FeedOut(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    name: str
    resource_id: int | None
    made_at: datetime
    used_at: datetime | None


class NewFeed(msgspec.Struct, frozen=True, kw_only=True):
    """`address` is known now and never again."""

    feed: FeedOut
    address: str


@get("/feeds", access=Access.IN_PERSON, sync_to_thread=True, tags=["feeds"])
def list_feeds(database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]) -> list[FeedOut]:
    with database.read(signed_in.actor) as uow:
        return [_out(row) for row in feeds.mine(uow)]


@post("/feeds", access=Access.IN_PERSON, sync_to_thread=True, tags=["feeds"])
def make_feed(
    data: JSONBody[FeedIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    settings: NamedDependency[Settings],
) -> NewFeed:
    made = database.write(lambda uow: feeds.make(uow, data.name, data.resource_id), signed_in.actor)
    return NewFeed(feed=_out(made.feed), address=f"{settings.address}/ical/{made.secret}.ics")


@delete("/feeds/{feed_id:int}", access=Access.IN_PERSON, sync_to_thread=True, tags=["feeds"])
def revoke_feed(
    feed_id: FromPath[int], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> None:
    database.write(lambda uow: feeds.revoke(uow, feed_id), signed_in.actor)


def _out(row: Feed) -> FeedOut:
    return FeedOut(
        id=row.id, name=row.name, resource_id=row.resource_id, made_at=row.made_at, used_at=row.used_at
    )


ROUTES = (list_feeds, make_feed, revoke_feed)
