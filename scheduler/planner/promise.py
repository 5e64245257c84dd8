"""The promise inside the submitting transaction: the earliest place for one open claim, and what its owner is told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from fablab.base.database import UnitOfWork
from fablab.claims import calendar
from fablab.claims.models import Claim
from scheduler.durations import Factors
from scheduler.greedy import Board, Insertion
from scheduler.plan import Unplaced
from scheduler.planner.reasons import reasons_for
from scheduler.sight import Sight, look


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What the owner is told: ready at, between (P10 to P90), where, and why not earlier or elsewhere."""

    claim_id: str
    resource_ids: tuple[int, ...]
    start_at: datetime
    ready_at: datetime
    ready_from: datetime
    ready_until: datetime


def insert(uow: UnitOfWork, claim: Claim, *, factors: Factors | None = None) -> Promise | None:
    """Hold the earliest place for an open claim. None when there is none before the horizon; `claim.reasons` says why."""
    calendar.take_turn(uow)
    sight = look(uow, without=(claim.id,), factors=factors)
    promise = put(uow, sight, Board(sight.problem), claim)
    claim.told_ready_at = claim.ready_at
    return promise


def preview(uow: UnitOfWork, claim: Claim, *, factors: Factors | None = None) -> Promise | None:
    """What `insert` would promise a claim that is not in the database yet; nothing is written."""
    sight = look(uow, factors=factors)
    demand = sight.demand(claim)
    found = Board(sight.problem).insert(demand)
    claim.reasons = reasons_for(sight, demand, found)
    return None if isinstance(found, Unplaced) else promise_of(sight, claim, found)


def put(uow: UnitOfWork, sight: Sight, board: Board, claim: Claim) -> Promise | None:
    demand = sight.demand(claim)
    found = board.insert(demand)
    claim.reasons = reasons_for(sight, demand, found, board)
    if isinstance(found, Unplaced):
        claim.ready_at = claim.ready_from = claim.ready_until = None
        return None
    calendar.hold(uow, claim, [sight.place(slot, claim.needs[slot.need].id) for slot in found.slots])
    board.know(demand)
    board.place(found.slots)
    promise = promise_of(sight, claim, found)
    claim.ready_at, claim.ready_from, claim.ready_until = (
        promise.ready_at,
        promise.ready_from,
        promise.ready_until,
    )
    return promise


def promise_of(sight: Sight, claim: Claim, found: Insertion) -> Promise:
    def ready(quantile: float) -> datetime:
        ends = (
            sight.free_at(
                slot.machine,
                slot.run_start + sight.duration(claim, sight.ids[slot.machine]).quantile_min(quantile),
            )
            for slot in found.slots
        )
        return sight.instant(max(ends))

    ready_at = sight.instant(found.ready_at)
    return Promise(
        claim_id=claim.id,
        resource_ids=tuple(sight.ids[slot.machine] for slot in found.slots),
        start_at=sight.instant(min(slot.setup_start for slot in found.slots)),
        ready_at=ready_at,
        ready_from=min(ready(0.10), ready_at),
        ready_until=max(ready(0.90), ready_at),
    )
