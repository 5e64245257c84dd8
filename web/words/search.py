"""What the search in the background did, in words: how it ended, and what a better plan is better by."""

from __future__ import annotations

from collections.abc import Mapping

from web.words import Words


def _(message: str) -> str:
    """Marks a sentence for extraction; it is translated when it is said."""
    return message


#: By `scheduler.improve.End`.
ENDS: dict[str, str] = {
    "applied": _("A better plan was found; it is in the calendar."),
    "nothing_to_move": _("There was nothing in the plan that may still be moved."),
    "nothing_better": _("No better plan was found."),
    "not_worth_it": _("A better plan was found, but it is not worth troubling people for."),
    "moved_meanwhile": _("The calendar changed during the search; it starts anew."),
    "frozen_meanwhile": _("Something in the plan came too near to be moved; the search starts anew."),
    "unsound": _("What was found does not keep the rules of the house any more."),
    "over_budget": _("A better plan was found, but people would hear of too many changes in one day."),
    "died": _("The search broke off; it starts anew."),
}

#: By field of `scheduler.improve.Gain`: what is gained, and what it is paid with.
GAINS: dict[str, tuple[str, str]] = {
    "placed": (_("What had no place has one."), _("Something has no place any more.")),
    "late_min": (_("%(time)s less late, weighted."), _("%(time)s later, weighted.")),
    "moved_min": (
        _("%(time)s nearer to what people were told."),
        _("%(time)s away from what people were told."),
    ),
    "setup_min": (_("%(time)s less of set-up."), _("%(time)s more of set-up.")),
    "earlier_min": (_("%(time)s less of waiting."), _("%(time)s more of waiting.")),
}


def search_said(words: Words, end: str, gain: Mapping[str, float]) -> str:
    """`gain`: minutes (for `placed`: weight) by tier, below nothing where it is a loss."""
    said = [words.gettext(ENDS[end])]
    for name, (less, more) in GAINS.items():
        value = gain.get(name, 0)
        if round(value):
            message = words.gettext(less if value > 0 else more)
            said.append(message % {"time": words.duration(abs(value) * 60)})
    return " ".join(said)
