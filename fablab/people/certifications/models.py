"""What leave to use a machine rests on, as stored: its terms, the rules one signs, and uses under somebody's eyes."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from fablab.base.database import Base
from fablab.places.models import Technology, words


class CertificationTerms(Base):
    """How long a certification lasts and what comes first; one machine's terms replace those of its technology.

    `valid_days` after it was granted or renewed; `disuse_days` without a run, a reservation or a supervised use;
    `supervised_uses` before the first one alone; `remind_days` before either end. None: no such limit.
    """

    __tablename__ = "certification_terms"

    id: Mapped[int] = mapped_column(primary_key=True)
    technology: Mapped[Technology] = mapped_column(words(Technology, "technology"))
    resource_id: Mapped[int | None] = mapped_column(ForeignKey("resources.id"))
    valid_days: Mapped[int | None]
    disuse_days: Mapped[int | None]
    supervised_uses: Mapped[int] = mapped_column(default=0)
    remind_days: Mapped[int] = mapped_column(default=30)
    set_at: Mapped[datetime]
    set_by_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))

    __table_args__ = (
        UniqueConstraint("technology", "resource_id"),
        CheckConstraint("supervised_uses >= 0", name="supervised_uses"),
    )


class RuleText(Base):
    """One version of the rules of a technology or of one machine, in both languages; a published one never changes.

    `sign_by`: the day from which an older signature is no longer enough; None leaves older ones good. The rules
    themselves are over when the newest version is withdrawn.
    """

    __tablename__ = "rule_texts"

    id: Mapped[int] = mapped_column(primary_key=True)
    technology: Mapped[Technology] = mapped_column(words(Technology, "technology"))
    resource_id: Mapped[int | None] = mapped_column(ForeignKey("resources.id"))
    version: Mapped[int]
    title_fr: Mapped[str] = mapped_column(String(160))
    title_en: Mapped[str] = mapped_column(String(160))
    text_fr: Mapped[str] = mapped_column(Text)
    text_en: Mapped[str] = mapped_column(Text)
    sign_by: Mapped[date | None]
    published_at: Mapped[datetime]
    published_by_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    withdrawn_at: Mapped[datetime | None]

    __table_args__ = (UniqueConstraint("technology", "resource_id", "version"),)


class RuleSignature(Base):
    """A member's name under one version. `witness_id`: who of the staff saw it being signed on paper."""

    __tablename__ = "rule_signatures"

    id: Mapped[int] = mapped_column(primary_key=True)
    rule_text_id: Mapped[int] = mapped_column(ForeignKey("rule_texts.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), index=True)
    typed_name: Mapped[str] = mapped_column(String(120))
    signed_at: Mapped[datetime]
    language: Mapped[str] = mapped_column(String(5))
    witness_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))

    __table_args__ = (UniqueConstraint("rule_text_id", "member_id"),)


class SupervisedUse(Base):
    """A use under the eyes of a trainer or of the staff, who counted it; until `until_at` the machine may be started."""

    __tablename__ = "supervised_uses"

    id: Mapped[int] = mapped_column(primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    technology: Mapped[Technology] = mapped_column(words(Technology, "technology"))
    resource_id: Mapped[int | None] = mapped_column(ForeignKey("resources.id"))
    by_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    at: Mapped[datetime]
    until_at: Mapped[datetime]
    note: Mapped[str] = mapped_column(String(300), default="")

    __table_args__ = (Index("ix_supervised_uses_member_at", "member_id", "at"),)
