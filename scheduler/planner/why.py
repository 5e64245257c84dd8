"""A claim explained as the calendar is now: why here, why not earlier, why not there, and what would help.

What is written on a claim (`reasons_for`) was true when it was placed; this looks again, and costs a look at the
house and some dozens of insertions, so it is made when somebody asks and never inside a submission.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.base.errors import NotFound
from fablab.claims import calendar
from fablab.claims.models import Claim, ClaimKind, ClaimState
from scheduler import explain as mathematics
from scheduler.greedy import Board
from scheduler.plan import Unplaced
from scheduler.planner.hints import MOST_HELPS, Shelf, named, scope_of, shelf_of, would_help
from scheduler.planner.reasons import MOST_REASONS, Told, Whose, placed, told
from scheduler.planner.standing import Standing, stand
from scheduler.problem import Block, Demand, Problem, Slot

#: Whether the viewer may know what a claim of this member is about.
Knows = Callable[[int | None], bool]


def explain(uow: UnitOfWork, claim: Claim, *, weight_g: float = 0.0, knows: Knows | None = None) -> Told:
    """Reasons as `claim.reasons` has them, about here, not_earlier, not_there and would_help; for a claim without a
    place about unplaced and nearest. What is written on it, where a run stands on it or it is over, and for what a
    person put where it is: a reservation is there because somebody wanted that hour.

    `weight_g`: only spools that have as much left are suggested. `knows`: whose claims may be named; nobody's if None.
    """
    if claim.kind is not ClaimKind.JOB:
        return list(claim.reasons)
    standing = stand(uow, lead=timedelta())
    slots = _slots_of(standing, claim)
    is_open = claim.state is ClaimState.OPEN
    if slots is None or not (slots or is_open):
        return list(claim.reasons)
    sight, demand = standing.sight, _demand_of(standing, claim, slots)
    if any(slot.machine not in demand.duration_min for slot in slots):  # barred since it was placed there
        return list(claim.reasons)
    board = Board(_others(uow, standing.problem, claim.id), standing.plan.without(claim.id))
    shelf = shelf_of(uow, claim, weight_g)
    if slots:
        ready_at = max(slot.free_at for slot in slots)
        said = placed(sight, board, demand, slots, _whose(uow, knows))
        if claim.id not in standing.plan.slots:
            said = [_kept(each) for each in said]
        return said + would_help(sight, board, demand, ready_at, claim, shelf)
    return _without_place(standing, board, demand, claim, shelf)


def _kept(said: dict[str, object]) -> dict[str, object]:
    """Of a place that the plan leaves alone (it starts soon, or a person chose it): better ones are not followed."""
    facts = said["facts"]
    if said["code"] not in ("fits_now", "earlier_there", "could_be_earlier") or not isinstance(facts, dict):
        return said
    return {**said, "facts": {**facts, "kept": True}}


def _without_place(standing: Standing, board: Board, demand: Demand, claim: Claim, shelf: Shelf) -> Told:
    sight, found = standing.sight, board.insert(demand)
    reasons = found.reasons[:MOST_REASONS] if isinstance(found, Unplaced) else ()
    facts_only = Board(replace(standing.problem, demands=()))
    near = mathematics.nearest_on(board, demand, facts_only, scope=scope_of(claim, shelf))
    return [told(sight, "unplaced", r) for r in reasons] + named(sight, "nearest", near[:MOST_HELPS], shelf)


def _whose(uow: UnitOfWork, knows: Knows | None) -> Whose:
    """Title and member of a claim that the viewer may know."""

    def facts(claim_id: str) -> dict[str, object]:
        if knows is None:
            return {}
        try:
            claim = calendar.claim(uow, claim_id)
        except NotFound:
            return {}
        if not knows(claim.member_id):
            return {}
        return {"title": claim.title, "who": claim.member.name if claim.member else ""}

    return facts


def _others(uow: UnitOfWork, problem: Problem, claim_id: str) -> Problem:
    """The problem without this claim. Outages are claims like all others; here they become blocks of their machine, so
    that what is out of service is not called busy."""
    query = select(Claim.id).where(Claim.kind == ClaimKind.OUTAGE, Claim.state == ClaimState.HELD)
    outages = set(uow.session.scalars(query))
    blocks: dict[int, list[Block]] = {}
    for slot in problem.fixed:
        if slot.demand in outages and slot.free_at > 0:
            block = Block(start=max(0, slot.setup_start), end=slot.free_at, ref=slot.demand)
            blocks.setdefault(slot.machine, []).append(block)
    return replace(
        problem,
        machines=tuple(
            replace(machine, blocked=(*machine.blocked, *blocks[machine.index]))
            if machine.index in blocks
            else machine
            for machine in problem.machines
        ),
        demands=tuple(demand for demand in problem.demands if demand.id != claim_id),
        fixed=tuple(slot for slot in problem.fixed if slot.demand not in outages | {claim_id}),
    )


def _slots_of(standing: Standing, claim: Claim) -> tuple[Slot, ...] | None:
    """Where the claim is; nothing where it has no place, None where something has begun there."""
    if claim.id in standing.plan.slots:
        return standing.plan.slots[claim.id]
    numbers = {need.id: number for number, need in enumerate(claim.needs)}
    found: list[Slot] = []
    for place in calendar.current(claim):
        machine = standing.sight.index.get(place.resource_id)
        facts = (s for s in standing.problem.fixed if (s.demand, s.machine) == (claim.id, machine))
        slot = next(facts, None)
        if slot is None or slot.setup_start < 0 or place.run_id is not None:
            return None
        family = slot.family if standing.problem.machines[slot.machine].loads else None
        found.append(replace(slot, need=numbers.get(place.need_id or 0, 0), family=family))
    return tuple(sorted(found, key=lambda slot: (slot.need, slot.machine)))


def _demand_of(standing: Standing, claim: Claim, slots: tuple[Slot, ...]) -> Demand:
    """With the minutes that its place was made with, whatever has been learnt since."""
    known = next((demand for demand in standing.problem.demands if demand.id == claim.id), None)
    if known is not None:
        return known
    demand = standing.sight.demand(claim)
    kept = {s.machine: s.run_end - s.run_start for s in slots if s.machine in demand.duration_min}
    return replace(demand, duration_min={**demand.duration_min, **kept})
