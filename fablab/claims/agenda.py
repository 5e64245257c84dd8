"""A claim as an entry of somebody's calendar: what stands in feeds, and in the invitation that a letter carries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import selectinload

from fablab.base.database import UnitOfWork
from fablab.claims.models import Allocation, AllocationState, Claim, ClaimKind, ClaimState
from fablab.claims.trainings.models import SeatState, Training, TrainingSeat
from fablab.claims.workshops.models import Registration
from fablab.claims.workshops.words import RegistrationState
from fablab.notices.models import Invite

MOST_ENTRIES = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """`title` and `places` as they stand in the calendar, without anybody's name where `is_anonymous`. `tentative`:
    the plan may still move it."""

    claim_id: str
    kind: ClaimKind
    title: str
    places: tuple[str, ...]
    start_at: datetime
    end_at: datetime
    made_at: datetime
    version: int
    tentative: bool
    is_anonymous: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """What a member's own calendar is to be told now. `sequence` grows with every change it is told of."""

    claim_id: str
    kind: ClaimKind
    sequence: int
    title: str
    place: str
    start_at: datetime
    end_at: datetime
    tentative: bool
    cancelled: bool


def of_member(uow: UnitOfWork, member_id: int, since: datetime, until: datetime) -> list[Entry]:
    """What of theirs touches [since, until): jobs, reservations, trainings they give or have a place in, public dates
    they are registered for."""
    seats = (
        select(TrainingSeat.session_id)
        .where(TrainingSeat.member_id == member_id, TrainingSeat.state == SeatState.JOINED)
        .union(
            select(Training.id).where(Training.trainer_id == member_id),
            select(Registration.session_id).where(
                Registration.member_id == member_id, Registration.state == RegistrationState.JOINED
            ),
        )
    )
    touching = exists().where(
        Allocation.claim_id == Claim.id, Allocation.start_at < until, Allocation.end_at > since
    )
    query = (
        select(Claim)
        .options(selectinload(Claim.allocations))
        .where(
            or_(Claim.member_id == member_id, Claim.id.in_(seats)),
            Claim.kind != ClaimKind.OUTAGE,
            touching,
        )
        .order_by(Claim.id)
        .limit(MOST_ENTRIES)
    )
    found = (_entry(row) for row in uow.session.scalars(query).unique())
    return sorted((entry for entry in found if entry is not None), key=lambda e: (e.start_at, e.claim_id))


def of_resource(uow: UnitOfWork, resource_id: int, since: datetime, until: datetime) -> list[Entry]:
    """When it is taken and for which kind of thing; nobody's name, no title, nothing that leads to a person."""
    query = (
        select(Allocation, Claim.kind, Claim.made_at, Claim.version)
        .join(Claim, Claim.id == Allocation.claim_id)
        .where(Allocation.resource_id == resource_id, Allocation.start_at < until, Allocation.end_at > since)
        .order_by(Allocation.start_at)
        .limit(MOST_ENTRIES)
    )
    return [
        Entry(
            claim_id=f"{row.claim_id}-{row.id}",
            kind=kind,
            title="",
            places=(row.resource.name,),
            start_at=row.start_at,
            end_at=row.end_at,
            made_at=made_at,
            version=version,
            tentative=row.state is AllocationState.TENTATIVE and row.run_id is None,
            is_anonymous=True,
        )
        for row, kind, made_at, version in uow.session.execute(query).unique()
    ]


def invite(uow: UnitOfWork, member_id: int, claim_id: str) -> Invitation | None:
    """What this letter brings for the reader's calendar, and that it was told: a place that is new, moved or gone.

    None where there is nothing to enter and nothing was entered before.
    """
    row = uow.session.get(Claim, claim_id)
    entry = _entry(row) if row is not None and _concerns(uow, row, member_id) else None
    told = uow.session.get(Invite, (claim_id, member_id), with_for_update=True)
    if row is None or row.kind is ClaimKind.OUTAGE:
        return None
    # A job that has been made is no appointment that was called off.
    over = row.state is ClaimState.CLOSED and told is not None and told.start_at <= uow.now
    if entry is None or row.state is ClaimState.CLOSED:
        return _called_off(uow, row, told) if told is not None and not over else None
    return _told(uow, row, entry, told, member_id)


def _called_off(uow: UnitOfWork, row: Claim, told: Invite) -> Invitation:
    if told.cancelled_at is None:
        told.cancelled_at = uow.now
        told.sequence += 1
    return _invitation(row, told, tentative=False)


def _told(uow: UnitOfWork, row: Claim, entry: Entry, told: Invite | None, member_id: int) -> Invitation:
    place = ", ".join(entry.places)[:300]
    now = (entry.title, place, entry.start_at, entry.end_at)
    if told is None:
        told = Invite(
            claim_id=row.id,
            member_id=member_id,
            sequence=0,
            title=entry.title,
            place=place,
            start_at=entry.start_at,
            end_at=entry.end_at,
        )
        uow.session.add(told)
    elif told.cancelled_at is not None or (told.title, told.place, told.start_at, told.end_at) != now:
        told.sequence += 1
        told.title, told.place, told.start_at, told.end_at = now
        told.cancelled_at = None
    return _invitation(row, told, tentative=entry.tentative)


def _invitation(row: Claim, told: Invite, *, tentative: bool) -> Invitation:
    return Invitation(
        claim_id=row.id,
        kind=row.kind,
        sequence=told.sequence,
        title=told.title,
        place=told.place,
        start_at=told.start_at,
        end_at=told.end_at,
        tentative=tentative,
        cancelled=told.cancelled_at is not None,
    )


def _concerns(uow: UnitOfWork, row: Claim, member_id: int) -> bool:
    if row.member_id == member_id:
        return True
    if row.kind is not ClaimKind.SESSION:
        return False
    training = uow.session.get(Training, row.id)
    if training is None:
        query = select(Registration.id).where(
            Registration.session_id == row.id,
            Registration.member_id == member_id,
            Registration.state == RegistrationState.JOINED,
        )
        return uow.session.scalars(query).first() is not None
    return training.trainer_id == member_id or any(
        seat.member_id == member_id and seat.state is SeatState.JOINED for seat in training.seats
    )


def _entry(row: Claim) -> Entry | None:
    """None where nothing is held: there is no moment to enter."""
    held = _last(row.allocations)
    if not held:
        return None
    return Entry(
        claim_id=row.id,
        kind=row.kind,
        title=row.title,
        places=tuple(dict.fromkeys(a.resource.name for a in held)),
        start_at=min(a.run_start_at for a in held),
        end_at=max(a.run_end_at for a in held),
        made_at=row.made_at,
        version=row.version,
        tentative=all(a.state is AllocationState.TENTATIVE and a.run_id is None for a in held),
    )


def _last(allocations: Sequence[Allocation]) -> list[Allocation]:
    """What is planned or running; a first try that failed is no part of it once there is a second."""
    planned = [a for a in allocations if a.run_id is None]
    return planned or list(allocations[-1:])
