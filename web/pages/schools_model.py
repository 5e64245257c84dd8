"""What the schools' pages are given: the form, the thread of a request and the staff's list, in the reader's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from web.pages.people_model import Mark, Option


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkshopCard:
    """`people`: "8 to 24 pupils"; `price`: what a school pays, in words; `icon`: of the sheet of icons."""

    slug: str
    title: str
    summary: str
    take_home: str
    duration_s: int
    people: str
    price: str
    icon: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FormView:
    """`typed`: what was sent, put back; `errors`: by the name of a field, "" for the form as a whole."""

    workshops: tuple[WorkshopCard, ...]
    levels: tuple[Option, ...]
    weekdays: tuple[Option, ...]
    months: tuple[Option, ...]
    halves: tuple[Option, ...]
    first_day: str
    last_day: str
    typed: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    """`state`: done, now or next; `said`: when it was reached, in words."""

    word: str
    state: str
    said: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryView:
    """One dated line. `side`: school, lab or house (the program itself). `said`: what happened; `text`: what was
    written; `details`: what belongs to it, a line each. `file`: the name of what was sent, `file_path` where it is.
    `link`: a page of the house that belongs to it."""

    id: int
    at: datetime
    who: str
    side: str
    code: str
    icon: str
    tone: str
    said: str
    text: str = ""
    details: tuple[str, ...] = ()
    file: str = ""
    file_path: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DateView:
    """`why`: the reasons for this one; `where`: room, machines and people in words."""

    rank: int
    start_at: datetime
    end_at: datetime
    state: str
    why: tuple[str, ...]
    where: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MissView:
    """A date that was wished for and cannot be, and why not."""

    day: str
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRow:
    label: str
    detail: str
    amount: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceView:
    lines: tuple[PriceRow, ...]
    total: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperView:
    """A document to fetch."""

    href: str
    label: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BillView:
    """What the form of the invoice is filled with: of the customer, and of the house (`seller_*`)."""

    fields: Mapping[str, str]
    total: str
    payer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadView:
    """`base`: the address under which its acts stand. `held`: the date that is kept until `hold_until`, or given.
    `can`: what may be done with it by whoever looks. `bill`: while an invoice can be made; `standing`: the number of the
    one that can be cancelled."""

    id: str
    base: str
    is_staff: bool
    title: str
    school: str
    mark: Mark
    state: str
    steps: tuple[StepView, ...]
    lead: str
    countdown: str
    hold_until: datetime | None
    held: DateView | None
    dates: tuple[DateView, ...]
    wishes: tuple[str, ...]
    asked: tuple[tuple[str, str], ...]
    contact: tuple[tuple[str, str], ...]
    price: PriceView | None
    papers: tuple[PaperView, ...]
    entries: tuple[EntryView, ...]
    can: frozenset[str]
    day_href: str = ""
    bill: BillView | None = None
    standing: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRow:
    """`waits`: for whom it waits and since when, in words; `on_us`: it is the lab's turn."""

    id: str
    href: str
    school: str
    title: str
    people: str
    when: str
    mark: Mark
    waits: str
    on_us: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestsView:
    """`filters`: name, word and how many; `text`: what was searched for."""

    rows: tuple[RequestRow, ...]
    filters: tuple[tuple[str, str, int], ...]
    chosen: str
    text: str
    is_empty: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewView:
    """What would move: (what, now, then) by row, and the date as the form sends it."""

    rows: tuple[tuple[str, str, str], ...]
    said: str
    date: str
