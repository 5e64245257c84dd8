"""What lists need, in a fixed number of queries however long they are: read only, for pages and API alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from fablab.base.database import UnitOfWork
from fablab.base.errors import NotFound
from fablab.claims import calendar
from fablab.claims.jobs.models import Job
from fablab.claims.models import Allocation, Claim, ClaimKind
from fablab.money.models import Charge, QuoteRow
from fablab.people.models import Member
from fablab.runs.models import Run

AHEAD = timedelta(days=35)


def claims_of(uow: UnitOfWork, jobs: Sequence[Job]) -> Mapping[str, Claim]:
    """Claims by id with their project and allocations; `job.claim` then asks nothing more."""
    query = select(Claim).where(Claim.id.in_([job.id for job in jobs])).options(joinedload(Claim.project))
    return {claim.id: claim for claim in uow.session.scalars(query).unique()}


def totals_of(uow: UnitOfWork, claim_ids: Collection[str]) -> Mapping[str, tuple[int, int | None]]:
    """Cents promised and, where something was charged, cents charged."""
    quoted = uow.session.execute(
        select(QuoteRow.claim_id, QuoteRow.total_cents).where(QuoteRow.claim_id.in_(claim_ids))
    )
    charged: defaultdict[str, int] = defaultdict(int)
    for claim_id, cents in uow.session.execute(
        select(Charge.claim_id, Charge.total_cents).where(Charge.claim_id.in_(claim_ids))
    ):
        charged[claim_id] += cents
    return {claim_id: (cents, charged.get(claim_id)) for claim_id, cents in quoted}


def runs_of(uow: UnitOfWork, claim_ids: Collection[str]) -> Mapping[str, list[Run]]:
    """Every attempt, the first one first."""
    found: defaultdict[str, list[Run]] = defaultdict(list)
    query = select(Run).where(Run.claim_id.in_(claim_ids)).order_by(Run.prepared_at, Run.id)
    for run in uow.session.scalars(query).unique():
        found[run.claim_id].append(run)
    return found


def member(uow: UnitOfWork, member_id: int) -> Member:
    found = uow.session.get(Member, member_id)
    if found is None:
        raise NotFound("member.unknown")
    return found


def allocations(
    uow: UnitOfWork, start: datetime, end: datetime, resource_ids: Sequence[int] = ()
) -> list[Allocation]:
    """`calendar.between`, with the claims fetched at once instead of one by one."""
    touching = select(Allocation.claim_id).where(Allocation.start_at < end, Allocation.end_at > start)
    if resource_ids:
        touching = touching.where(Allocation.resource_id.in_(resource_ids))
    claims = {
        row.id: row for row in uow.session.scalars(select(Claim).where(Claim.id.in_(touching))).unique()
    }
    # The session holds what it has read only weakly: each row is tied to its claim while the claims are held here.
    return [row for row in calendar.between(uow, start, end, resource_ids) if row.claim.id in claims]


def next_jobs(uow: UnitOfWork, resource_ids: Sequence[int] = ()) -> Mapping[int, Allocation]:
    """For each machine the first planned job on which no run stands yet."""
    found: dict[int, Allocation] = {}
    for row in allocations(uow, uow.now, uow.now + AHEAD, resource_ids):
        if row.run_id is None and row.claim.kind is ClaimKind.JOB:
            found.setdefault(row.resource_id, row)
    return found
