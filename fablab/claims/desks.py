"""Coworking: a desk for a half-day or a day, paid by a pass or by its price. Each is a reservation like any other.

Whoever takes a desk names a half of a day and gets a free one; the same rules, policies and calendar answer as for a
machine. Two who want the last desk, or the last half-day of one pass, are settled by the locks that a reservation takes
anyway: one has it, the other hears `Conflict`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, Invalid
from fablab.base.intervals import Interval, instant, intersect
from fablab.claims import calendar
from fablab.claims.calendar import Place
from fablab.claims.reservations import composing, moving, placing, reads
from fablab.claims.reservations.models import LIVE, Reservation
from fablab.claims.reservations.orders import Order
from fablab.money import passes, quotes, stays
from fablab.money.passes import NOON, Pass
from fablab.people.access import Right, require
from fablab.people.models import Audience, Member
from fablab.places import house
from fablab.places.models import Resource, ResourceKind

FURTHEST = timedelta(days=366)


class Part(StrEnum):
    """What of a day; the day is cut at 13:00, and the house's opening hours bound it."""

    AM = "am"
    PM = "pm"
    DAY = "day"


class Pay(StrEnum):
    """any: by a pass where one is good for it, else by the price."""

    ANY = "any"
    PASS = "pass"  # noqa: S105 - a ticket, and no secret
    PRICE = "price"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskWish:
    """`desk_id` None: any free one, the one they had last before the others. `member_id`, `key`: as of an `Order`."""

    day: date
    part: Part
    desk_id: int | None = None
    pay: Pay = Pay.ANY
    member_id: int | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A part of a day at the desks: from when until when, how many are free, and what one costs whoever looks. `ticket`:
    the pass that would pay; `mine`: what they hold then already."""

    part: Part
    start_at: datetime
    end_at: datetime
    free: int
    desks: int
    quote: quotes.Quote
    ticket: Pass | None
    mine: str | None


def take(uow: UnitOfWork, wish: DeskWish) -> Reservation:
    """The reservation of a desk. Raises `Conflict` desks.none where no desk is free, pass.none where a pass is to pay and
    none is good for it; `Invalid` desks.shut where the house is not open then; and as `reservations.reserve`."""
    require(uow.actor, Right.SUBMIT)
    holder = composing.holder_of(uow, wish.member_id)
    known = _known(uow, wish.key)
    if known is not None:
        return known
    span = _span(uow, wish.day, wish.part)
    if span is None:
        raise Invalid("desks.shut", field="day")
    desks = desks_of(uow)
    calendar.lock(uow, [desk.id for desk in desks])
    free = _free(uow, desks, span)
    if wish.desk_id is not None:
        free = [desk for desk in free if desk.id == wish.desk_id]
    halves = passes.halves(span.start, span.end, house.zone(uow))
    desk, ticket = _choose(uow, holder, free, wish.pay, halves)
    row = placing.reserve(
        uow,
        Order(
            resource_ids=(desk.id,),
            start_at=span.start,
            end_at=span.end,
            member_id=wish.member_id,
            key=wish.key,
        ),
    )
    if ticket is not None:
        passes.spend(uow, ticket.id, row.id, halves)
        quotes.promise_again(
            uow, row.id, moving.quoted_anew(uow, row, ticket.audience, [composing.thing(desk)])
        )
        uow.session.flush()
    return row


def openings(uow: UnitOfWork, day: date, member_id: int) -> list[Opening]:
    """What can be had of that day: each half that the house is open in, and the day where it is open right through."""
    desks, member = desks_of(uow), uow.session.get_one(Member, member_id)
    zone = house.zone(uow)
    found = []
    for part in Part:
        span = _span(uow, day, part)
        if span is None:
            continue
        mine = _mine(uow, member_id, desks, span)
        if (
            part is Part.DAY
            and mine is not None
            and not (mine.start_at <= span.start and span.end <= mine.end_at)
        ):
            continue  # whoever has the morning takes the afternoon, and not the day besides
        free = _free(uow, desks, span)
        halves = passes.halves(span.start, span.end, zone)
        found.append(
            Opening(
                part=part,
                start_at=span.start,
                end_at=span.end,
                free=len(free),
                desks=len(desks),
                quote=_quote(uow, (free or desks)[:1], member.audience, span),
                ticket=_ticket(uow, member_id, free, len(halves), day)[1],
                mine=mine.id if mine is not None else None,
            )
        )
    return found


def desks_of(uow: UnitOfWork) -> list[Resource]:
    """All desks of the house that can be taken, by id."""
    query = select(Resource).where(Resource.kind == ResourceKind.DESK, Resource.active)
    return list(uow.session.scalars(query.order_by(Resource.id)).unique())


def coming(uow: UnitOfWork, member_id: int) -> list[Reservation]:
    """Their own desks that are still to come, or theirs now."""
    desks = {desk.id for desk in desks_of(uow)}
    query = select(Reservation).where(
        Reservation.member_id == member_id, Reservation.state.in_(LIVE), Reservation.end_at > uow.now
    )
    rows = uow.session.scalars(query.order_by(Reservation.start_at, Reservation.id))
    return [row for row in rows if desks.intersection(row.resource_ids)]


def spans(day: date, open_: Sequence[Interval], zone: ZoneInfo, now: datetime) -> dict[Part, Interval]:
    """The parts of a day that are open and not over yet. Pure. Of a half with a break in it the longer piece counts; a day
    that the house shuts in the middle of is no whole day."""
    midnight, next_ = house.midnights(day, zone)
    noon = instant(day, NOON, zone)
    this_minute = now.replace(second=0, microsecond=0)
    found: dict[Part, Interval] = {}
    for part, begin, end in ((Part.AM, midnight, noon), (Part.PM, noon, next_), (Part.DAY, midnight, next_)):
        begin = max(begin, this_minute)
        pieces = intersect(tuple(open_), (Interval(begin, end),)) if begin < end else ()
        if pieces:
            found[part] = max(pieces, key=lambda piece: (piece.end - piece.start, piece.start))
    whole = found.get(Part.DAY)
    if whole is not None and not (Part.AM in found and Part.PM in found and whole.start < noon < whole.end):
        del found[Part.DAY]
    return found


def _span(uow: UnitOfWork, day: date, part: Part) -> Interval | None:
    today = house.today(uow)
    if not today <= day <= today + FURTHEST:
        return None
    hours = house.calendar(uow)
    begin, end = house.midnights(day, hours.zone)
    return spans(day, hours.open.between(begin, end), hours.zone, uow.now).get(part)


def _free(uow: UnitOfWork, desks: Collection[Resource], span: Interval) -> list[Resource]:
    things = [composing.thing(desk) for desk in desks]
    places: list[Place] = composing.places_of(things, span.start, span.end, None)
    taken = calendar.taken_among(uow, places)
    held = {place.resource_id for number, place in enumerate(places) if number in taken}
    return [desk for desk in desks if desk.id not in held]


def _choose(
    uow: UnitOfWork,
    holder: Member,
    free: list[Resource],
    pay: Pay,
    halves: Sequence[tuple[date, passes.Half]],
) -> tuple[Resource, Pass | None]:
    """The desk they had last before the others, and where a pass is to pay one that it is good for."""
    if not free:
        raise Conflict("desks.none")
    last = _last_desk(uow, holder.id)
    free = sorted(free, key=lambda desk: (desk.id != last, desk.id))
    if pay is Pay.PRICE:
        return free[0], None
    desk, ticket = _ticket(uow, holder.id, free, len(halves), halves[0][0])
    if ticket is None and pay is Pay.PASS:
        raise Conflict("pass.none", count=len(halves))
    return desk or free[0], ticket


def _ticket(
    uow: UnitOfWork, member_id: int, free: Sequence[Resource], count: int, day: date
) -> tuple[Resource | None, Pass | None]:
    """The first desk for which they have a pass that is good that day, with so many half-days left."""
    looked: set[int | None] = set()
    for desk in free:
        if desk.partner_id in looked:
            continue
        looked.add(desk.partner_id)
        found = passes.fitting(uow, member_id, day, desk.partner_id, count)
        if found is not None:
            return desk, found
    return None, None


def _last_desk(uow: UnitOfWork, member_id: int) -> int | None:
    query = select(Reservation.resource_ids).where(Reservation.member_id == member_id)
    desks = {desk.id for desk in desks_of(uow)}
    for ids in uow.session.scalars(query.order_by(Reservation.start_at.desc()).limit(20)):
        if len(ids) == 1 and ids[0] in desks:
            return int(ids[0])
    return None


def _quote(uow: UnitOfWork, desks: Sequence[Resource], audience: Audience, span: Interval) -> quotes.Quote:
    lines = stays.lines_of(uow, desks, audience, span.start, span.end, house.today(uow))
    return quotes.Quote(lines=lines, total_cents=sum(line.amount_cents for line in lines))


def _mine(uow: UnitOfWork, member_id: int, desks: Collection[Resource], span: Interval) -> Reservation | None:
    ids = {desk.id for desk in desks}
    rows = reads.between(uow, span.start, span.end, sorted(ids)) if ids else []
    return next((row for row in rows if row.member_id == member_id), None)


def _known(uow: UnitOfWork, key: str | None) -> Reservation | None:
    """The one that this form has made already: a second tap is no second desk."""
    if key is None or uow.actor.member_id is None:
        return None
    query = select(Reservation).where(Reservation.made_by_id == uow.actor.member_id, Reservation.key == key)
    return uow.session.scalars(query).first()
