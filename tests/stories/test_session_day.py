"""The day of a session: pieces on the machines it holds, one after another; what is left afterwards; who came; what it
costs. Nobody's name is in the database, and none is anywhere once it is delivered."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from fablab.base.errors import Conflict, Invalid
from fablab.claims import calendar, workshops
from fablab.claims.jobs.models import Job, JobState
from fablab.claims.models import AllocationState, ClaimKind, ClaimState
from fablab.claims.workshops import delivering, pieces, survey
from fablab.claims.workshops.attendance import Came
from fablab.claims.workshops.names import Names
from fablab.claims.workshops.words import AttendanceAxis, EntryKind, SessionState
from fablab.device import DeviceState, Outcome
from fablab.money.models import Charge, QuoteRow
from fablab.places.models import Machine
from fablab.reports.floor import machines_now
from fablab.runs import lodging
from fablab.runs.models import RunState
from scheduler import planner
from scheduler.batch import Batch, Bed, Heap, line_up
from scheduler.starting import prospects
from tests.claims.workshops_rig import MORNING, Class, make_class
from tests.lab import OVERLAPS, SAMPLES, TAG, Lab, counted
from tests.stories.test_review_floor import Floor, HeldLink, held

MINUTE = timedelta(minutes=1)
PUPILS = ("Zéphyrine", "Théodule", "Philomène")
CAME = Came(people=20, adults=2, counts={AttendanceAxis.AGE: {"moins_de_douze": 20}})


@dataclass
class Day:
    group: Class
    batch: Batch

    @property
    def lab(self) -> Lab:
        return self.group.lab

    def heap(self, *names: str, file: Path = TAG, copies: int = 0) -> Heap:
        sent = self.batch.receive(self.lab.staff, file.name, iter([file.read_bytes()]))
        return self.batch.add(self.lab.staff, self.group.id, [sent], names, copies)

    def jobs(self) -> list[JobState]:
        with self.lab.database.read() as uow:
            return [each.job.state for each in pieces.of(uow, self.group.id)]

    def job_id(self, number: int) -> str:
        with self.lab.database.read() as uow:
            return next(each.job.id for each in pieces.of(uow, self.group.id) if each.number == number)

    def holders(self, name: str) -> set[tuple[ClaimKind, str]]:
        """Who holds the machine at this moment."""
        with self.lab.database.read() as uow:
            rows = calendar.between(uow, uow.now, uow.now + MINUTE / 60, [self.lab.resources[name]])
            return {(row.claim.kind, row.claim_id) for row in rows}


@pytest.fixture
def day(lab: Lab, tmp_path: Path) -> Day:
    """A confirmed session, ten minutes after its beginning; PLA is in both printers."""
    group = make_class(lab).confirmed()
    lab.clock.advance(MORNING + 10 * MINUTE - lab.clock.now())
    with lab.database.begin() as uow:
        for name in ("mk3", "ender"):
            machine = uow.session.get_one(Machine, lab.resources[name])
            machine.spool_id = lab.spools["PLA"]
    return Day(group, Batch(intake=lab.intake, names=Names(tmp_path / "names")))


# -- files ---------------------------------------------------------------------------------------------------


def test_a_heap_becomes_pieces_by_number_that_nobody_pays_for_and_no_plan_moves(day: Day) -> None:
    heap = day.heap(*PUPILS)
    assert (heap.numbers, heap.after, heap.refused) == ((1, 2, 3), (), {})
    assert day.batch.names.of(day.group.id) == dict(enumerate(PUPILS, start=1))
    with day.lab.database.begin() as uow:
        planner.refresh(uow, {})
        made = pieces.of(uow, day.group.id)
        assert [each.claim.state for each in made] == [ClaimState.OPEN] * 3
        assert {each.job.file_name for each in made} == {f"name-tags-{n:02d}.gcode" for n in (1, 2, 3)}
        quoted = uow.session.scalars(select(QuoteRow).where(QuoteRow.claim_id == made[0].job.id)).all()
        assert quoted == []
    assert EntryKind.FILES in day.group.lines()


def test_many_files_are_named_by_a_list_or_by_what_they_were_called(day: Day) -> None:
    content = TAG.read_bytes()
    files = [(f"{name}.gcode", content + f"; {name}\n".encode()) for name in ("zoe", "adam")]
    sent = [day.batch.receive(day.lab.staff, name, iter([data])) for name, data in files]
    broken = day.batch.receive(day.lab.staff, "holiday.jpg", iter([b"\xff\xd8"]))
    heap = day.batch.add(day.lab.staff, day.group.id, [sent[0], broken, sent[1]], ["Zoé"])
    assert (heap.numbers, list(heap.refused)) == ((1, 2), [2])
    assert day.batch.names.of(day.group.id) == {1: "Zoé", 2: "adam"}


@pytest.mark.parametrize("name", ["x" * 31, "zoe@school.example"])
def test_what_is_no_first_name_is_not_kept(day: Day, name: str) -> None:
    with pytest.raises(Invalid, match=r"piece\.name"):
        day.heap(name)
    assert day.jobs() == []


def test_more_than_the_session_has_time_for_is_promised_for_afterwards_at_once(day: Day) -> None:
    gear = SAMPLES / "sliced" / "gear_ender3_pla.gcode.gz"
    content = gzip.decompress(gear.read_bytes())
    sent = day.batch.receive(day.lab.staff, "gear.gcode", iter([content]))
    heap = day.batch.add(day.lab.staff, day.group.id, [sent], (), copies=12)
    assert len(heap.numbers) == 12
    assert heap.after
    session = day.group.session
    assert heap.ready_at is not None
    assert session.end_at is not None
    assert heap.ready_at > session.end_at
    with day.lab.database.read() as uow:
        late = [each for each in pieces.of(uow, day.group.id) if each.number in heap.after]
        assert all(each.told_ready_at == each.claim.ready_at for each in late)
        starts = [place.start_at for each in late for place in each.claim.allocations]
        assert min(starts) >= session.end_at
    assert counted(day.lab, OVERLAPS) == 0


def test_pieces_stand_in_line_for_whichever_machine_is_free_first() -> None:
    at = datetime(2027, 3, 12, 9, tzinfo=UTC)
    beds = [Bed(resource_id=n, free_at=at, until=at + 60 * MINUTE) for n in (1, 2)]
    found = line_up(beds, [{1: 20, 2: 20}, {1: 20, 2: 20}, {1: 20}, {1: 30, 2: 30}, {1: 30, 2: 30}, {3: 5}])
    assert [turn and (turn.resource_id, (turn.start_at - at) // MINUTE) for turn in found] == [
        (1, 0),
        (2, 0),
        (1, 20),
        (2, 20),
        None,
        None,
    ]


# -- machines ------------------------------------------------------------------------------------------------


async def test_pieces_are_started_one_after_another_and_the_session_has_its_machine_back(day: Day) -> None:
    day.heap(*PUPILS)
    link = HeldLink(day.lab.clock)
    async with Floor(day.lab, link) as floor:
        for number in (1, 2):
            run = await floor.dispatcher.tap(day.lab.staff, floor.mk3, bed_clear=True)
            assert run.claim_id == day.job_id(number)
            await floor.until(run, RunState.STARTING)
            link.say(DeviceState.RUNNING, run.id)
            await floor.until(run, RunState.RUNNING)
            assert day.holders("mk3") == {(ClaimKind.JOB, run.claim_id)}
            day.lab.clock.advance(12 * MINUTE)
            link.say(DeviceState.IDLE, run.id, Outcome.DONE)
            await floor.until(run, RunState.SUCCEEDED)
            assert day.holders("mk3") == {(ClaimKind.SESSION, day.group.id)}
    assert day.jobs() == [JobState.DONE, JobState.DONE, JobState.QUEUED]
    session = day.group.session
    assert max(end for _, _, end in day.group.held) > (session.end_at or MORNING)
    assert counted(day.lab, OVERLAPS) == 0
    assert counted(day.lab, "SELECT count(*) FROM charges") == 0


async def test_a_tap_that_is_taken_back_gives_the_machine_to_the_session_and_the_piece_to_its_queue(
    day: Day,
) -> None:
    day.heap(*PUPILS)
    link = HeldLink(day.lab.clock)
    async with Floor(day.lab, link) as floor:
        link.say(DeviceState.OFFLINE)
        run = await floor.dispatcher.tap(day.lab.staff, floor.mk3, bed_clear=True)
        assert day.holders("mk3") == {(ClaimKind.JOB, run.claim_id)}
        await floor.dispatcher.cancel(day.lab.staff, run.id)
        await held(lambda: day.holders("mk3") == {(ClaimKind.SESSION, day.group.id)}, 0.1)
    with day.lab.database.read() as uow:
        assert calendar.claim(uow, run.claim_id).state is ClaimState.OPEN


def test_the_floor_shows_another_piece_on_each_machine(day: Day) -> None:
    day.heap(*PUPILS)
    with day.lab.database.read(day.lab.staff) as uow:
        rows = [row for row in machines_now(uow) if row.resource.name in ("mk3", "ender")]
        found = prospects(uow, rows)
    assert [each.job and each.job.id for each in found.values()] == [day.job_id(1), day.job_id(2)]
    assert all(each.in_session and each.reserved is None for each in found.values())


async def test_a_machine_that_is_no_longer_needed_is_anybodys(day: Day) -> None:
    day.heap(*PUPILS)
    link = HeldLink(day.lab.clock)
    async with Floor(day.lab, link) as floor:
        run = await floor.dispatcher.tap(day.lab.staff, floor.mk3, bed_clear=True)
        await floor.until(run, RunState.STARTING)
        link.say(DeviceState.RUNNING, run.id)
        await floor.until(run, RunState.RUNNING)
        for name in ("mk3", "ender"):
            day.group.does(lodging.release_early, day.group.id, day.lab.resources[name])
        assert day.holders("ender") == set()
        day.lab.clock.advance(12 * MINUTE)
        link.say(DeviceState.IDLE, run.id, Outcome.DONE)
        await floor.until(run, RunState.SUCCEEDED)
    assert day.holders("mk3") == set()
    assert day.holders("room") == {(ClaimKind.SESSION, day.group.id)}
    with pytest.raises(Conflict, match=r"session\.not_held"):
        day.group.does(lodging.release_early, day.group.id, day.lab.resources["ender"])


# -- the end -------------------------------------------------------------------------------------------------


def test_what_is_left_when_it_ends_has_a_place_and_the_school_is_told_once(day: Day) -> None:
    day.heap(*PUPILS)
    day.lab.clock.advance(130 * MINUTE)
    assert day.batch.tend() == 1
    assert day.batch.tend() == 0
    with day.lab.database.read() as uow:
        for each in pieces.of(uow, day.group.id):
            (place,) = each.claim.allocations
            assert (place.state, each.told_ready_at) == (AllocationState.TENTATIVE, each.claim.ready_at)
    assert day.group.lines().count(EntryKind.CAUGHT_UP) == 1
    assert day.group.letters().count("session.caught_up") == 1


def test_a_session_is_delivered_once_with_its_frozen_price(day: Day) -> None:
    day.group.does(delivering.attend, day.group.id, CAME)
    done = day.batch.deliver(day.lab.staff, day.group.id)
    assert (done.session.state, done.charged_cents) == (SessionState.DELIVERED, 14226)
    with day.lab.database.read() as uow:
        (charge,) = uow.session.scalars(select(Charge))
        assert (charge.claim_id, charge.total_cents, charge.audience.value) == (
            day.group.id,
            14226,
            "school",
        )
        assert [(line["code"], line["amount_cents"]) for line in charge.lines] == [
            ("workshop_session", 6000),
            ("vat", 1200),
            ("workshop_person", 6660),
            ("vat", 366),
        ]
        assert calendar.claim(uow, day.group.id).state is ClaimState.CLOSED
    with pytest.raises(Conflict):
        day.batch.deliver(day.lab.staff, day.group.id)
    assert day.group.lines()[-4:] == [
        EntryKind.DELIVERED,
        EntryKind.CERTIFIED,
        EntryKind.CHARGED,
        EntryKind.QUESTIONNAIRE,
    ]
    day.group.does(workshops.close, day.group.id)
    assert day.group.session.state is SessionState.CLOSED


def test_nothing_is_delivered_before_somebody_has_counted_who_came(day: Day) -> None:
    with pytest.raises(Conflict, match=r"session\.no_attendance"):
        day.batch.deliver(day.lab.staff, day.group.id)


def test_what_is_counted_is_read_back_and_may_be_corrected(day: Day) -> None:
    day.group.does(delivering.attend, day.group.id, Came(people=19, adults=1, counts={}))
    day.group.does(delivering.attend, day.group.id, CAME)
    with day.lab.database.read() as uow:
        came = delivering.came_of(uow, day.group.id)
    assert came is not None
    assert (came.people, came.adults, came.counts[AttendanceAxis.AGE]) == (20, 2, {"moins_de_douze": 20})


def test_no_name_is_in_the_database_and_none_is_anywhere_after_delivery(day: Day, tmp_path: Path) -> None:
    day.heap(*PUPILS)
    named = [path for path in tmp_path.rglob("*.json") if "Zéphyrine" in path.read_text(encoding="utf-8")]
    assert [path.parent.name for path in named] == ["names"]
    assert oct(named[0].stat().st_mode & 0o777) == "0o600"
    assert everything_written(day, tmp_path, but=named) == set()
    day.group.does(delivering.attend, day.group.id, CAME)
    day.batch.deliver(day.lab.staff, day.group.id)
    assert day.batch.names.of(day.group.id) == {}
    assert everything_written(day, tmp_path, but=[]) == set()


def everything_written(day: Day, tmp_path: Path, but: list[Path]) -> set[Path]:
    """The files in which one of the names stands, the database and its log among them."""
    with day.lab.database.engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
    found = (path for path in tmp_path.rglob("*") if path.is_file() and path not in but)
    return {path for path in found if any(name.encode() in path.read_bytes() for name in PUPILS)}


def test_names_go_a_day_after_a_session_that_nobody_delivered(day: Day) -> None:
    day.heap(*PUPILS)
    day.lab.clock.advance(timedelta(hours=12))
    day.batch.tend()
    assert day.batch.names.of(day.group.id)
    day.lab.clock.advance(timedelta(hours=18))
    day.batch.tend()
    assert day.batch.names.of(day.group.id) == {}


def test_the_file_of_a_pupil_goes_when_the_session_is_over_and_all_of_it_is_made(day: Day) -> None:
    day.heap(*PUPILS)
    with day.lab.database.begin() as uow:
        sha256 = pieces.of(uow, day.group.id)[0].job.program_sha256
        for job in uow.session.scalars(select(Job)):
            job.state = JobState.DONE
    day.batch.tend()
    assert day.lab.intake.store.path(sha256).is_file()
    day.group.does(delivering.attend, day.group.id, CAME)
    day.batch.deliver(day.lab.staff, day.group.id)
    day.batch.tend()
    assert not list((day.lab.intake.store.path.__self__._root).rglob(sha256))


def test_answers_have_no_name_and_are_shown_as_totals_of_three_at_least(day: Day) -> None:
    day.group.does(delivering.attend, day.group.id, CAME)
    path = day.batch.deliver(day.lab.staff, day.group.id).survey_path
    token = path.removeprefix(survey.PATH)
    marks = {question.value: 4 for question in survey.Question}
    for number in range(3):
        with day.lab.database.read() as uow:
            assert survey.totals(uow, day.group.id).means == {}
        day.group.does(survey.answer, token, marks | {"liked": 3 + number}, "Super")
    with day.lab.database.read() as uow:
        totals = survey.totals(uow, day.group.id)
    assert (totals.answers, totals.means[survey.Question.LIKED]) == (3, 4.0)
    with pytest.raises(Invalid, match=r"survey\.mark"):
        day.group.does(survey.answer, token, {"liked": 9})


def test_a_problem_is_for_the_staff_alone(day: Day) -> None:
    mk3 = day.lab.resources["mk3"]
    day.group.does(delivering.report_problem, day.group.id, "La buse s’est bouchée.", mk3)
    with day.lab.database.read(day.group.school) as uow:
        seen = workshops.thread.entries(uow, workshops.get(uow, day.group.id))
    assert EntryKind.PROBLEM not in {row.code for row in seen}
    assert day.group.lines()[-1] is EntryKind.PROBLEM
