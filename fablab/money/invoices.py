"""Invoices: what was charged, frozen with who pays it under a number without holes, and cancelled by a credit note alone.

Numbers are unique, in the order of time and without a hole in each series and year (CGI ann. II art. 242 nonies A, I 7°):
the row of the series is held from the taking of a number to the end of the transaction, so that a transaction that fails
gives its number back. Each row carries a hash of itself and of the row before it; `broken` reads them all again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import select, text

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, Invalid, NotFound
from fablab.money import quotes
from fablab.money.models import Exemption, Invoice, InvoiceKind, InvoiceSeries
from fablab.people import organisations
from fablab.people.access import Right, require
from fablab.places import house

#: Facture and avoir.
LETTERS: Final = {InvoiceKind.INVOICE: "F", InvoiceKind.CREDIT: "A"}
#: What a public buyer may take (décret 2013-269), and the law's own where nothing was agreed (C. com. L441-10).
PAID_WITHIN: Final = timedelta(days=30)
#: A clock that went back further than this is wrong, and no invoice is dated by it.
CLOCK_PLAY: Final = timedelta(hours=1)
MOST_WHY = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """Who pays. `siret`, `uai`, `order_number` and `service_code` (as the buyer asks for it, for its accounts): "" for
    none."""

    name: str
    address: str = ""
    postcode: str
    city: str
    siret: str = ""
    uai: str = ""
    order_number: str = ""
    service_code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seller:
    """Who is paid: the house, under its own name. `vat_number`: only who asks for VAT must have one."""

    name: str
    address: str
    siret: str
    vat_number: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceLine:
    """As it was charged, with its tax beside it; all amounts of a credit note's lines are negative."""

    code: str
    quantity: float
    unit_cents: int
    net_cents: int
    vat_rate_bp: int
    vat_cents: int


def issue(
    uow: UnitOfWork,
    claim_id: str,
    customer: Customer,
    *,
    seller: Seller,
    subject: dict[str, str],
    delivered_at: datetime,
    exemption: Exemption | None = None,
) -> Invoice:
    """From everything that was charged on the claim. `exemption`: of lines without VAT; None: art. 293 B where no line
    has any, and art. 261 beside lines that have.

    Raises `Conflict` invoice.nothing (no charge, or of nothing), invoice.already while one stands, invoice.clock;
    `Invalid` invoice.* and organisation.siret.
    """
    require(uow.actor, Right.OPERATE)
    lines, currency = _charged(uow, claim_id)
    told, payer = _seller(seller, taxed=any(line.vat_rate_bp for line in lines)), _customer(customer)
    why_none = _exemption(lines, exemption)
    series, at, day = _hold(uow, InvoiceKind.INVOICE)
    if standing(of_claim(uow, claim_id)) is not None:
        raise Conflict("invoice.already")
    zone = _zone(uow)
    row = Invoice(
        kind=InvoiceKind.INVOICE,
        claim_id=claim_id,
        why="",
        due_day=day + PAID_WITHIN,
        delivered_day=delivered_at.astimezone(zone).date(),
        subject=dict(subject),
        seller=asdict(told),
        customer=asdict(payer),
        exemption=why_none,
        currency=currency,
    )
    return _write(uow, series, row, lines, at, day)


def credit(uow: UnitOfWork, invoice_id: int, why: str) -> Invoice:
    """The whole of an invoice is taken back, and the reader is told why. Its claim may then have another one.

    Raises `NotFound` invoice.unknown; `Conflict` invoice.credited, invoice.clock; `Invalid` invoice.text.
    """
    require(uow.actor, Right.OPERATE)
    said = _text(why, "text", MOST_WHY)
    of = uow.session.get(Invoice, invoice_id)
    if of is None or of.kind is not InvoiceKind.INVOICE:
        raise NotFound("invoice.unknown")
    series, at, day = _hold(uow, InvoiceKind.CREDIT)
    if uow.session.scalar(select(Invoice.id).where(Invoice.credits_id == of.id)) is not None:
        raise Conflict("invoice.credited", number=of.number)
    row = Invoice(
        kind=InvoiceKind.CREDIT,
        claim_id=of.claim_id,
        credits_id=of.id,
        why=said,
        delivered_day=of.delivered_day,
        subject=of.subject,
        seller=of.seller,
        customer=of.customer,
        exemption=of.exemption,
        currency=of.currency,
    )
    return _write(uow, series, row, [_negated(line) for line in lines_of(of)], at, day)


# -- what there is -----------------------------------------------------------------------------------------------


def of_claim(uow: UnitOfWork, claim_id: str) -> list[Invoice]:
    """Its invoices and credit notes, in the order they were made."""
    return list(uow.session.scalars(select(Invoice).where(Invoice.claim_id == claim_id).order_by(Invoice.id)))


def standing(rows: Iterable[Invoice]) -> Invoice | None:
    """The one that no credit note has cancelled."""
    found = list(rows)
    gone = {row.credits_id for row in found}
    return next((row for row in found if row.kind is InvoiceKind.INVOICE and row.id not in gone), None)


def numbered(uow: UnitOfWork, claim_id: str, number: str) -> Invoice:
    """One of this claim's. Raises `NotFound` invoice.unknown."""
    row = next((each for each in of_claim(uow, claim_id) if each.number == number), None)
    if row is None:
        raise NotFound("invoice.unknown")
    return row


def last_seller(uow: UnitOfWork) -> Seller | None:
    """As the newest invoice names the house."""
    row = uow.session.scalar(select(Invoice).order_by(Invoice.id.desc()).limit(1))
    return Seller(**row.seller) if row is not None else None


def lines_of(row: Invoice) -> tuple[InvoiceLine, ...]:
    return tuple(InvoiceLine(**line) for line in row.lines)  # type: ignore[arg-type]  # written by `_write` only


def broken(uow: UnitOfWork) -> tuple[str, ...]:
    """The numbers of rows that are not what was written, or do not follow the one before; the last number of a series
    that has lost its end. Nothing: every series is whole."""
    require(uow.actor, Right.MANAGE)
    wrong: list[str] = []
    for kind in InvoiceKind:
        year = position = 0
        before = ""
        query = select(Invoice).where(Invoice.kind == kind).order_by(Invoice.year, Invoice.position)
        for row in uow.session.scalars(query):
            follows = row.position == (position + 1 if row.year == year else 1)
            if not follows or row.before_sha256 != before or row.sha256 != _hash(row):
                wrong.append(row.number)
            year, position, before = row.year, row.position, row.sha256
        series = uow.session.get(InvoiceSeries, kind)
        if series is not None and (series.year, series.last, series.last_sha256) != (year, position, before):
            wrong.append(_number(kind, series.year, series.last))
    return tuple(dict.fromkeys(wrong))


# -- numbers -----------------------------------------------------------------------------------------------------


def _hold(uow: UnitOfWork, kind: InvoiceKind) -> tuple[InvoiceSeries, datetime, date]:
    """The series, for this transaction alone until it ends; the instant and the day of what is made next in it, which are
    never before those of the last one: transactions do not end in the order they began."""
    uow.session.execute(
        text(
            "INSERT INTO invoice_series (kind, year, last, last_sha256) VALUES (:kind, 0, 0, '')"
            " ON CONFLICT DO NOTHING"
        ),
        {"kind": kind.value},
    )
    held = select(InvoiceSeries).where(InvoiceSeries.kind == kind).with_for_update()
    series = uow.session.scalars(held.execution_options(populate_existing=True)).one()
    at = max(uow.now, series.last_at or uow.now)
    if at - uow.now > CLOCK_PLAY:
        raise Conflict("invoice.clock")
    return series, at, at.astimezone(_zone(uow)).date()


def _write(
    uow: UnitOfWork,
    series: InvoiceSeries,
    row: Invoice,
    lines: Sequence[InvoiceLine],
    at: datetime,
    day: date,
) -> Invoice:
    if series.year != day.year:
        series.year, series.last = day.year, 0
    series.last += 1
    row.year, row.position = series.year, series.last
    row.number = _number(series.kind, series.year, series.last)
    row.made_at, row.made_by_id, row.day = at, uow.actor.member_id, day
    row.lines = [asdict(line) for line in lines]
    row.net_cents = sum(line.net_cents for line in lines)
    row.vat_cents = sum(line.vat_cents for line in lines)
    row.total_cents = row.net_cents + row.vat_cents
    row.before_sha256 = series.last_sha256
    row.sha256 = _hash(row)
    series.last_at, series.last_sha256 = at, row.sha256
    uow.session.add(row)
    uow.session.flush()
    uow.raise_event("invoice", row.id, row.kind.value)
    return row


def _number(kind: InvoiceKind, year: int, position: int) -> str:
    return f"{LETTERS[kind]}{year}-{position:04d}"


def _hash(row: Invoice) -> str:
    said = {
        "kind": row.kind.value,
        "number": row.number,
        "claim": row.claim_id,
        "credits": row.credits_id,
        "why": row.why,
        "made_at": row.made_at.isoformat(),
        "made_by": row.made_by_id,
        "days": [str(row.day), str(row.due_day), str(row.delivered_day)],
        "subject": row.subject,
        "seller": row.seller,
        "customer": row.customer,
        "lines": row.lines,
        "exemption": row.exemption.value if row.exemption is not None else None,
        "cents": [row.net_cents, row.vat_cents, row.total_cents],
        "currency": row.currency,
        "before": row.before_sha256,
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _zone(uow: UnitOfWork) -> ZoneInfo:
    return ZoneInfo(house.house(uow).zone)


# -- what stands in it -------------------------------------------------------------------------------------------


def _charged(uow: UnitOfWork, claim_id: str) -> tuple[tuple[InvoiceLine, ...], str]:
    """The charge's lines, each with the tax that stands behind it as a line of its own."""
    charged = quotes.charge_of(uow, claim_id)
    if charged is None or not charged.total_cents:
        raise Conflict("invoice.nothing")
    found: list[InvoiceLine] = []
    for line in charged.lines:
        if line.code == "vat" and found:
            found[-1] = replace(
                found[-1], vat_rate_bp=round(line.quantity * 100), vat_cents=line.amount_cents
            )
            continue
        found.append(
            InvoiceLine(
                code=line.code,
                quantity=line.quantity,
                unit_cents=line.unit_cents,
                net_cents=line.amount_cents,
                vat_rate_bp=0,
                vat_cents=0,
            )
        )
    return tuple(found), charged.currency


def _negated(line: InvoiceLine) -> InvoiceLine:
    return replace(line, quantity=-line.quantity, net_cents=-line.net_cents, vat_cents=-line.vat_cents)


def _exemption(lines: Sequence[InvoiceLine], said: Exemption | None) -> Exemption | None:
    """Who has the franchise asks for no VAT on anything."""
    taxed = any(line.vat_rate_bp for line in lines)
    if all(line.vat_rate_bp for line in lines):
        return None
    if taxed and said is Exemption.FRANCHISE:
        raise Invalid("invoice.exemption", field="exemption")
    return said or (Exemption.ARTICLE_261 if taxed else Exemption.FRANCHISE)


def _seller(said: Seller, *, taxed: bool) -> Seller:
    return Seller(
        name=_text(said.name, "seller_name", 200),
        address=_text(said.address, "seller_address", 300),
        siret=_own_siret(_text(said.siret, "seller_siret", 20)),
        vat_number=_text(said.vat_number, "seller_vat_number", 20, empty=not taxed),
    )


def _own_siret(said: str) -> str:
    try:
        return organisations.siret(said) or ""
    except Invalid as error:
        raise Invalid(error.code, field="seller_siret") from None


def _customer(said: Customer) -> Customer:
    return Customer(
        name=_text(said.name, "name", 200),
        address=_text(said.address, "address", 300, empty=True),
        postcode=_text(said.postcode, "postcode", 10),
        city=_text(said.city, "city", 100),
        siret=organisations.siret(said.siret) or "",
        uai=organisations.uai(said.uai) or "",
        order_number=_text(said.order_number, "order_number", 60, empty=True),
        service_code=_text(said.service_code, "service_code", 100, empty=True),
    )


def _text(said: str, field: str, most: int, *, empty: bool = False) -> str:
    """Lines as they were typed. Raises `Invalid` invoice.text."""
    found = "\n".join(filter(None, (" ".join(line.split()) for line in said.splitlines())))
    is_shown = all(c.isprintable() or c == "\n" for c in found)
    if (not found and not empty) or len(found) > most or not is_shown:
        raise Invalid("invoice.text", field=field, most=most)
    return found
