"""The statement of a problem: its small arithmetic, and that every fault is named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scheduler.problem import (
    BadProblem,
    Block,
    Demand,
    Family,
    Need,
    Piece,
    Problem,
    SetupRule,
    Slot,
    faults,
    pieces,
    validate,
)
from tests.scheduler.instances import job, lab, machine, tiny

RED = Family(material=1, colour=1, nozzle=4)
BLUE = replace(RED, colour=2)
PETG = replace(BLUE, material=2)
WIDE = replace(PETG, nozzle=6)
SLOT = Slot(demand="fact", machine=0, setup_start=0, run_start=5, run_end=10, free_at=12)


def codes(problem: Problem) -> set[str]:
    return {fault.code for fault in faults(problem)}


def test_pieces_are_sorted_joined_and_never_empty() -> None:
    assert pieces([(50, 60), (0, 10), (10, 20), (5, 15), (30, 30)]) == (Piece(0, 20), Piece(50, 60))


def test_a_set_up_costs_more_the_more_there_is_to_change() -> None:
    rule = SetupRule()
    minutes = [rule.minutes(RED, after) for after in (RED, BLUE, PETG, WIDE)]
    assert minutes == sorted(minutes)
    assert len(set(minutes)) == 4


def test_what_is_loaded_is_unknown_then_a_material_change_is_counted() -> None:
    assert SetupRule().minutes(None, RED) == SetupRule().material_min


def test_a_need_may_have_minutes_of_its_own() -> None:
    demand = job(needs=(Need(eligible=(0,)), Need(eligible=(0,), setup_min=30, clear_min=0)))
    assert [(demand.setup_of(n), demand.clear_of(n)) for n in (0, 1)] == [(5, 5), (30, 0)]


def test_a_demand_is_a_gang_when_it_takes_several_machines_at_once() -> None:
    assert not job().is_gang
    assert job(needs=(Need(eligible=(0, 1), quantity=2),)).is_gang
    assert job(needs=(Need(eligible=(0,)), Need(eligible=(1,)))).is_gang


def test_a_demand_added_again_replaces_the_one_of_its_name() -> None:
    problem = Problem(horizon_min=10, machines=(), demands=(job("a"), job("b")))
    assert [d.release for d in problem.with_demand(job("a", release=7)).demands] == [0, 7]


@pytest.mark.parametrize("seed", range(20))
def test_the_generated_labs_have_no_faults(seed: int) -> None:
    assert not faults(lab(seed, machines=6, jobs=20, days=7))
    assert not faults(tiny(seed))


@pytest.mark.parametrize(
    ("demand", "code"),
    [
        (job(needs=()), "no_needs"),
        (job(weight=0.0), "weight_not_positive"),
        (job(weight=float("nan")), "weight_not_positive"),
        (job(starts=(Piece(9, 10), Piece(1, 2))), "pieces_not_in_order"),
        (job(starts=(Piece(1, 2),), dislike_min=(5, 6)), "dislikes_not_parallel"),
        (job(starts=(Piece(1, 2),), dislike_min=(-5,)), "negative"),
        (job(release=-1), "negative"),
        (job(clear_min=-1), "negative"),
        (job(needs=(Need(eligible=(0,), quantity=0),)), "quantity_not_positive"),
        (job(needs=(Need(eligible=(0, 0)),)), "eligible_twice"),
        (job(machines=(1,)), "no_such_machine"),
        (job(run_min=0), "no_duration"),
        (job(duration_min={}), "no_duration"),
    ],
)
def test_a_demand_that_makes_no_sense_is_named(demand: Demand, code: str) -> None:
    problem = Problem(horizon_min=100, machines=(machine(),), demands=(demand,))
    found = faults(problem)
    assert code in {fault.code for fault in found}
    assert {fault.subject for fault in found} == {"demand job"}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"index": 3}, "wrong_index"),
        ({"staffed": (Piece(0, 10), Piece(10, 20))}, "pieces_not_in_order"),
        ({"open": (Piece(5, 5),)}, "pieces_not_in_order"),
        ({"blocked": (Block(start=5, end=5),)}, "empty_block"),
        ({"unattended_max_min": -1}, "negative"),
        ({"worn_min": -1}, "negative"),
        ({"loads": SetupRule(same_min=-1)}, "negative"),
    ],
)
def test_a_machine_that_makes_no_sense_is_named(changes: dict[str, object], code: str) -> None:
    assert codes(Problem(horizon_min=100, machines=(machine(**changes),))) == {code}


@pytest.mark.parametrize(
    ("slot", "code"),
    [
        (replace(SLOT, machine=4), "no_such_machine"),
        (replace(SLOT, run_end=5), "times_out_of_order"),
        (replace(SLOT, demand="job"), "fixed_and_demanded"),
    ],
)
def test_a_fixed_slot_that_makes_no_sense_is_named(slot: Slot, code: str) -> None:
    assert codes(Problem(horizon_min=100, machines=(machine(),), demands=(job(),), fixed=(slot,))) == {code}


def test_an_id_used_twice_is_named() -> None:
    assert codes(Problem(horizon_min=100, machines=(machine(),), demands=(job(), job()))) == {"id_twice"}


def test_a_bad_problem_is_refused_with_all_its_faults() -> None:
    with pytest.raises(BadProblem, match="demand job: no_needs") as caught:
        validate(Problem(horizon_min=0, machines=(), demands=(job(needs=()),)))
    assert [fault.code for fault in caught.value.faults] == ["horizon_not_positive", "no_needs"]


def test_a_sound_problem_passes() -> None:
    validate(Problem(horizon_min=100, machines=(machine(),), demands=(job(),), fixed=(SLOT,)))
