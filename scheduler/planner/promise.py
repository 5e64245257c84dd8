"""The promise inside the submitting transaction: the earliest place for one open claim, and what its owner is told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from fablab.base.database import UnitOfWork
from fablab.claims import calendar, promises
from fablab.claims.models import Claim, ClaimKind
from scheduler.board import insertion_of
from scheduler.greedy import Board, Insertion
from scheduler.odds import TOLD, outlook
from scheduler.plan import Unplaced
from scheduler.planner.hints import shelf_of, would_help
from scheduler.planner.reasons import reasons_for
from scheduler.problem import Demand
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


def insert(uow: UnitOfWork, claim: Claim) -> Promise | None:
    """Hold the earliest place for an open claim. None when there is none before the horizon; `claim.reasons` says why."""
    calendar.take_turn(uow)
    sight = look(uow, without=(claim.id,))
    promise = put(uow, sight, Board(sight.problem), claim)
    claim.told_ready_at = claim.ready_at
    return promise


def preview(uow: UnitOfWork, claim: Claim, *, weight_g: float = 0.0) -> Promise | None:
    """What `insert` would promise a claim that is not in the database yet, and what would help it; nothing is written."""
    sight = look(uow, without=(claim.id,))
    board = Board(sight.problem)
    demand, found = _first(sight, board, claim)
    claim.reasons = reasons_for(sight, demand, found, board)
    if isinstance(found, Unplaced):
        return None
    shelf = shelf_of(uow, claim, weight_g)
    claim.reasons += would_help(sight, board, demand, found.ready_at, claim, shelf)
    return promise_of(sight, claim, found)


def put(uow: UnitOfWork, sight: Sight, board: Board, claim: Claim) -> Promise | None:
    demand, found = _first(sight, board, claim)
    claim.reasons = reasons_for(sight, demand, found, board)
    if isinstance(found, Unplaced):
        claim.ready_at = claim.ready_from = claim.ready_until = None
        return None
    calendar.hold(uow, claim, [sight.place(slot, claim.needs[slot.need].id) for slot in found.slots])
    board.know(demand)
    board.place(found.slots)
    remember(uow, sight, claim, found)
    return keep(sight, claim, found)


def _first(sight: Sight, board: Board, claim: Claim) -> tuple[Demand, Insertion | Unplaced]:
    """The first place, and what was asked for. Before somebody's own it has to have room for a slow run: nobody would
    be allowed to start it else."""
    demand = sight.demand(claim)
    found = board.insert(demand)
    if isinstance(found, Unplaced) or not sight.is_tight(claim, found.slots):
        return demand, found
    found = board.insert(sight.slowly(claim, demand))
    if isinstance(found, Unplaced):
        return demand, found
    return demand, insertion_of(sight.as_planned(claim, found.slots))


def keep(sight: Sight, claim: Claim, found: Insertion) -> Promise:
    """Write on the claim what its new place promises; whether anybody is told of it is another matter."""
    promise = promise_of(sight, claim, found)
    claim.ready_at, claim.ready_from, claim.ready_until = (
        promise.ready_at,
        promise.ready_from,
        promise.ready_until,
    )
    return promise


def promise_of(sight: Sight, claim: Claim, found: Insertion) -> Promise:
    """`ready_from`, `ready_until`: the bed cleared after a finish at P10 and at P90 (`scheduler.odds`)."""

    ready_at = sight.instant(found.ready_at)
    return Promise(
        claim_id=claim.id,
        resource_ids=tuple(sight.ids[slot.machine] for slot in found.slots),
        start_at=sight.instant(min(slot.setup_start for slot in found.slots)),
        ready_at=ready_at,
        ready_from=min(_ready(sight, claim, found, 0.10), ready_at),
        ready_until=max(_ready(sight, claim, found, 0.90), ready_at),
    )


def _ready(sight: Sight, claim: Claim, found: Insertion, quantile: float) -> datetime:
    """Finished by then with that probability, and the bed cleared by the first person there."""
    finish = ((slot, sight.finish(claim, slot, quantile)) for slot in found.slots)
    return sight.instant(max(sight.free_at(slot.machine, sight.minute(at)) for slot, at in finish))


def remember(uow: UnitOfWork, sight: Sight, claim: Claim, found: Insertion) -> None:
    """Keep the first promise of a job, as the record will judge it and its owner is told it: when the bed is cleared."""
    if claim.kind is not ClaimKind.JOB:
        return
    slot = max(found.slots, key=lambda slot: slot.run_end)
    view = outlook(max(0, slot.run_start) * 60, sight.duration(claim, sight.ids[slot.machine]))
    p10_at, p50_at, p80_at, p90_at = (_ready(sight, claim, found, quantile) for quantile in TOLD)
    promises.keep(
        uow,
        promises.Promised(
            claim_id=claim.id,
            told_at=uow.now,
            start_at=sight.instant(slot.run_start),
            p10_at=p10_at,
            p50_at=p50_at,
            p80_at=p80_at,
            p90_at=p90_at,
            middle_at=sight.origin + timedelta(seconds=view.middle_s),
            scale_s=view.scale_s,
        ),
    )
