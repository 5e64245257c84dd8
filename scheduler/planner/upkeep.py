"""The plan kept true as the day goes by: overruns, missed starts, machines out of service, and who is told of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.claims import calendar
from fablab.claims.models import Allocation, AllocationState, Claim, ClaimKind, ClaimState
from fablab.notices import tell
from fablab.places import house
from fablab.places.models import MachineGate
from scheduler.durations import Factors
from scheduler.greedy import Board
from scheduler.planner.promise import put
from scheduler.sight import look

LATE_START = timedelta(minutes=3)  # a planned start nobody tapped is past when it is that old
TELL_FROM = timedelta(minutes=15)  # a promise moved by less is not worth a message
END_DRIFT = timedelta(minutes=2)  # a running job's end is rewritten when it moved by more


def reinsert(uow: UnitOfWork, claims: Iterable[Claim], *, factors: Factors | None = None) -> int:
    """Find new places for open claims, in the order of what they were promised; tells those whose promise moved.

    Returns how many were told.
    """
    waiting = sorted(claims, key=lambda c: (-c.priority, c.ready_at or c.due_at or c.made_at, c.made_at))
    if not waiting:
        return 0
    calendar.take_turn(uow)
    sight = look(uow, without=[claim.id for claim in waiting], factors=factors)
    board = Board(sight.problem)
    told = 0
    for claim in waiting:
        put(uow, sight, board, claim)
        told += tell_if_moved(uow, claim)
    return told


def tell_if_moved(uow: UnitOfWork, claim: Claim) -> bool:
    """Measured from what the owner was last told: ten moves of four minutes are forty."""
    was, now = claim.told_ready_at, claim.ready_at
    if was is not None and now is not None and abs(now - was) < TELL_FROM:
        return False
    claim.told_ready_at = now
    if was is None:
        return False
    if now is None:
        tell(uow, claim.member_id, "job.no_place", claim_id=claim.id, file=claim.title)
        return True
    facts = {"file": claim.title, "was": was.isoformat(), "ready": now.isoformat()}
    tell(uow, claim.member_id, "job.moved", claim_id=claim.id, **facts)
    return True


def refresh(uow: UnitOfWork, ends: Mapping[str, datetime], *, factors: Factors | None = None) -> int:
    """Keep the calendar true: overruns push on, missed starts move, machines out of service are left.

    `ends`: run id to the instant its run is now expected to end. Returns how many owners were told of a move.
    """
    calendar.take_turn(uow)
    _follow_runs(uow, ends, factors)
    for allocation in _lost(uow):
        if allocation.claim.state is ClaimState.HELD:
            calendar.release(uow, allocation.claim, "replan")
    return reinsert(uow, _waiting(uow), factors=factors)


def _waiting(uow: UnitOfWork) -> list[Claim]:
    query = select(Claim).where(Claim.state == ClaimState.OPEN, Claim.kind == ClaimKind.JOB)
    return [claim for claim in uow.session.scalars(query).unique() if claim.needs]


def _lost(uow: UnitOfWork) -> list[Allocation]:
    """Movable allocations that cannot be kept: nobody came to start them, or their machine is out of service.

    Where a start was missed, what follows on that machine is planned anew with it, so that nobody overtakes.
    """
    ahead = _unstarted(uow)
    late = {a.resource_id for a in ahead if a.run_start_at < uow.now - LATE_START}
    out = {
        row.id
        for row in house.machines(uow)
        if row.machine is not None and row.machine.gate is MachineGate.OUT_OF_SERVICE
    }
    return [a for a in ahead if a.resource_id in late | out]


def _unstarted(uow: UnitOfWork) -> list[Allocation]:
    """Everything the planner placed for jobs that no run stands on; also what is past by now, after a night with
    the server down: it would wait for ever."""
    query = (
        select(Allocation)
        .join(Allocation.claim)
        .where(
            Allocation.state == AllocationState.TENTATIVE,
            Allocation.run_id.is_(None),
            Claim.kind == ClaimKind.JOB,
            Claim.state == ClaimState.HELD,
        )
    )
    return list(uow.session.scalars(query.order_by(Allocation.resource_id, Allocation.start_at)).unique())


def _follow_runs(uow: UnitOfWork, ends: Mapping[str, datetime], factors: Factors | None) -> None:
    if not ends:
        return
    rows = uow.session.scalars(select(Allocation).where(Allocation.run_id.in_(list(ends)))).unique()
    sight = look(uow, factors=factors)
    for row in rows:
        run_end = max(ends[row.run_id or ""], uow.now)
        if abs(run_end - row.run_end_at) > END_DRIFT:
            end_at = sight.instant(sight.free_at(sight.index[row.resource_id], sight.minute(run_end)))
            _stretch(uow, row, run_end, end_at)


def _stretch(uow: UnitOfWork, row: Allocation, run_end: datetime, end_at: datetime) -> None:
    """Move a running allocation's end; the plan behind it gives way, a person's own does not."""
    for other in ahead(uow, row.resource_id, end_at):
        if other.id == row.id or other.start_at < row.start_at:
            continue
        if is_movable(other) and other.claim.state is ClaimState.HELD:
            calendar.release(uow, other.claim, "replan")
        else:
            run_end, end_at = min(run_end, other.start_at), min(end_at, other.start_at)
    calendar.trim(uow, row, run_end_at=run_end, end_at=end_at)
    claim = row.claim
    claim.ready_at = row.end_at
    claim.ready_from = min(claim.ready_from or row.end_at, row.end_at)
    claim.ready_until = max(claim.ready_until or row.end_at, row.end_at)


def ahead(uow: UnitOfWork, resource_id: int | None, until: datetime) -> list[Allocation]:
    return calendar.between(uow, uow.now, until, [] if resource_id is None else [resource_id])


def is_movable(allocation: Allocation) -> bool:
    return allocation.state is AllocationState.TENTATIVE and allocation.run_id is None
