"""A date changes, or it does not take place: moved, called off, turned down, taken up again, closed. The whole gang each
time, in one transaction with the line in the thread and the letters."""

from __future__ import annotations

from datetime import datetime

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, Invalid
from fablab.base.states import step
from fablab.claims import calendar
from fablab.claims.models import CLAIM_STEPS, ClaimState
from fablab.claims.workshops import asking, deciding, gang, letters, steps, thread
from fablab.claims.workshops.deciding import REMIND_BEFORE
from fablab.claims.workshops.gang import Proposal
from fablab.claims.workshops.letters import SchoolLetter
from fablab.claims.workshops.models import Session
from fablab.claims.workshops.words import LIVE, SESSION_STEPS, EntryKind, SessionState
from fablab.people import log
from fablab.people.access import Right, allows, require
from fablab.people.models import Member, Role


def move(
    uow: UnitOfWork, session_id: str, proposal: Proposal, why: str = "", hold_until: datetime | None = None
) -> Session:
    """Another date, the whole gang with it, or the old one stays as it was. By the staff; the school is told.

    What it costs stays what was promised. Raises `Conflict` slot_taken, session.begun; `Invalid` as `propose`.
    """
    require(uow.actor, Right.OPERATE)
    session = steps.locked(uow, session_id)
    after = step(SESSION_STEPS, session.state, "move")
    steps.require_not_begun(uow, session)
    gang.check(uow, session.workshop, proposal)
    reason = steps.why_of(why, empty=True)
    claim = calendar.claim(uow, session.id)
    before = [allocation.resource_id for allocation in claim.allocations]
    if session.state is SessionState.OFFERED:
        session.hold_until = steps.hold_until(uow, proposal.start_at, hold_until or session.hold_until)
        claim.hold_until = session.hold_until
        # A reminder of the old hour is none of the new one.
        session.reminded_at = None if session.hold_until - uow.now > REMIND_BEFORE else uow.now
    was = steps.iso(session.start_at)
    old = list(claim.needs)
    calendar.lock(uow, {*before, *(spot.place.resource_id for spot in proposal.spots)})
    places = gang.add_needs(uow, claim, proposal.spots)
    if taken := calendar.taken(uow, places, but=claim.id):
        raise Conflict("slot_taken", resource=taken[0][0])
    calendar.replace_places(uow, claim, places)
    gang.drop_needs(uow, claim, old)
    gang.set_date(claim, proposal)
    session.state = after
    session.start_at, session.end_at = proposal.start_at, proposal.end_at
    calendar.freed(uow, before)
    steps.touch(uow, session)
    start = proposal.start_at.isoformat()
    thread.enter(uow, session, EntryKind.MOVED, reason, facts={"start": start, "was": was, "why": reason})
    letters.tell_school(uow, session, SchoolLetter.MOVED, start=start, was=was, why=reason)
    steps.tell_mediator(uow, session, "request.moved", start=start, was=was, why=reason)
    log.record(uow, "session.moved", about=f"session {session.id}", why=reason)
    return session


def recount(uow: UnitOfWork, session_id: str, people: int, adults: int) -> Session:
    """More or fewer come than was said, until it begins; by either side. What is not accepted yet is priced anew; what is
    was promised, and stays.

    Raises `Invalid` request.people, request.adults_count; `Conflict` session.begun, session.state.
    """
    session = steps.mine(uow, session_id)
    if session.state not in (SessionState.REQUESTED, *LIVE):
        raise Conflict("session.state", state=session.state.value, action="recount")
    steps.require_not_begun(uow, session)
    asking.check_people(session.workshop, people, adults)
    facts = {"people": people, "adults": adults, "was": session.people}
    session.people, session.adults = people, adults
    if session.state is SessionState.OFFERED:
        deciding.promise(session)
    steps.touch(uow, session)
    thread.enter(uow, session, EntryKind.EDITED, facts=facts)
    if session.state is SessionState.OFFERED:
        thread.enter(uow, session, EntryKind.QUOTED, facts={"total_cents": session.price_cents})
    if not allows(uow.actor, Right.OPERATE):
        thread.tell_staff(uow, session, "request.recounted", people=people, adults=adults)
    return session


def cancel(uow: UnitOfWork, session_id: str, why: str) -> Session:
    """It does not take place; by either side. All of it is free. Raises `Conflict` session.begun; `Invalid` session.why."""
    session = steps.mine(uow, session_id)
    step(SESSION_STEPS, session.state, "cancel")
    steps.require_not_begun(uow, session)
    reason = steps.why_of(why)
    was = steps.iso(session.start_at)
    is_staff = allows(uow.actor, Right.OPERATE)
    steps.free(uow, session, "cancel", "end")
    thread.enter(uow, session, EntryKind.CANCELLED, reason, facts={"start": was, "why": reason})
    letters.tell_school(uow, session, SchoolLetter.CANCELLED, start=was, why=reason)
    if is_staff:
        steps.tell_mediator(uow, session, "request.cancelled", start=was, why=reason)
    else:
        thread.tell_staff(uow, session, "request.cancelled", start=was, why=reason)
    log.record(uow, "session.cancelled", about=f"session {session.id}", why=reason)
    return session


def decline(uow: UnitOfWork, session_id: str, why: str) -> Session:
    """The house cannot do it, and says why. By the staff."""
    require(uow.actor, Right.OPERATE)
    session = steps.locked(uow, session_id)
    step(SESSION_STEPS, session.state, "decline")
    reason = steps.why_of(why)
    steps.free(uow, session, "decline", "end")
    thread.enter(uow, session, EntryKind.DECLINED, reason, facts={"why": reason})
    letters.tell_school(uow, session, SchoolLetter.DECLINED, why=reason)
    log.record(uow, "session.declined", about=f"session {session.id}", why=reason)
    return session


def reopen(uow: UnitOfWork, session_id: str, text: str = "") -> Session:
    """What lapsed, was turned down or called off is looked at again: it is a request as on its first day.

    By the staff; by the school after a lapse, which is what it wants most often then.
    """
    session = steps.mine(uow, session_id)
    if session.state is not SessionState.LAPSED:
        require(uow.actor, Right.OPERATE)
    said = thread.clean_text(text, empty=True)
    session.state = step(SESSION_STEPS, session.state, "reopen")
    session.closed_at = None
    claim = calendar.claim(uow, session.id)
    if claim.state is ClaimState.CLOSED:
        claim.state = step(CLAIM_STEPS, claim.state, "reopen")
        claim.closed_at = None
        calendar.announce(uow, claim)
    steps.touch(uow, session)
    thread.enter(uow, session, EntryKind.REOPENED, said)
    if not allows(uow.actor, Right.OPERATE):
        thread.tell_staff(uow, session, "request.reopened", text=said[:300])
    return session


def assign(uow: UnitOfWork, session_id: str, member_id: int | None) -> Session:
    """Who of the staff leads it, and hears of every change. None: nobody yet."""
    require(uow.actor, Right.OPERATE)
    session = steps.locked(uow, session_id)
    member = uow.session.get(Member, member_id) if member_id is not None else None
    is_staff = member is not None and member.active and member.role in (Role.MEDIATOR, Role.STAFF, Role.ADMIN)
    if member_id is not None and not is_staff:
        raise Invalid("session.mediator", field="mediator")
    session.mediator_id = member_id
    steps.touch(uow, session)
    name = member.name if member is not None else ""
    thread.enter(uow, session, EntryKind.MEDIATOR, facts={"name": name})
    steps.tell_mediator(uow, session, "request.yours", start=steps.iso(session.start_at))
    return session


def close(uow: UnitOfWork, session_id: str) -> Session:
    """Delivered, charged, answered: nothing is left to do. By the staff."""
    require(uow.actor, Right.OPERATE)
    session = steps.locked(uow, session_id)
    session.state = step(SESSION_STEPS, session.state, "close")
    session.closed_at = uow.now
    steps.touch(uow, session)
    thread.enter(uow, session, EntryKind.CLOSED)
    return session
