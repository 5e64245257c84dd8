"""Claims into the calendar: the promise inside the submitting transaction, and the plan kept true as the day goes by.

It sees claims and places, never what a claim is for. Everything here is one unit of work of the caller's: if the
place is taken by somebody faster, the whole submission is tried again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.base.errors import Refusal, Refused
from fablab.claims import calendar
from fablab.claims.models import Allocation, AllocationState, Claim, ClaimKind, ClaimState
from fablab.notices import tell
from fablab.places import house
from fablab.places.models import MachineGate
from scheduler import explain
from scheduler.durations import Factors
from scheduler.greedy import Board, Insertion
from scheduler.plan import Plan, Reason, Unplaced
from scheduler.problem import Demand, Fact, Problem
from scheduler.sight import MINUTE, Sight, look

LATE_START = timedelta(minutes=3)  # a planned start nobody tapped is past when it is that old
TELL_FROM = timedelta(minutes=15)  # a promise moved by less is not worth a message
END_DRIFT = timedelta(minutes=2)  # a running job's end is rewritten when it moved by more
MOST_REASONS = 8

#: Facts of a reason that are minutes from the origin, and become instants for whoever reads them.
_INSTANTS = frozenset({"since", "until", "start", "ready_at", "horizon"})


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
    promise = _insert(uow, sight, Board(sight.problem), claim)
    claim.told_ready_at = claim.ready_at
    return promise


def preview(uow: UnitOfWork, claim: Claim, *, factors: Factors | None = None) -> Promise | None:
    """What `insert` would promise a claim that is not in the database yet; nothing is written."""
    sight = look(uow, factors=factors)
    demand = sight.demand(claim)
    found = Board(sight.problem).insert(demand)
    claim.reasons = _reasons(sight, demand, found)
    return None if isinstance(found, Unplaced) else _promise(sight, claim, found)


def _insert(uow: UnitOfWork, sight: Sight, board: Board, claim: Claim) -> Promise | None:
    demand = sight.demand(claim)
    found = board.insert(demand)
    claim.reasons = _reasons(sight, demand, found, board)
    if isinstance(found, Unplaced):
        claim.ready_at = claim.ready_from = claim.ready_until = None
        return None
    calendar.hold(uow, claim, [sight.place(slot, claim.needs[slot.need].id) for slot in found.slots])
    board.know(demand)
    board.place(found.slots)
    promise = _promise(sight, claim, found)
    claim.ready_at, claim.ready_from, claim.ready_until = (
        promise.ready_at,
        promise.ready_from,
        promise.ready_until,
    )
    return promise


def _promise(sight: Sight, claim: Claim, found: Insertion) -> Promise:
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


def place_now(
    uow: UnitOfWork, claim: Claim, resource_id: int, *, factors: Factors | None = None
) -> Allocation:
    """Give a held job this machine from this very moment: the operator stands before it.

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
    _end_leftovers(uow, resource_id)
    sight = look(uow, without=(claim.id,), factors=factors)
    machine = sight.index[resource_id]
    duration = sight.duration(claim, resource_id)
    run_end = duration.quantile_min(0.60)
    end_at = sight.instant(sight.free_at(machine, run_end))
    # The operator is there now, whatever the hours say: the bed counts as cleared after the slow run.
    slow_end = sight.instant(duration.quantile_min(0.90) + sight.clear_min[machine])
    in_the_way = [a for a in _ahead(uow, resource_id, max(end_at, slow_end)) if a.claim_id != claim.id]
    _keep_clear_of_people(in_the_way, slow_end)
    fixed_from = min((a.start_at for a in in_the_way if not _movable(a)), default=end_at)
    moved = [a.claim for a in in_the_way if _movable(a) and a.start_at < end_at]
    for other in [*moved, claim]:
        if other.state is ClaimState.HELD:
            calendar.release(uow, other, "replan")
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
    claim.ready_until = max(end_at, slow_end)
    reinsert(uow, moved, factors=factors)
    return allocation


def _keep_clear_of_people(in_the_way: Sequence[Allocation], slow_end: datetime) -> None:
    for allocation in in_the_way:
        if not _movable(allocation) and allocation.start_at < slow_end:
            facts: dict[str, Fact] = {
                "title": allocation.claim.title,
                "from": allocation.start_at.isoformat(),
            }
            raise Refused([Refusal(code="machine.would_run_into", facts=facts)])


def _end_leftovers(uow: UnitOfWork, resource_id: int) -> None:
    for allocation in calendar.between(uow, uow.now, uow.now + MINUTE, [resource_id]):
        if allocation.run_id is not None and allocation.run_end_at <= uow.now:
            calendar.trim(uow, allocation, run_end_at=allocation.run_end_at, end_at=uow.now)


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
        _insert(uow, sight, board, claim)
        told += _tell_if_moved(uow, claim)
    return told


def _tell_if_moved(uow: UnitOfWork, claim: Claim) -> bool:
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
    for other in _ahead(uow, row.resource_id, end_at):
        if other.id == row.id or other.start_at < row.start_at:
            continue
        if _movable(other) and other.claim.state is ClaimState.HELD:
            calendar.release(uow, other.claim, "replan")
        else:
            run_end, end_at = min(run_end, other.start_at), min(end_at, other.start_at)
    calendar.trim(uow, row, run_end_at=run_end, end_at=end_at)
    claim = row.claim
    claim.ready_at = row.end_at
    claim.ready_from = min(claim.ready_from or row.end_at, row.end_at)
    claim.ready_until = max(claim.ready_until or row.end_at, row.end_at)


def _ahead(uow: UnitOfWork, resource_id: int | None, until: datetime) -> list[Allocation]:
    return calendar.between(uow, uow.now, until, [] if resource_id is None else [resource_id])


def _movable(allocation: Allocation) -> bool:
    return allocation.state is AllocationState.TENTATIVE and allocation.run_id is None


def _reasons(
    sight: Sight, demand: Demand, found: Insertion | Unplaced, board: Board | None = None
) -> list[dict[str, object]]:
    """The explanation as codes and facts that outlive this look: names instead of indices, instants instead of minutes."""
    if isinstance(found, Unplaced):
        near = explain.nearest(_problem_with(sight.problem, board), Plan(), demand)
        return [_told(sight, "unplaced", r) for r in found.reasons[:MOST_REASONS]] + [
            _told(sight, "nearest", r) for r in near[:3]
        ]
    problem = _problem_with(sight.problem, board)
    plan = Plan().with_slots(found.slots)
    taken = {slot.machine for slot in found.slots}
    why = [
        _told(sight, "not_earlier", r) for r in explain.why_not_earlier(problem, plan, demand)[:MOST_REASONS]
    ]
    others = [m for need in demand.needs for m in need.eligible if m not in taken] + list(demand.not_eligible)
    seen = dict.fromkeys(others)
    return why + [
        _told(sight, "not_there", explain.why_not_machine(problem, plan, demand, m))
        for m in list(seen)[:MOST_REASONS]
    ]


def _problem_with(problem: Problem, board: Board | None) -> Problem:
    """The problem with what this transaction has placed so far counted as fixed."""
    if board is None:
        return problem
    slots = tuple(entry.slot for lane in board.lanes for entry in lane.entries if entry.slot is not None)
    return Problem(horizon_min=problem.horizon_min, machines=problem.machines, fixed=slots)


def _told(sight: Sight, about: str, reason: Reason) -> dict[str, object]:
    facts: dict[str, object] = {}
    for name, value in reason.facts.items():
        if name == "machine" and isinstance(value, int):
            facts["machine"] = sight.names[value]
        elif name in _INSTANTS and isinstance(value, int):
            facts[name] = sight.instant(value).isoformat()
        elif name != "by":  # whose claim it is stays between its owner and the staff
            facts[name] = value
    return {"about": about, "code": reason.code, "facts": facts}
