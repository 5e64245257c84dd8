"""Who has to have a second factor, and from when: whoever works the machines, where the house says so.

A member's time begins when the rule first meets them: when it is made, when they next sign in, when their role has
changed. The row in `factors_due` says until when, and goes with the rule, and when they have a factor.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select

from fablab.base.database import UnitOfWork
from fablab.base.errors import Invalid
from fablab.notices import tell
from fablab.people.access.models import Factor, FactorDue, SigningRules
from fablab.people.access.rights import RIGHTS, Right, require
from fablab.people.models import Member, Role

USUAL_GRACE_DAYS = 14
MOST_GRACE_DAYS = 90
#: Whoever may start a machine from afar.
ROLES = frozenset(role for role in Role if Right.OPERATE in RIGHTS[role])


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    staff_factor: bool = False
    grace_days: int = USUAL_GRACE_DAYS


def rules(uow: UnitOfWork) -> Rules:
    row = uow.session.get(SigningRules, 1)
    return Rules() if row is None else Rules(staff_factor=row.staff_factor, grace_days=row.grace_days)


def set_rules(uow: UnitOfWork, wanted: Rules) -> None:
    """Whoever works the machines and has no factor is told, and has the days of grace from now on.

    Raises `Invalid` factor.grace. A changed number of days is for those whom the rule meets from now on.
    """
    require(uow.actor, Right.MANAGE)
    if not 0 <= wanted.grace_days <= MOST_GRACE_DAYS:
        raise Invalid("factor.grace", field="grace_days", most=MOST_GRACE_DAYS)
    row = uow.session.get(SigningRules, 1)
    if row is None:
        row = SigningRules(id=1, staff_factor=False, grace_days=0, set_at=uow.now)
        uow.session.add(row)
    row.staff_factor, row.grace_days, row.set_at = wanted.staff_factor, wanted.grace_days, uow.now
    uow.session.flush()
    if not wanted.staff_factor:
        uow.session.execute(delete(FactorDue))
        return
    for member in uow.session.scalars(select(Member).where(Member.role.in_(ROLES), Member.active)):
        meet(uow, member)


def meet(uow: UnitOfWork, member: Member) -> None:
    """Their time begins, if the rule is for them and has not met them before."""
    if member.role not in ROLES or uow.session.get(FactorDue, member.id) is not None:
        return
    rule = rules(uow)
    if not rule.staff_factor or _has_factor(uow, member.id):
        return
    due_at = uow.now + timedelta(days=rule.grace_days)
    uow.session.add(FactorDue(member_id=member.id, due_at=due_at))
    uow.session.flush()
    tell(uow, member.id, "security.factor_wanted", until=due_at.isoformat(), path="/security")


def due_at(uow: UnitOfWork, member: Member) -> datetime | None:
    """From when they do nothing in the house without a factor; None where nobody asks it of them. One look-up."""
    if member.role not in ROLES:
        return None
    row = uow.session.get(FactorDue, member.id)
    return row.due_at if row is not None else None


def settled(uow: UnitOfWork, member_id: int) -> None:
    """They have one now."""
    uow.session.execute(delete(FactorDue).where(FactorDue.member_id == member_id))


def removed(uow: UnitOfWork, member: Member) -> None:
    """They have one no more: their days of grace are used up."""
    if member.role in ROLES and rules(uow).staff_factor:
        uow.session.merge(FactorDue(member_id=member.id, due_at=uow.now))
        uow.session.flush()


def _has_factor(uow: UnitOfWork, member_id: int) -> bool:
    query = select(Factor.id).where(Factor.member_id == member_id, Factor.confirmed_at.is_not(None))
    return uow.session.scalar(query) is not None
