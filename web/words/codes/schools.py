"""Schools: their letters, the lines of a thread, the words of the request form."""

from __future__ import annotations


def _(message: str) -> str:
    """Marks a sentence for extraction; it is translated when it is said."""
    return message


SENTENCES: dict[str, str] = {
    "request.no_date": _("Please give at least one date."),
    "request.no_month": _("Please choose a month."),
    "request.no_workshop": _("Please choose a workshop."),
    "request.no_school": _("Please write the name of your school."),
    "request.no_contact": _("Please write your name."),
    "request.no_level": _("Please choose the level of your pupils."),
    "request.no_people": _("Please write how many pupils you are, as a number."),
    "session.date_gone": _("Somebody else was faster: %(start)s is taken by now. Please look again."),
    "thread.not_sure": _("Please tick the box to say that you are sure."),
    "thread.no_way": _("Please choose how you say yes."),
    "thread.no_text": _("Please write something."),
    "thread.no_paper": _("There is no such paper yet."),
    "invoice.nothing": _("Nothing is to be paid for this: there is nothing to invoice."),
    "invoice.already": _("There is an invoice already. Cancel it by a credit note first."),
    "invoice.none": _("There is no invoice to cancel."),
    "invoice.credited": _("The invoice %(number)s is cancelled already."),
    "invoice.unknown": _("There is no such invoice."),
    "invoice.fixed": _("The invoice %(number)s cannot be changed. Only a credit note cancels it."),
    "invoice.clock": _("The clock of this server is wrong: the last invoice was made later than now."),
    "invoice.partner": _("A partner of the house gives this workshop, and sends its own invoice."),
    "invoice.exemption": _("Article 293 B is for those who ask for no VAT at all: another line has VAT."),
    "invoice.text": _("A field of the invoice is empty, too long, or has signs that cannot be printed."),
}
REMEDIES: dict[str, str] = {}
#: A letter's first sentence is its subject.
NOTICES: dict[str, str] = {
    "session.confirm": _(
        "Is this your request: %(title)s, for %(people)s people of %(school)s? Please open this link and"
        " say yes. Then we begin to look for dates."
    ),
    "session.received": _(
        "We have your request: %(title)s. We look for dates that really work and write to you within "
        "three working days. Everything about your request stands on its page:"
    ),
    "session.proposed": _(
        "We have found dates for you: %(title)s. Look at them, and tell us which one you would like:"
    ),
    "session.held": _(
        "A date is held for you: %(title)s, %(start)s. Room, machines and mediator are yours until "
        "%(until)s. The quote is on the page of your request. Please say yes there before that moment; "
        "after it, everything is free for others:"
    ),
    "session.reminder": _(
        "Your date is held until %(until)s only: %(title)s, %(start)s. Please say yes before then, or "
        "tell us that it does not suit you:"
    ),
    "session.confirmed": _(
        "Your visit is confirmed: %(title)s, %(start)s. The agreement is on the page of your request. "
        "Please tell us there when the number of pupils changes:"
    ),
    "session.moved": _(
        "Your visit has a new date: %(title)s, %(start)s. Before it was %(was)s. If it does not suit "
        "you, write to us on the page of your request:"
    ),
    "session.cancelled": _(
        "Your visit does not take place: %(title)s. %(why)s You can write to us, or ask for another date:"
    ),
    "session.lapsed": _(
        "Your date is free again: %(title)s, %(start)s. We had no answer until %(until)s. Do you still "
        "want to come? Tell us, and we look for another date:"
    ),
    "session.declined": _("We cannot do what you asked for: %(title)s. %(why)s You can write to us here:"),
    "session.given_back": _(
        "The date is given back, and we look for another one: %(title)s. It was %(start)s. You can tell "
        "us here what would suit you better:"
    ),
    "session.message": _("The lab has written to you about your visit: %(title)s. “%(text)s” Answer here:"),
    "session.delivered": _(
        "Thank you for your visit: %(title)s. The certificate and the numbers are on the page of your "
        "request:"
    ),
    "session.invoiced": _(
        "Your invoice is there: %(title)s, invoice %(number)s. You can download it on the page of your request:"
    ),
    "session.credited": _(
        "Your invoice %(of)s is cancelled: %(title)s. %(why)s The credit note %(number)s is on the page of your "
        "request:"
    ),
    "session.caught_up": _(
        "Some pieces of your visit are still to be made: %(title)s. There are %(count)s of them, and all should be "
        "ready %(ready)s. The page of your request:"
    ),
    # the lines of a thread; whoever did it stands before them
    "thread.requested": _("asked for a workshop."),
    "thread.email_confirmed": _("confirmed the e-mail address."),
    "thread.edited": _("changed the number: %(people)s people, before it was %(was)s."),
    "thread.proposed": _("proposed dates that work."),
    "thread.held": _("held a date: %(start)s, until %(until)s."),
    "thread.quoted": _("made the quote: %(total)s."),
    "thread.reminded": _("reminded: the date is held until %(until)s."),
    "thread.given_back": _("gave the date back."),
    "thread.accepted": _("said yes, online."),
    "thread.ordered": _("said yes with the order number %(order_number)s."),
    "thread.signed": _("said yes with a signed paper."),
    "thread.planned": _("set the date: %(start)s."),
    "thread.moved": _("moved the visit to %(start)s. Before it was %(was)s."),
    "thread.lapsed": _("No answer came in time. Everything that was held is free again."),
    "thread.declined": _("said no to the request."),
    "thread.cancelled": _("called the visit off. Everything is free again."),
    "thread.reopened": _("took the request up again."),
    "thread.mediator": _("chose who is there for you: %(name)s."),
    "thread.files": _("received files of the pupils: %(count)s."),
    "thread.printed": _("printed pieces: %(count)s."),
    "thread.released": _("gave machines back early."),
    "thread.caught_up": _("planned the pieces that were left: %(count)s, ready %(ready)s."),
    "thread.problem": _("noted a problem."),
    "thread.attended": _("counted who came: %(people)s pupils, %(adults)s adults."),
    "thread.delivered": _("closed the day: the visit has taken place."),
    "thread.certified": _("made the certificate."),
    "thread.charged": _("wrote down what is to be paid: %(total)s."),
    "thread.invoiced": _("made the invoice %(number)s: %(total)s."),
    "thread.credited": _("cancelled the invoice %(of)s by the credit note %(number)s."),
    "thread.questionnaire": _("asked how it was."),
    "thread.answered": _("answered the questions."),
    "thread.closed": _("closed the request: all is done."),
    # why a date, as `scheduler.offering` says it
    "offer.wished_day": _("a day you wished for"),
    "offer.other_half": _("the day you wished for, in the other half"),
    "offer.near_wish": _("near the day you wished for"),
    "offer.earliest": _("the earliest"),
    "offer.usual_hours": _("at the usual hours of schools"),
    "offer.nobody_moves": _("nobody else has to move"),
    "offer.jobs_move": _("moves other people’s prints: %(count)s"),
    "offer.spare_machines": _("%(free)s machines free for %(wanted)s: one may break down"),
    "offer.next_best": _("the next best"),
    # why not
    "offer.too_soon": _("too soon: the first possible day is %(earliest)s"),
    "offer.too_far": _("too far ahead: the last possible day is %(latest)s"),
    "offer.public_holiday": _("public holiday (%(name)s)"),
    "offer.school_holiday": _("school holidays (%(name)s, zone %(zone)s), back to school on %(back)s"),
    "offer.closed": _("the house is closed (%(name)s)"),
    "offer.shut": _("the house is closed"),
    "offer.machines": _("not enough machines: %(free)s free of %(wanted)s (%(technology)s)"),
    "offer.no_room": _("no room is free"),
    "offer.no_mediator": _("no mediator is free"),
    "offer.no_kit": _("the material is lent to others"),
    "offer.no_desk": _("not enough places"),
    "offer.not_together": _("everything is free once that day, but never at the same time"),
    # whom a request waits for
    "thread.waits_ours": _("waits for us since %(since)s"),
    "thread.waits_theirs": _("waits for the school"),
    "thread.waits_held": _("waits for the school until %(until)s"),
    "thread.waits_coming": _("on %(start)s"),
    "thread.waits_close": _("waits for us: bill it, and close it"),
    "thread.waits_after": _("waits for us: write down who came"),
}
SHORT: dict[str, str] = {}
TITLES: dict[str, str] = {}
WORDS: dict[str, dict[str, str]] = {
    "session_state": {
        "requested": _("Asked for"),
        "offered": _("Date held"),
        "confirmed": _("Confirmed"),
        "delivered": _("Has taken place"),
        "closed": _("Closed"),
        "declined": _("Declined"),
        "lapsed": _("Lapsed"),
        "cancelled": _("Called off"),
        "unconfirmed": _("E-mail not confirmed"),
    },
    "session_lead": {
        "unconfirmed": _("We wait for you to open the link in our letter."),
        "requested": _("We are looking for dates. You hear from us within three working days."),
        "proposed": _("These dates work. Tell us which one you would like."),
        "offered": _("Room, machines and mediator are yours while you decide. Nobody else can take them."),
        "confirmed": _("Your visit is confirmed"),
        "delivered": _("Thank you for coming"),
        "closed": _("All is done"),
        "declined": _("We cannot do this."),
        "lapsed": _("There was no answer in time: the date is free again."),
        "cancelled": _("This visit does not take place."),
    },
    "session_lead_staff": {
        "unconfirmed": _("The school has not opened the link in our letter yet."),
        "requested": _("The school waits for dates."),
        "proposed": _("The school has dates to choose from."),
        "offered": _("Room, machines and mediator are kept while the school decides."),
        "confirmed": _("The visit is confirmed"),
        "delivered": _("The visit has taken place"),
    },
    "session_step": {
        "asked": _("Asked"),
        "held": _("Date held"),
        "confirmed": _("Confirmed"),
        "visit": _("Visit"),
        "done": _("All done"),
    },
    "session_papers": {
        "quote": _("Quote"),
        "agreement": _("Agreement"),
        "certificate": _("Certificate"),
        "signed": _("Signed paper"),
    },
    "invoice_kind": {
        "invoice": _("Invoice"),
        "credit": _("Credit note"),
    },
    "exemption": {
        "franchise": _("VAT not applicable, article 293 B of the CGI"),
        "article_261": _("Exempt from VAT, article 261 of the CGI"),
    },
    "public_holiday": {
        "new_year": _("New Year"),
        "good_friday": _("Good Friday"),
        "easter_monday": _("Easter Monday"),
        "labour_day": _("Labour Day"),
        "victory_day": _("8 May"),
        "ascension": _("Ascension"),
        "whit_monday": _("Whit Monday"),
        "national_day": _("14 July"),
        "assumption": _("Assumption"),
        "all_saints": _("All Saints"),
        "armistice": _("11 November"),
        "christmas": _("Christmas"),
        "saint_stephen": _("Saint Stephen"),
    },
    "school_holiday": {
        "autumn": _("All Saints"),
        "christmas": _("Christmas"),
        "winter": _("winter"),
        "spring": _("spring"),
        "ascension": _("Ascension"),
        "summer": _("summer"),
    },
    "school_level": {
        "maternelle": _("Nursery school"),
        "elementaire": _("Primary school"),
        "college": _("Lower secondary school"),
        "lycee": _("Upper secondary school"),
        "superieur": _("After school-leaving"),
        "other": _("Another group"),
    },
    "school_half": {
        "any": _("Either"),
        "am": _("Morning"),
        "pm": _("Afternoon"),
    },
    "workshop_payer": {
        "school": _("The school"),
        "city": _("The town"),
        "pass_culture": _("pass Culture"),
        "person": _("Each person"),
        "free": _("Nobody: it is free"),
    },
    "accepted_by": {
        "online": _("online"),
        "order_number": _("with an order number"),
        "signed": _("with a signed paper"),
    },
    "requests_show": {
        "ours": _("Our turn"),
        "theirs": _("The school’s turn"),
        "coming": _("Coming"),
        "over": _("Over"),
        "all": _("All"),
    },
}
