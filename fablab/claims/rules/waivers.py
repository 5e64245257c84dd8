"""What was let pass: by whom, why, and by which two people where somebody could be hurt."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, Forbidden, Invalid, NotFound, Refusal
from fablab.claims.rules.check import RULES, Pass, needs_two
from fablab.claims.rules.models import Waiver
from fablab.people import log
from fablab.people.access import Right, require

MOST_WHY = 300


def waive(
    uow: UnitOfWork,
    code: str,
    *,
    member_id: int,
    why: str,
    claim_id: str | None = None,
    resource_id: int | None = None,
    until_at: datetime | None = None,
) -> Waiver:
    """Let one refusal pass for a claim, or for a member until `until_at`; on one resource, or on all it asks for.

    Of a rule of safety the first to say so only asks for a second: the same said by somebody else, here or by `second`.
    Raises `Invalid` waiver.unknown, .never, .why, .until; `Forbidden` waiver.own; `Conflict` waiver.given.
    """
    require(uow.actor, Right.OPERATE)
    rule = RULES.get(code)
    if rule is None:
        raise Invalid("waiver.unknown", field="code", code=code[:60])
    if rule.passes is Pass.NEVER:
        raise Invalid("waiver.never", field="code", reason=code)
    reason = " ".join(why.split())
    if not 3 <= len(reason) <= MOST_WHY:
        raise Invalid("waiver.why", field="why", most=MOST_WHY)
    if claim_id is None and (until_at is None or until_at <= uow.now):
        raise Invalid("waiver.until", field="until_at")
    by_id = _not_oneself(uow, member_id)
    for known in _standing(uow, code, member_id, claim_id, resource_id):
        if is_complete(known) or known.by_id == by_id:
            raise Conflict("waiver.given")
        return second(uow, known.id)
    row = Waiver(
        code=code,
        claim_id=claim_id,
        member_id=member_id,
        resource_id=resource_id,
        why=reason,
        by_id=by_id,
        at=uow.now,
        until_at=until_at,
    )
    uow.session.add(row)
    uow.session.flush()
    log.record(uow, "waiver.given", for_member_id=member_id, about=_about(row), reason=code, why=reason)
    uow.raise_event("waiver", row.id, "given")
    return row


def accept(uow: UnitOfWork, refusals: Sequence[Refusal], *, member_id: int, claim_id: str, why: str) -> None:
    """All that staff let pass of a claim they looked at, in one go: of the rules, and of what a file asks for."""
    for code in dict.fromkeys(
        refusal.code for refusal in refusals
    ):  # of several machines it is said several times
        if code in RULES:
            waive(uow, code, member_id=member_id, why=why, claim_id=claim_id)
            continue
        by_id = uow.actor.member_id
        if by_id is not None:
            row = Waiver(code=code, claim_id=claim_id, member_id=member_id, by_id=by_id, at=uow.now)
            row.why = " ".join(why.split())[:MOST_WHY]
            uow.session.add(row)


def second(uow: UnitOfWork, waiver_id: int) -> Waiver:
    """The second person agrees. Raises `Forbidden` waiver.same_person, waiver.own; `Conflict` waiver.given."""
    require(uow.actor, Right.OPERATE)
    row = uow.session.get(Waiver, waiver_id, with_for_update=True)
    if row is None or row.withdrawn_at is not None:
        raise NotFound("waiver.gone", id=waiver_id)
    if is_complete(row):
        raise Conflict("waiver.given")
    by_id = _not_oneself(uow, row.member_id)
    if row.by_id == by_id:
        raise Forbidden("waiver.same_person")
    row.second_by_id = by_id
    row.second_at = uow.now
    uow.session.flush()
    log.record(uow, "waiver.seconded", for_member_id=row.member_id, about=_about(row), reason=row.code)
    uow.raise_event("waiver", row.id, "given")
    return row


def withdraw(uow: UnitOfWork, waiver_id: int) -> Waiver:
    """From now on it counts no more; that it once did stays written."""
    require(uow.actor, Right.OPERATE)
    row = uow.session.get(Waiver, waiver_id)
    if row is None or row.withdrawn_at is not None:
        raise NotFound("waiver.gone", id=waiver_id)
    row.withdrawn_at = uow.now
    log.record(uow, "waiver.withdrawn", for_member_id=row.member_id, about=_about(row), reason=row.code)
    uow.raise_event("waiver", row.id, "withdrawn")
    return row


def is_complete(row: Waiver) -> bool:
    return row.second_by_id is not None or not needs_two(row.code)


def left(refusals: Sequence[Refusal], codes: Collection[str]) -> tuple[Refusal, ...]:
    """Those that still stand when one of the staff lets `codes` pass: what nobody may, what nobody named, and what takes
    a second person."""
    return tuple(
        refusal
        for refusal in refusals
        if refusal.code not in codes or not refusal.waivable or needs_two(refusal.code)
    )


def of_claim(uow: UnitOfWork, claim_id: str) -> list[Waiver]:
    query = select(Waiver).where(Waiver.claim_id == claim_id, Waiver.withdrawn_at.is_(None))
    return list(uow.session.scalars(query.order_by(Waiver.id)))


def pending(uow: UnitOfWork) -> list[Waiver]:
    """Those that wait for a second person, oldest first."""
    two = [code for code, rule in RULES.items() if rule.passes is Pass.TWO]
    query = select(Waiver).where(
        Waiver.code.in_(two), Waiver.second_by_id.is_(None), Waiver.withdrawn_at.is_(None)
    )
    rows = uow.session.scalars(query.order_by(Waiver.id))
    return [row for row in rows if row.until_at is None or row.until_at > uow.now]


def _standing(
    uow: UnitOfWork, code: str, member_id: int, claim_id: str | None, resource_id: int | None
) -> list[Waiver]:
    query = select(Waiver).where(
        Waiver.code == code,
        Waiver.member_id == member_id,
        Waiver.claim_id == claim_id,
        Waiver.resource_id == resource_id,
        Waiver.withdrawn_at.is_(None),
    )
    rows = uow.session.scalars(query.order_by(Waiver.id))
    return [row for row in rows if row.until_at is None or row.until_at > uow.now]


def _not_oneself(uow: UnitOfWork, member_id: int) -> int:
    """The lab itself lets nothing pass, and nobody lets it pass for themselves."""
    by_id = uow.actor.member_id
    if by_id is None or by_id == member_id:
        raise Forbidden("waiver.own")
    return by_id


def _about(row: Waiver) -> str:
    return f"claim {row.claim_id}" if row.claim_id else f"resource {row.resource_id or '-'}"
