"""What to offer for one demand: its best places and why each of them, and places that others would have to leave.

Plain options displace nobody. A displacing one opens an earlier place: a few movable runs go, the demand takes their
place, and each of them is put where it is then ready earliest; the option says who, where to and at what cost. Movable
is what the board's own demands hold one by one and nobody pinned; facts, outages and groups never move.

Reasons, the strongest first:

    others_move      `count` runs go elsewhere, `later_min` in all
    earliest_ready, earliest_start, before_due, liked_date, as_told, no_setup
    quieter_day      less going on around it on its machines than around the others, `busy_min`
    less_wear        the least worn of the machines offered
    next_best        nothing but its turn
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from heapq import nsmallest
from typing import NamedTuple

from scheduler.board import APART_MIN, Board, Insertion, insertion_of, slot_of
from scheduler.greedy import urgency
from scheduler.lanes import NEVER, Entry, Fit, Lane, Shape, shape_of
from scheduler.plan import Plan, Reason, Unplaced, objective
from scheduler.problem import Demand, Presence, Slot

MOST_MOVED = 3  # runs on one machine that make room for one other
MOST_MOVED_FOR_GROUP = 12
TRIED = 8  # displacing places that are played through
LANES_TRIED = 12
WINDOWS_TRIED = 4  # on one machine
QUIET_MIN = 12 * 60  # what lies so near before and after is the day around a place


@dataclass(frozen=True, slots=True, kw_only=True)
class Displaced:
    """Somebody who would move, and where to. `later_min`: ready so much later than now, negative if earlier;
    `late_min`: so many more minutes past due.
    """

    demand: str
    slots: tuple[Slot, ...]
    later_min: int
    late_min: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """A place for one demand, who would have to leave for it, and why it is offered."""

    insertion: Insertion
    displaced: tuple[Displaced, ...] = ()
    reasons: tuple[Reason, ...] = ()

    @property
    def slots(self) -> tuple[Slot, ...]:
        return self.insertion.slots

    @property
    def run_start(self) -> int:
        return self.insertion.run_start

    @property
    def ready_at(self) -> int:
        return self.insertion.ready_at


def options(
    board: Board,
    demand: Demand,
    n: int,
    *,
    displacing: int = 0,
    earliest: int = 0,
    apart_min: int = APART_MIN,
    pinned: Collection[str] = (),
) -> tuple[Option, ...]:
    """Up to `n` plain options, best first, then up to `displacing` that are ready `apart_min` sooner than all of them.

    No two that a person would call the same: starts on one machine lie `apart_min` apart; for a group, and for a
    member in person who wants one of a kind, all starts do. `pinned`: demands that may not move either (within
    the freeze, firm). The board is asked, and left as it was; `demand` may not lie on it.
    """
    alike = demand.presence is Presence.HOUSE
    plain = board.options(demand, n, earliest=earliest, apart_min=apart_min, alike=alike)
    found = [Option(insertion=insertion) for insertion in plain]
    if displacing:
        until = min((o.ready_at - apart_min for o in plain), default=NEVER)
        windows = sorted(_windows(board, demand, earliest, pinned, until), key=lambda w: w.rank)
        for window in windows[:TRIED]:
            option = _play(board, demand, window)
            if option and _is_apart(option, found, apart_min, alike or demand.is_gang):
                found.append(option)
            if len(found) == len(plain) + displacing:
                break
    return with_reasons(board, demand, found)


def place_best(
    board: Board, demand: Demand, *, earliest: int = 0, pinned: Collection[str] = ()
) -> Option | Unplaced:
    """The place that costs the whole plan least: the first that is free, or one that movable runs leave for it.

    Somebody moves only where that saves a place or weighted lateness; what `plan.objective` says of the demand
    and of those who move together decides between such places, told times included.
    """
    first = board.insert(demand, earliest=earliest)
    plain = None if isinstance(first, Unplaced) else first
    late = demand.due is not None and plain is not None and plain.ready_at > demand.due
    best = Option(insertion=plain) if plain else None
    if plain is None or late:
        plain_cost = cost = _cost(board, demand, best)
        until = plain.ready_at if plain else NEVER
        windows = _windows(board, demand, earliest, pinned, until)
        for window in nsmallest(TRIED, windows, key=lambda w: w.estimate):
            option = _play(board, demand, window)
            other = _cost(board, demand, option)
            if option and other[:2] < plain_cost[:2] and other < cost:
                best, cost = option, other
    if best is None:
        assert isinstance(first, Unplaced)
        return first
    return with_reasons(board, demand, [best])[0]


class _Window(NamedTuple):
    """Slots for the demand once `gone` have left. `estimate`: what both may cost in lateness, before it is tried."""

    slots: tuple[Slot, ...]
    gone: tuple[str, ...]
    estimate: float

    @property
    def rank(self) -> tuple[int, int, float]:
        return max(slot.free_at for slot in self.slots), len(self.gone), self.estimate


def _windows(
    board: Board, demand: Demand, earliest: int, pinned: Collection[str], until: int
) -> list[_Window]:
    """Places ready before `until` that open when movable runs go."""
    if board.slots_of(demand.id):
        raise ValueError(f"{demand.id} lies on the board")

    def movable(entry: Entry) -> bool:
        known = board.demand_of(entry.slot.demand) if entry.slot else None
        return known is not None and not known.is_gang and known.id not in pinned

    if demand.is_gang:
        return _group_windows(board, demand, earliest, movable, until)
    found: list[_Window] = []
    for lane in _easiest(board, demand, earliest, movable):
        shape = shape_of(demand, 0, lane.machine, release=earliest)
        for fit, gone in _lane_windows(lane, shape, movable, until):
            slot = slot_of(demand, 0, lane.machine.index, shape, fit)
            found.append(_Window((slot,), gone, _estimate(board, demand, (slot,), gone)))
    return found


def _easiest(board: Board, demand: Demand, earliest: int, movable: Callable[[Entry], bool]) -> list[Lane]:
    """The machines whose first movable run from the release on has the least weight, and the latest due."""
    release = max(earliest, demand.release)

    def resistance(lane: Lane) -> tuple[float, float]:
        at = max(0, bisect_right(lane.reach, release) - 1)
        for entry in lane.entries[at : at + MOST_MOVED]:
            known = board.demand_of(entry.slot.demand) if entry.slot and movable(entry) else None
            if known:
                return known.weight, -(known.due if known.due is not None else NEVER)
        return float(NEVER), 0.0

    lanes = [board.lanes[machine] for machine in demand.needs[0].eligible]
    if len(lanes) <= LANES_TRIED:
        return lanes
    return nsmallest(LANES_TRIED, lanes, key=resistance)


def _lane_windows(
    lane: Lane, shape: Shape, movable: Callable[[Entry], bool], until: int
) -> Iterator[tuple[Fit, tuple[str, ...]]]:
    """The first few places that one to `MOST_MOVED` neighbours on this lane would leave, all of them in the way."""
    entries = lane.entries
    least = shape.setup_min + shape.run_min + shape.clear_min
    left = WINDOWS_TRIED
    for first in range(max(0, bisect_right(lane.reach, shape.release) - 1), len(entries)):
        begin = max(lane.reach[first], shape.release)
        if begin + least >= until or not left:
            return
        for last in range(first, min(first + MOST_MOVED, len(entries))):
            if not movable(entries[last]):
                break
            end = lane.starts[last + 1] if last + 1 < len(entries) else lane.horizon
            fit = lane.fits(shape, begin, min(end, until - 1), lane.before[first])
            if not fit:
                continue
            if entries[first].end > fit.setup_start and entries[last].start < fit.free_at:
                gone = tuple(e.slot.demand for e in entries[first : last + 1] if e.slot)
                if _keeps_setups(lane, fit, shape, gone):
                    left -= 1
                    yield fit, gone
            break


def _group_windows(
    board: Board, demand: Demand, earliest: int, movable: Callable[[Entry], bool], until: int
) -> list[_Window]:
    """The first two dates there would be if nothing movable stood on any machine the group may have."""
    machines = {machine for need in demand.needs for machine in need.eligible}
    bare = board.thinned(machines, lambda entry: not movable(entry))
    found: list[_Window] = []
    for insertion in bare.options(demand, 2, earliest=earliest):
        if insertion.ready_at >= until:
            continue
        gone: dict[str, None] = {}
        for slot in insertion.slots:
            gone.update(dict.fromkeys(_in_the_way(board.lanes[slot.machine], slot, movable)))
        names = tuple(gone)
        sound = all(
            _keeps_setups(
                board.lanes[slot.machine],
                Fit(slot.setup_start, slot.run_start, slot.run_end, slot.free_at),
                shape_of(demand, slot.need, board.lanes[slot.machine].machine),
                names,
            )
            for slot in insertion.slots
        )
        if names and len(names) <= MOST_MOVED_FOR_GROUP and sound:
            estimate = _estimate(board, demand, insertion.slots, names)
            found.append(_Window(insertion.slots, names, estimate))
    return found


def _in_the_way(lane: Lane, slot: Slot, movable: Callable[[Entry], bool]) -> Iterator[str]:
    for entry in lane.entries[max(0, bisect_right(lane.reach, slot.setup_start) - 1) :]:
        if entry.start >= slot.free_at:
            return
        if entry.end > slot.setup_start and entry.slot and movable(entry):
            yield entry.slot.demand


def _keeps_setups(lane: Lane, fit: Fit, shape: Shape, gone: Collection[str]) -> bool:
    """Whether its own set-up is long enough behind what stays, and that of the next one to load something too."""
    loaded, following = lane.machine.loaded, None
    for entry in lane.entries:
        if entry.family is None or (entry.slot and entry.slot.demand in gone):
            continue
        if entry.start >= fit.setup_start:
            following = entry
            break
        loaded = entry.family
    if fit.run_start - fit.setup_start < shape.setup_min + lane.change_min(loaded, shape.family):
        return False
    left = shape.family or loaded
    return following is None or lane.change_min(left, following.family) <= following.spare_min


def _estimate(board: Board, demand: Demand, slots: Iterable[Slot], gone: Iterable[str]) -> float:
    """Weighted lateness if everybody who goes were later by as long as the demand holds a machine."""
    held = tuple(slots)
    total = demand.weight * _late(demand, max(slot.free_at for slot in held))
    longest = max(slot.free_at - slot.setup_start for slot in held)
    for name in gone:
        known = board.demand_of(name)
        assert known is not None
        ready = max(slot.free_at for slot in board.slots_of(name))
        total += known.weight * (_late(known, ready + longest) - _late(known, ready))
    return total


def _play(board: Board, demand: Demand, window: _Window) -> Option | None:
    """Move those in the way, put them where they are ready earliest then, and take it all back. None: one finds no
    place.
    """
    before = {name: board.slots_of(name) for name in window.gone}
    others = sorted((known for name in window.gone if (known := board.demand_of(name))), key=urgency)
    was_known = board.demand_of(demand.id)
    for name in window.gone:
        board.remove(name)
    board.know(demand)
    board.place(window.slots)
    moved: list[Insertion] = []
    for other in others:
        found = board.options(other, 1)
        if not found:
            break
        board.place(found[0].slots)
        moved.append(found[0])
    for name in (*(insertion.demand for insertion in moved), demand.id):
        board.remove(name)
    if was_known is None:
        board.forget(demand.id)
    else:
        board.know(was_known)
    for slots in before.values():
        board.place(slots)
    if len(moved) < len(others):
        return None
    displaced = tuple(
        _displaced(other, before[other.id], to) for other, to in zip(others, moved, strict=True)
    )
    return Option(insertion=insertion_of(window.slots), displaced=displaced)


def _displaced(demand: Demand, before: Sequence[Slot], to: Insertion) -> Displaced:
    was = max(slot.free_at for slot in before)
    return Displaced(
        demand=demand.id,
        slots=to.slots,
        later_min=to.ready_at - was,
        late_min=_late(demand, to.ready_at) - _late(demand, was),
    )


def _late(demand: Demand, ready_at: int) -> int:
    return 0 if demand.due is None else max(0, ready_at - demand.due)


def _cost(board: Board, demand: Demand, option: Option | None) -> tuple[float, ...]:
    """What taking this option adds to each tier of the plan's objective; None leaves the demand without a place."""
    moved = {each.demand: each.slots for each in option.displaced} if option else {}
    others = tuple(known for name in moved if (known := board.demand_of(name)))
    standing = {name: board.slots_of(name) for name in moved}
    taken: Mapping[str, tuple[Slot, ...]] = {**moved, demand.id: option.slots} if option else {}
    after = objective(replace(board.problem, demands=(*others, demand)), Plan(slots=taken))
    before = objective(replace(board.problem, demands=others), Plan(slots=standing))
    return tuple(round(float(new - old), 6) for new, old in zip(astuple(after), astuple(before), strict=True))


def _is_apart(option: Option, others: Iterable[Option], apart_min: int, alike: bool) -> bool:
    on = {slot.machine for slot in option.slots}
    return all(
        abs(option.run_start - other.run_start) >= apart_min
        or not (alike or on & {slot.machine for slot in other.slots})
        for other in others
    )


# --- why this one


def option_of(demand: Demand, slots: tuple[Slot, ...]) -> Option:
    """A place that is given, to be compared with others."""
    return Option(insertion=insertion_of(slots))


def with_reasons(board: Board, demand: Demand, found: Sequence[Option]) -> tuple[Option, ...]:
    """Each with what speaks for it beside the others; `demand` does not lie on the board."""
    if not found:
        return ()
    busy = [_busy_min(board, option) for option in found]
    worn = [sum(board.problem.machines[s.machine].worn_min for s in option.slots) for option in found]
    first_ready, first_start = min(o.ready_at for o in found), min(o.run_start for o in found)
    some_late = demand.due is not None and any(o.ready_at > demand.due for o in found)
    told = demand.told
    explained = []
    for option, busy_min, worn_min in zip(found, busy, worn, strict=True):
        later_min = sum(each.later_min for each in option.displaced)
        machines = tuple(slot.machine for slot in option.slots)
        moving = {"count": len(option.displaced), "later_min": later_min}
        facts = (
            (bool(option.displaced), Reason(code="others_move", facts=moving)),
            (option.ready_at == first_ready, Reason(code="earliest_ready")),
            (
                option.run_start == first_start < max(o.run_start for o in found),
                Reason(code="earliest_start"),
            ),
            (some_late and _late(demand, option.ready_at) == 0, Reason(code="before_due")),
            (_liked(demand, option), Reason(code="liked_date")),
            (
                told is not None and (told.machines, told.start) == (machines, option.run_start),
                Reason(code="as_told"),
            ),
            (_no_setup(board, option), Reason(code="no_setup")),
            (busy_min == min(busy) < max(busy), Reason(code="quieter_day", facts={"busy_min": busy_min})),
            (worn_min == min(worn) < max(worn), Reason(code="less_wear")),
        )
        reasons = tuple(reason for holds, reason in facts if holds)
        explained.append(replace(option, reasons=reasons or (Reason(code="next_best"),)))
    return tuple(explained)


def _liked(demand: Demand, option: Option) -> bool:
    dislikes = demand.dislike_min
    return min(dislikes, default=0) < max(dislikes, default=0) and (
        demand.dislike_of(option.run_start) == min(dislikes)
    )


def _no_setup(board: Board, option: Option) -> bool:
    """Everything it needs is loaded already on each machine that loads anything."""
    gone = {each.demand for each in option.displaced}
    loading = [slot for slot in option.slots if slot.family is not None]
    return bool(loading) and all(
        _loaded(board.lanes[slot.machine], slot, gone) == slot.family for slot in loading
    )


def _loaded(lane: Lane, slot: Slot, gone: Collection[str]) -> object:
    index = bisect_left(lane.starts, slot.setup_start)
    for entry in reversed(lane.entries[:index]):
        if entry.family is not None and not (entry.slot and entry.slot.demand in gone):
            return entry.family
    return lane.machine.loaded


def _busy_min(board: Board, option: Option) -> int:
    """Minutes that others hold its machines within half a day before and after."""
    gone = {each.demand for each in option.displaced}
    total = 0
    for slot in option.slots:
        since, until = slot.setup_start - QUIET_MIN, slot.free_at + QUIET_MIN
        lane = board.lanes[slot.machine]
        for entry in lane.entries[max(0, bisect_right(lane.reach, since) - 1) :]:
            if entry.start >= until:
                break
            if entry.slot and entry.slot.demand not in gone:
                total += max(0, min(entry.end, until) - max(entry.start, since))
    return total
