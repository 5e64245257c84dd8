"""Who is calling: a sign-in in a cookie, or a bearer token; and the cookies that carry this.

Litestar's own sessions keep an id that the browser brings to the sign-in; here every sign-in makes a fresh token, its
hash is in the database, and nothing a client sends is ever adopted.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from http.cookies import CookieError, SimpleCookie
from typing import Any

from litestar.datastructures import Cookie
from litestar.types import Scope

from fablab.base.database import Database
from fablab.base.errors import Unauthenticated
from fablab.people import access
from fablab.people.access import Resumed, SignedIn
from fablab.people.access.browsers import KNOWN_FOR
from web.settings import Settings

VISIT_LIFE_S = 12 * 3600
LANGUAGE_LIFE_S = 365 * 24 * 3600
BROWSER_LIFE_S = int(KNOWN_FOR.total_seconds())
_TOKEN = re.compile(r"[A-Za-z0-9_-]{20,128}")
_STATE = "fablab"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """What is known of a request before its route. `signed_in` None: nobody, and `failure` says why, if there is a why.

    `visit`: the token of a browser that is not signed in, which its forms must send back. `fresh_visit`: it was made
    for this request and must go back as a cookie.
    """

    request_id: str
    address: str
    signed_in: SignedIn | None = None
    failure: Unauthenticated | None = None
    by_bearer: bool = False
    login_token: str = ""
    visit: str = ""
    fresh_visit: bool = False
    language_cookie: str = ""

    @property
    def csrf(self) -> str:
        """What forms of this browser must carry."""
        return self.signed_in.csrf if self.signed_in is not None and not self.by_bearer else self.visit

    @property
    def key(self) -> str:
        """Whose rate limit is drawn from."""
        return f"member:{self.signed_in.member_id}" if self.signed_in else f"address:{self.address}"


def caller_of(scope: Scope | dict[str, Any]) -> Caller:
    """The caller that the gate has put there."""
    caller = scope["state"].get(_STATE)
    assert isinstance(caller, Caller), "the gate did not see this request"
    return caller


def remember(scope: Scope, caller: Caller) -> None:
    scope["state"][_STATE] = caller


class Cookies:
    """Names and makers of the cookies. Over https the names have the prefix that keeps other hosts from setting them."""

    def __init__(self, settings: Settings) -> None:
        self.secure = settings.secure_cookies
        prefix = "__Host-" if self.secure else ""
        self.login = f"{prefix}fablab_login"
        self.visit = f"{prefix}fablab_visit"
        self.language = "fablab_language"
        self.browser = f"{prefix}fablab_browser"  # known again when it next signs in; opens nothing
        self.step = f"{prefix}fablab_step"  # a sign-in that is half done
        self.trip = f"{prefix}fablab_trip"  # on its way to a provider and back
        self.arrival = f"{prefix}fablab_arrival"  # somebody new whom a provider has named
        self.kiosk = f"{prefix}fablab_kiosk"  # a tablet beside a machine
        self.known = f"{prefix}fablab_known"  # who is known at it for a minute

    def for_login(self, token: str) -> Cookie:
        life_s = int(access.LOGIN_LIFE.total_seconds())
        return self._cookie(self.login, token, life_s)

    def no_login(self) -> Cookie:
        return self._cookie(self.login, "", 0)

    def for_visit(self, token: str) -> Cookie:
        return self._cookie(self.visit, token, VISIT_LIFE_S)

    def for_browser(self, token: str) -> Cookie:
        return self._cookie(self.browser, token, BROWSER_LIFE_S)

    def for_a_while(self, name: str, token: str, life: timedelta) -> Cookie:
        return self._cookie(name, token, int(life.total_seconds()))

    def no(self, name: str) -> Cookie:
        return self._cookie(name, "", 0)

    def for_language(self, language: str) -> Cookie:
        return self._cookie(self.language, language, LANGUAGE_LIFE_S)

    def _cookie(self, name: str, value: str, life_s: int) -> Cookie:
        return Cookie(
            key=name,
            value=value,
            max_age=life_s,
            path="/",
            httponly=True,
            secure=self.secure,
            samesite="lax",
        )


def read_cookies(scope: Scope) -> dict[str, str]:
    found: SimpleCookie = SimpleCookie()
    for name, value in scope["headers"]:
        if name == b"cookie":
            try:
                found.load(value.decode("latin-1"))
            except CookieError:
                continue
    return {name: morsel.value for name, morsel in found.items()}


def header(scope: Scope, wanted: bytes) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == wanted), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a request shows of itself, before anybody has looked it up. `kind` is empty for a cookie."""

    kind: str
    secret: str
    visit: str
    language: str

    @property
    def key(self) -> str:
        """Tells one sign-in or token from every other; a cookie's secret shown as a bearer's is not the same."""
        return f"{self.kind.lower()} {self.secret}" if self.secret else ""


def shown_in(scope: Scope, cookies: Cookies) -> Shown:
    found = read_cookies(scope)
    kind, _, secret = header(scope, b"authorization").partition(" ")
    return Shown(
        kind=kind,
        secret=secret.strip() if kind else found.get(cookies.login, ""),
        visit=found.get(cookies.visit, ""),
        language=found.get(cookies.language, ""),
    )


def caller_for(
    shown: Shown, signed_in: SignedIn | None, failure: Unauthenticated | None, request_id: str, address: str
) -> Caller:
    """`signed_in` is who the database has found, or remembered (`web.security.recent`)."""
    if shown.kind:
        return Caller(
            request_id=request_id,
            address=address,
            signed_in=signed_in,
            failure=failure,
            by_bearer=True,
            language_cookie=shown.language,
        )
    good = bool(_TOKEN.fullmatch(shown.visit))
    return Caller(
        request_id=request_id,
        address=address,
        signed_in=signed_in,
        failure=failure,
        login_token=shown.secret if signed_in else "",
        visit=shown.visit if good else secrets.token_urlsafe(24),
        fresh_visit=not good,
        language_cookie=shown.language,
    )


@dataclass(frozen=True, slots=True)
class Known:
    """What the database says of what was shown. `is_tired`: `touch` is due."""

    signed_in: SignedIn | None = None
    failure: Unauthenticated | None = None
    is_tired: bool = False


def look_up(database: Database, shown: Sequence[Shown]) -> list[Known]:
    """Who shows each of these: one transaction that only reads, and at most one look-up for cookies and one for tokens."""
    bearers = {each.secret for each in shown if each.kind.lower() == "bearer" and _is_token(each.secret)}
    logins = {each.secret for each in shown if not each.kind and _is_token(each.secret)}
    if not bearers and not logins:
        return [_known(each, {}, {}) for each in shown]
    with database.read() as uow:
        programs = access.bearers(uow, bearers) if bearers else {}
        people = access.resumed(uow, logins) if logins else {}
    return [_known(each, programs, people) for each in shown]


def _is_token(secret: str) -> bool:
    return _TOKEN.fullmatch(secret) is not None


def _known(
    shown: Shown,
    programs: Mapping[str, SignedIn | Unauthenticated],
    people: Mapping[str, Resumed],
) -> Known:
    if shown.kind:
        # Another kind than a bearer's may well name the secret of one.
        is_bearer = shown.kind.lower() == "bearer"
        found = programs.get(shown.secret) if is_bearer else None
        if isinstance(found, SignedIn):
            return Known(signed_in=found)
        return Known(failure=found or Unauthenticated("token.unknown"))
    if not shown.secret:
        return Known()
    login = people.get(shown.secret)
    if login is None:
        return Known(failure=Unauthenticated("login.expired"))
    return Known(signed_in=login.signed_in, is_tired=login.is_tired)
