"""The plan's quality: ours against insertion, CP-SAT and PyJobShop, and against our own after a long time.

    python -m tests.bench plan --quick                 # all sizes, 25 minutes on two busy cores
    python -m tests.bench plan --sizes small --from 300 --seeds 20 --cold-seeds 5
    python -m tests.bench plan --sizes mid,large --other-seeds 2 --long-s 60

Compared is `scheduler.search.cost`: the tiers of `plan.Objective` as one number, nearly all of it weighted minutes past
due. Our limits count what two cores that are ours alone would take (`Cores`), so a busy machine does not flatter the
rivals; theirs are wall seconds with as many threads as they like; what CPU they got in them is in their rows. CP-SAT's
hint is our own plan, so that it can hardly be above ours: where it is, by less than 0.001 %, it has traded set-up
minutes and earliness, which its model does not know. Every plan goes through `check`.

The bound of a row is what CP-SAT has proved in its time by relaxing its own model: no plan is below it. That model knows
all tiers but set-up minutes and earliness, which are worth less than 0.1 together on a small lab; what lies between the
bound and the plans is what CP-SAT could not settle, on labs of this size most of it. `tests.peers.test_rivals` has labs
small enough for the two to meet.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from scheduler.check import violations
from scheduler.greedy import solve
from scheduler.plan import Objective, Plan, objective
from scheduler.problem import Problem
from scheduler.search import cost, first_plan, search, warm
from tests.bench.labs import SIZES, lab
from tests.bench.rivals import Answer, cpsat, pyjobshop

OURS_S = {"small": 0.5, "mid": 5.0, "large": 20.0, "huge": 60.0}
LONG_S = {"small": 0.0, "mid": 300.0, "large": 600.0, "huge": 600.0}
QUICK_LONG_S = {"small": 0.0, "mid": 60.0, "large": 100.0, "huge": 120.0}
QUICK_SEEDS, QUICK_RIVAL_S = 4, 20.0
THREADS = 2  # of ours
HINTED, COLD, PYJOBSHOP = "CP-SAT, hinted", "CP-SAT, cold", "PyJobShop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    size: str
    seed: int
    who: str
    value: Objective | None
    bound: float | None = None
    first_ms: float | None = None
    said: str = ""

    @property
    def cost(self) -> float | None:
        return None if self.value is None else cost(self.value)


class Cores:
    """Seconds on as many cores as there are threads, that nobody else uses, since this was made: the CPU seconds of the
    thread that asks, which does all that is done by one alone, or an equal share of all CPU seconds if that is more.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._own, self._all = time.thread_time(), time.process_time()

    def __call__(self) -> float:
        return max(time.thread_time() - self._own, (time.process_time() - self._all) / self._threads)


def judged(problem: Problem, plan: Plan) -> Objective:
    wrong = violations(problem, plan)
    if wrong:
        raise AssertionError(f"not a plan: {wrong[:5]}")
    return objective(problem, plan)


def ours(size: str, seed: int, long_s: float) -> tuple[Problem, Plan, list[Row]]:
    problem = lab(seed, *SIZES[size])
    begun = time.process_time()
    first = first_plan(problem)
    first_ms = 1000 * (time.process_time() - begun)
    found = search(problem, first, limit_s=OURS_S[size], seed=seed, threads=THREADS, clock=Cores(THREADS))
    rows = [
        Row(size=size, seed=seed, who="insertion, EDF", value=judged(problem, solve(problem))),
        Row(size=size, seed=seed, who="our first", value=judged(problem, first), first_ms=first_ms),
        Row(
            size=size,
            seed=seed,
            who="ours",
            value=judged(problem, found.plan),
            first_ms=first_ms,
            said=f"{found.iterations:,} moves in {OURS_S[size]:g} s, {THREADS} threads",
        ),
    ]
    if long_s:
        longer = search(problem, limit_s=long_s, seed=seed + 1000, threads=THREADS, clock=Cores(THREADS))
        best = min(longer.plan, found.plan, key=lambda plan: objective(problem, plan))
        rows.append(
            Row(size=size, seed=seed, who="ours, long", value=judged(problem, best), said=f"{long_s:g} s")
        )
    return problem, found.plan, rows


def theirs(size: str, seed: int, problem: Problem, plan: Plan, limit_s: float, *, cold: bool) -> list[Row]:
    """Of CP-SAT with our plan as its hint; if `cold`, also of CP-SAT without, and of PyJobShop."""
    asked: dict[str, Callable[[], Answer]] = {HINTED: lambda: cpsat(problem, limit_s, plan)}
    if cold:
        asked[COLD] = lambda: cpsat(problem, limit_s)
        asked[PYJOBSHOP] = lambda: pyjobshop(problem, limit_s, plan)
    rows = []
    for who, ask in asked.items():
        begun = _children_s()
        answer = ask()
        rows.append(
            Row(
                size=size,
                seed=seed,
                who=who,
                value=judged(problem, answer.plan) if answer.plan else None,
                bound=answer.bound,
                first_ms=None if answer.first_s is None else 1000 * answer.first_s,
                said=f"{answer.status} in {limit_s:g} s, {_children_s() - begun:.0f} CPU s",
            )
        )
    return rows


def _children_s() -> float:
    """CPU seconds of all processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _table(rows: Sequence[Row]) -> Table:
    table = Table(
        title="One plan, many planners (less is better; tiers from the left)",
        caption="none under: CP-SAT's proof in its time, of the cost without set-up minutes and earliness",
    )
    for head in (
        "lab",
        "seed",
        "who",
        "cost",
        "no place",
        "late",
        "moved",
        "disliked",
        "set-up",
        "first ms",
        "",
    ):
        table.add_column(head, justify="left" if head in ("lab", "who", "") else "right")
    for row in rows:
        value = row.value
        tiers = ["no plan", *[""] * 5]
        if value is not None:
            figures = (value.unplaced, value.tardiness, value.moved, value.disliked, value.setup_min)
            tiers = [f"{cost(value):,.1f}", *(f"{figure:,.0f}" for figure in figures)]
        first = "" if row.first_ms is None else f"{row.first_ms:,.0f}"
        bound = "" if row.bound is None else f", none under {row.bound:,.1f}"
        table.add_row(row.size, str(row.seed), row.who, *tiers, first, row.said + bound)
    return table


def over_pct(rows: Sequence[Row], size: str, who: str, other: str) -> float | None:
    """Mean over the seeds of how far the one lies over the other; a seed where either has no plan is left out."""
    costs = {(row.seed, row.who): row.cost for row in rows if row.size == size}
    pairs = [(costs.get((seed, who)), costs.get((seed, other))) for seed in {seed for seed, _ in costs}]
    ratios = [100 * (a / b - 1) for a, b in pairs if a is not None and b]
    return round(statistics.mean(ratios), 3) if ratios else None


def _bound_pct(rows: Sequence[Row]) -> float | None:
    """How far ours lies over the best bound CP-SAT proved, summed over the seeds: bounds near nothing say little alone."""
    ours, proven = 0.0, 0.0
    for seed in {row.seed for row in rows if row.size == "small"}:
        mine = [row for row in rows if row.size == "small" and row.seed == seed]
        bounds = [row.bound for row in mine if row.bound is not None]
        if bounds:
            proven += max(bounds)
            ours += next(row.cost for row in mine if row.who == "ours") or 0.0
    return round(100 * (ours / proven - 1), 2) if proven else None


def _counted(rows: Sequence[Row]) -> Counter[tuple[str, str]]:
    return Counter((row.size, row.who) for row in rows)


def _planless(rows: Sequence[Row]) -> Counter[tuple[str, str]]:
    return Counter((row.size, row.who) for row in rows if row.value is None)


def figures(rows: Sequence[Row]) -> dict[str, object]:
    first: dict[str, float] = {}
    for size in SIZES:
        times = [row.first_ms for row in rows if row.size == size and row.who == "our first" and row.first_ms]
        if times:
            first[size] = round(statistics.median(times), 1)
    return {
        "small_vs_cpsat_pct": over_pct(rows, "small", "ours", HINTED),
        "small_gap_to_bound_pct": _bound_pct(rows),
        **{
            f"{size}_gap_pct": over_pct(rows, size, "ours", "ours, long") for size in ("mid", "large", "huge")
        },
        "first_plan_ms": first,
        "edf_over_ours_pct": {size: over_pct(rows, size, "insertion, EDF", "ours") for size in first},
        "cpsat_cold_small_pct": over_pct(rows, "small", COLD, "ours"),
        "pyjobshop_small": over_pct(rows, "small", PYJOBSHOP, "ours"),
        "seeds": {f"{size}, {who}": count for (size, who), count in _counted(rows).items()},
        "no_plan": {f"{size}, {who}": count for (size, who), count in _planless(rows).items()},
        "rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }


def run(console: Console, *arguments: str) -> dict[str, object]:
    parser = argparse.ArgumentParser(prog="python -m tests.bench plan")
    parser.add_argument("--seeds", type=int, help="of the small lab, 20 unless said")
    parser.add_argument("--other-seeds", type=int, default=1, help="of each other size, 1 unless said")
    parser.add_argument(
        "--cold-seeds",
        type=int,
        help="of the small lab for CP-SAT without a hint and PyJobShop; all unless said",
    )
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first seed")
    parser.add_argument(
        "--rival-s", type=float, help="for each rival on a small lab, 60 unless said; 0: none"
    )
    parser.add_argument(
        "--long-s", type=float, help="for our long runs instead of 300, 600 and 600 s; 0: none"
    )
    parser.add_argument("--sizes", default=",".join(SIZES))
    parser.add_argument(
        "--quick", action="store_true", help="fewer seeds, less time for rivals and long runs"
    )
    parser.add_argument("--verbose", action="store_true", help="each lab's figures as soon as it is through")
    said = parser.parse_args(arguments)
    seeds, rival_s, long_of = (QUICK_SEEDS, QUICK_RIVAL_S, QUICK_LONG_S) if said.quick else (20, 60.0, LONG_S)
    seeds = seeds if said.seeds is None else said.seeds
    rival_s = rival_s if said.rival_s is None else said.rival_s
    warm()
    rows: list[Row] = []
    for size in said.sizes.split(","):
        long_s = long_of[size] if said.long_s is None or size == "small" else said.long_s
        for number in range(seeds if size == "small" else said.other_seeds):
            seed = said.first + number
            problem, plan, found = ours(size, seed, long_s)
            if size == "small" and rival_s:
                cold = said.cold_seeds is None or number < said.cold_seeds
                found += theirs(size, seed, problem, plan, rival_s, cold=cold)
            rows += found
            if said.verbose:
                console.print(
                    *(f"{row.size} {row.seed} {row.who}: {row.cost} {row.said}" for row in found), sep="\n"
                )
    console.print(_table(rows))
    return figures(rows)
