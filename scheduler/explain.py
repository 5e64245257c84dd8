"""Why here, why not earlier, why not there, and what would work instead: codes and facts, never
sentences.

Nothing is guessed after the event. The lane's own search is run again with a trace, so an explanation
names the very rules that moved the start, in the order it met them. All instants in facts are minutes
from the origin.

    why here            earliest_ready, earliest_start, before_due, liked_date, as_told, no_setup, quieter_day, less_wear,
                        fits_now
    why not earlier     release, machine_busy, faulty, blocked, house_closed, not_staffed, setup_needs_person,
                        unattended_too_long, start_not_allowed, next_needs_setup, waits_for_others, could_be_earlier
    why not there       here, not_eligible, faulty, later_there, as_good_there, earlier_there
    what would help     `scheduler.helps`
    the nearest         fits_now, what would help, shorter_run, if_others_moved

Each question comes twice: of a problem and a plan, and (`..._on`) of a board that somebody has laid out anyway, with
the demand not on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from scheduler import helps, options
from scheduler.greedy import Board, Insertion
from scheduler.helps import Help, Scope
from scheduler.lanes import Lane, Wait, shape_of
from scheduler.plan import Plan, Reason
from scheduler.problem import Demand, Fact, Problem, Slot, Why

__all__ = [
    "Help",
    "Reason",
    "Scope",
    "nearest",
    "nearest_on",
    "what_would_help",
    "why_here",
    "why_here_on",
    "why_not_earlier",
    "why_not_earlier_on",
    "why_not_machine",
    "why_not_machine_on",
]

COMPARED = 3  # best places that a place is compared with


def why_here(problem: Problem, plan: Plan, demand: Demand) -> tuple[Reason, ...]:
    """What speaks for the place that a demand has, beside the best ones it could have: the reasons of `options`.

    `fits_now` with `machine`, `start` and `ready_at` where an earlier place is free by now. Raises KeyError if the
    demand has no slots.
    """
    return why_here_on(Board(problem, plan.without(demand.id)), demand, plan.slots[demand.id])


def why_here_on(board: Board, demand: Demand, slots: Sequence[Slot]) -> tuple[Reason, ...]:
    place = options.option_of(demand, tuple(slots))
    others = [o for o in options.options(board, demand, COMPARED) if o.slots != place.slots]
    (chosen, *_) = options.with_reasons(board, demand, [place, *others])
    reasons = tuple(reason for reason in chosen.reasons if reason.code != "next_best")
    if demand.dislike_min:  # then the best places are the best liked, not the soonest
        return tuple(reason for reason in reasons if reason.code != "earliest_ready")
    better = min(others, key=lambda option: option.ready_at, default=place)
    if better.ready_at < place.ready_at:
        where: dict[str, Fact] = {"machine": better.slots[0].machine, "start": better.run_start}
        return (*reasons, Reason(code="fits_now", facts={**where, "ready_at": better.ready_at}))
    return reasons


def why_not_earlier(problem: Problem, plan: Plan, demand: Demand) -> tuple[Reason, ...]:
    """What stood between a placed demand and an earlier start on the machines it has, in order of time.

    Facts: `machine`, `since` and `until` (no start in between), and for what is busy `by` (the demand, or
    the ref of an outage). Empty: it starts as early as it may. Raises KeyError if the demand has no
    slots.
    """
    return why_not_earlier_on(Board(problem, plan.without(demand.id)), demand, plan.slots[demand.id])


def why_not_earlier_on(board: Board, demand: Demand, slots: Iterable[Slot]) -> tuple[Reason, ...]:
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
    board = Board(problem, plan.without(demand.id))
    return why_not_machine_on(board, demand, plan.slots[demand.id], machine)


def why_not_machine_on(board: Board, demand: Demand, slots: Sequence[Slot], machine: int) -> Reason:
    if any(slot.machine == machine for slot in slots):
        return Reason(code="here", facts={"machine": machine})
    number = next((k for k, need in enumerate(demand.needs) if machine in need.eligible), None)
    if number is None:
        why = demand.not_eligible.get(machine, "unknown")
        return Reason(code="not_eligible", facts={"machine": machine, "reason": why})
    lane = board.lanes[machine]
    shape = shape_of(demand, number, lane.machine)
    trace: list[Wait] = []
    fit = lane.first(shape, slots[0].run_start if demand.is_gang else 0, trace=trace)
    if fit is None:
        return board.reason(lane, shape)
    facts: dict[str, Fact] = {"machine": machine, "start": fit.run_start, "ready_at": fit.free_at}
    ready_at = max(slot.free_at for slot in slots)
    if fit.free_at < ready_at and not demand.is_gang:
        return Reason(code="earlier_there", facts=facts)
    if fit.free_at <= ready_at:
        return Reason(code="as_good_there", facts=facts)
    outage = next((w for w in trace if _code(lane, w) == "faulty"), None)
    if outage and outage.entry and outage.entry.block:
        more: dict[str, Fact] = {"until": outage.until, "by": outage.entry.block.ref}
        return Reason(code="faulty", facts={**facts, **more})
    return Reason(code="later_there", facts={**facts, "later_min": fit.free_at - ready_at})


def what_would_help(
    problem: Problem, plan: Plan, demand: Demand, *, scope: Scope | None = None
) -> tuple[Help, ...]:
    """What would have a placed demand ready earlier, the most gain for what it asks of people first: `helps.earlier`.

    Raises KeyError if the demand has no slots.
    """
    ready_at = plan.ready_at(demand.id)
    return helps.earlier(Board(problem, plan.without(demand.id)), demand, ready_at, scope=scope)


def nearest(
    problem: Problem, plan: Plan, demand: Demand, *, scope: Scope | None = None
) -> tuple[Reason, ...]:
    """What would work for a demand that has no place: one changed thing each, the least asked of people
    first.

    Facts: `machine`, `start`, `ready_at`, and what is changed as in `scheduler.helps`; for `shorter_run` the longest
    `run_min` that fits. `if_others_moved`: what lies there could give way. Empty: nothing this knows to change would
    help.
    """
    board = Board(problem, plan.without(demand.id))
    return nearest_on(board, demand, Board(problem), scope=scope)


def nearest_on(
    board: Board, demand: Demand, bare: Board, *, scope: Scope | None = None
) -> tuple[Reason, ...]:
    """`bare`: the same house with nothing on it but what cannot be moved."""
    found = _would(board, demand, "fits_now")
    if found:
        return tuple(found)
    found = [help_.reason for help_ in helps.possible(board, demand, scope=scope)]
    found += _shorter_run(board, demand)
    found += _would(bare, demand, "if_others_moved")
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
