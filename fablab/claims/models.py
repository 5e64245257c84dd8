"""The one calendar: who wants what (claims, needs), and what is held for them (allocations)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from fablab.base.database import Base
from fablab.people.models import Audience, Member, Project, ProjectKind
from fablab.places.models import Resource, words


class ClaimKind(StrEnum):
    JOB = "job"
    RESERVATION = "reservation"
    SESSION = "session"  # one date of a workshop
    OUTAGE = "outage"


class ClaimState(StrEnum):
    """open: wants a place; held: has one; offered: has one until `hold_until`; closed: over, for whatever reason."""

    OPEN = "open"
    OFFERED = "offered"
    HELD = "held"
    CLOSED = "closed"


CLAIM_STEPS: dict[tuple[ClaimState, str], ClaimState] = {
    (ClaimState.OPEN, "allocate"): ClaimState.HELD,
    (ClaimState.OPEN, "offer"): ClaimState.OFFERED,
    (ClaimState.OFFERED, "confirm"): ClaimState.HELD,
    (ClaimState.OFFERED, "lapse"): ClaimState.OPEN,
    (ClaimState.OFFERED, "decline"): ClaimState.CLOSED,
    (ClaimState.HELD, "replan"): ClaimState.OPEN,
    (ClaimState.OPEN, "end"): ClaimState.CLOSED,
    (ClaimState.OFFERED, "end"): ClaimState.CLOSED,
    (ClaimState.HELD, "end"): ClaimState.CLOSED,
    # A request that was turned down, and is looked at again.
    (ClaimState.CLOSED, "reopen"): ClaimState.OPEN,
}


class AllocationState(StrEnum):
    """tentative: the planner may still move it; firm: a person has been given it, or a run stands on it."""

    TENTATIVE = "tentative"
    FIRM = "firm"


class Claim(Base):
    """A wish for resources in a window. What it costs and for whom it is are frozen here when it is made.

    `estimate_s` is the machine time asked for, `setup_s` and `clear_s` the person's time before and after.
    `ready_at` is what the plan says now, between `ready_from` and `ready_until`; `told_ready_at` is what the owner was
    last told, so that many small moves are one large one. `reasons` holds the explanation as codes and facts.
    """

    __tablename__ = "claims"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    kind: Mapped[ClaimKind] = mapped_column(words(ClaimKind, "claim_kind"))
    state: Mapped[ClaimState] = mapped_column(words(ClaimState, "claim_state"), index=True)
    title: Mapped[str] = mapped_column(String(200))
    member_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"), index=True)
    project_id: Mapped[int | None] = mapped_column(ForeignKey("projects.id"), index=True)
    audience: Mapped[Audience | None] = mapped_column(words(Audience, "audience"))
    project_kind: Mapped[ProjectKind | None] = mapped_column(words(ProjectKind, "project_kind"))
    priority: Mapped[int] = mapped_column(default=0)
    release_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    hold_until: Mapped[datetime | None]
    estimate_s: Mapped[int]
    estimate_source: Mapped[str] = mapped_column(String(16), default="given")
    attended: Mapped[bool] = mapped_column(default=True)
    material_id: Mapped[int | None] = mapped_column(ForeignKey("materials.id"))
    colour: Mapped[str | None] = mapped_column(String(40))
    nozzle_mm: Mapped[float | None]
    ready_at: Mapped[datetime | None]
    ready_from: Mapped[datetime | None]
    ready_until: Mapped[datetime | None]
    told_ready_at: Mapped[datetime | None]
    reasons: Mapped[list[dict[str, object]]] = mapped_column(JSON, default=list)
    made_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)

    needs: Mapped[list[Need]] = relationship(back_populates="claim", order_by="Need.id", lazy="selectin")
    allocations: Mapped[list[Allocation]] = relationship(
        back_populates="claim", order_by="Allocation.start_at", lazy="selectin"
    )
    member: Mapped[Member | None] = relationship(lazy="joined")
    project: Mapped[Project | None] = relationship(lazy="select")

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - SQLAlchemy's own declarative attribute


class Need(Base):
    """`quantity` resources out of `eligible`, all at the same time as the claim's other needs.

    `barred` maps the id of a resource that looked right to the code of the reason why it is not eligible.
    """

    __tablename__ = "needs"

    id: Mapped[int] = mapped_column(primary_key=True)
    claim_id: Mapped[str] = mapped_column(ForeignKey("claims.id"), index=True)
    quantity: Mapped[int] = mapped_column(default=1)
    eligible: Mapped[list[int]] = mapped_column(JSON)
    barred: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)

    claim: Mapped[Claim] = relationship(back_populates="needs")

    __table_args__ = (CheckConstraint("quantity > 0", name="quantity"),)


class Allocation(Base):
    """A resource held in [start_at, end_at): set-up, the run in [run_start_at, run_end_at), and clearing.

    No two rows of one resource overlap; the database itself refuses it (see the first migration). `run_id` names
    the run that stands on it, once there is one.
    """

    __tablename__ = "allocations"

    id: Mapped[int] = mapped_column(primary_key=True)
    claim_id: Mapped[str] = mapped_column(ForeignKey("claims.id"), index=True)
    need_id: Mapped[int | None] = mapped_column(ForeignKey("needs.id"))
    resource_id: Mapped[int] = mapped_column(ForeignKey("resources.id"))
    state: Mapped[AllocationState] = mapped_column(words(AllocationState, "allocation_state"))
    start_at: Mapped[datetime]
    run_start_at: Mapped[datetime]
    run_end_at: Mapped[datetime]
    end_at: Mapped[datetime]
    run_id: Mapped[str | None] = mapped_column(String(16), index=True)

    claim: Mapped[Claim] = relationship(back_populates="allocations")
    resource: Mapped[Resource] = relationship(lazy="joined")

    __table_args__ = (
        CheckConstraint(
            "start_at <= run_start_at AND run_start_at <= run_end_at AND run_end_at <= end_at", name="order"
        ),
        CheckConstraint("start_at < end_at", name="span"),
        Index("ix_allocations_resource_span", "resource_id", "start_at", "end_at"),
        Index("ix_allocations_end", "end_at"),
    )


class CalendarVersion(Base):
    """One row, counted up by the database itself with every change of an allocation (see `migrations.counting`).

    Whoever has planned from what the calendar showed at a version writes only if it is still that one.
    """

    __tablename__ = "calendar_version"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[int]

    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)
