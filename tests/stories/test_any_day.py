"""Any day in the lab: whatever people and machines do in whatever order, the calendar stays true (said in SQL)."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import select

from fablab.base.database import SYSTEM
from fablab.base.errors import LabError, Refused
from fablab.claims.jobs import use as jobs
from fablab.claims.jobs.use import Wishes
from fablab.device import DeviceState, Outcome, Progress, Status
from fablab.places import house
from fablab.runs import attempts
from fablab.runs.models import Run, RunState
from scheduler import planner
from scheduler.dispatch import start_now
from tests.lab import OVERLAPS, Lab, analysed, copy_of, counted, make_lab

#: Each may never find a row.
NEVER = {
    "two hold one machine": OVERLAPS,
    "a held claim has no place": """SELECT count(*) FROM claims WHERE state = 'held'
        AND NOT EXISTS (SELECT 1 FROM allocations WHERE claim_id = claims.id)""",
    "a place without a run belongs to no held claim": """SELECT count(*) FROM allocations
        JOIN claims ON claims.id = claim_id WHERE run_id IS NULL AND claims.state <> 'held'""",
    "an open claim has a place to come": """SELECT count(*) FROM allocations JOIN claims ON claims.id = claim_id
        WHERE claims.state IN ('open', 'closed') AND run_id IS NULL""",
    "one machine runs two things": """SELECT count(*) FROM (SELECT resource_id FROM runs
        WHERE state IN ('preparing', 'starting', 'running', 'paused') GROUP BY resource_id HAVING count(*) > 1)""",
    "one job runs twice at once": """SELECT count(*) FROM (SELECT claim_id FROM runs
        WHERE state IN ('preparing', 'starting', 'running', 'paused') GROUP BY claim_id HAVING count(*) > 1)""",
    "an ended job has a claim that is not closed": """SELECT count(*) FROM jobs JOIN claims ON claims.id = jobs.id
        WHERE jobs.state IN ('done', 'failed', 'cancelled', 'rejected') AND claims.state <> 'closed'""",
    "a live job has a closed claim": """SELECT count(*) FROM jobs JOIN claims ON claims.id = jobs.id
        WHERE jobs.state IN ('review', 'queued', 'active') AND claims.state = 'closed'""",
    "an active job has no run": """SELECT count(*) FROM jobs WHERE state = 'active' AND NOT EXISTS
        (SELECT 1 FROM runs WHERE claim_id = jobs.id AND state IN ('starting', 'running', 'paused'))""",
    "a run on the way is no active job's": """SELECT count(*) FROM runs JOIN jobs ON jobs.id = claim_id
        WHERE runs.state IN ('starting', 'running', 'paused') AND jobs.state <> 'active'""",
    "a live run has no place of its own": """SELECT count(*) FROM runs
        WHERE state IN ('preparing', 'starting', 'running', 'paused')
        AND NOT EXISTS (SELECT 1 FROM allocations WHERE run_id = runs.id)""",
    "a part that came out is not charged, or another is": """SELECT count(*) FROM runs
        WHERE (state = 'succeeded') <> EXISTS (SELECT 1 FROM charges WHERE run_id = runs.id)
        AND state NOT IN ('cancelled')""",
    "a failed start of a job that is over": """SELECT count(*) FROM jobs WHERE tries > max_tries""",
}

machines = st.sampled_from(["mk3", "ender"])
picks = st.integers(0, 9)


class AnyDay(RuleBasedStateMachine):
    """Every refusal is an answer; only the calendar must never be wrong."""

    template: Lab
    folder: Path
    numbers = count()

    @initialize()
    def morning(self) -> None:
        self.lab = copy_of(self.template, self.folder / f"day{next(self.numbers)}.db")
        with self.lab.database.begin() as uow:
            house.machine(uow, self.lab.resources["ender"]).spool_id = self.lab.spools["PETG"]
        self.ids: list[str] = []

    def teardown(self) -> None:
        if hasattr(self, "lab"):
            self.lab.database.dispose()

    def _write(self, work, actor=SYSTEM) -> None:  # type: ignore[no-untyped-def]
        try:
            self.lab.database.write(work, actor)
        except LabError:
            return  # a plain no, with nothing changed: the invariants say so

    def _run(self, pick: int, *states: RunState) -> Run | None:
        with self.lab.database.read() as uow:
            runs = list(uow.session.scalars(select(Run).where(Run.state.in_(states)).order_by(Run.id)))
        return runs[pick % len(runs)] if runs else None

    @rule(hours=st.sampled_from([0.2, 1, 3, 11]), weight_g=st.sampled_from([5, 5, 900]))
    def submit(self, hours: float, weight_g: float) -> None:
        lab = self.lab
        with lab.database.begin(lab.maker) as uow:
            name = f"{len(self.ids):064d}"
            program = jobs.keep_program(
                uow, name, 10, analysed(duration_s=hours * 3600, weight_g=weight_g), None
            )
            job = jobs.draft(uow, program, "part.gcode")
        self.ids.append(job.id)
        with suppress(Refused):  # every machine may be out of service: then the draft stays a draft
            lab.intake.submit(lab.maker, job.id, Wishes())

    @rule(pick=picks)
    def cancel(self, pick: int) -> None:
        if self.ids:
            job_id = self.ids[pick % len(self.ids)]
            self._write(lambda uow: attempts.cancel_job(uow, job_id), self.lab.maker)

    @rule(pick=picks, accept=st.booleans())
    def decide(self, pick: int, accept: bool) -> None:
        if self.ids:
            job_id = self.ids[pick % len(self.ids)]
            self._write(lambda uow: jobs.decide(uow, job_id, accept), self.lab.staff)

    @rule(machine=machines, pick=st.none() | picks)
    def tap(self, machine: str, pick: int | None) -> None:
        claim = self.ids[pick % len(self.ids)] if pick is not None and self.ids else None
        resource = self.lab.resources[machine]
        self._write(lambda uow: start_now(uow, resource, claim, bed_clear=True), self.lab.staff)

    @rule(pick=picks)
    def begin(self, pick: int) -> None:
        run = self._run(pick, RunState.PREPARING)
        if run is not None:
            self._write(lambda uow: attempts.begin(uow, run.id))

    @rule(pick=picks)
    def withdraw(self, pick: int) -> None:
        run = self._run(pick, RunState.PREPARING)
        if run is not None:
            self._write(lambda uow: attempts.withdraw(uow, run.id, "too_late"))

    @rule(
        pick=picks,
        state=st.sampled_from([DeviceState.RUNNING, DeviceState.RUNNING, *DeviceState]),
        outcome=st.sampled_from([None, None, Outcome.DONE, *Outcome]),
        mine=st.sampled_from([True, True, True, False]),
    )
    def observe(self, pick: int, state: DeviceState, outcome: Outcome | None, mine: bool) -> None:
        run = self._run(pick, *attempts.LIVE)
        if run is None:
            return
        token = run.id if mine else "other"
        progress = Progress(token=token, fraction=0.5, elapsed_s=60, outcome=outcome)
        status = Status(at=self.lab.clock.now(), state=state, progress=progress)
        self._write(lambda uow: attempts.observe(uow, run.id, status))

    @rule(pick=picks)
    def ask_cancel(self, pick: int) -> None:
        run = self._run(pick, *attempts.LIVE)
        if run is not None:
            self._write(lambda uow: attempts.ask_cancel(uow, run.id), self.lab.maker)

    @rule(machine=machines)
    def clear(self, machine: str) -> None:
        self._write(lambda uow: attempts.clear_bed(uow, self.lab.resources[machine]), self.lab.staff)

    @rule(machine=machines, action=st.sampled_from(["lock_out", "give_back", "give_back"]))
    def turn(self, machine: str, action: str) -> None:
        resource = self.lab.resources[machine]
        self._write(lambda uow: house.turn_gate(uow, house.machine(uow, resource), action))

    @rule(
        by=st.sampled_from([1, 4, 30, 180, 900, 3000]).map(lambda minutes: timedelta(minutes=minutes)),
        later=st.sampled_from([0, 5, 240]),
    )
    def time_goes_by(self, by: timedelta, later: int) -> None:
        self.lab.clock.advance(by)
        end = self.lab.clock.now() + timedelta(minutes=later)

        def work(uow):  # type: ignore[no-untyped-def]
            ends = {run.id: end for run in attempts.all_live(uow) if run.started_at is not None}
            return planner.refresh(uow, ends)

        self.lab.database.write(work)  # the plan has no excuse

    @invariant()
    def the_calendar_is_true(self) -> None:
        if not hasattr(self, "lab"):
            return
        found = {name: number for name, sql in NEVER.items() if (number := counted(self.lab, sql))}
        assert found == {}


@pytest.fixture(scope="module")
def template() -> Iterator[tuple[Lab, Path]]:
    folder = Path(tempfile.mkdtemp(prefix="anyday"))
    lab = make_lab(f"sqlite:///{folder / 'template.db'}", folder)
    yield lab, folder
    lab.database.dispose()
    shutil.rmtree(folder)


def test_whatever_happens_in_whatever_order_the_calendar_stays_true(template: tuple[Lab, Path]) -> None:
    class Day(AnyDay):
        pass

    Day.template, Day.folder = template
    run_state_machine_as_test(  # type: ignore[no-untyped-call]  # hypothesis leaves it untyped
        Day,
        settings=settings(
            max_examples=15,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
