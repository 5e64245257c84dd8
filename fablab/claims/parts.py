"""What a partner has in the house: its rooms, desks and kits, made, changed and retired by whoever runs that part."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, Invalid
from fablab.claims.models import Allocation
from fablab.people import log, partners
from fablab.people.access import Right, require
from fablab.places.models import Resource, ResourceKind

KINDS = (ResourceKind.ROOM, ResourceKind.DESK, ResourceKind.KIT)
MOST_SEATS, MOST_AROUND_MIN, MOST_EQUIPMENT = 1000, 480, 20
NAME_LIMIT, WORD_LIMIT, NOTE_LIMIT = 120, 40, 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """What is said of a room, a desk or a kit. `equipment`: words of what is in it for good; `home_id`: the room that a
    kit is offered with."""

    name: str
    seats: int | None = None
    setup_min: int = 0
    clear_min: int = 0
    public: bool = False
    equipment: tuple[str, ...] = ()
    home_id: int | None = None
    note: str = ""


def of(uow: UnitOfWork, partner_id: int | None) -> list[Resource]:
    """All that a part has, machines and people too, by kind and name. For whoever may see that part."""
    partners.require_sight(uow, partner_id)
    mine = Resource.partner_id == partner_id if partner_id is not None else Resource.partner_id.is_(None)
    rows = uow.session.scalars(select(Resource).where(mine, Resource.active)).unique()
    kinds = list(ResourceKind)
    return sorted(rows, key=lambda row: (kinds.index(row.kind), row.id))


def add(uow: UnitOfWork, partner_id: int | None, kind: ResourceKind, said: Thing) -> Resource:
    """Raises as `partners.require_part`, `Invalid` part.*, `Conflict` part.name_taken."""
    partners.require_part(uow, partner_id)
    if kind not in KINDS:
        raise Invalid("part.kind", field="kind")
    row = Resource(kind=kind, partner_id=partner_id, name="")
    _say(uow, row, said)
    uow.session.add(row)
    _flush(uow)
    log.record(uow, "part.added", about=f"resource {row.id}")
    return row


def edit(uow: UnitOfWork, resource_id: int, said: Thing) -> Resource:
    row = partners.require_thing(uow, resource_id)
    if row.kind not in KINDS:
        raise Invalid("part.kind", field="kind")
    _say(uow, row, said)
    _flush(uow)
    log.record(uow, "part.edited", about=f"resource {row.id}")
    return row


def retire(uow: UnitOfWork, resource_id: int) -> Resource:
    """Out of the lists for good; its rows stay for the reports, its name is free again. Raises `Conflict` part.in_use
    while somebody has it still to come."""
    row = partners.require_thing(uow, resource_id)
    if row.kind not in KINDS:
        raise Invalid("part.kind", field="kind")
    to_come = select(Allocation.id).where(Allocation.resource_id == row.id, Allocation.end_at > uow.now)
    if uow.session.scalar(to_come.limit(1)) is not None:
        raise Conflict("part.in_use", machine=row.name)
    row.active = False
    row.name = f"{row.name[:95]} ({uow.now:%Y-%m-%d %H:%M:%S})"
    uow.session.flush()
    log.record(uow, "part.retired", about=f"resource {row.id}")
    return row


def hand_on(uow: UnitOfWork, resource_id: int, partner_id: int | None) -> Resource:
    """To another partner, or to the house: by an administrator. Machines and people too."""
    require(uow.actor, Right.MANAGE)
    row = partners.require_thing(uow, resource_id)
    if partner_id is not None:
        partners.get(uow, partner_id)
    row.partner_id = partner_id
    uow.session.flush()
    log.record(uow, "part.handed_on", about=f"resource {row.id}", partner=partner_id or 0)
    return row


def _say(uow: UnitOfWork, row: Resource, said: Thing) -> None:
    name = _line(said.name)
    if not 1 <= len(name) <= NAME_LIMIT:
        raise Invalid("part.name", field="name", most=NAME_LIMIT)
    if said.seats is not None and not 1 <= said.seats <= MOST_SEATS:
        raise Invalid("part.seats", field="seats", most=MOST_SEATS)
    for field, minutes in (("setup_min", said.setup_min), ("clear_min", said.clear_min)):
        if not 0 <= minutes <= MOST_AROUND_MIN:
            raise Invalid("part.minutes", field=field, most=MOST_AROUND_MIN)
    same = select(Resource.id).where(func.lower(Resource.name) == name.lower(), Resource.id != (row.id or 0))
    with uow.session.no_autoflush:
        if uow.session.scalar(same) is not None:
            raise Conflict("part.name_taken", name=name)
        home = _home(uow, row, said.home_id)
    words = [word for each in said.equipment if (word := _line(each)[:WORD_LIMIT])]
    row.name, row.seats, row.note = name, said.seats, said.note.strip()[:NOTE_LIMIT]
    row.setup_min, row.clear_min = said.setup_min, said.clear_min
    row.public = said.public and row.kind is ResourceKind.ROOM
    row.equipment = list(dict.fromkeys(words))[:MOST_EQUIPMENT]
    row.home_id = home


def _home(uow: UnitOfWork, row: Resource, home_id: int | None) -> int | None:
    """A room of the same part: nobody offers their kit with another's room."""
    if home_id is None or row.kind is not ResourceKind.KIT:
        return None
    home = uow.session.get(Resource, home_id)
    if home is None or home.kind is not ResourceKind.ROOM or home.partner_id != row.partner_id:
        raise Invalid("part.home", field="home")
    return home.id


def _line(said: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in said).split())


def _flush(uow: UnitOfWork) -> None:
    try:
        uow.session.flush()
    except IntegrityError as error:  # two people at once: the look before saw neither
        raise Conflict("conflict") from error
