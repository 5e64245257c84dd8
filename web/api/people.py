"""Signing in and out, and who I am."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from fablab.base.database import Database
from fablab.people import access
from fablab.people.access import Entry, SignedIn
from web.api.answer import rights_of
from web.api.schema import Me, me
from web.security import Access, Pace
from web.security.identity import Cookies, caller_of, read_cookies

T = TypeVar("T")


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """`email`: or a member's number. `code`: of the second factor or a recovery code, for whoever has one."""

    email: str
    password: str
    code: str = ""


def place_of(request: Request[Any, Any, Any], provider: str | None = None) -> Entry:
    """From where this request comes."""
    jar: Cookies = request.app.state.parts.cookies
    return Entry(
        address=caller_of(request.scope).address,
        agent=request.headers.get("user-agent", ""),
        browser=read_cookies(request.scope).get(jar.browser, "")[:200],
        provider=provider,
    )


def enter(
    database: Database, request: Request[Any, Any, Any], email: str, password: str, code: str = ""
) -> SignedIn:
    """Sign in with a fresh token, and end the sign-in that this browser had before. For pages too."""
    place = place_of(request)
    signed_in = access.sign_in(
        database,
        email[:300],
        password[:1000],
        address=place.address,
        agent=place.agent,
        browser=place.browser,
        code=code[:60],
    )
    end_former(database, request)
    return signed_in


def end_former(database: Database, request: Request[Any, Any, Any]) -> None:
    """The sign-in that this browser had before the one it has just been given."""
    former = caller_of(request.scope).login_token
    if former:
        database.write(lambda uow: access.sign_out(uow, former))


def with_login(answer: Response[T], jar: Cookies, signed_in: SignedIn) -> Response[T]:
    answer.set_cookie(jar.for_login(signed_in.token))
    answer.set_cookie(jar.for_browser(signed_in.browser))
    return answer


@post(
    "/login",
    access=Access.PUBLIC,
    pace=Pace.LOGIN,
    csrf="json",
    sync_to_thread=True,
    status_code=200,
    tags=["people"],
)
def login(
    request: Request[Any, Any, Any],
    data: JSONBody[Credentials],
    database: NamedDependency[Database],
    jar: NamedDependency[Cookies],
) -> Response[Me]:
    """Sign in with a cookie. Changes then need the answered `csrf` as `X-CSRF-Token`.

    Whoever has a second factor sends its code too: `login.second_step` says that it was missing.
    """
    signed_in = enter(database, request, data.email, data.password, data.code)
    return with_login(Response(me(signed_in, rights_of(signed_in.actor))), jar, signed_in)


@post(
    "/logout",
    access=Access.IN_PERSON,
    held_back=True,
    sync_to_thread=True,
    status_code=204,
    tags=["people"],
)
def logout(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    jar: NamedDependency[Cookies],
) -> Response[None]:
    token = caller_of(request.scope).login_token
    database.write(lambda uow: access.sign_out(uow, token))
    answer: Response[None] = Response(None, status_code=204)
    answer.set_cookie(jar.no_login())
    return answer


@get("/me", access=Access.SIGNED_IN, held_back=True, sync_to_thread=False, tags=["people"])
def whoami(signed_in: NamedDependency[SignedIn]) -> Me:
    return me(signed_in, rights_of(signed_in.actor))


ROUTES = (login, logout, whoami)
