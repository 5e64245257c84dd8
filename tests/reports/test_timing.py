"""What runs took beside their estimates, what was promised beside what came, and that every look learns from it."""

from __future__ import annotations

from datetime import timedelta
from math import log
from random import Random

import pytest

from fablab.base.errors import Forbidden
from fablab.claims.jobs.use import Wishes
from fablab.claims.models import Claim
from fablab.claims.promises import Promised
from fablab.claims.promises import keep as keep_promise
from fablab.reports import timing
from fablab.runs import attempts
from scheduler import planner
from scheduler.hands import start_now
from scheduler.lore import lore
from scheduler.odds import Odds
from scheduler.sight import look
from tests.lab import Lab, analysed, drafted, submitted

ESTIMATE_S = 1800.0


def made(
    lab: Lab,
    *,
    factor: float = 1.0,
    pause_s: float = 0.0,
    end: str = "succeed",
    late_s: float = 0.0,
    is_cleared: bool = True,
) -> str:
    """A job that was started `late_s` after its submission, and took `factor` times its estimate and a pause."""
    job_id = submitted(lab, analysed(duration_s=ESTIMATE_S))
    lab.clock.advance(seconds=late_s)
    with lab.database.begin(lab.staff) as uow:
        run_id = start_now(uow, lab.resources["mk3"], job_id, bed_clear=True).id
    turn(lab, run_id, "run")
    lab.clock.advance(seconds=ESTIMATE_S * factor / 2)
    if pause_s:
        turn(lab, run_id, "pause")
        lab.clock.advance(seconds=pause_s)
        turn(lab, run_id, "run")
    lab.clock.advance(seconds=ESTIMATE_S * factor / 2)
    turn(lab, run_id, end)
    if is_cleared:
        clear(lab)
    return job_id


def clear(lab: Lab) -> None:
    with lab.database.begin(lab.staff) as uow:
        attempts.clear_bed(uow, lab.resources["mk3"])


def turn(lab: Lab, run_id: str, action: str) -> None:
    with lab.database.begin() as uow:
        run = attempts.get(uow, run_id)
        if action == "run" and run.started_at is None:
            attempts.begin(uow, run_id)
        attempts.turn(uow, run, action)


def took(lab: Lab) -> list[timing.Took]:
    with lab.database.read() as uow:
        return timing.took(uow)


def promised(lab: Lab, job_id: str) -> Promised:
    with lab.database.read() as uow:
        return uow.session.get_one(Promised, job_id)


def test_a_run_that_came_to_a_good_end_says_what_it_took(any_lab: Lab) -> None:
    made(any_lab, factor=1.2)
    (found,) = took(any_lab)
    assert found.factor == pytest.approx(1.2)
    assert (found.resource_id, found.source) == (any_lab.resources["mk3"], "slicer")
    with any_lab.database.read() as uow:
        assert len(lore(uow).odds.record) == 1


def test_a_run_that_came_to_none_says_nothing(lab: Lab) -> None:
    for end in ("interrupt", "cancel"):
        made(lab, end=end)
    assert took(lab) == []


def test_a_short_pause_belongs_to_the_making_and_a_long_one_does_not(lab: Lab) -> None:
    made(lab, pause_s=240)
    assert [run.actual_s for run in took(lab)] == [ESTIMATE_S + 240]
    made(lab, pause_s=7200)
    assert len(took(lab)) == 1


def test_what_lies_half_a_year_back_counts_no_more(lab: Lab) -> None:
    made(lab)
    lab.clock.advance(days=timing.LOOK_BACK.days + 2)
    assert took(lab) == []


def test_every_look_knows_the_runs_that_have_ended(lab: Lab) -> None:
    before = planned_s(lab)
    for _ in range(3):
        made(lab, factor=1.6)
    assert planned_s(lab) > 1.1 * before


def planned_s(lab: Lab) -> float:
    """What a look counts for half an hour of PETG on mk3."""
    with lab.database.read() as uow:
        claim = Claim(estimate_s=1800, estimate_source="slicer", material_id=2)
        return look(uow).duration(claim, lab.resources["mk3"]).p60_s


def test_what_was_learnt_is_kept_until_another_run_ends(lab: Lab) -> None:
    made(lab)
    with lab.database.read() as uow:
        first = lore(uow).factors
        assert lore(uow).factors is first
    lab.clock.advance(hours=1)
    with lab.database.read() as uow:
        assert lore(uow).factors is first
    made(lab, factor=1.3)
    with lab.database.read() as uow:
        assert lore(uow).factors is not first


def test_the_first_promise_is_kept_as_it_was_said(lab: Lab) -> None:
    job_id = submitted(lab, analysed(duration_s=ESTIMATE_S))
    told = promised(lab, job_id)
    assert told.told_at == lab.clock.now() < told.p10_at < told.p50_at < told.p80_at < told.p90_at
    with lab.database.begin() as uow:
        keep_promise(uow, Promised(claim_id=job_id))
    assert promised(lab, job_id).p80_at == told.p80_at


def test_a_preview_promises_nothing_for_the_record(lab: Lab) -> None:
    job_id = drafted(lab)
    lab.intake.preview(lab.maker, job_id, Wishes())
    with lab.database.read() as uow:
        assert uow.session.get(Promised, job_id) is None


def test_a_start_says_how_long_this_run_was_thought_to_take(lab: Lab) -> None:
    job_id = made(lab, factor=1.05)
    told = promised(lab, job_id)
    assert told.run_log_mean == pytest.approx(log(1.05 * ESTIMATE_S))
    (found,) = took(lab)
    assert found.odds == pytest.approx(0.5)


def test_a_promise_is_judged_by_when_its_part_was_finished(lab: Lab) -> None:
    made(lab)
    made(lab, late_s=5 * 3600)
    with lab.database.read() as uow:
        prompt, late = timing.kept(uow)
    assert prompt.kept()[3]
    assert not any(late.kept())
    assert late.off_by > prompt.off_by


def test_a_part_is_ready_once_it_is_off_the_bed_and_the_record_says_nothing_before(lab: Lab) -> None:
    """The page says by when a part can be had, and so is the promise kept or not."""
    job_id = made(lab, is_cleared=False)
    with lab.database.read() as uow:
        assert timing.kept(uow) == []
        before = timing.stamp(uow)
    told = promised(lab, job_id)
    lab.clock.set(told.p90_at + timedelta(hours=1))
    clear(lab)
    with lab.database.read() as uow:
        (late,) = timing.kept(uow)
        assert timing.stamp(uow) != before
    assert late.ready_at == lab.clock.now()
    assert not any(late.kept())
    assert late.off_by > 3


def test_what_is_kept_on_record_is_what_the_owner_was_told(lab: Lab) -> None:
    job_id = submitted(
        lab, analysed(duration_s=7.5 * 3600)
    )  # done as the day ends: cleared tomorrow, if it is slow
    told = promised(lab, job_id)
    with lab.database.read() as uow:
        claim = uow.session.get_one(Claim, job_id)
        assert (claim.ready_from, claim.ready_until) == (told.p10_at, told.p90_at)
    assert told.p90_at - told.p10_at > timedelta(hours=12)


def test_a_lab_whose_operators_come_late_learns_to_promise_later(lab: Lab) -> None:
    for _ in range(5):
        tuesday = lab.clock.now()
        made(lab, late_s=2 * 3600)
        lab.clock.advance(seconds=(tuesday + timedelta(days=7) - lab.clock.now()).total_seconds())
    with lab.database.read() as uow:
        assert lore(uow).odds.deviation(0.5) > Odds().deviation(0.5) + 0.5


def test_the_report_is_for_whoever_works_the_machines(lab: Lab) -> None:
    made(lab)
    with lab.database.read(lab.maker) as uow, pytest.raises(Forbidden):
        timing.calibration(uow)


def test_the_report_adds_up(lab: Lab) -> None:
    random = Random(2)
    for _ in range(6):
        made(lab, factor=random.lognormvariate(0.1, 0.1))
    with lab.database.read(lab.staff) as uow:
        found = timing.calibration(uow)
    (line,) = found.lines
    (dots,) = found.dots
    assert (line.machine, line.material, line.source) == ("mk3", "PETG", "slicer")
    assert (found.runs, line.runs, line.promises, len(dots.factors)) == (6, 6, 6, 6)
    assert line.low is not None
    assert line.high is not None
    assert line.factor is not None
    assert 0.8 < line.low < line.factor < line.high < 1.5
    assert found.shares is not None
    assert list(found.shares) == sorted(found.shares)


def test_an_empty_lab_has_an_empty_report(lab: Lab) -> None:
    with lab.database.read(lab.staff) as uow:
        found = timing.calibration(uow)
    assert (found.runs, found.promises, found.shares, found.lines, found.dots) == (0, 0, None, (), ())


def test_a_running_job_s_promise_narrows_with_the_time_it_has_taken(lab: Lab) -> None:
    job_id = submitted(lab, analysed(duration_s=4 * 3600.0))
    with lab.database.begin(lab.staff) as uow:
        run_id = start_now(uow, lab.resources["mk3"], job_id, bed_clear=True).id
    turn(lab, run_id, "run")
    spans: list[timedelta] = []
    for hours in (0.1, 3.6):
        lab.clock.advance(hours=hours)
        with lab.database.begin() as uow:
            planner.refresh(uow, {run_id: lab.clock.now() + timedelta(hours=4.2 - hours)})
            claim = uow.session.get_one(Claim, job_id)
            assert claim.ready_from is not None
            assert claim.ready_until is not None
            spans.append(claim.ready_until - claim.ready_from)
    assert spans[1] < spans[0]
