"""What anybody may know of the house: when it is open, what machines it has, what they cost. No person is in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.base.intervals import Intervals
from fablab.claims.models import Allocation
from fablab.money.models import MaterialPrice, Tariff, in_force
from fablab.people.models import Audience
from fablab.places import house
from fablab.places.models import Material, Resource, Technology


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """`until`: of the hours that run now; `next_at`: when it opens again, within sixty days. `week`: from today on."""

    until: datetime | None
    next_at: datetime | None
    week: tuple[tuple[date, Intervals], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFront:
    resource: Resource
    free: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceList:
    """Cents. `hours`: of a technology's machines, by audience; `kilograms`: of a material."""

    hours: Mapping[Technology, Mapping[Audience, int]]
    step_s: int
    kilograms: tuple[tuple[Material, int], ...]


def opening(uow: UnitOfWork) -> Opening:
    hours = house.calendar(uow).open
    today = house.today(uow)
    week = tuple((day, hours.day(day)) for day in (today + timedelta(days=n) for n in range(7)))
    now = next((each for each in week[0][1] if each.contains(uow.now)), None)
    return Opening(until=now.end if now else None, next_at=hours.next_open(uow.now), week=week)


def machines(uow: UnitOfWork) -> list[MachineFront]:
    """Each with whether somebody could come to it now: in service, and nothing of the calendar on it."""
    rows = house.machines(uow)
    busy = set(
        uow.session.scalars(
            select(Allocation.resource_id).where(Allocation.start_at <= uow.now, Allocation.end_at > uow.now)
        )
    )
    return [
        MachineFront(
            resource=row, free=bool(row.machine and not house.is_out(row.machine) and row.id not in busy)
        )
        for row in rows
    ]


def prices(uow: UnitOfWork) -> PriceList:
    """What holds today; of two rules for one thing the younger."""
    today = house.today(uow)
    hours: dict[Technology, dict[Audience, int]] = {}
    step_s = 0
    tariffs = select(Tariff).where(in_force(Tariff.first_day, Tariff.last_day, today))
    for row in uow.session.scalars(tariffs.order_by(Tariff.first_day)):
        hours.setdefault(row.technology, {})[row.audience] = row.hour_cents
        step_s = row.step_s
    materials = (
        select(Material, MaterialPrice.kilogram_cents)
        .join(MaterialPrice, MaterialPrice.material_id == Material.id)
        .where(
            Material.active,
            in_force(MaterialPrice.first_day, MaterialPrice.last_day, today),
        )
        .order_by(MaterialPrice.first_day)
    )
    kilograms: dict[Material, int] = {}
    for material, cents in uow.session.execute(materials):
        kilograms[material] = cents
    listed = sorted(kilograms.items(), key=lambda row: (row[0].technology.value, row[0].name))
    return PriceList(hours=hours, step_s=step_s, kilograms=tuple(listed))
