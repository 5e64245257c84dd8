"""What the staff does for a member who has lost the second factor."""

from __future__ import annotations

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, NotFound
from fablab.notices import tell
from fablab.people import log, standing
from fablab.people.access.confirming import require_fresh
from fablab.people.access.factors import forget_factor
from fablab.people.access.proving import active_factor
from fablab.people.models import Member


def reset_factor(uow: UnitOfWork, login_token: str, member_id: int, reason: str) -> Member:
    """Their factor and recovery codes are gone, and so is every sign-in; the password is still asked for.

    The member is told, with the reason and by whom. Raises `Invalid` reason.*, `Forbidden` where they may more than the
    actor or the actor has not confirmed who they are (access.confirm), `Conflict` factor.own (one's own is changed on
    the page Security), `NotFound` factor.off.
    """
    require_fresh(uow, login_token)
    member = standing.at_desk(uow, member_id)
    reason = standing.reason_of(reason)
    if member.id == uow.actor.member_id:
        raise Conflict("factor.own")
    if active_factor(uow, member.id) is None:
        raise NotFound("factor.off")
    forget_factor(uow, member)
    standing.end_sign_ins(uow, member.id, tokens=False)
    log.record(uow, "member.factor_reset", for_member_id=member.id, why=reason)
    tell(uow, member.id, "security.factor_reset", why=reason, by=uow.actor.name, path="/security")
    uow.raise_event("member", member.id, "factor")
    return member
