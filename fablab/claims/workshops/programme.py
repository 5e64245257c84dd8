"""What is on: the public dates as everybody may see them, without anybody's name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import selectinload

from fablab.base.database import UnitOfWork
from fablab.base.errors import NotFound
from fablab.claims.models import Claim
from fablab.claims.workshops import line, registrations
from fablab.claims.workshops.models import Registration, Session, Workshop
from fablab.claims.workshops.words import (
    Level,
    Payer,
    RegistrationState,
    SessionState,
    Theme,
    Unit,
    WorkshopKind,
)
from fablab.people.models import Audience, Member
from fablab.places.models import ResourceKind

MOST_SHOWN = 300
#: A date that is over or called off stays on its own page so long.
SHOWN_AFTER = timedelta(days=60)

Texts = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicDate:
    """One date. `free` seats, `waiting` people in the line; `price_cents` with tax, None where nobody says, 0 for free.
    `rooms`: where it is. Texts in both languages."""

    id: str
    slug: str
    kind: WorkshopKind
    title: Texts
    summary: Texts
    take_home: Texts
    theme: Theme
    level: Level
    audiences: tuple[str, ...]
    start_at: datetime
    end_at: datetime
    rooms: tuple[str, ...]
    capacity: int
    free: int
    waiting: int
    least: int
    decide_at: datetime | None
    price_cents: int | None
    cancelled: bool
    over: bool
    note: str
    made_at: datetime
    version: int
    partner: str = ""
    most_together: int = 1

    @property
    def open(self) -> bool:
        """Whether one may register, or wait."""
        return not self.cancelled and not self.over

    @property
    def is_full(self) -> bool:
        return self.free == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which dates. `since`, `until`: instants that their beginning lies between; None: from now on, for ever."""

    kind: WorkshopKind | None = None
    audience: Audience | None = None
    workshop: str = ""
    since: datetime | None = None
    until: datetime | None = None
    only_free: bool = False
    most: int = MOST_SHOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counted:
    seats: int = 0
    waiting: int = 0


def coming(uow: UnitOfWork, choice: Choice = Choice()) -> list[PublicDate]:
    """Those to come, by their beginning; at most `choice.most`. In a fixed number of queries."""
    since = max(choice.since, uow.now) if choice.since is not None else uow.now
    query = (
        select(Session)
        .join(Workshop, Workshop.id == Session.workshop_id)
        .where(Session.public, Session.state == SessionState.CONFIRMED, Session.end_at > since)
        .options(selectinload(Session.claim).selectinload(Claim.allocations), selectinload(Session.workshop))
        .order_by(Session.start_at, Session.id)
        .limit(choice.most)
    )
    if choice.until is not None:
        query = query.where(Session.start_at < choice.until)
    if choice.kind is not None:
        query = query.where(Workshop.kind == choice.kind)
    if choice.workshop:
        query = query.where(Workshop.slug == choice.workshop)
    rows = list(uow.session.scalars(query).unique())
    if choice.audience is not None:
        rows = [row for row in rows if choice.audience.value in row.workshop.audiences]
    counted = _count(uow, [row.id for row in rows])
    shown = [_shown(uow, row, counted.get(row.id, _Counted())) for row in rows]
    return [each for each in shown if each.free] if choice.only_free else shown


def one(uow: UnitOfWork, session_id: str) -> PublicDate:
    """Also one that is called off or over, for a while: a link to it does not end in nothing. Raises `NotFound`."""
    row = uow.session.get(Session, session_id[:16])
    shows = (SessionState.CONFIRMED, SessionState.DELIVERED, SessionState.CLOSED, SessionState.CANCELLED)
    if row is None or not row.public or row.state not in shows or row.start_at is None:
        raise NotFound("agenda.unknown")
    if row.end_at is not None and row.end_at < uow.now - SHOWN_AFTER:
        raise NotFound("agenda.unknown")
    return _shown(uow, row, _count(uow, [row.id]).get(row.id, _Counted()))


def behind(uow: UnitOfWork, *, days: int = 60, limit: int = 60) -> list[PublicDate]:
    """Begun, over or called off, the newest first: for the staff."""
    query = (
        select(Session)
        .where(
            Session.public,
            Session.start_at > uow.now - timedelta(days=days),
            (Session.start_at <= uow.now) | (Session.state == SessionState.CANCELLED),
        )
        .options(selectinload(Session.claim).selectinload(Claim.allocations))
        .order_by(Session.start_at.desc(), Session.id)
        .limit(limit)
    )
    rows = list(uow.session.scalars(query).unique())
    counted = _count(uow, [row.id for row in rows])
    return [_shown(uow, row, counted.get(row.id, _Counted())) for row in rows]


def by_month(dates: Sequence[PublicDate], local: Mapping[str, date]) -> list[tuple[date, list[PublicDate]]]:
    """Under the first day of their month; `local`: the day of each, as the house's clocks say."""
    found: dict[date, list[PublicDate]] = {}
    for each in dates:
        found.setdefault(local[each.id].replace(day=1), []).append(each)
    return sorted(found.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Hall:
    """A date as the staff sees it: who is in and who waits, in the order they asked."""

    date: PublicDate
    session: Session
    rows: tuple[Registration, ...] = ()
    holds: tuple[str, ...] = ()
    names: Mapping[int, tuple[str, str]] = field(default_factory=dict)

    def name(self, row: Registration) -> str:
        return self.names.get(row.member_id or 0, (row.name, ""))[0]

    def email(self, row: Registration) -> str:
        return self.names.get(row.member_id or 0, ("", row.email))[1]


def hall(uow: UnitOfWork, session_id: str) -> Hall:
    """For the staff, however long ago it was. Raises `NotFound`."""
    session = uow.session.get(Session, session_id[:16])
    if session is None or not session.public or session.start_at is None:
        raise NotFound("agenda.unknown")
    rows = line.people_in(uow, session.id)
    ids = {row.member_id for row in rows if row.member_id is not None}
    members = uow.session.scalars(select(Member).where(Member.id.in_(ids))).unique() if ids else ()
    counted = _count(uow, [session.id]).get(session.id, _Counted())
    return Hall(
        date=_shown(uow, session, counted),
        session=session,
        rows=tuple(rows),
        holds=tuple(dict.fromkeys(a.resource.name for a in session.claim.allocations)),
        names={member.id: (member.name, member.email or "") for member in members},
    )


def _count(uow: UnitOfWork, ids: Sequence[str]) -> dict[str, _Counted]:
    query = (
        select(Registration.session_id, Registration.state, func.sum(Registration.seats))
        .where(Registration.session_id.in_(ids))
        .group_by(Registration.session_id, Registration.state)
    )
    found: dict[str, dict[RegistrationState, int]] = {}
    for session_id, state, seats in uow.session.execute(query):
        found.setdefault(session_id, {})[state] = int(seats)
    return {
        session_id: _Counted(
            seats=sum(states.get(state, 0) for state in line.SEATED),
            waiting=states.get(RegistrationState.WAITING, 0),
        )
        for session_id, states in found.items()
    }


def _shown(uow: UnitOfWork, row: Session, counted: _Counted) -> PublicDate:
    workshop = row.workshop
    assert row.start_at is not None, "the query asked for those that have a beginning"
    assert row.end_at is not None, "whatever has a beginning has an end"
    capacity = row.capacity or 0
    return PublicDate(
        id=row.id,
        slug=workshop.slug,
        kind=workshop.kind,
        title=workshop.title,
        summary=workshop.summary,
        take_home=workshop.take_home,
        theme=workshop.theme,
        level=workshop.level,
        audiences=tuple(workshop.audiences),
        start_at=row.start_at,
        end_at=row.end_at,
        rooms=_rooms(row),
        capacity=capacity,
        free=max(0, capacity - counted.seats),
        waiting=counted.waiting,
        least=row.least,
        decide_at=row.decide_at,
        price_cents=_price(workshop),
        cancelled=row.state is SessionState.CANCELLED,
        over=row.start_at <= uow.now,
        note=row.note,
        made_at=row.made_at,
        version=row.version,
        partner=workshop.partner.name if workshop.partner_id is not None and workshop.partner else "",
        most_together=registrations.most_together(row),
    )


def _rooms(row: Session) -> tuple[str, ...]:
    kinds = (ResourceKind.ROOM,)
    return tuple(dict.fromkeys(a.resource.name for a in row.claim.allocations if a.resource.kind in kinds))


def _price(workshop: Workshop) -> int | None:
    """What a person pays for their place, with tax; free where the entry says so. The dearest, where audiences differ:
    nobody is surprised at the door."""
    each = [row for row in workshop.prices if row.unit is Unit.PERSON and row.payer is Payer.PERSON]
    if each:
        return max(row.price_cents + row.price_cents * row.vat_rate_bp // 10_000 for row in each)
    return 0 if any(row.payer is Payer.FREE for row in workshop.prices) else None
