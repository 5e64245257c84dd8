"""Whether a plan may be lived by: every hard rule, judged without a line of the solver's own code.

Nothing is clever here on purpose. Each rule scans the pieces it needs; what lies on a machine is gone
through once in order of time. A plan that passes can be carried out as it stands; how good it is,
`plan.objective` says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from scheduler.plan import Plan
from scheduler.problem import Demand, Fact, Family, Machine, Need, Piece, Presence, Problem, Slot

Held = tuple[Slot, bool]  # what lies on a machine, and whether the plan put it there (else it is fixed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One hard rule broken: `code` names the rule, `demand` who breaks it."""

    code: str
    demand: str
    machine: int | None = None
    facts: Mapping[str, Fact] = field(default_factory=lambda: MappingProxyType({}))


def violations(problem: Problem, plan: Plan) -> tuple[Violation, ...]:
    """Every breach, not only the first; empty when the plan is sound."""
    found: list[Violation] = []
    demands = {demand.id: demand for demand in problem.demands}
    named = dict.fromkeys([*plan.slots, *plan.unplaced])
    found += (Violation(code="unknown_demand", demand=name) for name in named if name not in demands)
    for demand in problem.demands:
        slots = plan.slots.get(demand.id, ())
        if bool(slots) == (demand.id in plan.unplaced):
            found.append(Violation(code="placed_and_unplaced" if slots else "forgotten", demand=demand.id))
        if slots:
            found += _gang(demand, slots)
        for slot in slots:
            found += _slot(problem, demand, slot)
    on_it: dict[int, list[Held]] = {machine.index: [] for machine in problem.machines}
    for slot in (slot for slots in plan.slots.values() for slot in slots):
        on_it.get(slot.machine, []).append((slot, True))
    for slot in problem.fixed:
        on_it[slot.machine].append((slot, False))
    for machine in problem.machines:
        order = sorted(on_it[machine.index], key=lambda held: (held[0].setup_start, held[0].free_at))
        found += _overlaps(machine, order)
        found += _setups(machine, order, demands)
    return tuple(found)


def _gang(demand: Demand, slots: Sequence[Slot]) -> Iterator[Violation]:
    for number, need in enumerate(demand.needs):
        members = [slot for slot in slots if slot.need == number]
        if len(members) != need.quantity:
            facts: dict[str, Fact] = {"need": number, "wanted": need.quantity, "found": len(members)}
            yield Violation(code="wrong_quantity", demand=demand.id, facts=facts)
    if len({slot.machine for slot in slots}) != len(slots):
        yield Violation(code="machine_twice", demand=demand.id)
    if len({slot.run_start for slot in slots}) != 1:
        yield Violation(code="not_together", demand=demand.id)
    if any(slot.demand != demand.id for slot in slots):
        yield Violation(code="wrong_owner", demand=demand.id)


def _slot(problem: Problem, demand: Demand, slot: Slot) -> Iterator[Violation]:
    """The rules one slot keeps or breaks by itself."""
    if not 0 <= slot.need < len(demand.needs):
        yield Violation(code="no_such_need", demand=demand.id, machine=slot.machine)
        return
    need: Need = demand.needs[slot.need]
    if slot.machine not in need.eligible:
        yield Violation(code="not_eligible", demand=demand.id, machine=slot.machine)
        return
    machine = problem.machines[slot.machine]
    clear_min = demand.clear_min if need.clear_min is None else need.clear_min
    for code, broken in (
        ("times_out_of_order", not slot.setup_start <= slot.run_start < slot.run_end <= slot.free_at),
        ("wrong_family", slot.family != (demand.family if machine.loads else None)),
        ("wrong_duration", slot.run_end - slot.run_start != demand.duration_min[slot.machine]),
        ("too_early", slot.setup_start < max(0, demand.release)),
        ("beyond_horizon", slot.free_at > problem.horizon_min),
        ("start_not_allowed", not _start_allowed(demand, slot)),
        ("setup_unstaffed", not _inside(machine.staffed, slot.setup_start, slot.run_start)),
        ("clearing_short", slot.free_at - slot.run_end < clear_min),
        ("clearing_unstaffed", not _inside(machine.staffed, slot.free_at - clear_min, slot.free_at)),
        ("start_alone", not _start_seen(demand, machine, slot)),
    ):
        if broken:
            yield Violation(code=code, demand=demand.id, machine=slot.machine)
    run_rule = _run_rule(demand, machine, slot)
    if run_rule:
        yield Violation(code=run_rule, demand=demand.id, machine=slot.machine)


def _start_allowed(demand: Demand, slot: Slot) -> bool:
    return not demand.starts or any(start <= slot.run_start < end for start, end in demand.starts)


def _start_seen(demand: Demand, machine: Machine, slot: Slot) -> bool:
    """Somebody sees the run begin: at the end of a set-up, by being there, or it is not needed."""
    if slot.setup_min or demand.presence is Presence.HOUSE or machine.night_start_ok:
        return True
    return _inside(machine.staffed, slot.run_start, slot.run_start + 1)


def _run_rule(demand: Demand, machine: Machine, slot: Slot) -> str | None:
    if demand.presence is Presence.HOUSE:
        return None if _inside(machine.open, slot.run_start, slot.run_end) else "house_closed"
    if demand.presence is Presence.NOBODY and machine.unattended_max_min:
        alone_min = _longest_alone(machine.staffed, slot.run_start, slot.run_end)
        return None if alone_min <= machine.unattended_max_min else "unattended_too_long"
    return None if _inside(machine.staffed, slot.run_start, slot.run_end) else "run_unstaffed"


def _inside(calendar: Sequence[Piece], start: int, end: int) -> bool:
    return start >= end or any(piece.start <= start and end <= piece.end for piece in calendar)


def _longest_alone(staffed: Sequence[Piece], start: int, end: int) -> int:
    longest, since = 0, start
    for piece in staffed:
        if piece.end <= start or piece.start >= end:
            continue
        longest = max(longest, piece.start - since)
        since = piece.end
    return max(longest, end - since)


def _overlaps(machine: Machine, order: Sequence[Held]) -> Iterator[Violation]:
    """Nothing planned lies over anything else; facts may lie over each other."""
    before: list[Held] = []
    for slot, is_planned in order:
        before = [held for held in before if held[0].free_at > slot.setup_start]
        for other, other_is_planned in before:
            if is_planned or other_is_planned:
                one, two = (slot, other) if is_planned else (other, slot)
                facts: dict[str, Fact] = {"other": two.demand}
                yield Violation(code="overlap", demand=one.demand, machine=machine.index, facts=facts)
        before.append((slot, is_planned))
        if is_planned and any(b.start < slot.free_at and slot.setup_start < b.end for b in machine.blocked):
            yield Violation(code="blocked", demand=slot.demand, machine=machine.index)


def _setups(machine: Machine, order: Sequence[Held], demands: Mapping[str, Demand]) -> Iterator[Violation]:
    """Set-up is long enough for what the machine was left with.

    A fixed slot is judged only where a planned one has changed what it finds: its own shape is a fact.
    """
    loaded, by_plan = machine.loaded, False
    for slot, is_planned in order:
        wanted = 0
        if machine.loads and slot.family and (is_planned or by_plan):
            wanted = _change_min(machine, loaded, slot.family)
        demand = demands.get(slot.demand)
        if is_planned and demand and 0 <= slot.need < len(demand.needs):
            own = demand.needs[slot.need].setup_min
            wanted += demand.setup_min if own is None else own
        if slot.run_start - slot.setup_start < wanted:
            facts: dict[str, Fact] = {"wanted_min": wanted, "found_min": slot.run_start - slot.setup_start}
            yield Violation(code="setup_short", demand=slot.demand, machine=machine.index, facts=facts)
        if slot.family:
            loaded, by_plan = slot.family, is_planned


def _change_min(machine: Machine, before: Family | None, after: Family) -> int:
    """The dearest of the differences, written out again so that a slip in `SetupRule` cannot hide."""
    assert machine.loads is not None
    rule = machine.loads
    if before is None:
        return rule.material_min
    if before.nozzle != after.nozzle:
        return rule.nozzle_min
    if before.material != after.material:
        return rule.material_min
    return rule.colour_min if before.colour != after.colour else rule.same_min
