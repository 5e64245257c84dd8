"""Signing in with a password, and the sign-ins that stay.

A sign-in always gets a fresh token, whatever the browser sent; only the token's hash is kept.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, or_, select

from fablab.base.database import Actor, Database, UnitOfWork
from fablab.base.errors import Unauthenticated
from fablab.people.access.passwords import is_password
from fablab.people.access.tries import TRIES_BY_ADDRESS, TRIES_BY_EMAIL, TRY_WINDOW, digest, failed, slow_down
from fablab.people.models import Login, LoginTry, Member, Role

LOGIN_LIFE = timedelta(days=14)
SEEN_EVERY = timedelta(minutes=10)  # last-seen is written rarely: reading a page must not be a write


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


def sign_in(database: Database, name: str, password: str, *, address: str, agent: str = "") -> SignedIn:
    """`name` is an e-mail, or the number of a member who has none. Raises `Unauthenticated` alike for an unknown
    name and a wrong password, `TooMany` after too many of them.

    Takes the database, not a unit of work: the hash is checked between two transactions, so that forty
    milliseconds of it never hold the writer's lock, and a failed try is kept although the call ends in an error.
    """
    name = name.strip().lower()
    keys = (digest("name:" + name), digest("address:" + address))
    with database.read() as uow:
        slow_down(uow, (keys[0], TRIES_BY_EMAIL), (keys[1], TRIES_BY_ADDRESS))
        number = int(name) if name.isascii() and name.isdigit() and len(name) < 10 else None
        who = Member.email == name if number is None else Member.id == number
        member = uow.session.scalar(select(Member).where(who))
    good = is_password(member, password)
    if member is None or not good or not member.active:
        with database.begin() as uow:
            failed(uow, keys)
        raise Unauthenticated("login.wrong")
    with database.begin() as uow:
        return _new_login(uow, member, keys[0], agent)


def _new_login(uow: UnitOfWork, member: Member, key: str, agent: str) -> SignedIn:
    uow.session.execute(delete(LoginTry).where(or_(LoginTry.key == key, LoginTry.at <= uow.now - TRY_WINDOW)))
    uow.session.execute(delete(Login).where(Login.expires_at <= uow.now))
    token, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(24)
    uow.session.add(
        Login(
            token_hash=digest(token),
            member_id=member.id,
            csrf=csrf,
            agent=agent[:200],
            created_at=uow.now,
            seen_at=uow.now,
            expires_at=uow.now + LOGIN_LIFE,
        )
    )
    return signed_in_as(member, csrf, token)


def resume(uow: UnitOfWork, token: str) -> SignedIn:
    """Who holds this sign-in. Reads only; `touch` writes when it was last seen."""
    login = uow.session.get(Login, digest(token))
    if login is None or login.expires_at <= uow.now or not login.member.active:
        raise Unauthenticated("login.expired")
    return signed_in_as(login.member, login.csrf, "")


def needs_touch(uow: UnitOfWork, token: str) -> bool:
    login = uow.session.get(Login, digest(token))
    return login is not None and uow.now - login.seen_at >= SEEN_EVERY


def touch(uow: UnitOfWork, token: str) -> None:
    login = uow.session.get(Login, digest(token))
    if login is not None and login.expires_at > uow.now:
        login.seen_at = uow.now
        login.expires_at = uow.now + LOGIN_LIFE


def sign_out(uow: UnitOfWork, token: str) -> None:
    uow.session.execute(delete(Login).where(Login.token_hash == digest(token)))


def signed_in_as(member: Member, csrf: str, token: str, scopes: frozenset[str] | None = None) -> SignedIn:
    return SignedIn(
        actor=Actor(member_id=member.id, name=member.name, role=member.role.value, scopes=scopes),
        member_id=member.id,
        name=member.name,
        role=member.role,
        language=member.language,
        csrf=csrf,
        token=token,
    )
