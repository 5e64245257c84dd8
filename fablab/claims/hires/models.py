"""A hire and its states: somebody without an account asks for a room. `hire.id == claim.id`."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from fablab.base.database import Base
from fablab.claims.models import Claim
from fablab.people.models import Audience
from fablab.places.models import words


class HireState(StrEnum):
    """asked: the address is still to be confirmed; requested: the staff is to answer. Both hold the place, until
    `hold_until`; confirmed: it is theirs; done: it took place, and was charged."""

    ASKED = "asked"
    REQUESTED = "requested"
    CONFIRMED = "confirmed"
    DONE = "done"
    DECLINED = "declined"
    CANCELLED = "cancelled"
    LAPSED = "lapsed"


HIRE_STEPS: dict[tuple[HireState, str], HireState] = {
    (HireState.ASKED, "confirm_email"): HireState.REQUESTED,
    (HireState.ASKED, "cancel"): HireState.CANCELLED,
    (HireState.ASKED, "lapse"): HireState.LAPSED,
    (HireState.REQUESTED, "approve"): HireState.CONFIRMED,
    (HireState.REQUESTED, "decline"): HireState.DECLINED,
    (HireState.REQUESTED, "cancel"): HireState.CANCELLED,
    (HireState.REQUESTED, "lapse"): HireState.LAPSED,
    (HireState.CONFIRMED, "cancel"): HireState.CANCELLED,
    (HireState.CONFIRMED, "complete"): HireState.DONE,
}

#: Those that hold their place.
LIVE_HIRES = (HireState.ASKED, HireState.REQUESTED, HireState.CONFIRMED)


class Hire(Base):
    """`start_at`, `end_at`: when people are in the room; set-up and clearing stand in the allocations. `resource_ids`:
    the room first, then the kits taken with it. `key_hash`: of the secret that stands in their letters.

    `partner_id`: whose room it is, as it stood then. Who asked is blanked a while after it is over (`hires.forget`)."""

    __tablename__ = "hires"

    id: Mapped[str] = mapped_column(String(16), ForeignKey("claims.id"), primary_key=True)
    state: Mapped[HireState] = mapped_column(words(HireState, "hire_state"))
    partner_id: Mapped[int | None] = mapped_column(ForeignKey("organisations.id"), index=True)
    resource_ids: Mapped[list[int]] = mapped_column(JSON)
    start_at: Mapped[datetime]
    end_at: Mapped[datetime]
    audience: Mapped[Audience] = mapped_column(words(Audience, "audience"))
    name: Mapped[str] = mapped_column(String(120))
    organisation: Mapped[str] = mapped_column(String(200))
    email: Mapped[str] = mapped_column(String(254))
    phone: Mapped[str] = mapped_column(String(40))
    language: Mapped[str] = mapped_column(String(5))
    people: Mapped[int]
    purpose: Mapped[str] = mapped_column(String(500))
    why: Mapped[str] = mapped_column(String(300))
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    hold_until: Mapped[datetime | None] = mapped_column(index=True)
    made_at: Mapped[datetime]
    email_confirmed_at: Mapped[datetime | None]
    decided_at: Mapped[datetime | None]
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    ended_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)

    claim: Mapped[Claim] = relationship(lazy="select", viewonly=True)

    __table_args__ = (
        CheckConstraint("start_at < end_at", name="span"),
        CheckConstraint("people > 0", name="people"),
        Index("ix_hires_state_start", "state", "start_at"),
    )
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - SQLAlchemy's own declarative attribute
