"""From a file to a promise: what is kept, what is refused, and what is looked at only once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from fablab.base.errors import Forbidden, Invalid, NotFound, Refused
from fablab.claims.jobs import use as jobs
from fablab.claims.jobs.models import Job, JobState
from fablab.claims.jobs.use import Wishes
from fablab.claims.models import Claim, ClaimState
from fablab.people.access import Scope
from fablab.programs import gcode
from fablab.programs.models import Program
from tests.lab import GEAR, Lab, analysed, drafted, submitted


def receive(lab: Lab, data: bytes | Iterator[bytes], name: str = "gear.gcode", **options: object) -> str:
    chunks = iter([data]) if isinstance(data, bytes) else data
    return lab.intake.receive(lab.maker, chunks, name, **options).id  # type: ignore[arg-type]  # progress, cancelled


def rows(lab: Lab) -> tuple[int, int]:
    """Programs and jobs."""
    with lab.database.read() as uow:
        count = [uow.session.scalar(select(func.count()).select_from(table)) or 0 for table in (Program, Job)]
    return count[0], count[1]


def test_a_file_becomes_a_draft_with_its_analysis_and_picture(lab: Lab) -> None:
    told: list[float] = []
    job_id = receive(lab, GEAR.read_bytes(), "../Pièce 🦊.gcode", progress=told.append)
    with lab.database.read() as uow:
        job = jobs.get(uow, job_id)
        assert (job.state, job.member_id) == (JobState.DRAFT, lab.maker.member_id)
        assert "/" not in job.file_name
        assert jobs.analysis_of(job.program).filament_g == pytest.approx(4.5, abs=0.01)
        assert lab.intake.store.path(job.program_sha256).read_bytes() == GEAR.read_bytes()
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_the_same_content_is_looked_at_once_whoever_sends_it(lab: Lab) -> None:
    told: list[float] = []
    receive(lab, GEAR.read_bytes())
    lab.intake.receive(lab.actors["other"], [GEAR.read_bytes()], "mine.gcode", progress=told.append)
    assert rows(lab) == (1, 2)
    assert told == []


@pytest.mark.parametrize(
    ("data", "name", "code"),
    [
        (b"", "empty.gcode", "program.empty"),
        (b"\x00\x01\x02" * 1000, "binary.gcode", "program.binary"),
        (b"solid cube\n", "cube.stl", "program.needs_slicing"),
        (b"G1 X1\n", "paper.docx", "program.wrong_extension"),
    ],
)
def test_what_is_no_program_is_refused_and_nothing_is_kept(
    lab: Lab, data: bytes, name: str, code: str
) -> None:
    with pytest.raises(Invalid) as refused:
        receive(lab, data, name)
    assert refused.value.code == code
    assert rows(lab) == (0, 0)


def test_an_upload_that_breaks_off_leaves_nothing(lab: Lab) -> None:
    def broken() -> Iterator[bytes]:
        yield b"G28\n"
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        receive(lab, broken())
    assert rows(lab) == (0, 0)


def test_a_reading_that_is_stopped_makes_no_job(lab: Lab) -> None:
    with pytest.raises(gcode.Cancelled):
        receive(lab, GEAR.read_bytes(), cancelled=lambda: True)
    assert rows(lab) == (0, 0)


def test_who_may_not_submit_sends_no_file(lab: Lab) -> None:
    reader = replace(lab.maker, scopes=frozenset({Scope.READ}))
    with pytest.raises(Forbidden):
        lab.intake.receive(reader, [b"G28\n"], "a.gcode")


def test_a_preview_of_what_is_refused_has_no_promise(lab: Lab) -> None:
    job_id = drafted(lab, analysed(nozzle_mm=0.8))
    shown = lab.intake.preview(lab.maker, job_id, Wishes())
    assert (shown.promise, shown.reasons) == (None, ())
    assert [r.code for r in shown.appraisal.verdict.refusals] == [
        "machine.none_eligible",
        "machine.other_nozzle",
    ]


def test_a_preview_of_what_staff_must_see_has_one(lab: Lab) -> None:
    shown = lab.intake.preview(lab.maker, drafted(lab, analysed(weight_g=900)), Wishes())
    assert shown.promise is not None
    assert [r.waivable for r in shown.appraisal.verdict.refusals] == [True]


def test_a_stranger_previews_nothing(lab: Lab) -> None:
    with pytest.raises(NotFound):
        lab.intake.preview(lab.actors["other"], drafted(lab), Wishes())


def test_a_refused_submission_leaves_the_draft(lab: Lab) -> None:
    job_id = drafted(lab)
    with pytest.raises(Refused):
        lab.intake.submit(lab.maker, job_id, Wishes(due_at=lab.clock.now() - timedelta(days=1)))
    with lab.database.read() as uow:
        assert jobs.get(uow, job_id).state is JobState.DRAFT
        assert uow.session.get(Claim, job_id) is None


def test_a_job_nobody_started_is_cancelled_and_its_place_is_free(lab: Lab) -> None:
    job_id = submitted(lab)
    assert lab.intake.cancel(lab.maker, job_id) is None
    with lab.database.read() as uow:
        claim = uow.session.get_one(Claim, job_id)
        assert (claim.state, claim.allocations) == (ClaimState.CLOSED, [])


def test_staff_decide_through_the_intake(lab: Lab) -> None:
    stopped = gcode.Incident(command="M92", line=1, count=1, text="M92 E1")
    job_id = submitted(lab, analysed(incidents=(stopped,)))
    assert lab.intake.decide(lab.staff, job_id, True, "known file").state is JobState.QUEUED


def test_a_file_that_is_no_program_leaves_nothing_in_the_store(lab: Lab, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="binary"):
        lab.intake.receive(lab.maker, [b"G28\n\x00\x01\x02\x03" * 400], "part.gcode")
    assert [path for path in tmp_path.joinpath("programs").rglob("*") if path.is_file()] == []


def test_the_same_file_sent_at_once_by_many_is_one_program(any_lab: Lab) -> None:
    text = b"; filament_type = PLA\nM83\nG1 X10 E1 F600\n"
    with ThreadPoolExecutor(8) as pool:
        sent = [pool.submit(any_lab.intake.receive, any_lab.maker, [text], "part.gcode") for _ in range(8)]
        jobs_made = {future.result().program_sha256 for future in sent}
    assert len(jobs_made) == 1


def test_a_draft_thrown_away_is_no_job_of_its_owner(lab: Lab) -> None:
    job = lab.intake.receive(lab.maker, [b"; filament_type = PLA\nM83\nG1 X10 E1 F600\n"], "part.gcode")
    lab.intake.cancel(lab.maker, job.id)
    with lab.database.read() as uow:
        assert jobs.jobs_of(uow, lab.maker.member_id or 0) == []
