"""Workshops: the catalogue, what schools ask for, and the sessions that come of it.

A request is one session from its first day on: `ask`, `confirm_email`, `propose`, `hold`, `accept`; `lapse_due` by the
clock; `move`, `cancel`, `decline`, `reopen`. The whole gang is held in one transaction, or nothing is.
"""

from fablab.claims.workshops.asking import (
    Asked,
    Half,
    Request,
    Wish,
    adults_needed,
    ask,
    confirm_email,
    forget_unconfirmed,
    warnings,
    wishes_of,
    zone_of,
)
from fablab.claims.workshops.changing import assign, cancel, close, decline, move, recount, reopen
from fablab.claims.workshops.deciding import (
    Answer,
    accept,
    give_back,
    hold,
    lapse_due,
    propose,
    remind_due,
)
from fablab.claims.workshops.gang import Proposal, Spot, proposal_of, spots
from fablab.claims.workshops.models import Session, SessionOffer, ThreadEntry, Workshop, WorkshopPrice
from fablab.claims.workshops.reads import between, get, may_see, of_member, requests, resource_ids, waiting
from fablab.claims.workshops.words import (
    OFFER_STEPS,
    REGISTRATION_STEPS,
    SESSION_STEPS,
    AcceptedBy,
    EntryKind,
    OfferState,
    Payer,
    SchoolLevel,
    SessionState,
    WorkshopKind,
)

__all__ = [
    "OFFER_STEPS",
    "REGISTRATION_STEPS",
    "SESSION_STEPS",
    "AcceptedBy",
    "Answer",
    "Asked",
    "EntryKind",
    "Half",
    "OfferState",
    "Payer",
    "Proposal",
    "Request",
    "SchoolLevel",
    "Session",
    "SessionOffer",
    "SessionState",
    "Spot",
    "ThreadEntry",
    "Wish",
    "Workshop",
    "WorkshopKind",
    "WorkshopPrice",
    "accept",
    "adults_needed",
    "ask",
    "assign",
    "between",
    "cancel",
    "close",
    "confirm_email",
    "decline",
    "forget_unconfirmed",
    "get",
    "give_back",
    "hold",
    "lapse_due",
    "may_see",
    "move",
    "of_member",
    "proposal_of",
    "propose",
    "recount",
    "remind_due",
    "reopen",
    "requests",
    "resource_ids",
    "spots",
    "waiting",
    "warnings",
    "wishes_of",
    "zone_of",
]
