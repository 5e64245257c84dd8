"""Members: who they are, what they say of themselves, and how the staff finds them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import ColumnElement, and_, delete, func, or_, select
from sqlalchemy.exc import IntegrityError

from fablab import notices
from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, Invalid, NotFound, Unauthenticated
from fablab.people import access, ages, keys, kiosks, log, standing
from fablab.people.access import Right, hash_password, require
from fablab.people.access.confirming import require_fresh
from fablab.people.models import (
    Audience,
    Certification,
    CertificationLevel,
    Consent,
    Invitation,
    KeyPurpose,
    Member,
    MemberState,
    OneTimeKey,
    OrganisationMember,
    ProjectMember,
    Role,
    folded,
)
from fablab.people.projects import add_project as add_project
from fablab.people.projects import project_for as project_for
from fablab.people.projects import projects_of as projects_of
from fablab.people.standing import acting_for as acting_for
from fablab.places import house
from fablab.places.models import Technology

NAME_LIMIT = 120
PAGE = 50
MOST_WORDS = 6
#: What the desk may make; other roles are given by whoever manages the house.
DESK_ROLES = (Role.MAKER, Role.TEACHER)
LANGUAGES = ("fr", "en")

_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,180}\.[^@\s.]{2,}")
_PHONE = re.compile(r"\+?[0-9]{6,15}")


def clean_name(said: str) -> str:
    """Raises `Invalid` member.name for none, for one that is too long, and for what no screen can show."""
    name = " ".join(said.split())
    if not name or len(name) > NAME_LIMIT or not name.isprintable():
        raise Invalid("member.name", field="name")
    return name


def clean_email(said: str) -> str:
    email = said.strip().lower()
    if not _EMAIL.fullmatch(email) or not email.isprintable() or len(email) > 254:
        raise Invalid("member.email", field="email")
    return email


def clean_phone(said: str) -> str | None:
    """Digits only, with the plus in front; empty is none."""
    phone = re.sub(r"[ ().\-/]", "", said.strip())
    if not phone:
        return None
    if not _PHONE.fullmatch(phone):
        raise Invalid("member.phone", field="phone")
    return phone


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
    member = Member(
        name=clean_name(name),
        email=clean_email(email) if email is not None else None,
        role=role,
        audience=audience,
        language=language,
        state=MemberState.ACTIVE,
        password_hash=hash_password(password) if password is not None else None,
        created_at=uow.now,
    )
    uow.session.add(member)
    _flush(uow)
    return member


def _flush(uow: UnitOfWork) -> None:
    try:
        uow.session.flush()
    except IntegrityError as error:
        raise Conflict("member.email_taken") from error


def member_by_email(uow: UnitOfWork, email: str) -> Member:
    member = uow.session.scalar(select(Member).where(Member.email == email.strip().lower()))
    if member is None:
        raise NotFound("member.unknown")
    return member


def set_language(uow: UnitOfWork, member_id: int, language: str) -> None:
    member = uow.session.get(Member, member_id)
    if member is not None:
        member.language = language


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """What the desk writes down of somebody. `email` empty: they have none, and the staff acts for them."""

    name: str
    email: str = ""
    phone: str = ""
    born_on: date | None = None
    audience: Audience = Audience.PERSONAL
    role: Role = Role.MAKER
    language: str = "fr"


def create(uow: UnitOfWork, said: Person) -> Member:
    """By the staff, for somebody who stands before them: a member at once. With an e-mail they are sent the link
    with which they choose a password. Raises `Invalid` with its field, `Conflict` member.email_taken."""
    require(uow.actor, Right.OPERATE)
    if said.role not in DESK_ROLES:
        require(uow.actor, Right.MANAGE)
    _check(uow, said)
    member = add_member(
        uow,
        name=said.name,
        role=said.role,
        audience=said.audience,
        email=said.email or None,
        language=said.language,
    )
    member.phone, member.born_on = clean_phone(said.phone), said.born_on
    log.record(uow, "member.made", for_member_id=member.id)
    _send_key(uow, member)
    uow.session.flush()
    return member


def edit(uow: UnitOfWork, member_id: int, said: Person) -> Member:
    """By the staff. A changed address is told to the old one; the role is `standing.set_role`'s."""
    member = standing.at_desk(uow, member_id)
    _check(uow, said)
    email = clean_email(said.email) if said.email.strip() else None
    if email is None and member.role not in DESK_ROLES:
        raise Invalid("member.email", field="email")
    changed = member.email != email
    if changed and member.email is not None:
        notices.write(uow, member.email, member.language, "member.email_changed", name=member.name)
    member.name, member.phone = clean_name(said.name), clean_phone(said.phone)
    member.born_on, member.audience, member.language = said.born_on, said.audience, said.language
    if changed:
        member.email = email
        keys.end_all(uow, member.id)
        standing.end_sign_ins(uow, member.id, tokens=False)
    _flush(uow)
    log.record(uow, "member.edited", for_member_id=member.id, address=changed)
    if changed:
        _send_key(uow, member)
    return member


def send_way_in(uow: UnitOfWork, member_id: int) -> None:
    """The staff has a link sent with which the member chooses a password. Raises `Conflict` member.no_email,
    member.not_active, key.too_many."""
    member = standing.at_desk(uow, member_id)
    if member.email is None:
        raise Conflict("member.no_email", name=member.name)
    if not member.active:
        raise Conflict("member.not_active", name=member.name)
    if not _send_key(uow, member):
        raise Conflict("key.too_many", most=keys.MOST_AN_HOUR)
    log.record(uow, "member.way_in", for_member_id=member.id)


def _send_key(uow: UnitOfWork, member: Member) -> bool:
    if member.email is None:
        return False
    life = None if member.password_hash else keys.WELCOME_LIFE
    secret = keys.make(uow, member, KeyPurpose.PASSWORD, member.email, life)
    if secret is None:
        return False
    notices.write(
        uow,
        member.email,
        member.language,
        "password.lost" if member.password_hash else "member.welcome",
        name=member.name,
        secret_path=f"/key?key={secret}",
    )
    return True


def _check(uow: UnitOfWork, said: Person) -> None:
    if said.born_on is not None:
        ages.check_born_on(said.born_on, house.today(uow))
    if said.language not in LANGUAGES:
        raise Invalid("member.language", field="language")


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What members say of themselves."""

    name: str
    phone: str
    born_on: date | None
    language: str


def edit_own(uow: UnitOfWork, member_id: int, said: Profile) -> Member:
    """By the member, a parent, or the staff. A day of birth that is known is changed by the staff only: rules for
    minors rest on it."""
    member = standing.own_or_at_desk(uow, member_id)
    _check(uow, Person(name=said.name, born_on=said.born_on, language=said.language))
    staff = Right.OPERATE in standing.rights_of_role(uow.actor) and uow.actor.member_id != member.id
    if member.born_on is not None and said.born_on != member.born_on and not staff:
        raise Invalid("member.born_on_known", field="born_on")
    member.name, member.phone = clean_name(said.name), clean_phone(said.phone)
    member.born_on, member.language = said.born_on, said.language
    if uow.actor.member_id != member.id:
        log.record(uow, "member.edited", for_member_id=member.id)
    uow.session.flush()
    return member


def ask_for_email(uow: UnitOfWork, login_token: str, said: str) -> None:
    """A link to the new address; until it is followed the old one stays. The answer is the same when the new address
    is somebody else's already. Raises `Forbidden` access.confirm."""
    row = require_fresh(uow, login_token).member
    email = clean_email(said)
    if uow.session.scalar(select(Member.id).where(Member.email == email)) is not None:
        return
    secret = keys.make(uow, row, KeyPurpose.EMAIL, email)
    if secret is None:
        raise Conflict("key.too_many", most=keys.MOST_AN_HOUR)
    notices.write(uow, email, row.language, "signup.email", name=row.name, secret_path=f"/key?key={secret}")


def take_email(uow: UnitOfWork, secret: str) -> Member:
    """The new address is theirs. Raises `Conflict` member.email_taken when somebody was faster."""
    key = keys.find(uow, secret, KeyPurpose.EMAIL)
    member = key.member
    if not member.active:
        raise Unauthenticated("login.expired")
    if member.email is not None:
        notices.write(uow, member.email, member.language, "member.email_changed", name=member.name)
    member.email = key.email
    keys.end_all(uow, member.id)
    key.used_at = uow.now
    _flush(uow)
    log.record(uow, "member.email", for_member_id=member.id)
    return member


# -- the staff's list ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """`text`: parts of the name or the address in any order, or a member's number. `page` counts from 1."""

    text: str = ""
    state: MemberState | None = None
    role: Role | None = None
    audience: Audience | None = None
    organisation_id: int | None = None
    page: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundMembers:
    rows: Sequence[Member]
    total: int
    page: int
    pages: int


def search(uow: UnitOfWork, wanted: Search, *, limit: int = PAGE) -> FoundMembers:
    """By name. A page beyond the last is the last."""
    require(uow.actor, Right.SEE_ALL)
    condition = _condition(wanted)
    total = uow.session.scalars(select(func.count(Member.id)).where(condition)).one()
    pages = max(1, -(-total // limit))
    page = min(max(1, wanted.page), pages)
    query = select(Member).where(condition).order_by(Member.sort_name, Member.id)
    rows = list(uow.session.scalars(query.limit(limit).offset((page - 1) * limit)))
    return FoundMembers(rows=rows, total=total, page=page, pages=pages)


def _condition(wanted: Search) -> ColumnElement[bool]:
    parts: list[ColumnElement[bool]] = [Member.id > 0]
    if wanted.state is not None:
        parts.append(Member.state == wanted.state)
    if wanted.role is not None:
        parts.append(Member.role == wanted.role)
    if wanted.audience is not None:
        parts.append(Member.audience == wanted.audience)
    if wanted.organisation_id is not None:
        of = select(OrganisationMember.member_id)
        parts.append(Member.id.in_(of.where(OrganisationMember.organisation_id == wanted.organisation_id)))
    for word in folded(wanted.text).split()[:MOST_WORDS]:
        # autoescape: somebody who looks for "100%" means it
        one = [Member.sort_name.contains(word, autoescape=True), Member.email.contains(word, autoescape=True)]
        if word.isascii() and word.isdigit() and len(word) < 10:
            one.append(Member.id == int(word))
        parts.append(or_(*one))
    return and_(*parts)


def waiting(uow: UnitOfWork) -> int:
    """How many wait for the staff's yes."""
    query = select(func.count(Member.id)).where(Member.state == MemberState.WAITING)
    return uow.session.scalars(query).one()


# -- to be forgotten -----------------------------------------------------------------------------------------------


def forget(uow: UnitOfWork, member_id: int) -> Member:
    """Of somebody who has left only the number stays: what was made and paid must add up. Documents are
    `documents.forget_all`'s. Raises `Conflict` member.not_left, member.has_children."""
    require(uow.actor, Right.MANAGE)
    member = standing.get(uow, member_id)
    if member.state is not MemberState.LEFT:
        raise Conflict("member.not_left", name=member.name)
    if uow.session.scalar(select(Member.id).where(Member.parent_id == member_id)) is not None:
        raise Conflict("member.has_children", name=member.name)
    if member.email is not None:
        uow.session.execute(delete(Invitation).where(Invitation.email == member.email))
    for table in (OneTimeKey, Consent, OrganisationMember, ProjectMember):
        uow.session.execute(delete(table).where(table.member_id == member_id))
    standing.end_sign_ins(uow, member_id)
    access.forget_keys(uow, member_id)
    kiosks.forget(uow, member_id)
    member.name = f"#{member.id}"
    member.email = member.phone = member.born_on = member.password_hash = member.parent_id = None
    log.record(uow, "member.forgotten", for_member_id=member.id)
    uow.raise_event("member", member.id, "forgotten")
    uow.session.flush()
    return member


# -- certifications ------------------------------------------------------------------------------------------------


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
