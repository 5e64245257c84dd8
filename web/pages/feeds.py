"""Calendar feeds: a member makes, copies and revokes them; and the address itself, for calendar programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime, parsedate_to_datetime

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from fablab.base.errors import Invalid, LabError, NotFound
from fablab.people.post import feeds
from fablab.places import house
from fablab.places.models import ResourceKind
from web.feeds import Feeds
from web.pages.shell import AnyRequest, Desk, desk_of, form_of, go, in_thread
from web.security import Access

KINDS = frozenset({ResourceKind.MACHINE, ResourceKind.ROOM, ResourceKind.DESK, ResourceKind.KIT})


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedRow:
    id: int
    name: str
    of: str
    made_at: datetime
    used_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedsView:
    """`address`: of the feed that was just made, shown this once."""

    feeds: tuple[FeedRow, ...]
    places: tuple[tuple[str, str], ...]
    address: str
    made: str
    name: str
    chosen: str
    error: str
    field: str


@get("/feeds", access=Access.IN_PERSON, include_in_schema=False, sync_to_thread=True)
def show(request: AnyRequest) -> Response[str]:
    return _page(desk_of(request))


@post("/feeds", access=Access.IN_PERSON, include_in_schema=False, status_code=200)
async def make(request: AnyRequest) -> Response[str]:
    """Answered with the page itself: the address is known now and never again."""
    desk, form = desk_of(request), await form_of(request)
    return await in_thread(_make, desk, form)


def _make(desk: Desk, form: Mapping[str, str]) -> Response[str]:
    said = form.get("of", "")
    try:
        resource_id = int(said) if said.isdecimal() and len(said) < 10 else None
        name = form.get("name", "")
        made = desk.database.write(lambda uow: feeds.make(uow, name, resource_id), desk.actor)
    except (Invalid, NotFound) as error:
        return _page(desk, form=form, error=error)
    answer = _page(desk, address=address_of(desk.parts.settings.address, made.secret), made=made.feed.name)
    answer.headers["Cache-Control"] = "no-store"
    return answer


@post("/feeds/{feed_id:int}/revoke", access=Access.IN_PERSON, include_in_schema=False)
async def revoke(request: AnyRequest, feed_id: FromPath[int]) -> Response[str]:
    desk = desk_of(request)
    await in_thread(desk.database.write, lambda uow: feeds.revoke(uow, feed_id), desk.actor)
    return go(request, "/feeds")


def _page(
    desk: Desk,
    *,
    form: Mapping[str, str] | None = None,
    error: LabError | None = None,
    address: str = "",
    made: str = "",
) -> Response[str]:
    with desk.database.read(desk.actor) as uow:
        rows = feeds.mine(uow)
        places = {row.id: row.name for row in house.resources(uow, KINDS)}
    typed = form or {}
    mine = desk.words.gettext("My own calendar")
    view = FeedsView(
        feeds=tuple(
            FeedRow(
                id=row.id,
                name=row.name,
                of=mine if row.resource_id is None else places.get(row.resource_id, "–"),
                made_at=row.made_at,
                used_at=row.used_at,
            )
            for row in rows
        ),
        places=(("", mine), *((str(id), name) for id, name in places.items())),
        address=address,
        made=made,
        name=typed.get("name", "")[:200],
        chosen=typed.get("of", "")[:20],
        error=desk.words.error(error) if error is not None else "",
        field=error.field or "" if isinstance(error, Invalid) else "",
    )
    return desk.page("feeds.html", view=view, status=422 if error is not None else 200)


def address_of(base: str, secret: str) -> str:
    return f"{base}/ical/{secret}.ics"


# -- for calendar programs ------------------------------------------------------------------------------------------


@get("/ical/{name:str}", access=Access.PUBLIC, include_in_schema=False, sync_to_thread=True)
def fetch(request: AnyRequest, name: FromPath[str], feeds: NamedDependency[Feeds]) -> Response[bytes]:
    """Unchanged since the caller's copy, it is not sent again."""
    secret, dot, ending = name.rpartition(".")
    if not dot or ending != "ics" or not 20 <= len(secret) <= 128:
        raise NotFound("feed.unknown")
    found = feeds.fetch(secret)
    headers = {
        "ETag": found.etag,
        "Last-Modified": format_datetime(found.modified, usegmt=True),
        "Cache-Control": "private, no-cache",
        "Referrer-Policy": "no-referrer",
    }
    if _has_it(
        request.headers.get("if-none-match"),
        request.headers.get("if-modified-since"),
        found.etag,
        found.modified,
    ):
        return Response(b"", status_code=304, media_type="text/calendar", headers=headers)
    headers["Content-Disposition"] = 'inline; filename="fablab.ics"'
    return Response(found.body, media_type="text/calendar; charset=utf-8", headers=headers)


def _has_it(etags: str | None, since: str | None, etag: str, modified: datetime) -> bool:
    """RFC 9110, 13.2.2: the tag counts where there is one, the date only where there is none."""
    if etags is not None:
        said = {tag.strip().removeprefix("W/") for tag in etags.split(",")}
        return etag in said or "*" in said
    if since is None:
        return False
    try:
        at = parsedate_to_datetime(since)
    except ValueError:
        return False
    return at.tzinfo is not None and modified <= at


ROUTES = (show, make, revoke, fetch)
