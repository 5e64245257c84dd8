"""What the reservations' API takes and gives: shapes, and how the lab's values become them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated

import msgspec

from fablab.base.errors import Invalid
from fablab.claims import reservations
from fablab.claims.models import AllocationState, ClaimKind
from fablab.claims.reservations import Arrival, Every, Order, Repeat, Reservation, ReservationState, Row
from fablab.claims.reservations.models import Handover, HandoverState
from fablab.places.models import ResourceKind, Technology
from scheduler.reserving import ReservingOffer, Taken, Wanted
from web.api.answer import instant
from web.api.schema import At, PriceOut
from web.errors import Problem, SaidRefusal, said_refusals
from web.words import Words

MOST_ID = 2**31


class OrderIn(msgspec.Struct, frozen=True, kw_only=True):
    """All of `resources` from `start_at` to `end_at` (ISO 8601 with zone, whole minutes), or none.

    `member`: on behalf of, for staff and parents. `unattended_from`: from then on the machine runs alone. `key`: of the
    client's own making; the same again is the same reservation (the header `Idempotency-Key` says the same). `waive`:
    codes that staff let pass, with `why`. `ask`: where only waivable refusals stand against it, staff are asked.
    """

    resources: tuple[int, ...]
    start_at: str
    end_at: str
    member: int | None = None
    title: str = ""
    note: str = ""
    party: int = 1
    project: int | None = None
    unattended_from: str | None = None
    key: str | None = None
    waive: tuple[str, ...] = ()
    why: str = ""
    ask: bool = False


class RepeatIn(OrderIn, frozen=True, kw_only=True):
    """Every `step` weeks or months (on the same weekday) in the house's wall time, until a day or for `count` dates."""

    every: Every = Every.WEEK
    step: int = 1
    until: date | None = None
    count: int | None = None


class MoveIn(msgspec.Struct, frozen=True, kw_only=True):
    """What is null stays; a new start alone keeps the length."""

    start_at: str | None = None
    end_at: str | None = None
    resources: tuple[int, ...] | None = None
    unattended_from: str | None = None
    waive: tuple[str, ...] = ()
    why: str = ""


class WhyIn(msgspec.Struct, frozen=True, kw_only=True):
    why: str = ""


class ArrivalIn(msgspec.Struct, frozen=True, kw_only=True):
    how: Arrival = Arrival.PAGE


class HandOverIn(msgspec.Struct, frozen=True, kw_only=True):
    member: int
    why: str = ""


class HandoverOut(msgspec.Struct, frozen=True, kw_only=True):
    """A reservation that is offered to `to` until `until_at`; it is the giver's (`from_member`) until they say yes."""

    reservation: str
    state: HandoverState
    from_member: int
    to: int
    why: str
    offered_at: At
    until_at: At
    start_at: At
    end_at: At
    resources: tuple[int, ...]


def handover_out(row: Handover) -> HandoverOut:
    held = row.reservation
    return HandoverOut(
        reservation=row.reservation_id,
        state=row.state,
        from_member=row.from_id,
        to=row.to_id,
        why=row.why,
        offered_at=row.offered_at,
        until_at=row.until_at,
        start_at=held.start_at,
        end_at=held.end_at,
        resources=tuple(held.resource_ids),
    )


class SinceIn(msgspec.Struct, frozen=True, kw_only=True):
    since: str | None = None
    why: str = ""


class WantedIn(msgspec.Struct, frozen=True, kw_only=True):
    """`quantity` of a kind; `resources`: out of these only."""

    kind: ResourceKind = ResourceKind.MACHINE
    technology: Technology | None = None
    bed_x_mm: float = 0.0
    bed_y_mm: float = 0.0
    seats: int = 0
    resources: tuple[int, ...] = ()
    quantity: int = 1


def wanted_of(rows: Sequence[WantedIn]) -> tuple[Wanted, ...]:
    """As the scheduler is asked."""
    return tuple(
        Wanted(
            kind=each.kind,
            technology=each.technology,
            bed_x_mm=each.bed_x_mm,
            bed_y_mm=each.bed_y_mm,
            seats=each.seats,
            resource_ids=each.resources,
            quantity=each.quantity,
        )
        for each in rows
    )


class KindIn(msgspec.Struct, frozen=True, kw_only=True):
    """All that is wanted, together and for `duration_s`, from `since` (null: now) until `until` (null: a week on), as
    near as can be to `near`; `attended_s`: only so much of it needs somebody there."""

    wanted: tuple[WantedIn, ...]
    duration_s: int
    since: str | None = None
    until: str | None = None
    near: str | None = None
    attended_s: int | None = None
    n: Annotated[int, msgspec.Meta(ge=1, le=20)] = 5


class ReservationOut(msgspec.Struct, frozen=True, kw_only=True):
    """`late`: cancelled later than its policy allows. `member`: its holder's id."""

    id: str
    state: ReservationState
    resources: tuple[int, ...]
    start_at: At
    end_at: At
    unattended_from: At | None
    member: int
    made_by: int | None
    series: str | None
    party: int
    note: str
    checked_in_at: At | None
    checked_in_how: Arrival | None
    ended_at: At | None
    late: bool


class WholeOut(ReservationOut, frozen=True, kw_only=True):
    """With its price as promised, and what staff are asked to let pass."""

    title: str
    why: str
    price: PriceOut | None
    charged: PriceOut | None
    refusals: tuple[SaidRefusal, ...]


class OfferOut(msgspec.Struct, frozen=True, kw_only=True):
    """A place that could be had; nothing is held. `displaced`: how many planned jobs would give way."""

    resources: tuple[int, ...]
    names: tuple[str, ...]
    start_at: At
    end_at: At
    attended_until: At
    reasons: tuple[str, ...]
    displaced: int


class TakenProblem(Problem, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody was faster: what could be had instead, the nearest first."""

    alternatives: tuple[OfferOut, ...] = ()


class SkippedOut(msgspec.Struct, frozen=True, kw_only=True):
    day: date
    start_at: At | None
    end_at: At | None
    refusals: tuple[SaidRefusal, ...]


class ShiftedOut(msgspec.Struct, frozen=True, kw_only=True):
    """What the clocks change on that date; `by_s`: so much shorter or longer."""

    day: date
    code: str
    said: str
    by_s: int


class RepeatedOut(msgspec.Struct, frozen=True, kw_only=True):
    """`series` is null where no date could be had."""

    series: str | None
    made: tuple[ReservationOut, ...]
    skipped: tuple[SkippedOut, ...]
    shifted: tuple[ShiftedOut, ...]


class CountOut(msgspec.Struct, frozen=True, kw_only=True):
    count: int


class PlaceOut(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One place of a calendar view; instants in UTC. `id`, `title` and `member` only for those who may see them."""

    resource: int
    kind: str
    start_at: str
    end_at: str
    firm: bool = True
    mine: bool = False
    id: str | None = None
    title: str | None = None
    member: str | None = None
    state: str | None = None
    unattended_from: str | None = None
    series: str | None = None


class ViewOut(msgspec.Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    from_: At
    to: At
    zone: str
    places: tuple[PlaceOut, ...]


def order_of(data: OrderIn, header: str | None) -> Order:
    start, end = instant(data.start_at, "start_at"), instant(data.end_at, "end_at")
    if start is None or end is None:
        raise Invalid("time.wrong", field="start_at" if start is None else "end_at", text="")
    return Order(
        resource_ids=data.resources,
        start_at=start,
        end_at=end,
        member_id=id_of(data.member, "member"),
        title=data.title,
        note=data.note,
        party=data.party,
        project_id=id_of(data.project, "project"),
        unattended_from=instant(data.unattended_from, "unattended_from"),
        key=data.key or header,
        waive=frozenset(data.waive),
        why=data.why,
        ask=data.ask,
    )


def id_of(number: int | None, field: str) -> int | None:
    """A number that a database can look for."""
    if number is not None and not 0 < number < MOST_ID:
        raise Invalid(f"{field}.unknown", field=field)
    return number


def repeat_of(data: RepeatIn) -> Repeat:
    return Repeat(every=data.every, step=data.step, until=data.until, count=data.count)


def reservation_out(row: Reservation) -> ReservationOut:
    return ReservationOut(
        id=row.id,
        state=row.state,
        resources=tuple(row.resource_ids),
        start_at=row.start_at,
        end_at=row.end_at,
        unattended_from=row.unattended_from,
        member=row.member_id,
        made_by=row.made_by_id,
        series=row.series_id,
        party=row.party,
        note=row.note,
        checked_in_at=row.checked_in_at,
        checked_in_how=row.checked_in_how,
        ended_at=row.ended_at,
        late=row.late,
    )


def offer_out(offer: ReservingOffer, words: Words) -> OfferOut:
    return OfferOut(
        resources=offer.resource_ids,
        names=offer.names,
        start_at=offer.start_at,
        end_at=offer.end_at,
        attended_until=offer.attended_until,
        reasons=tuple(words.reason(reason) for reason in offer.reasons),
        displaced=len(offer.in_the_way),
    )


def taken_problem(error: Taken, problem: Problem, words: Words) -> TakenProblem:
    known = msgspec.structs.asdict(problem)
    return TakenProblem(**known, alternatives=tuple(offer_out(offer, words) for offer in error.offers))


def repeated_out(found: reservations.Repeated, words: Words) -> RepeatedOut:
    return RepeatedOut(
        series=found.series_id or None,
        made=tuple(reservation_out(row) for row in found.made),
        skipped=tuple(
            SkippedOut(
                day=each.day,
                start_at=each.start_at,
                end_at=each.end_at,
                refusals=said_refusals(words, each.refusals),
            )
            for each in found.skipped
        ),
        shifted=tuple(
            ShiftedOut(
                day=each.day, code=each.code, said=words.say(each.code, {"by_s": each.by_s}), by_s=each.by_s
            )
            for each in found.shifted
        ),
    )


_PUBLIC = frozenset({ClaimKind.SESSION.value, ClaimKind.OUTAGE.value})


def places_out(rows: Sequence[Row], member_id: int, *, knows: bool) -> tuple[PlaceOut, ...]:
    """Others see that a place is taken, and by what kind of thing; whose it is only those who may."""
    found = []
    for row in rows:
        mine = row.member_id == member_id
        is_open = row.kind in _PUBLIC
        shown = mine or knows
        found.append(
            PlaceOut(
                resource=row.resource_id,
                kind=row.kind,
                start_at=row.start_at,
                end_at=row.end_at,
                firm=row.firmness == AllocationState.FIRM,
                mine=mine,
                id=row.claim_id if shown else None,
                title=row.title if shown or is_open else None,
                member=row.member if shown else None,
                state=row.state,
                unattended_from=row.unattended_from,
                series=row.series_id if shown else None,
            )
        )
    return tuple(found)
