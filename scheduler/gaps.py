"""The gaps of many lanes in one table, so that one need asks its machines in order of hope and most of them never.

    lanes -> begin and end of every gap, the first and last minute of it that somebody is there, its longest staffed and
             open stretch, the family before it, the next one behind it and the set-up that one has to spare
             (one row a lane, worked out when asked)
    need  -> the gaps where it could fit (one pass over the table) -> a lower bound of readiness for each machine

A bound is never later than the truth, and a gap is only left out where no rule could let the need in: so the answer
is the one that asking every machine would give. What a gap really holds, its lane alone says.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scheduler.lanes import NEVER, Fit, Hours, Lane, Shape
from scheduler.problem import Demand, Family, Presence, SetupRule

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_SPARE = 8  # gaps a row may gain before the table is laid out anew
_NO_FAMILY = 0  # code of "nothing is known to be loaded", or of nothing that loads behind a gap


class Bound(NamedTuple):
    """No place on this machine is free again, or ends, or starts earlier than this."""

    free_at: int
    run_end: int
    run_start: int
    machine: int


class Gaps:
    """The table. Rows are lanes; what is behind the last gap of a lane ends before it begins."""

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self.lanes = lanes
        machines = [lane.machine for lane in lanes]
        rules = [m.loads for m in machines]
        self.alone = np.array([m.unattended_max_min > 0 for m in machines], np.bool_)
        self.begins_alone = np.array([m.night_start_ok for m in machines], np.bool_)
        self.least_change = np.array(
            [min(r.same_min, r.colour_min, r.material_min, r.nozzle_min) if r else 0 for r in rules], np.int64
        )
        self._rules: list[SetupRule | None] = list(dict.fromkeys(rules))
        self.rule = np.array([self._rules.index(r) for r in rules], np.int64)
        self._codes: dict[Family | None, int] = {None: _NO_FAMILY}
        self._changes: dict[Family, tuple[Ints, Ints]] = {}
        self._stale = set(range(len(lanes)))
        self._calendars: dict[int, tuple[Ints, Ints, int]] = {}
        self._lay_out(max((len(lane.entries) for lane in lanes), default=0) + 1 + _SPARE)

    def touch(self, machine: int) -> None:
        """What lies on this machine has changed."""
        self._stale.add(machine)

    def refresh(self, machines: Collection[int]) -> None:
        """Work out the rows of these machines again where they have changed."""
        if not self._stale:
            return
        for machine in machines:
            if machine in self._stale:
                self._work_out(machine)
                self._stale.discard(machine)

    def changes(self, family: Family) -> tuple[Ints, Ints]:
        """Minutes from each known family to this one, and from this one to each: by rule and code."""
        known = self._changes.get(family)
        if known is None or known[0].shape[1] < len(self._codes):
            into = [[r.minutes(f, family) if r else 0 for f in self._codes] for r in self._rules]
            away = [[r.minutes(family, f) if r and f else 0 for f in self._codes] for r in self._rules]
            known = self._changes[family] = (np.array(into, np.int64), np.array(away, np.int64))
        return known

    def _lay_out(self, width: int) -> None:
        shape = (len(self.lanes), width)
        self.begin, self.end = np.zeros(shape, np.int64), np.full(shape, -1, np.int64)
        self.hands_from, self.hands_until = np.zeros(shape, np.int64), np.full(shape, -1, np.int64)
        self.staffed, self.open = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        self.before, self.next = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        self.spare = np.zeros(shape, np.int64)
        self._stale.update(range(len(self.lanes)))

    def _work_out(self, machine: int) -> None:
        lane = self.lanes[machine]
        count = len(lane.reach)
        if count > self.begin.shape[1]:
            self._grow(count + count // 4 + _SPARE)
        begin, end = np.array(lane.reach, np.int64), np.array([*lane.starts, lane.horizon], np.int64)
        self.begin[machine, :count], self.end[machine, :count] = begin, end
        self.end[machine, count:] = self.hands_until[machine, count:] = -1
        staffed = _within(self._calendar(lane.staffed), begin, end)
        self.hands_from[machine, :count], self.hands_until[machine, :count] = staffed[:2]
        self.staffed[machine, :count] = staffed[2]
        self.open[machine, :count] = _within(self._calendar(lane.open), begin, end)[2]
        if lane.machine.loads:
            self._families(machine, lane)

    def _families(self, machine: int, lane: Lane) -> None:
        """What is loaded before each gap, and what the next that loads something finds."""
        codes, count = self._codes, len(lane.reach)
        before = [codes.setdefault(lane.machine.loaded, len(codes))] * count
        next_, spare = [_NO_FAMILY] * count, [0] * count
        since, loaded = 0, before[0]
        for index, entry in enumerate(lane.entries):
            if entry.family is not None:
                loaded = codes.setdefault(entry.family, len(codes))
                for gap in range(since, index + 1):
                    next_[gap], spare[gap] = loaded, entry.spare_min
                since = index + 1
            before[index + 1] = loaded
        self.before[machine, :count], self.next[machine, :count] = before, next_
        self.spare[machine, :count] = spare

    def _grow(self, width: int) -> None:
        old, stale = self._columns(), set(self._stale)
        self._lay_out(width)
        for before, now in zip(old, self._columns(), strict=True):
            now[:, : before.shape[1]] = before
        self._stale = stale

    def _columns(self) -> tuple[Ints, ...]:
        times = self.begin, self.end, self.hands_from, self.hands_until, self.staffed, self.open
        return *times, self.before, self.next, self.spare

    def _calendar(self, hours: Hours) -> tuple[Ints, Ints, int]:
        known = self._calendars.get(id(hours))  # the lanes keep them alive
        if known is None:
            starts, ends = np.array(hours.starts, np.int64), np.array(hours.ends, np.int64)
            known = self._calendars[id(hours)] = (starts, ends, int((ends - starts).max(initial=0)))
        return known


class Question:
    """One need of one demand, asked of the machines that may serve it; good until the board changes."""

    def __init__(self, gaps: Gaps, demand: Demand, need: int, *, release: int = 0) -> None:
        self.machines = demand.needs[need].eligible
        self._gaps = gaps
        self._demand = demand
        self._release = max(0, release, demand.release)
        self._setup_min, self._clear_min = demand.setup_of(need), demand.clear_of(need)
        self._from = tuple(piece.start for piece in demand.starts)
        self._until = tuple(piece.end for piece in demand.starts)
        self._row = {machine: row for row, machine in enumerate(self.machines)}
        self._shapes: dict[int, Shape] = {}
        self._hopes: dict[int, list[int]] = {}
        gaps.refresh(self.machines)
        rows = np.array(self.machines, np.int64)
        self._run = np.array([demand.duration_min[machine] for machine in self.machines], np.int64)
        self._hands = np.full(len(rows), self._setup_min, np.int64)
        if demand.family is not None:
            self._hands += gaps.least_change[rows]
        begin = gaps.begin[rows]
        if self._hands.any():  # a set-up begins, and clearing ends, while somebody is there
            begin = np.where((self._hands > 0)[:, None], gaps.hands_from[rows], begin)
        self._begin = np.maximum(begin, self._release)
        self._end = (gaps.hands_until if self._clear_min else gaps.end)[rows]
        self._hopeful = self._where_hope_is(rows)

    def bounds(self, not_before: int = 0) -> list[Bound]:
        """For each machine with any hope from `not_before` on, in the order of the need."""
        if not len(self._run):
            return []
        hopeful = self._hopeful
        if not_before > self._release:
            hopeful = hopeful & (self._end >= (not_before + self._clear_min + self._run)[:, None])
        first = hopeful.argmax(axis=1)
        every = np.arange(len(first))
        some = hopeful[every, first]
        begins = self._begin[every, first].tolist()
        found = []
        for row in np.flatnonzero(some).tolist():
            bound = self._bound(row, begins[row], not_before)
            if bound.free_at < NEVER:
                found.append(bound)
        return found

    def shape(self, machine: int) -> Shape:
        known = self._shapes.get(machine)
        if known is None:
            demand = self._demand
            loads = self._gaps.lanes[machine].machine.loads
            known = self._shapes[machine] = Shape(
                run_min=demand.duration_min[machine],
                setup_min=self._setup_min,
                clear_min=self._clear_min,
                release=self._release,
                presence=demand.presence,
                family=demand.family if loads else None,
                start_from=self._from,
                start_until=self._until,
            )
        return known

    def first(self, machine: int, not_before: int = 0, limit: int = NEVER) -> Fit | None:
        """As `Lane.first`."""
        hopes = self._hopes.get(machine)
        if hopes is None:
            row = self._row[machine]
            hopes = self._hopes[machine] = np.flatnonzero(self._hopeful[row]).tolist()
        lane = self._gaps.lanes[machine]
        return lane.first(self.shape(machine), not_before, limit, among=hopes)

    def _where_hope_is(self, rows: Ints) -> Bools:
        """Gaps long enough, with a staffed stretch long enough for the hands it takes, and an open one for who comes."""
        gaps, presence, run, hands = self._gaps, self._demand.presence, self._run, self._hands
        hopeful = self._end - self._begin >= (hands + run + self._clear_min)[:, None]
        seen = np.maximum(hands, self._clear_min)
        if presence is not Presence.HOUSE:
            alone = gaps.alone[rows] & (presence is Presence.NOBODY)
            touched = np.maximum(seen, ~gaps.begins_alone[rows])
            seen = np.where(alone, touched, np.maximum(seen, hands + run))
        hopeful &= gaps.staffed[rows] >= seen[:, None]
        if presence is Presence.HOUSE:
            hopeful &= gaps.open[rows] >= run[:, None]
        if self._demand.family is not None:
            self._drop_wrong_spools(hopeful, rows, self._demand.family)
        return hopeful

    def _drop_wrong_spools(self, hopeful: Bools, rows: Ints, family: Family) -> None:
        """Gaps too short for the change that what is loaded there asks for, or behind which the next would find a wrong
        spool.
        """
        gaps = self._gaps
        row, column = np.nonzero(hopeful)
        machine = rows[row]
        rule = gaps.rule[machine]
        into, away = gaps.changes(family)
        change = into[rule, gaps.before[machine, column]]
        least = self._setup_min + change + self._run[row] + self._clear_min
        fits = self._end[row, column] - self._begin[row, column] >= least
        fits &= away[rule, gaps.next[machine, column]] <= gaps.spare[machine, column]
        hopeful[row, column] = fits

    def _bound(self, row: int, begin: int, not_before: int) -> Bound:
        """What each rule of the calendar alone makes of a start in the first hopeful gap, whatever its end."""
        machine = self.machines[row]
        lane = self._gaps.lanes[machine]
        run_min, hands_min = int(self._run[row]), int(self._hands[row])
        staffed, presence = lane.staffed, self._demand.presence
        at = max(begin + hands_min, not_before)
        if presence is Presence.HOUSE:
            if hands_min:
                at = staffed.room(at - hands_min, hands_min) + hands_min
            at = lane.open.room(at, run_min)
        elif presence is Presence.STAFF or not lane.machine.unattended_max_min:
            at = staffed.room(at - hands_min, hands_min + run_min) + hands_min
        else:
            if hands_min:
                at = staffed.room(at - hands_min, hands_min) + hands_min
            elif not lane.machine.night_start_ok:
                at = staffed.room(at, 1)
            if run_min > lane.machine.unattended_max_min:
                at = lane.alone_from(at, run_min)
        if self._from:
            piece = bisect_right(self._from, at) - 1
            if piece < 0 or self._until[piece] <= at:
                at = self._from[piece + 1] if piece + 1 < len(self._from) else NEVER
        run_end = at + run_min
        free_at = run_end
        if self._clear_min:
            free_at = staffed.room(run_end, self._clear_min) + self._clear_min
        return Bound(free_at, run_end, at, machine)


def _within(calendar: tuple[Ints, Ints, int], begin: Ints, end: Ints) -> tuple[Ints, Ints, Ints]:
    """For each gap the first minute of a calendar inside it, the end of the last, and its longest stretch or more.

    Where there is none, the first lies behind the end of the last.
    """
    starts, ends, most = calendar
    last = len(starts) - 1
    if last < 0:
        return np.full(len(begin), NEVER), np.full(len(begin), -1), np.zeros(len(begin), np.int64)
    head = np.searchsorted(ends, begin, side="right")  # the first that ends behind the beginning
    tail = np.searchsorted(starts, end, side="left") - 1  # the last that starts before the end
    first = np.maximum(starts[np.minimum(head, last)], begin)
    until = np.minimum(ends[np.maximum(tail, 0)], end)
    longest = np.maximum(
        np.minimum(ends[np.minimum(head, last)], end) - first,
        until - np.maximum(starts[np.maximum(tail, 0)], begin),
    )
    longest[tail - head > 1] = most
    none = tail < head
    first[none], until[none], longest[none] = NEVER, -1, 0
    return first, until, longest
