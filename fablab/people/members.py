"""Members, their projects and their certifications."""

from __future__ import annotations

import re

from sqlalchemy import or_, select
from sqlalchemy.exc import IntegrityError

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, Invalid, NotFound
from fablab.people.access import hash_password
from fablab.people.models import (
    Audience,
    Certification,
    CertificationLevel,
    Member,
    Project,
    ProjectKind,
    ProjectMember,
    Role,
)
from fablab.places.models import Technology

_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,180}\.[^@\s.]{2,}")


def add_member(
    uow: UnitOfWork,
    *,
    name: str,
    role: Role = Role.MAKER,
    audience: Audience = Audience.PERSONAL,
    email: str | None = None,
    password: str | None = None,
    language: str = "fr",
) -> Member:
    """A member without e-mail cannot sign in; staff act for them."""
    name = " ".join(name.split())
    if not name or len(name) > 120:
        raise Invalid("member.name", field="name")
    if email is not None:
        email = email.strip().lower()
        if not _EMAIL.fullmatch(email):
            raise Invalid("member.email", field="email")
    member = Member(
        name=name,
        email=email,
        role=role,
        audience=audience,
        language=language,
        password_hash=hash_password(password) if password is not None else None,
        created_at=uow.now,
    )
    uow.session.add(member)
    try:
        uow.session.flush()
    except IntegrityError as error:
        raise Conflict("member.email_taken") from error
    return member


def member_by_email(uow: UnitOfWork, email: str) -> Member:
    member = uow.session.scalar(select(Member).where(Member.email == email.strip().lower()))
    if member is None:
        raise NotFound("member.unknown")
    return member


def set_language(uow: UnitOfWork, member_id: int, language: str) -> None:
    member = uow.session.get(Member, member_id)
    if member is not None:
        member.language = language


def add_project(uow: UnitOfWork, owner: Member, name: str, kind: ProjectKind) -> Project:
    project = Project(name=name, kind=kind, owner_id=owner.id, created_at=uow.now)
    uow.session.add(project)
    uow.session.flush()
    return project


def projects_of(uow: UnitOfWork, member_id: int) -> list[Project]:
    """Open projects the member owns or belongs to, by name."""
    belongs = select(ProjectMember.project_id).where(ProjectMember.member_id == member_id)
    query = select(Project).where(
        Project.closed_at.is_(None), or_(Project.owner_id == member_id, Project.id.in_(belongs))
    )
    return list(uow.session.scalars(query.order_by(Project.name)).unique())


def project_for(uow: UnitOfWork, project_id: int, member_id: int) -> Project:
    """The project, if this member may put work on it; otherwise it does not exist for them."""
    for project in projects_of(uow, member_id):
        if project.id == project_id:
            return project
    raise Invalid("project.unknown", field="project")


def certify(
    uow: UnitOfWork,
    member: Member,
    technology: Technology,
    level: CertificationLevel = CertificationLevel.USER,
) -> Certification:
    certification = Certification(
        member_id=member.id,
        technology=technology,
        level=level,
        granted_at=uow.now,
        granted_by_id=uow.actor.member_id,
    )
    uow.session.add(certification)
    return certification


def certified_technologies(uow: UnitOfWork, member_id: int) -> tuple[frozenset[Technology], frozenset[int]]:
    """What the member may use alone now: whole technologies, and single machines by resource id."""
    query = select(Certification).where(
        Certification.member_id == member_id,
        Certification.revoked_at.is_(None),
        or_(Certification.expires_at.is_(None), Certification.expires_at > uow.now),
    )
    rows = list(uow.session.scalars(query))
    whole = frozenset(row.technology for row in rows if row.resource_id is None)
    return whole, frozenset(row.resource_id for row in rows if row.resource_id is not None)
