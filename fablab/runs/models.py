"""A run and its states."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from fablab.base.database import Base
from fablab.claims.models import Claim
from fablab.claims.rules.models import Overrun
from fablab.people.models import Member
from fablab.places.models import Resource, words


class RunState(StrEnum):
    """preparing: the operator has tapped; starting: written down before the command is sent; the rest is observed.

    `interrupted` says that nobody knows how it ended: it is never resumed and never counted as the maker's failure.
    """

    PREPARING = "preparing"
    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


S = RunState
RUN_STEPS: dict[tuple[RunState, str], RunState] = {
    (S.PREPARING, "begin"): S.STARTING,
    (S.PREPARING, "cancel"): S.CANCELLED,
    **{(now, "run"): S.RUNNING for now in (S.STARTING, S.RUNNING, S.PAUSED)},
    **{(now, "pause"): S.PAUSED for now in (S.STARTING, S.RUNNING, S.PAUSED)},
    **{
        (now, action): after
        for now in (S.STARTING, S.RUNNING, S.PAUSED)
        for action, after in (
            ("succeed", S.SUCCEEDED),
            ("fail", S.FAILED),
            ("cancel", S.CANCELLED),
            ("interrupt", S.INTERRUPTED),
        )
    },
}
LIVE = (S.PREPARING, S.STARTING, S.RUNNING, S.PAUSED)
ENDED = (S.SUCCEEDED, S.FAILED, S.CANCELLED, S.INTERRUPTED)
del S


class Run(Base):
    """`id` is the token the device is given. `deadline_at`: a start that would come later is dropped and said.

    `unseen_since` is when the machine was last lost from sight; `elapsed_s` and `fraction` are the last seen.
    `paused_s`: how long it stood still in pauses that are over. `cleared_at`: when somebody had taken off what it left
    on the bed: a good part is ready then. `host_id`: the claim (a reservation's, a session's) that lent it the machine,
    and has it back until `host_until` when the run is over.
    """

    __tablename__ = "runs"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    claim_id: Mapped[str] = mapped_column(ForeignKey("claims.id"), index=True)
    resource_id: Mapped[int] = mapped_column(ForeignKey("resources.id"))
    state: Mapped[RunState] = mapped_column(words(RunState, "run_state"), index=True)
    operator_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    spool_id: Mapped[int | None] = mapped_column(ForeignKey("spools.id"))
    prepared_at: Mapped[datetime]
    deadline_at: Mapped[datetime]
    starting_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    cleared_at: Mapped[datetime | None]
    state_at: Mapped[datetime]
    unseen_since: Mapped[datetime | None]
    elapsed_s: Mapped[float] = mapped_column(default=0.0)
    paused_s: Mapped[float] = mapped_column(default=0.0)
    fraction: Mapped[float | None]
    remaining_s: Mapped[float | None]
    used_g: Mapped[float | None]
    detail: Mapped[str] = mapped_column(String(300), default="")
    cancel_asked_at: Mapped[datetime | None]
    cancel_asked_by_id: Mapped[int | None]  # a member; no reference, so that a member can be erased later
    host_id: Mapped[str | None] = mapped_column(String(16), index=True)  # a claim; no reference, as above
    host_until: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)

    claim: Mapped[Claim] = relationship(lazy="joined")
    resource: Mapped[Resource] = relationship(lazy="joined")
    operator: Mapped[Member | None] = relationship(lazy="joined")

    __table_args__ = (
        Index("ix_runs_resource_prepared", "resource_id", "prepared_at"),
        Index("ix_runs_state_ended", "state", "ended_at"),
        # One machine runs one thing: the database says so too.
        Index(
            "uq_runs_live_resource",
            "resource_id",
            unique=True,
            sqlite_where=text("state IN ('preparing', 'starting', 'running', 'paused')"),
            postgresql_where=text("state IN ('preparing', 'starting', 'running', 'paused')"),
        ),
    )
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - SQLAlchemy's own declarative attribute


class Stop(Base):
    """Somebody stopped a machine. `confirmed_at`: when the machine itself said that heat and beam are off.

    `seen_at`: when somebody acknowledged it. Members without a reference, so that they can be erased later.
    """

    __tablename__ = "stops"

    resource_id: Mapped[int] = mapped_column(ForeignKey("resources.id"), primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    by_id: Mapped[int | None]
    confirmed_at: Mapped[datetime | None]
    seen_at: Mapped[datetime | None]
    seen_by_id: Mapped[int | None]


class Clash(Base):
    """A live run and the reservation that it would not be over for, and what was done about it, by the machine's policy.

    `expected_at`: when the machine was last expected to be clear; `was_start_at`, `start_at`: of the reservation, before
    and after a shift; `paused_at`: when the run was held for it; `declined_at`: when its holder would not have it later.
    """

    __tablename__ = "clashes"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    reservation_id: Mapped[str] = mapped_column(ForeignKey("reservations.id"), primary_key=True, index=True)
    overrun: Mapped[Overrun] = mapped_column(words(Overrun, "overrun"))
    seen_at: Mapped[datetime]
    expected_at: Mapped[datetime]
    was_start_at: Mapped[datetime]
    start_at: Mapped[datetime]
    paused_at: Mapped[datetime | None]
    declined_at: Mapped[datetime | None]
