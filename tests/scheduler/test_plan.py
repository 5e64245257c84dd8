"""A plan as a value, and the tiers it is judged by."""

from __future__ import annotations

from scheduler.plan import MACHINE_CHANGE_MIN, Plan, Unplaced, objective
from scheduler.problem import Piece, Problem, Slot, Told
from tests.scheduler.instances import job, machine


def slot(demand: str = "job", start: int = 600, on: int = 0) -> Slot:
    return Slot(
        demand=demand,
        machine=on,
        setup_start=start - 5,
        run_start=start,
        run_end=start + 60,
        free_at=start + 65,
    )


def problem(**changes: object) -> Problem:
    return Problem(
        horizon_min=9000, machines=(machine(0), machine(1)), demands=(job(machines=(0, 1), **changes),)
    )


def test_new_slots_replace_all_the_old_ones_and_end_being_unplaced() -> None:
    plan = Plan(slots={"a": (slot("a"),)}, unplaced={"b": Unplaced(demand="b", reasons=())})
    plan = plan.with_slots([slot("a", 700), slot("b", 600, 1), slot("a", 700, 1)])
    assert [s.run_start for s in plan.slots["a"]] == [700, 700]
    assert not plan.unplaced


def test_a_demand_taken_out_is_in_neither_part() -> None:
    plan = Plan(slots={"a": (slot("a"),)}, unplaced={"b": Unplaced(demand="b", reasons=())})
    assert plan.without("a", "b") == Plan()


def test_a_gang_is_ready_when_its_last_member_is_cleared() -> None:
    assert Plan(slots={"a": (slot("a", 600), slot("a", 630, 1))}).ready_at("a") == 695


def test_what_has_no_place_counts_before_everything_else() -> None:
    late = objective(problem(due=0), Plan(slots={"job": (slot(start=5000),)}))
    assert late < objective(problem(due=0), Plan())


def test_lateness_is_weighted_and_being_early_earns_nothing() -> None:
    plan = Plan(slots={"job": (slot(start=600),)})
    assert objective(problem(due=600, weight=2.0), plan).tardiness == 2.0 * 65
    assert objective(problem(due=9000), plan).tardiness == 0


def test_leaving_a_promise_costs_the_minutes_and_the_change_of_machine() -> None:
    plan = Plan(slots={"job": (slot(start=600, on=1),)})
    assert objective(problem(told=Told(machines=(0,), start=630)), plan).moved == 30 + MACHINE_CHANGE_MIN
    assert objective(problem(told=Told(machines=(1,), start=600)), plan).moved == 0


def test_a_date_less_liked_costs_its_reluctance_after_promises_and_before_set_up() -> None:
    dates = {"starts": (Piece(500, 700), Piece(1000, 1100)), "dislike_min": (30, 0), "weight": 2.0}
    sooner, liked = (Plan(slots={"job": (slot(start=start),)}) for start in (600, 1000))
    assert [objective(problem(**dates), plan).disliked for plan in (sooner, liked)] == [60, 0]
    assert objective(problem(**dates), liked) < objective(problem(**dates), sooner)
    promised = {**dates, "told": Told(machines=(0,), start=600)}
    assert objective(problem(**promised), sooner) < objective(problem(**promised), liked)


def test_set_up_minutes_come_before_earliness() -> None:
    early = objective(problem(), Plan(slots={"job": (slot(start=600),)}))
    assert (early.setup_min, early.earliness) == (5, 665)
