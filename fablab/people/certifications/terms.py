"""How long a certification lasts and what comes first, as the house sets it."""

from __future__ import annotations

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.base.errors import Invalid, NotFound
from fablab.people import log
from fablab.people.access import Right, require
from fablab.people.certifications.granting import about
from fablab.people.certifications.models import CertificationTerms
from fablab.places.models import Technology

MOST_DAYS = 3650
MOST_USES = 50


def set_terms(
    uow: UnitOfWork,
    technology: Technology,
    *,
    resource_id: int | None = None,
    valid_days: int | None = None,
    disuse_days: int | None = None,
    supervised_uses: int = 0,
    remind_days: int = 30,
) -> CertificationTerms:
    """From now on; what was granted before keeps the end it was given. Raises `Invalid` terms.days, terms.uses."""
    require(uow.actor, Right.MANAGE)
    about(uow, technology, resource_id)
    days = {"valid_days": valid_days, "disuse_days": disuse_days, "remind_days": remind_days}
    for field, value in days.items():
        if value is not None and not 1 <= value <= MOST_DAYS:
            raise Invalid("terms.days", field=field, most=MOST_DAYS)
    if not 0 <= supervised_uses <= MOST_USES:
        raise Invalid("terms.uses", field="supervised_uses", most=MOST_USES)
    row = _exact(uow, technology, resource_id)
    if row is None:
        row = CertificationTerms(technology=technology, resource_id=resource_id)
        uow.session.add(row)
    row.valid_days, row.disuse_days = valid_days, disuse_days
    row.supervised_uses, row.remind_days = supervised_uses, remind_days
    row.set_at, row.set_by_id = uow.now, uow.actor.member_id
    uow.session.flush()
    log.record(uow, "certification.terms", about=f"{technology.value} {resource_id or ''}".strip())
    uow.raise_event("rules", "terms", "changed")
    return row


def drop_terms(uow: UnitOfWork, terms_id: int) -> None:
    require(uow.actor, Right.MANAGE)
    row = uow.session.get(CertificationTerms, terms_id)
    if row is None:
        raise NotFound("terms.unknown", id=terms_id)
    uow.session.delete(row)
    log.record(uow, "certification.terms", about=f"{row.technology.value} {row.resource_id or ''}".strip())
    uow.raise_event("rules", "terms", "changed")


def all_terms(uow: UnitOfWork) -> list[CertificationTerms]:
    query = select(CertificationTerms)
    return sorted(uow.session.scalars(query), key=lambda row: (row.technology, row.resource_id or 0))


def _exact(uow: UnitOfWork, technology: Technology, resource_id: int | None) -> CertificationTerms | None:
    query = select(CertificationTerms).where(CertificationTerms.technology == technology)
    return next((row for row in uow.session.scalars(query) if row.resource_id == resource_id), None)
