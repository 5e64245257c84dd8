"""The rules asked about the lab as it is now: before a reservation, before a start, before a form is shown."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from fablab.base.database import UnitOfWork
from fablab.base.errors import NotFound, Refusal
from fablab.base.intervals import Interval, merge, subtract
from fablab.claims.models import Allocation, Claim, ClaimKind
from fablab.claims.rules.asking import Act, Asked
from fablab.claims.rules.check import check
from fablab.claims.rules.facts import context
from fablab.claims.rules.known import known
from fablab.people import standing as people

BRIEFLY = timedelta(minutes=1)


def judge(uow: UnitOfWork, asked: Asked) -> tuple[Refusal, ...]:
    """`check` over what is so now; everything at once. Raises only for what does not exist and for no time at all."""
    return check(asked, context(uow, asked))


def may_start(
    uow: UnitOfWork,
    resource_id: int,
    member_id: int,
    *,
    at: datetime | None = None,
    claim_id: str | None = None,
) -> tuple[Refusal, ...]:
    """The start gate: whether this member may set this resource going at `at` (now). Every door asks here, and gets the
    same answer.

    `member_id` is whoever stands at the machine. `claim_id`: the job or reservation that is to run, which tells how
    long, with what, and whether somebody stays beside it; without one, a use in person that begins now.
    """
    start = at or uow.now
    return judge(uow, starting(uow, resource_id, member_id, start, claim_id))


def gate(
    uow: UnitOfWork, resource_id: int, member_id: int | None = None, *, claim_id: str | None = None
) -> tuple[Refusal, ...]:
    """`may_start`, for whoever may ask: of themselves, a child they answer for, and the staff of anybody."""
    return may_start(uow, resource_id, whom(uow, member_id), claim_id=claim_id)


def whom(uow: UnitOfWork, member_id: int | None) -> int:
    """The member it is about; None: whoever asks. Others are nobody's business but the staff's and their parents'."""
    found = member_id if member_id is not None else uow.actor.member_id
    if found is None:
        raise NotFound("member.unknown")
    return people.seen_by(uow, found).id


def starting(
    uow: UnitOfWork, resource_id: int, member_id: int, start: datetime, claim_id: str | None
) -> Asked:
    """What a start asks for. A job nobody has to watch is alone from when the last of the staff goes."""
    if claim_id is None:
        return Asked(
            act=Act.START,
            member_id=member_id,
            resource_ids=(resource_id,),
            start_at=start,
            end_at=start + BRIEFLY,
        )
    row = uow.session.get(Claim, claim_id)
    if row is None:
        raise NotFound("claim.unknown", id=claim_id)
    end = max(_end(row, resource_id, start), start + BRIEFLY)
    return Asked(
        act=Act.START,
        member_id=member_id,
        resource_ids=(resource_id,),
        start_at=start,
        end_at=end,
        alone_from=None if row.attended else _alone_from(uow, resource_id, start, end),
        materials=_materials(row),
        claim_id=claim_id,
    )


def _materials(row: Claim) -> tuple[int, ...] | None:
    """A job says what it is made of, be it nothing that the lab stocks; a reservation does not say."""
    if row.material_id is not None:
        return (row.material_id,)
    return () if row.kind is ClaimKind.JOB else None


def _end(row: Claim, resource_id: int, start: datetime) -> datetime:
    planned = [a for a in row.allocations if a.resource_id == resource_id and a.end_at > start]
    return min((_planned(a, start) for a in planned), default=start + timedelta(seconds=row.estimate_s))


def _planned(allocation: Allocation, start: datetime) -> datetime:
    """A run takes as long as was planned for it, whenever it begins; a place taken in person ends when it ends."""
    if allocation.claim.kind is ClaimKind.JOB:
        return start + (allocation.run_end_at - allocation.run_start_at)
    return allocation.end_at


def _alone_from(uow: UnitOfWork, resource_id: int, start: datetime, end: datetime) -> datetime | None:
    _open, staffed = known(uow).hours(resource_id, start, end)
    left = subtract((Interval(start, end),), merge(staffed))
    return left[0].start if left else None


def explain_choices(uow: UnitOfWork, asked: Asked) -> dict[int, tuple[Refusal, ...]]:
    """Of each of the resources, what would stand against asking for it alone: a page greys it out and says why.

    One look at the facts however many there are. Nothing in a resource's place: it may be chosen.
    """
    facts = context(uow, asked)
    return {
        where.resource_id: check(
            replace(asked, resource_ids=(where.resource_id,)), replace(facts, where=(where,))
        )
        for where in facts.where
    }
