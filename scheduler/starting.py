"""What a start would mean on each machine at this moment, said before anybody presses anything: whose the machine is and
will be, which job would start, what stands against it, and who would have to move for it.

For all machines of a page together, in a number of queries that does not grow with them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.base.errors import Refusal
from fablab.claims.jobs.models import Job
from fablab.claims.models import Allocation, AllocationState, Claim, ClaimKind
from fablab.people.models import Member
from fablab.reports.floor import MachineNow
from fablab.runs import lodging
from scheduler import overruns
from scheduler.lore import factors, key_of
from scheduler.planner.headway import Fixed, fixed_ahead, refusal_for, slow_end_of
from scheduler.sight import PLAN_AT

SAID_WITHIN = timedelta(hours=24)  # a reservation further away says nothing about what to do now


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved:
    """Somebody's own time on a machine, going on or the next; `holder` for those who may know;
    `reservation_id` is empty where it is only offered yet."""

    reservation_id: str
    member_id: int
    holder: str
    start_at: datetime
    end_at: datetime
    is_now: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospect:
    """`job`: what a tap would start: in a reservation its holder's own, otherwise what is planned next. `against`: why it
    may not be now, as far as time goes; `moves`: the jobs that would have to. `late_until`: the live run is expected to
    be off the bed only then, after the next reservation's start. `in_session`: a session of a workshop has the machine
    now, and `job` is the next piece of it."""

    reserved: Reserved | None = None
    job: Job | None = None
    claim: Claim | None = None
    against: Refusal | None = None
    moves: tuple[Claim, ...] = ()
    late_until: datetime | None = None
    in_session: bool = False


def prospects(uow: UnitOfWork, rows: Sequence[MachineNow]) -> dict[int, Prospect]:
    """By machine, one for each of them."""
    ids = [row.resource.id for row in rows]
    hosts = lodging.hosts(uow)
    ahead = fixed_ahead(uow, ids)
    holders = _holders(uow, ids, hosts, ahead)
    planned = _planned(uow, ids)
    late = overruns.clashes_of(uow, ids)
    waiting = _waiting(uow, {each: hosts[each] for each in ids if each in hosts}, hosts)
    found: dict[int, Prospect] = {}
    for row in rows:
        each = row.resource.id
        host = hosts.get(each)
        job, claim = _to_start(row, host, waiting)
        found[each] = Prospect(
            reserved=_reserved(uow, each, host, ahead.get(each, ()), holders),
            job=job,
            claim=claim,
            against=_against(uow, row, claim, host, ahead.get(each, ())),
            moves=_moves(uow, row, claim, planned.get(each, ())),
            late_until=late[each][1].expected_at if each in late else None,
            in_session=host is not None and host.reservation is None,
        )
    return found


def _waiting(
    uow: UnitOfWork, shown: Mapping[int, lodging.Host], hosts: Mapping[int, lodging.Host]
) -> dict[int, Sequence[tuple[Job, Claim]]]:
    """By machine, what may be started on it: in a reservation all that its holder has, in a session the piece whose turn
    it is there. A number of queries that does not grow with them."""
    own = {each: host.reservation.member_id for each, host in shown.items() if host.reservation is not None}
    theirs = lodging.waiting_for(uow, set(own.values()))
    found: dict[int, Sequence[tuple[Job, Claim]]] = {
        each: theirs.get(member_id, ()) for each, member_id in own.items()
    }
    if len(own) < len(shown):
        found |= lodging.pieces_by_machine(uow, hosts)
    return found


def _to_start(
    row: MachineNow, host: lodging.Host | None, waiting: Mapping[int, Sequence[tuple[Job, Claim]]]
) -> tuple[Job | None, Claim | None]:
    if host is None:
        claim = row.next_up.claim if row.next_up is not None and row.next_job is not None else None
        return row.next_job, claim
    for job, claim in waiting.get(row.resource.id, ()):
        if any(row.resource.id in need.eligible for need in claim.needs):
            return job, claim
    return None, None


def _reserved(
    uow: UnitOfWork,
    resource_id: int,
    host: lodging.Host | None,
    ahead: Sequence[Fixed],
    holders: Mapping[int, str],
) -> Reserved | None:
    if host is not None and host.reservation is None:
        return None  # a session is the staff's own: what is to be made in it stands there ready to be started
    if host is not None and host.reservation is not None:
        return Reserved(
            reservation_id=host.id,
            member_id=host.reservation.member_id,
            holder=holders.get(host.reservation.member_id, ""),
            start_at=host.start_at,
            end_at=host.end_at,
            is_now=True,
        )
    for fixed in ahead:
        if fixed.kind is ClaimKind.RESERVATION and fixed.member_id is not None:
            if fixed.start_at > uow.now + SAID_WITHIN:
                return None
            return Reserved(
                reservation_id="" if fixed.is_offer else fixed.claim_id,
                member_id=fixed.member_id,
                holder=holders.get(fixed.member_id, ""),
                start_at=fixed.start_at,
                end_at=fixed.end_at,
                is_now=fixed.start_at <= uow.now,
            )
    return None


def _against(
    uow: UnitOfWork,
    row: MachineNow,
    claim: Claim | None,
    host: lodging.Host | None,
    ahead: Sequence[Fixed],
) -> Refusal | None:
    if claim is None or row.run is not None:
        return None
    own = {claim.id, host.id if host is not None else ""}
    stands = next((fixed for fixed in ahead if fixed.claim_id not in own), None)
    machine = row.resource.machine
    clear_s = machine.clear_s if machine is not None else 0
    if stands is None or stands.start_at >= slow_end_of(
        factors(uow), claim, row.resource.id, clear_s, uow.now
    ):
        return None
    return refusal_for(uow, stands)


def _moves(
    uow: UnitOfWork, row: MachineNow, claim: Claim | None, planned: Sequence[tuple[datetime, Claim]]
) -> tuple[Claim, ...]:
    """What is planned here while the job would run and be cleared, as long as the plan counts."""
    machine = row.resource.machine
    if claim is None or row.run is not None or machine is None:
        return ()
    key = key_of(row.resource.id, claim.material_id, claim.estimate_source)
    run_s = factors(uow).distribution(key, max(1, claim.estimate_s)).quantile(PLAN_AT)
    end = uow.now + timedelta(seconds=run_s + machine.clear_s)
    return tuple(other for start, other in planned if start < end and other.id != claim.id)


def _planned(uow: UnitOfWork, ids: Sequence[int]) -> dict[int, list[tuple[datetime, Claim]]]:
    query = (
        select(Allocation.resource_id, Allocation.start_at, Claim)
        .join(Claim, Claim.id == Allocation.claim_id)
        .where(
            Allocation.resource_id.in_(ids),
            Allocation.state == AllocationState.TENTATIVE,
            Allocation.run_id.is_(None),
            Allocation.end_at > uow.now,
            Allocation.start_at < uow.now + SAID_WITHIN,
        )
        .order_by(Allocation.start_at)
    )
    found: dict[int, list[tuple[datetime, Claim]]] = {}
    for resource_id, start_at, claim in uow.session.execute(query).unique():
        found.setdefault(resource_id, []).append((start_at, claim))
    return found


def _holders(
    uow: UnitOfWork,
    ids: Sequence[int],
    hosts: Mapping[int, lodging.Host],
    ahead: Mapping[int, Sequence[Fixed]],
) -> dict[int, str]:
    members = {member for each in ids if each in hosts and (member := hosts[each].member_id) is not None}
    members |= {fixed.member_id for each in ids for fixed in ahead.get(each, ()) if fixed.member_id}
    query = select(Member.id, Member.name).where(Member.id.in_(members))
    found: dict[int, str] = {}
    for member_id, name in uow.session.execute(query) if members else ():
        found[member_id] = name
    return found
