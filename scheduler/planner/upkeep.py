"""What runs holds its machine for as long as it takes; who is told that a promise moved, and when."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import or_, select

from fablab.base.database import UnitOfWork
from fablab.claims import calendar
from fablab.claims.models import Allocation, AllocationState, Claim, ClaimKind, ClaimState
from fablab.notices import take_back, tell
from scheduler.sight import Sight, look

LATE_START = timedelta(minutes=3)  # a planned start nobody tapped is past when it is that old
TELL_FROM = timedelta(minutes=15)  # a promise moved by less is not worth a message
MOVED = "job.moved"  # the notice of a promise that moved
PLACED = "job.placed"  # and of a first one, after there was none
END_DRIFT = timedelta(minutes=2)  # a running job's end is rewritten when it moved by more


def is_worth_telling(claim: Claim, ready_at: datetime) -> bool:
    """Measured from what the owner was last told: ten moves of four minutes are forty."""
    was = claim.told_ready_at
    return was is not None and abs(ready_at - was) >= TELL_FROM


def tell_if_moved(uow: UnitOfWork, claim: Claim) -> bool:
    """Returns whether the owner was told. See `is_worth_telling`."""
    was, now = claim.told_ready_at, claim.ready_at
    if was is not None and now is not None and not is_worth_telling(claim, now):
        return False
    claim.told_ready_at = now
    if now is None:
        if was is not None:
            tell(uow, claim.member_id, "job.no_place", claim_id=claim.id, file=claim.title)
        return was is not None
    if was is None:  # who was told that there is no place waits to hear of one
        tell(uow, claim.member_id, PLACED, claim_id=claim.id, file=claim.title, ready=now.isoformat())
        return True
    # Of a move that nobody has read yet this one is the rest: both are one, or none where it is back again.
    unread = take_back(uow, claim.member_id, MOVED, claim.id)
    if unread is not None:
        was = datetime.fromisoformat(str(unread["was"]))
        if abs(now - was) < TELL_FROM:
            return False
    facts = {"file": claim.title, "was": was.isoformat(), "ready": now.isoformat()}
    tell(uow, claim.member_id, MOVED, claim_id=claim.id, **facts)
    return True


def waiting_jobs(uow: UnitOfWork) -> list[Claim]:
    """Not those that somebody keeps for later, as a session does with what is to be made in it: they are planned from
    their `release_at` on, or once somebody was promised when."""
    query = select(Claim).where(
        Claim.state == ClaimState.OPEN,
        Claim.kind == ClaimKind.JOB,
        or_(Claim.release_at <= uow.now, Claim.told_ready_at.is_not(None)),
    )
    return [claim for claim in uow.session.scalars(query).unique() if claim.needs]


def follow_runs(uow: UnitOfWork, ends: Mapping[str, datetime]) -> None:
    """What the runs hold becomes what they take; planned jobs in the way lose their place."""
    if not ends:
        return
    rows = uow.session.scalars(select(Allocation).where(Allocation.run_id.in_(list(ends)))).unique()
    sight = look(uow)
    for row in rows:
        run_end = max(ends[row.run_id or ""], uow.now)
        if abs(run_end - row.run_end_at) > END_DRIFT:
            end_at = sight.instant(sight.free_at(sight.index[row.resource_id], sight.minute(run_end)))
            _stretch(uow, row, run_end, end_at)
        _narrow(uow, sight, row, run_end)


def _narrow(uow: UnitOfWork, sight: Sight, row: Allocation, run_end: datetime) -> None:
    """What is promised of a running job: its expected end as it was said, the spread of what is left of such runs
    after the time this one has taken."""
    elapsed_s = max(0.0, (uow.now - row.run_start_at).total_seconds())
    left = sight.duration(row.claim, row.resource_id).remaining(elapsed_s)
    said = (run_end - uow.now).total_seconds() / max(60.0, left.p60_s)
    machine = sight.index[row.resource_id]

    def ready(left_s: float) -> datetime:
        return sight.instant(sight.free_at(machine, sight.minute(uow.now + timedelta(seconds=said * left_s))))

    claim = row.claim
    early, late = min(row.end_at, ready(left.p10_s)), max(row.end_at, ready(left.p90_s))
    if claim.ready_from is None or abs(early - claim.ready_from) > END_DRIFT:
        claim.ready_from = early
    if claim.ready_until is None or abs(late - claim.ready_until) > END_DRIFT:
        claim.ready_until = late


def _stretch(uow: UnitOfWork, row: Allocation, run_end: datetime, end_at: datetime) -> None:
    """Move a running allocation's end; the plan behind it gives way, a person's own does not."""
    for other in ahead(uow, row.resource_id, end_at):
        if other.id == row.id or other.start_at < row.start_at:
            continue
        if is_movable(other) and other.claim.state is ClaimState.HELD:
            calendar.release(uow, other.claim, "replan")
        else:
            run_end, end_at = min(run_end, other.start_at), min(end_at, other.start_at)
    calendar.trim(uow, row, run_end_at=run_end, end_at=end_at)
    claim = row.claim
    claim.ready_at = row.end_at
    claim.ready_from = min(claim.ready_from or row.end_at, row.end_at)
    claim.ready_until = max(claim.ready_until or row.end_at, row.end_at)


def ahead(uow: UnitOfWork, resource_id: int | None, until: datetime) -> list[Allocation]:
    return calendar.between(uow, uow.now, until, [] if resource_id is None else [resource_id])


def is_movable(allocation: Allocation) -> bool:
    return allocation.state is AllocationState.TENTATIVE and allocation.run_id is None
