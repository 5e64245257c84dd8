"""What the agenda's pages are given: frozen views with every sentence in the reader's language."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from web.pages.people_model import Mark, Option


@dataclass(frozen=True, slots=True, kw_only=True)
class DateView:
    """One public date, as a row of the list and as the head of its own page. `day`, `month`: as a calendar leaf has
    them; `seats`: how it stands; `facts`: time, room, price."""

    id: str
    title: str
    summary: str
    take_home: str
    kind: str
    day: str
    month: str
    weekday: str
    when: str
    times: str
    facts: tuple[str, ...]
    seats: Mark
    rooms: str
    price: str
    note: str
    partner: str
    audiences: str
    level: str
    open: bool
    cancelled: bool
    over: bool
    full: bool
    least: str
    iso: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthView:
    name: str
    dates: tuple[DateView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgendaView:
    months: tuple[MonthView, ...]
    kinds: tuple[Option, ...]
    audiences: tuple[Option, ...]
    month_options: tuple[Option, ...]
    kind: str
    audience: str
    month: str
    free: bool
    chosen: bool
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MineView:
    """One's own registration. `until`: until when a freed seat is held."""

    id: str
    state: Mark
    sentence: str
    seats: int
    held: bool
    may_leave: bool
    confirmed: bool
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OneView:
    date: DateView
    most: int
    member: bool
    name: str
    mine: MineView | None
    json_ld: Markup


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestRow:
    id: str
    name: str
    email: str
    seats: int
    mark: Mark
    meta: tuple[str, ...]
    came: int
    ticked: bool
    live: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HallView:
    """A date as the staff sees it."""

    date: DateView
    holds: tuple[str, ...]
    holding: tuple[str, ...]
    rows: tuple[GuestRow, ...]
    gone: int
    coming: int
    waiting: int
    capacity: int
    least: int
    decides: str
    start: str
    more: int
    people: int
    ticks: bool
    counted: bool
    planned: bool
    options: tuple[Option, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DatesView:
    """The staff's list, and the form for one more."""

    months: tuple[MonthView, ...]
    past: tuple[DateView, ...]
    workshops: tuple[Option, ...]
    holds: tuple[Option, ...]
