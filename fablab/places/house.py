"""The house and its machines: hours, gates, spools."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.base.errors import NotFound
from fablab.base.intervals import DayException, Hours, Interval, WeeklyRule, instant, merge
from fablab.base.states import step
from fablab.places.models import (
    GATE_STEPS,
    Closure,
    HoursException,
    HoursKind,
    HoursRule,
    House,
    Machine,
    MachineGate,
    Material,
    Resource,
    ResourceKind,
    Spool,
    Technology,
)

_ZONE = "house.zone"
_ZONE_OF_HOUSE = select(House.zone)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """When the house is open, and when people are there to set up and to clear."""

    zone: ZoneInfo
    open: Hours
    staffed: Hours


def house(uow: UnitOfWork) -> House:
    row: House | None = uow.session.scalar(select(House))
    if row is None:
        raise NotFound("house.missing")
    return row


def zone(uow: UnitOfWork) -> ZoneInfo:
    """Of the clock on the wall."""
    ahead: ZoneInfo | None = uow.ahead.get(_ZONE)
    if ahead is not None:
        return ahead
    name = uow.session.connection().scalar(_ZONE_OF_HOUSE)
    if name is None:
        raise NotFound("house.missing")
    return ZoneInfo(name)


def zone_ahead(uow: UnitOfWork, zone: ZoneInfo) -> None:
    """It is known already: nobody asks for it again in this transaction."""
    uow.ahead[_ZONE] = zone


def today(uow: UnitOfWork) -> date:
    """The day on the wall: prices and tariffs change at local midnight."""
    return uow.now.astimezone(zone(uow)).date()


def day_of(uow: UnitOfWork, at: datetime) -> date:
    """The day on the wall at that instant."""
    return at.astimezone(zone(uow)).date()


def own_hours(uow: UnitOfWork) -> frozenset[int]:
    """Ids of the resources that keep hours of their own."""
    query = select(HoursRule.resource_id).where(HoursRule.resource_id.is_not(None)).distinct()
    return frozenset(found for found in uow.session.scalars(query) if found is not None)


def calendar(uow: UnitOfWork, resource_id: int | None = None) -> Calendar:
    """The house's hours; a resource with rules of its own keeps those instead of the house's."""
    found = calendars(uow)
    return found.get(resource_id, found[None])


def calendars(uow: UnitOfWork) -> dict[int | None, Calendar]:
    """All of them in one visit: the house's own under None, and those of the resources that keep their own."""
    rules = list(uow.session.scalars(select(HoursRule)))
    exceptions = list(uow.session.scalars(select(HoursException)))
    closures = merge(Interval(row.start_at, row.end_at) for row in uow.session.scalars(select(Closure)))
    zone = ZoneInfo(house(uow).zone)

    def hours(kind: HoursKind, resource_id: int | None) -> Hours:
        own = [rule for rule in rules if rule.kind is kind and rule.resource_id == resource_id]
        chosen = own or [rule for rule in rules if rule.kind is kind and rule.resource_id is None]
        return Hours(zone, tuple(map(_weekly, chosen)), _exceptions(exceptions, kind), closures)

    return {
        resource_id: Calendar(
            zone=zone, open=hours(HoursKind.OPEN, resource_id), staffed=hours(HoursKind.STAFFED, resource_id)
        )
        for resource_id in {None, *(rule.resource_id for rule in rules)}
    }


def _weekly(rule: HoursRule) -> WeeklyRule:
    return WeeklyRule(rule.weekday, rule.opens, rule.closes, rule.first_day, rule.last_day)


def _exceptions(rows: Sequence[HoursException], kind: HoursKind) -> tuple[DayException, ...]:
    days = sorted({row.day for row in rows if row.kind is kind})
    return tuple(
        DayException(
            day,
            tuple(
                (row.opens, row.closes)
                for row in rows
                if row.kind is kind and row.day == day and row.opens is not None and row.closes is not None
            ),
        )
        for day in days
    )


def machines(uow: UnitOfWork, technology: Technology | None = None) -> list[Resource]:
    """Active machines by id; each has its `machine` side."""
    query = select(Resource).where(Resource.kind == ResourceKind.MACHINE, Resource.active)
    if technology is not None:
        query = query.where(Resource.technology == technology)
    return [
        row for row in uow.session.scalars(query.order_by(Resource.id)).unique() if row.machine is not None
    ]


def resources(uow: UnitOfWork, kinds: frozenset[ResourceKind]) -> list[Resource]:
    query = select(Resource).where(Resource.kind.in_(kinds), Resource.active)
    return list(
        uow.session.scalars(query.order_by(Resource.kind, Resource.technology, Resource.name)).unique()
    )


def machine(uow: UnitOfWork, resource_id: int, *, lock: bool = False) -> Machine:
    """`lock`: hold the row until the end of the transaction (PostgreSQL; SQLite has one writer anyway)."""
    row = uow.session.get(Machine, resource_id, with_for_update={"of": Machine} if lock else None)
    if row is None:
        raise NotFound("machine.unknown", id=resource_id)
    return row


def turn_gate(uow: UnitOfWork, row: Machine, action: str, note: str = "") -> None:
    """One step of `GATE_STEPS`: occupy, clear, lock_out, give_back."""
    row.gate = step(GATE_STEPS, row.gate, action)
    row.gate_note = note[:300]
    row.gate_at = uow.now
    uow.raise_event("machine", row.resource_id, "gate")


def is_out(row: Machine) -> bool:
    return row.gate is MachineGate.OUT_OF_SERVICE


def load_spool(uow: UnitOfWork, row: Machine, spool_id: int | None) -> None:
    if spool_id is not None and uow.session.get(Spool, spool_id) is None:
        raise NotFound("spool.unknown", id=spool_id)
    row.spool_id = spool_id
    uow.raise_event("machine", row.resource_id, "spool")


def materials(uow: UnitOfWork, technology: Technology | None = None) -> list[Material]:
    query = select(Material).where(Material.active)
    if technology is not None:
        query = query.where(Material.technology == technology)
    return list(uow.session.scalars(query.order_by(Material.code)))


def sheets(uow: UnitOfWork) -> list[Material]:
    """What is laid on a bed and not loaded: for every technology but the one that prints from spools."""
    return [row for row in materials(uow) if row.technology is not Technology.FDM]


def material_by_code(uow: UnitOfWork, said: str) -> Material | None:
    """By its code, or by the kind in front of a slicer's longer name: "PLA Silk Gold" is PLA."""
    words = re.split(r"[^A-Z0-9+]+", said.strip().upper())
    query = select(Material).where(Material.code.in_([said.strip().upper(), *words[:1]]), Material.active)
    found = sorted(uow.session.scalars(query), key=lambda row: len(row.code), reverse=True)
    return next(iter(found), None)


def spools(uow: UnitOfWork) -> list[Spool]:
    return list(uow.session.scalars(select(Spool).where(Spool.active).order_by(Spool.label)).unique())


def colours(uow: UnitOfWork, material_id: int) -> list[str]:
    """Colours in stock of a material, by name."""
    query = select(Spool.colour).where(Spool.material_id == material_id, Spool.active, Spool.left_g > 0)
    return sorted(set(uow.session.scalars(query)))


def midnights(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """When the day begins on the wall, and when the next one does."""
    return instant(day, time(0), zone), instant(day + timedelta(days=1), time(0), zone)
