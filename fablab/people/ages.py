"""How old somebody is, and what follows from it."""

from __future__ import annotations

from datetime import date

from fablab.base.errors import Invalid

CONSENT_AGE = 15  # loi Informatique et Libertés, article 45: younger ones with a parent's consent
ADULT_AGE = 18
OLDEST = 120


def age_on(born_on: date, day: date) -> int:
    """In whole years. Who was born on a 29 February is a year older on the 1 March of other years."""
    return day.year - born_on.year - ((day.month, day.day) < (born_on.month, born_on.day))


def is_minor(born_on: date | None, day: date) -> bool:
    """Whoever never said when they were born counts as of age."""
    return born_on is not None and age_on(born_on, day) < ADULT_AGE


def check_born_on(born_on: date, today: date) -> None:
    """Raises `Invalid` member.born_on for what cannot be."""
    if born_on > today or age_on(born_on, today) > OLDEST:
        raise Invalid("member.born_on", field="born_on")
