"""A held job on this machine from this very moment: the operator stands before it."""

from __future__ import annotations

from fablab.base.database import UnitOfWork
from fablab.base.errors import Refusal, Refused
from fablab.claims import calendar, lending, promises
from fablab.claims.models import Allocation, AllocationState, Claim, ClaimState
from scheduler.planner.disrupt import mend, places
from scheduler.planner.headway import slow_end, would_run_into
from scheduler.planner.upkeep import ahead, is_movable
from scheduler.problem import Fact
from scheduler.sight import MINUTE, look


def place_now(uow: UnitOfWork, claim: Claim, resource_id: int, *, host_id: str | None = None) -> Allocation:
    """Give a held job this machine from this very moment: the operator stands before it. `host_id`: a reservation that
    lends it the machine.

    What the planner had put there moves on; what is a person's own (a reservation, a session, an outage) does not,
    and is not run into either, counting a slow run and the clearing after it. Raises `Refused` with until when.
    """
    need = next(iter(claim.needs), None)
    if need is None or resource_id not in need.eligible:
        facts: dict[str, Fact] = {
            "reason": need.barred.get(str(resource_id), "unknown") if need else "unknown"
        }
        raise Refused([Refusal(code="machine.not_eligible", facts=facts)])
    calendar.take_turn(uow)
    before = places(uow)
    _end_leftovers(uow, resource_id)
    sight = look(uow, without=(claim.id,))
    machine = sight.index[resource_id]
    duration = sight.duration(claim, resource_id)
    run_end = duration.quantile_min(0.60)
    end_at = sight.instant(sight.free_at(machine, run_end))
    late_end = slow_end(uow, claim, resource_id, uow.now)
    against = would_run_into(uow, claim, resource_id, host_id=host_id)
    if against is not None:
        raise Refused([against])
    own = {claim.id, host_id}
    in_the_way = [a for a in ahead(uow, resource_id, max(end_at, late_end)) if a.claim_id not in own]
    fixed_from = min((a.start_at for a in in_the_way if not is_movable(a)), default=end_at)
    moved = [a.claim for a in in_the_way if is_movable(a) and a.start_at < end_at]
    for other in [*moved, claim]:
        if other.state is ClaimState.HELD:
            calendar.release(uow, other, "replan")
    if host_id is not None:
        lending.lend(uow, calendar.claim(uow, host_id), resource_id, min(end_at, fixed_from))
    place = calendar.Place(
        resource_id=resource_id,
        start_at=uow.now,
        run_start_at=uow.now,
        run_end_at=min(sight.instant(run_end), fixed_from),
        end_at=min(end_at, fixed_from),
        need_id=need.id,
    )
    (allocation,) = calendar.hold(uow, claim, [place], AllocationState.FIRM)
    claim.ready_at, claim.ready_from = end_at, min(end_at, sight.instant(duration.quantile_min(0.10)))
    claim.ready_until = max(end_at, late_end)
    promises.foresee(uow, claim.id, duration.log_mean, duration.log_sigma)
    if moved:
        mend(uow, before, but=(claim.id,))
    return allocation


def _end_leftovers(uow: UnitOfWork, resource_id: int) -> None:
    for allocation in calendar.between(uow, uow.now, uow.now + MINUTE, [resource_id]):
        if allocation.run_id is not None and allocation.run_end_at <= uow.now:
            calendar.trim(uow, allocation, run_end_at=allocation.run_end_at, end_at=uow.now)
