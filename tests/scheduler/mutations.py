"""Sound plans with one hard rule broken: for every code of `scheduler.check` at least one way to earn it.

Most mutations change the plan; some change what the problem allows under a plan that stays. `mutate` gives None where
a plan has nothing to break the rule with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from random import Random
from typing import Any, TypeVar

from scheduler.plan import Plan, Unplaced
from scheduler.problem import Block, Demand, Family, Machine, Piece, Presence, Problem, Slot

Case = tuple[Problem, Plan]
Keep = Callable[[Slot, Demand, Machine], bool]
T = TypeVar("T")

STRANGE = Family(material=9, colour=9, nozzle=9)


class NothingToBreakError(Exception):
    """This plan keeps the rule because it has no use for it."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A sound plan about to be spoilt, and the chance that says where."""

    random: Random
    problem: Problem
    plan: Plan

    def any(self, found: Iterable[T]) -> T:
        choice = list(found)
        if not choice:
            raise NothingToBreakError
        return self.random.choice(choice)

    def slot(self, keep: Keep = lambda *_: True) -> Slot:
        return self.any(s for s in self.slots() if keep(s, self.demand(s), self.machine(s)))

    def gang(self) -> tuple[Slot, ...]:
        return self.any(slots for slots in self.plan.slots.values() if len(slots) > 1)

    def slots(self) -> list[Slot]:
        return [slot for slots in self.plan.slots.values() for slot in slots]

    def demand(self, slot: Slot) -> Demand:
        return next(d for d in self.problem.demands if d.id == slot.demand)

    def machine(self, slot: Slot) -> Machine:
        return self.problem.machines[slot.machine]

    # -- the ways to spoil it

    def planned(self, name: str, slots: Iterable[Slot]) -> Case:
        return self.problem, replace(self.plan, slots={**self.plan.slots, name: tuple(slots)})

    def given_up(self, name: str) -> Case:
        entry = Unplaced(demand=name, reasons=())
        return self.problem, replace(self.plan, unplaced={**self.plan.unplaced, name: entry})

    def with_slot(self, slot: Slot, **changes: Any) -> Case:
        new = replace(slot, **changes)
        return self.planned(slot.demand, (new if s is slot else s for s in self.plan.slots[slot.demand]))

    def shifted(self, slot: Slot, by_min: int) -> Case:
        """All slots of its demand, together."""
        return self.planned(slot.demand, (_shifted(s, by_min) for s in self.plan.slots[slot.demand]))

    def with_demand(self, slot: Slot, **changes: Any) -> Case:
        old = self.demand(slot)
        demands = tuple(replace(d, **changes) if d is old else d for d in self.problem.demands)
        return replace(self.problem, demands=demands), self.plan

    def with_machine(self, slot: Slot, **changes: Any) -> Case:
        old = self.machine(slot)
        machines = tuple(replace(m, **changes) if m is old else m for m in self.problem.machines)
        return replace(self.problem, machines=machines), self.plan


Mutation = Callable[[Scene], Case]

#: (the rule broken, how)
MUTATIONS: list[tuple[str, Mutation]] = []


def mutate(mutation: Mutation, random: Random, problem: Problem, plan: Plan) -> Case | None:
    try:
        return mutation(Scene(random, problem, plan))
    except NothingToBreakError:
        return None


def breaks(code: str) -> Callable[[Mutation], Mutation]:
    def enter(mutation: Mutation) -> Mutation:
        MUTATIONS.append((code, mutation))
        return mutation

    return enter


def _shifted(slot: Slot, by_min: int) -> Slot:
    return replace(
        slot,
        setup_start=slot.setup_start + by_min,
        run_start=slot.run_start + by_min,
        run_end=slot.run_end + by_min,
        free_at=slot.free_at + by_min,
    )


def _without_minute(calendar: tuple[Piece, ...], at: int) -> tuple[Piece, ...]:
    """Everybody is out for one minute."""
    cut: list[Piece] = []
    for start, end in calendar:
        cut += [Piece(start, at), Piece(at + 1, end)] if start <= at < end else [Piece(start, end)]
    return tuple(piece for piece in cut if piece.end > piece.start)


def _closing(calendar: tuple[Piece, ...], at: int) -> int:
    return next(end for start, end in calendar if start <= at < end)


def _alone_min(machine: Machine, slot: Slot) -> int:
    """The longest stretch of its run with nobody there, counted minute by minute."""
    longest = length = 0
    for minute in range(slot.run_start, slot.run_end):
        length = 0 if any(start <= minute < end for start, end in machine.staffed) else length + 1
        longest = max(longest, length)
    return longest


def _unwatched(slot: Slot, demand: Demand, machine: Machine) -> bool:
    return demand.presence is Presence.NOBODY and machine.unattended_max_min > 0


def _watched(slot: Slot, demand: Demand, machine: Machine) -> bool:
    return demand.presence is not Presence.HOUSE and not _unwatched(slot, demand, machine)


def _in_person(slot: Slot, demand: Demand, machine: Machine) -> bool:
    return demand.presence is Presence.HOUSE


def _is_set_up(slot: Slot, demand: Demand, machine: Machine) -> bool:
    return slot.setup_min > 0


def _is_cleared(slot: Slot, demand: Demand, machine: Machine) -> bool:
    return demand.clear_of(slot.need) > 0


# --- who is in the plan


@breaks("unknown_demand")
def a_stranger_is_planned(on: Scene) -> Case:
    return on.planned("stranger", [replace(on.slot(), demand="stranger")])


@breaks("unknown_demand")
def a_frozen_claim_is_planned_anew(on: Scene) -> Case:
    frozen = on.any(on.problem.fixed)
    return on.planned(frozen.demand, [_shifted(frozen, on.random.choice((-60, 60, 1440)))])


@breaks("unknown_demand")
def a_stranger_is_given_up(on: Scene) -> Case:
    return on.given_up("stranger")


@breaks("placed_and_unplaced")
def placed_and_given_up(on: Scene) -> Case:
    return on.given_up(on.any(on.plan.slots))


@breaks("forgotten")
def forgotten(on: Scene) -> Case:
    return on.problem, on.plan.without(on.any([*on.plan.slots, *on.plan.unplaced]))


@breaks("wrong_owner")
def under_another_name(on: Scene) -> Case:
    return on.with_slot(on.slot(), demand="somebody")


# --- gangs


@breaks("wrong_quantity")
def a_member_is_missing(on: Scene) -> Case:
    slots = on.gang()
    gone = on.any(slots)
    return on.planned(gone.demand, (slot for slot in slots if slot is not gone))


@breaks("wrong_quantity")
def a_member_too_many(on: Scene) -> Case:
    slot = on.slot(lambda s, d, _: len(d.needs[s.need].eligible) > len(on.plan.slots[d.id]))
    slots = on.plan.slots[slot.demand]
    free = set(on.demand(slot).needs[slot.need].eligible) - {s.machine for s in slots}
    return on.planned(slot.demand, (*slots, replace(slot, machine=on.any(sorted(free)))))


@breaks("machine_twice")
def one_machine_as_two_members(on: Scene) -> Case:
    one, other = on.random.sample(on.gang(), 2)
    return on.with_slot(one, machine=other.machine)


@breaks("not_together")
def one_member_out_of_step(on: Scene) -> Case:
    slots = on.gang()
    late, by_min = on.any(slots), on.random.choice((-1, 1, 60))
    return on.planned(late.demand, (_shifted(s, by_min) if s is late else s for s in slots))


@breaks("no_such_need")
def for_a_need_that_is_not_there(on: Scene) -> Case:
    slot = on.slot()
    return on.with_slot(slot, need=on.random.choice((-1, len(on.demand(slot).needs))))


# --- one slot by itself


@breaks("not_eligible")
def on_a_machine_it_may_not_have(on: Scene) -> Case:
    """One of the others, or one that does not exist."""
    slot = on.slot()
    eligible = on.demand(slot).needs[slot.need].eligible
    wrong = [m for m in range(-1, len(on.problem.machines) + 1) if m not in eligible]
    return on.with_slot(slot, machine=on.any(wrong))


@breaks("not_eligible")
def its_machine_is_no_longer_allowed(on: Scene) -> Case:
    slot = on.slot()
    needs = on.demand(slot).needs
    without = (tuple(m for m in need.eligible if m != slot.machine) for need in needs)
    return on.with_demand(
        slot, needs=tuple(replace(n, eligible=e) for n, e in zip(needs, without, strict=True))
    )


@breaks("times_out_of_order")
def times_out_of_order(on: Scene) -> Case:
    slot = on.slot()
    wrong = {"setup_start": slot.run_start + 1, "run_end": slot.run_start, "free_at": slot.run_end - 1}
    field = on.any(wrong)
    return on.with_slot(slot, **{field: wrong[field]})


@breaks("wrong_family")
def it_leaves_another_colour(on: Scene) -> Case:
    slot = on.slot()
    return on.with_slot(slot, family=on.random.choice((None, STRANGE)) if slot.family else STRANGE)


@breaks("wrong_duration")
def cut_short(on: Scene) -> Case:
    slot = on.slot(lambda s, *_: s.run_end - s.run_start > 1)
    return on.with_slot(slot, run_end=slot.run_end - 1)


@breaks("wrong_duration")
def drawn_out(on: Scene) -> Case:
    slot = on.slot()
    return on.with_slot(slot, run_end=slot.run_end + 1, free_at=slot.free_at + 1)


@breaks("too_early")
def begun_before_its_release(on: Scene) -> Case:
    slot = on.slot()
    return on.shifted(slot, on.demand(slot).release - 1 - slot.setup_start)


@breaks("too_early")
def released_later(on: Scene) -> Case:
    slot = on.slot()
    return on.with_demand(slot, release=slot.setup_start + 1)


@breaks("beyond_horizon")
def past_the_horizon(on: Scene) -> Case:
    slot = on.slot()
    return on.shifted(slot, on.problem.horizon_min + 1 - slot.free_at)


@breaks("beyond_horizon")
def the_horizon_comes_nearer(on: Scene) -> Case:
    return replace(on.problem, horizon_min=on.slot().free_at - 1), on.plan


@breaks("start_not_allowed")
def started_outside_its_dates(on: Scene) -> Case:
    slot = on.slot(lambda _, d, __: bool(d.starts))
    outside = [minute for start, end in on.demand(slot).starts for minute in (start - 1, end)]
    return on.shifted(slot, on.any(outside) - slot.run_start)


@breaks("start_not_allowed")
def its_date_is_withdrawn(on: Scene) -> Case:
    slot = on.slot()
    dates = on.any(
        ((Piece(slot.run_start - 9, slot.run_start),), (Piece(slot.run_start + 1, slot.run_end + 9),))
    )
    return on.with_demand(slot, starts=dates, dislike_min=())


# --- people and hours


@breaks("setup_unstaffed")
def set_up_before_anybody_is_there(on: Scene) -> Case:
    slot = on.slot(_is_set_up)
    opening = next(start for start, end in on.machine(slot).staffed if start <= slot.setup_start < end)
    return on.with_slot(slot, setup_start=opening - 1)


@breaks("setup_unstaffed")
def staff_are_out_for_a_minute_of_a_set_up(on: Scene) -> Case:
    slot = on.slot(_is_set_up)
    minute = on.random.randrange(slot.setup_start, slot.run_start)
    return on.with_machine(slot, staffed=_without_minute(on.machine(slot).staffed, minute))


@breaks("clearing_short")
def cleared_in_a_hurry(on: Scene) -> Case:
    slot = on.slot(_is_cleared)
    return on.with_slot(slot, free_at=slot.run_end + on.random.randrange(on.demand(slot).clear_of(slot.need)))


@breaks("clearing_unstaffed")
def cleared_when_nobody_is_there(on: Scene) -> Case:
    slot = on.slot(_is_cleared)
    return on.with_slot(slot, free_at=_closing(on.machine(slot).staffed, slot.free_at - 1) + 1)


@breaks("clearing_unstaffed")
def staff_are_out_for_a_minute_of_a_clearing(on: Scene) -> Case:
    slot = on.slot(_is_cleared)
    minute = slot.free_at - 1 - on.random.randrange(on.demand(slot).clear_of(slot.need))
    return on.with_machine(slot, staffed=_without_minute(on.machine(slot).staffed, minute))


@breaks("start_alone")
def nobody_sees_it_begin(on: Scene) -> Case:
    slot = on.slot(lambda s, d, m: not (s.setup_min or m.night_start_ok or _in_person(s, d, m)))
    return on.with_machine(slot, staffed=_without_minute(on.machine(slot).staffed, slot.run_start))


@breaks("start_alone")
def it_may_no_longer_begin_alone(on: Scene) -> Case:
    def unseen(slot: Slot, demand: Demand, machine: Machine) -> bool:
        seen = any(start <= slot.run_start < end for start, end in machine.staffed)
        return _unwatched(slot, demand, machine) and not (slot.setup_min or seen)

    return on.with_machine(on.slot(unseen), night_start_ok=False)


@breaks("run_unstaffed")
def staff_are_out_for_a_minute_of_a_watched_run(on: Scene) -> Case:
    slot = on.slot(_watched)
    minute = on.random.randrange(slot.run_start, slot.run_end)
    return on.with_machine(slot, staffed=_without_minute(on.machine(slot).staffed, minute))


@breaks("run_unstaffed")
def a_watched_run_goes_on_after_closing(on: Scene) -> Case:
    slot = on.slot(_watched)
    return on.shifted(slot, _closing(on.machine(slot).staffed, slot.run_start) + 1 - slot.run_end)


@breaks("run_unstaffed")
def it_may_no_longer_be_left_alone(on: Scene) -> Case:
    slot = on.slot(lambda s, d, m: _unwatched(s, d, m) and _alone_min(m, s) > 0)
    return on.with_machine(slot, unattended_max_min=0)


@breaks("unattended_too_long")
def a_minute_longer_alone_than_it_may(on: Scene) -> Case:
    slot = on.slot(lambda s, d, m: _unwatched(s, d, m) and _alone_min(m, s) > 1)
    return on.with_machine(slot, unattended_max_min=_alone_min(on.machine(slot), slot) - 1)


@breaks("unattended_too_long")
def begun_as_the_last_one_leaves(on: Scene) -> Case:
    """Before a stretch that is longer than it may be alone, and so is its run."""

    def closings(slot: Slot, demand: Demand, machine: Machine) -> list[int]:
        limit_min = machine.unattended_max_min
        if not _unwatched(slot, demand, machine) or slot.run_end - slot.run_start <= limit_min:
            return []
        return [one.end for one, other in pairwise(machine.staffed) if other.start - one.end > limit_min]

    slot = on.slot(lambda s, d, m: bool(closings(s, d, m)))
    return on.shifted(slot, on.any(closings(slot, on.demand(slot), on.machine(slot))) - slot.run_start)


@breaks("house_closed")
def the_house_closes_for_a_minute_of_a_visit(on: Scene) -> Case:
    slot = on.slot(_in_person)
    minute = on.random.randrange(slot.run_start, slot.run_end)
    return on.with_machine(slot, open=_without_minute(on.machine(slot).open, minute))


@breaks("house_closed")
def a_visit_goes_on_after_closing(on: Scene) -> Case:
    slot = on.slot(_in_person)
    return on.shifted(slot, _closing(on.machine(slot).open, slot.run_start) + 1 - slot.run_end)


# --- what lies on one machine


@breaks("overlap")
def laid_over_another(on: Scene) -> Case:
    every = on.slots()
    one, other = on.any(
        (a, b) for a in every for b in every if a.machine == b.machine and a.demand != b.demand
    )
    return on.shifted(one, other.setup_start - one.setup_start)


@breaks("overlap")
def laid_over_what_is_fixed(on: Scene) -> Case:
    one, fact = on.any((s, f) for s in on.slots() for f in on.problem.fixed if f.machine == s.machine)
    return on.shifted(one, on.random.randrange(fact.setup_start, fact.free_at) - one.setup_start)


@breaks("overlap")
def a_fact_is_laid_over_it(on: Scene) -> Case:
    slot = on.slot()
    at = on.random.randrange(slot.setup_start, slot.free_at)
    fact = replace(
        slot, demand="a fact", setup_start=at, run_start=at, run_end=at + 1, free_at=at + 1, family=None
    )
    return replace(on.problem, fixed=(*on.problem.fixed, fact)), on.plan


@breaks("blocked")
def hit_by_an_outage(on: Scene) -> Case:
    slot = on.slot()
    begin = on.random.randrange(slot.setup_start - 59, slot.free_at)
    return on.with_machine(slot, blocked=(*on.machine(slot).blocked, Block(start=begin, end=begin + 60)))


@breaks("blocked")
def moved_into_an_outage(on: Scene) -> Case:
    slot = on.slot(lambda _, __, m: bool(m.blocked))
    outage = on.any(on.machine(slot).blocked)
    return on.shifted(slot, on.random.randrange(outage.start, outage.end) - slot.setup_start)


@breaks("setup_short")
def set_up_in_a_hurry(on: Scene) -> Case:
    """A set-up may be longer than it must (a neighbour came between), so it is cut below the least there is."""

    def least_min(slot: Slot, demand: Demand, machine: Machine) -> int:
        rule = machine.loads
        change_min = min(rule.same_min, rule.colour_min, rule.material_min, rule.nozzle_min) if rule else 0
        return demand.setup_of(slot.need) + (change_min if slot.family else 0)

    slot = on.slot(lambda s, d, m: least_min(s, d, m) > 0)
    short_min = on.random.randrange(least_min(slot, on.demand(slot), on.machine(slot)))
    return on.with_slot(slot, setup_start=slot.run_start - short_min)


@breaks("setup_short")
def the_one_before_leaves_another_colour(on: Scene) -> Case:
    """The set-up of what follows, planned or fixed, no longer does for what it finds."""
    demands = {demand.id: demand for demand in on.problem.demands}
    found: list[Slot] = []
    for machine in on.problem.machines:
        rule, here = (
            machine.loads,
            [s for s in (*on.slots(), *on.problem.fixed) if s.machine == machine.index],
        )
        for one, other in pairwise(
            sorted((s for s in here if s.family), key=lambda s: (s.setup_start, s.free_at))
        ):
            own_min = demands[other.demand].setup_of(other.need) if other.demand in demands else 0
            if rule and one.demand in demands and other.setup_min < own_min + rule.nozzle_min:
                found.append(one)
    changed = on.any(found)
    loading = {machine.index for machine in on.problem.machines if machine.loads}
    problem, _ = on.with_demand(changed, family=STRANGE)
    slots = on.plan.slots[changed.demand]
    _, plan = on.planned(
        changed.demand, (replace(s, family=STRANGE) if s.machine in loading else s for s in slots)
    )
    return problem, plan


@breaks("setup_short")
def a_longer_set_up_is_asked_for(on: Scene) -> Case:
    slot = on.slot()
    longer = tuple(replace(need, setup_min=slot.setup_min + 1) for need in on.demand(slot).needs)
    return on.with_demand(slot, needs=longer)
