"""A plan that no longer holds, made good at once: what cannot stay moves, and hardly anybody else.

    judged (check) -> what cannot stay is taken off -> put down again in several orders -> the best of them
                   -> a few tries to do better with those few alone

Everybody else stays where they are, but for two things that pay: who stands behind one that cannot stay is pushed
back by as little as it takes, and who has time gives way to one who has none. Either counts `price_min` weighted
minutes late for each person whose promise moves by it, and never moves more people than `most_moved` allows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import inf, log2

from scheduler.board import Board, slot_of
from scheduler.check import violations
from scheduler.greedy import fill, mend_setups, urgency
from scheduler.lanes import NEVER, Fit, Lane, shape_of
from scheduler.options import place_best
from scheduler.plan import Objective, Plan, Unplaced, objective
from scheduler.problem import Demand, Problem, Slot

Slots = tuple[Slot, ...]
Change = Mapping[str, Slots]  # by demand, what it holds then; nothing where it has no place

_Cost = tuple[float, ...]

MOST_PUSHED = 6  # runs on one machine that give way to one in front of them
FEW = 60  # of more that cannot stay, each is put down once


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`tell_from_min`: a promise moved by less is kept. `price_min`: weighted minutes late that one more person whose
    promise moves has to save. `most_moved`: so many promises may move for each one that has to. `tries`: attempts to
    do better; none of them, and no second order, begins later than `within_s` after the repair itself.
    """

    tell_from_min: int = 15
    price_min: int = 60
    most_moved: float = 1.2
    tries: int = 12
    within_s: float = 0.04


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """`plan` keeps every rule of the problem. `had_to_move`: who could not stay, by what had become of the problem or
    because a neighbour's going made a set-up too short; and who is ready at another time because a turn was kept.
    `moved`: who is ready at another time than promised now, or has no place any more. `before`, `after`: of the plan
    as it was (as if it still held), and is.
    """

    plan: Plan
    had_to_move: tuple[str, ...]
    moved: tuple[str, ...]
    before: Objective
    after: Objective


def cannot_stay(problem: Problem, plan: Plan) -> tuple[str, ...]:
    """The demands whose slots the problem no longer allows, in its order. Set-ups are not looked at: they are mended."""
    wrong = {v.demand for v in violations(problem, plan) if v.code != "setup_short"}
    return tuple(demand.id for demand in problem.demands if demand.id in wrong and plan.slots.get(demand.id))


def repair(
    problem: Problem,
    plan: Plan,
    *,
    broken: Collection[str] | None = None,
    in_turn: Collection[str] = (),
    pinned: Collection[str] = (),
    promised: Mapping[str, int] | None = None,
    limits: Limits | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Repaired:
    """`plan` made good for a problem that has changed since.

    `broken`: the demands that cannot stay; None finds them. `in_turn`: those of them whom nobody on their machine
    may overtake by that: they are ready no later than if all behind them waited, pinned or not. `pinned`: demands
    that move only if they cannot stay. `promised`: when people were told they would be ready, by demand, where that is
    not what the plan says. Demands without a place are given the first that is free, behind all others. Where no limit
    of time is met, the answer is the same every time.
    """
    limits = limits or Limits()
    until = clock() + limits.within_s
    known = {demand.id: demand for demand in problem.demands}
    was = {name: slots for name, slots in plan.slots.items() if name in known and slots}
    out = {*(cannot_stay(problem, plan) if broken is None else broken), *in_turn} & was.keys()
    kept = {name: slots for name, slots in was.items() if name not in out}
    board = Board(problem, Plan(slots=kept))
    mend_setups(board, kept)
    gone = [name for name in was if name not in kept]
    ready = {name: max(slot.free_at for slot in slots) for name, slots in was.items()}
    floor = _Floor(
        board,
        {**dict.fromkeys(was, ()), **kept},
        was=was,
        promised={**ready, **{name: at for name, at in (promised or {}).items() if name in was}},
        pinned=frozenset(pinned),
        limits=limits,
    )
    waited = floor.keep_turns([known[name] for name in gone if name in in_turn])
    others = [known[name] for name in gone if not floor.at[name]]
    gone += waited
    floor.expect(len(gone))
    floor.lay(others, lambda: clock() < until)
    floor.improve(others, lambda: clock() < until)
    unplaced = fill(
        board, floor.at, sorted((d for d in problem.demands if not floor.at.get(d.id)), key=_turn)
    )
    found = Plan(slots={name: slots for name, slots in floor.at.items() if slots}, unplaced=unplaced)
    return Repaired(
        plan=found,
        had_to_move=tuple(gone),
        moved=tuple(name for name in was if floor.is_moved(name, floor.at[name])),
        before=objective(problem, Plan(slots=was)),
        after=objective(problem, found),
    )


def _turn(demand: Demand) -> tuple[float, ...]:
    """The heaviest first, in doublings: those of about the same weight go by when they are wanted."""
    return (-round(log2(demand.weight)), inf if demand.due is None else demand.due, demand.release)


class _Floor:
    """The board while it is repaired, and what each demand costs where it is. `at` and the board say the same."""

    def __init__(
        self,
        board: Board,
        at: dict[str, Slots],
        *,
        was: Mapping[str, Slots],
        promised: Mapping[str, int],
        pinned: frozenset[str],
        limits: Limits,
    ) -> None:
        self.board, self.at = board, at
        self._was, self._promised, self._pinned, self._limits = was, promised, pinned, limits
        self._bare = replace(board.problem, demands=(), fixed=())
        self._off = {name for name, slots in at.items() if self.is_moved(name, slots)}
        self.expect(len(self._off))

    def expect(self, had_to_move: int) -> None:
        """So many have to move: others may in proportion."""
        self._few = had_to_move <= FEW
        self._most = int(self._limits.most_moved * had_to_move + 1e-9)
        self._others = self._most - had_to_move  # for those who move before all of them lie somewhere

    # -- what it costs

    def is_moved(self, name: str, slots: Slots) -> bool:
        promised = self._promised.get(name)
        if promised is None:
            return False
        return not slots or abs(_ready(slots) - promised) >= self._limits.tell_from_min

    def _cost(self, name: str, slots: Slots) -> _Cost:
        demand = self.board.demand_of(name)
        assert demand is not None
        alone = objective(replace(self._bare, demands=(demand,)), Plan(slots={name: slots} if slots else {}))
        trouble = alone.tardiness + self._limits.price_min * self.is_moved(name, slots)
        drift = abs(_ready(slots) - self._promised.get(name, 0)) if slots else 0
        return alone.unplaced, trouble, alone.moved + alone.disliked, alone.setup_min, drift

    def _costs(self, change: Change) -> _Cost:
        """What this change adds."""
        total = [0.0] * 5
        for name, slots in change.items():
            new, old = self._cost(name, slots), self._cost(name, self.at[name])
            total = [sum_ + n - o for sum_, n, o in zip(total, new, old, strict=True)]
        return tuple(round(value, 6) for value in total)

    def _moves(self, change: Change) -> int:
        """So many more promises are moved by it."""
        return sum(
            self.is_moved(name, slots) - self.is_moved(name, self.at[name]) for name, slots in change.items()
        )

    def _short(self, *changes: Change) -> set[Slot]:
        """Who lacks set-up on a machine of these changes, for what is loaded when their turn comes."""
        machines = {slot.machine for change in changes for slots in change.values() for slot in slots}
        return {
            entry.slot
            for lane in (self.board.lanes[machine] for machine in machines)
            for index, entry in enumerate(lane.entries)
            if entry.slot and lane.change_min(lane.before[index], entry.family) > entry.spare_min
        }

    # -- changing it

    def _apply(self, change: Change) -> dict[str, Slots]:
        """Returns the change that takes it back."""
        back = {name: self.at[name] for name in change}
        for name, slots in back.items():
            if slots:
                self.board.remove(name)
        for name, slots in change.items():
            self.board.place(slots)
            self.at[name] = slots
            (self._off.add if self.is_moved(name, slots) else self._off.discard)(name)
        return back

    def keep_turns(self, gone: Iterable[Demand]) -> list[str]:
        """Put these down, the heaviest first, where they are ready no later than if all behind them waited.

        Returns whose promises moved because they wait.
        """
        off, laid = frozenset(self._off), set[str]()
        for demand in sorted(gone, key=lambda d: (_turn(d)[0], self._promised[d.id])):
            pushes = [] if demand.is_gang else self._pushes(demand, laid, len(self.at))
            pushes = [push for push in pushes if self._keeps_order(push)]
            latest = min((_ready(push[demand.id]) for push in pushes), default=NEVER)
            choices = [*self._choices(demand, giving_way=False), *pushes]
            in_time = [change for change in choices if _ready(change[demand.id]) <= latest]
            if in_time:
                self._apply(min(in_time, key=self._costs))
            laid.add(demand.id)
        return [name for name in self.at if name in self._off and name not in off and name not in laid]

    def lay(self, gone: Sequence[Demand], is_time: Callable[[], bool]) -> None:
        """Put these down in the order that turns out best, of those there is time for."""
        start = {demand.id: min(slot.setup_start for slot in self._was[demand.id]) for demand in gone}
        orders = [sorted(gone, key=lambda d: (*_turn(d), self._promised[d.id]))]
        if self._few:
            orders.append(sorted(gone, key=urgency))
            orders.append(sorted(gone, key=lambda demand: start[demand.id]))
        best: tuple[_Cost, dict[str, Slots]] | None = None
        for order in orders:
            if best is not None and not is_time():
                break
            back: dict[str, Slots] = {}
            for demand in order:
                change = self._best(demand, may_move=self._others - self._displaced(back, gone))
                back = {**self._apply(change), **back}
            laid = {name: self.at[name] for name in back}
            self._apply(back)
            cost = self._costs(laid)
            if best is None or cost < best[0]:
                best = cost, laid
        if best:
            self._apply(best[1])

    def _displaced(self, touched: Iterable[str], gone: Iterable[Demand]) -> int:
        mine = {demand.id for demand in gone}
        return sum(self.is_moved(name, self.at[name]) for name in touched if name not in mine)

    def improve(self, gone: Sequence[Demand], is_time: Callable[[], bool]) -> None:
        """Tries with those who could not stay alone: each again, others giving way to the late; two in turn."""
        left = self._limits.tries
        better = True
        while better and left > 0:
            better = False
            sore = [demand for demand in gone if self._cost(demand.id, self.at[demand.id])[:2] > (0.0, 0.0)]
            sore.sort(key=lambda demand: self._cost(demand.id, self.at[demand.id]), reverse=True)
            tries: list[tuple[Demand, ...]] = [(demand,) for demand in sore]
            tries += list(combinations(sore, 2))
            for several in tries[:left]:
                if not is_time():
                    return
                better |= self._again(several)
            left -= len(tries)

    def _again(self, several: tuple[Demand, ...]) -> bool:
        """Take these off and put them down again, the last first; undone unless that is better."""
        back = self._apply({demand.id: () for demand in several})
        for demand in reversed(several):
            may_move = self._most - len(self._off - {demand.id})
            change = self._best(demand, may_move=max(0, may_move), giving_way=len(several) == 1)
            back = {**self._apply(change), **back}
        found = {name: self.at[name] for name in back}
        short = self._short(found, back)
        self._apply(back)
        if (
            self._costs(found) < (0.0,) * 5
            and self._moves(found) <= max(0, self._most - len(self._off))
            and short <= self._short(found, back)
        ):
            self._apply(found)
            return True
        return False

    # -- where one could go

    def _best(self, demand: Demand, *, may_move: int, giving_way: bool = False) -> Change:
        """The cheapest change that places this one and moves the promises of at most so many others."""
        best: Change = {demand.id: ()}
        least: _Cost = (inf,)
        for change in self._choices(demand, giving_way):
            others = {name: slots for name, slots in change.items() if name != demand.id}
            if self._moves(others) <= may_move:
                cost = self._costs(change)
                if cost < least:
                    best, least = change, cost
        return best

    def _choices(self, demand: Demand, giving_way: bool) -> Iterator[Change]:
        name = demand.id
        first = self.board.insert(demand)
        if not isinstance(first, Unplaced):
            yield {name: first.slots}
        as_it_was = self._at_the_same_time(demand)
        if as_it_was:
            yield {name: as_it_was}
        if not as_it_was or self.is_moved(name, as_it_was):
            since = min(slot.setup_start for slot in self._was[name]) - self._limits.tell_from_min + 1
            near = self.board.insert(demand, earliest=max(0, since))
            if not isinstance(near, Unplaced):
                yield {name: near.slots}
        if self._few and not demand.is_gang:
            yield from self._pushes(demand, self._pinned, MOST_PUSHED)
        if giving_way:
            option = place_best(self.board, demand, pinned=self._pinned)
            if not isinstance(option, Unplaced):
                yield {name: option.slots, **{other.demand: other.slots for other in option.displaced}}

    def _at_the_same_time(self, demand: Demand) -> Slots:
        """The start it had, on the machines it had as far as they are free, else on others; nothing if that fails."""
        was, promised = self._was[demand.id], self._promised[demand.id]
        start = was[0].run_start

        def there(need: int, machine: int) -> Slot | None:
            lane = self.board.lanes[machine]
            shape = shape_of(demand, need, lane.machine)
            fit = lane.first(shape, start, start + (shape.run_min + lane.horizon))
            return slot_of(demand, need, machine, shape, fit) if fit and fit.run_start == start else None

        found = [
            slot
            for old in was
            if old.machine in demand.needs[old.need].eligible and (slot := there(old.need, old.machine))
        ]
        for number, need in enumerate(demand.needs):
            taken = {slot.machine for slot in found}
            free = [there(number, machine) for machine in need.eligible if machine not in taken]
            fits = sorted((s for s in free if s), key=lambda s: (abs(s.free_at - promised), s.machine))
            found += fits[: need.quantity - sum(slot.need == number for slot in found)]
        if len(found) < sum(need.quantity for need in demand.needs):
            return ()
        return tuple(sorted(found, key=lambda slot: (slot.need, slot.machine)))

    def _pushes(self, demand: Demand, pinned: Collection[str], most: int) -> Iterator[Change]:
        """Back on its own machine, none, one, two, ... of those behind it later by no more than it takes."""
        (was,) = self._was[demand.id]
        if was.machine not in demand.needs[0].eligible:
            return
        lane = self.board.lanes[was.machine]
        behind = self._behind(lane, was.setup_start, pinned, most)
        for count in range(len(behind) + 1):
            change = self._push(lane, demand, behind[:count])
            if change:
                yield change

    def _keeps_order(self, push: Change) -> bool:
        """Whether those who are pushed are not overtaken by who comes behind them now."""
        pushed = [slots[0] for name, slots in push.items() if self.at[name]]
        if not pushed:
            return True
        since, until = (
            min(self.at[slot.demand][0].run_start for slot in pushed),
            max(s.run_start for s in pushed),
        )
        lane = self.board.lanes[pushed[0].machine]
        return not any(
            since < entry.slot.run_start < until
            and entry.slot.demand not in push
            and self.at.get(entry.slot.demand)
            for entry in lane.entries
            if entry.slot
        )

    def _behind(self, lane: Lane, since: int, pinned: Collection[str], most: int) -> list[Demand]:
        found: list[Demand] = []
        for entry in lane.entries:
            known = self.board.demand_of(entry.slot.demand) if entry.slot and entry.start >= since else None
            if known and not known.is_gang and known.id not in pinned:
                found.append(known)
        return found[:most]

    def _push(self, lane: Lane, demand: Demand, behind: Sequence[Demand]) -> Change | None:
        """Each in turn where it first fits, nobody sooner than they were."""
        back = self._apply({other.id: () for other in behind})
        found: dict[str, Slots] = {}
        for one in (demand, *behind):
            not_before = back[one.id][0].run_start if one.id in back else 0
            shape = shape_of(one, 0, lane.machine)
            fit: Fit | None = lane.first(shape, not_before)
            if fit is None:
                break
            found[one.id] = (slot_of(one, 0, lane.machine.index, shape, fit),)
            self.board.place(found[one.id])
        short = self._short(found, back)
        for name in found:
            self.board.remove(name)
        self._apply(back)
        sound = len(found) == len(behind) + 1 and short <= self._short(found, back)
        return found if sound else None


def _ready(slots: Slots) -> int:
    return max(slot.free_at for slot in slots)
