"""Requests of schools: asked by anybody, answered by the staff and by members who asked. A school without an account has
the key of its thread (`web.api.thread`)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from fablab.base.database import Actor, Database, UnitOfWork
from fablab.base.errors import Conflict, NotFound
from fablab.claims import workshops
from fablab.claims.workshops import Answer, invoicing, letters, thread
from fablab.claims.workshops.models import Session
from fablab.claims.workshops.words import SessionState
from fablab.money import invoices
from fablab.people.access import SignedIn, allows
from fablab.programs.store import Store
from scheduler.offering import DateOffer, Offering
from web.api.answer import instant, instant_of
from web.api.requests_schema import (
    AcceptIn,
    AskedOut,
    ConfirmedOut,
    CountIn,
    DatesOut,
    HoldIn,
    InvoiceIn,
    KeyIn,
    MediatorIn,
    MoveIn,
    ProposeIn,
    RequestIn,
    RequestOut,
    SeriesOut,
    TextIn,
    ThreadOut,
    WhyIn,
    bill_from,
    dates_out,
    request_of,
    request_out,
    thread_out,
)
from web.errors import said_refusals
from web.pages import thread_papers
from web.security import Access, Pace, Right, visitor
from web.settings import Settings
from web.words import Words

TAGS = ["requests"]
AnyRequest = Request[Any, Any, Any]
MOST_DATES = 20


# -- for everybody ---------------------------------------------------------------------------------------------


@post(
    "/requests",
    access=Access.PUBLIC,
    pace=Pace.LOGIN,
    csrf="json",
    sync_to_thread=True,
    status_code=202,
    tags=TAGS,
)
def ask(
    request: AnyRequest,
    data: JSONBody[RequestIn],
    database: NamedDependency[Database],
    words: NamedDependency[Words],
) -> AskedOut:
    """A letter with a link follows; the staff hears of it once that is followed. From the staff itself it counts at once."""
    said, who = request_of(data), visitor(request)
    if who is None:
        asked = database.write(lambda uow: workshops.ask(uow, said))
    else:
        asked = database.write(lambda uow: workshops.ask(uow, said), who.actor)
    session = asked.session
    waits = bool(session.contact_email) and session.email_confirmed_at is None
    return AskedOut(
        id=None if waits else session.id, confirm=waits, warnings=said_refusals(words, asked.warnings)
    )


@post(
    "/requests/confirm",
    access=Access.PUBLIC,
    pace=Pace.LOGIN,
    csrf="json",
    sync_to_thread=True,
    status_code=200,
    tags=TAGS,
)
def confirm(data: JSONBody[KeyIn], database: NamedDependency[Database]) -> ConfirmedOut:
    """The address is theirs, by the key of the letter's link."""

    def work(uow: UnitOfWork) -> ConfirmedOut:
        session = workshops.confirm_email(uow, data.key[:200]).session
        return ConfirmedOut(id=session.id, key=letters.link(uow, session).removeprefix(letters.THREAD))

    return database.write(work)


# -- for the staff, and for whoever asked as a member ------------------------------------------------------------


@get("/requests", access=Right.SEE_ALL, sync_to_thread=True, tags=TAGS)
def listed(
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    wanted: Annotated[SessionState | None, QueryParameter(name="state")] = None,
    text: FromQuery[str] = "",
) -> tuple[RequestOut, ...]:
    """The newest first; `text`: part of a name, a town, a number."""
    with database.read(signed_in.actor) as uow:
        states = [wanted] if wanted is not None else []
        return tuple(request_out(row) for row in workshops.requests(uow, states, text[:100]))


@get("/requests/mine", access=Access.SIGNED_IN, sync_to_thread=True, tags=TAGS)
def mine(database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]) -> tuple[RequestOut, ...]:
    """One's own, and one's organisation's."""
    with database.read(signed_in.actor) as uow:
        return tuple(request_out(row) for row in workshops.of_member(uow, signed_in.member_id))


@get("/requests/{request_id:str}", access=Access.SIGNED_IN, sync_to_thread=True, tags=TAGS)
def one(
    request_id: FromPath[str],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    words: NamedDependency[Words],
) -> ThreadOut:
    """With every step of its thread."""
    return seen(database, signed_in.actor, request_id, words)


@get("/requests/{request_id:str}/dates", access=Right.OPERATE, sync_to_thread=True, tags=TAGS)
def dates(
    request_id: FromPath[str],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    n: FromQuery[int] = 6,
) -> DatesOut:
    """The best dates as the calendar is now, with everything the workshop needs, and what the wished ones lacked."""
    offering = Offering(database=database)
    return dates_out(offering.best(signed_in.actor, request_id, max(1, min(n, MOST_DATES))))


@post(
    "/requests/{request_id:str}/propose",
    access=Right.OPERATE,
    sync_to_thread=True,
    status_code=200,
    tags=TAGS,
)
def propose(
    request_id: FromPath[str],
    data: JSONBody[ProposeIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    words: NamedDependency[Words],
) -> ThreadOut:
    """Up to three dates for the school to choose from: those of these starts, or the best there are where none is named.
    409 `session.date_gone` where one cannot be had."""
    offering, actor = Offering(database=database), signed_in.actor
    if not data.starts:
        offering.propose(actor, request_id)
        return seen(database, actor, request_id, words)
    starts = [instant_of(text, "starts") for text in data.starts[:10]]
    proposals = [_at(offering, actor, request_id, start).proposal for start in starts]
    missed = [row.stored() for row in offering.best(actor, request_id, 1).missed]
    database.write(lambda uow: workshops.propose(uow, request_id, proposals, missed), actor)
    return seen(database, signed_in.actor, request_id, words)


@post(
    "/requests/{request_id:str}/hold", access=Right.OPERATE, sync_to_thread=True, status_code=200, tags=TAGS
)
def hold(
    request_id: FromPath[str],
    data: JSONBody[HoldIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    words: NamedDependency[Words],
) -> ThreadOut:
    """All of it or none of it is kept; planned jobs in its way are moved. 409 `slot_taken`."""
    until = instant(data.until, "until")
    Offering(database=database).hold(signed_in.actor, request_id, data.rank, until)
    return seen(database, signed_in.actor, request_id, words)


@post(
    "/requests/{request_id:str}/move", access=Right.OPERATE, sync_to_thread=True, status_code=200, tags=TAGS
)
def move(
    request_id: FromPath[str],
    data: JSONBody[MoveIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    words: NamedDependency[Words],
) -> ThreadOut:
    """The whole gang, to another start; where that cannot be had all of it stays where it was."""
    offering, start = Offering(database=database), instant_of(data.start_at, "start_at")
    proposal = _at(offering, signed_in.actor, request_id, start).proposal
    offering.move(signed_in.actor, request_id, proposal, data.why)
    return seen(database, signed_in.actor, request_id, words)


@post(
    "/requests/{request_id:str}/accept", access=Right.SUBMIT, sync_to_thread=True, status_code=200, tags=TAGS
)
def accept(
    request_id: FromPath[str],
    data: JSONBody[AcceptIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    words: NamedDependency[Words],
) -> ThreadOut:
    """By the member who asked, or by the staff for the school."""
    said = answer_of(data)
    return done(
        database, signed_in.actor, request_id, words, lambda uow: workshops.accept(uow, request_id, said)
    )


@post(
    "/requests/{request_id:str}/give-back",
    access=Right.SUBMIT,
    sync_to_thread=True,
    status_code=200,
    tags=TAGS,
)
def give_back(
    request_id: FromPath[str],
    data: JSONBody[TextIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    words: NamedDependency[Words],
) -> ThreadOut:
    """Not this date: it is free again, and another one is looked for."""
    return done(
        database,
        signed_in.actor,
        request_id,
        words,
        lambda uow: workshops.give_back(uow, request_id, data.text),
    )


@post(
    "/requests/{request_id:str}/cancel", access=Right.SUBMIT, sync_to_thread=True, status_code=200, tags=TAGS
)
def cancel(
    request_id: FromPath[str],
    data: JSONBody[WhyIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    words: NamedDependency[Words],
) -> ThreadOut:
    """It does not take place, and the other side reads why."""
    return done(
        database, signed_in.actor, request_id, words, lambda uow: workshops.cancel(uow, request_id, data.why)
    )


@post(
    "/requests/{request_id:str}/decline",
    access=Right.OPERATE,
    sync_to_thread=True,
    status_code=200,
    tags=TAGS,
)
def decline(
    request_id: FromPath[str],
    data: JSONBody[WhyIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    words: NamedDependency[Words],
) -> ThreadOut:
    return done(
        database, signed_in.actor, request_id, words, lambda uow: workshops.decline(uow, request_id, data.why)
    )


@post(
    "/requests/{request_id:str}/reopen", access=Right.SUBMIT, sync_to_thread=True, status_code=200, tags=TAGS
)
def reopen(
    request_id: FromPath[str],
    data: JSONBody[TextIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    words: NamedDependency[Words],
) -> ThreadOut:
    """What lapsed, was declined or cancelled is a request again."""
    return done(
        database, signed_in.actor, request_id, words, lambda uow: workshops.reopen(uow, request_id, data.text)
    )


@post(
    "/requests/{request_id:str}/message", access=Right.SUBMIT, sync_to_thread=True, status_code=200, tags=TAGS
)
def message(
    request_id: FromPath[str],
    data: JSONBody[TextIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    words: NamedDependency[Words],
) -> ThreadOut:
    """A word to the other side, who gets a letter."""

    def work(uow: UnitOfWork) -> Session:
        session = workshops.may_see(uow, request_id)
        thread.message(uow, session, data.text, for_staff=data.for_staff)
        return session

    return done(database, signed_in.actor, request_id, words, work)


@post(
    "/requests/{request_id:str}/people", access=Right.SUBMIT, sync_to_thread=True, status_code=200, tags=TAGS
)
def people(
    request_id: FromPath[str],
    data: JSONBody[CountIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    words: NamedDependency[Words],
) -> ThreadOut:
    """How many come; what is not accepted yet is priced anew."""
    return done(
        database,
        signed_in.actor,
        request_id,
        words,
        lambda uow: workshops.recount(uow, request_id, data.people, data.adults),
    )


@post(
    "/requests/{request_id:str}/mediator",
    access=Right.OPERATE,
    sync_to_thread=True,
    status_code=200,
    tags=TAGS,
)
def mediator(
    request_id: FromPath[str],
    data: JSONBody[MediatorIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    words: NamedDependency[Words],
) -> ThreadOut:
    """Who of the team leads it; null: nobody yet."""
    return done(
        database,
        signed_in.actor,
        request_id,
        words,
        lambda uow: workshops.assign(uow, request_id, data.member),
    )


@post(
    "/requests/{request_id:str}/invoice",
    access=Right.OPERATE,
    sync_to_thread=True,
    status_code=200,
    tags=TAGS,
)
def invoice(
    request_id: FromPath[str],
    data: JSONBody[InvoiceIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    words: NamedDependency[Words],
) -> ThreadOut:
    """For good, once the visit has taken place: only a credit note cancels it. 409 `invoice.already`, `invoice.nothing`."""

    def work(uow: UnitOfWork) -> Session:
        known = invoicing.bill_of(uow, workshops.may_see(uow, request_id))
        return invoicing.invoice(uow, request_id, bill_from(data, known))

    return done(database, signed_in.actor, request_id, words, work)


@post(
    "/requests/{request_id:str}/credit", access=Right.OPERATE, sync_to_thread=True, status_code=200, tags=TAGS
)
def credit(
    request_id: FromPath[str],
    data: JSONBody[WhyIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    words: NamedDependency[Words],
) -> ThreadOut:
    """The whole invoice is taken back by a credit note with a number of its own; the school reads why."""
    return done(
        database, signed_in.actor, request_id, words, lambda uow: invoicing.credit(uow, request_id, data.why)
    )


@get(
    "/requests/{request_id:str}/invoices/{number:str}",
    access=Access.SIGNED_IN,
    sync_to_thread=True,
    tags=TAGS,
)
def invoice_pdf(
    request_id: FromPath[str],
    number: FromPath[str],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    words: NamedDependency[Words],
) -> Response[bytes]:
    """The invoice or credit note of this number, as PDF."""
    return pdf_of(database, signed_in.actor, request_id, number, words)


@get("/invoices/check", access=Right.MANAGE, sync_to_thread=True, tags=TAGS)
def check_invoices(database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]) -> SeriesOut:
    """Reads every invoice again: hashes, and numbers without a hole."""
    with database.read(signed_in.actor) as uow:
        return SeriesOut(broken=invoices.broken(uow))


@get(
    "/requests/{request_id:str}/files/{entry_id:int}",
    access=Access.SIGNED_IN,
    sync_to_thread=True,
    tags=TAGS,
)
def request_file(
    request_id: FromPath[str],
    entry_id: FromPath[int],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    settings: NamedDependency[Settings],
) -> Response[bytes]:
    """A file of the thread, as a download."""
    return file_of(database, signed_in.actor, request_id, entry_id, thread.store_in(settings.data_dir))


# -- how ---------------------------------------------------------------------------------------------------------


def seen(database: Database, actor: Actor, session_id: str, words: Words) -> ThreadOut:
    with database.read(actor) as uow:
        session = workshops.may_see(uow, session_id)
        return thread_out(uow, session, words, is_staff=allows(actor, Right.SEE_ALL))


def pdf_of(database: Database, actor: Actor, session_id: str, number: str, words: Words) -> Response[bytes]:
    with database.read(actor) as uow:
        row = invoices.numbered(uow, workshops.may_see(uow, session_id).id, number[:20])
        paper = thread_papers.bill(words, database.clock, row)
    return paper.answer()


def done(
    database: Database, actor: Actor, session_id: str, words: Words, work: Callable[[UnitOfWork], Session]
) -> ThreadOut:
    database.write(work, actor)
    return seen(database, actor, session_id, words)


def _at(offering: Offering, actor: Actor, session_id: str, start: datetime) -> DateOffer:
    found = offering.at(actor, session_id, start)
    if found is None:
        raise Conflict("session.date_gone", start=start.isoformat())
    return found


def answer_of(data: AcceptIn) -> Answer:
    return Answer(by=data.by, order_number=data.order_number[:200], payer=data.payer)


def file_of(
    database: Database, actor: Actor, session_id: str, entry_id: int, store: Store
) -> Response[bytes]:
    with database.read(actor) as uow:
        row = thread.entry(uow, workshops.may_see(uow, session_id), entry_id)
        if row.file_sha256 is None:
            raise NotFound("session.no_entry")
        body = store.path(row.file_sha256).read_bytes()
        media_type = row.media_type or "application/octet-stream"
    headers = {"Content-Disposition": "attachment", "Cache-Control": "no-store"}
    return Response(body, media_type=media_type, headers=headers)


ROUTES = (
    ask,
    confirm,
    listed,
    mine,
    one,
    dates,
    propose,
    hold,
    move,
    accept,
    give_back,
    cancel,
    decline,
    reopen,
    message,
    people,
    mediator,
    request_file,
    invoice,
    credit,
    invoice_pdf,
    check_invoices,
)
