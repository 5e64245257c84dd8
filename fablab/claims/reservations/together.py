"""Orders that come at the same moment, in one transaction: each judged and answered as if it came alone.

What takes the time of a reservation is not its rows but its statements: seventeen of them, each more work for the
library than for the database. Thirty orders together take as many statements as one (`tests.bench.reservations`).
Somebody who cannot have what they ask for gets their own answer, and hinders nobody else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import select

from fablab.base.database import Actor, UnitOfWork
from fablab.base.errors import Conflict, Fact, Forbidden, Invalid, LabError, Refused
from fablab.claims import calendar
from fablab.claims.calendar import Place
from fablab.claims.reservations import composing, judging, orders, prices
from fablab.claims.reservations.composing import Thing
from fablab.claims.reservations.models import Reservation
from fablab.claims.reservations.orders import Order
from fablab.claims.rules.facts import read_ahead
from fablab.claims.rules.known import known
from fablab.money import quotes
from fablab.money.quotes import Quote
from fablab.money.stays import PRICED
from fablab.notices import tell_many
from fablab.people.access import Right, allows, require
from fablab.people.models import Member
from fablab.places import house
from fablab.places.models import Resource


@dataclass(slots=True)
class _Desk:
    """What all of them share: the members and resources by id, who has used which key, and the prices asked so far."""

    members: dict[int, Member]
    things: dict[int, Thing]
    known: dict[tuple[int | None, str | None], Reservation]
    quoted: dict[tuple[object, ...], Quote] = field(default_factory=dict)


@dataclass(slots=True)
class _Case:
    """One order on its way. `answer` once there is one."""

    actor: Actor
    order: Order
    holder_id: int = 0
    places: list[Place] = field(default_factory=list)
    asks: bool = False
    claim: dict[str, object] = field(default_factory=dict)
    row: dict[str, object] = field(default_factory=dict)
    answer: Reservation | LabError | None = None


def is_plain(actor: Actor, order: Order) -> bool:
    """For oneself, and nothing to let pass: these can be taken together."""
    own = actor.member_id is not None and order.member_id in (None, actor.member_id)
    return own and order.project_id is None and not order.waive and not order.ask


def reserve_together(uow: UnitOfWork, asked: Sequence[tuple[Actor, Order]]) -> list[Reservation | LabError]:
    """For each its reservation (outside of any session), or why it was not made. At most one of a member's: what they
    have in the same transaction would not be counted against their quota."""
    cases = [_case(actor, order, uow) for actor, order in asked]
    open_ = [case for case in cases if case.answer is None]
    if open_:
        desk = _read(uow, open_)
        for case in open_:
            _look(case, desk)
        _sort_out(uow, [case for case in open_ if case.answer is None])
        _write(uow, desk, _served(uow, desk, [case for case in open_ if case.answer is None]))
    answers = [case.answer for case in cases]
    assert all(answer is not None for answer in answers)
    return [answer for answer in answers if answer is not None]


def _case(actor: Actor, order: Order, uow: UnitOfWork) -> _Case:
    case = _Case(actor=actor, order=order)
    try:
        require(actor, Right.SUBMIT)
        if actor.member_id is None:
            raise Forbidden("reservation.needs_member")
        assert is_plain(actor, order)
        case.holder_id = actor.member_id
        case.order = orders.cleaned(order, uow.now)
    except LabError as error:
        case.answer = error
    return case


def _read(uow: UnitOfWork, cases: Sequence[_Case]) -> _Desk:
    """Everything that they need, locked in the order in which a single one locks it."""
    member_ids = sorted({case.holder_id for case in cases})
    resource_ids = sorted({id_ for case in cases for id_ in case.order.resource_ids})
    if uow.session.get_bind().dialect.name == "postgresql":
        lock = select(Member.id).where(Member.id.in_(member_ids)).order_by(Member.id)
        uow.session.execute(lock.with_for_update(key_share=True)).all()
    calendar.lock(uow, resource_ids)
    read_ahead(uow, member_ids, resource_ids)
    house.zone_ahead(uow, known(uow).zone)
    keys = [case.order.key for case in cases if case.order.key is not None]
    found: list[Reservation] = []
    if keys:
        query = select(Reservation).where(Reservation.made_by_id.in_(member_ids), Reservation.key.in_(keys))
        found = list(uow.session.scalars(query))
    rows: dict[int, Resource] = uow.ahead["rules.resources"]
    members: list[Member] = uow.ahead["rules.members"]
    quotes.prices_ahead(
        uow,
        {row.audience for row in members},
        {row.technology for row in rows.values() if row.technology is not None},
        house.day_of(uow, uow.now),
    )
    return _Desk(
        members={row.id: row for row in members},
        things={id_: composing.thing(row) for id_, row in rows.items()},
        known={(row.made_by_id, row.key): row for row in found},
    )


def _look(case: _Case, desk: _Desk) -> None:
    order = case.order
    known = desk.known.get((case.holder_id, order.key)) if order.key is not None else None
    if known is not None:
        same = known.asked == order.digest
        case.answer = known if same else Conflict("reservation.key_used", key=order.key)
        return
    missing = [id_ for id_ in order.resource_ids if id_ not in desk.things]
    if missing:
        case.answer = Invalid("resource.unknown", field="resource_ids", id=missing[0])
        return
    things = [desk.things[id_] for id_ in order.resource_ids]
    case.places = composing.places_of(things, order.start_at, order.end_at, order.unattended_from)


def _sort_out(uow: UnitOfWork, cases: Sequence[_Case]) -> None:
    """Whose place somebody holds a part of already."""
    places = [(case, place) for case in cases for place in case.places]
    for number in calendar.taken_among(uow, [place for _, place in places]):
        case, place = places[number]
        case.answer = Conflict("slot_taken", resource=place.resource_id)


def _judge(uow: UnitOfWork, case: _Case) -> None:
    order = case.order
    try:
        judged = judging.judge(
            uow.acting(case.actor),
            case.holder_id,
            order.resource_ids,
            order.start_at,
            order.end_at,
            order.unattended_from,
        )
    except LabError as error:
        case.answer = error
        return
    if judged.refusals:
        case.answer = Refused(judged.refusals)
    case.asks = judged.terms.asks and not allows(case.actor, Right.OPERATE)


def _served(uow: UnitOfWork, desk: _Desk, cases: Sequence[_Case]) -> list[_Case]:
    """First come, first served: whoever wants what one before them has just got is too late."""
    held: dict[int, list[Place]] = {}
    served: list[_Case] = []
    for case in cases:
        late = next((place for place in case.places if _meets(place, held)), None)
        if late is not None:
            case.answer = Conflict("slot_taken", resource=late.resource_id)
            continue
        _judge(uow, case)
        if case.answer is None:
            for place in case.places:
                held.setdefault(place.resource_id, []).append(place)
            _compose(uow, desk, case)
            served.append(case)
    return served


def _write(uow: UnitOfWork, desk: _Desk, written: Sequence[_Case]) -> None:
    if not written:
        return
    calendar.enter_many(uow, [(case.claim, case.places) for case in written])
    uow.write_rows(Reservation, [case.row for case in written])
    quotes.freeze_many(uow, [(str(case.claim["id"]), _quote(uow, desk, case)) for case in written])
    for code, asks in (("reservation.made", False), ("reservation.asked", True)):
        told = [_told(case, desk) for case in written if case.asks is asks]
        if told:
            tell_many(uow, code, told)


def _meets(place: Place, held: dict[int, list[Place]]) -> bool:
    others = held.get(place.resource_id, ())
    return any(other.start_at < place.end_at and place.start_at < other.end_at for other in others)


def _compose(uow: UnitOfWork, desk: _Desk, case: _Case) -> None:
    acting = uow.acting(case.actor)
    holder = desk.members[case.holder_id]
    case.claim = composing.claim_values(acting, case.order, holder.id, _names(case, desk), holder.audience)
    case.row = composing.row_values(acting, str(case.claim["id"]), case.order, holder.id, asks=case.asks)
    case.answer = Reservation()
    # As if it had been read: two dozen attributes that are set one by one take longer than the rules.
    case.answer.__dict__.update(case.row)


def _names(case: _Case, desk: _Desk) -> str:
    return composing.names_said([desk.things[id_] for id_ in case.order.resource_ids])


def _quote(uow: UnitOfWork, desk: _Desk, case: _Case) -> Quote:
    """Many ask for the same kind of thing for as long."""
    order, audience = case.order, desk.members[case.holder_id].audience
    things = [desk.things[id_] for id_ in order.resource_ids]
    technologies = tuple(thing.technology for thing in things)
    length = order.end_at - order.start_at
    # What a stay costs depends on the day and the thing; an hour of a machine costs the same whenever it is.
    stay = (order.resource_ids, order.start_at) if any(thing.kind in PRICED for thing in things) else None
    key: tuple[object, ...] = (audience, technologies, length, stay)
    if key not in desk.quoted:
        desk.quoted[key] = prices.quote(
            uow, technologies, audience, order.start_at, order.end_at, things=things
        )
    return desk.quoted[key]


def _told(case: _Case, desk: _Desk) -> tuple[int, str, dict[str, Fact]]:
    facts: dict[str, Fact] = {
        "what": _names(case, desk),
        "start": case.order.start_at.isoformat(),
        "end": case.order.end_at.isoformat(),
        "why": "",
        "by": case.actor.name,
    }
    return case.holder_id, str(case.claim["id"]), facts
