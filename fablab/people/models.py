"""Who they are: members, organisations, projects, certifications, and the keys they hold."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column, relationship, validates

from fablab.base.database import Base
from fablab.places.models import Technology, words


def folded(name: str) -> str:
    """As people look for it: without capitals and accents."""
    plain = unicodedata.normalize("NFKD", name.casefold())
    return "".join(c for c in plain if not unicodedata.combining(c))[:200]


class Role(StrEnum):
    """What a member may do in the house; each role's rights stand in `people.access.RIGHTS`."""

    MAKER = "maker"
    TEACHER = "teacher"
    PARTNER = "partner"  # runs a part of the house, where they speak for the organisation whose part it is
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


class MemberState(StrEnum):
    """How far somebody is a member; only the active may sign in."""

    UNCONFIRMED = "unconfirmed"  # signed up; the link sent to the address was not followed yet
    WAITING = "waiting"  # the address is theirs; the staff has to say yes
    ACTIVE = "active"
    SUSPENDED = "suspended"
    LEFT = "left"


#: Whether approval is asked at all is the house's rule (`SignUp`); without it `confirm` is followed by `approve`.
MEMBER_STEPS: Mapping[tuple[MemberState, str], MemberState] = {
    (MemberState.UNCONFIRMED, "confirm"): MemberState.WAITING,
    (MemberState.UNCONFIRMED, "refuse"): MemberState.LEFT,
    (MemberState.WAITING, "approve"): MemberState.ACTIVE,
    (MemberState.WAITING, "refuse"): MemberState.LEFT,
    (MemberState.ACTIVE, "suspend"): MemberState.SUSPENDED,
    (MemberState.ACTIVE, "leave"): MemberState.LEFT,
    (MemberState.SUSPENDED, "reactivate"): MemberState.ACTIVE,
    (MemberState.SUSPENDED, "leave"): MemberState.LEFT,
    (MemberState.LEFT, "reactivate"): MemberState.ACTIVE,
}


class SignUp(StrEnum):
    """Who may make an account by themselves."""

    CLOSED = "closed"  # nobody: the staff does it, or an invitation
    APPROVAL = "approval"  # anybody with an e-mail; the staff says yes
    OPEN = "open"  # anybody with an e-mail


class Seat(StrEnum):
    """What somebody is in an organisation."""

    MEMBER = "member"
    MANAGER = "manager"  # invites and removes others, and sees who is there


class KeyPurpose(StrEnum):
    """What a one-time link does."""

    CONFIRM = "confirm"  # the address of a new member, who then chooses a password
    PASSWORD = "password"  # noqa: S105 - a lost one
    EMAIL = "email"  # a member's new address


class InvitationKind(StrEnum):
    LAB = "lab"
    ORGANISATION = "organisation"
    PROJECT = "project"


class InvitationState(StrEnum):
    OPEN = "open"  # until it expires
    ACCEPTED = "accepted"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"


INVITATION_STEPS: Mapping[tuple[InvitationState, str], InvitationState] = {
    (InvitationState.OPEN, "accept"): InvitationState.ACCEPTED,
    (InvitationState.OPEN, "decline"): InvitationState.DECLINED,
    (InvitationState.OPEN, "withdraw"): InvitationState.WITHDRAWN,
}


class ConsentKind(StrEnum):
    """What a parent says yes to; what was never asked is no."""

    MEMBERSHIP = "membership"  # a child under fifteen is a member, and what that takes is kept about them
    IMAGE = "image"  # pictures of the child may be shown


class DocumentKind(StrEnum):
    """What a supporting document shows."""

    IDENTITY = "identity"
    STUDENT = "student"
    INSURANCE = "insurance"
    CONSENT = "consent"
    ORGANISATION = "organisation"
    OTHER = "other"


class DocumentState(StrEnum):
    WAITING = "waiting"
    ACCEPTED = "accepted"
    REFUSED = "refused"


DOCUMENT_STEPS: Mapping[tuple[DocumentState, str], DocumentState] = {
    (DocumentState.WAITING, "accept"): DocumentState.ACCEPTED,
    (DocumentState.WAITING, "refuse"): DocumentState.REFUSED,
    (DocumentState.ACCEPTED, "refuse"): DocumentState.REFUSED,
    (DocumentState.REFUSED, "accept"): DocumentState.ACCEPTED,
}


class PeopleRules(Base):
    """The house's settings for members: one row, or none for the defaults."""

    __tablename__ = "people_rules"

    id: Mapped[int] = mapped_column(primary_key=True)
    sign_up: Mapped[SignUp] = mapped_column(words(SignUp, "sign_up"))
    set_at: Mapped[datetime]


class Organisation(Base):
    __tablename__ = "organisations"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    audience: Mapped[Audience] = mapped_column(words(Audience, "audience"))
    siret: Mapped[str | None] = mapped_column(String(14))
    uai: Mapped[str | None] = mapped_column(String(8))
    closed_at: Mapped[datetime | None]


class OrganisationMember(Base):
    __tablename__ = "organisation_members"

    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), primary_key=True, index=True)
    seat: Mapped[Seat] = mapped_column(words(Seat, "seat"))
    since: Mapped[datetime]

    organisation: Mapped[Organisation] = relationship(lazy="joined")
    member: Mapped[Member] = relationship(lazy="joined")


class Member(Base):
    """`parent_id`: who answers for them and acts for them; a child needs neither e-mail nor password.
    `sort_name` follows the name: what lists are sorted and searched by."""

    __tablename__ = "members"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str | None] = mapped_column(String(254), unique=True)
    name: Mapped[str] = mapped_column(String(120))
    sort_name: Mapped[str] = mapped_column(String(200), default="")
    role: Mapped[Role] = mapped_column(words(Role, "role"))
    audience: Mapped[Audience] = mapped_column(words(Audience, "audience"))
    language: Mapped[str] = mapped_column(String(5), default="fr")
    password_hash: Mapped[str | None] = mapped_column(String(200))
    state: Mapped[MemberState] = mapped_column(words(MemberState, "member_state"), default=MemberState.ACTIVE)
    created_at: Mapped[datetime]
    born_on: Mapped[date | None]
    phone: Mapped[str | None] = mapped_column(String(20))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"), index=True)

    __table_args__ = (Index("ix_members_state_name", "state", "sort_name"),)

    @validates("name")
    def _keep_sort_name(self, _key: str, name: str) -> str:
        self.sort_name = folded(name)
        return name

    @hybrid_property
    def active(self) -> bool:
        """Read only; in a query, a condition on the state."""
        return self.state is MemberState.ACTIVE

    @active.inplace.expression
    @classmethod
    def _active_expression(cls) -> ColumnElement[bool]:
        return cls.state == MemberState.ACTIVE


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
    revoked_by_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    revoked_why: Mapped[str] = mapped_column(String(300), default="")
    renewed_at: Mapped[datetime | None]  # when its time last began anew
    reminded_at: Mapped[datetime | None]  # of this end; a renewal forgets it
    session_id: Mapped[str | None] = mapped_column(String(16))  # the training that granted it

    __table_args__ = (UniqueConstraint("member_id", "technology", "resource_id", "level", "granted_at"),)


class Login(Base):
    """A signed-in browser. Only the hash of its token is kept; the token itself lives in the cookie.

    `address`: the key under which the peer is counted (a whole /64 of IPv6). `provider`: who said who it is; None for
    a password. `confirmed_at`: when they last gave all that signing in takes.
    """

    __tablename__ = "logins"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), index=True)
    csrf: Mapped[str] = mapped_column(String(64))
    agent: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    address: Mapped[str] = mapped_column(String(64), default="")
    provider: Mapped[str | None] = mapped_column(String(40))
    confirmed_at: Mapped[datetime | None]

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


class OneTimeKey(Base):
    """A link that works once, until it expires; its hash only. `email`: the address it was sent to."""

    __tablename__ = "one_time_keys"

    id: Mapped[int] = mapped_column(primary_key=True)
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    purpose: Mapped[KeyPurpose] = mapped_column(words(KeyPurpose, "key_purpose"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), index=True)
    email: Mapped[str] = mapped_column(String(254))
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]

    member: Mapped[Member] = relationship(lazy="joined")


class Invitation(Base):
    """To the lab, an organisation or a project, by a link that works once; its hash only."""

    __tablename__ = "invitations"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[InvitationKind] = mapped_column(words(InvitationKind, "invitation_kind"))
    state: Mapped[InvitationState] = mapped_column(words(InvitationState, "invitation_state"))
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    email: Mapped[str] = mapped_column(String(254), index=True)
    organisation_id: Mapped[int | None] = mapped_column(ForeignKey("organisations.id"), index=True)
    project_id: Mapped[int | None] = mapped_column(ForeignKey("projects.id"), index=True)
    invited_by_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    answered_by_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))

    organisation: Mapped[Organisation | None] = relationship(lazy="joined")
    project: Mapped[Project | None] = relationship(lazy="joined")
    invited_by: Mapped[Member | None] = relationship(foreign_keys=[invited_by_id], lazy="joined")


class Consent(Base):
    """A parent's yes, with its date. `said_by`: the parent's name as it stood then, also of one without an account."""

    __tablename__ = "consents"

    id: Mapped[int] = mapped_column(primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), index=True)
    kind: Mapped[ConsentKind] = mapped_column(words(ConsentKind, "consent_kind"))
    said_by: Mapped[str] = mapped_column(String(120))
    recorded_by_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    given_at: Mapped[datetime]
    expires_on: Mapped[date | None]
    withdrawn_at: Mapped[datetime | None]


class MemberDocument(Base):
    """A supporting document; the file itself lies under the data folder by its SHA-256. `expires_on`: its last day."""

    __tablename__ = "member_documents"

    id: Mapped[int] = mapped_column(primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), index=True)
    kind: Mapped[DocumentKind] = mapped_column(words(DocumentKind, "document_kind"))
    state: Mapped[DocumentState] = mapped_column(words(DocumentState, "document_state"), index=True)
    file_name: Mapped[str] = mapped_column(String(200))
    media_type: Mapped[str] = mapped_column(String(40))
    size_bytes: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    sent_at: Mapped[datetime]
    sent_by_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    decided_at: Mapped[datetime | None]
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    reason: Mapped[str] = mapped_column(String(300))
    expires_on: Mapped[date | None]

    member: Mapped[Member] = relationship(foreign_keys=[member_id], lazy="joined")
