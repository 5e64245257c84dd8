"""A job's use cases: draft, appraise, submit, review, cancel, and what its runs tell it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, Forbidden, Invalid, NotFound, Refusal, Refused
from fablab.base.ids import new_id
from fablab.base.states import step
from fablab.claims import calendar
from fablab.claims.jobs.models import JOB_STEPS, LIVE, Job, JobState
from fablab.claims.models import Claim, ClaimKind, ClaimState, Need
from fablab.claims.rules import Act, Asked, findings, needs_two, waivers
from fablab.claims.rules import machines as rules
from fablab.claims.rules.facts import context as facts_of
from fablab.money import quotes
from fablab.notices import tell
from fablab.people import members
from fablab.people.access import Right, allows, require
from fablab.people.models import Audience, Member
from fablab.places import house
from fablab.places.models import Machine, Material, Resource, Spool, Technology
from fablab.programs import admission
from fablab.programs.gcode import Analysis, Kind
from fablab.programs.models import Program

DRAFT_LIFE = timedelta(days=7)
MOST_DRAFTS = 20
PRIORITIES = (-1, 0, 1)

#: Technologies that have programs of their own kind; the others' files are not read yet.
_KINDS = frozenset({Technology.FDM, Technology.LASER, Technology.CNC})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the maker chooses beside the file. `material` is a code such as "PETG"; None takes the file's own."""

    project_id: int | None = None
    material: str | None = None
    colour: str | None = None
    due_at: datetime | None = None
    priority: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Appraisal:
    """What would happen on submit: where it could run, what it costs, and every reason against it."""

    wish: rules.Wish
    verdict: rules.Verdict
    quote: quotes.Quote


def keep_program(
    uow: UnitOfWork, sha256: str, size_bytes: int, analysis: Analysis, thumbnail: str | None
) -> Program:
    """The row of a stored file; the same content twice is the same program. `thumbnail`: its media type."""
    row = uow.session.get(Program, sha256)
    if row is not None:
        return row
    row = Program(
        sha256=sha256,
        size_bytes=size_bytes,
        kind=analysis.kind,
        analysis=msgspec.to_builtins(analysis),
        thumbnail=thumbnail,
        created_at=uow.now,
    )
    try:
        with uow.session.begin_nested():
            uow.session.add(row)
    except IntegrityError:  # the same file came from somebody else at the same time
        return uow.session.get_one(Program, sha256)
    return row


def analysis_of(program: Program) -> Analysis:
    return msgspec.convert(program.analysis, Analysis)


def draft(uow: UnitOfWork, program: Program, file_name: str) -> Job:
    """A file put down and looked at; nothing is asked of the lab yet."""
    require(uow.actor, Right.SUBMIT)
    if uow.actor.member_id is None:
        raise Forbidden("job.needs_member")
    own = select(func.count()).where(Job.member_id == uow.actor.member_id, Job.state == JobState.DRAFT)
    if (uow.session.scalar(own) or 0) >= MOST_DRAFTS:
        raise Conflict("job.too_many_drafts", most=MOST_DRAFTS)
    job = Job(
        id=new_id(uow.now),
        state=JobState.DRAFT,
        member_id=uow.actor.member_id,
        file_name=file_name,
        program_sha256=program.sha256,
        made_at=uow.now,
    )
    uow.session.add(job)
    uow.session.flush()
    return job


def appraise(uow: UnitOfWork, job: Job, wishes: Wishes) -> Appraisal:
    """Judge and price without writing anything. Raises `Invalid` for what cannot be understood at all."""
    analysis = analysis_of(job.program)
    material = _material(uow, analysis, wishes)
    technology = Technology(analysis.kind)
    wish = rules.Wish(
        technology=technology,
        nozzle_mm=next(iter(analysis.slicer.nozzle_mm), None),
        duration_s=analysis.duration_s,
        weight_g=analysis.filament_g,
        printer_model=analysis.slicer.printer_model,
        material_id=material.id if material else None,
        material_said=wishes.material or material_said(analysis),
        colour=wishes.colour or None,
        due_at=wishes.due_at,
    )
    machines = house.machines(uow, technology)
    of_member, of_machine = _leave(uow, job, wish, [row.id for row in machines])
    candidates = [_candidate(row, analysis, of_machine.get(row.id, ())) for row in machines]
    verdict = rules.check(wish, candidates, _context(uow, material))
    verdict = replace(verdict, refusals=(*of_member, *verdict.refusals))
    usage = quotes.Usage(
        technology=technology,
        audience=_audience(uow, job, wishes),
        duration_s=wish.duration_s,
        material_id=wish.material_id,
        weight_g=wish.weight_g,
    )
    quote = quotes.price(usage, quotes.prices_for(uow, usage, house.today(uow)))
    return Appraisal(wish=wish, verdict=verdict, quote=quote)


def submit(uow: UnitOfWork, job_id: str, wishes: Wishes) -> Job:
    """A draft becomes a claim with a frozen price, or waits for staff when only waivable reasons stand against it.

    Raises `Refused` with all refusals when one of them may not be waived.
    """
    job = may_change(uow, job_id)
    if wishes.priority not in PRIORITIES:
        raise Invalid("priority.unknown", field="priority", value=wishes.priority)
    if wishes.priority > 0:
        require(uow.actor, Right.OPERATE)
    if wishes.project_id is not None:
        members.project_for(uow, wishes.project_id, job.member_id)
    appraisal = appraise(uow, job, wishes)
    refusals = appraisal.verdict.refusals
    if any(not refusal.waivable for refusal in refusals):
        raise Refused(refusals)
    job.state = step(JOB_STEPS, job.state, "ask_review" if refusals else "submit")
    job.submitted_at = uow.now
    job.material_id = appraisal.wish.material_id
    job.colour = appraisal.wish.colour
    job.note = wishes.note.strip()[:500]
    job.refusals = [{"code": r.code, "waivable": r.waivable, "facts": dict(r.facts)} for r in refusals]
    _claim(uow, job, wishes, appraisal)
    uow.session.flush()
    return job


def _claim(uow: UnitOfWork, job: Job, wishes: Wishes, appraisal: Appraisal) -> Claim:
    analysis = analysis_of(job.program)
    project = members.project_for(uow, wishes.project_id, job.member_id) if wishes.project_id else None
    claim = Claim(
        id=job.id,
        kind=ClaimKind.JOB,
        state=ClaimState.OPEN,
        title=job.file_name,
        member_id=job.member_id,
        project_id=project.id if project else None,
        audience=_audience(uow, job, wishes),
        project_kind=project.kind if project else None,
        priority=wishes.priority,
        release_at=uow.now,
        due_at=wishes.due_at,
        estimate_s=max(1, round(appraisal.wish.duration_s)),
        estimate_source=analysis.duration_source,
        attended=is_attended(appraisal.wish.technology),
        material_id=job.material_id,
        colour=job.colour,
        nozzle_mm=appraisal.wish.nozzle_mm,
        made_at=uow.now,
    )
    uow.session.add(claim)
    uow.session.flush()
    eligible, barred = appraisal.verdict.eligible, appraisal.verdict.barred
    uow.session.add(
        Need(
            claim_id=claim.id,
            quantity=1,
            eligible=list(eligible),
            barred={str(k): v for k, v in barred.items()},
        )
    )
    quotes.freeze(uow, claim.id, appraisal.quote)
    uow.session.flush()
    uow.session.refresh(claim, ["needs", "allocations"])
    calendar.announce(uow, claim)
    return claim


def decide(uow: UnitOfWork, job_id: str, accept: bool, why: str = "") -> Job:
    """Staff's answer to a job in review; a waiver is written on the job with who gave it and why."""
    require(uow.actor, Right.OPERATE)
    job = get(uow, job_id)
    job.state = step(JOB_STEPS, job.state, "accept" if accept else "reject")
    job.note = f"{job.note}\n{uow.actor.name}: {why}".strip()[:500]
    if accept:
        waivers.accept(uow, refusals_of(job), member_id=job.member_id, claim_id=job.id, why=why)
        calendar.claim(uow, job_id).release_at = uow.now
    else:
        job.ended_at = uow.now
        calendar.release(uow, calendar.claim(uow, job_id), "end")
    tell(
        uow,
        job.member_id,
        f"job.{'accepted' if accept else 'rejected'}",
        claim_id=job.id,
        file=job.file_name,
        why=why,
    )
    return job


def cancel(uow: UnitOfWork, job_id: str) -> Job:
    """Before any run: a draft, a job in review or in the plan. Running ones are stopped through their run."""
    job = may_change(uow, job_id)
    if job.state is JobState.ACTIVE:
        raise Conflict("job.active")
    _end(uow, job, "cancel")
    return job


def begin(uow: UnitOfWork, job_id: str) -> None:
    job = get(uow, job_id)
    job.state = step(JOB_STEPS, job.state, "begin")


def end_attempt(uow: UnitOfWork, job_id: str, action: str) -> JobState:
    """A run's end: "finish", "cancel", "retry" (nobody's fault), or "fail", which is a retry while tries are left.

    Of a member who has gone meanwhile nothing is tried again.
    """
    job = get(uow, job_id)
    if action == "fail":
        job.tries += 1
        action = "retry" if job.tries < job.max_tries else "fail"
    if action == "retry" and not job.member.active:
        action = "cancel"
    if action != "retry":
        _end(uow, job, action)
        return job.state
    job.state = step(JOB_STEPS, job.state, "retry")
    calendar.release(uow, calendar.claim(uow, job_id), "replan")
    return job.state


def _end(uow: UnitOfWork, job: Job, action: str) -> None:
    job.state = step(JOB_STEPS, job.state, action)
    job.ended_at = uow.now
    row = uow.session.get(Claim, job.id)
    if row is not None and row.state is not ClaimState.CLOSED:
        calendar.release(uow, row, "end")
    else:
        uow.raise_event("claim", job.id, "changed")


def get(uow: UnitOfWork, job_id: str) -> Job:
    job = uow.session.get(Job, job_id)
    if job is None:
        raise NotFound("job.unknown", id=job_id)
    return job


def may_see(uow: UnitOfWork, job_id: str) -> Job:
    """Somebody else's job does not exist for those who may not see it."""
    job = get(uow, job_id)
    if job.member_id != uow.actor.member_id and not allows(uow.actor, Right.SEE_ALL):
        raise NotFound("job.unknown", id=job_id)
    return job


def may_change(uow: UnitOfWork, job_id: str) -> Job:
    job = may_see(uow, job_id)
    require(uow.actor, Right.SUBMIT if job.member_id == uow.actor.member_id else Right.OPERATE)
    return job


def jobs_of(uow: UnitOfWork, member_id: int, *, ended: int = 20) -> list[Job]:
    """Live jobs, then the last ones that ended; newest first in each. A draft thrown away never was a job."""
    mine = select(Job).where(Job.member_id == member_id)
    live = mine.where(Job.state.in_(LIVE)).order_by(Job.made_at.desc())
    over = mine.where(Job.state.not_in(LIVE), Job.submitted_at.is_not(None))
    over = over.order_by(Job.ended_at.desc()).limit(ended)
    return [*uow.session.scalars(live).unique(), *uow.session.scalars(over).unique()]


def drop_old_drafts(uow: UnitOfWork) -> int:
    """What nobody submitted within a week, thrown away or not; the stored file stays."""
    old = select(Job.id).where(Job.submitted_at.is_(None), Job.made_at < uow.now - DRAFT_LIFE)
    ids = list(uow.session.scalars(old))
    uow.session.execute(delete(Job).where(Job.id.in_(ids)))
    return len(ids)


def weight_g(uow: UnitOfWork, job_id: str) -> float:
    return analysis_of(get(uow, job_id).program).filament_g


def refusals_of(job: Job) -> tuple[Refusal, ...]:
    return tuple(msgspec.convert(job.refusals, Sequence[Refusal]))


def is_attended(technology: Technology) -> bool:
    """Only filament printers may be left alone, and each only as far as its own policy goes; a beam never."""
    return technology is not Technology.FDM


def _material(uow: UnitOfWork, analysis: Analysis, wishes: Wishes) -> Material | None:
    said = wishes.material or material_said(analysis)
    return house.material_by_code(uow, said) if said else None


def _leave(
    uow: UnitOfWork, job: Job, wish: rules.Wish, machine_ids: Sequence[int]
) -> tuple[tuple[Refusal, ...], dict[int, tuple[Refusal, ...]]]:
    """What the rules say of its maker, and of its maker on each machine."""
    materials = () if wish.material_id is None else (wish.material_id,)
    asked = Asked(
        act=Act.SUBMIT,
        member_id=job.member_id,
        resource_ids=tuple(machine_ids),
        start_at=uow.now,
        end_at=uow.now + timedelta(seconds=max(1.0, wish.duration_s)),
        materials=materials,
        claim_id=job.id,
    )
    of_member: list[Refusal] = []
    of_machine: dict[int, tuple[Refusal, ...]] = {}
    for found in findings(asked, facts_of(uow, asked)):
        if found.resource_id is None:
            of_member.append(found.refusal)
        else:
            of_machine[found.resource_id] = (*of_machine.get(found.resource_id, ()), found.refusal)
    return tuple(of_member), of_machine


def _candidate(row: Resource, analysis: Analysis, said: Sequence[Refusal]) -> rules.Candidate:
    """What one of the staff may let pass goes to review; what takes two people is settled before, or bars the machine."""
    machine = row.machine
    assert machine is not None
    doubts = tuple(each for each in said if each.waivable and not needs_two(each.code))
    return rules.Candidate(
        resource_id=row.id,
        name=row.name,
        gate=machine.gate,
        nozzle_mm=machine.nozzle_mm,
        model=machine.model,
        admission=admission.inspect(analysis, envelope(machine, row.technology)),
        bars=tuple(each for each in said if each not in doubts),
        doubts=doubts,
    )


def envelope(machine: Machine, technology: Technology | None) -> admission.Envelope:
    """What a file may do on this machine."""
    return admission.Envelope(
        kind=Kind(technology.value) if technology in _KINDS else Kind.FDM,
        bed_x_mm=machine.bed_x_mm,
        bed_y_mm=machine.bed_y_mm,
        height_mm=machine.height_mm,
        max_nozzle_c=machine.max_nozzle_c or None,
        max_bed_c=machine.max_bed_c or None,
    )


def material_said(analysis: Analysis) -> str | None:
    """The material the slicer wrote down for the first tool that is used, if any."""
    named = [filament.material for filament in analysis.filament if filament.material]
    return next(iter([*named, *analysis.slicer.materials]), None)


def _context(uow: UnitOfWork, material: Material | None) -> rules.Context:
    stock: dict[str, float] = {}
    if material is not None:
        rows = uow.session.execute(
            select(Spool.colour, func.max(Spool.left_g))
            .where(Spool.material_id == material.id, Spool.active)
            .group_by(Spool.colour)
        )
        stock = {colour: float(left) for colour, left in rows}
    return rules.Context(now=uow.now, stock_g=stock)


def _audience(uow: UnitOfWork, job: Job, wishes: Wishes) -> Audience:
    """An organisation that pays sets the price; otherwise the member's own audience does."""
    if wishes.project_id is not None:
        project = members.project_for(uow, wishes.project_id, job.member_id)
        if project.organisation is not None:
            return project.organisation.audience
    member = uow.session.get(Member, job.member_id)
    assert member is not None
    return member.audience
