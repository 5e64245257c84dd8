"""The day of a session and its papers: their codes in English."""

from __future__ import annotations


def _(message: str) -> str:
    """Marks a sentence for extraction; it is translated when it is said."""
    return message


SENTENCES: dict[str, str] = {
    "document.failed": _("This document could not be made."),
    "document.value": _("This document cannot be made: a value in it cannot be printed."),
    "document.too_long": _("This document would be too long."),
}
REMEDIES: dict[str, str] = {
    "document.failed": _("Tell the staff, with the time at which you asked for it."),
}
NOTICES: dict[str, str] = {}
SHORT: dict[str, str] = {}
WORDS: dict[str, dict[str, str]] = {}
TITLES: dict[str, str] = {}
