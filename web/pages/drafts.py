"""Drafts: a file dropped on the page, read while a bar says how far, then its form and its offer, then a job."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath

from fablab.base.errors import Invalid, LabError, NotFound, Refused
from fablab.claims.jobs import use as jobs
from fablab.claims.jobs.models import Job, JobState
from fablab.claims.jobs.use import Wishes
from fablab.people import members
from fablab.places import house
from scheduler.intake import Preview
from web.pages import show_draft
from web.pages.model import DraftView, DraftWord, OfferView
from web.pages.shell import AnyRequest, Desk, desk_of, form_of, go, html, in_thread
from web.pages.show_draft import Filled, fill
from web.pages.tickets import PREFIX, Ticket, Tickets
from web.security import Access, Pace, Right
from web.uploads import Uploads

DRAFT = "partials/draft.html"


def tickets_of(desk: Desk) -> Tickets:
    """Made when first needed; every request of one server shares it."""
    state = desk.request.app.state
    if "tickets" not in state.dict():
        state.tickets = Tickets(desk.intake, desk.parts.clock)
    found: Tickets = state.tickets
    return found


@post(
    "/drafts",
    access=Right.SUBMIT,
    pace=Pace.UPLOAD,
    csrf="stream",
    request_max_body_size=None,  # `web.uploads` counts the bytes of the file itself
    include_in_schema=False,
)
async def drop(request: AnyRequest) -> Response[str]:
    """One file. Answered when its last byte is in, with the draft or with how far its reading is."""
    desk = desk_of(request)
    tickets, uploads = tickets_of(desk), desk.parts.uploads
    try:
        ticket = await _take(desk, tickets, uploads)
    except LabError as error:
        view = show_draft.failed("", desk.words.error(error))
        return await in_thread(_sent_back, desk, view)
    if not desk.is_fragment:
        return go(request, "/jobs")
    status = 422 if ticket.state is DraftWord.FAILED else 200
    return desk.fragment(DRAFT, draft=await in_thread(_ticket_view, desk, ticket), status=status)


async def _take(desk: Desk, tickets: Tickets, uploads: Uploads) -> Ticket:
    def work(name: str, pieces: Iterable[bytes]) -> Ticket:
        return tickets.take(desk.actor, name, pieces)

    ticket, _ = await uploads.take(desk.request, work)
    return ticket


def _sent_back(desk: Desk, view: DraftView, status: int = 422) -> Response[str]:
    """A draft with what is wrong: in its place, or without script on the whole page."""
    from web.pages.jobs import my_jobs

    if desk.is_fragment:
        return desk.fragment(DRAFT, draft=view, status=status)
    return my_jobs(desk, status=status, instead=view)


@get("/drafts/{draft_id:str}", access=Access.SIGNED_IN, include_in_schema=False, sync_to_thread=True)
def look(request: AnyRequest, draft_id: FromPath[str]) -> Response[str]:
    desk = desk_of(request)
    if not desk.is_fragment:
        return go(request, "/jobs")
    return desk.fragment(DRAFT, draft=_find(desk, draft_id))


def _find(desk: Desk, draft_id: str) -> DraftView:
    if not draft_id.startswith(PREFIX):
        return _draft_view(desk, draft_id, Filled())
    ticket = tickets_of(desk).find(draft_id, desk.signed_in.member_id)
    if ticket is None:
        said = desk.words.gettext("The server has lost sight of this file. Please drop it again.")
        return show_draft.failed(desk.words.gettext("Your file"), said)
    return _ticket_view(desk, ticket)


def _ticket_view(desk: Desk, ticket: Ticket) -> DraftView:
    if ticket.state is DraftWord.READY:
        return _draft_view(desk, ticket.job_id, Filled())
    if ticket.error is not None:
        said = desk.words.error(ticket.error)
        return show_draft.failed(ticket.name, said, id=ticket.id, size_bytes=ticket.size_bytes)
    return DraftView(
        id=ticket.id,
        name=ticket.name,
        state=DraftWord.ANALYSING,
        size_bytes=ticket.size_bytes,
        fraction=ticket.fraction,
    )


def draft_views(desk: Desk) -> list[DraftView]:
    """Files still being read or refused, then the drafts; newest first. Runs in a thread."""
    with desk.database.read(desk.actor) as uow:
        found = [
            job.id
            for job in jobs.jobs_of(uow, desk.signed_in.member_id, ended=0)
            if job.state is JobState.DRAFT
        ]
    waiting = tickets_of(desk).of(desk.signed_in.member_id)
    return [
        *(_ticket_view(desk, ticket) for ticket in waiting),
        *(_draft_view(desk, job_id, Filled()) for job_id in found),
    ]


def _draft_view(desk: Desk, job_id: str, filled: Filled) -> DraftView:
    """A draft whose wishes cannot be judged is shown as if its form were empty, with what is wrong beside it."""
    try:
        preview, errors = desk.intake.preview(desk.actor, job_id, filled.wishes), {}
    except Invalid as error:
        preview = desk.intake.preview(desk.actor, job_id, Wishes())
        errors = {error.field or "": desk.words.error(error)}
    with desk.look() as (uow, eyes, stock):
        job = _own_draft(jobs.may_see(uow, job_id))
        names = {row.id: row.name for row in house.machines(uow)}
        projects = members.projects_of(uow, job.member_id)
        view = show_draft.draft(eyes, job, preview, filled, projects, stock, names)
    return show_draft.with_errors(view, errors)


def _own_draft(job: Job) -> Job:
    if job.state is not JobState.DRAFT:
        raise NotFound("job.unknown", id=job.id)
    return job


@get("/drafts/{draft_id:str}/quote", access=Access.SIGNED_IN, include_in_schema=False, sync_to_thread=True)
def show_offer(request: AnyRequest, draft_id: FromPath[str]) -> Response[str]:
    """When, where and how much with these choices; nothing is kept."""
    desk = desk_of(request)
    filled = _fill(desk, dict(request.query_params))
    preview = desk.intake.preview(desk.actor, draft_id, filled.wishes)
    return desk.fragment("partials/quote.html", draft_id=draft_id, offer=_offer(desk, preview))


def _offer(desk: Desk, preview: Preview) -> OfferView:
    with desk.look() as (uow, eyes, _):
        names = {row.id: row.name for row in house.machines(uow)}
        return show_draft.offer(eyes, preview, names)


def _fill(desk: Desk, form: Mapping[str, Any]) -> Filled:
    return fill(form, desk.words.formats.zone)


@post("/drafts/{draft_id:str}/submit", access=Right.SUBMIT, include_in_schema=False)
async def submit(request: AnyRequest, draft_id: FromPath[str]) -> Response[str]:
    """A job with its place held; or the same draft again, as it was filled in, with what stands against it."""
    desk = desk_of(request)
    filled = _fill(desk, await form_of(request))
    if filled.errors:
        return await in_thread(_refuse, desk, draft_id, filled, {})
    try:
        await in_thread(desk.intake.submit, desk.actor, draft_id, filled.wishes)
    except Refused:
        return await in_thread(_refuse, desk, draft_id, filled, {})
    except Invalid as error:
        return await in_thread(_refuse, desk, draft_id, filled, {error.field or "": desk.words.error(error)})
    return go(request, f"/jobs/{draft_id}")


def _refuse(desk: Desk, draft_id: str, filled: Filled, errors: Mapping[str, str]) -> Response[str]:
    view = show_draft.with_errors(_draft_view(desk, draft_id, filled), errors)
    return _sent_back(desk, view)


@post("/drafts/{draft_id:str}/discard", access=Right.SUBMIT, include_in_schema=False)
async def discard(request: AnyRequest, draft_id: FromPath[str]) -> Response[str]:
    desk = desk_of(request)
    await in_thread(_discard, desk, draft_id)
    return html(request, "") if desk.is_fragment else go(request, "/jobs")


def _discard(desk: Desk, draft_id: str) -> None:
    if draft_id.startswith(PREFIX):
        tickets = tickets_of(desk)
        ticket = tickets.find(draft_id, desk.signed_in.member_id)
        if ticket is None:
            return
        tickets.drop(ticket)
        draft_id = ticket.job_id
    if draft_id:
        desk.database.write(lambda uow: jobs.cancel(uow, draft_id), desk.actor)


ROUTES = (drop, look, show_offer, submit, discard)
