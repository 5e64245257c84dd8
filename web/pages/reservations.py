"""What is reserved: one's own, one of them with what can be done, and the lab's for the staff."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, Invalid, Refused
from fablab.claims.agenda import Entry
from fablab.claims.models import ClaimKind
from fablab.claims.reservations import handing
from fablab.claims.reservations import use as reservations
from fablab.claims.reservations.models import LIVE, Reservation, ReservationState
from fablab.money.quotes import Quote
from fablab.places import house
from fablab.places.models import Resource, ResourceKind
from fablab.reports import reservations as report
from scheduler import overruns
from scheduler.reserving import ReservingOffer, Taken
from web.mail import invitation
from web.pages import show_hand, show_reservations, show_reserve
from web.pages.hand_model import MovedView
from web.pages.model import RefusalView
from web.pages.reserve import FIELDS, reserving_of
from web.pages.reserve_form import exact, local_text, midnight
from web.pages.reserve_model import DeskView, MineView, SkippedView, StayView, StayWord
from web.pages.shell import AnyRequest, Desk, desk_of, form_of, go, in_thread, local_path
from web.pages.show_draft import local_instant
from web.security import Access, Right
from web.words import hand as said_by_hand

PAST = 20
MISSED_DAYS = 28
NOW = frozenset({StayWord.DUE, StayWord.IN_USE})
OVER = frozenset({StayWord.COMPLETED, StayWord.MISSED, StayWord.CANCELLED, StayWord.DECLINED})


@get("/reservations", access=Access.SIGNED_IN, include_in_schema=False, sync_to_thread=True)
def mine(request: AnyRequest) -> Response[str]:
    return mine_page(desk_of(request))


def mine_page(desk: Desk, *, status: int = 200, said: str = "") -> Response[str]:
    """`said`: why what was just asked for could not be."""
    with desk.look() as (uow, eyes, _):
        names = names_of(uow)
        rows = reservations.of_member(uow, desk.signed_in.member_id, ended=PAST)
        stays = [show_reservations.stay(uow, eyes, row, names) for row in rows]
        found = handing.offered_to(uow, desk.signed_in.member_id)
        offered = tuple(show_reservations.offered(uow, eyes, row, names) for row in found)
    view = MineView(
        now=tuple(stay for stay in stays if stay.word in NOW),
        upcoming=tuple(stay for stay in stays if stay.word not in NOW | OVER),
        past=tuple(stay for stay in stays if stay.word in OVER),
        offered=offered,
    )
    return desk.page("reservations.html", status=status, mine=view, said=said)


def names_of(uow: UnitOfWork) -> dict[int, Resource]:
    return {row.id: row for row in house.resources(uow, frozenset(ResourceKind))}


@get("/reservations/desk", access=Right.OPERATE, include_in_schema=False, sync_to_thread=True)
def desk_page(request: AnyRequest) -> Response[str]:
    return _desk(desk_of(request))


def _desk(desk: Desk, *, status: int = 200, **more: Any) -> Response[str]:
    zone = desk.words.formats.zone
    with desk.look() as (uow, eyes, _):
        names = names_of(uow)
        today = eyes.now.astimezone(zone).date()

        def stays(rows: list[Reservation]) -> tuple[StayView, ...]:
            return tuple(show_reservations.stay(uow, eyes, row, names) for row in rows)

        requests = stays(reservations.requested(uow))
        asked = {stay.id for stay in requests}
        expected = report.expected(uow, midnight(today, zone), midnight(today + timedelta(days=1), zone))
        view = DeskView(
            requests=requests,
            today=tuple(stay for stay in stays(expected) if stay.id not in asked),
            missed=stays(report.missed(uow, uow.now - timedelta(days=MISSED_DAYS))),
        )
    return desk.page("reserve_desk.html", desk=view, status=status, **more)


@get(
    "/reservations/{reservation_id:str}",
    access=Access.SIGNED_IN,
    include_in_schema=False,
    sync_to_thread=True,
)
def one(request: AnyRequest, reservation_id: FromPath[str]) -> Response[str]:
    return one_page(desk_of(request), reservation_id)


def one_page(desk: Desk, reservation_id: str, *, status: int = 200, **more: Any) -> Response[str]:
    with desk.look() as (uow, eyes, _):
        row = reservations.may_see(uow, reservation_id)
        names = names_of(uow)
        series: list[dict[str, object]] = []
        left_out: tuple[SkippedView, ...] = ()
        ahead = 0
        if row.series_id is not None and row.series is not None:
            rows = reservations.of_series(uow, row.series_id)
            live = [each for each in rows if each.state in LIVE]
            ahead = sum(each.start_at >= row.start_at for each in live)
            series = [{"id": each.id, "start_at": each.start_at} for each in live]
            left_out = show_reservations.skipped(eyes, row.series.skipped)
        view = show_reservations.stay(uow, eyes, row, names, series=ahead, whole=True)
        fields: dict[str, Any] = {
            "stay": view,
            "series": series,
            "skipped": left_out,
            "is_new": desk.request.query_params.get("new") == "1",
            "errors": {},
            "alternatives": (),
            "to": "",
            "shift": overruns.shifted(uow, row.id),
            "offer": show_reservations.offer(handing.of(uow, row.id)),
        }
    if "filled" in more:
        chosen = {str(each) for each in more.pop("chosen")}
        view = replace(
            view,
            move_resources=tuple(
                replace(each, selected=each.value in chosen) for each in view.move_resources
            ),
            **more.pop("filled"),
        )
        fields["stay"] = view
    return desk.page("reservation.html", status=status, **{**fields, **more})


@get(
    "/reservations/{reservation_id:str}/calendar.ics",
    access=Access.SIGNED_IN,
    include_in_schema=False,
    sync_to_thread=True,
)
def entry(request: AnyRequest, reservation_id: FromPath[str]) -> Response[bytes]:
    """For one's own calendar; the same entry as in the feeds, so that nobody has it twice."""
    desk = desk_of(request)
    host = desk.parts.settings.address.split("://", 1)[-1].partition(":")[0]
    with desk.look() as (uow, _, _):
        row = reservations.may_see(uow, reservation_id)
        names = names_of(uow)
        found = Entry(
            claim_id=row.id,
            kind=ClaimKind.RESERVATION,
            title=row.claim.title,
            places=tuple(names[each].name for each in row.resource_ids if each in names),
            start_at=row.start_at,
            end_at=row.end_at,
            made_at=row.made_at,
            version=row.claim.version,
            tentative=row.state is ReservationState.REQUESTED,
        )
        body = invitation.feed(house.house(uow).name, [found], desk.words, host=host)
    headers = {
        "Content-Disposition": f'attachment; filename="{row.id}.ics"',
        "Cache-Control": "private, no-store",
    }
    return Response(body, media_type="text/calendar; charset=utf-8", headers=headers)


# ---- what can be done with it ----


@post("/reservations/{reservation_id:str}/check-in", access=Right.SUBMIT, include_in_schema=False)
async def check_in(request: AnyRequest, reservation_id: FromPath[str]) -> Response[str]:
    return await _act(request, reservation_id, lambda uow, _: reservations.check_in(uow, reservation_id))


@post("/reservations/{reservation_id:str}/end", access=Right.SUBMIT, include_in_schema=False)
async def end(request: AnyRequest, reservation_id: FromPath[str]) -> Response[str]:
    return await _act(request, reservation_id, lambda uow, _: reservations.end_early(uow, reservation_id))


@post("/reservations/{reservation_id:str}/cancel", access=Right.SUBMIT, include_in_schema=False)
async def cancel(request: AnyRequest, reservation_id: FromPath[str]) -> Response[str]:
    """This one, or with `series` this and all that come after it."""

    def work(uow: UnitOfWork, form: Mapping[str, str]) -> object:
        why = form.get("why", "")
        row = reservations.may_change(uow, reservation_id)
        if form.get("series") == "1" and row.series_id is not None:
            return reservations.cancel_series(uow, row.series_id, since=row.start_at, why=why)
        return reservations.cancel(uow, reservation_id, why)

    return await _act(request, reservation_id, work)


@post("/reservations/{reservation_id:str}/decline-shift", access=Right.SUBMIT, include_in_schema=False)
async def decline_shift(request: AnyRequest, reservation_id: FromPath[str]) -> Response[str]:
    """The lab has moved it to a later hour, and that does not suit."""
    return await _act(request, reservation_id, lambda uow, _: overruns.decline(uow, reservation_id))


async def _act(
    request: AnyRequest, reservation_id: str, work: Callable[[UnitOfWork, Mapping[str, str]], object]
) -> Response[str]:
    """Done, and back to where it was asked; what cannot be done is said on the reservation's own page."""
    desk, form = desk_of(request), await form_of(request)

    def act() -> Response[str]:
        try:
            desk.database.write(lambda uow: work(uow, form), desk.actor)
        except Conflict as error:
            return one_page(desk, reservation_id, status=409, act_said=desk.words.error(error))
        return go(request, local_path(form.get("next", ""), f"/reservations/{reservation_id}"))

    return await in_thread(act)


@post("/reservations/{reservation_id:str}/approve", access=Right.OPERATE, include_in_schema=False)
async def approve(request: AnyRequest, reservation_id: FromPath[str]) -> Response[str]:
    return await _answer(request, reservation_id, reservations.approve)


@post("/reservations/{reservation_id:str}/decline", access=Right.OPERATE, include_in_schema=False)
async def decline(request: AnyRequest, reservation_id: FromPath[str]) -> Response[str]:
    return await _answer(request, reservation_id, reservations.decline)


async def _answer(
    request: AnyRequest, reservation_id: str, answer: Callable[[UnitOfWork, str, str], Reservation]
) -> Response[str]:
    desk, form = desk_of(request), await form_of(request)

    def act() -> Response[str]:
        try:
            desk.database.write(lambda uow: answer(uow, reservation_id, form.get("why", "")), desk.actor)
        except (Invalid, Conflict) as error:
            status = 422 if isinstance(error, Invalid) else 409
            said = desk.words.error(error)
            return _desk(desk, status=status, answer_error=reservation_id, answer_said=said)
        return go(request, "/reservations/desk")

    return await in_thread(act)


@post("/reservations/{reservation_id:str}/move", access=Right.SUBMIT, include_in_schema=False)
async def move(request: AnyRequest, reservation_id: FromPath[str]) -> Response[str]:
    """Elsewhere or otherwise; with `look` only what would come of it. What cannot be stands beside the form as filled in."""
    desk, form = desk_of(request), await form_of(request)
    return await in_thread(_move, desk, reservation_id, form)


def _move(desk: Desk, reservation_id: str, form: Mapping[str, str]) -> Response[str]:
    zone = desk.words.formats.zone
    with desk.look() as (uow, _, _):
        row = reservations.may_change(uow, reservation_id)
        was = {"start": row.start_at, "end": row.end_at}
        here = tuple(row.resource_ids)
    errors, at = {}, {}
    parts = form.get("take", "").split("|")
    texts = (
        {**form, "resource": parts[0], "start": parts[1], "end": parts[2]} if len(parts) == 3 else dict(form)
    )
    for name, known in was.items():
        text = texts.get(name, "").strip()
        kept = text == local_text(known, zone)
        found = known if kept else exact(text) or local_instant(text, zone)
        if found is None:
            errors[name] = desk.words.say("time.wrong", {"text": text[:40]})
        else:
            at[name] = found
    resources = tuple(int(part) for part in texts.get("resource", "").split(",") if part.isdecimal()) or here
    filled = {"start_value": texts.get("start", ""), "end_value": texts.get("end", "")}
    if errors:
        return _moving(desk, reservation_id, filled, resources, errors=errors, status=422)
    if form.get("look") == "1":
        return _foreseen(desk, reservation_id, filled, resources, at)
    try:
        reserving_of(desk).move(
            desk.actor, reservation_id, start_at=at["start"], end_at=at["end"], resource_ids=resources
        )
    except Taken as error:
        return _moving(
            desk, reservation_id, filled, resources, said=desk.words.error(error), offers=error.offers
        )
    except Refused as error:
        with desk.look() as (_, eyes, _):
            refusals = show_reserve.said_refusals(eyes, error.refusals)
        return _moving(desk, reservation_id, filled, resources, refusals=refusals, status=422)
    except Invalid as error:
        field = FIELDS.get(error.field or "", error.field or "start")
        return _moving(
            desk, reservation_id, filled, resources, errors={field: desk.words.error(error)}, status=422
        )
    except Conflict as error:
        return _moving(desk, reservation_id, filled, resources, said=desk.words.error(error))
    return go(desk.request, f"/reservations/{reservation_id}")


def _foreseen(
    desk: Desk,
    reservation_id: str,
    filled: Mapping[str, str],
    resources: tuple[int, ...],
    at: Mapping[str, datetime],
) -> Response[str]:
    """What would come of it, beside the form; nothing is changed."""
    try:
        found = reserving_of(desk).forecast_move(
            desk.actor, reservation_id, start_at=at["start"], end_at=at["end"], resource_ids=resources
        )
    except Invalid as error:
        field = FIELDS.get(error.field or "", error.field or "start")
        return _moving(
            desk, reservation_id, filled, resources, errors={field: desk.words.error(error)}, status=422
        )
    with desk.look() as (_, eyes, _):
        moved = show_hand.displaced(eyes, found)
        refusals = show_reserve.said_refusals(eyes, found.refusals)
    summary = "" if refusals else said_by_hand.summary(desk.words, found)
    return _moving(
        desk, reservation_id, filled, resources, refusals=refusals, moved=moved, summary=summary, status=200
    )


def _moving(
    desk: Desk,
    reservation_id: str,
    filled: Mapping[str, str],
    resources: tuple[int, ...],
    *,
    errors: Mapping[str, str] | None = None,
    said: str = "",
    refusals: tuple[RefusalView, ...] = (),
    moved: tuple[MovedView, ...] = (),
    summary: str = "",
    offers: tuple[ReservingOffer, ...] = (),
    status: int = 409,
) -> Response[str]:
    """The reservation's page with the form that moves it open and as it was filled in."""
    with desk.look() as (_, eyes, _):
        nothing = Quote(lines=(), total_cents=0)
        other = tuple(show_reserve.best(eyes, each, nothing, show_reserve.take(each)) for each in offers)
    return one_page(
        desk,
        reservation_id,
        status=status,
        filled=filled,
        chosen=resources,
        errors=dict(errors or {}),
        move_said=said,
        move_refusals=refusals,
        move_displaced=moved,
        move_summary=summary,
        alternatives=other,
    )


ROUTES = (
    mine,
    desk_page,
    one,
    entry,
    check_in,
    end,
    cancel,
    decline_shift,
    approve,
    decline,
    move,
)
