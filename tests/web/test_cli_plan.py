"""`fablab plan` as a person or a script uses it: how the plan stands, why it is so, and instances from files."""

from __future__ import annotations

import ast
import json
from datetime import timedelta
from pathlib import Path

import pytest

from fablab.claims import calendar
from scheduler.check import violations
from scheduler.instance import plan_from_json, problem_to_json
from scheduler.plan import Objective
from scheduler.problem import Problem
from tests.lab import Lab, analysed, make_lab, submitted
from tests.scheduler.instances import always, job, lab, machine
from tests.terminal import ROOT, fablab, failed, said
from web.words.problems import FAULTS, TIERS

DAY = "2026-11-24"  # of tests.lab


@pytest.fixture
def house(tmp_path: Path) -> Lab:
    return make_lab(f"sqlite:///{tmp_path / 'fablab.sqlite'}", tmp_path)


def show(folder: Path, *more: str, language: str = "en") -> list[str]:
    done = fablab("plan", "show", "--from", DAY, "--days", "2", "--data", str(folder), *more, LANG=language)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


# --- show


def test_the_plan_is_shown_machine_by_machine_with_between_when_it_will_be_ready(
    house: Lab, tmp_path: Path
) -> None:
    claim_id = submitted(house, analysed(duration_s=7200), name="cog [v2].gcode")
    lines = show(tmp_path)
    (line,) = [line for line in lines if claim_id in line]
    above = lines[lines.index(line) - 1]
    with house.database.read() as uow:
        (held,) = calendar.claim(uow, claim_id).allocations
        assert above == held.resource.name
    assert "Tentative" in line
    assert "ready " in line
    assert "cog [v2].gcode" in line
    assert [other for other in lines if other.endswith(": free")]


def test_what_will_be_late_is_marked_and_counted(house: Lab, tmp_path: Path) -> None:
    claim_id, other = submitted(house), submitted(house)
    with house.database.begin() as uow:
        claim = calendar.claim(uow, claim_id)
        assert claim.ready_at is not None
        claim.due_at = claim.ready_at - timedelta(hours=2)
    lines = show(tmp_path, language="fr")
    assert "2\u00a0h de retard" in next(line for line in lines if claim_id in line)
    assert "retard" not in next(line for line in lines if other in line)
    assert lines[-1] == "1 demande sera en retard."
    found = {
        row["claim"]: row
        for row in said(fablab("plan", "show", "--from", DAY, "--data", str(tmp_path), "--json"))
    }
    assert (found[claim_id]["late_s"], found[other]["late_s"]) == (7200, 0)
    assert found[claim_id]["state"] == "tentative"


def test_another_day_shows_what_is_held_on_it(house: Lab, tmp_path: Path) -> None:
    claim_id = submitted(house)
    later = fablab("plan", "show", "--from", "2026-12-24", "--data", str(tmp_path))
    assert later.returncode == 0
    assert claim_id not in later.stdout


def test_without_a_lab_the_plan_says_how_to_found_one(tmp_path: Path) -> None:
    assert "fablab init" in failed(fablab("plan", "show", "--data", str(tmp_path)))


# --- explain


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ["Planned", "Why not earlier", "is taken until", "What would have it ready earlier"]),
        ("fr", ["Prévu", "Pourquoi pas plus tôt", "est prise jusqu’à", "Pour l’avoir plus tôt"]),
    ],
)
def test_a_claim_is_explained_as_on_its_page(
    house: Lab, tmp_path: Path, language: str, words: list[str]
) -> None:
    for _ in range(2):
        submitted(house, analysed(duration_s=4 * 3600))
    last = submitted(house, analysed(duration_s=4 * 3600))
    done = fablab("plan", "explain", last, "--data", str(tmp_path), LANG=language)
    assert done.returncode == 0
    for word in words:
        assert word in done.stdout
    found = said(fablab("plan", "explain", last, "--data", str(tmp_path), "--json"))
    assert found["claim"] == last
    assert {"here", "not_earlier", "not_there", "would_help"} == {
        reason["about"] for reason in found["reasons"]
    }
    assert found["why"]


def test_a_claim_that_is_not_there_is_a_plain_error(house: Lab, tmp_path: Path) -> None:
    assert "nothing like that in the calendar" in failed(
        fablab("plan", "explain", "x", "--data", str(tmp_path))
    )


# --- solve: in one worker with the search, since each would compile its kernel


SEARCHED = pytest.mark.xdist_group("search")


def instance(folder: Path, problem: Problem) -> Path:
    path = folder / "instance.json"
    path.write_bytes(problem_to_json(problem))
    return path


@SEARCHED
def test_an_instance_is_solved_and_its_plan_written(tmp_path: Path) -> None:
    problem = lab(3, machines=4, jobs=14, gangs=3, fixed=3, days=7)
    out = tmp_path / "plan.json"
    done = fablab(
        "plan", "solve", str(instance(tmp_path, problem)), "--limit", "0.05", "--out", str(out), "--json"
    )
    found = json.loads(done.stdout)
    plan = plan_from_json(out.read_bytes())
    assert violations(problem, plan) == ()
    assert found["sound"]
    assert found["placed"] == len(plan.slots)
    assert set(found["unplaced"]) == set(plan.unplaced)
    assert Objective(**found["objective"]) <= Objective(**found["first"])
    assert done.returncode == (3 if plan.unplaced else 0)


@SEARCHED
@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "en",
            [
                "Machine 0",
                "1/00:05–1/10:10 long!",
                "Late (1)",
                "Without a place (1)",
                "Minutes of set-up",
                "Every rule is kept",
            ],
        ),
        (
            "fr",
            ["Machine 0", "En retard (1)", "Sans place (1)", "Minutes de préparation", "Toutes les règles"],
        ),
    ],
)
def test_a_person_reads_who_is_where_who_is_late_and_who_has_no_place(
    tmp_path: Path, language: str, words: list[str]
) -> None:
    park = (machine(staffed=always(), open=always()),)
    demands = (job("long", run_min=600, due=500), job("endless", run_min=5000))
    path = instance(tmp_path, Problem(horizon_min=1440, machines=park, demands=demands))
    done = fablab("plan", "solve", str(path), "--limit", "0.02", LANG=language)
    assert done.returncode == 3
    for word in words:
        assert word in done.stdout


@SEARCHED
def test_an_instance_in_which_all_have_a_place_ends_well(tmp_path: Path) -> None:
    problem = Problem(horizon_min=1440, machines=(machine(),), demands=(job("[bold]"),))
    done = fablab("plan", "solve", str(instance(tmp_path, problem)), "--limit", "0", "--seed", "5")
    assert done.returncode == 0
    assert "[bold]" in done.stdout


def test_a_file_that_is_no_instance_is_refused_with_every_fault_and_its_place(tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    head = {"format": "fablab-problem", "version": 1, "horizon_min": 9}
    demand = {"id": "part", "needs": [{"eligible": [3]}], "duration_min": {}, "release": -1}
    path.write_text(json.dumps({**head, "machines": [], "demands": [demand, demand]}))
    told = failed(fablab("plan", "solve", str(path)))
    assert str(path) in told
    for sentence in (
        "demand part: There is no machine 3.",
        "“release” must not be negative.",
        "two demands of this name",
    ):
        assert sentence in told
    path.write_text(json.dumps({**head, "machines": [{"index": 0, "staffed": "always", "open": []}]}))
    done = fablab("plan", "solve", str(path), LANG="fr")
    assert "$.machines[0].staffed: Ceci est illisible" in failed(done)
    assert done.returncode == 1


def test_more_faults_than_a_person_reads_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    demands = [{"id": str(n), "needs": [{"eligible": [3]}], "duration_min": {}} for n in range(30)]
    file = {"format": "fablab-problem", "version": 1, "horizon_min": 9, "machines": [], "demands": demands}
    path.write_text(json.dumps(file))
    assert "… and 10 more" in failed(fablab("plan", "solve", str(path)))


@SEARCHED
def test_a_plan_that_cannot_be_written_is_a_plain_error(tmp_path: Path) -> None:
    path = instance(tmp_path, Problem(horizon_min=1440, machines=(machine(),)))
    told = failed(
        fablab("plan", "solve", str(path), "--limit", "0", "--out", str(tmp_path / "none" / "plan.json"))
    )
    assert "No such file" in told


# --- words


def test_every_fault_of_an_instance_has_words() -> None:
    codes: set[str] = set()
    for name in ("problem.py", "instance.py"):
        for node in ast.walk(ast.parse((ROOT / "scheduler" / name).read_bytes())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                given = {k.arg: k.value for k in node.keywords}
                code = given.get("code") if node.func.id == "Fault" else None
                if node.func.id == "_bad":
                    code = node.args[1]
                if isinstance(code, ast.Constant):
                    codes.add(str(code.value))
    assert len(codes) > 15
    assert codes == set(FAULTS)


def test_every_tier_of_a_plans_worth_has_words_in_its_order() -> None:
    assert tuple(TIERS) == Objective.__slots__
