"""My jobs, one job's page, what waits for the staff, and pictures and files of those who may see them."""

from __future__ import annotations

from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import File

from fablab.base.errors import NotFound
from fablab.claims.jobs import use
from fablab.claims.jobs.models import Job, JobState
from fablab.people.access import allows
from fablab.reports import jobs as report
from scheduler import planner
from web.cancelling import cancel_job
from web.pages import show_jobs
from web.pages.drafts import draft_views
from web.pages.model import DraftView, JobView
from web.pages.shell import AnyRequest, Desk, desk_of, form_of, go, in_thread
from web.security import Access, Right

PICTURES = {".png": "image/png", ".jpg": "image/jpeg"}


@get("/jobs", access=Access.SIGNED_IN, include_in_schema=False, sync_to_thread=True)
def show_mine(request: AnyRequest) -> Response[str]:
    return my_jobs(desk_of(request))


def my_jobs(desk: Desk, *, status: int = 200, instead: DraftView | None = None) -> Response[str]:
    """`instead`: a draft that was sent back by its form, in place of its fresh self. Runs in a thread."""
    drafts = draft_views(desk)
    if instead is not None:
        drafts = [instead, *(draft for draft in drafts if draft.id != instead.id)]
    with desk.look() as (uow, eyes, stock):
        mine = [
            whole
            for whole in report.jobs_of(uow, desk.signed_in.member_id)
            if whole.job.state is not JobState.DRAFT
        ]
        waiting = report.in_review(uow) if eyes.operates else []
        current = [w for w in mine if w.job.state not in show_jobs.ENDED]
        past = [w for w in mine if w.job.state in show_jobs.ENDED and w.job.submitted_at is not None]
        shown: dict[str, Any] = {
            name: [show_jobs.card(eyes, whole, desk.wires, stock) for whole in rows]
            for name, rows in (("current", current), ("past", past), ("review", waiting))
        }
    limit = desk.parts.settings.upload_limit_bytes
    may_submit = allows(desk.actor, Right.SUBMIT)
    return desk.page(
        "jobs.html", status=status, drafts=drafts, may_submit=may_submit, upload_limit_bytes=limit, **shown
    )


def _view(desk: Desk, job_id: str) -> JobView:
    with desk.look() as (uow, eyes, stock):
        whole = report.job(uow, job_id)
        reasons: list[dict[str, object]] = []
        if whole.claim is not None and show_jobs.is_explained(whole):
            weight_g = use.analysis_of(whole.job.program).filament_g
            reasons = planner.explain(uow, whole.claim, weight_g=weight_g, knows=eyes.knows)
        return show_jobs.page(eyes, whole, desk.wires, stock, f"/jobs/{job_id}/file", reasons)


@get("/jobs/{job_id:str}", access=Access.SIGNED_IN, include_in_schema=False, sync_to_thread=True)
def show(request: AnyRequest, job_id: FromPath[str]) -> Response[str]:
    desk = desk_of(request)
    view = _view(desk, job_id)
    if view.card.state == "draft":
        return go(request, f"/jobs#draft-{job_id}")
    return desk.page("job.html", job=view, can_decide=_can_decide(desk, view))


def _can_decide(desk: Desk, view: JobView) -> bool:
    return view.card.state == "review" and allows(desk.actor, Right.OPERATE)


@get("/jobs/{job_id:str}/live", access=Access.SIGNED_IN, include_in_schema=False, sync_to_thread=True)
def show_live(request: AnyRequest, job_id: FromPath[str]) -> Response[str]:
    return job_live(desk_of(request), job_id)


def job_live(desk: Desk, job_id: str) -> Response[str]:
    """What changes while the job is made. Runs in a thread."""
    return desk.fragment("partials/job_live.html", job=_view(desk, job_id))


@get("/jobs/{job_id:str}/row", access=Access.SIGNED_IN, include_in_schema=False, sync_to_thread=True)
def show_row(request: AnyRequest, job_id: FromPath[str]) -> Response[str]:
    return _row(desk_of(request), job_id)


def _row(desk: Desk, job_id: str) -> Response[str]:
    with desk.look() as (uow, eyes, stock):
        card = show_jobs.card(eyes, report.job(uow, job_id), desk.wires, stock)
    return desk.fragment("partials/job_row.html", job=card)


@post("/jobs/{job_id:str}/cancel", access=Right.SUBMIT, include_in_schema=False)
async def cancel(request: AnyRequest, job_id: FromPath[str]) -> Response[str]:
    """Wherever it stands. A machine that runs is asked to stop; the job says so until it has."""
    desk = desk_of(request)
    await in_thread(cancel_job, desk.intake, desk.dispatcher, desk.actor, job_id)
    if not desk.is_fragment:
        return go(request, f"/jobs/{job_id}")
    return await in_thread(_row, desk, job_id)


@post("/jobs/{job_id:str}/decide", access=Right.OPERATE, include_in_schema=False)
async def decide(request: AnyRequest, job_id: FromPath[str]) -> Response[str]:
    """The staff's answer to a job in review; a yes finds its place in the plan at once."""
    desk = desk_of(request)
    form = await form_of(request)
    accept = form.get("answer") == "yes"
    await in_thread(desk.intake.decide, desk.actor, job_id, accept, form.get("why", "").strip()[:300])
    if accept:
        await in_thread(desk.dispatcher.replan)
    return go(request, f"/jobs/{job_id}")


@get("/thumbnails/{job_id:str}", access=Access.SIGNED_IN, include_in_schema=False, sync_to_thread=True)
def show_thumbnail(request: AnyRequest, job_id: FromPath[str]) -> Response[bytes]:
    """By the job, not by its content: who may see the job may see the picture."""
    desk = desk_of(request)
    path = desk.parts.store.thumbnail(_job(desk, job_id).program_sha256)
    if path is None or path.suffix not in PICTURES:
        raise NotFound
    return Response(
        path.read_bytes(),
        media_type=PICTURES[path.suffix],
        headers={"Cache-Control": "private, max-age=86400", "Vary": "Cookie"},
    )


@get("/jobs/{job_id:str}/file", access=Access.SIGNED_IN, include_in_schema=False, sync_to_thread=True)
def download(request: AnyRequest, job_id: FromPath[str]) -> File:
    """As an attachment and as nothing a browser would run, whatever is in it."""
    desk = desk_of(request)
    job = _job(desk, job_id)
    return File(
        path=desk.parts.store.path(job.program_sha256),
        filename=job.file_name,
        media_type="application/octet-stream",
        content_disposition_type="attachment",
    )


def _job(desk: Desk, job_id: str) -> Job:
    with desk.database.read(desk.actor) as uow:
        return use.may_see(uow, job_id)


ROUTES = (show_mine, show, show_live, show_row, cancel, decide, show_thumbnail, download)
