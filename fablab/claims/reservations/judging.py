"""The lab's rules asked about a reservation, and what the policies of its resources say of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, NotFound, Refusal
from fablab.claims.rules import Act, Asked, Policy, check, waive
from fablab.claims.rules.facts import NOBODY, context, visitor_context
from fablab.claims.rules.policies import resolve
from fablab.claims.rules.policies import rows as policy_rows
from fablab.people.models import Audience, Member
from fablab.places.models import Resource

NO_SHOW_AFTER = timedelta(minutes=15)

#: What is said of a beginning; one that stays as it is has been judged already.
_OF_THE_START = frozenset({"time.past", "time.too_soon"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the strictest of its resources says. `asks`: staff are to approve; `grace`: how long its place waits for
    somebody to come; `cancel`: how long before its start it can be cancelled and nothing be noted."""

    asks: bool = False
    grace: timedelta = NO_SHOW_AFTER
    cancel: timedelta = timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Every refusal at once, and the terms on which it can be had."""

    refusals: tuple[Refusal, ...]
    terms: Terms


def judge(
    uow: UnitOfWork,
    member_id: int,
    resource_ids: Collection[int],
    start_at: datetime,
    end_at: datetime,
    alone_from: datetime | None,
    claim_id: str | None = None,
    *,
    start_stays: bool = False,
) -> Judged:
    """`claim_id`: one that is there already and never stands in its own way; `start_stays`: it begins when it did."""
    asked = Asked(
        act=Act.RESERVE,
        member_id=member_id,
        resource_ids=tuple(resource_ids),
        # Who stands at the machine says "from now", and is not told off for the minute that the form took.
        start_at=start_at if start_stays else max(start_at, min(uow.now, end_at - timedelta(seconds=1))),
        end_at=end_at,
        alone_from=alone_from,
        claim_id=claim_id,
    )
    known = context(uow, asked)
    found = check(asked, known)
    if start_stays:
        found = tuple(each for each in found if each.code not in _OF_THE_START)
    return Judged(refusals=found, terms=_strictest(where.policy for where in known.where))


def judge_visitor(
    uow: UnitOfWork,
    audience: Audience,
    resource_ids: Collection[int],
    start_at: datetime,
    end_at: datetime,
) -> tuple[Refusal, ...]:
    """The same rules and policies for somebody without an account, who says what audience they belong to. That staff
    are to approve is no question: they always are."""
    asked = Asked(
        act=Act.RESERVE,
        member_id=NOBODY,
        resource_ids=tuple(resource_ids),
        start_at=start_at,
        end_at=end_at,
    )
    return check(asked, visitor_context(uow, asked, audience))


def terms(uow: UnitOfWork, member_id: int, resource_ids: Collection[int]) -> Terms:
    audience = uow.session.scalar(select(Member.audience).where(Member.id == member_id))
    if audience is None:
        raise NotFound("member.unknown")
    return terms_for(uow, audience, resource_ids)


def terms_for(uow: UnitOfWork, audience: Audience, resource_ids: Collection[int]) -> Terms:
    known = policy_rows(uow)
    kinds = select(Resource.id, Resource.kind, Resource.technology).where(Resource.id.in_(resource_ids))
    return _strictest(
        resolve(known, resource_id=id_, kind=kind, technology=technology, audience=audience)
        for id_, kind, technology in uow.session.execute(kinds)
    )


def _strictest(policies: Iterable[Policy]) -> Terms:
    found = list(policies)
    return Terms(
        asks=any(policy.approval for policy in found),
        grace=timedelta(seconds=min((policy.grace_s for policy in found), default=NO_SHOW_AFTER.seconds)),
        cancel=timedelta(seconds=max((policy.cancel_s for policy in found), default=0)),
    )


def let_pass(uow: UnitOfWork, claim_id: str, member_id: int, refusals: Iterable[Refusal], why: str) -> None:
    """Each written down with who lets it pass and why; of a rule of safety that is the first or the second signature."""
    for code in dict.fromkeys(each.code for each in refusals if each.waivable):
        try:
            waive(uow, code, member_id=member_id, why=why, claim_id=claim_id)
        except Conflict as error:
            if error.code != "waiver.given":
                raise  # theirs was given before: what is missing is somebody else's
