"""A job with everything that hangs on its id: claim, runs, promised price, what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from fablab.base.database import UnitOfWork
from fablab.claims import decisions
from fablab.claims.decisions import Decision
from fablab.claims.jobs import use as jobs
from fablab.claims.jobs.models import Job, JobState
from fablab.claims.models import Allocation, Claim
from fablab.money import quotes
from fablab.money.models import QuoteRow
from fablab.runs.models import LIVE, Run


@dataclass(frozen=True, slots=True, kw_only=True)
class JobWhole:
    """`allocation`: the place held now or last; `runs` oldest first."""

    job: Job
    claim: Claim | None
    allocation: Allocation | None
    runs: tuple[Run, ...]
    live: Run | None
    quote: quotes.Quote | None
    charge: quotes.Quote | None
    decisions: tuple[Decision, ...] = ()


def jobs_of(uow: UnitOfWork, member_id: int, *, ended: int = 20) -> list[JobWhole]:
    return _whole(uow, jobs.jobs_of(uow, member_id, ended=ended))


def job(uow: UnitOfWork, job_id: str) -> JobWhole:
    """Raises `NotFound` for a job this actor may not see."""
    (whole,) = _whole(uow, [jobs.may_see(uow, job_id)])
    return whole


def in_review(uow: UnitOfWork) -> list[JobWhole]:
    """What waits for staff to look at, oldest first."""
    query = select(Job).where(Job.state == JobState.REVIEW).order_by(Job.submitted_at)
    return _whole(uow, list(uow.session.scalars(query).unique()))


def _whole(uow: UnitOfWork, rows: Sequence[Job]) -> list[JobWhole]:
    ids = [row.id for row in rows]
    wanted = select(Claim).where(Claim.id.in_(ids)).options(joinedload(Claim.project))
    claims = {c.id: c for c in uow.session.scalars(wanted).unique()}
    runs: dict[str, list[Run]] = {}
    for run in uow.session.scalars(
        select(Run).where(Run.claim_id.in_(ids)).order_by(Run.prepared_at)
    ).unique():
        runs.setdefault(run.claim_id, []).append(run)
    promised = {
        row.claim_id: quotes.Quote(
            lines=quotes.lines_of(row.lines), total_cents=row.total_cents, currency=row.currency
        )
        for row in uow.session.scalars(select(QuoteRow).where(QuoteRow.claim_id.in_(ids)))
    }
    decided = decisions.of(uow, ids)
    charged = quotes.charges_of(uow, ids)
    return [
        JobWhole(
            job=row,
            claim=claims.get(row.id),
            allocation=_place(claims.get(row.id)),
            runs=tuple(runs.get(row.id, ())),
            live=next((run for run in runs.get(row.id, ()) if run.state in LIVE), None),
            quote=promised.get(row.id),
            charge=charged.get(row.id),
            decisions=tuple(decided.get(row.id, ())),
        )
        for row in rows
    ]


def _place(claim: Claim | None) -> Allocation | None:
    """The one that is still to be used, else the last that was."""
    if claim is None or not claim.allocations:
        return None
    return next((a for a in claim.allocations if a.run_id is None), claim.allocations[-1])
