"""A live run as the dispatcher remembers it between two looks at the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from fablab.base.database import UnitOfWork
from fablab.runs import attempts
from fablab.runs.models import Run, RunState
from scheduler import overruns


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """Of the row in `fablab.runs`, what decides the next step. `pause_at`: from then on it is held for a reservation."""

    id: str
    claim_id: str
    program_sha256: str
    state: RunState
    state_at: datetime
    unseen_since: datetime | None
    prepared_at: datetime
    deadline_at: datetime
    cancel_asked: bool
    started_at: datetime | None
    pause_at: datetime | None = None


def begun(uow: UnitOfWork, run_id: str) -> tuple[Run, Live]:
    run = attempts.begin(uow, run_id)
    return run, remember(uow, run)


def remember(uow: UnitOfWork, run: Run) -> Live:
    return Live(
        id=run.id,
        claim_id=run.claim_id,
        program_sha256=attempts.program_of(uow, run),
        state=run.state,
        state_at=run.state_at,
        unseen_since=run.unseen_since,
        prepared_at=run.prepared_at,
        deadline_at=run.deadline_at,
        cancel_asked=run.cancel_asked_at is not None,
        started_at=run.started_at,
        pause_at=overruns.to_pause(uow, run) if run.state is RunState.RUNNING else None,
    )
