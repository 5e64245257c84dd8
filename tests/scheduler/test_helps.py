"""What would help: every change that is suggested is made again by hand from its facts, and does what was said."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.board import Board
from scheduler.explain import nearest, what_would_help, why_here
from scheduler.greedy import Insertion, insert, solve
from scheduler.helps import LEAST_GAIN_MIN, Help, Scope, earlier
from scheduler.options import Option, place_best
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
PETG = Family(material=2, colour=1, nozzle=4)
LONG_DAY = weekdays(14, 0, 24)


def fact(start: int, end: int, on: int = 0, family: Family | None = None) -> Slot:
    return Slot(
        demand="fact", machine=on, setup_start=start, run_start=start, run_end=end, free_at=end, family=family
    )


def helps(
    demand: Demand, *machines: Machine, fixed: tuple[Slot, ...] = (), scope: Scope | None = None
) -> dict[str, Help]:
    problem = Problem(horizon_min=14 * DAY, machines=machines or (machine(),), demands=(demand,), fixed=fixed)
    found = what_would_help(problem, solve(problem), demand, scope=scope)
    return {each.code: each for each in found}


# --- each kind, once


def test_what_starts_at_once_can_be_helped_by_nothing_but_being_shorter() -> None:
    assert helps(job(), machine(staffed=LONG_DAY)) == {}
    two = (machine(0, staffed=LONG_DAY), machine(1, staffed=LONG_DAY))
    assert set(helps(job(run_min=120, machines=(0, 1)), *two)) == {"in_parts"}


def test_a_colour_that_another_run_has_there_saves_the_change_of_spool() -> None:
    rule = SetupRule(same_min=0, colour_min=60, material_min=90, nozzle_min=120)
    hours = pieces([(540, 580), (DAY + 540, DAY + 900)])  # forty minutes today: no time to change a spool
    park = machine(staffed=hours, open=hours, loads=rule, loaded=RED, unattended_max_min=DAY)
    found = helps(job(family=BLUE, clear_min=0), park)
    assert found["another_colour"].facts == {"material": 1, "colour": 1}
    assert found["another_colour"].slots[0].run_start == 545


def test_only_what_is_in_stock_is_suggested() -> None:
    rule = SetupRule(same_min=0, colour_min=60, material_min=90, nozzle_min=120)
    hours = pieces([(540, 580), (DAY + 540, DAY + 900)])
    park = machine(staffed=hours, open=hours, loads=rule, loaded=RED, unattended_max_min=DAY)
    assert "another_colour" not in helps(job(family=BLUE, clear_min=0), park, scope=Scope(families=(PETG,)))
    material = helps(job(family=PETG, clear_min=0), park, scope=Scope(families=(RED,)))
    assert material["another_material"].facts == {"material": 1, "colour": 1}


def test_somebody_who_stays_longer_or_comes_earlier_is_named_with_the_hours() -> None:
    late = helps(job(run_min=60, release=960, presence=Presence.STAFF))
    assert (late["staff_later"].facts["since"], late["staff_later"].facts["until"]) == (1020, 1080)
    early = helps(job(run_min=440, release=500))  # ends after five, so it is cleared the next morning
    assert (early["staff_earlier"].facts["since"], early["staff_earlier"].facts["until"]) == (480, 540)


def test_a_saturday_helps_what_would_wait_for_monday() -> None:
    found = helps(job(run_min=300, release=4 * DAY + 900, presence=Presence.STAFF))
    saturday = found["staff_day"]
    assert (saturday.facts["since"], saturday.facts["until"]) == (5 * DAY + 540, 5 * DAY + 1020)
    assert saturday.slots[0].run_start == 5 * DAY + 545


def test_a_longer_night_alone_is_asked_for_in_minutes() -> None:
    found = helps(job(run_min=600, release=700), machine(unattended_max_min=200))
    assert found["longer_alone"].slots[0].run_start == 705
    assert found["longer_alone"].facts["limit_min"] == 705 + 600 - 1020


def test_what_must_be_watched_is_never_told_to_run_alone() -> None:
    found = helps(job(run_min=450, release=700, presence=Presence.STAFF), machine(unattended_max_min=60))
    assert "longer_alone" not in found


def test_parts_on_two_machines_are_ready_before_the_whole() -> None:
    parts = helps(
        job(run_min=400, machines=(0, 1)), machine(0, staffed=LONG_DAY), machine(1, staffed=LONG_DAY)
    )["in_parts"]
    assert parts.facts == {"parts": 2, "run_min": 200}
    assert {slot.machine for slot in parts.slots} == {0, 1}


def test_a_barred_machine_is_suggested_with_its_reason_and_only_where_that_can_be_cured() -> None:
    demand = job(not_eligible={1: "certification.missing"})
    busy = fact(0, 2 * DAY)
    found = helps(demand, machine(0), machine(1), fixed=(busy,))
    assert found["other_machine"].facts["reason"] == "certification.missing"
    assert "other_machine" not in helps(
        demand, machine(0), machine(1), fixed=(busy,), scope=Scope(cures=("machine.other_nozzle",))
    )


def test_a_machine_out_of_use_would_help_if_it_were_mended() -> None:
    broken = machine(1, blocked=(Block(start=0, end=14 * DAY, why=Why.OUTAGE),))
    found = helps(job(machines=(0, 1)), machine(0), broken, fixed=(fact(0, 2 * DAY),))
    assert found["repaired"].facts["machine"] == 1


def test_a_release_and_a_fixed_start_are_changed_one_at_a_time() -> None:
    found = helps(job(release=DAY, starts=(Piece(2 * DAY + 600, 2 * DAY + 601),)))
    assert "earlier_release" not in found
    assert found["other_start"].slots[0].run_start == DAY + 545


def test_a_smaller_group_need_not_wait_for_the_last_machine() -> None:
    demand = job(machines=(0, 1, 2), needs=(Need(eligible=(0, 1, 2), quantity=3),))
    found = helps(demand, machine(0), machine(1), machine(2), fixed=(fact(0, 2 * DAY, on=2),))
    assert found["smaller_group"].facts["quantity"] == 2


def test_urgency_says_how_many_would_make_room() -> None:
    """Both are wanted today and one has to wait: as alike as they are, nobody moves; as urgent, it is worth it."""
    first, second = job("first", run_min=300, due=900), job("second", run_min=300, due=900)
    problem = Problem(horizon_min=14 * DAY, machines=(machine(),), demands=(first, second))
    plan = solve(problem)
    assert plan.ready_at("first") == 850
    found = {each.code: each for each in what_would_help(problem, plan, second)}
    urgent = found["higher_priority"]
    assert (urgent.ready_at, urgent.facts["count"]) == (850, 1)
    already = what_would_help(problem, plan, second, scope=Scope(heavier=1.0))
    assert "higher_priority" not in {each.code for each in already}


def test_the_most_gain_for_what_it_asks_of_people_comes_first() -> None:
    problem = lab(7, machines=4, jobs=30, gangs=0, days=14)
    plan = solve(problem)
    for demand in problem.demands:
        if demand.id in plan.slots:
            found = what_would_help(problem, plan, demand)
            assert len({each.code for each in found}) == len(found)
            assert all(each.gain_min >= LEAST_GAIN_MIN for each in found)


def test_the_board_is_left_as_it_was() -> None:
    problem = lab(3, machines=4, jobs=30, gangs=2, days=14)
    plan = solve(problem)
    for demand in problem.demands[:10]:
        if demand.id not in plan.slots:
            continue
        board = Board(problem, plan.without(demand.id))
        before = [(list(lane.entries), list(lane.reach), list(lane.before)) for lane in board.lanes]
        earlier(board, demand, plan.ready_at(demand.id))
        assert [(lane.entries, lane.reach, lane.before) for lane in board.lanes] == before


# --- every kind, made again by hand


def staffed_too(problem: Problem, demand: Demand, more: list[tuple[int, int]]) -> Problem:
    eligible = {m for need in demand.needs for m in need.eligible}
    park = tuple(
        replace(m, staffed=pieces([*m.staffed, *more]), open=pieces([*m.open, *more]))
        if m.index in eligible
        else m
        for m in problem.machines
    )
    return replace(problem, machines=park)


def with_machine(problem: Problem, index: int, **changes: object) -> Problem:
    park = tuple(
        replace(m, **changes) if m.index == index else m  # type: ignore[arg-type]  # a test's shorthand
        for m in problem.machines
    )
    return replace(problem, machines=park)


def number(reason: Reason, name: str) -> int:
    value = reason.facts[name]
    assert isinstance(value, int)
    return value


def again(problem: Problem, plan: Plan, demand: Demand, reason: Reason) -> int:
    """Make the change that a reason speaks of; when the demand is ready then."""
    rest, code, facts = plan.without(demand.id), reason.code, reason.facts
    if code == "in_parts":
        return in_parts(problem, rest, demand, number(reason, "parts"))
    if code == "higher_priority":
        found = place_best(Board(problem, rest), replace(demand, weight=3 * demand.weight))
        assert isinstance(found, Option)
        assert len(found.displaced) == facts["count"]
        return found.ready_at
    if code in ("another_colour", "another_material"):
        assert demand.family is not None
        family = replace(demand.family, material=number(reason, "material"), colour=number(reason, "colour"))
        assert (family.material == demand.family.material) is (code == "another_colour")
        demand = replace(demand, family=family)
    elif code == "earlier_release":
        demand = replace(demand, release=0)
    elif code == "other_start":
        demand = replace(demand, starts=(), dislike_min=())
    elif code == "other_machine":
        index = number(reason, "machine")
        assert demand.not_eligible[index] == facts["reason"]
        run_min = max(demand.duration_min.values())
        eligible = replace(demand.needs[0], eligible=(*demand.needs[0].eligible, index))
        demand = replace(
            demand, needs=(eligible,), duration_min={**demand.duration_min, index: run_min}, not_eligible={}
        )
    elif code == "smaller_group":
        at, quantity = number(reason, "need"), number(reason, "quantity")
        needs = (replace(n, quantity=quantity) if k == at else n for k, n in enumerate(demand.needs))
        demand = replace(demand, needs=tuple(needs))
    elif code == "shorter_run":
        cap = number(reason, "run_min")
        demand = replace(demand, duration_min={m: min(d, cap) for m, d in demand.duration_min.items()})
    elif code == "longer_alone":
        limit_min = number(reason, "limit_min")
        for index in dict.fromkeys(m for need in demand.needs for m in need.eligible):
            longer = max(limit_min, problem.machines[index].unattended_max_min)
            problem = with_machine(problem, index, unattended_max_min=longer)
    elif code == "repaired":
        index = number(reason, "machine")
        others = tuple(b for b in problem.machines[index].blocked if b.why is not Why.OUTAGE)
        problem = with_machine(problem, index, blocked=others)
    elif code in ("staff_earlier", "staff_later"):
        problem = staffed_too(problem, demand, [(number(reason, "since"), number(reason, "until"))])
    elif code == "staff_day":
        first = problem.machines[demand.needs[0].eligible[0]]
        day = number(reason, "day")
        since, until = day - DAY, number(reason, "until") - DAY
        copied = [(s + DAY, e + DAY) for s, e in first.staffed if since <= s and e <= until]
        assert copied[0][0] == day
        problem = staffed_too(problem, demand, copied)
    elif code == "if_others_moved":
        rest = Plan()
    found = insert(problem, demand, rest)
    assert isinstance(found, Insertion)
    return found.ready_at


def in_parts(problem: Problem, rest: Plan, demand: Demand, parts: int) -> int:
    ready = []
    for each in range(parts):
        shorter = {m: -(-d // parts) for m, d in demand.duration_min.items()}
        part = replace(demand, id=f"{demand.id}/{each}", duration_min=shorter, told=None)
        problem = problem.with_demand(part)
        found = insert(problem, part, rest)
        assert isinstance(found, Insertion)
        rest = rest.with_slots(found.slots)
        ready.append(found.ready_at)
    return max(ready)


def barred(problem: Problem) -> Problem:
    """Some machines that somebody could use are barred for a reason."""
    demands = []
    for demand in problem.demands:
        eligible = demand.needs[0].eligible
        if demand.is_gang or len(eligible) < 2:
            demands.append(demand)
            continue
        left = eligible[: len(eligible) // 2]
        demands.append(
            replace(
                demand,
                needs=(replace(demand.needs[0], eligible=left),),
                duration_min={m: demand.duration_min[m] for m in left},
                not_eligible=dict.fromkeys(eligible[len(left) :], "certification.missing"),
            )
        )
    return replace(problem, demands=tuple(demands))


def check_all(problem: Problem) -> set[str]:
    """Every help of every demand, made again; which kinds there were."""
    plan = solve(problem)
    seen: set[str] = set()
    for demand in problem.demands:
        if demand.id in plan.slots:
            now = plan.ready_at(demand.id)
            reasons = [help_.reason for help_ in what_would_help(problem, plan, demand)]
            for reason in reasons:
                assert reason.facts["ready_at"] <= now - LEAST_GAIN_MIN  # type: ignore[operator]  # minutes
        else:
            reasons = list(nearest(problem, plan, demand))
        for reason in reasons:
            assert again(problem, plan, demand, reason) == reason.facts["ready_at"], reason
            seen.add(reason.code)
    return seen


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_every_change_made_by_hand_gives_what_was_said(seed: int) -> None:
    check_all(barred(lab(seed, machines=4, jobs=14, gangs=2, fixed=3, days=7)))


@pytest.mark.soak
def test_every_change_made_by_hand_gives_what_was_said_in_many_labs() -> None:
    seen: set[str] = set()
    for seed in range(150):
        seen |= check_all(barred(lab(seed, machines=5, jobs=25, gangs=2, fixed=5, days=10)))
    assert seen >= {
        "another_colour",
        "another_material",
        "earlier_release",
        "higher_priority",
        "in_parts",
        "longer_alone",
        "other_machine",
        "other_start",
        "repaired",
        "shorter_run",
        "smaller_group",
        "staff_day",
        "staff_earlier",
        "staff_later",
    }


# --- why here


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_what_speaks_for_a_place_is_so(seed: int) -> None:
    problem = lab(seed, machines=4, jobs=14, gangs=2, fixed=3, days=7)
    plan = solve(problem)
    for demand in (d for d in problem.demands if d.id in plan.slots):
        best = insert(problem, demand, plan.without(demand.id))
        assert isinstance(best, Insertion)
        ready_at = plan.ready_at(demand.id)
        for reason in why_here(problem, plan, demand):
            if reason.code == "earliest_ready":
                assert ready_at <= best.ready_at
            if reason.code == "fits_now":
                assert reason.facts["ready_at"] == best.ready_at < ready_at
            if reason.code == "before_due":
                assert demand.due is not None
                assert ready_at <= demand.due


def test_a_place_that_became_too_late_says_what_is_free_by_now() -> None:
    demand = job()
    problem = Problem(horizon_min=14 * DAY, machines=(machine(),), demands=(demand,))
    late = Slot(demand="job", machine=0, setup_start=700, run_start=705, run_end=765, free_at=770)
    (reason,) = [r for r in why_here(problem, Plan(slots={"job": (late,)}), demand) if r.code == "fits_now"]
    assert (reason.facts["start"], reason.facts["ready_at"]) == (545, 610)
