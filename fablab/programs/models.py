"""A program as the database knows it: its hash, its size, and what the analysis said."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, String
from sqlalchemy.orm import Mapped, mapped_column

from fablab.base.database import Base


class Program(Base):
    """One row for each distinct content. `analysis` is the JSON of `programs.gcode.Analysis`."""

    __tablename__ = "programs"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    size_bytes: Mapped[int]
    kind: Mapped[str] = mapped_column(String(16))
    analysis: Mapped[dict[str, object]] = mapped_column(JSON)
    thumbnail: Mapped[str | None] = mapped_column(String(16))  # media type of the picture beside it, if any
    created_at: Mapped[datetime]
