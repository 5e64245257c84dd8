"""One machine of forty fails for one to three days: how long the repair takes, and how many people hear of it.

Each machine of each lab fails in turn at the first opening, for some days from then on; what begins within two hours of
it elsewhere is pinned. Half of the labs are planned by insertion, half were searched as well. Beside the repair stand
the greedy repair (`replan` of those who cannot stay, nothing more) and a plan made anew. A promise is moved that is
off by a quarter of an hour.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

from rich.console import Console
from rich.table import Table

from scheduler.check import violations
from scheduler.greedy import replan, solve
from scheduler.plan import Objective, Plan, objective
from scheduler.problem import Block, Problem
from scheduler.repair import Limits, cannot_stay, repair
from scheduler.search import search
from tests.bench.labs import DAY, SIZES, lab

SEEDS = range(1, 9)
SEARCHED = 40_000  # moves
FREEZE_MIN = 120


@dataclass(frozen=True, kw_only=True)
class Failure:
    """`problem`: with the machine blocked; `plan`: from before, `pinned` in it what begins too soon."""

    problem: Problem
    plan: Plan
    pinned: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Mended:
    """One failure and what three ways made of it: the number of promises moved and the objective of each."""

    took_s: float
    own_s: float
    had_to_move: int
    before: Objective
    moved: tuple[int, int, int]
    after: tuple[Objective, Objective, Objective]


def failures(seed: int) -> Iterator[Failure]:
    machines, jobs = SIZES["mid"]
    problem = lab(seed, machines, jobs)
    plan = solve(problem)
    if seed % 2:
        plan = search(problem, plan, iterations=SEARCHED, limit_s=60.0, seed=seed).plan
    random = Random(seed)
    for machine in problem.machines:
        at = machine.open[0].start
        block = Block(start=at, end=at + random.randint(1, 3) * DAY, ref="failed")
        failed = replace(machine, blocked=(*machine.blocked, block))
        park = (*problem.machines[: machine.index], failed, *problem.machines[machine.index + 1 :])
        soon = {
            name for name, slots in plan.slots.items() if min(s.setup_start for s in slots) < at + FREEZE_MIN
        }
        yield Failure(problem=replace(problem, machines=park), plan=plan, pinned=frozenset(soon))


def promises_moved(old: Plan, new: Plan) -> int:
    tell_from_min = Limits().tell_from_min
    return sum(
        name not in new.slots or abs(new.ready_at(name) - old.ready_at(name)) >= tell_from_min
        for name in old.slots
    )


def mended(failure: Failure) -> Mended:
    problem, plan = failure.problem, failure.plan
    begun, own = time.perf_counter(), time.thread_time()
    found = repair(problem, plan, pinned=failure.pinned)
    took_s, own_s = time.perf_counter() - begun, time.thread_time() - own
    wrong = violations(problem, found.plan)
    if wrong:
        raise SystemExit(f"the repaired plan breaks a rule: {wrong[0]}")
    plans = found.plan, replan(problem, plan, cannot_stay(problem, plan)), solve(problem)
    return Mended(
        took_s=took_s,
        own_s=own_s,
        had_to_move=len(found.had_to_move),
        before=found.before,
        moved=(len(found.moved), promises_moved(plan, plans[1]), promises_moved(plan, plans[2])),
        after=(found.after, objective(problem, plans[1]), objective(problem, plans[2])),
    )


def run(console: Console, seeds: str = "") -> dict[str, float]:
    all_of_them = [
        mended(f) for seed in (range(1, int(seeds) + 1) if seeds else SEEDS) for f in failures(seed)
    ]
    had = sum(m.had_to_move for m in all_of_them)
    table = Table(title=f"{len(all_of_them)} failures, {had} jobs and workshops that could not stay")
    for column in ("plan", "moved", "ratio", "worst", "weighted minutes late", "without a place"):
        table.add_column(column, justify="left" if column == "plan" else "right")
    table.add_row(
        "before", "", "", "", f"{statistics.mean(m.before.tardiness for m in all_of_them):,.0f}", ""
    )
    for way, name in enumerate(("repaired", "greedily", "made anew")):
        moved = sum(m.moved[way] for m in all_of_them)
        worst = max(m.moved[way] / m.had_to_move for m in all_of_them if m.had_to_move)
        late = statistics.mean(m.after[way].tardiness for m in all_of_them)
        lost = sum(m.after[way].unplaced > m.before.unplaced for m in all_of_them)
        table.add_row(name, str(moved), f"{moved / had:.3f}", f"{worst:.2f}", f"{late:,.0f}", str(lost))
    console.print(table)
    took, own = _ms([m.took_s for m in all_of_them]), _ms([m.own_s for m in all_of_them])
    console.print(
        f"repair: p50 {took[49]:.1f} ms, p99 {took[98]:.1f} ms; of the thread {own[49]:.1f} and {own[98]:.1f} ms"
    )
    return {
        "p99_ms": round(took[98], 1),
        "moved_ratio": round(sum(m.moved[0] for m in all_of_them) / had, 3),
        "p50_ms": round(took[49], 1),
        "max_ms": round(1000 * max(m.took_s for m in all_of_them), 1),
        "own_p99_ms": round(own[98], 1),
    }


def _ms(seconds: list[float]) -> list[float]:
    """The percentiles 1 to 99."""
    return statistics.quantiles([1000 * s for s in seconds], n=100, method="inclusive")
