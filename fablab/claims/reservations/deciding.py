"""The staff's yes and no to a reservation, and anybody's giving it up before its hour."""

from __future__ import annotations

from fablab.base.database import UnitOfWork
from fablab.base.errors import Invalid, Refusal, Refused
from fablab.base.states import step
from fablab.claims import calendar
from fablab.claims.reservations import judging, orders, paying, reads
from fablab.claims.reservations.composing import record, say_to_holder, stored, tell_holder
from fablab.claims.reservations.models import RESERVATION_STEPS, Reservation, ReservationState
from fablab.people.access import Right, require


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
    row.refusals = [stored(each) for each in left]
    if left:
        uow.session.flush()
        return row
    row.state = state
    row.decided_at, row.decided_by_id = uow.now, uow.actor.member_id
    row.why = orders.line(why, 300)
    uow.session.flush()
    calendar.tell_changed(uow, row.id)
    record(uow, row, "reservation.approved", why)
    tell_holder(uow, row, "reservation.approved", why=row.why)
    return row


def decline(uow: UnitOfWork, reservation_id: str, why: str) -> Reservation:
    """Staff's no, with its reason."""
    require(uow.actor, Right.OPERATE)
    if not why.strip():
        raise Invalid("reservation.why", field="why")
    row = reads.get(uow, reservation_id)
    row.state = step(RESERVATION_STEPS, row.state, "decline")
    row.decided_at, row.decided_by_id = uow.now, uow.actor.member_id
    give_back(uow, row, why)
    record(uow, row, "reservation.declined", why)
    tell_holder(uow, row, "reservation.declined", why=row.why)
    return row


def cancel(uow: UnitOfWork, reservation_id: str, why: str = "") -> Reservation:
    """Before its use. Later than its policy allows, that is noted; nothing is charged."""
    row = reads.may_change(uow, reservation_id)
    confirmed = row.state is ReservationState.CONFIRMED
    row.state = step(RESERVATION_STEPS, row.state, "cancel")
    terms = judging.terms(uow, row.member_id, row.resource_ids)
    own = reads.is_own(uow, row)
    row.late = confirmed and own and uow.now > row.start_at - terms.cancel
    give_back(uow, row, why)
    say_to_holder(uow, row, "reservation.cancelled", why)
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


def give_back(uow: UnitOfWork, row: Reservation, why: str) -> None:
    """Its place is free again, and whoever waits may know."""
    row.ended_at = uow.now
    row.why = orders.line(why, 300)
    uow.session.flush()
    paying.give_back(uow, row)
    calendar.lock(uow, row.resource_ids)
    calendar.finish(uow, calendar.claim(uow, row.id), uow.now)
    calendar.freed(uow, row.resource_ids)
