"""Public dates and who comes to them: their codes in English."""

from __future__ import annotations


def _(message: str) -> str:
    """Marks a sentence for extraction; it is translated when it is said."""
    return message


SENTENCES: dict[str, str] = {
    "agenda.unknown": _("There is no such date, or it is long over."),
    "agenda.over": _("This date is over, or was called off."),
    "agenda.past": _("Please choose a time that is still to come."),
    "agenda.too_far": _("Please choose a time within the next %(days)s days."),
    "agenda.capacity": _("Please say a number of seats from 1 to %(most)s."),
    "agenda.least": _("The least number of people goes from 0 to %(most)s."),
    "agenda.decide": _("Please choose a time between now and the beginning."),
    "agenda.holds": _("One of these rooms or machines is not there."),
    "agenda.no_room": _("No room that is large enough is free at that time."),
    "agenda.no_machine": _("Too few machines are free at that time: %(missing)s missing."),
    "agenda.no_person": _("Nobody of the team is free at that time: %(missing)s missing."),
    "agenda.no_kit": _("Not all the equipment is free at that time: %(missing)s missing."),
    "agenda.no_desk": _("Too few desks are free at that time: %(missing)s missing."),
    "agenda.too_few_seats": _("%(taken)s seats are taken already."),
    "agenda.why": _("Please say why, in up to %(most)s characters: everybody reads it."),
    "agenda.not_begun": _("Who came can be ticked from one hour before the beginning: %(start)s."),
    "agenda.too_late": _("Who came can be ticked for %(days)s days. After that, nobody is named any more."),
    "agenda.more": _("The number of people without a registration goes from 0 to %(most)s."),
    "registration.seats": _("Please say for how many people, from 1 to %(most)s."),
    "registration.came": _("No more can have come than were registered: %(most)s."),
    "registration.over": _("It is too late: this date has begun, or was called off."),
    "registration.joined": _("You are registered for this date already."),
    "registration.left": _("This registration was cancelled. You can register again."),
    "registration.line_full": _("The waiting list is full, too. Please look at another date."),
    "registration.too_late": _("This seat is held for you no longer: it has gone to the next person."),
    "registration.too_many": _("This address has registered many times within an hour. Please wait a while."),
    "registration.unknown": _("There is no such registration."),
    "registration.unknown_key": _("This link leads nowhere: it is not complete, or the date is long over."),
}
REMEDIES: dict[str, str] = {
    "agenda.no_room": _("Choose another time, or say yourself what it holds."),
    "agenda.no_machine": _("Choose another time, or say yourself what it holds."),
    "agenda.no_person": _("Choose another time, or say yourself what it holds."),
    "agenda.no_kit": _("Choose another time, or say yourself what it holds."),
}
NOTICES: dict[str, str] = {
    "agenda.joined": _(
        "Your seat is kept: “%(title)s”, %(start)s. Seats: %(seats)s. If you cannot come, please say so on this page:"
        " the seat goes to somebody else."
    ),
    "agenda.waiting": _(
        "You are on the waiting list: “%(title)s”, %(start)s. Seats: %(seats)s. When there is room, it is held for you,"
        " and you get a letter."
    ),
    "agenda.offered": _(
        "There is room for you: “%(title)s”, %(start)s. Seats: %(seats)s. They are held for you until %(until)s. Please"
        " say on this page whether you take them."
    ),
    "agenda.lapsed": _(
        "What was held for you has gone to the next person: “%(title)s”, %(start)s. You can register again."
    ),
    "agenda.left": _("Your registration is cancelled: “%(title)s”, %(start)s. Thank you for telling us."),
    "agenda.fewer": _("Your registration has changed: “%(title)s”, %(start)s. Seats: %(seats)s."),
    "agenda.tomorrow": _(
        "See you soon: “%(title)s”, %(start)s. Seats: %(seats)s. If you cannot come, please say so on this page."
    ),
    "agenda.moved": _(
        "“%(title)s” has another time: it was %(was)s, now it is %(start)s. Your registration stays. If you cannot come"
        " then, please cancel it on this page. %(why)s"
    ),
    "agenda.cancelled": _("“%(title)s”, %(start)s, does not take place. %(why)s"),
    "agenda.too_few": _(
        "“%(title)s”, %(start)s, does not take place: too few people registered (%(coming)s, and it takes %(least)s)."
    ),
    "agenda.house_cancelled": _(
        "“%(title)s”, %(start)s, is called off. The room and all that was held are free, and everybody was told."
    ),
}
SHORT: dict[str, str] = {}
WORDS: dict[str, dict[str, str]] = {
    "registration_state": {
        "joined": _("Registered"),
        "waiting": _("On the waiting list"),
        "offered": _("A seat is held"),
        "attended": _("Came"),
        "absent": _("Did not come"),
        "left": _("Cancelled"),
    },
    "agenda_done": {
        "planned": _("It is in the agenda."),
        "amended": _("It is changed. Freed seats are offered to those who wait."),
        "moved": _("It has moved, and everybody was told."),
        "cancelled": _("It is called off, and everybody was told."),
        "ticked": _("Who came is written down."),
        "written_in": _("They are registered and get a letter."),
        "taken_out": _("Their registration is cancelled, and they were told."),
        "joined": _("Your seat is kept."),
        "waits": _("You are on the waiting list."),
        "taken": _("The seat is yours."),
        "confirmed": _("Thank you. See you then!"),
        "left": _("Your registration is cancelled. Thank you for telling us."),
        "fewer": _("Your registration is changed."),
    },
}
TITLES: dict[str, str] = {}
