"""The first answer, in milliseconds: put one demand where it is ready earliest, moving nobody.

A `Board` is a problem and a plan laid out as lanes; keep one to ask it many things, or call the functions
below, which lay one out for a single question. "Best" is least by (ready, end of the run, set-up minutes,
wear, machine); where dates are liked more or less, by lateness and liking before that.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from math import inf

from scheduler.lanes import NEVER, Entry, Fit, Lane, Shape, shape_of
from scheduler.plan import Plan, Reason, Unplaced
from scheduler.problem import Demand, Fact, Machine, Presence, Problem, Slot

APART_MIN = 60  # two options on one machine less than this apart are one option to a person


@dataclass(frozen=True, slots=True, kw_only=True)
class Insertion:
    """Slots for one demand. `ready_at`: when the last of them is cleared. `setup_min`: of a person, over
    all.
    """

    demand: str
    slots: tuple[Slot, ...]
    ready_at: int
    setup_min: int

    @property
    def run_start(self) -> int:
        return self.slots[0].run_start


class Board:
    """A problem and a plan as one lane a machine. Changed only by `place` and `remove`; the plan given is
    not.
    """

    def __init__(self, problem: Problem, plan: Plan | None = None) -> None:
        self.problem = problem
        self._demands = {demand.id: demand for demand in problem.demands}
        entries: list[list[Entry]] = [[] for _ in problem.machines]
        for slot in problem.fixed:
            entries[slot.machine].append(_entry(slot, slot.setup_min))
        for slots in plan.slots.values() if plan else ():
            for slot in slots:
                entries[slot.machine].append(self._entry(slot))
        self.lanes = [
            Lane(machine, problem.horizon_min, on_it)
            for machine, on_it in zip(problem.machines, entries, strict=True)
        ]

    def place(self, slots: Collection[Slot]) -> None:
        """Put slots down as they are; whether they fit is not asked."""
        for slot in slots:
            self.lanes[slot.machine].add(self._entry(slot))

    def remove(self, demand: str) -> None:
        for lane in self.lanes:
            lane.remove(demand)

    def release_of(self, demand: str) -> int:
        return self._demands[demand].release

    def know(self, demand: Demand) -> None:
        """Tell of a demand that is not in the problem, before its slots are placed."""
        self._demands[demand.id] = demand

    def insert(self, demand: Demand, *, earliest: int = 0) -> Insertion | Unplaced:
        """The best place for `demand` with no set-up before `earliest`; the board itself stays as it is."""
        if demand.dislike_min:
            found = next(iter(self.options(demand, 1, earliest=earliest)), None)
        elif demand.is_gang:
            found = self._gang(demand, earliest, 0)
        else:
            found = self._single(demand, earliest)
        return found or Unplaced(demand=demand.id, reasons=self._reasons(demand, earliest))

    def options(
        self, demand: Demand, n: int, *, earliest: int = 0, apart_min: int = APART_MIN
    ) -> tuple[Insertion, ...]:
        """Up to `n` best places, best first; starts on one machine (for a gang: at all) lie `apart_min`
        apart.
        """
        if demand.dislike_min:
            return self._by_liking(demand, n, earliest, apart_min)
        found = (
            self._gangs(demand, earliest, apart_min)
            if demand.is_gang
            else self._singles(demand, earliest, apart_min)
        )
        return tuple(option for option, _ in zip(found, range(n), strict=False))

    def _by_liking(self, demand: Demand, n: int, earliest: int, apart_min: int) -> tuple[Insertion, ...]:
        """The `n` best for each liking, dates liked alike as one, merged: the least late, the best liked, the first."""
        found: list[Insertion] = []
        for liking in set(demand.dislike_min):
            dates = zip(demand.starts, demand.dislike_min, strict=True)
            starts = tuple(piece for piece, dislike_min in dates if dislike_min == liking)
            alike = replace(demand, starts=starts, dislike_min=())
            found += self.options(alike, n, earliest=earliest, apart_min=apart_min)
        due = NEVER if demand.due is None else demand.due
        found.sort(key=lambda o: (max(0, o.ready_at - due), demand.dislike_of(o.run_start), o.ready_at))
        return tuple(found[:n])

    def _entry(self, slot: Slot) -> Entry:
        demand = self._demands.get(slot.demand)
        return _entry(slot, slot.setup_min - (demand.setup_of(slot.need) if demand else 0))

    def _single(self, demand: Demand, earliest: int) -> Insertion | None:
        best: tuple[int, int, int, int, int] | None = None
        chosen: Slot | None = None
        for machine in demand.needs[0].eligible:
            lane = self.lanes[machine]
            shape = shape_of(demand, 0, lane.machine, release=earliest)
            fit = lane.first(shape, limit=best[0] if best else NEVER)
            if fit and (best is None or _rank(fit, lane.machine) < best):
                best, chosen = _rank(fit, lane.machine), _slot(demand, 0, machine, shape, fit)
        return _insertion(demand, (chosen,)) if chosen else None

    def _singles(self, demand: Demand, earliest: int, apart_min: int) -> Iterator[Insertion]:
        """Each machine gives its places in order of readiness, so a heap of one from each merges them."""
        waiting: list[tuple[tuple[int, int, int, int, int], Fit, Shape]] = []

        def push(machine: int, shape: Shape, not_before: int) -> None:
            fit = self.lanes[machine].first(shape, not_before)
            if fit:
                heappush(waiting, (_rank(fit, self.lanes[machine].machine), fit, shape))

        for machine in demand.needs[0].eligible:
            push(machine, shape_of(demand, 0, self.lanes[machine].machine, release=earliest), 0)
        while waiting:
            rank, fit, shape = heappop(waiting)
            yield _insertion(demand, (_slot(demand, 0, rank[-1], shape, fit),))
            push(rank[-1], shape, fit.run_start + apart_min)

    def _gangs(self, demand: Demand, earliest: int, apart_min: int) -> Iterator[Insertion]:
        found = self._gang(demand, earliest, 0)
        while found:
            yield found
            found = self._gang(demand, earliest, found.run_start + apart_min)

    def _gang(self, demand: Demand, earliest: int, not_before: int) -> Insertion | None:
        """The earliest common start from `not_before` on, never looking at sets of machines.

        `fits` holds each machine's first own start from `at` on, once for each need it could serve.
        Before the `quantity`-th of these, a need cannot be met: so `at` may jump there. Where every need
        alone could be met but they compete for the same machines, nothing changes until one more machine
        arrives.
        """
        shapes = {
            (number, machine): shape_of(demand, number, self.lanes[machine].machine, release=earliest)
            for number, need in enumerate(demand.needs)
            for machine in need.eligible
        }
        fits: dict[tuple[int, int], Fit | None] = {}
        at = not_before
        while at < self.problem.horizon_min:
            for key, shape in shapes.items():
                known = fits.get(key)
                if key not in fits or (known and known.run_start < at):
                    fits[key] = self.lanes[key[1]].first(shape, at)
            jump = max(self._met_from(demand, number, fits) for number in range(len(demand.needs)))
            if jump <= at:
                ready = {key: fit for key, fit in fits.items() if fit and fit.run_start <= at}
                crew = _crew(demand, ready, self.problem.machines)
                if crew:
                    return _insertion(
                        demand, tuple(_slot(demand, *key, shapes[key], ready[key]) for key in crew)
                    )
                jump = min(
                    (fit.run_start for fit in fits.values() if fit and fit.run_start > at), default=NEVER
                )
            at = jump
        return None

    def _met_from(self, demand: Demand, number: int, fits: dict[tuple[int, int], Fit | None]) -> int:
        need = demand.needs[number]
        own = sorted(fit.run_start for machine in need.eligible if (fit := fits[number, machine]))
        return own[need.quantity - 1] if len(own) >= need.quantity else NEVER

    def _reasons(self, demand: Demand, earliest: int) -> tuple[Reason, ...]:
        """Why there is no place: by machine, each tried as if empty; then by need, where a crew is what
        is missing.
        """
        reasons: list[Reason] = []
        for number, need in enumerate(demand.needs):
            if len(need.eligible) < need.quantity:
                facts: dict[str, Fact] = {
                    "need": number,
                    "wanted": need.quantity,
                    "eligible": len(need.eligible),
                }
                reasons.append(Reason(code="too_few_eligible", facts=facts))
            for machine in need.eligible:
                lane = self.lanes[machine]
                shape = shape_of(demand, number, lane.machine, release=earliest)
                if not lane.first(shape):
                    reasons.append(self.reason(lane, shape))
        return tuple(reasons) or (Reason(code="never_together"),)

    def reason(self, lane: Lane, shape: Shape) -> Reason:
        """Why a shape has no place on a lane of this board: its calendar, an outage, or what others hold."""
        horizon, machine = self.problem.horizon_min, lane.machine
        bare = replace(machine, blocked=())
        if not Lane(bare, horizon, ()).first(shape):
            return calendar_reason(bare, horizon, shape)
        code = "machine_busy" if Lane(machine, horizon, ()).first(shape) else "faulty"
        return Reason(code=code, facts={"machine": machine.index})


def insert(problem: Problem, demand: Demand, plan: Plan, *, earliest: int = 0) -> Insertion | Unplaced:
    """`Board.insert` for a single question; `demand` need not be in the problem."""
    return Board(problem, plan).insert(demand, earliest=earliest)


def options(
    problem: Problem, demand: Demand, plan: Plan, n: int, *, earliest: int = 0, apart_min: int = APART_MIN
) -> tuple[Insertion, ...]:
    """`Board.options` for a single question."""
    return Board(problem, plan).options(demand, n, earliest=earliest, apart_min=apart_min)


def solve(problem: Problem) -> Plan:
    """Every demand inserted once: those with few starts to choose from, then by due, weight, release and
    id.
    """
    return replan(problem, Plan())


def replan(problem: Problem, plan: Plan, movable: Collection[str] = ()) -> Plan:
    """`plan` made good for `problem`: the movable, the unplaced and the new are inserted again, the rest
    stays.

    Demands no longer in the problem are dropped. Where a neighbour went and a set-up is now too short, it
    begins earlier if there is room for that, the run staying where it is; else its demand (before a fixed
    slot: the one in front of it) is moved too. After a change of calendars, pass the demands that
    `check.violations` names.
    """
    movable = set(movable)
    kept = {d.id: plan.slots[d.id] for d in problem.demands if plan.slots.get(d.id) and d.id not in movable}
    board = Board(problem, Plan(slots=kept))
    while _mend_one(board, kept):
        pass
    waiting = sorted((d for d in problem.demands if d.id not in kept), key=urgency)
    while True:  # what came later may have loaded just what an earlier one lacked the set-up time for
        unplaced: dict[str, Unplaced] = {}
        for demand in waiting:
            found = board.insert(demand)
            if isinstance(found, Unplaced):
                unplaced[demand.id] = found
            else:
                kept[demand.id] = found.slots
                board.place(found.slots)
        if len(unplaced) in (0, len(waiting)):
            break
        waiting = [demand for demand in waiting if demand.id in unplaced]
    return Plan(slots=kept, unplaced=unplaced)


def calendar_reason(machine: Machine, horizon: int, shape: Shape) -> Reason:
    """Which rule keeps a shape off an empty machine: rules are let go one after the other until it fits."""
    facts: dict[str, Fact] = {"machine": machine.index, "run_min": shape.run_min}
    shape = shape._replace(start_from=(), start_until=())
    if Lane(machine, horizon, ()).first(shape):
        return Reason(code="start_not_allowed", facts=facts)
    calendar, code = machine.staffed, "not_staffed"
    if shape.presence is Presence.HOUSE:
        calendar, code = machine.open, "house_closed"
    elif shape.presence is Presence.NOBODY and machine.unattended_max_min:
        code = "unattended_too_long"
    longest_min = max((piece.end - piece.start for piece in calendar), default=0)
    anywhere = shape._replace(presence=Presence.NOBODY)
    if Lane(replace(machine, unattended_max_min=4 * NEVER), horizon, ()).first(anywhere):
        limit_min = machine.unattended_max_min
        return Reason(code=code, facts={**facts, "longest_min": longest_min, "limit_min": limit_min})
    empty = Lane(machine, horizon, ())
    setup_min = shape.setup_min + empty.change_min(machine.loaded, shape.family)
    if empty.staffed.room(0, max(setup_min, shape.clear_min)) >= horizon:
        return Reason(code="setup_needs_person", facts={**facts, "setup_min": setup_min})
    return Reason(code="beyond_horizon", facts={**facts, "horizon": horizon})


def urgency(demand: Demand) -> tuple[bool, float, float, int, str]:
    due = inf if demand.due is None else demand.due
    return (not demand.starts, due, -demand.weight, demand.release, demand.id)


def _mend_one(board: Board, kept: dict[str, tuple[Slot, ...]]) -> bool:
    """Mend the first set-up that its neighbour's going made too short; False when there is none (left)."""
    for lane in board.lanes:
        front: Entry | None = None
        for index, entry in enumerate(lane.entries):
            missing_min = lane.change_min(lane.before[index], entry.family) - entry.spare_min
            if missing_min > 0 and entry.slot and _mend(board, kept, lane, index, missing_min, front):
                return True
            front = entry if entry.family else front
    return False


def _mend(
    board: Board,
    kept: dict[str, tuple[Slot, ...]],
    lane: Lane,
    index: int,
    missing_min: int,
    front: Entry | None,
) -> bool:
    slot = lane.entries[index].slot
    assert slot is not None
    if slot.demand not in kept:  # fixed: only a planned slot in front of it can go
        culprit = front.slot.demand if front and front.slot else None
        if culprit not in kept:
            return False
        board.remove(culprit)
        del kept[culprit]
        return True
    board.remove(slot.demand)
    slots = kept.pop(slot.demand)
    start = slot.setup_start - missing_min
    seen = lane.staffed.room(start, slot.run_start - start) == start
    if seen and lane.reach[index] <= start and start >= board.release_of(slot.demand):
        kept[slot.demand] = tuple(replace(s, setup_start=start) if s is slot else s for s in slots)
        board.place(kept[slot.demand])
    return True


def _crew(
    demand: Demand, ready: Mapping[tuple[int, int], Fit], machines: Sequence[Machine]
) -> list[tuple[int, int]] | None:
    """(need, machine) for every member, or None if the ready machines cannot serve all needs at once.

    Augmenting paths over members and machines, the best ranked machine tried first: a machine claimed by
    an earlier member is given up when that member has another.
    """
    holder: dict[int, tuple[int, int]] = {}  # machine -> (need, member)
    choice = {
        number: sorted(
            (m for k, m in ready if k == number), key=lambda m: _rank(ready[number, m], machines[m])
        )
        for number in range(len(demand.needs))
    }

    def claim(member: tuple[int, int], tried: set[int]) -> bool:
        for machine in choice[member[0]]:
            if machine in tried:
                continue
            tried.add(machine)
            if machine not in holder or claim(holder[machine], tried):
                holder[machine] = member
                return True
        return False

    members = [(number, each) for number, need in enumerate(demand.needs) for each in range(need.quantity)]
    if not all(claim(member, set()) for member in members):
        return None
    return sorted((number, machine) for machine, (number, _) in holder.items())


def _rank(fit: Fit, machine: Machine) -> tuple[int, int, int, int, int]:
    return fit.free_at, fit.run_end, fit.run_start - fit.setup_start, machine.worn_min, machine.index


def _slot(demand: Demand, need: int, machine: int, shape: Shape, fit: Fit) -> Slot:
    return Slot(
        demand=demand.id,
        machine=machine,
        setup_start=fit.setup_start,
        run_start=fit.run_start,
        run_end=fit.run_end,
        free_at=fit.free_at,
        family=shape.family,
        need=need,
    )


def _insertion(demand: Demand, slots: tuple[Slot, ...]) -> Insertion:
    return Insertion(
        demand=demand.id,
        slots=slots,
        ready_at=max(slot.free_at for slot in slots),
        setup_min=sum(slot.setup_min for slot in slots),
    )


def _entry(slot: Slot, spare_min: int) -> Entry:
    return Entry(start=slot.setup_start, end=slot.free_at, family=slot.family, spare_min=spare_min, slot=slot)
