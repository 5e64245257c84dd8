"""The calendar as a plan may still change it: what can still move is a demand with its place, all else is a fact.

Nothing that starts within the freeze, that a person was given or has prepared, or that runs, is among the demands.
A promise is kept in two ways. A job that has a date it is wanted by is judged by that date, and leaving the place its
owner was told costs (`Demand.told`). A job without one is wanted by the moment that was promised for it, or before
where that is longer than anybody should wait: later is late, earlier is welcome. The search counts by the wait instead
(`wished`): nobody gains by a promise that is kept long after it could have been ready.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.claims import calendar
from fablab.claims.calendar import Place
from fablab.claims.models import Allocation, AllocationState, Claim, ClaimKind, ClaimState
from scheduler.check import violations
from scheduler.plan import Plan, Unplaced
from scheduler.planner.upkeep import waiting_jobs
from scheduler.problem import Demand, Problem, Slot, Told
from scheduler.sight import Sight, family_of, look
from scheduler.wish import Wish

FREEZE = timedelta(hours=2)
#: A gap that nobody has prepared for is not filled sooner than somebody can be at the machine.
LEAD = timedelta(minutes=10)
#: What the search was asked for may be this much nearer when it is written.
LEAD_LEFT = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """`plan`: the places of the demands as they are; sound for `problem`. `claims`: of the demands, by id."""

    version: int
    sight: Sight
    problem: Problem
    plan: Plan
    claims: Mapping[str, Claim]

    def moved(self, slots: Mapping[str, tuple[Slot, ...]]) -> dict[str, tuple[Slot, ...]]:
        """Those of `slots` that lie elsewhere than in the calendar."""
        return {name: found for name, found in slots.items() if found != self.plan.slots.get(name)}

    def shifted(self, slots: Mapping[str, tuple[Slot, ...]], other: Standing) -> dict[str, tuple[Slot, ...]]:
        """Slots of this look as another look counts the minutes."""
        minutes = other.sight.minute(self.sight.origin)
        return {name: tuple(_later(slot, minutes) for slot in found) for name, found in slots.items()}


def stand(
    uow: UnitOfWork,
    *,
    pinned: Collection[str] = (),
    without: Collection[str] = (),
    free: Collection[str] = (),
    lead: timedelta = LEAD,
) -> Standing:
    """One look at all of it. `pinned`: ids of claims that stay where they are; `without`: of claims that are left out,
    as if they held nothing; `free`: of claims that may move although they are firm or start soon, because a person
    takes them in hand. No run may stand on those.

    What does not keep the rules as they are now (hours or a machine have changed since) stays as well: that it cannot
    be kept is for others to mend.
    """
    version = calendar.version(uow)
    still = {*pinned, *without}
    rows = {row.id: row for row in movable(uow, uow.now + FREEZE)}
    rows |= {name: calendar.claim(uow, name) for name in free}
    rows = {name: row for name, row in rows.items() if name not in still}
    sight = look(uow, without=[*rows, *without])
    slots = {name: slots_of(sight, row, map(place_of, calendar.current(row))) for name, row in rows.items()}
    odd = {name for name, row in rows.items() if row.state is ClaimState.HELD and not slots[name]}
    if odd:
        # A place that is not on whole minutes cannot be said to the solver: it is seen again among the facts.
        return stand(uow, pinned={*pinned, *odd}, without=without, free=free, lead=lead)
    demands = {
        name: demand_of(sight, row, slots[name], uow.now if name in free else uow.now + lead)
        for name, row in rows.items()
    }
    problem, plan = _sound(sight.problem, demands, slots)
    claims = {demand.id: rows[demand.id] for demand in problem.demands}
    return Standing(version=version, sight=sight, problem=problem, plan=plan, claims=claims)


def wished(standing: Standing) -> Problem:
    """The problem with each job's due and weight as `scheduler.wish` has them; leaving the place that its owner was told
    breaks ties."""
    return replace(
        standing.problem,
        demands=tuple(
            _wished(standing, demand, standing.sight.wish(standing.claims[demand.id]))
            for demand in standing.problem.demands
        ),
    )


def _wished(standing: Standing, demand: Demand, wish: Wish) -> Demand:
    slots = standing.plan.slots.get(demand.id)
    return replace(demand, due=max(0, wish.due), weight=wish.weight, told=_told(slots) if slots else None)


def has_jobs(uow: UnitOfWork) -> bool:
    """Whether there is any job that has a place or waits for one: without, there is nothing to look for."""
    query = select(Claim.id).where(
        Claim.kind == ClaimKind.JOB, Claim.state.in_((ClaimState.HELD, ClaimState.OPEN))
    )
    return uow.session.scalar(query.limit(1)) is not None


def movable(uow: UnitOfWork, freeze_until: datetime) -> list[Claim]:
    """Jobs that the planner may still place elsewhere, and those that wait for a place."""
    query = select(Claim).where(Claim.state == ClaimState.HELD, Claim.kind == ClaimKind.JOB)
    held = [row for row in uow.session.scalars(query).unique() if _may_move(uow, row, freeze_until)]
    return [*held, *waiting_jobs(uow)]


def _may_move(uow: UnitOfWork, row: Claim, freeze_until: datetime) -> bool:
    places = calendar.current(row)
    runs = [allocation for allocation in row.allocations if allocation.run_id is not None]
    return (
        bool(places)
        and all(p.state is AllocationState.TENTATIVE and p.start_at >= freeze_until for p in places)
        and all(run.end_at <= uow.now for run in runs)
    )


def slots_of(sight: Sight, row: Claim, held: Iterable[Place]) -> tuple[Slot, ...]:
    """Places of the claim in minutes; nothing when they cannot be said in whole ones."""
    numbers = {need.id: number for number, need in enumerate(row.needs)}
    found: list[Slot] = []
    for place in held:
        number = numbers.get(place.need_id or 0)
        if number is None or place.resource_id not in sight.index:
            return ()
        slot = _slot(sight, row, place, number)
        if sight.place(slot, place.need_id or 0) != place:
            return ()
        found.append(slot)
    return tuple(sorted(found, key=lambda slot: (slot.need, slot.machine)))


def _slot(sight: Sight, row: Claim, place: Place, need: int) -> Slot:
    machine = sight.index[place.resource_id]
    return Slot(
        demand=row.id,
        machine=machine,
        setup_start=sight.minute(place.start_at),
        run_start=sight.minute(place.run_start_at),
        run_end=sight.minute(place.run_end_at),
        free_at=sight.minute(place.end_at),
        family=family_of(row) if sight.problem.machines[machine].loads else None,
        need=need,
    )


def place_of(row: Allocation) -> Place:
    return Place(
        resource_id=row.resource_id,
        start_at=row.start_at,
        run_start_at=row.run_start_at,
        run_end_at=row.run_end_at,
        end_at=row.end_at,
        need_id=row.need_id,
    )


def demand_of(sight: Sight, row: Claim, slots: tuple[Slot, ...], earliest: datetime) -> Demand:
    """What the claim asks, as one that lies in `slots` (nothing: that has no place) and was told of it."""
    demand = sight.demand(row, earliest=earliest)
    # Where it is, it takes what its promise was made with: what is learnt from every run that ends would otherwise
    # make each place a minute too short.
    kept = {
        slot.machine: slot.run_end - slot.run_start for slot in slots if slot.machine in demand.duration_min
    }
    demand = replace(demand, duration_min={**demand.duration_min, **kept})
    promised = row.told_ready_at or row.ready_at
    if row.due_at is None and promised is not None:
        promised_min = sight.minute(promised)
        due = promised_min if demand.due is None else min(promised_min, demand.due)
        return replace(demand, due=max(0, due))
    if not slots:
        return demand
    return replace(demand, due=None if demand.due is None else max(0, demand.due), told=_told(slots))


def _told(slots: tuple[Slot, ...]) -> Told:
    return Told(machines=tuple(slot.machine for slot in slots), start=slots[0].run_start)


def _sound(
    problem: Problem, demands: Mapping[str, Demand], slots: Mapping[str, tuple[Slot, ...]]
) -> tuple[Problem, Plan]:
    """Problem and plan without breaches: whose place breaks a rule is a fact instead.

    Where a fact suffers (what lies in front of it loads something else), all on that machine stay as they are.
    """
    demands, facts = dict(demands), list(problem.fixed)
    while True:
        plan = Plan(
            slots={name: slots[name] for name in demands if slots[name]},
            unplaced={name: Unplaced(demand=name, reasons=()) for name in demands if not slots[name]},
        )
        asked = replace(problem, demands=tuple(demands.values()), fixed=tuple(facts))
        found = violations(asked, plan)
        wrong = {v.demand for v in found} & set(plan.slots)
        suffering = {v.machine for v in found if v.demand not in plan.slots}
        wrong |= {slot.demand for at in plan.slots.values() for slot in at if slot.machine in suffering}
        if not wrong:
            return asked, plan
        facts += [slot for name in sorted(wrong) for slot in slots[name]]
        for name in wrong:
            del demands[name]


def _later(slot: Slot, minutes: int) -> Slot:
    return replace(
        slot,
        setup_start=slot.setup_start + minutes,
        run_start=slot.run_start + minutes,
        run_end=slot.run_end + minutes,
        free_at=slot.free_at + minutes,
    )
