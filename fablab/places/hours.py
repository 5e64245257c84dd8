"""Changes of the hours: the usual week, one day that differs, and a time for which the house is shut."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import pairwise

from sqlalchemy import delete, select

from fablab.base.database import UnitOfWork
from fablab.base.errors import Invalid, NotFound
from fablab.places import house
from fablab.places.models import Closure, HoursException, HoursKind, HoursRule

Spans = tuple[tuple[time, time], ...]

MOST_SPANS = 3
NAME_MOST = 120
LONGEST_CLOSURE = timedelta(days=400)
_DAY_MIN = 24 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """A weekday (0 is Monday) of every week from now on; no spans: never. What resources have of their own stays."""

    kind: HoursKind
    weekday: int
    spans: Spans


@dataclass(frozen=True, slots=True, kw_only=True)
class Differs:
    """One day. No spans: not at all that day; None: as usual again."""

    day: date
    kind: HoursKind
    spans: Spans | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shut:
    """The house is closed in [start_at, end_at), whatever the week says."""

    start_at: datetime
    end_at: datetime
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reopen:
    closure_id: int


Change = Usual | Differs | Shut | Reopen


def apply(uow: UnitOfWork, change: Change) -> None:
    """Write it. Raises `Invalid` hours.past, hours.spans, hours.weekday, span.wrong, closure.too_long, closure.name,
    and `NotFound` closure.unknown. Nobody's place in the calendar is looked at here."""
    if isinstance(change, Usual):
        _set_usual(uow, change)
    elif isinstance(change, Differs):
        _set_day(uow, change)
    elif isinstance(change, Shut):
        _shut(uow, change)
    else:
        row = uow.session.get(Closure, change.closure_id)
        if row is None:
            raise NotFound("closure.unknown")
        uow.session.delete(row)
    uow.session.flush()
    uow.raise_event("calendar", "house", "hours")


def week(uow: UnitOfWork) -> dict[HoursKind, tuple[Spans, ...]]:
    """The house's usual week as it stands today, by kind: the spans of Monday to Sunday."""
    today = house.today(uow)
    rows = uow.session.scalars(select(HoursRule).where(HoursRule.resource_id.is_(None)))
    found: dict[HoursKind, list[list[tuple[time, time]]]] = {
        kind: [[] for _ in range(7)] for kind in HoursKind
    }
    for row in rows:
        if (row.first_day is None or row.first_day <= today) and (
            row.last_day is None or today <= row.last_day
        ):
            found[row.kind][row.weekday].append((row.opens, row.closes))
    return {kind: tuple(tuple(sorted(spans)) for spans in days) for kind, days in found.items()}


def differing(uow: UnitOfWork) -> dict[tuple[date, HoursKind], Spans]:
    """The days from today on that are not as usual, in order."""
    query = select(HoursException).where(HoursException.day >= house.today(uow))
    found: dict[tuple[date, HoursKind], list[tuple[time, time]]] = {}
    for row in uow.session.scalars(query.order_by(HoursException.day, HoursException.kind)):
        spans = found.setdefault((row.day, row.kind), [])
        if row.opens is not None and row.closes is not None:
            spans.append((row.opens, row.closes))
    return {key: tuple(sorted(spans)) for key, spans in found.items()}


def closures(uow: UnitOfWork) -> list[Closure]:
    """Those that are not over, the first one first."""
    query = select(Closure).where(Closure.end_at > uow.now).order_by(Closure.start_at, Closure.id)
    return list(uow.session.scalars(query))


def _set_usual(uow: UnitOfWork, change: Usual) -> None:
    if not 0 <= change.weekday <= 6:
        raise Invalid("hours.weekday", field="weekday")
    _check(change.spans)
    today = house.today(uow)
    mine = (
        HoursRule.kind == change.kind,
        HoursRule.resource_id.is_(None),
        HoursRule.weekday == change.weekday,
    )
    for row in uow.session.scalars(select(HoursRule).where(*mine)):
        if row.last_day is not None and row.last_day < today:
            continue
        if row.first_day is not None and row.first_day >= today:
            uow.session.delete(row)
        else:
            row.last_day = today - timedelta(
                days=1
            )  # what was is kept: reports ask how long the house was open
    uow.session.add_all(
        HoursRule(kind=change.kind, weekday=change.weekday, opens=opens, closes=closes, first_day=today)
        for opens, closes in change.spans
    )


def _set_day(uow: UnitOfWork, change: Differs) -> None:
    if change.day < house.today(uow):
        raise Invalid("hours.past", field="day")
    _check(change.spans or ())
    uow.session.execute(
        delete(HoursException).where(HoursException.day == change.day, HoursException.kind == change.kind)
    )
    if change.spans is None:
        return
    for opens, closes in change.spans or ((None, None),):
        uow.session.add(HoursException(kind=change.kind, day=change.day, opens=opens, closes=closes))


def _shut(uow: UnitOfWork, change: Shut) -> None:
    name = " ".join(change.name.split())
    if not name or len(name) > NAME_MOST:
        raise Invalid("closure.name", field="name", most=NAME_MOST)
    if change.end_at <= max(change.start_at, uow.now):
        raise Invalid("span.wrong", field="end")
    if change.end_at - change.start_at > LONGEST_CLOSURE:
        raise Invalid("closure.too_long", field="end", days=LONGEST_CLOSURE.days)
    uow.session.add(Closure(start_at=change.start_at, end_at=change.end_at, name=name))


def _check(spans: Spans) -> None:
    """Spans of one day in any order that do not touch; one may go on past midnight, and then it is the last."""
    ordered = sorted(spans)
    minutes = [(_minute(opens), _minute(closes)) for opens, closes in ordered]
    ends = [(start, end if end > start else end + _DAY_MIN) for start, end in minutes]
    if len(ordered) > MOST_SPANS or any(end >= start for (_, end), (start, _) in pairwise(ends)):
        raise Invalid("hours.spans", field="spans", most=MOST_SPANS)


def _minute(wall: time) -> int:
    return wall.hour * 60 + wall.minute
