"""Desks, passes, rooms for everybody, partners: their codes in English."""

from __future__ import annotations


def _(message: str) -> str:
    """Marks a sentence for extraction; it is translated when it is said."""
    return message


SENTENCES: dict[str, str] = {
    # partners and their part of the house
    "partner.unknown": _("There is no such partner."),
    "part.kind": _("Only rooms, desks and kits are changed here."),
    "part.name": _("A name has 1 to %(most)s characters."),
    "part.seats": _("Seats are a number from 1 to %(most)s."),
    "part.minutes": _("Minutes are a number from 0 to %(most)s."),
    "part.name_taken": _("There is something called %(name)s already."),
    "part.in_use": _("%(machine)s is still reserved. Move or cancel that first."),
    "part.home": _("Choose a room of the same partner."),
    # prices and passes
    "stay.scope": _("A price is for one room, desk or kit, or for all of a kind."),
    "stay.price": _("A price is an amount in euros, not below zero."),
    "stay.unknown": _("There is no such price any more."),
    "pass.name": _("A name has 1 to %(most)s characters."),
    "pass.half_days": _("A pass has 1 to %(most)s half-days."),
    "pass.months": _("A pass is good for 1 to %(most)s months."),
    "pass.price": _("A price is an amount in euros, not below zero."),
    "pass.unknown": _("There is no such pass any more."),
    "pass.unpaid": _("You have a pass that is not paid yet. Please pay it at the desk first."),
    "pass.nothing_due": _("Nothing has to be paid for this pass."),
    "pass.in_use": _("Half-days of this pass are used already."),
    "pass.used_up": _("There are not enough half-days left on this pass."),
    "pass.not_good": _("This pass is good from %(first)s to %(last)s only."),
    "pass.none": _("You have no pass that is good for this."),
    # desks
    "desks.none": _("All desks are taken then."),
    "desks.shut": _("The house is not open then."),
    # rooms for everybody
    "hire.unknown": _("This link is not known here. Is it complete?"),
    "hire.over": _("The time for this has run out. Please ask again."),
    "hire.begun": _("It has begun already. Please speak with the house."),
    "hire.too_many": _("You have asked for %(most)s rooms already. Please wait for an answer."),
    "hire.name": _("Please give your name, in at most %(most)s characters."),
    "hire.purpose": _("Please say what the room is for."),
    "hire.people": _("Please say how many people will come: from 1 to %(most)s."),
}
REMEDIES: dict[str, str] = {
    "desks.none": _("Choose another half of the day, or another day."),
    "pass.none": _("Pay by the half-day, or take a new pass."),
}
NOTICES: dict[str, str] = {
    "hire.confirm": _(
        "You have asked for %(what)s from %(start)s to %(end)s. Please confirm with this link. The room is kept for you "
        "until %(until)s. Keep this letter: the link also shows the answer."
    ),
    "hire.asked": _("Somebody asks for %(what)s, %(start)s. Please answer before %(until)s."),
    "hire.given_up": _("%(what)s, %(start)s: they do not need it any more."),
    "hire.approved": _("Yes: %(what)s is yours from %(start)s to %(end)s. %(why)s"),
    "hire.declined": _("We are sorry: %(what)s cannot be yours, %(start)s. %(why)s"),
    "hire.cancelled": _("We are sorry: %(what)s, %(start)s, has to be cancelled. %(why)s"),
    "hire.lapsed": _(
        "Nobody has answered you in time about %(what)s, %(start)s. We are sorry. Please ask again, or call us."
    ),
    "hire.unanswered": _("Nobody answered in time: %(what)s, %(start)s, is free again, and they were told."),
}
SHORT: dict[str, str] = {}
TITLES: dict[str, str] = {}
WORDS: dict[str, dict[str, str]] = {
    "desk_part": {"am": _("Morning"), "pm": _("Afternoon"), "day": _("Whole day")},
    "places_of": {"desk": _("Desks"), "room": _("Rooms")},
    "all_of": {"room": _("Every room"), "desk": _("Every desk"), "kit": _("Every kit")},
    "stay_unit": {"hour": _("hour"), "half_day": _("half-day"), "day": _("day")},
    "hire_state": {
        "asked": _("E-mail to be confirmed"),
        "requested": _("To be answered"),
        "confirmed": _("Agreed"),
        "done": _("Took place"),
        "declined": _("Declined"),
        "cancelled": _("Cancelled"),
        "lapsed": _("Run out"),
    },
}
