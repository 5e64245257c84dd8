"""A training session, who has a place in it and who waits for one; `session.id == claim.id`."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from fablab.base.database import Base
from fablab.people.models import CertificationLevel, Member
from fablab.places.models import Resource, Technology, words


class TrainingState(StrEnum):
    """planned: places may be taken; delivered: who came is written down; cancelled: it did not happen."""

    PLANNED = "planned"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"


TRAINING_STEPS: dict[tuple[TrainingState, str], TrainingState] = {
    (TrainingState.PLANNED, "deliver"): TrainingState.DELIVERED,
    (TrainingState.PLANNED, "cancel"): TrainingState.CANCELLED,
}


class SeatState(StrEnum):
    """joined: has a place; waiting: for one that is given up; attended, absent: as it was in the end."""

    JOINED = "joined"
    WAITING = "waiting"
    LEFT = "left"
    ATTENDED = "attended"
    ABSENT = "absent"


SEAT_STEPS: dict[tuple[SeatState, str], SeatState] = {
    (SeatState.WAITING, "move_up"): SeatState.JOINED,
    (SeatState.JOINED, "leave"): SeatState.LEFT,
    (SeatState.WAITING, "leave"): SeatState.LEFT,
    (SeatState.LEFT, "join"): SeatState.JOINED,
    (SeatState.LEFT, "wait"): SeatState.WAITING,
    (SeatState.JOINED, "attend"): SeatState.ATTENDED,
    (SeatState.WAITING, "attend"): SeatState.ATTENDED,  # somebody did not come, and there was a chair
    (SeatState.JOINED, "miss"): SeatState.ABSENT,
    (SeatState.WAITING, "miss"): SeatState.LEFT,
}


class Training(Base):
    """One date. It certifies for `technology`, or for one machine of it, at `level`; the trainer vouches for it."""

    __tablename__ = "training_sessions"

    id: Mapped[str] = mapped_column(ForeignKey("claims.id"), primary_key=True)
    state: Mapped[TrainingState] = mapped_column(words(TrainingState, "training_state"))
    technology: Mapped[Technology] = mapped_column(words(Technology, "technology"))
    resource_id: Mapped[int | None] = mapped_column(ForeignKey("resources.id"))
    level: Mapped[CertificationLevel] = mapped_column(words(CertificationLevel, "certification_level"))
    trainer_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    places: Mapped[int]
    start_at: Mapped[datetime]
    end_at: Mapped[datetime]
    note: Mapped[str] = mapped_column(String(500), default="")
    made_by_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    made_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)

    trainer: Mapped[Member] = relationship(foreign_keys=[trainer_id], lazy="joined")
    resource: Mapped[Resource | None] = relationship(lazy="joined")
    seats: Mapped[list[TrainingSeat]] = relationship(
        back_populates="session", order_by="(TrainingSeat.asked_at, TrainingSeat.id)", lazy="selectin"
    )

    __table_args__ = (
        CheckConstraint("places > 0", name="places"),
        CheckConstraint("start_at < end_at", name="order"),
        Index("ix_training_sessions_technology_start", "technology", "start_at"),
    )
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - SQLAlchemy's own declarative attribute


class TrainingSeat(Base):
    """A member in a session. Whoever leaves and comes back stands at the end: `asked_at` is when they last asked."""

    __tablename__ = "training_seats"

    id: Mapped[int] = mapped_column(primary_key=True)
    session_id: Mapped[str] = mapped_column(ForeignKey("training_sessions.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), index=True)
    state: Mapped[SeatState] = mapped_column(words(SeatState, "seat_state"))
    asked_at: Mapped[datetime]
    by_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))

    session: Mapped[Training] = relationship(back_populates="seats")
    member: Mapped[Member] = relationship(foreign_keys=[member_id], lazy="joined")

    __table_args__ = (UniqueConstraint("session_id", "member_id"),)
