"""Where somebody could be in person: of each resource the hours that are free, and the planned jobs that would give way.

What a hand is shown while it drags; `Reserving.forecast` of one place has the last word, with every rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fablab.base.database import UnitOfWork
from fablab.base.errors import Invalid
from fablab.base.intervals import Interval, Intervals, merge, subtract
from fablab.claims import calendar
from fablab.claims.models import Allocation, AllocationState, ClaimKind
from fablab.claims.rules import policies
from fablab.claims.rules.models import Presence
from fablab.people.access import Right, allows
from fablab.places import house
from fablab.places.models import Resource

MOST = timedelta(days=32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Soft:
    """A planned job that would go elsewhere. Whose it is, is asked of whoever looks."""

    claim_id: str
    member_id: int | None
    title: str
    span: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """`free`: a use may lie anywhere in one of these; the jobs in `soft` that it touches then move."""

    resource_id: int
    name: str
    free: Intervals
    soft: tuple[Soft, ...]


def rooms(
    uow: UnitOfWork, resources: Sequence[Resource], since: datetime, until: datetime, *, but: str = ""
) -> tuple[Room, ...]:
    """In [max(now, since), until), a month at most. `but`: a claim that is in nobody's way.

    Raises `Invalid` span.wrong, span.too_long.
    """
    since = max(since, uow.now.replace(second=0, microsecond=0))
    if until - since > MOST:
        raise Invalid("span.too_long", field="to", days=MOST.days)
    if until <= since:
        return tuple(Room(resource_id=row.id, name=row.name, free=(), soft=()) for row in resources)
    window = Interval(since, until)
    usable = hours(uow, resources, window)
    held: dict[int, list[Allocation]] = {}
    for row in calendar.between(uow, since, until, [each.id for each in resources]):
        if row.claim_id != but:
            held.setdefault(row.resource_id, []).append(row)
    found = []
    for each in resources:
        rows = held.get(each.id, ())
        taken = merge(Interval(row.start_at, row.end_at) for row in rows if not gives_way(row))
        found.append(
            Room(
                resource_id=each.id,
                name=each.name,
                free=subtract(usable[each.id], taken),
                soft=tuple(_soft(row) for row in rows if gives_way(row)),
            )
        )
    return tuple(found)


def hours(uow: UnitOfWork, resources: Sequence[Resource], window: Interval) -> dict[int, Intervals]:
    """When each may be used: at any hour, while the house is open, or while somebody is there, as its policy says.
    Whoever answers for the machines is bound by no hours."""
    if allows(uow.actor, Right.OPERATE):
        return {row.id: (window,) for row in resources}
    known, calendars = policies.rows(uow), house.calendars(uow)
    found: dict[int, Intervals] = {}
    for row in resources:
        presence = policies.policy_for(uow, row, known=known).presence
        usual = calendars.get(row.id, calendars[None])
        if presence is Presence.ANYTIME:
            found[row.id] = (window,)
        else:
            kept = usual.staffed if presence is Presence.STAFFED else usual.open
            found[row.id] = kept.between(window.start, window.end)
    return found


def gives_way(row: Allocation) -> bool:
    """What the plan may still move."""
    return row.state is AllocationState.TENTATIVE and row.run_id is None and row.claim.kind is ClaimKind.JOB


def _soft(row: Allocation) -> Soft:
    claim = row.claim
    span = Interval(row.start_at, row.end_at)
    return Soft(claim_id=row.claim_id, member_id=claim.member_id, title=claim.title, span=span)
