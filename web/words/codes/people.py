"""Members, sign-up, organisations, families, projects, invitations, subscriptions, documents: their codes in English."""

from __future__ import annotations


def _(message: str) -> str:
    """Marks a sentence for extraction; it is translated when it is said."""
    return message


SENTENCES: dict[str, str] = {
    "choice.unknown": _("Choose one from the list."),
    "day.wrong": _("This is not a day."),
    "reason.missing": _("Say why."),
    "reason.too_long": _("A reason has at most %(most)s characters."),
    "password.twice": _("The two passwords are not the same."),
    "member.phone": _("A telephone number has 6 to 15 digits."),
    "member.language": _("Choose French or English."),
    "member.born_on": _("Say when you were born: day, month, year."),
    "member.born_on_known": _("The day of birth is known already; only the staff can change it."),
    "member.above_you": _("This member may do more in the house than you; somebody else has to change it."),
    "member.whom": _("Say whom it is for."),
    "member.not_active": _("%(name)s is not an active member."),
    "member.yourself": _("You cannot suspend yourself."),
    "member.last_admin": _("The house needs an administrator, and this is the last one."),
    "member.no_email": _("%(name)s has no e-mail."),
    "member.not_left": _("%(name)s has not left."),
    "member.has_children": _("%(name)s still answers for a child."),
    "member.sure": _("Say that you are sure."),
    "key.unknown": _("This link is not known, or a newer one was sent."),
    "key.used": _("This link was used already, or a newer one was sent."),
    "key.expired": _("This link is too old."),
    "key.too_many": _("%(most)s letters were sent within an hour; wait a little."),
    "signup.closed": _("Accounts are made at the desk of this lab."),
    "signup.too_young": _("Under %(least)s, a parent signs up and adds you to the family."),
    "project.not_yours": _("Only whoever leads the project, or the staff, can do that."),
    "project.name": _("A project's name has 1 to %(most)s characters."),
    "project.organisation": _("Whoever leads the project does not belong to this organisation."),
    "project.closed": _("This project is closed."),
    "project.owner_stays": _("Whoever leads the project cannot leave it."),
    "project.not_in": _("They are not in this project."),
    "organisation.unknown": _("There is no such organisation."),
    "organisation.name": _("An organisation's name has 1 to %(most)s characters."),
    "organisation.taken": _("There is an organisation of that name."),
    "organisation.siret": _("This is not a SIRET: 14 digits, of which the last is a check."),
    "organisation.uai": _("This is not a UAI: 7 digits and the letter that goes with them."),
    "organisation.not_yours": _("Only whoever speaks for the organisation, or the staff, can do that."),
    "organisation.closed": _("This organisation is closed."),
    "organisation.not_in": _("They do not belong to this organisation."),
    "family.no_adult": _("Only somebody of age can answer for a child."),
    "family.not_minor": _("From %(least)s on, people are members themselves."),
    "family.consent": _("Under %(least)s, a parent has to agree."),
    "family.too_many": _("A family has at most %(most)s children here."),
    "family.not_oneself": _("A parent says that, not the child."),
    "family.who_says": _("Say which parent agrees."),
    "family.too_young": _("Signing in alone is possible from %(least)s on."),
    "family.still_minor": _("Somebody answers for them until %(least)s."),
    "invitation.unknown": _("This invitation is not known."),
    "invitation.over": _("This invitation was answered or taken back."),
    "invitation.expired": _("This invitation is too old."),
    "invitation.again": _("%(most)s letters about this went to that address today."),
    "invitation.too_many": _("You have %(most)s open invitations; take some back, or wait for answers."),
    "invitation.sign_in": _("This address is a member's already."),
    "invitation.answer": _("An invitation is accepted or declined."),
    "document.unknown": _("There is no such document."),
    "document.empty": _("This file is empty."),
    "document.kind": _("This file is no PDF, JPEG or PNG, whatever its name says."),
    "document.too_large": _("A document has at most %(limit_bytes)s."),
    "document.too_many": _("%(most)s documents wait for the staff already."),
    "document.expires": _("The last day lies between today and ten years from now."),
    "document.own": _("Somebody else decides on your own papers and on your children's."),
    "subscription.unknown": _("There is no such subscription."),
    "subscription.asked": _("A subscription is asked for already."),
    "subscription.overlaps": _("A subscription covers some of these days already."),
    "subscription.tariff": _("Choose one of the subscriptions that can be had."),
    "subscription.no_tariff": _("There is no such subscription to be had."),
    "subscription.name": _("A subscription's name has 1 to 120 characters."),
    "subscription.months": _("A subscription lasts 1 to %(most)s months."),
    "subscription.price": _("Write a price such as 45 or 12.50."),
    "subscription.first_day": _("The first day lies within a year from today."),
    "subscription.whose": _("Say whose subscription it is."),
    "subscription.nothing_due": _("Nothing has to be paid for it."),
}
REMEDIES: dict[str, str] = {
    "key.unknown": _("Ask for another one."),
    "key.used": _("Ask for another one."),
    "key.expired": _("Ask for another one."),
    "signup.closed": _("Come and see the staff; no e-mail is needed."),
    "project.owner_stays": _("Hand it over first, or close it."),
    "project.closed": _("Open it again first."),
    "member.not_left": _("Close the account first."),
    "invitation.sign_in": _("Sign in, and accept it on your page."),
    "invitation.expired": _("Ask for another one."),
}
NOTICES: dict[str, str] = {
    "signup.confirm": _(
        "Welcome, %(name)s. Follow the link within two days to confirm your address and choose a password."
        " If you have not signed up here, do nothing: you will hear no more."
    ),
    "signup.email": _(
        "%(name)s, follow the link to sign in with this address from now on. If you have not asked for it, do nothing."
    ),
    "signup.refused": _("%(name)s, the lab could not accept your request: %(why)s"),
    "password.lost": _(
        "%(name)s, follow the link within two hours to choose a new password. If you have not asked for it, do nothing:"
        " the one of until now stays."
    ),
    "password.changed": _(
        "%(name)s, your password was changed. If that was not you, tell the staff at once."
    ),
    "member.welcome": _("Welcome, %(name)s. Follow the link within a week to choose your password."),
    "member.waiting": _("%(name)s asks to become a member."),
    "member.approved": _("You are a member now. You can sign in."),
    "member.reactivated": _("Your account is active again."),
    "member.suspended": _("%(name)s, your account is suspended: %(why)s"),
    "member.gave_back": _("%(name)s, %(count)s things that were kept for you here are given back."),
    "member.gave_back_running": _(
        "%(name)s, %(count)s things that were kept for you here are given back. A machine that makes something for you "
        "finishes it; the staff keeps it."
    ),
    "invitation.ended": _("%(email)s is no longer a member and will not answer your invitation. %(what)s"),
    "job.goes_on": _(
        "%(who)s is no longer a member. %(machine)s still makes “%(file)s” and is left to finish it; nobody comes to "
        "take it off."
    ),
    "training.no_trainer": _(
        "The training of %(start)s (%(technology)s) has no trainer any more. Somebody else has to give it, or it has to be "
        "cancelled."
    ),
    "member.email_changed": _(
        "%(name)s, your account has another e-mail address now. If that was not you, tell the staff at once."
    ),
    "project.removed": _("You are no longer in the project %(project)s."),
    "project.yours": _("You now lead the project %(project)s."),
    "organisation.removed": _("You no longer belong to %(organisation)s."),
    "invitation.lab": _("%(who)s invites you to become a member. The link is good for two weeks."),
    "invitation.organisation": _("%(who)s invites you to %(organisation)s. The link is good for two weeks."),
    "invitation.project": _(
        "%(who)s invites you to the project %(project)s. The link is good for two weeks."
    ),
    "invitation.accepted": _("%(name)s has accepted your invitation. %(what)s"),
    "document.accepted": _("Your document %(file)s was accepted."),
    "document.refused": _("Your document %(file)s was not accepted: %(why)s"),
    "subscription.agreed": _("Your subscription “%(subscription)s” counts."),
}
SHORT: dict[str, str] = {}
WORDS: dict[str, dict[str, str]] = {
    "member_state": {
        "unconfirmed": _("Address not confirmed"),
        "waiting": _("Waiting for approval"),
        "active": _("Active"),
        "suspended": _("Suspended"),
        "left": _("Has left"),
    },
    "sign_up": {
        "closed": _("Nobody: the staff makes accounts, or invites"),
        "approval": _("Anybody with an e-mail; the staff approves"),
        "open": _("Anybody with an e-mail, at once"),
    },
    "seat": {"member": _("Belongs to it"), "manager": _("Speaks for it")},
    "consent_kind": {"membership": _("May be a member"), "image": _("Pictures may be shown")},
    "document_kind": {
        "identity": _("Identity"),
        "student": _("Student’s card"),
        "insurance": _("Insurance"),
        "consent": _("A parent’s consent"),
        "organisation": _("Belongs to an organisation"),
        "other": _("Something else"),
    },
    "document_state": {
        "waiting": _("Waiting for the staff"),
        "accepted": _("Accepted"),
        "refused": _("Not accepted"),
        "expired": _("Expired"),
    },
    "cover": {
        "person": _("One person"),
        "family": _("A parent and their children"),
        "organisation": _("Everybody of an organisation"),
    },
    "subscription_state": {
        "asked": _("Asked for"),
        "agreed": _("To come"),
        "running": _("Under way"),
        "over": _("Over"),
        "cancelled": _("Cancelled"),
    },
    "settled": {
        "cash": _("in cash"),
        "card": _("by card"),
        "cheque": _("by cheque"),
        "transfer": _("by transfer"),
        "waived": _("let off"),
    },
    "done": {
        "saved": _("Saved."),
        "made": _("The member is there."),
        "password": _("Your password is changed; your other browsers are signed out."),
        "email": _("If this address can be used, a letter with a link is on its way."),
        "asked": _("Asked for. The staff will say yes or no."),
        "withdrawn": _("Taken back."),
        "child": _("The child is there."),
        "joined": _("Accepted."),
        "declined": _("Declined."),
        "left": _("Your account is closed, and what was kept for you is given back."),
        "invited": _("The invitation is on its way."),
        "closed": _("Closed."),
        "files_added": _("The files are in the queue of the session."),
        "counted": _("Written down."),
        "given_back": _("Given back: it is free for everybody."),
        "delivered": _("The session is over, and the school is told."),
        "approve": _("Approved; they get a letter."),
        "refuse": _("Refused; they get a letter."),
        "suspend": _(
            "Suspended, and signed out everywhere. What was kept for them is given back; a machine that runs is left to "
            "finish."
        ),
        "reactivate": _("Active again."),
        "leave": _(
            "Their account is closed. What was kept for them is given back; a machine that runs is left to finish."
        ),
        "role": _("The role is changed."),
        "send_key": _("The link is on its way."),
        "forgotten": _("Forgotten for good."),
        "desk_taken": _("Done: the desk is yours."),
        "desk_left": _("Done: the desk is free for others."),
        "pass_bought": _("The pass counts from now on. Please pay it at the desk."),
        "hire_approve": _("They have the room, and get a letter."),
        "hire_decline": _("Declined; they get a letter."),
        "hire_cancel": _("Cancelled; they get a letter."),
        "agree": _("The subscription counts."),
        "settle": _("Paid."),
        "cancel": _("Cancelled."),
        "document": _("The document is there; the staff looks at it."),
        "document_accept": _("The document is accepted."),
        "document_refuse": _("The document is refused; the member hears why."),
        "document_delete": _("The document is deleted."),
    },
}
TITLES: dict[str, str] = {}
