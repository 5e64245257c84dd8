"""What staff see of reservations: who is expected on a day, and who did not come."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.claims.reservations.models import LIVE, Reservation, ReservationState
from fablab.people.access import Right, require

MOST = 200


def expected(uow: UnitOfWork, start_at: datetime, end_at: datetime) -> list[Reservation]:
    """Those of [start_at, end_at) that hold or have held their place, by start."""
    require(uow.actor, Right.SEE_ALL)
    states = (*LIVE, ReservationState.COMPLETED)
    query = select(Reservation).where(
        Reservation.start_at < end_at, Reservation.end_at > start_at, Reservation.state.in_(states)
    )
    return list(uow.session.scalars(query.order_by(Reservation.start_at, Reservation.id).limit(MOST)))


def missed(uow: UnitOfWork, since: datetime) -> list[Reservation]:
    """Nobody came to them; the newest first."""
    require(uow.actor, Right.SEE_ALL)
    query = select(Reservation).where(
        Reservation.state == ReservationState.MISSED, Reservation.start_at >= since
    )
    return list(uow.session.scalars(query.order_by(Reservation.start_at.desc()).limit(MOST)))
