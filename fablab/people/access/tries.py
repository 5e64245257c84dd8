"""Failed tries: kept for a while, and counted before the next one is looked at."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import timedelta
from math import ceil

from sqlalchemy import func, select

from fablab.base.database import UnitOfWork
from fablab.base.errors import TooMany
from fablab.people.models import LoginTry

TRY_WINDOW = timedelta(minutes=15)
TRIES_BY_EMAIL = 8
TRIES_BY_ADDRESS = 40


def slow_down(uow: UnitOfWork, *limits: tuple[str, int]) -> None:
    """`limits`: keys and how often each may fail within the window. Raises `TooMany`."""
    since = uow.now - TRY_WINDOW
    for key, limit in limits:
        query = select(func.count(), func.min(LoginTry.at)).where(LoginTry.key == key, LoginTry.at > since)
        count, oldest = uow.session.execute(query).one()
        if count >= limit:
            wait = oldest + TRY_WINDOW - uow.now if oldest else TRY_WINDOW
            raise TooMany("login.too_many", retry_after_s=max(1, ceil(wait.total_seconds())))


def failed(uow: UnitOfWork, keys: Iterable[str]) -> None:
    uow.session.add_all(LoginTry(key=key, at=uow.now) for key in keys)


def digest(secret: str) -> str:
    """What is kept of a random secret of 80 bits and more; a password wants more (`passwords`)."""
    return hashlib.sha256(secret.encode()).hexdigest()
