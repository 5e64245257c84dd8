"""A run that takes place in somebody's reservation: whose hands may start it, and that the machine is theirs again after."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.base.errors import Forbidden, Refusal
from fablab.claims import calendar, lending, reservations
from fablab.claims.jobs.models import Job, JobState
from fablab.claims.models import Claim, ClaimState
from fablab.claims.reservations import reads
from fablab.claims.reservations.models import Reservation, ReservationState
from fablab.people.access import RIGHTS, Right, allows
from fablab.people.models import Member
from fablab.runs.models import LIVE, Run

_NEVER = datetime.max.replace(tzinfo=UTC)
#: A reservation that staff have yet to agree to keeps others away, and lets nobody start.
_GOOD = (ReservationState.CONFIRMED, ReservationState.IN_USE)


def host_of(uow: UnitOfWork, resource_id: int) -> Reservation | None:
    """The reservation of this resource that is going on, also while a run within it holds the machine."""
    return hosts(uow).get(resource_id)


def hosts(uow: UnitOfWork) -> dict[int, Reservation]:
    """All that are going on, by resource."""
    query = select(Reservation).where(
        Reservation.state.in_(_GOOD), Reservation.start_at <= uow.now, Reservation.end_at > uow.now
    )
    found: dict[int, Reservation] = {}
    for row in uow.session.scalars(query.order_by(Reservation.start_at)):
        for resource_id in row.resource_ids:
            found.setdefault(resource_id, row)
    return found


def waiting_for(uow: UnitOfWork, member_ids: Collection[int]) -> dict[int, list[tuple[Job, Claim]]]:
    """By member, their own jobs that may be started, those with a place first, in the order of their places."""
    if not member_ids:
        return {}
    live = select(Run.claim_id).where(Run.state.in_(LIVE))
    query = (
        select(Job, Claim)
        .join(Claim, Claim.id == Job.id)
        .where(Claim.member_id.in_(member_ids), Job.state == JobState.QUEUED, Job.id.not_in(live))
        .order_by(Claim.made_at, Claim.id)
    )
    found: dict[int, list[tuple[Job, Claim]]] = {}
    for job, claim in uow.session.execute(query).unique():
        found.setdefault(job.member_id, []).append((job, claim))
    for rows in found.values():
        rows.sort(key=lambda row: min((p.start_at for p in calendar.current(row[1])), default=_NEVER))
    return found


def require_hands(uow: UnitOfWork, host: Reservation | None, claim: Claim) -> None:
    """Staff start whatever there is; a member starts their own in their own reservation. Raises `Forbidden`."""
    if allows(uow.actor, Right.OPERATE):
        return
    mine = host is not None and reads.is_own(uow, host) and allows(uow.actor, Right.SUBMIT)
    if host is None or not mine or claim.member_id not in (host.member_id, uow.actor.member_id):
        raise Forbidden(right=Right.OPERATE.value)


def require_hands_at(uow: UnitOfWork, resource_id: int) -> None:
    """Whether this actor starts anything here at all, whichever job it is. Raises `Forbidden`."""
    if allows(uow.actor, Right.OPERATE):
        return
    host = host_of(uow, resource_id)
    if host is None or not reads.is_own(uow, host) or not allows(uow.actor, Right.SUBMIT):
        raise Forbidden(right=Right.OPERATE.value)


def lost_hands(uow: UnitOfWork, operator_id: int | None, host: Reservation | None) -> Refusal | None:
    """Why whoever tapped may no longer start anything here: their reservation has ended meanwhile, or their role has."""
    operator = uow.session.get(Member, operator_id) if operator_id is not None else None
    if operator is None or Right.OPERATE in RIGHTS[operator.role]:
        return None
    if host is not None and operator.id in (host.member_id, reads.parent_of(uow, host.member_id)):
        return None
    return Refusal(code="reservation.no_longer_yours")


def move_in(uow: UnitOfWork, host: Reservation, claim: Claim) -> None:
    """Who starts their machine has come, whether or not they said so before."""
    is_holders = claim.member_id == host.member_id
    if host.state is ReservationState.CONFIRMED and (is_holders or reads.is_own(uow, host)):
        reservations.check_in(uow, host.id, reservations.Arrival.START)


def move_out(uow: UnitOfWork, resource_id: int) -> None:
    """A run on this machine is over, or never began: what is left of the reservation it took place in is its own again."""
    host = host_of(uow, resource_id)
    if host is not None:
        lending.regain(uow, calendar.claim(uow, host.id), resource_id, host.end_at)


def give_up_place(uow: UnitOfWork, claim: Claim, resource_id: int) -> None:
    """A run that never began leaves the reservation it was to take place in; its job looks for another place."""
    if host_of(uow, resource_id) is None:
        return
    here = [place for place in calendar.current(claim) if place.resource_id == resource_id]
    if claim.state is ClaimState.HELD and any(place.start_at <= uow.now for place in here):
        calendar.release(uow, claim, "replan")
    move_out(uow, resource_id)
