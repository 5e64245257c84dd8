"""Calendar feeds: what a program gets under a secret address, made once for as long as the calendar stays as it is."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from zoneinfo import ZoneInfo

from fablab.base.clock import Clock
from fablab.base.database import Database, UnitOfWork
from fablab.claims import agenda, calendar
from fablab.notices import feeds as rows
from fablab.notices.models import Feed
from fablab.people.models import Member
from fablab.people.post import feeds
from fablab.places import house
from fablab.places.models import Resource
from web.mail import invitation
from web.settings import Settings
from web.words import LANGUAGES, Words

BEFORE = timedelta(days=31)
AFTER = timedelta(days=180)
#: A title or a seat may change without the calendar's version: a feed is never older than this.
FRESH = timedelta(minutes=1)
MOST_KEPT = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """`etag` is a hash of the body; `modified` when this server first saw it so, in whole seconds."""

    body: bytes
    etag: str
    modified: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    version: int
    language: str
    made_at: datetime
    fetched: Fetched


class Feeds:
    def __init__(self, settings: Settings, database: Database, clock: Clock) -> None:
        self._host = settings.address.split("://", 1)[-1].partition(":")[0]
        self._database = database
        self._clock = clock
        self._kept: OrderedDict[int, _Kept] = OrderedDict()
        self._lock = Lock()

    def fetch(self, secret: str) -> Fetched:
        """Blocking. Raises `NotFound("feed.unknown")`, alike for a secret that never was and one that was revoked."""
        with self._database.read() as uow:
            feed, member = feeds.behind(uow, secret)
            version = calendar.version(uow)
            kept = self._find(feed.id, version, member.language)
            made = self._make(uow, feed, member, version) if kept is None else None
        if made is not None:
            kept = self._keep(feed.id, made)
        assert kept is not None
        if feed.used_at is None or self._clock.now() - feed.used_at >= rows.USED_EVERY:
            self._database.write(lambda uow: rows.used(uow, feed.id))
        return kept.fetched

    def _find(self, feed_id: int, version: int, language: str) -> _Kept | None:
        with self._lock:
            kept = self._kept.get(feed_id)
        if kept is None or (kept.version, kept.language) != (version, language):
            return None
        return kept if self._clock.now() - kept.made_at < FRESH else None

    def _make(self, uow: UnitOfWork, feed: Feed, member: Member, version: int) -> _Kept:
        row = house.house(uow)
        words = Words(
            member.language if member.language in LANGUAGES else LANGUAGES[0],
            ZoneInfo(row.zone),
            clock=self._clock,
        )
        since, until = uow.now - BEFORE, uow.now + AFTER
        if feed.resource_id is None:
            name = f"{feed.name} · {row.name}"
            entries = agenda.of_member(uow, member.id, since, until)
        else:
            name = f"{uow.session.get_one(Resource, feed.resource_id).name} · {row.name}"
            entries = agenda.of_resource(uow, feed.resource_id, since, until)
        body = invitation.feed(name, entries, words, host=self._host)
        etag = hashlib.sha256(body).hexdigest()[:32]
        fetched = Fetched(body=body, etag=f'"{etag}"', modified=uow.now.replace(microsecond=0))
        return _Kept(version=version, language=member.language, made_at=uow.now, fetched=fetched)

    def _keep(self, feed_id: int, made: _Kept) -> _Kept:
        """The same body is as old as it was before."""
        with self._lock:
            before = self._kept.pop(feed_id, None)
            if before is not None and before.fetched.etag == made.fetched.etag:
                made = _Kept(
                    version=made.version,
                    language=made.language,
                    made_at=made.made_at,
                    fetched=before.fetched,
                )
            self._kept[feed_id] = made
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return made
