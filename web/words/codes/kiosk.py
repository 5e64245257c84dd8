"""The wall tablet and the phone that scanned a machine's code: badges and PINs: their codes in English."""

from __future__ import annotations


def _(message: str) -> str:
    """Marks a sentence for extraction; it is translated when it is said."""
    return message


SENTENCES: dict[str, str] = {
    "badge.wrong": _("A badge number has %(least)s to %(most)s digits or letters from A to F."),
    "badge.taken": _("This badge belongs to somebody else already."),
    "pin.wrong": _("A PIN has %(digits)s digits."),
    "pin.weak": _("This PIN is too easy to guess. Please take another."),
    "pin.differ": _("The two PINs are not the same."),
    "kiosk.name": _("Please give the tablet a name."),
    "kiosk.unknown": _("There is no such tablet."),
    "kiosk.unknown_tablet": _("This tablet is not let in. Please ask the staff for a link."),
    "kiosk.other_machine": _("This tablet belongs to %(machine)s."),
    "kiosk.link_over": _("This link has been used, or is too old. Please ask the staff for another."),
    "kiosk.no_code": _("This code leads nowhere. Please tell the staff: the label is to be replaced."),
    "kiosk.no_button": _("There is no such button."),
    "kiosk.who": _("Nobody is known by this badge."),
    "kiosk.who_pin": _("Number and PIN do not go together."),
    "kiosk.who_first": _("Please say first who you are."),
    "kiosk.none_of_yours": _("You have no reservation here now."),
    "kiosk.problem_empty": _("Please say in a few words what is wrong."),
    "kiosk.problem_many": _("The staff has been told several times already. They are on their way."),
    "waiting.nothing": _("Please say what you wait for."),
    "waiting.too_many": _("You wait for %(most)s things already. Please give one up first."),
    "waiting.too_late": _("This place is held for you no longer: it has gone to the next."),
    "waiting.unknown": _("There is no such place in a line."),
}
REMEDIES: dict[str, str] = {}
NOTICES: dict[str, str] = {
    "incident.reported": _("Something is wrong with %(machine)s: “%(words)s” %(by)s"),
    "security.badge_set": _(
        "%(by)s has given you a badge, by which the tablets beside the machines know you."
    ),
    "security.badge_taken": _("%(by)s has taken your badge off: nobody is known by it any more."),
    "security.pin_set": _("%(by)s has set a PIN for you. You can change it yourself."),
    "security.pin_taken": _("%(by)s has removed your PIN."),
    "security.wrong_pins": _("Somebody has typed wrong PINs of yours at %(kiosk)s. It waits a while now."),
    "waiting.offered": _("The place you waited for is free: %(start)s. It is held for you until %(until)s."),
    "waiting.let_go": _("A place that was held for you has gone to the next. You are still in the line."),
    "waiting.lapsed": _("Three places held for you have gone to others: you are no longer in the line."),
    "waiting.expired": _("No place was freed in the time you waited for. You are no longer in the line."),
}
SHORT: dict[str, str] = {}
WORDS: dict[str, dict[str, str]] = {
    "kiosk_told": {
        "here": _("Welcome. The machine is yours now."),
        "start": _("It starts. Please stay until it is well under way."),
        "done": _("Thank you. The rest of the time is free for others."),
        "problem": _("Thank you. The staff has been told."),
        "clear": _("The bed is clear."),
    },
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
