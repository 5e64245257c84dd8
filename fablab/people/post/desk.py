"""The outbox as staff see it: what waits, what failed and why; to send again, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from fablab.base.database import UnitOfWork
from fablab.base.errors import NotFound
from fablab.base.states import step
from fablab.notices import outbox
from fablab.notices.models import LETTER_STEPS, Letter, LetterState
from fablab.people import log
from fablab.people.access import Right, allows, require
from fablab.people.models import Member
from fablab.people.post.letters import Reader, reader_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A letter and whom it is for. `reader` None: nobody can be written to; `name` is known even then."""

    letter: Letter
    reader: Reader | None
    name: str
    has_secret: bool


def items(
    uow: UnitOfWork, states: Sequence[LetterState] = (), *, before: int | None = None, limit: int = 50
) -> list[Item]:
    """Newest first."""
    require(uow.actor, Right.SEE_ALL)
    rows = outbox.latest(uow, states, before=before, limit=limit)
    # One query for all the names; the readers then come from the session.
    ids = {row.member_id for row in rows if row.member_id is not None}
    known = {m.id: m.name for m in uow.session.scalars(select(Member).where(Member.id.in_(ids)))}
    return [_item(uow, row, known.get(row.member_id or 0, "")) for row in rows]


def counts(uow: UnitOfWork) -> dict[LetterState, int]:
    require(uow.actor, Right.SEE_ALL)
    query = select(Letter.state, func.count()).group_by(Letter.state)
    return {row[0]: row[1] for row in uow.session.execute(query)}


def read(uow: UnitOfWork, letter_id: int) -> Item:
    """One letter, to be read. What lets somebody in stays in it for those who manage members alone, and is logged."""
    require(uow.actor, Right.SEE_ALL)
    row = _letter(uow, letter_id)
    member = uow.session.get(Member, row.member_id) if row.member_id is not None else None
    return _item(uow, row, member.name if member is not None else "")


def may_see_secrets(uow: UnitOfWork) -> bool:
    return allows(uow.actor, Right.MANAGE)


def read_with_secret(uow: UnitOfWork, letter_id: int) -> Item:
    """As `read`, for the lab without a mail server, where somebody has to hand the letter over; it is written down."""
    require(uow.actor, Right.MANAGE)
    item = read(uow, letter_id)
    if item.has_secret:
        log.record(
            uow,
            "letter.read",
            for_member_id=item.letter.member_id,
            about=f"letter {letter_id}",
            letter=item.letter.code,
        )
    return item


def resend(uow: UnitOfWork, letter_id: int) -> Letter:
    """Once more from the beginning. Raises `BadStep` while it is under way, or waits anyway."""
    require(uow.actor, Right.SEE_ALL)
    row = _letter(uow, letter_id)
    row.state = step(LETTER_STEPS, row.state, "resend")
    # As if it were written now: news that old is not sent again by itself, but it is when somebody asks for it.
    row.made_at, row.due_at, row.tries, row.sent_at = uow.now, uow.now, 0, None
    row.reason = row.said = None
    log.record(
        uow, "letter.resent", for_member_id=row.member_id, about=f"letter {letter_id}", letter=row.code
    )
    uow.raise_event("outbox", "house", "waiting")
    return row


def cancel(uow: UnitOfWork, letter_id: int) -> Letter:
    """It is not sent. Raises `BadStep` once it has left."""
    require(uow.actor, Right.SEE_ALL)
    row = _letter(uow, letter_id)
    row.state = step(LETTER_STEPS, row.state, "cancel")
    log.record(
        uow, "letter.cancelled", for_member_id=row.member_id, about=f"letter {letter_id}", letter=row.code
    )
    return row


def _letter(uow: UnitOfWork, letter_id: int) -> Letter:
    row = uow.session.get(Letter, letter_id, with_for_update=True)
    if row is None:
        raise NotFound("letter.unknown")
    return row


def _item(uow: UnitOfWork, row: Letter, name: str) -> Item:
    reader = reader_of(uow, row)
    has_secret = any(fact in row.facts for fact in outbox.SECRET_FACTS)
    return Item(letter=row, reader=reader, name=name or (row.address or ""), has_secret=has_secret)
