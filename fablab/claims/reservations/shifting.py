"""A reservation that begins later because the machine is not free in time: the lab moves it, and its holder may say no.

Nobody asked for it, so what is asked of who orders (notice, quotas, lengths) is not asked again; that the house is open
and that nobody else has the place is.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, Refused
from fablab.base.states import step
from fablab.claims import calendar
from fablab.claims.reservations import composing, judging, moving, orders, paying, reads
from fablab.claims.reservations.models import RESERVATION_STEPS, Reservation, ReservationState
from fablab.claims.reservations.orders import Order
from fablab.people import log
from fablab.people.access import Right, require

#: What is asked of a place; everything else is asked of who wants one.
_OF_THE_PLACE = frozenset(
    {
        "minor.alone",
        "house.closure",
        "hours.closed",
        "hours.not_staffed",
        "unattended.not_allowed",
        "unattended.too_long",
    }
)
WORTH_HAVING = 0.5  # a reservation that loses more of its length than this is no longer one


def shift(uow: UnitOfWork, reservation_id: str, start_at: datetime) -> Reservation:
    """The same length from `start_at` on; where what follows is taken, what is left of it before its old end.

    Raises `Conflict` slot_taken or reservation.in_use, and `Refused` with what the house says against that time; nothing
    is kept then. The caller tells its holder.
    """
    require(uow.actor, Right.OPERATE)
    row = reads.get(uow, reservation_id)
    if row.state not in (ReservationState.CONFIRMED, ReservationState.REQUESTED):
        raise Conflict("reservation.in_use")
    later = start_at - row.start_at
    if later <= timedelta(0):
        return row
    length = row.end_at - row.start_at
    alone = None if row.unattended_from is None else row.unattended_from + later
    for end_at in (row.end_at + later, row.end_at):
        if (end_at - start_at) < length * WORTH_HAVING:
            continue
        wanted = Order(
            resource_ids=tuple(row.resource_ids),
            start_at=start_at,
            end_at=end_at,
            unattended_from=alone if alone is not None and alone < end_at else None,
            member_id=row.member_id,
        )
        if _is_free(uow, row, wanted):
            _require_open(uow, row, wanted)
            _write(uow, row, wanted)
            return row
    raise Conflict("slot_taken", resource=row.resource_ids[0])


def decline_shift(uow: UnitOfWork, reservation_id: str) -> Reservation:
    """Its holder would not have it later: it is over, and nothing is noted or charged."""
    row = reads.may_change(uow, reservation_id)
    row.state = step(RESERVATION_STEPS, row.state, "cancel")
    row.late, row.ended_at = False, uow.now
    uow.session.flush()
    paying.give_back(uow, row)
    calendar.lock(uow, row.resource_ids)
    calendar.finish(uow, calendar.claim(uow, row.id), uow.now)
    calendar.freed(uow, row.resource_ids)
    log.record(uow, "reservation.shift_declined", for_member_id=row.member_id, about=f"reservation {row.id}")
    return row


def _is_free(uow: UnitOfWork, row: Reservation, wanted: Order) -> bool:
    things = composing.things_of(uow, wanted.resource_ids, also=row.resource_ids)
    places = composing.places_of(things, wanted.start_at, wanted.end_at, wanted.unattended_from)
    return not calendar.taken(uow, places, but=row.id)


def _require_open(uow: UnitOfWork, row: Reservation, wanted: Order) -> None:
    judged = judging.judge(
        uow,
        row.member_id,
        wanted.resource_ids,
        wanted.start_at,
        wanted.end_at,
        wanted.unattended_from,
        row.id,
    )
    against = [each for each in judged.refusals if each.code in _OF_THE_PLACE]
    if against:
        raise Refused(against)


def _write(uow: UnitOfWork, row: Reservation, wanted: Order) -> None:
    was = row.start_at
    things = composing.things_of(uow, wanted.resource_ids)
    places = composing.places_of(things, wanted.start_at, wanted.end_at, wanted.unattended_from)
    moving.rewrite(uow, row, calendar.claim(uow, row.id), wanted, things, places)
    log.record(
        uow,
        "reservation.shifted",
        for_member_id=row.member_id,
        about=f"reservation {row.id}",
        was=was.isoformat(),
        start=orders.instant(row.start_at, "start_at").isoformat(),
    )
