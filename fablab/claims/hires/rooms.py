"""Which rooms the public may ask for, and the kits that are offered with each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.base.errors import NotFound
from fablab.money import stays
from fablab.money.stays import StayUnit
from fablab.people.models import Audience
from fablab.places import house
from fablab.places.models import Resource, ResourceKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """A room or a kit with what its units cost an audience, in cents, and the kits that go with it."""

    thing: Resource
    grid: dict[StayUnit, int]
    kits: tuple[Offered, ...] = ()


def public_rooms(uow: UnitOfWork, audience: Audience) -> list[Offered]:
    """All that may be asked for, the largest first."""
    query = select(Resource).where(Resource.kind == ResourceKind.ROOM, Resource.active, Resource.public)
    rows = uow.session.scalars(query).unique()
    found = sorted(rows, key=lambda row: (-(row.seats or 0), row.name))
    prices = stays.prices(uow, house.today(uow))

    def offered(thing: Resource) -> Offered:
        kits = tuple(offered(kit) for kit in kits_of(uow, thing.id))
        return Offered(thing=thing, grid=stays.grid(thing, audience, prices), kits=kits)

    return [offered(row) for row in found]


def public_room(uow: UnitOfWork, room_id: int) -> Resource:
    """Raises `NotFound` resource.unknown, also for one that is not offered."""
    row = uow.session.get(Resource, room_id)
    if row is None or row.kind is not ResourceKind.ROOM or not (row.active and row.public):
        raise NotFound("resource.unknown", id=room_id)
    return row


def names_of(uow: UnitOfWork, ids: Sequence[int]) -> dict[int, str]:
    """The names of these, in their order, also of what is retired."""
    query = select(Resource.id, Resource.name).where(Resource.id.in_(ids))
    known = {id_: name for id_, name in uow.session.execute(query)}  # noqa: C416 - a Row is no tuple to mypy
    return {id_: known[id_] for id_ in ids if id_ in known}


def kits_of(uow: UnitOfWork, room_id: int) -> list[Resource]:
    """What can be taken together with a room, by name."""
    query = select(Resource).where(
        Resource.kind == ResourceKind.KIT, Resource.active, Resource.home_id == room_id
    )
    return list(uow.session.scalars(query.order_by(Resource.name)).unique())
