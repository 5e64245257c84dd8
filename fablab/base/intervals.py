"""Stretches of time and opening hours: half-open intervals in UTC, and the local weekly rules they come from.

Daylight saving, the two rules this room keeps:

- **Gap** (spring): a wall time the clock jumps over means the first instant after the jump. In Paris a rule
  that says 02:30 on the last Sunday of March opens, or closes, at 03:00.
- **Fold** (autumn): a wall time that happens twice opens at its first and closes at its second. So every
  instant at which the clock on the wall shows open is open: nobody stands before a shut door at a time the
  poster calls open, and nobody is sent home at an hour the clock will show once more.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fablab.base.errors import Invalid

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)
_STEP = timedelta(days=7)
_CACHED_DAYS = 4096  # about eleven years of one calendar


def _utc(at: datetime) -> datetime:
    if at.tzinfo is UTC:
        return at
    if at.utcoffset() is None:
        raise ValueError(f"an instant needs a time zone: {at.isoformat()}")
    return at.astimezone(UTC)


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """[start, end) in UTC: the end belongs to what follows. Instants in other zones are turned into UTC.

    Raises ValueError for a naive instant, and where `end` is not after `start`. Sorts by start, then end.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        start, end = _utc(self.start), _utc(self.end)
        if end <= start:
            raise ValueError(
                f"an interval ends after it starts: {start.isoformat()} is not before {end.isoformat()}"
            )
        object.__setattr__(self, "start", start)
        object.__setattr__(self, "end", end)

    @property
    def duration(self) -> timedelta:
        return self.end - self.start

    def overlaps(self, other: Interval) -> bool:
        """Whether the two share an instant; touching ends share none."""
        return self.start < other.end and other.start < self.end

    def contains(self, other: datetime | Interval) -> bool:
        """Whether the instant, or the whole of the other interval, lies inside."""
        if isinstance(other, Interval):
            return self.start <= other.start and other.end <= self.end
        return self.start <= other < self.end


Intervals = tuple[Interval, ...]


def merge(intervals: Iterable[Interval]) -> Intervals:
    """The same instants as sorted, disjoint intervals, none touching the next."""
    merged: list[Interval] = []
    for piece in sorted(intervals):
        if not merged or piece.start > merged[-1].end:
            merged.append(piece)
        elif piece.end > merged[-1].end:
            merged[-1] = Interval(merged[-1].start, piece.end)
    return tuple(merged)


def intersect(a: Sequence[Interval], b: Sequence[Interval]) -> Intervals:
    """The instants in both. `a` and `b` are sorted and disjoint, as `merge` gives them; so is the answer."""
    shared: list[Interval] = []
    i = j = 0
    while i < len(a) and j < len(b):
        start, end = max(a[i].start, b[j].start), min(a[i].end, b[j].end)
        if start < end:
            shared.append(Interval(start, end))
        if a[i].end < b[j].end:
            i += 1
        else:
            j += 1
    return tuple(shared)


def subtract(a: Sequence[Interval], b: Sequence[Interval]) -> Intervals:
    """The instants in `a` but not in `b`. Both sorted and disjoint, as `merge` gives; so is the answer."""
    left: list[Interval] = []
    j = 0
    for piece in a:
        start = piece.start
        while j < len(b) and b[j].end <= start:
            j += 1
        k = j
        while k < len(b) and b[k].start < piece.end:
            if start < b[k].start:
                left.append(Interval(start, b[k].start))
            start = max(start, b[k].end)
            k += 1
        if start < piece.end:
            left.append(Interval(start, piece.end))
    return tuple(left)


def _check_wall(*times: time) -> None:
    for wall in times:
        if wall.tzinfo is not None:
            raise ValueError(f"opening hours are wall times without a zone of their own: {wall.isoformat()}")


@dataclass(frozen=True, slots=True)
class WeeklyRule:
    """Open every `weekday` (0 is Monday) from `opens` to `closes`, in local wall time.

    A `closes` at or before `opens` lies in the next day, so 20:00 to 02:00 is one evening and 00:00 to
    00:00 a whole day. `first_day` and `last_day`, both included, bound the days on which the rule *opens*.
    """

    weekday: int
    opens: time
    closes: time
    first_day: date | None = None
    last_day: date | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.weekday <= 6:
            raise ValueError(f"a weekday is 0 (Monday) to 6 (Sunday), not {self.weekday}")
        _check_wall(self.opens, self.closes)
        if self.first_day is not None and self.last_day is not None and self.last_day < self.first_day:
            raise ValueError(f"a rule that ends on {self.last_day} cannot begin on {self.first_day}")

    def holds_on(self, day: date) -> bool:
        return (
            day.weekday() == self.weekday
            and (self.first_day is None or self.first_day <= day)
            and (self.last_day is None or day <= self.last_day)
        )


@dataclass(frozen=True, slots=True)
class DayException:
    """What one day has instead of its weekly rules: `hours` as (opens, closes) pairs, none means shut.

    It replaces what *opens* that day: the evening before may still run past midnight into it.
    """

    day: date
    hours: tuple[tuple[time, time], ...] = ()

    def __post_init__(self) -> None:
        for opens, closes in self.hours:
            _check_wall(opens, closes)


def _zone(zone: ZoneInfo | str) -> ZoneInfo:
    if isinstance(zone, ZoneInfo):
        return zone
    try:
        return ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        # An absolute or odd name gives ValueError, a folder such as "Europe" an OSError.
        raise ValueError(f"no such time zone: {zone!r}") from error


def instant(day: date, wall: time, zone: ZoneInfo, *, closing: bool = False) -> datetime:
    """The UTC instant of a wall time on a day, by the gap and fold rules at the top of this file."""
    local = datetime.combine(day, wall.replace(fold=int(closing)), zone)
    at = local.astimezone(UTC)
    if at.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None):
        return at
    return _end_of_gap(local.replace(fold=0), zone)


def _end_of_gap(local: datetime, zone: ZoneInfo) -> datetime:
    """The instant of the clock change that jumps over `local`, by bisection to the second."""
    local = local.replace(microsecond=0)
    late = local.replace(fold=0).astimezone(UTC)  # fold 0 reads it with the old offset: after the change,
    early = local.replace(fold=1).astimezone(UTC)  # fold 1 with the new one: before it
    old = early.astimezone(zone).utcoffset()
    while late - early > _SECOND:
        middle = early + ((late - early) // _SECOND // 2) * _SECOND
        if middle.astimezone(zone).utcoffset() == old:
            early = middle
        else:
            late = middle
    return late


@dataclass(frozen=True, slots=True)
class Hours:
    """When a place is open: weekly rules, days that differ, and closures that win over both.

    `zone` is a ZoneInfo or its IANA name (`tz` is always the ZoneInfo). Days are expanded once and kept.
    Raises ValueError for an unknown zone and for two exceptions on one day.
    """

    zone: ZoneInfo | str
    rules: tuple[WeeklyRule, ...] = ()
    exceptions: tuple[DayException, ...] = ()
    closures: Intervals = ()
    tz: ZoneInfo = field(init=False, repr=False, compare=False)
    _by_day: dict[date, DayException] = field(init=False, repr=False, compare=False)
    _expanded: dict[date, Intervals] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        by_day = {exception.day: exception for exception in self.exceptions}
        if len(by_day) != len(self.exceptions):
            days = [exception.day for exception in self.exceptions]
            twice = min(day for day in days if days.count(day) > 1)
            raise ValueError(f"two exceptions for {twice}")
        object.__setattr__(self, "tz", _zone(self.zone))
        object.__setattr__(self, "rules", tuple(self.rules))
        object.__setattr__(self, "exceptions", tuple(self.exceptions))
        object.__setattr__(self, "closures", merge(self.closures))
        object.__setattr__(self, "_by_day", by_day)

    def between(self, start: datetime, end: datetime) -> Intervals:
        """The open hours in [start, end): UTC, sorted, disjoint, cut at both ends. None if end <= start."""
        start, end = _utc(start), _utc(end)
        if end <= start:
            return ()
        # The evening before the first day may reach into it.
        day = start.astimezone(self.tz).date() - _DAY
        last = end.astimezone(self.tz).date()
        found: list[Interval] = []
        while day <= last:
            found.extend(self._opens_on(day))
            day += _DAY
        window = (Interval(start, end),)
        return subtract(intersect(merge(found), window), self._closures_from(start))

    def is_open(self, at: datetime) -> bool:
        return bool(self.between(at, _utc(at) + datetime.resolution))

    def next_open(self, at: datetime, within: timedelta = timedelta(days=60)) -> datetime | None:
        """`at` itself where it is open then, else the next opening; None where there is none in `within`."""
        at = _utc(at)
        end = at + within
        while at < end:
            upto = min(at + _STEP, end)
            if found := self.between(at, upto):
                return found[0].start
            at = upto
        return None

    def day(self, day: date) -> Intervals:
        """The open hours from this local midnight to the next: of 23, 24 or 25 hours, as the clocks go."""
        midnight = time(0)
        return self.between(instant(day, midnight, self.tz), instant(day + _DAY, midnight, self.tz))

    def _opens_on(self, day: date) -> Intervals:
        """What opens on this local day, closures not yet taken out; it may reach into the next."""
        known = self._expanded.get(day)
        if known is None:
            if len(self._expanded) >= _CACHED_DAYS:
                self._expanded.clear()
            known = self._expanded[day] = self._expand(day)
        return known

    def _expand(self, day: date) -> Intervals:
        exception = self._by_day.get(day)
        if exception is not None:
            spans: Sequence[tuple[time, time]] = exception.hours
        else:
            spans = [(rule.opens, rule.closes) for rule in self.rules if rule.holds_on(day)]
        found = []
        for opens, closes in spans:
            start = instant(day, opens, self.tz)
            end = instant(day + _DAY if closes <= opens else day, closes, self.tz, closing=True)
            if start < end:  # hours that lie wholly in a spring gap do not happen
                found.append(Interval(start, end))
        return merge(found)

    def _closures_from(self, at: datetime) -> Intervals:
        first = bisect_right(self.closures, at, key=lambda closure: closure.end)
        return self.closures[first:]


_WEEKDAYS = (
    ("monday", "lundi"),
    ("tuesday", "mardi"),
    ("wednesday", "mercredi"),
    ("thursday", "jeudi"),
    ("friday", "vendredi"),
    ("saturday", "samedi"),
    ("sunday", "dimanche"),
)
_WALL = re.compile(r"(\d{1,2})[:h](\d\d)?", re.ASCII)
_LINE = re.compile(r"([^\W\d_]\D*)(\d.*)")
_DASH = re.compile(r"\s*[-–]\s*")


def parse_rules(text: str) -> tuple[WeeklyRule, ...]:
    """Weekly rules from words: `"Tue-Sat 09:00-12:30, 14:00-19:00; Sun 10:00-13:00"`.

    A line is days, then hours; lines part at `;` or a line break. Days are English or French, three letters
    or more, as a list or a range (`Mon, Wed-Fri`; `Sat-Mon` goes round the week's end). Times are `9:00`,
    `14h` or `24:00`. Raises `Invalid` (field "hours"): the code says what is wrong, `text` quotes it:
    hours_empty, hours_line (no days, or no hours), hours_weekday, hours_time, hours_span, hours_overlap.
    """
    lines = [line.strip() for line in re.split(r"[;\n]", text)]
    rules = [rule for line in lines if line for rule in _parse_line(line)]
    if not rules:
        raise Invalid("hours_empty", field="hours")
    rules.sort(key=lambda rule: (rule.weekday, rule.opens))
    for one, other in pairwise(rules):
        if one.weekday == other.weekday and (one.closes <= one.opens or other.opens < one.closes):
            text = f"{_WEEKDAYS[one.weekday][0]} {one.opens:%H:%M}-{one.closes:%H:%M}, {other.opens:%H:%M}"
            raise Invalid("hours_overlap", field="hours", weekday=one.weekday, text=text)
    return tuple(rules)


def parse_spans(text: str) -> tuple[tuple[time, time], ...]:
    """The hours of one day, `"10:00-12:30, 14h-18h"`; none where nothing is said. Raises `Invalid` as `parse_rules`."""
    return tuple(_parse_span(span.strip()) for span in text.split(",")) if text.strip() else ()


def _parse_line(line: str) -> list[WeeklyRule]:
    parted = _LINE.fullmatch(line)
    if parted is None:
        raise Invalid("hours_line", field="hours", text=line)
    days = [day for words in parted[1].strip(" ,:").split(",") for day in _parse_days(words)]
    spans = [_parse_span(span.strip()) for span in parted[2].split(",")]
    return [WeeklyRule(day, opens, closes) for day in days for opens, closes in spans]


def _parse_days(words: str) -> list[int]:
    ends = [_parse_day(word) for word in _DASH.split(words.strip())]
    if len(ends) > 2:
        raise Invalid("hours_weekday", field="hours", text=words.strip())
    first, last = ends[0], ends[-1]
    return [(first + step) % 7 for step in range((last - first) % 7 + 1)]


def _parse_day(word: str) -> int:
    plain = word.strip().rstrip(".").lower()
    for number, names in enumerate(_WEEKDAYS):
        if len(plain) >= 3 and any(name.startswith(plain) for name in names):
            return number
    raise Invalid("hours_weekday", field="hours", text=word.strip())


def _parse_span(text: str) -> tuple[time, time]:
    ends = _DASH.split(text)
    if len(ends) != 2:
        raise Invalid("hours_span", field="hours", text=text)
    return _parse_time(ends[0], closing=False), _parse_time(ends[1], closing=True)


def _parse_time(text: str, *, closing: bool) -> time:
    parted = _WALL.fullmatch(text.strip().lower())
    if parted is None:
        raise Invalid("hours_time", field="hours", text=text)
    hour, minute = int(parted[1]), int(parted[2] or 0)
    if closing and (hour, minute) == (24, 0):
        hour = 0
    if hour > 23 or minute > 59:
        raise Invalid("hours_time", field="hours", text=text)
    return time(hour, minute)
