"""A run that takes place in somebody's own time on a machine, a reservation or a session of a workshop: whose hands may
start it, and that the machine is theirs again after."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, Forbidden, NotFound, Refusal
from fablab.claims import calendar, lending, reservations
from fablab.claims.jobs.models import Job, JobState
from fablab.claims.models import Allocation, Claim, ClaimState
from fablab.claims.reservations import reads
from fablab.claims.reservations.models import Reservation, ReservationState
from fablab.claims.workshops import thread
from fablab.claims.workshops.day_models import Piece
from fablab.claims.workshops.models import Session
from fablab.claims.workshops.words import EntryKind, SessionState
from fablab.people.access import RIGHTS, Right, allows, require
from fablab.people.models import Member
from fablab.runs.models import LIVE, Run

_NEVER = datetime.max.replace(tzinfo=UTC)
#: A reservation that staff have yet to agree to keeps others away, and lets nobody start.
_GOOD = (ReservationState.CONFIRMED, ReservationState.IN_USE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """Whose the machine is now. `id`: of the reservation or the session, and its claim. `end_at`: until when this machine
    is theirs. `reservation`: None for a session, which the staff runs."""

    id: str
    member_id: int | None
    start_at: datetime
    end_at: datetime
    reservation: Reservation | None = None


def host_of(uow: UnitOfWork, resource_id: int) -> Host | None:
    """Whose this resource is at this moment, also while a run within it holds the machine."""
    return hosts(uow).get(resource_id)


def hosts(uow: UnitOfWork) -> dict[int, Host]:
    """All that are going on, by resource."""
    query = select(Reservation).where(
        Reservation.state.in_(_GOOD), Reservation.start_at <= uow.now, Reservation.end_at > uow.now
    )
    found: dict[int, Host] = {}
    for row in uow.session.scalars(query.order_by(Reservation.start_at)):
        host = Host(
            id=row.id, member_id=row.member_id, start_at=row.start_at, end_at=row.end_at, reservation=row
        )
        for resource_id in row.resource_ids:
            found.setdefault(resource_id, host)
    return {**_sessions(uow), **found}


def _sessions(uow: UnitOfWork) -> dict[int, Host]:
    """What sessions hold now, and what they have lent to a run."""
    held = (
        select(
            Allocation.resource_id, Allocation.end_at, Session.id, Session.mediator_id, Allocation.start_at
        )
        .join(Session, Session.id == Allocation.claim_id)
        .where(
            Session.state == SessionState.CONFIRMED,
            Allocation.start_at <= uow.now,
            Allocation.end_at > uow.now,
        )
    )
    lent = (
        select(Run.resource_id, Run.host_until, Session.id, Session.mediator_id, Run.prepared_at)
        .join(Session, Session.id == Run.host_id)
        .where(Session.state == SessionState.CONFIRMED, Run.state.in_(LIVE), Run.host_until > uow.now)
    )
    found: dict[int, Host] = {}
    for query in (held, lent):
        for resource_id, end_at, session_id, mediator_id, start_at in uow.session.execute(query):
            assert end_at is not None  # the query asks for one in the future
            found[resource_id] = Host(id=session_id, member_id=mediator_id, start_at=start_at, end_at=end_at)
    return found


def pieces_for(uow: UnitOfWork, session_ids: Collection[str]) -> dict[str, list[tuple[Job, Claim]]]:
    """By session, what is still to be made in it and no run stands on, in the order of the numbers."""
    if not session_ids:
        return {}
    live = select(Run.claim_id).where(Run.state.in_(LIVE))
    query = (
        select(Piece.session_id, Job, Claim)
        .join(Job, Job.id == Piece.job_id)
        .join(Claim, Claim.id == Job.id)
        .where(Piece.session_id.in_(session_ids), Job.state == JobState.QUEUED, Job.id.not_in(live))
        .order_by(Piece.number)
    )
    found: dict[str, list[tuple[Job, Claim]]] = {}
    for session_id, job, claim in uow.session.execute(query).unique():
        found.setdefault(session_id, []).append((job, claim))
    return found


def pieces_by_machine(uow: UnitOfWork, known: Mapping[int, Host]) -> dict[int, list[tuple[Job, Claim]]]:
    """For each machine of a session that nothing runs on, the piece that is started there next: each another one, so that
    two people in front of two machines do not start the same. `known`: all that `hosts` found."""
    busy = set(uow.session.scalars(select(Run.resource_id).where(Run.state.in_(LIVE))))
    idle = [each for each, host in sorted(known.items()) if host.reservation is None and each not in busy]
    left = pieces_for(uow, {known[each].id for each in idle})
    found: dict[int, list[tuple[Job, Claim]]] = {}
    for each in idle:
        line = left.get(known[each].id, [])
        mine = next((row for row in line if any(each in need.eligible for need in row[1].needs)), None)
        if mine is not None:
            line.remove(mine)
            found[each] = [mine]
    return found


def to_start(uow: UnitOfWork, host: Host) -> list[tuple[Job, Claim]]:
    """What may be started in it, first things first."""
    if host.reservation is None:
        return pieces_for(uow, {host.id}).get(host.id, [])
    member_id = host.reservation.member_id
    return waiting_for(uow, {member_id}).get(member_id, [])


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


def require_hands(uow: UnitOfWork, host: Host | None, claim: Claim) -> None:
    """Staff start whatever there is; a member starts their own in their own reservation. Raises `Forbidden`."""
    if allows(uow.actor, Right.OPERATE):
        return
    if not _is_own(uow, host) or host is None or claim.member_id not in (host.member_id, uow.actor.member_id):
        raise Forbidden(right=Right.OPERATE.value)


def require_hands_at(uow: UnitOfWork, resource_id: int) -> None:
    """Whether this actor starts anything here at all, whichever job it is. Raises `Forbidden`."""
    if not allows(uow.actor, Right.OPERATE) and not _is_own(uow, host_of(uow, resource_id)):
        raise Forbidden(right=Right.OPERATE.value)


def _is_own(uow: UnitOfWork, host: Host | None) -> bool:
    row = host.reservation if host is not None else None
    return row is not None and reads.is_own(uow, row) and allows(uow.actor, Right.SUBMIT)


def lost_hands(uow: UnitOfWork, operator_id: int | None, host: Host | None) -> Refusal | None:
    """Why whoever tapped may no longer start anything here: their reservation has ended meanwhile, or their role has."""
    operator = uow.session.get(Member, operator_id) if operator_id is not None else None
    if operator is None or Right.OPERATE in RIGHTS[operator.role]:
        return None
    row = host.reservation if host is not None else None
    if row is not None and operator.id in (row.member_id, reads.parent_of(uow, row.member_id)):
        return None
    return Refusal(code="reservation.no_longer_yours")


def move_in(uow: UnitOfWork, host: Host, claim: Claim) -> None:
    """Who starts their machine has come, whether or not they said so before."""
    row = host.reservation
    if row is None or row.state is not ReservationState.CONFIRMED:
        return
    if claim.member_id == row.member_id or reads.is_own(uow, row):
        reservations.check_in(uow, row.id, reservations.Arrival.START)


def move_out(uow: UnitOfWork, run: Run) -> None:
    """A run is over, or never began: what is left of whatever it took place in is its own again."""
    host = host_of(uow, run.resource_id)
    if host is not None:
        lending.regain(uow, calendar.claim(uow, host.id), run.resource_id, host.end_at)
    elif run.host_id is not None and run.host_until is not None and run.host_until > uow.now:
        session = uow.session.get(Session, run.host_id)
        if session is not None and session.state is SessionState.CONFIRMED:
            lending.regain(uow, calendar.claim(uow, session.id), run.resource_id, run.host_until)


def give_up_place(uow: UnitOfWork, run: Run) -> None:
    """A run that never began leaves what it was to take place in; its job looks for another place."""
    claim = run.claim
    if host_of(uow, run.resource_id) is None and run.host_id is None:
        return
    here = [place for place in calendar.current(claim) if place.resource_id == run.resource_id]
    if claim.state is ClaimState.HELD and any(place.start_at <= uow.now for place in here):
        calendar.release(uow, claim, "replan")
    move_out(uow, run)


def release_early(uow: UnitOfWork, session_id: str, resource_id: int) -> None:
    """The session no longer needs this machine: from now on it is anybody's, after the run that is on it, if one is.

    By the staff. Raises `Conflict` session.not_held, `NotFound` request.unknown.
    """
    require(uow.actor, Right.OPERATE)
    if uow.session.get(Session, session_id) is None:
        raise NotFound("request.unknown")
    claim = calendar.claim(uow, session_id)
    run = uow.session.scalar(
        select(Run).where(Run.host_id == session_id, Run.resource_id == resource_id, Run.state.in_(LIVE))
    )
    held = [
        place
        for place in calendar.current(claim)
        if place.resource_id == resource_id and place.end_at > uow.now
    ]
    if not held and run is None:
        raise Conflict("session.not_held", resource=resource_id)
    if run is not None:
        run.host_until = uow.now
    for place in held:
        if place.start_at >= uow.now:
            uow.session.delete(place)
        else:
            calendar.trim(uow, place, run_end_at=min(place.run_end_at, uow.now), end_at=uow.now)
    uow.session.flush()
    uow.session.expire(claim, ["allocations"])
    calendar.announce(uow, claim)
    calendar.freed(uow, [resource_id])
    thread.enter(
        uow,
        uow.session.get_one(Session, session_id),
        EntryKind.RELEASED,
        facts={"resource_id": resource_id},
        for_staff=True,
    )
