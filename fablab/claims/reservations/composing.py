"""What a reservation is made of: things and their places, whom it is for, its rows, and what its holder is told of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, Forbidden, Invalid, NotFound, Refusal
from fablab.base.ids import new_id
from fablab.claims import calendar
from fablab.claims.calendar import Place
from fablab.claims.models import ClaimKind
from fablab.claims.reservations import orders
from fablab.claims.reservations.models import Reservation, ReservationState
from fablab.claims.reservations.orders import Order
from fablab.claims.rules import waivers
from fablab.notices import tell
from fablab.people import log, members
from fablab.people.access import Right, require
from fablab.people.models import Audience, Member, Project
from fablab.places.models import Resource, ResourceKind, Technology


@dataclass(frozen=True, slots=True)
class Thing:
    """A resource as far as a reservation needs to know it."""

    id: int
    name: str
    kind: ResourceKind
    technology: Technology | None
    partner_id: int | None = None
    setup_min: int = 0
    clear_min: int = 0


def thing(row: Resource) -> Thing:
    return Thing(row.id, row.name, row.kind, row.technology, row.partner_id, row.setup_min, row.clear_min)


def things_of(uow: UnitOfWork, ids: Sequence[int], *, also: Sequence[int] = ()) -> list[Thing]:
    """The resources by id, locked together with `also`, which are being left."""
    calendar.lock(uow, {*ids, *also})
    query = (
        select(
            Resource.id,
            Resource.name,
            Resource.kind,
            Resource.technology,
            Resource.partner_id,
            Resource.setup_min,
            Resource.clear_min,
        )
        .where(Resource.id.in_(ids), Resource.active)
        .order_by(Resource.id)
    )
    found = [Thing(*row) for row in uow.session.execute(query)]
    if len(found) != len(ids):
        missing = min(set(ids) - {thing.id for thing in found})
        raise Invalid("resource.unknown", field="resource_ids", id=missing)
    return found


def places_of(
    things: Sequence[Thing], start_at: datetime, end_at: datetime, alone_from: datetime | None
) -> list[Place]:
    """All of it for everything, and a room's set-up and clearing around it; a person only until the machine is left
    alone."""
    found = []
    for thing in things:
        until = alone_from if thing.kind is ResourceKind.PERSON and alone_from is not None else end_at
        if start_at < until:
            found.append(
                Place(
                    resource_id=thing.id,
                    start_at=start_at - timedelta(minutes=thing.setup_min),
                    run_start_at=start_at,
                    run_end_at=until,
                    end_at=until + timedelta(minutes=thing.clear_min),
                )
            )
    return found


def must_be_free(uow: UnitOfWork, places: Sequence[Place], *, but: str = "") -> None:
    taken = calendar.taken(uow, places, but=but)
    if taken:
        raise Conflict("slot_taken", resource=taken[0][0])


def holder_of(uow: UnitOfWork, member_id: int | None) -> Member:
    """Whose it is to be: the actor's own, a child's of theirs, or anybody's where staff ask."""
    wanted = member_id if member_id is not None else uow.actor.member_id
    if wanted is None:
        raise Forbidden("reservation.needs_member")
    row = locked(uow, wanted)
    if wanted != uow.actor.member_id and row.parent_id != uow.actor.member_id:
        require(uow.actor, Right.OPERATE)
    return row


def locked(uow: UnitOfWork, member_id: int) -> Member:
    """Held until the end of the transaction: two orders of one member are judged one after the other, or each would
    find the other's quota unused."""
    lock = {"key_share": True, "of": Member} if uow.session.get_bind().dialect.name == "postgresql" else None
    row = uow.session.get(Member, member_id, with_for_update=lock, populate_existing=lock is not None)
    if row is None:
        raise NotFound("member.unknown")
    return row


def for_whom(uow: UnitOfWork, project_id: int | None, holder: Member) -> tuple[Audience, Project | None]:
    """An organisation that pays sets the price; otherwise the member's own audience does."""
    if project_id is None:
        return holder.audience, None
    project = members.project_for(uow, project_id, holder.id)
    if project.organisation is not None:
        return project.organisation.audience, project
    return holder.audience, project


def may_use(uow: UnitOfWork, project_id: int, member_id: int) -> bool:
    return any(project.id == project_id for project in members.projects_of(uow, member_id))


def names_said(things: Sequence[Thing]) -> str:
    return ", ".join(thing.name for thing in things)


def names_of(uow: UnitOfWork, ids: Sequence[int]) -> str:
    query = select(Resource.name).where(Resource.id.in_(ids)).order_by(Resource.id)
    return ", ".join(uow.session.scalars(query))


def claim_values(
    uow: UnitOfWork,
    order: Order,
    holder_id: int,
    names: str,
    audience: Audience,
    project: Project | None = None,
) -> dict[str, object]:
    """The claim's row; whose id it gets is the reservation's too."""
    return {
        "id": new_id(uow.now),
        "kind": ClaimKind.RESERVATION,
        "title": order.title or orders.line(names, 200),
        "member_id": holder_id,
        "project_id": project.id if project else None,
        "audience": audience,
        "project_kind": project.kind if project else None,
        "release_at": order.start_at,
        "estimate_s": int((order.end_at - order.start_at).total_seconds()),
        "attended": order.unattended_from is None,
        "ready_at": order.end_at,
        "made_at": uow.now,
    }


def row_values(
    uow: UnitOfWork,
    claim_id: str,
    order: Order,
    holder_id: int,
    against: Sequence[Refusal] = (),
    *,
    asks: bool = False,
    series_id: str | None = None,
) -> dict[str, object]:
    """Every column of the reservation's row."""
    return {
        "id": claim_id,
        "state": ReservationState.REQUESTED if asks else ReservationState.CONFIRMED,
        "member_id": holder_id,
        "made_by_id": uow.actor.member_id,
        "series_id": series_id,
        "resource_ids": list(order.resource_ids),
        "start_at": order.start_at,
        "end_at": order.end_at,
        "unattended_from": order.unattended_from,
        "party": order.party,
        "note": order.note,
        "why": order.why,
        "refusals": [stored(each) for each in against],
        "checked_in_at": None,
        "checked_in_how": None,
        "checked_in_by_id": None,
        "decided_at": None,
        "decided_by_id": None,
        "ended_at": None,
        "late": False,
        "key": order.key,
        "asked": order.digest if order.key else None,
        "made_at": uow.now,
        "version": 1,
    }


def stored(refusal: Refusal) -> dict[str, object]:
    return {"code": refusal.code, "waivable": refusal.waivable, "facts": dict(refusal.facts)}


def refusals_of(row: Reservation) -> tuple[Refusal, ...]:
    """What stood against it when staff were asked."""
    return tuple(Refusal(**each) for each in row.refusals)  # type: ignore[arg-type]  # written by `stored` only


def left_of(uow: UnitOfWork, order: Order, against: Sequence[Refusal]) -> tuple[Refusal, ...]:
    """What still stands. Staff name what they let pass, and say why; a rule of safety takes two of them."""
    if not order.waive or not against:
        return tuple(against)
    require(uow.actor, Right.OPERATE)
    if not order.why:
        raise Invalid("reservation.why", field="why")
    return waivers.left(against, order.waive)


def record(uow: UnitOfWork, row: Reservation, code: str, why: str) -> None:
    about = f"reservation {row.id}"
    log.record(uow, code, for_member_id=row.member_id, about=about, why=orders.line(why, 300))


def tell_holder(
    uow: UnitOfWork, row: Reservation, code: str, *, why: str = "", by: str = "", names: str = ""
) -> None:
    tell(
        uow,
        row.member_id,
        code,
        claim_id=row.id,
        what=names or names_of(uow, row.resource_ids),
        start=row.start_at.isoformat(),
        end=row.end_at.isoformat(),
        why=orders.line(why, 300),
        by=by or uow.actor.name,
    )


def say_to_holder(uow: UnitOfWork, row: Reservation, code: str, why: str) -> None:
    """What others do to it is told to its holder, and stands in the log."""
    if row.member_id != uow.actor.member_id:
        record(uow, row, code, why)
        tell_holder(uow, row, code, why=why)
