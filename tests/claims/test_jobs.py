"""A job's use cases: draft, appraise, submit, review, cancel; and who may see which."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from fablab.base.database import SYSTEM, Actor
from fablab.base.errors import BadStep, Conflict, Forbidden, Invalid, NotFound, Refusal, Refused
from fablab.claims.jobs import use as jobs
from fablab.claims.jobs.models import Job, JobState
from fablab.claims.jobs.use import Appraisal, Wishes
from fablab.claims.models import Claim, ClaimState
from fablab.money import quotes
from fablab.notices import Notice, seen, unseen
from fablab.people import members
from fablab.people.access import Scope
from fablab.people.models import Audience, Member, Organisation, Project, ProjectKind
from fablab.places import house
from fablab.places.models import Machine, Technology
from fablab.programs import gcode
from fablab.programs.models import Program
from tests.lab import Lab, analysed, drafted, submitted


def submit(lab: Lab, job_id: str, actor: Actor | None = None, **wishes: object) -> JobState:
    with lab.database.begin(actor or lab.maker) as uow:
        return jobs.submit(uow, job_id, Wishes(**wishes)).state  # type: ignore[arg-type]  # any field


def refused(lab: Lab, job_id: str, **wishes: object) -> list[str]:
    with pytest.raises(Refused) as found:
        submit(lab, job_id, **wishes)
    return [refusal.code for refusal in found.value.refusals]


def appraise(lab: Lab, job_id: str, **wishes: object) -> Appraisal:
    with lab.database.read(lab.maker) as uow:
        return jobs.appraise(uow, jobs.get(uow, job_id), Wishes(**wishes))  # type: ignore[arg-type]  # any field


def claim_of(lab: Lab, job_id: str) -> Claim:
    with lab.database.read() as uow:
        return uow.session.get_one(Claim, job_id)


def state_of(lab: Lab, job_id: str) -> JobState:
    with lab.database.read() as uow:
        return jobs.get(uow, job_id).state


# -- drafts --------------------------------------------------------------------------------------------------------


def test_the_same_content_twice_is_one_program_and_two_drafts(any_lab: Lab) -> None:
    ids = set()
    for _ in range(2):
        with any_lab.database.begin(any_lab.maker) as uow:
            program = jobs.keep_program(uow, "a" * 64, 10, analysed(), "image/png")
            ids.add(jobs.draft(uow, program, "gear.gcode").id)
    with any_lab.database.read() as uow:
        assert uow.session.scalar(select(func.count()).select_from(Program)) == 1
        assert {job.program_sha256 for job in uow.session.scalars(select(Job))} == {"a" * 64}
    assert len(ids) == 2


def test_an_analysis_comes_back_as_it_went_in(any_lab: Lab) -> None:
    said = analysed(incidents=(gcode.Incident(command="M92", line=7, count=1, text="M92 E400"),))
    job_id = drafted(any_lab, said)
    with any_lab.database.read() as uow:
        assert jobs.analysis_of(jobs.get(uow, job_id).program) == said
        assert jobs.weight_g(uow, job_id) == 4.5


def test_a_maker_has_only_so_many_drafts(lab: Lab) -> None:
    for _ in range(jobs.MOST_DRAFTS):
        job_id = drafted(lab)
    with pytest.raises(Conflict, match="too_many_drafts"):
        drafted(lab)
    drafted(lab, actor=lab.actors["other"])
    submit(lab, job_id)
    drafted(lab)


def test_a_draft_belongs_to_a_member_who_may_submit(lab: Lab) -> None:
    with pytest.raises(Forbidden, match="needs_member"):
        drafted(lab, actor=SYSTEM)
    with pytest.raises(Forbidden):
        drafted(lab, actor=replace(lab.maker, scopes=frozenset({Scope.READ})))


def test_drafts_nobody_submits_go_after_a_week(lab: Lab) -> None:
    old, kept = drafted(lab), submitted(lab)
    lab.clock.advance(jobs.DRAFT_LIFE)
    young = drafted(lab)
    lab.clock.advance(seconds=1)
    with lab.database.begin() as uow:
        assert jobs.drop_old_drafts(uow) == 1
    with lab.database.read() as uow:
        assert {job.id for job in uow.session.scalars(select(Job))} == {young, kept}
        with pytest.raises(NotFound):
            jobs.get(uow, old)


# -- appraising ----------------------------------------------------------------------------------------------------


def test_an_appraisal_says_where_how_much_and_what_stands_against_it(lab: Lab) -> None:
    found = appraise(lab, drafted(lab, analysed(duration_s=3000)))
    assert found.verdict.eligible == (lab.resources["mk3"], lab.resources["ender"])
    assert (found.verdict.refusals, found.quote.total_cents) == ((), 118)


def test_the_material_named_wins_over_the_file_s(lab: Lab) -> None:
    job_id = drafted(lab, analysed(material="PETG"))
    with lab.database.read() as uow:
        by_code = {m.code: m.id for m in house.materials(uow)}
    assert appraise(lab, job_id).wish.material_id == by_code["PETG"]
    assert appraise(lab, job_id, material="pla").wish.material_id == by_code["PLA"]
    assert appraise(lab, job_id, material="ABS").wish.material_id is None


def test_a_project_s_organisation_sets_the_price(lab: Lab) -> None:
    with lab.database.begin() as uow:
        school = Organisation(name="Lycée", audience=Audience.SCHOOL)
        uow.session.add(school)
        uow.session.flush()
        uow.session.get_one(Project, lab.projects["drone"]).organisation_id = school.id
    job_id = drafted(lab)
    assert appraise(lab, job_id).quote.total_cents == 68
    assert appraise(lab, job_id, project_id=lab.projects["drone"]).quote.total_cents == 18
    submit(lab, job_id, project_id=lab.projects["drone"])
    claim = claim_of(lab, job_id)
    assert (claim.audience, claim.project_kind) == (Audience.SCHOOL, ProjectKind.PERSONAL)


def test_a_beam_asks_for_a_certification_unless_staff_do_it(lab: Lab) -> None:
    cut = analysed(kind=gcode.Kind.LASER, material=None, nozzle_mm=None)
    job_id = drafted(lab, cut)
    assert refused(lab, job_id) == ["machine.none_eligible", "certification.missing"]
    with lab.database.begin() as uow:
        maker = uow.session.get_one(Member, lab.maker.member_id)
        members.certify(uow, maker, Technology.LASER)
    assert submit(lab, job_id) is JobState.QUEUED
    assert claim_of(lab, job_id).attended
    assert submit(lab, drafted(lab, cut, actor=lab.staff), lab.staff) is JobState.QUEUED


def test_a_mill_s_file_finds_no_mill(lab: Lab) -> None:
    assert refused(lab, drafted(lab, analysed(kind=gcode.Kind.CNC))) == ["machine.none_of_kind"]


# -- submitting ----------------------------------------------------------------------------------------------------


def test_a_submission_freezes_price_audience_and_project(any_lab: Lab) -> None:
    due = any_lab.clock.now() + timedelta(days=2)
    job_id = drafted(any_lab)
    state = submit(
        any_lab,
        job_id,
        project_id=any_lab.projects["drone"],
        due_at=due,
        priority=-1,
        colour="orange",
        note=" hi ",
    )
    claim = claim_of(any_lab, job_id)
    assert (state, claim.state, claim.priority, claim.due_at) == (JobState.QUEUED, ClaimState.OPEN, -1, due)
    assert (claim.audience, claim.project_kind) == (Audience.PERSONAL, ProjectKind.PERSONAL)
    assert (claim.estimate_s, claim.estimate_source, claim.attended) == (1800, "slicer", False)
    with any_lab.database.read() as uow:
        promised = quotes.quote_of(uow, job_id)
        job = jobs.get(uow, job_id)
        assert promised is not None
        assert promised.total_cents == 68
        assert (job.note, job.colour, job.submitted_at) == ("hi", "orange", any_lab.clock.now())


def test_nothing_is_kept_of_a_refused_submission(lab: Lab) -> None:
    job_id = drafted(lab, analysed(nozzle_mm=0.8, material="Unobtainium"))
    due = lab.clock.now() - timedelta(days=1)
    assert refused(lab, job_id, due_at=due) == [
        "due.past",
        "material.unknown",
        "machine.none_eligible",
        "machine.other_nozzle",
    ]
    assert state_of(lab, job_id) is JobState.DRAFT
    with lab.database.read() as uow:
        assert uow.session.get(Claim, job_id) is None
        assert quotes.quote_of(uow, job_id) is None


def test_nothing_is_submitted_twice(lab: Lab) -> None:
    job_id = submitted(lab)
    with pytest.raises(BadStep):
        submit(lab, job_id)


@pytest.mark.parametrize("priority", [2, -2, 99])
def test_there_are_three_priorities(lab: Lab, priority: int) -> None:
    with pytest.raises(Invalid) as found:
        submit(lab, drafted(lab), priority=priority)
    assert found.value.field == "priority"


def test_only_operators_make_something_urgent(lab: Lab) -> None:
    job_id = drafted(lab)
    with pytest.raises(Forbidden):
        submit(lab, job_id, priority=1)
    assert submit(lab, job_id, lab.staff, priority=1) is JobState.QUEUED


def test_work_goes_on_one_s_own_projects_only(lab: Lab) -> None:
    job_id = drafted(lab, actor=lab.actors["other"])
    with pytest.raises(Invalid, match="project"):
        submit(lab, job_id, lab.actors["other"], project_id=lab.projects["drone"])


def test_what_may_not_be_done_on_one_machine_is_written_on_the_need(lab: Lab) -> None:
    with lab.database.begin() as uow:
        uow.session.get_one(Machine, lab.resources["ender"]).nozzle_mm = 0.8
    (need,) = claim_of(lab, submitted(lab)).needs
    assert need.eligible == [lab.resources["mk3"]]
    assert need.barred == {str(lab.resources["ender"]): "machine.other_nozzle"}


# -- review --------------------------------------------------------------------------------------------------------

DOUBTFUL = analysed(incidents=(gcode.Incident(command="M92", line=7, count=1, text="M92 E400"),))


def decide(lab: Lab, job_id: str, accept: bool, actor: Actor | None = None) -> JobState:
    with lab.database.begin(actor or lab.staff) as uow:
        return jobs.decide(uow, job_id, accept, "because").state


@pytest.mark.parametrize(
    ("analysis", "code"),
    [(analysed(weight_g=900), "material.not_enough"), (DOUBTFUL, "admission.forbidden_command")],
    ids=["grams", "command"],
)
def test_what_staff_may_waive_waits_for_them(lab: Lab, analysis: gcode.Analysis, code: str) -> None:
    job_id = drafted(lab, analysis)
    assert submit(lab, job_id) is JobState.REVIEW
    with lab.database.read() as uow:
        (refusal,) = jobs.refusals_of(jobs.get(uow, job_id))
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.waivable) == (code, True)


def test_what_may_never_be_done_is_not_for_staff_to_waive(lab: Lab) -> None:
    bad = analysed(weight_g=900, incidents=(gcode.Incident(command="M303", line=7, count=1, text="M303"),))
    assert refused(lab, drafted(lab, bad)) == [
        "material.not_enough",
        "machine.none_eligible",
        "admission.forbidden_command",
    ]


def test_an_accepted_job_is_queued_from_now_and_its_owner_told(lab: Lab) -> None:
    job_id = submitted(lab, DOUBTFUL)
    now = lab.clock.advance(hours=1)
    assert decide(lab, job_id, True) is JobState.QUEUED
    claim = claim_of(lab, job_id)
    assert (claim.state, claim.release_at) == (ClaimState.HELD, now)
    with lab.database.begin() as uow:
        assert jobs.get(uow, job_id).note == "Staff: because"
        (notice,) = unseen(uow, lab.maker.member_id or 0)
        assert (notice.code, notice.facts["why"]) == ("job.accepted", "because")
        seen(uow, lab.maker.member_id or 0, notice.id)
        assert unseen(uow, lab.maker.member_id or 0) == []


def test_a_rejected_job_gives_its_place_back(lab: Lab) -> None:
    job_id = submitted(lab, DOUBTFUL)
    assert decide(lab, job_id, False) is JobState.REJECTED
    claim = claim_of(lab, job_id)
    assert (claim.state, claim.allocations) == (ClaimState.CLOSED, [])
    with lab.database.read() as uow:
        assert uow.session.scalars(select(Notice.code)).all() == ["job.rejected"]


def test_only_operators_decide_and_only_once(lab: Lab) -> None:
    job_id = submitted(lab, DOUBTFUL)
    with pytest.raises(Forbidden):
        decide(lab, job_id, True, lab.maker)
    decide(lab, job_id, True)
    with pytest.raises(BadStep):
        decide(lab, job_id, True)


# -- cancelling and seeing -----------------------------------------------------------------------------------------


def cancel(lab: Lab, job_id: str, actor: Actor | None = None) -> JobState:
    with lab.database.begin(actor or lab.maker) as uow:
        return jobs.cancel(uow, job_id).state


def test_a_draft_a_review_and_a_queued_job_can_be_cancelled(lab: Lab) -> None:
    for job_id in (drafted(lab), submitted(lab, DOUBTFUL), submitted(lab)):
        assert cancel(lab, job_id) is JobState.CANCELLED
        with pytest.raises(BadStep):
            cancel(lab, job_id)
    with lab.database.read() as uow:
        assert {claim.state for claim in uow.session.scalars(select(Claim))} == {ClaimState.CLOSED}


def test_a_job_that_runs_is_stopped_through_its_run(lab: Lab) -> None:
    job_id = submitted(lab)
    with lab.database.begin() as uow:
        jobs.begin(uow, job_id)
    with pytest.raises(Conflict, match="active"):
        cancel(lab, job_id)


def test_somebody_else_s_job_does_not_exist(lab: Lab) -> None:
    job_id = submitted(lab)
    with lab.database.read(lab.actors["other"]) as uow:
        with pytest.raises(NotFound):
            jobs.may_see(uow, job_id)
        with pytest.raises(NotFound):
            jobs.may_change(uow, job_id)
    with lab.database.read(lab.staff) as uow:
        assert jobs.may_see(uow, job_id).id == jobs.may_change(uow, job_id).id == job_id


def test_who_may_only_look_changes_nothing(lab: Lab) -> None:
    job_id = submitted(lab)
    reader = Actor(
        member_id=lab.staff.member_id, name="token", role="staff", scopes=frozenset({"read", "submit"})
    )
    with lab.database.read(reader) as uow:
        assert jobs.may_see(uow, job_id).id == job_id
        with pytest.raises(Forbidden):
            jobs.may_change(uow, job_id)


def test_live_jobs_come_first_and_of_the_ended_only_the_last(lab: Lab) -> None:
    ended = []
    for _ in range(3):
        ended.append(submitted(lab))
        lab.clock.advance(minutes=1)
        cancel(lab, ended[-1])
    live = []
    for _ in range(2):
        lab.clock.advance(minutes=1)
        live.append(drafted(lab))
    drafted(lab, actor=lab.actors["other"])
    with lab.database.read() as uow:
        found = [job.id for job in jobs.jobs_of(uow, lab.maker.member_id or 0, ended=2)]
    assert found == [*reversed(live), *reversed(ended[1:])]


def test_an_unknown_job_is_not_found(lab: Lab) -> None:
    with lab.database.read() as uow, pytest.raises(NotFound, match="job"):
        jobs.get(uow, "nothing")
