"""A day of all desks and rooms: for whoever is signed in with what they may know, and for a wall without any name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from litestar import Response, get

from fablab.base.intervals import Interval
from fablab.claims import occupancy
from fablab.claims.models import ClaimKind
from fablab.claims.occupancy import Day, Row, Taken
from fablab.places import house
from fablab.places.models import ResourceKind
from web.pages.shell import AnyRequest, desk_of, templates_of
from web.security import Access
from web.words import Words

WIDTH = 1000.0  # of the drawing, in its own units
MARGIN = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class BarView:
    """Where it stands on the line, in units of the drawing: `x`, `width` with set-up and clearing, `use_x`, `use_width`
    without."""

    x: float
    width: float
    use_x: float
    use_width: float
    kind: str
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RowView:
    name: str
    what: str
    is_free: bool
    said: str
    bars: tuple[BarView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupView:
    word: str
    free: int
    total: int
    rows: tuple[RowView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OccupancyView:
    """`hours`: ticks of the axis; `shut`: stretches of it in which the house is shut; `now_x`: None on another day."""

    day: date
    word: str
    is_today: bool
    before: date
    after: date
    hours: tuple[tuple[float, str], ...]
    shut: tuple[tuple[float, float], ...]
    now_x: float | None
    groups: tuple[GroupView, ...]


@get("/occupancy", access=Access.SIGNED_IN, include_in_schema=False, sync_to_thread=True)
def show(request: AnyRequest) -> Response[str]:
    desk = desk_of(request)
    with desk.database.read(desk.actor) as uow:
        day = _day(request, house.today(uow))
        view = _view(desk.words, occupancy.of_day(uow, day), uow.now)
    return desk.page("occupancy.html", view=view)


@get("/occupancy/wall", access=Access.PUBLIC, include_in_schema=False, sync_to_thread=True)
def wall(request: AnyRequest) -> Response[str]:
    """For a screen that nobody signs in to: today, without a name, drawn anew every minute."""
    templates = templates_of(request)
    words: Words = templates.context(request)["words"]
    with request.app.state.parts.database.read() as uow:
        view = _view(words, occupancy.of_day(uow, house.today(uow), public=True), uow.now)
    return templates.page(request, "occupancy_wall.html", view=view)


def _day(request: AnyRequest, today: date) -> date:
    try:
        said = date.fromisoformat(request.query_params.get("day", "")[:10])
    except ValueError:
        return today
    return said if abs((said - today).days) < 3650 else today


def _view(words: Words, found: Day, now: datetime) -> OccupancyView:
    axis = _axis(found)
    length = (axis.end - axis.start).total_seconds()

    def x(at: datetime) -> float:
        return round((min(max(at, axis.start), axis.end) - axis.start).total_seconds() / length * WIDTH, 1)

    today = words.formats.local(now).date()
    word = words.formats.day(found.day, now)
    edges = [axis.start, *(at for span in found.open for at in (span.start, span.end)), axis.end]
    return OccupancyView(
        day=found.day,
        word=word[:1].upper() + word[1:],
        is_today=found.day == today,
        before=found.day - timedelta(days=1),
        after=found.day + timedelta(days=1),
        hours=tuple((x(at), f"{words.formats.local(at).hour}") for at in _hours(axis)),
        shut=tuple(
            (x(a), round(x(b) - x(a), 1)) for a, b in zip(edges[::2], edges[1::2], strict=True) if a < b
        ),
        now_x=x(now) if axis.start <= now < axis.end else None,
        groups=tuple(
            group
            for kind in occupancy.KINDS
            if (group := _group(words, found, kind, x_of=x, is_today=found.day == today)).rows
        ),
    )


def _axis(found: Day) -> Interval:
    """From an hour before anything to an hour after, in whole hours; an empty day from eight to eight."""
    spans: Sequence[Interval] = [*found.open, *(each.held for row in found.rows for each in row.taken)]
    if spans:
        start = max(found.span.start, min(span.start for span in spans) - MARGIN)
        end = min(found.span.end, max(span.end for span in spans) + MARGIN)
    else:
        start, end = found.span.start + 8 * MARGIN, found.span.start + 20 * MARGIN
    hour = MARGIN
    start = start.replace(minute=0, second=0, microsecond=0)
    end = (end + hour - timedelta(seconds=1)).replace(minute=0, second=0, microsecond=0)
    return Interval(start, max(end, start + hour))


def _hours(axis: Interval) -> list[datetime]:
    step = timedelta(hours=1 if axis.end - axis.start <= timedelta(hours=9) else 2)
    found, at = [], axis.start + timedelta(hours=1)
    while at < axis.end:
        found.append(at)
        at += step
    return found


def _group(
    words: Words, found: Day, kind: ResourceKind, *, x_of: Callable[[datetime], float], is_today: bool
) -> GroupView:
    rows = [row for row in found.rows if row.thing.kind is kind]

    def bar(each: Taken) -> BarView:
        begin, end, use, over = (
            x_of(at) for at in (each.held.start, each.held.end, each.use.start, each.use.end)
        )
        return BarView(
            x=begin,
            width=max(2.0, round(end - begin, 1)),
            use_x=use,
            use_width=max(2.0, round(over - use, 1)),
            kind="workshop" if each.kind is ClaimKind.SESSION else each.kind.value,
            said=_said(words, each),
        )

    return GroupView(
        word=words.word("places_of", kind),
        free=found.free(kind),
        total=len(rows),
        rows=tuple(
            RowView(
                name=row.thing.name,
                what=", ".join(
                    filter(
                        None,
                        (
                            row.partner if kind is ResourceKind.ROOM else "",
                            words.ngettext("%(num)s seat", "%(num)s seats", row.thing.seats)
                            % {"num": row.thing.seats}
                            if row.thing.seats and kind is ResourceKind.ROOM
                            else "",
                        ),
                    )
                ),
                is_free=row.now is None,
                said=_state(words, row) if is_today else "",
                bars=tuple(bar(each) for each in row.taken),
            )
            for row in rows
        ),
    )


def _state(words: Words, row: Row) -> str:
    if row.until is None:
        return words.gettext("Free for the rest of the day")
    said = (
        words.gettext("Free until %(until)s") if row.now is None else words.gettext("Taken until %(until)s")
    )
    return said % {"until": words.clock(row.until)}


def _said(words: Words, each: Taken) -> str:
    title = each.title or words.gettext("Occupied")
    who = f", {each.who}" if each.who and each.who != each.title else ""
    return f"{words.clock(each.use.start)}–{words.clock(each.use.end)} {title}{who}"


ROUTES = (show, wall)
