"""The panel's forms that take a job in hand: first what it would cost, then doing it, with the way back in a toast."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from litestar import Response, get, post
from litestar.params import FromPath

from fablab.base.database import UnitOfWork
from fablab.base.errors import Invalid
from fablab.claims import calendar
from fablab.claims.decisions import Action
from fablab.places import house
from fablab.places.models import ResourceKind
from scheduler.planner import hand
from scheduler.planner.outage import forecast_outage
from scheduler.planner.wishes import Bar, Move, Pin, Prioritise, Wish
from web.api.answer import instant
from web.pages import calendar as calendar_page
from web.pages import show_hand
from web.pages.eyes import Eyes
from web.pages.hand_model import ForecastView
from web.pages.shell import AnyRequest, Desk, desk_of, form_of, go, html, in_thread, templates_of
from web.pages.show_draft import local_instant, until_of
from web.security import Right
from web.words import hand as said

PANEL = "partials/allocation.html"


@post("/hand/forecast", access=Right.OPERATE, include_in_schema=False)
async def forecast(request: AnyRequest) -> Response[str]:
    """The panel of the job with what would come of the wish; nothing is changed."""
    desk, form = desk_of(request), await form_of(request)
    return await in_thread(_forecast, desk, form)


def _forecast(desk: Desk, form: Mapping[str, str]) -> Response[str]:
    claim_id = form.get("claim", "")[:40]
    with desk.look() as (uow, eyes, _):
        wish = _wish(eyes, form)
        found = hand.forecast(uow, claim_id, wish)
        view = show_hand.forecast(eyes, calendar.claim(uow, claim_id), wish, found, names(uow))
    return _panel(desk, claim_id, wish, view)


@post("/hand/act", access=Right.OPERATE, include_in_schema=False)
async def act(request: AnyRequest) -> Response[str]:
    """What was agreed to; a move can be taken back from its toast."""
    desk, form = desk_of(request), await form_of(request)
    return await in_thread(_act, desk, form)


def _act(desk: Desk, form: Mapping[str, str]) -> Response[str]:
    claim_id, version = form.get("claim", "")[:40], form.get("version", "")
    if not version.isdecimal() or len(version) > 15:
        raise Invalid("hand.incomplete", field="version")
    with desk.look() as (_, eyes, _):
        wish = _wish(eyes, form)
    why = form.get("why", "")
    done = desk.database.write(
        lambda uow: hand.carry_out(uow, claim_id, wish, version=int(version), why=why), desk.actor
    )
    if not desk.is_fragment:
        return go(desk.request, "/calendar")
    with desk.look() as (uow, eyes, _):
        claim = calendar.claim(uow, claim_id)
        text = show_hand.done(eyes, claim.title, wish, done)
        back = show_hand.undo(text, claim_id, wish, done, calendar.version(uow))
    answer = _panel(desk, claim_id)
    templates = templates_of(desk.request)
    name, more = (
        ("toast_undo.html", {"undo": back}) if back else ("toast.html", {"kind": "good", "text": text})
    )
    toast = templates.render(desk.request, f"partials/{name}", **more)
    # The mark tells the script that the panel has done its work.
    body = f'{answer.content}<span data-hand-done hidden></span><div hx-swap-oob="beforeend:#toasts">{toast}</div>'
    return html(desk.request, body)


@get(
    "/machines/{machine_id:int}/out-of-service/forecast",
    access=Right.OPERATE,
    include_in_schema=False,
    sync_to_thread=True,
)
def foresee_outage(request: AnyRequest, machine_id: FromPath[int]) -> Response[str]:
    """Under the button that takes a machine out of service: who would have to move."""
    desk = desk_of(request)
    until = until_of(request.query_params.get("until", ""), desk.words.formats.zone)
    with desk.look() as (uow, eyes, _):
        found = forecast_outage(uow, machine_id, until)
        moved, summary = show_hand.displaced(eyes, found), said.summary(eyes.words, found)
    return desk.fragment("partials/displaced.html", displaced=moved, summary=summary)


def _panel(
    desk: Desk, claim_id: str, wish: Wish | None = None, view: ForecastView | None = None
) -> Response[str]:
    with desk.look() as (uow, eyes, stock):
        claim = calendar.claim(uow, claim_id)
        places = calendar.current(claim) or list(claim.allocations[-1:])
        if not places:
            return desk.fragment("partials/displaced.html", displaced=(), summary="")
        al = calendar_page.panel_of(desk, uow, eyes, stock, places[0], wish=wish, forecast=view)
    if desk.is_fragment:
        return desk.fragment(PANEL, al=al)
    return desk.page("allocation.html", al=al)


def names(uow: UnitOfWork) -> show_hand.Names:
    return {row.id: row for row in house.resources(uow, frozenset(ResourceKind))}


def _wish(eyes: Eyes, form: Mapping[str, str]) -> Wish:
    """A form's texts as a wish. Raises `Invalid` with the field that says nothing that can be understood."""
    try:
        action = Action(form.get("action", ""))
    except ValueError:
        raise Invalid("hand.incomplete", field="action") from None
    if action in (Action.PIN, Action.UNPIN):
        return Pin(firm=action is Action.PIN)
    if action is Action.PRIORITISE:
        due = form.get("due", "").strip()
        return Prioritise(
            priority=_number(form, "priority"), due_at=_instant(eyes, due, "due") if due else None
        )
    resource_id = _number(form, "resource")
    if action is not Action.MOVE:
        return Bar(resource_id=resource_id, barred=action is Action.FORBID)
    at = _instant(eyes, form.get("start", "").strip(), "start")
    return Move(resource_id=resource_id, run_start_at=at, firm=form.get("free", "") != "1")


def _number(form: Mapping[str, str], field: str) -> int:
    text = form.get(field, "").strip()
    if not text.removeprefix("-").isdecimal() or len(text) > 9:
        raise Invalid("hand.incomplete", field=field)
    return int(text)


def _instant(eyes: Eyes, text: str, field: str) -> datetime:
    """With its zone, or a browser's local date and time in the house's."""
    at = local_instant(text, eyes.words.formats.zone) or instant(text, field)
    if at is None:
        raise Invalid("hand.incomplete", field=field)
    return at


ROUTES = (forecast, act, foresee_outage)
