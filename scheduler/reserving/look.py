"""The calendar of a few resources over a few days, as `scheduler.vacancies` sees it; never that of the whole house."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil, floor
from typing import Protocol

from sqlalchemy import and_, or_, select

from fablab.base.database import UnitOfWork
from fablab.base.errors import Fact, Invalid, Refusal, Refused
from fablab.base.intervals import Interval, Intervals
from fablab.claims.models import Allocation, AllocationState, Claim, ClaimKind, ClaimState
from fablab.claims.rules.known import known
from fablab.claims.rules.models import Presence
from fablab.claims.rules.policies import resolve
from fablab.places import house
from fablab.places.models import Resource, ResourceKind, Technology
from scheduler.planner.standing import FREEZE
from scheduler.problem import Piece, pieces
from scheduler.reserving.asked import InTheWay, Kind, Wanted
from scheduler.sight import MINUTE, is_out_for_good
from scheduler.vacancies import Ask, Call, Row, Soft

USUAL_SPAN = timedelta(days=7)
LONGEST_SPAN = timedelta(days=62)
_MM = 0.5  # a bed is measured with a ruler


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """`origin`: minute 0, a full hour, so that quarters of an hour are such in every zone there is."""

    origin: datetime
    ask: Ask
    rows: Sequence[Row]
    names: Mapping[int, str]
    jobs: Mapping[str, InTheWay]
    staffed: tuple[Piece, ...]

    def instant(self, minute: int) -> datetime:
        return self.origin + minute * MINUTE


class HasHours(Protocol):
    """What has to be known of a resource to say when it may be used."""

    @property
    def id(self) -> int: ...

    @property
    def kind(self) -> ResourceKind: ...

    @property
    def technology(self) -> Technology | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Something that holds a resource. `soft`: a planned job that may still move."""

    resource_id: int
    start_at: datetime
    end_at: datetime
    job: InTheWay
    soft: bool


def look(uow: UnitOfWork, kind: Kind, *, prefer: Collection[int] = (), without: str | None = None) -> Look:
    """`prefer`: of two resources that would serve, one of these; `without`: a claim that is as if it held nothing.

    Raises `Invalid` for what cannot be understood, `Refused` where the house has too few of a kind.
    """
    since, until = _span(uow, kind)
    origin = since.replace(minute=0, second=0, microsecond=0)
    resources = house.resources(uow, frozenset(wanted.kind for wanted in kind.wanted))
    eligible = [[row for row in resources if _serves(row, wanted)] for wanted in kind.wanted]
    usable = {row.id: row for found in eligible for row in found if not is_out_for_good(uow, row)}
    for wanted, found in zip(kind.wanted, eligible, strict=True):
        _require_enough(wanted, [row for row in found if row.id in usable])
    held: dict[int, list[Held]] = {}
    for each in on(uow, usable, since, until, without=without, around=around(usable.values())):
        held.setdefault(each.resource_id, []).append(each)
    hours = usable_hours(uow, usable.values(), since, until, origin)
    attended_s = kind.duration_s if kind.attended_s is None else min(kind.attended_s, kind.duration_s)
    return Look(
        origin=origin,
        ask=Ask(
            calls=tuple(
                Call(
                    eligible=tuple(row.id for row in found if row.id in usable),
                    length_min=_length_min(kind, wanted, attended_s),
                    quantity=wanted.quantity,
                )
                for wanted, found in zip(kind.wanted, eligible, strict=True)
            ),
            since=ceil((since - origin) / MINUTE),
            until=floor((until - origin) / MINUTE),
            attended_min=ceil(attended_s / 60),
            near=None if kind.near is None else max(0, round((kind.near - origin) / MINUTE)),
        ),
        rows=[
            _row(row, hours[row.id], hours[None], held.get(row.id, []), origin, preferred=row.id in prefer)
            for row in usable.values()
        ],
        names={row.id: row.name for row in usable.values()},
        jobs={each.job.claim_id: each.job for found in held.values() for each in found if each.soft},
        staffed=hours[None],
    )


class HasAround(Protocol):
    """What is prepared before it is used and cleared afterwards; whoever reserves it holds it for as long."""

    @property
    def id(self) -> int: ...

    @property
    def setup_min(self) -> int: ...

    @property
    def clear_min(self) -> int: ...


def around(rows: Iterable[HasAround]) -> Mapping[int, tuple[timedelta, timedelta]]:
    """(before a use, after it) of those that are prepared or cleared."""
    return {
        row.id: (row.setup_min * MINUTE, row.clear_min * MINUTE)
        for row in rows
        if row.setup_min or row.clear_min
    }


def on(
    uow: UnitOfWork,
    resource_ids: Iterable[int],
    start: datetime,
    end: datetime,
    *,
    without: str | None = None,
    around: Mapping[int, tuple[timedelta, timedelta]] | None = None,
) -> list[Held]:
    """What holds these resources in [start, end), by resource and start: one query, and no entities; a second where
    planned jobs are among it that might move. `around`: with what stands in the way of preparing and clearing them for a
    use of [start, end)."""
    wider = around or {}
    before = max((each[0] for each in wider.values()), default=timedelta())
    after = max((each[1] for each in wider.values()), default=timedelta())
    none = (timedelta(), timedelta())
    query = (
        select(
            Allocation.resource_id,
            Allocation.start_at,
            Allocation.end_at,
            Allocation.state,
            Allocation.run_id,
            Allocation.claim_id,
            Claim.kind,
            Claim.state.label("claim_state"),
            Claim.member_id,
            Claim.title,
        )
        .join(Claim, Claim.id == Allocation.claim_id)
        .where(
            Allocation.resource_id.in_(sorted(resource_ids)),
            Allocation.start_at < end + after,
            Allocation.end_at > start - before,
        )
        .order_by(Allocation.resource_id, Allocation.start_at)
    )
    rows = [
        row
        for row in uow.session.execute(query)
        if row.claim_id != without
        and row.start_at < end + wider.get(row.resource_id, none)[1]
        and row.end_at > start - wider.get(row.resource_id, none)[0]
    ]
    planned = {
        row.claim_id for row in rows if row.kind is ClaimKind.JOB and row.claim_state is ClaimState.HELD
    }
    movable = planned - _stuck(uow, planned)
    return [
        Held(
            resource_id=row.resource_id,
            start_at=row.start_at,
            end_at=row.end_at,
            job=InTheWay(claim_id=row.claim_id, member_id=row.member_id, title=row.title),
            soft=row.claim_id in movable and row.run_id is None,
        )
        for row in rows
    ]


def _stuck(uow: UnitOfWork, claim_ids: Collection[str]) -> set[str]:
    """Those of them of which any place may not be moved: it starts soon and its owner may be on the way, a person made it
    firm or has prepared it, or a run stands on it that is not over."""
    if not claim_ids:
        return set()
    no_run = Allocation.run_id.is_(None)
    query = select(Allocation.claim_id).where(
        Allocation.claim_id.in_(sorted(claim_ids)),
        or_(
            and_(no_run, Allocation.state != AllocationState.TENTATIVE),
            and_(no_run, Allocation.start_at < uow.now + FREEZE),
            and_(Allocation.run_id.is_not(None), Allocation.end_at > uow.now),
        ),
    )
    return set(uow.session.scalars(query))


def like(row: Resource) -> Wanted:
    """What would serve as well as this one: its kind, its technology, a bed and seats at least as large."""
    machine = row.machine
    return Wanted(
        kind=row.kind,
        technology=row.technology,
        bed_x_mm=machine.bed_x_mm if machine else 0.0,
        bed_y_mm=machine.bed_y_mm if machine else 0.0,
        seats=row.seats or 0,
        # One person is not as good as another, whoever they are.
        resource_ids=(row.id,) if row.kind is ResourceKind.PERSON else (),
    )


def _span(uow: UnitOfWork, kind: Kind) -> tuple[datetime, datetime]:
    if not kind.wanted or any(wanted.quantity < 1 for wanted in kind.wanted):
        raise Invalid("reservation.nothing", field="resources")
    if kind.duration_s < 60:
        raise Invalid("reservation.too_short", field="duration")
    since = max(uow.now, kind.since or uow.now)
    until = kind.until or since + USUAL_SPAN
    if until <= since:
        raise Invalid("span.wrong", field="until")
    if until - since > LONGEST_SPAN:
        raise Invalid("span.too_long", field="until", days=LONGEST_SPAN.days)
    return since, until


def _serves(row: Resource, wanted: Wanted) -> bool:
    if row.kind is not wanted.kind or (wanted.resource_ids and row.id not in wanted.resource_ids):
        return False
    if wanted.technology is not None and row.technology is not wanted.technology:
        return False
    if wanted.seats > (row.seats or 0):
        return False
    long_mm, short_mm = sorted((wanted.bed_x_mm, wanted.bed_y_mm), reverse=True)
    if long_mm <= 0:
        return True
    if row.machine is None:
        return False
    has = sorted((row.machine.bed_x_mm, row.machine.bed_y_mm), reverse=True)
    return has[0] + _MM >= long_mm and has[1] + _MM >= short_mm


def _require_enough(wanted: Wanted, found: Sequence[Resource]) -> None:
    if len(found) < wanted.quantity:
        facts: dict[str, Fact] = {
            "kind": wanted.kind.value,
            "wanted": wanted.quantity,
            "eligible": len(found),
        }
        raise Refused([Refusal(code="reservation.none_of_kind", facts=facts)])


def _length_min(kind: Kind, wanted: Wanted, attended_s: int) -> int:
    """People are there for what has to be attended, and not for what runs alone."""
    return ceil((attended_s if wanted.kind is ResourceKind.PERSON else kind.duration_s) / 60)


def usable_hours(
    uow: UnitOfWork, rows: Iterable[HasHours], since: datetime, until: datetime, origin: datetime
) -> dict[int | None, tuple[Piece, ...]]:
    """When each may be used in person, by its policy, in minutes from `origin`; under None when somebody of the staff is
    in the house. People are there when they are on duty. Those who keep the same hours share one tuple of them."""
    lore = known(uow)
    found: dict[int | None, tuple[Piece, ...]] = {}
    drawn: dict[tuple[int | None, Presence], tuple[Piece, ...]] = {}
    for row in rows:
        policy = resolve(
            lore.policies, resource_id=row.id, kind=row.kind, technology=row.technology, audience=None
        )
        presence = Presence.STAFFED if row.kind is ResourceKind.PERSON else policy.presence
        key = (row.id if row.id in lore.calendars else None, presence)
        if key not in drawn:
            drawn[key] = _pieces(_usable(lore.calendars[key[0]], presence, since, until), origin)
        found[row.id] = drawn[key]
    found[None] = _pieces(lore.calendars[None].staffed.between(since, until), origin)
    return found


def _usable(calendar: house.Calendar, presence: Presence, since: datetime, until: datetime) -> Intervals:
    if presence is Presence.ANYTIME:
        return (Interval(since, until),)
    hours = calendar.staffed if presence is Presence.STAFFED else calendar.open
    return hours.between(since, until)


def _pieces(intervals: Intervals, origin: datetime) -> tuple[Piece, ...]:
    return pieces((ceil((i.start - origin) / MINUTE), floor((i.end - origin) / MINUTE)) for i in intervals)


def _row(
    row: Resource,
    hours: tuple[Piece, ...],
    watched: tuple[Piece, ...],
    held: Sequence[Held],
    origin: datetime,
    *,
    preferred: bool,
) -> Row:
    def down(at: datetime) -> int:
        return floor((at - origin) / MINUTE)

    def up(at: datetime) -> int:
        return ceil((at - origin) / MINUTE)

    # What stands there keeps away a use that is prepared before its start and cleared after its end.
    setup, clear = row.setup_min * MINUTE, row.clear_min * MINUTE
    machine = row.machine
    alone_max_min = None if machine is None else machine.unattended_max_s // 60 if machine.unattended else 0
    bed_mm2 = machine.bed_x_mm * machine.bed_y_mm if machine else 0.0
    return Row(
        resource=row.id,
        hours=hours,
        hard=tuple(Piece(down(h.start_at - clear), up(h.end_at + setup)) for h in held if not h.soft),
        soft=tuple(
            Soft(start=down(h.start_at - clear), end=up(h.end_at + setup), name=h.job.claim_id)
            for h in held
            if h.soft
        ),
        alone_max_min=alone_max_min,
        watched=watched,
        # A large bed, or a large room, is left to who needs it.
        cost=(0.0 if preferred else 1.0, bed_mm2, float(row.seats or 0)),
    )
