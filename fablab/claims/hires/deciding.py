"""A hire from the house's side: yes or no by whoever runs the room; what lapses by itself, and what is charged at last."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, Invalid, NotFound
from fablab.base.states import step
from fablab.claims import calendar
from fablab.claims.hires.asking import end, tell_answering, tell_asker
from fablab.claims.hires.models import HIRE_STEPS, LIVE_HIRES, Hire, HireState
from fablab.claims.models import CLAIM_STEPS
from fablab.claims.reservations import orders
from fablab.money import quotes
from fablab.people import log, partners
from fablab.people.access import Right, allows

MOST_ENDED = 30
KEPT = timedelta(days=365)
KEPT_UNCONFIRMED = timedelta(days=7)


def get(uow: UnitOfWork, hire_id: str) -> Hire:
    """For the staff of the house, and for whoever runs the part that the room belongs to. `NotFound` for others."""
    row = uow.session.get(Hire, hire_id)
    if row is None or not (allows(uow.actor, Right.OPERATE) or partners.runs(uow, row.partner_id)):
        raise NotFound("hire.unknown")
    return row


def of_part(uow: UnitOfWork) -> tuple[list[Hire], list[Hire]]:
    """What the actor may answer: the live ones by start, and the last that are over. Who has not confirmed their address
    is not shown."""
    mine = select(Hire).where(Hire.state != HireState.ASKED, Hire.email_confirmed_at.is_not(None))
    if not allows(uow.actor, Right.OPERATE):
        mine = mine.where(Hire.partner_id.in_(partners.of_actor(uow)))
    live = mine.where(Hire.state.in_(LIVE_HIRES)).order_by(Hire.start_at, Hire.id)
    over = mine.where(Hire.state.not_in(LIVE_HIRES)).order_by(Hire.start_at.desc()).limit(MOST_ENDED)
    return list(uow.session.scalars(live)), list(uow.session.scalars(over))


def approve(uow: UnitOfWork, hire_id: str, why: str = "") -> Hire:
    """It is theirs. Raises `Conflict` hire.over where its time has run out."""
    row = get(uow, hire_id)
    state = step(HIRE_STEPS, row.state, "approve")
    if row.hold_until is None or row.hold_until <= uow.now:
        raise Conflict("hire.over")
    claim = calendar.claim(uow, row.id)
    claim.state = step(CLAIM_STEPS, claim.state, "confirm")
    claim.hold_until = None
    _decided(uow, row, state, why)
    row.hold_until = None
    uow.session.flush()
    calendar.announce(uow, claim)
    tell_asker(uow, row, "hire.approved", why=row.why)
    return row


def decline(uow: UnitOfWork, hire_id: str, why: str) -> Hire:
    """With the reason, which is told."""
    row = get(uow, hire_id)
    if not why.strip():
        raise Invalid("reservation.why", field="why")
    _decided(uow, row, step(HIRE_STEPS, row.state, "decline"), why)
    end(uow, row)
    tell_asker(uow, row, "hire.declined", why=row.why)
    return row


def cancel(uow: UnitOfWork, hire_id: str, why: str) -> Hire:
    """By the house, after it has said yes: with the reason, which is told."""
    row = get(uow, hire_id)
    if not why.strip():
        raise Invalid("reservation.why", field="why")
    _decided(uow, row, step(HIRE_STEPS, row.state, "cancel"), why)
    end(uow, row)
    tell_asker(uow, row, "hire.cancelled", why=row.why)
    return row


def tend(uow: UnitOfWork) -> int:
    """Every minute: what nobody confirmed or answered lapses and is free, both sides are told; what is over is charged as
    was promised. How many changed."""
    late = select(Hire).where(
        Hire.state.in_((HireState.ASKED, HireState.REQUESTED)), Hire.hold_until <= uow.now
    )
    over = select(Hire).where(Hire.state == HireState.CONFIRMED, Hire.end_at <= uow.now)
    lapsed = list(uow.session.scalars(late.order_by(Hire.id)))
    for row in lapsed:
        was_asked = row.state is HireState.ASKED
        row.state = step(HIRE_STEPS, row.state, "lapse")
        end(uow, row)
        if not was_asked:
            tell_asker(uow, row, "hire.lapsed", why=row.why)
            tell_answering(uow, row, "hire.unanswered")
    ended = list(uow.session.scalars(over.order_by(Hire.end_at, Hire.id)))
    for row in ended:
        _complete(uow, row)
    return len(lapsed) + len(ended)


def forget(uow: UnitOfWork) -> int:
    """Once an hour: who asked is forgotten a year after it was over, and a week after where the address was never
    confirmed. When, for how many and what it cost stays. How many were forgotten."""
    unconfirmed = Hire.email_confirmed_at.is_(None) & (Hire.ended_at < uow.now - KEPT_UNCONFIRMED)
    query = select(Hire).where(
        Hire.state.not_in(LIVE_HIRES), Hire.email != "", unconfirmed | (Hire.ended_at < uow.now - KEPT)
    )
    rows = list(uow.session.scalars(query))
    for row in rows:
        row.name = row.organisation = row.email = row.phone = row.purpose = row.why = ""
        calendar.claim(uow, row.id).title = ""
    uow.session.flush()
    return len(rows)


def _complete(uow: UnitOfWork, row: Hire) -> None:
    row.state, row.ended_at = step(HIRE_STEPS, row.state, "complete"), row.end_at
    uow.session.flush()
    calendar.finish(uow, calendar.claim(uow, row.id), row.end_at)
    quote = quotes.quote_of(uow, row.id)
    if quote is not None and quote.total_cents:
        quotes.charge(
            uow,
            quote,
            claim_id=row.id,
            run_id=row.id,
            member_id=None,
            project_id=None,
            audience=row.audience,
        )


def _decided(uow: UnitOfWork, row: Hire, state: HireState, why: str) -> None:
    row.state, row.why = state, orders.line(why, 300)
    row.decided_at, row.decided_by_id = uow.now, uow.actor.member_id
    uow.session.flush()
    log.record(uow, f"hire.{state.value}", about=f"hire {row.id}", why=row.why)
