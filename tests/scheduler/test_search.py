"""The search: sound by the referee, never worse than what it was given, and the same for the same seed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from numpy.random import default_rng

from scheduler.check import violations
from scheduler.greedy import replan, solve
from scheduler.plan import Plan, objective
from scheduler.problem import Family, Need, Piece, Problem, SetupRule, Told
from scheduler.search import cost, first_plan, kernel, search, warm
from scheduler.search.hands import Parts
from scheduler.search.packed import pack
from tests.bench.labs import lab as bench_lab
from tests.scheduler.instances import always, job, lab, machine, tiny

ROOT = Path(__file__).resolve().parents[2]
# In one worker: to compile the kernel takes half a minute, and each would do it.
pytestmark = pytest.mark.xdist_group("search")


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    warm()


@pytest.mark.parametrize("seed", range(12))
def test_a_searched_plan_of_a_lab_is_sound_and_not_worse(seed: int) -> None:
    problem = lab(seed, machines=8, jobs=60, gangs=3, fixed=6)
    given = solve(problem)
    found = search(problem, given, iterations=8000, limit_s=60, seed=seed)
    assert violations(problem, found.plan) == ()
    assert found.objective == objective(problem, found.plan) <= objective(problem, given)


@pytest.mark.parametrize("seed", range(12))
def test_a_searched_plan_of_a_ragged_hour_is_sound(seed: int) -> None:
    problem = tiny(seed)
    found = search(problem, iterations=3000, limit_s=60, seed=seed)
    assert violations(problem, found.plan) == ()


def test_the_first_plan_of_a_large_lab_is_sound() -> None:
    problem = lab(3, machines=40, jobs=700, gangs=6, fixed=20)
    assert violations(problem, first_plan(problem)) == ()


def test_the_same_seed_gives_the_same_plan() -> None:
    problem = lab(5, machines=6, jobs=40)
    one, other = (search(problem, iterations=5000, limit_s=60, seed=7) for _ in range(2))
    assert one.plan == other.plan
    assert one.iterations == 5000


@pytest.mark.parametrize(("machines", "jobs"), [(6, 40), (30, 400)])
def test_two_threads_give_the_same_plan_each_time_and_a_sound_one(machines: int, jobs: int) -> None:
    """Chains side by side at 40 demands, one plan in parts at 400; each cools more than once."""
    problem = lab(5, machines=machines, jobs=jobs, gangs=4)
    moves = 2000 * jobs if jobs < 100 else 100 * jobs
    given = first_plan(problem)
    one, other = (search(problem, given, iterations=moves, limit_s=600, seed=7, threads=2) for _ in range(2))
    assert one.plan == other.plan
    assert violations(problem, one.plan) == ()
    assert one.objective == objective(problem, one.plan) < objective(problem, given)


def test_after_any_number_of_moves_in_parts_the_kernel_counts_what_the_plan_costs() -> None:
    """Two threads write into the same arrays, each where no other reads."""
    problem = bench_lab(4, machines=40, jobs=400)
    packed = pack(problem)
    packed.lay(first_plan(problem))
    with closing(Parts(packed, 2, default_rng(1))) as parts:
        for temperature in (1000.0, 100.0, 10.0, 1.0):
            parts.anneal(8000, temperature)
            plan = Plan(slots=packed.slots())
            assert violations(problem, plan) == ()
            assert kernel.total(packed.world) == pytest.approx(cost(objective(problem, plan)))


def test_all_of_the_kernel_was_compiled_by_the_warming_up() -> None:
    """Whatever the threads hand to it."""
    assert len(kernel.anneal.signatures) == 1  # type: ignore[attr-defined]  # numba's own


def test_it_finds_the_order_that_keeps_both_promises() -> None:
    """In the order of the given plan the short one is late; the other way round nobody is."""
    park = (machine(staffed=always(), open=always()),)
    long, short = job("long", run_min=600, due=800), job("short", run_min=60, due=100)
    problem = Problem(horizon_min=3000, machines=park, demands=(long, short))
    late = solve(replace(problem, demands=(long, replace(short, release=0, due=2000))))
    assert objective(problem, late).tardiness > 0 or late.slots["short"][0].run_start == 5
    assert search(problem, late, iterations=2000, limit_s=60).objective.tardiness == 0


def test_a_promise_is_not_moved_for_tidiness_alone() -> None:
    park = (machine(staffed=always(), open=always()),)
    told = job("told", told=Told(machines=(0,), start=500))
    problem = Problem(horizon_min=3000, machines=park, demands=(told, job("other")))
    found = search(problem, iterations=2000, limit_s=60)
    assert found.plan.slots["told"][0].run_start == 500


def test_a_workshop_makes_room_for_one_that_is_late() -> None:
    """The gang could be at any time of the day; the job is due at noon and fits nowhere else."""
    park = tuple(machine(index, staffed=always(), open=always()) for index in range(2))
    gang = job("gang", run_min=600, machines=(0, 1), needs=(Need(eligible=(0, 1), quantity=2),))
    hurried = job("hurried", run_min=300, machines=(0,), due=320)
    problem = Problem(horizon_min=5000, machines=park, demands=(gang, hurried))
    alone = solve(replace(problem, demands=(gang,)))
    given = Plan(slots={**alone.slots, **_behind(problem, alone).slots})
    assert objective(problem, given).tardiness > 0
    found = search(problem, given, iterations=200_000, limit_s=60)
    assert found.objective.tardiness == 0
    assert violations(problem, found.plan) == ()


def _behind(problem: Problem, alone: Plan) -> Plan:
    return replan(problem, alone)


@pytest.mark.parametrize("seed", range(4))
def test_after_any_number_of_moves_the_kernel_counts_what_the_plan_costs(seed: int) -> None:
    """Nothing that a move leaves standing is out of step with what a new decoding of everything says."""
    problem = bench_lab(seed, machines=10, jobs=60)
    packed = pack(problem)
    packed.lay(first_plan(problem))
    for chance, temperature in enumerate((1000.0, 10.0, 0.1), seed):
        kernel.anneal(packed.world, 10_000, temperature, 0.02, chance)
        plan = Plan(slots=packed.slots())
        counted = kernel.total(packed.world)
        assert violations(problem, plan) == ()
        assert counted == pytest.approx(cost(objective(problem, plan)))
        kernel.lay_out_all(packed.world)
        assert kernel.total(packed.world) == pytest.approx(counted)


@pytest.mark.parametrize("seed", [104, 105, 110])
def test_a_search_begins_as_the_plan_it_was_given_stands(seed: int) -> None:
    """In these, some who were told a start begin before it; made to wait for it they would hold up all behind them."""
    problem = bench_lab(seed, machines=10, jobs=60)
    given = first_plan(problem)
    packed = pack(problem)
    packed.lay(given)
    assert kernel.total(packed.world) <= cost(objective(problem, given)) * (1 + 1e-6)


def test_every_kind_of_move_is_tried_and_some_of_each_are_kept() -> None:
    packed = pack(problem := bench_lab(2, machines=10, jobs=60))
    packed.lay(first_plan(problem))
    kernel.anneal(packed.world, 30_000, 100.0, 0.02, 1)
    assert (packed.world.tally > 0).all()


def test_it_stops_when_it_is_told_to() -> None:
    problem = lab(1, machines=4, jobs=20)
    asked = iter([False, False, True])
    assert search(problem, limit_s=3600, stop=lambda: next(asked)).iterations == 2 * 4096


def test_a_problem_of_workshops_alone_is_searched_too() -> None:
    """Both want the same machines, and the hurried one was given the later hour."""
    park = tuple(machine(index, staffed=always(), open=always()) for index in range(2))
    both = {"machines": (0, 1), "needs": (Need(eligible=(0, 1), quantity=2),)}
    calm, hurried = job("calm", run_min=600, **both), job("hurried", run_min=60, due=200, **both)
    problem = Problem(horizon_min=3000, machines=park, demands=(calm, hurried))
    alone = solve(replace(problem, demands=(calm,)))
    given = replan(problem, alone)
    assert objective(problem, given).tardiness > 0
    found = search(problem, given, iterations=20_000, limit_s=60)
    assert found.objective.tardiness == 0
    assert violations(problem, found.plan) == ()


def test_a_longer_run_begins_as_a_short_one_and_goes_on_from_its_best() -> None:
    """So more time is never worse: the work of several coolings is not less than that of the first alone."""
    problem = bench_lab(3, machines=10, jobs=60)
    given = first_plan(problem)
    short, long = (
        search(problem, given, iterations=moves, limit_s=600, seed=2) for moves in (240_000, 720_000)
    )
    assert long.objective <= short.objective


def test_a_problem_without_demands_has_an_empty_plan() -> None:
    found = search(Problem(horizon_min=100, machines=(machine(),)))
    assert (found.plan.slots, found.iterations) == ({}, 0)


def test_uncompiled_it_finds_the_same_plans() -> None:
    """The same functions as plain Python: what is compiled is what the tests can step through."""
    said = subprocess.run(
        [sys.executable, "-c", "from tests.scheduler.test_search import found; print(*found())"],
        cwd=ROOT,
        env=os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=200,
        check=True,
    )
    assert said.stdout.split() == [str(value) for value in found()]


def found() -> Iterator[float]:
    """What one thread finds, two side by side, and two in parts."""
    problem = lab(2, machines=6, jobs=40, gangs=3)
    given = first_plan(problem)
    for threads in (1, 2):
        yield cost(search(problem, given, iterations=700, limit_s=600, seed=2, threads=threads).objective)
    packed = pack(problem)
    packed.lay(given)
    with closing(Parts(packed, 2, default_rng(1))) as parts:
        parts.anneal(300, 50.0)
    yield kernel.total(packed.world)


def test_what_has_dates_is_brought_to_the_one_liked_best() -> None:
    """Both were given the date they like least, and could have the other."""
    park = tuple(machine(index, staffed=always(), open=always()) for index in range(3))
    dates = {"starts": (Piece(100, 101), Piece(2000, 2001)), "dislike_min": (60, 0)}
    pair = job("pair", machines=(0, 1), needs=(Need(eligible=(0, 1), quantity=2),), **dates)
    alone = job("alone", machines=(2,), **dates)
    problem = Problem(horizon_min=5000, machines=park, demands=(pair, alone, job("free", machines=(0,))))
    narrow = tuple(replace(d, starts=d.starts[:1], dislike_min=()) for d in problem.demands)
    given = solve(replace(problem, demands=narrow))
    assert objective(problem, given).disliked == 120
    found = search(problem, given, iterations=100_000, limit_s=60)
    assert violations(problem, found.plan) == ()
    assert found.objective.disliked == 0


def test_a_workshop_is_set_up_for_what_it_finds_once_the_job_before_it_has_gone_elsewhere() -> None:
    """Behind a red job it takes 15 minutes to load blue, on an empty machine 20."""
    red, blue = (Family(material=1, colour=colour, nozzle=4) for colour in (1, 2))
    loads = {"staffed": always(), "open": always(), "loads": SetupRule()}
    park = tuple(machine(index, **loads) for index in range(3))
    leaving = job("leaving", machines=(0, 2), duration_min={0: 400, 2: 60}, due=200, family=red)
    pair = job("pair", machines=(0, 1), needs=(Need(eligible=(0, 1), quantity=2),), family=blue, release=480)
    problem = Problem(horizon_min=3000, machines=park, demands=(leaving, pair))
    here = replace(problem, demands=(replace(leaving, needs=(Need(eligible=(0,)),)), pair))
    given = solve(here)
    setup_min = {slot.machine: slot.setup_min for slot in given.slots["pair"]}
    assert setup_min == {0: 5 + 15, 1: 5 + 20}
    found = search(problem, given, iterations=5000, limit_s=60)
    assert found.plan.slots["leaving"][0].machine == 2
    assert violations(problem, found.plan) == ()
