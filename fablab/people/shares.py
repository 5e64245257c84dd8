"""What part of the machines' time each audience is owed. Set by an administrator; equal until then."""

from __future__ import annotations

from datetime import datetime
from math import isfinite

from sqlalchemy import CheckConstraint, select
from sqlalchemy.orm import Mapped, mapped_column

from fablab.base.database import Base, UnitOfWork
from fablab.base.errors import Invalid
from fablab.people.access import Right, require
from fablab.people.models import Audience
from fablab.places.models import words

USUAL_PARTS = 1.0
MOST_PARTS = 100.0


class ShareDue(Base):
    """`parts` beside the other audiences' parts: 2 is owed twice the time of 1. An audience without a row has 1."""

    __tablename__ = "shares_due"

    audience: Mapped[Audience] = mapped_column(words(Audience, "audience"), primary_key=True)
    parts: Mapped[float]
    set_at: Mapped[datetime]

    __table_args__ = (CheckConstraint("parts > 0", name="parts"),)


def parts_due(uow: UnitOfWork) -> dict[Audience, float]:
    """Of every audience."""
    found = {row.audience: row.parts for row in uow.session.scalars(select(ShareDue))}
    return {audience: found.get(audience, USUAL_PARTS) for audience in Audience}


def set_parts(uow: UnitOfWork, audience: Audience, parts: float) -> None:
    """Raises `Invalid` share.parts outside (0, MOST_PARTS]."""
    require(uow.actor, Right.MANAGE)
    if not (isfinite(parts) and 0 < parts <= MOST_PARTS):
        raise Invalid("share.parts", field="parts", most=MOST_PARTS)
    row = uow.session.get(ShareDue, audience)
    if row is None:
        uow.session.add(ShareDue(audience=audience, parts=parts, set_at=uow.now))
    else:
        row.parts, row.set_at = parts, uow.now
    uow.session.flush()
    uow.raise_event("shares", "house", "changed")
