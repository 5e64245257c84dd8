"""Signing in with a password and a second factor, and the sign-ins that stay.

A sign-in always gets a fresh token, whatever the browser sent; only the token's hash is kept.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import String, bindparam, delete, or_, select

from fablab.base.database import Actor, Database, UnitOfWork
from fablab.base.errors import LabError, Unauthenticated
from fablab.people.access import policy
from fablab.people.access.browsers import recognise
from fablab.people.access.models import FactorDue, LoginStep
from fablab.people.access.passwords import is_password
from fablab.people.access.proving import active_factor, prove
from fablab.people.access.tries import TRIES_BY_ADDRESS, TRIES_BY_EMAIL, TRY_WINDOW, digest, failed, slow_down
from fablab.people.models import Login, LoginTry, Member, MemberState, Role

LOGIN_LIFE = timedelta(days=14)
STEP_LIFE = timedelta(minutes=10)
SEEN_EVERY = timedelta(minutes=10)  # last-seen is written rarely: reading a page must not be a write


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """`token` is shown to the browser once and kept nowhere; `csrf` must come back with every change.

    `browser`: the token by which this browser is known again; it opens nothing. `factor_due_at`: when the house wants
    a second factor of them, `held_back` from then on: they may give themselves one, and stop machines.
    """

    actor: Actor
    member_id: int
    name: str
    role: Role
    language: str
    csrf: str
    token: str = ""
    browser: str = ""
    factor_due_at: datetime | None = None
    held_back: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """As much of a member as a request has to know."""

    id: int
    name: str
    role: Role
    language: str


class SecondStep(Unauthenticated):
    """The password is right; `token` names the sign-in that goes on with a code (`finish`). It opens nothing alone."""

    code = "login.second_step"

    def __init__(self, token: str) -> None:
        super().__init__()
        self.token = token


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """From where somebody signs in. `address`: the key that peers are counted by; `browser`: what it is known by."""

    address: str
    agent: str = ""
    browser: str = ""
    provider: str | None = None


def sign_in(
    database: Database,
    name: str,
    password: str,
    *,
    address: str,
    agent: str = "",
    browser: str = "",
    code: str = "",
) -> SignedIn:
    """`name` is an e-mail, or the number of a member who has none. Raises `Unauthenticated` alike for an unknown
    name and a wrong password, `TooMany` after too many of them, and `SecondStep` where a code is due and none is given.

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
    entry = Entry(address=address, agent=agent, browser=browser)
    with database.begin() as uow:
        uow.session.execute(delete(LoginTry).where(LoginTry.key == keys[0]))
        outcome = past_first(uow, member.id, entry, code)
    return settled(outcome)


def past_first(uow: UnitOfWork, member_id: int, entry: Entry, code: str = "") -> SignedIn | LabError:
    """Who they are is known: in, or what is still missing. Answered, not raised: a wrong code must stay counted."""
    member = uow.session.get(Member, member_id)
    if member is None or not member.active:
        return Unauthenticated("login.wrong")
    if active_factor(uow, member_id) is None:
        return _new_login(uow, member, entry)
    if not code:
        return SecondStep(_new_step(uow, member_id, entry))
    if prove(uow, member_id, code, address=entry.address) is None:
        return Unauthenticated("factor.wrong")
    return _new_login(uow, member, entry)


def finish(database: Database, step_token: str, code: str, entry: Entry) -> SignedIn:
    """The second step. Raises `Unauthenticated` login.step_expired, factor.wrong (the step goes on), `TooMany`."""
    with database.begin() as uow:
        outcome = _finished(uow, step_token, code, entry)
    return settled(outcome)


def settled(outcome: SignedIn | LabError) -> SignedIn:
    if isinstance(outcome, LabError):
        raise outcome
    return outcome


def has_step(uow: UnitOfWork, step_token: str) -> bool:
    step = uow.session.get(LoginStep, digest(step_token))
    return step is not None and step.expires_at > uow.now and step.member.active


def _finished(uow: UnitOfWork, step_token: str, code: str, entry: Entry) -> SignedIn | LabError:
    step = uow.session.get(LoginStep, digest(step_token))
    if step is None or step.expires_at <= uow.now or not step.member.active:
        return Unauthenticated("login.step_expired")
    if prove(uow, step.member_id, code, address=entry.address) is None:
        return Unauthenticated("factor.wrong")
    uow.session.delete(step)
    place = Entry(address=entry.address, agent=entry.agent, browser=entry.browser, provider=step.provider)
    return _new_login(uow, step.member, place)


def _new_step(uow: UnitOfWork, member_id: int, entry: Entry) -> str:
    uow.session.execute(delete(LoginStep).where(LoginStep.expires_at <= uow.now))
    token = secrets.token_urlsafe(32)
    uow.session.add(
        LoginStep(
            token_hash=digest(token),
            member_id=member_id,
            provider=entry.provider,
            made_at=uow.now,
            expires_at=uow.now + STEP_LIFE,
        )
    )
    return token


def _new_login(uow: UnitOfWork, member: Member, entry: Entry) -> SignedIn:
    old = LoginTry.at <= uow.now - TRY_WINDOW
    uow.session.execute(delete(LoginTry).where(or_(LoginTry.key == digest(f"code:{member.id}"), old)))
    uow.session.execute(delete(Login).where(Login.expires_at <= uow.now))
    token, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(24)
    uow.session.add(
        Login(
            token_hash=digest(token),
            member_id=member.id,
            csrf=csrf,
            agent=entry.agent[:200],
            created_at=uow.now,
            seen_at=uow.now,
            expires_at=uow.now + LOGIN_LIFE,
            address=entry.address[:64],
            provider=entry.provider,
            confirmed_at=uow.now,
        )
    )
    policy.meet(uow, member)
    browser = recognise(uow, member.id, entry.browser, agent=entry.agent, address=entry.address)
    return signed_in_as(member, csrf, token, browser=browser, due_at=policy.due_at(uow, member), now=uow.now)


@dataclass(frozen=True, slots=True)
class Resumed:
    """A sign-in that goes on. `is_tired`: when it was last seen is to be written down again (`touch`)."""

    signed_in: SignedIn
    is_tired: bool


def resumed(uow: UnitOfWork, tokens: Collection[str]) -> dict[str, Resumed]:
    """By token, those that still hold, in one look-up. Reads only."""
    by_hash = {digest(token): token for token in tokens}
    found: dict[str, Resumed] = {}
    for row in uow.session.execute(_LOGINS, {"hashes": list(by_hash)}):
        if row.expires_at <= uow.now or row.state is not MemberState.ACTIVE:
            continue
        who = Person(id=row.id, name=row.name, role=row.role, language=row.language)
        due_at = row.due_at if row.role in policy.ROLES else None
        found[by_hash[row.token_hash]] = Resumed(
            signed_in_as(who, row.csrf, "", due_at=due_at, now=uow.now), uow.now - row.seen_at >= SEEN_EVERY
        )
    return found


# Put together once: it is run for every request.
_LOGINS = (
    select(
        Login.token_hash,
        Login.csrf,
        Login.seen_at,
        Login.expires_at,
        Member.id,
        Member.name,
        Member.role,
        Member.language,
        Member.state,
        FactorDue.due_at,
    )
    .join(Member, Member.id == Login.member_id)
    .outerjoin(FactorDue, FactorDue.member_id == Login.member_id)
    .where(Login.token_hash.in_(bindparam("hashes", expanding=True, type_=String)))
)


def resume(uow: UnitOfWork, token: str) -> SignedIn:
    """Who holds this sign-in."""
    found = resumed(uow, [token]).get(token)
    if found is None:
        raise Unauthenticated("login.expired")
    return found.signed_in


def needs_touch(uow: UnitOfWork, token: str) -> bool:
    login = uow.session.get(Login, digest(token))
    return login is not None and uow.now - login.seen_at >= SEEN_EVERY


def touch(uow: UnitOfWork, token: str) -> None:
    """Also where a rule about second factors meets somebody whose role has changed since they signed in."""
    login = uow.session.get(Login, digest(token))
    if login is not None and login.expires_at > uow.now:
        login.seen_at = uow.now
        login.expires_at = uow.now + LOGIN_LIFE
        policy.meet(uow, login.member)


def sign_out(uow: UnitOfWork, token: str) -> str | None:
    """The provider through which it came, if one did."""
    login = uow.session.get(Login, digest(token))
    uow.session.execute(delete(Login).where(Login.token_hash == digest(token)))
    return login.provider if login is not None else None


def signed_in_as(
    member: Member | Person,
    csrf: str,
    token: str,
    scopes: frozenset[str] | None = None,
    *,
    browser: str = "",
    due_at: datetime | None = None,
    now: datetime | None = None,
) -> SignedIn:
    return SignedIn(
        actor=Actor(member_id=member.id, name=member.name, role=member.role.value, scopes=scopes),
        member_id=member.id,
        name=member.name,
        role=member.role,
        language=member.language,
        csrf=csrf,
        token=token,
        browser=browser,
        factor_due_at=due_at,
        held_back=due_at is not None and now is not None and due_at <= now,
    )
