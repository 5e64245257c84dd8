"""The calendar, the stream of events, whether the house is well, and what this API is."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.enums import MediaType
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Stream

from fablab.base.database import Database
from fablab.base.errors import Invalid, NotFound
from fablab.claims import calendar
from fablab.people.access import SignedIn, allows
from scheduler.dispatch import Dispatcher
from scheduler.improve import Improver
from web import reads
from web.api.answer import instant, with_etag
from web.api.schema import Health, allocation_out, search_out
from web.live import Ear, Live
from web.security import Access, Right
from web.words import Words
from web.words.codes import SENTENCES

MOST_DAYS = 62
DEFAULT_SPAN = timedelta(days=7)
STREAM_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@get("/allocations", access=Access.SIGNED_IN, sync_to_thread=True, tags=["calendar"])
def list_allocations(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    from_: Annotated[str | None, QueryParameter(name="from")] = None,
    to: FromQuery[str | None] = None,
) -> Response[bytes]:
    """Who holds what in [from, to): ISO 8601 with zone; a week from now where nothing is said, 62 days at most."""
    with database.read(signed_in.actor) as uow:
        start = instant(from_, "from") or uow.now
        end = instant(to, "to") or start + DEFAULT_SPAN
        if end <= start:
            raise Invalid("span.wrong", field="to")
        if end - start > timedelta(days=MOST_DAYS):
            raise Invalid("span.too_long", field="to", days=MOST_DAYS)
        known = allows(signed_in.actor, Right.SEE_ALL)
        found = [
            allocation_out(row, mine=row.claim.member_id == signed_in.member_id, known=known)
            for row in reads.allocations(uow, start, end)
        ]
    return with_etag(request, found)


@get("/events", access=Access.SIGNED_IN, media_type="text/event-stream", tags=["events"])
async def events(
    request: Request[Any, Any, Any], live: NamedDependency[Live], signed_in: NamedDependency[SignedIn]
) -> Stream:
    """Server-sent events: machine, job (mine), calendar, notices; `resync` means: look at everything again."""
    return stream(request, live, signed_in, pages=False)


def stream(request: Request[Any, Any, Any], live: Live, signed_in: SignedIn, *, pages: bool) -> Stream:
    """An open stream for this caller; ends with the server, and after half an hour by itself."""
    ear = Ear(member_id=signed_in.member_id, sees_all=allows(signed_in.actor, Right.SEE_ALL), pages=pages)
    again = "last-event-id" in request.headers
    found: AsyncIterator[bytes] = live.listen(ear, again=again)
    return Stream(found, media_type="text/event-stream", headers=STREAM_HEADERS)


@get("/health", access=Access.PUBLIC, sync_to_thread=True, tags=["house"])
def health(
    database: NamedDependency[Database],
    dispatcher: NamedDependency[Dispatcher],
    live: NamedDependency[Live],
    improver: NamedDependency[Improver | None],
    words: NamedDependency[Words],
) -> Health:
    """Whether the server and its database answer; machines that are away do not make it ill."""
    with database.read() as uow:
        now = uow.now
        calendar.between(uow, now, now + timedelta(minutes=1))
    states = Counter(link.state.value for link in dispatcher.links.values())
    return Health(
        status="ok",
        version=installed(),
        now=now,
        machines=dict(states),
        listeners=live.listeners,
        search=search_out(improver.status if improver is not None else None, words),
    )


@get("/openapi.json", access=Access.PUBLIC, sync_to_thread=False, include_in_schema=False)
def openapi_schema(request: Request[Any, Any, Any]) -> Response[bytes]:
    body = msgspec.json.encode(request.app.openapi_schema.to_schema())
    return Response(body, media_type="application/vnd.oai.openapi+json")


@get("/docs", access=Access.PUBLIC, sync_to_thread=False, include_in_schema=False)
def docs(request: Request[Any, Any, Any]) -> Response[str]:
    """The schema as a page; all it loads is served from here."""
    page: Response[str] = request.app.state.templates.page(
        request, "docs.html", schema_url="/api/openapi.json"
    )
    return page


@get("/problems/{code:str}", access=Access.PUBLIC, sync_to_thread=False, include_in_schema=False)
def problem(code: FromPath[str], words: NamedDependency[Words]) -> Response[str]:
    """What a problem's `type` points at: its sentence, without the facts of one case."""
    if code not in SENTENCES:
        raise NotFound
    text = " ".join(filter(None, (words.say(code), words.remedy(code))))
    return Response(f"{code}\n\n{text}\n", media_type=MediaType.TEXT)


def installed() -> str:
    try:
        return version("fablab")
    except PackageNotFoundError:
        return "unreleased"


ROUTES = (list_allocations, events, health, openapi_schema, docs)
