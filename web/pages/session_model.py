"""What the pages of a session's day show, worked out and in words."""

from __future__ import annotations

from dataclasses import dataclass

from web.pages.people_model import Mark, Option


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanRow:
    since: str
    until: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundRow:
    """`groups`: by station, empty where nobody is."""

    times: str
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PieceRow:
    """`name`: of its label, as long as there is one. `said`: where it is made, or when it will be ready."""

    number: int
    name: str
    mark: Mark
    said: str
    href: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CountRow:
    word: str
    label: str
    people: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisView:
    name: str
    label: str
    rows: tuple[CountRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionRow:
    name: str
    label: str
    mean: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemRow:
    said: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DayView:
    id: str
    title: str
    subtitle: str
    mark: Mark
    day: str
    times: str
    facts: tuple[tuple[str, str], ...]
    accessibility: str
    timetable: tuple[SpanRow, ...]
    stations: tuple[str, ...]
    rounds: tuple[RoundRow, ...]
    steps: tuple[str, ...]
    materials: tuple[str, ...]
    pieces: tuple[PieceRow, ...]
    pieces_said: str
    machines: tuple[Option, ...]
    held: tuple[Option, ...]
    problems: tuple[ProblemRow, ...]
    people: int
    adults: int
    axes: tuple[AxisView, ...]
    is_counted: bool
    is_open: bool  # files, machines, problems and counting
    has_begun: bool
    is_over: bool  # delivered
    is_closed: bool
    charged: str
    survey_path: str
    survey_said: str
    questions: tuple[QuestionRow, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SoonRow:
    href: str
    title: str
    day: str
    times: str
    meta: tuple[str, ...]
    mark: Mark
    prepare: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WeekDay:
    name: str
    staffed: str
    is_today: bool
    mine: tuple[SoonRow, ...]
    others: tuple[SoonRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WeekView:
    title: str
    before: str
    after: str
    days: tuple[WeekDay, ...]
    is_empty: bool
