"""The referee against the whole solver: it passes every plan that is made, by whatever way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scheduler.check import violations
from scheduler.greedy import Board, replan, solve
from scheduler.plan import Plan, objective
from scheduler.problem import Block, Problem, faults, pieces
from scheduler.search import first_plan, search, warm
from tests.scheduler.instances import labs, problems

# With the search, in one worker: to compile the kernel takes half a minute, and each would do it.
pytestmark = pytest.mark.xdist_group("search")

SEEDS = st.integers(0, 10**9)
QUIET = settings(deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    warm()


def made(problem: Problem, seed: int) -> Iterator[tuple[str, Problem, Plan]]:
    """Plans by every way there is to one, the way in front."""
    random, first = Random(seed), solve(problem)
    yield "inserted", problem, first
    if problem.demands:
        demand = random.choice(problem.demands)
        others = tuple(d for d in problem.demands if d is not demand)
        without = solve(replace(problem, demands=others))
        for option in Board(problem, without).options(demand, 4):
            yield "an option taken", problem, without.with_slots(option.slots)
    later = another_day(random, problem)
    broken = {violation.demand for violation in violations(later, first)}
    mended = replan(later, first, broken)
    yield "made good", later, mended
    loosened = replan(problem, first, [name for name in sorted(first.slots) if random.random() < 0.3])
    yield "inserted again", problem, loosened
    yield "queued", problem, first_plan(problem)
    for given_ in (mended, None):
        found = search(later, given_, iterations=150, limit_s=60, seed=seed % 1000)
        assert given_ is None or found.objective <= objective(later, given_)
        yield "searched", later, found.plan


def another_day(random: Random, problem: Problem) -> Problem:
    """The same lab with claims gone, changed and come, a machine out for hours, and staff away."""
    demands = [d for d in problem.demands if random.random() < 0.8]
    demands = [replace(d, duration_min={m: n + 9 for m, n in d.duration_min.items()}) if not random.randrange(4) else d
               for d in demands]  # fmt: skip
    demands += [replace(d, id=f"{d.id}-again") for d in problem.demands if not random.randrange(4)]
    machines = list(problem.machines)
    on = random.choice(machines)
    begin, away = random.randrange(problem.horizon_min), random.randrange(problem.horizon_min)
    out = Block(start=begin, end=begin + random.randrange(1, 600))
    hours = pieces(
        (a, b)
        for start, end in on.staffed
        for a, b in ((start, min(end, away)), (max(start, away + 90), end))
    )
    machines[on.index] = replace(on, blocked=(*on.blocked, out), staffed=hours)
    return replace(problem, machines=tuple(machines), demands=tuple(demands))


def all_are_passed(problem: Problem, seed: int, seen: Counter[str]) -> None:
    assert faults(problem) == ()
    for way, stated, plan in made(problem, seed):
        assert violations(stated, plan) == (), way
        seen[way] += 1
        seen["of them gangs"] += sum(len(slots) > 1 for slots in plan.slots.values())
        seen["placed"] += len(plan.slots)
        seen["unplaced"] += len(plan.unplaced)


@settings(QUIET, max_examples=40)
@given(problem=problems(), seed=SEEDS)
def test_every_plan_of_a_strange_problem_is_passed(problem: Problem, seed: int) -> None:
    all_are_passed(problem, seed, Counter())


@settings(QUIET, max_examples=40)
@given(problem=labs(), seed=SEEDS)
def test_every_plan_of_a_small_lab_is_passed(problem: Problem, seed: int) -> None:
    all_are_passed(problem, seed, Counter())


@pytest.mark.soak
def test_every_plan_of_ten_thousand_problems_is_passed() -> None:
    examples, seen = 0, Counter[str]()

    @settings(QUIET, max_examples=10_000)
    @given(problem=problems() | labs(), seed=SEEDS)
    def each(problem: Problem, seed: int) -> None:
        nonlocal examples
        examples += 1
        all_are_passed(problem, seed, seen)

    each()
    print(f"\n{examples} problems: {dict(seen)}")
    assert examples >= 10_000
