"""To reserve: what stands against it, what it costs, and its rows.

What everybody wants is settled in this order: the member, then the resources in id order are locked; whoever holds a
part of the place is looked up; the rules are asked; and all of it is written, or nothing. On SQLite the transaction
itself is the lock.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import make_transient_to_detached

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, Refusal, Refused
from fablab.claims import calendar
from fablab.claims.calendar import Place
from fablab.claims.reservations import judging, orders, prices
from fablab.claims.reservations.composing import (
    Thing,
    claim_values,
    for_whom,
    holder_of,
    left_of,
    must_be_free,
    names_said,
    places_of,
    record,
    row_values,
    tell_holder,
    things_of,
)
from fablab.claims.reservations.models import Reservation
from fablab.claims.reservations.orders import Order
from fablab.money import quotes
from fablab.people.access import Right, allows, require
from fablab.people.models import Member


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
    left = left_of(uow, order, judged.refusals)
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
        record(uow, row, "reservation.made_for", order.why)
    if series_id is None:
        tell_holder(uow, row, "reservation.asked" if asks else "reservation.made", names=names)
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
