"""Dates for classes: what stands against finding one, and what is made in it, in English."""

from __future__ import annotations


def _(message: str) -> str:
    """Marks a sentence for extraction; it is translated when it is said."""
    return message


SENTENCES: dict[str, str] = {
    "offer.nothing": _("This workshop takes nothing of the house: no date can be looked for."),
    "offer.none": _("On none of these days is everything free that the workshop needs."),
}
REMEDIES: dict[str, str] = {
    "offer.nothing": _("Write down in the catalogue which machines, room and people it needs."),
    "offer.none": _("Look at other weeks, or choose a date by hand."),
}
NOTICES: dict[str, str] = {
    "offer.all_made": _("all %(pieces)s pieces are made during the visit, on %(machines)s machines"),
    "offer.pieces_left": _(
        "%(in_session)s of %(pieces)s pieces are made during the visit, the others by %(ready_at)s"
    ),
    "offer.pieces_homeless": _(
        "%(in_session)s of %(pieces)s pieces are made during the visit; for some no machine is free that week"
    ),
}
SHORT: dict[str, str] = {}
TITLES: dict[str, str] = {}
WORDS: dict[str, dict[str, str]] = {}
