"""Who may do what over HTTP. Every route says it (`access=...`); a route that says nothing lets nobody in.

    @get("/floor", access=Access.SIGNED_IN)
    @post("/machines/{id:int}/clear", access=Right.OPERATE)
    @get("/login", access=Access.PUBLIC, pace=Pace.LOGIN)
    @post("/logout", access=Access.IN_PERSON, held_back=True)   # also for those who are (`people.access.policy`)

A change made with a cookie must carry the sign-in's csrf token, in the header `X-CSRF-Token` or the form field
`csrf`, and must not come from another site. A bearer token needs neither, but has scopes.
"""

from __future__ import annotations

import hmac
from enum import StrEnum
from typing import Any

from litestar.connection import ASGIConnection, Request
from litestar.enums import RequestEncodingType
from litestar.handlers.base import BaseRouteHandler

from fablab.base.errors import Forbidden, Unauthenticated
from fablab.people.access import Right, Scope, SignedIn, allows
from web.security.identity import Caller, caller_of
from web.security.limits import Limiter, Pace
from web.security.recent import is_stop

__all__ = ["Access", "Pace", "Right", "check_csrf_token", "guard", "made_by_browser", "visitor"]

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
FORM_LIMIT_BYTES = 1_000_000
CSRF_HEADER = "x-csrf-token"
CSRF_FIELD = "csrf"


class Access(StrEnum):
    """Who may call a route that asks for no particular right."""

    PUBLIC = "public"
    SIGNED_IN = "signed_in"  # a token needs the scope "read"
    IN_PERSON = "in_person"  # with a password: no token, whatever its scopes


async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """The one guard, on the whole app: pace, access, and where a change comes from, in that order."""
    needs = handler.opt.get("access")
    if not isinstance(needs, Access | Right):
        raise Forbidden("access.unstated")
    caller = caller_of(connection.scope)
    pace = Pace.STOP if is_stop(connection.scope) else handler.opt.get("pace", Pace.USUAL)
    limiter: Limiter = connection.app.state.limiter
    # A sign-in is counted by address: whoever tries passwords is not yet anybody.
    limiter.draw(pace, f"address:{caller.address}" if pace is Pace.LOGIN else caller.key)
    _let_in(caller, needs)
    _not_held_back(caller, needs, always=pace is Pace.STOP or handler.opt.get("held_back") is True)
    if connection.scope.get("method", "GET") not in SAFE_METHODS and not caller.by_bearer:
        assert isinstance(connection, Request)
        _same_site(connection)
        await _csrf(connection, caller, handler)


def _let_in(caller: Caller, needs: Access | Right) -> None:
    if needs is Access.PUBLIC:
        return
    if caller.signed_in is None:
        raise caller.failure or Unauthenticated()
    actor = caller.signed_in.actor
    if isinstance(needs, Right):
        if not allows(actor, needs):
            raise Forbidden(right=needs.value)
    elif caller.by_bearer and needs is Access.IN_PERSON:
        raise Forbidden("access.in_person")
    elif caller.by_bearer and Scope.READ not in (actor.scopes or frozenset()):
        raise Forbidden("access.scope", scope=Scope.READ.value)


def _not_held_back(caller: Caller, needs: Access | Right, *, always: bool) -> None:
    """Whose second factor is overdue gives themselves one first. A machine is stopped whatever is due; tokens are made
    with a factor, and go on."""
    signed_in = caller.signed_in
    if signed_in is not None and signed_in.held_back and needs is not Access.PUBLIC and not always:
        raise Forbidden("factor.required")


def _same_site(request: Request[Any, Any, Any]) -> None:
    """Browsers say where a request comes from; one that says "elsewhere" is turned away, whatever it carries."""
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        raise Forbidden("csrf.cross_site")
    origin = request.headers.get("origin")
    if origin is not None and origin.partition("://")[2].lower() != request.headers.get("host", "").lower():
        raise Forbidden("csrf.cross_site")


async def _csrf(request: Request[Any, Any, Any], caller: Caller, handler: BaseRouteHandler) -> None:
    said = request.headers.get(CSRF_HEADER)
    if said is not None:
        check_csrf_token(caller, said)
        return
    if handler.opt.get("csrf") == "stream":
        return  # its handler reads the form as a stream, and checks the field before the file (`web.uploads`)
    if handler.opt.get("csrf") == "secret":
        return  # the address itself is the leave: mail programs send this one for their reader (RFC 8058)
    kind = request.content_type[0]
    if kind == RequestEncodingType.JSON and handler.opt.get("csrf") == "json":
        return  # a page of another site cannot send JSON without asking first, and nobody answers that question
    if kind not in (RequestEncodingType.URL_ENCODED, RequestEncodingType.MULTI_PART):
        raise Forbidden("csrf.missing")
    form = await request.form()
    check_csrf_token(caller, str(form.get(CSRF_FIELD, "")))


def check_csrf_token(caller: Caller, said: str) -> None:
    """Raises `Forbidden` unless `said` is the caller's own token; a bearer needs none."""
    if caller.by_bearer:
        return
    if not caller.csrf or not hmac.compare_digest(caller.csrf.encode(), said.encode("utf-8", "replace")):
        raise Forbidden("csrf.missing")


def made_by_browser(request: Request[Any, Any, Any]) -> bool:
    """Whether a page is wanted rather than JSON."""
    if request.scope["path"].startswith("/api/"):
        return request.scope["path"] == "/api/docs"
    return "text/html" in request.headers.get("accept", "") or "hx-request" in request.headers


def visitor(request: Request[Any, Any, Any]) -> SignedIn | None:
    """Who is signed in, if anybody is."""
    return caller_of(request.scope).signed_in
