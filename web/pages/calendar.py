"""The calendar: machines and rooms against time, a day or a week, and what a block is about."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from hashlib import sha256

from litestar import Response, get
from litestar.params import FromPath

from fablab.base.database import UnitOfWork
from fablab.base.errors import NotFound
from fablab.claims.models import Allocation, ClaimKind
from fablab.claims.reservations import use as reservations
from fablab.places import house
from fablab.places.models import Resource, ResourceKind
from fablab.reports import floor as report_floor
from fablab.reports import week
from scheduler import planner
from scheduler.planner.wishes import Wish
from web.floor import word_of
from web.pages import show_calendar, show_hand, show_reservations, show_week
from web.pages.eyes import Eyes, Stock
from web.pages.hand_model import ForecastView
from web.pages.model import AllocationView, CalendarView, MachineWord
from web.pages.reserve_model import StayView
from web.pages.shell import AnyRequest, Desk, desk_of
from web.pages.show_floor import startable_at
from web.security import Access

VIEWS = ("day", "week")
KINDS = frozenset({ResourceKind.MACHINE, ResourceKind.ROOM, ResourceKind.DESK})
REACH = timedelta(days=366 * 3)  # so that a crafted day costs no more than a usual one


@get("/calendar", access=Access.SIGNED_IN, include_in_schema=False, sync_to_thread=True)
def show(request: AnyRequest) -> Response[str]:
    desk = desk_of(request)
    view = request.query_params.get("view", "")
    answer = desk.page("calendar.html", cal=_view(desk, view if view in VIEWS else "day"))
    return _unless_known(request, answer)


def _unless_known(request: AnyRequest, answer: Response[str]) -> Response[str]:
    """The board asks again whenever something changes anywhere: what it has already is not sent twice."""
    etag = f'"{sha256(answer.content.encode()).hexdigest()[:20]}"'
    answer.headers["ETag"] = etag
    answer.headers["Cache-Control"] = "private, no-cache"
    if request.headers.get("if-none-match") == etag:
        return Response("", status_code=304, headers=dict(answer.headers), media_type=answer.media_type)
    return answer


def _view(desk: Desk, view: str) -> CalendarView:
    zone = desk.words.formats.zone
    with desk.look() as (uow, eyes, _):
        day = _day(desk.request.query_params.get("day", ""), uow.now.astimezone(zone).date())
        one = _resource(uow, desk.request.query_params.get("resource", "")) if view == "week" else None
        start_at, end_at = show_calendar.bounds(day, view, zone)
        if one is not None:
            return _week(desk, uow, eyes, one, day)
        stretch = week.stretch(uow, start_at, end_at, KINDS)
        words = _words(desk, eyes, report_floor.machines_now(uow))
        stays = {row.id: row for row in reservations.between(uow, start_at, end_at)}
        return show_calendar.calendar(eyes, stretch, desk.link, words, stays, view=view, day=day, zone=zone)


def _resource(uow: UnitOfWork, said: str) -> Resource | None:
    """The one whose week is asked for; one that is not there any more is no reason to show nothing."""
    return next((row for row in house.resources(uow, KINDS) if str(row.id) == said), None)


def _week(desk: Desk, uow: UnitOfWork, eyes: Eyes, resource: Resource, day: date) -> CalendarView:
    zone = desk.words.formats.zone
    start_at, end_at = show_calendar.bounds(day, "week", zone)
    stretch = week.stretch(uow, start_at, end_at, frozenset({resource.kind}))
    own = house.calendar(uow, resource.id)
    stretch = replace(
        stretch,
        allocations=tuple(row for row in stretch.allocations if row.resource_id == resource.id),
        open=own.open.between(start_at, end_at),
        staffed=own.staffed.between(start_at, end_at),
    )
    stays = {row.id: row for row in reservations.between(uow, start_at, end_at, [resource.id])}
    alike = show_calendar.alike_of(stretch.resources)[resource.id]
    return show_week.week(eyes, resource, alike, stretch, desk.link, stays, day=day, zone=zone)


def _words(desk: Desk, eyes: Eyes, rows: list[report_floor.MachineNow]) -> dict[int, MachineWord]:
    found: dict[int, MachineWord] = {}
    for row in rows:
        machine, link = row.resource.machine, desk.link(row.resource.id)
        assert machine is not None
        found[row.resource.id] = word_of(
            machine.gate,
            link.state if link is not None else None,
            link.status if link is not None else None,
            row.run.state if row.run is not None else None,
            startable_at(row),
            eyes.now,
        )
    return found


def _day(said: str, today: date) -> date:
    """A day that cannot be read, or is years away, is today."""
    try:
        day = date.fromisoformat(said)
    except ValueError:
        return today
    return day if abs(day - today) < REACH else today


@get(
    "/allocations/{allocation_id:int}", access=Access.SIGNED_IN, include_in_schema=False, sync_to_thread=True
)
def show_allocation(request: AnyRequest, allocation_id: FromPath[int]) -> Response[str]:
    desk = desk_of(request)
    with desk.look() as (uow, eyes, stock):
        view = panel_of(desk, uow, eyes, stock, week.allocation(uow, allocation_id))
    if desk.is_fragment:
        return desk.fragment("partials/allocation.html", al=view)
    return desk.page("allocation.html", al=view)


def panel_of(
    desk: Desk,
    uow: UnitOfWork,
    eyes: Eyes,
    stock: Stock,
    row: Allocation,
    *,
    wish: Wish | None = None,
    forecast: ForecastView | None = None,
) -> AllocationView:
    """One block in detail, with what its viewer may do about it; `forecast`: what would come of their `wish`."""
    run = week.live_run(uow, row)
    explained = show_calendar.is_explained(eyes, row, run)
    reasons = planner.explain(uow, row.claim, knows=eyes.knows) if explained else ()
    view = show_calendar.panel(eyes, row, run, desk.link, stock, reasons)
    if row.claim.kind is ClaimKind.RESERVATION and eyes.knows(row.claim.member_id):
        view = replace(view, stay=_stay(uow, eyes, row.claim_id))
    if not show_calendar.may_be_taken_up(eyes, row):
        return view
    names = {each.id: each for each in house.resources(uow, frozenset({ResourceKind.MACHINE}))}
    hand = show_hand.hand(eyes, row.claim, row, names, wish, forecast)
    return replace(view, hand=hand)


def _stay(uow: UnitOfWork, eyes: Eyes, claim_id: str) -> StayView | None:
    """What its holder and the staff may do with it."""
    try:
        found = reservations.may_see(uow, claim_id)
    except NotFound:
        return None  # held without a reservation: by a demonstration, or from before there were any
    names = {each.id: each for each in house.resources(uow, frozenset(ResourceKind))}
    return show_reservations.stay(uow, eyes, found, names)


ROUTES = (show, show_allocation)
