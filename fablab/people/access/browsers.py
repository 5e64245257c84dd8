"""Whether a member has signed in from this browser before: by a cookie of its own, which opens nothing."""

from __future__ import annotations

import secrets
from datetime import timedelta

from sqlalchemy import delete, exists, select
from sqlalchemy.exc import IntegrityError

from fablab.base.database import UnitOfWork
from fablab.notices import tell
from fablab.people.access.models import KnownBrowser
from fablab.people.access.tries import digest

KNOWN_FOR = timedelta(days=400)
MOST_KNOWN = 30

#: What an agent says of itself -> what people call it; the first that fits counts (Edge says Chrome, Chrome Safari).
PROGRAMS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
    ("python", "Python"),
)
SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


def called(agent: str) -> str:
    """An agent string as people would say it, as "Firefox, Windows"; its first word where nothing is known of it."""
    program = next((name for mark, name in PROGRAMS if mark in agent), agent.split("/")[0].split(" ")[0][:40])
    system = next((name for mark, name in SYSTEMS if mark in agent), "")
    return ", ".join(filter(None, (program, system))) or "?"


def recognise(uow: UnitOfWork, member_id: int, browser: str, *, agent: str, address: str) -> str:
    """The browser's token from now on; its member is told of a new one, but not of their very first.

    A token that this server has not made is never adopted.
    """
    mine = list(uow.session.scalars(select(KnownBrowser).where(KnownBrowser.member_id == member_id)))
    known = next((row for row in mine if browser and row.browser_hash == digest(browser)), None)
    if known is not None:
        known.last_at = uow.now
        return browser
    ours = bool(browser) and uow.session.scalar(
        select(exists().where(KnownBrowser.browser_hash == digest(browser)))
    )
    token = browser if ours else secrets.token_urlsafe(24)
    row = KnownBrowser(browser_hash=digest(token), member_id=member_id, first_at=uow.now, last_at=uow.now)
    try:
        with uow.session.begin_nested():
            uow.session.add(row)
    except IntegrityError:
        return token  # the same browser, twice at once
    if mine:
        tell(uow, member_id, "security.new_browser", agent=called(agent), address=address, path="/security")
        _forget_some(uow, mine)
    return token


def _forget_some(uow: UnitOfWork, mine: list[KnownBrowser]) -> None:
    mine.sort(key=lambda row: row.last_at, reverse=True)
    kept = [row for row in mine[: MOST_KNOWN - 1] if row.last_at > uow.now - KNOWN_FOR]
    for row in mine:
        if row not in kept:
            uow.session.delete(row)


def forget(uow: UnitOfWork, member_id: int) -> None:
    """Every browser is new again."""
    uow.session.execute(delete(KnownBrowser).where(KnownBrowser.member_id == member_id))
