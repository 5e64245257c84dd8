"""Reserving, its last two screens: everything that would be so before the button is pressed, and the button."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from litestar import Response, get, post

from fablab.base.errors import Conflict, Invalid, LabError, NotFound, Refusal, Refused
from fablab.claims.reservations.use import Order, Repeat
from fablab.people import members
from fablab.places import house
from fablab.places.models import Resource, ResourceKind
from scheduler.planner.forecast import Forecast
from scheduler.reserving import Kind, ReservingOffer, Taken, Wanted
from scheduler.reserving.look import around, on
from web.pages import reserve_people as people
from web.pages import show_reserve as show
from web.pages.reserve import FIELDS, KINDS, best_of, reserving_of
from web.pages.reserve_form import (
    NEAR,
    Placing,
    exact,
    placing,
)
from web.pages.shell import AnyRequest, Desk, desk_of, go, in_thread
from web.security import Right

ALTERNATIVES = 3


# ---- before the button is pressed ----


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """Why the button was in vain."""

    refusals: tuple[Refusal, ...] = ()
    lost: str = ""
    offers: tuple[ReservingOffer, ...] = ()
    errors: Mapping[str, str] | None = None
    status: int = 200


@get("/reserve/confirm", access=Right.SUBMIT, include_in_schema=False, sync_to_thread=True)
def confirm(request: AnyRequest) -> Response[str]:
    desk = desk_of(request)
    placed = placing(
        {**request.query_params, "key": request.query_params.get("key") or secrets.token_hex(8)},
        request.query_params.getall("also", []),
        desk.words.formats.zone,
    )
    return _check(desk, placed, Against())


@post("/reserve/check", access=Right.SUBMIT, include_in_schema=False, status_code=200)
async def check(request: AnyRequest) -> Response[str]:
    """The same screen for what has been changed on it; nothing is held."""
    desk, placed = desk_of(request), await _placing(request)
    return await in_thread(_check, desk, placed, Against())


async def _placing(request: AnyRequest) -> Placing:
    form = await request.form()
    texts = {name: value for name, value in form.items() if isinstance(value, str)}
    ticked = [value for value in form.getall("also", []) if isinstance(value, str)]
    parts = texts.get("take", "").split("|")
    if len(parts) == 3:  # an alternative, with everything else as it was filled in
        texts |= {"resources": parts[0], "start": parts[1], "end": parts[2], "start_at": "", "end_at": ""}
        ticked = []
    return placing(texts, ticked, desk_of(request).words.formats.zone)


def _check(desk: Desk, placed: Placing, against: Against) -> Response[str]:
    if (
        placed.start_at is None
        or placed.end_at is None
        or placed.end_at <= placed.start_at
        or not placed.resource_ids
    ):
        placed, against = _mended(desk, placed, against)
    assert placed.start_at is not None
    assert placed.end_at is not None
    errors = {name: desk.words.say(code, placed.texts) for name, code in placed.errors.items()}
    errors |= against.errors or {}
    forecast, refusals = _forecast(desk, placed, against, errors)
    giving_way = _giving_way(desk, placed)
    offers = against.offers
    if not offers and (refusals or (forecast is not None and _blocked(forecast.refusals))):
        offers = _near(desk, placed)
    with desk.look() as (uow, eyes, _):
        names = {row.id: row for row in house.resources(uow, frozenset(ResourceKind))}
        member = people.whom(uow, placed.for_id)
        resources = [row for row in names.values() if row.kind in KINDS]
        why = people.why_not(uow, member, resources)
        held = on(
            uow,
            [row.id for row in resources],
            placed.start_at,
            placed.end_at,
            around=around(resources),
        )
        taken = {each.resource_id: True for each in held if not each.soft}
        view = show.confirm(
            eyes,
            placed,
            names,
            forecast,
            zone=desk.words.formats.zone,
            quote=people.quote(
                uow, member, [names.get(each) for each in placed.everything], placed.start_at, placed.end_at
            ),
            rules=people.rules(
                uow,
                eyes,
                member,
                [names[each] for each in placed.everything if each in names],
                placed.start_at,
            ),
            refusals=refusals,
            alternatives=tuple(
                best_of(uow, eyes, placed.texts, names, member, offer, is_taken_at_once=True)
                for offer in offers
            ),
            lost=against.lost,
            also=show.also(eyes, resources, taken, why, placed),
            projects=members.projects_of(uow, member.id) if member is not None else (),
            for_name=member.name if placed.for_id is not None and member is not None else "",
            giving_way=giving_way,
            errors=errors,
        )
    return desk.page("reserve_confirm.html", c=view, status=against.status)


def _mended(desk: Desk, placed: Placing, against: Against) -> tuple[Placing, Against]:
    """An address that somebody cut short: the times that can be read, or an hour from now."""
    if not placed.resource_ids:
        raise NotFound("resource.unknown")
    with desk.look() as (_, eyes, _):
        start = (
            placed.start_at
            or exact(placed.texts.get("start_at", ""))
            or show.round_up(eyes.now, timedelta(minutes=5))
        )
    end = placed.end_at if placed.end_at is not None and placed.end_at > start else start + timedelta(hours=1)
    return replace(placed, start_at=start, end_at=end), replace(against, status=422)


def _blocked(refusals: Sequence[Refusal]) -> bool:
    return any(not refusal.waivable for refusal in refusals)


def _forecast(
    desk: Desk, placed: Placing, against: Against, errors: dict[str, str]
) -> tuple[Forecast | None, tuple[Refusal, ...]]:
    if against.refusals or against.lost:
        return None, against.refusals
    try:
        return reserving_of(desk).forecast(desk.actor, order_of(placed)), ()
    except Refused as error:
        return None, error.refusals
    except Conflict as error:
        return None, (Refusal(code=error.code, facts=error.facts),)
    except Invalid as error:
        errors.setdefault(FIELDS.get(error.field or "", error.field or "start"), desk.words.error(error))
        return None, ()


def _giving_way(desk: Desk, placed: Placing) -> int | None:
    """How many planned jobs a series would move; None for a single one, and where what is asked cannot be at all."""
    if placed.weeks == 1:
        return None
    try:
        order = order_of(placed)
        return len(reserving_of(desk).in_the_way(desk.actor, order, Repeat(count=placed.weeks)))
    except LabError:
        return None


def _near(desk: Desk, placed: Placing) -> tuple[ReservingOffer, ...]:
    """What could be had instead: the same things near that time, or others of their kind."""
    assert placed.start_at is not None
    assert placed.end_at is not None
    with desk.look() as (uow, eyes, _):
        names = {row.id: row for row in house.resources(uow, KINDS)}
        now = eyes.now
    wanted = tuple(
        Wanted(
            kind=names[each].kind,
            technology=names[each].technology,
            resource_ids=same_kind(names, each, placed),
        )
        for each in placed.everything
        if each in names
    )
    if not wanted:
        return ()
    kind = Kind(
        wanted=wanted,
        duration_s=int((placed.end_at - placed.start_at).total_seconds()),
        since=max(now, placed.start_at - NEAR),
        until=placed.end_at + timedelta(days=7),
        near=placed.start_at,
        member_id=placed.for_id,
    )
    try:
        return reserving_of(desk).options(desk.actor, kind, ALTERNATIVES)
    except LabError:
        return ()  # nothing of the kind can be had by this person: the refusals above say why


def same_kind(names: Mapping[int, Resource], resource_id: int, placed: Placing) -> tuple[int, ...]:
    """Itself and what may stand in for it; of several at once each keeps its own, or two would be the same one."""
    row = names[resource_id]
    if len(placed.everything) > 1:
        return (resource_id,)
    return tuple(
        each.id for each in names.values() if each.kind is row.kind and each.technology is row.technology
    )


def order_of(placed: Placing) -> Order:
    assert placed.start_at is not None
    assert placed.end_at is not None
    order = Order(
        resource_ids=placed.everything,
        start_at=placed.start_at,
        end_at=placed.end_at,
        member_id=placed.for_id,
        note=placed.note,
        party=placed.party,
        project_id=placed.project_id,
        unattended_from=placed.start_at + placed.setup if placed.setup is not None else None,
        ask=placed.asks and not placed.waives,
        why=placed.why,
    )
    # Pressed twice it is one reservation; gone back to and changed it is another.
    return replace(order, key=f"{placed.key}-{order.digest[:16]}" if placed.key else None)


# ---- the button ----


@post("/reserve/now", access=Right.SUBMIT, include_in_schema=False)
async def reserve(request: AnyRequest) -> Response[str]:
    """Held, or the same screen with what stands against it and what could be had instead."""
    desk, placed = desk_of(request), await _placing(request)
    if placed.errors:
        return await in_thread(_check, desk, placed, Against(status=422))
    return await in_thread(_reserve, desk, placed)


def _reserve(desk: Desk, placed: Placing) -> Response[str]:
    try:
        made = _made(desk, placed)
    except Taken as error:
        said = desk.words.error(error)
        return _check(desk, placed, Against(lost=said, offers=error.offers, status=409))
    except Conflict as error:
        return _check(
            desk, placed, Against(lost=desk.words.error(error), offers=_near(desk, placed), status=409)
        )
    except Refused as error:
        return _check(desk, placed, Against(refusals=error.refusals, offers=(), status=422))
    except Invalid as error:
        field = FIELDS.get(error.field or "", error.field or "start")
        return _check(desk, placed, Against(errors={field: desk.words.error(error)}, status=422))
    return go(desk.request, f"/reservations/{made}?new=1")


def _made(desk: Desk, placed: Placing) -> str:
    """The id of the reservation, of a series that of its first date."""
    order = _waived(desk, placed)
    if placed.weeks == 1:
        return reserving_of(desk).reserve(desk.actor, order).id
    done = reserving_of(desk).repeat(desk.actor, order, Repeat(count=placed.weeks))
    if not done.made:
        raise Refused([refusal for skipped in done.skipped[:1] for refusal in skipped.refusals])
    return done.made[0].id


def _waived(desk: Desk, placed: Placing) -> Order:
    """Staff let pass what may be let pass, and say why."""
    order = order_of(placed)
    if not placed.waives:
        return order
    if not placed.why:
        raise Invalid("reserve.why", field="why")
    refusals = reserving_of(desk).forecast(desk.actor, order).refusals
    return replace(order, waive=frozenset(each.code for each in refusals if each.waivable))


ROUTES = (confirm, check, reserve)
