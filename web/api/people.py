"""Signing in and out, who I am, and tokens for programs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from fablab.base.database import Database, UnitOfWork
from fablab.base.errors import Invalid
from fablab.people import access
from fablab.people.access import Scope, SignedIn
from web import reads
from web.api.answer import rights_of
from web.api.schema import Me, NewToken, me
from web.security import Access, Pace
from web.security.identity import Cookies, caller_of

MOST_DAYS = 3650


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    email: str
    password: str


class TokenWish(msgspec.Struct, frozen=True, kw_only=True):
    """`scopes`: read, submit, operate, manage. `days`: how long it lives; null for ever."""

    name: str
    scopes: tuple[str, ...]
    days: int | None = 365


def enter(database: Database, request: Request[Any, Any, Any], email: str, password: str) -> SignedIn:
    """Sign in with a fresh token, and end the sign-in that this browser had before. For pages too."""
    caller = caller_of(request.scope)
    agent = request.headers.get("user-agent", "")
    signed_in = access.sign_in(database, email[:300], password[:1000], address=caller.address, agent=agent)
    if caller.login_token:
        database.write(lambda uow: access.sign_out(uow, caller.login_token))
    return signed_in


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
    """Sign in with a cookie. Changes then need the answered `csrf` as `X-CSRF-Token`."""
    signed_in = enter(database, request, data.email, data.password)
    answer = Response(me(signed_in, rights_of(signed_in.actor)))
    answer.set_cookie(jar.for_login(signed_in.token))
    return answer


@post("/logout", access=Access.IN_PERSON, sync_to_thread=True, status_code=204, tags=["people"])
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


@get("/me", access=Access.SIGNED_IN, sync_to_thread=False, tags=["people"])
def whoami(signed_in: NamedDependency[SignedIn]) -> Me:
    return me(signed_in, rights_of(signed_in.actor))


@post("/tokens", access=Access.IN_PERSON, sync_to_thread=True, tags=["people"])
def make_token(
    data: JSONBody[TokenWish], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> NewToken:
    """A bearer token for a program; never more than its member may do."""
    name = " ".join(data.name.split())
    if not name or len(name) > 80:
        raise Invalid("token.name", field="name")
    if data.days is not None and not 1 <= data.days <= MOST_DAYS:
        raise Invalid("token.days", field="days", most=MOST_DAYS)
    scopes = frozenset(_scope(each) for each in data.scopes)
    life = timedelta(days=data.days) if data.days is not None else None

    def work(uow: UnitOfWork) -> str:
        return access.make_token(uow, reads.member(uow, signed_in.member_id), name, scopes, life)

    token = database.write(work, signed_in.actor)
    return NewToken(token=token, name=name, scopes=tuple(sorted(scope.value for scope in scopes)))


def _scope(word: str) -> Scope:
    try:
        return Scope(word)
    except ValueError:
        known = ", ".join(scope.value for scope in Scope)
        raise Invalid("token.scope", field="scopes", scope=word[:40], known=known) from None


ROUTES = (login, logout, whoami, make_token)
