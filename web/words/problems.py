"""What can be wrong with an instance of the planning problem, and the tiers of a plan's worth, in words."""

from __future__ import annotations


def _(message: str) -> str:
    """Marks a sentence for extraction; it is translated when it is said."""
    return message


#: What `scheduler.problem.faults` and `scheduler.instance` find, by code.
FAULTS: dict[str, str] = {
    "unreadable": _("This cannot be read: %(detail)s."),
    "wrong_format": _("The format is “%(found)s”, and it must be “%(wanted)s”."),
    "wrong_version": _("The version is %(found)s, and this program reads version %(wanted)s."),
    "too_large": _("This is more than one plan can hold."),
    "horizon_not_positive": _("The horizon must be at least one minute."),
    "wrong_index": _("The index is %(index)s, and it must be the place in the list, counted from 0."),
    "pieces_not_in_order": _(
        "The stretches of “%(calendar)s” must be in order, and none may be empty or touch another."
    ),
    "empty_block": _("An outage ends before it begins."),
    "negative": _("“%(field)s” must not be negative."),
    "id_twice": _("There are two demands of this name."),
    "no_needs": _("It must need something."),
    "weight_not_positive": _("The weight must be more than 0."),
    "dislikes_not_parallel": _(
        "There are %(starts)s starts and %(dislikes)s dislikes: give one for each, or none."
    ),
    "quantity_not_positive": _("A need takes at least one machine."),
    "eligible_twice": _("A need names the same machine twice."),
    "no_such_machine": _("There is no machine %(machine)s."),
    "no_duration": _("There is no duration of at least one minute for machine %(machine)s."),
    "times_out_of_order": _("Set-up, run and clearing are not in order."),
    "fixed_and_demanded": _("It cannot be fixed and in demand at the same time."),
}

#: The fields of `scheduler.plan.Objective`, in its order.
TIERS: dict[str, str] = {
    "unplaced": _("Weight without a place"),
    "tardiness": _("Weighted minutes late"),
    "moved": _("Weighted minutes away from what people were told"),
    "disliked": _("Weighted minutes of reluctance against dates"),
    "setup_min": _("Minutes of set-up"),
    "earliness": _("Sum of the instants of readiness (min)"),
}
