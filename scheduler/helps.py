"""What would have a demand ready earlier, or would give it a place at all: one thing changed at a time, each one tried.

A change is a demand or some machines as they might be. It is inserted for real beside all that stands, so what is said
of it is what insertion would then do. How many changes are tried is bounded, whatever the problem: a few of each kind.

    another_colour, another_material    the family that some other run has here, or that is in stock
    earlier_release, other_start        a start that is not allowed now
    in_parts                            two to four runs of equal length, one after the other or side by side
    smaller_group                       fewer machines of one need
    longer_alone                        a machine that may run longer with nobody there
    staff_earlier, staff_later          somebody there before the day begins or after it ends
    staff_day                           somebody there on the day after a working day, at that day's hours
    other_machine                       a machine that is barred now, with the `reason` why it is
    repaired                            a machine without its outages
    higher_priority                     a heavier weight: others give way (`options.place_best`)
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from scheduler import options
from scheduler.board import Board, Insertion
from scheduler.plan import Reason
from scheduler.problem import Demand, Fact, Family, Machine, Piece, Presence, Slot, Why, pieces

LEAST_GAIN_MIN = 30  # less than this is no reason to change anything
HEAVIER = 3.0  # what "urgent" weighs beside the usual
LONGER_DAY_MIN = (60, 120)  # so much earlier or later somebody might be there
REST_MIN = 5 * 60  # staffed stretches nearer than this belong to one working day
DAY_MIN = 24 * 60
MOST_PARTS = 4
MOST_TRIES = 8  # of one kind
SHORTEST_PART_MIN = 15

#: What a change asks of people, beside each other: the gain is divided by it.
ASKS: Mapping[str, float] = MappingProxyType(
    {
        "earlier_release": 1,
        "other_start": 1,
        "another_colour": 1,
        "in_parts": 3,
        "another_material": 4,
        "smaller_group": 4,
        "longer_alone": 4,
        "other_machine": 4,
        "staff_earlier": 4,
        "staff_later": 4,
        "higher_priority": 6,
        "repaired": 6,
        "staff_day": 12,
    }
)

_NO_FACTS: Mapping[str, Fact] = MappingProxyType({})
_Stretch = tuple[Piece, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What may be suggested at all. `families`: those that are in stock, None for those the machines are seen to load;
    `cures`: reasons of barred machines that somebody could do something about, None for all of them. `heavier`: what
    "urgent" makes of the weight; 1 where it is urgent already."""

    families: Collection[Family] | None = None
    cures: Collection[str] | None = None
    pinned: Collection[str] = ()
    heavier: float = HEAVIER


@dataclass(frozen=True, slots=True, kw_only=True)
class Help:
    """One change, where the demand would then be, and how much earlier it would be ready.

    `facts` name what was changed: a family by `material` and `colour`, a stretch by `since` and `until`, a machine ...
    """

    code: str
    slots: tuple[Slot, ...]
    ready_at: int
    gain_min: int
    facts: Mapping[str, Fact] = field(default_factory=lambda: _NO_FACTS)

    @property
    def reason(self) -> Reason:
        where: dict[str, Fact] = {"machine": self.slots[0].machine, "start": self.slots[0].run_start}
        gained: dict[str, Fact] = {"ready_at": self.ready_at, "gain_min": self.gain_min}
        return Reason(code=self.code, facts={**where, **gained, **self.facts})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """The demand, or some machines, as they might be."""

    code: str
    demand: Demand
    machines: tuple[Machine, ...] = ()
    facts: Mapping[str, Fact] = field(default_factory=lambda: _NO_FACTS)


def earlier(
    board: Board,
    demand: Demand,
    ready_at: int,
    *,
    scope: Scope | None = None,
    least_gain_min: int = LEAST_GAIN_MIN,
) -> tuple[Help, ...]:
    """What would have `demand` ready at least so much before `ready_at`, one help of a kind: the most gain for what it
    asks of people first.

    The demand may not lie on the board. What it would gain today without any change is not counted as anybody's gain.
    """
    now = board.insert(demand)
    base = ready_at if not isinstance(now, Insertion) else min(ready_at, now.ready_at)
    best: dict[str, Help] = {}
    for help_ in _all(board, demand, scope or Scope(), base):
        known = best.get(help_.code)
        if help_.gain_min >= least_gain_min and (known is None or _worth(help_) > _worth(known)):
            best[help_.code] = help_
    return tuple(sorted(best.values(), key=_worth, reverse=True))


def possible(board: Board, demand: Demand, *, scope: Scope | None = None) -> tuple[Help, ...]:
    """What would give a demand without a place one, the first of each kind that does; the least asked first.

    `gain_min` is 0: there is nothing to compare with.
    """
    found: dict[str, Help] = {}
    for change in _changes(board, demand, scope or Scope(), None):
        if change.code not in found and (help_ := _try(board, change, None)):
            found[change.code] = help_
    if help_ := _smaller(board, demand, None):
        found[help_.code] = help_
    return tuple(sorted(found.values(), key=lambda h: (ASKS[h.code], h.ready_at)))


def _worth(help_: Help) -> float:
    asks = ASKS[help_.code]
    moved = help_.facts.get("count", 0)
    return help_.gain_min / (asks + moved if isinstance(moved, int) else asks)


def _all(board: Board, demand: Demand, scope: Scope, base: int) -> Iterator[Help]:
    for change in _changes(board, demand, scope, base):
        if help_ := _try(board, change, base):
            yield help_
    if help_ := _smaller(board, demand, base):
        yield help_
    yield from _in_parts(board, demand, base)
    yield from _urgent(board, demand, scope, base)


def _try(board: Board, change: _Change, base: int | None) -> Help | None:
    there = board.altered(change.machines) if change.machines else board
    found = there.insert(change.demand)
    if not isinstance(found, Insertion):
        return None
    facts = dict(change.facts)
    if change.code == "longer_alone":
        facts["limit_min"] = max(_alone_min(board.lanes[s.machine].machine, s) for s in found.slots)
    return Help(
        code=change.code,
        slots=found.slots,
        ready_at=found.ready_at,
        gain_min=0 if base is None else base - found.ready_at,
        facts=facts,
    )


def _changes(board: Board, demand: Demand, scope: Scope, base: int | None) -> Iterator[_Change]:
    """Those that are one insertion each. `base`: what begins later than this is of no use; None: everything is."""
    before = board.problem.horizon_min if base is None else base
    if demand.release > 0:
        facts: dict[str, Fact] = {"until": demand.release}
        yield _Change(code="earlier_release", demand=replace(demand, release=0), facts=facts)
    if demand.starts:
        yield _Change(code="other_start", demand=replace(demand, starts=(), dislike_min=()))
    yield from _families(board, demand, scope, before)
    yield from _longer_alone(board, demand)
    yield from _barred(demand, scope)
    yield from _repaired(board, demand, before)
    yield from _more_staff(board, demand, before, latest=base is not None)


def _machines(board: Board, demand: Demand) -> list[Machine]:
    indices = dict.fromkeys(m for need in demand.needs for m in need.eligible)
    return [board.lanes[index].machine for index in indices]


def _families(board: Board, demand: Demand, scope: Scope, before: int) -> Iterator[_Change]:
    own = demand.family
    machines = [machine for machine in _machines(board, demand) if machine.loads]
    if own is None or not machines:
        return
    known: Iterable[Family | None] = scope.families if scope.families is not None else ()
    if scope.families is None:
        lanes = [board.lanes[machine.index] for machine in machines]
        seen = (entry.family for lane in lanes for entry in lane.entries if entry.start < before)
        known = (*(machine.loaded for machine in machines), *seen)
    tried = [f for f in dict.fromkeys(known) if f is not None and f != own and f.nozzle == own.nozzle]
    for family in sorted(tried, key=lambda f: f.material != own.material)[:MOST_TRIES]:
        code = "another_colour" if family.material == own.material else "another_material"
        facts: dict[str, Fact] = {"material": family.material, "colour": family.colour}
        yield _Change(code=code, demand=replace(demand, family=family), facts=facts)


def _longer_alone(board: Board, demand: Demand) -> Iterator[_Change]:
    """Only where nobody has to be there anyway: what somebody must watch stays watched."""
    if demand.presence is not Presence.NOBODY:
        return
    longer = tuple(
        replace(machine, unattended_max_min=demand.duration_min[machine.index])
        for machine in _machines(board, demand)
        if machine.unattended_max_min < demand.duration_min[machine.index]
    )
    if longer:
        yield _Change(code="longer_alone", demand=demand, machines=longer)


def _alone_min(machine: Machine, slot: Slot) -> int:
    """The longest stretch of a run with nobody there; never less than the machine's limit as it is."""
    edges = [slot.run_start]
    for start, end in machine.staffed:
        if start < slot.run_end and end > slot.run_start:
            edges += [max(start, slot.run_start), min(end, slot.run_end)]
    edges.append(slot.run_end)
    gaps = (end - start for start, end in zip(edges[::2], edges[1::2], strict=True))
    return max(machine.unattended_max_min, *gaps)


def _barred(demand: Demand, scope: Scope) -> Iterator[_Change]:
    """With the longest duration known, where none is known there: not on guesses that flatter."""
    if demand.is_gang:
        return
    slowest = max(demand.duration_min.values(), default=0)
    curable = [
        (m, why) for m, why in demand.not_eligible.items() if scope.cures is None or why in scope.cures
    ]
    for machine, why in curable[:MOST_TRIES]:
        run_min = demand.duration_min.get(machine, slowest)
        if not run_min:
            continue
        (need,) = demand.needs
        wider = replace(
            demand,
            needs=(replace(need, eligible=(machine,)),),
            duration_min={machine: run_min},
        )
        yield _Change(code="other_machine", demand=wider, facts={"reason": why, "run_min": run_min})


def _repaired(board: Board, demand: Demand, before: int) -> Iterator[_Change]:
    broken = [
        machine
        for machine in _machines(board, demand)
        if any(block.why is Why.OUTAGE and block.start < before for block in machine.blocked)
    ]
    for machine in broken[:MOST_TRIES]:
        whole = tuple(block for block in machine.blocked if block.why is not Why.OUTAGE)
        facts: dict[str, Fact] = {"machine": machine.index}
        yield _Change(
            code="repaired", demand=demand, machines=(replace(machine, blocked=whole),), facts=facts
        )


def _more_staff(board: Board, demand: Demand, before: int, *, latest: bool) -> Iterator[_Change]:
    """On the hours of the first machine it may have: who is there is there for all of them. `latest`: the last few days
    count, just before it would be ready; else the first."""
    machines = _machines(board, demand)
    if not machines:
        return
    days = [day for day in _days(machines[0].staffed) if day[0].start < before]
    early, late, whole = _stretches(days, before)
    for code, stretches in (("staff_earlier", early), ("staff_later", late), ("staff_day", whole)):
        if not stretches or not _any_use(board, demand, machines, stretches, before):
            continue
        for stretch in stretches[-MOST_TRIES:] if latest else stretches[:MOST_TRIES]:
            facts: dict[str, Fact] = {"since": stretch[0].start, "until": stretch[-1].end}
            if code == "staff_day":
                facts["day"] = stretch[0].start
            yield _Change(code=code, demand=demand, machines=_staffed_too(machines, stretch), facts=facts)


def _any_use(
    board: Board, demand: Demand, machines: list[Machine], stretches: list[_Stretch], before: int
) -> bool:
    """Whether all of it together would do anything: if not, no part of it does."""
    together = _staffed_too(machines, [piece for stretch in stretches for piece in stretch])
    found = board.altered(together).insert(demand)
    return isinstance(found, Insertion) and found.ready_at < before


def _staffed_too(machines: Iterable[Machine], more: Collection[Piece]) -> tuple[Machine, ...]:
    """With somebody there in these pieces too: the house is open then. Machines with the same calendars keep that."""
    hours: dict[tuple[int, int], tuple[tuple[Piece, ...], tuple[Piece, ...]]] = {}
    found: list[Machine] = []
    for machine in machines:
        key = (id(machine.staffed), id(machine.open))
        if key not in hours:
            hours[key] = (pieces([*machine.staffed, *more]), pieces([*machine.open, *more]))
        staffed, open_ = hours[key]
        found.append(replace(machine, staffed=staffed, open=open_))
    return tuple(found)


def _days(staffed: Iterable[Piece]) -> list[_Stretch]:
    """Staffed stretches by working day: a long rest parts two of them."""
    days: list[list[Piece]] = []
    for piece in staffed:
        if days and piece.start - days[-1][-1].end < REST_MIN:
            days[-1].append(piece)
        else:
            days.append([piece])
    return [tuple(day) for day in days]


def _stretches(days: list[_Stretch], before: int) -> tuple[list[_Stretch], list[_Stretch], list[_Stretch]]:
    """Before a day, after one, and whole days that follow one with nobody there."""
    early: list[_Stretch] = [
        (Piece(day[0].start - more, day[0].start),)
        for day in days
        for more in LONGER_DAY_MIN
        if day[0].start >= more
    ]
    late: list[_Stretch] = [
        (Piece(day[-1].end, day[-1].end + more),)
        for day in days
        for more in LONGER_DAY_MIN
        if day[-1].end < before
    ]
    whole: list[_Stretch] = []
    for number, day in enumerate(days):
        shifted = tuple(Piece(start + DAY_MIN, end + DAY_MIN) for start, end in day)
        following = days[number + 1][0].start if number + 1 < len(days) else before
        if shifted[-1].end + REST_MIN <= following and shifted[0].start < before:
            whole.append(shifted)
    return early, late, whole


def _smaller(board: Board, demand: Demand, base: int | None) -> Help | None:
    """The largest group that has a place; where there is a place to compare with, one that is earlier."""
    for number, need in enumerate(demand.needs):
        for quantity in range(need.quantity - 1, max(0, need.quantity - 1 - MOST_TRIES), -1):
            fewer = replace(need, quantity=quantity)
            needs = tuple(fewer if k == number else n for k, n in enumerate(demand.needs))
            facts: dict[str, Fact] = {"need": number, "quantity": quantity}
            change = _Change(code="smaller_group", demand=replace(demand, needs=needs), facts=facts)
            found = _try(board, change, base)
            if found and (base is None or found.gain_min >= LEAST_GAIN_MIN):
                return found
    return None


def _in_parts(board: Board, demand: Demand, base: int) -> Iterator[Help]:
    """All parts placed one after the other as claims of their own; ready when the last one is."""
    longest = max(demand.duration_min.values(), default=0)
    if demand.is_gang or demand.presence is Presence.HOUSE or demand.starts:
        return
    for parts in range(2, MOST_PARTS + 1):
        if longest < parts * SHORTEST_PART_MIN:
            return
        found = _place_parts(board, demand, parts)
        if found:
            ready_at = max(slot.free_at for slot in found)
            facts: dict[str, Fact] = {"parts": parts, "run_min": -(-longest // parts)}
            gain_min = base - ready_at
            yield Help(code="in_parts", slots=found, ready_at=ready_at, gain_min=gain_min, facts=facts)


def _place_parts(board: Board, demand: Demand, parts: int) -> tuple[Slot, ...]:
    shorter = {machine: -(-run_min // parts) for machine, run_min in demand.duration_min.items()}
    placed: list[Slot] = []
    for number in range(parts):
        part = replace(demand, id=f"{demand.id}#{number}", duration_min=shorter, told=None)
        found = board.insert(part)
        if not isinstance(found, Insertion):
            break
        board.know(part)
        board.place(found.slots)
        placed += found.slots
    for slot in placed:
        board.remove(slot.demand)
        board.forget(slot.demand)
    return tuple(placed) if len(placed) == parts else ()


def _urgent(board: Board, demand: Demand, scope: Scope, base: int) -> Iterator[Help]:
    """Only what more weight changes: a place that others would leave anyway is no gain of it."""
    if demand.due is None or demand.is_gang or scope.heavier <= 1:
        return
    urgent = replace(demand, weight=demand.weight * scope.heavier)
    found = options.place_best(board, urgent, pinned=scope.pinned)
    if not isinstance(found, options.Option) or not found.displaced:
        return
    usual = options.place_best(board, demand, pinned=scope.pinned)
    if isinstance(usual, options.Option):
        base = min(base, usual.ready_at)
    later_min = max(each.later_min for each in found.displaced)
    facts: dict[str, Fact] = {"count": len(found.displaced), "later_min": later_min}
    gain_min = base - found.ready_at
    yield Help(
        code="higher_priority", slots=found.slots, ready_at=found.ready_at, gain_min=gain_min, facts=facts
    )
