"""Who did what, on whose behalf: rows that are only ever added."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import JSON, ForeignKey, Index, String, delete, event, select
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Mapped, Mapper, mapped_column

from fablab.base.database import Base, UnitOfWork
from fablab.base.errors import Fact

KEPT = timedelta(days=365)  # CNIL, recommendation of 2021 on logging: six months to one year


class Doing(Base):
    """One line of the log. `actor_id` None: the lab itself, under `actor_name`. `for_member_id`: whom it was for or
    about. `about`: the thing it was done to, such as "project 12"; `facts` complete the sentence of the code."""

    __tablename__ = "doings"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    code: Mapped[str] = mapped_column(String(60))
    actor_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"), index=True)
    actor_name: Mapped[str] = mapped_column(String(120))
    for_member_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    about: Mapped[str] = mapped_column(String(80))
    facts: Mapped[dict[str, object]] = mapped_column(JSON)

    __table_args__ = (Index("ix_doings_member_at", "for_member_id", "at"),)


@event.listens_for(Doing, "before_update")
def _never(_mapper: Mapper[Doing], _connection: Connection, row: Doing) -> None:
    raise RuntimeError(f"the log is only added to, and line {row.id} was changed")


def record(
    uow: UnitOfWork, code: str, *, for_member_id: int | None = None, about: str = "", **facts: Fact
) -> Doing:
    """Write down that this actor did it now, in the same transaction as the deed itself."""
    row = Doing(
        at=uow.now,
        code=code,
        actor_id=uow.actor.member_id,
        actor_name=uow.actor.name[:120],
        for_member_id=for_member_id,
        about=about[:80],
        facts=facts,
    )
    uow.session.add(row)
    return row


def about_member(uow: UnitOfWork, member_id: int, *, limit: int = 50) -> list[Doing]:
    """What was done to or for them, newest first."""
    query = select(Doing).where(Doing.for_member_id == member_id)
    return list(uow.session.scalars(query.order_by(Doing.id.desc()).limit(limit)))


def by_member(uow: UnitOfWork, member_id: int, *, limit: int = 50) -> list[Doing]:
    """What they did, newest first."""
    query = select(Doing).where(Doing.actor_id == member_id)
    return list(uow.session.scalars(query.order_by(Doing.id.desc()).limit(limit)))


def forget_old(uow: UnitOfWork) -> None:
    """Lines that are a year old go."""
    uow.session.execute(delete(Doing).where(Doing.at < uow.now - KEPT))
