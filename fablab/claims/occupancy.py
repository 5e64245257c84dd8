"""A day of all desks and rooms at a look: what is taken, from when until when, and what is free now. One calendar, read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.base.intervals import Interval, Intervals
from fablab.claims.models import Allocation, Claim, ClaimKind
from fablab.people.access import Right, allows
from fablab.people.models import Member, Organisation
from fablab.places import house
from fablab.places.models import Resource, ResourceKind

KINDS = (ResourceKind.DESK, ResourceKind.ROOM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A place of the calendar. `title`, `who`: empty where they are not the reader's business. `use`: without set-up and
    clearing; `held`: with them."""

    claim_id: str
    kind: ClaimKind
    held: Interval
    use: Interval
    title: str
    who: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One desk or room. `until`: until when it is as it is now; None: for the rest of the day."""

    thing: Resource
    partner: str
    taken: tuple[Taken, ...]
    now: Taken | None
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """`open`: the house's hours of that day."""

    day: date
    span: Interval
    open: Intervals
    rows: tuple[Row, ...]

    def free(self, kind: ResourceKind) -> int:
        """How many of the kind are free at this moment."""
        return sum(row.now is None for row in self.rows if row.thing.kind is kind)


def of_day(uow: UnitOfWork, day: date, *, public: bool = False) -> Day:
    """`public`: for a wall, where nobody's name stands; else names for whoever sees everything, and their own for all."""
    hours = house.calendar(uow)
    begin, end = house.midnights(day, hours.zone)
    query = select(Resource).where(Resource.kind.in_(KINDS), Resource.active)
    things = list(uow.session.scalars(query).unique())
    things.sort(key=lambda thing: (KINDS.index(thing.kind), thing.id))
    taken = _taken(uow, [thing.id for thing in things], begin, end, public=public)
    names = {row.id: row.name for row in uow.session.scalars(select(Organisation))}
    return Day(
        day=day,
        span=Interval(begin, end),
        open=hours.open.between(begin, end),
        rows=tuple(
            _row(thing, names.get(thing.partner_id or 0, ""), taken.get(thing.id, ()), uow.now)
            for thing in things
        ),
    )


def _row(thing: Resource, partner: str, taken: tuple[Taken, ...], now: datetime) -> Row:
    current = next((each for each in taken if each.held.start <= now < each.held.end), None)
    later = next((each.held.start for each in taken if each.held.start > now), None)
    return Row(
        thing=thing,
        partner=partner,
        taken=taken,
        now=current,
        until=current.held.end if current is not None else later,
    )


def _taken(
    uow: UnitOfWork, ids: list[int], begin: datetime, end: datetime, *, public: bool
) -> dict[int, tuple[Taken, ...]]:
    query = (
        select(Allocation, Claim, Member.name)
        .join(Claim, Claim.id == Allocation.claim_id)
        .outerjoin(Member, Member.id == Claim.member_id)
        .where(Allocation.resource_id.in_(ids), Allocation.start_at < end, Allocation.end_at > begin)
        .order_by(Allocation.start_at)
    )
    sees_all = not public and allows(uow.actor, Right.SEE_ALL)
    found: dict[int, tuple[Taken, ...]] = {}
    for place, claim, name in uow.session.execute(query):
        own = not public and claim.member_id is not None and claim.member_id == uow.actor.member_id
        # What takes place in public is no secret, nor that something is broken.
        shown = sees_all or own or claim.kind in (ClaimKind.SESSION, ClaimKind.OUTAGE)
        each = Taken(
            claim_id=claim.id,
            kind=claim.kind,
            held=Interval(place.start_at, place.end_at),
            use=Interval(place.run_start_at, max(place.run_end_at, place.run_start_at)),
            title=claim.title if shown else "",
            who=(name or "") if sees_all or own else "",
        )
        found[place.resource_id] = (*found.get(place.resource_id, ()), each)
    return found
