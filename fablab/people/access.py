"""How people get in: passwords, sign-ins, API tokens, and what each role may do.

Secrets are kept as hashes only: argon2id for passwords (19 MiB, two passes: 40 ms here), SHA-256 for the random
tokens, which have 256 bits of their own. A sign-in always gets a fresh token, whatever the browser sent.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from math import ceil

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, func, or_, select

from fablab.base.database import Actor, Database, UnitOfWork
from fablab.base.errors import Forbidden, Invalid, TooMany, Unauthenticated
from fablab.people.models import ApiToken, Login, LoginTry, Member, Role

LOGIN_LIFE = timedelta(days=14)
SEEN_EVERY = timedelta(minutes=10)  # last-seen is written rarely: reading a page must not be a write
TRY_WINDOW = timedelta(minutes=15)
TRIES_BY_EMAIL = 8
TRIES_BY_ADDRESS = 40
PASSWORD_MIN = 10
PASSWORD_MAX = 200

_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# Verified when nobody has that e-mail, so that the answer takes as long as for a wrong password.
_NOBODY = _hasher.hash(secrets.token_hex(16))


class Right(StrEnum):
    """What can be allowed; every route names one."""

    SUBMIT = "submit"  # jobs of one's own
    OPERATE = "operate"  # machines: tap, pause, clear, stop
    SEE_ALL = "see_all"  # other people's jobs and names
    MANAGE = "manage"  # members, resources, prices


RIGHTS: dict[Role, frozenset[Right]] = {
    Role.MAKER: frozenset({Right.SUBMIT}),
    Role.TEACHER: frozenset({Right.SUBMIT}),
    Role.PARTNER: frozenset(),
    Role.MEDIATOR: frozenset({Right.SUBMIT, Right.OPERATE, Right.SEE_ALL}),
    Role.STAFF: frozenset({Right.SUBMIT, Right.OPERATE, Right.SEE_ALL}),
    Role.ADMIN: frozenset({Right.SUBMIT, Right.OPERATE, Right.SEE_ALL, Right.MANAGE}),
}


class Scope(StrEnum):
    """What a token may be limited to."""

    READ = "read"
    SUBMIT = "submit"
    OPERATE = "operate"
    MANAGE = "manage"


_SCOPE_OF: dict[Right, Scope] = {
    Right.SUBMIT: Scope.SUBMIT,
    Right.OPERATE: Scope.OPERATE,
    Right.SEE_ALL: Scope.READ,
    Right.MANAGE: Scope.MANAGE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """`token` is shown to the browser once and kept nowhere; `csrf` must come back with every change."""

    actor: Actor
    member_id: int
    name: str
    role: Role
    language: str
    csrf: str
    token: str = ""


def allows(actor: Actor, right: Right) -> bool:
    """The lab itself may do everything; a token never more than its scopes and its member's role."""
    if actor.member_id is None:
        return actor.role == "system"
    try:
        granted = right in RIGHTS[Role(actor.role)]
    except ValueError:
        return False
    return granted and (actor.scopes is None or _SCOPE_OF[right] in actor.scopes)


def require(actor: Actor, right: Right) -> None:
    if not allows(actor, right):
        raise Forbidden(right=right.value)


def hash_password(password: str) -> str:
    if len(password) < PASSWORD_MIN:
        raise Invalid("password.too_short", field="password", least=PASSWORD_MIN)
    if len(password) > PASSWORD_MAX:
        raise Invalid("password.too_long", field="password", most=PASSWORD_MAX)
    return _hasher.hash(password)


def sign_in(database: Database, name: str, password: str, *, address: str, agent: str = "") -> SignedIn:
    """`name` is an e-mail, or the number of a member who has none. Raises `Unauthenticated` alike for an unknown
    name and a wrong password, `TooMany` after too many of them.

    Takes the database, not a unit of work: the hash is checked between two transactions, so that forty
    milliseconds of it never hold the writer's lock, and a failed try is kept although the call ends in an error.
    """
    name = name.strip().lower()
    keys = (_digest("name:" + name), _digest("address:" + address))
    with database.read() as uow:
        _slow_down(uow, keys)
        number = int(name) if name.isascii() and name.isdigit() and len(name) < 10 else None
        who = Member.email == name if number is None else Member.id == number
        member = uow.session.scalar(select(Member).where(who))
    good = _verify(member, password)
    if member is None or not good or not member.active:
        with database.begin() as uow:
            uow.session.add_all(LoginTry(key=key, at=uow.now) for key in keys)
        raise Unauthenticated("login.wrong")
    with database.begin() as uow:
        return _new_login(uow, member, keys[0], agent)


def _new_login(uow: UnitOfWork, member: Member, key: str, agent: str) -> SignedIn:
    uow.session.execute(delete(LoginTry).where(or_(LoginTry.key == key, LoginTry.at <= uow.now - TRY_WINDOW)))
    uow.session.execute(delete(Login).where(Login.expires_at <= uow.now))
    token, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(24)
    uow.session.add(
        Login(
            token_hash=_digest(token),
            member_id=member.id,
            csrf=csrf,
            agent=agent[:200],
            created_at=uow.now,
            seen_at=uow.now,
            expires_at=uow.now + LOGIN_LIFE,
        )
    )
    return _signed_in(member, csrf, token)


def resume(uow: UnitOfWork, token: str) -> SignedIn:
    """Who holds this sign-in. Reads only; `touch` writes when it was last seen."""
    login = uow.session.get(Login, _digest(token))
    if login is None or login.expires_at <= uow.now or not login.member.active:
        raise Unauthenticated("login.expired")
    return _signed_in(login.member, login.csrf, "")


def needs_touch(uow: UnitOfWork, token: str) -> bool:
    login = uow.session.get(Login, _digest(token))
    return login is not None and uow.now - login.seen_at >= SEEN_EVERY


def touch(uow: UnitOfWork, token: str) -> None:
    login = uow.session.get(Login, _digest(token))
    if login is not None and login.expires_at > uow.now:
        login.seen_at = uow.now
        login.expires_at = uow.now + LOGIN_LIFE


def sign_out(uow: UnitOfWork, token: str) -> None:
    uow.session.execute(delete(Login).where(Login.token_hash == _digest(token)))


def make_token(
    uow: UnitOfWork, member: Member, name: str, scopes: frozenset[Scope], life: timedelta | None = None
) -> str:
    """The bearer token in clear, this once."""
    token = "fab_" + secrets.token_urlsafe(32)
    uow.session.add(
        ApiToken(
            member_id=member.id,
            name=name[:80],
            token_hash=_digest(token),
            scopes=" ".join(sorted(scope.value for scope in scopes)),
            created_at=uow.now,
            expires_at=uow.now + life if life else None,
        )
    )
    return token


def bearer(uow: UnitOfWork, token: str) -> SignedIn:
    row = uow.session.scalar(select(ApiToken).where(ApiToken.token_hash == _digest(token)))
    if row is None or row.revoked_at is not None or not row.member.active:
        raise Unauthenticated("token.unknown")
    if row.expires_at is not None and row.expires_at <= uow.now:
        raise Unauthenticated("token.expired")
    return _signed_in(row.member, "", "", frozenset(row.scopes.split()))


def _signed_in(member: Member, csrf: str, token: str, scopes: frozenset[str] | None = None) -> SignedIn:
    return SignedIn(
        actor=Actor(member_id=member.id, name=member.name, role=member.role.value, scopes=scopes),
        member_id=member.id,
        name=member.name,
        role=member.role,
        language=member.language,
        csrf=csrf,
        token=token,
    )


def _slow_down(uow: UnitOfWork, keys: tuple[str, str]) -> None:
    since = uow.now - TRY_WINDOW
    for key, limit in zip(keys, (TRIES_BY_EMAIL, TRIES_BY_ADDRESS), strict=True):
        query = select(func.count(), func.min(LoginTry.at)).where(LoginTry.key == key, LoginTry.at > since)
        count, oldest = uow.session.execute(query).one()
        if count >= limit:
            wait = oldest + TRY_WINDOW - uow.now if oldest else TRY_WINDOW
            raise TooMany("login.too_many", retry_after_s=max(1, ceil(wait.total_seconds())))


def _verify(member: Member | None, password: str) -> bool:
    stored = member.password_hash if member is not None and member.password_hash else _NOBODY
    try:
        return _hasher.verify(stored, password[: PASSWORD_MAX + 1]) and stored is not _NOBODY
    except (VerificationError, InvalidHashError):
        return False


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
