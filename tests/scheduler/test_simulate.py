"""A simulated fortnight: every plan sound, every job ended once, nothing twice or before its time, and the same again."""

from __future__ import annotations

from dataclasses import asdict
from itertools import pairwise

import pytest

from scheduler.check import Violation, violations
from scheduler.plan import Plan
from scheduler.problem import Problem
from scheduler.search import warm
from scheduler.simulate import POLICIES, Score, Settings, compare, draw, house, live
from scheduler.simulate.known import Tuning
from scheduler.simulate.world import World

# The search is compiled: in one worker, as tests/scheduler/test_search.py says.
pytestmark = pytest.mark.xdist_group("search")

FORTNIGHT = Settings(days=14, seed=3, printers=4, load=0.4)
BRIEFLY = Tuning(iterations=500)


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    warm()


@pytest.fixture(scope="module")
def lived() -> dict[str, tuple[World, Score]]:
    return {policy: live(FORTNIGHT, policy, tuning=BRIEFLY) for policy in POLICIES}


def test_every_plan_of_a_fortnight_passes_the_referee() -> None:
    found: list[Violation] = []
    seen: list[int] = []

    def judge(problem: Problem, plan: Plan) -> None:
        seen.append(len(plan.slots))
        found.extend(violations(problem, plan))

    live(FORTNIGHT, "ours", tuning=BRIEFLY, check=judge)
    assert len(seen) > 50
    assert max(seen) > 3
    assert found == []


def test_the_same_seed_gives_the_same_figures_and_another_seed_others(
    lived: dict[str, tuple[World, Score]],
) -> None:
    again = live(FORTNIGHT, "ours", tuning=BRIEFLY)[1]
    other = live(Settings(days=14, seed=4, printers=4, load=0.4), "ours", tuning=BRIEFLY)[1]
    assert asdict(again) == asdict(lived["ours"][1])
    assert other.ready_mean_min != again.ready_mean_min


@pytest.mark.parametrize("policy", POLICIES)
def test_every_job_ends_exactly_once_and_not_before_its_wish(
    lived: dict[str, tuple[World, Score]], policy: str
) -> None:
    world, score = lived[policy]
    fates = world.diary.fates
    assert set(fates) == {job.id for job in world.luck.jobs}
    assert all(fate.ended is not None and fate.ended > fate.job.arrives for fate in fates.values())
    assert world.open_jobs == 0
    assert score.done + score.failed == score.jobs == len(world.luck.jobs)


@pytest.mark.parametrize("policy", POLICIES)
def test_no_machine_has_two_runs_at_a_time_and_none_begins_before_its_wish(
    lived: dict[str, tuple[World, Score]], policy: str
) -> None:
    world, _ = lived[policy]
    runs = sorted((*run, fate.job) for fate in world.diary.fates.values() for run in fate.runs)
    assert runs
    assert all(job.arrives <= start < end and machine in job.eligible for machine, start, end, job in runs)
    assert all(one[0] != other[0] or one[2] <= other[1] for one, other in pairwise(runs))


@pytest.mark.parametrize("policy", POLICIES)
def test_a_job_is_tried_three_times_at_most_but_for_breakdowns(
    lived: dict[str, tuple[World, Score]], policy: str
) -> None:
    world, _ = lived[policy]
    broken = len(world.luck.breakdowns)
    tried = [len(fate.runs) for fate in world.diary.fates.values()]
    assert sum(max(0, runs - 3) for runs in tried) <= broken


def test_all_policies_live_through_the_same_luck(lived: dict[str, tuple[World, Score]]) -> None:
    one, *others = (world.luck for world, _ in lived.values())
    assert all(other == one for other in others)


def test_what_the_operator_does_lies_in_staffed_time(lived: dict[str, tuple[World, Score]]) -> None:
    world, _ = lived["ours"]
    starts = [start for fate in world.diary.fates.values() for _, start, _ in fate.runs]
    assert all(world.house.staffed_until(start) > start for start in starts)


def test_one_printer_more_changes_no_wish_and_no_chance_of_the_others() -> None:
    base, more = Settings(days=28, seed=5), Settings(days=28, seed=5, add_printer=True)
    one, other = draw(base, house(base)), draw(more, house(more))
    assert [(j.id, j.arrives, j.estimate_min, j.tries) for j in one.jobs] == [
        (j.id, j.arrives, j.estimate_min, j.tries) for j in other.jobs
    ]
    assert [b.at for b in one.breakdowns if b.machine < 8] == [
        b.at for b in other.breakdowns if b.machine < 8
    ]
    assert len(house(more).benches) == len(house(base).benches) + 1


def test_pupils_come_in_term_and_seldom_in_the_holidays() -> None:
    year = Settings()
    schools = [job.arrives // 1440 for job in draw(year, house(year)).jobs if job.audience == "school"]
    july = sum(306 <= day < 334 for day in schools)
    november = sum(63 <= day < 91 for day in schools)
    assert november > 5 * july


def test_saturdays_give_the_lab_a_sixth_day() -> None:
    five, six = house(Settings(days=28)), house(Settings(days=28, saturdays=True))
    assert six.worked(28 * 1440) - five.worked(28 * 1440) == 4 * 8 * 60


def test_the_clock_of_worked_minutes_goes_back_and_forth() -> None:
    lab = house(Settings(days=14))
    for at in (0, 570, 600, 751, 900, 3000):
        assert lab.worked(lab.at_worked(lab.worked(at))) == lab.worked(at)


def test_an_empty_lab_has_a_part_ready_after_set_up_run_and_clearing() -> None:
    lab = house(Settings(days=14))
    assert lab.soonest(600, (0,), 60) == 600 + 2 + 20 + 60 + 5


def test_lives_in_two_processes_give_what_they_give_in_one() -> None:
    lives = [(FORTNIGHT, policy) for policy in ("fcfs", "edf")]
    assert compare(lives, processes=2) == compare(lives, processes=1)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_year_keeps_what_the_plan_is_for() -> None:
    ours, slots, fcfs, _ = compare([(Settings(), p) for p in ("ours", "slots", "fcfs", "edf")])
    for rival in (slots, fcfs):
        assert ours.late <= 0.5 * rival.late
        assert ours.wait_mean_min <= 0.6 * rival.wait_mean_min
    assert 0.77 <= ours.kept["p80"] <= 0.83
    assert min(ours.share.values()) >= 0.8
    assert ours.done + ours.failed == ours.jobs
