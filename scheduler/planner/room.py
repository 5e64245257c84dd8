"""Room for somebody in person: planned jobs that may still move leave a place for good, in the same transaction.

What a person has made firm, what runs, what starts within the freeze and what is anybody's own stays where it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime
from math import ceil, floor
from typing import TypeVar

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, Fact, Refusal, Refused
from fablab.claims import calendar
from fablab.claims.models import ClaimState
from scheduler.planner.disrupt import Scene, is_settled, mend, places, repaired
from scheduler.planner.forecast import Forecast, cost, moved
from scheduler.planner.standing import stand
from scheduler.problem import Slot
from scheduler.repair import cannot_stay
from scheduler.sight import HORIZON, MINUTE

T = TypeVar("T")


def make_room(uow: UnitOfWork, claim_ids: Collection[str], take: Callable[[UnitOfWork], T]) -> T:
    """These jobs lose their places, `take` takes what it wants, and they find others; their owners are told.

    Raises what `take` raises, and `Refused` reservation.others_homeless where a job would find no place at all; nothing
    is kept then. The caller has its turn, and has looked that they may move.
    """
    before = places(uow)
    gone = [calendar.claim(uow, claim_id) for claim_id in claim_ids]
    for row in gone:
        if row.state is not ClaimState.HELD:
            raise Conflict("slot_taken", heals=True)
        calendar.release(uow, row, "replan")
    taken = take(uow)
    uow.session.flush()
    mend(uow, before)
    homeless = [row for row in gone if row.state is ClaimState.OPEN]
    if homeless:
        raise Refused([_homeless(len(homeless))])
    return taken


def forecast_room(
    uow: UnitOfWork, resource_ids: Sequence[int], start_at: datetime, end_at: datetime
) -> Forecast:
    """Whose jobs would move, and where to, if somebody had these resources from then to then; nothing is written."""
    standing = stand(uow)
    sight = standing.sight
    start = max(0, floor((start_at - sight.origin) / MINUTE))
    end = min(HORIZON // MINUTE, ceil((end_at - sight.origin) / MINUTE))
    if start >= end:
        return Forecast(version=standing.version)  # beyond what is planned at all
    theirs = tuple(
        Slot(
            demand="somebody in person",
            machine=sight.index[resource_id],
            setup_start=start,
            run_start=start,
            run_end=end,
            free_at=end,
        )
        for resource_id in resource_ids
        if resource_id in sight.index
    )
    demands = tuple(sorted(standing.problem.demands, key=lambda demand: demand.id))
    problem = replace(standing.problem, demands=demands, fixed=(*standing.problem.fixed, *theirs))
    plan = replace(standing.plan, slots=dict(sorted(standing.plan.slots.items())))
    scene = Scene(
        sight=sight,
        problem=problem,
        plan=plan,
        rows=standing.claims,
        broken=frozenset(cannot_stay(problem, plan)),
        in_turn=frozenset(),
        pinned=frozenset(name for name, row in standing.claims.items() if is_settled(uow, row)),
    )
    after = repaired(uow, scene).plan
    displaced = moved(standing, after)
    homeless = sum(each.ready_at is None and each.was_ready_at is not None for each in displaced)
    return Forecast(
        version=standing.version,
        refusals=(_homeless(homeless),) if homeless else (),
        displaced=displaced,
        cost=cost(problem, standing.plan, after),
    )


def _homeless(count: int) -> Refusal:
    facts: dict[str, Fact] = {"count": count}
    return Refusal(code="reservation.others_homeless", facts=facts)
