"""A start somebody points at: lawful exactly when the referee finds nothing new wrong, and who leaves is in the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.board import Board
from scheduler.check import Violation, violations
from scheduler.greedy import solve
from scheduler.lanes import Entry
from scheduler.plan import Plan
from scheduler.problem import Block, Demand, Family, Presence, Problem, SetupRule, Slot
from scheduler.spots import Not, Spot, Stretch, spot, stretches
from tests.scheduler.instances import DAY, job, lab, machine

SEEDS = st.integers(0, 10**6)
RED = Family(material=1, colour=1, nozzle=4)
BLUE = Family(material=1, colour=2, nozzle=4)


def among(*names: str) -> Callable[[Entry], bool]:
    return lambda entry: entry.slot is not None and entry.slot.demand in names


def wrong(problem: Problem, plan: Plan) -> Counter[tuple[str, str, int | None]]:
    found: tuple[Violation, ...] = violations(problem, plan)
    return Counter((v.code, v.demand, v.machine) for v in found if v.code != "forgotten")


def taken_out(seed: int) -> tuple[Problem, Plan, Demand, set[str]]:
    """A full lab with one job taken out of its plan, and who may give way to it."""
    problem = lab(seed, machines=4, jobs=35, gangs=1, fixed=6, days=6)
    plan, random = solve(problem), Random(seed)
    asked = random.choice([d for d in problem.demands if not d.is_gang and d.id in plan.slots])
    plan = plan.without(asked.id)
    names = [d.id for d in problem.demands if not d.is_gang and d.id in plan.slots]
    return problem, plan, asked, {name for name in names if random.random() < 0.7}


# --- what holds for every instance


@settings(max_examples=12, deadline=None)
@given(seed=SEEDS)
def test_a_spot_breaks_no_rule_once_those_in_the_way_have_left_and_a_not_breaks_one(seed: int) -> None:
    problem, plan, asked, movable = taken_out(seed)
    board, random = Board(problem, plan), Random(seed)
    seen: Counter[str] = Counter()
    for _ in range(60):
        on = random.choice(asked.needs[0].eligible)
        at = random.randrange(6 * DAY)
        found = spot(board, asked, on, at, among(*movable))
        if isinstance(found, Spot):
            assert found.slot.run_start == at
            assert set(found.gone) <= movable
            rest = plan.without(*found.gone)
            assert wrong(problem, rest.with_slots([found.slot])) <= wrong(problem, rest)
            if found.gone:
                assert wrong(problem, plan.with_slots([found.slot])) - wrong(problem, plan)
        else:
            assert all_setups_are_wrong(problem, plan, asked, on, at, movable)
        seen[type(found).__name__] += 1
    assert seen


def all_setups_are_wrong(
    problem: Problem, plan: Plan, asked: Demand, on: int, at: int, movable: set[str]
) -> bool:
    """With the set-up that the referee asks for, and everybody gone who overlaps and may go."""
    park = problem.machines[on]
    rule = park.loads if asked.family else None
    changes = {rule.same_min, rule.colour_min, rule.material_min, rule.nozzle_min} if rule else {0}
    clear_min = asked.clear_of(0)
    for setup_min in sorted({asked.setup_of(0) + change for change in changes}):
        run_end = at + asked.duration_min[on]
        starts = [run_end, *(piece.start for piece in park.staffed if piece.start > run_end)]
        free_at = next(
            (
                s + clear_min
                for s in starts
                if any(p.start <= s and s + clear_min <= p.end for p in park.staffed)
            ),
            problem.horizon_min + 1,
        )
        slot = Slot(
            demand=asked.id,
            machine=on,
            setup_start=at - setup_min,
            run_start=at,
            run_end=run_end,
            free_at=free_at if clear_min else run_end,
            family=asked.family if park.loads else None,
        )
        way = [
            name
            for name in movable
            if any(
                s.machine == on and s.setup_start < slot.free_at and s.free_at > slot.setup_start
                for s in plan.slots[name]
            )
        ]
        if not wrong(problem, plan.without(*way).with_slots([slot])):
            return False
    return True


@settings(max_examples=10, deadline=None)
@given(seed=SEEDS, step=st.sampled_from([5, 7, 30]))
def test_the_stretches_are_all_the_spots_of_the_raster(seed: int, step: int) -> None:
    problem, plan, asked, movable = taken_out(seed)
    board, may = Board(problem, plan), among(*movable)
    on = asked.needs[0].eligible[0]
    found = stretches(board, asked, on, 0, 2 * DAY, may, step=step, offset=3)
    one_by_one = {}
    for at in range(3, 2 * DAY, step):
        answer = spot(board, asked, on, at, may)
        if isinstance(answer, Spot):
            one_by_one[at] = answer.gone
    assert {at: each.gone for each in found for at in range(each.start, each.end, step)} == one_by_one


# --- one case after the other


def one_lane(*slots: Slot, **changes: object) -> tuple[Board, Demand]:
    park = machine(0, loads=SetupRule(), loaded=RED, **changes)
    demands = tuple(
        job(slot.demand, run_min=slot.run_end - slot.run_start, family=slot.family, setup_min=0, clear_min=0)
        for slot in slots
    )
    problem = Problem(horizon_min=14 * DAY, machines=(park,), demands=demands)
    return Board(problem, Plan().with_slots(slots)), job("mine", family=RED, setup_min=0, clear_min=0)


def held(name: str, start: int, family: Family = RED, setup_min: int = 10) -> Slot:
    """An hour from `start`, set up before."""
    return Slot(
        demand=name,
        machine=0,
        setup_start=start - setup_min,
        run_start=start,
        run_end=start + 60,
        free_at=start + 60,
        family=family,
    )


TEN, ELEVEN, TWELVE = 600, 660, 720


def test_a_free_start_displaces_nobody() -> None:
    board, mine = one_lane(held("a", TWELVE))
    found = spot(board, mine, 0, TEN, among("a"))
    assert isinstance(found, Spot)
    assert (found.slot.setup_start, found.slot.run_start, found.slot.run_end) == (590, TEN, ELEVEN)
    assert found.gone == ()


def test_whoever_lies_in_the_way_leaves_in_order() -> None:
    board, mine = one_lane(held("a", TEN), held("b", 671))
    found = spot(board, mine, 0, 630, among("a", "b"))
    assert isinstance(found, Spot)
    assert found.gone == ("a", "b")


def test_what_may_not_move_is_named_with_its_end() -> None:
    board, mine = one_lane(held("a", TEN), held("b", 671))
    found = spot(board, mine, 0, 630, among("b"))
    assert isinstance(found, Not)
    assert (found.code, found.until) == ("machine_busy", ELEVEN)
    assert found.entry is not None
    assert found.entry.slot == held("a", TEN)


def test_the_set_up_is_for_what_is_left_loaded_by_those_who_stay() -> None:
    board, mine = one_lane(held("a", TEN, BLUE, 15))
    behind = spot(board, mine, 0, TWELVE, among("a"))
    instead = spot(board, mine, 0, TEN + 30, among("a"))
    assert isinstance(behind, Spot)
    assert isinstance(instead, Spot)
    assert (behind.slot.setup_min, behind.gone) == (15, ())
    assert (instead.slot.setup_min, instead.gone) == (10, ("a",))


def test_the_next_one_leaves_too_when_its_set_up_would_be_too_short() -> None:
    board, mine = one_lane(held("a", TWELVE))
    blue = replace(mine, family=BLUE)
    found = spot(board, blue, 0, TEN, among("a"))
    assert isinstance(found, Spot)
    assert found.gone == ("a",)
    stays = spot(board, blue, 0, TEN, among())
    assert isinstance(stays, Not)
    assert stays.code == "next_needs_setup"


def test_the_rules_of_the_calendar_say_when_it_may_be_tried_again() -> None:
    board, mine = one_lane()
    found = spot(board, mine, 0, 8 * 60, among())
    assert isinstance(found, Not)
    assert (found.code, found.until) == ("setup_needs_person", 9 * 60 + 10)
    late = spot(board, replace(mine, presence=Presence.STAFF), 0, 16 * 60 + 30, among())
    assert isinstance(late, Not)
    assert (late.code, late.until) == ("not_staffed", DAY + 9 * 60 + 10)


def test_before_its_release_nothing_may_be_set_up() -> None:
    board, mine = one_lane()
    found = spot(board, replace(mine, release=TEN), 0, TEN + 5, among())
    assert found == Not(code="too_early", until=TEN + 10)


def test_an_outage_lets_nobody_on() -> None:
    board, mine = one_lane(blocked=(Block(start=0, end=TWELVE),))
    found = spot(board, mine, 0, TEN, lambda entry: True and entry.slot is not None)
    assert isinstance(found, Not)
    assert (found.code, found.until) == ("blocked", TWELVE)


def test_the_stretches_of_a_day_say_what_each_costs() -> None:
    board, mine = one_lane(held("a", TWELVE))
    found = stretches(board, mine, 0, 9 * 60, 15 * 60, among("a"), step=30)
    assert found == (
        Stretch(start=570, end=660, gone=()),
        Stretch(start=660, end=810, gone=("a",)),
        Stretch(start=810, end=900, gone=()),
    )


def test_past_the_horizon_there_is_no_start() -> None:
    board, mine = one_lane()
    found = spot(board, mine, 0, 14 * DAY - 30, among())
    assert isinstance(found, Not)
    assert found.until is None
