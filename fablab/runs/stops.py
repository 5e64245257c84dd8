"""Stops that people asked for, written down after they went to the wire, and shown until somebody has acknowledged them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.people.models import Member
from fablab.runs.models import Stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """`confirmed_at` None: the machine has not said that heat and beam are off, and is not to be taken as safe."""

    at: datetime
    by_id: int | None = None
    by: str = ""
    confirmed_at: datetime | None = None


def write_down(uow: UnitOfWork, resource_id: int, stopped: Stopped) -> Stop:
    """The stop as it stands now; the same stop is written only once."""
    row = uow.session.get(Stop, (resource_id, stopped.at))
    if row is None:
        row = Stop(resource_id=resource_id, at=stopped.at, by_id=stopped.by_id)
        uow.session.add(row)
    row.confirmed_at = stopped.confirmed_at
    return row


def acknowledge(uow: UnitOfWork, resource_id: int, stopped: Stopped) -> None:
    """This stop and those before it: who has looked has seen the machine as it is."""
    write_down(uow, resource_id, stopped)
    uow.session.flush()
    query = select(Stop).where(Stop.resource_id == resource_id, Stop.seen_at.is_(None), Stop.at <= stopped.at)
    for row in uow.session.scalars(query):
        row.seen_at, row.seen_by_id = uow.now, uow.actor.member_id


def unseen(uow: UnitOfWork) -> dict[int, Stopped]:
    """The latest stop of each machine that nobody has acknowledged, for a server that has just started."""
    rows = uow.session.execute(
        select(Stop, Member.name)
        .outerjoin(Member, Member.id == Stop.by_id)
        .where(Stop.seen_at.is_(None))
        .order_by(Stop.at)
    )
    return {
        row.resource_id: Stopped(at=row.at, by_id=row.by_id, by=name or "", confirmed_at=row.confirmed_at)
        for row, name in rows
    }
