"""What a job must satisfy: every refusal of the rules once, all of them at once, and machine by machine."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fablab.base.errors import Refusal
from fablab.claims.rules.machines import LATEST_DUE, Candidate, Context, Wish, check
from fablab.places.models import MachineGate, Technology

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
HARD = Refusal(code="admission.outside_bed", facts={"axis": "x"})
UNCERTIFIED = Refusal(code="certification.missing", facts={"technology": "fdm"})
UNPAID = Refusal(code="subscription.missing", waivable=True, facts={"machine": "mk3"})
DOUBT = Refusal(code="admission.forbidden_command", waivable=True, facts={"command": "M92"})

WISH = Wish(
    technology=Technology.FDM,
    nozzle_mm=0.4,
    duration_s=1800,
    weight_g=20,
    material_id=1,
    material_said="PLA",
    colour=None,
    due_at=None,
)
ONE = Candidate(resource_id=1, name="mk3", gate=MachineGate.CLEAR, nozzle_mm=0.4, admission=())
TWO = replace(ONE, resource_id=2, name="ender")
CONTEXT = Context(
    now=NOW,
    stock_g={"orange": 500.0, "black": 10.0},
)


def codes(wish: Wish = WISH, *candidates: Candidate, context: Context = CONTEXT) -> list[str]:
    return [refusal.code for refusal in check(wish, candidates or (ONE,), context).refusals]


def test_a_sound_wish_has_nothing_against_it() -> None:
    verdict = check(WISH, (ONE, TWO), CONTEXT)
    assert (verdict.eligible, verdict.barred, verdict.refusals) == ((1, 2), {}, ())


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"due_at": NOW}, ["due.past"]),
        ({"due_at": NOW + timedelta(seconds=1)}, []),
        ({"due_at": NOW + LATEST_DUE}, []),
        ({"due_at": NOW + LATEST_DUE + timedelta(seconds=1)}, ["due.too_far"]),
        ({"duration_s": 0.0}, ["program.no_time"]),
        ({"material_id": None, "material_said": None}, ["material.missing"]),
        ({"material_id": None, "material_said": "Unobtainium"}, ["material.unknown"]),
        ({"colour": "pink"}, ["colour.not_in_stock"]),
        ({"colour": "black"}, ["material.not_enough"]),
        ({"colour": "orange"}, []),
        ({"weight_g": 500.0}, []),
        ({"weight_g": 500.1}, ["material.not_enough"]),
        ({"nozzle_mm": None}, []),
        ({"nozzle_mm": 0.405}, []),
        ({"nozzle_mm": 0.6}, ["machine.none_eligible", "machine.other_nozzle"]),
        ({"technology": Technology.LASER, "material_id": None, "material_said": None}, []),
    ],
)
def test_each_rule_says_no_in_its_own_words(changes: dict[str, object], expected: list[str]) -> None:
    assert codes(replace(WISH, **changes)) == expected  # type: ignore[arg-type]  # a table of any field


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"gate": MachineGate.OUT_OF_SERVICE}, "machine.out_of_service"),
        ({"nozzle_mm": 0.6}, "machine.other_nozzle"),
        ({"bars": (UNCERTIFIED,)}, "certification.missing"),
        ({"admission": (HARD,)}, "admission.outside_bed"),
    ],
)
def test_a_machine_that_cannot_is_barred_and_another_takes_it(
    changes: dict[str, object], reason: str
) -> None:
    bad = replace(ONE, **changes)  # type: ignore[arg-type]  # a table of any field
    verdict = check(WISH, (bad, TWO), CONTEXT)
    assert (verdict.eligible, verdict.barred, verdict.refusals) == ((2,), {1: reason}, ())
    alone = check(WISH, (bad,), CONTEXT)
    assert [r.code for r in alone.refusals] == ["machine.none_eligible", reason]
    assert not any(r.waivable for r in alone.refusals)


@pytest.mark.parametrize("gate", [MachineGate.CLEAR, MachineGate.AWAITING_CLEAR])
@pytest.mark.parametrize("has_mm", [0.4, None])
def test_a_bed_to_clear_or_a_nozzle_nobody_wrote_down_bars_nothing(
    gate: MachineGate, has_mm: float | None
) -> None:
    assert codes(WISH, replace(ONE, gate=gate, nozzle_mm=has_mm)) == []


def test_what_staff_may_let_pass_of_its_maker_is_a_doubt_and_bars_nothing() -> None:
    verdict = check(WISH, (replace(ONE, doubts=(UNPAID,)), replace(TWO, doubts=(UNPAID,))), CONTEXT)
    assert (verdict.eligible, verdict.refusals) == ((1, 2), (UNPAID,))


def test_a_doubt_about_a_machine_that_is_barred_is_not_said() -> None:
    verdict = check(WISH, (replace(ONE, doubts=(UNPAID,), bars=(UNCERTIFIED,)), TWO), CONTEXT)
    assert (verdict.eligible, verdict.refusals) == ((2,), ())


def test_no_machine_of_the_kind_is_said_as_such() -> None:
    verdict = check(replace(WISH, technology=Technology.CNC, material_id=None), (), CONTEXT)
    assert [(r.code, dict(r.facts)) for r in verdict.refusals] == [
        ("machine.none_of_kind", {"technology": "cnc"})
    ]


def test_all_refusals_come_at_once() -> None:
    wish = replace(WISH, due_at=NOW, duration_s=0.0, material_id=None, material_said=None, nozzle_mm=0.8)
    out = replace(ONE, gate=MachineGate.OUT_OF_SERVICE, bars=(UNCERTIFIED,), admission=(HARD,))
    assert codes(wish, out, TWO) == [
        "due.past",
        "program.no_time",
        "material.missing",
        "machine.none_eligible",
        "machine.out_of_service",
        "machine.other_nozzle",
        "certification.missing",
        "admission.outside_bed",
    ]


def test_only_too_little_material_and_doubts_about_a_file_may_be_waived() -> None:
    verdict = check(replace(WISH, weight_g=900), (replace(ONE, admission=(DOUBT,)),), CONTEXT)
    assert [(r.code, r.waivable) for r in verdict.refusals] == [
        ("material.not_enough", True),
        ("admission.forbidden_command", True),
    ]
    assert verdict.eligible == (1,)


def test_a_doubt_is_said_once_and_only_for_machines_that_could_do_it() -> None:
    doubtful = [replace(machine, admission=(DOUBT,)) for machine in (ONE, TWO)]
    assert codes(WISH, *doubtful) == ["admission.forbidden_command"]
    assert codes(WISH, replace(ONE, admission=(DOUBT, HARD)), TWO) == []


def test_grams_left_are_never_said_to_be_negative() -> None:
    (refusal,) = check(WISH, (ONE,), replace(CONTEXT, stock_g={"orange": -3.0})).refusals
    assert dict(refusal.facts) == {"needed_g": 20, "left_g": 0.0}
    (refusal,) = check(WISH, (ONE,), replace(CONTEXT, stock_g={})).refusals
    assert refusal.code == "material.not_enough"


wishes = st.builds(
    Wish,
    technology=st.sampled_from(Technology),
    nozzle_mm=st.none() | st.sampled_from([0.4, 0.6]),
    duration_s=st.floats(0, 1e6),
    weight_g=st.floats(0, 2000),
    material_id=st.none() | st.just(1),
    material_said=st.none() | st.just("PLA"),
    colour=st.none() | st.sampled_from(["orange", "pink"]),
    due_at=st.none() | st.timedeltas(timedelta(days=-400), timedelta(days=400)).map(lambda by: NOW + by),
)
candidates = st.lists(
    st.builds(
        Candidate,
        resource_id=st.integers(1, 9),
        name=st.just("m"),
        gate=st.sampled_from(MachineGate),
        nozzle_mm=st.none() | st.sampled_from([0.4, 0.6]),
        bars=st.sampled_from([(), (UNCERTIFIED,)]),
        doubts=st.sampled_from([(), (UNPAID,)]),
        admission=st.lists(st.sampled_from([HARD, DOUBT])).map(tuple),
    ),
    unique_by=lambda candidate: candidate.resource_id,
)


@given(wishes, candidates)
def test_every_machine_is_either_eligible_or_barred_for_a_reason(
    wish: Wish, machines: list[Candidate]
) -> None:
    verdict = check(wish, machines, CONTEXT)
    assert {*verdict.eligible} | {*verdict.barred} == {m.resource_id for m in machines}
    assert not {*verdict.eligible} & {*verdict.barred}
    if not verdict.eligible:
        assert any(not refusal.waivable for refusal in verdict.refusals)


@pytest.mark.parametrize(
    ("sliced_for", "eligible"),
    [("MK3S", (1,)), ("Ender-3", (2,)), ("ENDER3", (2,)), ("Voron", (1, 2)), (None, (1, 2)), ("3", (1, 2))],
)
def test_a_file_goes_to_the_model_it_was_sliced_for_where_the_lab_has_one(
    sliced_for: str | None, eligible: tuple[int, ...]
) -> None:
    machines = [
        replace(ONE, model="Prusa MK3S+"),
        replace(TWO, model="Creality Ender-3"),
    ]
    verdict = check(replace(WISH, printer_model=sliced_for), machines, CONTEXT)
    assert verdict.eligible == eligible
    assert set(verdict.barred.values()) <= {"machine.other_model"}
