"""The catalogue: what the house offers, written down, changed and taken out of it."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, Invalid, NotFound
from fablab.claims.workshops.models import Workshop, WorkshopPrice
from fablab.claims.workshops.offer import Price, Said, checked
from fablab.claims.workshops.words import WorkshopKind
from fablab.people import log, partners
from fablab.people.access import Right, allows, require
from fablab.people.models import Audience, Organisation
from fablab.places.models import Resource


def create(uow: UnitOfWork, said: Said) -> Workshop:
    """Raises `Invalid` workshop.* with its field; `Conflict` workshop.taken for a slug that is there."""
    partners.require_part(uow, said.partner_id)
    columns = _checked(uow, said)
    row = Workshop(
        **columns,
        active=True,
        made_at=uow.now,
        made_by_id=uow.actor.member_id,
        changed_at=uow.now,
        prices=_prices(said.prices),
    )
    uow.session.add(row)
    _flush(uow)
    log.record(uow, "workshop.made", about=f"workshop {row.id}")
    uow.raise_event("workshop", row.id, "made")
    return row


def change(uow: UnitOfWork, workshop_id: int, version: int, said: Said) -> Workshop:
    """All of it at once. `version`: which one was read; `Conflict` workshop.changed where it is another by now.

    What was promised to a session stays: its prices are frozen, and what it holds is its claim's.
    """
    row = _locked(uow, workshop_id, version)
    partners.require_part(uow, said.partner_id)
    for name, value in _checked(uow, said).items():
        setattr(row, name, value)
    row.prices = []
    uow.session.flush()  # the old prices go before the new ones come: they may say the same
    row.prices = _prices(said.prices)
    return _changed(uow, row, "workshop.edited")


def retire(uow: UnitOfWork, workshop_id: int, version: int) -> Workshop:
    """Nobody asks for it any more; what was asked for goes on."""
    row = _locked(uow, workshop_id, version)
    row.active = False
    return _changed(uow, row, "workshop.retired")


def bring_back(uow: UnitOfWork, workshop_id: int, version: int) -> Workshop:
    row = _locked(uow, workshop_id, version)
    row.active = True
    return _changed(uow, row, "workshop.brought_back")


def get(uow: UnitOfWork, workshop_id: int) -> Workshop:
    row = uow.session.get(Workshop, workshop_id)
    if row is None:
        raise NotFound("workshop.unknown")
    return row


def of_partner(uow: UnitOfWork, partner_id: int | None) -> list[Workshop]:
    """What one part of the house offers, retired ones at the end. For whoever may see that part."""
    partners.require_sight(uow, partner_id)
    mine = Workshop.partner_id == partner_id if partner_id is not None else Workshop.partner_id.is_(None)
    found = uow.session.scalars(select(Workshop).where(mine))
    return sorted(found, key=lambda row: (not row.active, *_by_title(row)))


def by_slug(uow: UnitOfWork, slug: str) -> Workshop:
    """One that everybody may see; the staff sees them all."""
    row = uow.session.scalar(select(Workshop).where(Workshop.slug == slug[:80]))
    if row is None or not ((row.active and row.public) or allows(uow.actor, Right.SEE_ALL)):
        raise NotFound("workshop.unknown")
    return row


def public(
    uow: UnitOfWork, *, kind: WorkshopKind | None = None, audience: Audience | None = None
) -> list[Workshop]:
    """What everybody may see and ask for, workshops before events, by title."""
    query = select(Workshop).where(Workshop.active, Workshop.public)
    if kind is not None:
        query = query.where(Workshop.kind == kind)
    found = [row for row in uow.session.scalars(query) if audience is None or audience.value in row.audiences]
    return sorted(found, key=_by_title)


def everything(uow: UnitOfWork) -> list[Workshop]:
    """Retired ones and those of the house alone too, at the end."""
    require(uow.actor, Right.SEE_ALL)
    return sorted(uow.session.scalars(select(Workshop)), key=lambda row: (not row.active, *_by_title(row)))


def _by_title(row: Workshop) -> tuple[bool, str]:
    return row.kind is WorkshopKind.EVENT, row.title.get("fr", "").casefold()


def _checked(uow: UnitOfWork, said: Said) -> dict[str, object]:
    columns = checked(said)
    if said.partner_id is not None and uow.session.get(Organisation, said.partner_id) is None:
        raise Invalid("workshop.partner", field="partner")
    named = {id_ for want in said.needs for id_ in want.resource_ids}
    rows = list(uow.session.scalars(select(Resource).where(Resource.id.in_(named))).unique()) if named else []
    # What the house runs itself is for everybody; what another partner runs is not offered by name.
    usable = {row.id for row in rows if row.partner_id is None or partners.runs(uow, row.partner_id)}
    if named - usable:
        raise Invalid("workshop.resource", field="needs")
    return columns


def _prices(said: tuple[Price, ...]) -> list[WorkshopPrice]:
    return [
        WorkshopPrice(
            audience=row.audience,
            payer=row.payer,
            unit=row.unit,
            price_cents=row.price_cents,
            vat_rate_bp=row.vat_rate_bp,
        )
        for row in said
    ]


def _locked(uow: UnitOfWork, workshop_id: int, version: int) -> Workshop:
    query = select(Workshop).where(Workshop.id == workshop_id).with_for_update(of=Workshop)
    row = uow.session.scalars(query).one_or_none()
    if row is None or not partners.runs(uow, row.partner_id):
        require(uow.actor, Right.PARTNER)
        raise NotFound("workshop.unknown")
    if row.version != version:
        raise Conflict("workshop.changed", seen=version, now=row.version)
    return row


def _changed(uow: UnitOfWork, row: Workshop, code: str) -> Workshop:
    row.changed_at = uow.now
    _flush(uow)
    log.record(uow, code, about=f"workshop {row.id}")
    uow.raise_event("workshop", row.id, "changed")
    return row


def _flush(uow: UnitOfWork) -> None:
    try:
        uow.session.flush()
    except IntegrityError as error:
        raise Conflict("workshop.taken") from error
