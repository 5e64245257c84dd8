"""The floor as it stands: every machine with its live run, what is next on it, and the job it is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import aliased

from fablab.base.database import UnitOfWork
from fablab.claims.jobs.models import Job
from fablab.claims.models import Allocation, Claim, ClaimState
from fablab.places import house
from fablab.places.models import Resource
from fablab.runs.models import ENDED, LIVE, Run, RunState


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineNow:
    """`job`: of the live run. `next_up`: the first allocation still to come, with `next_job` if it is one.

    `last_run`: the latest that ended, while the bed waits to be cleared.
    """

    resource: Resource
    run: Run | None
    job: Job | None
    next_up: Allocation | None
    next_job: Job | None
    last_run: Run | None


def machines_now(uow: UnitOfWork, resource_id: int | None = None) -> list[MachineNow]:
    """In six queries, however many machines there are."""
    resources = [row for row in house.machines(uow) if resource_id is None or row.id == resource_id]
    ids = [row.id for row in resources]
    live = {
        run.resource_id: run
        for run in uow.session.scalars(
            select(Run).where(Run.resource_id.in_(ids), Run.state.in_(LIVE))
        ).unique()
    }
    coming = _coming(uow, ids)
    last = _last_runs(uow, ids)
    claims = {run.claim_id for run in live.values()} | {a.claim_id for a in coming.values()}
    jobs = {job.id: job for job in uow.session.scalars(select(Job).where(Job.id.in_(claims))).unique()}
    return [
        MachineNow(
            resource=row,
            run=live.get(row.id),
            job=jobs.get(live[row.id].claim_id) if row.id in live else None,
            next_up=coming.get(row.id),
            next_job=jobs.get(coming[row.id].claim_id) if row.id in coming else None,
            last_run=last.get(row.id),
        )
        for row in resources
    ]


def _coming(uow: UnitOfWork, ids: list[int]) -> dict[int, Allocation]:
    query = (
        select(Allocation)
        .join(Allocation.claim)
        .where(
            Allocation.resource_id.in_(ids),
            Allocation.run_id.is_(None),
            Allocation.end_at > uow.now,
            Claim.state == ClaimState.HELD,
        )
        .order_by(Allocation.start_at)
    )
    first: dict[int, Allocation] = {}
    for allocation in uow.session.scalars(query).unique():
        first.setdefault(allocation.resource_id, allocation)
    return first


def last_faults(uow: UnitOfWork, ids: Sequence[int] | None = None) -> dict[int, Run]:
    """Of each machine, or of those with these ids, the latest run that failed or that nobody saw the end of."""
    wanted = [row.id for row in house.machines(uow)] if ids is None else ids
    return _last_runs(uow, wanted, (RunState.FAILED, RunState.INTERRUPTED))


def _last_runs(uow: UnitOfWork, ids: Sequence[int], states: Sequence[RunState] = ENDED) -> dict[int, Run]:
    other = aliased(Run)
    newest = (
        select(other.id)
        .where(other.resource_id == Resource.id, other.ended_at.is_not(None), other.state.in_(states))
        .order_by(other.ended_at.desc())
        .limit(1)
        .correlate(Resource)
        .scalar_subquery()
    )
    query = select(Run).join(Resource, Resource.id == Run.resource_id)
    query = query.where(Resource.id.in_(ids), Run.id == newest)
    return {run.resource_id: run for run in uow.session.scalars(query).unique()}
