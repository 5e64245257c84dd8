"""The hours as the page shows them: fields that say what they say, and what a change would move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from fablab.base.database import UnitOfWork
from fablab.base.errors import Invalid, LabError
from fablab.people.access import Right, allows
from fablab.places import hours, house
from fablab.places.models import HoursKind
from scheduler.planner.timetable import Foreseen
from web.pages import show_hand
from web.pages.eyes import Eyes
from web.pages.hand_model import MovedView
from web.words import hand as said

MONDAY = date(2024, 1, 1)  # any Monday: its week names the days


@dataclass(frozen=True, slots=True, kw_only=True)
class WeekdayView:
    """`fields`: name and value of the field, by kind of hours."""

    label: str
    fields: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DayView:
    day: date
    kind: str
    label: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosureView:
    id: int
    name: str
    start_at: datetime
    end_at: datetime
    is_now: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StaysView:
    title: str
    owner_name: str
    start_at: datetime
    end_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeseenView:
    """`fields` bring the change back with the confirmation."""

    fields: tuple[tuple[str, str], ...]
    summary: str
    displaced: tuple[MovedView, ...]
    stays: tuple[StaysView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HoursView:
    """`values`: what was typed, by field, so that a refusal loses nothing; `what`: the form it was typed into."""

    kinds: tuple[tuple[str, str], ...]
    week: tuple[WeekdayView, ...]
    days: tuple[DayView, ...]
    closures: tuple[ClosureView, ...]
    today: date
    may_set_week: bool
    what: str
    values: Mapping[str, str]
    errors: Mapping[str, str]
    foreseen: ForeseenView | None


def view(
    eyes: Eyes, uow: UnitOfWork, form: Mapping[str, str], *, found: Foreseen | None, error: LabError | None
) -> HoursView:
    words, week = eyes.words, hours.week(uow)
    values = {name: value[:200] for name, value in form.items()}
    fields = {error.field or "": words.error(error)} if isinstance(error, Invalid) else {}
    return HoursView(
        kinds=tuple((kind.value, words.word("hours_kind", kind)) for kind in HoursKind),
        week=tuple(_weekday(eyes, number, week, values) for number in range(7)),
        days=tuple(
            DayView(
                day=day,
                kind=kind.value,
                label=words.word("hours_kind", kind),
                text=written(spans) or eyes.gettext("shut"),
            )
            for (day, kind), spans in hours.differing(uow).items()
        ),
        closures=tuple(
            ClosureView(
                id=row.id,
                name=row.name,
                start_at=row.start_at,
                end_at=row.end_at,
                is_now=row.start_at <= uow.now,
            )
            for row in hours.closures(uow)
        ),
        today=house.today(uow),
        may_set_week=allows(eyes.actor, Right.MANAGE),
        what=values.get("what", ""),
        values=values,
        errors=fields,
        foreseen=_foreseen(eyes, form, found) if found is not None else None,
    )


def written(spans: hours.Spans) -> str:
    """As it is typed: "10:00-12:30, 14:00-18:00"."""
    return ", ".join(f"{opens:%H:%M}-{closes:%H:%M}" for opens, closes in spans)


def _weekday(
    eyes: Eyes, number: int, week: Mapping[HoursKind, tuple[hours.Spans, ...]], values: Mapping[str, str]
) -> WeekdayView:
    names = [(kind, f"{kind.value}-{number}") for kind in HoursKind]
    return WeekdayView(
        label=eyes.words.formats.weekday(number),
        fields=tuple(
            (name, values.get(name, written(week[kind][number])), eyes.words.word("hours_kind", kind))
            for kind, name in names
        ),
    )


def _foreseen(eyes: Eyes, form: Mapping[str, str], found: Foreseen) -> ForeseenView:
    return ForeseenView(
        fields=tuple((name, value[:200]) for name, value in form.items() if name not in ("csrf", "sure")),
        summary=said.summary(eyes.words, found.forecast),
        displaced=show_hand.displaced(eyes, found.forecast),
        stays=tuple(
            StaysView(
                title=each.title if eyes.knows(each.member_id) else eyes.gettext("Occupied"),
                owner_name=each.owner if eyes.knows(each.member_id) else "",
                start_at=each.start_at,
                end_at=each.end_at,
            )
            for each in found.stays
        ),
    )
