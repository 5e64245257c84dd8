"""A reservation in hand on the calendar: what its new place would mean, then moving it, with the way back in a toast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from litestar import Response, post

from fablab.base.errors import Conflict, Invalid, Refusal, Refused
from fablab.claims.reservations import use as reservations
from fablab.claims.reservations.models import Reservation
from fablab.money.quotes import Quote
from fablab.places import house
from fablab.places.models import ResourceKind
from scheduler.planner.forecast import Forecast
from scheduler.reserving import ReservingOffer, Taken
from web.pages import show_hand, show_reserve
from web.pages.eyes import Eyes
from web.pages.hand_model import MovedView, UndoView
from web.pages.model import RefusalView
from web.pages.reserve import reserving_of
from web.pages.reserve_form import exact, exact_text, number
from web.pages.reserve_model import BestView
from web.pages.shell import AnyRequest, Desk, desk_of, form_of, go, html, in_thread, templates_of
from web.security import Right
from web.words import hand as said

LOOK = "partials/stay_look.html"
Place = tuple[tuple[int, ...], datetime, datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class LookView:
    heading: str
    names: str
    was_at: datetime
    was_until: datetime
    start_at: datetime
    end_at: datetime
    fields: tuple[tuple[str, str], ...]
    refusals: tuple[RefusalView, ...] = ()
    displaced: tuple[MovedView, ...] = ()
    summary: str = ""
    lost: str = ""
    alternatives: tuple[BestView, ...] = ()


@post("/reservations/look", access=Right.SUBMIT, include_in_schema=False, status_code=200)
async def look(request: AnyRequest) -> Response[str]:
    """In the panel; nothing is changed."""
    desk, form = desk_of(request), await form_of(request)
    return await in_thread(_look, desk, form)


def _look(desk: Desk, form: Mapping[str, str]) -> Response[str]:
    place = _place(form)
    found = reserving_of(desk).forecast_move(
        desk.actor, form.get("stay", "")[:40], start_at=place[1], end_at=place[2], resource_ids=place[0]
    )
    return _view(desk, form, place, forecast=found)


def _place(form: Mapping[str, str]) -> Place:
    """Raises `Invalid` for what no page of ours sends."""
    parts = form.get("take", "").split("|")
    resource, start, end = (
        parts if len(parts) == 3 else (form.get(name, "") for name in ("resource", "start", "end"))
    )
    ids = tuple(found for found in map(number, resource.split(",")) if found is not None)
    start_at, end_at = exact(start), exact(end)
    if not ids or start_at is None or end_at is None:
        raise Invalid("hand.incomplete", field="start")
    return ids, start_at, end_at


def _view(
    desk: Desk,
    form: Mapping[str, str],
    place: Place,
    *,
    forecast: Forecast | None = None,
    refusals: tuple[Refusal, ...] = (),
    lost: str = "",
    offers: tuple[ReservingOffer, ...] = (),
) -> Response[str]:
    with desk.look() as (uow, eyes, _):
        row = reservations.may_change(uow, form.get("stay", "")[:40])
        names = {each.id: each.name for each in house.resources(uow, frozenset(ResourceKind))}
        listed = eyes.words.formats.listed([names[each] for each in place[0] if each in names])
        against = (*refusals, *(forecast.refusals if forecast is not None else ()))
        nothing = Quote(lines=(), total_cents=0)
        view = LookView(
            heading=_heading(eyes, row, place, listed),
            names=listed,
            was_at=row.start_at,
            was_until=row.end_at,
            start_at=place[1],
            end_at=place[2],
            fields=_fields(row.id, place),
            refusals=show_reserve.said_refusals(eyes, against),
            displaced=show_hand.displaced(eyes, forecast) if forecast is not None and not against else (),
            summary=said.summary(eyes.words, forecast) if forecast is not None and not against else "",
            lost=lost,
            alternatives=tuple(
                show_reserve.best(eyes, each, nothing, show_reserve.take(each)) for each in offers
            ),
        )
    return desk.fragment(LOOK, l=view)


def _heading(eyes: Eyes, row: Reservation, place: Place, listed: str) -> str:
    if set(place[0]) != set(row.resource_ids):
        return eyes.gettext("Move it to %(machine)s?", machine=listed)
    if place[2] - place[1] == row.end_at - row.start_at:
        return eyes.gettext("Move it?")
    length = eyes.words.duration((place[2] - place[1]).total_seconds())
    return eyes.gettext("Make it %(length)s?", length=length)


def _fields(stay: str, place: Place) -> tuple[tuple[str, str], ...]:
    ids = ",".join(map(str, place[0]))
    return (("stay", stay), ("resource", ids), ("start", exact_text(place[1])), ("end", exact_text(place[2])))


@post("/reservations/hand", access=Right.SUBMIT, include_in_schema=False, status_code=200)
async def act(request: AnyRequest) -> Response[str]:
    """What was agreed to; it can be taken back from its toast."""
    desk, form = desk_of(request), await form_of(request)
    return await in_thread(_act, desk, form)


def _act(desk: Desk, form: Mapping[str, str]) -> Response[str]:
    stay, place = form.get("stay", "")[:40], _place(form)
    with desk.look() as (uow, _, _):
        row = reservations.may_change(uow, stay)
        was = tuple(row.resource_ids), row.start_at, row.end_at
    try:
        reserving_of(desk).move(desk.actor, stay, start_at=place[1], end_at=place[2], resource_ids=place[0])
    except Taken as error:
        return _view(desk, form, place, lost=desk.words.error(error), offers=error.offers)
    except Refused as error:
        return _view(desk, form, place, refusals=error.refusals)
    except Conflict as error:
        return _view(desk, form, place, lost=desk.words.error(error))
    if not desk.is_fragment:
        return go(desk.request, f"/reservations/{stay}")
    with desk.look() as (uow, eyes, _):
        names = {each.id: each.name for each in house.resources(uow, frozenset(ResourceKind))}
        listed = eyes.words.formats.listed([names[each] for each in place[0] if each in names])
        text = eyes.gettext("%(what)s: %(when)s", what=listed, when=eyes.words.when(place[1]))
    undo = UndoView(text=text, fields=_fields(stay, was), action="/reservations/hand")
    toast = templates_of(desk.request).render(desk.request, "partials/toast_undo.html", undo=undo)
    # The mark tells the script that the panel has done its work.
    body = f'<span data-hand-done hidden></span><div hx-swap-oob="beforeend:#toasts">{toast}</div>'
    return html(desk.request, body)


ROUTES = (look, act)
