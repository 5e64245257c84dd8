"""What a claim's owner was first told about its finish, kept as it was said: the record that promises are judged by."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from fablab.base.database import Base, UnitOfWork


class Promised(Base):
    """When a claim's part would be ready (its run finished, its bed cleared) as it was promised first, and never changed
    after.

    Four quantiles; `middle_at` (of the run's finish) and `scale_s` are what they were made from (`scheduler.odds`).
    `run_log_mean`, `run_log_sigma`: the log-normal law of the run's own duration in seconds, as it was foreseen when
    it was last started, on the machine it was started on; None before.
    """

    __tablename__ = "promises"

    claim_id: Mapped[str] = mapped_column(String(16), ForeignKey("claims.id"), primary_key=True)
    told_at: Mapped[datetime]
    start_at: Mapped[datetime]
    p10_at: Mapped[datetime]
    p50_at: Mapped[datetime]
    p80_at: Mapped[datetime]
    p90_at: Mapped[datetime]
    middle_at: Mapped[datetime]
    scale_s: Mapped[float]
    run_log_mean: Mapped[float | None]
    run_log_sigma: Mapped[float | None]

    __table_args__ = (Index("ix_promises_told_at", "told_at"),)


def keep(uow: UnitOfWork, promised: Promised) -> None:
    """The first promise stands: a later one for the same claim is not kept."""
    if uow.session.get(Promised, promised.claim_id) is None:
        uow.session.add(promised)
        uow.session.flush()


def foresee(uow: UnitOfWork, claim_id: str, log_mean: float, log_sigma: float) -> None:
    """How long the run that is about to start may take. A claim that was promised nothing has no record."""
    row = uow.session.get(Promised, claim_id)
    if row is not None:
        row.run_log_mean, row.run_log_sigma = log_mean, log_sigma
