"""What lives as long as the server, by name: made in `web.app`, asked for by handlers."""

from __future__ import annotations

from dataclasses import dataclass

from fablab.base.clock import Clock
from fablab.base.database import Database
from fablab.programs.store import Store
from scheduler.dispatch import Dispatcher
from scheduler.improve import Improver
from scheduler.intake import Intake
from scheduler.reserving import Window
from scheduler.ticks import Ticks
from web.cameras import Cameras
from web.feeds import Feeds
from web.fleet import Fleet
from web.hooks import Courier
from web.labels import Labels
from web.live import Live
from web.mail import Post
from web.security.identity import Cookies
from web.security.limits import Limiter
from web.security.oidc import Providers
from web.settings import Settings
from web.uploads import Uploads


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """`app.state.parts`; most of them can also be asked for by name in a handler (`web.app._dependencies`)."""

    settings: Settings
    clock: Clock
    database: Database
    store: Store
    documents: Store
    intake: Intake
    uploads: Uploads
    window: Window
    dispatcher: Dispatcher
    ticks: Ticks
    improver: Improver | None
    live: Live
    cookies: Cookies
    limiter: Limiter
    providers: Providers
    cameras: Cameras
    fleet: Fleet
    post: Post
    courier: Courier
    feeds: Feeds
    labels: Labels
