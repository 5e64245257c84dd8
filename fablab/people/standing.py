"""Who may act for whom, and how far somebody is a member: approved, refused, suspended, back, gone."""

from __future__ import annotations

from sqlalchemy import delete, update

from fablab import notices
from fablab.base.database import Actor, UnitOfWork
from fablab.base.errors import Conflict, Forbidden, Invalid, NotFound
from fablab.base.states import step
from fablab.people import log
from fablab.people.access import RIGHTS, Right, allows, require
from fablab.people.access.models import LoginStep
from fablab.people.models import MEMBER_STEPS, ApiToken, Login, Member, MemberState, Role

REASON_LIMIT = 300


def rights_of_role(actor: Actor) -> frozenset[Right]:
    """What the actor's role allows, whatever the scopes of a token; the lab itself may everything."""
    if actor.member_id is None:
        return frozenset(Right) if actor.role == "system" else frozenset()
    return RIGHTS.get(Role(actor.role), frozenset())


def get(uow: UnitOfWork, member_id: int) -> Member:
    member = uow.session.get(Member, member_id)
    if member is None:
        raise NotFound("member.unknown")
    return member


def at_desk(uow: UnitOfWork, member_id: int) -> Member:
    """The member, for somebody of the staff who changes something of theirs.

    Nobody changes whoever may more than they do: an administrator's address would be an administrator's account.
    """
    require(uow.actor, Right.OPERATE)
    member = get(uow, member_id)
    if not RIGHTS[member.role] <= rights_of_role(uow.actor):
        raise Forbidden("member.above_you")
    return member


def own_or_at_desk(uow: UnitOfWork, member_id: int) -> Member:
    """Oneself, a child one answers for, or anybody for the staff."""
    if uow.actor.member_id is not None:
        member = get(uow, uow.actor.member_id if member_id == uow.actor.member_id else member_id)
        if uow.actor.member_id in (member.id, member.parent_id):
            return member
        if not allows(uow.actor, Right.OPERATE):
            raise NotFound("member.unknown")  # who else is a member is nobody's business
    return at_desk(uow, member_id)


def seen_by(uow: UnitOfWork, member_id: int) -> Member:
    """The member, for whoever may read what is kept about them."""
    member = get(uow, member_id)
    if uow.actor.member_id not in (member.id, member.parent_id) and not allows(uow.actor, Right.SEE_ALL):
        raise NotFound("member.unknown")
    return member


def acting_for(
    uow: UnitOfWork, member_id: int | None, code: str = "member.acted_for", about: str = ""
) -> Member:
    """Whom this deed is for: the actor themselves (None), a child they answer for, or whom the staff does it for.

    In the last two cases `code` goes to the log, in the same transaction. Raises `NotFound` member.unknown,
    `Forbidden` without the right or for somebody who may more, `Conflict` member.not_active.
    """
    if member_id is None or member_id == uow.actor.member_id:
        if uow.actor.member_id is None:
            raise Invalid("member.whom", field="for_member")
        return get(uow, uow.actor.member_id)
    member = own_or_at_desk(uow, member_id)
    if not member.active:
        raise Conflict("member.not_active", name=member.name)
    log.record(uow, code, for_member_id=member.id, about=about)
    return member


def approve(uow: UnitOfWork, member_id: int) -> Member:
    member = at_desk(uow, member_id)
    member.state = step(MEMBER_STEPS, member.state, "approve")
    log.record(uow, "member.approved", for_member_id=member.id)
    notices.tell(uow, member.id, "member.approved", path="/profile")
    uow.raise_event("member", member.id, "approved")
    return member


def refuse(uow: UnitOfWork, member_id: int, reason: str) -> Member:
    """They are told why. What they gave is forgotten like anybody's who has left."""
    member = at_desk(uow, member_id)
    reason = reason_of(reason)
    member.state = step(MEMBER_STEPS, member.state, "refuse")
    log.record(uow, "member.refused", for_member_id=member.id, why=reason)
    if member.email is not None:
        notices.write(uow, member.email, member.language, "signup.refused", name=member.name, why=reason)
    uow.raise_event("member", member.id, "refused")
    return member


def suspend(uow: UnitOfWork, member_id: int, reason: str) -> Member:
    """Out at once, everywhere; what was kept for them is given back (`runs.leaving`), what they made stays."""
    member = at_desk(uow, member_id)
    reason = reason_of(reason)
    if member.id == uow.actor.member_id:
        raise Conflict("member.yourself")
    member.state = step(MEMBER_STEPS, member.state, "suspend")
    end_sign_ins(uow, member.id)
    log.record(uow, "member.suspended", for_member_id=member.id, why=reason)
    if member.email is not None:
        notices.write(uow, member.email, member.language, "member.suspended", name=member.name, why=reason)
    uow.raise_event("member", member.id, "suspended")
    return member


def reactivate(uow: UnitOfWork, member_id: int) -> Member:
    member = at_desk(uow, member_id)
    member.state = step(MEMBER_STEPS, member.state, "reactivate")
    log.record(uow, "member.reactivated", for_member_id=member.id)
    notices.tell(uow, member.id, "member.reactivated", path="/profile")
    uow.raise_event("member", member.id, "reactivated")
    return member


def leave(uow: UnitOfWork, member_id: int) -> Member:
    """By the member, a parent, or the staff for them. What was made and paid stays in the books, under their number."""
    member = own_or_at_desk(uow, member_id)
    if member.role is Role.ADMIN and _is_last_admin(uow, member):
        raise Conflict("member.last_admin")
    member.state = step(MEMBER_STEPS, member.state, "leave")
    end_sign_ins(uow, member.id)
    log.record(uow, "member.left", for_member_id=member.id)
    uow.raise_event("member", member.id, "left")
    return member


def set_role(uow: UnitOfWork, member_id: int, role: Role) -> Member:
    """Only whoever manages the house; the last administrator stays one."""
    require(uow.actor, Right.MANAGE)
    member = get(uow, member_id)
    if member.role is role:
        return member
    if member.role is Role.ADMIN and _is_last_admin(uow, member):
        raise Conflict("member.last_admin")
    log.record(uow, "member.role", for_member_id=member.id, was=member.role.value, role=role.value)
    member.role = role
    uow.raise_event("member", member.id, "role")
    return member


def end_sign_ins(uow: UnitOfWork, member_id: int, *, tokens: bool = True) -> None:
    """Every browser and, with `tokens`, every program of theirs is signed out."""
    for table in (Login, LoginStep):
        uow.session.execute(delete(table).where(table.member_id == member_id))
    if tokens:
        query = update(ApiToken).where(ApiToken.member_id == member_id, ApiToken.revoked_at.is_(None))
        uow.session.execute(query.values(revoked_at=uow.now))


def reason_of(said: str) -> str:
    """A reason that people will read. Raises `Invalid` reason.missing, reason.too_long."""
    reason = " ".join(said.split())
    if not reason:
        raise Invalid("reason.missing", field="reason")
    if len(reason) > REASON_LIMIT:
        raise Invalid("reason.too_long", field="reason", most=REASON_LIMIT)
    return reason


def _is_last_admin(uow: UnitOfWork, member: Member) -> bool:
    query = uow.session.query(Member.id).filter(
        Member.role == Role.ADMIN, Member.state == MemberState.ACTIVE, Member.id != member.id
    )
    return query.first() is None
