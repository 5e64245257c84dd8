"""Problems and plans as files: what is written is read again, and what cannot be one is told where."""

from __future__ import annotations

import json
import re
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler import instance
from scheduler.check import violations
from scheduler.greedy import solve
from scheduler.instance import plan_from_json, plan_to_json, problem_from_json, problem_to_json
from scheduler.plan import Plan, Reason, Unplaced, objective
from scheduler.problem import (
    BadProblem,
    Block,
    Demand,
    Family,
    Fault,
    Machine,
    Need,
    Piece,
    Presence,
    Problem,
    SetupRule,
    Slot,
    Told,
    Why,
)
from tests.scheduler.instances import lab, labs, problems

SEEDS = st.integers(0, 10**9)
LEAST: dict[str, Any] = {
    "format": "fablab-problem",
    "version": 1,
    "horizon_min": 1440,
    "machines": [{"index": 0, "staffed": [[0, 600]], "open": []}],
    "demands": [{"id": "part", "needs": [{"eligible": [0]}], "duration_min": {"0": 60}}],
}


def fault(data: bytes) -> Fault:
    with pytest.raises(BadProblem) as caught:
        problem_from_json(data)
    return caught.value.faults[0]


def with_(place: str, value: object) -> bytes:
    """`LEAST` with one value in another's place, `place` as a path of names and numbers."""
    file = json.loads(json.dumps(LEAST))
    *path, last = (int(part) if part.isdigit() else part for part in place.split("/"))
    inner = file
    for part in path:
        inner = inner[part]
    inner[last] = value
    return json.dumps(file).encode()


# --- there and back


@settings(max_examples=60, deadline=None)
@given(problem=problems() | labs())
def test_a_problem_and_its_plan_come_back_as_they_were(problem: Problem) -> None:
    plan = solve(problem)
    assert problem_from_json(problem_to_json(problem)) == problem
    assert plan_from_json(plan_to_json(plan, objective(problem, plan))) == plan


def test_what_a_file_leaves_out_has_its_default() -> None:
    assert problem_from_json(json.dumps(LEAST).encode()) == Problem(
        horizon_min=1440,
        machines=(Machine(index=0, staffed=(Piece(0, 600),), open=()),),
        demands=(Demand(id="part", needs=(Need(eligible=(0,)),), duration_min={0: 60}),),
    )


def test_every_field_of_the_format_is_read() -> None:
    family, rule = {"material": 1, "colour": 2, "nozzle": 4}, SetupRule(same_min=1, nozzle_min=4)
    machine = {
        "index": 0, "staffed": [[0, 9], [10, 600]], "open": [[0, 700]], "unattended_max_min": 30, "worn_min": 7,
        "blocked": [{"start": 3, "end": 4, "why": "other", "ref": "x"}], "night_start_ok": True,
        "loads": {"same_min": 1, "nozzle_min": 4}, "loaded": family,
    }  # fmt: skip
    demand = {
        "id": "été", "needs": [{"eligible": [0], "quantity": 1, "setup_min": 0, "clear_min": 2}],
        "duration_min": {"0": 60}, "release": 1, "due": 2, "weight": 1.5, "presence": "house", "setup_min": 3,
        "clear_min": 4, "family": family, "starts": [[5, 6], [8, 9]], "dislike_min": [0, 30],
        "told": {"machines": [0], "start": 5}, "not_eligible": {"1": "too_small"},
    }  # fmt: skip
    fixed = {
        "demand": "f",
        "machine": 0,
        "setup_start": -5,
        "run_start": 0,
        "run_end": 7,
        "free_at": 8,
        "need": 1,
    }
    file = {**LEAST, "machines": [machine], "demands": [demand], "fixed": [{**fixed, "family": family}]}
    red = Family(material=1, colour=2, nozzle=4)
    assert problem_from_json(json.dumps(file).encode()) == Problem(
        horizon_min=1440,
        machines=(
            Machine(
                index=0, staffed=(Piece(0, 9), Piece(10, 600)), open=(Piece(0, 700),), unattended_max_min=30,
                blocked=(Block(start=3, end=4, why=Why.OTHER, ref="x"),), night_start_ok=True, loads=rule,
                loaded=red, worn_min=7,
            ),
        ),
        demands=(
            Demand(
                id="été", needs=(Need(eligible=(0,), setup_min=0, clear_min=2),), duration_min={0: 60},
                release=1, due=2, weight=1.5, presence=Presence.HOUSE, setup_min=3, clear_min=4, family=red,
                starts=(Piece(5, 6), Piece(8, 9)), dislike_min=(0, 30), told=Told(machines=(0,), start=5),
                not_eligible={1: "too_small"},
            ),
        ),
        fixed=(
            Slot(
                demand="f", machine=0, setup_start=-5, run_start=0, run_end=7, free_at=8, family=red, need=1
            ),
        ),
    )  # fmt: skip


def test_a_file_has_a_line_for_each_machine_demand_and_fixed_slot() -> None:
    problem = lab(1, machines=3, jobs=4, gangs=1, fixed=2)
    assert len(problem_to_json(problem).splitlines()) == 2 + 3 + 3 * 2 + 3 + 5 + 2


# --- what cannot be one


@pytest.mark.parametrize(
    ("place", "value", "subject"),
    [
        ("horizon_min", "soon", "$.horizon_min"),
        ("horizon_min", 10**30, "$.horizon_min"),
        ("machines", {}, "$.machines"),
        ("machines/0/staffed", [[0, 1, 2]], "$.machines[0].staffed[0]"),
        ("machines/0/staffed", [[0, 1e300]], "$.machines[0].staffed[0][1]"),
        ("machines/0/blocked", [{"start": 1, "end": 2, "why": "magic"}], "$.machines[0].blocked[0].why"),
        ("machines/0/loaded", {"material": 1}, "$.machines[0].loaded"),
        ("demands/0/relase", 5, "$.demands[0]"),
        ("demands/0/id", "part\x1b[31m", "$.demands[0].id"),
        ("demands/0/id", "", "$.demands[0].id"),
        ("demands/0/weight", 0, "$.demands[0].weight"),
        ("demands/0/weight", True, "$.demands[0].weight"),
        ("demands/0/needs/0/quantity", 10**9, "$.demands[0].needs[0].quantity"),
        ("demands/0/duration_min", {"one": 5}, "key in $.demands[0].duration_min"),
        ("version", 2, "$.version"),
        ("version", None, "$.version"),
        ("format", "fablab-plan", "$.format"),
    ],
)
def test_what_cannot_be_read_is_named_by_its_place(place: str, value: object, subject: str) -> None:
    assert fault(with_(place, value)).subject == subject


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b"null",
        b"\xff\xfe",
        b'{"format": "\xff"}',
        b'{"format": NaN}',
        b"{}" * 2,
        b"\x00",
    ],
)
def test_what_is_no_json_at_all_is_refused(data: bytes) -> None:
    assert fault(data).code == "unreadable"


def test_a_file_of_a_later_version_is_told_from_a_broken_one() -> None:
    found = fault(b'{"format": "fablab-problem", "version": 7, "moods": []}')
    assert (found.code, dict(found.facts)) == ("wrong_version", {"found": 7, "wanted": 1})


def test_what_can_be_read_but_makes_no_sense_is_refused_with_all_its_faults() -> None:
    with pytest.raises(BadProblem) as caught:
        problem_from_json(
            with_("demands/0", {"id": "x", "needs": [{"eligible": [4]}], "duration_min": {}, "release": -1})
        )
    assert {fault.code for fault in caught.value.faults} == {"negative", "no_such_machine"}


def test_more_pairs_than_the_search_can_lay_out_are_refused() -> None:
    machines = [{"index": n, "staffed": [], "open": []} for n in range(4500)]
    demands = [{"id": str(n), "needs": [{"eligible": [0]}], "duration_min": {"0": 1}} for n in range(4500)]
    assert fault(json.dumps({**LEAST, "machines": machines, "demands": demands}).encode()).code == "too_large"


#: What may stand where something else should.
WORDS = (
    "0", "1", "7", "600", "100000000", "null", "-1", "1e400", "[]", "{}", '"x"', "99999999999999999999", "true", "0.5",
    '"\\ud800"',
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(seed=SEEDS)
def test_a_spoilt_file_is_read_as_a_problem_that_can_be_solved_or_refused_and_nothing_else(seed: int) -> None:
    random = Random(seed)
    data = bytearray(problem_to_json(lab(seed, machines=2, jobs=3, gangs=1, fixed=1, days=2)))
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(data))
        kind = random.randrange(3)
        if kind == 0:
            data[at] = random.randrange(256)
        elif kind == 1:
            del data[at : at + random.randrange(1, 40)]
        else:
            end = next((n for n in range(at, len(data)) if data[n : n + 1] in b",]}"), at)
            begin = max(data.rfind(b":", 0, end), data.rfind(b",", 0, end), data.rfind(b"[", 0, end)) + 1
            data[begin:end] = random.choice(WORDS).encode()
    try:
        problem = problem_from_json(bytes(data))
    except BadProblem:
        return
    assert problem_from_json(problem_to_json(problem)) == problem
    assert violations(problem, solve(problem)) == ()


@pytest.mark.parametrize(
    ("slots", "subject"),
    [
        ({"a": []}, "$.slots[...]"),
        ({"a": [{"machine": 0}]}, "$.slots[...][0]"),
        ([], "$.slots"),
    ],
)
def test_a_plan_that_cannot_be_read_is_named_by_its_place(slots: object, subject: str) -> None:
    with pytest.raises(BadProblem) as caught:
        plan_from_json(json.dumps({"format": "fablab-plan", "version": 1, "slots": slots}).encode())
    assert caught.value.faults[0].subject == subject


def test_a_plan_keeps_why_something_has_no_place() -> None:
    reason = Reason(
        code="machine_busy", facts={"machine": 3, "by": "été", "since": None, "share": 0.5, "ok": True}
    )
    plan = Plan(
        unplaced={"a": Unplaced(demand="a", reasons=(reason,)), "b": Unplaced(demand="b", reasons=())}
    )
    assert plan_from_json(plan_to_json(plan)) == plan


def test_the_version_written_is_the_one_read() -> None:
    assert json.loads(plan_to_json(Plan()))["version"] == instance.VERSION


def test_the_example_in_the_documentation_is_an_instance_in_which_all_have_a_place() -> None:
    text = (Path(__file__).parents[2] / "docs" / "plan.md").read_text()
    (example,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    plan = solve(problem_from_json(example.encode()))
    assert plan.slots.keys() == {"bracket", "school"}
    assert plan.slots["school"][0].run_start == 2040


def test_every_field_of_the_format_is_in_the_documentation() -> None:
    text = (Path(__file__).parents[2] / "docs" / "plan.md").read_text()
    kinds = [
        kind for kind in vars(instance).values() if isinstance(kind, type) and kind.__name__.endswith("File")
    ]
    named = {name for kind in kinds for name in kind.__struct_fields__}
    assert (
        sorted(
            name for name in named - {"code", "facts"} if f"`{name}`" not in text and f'"{name}"' not in text
        )
        == []
    )
