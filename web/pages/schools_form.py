"""The public request form: what was typed becomes a request, and every answer that is not clear is said at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TypeVar

from fablab.base.errors import Invalid
from fablab.claims.workshops.asking import Half, Request, Wish
from fablab.claims.workshops.words import SchoolLevel
from fablab.people.members import clean_email

T = TypeVar("T")

#: What is put back into the form; nothing else is.
FIELDS = (
    "workshop",
    "level",
    "people",
    "adults",
    "when",
    "day1",
    "day2",
    "day3",
    "weekday",
    "month",
    "half",
    "school",
    "place",
    "number",
    "contact",
    "email",
    "phone",
    "accessibility",
)
FIELD_LIMIT = 1000
#: So far ahead people plan; the calendar of schools is known for longer.
MONTHS_AHEAD = 12
SCHOOL_DAYS = range(5)


@dataclass
class Reading:
    """What was typed, read answer by answer; the first thing that is wrong with each is kept."""

    form: Mapping[str, str]
    errors: dict[str, Invalid] = field(default_factory=dict)

    def read(self, how: Callable[[], T], otherwise: T) -> T:
        try:
            return how()
        except Invalid as error:
            self.errors.setdefault(error.field or "", error)
            return otherwise

    def text(self, name: str) -> str:
        return self.form.get(name, "").strip()

    def needed(self, name: str) -> str:
        said = self.text(name)
        if not said:
            self.errors.setdefault(name, Invalid(f"request.no_{name}", field=name))
        return said


def typed(form: Mapping[str, str]) -> dict[str, str]:
    return {name: form[name][:FIELD_LIMIT] for name in FIELDS if name in form}


def read(
    form: Mapping[str, str], language: str, *, by_staff: bool = False
) -> tuple[Request, dict[str, Invalid]]:
    """The request, and what is wrong by field: with anything there, the request is none to ask with.

    `by_staff`: for a school on the telephone, which may have no address.
    """
    reading = Reading(form=form)
    request = Request(
        workshop=reading.needed("workshop"),
        level=reading.read(lambda: _level(reading), SchoolLevel.OTHER),
        people=reading.read(lambda: _count(reading, "people", "request.no_people"), 0),
        adults=reading.read(lambda: _count(reading, "adults", ""), 0),
        wishes=reading.read(lambda: wishes_in(form), ()),
        school=reading.needed("school"),
        place=reading.text("place"),
        number=reading.text("number"),
        contact=reading.needed("contact"),
        email=reading.read(lambda: _email(reading, by_staff=by_staff), ""),
        phone=reading.text("phone"),
        accessibility=reading.text("accessibility"),
        language=language,
    )
    order = [*FIELDS[:4], "wishes", *FIELDS[4:]]
    found = sorted(reading.errors.items(), key=lambda item: order.index(item[0]) if item[0] in order else -1)
    return request, dict(found)


def _email(reading: Reading, *, by_staff: bool) -> str:
    said = reading.text("email")
    return "" if by_staff and not said else clean_email(said)


def _level(reading: Reading) -> SchoolLevel:
    try:
        return SchoolLevel(reading.text("level"))
    except ValueError:
        raise Invalid("request.no_level", field="level") from None


def _count(reading: Reading, name: str, missing: str) -> int:
    """`missing`: what is said where nothing is; "" where nothing means none."""
    said = reading.text(name)
    if not said and not missing:
        return 0
    if not (said.isascii() and said.isdigit() and len(said) < 5):
        raise Invalid("request.no_people", field=name)
    return int(said)


def wishes_in(form: Mapping[str, str]) -> tuple[Wish, ...]:
    """What was wished for. Raises `Invalid` with the field it is about."""
    try:
        half = Half(form.get("half") or "any")
    except ValueError:
        raise Invalid("choice.unknown", field="half") from None
    if form.get("when") == "weekday":
        return _weekdays(form, half)
    days = [_day(form[name]) for name in ("day1", "day2", "day3") if form.get(name, "").strip()]
    if not days:
        raise Invalid("request.no_date", field="wishes")
    return tuple(Wish(day=day, half=half) for day in dict.fromkeys(days))


def _day(said: str) -> date:
    try:
        return date.fromisoformat(said.strip())
    except ValueError:
        raise Invalid("day.wrong", field="wishes") from None


def _weekdays(form: Mapping[str, str], half: Half) -> tuple[Wish, ...]:
    said, month = form.get("weekday", ""), form.get("month", "")
    if said and (len(said) != 1 or said not in "0123456"):
        raise Invalid("choice.unknown", field="weekday")
    if not re.fullmatch(r"20[0-9]{2}-(0[1-9]|1[0-2])", month, re.ASCII):
        raise Invalid("request.no_month", field="month")
    first = date.fromisoformat(f"{month}-01")
    last = month_end(first)
    days = (int(said),) if said else SCHOOL_DAYS
    return tuple(Wish(weekday=day, since=first, until=last, half=half) for day in days)


def month_end(first: date) -> date:
    return (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def months(today: date) -> list[date]:
    """The first days of this month and of those that follow."""
    found = [today.replace(day=1)]
    while len(found) <= MONTHS_AHEAD:
        found.append((found[-1] + timedelta(days=31)).replace(day=1))
    return found
