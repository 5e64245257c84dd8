"""What is said where a machine and a reservation meet: starts that may not be, runs that will not be over, room made."""

from __future__ import annotations


def _(message: str) -> str:
    """Marks a sentence for extraction; it is translated when it is said."""
    return message


SENTENCES: dict[str, str] = {
    "machine.stop_unseen": _("This machine was stopped, and nobody from the staff has looked at it since."),
    "machine.reserved_from": _("It would run into somebody’s reservation, which begins %(from)s."),
    "reservation.no_longer_yours": _("The reservation in which it was to start is over."),
    "reservation.none_of_kind": _(
        "The lab has fewer of these than are wanted: %(eligible)s instead of %(wanted)s."
    ),
    "reservation.too_short": _("A reservation lasts for a minute at least."),
    "reservation.others_homeless": _("A planned job would find no other place. It keeps its own."),
    "reservation.not_shifted": _("This reservation was not moved by the lab, or has begun since."),
}
REMEDIES: dict[str, str] = {
    "machine.reserved_from": _("Start it afterwards, or on another machine."),
    "machine.stop_unseen": _("Ask somebody from the staff to look at it first."),
    "reservation.no_longer_yours": _("Reserve the machine again, or leave the job to the plan."),
    "reservation.none_of_kind": _("Ask for fewer, or for a smaller one."),
    "reservation.others_homeless": _("Choose another time, or ask the staff."),
    "reservation.not_shifted": _("Cancel it, or move it yourself."),
}
NOTICES: dict[str, str] = {
    "job.start_dropped": _(
        "“%(file)s” was not started on %(machine)s: %(reason)s It keeps waiting for its turn."
    ),
    "job.runs_into": _(
        "“%(file)s” on %(machine)s is expected to be off the bed %(ready)s, after a reservation that begins %(start)s."
    ),
    "job.overruns": _(
        "“%(file)s” on %(machine)s will not be off the bed before %(ready)s, and somebody’s reservation begins %(start)s. "
        "Please stop it, or settle it with both of them."
    ),
    "job.paused_for_reservation": _(
        "“%(file)s” was paused on %(machine)s, because somebody’s reservation has begun. It is resumed by hand."
    ),
    "reservation.overrun": _(
        "A run on %(machine)s is expected to be over %(ready)s. Your reservation begins %(start)s: please ask the staff."
    ),
    "reservation.shifted": _(
        "A run on %(machine)s is not over in time. Your reservation now begins %(start)s instead of %(was)s, "
        "until %(until)s. If that does not suit you, you may decline it."
    ),
}
SHORT: dict[str, str] = {
    "machine.would_run_into": _("it would run into a reservation."),
    "machine.reserved_from": _("it would run into a reservation."),
    "reservation.no_longer_yours": _("the reservation is over."),
}
WORDS: dict[str, dict[str, str]] = {}
TITLES: dict[str, str] = {}
