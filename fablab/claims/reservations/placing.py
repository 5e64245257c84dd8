"""A reservation's use cases until its hour comes: reserve, move, cancel, answer.

What everybody wants is settled in this order: the member, then the resources in id order are locked; whoever holds a
part of the place is looked up; the rules are asked; and all of it is written, or nothing. On SQLite the transaction
itself is the lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import make_transient_to_detached

from fablab.base.database import UnitOfWork
from fablab.base.errors import BadStep, Conflict, Forbidden, Invalid, NotFound, Refusal, Refused
from fablab.base.ids import new_id
from fablab.base.states import step
from fablab.claims import calendar
from fablab.claims.calendar import Place
from fablab.claims.models import Claim, ClaimKind
from fablab.claims.reservations import judging, orders, paying, prices, reads
from fablab.claims.reservations.models import LIVE, RESERVATION_STEPS, Reservation, ReservationState
from fablab.claims.reservations.orders import Order
from fablab.claims.rules import waivers
from fablab.money import passes, quotes
from fablab.notices import tell
from fablab.people import log, members
from fablab.people.access import Right, allows, require
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


def reserve(uow: UnitOfWork, order: Order, *, series_id: str | None = None) -> Reservation:
    """The reservation, with firm places; the one that there is already where its key has been used for this order.

    Raises `Refused` with everything that stands against it, `Conflict` slot_taken (facts: resource, its id) where
    somebody holds a part of the place, and `Invalid` for what cannot be understood.
    """
    require(uow.actor, Right.SUBMIT)
    order = orders.cleaned(order, uow.now)
    holder = holder_of(uow, order.member_id)
    known = _known(uow, order)
    if known is not None:
        return known
    things = things_of(uow, order.resource_ids)
    places = places_of(things, order.start_at, order.end_at, order.unattended_from)
    must_be_free(uow, places)
    judged = judging.judge(
        uow, holder.id, order.resource_ids, order.start_at, order.end_at, order.unattended_from
    )
    left = _left(uow, order, judged.refusals)
    if left and not (order.ask and all(each.waivable for each in left)):
        raise Refused(left)
    asks = bool(left) or (judged.terms.asks and not allows(uow.actor, Right.OPERATE))
    row = _write(uow, order, holder, things, places, left, asks=asks, series_id=series_id)
    passed = [each for each in judged.refusals if each.code in order.waive]
    judging.let_pass(uow, row.id, holder.id, passed, order.why)
    return row


def preview(uow: UnitOfWork, order: Order) -> tuple[Refusal, ...]:
    """Everything that stands against it, without reserving; a place that is taken is among it as slot_taken."""
    require(uow.actor, Right.SUBMIT)
    order = orders.cleaned(order, uow.now)
    holder = holder_of(uow, order.member_id)
    things = things_of(uow, order.resource_ids)
    places = places_of(things, order.start_at, order.end_at, order.unattended_from)
    names = {thing.id: thing.name for thing in things}
    found = tuple(
        Refusal(code="slot_taken", facts={"resource": resource_id, "machine": names[resource_id]})
        for resource_id, _ in calendar.taken(uow, places)
    )
    judged = judging.judge(
        uow, holder.id, order.resource_ids, order.start_at, order.end_at, order.unattended_from
    )
    return found + judged.refusals


def price_of(uow: UnitOfWork, order: Order) -> quotes.Quote:
    """What it would cost."""
    order = orders.cleaned(order, uow.now)
    holder = holder_of(uow, order.member_id)
    things = things_of(uow, order.resource_ids)
    audience, _ = for_whom(uow, order.project_id, holder)
    technologies = [thing.technology for thing in things]
    return prices.quote(uow, technologies, audience, order.start_at, order.end_at, things=things)


def move(
    uow: UnitOfWork,
    reservation_id: str,
    *,
    start_at: datetime | None = None,
    end_at: datetime | None = None,
    resource_ids: Sequence[int] | None = None,
    unattended_from: datetime | None = None,
    waive: frozenset[str] = frozenset(),
    why: str = "",
) -> Reservation:
    """Another time, another length, other resources: what is None stays, but the length, where only `start_at` is given.

    In use, its end alone can change. Giving back a part is never refused. As `reserve` in what it raises, and `Conflict`
    reservation.in_use.
    """
    row = reads.may_change(uow, reservation_id)
    if row.state not in LIVE:
        raise BadStep(states="ReservationState", state=row.state.value, action="move")
    wanted = _moved(uow, row, start_at, end_at, resource_ids, unattended_from)
    if wanted is None:
        return row
    holder = holder_of(uow, row.member_id)
    things = things_of(uow, wanted.resource_ids, also=row.resource_ids)
    places = places_of(things, wanted.start_at, wanted.end_at, wanted.unattended_from)
    must_be_free(uow, places, but=row.id)
    before = tuple(row.resource_ids)
    if not _is_less(row, wanted):
        _judge_move(uow, row, holder, replace(wanted, waive=waive, why=orders.line(why, 300)))
    claim = calendar.claim(uow, row.id)
    terms = judging.terms(uow, row.member_id, before)
    in_time = not reads.is_own(uow, row) or uow.now <= row.start_at - terms.cancel
    rewrite(uow, row, claim, wanted, things, places, in_time=in_time)
    calendar.freed(uow, before)
    _say_to_holder(uow, row, "reservation.moved", why)
    return row


def cancel(uow: UnitOfWork, reservation_id: str, why: str = "") -> Reservation:
    """Before its use. Later than its policy allows, that is noted; nothing is charged."""
    row = reads.may_change(uow, reservation_id)
    confirmed = row.state is ReservationState.CONFIRMED
    row.state = step(RESERVATION_STEPS, row.state, "cancel")
    terms = judging.terms(uow, row.member_id, row.resource_ids)
    own = reads.is_own(uow, row)
    row.late = confirmed and own and uow.now > row.start_at - terms.cancel
    _end(uow, row, why)
    _say_to_holder(uow, row, "reservation.cancelled", why)
    return row


def approve(uow: UnitOfWork, reservation_id: str, why: str = "") -> Reservation:
    """Staff's yes: what stands against it is let pass, and that is written down with their name.

    Where somebody could be hurt it takes two of them: after the first it is still requested. Raises `Refused` with what
    nobody may let pass.
    """
    require(uow.actor, Right.OPERATE)
    row = reads.get(uow, reservation_id)
    state = step(RESERVATION_STEPS, row.state, "approve")
    found = against(uow, row)
    if any(not each.waivable for each in found):
        raise Refused(found)
    judging.let_pass(uow, row.id, row.member_id, found, why)
    left = against(uow, row) if found else ()
    row.refusals = [_stored(each) for each in left]
    if left:
        uow.session.flush()
        return row
    row.state = state
    row.decided_at, row.decided_by_id = uow.now, uow.actor.member_id
    row.why = orders.line(why, 300)
    uow.session.flush()
    calendar.tell_changed(uow, row.id)
    _record(uow, row, "reservation.approved", why)
    _tell(uow, row, "reservation.approved", why=row.why)
    return row


def against(uow: UnitOfWork, row: Reservation, member_id: int | None = None) -> tuple[Refusal, ...]:
    """What stands against one that there is, when it begins when it was asked to; `member_id`: if it were theirs."""
    return judging.judge(
        uow,
        row.member_id if member_id is None else member_id,
        row.resource_ids,
        row.start_at,
        row.end_at,
        row.unattended_from,
        row.id,
        start_stays=True,
    ).refusals


def decline(uow: UnitOfWork, reservation_id: str, why: str) -> Reservation:
    """Staff's no, with its reason."""
    require(uow.actor, Right.OPERATE)
    if not why.strip():
        raise Invalid("reservation.why", field="why")
    row = reads.get(uow, reservation_id)
    row.state = step(RESERVATION_STEPS, row.state, "decline")
    row.decided_at, row.decided_by_id = uow.now, uow.actor.member_id
    _end(uow, row, why)
    _record(uow, row, "reservation.declined", why)
    _tell(uow, row, "reservation.declined", why=row.why)
    return row


# --- who and what


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


def _known(uow: UnitOfWork, order: Order) -> Reservation | None:
    if order.key is None or uow.actor.member_id is None:
        return None
    query = select(Reservation).where(
        Reservation.made_by_id == uow.actor.member_id, Reservation.key == order.key
    )
    row = uow.session.scalars(query).first()
    if row is not None and row.asked != order.digest:
        raise Conflict("reservation.key_used", key=order.key)
    return row


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


def _left(uow: UnitOfWork, order: Order, against: Sequence[Refusal]) -> tuple[Refusal, ...]:
    """What still stands. Staff name what they let pass, and say why; a rule of safety takes two of them."""
    if not order.waive or not against:
        return tuple(against)
    require(uow.actor, Right.OPERATE)
    if not order.why:
        raise Invalid("reservation.why", field="why")
    return waivers.left(against, order.waive)


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


# --- written down


def _write(
    uow: UnitOfWork,
    order: Order,
    holder: Member,
    things: Sequence[Thing],
    places: Sequence[Place],
    left: Sequence[Refusal],
    *,
    asks: bool,
    series_id: str | None,
) -> Reservation:
    names = names_said(things)
    audience, project = for_whom(uow, order.project_id, holder)
    claim = claim_values(uow, order, holder.id, names, audience, project)
    claim_id = str(claim["id"])
    calendar.enter(uow, claim, places)
    row = _enter(uow, claim_id, order, holder, left, asks=asks, series_id=series_id)
    technologies = [thing.technology for thing in things]
    quote = prices.quote(uow, technologies, audience, order.start_at, order.end_at, things=things)
    quotes.freeze(uow, claim_id, quote)
    if holder.id != uow.actor.member_id:
        _record(uow, row, "reservation.made_for", order.why)
    if series_id is None:
        _tell(uow, row, "reservation.asked" if asks else "reservation.made", names=names)
    return row


def _enter(
    uow: UnitOfWork,
    claim_id: str,
    order: Order,
    holder: Member,
    against: Sequence[Refusal],
    *,
    asks: bool,
    series_id: str | None,
) -> Reservation:
    """The row, and the entity that stands for it without being read again."""
    values = row_values(uow, claim_id, order, holder.id, against, asks=asks, series_id=series_id)
    uow.write_rows(Reservation, [values])
    row = Reservation(**values)
    make_transient_to_detached(row)
    uow.session.add(row)
    return row


def names_said(things: Sequence[Thing]) -> str:
    return ", ".join(thing.name for thing in things)


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
        "refusals": [_stored(each) for each in against],
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


def _stored(refusal: Refusal) -> dict[str, object]:
    return {"code": refusal.code, "waivable": refusal.waivable, "facts": dict(refusal.facts)}


def refusals_of(row: Reservation) -> tuple[Refusal, ...]:
    """What stood against it when staff were asked."""
    return tuple(Refusal(**each) for each in row.refusals)  # type: ignore[arg-type]  # written by `_stored` only


def _moved(
    uow: UnitOfWork,
    row: Reservation,
    start_at: datetime | None,
    end_at: datetime | None,
    resource_ids: Sequence[int] | None,
    unattended_from: datetime | None,
) -> Order | None:
    """What it would be; None where nothing changes."""
    start = orders.instant(start_at, "start_at") if start_at is not None else row.start_at
    usual = row.end_at if start_at is None else start + (row.end_at - row.start_at)
    end = orders.instant(end_at, "end_at") if end_at is not None else usual
    ids = tuple(sorted(set(row.resource_ids if resource_ids is None else resource_ids)))
    alone = unattended_from
    if alone is None and row.unattended_from is not None:
        alone = start + (row.unattended_from - row.start_at)
        alone = alone if alone < end else None
    orders.check_span(start, end)
    orders.check_resources(ids)
    if alone is not None:
        alone = orders.instant(alone, "unattended_from")
        orders.check_alone(start, end, alone)
    if (start, end, ids, alone) == (row.start_at, row.end_at, tuple(row.resource_ids), row.unattended_from):
        return None
    begun = row.state is ReservationState.IN_USE
    if begun and (start != row.start_at or ids != tuple(row.resource_ids)):
        raise Conflict("reservation.in_use")
    if start != row.start_at and start < uow.now - orders.LATE_START:
        raise Invalid("reservation.past", field="start_at")
    if end <= uow.now:
        raise Invalid("reservation.past", field="end_at")
    return Order(resource_ids=ids, start_at=start, end_at=end, unattended_from=alone, member_id=row.member_id)


def _is_less(row: Reservation, wanted: Order) -> bool:
    """A part of what is held, on the same terms."""
    inside = row.start_at <= wanted.start_at and wanted.end_at <= row.end_at
    same = row.unattended_from is None and wanted.unattended_from is None
    return inside and set(wanted.resource_ids) <= set(row.resource_ids) and same


def _judge_move(uow: UnitOfWork, row: Reservation, holder: Member, wanted: Order) -> None:
    judged = judging.judge(
        uow,
        holder.id,
        wanted.resource_ids,
        wanted.start_at,
        wanted.end_at,
        wanted.unattended_from,
        row.id,
        start_stays=wanted.start_at == row.start_at,
    )
    left = _left(uow, wanted, judged.refusals)
    if left:
        raise Refused(left)
    judging.let_pass(uow, row.id, holder.id, judged.refusals, wanted.why)
    asks = judged.terms.asks and not allows(uow.actor, Right.OPERATE)
    if asks and row.state is ReservationState.CONFIRMED:
        row.state = step(RESERVATION_STEPS, row.state, "ask_again")


def rewrite(
    uow: UnitOfWork,
    row: Reservation,
    claim: Claim,
    wanted: Order,
    things: Sequence[Thing],
    places: Sequence[Place],
    *,
    in_time: bool = True,
) -> None:
    """`in_time`: early enough for the half-days of a pass that it leaves behind to come back."""
    paying.follow(uow, row, wanted.start_at, wanted.end_at, in_time=in_time)
    row.start_at, row.end_at = wanted.start_at, wanted.end_at
    row.resource_ids, row.unattended_from = list(wanted.resource_ids), wanted.unattended_from
    claim.release_at, claim.ready_at = wanted.start_at, wanted.end_at
    claim.estimate_s = int((wanted.end_at - wanted.start_at).total_seconds())
    claim.attended = wanted.unattended_from is None
    uow.session.flush()  # who else changes this one at the same time is found out here, before its places are
    calendar.replace_places(uow, claim, places)
    if claim.audience is not None:
        again = quoted_anew(uow, row, claim.audience, things)
        quotes.promise_again(uow, row.id, again)


def quoted_anew(
    uow: UnitOfWork, row: Reservation, audience: Audience, things: Sequence[Thing]
) -> quotes.Quote:
    technologies = [thing.technology for thing in things]
    passed = len(passes.uses_of(uow, row.id))
    return prices.quote(
        uow,
        technologies,
        audience,
        row.start_at,
        row.end_at,
        made_at=row.made_at,
        things=things,
        passed=passed,
    )


def _end(uow: UnitOfWork, row: Reservation, why: str) -> None:
    """Its place is free again, and whoever waits may know."""
    row.ended_at = uow.now
    row.why = orders.line(why, 300)
    uow.session.flush()
    paying.give_back(uow, row)
    calendar.lock(uow, row.resource_ids)
    calendar.finish(uow, calendar.claim(uow, row.id), uow.now)
    calendar.freed(uow, row.resource_ids)


def _say_to_holder(uow: UnitOfWork, row: Reservation, code: str, why: str) -> None:
    """What others do to it is told to its holder, and stands in the log."""
    if row.member_id != uow.actor.member_id:
        _record(uow, row, code, why)
        _tell(uow, row, code, why=why)


def _record(uow: UnitOfWork, row: Reservation, code: str, why: str) -> None:
    about = f"reservation {row.id}"
    log.record(uow, code, for_member_id=row.member_id, about=about, why=orders.line(why, 300))


def _tell(
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


def names_of(uow: UnitOfWork, ids: Sequence[int]) -> str:
    query = select(Resource.name).where(Resource.id.in_(ids)).order_by(Resource.id)
    return ", ".join(uow.session.scalars(query))
