"""The outermost door: which names this server answers to, who is calling, and the headers that every answer carries.

It wraps the whole application, so that also "not found" and "too large" come out with the same headers. It believes
no forwarded header: what a trusted proxy says has been put into the scope by the server before (`web.app.server`).
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import cast

import anyio
import anyio.to_thread
import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from fablab.base.database import Database
from web.security.doorman import Doorman
from web.security.identity import Caller, Cookies, caller_for, header, look_up, remember, shown_in
from web.security.limits import address_key
from web.security.paths import loggable
from web.security.recent import Recent, is_stop, is_stop_by_code
from web.settings import Settings

log = structlog.get_logger("web")

CSP = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "object-src 'none'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'self'",
    )
)
HEADERS: Mapping[bytes, bytes] = {
    b"content-security-policy": CSP.encode(),
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"same-origin",
    b"permissions-policy": b"camera=(), microphone=(), geolocation=(), payment=(), usb=(), interest-cohort=()",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"x-frame-options": b"DENY",
}
STATIC = "/static/"
STOP_THREADS = 4


class Gate:
    def __init__(self, app: ASGIApp, *, settings: Settings, database: Database, cookies: Cookies) -> None:
        self.behind = app
        self._hosts = settings.hosts
        self._secure = settings.secure_cookies
        self._database = database
        self._cookies = cookies
        self._recent = Recent()
        self._doorman = Doorman(database)
        # Of their own: a stop must not queue behind forty pages that wait for the database.
        self._stop_threads = anyio.CapacityLimiter(STOP_THREADS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await send({"type": "websocket.close", "code": 1000, "reason": ""})  # there are none here
            return
        request_id, started = secrets.token_hex(6), time.monotonic()
        client = scope.get("client")
        address = address_key(client[0] if client else "")
        if not self._knows(header(scope, b"host")):
            await _refuse_host(send)
            return
        caller = await self._caller(scope, request_id, address)
        remember(scope, caller)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request=request_id)
        status = 0

        async def with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                message["headers"] = self._headers(scope, caller, list(message["headers"]))
            await send(message)

        try:
            await self.behind(scope, receive, with_headers)
        finally:
            _note(scope, caller, status, time.monotonic() - started)

    def _knows(self, host: str) -> bool:
        """The Host header alone counts; X-Forwarded-Host is never read."""
        name = host.lower()
        if not name.endswith("]"):
            name = name.rpartition(":")[0] or name
        return any(fnmatchcase(name, known) if known[0] == "*" else name == known for known in self._hosts)

    async def _caller(self, scope: Scope, request_id: str, address: str) -> Caller:
        if scope["path"].startswith(STATIC):
            return Caller(request_id=request_id, address=address)
        shown = shown_in(scope, self._cookies)
        stops = is_stop(scope)
        if stops and (known := self._recent.find(shown.key)) is not None:
            return caller_for(shown, known, None, request_id, address)
        if is_stop_by_code(scope):
            return caller_for(shown, None, None, request_id, address)
        if stops:
            known_now = await anyio.to_thread.run_sync(
                look_up, self._database, [shown], limiter=self._stop_threads
            )
            found = known_now[0]
        else:
            found = await self._doorman.ask(shown)
        caller = caller_for(shown, found.signed_in, found.failure, request_id, address)
        if shown.key:
            self._recent.saw(shown.key, None if scope["path"].endswith("/logout") else caller.signed_in)
        return caller

    def _headers(
        self, scope: Scope, caller: Caller, headers: list[tuple[bytes, bytes]]
    ) -> list[tuple[bytes, bytes]]:
        present = {name.lower(): value for name, value in headers}
        headers += [(name, value) for name, value in HEADERS.items() if name not in present]
        if self._secure:
            headers.append((b"strict-transport-security", b"max-age=31536000"))
        headers.append((b"x-request-id", caller.request_id.encode()))
        if b"cache-control" not in present:
            headers.append((b"cache-control", b"no-store"))
        html = present.get(b"content-type", b"").startswith(b"text/html")
        if html and caller.fresh_visit and caller.visit and caller.signed_in is None:
            cookie = self._cookies.for_visit(caller.visit).to_encoded_header()
            headers.append((b"set-cookie", cookie[1]))
        return headers


def _note(scope: Scope, caller: Caller, status: int, duration_s: float) -> None:
    """Method, path, status, time, who: never a query, a header, a cookie or a body, where secrets travel."""
    path = str(scope["path"])
    if path.startswith(STATIC) and status < 400:
        return
    log.info(
        "request",
        method=cast("str", scope.get("method")),
        path=loggable(path),
        status=status,
        ms=round(duration_s * 1000, 1),
        member=caller.signed_in.member_id if caller.signed_in else None,
        address=caller.address,
    )


async def _refuse_host(send: Send) -> None:
    """Before any language is known, and to somebody who is no guest of this house: short, and in English."""
    problem = {
        "type": "/problems/host.unknown",
        "title": "Not here",
        "status": 400,
        "detail": "This server does not answer to that name.",
        "code": "host.unknown",
    }
    body = json.dumps(problem).encode()
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
        *HEADERS.items(),
    ]
    await send({"type": "http.response.start", "status": 400, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
