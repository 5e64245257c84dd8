"""What an idle machine takes: a job of the plan is brought forward to a clear machine while somebody is there.

Only what the plan may move (tentative, no run on it, a machine of its own kind) and what may be started at once. What
lies in its way on that machine goes to `mend`, as behind a tap. `scheduler.pull` decides; the simulation lives by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import nlargest

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.claims import calendar
from fablab.claims.models import AllocationState, Claim, ClaimKind, ClaimState
from scheduler.board import Board, insertion_of
from scheduler.lanes import Entry, shape_of
from scheduler.planner.disrupt import mend, places
from scheduler.planner.promise import keep, remember
from scheduler.planner.reasons import reasons_for
from scheduler.planner.standing import FREEZE, demand_of, place_of, slots_of, stand
from scheduler.planner.upkeep import tell_if_moved
from scheduler.problem import Demand, Slot
from scheduler.pull import Begun, Planned, pull
from scheduler.sight import HORIZON, MINUTE, Sight
from scheduler.spots import Not, Spot, spot

MOST_A_TURN = 8  # others wait meanwhile for the calendar; in a minute is another turn
TRIED = 40  # jobs that are tried on a machine: those that could gain most


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """`machines`: resource ids of those that answer, with nothing on them and the bed clear. `startable`: ids of the
    claims that need nothing but a hand."""

    machines: frozenset[int] = frozenset()
    startable: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """All that could be brought forward. `loose`: places that no longer keep a rule (another spool is in than was to
    be): they are on no board, and whoever holds one gives way."""

    sight: Sight
    board: Board
    demands: Mapping[str, Demand]
    claims: Mapping[str, Claim]
    slots: Mapping[str, tuple[Slot, ...]]
    loose: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    claim: Claim
    slot: Slot
    gone: tuple[str, ...]


def fill(uow: UnitOfWork, idle: Idle) -> int:
    """Bring forward what idle machines take, one job each. Returns how many owners were told."""
    calendar.take_turn(uow)
    told, left = 0, _free_now(uow, idle.machines)
    for _ in range(MOST_A_TURN if idle.startable else 0):
        look = _look(uow) if left else None
        taken = _first(look, idle, left) if look else None
        if look is None or taken is None:
            break
        told += _begin(uow, look, taken)
        left = _free_now(uow, left)
    return told


def _first(look: _Look, idle: Idle, machines: frozenset[int]) -> _Taken | None:
    """The first machine's that takes anything; of those that could take the same, the one with the least to change."""
    for resource_id in sorted(machines):
        taken = _take(look, idle, look.sight.index[resource_id])
        if taken is None:
            continue
        demand, easier = look.demands[taken.claim.id], [taken]
        for other in sorted(machines - {resource_id}):
            machine = look.sight.index[other]
            found = _spot_now(look, demand, machine) if machine in demand.needs[0].eligible else None
            if found is not None and not found.gone and not _over(look, demand.id, found.slot):
                easier.append(_Taken(claim=taken.claim, slot=found.slot, gone=()))
        return min(easier, key=lambda each: each.slot.setup_min)
    return None


def _free_now(uow: UnitOfWork, machines: frozenset[int]) -> frozenset[int]:
    """Those that nobody holds at this moment: what is due there is started first."""
    held = calendar.between(uow, uow.now, uow.now + 2 * MINUTE, sorted(machines)) if machines else []
    return machines - {row.resource_id for row in held}


def _look(uow: UnitOfWork) -> _Look:
    query = select(Claim).where(Claim.state == ClaimState.HELD, Claim.kind == ClaimKind.JOB)
    held = {row.id: row for row in uow.session.scalars(query).unique() if _may_come(uow, row)}
    soon = {name for name, row in held.items() if _start(row) < uow.now + FREEZE}
    loose: set[str] = set()
    while True:
        standing = stand(uow, free=soon - loose, without=loose, lead=timedelta())
        more = held.keys() - standing.claims.keys() - loose
        if not more:
            break
        loose |= more  # without them others may have too little time to set up, too
    sight = standing.sight
    claims = {**standing.claims, **{name: held[name] for name in loose}}
    slots = {name: slots_of(sight, held[name], map(place_of, calendar.current(held[name]))) for name in loose}
    demands = {demand.id: demand for demand in standing.problem.demands if not demand.is_gang}
    demands |= {name: demand_of(sight, held[name], slots[name], uow.now) for name in loose}
    return _Look(
        sight=sight,
        board=Board(standing.problem, standing.plan),
        demands=demands,
        claims=claims,
        slots={**standing.plan.slots, **slots},
        loose=frozenset(loose),
    )


def _start(row: Claim) -> datetime:
    return min(place.start_at for place in calendar.current(row))


def _may_come(uow: UnitOfWork, row: Claim) -> bool:
    """Nobody's own, and still to come."""
    held = calendar.current(row)
    return (
        bool(held)
        and all(place.state is AllocationState.TENTATIVE and place.start_at > uow.now for place in held)
        and not any(place.run_id is not None and place.end_at > uow.now for place in row.allocations)
    )


def _take(look: _Look, idle: Idle, machine: int) -> _Taken | None:
    spots: dict[str, Spot] = {}

    def at_once(job: Planned) -> Begun | None:
        demand = look.demands[job.name]
        if job.name not in idle.startable or machine not in demand.needs[0].eligible:
            return None
        found = _spot_now(look, demand, machine)
        if found is None:
            return None
        spots[job.name] = found
        return Begun(ready=found.slot.free_at, setup_min=found.slot.setup_min)

    jobs = {name: _planned(look, name) for name in look.demands}
    on_it = {name for name in jobs if any(slot.machine == machine for slot in look.slots.get(name, ()))}
    mine = sorted((jobs[name] for name in on_it), key=lambda job: job.setup_start)
    able = [job for name, job in jobs.items() if machine in look.demands[name].needs[0].eligible]
    taken = pull(0, mine, nlargest(TRIED, able, key=lambda job: job.wish.of_delay(0, job.ready)), at_once)
    if taken is None:
        return None
    found = spots[taken]
    gone = (*found.gone, *_over(look, taken, found.slot))
    return _Taken(claim=look.claims[taken], slot=found.slot, gone=gone)


def _over(look: _Look, taken: str, slot: Slot) -> list[str]:
    """Those whose loose places it would lie on."""
    return [name for name in look.loose if name != taken and _meets(slot, look.slots[name])]


def _planned(look: _Look, name: str) -> Planned:
    slots, far = look.slots.get(name), HORIZON // MINUTE
    return Planned(
        name=name,
        wish=look.sight.wish(look.claims[name]),
        setup_start=slots[0].setup_start if slots else far,
        ready=slots[0].free_at if slots else far,
    )


def _meets(slot: Slot, others: tuple[Slot, ...]) -> bool:
    return any(
        slot.machine == other.machine
        and slot.setup_start < other.free_at
        and other.setup_start < slot.free_at
        for other in others
    )


def _spot_now(look: _Look, demand: Demand, machine: int) -> Spot | None:
    """The job on the machine with its set-up beginning at once; None where a rule is in the way, where nobody is there,
    or where a slow run would not be cleared before what may not move."""
    lane, claim = look.board.lanes[machine], look.claims[demand.id]
    shape = shape_of(demand, 0, lane.machine)
    setup_min = shape.setup_min + lane.change_min(lane.machine.loaded, shape.family)
    if not any(piece.start <= 0 and piece.end > setup_min for piece in lane.machine.staffed):
        return None

    def is_movable(entry: Entry) -> bool:
        return entry.slot is not None and entry.slot.demand in look.demands

    held = look.board.slots_of(demand.id)
    if held:
        look.board.remove(demand.id)
    answer = spot(look.board, demand, machine, setup_min, is_movable)
    dates = [entry.start for entry in lane.entries if entry.end > 0 and not is_movable(entry)]
    if held:
        look.board.place(held)
    if isinstance(answer, Not):
        return None
    slow_min = look.sight.duration(claim, look.sight.ids[machine]).quantile_min(0.90) + shape.clear_min
    return answer if setup_min + slow_min <= min(dates, default=lane.horizon) else None


def _begin(uow: UnitOfWork, look: _Look, taken: _Taken) -> int:
    """Its place is there from now on; who is in the way finds another."""
    sight, claim, slots = look.sight, taken.claim, (taken.slot,)
    before = places(uow)
    for name in taken.gone:
        calendar.release(uow, look.claims[name], "replan")
    calendar.swap(uow, {claim.id: [sight.place(slot, claim.needs[slot.need].id) for slot in slots]})
    demand = look.demands[claim.id]
    for name in (claim.id, *taken.gone):
        if look.board.slots_of(name):
            look.board.remove(name)
    place = insertion_of(slots)
    claim.reasons = reasons_for(sight, demand, place, look.board)
    remember(uow, sight, claim, place)
    keep(sight, claim, place)
    told = int(tell_if_moved(uow, claim))
    return told + (mend(uow, before, but=(claim.id,)) if taken.gone else 0)
