"""Thirty-two at once: one slot has one winner, and whatever was acknowledged is there afterwards, on both databases.

What is asserted about the calendar is asserted in SQL, not by the code that keeps it.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TypeVar

from sqlalchemy import select

from fablab.base.errors import Conflict, LabError
from fablab.claims import calendar
from fablab.claims.calendar import Place
from fablab.claims.jobs import use as jobs
from fablab.claims.jobs.use import Wishes
from fablab.claims.models import Claim, ClaimKind, ClaimState
from fablab.places import house
from fablab.programs.models import Program
from fablab.runs import attempts
from fablab.runs.models import Run
from scheduler.dispatch import start_now
from tests.lab import OVERLAPS, Lab, analysed, counted, drafted

T = TypeVar("T")
RACERS = 32


def race(work: Callable[[int], T]) -> list[T | LabError]:
    """Everybody at the line, then all at once; a refusal is an answer, anything else is not."""
    line = threading.Barrier(RACERS, timeout=60)

    def run(number: int) -> T | LabError:
        line.wait()
        try:
            return work(number)
        except LabError as error:
            return error

    with ThreadPoolExecutor(RACERS) as pool:
        return list(pool.map(run, range(RACERS)))


def codes(answers: list[T | LabError]) -> Counter[str]:
    return Counter(answer.code if isinstance(answer, LabError) else "won" for answer in answers)


def outages(lab: Lab) -> list[str]:
    """As many claims as there are racers, all of them open."""
    ids = [f"outage{number:02d}" for number in range(RACERS)]
    with lab.database.begin() as uow:
        for claim_id in ids:
            claim = Claim(
                id=claim_id,
                kind=ClaimKind.OUTAGE,
                state=ClaimState.OPEN,
                title=claim_id,
                release_at=uow.now,
                estimate_s=3600,
                made_at=uow.now,
            )
            uow.session.add(claim)
    return ids


def test_one_slot_has_one_winner_and_everybody_else_a_clean_conflict(any_lab: Lab) -> None:
    ids, start = outages(any_lab), any_lab.clock.now() + timedelta(hours=1)

    def take(number: int) -> str:
        # Half of them want the first half hour too, and half of them one more machine.
        begin = start - timedelta(minutes=30 * (number % 2))
        machines = ["mk3", "ender"] if number % 4 < 2 else ["mk3"]
        with any_lab.database.begin() as uow:
            places = [
                Place(
                    resource_id=any_lab.resources[name],
                    start_at=begin,
                    run_start_at=begin,
                    run_end_at=start + timedelta(hours=1),
                    end_at=start + timedelta(hours=1),
                )
                for name in machines
            ]
            calendar.hold(uow, calendar.claim(uow, ids[number]), places)
        return ids[number]

    answers = race(take)
    assert codes(answers) == Counter({"slot_taken": RACERS - 1, "won": 1})
    (winner,) = [answer for answer in answers if isinstance(answer, str)]
    assert counted(any_lab, OVERLAPS) == 0
    assert counted(any_lab, "SELECT count(DISTINCT claim_id) FROM allocations") == 1
    assert counted(any_lab, "SELECT count(*) FROM claims WHERE state = 'held' AND id = :id", id=winner) == 1
    assert counted(any_lab, "SELECT count(*) FROM claims WHERE state = 'open'") == RACERS - 1


def test_thirty_two_submissions_at_once_are_all_placed_and_none_is_lost(any_lab: Lab) -> None:
    drafts = []
    for number in range(RACERS):
        if number % 16 == 0:  # a maker may have only so many drafts
            actor = any_lab.actors["maker" if number < 16 else "other"]
        drafts.append((actor, drafted(any_lab, analysed(duration_s=600 + 60 * number), actor=actor)))

    answers = race(lambda number: any_lab.intake.submit(*drafts[number], Wishes()))
    assert codes(answers) == Counter({"won": RACERS})
    assert counted(any_lab, OVERLAPS) == 0
    assert counted(any_lab, "SELECT count(*) FROM jobs WHERE state = 'queued'") == RACERS
    assert counted(any_lab, "SELECT count(*) FROM claims WHERE state = 'held'") == RACERS
    assert counted(any_lab, "SELECT count(DISTINCT claim_id) FROM allocations") == RACERS
    assert counted(any_lab, "SELECT count(*) FROM quotes") == RACERS
    with any_lab.database.read() as uow:
        for answer in answers:
            assert not isinstance(answer, LabError)
            job, promise = answer
            assert promise is not None
            (allocation,) = calendar.claim(uow, job.id).allocations
            assert allocation.start_at == promise.start_at
            assert allocation.resource_id in promise.resource_ids


def test_thirty_two_taps_on_one_machine_are_one_run(any_lab: Lab) -> None:
    for _ in range(3):
        job_id = drafted(any_lab)
        any_lab.intake.submit(any_lab.maker, job_id, Wishes())
    mk3 = any_lab.resources["mk3"]

    def tap(_: int) -> str:
        run = any_lab.database.write(lambda uow: start_now(uow, mk3, None, bed_clear=True), any_lab.staff)
        return run.id

    answers = race(tap)
    assert codes(answers)["won"] == 1
    assert all(isinstance(answer, str | Conflict) for answer in answers)
    assert counted(any_lab, "SELECT count(*) FROM runs") == 1
    assert counted(any_lab, "SELECT count(*) FROM allocations WHERE run_id IS NOT NULL") == 1
    assert counted(any_lab, OVERLAPS) == 0


def test_one_job_tapped_on_two_machines_at_once_is_one_run(any_lab: Lab) -> None:
    with any_lab.database.begin() as uow:
        house.machine(uow, any_lab.resources["ender"]).spool_id = any_lab.spools["PETG"]
    job_id = drafted(any_lab)
    any_lab.intake.submit(any_lab.maker, job_id, Wishes())

    def tap(number: int) -> str:
        machine = any_lab.resources["mk3" if number % 2 else "ender"]
        run = any_lab.database.write(
            lambda uow: start_now(uow, machine, job_id, bed_clear=True), any_lab.staff
        )
        return run.id

    assert codes(race(tap))["won"] == 1
    with any_lab.database.read() as uow:
        assert len(list(uow.session.scalars(select(Run)))) == 1
    assert counted(any_lab, OVERLAPS) == 0


def test_the_same_file_from_everybody_at_once_is_one_program(any_lab: Lab) -> None:
    sha256 = hashlib.sha256(b"gear").hexdigest()

    def keep(_: int) -> str:
        return any_lab.database.write(
            lambda uow: jobs.keep_program(uow, sha256, 4, analysed(), None), any_lab.maker
        ).sha256

    assert codes(race(keep)) == Counter({"won": RACERS})
    with any_lab.database.read() as uow:
        assert [row.sha256 for row in uow.session.scalars(select(Program))] == [sha256]


def test_a_cancel_and_a_start_at_once_leave_one_story(any_lab: Lab) -> None:
    job_id = drafted(any_lab)
    any_lab.intake.submit(any_lab.maker, job_id, Wishes())
    mk3 = any_lab.resources["mk3"]
    run = any_lab.database.write(lambda uow: start_now(uow, mk3, None, bed_clear=True), any_lab.staff)

    def work(number: int) -> str:
        if number % 2:
            any_lab.intake.cancel(any_lab.maker, job_id)
            return "cancel"
        any_lab.database.write(lambda uow: attempts.begin(uow, run.id))
        return "begin"

    race(work)
    with any_lab.database.read() as uow:
        state = (jobs.get(uow, job_id).state.value, attempts.get(uow, run.id).state.value)
    assert state in {("cancelled", "cancelled"), ("active", "starting")}
