"""What the demo's maker has reserved, and what waits for the staff's answer: taken as anybody takes it, by the options."""

from __future__ import annotations

from datetime import datetime, timedelta

from fablab.base.database import Actor, Database
from fablab.claims.reservations import use as reservations
from fablab.claims.reservations.use import Order, Repeat
from fablab.people.models import Member
from fablab.places.models import ResourceKind, Technology
from scheduler.reserving import Kind, Reserving, ReservingOffer, Wanted

HOUR_S = 3600
WEEKS = 4
NEXT_DAY = timedelta(hours=16)
LATE = timedelta(hours=13)


def hold_places(database: Database, maker: Member, other: Member) -> None:
    """A laser in a moment, a room for some weeks, a desk for somebody else; and a room by night, which the staff has to
    allow."""
    reserving = Reserving(database=database)
    mine = Actor(member_id=maker.id, name=maker.name, role=maker.role.value)
    theirs = Actor(member_id=other.id, name=other.name, role=other.role.value)
    with database.read() as uow:
        now = uow.now
    laser = _best(reserving, mine, Wanted(technology=Technology.LASER), now)
    if laser is not None and not laser.refusals:
        reserving.reserve(mine, _order(laser, note="Boîtes en contreplaqué 3 mm"))
    room = _best(reserving, mine, Wanted(kind=ResourceKind.ROOM), now + NEXT_DAY)
    if room is not None:
        series = _order(room, note="Atelier du club de robotique", party=9)
        database.write(lambda uow: reservations.repeat(uow, series, Repeat(count=WEEKS)), mine)
    desk = _best(reserving, theirs, Wanted(kind=ResourceKind.DESK), now + NEXT_DAY)
    if desk is not None:
        reserving.reserve(theirs, _order(desk))
    evening = _best(reserving, theirs, Wanted(kind=ResourceKind.ROOM), now + NEXT_DAY)
    if evening is not None:
        start = (now + LATE).replace(minute=0, second=0, microsecond=0)
        order = Order(
            resource_ids=evening.resource_ids,
            start_at=start,
            end_at=start + timedelta(hours=2),
            note="Ciné-débat de l’association",
            party=30,
            ask=True,
        )
        if not any(not refusal.waivable for refusal in reserving.forecast(theirs, order).refusals):
            reserving.reserve(theirs, order)


def _best(reserving: Reserving, actor: Actor, wanted: Wanted, since: datetime) -> ReservingOffer | None:
    kind = Kind(wanted=(wanted,), duration_s=HOUR_S, since=since)
    return next(iter(reserving.options(actor, kind, 1)), None)


def _order(offer: ReservingOffer, *, note: str = "", party: int = 1) -> Order:
    return Order(
        resource_ids=offer.resource_ids, start_at=offer.start_at, end_at=offer.end_at, note=note, party=party
    )
