"""How far a machine may go if it starts now: not into what no plan moves, even if the run is slow.

What is a person's own (a reservation, a session, an outage, a job made firm) begins when it says; a run that is started
now has to be over by then in nine of ten cases, and its bed cleared.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.base.errors import Fact, Refusal
from fablab.claims.models import Allocation, AllocationState, Claim, ClaimKind, ClaimState
from fablab.people.access import Right, allows
from fablab.places.models import Machine
from scheduler.durations import Factors
from scheduler.lore import factors, key_of

RUNS_INTO = "machine.would_run_into"
RUNS_INTO_SOMEBODY = "machine.reserved_from"
SLOW = 0.90  # the quantile that a start counts with
START_SLACK = timedelta(
    minutes=2
)  # an upload, a busy port: a start is dropped if it comes later than 90 seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed:
    """What comes next on a machine and is not moved by any plan. `is_offer`: it is held for somebody who has not said
    yes."""

    claim_id: str
    kind: ClaimKind
    title: str
    member_id: int | None
    start_at: datetime
    end_at: datetime
    is_offer: bool = False


def slow_end(uow: UnitOfWork, claim: Claim, resource_id: int, at: datetime) -> datetime:
    """When the bed is clear after a slow run that is started at `at`: whoever starts it is there, whatever the hours say."""
    machine = uow.session.get(Machine, resource_id)
    return slow_end_of(factors(uow), claim, resource_id, machine.clear_s if machine is not None else 0, at)


def slow_end_of(known: Factors, claim: Claim, resource_id: int, clear_s: int, at: datetime) -> datetime:
    """`slow_end`, for whoever asks about many machines and has looked up what it takes."""
    key = key_of(resource_id, claim.material_id, claim.estimate_source)
    slow = known.distribution(key, max(1, claim.estimate_s))
    return at + START_SLACK + timedelta(minutes=slow.quantile_min(SLOW) + ceil(clear_s / 60))


def next_fixed(uow: UnitOfWork, resource_id: int, *, but: Iterable[str] = ()) -> Fixed | None:
    """The first thing on this machine, begun or not, that is over later than now and that no plan moves; `but`: claims
    that do not count."""
    return next(iter(fixed_ahead(uow, [resource_id], but=but).get(resource_id, ())), None)


def fixed_ahead(
    uow: UnitOfWork, resource_ids: Iterable[int], *, but: Iterable[str] = (), until: datetime | None = None
) -> dict[int, list[Fixed]]:
    """By machine, in order: all that no plan moves. One query, however many machines there are."""
    query = (
        select(
            Allocation.resource_id,
            Allocation.claim_id,
            Claim.kind,
            Claim.title,
            Claim.member_id,
            Claim.state,
            Allocation.start_at,
            Allocation.end_at,
        )
        .join(Claim, Claim.id == Allocation.claim_id)
        .where(
            Allocation.resource_id.in_(sorted(resource_ids)),
            Allocation.end_at > uow.now,
            Allocation.state == AllocationState.FIRM,
            Allocation.run_id.is_(None),
            Allocation.claim_id.not_in(sorted(but)),
        )
        .order_by(Allocation.start_at)
    )
    if until is not None:
        query = query.where(Allocation.start_at < until)
    found: dict[int, list[Fixed]] = {}
    for row in uow.session.execute(query):
        resource_id, claim_id, kind, title, member_id, state, start_at, end_at = row
        found.setdefault(resource_id, []).append(
            Fixed(
                claim_id=claim_id,
                kind=kind,
                title=title,
                member_id=member_id,
                start_at=start_at,
                end_at=end_at,
                is_offer=state is ClaimState.OFFERED,
            )
        )
    return found


def would_run_into(
    uow: UnitOfWork, claim: Claim, resource_id: int, *, host_id: str | None = None
) -> Refusal | None:
    """Why the claim's run may not be started on the machine at this moment; None where it may. `host_id`: a reservation
    that the run takes place in."""
    but = [claim.id, *([host_id] if host_id is not None else [])]
    stands = next_fixed(uow, resource_id, but=but)
    if stands is None or stands.start_at >= slow_end(uow, claim, resource_id, uow.now):
        return None
    return refusal_for(uow, stands)


def refusal_for(uow: UnitOfWork, stands: Fixed) -> Refusal:
    """Whose it is, and what for, is said to those who may know."""
    begins = stands.start_at.isoformat()
    if (
        stands.member_id is None
        or stands.member_id == uow.actor.member_id
        or allows(uow.actor, Right.SEE_ALL)
    ):
        facts: dict[str, Fact] = {"title": stands.title, "from": begins}
        return Refusal(code=RUNS_INTO, facts=facts)
    return Refusal(code=RUNS_INTO_SOMEBODY, facts={"from": begins})
