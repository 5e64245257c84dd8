"""The calendar of the house in a stretch of time: resources, what is held on them, when it is open and staffed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.base.errors import NotFound
from fablab.base.intervals import Intervals
from fablab.claims import calendar
from fablab.claims.models import Allocation
from fablab.places import house
from fablab.places.models import Resource, ResourceKind
from fablab.runs.models import LIVE, Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """`live`: run id to the run, for the allocations on which one stands now."""

    start_at: datetime
    end_at: datetime
    resources: tuple[Resource, ...]
    allocations: tuple[Allocation, ...]
    live: dict[str, Run]
    open: Intervals
    staffed: Intervals


def stretch(
    uow: UnitOfWork, start_at: datetime, end_at: datetime, kinds: frozenset[ResourceKind] | None = None
) -> Stretch:
    hours = house.calendar(uow)
    resources = house.resources(uow, kinds or frozenset({ResourceKind.MACHINE, ResourceKind.ROOM}))
    ids = [row.id for row in resources]
    allocations = calendar.between(uow, start_at, end_at, ids)
    names = [a.run_id for a in allocations if a.run_id is not None]
    live = uow.session.scalars(select(Run).where(Run.id.in_(names), Run.state.in_(LIVE))).unique()
    return Stretch(
        start_at=start_at,
        end_at=end_at,
        resources=tuple(resources),
        allocations=tuple(allocations),
        live={run.id: run for run in live},
        open=hours.open.between(start_at, end_at),
        staffed=hours.staffed.between(start_at, end_at),
    )


def allocation(uow: UnitOfWork, allocation_id: int) -> Allocation:
    row = uow.session.get(Allocation, allocation_id)
    if row is None:
        raise NotFound("allocation.unknown", id=allocation_id)
    return row


def live_run(uow: UnitOfWork, row: Allocation) -> Run | None:
    """The run that stands on it now."""
    run = uow.session.get(Run, row.run_id) if row.run_id is not None else None
    return run if run is not None and run.state in LIVE else None
