"""One's own keys: the second factor, sign-ins, tokens, the password; and the staff's help when a factor is lost.

All of it in person: a token changes no locks. What would let somebody else in wants `POST /confirm` first, unless the
sign-in itself is less than ten minutes old (`access.confirm` says so).
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from fablab.base.database import Database
from fablab.base.errors import Invalid
from fablab.people import access, rescue
from fablab.people.access import FactorState, FactorView, Scope, Session, SignedIn
from fablab.people.models import ApiToken
from web.api.schema import At, NewToken
from web.security import Access, Pace
from web.security.identity import caller_of

AnyRequest = Request[Any, Any, Any]
TAGS = ["security"]


class Confirmation(msgspec.Struct, frozen=True, kw_only=True):
    """`code`: for whoever has a second factor."""

    password: str
    code: str = ""


class Code(msgspec.Struct, frozen=True, kw_only=True):
    code: str


class NewPassword(msgspec.Struct, frozen=True, kw_only=True):
    password: str


class Why(msgspec.Struct, frozen=True, kw_only=True):
    reason: str


class TokenWish(msgspec.Struct, frozen=True, kw_only=True):
    """`scopes`: read, submit, operate, manage. `days`: how long it lives; null for ever."""

    name: str
    scopes: tuple[str, ...]
    days: Annotated[int, msgspec.Meta(ge=-1_000_000, le=1_000_000)] | None = 365


class FactorOut(msgspec.Struct, frozen=True, kw_only=True):
    """`codes_left`: recovery codes. `due_at`: from when the house lets this member do nothing without a factor."""

    state: FactorState
    since: At | None
    codes_left: int
    due_at: At | None


class EnrolmentOut(msgspec.Struct, frozen=True, kw_only=True):
    """`address`: for the QR code. Nothing is asked for before a first code has come back."""

    secret: str
    address: str


class CodesOut(msgspec.Struct, frozen=True, kw_only=True):
    """Shown this once; each opens once."""

    codes: tuple[str, ...]


class SessionOut(msgspec.Struct, frozen=True, kw_only=True):
    """`here`: the one that asks. `address`: the key its peer is counted by."""

    id: str
    browser: str
    address: str
    provider: str | None
    since: At
    seen_at: At
    here: bool


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    ended: int


class TokenOut(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    name: str
    scopes: tuple[str, ...]
    created_at: At
    expires_at: At | None


def _factor(view: FactorView) -> FactorOut:
    return FactorOut(state=view.state, since=view.since, codes_left=view.codes_left, due_at=view.due_at)


def _session(session: Session) -> SessionOut:
    return SessionOut(
        id=session.id,
        browser=session.browser,
        address=session.address,
        provider=session.provider,
        since=session.since,
        seen_at=session.seen_at,
        here=session.here,
    )


def _token(row: ApiToken) -> TokenOut:
    return TokenOut(
        id=row.id,
        name=row.name,
        scopes=tuple(row.scopes.split()),
        created_at=row.created_at,
        expires_at=row.expires_at,
    )


def login_token(request: AnyRequest) -> str:
    """Of the sign-in that asks; these routes are in person, so there is one."""
    return caller_of(request.scope).login_token


@post(
    "/confirm",
    access=Access.IN_PERSON,
    pace=Pace.LOGIN,
    held_back=True,
    sync_to_thread=True,
    status_code=204,
    tags=TAGS,
)
def confirm(request: AnyRequest, data: JSONBody[Confirmation], database: NamedDependency[Database]) -> None:
    """The password again and, with a second factor, a code: good for ten minutes."""
    address = caller_of(request.scope).address
    access.confirm(database, login_token(request), data.password[:1000], data.code[:60], address=address)


@post("/password", access=Access.IN_PERSON, held_back=True, sync_to_thread=True, status_code=204, tags=TAGS)
def change_password(
    request: AnyRequest, data: JSONBody[NewPassword], database: NamedDependency[Database]
) -> None:
    """Every other sign-in ends; tokens stay."""
    access.change_password(database, login_token(request), data.password[:1000])


@get("/factor", access=Access.IN_PERSON, held_back=True, sync_to_thread=True, tags=TAGS)
def show_factor(database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]) -> FactorOut:
    with database.read(signed_in.actor) as uow:
        return _factor(access.factor_of(uow, signed_in.member_id))


@post("/factor", access=Access.IN_PERSON, held_back=True, sync_to_thread=True, tags=TAGS)
def enrol(
    request: AnyRequest, database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> EnrolmentOut:
    """A fresh secret for an authenticator app; `POST /factor/confirm` with its first code makes it count."""
    token = login_token(request)
    found = database.write(lambda uow: access.enrol(uow, token), signed_in.actor)
    return EnrolmentOut(secret=found.secret, address=found.address)


@post(
    "/factor/confirm",
    access=Access.IN_PERSON,
    pace=Pace.LOGIN,
    held_back=True,
    sync_to_thread=True,
    status_code=200,
    tags=TAGS,
)
def confirm_factor(
    request: AnyRequest,
    data: JSONBody[Code],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> CodesOut:
    token, code = login_token(request), data.code[:60]
    return CodesOut(
        codes=database.write(lambda uow: access.confirm_enrolment(uow, token, code), signed_in.actor)
    )


@post("/factor/codes", access=Access.IN_PERSON, held_back=True, sync_to_thread=True, tags=TAGS)
def new_codes(
    request: AnyRequest, database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> CodesOut:
    """Ten new recovery codes; those of before open nothing any more."""
    token = login_token(request)
    return CodesOut(codes=database.write(lambda uow: access.new_recovery_codes(uow, token), signed_in.actor))


@delete("/factor", access=Access.IN_PERSON, held_back=True, sync_to_thread=True, tags=TAGS)
def remove_factor(
    request: AnyRequest, database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> None:
    token = login_token(request)
    database.write(lambda uow: access.remove_factor(uow, token), signed_in.actor)


@get("/sessions", access=Access.IN_PERSON, held_back=True, sync_to_thread=True, tags=TAGS)
def sessions(
    request: AnyRequest, database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> list[SessionOut]:
    """Where this member is signed in; this browser first."""
    with database.read(signed_in.actor) as uow:
        return [_session(each) for each in access.sessions(uow, login_token(request))]


@delete("/sessions/{session_id:str}", access=Access.IN_PERSON, held_back=True, sync_to_thread=True, tags=TAGS)
def end_session(
    request: AnyRequest,
    session_id: FromPath[str],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> None:
    token = login_token(request)
    database.write(lambda uow: access.end_session(uow, token, session_id), signed_in.actor)


@delete("/sessions", access=Access.IN_PERSON, held_back=True, sync_to_thread=True, status_code=200, tags=TAGS)
def end_others(
    request: AnyRequest, database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> Ended:
    """Everywhere but here."""
    token = login_token(request)
    return Ended(ended=database.write(lambda uow: access.end_others(uow, token), signed_in.actor))


@get("/tokens", access=Access.IN_PERSON, sync_to_thread=True, tags=TAGS)
def tokens(database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]) -> list[TokenOut]:
    with database.read(signed_in.actor) as uow:
        return [_token(row) for row in access.tokens(uow, signed_in.member_id)]


@post("/tokens", access=Access.IN_PERSON, sync_to_thread=True, tags=TAGS)
def make_token(
    request: AnyRequest,
    data: JSONBody[TokenWish],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> NewToken:
    """A bearer token for a program; never more than its member may do."""
    scopes = frozenset(scope_of(each) for each in data.scopes)
    name, token = " ".join(data.name.split()), login_token(request)
    made = database.write(lambda uow: access.new_token(uow, token, name, scopes, data.days), signed_in.actor)
    return NewToken(token=made, name=name, scopes=tuple(sorted(scope.value for scope in scopes)))


@delete("/tokens/{token_id:int}", access=Access.IN_PERSON, sync_to_thread=True, tags=TAGS)
def revoke_token(
    token_id: FromPath[int], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> None:
    database.write(lambda uow: access.revoke_token(uow, signed_in.member_id, token_id), signed_in.actor)


@post(
    "/members/{member_id:int}/factor/reset",
    access=Access.IN_PERSON,
    sync_to_thread=True,
    status_code=204,
    tags=TAGS,
)
def reset_factor(
    request: AnyRequest,
    member_id: FromPath[int],
    data: JSONBody[Why],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> None:
    """By the staff, for a member who has lost it. They are told, it is in the log, and they are signed out everywhere."""
    token = login_token(request)
    database.write(lambda uow: rescue.reset_factor(uow, token, member_id, data.reason), signed_in.actor)


def scope_of(word: str) -> Scope:
    """Raises `Invalid` token.scope."""
    try:
        return Scope(word)
    except ValueError:
        known = ", ".join(scope.value for scope in Scope)
        raise Invalid("token.scope", field="scopes", scope=word[:40], known=known) from None


ROUTES = (
    confirm,
    change_password,
    show_factor,
    enrol,
    confirm_factor,
    new_codes,
    remove_factor,
    sessions,
    end_session,
    end_others,
    tokens,
    make_token,
    revoke_token,
    reset_factor,
)
