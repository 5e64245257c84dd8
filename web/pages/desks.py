"""Coworking: a desk for a half-day in one tap, one's own desks and passes; and for the staff the passes to be paid."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from litestar import Response, get, post
from litestar.params import FromPath

from fablab.base.database import UnitOfWork
from fablab.base.errors import Invalid
from fablab.claims import desks, reservations
from fablab.claims.desks import DeskWish, Opening, Part
from fablab.money import passes
from fablab.money.passes import Pass
from fablab.people import standing
from fablab.people.access import Right, allows
from fablab.places import house
from web.pages.eyes import Eyes
from web.pages.people_forms import Form, change, day_in, done_in, number_in, one_of
from web.pages.people_model import Trouble
from web.pages.shell import AnyRequest, Desk, desk_of
from web.security import Access

PAGE = "/desks"
DAYS = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class PartView:
    """`pays`: what it costs, or that a pass pays; `mine`: the reservation they have then; `mark`: of this form."""

    part: str
    word: str
    start_at: datetime
    end_at: datetime
    free: int
    desks: int
    pays: str
    mine: str
    mark: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DayView:
    day: date
    word: str
    parts: tuple[PartView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PassView:
    id: int
    name: str
    left: int
    half_days: int
    last_day: date
    due: str
    holder: str
    unused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ComingView:
    id: str
    name: str
    start_at: datetime
    end_at: datetime
    by_pass: bool


@get(PAGE, access=Access.SIGNED_IN, include_in_schema=False, sync_to_thread=True)
def show(request: AnyRequest) -> Response[str]:
    return _page(desk_of(request), None)


def _page(desk: Desk, wrong: Trouble | None) -> Response[str]:
    chosen = _day(desk.request.query_params.get("day", "")[:10])
    with desk.look() as (uow, eyes, _):
        today = house.today(uow)
        member = standing.get(uow, desk.signed_in.member_id)
        days = [chosen] if chosen is not None else [today, today + timedelta(days=1)]
        mine = passes.of_member(uow, member.id)
        view = {
            "days": tuple(_day_view(uow, eyes, each, today, member.id) for each in days),
            "strip": tuple((each, eyes.words.formats.day(each, eyes.now)) for each in _strip(uow, today)),
            "chosen": chosen,
            "coming": tuple(_coming(uow, row) for row in desks.coming(uow, member.id)),
            "passes": tuple(
                each for each in (_pass(uow, eyes, row, "") for row in mine) if each.last_day >= today
            ),
            "tariffs": tuple(
                (row.id, row.name, row.half_days, eyes.words.money(row.price_cents))
                for row in passes.tariffs(uow, member.audience)
            ),
            "unpaid": tuple(_pass(uow, eyes, row, name) for row, name in passes.unpaid(uow))
            if allows(desk.actor, Right.OPERATE)
            else (),
        }
    return desk.page(
        "desks.html",
        status=422 if wrong else 200,
        trouble=wrong,
        flashes=done_in(desk.request, desk.words),
        **view,
    )


@post(PAGE, access=Right.SUBMIT, include_in_schema=False)
async def take(request: AnyRequest) -> Response[str]:
    def work(uow: UnitOfWork, form: Form) -> object:
        day = day_in(form, "day")
        if day is None:
            raise Invalid("day.wrong", field="day")
        wish = DeskWish(day=day, part=one_of(Part, form, "part"), key=form.get("mark", "")[:80] or None)
        return desks.take(uow, wish)

    return await change(request, "take", work, _page, f"{PAGE}#coming", "desk_taken")


@post(f"{PAGE}/tomorrow", access=Right.SUBMIT, include_in_schema=False)
async def take_tomorrow(request: AnyRequest) -> Response[str]:
    """The short way of the page of reservations. Tapped twice it is one desk."""

    def work(uow: UnitOfWork, form: Form) -> object:
        day, part = house.today(uow) + timedelta(days=1), one_of(Part, form, "part")
        found = desks.openings(uow, day, desk_of(request).signed_in.member_id)
        if any(each.part is part and each.mine for each in found):
            return None
        return desks.take(uow, DeskWish(day=day, part=part))

    return await change(request, "take", work, _page, f"{PAGE}#coming", "desk_taken")


@post(f"{PAGE}/give-up", access=Right.SUBMIT, include_in_schema=False)
async def give_up(request: AnyRequest) -> Response[str]:
    def work(uow: UnitOfWork, form: Form) -> object:
        return reservations.cancel(uow, form.get("reservation", "")[:20])

    return await change(request, "coming", work, _page, f"{PAGE}#coming", "desk_left")


@post("/passes", access=Right.SUBMIT, include_in_schema=False)
async def buy(request: AnyRequest) -> Response[str]:
    def work(uow: UnitOfWork, form: Form) -> object:
        return passes.buy(uow, number_in(form, "tariff"))

    return await change(request, "passes", work, _page, f"{PAGE}#passes", "pass_bought")


@post("/passes/{pass_id:int}/settle", access=Right.OPERATE, include_in_schema=False)
async def settle(request: AnyRequest, pass_id: FromPath[int]) -> Response[str]:
    def work(uow: UnitOfWork, form: Form) -> object:
        return passes.settle(uow, pass_id)

    return await change(request, "unpaid", work, _page, f"{PAGE}#unpaid", "settle")


@post("/passes/{pass_id:int}/cancel", access=Right.SUBMIT, include_in_schema=False)
async def cancel(request: AnyRequest, pass_id: FromPath[int]) -> Response[str]:
    def work(uow: UnitOfWork, form: Form) -> object:
        return passes.cancel(uow, pass_id)

    return await change(request, "passes", work, _page, f"{PAGE}#passes", "withdrawn")


def _day(said: str) -> date | None:
    try:
        return date.fromisoformat(said) if said else None
    except ValueError:
        return None


def _strip(uow: UnitOfWork, today: date) -> list[date]:
    """The days to come on which the house is open."""
    hours = house.calendar(uow)
    days = [today + timedelta(days=number) for number in range(DAYS)]
    return [day for day in days if hours.open.between(*house.midnights(day, hours.zone))]


def _day_view(uow: UnitOfWork, eyes: Eyes, day: date, today: date, member_id: int) -> DayView:
    word = eyes.words.formats.day(day, eyes.now)
    if day == today + timedelta(days=1):
        word = eyes.gettext("Tomorrow")
    return DayView(
        day=day,
        word=word[:1].upper() + word[1:],
        parts=tuple(_part(eyes, each) for each in desks.openings(uow, day, member_id)),
    )


def _part(eyes: Eyes, each: Opening) -> PartView:
    if each.ticket is not None:
        pays = eyes.gettext("By your pass")
    elif each.quote.total_cents:
        pays = eyes.words.money(each.quote.total_cents)
    else:
        pays = eyes.gettext("Free of charge")
    return PartView(
        part=each.part.value,
        word=eyes.words.word("desk_part", each.part),
        start_at=each.start_at,
        end_at=each.end_at,
        free=each.free,
        desks=each.desks,
        pays=pays,
        mine=each.mine or "",
        mark=secrets.token_hex(8),
    )


def _coming(uow: UnitOfWork, row: reservations.Reservation) -> ComingView:
    names = {desk.id: desk.name for desk in desks.desks_of(uow)}
    return ComingView(
        id=row.id,
        name=", ".join(names[each] for each in row.resource_ids if each in names),
        start_at=row.start_at,
        end_at=row.end_at,
        by_pass=bool(passes.uses_of(uow, row.id)),
    )


def _pass(uow: UnitOfWork, eyes: Eyes, row: Pass, holder: str) -> PassView:
    spent = passes.used(uow, [row.id]).get(row.id, 0)
    return PassView(
        id=row.id,
        name=row.name,
        left=row.half_days - spent,
        half_days=row.half_days,
        last_day=row.last_day,
        due=eyes.words.money(row.due_cents) if row.due_cents else "",
        holder=holder,
        unused=spent == 0,
    )


ROUTES = (show, take, take_tomorrow, give_up, buy, settle, cancel)
