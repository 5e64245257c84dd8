"""What its hour brings: somebody comes, nobody comes, it ends early or on time. The last two are called every minute."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict
from fablab.base.states import step
from fablab.claims import calendar
from fablab.claims.reservations import judging, paying, prices, reads
from fablab.claims.reservations.composing import names_of
from fablab.claims.reservations.models import RESERVATION_STEPS, Arrival, Reservation, ReservationState
from fablab.notices import tell
from fablab.people import log
from fablab.people.access import Right, require
from fablab.places.models import Resource

#: Who comes before the hour may say so; the place is theirs from its start on only.
EARLY_ARRIVAL = timedelta(minutes=15)


def check_in(uow: UnitOfWork, reservation_id: str, how: Arrival = Arrival.PAGE) -> Reservation:
    """Its holder is there, or staff say so for them; said again, it changes nothing.

    Raises `Conflict` reservation.too_early (facts: opens), reservation.over.
    """
    row = reads.may_change(uow, reservation_id)
    if not reads.is_own(uow, row):
        require(uow.actor, Right.OPERATE)
        how = Arrival.STAFF
    if row.state is ReservationState.IN_USE:
        return row
    state = step(RESERVATION_STEPS, row.state, "check_in")
    opens = row.start_at - EARLY_ARRIVAL
    if uow.now < opens:
        raise Conflict("reservation.too_early", opens=opens.isoformat())
    if uow.now >= row.end_at:
        raise Conflict("reservation.over")
    row.state, row.checked_in_at, row.checked_in_how = state, uow.now, how
    row.checked_in_by_id = uow.actor.member_id
    uow.session.flush()
    _changed(uow, row)
    if how is Arrival.STAFF:
        about = f"reservation {row.id}"
        log.record(uow, "reservation.checked_in", for_member_id=row.member_id, about=about)
    return row


def end_early(uow: UnitOfWork, reservation_id: str) -> Reservation:
    """Done: the rest is free for others, and only the hours until now are charged."""
    row = reads.may_change(uow, reservation_id)
    state = step(RESERVATION_STEPS, row.state, "complete")
    calendar.lock(uow, row.resource_ids)
    _complete(uow, row, state, min(uow.now, row.end_at))
    if row.ended_at is not None and row.ended_at < row.end_at:
        calendar.freed(uow, row.resource_ids)
    return row


def release_missed(uow: UnitOfWork) -> int:
    """Nobody came in time, or staff never answered: the place is free for others. How many there were."""
    query = (
        select(Reservation)
        .where(
            Reservation.state.in_((ReservationState.CONFIRMED, ReservationState.REQUESTED)),
            Reservation.start_at <= uow.now,
        )
        .order_by(Reservation.start_at, Reservation.id)
    )
    count = 0
    for row in uow.session.scalars(query):
        if row.state is ReservationState.REQUESTED:
            _over(uow, row, "decline", "reservation.unanswered")
            count += 1
        elif uow.now >= waits_until(uow, row):
            _over(uow, row, "miss", "reservation.missed")
            count += 1
    return count


def waits_until(uow: UnitOfWork, row: Reservation) -> datetime:
    """Until when its place is kept for somebody who has not come yet."""
    return min(row.start_at + judging.terms(uow, row.member_id, row.resource_ids).grace, row.end_at)


def complete_ended(uow: UnitOfWork) -> int:
    """Those in use whose end has come: charged as promised. How many there were."""
    query = (
        select(Reservation)
        .where(Reservation.state == ReservationState.IN_USE, Reservation.end_at <= uow.now)
        .order_by(Reservation.end_at, Reservation.id)
    )
    rows = list(uow.session.scalars(query))
    for row in rows:
        _complete(uow, row, step(RESERVATION_STEPS, row.state, "complete"), row.end_at)
    return len(rows)


def _complete(uow: UnitOfWork, row: Reservation, state: ReservationState, at: datetime) -> None:
    row.state, row.ended_at = state, at
    uow.session.flush()
    claim = calendar.claim(uow, row.id)
    calendar.finish(uow, claim, at)
    query = select(Resource).where(Resource.id.in_(row.resource_ids)).order_by(Resource.id)
    things = list(uow.session.scalars(query).unique())
    prices.charge(uow, row, claim, [thing.technology for thing in things], things)


def _over(uow: UnitOfWork, row: Reservation, action: str, code: str) -> None:
    row.state = step(RESERVATION_STEPS, row.state, action)
    row.ended_at = uow.now
    uow.session.flush()
    if action == "decline":
        paying.give_back(uow, row)
    calendar.finish(uow, calendar.claim(uow, row.id), uow.now)
    calendar.freed(uow, row.resource_ids)
    what = names_of(uow, row.resource_ids)
    tell(uow, row.member_id, code, claim_id=row.id, what=what, start=row.start_at.isoformat())


def _changed(uow: UnitOfWork, row: Reservation) -> None:
    calendar.tell_changed(uow, row.id)
    for resource_id in row.resource_ids:
        uow.raise_event("machine", resource_id, "reservation")
