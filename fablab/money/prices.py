"""What things cost from today on: the tariff of a technology and the price of a material."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.base.errors import Invalid, NotFound
from fablab.money.models import MaterialPrice, Tariff
from fablab.people.models import Audience
from fablab.places import house
from fablab.places.models import Material, Technology

_MOST_CENTS = 10_000_000
_DAY_S = 86_400


def set_tariff(
    uow: UnitOfWork,
    *,
    technology: Technology,
    audiences: Iterable[Audience] = tuple(Audience),
    hour_cents: int,
    step_s: int = 1800,
) -> None:
    """An hour's price from today on, for these audiences or for all; begun steps of `step_s` count whole.

    Earlier tariffs stay, for what was quoted under them. Raises `Invalid` tariff.price, tariff.step.
    """
    if not 0 <= hour_cents <= _MOST_CENTS:
        raise Invalid("tariff.price", field="hour_cents")
    if not 1 <= step_s <= _DAY_S:
        raise Invalid("tariff.step", field="step_s")
    today = house.today(uow)
    same_day = select(Tariff).where(Tariff.technology == technology, Tariff.first_day == today)
    there = {row.audience: row for row in uow.session.scalars(same_day)}
    for audience in audiences:
        row = there.get(audience)
        if row is None:
            row = Tariff(audience=audience, technology=technology, first_day=today)
            uow.session.add(row)
        row.hour_cents, row.step_s, row.last_day = hour_cents, step_s, None
    uow.session.flush()


def set_material_price(uow: UnitOfWork, *, material: str, kilogram_cents: int) -> None:
    """A kilogram's price from today on, of the material with that code.

    Raises `NotFound` material.unknown, `Invalid` tariff.price.
    """
    if not 0 <= kilogram_cents <= _MOST_CENTS:
        raise Invalid("tariff.price", field="kilogram_cents")
    code = material.strip().upper()
    found = uow.session.scalar(select(Material.id).where(Material.code == code))
    if found is None:
        raise NotFound("material.unknown", material=material[:40])
    today = house.today(uow)
    row = uow.session.scalar(
        select(MaterialPrice).where(MaterialPrice.material_id == found, MaterialPrice.first_day == today)
    )
    if row is None:
        row = MaterialPrice(material_id=found, first_day=today)
        uow.session.add(row)
    row.kilogram_cents, row.last_day = kilogram_cents, None
    uow.session.flush()
