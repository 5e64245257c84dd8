"""Requests of schools as the staff sees them: who waits for whom, and each one's thread with the staff's acts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Final

from litestar import Response, get, post
from litestar.params import FromPath

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, Invalid, LabError, NotFound, Refused, TooMany
from fablab.claims import workshops
from fablab.money.models import Exemption
from fablab.people import documents
from fablab.places import house
from scheduler.offering.asked import DateOffer, Dates, of_session
from scheduler.offering.find import find
from scheduler.offering.use import Offering
from web.pages import show_requests, show_thread
from web.pages.people_forms import Form, day_in, options, trouble
from web.pages.people_model import Trouble
from web.pages.schools_model import DateView, MissView, PreviewView
from web.pages.shell import AnyRequest, Desk, desk_of, form_of, go, in_thread
from web.pages.thread import file_of, hold_of, paper_of, take_signed, trouble_of
from web.pages.thread_acts import OF_STAFF, instant_in
from web.security import Pace, Right

_SAID: Final = (Invalid, Conflict, Refused, TooMany)
#: As long as the class's own papers take; the use case shortens it where the date is near.
USUAL_HOLD: Final = timedelta(days=7)
#: Dates that are found at once; three of them may be proposed.
SHOWN: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What was looked for on the page. `found` None: nothing was."""

    since: str = ""
    until: str = ""
    found: tuple[DateView, ...] | None = None
    missed: tuple[MissView, ...] = field(default_factory=tuple)
    preview: PreviewView | None = None
    wrong: Trouble | None = None


@get("/requests", access=Right.OPERATE, include_in_schema=False, sync_to_thread=True)
def show_all(request: AnyRequest) -> Response[str]:
    """`?show=` ours, theirs, coming, over or all; `?q=`: part of a school, a town or a workshop."""
    desk = desk_of(request)
    chosen, text = request.query_params.get("show", ""), request.query_params.get("q", "")[:100]
    with desk.look() as (uow, eyes, _):
        view = show_requests.listed(uow, eyes, chosen, text)
    return desk.page("requests.html", view=view)


@get("/requests/{session_id:str}", access=Right.OPERATE, include_in_schema=False, sync_to_thread=True)
def show(request: AnyRequest, session_id: FromPath[str]) -> Response[str]:
    """`?find=1`, with `since` and `until`: the dates that the planner finds now."""
    desk = desk_of(request)
    return _page(desk, session_id, _looked(desk, session_id, request.query_params))


@post("/requests/{session_id:str}/propose", access=Right.OPERATE, include_in_schema=False)
async def propose(request: AnyRequest, session_id: FromPath[str]) -> Response[str]:
    """The dates that are ticked; with `then=hold` the first of them is held at once."""
    desk, form = desk_of(request), await form_of(request)

    def make() -> Response[str]:
        first, last = _days(form)
        starts = [_instant(form[name]) for name in sorted(form) if name.startswith("date")]
        if not starts:
            raise Invalid("request.no_date", field="find")
        until = instant_in(form, "hold_until", desk.words.formats.zone)

        def work(uow: UnitOfWork) -> object:
            found = _dates(uow, session_id, first, last)
            chosen = [_one(found, start).proposal for start in starts]
            return workshops.propose(uow, session_id, chosen, [each.stored() for each in found.missed])

        desk.database.write(work, desk.actor)
        if form.get("then") == "hold":
            Offering(database=desk.database).hold(desk.actor, session_id, 1, until)
        return go(request, f"/requests/{session_id}")

    return await in_thread(_saying, desk, session_id, form, make)


@post("/requests/{session_id:str}/move", access=Right.OPERATE, include_in_schema=False)
async def move(request: AnyRequest, session_id: FromPath[str]) -> Response[str]:
    """First what would move is shown; with `sure=1` it is done."""
    desk, form = desk_of(request), await form_of(request)

    def make() -> Response[str]:
        start_at = _instant(form.get("date", ""))
        if form.get("sure") == "1":
            offering = Offering(database=desk.database)
            offer = offering.at(desk.actor, session_id, start_at)
            if offer is None:
                raise Conflict("session.date_gone", start=start_at.isoformat())
            offering.move(desk.actor, session_id, offer.proposal, form.get("why", ""))
            return go(request, f"/requests/{session_id}")
        return _page(desk, session_id, _previewed(desk, session_id, form, start_at))

    return await in_thread(_saying, desk, session_id, form, make)


@post(
    "/requests/{session_id:str}/sign",
    access=Right.OPERATE,
    pace=Pace.UPLOAD,
    csrf="stream",
    include_in_schema=False,
    request_max_body_size=documents.LIMIT_BYTES + 1_000_000,
)
async def sign(request: AnyRequest, session_id: FromPath[str]) -> Response[str]:
    desk = desk_of(request)

    def say(error: LabError) -> Response[str]:
        return _page(desk, session_id, Looked(wrong=trouble(desk.words, error, "sign", {})))

    return await take_signed(request, session_id, desk.actor, f"/requests/{session_id}", say)


@post("/requests/{session_id:str}/{act:str}", access=Right.OPERATE, include_in_schema=False)
async def answer(request: AnyRequest, session_id: FromPath[str], act: FromPath[str]) -> Response[str]:
    desk, form = desk_of(request), await form_of(request)

    def make() -> Response[str]:
        work = OF_STAFF.get(act)
        if act == "hold":
            hold_of(desk.parts, desk.words, desk.actor, session_id, form)
        elif work is None:
            raise NotFound
        else:
            act_on = work

            def do(uow: UnitOfWork) -> object:
                return act_on(uow, desk.words, workshops.may_see(uow, session_id), form)

            desk.database.write(do, desk.actor)
        return go(request, f"/requests/{session_id}")

    def asked() -> Response[str]:
        try:
            return make()
        except _SAID as error:
            return _page(desk, session_id, Looked(wrong=trouble_of(request, error, act, form)))

    return await in_thread(asked)


@get(
    "/requests/{session_id:str}/{name:str}",
    access=Right.OPERATE,
    include_in_schema=False,
    sync_to_thread=True,
)
def fetch(request: AnyRequest, session_id: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    return paper_of(request, session_id, desk_of(request).actor, name)


@get(
    "/requests/{session_id:str}/files/{entry_id:int}",
    access=Right.OPERATE,
    include_in_schema=False,
    sync_to_thread=True,
)
def fetch_file(request: AnyRequest, session_id: FromPath[str], entry_id: FromPath[int]) -> Response[bytes]:
    return file_of(request, session_id, desk_of(request).actor, entry_id)


# -- how it is done ----------------------------------------------------------------------------------------------


def _saying(desk: Desk, session_id: str, form: Form, make: Callable[[], Response[str]]) -> Response[str]:
    """What is wrong stands beside the finder, with what it finds now."""
    try:
        return make()
    except _SAID as error:
        wrong = trouble(desk.words, error, "find", form)
        return _page(desk, session_id, _looked(desk, session_id, {**form, "find": "1"}, wrong))


def _looked(desk: Desk, session_id: str, asked: Mapping[str, str], wrong: Trouble | None = None) -> Looked:
    since, until = asked.get("since", "")[:10], asked.get("until", "")[:10]
    if asked.get("find") != "1":
        return Looked(since=since, until=until, wrong=wrong)
    try:
        first, last = _days(asked)
        with desk.look() as (uow, eyes, _):
            found = _dates(uow, session_id, first, last)
            names = {row.id: row for row in house.resources(uow, show_thread.KINDS)}
            return Looked(
                since=since,
                until=until,
                found=tuple(
                    show_requests.found_date(eyes.words, names, number, each)
                    for number, each in enumerate(found.offers, start=1)
                ),
                missed=show_thread.missed(eyes.words, [each.stored() for each in found.missed]),
                wrong=wrong,
            )
    except Invalid as error:
        return Looked(since=since, until=until, wrong=wrong or trouble(desk.words, error, "find", {}))


def _previewed(desk: Desk, session_id: str, form: Form, start_at: datetime) -> Looked:
    first, last = _days(form)
    with desk.look() as (uow, eyes, _):
        found = _dates(uow, session_id, first, last)
        session = workshops.may_see(uow, session_id)
        names = {row.id: row for row in house.resources(uow, show_thread.KINDS)}
        preview = show_requests.preview(eyes.words, names, session, _one(found, start_at))
    return Looked(since=form.get("since", "")[:10], until=form.get("until", "")[:10], preview=preview)


def _dates(uow: UnitOfWork, session_id: str, first: date | None, last: date | None) -> Dates:
    """Around what was wished for, or only between these days. Raises `Invalid` span.wrong, span.too_long."""
    session = workshops.may_see(uow, session_id)
    found = find(uow, replace(of_session(session), first=first, last=last), SHOWN)
    # To move it to where it is would be no move.
    others = tuple(each for each in found.offers if each.start_at != session.start_at)
    return replace(found, offers=others)


def _one(found: Dates, start_at: datetime) -> DateOffer:
    offer = next((each for each in found.offers if each.start_at == start_at), None)
    if offer is None:
        raise Conflict("session.date_gone", start=start_at.isoformat())
    return offer


def _days(form: Mapping[str, str]) -> tuple[date | None, date | None]:
    return day_in(form, "since"), day_in(form, "until")


def _instant(said: str) -> datetime:
    """As the page itself has written it. Raises `Invalid` day.wrong."""
    try:
        found = datetime.fromisoformat(said)
    except ValueError:
        raise Invalid("day.wrong", field="find") from None
    if found.tzinfo is None:
        raise Invalid("day.wrong", field="find")
    return found


def _page(desk: Desk, session_id: str, looked: Looked) -> Response[str]:
    with desk.look() as (uow, eyes, _):
        session = workshops.may_see(uow, session_id)
        view = show_thread.view(uow, eyes, session, base=f"/requests/{session_id}")
        usual = desk.words.formats.local(eyes.now + USUAL_HOLD)
        payer, name = session.payer.value, session.contact_name
        people, adults = session.people, session.adults
        warnings = tuple(desk.words.refusal(each) for each in workshops.warnings(session))
        leader = session.mediator.name if session.mediator is not None else ""
        is_mine = session.mediator_id == desk.signed_in.member_id
    return desk.page(
        "school_thread.html",
        status=422 if looked.wrong else 200,
        t=view,
        trouble=looked.wrong,
        found=looked.found,
        missed=looked.missed,
        preview=looked.preview,
        find_since=looked.since,
        find_until=looked.until,
        hold_default=f"{usual:%Y-%m-%d}T18:00",
        payers=options(desk.words, workshops.Payer, "workshop_payer"),
        payer=payer,
        exemptions=options(desk.words, Exemption, "exemption"),
        contact_name=name,
        people=people,
        adults=adults,
        warnings=warnings,
        leader=leader,
        is_mine=is_mine,
        me=desk.signed_in.member_id,
    )


ROUTES = (show_all, show, propose, move, sign, answer, fetch, fetch_file)
