"""Invitations to the lab, an organisation or a project: a letter with a link that works once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import and_, false, func, or_, select

from fablab import notices
from fablab.base.database import Database, UnitOfWork
from fablab.base.errors import Conflict, Fact, Forbidden, Invalid, NotFound
from fablab.base.states import step
from fablab.people import keys, log, organisations, projects, signup, standing
from fablab.people.access import Right, hash_password, require
from fablab.people.members import add_member, clean_email, clean_name
from fablab.people.models import (
    INVITATION_STEPS,
    Invitation,
    InvitationKind,
    InvitationState,
    Member,
    MemberState,
    Organisation,
    Project,
    SignUp,
)

LIFE = timedelta(days=14)
MOST_OPEN = 30  # by one member at a time; the staff is not counted
MOST_A_DAY = 2  # letters to one address for one thing


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """Who accepts without an account. The address is the invitation's: the link has shown that it is theirs."""

    name: str
    born_on: date | None
    password: str
    language: str = "fr"


def to_lab(uow: UnitOfWork, email: str, language: str = "fr") -> Invitation:
    """By the staff; whoever accepts is a member at once."""
    require(uow.actor, Right.OPERATE)
    return _invite(uow, InvitationKind.LAB, email, language)


def to_organisation(uow: UnitOfWork, organisation_id: int, email: str, language: str = "fr") -> Invitation:
    organisation = organisations.led(uow, organisation_id)
    if organisation.closed_at is not None:
        raise Conflict("organisation.closed")
    return _invite(uow, InvitationKind.ORGANISATION, email, language, organisation=organisation)


def to_project(uow: UnitOfWork, project_id: int, email: str, language: str = "fr") -> Invitation:
    project = projects.led(uow, project_id)
    if project.closed_at is not None:
        raise Conflict("project.closed")
    return _invite(uow, InvitationKind.PROJECT, email, language, project=project)


def _invite(
    uow: UnitOfWork,
    kind: InvitationKind,
    said: str,
    language: str,
    *,
    organisation: Organisation | None = None,
    project: Project | None = None,
) -> Invitation:
    """A newer letter for the same thing takes the place of the older one, whose link ends."""
    email = clean_email(said)
    same = select(Invitation).where(
        Invitation.kind == kind,
        Invitation.email == email,
        Invitation.organisation_id == (organisation.id if organisation else None),
        Invitation.project_id == (project.id if project else None),
    )
    rows = list(uow.session.scalars(same).unique())
    _check_pace(uow, rows)
    for row in rows:
        if row.state is InvitationState.OPEN:
            row.state, row.answered_at = InvitationState.WITHDRAWN, uow.now
    secret = keys.new_secret()
    made = Invitation(
        kind=kind,
        state=InvitationState.OPEN,
        key_hash=keys.digest(secret),
        email=email,
        organisation_id=organisation.id if organisation else None,
        project_id=project.id if project else None,
        invited_by_id=uow.actor.member_id,
        made_at=uow.now,
        expires_at=uow.now + LIFE,
    )
    uow.session.add(made)
    uow.session.flush()
    known = uow.session.scalar(select(Member).where(Member.email == email, Member.active))
    facts = _facts(uow, kind, organisation, project)
    link = f"/invitation?key={secret}"
    notices.write(
        uow,
        email,
        known.language if known else language,
        f"invitation.{kind.value}",
        claim_id=None,
        secret_path=link,
        **facts,
    )
    log.record(uow, "invitation.sent", about=f"{kind.value} invitation {made.id}")
    return made


def _facts(
    uow: UnitOfWork, kind: InvitationKind, organisation: Organisation | None, project: Project | None
) -> Mapping[str, Fact]:
    """What the letter says: who invites, and to what."""
    facts: dict[str, Fact] = {"who": uow.actor.name}
    if kind is InvitationKind.ORGANISATION and organisation is not None:
        facts["organisation"] = organisation.name
    if kind is InvitationKind.PROJECT and project is not None:
        facts["project"] = project.name
    return facts


def _check_pace(uow: UnitOfWork, same: list[Invitation]) -> None:
    if sum(row.made_at > uow.now - timedelta(days=1) for row in same) >= MOST_A_DAY:
        raise Conflict("invitation.again", most=MOST_A_DAY)
    if Right.OPERATE in standing.rights_of_role(uow.actor):
        return
    open_ones = select(func.count(Invitation.id)).where(
        Invitation.invited_by_id == uow.actor.member_id,
        Invitation.state == InvitationState.OPEN,
        Invitation.expires_at > uow.now,
    )
    if uow.session.scalars(open_ones).one() >= MOST_OPEN:
        raise Conflict("invitation.too_many", most=MOST_OPEN)


def opened(uow: UnitOfWork, secret: str) -> Invitation:
    """What the link invites to. Raises `NotFound` invitation.unknown, `Conflict` invitation.over, invitation.expired."""
    row = uow.session.scalar(select(Invitation).where(Invitation.key_hash == keys.digest(secret)))
    if row is None:
        raise NotFound("invitation.unknown")
    return _still_open(uow, row)


def has_account(uow: UnitOfWork, invitation: Invitation) -> bool:
    """Whether the invited address is a member's, who has to sign in first. Only for whoever has the link: it is the
    address's own."""
    return uow.session.scalar(select(Member.id).where(Member.email == invitation.email)) is not None


def may_join_anew(uow: UnitOfWork, invitation: Invitation) -> bool:
    """Whether a newcomer may make an account by it: the staff's yes is in an invitation of the staff's."""
    return invitation.kind is InvitationKind.LAB or signup.rule(uow) is not SignUp.CLOSED


def accept(uow: UnitOfWork, secret: str) -> Invitation:
    """By whoever is signed in and has the link."""
    row = opened(uow, secret)
    if uow.actor.member_id is None:
        raise NotFound("invitation.unknown")
    _take(uow, row, standing.get(uow, uow.actor.member_id))
    return row


def open_for(uow: UnitOfWork, member_id: int) -> list[Invitation]:
    """What waits for a member's answer, sent to their address; on their page, without the letter."""
    member = standing.get(uow, member_id)
    query = select(Invitation).where(
        Invitation.email == member.email,
        Invitation.state == InvitationState.OPEN,
        Invitation.expires_at > uow.now,
    )
    return list(uow.session.scalars(query.order_by(Invitation.id)).unique())


def answer(uow: UnitOfWork, invitation_id: int, action: str) -> Invitation:
    """`accept` or `decline`, by the member whose address it was sent to."""
    if uow.actor.member_id is None:
        raise NotFound("invitation.unknown")
    member = standing.get(uow, uow.actor.member_id)
    row = uow.session.get(Invitation, invitation_id)
    if row is None or row.email != member.email:
        raise NotFound("invitation.unknown")
    _still_open(uow, row)
    if action == "accept":
        _take(uow, row, member)
    elif action == "decline":
        _close(uow, row, "decline", member.id)
    else:
        raise Invalid("invitation.answer", field="answer")
    return row


def decline(uow: UnitOfWork, secret: str) -> None:
    """By whoever has the link; no account is needed to say no."""
    row = opened(uow, secret)
    _close(uow, row, "decline", uow.actor.member_id)


def join(database: Database, secret: str, said: Newcomer) -> Member:
    """A new account by an invitation: the address is confirmed already, and the staff's own invitations need no
    further yes. Takes the database, as `signup.set_password` does."""
    with database.read() as uow:
        opened(uow, secret)
    clean_name(said.name)
    hashed = hash_password(said.password)

    def work(uow: UnitOfWork) -> Member:
        row = opened(uow, secret)
        if not may_join_anew(uow, row):
            raise Forbidden("signup.closed")
        signup.check_age(uow, said.born_on)
        member = uow.session.scalar(select(Member).where(Member.email == row.email))
        if member is None:
            member = add_member(uow, name=said.name, email=row.email, language=said.language)
        elif member.state is not MemberState.UNCONFIRMED:
            raise Conflict("invitation.sign_in")
        keys.end_all(uow, member.id)
        member.name, member.born_on, member.password_hash = clean_name(said.name), said.born_on, hashed
        at_once = row.kind is InvitationKind.LAB or signup.rule(uow) is SignUp.OPEN
        member.state = MemberState.ACTIVE if at_once else MemberState.WAITING
        log.record(
            uow, "member.joined", for_member_id=member.id, about=f"{row.kind.value} invitation {row.id}"
        )
        if not at_once:
            signup.tell_welcomers(uow, member)
        _take(uow, row, member)
        return member

    return database.write(work)


def withdraw(uow: UnitOfWork, invitation_id: int) -> Invitation:
    """By whoever sent it, leads what it invites to, or is of the staff."""
    row = uow.session.get(Invitation, invitation_id)
    if row is None:
        raise NotFound("invitation.unknown")
    if row.organisation_id is not None:
        organisations.led(uow, row.organisation_id)
    elif row.project_id is not None:
        projects.led(uow, row.project_id)
    else:
        require(uow.actor, Right.OPERATE)
    return _close(uow, row, "withdraw", uow.actor.member_id)


def close_of(uow: UnitOfWork, member_id: int) -> int:
    """Of somebody who goes: what they were asked, and what they asked of others for a project or an organisation, ends
    unanswered. The lab's own invitations stay the lab's. Whoever waits for an answer is told. How many."""
    email = standing.get(uow, member_id).email
    asked = Invitation.email == email if email is not None else false()
    theirs = and_(Invitation.invited_by_id == member_id, Invitation.kind != InvitationKind.LAB)
    query = select(Invitation).where(Invitation.state == InvitationState.OPEN, or_(asked, theirs))
    rows = list(uow.session.scalars(query.order_by(Invitation.id)).unique())
    for row in rows:
        _close(uow, row, "withdraw", uow.actor.member_id)
        if row.invited_by_id != member_id:
            notices.tell(uow, row.invited_by_id, "invitation.ended", email=row.email, what=_what(row))
    return len(rows)


def sent(
    uow: UnitOfWork, *, organisation_id: int | None = None, project_id: int | None = None
) -> list[Invitation]:
    """The open ones to an organisation or a project, or with neither those to the lab. For whoever leads it."""
    query = select(Invitation).where(
        Invitation.state == InvitationState.OPEN, Invitation.expires_at > uow.now
    )
    if organisation_id is not None:
        organisations.led(uow, organisation_id)
        query = query.where(Invitation.organisation_id == organisation_id)
    elif project_id is not None:
        projects.led(uow, project_id)
        query = query.where(Invitation.project_id == project_id)
    else:
        require(uow.actor, Right.OPERATE)
        query = query.where(Invitation.kind == InvitationKind.LAB)
    return list(uow.session.scalars(query.order_by(Invitation.id.desc())).unique())


def _still_open(uow: UnitOfWork, row: Invitation) -> Invitation:
    if row.state is not InvitationState.OPEN:
        raise Conflict("invitation.over")
    if row.expires_at <= uow.now:
        raise Conflict("invitation.expired")
    return row


def _take(uow: UnitOfWork, row: Invitation, member: Member) -> None:
    if row.organisation is not None:
        organisations.put_in(uow, row.organisation, member)
    if row.project is not None:
        projects.put_in(uow, row.project, member)
    _close(uow, row, "accept", member.id)
    log.record(
        uow, "invitation.accepted", for_member_id=member.id, about=f"{row.kind.value} invitation {row.id}"
    )
    facts = {"name": member.name, "what": _what(row)}
    notices.tell(uow, row.invited_by_id, "invitation.accepted", **facts)


def _what(row: Invitation) -> str:
    if row.project is not None:
        return row.project.name
    return row.organisation.name if row.organisation is not None else ""


def _close(uow: UnitOfWork, row: Invitation, action: str, by_id: int | None) -> Invitation:
    row.state = step(INVITATION_STEPS, row.state, action)
    row.answered_at, row.answered_by_id = uow.now, by_id
    uow.session.flush()
    return row
