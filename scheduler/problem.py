"""What is asked of the solver, in numbers: machines with calendars, demands, and what may not be touched.

Every instant is a whole minute counted from the plan's origin (the planner knows which instant that is);
every interval is half-open. Lengths carry `_min`. Machines are their own index in `Problem.machines`; a
room, a desk or a person is a machine too, one that loads nothing. Nothing here knows of a FabLab.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

Fact = str | int | float | bool | None
_NO_CODES: Mapping[int, str] = MappingProxyType({})
_NO_FACTS: Mapping[str, Fact] = MappingProxyType({})


class Piece(NamedTuple):
    """A half-open stretch of minutes."""

    start: int
    end: int


def pieces(stretches: Iterable[tuple[int, int]]) -> tuple[Piece, ...]:
    """Sorted, without empty ones, overlapping and touching stretches joined: the form a `Machine` wants."""
    joined: list[Piece] = []
    for start, end in sorted(stretches):
        if end <= start:
            continue
        if joined and start <= joined[-1].end:
            joined[-1] = Piece(joined[-1].start, max(end, joined[-1].end))
        else:
            joined.append(Piece(start, end))
    return tuple(joined)


class Presence(StrEnum):
    """Who has to be there while a demand runs."""

    NOBODY = "nobody"  # may run alone where and as long as the machine allows it; else staffed throughout
    STAFF = "staff"  # staffed time from its first to its last minute
    HOUSE = "house"  # a member in person: the house is open throughout, no staff needed


class Why(StrEnum):
    """Why a machine is blocked although no claim holds it."""

    OUTAGE = "outage"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What a run leaves loaded. Two runs of one family follow each other with the smallest set-up."""

    material: int
    colour: int
    nozzle: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupRule:
    """Minutes of a person's time between two families; the dearest difference counts alone.

    The defaults are two, three, four and seven slots of five minutes. Where nothing is known to be loaded, a
    material change is counted.
    """

    same_min: int = 10
    colour_min: int = 15
    material_min: int = 20
    nozzle_min: int = 35

    def minutes(self, before: Family | None, after: Family) -> int:
        if before == after:
            return self.same_min
        if before is None:
            return self.material_min
        if before.nozzle != after.nozzle:
            return self.nozzle_min
        return self.material_min if before.material != after.material else self.colour_min


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A machine out of use without a claim; `ref` names the outage for whoever asks why."""

    start: int
    end: int
    why: Why = Why.OUTAGE
    ref: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One resource of capacity one and its calendar.

    `staffed`: when somebody is there to set up, to clear and to watch. `open`: when the house is open;
    rules only for `Presence.HOUSE`, and tells "closed" from "nobody free" in explanations. Both as
    `pieces()` makes them. `unattended_max_min`: the longest stretch a run may spend here with nobody
    present; 0 means never alone. `night_start_ok`: a run that needs no set-up may begin with nobody
    present. `loads`: set-up between families, None where nothing is loaded; `loaded`: what is in it at
    the origin. `worn_min`: minutes run lately; of two machines that are alike otherwise, the less worn.
    """

    index: int
    staffed: tuple[Piece, ...]
    open: tuple[Piece, ...]
    blocked: tuple[Block, ...] = ()
    unattended_max_min: int = 0
    night_start_ok: bool = False
    loads: SetupRule | None = None
    loaded: Family | None = None
    worn_min: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """`quantity` machines out of `eligible`, all at once. None takes the demand's own minutes."""

    eligible: tuple[int, ...]
    quantity: int = 1
    setup_min: int | None = None
    clear_min: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What people were already told: leaving it costs, see `plan.objective`."""

    machines: tuple[int, ...]
    start: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """A claim in numbers.

    `release`: no set-up before it. `due`: wanted ready by then, never enforced. `duration_min`: by
    machine, at the quantile the planner chose. `setup_min`: what this demand asks beside the change of
    family. `clear_min`: a person's time after the run; 0 means the machine is free when the run ends,
    with nobody coming. `starts`: the run may begin only in one of these; one minute wide is a fixed
    start; empty means at any time. `dislike_min`: for each of `starts` the minutes of reluctance against
    it, 0 for the one liked best; empty where all are alike. `not_eligible`: why a machine is in no
    eligible set, by machine, handed through to explanations untouched.
    """

    id: str
    needs: tuple[Need, ...]
    duration_min: Mapping[int, int]
    release: int = 0
    due: int | None = None
    weight: float = 1.0
    presence: Presence = Presence.NOBODY
    setup_min: int = 0
    clear_min: int = 0
    family: Family | None = None
    starts: tuple[Piece, ...] = ()
    dislike_min: tuple[int, ...] = ()
    told: Told | None = None
    not_eligible: Mapping[int, str] = field(default_factory=lambda: _NO_CODES)

    @property
    def is_gang(self) -> bool:
        return len(self.needs) > 1 or self.needs[0].quantity > 1

    def dislike_of(self, run_start: int) -> int:
        """Minutes of reluctance against this start; 0 where none was said."""
        for (start, end), dislike_min in zip(self.starts, self.dislike_min, strict=False):
            if start <= run_start < end:
                return dislike_min
        return 0

    def setup_of(self, need: int) -> int:
        """Set-up minutes of one need before any change of family."""
        own = self.needs[need].setup_min
        return self.setup_min if own is None else own

    def clear_of(self, need: int) -> int:
        own = self.needs[need].clear_min
        return self.clear_min if own is None else own


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One machine held by one demand over [setup_start, free_at): set-up, run, waiting for a person,
    clearing.
    """

    demand: str
    machine: int
    setup_start: int
    run_start: int
    run_end: int
    free_at: int
    family: Family | None = None
    need: int = 0

    @property
    def setup_min(self) -> int:
        return self.run_start - self.setup_start


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """`fixed` are facts: running, prepared or confirmed slots of claims that are not in `demands`.

    They may have begun before the origin and are never judged for their own shape, only kept clear of.
    """

    horizon_min: int
    machines: tuple[Machine, ...]
    demands: tuple[Demand, ...] = ()
    fixed: tuple[Slot, ...] = ()

    def with_demand(self, demand: Demand) -> Problem:
        """This problem with one more demand, or with that demand in place of the one of its id."""
        return replace(self, demands=(*(d for d in self.demands if d.id != demand.id), demand))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong with a problem as stated: a code, the thing it stands in, and facts."""

    code: str
    subject: str
    facts: Mapping[str, Fact] = field(default_factory=lambda: _NO_FACTS)


class BadProblem(ValueError):
    """The problem is not one: `faults` names everything that is wrong with it, not only the first."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("; ".join(f"{f.subject}: {f.code} {dict(f.facts)}" for f in faults))
        self.faults = faults


def validate(problem: Problem) -> None:
    """Raise `BadProblem` unless the solver may be given this."""
    found = faults(problem)
    if found:
        raise BadProblem(found)


def faults(problem: Problem) -> tuple[Fault, ...]:
    """All faults, in the order machines, demands, fixed slots; empty when the problem is sound."""
    found: list[Fault] = []
    if problem.horizon_min <= 0:
        found.append(Fault(code="horizon_not_positive", subject="problem"))
    for index, machine in enumerate(problem.machines):
        found += _machine_faults(index, machine)
    seen: set[str] = set()
    for demand in problem.demands:
        subject = f"demand {demand.id}"
        if demand.id in seen:
            found.append(Fault(code="id_twice", subject=subject))
        seen.add(demand.id)
        found += _demand_faults(subject, demand, len(problem.machines))
    for slot in problem.fixed:
        subject = f"fixed {slot.demand}"
        if not 0 <= slot.machine < len(problem.machines):
            found.append(Fault(code="no_such_machine", subject=subject, facts={"machine": slot.machine}))
        if not slot.setup_start <= slot.run_start < slot.run_end <= slot.free_at:
            found.append(Fault(code="times_out_of_order", subject=subject))
        if slot.demand in seen:
            found.append(Fault(code="fixed_and_demanded", subject=subject))
    return tuple(found)


def _machine_faults(index: int, machine: Machine) -> list[Fault]:
    subject = f"machine {index}"
    found: list[Fault] = []
    if machine.index != index:
        found.append(Fault(code="wrong_index", subject=subject, facts={"index": machine.index}))
    for name, calendar in (("staffed", machine.staffed), ("open", machine.open)):
        if calendar != pieces(calendar):
            found.append(Fault(code="pieces_not_in_order", subject=subject, facts={"calendar": name}))
    if any(block.end <= block.start for block in machine.blocked):
        found.append(Fault(code="empty_block", subject=subject))
    for name, minutes in (("unattended_max_min", machine.unattended_max_min), ("worn_min", machine.worn_min)):
        if minutes < 0:
            found.append(Fault(code="negative", subject=subject, facts={"field": name}))
    rule = machine.loads
    if rule and min(rule.same_min, rule.colour_min, rule.material_min, rule.nozzle_min) < 0:
        found.append(Fault(code="negative", subject=subject, facts={"field": "loads"}))
    return found


def _demand_faults(subject: str, demand: Demand, machines: int) -> list[Fault]:
    found: list[Fault] = []
    if not demand.needs:
        found.append(Fault(code="no_needs", subject=subject))
    if not demand.weight > 0:  # also says no to a weight that is not a number
        found.append(Fault(code="weight_not_positive", subject=subject, facts={"weight": demand.weight}))
    if demand.starts != pieces(demand.starts):
        found.append(Fault(code="pieces_not_in_order", subject=subject, facts={"calendar": "starts"}))
    if demand.dislike_min and len(demand.dislike_min) != len(demand.starts):
        facts: dict[str, Fact] = {"starts": len(demand.starts), "dislikes": len(demand.dislike_min)}
        found.append(Fault(code="dislikes_not_parallel", subject=subject, facts=facts))
    if min(demand.dislike_min, default=0) < 0:
        found.append(Fault(code="negative", subject=subject, facts={"field": "dislike_min"}))
    if demand.release < 0:
        found.append(Fault(code="negative", subject=subject, facts={"field": "release"}))
    for number, need in enumerate(demand.needs):
        found += _need_faults(subject, demand, number, need, machines)
    return found


def _need_faults(subject: str, demand: Demand, number: int, need: Need, machines: int) -> list[Fault]:
    found: list[Fault] = []
    facts: dict[str, Fact] = {"need": number}
    if need.quantity < 1:
        found.append(Fault(code="quantity_not_positive", subject=subject, facts=facts))
    if len(set(need.eligible)) != len(need.eligible):
        found.append(Fault(code="eligible_twice", subject=subject, facts=facts))
    if min(demand.setup_of(number), demand.clear_of(number)) < 0:
        found.append(
            Fault(code="negative", subject=subject, facts={**facts, "field": "setup_min, clear_min"})
        )
    for machine in need.eligible:
        if not 0 <= machine < machines:
            found.append(Fault(code="no_such_machine", subject=subject, facts={**facts, "machine": machine}))
        elif demand.duration_min.get(machine, 0) < 1:
            found.append(Fault(code="no_duration", subject=subject, facts={**facts, "machine": machine}))
    return found
