"""Letters, quiet hours, calendar feeds, webhooks: their codes in English."""

from __future__ import annotations


def _(message: str) -> str:
    """Marks a sentence for extraction; it is translated when it is said."""
    return message


SENTENCES: dict[str, str] = {
    # letters, and why one was not sent
    "letter.address": _("No letter can be sent to this address."),
    "letter.unknown": _("There is no such letter in the outbox."),
    "letter.link_unknown": _("This link is not known here any more."),
    "letter.no_address": _("Nobody can be written to: there is no e-mail address, or no member any more."),
    "letter.too_old": _("It was too old to be sent."),
    "letter.no_server": _("The mail server did not answer."),
    "letter.wrong_password": _("The mail server does not take our name and password."),
    "letter.sender_refused": _("The mail server does not take letters from our address."),
    "letter.refused": _("The mail server will not take it."),
    "letter.not_now": _("The mail server could not take it just then."),
    "letter.sender_lost": _("The server stopped in the middle of it. It may have arrived already."),
    # what people choose
    "choice.always": _("Letters about safety and about your account's security are always sent at once."),
    "choice.channel": _("This cannot be chosen."),
    "choice.subject": _("There is no subject “%(subject)s”."),
    "choice.quiet": _("Quiet hours need two different times of the day."),
    # feeds
    "feed.name": _("A feed needs a name of 1 to %(most)s characters."),
    "feed.too_many": _("You have %(most)s feeds already. Please revoke one that you no longer use."),
    "feed.unknown": _("There is no such calendar feed, or it was revoked."),
    # webhooks
    "hook.name": _("A webhook needs a name of 1 to %(most)s characters."),
    "hook.url": _("This is not an address like https://example.org/path, without name and password in it."),
    "hook.private": _("This address lies in a private network, and the lab's settings do not allow it."),
    "hook.not_https": _("Outside of the lab's own networks only https:// is allowed."),
    "hook.no_events": _("Please choose at least one event."),
    "hook.event": _("There is no event “%(event)s”."),
    "hook.too_many": _("There are %(most)s webhooks already."),
    "hook.unknown": _("There is no such webhook."),
    "hook.delivery_unknown": _("There is no such delivery."),
    "hook.no_name": _("The name of its computer is not known."),
    "hook.too_slow": _("It did not answer in time."),
    "hook.no_answer": _("It could not be reached."),
    "hook.redirect": _("It sent us elsewhere; that is not followed."),
    "hook.refused": _("It answered with an error."),
}
REMEDIES: dict[str, str] = {
    "hook.private": _("Whoever runs the server may allow a network with FABLAB_HOOK_NETWORKS."),
}
NOTICES: dict[str, str] = {
    "hook.stopped": _("The webhook “%(name)s” has failed %(count)s times in a row and was stopped."),
}
SHORT: dict[str, str] = {}
WORDS: dict[str, dict[str, str]] = {
    "notice_subject": {
        "jobs": _("My jobs: done, failed, accepted"),
        "plan": _("My jobs were moved in the plan"),
        "reservations": _("My reservations"),
        "waiting": _("A place I waited for"),
        "trainings": _("Trainings and certifications"),
        "account": _("My account: membership, documents, projects"),
        "house": _("Running the house: letters and webhooks that fail"),
        "safety": _("Safety"),
        "security": _("Security of my account"),
    },
    "notice_channel": {
        "page": _("On the page only"),
        "at_once": _("A letter at once"),
        "daily": _("One letter a day"),
        "none": _("Not at all"),
    },
    "letter_state": {
        "waiting": _("Waiting"),
        "held": _("Held for later"),
        "sending": _("Being sent"),
        "sent": _("Sent"),
        "failed": _("To be tried again"),
        "given_up": _("Given up"),
        "cancelled": _("Cancelled"),
    },
    "hook_state": {
        "active": _("Active"),
        "paused": _("Paused"),
        "stopped": _("Stopped after failing"),
    },
    "delivery_state": {
        "waiting": _("Waiting"),
        "sending": _("Being sent"),
        "delivered": _("Delivered"),
        "failed": _("To be tried again"),
        "given_up": _("Given up"),
    },
    "hook_topic": {
        "machine": _("Machines: gate, spool, what runs"),
        "run": _("Runs: started, paused, ended"),
        "claim": _("Jobs, reservations and trainings: changed"),
        "calendar": _("The calendar: changed, a place freed"),
        "reservation": _("Reservations"),
        "training": _("Trainings"),
        "session": _("Workshops and requests"),
        "certification": _("Certifications"),
        "waiting": _("Waiting lists"),
        "shares": _("Shares due"),
    },
}
TITLES: dict[str, str] = {}
