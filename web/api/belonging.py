"""What people belong to, as JSON: projects, organisations, invitations."""

from __future__ import annotations

import msgspec
from litestar import delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from fablab.base.database import Database, UnitOfWork
from fablab.base.errors import NotFound
from fablab.people import invitations, organisations, projects
from fablab.people.access import Right, SignedIn
from fablab.people.models import Audience, Invitation, ProjectKind, Seat
from fablab.people.organisations import Firm
from web.api.members_schema import (
    InvitationOut,
    OrganisationOut,
    ProjectOut,
    SeatOut,
    invitation_out,
    organisation_out,
    project_out,
    seat_out,
)
from web.security import Access


class ProjectIn(msgspec.Struct, frozen=True, kw_only=True):
    """`for_member`: whom the staff, or a parent, begins it for."""

    name: str
    kind: ProjectKind
    organisation: int | None = None
    for_member: int | None = None


class FirmIn(msgspec.Struct, frozen=True, kw_only=True):
    """`siret`: 14 digits with Luhn's check; `uai`: 7 digits and their letter; empty for none."""

    name: str
    audience: Audience
    siret: str = ""
    uai: str = ""


class SeatIn(msgspec.Struct, frozen=True, kw_only=True):
    member: int
    seat: Seat = Seat.MEMBER


class InviteIn(msgspec.Struct, frozen=True, kw_only=True):
    """To a project, an organisation, or with neither to the lab (staff)."""

    email: str
    project: int | None = None
    organisation: int | None = None
    language: str = "fr"


@get("/projects", access=Access.SIGNED_IN, sync_to_thread=True, tags=["people"])
def my_projects(
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    closed: FromQuery[bool] = False,
) -> tuple[ProjectOut, ...]:
    with database.read(signed_in.actor) as uow:
        return tuple(map(project_out, projects.projects_of(uow, signed_in.member_id, closed=closed)))


@post("/projects", access=Access.IN_PERSON, sync_to_thread=True, tags=["people"])
def begin_project(
    data: JSONBody[ProjectIn], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> ProjectOut:
    def work(uow: UnitOfWork) -> ProjectOut:
        row = projects.create(
            uow,
            name=data.name[:400],
            kind=data.kind,
            organisation_id=data.organisation,
            for_member_id=data.for_member,
        )
        return project_out(row)

    return database.write(work, signed_in.actor)


@put("/projects/{row_id:int}", access=Access.IN_PERSON, sync_to_thread=True, tags=["people"])
def edit_project(
    row_id: FromPath[int],
    data: JSONBody[ProjectIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> ProjectOut:
    def work(uow: UnitOfWork) -> ProjectOut:
        return project_out(
            projects.edit(
                uow, row_id, name=data.name[:400], kind=data.kind, organisation_id=data.organisation
            )
        )

    return database.write(work, signed_in.actor)


@post(
    "/projects/{row_id:int}/{name:str}",
    access=Access.IN_PERSON,
    sync_to_thread=True,
    status_code=200,
    tags=["people"],
)
def step_project(
    row_id: FromPath[int],
    name: FromPath[str],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    member: FromQuery[int] = 0,
) -> ProjectOut:
    """`close`, `reopen`, `leave` (with `member`: take somebody out), `hand-over` (to `member`)."""

    def work(uow: UnitOfWork) -> ProjectOut:
        row = projects.seen(uow, row_id)
        if name == "close":
            projects.close(uow, row_id)
        elif name == "reopen":
            projects.reopen(uow, row_id)
        elif name == "leave":
            projects.leave(uow, row_id, member or None)
        elif name == "hand-over" and member:
            projects.hand_over(uow, row_id, member)
        else:
            raise NotFound
        return project_out(row)

    return database.write(work, signed_in.actor)


@get("/organisations", access=Right.SEE_ALL, sync_to_thread=True, tags=["people"])
def all_organisations(
    database: NamedDependency[Database], signed_in: NamedDependency[SignedIn], q: FromQuery[str] = ""
) -> tuple[OrganisationOut, ...]:
    with database.read(signed_in.actor) as uow:
        return tuple(organisation_out(row) for row, _ in organisations.everyone(uow, q[:120]))


@post("/organisations", access=Right.OPERATE, sync_to_thread=True, tags=["people"])
def add_organisation(
    data: JSONBody[FirmIn], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> OrganisationOut:
    return organisation_out(
        database.write(lambda uow: organisations.create(uow, _firm(data)), signed_in.actor)
    )


@put("/organisations/{row_id:int}", access=Access.IN_PERSON, sync_to_thread=True, tags=["people"])
def edit_organisation(
    row_id: FromPath[int],
    data: JSONBody[FirmIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> OrganisationOut:
    """By the staff, or by whoever speaks for it."""
    return organisation_out(
        database.write(lambda uow: organisations.edit(uow, row_id, _firm(data)), signed_in.actor)
    )


def _firm(data: FirmIn) -> Firm:
    return Firm(name=data.name[:400], audience=data.audience, siret=data.siret[:60], uai=data.uai[:60])


@get("/organisations/{row_id:int}/people", access=Access.SIGNED_IN, sync_to_thread=True, tags=["people"])
def who_belongs(
    row_id: FromPath[int], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> tuple[SeatOut, ...]:
    with database.read(signed_in.actor) as uow:
        organisations.seen(uow, row_id)
        return tuple(seat_out(row, row.member.name) for row in organisations.people_in(uow, row_id))


@post(
    "/organisations/{row_id:int}/people",
    access=Access.IN_PERSON,
    sync_to_thread=True,
    status_code=204,
    tags=["people"],
)
def put_in_organisation(
    row_id: FromPath[int],
    data: JSONBody[SeatIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> None:
    """Somebody new by the staff; the seat of somebody who is there also by whoever speaks for it."""

    def work(uow: UnitOfWork) -> None:
        if any(row.member_id == data.member for row in organisations.people_in(uow, row_id)):
            organisations.set_seat(uow, row_id, data.member, data.seat)
        else:
            organisations.add(uow, row_id, data.member, data.seat)

    database.write(work, signed_in.actor)


@delete(
    "/organisations/{row_id:int}/people/{member_id:int}",
    access=Access.IN_PERSON,
    sync_to_thread=True,
    tags=["people"],
)
def leave_organisation(
    row_id: FromPath[int],
    member_id: FromPath[int],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> None:
    database.write(lambda uow: organisations.leave(uow, row_id, member_id), signed_in.actor)


@post("/invitations", access=Access.IN_PERSON, sync_to_thread=True, tags=["people"])
def invite(
    data: JSONBody[InviteIn], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> InvitationOut:
    email, language = data.email[:300], data.language[:2]

    def work(uow: UnitOfWork) -> Invitation:
        if data.project is not None:
            return invitations.to_project(uow, data.project, email, language)
        if data.organisation is not None:
            return invitations.to_organisation(uow, data.organisation, email, language)
        return invitations.to_lab(uow, email, language)

    return invitation_out(database.write(work, signed_in.actor))


@post(
    "/invitations/{row_id:int}/{name:str}",
    access=Access.IN_PERSON,
    sync_to_thread=True,
    status_code=200,
    tags=["people"],
)
def answer(
    row_id: FromPath[int],
    name: FromPath[str],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
) -> InvitationOut:
    """`accept`, `decline` by whom it was sent to; `withdraw` by who leads what it invites to."""

    def work(uow: UnitOfWork) -> Invitation:
        if name == "withdraw":
            return invitations.withdraw(uow, row_id)
        return invitations.answer(uow, row_id, name[:20])

    return invitation_out(database.write(work, signed_in.actor))


ROUTES = (
    my_projects,
    begin_project,
    edit_project,
    step_project,
    all_organisations,
    add_organisation,
    edit_organisation,
    who_belongs,
    put_in_organisation,
    leave_organisation,
    invite,
    answer,
)
