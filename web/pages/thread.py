"""The school's own page of its request, by the secret link of a letter: read, say yes, write, ask for another date."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from litestar import Response, get, post
from litestar.params import FromPath

from fablab.base.database import Actor, UnitOfWork
from fablab.base.errors import Conflict, Invalid, LabError, NotFound, Refused, TooMany
from fablab.claims import workshops
from fablab.claims.workshops import AcceptedBy, Answer, letters, thread
from fablab.claims.workshops.words import KeyUse
from fablab.people import documents
from fablab.people.documents import Sent
from scheduler.offering.use import Offering
from web.errors import words_of
from web.pages import show_thread, thread_papers
from web.pages.eyes import Eyes
from web.pages.people_forms import Form, number_in, options, trouble
from web.pages.people_model import Trouble
from web.pages.shell import AnyRequest, Parts, form_of, go, in_thread, templates_of
from web.pages.thread_acts import OF_SCHOOL, instant_in
from web.security import Access, Pace
from web.words import Words

KEY_LIMIT: Final = 128
#: What is said on the page, beside the form that was sent.
_SAID: Final = (Invalid, Conflict, Refused, TooMany)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """Who came by a link: the school of one session. `base`: the address of its page."""

    session_id: str
    actor: Actor
    base: str


def guest_of(parts: Parts, key: str) -> Guest:
    """Raises `NotFound` key.unknown, `Conflict` key.expired."""
    with parts.database.read() as uow:
        opened = thread.by_key(uow, key[:KEY_LIMIT])
        return Guest(session_id=opened.session.id, actor=opened.actor, base=f"{letters.THREAD}{key}")


@get("/thread/{key:str}", access=Access.PUBLIC, include_in_schema=False, sync_to_thread=True)
def show(request: AnyRequest, key: FromPath[str]) -> Response[str]:
    """The link of the first letter asks for a yes; looking at it changes nothing: mail programs look first."""
    parts: Parts = request.app.state.parts
    try:
        return _page(request, guest_of(parts, key))
    except NotFound:
        return _confirm(request, key)
    except Conflict as error:
        return _over(request, error)


@post("/thread/{key:str}/confirm", access=Access.PUBLIC, pace=Pace.LOGIN, include_in_schema=False)
async def confirm(request: AnyRequest, key: FromPath[str]) -> Response[str]:
    """The address is theirs. From here on they have a link of their own, which is where they are led."""
    parts: Parts = request.app.state.parts

    def work(uow: UnitOfWork) -> str:
        return letters.link(uow, workshops.confirm_email(uow, key[:KEY_LIMIT]).session)

    def make() -> Response[str]:
        try:
            return go(request, parts.database.write(work))
        except (NotFound, Conflict) as error:
            return _over(request, error)

    return await in_thread(make)


@post(
    "/thread/{key:str}/sign",
    access=Access.PUBLIC,
    pace=Pace.UPLOAD,
    csrf="stream",
    include_in_schema=False,
    request_max_body_size=documents.LIMIT_BYTES + 1_000_000,
)
async def sign(request: AnyRequest, key: FromPath[str]) -> Response[str]:
    parts: Parts = request.app.state.parts
    guest = await in_thread(guest_of, parts, key)

    def say(error: LabError) -> Response[str]:
        return _page(request, guest, trouble(words_of(request), error, "sign", {}))

    return await take_signed(request, guest.session_id, guest.actor, guest.base, say)


async def take_signed(
    request: AnyRequest,
    session_id: str,
    actor: Actor,
    base: str,
    say: Callable[[LabError], Response[str]],
) -> Response[str]:
    """A signed paper as the school's yes. The file is written down first; it is a yes only with its line."""
    parts: Parts = request.app.state.parts
    store = thread.store_in(parts.settings.data_dir)

    def keep(name: str, pieces: Iterable[bytes]) -> Sent:
        return documents.keep(store, name, pieces)

    def accept(sent: Sent) -> Response[str]:
        answer = Answer(by=AcceptedBy.SIGNED, file=sent)
        try:
            parts.database.write(lambda uow: workshops.accept(uow, session_id, answer), actor)
        except LabError:
            thread.discard(parts.database, store, sent)
            raise
        return go(request, base)

    try:
        sent, _ = await parts.uploads.take(request, keep)
        return await in_thread(accept, sent)
    except _SAID as error:
        return await in_thread(say, error)


@post("/thread/{key:str}/{act:str}", access=Access.PUBLIC, pace=Pace.LOGIN, include_in_schema=False)
async def answer(request: AnyRequest, key: FromPath[str], act: FromPath[str]) -> Response[str]:
    parts: Parts = request.app.state.parts
    form, words = await form_of(request), words_of(request)

    def make() -> Response[str]:
        guest, work = guest_of(parts, key), OF_SCHOOL.get(act)
        if work is None and act != "hold":
            raise NotFound

        def do(uow: UnitOfWork) -> object:
            assert work is not None
            return work(uow, words, workshops.may_see(uow, guest.session_id), form)

        try:
            if act == "hold":
                hold_of(parts, words, guest.actor, guest.session_id, form)
            else:
                parts.database.write(do, guest.actor)
        except _SAID as error:
            return _page(request, guest, trouble_of(request, error, act, form))
        return go(request, guest.base)

    return await in_thread(make)


def hold_of(parts: Parts, words: Words, actor: Actor, session_id: str, form: Form) -> None:
    """One of the proposed dates, with room made for it; `hold_until` is the staff's to choose."""
    until = instant_in(form, "hold_until", words.formats.zone)
    Offering(database=parts.database).hold(actor, session_id, number_in(form, "rank"), until)


def trouble_of(request: AnyRequest, error: LabError, act: str, form: Form) -> Trouble:
    return trouble(words_of(request), error, act.replace("-", "_"), form)


@get("/thread/{key:str}/{name:str}", access=Access.PUBLIC, include_in_schema=False, sync_to_thread=True)
def fetch(request: AnyRequest, key: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    """quote.pdf, agreement.pdf, calendar.ics."""
    parts: Parts = request.app.state.parts
    guest = guest_of(parts, key)
    return paper_of(request, guest.session_id, guest.actor, name)


def paper_of(request: AnyRequest, session_id: str, actor: Actor, name: str) -> Response[bytes]:
    parts: Parts = request.app.state.parts
    words, what, ending = words_of(request), *name.rpartition(".")[::2]
    with parts.database.read(actor) as uow:
        session = workshops.may_see(uow, session_id)
        if ending == "ics":
            host = parts.settings.address.split("://", 1)[-1].partition(":")[0]
            return thread_papers.calendar(uow, words, session, host)
        if ending != "pdf":
            raise NotFound("thread.no_paper")
        paper = thread_papers.paper(uow, words, parts.clock, session, what)
    return paper.answer()


@get(
    "/thread/{key:str}/files/{entry_id:int}",
    access=Access.PUBLIC,
    include_in_schema=False,
    sync_to_thread=True,
)
def fetch_file(request: AnyRequest, key: FromPath[str], entry_id: FromPath[int]) -> Response[bytes]:
    guest = guest_of(request.app.state.parts, key)
    return file_of(request, guest.session_id, guest.actor, entry_id)


def file_of(request: AnyRequest, session_id: str, actor: Actor, entry_id: int) -> Response[bytes]:
    parts: Parts = request.app.state.parts
    with parts.database.read(actor) as uow:
        session = workshops.may_see(uow, session_id)
        return thread_papers.sent_file(uow, session, thread.store_in(parts.settings.data_dir), entry_id)


# -- pages -----------------------------------------------------------------------------------------------------


def _page(request: AnyRequest, guest: Guest, wrong: Trouble | None = None) -> Response[str]:
    parts: Parts = request.app.state.parts
    words = words_of(request)
    with parts.database.read(guest.actor) as uow:
        session = workshops.may_see(uow, guest.session_id)
        eyes = Eyes(words=words, now=uow.now, actor=guest.actor)
        view = show_thread.view(uow, eyes, session, base=guest.base)
        payer, name = session.payer.value, session.contact_name
        people, adults = session.people, session.adults
    return _secret(
        request,
        "school_thread.html",
        status=422 if wrong else 200,
        t=view,
        trouble=wrong,
        payers=options(words, workshops.Payer, "workshop_payer"),
        payer=payer,
        contact_name=name,
        people=people,
        adults=adults,
    )


def _confirm(request: AnyRequest, key: str) -> Response[str]:
    parts: Parts = request.app.state.parts
    words = words_of(request)
    try:
        with parts.database.read() as uow:
            # Used up in a transaction that is thrown away: it is only looked at.
            row = thread.take_key(uow, key[:KEY_LIMIT], KeyUse.CONFIRM)
            session = workshops.get(uow, row.session_id)
            asked = show_thread.asked(words, session) + tuple(
                (words.gettext("Wished for"), wish) for wish in show_thread.wishes(words, session)
            )
            warnings = tuple(words.refusal(each) for each in workshops.warnings(session))
    except (NotFound, Conflict) as error:
        return _over(request, error)
    return _secret(
        request,
        "school_said.html",
        what="confirm",
        asked=asked,
        warnings=warnings,
        base=f"{letters.THREAD}{key}",
    )


def _over(request: AnyRequest, error: LabError) -> Response[str]:
    return _secret(request, "school_said.html", status=410, what="over", text=words_of(request).error(error))


def _secret(request: AnyRequest, name: str, *, status: int = 200, **more: Any) -> Response[str]:
    """Never kept by a browser: the address lets in. No other site is told of it (`same-origin`, as every page has it);
    with `no-referrer` a browser would send `Origin: null` with the forms of this page, which no door lets in."""
    found = templates_of(request).page(request, name, status=status, **more)
    found.headers["Cache-Control"] = "no-store"
    return found


ROUTES = (show, confirm, sign, answer, fetch, fetch_file)
