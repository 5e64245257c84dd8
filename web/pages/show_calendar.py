"""The calendar as a grid: rows of resources, blocks in columns, shades where the house is shut or nobody is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from babel.dates import format_date

from fablab.base.intervals import Interval, Intervals, instant, subtract
from fablab.claims.models import Allocation, AllocationState, ClaimKind, ClaimState
from fablab.claims.reservations.models import LIVE, Reservation, ReservationState
from fablab.device import Status
from fablab.places.models import Resource, ResourceKind, Technology
from fablab.reports.week import Stretch
from fablab.runs.models import Run
from web.pages import eyes as small
from web.pages.eyes import Eyes, Stock
from web.pages.model import (
    DAY_COLUMN_S,
    WEEK_COLUMN_S,
    AllocationView,
    BlockView,
    BlockWord,
    CalendarView,
    GripView,
    MachineWord,
    RowGroup,
    RowView,
    ShadeView,
    ShadeWord,
    StayGrip,
    TickView,
    place,
)
from web.pages.show_floor import Links

HOUR = timedelta(hours=1)
KINDS, TECHNOLOGIES = list(ResourceKind), list(Technology)
Words = Mapping[int, MachineWord]
Stays = Mapping[str, Reservation]  # by claim


def bounds(day: date, view: str, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The day, or its week from Monday on, from local midnight to local midnight (23 to 25 hours a day)."""
    first = day if view == "day" else day - timedelta(days=day.weekday())
    last = first + timedelta(days=1 if view == "day" else 7)
    return instant(first, time(), zone), instant(last, time(), zone)


def calendar(
    eyes: Eyes,
    stretch: Stretch,
    links: Links,
    words: Words,
    stays: Stays,
    *,
    view: str,
    day: date,
    zone: ZoneInfo,
) -> CalendarView:
    column_s = DAY_COLUMN_S if view == "day" else WEEK_COLUMN_S
    columns = round((stretch.end_at - stretch.start_at).total_seconds() / column_s)
    grid = Grid(stretch.start_at, columns, column_s)
    today = eyes.now.astimezone(zone).date()
    step = timedelta(days=1 if view == "day" else 7)
    shades = (
        *grid.shades(ShadeWord.CLOSED, _closed(stretch)),
        *grid.shades(ShadeWord.UNSTAFFED, subtract(stretch.open, stretch.staffed)),
    )
    staffed = grid.shades(ShadeWord.UNSTAFFED, stretch.staffed)
    return CalendarView(
        view=view,
        title=title_of(eyes, stretch, view, day, zone),
        day=day,
        previous_day=day - step,
        next_day=day + step,
        today=today,
        start_at=stretch.start_at,
        columns=columns,
        column_s=column_s,
        ticks=_ticks(eyes, grid, stretch, view, zone, today),
        groups=_groups(eyes, stretch, grid, links, words, stays, shades, day),
        staffed=staffed,
        now_at=grid.column(eyes.now),
        note="" if stretch.open else eyes.gettext("The lab is closed."),
        zone=zone.key,
    )


class Grid:
    """Instants to columns."""

    def __init__(self, start_at: datetime, columns: int, column_s: int) -> None:
        self.start_at, self.columns, self.column_s = start_at, columns, column_s

    def place(self, start_at: datetime, end_at: datetime) -> tuple[int, int] | None:
        return place(start_at, end_at, self.start_at, self.columns, self.column_s)

    def column(self, at: datetime) -> int | None:
        column = int((at - self.start_at).total_seconds() // self.column_s)
        return column if 0 <= column < self.columns else None

    def shades(self, word: ShadeWord, spans: Intervals) -> tuple[ShadeView, ...]:
        placed = (self.place(span.start, span.end) for span in spans)
        return tuple(ShadeView(word=word, at=p[0], length=p[1]) for p in placed if p is not None)


def _closed(stretch: Stretch) -> Intervals:
    return subtract((Interval(stretch.start_at, stretch.end_at),), stretch.open)


def title_of(eyes: Eyes, stretch: Stretch, view: str, day: date, zone: ZoneInfo) -> str:
    if view == "day":
        return written(eyes, day, "EEEE d MMMM y")
    last = (stretch.end_at - HOUR).astimezone(zone).date()
    first = stretch.start_at.astimezone(zone).date()
    early = "d" if first.month == last.month else "d MMM"
    return f"{written(eyes, first, early)} – {written(eyes, last, 'd MMMM y')}"


def written(eyes: Eyes, day: date, pattern: str) -> str:
    """As a heading: with a capital letter in French too."""
    said = format_date(day, pattern, locale=eyes.words.formats.locale)
    return said[:1].upper() + said[1:]


def _ticks(
    eyes: Eyes, grid: Grid, stretch: Stretch, view: str, zone: ZoneInfo, today: date
) -> tuple[TickView, ...]:
    if view == "day":
        hours = round((stretch.end_at - stretch.start_at) / HOUR)
        starts = [stretch.start_at + HOUR * k for k in range(hours)]
        return tuple(
            TickView(label=eyes.words.clock(at), at=k * (3600 // grid.column_s), length=3600 // grid.column_s)
            for k, at in enumerate(starts)
        )
    ticks = []
    first = stretch.start_at.astimezone(zone).date()
    for k in range(7):
        day = first + timedelta(days=k)
        placed = grid.place(instant(day, time(), zone), instant(day + timedelta(days=1), time(), zone))
        assert placed is not None
        label = written(eyes, day, "EEE d")
        ticks.append(TickView(label=label, at=placed[0], length=placed[1], is_today=day == today))
    return tuple(ticks)


def _groups(
    eyes: Eyes,
    stretch: Stretch,
    grid: Grid,
    links: Links,
    words: Words,
    stays: Stays,
    shades: tuple[ShadeView, ...],
    day: date,
) -> tuple[RowGroup, ...]:
    blocks: dict[int, list[BlockView]] = {}
    alike = alike_of(stretch.resources)
    for row in stretch.allocations:
        block = block_of(eyes, row, stretch, grid, links, stays, alike)
        if block is not None:
            blocks.setdefault(row.resource_id, []).append(block)
    groups: dict[str, list[RowView]] = {}
    for resource in sorted(stretch.resources, key=_order):
        groups.setdefault(_group(eyes, resource), []).append(
            RowView(
                id=str(resource.id),
                name=resource.name,
                kind=resource.kind.value,
                detail=_detail(eyes, resource),
                word=words.get(resource.id),
                blocks=tuple(blocks.get(resource.id, ())),
                shades=shades,
                week_href=f"/calendar?view=week&resource={resource.id}&day={day.isoformat()}",
                reserve_href=reserve_href(resource, day),
            )
        )
    return tuple(RowGroup(label=label, rows=tuple(rows)) for label, rows in groups.items())


def alike_of(resources: Sequence[Resource]) -> dict[int, tuple[str, ...]]:
    """Of each resource those that may stand in for it, itself among them."""
    kinds: dict[object, list[str]] = {}
    for row in resources:
        kinds.setdefault((row.kind, row.technology), []).append(str(row.id))
    return {row.id: tuple(kinds[(row.kind, row.technology)]) for row in resources}


def reserve_href(resource: Resource, day: date) -> str:
    """A day of this thing to pick a time from."""
    iso = day.isoformat()
    return f"/reserve/options?what=r{resource.id}&length=60&when=day&day={iso}&pick={iso}#pick"


def _order(resource: Resource) -> tuple[int, int, str]:
    """Machines before rooms, the busiest technology first, then by name."""
    technology = TECHNOLOGIES.index(resource.technology) if resource.technology is not None else 0
    return KINDS.index(resource.kind), technology, resource.name


def _group(eyes: Eyes, resource: Resource) -> str:
    if resource.kind is ResourceKind.MACHINE:
        return eyes.words.word("technology", resource.technology)
    return (
        eyes.gettext("Rooms")
        if resource.kind is ResourceKind.ROOM
        else eyes.words.word("resource_kind", resource.kind)
    )


def _detail(eyes: Eyes, resource: Resource) -> str:
    if resource.machine is not None:
        return resource.machine.model
    return eyes.gettext("%(seats)s seats", seats=str(resource.seats)) if resource.seats else ""


def block_word(row: Allocation, live: Mapping[str, Run], now: datetime) -> BlockWord:
    if row.claim.kind is ClaimKind.OUTAGE:
        return BlockWord.OUTAGE
    if row.run_id is not None and row.run_id in live:
        return BlockWord.RUNNING
    if row.run_id is not None or row.end_at <= now:
        return BlockWord.DONE
    return BlockWord.FIRM if row.state is AllocationState.FIRM else BlockWord.TENTATIVE


def block_of(
    eyes: Eyes,
    row: Allocation,
    stretch: Stretch,
    grid: Grid,
    links: Links,
    stays: Stays,
    alike: Mapping[int, tuple[str, ...]],
) -> BlockView | None:
    placed = grid.place(row.start_at, row.end_at)
    if placed is None:
        return None
    word = block_word(row, stretch.live, eyes.now)
    run = stretch.live.get(row.run_id or "")
    soft, tail = _ends(grid, row, word)
    return BlockView(
        id=str(row.id),
        title=title(eyes, row),
        word=word,
        start_at=row.start_at,
        end_at=row.end_at,
        at=placed[0],
        length=placed[1],
        owner_name=owner(eyes, row),
        kind="workshop" if row.claim.kind is ClaimKind.SESSION else row.claim.kind.value,
        mine=eyes.owns(row.claim.member_id),
        from_before=row.start_at < stretch.start_at,
        goes_on=row.end_at > stretch.end_at,
        progress=small.progress(eyes, run, _status(links, row.resource_id)).fraction if run else None,
        soft=soft,
        tail=tail,
        grip=_grip(eyes, row),
        stay=_stay_grip(eyes, row, stays.get(row.claim_id), alike),
        state=stays[row.claim_id].state.value if row.claim_id in stays else "",
    )


def _ends(grid: Grid, row: Allocation, word: BlockWord) -> tuple[ShadeView | None, ShadeView | None]:
    """How sure the end is: what may be free already, and what may be taken still. Nothing for what is over, and for
    what people hold by the clock."""
    claim = row.claim
    if claim.kind is not ClaimKind.JOB or word in (BlockWord.DONE, BlockWord.OUTAGE):
        return None, None
    early, late = max(claim.ready_from or row.end_at, row.start_at), claim.ready_until or row.end_at
    return _end(grid, early, row.end_at), _end(grid, row.end_at, late)


def _end(grid: Grid, start_at: datetime, end_at: datetime) -> ShadeView | None:
    if (end_at - start_at).total_seconds() < grid.column_s / 2:
        return None
    placed = grid.place(start_at, end_at)
    return ShadeView(word=ShadeWord.SOFT, at=placed[0], length=placed[1]) if placed is not None else None


def may_be_taken_up(eyes: Eyes, row: Allocation) -> bool:
    """A job that waits for its turn, by those who work the machines."""
    claim = row.claim
    waits = claim.state is ClaimState.HELD and row.run_id is None and len(claim.needs) == 1
    return eyes.operates and claim.kind is ClaimKind.JOB and waits


def _grip(eyes: Eyes, row: Allocation) -> GripView | None:
    if not may_be_taken_up(eyes, row):
        return None
    run_s = round((row.run_end_at - row.run_start_at).total_seconds())
    return GripView(claim_id=row.claim_id, start_at=row.run_start_at, run_s=run_s)


def _stay_grip(
    eyes: Eyes, row: Allocation, stay: Reservation | None, alike: Mapping[int, tuple[str, ...]]
) -> StayGrip | None:
    """A reservation, by its holder and by the staff, until it is over."""
    if stay is None or stay.state not in LIVE or not (eyes.owns(stay.member_id) or eyes.operates):
        return None
    alone = len(stay.resource_ids) == 1
    return StayGrip(
        id=stay.id,
        start_at=stay.start_at,
        end_at=stay.end_at,
        resources=tuple(str(each) for each in stay.resource_ids),
        alike=alike.get(row.resource_id, (str(row.resource_id),)) if alone else (str(row.resource_id),),
        fixed=stay.state is ReservationState.IN_USE,
    )


def _status(links: Links, resource_id: int) -> Status | None:
    link = links(resource_id)
    return link.status if link is not None else None


def is_public(row: Allocation) -> bool:
    """A workshop is announced anyway, and an outage concerns everybody."""
    return row.claim.kind in (ClaimKind.SESSION, ClaimKind.OUTAGE)


def title(eyes: Eyes, row: Allocation) -> str:
    if is_public(row) or eyes.knows(row.claim.member_id):
        return row.claim.title
    return eyes.gettext("Occupied")


def owner(eyes: Eyes, row: Allocation) -> str:
    """Not said of one's own: the block is marked as mine."""
    claim = row.claim
    if claim.member is None or eyes.owns(claim.member_id) or not eyes.knows(claim.member_id):
        return ""
    return claim.member.name


def is_explained(eyes: Eyes, row: Allocation, run: Run | None) -> bool:
    """What is planned, to whoever may know what it is."""
    live = {run.id: run} if run is not None else {}
    planned = block_word(row, live, eyes.now) in (BlockWord.TENTATIVE, BlockWord.FIRM)
    return planned and eyes.knows(row.claim.member_id)


def panel(
    eyes: Eyes,
    row: Allocation,
    run: Run | None,
    links: Links,
    stock: Stock,
    reasons: Sequence[Mapping[str, object]] = (),
) -> AllocationView:
    """The detail of one block; for whoever may not know more, that it is taken, where and how long. `reasons`: as
    `planner.explain` gives them, where it `is_explained`.
    """
    claim = row.claim
    known = eyes.knows(claim.member_id)
    live = {run.id: run} if run is not None else {}
    word = block_word(row, live, eyes.now)
    is_job = claim.kind is ClaimKind.JOB
    spool = next((s for s in stock.spools if s.material_id == claim.material_id), None)
    material = stock.material(spool.material if spool else None, claim.colour)
    planned = word in (BlockWord.TENTATIVE, BlockWord.FIRM)
    return AllocationView(
        id=str(row.id),
        title=title(eyes, row),
        word=word,
        kind="workshop" if claim.kind is ClaimKind.SESSION else claim.kind.value,
        resource_name=row.resource.name,
        start_at=row.start_at,
        end_at=row.end_at,
        owner_name=claim.member.name if known and claim.member is not None else "",
        project=claim.project.name if known and claim.project is not None else "",
        material=material if known and is_job else None,
        job_id=claim.id if known and is_job else "",
        early_at=claim.ready_from if known and planned else None,
        late_at=claim.ready_until if known and planned else None,
        progress=small.progress(eyes, run, _status(links, row.resource_id)) if run is not None else None,
        explanation=small.explanation(eyes, reasons, row.resource.name),
    )
