"""To tell somebody: a notice for their page and, as they have chosen, a letter, both in the transaction of the cause."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from sqlalchemy import Table, delete, insert, select, update

from fablab.base.database import UnitOfWork
from fablab.base.errors import Fact, Invalid
from fablab.notices.models import ALWAYS_SENT, USUAL, Channel, Choice, Letter, LetterState, Notice, Subject

#: What a code is about, by how it begins; the longest beginning counts.
SUBJECTS: dict[str, Subject] = {
    "job.": Subject.JOBS,
    "job.moved": Subject.PLAN,
    "job.placed": Subject.PLAN,
    "reservation.": Subject.RESERVATIONS,
    "slot.": Subject.RESERVATIONS,
    "hire.": Subject.RESERVATIONS,
    "series.": Subject.RESERVATIONS,
    "session.": Subject.RESERVATIONS,
    "request.": Subject.RESERVATIONS,
    "waiting.": Subject.WAITING,
    "agenda.": Subject.RESERVATIONS,
    "training.": Subject.TRAININGS,
    "trainings.": Subject.TRAININGS,
    "certification.": Subject.TRAININGS,
    "rules.": Subject.TRAININGS,
    "hook.": Subject.HOUSE,
    "letter.": Subject.HOUSE,
    "safety.": Subject.SAFETY,
    "incident.": Subject.SAFETY,
    "security.": Subject.SECURITY,
    "signup.": Subject.SECURITY,
    "invitation.": Subject.SECURITY,
    "password.": Subject.SECURITY,
    "login.": Subject.SECURITY,
    "factor.": Subject.SECURITY,
    "token.": Subject.SECURITY,
}
_BY_LENGTH = sorted(SUBJECTS, key=len, reverse=True)

_NOTICES = cast("Table", Notice.__table__)
_WRITE_NOTICES = insert(_NOTICES).returning(_NOTICES.c.id, sort_by_parameter_order=True)

#: States in which a letter has not left the house.
UNSENT = (LetterState.WAITING, LetterState.HELD, LetterState.FAILED)


def subject_of(code: str) -> Subject:
    """Whatever belongs to nothing else is about the member's account."""
    return next((SUBJECTS[start] for start in _BY_LENGTH if code.startswith(start)), Subject.ACCOUNT)


def tell(
    uow: UnitOfWork, member_id: int | None, code: str, *, claim_id: str | None = None, **facts: Fact
) -> None:
    """Write the notice and, by the member's choices, a letter; nobody to tell (an outage has no owner) is no error.

    The fact `path` is a page of this house that the letter leads to; `secret_path` is one that lets in whoever has
    it, and is dropped from the outbox once the letter is sent.
    """
    if member_id is None:
        return
    subject = subject_of(code)
    channel = channel_of(uow, member_id, subject)
    if channel is Channel.NONE:
        return
    # What lets somebody in is for the letter alone: a notice is kept, and shown again.
    shown = {name: value for name, value in facts.items() if name != "secret_path"}
    notice = Notice(member_id=member_id, code=code, facts=shown, claim_id=claim_id, made_at=uow.now)
    uow.session.add(notice)
    uow.raise_event("member", member_id, "notice")
    if channel is Channel.PAGE:
        return
    uow.session.add(_letter(uow, code, facts, channel, notice=notice, member_id=member_id, claim_id=claim_id))
    uow.raise_event("outbox", "house", "waiting")


def tell_many(uow: UnitOfWork, code: str, told: Sequence[tuple[int, str, dict[str, Fact]]]) -> None:
    """`tell` for many at once: member id, claim id and facts of each, which name no secret. As few statements for all of
    them as for one."""
    subject = subject_of(code)
    ids = [member_id for member_id, _, _ in told]
    query = select(Choice.member_id, Choice.channel).where(
        Choice.member_id.in_(ids), Choice.subject == subject
    )
    chosen: dict[int, Channel] = {}
    if subject not in ALWAYS_SENT:
        chosen.update(row._tuple() for row in uow.session.execute(query))
    usual = Channel.AT_ONCE if subject in ALWAYS_SENT else USUAL[subject]
    shown = [each for each in told if chosen.get(each[0], usual) is not Channel.NONE]
    if not shown:
        return
    rows = [
        {"member_id": id_, "code": code, "facts": facts, "claim_id": claim_id, "made_at": uow.now}
        for id_, claim_id, facts in shown
    ]
    written = list(uow.session.connection().scalars(_WRITE_NOTICES, rows))
    letters = [
        {
            **row,
            "notice_id": notice_id,
            "subject": subject,
            "channel": chosen.get(id_, usual),
            "state": LetterState.WAITING,
            "due_at": uow.now,
        }
        for (id_, _, _), row, notice_id in zip(shown, rows, written, strict=True)
        if chosen.get(id_, usual) is not Channel.PAGE
    ]
    if letters:
        uow.write_rows(Letter, letters)
        uow.raise_event("outbox", "house", "waiting")
    for id_, _, _ in shown:
        uow.raise_event("member", id_, "notice")


def write(
    uow: UnitOfWork, address: str, language: str, code: str, *, claim_id: str | None = None, **facts: Fact
) -> None:
    """A letter to an address that is no member's yet (a sign-up, an invitation), in this language. Facts as for `tell`;
    `claim_id`: what it brings for the reader's calendar.

    Raises `Invalid("letter.address")` for what cannot stand in a letter's head.
    """
    address = address.strip()
    if not 3 <= len(address) <= 254 or "@" not in address or not address.isprintable() or " " in address:
        raise Invalid("letter.address", field="email")
    uow.session.add(
        _letter(uow, code, facts, Channel.AT_ONCE, address=address, language=language, claim_id=claim_id)
    )
    uow.raise_event("outbox", "house", "waiting")


def _letter(
    uow: UnitOfWork,
    code: str,
    facts: dict[str, Fact],
    channel: Channel,
    *,
    notice: Notice | None = None,
    member_id: int | None = None,
    claim_id: str | None = None,
    address: str | None = None,
    language: str | None = None,
) -> Letter:
    return Letter(
        notice=notice,
        member_id=member_id,
        address=address,
        language=language,
        code=code,
        facts=dict(facts),
        claim_id=claim_id,
        subject=subject_of(code),
        channel=channel,
        state=LetterState.WAITING,
        made_at=uow.now,
        due_at=uow.now,
    )


def channel_of(uow: UnitOfWork, member_id: int, subject: Subject) -> Channel:
    if subject in ALWAYS_SENT:
        return Channel.AT_ONCE
    query = select(Choice.channel).where(Choice.member_id == member_id, Choice.subject == subject)
    return uow.session.scalar(query) or USUAL[subject]


def take_back(uow: UnitOfWork, member_id: int | None, code: str, claim_id: str) -> dict[str, object] | None:
    """The facts of a notice of this that its member has not looked at yet; it is gone. None where there is none.

    Whoever amends one takes it back and tells anew: a row that is changed while somebody marks it as seen would never
    be heard of. A letter of it that has not left the house is gone too.
    """
    query = select(Notice).where(
        Notice.member_id == member_id,
        Notice.code == code,
        Notice.claim_id == claim_id,
        Notice.seen_at.is_(None),
    )
    row = uow.session.scalars(query.order_by(Notice.id)).first()
    if row is None:
        return None
    uow.session.execute(delete(Letter).where(Letter.notice_id == row.id, Letter.state.in_(UNSENT)))
    uow.session.execute(update(Letter).where(Letter.notice_id == row.id).values(notice_id=None))
    uow.session.delete(row)
    return row.facts


def told_since(uow: UnitOfWork, code: str, since: datetime) -> list[int]:
    """The ids of the members who were told this, once for each time."""
    return list(
        uow.session.scalars(select(Notice.member_id).where(Notice.code == code, Notice.made_at >= since))
    )


def unseen(uow: UnitOfWork, member_id: int, *, limit: int = 20) -> list[Notice]:
    """Newest first."""
    query = select(Notice).where(Notice.member_id == member_id, Notice.seen_at.is_(None))
    return list(uow.session.scalars(query.order_by(Notice.id.desc()).limit(limit)))


def latest(uow: UnitOfWork, member_id: int, *, limit: int = 50) -> list[Notice]:
    """Seen or not, newest first."""
    query = select(Notice).where(Notice.member_id == member_id)
    return list(uow.session.scalars(query.order_by(Notice.id.desc()).limit(limit)))


def seen(uow: UnitOfWork, member_id: int, upto_id: int) -> None:
    uow.session.execute(
        update(Notice)
        .where(Notice.member_id == member_id, Notice.id <= upto_id, Notice.seen_at.is_(None))
        .values(seen_at=uow.now)
    )
