"""Handing a reservation over: offered to another member, who has it once they say yes; until then it is the giver's.

offered -accept-> accepted      the rules are asked for the receiver, who pays from now on
        -decline-> declined     the giver is told
        -withdraw-> withdrawn   by the giver, by another offer, or because the reservation is over
        -lapse-> lapsed         nobody answered within two days, or before its hour
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.base.errors import BadStep, Conflict, Invalid, NotFound, Refused
from fablab.base.states import step
from fablab.claims import calendar
from fablab.claims.reservations import composing, deciding, moving, orders, reads
from fablab.claims.reservations.models import (
    HANDOVER_STEPS,
    Handover,
    HandoverState,
    Reservation,
    ReservationState,
)
from fablab.money import quotes
from fablab.notices import tell
from fablab.people import log
from fablab.people.access import Right, allows, require
from fablab.people.models import Member

KEPT_FOR = timedelta(days=2)
_BEFORE = (ReservationState.REQUESTED, ReservationState.CONFIRMED)


def offer(uow: UnitOfWork, reservation_id: str, to_member_id: int, why: str = "") -> Handover:
    """Before its use. An earlier offer of the same reservation is withdrawn.

    Raises `BadStep`, `Invalid` member.unknown, reservation.handed_to_holder, and `Refused` with what the rules say
    against the receiver.
    """
    row = reads.may_change(uow, reservation_id)
    _require_before(row)
    receiver = composing.locked(uow, to_member_id)
    if not receiver.active:
        raise Invalid("member.unknown", field="member")
    if receiver.id == row.member_id:
        raise Invalid("reservation.handed_to_holder", field="member")
    refusals = deciding.against(uow, row, receiver.id)
    if refusals:
        raise Refused(refusals)
    open_ = of(uow, row.id)
    if open_ is not None:
        _close(uow, open_, "withdraw")
    found = Handover(
        reservation_id=row.id,
        state=HandoverState.OFFERED,
        from_id=row.member_id,
        to_id=receiver.id,
        why=orders.line(why, 300),
        offered_at=uow.now,
        until_at=min(uow.now + KEPT_FOR, row.start_at),
    )
    uow.session.add(found)
    uow.session.flush()
    log.record(uow, "reservation.offered", for_member_id=receiver.id, about=f"reservation {row.id}")
    tell(
        uow,
        _reader(receiver),
        "reservation.offered_to_you",
        claim_id=row.id,
        what=composing.names_of(uow, row.resource_ids),
        start=row.start_at.isoformat(),
        end=row.end_at.isoformat(),
        until=found.until_at.isoformat(),
        by=uow.actor.name,
        why=found.why,
        path="/reservations",
    )
    return found


def accept(uow: UnitOfWork, reservation_id: str) -> Reservation:
    """By the receiver, whoever answers for them, or the staff for somebody without an address: it is theirs, and they pay.

    Raises `NotFound` reservation.not_offered, `Conflict` reservation.offer_over, and `Refused`, which leaves it offered.
    """
    found, row = _answering(uow, reservation_id)
    _require_before(row)
    receiver = composing.locked(uow, found.to_id)
    if not receiver.active:
        raise Conflict("member.not_active", name=receiver.name)
    refusals = deciding.against(uow, row, receiver.id)
    if refusals:
        raise Refused(refusals)
    _close(uow, found, "accept")
    things = composing.things_of(uow, row.resource_ids)
    claim = calendar.claim(uow, row.id)
    row.member_id = claim.member_id = receiver.id
    if claim.project_id is not None and not composing.may_use(uow, claim.project_id, receiver.id):
        claim.project_id = claim.project_kind = None
    claim.audience, _ = composing.for_whom(uow, claim.project_id, receiver)
    quotes.promise_again(uow, row.id, moving.quoted_anew(uow, row, claim.audience, things))
    uow.session.flush()
    calendar.announce(uow, claim)
    log.record(uow, "reservation.handed_over", for_member_id=receiver.id, about=f"reservation {row.id}")
    _tell_giver(uow, found, row, "reservation.handed_on")
    return row


def decline(uow: UnitOfWork, reservation_id: str) -> Handover:
    """By whoever may accept. Raises as `accept`, but `Refused`."""
    found, row = _answering(uow, reservation_id)
    _close(uow, found, "decline")
    _tell_giver(uow, found, row, "reservation.hand_over_declined")
    return found


def withdraw(uow: UnitOfWork, reservation_id: str) -> Handover:
    """By the giver: it stays theirs."""
    row = reads.may_change(uow, reservation_id)
    found = of(uow, row.id)
    if found is None:
        raise NotFound("reservation.not_offered")
    _close(uow, found, "withdraw")
    tell(
        uow,
        found.to_id,
        "reservation.offer_withdrawn",
        claim_id=row.id,
        what=composing.names_of(uow, row.resource_ids),
        start=row.start_at.isoformat(),
        path="/reservations",
    )
    return found


def of(uow: UnitOfWork, reservation_id: str) -> Handover | None:
    """The one that waits for an answer."""
    query = select(Handover).where(
        Handover.reservation_id == reservation_id, Handover.state == HandoverState.OFFERED
    )
    return uow.session.scalars(query).first()


def offered_to(uow: UnitOfWork, member_id: int) -> list[Handover]:
    """What waits for this member's answer, or for that of a child of theirs, the next first."""
    mine = select(Member.id).where((Member.id == member_id) | (Member.parent_id == member_id))
    query = (
        select(Handover)
        .join(Reservation, Reservation.id == Handover.reservation_id)
        .where(
            Handover.to_id.in_(mine),
            Handover.state == HandoverState.OFFERED,
            Handover.until_at > uow.now,
            Reservation.state.in_(_BEFORE),
        )
    )
    return list(uow.session.scalars(query.order_by(Reservation.start_at, Handover.id)))


def lapse(uow: UnitOfWork) -> int:
    """Every minute: what nobody answered in time stays the giver's, who is told; what is over cannot be had any more. How
    many there were."""
    query = (
        select(Handover, Reservation)
        .join(Reservation, Reservation.id == Handover.reservation_id)
        .where(
            Handover.state == HandoverState.OFFERED,
            (Handover.until_at <= uow.now) | Reservation.state.not_in(_BEFORE),
        )
        .order_by(Handover.id)
    )
    rows = uow.session.execute(query).all()
    for found, row in rows:
        in_time = found.until_at > uow.now
        _close(uow, found, "withdraw" if in_time else "lapse")
        if row.state in _BEFORE:
            _tell_giver(uow, found, row, "reservation.hand_over_lapsed")
    return len(rows)


def close_of(uow: UnitOfWork, member_id: int) -> int:
    """Of somebody who goes: nothing is offered to them any more, nor by them. How many there were."""
    query = select(Handover).where(
        (Handover.to_id == member_id) | (Handover.from_id == member_id),
        Handover.state == HandoverState.OFFERED,
    )
    rows = list(uow.session.scalars(query.order_by(Handover.id)))
    for found in rows:
        _close(uow, found, "withdraw")
        if found.to_id == member_id:
            _tell_giver(uow, found, reads.get(uow, found.reservation_id), "reservation.hand_over_declined")
    return len(rows)


def _answering(uow: UnitOfWork, reservation_id: str) -> tuple[Handover, Reservation]:
    """Who it was not offered to does not hear that it was offered at all."""
    require(uow.actor, Right.SUBMIT)
    found = of(uow, reservation_id)
    if found is None:
        raise NotFound("reservation.not_offered")
    receiver, mine = uow.session.get_one(Member, found.to_id), uow.actor.member_id
    theirs = mine is not None and mine in (receiver.id, receiver.parent_id)
    if not theirs and not (receiver.email is None and allows(uow.actor, Right.OPERATE)):
        raise NotFound("reservation.not_offered")
    if found.until_at <= uow.now:
        raise Conflict("reservation.offer_over")
    return found, reads.get(uow, reservation_id)


def _require_before(row: Reservation) -> None:
    if row.state not in _BEFORE:
        raise BadStep(states="ReservationState", state=row.state.value, action="hand_over")


def _close(uow: UnitOfWork, found: Handover, action: str) -> None:
    found.state = step(HANDOVER_STEPS, found.state, action)
    found.answered_at = uow.now
    uow.session.flush()
    for member_id in (found.from_id, found.to_id):
        uow.raise_event("member", member_id, "reservations")


def _reader(receiver: Member) -> int:
    """A child who has no address hears of it through whoever answers for them."""
    return receiver.parent_id if receiver.email is None and receiver.parent_id is not None else receiver.id


def _tell_giver(uow: UnitOfWork, found: Handover, row: Reservation, code: str) -> None:
    tell(
        uow,
        found.from_id,
        code,
        claim_id=row.id,
        to=uow.session.get_one(Member, found.to_id).name,
        what=composing.names_of(uow, row.resource_ids),
        start=row.start_at.isoformat(),
    )


#: What may be answered to an offer, by its word in addresses.
ANSWERS: Mapping[str, Callable[[UnitOfWork, str], object]] = {
    "accept": accept,
    "decline": decline,
    "withdraw": withdraw,
}
