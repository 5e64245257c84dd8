"""A machine out of service until somebody expects it back: an outage in the calendar, which jobs may be planned behind."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from fablab.base.database import UnitOfWork
from fablab.base.errors import Invalid
from fablab.base.ids import new_id
from fablab.claims import calendar
from fablab.claims.models import Allocation, AllocationState, Claim, ClaimKind, ClaimState
from fablab.people.access import Right, require
from fablab.places import house
from scheduler.planner.disrupt import mend, places


def take_out(uow: UnitOfWork, resource_id: int, why: str = "", *, until: datetime | None = None) -> int:
    """Nothing starts on the machine any more. Jobs that were planned there before `until` move at once, firm ones too;
    a run goes on to its end, and what is a person's own stays in the calendar.

    None: until somebody says that it is back. If nobody has by then, it is out as long as that again. A new word
    replaces the old one. Returns how many owners were told.
    """
    require(uow.actor, Right.OPERATE)
    if until is not None and until <= uow.now:
        raise Invalid("span.wrong", field="until")
    house.turn_gate(uow, house.machine(uow, resource_id, lock=True), "lock_out", why)
    calendar.take_turn(uow)
    before = places(uow)
    _end_outages(uow, resource_id)
    if until is not None:
        _hold(uow, resource_id, until, why)
    return mend(uow, before)


def give_back(uow: UnitOfWork, resource_id: int) -> None:
    """The machine works again, sooner or later than expected; somebody still has to say that the bed is clear."""
    require(uow.actor, Right.OPERATE)
    house.turn_gate(uow, house.machine(uow, resource_id, lock=True), "give_back")
    calendar.take_turn(uow)
    _end_outages(uow, resource_id)


def _hold(uow: UnitOfWork, resource_id: int, until: datetime, why: str) -> None:
    """All the time until then that is not a person's own or a run's."""
    stay: list[Allocation] = []
    for place in calendar.between(uow, uow.now, until, [resource_id]):
        job = place.claim.kind is ClaimKind.JOB and place.run_id is None
        if job and place.claim.state is ClaimState.HELD:
            calendar.release(uow, place.claim, "replan")
        else:
            stay.append(place)
    free = [
        calendar.Place(resource_id=resource_id, start_at=a, run_start_at=a, run_end_at=b, end_at=b)
        for a, b in _between(stay, uow.now, until)
    ]
    if not free:
        return
    claim = Claim(
        id=new_id(uow.now),
        kind=ClaimKind.OUTAGE,
        state=ClaimState.OPEN,
        title=why[:200],
        release_at=uow.now,
        estimate_s=round((until - uow.now).total_seconds()),
        made_at=uow.now,
        allocations=[],
        needs=[],
    )
    uow.session.add(claim)
    uow.session.flush()
    calendar.hold(uow, claim, free, AllocationState.FIRM)


def _between(stay: Iterable[Allocation], start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    found: list[tuple[datetime, datetime]] = []
    for place in stay:  # by start
        if place.start_at > start:
            found.append((start, place.start_at))
        start = max(start, place.end_at)
    return [*found, (start, end)] if start < end else found


def _end_outages(uow: UnitOfWork, resource_id: int) -> None:
    for claim in calendar.outages(uow, resource_id):
        calendar.release(uow, claim, "end")
