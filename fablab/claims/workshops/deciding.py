"""A request becomes a date: proposed, held, accepted, given back; or nobody answers in time, and it lapses.

A session holds its whole gang or nothing. Every step here is one transaction: the calendar, the claim, the session, the
line in the thread and the letters stand together or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, Fact, Forbidden, Invalid, NotFound
from fablab.base.states import step
from fablab.claims import calendar
from fablab.claims.models import CLAIM_STEPS, AllocationState
from fablab.claims.workshops import gang, letters, pricing, steps, thread
from fablab.claims.workshops.gang import Proposal
from fablab.claims.workshops.letters import SchoolLetter
from fablab.claims.workshops.models import Session, SessionOffer
from fablab.claims.workshops.words import (
    OFFER_STEPS,
    SESSION_STEPS,
    AcceptedBy,
    EntryKind,
    OfferState,
    Payer,
    SessionState,
)
from fablab.people.access import Right, allows, require
from fablab.people.documents import Sent

MOST_PROPOSED = 3
MOST_NUMBER = 60
#: So long before a date lapses the school hears of it once more.
REMIND_BEFORE = timedelta(days=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How the school says yes. `order_number` with `ORDER_NUMBER`; `file` with `SIGNED`. `payer`: who pays in the end;
    None: as it was asked. The price that was promised does not change by it."""

    by: AcceptedBy
    order_number: str = ""
    file: Sent | None = None
    payer: Payer | None = None


# -- dates are found, and one is held ------------------------------------------------------------------------


def propose(
    uow: UnitOfWork,
    session_id: str,
    proposals: Sequence[Proposal],
    missed: Sequence[Mapping[str, object]] = (),
) -> Session:
    """Up to three dates the school may choose from, in place of those proposed before. `missed`: wished dates that
    cannot be, each `{"code", "facts"}`. Nothing is held by it.

    Raises `Invalid` session.proposals, session.gang, session.dates; `Conflict` session.unconfirmed, bad_step.
    """
    require(uow.actor, Right.OPERATE)
    session = steps.locked(uow, session_id)
    _require_state(session, SessionState.REQUESTED, "propose")
    _require_confirmed(session)
    if not 1 <= len(proposals) <= MOST_PROPOSED:
        raise Invalid("session.proposals", field="offers", most=MOST_PROPOSED)
    for proposal in proposals:
        gang.check(uow, session.workshop, proposal)
    uow.session.execute(delete(SessionOffer).where(SessionOffer.session_id == session.id))
    uow.session.add_all(
        gang.offer_row(uow, session.id, rank, proposal) for rank, proposal in enumerate(proposals, start=1)
    )
    steps.touch(uow, session)
    facts = {
        "dates": [{"start": p.start_at.isoformat(), "end": p.end_at.isoformat()} for p in proposals],
        "missed": [dict(row) for row in missed][:20],
        "count": len(proposals),
    }
    thread.enter(uow, session, EntryKind.PROPOSED, facts=facts)
    letters.tell_school(uow, session, SchoolLetter.PROPOSED, count=len(proposals))
    return session


def hold(uow: UnitOfWork, session_id: str, rank: int, hold_until: datetime | None = None) -> Session:
    """That proposed date is kept for the school, all of it, until `hold_until`; its price is promised.

    By the staff, or by the school among what was proposed to it (then for the usual time). Raises `NotFound`
    session.no_offer; `Invalid` session.hold_until; `Conflict` slot_taken (somebody was faster), session.no_price.
    """
    session = steps.mine(uow, session_id)
    if hold_until is not None and not allows(uow.actor, Right.OPERATE):
        raise Forbidden("session.not_yours")
    _require_confirmed(session)
    offer = next((row for row in session.offers if row.rank == rank), None)
    if offer is None or offer.state is not OfferState.PROPOSED:
        raise NotFound("session.no_offer")
    proposal = gang.proposal_of(offer)
    gang.check(uow, session.workshop, proposal)
    until = steps.hold_until(uow, proposal.start_at, hold_until)
    session.state = step(SESSION_STEPS, session.state, "hold")
    claim = calendar.claim(uow, session.id)
    places = gang.put_needs(uow, claim, proposal.spots)
    calendar.hold(uow, claim, places, AllocationState.FIRM, action="offer")
    gang.set_date(claim, proposal)
    claim.hold_until = until
    offer.state = step(OFFER_STEPS, offer.state, "hold")
    session.start_at, session.end_at, session.hold_until = proposal.start_at, proposal.end_at, until
    # Whoever has less time than that from the outset need not be told twice.
    session.reminded_at = uow.now if until - uow.now <= REMIND_BEFORE else None
    promise(session)
    steps.touch(uow, session)
    start, said = proposal.start_at.isoformat(), until.isoformat()
    thread.enter(uow, session, EntryKind.HELD, facts={"start": start, "until": said, "rank": rank})
    thread.enter(uow, session, EntryKind.QUOTED, facts={"total_cents": session.price_cents})
    letters.tell_school(uow, session, SchoolLetter.HELD, start=start, until=said)
    if not allows(uow.actor, Right.OPERATE):
        thread.tell_staff(uow, session, "request.held", start=start, until=said)
    return session


def accept(uow: UnitOfWork, session_id: str, answer: Answer) -> Session:
    """The school says yes, or the staff for it: the date is firm.

    Raises `Conflict` session.lapsed, bad_step; `Invalid` session.order_number, session.no_file.
    """
    session = steps.mine(uow, session_id)
    if session.state is SessionState.LAPSED:
        raise Conflict("session.lapsed")
    _require_state(session, SessionState.OFFERED, "accept")
    if session.hold_until is None or session.hold_until <= uow.now:
        raise Conflict("session.lapsed")
    number = " ".join(answer.order_number.split())
    is_missing = answer.by is AcceptedBy.ORDER_NUMBER and not number
    if is_missing or len(number) > MOST_NUMBER or not number.isprintable():
        raise Invalid("session.order_number", field="order_number", most=MOST_NUMBER)
    if answer.by is AcceptedBy.SIGNED and answer.file is None:
        raise Invalid("session.no_file", field="file")
    session.state = step(SESSION_STEPS, session.state, "accept")
    session.accepted_by, session.order_number, session.hold_until = answer.by, number, None
    session.payer = answer.payer or session.payer
    claim = calendar.claim(uow, session.id)
    claim.state = step(CLAIM_STEPS, claim.state, "confirm")
    claim.hold_until = None
    calendar.settle(uow, claim, AllocationState.FIRM)
    for offer in session.offers:
        if offer.state is OfferState.PROPOSED:
            offer.state = step(OFFER_STEPS, offer.state, "pass")
    steps.touch(uow, session)
    start = steps.iso(session.start_at)
    kind = _ACCEPTED[answer.by]
    facts = {"start": start, "order_number": number, "payer": session.payer.value}
    thread.enter(uow, session, kind, facts=facts, file=answer.file)
    letters.tell_school(uow, session, SchoolLetter.CONFIRMED, start=start)
    thread.tell_staff(uow, session, "request.accepted", start=start)
    return session


def give_back(uow: UnitOfWork, session_id: str, text: str = "") -> Session:
    """Not this date: what was held is free, and another one is looked for."""
    session = steps.mine(uow, session_id)
    _require_state(session, SessionState.OFFERED, "give_back")
    said = thread.clean_text(text, empty=True)
    was = steps.iso(session.start_at)
    steps.free(uow, session, "give_back", "lapse")
    thread.enter(uow, session, EntryKind.GIVEN_BACK, said, facts={"start": was})
    letters.tell_school(uow, session, SchoolLetter.GIVEN_BACK, start=was)
    if not allows(uow.actor, Right.OPERATE):
        thread.tell_staff(uow, session, "request.given_back", start=was, text=said[:300])
    return session


# -- by the clock --------------------------------------------------------------------------------------------


def lapse_due(uow: UnitOfWork) -> tuple[str, ...]:
    """Dates that nobody answered for in time are free again, and both sides are told; the sessions' ids."""
    ids = uow.session.scalars(
        select(Session.id)
        .where(Session.state == SessionState.OFFERED, Session.hold_until <= uow.now)
        .order_by(Session.hold_until, Session.id)
    )
    return tuple(session_id for session_id in list(ids) if _lapse(uow, session_id))


def _lapse(uow: UnitOfWork, session_id: str) -> bool:
    session = steps.locked(uow, session_id)
    if session.state is not SessionState.OFFERED or session.hold_until is None:
        return False
    if session.hold_until > uow.now:
        return False
    facts: dict[str, Fact] = {"start": steps.iso(session.start_at), "until": session.hold_until.isoformat()}
    steps.free(uow, session, "lapse", "lapse")
    thread.enter(uow, session, EntryKind.LAPSED, facts=facts)
    letters.tell_school(uow, session, SchoolLetter.LAPSED, **facts)
    thread.tell_staff(uow, session, "request.lapsed", **facts)
    return True


def remind_due(uow: UnitOfWork) -> int:
    """Schools whose date is not kept much longer are told so, once; how many."""
    query = (
        select(Session)
        .where(
            Session.state == SessionState.OFFERED,
            Session.reminded_at.is_(None),
            Session.hold_until > uow.now,
            Session.hold_until <= uow.now + REMIND_BEFORE,
        )
        .with_for_update(of=Session)
    )
    rows = list(uow.session.scalars(query))
    for session in rows:
        session.reminded_at = uow.now
        facts: dict[str, Fact] = {
            "start": steps.iso(session.start_at),
            "until": steps.iso(session.hold_until),
        }
        thread.enter(uow, session, EntryKind.REMINDED, facts=facts)
        letters.tell_school(uow, session, SchoolLetter.REMINDER, **facts)
    return len(rows)


# -- how it is done --------------------------------------------------------------------------------------------


_ACCEPTED: Mapping[AcceptedBy, EntryKind] = {
    AcceptedBy.ONLINE: EntryKind.ACCEPTED,
    AcceptedBy.ORDER_NUMBER: EntryKind.ORDERED,
    AcceptedBy.SIGNED: EntryKind.SIGNED,
}


def promise(session: Session) -> None:
    """What it costs is worked out once, when a date is held."""
    found = pricing.lines(
        session.workshop.prices,
        session.workshop.title,
        audience=session.audience,
        payer=session.payer,
        people=session.people,
    )
    session.price_lines = pricing.kept(found)
    session.price_cents = pricing.total_cents(found)


def _require_state(session: Session, state: SessionState, action: str) -> None:
    if session.state is not state:
        raise Conflict("session.state", state=session.state.value, action=action)


def _require_confirmed(session: Session) -> None:
    if session.contact_email and session.email_confirmed_at is None:
        raise Conflict("session.unconfirmed")
