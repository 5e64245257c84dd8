"""Partners: the list for an administrator, and the page of one for whoever runs it: things, offers, tariffs, use, export."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from litestar import Response, get, post
from litestar.params import FromPath

from fablab.base.database import UnitOfWork
from fablab.base.errors import Invalid
from fablab.claims import parts
from fablab.claims.workshops import catalogue
from fablab.claims.workshops.offer import in_language
from fablab.money import passes, stays
from fablab.money.passes import PassTariff, PassWish
from fablab.money.stays import StayPrice, StayUnit, StayWish
from fablab.people import organisations, partners
from fablab.people.access import Right, allows
from fablab.people.models import Audience
from fablab.places import house
from fablab.places.models import Resource, ResourceKind
from fablab.reports import leaving
from fablab.reports import partners as reports
from fablab.reports.partners import Line
from web.api.partners import zipped
from web.pages.eyes import Eyes
from web.pages.people_forms import (
    Form,
    Show,
    cents_in,
    change,
    done_in,
    maybe_number_in,
    number_in,
    one_of,
    options,
)
from web.pages.people_model import Option, Trouble
from web.pages.shell import AnyRequest, Desk, desk_of, in_thread
from web.security import Right as Needs

LIST = "/partners"


@dataclass(frozen=True, slots=True, kw_only=True)
class ThingView:
    id: int
    name: str
    kind: str
    meta: tuple[str, ...]
    may_edit: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceView:
    id: int
    what: str
    unit: str
    whom: str
    price: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LineView:
    name: str
    uses: int
    hours: str
    charged: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportView:
    first_day: date
    last_day: date
    hours: str
    charged: str
    sold: str
    due: str
    by_resource: tuple[LineView, ...]
    by_audience: tuple[LineView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartView:
    """`runs`: may change what is here, and not only read it."""

    id: int
    name: str
    since: date
    until: date | None
    runs: bool
    is_admin: bool
    things: tuple[ThingView, ...]
    offers: tuple[tuple[str, str, bool], ...]
    prices: tuple[PriceView, ...]
    tickets: tuple[PriceView, ...]
    report: ReportView
    rooms: tuple[Option, ...]
    priced: tuple[Option, ...]


@get(LIST, access=Needs.PARTNER, include_in_schema=False, sync_to_thread=True)
def show_list(request: AnyRequest) -> Response[str]:
    return _list(desk_of(request), None)


def _list(desk: Desk, wrong: Trouble | None) -> Response[str]:
    is_admin = allows(desk.actor, Right.MANAGE)
    with desk.look() as (uow, _, _stock):
        rows = [(row.organisation_id, row.name, row.since, row.until) for row in partners.seen(uow)]
        there = {row[0] for row in rows}
        others = tuple(
            Option(value=str(row.id), label=row.name)
            for row, _count in (organisations.everyone(uow) if is_admin else [])
            if row.id not in there and row.closed_at is None
        )
    return desk.page(
        "partners.html",
        status=422 if wrong else 200,
        rows=rows,
        others=others,
        is_admin=is_admin,
        trouble=wrong,
        flashes=done_in(desk.request, desk.words),
    )


@post(LIST, access=Needs.MANAGE, include_in_schema=False)
async def begin(request: AnyRequest) -> Response[str]:
    def work(uow: UnitOfWork, form: Form) -> object:
        return partners.begin(uow, number_in(form, "organisation")).organisation_id

    return await change(request, "new", work, _list, lambda made: f"{LIST}/{made}", "saved")


@get(f"{LIST}/{{partner:int}}", access=Needs.PARTNER, include_in_schema=False, sync_to_thread=True)
def show(request: AnyRequest, partner: FromPath[int]) -> Response[str]:
    return _show(partner)(desk_of(request), None)


def _show(partner_id: int) -> Show:
    def draw(desk: Desk, wrong: Trouble | None) -> Response[str]:
        query = desk.request.query_params
        with desk.look() as (uow, eyes, _):
            partners.require_sight(uow, partner_id)
            today = house.today(uow)
            first, last = _between(query.get("since", ""), query.get("until", ""), today)
            view = _view(uow, eyes, partner_id, first, last)
        return desk.page(
            "partner.html",
            status=422 if wrong else 200,
            view=view,
            trouble=wrong,
            audiences=options(desk.words, Audience, "audience"),
            kinds=tuple(
                Option(value=each.value, label=desk.words.word("resource_kind", each)) for each in parts.KINDS
            ),
            units=options(desk.words, StayUnit, "stay_unit"),
            flashes=done_in(desk.request, desk.words),
        )

    return draw


def _between(since: str, until: str, today: date) -> tuple[date, date]:
    try:
        first, last = date.fromisoformat(since[:10]), date.fromisoformat(until[:10])
    except ValueError:
        return today.replace(month=1, day=1), today
    return (first, last) if first <= last else (last, first)


@post(f"{LIST}/{{partner:int}}/end", access=Needs.MANAGE, include_in_schema=False)
async def end(request: AnyRequest, partner: FromPath[int]) -> Response[str]:
    return await _do(request, partner, "part", lambda uow, form: partners.leave(uow, partner))


@post(f"{LIST}/{{partner:int}}/begin", access=Needs.MANAGE, include_in_schema=False)
async def begin_again(request: AnyRequest, partner: FromPath[int]) -> Response[str]:
    return await _do(request, partner, "part", lambda uow, form: partners.begin(uow, partner))


@post(f"{LIST}/{{partner:int}}/things", access=Needs.PARTNER, include_in_schema=False)
async def add_thing(request: AnyRequest, partner: FromPath[int]) -> Response[str]:
    return await _do(
        request,
        partner,
        "thing",
        lambda uow, form: parts.add(uow, partner, one_of(ResourceKind, form, "kind"), _said(form)),
        "#things",
    )


@post(f"{LIST}/{{partner:int}}/stays", access=Needs.PARTNER, include_in_schema=False)
async def set_stay(request: AnyRequest, partner: FromPath[int]) -> Response[str]:
    def work(uow: UnitOfWork, form: Form) -> object:
        kind, _, thing = form.get("what", "").partition(":")
        return stays.price(
            uow,
            StayWish(
                unit=one_of(StayUnit, form, "unit"),
                price_cents=cents_in(form, "price"),
                partner_id=partner,
                resource_id=_id(thing) if kind == "thing" else None,
                kind=None if kind == "thing" else one_of(ResourceKind, {"what": kind}, "what"),
                audience=one_of(Audience, form, "audience") if form.get("audience") else None,
            ),
        )

    return await _do(request, partner, "stay", work, "#tariffs")


@post(f"{LIST}/{{partner:int}}/passes", access=Needs.PARTNER, include_in_schema=False)
async def add_pass(request: AnyRequest, partner: FromPath[int]) -> Response[str]:
    def work(uow: UnitOfWork, form: Form) -> object:
        wish = PassWish(
            name=form.get("name", "")[:300],
            half_days=number_in(form, "half_days"),
            price_cents=cents_in(form, "price"),
            partner_id=partner,
        )
        return passes.add_tariff(uow, wish)

    return await _do(request, partner, "pass", work, "#tariffs")


@post("/stays/{price:int}/end", access=Needs.PARTNER, include_in_schema=False)
async def end_stay(request: AnyRequest, price: FromPath[int]) -> Response[str]:
    return await change(
        request,
        "stay",
        lambda uow, form: stays.end(uow, price),
        _list,
        lambda part: f"{LIST}/{part}#tariffs" if part else LIST,
        "saved",
    )


@post("/pass-tariffs/{tariff:int}/end", access=Needs.PARTNER, include_in_schema=False)
async def end_pass(request: AnyRequest, tariff: FromPath[int]) -> Response[str]:
    def work(uow: UnitOfWork, form: Form) -> object:
        return passes.end_tariff(uow, tariff).partner_id

    return await change(
        request, "pass", work, _list, lambda part: f"{LIST}/{part}#tariffs" if part else LIST, "saved"
    )


@get("/things/{thing:int}", access=Needs.PARTNER, include_in_schema=False, sync_to_thread=True)
def show_thing(request: AnyRequest, thing: FromPath[int]) -> Response[str]:
    return _thing_page(thing)(desk_of(request), None)


def _thing_page(thing_id: int) -> Show:
    def draw(desk: Desk, wrong: Trouble | None) -> Response[str]:
        is_admin = allows(desk.actor, Right.MANAGE)
        with desk.look() as (uow, eyes, _):
            row = partners.require_thing(uow, thing_id)
            view: Mapping[str, object] = {
                "id": row.id,
                "name": row.name,
                "kind": row.kind.value,
                "kind_word": eyes.words.word("resource_kind", row.kind),
                "seats": row.seats or "",
                "setup_min": row.setup_min,
                "clear_min": row.clear_min,
                "public": row.public,
                "equipment": ", ".join(row.equipment),
                "note": row.note,
                "home": str(row.home_id or ""),
                "partner": str(row.partner_id or ""),
                "may_edit": row.kind in parts.KINDS,
            }
            rooms = _rooms(uow, row.partner_id)
            everyone = tuple(
                Option(value=str(each.organisation_id), label=each.name)
                for each in (partners.everyone(uow) if is_admin else [])
            )
        return desk.page(
            "thing.html",
            status=422 if wrong else 200,
            view=view,
            rooms=rooms,
            partners=everyone,
            is_admin=is_admin,
            trouble=wrong,
            flashes=done_in(desk.request, desk.words),
        )

    return draw


@post("/things/{thing:int}", access=Needs.PARTNER, include_in_schema=False)
async def edit_thing(request: AnyRequest, thing: FromPath[int]) -> Response[str]:
    def work(uow: UnitOfWork, form: Form) -> object:
        return parts.edit(uow, thing, _said(form))

    return await change(request, "thing", work, _thing_page(thing), f"/things/{thing}", "saved")


@post("/things/{thing:int}/retire", access=Needs.PARTNER, include_in_schema=False)
async def retire_thing(request: AnyRequest, thing: FromPath[int]) -> Response[str]:
    def work(uow: UnitOfWork, form: Form) -> object:
        return parts.retire(uow, thing).partner_id

    return await change(
        request,
        "retire",
        work,
        _thing_page(thing),
        lambda part: f"{LIST}/{part}#things" if part else LIST,
        "saved",
    )


@post("/things/{thing:int}/partner", access=Needs.MANAGE, include_in_schema=False)
async def hand_on(request: AnyRequest, thing: FromPath[int]) -> Response[str]:
    def work(uow: UnitOfWork, form: Form) -> object:
        return parts.hand_on(uow, thing, maybe_number_in(form, "partner"))

    return await change(request, "hand_on", work, _thing_page(thing), f"/things/{thing}", "saved")


@get(f"{LIST}/{{partner:int}}/export", access=Needs.PARTNER, include_in_schema=False)
async def export(request: AnyRequest, partner: FromPath[int]) -> Response[bytes]:
    desk = desk_of(request)
    body = await in_thread(lambda: desk.database.write(lambda uow: leaving.export(uow, partner), desk.actor))
    return zipped(body, partner)


# --- as it is shown


def _view(uow: UnitOfWork, eyes: Eyes, partner_id: int, first: date, last: date) -> PartView:
    words, row = eyes.words, partners.get(uow, partner_id)
    things, runs = parts.of(uow, partner_id), partners.runs(uow, partner_id)
    names = {thing.id: thing.name for thing in things}
    language = words.language
    return PartView(
        id=partner_id,
        name=row.name,
        since=row.since,
        until=row.until,
        runs=runs,
        is_admin=allows(eyes.actor, Right.MANAGE),
        things=tuple(_thing(eyes, each, names, runs=runs) for each in things),
        offers=tuple(
            (in_language(each.title, language), each.slug, each.active)
            for each in catalogue.of_partner(uow, partner_id)
        ),
        prices=tuple(
            _price(eyes, each, names)
            for each in stays.prices(uow, house.today(uow))
            if each.partner_id == partner_id
        ),
        tickets=tuple(_ticket(eyes, each) for each in passes.tariffs(uow) if each.partner_id == partner_id),
        report=_report(uow, eyes, partner_id, first, last),
        rooms=_rooms(uow, partner_id),
        priced=(
            *(Option(value=each.value, label=words.word("all_of", each)) for each in stays.PRICED),
            *(
                Option(value=f"thing:{each.id}", label=each.name)
                for each in things
                if each.kind in stays.PRICED
            ),
        ),
    )


def _rooms(uow: UnitOfWork, partner_id: int | None) -> tuple[Option, ...]:
    return tuple(
        Option(value=str(each.id), label=each.name)
        for each in parts.of(uow, partner_id)
        if each.kind is ResourceKind.ROOM
    )


def _thing(eyes: Eyes, row: Resource, names: Mapping[int, str], *, runs: bool) -> ThingView:
    words = eyes.words
    seats = words.ngettext("%(num)s seat", "%(num)s seats", row.seats or 0) % {"num": row.seats}
    around = eyes.gettext("%(before)s min before, %(after)s min after")
    return ThingView(
        id=row.id,
        name=row.name,
        kind=words.word("resource_kind", row.kind),
        meta=tuple(
            filter(
                None,
                (
                    seats if row.seats else "",
                    around % {"before": row.setup_min, "after": row.clear_min}
                    if row.setup_min or row.clear_min
                    else "",
                    eyes.gettext("for everybody") if row.public else "",
                    names.get(row.home_id or 0, ""),
                    ", ".join(row.equipment),
                ),
            )
        ),
        may_edit=runs,
    )


def _price(eyes: Eyes, row: StayPrice, names: Mapping[int, str]) -> PriceView:
    words = eyes.words
    what = names.get(row.resource_id or 0, "") if row.kind is None else words.word("all_of", row.kind)
    return PriceView(
        id=row.id,
        what=what,
        unit=words.word("stay_unit", row.unit),
        whom=words.word("audience", row.audience) if row.audience else eyes.gettext("everybody"),
        price=words.money(row.price_cents),
    )


def _ticket(eyes: Eyes, row: PassTariff) -> PriceView:
    words = eyes.words
    half_days = words.ngettext("%(num)s half-day", "%(num)s half-days", row.half_days)
    return PriceView(
        id=row.id,
        what=row.name,
        unit=half_days % {"num": row.half_days},
        whom=words.word("audience", row.audience) if row.audience else eyes.gettext("everybody"),
        price=words.money(row.price_cents),
    )


def _report(uow: UnitOfWork, eyes: Eyes, partner_id: int, first: date, last: date) -> ReportView:
    found = reports.report(uow, partner_id, first, last)
    words = eyes.words

    def line(each: Line, name: str) -> LineView:
        return LineView(
            name=name,
            uses=each.uses,
            hours=words.decimal(round(each.hours, 1)),
            charged=words.money(each.charged_cents),
        )

    return ReportView(
        first_day=first,
        last_day=last,
        hours=words.decimal(round(found.hours, 1)),
        charged=words.money(found.charged_cents),
        sold=words.money(found.sold_cents),
        due=words.money(found.due_cents) if found.due_cents else "",
        by_resource=tuple(line(each, each.name) for each in found.by_resource),
        by_audience=tuple(
            line(each, words.word("audience", audience)) for audience, each in found.by_audience.items()
        ),
    )


# --- forms


async def _do(
    request: AnyRequest,
    partner: int,
    form_name: str,
    work: Callable[[UnitOfWork, Form], object],
    place: str = "",
) -> Response[str]:
    return await change(request, form_name, work, _show(partner), f"{LIST}/{partner}{place}", "saved")


def _said(form: Form) -> parts.Thing:
    return parts.Thing(
        name=form.get("name", "")[:300],
        seats=maybe_number_in(form, "seats"),
        setup_min=maybe_number_in(form, "setup_min") or 0,
        clear_min=maybe_number_in(form, "clear_min") or 0,
        public=form.get("public") == "1",
        equipment=tuple(form.get("equipment", "")[:800].split(",")),
        home_id=maybe_number_in(form, "home"),
        note=form.get("note", "")[:1000],
    )


def _id(said: str) -> int:
    if not (said.isascii() and said.isdecimal() and len(said) < 10):
        raise Invalid("choice.unknown", field="what")
    return int(said)


ROUTES = (
    show_list,
    begin,
    show,
    end,
    begin_again,
    add_thing,
    set_stay,
    add_pass,
    end_stay,
    end_pass,
    show_thing,
    edit_thing,
    retire_thing,
    hand_on,
    export,
)
