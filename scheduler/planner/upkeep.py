"""The plan kept true as the day goes by: overruns, missed starts, machines out of service, and who is told of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from math import log2

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.claims import calendar
from fablab.claims.models import Allocation, AllocationState, Claim, ClaimKind, ClaimState
from fablab.notices import tell
from fablab.places import house
from fablab.places.models import MachineGate
from scheduler.greedy import Board
from scheduler.planner.promise import put
from scheduler.sight import Sight, look

LATE_START = timedelta(minutes=3)  # a planned start nobody tapped is past when it is that old
TELL_FROM = timedelta(minutes=15)  # a promise moved by less is not worth a message
MOVED = "job.moved"  # the notice of a promise that moved
END_DRIFT = timedelta(minutes=2)  # a running job's end is rewritten when it moved by more


def reinsert(uow: UnitOfWork, claims: Iterable[Claim]) -> int:
    """Find new places for open claims, the heaviest first; tells those whose promise moved.

    Weights count by doublings, so that those who are owed about alike keep the order of what they were promised.
    Returns how many were told.
    """
    waiting = list(claims)
    if not waiting:
        return 0
    calendar.take_turn(uow)
    sight = look(uow, without=[claim.id for claim in waiting])
    board = Board(sight.problem)

    def turn(claim: Claim) -> tuple[int, datetime, datetime]:
        doublings = round(log2(sight.parts(claim).weight))
        return -doublings, claim.ready_at or claim.due_at or claim.made_at, claim.made_at

    waiting.sort(key=turn)
    told = 0
    for claim in waiting:
        put(uow, sight, board, claim)
        told += tell_if_moved(uow, claim)
    return told


def is_worth_telling(claim: Claim, ready_at: datetime) -> bool:
    """Measured from what the owner was last told: ten moves of four minutes are forty."""
    was = claim.told_ready_at
    return was is not None and abs(ready_at - was) >= TELL_FROM


def tell_if_moved(uow: UnitOfWork, claim: Claim) -> bool:
    """Returns whether the owner was told. See `is_worth_telling`."""
    was, now = claim.told_ready_at, claim.ready_at
    if was is not None and now is not None and not is_worth_telling(claim, now):
        return False
    claim.told_ready_at = now
    if was is None:
        return False
    if now is None:
        tell(uow, claim.member_id, "job.no_place", claim_id=claim.id, file=claim.title)
        return True
    facts = {"file": claim.title, "was": was.isoformat(), "ready": now.isoformat()}
    tell(uow, claim.member_id, MOVED, claim_id=claim.id, **facts)
    return True


def refresh(uow: UnitOfWork, ends: Mapping[str, datetime]) -> int:
    """Keep the calendar true: overruns push on, missed starts move, machines out of service are left.

    `ends`: run id to the instant its run is now expected to end. Returns how many owners were told of a move.
    """
    calendar.take_turn(uow)
    _follow_runs(uow, ends)
    for allocation in _lost(uow):
        if allocation.claim.state is ClaimState.HELD:
            calendar.release(uow, allocation.claim, "replan")
    return reinsert(uow, waiting_jobs(uow))


def waiting_jobs(uow: UnitOfWork) -> list[Claim]:
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


def _follow_runs(uow: UnitOfWork, ends: Mapping[str, datetime]) -> None:
    if not ends:
        return
    rows = uow.session.scalars(select(Allocation).where(Allocation.run_id.in_(list(ends)))).unique()
    sight = look(uow)
    for row in rows:
        run_end = max(ends[row.run_id or ""], uow.now)
        if abs(run_end - row.run_end_at) > END_DRIFT:
            end_at = sight.instant(sight.free_at(sight.index[row.resource_id], sight.minute(run_end)))
            _stretch(uow, row, run_end, end_at)
        _narrow(uow, sight, row, run_end)


def _narrow(uow: UnitOfWork, sight: Sight, row: Allocation, run_end: datetime) -> None:
    """What is promised of a running job: its expected end as it was said, the spread of what is left of such runs
    after the time this one has taken."""
    elapsed_s = max(0.0, (uow.now - row.run_start_at).total_seconds())
    left = sight.duration(row.claim, row.resource_id).remaining(elapsed_s)
    said = (run_end - uow.now).total_seconds() / max(60.0, left.p60_s)
    machine = sight.index[row.resource_id]

    def ready(left_s: float) -> datetime:
        return sight.instant(sight.free_at(machine, sight.minute(uow.now + timedelta(seconds=said * left_s))))

    claim = row.claim
    early, late = min(row.end_at, ready(left.p10_s)), max(row.end_at, ready(left.p90_s))
    if claim.ready_from is None or abs(early - claim.ready_from) > END_DRIFT:
        claim.ready_from = early
    if claim.ready_until is None or abs(late - claim.ready_until) > END_DRIFT:
        claim.ready_until = late


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
