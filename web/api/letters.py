"""What I was told, and how I want to hear of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec
from litestar import get, put
from litestar.di import NamedDependency
from litestar.params import JSONBody

from fablab import notices
from fablab.base.database import Database
from fablab.base.errors import Invalid
from fablab.notices.models import Channel, Subject
from fablab.people import post
from fablab.people.access import SignedIn
from fablab.people.post import Choices
from web.security import Access
from web.words import Words


class NoticeOut(msgspec.Struct, frozen=True, kw_only=True):
    """`text` is in the caller's language; `seen_at` null: not looked at yet."""

    id: int
    code: str
    text: str
    claim_id: str | None
    made_at: datetime
    seen_at: datetime | None


class QuietIn(msgspec.Struct, frozen=True, kw_only=True):
    """Minutes of the house's local day; from > until goes over midnight."""

    from_min: int
    until_min: int


class ChoicesIn(msgspec.Struct, frozen=True, kw_only=True):
    """`channels`: by subject page, at_once, daily or none; what is not named stays. `quiet` null: no quiet hours."""

    channels: dict[str, str] = {}
    quiet: QuietIn | None = None


class ChoicesOut(msgspec.Struct, frozen=True, kw_only=True):
    channels: Mapping[str, str]
    quiet: QuietIn | None


@get("/notices", access=Access.SIGNED_IN, sync_to_thread=True, tags=["people"])
def list_notices(
    database: NamedDependency[Database], signed_in: NamedDependency[SignedIn], words: NamedDependency[Words]
) -> list[NoticeOut]:
    """The latest fifty, newest first."""
    with database.read(signed_in.actor) as uow:
        rows = notices.latest(uow, signed_in.member_id)
    return [
        NoticeOut(
            id=row.id,
            code=row.code,
            text=words.notice(row.code, row.facts),
            claim_id=row.claim_id,
            made_at=row.made_at,
            seen_at=row.seen_at,
        )
        for row in rows
    ]


@get("/notices/choices", access=Access.SIGNED_IN, sync_to_thread=True, tags=["people"])
def read_choices(database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]) -> ChoicesOut:
    with database.read(signed_in.actor) as uow:
        return _out(post.choices(uow, signed_in.member_id))


@put("/notices/choices", access=Access.IN_PERSON, sync_to_thread=True, tags=["people"])
def change_choices(
    data: JSONBody[ChoicesIn], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> ChoicesOut:
    """Letters about safety and security stay `at_once`."""
    channels = {_subject(name): _channel(value) for name, value in data.channels.items()}
    quiet = (data.quiet.from_min, data.quiet.until_min) if data.quiet is not None else None
    member_id = signed_in.member_id
    found = database.write(lambda uow: post.choose(uow, member_id, channels, quiet), signed_in.actor)
    return _out(found)


def _subject(said: str) -> Subject:
    try:
        return Subject(said)
    except ValueError:
        raise Invalid("choice.subject", field="channels", subject=said[:40]) from None


def _channel(said: str) -> Channel:
    try:
        return Channel(said)
    except ValueError:
        raise Invalid("choice.channel", field="channels") from None


def _out(found: Choices) -> ChoicesOut:
    quiet = found.quiet
    return ChoicesOut(
        channels={subject.value: channel.value for subject, channel in found.channels.items()},
        quiet=QuietIn(from_min=quiet[0], until_min=quiet[1]) if quiet is not None else None,
    )


ROUTES = (list_notices, read_choices, change_choices)
