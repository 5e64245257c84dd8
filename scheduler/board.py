"""A problem and a plan laid out as lanes, one a machine: kept, it answers where one more demand would go.

Machines are asked in order of what `gaps` lets hope for, and most of them never. "Best" is least by (ready, end of the
run, set-up minutes, wear, machine); where dates are liked more or less, by lateness and liking before that.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heappush
from itertools import islice

from scheduler.gaps import Gaps, Question
from scheduler.lanes import NEVER, Entry, Fit, Lane, Shape
from scheduler.plan import Plan, Reason, Unplaced
from scheduler.problem import Demand, Fact, Family, Machine, Presence, Problem, Slot

_Alike = tuple[int, int, tuple[int, bool, int], Shape]
_Rank = tuple[int, int, int, int, int]

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


class _Call:
    """One need of a gang: when its machines arrive, asked again only when the time in question has passed them by."""

    def __init__(self, question: Question, quantity: int) -> None:
        self.question = question
        self.quantity = quantity
        self._fits: dict[int, Fit] = {}
        # (start, or a bound of it where there is no fit yet; machine), the earliest first
        self._arrivals = [(bound.run_start, bound.machine) for bound in question.bounds()]
        heapify(self._arrivals)

    def met_from(self, at: int) -> int:
        """The first minute from `at` on at which `quantity` machines, one at a time, could start; NEVER if none."""
        arrived: list[tuple[int, int]] = []
        while len(arrived) < self.quantity and (arrival := self._next(at)):
            arrived.append(arrival)
        for arrival in arrived:
            heappush(self._arrivals, arrival)
        return arrived[-1][0] if len(arrived) == self.quantity else NEVER

    def ready(self, at: int) -> dict[int, Fit]:
        """The machines that could start at this very minute."""
        arrived: list[tuple[int, int]] = []
        while self._arrivals and self._arrivals[0][0] <= at and (arrival := self._next(at)):
            arrived.append(arrival)
        for arrival in arrived:
            heappush(self._arrivals, arrival)
        return {machine: self._fits[machine] for start, machine in arrived if start == at}

    def next_from(self, at: int) -> int:
        """No machine arrives between `at` and this; to be asked once all that are `ready` then are known."""
        return min((start for start, _ in self._arrivals if start > at), default=NEVER)

    def _next(self, at: int) -> tuple[int, int] | None:
        """Take the next arrival from `at` on, asking those that stand before it for theirs."""
        while self._arrivals:
            start, machine = heappop(self._arrivals)
            known = self._fits.get(machine)
            if known and known.run_start >= at:
                return start, machine
            fit = self.question.first(machine, at)
            if fit:
                self._fits[machine] = fit
                if fit.run_start == at:
                    return at, machine
                heappush(self._arrivals, (fit.run_start, machine))
        return None


class Board:
    """A problem and a plan as one lane a machine. Changed only by `place` and `remove`; the plan given is
    not.
    """

    def __init__(self, problem: Problem, plan: Plan | None = None) -> None:
        self.problem = problem
        self._demands = {demand.id: demand for demand in problem.demands}
        self._slots: dict[str, tuple[Slot, ...]] = dict(plan.slots) if plan else {}
        self._families: dict[
            Family, Family
        ] = {}  # one object each: comparing them costs more than all the rest
        entries: list[list[Entry]] = [[] for _ in problem.machines]
        for slot in problem.fixed:
            entries[slot.machine].append(self._entry(slot))
            self._slots[slot.demand] = (*self._slots.get(slot.demand, ()), slot)
        for slots in plan.slots.values() if plan else ():
            for slot in slots:
                entries[slot.machine].append(self._entry(slot))
        self.lanes: list[Lane] = []
        calendars: dict[tuple[int, int, int], Lane] = {}
        for machine, on_it in zip(problem.machines, entries, strict=True):
            hours = (id(machine.staffed), id(machine.open), machine.unattended_max_min)
            lane = Lane(machine, problem.horizon_min, on_it, calendars.get(hours))
            calendars.setdefault(hours, lane)
            self.lanes.append(lane)
        self._gaps: Gaps | None = None

    def place(self, slots: Collection[Slot]) -> None:
        """Put slots down as they are; whether they fit is not asked."""
        for slot in slots:
            self.lanes[slot.machine].add(self._entry(slot))
            self._slots[slot.demand] = (*self._slots.get(slot.demand, ()), slot)
            self._touch(slot.machine)

    def remove(self, demand: str) -> None:
        """Take this demand off the machines that hold it."""
        for machine in {slot.machine for slot in self._slots.pop(demand, ())}:
            self.lanes[machine].remove(demand)
            self._touch(machine)

    def slots_of(self, demand: str) -> tuple[Slot, ...]:
        """What this demand holds, planned or fixed; nothing for one that is not here."""
        return self._slots.get(demand, ())

    def demand_of(self, name: str) -> Demand | None:
        """What is asked by one the board knows; None for facts and strangers."""
        return self._demands.get(name)

    def thinned(self, machines: Collection[int], stays: Callable[[Entry], bool]) -> Board:
        """A board to ask where these machines hold only what stays; its other lanes are this board's own."""
        thin = Board.__new__(Board)
        thin.problem, thin._demands, thin._families = self.problem, self._demands, self._families
        thin._slots, thin._gaps = self._slots, None
        chosen = set(machines)
        thin.lanes = [lane.only(stays) if lane.machine.index in chosen else lane for lane in self.lanes]
        return thin

    def altered(self, machines: Collection[Machine]) -> Board:
        """A board to ask where these machines have another calendar, limit or outage; all that lies on them stays, and
        its other lanes are this board's own."""
        other = self.thinned((), lambda entry: True)
        calendars: dict[tuple[int, int, int], Lane] = {}
        for machine in machines:
            lane = self.lanes[machine.index]
            hours = (id(machine.staffed), id(machine.open), machine.unattended_max_min)
            on_it = (entry for entry in lane.entries if entry.block is None)
            other.lanes[machine.index] = Lane(machine, lane.horizon, on_it, calendars.get(hours))
            calendars.setdefault(hours, other.lanes[machine.index])
        return other

    def release_of(self, demand: str) -> int:
        return self._demands[demand].release

    def know(self, demand: Demand) -> None:
        """Tell of a demand that is not in the problem, before its slots are placed."""
        self._demands[demand.id] = demand

    def forget(self, name: str) -> None:
        self._demands.pop(name, None)

    def insert(self, demand: Demand, *, earliest: int = 0) -> Insertion | Unplaced:
        """The best place for `demand` with no set-up before `earliest`; the board itself stays as it is."""
        found = next(iter(self.options(demand, 1, earliest=earliest)), None)
        return found or Unplaced(demand=demand.id, reasons=self._reasons(demand, earliest))

    def options(
        self,
        demand: Demand,
        n: int,
        *,
        earliest: int = 0,
        apart_min: int = APART_MIN,
        alike: bool = False,
    ) -> tuple[Insertion, ...]:
        """Up to `n` best places, best first; starts on one machine lie `apart_min` apart.

        For a gang, and where the machines are `alike` to who asks, all starts do: each is then the best from
        `apart_min` behind the one before.
        """
        if demand.dislike_min:
            return self._by_liking(demand, n, earliest, apart_min, alike)
        if alike and not demand.is_gang:
            return tuple(islice(self._one_by_one(demand, earliest, apart_min), n))
        found = (
            self._gangs(demand, earliest, apart_min)
            if demand.is_gang
            else self._singles(self.ask(demand, earliest=earliest), demand, n, 0, apart_min)
        )
        return tuple(islice(found, n))

    def _by_liking(
        self, demand: Demand, n: int, earliest: int, apart_min: int, alike: bool
    ) -> tuple[Insertion, ...]:
        """The `n` best for each liking, dates liked alike as one, merged: the least late, the best liked, the first."""
        found: list[Insertion] = []
        for liking in set(demand.dislike_min):
            dates = zip(demand.starts, demand.dislike_min, strict=True)
            starts = tuple(piece for piece, dislike_min in dates if dislike_min == liking)
            dated = replace(demand, starts=starts, dislike_min=())
            found += self.options(dated, n, earliest=earliest, apart_min=apart_min, alike=alike)
        due = NEVER if demand.due is None else demand.due
        found.sort(key=lambda o: (max(0, o.ready_at - due), demand.dislike_of(o.run_start), o.ready_at))
        return tuple(found[:n])

    def _entry(self, slot: Slot) -> Entry:
        demand, family = self._demands.get(slot.demand), slot.family
        if family is not None:
            family = self._families.setdefault(family, family)
        spare_min = slot.setup_min - (demand.setup_of(slot.need) if demand else 0)
        return Entry(slot.setup_start, slot.free_at, family, spare_min, slot)

    def ask(self, demand: Demand, need: int = 0, *, earliest: int = 0) -> Question:
        """One need put to the machines it may have; good until the board changes."""
        if self._gaps is None:
            self._gaps = Gaps(self.lanes)
        return Question(self._gaps, demand, need, release=earliest)

    def _touch(self, machine: int) -> None:
        if self._gaps is not None:
            self._gaps.touch(machine)

    def _one_by_one(self, demand: Demand, earliest: int, apart_min: int) -> Iterator[Insertion]:
        question = self.ask(demand, earliest=earliest)
        found = next(self._singles(question, demand, 1, 0, apart_min), None)
        while found:
            yield found
            found = next(self._singles(question, demand, 1, found.run_start + apart_min, apart_min), None)

    def _singles(
        self, question: Question, demand: Demand, n: int, not_before: int, apart_min: int
    ) -> Iterator[Insertion]:
        """Each machine gives its places in order of readiness; a heap of one from each merges them.

        In the heap a machine stands with a bound until it is asked, which a place of the same readiness stands
        behind. What is ready later than `n` first places that are known is not searched for.
        """
        waiting: list[tuple[_Rank, Fit | None]] = [
            ((bound.free_at, bound.run_end, -1, -1, bound.machine), None)
            for bound in question.bounds(not_before)
        ]
        heapify(waiting)
        first_ready: list[int] = []

        def push(machine: int, not_before: int) -> Fit | None:
            limit = first_ready[n - 1] if len(first_ready) >= n else NEVER
            fit = question.first(machine, not_before, limit)
            if fit:
                heappush(waiting, (_rank(fit, self.lanes[machine].machine), fit))
            return fit

        while waiting:
            rank, fit = heappop(waiting)
            machine = rank[-1]
            if fit:
                yield insertion_of((slot_of(demand, 0, machine, question.shape(machine), fit),))
                push(machine, fit.run_start + apart_min)
            elif found := push(machine, not_before):
                insort(first_ready, found.free_at)

    def _gangs(self, demand: Demand, earliest: int, apart_min: int) -> Iterator[Insertion]:
        calls = [
            _Call(self.ask(demand, k, earliest=earliest), n.quantity) for k, n in enumerate(demand.needs)
        ]
        found = self._gang(demand, calls, 0)
        while found:
            yield found
            found = self._gang(demand, calls, found.run_start + apart_min)

    def _gang(self, demand: Demand, calls: Sequence[_Call], not_before: int) -> Insertion | None:
        """The earliest common start from `not_before` on, never looking at sets of machines.

        Before the `quantity`-th machine arrives a need cannot be met: so `at` may jump there, and the scarcest
        need is asked first. Where every need alone could be met but they compete for the same machines,
        nothing changes until one more machine arrives.
        """
        scarce = sorted(calls, key=lambda call: len(call.question.machines) - call.quantity)
        at = not_before
        while at < self.problem.horizon_min:
            jump = next((met for call in scarce if (met := call.met_from(at)) > at), at)
            if jump <= at:
                ready = {
                    (number, machine): fit
                    for number, call in enumerate(calls)
                    for machine, fit in call.ready(at).items()
                }
                crew = _crew(demand, ready, self.problem.machines)
                if crew:
                    slots = (slot_of(demand, k, m, calls[k].question.shape(m), ready[k, m]) for k, m in crew)
                    return insertion_of(tuple(slots))
                jump = min(call.next_from(at) for call in calls)
            at = jump
        return None

    def _reasons(self, demand: Demand, earliest: int) -> tuple[Reason, ...]:
        """Why there is no place: by machine, each tried as if empty; then by need, where a crew is what
        is missing.
        """
        reasons: list[Reason] = []
        known: dict[_Alike, Reason | None] = {}
        for number, need in enumerate(demand.needs):
            if len(need.eligible) < need.quantity:
                facts: dict[str, Fact] = {
                    "need": number,
                    "wanted": need.quantity,
                    "eligible": len(need.eligible),
                }
                reasons.append(Reason(code="too_few_eligible", facts=facts))
            question = self.ask(demand, number, earliest=earliest)
            for machine in need.eligible:
                if not (demand.is_gang and question.first(machine)):
                    reasons.append(self.reason(self.lanes[machine], question.shape(machine), known))
        return tuple(reasons) or (Reason(code="never_together"),)

    def reason(self, lane: Lane, shape: Shape, known: dict[_Alike, Reason | None] | None = None) -> Reason:
        """Why a shape has no place on a lane of this board: its calendar, an outage, or what others hold.

        `known`: what the calendars of machines alike were found to say, asked once for all of them.
        """
        machine, known = lane.machine, {} if known is None else known
        change_min = lane.change_min(machine.loaded, shape.family)
        rules = machine.unattended_max_min, machine.night_start_ok, change_min
        alike = (id(lane.staffed), id(lane.open), rules, shape)
        if alike not in known:
            bare = lane.bare(blocked=False)
            known[alike] = None if bare.first(shape) else _calendar_reason(bare, shape)
        closed = known[alike]
        if closed:
            return Reason(code=closed.code, facts={**closed.facts, "machine": machine.index})
        free = not machine.blocked or lane.bare(blocked=True).first(shape)
        return Reason(code="machine_busy" if free else "faulty", facts={"machine": machine.index})


def _calendar_reason(empty: Lane, shape: Shape) -> Reason:
    """Which rule keeps a shape off an empty machine: rules are let go one after the other until it fits."""
    machine, horizon = empty.machine, empty.horizon
    facts: dict[str, Fact] = {"machine": machine.index, "run_min": shape.run_min}
    shape = shape._replace(start_from=(), start_until=())
    if empty.first(shape):
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
    setup_min = shape.setup_min + empty.change_min(machine.loaded, shape.family)
    if empty.staffed.room(0, max(setup_min, shape.clear_min)) >= horizon:
        return Reason(code="setup_needs_person", facts={**facts, "setup_min": setup_min})
    return Reason(code="beyond_horizon", facts={**facts, "horizon": horizon})


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


def _rank(fit: Fit, machine: Machine) -> _Rank:
    return fit.free_at, fit.run_end, fit.run_start - fit.setup_start, machine.worn_min, machine.index


def slot_of(demand: Demand, need: int, machine: int, shape: Shape, fit: Fit) -> Slot:
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


def insertion_of(slots: tuple[Slot, ...]) -> Insertion:
    """Of one demand's slots; there is one at least."""
    return Insertion(
        demand=slots[0].demand,
        slots=slots,
        ready_at=max(slot.free_at for slot in slots),
        setup_min=sum(slot.setup_min for slot in slots),
    )
