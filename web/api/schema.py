"""What the API gives: shapes for JSON, made from the house's own values. Instants are UTC, amounts integer cents."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import msgspec

from fablab.claims.jobs.models import Job, JobState
from fablab.claims.jobs.use import analysis_of, refusals_of
from fablab.claims.models import Allocation, AllocationState, Claim, ClaimKind
from fablab.device import DeviceState, LinkState, Status
from fablab.money.quotes import Quote
from fablab.people.access import SignedIn
from fablab.people.models import Role
from fablab.places.models import MachineGate, Spool, Technology
from fablab.runs.models import LIVE, Run, RunState
from scheduler.improve import Status as SearchStatus
from scheduler.planner import Offer
from scheduler.planner import Promise as Promised
from web.errors import SaidRefusal
from web.pages.model import MachineWord
from web.words import Words
from web.words.search import search_said

At = Annotated[datetime, msgspec.Meta(tz=True)]


class Me(msgspec.Struct, frozen=True, kw_only=True):
    """Who is signed in. `csrf` must come back as `X-CSRF-Token` with every change made with the cookie."""

    id: int
    name: str
    role: Role
    language: str
    rights: tuple[str, ...]
    csrf: str


class NewToken(msgspec.Struct, frozen=True, kw_only=True):
    """`token` is shown this once; send it as `Authorization: Bearer ...`."""

    token: str
    name: str
    scopes: tuple[str, ...]


class PromiseOut(msgspec.Struct, frozen=True, kw_only=True):
    """Ready at, between (10 % to 90 %), on which machines from when."""

    ready_at: At
    ready_from: At
    ready_until: At
    start_at: At
    machines: tuple[str, ...]


class ReasonOut(msgspec.Struct, frozen=True, kw_only=True):
    """One step of the explanation; `about` is here, not_earlier, not_there, would_help, unplaced, nearest or option."""

    about: str
    code: str
    detail: str
    facts: Mapping[str, object]


class DisplacedOut(msgspec.Struct, frozen=True, kw_only=True):
    """A job that would go elsewhere; `job` and `title` only for those who may see them."""

    job: str | None
    title: str | None
    machines: tuple[str, ...]
    was_ready_at: At
    ready_at: At
    late_s: int


class OptionOut(msgspec.Struct, frozen=True, kw_only=True):
    """A place that could be had, and why this one. Nothing is held: somebody else may be faster."""

    machines: tuple[str, ...]
    start_at: At
    run_start_at: At
    ready_at: At
    ready_from: At
    ready_until: At
    reasons: tuple[ReasonOut, ...]
    displaced: tuple[DisplacedOut, ...]


class LineOut(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    label: str
    quantity: float
    unit_cents: int
    amount_cents: int


class PriceOut(msgspec.Struct, frozen=True, kw_only=True):
    lines: tuple[LineOut, ...]
    total_cents: int
    currency: str


class RunOut(msgspec.Struct, frozen=True, kw_only=True):
    """`id` is the token that the machine was given."""

    id: str
    job: str
    machine: int
    machine_name: str
    state: RunState
    prepared_at: At
    started_at: At | None
    ended_at: At | None
    fraction: float | None
    elapsed_s: float
    remaining_s: float | None
    used_g: float | None
    detail: str


class ProgramOut(msgspec.Struct, frozen=True, kw_only=True):
    """What the file will take. `duration_source` says who says so: slicer or motion."""

    sha256: str
    kind: str
    size_bytes: int
    lines: int
    duration_s: float
    duration_source: str
    filament_g: float
    filament_mm: float
    layers: int
    material: str | None
    nozzle_mm: float | None


class JobBrief(msgspec.Struct, frozen=True, kw_only=True):
    """`planned`: it is queued and has a place in the calendar."""

    id: str
    state: JobState
    planned: bool
    file_name: str
    member: str
    project: str | None
    material: str | None
    colour: str | None
    made_at: At
    submitted_at: At | None
    ended_at: At | None
    due_at: At | None
    promise: PromiseOut | None
    quoted_cents: int | None
    charged_cents: int | None


class JobOut(JobBrief, frozen=True, kw_only=True):
    """`run` is the attempt that is under way, if one is."""

    program: ProgramOut
    refusals: tuple[SaidRefusal, ...]
    reasons: tuple[ReasonOut, ...]
    quote: PriceOut | None
    charge: PriceOut | None
    runs: tuple[RunOut, ...]
    run: RunOut | None
    note: str


class SpoolOut(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    label: str
    material: str
    colour: str
    left_g: float


class StatusOut(msgspec.Struct, frozen=True, kw_only=True):
    """The last look at a machine; `age_s` since it was taken."""

    state: DeviceState
    age_s: float | None
    heat_c: Mapping[str, float]
    fraction: float | None
    remaining_s: float | None
    message: str


class NextOut(msgspec.Struct, frozen=True, kw_only=True):
    """The next planned job; `title` only for those who may see it."""

    start_at: At
    end_at: At
    job: str | None
    title: str | None


class ReservedOut(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody's own time on a machine, going on (`now`) or the next within a day; `holder` and `reservation` only for
    those who may see them."""

    start_at: At
    end_at: At
    now: bool
    own: bool
    holder: str | None
    reservation: str | None


class StartOut(msgspec.Struct, frozen=True, kw_only=True):
    """What a tap would start at this moment. `against`: why it may not, as far as time goes; `moves`: how many planned
    jobs would make room for it."""

    job: str | None
    title: str | None
    against: SaidRefusal | None
    moves: int


class MachineOut(msgspec.Struct, frozen=True, kw_only=True):
    """`word` is the one word it wears on the screens; `link` None: it has no wire to this server. `late_until`: what runs
    is expected to be off the bed only then, after the next reservation's start."""

    id: int
    name: str
    technology: Technology | None
    model: str
    word: MachineWord
    gate: MachineGate
    gate_note: str
    gate_at: At
    link: LinkState | None
    link_reason: str
    capabilities: tuple[str, ...]
    status: StatusOut | None
    spool: SpoolOut | None
    run: RunOut | None
    next: NextOut | None
    reserved: ReservedOut | None
    start: StartOut | None
    late_until: At | None


class AllocationOut(msgspec.Struct, frozen=True, kw_only=True):
    """`title`, `job` and `member` only for those who may see them."""

    id: int
    resource: int
    resource_name: str
    kind: ClaimKind
    state: AllocationState
    start_at: At
    run_start_at: At
    run_end_at: At
    end_at: At
    mine: bool
    job: str | None
    title: str | None
    member: str | None


class SafetyOut(msgspec.Struct, frozen=True, kw_only=True):
    """`confirmed`: read back from the machine; otherwise use its red button."""

    confirmed: bool
    detail: str


class SearchOut(msgspec.Struct, frozen=True, kw_only=True):
    """The last search for a better plan: `end` as a code, `said` with what it gained in words. `gain`: minutes by
    tier, `placed` in weight; `moved` jobs went elsewhere, of which `told` owners heard."""

    at: At
    took_s: float
    end: str
    said: str
    moved: int
    told: int
    gain: Mapping[str, float]


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """`status` is "ok"; `machines` counts links by state. `search`: None before the first, and where it is off."""

    status: str
    version: str
    now: At
    machines: Mapping[str, int]
    listeners: int
    search: SearchOut | None


def search_out(status: SearchStatus | None, words: Words) -> SearchOut | None:
    if status is None:
        return None
    outcome = status.outcome
    gain = asdict(outcome.gain)
    return SearchOut(
        at=status.at,
        took_s=round(status.took_s, 1),
        end=outcome.end.value,
        said=search_said(words, outcome.end.value, gain),
        moved=outcome.moved,
        told=outcome.told,
        gain=gain,
    )


def me(signed_in: SignedIn, rights: Sequence[str]) -> Me:
    return Me(
        id=signed_in.member_id,
        name=signed_in.name,
        role=signed_in.role,
        language=signed_in.language,
        rights=tuple(rights),
        csrf=signed_in.csrf,
    )


def price(quote: Quote | None, words: Words) -> PriceOut | None:
    if quote is None:
        return None
    lines = tuple(
        LineOut(
            code=line.code,
            label=words.word("charge_line", line.code),
            quantity=line.quantity,
            unit_cents=line.unit_cents,
            amount_cents=line.amount_cents,
        )
        for line in quote.lines
    )
    return PriceOut(lines=lines, total_cents=quote.total_cents, currency=quote.currency)


def promised(promise: Promised, names: Mapping[int, str]) -> PromiseOut:
    return PromiseOut(
        ready_at=promise.ready_at,
        ready_from=promise.ready_from,
        ready_until=promise.ready_until,
        start_at=promise.start_at,
        machines=tuple(names.get(each, str(each)) for each in promise.resource_ids),
    )


def promise_of(claim: Claim | None) -> PromiseOut | None:
    """The promise as it stands: with its place while it is planned, and with the run's place once it runs."""
    if claim is None or claim.ready_at is None or not claim.allocations:
        return None
    places = [a for a in claim.allocations if a.run_id is None] or claim.allocations[-1:]
    return PromiseOut(
        ready_at=claim.ready_at,
        ready_from=claim.ready_from or claim.ready_at,
        ready_until=claim.ready_until or claim.ready_at,
        start_at=min(place.start_at for place in places),
        machines=tuple(place.resource.name for place in places),
    )


def _brief(job: Job, claim: Claim | None, totals: tuple[int, int | None] | None) -> dict[str, object]:
    open_places = claim is not None and any(a.run_id is None for a in claim.allocations)
    return {
        "id": job.id,
        "state": job.state,
        "planned": job.state is JobState.QUEUED and open_places,
        "file_name": job.file_name,
        "member": job.member.name,
        "project": claim.project.name if claim is not None and claim.project is not None else None,
        "material": job.material.code if job.material is not None else None,
        "colour": job.colour,
        "made_at": job.made_at,
        "submitted_at": job.submitted_at,
        "ended_at": job.ended_at,
        "due_at": claim.due_at if claim is not None else None,
        "promise": promise_of(claim) if job.state in (JobState.QUEUED, JobState.ACTIVE) else None,
        "quoted_cents": totals[0] if totals else None,
        "charged_cents": totals[1] if totals else None,
    }


def job_brief(job: Job, claim: Claim | None, totals: tuple[int, int | None] | None) -> JobBrief:
    return JobBrief(**_brief(job, claim, totals))  # type: ignore[arg-type]  # the keys of one table, used twice


def job_out(
    job: Job,
    claim: Claim | None,
    runs: Sequence[RunOut],
    quote: Quote | None,
    charge: Quote | None,
    words: Words,
) -> JobOut:
    totals = (quote.total_cents, charge.total_cents if charge else None) if quote else None
    return JobOut(
        **_brief(job, claim, totals),  # type: ignore[arg-type]  # as above
        program=program_out(job),
        refusals=tuple(
            SaidRefusal(
                code=refusal.code,
                waivable=refusal.waivable,
                detail=words.refusal(refusal),
                remedy=words.remedy(refusal.code, refusal.facts),
                facts=dict(refusal.facts),
            )
            for refusal in refusals_of(job)
        ),
        reasons=reasons_out(claim.reasons if claim is not None else [], words),
        quote=price(quote, words),
        charge=price(charge, words),
        runs=tuple(runs),
        run=next((run for run in runs if run.state in LIVE), None),
        note=job.note,
    )


def reasons_out(reasons: Sequence[Mapping[str, object]], words: Words) -> tuple[ReasonOut, ...]:
    found = []
    for reason in reasons:
        facts = reason.get("facts")
        found.append(
            ReasonOut(
                about=str(reason.get("about")),
                code=str(reason.get("code")),
                detail=words.reason(reason),
                facts=facts if isinstance(facts, Mapping) else {},
            )
        )
    return tuple(found)


def option_out(offer: Offer, words: Words, knows: Callable[[int | None], bool]) -> OptionOut:
    return OptionOut(
        machines=offer.machines,
        start_at=offer.start_at,
        run_start_at=offer.run_start_at,
        ready_at=offer.ready_at,
        ready_from=offer.ready_from,
        ready_until=offer.ready_until,
        reasons=reasons_out(offer.reasons, words),
        displaced=tuple(
            DisplacedOut(
                job=each.claim_id if knows(each.member_id) else None,
                title=each.title if knows(each.member_id) else None,
                machines=each.machines,
                was_ready_at=each.was_ready_at,
                ready_at=each.ready_at,
                late_s=each.late_s,
            )
            for each in offer.displaced
        ),
    )


def program_out(job: Job) -> ProgramOut:
    analysis = analysis_of(job.program)
    nozzles = analysis.slicer.nozzle_mm
    materials = analysis.slicer.materials
    return ProgramOut(
        sha256=job.program_sha256,
        kind=job.program.kind,
        size_bytes=job.program.size_bytes,
        lines=analysis.lines,
        duration_s=analysis.duration_s,
        duration_source=analysis.duration_source,
        filament_g=analysis.filament_g,
        filament_mm=analysis.filament_mm,
        layers=analysis.layers,
        material=materials[0] if materials else None,
        nozzle_mm=nozzles[0] if nozzles else None,
    )


def run_out(run: Run, words: Words, status: Status | None = None) -> RunOut:
    """With `status`, the figures are those of the last look rather than of the last minute."""
    seen = status.progress if status is not None else None
    mine = seen if seen is not None and seen.token == run.id else None
    return RunOut(
        id=run.id,
        job=run.claim_id,
        machine=run.resource_id,
        machine_name=run.resource.name,
        state=run.state,
        prepared_at=run.prepared_at,
        started_at=run.started_at,
        ended_at=run.ended_at,
        fraction=mine.fraction if mine else run.fraction,
        elapsed_s=mine.elapsed_s if mine else run.elapsed_s,
        remaining_s=mine.remaining_s if mine else run.remaining_s,
        used_g=run.used_g,
        detail=words.machine(run.detail),
    )


def status_out(status: Status, age_s: float | None) -> StatusOut:
    progress = status.progress
    return StatusOut(
        state=status.state,
        age_s=None if age_s is None else round(age_s, 1),
        heat_c=dict(status.heat_c),
        fraction=progress.fraction if progress and progress.outcome is None else None,
        remaining_s=progress.remaining_s if progress and progress.outcome is None else None,
        message=status.message,
    )


def spool_out(spool: Spool | None) -> SpoolOut | None:
    if spool is None:
        return None
    return SpoolOut(
        id=spool.id,
        label=spool.label,
        material=spool.material.code,
        colour=spool.colour,
        left_g=round(spool.left_g, 1),
    )


def allocation_out(row: Allocation, *, mine: bool, known: bool) -> AllocationOut:
    claim = row.claim
    shown = mine or known or claim.kind in (ClaimKind.SESSION, ClaimKind.OUTAGE)
    return AllocationOut(
        id=row.id,
        resource=row.resource_id,
        resource_name=row.resource.name,
        kind=claim.kind,
        state=row.state,
        start_at=row.start_at,
        run_start_at=row.run_start_at,
        run_end_at=row.run_end_at,
        end_at=row.end_at,
        mine=mine,
        job=claim.id if shown and claim.kind is ClaimKind.JOB else None,
        title=claim.title if shown else None,
        member=claim.member.name if (mine or known) and claim.member is not None else None,
    )
