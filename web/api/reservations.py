"""Reservations: taken, moved, given back, come to; and the calendar's day and week as rows.

A place that somebody else has is answered with 409 and what could be had instead (`alternatives`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import anyio.to_thread
import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.enums import MediaType
from litestar.params import FromPath, FromQuery, HeaderParameter, JSONBody

from fablab.base import intervals
from fablab.base.database import Database, UnitOfWork
from fablab.base.errors import Conflict, Invalid, NotFound
from fablab.claims import reservations
from fablab.claims.reservations import Arrival, Reservation, handing
from fablab.money import quotes
from fablab.people.access import SignedIn, allows, require
from fablab.places import house
from scheduler import overruns
from scheduler.reserving import Kind, Reserving, Taken
from web.api.answer import Desk, instant
from web.api.plan import ForecastOut, forecast_out
from web.api.reservations_schema import (
    ArrivalIn,
    CountOut,
    HandOverIn,
    HandoverOut,
    KindIn,
    MoveIn,
    OfferOut,
    OrderIn,
    RepeatedOut,
    RepeatIn,
    ReservationOut,
    SinceIn,
    ViewOut,
    WholeOut,
    WhyIn,
    handover_out,
    id_of,
    offer_out,
    order_of,
    places_out,
    repeat_of,
    repeated_out,
    reservation_out,
    taken_problem,
    wanted_of,
)
from web.api.schema import price
from web.errors import PROBLEM_JSON, problem_of, said_refusals, words_of
from web.security import Access, Right
from web.security.identity import caller_of
from web.words import Words

IdempotencyKey = Annotated[str | None, HeaderParameter(name="Idempotency-Key")]
AnyRequest = Request[Any, Any, Any]


@post("/reservations", access=Right.SUBMIT, tags=["reservations"])
async def create(
    request: AnyRequest,
    data: JSONBody[OrderIn],
    desk: NamedDependency[Desk],
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Take a place. Planned jobs in its way are moved elsewhere. 409 `slot_taken` with `alternatives`; 422 with every
    reason why not. The same key again answers the same reservation."""
    order, actor = order_of(data, idempotency_key), desk.signed_in.actor
    try:
        found = await desk.window.reserve(actor, order)
    except Conflict as error:
        if error.code != "slot_taken":
            raise
        reserving = Reserving(database=desk.database)
        answer = await anyio.to_thread.run_sync(
            _taking, request, words_of(request), lambda: reserving.instead(actor, order)
        )
        if isinstance(answer, Response):
            return answer
        found = answer
    return _answer(reservation_out(found), status=201)


@post(
    "/reservations/forecast", access=Right.SUBMIT, sync_to_thread=True, status_code=200, tags=["reservations"]
)
def forecast(
    data: JSONBody[OrderIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    words: NamedDependency[Words],
) -> ForecastOut:
    """What stands against it, and whose jobs would move. Nothing is changed."""
    found = Reserving(database=database).forecast(signed_in.actor, order_of(data, None))
    return forecast_out(found, signed_in.actor, words)


@post(
    "/reservations/options", access=Right.SUBMIT, sync_to_thread=True, status_code=200, tags=["reservations"]
)
def options(
    data: JSONBody[KindIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    words: NamedDependency[Words],
) -> tuple[OfferOut, ...]:
    """The best places for things of a kind: "a laser with 600 x 400, two hours, this week". Nothing is held."""
    kind = Kind(
        wanted=wanted_of(data.wanted),
        duration_s=data.duration_s,
        since=instant(data.since, "since"),
        until=instant(data.until, "until"),
        near=instant(data.near, "near"),
        attended_s=data.attended_s,
    )
    found = Reserving(database=database).options(signed_in.actor, kind, data.n)
    return tuple(offer_out(offer, words) for offer in found)


@post("/reservations/repeat", access=Right.SUBMIT, sync_to_thread=True, tags=["reservations"])
def repeat(
    data: JSONBody[RepeatIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    words: NamedDependency[Words],
    idempotency_key: IdempotencyKey = None,
) -> RepeatedOut:
    """A series in the house's wall time. Planned jobs give way as to a single one. Dates that cannot be had are
    skipped, each with every reason; what the clocks change is said."""
    order, how = order_of(data, idempotency_key), repeat_of(data)
    found = Reserving(database=database).repeat(signed_in.actor, order, how)
    return repeated_out(found, words)


@get("/reservations", access=Access.SIGNED_IN, sync_to_thread=True, tags=["reservations"])
def list_own(
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    member: FromQuery[int | None] = None,
) -> tuple[ReservationOut, ...]:
    """One's own: those to come, then the last twenty that are over. `member`: somebody else's, for staff."""
    with database.read(signed_in.actor) as uow:
        wanted = id_of(member, "member") or signed_in.member_id
        if wanted != signed_in.member_id:
            require(signed_in.actor, Right.SEE_ALL)
        return tuple(reservation_out(row) for row in reservations.of_member(uow, wanted))


@get("/reservations/requested", access=Right.OPERATE, sync_to_thread=True, tags=["reservations"])
def list_requested(
    database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> tuple[ReservationOut, ...]:
    """Those that staff are asked about."""
    with database.read(signed_in.actor) as uow:
        return tuple(reservation_out(row) for row in reservations.requested(uow))


@get("/reservations/week", access=Access.SIGNED_IN, sync_to_thread=True, tags=["reservations"])
def week(
    desk: NamedDependency[Desk],
    resource: FromQuery[int],
    day: FromQuery[date | None] = None,
) -> Response[bytes]:
    """The week (from Monday) of one resource around a day; null: this week."""
    return _view(desk, day, days=7, resource_id=id_of(resource, "resource"))


@get("/reservations/day", access=Access.SIGNED_IN, sync_to_thread=True, tags=["reservations"])
def day_view(
    desk: NamedDependency[Desk],
    day: FromQuery[date | None] = None,
) -> Response[bytes]:
    """One day of everything; null: today."""
    return _view(desk, day, days=1, resource_id=None)


@get(
    "/reservations/{reservation_id:str}", access=Access.SIGNED_IN, sync_to_thread=True, tags=["reservations"]
)
def show(
    reservation_id: FromPath[str],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    words: NamedDependency[Words],
) -> WholeOut:
    with database.read(signed_in.actor) as uow:
        row = reservations.may_see(uow, reservation_id)
        return WholeOut(
            **msgspec.structs.asdict(reservation_out(row)),
            title=row.claim.title,
            why=row.why,
            price=price(quotes.quote_of(uow, row.id), words),
            charged=price(quotes.charge_of(uow, row.id), words),
            refusals=said_refusals(words, reservations.refusals_of(row)),
        )


@post(
    "/reservations/{reservation_id:str}/move",
    access=Right.SUBMIT,
    sync_to_thread=True,
    status_code=200,
    tags=["reservations"],
)
def move(
    request: AnyRequest,
    reservation_id: FromPath[str],
    data: JSONBody[MoveIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    words: NamedDependency[Words],
) -> Response[bytes]:
    """Another time, another length, other resources. In use, its end alone. As for a new one in what it answers."""

    def work() -> Reservation:
        return Reserving(database=database).move(
            signed_in.actor,
            reservation_id,
            start_at=instant(data.start_at, "start_at"),
            end_at=instant(data.end_at, "end_at"),
            resource_ids=data.resources,
            unattended_from=instant(data.unattended_from, "unattended_from"),
            waive=frozenset(data.waive),
            why=data.why,
        )

    found = _taking(request, words, work)
    return found if isinstance(found, Response) else _answer(reservation_out(found))


@post(
    "/reservations/{reservation_id:str}/cancel",
    access=Right.SUBMIT,
    sync_to_thread=True,
    status_code=200,
    tags=["reservations"],
)
def cancel(
    reservation_id: FromPath[str],
    data: JSONBody[WhyIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> ReservationOut:
    """Give it back before its use; `late` says that it is noted."""
    return _done(database, signed_in, lambda uow: reservations.cancel(uow, reservation_id, data.why))


@post(
    "/reservations/{reservation_id:str}/approve",
    access=Right.OPERATE,
    sync_to_thread=True,
    status_code=200,
    tags=["reservations"],
)
def approve(
    reservation_id: FromPath[str],
    data: JSONBody[WhyIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> ReservationOut:
    """Staff's yes. Still `requested` afterwards: it takes a second person's."""
    return _done(database, signed_in, lambda uow: reservations.approve(uow, reservation_id, data.why))


@post(
    "/reservations/{reservation_id:str}/decline",
    access=Right.OPERATE,
    sync_to_thread=True,
    status_code=200,
    tags=["reservations"],
)
def decline(
    reservation_id: FromPath[str],
    data: JSONBody[WhyIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> ReservationOut:
    return _done(database, signed_in, lambda uow: reservations.decline(uow, reservation_id, data.why))


@post(
    "/reservations/{reservation_id:str}/check-in",
    access=Right.SUBMIT,
    sync_to_thread=True,
    status_code=200,
    tags=["reservations"],
)
def check_in(
    reservation_id: FromPath[str],
    data: JSONBody[ArrivalIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> ReservationOut:
    """I am here (`page`, `qr`, `kiosk`); staff say it for others. A quarter of an hour before its start at the earliest."""
    how = data.how if data.how in (Arrival.PAGE, Arrival.QR, Arrival.KIOSK) else Arrival.PAGE
    return _done(database, signed_in, lambda uow: reservations.check_in(uow, reservation_id, how))


@post(
    "/reservations/{reservation_id:str}/end",
    access=Right.SUBMIT,
    sync_to_thread=True,
    status_code=200,
    tags=["reservations"],
)
def end(
    reservation_id: FromPath[str], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> ReservationOut:
    """Done before its end: the rest is free, and is not charged."""
    return _done(database, signed_in, lambda uow: reservations.end_early(uow, reservation_id))


@post(
    "/reservations/{reservation_id:str}/decline-shift",
    access=Right.SUBMIT,
    sync_to_thread=True,
    status_code=200,
    tags=["reservations"],
)
def decline_shift(
    reservation_id: FromPath[str], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> ReservationOut:
    """The lab has moved it because a run was not over in time, and that does not suit: it is over, nothing is noted."""
    return _done(database, signed_in, lambda uow: overruns.decline(uow, reservation_id))


@post(
    "/reservations/{reservation_id:str}/hand-over",
    access=Right.SUBMIT,
    sync_to_thread=True,
    status_code=200,
    tags=["reservations"],
)
def hand_over(
    reservation_id: FromPath[str],
    data: JSONBody[HandOverIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> HandoverOut:
    """Offered to another member, for whom the rules are asked; it stays the giver's until they accept."""
    to = id_of(data.member, "member")
    assert to is not None
    with database.begin(signed_in.actor) as uow:
        return handover_out(handing.offer(uow, reservation_id, to, data.why))


@get("/reservations/offered", access=Access.SIGNED_IN, sync_to_thread=True, tags=["reservations"])
def list_offered(
    database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> tuple[HandoverOut, ...]:
    """What others would hand over to you, or to a child you answer for, and that waits for your answer."""
    with database.read(signed_in.actor) as uow:
        return tuple(handover_out(row) for row in handing.offered_to(uow, signed_in.member_id))


@post(
    "/reservations/{reservation_id:str}/hand-over/{answer:str}",
    access=Right.SUBMIT,
    sync_to_thread=True,
    status_code=200,
    tags=["reservations"],
)
def answer_hand_over(
    reservation_id: FromPath[str],
    answer: FromPath[str],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> HandoverOut:
    """`accept` or `decline` by whom it was offered to, who pays from then on; `withdraw` by whoever offered it."""
    with database.begin(signed_in.actor) as uow:
        found = handing.of(uow, reservation_id)
        if answer not in handing.ANSWERS:
            raise NotFound("not_found")
        handing.ANSWERS[answer](uow, reservation_id)
        assert found is not None
        return handover_out(found)


@post(
    "/reservations/series/{series_id:str}/cancel",
    access=Right.SUBMIT,
    sync_to_thread=True,
    status_code=200,
    tags=["reservations"],
)
def cancel_series(
    series_id: FromPath[str],
    data: JSONBody[SinceIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> CountOut:
    """Those of the series that have not begun, from `since` on (null: all to come)."""
    since = instant(data.since, "since")
    count = database.write(
        lambda uow: reservations.cancel_series(uow, series_id, since=since, why=data.why), signed_in.actor
    )
    return CountOut(count=count)


def _done(
    database: Database, signed_in: SignedIn, work: Callable[[UnitOfWork], Reservation]
) -> ReservationOut:
    return reservation_out(database.write(work, signed_in.actor))


def _taking(
    request: AnyRequest, words: Words, work: Callable[[], Reservation]
) -> Reservation | Response[bytes]:
    try:
        return work()
    except Taken as error:
        problem = problem_of(error, words, caller_of(request.scope).request_id)
        body = msgspec.json.encode(taken_problem(error, problem, words))
        headers = {"Content-Language": words.language}
        return Response(body, status_code=409, media_type=PROBLEM_JSON, headers=headers)


def _answer(body: object, *, status: int = 200) -> Response[bytes]:
    return Response(msgspec.json.encode(body), status_code=status, media_type=MediaType.JSON)


def _view(desk: Desk, day: date | None, *, days: int, resource_id: int | None) -> Response[bytes]:
    """Whole local days, so one of them is an hour shorter or longer where the clocks change."""
    signed_in = desk.signed_in
    with desk.database.read(signed_in.actor) as uow:
        zone = house.zone(uow)
        first = day or uow.now.astimezone(zone).date()
        if days > 1:
            first -= timedelta(days=first.weekday())
        start, end = _midnight(first, zone), _midnight(first + timedelta(days=days), zone)
        found = reservations.rows(uow, start, end, resource_id)
    knows = allows(signed_in.actor, Right.SEE_ALL)
    places = places_out(found, signed_in.member_id, knows=knows)
    return _answer(ViewOut(from_=start, to=end, zone=zone.key, places=places))


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    if not 1900 < day.year < 9000:
        raise Invalid("time.wrong", field="day", text=day.isoformat())
    return intervals.instant(day, time(0), zone)


ROUTES = (
    create,
    forecast,
    options,
    repeat,
    list_own,
    list_requested,
    week,
    day_view,
    show,
    move,
    cancel,
    approve,
    decline,
    check_in,
    end,
    hand_over,
    list_offered,
    answer_hand_over,
    decline_shift,
    cancel_series,
)
