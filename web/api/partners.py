"""Partners and their part of the house as JSON: things, tariffs, report, export. One rights function answers for all."""

from __future__ import annotations

from datetime import date

import msgspec
from litestar import Response, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from fablab.base.database import Database
from fablab.base.errors import Invalid
from fablab.claims import parts
from fablab.claims.workshops import catalogue
from fablab.money import passes, stays
from fablab.money.passes import PassWish
from fablab.money.stays import StayPrice, StayUnit, StayWish
from fablab.people import partners
from fablab.people.access import SignedIn
from fablab.people.models import Audience
from fablab.people.partners import Partner
from fablab.places import house
from fablab.places.models import Resource, ResourceKind
from fablab.reports import leaving
from fablab.reports import partners as report
from fablab.reports.partners import Line
from web.api.desks import PassTariffOut, tariff_out
from web.security import Right


class PartnerOut(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    name: str
    since: date
    until: date | None


class ThingIn(msgspec.Struct, frozen=True, kw_only=True):
    """`home`: the room that a kit is offered with; `public`: anybody may ask for the room."""

    name: str
    kind: ResourceKind = ResourceKind.ROOM
    seats: int | None = None
    setup_min: int = 0
    clear_min: int = 0
    public: bool = False
    equipment: tuple[str, ...] = ()
    home: int | None = None
    note: str = ""


class ThingOut(ThingIn, frozen=True, kw_only=True):
    id: int
    partner: int | None


class HandOnIn(msgspec.Struct, frozen=True, kw_only=True):
    """`partner` null: to the house."""

    partner: int | None = None


class StayIn(msgspec.Struct, frozen=True, kw_only=True):
    """Of `resource` and `kind` one."""

    unit: StayUnit
    price_cents: int
    resource: int | None = None
    kind: ResourceKind | None = None
    audience: Audience | None = None


class StayOut(StayIn, frozen=True, kw_only=True):
    id: int


class PassIn(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    half_days: int
    price_cents: int
    months: int = 12
    audience: Audience | None = None


class OfferOut(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    slug: str
    title: dict[str, str]
    active: bool
    public: bool


class PartOut(msgspec.Struct, frozen=True, kw_only=True):
    """All of a part: things, offers, tariffs."""

    partner: PartnerOut
    things: tuple[ThingOut, ...]
    offers: tuple[OfferOut, ...]
    stay_prices: tuple[StayOut, ...]
    pass_tariffs: tuple[PassTariffOut, ...]


class LineOut(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    uses: int
    hours: float
    charged_cents: int


class ReportOut(msgspec.Struct, frozen=True, kw_only=True):
    first_day: date
    last_day: date
    hours: float
    charged_cents: int
    passes: int
    sold_cents: int
    due_cents: int
    by_resource: tuple[LineOut, ...]
    by_audience: dict[str, LineOut]


@get("/partners", access=Right.PARTNER, sync_to_thread=True, tags=["partners"])
def mine(database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]) -> tuple[PartnerOut, ...]:
    """Those for which one speaks; an administrator all of them."""
    with database.read(signed_in.actor) as uow:
        return tuple(_partner(row) for row in partners.seen(uow))


@put("/partners/{partner:int}", access=Right.MANAGE, sync_to_thread=True, tags=["partners"])
def begin(
    partner: FromPath[int], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> PartnerOut:
    """This organisation runs a part of the house from today on."""
    return database.write(lambda uow: _partner(partners.begin(uow, partner)), signed_in.actor)


@delete(
    "/partners/{partner:int}", access=Right.MANAGE, sync_to_thread=True, status_code=200, tags=["partners"]
)
def leave(
    partner: FromPath[int], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> PartnerOut:
    """Today is its last day; its managers may still take its data along."""
    return database.write(lambda uow: _partner(partners.leave(uow, partner)), signed_in.actor)


@get("/partners/{partner:int}", access=Right.PARTNER, sync_to_thread=True, tags=["partners"])
def part(
    partner: FromPath[int], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> PartOut:
    with database.read(signed_in.actor) as uow:
        partners.require_sight(uow, partner)
        return PartOut(
            partner=_partner(partners.get(uow, partner)),
            things=tuple(_thing(row) for row in parts.of(uow, partner)),
            offers=tuple(
                OfferOut(id=row.id, slug=row.slug, title=row.title, active=row.active, public=row.public)
                for row in catalogue.of_partner(uow, partner)
            ),
            stay_prices=tuple(
                _stay(row) for row in stays.prices(uow, house.today(uow)) if row.partner_id == partner
            ),
            pass_tariffs=tuple(tariff_out(row) for row in passes.tariffs(uow) if row.partner_id == partner),
        )


@post("/partners/{partner:int}/things", access=Right.PARTNER, sync_to_thread=True, tags=["partners"])
def add_thing(
    partner: FromPath[int],
    data: JSONBody[ThingIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> ThingOut:
    """A room, a desk or a kit."""
    return database.write(
        lambda uow: _thing(parts.add(uow, partner, data.kind, _said(data))), signed_in.actor
    )


@put("/things/{thing:int}", access=Right.PARTNER, sync_to_thread=True, tags=["partners"])
def edit_thing(
    thing: FromPath[int],
    data: JSONBody[ThingIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> ThingOut:
    """All of it at once; its kind stays."""
    return database.write(lambda uow: _thing(parts.edit(uow, thing, _said(data))), signed_in.actor)


@delete("/things/{thing:int}", access=Right.PARTNER, sync_to_thread=True, status_code=200, tags=["partners"])
def retire_thing(
    thing: FromPath[int], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> ThingOut:
    return database.write(lambda uow: _thing(parts.retire(uow, thing)), signed_in.actor)


@post(
    "/things/{thing:int}/partner",
    access=Right.MANAGE,
    sync_to_thread=True,
    status_code=200,
    tags=["partners"],
)
def hand_on(
    thing: FromPath[int],
    data: JSONBody[HandOnIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> ThingOut:
    """To another partner, or to the house; machines too."""
    return database.write(lambda uow: _thing(parts.hand_on(uow, thing, data.partner)), signed_in.actor)


@post("/partners/{partner:int}/stays", access=Right.PARTNER, sync_to_thread=True, tags=["partners"])
def set_stay(
    partner: FromPath[int],
    data: JSONBody[StayIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> StayOut:
    """A price from today on, of one thing or of all of a kind that the partner has."""
    wish = StayWish(
        unit=data.unit,
        price_cents=data.price_cents,
        partner_id=partner,
        resource_id=data.resource,
        kind=data.kind,
        audience=data.audience,
    )
    return database.write(lambda uow: _stay(stays.price(uow, wish)), signed_in.actor)


@delete("/stays/{price:int}", access=Right.PARTNER, sync_to_thread=True, tags=["partners"])
def end_stay(
    price: FromPath[int], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> None:
    database.write(lambda uow: stays.end(uow, price), signed_in.actor)


@post("/partners/{partner:int}/passes", access=Right.PARTNER, sync_to_thread=True, tags=["partners"])
def add_pass(
    partner: FromPath[int],
    data: JSONBody[PassIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> PassTariffOut:
    wish = PassWish(
        name=data.name,
        half_days=data.half_days,
        price_cents=data.price_cents,
        months=data.months,
        audience=data.audience,
        partner_id=partner,
    )
    return database.write(lambda uow: tariff_out(passes.add_tariff(uow, wish)), signed_in.actor)


@delete("/pass-tariffs/{tariff:int}", access=Right.PARTNER, sync_to_thread=True, tags=["partners"])
def end_pass(
    tariff: FromPath[int], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> None:
    database.write(lambda uow: passes.end_tariff(uow, tariff), signed_in.actor)


@get("/partners/{partner:int}/report", access=Right.PARTNER, sync_to_thread=True, tags=["partners"])
def report_of(
    partner: FromPath[int],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    since: FromQuery[date | None] = None,
    until: FromQuery[date | None] = None,
) -> ReportOut:
    """Use and charges of its things, both days included; none: this year until today."""
    with database.read(signed_in.actor) as uow:
        last = until or house.today(uow)
        first = since or last.replace(month=1, day=1)
        if first > last:
            raise Invalid("time.wrong", field="since", text=first.isoformat())
        found = report.report(uow, partner, first, last)
    return ReportOut(
        first_day=found.first_day,
        last_day=found.last_day,
        hours=round(found.hours, 2),
        charged_cents=found.charged_cents,
        passes=found.passes,
        sold_cents=found.sold_cents,
        due_cents=found.due_cents,
        by_resource=tuple(_line(line) for line in found.by_resource),
        by_audience={audience.value: _line(line) for audience, line in found.by_audience.items()},
    )


@get("/partners/{partner:int}/export", access=Right.PARTNER, sync_to_thread=True, tags=["partners"])
def export(
    partner: FromPath[int], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> Response[bytes]:
    """All of its data as one zip: CSV and JSON."""
    return zipped(database.write(lambda uow: leaving.export(uow, partner), signed_in.actor), partner)


def zipped(body: bytes, partner: int) -> Response[bytes]:
    headers = {
        "Content-Disposition": f'attachment; filename="partner-{partner}.zip"',
        "Cache-Control": "no-store",
    }
    return Response(body, media_type="application/zip", headers=headers)


def _partner(row: Partner) -> PartnerOut:
    return PartnerOut(id=row.organisation_id, name=row.name, since=row.since, until=row.until)


def _said(data: ThingIn) -> parts.Thing:
    return parts.Thing(
        name=data.name,
        seats=data.seats,
        setup_min=data.setup_min,
        clear_min=data.clear_min,
        public=data.public,
        equipment=data.equipment,
        home_id=data.home,
        note=data.note,
    )


def _thing(row: Resource) -> ThingOut:
    return ThingOut(
        id=row.id,
        partner=row.partner_id,
        kind=row.kind,
        name=row.name,
        seats=row.seats,
        setup_min=row.setup_min,
        clear_min=row.clear_min,
        public=row.public,
        equipment=tuple(row.equipment),
        home=row.home_id,
        note=row.note,
    )


def _stay(row: StayPrice) -> StayOut:
    return StayOut(
        id=row.id,
        unit=row.unit,
        price_cents=row.price_cents,
        resource=row.resource_id,
        kind=row.kind,
        audience=row.audience,
    )


def _line(line: Line) -> LineOut:
    return LineOut(
        name=line.name, uses=line.uses, hours=round(line.hours, 2), charged_cents=line.charged_cents
    )


ROUTES = (
    mine,
    begin,
    leave,
    part,
    add_thing,
    edit_thing,
    retire_thing,
    hand_on,
    set_stay,
    end_stay,
    add_pass,
    end_pass,
    report_of,
    export,
)
