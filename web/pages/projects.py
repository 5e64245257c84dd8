"""Projects: one's own list, and the page of one: who is in it, for whom it is, invitations, closing."""

from __future__ import annotations

from collections.abc import Callable

from litestar import Response, get, post
from litestar.params import FromPath

from fablab.base.database import UnitOfWork
from fablab.base.errors import NotFound
from fablab.people import invitations, organisations, projects
from fablab.people.access import Right, allows
from fablab.people.models import ProjectKind
from web.pages import show_member
from web.pages.eyes import Eyes
from web.pages.people_forms import (
    Form,
    Show,
    change,
    done_in,
    maybe_number_in,
    number_in,
    one_of,
    options,
)
from web.pages.people_model import Option, ProjectView, Trouble
from web.pages.shell import AnyRequest, Desk, desk_of
from web.security import Access

LIST = "/projects"


@get(LIST, access=Access.IN_PERSON, include_in_schema=False, sync_to_thread=True)
def show_list(request: AnyRequest) -> Response[str]:
    return _list(desk_of(request), None)


def _list(desk: Desk, wrong: Trouble | None) -> Response[str]:
    me = desk.signed_in.member_id
    with desk.look() as (uow, eyes, _):
        found = {
            closed: tuple(
                show_member.project_row(eyes, row, me) for row in projects.projects_of(uow, me, closed=closed)
            )
            for closed in (False, True)
        }
        firms = _firms(uow, me)
    return desk.page(
        "projects.html",
        status=422 if wrong else 200,
        rows=found[False],
        closed=found[True],
        trouble=wrong,
        kinds=options(desk.words, ProjectKind, "project_kind"),
        organisations=firms,
        flashes=done_in(desk.request, desk.words),
    )


def _firms(uow: UnitOfWork, member_id: int) -> tuple[Option, ...]:
    """Where a project's owner belongs: who may pay for it."""
    seats = organisations.seats_of(uow, member_id)
    return tuple(Option(value=str(each.organisation_id), label=each.organisation.name) for each in seats)


@post(LIST, access=Access.IN_PERSON, include_in_schema=False)
async def create(request: AnyRequest) -> Response[str]:
    def work(uow: UnitOfWork, form: Form) -> object:
        return projects.create(
            uow,
            name=form.get("name", "")[:400],
            kind=one_of(ProjectKind, form, "kind"),
            organisation_id=maybe_number_in(form, "organisation"),
        ).id

    return await change(request, "new", work, _list, lambda made: f"/projects/{made}", "saved")


@get("/projects/{row_id:int}", access=Access.IN_PERSON, include_in_schema=False, sync_to_thread=True)
def show(request: AnyRequest, row_id: FromPath[int]) -> Response[str]:
    return _show_of(row_id)(desk_of(request), None)


def _show_of(row_id: int) -> Show:
    def draw(desk: Desk, wrong: Trouble | None) -> Response[str]:
        with desk.look() as (uow, eyes, _):
            view = _view(uow, eyes, row_id)
        return desk.page(
            "project.html",
            status=422 if wrong else 200,
            view=view,
            trouble=wrong,
            kinds=options(desk.words, ProjectKind, "project_kind"),
            flashes=done_in(desk.request, desk.words),
        )

    return draw


def _view(uow: UnitOfWork, eyes: Eyes, row_id: int) -> ProjectView:
    row = projects.seen(uow, row_id)
    leads, me = projects.leads(uow, row), eyes.actor.member_id
    people = projects.people_in(uow, row)
    can = ("hand_over", "remove") if leads and row.closed_at is None else ()
    firms = list(_firms(uow, row.owner_id)) if leads else []
    if row.organisation is not None and str(row.organisation_id) not in {each.value for each in firms}:
        firms.append(Option(value=str(row.organisation_id), label=row.organisation.name))
    return ProjectView(
        id=row.id,
        me=me,
        name=row.name,
        kind=row.kind.value,
        kind_word=eyes.words.word("project_kind", row.kind),
        organisation=row.organisation.name if row.organisation is not None else "",
        organisation_id=str(row.organisation_id or ""),
        is_closed=row.closed_at is not None,
        leads=leads,
        is_in=any(each.id == me for each in people),
        is_staff=allows(eyes.actor, Right.OPERATE),
        owner=show_member.person(eyes, row.owner),
        people=tuple(show_member.person(eyes, each, can=can) for each in people),
        invitations=tuple(
            show_member.sent_invitation(eyes, each) for each in invitations.sent(uow, project_id=row_id)
        )
        if leads
        else (),
        organisations=tuple(firms),
    )


@post("/projects/{row_id:int}", access=Access.IN_PERSON, include_in_schema=False)
async def edit(request: AnyRequest, row_id: FromPath[int]) -> Response[str]:
    def work(uow: UnitOfWork, form: Form) -> object:
        return projects.edit(
            uow,
            row_id,
            name=form.get("name", "")[:400],
            kind=one_of(ProjectKind, form, "kind"),
            organisation_id=maybe_number_in(form, "organisation"),
        )

    return await _of(request, row_id, "edit", work, "saved")


@post("/projects/{row_id:int}/invitations", access=Access.IN_PERSON, include_in_schema=False)
async def invite(request: AnyRequest, row_id: FromPath[int]) -> Response[str]:
    language = desk_of(request).words.language

    def work(uow: UnitOfWork, form: Form) -> object:
        return invitations.to_project(uow, row_id, form.get("email", "")[:300], language)

    return await _of(request, row_id, "invite", work, "invited")


@post("/projects/{row_id:int}/people", access=Right.OPERATE, include_in_schema=False)
async def add(request: AnyRequest, row_id: FromPath[int]) -> Response[str]:
    def work(uow: UnitOfWork, form: Form) -> None:
        projects.add(uow, row_id, number_in(form, "member"))

    return await _of(request, row_id, "add", work, "saved")


@post(
    "/projects/{row_id:int}/people/{member_id:int}/{name:str}",
    access=Access.IN_PERSON,
    include_in_schema=False,
)
async def change_place(
    request: AnyRequest, row_id: FromPath[int], member_id: FromPath[int], name: FromPath[str]
) -> Response[str]:
    """`remove`, `hand_over` or, of oneself, `leave`."""

    def work(uow: UnitOfWork, _form: Form) -> None:
        if name == "hand_over":
            projects.hand_over(uow, row_id, member_id)
        else:
            projects.leave(uow, row_id, member_id)

    if name not in ("remove", "hand_over", "leave"):
        raise NotFound
    if name == "leave":
        return await change(request, "people", work, _show_of(row_id), LIST, "saved")
    return await _of(request, row_id, "people", work, "saved")


@post("/projects/{row_id:int}/close", access=Access.IN_PERSON, include_in_schema=False)
async def close(request: AnyRequest, row_id: FromPath[int]) -> Response[str]:
    return await _of(request, row_id, "edit", lambda uow, _form: projects.close(uow, row_id), "closed")


@post("/projects/{row_id:int}/reopen", access=Access.IN_PERSON, include_in_schema=False)
async def reopen(request: AnyRequest, row_id: FromPath[int]) -> Response[str]:
    return await _of(request, row_id, "edit", lambda uow, _form: projects.reopen(uow, row_id), "saved")


async def _of(
    request: AnyRequest, row_id: int, name: str, work: Callable[[UnitOfWork, Form], object], done: str
) -> Response[str]:
    return await change(request, name, work, _show_of(row_id), f"/projects/{row_id}", done)


ROUTES = (show_list, create, show, edit, invite, add, change_place, close, reopen)
