"""How often a person may hear in one day that a promise has moved, when nothing forces it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, time
from zoneinfo import ZoneInfo

from fablab.base.database import UnitOfWork
from fablab.claims.models import Claim, ClaimState
from fablab.notices import told_since
from fablab.places import house
from scheduler.planner.upkeep import MOVED

CHANGES_A_DAY = 2


def heard_today(uow: UnitOfWork) -> Counter[int]:
    """By member: so many notices of a promise that moved, since the house's day began."""
    return Counter(told_since(uow, MOVED, midnight(uow)))


def spent(uow: UnitOfWork, claims: Iterable[Claim], changes_a_day: int = CHANGES_A_DAY) -> frozenset[str]:
    """The claims of those who have heard of enough changes today: their places stay."""
    heard = heard_today(uow)
    return frozenset(
        row.id
        for row in claims
        if row.state is ClaimState.HELD and row.member_id and heard[row.member_id] >= changes_a_day
    )


def midnight(uow: UnitOfWork) -> datetime:
    """When the house's day began."""
    return datetime.combine(house.today(uow), time(), ZoneInfo(house.house(uow).zone))
