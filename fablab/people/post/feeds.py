"""Calendar feeds of a member: who may make, see and revoke them, and who is behind an address that is asked for."""

from __future__ import annotations

from fablab.base.database import UnitOfWork
from fablab.base.errors import Forbidden, NotFound
from fablab.notices import feeds
from fablab.notices.feeds import Made
from fablab.notices.models import Feed
from fablab.people import log
from fablab.people.models import Member
from fablab.places.models import Resource


def make(uow: UnitOfWork, name: str, resource_id: int | None = None) -> Made:
    """A feed of one's own calendar, or of a resource's, in which nobody's name stands."""
    if resource_id is not None:
        resource = uow.session.get(Resource, resource_id)
        if resource is None or not resource.active:
            raise NotFound("resource.unknown")
    made = feeds.make(uow, _own(uow), name, resource_id)
    log.record(uow, "feed.made", for_member_id=made.feed.member_id, about=f"feed {made.feed.id}")
    return made


def mine(uow: UnitOfWork) -> list[Feed]:
    return feeds.of_member(uow, _own(uow))


def revoke(uow: UnitOfWork, feed_id: int) -> None:
    row = feeds.revoke(uow, _own(uow), feed_id)
    log.record(uow, "feed.revoked", for_member_id=row.member_id, about=f"feed {row.id}")


def behind(uow: UnitOfWork, secret: str) -> tuple[Feed, Member]:
    """The feed at this address and whose it is; nothing is said of one that was revoked, or whose member has gone."""
    row = feeds.by_secret(uow, secret)
    member = uow.session.get(Member, row.member_id)
    if member is None or not member.active:
        raise NotFound("feed.unknown")
    return row, member


def _own(uow: UnitOfWork) -> int:
    if uow.actor.member_id is None:
        raise Forbidden
    return uow.actor.member_id
