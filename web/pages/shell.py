"""What every page shares: whose request it is, the rooms it may call, and the ways to answer it.

An htmx request is answered with the fragment that takes the place of the one that asked; anything else with a page,
or with 303 to one. A domain call runs in a thread: `desk.read()` and everything under it is for there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

import anyio.to_thread
from litestar import Request, Response
from litestar.enums import MediaType

from fablab import notices
from fablab.base.clock import Clock
from fablab.base.database import Actor, Database, UnitOfWork
from fablab.base.errors import Unauthenticated
from fablab.people.access import SignedIn
from fablab.places import house
from fablab.programs.store import Store
from scheduler.dispatch import Dispatcher, MachineLink
from scheduler.intake import Intake
from web.cameras import Cameras
from web.errors import Problem, words_of
from web.feeds import Feeds
from web.fleet import Fleet
from web.labels import Labels
from web.live import Live
from web.pages.eyes import Eyes, Stock
from web.pages.show_floor import Wires
from web.security.identity import Cookies, caller_of
from web.security.oidc import Providers
from web.settings import Settings
from web.templating import Templates
from web.uploads import Uploads
from web.words import Words

AnyRequest = Request[Any, Any, Any]
T = TypeVar("T")
MOST_FLASHES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Flash:
    """A toast. `kind`: good, bad or info."""

    kind: str
    text: str


class Parts(Protocol):
    """What the pages use of all that lives as long as the server; `web.app` makes it."""

    @property
    def settings(self) -> Settings: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def database(self) -> Database: ...
    @property
    def store(self) -> Store: ...
    @property
    def documents(self) -> Store: ...
    @property
    def intake(self) -> Intake: ...
    @property
    def uploads(self) -> Uploads: ...
    @property
    def dispatcher(self) -> Dispatcher: ...
    @property
    def live(self) -> Live: ...
    @property
    def cookies(self) -> Cookies: ...
    @property
    def cameras(self) -> Cameras: ...
    @property
    def fleet(self) -> Fleet: ...
    @property
    def providers(self) -> Providers: ...
    @property
    def feeds(self) -> Feeds: ...
    @property
    def labels(self) -> Labels: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """One request of somebody signed in."""

    request: AnyRequest
    signed_in: SignedIn
    words: Words
    parts: Parts

    @property
    def actor(self) -> Actor:
        return self.signed_in.actor

    @property
    def database(self) -> Database:
        return self.parts.database

    @property
    def intake(self) -> Intake:
        return self.parts.intake

    @property
    def dispatcher(self) -> Dispatcher:
        return self.parts.dispatcher

    @property
    def providers(self) -> Providers:
        return self.parts.providers

    @property
    def is_fragment(self) -> bool:
        return is_fragment(self.request)

    def link(self, resource_id: int) -> MachineLink | None:
        return self.dispatcher.links.get(resource_id)

    @property
    def wires(self) -> Wires:
        return Wires(link=self.link, stopped=self.dispatcher.stopped, camera=self.parts.cameras.address)

    @contextmanager
    def look(self) -> Iterator[tuple[UnitOfWork, Eyes, Stock]]:
        """A reading transaction with the eyes and the shelf that views need. Lazy rows may be read inside only."""
        with self.database.read(self.actor) as uow:
            stock = Stock(spools=house.spools(uow), sheets=house.sheets(uow))
            yield uow, Eyes(words=self.words, now=uow.now, actor=self.actor), stock

    def page(self, name: str, *, status: int = 200, **more: Any) -> Response[str]:
        return templates_of(self.request).page(
            self.request,
            name,
            status=status,
            path=_path(self.request),
            demo=self.parts.settings.demo,
            **more,
        )

    def fragment(
        self, name: str, *, status: int = 200, flash: Flash | None = None, **more: Any
    ) -> Response[str]:
        """`flash`: a toast beside it, swapped out of band."""
        templates = templates_of(self.request)
        body = templates.render(self.request, name, **more)
        if flash is not None:
            toast = templates.render(self.request, "partials/toast.html", kind=flash.kind, text=flash.text)
            body += f'<div hx-swap-oob="beforeend:#toasts">{toast}</div>'
        return html(self.request, body, status=status)


def desk_of(request: AnyRequest) -> Desk:
    signed_in = caller_of(request.scope).signed_in
    if signed_in is None:
        raise Unauthenticated
    return Desk(request=request, signed_in=signed_in, words=words_of(request), parts=request.app.state.parts)


def templates_of(request: AnyRequest) -> Templates:
    found: Templates = request.app.state.templates
    return found


def is_fragment(request: AnyRequest) -> bool:
    return request.headers.get("hx-request") == "true"


def _path(request: AnyRequest) -> str:
    """With its query: a change of language comes back to the same day of the calendar."""
    query = request.url.query
    return f"{request.scope['path']}?{query}" if query else str(request.scope["path"])


def html(request: AnyRequest, body: str, *, status: int = 200) -> Response[str]:
    headers = {"Content-Language": words_of(request).language, "Vary": "Cookie, Accept-Language, HX-Request"}
    return Response(body, media_type=MediaType.HTML, status_code=status, headers=headers)


def go(request: AnyRequest, path: str) -> Response[str]:
    """To another page: 303 for a browser, a header for htmx, which would follow a 303 inside the fragment."""
    if is_fragment(request):
        return Response("", media_type=MediaType.HTML, status_code=200, headers={"HX-Redirect": path})
    return Response("", media_type=MediaType.HTML, status_code=303, headers={"Location": path})


def local_path(said: str, otherwise: str = "/") -> str:
    """A path of this house, or `otherwise`: nobody is sent elsewhere by a crafted link."""
    plain = said.isprintable() and "\\" not in said
    return (
        said
        if plain and said.startswith("/") and not said.startswith("//") and len(said) < 500
        else otherwise
    )


async def in_thread(work: Callable[..., T], *args: Any) -> T:
    return await anyio.to_thread.run_sync(lambda: work(*args))


async def form_of(request: AnyRequest) -> Mapping[str, str]:
    """The form's texts; a file in it is no text."""
    form = await request.form()
    return {name: value for name, value in form.items() if isinstance(value, str)}


def news(desk: Desk) -> list[Flash]:
    """What this member has not seen yet, oldest first; from here on it counts as seen. Runs in a thread."""
    with desk.database.read(desk.actor) as uow:
        rows = notices.unseen(uow, desk.signed_in.member_id, limit=MOST_FLASHES)
    if not rows:
        return []
    member_id, newest = desk.signed_in.member_id, rows[0].id
    desk.database.write(lambda uow: notices.seen(uow, member_id, newest), desk.actor)
    return [
        Flash(kind=_kind(row.code), text=desk.words.notice(row.code, row.facts)) for row in reversed(rows)
    ]


def _kind(code: str) -> str:
    if code in ("job.done", "job.accepted", "job.placed"):
        return "good"
    return "bad" if code in ("job.failed", "job.rejected", "job.no_place") else "info"


def render_error(request: AnyRequest, problem: Problem) -> Response[Any]:
    """The API's own words, as a toast for a fragment and as a page for everything else.

    Somebody who is not signed in is led to the door, and from there back to where they wanted to go.
    """
    if problem.status == 401:
        wanted = _path(request) if request.method == "GET" and not is_fragment(request) else ""
        query = f"?next={quote(wanted, safe='/')}" if wanted not in ("", "/") else ""
        return go(request, f"/login{query}")
    if problem.code == "access.confirm":
        wanted = _path(request) if request.method == "GET" and not is_fragment(request) else ""
        return go(
            request, f"/security/confirm?next={quote(wanted, safe='/')}" if wanted else "/security/confirm"
        )
    if problem.code == "factor.required" and not is_fragment(request):
        return go(request, "/security")
    templates = templates_of(request)
    if is_fragment(request):
        body = templates.render(request, "partials/toast.html", kind="bad", text=problem.detail)
        return html(request, body, status=problem.status)
    body = templates.render(
        request,
        "error.html",
        status=problem.status,
        heading=problem.title,
        sentence=problem.detail,
        reference=problem.id if problem.status >= 500 else "",
    )
    return html(request, body, status=problem.status)
