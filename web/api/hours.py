"""The house's hours: what they are, and changing them, with who would move asked first."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from fablab.base.database import Database
from fablab.base.errors import Invalid
from fablab.base.intervals import parse_spans
from fablab.people.access import SignedIn
from fablab.places import hours
from fablab.places.hours import Change, Differs, Reopen, Shut, Usual
from fablab.places.models import HoursKind
from scheduler.planner import timetable
from web.api.answer import instant
from web.api.plan import ForecastOut, forecast_out
from web.security import Access, Right
from web.words import Words

Written = Annotated[str, msgspec.Meta(max_length=80)]


class DayOut(msgspec.Struct, frozen=True, kw_only=True):
    """`hours`: "10:00-12:30, 14:00-18:00"; empty: not at all."""

    day: date
    kind: str
    hours: str


class ClosureOut(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    name: str
    start_at: datetime
    end_at: datetime


class HoursOut(msgspec.Struct, frozen=True, kw_only=True):
    """`week`: by kind (open, staffed) the hours of Monday to Sunday; `days`: those to come that differ."""

    week: dict[str, list[str]]
    days: tuple[DayOut, ...]
    closures: tuple[ClosureOut, ...]


class ChangeIn(msgspec.Struct, frozen=True, kw_only=True):
    """One of: `weekday` (0 is Monday) with `kind` and `hours`; `day` with `kind` and `hours` (null: as usual again);
    `start_at`, `end_at` and `name` of a closure; `reopen`, a closure's id."""

    kind: HoursKind | None = None
    weekday: int | None = None
    day: date | None = None
    hours: Written | None = None
    start_at: str | None = None
    end_at: str | None = None
    name: str = ""
    reopen: int | None = None


class StaysOut(msgspec.Struct, frozen=True, kw_only=True):
    """Given to somebody, and it would lie outside the hours: nothing moves it."""

    title: str
    resource: int
    start_at: datetime
    end_at: datetime


class ForeseenOut(msgspec.Struct, frozen=True, kw_only=True):
    forecast: ForecastOut
    stays: tuple[StaysOut, ...]


class ChangedOut(msgspec.Struct, frozen=True, kw_only=True):
    """`told`: how many owners of jobs were told of a move."""

    told: int


@get("/hours", access=Access.SIGNED_IN, sync_to_thread=True, tags=["house"])
def get_hours(database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]) -> HoursOut:
    with database.read(signed_in.actor) as uow:
        return HoursOut(
            week={kind.value: [_text(each) for each in days] for kind, days in hours.week(uow).items()},
            days=tuple(
                DayOut(day=day, kind=kind.value, hours=_text(spans))
                for (day, kind), spans in hours.differing(uow).items()
            ),
            closures=tuple(
                ClosureOut(id=row.id, name=row.name, start_at=row.start_at, end_at=row.end_at)
                for row in hours.closures(uow)
            ),
        )


@post("/hours/forecast", access=Right.OPERATE, sync_to_thread=True, status_code=200, tags=["house"])
def foresee(
    data: JSONBody[ChangeIn],
    database: NamedDependency[Database],
    signed_in: NamedDependency[SignedIn],
    words: NamedDependency[Words],
) -> ForeseenOut:
    """Who would have to move. Nothing is changed."""
    found = timetable.foresee(database, signed_in.actor, _change(data))
    stays = tuple(
        StaysOut(title=row.title, resource=row.resource_id, start_at=row.start_at, end_at=row.end_at)
        for row in found.stays
    )
    return ForeseenOut(forecast=forecast_out(found.forecast, signed_in.actor, words), stays=stays)


@post("/hours", access=Right.OPERATE, sync_to_thread=True, status_code=200, tags=["house"])
def change(
    data: JSONBody[ChangeIn], database: NamedDependency[Database], signed_in: NamedDependency[SignedIn]
) -> ChangedOut:
    """Jobs that cannot stay move at once. The usual week is an administrator's."""
    wish = _change(data)
    return ChangedOut(told=database.write(lambda uow: timetable.change(uow, wish), signed_in.actor))


def _change(data: ChangeIn) -> Change:
    if data.reopen is not None and abs(data.reopen) < 2**31:
        return Reopen(closure_id=data.reopen)
    if data.start_at is not None or data.end_at is not None:
        start_at, end_at = instant(data.start_at, "start_at"), instant(data.end_at, "end_at")
        if start_at is None or end_at is None:
            raise Invalid("time.wrong", field="start_at" if start_at is None else "end_at", text="")
        return Shut(start_at=start_at, end_at=end_at, name=data.name)
    if data.kind is None:
        raise Invalid(field="kind")
    spans = None if data.hours is None else parse_spans(data.hours)
    if data.weekday is not None:
        return Usual(kind=data.kind, weekday=data.weekday, spans=spans or ())
    if data.day is None:
        raise Invalid("time.wrong", field="day", text="")
    return Differs(day=data.day, kind=data.kind, spans=spans)


def _text(spans: hours.Spans) -> str:
    return ", ".join(f"{opens:%H:%M}-{closes:%H:%M}" for opens, closes in spans)


ROUTES = (get_hours, foresee, change)
