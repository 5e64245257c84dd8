"""Published instances that our problem contains: how far from the best known, beside CP-SAT in the same time.

    python -m tests.bench public --limit 2 --set capacity

The sets lie in `tests/bench/public/`, whose README says whose they are. Both ask for the least weighted tardiness on
machines that are all alike: one in "wt40"; in "capacity" as many as a profile says, which grows and then shrinks. A
machine that joins late has a calendar that begins late. Which one leaves is for the plan to choose: a leaving is a
demand with a fixed start and no due, from then to the horizon, on any machine. Calendars are open otherwise, and nothing
is set up or cleared, so our objective's tardiness is the set's, and every plan is judged twice: by `check` and
`objective` as a plan of ours, and from its starts alone by the instance's own numbers.

Time is counted in CPU seconds, so that a busy machine flatters nobody: `--limit` for our one thread, and twice that for
CP-SAT with its eight workers, as two quiet cores would give it in the same time. What each burnt is in the table, CP-SAT
with its start and its model. It is asked twice: for the model our planner's problem becomes (`rival_cpsat`), and for the
textbook's (`rival_textbook`).
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from scheduler.check import violations
from scheduler.plan import Plan, objective
from scheduler.problem import Demand, Machine, Need, Piece, Problem, Slot
from scheduler.search import search, warm
from tests.bench.rivals import cpsat, textbook

HERE = Path(__file__).with_suffix("")
SETS = ("wt40", "capacity")
OURS, GENERAL, TEXTBOOK = "ours", "CP-SAT, our model", "CP-SAT, textbook"
WHO = (OURS, GENERAL, TEXTBOOK)
LEAVES = "leaves-"
CORES = 2
PATIENCE = 20  # wall seconds for each second of the limit, after which a rival that gets no core is stopped


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """`best`: the least weighted tardiness anybody has published. `capacity`: (from minute, machines), by minute."""

    name: str
    best: int
    capacity: tuple[tuple[int, int], ...]
    run_min: tuple[int, ...]
    weight: tuple[int, ...]
    due: tuple[int, ...]

    @property
    def horizon(self) -> int:
        """Nothing in a plan without idle machines ends later."""
        return self.capacity[-1][0] + sum(self.run_min)


def read(name: str) -> tuple[Published, ...]:
    """A set's instances; a line that begins with a blank goes on with the one before."""
    lines: list[list[str]] = []
    for line in (HERE / f"{name}.txt").read_text("ascii").splitlines():
        if line.startswith(" "):
            lines[-1] += line.split()
        else:
            lines.append(line.split())
    found: list[Published] = []
    head: list[str] = []
    rows: dict[str, tuple[int, ...]] = {}
    for words in [*lines, ["end", "0"]]:
        if len(words[0]) == 1:
            rows[words[0]] = tuple(map(int, words[1:]))
            continue
        if head:
            found.append(_instance(head[0], int(head[1]), rows))
        head, rows = words, {}
    return tuple(found)


def _instance(name: str, best: int, rows: Mapping[str, tuple[int, ...]]) -> Published:
    profile = rows.get("c", (0, 1))
    return Published(
        name=name,
        best=best,
        capacity=tuple(zip(profile[::2], profile[1::2], strict=True)),
        run_min=rows["p"],
        weight=rows.get("w", (1,) * len(rows["p"])),
        due=rows["d"],
    )


def as_problem(instance: Published) -> Problem:
    joins: list[int] = []
    leaves: list[int] = []
    before = 0
    for since, count in instance.capacity:
        joins += [since] * (count - before)
        leaves += [since] * (before - count)
        before = count
    assert max(joins) <= min(leaves, default=instance.horizon), "then who joins could be one who left"
    anywhere = Need(eligible=tuple(range(len(joins))))
    jobs = [
        Demand(
            id=str(number),
            needs=(anywhere,),
            duration_min=dict.fromkeys(anywhere.eligible, run),
            due=due,
            weight=weight,
        )
        for number, (run, weight, due) in enumerate(
            zip(instance.run_min, instance.weight, instance.due, strict=True)
        )
    ]
    jobs += [
        Demand(
            id=f"{LEAVES}{number}",
            needs=(anywhere,),
            duration_min=dict.fromkeys(anywhere.eligible, instance.horizon - since),
            starts=(Piece(since, since + 1),),
        )
        for number, since in enumerate(leaves)
    ]
    hours = [(Piece(since, instance.horizon),) for since in joins]
    machines = tuple(Machine(index=n, staffed=open_, open=open_) for n, open_ in enumerate(hours))
    return Problem(horizon_min=instance.horizon, machines=machines, demands=tuple(jobs))


def tardiness(instance: Published, starts: Sequence[int]) -> int:
    """By the instance's own numbers; ValueError where more run at once than may."""
    ends = [start + run for start, run in zip(starts, instance.run_min, strict=True)]
    if min(starts) < 0:
        raise ValueError(f"{instance.name}: a start before the beginning")
    for minute in {*starts, *(since for since, _ in instance.capacity)}:
        allowed = next((count for since, count in reversed(instance.capacity) if since <= minute), 0)
        running = sum(start <= minute < end for start, end in zip(starts, ends, strict=True))
        if running > allowed:
            raise ValueError(f"{instance.name}: {running} run at minute {minute}, where {allowed} may")
    lates = (max(0, end - due) for end, due in zip(ends, instance.due, strict=True))
    return sum(weight * late for weight, late in zip(instance.weight, lates, strict=True))


def judged(instance: Published, problem: Problem, plan: Plan) -> int:
    """What the plan is worth, by both of the ways to say so; AssertionError where they do not agree."""
    wrong = violations(problem, plan)
    assert not wrong, f"not a plan: {wrong[:5]}"
    ours = objective(problem, plan)
    assert ours.unplaced == 0, f"{ours.unplaced} have no place"
    theirs = tardiness(instance, [plan.slots[str(n)][0].run_start for n in range(len(instance.run_min))])
    assert ours.tardiness == theirs, f"{ours.tardiness} by our objective, {theirs} by the instance"
    return theirs


def as_plan(problem: Problem, starts: Mapping[str, int]) -> Plan:
    """Starts become places: each, in turn, on the first machine that is free and has joined."""
    demands = {demand.id: demand for demand in problem.demands}
    free = {machine.index: machine.staffed[0].start for machine in problem.machines}
    slots: dict[str, tuple[Slot, ...]] = {}
    for name, start in sorted(starts.items(), key=lambda entry: entry[1]):
        on = next(machine for machine, since in free.items() if since <= start)
        free[on] = start + demands[name].duration_min[on]
        slots[name] = (
            Slot(
                demand=name,
                machine=on,
                setup_start=start,
                run_start=start,
                run_end=free[on],
                free_at=free[on],
            ),
        )
    return Plan(slots=slots)


def _by_textbook(instance: Published, problem: Problem, limit_s: float) -> Plan | None:
    told = {
        "capacity": instance.capacity,
        "horizon": instance.horizon,
        "run": instance.run_min,
        "weight": instance.weight,
        "due": instance.due,
    }
    starts, _ = textbook(told, PATIENCE * limit_s, CORES * limit_s)
    leaves = {d.id: d.starts[0].start for d in problem.demands if d.id.startswith(LEAVES)}
    return (
        as_plan(problem, {**leaves, **{str(n): start for n, start in enumerate(starts)}}) if starts else None
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`value` None: no plan."""

    value: int | None
    cpu_s: float


Answers = Mapping[str, Answer]
Found = Sequence[tuple[Published, Answers]]


def run_one(instance: Published, limit_s: float, seed: int, alone: bool) -> Answers:
    """What each of `WHO` found in `limit_s`, and what it took."""
    problem = as_problem(instance)
    ways: dict[str, Callable[[], Plan | None]] = {
        OURS: lambda: search(problem, limit_s=limit_s, seed=seed, clock=time.process_time).plan
    }
    if not alone:
        ways[GENERAL] = lambda: cpsat(problem, PATIENCE * limit_s, cpu_s=CORES * limit_s).plan
        ways[TEXTBOOK] = lambda: _by_textbook(instance, problem, limit_s)
    answers: dict[str, Answer] = {}
    for who, way in ways.items():
        before_s = _burnt_s()
        plan = way()
        answers[who] = Answer(
            value=judged(instance, problem, plan) if plan else None, cpu_s=_burnt_s() - before_s
        )
    return answers


def _burnt_s() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def gap_pct(value: int | None, best: int) -> float | None:
    """None where there is no plan, and where no per cent of nothing can be said."""
    if value is None or (best == 0 and value > 0):
        return None
    return 0.0 if best == 0 else 100 * (value / best - 1)


def _gaps(found: Found, who: str) -> list[float]:
    gaps = (gap_pct(answers[who].value, one.best) for one, answers in found if who in answers)
    return [gap for gap in gaps if gap is not None]


def _reached(found: Found, who: str) -> int:
    return sum(who in answers and answers[who].value == one.best for one, answers in found)


def figures(name: str, found: Found) -> dict[str, object]:
    """`best_of` counts where the best known is reached; the gaps leave out where a rival has no plan."""
    said: dict[str, object] = {f"{name}_of": len(found)}
    for who, key in ((OURS, ""), (GENERAL, "_cpsat"), (TEXTBOOK, "_textbook")):
        gaps = _gaps(found, who)
        said[f"{name}{key}_gap_pct"] = round(statistics.mean(gaps), 3) if gaps else None
        said[f"{name}{key}_best_of"] = _reached(found, who)
    return said


def tables(name: str, found: Found, limit_s: float) -> tuple[Table, Table]:
    each = Table(title=f"{name}: weighted tardiness after {limit_s:g} s")
    total = Table(title=f"{name}: over the best known, per cent; {len(found)} instances, {limit_s:g} s each")
    for table, heads in (
        (each, ("instance", "best known", *WHO)),
        (total, ("who", "mean", "median", "worst", "at the best known", "no plan", "CPU s each")),
    ):
        for number, head in enumerate(heads):
            table.add_column(head, justify="right" if number else "left")
    for one, answers in found:
        values = [answers[who].value if who in answers else None for who in WHO]
        each.add_row(one.name, f"{one.best:,}", *("-" if v is None else f"{v:,}" for v in values))
    for who in WHO:
        gaps, mine = _gaps(found, who), [answers[who] for _, answers in found if who in answers]
        if not gaps:
            continue
        spread = (statistics.mean(gaps), statistics.median(gaps), max(gaps))
        none = sum(answer.value is None for answer in mine)
        cpu_s = statistics.mean(answer.cpu_s for answer in mine)
        reached = f"{_reached(found, who)} of {len(found)}"
        total.add_row(who, *(f"{gap:.2f}" for gap in spread), reached, str(none), f"{cpu_s:.1f}")
    return each, total


def run(console: Console, *arguments: str) -> dict[str, object]:
    parser = argparse.ArgumentParser(prog="python -m tests.bench public")
    parser.add_argument("--limit", type=float, default=2.0, help="seconds for each, on each instance")
    parser.add_argument("--set", choices=SETS, action="append", help="only this one; may be said again")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=None, help="only so many instances of each set")
    parser.add_argument("--alone", action="store_true", help="ours only")
    said = parser.parse_args(arguments)
    warm()
    answer: dict[str, object] = {"limit_s": said.limit}
    for name in said.set or SETS:
        found = [(one, run_one(one, said.limit, said.seed, said.alone)) for one in read(name)[: said.first]]
        for table in tables(name, found, said.limit):
            console.print(table)
        answer |= figures(name, found)
    return answer
