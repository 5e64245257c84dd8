"""The kiosk: the page of one machine for the tablet beside it, and for a phone that scanned the code on it.

Anybody who stands there may stop the machine and report a problem; for everything else somebody has to be known: at the
tablet by badge or PIN, for a minute, on a phone by being signed in there. All of it works without script.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from litestar import Response, get, post
from litestar.params import FromPath, FromQuery

from fablab.base.database import Actor, UnitOfWork
from fablab.base.errors import Conflict, Forbidden, Invalid, LabError, NotFound, Refused, TooMany
from fablab.claims import calendar, reservations
from fablab.claims.reservations import Arrival
from fablab.device import Safety
from fablab.people import kiosks
from fablab.people.access import Scope
from fablab.places import house
from fablab.runs import attempts
from web.errors import words_of
from web.pages import show_floor, show_kiosk
from web.pages.eyes import Stock
from web.pages.gate import refusal_views
from web.pages.kiosk_model import KioskView
from web.pages.shell import AnyRequest, Parts, form_of, go, html, in_thread, is_fragment, templates_of
from web.pages.show_floor import Wires
from web.pages.show_kiosk import Person
from web.security import Access
from web.security.identity import caller_of, read_cookies

TOLD: Final = frozenset({"here", "start", "done", "problem", "clear"})
STATUS: Final[Mapping[type[LabError], int]] = {TooMany: 429, Forbidden: 403, NotFound: 404, Conflict: 409}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """In front of which machine, by which door, and who is known there. `tokens`: the tablet's and the person's."""

    request: AnyRequest
    parts: Parts
    machine_id: int
    code: str
    base: str
    where: str
    person: Person | None
    kiosk_token: str = ""
    known_token: str = ""
    is_tablet: bool = False

    @property
    def actor(self) -> Actor:
        """Raises `Forbidden` kiosk.who_first, membership.not_active."""
        if self.person is None:
            raise Forbidden("kiosk.who_first")
        if self.person.actor is None:
            raise Forbidden("membership.not_active")
        return self.person.actor

    @property
    def how(self) -> Arrival:
        return Arrival.KIOSK if self.is_tablet else Arrival.QR


def tablet(request: AnyRequest, machine_id: int) -> Stand:
    """Runs in a thread. Raises `Forbidden` kiosk.unknown_tablet, kiosk.other_machine."""
    parts: Parts = request.app.state.parts
    cookies = read_cookies(request.scope)
    token, known = cookies.get(parts.cookies.kiosk, "")[:128], cookies.get(parts.cookies.known, "")[:128]
    with parts.database.read() as uow:
        kiosk = kiosks.kiosk_of(uow, token)
        if kiosk.resource_id != machine_id:
            raise Forbidden("kiosk.other_machine", machine=kiosk.resource.name)
        row = kiosks.presence_of(uow, kiosk, known)
        person = None
        if row is not None:
            hands = kiosks.actor_of(uow, row.member) if row.member.active else None
            person = Person(member_id=row.member_id, name=row.member.name, actor=hands, until=row.expires_at)
        code = kiosks.code_of(uow, machine_id)
    return Stand(
        request=request,
        parts=parts,
        machine_id=machine_id,
        code=code,
        base=f"/kiosk/{machine_id}",
        where=kiosk.name,
        person=person,
        kiosk_token=token,
        known_token=known,
        is_tablet=True,
    )


def phone(request: AnyRequest, code: str) -> Stand:
    """Runs in a thread. Raises `NotFound` kiosk.no_code."""
    parts: Parts = request.app.state.parts
    caller = caller_of(request.scope)
    machine_id, who = parts.labels.machine(code), caller.signed_in
    person = None
    if who is not None and not caller.by_bearer:
        hands = who.actor
        if who.held_back:  # whose second factor is overdue works no machine of others
            hands = replace(hands, scopes=frozenset({Scope.SUBMIT.value}))
        person = Person(member_id=who.member_id, name=who.name, actor=hands, until=None)
    return Stand(
        request=request,
        parts=parts,
        machine_id=machine_id,
        code=code,
        base=f"/k/{code}",
        where=caller.address,
        person=person,
    )


# -- the page --------------------------------------------------------------------------------------------------------


def _view(
    stand: Stand, *, error: LabError | None = None, claim_id: str | None = None, typed: str = ""
) -> KioskView:
    parts, words = stand.parts, words_of(stand.request)
    wires = Wires(
        link=parts.dispatcher.links.get,
        stopped=parts.dispatcher.stopped,
        camera=parts.cameras.address,
    )
    told = stand.request.query_params.get("told", "")
    refused = isinstance(error, Refused)
    with parts.database.read(
        stand.person.actor if stand.person and stand.person.actor else show_kiosk.PASSER_BY
    ) as uow:
        card, _ahead = show_kiosk.machine(uow, words, wires, stand.machine_id, stand.person)
        known = (
            show_kiosk.known(uow, words, stand.machine_id, stand.person, card, claim_id)
            if stand.person is not None
            else None
        )
    return KioskView(
        card=card,
        base=stand.base,
        stop=f"/k/{stand.code}/stop" if stand.code and stand.machine_id in parts.dispatcher.links else "",
        is_tablet=stand.is_tablet,
        known=known,
        sign_in="" if stand.is_tablet else f"/login?next=/k/{stand.code}",
        told=words.word("kiosk_told", told) if error is None and told in TOLD else "",
        problem=words.error(error) if error is not None and not refused else "",
        field=error.field or "" if isinstance(error, Invalid) else "",
        typed=typed,
        against=refusal_views(words, error.refusals) if isinstance(error, Refused) else (),
    )


def _page(
    stand: Stand, *, error: LabError | None = None, claim_id: str | None = None, typed: str = ""
) -> Response[str]:
    """Runs in a thread."""
    view = _view(stand, error=error, claim_id=claim_id, typed=typed)
    templates = templates_of(stand.request)
    if is_fragment(stand.request):
        return html(stand.request, templates.render(stand.request, "partials/kiosk_now.html", k=view))
    status = 200 if error is None else STATUS.get(type(error), 422)
    return templates.page(stand.request, "kiosk.html", k=view, path=stand.base, status=status)


@get("/kiosk", access=Access.PUBLIC, include_in_schema=False)
async def start_page(request: AnyRequest) -> Response[str]:
    """Where a tablet that is let in begins again."""

    def find() -> int:
        parts: Parts = request.app.state.parts
        with parts.database.read() as uow:
            token = read_cookies(request.scope).get(parts.cookies.kiosk, "")[:128]
            return kiosks.kiosk_of(uow, token).resource_id

    return go(request, f"/kiosk/{await in_thread(find)}")


@get("/kiosk/{machine:int}", access=Access.PUBLIC, include_in_schema=False, sync_to_thread=True)
def show_tablet(
    request: AnyRequest, machine: FromPath[int], claim: FromQuery[str | None] = None
) -> Response[str]:
    stand = tablet(request, machine)
    request.app.state.parts.labels.read()
    return _page(stand, claim_id=claim)


@get("/k/{code:str}", access=Access.PUBLIC, include_in_schema=False, sync_to_thread=True)
def show_phone(
    request: AnyRequest, code: FromPath[str], claim: FromQuery[str | None] = None
) -> Response[str]:
    return _page(phone(request, code), claim_id=claim)


# -- what the buttons do ---------------------------------------------------------------------------------------------

Form = Mapping[str, str]
Act = Callable[[Stand, Form], Awaitable[None]]


async def _here(stand: Stand, _form: Form) -> None:
    """I am here."""

    def work(uow: UnitOfWork) -> None:
        reservations.check_in(uow, _own(stand, uow), stand.how)

    await in_thread(stand.parts.database.write, work, stand.actor)


async def _done(stand: Stand, _form: Form) -> None:
    """Done: the rest of the time is free for others."""

    def work(uow: UnitOfWork) -> None:
        reservations.end_early(uow, _own(stand, uow))

    await in_thread(stand.parts.database.write, work, stand.actor)


def _own(stand: Stand, uow: UnitOfWork) -> str:
    member_id = stand.actor.member_id
    row = show_kiosk.own_on(uow, stand.machine_id, member_id) if member_id is not None else None
    if row is None:
        raise Conflict("kiosk.none_of_yours")
    return row.id


async def _start(stand: Stand, form: Form) -> None:
    """The same tap as on the floor, judged by the same rules."""
    actor, job_id = stand.actor, form.get("job", "")[:40]
    if form.get("bed") != "1":
        raise Invalid("bed.not_confirmed", field="bed")

    def spool(uow: UnitOfWork) -> int | None:
        stock = Stock(spools=house.spools(uow), sheets=house.sheets(uow))
        machine = house.machine(uow, stand.machine_id)
        found = show_floor.spool_to_load(machine, calendar.claim(uow, job_id), stock)
        return found.id if found is not None else None

    def look() -> int | None:
        with stand.parts.database.read(actor) as uow:
            return spool(uow) if job_id else None

    spool_id = await in_thread(look)
    await stand.parts.dispatcher.tap(
        actor, stand.machine_id, claim_id=job_id or None, bed_clear=True, spool_id=spool_id
    )


async def _clear(stand: Stand, _form: Form) -> None:
    """Staff have looked."""
    await in_thread(
        stand.parts.database.write,
        lambda uow: attempts.clear_bed(uow, stand.machine_id),
        stand.actor,
    )


async def _problem(stand: Stand, form: Form) -> None:
    """Whoever stands there may say so; with a name where somebody is known."""
    person = stand.person
    actor = person.actor if person is not None and person.actor is not None else show_kiosk.PASSER_BY
    words = form.get("problem", "")[:2000]
    await in_thread(
        stand.parts.database.write,
        lambda uow: kiosks.report(uow, stand.machine_id, words, where=stand.where),
        actor,
    )


ACTS: Final[Mapping[str, Act]] = {
    "here": _here,
    "done": _done,
    "start": _start,
    "clear": _clear,
    "problem": _problem,
}


async def _act(stand: Stand, name: str, form: Form) -> Response[str]:
    """Back to the page, which says what was done; or the page at once, with what stands against it."""
    act = ACTS.get(name)
    if act is None:
        raise NotFound("kiosk.no_button")
    try:
        await act(stand, form)
    except (Invalid, Conflict, Forbidden, Refused, NotFound) as error:
        refusal: LabError = error
    else:
        return await _went_well(stand, name)
    return await in_thread(lambda: _page(stand, error=refusal, typed=form.get("problem", "")[:300]))


async def _went_well(stand: Stand, name: str) -> Response[str]:
    if stand.is_tablet and stand.person is not None:
        await in_thread(stand.parts.database.write, lambda uow: _prolong(uow, stand))
    return go(stand.request, f"{stand.base}?told={name}")


def _prolong(uow: UnitOfWork, stand: Stand) -> None:
    kiosks.prolong(uow, kiosks.kiosk_of(uow, stand.kiosk_token), stand.known_token)


@post("/k/{code:str}/{act:str}", access=Access.PUBLIC, include_in_schema=False)
async def by_phone(request: AnyRequest, code: FromPath[str], act: FromPath[str]) -> Response[str]:
    stand = await in_thread(phone, request, code)
    return await _act(stand, act, await form_of(request))


@post("/kiosk/{machine:int}/{act:str}", access=Access.PUBLIC, include_in_schema=False)
async def by_tablet(request: AnyRequest, machine: FromPath[int], act: FromPath[str]) -> Response[str]:
    stand, form = await in_thread(tablet, request, machine), await form_of(request)
    if act in ("scan", "pin"):
        return await in_thread(_recognise, stand, act, form)
    if act == "not-me":
        return await in_thread(_forget, stand)
    return await _act(stand, act, form)


def _recognise(stand: Stand, act: str, form: Form) -> Response[str]:
    database = stand.parts.database
    try:
        if act == "scan":
            token = kiosks.by_badge(database, stand.kiosk_token, form.get("badge", ""))
        else:
            token = kiosks.by_pin(database, stand.kiosk_token, form.get("who", ""), form.get("pin", "")[:20])
    except (Forbidden, TooMany) as error:
        return _page(replace(stand, person=None), error=error)
    answer = go(stand.request, stand.base)
    cookies = stand.parts.cookies
    answer.set_cookie(cookies.for_a_while(cookies.known, token, kiosks.KNOWN_FOR * 60))
    return answer


def _forget(stand: Stand) -> Response[str]:
    stand.parts.database.write(lambda uow: kiosks.not_me(uow, kiosks.kiosk_of(uow, stand.kiosk_token)))
    answer = go(stand.request, stand.base)
    answer.set_cookie(stand.parts.cookies.no(stand.parts.cookies.known))
    return answer


@post("/k/{code:str}/stop", access=Access.PUBLIC, csrf="secret", include_in_schema=False, status_code=200)
async def stop(request: AnyRequest, code: FromPath[str]) -> Response[str]:
    """Whoever stands there may: no question, no name, no database. To the wire first; the answer says how it went."""
    parts: Parts = request.app.state.parts
    words = words_of(request)
    machine_id = parts.labels.remembered(code)
    if machine_id is None:
        machine_id = await in_thread(parts.labels.machine, code)
    somebody = Actor(member_id=None, name=words.gettext("Somebody at the machine"))
    safety = await parts.dispatcher.stop(somebody, machine_id)
    return templates_of(request).page(
        request,
        "kiosk_stopped.html",
        confirmed=safety is Safety.CONFIRMED,
        sentence=words.word("stop", "all" if safety is Safety.CONFIRMED else "not_confirmed"),
        back="/kiosk" if read_cookies(request.scope).get(parts.cookies.kiosk) else f"/k/{code}",
        stop=f"/k/{code}/stop",
    )


ROUTES = (start_page, show_tablet, show_phone, by_phone, by_tablet, stop)
