"""One attempt from the tap to its settled end: prepare, begin, observe, settle.

Every function is one step inside a unit of work. The device is never spoken to here: what must be sent is written
down first, and the dispatcher sends it after the commit.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, Invalid, NotFound, Refusal, Refused
from fablab.base.ids import new_id
from fablab.base.states import step
from fablab.claims import calendar
from fablab.claims.jobs import use as jobs
from fablab.claims.jobs.models import Job, JobState
from fablab.claims.models import Allocation, AllocationState, Claim, ClaimKind, ClaimState
from fablab.device import DeviceState, Status
from fablab.people.access import Right, require
from fablab.places import house
from fablab.places.models import Machine, Spool, Technology
from fablab.runs import lodging
from fablab.runs.models import ENDED, LIVE, RUN_STEPS, Run, RunState
from fablab.runs.reconcile import reconcile
from fablab.runs.settle import settle

PREPARE_LIFE = timedelta(
    minutes=10
)  # a tap is worth that long; after it somebody has to look at the bed again
START_LIFE = timedelta(seconds=90)  # a start that would arrive later is dropped
CLOCK_SLACK = timedelta(seconds=5)  # a tap from further in the future was made before the clock went back
WRITE_EVERY = timedelta(minutes=1)  # progress goes to the database once a minute, to the screens at once


def prepare(
    uow: UnitOfWork,
    allocation: Allocation,
    *,
    bed_clear: bool,
    spool_id: int | None = None,
    host: lodging.Host | None = None,
) -> Run:
    """The operator's tap: the bed is clear, the material is in. Nothing is sent yet. `host`: the reservation that it
    takes place in, whose holder is their own operator, or the session.

    Raises `Invalid` without the confirmation, `Refused` with every reason why this cannot start here.
    """
    lodging.require_hands(uow, host, allocation.claim)
    if not bed_clear:
        raise Invalid("bed.not_confirmed", field="bed_clear")
    row = house.machine(uow, allocation.resource_id, lock=True)
    if spool_id is not None:
        house.load_spool(uow, row, spool_id)
        uow.session.flush()
    refusals = _cannot_start(uow, row, allocation)
    if refusals:
        raise Refused(refusals)
    if live_on(uow, row.resource_id) is not None:
        raise Conflict("machine.busy")
    house.turn_gate(uow, row, "clear")
    _cleared(uow, row.resource_id)
    run = Run(
        id=new_id(uow.now),
        claim_id=allocation.claim_id,
        resource_id=row.resource_id,
        state=RunState.PREPARING,
        operator_id=uow.actor.member_id,
        spool_id=row.spool_id,
        prepared_at=uow.now,
        deadline_at=uow.now + PREPARE_LIFE,
        state_at=uow.now,
        host_id=host.id if host is not None else None,
        host_until=host.end_at if host is not None else None,
    )
    uow.session.add(run)
    allocation.run_id = run.id
    allocation.state = AllocationState.FIRM
    uow.session.flush()
    uow.session.refresh(run)  # with claim, machine and operator, for whoever shows it after the commit
    announce(uow, run)
    return run


def _cannot_start(uow: UnitOfWork, row: Machine, allocation: Allocation) -> list[Refusal]:
    claim = allocation.claim
    refusals: list[Refusal] = []
    if house.is_out(row):
        refusals.append(Refusal(code="machine.out_of_service", facts={"machine": row.resource.name}))
    if row.device is None:
        refusals.append(Refusal(code="machine.no_device", facts={"machine": row.resource.name}))
    if claim.state is not ClaimState.HELD or allocation.run_id is not None or not _is_waiting(uow, claim):
        refusals.append(Refusal(code="job.not_waiting"))
    # A sheet is laid on a laser's bed by whoever stands there; only a printer has its material loaded.
    if claim.material_id is not None and row.resource.technology is Technology.FDM:
        spool = uow.session.get(Spool, row.spool_id) if row.spool_id is not None else None
        if spool is None or spool.material_id != claim.material_id:
            facts = {"loaded": spool.material.name if spool else None}
            refusals.append(Refusal(code="material.other_loaded", facts=facts))
        elif claim.colour is not None and spool.colour != claim.colour:
            refusals.append(
                Refusal(code="colour.other_loaded", facts={"loaded": spool.colour, "wanted": claim.colour})
            )
    return refusals


def _is_waiting(uow: UnitOfWork, claim: Claim) -> bool:
    """A job that staff have yet to look at has a place, but no leave; one with a live run elsewhere is taken."""
    if claim.kind is not ClaimKind.JOB or jobs.get(uow, claim.id).state is not JobState.QUEUED:
        return False
    return uow.session.scalar(select(Run.id).where(Run.claim_id == claim.id, Run.state.in_(LIVE))) is None


def require_waiting(uow: UnitOfWork, claim: Claim) -> None:
    """Raises `Refused` unless this is a job that may be started now."""
    if not _is_waiting(uow, claim):
        raise Refused([Refusal(code="job.not_waiting")])


def next_waiting(uow: UnitOfWork, resource_id: int) -> Allocation | None:
    """The first allocation of a machine whose job may start: in the queue, and no run on it yet."""
    query = (
        select(Allocation)
        .join(Job, Job.id == Allocation.claim_id)
        .where(
            Allocation.resource_id == resource_id,
            Allocation.run_id.is_(None),
            Job.state == JobState.QUEUED,
        )
    )
    return uow.session.scalars(query.order_by(Allocation.start_at).limit(1)).unique().first()


def startable(uow: UnitOfWork) -> frozenset[str]:
    """The jobs in the queue that no run stands on: they need a place, and a hand."""
    taken = select(Run.claim_id).where(Run.state.in_(LIVE))
    query = select(Job.id).where(Job.state == JobState.QUEUED, Job.id.not_in(taken))
    return frozenset(uow.session.scalars(query))


def begin(uow: UnitOfWork, run_id: str) -> Run:
    """preparing -> starting, written down before the command is sent. Raises `BadStep` when somebody was faster."""
    run = get(uow, run_id)
    if is_stale(run.prepared_at, run.deadline_at, uow.now):
        raise Conflict("run.too_late")
    run.state = step(RUN_STEPS, run.state, "begin")
    run.state_at = run.starting_at = uow.now
    run.deadline_at = uow.now + START_LIFE
    house.turn_gate(uow, house.machine(uow, run.resource_id, lock=True), "occupy")
    jobs.begin(uow, run.claim_id)
    announce(uow, run)
    return run


def is_stale(prepared_at: datetime, deadline_at: datetime, now: datetime) -> bool:
    """Whether a tap is no longer worth anything; after the clock was put back nobody knows how old it is."""
    return deadline_at <= now or prepared_at - now > CLOCK_SLACK


def observe(uow: UnitOfWork, run_id: str, status: Status) -> Run:
    """Take one look at the machine into account; settles the run when it has ended."""
    run = get(uow, run_id)
    if run.state in ENDED:
        return run
    _see(uow, run, status)
    action = reconcile(run.state, run.state_at, run.unseen_since, run.id, status)
    if action is not None:
        detail = status.progress.detail if status.progress and status.progress.token == run.id else ""
        turn(uow, run, action, detail or status.message)
    return run


def _see(uow: UnitOfWork, run: Run, status: Status) -> None:
    if status.state is DeviceState.OFFLINE:
        run.unseen_since = min(run.unseen_since or status.at, status.at)  # the clock may have been put back
        return
    run.unseen_since = None
    progress = status.progress
    if progress is not None and progress.token == run.id:
        run.elapsed_s = max(run.elapsed_s, progress.elapsed_s)
        run.fraction = progress.fraction if progress.fraction is not None else run.fraction
        run.remaining_s = progress.remaining_s


def turn(uow: UnitOfWork, run: Run, action: str, detail: str = "") -> None:
    """One step of `RUN_STEPS`; an end is settled in the same transaction."""
    before = run.state
    run.state = step(RUN_STEPS, run.state, action)
    if run.state is before:
        return
    if before is RunState.PAUSED:
        run.paused_s += max(0.0, (uow.now - run.state_at).total_seconds())
    run.state_at = uow.now
    run.detail = detail[:300]
    if run.state is RunState.RUNNING and run.started_at is None:
        run.started_at = uow.now
    if run.state in ENDED:
        run.ended_at = uow.now
        settle(uow, run)
    announce(uow, run)


def refused_start(uow: UnitOfWork, run_id: str, detail: str) -> None:
    """The machine said no, or the deadline had passed before the command left: the attempt is over."""
    run = get(uow, run_id)
    if run.state is RunState.STARTING:
        turn(uow, run, "fail", detail)


def withdraw(uow: UnitOfWork, run_id: str, detail: str) -> None:
    """The tap is taken back, or went stale: nothing had been sent, the job keeps its place and the bed stays clear."""
    run = get(uow, run_id)
    if run.state is not RunState.PREPARING:
        raise Conflict("run.already_started")
    run.state = step(RUN_STEPS, run.state, "cancel")
    run.state_at = run.ended_at = uow.now
    run.detail = detail[:300]
    for allocation in run.claim.allocations:
        if allocation.run_id == run.id:
            allocation.run_id = None
            allocation.state = AllocationState.TENTATIVE  # or the plan could never move it again
    lodging.give_up_place(uow, run)
    announce(uow, run)


def ask_cancel(uow: UnitOfWork, run_id: str) -> Run:
    """Owner or operator: written down first; a start that is under way still gives way to it."""
    run = get(uow, run_id)
    if run.claim.member_id != uow.actor.member_id:
        require(uow.actor, Right.OPERATE)
    if run.state is RunState.PREPARING:
        withdraw(uow, run_id, "")
    elif run.state in LIVE:
        if run.cancel_asked_at is None:
            run.cancel_asked_at, run.cancel_asked_by_id = uow.now, uow.actor.member_id
        announce(uow, run)
    else:
        raise Conflict("run.already_ended")
    return run


def may_pause(uow: UnitOfWork, run_id: str) -> Run:
    """The run, if this actor may pause or resume it now: an operator, or whoever started it in their own reservation."""
    run = get(uow, run_id)
    if uow.actor.member_id is None or run.operator_id != uow.actor.member_id:
        require(uow.actor, Right.OPERATE)
    if run.state not in (RunState.RUNNING, RunState.PAUSED):
        raise Conflict("run.not_running")
    return run


def cancel_job(uow: UnitOfWork, job_id: str) -> Run | None:
    """Cancel a job wherever it stands; returns the live run that has to be stopped, if any."""
    jobs.may_change(uow, job_id)
    run = uow.session.scalar(select(Run).where(Run.claim_id == job_id, Run.state.in_(LIVE)))
    if run is not None and run.state is not RunState.PREPARING:
        return ask_cancel(uow, run.id)
    if run is not None:
        withdraw(uow, run.id, "")
    jobs.cancel(uow, job_id)
    return None


def clear_bed(uow: UnitOfWork, resource_id: int) -> Machine:
    """A person says: the part is off, the bed is clear. What the last run still held is given back."""
    require(uow.actor, Right.OPERATE)
    row = house.machine(uow, resource_id, lock=True)
    if live_on(uow, resource_id) is not None:
        raise Conflict("machine.busy")
    house.turn_gate(uow, row, "clear")
    _cleared(uow, resource_id)
    for allocation in calendar.between(uow, uow.now, uow.now + timedelta(days=30), [resource_id]):
        if allocation.run_id is not None and allocation.run_end_at <= uow.now:
            calendar.trim(uow, allocation, run_end_at=allocation.run_end_at, end_at=uow.now)
    return row


def _cleared(uow: UnitOfWork, resource_id: int) -> None:
    """What the last run left is off the bed now, unless somebody has said so before."""
    ended = select(Run).where(Run.resource_id == resource_id, Run.state.in_(ENDED))
    last = uow.session.scalars(ended.order_by(Run.ended_at.desc()).limit(1)).unique().first()
    if last is not None and last.cleared_at is None:
        last.cleared_at = uow.now


def get(uow: UnitOfWork, run_id: str) -> Run:
    run = uow.session.get(Run, run_id)
    if run is None:
        raise NotFound("run.unknown", id=run_id)
    return run


def live_on(uow: UnitOfWork, resource_id: int) -> Run | None:
    return uow.session.scalar(select(Run).where(Run.resource_id == resource_id, Run.state.in_(LIVE)))


def is_unwanted(uow: UnitOfWork, run_id: str, resource_id: int) -> bool:
    """Whether a program that a machine runs belongs to a run that ended here and must not go on.

    One whose start came after its run had been given up, or that somebody asked to cancel while it was out of
    sight. One that was merely interrupted by a long silence goes on: it may well become a good part.
    """
    run = uow.session.get(Run, run_id)
    if run is None or run.resource_id != resource_id or run.state not in ENDED:
        return False
    return run.state is not RunState.SUCCEEDED and (run.started_at is None or run.cancel_asked_at is not None)


def all_live(uow: UnitOfWork) -> list[Run]:
    return list(uow.session.scalars(select(Run).where(Run.state.in_(LIVE))).unique())


def announce(uow: UnitOfWork, run: Run) -> None:
    uow.raise_event("run", run.id, run.state.value)
    uow.raise_event("machine", run.resource_id, "run")
    uow.raise_event("claim", run.claim_id, "run")


def program_of(uow: UnitOfWork, run: Run) -> str:
    """The SHA-256 of the file this run makes."""
    return jobs.get(uow, run.claim_id).program_sha256
