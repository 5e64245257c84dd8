"""Why a place is where it is, or why there is none, as codes and facts that outlive the look they came from."""

from __future__ import annotations

from collections.abc import Collection

from scheduler import explain
from scheduler.greedy import Board, Insertion
from scheduler.plan import Plan, Reason, Unplaced
from scheduler.problem import Demand, Problem
from scheduler.sight import Sight

MOST_REASONS = 8

#: Facts of a reason that are minutes from the origin, and become instants for whoever reads them.
_INSTANTS = frozenset({"since", "until", "start", "ready_at", "horizon"})


def reasons_for(
    sight: Sight, demand: Demand, found: Insertion | Unplaced, board: Board | None = None
) -> list[dict[str, object]]:
    """The explanation as codes and facts that outlive this look: names instead of indices, instants instead of minutes."""
    if isinstance(found, Unplaced):
        near = explain.nearest(problem_with(sight.problem, board), Plan(), demand)
        return [told(sight, "unplaced", r) for r in found.reasons[:MOST_REASONS]] + [
            told(sight, "nearest", r) for r in near[:3]
        ]
    plan = Plan().with_slots(found.slots)
    taken = {slot.machine for slot in found.slots}
    here = problem_with(sight.problem, board, taken)
    why = [told(sight, "not_earlier", r) for r in explain.why_not_earlier(here, plan, demand)[:MOST_REASONS]]
    others = [m for need in demand.needs for m in need.eligible if m not in taken] + list(demand.not_eligible)
    seen = dict.fromkeys(others)
    return why + [
        told(
            sight,
            "not_there",
            explain.why_not_machine(problem_with(sight.problem, board, {m}), plan, demand, m),
        )
        for m in list(seen)[:MOST_REASONS]
    ]


def problem_with(problem: Problem, board: Board | None, on: Collection[int] | None = None) -> Problem:
    """The problem with what this transaction has placed so far counted as fixed; `on`: on these machines alone, which
    is all that an explanation of them looks at."""
    if board is None:
        return problem
    lanes = board.lanes if on is None else [board.lanes[machine] for machine in on]
    slots = tuple(entry.slot for lane in lanes for entry in lane.entries if entry.slot is not None)
    return Problem(horizon_min=problem.horizon_min, machines=problem.machines, fixed=slots)


def told(sight: Sight, about: str, reason: Reason) -> dict[str, object]:
    facts: dict[str, object] = {}
    for name, value in reason.facts.items():
        if name == "machine" and isinstance(value, int):
            facts["machine"] = sight.names[value]
        elif name in _INSTANTS and isinstance(value, int):
            facts[name] = sight.instant(value).isoformat()
        elif name != "by":  # whose claim it is stays between its owner and the staff
            facts[name] = value
    return {"about": about, "code": reason.code, "facts": facts}
