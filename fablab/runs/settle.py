"""A run has ended: run, job, claim, spool, charge and calendar are made true in the same transaction."""

from __future__ import annotations

from fablab.base.database import UnitOfWork
from fablab.claims import calendar
from fablab.claims.jobs import use as jobs
from fablab.claims.jobs.models import JobState
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
    lodging.move_out(uow, run.resource_id)


def _take_from_spool(uow: UnitOfWork, run: Run) -> None:
    run.used_g = round(jobs.weight_g(uow, run.claim_id) * _fraction(run), 3)
    if run.spool_id is None or run.used_g <= 0:
        return
    spool = uow.session.get(Spool, run.spool_id, with_for_update={"of": Spool})
    if spool is not None:
        spool.left_g = round(spool.left_g - run.used_g, 3)


def _charge(uow: UnitOfWork, run: Run) -> None:
    """A part that came out costs what was promised; a run its owner stopped costs its share; one that staff stopped,
    that failed or was interrupted costs nothing: the machine's bad luck is the lab's."""
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
        owed,
        claim_id=run.claim_id,
        run_id=run.id,
        member_id=run.claim.member_id,
        project_id=run.claim.project_id,
        audience=run.claim.audience,
    )


def _fraction(run: Run) -> float:
    return 1.0 if run.state is RunState.SUCCEEDED else min(1.0, max(0.0, run.fraction or 0.0))
