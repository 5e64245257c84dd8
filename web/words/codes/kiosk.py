"""The wall tablet and the phone that scanned a machine's code: badges and PINs: their codes in English."""

from __future__ import annotations


def _(message: str) -> str:
    """Marks a sentence for extraction; it is translated when it is said."""
    return message


SENTENCES: dict[str, str] = {
    "waiting.nothing": _("Please say what you wait for."),
    "waiting.too_many": _("You wait for %(most)s things already. Please give one up first."),
    "waiting.too_late": _("This place is held for you no longer: it has gone to the next."),
    "waiting.unknown": _("There is no such place in a line."),
}
REMEDIES: dict[str, str] = {}
NOTICES: dict[str, str] = {
    "waiting.offered": _("The place you waited for is free: %(start)s. It is held for you until %(until)s."),
    "waiting.let_go": _("A place that was held for you has gone to the next. You are still in the line."),
    "waiting.lapsed": _("Three places held for you have gone to others: you are no longer in the line."),
    "waiting.expired": _("No place was freed in the time you waited for. You are no longer in the line."),
}
SHORT: dict[str, str] = {}
WORDS: dict[str, dict[str, str]] = {
    "waiting_state": {
        "waiting": _("In the line"),
        "offered": _("Held for you"),
        "taken": _("Taken"),
        "lapsed": _("Let go"),
        "expired": _("Nothing was freed"),
        "withdrawn": _("Given up"),
    },
}
TITLES: dict[str, str] = {}
