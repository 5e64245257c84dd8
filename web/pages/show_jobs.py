"""A job as its owner and the staff see it: the row in a list, the page, the history told in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from fablab.claims.jobs import use as jobs
from fablab.claims.jobs.models import Job, JobState
from fablab.claims.models import Allocation, Claim, ClaimState
from fablab.device import Capability
from fablab.people.access import Right, allows
from fablab.programs.gcode import Analysis
from fablab.reports.jobs import JobWhole
from fablab.runs.models import Run, RunState
from scheduler.dispatch import MachineLink
from web.pages import eyes as small
from web.pages.eyes import N_, Eyes, Stock
from web.pages.model import EventView, JobCard, JobView, JobWord, PromiseView, RunView
from web.pages.show_floor import Wires, camera, run_view
from web.words.hand import decided

ENDED = frozenset({JobState.DONE, JobState.FAILED, JobState.REJECTED, JobState.CANCELLED})
CANCELLABLE = frozenset({JobState.REVIEW, JobState.QUEUED, JobState.ACTIVE})
WAITS_FOR_HAND = timedelta(minutes=45)  # a part that lies on the bed for longer is worth a word


def word_of(whole: JobWhole) -> JobWord:
    claim = whole.claim
    planned = claim is not None and claim.state is ClaimState.HELD
    if whole.job.state is JobState.QUEUED and planned:
        return JobWord.PLANNED
    return JobWord(whole.job.state.value)


def card(eyes: Eyes, whole: JobWhole, wires: Wires, stock: Stock) -> JobCard:
    job, claim = whole.job, whole.claim
    found = jobs.analysis_of(job.program)
    priced = whole.charge or (whole.quote if job.state not in ENDED else None)
    live = whole.live
    link = wires.link(live.resource_id) if live is not None else None
    state = word_of(whole)
    return JobCard(
        id=job.id,
        title=job.file_name,
        state=state,
        owner_name="" if eyes.owns(job.member_id) else job.member.name,
        project=claim.project.name if claim is not None and claim.project is not None else "",
        material=stock.material(job.material, job.colour),
        weight_g=found.filament_g or None,
        duration_s=claim.estimate_s if claim is not None else round(found.duration_s),
        price_cents=priced.total_cents if priced is not None else None,
        thumbnail_url=thumbnail(job),
        machine_name=_machine(whole),
        promise=promise(eyes, claim, whole.allocation) if job.state not in ENDED and live is None else None,
        progress=small.progress(eyes, live, link.status if link else None) if live is not None else None,
        submitted_at=job.submitted_at,
        finished_at=job.ended_at,
        can_cancel=_can_cancel(eyes, whole, link),
        note=note(eyes, whole),
    )


def thumbnail(job: Job) -> str:
    return f"/thumbnails/{job.id}" if job.program.thumbnail else ""


def _machine(whole: JobWhole) -> str:
    run = whole.live or (whole.runs[-1] if whole.runs else None)
    if run is not None and (whole.live is not None or whole.job.state in ENDED):
        return run.resource.name
    return whole.allocation.resource.name if whole.allocation is not None else ""


def _can_cancel(eyes: Eyes, whole: JobWhole, link: MachineLink | None) -> bool:
    """Not what only a person at the machine can end."""
    if link is not None and Capability.CANCEL not in link.capabilities:
        return False
    right = Right.SUBMIT if eyes.owns(whole.job.member_id) else Right.OPERATE
    asked = whole.live is not None and whole.live.cancel_asked_at is not None
    return whole.job.state in CANCELLABLE and not asked and allows(eyes.actor, right)


def promise(eyes: Eyes, claim: Claim | None, place: Allocation | None) -> PromiseView | None:
    if claim is None or claim.ready_at is None or place is None:
        return None
    waits = place.end_at - place.run_end_at > WAITS_FOR_HAND
    staff = eyes.gettext("The staff takes it off the machine %(when)s.", when=eyes.words.when(place.end_at))
    return PromiseView(
        ready_at=claim.ready_at,
        early_at=claim.ready_from or claim.ready_at,
        late_at=claim.ready_until or claim.ready_at,
        start_at=place.start_at,
        machine_id=str(place.resource_id),
        machine_name=place.resource.name,
        due_at=claim.due_at,
        misses_due=claim.due_at is not None and claim.ready_at > claim.due_at,
        needs_staff=staff if waits else "",
    )


def note(eyes: Eyes, whole: JobWhole) -> str:
    """One sentence: what it waits for, or why it came to nothing."""
    job, live = whole.job, whole.live
    last = whole.runs[-1] if whole.runs else None
    if live is not None and live.cancel_asked_at is not None:
        return eyes.gettext("It is being cancelled.")
    if live is not None and live.unseen_since is not None:
        return eyes.words.say("machine.no_answer")
    if live is not None and live.state is RunState.PREPARING:
        return eyes.gettext("Everything is ready; the machine is about to start.")
    if job.state is JobState.REVIEW:
        return eyes.gettext("The staff looks at it first.")
    if job.state is JobState.QUEUED and word_of(whole) is JobWord.QUEUED:
        return eyes.gettext("There is no place for it in the plan yet.")
    if job.state is JobState.QUEUED and last is not None and last.state is not RunState.CANCELLED:
        return eyes.gettext(
            "The last attempt did not succeed; it is made again and nothing is charged for that."
        )
    if job.state is JobState.REJECTED:
        return job.note.rpartition("\n")[2]
    if job.state is JobState.FAILED and last is not None:
        return eyes.words.machine(last.detail)
    return ""


def is_explained(whole: JobWhole) -> bool:
    """Once a machine has it there is nothing left to choose."""
    return whole.claim is not None and whole.job.state is JobState.QUEUED and whole.live is None


def page(
    eyes: Eyes,
    whole: JobWhole,
    wires: Wires,
    stock: Stock,
    file_url: str,
    reasons: Sequence[Mapping[str, object]] = (),
) -> JobView:
    """`reasons`: as `planner.explain` gives them, where it `is_explained`."""
    job, live = whole.job, whole.live
    seen = card(eyes, whole, wires, stock)
    found: Analysis = jobs.analysis_of(job.program)
    ended = whole.runs[-1].ended_at if whole.runs else None
    return JobView(
        card=seen,
        analysis=small.analysis(found),
        live=run_view(eyes, live, wires.link(live.resource_id), len(whole.runs))
        if live is not None
        else None,
        camera=camera(eyes, live.resource, live, wires) if live is not None else None,
        runs=tuple(_attempt(eyes, run, number) for number, run in enumerate(whole.runs, 1)),
        history=tuple(history(eyes, whole)),
        quote=small.price(eyes.words, whole.quote),
        charge=small.price(eyes.words, whole.charge, charged_at=ended),
        is_free=job.state in ENDED and whole.charge is None,
        explanation=small.explanation(eyes, reasons, seen.machine_name if seen.promise else ""),
        refusals=small.refusals(eyes.words, jobs.refusals_of(job)) if job.state is JobState.REVIEW else (),
        file_name=job.file_name,
        file_url=file_url,
    )


def _attempt(eyes: Eyes, run: Run, number: int) -> RunView:
    """Without its live side: the list of attempts is a record."""
    return run_view(eyes, run, None, number)


def history(eyes: Eyes, whole: JobWhole) -> list[EventView]:
    """Newest first; told from what is written down, so it never contradicts the record."""
    job = whole.job
    found = [EventView(at=job.made_at, sentence=eyes.gettext("The file was read."), kind="file")]
    if job.submitted_at is not None:
        found.append(_submitted(eyes, whole))
    for number, run in enumerate(whole.runs, 1):
        found += _run_events(eyes, run, number if len(whole.runs) > 1 else 0)
    for row in whole.decisions:
        actor = row.by_name if eyes.operates else ""
        found.append(
            EventView(at=row.made_at, sentence=decided(eyes.words, row), kind="calendar", actor=actor)
        )
    if job.ended_at is not None and job.state in (JobState.CANCELLED, JobState.REJECTED):
        said = (
            eyes.gettext("Cancelled.")
            if job.state is JobState.CANCELLED
            else eyes.gettext("The staff said no.")
        )
        found.append(EventView(at=job.ended_at, sentence=said, kind="cross"))
    if whole.charge is not None and whole.runs and whole.runs[-1].ended_at is not None:
        said = eyes.gettext("%(price)s charged.", price=eyes.words.money(whole.charge.total_cents))
        found.append(EventView(at=whole.runs[-1].ended_at, sentence=said, kind="coin"))
    found.sort(key=lambda event: event.at)
    return found[::-1]


def _submitted(eyes: Eyes, whole: JobWhole) -> EventView:
    job = whole.job
    assert job.submitted_at is not None
    said = eyes.gettext("Submitted: the staff looks at it.") if job.refusals else eyes.gettext("Submitted.")
    return EventView(at=job.submitted_at, sentence=said, kind="person", actor=job.member.name)


_ENDINGS = {
    RunState.SUCCEEDED: (N_("Finished on %(machine)s."), "check"),
    RunState.FAILED: (N_("Failed on %(machine)s."), "cross"),
    RunState.CANCELLED: (N_("Stopped on %(machine)s."), "cross"),
    RunState.INTERRUPTED: (N_("Interrupted on %(machine)s: nobody knows how far it came."), "cross"),
}


def _run_events(eyes: Eyes, run: Run, number: int) -> list[EventView]:
    """From the tap to the end; `number` 0: there was only one attempt."""
    machine = run.resource.name
    operator = run.operator.name if run.operator is not None and eyes.operates else ""
    tapped = eyes.gettext("Bed clear, material in on %(machine)s.", machine=machine)
    found = [EventView(at=run.prepared_at, sentence=tapped, kind="person", actor=operator)]
    if run.started_at is not None:
        said = eyes.gettext("Started on %(machine)s.", machine=machine)
        if number:
            said = eyes.gettext(
                "Attempt %(number)s started on %(machine)s.", number=str(number), machine=machine
            )
        found.append(EventView(at=run.started_at, sentence=said, kind="play"))
    if run.ended_at is not None and run.state in _ENDINGS:
        sentence, kind = _ENDINGS[run.state]
        said = eyes.gettext(sentence, machine=machine)
        detail = eyes.words.machine(run.detail)
        unhappy = run.state is not RunState.SUCCEEDED and detail
        found.append(EventView(at=run.ended_at, sentence=f"{said} {detail}" if unhappy else said, kind=kind))
    return found
