"""Projects: what is being made, who is in it, and who pays."""

from __future__ import annotations

from sqlalchemy import delete, or_, select

from fablab import notices
from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, Forbidden, Invalid, NotFound
from fablab.people import log, standing
from fablab.people.access import Right, allows, require
from fablab.people.models import (
    Invitation,
    InvitationState,
    Member,
    OrganisationMember,
    Project,
    ProjectKind,
    ProjectMember,
)

NAME_LIMIT = 160


def add_project(uow: UnitOfWork, owner: Member, name: str, kind: ProjectKind) -> Project:
    project = Project(name=name, kind=kind, owner_id=owner.id, created_at=uow.now)
    uow.session.add(project)
    uow.session.flush()
    return project


def projects_of(uow: UnitOfWork, member_id: int, *, closed: bool = False) -> list[Project]:
    """The open (or the closed) projects the member owns or belongs to, by name."""
    belongs = select(ProjectMember.project_id).where(ProjectMember.member_id == member_id)
    query = select(Project).where(
        Project.closed_at.is_not(None) if closed else Project.closed_at.is_(None),
        or_(Project.owner_id == member_id, Project.id.in_(belongs)),
    )
    return list(uow.session.scalars(query.order_by(Project.name)).unique())


def project_for(uow: UnitOfWork, project_id: int, member_id: int) -> Project:
    """The project, if this member may put work on it; otherwise it does not exist for them."""
    for project in projects_of(uow, member_id):
        if project.id == project_id:
            return project
    raise Invalid("project.unknown", field="project")


def create(
    uow: UnitOfWork,
    *,
    name: str,
    kind: ProjectKind,
    organisation_id: int | None = None,
    for_member_id: int | None = None,
) -> Project:
    """Raises `Invalid` project.name, project.organisation for one that the owner does not belong to."""
    owner = standing.acting_for(uow, for_member_id, "project.made")
    _check_organisation(uow, owner.id, organisation_id)
    project = add_project(uow, owner, _clean(name), kind)
    project.organisation_id = organisation_id
    uow.session.flush()
    return project


def seen(uow: UnitOfWork, project_id: int) -> Project:
    """For its owner, its members, their parents and whoever sees everything. Otherwise `NotFound`."""
    project = uow.session.get(Project, project_id)
    if project is None or not (allows(uow.actor, Right.SEE_ALL) or _belongs(uow, project)):
        raise NotFound("project.unknown")
    return project


def led(uow: UnitOfWork, project_id: int) -> Project:
    """For whoever may change it: its owner, the owner's parent, the staff. `Forbidden` project.not_yours."""
    project = seen(uow, project_id)
    if not leads(uow, project):
        raise Forbidden("project.not_yours")
    return project


def leads(uow: UnitOfWork, project: Project) -> bool:
    mine = uow.actor.member_id is not None and uow.actor.member_id in (
        project.owner_id,
        project.owner.parent_id,
    )
    return mine or allows(uow.actor, Right.OPERATE)


def edit(
    uow: UnitOfWork, project_id: int, *, name: str, kind: ProjectKind, organisation_id: int | None
) -> Project:
    """What was made until now keeps whom it was for; what comes goes by this."""
    project = _open(led(uow, project_id))
    if organisation_id != project.organisation_id:
        _check_organisation(uow, project.owner_id, organisation_id)
    project.name, project.kind, project.organisation_id = _clean(name), kind, organisation_id
    _note(uow, project, "project.edited")
    uow.session.flush()
    return project


def close(uow: UnitOfWork, project_id: int) -> Project:
    """No new work is put on it; open invitations end. What runs goes on."""
    project = _open(led(uow, project_id))
    project.closed_at = uow.now
    query = select(Invitation).where(
        Invitation.project_id == project.id, Invitation.state == InvitationState.OPEN
    )
    for row in uow.session.scalars(query).unique():
        row.state, row.answered_at = InvitationState.WITHDRAWN, uow.now
    _note(uow, project, "project.closed")
    uow.session.flush()
    return project


def reopen(uow: UnitOfWork, project_id: int) -> Project:
    project = led(uow, project_id)
    project.closed_at = None
    _note(uow, project, "project.reopened")
    uow.session.flush()
    return project


def people_in(uow: UnitOfWork, project: Project) -> list[Member]:
    """Its members, without the owner, by name."""
    query = select(Member).join(ProjectMember, ProjectMember.member_id == Member.id)
    return list(
        uow.session.scalars(query.where(ProjectMember.project_id == project.id).order_by(Member.sort_name))
    )


def put_in(uow: UnitOfWork, project: Project, member: Member) -> None:
    """Once; the owner is in it anyway. Whoever calls has asked whether that may be."""
    _open(project)
    if member.id == project.owner_id or uow.session.get(ProjectMember, (project.id, member.id)) is not None:
        return
    uow.session.add(ProjectMember(project_id=project.id, member_id=member.id))
    uow.session.flush()


def add(uow: UnitOfWork, project_id: int, member_id: int) -> None:
    """By the staff, for somebody who has no e-mail and stands before them; others are invited."""
    require(uow.actor, Right.OPERATE)
    project = led(uow, project_id)
    member = standing.acting_for(uow, member_id, "project.joined", f"project {project.id}")
    put_in(uow, project, member)


def leave(uow: UnitOfWork, project_id: int, member_id: int | None = None) -> None:
    """Oneself, a child, or whom the owner or the staff takes out. Raises `Conflict` project.owner_stays."""
    project = seen(uow, project_id)
    who = uow.actor.member_id if member_id is None else member_id
    if who is None:
        raise NotFound("project.unknown")
    member = standing.get(uow, who)
    if uow.actor.member_id not in (member.id, member.parent_id) and not leads(uow, project):
        raise Forbidden("project.not_yours")
    if who == project.owner_id:
        raise Conflict("project.owner_stays")
    row = ProjectMember.project_id == project.id, ProjectMember.member_id == who
    uow.session.execute(delete(ProjectMember).where(*row))
    if uow.actor.member_id != who:
        log.record(uow, "project.left", for_member_id=who, about=f"project {project.id}")
        notices.tell(uow, who, "project.removed", project=project.name)


def hand_over(uow: UnitOfWork, project_id: int, member_id: int) -> Project:
    """To somebody who is in it; the owner of until now stays a member. Raises `Conflict` project.not_in."""
    project = _open(led(uow, project_id))
    row = uow.session.get(ProjectMember, (project.id, member_id))
    if row is None:
        raise Conflict("project.not_in")
    heir = standing.get(uow, member_id)
    if not heir.active:
        raise Conflict("member.not_active", name=heir.name)
    uow.session.delete(row)
    uow.session.add(ProjectMember(project_id=project.id, member_id=project.owner_id))
    _note(uow, project, "project.handed_over")
    project.owner = heir
    notices.tell(uow, member_id, "project.yours", project=project.name, path=f"/projects/{project.id}")
    uow.session.flush()
    return project


def _belongs(uow: UnitOfWork, project: Project) -> bool:
    me = uow.actor.member_id
    if me is None:
        return uow.actor.role == "system"
    if me in (project.owner_id, project.owner.parent_id):
        return True
    return any(me in (member.id, member.parent_id) for member in people_in(uow, project))


def _open(project: Project) -> Project:
    if project.closed_at is not None:
        raise Conflict("project.closed")
    return project


def _clean(said: str) -> str:
    name = " ".join(said.split())
    if not name or len(name) > NAME_LIMIT or not name.isprintable():
        raise Invalid("project.name", field="name", most=NAME_LIMIT)
    return name


def _check_organisation(uow: UnitOfWork, owner_id: int, organisation_id: int | None) -> None:
    if organisation_id is None:
        return
    if uow.session.get(OrganisationMember, (organisation_id, owner_id)) is None:
        raise Invalid("project.organisation", field="organisation")


def _note(uow: UnitOfWork, project: Project, code: str) -> None:
    if uow.actor.member_id != project.owner_id:
        log.record(uow, code, for_member_id=project.owner_id, about=f"project {project.id}")
