"""Which sessions there are: one by its id, those that wait for somebody, a school's own, and those of a week."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import or_, select

from fablab.base.database import UnitOfWork
from fablab.base.errors import NotFound
from fablab.claims.models import Allocation
from fablab.claims.workshops import thread
from fablab.claims.workshops.models import Session
from fablab.claims.workshops.words import LIVE, SessionState
from fablab.people.access import Right, allows, require
from fablab.people.models import OrganisationMember, folded

MOST = 500


def get(uow: UnitOfWork, session_id: str) -> Session:
    session = uow.session.get(Session, session_id)
    if session is None:
        raise NotFound("request.unknown", id=session_id[:20])
    return session


def may_see(uow: UnitOfWork, session_id: str) -> Session:
    """For the staff, and for whoever speaks for it; to anybody else it does not exist."""
    session = get(uow, session_id)
    if not allows(uow.actor, Right.SEE_ALL) and not thread.speaks_for(uow, session):
        raise NotFound("request.unknown", id=session_id[:20])
    return session


def requests(
    uow: UnitOfWork, states: Collection[SessionState] = (), text: str = "", *, limit: int = 100
) -> list[Session]:
    """Schools' requests and what came of them, the newest first; `text`: part of a name, a town or a number. Those whose
    address nobody has confirmed are not shown: they may be anybody's joke."""
    require(uow.actor, Right.SEE_ALL)
    query = select(Session).where(
        Session.public.is_(False),
        or_(Session.email_confirmed_at.is_not(None), Session.contact_email == ""),
    )
    if states:
        query = query.where(Session.state.in_(states))
    rows = uow.session.scalars(query.order_by(Session.made_at.desc(), Session.id.desc()).limit(MOST)).unique()
    wanted = folded(text).split()
    found = [row for row in rows if all(word in _said(row) for word in wanted)]
    return found[:limit]


def waiting(uow: UnitOfWork) -> list[Session]:
    """What the staff has to answer, the oldest first."""
    return sorted(requests(uow, [SessionState.REQUESTED], limit=MOST), key=lambda row: (row.made_at, row.id))


def between(
    uow: UnitOfWork, start: datetime, end: datetime, *, mediator_id: int | None = None
) -> list[Session]:
    """The live ones, and those that were delivered, that touch [start, end), by start. `mediator_id`: whom they are
    led by."""
    require(uow.actor, Right.SEE_ALL)
    query = select(Session).where(
        Session.start_at < end,
        Session.end_at > start,
        Session.state.in_((*LIVE, SessionState.DELIVERED, SessionState.CLOSED)),
    )
    if mediator_id is not None:
        query = query.where(Session.mediator_id == mediator_id)
    return list(uow.session.scalars(query.order_by(Session.start_at, Session.id)).unique())


def of_member(uow: UnitOfWork, member_id: int) -> list[Session]:
    """What somebody asked for, or their organisation, the newest first."""
    theirs = select(OrganisationMember.organisation_id).where(OrganisationMember.member_id == member_id)
    query = select(Session).where(
        Session.public.is_(False),
        or_(Session.made_by_id == member_id, Session.organisation_id.in_(theirs)),
    )
    return list(uow.session.scalars(query.order_by(Session.made_at.desc()).limit(MOST)).unique())


def resource_ids(uow: UnitOfWork, session: Session) -> tuple[int, ...]:
    """What it holds now; nothing before a date is held."""
    query = select(Allocation.resource_id).where(Allocation.claim_id == session.id).distinct()
    return tuple(sorted(uow.session.scalars(query)))


def _said(row: Session) -> str:
    school = " ".join(
        str(row.school.get(name) or "") for name in ("name", "city", "postcode", "uai", "siret")
    )
    return folded(f"{school} {row.contact_name} {row.contact_email} {row.order_number} {row.id}")
