"""Who they are: members, organisations, projects, certifications, and the keys they hold."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from fablab.base.database import Base
from fablab.places.models import Technology, words


class Role(StrEnum):
    """What a member may do in the house; each role's rights stand in `people.access.RIGHTS`."""

    MAKER = "maker"
    TEACHER = "teacher"
    PARTNER = "partner"  # reads, changes nothing
    MEDIATOR = "mediator"
    STAFF = "staff"
    ADMIN = "admin"


class Audience(StrEnum):
    """Whom it is for; prices and reports depend on it, so it is frozen on every claim."""

    SCHOOL = "school"
    STUDENT = "student"
    PROFESSIONAL = "professional"
    PERSONAL = "personal"
    ASSOCIATION = "association"
    PUBLIC_BODY = "public_body"


class ProjectKind(StrEnum):
    EDUCATIONAL = "educational"
    PROFESSIONAL = "professional"
    PERSONAL = "personal"


class CertificationLevel(StrEnum):
    USER = "user"
    TRAINER = "trainer"
    MAINTENANCE = "maintenance"


class Organisation(Base):
    __tablename__ = "organisations"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    audience: Mapped[Audience] = mapped_column(words(Audience, "audience"))
    siret: Mapped[str | None] = mapped_column(String(14))
    uai: Mapped[str | None] = mapped_column(String(8))


class Member(Base):
    __tablename__ = "members"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str | None] = mapped_column(String(254), unique=True)
    name: Mapped[str] = mapped_column(String(120))
    role: Mapped[Role] = mapped_column(words(Role, "role"))
    audience: Mapped[Audience] = mapped_column(words(Audience, "audience"))
    organisation_id: Mapped[int | None] = mapped_column(ForeignKey("organisations.id"))
    language: Mapped[str] = mapped_column(String(5), default="fr")
    password_hash: Mapped[str | None] = mapped_column(String(200))
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]


class Project(Base):
    __tablename__ = "projects"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(160))
    kind: Mapped[ProjectKind] = mapped_column(words(ProjectKind, "project_kind"))
    owner_id: Mapped[int] = mapped_column(ForeignKey("members.id"), index=True)
    organisation_id: Mapped[int | None] = mapped_column(ForeignKey("organisations.id"))
    funder: Mapped[str | None] = mapped_column(String(160))
    created_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]

    owner: Mapped[Member] = relationship(lazy="joined")
    organisation: Mapped[Organisation | None] = relationship(lazy="joined")


class ProjectMember(Base):
    __tablename__ = "project_members"

    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), primary_key=True, index=True)


class Certification(Base):
    """Leave to use a technology (or one machine) alone, until it expires or is revoked."""

    __tablename__ = "certifications"

    id: Mapped[int] = mapped_column(primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), index=True)
    technology: Mapped[Technology] = mapped_column(words(Technology, "technology"))
    resource_id: Mapped[int | None] = mapped_column(ForeignKey("resources.id"))
    level: Mapped[CertificationLevel] = mapped_column(words(CertificationLevel, "certification_level"))
    granted_at: Mapped[datetime]
    granted_by_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

    __table_args__ = (UniqueConstraint("member_id", "technology", "resource_id", "level", "granted_at"),)


class Login(Base):
    """A signed-in browser. Only the hash of its token is kept; the token itself lives in the cookie."""

    __tablename__ = "logins"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), index=True)
    csrf: Mapped[str] = mapped_column(String(64))
    agent: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)

    member: Mapped[Member] = relationship(lazy="joined")


class LoginTry(Base):
    """A failed sign-in, kept for an hour to slow the next one down. `key` is a hash of the address or the e-mail."""

    __tablename__ = "login_tries"

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime]

    __table_args__ = (Index("ix_login_tries_key_at", "key", "at"),)


class ApiToken(Base):
    """A bearer token with scopes; its hash only. `scopes` is a space-separated list of `people.access.Scope` words."""

    __tablename__ = "api_tokens"

    id: Mapped[int] = mapped_column(primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), index=True)
    name: Mapped[str] = mapped_column(String(80))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

    member: Mapped[Member] = relationship(lazy="joined")
