"""Rooms for everybody: the public list, asking for one, the page behind the letter's link, and the house's answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from litestar import Response, get, post
from litestar.params import FromPath

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, Invalid, Refused
from fablab.base.intervals import instant
from fablab.claims import hires
from fablab.claims.hires import Hire, HireState, HireWish, Offered
from fablab.money import quotes
from fablab.money.quotes import Quote
from fablab.money.stays import StayUnit
from fablab.people.models import Audience
from fablab.places import house
from web.pages import eyes as seen
from web.pages.people_forms import Form, change, day_in, done_in, one_of, options, trouble
from web.pages.people_model import Mark, Trouble
from web.pages.shell import AnyRequest, Desk, desk_of, form_of, go, in_thread, templates_of
from web.security import Access, Pace
from web.words import Words

LIST, LINK, DESK = "/house/rooms", "/hire", "/hires"
KEY_LIMIT = 200
FURTHEST = timedelta(days=366)
_TONES = {
    HireState.ASKED: "wait",
    HireState.REQUESTED: "wait",
    HireState.CONFIRMED: "good",
    HireState.DONE: "quiet",
    HireState.DECLINED: "bad",
    HireState.CANCELLED: "quiet",
    HireState.LAPSED: "bad",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ThingView:
    id: int
    name: str
    note: str
    seats: int | None
    equipment: tuple[str, ...]
    prices: tuple[str, ...]
    kits: tuple[ThingView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteView:
    lines: tuple[tuple[str, str, str], ...]
    total: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HireView:
    """`can`: what the reader may do: confirm, give_up; approve, decline, cancel. `hold_until` None: nothing runs out."""

    id: str
    mark: Mark
    what: str
    start_at: datetime
    end_at: datetime
    name: str
    organisation: str
    email: str
    phone: str
    people: int
    purpose: str
    why: str
    audience: str
    hold_until: datetime | None
    quote: QuoteView | None
    can: tuple[str, ...]


# --- for everybody


@get(LIST, access=Access.PUBLIC, include_in_schema=False, sync_to_thread=True)
def show_list(request: AnyRequest) -> Response[str]:
    words = _words(request)
    with request.app.state.parts.database.read() as uow:
        rooms = tuple(_thing(words, each) for each in hires.public_rooms(uow, Audience.ASSOCIATION))
    return templates_of(request).page(request, "house_rooms.html", rooms=rooms, path=LIST)


@get(f"{LIST}/{{room:int}}", access=Access.PUBLIC, include_in_schema=False, sync_to_thread=True)
def show_one(request: AnyRequest, room: FromPath[int]) -> Response[str]:
    return _room(request, room, None)


@post(f"{LIST}/{{room:int}}", access=Access.PUBLIC, pace=Pace.LOGIN, include_in_schema=False)
async def ask(request: AnyRequest, room: FromPath[int]) -> Response[str]:
    """`look`: what it would cost, and nothing is kept; without it the request itself."""
    form = await form_of(request)
    kits = (await request.form()).getall("kits", [])

    def make() -> Response[str]:
        words, database = _words(request), request.app.state.parts.database
        try:
            with database.read() as uow:
                zone = house.zone(uow)
            wish = _wish(words, room, form, [str(each) for each in kits], zone)
            if form.get("look"):
                with database.read() as uow:
                    found = hires.foresee(uow, wish)
                    names = hires.names_of(uow, (room, *wish.kit_ids))
                error = Refused(found.refusals) if found.refusals else None
                wrong = trouble(words, error, "ask", form) if error is not None else None
                quote = _quote(words, names, found.quote)
                return _room(request, room, wrong, form=form, kits=wish.kit_ids, quote=quote)
            row = database.write(lambda uow: hires.ask(uow, wish))
        except (Invalid, Conflict, Refused) as error:
            picked = tuple(int(each) for each in kits if str(each).isdecimal() and len(str(each)) < 9)
            return _room(request, room, trouble(words, error, "ask", form), form=form, kits=picked)
        return templates_of(request).page(
            request, "hire_said.html", email=row.email, until=row.hold_until, path=LIST
        )

    return await in_thread(make)


def _wish(words: Words, room: int, form: Form, kits: list[str], zone: ZoneInfo) -> HireWish:
    day, last = day_in(form, "day"), day_in(form, "last_day")
    if day is None:
        raise Invalid("day.wrong", field="day")
    start, end = _time(form, "start"), _time(form, "end")
    if not all(each.isascii() and each.isdecimal() and len(each) < 9 for each in kits):
        raise Invalid("resource.unknown", field="kits")
    people = form.get("people", "").strip()
    if not (people.isascii() and people.isdecimal() and len(people) < 6):
        raise Invalid("hire.people", field="people", most=1000)
    return HireWish(
        room_id=room,
        kit_ids=tuple(int(each) for each in kits),
        start_at=instant(day, start, zone),
        end_at=instant(last or day, end, zone),
        people=int(people),
        name=form.get("name", "")[:400],
        email=form.get("email", "")[:300],
        purpose=form.get("purpose", "")[:1000],
        organisation=form.get("organisation", "")[:400],
        phone=form.get("phone", "")[:60],
        audience=one_of(Audience, form, "audience"),
        language=words.language,
    )


def _time(form: Form, name: str) -> time:
    said = form.get(name, "").strip()[:5]
    try:
        return time.fromisoformat(said)
    except ValueError:
        raise Invalid("time.wrong", field=name, text=said) from None


def _room(
    request: AnyRequest,
    room_id: int,
    wrong: Trouble | None,
    *,
    form: Form | None = None,
    kits: tuple[int, ...] = (),
    quote: QuoteView | None = None,
) -> Response[str]:
    words = _words(request)
    with request.app.state.parts.database.read() as uow:
        room = hires.public_room(uow, room_id)
        audience = _audience(form)
        view = next(each for each in hires.public_rooms(uow, audience) if each.thing.id == room.id)
        today = house.today(uow)
        shown = _thing(words, view)
    return templates_of(request).page(
        request,
        "house_room.html",
        status=422 if wrong else 200,
        room=shown,
        trouble=wrong,
        typed=dict(form or {}),
        picked=kits,
        quote=quote,
        audiences=options(words, Audience, "audience"),
        first_day=today,
        last_day=today + FURTHEST,
        path=f"{LIST}/{room_id}",
    )


def _audience(form: Form | None) -> Audience:
    try:
        return one_of(Audience, form or {}, "audience")
    except Invalid:
        return Audience.ASSOCIATION


@get(LINK, access=Access.PUBLIC, include_in_schema=False, sync_to_thread=True)
def show_link(request: AnyRequest) -> Response[str]:
    """Where the letter leads. Looking at it changes nothing: mail programs look first."""
    return _link(request, request.query_params.get("key", "")[:KEY_LIMIT], None)


@post(LINK, access=Access.PUBLIC, pace=Pace.LOGIN, include_in_schema=False)
async def answer_link(request: AnyRequest) -> Response[str]:
    """`answer`: confirm or give_up."""
    form = await form_of(request)
    secret = form.get("key", "")[:KEY_LIMIT]

    def make() -> Response[str]:
        act = hires.cancel_by_key if form.get("answer") == "give_up" else hires.confirm_email
        try:
            request.app.state.parts.database.write(lambda uow: act(uow, secret))
        except Conflict as error:
            return _link(request, secret, trouble(_words(request), error, "link", form))
        return go(request, f"{LINK}?key={secret}")

    return await in_thread(make)


def _link(request: AnyRequest, secret: str, wrong: Trouble | None) -> Response[str]:
    words = _words(request)
    with request.app.state.parts.database.read() as uow:
        row = hires.opened(uow, secret)
        can = {HireState.ASKED: ("confirm", "give_up"), HireState.REQUESTED: ("give_up",)}.get(row.state, ())
        if row.state is HireState.CONFIRMED and row.start_at > uow.now:
            can = ("give_up",)
        view = _view(uow, words, row, can)
    answer = templates_of(request).page(
        request, "hire.html", status=422 if wrong else 200, view=view, secret=secret, trouble=wrong, path=LIST
    )
    answer.headers["Cache-Control"] = "no-store"
    # With "no-referrer" a browser sends the forms of this page as if from elsewhere (`Origin: null`): refused.
    answer.headers["Referrer-Policy"] = "same-origin"
    return answer


# --- for the house


@get(DESK, access=Access.SIGNED_IN, include_in_schema=False, sync_to_thread=True)
def show_desk(request: AnyRequest) -> Response[str]:
    return _desk(desk_of(request), None)


def _desk(desk: Desk, wrong: Trouble | None) -> Response[str]:
    with desk.look() as (uow, eyes, _):
        live, over = hires.of_part(uow)
        views = tuple(_view(uow, eyes.words, row, _may(row)) for row in live)
        past = tuple(_view(uow, eyes.words, row, ()) for row in over)
    return desk.page(
        "hires.html",
        status=422 if wrong else 200,
        live=views,
        over=past,
        trouble=wrong,
        flashes=done_in(desk.request, desk.words),
    )


def _may(row: Hire) -> tuple[str, ...]:
    return {
        HireState.REQUESTED: ("approve", "decline"),
        HireState.CONFIRMED: ("cancel",),
    }.get(row.state, ())


@post(f"{DESK}/{{hire:str}}/{{answer:str}}", access=Access.SIGNED_IN, include_in_schema=False)
async def decide(request: AnyRequest, hire: FromPath[str], answer: FromPath[str]) -> Response[str]:
    acts = {"approve": hires.approve, "decline": hires.decline, "cancel": hires.cancel}

    def work(uow: UnitOfWork, form: Form) -> object:
        if answer not in acts:
            raise Invalid("choice.unknown", field="answer")
        return acts[answer](uow, hire, form.get("why", "")[:600])

    return await change(request, f"hire-{hire}", work, _desk, DESK, f"hire_{answer}")


# --- as it is shown


def _view(uow: UnitOfWork, words: Words, row: Hire, can: tuple[str, ...]) -> HireView:
    quote, names = quotes.quote_of(uow, row.id), hires.names_of(uow, row.resource_ids)
    return HireView(
        id=row.id,
        mark=Mark(tone=_TONES[row.state], word=words.word("hire_state", row.state)),
        what=", ".join(names.values()),
        start_at=row.start_at,
        end_at=row.end_at,
        name=row.name,
        organisation=row.organisation,
        email=row.email,
        phone=row.phone,
        people=row.people,
        purpose=row.purpose,
        why=row.why,
        audience=words.word("audience", row.audience),
        hold_until=row.hold_until,
        quote=_quote(words, names, quote) if quote is not None else None,
        can=can,
    )


def _quote(words: Words, names: Mapping[int, str], quote: Quote) -> QuoteView:
    return QuoteView(
        lines=tuple(
            (
                names.get(line.resource_id or 0, words.word("charge_line", line.code)),
                seen.stay_sum(words, line),
                words.money(line.amount_cents),
            )
            for line in quote.lines
        ),
        total=words.money(quote.total_cents),
    )


def _thing(words: Words, each: Offered) -> ThingView:
    thing = each.thing
    return ThingView(
        id=thing.id,
        name=thing.name,
        note=thing.note,
        seats=thing.seats,
        equipment=tuple(thing.equipment),
        prices=tuple(
            f"{words.money(each.grid[unit])} / {words.word('stay_unit', unit)}"
            for unit in StayUnit
            if unit in each.grid
        ),
        kits=tuple(_thing(words, kit) for kit in each.kits),
    )


def _words(request: AnyRequest) -> Words:
    found: Words = templates_of(request).context(request)["words"]
    return found


ROUTES = (show_list, show_one, ask, show_link, answer_link, show_desk, decide)
