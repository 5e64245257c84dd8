"""Every page's handler, and how an error looks as a page; `web.app` takes both from here."""

from __future__ import annotations

from collections.abc import Sequence

from litestar.types import ControllerRouterHandler

from web.errors import ErrorPage

route_handlers: Sequence[ControllerRouterHandler] = ()
render_error: ErrorPage | None = None
