"""Prices: a frozen usage meets the tariff of its day and audience, and becomes lines that never change."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date

from sqlalchemy import Date, bindparam, delete, select

from fablab.base.database import UnitOfWork
from fablab.base.units import CURRENCY, cents, steps_of
from fablab.money.models import Charge, MaterialPrice, QuoteRow, Tariff, in_force
from fablab.people.models import Audience
from fablab.places.models import Technology


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What is paid for: machine time and material."""

    technology: Technology
    audience: Audience
    duration_s: float
    material_id: int | None
    weight_g: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """The price rules of one day for one usage. `hour_cents` None: no tariff, so nothing is asked."""

    hour_cents: int | None
    step_s: int
    kilogram_cents: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """`code` is "machine_time", "material", "reserved_time" (hours that a reservation pays for and that cost nothing
    here) or a stay's ("stay_hour", "stay_half_day", "stay_day", and "stay_pass" for half-days that a pass has paid);
    `quantity` is in hours, grams or those; `unit_cents` per hour, kilogram or one of them. `resource_id`: of what it
    was paid for, where that is known."""

    code: str
    quantity: float
    unit_cents: int
    amount_cents: int
    resource_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    lines: tuple[Line, ...]
    total_cents: int
    currency: str = CURRENCY


def price(usage: Usage, prices: Prices) -> Quote:
    """Pure. Each line is rounded once, half up, and the total is the sum of the rounded lines."""
    lines: list[Line] = []
    if prices.hour_cents is not None:
        hours = steps_of(usage.duration_s, prices.step_s) * prices.step_s / 3600
        lines.append(_line("machine_time", hours, prices.hour_cents, hours * prices.hour_cents))
    if prices.kilogram_cents is not None and usage.weight_g > 0:
        amount = usage.weight_g / 1000 * prices.kilogram_cents
        lines.append(_line("material", round(usage.weight_g, 2), prices.kilogram_cents, amount))
    return Quote(lines=tuple(lines), total_cents=sum(line.amount_cents for line in lines))


def _line(code: str, quantity: float, unit_cents: int, amount: float) -> Line:
    return Line(code=code, quantity=quantity, unit_cents=unit_cents, amount_cents=cents(amount))


def prices_for(uow: UnitOfWork, usage: Usage, day: date) -> Prices:
    """The rules in force on `day`."""
    tariff = uow.session.scalar(
        select(Tariff)
        .where(
            Tariff.audience == usage.audience,
            Tariff.technology == usage.technology,
            in_force(Tariff.first_day, Tariff.last_day, day),
        )
        .order_by(Tariff.first_day.desc())
    )
    material = uow.session.scalar(
        select(MaterialPrice)
        .where(
            MaterialPrice.material_id == usage.material_id,
            in_force(MaterialPrice.first_day, MaterialPrice.last_day, day),
        )
        .order_by(MaterialPrice.first_day.desc())
    )
    return Prices(
        hour_cents=tariff.hour_cents if tariff else None,
        step_s=tariff.step_s if tariff else 3600,
        kilogram_cents=material.kilogram_cents if material else None,
    )


def machine_prices(
    uow: UnitOfWork, audience: Audience, technologies: Collection[Technology], day: date
) -> dict[Technology, Prices]:
    """The hour's price of each technology that has one on `day`, in one query, or as it was read ahead."""
    ahead: _Ahead | None = uow.ahead.get(_AHEAD)
    if (
        ahead is not None
        and ahead.day == day
        and audience in ahead.prices
        and ahead.covers >= set(technologies)
    ):
        found = ahead.prices[audience]
        return {technology: found[technology] for technology in technologies if technology in found}
    return _read_prices(uow, [audience], technologies, day)[audience]


def prices_ahead(
    uow: UnitOfWork, audiences: Collection[Audience], technologies: Collection[Technology], day: date
) -> None:
    """For many who ask in one transaction: `machine_prices` of all of them, in one query."""
    found = _read_prices(uow, audiences, technologies, day)
    uow.ahead[_AHEAD] = _Ahead(day=day, covers=frozenset(technologies), prices=found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ahead:
    day: date
    covers: frozenset[Technology]
    prices: Mapping[Audience, Mapping[Technology, Prices]]


def _read_prices(
    uow: UnitOfWork, audiences: Collection[Audience], technologies: Collection[Technology], day: date
) -> dict[Audience, dict[Technology, Prices]]:
    found: dict[Audience, dict[Technology, Prices]] = {audience: {} for audience in audiences}
    asked = {"audiences": list(audiences), "technologies": list(technologies), "day": day}
    for audience, technology, hour_cents, step_s in uow.session.execute(_HOURS, asked):
        found[audience][technology] = Prices(hour_cents=hour_cents, step_s=step_s, kilogram_cents=None)
    return found


_AHEAD = "money.hours"
# Put together once: to do so takes longer than to run it.
_DAY = bindparam("day", type_=Date)
_HOURS = (
    select(Tariff.audience, Tariff.technology, Tariff.hour_cents, Tariff.step_s)
    .where(
        Tariff.audience.in_(bindparam("audiences", expanding=True, type_=Tariff.audience.type)),
        Tariff.technology.in_(bindparam("technologies", expanding=True, type_=Tariff.technology.type)),
        in_force(Tariff.first_day, Tariff.last_day, _DAY),
    )
    .order_by(Tariff.first_day)
)


def promise_again(uow: UnitOfWork, claim_id: str, quote: Quote) -> None:
    """Another promise in the place of the first, because its owner has asked for something else."""
    uow.session.execute(delete(QuoteRow).where(QuoteRow.claim_id == claim_id))
    freeze(uow, claim_id, quote)


def take_back(uow: UnitOfWork, claim_id: str) -> None:
    """Nothing is asked for this claim by itself: it is paid with something else."""
    uow.session.execute(delete(QuoteRow).where(QuoteRow.claim_id == claim_id))


def freeze(uow: UnitOfWork, claim_id: str, quote: Quote) -> None:
    """The promised price of a claim, once and for all."""
    uow.session.add(QuoteRow(**_frozen(uow, claim_id, quote)))


def freeze_many(uow: UnitOfWork, promised: Sequence[tuple[str, Quote]]) -> None:
    """`freeze` for many claims at once."""
    uow.write_rows(QuoteRow, [_frozen(uow, claim_id, quote) for claim_id, quote in promised])


def _frozen(uow: UnitOfWork, claim_id: str, quote: Quote) -> dict[str, object]:
    return {
        "claim_id": claim_id,
        "lines": [asdict(line) for line in quote.lines],
        "total_cents": quote.total_cents,
        "currency": quote.currency,
        "made_at": uow.now,
    }


def quote_of(uow: UnitOfWork, claim_id: str) -> Quote | None:
    row = uow.session.get(QuoteRow, claim_id)
    return (
        None
        if row is None
        else Quote(lines=lines_of(row.lines), total_cents=row.total_cents, currency=row.currency)
    )


def charge_of(uow: UnitOfWork, claim_id: str) -> Quote | None:
    """Everything charged on a claim so far, as one."""
    return charges_of(uow, [claim_id]).get(claim_id)


def charges_of(uow: UnitOfWork, claim_ids: Sequence[str]) -> dict[str, Quote]:
    """The same of many claims, in one query; of those without a charge nothing."""
    found: dict[str, list[Charge]] = {}
    for row in uow.session.scalars(select(Charge).where(Charge.claim_id.in_(claim_ids)).order_by(Charge.id)):
        found.setdefault(row.claim_id, []).append(row)
    return {
        claim_id: Quote(
            lines=tuple(line for row in rows for line in lines_of(row.lines)),
            total_cents=sum(row.total_cents for row in rows),
            currency=rows[0].currency,
        )
        for claim_id, rows in found.items()
    }


def lines_of(stored: Sequence[Mapping[str, object]]) -> tuple[Line, ...]:
    return tuple(Line(**line) for line in stored)  # type: ignore[arg-type]  # written by `freeze` and `charge` only


def charge(
    uow: UnitOfWork,
    quote: Quote,
    *,
    claim_id: str,
    run_id: str,
    member_id: int | None,
    project_id: int | None,
    audience: Audience,
) -> Charge:
    """One charge for one run: the unique run id makes a second one impossible."""
    row = Charge(
        claim_id=claim_id,
        run_id=run_id,
        member_id=member_id,
        project_id=project_id,
        audience=audience,
        lines=[asdict(line) for line in quote.lines],
        total_cents=quote.total_cents,
        currency=quote.currency,
        made_at=uow.now,
    )
    uow.session.add(row)
    return row


def share(quote: Quote, fraction: float) -> Quote:
    """The part of a promised price that a run stopped by its owner has used; `fraction` in 0..1."""
    lines = tuple(
        replace(line, quantity=line.quantity * fraction, amount_cents=cents(line.amount_cents * fraction))
        for line in quote.lines
    )
    return replace(quote, lines=lines, total_cents=sum(line.amount_cents for line in lines))


def reserved(quote: Quote, fraction: float) -> Quote:
    """The price of a run of which a reservation pays this part of the machine's time, in 0..1: those hours stand on a line
    of their own that costs nothing, and the material is the run's."""
    if fraction <= 0:
        return quote
    lines: list[Line] = []
    for line in quote.lines:
        if line.code != "machine_time":
            lines.append(line)
            continue
        if fraction < 1:
            left = 1 - fraction
            lines.append(
                replace(line, quantity=line.quantity * left, amount_cents=cents(line.amount_cents * left))
            )
        lines.append(replace(line, code="reserved_time", quantity=line.quantity * fraction, amount_cents=0))
    return replace(quote, lines=tuple(lines), total_cents=sum(line.amount_cents for line in lines))
