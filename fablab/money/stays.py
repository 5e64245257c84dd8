"""What a stay in a place costs: a desk, a room, a kit, by the hour, the half-day or the day. The dearest rule never wins."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from math import ceil
from typing import Protocol
from zoneinfo import ZoneInfo

from sqlalchemy import CheckConstraint, ForeignKey, select
from sqlalchemy.orm import Mapped, mapped_column

from fablab.base.database import Base, UnitOfWork
from fablab.base.errors import Invalid, NotFound
from fablab.base.units import cents
from fablab.money.models import in_force
from fablab.money.passes import halves
from fablab.money.quotes import Line
from fablab.money.subscriptions import MOST_CENTS
from fablab.people import log, partners
from fablab.people.models import Audience
from fablab.places import house
from fablab.places.models import ResourceKind, words

_STEP_S = 1800  # begun half-hours count whole
#: What is paid for by the stay; machines have tariffs of their own.
PRICED = (ResourceKind.ROOM, ResourceKind.DESK, ResourceKind.KIT)


class StayUnit(StrEnum):
    HOUR = "hour"
    HALF_DAY = "half_day"
    DAY = "day"


class StayPrice(Base):
    """What a unit of a stay costs. Of `resource_id` and `kind` one is set: one thing, or all of a kind that the same
    `partner_id` runs (None: the house itself). `audience` None: whoever has no row of their own."""

    __tablename__ = "stay_prices"

    id: Mapped[int] = mapped_column(primary_key=True)
    partner_id: Mapped[int | None] = mapped_column(ForeignKey("organisations.id"), index=True)
    resource_id: Mapped[int | None] = mapped_column(ForeignKey("resources.id"), index=True)
    kind: Mapped[ResourceKind | None] = mapped_column(words(ResourceKind, "resource_kind"))
    audience: Mapped[Audience | None] = mapped_column(words(Audience, "audience"))
    unit: Mapped[StayUnit] = mapped_column(words(StayUnit, "stay_unit"))
    price_cents: Mapped[int]
    first_day: Mapped[date]
    last_day: Mapped[date | None]

    __table_args__ = (
        CheckConstraint("(resource_id IS NULL) <> (kind IS NULL)", name="scope"),
        CheckConstraint("price_cents >= 0", name="price"),
    )


class Stayed(Protocol):
    """A resource as far as its price goes."""

    @property
    def id(self) -> int: ...
    @property
    def kind(self) -> ResourceKind: ...
    @property
    def partner_id(self) -> int | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StayWish:
    """A price from today on; of `resource_id` and `kind` one is given."""

    unit: StayUnit
    price_cents: int
    partner_id: int | None = None
    resource_id: int | None = None
    kind: ResourceKind | None = None
    audience: Audience | None = None


def price(uow: UnitOfWork, wish: StayWish) -> StayPrice:
    """By whoever runs that part of the house; another price of the same thing, unit and audience ends with yesterday.

    Raises `Invalid` stay.scope, stay.price, and as `partners.require_part`.
    """
    if (wish.resource_id is None) == (wish.kind is None):
        raise Invalid("stay.scope", field="resource_id")
    if not 0 <= wish.price_cents <= MOST_CENTS:
        raise Invalid("stay.price", field="price")
    partner_id, kind = wish.partner_id, wish.kind
    if wish.resource_id is not None:
        thing = partners.require_thing(uow, wish.resource_id)
        partner_id, kind = thing.partner_id, thing.kind
    partners.require_part(uow, partner_id)
    if kind not in PRICED:
        raise Invalid("stay.scope", field="kind")
    today = house.today(uow)
    for row in prices(uow, today):
        if (row.partner_id, row.resource_id, row.kind, row.audience, row.unit) == (
            partner_id,
            wish.resource_id,
            wish.kind,
            wish.audience,
            wish.unit,
        ):
            _end(uow, row, today)
    made = StayPrice(
        partner_id=partner_id,
        resource_id=wish.resource_id,
        kind=wish.kind,
        audience=wish.audience,
        unit=wish.unit,
        price_cents=wish.price_cents,
        first_day=today,
    )
    uow.session.add(made)
    uow.session.flush()
    log.record(uow, "tariff.made", about=f"stay price {made.id}", price_cents=made.price_cents)
    return made


def end(uow: UnitOfWork, price_id: int) -> int | None:
    """From now on it is not asked any more; what was promised stays promised. Whose it was."""
    row = uow.session.get(StayPrice, price_id)
    if row is None:
        raise NotFound("stay.unknown")
    partners.require_part(uow, row.partner_id)
    log.record(uow, "tariff.ended", about=f"stay price {row.id}")
    partner_id = row.partner_id
    _end(uow, row, house.today(uow))
    uow.session.flush()
    return partner_id


def _end(uow: UnitOfWork, row: StayPrice, today: date) -> None:
    """With yesterday; one that has begun today has never counted for anything, for what is quoted keeps its lines."""
    if row.first_day >= today:
        uow.session.delete(row)
    else:
        row.last_day = date.fromordinal(today.toordinal() - 1)


def prices(uow: UnitOfWork, day: date) -> list[StayPrice]:
    """All that hold on that day."""
    query = select(StayPrice).where(in_force(StayPrice.first_day, StayPrice.last_day, day))
    return list(uow.session.scalars(query.order_by(StayPrice.first_day, StayPrice.id)))


def grid(thing: Stayed, audience: Audience, rows: Iterable[StayPrice]) -> dict[StayUnit, int]:
    """What each unit of this thing costs this audience, in cents. Pure: the thing's own price goes before that of its
    kind, the audience's own before everybody's; another partner's is never looked at."""
    found: dict[StayUnit, tuple[tuple[bool, bool], int]] = {}
    for row in rows:
        if row.partner_id != thing.partner_id or row.audience not in (None, audience):
            continue
        if row.resource_id is not None and row.resource_id != thing.id:
            continue
        if row.kind is not None and row.kind is not thing.kind:
            continue
        rank = (row.resource_id is not None, row.audience is not None)
        if row.unit not in found or found[row.unit][0] <= rank:
            found[row.unit] = (rank, row.price_cents)
    return {unit: price_cents for unit, (_, price_cents) in found.items()}


def lines(
    thing_id: int, grid: Mapping[StayUnit, int], start_at: datetime, end_at: datetime, zone: ZoneInfo
) -> tuple[Line, ...]:
    """The cheapest way to pay for [start, end) day by day: begun half-hours, half-days (cut at 13:00), or the day. Pure."""
    sums: dict[StayUnit, float] = {}
    days: dict[date, int] = {}
    for day, _ in halves(start_at, end_at, zone):
        days[day] = days.get(day, 0) + 1
    for day, count in days.items():
        ways = _ways(grid, day, count, start_at, end_at, zone)
        if ways:
            _, unit, quantity = min(ways)
            sums[unit] = sums.get(unit, 0) + quantity
    return tuple(
        Line(
            code=f"stay_{unit.value}",
            quantity=sums[unit],
            unit_cents=grid[unit],
            amount_cents=cents(grid[unit] * sums[unit]),
            resource_id=thing_id,
        )
        for unit in StayUnit
        if unit in sums
    )


def _ways(
    grid: Mapping[StayUnit, int], day: date, count: int, start_at: datetime, end_at: datetime, zone: ZoneInfo
) -> list[tuple[float, StayUnit, float]]:
    """What the part that lies in `day` would cost by each unit there is a price for, and how many of it."""
    begin, finish = house.midnights(day, zone)
    inside_s = (min(end_at, finish) - max(start_at, begin)).total_seconds()
    quantity = {
        StayUnit.HOUR: ceil(inside_s / _STEP_S) * _STEP_S / 3600,
        StayUnit.HALF_DAY: float(count),
        StayUnit.DAY: 1.0,
    }
    return [(grid[unit] * quantity[unit], unit, quantity[unit]) for unit in StayUnit if unit in grid]


def lines_of(
    uow: UnitOfWork,
    things: Collection[Stayed],
    audience: Audience,
    start_at: datetime,
    end_at: datetime,
    day: date,
) -> tuple[Line, ...]:
    """The same for several things, by the prices of `day`."""
    wanted = [thing for thing in things if thing.kind in PRICED]
    if not wanted:
        return ()
    rows, zone = prices(uow, day), house.zone(uow)
    return tuple(
        line
        for thing in wanted
        for line in lines(thing.id, grid(thing, audience, rows), start_at, end_at, zone)
    )
