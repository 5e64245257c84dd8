"""Invoices and credit notes as paper: the frozen row in the reader's words, the same numbers in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from babel.dates import format_date

from fablab.claims.workshops.offer import in_language
from fablab.money import invoices
from fablab.money.invoices import InvoiceLine
from fablab.money.models import Invoice
from web.words import Words
from web.words.formats import NBSP


def data(words: Words, row: Invoice) -> dict[str, object]:
    """What the template "invoice" is given, read in the transaction; `of`: the number that a credit note cancels."""
    lines = invoices.lines_of(row)
    place = " ".join((row.customer["postcode"], row.customer["city"]))
    return {
        "title": words.word("invoice_kind", row.kind),
        "subtitle": _title(words, row),
        "lab": {"name": row.seller["name"]},
        "number": row.number,
        "date": _day(words, row.day),
        "delivered": _day(words, row.delivered_day),
        "due": _day(words, row.due_day) if row.due_day is not None else None,
        "of": row.cancels.number if row.cancels is not None else None,
        "why": row.why or None,
        "seller": dict(row.seller),
        "customer": {**row.customer, "city": place},
        "lines": [_line(words, row, line) for line in lines],
        "net": words.formats.money(row.net_cents, row.currency),
        "taxes": _taxes(words, row, lines),
        "total": words.formats.money(row.total_cents, row.currency),
        "note": words.word("exemption", row.exemption) if row.exemption is not None else None,
    }


def _title(words: Words, row: Invoice) -> str:
    return in_language(row.subject, words.language)


def _line(words: Words, row: Invoice, line: InvoiceLine) -> Mapping[str, str]:
    unit = words.word("workshop_unit", line.code.removeprefix("workshop_"))
    return {
        "label": f"{_title(words, row)}, {unit}",
        "quantity": words.formats.decimal(line.quantity),
        "unit": words.formats.money(line.unit_cents, row.currency),
        "rate": _rate(words, line.vat_rate_bp),
        "amount": words.formats.money(line.net_cents, row.currency),
    }


def _taxes(words: Words, row: Invoice, lines: tuple[InvoiceLine, ...]) -> list[Mapping[str, str]]:
    """A sum for each rate, as the law wants it."""
    sums: dict[int, int] = {}
    for line in lines:
        sums[line.vat_rate_bp] = sums.get(line.vat_rate_bp, 0) + line.vat_cents
    return [
        {"rate": _rate(words, rate_bp), "amount": words.formats.money(cents, row.currency)}
        for rate_bp, cents in sorted(sums.items())
    ]


def _rate(words: Words, rate_bp: int) -> str:
    return f"{words.formats.decimal(rate_bp / 100)}{NBSP if words.language == 'fr' else ''}%"


def _day(words: Words, day: date) -> str:
    """With its year, always: "3 March 2027"."""
    return format_date(day, "d MMMM y", locale=words.formats.locale)
