"""A week of one thing: a row a day by the clock on the wall, a quarter of an hour a column."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from fablab.base.intervals import Interval, instant, subtract
from fablab.places.models import Resource
from fablab.reports.week import Stretch
from web.pages import show_calendar
from web.pages.eyes import Eyes
from web.pages.model import (
    BlockView,
    CalendarView,
    RowGroup,
    RowView,
    ShadeWord,
    TickView,
)
from web.pages.show_calendar import Stays
from web.pages.show_floor import Links

COLUMN_S = 900
COLUMNS = 96
DAY = timedelta(days=1)


class DayGrid(show_calendar.Grid):
    """One day, by wall time: on the two days in which the clocks change the hour stays where it is written."""

    def __init__(self, day: date, zone: ZoneInfo) -> None:
        super().__init__(instant(day, time(), zone), COLUMNS, COLUMN_S)
        self.day, self.zone = day, zone
        self.end_at = instant(day + DAY, time(), zone)
        self.is_whole = self.end_at - self.start_at == DAY

    def wall(self, at: datetime) -> int:
        """Seconds since midnight on the clock, within the day."""
        if at <= self.start_at:
            return 0
        if at >= self.end_at:
            return 86_400
        local = at.astimezone(self.zone)
        return (local.hour * 60 + local.minute) * 60 + local.second

    def place(self, start_at: datetime, end_at: datetime) -> tuple[int, int] | None:
        if end_at <= self.start_at or start_at >= self.end_at:
            return None
        first = min(round(self.wall(start_at) / COLUMN_S), COLUMNS - 1)
        return first, max(1, round(self.wall(end_at) / COLUMN_S) - first)

    def column(self, at: datetime) -> int | None:
        return int(self.wall(at) // COLUMN_S) if self.start_at <= at < self.end_at else None


def week(
    eyes: Eyes,
    resource: Resource,
    alike: tuple[str, ...],
    stretch: Stretch,
    links: Links,
    stays: Stays,
    *,
    day: date,
    zone: ZoneInfo,
) -> CalendarView:
    """`stretch`: its week, of this resource alone and in its own hours."""
    today = eyes.now.astimezone(zone).date()
    first = stretch.start_at.astimezone(zone).date()
    rows = tuple(
        _row(eyes, resource, alike, stretch, links, stays, first + DAY * k, zone, today) for k in range(7)
    )
    return CalendarView(
        view="week",
        title=f"{resource.name} · {show_calendar.title_of(eyes, stretch, 'week', day, zone)}",
        day=day,
        previous_day=day - 7 * DAY,
        next_day=day + 7 * DAY,
        today=today,
        start_at=stretch.start_at,
        columns=COLUMNS,
        column_s=COLUMN_S,
        ticks=tuple(TickView(label=f"{hour:02d}", at=hour * 4, length=4) for hour in range(24)),
        groups=(RowGroup(label=_label(eyes, resource), rows=rows),),
        note="" if stretch.open else eyes.gettext("The lab is closed."),
        zone=zone.key,
        resource_id=str(resource.id),
        resource_name=resource.name,
    )


def _label(eyes: Eyes, resource: Resource) -> str:
    if resource.technology is not None:
        return eyes.words.word("technology", resource.technology)
    return eyes.words.word("resource_kind", resource.kind)


def _row(
    eyes: Eyes,
    resource: Resource,
    alike: tuple[str, ...],
    stretch: Stretch,
    links: Links,
    stays: Stays,
    day: date,
    zone: ZoneInfo,
    today: date,
) -> RowView:
    grid = DayGrid(day, zone)
    whole = (Interval(grid.start_at, grid.end_at),)
    blocks: list[BlockView] = []
    for row in stretch.allocations:
        block = show_calendar.block_of(eyes, row, stretch, grid, links, stays, {resource.id: alike})
        if block is not None:
            blocks.append(block)
    return RowView(
        id=str(resource.id),
        name=show_calendar.written(eyes, day, "EEE d"),
        kind=resource.kind.value,
        blocks=tuple(blocks),
        shades=(
            *grid.shades(ShadeWord.CLOSED, subtract(whole, stretch.open)),
            *grid.shades(ShadeWord.UNSTAFFED, subtract(stretch.open, stretch.staffed)),
        ),
        start_at=grid.start_at,
        is_fixed=not grid.is_whole,
        is_today=day == today,
        now_at=grid.column(eyes.now),
        reserve_href=show_calendar.reserve_href(resource, day) if day >= today else "",
    )
