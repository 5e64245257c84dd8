"""Reservations and series of them, arrivals, waiting lists: their codes in English."""

from __future__ import annotations


def _(message: str) -> str:
    """Marks a sentence for extraction; it is translated when it is said."""
    return message


SENTENCES: dict[str, str] = {
    "reservation.not_offered": _("This reservation is not offered to anybody now."),
    "reservation.offer_over": _("It is too late to answer: the reservation stays where it was."),
    "reservation.handed_to_holder": _("It is theirs already."),
    "reservation.past": _("This moment is over already."),
    "reservation.minutes": _("Times are in whole minutes."),
    "reservation.order": _("The end must come after the start."),
    "reservation.too_long": _("A reservation lasts at most %(days)s days."),
    "reservation.nothing": _("Choose at least one machine, room or desk."),
    "reservation.too_many": _("At most %(most)s things at once."),
    "reservation.unattended": _("The machine can be left alone only between the start and the end."),
    "reservation.party": _("Say how many people come: from 1 to %(most)s."),
    "reservation.key": _("The key of an order has 1 to %(most)s visible characters."),
    "reservation.key_used": _("This key has been used for another order."),
    "reservation.needs_member": _("A reservation is for a member."),
    "reservation.in_use": _("While it is in use only its end can change."),
    "reservation.why": _("Say why: it is written down."),
    "reservation.too_early": _("You can say that you are here from %(opens)s on."),
    "reservation.over": _("This reservation is over."),
    "reservation.unknown": _("There is no such reservation."),
    "series.unknown": _("There is no such series."),
    "series.step": _("Say every how many weeks or months: from 1 to %(most)s."),
    "series.end": _("Say either until which day, or how many times."),
    "series.count": _("A series has 1 to %(most)s dates."),
    "series.until": _("The last day lies before the first."),
    "series.too_many": _("A series has at most %(most)s dates."),
    "series.fold": _("These hours lie in the night in which one hour comes twice: begin before or after it."),
    "series.gap": _("The clocks jump over these hours that day."),
    "series.start_gap": _("The clocks jump over the start that day: it begins right after."),
    "series.end_gap": _("The clocks jump over the end that day: it ends right after."),
    "series.start_fold": _("The hour of the start comes twice that day: the first one counts."),
    "series.end_fold": _("The hour of the end comes twice that day: the first one counts."),
    "series.shorter": _("The clocks change: it is shorter by %(by_s)s that day, and is charged so."),
    "series.longer": _("The clocks change: it is longer by %(by_s)s that day, and is charged so."),
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
REMEDIES: dict[str, str] = {
    "reservation.past": _("Choose a time to come."),
    "reservation.key_used": _("Send a new key with a new order."),
    "reservation.in_use": _("End it, and reserve anew."),
    "series.too_many": _("Choose an earlier last day."),
}
NOTICES: dict[str, str] = {
    "reservation.made": _("%(what)s: reserved for you from %(start)s to %(end)s."),
    "reservation.asked": _(
        "%(what)s from %(start)s to %(end)s: the staff has been asked, and the place is held until they answer."
    ),
    "reservation.moved": _(
        "%(by)s has moved your reservation of %(what)s: from %(start)s to %(end)s. %(why)s"
    ),
    "reservation.cancelled": _("%(by)s has cancelled your reservation of %(what)s, %(start)s. %(why)s"),
    "reservation.approved": _("The staff agrees: %(what)s is yours from %(start)s to %(end)s. %(why)s"),
    "reservation.declined": _("The staff cannot give you %(what)s %(start)s: %(why)s"),
    "reservation.offered_to_you": _(
        "%(by)s would hand a reservation over to you: %(what)s from %(start)s to %(end)s. Say yes or no until %(until)s. "
        "%(why)s"
    ),
    "reservation.offer_withdrawn": _("%(what)s, %(start)s, is no longer offered to you."),
    "reservation.hand_over_declined": _(
        "%(to)s does not take your reservation of %(what)s, %(start)s. It is still yours."
    ),
    "reservation.hand_over_lapsed": _(
        "%(to)s has not answered in time: your reservation of %(what)s, %(start)s, is still yours."
    ),
    "reservation.handed_on": _("Your reservation of %(what)s, %(start)s, is %(to)s’s now."),
    "reservation.missed": _("Nobody came for %(what)s, %(start)s: the place is free for others now."),
    "reservation.unanswered": _(
        "Nobody could answer in time about %(what)s, %(start)s: the place is free for others now. Please ask again."
    ),
    "series.made": _("%(what)s from %(start)s on: %(made)s dates are yours, %(skipped)s cannot be had."),
}
SHORT: dict[str, str] = {}
WORDS: dict[str, dict[str, str]] = {
    "reservation_state": {
        "requested": _("waiting for the staff"),
        "confirmed": _("confirmed"),
        "in_use": _("in use"),
        "completed": _("completed"),
        "missed": _("nobody came"),
        "cancelled": _("cancelled"),
        "declined": _("declined"),
    },
    "arrival": {
        "page": _("on the page"),
        "kiosk": _("at the kiosk"),
        "qr": _("by the code at the machine"),
        "staff": _("said by the staff"),
        "start": _("by starting the machine"),
    },
    "series_every": {
        "week": _("every week"),
        "month": _("every month"),
    },
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
