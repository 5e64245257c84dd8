"""A school's own request, by the key of its thread.

The key is the secret of any link in a letter to the school. It goes in the header `X-Thread-Key`, which no log keeps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import anyio.to_thread
import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, HeaderParameter, JSONBody

from fablab.base.database import Actor, Database, UnitOfWork
from fablab.base.errors import Invalid, LabError, NotFound
from fablab.claims import workshops
from fablab.claims.workshops import Answer, thread
from fablab.claims.workshops.models import Session
from fablab.claims.workshops.words import AcceptedBy
from fablab.people import documents
from scheduler.offering import Offering
from web.api.requests import answer_of, done, file_of, pdf_of, seen
from web.api.requests_schema import (
    AcceptIn,
    CountIn,
    HoldIn,
    TextIn,
    ThreadOut,
    WhyIn,
)
from web.security import Access, Pace
from web.settings import Settings
from web.words import Words

TAGS = ["requests"]
ThreadKey = Annotated[str, HeaderParameter(name="X-Thread-Key")]
Shape = TypeVar("Shape")


@get("/thread", access=Access.PUBLIC, pace=Pace.LOGIN, sync_to_thread=True, tags=TAGS)
def thread_one(
    key: ThreadKey, database: NamedDependency[Database], words: NamedDependency[Words]
) -> ThreadOut:
    """The request, with every step."""
    session_id, actor = _opened(database, key)
    return seen(database, actor, session_id, words)


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
    """hold, accept, people, give-back, cancel, reopen or message, each with the body of the staff's route of that name."""
    session_id, actor = _opened(database, key)
    if act == "hold":
        Offering(database=database).hold(actor, session_id, _read(data, HoldIn).rank)
        return seen(database, actor, session_id, words)
    work = _of_school(act, session_id, data)
    return done(database, actor, session_id, words, work)


@post(
    "/thread/signed",
    access=Access.PUBLIC,
    pace=Pace.UPLOAD,
    csrf="secret",  # the key is the leave: no page of another site knows it
    status_code=200,
    tags=TAGS,
    request_max_body_size=documents.LIMIT_BYTES,
)
async def thread_signed(
    request: Request[Any, Any, Any],
    key: ThreadKey,
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
    words: NamedDependency[Words],
    name: FromQuery[str] = "signed",
) -> ThreadOut:
    """The signed paper is the school's yes: the body is the file itself, a PDF, JPEG or PNG of at most 10 MB."""
    body = await request.body()

    def work() -> ThreadOut:
        session_id, actor = _opened(database, key)
        store = thread.store_in(settings.data_dir)
        sent = documents.keep(store, name[:200], [body])
        said = Answer(by=AcceptedBy.SIGNED, file=sent)
        try:
            return done(
                database, actor, session_id, words, lambda uow: workshops.accept(uow, session_id, said)
            )
        except LabError:
            thread.discard(database, store, sent)
            raise

    return await anyio.to_thread.run_sync(work)


@get("/thread/files/{entry_id:int}", access=Access.PUBLIC, pace=Pace.LOGIN, sync_to_thread=True, tags=TAGS)
def thread_file(
    entry_id: FromPath[int],
    key: ThreadKey,
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
) -> Response[bytes]:
    """A file of the thread, as a download."""
    session_id, actor = _opened(database, key)
    return file_of(database, actor, session_id, entry_id, thread.store_in(settings.data_dir))


@get("/thread/invoices/{number:str}", access=Access.PUBLIC, pace=Pace.LOGIN, sync_to_thread=True, tags=TAGS)
def thread_invoice(
    number: FromPath[str],
    key: ThreadKey,
    database: NamedDependency[Database],
    words: NamedDependency[Words],
) -> Response[bytes]:
    """The invoice or credit note of this number, as PDF."""
    session_id, actor = _opened(database, key)
    return pdf_of(database, actor, session_id, number, words)


def _of_school(act: str, session_id: str, data: dict[str, Any]) -> Callable[[UnitOfWork], Session]:
    if act == "accept":
        said = answer_of(_read(data, AcceptIn))
        return lambda uow: workshops.accept(uow, session_id, said)
    if act == "cancel":
        why = _read(data, WhyIn).why
        return lambda uow: workshops.cancel(uow, session_id, why)
    if act == "people":
        count = _read(data, CountIn)
        return lambda uow: workshops.recount(uow, session_id, count.people, count.adults)
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


def _opened(database: Database, key: str) -> tuple[str, Actor]:
    with database.read() as uow:
        found = thread.by_key(uow, key[:200])
        return found.session.id, found.actor


def _read(data: dict[str, Any], shape: type[Shape]) -> Shape:
    try:
        return msgspec.convert(data, shape)
    except msgspec.ValidationError as error:
        raise Invalid("http.bad_request") from error


ROUTES = (thread_one, thread_signed, thread_act, thread_file, thread_invoice)
