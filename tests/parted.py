"""A lab that two organisations run together: an association with desks and a room, a café with an auditorium."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from fablab.base.database import Actor
from fablab.claims import parts
from fablab.money import passes, stays
from fablab.money.passes import PassWish
from fablab.money.stays import StayUnit, StayWish
from fablab.people import members, organisations, partners
from fablab.people.models import Audience, Role, Seat
from fablab.people.organisations import Firm
from fablab.places.models import ResourceKind
from tests.lab import Lab

#: Of the small lab's Tuesday, at ten in the morning in Paris.
WEDNESDAY_NOON = datetime(2026, 11, 25, 11, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Parted:
    """`a` and `b`: the partners' ids; `of_a` and `of_b`: who speaks for them; `things`: resources by name; `tickets`: pass
    tariffs by partner."""

    lab: Lab
    a: int
    b: int
    of_a: Actor
    of_b: Actor
    things: dict[str, int]
    tickets: dict[str, int]


def parted(lab: Lab, *, desks: int = 3) -> Parted:
    things: dict[str, int] = {}
    tickets: dict[str, int] = {}
    with lab.database.begin(lab.actors["admin"]) as uow:
        ids, actors = {}, {}
        for name in ("a", "b"):
            firm = organisations.create(uow, Firm(name=f"Partner {name}", audience=Audience.ASSOCIATION))
            partners.begin(uow, firm.id)
            member = members.add_member(
                uow, name=f"Head of {name}", role=Role.PARTNER, email=f"{name}@lab.example"
            )
            organisations.add(uow, firm.id, member.id, Seat.MANAGER)
            ids[name] = firm.id
            actors[name] = Actor(member_id=member.id, name=member.name, role=Role.PARTNER.value)
        for number in range(1, desks + 1):
            row = parts.add(uow, ids["a"], ResourceKind.DESK, parts.Thing(name=f"Desk {number}", seats=1))
            things[f"desk{number}"] = row.id
        hall = parts.add(
            uow,
            ids["b"],
            ResourceKind.ROOM,
            parts.Thing(name="Auditorium", seats=80, setup_min=30, clear_min=15, public=True),
        )
        things["hall"] = hall.id
        for name in ("projector", "sound"):
            kit = parts.Thing(name=name.title(), home_id=hall.id)
            things[name] = parts.add(uow, ids["b"], ResourceKind.KIT, kit).id
        tickets["a"] = passes.add_tariff(
            uow, PassWish(name="Ten half-days", half_days=10, price_cents=7000, partner_id=ids["a"])
        ).id
        for unit, price_cents in ((StayUnit.HALF_DAY, 900), (StayUnit.DAY, 1500)):
            wish = StayWish(unit=unit, price_cents=price_cents, kind=ResourceKind.DESK, partner_id=ids["a"])
            stays.price(uow, wish)
        stays.price(uow, StayWish(unit=StayUnit.HOUR, price_cents=4000, resource_id=hall.id))
        stays.price(uow, StayWish(unit=StayUnit.DAY, price_cents=20000, resource_id=hall.id))
        stays.price(uow, StayWish(unit=StayUnit.HALF_DAY, price_cents=1000, resource_id=things["projector"]))
    return Parted(lab, ids["a"], ids["b"], actors["a"], actors["b"], things, tickets)


def ticket(house: Parted, *, half_days: int = 10, who: Actor | None = None) -> int:
    """A pass of the maker's, with so many half-days."""
    with house.lab.database.begin(house.lab.actors["admin"]) as uow:
        tariff = passes.add_tariff(
            uow, PassWish(name=f"{half_days}", half_days=half_days, price_cents=500, partner_id=house.a)
        )
        tariff_id = tariff.id
    return house.lab.database.write(lambda uow: passes.buy(uow, tariff_id).id, who or house.lab.maker)
