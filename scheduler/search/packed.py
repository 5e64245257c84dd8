"""From a problem to the kernel's flat arrays, and from its orders and crews back to a plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from scheduler.lanes import long_gaps
from scheduler.plan import Plan
from scheduler.problem import Demand, Family, Machine, Presence, Problem, Slot
from scheduler.search import kernel
from scheduler.search.kernel import Ints, World

_PRESENCE = {Presence.NOBODY: kernel.NOBODY, Presence.STAFF: kernel.STAFF, Presence.HOUSE: kernel.HOUSE}
_KEPT = ("size", "order", "at", "gang", "crew", "fixed")  # what a plan is; the rest follows
Kept = tuple[np.ndarray[tuple[int, ...], np.dtype[np.generic]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A problem as arrays. `singles`, `gangs`: the demands of the orders and the crews, by the kernel's numbers."""

    problem: Problem
    singles: tuple[Demand, ...]
    gangs: tuple[Demand, ...]
    world: World

    def lay(self, plan: Plan) -> None:
        """As `plan` has it, who was told a start and begins before it too; singles with no place in it go behind the
        others of their first machine.
        """
        self.gather(plan)
        order, size, at = self.world.order, self.world.size, self.world.at
        for number, demand in enumerate(self.singles):
            slots, told = plan.slots.get(demand.id), demand.told
            waits = told is not None and (not slots or slots[0].run_start >= told.start)
            at[number, kernel.WAITS] = waits
        placed = sorted(
            (slots[0].setup_start, number, slots[0].machine)
            for number, demand in enumerate(self.singles)
            if (slots := plan.slots.get(demand.id))
        )
        lost = [
            (0, number, demand.needs[0].eligible[0])
            for number, demand in enumerate(self.singles)
            if not plan.slots.get(demand.id)
        ]
        for _, number, machine in (*placed, *lost):
            order[machine, size[machine, 0]] = number
            size[machine, 0] += 1
        kernel.lay_out_all(self.world)

    def queue(self, numbers: Sequence[int]) -> None:
        """Lay the orders out anew: each of `numbers` in turn behind the others."""
        self.world.size[:, 0] = 0
        kernel.lay_out_all(self.world)
        kernel.append(self.world, np.array(numbers, np.int32))

    def gather(self, plan: Plan) -> None:
        """Orders empty, gangs where `plan` has them."""
        world = self.world
        world.size[:, 0] = 0
        world.size[:, 1] = world.machine[:, kernel.FACTS]
        for number, demand in enumerate(self.gangs):
            slots = plan.slots.get(demand.id, ())
            first_job, _, first, _, *_ = (int(value) for value in world.gang[number])
            world.gang[number, kernel.AT] = slots[0].run_start if slots else -1
            for row, slot in enumerate(sorted(slots, key=lambda slot: slot.need), first):
                world.crew[0, row] = (slot.machine, slot.setup_start, slot.free_at, first_job + slot.need)
            if slots:
                kernel.put(world, number, 0, slots[0].run_start)

    def slots(self) -> dict[str, tuple[Slot, ...]]:
        """What the orders and crews say, by demand; without those that have no place."""
        found: dict[str, tuple[Slot, ...]] = {}
        for number, demand in enumerate(self.gangs):
            if self.world.gang[number, kernel.AT] >= 0:
                found[demand.id] = self._members(number, demand)
        at = self.world.at.tolist()
        for demand, (machine, _, begin, start, ready, _) in zip(self.singles, at, strict=True):
            if start >= 0:
                found[demand.id] = (self._slot(demand, 0, machine, begin, start, ready),)
        return found

    def keep(self) -> Kept:
        return tuple(getattr(self.world, name).copy() for name in _KEPT)

    def restore(self, kept: Kept) -> None:
        for name, old in zip(_KEPT, kept, strict=True):
            getattr(self.world, name)[...] = old
        kernel.lay_out_all(self.world)

    def twin(self) -> Packed:
        """Another of the same, with arrays of its own."""
        arrays = {name: value.copy() for name, value in self.world._asdict().items() if name != "horizon"}
        return replace(self, world=self.world._replace(**arrays))

    def _members(self, number: int, demand: Demand) -> tuple[Slot, ...]:
        first_job, _, first, end, start, *_ = (int(value) for value in self.world.gang[number])
        rows = sorted((row[3] - first_job, *row[:3]) for row in self.world.crew[0, first:end].tolist())
        return tuple(self._slot(demand, n, m, begin, start, freed) for n, m, begin, freed in rows)

    def _slot(self, demand: Demand, need: int, machine: int, begin: int, start: int, ready: int) -> Slot:
        return Slot(
            demand=demand.id,
            machine=machine,
            setup_start=begin,
            run_start=start,
            run_end=start + demand.duration_min[machine],
            free_at=ready,
            family=demand.family if self.problem.machines[machine].loads else None,
            need=need,
        )


class _Stretches:
    """All stretches in one table, and for each calendar a grid to begin looking from."""

    def __init__(self, horizon: int) -> None:
        self.rows: list[tuple[int, int, int]] = []
        self.grid: list[int] = []
        self._slots = (horizon >> kernel.GRID) + 1
        self._known: dict[tuple[tuple[int, int], ...], tuple[int, int, int]] = {}

    def calendar(self, stretches: Iterable[tuple[int, int]]) -> tuple[int, int, int]:
        """(first stretch, end of the last, first of the grid); machines of one calendar share it."""
        pieces = tuple((max(a, -kernel.NEVER), min(b, kernel.NEVER)) for a, b in stretches)
        if pieces not in self._known:
            first, grid_at = len(self.rows), len(self.grid)
            self.rows += ((start, end, 0) for start, end in pieces)
            ends = np.array([end for _, end in pieces], np.int64)
            minutes = np.arange(self._slots, dtype=np.int64) << kernel.GRID
            self.grid += (first + np.searchsorted(ends, minutes, side="right")).tolist()
            self._known[pieces] = (first, len(self.rows), grid_at)
        return self._known[pieces]

    def starts(self, demand: Demand) -> tuple[int, int]:
        first = len(self.rows)
        dislikes = demand.dislike_min or (0,) * len(demand.starts)
        self.rows += ((a, b, minutes) for (a, b), minutes in zip(demand.starts, dislikes, strict=True))
        return first, len(self.rows)


def moved_whole(demand: Demand) -> bool:
    """Whether it has a crew and a start and is in no order: an order knows one machine, and the first start only."""
    return demand.is_gang or bool(demand.dislike_min)


def pack(problem: Problem) -> Packed:
    """Gangs with too few machines to choose from, and demands with none, are left out."""
    singles = tuple(d for d in problem.demands if not moved_whole(d) and d.needs[0].eligible)
    gangs = tuple(
        d for d in problem.demands if moved_whole(d) and all(len(n.eligible) >= n.quantity for n in d.needs)
    )
    families = _families(problem)
    stretches, listed = _Stretches(problem.horizon_min), _List()
    jobs = [_job(demand, 0, stretches, listed, families) for demand in singles]
    gang, crew_size = [], 0
    for demand in gangs:
        told = demand.told.machines if demand.told else ()
        first = crew_size
        crew_size += sum(need.quantity for need in demand.needs)
        gang.append((len(jobs), len(jobs) + len(demand.needs), first, crew_size, -1, *listed.span(told)))
        jobs += [_job(demand, number, stretches, listed, families) for number in range(len(demand.needs))]
    needs = [(d, need) for d in (*singles, *gangs) for need in d.needs]
    run = np.zeros((len(needs), len(problem.machines)), np.int32)
    for number, (demand, need) in enumerate(needs):
        for machine in need.eligible:
            run[number, machine] = demand.duration_min[machine]
    rules = list(dict.fromkeys(m.loads for m in problem.machines if m.loads))
    table: list[Family | None] = [None, *families]
    facts = _facts(problem, families)
    fixed = _zeros(len(problem.machines), max(map(len, facts), default=0) + len(gangs) + 1, 5)
    for number, row in enumerate(facts):
        fixed[number, : len(row)] = np.array(row, np.int32).reshape(-1, 5)
    machines = [_machine(m, stretches, rules, families, len(facts[m.index])) for m in problem.machines]
    count, places = len(problem.machines), _places(singles)
    world = World(
        hours=_table(stretches.rows, 3),
        grid=np.array(stretches.grid, np.int32),
        machine=_table(machines, 14),
        change=np.array(
            [[[rule.minutes(b, a) if a else 0 for a in table] for b in table] for rule in rules], np.int32
        ).reshape(-1, len(table), len(table)),
        job=_table(jobs, 12),
        weight=np.array([demand.weight for demand, _ in needs], np.float64),
        run=run,
        listed=np.array(listed.numbers, np.int32),
        quantity=np.array([need.quantity for _, need in needs], np.int32),
        fixed=fixed,
        size=_zeros(count, 2),
        order=_zeros(count, places),
        state=_zeros(count, places + 1, 3),
        cost=np.zeros((count, places + 1)),
        at=_zeros(len(singles), 6),
        gain=np.zeros(len(singles)),
        gain_of=_zeros(len(singles)) - 1,
        version=_zeros(count),
        gang=_table(gang, 7),
        crew=_zeros(2, crew_size, 4),
        new_order=_zeros(2, places),
        new_state=_zeros(2, places + 1, 3),
        new_cost=np.zeros((2, places + 1)),
        new_at=_zeros(2, places + 1, 3),
        scratch=np.zeros(count),
        saved=_zeros(64, places + 2),
        ruined=_zeros(64),
        tally=_zeros(7, 2),
        mine=np.arange(len(singles), dtype=np.int32),
        ticks=np.array((1, 1), np.int32),
        enough=np.zeros(1),
        floor=np.zeros(len(singles)),
        late=_zeros(len(singles) + 1),
        horizon=problem.horizon_min,
    )
    packed = Packed(problem=problem, singles=singles, gangs=gangs, world=world)
    packed.gather(Plan())
    kernel.find_floors(world)
    return packed


class _List:
    """Machines that rows point into."""

    def __init__(self) -> None:
        self.numbers: list[int] = []

    def span(self, machines: Iterable[int]) -> tuple[int, int]:
        first = len(self.numbers)
        self.numbers += machines
        return first, len(self.numbers)


def _job(
    demand: Demand, number: int, stretches: _Stretches, listed: _List, families: Mapping[Family, int]
) -> tuple[int, ...]:
    told = demand.told
    return (
        demand.release,
        -1 if demand.due is None else demand.due,
        _PRESENCE[demand.presence],
        demand.setup_of(number),
        demand.clear_of(number),
        families[demand.family] if demand.family else -1,
        *stretches.starts(demand),
        *listed.span(demand.needs[number].eligible),
        told.machines[0] if told and told.machines else -1,
        told.start if told else 0,
    )


def _machine(
    machine: Machine,
    stretches: _Stretches,
    rules: Sequence[object],
    families: Mapping[Family, int],
    facts: int,
) -> tuple[int, ...]:
    return (
        *stretches.calendar(machine.staffed),
        *stretches.calendar(machine.open),
        *stretches.calendar(zip(*long_gaps(machine), strict=True)),
        machine.unattended_max_min,
        int(machine.night_start_ok),
        rules.index(machine.loads) if machine.loads else -1,
        families[machine.loaded] if machine.loaded else -1,
        facts,
    )


def _facts(problem: Problem, families: Mapping[Family, int]) -> list[list[tuple[int, int, int, int, int]]]:
    """By machine and start: (start, end, family, what the set-up leaves for a change of family, no gang)."""
    rows = [[(b.start, min(b.end, kernel.NEVER), -1, 0, -1) for b in m.blocked] for m in problem.machines]
    for slot in problem.fixed:
        family = families[slot.family] if slot.family else -1
        rows[slot.machine].append((slot.setup_start, slot.free_at, family, slot.setup_min, -1))
    return [sorted(row) for row in rows]


def _places(singles: Sequence[Demand]) -> int:
    """In an order: nothing goes where it is not eligible, so this many are never too few."""
    eligible = Counter(machine for demand in singles for machine in demand.needs[0].eligible)
    return max(eligible.values(), default=0) + 4


def _zeros(*shape: int) -> Ints:
    return np.zeros(shape, np.int32)


def _table(rows: Sequence[Sequence[int]], columns: int) -> Ints:
    return np.array(rows, np.int32).reshape(-1, columns)


def _families(problem: Problem) -> dict[Family, int]:
    known = {f for m in problem.machines if (f := m.loaded)}
    known |= {f for d in problem.demands if (f := d.family)} | {f for s in problem.fixed if (f := s.family)}
    return {f: n for n, f in enumerate(sorted(known, key=lambda f: (f.material, f.colour, f.nozzle)))}
