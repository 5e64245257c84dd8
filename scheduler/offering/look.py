"""The house for one gang over some months: who could serve, when, and what already stands there.

Five queries at most, however long the calendar and however many the resources: the rules' version, the house, what
holds the eligible resources, and where a machine is out of service, until when.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import ColumnElement, Select, String, bindparam, case, cast, func, select, type_coerce
from sqlalchemy.orm import aliased

from fablab.base.database import UnitOfWork, UtcDateTime
from fablab.base.intervals import instant
from fablab.claims.models import Allocation, AllocationState, Claim, ClaimKind, ClaimState
from fablab.claims.rules.known import known
from fablab.claims.workshops.offer import Want as Wanted
from fablab.places.models import Machine, MachineGate, Resource, ResourceKind, Technology
from scheduler.offering.field import NONE, Minutes, Spans, Thing, Want
from scheduler.planner.standing import FREEZE
from scheduler.reserving.look import usable_hours
from scheduler.sight import MINUTE

STEP_MIN = 15
FIRST_CLOCK, LAST_CLOCK = time(7), time(22)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A resource, as far as it has to be known to be asked for."""

    id: int
    kind: ResourceKind
    name: str
    technology: Technology | None
    seats: int
    words: frozenset[str]
    bed_mm2: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """`origin`: minute 0. `wants`: as they were asked for, with who could serve them. `staffed`: when somebody is there."""

    origin: datetime
    things: tuple[Thing, ...]
    wants: tuple[Want, ...]
    names: Mapping[int, str]
    staffed: Spans
    zone: ZoneInfo

    def instant(self, minute: int) -> datetime:
        return self.origin + minute * MINUTE


def see(
    uow: UnitOfWork,
    wanted: Sequence[Wanted],
    since: datetime,
    until: datetime,
    *,
    without: str | None = None,
) -> Seen:
    """`without`: a claim that is as if it held nothing."""
    origin = since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    zone = known(uow).zone
    house = _resources(uow, frozenset(each.kind for each in wanted))
    able = [[row for row in house if _serves(row, each)] for each in wanted]
    rows = {row.id: row for found in able for row in found}
    pieces = usable_hours(uow, rows.values(), since, until, origin)
    shared = {key: Spans.of(each) for key, each in {id(each): each for each in pieces.values()}.items()}
    hours = {row.id: shared[id(pieces[row.id])] for row in rows.values()}
    held = _held(uow, rows, origin, since, until, without)
    return Seen(
        origin=origin,
        things=tuple(_thing(row, hours[row.id], held.get(row.id, _NOTHING), wanted) for row in rows.values()),
        wants=tuple(
            Want(eligible=tuple(row.id for row in found), quantity=each.quantity)
            for each, found in zip(wanted, able, strict=True)
        ),
        names={row.id: row.name for row in rows.values()},
        staffed=shared[id(pieces[None])],
        zone=zone,
    )


def starts_of(
    seen: Seen, days: Sequence[date], before_min: int, behind_min: int
) -> tuple[Minutes, Minutes, Minutes]:
    """Every quarter of an hour of these days at which some resource's hours would allow it: the starts, and of each its
    day's ordinal and its minute on the wall. `behind_min`: from a start until all of it is over."""
    clocks = np.arange(_minute(FIRST_CLOCK), _minute(LAST_CLOCK), STEP_MIN, dtype=np.int64)
    # No clock is changed after seven in the morning, so the whole of a day lies in one stretch of it.
    bases = np.array([_since(seen, instant(day, FIRST_CLOCK, seen.zone)) for day in days], dtype=np.int64)
    ordinals = np.array([day.toordinal() for day in days], dtype=np.int64)
    starts = (bases[:, None] + (clocks - clocks[0])[None, :]).ravel()
    allowed = np.zeros(len(starts), dtype=np.bool_)
    for hours in {id(thing.hours): thing.hours for thing in seen.things}.values():
        allowed |= hours.cover(starts - before_min, starts + behind_min)
    return starts[allowed], np.repeat(ordinals, len(clocks))[allowed], np.tile(clocks, len(days))[allowed]


def _minute(wall: time) -> int:
    return wall.hour * 60 + wall.minute


def _since(seen: Seen, at: datetime) -> int:
    return int((at - seen.origin) / MINUTE)


# --- the house


def _resources(uow: UnitOfWork, kinds: Collection[ResourceKind]) -> list[Known]:
    """Those in use, without what is out of service for good."""
    query = (
        select(
            Resource.id,
            Resource.kind,
            Resource.name,
            Resource.technology,
            Resource.seats,
            Resource.equipment,
            Machine.gate,
            Machine.bed_x_mm,
            Machine.bed_y_mm,
        )
        .outerjoin(Machine, Machine.resource_id == Resource.id)
        .where(Resource.kind.in_(sorted(kinds)), Resource.active)
        .order_by(Resource.id)
    )
    rows = uow.session.execute(query).all()
    out = {row.id for row in rows if row.gate is MachineGate.OUT_OF_SERVICE}
    gone = out - _back_some_day(uow, out)
    return [
        Known(
            id=row.id,
            kind=row.kind,
            name=row.name,
            technology=row.technology,
            seats=row.seats or 0,
            words=frozenset(row.equipment),
            bed_mm2=(row.bed_x_mm or 0.0) * (row.bed_y_mm or 0.0),
        )
        for row in rows
        if row.id not in gone and (row.kind is not ResourceKind.MACHINE or row.gate is not None)
    ]


def _back_some_day(uow: UnitOfWork, out: Collection[int]) -> set[int]:
    """Of the machines out of service those whose outage has an end in the calendar."""
    if not out:
        return set()
    query = (
        select(Allocation.resource_id)
        .join(Claim, Claim.id == Allocation.claim_id)
        .where(
            Allocation.resource_id.in_(sorted(out)),
            Allocation.end_at > uow.now,
            Claim.kind == ClaimKind.OUTAGE,
            Claim.state == ClaimState.HELD,
            Claim.release_at <= uow.now,
        )
    )
    return set(uow.session.scalars(query))


def _serves(row: Known, wanted: Wanted) -> bool:
    if row.kind is not wanted.kind or (wanted.resource_ids and row.id not in wanted.resource_ids):
        return False
    if wanted.technology is not None and row.technology is not wanted.technology:
        return False
    if (wanted.seats or 0) > row.seats:
        return False
    if not row.words.issuperset(wanted.equipment):
        return False
    # Of somebody whose skills nobody has written down, nobody has said that they cannot.
    return not wanted.skill or not row.words or wanted.skill in row.words


def _thing(row: Known, hours: Spans, held: _Held, wanted: Sequence[Wanted]) -> Thing:
    skills = {each.skill for each in wanted if each.skill}
    return Thing(
        resource=row.id,
        hours=hours,
        hard=held.hard,
        soft=held.soft,
        # Whoever is known to can goes first; a large room, a large bed and many talents are left to who needs them.
        cost=(float(not skills <= row.words), float(row.seats), row.bed_mm2, float(len(row.words))),
    )


# --- the calendar


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    hard: Spans
    soft: Spans


_NOTHING = _Held(hard=NONE, soft=NONE)
_STAMP = len("2026-11-24 09:00:00.000000")
_LONG = 1 << 32  # more minutes than any calendar has
_1970 = 719_468  # days from the first of March of the year 0, by which `_days` counts


def _held(
    uow: UnitOfWork,
    resource_ids: Collection[int],
    origin: datetime,
    since: datetime,
    until: datetime,
    without: str | None,
) -> dict[int, _Held]:
    """What touches [since, until), by resource: one query with one row for each. The instants come joined into one text,
    out of the index alone, and are read by columns: rows for twenty thousand places took ten times as long as all the
    rest (`tests.bench offers`)."""
    if not resource_ids:
        return {}
    asked: dict[str, object] = {"ids": sorted(resource_ids), "since": since, "until": until}
    asked |= {"soon": uow.now + FREEZE} | ({"without": without} if without is not None else {})
    is_postgres = uow.session.get_bind().dialect.name == "postgresql"
    answer = uow.session.execute(_holding(is_postgres, without is not None), asked)
    rows = [row for row in answer if row[1]]
    zero = int(origin.timestamp()) // 60
    counts = [len(spans) // (2 * _STAMP) for _id, spans, _soft in rows]
    owners = np.repeat(np.arange(len(rows)), counts)
    floors, ceils = _minutes("".join(spans for _id, spans, _soft in rows))
    starts, ends = floors[0::2] - zero, ceils[1::2] - zero
    order = np.lexsort((starts, owners))
    starts, ends = starts[order], ends[order]
    movers = np.repeat(np.arange(len(rows)), [len(soft or "") // _STAMP for _id, _spans, soft in rows])
    moving, _ = _minutes("".join(soft or "" for _id, _spans, soft in rows))
    moves = np.isin(owners * _LONG + starts, movers * _LONG + moving - zero)
    found, at = {}, 0
    for (resource_id, _spans, _soft), count in zip(rows, counts, strict=True):
        one = slice(at, at + count)
        begin, end, soft = starts[one], ends[one], moves[one]
        found[resource_id] = _Held(
            hard=Spans(starts=begin[~soft], ends=end[~soft]), soft=Spans(starts=begin[soft], ends=end[soft])
        )
        at += count
    return found


@cache
def _holding(is_postgres: bool, is_moved: bool) -> Select[Any]:
    """Resource, all starts and ends in one text, and the starts of what may still move. `ids`; from `since` to `until`;
    `soon`: what starts before that does not move; and where one is moved, `without` its claim. Built once: that took as
    long as a quarter of the reading.

    What a resource holds never overlaps: what touches `since` is the last that starts before it, and the index finds
    that without the years in front of it.
    """
    since, until, soon = (bindparam(name, type_=UtcDateTime()) for name in ("since", "until", "soon"))
    before = aliased(Allocation)
    latest = select(func.max(before.start_at)).where(
        before.resource_id == Resource.id, before.start_at <= since
    )
    first = func.coalesce(latest.correlate(Resource).scalar_subquery(), since)
    start, end = _text(is_postgres, Allocation.start_at), _text(is_postgres, Allocation.end_at)
    there = [Allocation.resource_id == Resource.id, Allocation.start_at >= first, Allocation.start_at < until]
    if is_moved:
        there.append(Allocation.claim_id != bindparam("without", type_=String))
    may_move = [
        Allocation.state == AllocationState.TENTATIVE,
        Allocation.run_id.is_(None),
        # What starts soon is not moved: its owner may be on the way.
        Allocation.start_at >= soon,
    ]
    every = select(func.aggregate_strings(start.concat(end), "")).where(*there)
    soft = select(func.aggregate_strings(start, "")).where(*there, *may_move)
    return select(
        Resource.id,
        every.correlate(Resource).scalar_subquery(),
        # No plan puts anything but machines to use.
        case((Resource.kind == ResourceKind.MACHINE, soft.correlate(Resource).scalar_subquery())),
    ).where(Resource.id.in_(bindparam("ids", expanding=True)))


def _text(is_postgres: bool, column: Any) -> ColumnElement[str]:
    """An instant in UTC as SQLite keeps it, each as long as the others."""
    if is_postgres:
        return cast(func.to_char(func.timezone("UTC", column), "YYYY-MM-DD HH24:MI:SS.US"), String)
    return type_coerce(column, String)


def _minutes(stamps: str) -> tuple[Minutes, Minutes]:
    """Since 1970, rounded down and rounded up."""
    digits = np.frombuffer(stamps.encode("ascii"), dtype=np.uint8).reshape(-1, _STAMP).astype(np.int64) - ord(
        "0"
    )

    def number(first: int, last: int) -> Minutes:
        found = digits[:, first]
        for at in range(first + 1, last):
            found = found * 10 + digits[:, at]
        return found

    days = _days(number(0, 4), number(5, 7), number(8, 10))
    floors = days * 1440 + number(11, 13) * 60 + number(14, 16)
    return floors, floors + ((number(17, 19) > 0) | (number(20, 26) > 0))


def _days(year: Minutes, month: Minutes, day: Minutes) -> Minutes:
    """Since 1970: with years that begin in March the leap day is the last of one, and all is a division."""
    year = year - (month <= 2)
    since_march = (month + 9) % 12
    leaps = year // 4 - year // 100 + year // 400
    return year * 365 + leaps + (153 * since_march + 2) // 5 + day - 1 - _1970
