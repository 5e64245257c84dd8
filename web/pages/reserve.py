"""Reserving in four screens: what and when, the best times, everything before the button is pressed, and then it is held.

What is filled in travels in the address, so that going back, coming back and taking another time lose nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

from litestar import Response, get

from fablab.base.database import UnitOfWork
from fablab.base.errors import Invalid, Refusal, Refused
from fablab.base.intervals import merge
from fablab.people.models import Member
from fablab.places import house
from fablab.places.models import Resource, ResourceKind
from scheduler.reserving import Kind, Reserving, ReservingOffer, Wanted, reach
from web.pages import reserve_people as people
from web.pages import show_reserve as show
from web.pages import show_reserve_day as show_day
from web.pages.eyes import Eyes
from web.pages.reserve_form import (
    AHEAD,
    Asking,
    Thing,
    address,
    asking,
    carried,
    day_of,
    midnight,
)
from web.pages.reserve_model import BestView, OptionsView, PickView
from web.pages.shell import AnyRequest, Desk, desk_of
from web.security import Right

KINDS = frozenset({ResourceKind.MACHINE, ResourceKind.DESK, ResourceKind.ROOM})
BEST = 4
#: Which field of the third screen an order's field is.
FIELDS = {"start_at": "start", "end_at": "end", "resource_ids": "resources", "unattended_from": "setup"}


def reserving_of(desk: Desk) -> Reserving:
    return Reserving(database=desk.database)


# ---- what and when ----


@get("/reserve", access=Right.SUBMIT, include_in_schema=False, sync_to_thread=True)
def what(request: AnyRequest) -> Response[str]:
    desk = desk_of(request)
    form = dict(request.query_params)
    with desk.look() as (_, eyes, _):
        asked = asking(form, eyes.now, desk.words.formats.zone)
    return _ask(desk, asked, {}, is_fresh=True)


def _ask(
    desk: Desk, asked: Asking, more: Mapping[str, str], *, is_fresh: bool = False, status: int = 200
) -> Response[str]:
    with desk.look() as (uow, eyes, _):
        resources = house.resources(uow, KINDS)
        member = people.whom(uow, asked.for_id)
        found = people.search(uow, asked.texts.get("who", ""))
        looked = bool(asked.texts.get("who")) and not found
        view = show.ask(
            eyes,
            asked,
            resources,
            people.why_not(uow, member, resources),
            people.hour_cents(uow, member, resources),
            errors={**asked.errors, **more},
            person=people.person(member) if asked.for_id is not None and member is not None else None,
            found=found,
            is_fresh=is_fresh,
        )
        if looked:
            view.errors["who"] = desk.words.say("reserve.nobody")
    return desk.page("reserve.html", ask=view, status=status)


# ---- the best times ----


@get("/reserve/options", access=Right.SUBMIT, include_in_schema=False, sync_to_thread=True)
def options(request: AnyRequest) -> Response[str]:
    desk = desk_of(request)
    with desk.look() as (_, eyes, _):
        asked = asking(dict(request.query_params), eyes.now, desk.words.formats.zone)
    if asked.errors:
        return _ask(desk, asked, {}, status=422)
    try:
        view = _options(desk, asked)
    except Invalid as error:
        return _ask(desk, asked, {error.field or "what": error.code}, status=422)
    return desk.page("reserve_options.html", opt=view)


def _options(desk: Desk, asked: Asking) -> OptionsView:
    assert asked.thing is not None
    refusals: tuple[Refusal, ...] = ()
    offers: tuple[ReservingOffer, ...] = ()
    try:
        offers = _offers(desk, asked, BEST)
    except Refused as error:
        refusals = error.refusals
    with desk.look() as (uow, eyes, _):
        names = {row.id: row for row in house.resources(uow, KINDS)}
        member = people.whom(uow, asked.for_id)
        things = _things(names, asked.thing)
        if not things:
            raise Invalid("reserve.what", field="what")
        why = people.why_not(uow, member, things)
        if not offers and not refusals and all(why.get(row.id) for row in things):
            refusals = why[things[0].id]
        best = tuple(best_of(uow, eyes, asked.texts, names, member, offer) for offer in offers)
        return OptionsView(
            what=show.what(eyes, asked.thing, names),
            length_s=int(asked.length.total_seconds()),
            when=show.when(eyes, asked),
            change=address("/reserve", carried(asked.texts)),
            best=best,
            pick=_pick(desk, uow, eyes, asked, things, why, offers),
            refusals=show.said_refusals(eyes, refusals),
            training=show.training(eyes, refusals),
            hints=() if offers or refusals else _hints(eyes, asked),
            for_name=member.name if asked.for_id is not None and member is not None else "",
        )


def _things(names: Mapping[int, Resource], thing: Thing) -> list[Resource]:
    if thing.resource_id is not None:
        return [names[thing.resource_id]] if thing.resource_id in names else []
    return [row for row in names.values() if row.kind is thing.kind and row.technology is thing.technology]


def _offers(desk: Desk, asked: Asking, n: int) -> tuple[ReservingOffer, ...]:
    thing = asked.thing
    assert thing is not None
    wanted = Wanted(
        kind=thing.kind,
        technology=thing.technology,
        resource_ids=(thing.resource_id,) if thing.resource_id is not None else (),
        seats=_party(asked.texts) if thing.kind is ResourceKind.ROOM else 0,
    )
    kind = Kind(
        wanted=(wanted,),
        duration_s=int(asked.length.total_seconds()),
        since=asked.since,
        until=asked.until,
        member_id=asked.for_id,
    )
    return reserving_of(desk).options(desk.actor, kind, n)


def _party(texts: Mapping[str, str]) -> int:
    said = texts.get("party", "")
    return int(said) if said.isascii() and said.isdecimal() and len(said) < 4 else 0


def best_of(
    uow: UnitOfWork,
    eyes: Eyes,
    texts: Mapping[str, str],
    names: Mapping[int, Resource],
    member: Member | None,
    offer: ReservingOffer,
    *,
    is_taken_at_once: bool = False,
) -> BestView:
    quote = people.quote(
        uow, member, [names.get(each) for each in offer.resource_ids], offer.start_at, offer.end_at
    )
    href = (
        show.take(offer)
        if is_taken_at_once
        else show.confirm_address(texts, offer.resource_ids, offer.start_at, offer.end_at)
    )
    return show.best(eyes, offer, quote, href)


def _hints(eyes: Eyes, asked: Asking) -> tuple[tuple[str, str], ...]:
    """Other wishes that are one tap away: half the time, any day, any machine of the kind."""
    texts, found = dict(asked.texts), []
    half = asked.length / 2
    if half >= timedelta(minutes=30):
        minutes = str(round(half.total_seconds() / 60))
        fields = carried({**texts, "length": minutes}, "length_h", "length_min")
        label = eyes.words.duration(half.total_seconds())
        found.append((label, address("/reserve/options", fields)))
    if asked.when != "soon":
        fields = carried({**texts, "when": "soon"}, "day", "from", "until")
        found.append((eyes.words.word("reserve_when", "soon"), address("/reserve/options", fields)))
    return tuple(found)


def _pick(
    desk: Desk,
    uow: UnitOfWork,
    eyes: Eyes,
    asked: Asking,
    things: Sequence[Resource],
    why: show.Why,
    offers: Sequence[ReservingOffer],
) -> PickView:
    zone, texts = desk.words.formats.zone, asked.texts
    today = eyes.now.astimezone(zone).date()
    first = max(today, asked.since.astimezone(zone).date())
    chosen = day_of(desk.request.query_params.get("pick", ""))
    if chosen is None or not today <= chosen <= today + AHEAD * 30:
        chosen = offers[0].start_at.astimezone(zone).date() if offers else first
    while chosen < first or chosen >= first + timedelta(days=show_day.DAYS):
        first += timedelta(days=show_day.DAYS if chosen > first else -show_day.DAYS)
    days = [max(today, first) + timedelta(days=k) for k in range(show_day.DAYS)]
    begin, end = midnight(chosen, zone), midnight(chosen + timedelta(days=1), zone)
    usual = house.calendar(uow).open.between(
        midnight(days[0], zone), midnight(days[-1] + timedelta(days=1), zone)
    )
    rooms = reach.rooms(uow, things, begin, end + asked.length)
    hours = house.calendars(uow)
    shown = merge(span for row in things for span in hours.get(row.id, hours[None]).open.between(begin, end))
    barred = {name for name, rows in why.items() if any(not each.waivable for each in rows)}
    rooms = tuple(room for room in rooms if room.resource_id not in barred)
    fields = dict(carried(texts))

    def day_href(day: date) -> str:
        return address("/reserve/options", {**fields, "pick": day.isoformat()}.items())

    def href(resource_ids: tuple[int, ...], start: datetime) -> str:
        return show.confirm_address(texts, resource_ids, start, start + asked.length)

    opens = {
        day: any(
            span.start < midnight(day + timedelta(days=1), zone) and span.end > midnight(day, zone)
            for span in usual
        )
        for day in days
    }
    return show_day.pick(
        eyes,
        rooms,
        shown,
        day=chosen,
        length=asked.length,
        zone=zone,
        href=href,
        day_href=day_href,
        opens=opens,
    )


ROUTES = (what, options)
