"""What a session costs: lines in integer cents, each with its own tax. Pure; promised once, and then never changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fablab.base.errors import Conflict
from fablab.claims.workshops.models import WorkshopPrice
from fablab.claims.workshops.offer import Text
from fablab.claims.workshops.words import Payer, Unit
from fablab.people.models import Audience


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceLine:
    """`code`: the unit that is counted. `unit_cents`, `net_cents` without tax, `total_cents` with it."""

    code: Unit
    text: Text
    quantity: int
    unit_cents: int
    net_cents: int
    vat_rate_bp: int
    vat_cents: int
    total_cents: int


def lines(
    prices: Iterable[WorkshopPrice], title: Text, *, audience: Audience, payer: Payer, people: int
) -> tuple[PriceLine, ...]:
    """What is asked of this payer; of another payer than the one that is priced, what the school itself would pay.

    Raises `Conflict` session.no_price where nothing is said of this audience: nothing is free by accident.
    """
    if payer is Payer.FREE:
        return ()
    mine = [row for row in prices if row.audience is audience]
    for who in (payer, Payer.SCHOOL, Payer.FREE):
        found = [row for row in mine if row.payer is who]
        if found:
            return tuple(line(row, title, people) for row in sorted(found, key=_session_first))
    raise Conflict("session.no_price", audience=audience.value)


def line(price: WorkshopPrice, title: Text, people: int) -> PriceLine:
    """The tax of a line is rounded half up to a cent, once."""
    quantity = people if price.unit is Unit.PERSON else 1
    net_cents = price.price_cents * quantity
    vat_cents = (net_cents * price.vat_rate_bp + 5_000) // 10_000
    return PriceLine(
        code=price.unit,
        text=title,
        quantity=quantity,
        unit_cents=price.price_cents,
        net_cents=net_cents,
        vat_rate_bp=price.vat_rate_bp,
        vat_cents=vat_cents,
        total_cents=net_cents + vat_cents,
    )


def total_cents(found: Sequence[PriceLine]) -> int:
    return sum(row.total_cents for row in found)


def kept(found: Sequence[PriceLine]) -> list[dict[str, object]]:
    """As they stand in the database."""
    return [
        {
            "code": row.code.value,
            "text": dict(row.text),
            "quantity": row.quantity,
            "unit_cents": row.unit_cents,
            "net_cents": row.net_cents,
            "vat_rate_bp": row.vat_rate_bp,
            "vat_cents": row.vat_cents,
            "total_cents": row.total_cents,
        }
        for row in found
    ]


def read(rows: Sequence[Mapping[str, object]]) -> tuple[PriceLine, ...]:
    """A session's `price_lines`, as they were promised."""
    return tuple(
        PriceLine(
            code=Unit(str(row["code"])),
            text=_text(row["text"]),
            quantity=_int(row["quantity"]),
            unit_cents=_int(row["unit_cents"]),
            net_cents=_int(row["net_cents"]),
            vat_rate_bp=_int(row["vat_rate_bp"]),
            vat_cents=_int(row["vat_cents"]),
            total_cents=_int(row["total_cents"]),
        )
        for row in rows
    )


def _session_first(price: WorkshopPrice) -> bool:
    return price.unit is Unit.PERSON


def _int(value: object) -> int:
    return int(str(value))


def _text(value: object) -> Text:
    return {str(k): str(v) for k, v in value.items()} if isinstance(value, Mapping) else {}
