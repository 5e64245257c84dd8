"""An entry of a waiting list and its states."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from fablab.base.database import Base
from fablab.people.models import Audience, Member
from fablab.places.models import words


class WaitingState(StrEnum):
    """offered: a place is held for them until `hold_until`; lapsed: too many were let go; expired: its time has come
    without one."""

    WAITING = "waiting"
    OFFERED = "offered"
    TAKEN = "taken"
    LAPSED = "lapsed"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


WAITING_STEPS: dict[tuple[WaitingState, str], WaitingState] = {
    (WaitingState.WAITING, "offer"): WaitingState.OFFERED,
    (WaitingState.WAITING, "expire"): WaitingState.EXPIRED,
    (WaitingState.WAITING, "withdraw"): WaitingState.WITHDRAWN,
    (WaitingState.OFFERED, "take"): WaitingState.TAKEN,
    (WaitingState.OFFERED, "pass"): WaitingState.WAITING,
    (WaitingState.OFFERED, "lapse"): WaitingState.LAPSED,
    (WaitingState.OFFERED, "withdraw"): WaitingState.WITHDRAWN,
}
LIVE = (WaitingState.WAITING, WaitingState.OFFERED)


class Entry(Base):
    """`wanted`: resources at the same time, as the JSON of what `scheduler.reserving.Wanted` says; `duration_s` of them
    somewhere in [since, until). `audience` is frozen, as on a claim. `passes`: offers that were let go; `passed`: which,
    as "start ids", so that none is made twice. `claim_id`: of the place that is held, and then of the reservation.
    """

    __tablename__ = "waiting_entries"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    state: Mapped[WaitingState] = mapped_column(words(WaitingState, "waiting_state"), index=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    made_by_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    project_id: Mapped[int | None] = mapped_column(ForeignKey("projects.id"))
    audience: Mapped[Audience] = mapped_column(words(Audience, "audience"))
    wanted: Mapped[list[dict[str, object]]] = mapped_column(JSON)
    duration_s: Mapped[int]
    since: Mapped[datetime]
    until: Mapped[datetime]
    party: Mapped[int] = mapped_column(default=1)
    title: Mapped[str] = mapped_column(String(200), default="")
    passes: Mapped[int] = mapped_column(default=0)
    passed: Mapped[list[str]] = mapped_column(JSON, default=list)
    offered_at: Mapped[datetime | None]
    hold_until: Mapped[datetime | None]
    claim_id: Mapped[str | None] = mapped_column(String(16), ForeignKey("claims.id"))
    made_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)

    member: Mapped[Member] = relationship(foreign_keys=[member_id], lazy="joined", viewonly=True)

    __table_args__ = (
        CheckConstraint("since < until", name="span"),
        CheckConstraint("duration_s > 0", name="duration"),
        CheckConstraint("party > 0", name="party"),
        Index("ix_waiting_entries_member_state", "member_id", "state"),
    )
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - SQLAlchemy's own declarative attribute
