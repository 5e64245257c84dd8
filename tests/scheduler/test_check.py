"""The referee: it passes what may be lived by, and names every hard rule that is broken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from scheduler.check import violations
from scheduler.greedy import solve
from scheduler.plan import Plan, Unplaced
from scheduler.problem import Block, Family, Need, Piece, Presence, Problem, SetupRule, Slot
from tests.scheduler.instances import DAY, always, job, lab, machine, weekdays

Mutated = tuple[Problem, Plan, set[str]]
Mutation = Callable[[Random, Problem, Plan], Mutated | None]
RED = Family(material=1, colour=1, nozzle=4)
BLUE = Family(material=1, colour=2, nozzle=4)


def _slots(plan: Plan, problem: Problem, keep: Callable[[Slot], bool]) -> list[Slot]:
    return [slot for demand in problem.demands for slot in plan.slots.get(demand.id, ()) if keep(slot)]


def _swap(plan: Plan, old: Slot, new: Slot) -> Plan:
    changed = tuple(new if slot is old else slot for slot in plan.slots[old.demand])
    return Plan(slots={**plan.slots, old.demand: changed}, unplaced=plan.unplaced)


def _shift(slot: Slot, by: int) -> Slot:
    return replace(
        slot,
        setup_start=slot.setup_start + by,
        run_start=slot.run_start + by,
        run_end=slot.run_end + by,
        free_at=slot.free_at + by,
    )


def _pick(random: Random, found: list[Slot]) -> Slot | None:
    return random.choice(found) if found else None


def shifted_into_the_night(random: Random, problem: Problem, plan: Plan) -> Mutated | None:
    slot = _pick(random, _slots(plan, problem, lambda s: s.setup_min > 0))
    if not slot:
        return None
    midnight = (slot.run_start // DAY + 1) * DAY
    moved = _shift(slot, midnight + 60 - slot.run_start)
    return problem, _swap(plan, slot, moved), {"setup_unstaffed"}


def laid_over_another(random: Random, problem: Problem, plan: Plan) -> Mutated | None:
    slot = _pick(random, _slots(plan, problem, lambda _: True))
    others = _slots(
        plan, problem, lambda s: bool(slot) and s.machine == slot.machine and s.demand != slot.demand
    )
    other = _pick(random, others)
    if not (slot and other):
        return None
    return problem, _swap(plan, slot, _shift(slot, other.setup_start - slot.setup_start)), {"overlap"}


def laid_over_a_fact(random: Random, problem: Problem, plan: Plan) -> Mutated | None:
    slot = _pick(random, _slots(plan, problem, lambda _: True))
    if not slot:
        return None
    fact = replace(slot, demand="a fact", free_at=slot.free_at + 5, family=None)
    return replace(problem, fixed=(*problem.fixed, fact)), plan, {"overlap"}


def begun_too_early(random: Random, problem: Problem, plan: Plan) -> Mutated | None:
    slot = _pick(random, _slots(plan, problem, lambda _: True))
    if not slot:
        return None
    release = next(d.release for d in problem.demands if d.id == slot.demand)
    return problem, _swap(plan, slot, _shift(slot, release - 1 - slot.setup_start)), {"too_early"}


def put_on_a_wrong_machine(random: Random, problem: Problem, plan: Plan) -> Mutated | None:
    slot = _pick(random, _slots(plan, problem, lambda _: True))
    if not slot:
        return None
    eligible = next(d.needs[slot.need].eligible for d in problem.demands if d.id == slot.demand)
    wrong = [m.index for m in problem.machines if m.index not in eligible]
    if not wrong:
        return None
    return problem, _swap(plan, slot, replace(slot, machine=random.choice(wrong))), {"not_eligible"}


def missing_a_member(random: Random, problem: Problem, plan: Plan) -> Mutated | None:
    gangs = [name for name, slots in plan.slots.items() if len(slots) > 1]
    if not gangs:
        return None
    name = random.choice(gangs)
    fewer = Plan(slots={**plan.slots, name: plan.slots[name][:-1]}, unplaced=plan.unplaced)
    return problem, fewer, {"wrong_quantity"}


def out_of_step(random: Random, problem: Problem, plan: Plan) -> Mutated | None:
    slot = _pick(random, _slots(plan, problem, lambda s: len(plan.slots[s.demand]) > 1))
    return slot and (problem, _swap(plan, slot, _shift(slot, 1)), {"not_together"})


def set_up_in_a_hurry(random: Random, problem: Problem, plan: Plan) -> Mutated | None:
    """A set-up may be longer than it must (a neighbour came between), so it is cut below the least there
    is.
    """
    demands = {d.id: d for d in problem.demands}

    def least_min(slot: Slot) -> int:
        rule = problem.machines[slot.machine].loads
        return demands[slot.demand].setup_of(slot.need) + (rule.same_min if rule and slot.family else 0)

    slot = _pick(random, _slots(plan, problem, lambda s: least_min(s) > 0))
    if not slot:
        return None
    hurried = replace(slot, setup_start=slot.run_start - least_min(slot) + 1)
    return problem, _swap(plan, slot, hurried), {"setup_short"}


def cleared_too_soon(random: Random, problem: Problem, plan: Plan) -> Mutated | None:
    clearing = {d.id: d for d in problem.demands}
    slot = _pick(random, _slots(plan, problem, lambda s: clearing[s.demand].clear_of(s.need) > 0))
    return slot and (
        problem,
        _swap(plan, slot, replace(slot, free_at=slot.free_at - 1)),
        {"clearing_short", "clearing_unstaffed"},
    )


def left_alone_too_long(random: Random, problem: Problem, plan: Plan) -> Mutated | None:
    def alone_min(slot: Slot) -> int:
        staffed = problem.machines[slot.machine].staffed
        inside = {m for piece in staffed for m in range(max(piece.start, slot.run_start), piece.end)}
        return sum(1 for minute in range(slot.run_start, slot.run_end) if minute not in inside)

    nobody = {d.id for d in problem.demands if d.presence is Presence.NOBODY}
    slot = _pick(random, _slots(plan, problem, lambda s: s.demand in nobody and alone_min(s) > 0))
    if not slot:
        return None
    machines = tuple(
        replace(m, unattended_max_min=0) if m.index == slot.machine else m for m in problem.machines
    )
    return replace(problem, machines=machines), plan, {"run_unstaffed"}


def cut_short(random: Random, problem: Problem, plan: Plan) -> Mutated | None:
    slot = _pick(random, _slots(plan, problem, lambda s: s.run_end - s.run_start > 1))
    return slot and (problem, _swap(plan, slot, replace(slot, run_end=slot.run_end - 1)), {"wrong_duration"})


def past_the_horizon(random: Random, problem: Problem, plan: Plan) -> Mutated | None:
    slot = _pick(random, _slots(plan, problem, lambda _: True))
    return slot and (replace(problem, horizon_min=slot.free_at - 1), plan, {"beyond_horizon"})


def hit_by_an_outage(random: Random, problem: Problem, plan: Plan) -> Mutated | None:
    slot = _pick(random, _slots(plan, problem, lambda _: True))
    if not slot:
        return None
    block = Block(start=slot.free_at - 1, end=slot.free_at + 60)
    machines = tuple(
        replace(m, blocked=(*m.blocked, block)) if m.index == slot.machine else m for m in problem.machines
    )
    return replace(problem, machines=machines), plan, {"blocked"}


def started_at_another_time(random: Random, problem: Problem, plan: Plan) -> Mutated | None:
    slot = _pick(random, _slots(plan, problem, lambda _: True))
    if not slot:
        return None
    demands = tuple(
        replace(d, starts=(Piece(slot.run_start - 9, slot.run_start),)) if d.id == slot.demand else d
        for d in problem.demands
    )
    return replace(problem, demands=demands), plan, {"start_not_allowed"}


def forgotten(random: Random, problem: Problem, plan: Plan) -> Mutated | None:
    if not plan.slots:
        return None
    return problem, plan.without(random.choice(sorted(plan.slots))), {"forgotten"}


MUTATIONS: tuple[Mutation, ...] = (
    shifted_into_the_night,
    laid_over_another,
    laid_over_a_fact,
    begun_too_early,
    put_on_a_wrong_machine,
    missing_a_member,
    out_of_step,
    set_up_in_a_hurry,
    cleared_too_soon,
    left_alone_too_long,
    cut_short,
    past_the_horizon,
    hit_by_an_outage,
    started_at_another_time,
    forgotten,
)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: m.__name__)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(seed=st.integers(0, 10**6))
def test_a_sound_plan_with_one_rule_broken_is_rejected(mutation: Mutation, seed: int) -> None:
    problem = lab(seed, machines=4, jobs=14, gangs=3, fixed=3, days=7)
    plan = solve(problem)
    mutated = mutation(Random(seed), problem, plan)
    assume(mutated is not None)
    assert mutated is not None
    problem, plan, codes = mutated
    assert codes & {violation.code for violation in violations(problem, plan)}


def one(demand: object, slot: Slot, **changes: object) -> set[str]:
    """What is said of one job in one slot on one machine."""
    problem = Problem(horizon_min=14 * DAY, machines=(machine(**changes),), demands=(demand,))  # type: ignore[arg-type]  # a test's shorthand
    return {v.code for v in violations(problem, Plan(slots={slot.demand: (slot,)}))}


def slot(start: int, run_min: int = 60, *, setup: int = 5, wait: int = 5, **changes: object) -> Slot:
    end = start + run_min
    stated = {"setup_start": start - setup, "run_start": start, "run_end": end, "free_at": end + wait}
    return Slot(**{"demand": "job", "machine": 0, **stated, **changes})  # type: ignore[arg-type]  # a test's shorthand


def test_a_run_in_staffed_time_with_set_up_and_clearing_is_sound() -> None:
    assert one(job(), slot(600)) == set()


def test_set_up_may_be_longer_than_needed() -> None:
    assert one(job(), slot(600, setup=20)) == set()


def test_an_attended_run_may_not_pass_closing_time() -> None:
    assert one(job(presence=Presence.STAFF), slot(980, wait=DAY)) == {"run_unstaffed", "clearing_unstaffed"}


def test_a_member_in_person_needs_the_house_open_but_no_staff() -> None:
    demand = job(presence=Presence.HOUSE, setup_min=0, clear_min=0)
    late = slot(1050, setup=0, wait=0)
    assert one(demand, late) == {"house_closed"}
    assert one(demand, late, open=weekdays(14, 9, 20)) == set()


def test_a_run_may_cross_the_night_where_the_machine_may() -> None:
    overnight = slot(1000, 600, wait=DAY + 545 - 1600)
    assert one(job(run_min=600), overnight) == {"run_unstaffed"}
    assert one(job(run_min=600), overnight, unattended_max_min=600) == set()
    assert one(job(run_min=600), overnight, unattended_max_min=579) == {"unattended_too_long"}


def test_only_the_longest_stretch_alone_is_held_against_the_limit() -> None:
    through = slot(600, 2 * DAY, wait=5)
    assert one(job(run_min=2 * DAY), through, unattended_max_min=16 * 60) == set()
    assert one(job(run_min=2 * DAY), through, unattended_max_min=16 * 60 - 1) == {"unattended_too_long"}


def test_a_bed_is_not_free_before_somebody_came() -> None:
    assert one(job(run_min=600), slot(1000, 600), unattended_max_min=600) == {"clearing_unstaffed"}


def test_a_run_without_set_up_begins_alone_only_where_that_is_allowed() -> None:
    demand, night = job(setup_min=0), slot(1020, setup=0, wait=DAY + 545 - 1080)
    assert one(demand, night, unattended_max_min=900) == {"start_alone"}
    assert one(demand, night, unattended_max_min=900, night_start_ok=True) == set()


def test_a_slot_must_name_what_it_leaves_loaded() -> None:
    assert one(job(family=RED), slot(600, setup=40), loads=SetupRule(), loaded=RED) == {"wrong_family"}


@pytest.mark.parametrize(("loaded", "wanted_min"), [(RED, 10), (BLUE, 15), (None, 20)])
def test_set_up_depends_on_what_is_loaded(loaded: Family | None, wanted_min: int) -> None:
    demand = job(family=RED, setup_min=0)
    enough, short = (slot(600, setup=m, family=RED) for m in (wanted_min, wanted_min - 1))
    assert one(demand, enough, loads=SetupRule(), loaded=loaded) == set()
    assert one(demand, short, loads=SetupRule(), loaded=loaded) == {"setup_short"}


def _before_a_fact(*first: Slot, loaded: Family = RED) -> set[str]:
    park = (machine(loads=SetupRule(), loaded=loaded),)
    demands = tuple(job(s.demand, family=s.family, setup_min=0) for s in first)
    fact = slot(800, setup=10, demand="fact", family=RED)
    problem = Problem(horizon_min=DAY, machines=park, demands=demands, fixed=(fact,))
    return {v.code for v in violations(problem, Plan(slots={s.demand: (s,) for s in first}))}


def test_a_fixed_slot_must_find_what_its_set_up_was_for() -> None:
    assert _before_a_fact(slot(600, setup=10, family=RED)) == set()
    assert _before_a_fact(slot(600, setup=15, family=BLUE)) == {"setup_short"}


def test_a_fixed_slot_is_not_judged_for_what_it_always_found() -> None:
    assert _before_a_fact(loaded=BLUE) == set()


def test_a_run_that_loads_nothing_leaves_what_was_loaded() -> None:
    assert _before_a_fact(slot(600, setup=0, family=None)) == set()


def test_times_out_of_order_are_named() -> None:
    assert "times_out_of_order" in one(job(), replace(slot(600), setup_start=601))


def test_slots_that_are_nobodys_are_named() -> None:
    problem = Problem(horizon_min=DAY, machines=(machine(),), demands=(job(),))
    stranger = Plan(slots={"x": (slot(600, demand="x"),), "job": (slot(700, demand="x"),)})
    assert {v.code for v in violations(problem, stranger)} >= {"unknown_demand", "wrong_owner"}


def test_a_need_that_is_not_there_is_named() -> None:
    assert one(job(), slot(600, need=7)) >= {"no_such_need", "wrong_quantity"}


def test_one_machine_cannot_be_two_members() -> None:
    needs = (Need(eligible=(0,)), Need(eligible=(0,)))
    problem = Problem(horizon_min=DAY, machines=(machine(),), demands=(job(needs=needs),))
    plan = Plan(slots={"job": (slot(600), slot(600, need=1))})
    assert {v.code for v in violations(problem, plan)} == {"machine_twice", "overlap"}


def test_a_demand_is_placed_or_not_but_never_both() -> None:
    problem = Problem(horizon_min=DAY, machines=(machine(staffed=always()),), demands=(job(),))
    both = Plan(slots={"job": (slot(600),)}, unplaced={"job": Unplaced(demand="job", reasons=())})
    assert [v.code for v in violations(problem, both)] == ["placed_and_unplaced"]
