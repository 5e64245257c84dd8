"""What people are told: a row in the same transaction as its cause, so nothing is announced that did not happen."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, ForeignKey, Index, String, select, update
from sqlalchemy.orm import Mapped, mapped_column

from fablab.base.database import Base, UnitOfWork
from fablab.base.errors import Fact


class Notice(Base):
    """`code` and `facts` become words at the edge; `seen_at` is set when the member has looked."""

    __tablename__ = "notices"

    id: Mapped[int] = mapped_column(primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    code: Mapped[str] = mapped_column(String(60))
    facts: Mapped[dict[str, object]] = mapped_column(JSON)
    claim_id: Mapped[str | None] = mapped_column(String(16))
    made_at: Mapped[datetime]
    seen_at: Mapped[datetime | None]

    __table_args__ = (Index("ix_notices_member_seen", "member_id", "seen_at"),)


def tell(
    uow: UnitOfWork, member_id: int | None, code: str, *, claim_id: str | None = None, **facts: Fact
) -> None:
    """Write the notice; nobody to tell (an outage has no owner) is not an error."""
    if member_id is None:
        return
    uow.session.add(Notice(member_id=member_id, code=code, facts=facts, claim_id=claim_id, made_at=uow.now))
    uow.raise_event("member", member_id, "notice")


def take_back(uow: UnitOfWork, member_id: int | None, code: str, claim_id: str) -> dict[str, object] | None:
    """The facts of a notice of this that its member has not looked at yet; it is gone. None where there is none.

    Whoever amends one takes it back and tells anew: a row that is changed while somebody marks it as seen would never
    be heard of.
    """
    query = select(Notice).where(
        Notice.member_id == member_id,
        Notice.code == code,
        Notice.claim_id == claim_id,
        Notice.seen_at.is_(None),
    )
    row = uow.session.scalars(query.order_by(Notice.id)).first()
    if row is None:
        return None
    uow.session.delete(row)
    return row.facts


def told_since(uow: UnitOfWork, code: str, since: datetime) -> list[int]:
    """The ids of the members who were told this, once for each time."""
    return list(
        uow.session.scalars(select(Notice.member_id).where(Notice.code == code, Notice.made_at >= since))
    )


def unseen(uow: UnitOfWork, member_id: int, *, limit: int = 20) -> list[Notice]:
    """Newest first."""
    query = select(Notice).where(Notice.member_id == member_id, Notice.seen_at.is_(None))
    return list(uow.session.scalars(query.order_by(Notice.id.desc()).limit(limit)))


def seen(uow: UnitOfWork, member_id: int, upto_id: int) -> None:
    uow.session.execute(
        update(Notice)
        .where(Notice.member_id == member_id, Notice.id <= upto_id, Notice.seen_at.is_(None))
        .values(seen_at=uow.now)
    )
