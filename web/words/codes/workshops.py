"""Workshops and requests: what is wrong with one, what the staff is told of them, and the words of the catalogue."""

from __future__ import annotations


def _(message: str) -> str:
    """Marks a sentence for extraction; it is translated when it is said."""
    return message


SENTENCES: dict[str, str] = {
    "workshop.unknown": _("There is no such workshop."),
    "workshop.slug": _("The address has small letters, digits and hyphens only, up to 80 of them."),
    "workshop.taken": _("Another workshop has this address already."),
    "workshop.changed": _("Somebody has changed this workshop since you opened it."),
    "workshop.audiences": _("Say whom it is for."),
    "workshop.people": _("The least number of people is at least 1, the most at most %(most)s."),
    "workshop.minutes": _(
        "Say how many minutes: at most %(most)s, and five at least for the workshop itself."
    ),
    "workshop.stations": _("At most %(most)s stations, each of one minute at least."),
    "workshop.groups": _("Every group needs a station: from 1 to %(most)s groups."),
    "workshop.rotation": _(
        "Until every group has been at every station %(rounds_min)s have gone by: longer than the workshop."
    ),
    "workshop.needs": _("A workshop has at most %(most)s needs."),
    "workshop.need": _("One of the needs cannot be met as it is written."),
    "workshop.resource": _("One of the things that are named is not in the house."),
    "workshop.partner": _("There is no such partner."),
    "workshop.grants": _("This workshop grants no certification."),
    "workshop.piece": _("Say what the piece takes: the technology, the minutes and the grams."),
    "workshop.price": _("A price goes from 0 to 100,000 euros."),
    "workshop.price_twice": _("There are two prices for the same people and the same payer."),
    "workshop.price_free": _("What is free has no price."),
    "workshop.vat": _("The tax goes from 0 to 100 per cent."),
    "workshop.text": _(
        "A text is missing, is too long (at most %(most)s characters), or has signs no screen can show."
    ),
    "workshop.too_many_lines": _("At most %(most)s lines."),
    "request.audience": _("This workshop is not for a group of this kind."),
    "request.people": _("This workshop is for %(least)s to %(most)s people."),
    "request.adults_count": _("Say how many adults come along: from 0 to %(most)s."),
    "request.adults": _(
        "For %(people)s pupils of this age %(needed)s adults must come along; you have written %(adults)s."
    ),
    "request.number": _("This is no UAI (7 digits and a letter) and no SIRET (14 digits)."),
    "request.place": _("Write the postcode and the town."),
    "request.wishes": _("Give 1 to %(most)s dates."),
    "request.day": _("Choose a day from today on, within the next year and a half."),
    "request.wish": _("Choose a day, or a weekday and the weeks."),
    "request.weeks": _("The last day lies before the first, or too far away."),
    "request.line": _("Write 2 to %(most)s characters."),
    "request.text": _("Write at most %(most)s characters."),
    "request.too_many": _("Several requests wait for an answer from this e-mail address already."),
    "request.unknown": _("There is no such request."),
    "session.no_offer": _("This date is not proposed any more."),
    "session.no_entry": _("There is no such line in this request."),
    "session.not_yours": _("Only the staff can choose this."),
    "session.text": _("Write something, in at most %(most)s characters."),
    "session.too_many_messages": _("That is a lot of messages for one day."),
    "session.proposals": _("Propose 1 to %(most)s dates."),
    "session.gang": _("This date does not have all that the workshop needs."),
    "session.dates": _("Choose a date that is still to come."),
    "session.hold_until": _(
        "A date is held for one hour to %(days)s days, and never longer than until it begins."
    ),
    "session.unconfirmed": _("The e-mail address of this request is not confirmed yet."),
    "session.no_price": _("This workshop has no price for a group of this kind."),
    "session.order_number": _("Write the order number, in at most %(most)s characters."),
    "session.no_file": _("Add the signed paper."),
    "session.lapsed": _("Nobody answered in time: this date is free again."),
    "session.state": _("This is no longer possible: the request has moved on meanwhile."),
    "session.begun": _("The visit has begun."),
    "session.why": _("Say why, in 3 to %(most)s characters: the other side reads it."),
    "session.mediator": _("Choose somebody of the team."),
}
REMEDIES: dict[str, str] = {
    "workshop.changed": _("Open it again, and make your change there."),
    "session.no_price": _("Give it one in the catalogue, or write “free” as the payer."),
    "session.lapsed": _("Ask for another date on the same page."),
    "session.unconfirmed": _("The link is in the letter that was sent to it."),
    "request.too_many": _("Open the link in the first letter, or call us."),
}
#: What the staff is told; a letter's first sentence is its subject.
NOTICES: dict[str, str] = {
    "request.new": _("New request: %(workshop)s, for %(people)s people of %(school)s."),
    "request.held": _("%(school)s has chosen a date: %(workshop)s, %(start)s. It is held until %(until)s."),
    "request.accepted": _("%(school)s says yes: %(workshop)s, %(start)s."),
    "request.given_back": _("%(school)s gives its date back: %(workshop)s, %(start)s. %(text)s"),
    "request.lapsed": _(
        "%(school)s has not answered in time: %(workshop)s, %(start)s. Everything that was held is free again."
    ),
    "request.reopened": _("%(school)s still wants to come: %(workshop)s. %(text)s"),
    "request.recounted": _(
        "%(school)s comes with another number: %(people)s people and %(adults)s adults, %(workshop)s."
    ),
    "request.cancelled": _("It does not take place: %(workshop)s for %(school)s, %(start)s. %(why)s"),
    "request.moved": _("Moved to %(start)s: %(workshop)s for %(school)s. Before it was %(was)s. %(why)s"),
    "request.message": _("%(by)s of %(school)s writes about %(workshop)s: “%(text)s”"),
    "request.yours": _("This visit is yours: %(workshop)s for %(school)s. Date: %(start)s."),
}
SHORT: dict[str, str] = {}
TITLES: dict[str, str] = {}
WORDS: dict[str, dict[str, str]] = {
    "workshop_kind": {
        "workshop": _("Workshop"),
        "event": _("Event"),
    },
    "workshop_level": {
        "debutant": _("Beginners"),
        "intermediaire": _("With some practice"),
        "avance": _("Advanced"),
    },
    "workshop_unit": {
        "session": _("for the group"),
        "person": _("for each person"),
    },
    "workshop_theme": {
        "diagnostic_numerique": _("Finding out what one can do"),
        "prendre_en_main_du_materiel": _("Getting to know a device"),
        "maintenance_de_materiel": _("Looking after devices"),
        "gere_ses_contenus_numeriques": _("Keeping one’s files in order"),
        "navigation_sur_internet": _("Finding one’s way on the Internet"),
        "email": _("Writing e-mails"),
        "bureautique": _("Office programs"),
        "reseaux_sociaux": _("Social networks"),
        "sante": _("Health"),
        "banque_et_achats_en_ligne": _("Banking and shopping online"),
        "entrepreneuriat": _("Starting a business"),
        "insertion_professionnelle": _("Finding work"),
        "securite_numerique": _("Staying safe online"),
        "parentalite": _("Parents and screens"),
        "scolarite_et_numerique": _("School and digital tools"),
        "creer_avec_le_numerique": _("Making things with digital tools"),
        "culture_numerique": _("Digital culture"),
        "intelligence_artificielle": _("Artificial intelligence"),
    },
}
