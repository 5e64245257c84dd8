"""Where a gang could be: of many starts at once, who is free then and how many runs would have to give way.

Whole minutes from an origin, half-open stretches; nothing here knows of a FabLab. A gang is held from `before_min` in
front of its start to `after_min` behind its end, all of it at once. Every start is looked at with every resource in one
sweep of arrays, so that ninety days cost a few milliseconds however full they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from scheduler.problem import Piece
from scheduler.vacancies import Ask, Call, Opening, Row, Soft, at

Minutes = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_NEVER = np.int64(1 << 40)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spans:
    """Stretches by start, no two overlap."""

    starts: Minutes
    ends: Minutes

    @staticmethod
    def of(pairs: Sequence[tuple[int, int]]) -> Spans:
        table = np.array(pairs, dtype=np.int64).reshape(-1, 2)
        return Spans(starts=table[:, 0], ends=table[:, 1])

    def touched(self, starts: Minutes, ends: Minutes) -> Counts:
        """How many of these each of those stretches shares a minute with."""
        return np.searchsorted(self.starts, ends, "left") - np.searchsorted(self.ends, starts, "right")

    def cover(self, starts: Minutes, ends: Minutes) -> Flags:
        """Whether each of those stretches lies wholly in one of these."""
        if not len(self.starts):
            return np.zeros(len(starts), dtype=np.bool_)
        last = np.searchsorted(self.starts, starts, "right") - 1
        reach = np.where(last < 0, -_NEVER, self.ends[last])
        found: Flags = reach >= ends
        return found


NONE = Spans.of(())


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """One resource. `hours`: when it may be used; `hard`: what stays; `soft`: runs that may still move. `cost`: of two
    that would serve the lesser is taken."""

    resource: int
    hours: Spans
    hard: Spans = NONE
    soft: Spans = NONE
    cost: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """`quantity` of `eligible`, for the whole stretch that the gang is held."""

    eligible: tuple[int, ...]
    quantity: int = 1


@dataclass(frozen=True, kw_only=True)
class Field:
    """All of `starts`, for one gang. Of a resource that no `Thing` tells of nothing can be had."""

    things: tuple[Thing, ...]
    wants: tuple[Want, ...]
    starts: Minutes
    before_min: int
    length_min: int
    after_min: int

    @cached_property
    def _from(self) -> Minutes:
        return self.starts - self.before_min

    @cached_property
    def _until(self) -> Minutes:
        return self.starts + (self.length_min + self.after_min)

    @cached_property
    def _line(self) -> dict[int, int]:
        return {thing.resource: at for at, thing in enumerate(self.things)}

    @cached_property
    def usable(self) -> Flags:
        """[thing, start]: whether its hours allow it."""
        known: dict[int, Flags] = {}
        lines = []
        for thing in self.things:
            key = id(thing.hours)
            if key not in known:
                known[key] = thing.hours.cover(self._from, self._until)
            lines.append(known[key])
        return np.array(lines, dtype=np.bool_).reshape(len(self.things), len(self.starts))

    @cached_property
    def free(self) -> Flags:
        """[thing, start]: usable, and nothing that stays is in the way."""
        taken = [thing.hard.touched(self._from, self._until) for thing in self.things]
        clear: Flags = self.usable & (np.array(taken).reshape(self.usable.shape) == 0)
        return clear

    @cached_property
    def moved(self) -> Counts:
        """[thing, start]: how many runs would have to leave it."""
        runs = [thing.soft.touched(self._from, self._until) for thing in self.things]
        return np.array(runs, dtype=np.int64).reshape(self.usable.shape)

    def had(self, number: int) -> Counts:
        """[start]: how many could be had of what the want with this number asks for."""
        found: Counts = self.free[self._eligible(number)].sum(axis=0)
        return found

    def served(self, number: int) -> Flags:
        enough: Flags = self.had(number) >= self.wants[number].quantity
        return enough

    @cached_property
    def possible(self) -> Flags:
        """[start]: whether every want could be served. Where two wants may have the same resource it may still be that
        they cannot be served both: `crew` knows."""
        found = np.ones(len(self.starts), dtype=np.bool_)
        for number in range(len(self.wants)):
            found &= self.served(number)
        return found

    @cached_property
    def least_moved(self) -> Counts:
        """[start]: how few runs could have to give way; never more than it is."""
        total = np.zeros(len(self.starts), dtype=np.int64)
        for number, want in enumerate(self.wants):
            lines = self._eligible(number)
            if want.quantity > len(lines):
                return np.full(len(self.starts), _NEVER)
            runs = np.where(self.free[lines], self.moved[lines], _NEVER)
            runs = np.partition(runs, want.quantity - 1, axis=0)[: want.quantity]
            total += np.minimum(runs.sum(axis=0), _NEVER)
        return total

    def crew(self, at_start: int) -> Opening | None:
        """Who comes at the start with this index, together moving as few runs as can be; None if they cannot. Those that
        would move have the names of `name_of`."""
        start, end = int(self._from[at_start]), int(self._until[at_start])
        rows = [
            Row(
                resource=thing.resource,
                hours=(Piece(start, end),),
                soft=_runs(thing, start, end),
                cost=thing.cost,
            )
            for thing in map(self.things.__getitem__, self._candidates(at_start))
        ]
        calls = tuple(
            Call(eligible=want.eligible, length_min=end - start, quantity=want.quantity)
            for want in self.wants
        )
        return at(rows, Ask(calls=calls, since=start, until=end, attended_min=end - start), start)

    def _candidates(self, at_start: int) -> list[int]:
        """Who is free; where no two wants compete, of these no more than are wanted, the cheapest."""
        free = np.flatnonzero(self.free[:, at_start]).tolist()
        if not self._apart:
            return free
        moved = self.moved[:, at_start]
        free.sort(key=lambda line: (moved[line], self.things[line].cost, self.things[line].resource))
        chosen: list[int] = []
        for want in self.wants:
            eligible = set(want.eligible)
            chosen += [line for line in free if self.things[line].resource in eligible][: want.quantity]
        return sorted(chosen)

    @cached_property
    def _apart(self) -> bool:
        """Whether no resource is eligible for two wants."""
        return len({each for want in self.wants for each in want.eligible}) == sum(
            len(want.eligible) for want in self.wants
        )

    def _eligible(self, number: int) -> list[int]:
        return [self._line[each] for each in self.wants[number].eligible if each in self._line]


def name_of(resource: int, start: int) -> str:
    """What a run that would move is called: it is all that is known of it here."""
    return f"{resource}@{start}"


def _runs(thing: Thing, start: int, end: int) -> tuple[Soft, ...]:
    first = int(np.searchsorted(thing.soft.ends, start, "right"))
    last = int(np.searchsorted(thing.soft.starts, end, "left"))
    return tuple(
        Soft(
            start=int(thing.soft.starts[at]),
            end=int(thing.soft.ends[at]),
            name=name_of(thing.resource, int(thing.soft.starts[at])),
        )
        for at in range(first, last)
    )
