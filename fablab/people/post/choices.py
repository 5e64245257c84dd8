"""How a member wants to hear of what: by subject and channel, and the hours in which no letter shall arrive."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.base.errors import Invalid, NotFound
from fablab.notices.models import ALWAYS_SENT, USUAL, Channel, Choice, Letter, QuietHours, Subject
from fablab.notices.quiet import DAY_MIN
from fablab.people.access import Right, require
from fablab.people.models import Member


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """`quiet`: (from, until) in minutes of the house's local day, None for no quiet hours."""

    channels: Mapping[Subject, Channel]
    quiet: tuple[int, int] | None


def choices(uow: UnitOfWork, member_id: int) -> Choices:
    """One's own; anybody's for whoever manages members."""
    _may(uow, member_id)
    rows = uow.session.scalars(select(Choice).where(Choice.member_id == member_id))
    quiet = uow.session.get(QuietHours, member_id)
    return Choices(
        channels={**USUAL, **{row.subject: row.channel for row in rows}, **_always()},
        quiet=(quiet.from_min, quiet.until_min) if quiet is not None else None,
    )


def choose(
    uow: UnitOfWork,
    member_id: int,
    channels: Mapping[Subject, Channel],
    quiet: tuple[int, int] | None,
) -> Choices:
    """Subjects that are not named stay as they are. Raises `Invalid` for what cannot be switched off, and for hours
    that are none."""
    _may(uow, member_id)
    if uow.session.get(Member, member_id) is None:
        raise NotFound("member.unknown")
    for subject, channel in channels.items():
        if subject in ALWAYS_SENT:
            if channel is not Channel.AT_ONCE:
                raise Invalid("choice.always", field=subject.value)
            continue
        _set(uow, member_id, subject, channel)
    _set_quiet(uow, member_id, quiet)
    uow.session.flush()
    return choices(uow, member_id)


def letter_behind(uow: UnitOfWork, secret: str) -> Letter:
    """The letter whose reader followed its link. Raises `NotFound` for a secret that is none, or too old."""
    digest = hashlib.sha256(secret.encode()).hexdigest()
    row = uow.session.scalar(select(Letter).where(Letter.off_hash == digest))
    if row is None or row.member_id is None or row.subject in ALWAYS_SENT:
        raise NotFound("letter.link_unknown")
    return row


def switch_off(uow: UnitOfWork, secret: str) -> Subject:
    """No more letters about what that letter was about; its page goes on saying it. The secret is leave enough."""
    row = letter_behind(uow, secret)
    assert row.member_id is not None
    _set(uow, row.member_id, row.subject, Channel.PAGE)
    return row.subject


def _set(uow: UnitOfWork, member_id: int, subject: Subject, channel: Channel) -> None:
    row = uow.session.get(Choice, (member_id, subject))
    if row is None:
        uow.session.add(Choice(member_id=member_id, subject=subject, channel=channel))
    else:
        row.channel = channel


def _set_quiet(uow: UnitOfWork, member_id: int, quiet: tuple[int, int] | None) -> None:
    row = uow.session.get(QuietHours, member_id)
    if quiet is None:
        if row is not None:
            uow.session.delete(row)
        return
    begins, ends = quiet
    if not (0 <= begins < DAY_MIN and 0 <= ends < DAY_MIN) or begins == ends:
        raise Invalid("choice.quiet", field="quiet")
    if row is None:
        uow.session.add(QuietHours(member_id=member_id, from_min=begins, until_min=ends))
    else:
        row.from_min, row.until_min = begins, ends


def _always() -> dict[Subject, Channel]:
    return dict.fromkeys(ALWAYS_SENT, Channel.AT_ONCE)


def _may(uow: UnitOfWork, member_id: int) -> None:
    if uow.actor.member_id != member_id:
        require(uow.actor, Right.MANAGE)
