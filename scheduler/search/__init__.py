"""A better plan while there is time: annealing over orders and crews, never worse than what it was given.

    problem, plan -> packed arrays -> chunks of moves, ever cooler -> the best state seen -> plan

All moves are the compiled kernel's: of single demands, and of gangs, whole; by one thread or several (`hands`). The
result is judged by `plan.objective`, tier by tier, against the plan that was given.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from statistics import fmean

from scheduler.greedy import replan, urgency
from scheduler.plan import Objective, Plan, objective
from scheduler.problem import Demand, Problem
from scheduler.search import kernel
from scheduler.search.hands import hands_for
from scheduler.search.packed import moved_whole, pack

CHUNK = 4096  # moves between two looks at the clock, or four for every demand: a few milliseconds
STEPS = 32  # a run of few moves cools in so many steps: in one or two it would never be cold
WARMEST = 2.0  # the first temperature, of a typical demand late by its own run,
OF_LATE = 4.0  # or of what a demand of the given plan costs, where that is less
PATIENT, LEAST_WARM = 1000, 0.02  # with fewer moves for every demand it is lower in proportion, down to this
# A run with time for more than CYCLE moves for every demand, or than OF_ALL of its number squared where that is less,
# cools several times, each time from the best so far:
CYCLE, OF_ALL = 4000, 16
AGAIN = (1.0, 0.5, 0.2)  # from so much of the first temperature, in turn
COOLEST = 0.015  # the last temperature, of the first: at 200 x 4,000 all is frozen below;
QUENCH, QUENCHED = 0.9, 3e-5  # but from this part of the time on it falls by so much more, for lesser tiers
# The end of such a run is for the lesser tiers alone, from the best plan: warm enough for promises, at last for nothing.
POLISH, POLISHING, POLISHED = 0.9, 1.0, 1e-4
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


def usual_threads() -> int:
    """Two where the computer has two cores for us: a third would find little more, and the pages want to be served."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(2, cores)


def search(
    problem: Problem,
    plan: Plan | None = None,
    *,
    limit_s: float = 1.0,
    iterations: int | None = None,
    seed: int = 0,
    threads: int = 1,
    stop: Callable[[], bool] = never,
    clock: Callable[[], float] = time.perf_counter,
) -> Result:
    """Improve `plan` (None: a first one is made) until `limit_s` have passed, `iterations` were tried or `stop()`.

    With `iterations` (of all `threads` together) the same seed and threads give the same plan; with a time limit alone
    it depends on the machine. `plan` must be sound for `problem` (`check.violations`); the result is.
    """
    begun = clock()
    given = plan if plan is not None else first_plan(problem)
    packed = pack(problem)
    packed.lay(given)
    demands = len(packed.singles) + len(packed.gangs)
    warmest = _warmest(problem, objective(problem, given)) if demands else 0.0
    tried, chunk, cycles, cycle = 0, max(CHUNK, 4 * demands), 1, 0
    if iterations is not None:
        chunk = max(1, min(chunk, iterations // STEPS))
    hands = hands_for(packed, threads, seed)
    with closing(hands):
        while demands and not stop():
            spent = (clock() - begun) / limit_s
            part = spent if iterations is None else max(spent, tried / iterations)
            if part >= 1.0:
                break
            moves = chunk if iterations is None else min(chunk, iterations - tried)
            if tried == chunk:
                cycles = _cycles(tried / part if iterations is None else iterations, demands)
            turns = part * cycles / (POLISH if cycles > 1 else 1.0)
            if int(turns) > cycle and cycle < cycles:
                cycle = int(turns)
                hands.again()
            patience = tried / part / cycles / demands / PATIENT if tried else 0.0
            warmth = AGAIN[cycle % len(AGAIN)] * max(LEAST_WARM, min(1.0, patience))
            temperature = warmest * warmth * _cooled(turns - cycle)
            if cycle >= cycles:
                temperature = POLISHING * POLISHED ** ((part - POLISH) / (1.0 - POLISH))
            hands.anneal(moves, temperature)
            tried += moves
    packed.restore(hands.best)
    found = replan(problem, Plan(slots=packed.slots()))  # who has no place is tried in the gaps, or told why
    value, old = objective(problem, found), objective(problem, given)
    if not value < old:
        found, value = given, old
    return Result(plan=found, objective=value, iterations=tried, runtime_s=clock() - begun)


def _cycles(moves: float, demands: int) -> int:
    """How often a run of so many moves cools. A long run does first what a short one does and goes on from there, so
    that more time is never worse: one long cooling from warmer was, at 200 x 4,000.
    """
    return max(1, int(moves / (min(CYCLE, OF_ALL * demands) * demands)))


def _warmest(problem: Problem, given: Objective) -> float:
    """The first temperature. It goes by what is at stake in one exchange, not by what the plan costs: at 200 x 4,000 in
    20 s a hundredth of it is frozen after the first tenth of the time, 2 % above what is found from here.
    """
    stakes = (d.weight * fmean(d.duration_min.values()) for d in problem.demands if d.duration_min)
    late = cost(replace(given, unplaced=0.0)) / len(problem.demands)
    return max(200 * kernel.MOVED, min(WARMEST * fmean((*stakes, 0.0)), OF_LATE * late))


def _cooled(part: float) -> float:
    return float(COOLEST**part * QUENCHED ** max(0.0, (part - QUENCH) / (1.0 - QUENCH)))


def cost(value: Objective) -> float:
    """The tiers as the one number the search goes down by; a weighted minute past due is 1."""
    return (
        kernel.UNPLACED * value.unplaced
        + value.tardiness
        + kernel.MOVED * value.moved
        + kernel.DISLIKED * value.disliked
        + kernel.SETUP * value.setup_min
        + kernel.READY * value.earliness
    )


def first_plan(problem: Problem) -> Plan:
    """Every demand placed once: gangs, then all others by urgency behind each other; the better of two ways if few."""
    alone = replan(replace(problem, demands=tuple(d for d in problem.demands if moved_whole(d))), Plan())
    packed = pack(problem)
    packed.gather(alone)
    packed.queue(sorted(range(len(packed.singles)), key=lambda n: urgency(packed.singles[n])))
    plan = replan(problem, Plan(slots=packed.slots()))
    if len(problem.demands) > MENDED_BY_HAND:
        return plan
    other = replan(problem, Plan())
    return min(plan, other, key=lambda p: objective(problem, p))


def warm() -> None:
    """Compile the kernel, or load it from numba's cache: three quarters of a minute the first time, then 0.3 s."""
    from scheduler.problem import Machine, Need, Piece

    hours = (Piece(0, 600),)
    jobs = tuple(
        Demand(id=str(n), needs=(Need(eligible=(0, 1)),), duration_min={0: 10, 1: 12}, due=30)
        for n in range(4)
    )
    machines = tuple(Machine(index=n, staffed=hours, open=hours) for n in range(2))
    search(Problem(horizon_min=600, machines=machines, demands=jobs), iterations=200, limit_s=3600)
