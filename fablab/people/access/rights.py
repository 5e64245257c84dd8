"""What each role may do, and what a token may be limited to."""

from __future__ import annotations

from enum import StrEnum

from fablab.base.database import Actor
from fablab.base.errors import Forbidden
from fablab.people.models import Role


class Right(StrEnum):
    """What can be allowed; every route names one."""

    SUBMIT = "submit"  # jobs of one's own
    OPERATE = "operate"  # machines: tap, pause, clear, stop
    SEE_ALL = "see_all"  # other people's jobs and names
    MANAGE = "manage"  # members, resources, prices
    PARTNER = "partner"  # the part of the house that an organisation of one's own runs (`people.partners`)


RIGHTS: dict[Role, frozenset[Right]] = {
    Role.MAKER: frozenset({Right.SUBMIT}),
    Role.TEACHER: frozenset({Right.SUBMIT}),
    Role.PARTNER: frozenset({Right.SUBMIT, Right.PARTNER}),
    Role.MEDIATOR: frozenset({Right.SUBMIT, Right.OPERATE, Right.SEE_ALL}),
    Role.STAFF: frozenset({Right.SUBMIT, Right.OPERATE, Right.SEE_ALL}),
    Role.ADMIN: frozenset({Right.SUBMIT, Right.OPERATE, Right.SEE_ALL, Right.MANAGE, Right.PARTNER}),
}


class Scope(StrEnum):
    """What a token may be limited to."""

    READ = "read"
    SUBMIT = "submit"
    OPERATE = "operate"
    MANAGE = "manage"


_SCOPE_OF: dict[Right, Scope] = {
    Right.SUBMIT: Scope.SUBMIT,
    Right.OPERATE: Scope.OPERATE,
    Right.SEE_ALL: Scope.READ,
    Right.MANAGE: Scope.MANAGE,
    Right.PARTNER: Scope.MANAGE,
}


def allows(actor: Actor, right: Right) -> bool:
    """The lab itself may do everything; a token never more than its scopes and its member's role."""
    if actor.member_id is None:
        return actor.role == "system"
    try:
        granted = right in RIGHTS[Role(actor.role)]
    except ValueError:
        return False
    return granted and (actor.scopes is None or _SCOPE_OF[right] in actor.scopes)


def require(actor: Actor, right: Right) -> None:
    if not allows(actor, right):
        raise Forbidden(right=right.value)
