"""Certifications, signed rules, training sessions, waivers, and every refusal of a rule: their codes in English."""

from __future__ import annotations


def _(message: str) -> str:
    """Marks a sentence for extraction; it is translated when it is said."""
    return message


SENTENCES: dict[str, str] = {
    "membership.not_active": _("This account is not active."),
    "minor.no_consent": _("Under %(years)s, a parent has to agree first."),
    "minor.too_young": _("%(machine)s is for people of %(years)s and older."),
    "minor.alone": _("Under %(years)s, somebody from the staff must be there. From %(from)s nobody is."),
    "subscription.missing": _("%(machine)s takes a membership that covers this day."),
    "certification.missing": _("%(machine)s takes a certification: %(technology)s."),
    "certification.expired": _("The certification for %(machine)s ran out: %(since)s."),
    "certification.disused": _("The certification for %(machine)s has lapsed, for want of use: %(since)s."),
    "certification.supervised": _(
        "The next %(count)s uses of %(machine)s take a trainer or the staff beside you."
    ),
    "rules.unsigned": _("The rules of %(machine)s are not signed yet (version %(version)s)."),
    "reservation.somebody_elses": _("%(machine)s is somebody else’s until %(until)s."),
    "material.forbidden": _("This material may never be used on %(machine)s."),
    "material.unlisted": _("This material is not on the list of %(machine)s."),
    "bed.too_small": _("It does not fit on %(machine)s: %(x_mm)s × %(y_mm)s × %(z_mm)s."),
    "unattended.not_allowed": _("%(machine)s may not run with nobody beside it."),
    "unattended.too_long": _("%(machine)s would run alone for %(alone_s)s; %(most_s)s is the most."),
    "house.closure": _("The house is shut: %(name)s, until %(until)s."),
    "hours.closed": _("The house is not open then: %(from)s."),
    "hours.not_staffed": _("%(machine)s is used while the staff is there. From %(from)s nobody is."),
    "time.past": _("This time is over: %(start)s."),
    "time.too_soon": _("%(machine)s has to be asked for at least %(lead_s)s before."),
    "time.too_far": _("%(machine)s can be reserved up to %(until)s for now."),
    "time.too_short": _("%(machine)s is reserved for %(least_s)s at the least."),
    "time.too_long": _("%(machine)s is reserved for %(most_s)s at the most."),
    "quota.gap": _(
        "Between two of your times on %(machine)s there must be %(gap_s)s; the other one is %(start)s."
    ),
    "quota.week": _("That is more than %(most_s)s in the week of %(day)s: %(left_s)s are left."),
    "quota.concurrent": _("You have as many reservations to come as one may have: %(most)s."),
    "waiver.unknown": _("There is no rule “%(code)s”."),
    "waiver.never": _("Nobody may let this pass: %(reason)s"),
    "waiver.why": _("Please say why, in 3 to %(most)s characters."),
    "waiver.until": _("Please say until when, in the future."),
    "waiver.given": _("You have let this pass already."),
    "waiver.own": _("Nobody lets a rule pass for themselves."),
    "waiver.same_person": _("This rule is about safety: somebody else has to agree as well."),
    "waiver.gone": _("This was withdrawn, or never given."),
    "certification.not_trainer": _("Only a trainer for this or the staff may do that: %(technology)s."),
    "certification.own": _("Nobody certifies themselves."),
    "certification.unknown": _("There is no such certification, or it was revoked."),
    "certification.why": _("Please say why, in 3 to %(most)s characters."),
    "supervised.duration": _("A use under supervision lasts from a minute to %(most_s)s."),
    "machine.other_technology": _("%(machine)s is another kind of machine."),
    "material.other_technology": _("This material is not for %(machine)s."),
    "terms.days": _("A number of days is between 1 and %(most)s, or empty."),
    "terms.uses": _("A number of uses is between 0 and %(most)s."),
    "terms.unknown": _("There are no such terms."),
    "rules.words": _("This needs between 1 and %(most)s characters."),
    "rules.sign_by": _("The day by which to sign is not in the past."),
    "rules.old_version": _("These rules have changed meanwhile. Please read the newest version."),
    "rules.signed": _("These rules are signed already."),
    "rules.name": _("To sign, type the name as it is kept here: %(name)s."),
    "rules.nobody": _("Please say for whom."),
    "rules.unknown": _("There are no such rules."),
    "policy.scope": _("A policy is about the house, a kind, a technology or one resource: choose one."),
    "policy.empty": _("Nothing is said here. Fill in at least one field, or delete the row."),
    "policy.number": _("This is between %(least)s and %(most)s."),
    "policy.span": _("The longest cannot be shorter than the shortest."),
    "policy.no_pause": _(
        "%(technology)s: a beam or a spindle is not paused in the middle of its work. Choose something else."
    ),
    "policy.unknown": _("There is no such policy."),
    "training.unknown": _("There is no such training."),
    "training.over": _("This training is over, or it was cancelled."),
    "training.begun": _("This training has begun."),
    "training.joined": _("You are on the list already."),
    "training.own": _("The trainer cannot be trained in the same session."),
    "training.not_in": _("Nobody of that name is on the list."),
    "training.not_begun": _("It begins %(start)s: who came is written down from then on."),
    "training.too_late": _("More than %(days)s days have passed. Certify each person by hand."),
    "training.not_yours": _("Only the trainer of this session and the staff may do that."),
    "training.places": _("A training has 1 to %(most)s places."),
    "training.too_few": _("Already %(taken)s places are taken."),
    "training.past": _("A training lies in the future."),
    "training.too_far": _("That is more than %(days)s days away."),
    "training.too_long": _("A training lasts %(most_s)s at the most."),
    "training.trainer": _(
        "This person may not train for this. They need to be a trainer for it, or of the staff."
    ),
    "training.holds": _("One of these machines or rooms is not there any more."),
    "training.why": _("Please say why, in 3 to %(most)s characters."),
    "resource.unknown": _("There is no such machine, room or desk here."),
}
REMEDIES: dict[str, str] = {
    "membership.not_active": _("The staff can tell why, and make it active again."),
    "minor.no_consent": _("The parent agrees on their own page, or signs at the desk."),
    "minor.alone": _("Choose a time when the staff is there."),
    "subscription.missing": _("Ask for one on your page, or at the desk."),
    "certification.missing": _("Ask the staff for the next training."),
    "certification.missing:session": _(
        "The next training is %(at)s (free places: %(free)s). You can join it from here."
    ),
    "certification.expired": _("Ask the staff for the next training."),
    "certification.expired:session": _(
        "The next training is %(at)s (free places: %(free)s). You can join it from here."
    ),
    "certification.disused": _("Ask the staff for the next training."),
    "certification.disused:session": _(
        "The next training is %(at)s (free places: %(free)s). You can join it from here."
    ),
    "certification.supervised": _(
        "Choose a time when the staff is there. At the machine, ask them to count the use."
    ),
    "rules.unsigned": _("Read and sign them; it takes two minutes."),
    "reservation.somebody_elses": _("Choose another machine, or wait until it is free."),
    "material.forbidden": _("Choose a material from the machine’s list."),
    "material.unlisted": _("Choose one from the list, or bring its data sheet to the staff."),
    "bed.too_small": _("Choose a larger machine."),
    "unattended.not_allowed": _("Stay beside it to the end, or choose a shorter time."),
    "unattended.too_long": _("Choose a start from which less of it falls into empty hours."),
    "house.closure": _("Choose another day."),
    "hours.closed": _("Choose a time within the opening hours."),
    "hours.not_staffed": _("Choose a time when the staff is there."),
    "quota.week": _("Choose a shorter time or another week, or ask the staff."),
    "quota.concurrent": _("Give one back, or ask the staff."),
    "waiver.own": _("Ask somebody else from the staff."),
}
NOTICES: dict[str, str] = {
    "certification.granted": _("You are certified now: %(technology)s."),
    "certification.renewed": _("Your certification has been renewed: %(technology)s."),
    "certification.revoked": _("Your certification was taken back: %(technology)s. %(why)s"),
    "certification.ends": _(
        "Your certification ends %(day)s: %(technology)s. Ask for a renewal or join a training."
    ),
    "certification.ends_unused": _(
        "For want of use your certification ends %(day)s: %(technology)s. Using the machine once is enough."
    ),
    "training.joined": _("You have a place in the training %(start)s: %(technology)s."),
    "training.waiting": _("The training %(start)s is full: %(technology)s. You are on the waiting list."),
    "training.moved_up": _("A place is free for you in the training %(start)s: %(technology)s."),
    "training.cancelled": _("The training %(start)s does not take place: %(technology)s. %(why)s"),
}
SHORT: dict[str, str] = {
    "membership.not_active": _("the account is not active."),
    "minor.no_consent": _("a parent has to agree first."),
    "minor.too_young": _("it is for older people."),
    "minor.alone": _("somebody from the staff must be there."),
    "subscription.missing": _("it takes a membership."),
    "certification.missing": _("it takes a certification."),
    "certification.expired": _("the certification ran out."),
    "certification.disused": _("the certification lapsed for want of use."),
    "certification.supervised": _("it takes somebody beside you."),
    "rules.unsigned": _("its rules are not signed."),
    "reservation.somebody_elses": _("it is somebody else’s now."),
    "material.forbidden": _("this material is forbidden there."),
    "material.unlisted": _("this material is not on its list."),
    "bed.too_small": _("it is too small."),
    "unattended.not_allowed": _("it may not run alone."),
    "unattended.too_long": _("it would run alone for too long."),
    "house.closure": _("the house is shut."),
    "hours.closed": _("the house is not open then."),
    "hours.not_staffed": _("nobody from the staff is there."),
    "time.past": _("this time is over."),
    "time.too_soon": _("it is too soon."),
    "time.too_far": _("it is too far ahead."),
    "time.too_short": _("it is too short."),
    "time.too_long": _("it is too long."),
    "quota.gap": _("it is too near to another one of yours."),
    "quota.week": _("it is more than a week’s share."),
    "quota.concurrent": _("you have enough reservations to come."),
}
WORDS: dict[str, dict[str, str]] = {
    "presence": {
        "anytime": _("at any hour"),
        "open": _("while the house is open"),
        "staffed": _("while the staff is there"),
    },
    "overrun": {
        "refuse": _("tell both, and ask the staff to stop it or settle it"),
        "pause": _(
            "pause it when the reservation begins (printers and plotters; a beam or a spindle goes on, and both are told)"
        ),
        "shift": _("shift the reservation, and tell"),
        "warn": _("let it go on, and tell both"),
    },
    "permission": {
        "allowed": _("allowed"),
        "forbidden": _("forbidden"),
    },
    "training_state": {
        "planned": _("Planned"),
        "delivered": _("Delivered"),
        "cancelled": _("Cancelled"),
    },
    "seat_state": {
        "joined": _("Has a place"),
        "waiting": _("Waits for a place"),
        "left": _("Has left"),
        "attended": _("Was there"),
        "absent": _("Was not there"),
    },
    "lapse": {
        "expired": _("ran out"),
        "disused": _("lapsed for want of use"),
    },
    "pass": {
        "never": _("nobody"),
        "staff": _("one of the staff"),
        "two": _("two of the staff"),
    },
}
TITLES: dict[str, str] = {}
