"""The referee against spoilt plans: one hard rule broken, and never is it passed."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import scheduler.check
from scheduler.check import violations
from scheduler.greedy import solve
from scheduler.problem import Problem
from tests.scheduler.instances import lab, labs, problems
from tests.scheduler.mutations import MUTATIONS, Mutation, mutate

SEEDS = st.integers(0, 10**9)
QUIET = settings(deadline=None, suppress_health_check=list(HealthCheck))


def spoilt_are_rejected(problem: Problem, seed: int, seen: Counter[str]) -> None:
    plan = solve(problem)
    for code, mutation in MUTATIONS:
        case = mutate(mutation, Random(seed), problem, plan)
        if case is not None:
            found = {violation.code for violation in violations(*case)}
            assert code in found, mutation.__name__
            seen[mutation.__name__] += 1


def test_there_is_a_mutation_for_every_rule_of_the_referee() -> None:
    """Every string of its source that looks like a code and is no other word of it."""
    tree = ast.parse(Path(scheduler.check.__file__).read_text())
    said = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    facts = {"need", "wanted", "found", "other", "wanted_min", "found_min"}
    assert {word for word in said if re.fullmatch(r"[a-z_]+", word)} - facts == {
        code for code, _ in MUTATIONS
    }


@pytest.mark.parametrize(("code", "mutation"), MUTATIONS, ids=lambda v: getattr(v, "__name__", ""))
def test_a_sound_plan_with_one_rule_broken_is_rejected(code: str, mutation: Mutation) -> None:
    """Each at least once; how often is asked below."""
    plans = (
        (problem, solve(problem)) for problem in (lab(n, machines=4, jobs=14, days=7) for n in range(60))
    )
    cases = (mutate(mutation, Random(n), *plan) for n, plan in enumerate(plans))
    case = next(case for case in cases if case is not None)
    assert code in {violation.code for violation in violations(*case)}


@settings(QUIET, max_examples=30)
@given(problem=problems() | labs(), seed=SEEDS)
def test_no_spoilt_plan_is_passed(problem: Problem, seed: int) -> None:
    """About thirty mutations of each plan."""
    spoilt_are_rejected(problem, seed, Counter())


@pytest.mark.soak
def test_no_spoilt_plan_of_ten_thousand_is_passed() -> None:
    seen = Counter[str]()

    @settings(QUIET, max_examples=2_000)
    @given(problem=problems() | labs(), seed=SEEDS)
    def each(problem: Problem, seed: int) -> None:
        spoilt_are_rejected(problem, seed, seen)

    each()
    print(
        f"\n{seen.total()} mutations:",
        *(f"{seen[m.__name__]:6} {code:20} {m.__name__}" for code, m in MUTATIONS),
        sep="\n",
    )
    assert seen.total() >= 10_000
    assert min(seen[mutation.__name__] for _, mutation in MUTATIONS) >= 50
