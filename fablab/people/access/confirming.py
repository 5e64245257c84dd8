"""Once more who it is, before what would let somebody else in: passwords, tokens, factors, accounts elsewhere.

A sign-in that is forgotten on the lab's own computer may read and submit; it may not change the locks. What was given
last, a sign-in or a confirmation, holds for ten minutes, and takes all that a sign-in takes.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy import delete

from fablab.base.database import Database, UnitOfWork
from fablab.base.errors import Conflict, Forbidden, LabError, Unauthenticated
from fablab.people.access.passwords import is_password
from fablab.people.access.proving import active_factor, prove
from fablab.people.access.tries import TRIES_BY_ADDRESS, TRIES_BY_EMAIL, digest, failed, slow_down
from fablab.people.models import Login, LoginTry

FRESH_FOR: Final = timedelta(minutes=10)


def login_of(uow: UnitOfWork, login_token: str) -> Login:
    """Raises `Unauthenticated` login.expired."""
    login = uow.session.get(Login, digest(login_token))
    if login is None or login.expires_at <= uow.now or not login.member.active:
        raise Unauthenticated("login.expired")
    return login


def is_fresh(uow: UnitOfWork, login_token: str) -> bool:
    login = login_of(uow, login_token)
    return login.confirmed_at is not None and uow.now - login.confirmed_at < FRESH_FOR


def require_fresh(uow: UnitOfWork, login_token: str) -> Login:
    """The sign-in, confirmed within the last ten minutes. Raises `Forbidden` access.confirm."""
    if not is_fresh(uow, login_token):
        raise Forbidden("access.confirm")
    return login_of(uow, login_token)


def confirm(database: Database, login_token: str, password: str, code: str, *, address: str) -> None:
    """The password again and, with a second factor, a code.

    Raises `Forbidden` confirm.wrong for either, alike; `Conflict` confirm.no_password where an account elsewhere lets
    them in and confirms them (`confirm_elsewhere`); `TooMany` after too many tries. Between two transactions, as
    `sign_in`, for the same reasons.
    """
    with database.read() as uow:
        member = login_of(uow, login_token).member
        by_member, by_address = digest(f"confirm:{member.id}"), digest("address:" + address)
        slow_down(uow, (by_member, TRIES_BY_EMAIL), (by_address, TRIES_BY_ADDRESS))
    if member.password_hash is None:
        raise Conflict("confirm.no_password")
    good = is_password(member, password)
    with database.begin() as uow:
        said = _confirmed(uow, login_token, code, address) if good else None
        if not good:
            failed(uow, (by_member, by_address))
        elif said is None:
            uow.session.execute(delete(LoginTry).where(LoginTry.key == by_member))
    if not good or said is not None:
        raise said or Forbidden("confirm.wrong")


def _confirmed(uow: UnitOfWork, login_token: str, code: str, address: str) -> LabError | None:
    login = login_of(uow, login_token)
    has_factor = active_factor(uow, login.member_id) is not None
    if has_factor and prove(uow, login.member_id, code, address=address) is None:
        return Forbidden("confirm.wrong")
    login.confirmed_at = uow.now
    return None
