"""What would come of an action, before it is done: where its claim would lie, who else would move, what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from fablab.base.errors import Refusal
from fablab.claims.models import Claim
from scheduler.board import insertion_of
from scheduler.plan import Plan, objective
from scheduler.planner.promise import promise_of
from scheduler.planner.standing import Standing
from scheduler.planner.upkeep import is_worth_telling
from scheduler.problem import Problem, Slot
from scheduler.sight import Sight

_FREE: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A claim's place: held from `start_at` (set-up) to `ready_at`, running from `run_start_at` to `run_end_at`;
    ready between `ready_from` and `ready_until` (P10 to P90). `is_firm`: no plan moves it."""

    resource_id: int
    machine: str
    start_at: datetime
    run_start_at: datetime
    run_end_at: datetime
    ready_at: datetime
    ready_from: datetime
    ready_until: datetime
    is_firm: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """Another claim that would go elsewhere. None: it had no place, or would have none. `is_told`: its owner would
    hear of it."""

    claim_id: str
    member_id: int | None
    owner: str
    title: str
    was_ready_at: datetime | None
    ready_at: datetime | None
    machine: str
    run_start_at: datetime | None
    is_told: bool

    @property
    def later_s(self) -> float | None:
        """Ready so much later than now; negative if earlier."""
        if self.ready_at is None or self.was_ready_at is None:
            return None
        return (self.ready_at - self.was_ready_at).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What would come of it, as of calendar `version`.

    `refusals`: why it cannot be; nothing else is said then but `was`. `place`: where the claim would lie, None where
    it is about no claim or leaves it without one. `is_told`: the claim's own owner would hear of it. `cost`: minutes
    that the plan as a whole loses by tier, negative where it gains: late_min and moved_min by weight, setup_min of a
    person, later_min over all.
    """

    version: int
    refusals: tuple[Refusal, ...] = ()
    was: Placed | None = None
    place: Placed | None = None
    displaced: tuple[Moved, ...] = ()
    is_told: bool = False
    cost: Mapping[str, float] = field(default_factory=lambda: _FREE)

    @property
    def told(self) -> int:
        """How many other owners would hear of it."""
        return sum(each.is_told for each in self.displaced)


def placed(sight: Sight, claim: Claim, slots: tuple[Slot, ...], *, is_firm: bool = False) -> Placed | None:
    if not slots:
        return None
    promise, slot = promise_of(sight, claim, insertion_of(slots)), slots[0]
    return Placed(
        resource_id=sight.ids[slot.machine],
        machine=sight.names[slot.machine],
        start_at=promise.start_at,
        run_start_at=sight.instant(slot.run_start),
        run_end_at=sight.instant(slot.run_end),
        ready_at=promise.ready_at,
        ready_from=promise.ready_from,
        ready_until=promise.ready_until,
        is_firm=is_firm,
    )


def moved(standing: Standing, plan: Plan, *, but: str = "") -> tuple[Moved, ...]:
    """Everybody whose run is elsewhere or at another time in `plan`, the one who loses most first; `but`: the claim it
    is all about. A set-up that only begins earlier is nobody's loss."""
    sight, found = standing.sight, []
    for name, row in standing.claims.items():
        slots, before = plan.slots.get(name, ()), standing.plan.slots.get(name, ())
        if name == but or [_run(slot) for slot in slots] == [_run(slot) for slot in before]:
            continue
        ready_at = sight.instant(plan.ready_at(name)) if slots else None
        found.append(
            Moved(
                claim_id=name,
                member_id=row.member_id,
                owner=row.member.name if row.member is not None else "",
                title=row.title,
                was_ready_at=sight.instant(standing.plan.ready_at(name)) if before else None,
                ready_at=ready_at,
                machine=sight.names[slots[0].machine] if slots else "",
                run_start_at=sight.instant(slots[0].run_start) if slots else None,
                is_told=would_be_told(row, ready_at),
            )
        )
    return tuple(sorted(found, key=_loss))


def would_be_told(row: Claim, ready_at: datetime | None) -> bool:
    """As `upkeep.tell_if_moved` decides it."""
    if row.member_id is None or row.told_ready_at is None:
        return False
    return ready_at is None or is_worth_telling(row, ready_at)


def cost(problem: Problem, before: Plan, after: Plan) -> dict[str, float]:
    """Of `Forecast.cost`; `problem` as it would be, for both."""
    was, now = objective(problem, before), objective(problem, after)
    return {
        "late_min": round(now.tardiness - was.tardiness, 1),
        "moved_min": round(now.moved - was.moved, 1),
        "setup_min": now.setup_min - was.setup_min,
        "later_min": now.earliness - was.earliness,
    }


def _run(slot: Slot) -> tuple[int, int, int]:
    return slot.machine, slot.run_start, slot.free_at


def _loss(each: Moved) -> tuple[float, str]:
    later_s = each.later_s
    if later_s is None:
        later_s = float("inf") if each.ready_at is None else float("-inf")
    return -later_s, each.title
