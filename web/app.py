"""The one composition root: settings become a database, links to machines, a planner's clockwork and a web of routes.

uvicorn serves `create_app(settings)`; `Server` is uvicorn with open event streams ended before it waits for them.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from socket import socket
from typing import Any
from zoneinfo import ZoneInfo

import anyio.to_thread
import structlog
import uvicorn
from litestar import Litestar, Request, Router
from litestar.concurrency import set_asyncio_executor
from litestar.datastructures import State
from litestar.di import Provide
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, Reference, SecurityScheme

from drivers.host.paths import LockHeld, take_lock
from fablab.base.clock import Clock, SystemClock
from fablab.base.database import Database
from fablab.base.errors import NotFound, Unauthenticated
from fablab.base.sealing import FILE_NAME, Sealer
from fablab.notices import hooks
from fablab.people import documents, retention, sealing
from fablab.people.access import SignedIn
from fablab.places import house
from fablab.programs import gcode
from fablab.programs.store import Store
from fablab.runs import leaving
from scheduler import waiting
from scheduler.dispatch import Dispatcher, MachineLink
from scheduler.improve import Improver
from scheduler.intake import Intake
from scheduler.reserving import Window
from scheduler.ticks import Ticks
from web import api
from web.api.answer import Desk
from web.api.house import installed, problem
from web.batch import batch_in
from web.cameras import Cameras
from web.errors import handlers, words_of
from web.feeds import Feeds
from web.hooks import Courier
from web.labels import Labels
from web.live import Live
from web.log import configure
from web.machinery import Devices, Workshop
from web.mail import Post
from web.pages import routes as pages
from web.parts import Parts
from web.security import Access, guard
from web.security.gate import Gate
from web.security.identity import Cookies, caller_of
from web.security.limits import Limiter
from web.security.oidc import Providers
from web.security.providers import read_providers
from web.settings import Settings
from web.static_files import Assets, static_file
from web.templating import Lab, Templates, asset_version
from web.uploads import Uploads
from web.words import DEFAULT_ZONE, Catalogue, Words

__all__ = ["Parts", "Server", "create_app", "serve"]

log = structlog.get_logger("web")

GRACE_S = 2
# Pages are made in threads, and every thread that computes may keep the loop, with its stops and its machines, from
# the interpreter for a whole switch interval, each time the loop has touched a socket. With forty threads of 5 ms a
# stop took seconds while people loaded pages (tests.bench.fleet). More threads would make no page any sooner.
PAGE_THREADS = 2
SWITCH_S = 0.0002
# What was there once everything is loaded stays: to look through it all again for garbage, which making pages brings
# about, stopped every thread for 0.3 to 1.1 s at a time.
SETTLED_AFTER_S = 30.0
USUAL_BODY_BYTES = 1_000_000


def create_app(
    settings: Settings,
    *,
    clock: Clock | None = None,
    links: Mapping[str, MachineLink] | None = None,
    limiter: Limiter | None = None,
    live: Callable[[Database], Live] = Live,
    routes: Litestar | None = None,
) -> Litestar:
    """`links`: by device name; None makes them from devices.toml. The database must be migrated already.

    With `settings.dispatch` off nothing is watched, started or planned anew: for tests, and for a second process.
    `routes`: of a server that has ended, to serve this one; six hundred of them take most of a second to make.
    """
    configure(as_json=settings.log_json)
    clock = clock or SystemClock()
    devices = Devices(settings, clock)
    parts = _parts(
        settings, clock, devices, _links(settings, devices) if links is None else links, limiter, live
    )
    lab, zone = _read_house(parts.database)
    catalogue = Catalogue(zone, clock)
    app = routes or _routes()
    app.state = State(
        {
            "parts": parts,
            "limiter": parts.limiter,
            "catalogue": catalogue,
            "assets": Assets(),
            "templates": Templates(lab, asset_version=asset_version()),
            "error_page": pages.render_error,
        }
    )
    bare = app.asgi_handler.behind if isinstance(app.asgi_handler, Gate) else app.asgi_handler
    app.asgi_handler = Gate(bare, settings=settings, database=parts.database, cookies=parts.cookies)
    return app


def _routes() -> Litestar:
    """All there is to ask for; what answers is in `app.state` (`Parts`)."""
    return Litestar(
        # As one router: a handler that the app itself is given beside another of the same path is wrapped twice.
        route_handlers=[api.router(), static_file, problem, Router("/", route_handlers=pages.route_handlers)],
        guards=[guard],
        dependencies=_dependencies(),
        exception_handlers=handlers(),
        lifespan=[_life],
        openapi_config=_openapi(),
        request_max_body_size=USUAL_BODY_BYTES,
        logging_config=None,
        debug=False,
    )


def _parts(
    settings: Settings,
    clock: Clock,
    devices: Devices,
    links: Mapping[str, MachineLink],
    limiter: Limiter | None,
    live: Callable[[Database], Live],
) -> Parts:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    database = Database(settings.url, clock=clock, sealer=Sealer(settings.data_dir / FILE_NAME))
    sealing.seal_all(database)
    # What somebody who goes gives back first, then the waiting list: it is held before anybody hears that it is free.
    database.witnesses += (leaving.witness, waiting.offer_freed, hooks.witness)
    store = Store(settings.programs_dir)
    papers = documents.store_in(settings.data_dir)
    intake = Intake(database=database, store=store, limit_bytes=settings.upload_limit_bytes)
    dispatcher = Dispatcher(database, links, store.path, clock)
    return Parts(
        settings=settings,
        clock=clock,
        database=database,
        store=store,
        documents=papers,
        intake=intake,
        uploads=Uploads(limit_bytes=settings.upload_limit_bytes),
        window=Window(database),
        dispatcher=dispatcher,
        ticks=Ticks(
            database,
            dispatcher.replan,
            tidy=lambda: retention.tidy(database, papers),
            catch_up=batch_in(settings, intake).tend,
        ),
        improver=_improver(settings, database),
        live=live(database),
        cookies=Cookies(settings),
        limiter=limiter or Limiter(),
        providers=Providers(read_providers(settings.providers_file), base=settings.address, clock=clock),
        cameras=Cameras(devices.cameras, devices.camera_hosts),
        fleet=Workshop(settings, clock, devices, dispatcher),
        post=Post(settings, database, clock),
        courier=Courier(settings, database, clock),
        feeds=Feeds(settings, database, clock),
        labels=Labels(database),
    )


def _improver(settings: Settings, database: Database) -> Improver | None:
    if not settings.dispatch or settings.search_s == 0:
        return None
    return Improver(database, limit_s=settings.search_s)


def _links(settings: Settings, devices: Devices) -> Mapping[str, MachineLink]:
    """A link for every machine of devices.toml; a file that is wrong ends the start."""
    if not settings.dispatch:
        return {}
    devices.read_strictly()
    return devices.links()


def _read_house(database: Database) -> tuple[Lab, ZoneInfo]:
    with database.read() as uow:
        try:
            row = house.house(uow)
        except NotFound:
            log.warning("this lab is not set up yet: it has no name and no hours")
            return Lab(name="FabLab", synthetic=False), DEFAULT_ZONE
        return Lab(name=row.name, synthetic=row.synthetic), ZoneInfo(row.zone)


@asynccontextmanager
async def _life(app: Litestar) -> AsyncIterator[None]:
    parts: Parts = app.state.parts
    turn = await _take_turn(parts.settings) if parts.settings.dispatch else None
    parts.live.begin()
    anyio.to_thread.current_default_thread_limiter().total_tokens = PAGE_THREADS
    # The first file would wait for the reader to be compiled, or loaded. That can take a minute and cannot be
    # stopped: in a thread of its own that takes none of the pages' and that the end of the server leaves behind.
    threading.Thread(target=gcode.warm, name="warm the program reader", daemon=True).start()
    if parts.settings.dispatch:
        await parts.dispatcher.begin()
        parts.ticks.begin()
        parts.post.begin()
        parts.courier.begin()
    if parts.improver is not None:
        parts.improver.begin()
    try:
        yield
    finally:
        parts.live.close()
        await asyncio.to_thread(parts.window.close)
        await parts.cameras.close()
        await parts.providers.close()
        await parts.fleet.close()
        await parts.post.close()
        await parts.courier.close()
        if parts.improver is not None:
            await asyncio.to_thread(parts.improver.close)
        if parts.settings.dispatch:
            await asyncio.to_thread(parts.ticks.close)
            await parts.dispatcher.close()
        parts.database.dispose()
        if turn is not None:
            os.close(turn)


async def _take_turn(settings: Settings) -> int:
    """One dispatcher for one data folder: a second would watch the same machines and misjudge what the first does.

    A server that is just ending is waited for; a dead one holds nothing. Raises `RuntimeError` when another goes on.
    """
    until = asyncio.get_running_loop().time() + settings.handover_s
    while True:
        try:
            return take_lock(settings.data_dir / "dispatcher.lock", f"the server with process {os.getpid()}")
        except LockHeld as holder:
            if asyncio.get_running_loop().time() > until:
                folder = settings.data_dir
                raise RuntimeError(f"{folder} is served already, by {holder}; stop that one first") from None
        await asyncio.sleep(0.2)


def _dependencies() -> dict[str, Provide]:
    """What a handler may ask for by name: `database: NamedDependency[Database]`, and so on."""

    def part(name: str) -> Provide:
        def provide(request: Request[Any, Any, Any]) -> object:
            return getattr(request.app.state.parts, name)

        return Provide(provide, sync_to_thread=False)

    same = (
        "settings",
        "clock",
        "database",
        "store",
        "intake",
        "uploads",
        "window",
        "dispatcher",
        "improver",
        "live",
        "cameras",
        "feeds",
    )
    return {
        **{name: part(name) for name in same},
        "documents_store": part("documents"),
        "jar": part("cookies"),  # Litestar keeps the name "cookies" for itself
        "signed_in": Provide(_signed_in, sync_to_thread=False),
        "desk": Provide(_desk, sync_to_thread=False),
        "words": Provide(_words, sync_to_thread=False),
        "templates": Provide(_templates, sync_to_thread=False),
    }


def _desk(request: Request[Any, Any, Any]) -> Desk:
    parts: Parts = request.app.state.parts
    return Desk(database=parts.database, window=parts.window, signed_in=_signed_in(request))


def _signed_in(request: Request[Any, Any, Any]) -> SignedIn:
    """Who is signed in; on a public route there may be nobody, and `web.security.visitor` says so."""
    found = caller_of(request.scope).signed_in
    if found is None:
        raise Unauthenticated
    return found


def _words(request: Request[Any, Any, Any]) -> Words:
    return words_of(request)


def _templates(request: Request[Any, Any, Any]) -> Templates:
    found: Templates = request.app.state.templates
    return found


def _openapi() -> OpenAPIConfig:
    schemes: dict[str, SecurityScheme | Reference] = {
        "token": SecurityScheme(type="http", scheme="bearer", description="From POST /api/tokens."),
        "login": SecurityScheme(
            type="apiKey",
            name="fablab_login",
            security_scheme_in="cookie",
            description="From POST /api/login.",
        ),
    }
    return OpenAPIConfig(
        title="FabLab",
        version=installed(),
        description="Files to machines: when is it ready, what does it cost, where does it stand. "
        "Errors are problem+json in the caller's language; instants are UTC, amounts are cents.",
        components=Components(security_schemes=schemes),
        security=[{"token": []}, {"login": []}],
        render_plugins=[JsonRenderPlugin()],
        openapi_router=Router(
            "/api/schema", route_handlers=[], include_in_schema=False, opt={"access": Access.PUBLIC}
        ),
    )


class Server(uvicorn.Server):
    """uvicorn waits for open answers before it stops; a stream of events would be open for ever."""

    def __init__(self, app: Litestar, settings: Settings) -> None:
        self._parts: Parts = app.state.parts
        trusted = list(settings.trusted_proxies)
        super().__init__(
            uvicorn.Config(
                app,
                host=settings.host,
                port=settings.port,
                log_config=None,
                access_log=False,
                server_header=False,
                # X-Forwarded-For is believed from these and from nobody else; uvicorn's own default is this computer.
                proxy_headers=bool(trusted),
                forwarded_allow_ips=trusted or None,
                timeout_graceful_shutdown=GRACE_S,
                ws="none",
            )
        )

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        gc.freeze()
        asyncio.get_running_loop().call_later(SETTLED_AFTER_S, gc.freeze)

    async def shutdown(self, sockets: Sequence[socket] | None = None) -> None:
        self._parts.live.close()
        await self._parts.cameras.close()
        await super().shutdown(list(sockets) if sockets else None)


def serve(settings: Settings) -> None:
    """Until a signal says stop."""
    sys.setswitchinterval(SWITCH_S)
    set_asyncio_executor(ThreadPoolExecutor(PAGE_THREADS, thread_name_prefix="page"))
    Server(create_app(settings), settings).run()
