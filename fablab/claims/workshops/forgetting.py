"""What is kept of whoever asked, and for how long: what somebody in a class needs goes when the visit is over, names and
addresses when nobody has written for three years. The school, its dates and its numbers stay."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, func, select, update

from fablab.base.database import UnitOfWork
from fablab.claims.workshops.models import Session, SessionKey, ThreadEntry
from fablab.claims.workshops.words import SessionState

#: Said of a child's health, and needed for nothing after the day: some time to answer a question, and it goes.
NEEDS_KEPT = timedelta(days=30)
#: CNIL: contacts of those with whom nothing goes on, three years after the last word.
CONTACT_KEPT = timedelta(days=3 * 365)
OVER = (
    SessionState.DELIVERED,
    SessionState.CLOSED,
    SessionState.DECLINED,
    SessionState.LAPSED,
    SessionState.CANCELLED,
)


def forget(uow: UnitOfWork) -> int:
    """Of how many sessions something was forgotten."""
    return _needs(uow) + _contacts(uow)


def _needs(uow: UnitOfWork) -> int:
    last = func.coalesce(Session.end_at, Session.closed_at, Session.made_at)
    query = select(Session.id).where(
        Session.state.in_(OVER), last < uow.now - NEEDS_KEPT, Session.accessibility != ""
    )
    ids = list(uow.session.scalars(query))
    uow.session.execute(update(Session).where(Session.id.in_(ids)).values(accessibility=""))
    return len(ids)


def _contacts(uow: UnitOfWork) -> int:
    spoken = select(func.max(ThreadEntry.at)).where(ThreadEntry.session_id == Session.id).scalar_subquery()
    query = select(Session.id).where(
        Session.state.in_(OVER), spoken < uow.now - CONTACT_KEPT, Session.contact_name != ""
    )
    ids = list(uow.session.scalars(query))
    blank = {"contact_name": "", "contact_email": "", "contact_phone": "", "note": ""}
    uow.session.execute(update(Session).where(Session.id.in_(ids)).values(**blank))
    theirs = update(ThreadEntry).where(
        ThreadEntry.session_id.in_(ids), ThreadEntry.by_member_id.is_(None), ThreadEntry.by_name != ""
    )
    uow.session.execute(theirs.values(by_name="", text=""))
    uow.session.execute(delete(SessionKey).where(SessionKey.session_id.in_(ids)))
    return len(ids)
