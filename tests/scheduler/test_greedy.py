"""The first answer: always lawful, nobody moved, and the best there is for one demand."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.check import violations
from scheduler.greedy import Board, Insertion, insert, options, replan, solve
from scheduler.plan import Plan, Unplaced
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
    pieces,
)
from tests.scheduler.instances import DAY, job, lab, machine, tiny, weekdays

RED = Family(material=1, colour=1, nozzle=4)
BLUE = Family(material=1, colour=2, nozzle=4)
PETG = Family(material=2, colour=2, nozzle=4)
SEEDS = st.integers(0, 10**6)


def placed(problem: Problem, demand: Demand, plan: Plan | None = None, earliest: int = 0) -> Insertion:
    found = insert(problem, demand, plan or Plan(), earliest=earliest)
    assert isinstance(found, Insertion)
    return found


def refused(problem: Problem, demand: Demand, plan: Plan | None = None) -> list[str]:
    found = insert(problem, demand, plan or Plan())
    assert isinstance(found, Unplaced)
    return [reason.code for reason in found.reasons]


def shop(*machines: Machine, **changes: object) -> Problem:
    return Problem(**{"horizon_min": 14 * DAY, "machines": machines or (machine(),), **changes})  # type: ignore[arg-type]  # a test's shorthand


# --- what holds for every instance


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, machines=st.integers(1, 8), jobs=st.integers(0, 30), gangs=st.integers(0, 5))
def test_every_plan_keeps_every_rule(seed: int, machines: int, jobs: int, gangs: int) -> None:
    problem = lab(seed, machines=machines, jobs=jobs, gangs=gangs, fixed=4, days=7)
    plan = solve(problem)
    assert violations(problem, plan) == ()
    assert set(plan.slots) | set(plan.unplaced) == {demand.id for demand in problem.demands}


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS)
def test_every_tiny_plan_keeps_every_rule(seed: int) -> None:
    problem = tiny(seed)
    assert violations(problem, solve(problem)) == ()


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
def test_inserting_moves_nobody_and_leaves_a_sound_plan(seed: int) -> None:
    problem = lab(seed, machines=5, jobs=20, gangs=3, fixed=3, days=7)
    plan = solve(problem)
    for demand in lab(seed + 1, machines=5, jobs=4, gangs=2, days=7).demands:
        new = replace(demand, id=f"new {demand.id}")
        found = insert(problem, new, plan)
        if isinstance(found, Insertion):
            problem, grown = problem.with_demand(new), plan.with_slots(found.slots)
            assert {name: grown.slots[name] for name in plan.slots} == dict(plan.slots)
            assert violations(problem, grown) == ()
            plan = grown


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS)
def test_the_same_problem_has_the_same_plan_in_whatever_order_it_is_told(seed: int) -> None:
    problem = lab(seed, machines=5, jobs=15, days=7)
    backwards = replace(problem, demands=problem.demands[::-1], fixed=problem.fixed[::-1])
    assert solve(problem).slots == solve(problem).slots == solve(backwards).slots


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS)
def test_after_a_plan_is_taken_apart_it_is_sound_again(seed: int) -> None:
    problem = lab(seed, machines=4, jobs=25, gangs=2, fixed=4, days=7)
    plan = solve(problem)
    gone = {demand.id for demand in problem.demands[::3]}
    fewer = replace(problem, demands=tuple(d for d in problem.demands if d.id not in gone))
    movable = {demand.id for demand in fewer.demands[::4]}
    again = replan(fewer, plan, movable)
    assert violations(fewer, again) == ()


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS)
def test_a_machine_that_falls_out_is_replanned_from_what_the_referee_names(seed: int) -> None:
    problem = lab(seed, machines=4, jobs=15, gangs=1, fixed=2, days=7)
    plan = solve(problem)
    broken = replace(problem.machines[0], blocked=(Block(start=0, end=3 * DAY),))
    problem = replace(problem, machines=(broken, *problem.machines[1:]))
    again = replan(problem, plan, {violation.demand for violation in violations(problem, plan)})
    assert violations(problem, again) == ()


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS)
def test_what_a_plan_leaves_out_has_no_place_in_it(seed: int) -> None:
    problem = lab(seed, machines=3, jobs=25, gangs=2, fixed=3, days=7)
    plan = solve(problem)
    left_out = [demand for demand in problem.demands if demand.id in plan.unplaced]
    assert all(isinstance(insert(problem, demand, plan), Unplaced) for demand in left_out)


def test_a_run_left_out_is_tried_again_after_another_has_loaded_its_spool() -> None:
    """A change of colour takes 15 minutes and the shift at noon has 12; the morning brings the colour later on."""
    park = machine(
        loads=SetupRule(), loaded=BLUE, staffed=pieces([(540, 600), (720, 732)]), unattended_max_min=60
    )
    short = {"family": RED, "setup_min": 0, "clear_min": 0, "run_min": 10}
    noon = job("noon", due=1, starts=(Piece(732, 733),), **short)
    morning = job("morning", due=2, starts=(Piece(560, 561),), **short)
    problem = shop(park, demands=(noon, morning))
    assert isinstance(insert(problem, noon, Plan()), Unplaced)
    assert set(solve(problem).slots) == {"noon", "morning"}


# --- brute force on tiny instances


def each_lawful(problem: Problem, plan: Plan, demand: Demand, machine_: Machine) -> dict[int, Slot]:
    """By run start, the slot on one machine with the least set-up and the soonest clearing the referee
    accepts.
    """
    lawful: dict[int, Slot] = {}
    staffed = {minute for piece in machine_.staffed for minute in range(*piece)}
    rule = machine_.loads if demand.family else None
    changes = sorted({rule.same_min, rule.colour_min, rule.material_min, rule.nozzle_min} if rule else {0})
    problem = problem.with_demand(demand)
    for start in range(problem.horizon_min):
        end = free = start + demand.duration_min[machine_.index]
        while demand.clear_min and free < problem.horizon_min:
            if all(minute in staffed for minute in range(free, free + demand.clear_min)):
                break
            free += 1
        for change in changes:
            slot = Slot(
                demand=demand.id,
                machine=machine_.index,
                setup_start=start - demand.setup_min - change,
                run_start=start,
                run_end=end,
                free_at=free + demand.clear_min,
                family=demand.family if machine_.loads else None,
            )
            if not violations(problem, plan.with_slots([slot])):
                lawful[start] = slot
                break
    return lawful


def sound_ground(problem: Problem) -> Plan:
    """A plan of the problem but for its last demand."""
    return solve(replace(problem, demands=problem.demands[:-1]))


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS)
def test_an_insertion_is_the_earliest_ready_of_all_lawful_ones(seed: int) -> None:
    problem = tiny(seed)
    plan, demand = sound_ground(problem), problem.demands[-1]
    lawful = [s for m in problem.machines for s in each_lawful(problem, plan, demand, m).values()]
    best = min(lawful, key=lambda s: (s.free_at, s.run_end, s.setup_min, s.machine), default=None)
    found = insert(problem, demand, plan)
    assert (found.slots[0] if isinstance(found, Insertion) else None) == best


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, apart_min=st.integers(1, 40))
def test_options_are_lawful_in_order_and_begin_with_the_insertion(seed: int, apart_min: int) -> None:
    problem = tiny(seed)
    plan, demand = sound_ground(problem), problem.demands[-1]
    found = options(problem, demand, plan, 5, apart_min=apart_min)
    first = insert(problem, demand, plan)
    assert (found[:1] == (first,)) if isinstance(first, Insertion) else not found
    assert [o.ready_at for o in found] == sorted(o.ready_at for o in found)
    assert len({(o.slots[0].machine, o.run_start) for o in found}) == len(found)
    for option in found:
        assert not violations(problem.with_demand(demand), plan.with_slots(option.slots))


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, quantity=st.integers(1, 2), narrow=st.booleans())
def test_a_gang_begins_at_the_earliest_minute_all_its_members_can(
    seed: int, quantity: int, narrow: bool
) -> None:
    problem = tiny(seed)
    everything = tuple(range(len(problem.machines)))
    needs = (
        Need(eligible=everything, quantity=quantity),
        Need(eligible=everything[:1] if narrow else everything),
    )
    plan, gang = sound_ground(problem), replace(problem.demands[-1], needs=needs)
    alone = {
        m.index: each_lawful(problem, plan, replace(gang, needs=(Need(eligible=(m.index,)),)), m)
        for m in problem.machines
    }
    starts = [
        start
        for start in range(problem.horizon_min)
        for crew in permutations(everything, quantity + 1)
        if len(crew) == quantity + 1
        and crew[-1] in needs[1].eligible
        and all(start in alone[member] for member in crew)
    ]
    found = insert(problem, gang, plan)
    assert (found.run_start if isinstance(found, Insertion) else None) == min(starts, default=None)
    if isinstance(found, Insertion):
        assert not violations(problem.with_demand(gang), plan.with_slots(found.slots))


# --- single rules, readable


def test_set_up_lies_in_staffed_time_just_before_the_run() -> None:
    slot = placed(shop(), job(setup_min=20)).slots[0]
    assert (slot.setup_start, slot.run_start) == (9 * 60, 9 * 60 + 20)


def test_a_long_run_waits_for_the_morning_where_it_may_not_be_alone() -> None:
    slot = placed(shop(), job(run_min=300), earliest=13 * 60).slots[0]
    assert slot.setup_start == DAY + 9 * 60


def test_a_long_run_crosses_the_night_where_it_may_and_is_cleared_in_the_morning() -> None:
    slot = placed(shop(machine(unattended_max_min=16 * 60)), job(run_min=600), earliest=16 * 60).slots[0]
    assert (slot.run_start, slot.run_end, slot.free_at) == (965, 1565, DAY + 545)


@pytest.mark.parametrize(("spare_min", "day"), [(0, 0), (-1, 1)])
def test_a_run_may_be_alone_for_exactly_as_long_as_the_machine_may(spare_min: int, day: int) -> None:
    evening = machine(unattended_max_min=600 + spare_min)
    demand = job(run_min=605, starts=(Piece(1015, 1016), Piece(DAY + 600, DAY + 601)))
    assert placed(shop(evening), demand).run_start // DAY == day


def test_a_run_may_end_with_the_horizon() -> None:
    problem = shop(horizon_min=9 * 60 + 70)
    assert placed(problem, job()).ready_at == problem.horizon_min
    assert refused(replace(problem, horizon_min=9 * 60 + 69), job()) == ["beyond_horizon"]


def test_a_run_longer_than_a_weekend_alone_waits_until_it_would_be_seen() -> None:
    friday = 4 * DAY + 16 * 60
    alone = shop(machine(unattended_max_min=16 * 60))
    slot = placed(alone, job(run_min=30 * 60), earliest=friday).slots[0]
    assert slot.setup_start == 7 * DAY + 9 * 60


def test_a_run_may_begin_in_the_night_where_nobody_needs_to_touch_anything() -> None:
    robot = machine(unattended_max_min=60, night_start_ok=True)
    demand = job(run_min=120, setup_min=0, clear_min=0)
    assert placed(shop(robot), demand, earliest=18 * 60).run_start == DAY + 9 * 60 - 60


def test_a_member_in_person_needs_an_open_house_only() -> None:
    room = machine(staffed=(), open=weekdays(14, 8, 22))
    demand = job(presence=Presence.HOUSE, setup_min=0, clear_min=0)
    assert placed(shop(room), demand).run_start == 8 * 60


def test_a_run_begins_only_where_it_is_allowed_to() -> None:
    demand = job(starts=(Piece(600, 601), Piece(DAY + 700, DAY + 800)))
    assert [o.run_start for o in options(shop(), demand, Plan(), 9)] == [600, DAY + 700, DAY + 760]


def test_the_machine_that_is_ready_first_is_taken_though_it_starts_later() -> None:
    demand = job(machines=(0, 1), duration_min={0: 200, 1: 60})
    busy = machine(1, blocked=(Block(start=0, end=600),))
    assert placed(shop(machine(0), busy), demand).slots[0].machine == 1


def test_between_equals_the_one_with_less_to_set_up_is_taken() -> None:
    loads, unattended_max_min = SetupRule(), 16 * 60
    park = [
        machine(i, loads=loads, loaded=f, unattended_max_min=unattended_max_min)
        for i, f in enumerate((BLUE, RED))
    ]
    overnight = job(machines=(0, 1), run_min=500, family=RED, starts=(Piece(1000, 1001),))
    assert placed(shop(*park), overnight).slots[0].machine == 1


def test_a_run_that_would_cost_the_next_one_its_spool_waits_behind_it() -> None:
    park = shop(machine(loads=SetupRule(), loaded=RED))
    standing = job("standing", family=RED, setup_min=0, starts=(Piece(700, 701),))
    problem = replace(park, demands=(standing,))
    plan = solve(problem)
    assert placed(problem, job("red", family=RED), plan).run_start < 700
    assert placed(problem, job("blue", family=BLUE), plan).run_start > 700
    assert placed(problem, job("no spool"), plan).run_start < 700


def test_what_is_loaded_is_passed_on_by_a_run_that_loads_nothing() -> None:
    park = machine(loads=SetupRule(), loaded=BLUE)
    fact = Slot(demand="f", machine=0, setup_start=540, run_start=540, run_end=600, free_at=600)
    slot = placed(shop(park, fixed=(fact,)), job(family=BLUE, setup_min=0)).slots[0]
    assert slot.setup_min == SetupRule().same_min


def test_members_that_compete_for_machines_are_matched_rather_than_given_up() -> None:
    needs = (Need(eligible=(0, 1)), Need(eligible=(0,)))
    found = placed(shop(machine(0), machine(1)), job(machines=(0, 1), needs=needs))
    assert [(s.need, s.machine) for s in found.slots] == [(0, 1), (1, 0)]


def test_a_gang_waits_for_the_minute_its_last_machine_arrives() -> None:
    late = machine(2, blocked=(Block(start=0, end=700),))
    needs = (Need(eligible=(0, 1, 2), quantity=2), Need(eligible=(0, 1)))
    found = placed(shop(machine(0), machine(1), late), job(machines=(0, 1, 2), needs=needs))
    assert found.run_start == 705


def test_gang_options_lie_apart() -> None:
    needs = (Need(eligible=(0, 1), quantity=2),)
    found = options(shop(machine(0), machine(1)), job(machines=(0, 1), needs=needs), Plan(), 3, apart_min=90)
    assert [option.run_start for option in found] == [545, 635, 725]


def test_a_board_can_be_grown_and_cleared() -> None:
    board = Board(shop())
    demand = job("a")
    first = board.insert(demand)
    assert isinstance(first, Insertion)
    board.know(demand)
    board.place(first.slots)
    assert board.insert(job("b")) != replace(first, demand="b")
    board.remove("a")
    again = board.insert(job("a"))
    assert again == first


# --- why there is no place


@pytest.mark.parametrize(
    ("changes", "demand", "code"),
    [
        ({}, job(run_min=600), "not_staffed"),
        ({"unattended_max_min": 60}, job(run_min=900), "unattended_too_long"),
        ({}, job(run_min=600, presence=Presence.HOUSE), "house_closed"),
        ({"unattended_max_min": 60}, job(setup_min=600), "setup_needs_person"),
        ({"staffed": ()}, job(), "setup_needs_person"),
        ({}, job(starts=(Piece(60, 61),)), "start_not_allowed"),
        ({}, job(release=13 * DAY + 1400), "beyond_horizon"),
        ({"blocked": (Block(start=0, end=14 * DAY),)}, job(), "faulty"),
    ],
)
def test_a_refusal_names_the_rule(changes: dict[str, object], demand: Demand, code: str) -> None:
    assert refused(shop(machine(**changes)), demand) == [code]


def test_a_machine_full_to_the_horizon_is_busy() -> None:
    fact = Slot(demand="f", machine=0, setup_start=0, run_start=0, run_end=14 * DAY, free_at=14 * DAY)
    assert refused(shop(fixed=(fact,)), job()) == ["machine_busy"]


def test_a_gang_larger_than_its_eligible_set_is_told_so() -> None:
    assert refused(shop(), job(needs=(Need(eligible=(0,), quantity=2),))) == ["too_few_eligible"]


def test_members_that_are_never_free_together_are_told_so() -> None:
    morning, evening = machine(0, staffed=pieces([(540, 700)])), machine(1, staffed=pieces([(800, 960)]))
    needs = (Need(eligible=(0, 1), quantity=2),)
    assert refused(shop(morning, evening), job(machines=(0, 1), needs=needs)) == ["never_together"]


def test_needs_that_share_too_few_machines_are_told_so() -> None:
    needs = (Need(eligible=(0,)), Need(eligible=(0,)))
    assert refused(shop(), job(needs=needs)) == ["never_together"]


# --- mending


def line(*names_families: tuple[str, Family]) -> tuple[Problem, Plan]:
    """Runs one behind the other on one machine that has red loaded, in the order given."""
    problem = shop(machine(loads=SetupRule(), loaded=RED))
    plan = Plan()
    at = 0
    for name, family in names_families:
        demand = job(name, family=family, setup_min=0)
        problem = problem.with_demand(demand)
        found = placed(problem, demand, plan, earliest=at)
        plan, at = plan.with_slots(found.slots), found.ready_at
    return problem, plan


def without(problem: Problem, name: str) -> Problem:
    return replace(problem, demands=tuple(d for d in problem.demands if d.id != name))


def test_where_a_neighbour_goes_set_up_begins_earlier_and_the_run_stays() -> None:
    problem, plan = line(("a", BLUE), ("b", BLUE))
    assert plan.slots["b"][0].setup_min == 10
    fewer = without(problem, "a")
    mended = replan(fewer, plan)
    assert violations(fewer, mended) == ()
    assert mended.slots["b"][0].run_start == plan.slots["b"][0].run_start
    assert mended.slots["b"][0].setup_min == 15


def test_where_there_is_no_room_to_set_up_earlier_the_run_moves() -> None:
    problem, plan = line(("a", BLUE), ("b", BLUE))
    first = plan.slots["a"][0]
    fact = replace(first, demand="fact", family=None)
    fewer = replace(without(problem, "a"), fixed=(fact,))
    mended = replan(fewer, plan)
    assert violations(fewer, mended) == ()
    assert mended.slots["b"][0].run_start > plan.slots["b"][0].run_start


def test_what_stands_before_a_fixed_slot_moves_when_the_fixed_one_cannot() -> None:
    problem, plan = line(("a", PETG), ("b", BLUE), ("c", BLUE))
    fact = replace(plan.slots["c"][0], demand="fact")
    problem = replace(without(problem, "c"), fixed=(fact,))
    fewer = without(problem, "b")
    mended = replan(fewer, plan)
    assert violations(problem, plan.without("c")) == ()
    assert violations(fewer, mended) == ()
    assert mended.slots["a"][0].run_start > fact.run_start


def test_a_fixed_slot_that_finds_the_wrong_spool_by_itself_is_left_alone() -> None:
    fact = Slot(demand="f", machine=0, setup_start=600, run_start=600, run_end=660, free_at=660, family=BLUE)
    problem = shop(machine(loads=SetupRule(), loaded=RED), fixed=(fact,), demands=(job(),))
    assert set(replan(problem, Plan()).slots) == {"job"}


# --- likings and wear

DATES = (Piece(600, 700), Piece(DAY + 600, DAY + 700), Piece(2 * DAY + 600, 2 * DAY + 700))


@pytest.mark.parametrize("quantity", [1, 2])
def test_the_date_liked_best_is_taken_although_another_is_earlier(quantity: int) -> None:
    needs = (Need(eligible=(0, 1), quantity=quantity),)
    workshop = job(machines=(0, 1), needs=needs, starts=DATES, dislike_min=(30, 0, 10))
    problem = shop(machine(0), machine(1))
    assert placed(problem, workshop).run_start == DAY + 600
    starts = {option.run_start for option in options(problem, workshop, Plan(), 6, apart_min=100)}
    assert starts == {piece.start for piece in DATES}


def test_a_date_liked_less_is_taken_where_the_better_would_be_late_or_is_taken() -> None:
    liked_last = job(starts=DATES, dislike_min=(2, 1, 0))
    assert placed(shop(), replace(liked_last, due=DAY + 800)).run_start == DAY + 600
    closed = machine(blocked=(Block(start=DAY, end=4 * DAY),))
    assert placed(shop(closed), liked_last).run_start == 600


def test_of_two_machines_alike_the_less_worn_is_taken() -> None:
    problem = shop(machine(0, worn_min=900), machine(1, worn_min=100), machine(2, worn_min=100))
    assert placed(problem, job(machines=(0, 1, 2))).slots[0].machine == 1
    pair = job(machines=(0, 1, 2), needs=(Need(eligible=(0, 1, 2), quantity=2),))
    assert {slot.machine for slot in placed(problem, pair).slots} == {1, 2}


def test_wear_never_makes_anybody_wait() -> None:
    problem = shop(machine(0, worn_min=10**6), machine(1, blocked=(Block(start=0, end=700),)))
    assert placed(problem, job(machines=(0, 1))).slots[0].machine == 0
