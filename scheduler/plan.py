"""An answer of the solver: who holds which machine when, what could not be placed and why, and how good
that is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from scheduler.problem import Demand, Fact, Problem, Slot

__all__ = ["Objective", "Plan", "Reason", "Slot", "Unplaced", "objective"]

MACHINE_CHANGE_MIN = 60  # a promise moved to another machine counts as one moved by an hour


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """A code and the facts its words need; the words live at the edge. `machine` is in the facts where it
    matters.
    """

    code: str
    facts: Mapping[str, Fact] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Unplaced:
    """A demand with no place before the horizon: one reason for each eligible machine, or one for the
    gang.
    """

    demand: str
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`slots`: by demand id, a gang's members in the order of its needs and machines. Fixed slots are not
    in it.
    """

    slots: Mapping[str, tuple[Slot, ...]] = field(default_factory=lambda: MappingProxyType({}))
    unplaced: Mapping[str, Unplaced] = field(default_factory=lambda: MappingProxyType({}))

    def with_slots(self, slots: Iterable[Slot]) -> Plan:
        """This plan with these slots in place of all those their demands had."""
        added: dict[str, tuple[Slot, ...]] = {}
        for slot in slots:
            added[slot.demand] = (*added.get(slot.demand, ()), slot)
        unplaced = {name: entry for name, entry in self.unplaced.items() if name not in added}
        return Plan(slots={**self.slots, **added}, unplaced=unplaced)

    def without(self, *demands: str) -> Plan:
        gone = set(demands)
        return Plan(
            slots={name: slots for name, slots in self.slots.items() if name not in gone},
            unplaced={name: entry for name, entry in self.unplaced.items() if name not in gone},
        )

    def ready_at(self, demand: str) -> int:
        """When the last member is cleared: a part on a bed nobody has come to is not ready. KeyError if
        unplaced.
        """
        return max(slot.free_at for slot in self.slots[demand])


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Objective:
    """Less is better, and an earlier field is never paid for by a later one (compare with `<`).

    `unplaced`: weight of what has no place. `tardiness`: weighted minutes past due. `moved`: weighted
    minutes away from what people were told, a changed machine counting `MACHINE_CHANGE_MIN`. `disliked`:
    weighted minutes of reluctance against the dates taken. `setup_min`: a person's minutes. `earliness`:
    the sum of all ready instants.
    """

    unplaced: float
    tardiness: float
    moved: float
    disliked: float
    setup_min: int
    earliness: int


def objective(problem: Problem, plan: Plan) -> Objective:
    """Of the problem's demands only; those in neither part of the plan count as unplaced."""
    unplaced = tardiness = moved = disliked = 0.0
    setup_min = earliness = 0
    for demand in problem.demands:
        slots = plan.slots.get(demand.id)
        if not slots:
            unplaced += demand.weight
            continue
        ready = plan.ready_at(demand.id)
        if demand.due is not None:
            tardiness += demand.weight * max(0, ready - demand.due)
        moved += demand.weight * _moved_min(demand, slots)
        disliked += demand.weight * demand.dislike_of(slots[0].run_start)
        setup_min += sum(slot.setup_min for slot in slots)
        earliness += ready
    return Objective(
        unplaced=unplaced,
        tardiness=tardiness,
        moved=moved,
        disliked=disliked,
        setup_min=setup_min,
        earliness=earliness,
    )


def _moved_min(demand: Demand, slots: tuple[Slot, ...]) -> int:
    if demand.told is None:
        return 0
    changed = len({slot.machine for slot in slots} - set(demand.told.machines))
    return abs(slots[0].run_start - demand.told.start) + MACHINE_CHANGE_MIN * changed
