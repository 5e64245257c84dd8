"""To reserve, beside the planner: what is free is taken at once, and only a place that is not is thought about.

reserve -> free: taken
        -> planned jobs in the way: they give way and their owners are told, all in one transaction
        -> anything else in the way: `Taken`, with the nearest alternatives
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select

from fablab.base.database import Actor, Database, UnitOfWork
from fablab.base.errors import Conflict, LabError, Refusal, Refused
from fablab.claims import calendar
from fablab.claims.reservations import judging
from fablab.claims.reservations import use as reservations
from fablab.claims.reservations.models import Reservation
from fablab.claims.reservations.orders import check_span
from fablab.claims.reservations.use import Order, Repeat, Repeated
from fablab.claims.rules.known import known
from fablab.places import house
from fablab.places.models import Resource, ResourceKind
from scheduler.planner.forecast import Forecast
from scheduler.planner.room import forecast_room, make_room
from scheduler.reserving.asked import InTheWay, Kind, ReservingOffer, Taken, Wanted
from scheduler.reserving.look import Held, Look, around, like, look, on
from scheduler.vacancies import Opening, openings

ALTERNATIVES = 3
#: An alternative further away than that is found by looking for one of a kind.
NEAR = timedelta(days=2)
#: So long a list of alternatives is good for all who have just lost the same race, while the calendar stays as it is.
KEPT_FOR = timedelta(seconds=10)
MOST_KEPT = 256
_MEMORY = "reserving.alternatives"
TAKEN = "slot_taken"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """What is wanted, of whomever: for a reservation that there is already, `claim_id` is its own."""

    resource_ids: tuple[int, ...]
    start_at: datetime
    end_at: datetime
    attended_until: datetime
    claim_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserving:
    """Places for people in person; `database` as for `Intake`."""

    database: Database

    def options(self, actor: Actor, kind: Kind, n: int = 5) -> tuple[ReservingOffer, ...]:
        """Up to `n` places that lie an hour apart, the best first, those that the rules allow before the others; nothing
        is written and nothing is held.

        Raises `Invalid` for what cannot be understood and `Refused` where no such resource is in the house.
        """
        with self.database.read(actor) as uow:
            seen = look(uow, kind)
            found = [_offer(seen, kind, opening) for opening in openings(seen.rows, seen.ask, n)]
            judged = [replace(offer, refusals=_against(uow, offer, kind.member_id)) for offer in found]
            judged.sort(key=lambda offer: bool(offer.refusals))
            return _with_reasons(uow, kind, judged)

    def reserve(self, actor: Actor, order: Order) -> Reservation:
        """All of it or nothing, planned jobs in its way moved and their owners told. Raises `Taken` with alternatives,
        and `Refused` with every reason."""
        return self._taking(actor, lambda uow: reservations.reserve(uow, order), lambda _uow: _span_of(order))

    def repeat(self, actor: Actor, order: Order, how: Repeat) -> Repeated:
        """A series, each of its dates taken as `reserve` takes one: planned jobs give way, their owners are told, and a
        date on which somebody would find no other place is skipped like any that cannot be had."""

        def act(uow: UnitOfWork) -> Repeated:
            calendar.take_turn(uow)
            return reservations.repeat(uow, order, how, take=_one_of)

        return self.database.write(act, actor)

    def in_the_way(self, actor: Actor, order: Order, how: Repeat) -> tuple[InTheWay, ...]:
        """The planned jobs that would give way to a series, on any of its dates, each once. Nothing is written."""
        found: dict[str, InTheWay] = {}
        with self.database.read(actor) as uow:
            for date in reservations.foresee(uow, order, how):
                span = replace(_span_of(order), start_at=date.start_at, end_at=date.end_at)
                held = _in_the_way(uow, span) if date.happens else []
                if all(each.soft for each in held):
                    found.update((each.job.claim_id, each.job) for each in held)
        return tuple(found.values())

    def instead(self, actor: Actor, order: Order) -> Reservation:
        """For an order whose place was found taken: with whoever may give way moved, or `Taken` with alternatives."""
        return self._instead(
            actor, lambda uow: reservations.reserve(uow, order), lambda _uow: _span_of(order)
        )

    def move(
        self,
        actor: Actor,
        reservation_id: str,
        *,
        start_at: datetime | None = None,
        end_at: datetime | None = None,
        resource_ids: Sequence[int] | None = None,
        unattended_from: datetime | None = None,
        waive: frozenset[str] = frozenset(),
        why: str = "",
    ) -> Reservation:
        """Like `reserve`, for one that there is; what is None stays as it is."""

        def act(uow: UnitOfWork) -> Reservation:
            return reservations.move(
                uow,
                reservation_id,
                start_at=start_at,
                end_at=end_at,
                resource_ids=resource_ids,
                unattended_from=unattended_from,
                waive=waive,
                why=why,
            )

        def span(uow: UnitOfWork) -> _Span:
            row = reservations.may_see(uow, reservation_id)
            end = end_at or row.end_at
            return _Span(
                resource_ids=tuple(resource_ids or row.resource_ids),
                start_at=start_at or row.start_at,
                end_at=end,
                attended_until=unattended_from or row.unattended_from or end,
                claim_id=row.id,
            )

        return self._taking(actor, act, span)

    def forecast(self, actor: Actor, order: Order) -> Forecast:
        """Whose jobs would move, and where to, before the button is pressed; `refusals` says what stands against it."""
        with self.database.read(actor) as uow:
            against = list(_preview(uow, order))
            span = _span_of(order)
            held = _in_the_way(uow, span)
            if any(not each.soft for each in held):
                against.append(Refusal(code=TAKEN))
            if against or not held:
                return Forecast(version=calendar.version(uow), refusals=tuple(against))
            return forecast_room(uow, span.resource_ids, span.start_at, span.end_at)

    def forecast_move(
        self,
        actor: Actor,
        reservation_id: str,
        *,
        start_at: datetime,
        end_at: datetime,
        resource_ids: Sequence[int],
    ) -> Forecast:
        """`forecast` for one that there is and that would be there instead. Raises `Invalid` as `move` does."""
        with self.database.read(actor) as uow:
            row = reservations.may_change(uow, reservation_id)
            alone = row.unattended_from
            if alone is not None:
                moved = alone + (start_at - row.start_at)
                alone = moved if moved < end_at else None
            order = Order(
                resource_ids=tuple(resource_ids), start_at=start_at, end_at=end_at, unattended_from=alone
            )
            against = _against_move(uow, row, order)
            span = replace(_span_of(order), claim_id=row.id)
            held = _in_the_way(uow, span)
            if any(not each.soft for each in held):
                against.append(Refusal(code=TAKEN))
            if against or not held:
                return Forecast(version=calendar.version(uow), refusals=tuple(against))
            return forecast_room(uow, span.resource_ids, start_at, end_at)

    def _taking(
        self,
        actor: Actor,
        act: Callable[[UnitOfWork], Reservation],
        span_of: Callable[[UnitOfWork], _Span],
    ) -> Reservation:
        try:
            return self.database.write(act, actor)
        except Conflict as error:
            if error.code != TAKEN:
                raise
        return self._instead(actor, act, span_of)

    def _instead(
        self,
        actor: Actor,
        act: Callable[[UnitOfWork], Reservation],
        span_of: Callable[[UnitOfWork], _Span],
    ) -> Reservation:
        with self.database.read(actor) as uow:
            span = span_of(uow)
            may_be_had = all(each.soft for each in _in_the_way(uow, span))
        if may_be_had:
            try:
                return self.database.write(lambda uow: _displacing(uow, span, act), actor)
            except Conflict as error:
                if error.code != TAKEN:
                    raise
        with self.database.read(actor) as uow:
            raise Taken(alternatives(uow, span))


def _one_of(uow: UnitOfWork, order: Order, series_id: str) -> Reservation:
    """One date of a series: as it is free, or with whoever may give way moved. The caller has its turn."""

    def take(uow: UnitOfWork) -> Reservation:
        return reservations.one_of(uow, order, series_id)

    held = _in_the_way(uow, _span_of(order))
    if not held or any(not each.soft for each in held):
        return take(uow)
    return make_room(uow, list(dict.fromkeys(each.job.claim_id for each in held)), take)


def _displacing(uow: UnitOfWork, span: _Span, act: Callable[[UnitOfWork], Reservation]) -> Reservation:
    calendar.take_turn(uow)
    held = _in_the_way(uow, span)
    if any(not each.soft for each in held):
        raise Conflict(TAKEN)
    return make_room(uow, list(dict.fromkeys(each.job.claim_id for each in held)), act)


def _in_the_way(uow: UnitOfWork, span: _Span) -> list[Held]:
    rows = uow.session.execute(
        select(Resource.id, Resource.setup_min, Resource.clear_min).where(Resource.id.in_(span.resource_ids))
    )
    return on(
        uow, span.resource_ids, span.start_at, span.end_at, without=span.claim_id, around=around(rows.all())
    )


def _span_of(order: Order) -> _Span:
    return _Span(
        resource_ids=tuple(order.resource_ids),
        start_at=order.start_at,
        end_at=order.end_at,
        attended_until=order.unattended_from or order.end_at,
    )


def _preview(uow: UnitOfWork, order: Order) -> tuple[Refusal, ...]:
    """The rules' word, but for the place itself: that somebody has it is for the calendar to say."""
    return tuple(each for each in reservations.preview(uow, order) if each.code != TAKEN)


def _against_move(uow: UnitOfWork, row: Reservation, order: Order) -> list[Refusal]:
    """A part of what is held already is never refused."""
    check_span(order.start_at, order.end_at)
    is_part = row.start_at <= order.start_at and order.end_at <= row.end_at
    if is_part and set(order.resource_ids) <= set(row.resource_ids):
        return []
    judged = judging.judge(
        uow,
        row.member_id,
        order.resource_ids,
        order.start_at,
        order.end_at,
        order.unattended_from,
        row.id,
        start_stays=order.start_at == row.start_at,
    )
    return [each for each in judged.refusals if each.code != TAKEN]


def _against(uow: UnitOfWork, offer: ReservingOffer, member_id: int | None) -> tuple[Refusal, ...]:
    order = Order(
        resource_ids=offer.resource_ids,
        member_id=member_id,
        start_at=offer.start_at,
        end_at=offer.end_at,
        unattended_from=None if offer.attended_until >= offer.end_at else offer.attended_until,
    )
    try:
        return _preview(uow, order)
    except Refused as error:
        return error.refusals


# --- instead


def alternatives(uow: UnitOfWork, span: _Span, n: int = ALTERNATIVES) -> tuple[ReservingOffer, ...]:
    """The nearest that would do as well: the same resources at another time, or others like them at the same.

    Two hundred who lose one race at once are answered by one look: it is kept while the calendar stays as it is.
    """
    version, key = calendar.version(uow), (span, n)
    stamp, kept = uow.memory.get(_MEMORY, (None, {}))
    if stamp is None or stamp[0] != version or not timedelta(0) <= uow.now - stamp[1] < KEPT_FOR:
        kept = {}
        uow.memory[_MEMORY] = ((version, uow.now), kept)
    if key in kept:
        known: tuple[ReservingOffer, ...] = kept[key]
        return known
    found = _alternatives(uow, span, n)
    if len(kept) < MOST_KEPT:
        kept[key] = found
    return found


def _alternatives(uow: UnitOfWork, span: _Span, n: int) -> tuple[ReservingOffer, ...]:
    rows = [row for row in house.resources(uow, frozenset(ResourceKind)) if row.id in span.resource_ids]
    kind = Kind(
        wanted=_together(rows),
        duration_s=max(60, round((span.end_at - span.start_at).total_seconds())),
        attended_s=round((span.attended_until - span.start_at).total_seconds()),
        since=max(uow.now, span.start_at - NEAR),
        until=max(uow.now, span.start_at) + (span.end_at - span.start_at) + NEAR,
        near=span.start_at,
    )
    try:
        seen = look(uow, kind, prefer=span.resource_ids, without=span.claim_id)
    except LabError:
        return ()  # what was wanted cannot be had at all; why is said by whoever is asked for it
    found = [_offer(seen, kind, opening) for opening in openings(seen.rows, seen.ask, n)]
    return _with_reasons(uow, kind, found)


def _together(rows: Sequence[Resource]) -> tuple[Wanted, ...]:
    """What would serve as well, resources that are alike as one need with its quantity."""
    counted: dict[Wanted, int] = {}
    for row in rows:
        wanted = like(row)
        counted[wanted] = counted.get(wanted, 0) + 1
    return tuple(replace(wanted, quantity=quantity) for wanted, quantity in counted.items())


# --- as offers


def _offer(seen: Look, kind: Kind, opening: Opening) -> ReservingOffer:
    start_at = seen.instant(opening.start)
    end_at = start_at + timedelta(seconds=kind.duration_s)
    attended_s = kind.duration_s if kind.attended_s is None else min(kind.attended_s, kind.duration_s)
    resource_ids = tuple(resource for _call, resource in opening.taken)
    jobs: tuple[InTheWay, ...] = tuple(seen.jobs[name] for name in opening.moved)
    is_staffed = any(piece.start <= opening.start < piece.end for piece in seen.staffed)
    return ReservingOffer(
        resource_ids=resource_ids,
        names=tuple(seen.names[resource] for resource in resource_ids),
        start_at=start_at,
        end_at=end_at,
        attended_until=start_at + timedelta(seconds=attended_s),
        reasons=(_reason("staffed"),) if is_staffed else (),
        in_the_way=jobs,
    )


def _with_reasons(uow: UnitOfWork, kind: Kind, found: Sequence[ReservingOffer]) -> tuple[ReservingOffer, ...]:
    """What speaks for each beside the others, the strongest first."""
    if not found:
        return ()
    zone = known(uow).zone
    near = kind.near
    first = min(offer.start_at for offer in found)
    nearest = None if near is None else min(abs(offer.start_at - near) for offer in found)
    some_move = any(offer.in_the_way for offer in found)
    some_alone = any(not offer.reasons for offer in found)
    said = []
    for offer in found:
        off = None if near is None else abs(offer.start_at - near)
        count = len(offer.in_the_way)
        same_hour = near is not None and _clock(offer.start_at, zone) == _clock(near, zone)
        facts: tuple[tuple[bool, str, dict[str, object]], ...] = (
            (off is not None and off < timedelta(minutes=1), "as_wished", {}),
            (same_hour and off is not None and off >= timedelta(minutes=1), "same_hour", {}),
            (off is not None and off == nearest and off >= timedelta(minutes=1), "nearest", {}),
            (offer.start_at == first and len(found) > 1, "earliest_start", {}),
            (count > 0, "others_give_way", {"count": count}),
            (some_move and not count, "nobody_moves", {}),
            (some_alone and bool(offer.reasons), "staffed", {}),
        )
        reasons = tuple(_reason(code, told) for holds, code, told in facts if holds)
        said.append(replace(offer, reasons=reasons or (_reason("next_best"),)))
    return tuple(said)


def _reason(code: str, facts: dict[str, object] | None = None) -> dict[str, object]:
    return {"about": "option", "code": code, "facts": facts or {}}


def _clock(at: datetime, zone: ZoneInfo) -> tuple[int, int]:
    local = at.astimezone(zone)
    return local.hour, local.minute
