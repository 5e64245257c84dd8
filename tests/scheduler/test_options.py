"""What is offered: lawful, told apart, honest about who would have to leave; and nobody leaves unless it pays."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.board import Board
from scheduler.check import violations
from scheduler.greedy import solve
from scheduler.options import Option, options, place_best
from scheduler.plan import Plan, Unplaced, objective
from scheduler.problem import Demand, Family, Need, Piece, Presence, Problem, SetupRule, Slot, Told
from tests.scheduler.instances import DAY, job, lab, machine
from tests.scheduler.test_gaps import asked

SEEDS = st.integers(0, 10**6)
RED = Family(material=1, colour=1, nozzle=4)
BLUE = Family(material=1, colour=2, nozzle=4)


def taken(plan: Plan, option: Option) -> Plan:
    """The plan once this option was chosen."""
    slots = [slot for each in option.displaced for slot in each.slots]
    return plan.with_slots([*slots, *option.slots])


def laid_out(board: Board) -> list[object]:
    return [(lane.entries, lane.reach, lane.before) for lane in board.lanes]


def codes(option: Option) -> list[str]:
    return [reason.code for reason in option.reasons]


def best(board: Board, demand: Demand, **how: object) -> Option:
    found = place_best(board, demand, **how)  # type: ignore[arg-type]  # a test's shorthand
    assert isinstance(found, Option)
    return found


# --- what holds for every instance


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS)
def test_every_option_leaves_a_sound_plan_and_the_board_as_it_was(seed: int) -> None:
    problem = lab(seed, machines=5, jobs=35, gangs=2, fixed=5, days=7)
    plan = solve(problem)
    board = Board(problem, plan)
    before = laid_out(Board(problem, plan))
    pinned = {demand.id for demand in problem.demands[::5]}
    groups = {demand.id for demand in problem.demands if demand.is_gang}
    for demand in asked(seed, problem, 4):
        found = options(board, demand, 5, displacing=3, pinned=pinned)
        for option in found:
            grown = problem.with_demand(demand)
            assert violations(grown, taken(plan, option)) == ()
            assert option.reasons
            names = {each.demand for each in option.displaced}
            assert names <= set(plan.slots) - pinned - groups
        assert laid_out(board) == before


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS)
def test_the_best_place_is_sound_and_never_costs_more_than_the_first_free_one(seed: int) -> None:
    problem = lab(seed, machines=4, jobs=40, gangs=1, fixed=4, days=5)
    plan = solve(problem)
    board = Board(problem, plan)
    random = Random(seed)
    for demand in asked(seed, problem, 4):
        urgent = replace(demand, due=demand.release + random.randrange(60, DAY), weight=8.0)
        grown = problem.with_demand(urgent)
        found, first = place_best(board, urgent), board.insert(urgent)
        if isinstance(found, Unplaced):
            assert isinstance(first, Unplaced)
            continue
        after = taken(plan, found)
        assert violations(grown, after) == ()
        plain = plan if isinstance(first, Unplaced) else plan.with_slots(first.slots)
        assert objective(grown, after) <= objective(grown, plain)
        if found.displaced:
            now, was = objective(grown, after), objective(grown, plain)
            assert (now.unplaced, now.tardiness) < (was.unplaced, was.tardiness)


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS)
def test_no_two_options_would_be_called_the_same(seed: int) -> None:
    problem = lab(seed, machines=6, jobs=30, gangs=2, days=7)
    board = Board(problem, solve(problem))
    for demand in asked(seed, problem, 4):
        found = options(board, demand, 6, displacing=2)
        alike = demand.is_gang or demand.presence is Presence.HOUSE
        for number, option in enumerate(found):
            for other in found[:number]:
                shared = {s.machine for s in option.slots} & {s.machine for s in other.slots}
                if shared or alike:
                    assert abs(option.run_start - other.run_start) >= 60


# --- who would be displaced


def standing(
    *demands: Demand, machines: int = 1, fixed: tuple[Slot, ...] = (), **changes: object
) -> tuple[Problem, Plan]:
    park = tuple(machine(index, **changes) for index in range(machines))
    problem = Problem(horizon_min=14 * DAY, machines=park, demands=demands, fixed=fixed)
    return problem, solve(problem)


def test_an_urgent_job_goes_before_one_that_can_wait() -> None:
    problem, plan = standing(job("patient", run_min=400, due=5 * DAY))
    found = best(Board(problem, plan), job("urgent", run_min=60, due=700, weight=4.0))
    assert found.run_start == 9 * 60 + 5
    assert [(each.demand, each.late_min) for each in found.displaced] == [("patient", 0)]
    assert found.displaced[0].later_min == 70
    assert codes(found)[0] == "others_move"


def test_nobody_moves_for_a_job_that_is_in_time_anyway() -> None:
    problem, plan = standing(job("patient", run_min=100, due=5 * DAY))
    assert best(Board(problem, plan), job("calm", due=2 * DAY, weight=9.0)).displaced == ()


def test_nobody_moves_where_their_own_lateness_would_cost_more() -> None:
    problem, plan = standing(job("first", run_min=400, due=960, weight=9.0))
    assert best(Board(problem, plan), job("second", due=700)).displaced == ()


def test_of_two_that_could_leave_the_one_goes_who_was_told_nothing() -> None:
    told = job("told", run_min=400, due=5 * DAY, machines=(0,), told=Told(machines=(0,), start=545))
    problem, plan = standing(told, job("untold", run_min=400, due=5 * DAY, machines=(1,)), machines=2)
    found = best(Board(problem, plan), job("urgent", machines=(0, 1), due=700, weight=4.0))
    assert [each.demand for each in found.displaced] == ["untold"]


@pytest.mark.parametrize("pinned", [(), ("kept",)])
def test_what_is_fixed_or_pinned_never_leaves(pinned: tuple[str, ...]) -> None:
    fact = Slot(demand="fact", machine=0, setup_start=540, run_start=545, run_end=940, free_at=945)
    kept = job("kept", run_min=395, due=9 * DAY)
    problem, plan = standing(kept) if pinned else standing(fixed=(fact,))
    urgent = job("urgent", due=700, weight=9.0)
    board = Board(problem, plan)
    assert best(board, urgent, pinned=pinned).displaced == ()
    assert all(not o.displaced for o in options(board, urgent, 1, displacing=3, pinned=pinned))


def test_a_job_with_no_place_left_is_given_one_that_others_can_do_without() -> None:
    start = (Piece(545, 546),)
    problem, plan = standing(job("anywhere", run_min=100))
    found = best(Board(problem, plan), job("only then", starts=start))
    assert (found.run_start, found.displaced[0].demand) == (545, "anywhere")


def test_a_displacing_option_says_who_goes_and_how_much_later_they_are_ready() -> None:
    problem, plan = standing(job("patient", run_min=400, due=5 * DAY))
    plain, sooner = options(Board(problem, plan), job("new", run_min=90), 1, displacing=1)
    assert plain.displaced == ()
    assert (sooner.run_start, sooner.ready_at) == (545, 640)
    assert [(each.demand, each.later_min) for each in sooner.displaced] == [("patient", DAY)]


def test_a_workshop_may_be_shown_the_date_that_jobs_could_leave_to_it() -> None:
    jobs = [job(f"job-{m}", run_min=400, machines=(m,), due=6 * DAY) for m in range(3)]
    problem, plan = standing(*jobs, machines=4)
    needs = (Need(eligible=(0, 1, 2), quantity=3), Need(eligible=(3,)))
    school = job("school", machines=(0, 1, 2, 3), needs=needs, run_min=120, presence=Presence.HOUSE)
    plain, sooner = options(Board(problem, plan), school, 1, displacing=1)
    assert sooner.ready_at < plain.ready_at
    assert {each.demand for each in sooner.displaced} == {"job-0", "job-1", "job-2"}
    assert violations(problem.with_demand(school), taken(plan, sooner)) == ()


def test_a_demand_that_lies_on_the_board_is_not_offered_its_own_place() -> None:
    problem, plan = standing(job("here"))
    with pytest.raises(ValueError, match="here"):
        options(Board(problem, plan), job("here"), 1, displacing=1)


# --- why this one


def test_one_of_a_kind_is_offered_at_different_times_on_whichever_is_free() -> None:
    problem, plan = standing(machines=3)
    visit = job("visit", machines=(0, 1, 2), presence=Presence.HOUSE, setup_min=0, clear_min=0)
    found = options(Board(problem, plan), visit, 4)
    assert [option.run_start for option in found] == [540, 600, 660, 720]
    assert codes(found[0])[:2] == ["earliest_ready", "earliest_start"]


def test_the_printer_with_the_spool_in_it_is_offered_for_that() -> None:
    problem = Problem(
        horizon_min=14 * DAY,
        machines=tuple(machine(i, loads=SetupRule(), loaded=f) for i, f in enumerate((RED, BLUE))),
    )
    first, second = options(Board(problem), job(machines=(0, 1), family=BLUE), 2, apart_min=10**6)
    assert (first.slots[0].machine, codes(first)) == (1, ["earliest_ready", "earliest_start", "no_setup"])
    assert codes(second) == ["next_best"]


def test_the_date_liked_best_the_one_told_and_the_one_in_time_are_named() -> None:
    starts = (Piece(600, 601), Piece(DAY + 600, DAY + 601))
    problem, plan = standing()
    told = Told(machines=(0,), start=600)
    demand = job("j", starts=starts, dislike_min=(30, 0), due=DAY, told=told)
    by_start = {o.run_start: codes(o) for o in options(Board(problem, plan), demand, 2)}
    assert set(by_start[600]) >= {"before_due", "as_told"}
    assert "liked_date" in by_start[DAY + 600]
    assert "liked_date" not in by_start[600]


def test_the_quieter_day_and_the_less_worn_machine_are_named() -> None:
    park = (machine(0, worn_min=900), machine(1, worn_min=100))
    fact = Slot(demand="f", machine=1, setup_start=700, run_start=700, run_end=800, free_at=800)
    problem = Problem(horizon_min=14 * DAY, machines=park, fixed=(fact,))
    found = options(Board(problem), job(machines=(0, 1)), 2)
    by_machine = {option.slots[0].machine: codes(option) for option in found}
    assert "quieter_day" in by_machine[0]
    assert "less_wear" in by_machine[1]
