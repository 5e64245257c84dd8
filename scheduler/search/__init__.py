"""A better plan while there is time: annealing over orders, gangs moved whole, never worse than what it was given.

    problem, plan -> packed arrays -> (chunk of moves, then perhaps a gang)* -> the best orders seen -> plan

Singles are moved by the compiled kernel; a gang is moved here, between two chunks, with everything it pushes aside
decoded anew. The result is judged by `plan.objective`, tier by tier, against the plan that was given.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from scheduler.greedy import Board, replan, urgency
from scheduler.plan import Objective, Plan, objective
from scheduler.problem import Demand, Problem, Slot
from scheduler.search import kernel
from scheduler.search.packed import Packed, moved_whole, pack

CHUNK = 4096  # moves between two looks at the clock: about 40 ms on 200 machines
COOLEST = 1e-4  # the last temperature, of the first
WARMEST = 0.05  # the first temperature, of the mean cost of a demand; measured on 10 x 60 and 40 x 400
GANG_OPTIONS = 12
DISLIKED = 1e-4  # between kernel.MOVED and kernel.SETUP; the kernel itself never meets a liking
MENDED_BY_HAND = (
    600  # up to so many demands the Board's first plan is tried beside the kernel's: 20 ms at 400
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """`bound`: nothing can be better than this; None where it is not known."""

    plan: Plan
    objective: Objective
    bound: Objective | None = None
    iterations: int = 0
    runtime_s: float = 0.0


def never() -> bool:
    return False


def search(
    problem: Problem,
    plan: Plan | None = None,
    *,
    limit_s: float = 1.0,
    iterations: int | None = None,
    seed: int = 0,
    stop: Callable[[], bool] = never,
) -> Result:
    """Improve `plan` (None: a first one is made) until `limit_s` have passed, `iterations` were tried or `stop()`.

    With `iterations` the same seed gives the same plan; with a time limit alone it depends on the machine.
    `plan` must be sound for `problem` (`check.violations`); the result is.
    """
    begun = time.perf_counter()
    given = plan if plan is not None else first_plan(problem)
    run = _Run(problem, given, seed)
    tried = 0
    while not stop():
        spent = (time.perf_counter() - begun) / limit_s
        part = spent if iterations is None else max(spent, tried / iterations)
        if part >= 1.0 or not run.packed.singles:
            break
        moves = CHUNK if iterations is None else min(CHUNK, iterations - tried)
        run.turn(moves, part)
        tried += moves
    best = run.best_plan()
    value, old = objective(problem, best), objective(problem, given)
    if not value < old:
        best, value = given, old
    return Result(plan=best, objective=value, iterations=tried, runtime_s=time.perf_counter() - begun)


def first_plan(problem: Problem) -> Plan:
    """Every demand placed once: gangs, then all others by urgency behind each other; the better of two ways if few."""
    alone = replan(replace(problem, demands=tuple(d for d in problem.demands if moved_whole(d))), Plan())
    packed = pack(problem, _gang_slots(problem))
    packed.fix(slot for slots in alone.slots.values() for slot in slots)
    packed.queue(sorted(range(len(packed.singles)), key=lambda n: urgency(packed.singles[n])))
    plan = replan(problem, Plan(slots={**alone.slots, **packed.slots()}))
    if len(problem.demands) > MENDED_BY_HAND:
        return plan
    other = replan(problem, Plan())
    return min(plan, other, key=lambda p: objective(problem, p))


def warm() -> None:
    """Compile the kernel, or load it from numba's cache: half a minute the first time, then 0.3 s."""
    from scheduler.problem import Machine, Need, Piece

    hours = (Piece(0, 600),)
    jobs = tuple(
        Demand(id=str(n), needs=(Need(eligible=(0, 1)),), duration_min={0: 10, 1: 12}, due=30)
        for n in range(4)
    )
    machines = tuple(Machine(index=n, staffed=hours, open=hours) for n in range(2))
    search(Problem(horizon_min=600, machines=machines, demands=jobs), iterations=200, limit_s=3600)


class _Run:
    """The state of one search: orders and gangs as they are, and the best seen."""

    def __init__(self, problem: Problem, plan: Plan, seed: int) -> None:
        self.problem = problem
        self.packed: Packed = pack(problem, _gang_slots(problem))
        self.gangs = {
            d.id: plan.slots[d.id] for d in problem.demands if moved_whole(d) and d.id in plan.slots
        }
        self._movable = tuple(d for d in problem.demands if moved_whole(d) and d.id in self.gangs)
        self._random = Random(seed)  # noqa: S311 - chance for a search, not for secrets
        kernel.seed(seed)
        self.packed.fix(slot for slots in self.gangs.values() for slot in slots)
        self.packed.order(plan)
        self._best_cost = self._cost()
        self._best = (self.packed.keep(), dict(self.gangs))
        mean = (self._best_cost % kernel.UNPLACED) / max(1, len(self.packed.singles))
        self._warmest = max(WARMEST * mean, 10 * kernel.MOVED)

    def turn(self, moves: int, part: float) -> None:
        """A chunk of moves at the temperature for `part` (0..1) of the time, then perhaps one gang."""
        temperature = self._warmest * COOLEST**part
        kernel.anneal(self.packed.world, moves, temperature)
        if self._movable and self._random.random() < 0.5:
            self._move_gang(temperature)
        cost = self._cost()
        if cost < self._best_cost - 1e-9:
            self._best_cost, self._best = cost, (self.packed.keep(), dict(self.gangs))

    def best_plan(self) -> Plan:
        orders, self.gangs = self._best[0], dict(self._best[1])
        self.packed.fix(slot for slots in self.gangs.values() for slot in slots)
        self.packed.restore(orders)
        # Mended: what stood before a gang may have gone, and its set-up be too short for what it finds now.
        return replan(self.problem, Plan(slots={**self.gangs, **self.packed.slots()}))

    def _cost(self) -> float:
        """As the kernel counts, with the gangs."""
        return kernel.total(self.packed.world) + sum(
            self._gang_cost(demand, self.gangs[demand.id]) for demand in self._movable
        )

    def _gang_cost(self, demand: Demand, slots: tuple[Slot, ...]) -> float:
        alone = replace(self.problem, demands=(demand,))
        value = objective(alone, Plan(slots={demand.id: slots}))
        return (
            value.tardiness
            + kernel.MOVED * value.moved
            + DISLIKED * value.disliked
            + kernel.SETUP * value.setup_min
            + kernel.READY * value.earliness
        )

    def _move_gang(self, temperature: float) -> None:
        """One gang goes to another of its best places, among the other gangs; the singles make room."""
        demand = self._random.choice(self._movable)
        before, orders, cost = self.gangs[demand.id], self.packed.keep(), self._cost()
        others = {name: slots for name, slots in self.gangs.items() if name != demand.id}
        options = Board(self.problem, Plan(slots=others)).options(demand, GANG_OPTIONS)
        if not options:
            return
        self._put(demand, self._random.choice(options).slots)
        if self._cost() - cost > temperature * self._random.expovariate(1.0):
            self._put(demand, before)
            self.packed.restore(orders)

    def _put(self, demand: Demand, slots: tuple[Slot, ...]) -> None:
        touched = {slot.machine for slot in (*self.gangs[demand.id], *slots)}
        self.gangs[demand.id] = slots
        self.packed.fix(slot for slots in self.gangs.values() for slot in slots)
        for machine in touched:
            kernel.lay_out(self.packed.world, machine)


def _gang_slots(problem: Problem) -> int:
    return sum(need.quantity for d in problem.demands if moved_whole(d) for need in d.needs)
