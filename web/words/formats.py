"""How times, amounts and sizes are written, in the lab's own time zone. French keeps its spaces unbroken."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from babel.core import Locale
from babel.dates import format_date, format_time, get_day_names
from babel.lists import format_list
from babel.numbers import format_currency, format_decimal, format_percent

NBSP = "\u00a0"
THIN = "\u202f"

#: Written-out pieces that Babel has no pattern for, by language.
_TODAY = {"en": "today", "fr": "aujourd’hui"}
_TOMORROW = {"en": "tomorrow", "fr": "demain"}
_YESTERDAY = {"en": "yesterday", "fr": "hier"}
_DAY = {"en": "EEEE", "fr": "EEEE"}
_DATE = {"en": "EEEE d MMMM", "fr": "EEEE d MMMM"}
_DATE_YEAR = {"en": "EEEE d MMMM y", "fr": "EEEE d MMMM y"}
_NOW = {"en": "just now", "fr": "à l’instant"}
_AGO = {"en": "{} ago", "fr": "il y a {}"}
_SIZES = (("GB", "Go", 1_000_000_000), ("MB", "Mo", 1_000_000), ("kB", "ko", 1_000))
NEAR_DAYS = 6


class Formats:
    """Every filter a page has. `now` is passed where the answer depends on it: nothing here asks the clock."""

    def __init__(self, language: str, zone: ZoneInfo) -> None:
        self.language = language
        self.zone = zone
        self.locale = Locale.parse("fr_FR" if language == "fr" else "en_GB")

    def local(self, at: datetime) -> datetime:
        return at.astimezone(self.zone)

    def clock(self, at: datetime) -> str:
        """ "14:20" """
        return format_time(self.local(at), "HH:mm", tzinfo=self.zone, locale=self.locale)

    def day(self, at: datetime | date, now: datetime) -> str:
        """ "today", "Thursday", or with its date when further than six days away."""
        day = self.local(at).date() if isinstance(at, datetime) else at
        today = self.local(now).date()
        away = (day - today).days
        for words, days in ((_TODAY, 0), (_TOMORROW, 1), (_YESTERDAY, -1)):
            if away == days:
                return words[self.language]
        this_year = _DATE if day.year == today.year else _DATE_YEAR
        pattern = _DAY if 0 < away <= NEAR_DAYS else this_year
        return format_date(day, pattern[self.language], locale=self.locale)

    def when(self, at: datetime, now: datetime) -> str:
        """ "Thursday 14:20" """
        return f"{self.day(at, now)} {self.clock(at)}"

    def weekday(self, number: int) -> str:
        """Monday is 0."""
        return str(get_day_names("wide", "stand-alone", self.locale)[number])

    def duration(self, seconds: float) -> str:
        """ "2 h 05", "35 min", "40 s"; a whole day and more: "1 d 3 h" """
        total = max(0, round(seconds))
        if total < 60:
            return f"{total}{NBSP}s"
        minutes = round(total / 60)
        if minutes < 60:
            return f"{minutes}{NBSP}min"
        hours, minutes = divmod(minutes, 60)
        if hours < 48:
            return f"{hours}{NBSP}h{NBSP}{minutes:02d}" if minutes else f"{hours}{NBSP}h"
        days, hours = divmod(hours, 24)
        unit = "j" if self.language == "fr" else "d"
        return f"{days}{NBSP}{unit}{NBSP}{hours}{NBSP}h" if hours else f"{days}{NBSP}{unit}"

    def ago(self, at: datetime, now: datetime) -> str:
        past = now - at
        if past < timedelta(seconds=5):
            return _NOW[self.language]
        return _AGO[self.language].format(self.duration(past.total_seconds()))

    def money(self, cents: int, currency: str = "EUR") -> str:
        return format_currency(cents / 100, currency, locale=self.locale)

    def grams(self, weight_g: float) -> str:
        return f"{self.decimal(weight_g, 0 if abs(weight_g) >= 100 else 1)}{NBSP}g"

    def decimal(self, value: float, digits: int = 2) -> str:
        """A number with at most `digits` decimals, no zeros behind."""
        return str(format_decimal(round(value, digits), "#,##0.####", locale=self.locale))

    def number(self, value: int) -> str:
        return str(format_decimal(value, locale=self.locale))

    def percent(self, fraction: float) -> str:
        return str(format_percent(fraction, locale=self.locale))

    def size(self, size_bytes: int) -> str:
        """In thousands, as shops and browsers count."""
        for english, french, unit in _SIZES:
            if size_bytes >= unit:
                value = self.decimal(size_bytes / unit, 0 if size_bytes >= 10 * unit else 1)
                return f"{value}{NBSP}{french if self.language == 'fr' else english}"
        return f"{size_bytes}{NBSP}{'octets' if self.language == 'fr' else 'bytes'}"

    def listed(self, items: list[str]) -> str:
        """ "a, b and c" """
        return format_list(items, locale=self.locale)
