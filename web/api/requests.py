"""Requests of schools: asked by anybody, answered by the staff, and by the school with the key of its thread.

The key is the secret of any link in a letter to the school. It goes in the header `X-Thread-Key`, which no log keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime
from typing import Annotated, Any, TypeVar

import anyio.to_thread
import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, HeaderParameter, JSONBody

from fablab.base.database import Actor, Database, UnitOfWork
from fablab.base.errors import Invalid, NotFound
from fablab.claims import workshops
from fablab.claims.workshops import Answer, letters, thread
from fablab.claims.workshops.models import Session
from fablab.claims.workshops.words import AcceptedBy, SessionState
from fablab.people import documents
from fablab.people.access import SignedIn, allows
from fablab.people.documents import Sent
from fablab.programs.store import Store
from scheduler import schools
from web.api.answer import instant
from web.api.workshops_schema import (
    AcceptIn,
    AskedOut,
    ConfirmedOut,
    DatesOut,
    HoldIn,
    KeyIn,
    MediatorIn,
    MoveIn,
    ProposeIn,
    RequestIn,
    RequestOut,
    TextIn,
    ThreadOut,
    WhyIn,
    dates_out,
    request_of,
    request_out,
    thread_out,
)
from web.errors import said_refusals
from web.security import Access, Pace, Right, visitor
from web.settings import Settings
from web.uploads import Uploads
from web.words import Words

TAGS = ["requests"]
ThreadKey = Annotated[str, HeaderParameter(name="X-Thread-Key")]
AnyRequest = Request[Any, Any, Any]
Shape = TypeVar("Shape")


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
    state: FromQuery[SessionState | None] = None,
    text: FromQuery[str] = "",
) -> tuple[RequestOut, ...]:
    """The newest first; `text`: part of a name, a town, a number."""
    with database.read(signed_in.actor) as uow:
        states = [state] if state is not None else []
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
    return _seen(database, signed_in.actor, request_id, words)


@get("/requests/{request_id:str}/dates", access=Right.OPERATE, sync_to_thread=True, tags=TAGS)
def dates(
    request_id: FromPath[str],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    first: FromQuery[date | None] = None,
    last: FromQuery[date | None] = None,
) -> DatesOut:
    """The best dates as the calendar is now, with everything the workshop needs, and what the wished ones lacked."""
    with database.read(signed_in.actor) as uow:
        return dates_out(schools.dates(uow, request_id, first=first, last=last))


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
    """One to three of these dates, for the school to choose from; 409 `session.date_gone` where one is no more."""
    starts = [_instant(text, "starts") for text in data.starts[:10]]
    schools.propose(database, signed_in.actor, request_id, starts, first=data.first, last=data.last)
    return _seen(database, signed_in.actor, request_id, words)


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
    schools.hold(database, signed_in.actor, request_id, data.rank, instant(data.until, "until"))
    return _seen(database, signed_in.actor, request_id, words)


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
    """To one of the dates that `GET .../dates` gives; where that cannot be had the old one stays."""
    start = _instant(data.start_at, "start_at")
    schools.move(database, signed_in.actor, request_id, start, data.why, first=data.first, last=data.last)
    return _seen(database, signed_in.actor, request_id, words)


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
    said = _answer(data)
    return _done(
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
    return _done(
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
    return _done(
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
    return _done(
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
    return _done(
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

    return _done(database, signed_in.actor, request_id, words, work)


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
    return _done(
        database,
        signed_in.actor,
        request_id,
        words,
        lambda uow: workshops.assign(uow, request_id, data.member),
    )


# -- for the school, by the key of its thread ---------------------------------------------------------------------


@get("/thread", access=Access.PUBLIC, pace=Pace.LOGIN, sync_to_thread=True, tags=TAGS)
def thread_one(
    key: ThreadKey, database: NamedDependency[Database], words: NamedDependency[Words]
) -> ThreadOut:
    """The request, with every step."""
    session_id, actor = _opened(database, key)
    return _seen(database, actor, session_id, words)


@post(
    "/thread/{act:str}",
    access=Access.PUBLIC,
    pace=Pace.LOGIN,
    csrf="json",
    sync_to_thread=True,
    status_code=200,
    tags=TAGS,
)
def thread_act(
    act: FromPath[str],
    key: ThreadKey,
    data: JSONBody[dict[str, Any]],
    database: NamedDependency[Database],
    words: NamedDependency[Words],
) -> ThreadOut:
    """hold, accept, give-back, cancel, reopen or message, each with the body of the staff's route of that name."""
    session_id, actor = _opened(database, key)
    if act == "hold":
        schools.hold(database, actor, session_id, _read(data, HoldIn).rank)
        return _seen(database, actor, session_id, words)
    work = _of_school(act, session_id, data)
    return _done(database, actor, session_id, words, work)


@post(
    "/thread/signed",
    access=Access.PUBLIC,
    pace=Pace.UPLOAD,
    csrf="json",
    status_code=200,
    tags=TAGS,
    request_max_body_size=None,  # `documents.keep` counts the bytes of the file itself
)
async def thread_signed(
    request: AnyRequest,
    key: ThreadKey,
    database: NamedDependency[Database],
    uploads: NamedDependency[Uploads],
    settings: NamedDependency[Settings],
    words: NamedDependency[Words],
) -> ThreadOut:
    """The signed paper is the school's yes: multipart, the field `file`; PDF, JPEG or PNG."""
    session_id, actor = await anyio.to_thread.run_sync(_opened, database, key)
    store = thread.store_in(settings.data_dir)

    def keep(name: str, pieces: Iterable[bytes]) -> Sent:
        return documents.keep(store, name, pieces)

    sent, _ = await uploads.take(request, keep)

    def accepted() -> ThreadOut:
        said = Answer(by=AcceptedBy.SIGNED, file=sent)
        try:
            return _done(
                database, actor, session_id, words, lambda uow: workshops.accept(uow, session_id, said)
            )
        except BaseException:
            thread.discard(database, store, sent)
            raise

    return await anyio.to_thread.run_sync(accepted)


@get("/thread/files/{entry_id:int}", access=Access.PUBLIC, pace=Pace.LOGIN, sync_to_thread=True, tags=TAGS)
def thread_file(
    entry_id: FromPath[int],
    key: ThreadKey,
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
) -> Response[bytes]:
    """A file of the thread, as a download."""
    session_id, actor = _opened(database, key)
    return _file(database, actor, session_id, entry_id, thread.store_in(settings.data_dir))


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
    return _file(database, signed_in.actor, request_id, entry_id, thread.store_in(settings.data_dir))


# -- how ---------------------------------------------------------------------------------------------------------


def _opened(database: Database, key: str) -> tuple[str, Actor]:
    with database.read() as uow:
        found = thread.by_key(uow, key[:200])
        return found.session.id, found.actor


def _seen(database: Database, actor: Actor, session_id: str, words: Words) -> ThreadOut:
    with database.read(actor) as uow:
        session = workshops.may_see(uow, session_id)
        return thread_out(uow, session, words, is_staff=allows(actor, Right.SEE_ALL))


def _done(
    database: Database, actor: Actor, session_id: str, words: Words, work: Callable[[UnitOfWork], Session]
) -> ThreadOut:
    database.write(work, actor)
    return _seen(database, actor, session_id, words)


def _of_school(act: str, session_id: str, data: dict[str, Any]) -> Callable[[UnitOfWork], Session]:
    if act == "accept":
        said = _answer(_read(data, AcceptIn))
        return lambda uow: workshops.accept(uow, session_id, said)
    if act == "cancel":
        why = _read(data, WhyIn).why
        return lambda uow: workshops.cancel(uow, session_id, why)
    text = _read(data, TextIn).text
    if act == "give-back":
        return lambda uow: workshops.give_back(uow, session_id, text)
    if act == "reopen":
        return lambda uow: workshops.reopen(uow, session_id, text)
    if act == "message":

        def write(uow: UnitOfWork) -> Session:
            session = workshops.may_see(uow, session_id)
            thread.message(uow, session, text)
            return session

        return write
    raise NotFound


def _answer(data: AcceptIn) -> Answer:
    return Answer(by=data.by, order_number=data.order_number[:200], payer=data.payer)


def _read(data: dict[str, Any], shape: type[Shape]) -> Shape:
    try:
        return msgspec.convert(data, shape)
    except msgspec.ValidationError as error:
        raise Invalid("http.bad_request") from error


def _instant(text: str, field: str) -> datetime:
    at = instant(text, field)
    if at is None:
        raise Invalid("time.wrong", field=field, text="")
    return at


def _file(database: Database, actor: Actor, session_id: str, entry_id: int, store: Store) -> Response[bytes]:
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
    mediator,
    thread_one,
    thread_signed,
    thread_act,
    thread_file,
    request_file,
)
