"""A run that takes place within a reservation: the calendar lends it the machine, and the reservation has it back after.

Beside `calendar` the only file that writes allocations: one resource is still held by one claim at a time.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.claims import calendar
from fablab.claims.models import Allocation, AllocationState, Claim


def lend(uow: UnitOfWork, row: Claim, resource_id: int, until: datetime) -> None:
    """What this claim holds of a resource from now until then is free for a run that takes place within it; what it
    held before and what it holds afterwards stays its own."""
    for allocation in calendar.current(row):
        if allocation.resource_id != resource_id or allocation.end_at <= uow.now:
            continue
        if allocation.start_at >= until:
            continue
        rest_until = allocation.end_at
        if allocation.start_at < uow.now - timedelta(seconds=1):
            calendar.trim(uow, allocation, run_end_at=min(allocation.run_end_at, uow.now), end_at=uow.now)
        else:
            uow.session.delete(allocation)
            uow.session.flush()
        if rest_until > until:
            uow.session.add(_held(row, resource_id, until, rest_until, allocation.need_id))
    uow.session.flush()
    uow.session.expire(row, ["allocations"])
    calendar.announce(uow, row)


def regain(uow: UnitOfWork, row: Claim, resource_id: int, until: datetime) -> None:
    """The claim holds the resource again from now until then, as far as nobody else has it: a run that took place
    within it is over."""
    start, need_id = uow.now, None
    for allocation in calendar.current(row):
        if allocation.resource_id != resource_id:
            continue
        need_id = allocation.need_id
        if allocation.start_at <= start < allocation.end_at:
            start = allocation.end_at
        elif start < allocation.start_at <= until:
            uow.session.delete(allocation)
    uow.session.flush()
    others = select(Allocation.start_at, Allocation.end_at).where(
        Allocation.resource_id == resource_id, Allocation.end_at > start, Allocation.start_at < until
    )
    end = until
    for begins, ends in uow.session.execute(others.order_by(Allocation.start_at)):
        if begins > start:
            end = begins
            break
        start = ends  # a run that was over within a second is remembered as one
    if start < end:
        uow.session.add(_held(row, resource_id, start, end, need_id))
        uow.session.flush()
    uow.session.expire(row, ["allocations"])
    calendar.announce(uow, row)


def _held(row: Claim, resource_id: int, start: datetime, end: datetime, need_id: int | None) -> Allocation:
    return Allocation(
        claim_id=row.id,
        need_id=need_id,
        resource_id=resource_id,
        state=AllocationState.FIRM,
        start_at=start,
        run_start_at=start,
        run_end_at=end,
        end_at=end,
    )
