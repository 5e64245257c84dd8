"""Letters, quiet hours, calendar feeds, webhooks: their codes in English."""

from __future__ import annotations


def _(message: str) -> str:
    """Marks a sentence for extraction; it is translated when it is said."""
    return message


SENTENCES: dict[str, str] = {
    "letter.address": _("No letter can be sent to this address."),
}
REMEDIES: dict[str, str] = {}
NOTICES: dict[str, str] = {}
SHORT: dict[str, str] = {}
WORDS: dict[str, dict[str, str]] = {}
TITLES: dict[str, str] = {}
