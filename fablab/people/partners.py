"""Partners: organisations that run a part of the house, and the one place that says who may touch which part.

A part is a `partner_id`: an organisation's, or None for what the house runs itself. Whoever speaks for the organisation
(`Seat.MANAGER`) and has the right `PARTNER` runs its part and sees nothing of another's; an administrator runs all.
API, pages and use cases ask `require_part`, and nobody asks anything else.
"""

from __future__ import annotations

from datetime import date

from sqlalchemy import CheckConstraint, ForeignKey, func, or_, select
from sqlalchemy.orm import Mapped, mapped_column, relationship

from fablab.base.database import Base, UnitOfWork
from fablab.base.errors import Conflict, Forbidden, NotFound
from fablab.people import log, organisations
from fablab.people.access import Right, allows, require
from fablab.people.models import Member, MemberState, Organisation, OrganisationMember, Role, Seat
from fablab.places import house
from fablab.places.models import Resource


class Partner(Base):
    """An organisation that runs a part of the house, from `since` to `until` (its last day; None: no end in sight)."""

    __tablename__ = "partners"

    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"), primary_key=True)
    since: Mapped[date]
    until: Mapped[date | None]

    organisation: Mapped[Organisation] = relationship(lazy="joined")

    __table_args__ = (CheckConstraint("until IS NULL OR since <= until", name="span"),)

    @property
    def name(self) -> str:
        return self.organisation.name


def runs(uow: UnitOfWork, partner_id: int | None) -> bool:
    """Whether the actor runs that part of the house. Who has left the house (`until`) runs nothing in it any more, but
    may still read and take along what is theirs (`sees`)."""
    if allows(uow.actor, Right.MANAGE):
        return True
    return partner_id in of_actor(uow)


def sees(uow: UnitOfWork, partner_id: int | None) -> bool:
    """Whether the actor may read that part's reports and take its data along, also after its last day."""
    return runs(uow, partner_id) or (partner_id is not None and partner_id in _seats(uow))


def require_part(uow: UnitOfWork, partner_id: int | None) -> None:
    """Raises `Forbidden` for whoever may run no part at all, and `NotFound` partner.unknown for another's: whether there
    is one is nobody's business."""
    if runs(uow, partner_id):
        return
    if partner_id is None:
        require(uow.actor, Right.MANAGE)
    require(uow.actor, Right.PARTNER)
    raise NotFound("partner.unknown")


def require_sight(uow: UnitOfWork, partner_id: int | None) -> None:
    """As `require_part`, for reading."""
    if not sees(uow, partner_id):
        require_part(uow, partner_id)


def require_thing(uow: UnitOfWork, resource_id: int) -> Resource:
    """The resource, where the actor runs the part of the house that it belongs to. Raises as `require_part`, but
    `NotFound` resource.unknown for another's."""
    row = uow.session.get(Resource, resource_id)
    if row is None or not runs(uow, row.partner_id):
        if not allows(uow.actor, Right.PARTNER):
            raise Forbidden(right=Right.PARTNER.value)
        raise NotFound("resource.unknown", id=resource_id)
    return row


def of_actor(uow: UnitOfWork) -> frozenset[int]:
    """The parts that the actor runs as somebody who speaks for them; an administrator's are not named here."""
    today = house.today(uow)
    seats = _seats(uow)
    if not seats:
        return frozenset()
    query = select(Partner.organisation_id).where(
        Partner.organisation_id.in_(seats),
        Partner.since <= today,
        or_(Partner.until.is_(None), Partner.until >= today),
    )
    return frozenset(uow.session.scalars(query))


def _seats(uow: UnitOfWork) -> frozenset[int]:
    """The partners for which the actor speaks."""
    if uow.actor.member_id is None or not allows(uow.actor, Right.PARTNER):
        return frozenset()
    query = (
        select(Partner.organisation_id)
        .join(OrganisationMember, OrganisationMember.organisation_id == Partner.organisation_id)
        .where(OrganisationMember.member_id == uow.actor.member_id, OrganisationMember.seat == Seat.MANAGER)
    )
    return frozenset(uow.session.scalars(query))


def answering(uow: UnitOfWork, partner_id: int | None) -> list[int]:
    """The members who answer for a part of the house: those who speak for the partner; of the house itself, its staff."""
    query = select(Member.id).where(Member.state == MemberState.ACTIVE).order_by(Member.id)
    if partner_id is None:
        return list(uow.session.scalars(query.where(Member.role.in_((Role.STAFF, Role.ADMIN)))))
    seat = select(OrganisationMember.member_id).where(
        OrganisationMember.organisation_id == partner_id, OrganisationMember.seat == Seat.MANAGER
    )
    return list(uow.session.scalars(query.where(Member.id.in_(seat))))


def seen(uow: UnitOfWork) -> list[Partner]:
    """Those that the actor may look at, by name."""
    require(uow.actor, Right.PARTNER)
    return [row for row in everyone(uow) if sees(uow, row.organisation_id)]


def everyone(uow: UnitOfWork) -> list[Partner]:
    """All of them, by name: who runs what in a house is no secret."""
    query = select(Partner).join(Organisation, Organisation.id == Partner.organisation_id)
    return list(uow.session.scalars(query.order_by(func.lower(Organisation.name))).unique())


def get(uow: UnitOfWork, partner_id: int) -> Partner:
    row = uow.session.get(Partner, partner_id)
    if row is None:
        raise NotFound("partner.unknown")
    return row


def begin(uow: UnitOfWork, organisation_id: int) -> Partner:
    """From today on this organisation runs a part of the house; one that has left comes back. By an administrator."""
    require(uow.actor, Right.MANAGE)
    organisation = organisations.get(uow, organisation_id)
    if organisation.closed_at is not None:
        raise Conflict("organisation.closed")
    row = uow.session.get(Partner, organisation_id)
    if row is None:
        row = Partner(organisation_id=organisation_id, since=house.today(uow), until=None)
        uow.session.add(row)
    row.until = None
    uow.session.flush()
    log.record(uow, "partner.begun", about=f"organisation {organisation_id}")
    return row


def leave(uow: UnitOfWork, organisation_id: int) -> Partner:
    """Today is its last day. What it has stays where it is, and its managers may still take its data along; the
    resources and tariffs are the administrators' to hand on or to retire."""
    require(uow.actor, Right.MANAGE)
    row = get(uow, organisation_id)
    row.until = house.today(uow)
    uow.session.flush()
    log.record(uow, "partner.left", about=f"organisation {organisation_id}")
    return row
