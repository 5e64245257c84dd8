"""Prices and bills as the database keeps them; amounts are integer cents."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import (
    JSON,
    BindParameter,
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    String,
    UniqueConstraint,
    and_,
    event,
    or_,
)
from sqlalchemy.orm import InstrumentedAttribute, Mapped, mapped_column, relationship

from fablab.base.database import Base
from fablab.base.errors import Conflict
from fablab.people.models import Audience
from fablab.places.models import Technology, words


def in_force(
    first: InstrumentedAttribute[date],
    last: InstrumentedAttribute[date | None],
    day: date | BindParameter[date],
) -> ColumnElement[bool]:
    """Of rules with a first day and perhaps a last one, those that hold on `day`; both belong to it."""
    return and_(first <= day, or_(last.is_(None), last >= day))


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


class InvoiceKind(StrEnum):
    """Each is a series of numbers of its own."""

    INVOICE = "invoice"
    CREDIT = "credit"


class Exemption(StrEnum):
    """Why a line has no VAT, in the words of the CGI. franchise: art. 293 B, who asks for none at all; article_261: what
    is exempt by its nature (teaching, works of public interest)."""

    FRANCHISE = "franchise"
    ARTICLE_261 = "article_261"


class InvoiceSeries(Base):
    """Where a series stands; whoever takes a number holds this row until the transaction ends. `last` begins again each
    `year`; the chain of hashes does not."""

    __tablename__ = "invoice_series"

    kind: Mapped[InvoiceKind] = mapped_column(words(InvoiceKind, "invoice_kind"), primary_key=True)
    year: Mapped[int]
    last: Mapped[int]
    last_at: Mapped[datetime | None]
    last_sha256: Mapped[str] = mapped_column(String(64))


class Invoice(Base):
    """An invoice, or the credit note that cancels one. Everything stands here as it was that day, and nothing of it
    changes after. `day`, `due_day`, `delivered_day`: in the zone of the house. `subject`: in both languages; `seller`,
    `customer`, `lines`: `invoices.Seller`, `invoices.Customer`, `invoices.InvoiceLine` as JSON. `sha256`: of all this and
    of `before_sha256`, the hash of the row before it in its series."""

    __tablename__ = "invoices"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[InvoiceKind] = mapped_column(words(InvoiceKind, "invoice_kind"))
    year: Mapped[int]
    position: Mapped[int]
    number: Mapped[str] = mapped_column(String(20), unique=True)
    claim_id: Mapped[str] = mapped_column(String(16), index=True)
    credits_id: Mapped[int | None] = mapped_column(ForeignKey("invoices.id"), unique=True)
    why: Mapped[str] = mapped_column(String(300))
    made_at: Mapped[datetime]
    made_by_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    day: Mapped[date]
    due_day: Mapped[date | None]
    delivered_day: Mapped[date]
    subject: Mapped[dict[str, str]] = mapped_column(JSON)
    seller: Mapped[dict[str, str]] = mapped_column(JSON)
    customer: Mapped[dict[str, str]] = mapped_column(JSON)
    lines: Mapped[list[dict[str, object]]] = mapped_column(JSON)
    exemption: Mapped[Exemption | None] = mapped_column(words(Exemption, "exemption"))
    net_cents: Mapped[int]
    vat_cents: Mapped[int]
    total_cents: Mapped[int]
    currency: Mapped[str] = mapped_column(String(3))
    before_sha256: Mapped[str] = mapped_column(String(64))
    sha256: Mapped[str] = mapped_column(String(64))

    cancels: Mapped[Invoice | None] = relationship(remote_side=[id], lazy="select", viewonly=True)

    __table_args__ = (
        UniqueConstraint("kind", "year", "position", name="uq_invoices_position"),
        CheckConstraint("position > 0", name="position"),
        CheckConstraint("(kind = 'credit') = (credits_id IS NOT NULL)", name="credits"),
    )


@event.listens_for(Invoice, "before_update")
@event.listens_for(Invoice, "before_delete")
def _never(_mapper: object, _connection: object, row: Invoice) -> None:
    raise Conflict("invoice.fixed", number=row.number)
