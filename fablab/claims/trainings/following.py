"""The next date on which a certification can be earned."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.claims.trainings.models import SeatState, Training, TrainingState
from fablab.people.certifications.standing import RANK
from fablab.people.models import CertificationLevel
from fablab.places.models import Technology


@dataclass(frozen=True, slots=True, kw_only=True)
class NextTraining:
    """The next date on which a missing certification can be earned; `free` places, 0 where one can only wait."""

    session_id: str
    start_at: datetime
    free: int


def planned(uow: UnitOfWork, technologies: Collection[Technology] = ()) -> list[Training]:
    """Sessions still to come, by their start; of these technologies, or all."""
    query = select(Training).where(Training.state == TrainingState.PLANNED, Training.start_at > uow.now)
    if technologies:
        query = query.where(Training.technology.in_(list(technologies)))
    return list(uow.session.scalars(query.order_by(Training.start_at, Training.id)).unique())


def free_places(session: Training) -> int:
    """0 where somebody waits: whoever comes now stands behind them."""
    taken = sum(1 for seat in session.seats if seat.state is SeatState.JOINED)
    waiting = any(seat.state is SeatState.WAITING for seat in session.seats)
    return 0 if waiting else max(0, session.places - taken)


def next_of(
    sessions: list[Training],
    technology: Technology,
    resource_id: int | None,
    level: CertificationLevel = CertificationLevel.USER,
) -> Training | None:
    """Pure. The first with a free place that leads to it, else the first at all: there one waits."""
    fits = [
        session
        for session in sessions
        if session.technology is technology
        and session.resource_id in (None, resource_id)
        and RANK[session.level] >= RANK[level]
    ]
    return next((session for session in fits if free_places(session)), next(iter(fits), None))


def next_training(uow: UnitOfWork, technology: Technology, resource_id: int | None = None) -> Training | None:
    """The next session that makes a user of somebody."""
    return next_of(planned(uow, [technology]), technology, resource_id)


def shown(session: Training) -> NextTraining:
    return NextTraining(session_id=session.id, start_at=session.start_at, free=free_places(session))
