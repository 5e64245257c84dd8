"""A job and its states. `job.id == claim.id` from the first draft on."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import JSON, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from fablab.base.database import Base
from fablab.claims.models import Claim
from fablab.people.models import Member
from fablab.places.models import Material, words
from fablab.programs.models import Program


class JobState(StrEnum):
    """draft: a file, not yet a wish; review: staff must look; queued: in the plan; active: a run stands on it."""

    DRAFT = "draft"
    REVIEW = "review"
    QUEUED = "queued"
    ACTIVE = "active"
    DONE = "done"
    FAILED = "failed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


JOB_STEPS: dict[tuple[JobState, str], JobState] = {
    (JobState.DRAFT, "submit"): JobState.QUEUED,
    (JobState.DRAFT, "ask_review"): JobState.REVIEW,
    (JobState.DRAFT, "cancel"): JobState.CANCELLED,
    (JobState.REVIEW, "accept"): JobState.QUEUED,
    (JobState.REVIEW, "reject"): JobState.REJECTED,
    (JobState.REVIEW, "cancel"): JobState.CANCELLED,
    (JobState.QUEUED, "begin"): JobState.ACTIVE,
    (JobState.QUEUED, "cancel"): JobState.CANCELLED,
    (JobState.ACTIVE, "finish"): JobState.DONE,
    (JobState.ACTIVE, "retry"): JobState.QUEUED,
    (JobState.ACTIVE, "fail"): JobState.FAILED,
    (JobState.ACTIVE, "cancel"): JobState.CANCELLED,
}

LIVE = (JobState.DRAFT, JobState.REVIEW, JobState.QUEUED, JobState.ACTIVE)


class Job(Base):
    """`file_name` is for people's eyes only; the content is found by `program_sha256`.

    `max_tries` counts runs that fail for the machine's reasons; `refusals` are what staff have to look at in review.
    """

    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    state: Mapped[JobState] = mapped_column(words(JobState, "job_state"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    file_name: Mapped[str] = mapped_column(String(200))
    program_sha256: Mapped[str] = mapped_column(ForeignKey("programs.sha256"), index=True)
    material_id: Mapped[int | None] = mapped_column(ForeignKey("materials.id"))
    colour: Mapped[str | None] = mapped_column(String(40))
    tries: Mapped[int] = mapped_column(default=0)
    max_tries: Mapped[int] = mapped_column(default=2)
    refusals: Mapped[list[dict[str, object]]] = mapped_column(JSON, default=list)
    note: Mapped[str] = mapped_column(String(500), default="")
    made_at: Mapped[datetime]
    submitted_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)

    member: Mapped[Member] = relationship(lazy="joined")
    program: Mapped[Program] = relationship(lazy="joined")
    material: Mapped[Material | None] = relationship(lazy="joined")
    claim: Mapped[Claim | None] = relationship(
        primaryjoin="foreign(Job.id) == Claim.id", uselist=False, viewonly=True, lazy="select"
    )

    __table_args__ = (Index("ix_jobs_member_state", "member_id", "state"), Index("ix_jobs_state", "state"))
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - SQLAlchemy's own declarative attribute
