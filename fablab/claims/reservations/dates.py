"""The dates of a series: wall times of a zone become instants, and what the clocks change of them is said. Pure.

The wall hour is kept on every date, at both ends. A wall time that the clocks jump over means the first instant after
the jump, one that comes twice means its first: who asks for two hours from 01:00 in the night in which 02:00 comes
twice has the place from the first 01:00 to the first 03:00 there is, three hours, and those are what is billed.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from fablab.base import intervals
from fablab.base.errors import Invalid
from fablab.claims.reservations.models import Every
from fablab.claims.reservations.orders import MOST_DATES, Repeat, Shifted

MOST_STEP = 52
_WEEK = timedelta(days=7)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wall:
    """From `starts` on a day to `ends` `days` later, as the clock on the wall shows it."""

    starts: time
    ends: time
    days: int
    zone: ZoneInfo

    @property
    def length(self) -> timedelta:
        """As the wall clock counts, which is what it takes on a day without a change."""
        return datetime.combine(date.min + self.days * _DAY, self.ends) - datetime.combine(
            date.min, self.starts
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Date:
    """One date of a series; `end_at` is not after `start_at` where the clocks jump over all of it."""

    day: date
    start_at: datetime
    end_at: datetime
    shifted: tuple[Shifted, ...]

    @property
    def happens(self) -> bool:
        return self.start_at < self.end_at


def wall_of(start_at: datetime, end_at: datetime, zone: ZoneInfo) -> tuple[date, Wall]:
    """What the wall shows at these instants, and the day of the first."""
    start, end = start_at.astimezone(zone), end_at.astimezone(zone)
    wall = Wall(
        starts=start.time().replace(fold=0),
        ends=end.time().replace(fold=0),
        days=(end.date() - start.date()).days,
        zone=zone,
    )
    if wall.length <= timedelta():
        raise Invalid("series.fold", field="start_at")
    return start.date(), wall


def check(how: Repeat, first: date) -> None:
    """Raises `Invalid` for a repetition that cannot be understood, or that never ends."""
    if not 1 <= how.step <= MOST_STEP:
        raise Invalid("series.step", field="step", most=MOST_STEP)
    if (how.until is None) == (how.count is None):
        raise Invalid("series.end", field="until")
    if how.count is not None and not 1 <= how.count <= MOST_DATES:
        raise Invalid("series.count", field="count", most=MOST_DATES)
    if how.until is not None and how.until < first:
        raise Invalid("series.until", field="until")
    if len(days(first, how)) > MOST_DATES:
        raise Invalid("series.too_many", field="until", most=MOST_DATES)


def days(first: date, how: Repeat) -> list[date]:
    """The days of the series, in order, the first among them; one too many where there are too many."""
    found = _weekly(first, how.step) if how.every is Every.WEEK else _monthly(first, how.step)
    kept: list[date] = []
    for day in islice(found, how.count if how.count is not None else MOST_DATES + 1):
        if how.until is not None and day > how.until:
            break
        kept.append(day)
    return kept


def _weekly(first: date, step: int) -> Iterator[date]:
    day = first
    while day.year < date.max.year:
        yield day
        day += step * _WEEK


def _monthly(first: date, step: int) -> Iterator[date]:
    """The same weekday, the same one of its month; a fifth one is the last one, since some months have only four."""
    which = (first.day - 1) // 7
    month = first.year * 12 + first.month - 1
    while month // 12 < date.max.year:
        year, number = month // 12, month % 12 + 1
        start, length = monthrange(year, number)
        day = 1 + (first.weekday() - start) % 7 + 7 * which
        yield date(year, number, day if day <= length else day - 7)
        month += step


def on(day: date, wall: Wall) -> Date:
    """The instants of one day, and everything that its clocks change of what was asked for."""
    last = day + wall.days * _DAY
    start = intervals.instant(day, wall.starts, wall.zone)
    end = intervals.instant(last, wall.ends, wall.zone)
    found: list[tuple[str, int]] = [
        *_odd("start", day, wall.starts, wall.zone),
        *_odd("end", last, wall.ends, wall.zone),
    ]
    by_s = round((end - start - wall.length).total_seconds())
    if by_s:
        found.append(("series.longer" if by_s > 0 else "series.shorter", abs(by_s)))
    shifted = tuple(Shifted(day=day, start_at=start, code=code, by_s=each) for code, each in found)
    return Date(day=day, start_at=start, end_at=end, shifted=shifted)


def _odd(which: str, day: date, wall: time, zone: ZoneInfo) -> list[tuple[str, int]]:
    early = datetime.combine(day, wall.replace(fold=0), zone)
    late = datetime.combine(day, wall.replace(fold=1), zone)
    if early.utcoffset() == late.utcoffset():
        return []
    real = early.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == early.replace(tzinfo=None)
    return [(f"series.{which}_{'fold' if real else 'gap'}", 0)]
