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
from fablab.claims.rules import policies
from fablab.claims.rules.models import Presence
from fablab.people.access import Right, allows
from fablab.places import house
from fablab.places.models import Resource
from scheduler.reserving.look import Held, around, on

MOST = timedelta(days=32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """`free`: a use may lie anywhere in one of these; the planned jobs in `soft` that it touches then move. `hours`: when
    it may be used at all; `hard`: what is held for good. All of it clipped to what was asked about."""

    resource_id: int
    name: str
    hours: Intervals
    free: Intervals
    hard: tuple[Held, ...]
    soft: tuple[Held, ...]


def rooms(
    uow: UnitOfWork,
    resources: Sequence[Resource],
    since: datetime,
    until: datetime,
    *,
    but: str | None = None,
) -> tuple[Room, ...]:
    """In [max(now, since), until), a month at most. `but`: a claim that is in nobody's way.

    Raises `Invalid` span.too_long.
    """
    since = max(since, uow.now.replace(second=0, microsecond=0))
    if until - since > MOST:
        raise Invalid("span.too_long", field="to", days=MOST.days)
    if until <= since:
        return tuple(
            Room(resource_id=row.id, name=row.name, hours=(), free=(), hard=(), soft=()) for row in resources
        )
    usable = hours(uow, resources, Interval(since, until))
    held: dict[int, list[Held]] = {row.id: [] for row in resources}
    wider = around(resources)
    for each in on(uow, held, since, until, without=but, around=wider):
        held[each.resource_id].append(each)
    found = []
    for row in resources:
        hard = tuple(each for each in held[row.id] if not each.soft)
        before, after = wider.get(row.id, (timedelta(), timedelta()))
        taken = merge(Interval(each.start_at - after, each.end_at + before) for each in hard)
        found.append(
            Room(
                resource_id=row.id,
                name=row.name,
                hours=usable[row.id],
                free=subtract(usable[row.id], taken),
                hard=hard,
                soft=tuple(each for each in held[row.id] if each.soft),
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
