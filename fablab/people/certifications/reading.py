"""What somebody holds, as read from the database: in a fixed number of queries, however many machines it is about."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from sqlalchemy import Integer, bindparam, select

from fablab.base.database import UnitOfWork
from fablab.people.certifications.models import SupervisedUse
from fablab.people.certifications.standing import Grant
from fablab.people.models import Certification
from fablab.places.models import Technology

_OF_MANY = select(Certification).where(
    Certification.member_id.in_(bindparam("ids", expanding=True, type_=Integer)),
    Certification.revoked_at.is_(None),
)


def grants_of(uow: UnitOfWork, member_id: int) -> list[Grant]:
    """Those that were not revoked, whether or not they have run out."""
    ahead: dict[int, list[Grant]] | None = uow.ahead.get("certifications.grants")
    if ahead is not None and member_id in ahead:
        return ahead[member_id]
    query = select(Certification).where(
        Certification.member_id == member_id, Certification.revoked_at.is_(None)
    )
    return [grant_of(row) for row in uow.session.scalars(query)]


def grants_of_many(uow: UnitOfWork, member_ids: Collection[int]) -> dict[int, list[Grant]]:
    """`grants_of` for each of them, in one query."""
    found: dict[int, list[Grant]] = {id_: [] for id_ in member_ids}
    for row in uow.session.scalars(_OF_MANY, {"ids": list(member_ids)}):
        found[row.member_id].append(grant_of(row))
    return found


def grant_of(row: Certification) -> Grant:
    return Grant(
        id=row.id,
        technology=row.technology,
        resource_id=row.resource_id,
        level=row.level,
        since=row.renewed_at or row.granted_at,
        expires_at=row.expires_at,
    )


def supervised_of(uow: UnitOfWork, member_id: int) -> list[SupervisedUse]:
    query = select(SupervisedUse).where(SupervisedUse.member_id == member_id)
    return list(uow.session.scalars(query.order_by(SupervisedUse.at)))


def counted(uses: Iterable[SupervisedUse], technology: Technology, resource_id: int | None) -> int:
    """Uses of the technology; where the terms are one machine's own, those on that machine."""
    return sum(
        1
        for use in uses
        if use.technology is technology and (resource_id is None or use.resource_id == resource_id)
    )


def watched_until(
    uses: Iterable[SupervisedUse], technology: Technology | None, resource_id: int
) -> datetime | None:
    """Until when somebody stands beside at this machine; past instants too."""
    return max(
        (
            use.until_at
            for use in uses
            if use.technology is technology and use.resource_id in (None, resource_id)
        ),
        default=None,
    )
