"""The words of a letter: those of the pages, but with whole dates, because "tomorrow" is read the day after."""

from __future__ import annotations

from datetime import date, datetime

from babel.dates import format_date

from web.words import Words


class LetterWords(Words):
    """ "Thursday 26 November 14:20", and the year where it is not this one."""

    def day(self, at: datetime | date) -> str:
        day = self.formats.local(at).date() if isinstance(at, datetime) else at
        this_year = day.year == self.formats.local(self.now()).year
        return format_date(day, "EEEE d MMMM" if this_year else "EEEE d MMMM y", locale=self.formats.locale)

    def when(self, at: datetime) -> str:
        return f"{self.day(at)} {self.clock(at)}"
