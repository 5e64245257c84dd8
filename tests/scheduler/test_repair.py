"""A plan made good: lawful again, with hardly anybody moved who could have stayed, and never those who may not be."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scheduler.check import violations
from scheduler.greedy import solve
from scheduler.plan import Plan
from scheduler.problem import Block, Demand, Need, Piece, Problem, Slot, pieces
from scheduler.repair import Limits, Repaired, cannot_stay, repair
from tests.bench.labs import lab as full_lab
from tests.scheduler.instances import always, job, labs, machine, problems

SEEDS = st.integers(0, 10**9)
QUIET = settings(deadline=None, suppress_health_check=list(HealthCheck))


def mishap(random: Random, problem: Problem, plan: Plan) -> Problem:
    """A machine out, a fact that grew, staff away, or fewer machines for one demand."""
    machines, fixed, demands = list(problem.machines), list(problem.fixed), list(problem.demands)
    on = random.choice(machines)
    what = random.randrange(4)
    begin = random.randrange(problem.horizon_min)
    end = begin + random.randrange(1, 900)
    if what == 0:
        machines[on.index] = replace(on, blocked=(*on.blocked, Block(start=begin, end=end)))
    elif what == 1 and fixed:
        number = random.randrange(len(fixed))
        slot, longer = fixed[number], random.randrange(1, 600)
        fixed[number] = replace(slot, run_end=slot.run_end + longer, free_at=slot.free_at + longer)
    elif what == 2:
        staffed = pieces(
            (a, b)
            for start, stop in on.staffed
            for a, b in ((start, min(stop, begin)), (max(start, end), stop))
        )
        machines[on.index] = replace(on, staffed=staffed)
    elif plan.slots:
        name = random.choice(sorted(plan.slots))
        number = next(n for n, demand in enumerate(demands) if demand.id == name)
        demands[number] = without_machine(demands[number], plan.slots[name][0])
    return replace(problem, machines=tuple(machines), fixed=tuple(fixed), demands=tuple(demands))


def without_machine(demand: Demand, slot: Slot) -> Demand:
    needs = [
        replace(need, eligible=tuple(m for m in need.eligible if m != slot.machine)) for need in demand.needs
    ]
    return replace(demand, needs=tuple(needs))


def holds(problem: Problem, plan: Plan, found: Repaired, pinned: set[str]) -> None:
    assert violations(problem, found.plan) == ()
    stayed = set(plan.slots) - set(found.had_to_move)
    assert not set(cannot_stay(problem, plan)) & stayed
    assert len(found.moved) <= Limits().most_moved * len(found.had_to_move)
    runs = {name: [(s.machine, s.run_start) for s in slots] for name, slots in found.plan.slots.items()}
    for name in stayed & pinned:
        assert runs[name] == [(s.machine, s.run_start) for s in plan.slots[name]]
    for name in stayed - set(found.moved):
        assert abs(found.plan.ready_at(name) - plan.ready_at(name)) < Limits().tell_from_min


@settings(QUIET, max_examples=60)
@given(problem=problems() | labs(), seed=SEEDS)
def test_whatever_happens_the_plan_is_lawful_again_and_few_are_moved(problem: Problem, seed: int) -> None:
    random, plan = Random(seed), solve(problem)
    pinned = {name for name in plan.slots if random.random() < 0.2}
    changed = mishap(random, problem, plan)
    holds(changed, plan, repair(changed, plan, pinned=pinned), pinned)


@pytest.mark.soak
@settings(QUIET, max_examples=3000)
@given(problem=problems() | labs(), seed=SEEDS)
def test_whatever_happens_thousands_of_times(problem: Problem, seed: int) -> None:
    random, plan = Random(seed), solve(problem)
    pinned = {name for name in plan.slots if random.random() < 0.2}
    for _ in range(2):  # one upon the other
        changed = mishap(random, problem, plan)
        found = repair(changed, plan, pinned=pinned)
        holds(changed, plan, found, pinned)
        problem, plan = changed, found.plan


def test_one_machine_of_a_lab_fails_and_few_beside_its_own_hear_of_it() -> None:
    problem = full_lab(5, 15, 90)
    plan = solve(problem)
    for failed in problem.machines[:6]:
        out = replace(failed, blocked=(*failed.blocked, Block(start=0, end=3 * 24 * 60)))
        park = (*problem.machines[: failed.index], out, *problem.machines[failed.index + 1 :])
        changed = replace(problem, machines=park)
        holds(changed, plan, repair(changed, plan), set())


# --- small ones, by hand: machines that are always staffed


def problem_of(*demands: Demand, machines: int = 1, fixed: tuple[Slot, ...] = ()) -> Problem:
    park = tuple(machine(n, staffed=always(), open=always()) for n in range(machines))
    return Problem(horizon_min=7 * 24 * 60, machines=park, demands=demands, fixed=fixed)


def slot(name: str, run_start: int, *, on: int = 0, run_min: int = 60, need: int = 0) -> Slot:
    """With five minutes of set-up and of clearing."""
    return Slot(
        demand=name,
        machine=on,
        setup_start=run_start - 5,
        run_start=run_start,
        run_end=run_start + run_min,
        free_at=run_start + run_min + 5,
        need=need,
    )


def fact(start: int, end: int, *, on: int = 0) -> Slot:
    return Slot(demand="fact", machine=on, setup_start=start, run_start=start, run_end=end, free_at=end)


def plan_of(*slots: Slot) -> Plan:
    return Plan().with_slots(slots)


def starts(found: Repaired) -> dict[str, tuple[int, int]]:
    """Machine and start of the run, of the first slot of each."""
    return {name: (slots[0].machine, slots[0].run_start) for name, slots in found.plan.slots.items()}


def test_a_plan_that_holds_stays_as_it_is() -> None:
    plan = plan_of(slot("a", 5), slot("b", 300))
    found = repair(problem_of(job("a"), job("b")), plan)
    assert (found.plan.slots, found.had_to_move, found.moved) == (plan.slots, (), ())
    assert found.before == found.after


def test_who_can_have_another_machine_at_the_same_time_is_promised_the_same() -> None:
    asked = job("a", machines=(0, 1)), job("b", machines=(0, 1))
    problem = problem_of(*asked, machines=2, fixed=(fact(0, 400),))
    found = repair(problem, plan_of(slot("a", 300), slot("b", 800)))
    assert starts(found) == {"a": (1, 300), "b": (0, 800)}
    assert (found.had_to_move, found.moved) == (("a",), ())


def test_a_short_delay_is_handed_on_down_the_line_and_nobody_hears_of_it() -> None:
    problem = problem_of(job("a"), job("b"), job("c"), fixed=(fact(0, 110),))
    found = repair(problem, plan_of(slot("a", 105), slot("b", 175), slot("c", 300)))
    assert starts(found) == {"a": (0, 115), "b": (0, 185), "c": (0, 300)}
    assert found.moved == ()


def test_a_short_delay_is_not_handed_to_one_who_is_pinned() -> None:
    problem = problem_of(job("a"), job("b"), fixed=(fact(0, 110),))
    found = repair(problem, plan_of(slot("a", 105), slot("b", 175)), pinned={"b"})
    assert starts(found) == {"a": (0, 245), "b": (0, 175)}
    assert found.moved == ("a",)


def test_who_has_time_gives_way_to_one_who_has_none() -> None:
    urgent = [job(f"urgent-{n}", due=420 + 70 * n, weight=8.0) for n in range(5)]
    idle = [job(f"idle-{n}", due=9000) for n in range(5)]
    places = [slot(f"urgent-{n}", 5 + 70 * n) for n in range(5)]
    places += [slot(f"idle-{n}", 355 + 70 * n) for n in range(5)]
    problem = problem_of(*idle, *urgent, fixed=(fact(0, 345),))
    found = repair(problem, plan_of(*places), limits=Limits(within_s=60))
    assert violations(problem, found.plan) == ()
    assert set(found.had_to_move) == {f"urgent-{n}" for n in range(5)}
    assert len([name for name in found.moved if name.startswith("idle")]) == 1  # of six for five, and no more
    nobody = repair(problem, plan_of(*places), limits=Limits(most_moved=1.0, within_s=60))
    assert found.after.tardiness < nobody.after.tardiness


def test_a_group_keeps_its_date_and_those_of_its_machines_that_are_left() -> None:
    school = replace(
        job("school", machines=(0, 1, 2, 3)), needs=(Need(eligible=(0, 1, 2, 3), quantity=2), Need(eligible=(4,))),
        duration_min=dict.fromkeys(range(5), 60),
    )  # fmt: skip
    plan = plan_of(slot("school", 300, on=1), slot("school", 300, on=2), slot("school", 300, on=4, need=1))
    found = repair(problem_of(school, machines=5, fixed=(fact(290, 310, on=1),)), plan)
    assert [slot.machine for slot in found.plan.slots["school"]] == [0, 2, 4]
    assert (found.had_to_move, found.moved) == (("school",), ())


def test_who_has_no_place_any_more_is_named_with_a_reason() -> None:
    problem = problem_of(job("a"), fixed=(fact(0, 7 * 24 * 60),))
    found = repair(problem, plan_of(slot("a", 105)))
    assert found.moved == ("a",)
    assert [reason.code for reason in found.plan.unplaced["a"].reasons]


def test_who_had_no_place_gets_the_first_that_those_who_had_one_leave() -> None:
    problem = problem_of(job("a"), job("new", weight=100.0), fixed=(fact(0, 100),))
    found = repair(problem, plan_of(slot("a", 50)))
    assert starts(found) == {"a": (0, 105), "new": (0, 175)}
    assert (found.had_to_move, found.moved) == (("a",), ("a",))


def test_nobody_overtakes_one_whose_turn_it_was() -> None:
    jobs = [job(name) for name in "abc"]
    problem = problem_of(*jobs, fixed=(fact(0, 40),))
    plan = plan_of(slot("a", 5), slot("b", 75), slot("c", 145))
    assert starts(repair(problem, plan))["a"] == (0, 215)
    found = repair(problem, plan, in_turn={"a"}, pinned={"b"})
    assert starts(found) == {"a": (0, 45), "b": (0, 115), "c": (0, 185)}


def test_one_whose_turn_it_was_troubles_nobody_where_another_machine_is_as_good() -> None:
    jobs = [job(name, machines=(0, 1)) for name in "ab"]
    problem = problem_of(*jobs, machines=2, fixed=(fact(0, 40),))
    found = repair(problem, plan_of(slot("a", 5), slot("b", 75)), in_turn={"a"})
    assert starts(found) == {"a": (1, 5), "b": (0, 75)}


def test_promises_are_measured_from_what_people_were_told() -> None:
    problem = problem_of(job("a"), fixed=(fact(0, 110),))
    plan = plan_of(slot("a", 105))
    assert repair(problem, plan).moved == ()
    assert repair(problem, plan, promised={"a": 160}).moved == ("a",)


def test_staff_that_is_away_moves_what_needed_them_and_nothing_else() -> None:
    problem = problem_of(job("a"), job("b"))
    away = replace(problem.machines[0], staffed=(Piece(0, 100), Piece(200, 7 * 24 * 60)))
    plan = plan_of(slot("a", 10), slot("b", 150))
    found = repair(replace(problem, machines=(away,)), plan)
    assert starts(found) == {"a": (0, 10), "b": (0, 205)}
