"""When schools have no class and when the country rests: the zones A, B and C, their breaks, the public holidays.

A break begins after class on a stated day and is over on the morning of another (arrêtés on the school calendar, code de
l'éducation L521-1): both stated days are days of class. Corsica and the territories overseas make calendars of their
own, which nobody here knows: they have no zone.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import cache, lru_cache

import holidays
from vacances_scolaires_france import SchoolHolidayDates

_DAY = timedelta(days=1)


class Zone(StrEnum):
    A = "A"
    B = "B"
    C = "C"


class BreakName(StrEnum):
    AUTUMN = "autumn"
    CHRISTMAS = "christmas"
    WINTER = "winter"
    SPRING = "spring"
    ASCENSION = "ascension"
    SUMMER = "summer"


class Feast(StrEnum):
    """Public holidays of the code du travail L3133-1, and the two more of Alsace and Moselle (L3134-13)."""

    NEW_YEAR = "new_year"
    GOOD_FRIDAY = "good_friday"
    EASTER_MONDAY = "easter_monday"
    LABOUR_DAY = "labour_day"
    VICTORY_DAY = "victory_day"
    ASCENSION = "ascension"
    WHIT_MONDAY = "whit_monday"
    NATIONAL_DAY = "national_day"
    ASSUMPTION = "assumption"
    ALL_SAINTS = "all_saints"
    ARMISTICE = "armistice"
    CHRISTMAS = "christmas"
    SAINT_STEPHEN = "saint_stephen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """No class on the days between `after` and `back`; on these two there is."""

    name: BreakName
    after: date
    back: date

    def covers(self, day: date) -> bool:
        return self.after < day < self.back


#: Départements by zone, from the académies that the arrêté of each school year names for it.
_DEPARTMENTS: dict[Zone, str] = {
    # Besançon, Bordeaux, Clermont-Ferrand, Dijon, Grenoble, Limoges, Lyon, Poitiers
    Zone.A: "25 39 70 90  24 33 40 47 64  03 15 43 63  21 58 71 89  07 26 38 73 74  19 23 87  01 42 69  16 17 79 86",
    # Aix-Marseille, Amiens, Lille, Nancy-Metz, Nantes, Nice, Normandie, Orléans-Tours, Reims, Rennes, Strasbourg
    Zone.B: "04 05 13 84  02 60 80  59 62  54 55 57 88  44 49 53 72 85  06 83  14 27 50 61 76  18 28 36 37 41 45 "
    "08 10 51 52  22 29 35 56  67 68",
    # Créteil, Montpellier, Paris, Toulouse, Versailles
    Zone.C: "77 93 94  11 30 34 48 66  75  09 12 31 32 46 65 81 82  78 91 92 95",
}
ZONES: dict[str, Zone] = {code: zone for zone, codes in _DEPARTMENTS.items() for code in codes.split()}

_NAMES = {
    "Vacances de la Toussaint": BreakName.AUTUMN,
    "Vacances de Noël": BreakName.CHRISTMAS,
    "Vacances d'hiver": BreakName.WINTER,
    "Vacances de printemps": BreakName.SPRING,
    "Pont de l'Ascension": BreakName.ASCENSION,
    "Vacances d'été": BreakName.SUMMER,
}

#: The Friday after Ascension, on which and on whose morrow there is no class by the arrêté of 7 December 2022. The
#: library (0.12) has this break for 2019 to 2022, 2027 and 2028 only.
_BRIDGES = (date(2024, 5, 10), date(2025, 5, 30), date(2026, 5, 15))

_FEASTS = {
    "New Year's Day": Feast.NEW_YEAR,
    "Good Friday": Feast.GOOD_FRIDAY,
    "Easter Monday": Feast.EASTER_MONDAY,
    "Labor Day": Feast.LABOUR_DAY,
    "Victory Day": Feast.VICTORY_DAY,
    "Ascension Day": Feast.ASCENSION,
    "Pentecost Monday": Feast.WHIT_MONDAY,
    "National Day": Feast.NATIONAL_DAY,
    "Assumption Day": Feast.ASSUMPTION,
    "All Saints' Day": Feast.ALL_SAINTS,
    "Armistice Day": Feast.ARMISTICE,
    "Christmas Day": Feast.CHRISTMAS,
    "Saint Stephen's Day": Feast.SAINT_STEPHEN,
}
_LOCAL = {"57": "57", "67": "6AE", "68": "6AE"}  # département to the library's name for its own holidays


def department_of(postcode: str) -> str | None:
    """Its first two digits. A few villages on a border have their post from the other side of it: where a school's UAI
    is known, `zone_of` goes by that."""
    found = re.fullmatch(r"\s*(\d{2})\d{3}\s*", postcode, re.ASCII)
    return found[1] if found else None


def zone_of(*, postcode: str = "", uai: str = "") -> Zone | None:
    """Of a school, by its UAI, whose first three digits are the département, or else by its postcode. None: unknown, or
    one that has no zone."""
    found = re.fullmatch(r"\s*0(\d{2})\d{4}[A-Za-z]\s*", uai, re.ASCII)
    return ZONES.get((found[1] if found else department_of(postcode)) or "")


def breaks(zone: Zone, first: date, last: date) -> tuple[Break, ...]:
    """Those that take a day of [first, last], by date; none where no calendar has been published for that year."""
    return tuple(each for each in _breaks()[zone] if each.after < last and first < each.back)


def school_break(zone: Zone | None, day: date) -> Break | None:
    """The break that leaves this day without class."""
    if zone is None:
        return None
    known = _breaks()[zone]
    at = bisect_right(known, day, key=lambda each: each.after) - 1
    return known[at] if at >= 0 and known[at].covers(day) else None


def public_holiday(day: date, *, department: str | None = None) -> Feast | None:
    """`department`: two digits; Alsace and Moselle rest on two days more."""
    return _feasts(day.year, _LOCAL.get(department or "")).get(day)


@lru_cache(maxsize=64)
def _feasts(year: int, subdivision: str | None) -> Mapping[date, Feast]:
    found = holidays.country_holidays("FR", subdiv=subdivision, years=year, language="en_US")
    # Two may meet on one day, as on 1 May 2008: the first is named.
    return {day: _FEASTS[name.split("; ")[0]] for day, name in found.items()}


@cache
def _breaks() -> Mapping[Zone, tuple[Break, ...]]:
    """All there are, by zone and date: the library's days, drawn together."""
    calendar = SchoolHolidayDates()
    bridges = [Break(name=BreakName.ASCENSION, after=day - 2 * _DAY, back=day + 3 * _DAY) for day in _BRIDGES]
    return {
        zone: tuple(sorted([*_drawn(calendar, zone), *bridges], key=lambda each: each.after)) for zone in Zone
    }


def _drawn(calendar: SchoolHolidayDates, zone: Zone) -> Iterator[Break]:
    column = calendar.zone_key(zone.value)
    days = sorted(day for day, row in calendar.data.items() if row[column])
    first: date | None = None
    for at, day in enumerate(days):
        first = first or day
        name = calendar.data[day]["nom_vacances"]
        is_last = at + 1 == len(days) or days[at + 1] > day + _DAY
        if is_last or calendar.data[days[at + 1]]["nom_vacances"] != name:
            yield _break(_NAMES[name], first, day)
            first = None


def _break(name: BreakName, first: date, last: date) -> Break:
    """The library counts the stated Saturday as the first day without class, but names those around Ascension truly."""
    after = first - _DAY if name is BreakName.ASCENSION else first
    back = last + _DAY
    return Break(name=name, after=after, back=back + _DAY if back.weekday() == 6 else back)
