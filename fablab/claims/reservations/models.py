"""A reservation and its states, and the series it may belong to. `reservation.id == claim.id`."""

from __future__ import annotations

from datetime import date, datetime, time
from enum import StrEnum

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from fablab.base.database import Base
from fablab.claims.models import Claim
from fablab.people.models import Member
from fablab.places.models import words


class ReservationState(StrEnum):
    """requested: holds its place until staff have answered; in_use: somebody has come; missed: nobody came in time."""

    REQUESTED = "requested"
    CONFIRMED = "confirmed"
    IN_USE = "in_use"
    COMPLETED = "completed"
    MISSED = "missed"
    CANCELLED = "cancelled"
    DECLINED = "declined"


RESERVATION_STEPS: dict[tuple[ReservationState, str], ReservationState] = {
    (ReservationState.REQUESTED, "approve"): ReservationState.CONFIRMED,
    (ReservationState.REQUESTED, "decline"): ReservationState.DECLINED,
    (ReservationState.REQUESTED, "cancel"): ReservationState.CANCELLED,
    # What was agreed to is not what it was moved to.
    (ReservationState.CONFIRMED, "ask_again"): ReservationState.REQUESTED,
    (ReservationState.CONFIRMED, "check_in"): ReservationState.IN_USE,
    (ReservationState.CONFIRMED, "miss"): ReservationState.MISSED,
    (ReservationState.CONFIRMED, "cancel"): ReservationState.CANCELLED,
    (ReservationState.IN_USE, "complete"): ReservationState.COMPLETED,
}

#: Those that hold their place.
LIVE = (ReservationState.REQUESTED, ReservationState.CONFIRMED, ReservationState.IN_USE)


class Arrival(StrEnum):
    """How somebody said that they are there."""

    PAGE = "page"
    KIOSK = "kiosk"
    QR = "qr"
    STAFF = "staff"
    START = "start"  # by starting the machine


class HandoverState(StrEnum):
    """offered: it waits for the receiver's answer, and is still the giver's."""

    OFFERED = "offered"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"


HANDOVER_STEPS: dict[tuple[HandoverState, str], HandoverState] = {
    (HandoverState.OFFERED, "accept"): HandoverState.ACCEPTED,
    (HandoverState.OFFERED, "decline"): HandoverState.DECLINED,
    (HandoverState.OFFERED, "withdraw"): HandoverState.WITHDRAWN,
    (HandoverState.OFFERED, "lapse"): HandoverState.LAPSED,
}


class Every(StrEnum):
    """A monthly one keeps its weekday and which one of the month it is ("the second Tuesday")."""

    WEEK = "week"
    MONTH = "month"


class Series(Base):
    """What was asked for once and happens often, in the wall time of `zone`. `ends` at or before `starts` lies in the
    next day, or `days` later where that is more. `skipped`: the dates on which it does not happen, and why, as codes."""

    __tablename__ = "reservation_series"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), index=True)
    made_by_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    every: Mapped[Every] = mapped_column(words(Every, "series_every"))
    step: Mapped[int] = mapped_column(default=1)
    zone: Mapped[str] = mapped_column(String(64))
    first_day: Mapped[date]
    starts: Mapped[time]
    ends: Mapped[time]
    days: Mapped[int] = mapped_column(default=0)
    until: Mapped[date | None]
    count: Mapped[int | None]
    skipped: Mapped[list[dict[str, object]]] = mapped_column(JSON, default=list)
    key: Mapped[str | None] = mapped_column(String(80))
    asked: Mapped[str | None] = mapped_column(String(64))
    made_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("step > 0", name="step"),
        UniqueConstraint("made_by_id", "key", name="uq_reservation_series_key"),
    )


class Reservation(Base):
    """`start_at`, `end_at` and `resource_ids` are what was agreed last; what is held of it is in the allocations, which
    are gone once it is cancelled. `unattended_from`: until then somebody is there, from then on the machine runs alone.

    `key` is what a client called its order, so that an order sent twice is one reservation; `asked` is the order's
    digest. `refusals`: what staff are asked to let pass. `late`: cancelled later than its policy allows.
    """

    __tablename__ = "reservations"

    id: Mapped[str] = mapped_column(String(16), ForeignKey("claims.id"), primary_key=True)
    state: Mapped[ReservationState] = mapped_column(words(ReservationState, "reservation_state"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    made_by_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    series_id: Mapped[str | None] = mapped_column(String(16), ForeignKey("reservation_series.id"), index=True)
    resource_ids: Mapped[list[int]] = mapped_column(JSON)
    start_at: Mapped[datetime]
    end_at: Mapped[datetime]
    unattended_from: Mapped[datetime | None]
    party: Mapped[int] = mapped_column(default=1)
    note: Mapped[str] = mapped_column(String(500), default="")
    why: Mapped[str] = mapped_column(String(300), default="")
    refusals: Mapped[list[dict[str, object]]] = mapped_column(JSON, default=list)
    checked_in_at: Mapped[datetime | None]
    checked_in_how: Mapped[Arrival | None] = mapped_column(words(Arrival, "arrival"))
    checked_in_by_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    decided_at: Mapped[datetime | None]
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    ended_at: Mapped[datetime | None]
    late: Mapped[bool] = mapped_column(default=False)
    key: Mapped[str | None] = mapped_column(String(80))
    asked: Mapped[str | None] = mapped_column(String(64))
    made_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)

    claim: Mapped[Claim] = relationship(lazy="select", viewonly=True)
    member: Mapped[Member] = relationship(foreign_keys=[member_id], lazy="select", viewonly=True)
    series: Mapped[Series | None] = relationship(lazy="select", viewonly=True)

    __table_args__ = (
        CheckConstraint("start_at < end_at", name="span"),
        CheckConstraint("party > 0", name="party"),
        UniqueConstraint("made_by_id", "key", name="uq_reservations_key"),
        Index("ix_reservations_member_end", "member_id", "end_at"),
        Index("ix_reservations_state_start", "state", "start_at"),
    )
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - SQLAlchemy's own declarative attribute


class Handover(Base):
    """A reservation that one member offers to another, until `until_at`; `why` is for the receiver's eyes."""

    __tablename__ = "reservation_handovers"

    id: Mapped[int] = mapped_column(primary_key=True)
    reservation_id: Mapped[str] = mapped_column(String(16), ForeignKey("reservations.id"), index=True)
    state: Mapped[HandoverState] = mapped_column(words(HandoverState, "handover_state"))
    from_id: Mapped[int] = mapped_column(ForeignKey("members.id"), index=True)
    to_id: Mapped[int] = mapped_column(ForeignKey("members.id"), index=True)
    why: Mapped[str] = mapped_column(String(300), default="")
    offered_at: Mapped[datetime]
    until_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]

    reservation: Mapped[Reservation] = relationship(lazy="select", viewonly=True)
    giver: Mapped[Member] = relationship(foreign_keys=[from_id], lazy="select", viewonly=True)
    receiver: Mapped[Member] = relationship(foreign_keys=[to_id], lazy="select", viewonly=True)

    __table_args__ = (Index("ix_reservation_handovers_state", "state"),)
