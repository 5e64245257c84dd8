"""Why here, why not earlier, why not there, and what would work instead: codes and facts, never
sentences.

Nothing is guessed after the event. The lane's own search is run again with a trace, so an explanation
names the very rules that moved the start, in the order it met them. All instants in facts are minutes
from the origin.

release, machine_busy, faulty, blocked, house_closed, not_staffed, setup_needs_person,
unattended_too_long, start_not_allowed, next_needs_setup, waits_for_others, could_be_earlier why not
earlier here, not_eligible, faulty, later_there, as_good_there, earlier_there why not that machine
other_start, shorter_run, smaller_group, if_others_moved the nearest that works
"""

from __future__ import annotations

from dataclasses import replace

from scheduler.greedy import Board, Insertion
from scheduler.lanes import Lane, Wait, shape_of
from scheduler.plan import Plan, Reason
from scheduler.problem import Demand, Fact, Problem, Slot, Why

__all__ = ["Reason", "nearest", "why_not_earlier", "why_not_machine"]


def why_not_earlier(problem: Problem, plan: Plan, demand: Demand) -> tuple[Reason, ...]:
    """What stood between a placed demand and an earlier start on the machines it has, in order of time.

    Facts: `machine`, `since` and `until` (no start in between), and for what is busy `by` (the demand, or
    the ref of an outage). Empty: it starts as early as it may. Raises KeyError if the demand has no
    slots.
    """
    slots = plan.slots[demand.id]
    board = Board(problem, plan.without(demand.id))
    reasons: list[Reason] = []
    if demand.release > 0:
        reasons.append(Reason(code="release", facts={"until": demand.release}))
    for slot in slots:
        reasons += _slot_reasons(board, demand, slot)
    return tuple(reasons)


def why_not_machine(problem: Problem, plan: Plan, demand: Demand, machine: int) -> Reason:
    """Why a placed demand is not on `machine`; for a gang, why that machine is not one of its members.

    `not_eligible` hands through the planner's own `reason`; the others say `start` and `ready_at` there.
    """
    slots = plan.slots[demand.id]
    if any(slot.machine == machine for slot in slots):
        return Reason(code="here", facts={"machine": machine})
    number = next((k for k, need in enumerate(demand.needs) if machine in need.eligible), None)
    if number is None:
        why = demand.not_eligible.get(machine, "unknown")
        return Reason(code="not_eligible", facts={"machine": machine, "reason": why})
    board = Board(problem, plan.without(demand.id))
    lane = board.lanes[machine]
    shape = shape_of(demand, number, lane.machine)
    trace: list[Wait] = []
    fit = lane.first(shape, slots[0].run_start if demand.is_gang else 0, trace=trace)
    if fit is None:
        return board.reason(lane, shape)
    facts: dict[str, Fact] = {"machine": machine, "start": fit.run_start, "ready_at": fit.free_at}
    ready_at = plan.ready_at(demand.id)
    if fit.free_at < ready_at and not demand.is_gang:
        return Reason(code="earlier_there", facts=facts)
    if fit.free_at <= ready_at:
        return Reason(code="as_good_there", facts=facts)
    outage = next((w for w in trace if _code(lane, w) == "faulty"), None)
    if outage and outage.entry and outage.entry.block:
        more: dict[str, Fact] = {"until": outage.until, "by": outage.entry.block.ref}
        return Reason(code="faulty", facts={**facts, **more})
    return Reason(code="later_there", facts={**facts, "later_min": fit.free_at - ready_at})


def nearest(problem: Problem, plan: Plan, demand: Demand) -> tuple[Reason, ...]:
    """What would work for a demand that has no place: one changed thing each, the least asked of people
    first.

    Facts: `machine`, `start`, `ready_at`; for `shorter_run` the longest `run_min` that fits, for
    `smaller_group` the `need` and the `quantity` it could have. Empty: nothing this knows to change would
    help.
    """
    board = Board(problem, plan.without(demand.id))
    found = _would(board, demand, "fits_now")
    if found:
        return tuple(found)
    if demand.starts:
        found += _would(board, replace(demand, starts=()), "other_start")
    if demand.is_gang:
        found += _smaller_group(board, demand)
    found += _shorter_run(board, demand)
    found += _would(Board(problem), demand, "if_others_moved")
    return tuple(found)


def _slot_reasons(board: Board, demand: Demand, slot: Slot) -> list[Reason]:
    lane = board.lanes[slot.machine]
    trace: list[Wait] = []
    fit = lane.first(shape_of(demand, slot.need, lane.machine), trace=trace)
    reasons: list[Reason] = []
    for wait in trace:
        reason = _reason(lane, replace(wait, until=min(wait.until, slot.run_start)))
        if wait.at >= slot.run_start:  # the plan is older than the problem: nothing explains what may not be
            break
        if reasons and _only_sets_up(wait, reasons[-1], slot):
            reasons[-1] = replace(reasons[-1], facts={**reasons[-1].facts, "until": wait.until})
        else:
            reasons.append(reason)
    if fit and fit.run_start < slot.run_start:
        code = "waits_for_others" if demand.is_gang else "could_be_earlier"
        reasons.append(Reason(code=code, facts={"machine": slot.machine, "since": fit.run_start}))
    return reasons


def _only_sets_up(wait: Wait, before: Reason, slot: Slot) -> bool:
    """A person came at the last minute named, and what is left to wait for is that person's own set-up."""
    at_once = before.code != "machine_busy" and before.facts.get("until") == wait.at
    return at_once and wait.code == "setup_needs_person" and wait.until - wait.at <= slot.setup_min


def _reason(lane: Lane, wait: Wait) -> Reason:
    facts: dict[str, Fact] = {"machine": lane.machine.index, "since": wait.at, "until": wait.until}
    if wait.entry and wait.entry.slot:
        facts["by"] = wait.entry.slot.demand
    if wait.entry and wait.entry.block:
        facts["by"] = wait.entry.block.ref
    if wait.code == "unattended_too_long":
        facts["limit_min"] = lane.machine.unattended_max_min
    return Reason(code=_code(lane, wait), facts=facts)


def _code(lane: Lane, wait: Wait) -> str:
    """A lane knows that nobody is there; that the whole house is shut says more."""
    if wait.entry and wait.entry.block:
        return "faulty" if wait.entry.block.why is Why.OUTAGE else "blocked"
    if wait.code in ("setup_needs_person", "not_staffed") and lane.open.room(wait.at, 1) != wait.at:
        return "house_closed"
    return wait.code


def _would(board: Board, demand: Demand, code: str, facts: dict[str, Fact] | None = None) -> list[Reason]:
    place = board.insert(demand)
    if not isinstance(place, Insertion):
        return []
    where: dict[str, Fact] = {"machine": place.slots[0].machine, "start": place.run_start}
    return [Reason(code=code, facts={**where, "ready_at": place.ready_at, **(facts or {})})]


def _shorter_run(board: Board, demand: Demand) -> list[Reason]:
    """By bisection: whatever a run fits into, a shorter one fits into too."""
    short, long = 0, max(demand.duration_min.values(), default=0)
    while long - short > 1:
        middle = (short + long) // 2
        if isinstance(board.insert(_capped(demand, middle)), Insertion):
            short = middle
        else:
            long = middle
    return _would(board, _capped(demand, short), "shorter_run", {"run_min": short}) if short else []


def _capped(demand: Demand, run_min: int) -> Demand:
    return replace(demand, duration_min={m: min(d, run_min) for m, d in demand.duration_min.items()})


def _smaller_group(board: Board, demand: Demand) -> list[Reason]:
    found: list[Reason] = []
    for number, need in enumerate(demand.needs):
        for quantity in range(need.quantity - 1, 0, -1):
            needs = tuple(
                replace(n, quantity=quantity) if k == number else n for k, n in enumerate(demand.needs)
            )
            facts: dict[str, Fact] = {"need": number, "quantity": quantity}
            works = _would(board, replace(demand, needs=needs), "smaller_group", facts)
            if works:
                found += works
                break
    return found
