"""A day to pick a time from: half an hour a row, a resource a column, and in each cell whether it may begin there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from babel.dates import format_date

from fablab.base.intervals import Interval, Intervals, merge
from scheduler.reserving.reach import Room
from web.pages.eyes import Eyes
from web.pages.reserve_form import midnight
from web.pages.reserve_model import CellView, DayView, PickView, StartWord, TimeRow

STEP = timedelta(minutes=30)
DAYS = 7
#: The better of two, for the column that stands for any of them.
ORDER = (
    *(StartWord.FREE, StartWord.MOVES, StartWord.SHORT, StartWord.MINE),
    *(StartWord.TAKEN, StartWord.CLOSED, StartWord.PAST),
)

Href = Callable[[tuple[int, ...], datetime], str]


def pick(
    eyes: Eyes,
    rooms: Sequence[Room],
    open_: Intervals,
    *,
    day: date,
    length: timedelta,
    zone: ZoneInfo,
    href: Href,
    day_href: Callable[[date], str],
    opens: Mapping[date, bool],
) -> PickView:
    """`open_`: the hours that are shown, and with them those in which any of the `rooms` may be used. `opens`: the days to
    choose among, and whether the house is open at all. With several rooms the first column stands for whichever is free."""
    shown = open_ if eyes.operates else merge((*open_, *(span for room in rooms for span in room.hours)))
    several = len(rooms) > 1
    rows = tuple(_row(eyes, rooms, at, length, zone, href, several) for at in _starts(shown, day, zone))
    today = eyes.now.astimezone(zone).date()
    days = sorted(opens)
    return PickView(
        title=_written(eyes, day, "EEEE d MMMM"),
        days=tuple(_day(eyes, each, opens[each], day, day_href) for each in days),
        columns=(*((eyes.gettext("Any"),) if several else ()), *(room.name for room in rooms)),
        rows=rows,
        earlier=day_href(max(today, days[0] - timedelta(days=DAYS))) if days[0] > today else "",
        later=day_href(days[-1] + timedelta(days=1)),
        note=_note(eyes, rows),
    )


def _note(eyes: Eyes, rows: tuple[TimeRow, ...]) -> str:
    if not rows:
        return eyes.gettext("The lab is closed.")
    if not any(cell.href for row in rows for cell in row.cells):
        return eyes.gettext("Nothing is free for that long on this day.")
    return ""


def _starts(hours: Intervals, day: date, zone: ZoneInfo) -> list[datetime]:
    """Every half hour of the day in which something is open, from the first to the last, by the clock on the wall."""
    begin, end = midnight(day, zone), midnight(day + timedelta(days=1), zone)
    inside = [span for span in hours if span.start < end and span.end > begin]
    if not inside:
        return []
    first, last = max(begin, inside[0].start), min(end, inside[-1].end)
    at = first - (first - begin) % STEP
    found = []
    while at < last:
        found.append(at)
        at += STEP
    return found


def _row(
    eyes: Eyes,
    rooms: Sequence[Room],
    at: datetime,
    length: timedelta,
    zone: ZoneInfo,
    href: Href,
    several: bool,
) -> TimeRow:
    # Where the row has begun already, it may still be begun at the next five minutes of it.
    start = max(at, _soon(eyes.now))
    cells = tuple(_cell(eyes, room, at, start, length, href) for room in rooms)
    if several:
        best = min(range(len(cells)), key=lambda k: (ORDER.index(cells[k].word), k))
        cells = (cells[best] if cells[best].href else CellView(word=cells[best].word), *cells)
    return TimeRow(label=eyes.words.clock(at), is_hour=at.astimezone(zone).minute == 0, cells=cells)


def _soon(now: datetime) -> datetime:
    """The next full five minutes: nobody presses the button in the second they look."""
    step = timedelta(minutes=5)
    return now + (-timedelta(minutes=now.minute % 5, seconds=now.second, microseconds=now.microsecond)) % step


def _cell(eyes: Eyes, room: Room, at: datetime, start: datetime, length: timedelta, href: Href) -> CellView:
    word, begins = start_word(eyes, room, at, start, length)
    end = start + length
    facts = {
        "name": room.name,
        "start": eyes.words.clock(start),
        "end": eyes.words.clock(end),
    }
    if word is StartWord.FREE:
        said = eyes.gettext("%(name)s, %(start)s to %(end)s, free", **facts)
    elif word is StartWord.MOVES:
        said = eyes.gettext("%(name)s, %(start)s to %(end)s, a planned job would move", **facts)
    else:
        return CellView(word=word, begins=begins, said=_refusal(eyes, word))
    return CellView(word=word, href=href((room.resource_id,), start), said=said)


def _refusal(eyes: Eyes, word: StartWord) -> str:
    if word is StartWord.MINE:
        return eyes.gettext("yours")
    if word is StartWord.TAKEN:
        return eyes.gettext("taken")
    if word is StartWord.SHORT:
        return eyes.gettext("too short")
    return eyes.gettext("closed") if word is StartWord.CLOSED else eyes.gettext("past")


def start_word(
    eyes: Eyes, room: Room, at: datetime, start: datetime, length: timedelta
) -> tuple[StartWord, bool]:
    """Whether something of this length may begin at `start`, in the half hour that begins at `at`; and whether what is in
    the way begins in it. The rules have the last word: this only draws what the calendar and the hours say."""
    slot_end = at + STEP
    if slot_end <= eyes.now or start >= slot_end:
        return StartWord.PAST, True
    span = Interval(start, start + length)
    here = [each for each in room.hard if each.start_at < slot_end and each.end_at > start]
    if here:
        word = StartWord.MINE if eyes.owns(here[0].job.member_id) else StartWord.TAKEN
        return word, here[0].start_at >= at
    if not any(hours.contains(start) for hours in room.hours):
        return StartWord.CLOSED, True
    if not any(free.contains(span) for free in room.free):
        return StartWord.SHORT, True
    moved = any(each.start_at < span.end and each.end_at > span.start for each in room.soft)
    return (StartWord.MOVES if moved else StartWord.FREE), True


def _day(eyes: Eyes, day: date, is_open: bool, chosen: date, day_href: Callable[[date], str]) -> DayView:
    return DayView(
        day=day,
        weekday=_written(eyes, day, "EEE"),
        number=str(day.day),
        href=day_href(day),
        is_open=is_open,
        selected=day == chosen,
    )


def _written(eyes: Eyes, day: date, pattern: str) -> str:
    said = format_date(day, pattern, locale=eyes.words.formats.locale)
    return said[:1].upper() + said[1:]
