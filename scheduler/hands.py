"""What people's hands do to a machine, as the database has it: a start by tap, and leaving the lab for good."""

from __future__ import annotations

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, NotFound
from fablab.claims import calendar
from fablab.claims.models import Claim
from fablab.people.access import Right, require
from fablab.places import house, setup
from fablab.runs import attempts
from fablab.runs.models import Run
from scheduler import planner


def start_now(
    uow: UnitOfWork, resource_id: int, claim_id: str | None, *, bed_clear: bool, spool_id: int | None = None
) -> Run:
    """What a tap does to the database: the job has its place from now on, and a run that prepares."""
    require(uow.actor, Right.OPERATE)
    if not house.machine(uow, resource_id).resource.active:
        raise NotFound("machine.unknown", id=resource_id)
    claim = _to_start(uow, resource_id, claim_id)
    if attempts.live_on(uow, resource_id) is not None:
        raise Conflict("machine.busy")
    attempts.require_waiting(uow, claim)
    allocation = planner.place_now(uow, claim, resource_id)
    return attempts.prepare(uow, allocation, bed_clear=bed_clear, spool_id=spool_id)


def _to_start(uow: UnitOfWork, resource_id: int, claim_id: str | None) -> Claim:
    if claim_id is not None:
        return calendar.claim(uow, claim_id)
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
