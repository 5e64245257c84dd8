"""The published instances the bench measures by: read as printed, turned into our problem exactly, solved as known."""

from __future__ import annotations

import pytest

from scheduler.problem import faults
from scheduler.search import search, warm
from tests.bench.public import (
    LEAVES,
    SETS,
    Answer,
    Published,
    as_plan,
    as_problem,
    figures,
    gap_pct,
    judged,
    read,
    tardiness,
)

pytestmark = pytest.mark.xdist_group("search")
INSTANCES = [one for name in SETS for one in read(name)]
TINY = Published(
    name="tiny", best=0, capacity=((0, 1), (4, 2), (8, 1)), run_min=(4, 4, 6), weight=(1,) * 3, due=(9,) * 3
)


def instance(name: str) -> Published:
    return next(one for one in INSTANCES if one.name == name)


@pytest.mark.parametrize(("name", "count", "jobs"), [("wt40", 25, 40), ("capacity", 10, 120)])
def test_a_set_is_read_whole(name: str, count: int, jobs: int) -> None:
    instances = read(name)
    assert len({one.name for one in instances}) == count
    assert {len(row) for one in instances for row in (one.run_min, one.weight, one.due)} == {jobs}


def test_an_instance_is_read_as_printed() -> None:
    one = instance("i120_5_2")
    assert one.best == 1511
    assert one.capacity == ((0, 4), (337, 5), (681, 4), (1047, 3), (1422, 2))
    assert (one.run_min[0], one.due[0], one.run_min[-1], one.due[-1]) == (61, 1902, 38, 583)
    assert sum(one.run_min) == 7170


def test_the_due_dates_of_wt40_lie_where_its_classes_say() -> None:
    for number, one in enumerate(read("wt40")):
        tight, spread = 0.2 * (number % 5 + 1), 0.2 * (number // 5 + 1)
        first, last = ((1 - tight + side * spread / 2) * sum(one.run_min) for side in (-1, 1))
        assert max(0, first) - 1 <= min(one.due) <= max(one.due) <= last + 1


@pytest.mark.parametrize("one", INSTANCES, ids=lambda one: one.name)
def test_an_instance_becomes_a_sound_problem_of_as_much_machine_time(one: Published) -> None:
    problem = as_problem(one)
    assert faults(problem) == ()
    leaves = [d for d in problem.demands if d.id.startswith(LEAVES)]
    for minute, count in one.capacity:
        working = sum(machine.staffed[0].start <= minute for machine in problem.machines)
        assert working - sum(leave.starts[0].start <= minute for leave in leaves) == count


def test_starts_are_judged_by_the_capacity_of_their_minute() -> None:
    assert tardiness(TINY, (0, 4, 8)) == 5
    assert tardiness(TINY, (4, 0, 8)) == 5
    with pytest.raises(ValueError, match="2 run at minute 0, where 1 may"):
        tardiness(TINY, (0, 0, 8))
    with pytest.raises(ValueError, match="2 run at minute 8, where 1 may"):
        tardiness(TINY, (0, 5, 4))


def test_starts_become_a_plan_that_the_referee_accepts() -> None:
    problem = as_problem(TINY)
    starts = {"0": 0, "1": 4, "2": 8, f"{LEAVES}0": 8}
    assert judged(TINY, problem, as_plan(problem, starts)) == 5


def test_the_search_finds_the_proven_optimum() -> None:
    warm()
    one = instance("wt40-66")
    problem = as_problem(one)
    found = search(problem, iterations=60_000, limit_s=120, seed=1)
    assert judged(one, problem, found.plan) == one.best == 65386


def test_the_search_keeps_every_machine_that_leaves() -> None:
    warm()
    one = instance("i120_10_2")
    problem = as_problem(one)
    found = search(problem, iterations=8000, limit_s=120)
    assert judged(one, problem, found.plan) >= one.best


def test_a_gap_is_of_the_best_known() -> None:
    assert gap_pct(110, 100) == pytest.approx(10)
    assert gap_pct(0, 0) == 0.0
    assert gap_pct(7, 0) is None
    assert gap_pct(None, 100) is None


def test_the_figures_count_what_reached_the_best_known() -> None:
    better = {"ours": Answer(value=0, cpu_s=1.0), "CP-SAT, our model": Answer(value=None, cpu_s=1.0)}
    worse = {"ours": Answer(value=103, cpu_s=1.0), "CP-SAT, our model": Answer(value=110, cpu_s=1.0)}
    one, other = TINY, instance("wt40-26")
    said = figures("some", [(one, better), (other, {**worse, "ours": Answer(value=108, cpu_s=1.0)})])
    assert (said["some_of"], said["some_best_of"], said["some_gap_pct"]) == (2, 2, 0.0)
    assert (said["some_cpsat_best_of"], said["some_cpsat_gap_pct"]) == (0, 1.852)
    assert said["some_textbook_gap_pct"] is None
