"""What every step of a session does: take its row, free what it held, say why, tell who leads it."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, Fact, Invalid, NotFound
from fablab.base.states import step
from fablab.claims import calendar
from fablab.claims.workshops import gang, thread
from fablab.claims.workshops.models import Session
from fablab.claims.workshops.words import LIVE, OFFER_STEPS, SESSION_STEPS, OfferState, SessionState
from fablab.people.access import Right, allows
from fablab.people.models import Member

#: How long a date is kept when nobody says otherwise; the class's own papers take about that long.
USUAL_HOLD = timedelta(days=14)
LONGEST_HOLD = timedelta(days=120)
#: An outing needs the head's leave that long before.
LEAVE_BEFORE = timedelta(days=3)
SHORTEST_HOLD = timedelta(hours=1)
MOST_WHY = 500


def locked(uow: UnitOfWork, session_id: str) -> Session:
    """Its row is held until the end of the transaction. A public date has steps of its own (`workshops.public`)."""
    query = select(Session).where(Session.id == session_id).with_for_update(of=Session)
    session = uow.session.scalars(query).unique().one_or_none()
    if session is None or session.public:
        raise NotFound("request.unknown", id=session_id[:20])
    return session


def mine(uow: UnitOfWork, session_id: str) -> Session:
    """For the staff and for the school; to anybody else it does not exist."""
    session = locked(uow, session_id)
    if not allows(uow.actor, Right.OPERATE) and not thread.speaks_for(uow, session):
        raise NotFound("request.unknown", id=session_id[:20])
    return session


def free(uow: UnitOfWork, session: Session, action: str, claim_action: str) -> None:
    """The session's step, and all that it held is anybody's: what was held goes back in the same transaction."""
    session.state = step(SESSION_STEPS, session.state, action)
    claim = calendar.claim(uow, session.id)
    held = [allocation.resource_id for allocation in claim.allocations]
    old = list(claim.needs)
    calendar.release(uow, claim, claim_action)
    gang.drop_needs(uow, claim, old)
    claim.hold_until = None
    calendar.freed(uow, held)
    for offer in session.offers:
        if offer.state is OfferState.HELD:
            offer.state = step(OFFER_STEPS, offer.state, "pass")
    session.start_at = session.end_at = session.hold_until = session.reminded_at = None
    session.price_cents, session.price_lines = None, []
    session.accepted_by, session.order_number = None, ""
    if session.state in (SessionState.CANCELLED, SessionState.DECLINED):
        session.closed_at = uow.now
    touch(uow, session)


def hold_until(uow: UnitOfWork, start_at: datetime, said: datetime | None) -> datetime:
    """Never later than its beginning; where nothing is said, so early that the head can still give leave."""
    if said is not None:
        if not uow.now + SHORTEST_HOLD <= said <= min(start_at, uow.now + LONGEST_HOLD):
            raise Invalid("session.hold_until", field="hold_until", days=LONGEST_HOLD.days)
        return said
    usual = min(uow.now + USUAL_HOLD, start_at - LEAVE_BEFORE).replace(second=0, microsecond=0)
    return usual if usual >= uow.now + timedelta(days=1) else start_at


def require_not_begun(uow: UnitOfWork, session: Session) -> None:
    if session.state in LIVE and session.start_at is not None and session.start_at <= uow.now:
        raise Conflict("session.begun")


def why_of(said: str, *, empty: bool = False) -> str:
    reason = " ".join(said.split())
    if len(reason) > MOST_WHY or not reason.isprintable() or (len(reason) < 3 and not empty):
        raise Invalid("session.why", field="why", most=MOST_WHY)
    return reason


def tell_mediator(uow: UnitOfWork, session: Session, code: str, **facts: Fact) -> None:
    if session.mediator_id is None or session.mediator_id == uow.actor.member_id:
        return
    thread.tell_member(uow, session, uow.session.get_one(Member, session.mediator_id), code, **facts)


def touch(uow: UnitOfWork, session: Session) -> None:
    uow.session.flush()
    uow.session.expire(session, ["offers"])
    uow.raise_event("session", session.id, "changed")


def iso(at: datetime | None) -> str:
    return at.isoformat() if at is not None else ""
