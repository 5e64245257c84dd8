"""From a problem to the kernel's flat arrays, and from its orders back to a plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scheduler.lanes import long_gaps
from scheduler.plan import Plan
from scheduler.problem import Demand, Family, Presence, Problem, Slot
from scheduler.search import kernel
from scheduler.search.kernel import Calendars, Draft, Fixed, Floats, Ints, Jobs, Orders, World

_PRESENCE = {Presence.NOBODY: kernel.NOBODY, Presence.STAFF: kernel.STAFF, Presence.HOUSE: kernel.HOUSE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A problem as arrays. `singles`: the demands the orders hold, by the kernel's number."""

    problem: Problem
    singles: tuple[Demand, ...]
    world: World
    _families: Mapping[Family, int]

    def order(self, plan: Plan) -> None:
        """Lay the orders out as `plan` has them; who has no place in it goes behind the others."""
        orders, jobs = self.world.orders, self.world.jobs
        orders.size[:] = 0
        placed = sorted(
            (slots[0].setup_start, number, slots[0].machine)
            for number, demand in enumerate(self.singles)
            if (slots := plan.slots.get(demand.id))
        )
        for _, number, machine in placed:
            self._append(number, machine)
        for number, demand in enumerate(self.singles):
            orders.waits[number] = jobs.told_on[number] >= 0
            if not plan.slots.get(demand.id):
                self._append(number, int(jobs.eligible[jobs.eligible_at[number]]))
        self.lay_out()

    def lay_out(self) -> None:
        for machine in range(len(self.problem.machines)):
            kernel.lay_out(self.world, machine)

    def queue(self, numbers: Sequence[int]) -> None:
        """Lay the orders out anew: each of `numbers` in turn behind the others."""
        self.world.orders.size[:] = 0
        self.lay_out()
        kernel.append(self.world, np.array(numbers, np.int64))

    def fix(self, slots: Iterable[Slot]) -> None:
        """Make these, beside outages and facts, what the orders flow around."""
        own = {demand.id: demand for demand in self.problem.demands}
        rows: list[list[tuple[int, int, int, int]]] = [
            [(block.start, block.end, -1, 0) for block in machine.blocked]
            for machine in self.problem.machines
        ]
        for slot in (*self.problem.fixed, *slots):
            demand = own.get(slot.demand)
            spare = slot.setup_min - (demand.setup_of(slot.need) if demand else 0)
            rows[slot.machine].append((slot.setup_start, slot.free_at, self._family(slot.family), spare))
        fixed = self.world.fixed
        for machine, row in enumerate(rows):
            row.sort()
            fixed.size[machine] = len(row)
            for index, (start, end, family, spare) in enumerate(row):
                fixed.start[machine, index], fixed.end[machine, index] = start, end
                fixed.family[machine, index], fixed.spare[machine, index] = family, spare

    def slots(self) -> dict[str, tuple[Slot, ...]]:
        """What the orders decode to, by demand; without those that have no place."""
        orders = self.world.orders
        found: dict[str, tuple[Slot, ...]] = {}
        for number, demand in enumerate(self.singles):
            start, machine = int(orders.start[number]), int(orders.on[number])
            if start >= 0:
                found[demand.id] = (
                    Slot(
                        demand=demand.id,
                        machine=machine,
                        setup_start=int(orders.setup[number]),
                        run_start=start,
                        run_end=start + demand.duration_min[machine],
                        free_at=int(orders.ready[number]),
                        family=demand.family if self.problem.machines[machine].loads else None,
                    ),
                )
        return found

    def keep(self) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.generic]], ...]:
        return tuple(array.copy() for array in self.world.orders)

    def restore(self, kept: tuple[np.ndarray[tuple[int, ...], np.dtype[np.generic]], ...]) -> None:
        for array, old in zip(self.world.orders, kept, strict=True):
            array[...] = old

    def _append(self, number: int, machine: int) -> None:
        orders = self.world.orders
        orders.order[machine, orders.size[machine]] = number
        orders.size[machine] += 1

    def _family(self, family: Family | None) -> int:
        return -1 if family is None else self._families[family]


def moved_whole(demand: Demand) -> bool:
    """Whether it goes by its options and not by an order: an order knows one machine, and the first start only."""
    return demand.is_gang or bool(demand.dislike_min)


def pack(problem: Problem, gangs: int) -> Packed:
    """`gangs`: how many slots of gangs `fix` will be given at most."""
    singles = tuple(d for d in problem.demands if not moved_whole(d) and d.needs[0].eligible)
    families = _families(problem)
    count, size = len(problem.machines), len(singles)
    room = _room(singles)
    fixed_room = gangs + max(
        (len(m.blocked) + sum(slot.machine == m.index for slot in problem.fixed) for m in problem.machines),
        default=0,
    )
    rows, wide = (count, room + 1), (2, room + 1)
    orders = Orders(
        size=_zeros(count),
        order=_zeros(count, room),
        free=_zeros(*rows),
        left=_zeros(*rows),
        next=_zeros(*rows),
        cost=np.zeros(rows),
        on=_zeros(size),
        place=_zeros(size),
        setup=_zeros(size),
        start=_zeros(size),
        ready=_zeros(size),
        waits=np.zeros(size, np.bool_),
    )
    draft = Draft(
        order=_zeros(2, room),
        free=_zeros(*wide),
        left=_zeros(*wide),
        next=_zeros(*wide),
        cost=np.zeros(wide),
        setup=_zeros(*wide),
        start=_zeros(*wide),
        ready=_zeros(*wide),
    )
    shape = (count, fixed_room + 1)
    fixed = Fixed(
        size=_zeros(count),
        start=_zeros(*shape),
        end=_zeros(*shape),
        family=_zeros(*shape),
        spare=_zeros(*shape),
    )
    world = World(_calendars(problem, families), fixed, _jobs(singles, count, families), orders, draft)
    packed = Packed(problem=problem, singles=singles, world=world, _families=families)
    packed.fix(())
    return packed


def _room(singles: Sequence[Demand]) -> int:
    """Places in an order: nothing goes where it is not eligible, so this many are never too few."""
    eligible = Counter(machine for demand in singles for machine in demand.needs[0].eligible)
    return max(eligible.values(), default=0) + 4


def _zeros(*shape: int) -> Ints:
    return np.zeros(shape, np.int64)


def _ints(values: Iterable[int]) -> Ints:
    return np.array(list(values), np.int64)


def _families(problem: Problem) -> dict[Family, int]:
    known = {f for m in problem.machines if (f := m.loaded)}
    known |= {f for d in problem.demands if (f := d.family)} | {f for s in problem.fixed if (f := s.family)}
    return {f: n for n, f in enumerate(sorted(known, key=lambda f: (f.material, f.colour, f.nozzle)))}


def _stretches(rows: Iterable[Iterable[tuple[int, int]]]) -> tuple[Ints, Ints, Ints]:
    """(where each row begins, and the end of the last), starts, ends."""
    at, flat = [0], []
    for row in rows:
        flat += list(row)
        at.append(len(flat))
    return _ints(at), _ints(start for start, _ in flat), _ints(end for _, end in flat)


def _calendars(problem: Problem, families: Mapping[Family, int]) -> Calendars:
    machines = problem.machines
    rules = [m.loads for m in machines]
    return Calendars(
        *_stretches(m.staffed for m in machines),
        *_stretches(m.open for m in machines),
        *_stretches(zip(*long_gaps(m), strict=True) for m in machines),
        alone_max=_ints(m.unattended_max_min for m in machines),
        night_start=np.array([m.night_start_ok for m in machines], np.bool_),
        loads=np.array([rule is not None for rule in rules], np.bool_),
        rule=np.array(
            [(r.same_min, r.colour_min, r.material_min, r.nozzle_min) if r else (0, 0, 0, 0) for r in rules],
            np.int64,
        ).reshape(-1, 4),
        loaded=_ints(-1 if m.loaded is None else families[m.loaded] for m in machines),
        families=np.array([(f.colour, f.material, f.nozzle) for f in families], np.int64).reshape(-1, 3),
        horizon=problem.horizon_min,
    )


def _jobs(singles: Sequence[Demand], machines: int, families: Mapping[Family, int]) -> Jobs:
    run = np.zeros((len(singles), machines), np.int32)
    for number, demand in enumerate(singles):
        for machine in demand.needs[0].eligible:
            run[number, machine] = demand.duration_min[machine]
    eligible = [demand.needs[0].eligible for demand in singles]
    weight: Floats = np.array([d.weight for d in singles], np.float64)
    return Jobs(
        release=_ints(d.release for d in singles),
        due=_ints(-1 if d.due is None else d.due for d in singles),
        weight=weight,
        presence=_ints(_PRESENCE[d.presence] for d in singles),
        setup=_ints(d.setup_of(0) for d in singles),
        clear=_ints(d.clear_of(0) for d in singles),
        family=_ints(-1 if d.family is None else families[d.family] for d in singles),
        **dict(
            zip(
                ("starts_at", "starts_from", "starts_to"),
                _stretches(d.starts for d in singles),
                strict=True,
            )
        ),
        eligible_at=_ints(np.cumsum([0, *(len(e) for e in eligible)])),
        eligible=_ints(machine for e in eligible for machine in e),
        run=run,
        told_on=_ints(d.told.machines[0] if d.told and d.told.machines else -1 for d in singles),
        told_start=_ints(d.told.start if d.told else 0 for d in singles),
    )
