"""Why a place is where it is, or why there is none, as codes and facts that outlive the look they came from."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from scheduler import explain
from scheduler.greedy import Board, Insertion
from scheduler.helps import Scope
from scheduler.plan import Reason, Unplaced
from scheduler.problem import Demand, Slot
from scheduler.sight import Sight

MOST_REASONS = 8
MOST_NEAREST = 3
MOST_GOOD = 2  # what speaks for a place: more would not be read

#: Reasons why a machine is barred that somebody could do something about.
CURES = frozenset({"machine.other_nozzle", "machine.other_model", "certification.missing", "barred.by_staff"})

#: Facts of a reason that are minutes from the origin, and become instants for whoever reads them.
_INSTANTS = frozenset({"since", "until", "start", "ready_at", "horizon", "day"})

#: Whose claim stands in the way, as facts; nothing where that stays between its owner and the staff.
Whose = Callable[[str], dict[str, object]]

Told = list[dict[str, object]]


def nobody(_claim_id: str) -> dict[str, object]:
    return {}


def reasons_for(
    sight: Sight, demand: Demand, found: Insertion | Unplaced, board: Board | None = None
) -> Told:
    """What is written on the claim itself. `board`: how all others lie, the demand not on it; None: as in the sight."""
    board = board or Board(sight.problem)
    if isinstance(found, Unplaced):
        near = explain.nearest_on(board, demand, Board(sight.problem), scope=Scope(families=(), cures=CURES))
        said = [told(sight, "nearest", r) for r in near]
        return [told(sight, "unplaced", r) for r in found.reasons[:MOST_REASONS]] + said[:MOST_NEAREST]
    return placed(sight, board, demand, found.slots)


def placed(sight: Sight, board: Board, demand: Demand, slots: Sequence[Slot], whose: Whose = nobody) -> Told:
    """Why here, why not earlier, why not there."""
    here = _telling(explain.why_here_on(board, demand, slots))
    earlier = explain.why_not_earlier_on(board, demand, slots)[:MOST_REASONS]
    taken = {slot.machine for slot in slots}
    machines = [m for need in demand.needs for m in need.eligible] + list(demand.not_eligible)
    others = [machine for machine in dict.fromkeys(machines) if machine not in taken][:MOST_REASONS]
    there = [explain.why_not_machine_on(board, demand, slots, machine) for machine in others]
    return [
        told(sight, about, reason, whose)
        for about, reasons in (("here", here), ("not_earlier", earlier), ("not_there", there))
        for reason in reasons
    ]


def _telling(here: Sequence[Reason]) -> list[Reason]:
    """The strongest few, and that there is a better place by now."""
    ready = any(reason.code == "earliest_ready" for reason in here)
    good = [r for r in here if r.code != "fits_now" and not (ready and r.code == "earliest_start")]
    return [*good[:MOST_GOOD], *(reason for reason in here if reason.code == "fits_now")]


def told(sight: Sight, about: str, reason: Reason, whose: Whose = nobody) -> dict[str, object]:
    facts: dict[str, object] = {}
    for name, value in reason.facts.items():
        if name == "machine" and isinstance(value, int):
            facts["machine"] = sight.names[value]
        elif name in _INSTANTS and isinstance(value, int):
            facts[name] = sight.instant(value).isoformat()
        elif name == "by":
            facts |= whose(str(value))
        else:
            facts[name] = value
    return {"about": about, "code": reason.code, "facts": facts}
