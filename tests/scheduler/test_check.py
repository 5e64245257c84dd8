"""The referee: it passes what may be lived by, and names every hard rule that is broken."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scheduler.check import violations
from scheduler.plan import Plan, Unplaced
from scheduler.problem import Family, Need, Presence, Problem, SetupRule, Slot
from tests.scheduler.instances import DAY, always, job, machine, weekdays

RED = Family(material=1, colour=1, nozzle=4)
BLUE = Family(material=1, colour=2, nozzle=4)


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
