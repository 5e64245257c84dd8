"""Why here, why not earlier, why not there, what else would work: from codes, and always true."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.explain import nearest, why_not_earlier, why_not_machine
from scheduler.greedy import Insertion, insert, solve
from scheduler.plan import Plan, Reason
from scheduler.problem import (
    Block,
    Demand,
    Family,
    Machine,
    Need,
    Piece,
    Presence,
    Problem,
    SetupRule,
    Slot,
    Why,
    pieces,
)
from tests.scheduler.instances import DAY, job, lab, machine, weekdays

RED = Family(material=1, colour=1, nozzle=4)
BLUE = Family(material=1, colour=2, nozzle=4)
LONG_DAY = weekdays(14, 0, 24)


def plan_of(demand: Demand, *machines: Machine, fixed: tuple[Slot, ...] = ()) -> tuple[Problem, Plan]:
    problem = Problem(horizon_min=14 * DAY, machines=machines or (machine(),), demands=(demand,), fixed=fixed)
    return problem, solve(problem)


def fact(start: int, end: int, on: int = 0, family: Family | None = None) -> Slot:
    return Slot(
        demand="fact", machine=on, setup_start=start, run_start=start, run_end=end, free_at=end, family=family
    )


def earlier(
    demand: Demand, *machines: Machine, fixed: tuple[Slot, ...] = ()
) -> list[tuple[str, object, object]]:
    problem, plan = plan_of(demand, *machines, fixed=fixed)
    reasons = why_not_earlier(problem, plan, demand)
    return [(r.code, r.facts.get("until"), r.facts.get("by")) for r in reasons]


def test_what_starts_at_once_has_nothing_to_explain() -> None:
    assert earlier(job(), machine(staffed=LONG_DAY)) == []


def test_a_closed_house_is_said_before_a_missing_person() -> None:
    assert earlier(job()) == [("house_closed", 545, None)]
    assert earlier(job(), machine(open=LONG_DAY)) == [("setup_needs_person", 545, None)]


def test_a_release_is_the_first_reason() -> None:
    assert earlier(job(release=600)) == [("release", 600, None)]


def test_a_busy_machine_names_by_whom_and_until_when() -> None:
    assert earlier(job(), machine(staffed=LONG_DAY), fixed=(fact(0, 700),)) == [("machine_busy", 700, "fact")]


def test_a_gap_too_short_before_another_run_is_that_run() -> None:
    reasons = earlier(job(), machine(staffed=LONG_DAY), fixed=(fact(30, 700),))
    assert reasons == [("machine_busy", 700, "fact")]


@pytest.mark.parametrize(("why", "code"), [(Why.OUTAGE, "faulty"), (Why.OTHER, "blocked")])
def test_an_outage_is_told_from_other_blocks(why: Why, code: str) -> None:
    block = Block(start=0, end=700, why=why, ref="fan")
    assert earlier(job(), machine(staffed=LONG_DAY, blocked=(block,))) == [(code, 700, "fan")]


def test_a_run_that_must_be_watched_waits_for_a_long_enough_shift() -> None:
    demand = job(run_min=300, release=13 * 60)
    assert earlier(demand)[1:] == [("not_staffed", DAY + 545, None)]


def test_a_run_left_alone_too_long_names_the_limit() -> None:
    demand = job(run_min=1500, release=4 * DAY + 960)
    problem, plan = plan_of(demand, machine(unattended_max_min=960))
    reason = why_not_earlier(problem, plan, demand)[1]
    assert reason.code == "unattended_too_long"
    assert reason.facts["limit_min"] == 960


def test_a_start_that_is_not_allowed_is_said() -> None:
    demand = job(starts=(Piece(700, 701),))
    assert earlier(demand, machine(staffed=LONG_DAY)) == [("start_not_allowed", 700, None)]


def test_a_next_run_that_needs_its_spool_is_named() -> None:
    park = machine(staffed=LONG_DAY, loads=SetupRule(), loaded=RED)
    reasons = earlier(job(family=BLUE), park, fixed=(fact(600, 700, family=RED),))
    assert reasons == [("next_needs_setup", 700, "fact"), ("machine_busy", 700, "fact")]


def test_a_plan_that_has_become_too_late_admits_it() -> None:
    problem, plan = plan_of(job())
    slot = plan.slots["job"][0]
    late = replace(slot, setup_start=600, run_start=605, run_end=665, free_at=670)
    reasons = why_not_earlier(problem, plan.with_slots([late]), problem.demands[0])
    assert [(r.code, r.facts.get("since")) for r in reasons][1:] == [("could_be_earlier", 545)]


def test_a_member_that_could_begin_waits_for_the_others() -> None:
    demand = job(machines=(0, 1), needs=(Need(eligible=(0, 1), quantity=2),))
    problem, plan = plan_of(demand, machine(0), machine(1), fixed=(fact(0, 700, on=1),))
    found = [(r.code, r.facts["machine"]) for r in why_not_earlier(problem, plan, demand)]
    assert ("waits_for_others", 0) in found
    assert ("machine_busy", 1) in found


def test_a_place_that_is_no_longer_lawful_is_explained_up_to_its_start() -> None:
    problem, plan = plan_of(job(), machine(staffed=LONG_DAY))
    broken = machine(staffed=LONG_DAY, blocked=(Block(start=0, end=700, ref="fan"),))
    now = replace(problem, machines=(replace(broken, staffed=weekdays(14, 13, 17)),))
    found = why_not_earlier(now, plan, problem.demands[0])
    assert [(r.code, r.facts["until"]) for r in found] == [("faulty", plan.slots["job"][0].run_start)]


def test_an_unplaced_demand_has_no_start_to_explain() -> None:
    problem, plan = plan_of(job(run_min=9000))
    with pytest.raises(KeyError):
        why_not_earlier(problem, plan, problem.demands[0])


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_every_reason_names_a_time_before_the_start_it_explains(seed: int) -> None:
    problem = lab(seed, machines=5, jobs=20, gangs=2, fixed=3, days=7)
    plan = solve(problem)
    for demand in problem.demands:
        for reason in why_not_earlier(problem, plan, demand) if demand.id in plan.slots else ():
            since, until = reason.facts.get("since", 0), reason.facts.get("until", 0)
            assert isinstance(since, int)
            assert isinstance(until, int)
            assert max(since, until) <= plan.slots[demand.id][0].run_start


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_what_is_in_the_way_is_there_at_that_time(seed: int) -> None:
    problem = lab(seed, machines=5, jobs=20, gangs=2, fixed=3, days=7)
    plan = solve(problem)
    lying = [*problem.fixed, *(slot for slots in plan.slots.values() for slot in slots)]
    blocks = {(m.index, b.ref, b.start, b.end) for m in problem.machines for b in m.blocked}
    for demand in problem.demands:
        for reason in why_not_earlier(problem, plan, demand) if demand.id in plan.slots else ():
            by, on, until = (reason.facts.get(name) for name in ("by", "machine", "until"))
            if reason.code == "machine_busy":
                assert by != demand.id
                ends = [slot.free_at for slot in lying if (slot.demand, slot.machine) == (by, on)]
                starts = [slot.setup_start for slot in lying if (slot.demand, slot.machine) == (by, on)]
                assert any(end >= until for end in ends)  # type: ignore[operator]  # minutes
                assert any(start < until for start in starts)  # type: ignore[operator]  # minutes
            elif reason.code in ("faulty", "blocked"):
                assert any((m, ref) == (on, by) and begin < until <= end for m, ref, begin, end in blocks)  # type: ignore[operator]  # minutes


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_what_is_said_of_another_machine_is_what_insertion_there_gives(seed: int) -> None:
    problem = lab(seed, machines=5, jobs=20, gangs=0, fixed=3, days=7)
    plan = solve(problem)
    for demand in (d for d in problem.demands if d.id in plan.slots):
        for index in demand.needs[0].eligible:
            reason = why_not_machine(problem, plan, demand, index)
            there = insert(
                problem, replace(demand, needs=(Need(eligible=(index,)),)), plan.without(demand.id)
            )
            if reason.code == "here":
                assert plan.slots[demand.id][0].machine == index
            elif isinstance(there, Insertion):
                assert reason.facts["ready_at"] == there.ready_at
                assert (reason.code == "earlier_there") is (there.ready_at < plan.ready_at(demand.id))
            else:
                assert "ready_at" not in reason.facts


# --- why not that machine


def there(demand: Demand, *machines: Machine, fixed: tuple[Slot, ...] = (), on: int = 1) -> Reason:
    problem, plan = plan_of(demand, *machines, fixed=fixed)
    return why_not_machine(problem, plan, demand, on)


def test_the_machine_it_is_on_is_here() -> None:
    assert there(job(machines=(0, 1)), machine(0), machine(1), on=0).code == "here"


@pytest.mark.parametrize(("told", "reason"), [({1: "bed_too_small"}, "bed_too_small"), ({}, "unknown")])
def test_a_machine_that_is_not_eligible_hands_through_why(told: dict[int, str], reason: str) -> None:
    found = there(job(not_eligible=told), machine(0), machine(1))
    assert (found.code, found.facts["reason"]) == ("not_eligible", reason)


def test_a_machine_that_would_be_later_says_when() -> None:
    found = there(job(machines=(0, 1)), machine(0), machine(1), fixed=(fact(0, 700, on=1),))
    assert found.code == "later_there"
    assert (found.facts["ready_at"], found.facts["later_min"]) == (770, 160)


def test_a_machine_out_of_use_says_until_when() -> None:
    broken = machine(1, blocked=(Block(start=0, end=700, ref="fan"),))
    found = there(job(machines=(0, 1)), machine(0), broken)
    assert (found.code, found.facts["until"], found.facts["by"]) == ("faulty", 700, "fan")


def test_a_machine_that_would_do_as_well_is_admitted() -> None:
    assert there(job(machines=(0, 1)), machine(0), machine(1)).code == "as_good_there"


def test_a_machine_that_would_do_better_by_now_is_admitted() -> None:
    demand = job(machines=(0, 1))
    problem, _ = plan_of(demand, machine(0), machine(1))
    late = Slot(demand="job", machine=0, setup_start=600, run_start=605, run_end=665, free_at=670)
    assert why_not_machine(problem, Plan(slots={"job": (late,)}), demand, 1).code == "earlier_there"


def test_a_machine_that_can_never_take_it_says_which_rule() -> None:
    found = there(job(machines=(0, 1)), machine(0), machine(1, staffed=()))
    assert found.code == "setup_needs_person"


def test_a_machine_left_out_of_a_gang_is_judged_at_the_gangs_start() -> None:
    demand = job(machines=(0, 1, 2), needs=(Need(eligible=(0, 1, 2), quantity=2),))
    park = (machine(0), machine(1), machine(2))
    assert there(demand, *park, on=2).code == "as_good_there"
    assert there(demand, *park, fixed=(fact(0, 700, on=2),), on=2).code == "later_there"


# --- the nearest that would work


def nearest_to(demand: Demand, *machines: Machine, fixed: tuple[Slot, ...] = ()) -> dict[str, Reason]:
    problem, plan = plan_of(demand, *machines, fixed=fixed)
    assert demand.id in plan.unplaced
    return {reason.code: reason for reason in nearest(problem, plan, demand)}


def test_a_start_nobody_can_serve_has_another_start() -> None:
    found = nearest_to(job(starts=(Piece(60, 61),)))
    assert found["other_start"].facts["start"] == 545


def test_a_run_too_long_for_a_shift_is_told_how_long_it_could_be() -> None:
    found = nearest_to(job(run_min=9000))
    assert set(found) == {"shorter_run", "longer_alone"}
    assert found["shorter_run"].facts["run_min"] == 475  # cleared the next morning


def test_a_group_too_large_is_told_how_large_it_could_be() -> None:
    demand = job(machines=(0, 1, 2), needs=(Need(eligible=(0, 1, 2), quantity=3),))
    found = nearest_to(demand, machine(0), machine(1), machine(2, staffed=()))
    assert found["smaller_group"].facts["quantity"] == 2


def test_a_machine_full_of_others_would_have_had_room() -> None:
    problem = Problem(
        horizon_min=DAY,
        machines=(machine(staffed=pieces([(540, 700)])),),
        demands=(job("first", run_min=140, due=1), job("second", run_min=140)),
    )
    plan = solve(problem)
    found = {reason.code: reason for reason in nearest(problem, plan, problem.demands[1])}
    assert found["if_others_moved"].facts["start"] == 545


def test_a_demand_that_has_a_place_by_now_is_told_so() -> None:
    problem = Problem(horizon_min=DAY, machines=(machine(),), demands=(job(),))
    assert [reason.code for reason in nearest(problem, Plan(), problem.demands[0])] == ["fits_now"]


def test_where_nothing_can_be_changed_nothing_is_promised() -> None:
    assert nearest_to(job(), machine(staffed=())) == {}
    alone = job(machines=(0, 1), needs=(Need(eligible=(0, 1), quantity=2),))
    assert nearest_to(alone, machine(0, staffed=()), machine(1, staffed=())) == {}


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_longest_run_offered_fits_and_a_minute_more_does_not(seed: int) -> None:
    problem = lab(seed, machines=3, jobs=25, gangs=0, fixed=3, days=7)
    plan = solve(problem)
    for demand in (d for d in problem.demands if d.id in plan.unplaced):
        for reason in (r for r in nearest(problem, plan, demand) if r.code == "shorter_run"):
            run_min = reason.facts["run_min"]
            assert isinstance(run_min, int)
            shorter, longer = (
                replace(demand, duration_min={m: min(d, cap) for m, d in demand.duration_min.items()})
                for cap in (run_min, run_min + 1)
            )
            assert isinstance(insert(problem, shorter, plan), Insertion)
            assert not isinstance(insert(problem, longer, plan), Insertion)


def test_a_member_in_person_is_told_that_the_house_is_closed() -> None:
    demand = job(presence=Presence.HOUSE, setup_min=0, clear_min=0)
    assert earlier(demand, machine(staffed=())) == [("house_closed", 540, None)]
