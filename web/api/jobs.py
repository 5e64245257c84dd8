"""Jobs: from a file to a promise, and all that becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

import anyio.to_thread
import msgspec
from litestar import Request, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from fablab.base.database import Actor, Database, UnitOfWork
from fablab.base.errors import Invalid, LabError
from fablab.claims.jobs import use as jobs
from fablab.claims.jobs.models import Job
from fablab.claims.jobs.use import Wishes
from fablab.device import Status
from fablab.money import quotes
from fablab.people.access import SignedIn, allows, require
from fablab.runs.models import LIVE, Run
from scheduler.dispatch import Dispatcher
from scheduler.intake import Intake
from web import cancelling, reads
from web.api.answer import instant
from web.api.schema import (
    JobBrief,
    JobOut,
    OptionOut,
    ReasonOut,
    job_brief,
    job_out,
    option_out,
    reasons_out,
    run_out,
)
from web.security import Access, Pace, Right
from web.uploads import Uploads
from web.words import Words

MOST_OPTIONS = 10
_YES = frozenset({"1", "true", "yes", "on"})


class WishesIn(msgspec.Struct, frozen=True, kw_only=True):
    """`project` is an id; `material` a code such as "PETG" (null: the file's own); `due_at` ISO 8601 with zone.

    `priority`: -1 can wait, 0 normal, 1 urgent (staff).
    """

    project: int | None = None
    material: str | None = None
    colour: str | None = None
    due_at: str | None = None
    priority: int = 0
    note: str = ""


@post(
    "/jobs",
    access=Right.SUBMIT,
    pace=Pace.UPLOAD,
    csrf="stream",
    request_max_body_size=None,  # `web.uploads` counts the bytes of the file itself
    tags=["jobs"],
)
async def send_job(
    request: Request[Any, Any, Any],
    intake: NamedDependency[Intake],
    uploads: NamedDependency[Uploads],
    dispatcher: NamedDependency[Dispatcher],
    signed_in: NamedDependency[SignedIn],
    words: NamedDependency[Words],
) -> JobOut:
    """Send a file as multipart/form-data: `file`, and optionally `project`, `material`, `colour`, `due_at`,
    `priority`, `note`; `draft=true` stops before it is submitted. Answers the job with its promise.
    """
    actor = signed_in.actor

    def receive(name: str, pieces: Iterable[bytes]) -> Job:
        return intake.receive(actor, pieces, name)

    job, fields = await uploads.take(request, receive)

    def finish() -> JobOut:
        if fields.get("draft", "").lower() not in _YES:
            _submit_or_drop(intake, actor, job.id, fields)
        return _look(intake.database, dispatcher, actor, job.id, words)

    return await anyio.to_thread.run_sync(finish)


def _submit_or_drop(intake: Intake, actor: Actor, job_id: str, fields: Mapping[str, str]) -> None:
    """A job that cannot be submitted as it was sent leaves no draft behind; its file is kept by its content."""
    try:
        intake.submit(actor, job_id, wishes_from(fields))
    except LabError:
        intake.cancel(actor, job_id)
        raise


def wishes_from(fields: Mapping[str, str]) -> Wishes:
    """A form's texts as wishes; for pages too. Raises `Invalid` with the field."""
    return Wishes(
        project_id=_number(fields.get("project"), "project", "project.unknown"),
        material=fields.get("material") or None,
        colour=fields.get("colour") or None,
        due_at=instant(fields.get("due_at"), "due_at"),
        priority=_number(fields.get("priority"), "priority", "priority.unknown") or 0,
        note=fields.get("note", ""),
    )


def _number(text: str | None, field: str, code: str) -> int | None:
    if not text:
        return None
    try:
        number = int(text)
    except ValueError:
        raise Invalid(code, field=field, value=text[:40]) from None
    if abs(number) > 2**31:
        raise Invalid(code, field=field, value=text[:40])
    return number


@get("/jobs", access=Access.SIGNED_IN, sync_to_thread=True, tags=["jobs"])
def list_jobs(database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]) -> list[JobBrief]:
    """My jobs: those that live, then the last twenty that ended."""
    with database.read(signed_in.actor) as uow:
        found = jobs.jobs_of(uow, signed_in.member_id)
        claims = reads.claims_of(uow, found)
        totals = reads.totals_of(uow, [job.id for job in found])
        return [job_brief(job, claims.get(job.id), totals.get(job.id)) for job in found]


@get("/jobs/{job_id:str}", access=Access.SIGNED_IN, sync_to_thread=True, tags=["jobs"])
def get_job(
    job_id: FromPath[str],
    database: NamedDependency[Database],
    dispatcher: NamedDependency[Dispatcher],
    signed_in: NamedDependency[SignedIn],
    words: NamedDependency[Words],
) -> JobOut:
    """One job with its explanation, its price and every attempt. Somebody else's is not found."""
    return _look(database, dispatcher, signed_in.actor, job_id, words)


@get("/jobs/{job_id:str}/options", access=Access.SIGNED_IN, sync_to_thread=True, tags=["jobs"])
def job_options(
    job_id: FromPath[str],
    intake: NamedDependency[Intake],
    signed_in: NamedDependency[SignedIn],
    words: NamedDependency[Words],
    n: Annotated[int, QueryParameter(ge=1, le=MOST_OPTIONS)] = 5,
    displacing: Annotated[int, QueryParameter(ge=0, le=MOST_OPTIONS)] = 0,
    project: FromQuery[int | None] = None,
    material: FromQuery[str | None] = None,
    colour: FromQuery[str | None] = None,
    due_at: FromQuery[str | None] = None,
    priority: FromQuery[int] = 0,
) -> list[OptionOut]:
    """The `n` best distinct places for a job that waits, or for a draft with these wishes; then (for the staff) up to
    `displacing` earlier ones that others would leave for it. Nothing is held.
    """
    if displacing:
        require(signed_in.actor, Right.OPERATE)
    wishes = Wishes(
        project_id=project,
        material=material,
        colour=colour,
        due_at=instant(due_at, "due_at"),
        priority=priority,
    )
    found = intake.options(signed_in.actor, job_id, n, wishes=wishes, displacing=displacing)
    return [option_out(offer, words, _knows(signed_in.actor)) for offer in found]


@get("/jobs/{job_id:str}/explanation", access=Access.SIGNED_IN, sync_to_thread=True, tags=["jobs"])
def job_explanation(
    job_id: FromPath[str],
    intake: NamedDependency[Intake],
    signed_in: NamedDependency[SignedIn],
    words: NamedDependency[Words],
) -> tuple[ReasonOut, ...]:
    """Why it is where it is as the calendar is now, and what would have it ready earlier (or, without a place, what
    would work). Empty once it is made.
    """
    return reasons_out(intake.explain(signed_in.actor, job_id, _knows(signed_in.actor)), words)


def _knows(actor: Actor) -> Callable[[int | None], bool]:
    """One's own, and for the staff everybody's."""
    every = allows(actor, Right.SEE_ALL)
    return lambda member_id: every or (member_id is not None and member_id == actor.member_id)


@post("/jobs/{job_id:str}/submit", access=Right.SUBMIT, sync_to_thread=True, status_code=200, tags=["jobs"])
def submit_job(
    job_id: FromPath[str],
    data: JSONBody[WishesIn],
    intake: NamedDependency[Intake],
    dispatcher: NamedDependency[Dispatcher],
    signed_in: NamedDependency[SignedIn],
    words: NamedDependency[Words],
) -> JobOut:
    """A draft becomes a job with a place in the calendar, or waits for the staff."""
    wishes = Wishes(
        project_id=data.project,
        material=data.material,
        colour=data.colour,
        due_at=instant(data.due_at, "due_at"),
        priority=data.priority,
        note=data.note,
    )
    intake.submit(signed_in.actor, job_id, wishes)
    return _look(intake.database, dispatcher, signed_in.actor, job_id, words)


@delete("/jobs/{job_id:str}", access=Right.SUBMIT, sync_to_thread=True, status_code=200, tags=["jobs"])
def cancel_job(
    job_id: FromPath[str],
    intake: NamedDependency[Intake],
    dispatcher: NamedDependency[Dispatcher],
    signed_in: NamedDependency[SignedIn],
    words: NamedDependency[Words],
) -> JobOut:
    """Cancel it wherever it stands. A machine that runs is asked to stop; the job says so until it has."""
    cancelling.cancel_job(intake, dispatcher, signed_in.actor, job_id)
    return _look(intake.database, dispatcher, signed_in.actor, job_id, words)


def _look(database: Database, dispatcher: Dispatcher, actor: Actor, job_id: str, words: Words) -> JobOut:
    with database.read(actor) as uow:
        return _job_out(uow, jobs.may_see(uow, job_id), dispatcher, words)


def _status(dispatcher: Dispatcher, run: Run) -> Status | None:
    link = dispatcher.links.get(run.resource_id)
    return link.status if link is not None and run.state in LIVE else None


def _job_out(uow: UnitOfWork, job: Job, dispatcher: Dispatcher, words: Words) -> JobOut:
    claim = reads.claims_of(uow, [job]).get(job.id)
    runs = [
        run_out(run, words, _status(dispatcher, run)) for run in reads.runs_of(uow, [job.id]).get(job.id, [])
    ]
    return job_out(job, claim, runs, quotes.quote_of(uow, job.id), quotes.charge_of(uow, job.id), words)


ROUTES = (send_job, list_jobs, get_job, job_options, job_explanation, submit_job, cancel_job)
