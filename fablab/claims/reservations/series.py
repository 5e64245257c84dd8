"""The same again and again: every date for itself, and a list of those on which it does not happen, with every reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime
from hashlib import sha256
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, Forbidden, NotFound, Refusal, Refused
from fablab.base.ids import new_id
from fablab.claims.reservations import composing, dates, deciding, orders, placing, reads
from fablab.claims.reservations.dates import Date, Wall
from fablab.claims.reservations.models import Reservation, ReservationState, Series
from fablab.claims.reservations.orders import Order, Repeat, Repeated, Shifted, Skipped
from fablab.notices import tell
from fablab.people.access import Right, allows, require
from fablab.places import house


def one_of(uow: UnitOfWork, order: Order, series_id: str) -> Reservation:
    """One date of a series, where its place is free."""
    return placing.reserve(uow, order, series_id=series_id)


def repeat(
    uow: UnitOfWork,
    order: Order,
    how: Repeat,
    *,
    take: Callable[[UnitOfWork, Order, str], Reservation] = one_of,
) -> Repeated:
    """The order's own date and its repetitions in the house's wall time. One that is refused or taken is skipped, and
    hinders no other; nothing is kept where every date is. The order's key is the whole series'. `take` takes one of
    them, and raises as `placing.reserve` does."""
    require(uow.actor, Right.SUBMIT)
    order = orders.cleaned(order, uow.now)
    zone = ZoneInfo(house.house(uow).zone)
    first, wall = dates.wall_of(order.start_at, order.end_at, zone)
    dates.check(how, first)
    series = _series(uow, order, how, first, wall)
    known = _known(uow, series)
    if known is not None:
        return known
    uow.session.add(series)
    uow.session.flush()
    made: list[Reservation] = []
    skipped: list[Skipped] = []
    shifted: list[Shifted] = []
    for one in _dates(order, how, first, wall):
        found = _reserve(uow, order, one, series.id, take)
        if isinstance(found, Reservation):
            made.append(found)
            shifted.extend(one.shifted)
        else:
            skipped.append(_skipped(one, found))
    series.skipped = [_kept(each) for each in skipped]
    if made:
        _tell(uow, series, made)
        uow.session.flush()
    else:
        uow.session.delete(series)
    return Repeated(
        series_id=series.id if made else "",
        made=tuple(made),
        skipped=tuple(skipped),
        shifted=tuple(shifted),
    )


def foresee(uow: UnitOfWork, order: Order, how: Repeat) -> tuple[Date, ...]:
    """The dates it would have and what the clocks change of them, before anything is reserved."""
    order = orders.cleaned(order, uow.now)
    first, wall = dates.wall_of(order.start_at, order.end_at, ZoneInfo(house.house(uow).zone))
    dates.check(how, first)
    return tuple(_dates(order, how, first, wall))


def get(uow: UnitOfWork, series_id: str) -> Series:
    """Somebody else's does not exist for those who may not see it."""
    row = uow.session.get(Series, series_id)
    mine = uow.actor.member_id
    if row is None or not (
        allows(uow.actor, Right.SEE_ALL) or mine in (row.member_id, reads.parent_of(uow, row.member_id))
    ):
        raise NotFound("series.unknown", id=series_id[:20])
    return row


def of_series(uow: UnitOfWork, series_id: str) -> list[Reservation]:
    """All its reservations, whatever has become of them, by start."""
    query = select(Reservation).where(Reservation.series_id == series_id)
    return list(uow.session.scalars(query.order_by(Reservation.start_at, Reservation.id)))


def cancel_series(uow: UnitOfWork, series_id: str, *, since: datetime | None = None, why: str = "") -> int:
    """Those that start at `since` (None: now) or later and have not begun. How many."""
    get(uow, series_id)
    since = max(uow.now, since) if since is not None else uow.now
    waiting = (ReservationState.REQUESTED, ReservationState.CONFIRMED)
    rows = [row for row in of_series(uow, series_id) if row.state in waiting and row.start_at >= since]
    for row in rows:
        deciding.cancel(uow, row.id, why)
    return len(rows)


def _dates(order: Order, how: Repeat, first: date, wall: Wall) -> Iterator[Date]:
    for day in dates.days(first, how):
        found = dates.on(day, wall)
        if day == first:  # what was asked for itself, even in the second of two same hours
            found = replace(found, start_at=order.start_at, end_at=order.end_at)
        yield found


def _reserve(
    uow: UnitOfWork,
    order: Order,
    date: Date,
    series_id: str,
    take: Callable[[UnitOfWork, Order, str], Reservation],
) -> Reservation | tuple[Refusal, ...]:
    """One date, or why not."""
    if not date.happens:
        return (Refusal(code="series.gap"),)
    alone = None
    if order.unattended_from is not None:
        alone = date.start_at + (order.unattended_from - order.start_at)
        alone = alone if alone < date.end_at else None
    one = replace(order, start_at=date.start_at, end_at=date.end_at, unattended_from=alone, key=None)
    try:
        with uow.session.begin_nested():
            return take(uow, one, series_id)
    except Refused as error:
        return error.refusals
    except Conflict as error:
        if error.code != "slot_taken":
            raise
        return (Refusal(code="slot_taken", facts=dict(error.facts)),)


def _series(uow: UnitOfWork, order: Order, how: Repeat, first: date, wall: Wall) -> Series:
    member_id = order.member_id if order.member_id is not None else uow.actor.member_id
    if member_id is None:
        raise Forbidden("reservation.needs_member")
    asked = sha256((order.digest + repr(how)).encode()).hexdigest()
    return Series(
        id=new_id(uow.now),
        member_id=member_id,
        made_by_id=uow.actor.member_id,
        every=how.every,
        step=how.step,
        zone=wall.zone.key,
        first_day=first,
        starts=wall.starts,
        ends=wall.ends,
        days=wall.days,
        until=how.until,
        count=how.count,
        skipped=[],
        key=order.key,
        asked=asked if order.key else None,
        made_at=uow.now,
    )


def _known(uow: UnitOfWork, series: Series) -> Repeated | None:
    """What the same key has made before."""
    if series.key is None or series.made_by_id is None:
        return None
    query = select(Series).where(Series.made_by_id == series.made_by_id, Series.key == series.key)
    row = uow.session.scalars(query).first()
    if row is None:
        return None
    if row.asked != series.asked:
        raise Conflict("reservation.key_used", key=series.key)
    return Repeated(
        series_id=row.id,
        made=tuple(of_series(uow, row.id)),
        skipped=tuple(_skipped_again(each) for each in row.skipped),
        shifted=(),
    )


def _skipped(date: Date, refusals: tuple[Refusal, ...]) -> Skipped:
    start, end = (date.start_at, date.end_at) if date.happens else (None, None)
    return Skipped(day=date.day, start_at=start, end_at=end, refusals=refusals)


def _kept(skipped: Skipped) -> dict[str, object]:
    kept: dict[str, object] = msgspec.to_builtins(skipped)
    return kept


def _skipped_again(kept: dict[str, object]) -> Skipped:
    return msgspec.convert(kept, Skipped)


def _tell(uow: UnitOfWork, series: Series, made: list[Reservation]) -> None:
    tell(
        uow,
        series.member_id,
        "series.made",
        claim_id=made[0].id,
        what=composing.names_of(uow, made[0].resource_ids),
        start=made[0].start_at.isoformat(),
        made=len(made),
        skipped=len(series.skipped),
    )
