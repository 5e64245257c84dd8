"""What the day of a session leaves in the database: pieces by number, and answers without a name.

Nobody's name stands here: whom piece 7 belongs to is written on the printed label alone (`names`).
"""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import JSON, CheckConstraint, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from fablab.base.database import Base


class Piece(Base):
    """A job that is made in a session. `number`: on its label, from 1 on. `told_ready_at`: when the school was last told
    that it would be ready, for one that is made afterwards."""

    __tablename__ = "session_pieces"

    job_id: Mapped[str] = mapped_column(String(16), ForeignKey("jobs.id"), primary_key=True)
    session_id: Mapped[str] = mapped_column(ForeignKey("workshop_sessions.id"))
    number: Mapped[int]
    told_ready_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("session_id", "number", name="uq_session_pieces_number"),
        CheckConstraint("number > 0", name="number"),
    )


class Survey(Base):
    """The follow-up questions of a session: `token` is in the link that the school gets, and only lets one answer."""

    __tablename__ = "session_surveys"

    session_id: Mapped[str] = mapped_column(ForeignKey("workshop_sessions.id"), primary_key=True)
    token: Mapped[str] = mapped_column(String(43), unique=True)
    made_at: Mapped[datetime]
    ends_at: Mapped[datetime]


class Answer(Base):
    """One answer; of whom, and at what hour, nobody knows. `marks`: by question, 1 to 5."""

    __tablename__ = "session_answers"

    id: Mapped[int] = mapped_column(primary_key=True)
    session_id: Mapped[str] = mapped_column(ForeignKey("workshop_sessions.id"), index=True)
    marks: Mapped[dict[str, int]] = mapped_column(JSON)
    remark: Mapped[str] = mapped_column(String(1000), default="")
    day: Mapped[date]
