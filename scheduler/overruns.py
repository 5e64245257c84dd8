"""A live run that will not be over when somebody's reservation begins: what the machine's policy says, before it is so.

    every minute: expected to be clear after the reservation's start?
      warn          both are told, and the run goes on
      refuse        both are told, and the staff, who stops it or settles it with them
      shift         the reservation begins later, its holder is told and may decline; where it cannot, both are told
      pause         both are told, and at the start the dispatcher holds the run, where a pause harms nothing

Whatever the policy, every start is refused that might run into one in one of ten cases, and no run is ended by the house
itself. A beam is never paused in the middle of a cut, nor a spindle: `PAUSABLE` says where the policy may be set, and
where a wider row says it for all machines, the others go on and both are told.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.base.errors import BadStep, Conflict, NotFound, Refused
from fablab.claims.models import ClaimKind
from fablab.claims.reservations import reads, shifting
from fablab.claims.reservations.models import LIVE as LIVE_RESERVATIONS
from fablab.claims.reservations.models import Reservation, ReservationState
from fablab.claims.rules import policy_for
from fablab.claims.rules.models import PAUSABLE, Overrun
from fablab.notices import take_back, tell
from fablab.people.models import Member, Role
from fablab.runs import attempts, lodging
from fablab.runs.models import LIVE, Clash, Run
from scheduler.planner.headway import Fixed, fixed_ahead
from scheduler.planner.room import make_room
from scheduler.reserving.look import on

AGAIN_FROM = timedelta(minutes=10)  # what is expected has to move by that much to be said once more
ROUND_TO_S = 300  # a reservation that is shifted begins at a time that can be said
OVERRUN, SHIFTED, OWN_RUN = "reservation.overrun", "reservation.shifted", "job.runs_into"
DECIDE = "job.overruns"
_STAFF = (Role.MEDIATOR, Role.STAFF, Role.ADMIN)


def see_to(uow: UnitOfWork, ends: Mapping[str, datetime]) -> int:
    """Look at every live run once. `ends`: run id to the instant its run is expected to end. Returns how many people were
    told of anything."""
    runs = [run for run in attempts.all_live(uow) if run.id in ends]
    ahead = fixed_ahead(uow, [run.resource_id for run in runs]) if runs else {}
    told = 0
    for run in runs:
        machine = run.resource.machine
        clear_at = ends[run.id] + timedelta(seconds=machine.clear_s if machine is not None else 0)
        stands = _first_reservation(uow, run, ahead.get(run.resource_id, ()))
        if stands is None or stands.start_at >= clear_at:
            continue
        told += _see_to_one(uow, run, reads.get(uow, stands.claim_id), clear_at)
    return told


def to_pause(uow: UnitOfWork, run: Run) -> datetime | None:
    """From when on the dispatcher is to hold this run for a reservation; None: it goes on."""
    query = (
        select(Reservation.start_at)
        .join(Clash, Clash.reservation_id == Reservation.id)
        .where(
            Clash.run_id == run.id,
            Clash.overrun == Overrun.PAUSE,
            Clash.paused_at.is_(None),
            Reservation.state.in_(LIVE_RESERVATIONS),
            Reservation.end_at > uow.now,
        )
    )
    return uow.session.scalar(query.order_by(Reservation.start_at).limit(1))


def paused(uow: UnitOfWork, run_id: str) -> None:
    """The machine has been asked to hold it, and its owner and the holder are told so."""
    run = attempts.get(uow, run_id)
    query = (
        select(Clash)
        .join(Reservation, Reservation.id == Clash.reservation_id)
        .where(
            Clash.run_id == run_id,
            Clash.overrun == Overrun.PAUSE,
            Clash.paused_at.is_(None),
            Reservation.start_at <= uow.now,
        )
    )
    for clash in uow.session.scalars(query):
        clash.paused_at = uow.now
        facts = {"file": run.claim.title, "machine": run.resource.name}
        for member_id in _owners(run):
            tell(uow, member_id, "job.paused_for_reservation", claim_id=run.claim_id, **facts)


def decline(uow: UnitOfWork, reservation_id: str) -> Reservation:
    """The holder of a reservation that was shifted would rather not have it: it is over without a trace against them.

    Raises `Conflict` reservation.not_shifted.
    """
    row = reads.may_change(uow, reservation_id)
    clash = shifted(uow, row.id)
    if clash is None:
        raise Conflict("reservation.not_shifted")
    clash.declined_at = uow.now
    return shifting.decline_shift(uow, row.id)


def shifted(uow: UnitOfWork, reservation_id: str) -> Clash | None:
    """The shift that a reservation not yet begun stands under, if it does."""
    query = (
        select(Clash)
        .join(Reservation, Reservation.id == Clash.reservation_id)
        .where(
            Clash.reservation_id == reservation_id,
            Clash.overrun == Overrun.SHIFT,
            Clash.start_at > Clash.was_start_at,
            Clash.start_at == Reservation.start_at,
            Clash.declined_at.is_(None),
            Reservation.state.in_((ReservationState.CONFIRMED, ReservationState.REQUESTED)),
        )
    )
    return uow.session.scalar(query.limit(1))


def _first_reservation(uow: UnitOfWork, run: Run, ahead: list[Fixed] | tuple[Fixed, ...]) -> Fixed | None:
    """The next one of somebody else on this machine; a run within a reservation does not run into that one, and nobody
    is in their own way."""
    host = lodging.host_of(uow, run.resource_id)
    within = host is not None and run.prepared_at >= host.start_at
    return next(
        (
            fixed
            for fixed in ahead
            if fixed.kind is ClaimKind.RESERVATION
            and not fixed.is_offer
            and fixed.member_id != run.claim.member_id
            and not (within and host is not None and fixed.claim_id == host.id)
        ),
        None,
    )


def _see_to_one(uow: UnitOfWork, run: Run, row: Reservation, clear_at: datetime) -> int:
    policy = policy_for(uow, run.resource).overrun
    if policy is Overrun.PAUSE and run.resource.technology not in PAUSABLE:
        policy = Overrun.WARN
    clash = uow.session.get(Clash, (run.id, row.id))
    was = clash.expected_at if clash is not None else None
    if clash is None:
        clash = Clash(
            run_id=run.id,
            reservation_id=row.id,
            overrun=policy,
            seen_at=uow.now,
            expected_at=clear_at,
            was_start_at=row.start_at,
            start_at=row.start_at,
        )
        uow.session.add(clash)
    if policy is Overrun.SHIFT and _shift(uow, row, clear_at):
        clash.overrun, clash.start_at, clash.expected_at = Overrun.SHIFT, row.start_at, clear_at
        return _tell_shift(uow, run, row, clash)
    clash.start_at = row.start_at
    if was is not None and abs(clear_at - was) < AGAIN_FROM:
        return 0
    clash.expected_at = clear_at
    told = _tell_both(uow, run, row, clear_at)
    return told + (_ask_staff(uow, run, row, clear_at) if policy is Overrun.REFUSE else 0)


def _shift(uow: UnitOfWork, row: Reservation, clear_at: datetime) -> bool:
    """Whether it begins when the machine is expected to be clear; planned jobs behind it give way."""
    start_at = datetime.fromtimestamp(-(-clear_at.timestamp() // ROUND_TO_S) * ROUND_TO_S, UTC)
    end_at = row.end_at + (start_at - row.start_at)
    behind = on(uow, row.resource_ids, row.end_at, end_at, without=row.id)
    jobs = list(dict.fromkeys(each.job.claim_id for each in behind if each.soft))
    try:
        with uow.session.begin_nested():
            if jobs and all(each.soft for each in behind):
                make_room(uow, jobs, lambda inner: shifting.shift(inner, row.id, start_at))
            else:
                shifting.shift(uow, row.id, start_at)
    except (BadStep, Conflict, NotFound, Refused):
        uow.session.expire(row)
        return False
    return True


def _tell_shift(uow: UnitOfWork, run: Run, row: Reservation, clash: Clash) -> int:
    take_back(uow, row.member_id, SHIFTED, row.id)  # one that nobody has read yet is overtaken by this
    facts = {
        "machine": run.resource.name,
        "was": clash.was_start_at.isoformat(),
        "start": row.start_at.isoformat(),
        "until": row.end_at.isoformat(),
        "path": f"/reservations/{row.id}",
    }
    tell(uow, row.member_id, SHIFTED, claim_id=row.id, **facts)
    return 1


def _tell_both(uow: UnitOfWork, run: Run, row: Reservation, clear_at: datetime) -> int:
    machine, start, ready = run.resource.name, row.start_at.isoformat(), clear_at.isoformat()
    take_back(uow, row.member_id, OVERRUN, row.id)
    tell(uow, row.member_id, OVERRUN, claim_id=row.id, machine=machine, start=start, ready=ready)
    told = 1
    for member_id in _owners(run) - {row.member_id}:
        take_back(uow, member_id, OWN_RUN, run.claim_id)
        tell(
            uow,
            member_id,
            OWN_RUN,
            claim_id=run.claim_id,
            file=run.claim.title,
            machine=machine,
            start=start,
            ready=ready,
        )
        told += 1
    return told


def _ask_staff(uow: UnitOfWork, run: Run, row: Reservation, clear_at: datetime) -> int:
    """The run is theirs to stop or to settle; nobody is asked about their own twice."""
    query = select(Member.id).where(Member.role.in_(_STAFF), Member.active).order_by(Member.id)
    asked = [each for each in uow.session.scalars(query) if each not in _owners(run) | {row.member_id}]
    for member_id in asked:
        take_back(uow, member_id, DECIDE, run.claim_id)
        tell(
            uow,
            member_id,
            DECIDE,
            claim_id=run.claim_id,
            file=run.claim.title,
            machine=run.resource.name,
            start=row.start_at.isoformat(),
            ready=clear_at.isoformat(),
        )
    return len(asked)


def _owners(run: Run) -> set[int]:
    """Whose part it is, and who has started it."""
    return {member for member in (run.claim.member_id, run.operator_id) if member is not None}


def clashes_of(uow: UnitOfWork, resource_ids: list[int]) -> dict[int, tuple[Run, Clash]]:
    """By machine: the live run that is not expected to be over for the next reservation."""
    query = (
        select(Clash, Run)
        .join(Run, Run.id == Clash.run_id)
        .join(Reservation, Reservation.id == Clash.reservation_id)
        .where(
            Run.resource_id.in_(resource_ids),
            Run.state.in_(LIVE),
            Clash.expected_at > Reservation.start_at,
            Reservation.end_at > uow.now,
        )
        .order_by(Reservation.start_at.desc())
    )
    return {run.resource_id: (run, clash) for clash, run in uow.session.execute(query).unique()}
