"""What members do with their own keys: the password, the list of sign-ins, the tokens of their programs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select

from fablab.base.database import Database, UnitOfWork
from fablab.base.errors import Invalid, NotFound
from fablab.notices import tell
from fablab.people import keys
from fablab.people.access.browsers import called
from fablab.people.access.confirming import login_of, require_fresh
from fablab.people.access.models import LoginStep
from fablab.people.access.passwords import hash_password
from fablab.people.access.rights import Scope
from fablab.people.access.tokens import make_token
from fablab.people.access.tries import digest
from fablab.people.models import ApiToken, Login

TOKEN_NAME_LIMIT = 80
MOST_TOKEN_DAYS = 3650


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One signed-in browser. `here`: the one that asks. `address`: the key that it is counted by, as kept."""

    id: str
    browser: str
    address: str
    provider: str | None
    since: datetime
    seen_at: datetime
    here: bool


def change_password(database: Database, login_token: str, password: str) -> None:
    """Also the first one of a member who came through a provider. Every other sign-in ends; tokens stay.

    Raises `Forbidden` access.confirm, `Invalid` password.*. The hash is made between two transactions.
    """
    with database.read() as uow:
        require_fresh(uow, login_token)
    hashed = hash_password(password)

    def work(uow: UnitOfWork) -> None:
        login = require_fresh(uow, login_token)
        login.member.password_hash = hashed
        end_others(uow, login_token)
        keys.end_all(uow, login.member_id)
        tell(uow, login.member_id, "security.password_changed", path="/security")

    database.write(work)


def sessions(uow: UnitOfWork, login_token: str) -> tuple[Session, ...]:
    """The member's, the one that asks first, then by when they were last seen."""
    here = login_of(uow, login_token)
    query = select(Login).where(Login.member_id == here.member_id, Login.expires_at > uow.now)
    rows = sorted(uow.session.scalars(query).unique(), key=lambda row: row.seen_at, reverse=True)
    rows.sort(key=lambda row: row is not here)
    return tuple(
        Session(
            id=_public(row),
            browser=called(row.agent),
            address=row.address,
            provider=row.provider,
            since=row.created_at,
            seen_at=row.seen_at,
            here=row is here,
        )
        for row in rows
    )


def end_session(uow: UnitOfWork, login_token: str, session_id: str) -> bool:
    """Whether it was the one that asks. Raises `NotFound` session.unknown."""
    here = login_of(uow, login_token)
    query = select(Login).where(Login.member_id == here.member_id)
    for row in uow.session.scalars(query).unique():
        if _public(row) == session_id:
            uow.session.delete(row)
            uow.session.flush()
            return row is here
    raise NotFound("session.unknown")


def end_others(uow: UnitOfWork, login_token: str) -> int:
    """How many sign-ins have ended; those that were half done end too."""
    here = login_of(uow, login_token)
    uow.session.execute(delete(LoginStep).where(LoginStep.member_id == here.member_id))
    query = select(Login).where(Login.member_id == here.member_id, Login.token_hash != here.token_hash)
    rows = list(uow.session.scalars(query).unique())
    for row in rows:
        uow.session.delete(row)
    uow.session.flush()
    return len(rows)


def tokens(uow: UnitOfWork, member_id: int) -> list[ApiToken]:
    """Those that still open something, newest first."""
    query = select(ApiToken).where(ApiToken.member_id == member_id, ApiToken.revoked_at.is_(None))
    rows = uow.session.scalars(query.order_by(ApiToken.id.desc())).unique()
    return [row for row in rows if row.expires_at is None or row.expires_at > uow.now]


def new_token(
    uow: UnitOfWork, login_token: str, name: str, scopes: frozenset[Scope], days: int | None
) -> str:
    """A bearer token in clear, this once; `days` None: it never runs out.

    Raises `Forbidden` access.confirm: whoever has a second factor has given it within ten minutes. `Invalid` token.*.
    """
    name = " ".join(name.split())
    if not name or len(name) > TOKEN_NAME_LIMIT:
        raise Invalid("token.name", field="name")
    if days is not None and not 1 <= days <= MOST_TOKEN_DAYS:
        raise Invalid("token.days", field="days", most=MOST_TOKEN_DAYS)
    if not scopes:
        raise Invalid("token.no_scope", field="scopes")
    login = require_fresh(uow, login_token)
    tell(uow, login.member_id, "security.token_made", name=name, path="/security")
    return make_token(uow, login.member, name, scopes, timedelta(days=days) if days is not None else None)


def revoke_token(uow: UnitOfWork, member_id: int, token_id: int) -> None:
    """Raises `NotFound` token.gone, also for somebody else's."""
    row = uow.session.get(ApiToken, token_id)
    if row is None or row.member_id != member_id or row.revoked_at is not None:
        raise NotFound("token.gone")
    row.revoked_at = uow.now


def _public(row: Login) -> str:
    """What a sign-in is called where it is listed: says nothing about its token."""
    return hashlib.sha256(f"listed:{digest(row.token_hash)}".encode()).hexdigest()[:16]
