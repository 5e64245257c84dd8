"""The generator of bench labs: sound, the same for the same seed, and a lab one can plan."""

from __future__ import annotations

import pytest

from scheduler.check import violations
from scheduler.greedy import solve
from scheduler.problem import faults
from tests.bench.labs import lab


@pytest.mark.parametrize(("machines", "jobs"), [(1, 5), (3, 20), (10, 60), (40, 400), (200, 1000)])
def test_a_made_lab_is_a_sound_problem(machines: int, jobs: int) -> None:
    problem = lab(3, machines, jobs)
    assert faults(problem) == ()
    assert (len(problem.machines), len(problem.demands)) == (machines, jobs)


def test_the_same_seed_makes_the_same_lab_and_another_seed_another() -> None:
    assert lab(7, 10, 60) == lab(7, 10, 60) != lab(8, 10, 60)


def test_the_horizon_is_what_was_asked_for() -> None:
    assert lab(1, 10, 60, days=30).horizon_min == 30 * 24 * 60


@pytest.mark.parametrize("seed", range(5))
def test_everything_in_a_made_lab_has_a_place(seed: int) -> None:
    problem = lab(seed, 10, 60)
    plan = solve(problem)
    assert not plan.unplaced
    assert violations(problem, plan) == ()


def test_a_made_lab_has_all_a_lab_has() -> None:
    problem = lab(0, 40, 400)
    assert any(demand.is_gang and len(demand.starts) > 1 for demand in problem.demands)
    assert any(demand.told for demand in problem.demands)
    assert any(machine.blocked for machine in problem.machines)
    assert {slot.demand.split("-")[0] for slot in problem.fixed} == {"running", "reserved"}
