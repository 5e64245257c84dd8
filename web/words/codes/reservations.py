"""Reservations and series of them, arrivals, waiting lists: their codes in English."""

from __future__ import annotations


def _(message: str) -> str:
    """Marks a sentence for extraction; it is translated when it is said."""
    return message


SENTENCES: dict[str, str] = {
    # What the reserving pages ask for.
    "reserve.what": _("Choose what you need."),
    "reserve.length": _("Say how long: from five minutes to two weeks."),
    "reserve.day": _("Choose a day from today on."),
    "reserve.window": _("The end lies before the start, or is over already."),
    "reserve.too_short": _("That is too little time for so long a use."),
    "reserve.end": _("The end must come after the start."),
    "reserve.number": _("A whole number, please."),
    "reserve.why": _("Say why: it is written down."),
    "reserve.nobody": _("No member is found by that."),
}
REMEDIES: dict[str, str] = {}
NOTICES: dict[str, str] = {}
SHORT: dict[str, str] = {}
WORDS: dict[str, dict[str, str]] = {
    "reserve_when": {
        "soon": _("As soon as possible"),
        "today": _("Today"),
        "tomorrow": _("Tomorrow"),
        "week": _("This week"),
        "day": _("One day"),
        "window": _("Between two times"),
    },
}
TITLES: dict[str, str] = {}
