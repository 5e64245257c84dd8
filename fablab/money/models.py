"""Prices and bills as the database keeps them; amounts are integer cents."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import JSON, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from fablab.base.database import Base
from fablab.people.models import Audience
from fablab.places.models import Technology, words


class Tariff(Base):
    """What an hour of a technology costs an audience; begun steps of `step_s` count whole."""

    __tablename__ = "tariffs"

    id: Mapped[int] = mapped_column(primary_key=True)
    audience: Mapped[Audience] = mapped_column(words(Audience, "audience"))
    technology: Mapped[Technology] = mapped_column(words(Technology, "technology"))
    hour_cents: Mapped[int]
    step_s: Mapped[int]
    first_day: Mapped[date]
    last_day: Mapped[date | None]

    __table_args__ = (UniqueConstraint("audience", "technology", "first_day"),)


class MaterialPrice(Base):
    __tablename__ = "material_prices"

    id: Mapped[int] = mapped_column(primary_key=True)
    material_id: Mapped[int] = mapped_column(ForeignKey("materials.id"))
    kilogram_cents: Mapped[int]
    first_day: Mapped[date]
    last_day: Mapped[date | None]

    __table_args__ = (UniqueConstraint("material_id", "first_day"),)


class QuoteRow(Base):
    """A promised price; `lines` is the JSON of `money.quotes.Line`s and never changes."""

    __tablename__ = "quotes"

    claim_id: Mapped[str] = mapped_column(String(16), primary_key=True)
    lines: Mapped[list[dict[str, object]]] = mapped_column(JSON)
    total_cents: Mapped[int]
    currency: Mapped[str] = mapped_column(String(3))
    made_at: Mapped[datetime]


class Charge(Base):
    """A bill line group for one run of one claim. Written once; a correction is another row."""

    __tablename__ = "charges"

    id: Mapped[int] = mapped_column(primary_key=True)
    claim_id: Mapped[str] = mapped_column(String(16), index=True)
    run_id: Mapped[str] = mapped_column(String(16), unique=True)
    member_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"), index=True)
    project_id: Mapped[int | None] = mapped_column(ForeignKey("projects.id"), index=True)
    audience: Mapped[Audience] = mapped_column(words(Audience, "audience"))
    lines: Mapped[list[dict[str, object]]] = mapped_column(JSON)
    total_cents: Mapped[int]
    currency: Mapped[str] = mapped_column(String(3))
    made_at: Mapped[datetime] = mapped_column(index=True)
