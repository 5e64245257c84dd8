"""A session on its day, and a mediator's week: what whoever runs them needs to see at a glance. Nothing is written here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select

from fablab.base.database import UnitOfWork
from fablab.base.errors import NotFound
from fablab.base.intervals import Intervals
from fablab.claims import calendar
from fablab.claims.models import Allocation
from fablab.claims.trainings.models import Training, TrainingState
from fablab.claims.workshops import delivering, pieces, reads, survey, thread
from fablab.claims.workshops.attendance import Came
from fablab.claims.workshops.day_models import Piece
from fablab.claims.workshops.models import Session, ThreadEntry
from fablab.claims.workshops.offer import Station, stations
from fablab.claims.workshops.pieces import Made
from fablab.claims.workshops.rotations import Round, rotations, sizes
from fablab.claims.workshops.survey import Totals
from fablab.claims.workshops.words import EntryKind, SessionState
from fablab.money import quotes
from fablab.people.access import Right, require
from fablab.places import house
from fablab.places.models import Resource, ResourceKind
from fablab.runs.models import LIVE, Run


@dataclass(frozen=True, slots=True, kw_only=True)
class PieceNow:
    """`run`: the last one that was made of it."""

    made: Made
    run: Run | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DayNow:
    """`since`, `until`: with set-up and clearing. `places`: what is held, by kind, each resource once; `held`: the
    machines that may still be given back. `rounds`: minutes from the session's beginning; `groups`: how many in each.
    `charged_cents`, `survey_path`: once it is delivered."""

    session: Session
    since: datetime
    until: datetime
    places: Mapping[ResourceKind, tuple[Resource, ...]]
    held: tuple[Resource, ...]
    stations: tuple[Station, ...]
    rounds: tuple[Round, ...]
    groups: tuple[int, ...]
    pieces: tuple[PieceNow, ...]
    problems: tuple[ThreadEntry, ...]
    came: Came | None
    charged_cents: int | None
    survey_path: str | None
    totals: Totals


def day(uow: UnitOfWork, session_id: str) -> DayNow:
    """Raises `NotFound` session.unknown, session.no_date."""
    require(uow.actor, Right.OPERATE)
    session = reads.get(uow, session_id)
    if session.start_at is None or session.end_at is None:
        raise NotFound("session.no_date")
    workshop = session.workshop
    tables = stations(workshop.stations)
    length_min = (session.end_at - session.start_at) // timedelta(minutes=1)
    rounds = rotations([each.minutes for each in tables], workshop.groups, available_min=length_min)
    charged = quotes.charge_of(uow, session.id)
    entries = thread.entries(uow, session)
    return DayNow(
        session=session,
        since=session.start_at - timedelta(minutes=workshop.setup_min),
        until=session.end_at + timedelta(minutes=workshop.clear_min),
        places=_places(uow, session),
        held=_held(uow, session),
        stations=tables,
        rounds=rounds,
        groups=sizes(session.people, workshop.groups),
        pieces=_pieces(uow, session.id),
        problems=tuple(row for row in entries if row.code is EntryKind.PROBLEM),
        came=delivering.came_of(uow, session.id),
        charged_cents=charged.total_cents if charged is not None else None,
        survey_path=survey.path_of(uow, session.id),
        totals=survey.totals(uow, session.id),
    )


def _places(uow: UnitOfWork, session: Session) -> dict[ResourceKind, tuple[Resource, ...]]:
    """What was chosen for it, also where a part is lent to a run or has been given back."""
    needed = {each for need in calendar.claim(uow, session.id).needs for each in need.eligible}
    rows = calendar.claim(uow, session.id).allocations
    ids = {row.resource_id for row in rows} | needed
    query = select(Resource).where(Resource.id.in_(ids)).order_by(Resource.name)
    found: dict[ResourceKind, tuple[Resource, ...]] = {}
    for row in uow.session.scalars(query).unique():
        found[row.kind] = (*found.get(row.kind, ()), row)
    return found


def _held(uow: UnitOfWork, session: Session) -> tuple[Resource, ...]:
    if session.state is not SessionState.CONFIRMED:
        return ()
    held = select(Allocation.resource_id).where(
        Allocation.claim_id == session.id, Allocation.end_at > uow.now
    )
    lent = select(Run.resource_id).where(
        Run.host_id == session.id, Run.state.in_(LIVE), Run.host_until > uow.now
    )
    query = select(Resource).where(
        Resource.kind == ResourceKind.MACHINE, or_(Resource.id.in_(held), Resource.id.in_(lent))
    )
    return tuple(uow.session.scalars(query.order_by(Resource.name)).unique())


def _pieces(uow: UnitOfWork, session_id: str) -> tuple[PieceNow, ...]:
    made = pieces.of(uow, session_id)
    query = select(Run).where(Run.claim_id.in_([each.job.id for each in made])).order_by(Run.prepared_at)
    last = {run.claim_id: run for run in uow.session.scalars(query).unique()}
    return tuple(PieceNow(made=each, run=last.get(each.job.id)) for each in made)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSoon:
    """`where`: rooms and machines by name. `left`: pieces that are still to be made."""

    session: Session
    where: tuple[str, ...]
    left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Week:
    """[start_at, end_at). `sessions` they lead, `others` that take place meanwhile; `trainings` they give; when the house
    is staffed."""

    start_at: datetime
    end_at: datetime
    sessions: tuple[SessionSoon, ...]
    others: tuple[SessionSoon, ...]
    trainings: tuple[Training, ...]
    staffed: Intervals


def week(uow: UnitOfWork, member_id: int, start_at: datetime, end_at: datetime) -> Week:
    require(uow.actor, Right.OPERATE)
    found = reads.between(uow, start_at, end_at)
    given = select(Training).where(
        Training.trainer_id == member_id,
        Training.start_at < end_at,
        Training.end_at > start_at,
        Training.state != TrainingState.CANCELLED,
    )
    soon = {row.id: _soon(uow, row) for row in found}
    return Week(
        start_at=start_at,
        end_at=end_at,
        sessions=tuple(soon[row.id] for row in found if row.mediator_id == member_id),
        others=tuple(soon[row.id] for row in found if row.mediator_id != member_id),
        trainings=tuple(uow.session.scalars(given.order_by(Training.start_at)).unique()),
        staffed=house.calendar(uow).staffed.between(start_at, end_at),
    )


def _soon(uow: UnitOfWork, session: Session) -> SessionSoon:
    places = _places(uow, session)
    kinds = (ResourceKind.ROOM, ResourceKind.MACHINE, ResourceKind.KIT)
    count = select(func.count()).select_from(Piece).where(Piece.session_id == session.id)
    left = len(pieces.left(pieces.of(uow, session.id))) if uow.session.scalar(count) else 0
    return SessionSoon(
        session=session,
        where=tuple(row.name for kind in kinds for row in places.get(kind, ())),
        left=left,
    )
