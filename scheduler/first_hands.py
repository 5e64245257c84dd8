"""What hands do first on the floor: beds to clear and jobs to start, ranked by what half an hour's delay of them costs.

A bed that somebody's reservation needs comes before everything; the rest is `scheduler.pull.worth` for each minute that
it takes a person, as the simulated year is lived by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from fablab.base.database import UnitOfWork
from fablab.base.intervals import Hours
from fablab.claims.jobs.models import JobState
from fablab.claims.models import Claim
from fablab.claims.rules.known import Known, known
from fablab.places.models import Machine, MachineGate, Technology
from fablab.reports.floor import MachineNow
from fablab.reports.shares import owner_of
from fablab.runs.models import RunState
from scheduler import fairness
from scheduler.lore import Lore, key_of, lore
from scheduler.problem import SetupRule
from scheduler.pull import RANK_MIN, worth
from scheduler.sight import PLAN_AT, family_of, loaded_in
from scheduler.starting import Prospect
from scheduler.wish import Wish, slack_min

WALK_MIN = 2  # to the machine and back, whatever is done there
LOOK_AHEAD = timedelta(days=4)
SOON = timedelta(minutes=RANK_MIN)


class What(StrEnum):
    """clear: take off what lies on the bed; start: set up and start the next job."""

    CLEAR = "clear"
    START = "start"


@dataclass(frozen=True, slots=True, kw_only=True)
class Todo:
    """`claim`: whose part lies there, or whose job would start; None: nobody knows. `for_reservation`: somebody's hour has
    come or is near, and the bed is not clear."""

    resource_id: int
    what: What
    claim: Claim | None
    hands_min: int
    worth: float
    for_reservation: bool = False


def ranked(
    uow: UnitOfWork, rows: Sequence[MachineNow], prospects: Mapping[int, Prospect]
) -> tuple[Todo, ...]:
    """What is worth most first."""
    if not rows:
        return ()
    lab, house = lore(uow), known(uow)
    found = [todo for row in rows for todo in _of(uow, lab, house, row, prospects[row.resource.id])]
    return tuple(sorted(found, key=lambda t: (not t.for_reservation, -t.worth, t.resource_id)))


def _of(uow: UnitOfWork, lab: Lore, house: Known, row: MachineNow, ahead: Prospect) -> list[Todo]:
    """One thing at most: who clears a bed starts what comes next with the same walk."""
    machine = row.resource.machine
    if machine is None or row.run is not None or machine.gate is MachineGate.OUT_OF_SERVICE:
        return []
    dirty = machine.gate is MachineGate.AWAITING_CLEAR
    reserved = ahead.reserved
    taken = reserved is not None and (reserved.is_now or reserved.start_at <= uow.now + SOON)
    job = ahead.claim if _may_start(ahead) and not (taken and ahead.reserved is not None) else None
    clear_min = round(machine.clear_s / 60) if dirty else 0
    setup_min = _setup_min(row, machine, job) if job is not None else 0
    if not dirty and job is None:
        return []
    left = row.last_run.claim if dirty and row.last_run is not None else None
    good = row.last_run is not None and row.last_run.state is RunState.SUCCEEDED
    staffed = house.calendar(row.resource.id).staffed
    now = uow.now
    soon = later = 0
    if job is not None:
        hands = WALK_MIN + clear_min + setup_min
        soon = _ready_min(lab, job, row, machine, staffed, now, hands)
        later = _ready_min(lab, job, row, machine, staffed, now, hands + RANK_MIN)
    hands_min = max(1, WALK_MIN + clear_min + setup_min)
    value = worth(
        hands_min,
        part=_wish(uow, lab, left, now, staffed) if left is not None and good else None,
        job=_wish(uow, lab, job, now, staffed) if job is not None else None,
        soon=soon,
        later=later,
        behind=len(ahead.moves),
    )
    return [
        Todo(
            resource_id=row.resource.id,
            what=What.CLEAR if dirty else What.START,
            claim=left if dirty else job,
            hands_min=hands_min,
            worth=value,
            for_reservation=dirty and taken,
        )
    ]


def _may_start(ahead: Prospect) -> bool:
    return ahead.job is not None and ahead.job.state is JobState.QUEUED and ahead.against is None


def _setup_min(row: MachineNow, machine: Machine, job: Claim) -> int:
    if row.resource.technology is not Technology.FDM:
        return round(machine.setup_s / 60)
    wanted = family_of(job)
    return 0 if wanted is None else SetupRule().minutes(loaded_in(machine), wanted)


def _ready_min(
    lab: Lore,
    job: Claim,
    row: MachineNow,
    machine: Machine,
    staffed: Hours,
    now: datetime,
    begins_min: int,
) -> int:
    """Minutes until the bed is clear again, with somebody there to clear it, for a run that begins in so many."""
    key = key_of(row.resource.id, job.material_id, job.estimate_source)
    run_min = lab.factors.distribution(key, max(1, job.estimate_s)).quantile_min(PLAN_AT)
    over = now + timedelta(minutes=begins_min + run_min)
    clear = timedelta(seconds=machine.clear_s)
    for piece in staffed.between(over, over + LOOK_AHEAD):
        if piece.end - max(piece.start, over) >= clear:
            return round((max(piece.start, over) + clear - now).total_seconds() / 60)
    return round((over + LOOK_AHEAD - now).total_seconds() / 60)


def _wish(uow: UnitOfWork, lab: Lore, claim: Claim, now: datetime, staffed: Hours) -> Wish:
    """As `Sight.wish` has it, for one claim: `due` and what is compared with it are minutes from now."""
    slack: float | None = None
    if claim.due_at is not None:
        pieces = staffed.between(now, claim.due_at) if claim.due_at > now else ()
        left_s = sum(piece.duration.total_seconds() for piece in pieces)
        slack = slack_min(left_s / 60, claim.estimate_s / 60)
    weight = fairness.weigh(
        lab.fairness,
        priority=claim.priority,
        audience=claim.audience.value if claim.audience else "",
        owner=owner_of(claim.project_id, claim.member_id),
        waited_days=(now - claim.made_at) / timedelta(days=1),
        slack_min=slack,
    ).weight
    return Wish(due=round((claim.made_at - now).total_seconds() / 60), weight=weight)
