"""What could be offered for a claim: its best places as instants and names, and who would leave for an earlier one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from fablab.base.database import UnitOfWork
from fablab.claims.models import Claim
from scheduler.board import Board, insertion_of
from scheduler.options import Displaced, Option
from scheduler.options import options as options_on
from scheduler.planner.promise import promise_of
from scheduler.planner.reasons import told
from scheduler.planner.standing import Standing, stand


@dataclass(frozen=True, slots=True, kw_only=True)
class Displacement:
    """A claim that would go elsewhere. `was_ready_at`: what the calendar says now; `late_s`: how much more it would be
    past the date it is wanted by. Its member would be told."""

    claim_id: str
    member_id: int | None
    title: str
    machines: tuple[str, ...]
    start_at: datetime
    was_ready_at: datetime
    ready_at: datetime
    late_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One place that could be had. From `start_at` the machines are held, for set-up; they run from `run_start_at`;
    the bed is clear at `ready_at`, between `ready_from` and `ready_until` (P10 to P90). `reasons`: codes and facts as
    in `claim.reasons`, about "option"."""

    resource_ids: tuple[int, ...]
    machines: tuple[str, ...]
    start_at: datetime
    run_start_at: datetime
    ready_at: datetime
    ready_from: datetime
    ready_until: datetime
    reasons: tuple[dict[str, object], ...]
    displaced: tuple[Displacement, ...]


def options(uow: UnitOfWork, claim: Claim, n: int, *, displacing: int = 0) -> tuple[Offer, ...]:
    """The `n` best distinct places for a claim as if it held none, best first; then up to `displacing` earlier ones that
    others would leave for it. Nothing is written, and nothing is held: another may be faster.

    Nobody is displaced who starts within the freeze, was given the place by a person, or runs.
    """
    standing = stand(uow, without=(claim.id,))
    board = Board(standing.problem, standing.plan)
    demand = standing.sight.demand(claim)
    found = options_on(board, demand, n, displacing=displacing)
    if any(standing.sight.is_tight(claim, option.slots) for option in found):
        # Before somebody's own only a place that has room for a slow run can be had.
        slow = options_on(board, standing.sight.slowly(claim, demand), n, displacing=displacing)
        found = tuple(
            replace(each, insertion=insertion_of(standing.sight.as_planned(claim, each.slots)))
            for each in slow
        )
    return tuple(_offer(standing, claim, option) for option in found)


def _offer(standing: Standing, claim: Claim, option: Option) -> Offer:
    sight = standing.sight
    promise = promise_of(sight, claim, option.insertion)
    return Offer(
        resource_ids=promise.resource_ids,
        machines=tuple(sight.names[slot.machine] for slot in option.slots),
        start_at=promise.start_at,
        run_start_at=sight.instant(option.run_start),
        ready_at=promise.ready_at,
        ready_from=promise.ready_from,
        ready_until=promise.ready_until,
        reasons=tuple(told(sight, "option", reason) for reason in option.reasons),
        displaced=tuple(_displacement(standing, each) for each in option.displaced),
    )


def _displacement(standing: Standing, each: Displaced) -> Displacement:
    sight, row = standing.sight, standing.claims[each.demand]
    return Displacement(
        claim_id=row.id,
        member_id=row.member_id,
        title=row.title,
        machines=tuple(sight.names[slot.machine] for slot in each.slots),
        start_at=sight.instant(min(slot.setup_start for slot in each.slots)),
        was_ready_at=sight.instant(standing.plan.ready_at(each.demand)),
        ready_at=sight.instant(max(slot.free_at for slot in each.slots)),
        late_s=60 * each.late_min,
    )
