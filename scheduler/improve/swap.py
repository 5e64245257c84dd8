"""From a plan that was found to the calendar: all of it in one transaction, or nothing.

It goes in only if the calendar is still the one the search was shown, if it keeps every rule and is better as of now,
if it pays for whom it troubles, and if nobody hears of more changes in a day than the house allows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict
from fablab.claims import calendar
from fablab.claims.models import Claim
from scheduler.board import Board, insertion_of
from scheduler.check import violations
from scheduler.plan import Objective, Plan, objective
from scheduler.planner.budget import CHANGES_A_DAY, heard_today
from scheduler.planner.promise import keep, promise_of, remember
from scheduler.planner.reasons import reasons_for
from scheduler.planner.standing import LEAD_LEFT, Standing, stand, wished
from scheduler.planner.upkeep import is_worth_telling, tell_if_moved
from scheduler.problem import Demand, Problem, Slot

#: A better plan has to be better by so many minutes for each person who hears of it, and by so many at least: weighted
#: minutes late where a promise is at stake, else minutes of set-up and of waiting.
PAYS_MIN = 15

Slots = Mapping[str, tuple[Slot, ...]]
Reasons = Mapping[str, list[dict[str, object]]]


class End(StrEnum):
    """How one look, search and try ended."""

    APPLIED = "applied"
    NOTHING_TO_MOVE = "nothing_to_move"
    NOTHING_BETTER = "nothing_better"
    NOT_WORTH_IT = "not_worth_it"
    MOVED_MEANWHILE = "moved_meanwhile"  # the calendar
    FROZEN_MEANWHILE = "frozen_meanwhile"  # somebody's turn came too near
    UNSOUND = "unsound"
    OVER_BUDGET = "over_budget"
    DIED = "died"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """What a plan is better by, tier by tier; less than nothing where a lower tier paid for a higher one.

    `placed`: weight of what had no place before. The others are minutes: late (weighted), moved away from what people
    were told (weighted), of set-up, and of waiting over all jobs.
    """

    placed: float = 0.0
    late_min: float = 0.0
    moved_min: float = 0.0
    setup_min: int = 0
    earlier_min: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`moved`: claims that have another place now; `told`: of how many of them the owner heard. `pin`: claims that
    have to stay where they are if it is tried again."""

    end: End
    gain: Gain = field(default_factory=Gain)
    moved: int = 0
    told: int = 0
    pin: frozenset[str] = frozenset()


def is_sound(seen: Standing, slots: Slots) -> bool:
    """Whether these are places at all, for whom they say, by the rules of that look: another process may say anything."""
    if any(not found or any(slot.demand != name for slot in found) for name, found in slots.items()):
        return False
    unplaced = {name: entry for name, entry in seen.plan.unplaced.items() if name not in slots}
    return not violations(seen.problem, Plan(slots={**seen.plan.slots, **slots}, unplaced=unplaced))


def explained(seen: Standing, slots: Slots) -> Reasons:
    """Why each claim would be where `slots` have it, for those that move: a few milliseconds each, so it is done before
    the transaction that others wait for."""
    changes = seen.moved(slots)
    board = Board(seen.problem, seen.plan.with_slots(slot for found in changes.values() for slot in found))
    demands = {demand.id: _from_now(seen, demand) for demand in seen.problem.demands}
    why: dict[str, list[dict[str, object]]] = {}
    for name, found in changes.items():
        board.remove(name)
        why[name] = reasons_for(seen.sight, demands[name], insertion_of(found), board)
        board.place(found)
    return why


def _from_now(seen: Standing, demand: Demand) -> Demand:
    """As its owner asked for it: that nobody could be there at once is the plan's own caution, and no reason for them."""
    release = max(0, seen.sight.minute(seen.claims[demand.id].release_at))
    return replace(demand, release=release)


def swap_in(
    uow: UnitOfWork,
    seen: Standing,
    slots: Slots,
    reasons: Reasons,
    *,
    changes_a_day: int = CHANGES_A_DAY,
) -> Outcome:
    """Write the plan that was found from `seen`; nothing is written unless the outcome says so. `reasons`: of
    `explained`."""
    changes = seen.moved(slots)
    if not changes:
        return Outcome(end=End.NOTHING_BETTER)
    try:
        calendar.expect(uow, seen.version, changes)
    except Conflict as error:
        if error.code != calendar.MOVED:
            raise
        return Outcome(end=End.MOVED_MEANWHILE)
    now = stand(uow, lead=LEAD_LEFT)
    if not changes.keys() <= now.claims.keys():
        return Outcome(end=End.FROZEN_MEANWHILE)
    changes = now.moved(seen.shifted(changes, now))
    tight = {name for name, found in changes.items() if now.sight.is_tight(now.claims[name], found)}
    if tight:
        return Outcome(end=End.UNSOUND, pin=frozenset(tight))  # they would never be started there
    plan = now.plan.with_slots(slot for found in changes.values() for slot in found)
    if violations(now.problem, plan):
        return Outcome(end=End.UNSOUND)
    told = [name for name in changes if _is_told(now, name, changes[name])]
    gain, end = _judge(wished(now), now.plan, plan, len(told))
    over = _over_budget(uow, now, changes, told, changes_a_day)
    if end is not End.APPLIED or over:
        return Outcome(end=End.OVER_BUDGET if end is End.APPLIED else end, gain=gain, pin=over)
    return Outcome(end=end, gain=gain, moved=len(changes), told=_write(uow, now, changes, reasons))


def _judge(problem: Problem, old: Plan, new: Plan, told: int) -> tuple[Gain, End]:
    was, now = objective(problem, old), objective(problem, new)
    gain = Gain(
        placed=was.unplaced - now.unplaced,
        late_min=was.tardiness - now.tardiness,
        moved_min=was.moved - now.moved,
        setup_min=was.setup_min - now.setup_min,
        earlier_min=was.earliness - now.earliness,
    )
    if not now < was:
        return gain, End.NOTHING_BETTER
    return gain, End.APPLIED if _pays(was, now, told) else End.NOT_WORTH_IT


def _pays(was: Objective, now: Objective, told: int) -> bool:
    price_min = PAYS_MIN * max(1, told)
    if now.unplaced < was.unplaced or was.tardiness - now.tardiness >= price_min:
        return True
    eased_min = (was.setup_min - now.setup_min) + (was.earliness - now.earliness)
    return was.tardiness - now.tardiness + eased_min >= price_min


def _is_told(now: Standing, name: str, slots: tuple[Slot, ...]) -> bool:
    claim = now.claims[name]
    return is_worth_telling(claim, promise_of(now.sight, claim, insertion_of(slots)).ready_at)


def _over_budget(
    uow: UnitOfWork, now: Standing, changes: Slots, told: Iterable[str], changes_a_day: int
) -> frozenset[str]:
    """Everything of those who would hear too often, but the changes that they may still hear of, the largest first."""
    heard = heard_today(uow)
    by_member: dict[int, list[str]] = {}
    for name in told:
        member = now.claims[name].member_id
        if member is not None:
            by_member.setdefault(member, []).append(name)
    pin: set[str] = set()
    for member, names in by_member.items():
        left = max(0, changes_a_day - heard[member])
        if len(names) > left:
            names.sort(key=lambda name: (-_distance_min(now, name, changes[name]), name))
            allowed = set(names[:left])
            pin |= {name for name, row in now.claims.items() if row.member_id == member} - allowed
    return frozenset(pin)


def _distance_min(now: Standing, name: str, slots: tuple[Slot, ...]) -> int:
    if name in now.plan.unplaced:
        return now.problem.horizon_min
    return abs(max(slot.free_at for slot in slots) - now.plan.ready_at(name))


def _write(uow: UnitOfWork, now: Standing, changes: Slots, reasons: Reasons) -> int:
    """Places, promises and reasons of what moves, and messages to whom it matters; how many were told."""
    calendar.swap(
        uow,
        {
            name: [now.sight.place(slot, now.claims[name].needs[slot.need].id) for slot in found]
            for name, found in changes.items()
        },
    )
    told = 0
    for name, found in changes.items():
        claim: Claim = now.claims[name]
        claim.reasons = reasons[name]
        keep(now.sight, claim, insertion_of(found))
        remember(uow, now.sight, claim, insertion_of(found))
        told += tell_if_moved(uow, claim)
    return told
