"""What people's hands do to a machine, as the database has it: a start by tap, and leaving the lab for good."""

from __future__ import annotations

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, NotFound, Refusal, Refused
from fablab.claims import calendar, rules
from fablab.claims.models import Claim
from fablab.notices import tell
from fablab.people.access import Right, require
from fablab.places import house, setup
from fablab.runs import attempts, lodging
from fablab.runs.models import Run
from scheduler import planner
from scheduler.live import Live, begun
from scheduler.planner.headway import RUNS_INTO, RUNS_INTO_SOMEBODY, would_run_into

INTO = frozenset({RUNS_INTO, RUNS_INTO_SOMEBODY})


def start_now(
    uow: UnitOfWork, resource_id: int, claim_id: str | None, *, bed_clear: bool, spool_id: int | None = None
) -> Run:
    """What a tap does to the database: the job has its place from now on, and a run that prepares.

    Within a reservation its holder starts their own, and staff whatever they name. Raises `Forbidden` for who may not,
    `Refused` with everything that the rules say against it, and that it would run into somebody's own.
    """
    if not house.machine(uow, resource_id).resource.active:
        raise NotFound("machine.unknown", id=resource_id)
    host = lodging.host_of(uow, resource_id)
    claim = _to_start(uow, resource_id, claim_id, host)
    lodging.require_hands(uow, host, claim)
    if attempts.live_on(uow, resource_id) is not None:
        raise Conflict("machine.busy")
    attempts.require_waiting(uow, claim)
    against = against_start(uow, resource_id, claim, uow.actor.member_id, host)
    if against:
        raise Refused(against)
    if host is not None:
        lodging.move_in(uow, host, claim)
    allocation = planner.place_now(uow, claim, resource_id, host_id=host.id if host is not None else None)
    return attempts.prepare(uow, allocation, bed_clear=bed_clear, spool_id=spool_id, host=host)


def begin_or_drop(uow: UnitOfWork, run_id: str) -> tuple[Run, Live] | None:
    """Written down before the start is sent, if it still may be: minutes may have passed since the tap.

    A tap that has become illegal is dropped, and who tapped and whose job it is are told why; then None.
    """
    run = attempts.get(uow, run_id)
    host = lodging.host_of(uow, run.resource_id)
    lost = lodging.lost_hands(uow, run.operator_id, host)
    against = [lost] if lost else against_start(uow, run.resource_id, run.claim, run.operator_id, host)
    if not against:
        return begun(uow, run_id)
    attempts.withdraw(uow, run_id, "would_run_into" if against[0].code in INTO else "not_allowed")
    for member_id in {run.operator_id, run.claim.member_id} - {None}:
        tell(
            uow,
            member_id,
            "job.start_dropped",
            claim_id=run.claim_id,
            file=run.claim.title,
            machine=run.resource.name,
            reason=against[0].code,
        )
    return None


def against_start(
    uow: UnitOfWork, resource_id: int, claim: Claim, member_id: int | None, host: lodging.Host | None
) -> list[Refusal]:
    """Everything that stands against starting this job here and now, by this member's hands (None: the lab's own)."""
    found = (
        list(rules.may_start(uow, resource_id, member_id, claim_id=claim.id)) if member_id is not None else []
    )
    into = would_run_into(uow, claim, resource_id, host_id=host.id if host is not None else None)
    return [*found, *([into] if into is not None else [])]


def _to_start(uow: UnitOfWork, resource_id: int, claim_id: str | None, host: lodging.Host | None) -> Claim:
    if claim_id is not None:
        return calendar.claim(uow, claim_id)
    if host is not None:
        waiting = lodging.to_start(uow, host)
        mine = [claim for _job, claim in waiting if any(resource_id in need.eligible for need in claim.needs)]
        if not mine:
            raise Conflict("machine.nothing_planned")
        return mine[0]
    allocation = attempts.next_waiting(uow, resource_id)
    if allocation is None:
        raise Conflict("machine.nothing_planned")
    return allocation.claim


def retire(uow: UnitOfWork, resource_id: int) -> str:
    """A machine leaves the lab for good: what was planned on it moves at once, what it has made stays in the reports.

    Returns the name of its device, which is free again, as its own name is. Raises `Conflict` machine.busy while a
    run is on it.
    """
    require(uow.actor, Right.MANAGE)
    row = house.machine(uow, resource_id, lock=True)
    if not row.resource.active:
        raise NotFound("machine.unknown", id=resource_id)
    if attempts.live_on(uow, resource_id) is not None:
        raise Conflict("machine.busy")
    house.turn_gate(uow, row, "lock_out")
    uow.session.flush()
    planner.refresh(uow, {})
    return setup.retire_machine(uow, row)
