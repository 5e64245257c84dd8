"""Another time, another length, other resources for a reservation that there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from fablab.base.database import UnitOfWork
from fablab.base.errors import BadStep, Conflict, Invalid, Refused
from fablab.base.states import step
from fablab.claims import calendar
from fablab.claims.calendar import Place
from fablab.claims.models import Claim
from fablab.claims.reservations import judging, orders, paying, prices, reads
from fablab.claims.reservations.composing import (
    Thing,
    holder_of,
    left_of,
    must_be_free,
    places_of,
    say_to_holder,
    things_of,
)
from fablab.claims.reservations.models import LIVE, RESERVATION_STEPS, Reservation, ReservationState
from fablab.claims.reservations.orders import Order
from fablab.money import passes, quotes
from fablab.people.access import Right, allows
from fablab.people.models import Audience, Member


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
    say_to_holder(uow, row, "reservation.moved", why)
    return row


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
    left = left_of(uow, wanted, judged.refusals)
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
