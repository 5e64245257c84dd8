"""A run has ended: run, job, claim, spool, charge and calendar are made true in the same transaction."""

from __future__ import annotations

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.base.intervals import Interval
from fablab.claims import calendar
from fablab.claims.jobs import use as jobs
from fablab.claims.jobs.models import JobState
from fablab.claims.reservations.models import Reservation, ReservationState
from fablab.money import quotes
from fablab.notices import tell
from fablab.places.models import Spool
from fablab.runs import lodging
from fablab.runs.models import Run, RunState

#: What the end of a run does to its job. An interrupted run is nobody's failure: the job goes back in the queue.
_JOB_ACTIONS = {
    RunState.SUCCEEDED: "finish",
    RunState.FAILED: "fail",
    RunState.CANCELLED: "cancel",
    RunState.INTERRUPTED: "retry",
}


def settle(uow: UnitOfWork, run: Run) -> None:
    """Called once, by the step that ended the run."""
    # However it ended: who asked to cancel does not get the same job back in the queue.
    unwanted = run.cancel_asked_at is not None and run.state is not RunState.SUCCEEDED
    job_state = jobs.end_attempt(uow, run.claim_id, "cancel" if unwanted else _JOB_ACTIONS[run.state])
    _free_the_rest(uow, run)
    _take_from_spool(uow, run)
    _charge(uow, run)
    code = "job.requeued" if job_state is JobState.QUEUED else f"job.{job_state.value}"
    machine, file_name = run.resource.name, jobs.get(uow, run.claim_id).file_name
    tell(
        uow,
        run.claim.member_id,
        code,
        claim_id=run.claim_id,
        file=file_name,
        machine=machine,
        detail=run.detail,
    )


def _free_the_rest(uow: UnitOfWork, run: Run) -> None:
    """The run's own allocation ends when it did. That the bed is not clear yet is the gate's to say; the next set-up
    needs a person in any case, and that person clears it."""
    for allocation in run.claim.allocations:
        if allocation.run_id == run.id:
            calendar.trim(uow, allocation, run_end_at=uow.now, end_at=uow.now)
    lodging.move_out(uow, run)


def _take_from_spool(uow: UnitOfWork, run: Run) -> None:
    run.used_g = round(jobs.weight_g(uow, run.claim_id) * _fraction(run), 3)
    if run.spool_id is None or run.used_g <= 0:
        return
    spool = uow.session.get(Spool, run.spool_id, with_for_update={"of": Spool})
    if spool is not None:
        spool.left_g = round(spool.left_g - run.used_g, 3)


def _charge(uow: UnitOfWork, run: Run) -> None:
    """A part that came out costs what was promised; a run its owner stopped costs its share; one that staff stopped,
    that failed or was interrupted costs nothing: the machine's bad luck is the lab's. Hours within the owner's own
    reservation are paid for by it."""
    promised = quotes.quote_of(uow, run.claim_id)
    if promised is None or run.claim.audience is None:
        return
    if run.state is RunState.SUCCEEDED:
        owed = promised
    elif run.state is RunState.CANCELLED and run.cancel_asked_by_id == run.claim.member_id:
        owed = quotes.share(promised, _fraction(run))
    else:
        return
    quotes.charge(
        uow,
        quotes.reserved(owed, _reserved(uow, run)),
        claim_id=run.claim_id,
        run_id=run.id,
        member_id=run.claim.member_id,
        project_id=run.claim.project_id,
        audience=run.claim.audience,
    )


def _reserved(uow: UnitOfWork, run: Run) -> float:
    """The part of a run, 0..1, that took place in reservations of its owner's on this machine, used or being used."""
    begun, ended = run.started_at or run.prepared_at, run.ended_at or uow.now
    if ended <= begun:
        return 0.0
    query = select(Reservation).where(
        Reservation.member_id == run.claim.member_id,
        Reservation.state.in_((ReservationState.IN_USE, ReservationState.COMPLETED)),
        Reservation.start_at < ended,
        Reservation.end_at > begun,
    )
    spans = [
        Interval(max(begun, row.start_at), min(ended, row.ended_at or row.end_at, row.end_at))
        for row in uow.session.scalars(query)
        if run.resource_id in row.resource_ids and (row.ended_at or row.end_at) > begun
    ]
    paid_s = sum((span.end - span.start).total_seconds() for span in spans)
    return min(1.0, paid_s / (ended - begun).total_seconds())


def _fraction(run: Run) -> float:
    return 1.0 if run.state is RunState.SUCCEEDED else min(1.0, max(0.0, run.fraction or 0.0))
