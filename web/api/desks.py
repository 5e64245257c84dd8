"""Coworking desks, passes and the day's occupancy as JSON: the same use cases as the pages."""

from __future__ import annotations

from datetime import date

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from fablab.base.database import Database, UnitOfWork
from fablab.claims import desks, occupancy
from fablab.claims.desks import DeskWish, Part, Pay
from fablab.claims.models import ClaimKind
from fablab.claims.occupancy import Taken
from fablab.money import passes
from fablab.money.passes import Pass, PassTariff
from fablab.people import standing
from fablab.people.access import SignedIn
from fablab.places import house
from fablab.places.models import ResourceKind
from web.api.reservations_schema import ReservationOut, reservation_out
from web.api.schema import At, PriceOut
from web.api.schema import price as price_out
from web.security import Access, Right
from web.words import Words


class TakeIn(msgspec.Struct, frozen=True, kw_only=True):
    """`desk` null: any free one. `pay`: any (a pass where one is good for it), pass or price. `key`: as of an order."""

    day: date
    part: Part
    desk: int | None = None
    pay: Pay = Pay.ANY
    member: int | None = None
    key: str | None = None


class OpeningOut(msgspec.Struct, frozen=True, kw_only=True):
    """`pass_id`: of the pass that would pay; `mine`: the reservation that one has then already."""

    part: Part
    start_at: At
    end_at: At
    free: int
    desks: int
    price: PriceOut | None
    pass_id: int | None
    mine: str | None


class PassTariffOut(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    partner: int | None
    name: str
    half_days: int
    months: int
    price_cents: int


class PassOut(msgspec.Struct, frozen=True, kw_only=True):
    """`left`: half-days that can still be used."""

    id: int
    member: int
    name: str
    half_days: int
    left: int
    price_cents: int
    due_cents: int
    first_day: date
    last_day: date


class BuyIn(msgspec.Struct, frozen=True, kw_only=True):
    tariff: int
    member: int | None = None


class TakenOut(msgspec.Struct, frozen=True, kw_only=True):
    """`start_at` to `end_at` with set-up and clearing; `title` and `who` where they are the reader's business."""

    kind: ClaimKind
    start_at: At
    end_at: At
    title: str
    who: str


class PlaceRowOut(msgspec.Struct, frozen=True, kw_only=True):
    resource: int
    name: str
    kind: ResourceKind
    partner: str
    free_now: bool
    until: At | None
    taken: tuple[TakenOut, ...]


class OccupancyOut(msgspec.Struct, frozen=True, kw_only=True):
    day: date
    open: tuple[tuple[At, At], ...]
    rows: tuple[PlaceRowOut, ...]


@get("/desks", access=Right.SUBMIT, sync_to_thread=True, tags=["desks"])
def openings(
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    words: NamedDependency[Words],
    day: FromQuery[date | None] = None,
) -> tuple[OpeningOut, ...]:
    """What can be had of a day (none: today): mornings, afternoons, and the whole day where the house does not shut."""
    with database.read(signed_in.actor) as uow:
        found = desks.openings(uow, day or house.today(uow), signed_in.member_id)
        return tuple(
            OpeningOut(
                part=each.part,
                start_at=each.start_at,
                end_at=each.end_at,
                free=each.free,
                desks=each.desks,
                price=price_out(each.quote, words),
                pass_id=each.ticket.id if each.ticket is not None else None,
                mine=each.mine,
            )
            for each in found
        )


@post("/desks", access=Right.SUBMIT, sync_to_thread=True, tags=["desks"])
def take(
    data: JSONBody[TakeIn], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> ReservationOut:
    """A desk for a part of a day: a reservation like any other, cancelled and moved as one."""
    wish = DeskWish(
        day=data.day,
        part=data.part,
        desk_id=data.desk,
        pay=data.pay,
        member_id=data.member,
        key=data.key,
    )
    return database.write(lambda uow: reservation_out(desks.take(uow, wish)), signed_in.actor)


@get("/occupancy", access=Access.SIGNED_IN, sync_to_thread=True, tags=["desks"])
def of_day(
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    day: FromQuery[date | None] = None,
) -> OccupancyOut:
    """All desks and rooms of a day (none: today)."""
    with database.read(signed_in.actor) as uow:
        found = occupancy.of_day(uow, day or house.today(uow))
        return OccupancyOut(
            day=found.day,
            open=tuple((span.start, span.end) for span in found.open),
            rows=tuple(
                PlaceRowOut(
                    resource=row.thing.id,
                    name=row.thing.name,
                    kind=row.thing.kind,
                    partner=row.partner,
                    free_now=row.now is None,
                    until=row.until,
                    taken=tuple(_taken(each) for each in row.taken),
                )
                for row in found.rows
            ),
        )


@get("/passes/tariffs", access=Access.SIGNED_IN, sync_to_thread=True, tags=["desks"])
def tariffs(
    database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> tuple[PassTariffOut, ...]:
    """What one can buy oneself."""
    with database.read(signed_in.actor) as uow:
        member = standing.get(uow, signed_in.member_id)
        return tuple(tariff_out(row) for row in passes.tariffs(uow, member.audience))


@get("/passes", access=Access.SIGNED_IN, sync_to_thread=True, tags=["desks"])
def mine(database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]) -> tuple[PassOut, ...]:
    """One's own, the one that ends first first."""
    with database.read(signed_in.actor) as uow:
        return tuple(_pass(uow, row) for row in passes.of_member(uow, signed_in.member_id))


@post("/passes", access=Right.SUBMIT, sync_to_thread=True, tags=["desks"])
def buy(
    data: JSONBody[BuyIn], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> PassOut:
    """It counts at once, and is paid at the desk."""
    return database.write(
        lambda uow: _pass(uow, passes.buy(uow, data.tariff, member_id=data.member)), signed_in.actor
    )


@post(
    "/passes/{pass_id:int}/settle", access=Right.OPERATE, sync_to_thread=True, status_code=200, tags=["desks"]
)
def settle(
    pass_id: FromPath[int], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> PassOut:
    """Paid at the desk."""
    return database.write(lambda uow: _pass(uow, passes.settle(uow, pass_id)), signed_in.actor)


@post(
    "/passes/{pass_id:int}/cancel", access=Right.SUBMIT, sync_to_thread=True, status_code=200, tags=["desks"]
)
def cancel(
    pass_id: FromPath[int], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> PassOut:
    """One of which nothing is used."""
    return database.write(lambda uow: _pass(uow, passes.cancel(uow, pass_id)), signed_in.actor)


def tariff_out(row: PassTariff) -> PassTariffOut:
    return PassTariffOut(
        id=row.id,
        partner=row.partner_id,
        name=row.name,
        half_days=row.half_days,
        months=row.months,
        price_cents=row.price_cents,
    )


def _pass(uow: UnitOfWork, row: Pass) -> PassOut:
    return PassOut(
        id=row.id,
        member=row.member_id,
        name=row.name,
        half_days=row.half_days,
        left=row.half_days - passes.used(uow, [row.id]).get(row.id, 0),
        price_cents=row.price_cents,
        due_cents=row.due_cents,
        first_day=row.first_day,
        last_day=row.last_day,
    )


def _taken(each: Taken) -> TakenOut:
    return TakenOut(
        kind=each.kind, start_at=each.held.start, end_at=each.held.end, title=each.title, who=each.who
    )


ROUTES = (openings, take, of_day, tariffs, mine, buy, settle, cancel)
