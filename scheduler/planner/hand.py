"""A person takes a job of the plan in hand: moves it, makes it firm, keeps it off a machine, says how urgent it is.

`forecast` says what would come of a wish and writes nothing; `carry_out` does it, if the calendar is still the one
that was forecast from. Others that may move give way and find new places at once; what a person was given, what
starts within the freeze and what runs never does: a refusal names it. The outcome keeps every rule of `check`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, Refusal, Refused
from fablab.claims import calendar, decisions
from fablab.claims.decisions import Action
from fablab.claims.models import AllocationState, Claim, ClaimState
from fablab.people.access import Right, require
from scheduler.board import insertion_of
from scheduler.check import violations
from scheduler.fairness import PRIORITIES
from scheduler.greedy import Board, replan
from scheduler.lanes import Entry
from scheduler.options import place_best
from scheduler.plan import Plan, Unplaced, objective
from scheduler.planner.forecast import Forecast, cost, moved, placed, would_be_told
from scheduler.planner.promise import keep
from scheduler.planner.reasons import reasons_for
from scheduler.planner.standing import LEAD, Standing, demand_of, stand
from scheduler.planner.upkeep import tell_if_moved
from scheduler.planner.wishes import BARRED, Bar, Move, Pin, Prioritise, Wish, against, eligible, is_firm
from scheduler.problem import Demand, Fact, Problem, Slot, Told
from scheduler.sight import PLAN_AT, Sight
from scheduler.spots import Not, Spot, spot


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """`problem` and `plan` as they would be; `standing` as it is. `refusals`: then nothing of the rest counts."""

    standing: Standing
    problem: Problem
    plan: Plan
    firm: bool
    refusals: tuple[Refusal, ...] = ()


def forecast(uow: UnitOfWork, claim_id: str, wish: Wish) -> Forecast:
    """What would come of it, or why it cannot be. Raises `NotFound` for a claim that is not there."""
    require(uow.actor, Right.OPERATE)
    claim = calendar.claim(uow, claim_id)
    return _forecast(claim, _outcome(uow, claim, wish))


def carry_out(uow: UnitOfWork, claim_id: str, wish: Wish, *, version: int, why: str = "") -> Forecast:
    """Do it, tell whom it matters to, and write down who did it and why.

    `version`: of the forecast that was agreed to. Raises `Conflict` calendar.moved if the calendar has changed since
    (look again), `Refused` with what stands against it.
    """
    require(uow.actor, Right.OPERATE)
    claim = calendar.claim(uow, claim_id)
    outcome = _outcome(uow, claim, wish)
    if outcome.standing.version != version:
        raise Conflict(calendar.MOVED, seen=version, now=outcome.standing.version)
    if outcome.refusals:
        raise Refused(outcome.refusals)
    said = _forecast(claim, outcome)
    changes = outcome.standing.moved(outcome.plan.slots)
    calendar.expect(uow, version, [claim_id, *changes])
    _write_wish(claim, wish)
    _write_plan(uow, claim, outcome, changes)
    decisions.record(uow, claim_id, _action(wish), why, **_facts(outcome.standing.sight, said, wish))
    return said


def _forecast(claim: Claim, outcome: _Outcome) -> Forecast:
    standing = outcome.standing
    sight, version = standing.sight, standing.version
    before = standing.plan.slots.get(claim.id, ()) or _where(sight, claim)
    was = placed(sight, claim, before, is_firm=is_firm(claim))
    if outcome.refusals:
        return Forecast(version=version, refusals=outcome.refusals, was=was)
    slots = outcome.plan.slots.get(claim.id, ()) or before
    place = placed(sight, claim, slots, is_firm=outcome.firm)
    stays = slots == before
    return Forecast(
        version=version,
        was=was,
        place=place,
        displaced=moved(standing, outcome.plan, but=claim.id),
        is_told=not stays and would_be_told(claim, place.ready_at if place else None),
        cost=_cost(outcome, claim, before),
    )


def _cost(outcome: _Outcome, claim: Claim, before: tuple[Slot, ...]) -> dict[str, float]:
    old = outcome.standing.plan
    if before and any(demand.id == claim.id for demand in outcome.problem.demands):
        old = old.with_slots(before)
    return cost(outcome.problem, old, outcome.plan)


# --- what would come of it


def _outcome(uow: UnitOfWork, claim: Claim, wish: Wish) -> _Outcome:
    stands_against = against(uow, claim, wish)
    if stands_against is not None:
        return _refused(stand(uow), stands_against)
    if isinstance(wish, Move):
        return _moved(uow, claim, wish)
    if isinstance(wish, Pin):
        standing = stand(uow)
        return _Outcome(standing=standing, problem=standing.problem, plan=standing.plan, firm=wish.firm)
    return _barred(uow, claim, wish) if isinstance(wish, Bar) else _prioritised(uow, claim, wish)


def _refused(standing: Standing, refusal: Refusal) -> _Outcome:
    return _Outcome(
        standing=standing, problem=standing.problem, plan=standing.plan, firm=False, refusals=(refusal,)
    )


def _moved(uow: UnitOfWork, claim: Claim, wish: Move) -> _Outcome:
    standing, problem = taken_up(uow, claim)
    sight, need = standing.sight, claim.needs[0]
    machine = sight.index.get(wish.resource_id)
    if machine is None or wish.resource_id not in need.eligible:
        facts: dict[str, Fact] = {"reason": need.barred.get(str(wish.resource_id), "unknown")}
        return _refused(standing, Refusal(code="machine.not_eligible", facts=facts))
    if wish.run_start_at < uow.now:
        return _refused(standing, Refusal(code="hand.past"))
    (demand,) = (each for each in problem.demands if each.id == claim.id)
    board = Board(problem, standing.plan.without(claim.id))
    found = spot(board, demand, machine, sight.minute(wish.run_start_at), movable_but(standing, claim))
    if isinstance(found, Not):
        return _refused(standing, _why_not(uow, standing, machine, found))
    return _others(standing, problem, claim, found, firm=wish.firm)


def _others(standing: Standing, problem: Problem, claim: Claim, found: Spot, *, firm: bool) -> _Outcome:
    """The others around a claim that has found its spot: those who leave are put where the plan suffers least.

    Either they alone find new places, or all behind them on that machine are laid out anew: many a little later
    instead of one much later.
    """
    slot = found.slot
    gone = set(found.gone)
    behind = {
        name
        for name, slots in standing.plan.slots.items()
        if name != claim.id
        and any(s.machine == slot.machine and s.run_start >= slot.setup_start for s in slots)
    }
    base = standing.plan.without(claim.id).with_slots([slot])
    plans = [replan(problem, base, movable) for movable in ([gone, gone | behind] if gone else [gone])]
    sound = [plan for plan in plans if plan.slots.get(claim.id) == (slot,) and not violations(problem, plan)]
    fair = [plan for plan in sound if _homeless(standing, plan) is None]
    if fair:
        best = min(fair, key=lambda plan: (objective(problem, plan), len(moved(standing, plan))))
        return _Outcome(standing=standing, problem=problem, plan=best, firm=firm)
    if not sound:
        return _refused(standing, Refusal(code="hand.unsound"))
    facts: dict[str, Fact] = {"title": _homeless(standing, sound[0])}
    return _refused(standing, Refusal(code="hand.others_homeless", facts=facts))


def _homeless(standing: Standing, plan: Plan) -> str | None:
    """The title of somebody who had a place and would have none."""
    lost = (name for name in standing.plan.slots if not plan.slots.get(name) and name in standing.claims)
    return next((standing.claims[name].title for name in lost), None)


def _barred(uow: UnitOfWork, claim: Claim, wish: Bar) -> _Outcome:
    """A claim that lies on the machine it is kept off goes where it is ready earliest, displacing nobody; one that has
    no place may find one on a machine it is let on. In every other case nothing moves."""
    here = any(place.resource_id == wish.resource_id for place in calendar.current(claim))
    has_place = bool(calendar.current(claim))
    if (wish.barred and not here) or (not wish.barred and has_place):
        standing = stand(uow)
        return _Outcome(standing=standing, problem=standing.problem, plan=standing.plan, firm=is_firm(claim))
    standing, problem = taken_up(uow, claim)
    (asked,) = (each for each in problem.demands if each.id == claim.id)
    demand = _only(standing.sight, claim, asked, wish)
    problem = problem.with_demand(demand)
    rest = standing.plan.without(claim.id)
    earliest = standing.sight.minute(uow.now + LEAD)  # somebody has to come to the machine first
    found = Board(problem, rest).insert(demand, earliest=earliest)
    if isinstance(found, Unplaced):
        if has_place:
            return _refused(standing, Refusal(code="hand.no_room"))
        return _Outcome(standing=standing, problem=problem, plan=standing.plan, firm=False)
    return _others(standing, problem, claim, Spot(slot=found.slots[0]), firm=False)


def _only(sight: Sight, claim: Claim, demand: Demand, wish: Bar) -> Demand:
    """The demand with the machines it would be left with."""
    machines = tuple(sight.index[i] for i in eligible(claim, wish) if i in sight.index)
    own = {
        machine: demand.duration_min.get(machine)
        or sight.duration(claim, sight.ids[machine]).quantile_min(PLAN_AT)
        for machine in machines
    }
    codes = {machine: code for machine, code in demand.not_eligible.items() if machine not in machines}
    if wish.barred:
        codes[sight.index[wish.resource_id]] = BARRED
    needs = (replace(demand.needs[0], eligible=machines),)
    return replace(demand, needs=needs, duration_min=own, not_eligible=codes)


def _prioritised(uow: UnitOfWork, claim: Claim, wish: Prioritise) -> _Outcome:
    """A claim that the plan may move goes where it then costs the whole plan least, if that is earlier for it."""
    standing = stand(uow)
    if claim.id not in standing.claims:
        return _Outcome(standing=standing, problem=standing.problem, plan=standing.plan, firm=is_firm(claim))
    (asked,) = (each for each in standing.problem.demands if each.id == claim.id)
    demand = _wanted(standing, claim, asked, wish)
    problem = standing.problem.with_demand(demand)
    board = Board(problem, standing.plan.without(claim.id))
    option = place_best(board, demand)
    stays = _Outcome(standing=standing, problem=problem, plan=standing.plan, firm=False)
    if isinstance(option, Unplaced):
        return stays
    slots = [*option.slots, *(slot for each in option.displaced for slot in each.slots)]
    plan = standing.plan.without(claim.id).with_slots(slots)
    if violations(problem, plan):
        plan = replan(problem, plan)
    held = standing.plan.slots.get(claim.id)
    earlier = not held or plan.ready_at(claim.id) < standing.plan.ready_at(claim.id)
    if not earlier or violations(problem, plan) or _homeless(standing, plan):
        return stays
    if not objective(problem, plan) < objective(problem, standing.plan):
        return stays
    return _Outcome(standing=standing, problem=problem, plan=plan, firm=False)


def _wanted(standing: Standing, claim: Claim, demand: Demand, wish: Prioritise) -> Demand:
    weight = demand.weight / PRIORITIES.get(claim.priority, 1.0) * PRIORITIES[wish.priority]
    slots = standing.plan.slots.get(claim.id, ())
    if wish.due_at is None:
        return replace(demand, weight=weight)
    told = Told(machines=tuple(s.machine for s in slots), start=slots[0].run_start) if slots else None
    return replace(demand, weight=weight, due=max(0, standing.sight.minute(wish.due_at)), told=told)


def taken_up(uow: UnitOfWork, claim: Claim) -> tuple[Standing, Problem]:
    """One look in which this claim may move although it is firm or starts soon, and the problem with its demand.

    Where its place cannot be kept as it is, the look is one without it.
    """
    standing = stand(uow, free=(claim.id,) if claim.state is ClaimState.HELD else ())
    if claim.id in standing.claims:
        return standing, standing.problem
    standing = stand(uow, without=(claim.id,))
    return standing, standing.problem.with_demand(demand_of(standing.sight, claim, (), uow.now))


def movable_but(standing: Standing, claim: Claim) -> Callable[[Entry], bool]:
    """Who would give way to this claim."""
    known = set(standing.claims) - {claim.id}
    return lambda entry: entry.slot is not None and entry.slot.demand in known


def _where(sight: Sight, claim: Claim) -> tuple[Slot, ...]:
    """Where a claim lies that the plan counts among the facts: its own instants, as near as whole minutes say them."""
    places = [place for place in calendar.current(claim) if place.resource_id in sight.index]
    return tuple(
        Slot(
            demand=claim.id,
            machine=sight.index[place.resource_id],
            setup_start=sight.minute(place.start_at),
            run_start=sight.minute(place.run_start_at),
            run_end=sight.minute(place.run_end_at),
            free_at=sight.minute(place.end_at),
        )
        for place in places
    )


# --- why not


def _why_not(uow: UnitOfWork, standing: Standing, machine: int, answer: Not) -> Refusal:
    """The answer with names and instants; `until` is when it may be tried again."""
    sight = standing.sight
    facts: dict[str, Fact] = {
        "machine": sight.names[machine],
        "until": None if answer.until is None else sight.instant(answer.until).isoformat(),
    }
    if answer.code == "blocked":
        return Refusal(code="machine.out_of_service", facts=facts)
    if answer.entry is not None and answer.entry.slot is not None:
        return _stuck(calendar.claim(uow, answer.entry.slot.demand), answer.code, facts)
    return Refusal(
        code=f"hand.{answer.code}" if answer.until is not None else "hand.beyond_horizon", facts=facts
    )


def _stuck(other: Claim, code: str, facts: Mapping[str, Fact]) -> Refusal:
    """Whom it meets there: what people were given themselves, what is firm, what starts too soon or runs."""
    said: dict[str, Fact] = {**facts, "title": other.title}
    if code == "next_needs_setup":
        return Refusal(code="hand.next_needs_setup", facts=said)
    return Refusal(code="hand.firm" if is_firm(other) else "hand.frozen", facts=said)


# --- written down


def _write_wish(claim: Claim, wish: Wish) -> None:
    if isinstance(wish, Bar):
        need = claim.needs[0]
        barred = {key: code for key, code in need.barred.items() if key != str(wish.resource_id)}
        need.eligible = sorted(eligible(claim, wish))
        need.barred = {**barred, str(wish.resource_id): BARRED} if wish.barred else barred
    elif isinstance(wish, Prioritise):
        claim.priority, claim.due_at = wish.priority, wish.due_at


def _write_plan(
    uow: UnitOfWork, claim: Claim, outcome: _Outcome, changes: Mapping[str, tuple[Slot, ...]]
) -> None:
    sight, claims = outcome.standing.sight, {**outcome.standing.claims, claim.id: claim}
    if changes:
        places = {
            name: [sight.place(slot, claims[name].needs[slot.need].id) for slot in slots]
            for name, slots in changes.items()
        }
        calendar.swap(uow, places, firm=(claim.id,) if outcome.firm else ())
    if claim.id not in changes:
        state = AllocationState.FIRM if outcome.firm else AllocationState.TENTATIVE
        if calendar.current(claim) and is_firm(claim) is not outcome.firm:
            calendar.settle(uow, claim, state)
        else:
            calendar.announce(uow, claim)
    board = Board(outcome.problem, outcome.plan)
    demands = {demand.id: demand for demand in outcome.problem.demands}
    for name, slots in changes.items():
        board.remove(name)
        claims[name].reasons = reasons_for(sight, demands[name], insertion_of(slots), board)
        board.place(slots)
        keep(sight, claims[name], insertion_of(slots))
        tell_if_moved(uow, claims[name])


def _action(wish: Wish) -> Action:
    if isinstance(wish, Move):
        return Action.MOVE
    if isinstance(wish, Pin):
        return Action.PIN if wish.firm else Action.UNPIN
    if isinstance(wish, Bar):
        return Action.FORBID if wish.barred else Action.ALLOW
    return Action.PRIORITISE


def _facts(sight: Sight, said: Forecast, wish: Wish) -> dict[str, Fact]:
    facts: dict[str, Fact] = {"moved": len(said.displaced), "told": said.told}
    if said.place is not None:
        facts |= {"machine": said.place.machine, "start": said.place.run_start_at.isoformat()}
    if isinstance(wish, Bar):
        facts["barred"] = sight.names[sight.index[wish.resource_id]]
    if isinstance(wish, Prioritise):
        facts |= {"priority": wish.priority, "due": wish.due_at.isoformat() if wish.due_at else None}
    return facts
