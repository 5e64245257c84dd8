"""School breaks against the ministry's own calendars, zones, and public holidays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from fablab.places.terms import (
    ZONES,
    BreakName,
    Feast,
    Zone,
    breaks,
    public_holiday,
    school_break,
    zone_of,
)

DAY = timedelta(days=1)
YEARS: dict[str, Any] = json.loads((Path(__file__).parent / "school_years.json").read_text())["years"]


def days(first: date, last: date) -> Iterator[date]:
    while first <= last:
        yield first
        first += DAY


def read(said: str) -> date:
    return date.fromisoformat(said)


@pytest.mark.parametrize("zone", Zone)
@pytest.mark.parametrize("year", YEARS)
def test_the_breaks_of_a_school_year_are_the_official_ones(year: str, zone: Zone) -> None:
    stated = YEARS[year]
    expected = {**stated["all"], **stated[zone]}
    start, summer = read(stated["start"]), read(stated["summer"])
    found = {each.name: each for each in breaks(zone, start, summer)}
    assert {name: [each.after.isoformat(), each.back.isoformat()] for name, each in found.items()} == {
        **expected,
        # Days stated one by one, beside the Thursday that is a public holiday and the Sunday.
        BreakName.ASCENSION: [
            (read(stated["no_class"][0]) - 2 * DAY).isoformat(),
            (read(stated["no_class"][-1]) + 2 * DAY).isoformat(),
        ],
    }


@pytest.mark.parametrize("zone", Zone)
@pytest.mark.parametrize("year", YEARS)
def test_every_day_of_a_school_year_is_free_or_not_as_officially_stated(year: str, zone: Zone) -> None:
    stated = YEARS[year]
    spans = [(read(after), read(back)) for after, back in {**stated["all"], **stated[zone]}.values()]
    single = {read(day) for day in stated["no_class"]}
    start, summer = read(stated["start"]), read(stated["summer"])
    for day in days(start, summer):
        is_free = day in single or any(after < day < back for after, back in spans)
        known = school_break(zone, day)
        # What the bridge of Ascension adds are the public holiday before it and the Sunday after it.
        if known is not None and known.name is BreakName.ASCENSION and day not in single:
            assert public_holiday(day) is Feast.ASCENSION or day.weekday() == 6
            continue
        assert (known is not None) == is_free, day


@pytest.mark.parametrize("zone", Zone)
@pytest.mark.parametrize(("ended", "begun"), [("2024-2025", "2025-2026"), ("2025-2026", "2026-2027")])
def test_summer_lies_between_two_school_years(ended: str, begun: str, zone: Zone) -> None:
    after, back = read(YEARS[ended]["summer"]), read(YEARS[begun]["start"])
    (summer,) = [each for each in breaks(zone, after, back) if each.name is BreakName.SUMMER]
    assert (summer.after, summer.back) == (after, back)


def test_the_stated_days_of_a_break_are_days_of_class() -> None:
    assert school_break(Zone.B, date(2027, 2, 20)) is None  # after class of that Saturday
    assert school_break(Zone.B, date(2027, 2, 22)) is not None
    assert school_break(Zone.B, date(2027, 3, 8)) is None


def test_who_has_no_zone_has_no_break() -> None:
    assert school_break(None, date(2027, 2, 22)) is None


def test_years_without_a_calendar_have_no_breaks() -> None:
    assert breaks(Zone.A, date(2060, 1, 1), date(2060, 12, 31)) == ()


@pytest.mark.parametrize(
    ("postcode", "zone"),
    [
        ("62400", Zone.B),  # Béthune
        ("59000", Zone.B),
        ("69001", Zone.A),
        ("75012", Zone.C),
        ("34000", Zone.C),
        ("01000", Zone.A),
        ("20000", None),  # Ajaccio
        ("97400", None),
        ("6240", None),
        ("", None),
    ],
)
def test_a_postcode_says_the_zone(postcode: str, zone: Zone | None) -> None:
    assert zone_of(postcode=postcode) is zone


def test_the_number_of_a_school_goes_before_its_postcode() -> None:
    assert zone_of(postcode="69001", uai="0620001A") is Zone.B


def test_all_departments_of_the_mainland_but_corsica_have_one_zone() -> None:
    assert sorted(ZONES) == [f"{number:02}" for number in range(1, 96) if number != 20]


def test_the_eleven_public_holidays_of_a_year() -> None:
    found = {
        day: feast for day in days(date(2027, 1, 1), date(2027, 12, 31)) if (feast := public_holiday(day))
    }
    assert found == {
        date(2027, 1, 1): Feast.NEW_YEAR,
        date(2027, 3, 29): Feast.EASTER_MONDAY,
        date(2027, 5, 1): Feast.LABOUR_DAY,
        date(2027, 5, 6): Feast.ASCENSION,
        date(2027, 5, 8): Feast.VICTORY_DAY,
        date(2027, 5, 17): Feast.WHIT_MONDAY,
        date(2027, 7, 14): Feast.NATIONAL_DAY,
        date(2027, 8, 15): Feast.ASSUMPTION,
        date(2027, 11, 1): Feast.ALL_SAINTS,
        date(2027, 11, 11): Feast.ARMISTICE,
        date(2027, 12, 25): Feast.CHRISTMAS,
    }


def test_alsace_and_moselle_rest_on_two_days_more() -> None:
    good_friday, saint_stephen = date(2027, 3, 26), date(2027, 12, 26)
    for department in ("57", "67", "68"):
        assert public_holiday(good_friday, department=department) is Feast.GOOD_FRIDAY
        assert public_holiday(saint_stephen, department=department) is Feast.SAINT_STEPHEN
    assert public_holiday(good_friday) is None


def test_every_holiday_of_thirty_years_has_its_name() -> None:
    for year in range(2024, 2054):
        assert public_holiday(date(year, 1, 1), department="67") is Feast.NEW_YEAR
