"""Which reservations there are: one by its id, whoever has a resource now, a member's own, and rows for the calendar."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    String,
    bindparam,
    func,
    select,
    true,
    type_coerce,
    union_all,
)
from sqlalchemy.orm import InstrumentedAttribute, aliased

from fablab.base.database import UnitOfWork, UtcDateTime
from fablab.base.errors import NotFound
from fablab.claims.models import Allocation, Claim
from fablab.claims.reservations.models import LIVE, Reservation, ReservationState
from fablab.people.access import Right, allows, require
from fablab.people.models import Member
from fablab.places.models import Resource

MOST_ROWS = 20_000


class Row(NamedTuple):
    """One place in the calendar, whatever holds it: instants as ISO 8601 in UTC, enumerations as their words. `state` only
    of a reservation, `member` its holder's name."""

    claim_id: str
    resource_id: int
    kind: str
    start_at: str
    end_at: str
    firmness: str
    title: str
    member_id: int | None
    member: str | None
    state: str | None
    unattended_from: str | None
    series_id: str | None


def get(uow: UnitOfWork, reservation_id: str) -> Reservation:
    row = uow.session.get(Reservation, reservation_id)
    if row is None:
        raise NotFound("reservation.unknown", id=reservation_id[:20])
    return row


def may_see(uow: UnitOfWork, reservation_id: str) -> Reservation:
    """Somebody else's does not exist for those who may not see it."""
    row = get(uow, reservation_id)
    if not is_own(uow, row) and not allows(uow.actor, Right.SEE_ALL):
        raise NotFound("reservation.unknown", id=reservation_id[:20])
    return row


def may_change(uow: UnitOfWork, reservation_id: str) -> Reservation:
    row = may_see(uow, reservation_id)
    require(uow.actor, Right.SUBMIT if is_own(uow, row) else Right.OPERATE)
    return row


def is_own(uow: UnitOfWork, row: Reservation) -> bool:
    """Its holder's, or a child's of theirs."""
    mine = uow.actor.member_id
    return mine is not None and (row.member_id == mine or parent_of(uow, row.member_id) == mine)


def parent_of(uow: UnitOfWork, member_id: int) -> int | None:
    return uow.session.scalar(select(Member.parent_id).where(Member.id == member_id))


def current_on(uow: UnitOfWork, resource_id: int, at: datetime | None = None) -> Reservation | None:
    """Whose it is at that moment (None: now): requested, confirmed or in use."""
    at = at or uow.now
    query = (
        select(Reservation)
        .join(Allocation, Allocation.claim_id == Reservation.id)
        .where(
            Allocation.resource_id == resource_id,
            Allocation.start_at <= at,
            Allocation.end_at > at,
            Reservation.state.in_(LIVE),
        )
    )
    return uow.session.scalars(query.limit(1)).first()


def of_member(uow: UnitOfWork, member_id: int, *, ended: int = 20) -> list[Reservation]:
    """The live ones by their start, then the last `ended` that are over, the newest first."""
    mine = select(Reservation).where(Reservation.member_id == member_id)
    live = mine.where(Reservation.state.in_(LIVE)).order_by(Reservation.start_at, Reservation.id)
    over = mine.where(Reservation.state.not_in(LIVE)).order_by(Reservation.end_at.desc()).limit(ended)
    return [*uow.session.scalars(live), *uow.session.scalars(over)]


def requested(uow: UnitOfWork) -> list[Reservation]:
    """Those that staff are asked about, the next one first."""
    require(uow.actor, Right.OPERATE)
    query = select(Reservation).where(Reservation.state == ReservationState.REQUESTED)
    return list(uow.session.scalars(query.order_by(Reservation.start_at, Reservation.id)))


def between(
    uow: UnitOfWork, start: datetime, end: datetime, resource_ids: Sequence[int] = ()
) -> list[Reservation]:
    """The live ones that hold a part of [start, end), by start."""
    held = select(Allocation.claim_id).where(Allocation.start_at < end, Allocation.end_at > start)
    if resource_ids:
        held = held.where(Allocation.resource_id.in_(resource_ids))
    query = select(Reservation).where(Reservation.id.in_(held), Reservation.state.in_(LIVE))
    return list(uow.session.scalars(query.order_by(Reservation.start_at, Reservation.id)))


def rows(uow: UnitOfWork, start: datetime, end: datetime, resource_id: int | None = None) -> list[Row]:
    """Everything that holds a part of [start, end), by resource and start: one query, no entities, and nothing that has
    to be worked out row by row. `resource_id` None: of the whole house."""
    connection = uow.session.connection()
    query = _rows_query(connection.dialect.name, resource_id is not None)
    values = {"start": start, "end": end, "resource": resource_id, "most": MOST_ROWS}
    return [Row._make(row) for row in connection.execute(query, values).all()]


@cache
def _rows_query(dialect: str, of_one: bool) -> Select[*tuple[Any, ...]]:
    """Written once: to put such a query together takes longer than to run it."""
    begins = bindparam("start", type_=UtcDateTime())
    ends = bindparam("end", type_=UtcDateTime())
    query = (
        select(
            Allocation.claim_id,
            Allocation.resource_id,
            type_coerce(Claim.kind, String),
            _iso(dialect, Allocation.start_at),
            _iso(dialect, Allocation.end_at),
            type_coerce(Allocation.state, String),
            Claim.title,
            Claim.member_id,
            Member.name,
            type_coerce(Reservation.state, String),
            _iso(dialect, Reservation.unattended_from),
            Reservation.series_id,
        )
        .select_from(Resource)
        .join(Allocation, Allocation.resource_id == Resource.id)
        .join(Claim, Claim.id == Allocation.claim_id)
        .outerjoin(Member, Member.id == Claim.member_id)
        .outerjoin(Reservation, Reservation.id == Allocation.claim_id)
        .where(*_touching(dialect, of_one, begins, ends))
        .order_by(Resource.id, Allocation.start_at)
        .limit(bindparam("most", type_=Integer))
    )
    if of_one:
        query = query.where(Resource.id == bindparam("resource", type_=Integer))
    return query


def _touching(
    dialect: str, of_one: bool, begins: ColumnElement[datetime], ends: ColumnElement[datetime]
) -> list[ColumnElement[bool]]:
    """The last place that begins before the window may reach into it; none before that one can, since none overlap. So
    of each resource only that one and those of the window are looked at, however long the calendar is."""
    first = aliased(Allocation)
    before = (first.resource_id == Resource.id, first.start_at <= begins)
    if dialect == "postgresql" and not of_one:
        # It reckons with what the bounds say, not with what a subquery may answer: then it would read every table whole.
        last = (
            select(first.id, first.end_at).where(*before).order_by(first.start_at.desc()).limit(1).lateral()
        )
        inside = (
            select(first.id)
            .select_from(Resource)
            .join(first, first.resource_id == Resource.id)
            .where(first.start_at >= begins, first.start_at < ends)
        )
        reaching = select(last.c.id).select_from(Resource).join(last, true()).where(last.c.end_at > begins)
        return [Allocation.id.in_(union_all(inside, reaching))]
    since = select(func.max(first.start_at)).where(*before).correlate(Resource).scalar_subquery()
    return [
        Allocation.start_at >= func.coalesce(since, begins),
        Allocation.start_at < ends,
        # So written that no index is looked for: half of the calendar ends later.
        func.coalesce(Allocation.end_at, begins) > begins,
    ]


def _iso(dialect: str, column: InstrumentedAttribute[Any]) -> ColumnElement[str]:
    if dialect == "sqlite":
        return type_coerce(func.strftime("%Y-%m-%dT%H:%M:%SZ", column), String)
    return type_coerce(func.to_char(func.timezone("UTC", column), 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), String)
