"""The public site: what machines do and what prices are for, in words for people who have never been there."""

from __future__ import annotations


def _(message: str) -> str:
    """Marks a sentence for extraction; it is translated when it is said."""
    return message


SENTENCES: dict[str, str] = {}
REMEDIES: dict[str, str] = {}
NOTICES: dict[str, str] = {}
SHORT: dict[str, str] = {}
TITLES: dict[str, str] = {}
WORDS: dict[str, dict[str, str]] = {
    "technology_what": {
        "fdm": _("Lays melted plastic, layer on layer: parts, name tags, spare pieces."),
        "resin": _("Hardens liquid with light: small things with fine details."),
        "laser": _("Cuts and engraves wood, cardboard and acrylic."),
        "cnc": _("Mills wood and soft metal with a turning tool."),
        "vinyl": _("Cuts stickers and foil for T-shirts."),
    },
}
