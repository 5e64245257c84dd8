"""One machine's time line: what lies on it, and where one more run would first fit.

A lane keeps what occupies its machine sorted by start, the furthest end so far and the family left loaded
before each entry, so that a search begins at the right gap by bisection. Inside a gap the rules of the
calendar push the start forward until none of them objects: each either agrees with a minute or names the
next one it could accept. That works because nothing becomes free earlier by starting later. With a trace,
the same search says what it met.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from scheduler.problem import Block, Demand, Family, Machine, Piece, Presence, Slot

NEVER = 1 << 40


class Shape(NamedTuple):
    """One need of one demand as one machine sees it."""

    run_min: int
    setup_min: int  # before any change of family
    clear_min: int
    release: int
    presence: Presence
    family: Family | None  # None also where the machine loads nothing
    start_from: tuple[int, ...]
    start_until: tuple[int, ...]


def shape_of(demand: Demand, need: int, machine: Machine, *, release: int = 0) -> Shape:
    """`release` may only be later than the demand's own."""
    return Shape(
        run_min=demand.duration_min[machine.index],
        setup_min=demand.setup_of(need),
        clear_min=demand.clear_of(need),
        release=max(0, release, demand.release),
        presence=demand.presence,
        family=demand.family if machine.loads else None,
        start_from=tuple(piece.start for piece in demand.starts),
        start_until=tuple(piece.end for piece in demand.starts),
    )


class Fit(NamedTuple):
    """Where a shape fits: the four instants of a slot."""

    setup_start: int
    run_start: int
    run_end: int
    free_at: int


class Entry(NamedTuple):
    """Something that occupies the machine. `spare_min`: what its set-up leaves for a change of family."""

    start: int
    end: int
    family: Family | None = None
    spare_min: int = 0
    slot: Slot | None = None
    block: Block | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """A rule that moved a start: it could not be `at`, and this rule allows nothing before `until`."""

    code: str
    at: int
    until: int
    entry: Entry | None = None


class Hours:
    """Sorted pieces for questions by bisection; each answers with the given minute or the next that would
    do.
    """

    __slots__ = ("ends", "starts")

    def __init__(self, calendar: Iterable[Piece]) -> None:
        stretches = tuple(calendar)
        self.starts = [piece.start for piece in stretches]
        self.ends = [piece.end for piece in stretches]

    def room(self, at: int, length: int) -> int:
        """The first minute from `at` on with `length` minutes (one at least) inside one piece."""
        starts, ends = self.starts, self.ends
        index = bisect_right(starts, at) - 1
        if index >= 0 and ends[index] >= at + length and ends[index] > at:
            return at
        for later in range(index + 1, len(starts)):
            if ends[later] - starts[later] >= length:
                return starts[later]
        return NEVER


class Lane:
    """The time line of one machine. Entries may overlap: facts (an overrun into the next slot) do."""

    __slots__ = ("before", "entries", "gaps", "horizon", "machine", "open", "reach", "staffed", "starts")

    def __init__(
        self, machine: Machine, horizon: int, entries: Iterable[Entry], like: Lane | None = None
    ) -> None:
        """`like`: a lane whose machine has the same calendars, which are then not read again."""
        self.machine = machine
        self.horizon = horizon
        self.staffed: Hours = like.staffed if like else Hours(machine.staffed)
        self.open: Hours = like.open if like else Hours(machine.open)
        self.gaps: tuple[list[int], list[int]] = like.gaps if like else long_gaps(machine)
        blocks = [Entry(start=block.start, end=block.end, block=block) for block in machine.blocked]
        self.entries = sorted([*blocks, *entries], key=_when)
        self.starts = [entry.start for entry in self.entries]
        self.reach = [0]
        self.before = [machine.loaded]
        furthest, loaded = 0, machine.loaded
        for entry in self.entries:
            furthest = max(furthest, entry.end)
            loaded = entry.family or loaded
            self.reach.append(furthest)
            self.before.append(loaded)

    def bare(self, *, blocked: bool) -> Lane:
        """This machine with nobody on it, its outages kept or not."""
        machine = self.machine if blocked else replace(self.machine, blocked=())
        return Lane(machine, self.horizon, (), self)

    def only(self, stays: Callable[[Entry], bool]) -> Lane:
        """This lane with no more than the entries that stay, and its outages."""
        on_it = (entry for entry in self.entries if entry.block is None and stays(entry))
        return Lane(self.machine, self.horizon, on_it, self)

    def add(self, entry: Entry) -> None:
        index = bisect_left(self.entries, _when(entry), key=_when)
        self.entries.insert(index, entry)
        self.starts.insert(index, entry.start)
        self.reach.insert(index + 1, max(self.reach[index], entry.end))
        self.before.insert(index + 1, entry.family or self.before[index])
        self._follow(index + 1)

    def remove(self, demand: str) -> None:
        """Take every entry of this demand away."""
        for index in reversed(range(len(self.entries))):
            slot = self.entries[index].slot
            if slot is not None and slot.demand == demand:
                del self.entries[index], self.starts[index]
                del self.reach[index + 1], self.before[index + 1]
                self._follow(index)

    def _follow(self, index: int) -> None:
        """Work out `reach` and `before` behind the entries from `index` on, until both are what they were.

        Both have one value more than there are entries.
        """
        reach, before = self.reach, self.before
        for at in range(index, len(self.entries)):
            entry = self.entries[at]
            furthest, loaded = max(reach[at], entry.end), entry.family or before[at]
            if reach[at + 1] == furthest and before[at + 1] == loaded:
                return
            reach[at + 1], before[at + 1] = furthest, loaded

    def change_min(self, before: Family | None, after: Family | None) -> int:
        rule = self.machine.loads
        return rule.minutes(before, after) if rule and after else 0

    def first(
        self,
        shape: Shape,
        not_before: int = 0,
        limit: int = NEVER,
        trace: list[Wait] | None = None,
        among: Sequence[int] | None = None,
    ) -> Fit | None:
        """The earliest run start from `not_before` on that keeps every rule and is free again by `limit`.

        With the set-up exactly as long as what is loaded there asks for. None: there is none. `among`: the
        numbers of the only gaps (before that entry) where there is hope, in order; None tries them all.
        """
        limit = min(limit, self.horizon)
        least = shape.setup_min + shape.run_min + shape.clear_min
        lowest = max(shape.release, not_before)
        index = bisect_left(self.starts, lowest + shape.run_min + shape.clear_min)
        hopeful = range(len(self.entries) + 1) if among is None else among
        at = lowest
        for place in range(bisect_left(hopeful, index), len(hopeful)):
            index = hopeful[place]
            begin = max(self.reach[index], shape.release)
            if begin + least > limit:
                break
            end = self.starts[index] if index < len(self.starts) else limit
            if trace is not None and self.reach[index] > at:
                self._note_busy(trace, at, index)
            at = max(at, self.reach[index])
            if end - begin >= least and self._next_still_fits(index, shape, trace):
                fit = self.fits(shape, begin, min(end, limit), self.before[index], not_before, trace)
                if fit:
                    return fit
        return None

    def fits(
        self,
        shape: Shape,
        begin: int,
        end: int,
        before: Family | None,
        not_before: int = 0,
        trace: list[Wait] | None = None,
    ) -> Fit | None:
        """The earliest run start in a gap [begin, end) behind which `before` is loaded; who follows is not asked."""
        setup_min = shape.setup_min + self.change_min(before, shape.family)
        return self._settle(shape, setup_min, max(begin + setup_min, not_before), end, trace)

    def _settle(
        self, shape: Shape, setup_min: int, at: int, bound: int, trace: list[Wait] | None
    ) -> Fit | None:
        """Push `at` forward until no rule objects; None once what follows the start would pass `bound`."""
        run_min, clear_min = shape.run_min, shape.clear_min
        while at + run_min + clear_min <= bound:
            code, until = self._objection(shape, setup_min, at)
            if not code:
                run_end = at + run_min
                free_at = run_end
                if clear_min:
                    free_at = self.staffed.room(run_end, clear_min) + clear_min
                if free_at > bound:
                    return None
                return Fit(at - setup_min, at, run_end, free_at)
            if trace is not None:
                trace.append(Wait(code=code, at=at, until=until))
            at = until
        return None

    def _objection(self, shape: Shape, setup_min: int, at: int) -> tuple[str, int]:
        """The first rule of the calendar against a run start, and the next start it would accept; ("",
        at) if none.
        """
        presence, machine = shape.presence, self.machine
        alone = presence is Presence.NOBODY and machine.unattended_max_min > 0
        if setup_min:
            setup_start = self.staffed.room(at - setup_min, setup_min)
            if setup_start != at - setup_min:
                return "setup_needs_person", setup_start + setup_min
        elif alone and not machine.night_start_ok:
            start = self.staffed.room(at, 1)
            if start != at:
                return "not_staffed", start
        if shape.start_from:
            index = bisect_right(shape.start_from, at) - 1
            if index < 0 or shape.start_until[index] <= at:
                later = index + 1
                return "start_not_allowed", shape.start_from[later] if later < len(
                    shape.start_from
                ) else NEVER
        if alone:
            start = self.alone_from(at, shape.run_min)
            return ("", at) if start == at else ("unattended_too_long", start)
        hours, code = (
            (self.open, "house_closed") if presence is Presence.HOUSE else (self.staffed, "not_staffed")
        )
        start = hours.room(at, shape.run_min)
        return ("", at) if start == at else (code, start)

    def alone_from(self, at: int, run_min: int) -> int:
        """The next start from `at` on whose run is left alone no longer than the machine may be."""
        limit_min = self.machine.unattended_max_min
        starts, ends = self.gaps
        index = bisect_right(ends, at)
        while index < len(starts) and starts[index] < at + run_min:
            if min(at + run_min, ends[index]) - max(at, starts[index]) > limit_min:
                return ends[index] - limit_min if self.machine.night_start_ok else ends[index]
            index += 1
        return at

    def _next_still_fits(self, index: int, shape: Shape, trace: list[Wait] | None) -> bool:
        """Whether the next run that loads something has set-up enough after this family; nobody is
        displaced.
        """
        if shape.family is None:
            return True
        for at in range(index, len(self.entries)):
            entry = self.entries[at]
            if entry.family is not None:
                fits = entry.spare_min >= self.change_min(shape.family, entry.family)
                if not fits and trace is not None:
                    since = max(shape.release, self.reach[index])
                    trace.append(Wait(code="next_needs_setup", at=since, until=entry.end, entry=entry))
                return fits
        return True

    def _note_busy(self, trace: list[Wait], at: int, index: int) -> None:
        for entry in self.entries[:index]:
            if entry.end > at:
                trace.append(Wait(code="machine_busy", at=max(at, entry.start), until=entry.end, entry=entry))


def _when(entry: Entry) -> tuple[int, int]:
    return entry.start, entry.end


def long_gaps(machine: Machine) -> tuple[list[int], list[int]]:
    """The stretches with nobody there that are longer than a run may be alone, as starts and ends."""
    edges = [-NEVER, *(edge for piece in machine.staffed for edge in piece), NEVER]
    gaps = [
        (start, end)
        for start, end in zip(edges[::2], edges[1::2], strict=True)
        if end - start > machine.unattended_max_min
    ]
    return [start for start, _ in gaps], [end for _, end in gaps]
