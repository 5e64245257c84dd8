"""The whole catalogue for those who look after it: every entry they may see, and how often each has been given."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import func, select

from fablab.base.database import UnitOfWork
from fablab.base.errors import NotFound
from fablab.claims.workshops import catalogue
from fablab.claims.workshops.models import Session, Workshop
from fablab.claims.workshops.words import SessionState
from fablab.people import partners
from fablab.people.access import Right, allows, require
from fablab.people.partners import Partner
from fablab.places.models import Resource

_GIVEN = (SessionState.DELIVERED, SessionState.CLOSED)


def seen(uow: UnitOfWork) -> list[Workshop]:
    """All of it for the staff; for a partner its own entries. Retired ones too."""
    if allows(uow.actor, Right.SEE_ALL):
        return catalogue.everything(uow)
    require(uow.actor, Right.PARTNER)
    parts = [row.organisation_id for row in partners.seen(uow)]
    return [row for part in parts for row in catalogue.of_partner(uow, part)]


def one(uow: UnitOfWork, workshop_id: int) -> Workshop:
    """Raises `NotFound` workshop.unknown also for another partner's."""
    if not allows(uow.actor, Right.SEE_ALL):
        require(uow.actor, Right.PARTNER)
    row = catalogue.get(uow, workshop_id)
    if not (allows(uow.actor, Right.SEE_ALL) or partners.sees(uow, row.partner_id)):
        raise NotFound("workshop.unknown")
    return row


def given(uow: UnitOfWork) -> Mapping[int, int]:
    """Sessions that have taken place, by workshop; none is not named."""
    query = (
        select(Session.workshop_id, func.count())
        .where(Session.state.in_(_GIVEN))
        .group_by(Session.workshop_id)
    )
    return {id_: count for id_, count in uow.session.execute(query)}  # noqa: C416 - a Row is no tuple to mypy


def parts(uow: UnitOfWork) -> list[Partner]:
    """The partners for which the actor may write entries."""
    return [row for row in partners.everyone(uow) if partners.runs(uow, row.organisation_id)]


def things(uow: UnitOfWork) -> Mapping[int, str]:
    """What an entry may name: names by id, of the house and of the parts that the actor runs; retired ones too, since
    an entry may name one from before."""
    rows = uow.session.execute(select(Resource.id, Resource.name, Resource.partner_id))
    return {id_: name for id_, name, part in rows if part is None or partners.runs(uow, part)}
