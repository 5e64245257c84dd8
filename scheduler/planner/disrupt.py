"""The plan after a mishap: a machine out of service, an overrun, a start nobody came for, hours that changed.

    calendar -> who cannot stay (check) -> repaired (`scheduler.repair`) -> places, promises, and who is told

Whoever can stay does. Jobs that were cancelled leave a gap, which the search may fill and a repair does not. A job that
a person has made firm, that starts within the freeze or whose owner has heard of enough changes today moves only if it
cannot be kept; then its owner is told as everybody is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.claims import calendar
from fablab.claims.models import AllocationState, Claim, ClaimKind, ClaimState
from fablab.places import house
from scheduler.board import Board, insertion_of
from scheduler.check import violations
from scheduler.plan import Plan
from scheduler.planner.budget import CHANGES_A_DAY, heard_today
from scheduler.planner.promise import keep, remember
from scheduler.planner.reasons import reasons_for
from scheduler.planner.standing import FREEZE, demand_of, place_of, slots_of
from scheduler.planner.upkeep import LATE_START, follow_runs, tell_if_moved, waiting_jobs
from scheduler.problem import Demand, Problem, Slot
from scheduler.repair import Repaired, repair
from scheduler.sight import Sight, is_out_for_good, look

Places = Mapping[str, list[calendar.Place]]

NOBODY = 0  # owns what has no member; nobody is told of that
ROUNDS = 3  # of pinning those who would hear too often, and repairing again


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """All jobs that are not under way, as a problem. `plan` holds their places although some cannot stay there:
    `broken`. `in_turn`: of those, who was not started in time. `pinned`: who moves only if it has to. `slow`: who is
    asked for with the time of a slow run, because a date that is not moved comes next."""

    sight: Sight
    problem: Problem
    plan: Plan
    rows: Mapping[str, Claim]
    broken: frozenset[str]
    in_turn: frozenset[str]
    pinned: frozenset[str]
    slow: frozenset[str] = frozenset()


def refresh(uow: UnitOfWork, ends: Mapping[str, datetime]) -> int:
    """Keep the calendar true: overruns push on, missed starts move, machines out of service are left.

    `ends`: run id to the instant its run is now expected to end. Returns how many owners were told of a move.
    """
    calendar.take_turn(uow)
    before = places(uow)
    follow_runs(uow, ends)
    return mend(uow, before)


def places(uow: UnitOfWork) -> Places:
    """Where the jobs are that no run stands on, by claim: to be asked before anything is taken from them."""
    return {row.id: _now(row) for row in _held_jobs(uow)}


def mend(uow: UnitOfWork, before: Places, *, but: Collection[str] = ()) -> int:
    """Make the plan good: jobs that cannot stay, that have lost their place since `before` or have none find one.

    `but`: claims that stay whatever is. The caller has its turn. Returns how many owners were told.
    """
    scene = _scene(uow, before, frozenset(but))
    if scene is None:
        return 0
    return _write(uow, scene, repaired(uow, scene))


def promises(sight: Sight, rows: Mapping[str, Claim]) -> dict[str, int]:
    """When the owners were last told that they would be ready, in minutes."""
    told = {name: row.told_ready_at for name, row in rows.items()}
    return {name: sight.minute(at) for name, at in told.items() if at is not None}


# --- what is the matter


def _scene(uow: UnitOfWork, before: Places, but: frozenset[str]) -> Scene | None:
    """None where nobody is in trouble."""
    out = _out_for_good(uow)
    held = [row for row in _held_jobs(uow) if row.id not in but]
    missed = {row.id for row in held if _starts(row) < uow.now - LATE_START}
    fled = {row.id for row in held if any(place.resource_id in out for place in calendar.current(row))}
    begun = {row.id for row in held if _begins(row) <= uow.now} - missed - fled
    rows = {row.id: row for row in [*held, *waiting_jobs(uow)] if row.id not in begun}
    if not rows:
        return None
    sight = look(uow, without=rows)
    slots = {name: slots_of(sight, row, before.get(name) or _now(row)) for name, row in rows.items()}
    odd = {name for name, row in rows.items() if not slots[name] and row.state is ClaimState.HELD}
    if odd - missed - fled:
        # A place that is not on whole minutes cannot be said to the solver: it is seen again among the facts.
        return _scene(uow, before, but | (odd - missed - fled))
    tight = {name for name, row in rows.items() if not _is_firm(row) and sight.is_tight(row, slots[name])}
    demands = {name: demand_of(sight, row, slots[name], uow.now) for name, row in rows.items()}
    demands |= {name: sight.slowly(rows[name], demands[name]) for name in tight}
    problem, plan, broken = _parted(sight.problem, demands, slots, missed | fled | tight)
    frozen = {name for name, row in rows.items() if name in plan.slots and is_settled(uow, row)}
    return Scene(
        sight=sight,
        problem=problem,
        plan=plan,
        rows={demand.id: rows[demand.id] for demand in problem.demands},
        broken=broken,
        in_turn=frozenset(missed - fled),
        pinned=frozenset(frozen),
        slow=frozenset(tight),
    )


def _parted(
    problem: Problem,
    demands: Mapping[str, Demand],
    slots: Mapping[str, tuple[Slot, ...]],
    lost: Collection[str],
) -> tuple[Problem, Plan, frozenset[str]]:
    """The problem, its plan, and who cannot stay in it.

    Set-ups alone are no reason to move: what is loaded changes while somebody prepares. Where one is too short, all on
    that machine who are not in trouble themselves stay as facts.
    """
    asked, facts = dict(demands), list(problem.fixed)
    while True:
        plan = Plan(slots={name: slots[name] for name in asked if slots[name]})
        stated = replace(problem, demands=tuple(asked.values()), fixed=tuple(facts))
        found = violations(stated, plan)
        broken = {v.demand for v in found if v.code != "setup_short"} | set(lost)
        broken &= plan.slots.keys()
        short = {v.machine for v in found if v.code == "setup_short"}
        kept = {
            name
            for name, held in plan.slots.items()
            if name not in broken and any(slot.machine in short for slot in held)
        }
        if not kept:
            return stated, plan, frozenset(broken)
        facts += [slot for name in sorted(kept) for slot in slots[name]]
        for name in kept:
            del asked[name]


def _held_jobs(uow: UnitOfWork) -> list[Claim]:
    """Those with a place that no run stands on; also what is past by now, after a night with the server down: it
    would wait for ever."""
    query = select(Claim).where(Claim.state == ClaimState.HELD, Claim.kind == ClaimKind.JOB)
    rows = uow.session.scalars(query.order_by(Claim.id)).unique()
    return [row for row in rows if calendar.current(row) and not _runs(uow, row)]


def _runs(uow: UnitOfWork, row: Claim) -> bool:
    return any(place.run_id is not None and place.end_at > uow.now for place in row.allocations)


def _now(row: Claim) -> list[calendar.Place]:
    return [place_of(place) for place in calendar.current(row)]


def _begins(row: Claim) -> datetime:
    return min(place.start_at for place in calendar.current(row))


def _starts(row: Claim) -> datetime:
    return min(place.run_start_at for place in calendar.current(row))


def _is_firm(row: Claim) -> bool:
    return any(place.state is AllocationState.FIRM for place in calendar.current(row))


def is_settled(uow: UnitOfWork, row: Claim) -> bool:
    """Near, or firm."""
    soon = any(place.start_at < uow.now + FREEZE for place in calendar.current(row))
    return soon or _is_firm(row)


def _out_for_good(uow: UnitOfWork) -> frozenset[int]:
    return frozenset(row.id for row in house.machines(uow) if is_out_for_good(uow, row))


# --- what becomes of it


def repaired(uow: UnitOfWork, scene: Scene) -> Repaired:
    """Nobody who could stay hears of more changes in a day than the house allows, and nobody is put before somebody's own
    date who would not be let start there."""
    found = _repaired(uow, scene)
    for _ in range(ROUNDS):
        tight = {
            name
            for name, slots in found.plan.slots.items()
            if slots != scene.plan.slots.get(name) and scene.sight.is_tight(scene.rows[name], slots)
        }
        if not tight:
            break
        asked = (
            scene.sight.slowly(scene.rows[demand.id], demand) if demand.id in tight else demand
            for demand in scene.problem.demands
        )
        scene = replace(
            scene,
            problem=replace(scene.problem, demands=tuple(asked)),
            broken=scene.broken | (tight & scene.plan.slots.keys()),
            slow=scene.slow | tight,
        )
        found = _repaired(uow, scene)
    kept = {
        name: scene.sight.as_planned(scene.rows[name], slots) if name in scene.slow else slots
        for name, slots in found.plan.slots.items()
    }
    return replace(found, plan=replace(found.plan, slots=kept))


def _repaired(uow: UnitOfWork, scene: Scene) -> Repaired:
    heard = heard_today(uow)
    pinned = {
        *scene.pinned,
        *(name for name, row in scene.rows.items() if heard[_owner(row)] >= CHANGES_A_DAY),
    }
    promised = promises(scene.sight, scene.rows)
    for _ in range(ROUNDS):
        found = repair(
            scene.problem,
            scene.plan,
            broken=scene.broken,
            in_turn=scene.in_turn,
            pinned=pinned,
            promised=promised,
        )
        over = _over_budget(scene, found, heard)
        if not over:
            return found
        pinned |= over
    return repair(
        scene.problem,
        scene.plan,
        broken=scene.broken,
        in_turn=scene.in_turn,
        pinned=scene.rows.keys(),
        promised=promised,
    )


def _over_budget(scene: Scene, found: Repaired, heard: Mapping[int, int]) -> set[str]:
    """Everything of those who would hear too often of what they could be spared; what is forced counts first."""
    forced = set(found.had_to_move)
    hears = Counter(_owner(scene.rows[name]) for name in found.moved)
    troubled = {_owner(scene.rows[name]) for name in found.moved if name not in forced} - {NOBODY}
    over = {member for member in troubled if heard[member] + hears[member] > CHANGES_A_DAY}
    return {name for name, row in scene.rows.items() if _owner(row) in over}


def _owner(row: Claim) -> int:
    return row.member_id or NOBODY


def _write(uow: UnitOfWork, scene: Scene, found: Repaired) -> int:
    """Places, promises and reasons of what moves, and messages to whom it matters; how many were told."""
    sight, rows, unplaced = scene.sight, scene.rows, found.plan.unplaced
    changes = {
        name: slots
        for name, slots in found.plan.slots.items()
        if rows[name].state is ClaimState.OPEN or slots != scene.plan.slots.get(name)
    }
    for name in unplaced:
        if rows[name].state is ClaimState.HELD:
            calendar.release(uow, rows[name], "replan")
    if changes:
        held = {
            name: [sight.place(slot, rows[name].needs[slot.need].id) for slot in slots]
            for name, slots in changes.items()
        }
        calendar.swap(uow, held)
    board = Board(scene.problem, found.plan)
    demands = {demand.id: demand for demand in scene.problem.demands}
    told = 0
    for name, slots in changes.items():
        claim, place = rows[name], insertion_of(slots)
        board.remove(name)
        claim.reasons = reasons_for(sight, demands[name], place, board)
        board.place(slots)
        remember(uow, sight, claim, place)
        keep(sight, claim, place)
        told += tell_if_moved(uow, claim)
    for name, why in unplaced.items():
        claim = rows[name]
        claim.reasons = reasons_for(sight, demands[name], why, board)
        claim.ready_at = claim.ready_from = claim.ready_until = None
        told += tell_if_moved(uow, claim)
    return told
