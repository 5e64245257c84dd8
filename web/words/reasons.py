"""Why a place is where it is and what would be better: the sentences of the scheduler's reasons.

The codes come from `scheduler.explain`, `scheduler.helps` and `scheduler.options`; what is counted has two forms.
"""

from __future__ import annotations

from typing import NamedTuple


class Counted(NamedTuple):
    """A sentence about `count` things: for one, and for more (or none, where the language says so)."""

    one: str
    many: str


def _(message: str) -> str:
    """Marks a sentence for extraction; it is translated when it is said."""
    return message


def _n(one: str, many: str) -> Counted:
    """Marks both forms for extraction."""
    return Counted(one, many)


#: By what it is about and code, by code and the reason among its facts, or by code alone.
REASONS: dict[str, str | Counted] = {
    "release": _("It cannot start before %(until)s."),
    "machine_busy": _("%(machine)s is taken until %(until)s."),
    "machine_busy:who": _("%(machine)s is taken until %(until)s by “%(title)s” (%(who)s)."),
    "machine_busy:title": _("%(machine)s is taken until %(until)s by “%(title)s”."),
    "unplaced:machine_busy": _("%(machine)s has no gap that is long enough."),
    "not_there:machine_busy": _("%(machine)s has no gap that is long enough."),
    "faulty": _("%(machine)s is out of service until %(until)s."),
    "unplaced:faulty": _("%(machine)s is out of service."),
    "blocked": _("%(machine)s is reserved until %(until)s."),
    "house_closed": _("The lab is closed until %(until)s."),
    "unplaced:house_closed": _("The lab is never open long enough at once: at most %(longest_min)s."),
    "not_there:house_closed": _("The lab is never open long enough at once for %(machine)s."),
    "not_staffed": _("Nobody from the staff is there before %(until)s."),
    "unplaced:not_staffed": _("The staff is never there long enough at once: at most %(longest_min)s."),
    "not_there:not_staffed": _(
        "%(machine)s needs the staff to be there all the time, and that is too short."
    ),
    "setup_needs_person": _("Somebody must prepare %(machine)s: possible from %(until)s."),
    "unplaced:setup_needs_person": _("Nobody is there long enough to prepare %(machine)s."),
    "not_there:setup_needs_person": _("Nobody is there long enough to prepare %(machine)s."),
    "unattended_too_long": _(
        "%(machine)s may run alone for %(limit_min)s at most: that works from %(until)s."
    ),
    "unplaced:unattended_too_long": _("%(machine)s may run alone for %(limit_min)s at most."),
    "not_there:unattended_too_long": _("%(machine)s may run alone for %(limit_min)s at most."),
    "start_not_allowed": _("It may not start on %(machine)s at that time."),
    "beyond_horizon": _("It does not fit in before %(horizon)s."),
    "next_needs_setup": _("What follows on %(machine)s needs another spool, and time to change it."),
    "next_needs_setup:who": _(
        "“%(title)s” (%(who)s) follows on %(machine)s: it needs another spool, and time to change it."
    ),
    "waits_for_others": _("%(machine)s waits for the other machines."),
    "could_be_earlier": _("%(machine)s has become free earlier: it is moved there if that pays."),
    "could_be_earlier:kept": _("%(machine)s has become free earlier, but its place is settled."),
    "too_few_eligible": _("It takes %(wanted)s machines, and only %(eligible)s can do it."),
    "never_together": _("The machines are never free at the same time."),
    "here": _("It is made on %(machine)s."),
    "not_eligible": _("%(machine)s cannot make it: %(reason)s"),
    "no_such_machine": _("This machine is not in the plan."),
    "earlier_there": _("%(machine)s could now have it ready %(ready_at)s: it is moved there if that pays."),
    "earlier_there:kept": _("%(machine)s could now have it ready %(ready_at)s, but its place is settled."),
    "as_good_there": _("It would be ready at the same time."),
    "later_there": _("It would be ready only %(ready_at)s."),
    "not_there:faulty": _("%(machine)s is out of service."),
    "fits_now": _("By now it could be ready %(ready_at)s on %(machine)s: the plan will follow."),
    "other_start": _("With another starting time it could be ready %(ready_at)s on %(machine)s."),
    "shorter_run": _(
        "Split into parts of at most %(run_min)s it could be ready %(ready_at)s on %(machine)s."
    ),
    "smaller_group": _("With only %(quantity)s machines it could start %(start)s."),
    "if_others_moved": _("If others gave way it could be ready %(ready_at)s on %(machine)s: ask the staff."),
    "fits_now:kept": _("By now it could be ready %(ready_at)s on %(machine)s, but its place is settled."),
    "here:fits_now": _(
        "By now it could be ready %(ready_at)s on %(machine)s: it is moved there if that pays."
    ),
    # why here, and why this one among the places that are offered
    "earliest_ready": _("Nowhere is it ready sooner."),
    "earliest_start": _("Of the best places, it starts first here."),
    "before_due": _("It is ready in time."),
    "liked_date": _("It is the date that was liked best."),
    "as_told": _("It stays where it was promised."),
    "no_setup": _("What it needs is loaded already."),
    "quieter_day": _("There are fewer other jobs around it than at the other places."),
    "less_wear": _("The machine has run less than the others lately."),
    "next_best": _("It is the next best place."),
    "others_move": _n(
        "%(count)s other job would make room for it.", "%(count)s other jobs would make room for it."
    ),
    # of a place for somebody in person
    "as_wished": _("It is just when you wanted it."),
    "same_hour": _("It is at the same hour on another day."),
    "nearest": _("It is the nearest to when you wanted it."),
    "others_give_way": _n(
        "%(count)s planned job would make room for you.", "%(count)s planned jobs would make room for you."
    ),
    "nobody_moves": _("Nobody has to make room for you."),
    "staffed": _("Somebody from the staff is there."),
    # what would have it ready earlier, or would have a place at all
    "another_colour": _("In “%(colour)s” it could be ready %(ready_at)s on %(machine)s."),
    "another_material": _(
        "Sliced for %(material)s in “%(colour)s” it could be ready %(ready_at)s on %(machine)s."
    ),
    "earlier_release": _("If it could start before %(until)s it could be ready %(ready_at)s on %(machine)s."),
    "higher_priority": _n(
        "If it were urgent it could be ready %(ready_at)s on %(machine)s; %(count)s other job would make room.",
        "If it were urgent it could be ready %(ready_at)s on %(machine)s; %(count)s other jobs would make room.",
    ),
    "staff_earlier": _(
        "If somebody were there from %(since)s it could be ready %(ready_at)s on %(machine)s."
    ),
    "staff_later": _("If somebody stayed until %(until)s it could be ready %(ready_at)s on %(machine)s."),
    "staff_day": _(
        "If somebody were there %(day)s, at the hours of the day before, "
        "it could be ready %(ready_at)s on %(machine)s."
    ),
    "longer_alone": _(
        "If %(machine)s might run alone for %(limit_min)s it could be ready %(ready_at)s there."
    ),
    "in_parts": _("Split into %(parts)s parts of %(run_min)s at most, all could be ready %(ready_at)s."),
    "repaired": _("If %(machine)s were back in service it could be ready %(ready_at)s there."),
    "other_machine": _("If %(machine)s could take it, it could be ready %(ready_at)s there."),
    "other_machine:machine.other_nozzle": _(
        "Sliced for the nozzle of %(machine)s it could be ready %(ready_at)s there."
    ),
    "other_machine:machine.other_model": _("Sliced for %(machine)s it could be ready %(ready_at)s there."),
    "other_machine:certification.missing": _(
        "With the certification for %(machine)s it could be ready %(ready_at)s there."
    ),
    "other_machine:barred.by_staff": _(
        "If the staff allowed %(machine)s again it could be ready %(ready_at)s there."
    ),
}
