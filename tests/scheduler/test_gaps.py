"""The index: whatever it leaves unasked, the answer is that of asking everybody."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.check import violations
from scheduler.greedy import Board, solve
from scheduler.plan import Plan
from scheduler.problem import Demand, Need, Presence, Problem
from tests.scheduler import scan
from tests.scheduler.instances import family, lab, tiny

SEEDS = st.integers(0, 10**6)


def asked(seed: int, problem: Problem, count: int) -> list[Demand]:
    """New demands of every presence on many machines: singles, and gangs whose needs compete."""
    random = Random(seed)
    machines = range(len(problem.machines))
    found = []
    for number in range(count):
        eligible = tuple(sorted(random.sample(machines, random.randint(1, len(machines)))))
        needs = [Need(eligible=eligible)]
        if random.random() < 0.4:
            needs[0] = replace(needs[0], quantity=random.randint(1, max(1, len(eligible) // 2)))
            other = tuple(random.sample(machines, random.randint(1, len(machines))))
            needs.append(Need(eligible=other, setup_min=random.choice((None, 0, 20)), clear_min=0))
        length = random.choice((5, 20, 60, 180, 600)) if problem.horizon_min > 1000 else random.randint(2, 40)
        found.append(
            Demand(
                id=f"new-{number}",
                needs=tuple(needs),
                duration_min={m: max(1, int(length * random.choice((1, 1, 0.8, 1.3)))) for m in machines},
                release=random.choice((0, 0, random.randrange(problem.horizon_min))),
                presence=random.choice(tuple(Presence)),
                setup_min=random.choice((0, 0, 5)),
                clear_min=random.choice((0, 5, 10)),
                family=family(random) if random.random() < 0.7 else None,
                weight=random.choice((1.0, 3.0)),
            )
        )
    return found


def hold_against_a_scan(seed: int, small: bool, apart_min: int, alike: bool) -> None:
    problem = tiny(seed) if small else lab(seed, machines=9, jobs=60, gangs=3, fixed=8, days=7)
    plan = solve(problem)
    board = Board(problem, plan)
    earliest = Random(seed).choice((0, 0, problem.horizon_min // 3))
    how = {"earliest": earliest, "apart_min": apart_min}
    for demand in (*asked(seed, problem, 5), replace(problem.demands[-1], id="again")):
        found = board.options(demand, 6, alike=alike, **how)
        assert found == scan.places(problem, demand, plan, 6, alike=alike, **how)


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS, small=st.booleans(), apart_min=st.sampled_from((1, 7, 60, 600)), alike=st.booleans())
def test_the_index_gives_the_places_a_scan_gives(seed: int, small: bool, apart_min: int, alike: bool) -> None:
    hold_against_a_scan(seed, small, apart_min, alike)


@pytest.mark.soak
@settings(max_examples=3000, deadline=None)
@given(seed=SEEDS, small=st.booleans(), apart_min=st.sampled_from((1, 7, 60, 600)), alike=st.booleans())
def test_the_index_gives_the_places_a_scan_gives_thousands_of_times(
    seed: int, small: bool, apart_min: int, alike: bool
) -> None:
    hold_against_a_scan(seed, small, apart_min, alike)


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS)
def test_a_board_that_is_kept_answers_as_one_laid_out_anew(seed: int) -> None:
    """Placed and removed at random in between; what it holds, the referee accepts."""
    random = Random(seed)
    problem = lab(seed, machines=6, jobs=25, gangs=2, fixed=5, days=7)
    plan = solve(problem)
    board = Board(problem, plan)
    for demand in asked(seed, problem, 12):
        if plan.slots and random.random() < 0.5:
            gone = random.choice(sorted(plan.slots))
            if not demand.family and not any(s.family for s in plan.slots[gone]):
                board.remove(gone)
                plan = plan.without(gone)
                problem = replace(problem, demands=tuple(d for d in problem.demands if d.id != gone))
        expected = scan.places(problem, demand, plan, 1)
        found = board.options(demand, 1)
        assert found == expected
        if found:
            problem, plan = problem.with_demand(demand), plan.with_slots(found[0].slots)
            board.know(demand)
            board.place(found[0].slots)
            assert board.slots_of(demand.id) == found[0].slots
    assert violations(problem, plan) == ()
    anew = Board(problem, plan)
    for kept, fresh in zip(board.lanes, anew.lanes, strict=True):
        assert [e for e in kept.entries if e.slot] == [e for e in fresh.entries if e.slot]
        assert (kept.starts, kept.reach, kept.before) == (fresh.starts, fresh.reach, fresh.before)


def test_what_was_removed_lies_on_no_machine() -> None:
    problem = lab(5, machines=6, jobs=20, gangs=2)
    board = Board(problem, solve(problem))
    for demand in problem.demands:
        board.remove(demand.id)
        assert board.slots_of(demand.id) == ()
    assert [lane.starts for lane in board.lanes] == [lane.starts for lane in Board(problem, Plan()).lanes]
