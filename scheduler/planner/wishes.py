"""What a person may want of a job in the plan, and what stands against it before any plan is looked at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from fablab.base.database import UnitOfWork
from fablab.base.errors import Invalid, Refusal
from fablab.claims import calendar
from fablab.claims.models import AllocationState, Claim, ClaimKind, ClaimState
from fablab.claims.rules.machines import LATEST_DUE
from scheduler.fairness import PRIORITIES

#: Why a machine is not among the eligible ones when a person has kept the job off it.
BARRED = "barred.by_staff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """To this machine, the run starting then. `firm`: it stays there, whatever the plan finds."""

    resource_id: int
    run_start_at: datetime
    firm: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """Firm where it is, or (`firm` False) free to be moved by the plan again."""

    firm: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """Never on this machine, or (`barred` False) there again after all."""

    resource_id: int
    barred: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Prioritise:
    """`priority`: a key of `fairness.PRIORITIES`. `due_at` None: wanted by no day in particular."""

    priority: int
    due_at: datetime | None = None


Wish = Move | Pin | Bar | Prioritise


def against(uow: UnitOfWork, claim: Claim, wish: Wish | None) -> Refusal | None:
    """What stands against taking this claim in hand at all, and against the wish as it is said."""
    if claim.kind is not ClaimKind.JOB:
        return Refusal(code="hand.not_a_job")
    if claim.state is ClaimState.CLOSED or [need.quantity for need in claim.needs] != [1]:
        return Refusal(code="job.not_waiting")
    if is_running(uow, claim):
        return Refusal(code="job.active")
    if isinstance(wish, Pin) and not calendar.current(claim):
        return Refusal(code="hand.no_place")
    if isinstance(wish, Bar):
        return _against_bar(claim, wish)
    if isinstance(wish, Prioritise):
        if wish.priority not in PRIORITIES:
            raise Invalid("priority.unknown", field="priority", value=wish.priority)
        return _against_date(uow, wish.due_at)
    return None


def _against_date(uow: UnitOfWork, due_at: datetime | None) -> Refusal | None:
    if due_at is not None and due_at <= uow.now:
        return Refusal(code="due.past", facts={"due": due_at.isoformat()})
    if due_at is not None and due_at > uow.now + LATEST_DUE:
        return Refusal(code="due.too_far", facts={"due": due_at.isoformat(), "days": LATEST_DUE.days})
    return None


def _against_bar(claim: Claim, wish: Bar) -> Refusal | None:
    need = claim.needs[0]
    said = need.barred.get(str(wish.resource_id))
    if not wish.barred:
        return None if said == BARRED else Refusal(code="hand.not_barred")
    if wish.resource_id not in need.eligible:
        return Refusal(code="machine.not_eligible", facts={"reason": said or "unknown"})
    return Refusal(code="hand.last_machine") if len(need.eligible) == 1 else None


def eligible(claim: Claim, wish: Bar) -> list[int]:
    """The machines it would be left with."""
    without = [i for i in claim.needs[0].eligible if i != wish.resource_id]
    return without if wish.barred else [*without, wish.resource_id]


def is_firm(claim: Claim) -> bool:
    places = calendar.current(claim)
    return bool(places) and all(place.state is AllocationState.FIRM for place in places)


def is_running(uow: UnitOfWork, claim: Claim) -> bool:
    """A run stands on it whose end has not come, as far as the calendar knows."""
    return any(place.run_id is not None and place.run_end_at > uow.now for place in claim.allocations)
