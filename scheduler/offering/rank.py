"""Which of many possible starts are the best dates for a group, and what was missing on those it wished for.

A date is a half-day: of its starts the one that moves the fewest runs and lies best in the day. Days are ordinals,
clocks are minutes of the local day; nothing here knows of a FabLab.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from scheduler.offering.field import Field, Flags, Minutes
from scheduler.vacancies import Opening

NOON_MIN = 12 * 60
MOVE_PRICE_DAYS = 2  # a date that many days further off is as good as one for which one run has to move
_LATE_PRICE = 2  # to end a minute after the usual end is as bad as to begin two minutes off the usual start


class Half(StrEnum):
    AM = "am"
    PM = "pm"
    ANY = "any"


#: When a group best begins and is over, by half-day: between the first bell and lunch, between lunch and the last bell.
USUAL = {Half.AM: (9 * 60 + 30, 12 * 60), Half.PM: (14 * 60, 16 * 60 + 30)}


class Closeness(StrEnum):
    """How near a date is to what was wished for, the nearest first."""

    WISHED = "wished"
    OTHER_HALF = "other_half"
    NEAR = "near"
    UNASKED = "unasked"  # nothing was wished for


_TIERS = list(Closeness)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wished:
    """One day that was wished for. `rank`: its wish's place in the list, from 0."""

    day: int
    half: Half = Half.ANY
    rank: int = 0

    def takes(self, half: Half) -> bool:
        return self.half in (Half.ANY, half)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """`at_start`: the index of its start. `wish`: the nearest; `days_off`: from that, never negative. `usual`: it begins
    and ends when groups like to."""

    at_start: int
    day: int
    half: Half
    opening: Opening
    closeness: Closeness
    wish: Wished | None
    days_off: int
    usual: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """What was missing on a day: of the want with this number never more than `most_free` could be had at once. `want`
    None: each alone could, but not all at the same time; or there was no start at all, and then `starts` is 0."""

    starts: int
    want: int | None = None
    most_free: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A half-day before anybody has been picked: its starts, the best first."""

    key: tuple[int, float, int, int]
    day: int
    half: Half
    starts: tuple[int, ...]
    closeness: Closeness
    wish: Wished | None
    days_off: int


@dataclass(frozen=True, kw_only=True)
class Table:
    """A field with the day and the clock of each of its starts, which lie in their order."""

    field: Field
    days: Minutes
    clocks: Minutes
    wishes: Sequence[Wished] = ()

    def best(self, n: int) -> tuple[Chosen, ...]:
        """The `n` best, the best first: one of each day, and only where that is not enough a second one of some."""
        found: list[Chosen] = []
        spare: list[_Place] = []
        seen: set[int] = set()
        for place in sorted(self._places(), key=lambda each: each.key):
            if len(found) == n:
                return tuple(found)
            if place.day in seen:
                spare.append(place)
            elif chosen := self._choose(place):
                seen.add(place.day)
                found.append(chosen)
        more = (chosen for place in spare if (chosen := self._choose(place)))
        found += [chosen for _, chosen in zip(range(n - len(found)), more, strict=False)]
        return tuple(found)

    def lack(self, wish: Wished) -> Lack | None:
        """Why that day is not possible; None where it is."""
        there = self._on(wish.day) & self._in(wish.half)
        starts = int(there.sum())
        if not starts:
            return Lack(starts=0)
        for number in range(len(self.field.wants)):
            if not (self.field.served(number) & there).any():
                most = int(self.field.had(number)[there].max())
                return Lack(starts=starts, want=number, most_free=most)
        indices = np.flatnonzero(there & self.field.possible)
        return None if any(self.field.crew(int(at)) for at in indices) else Lack(starts=starts)

    def _on(self, day: int) -> Flags:
        flags: Flags = self.days == day
        return flags

    def _in(self, half: Half) -> Flags:
        if half is Half.ANY:
            return np.ones(len(self.days), dtype=np.bool_)
        morning: Flags = self.clocks < NOON_MIN
        return morning if half is Half.AM else ~morning

    def _places(self) -> Iterator[_Place]:
        """Every half-day with a start that could be."""
        possible = np.flatnonzero(self.field.possible)
        if not len(possible):
            return
        first = int(self.days[possible[0]])
        days, clocks = self.days[possible], self.clocks[possible]
        moved = self.field.least_moved[possible]
        strays = self._strays(clocks)
        order = np.lexsort((clocks, strays, moved, clocks >= NOON_MIN, days))
        edges = np.flatnonzero(np.diff(days[order] * 2 + (clocks[order] >= NOON_MIN))) + 1
        for group in np.split(order, edges):
            lead = int(group[0])
            day, half = int(days[lead]), Half.AM if clocks[lead] < NOON_MIN else Half.PM
            closeness, wish, off, cost = self._near(day, half, first)
            yield _Place(
                key=(
                    _TIERS.index(closeness),
                    cost + MOVE_PRICE_DAYS * int(moved[lead]),
                    day,
                    int(strays[lead]),
                ),
                day=day,
                half=half,
                starts=tuple(int(possible[at]) for at in group),
                closeness=closeness,
                wish=wish,
                days_off=off,
            )

    def _strays(self, clocks: Minutes) -> Minutes:
        """How far off its usual hours a group would be, in minutes."""
        cost = np.zeros(len(clocks), dtype=np.int64)
        for half, (begins, ends) in USUAL.items():
            there = clocks < NOON_MIN if half is Half.AM else clocks >= NOON_MIN
            late = np.maximum(0, clocks + self.field.length_min - ends)
            cost = np.where(there, np.abs(clocks - begins) + _LATE_PRICE * late, cost)
        return cost

    def _near(self, day: int, half: Half, first: int) -> tuple[Closeness, Wished | None, int, float]:
        """How near, to which wish, how many days off, and what that costs in days."""
        if not self.wishes:
            return Closeness.UNASKED, None, 0, float(day - first)
        same = [wish for wish in self.wishes if wish.day == day]
        asked = [wish for wish in same if wish.takes(half)]
        if same:
            wish = min(asked or same, key=lambda each: each.rank)
            # Of one wish for many days, "any Tuesday", a week later is as much worse as the next wish in the list.
            since = min(each.day for each in self.wishes if each.rank == wish.rank)
            cost = wish.rank + (day - since) / 7
            return (Closeness.WISHED if asked else Closeness.OTHER_HALF), wish, 0, cost
        wish = min(self.wishes, key=lambda each: (abs(each.day - day), each.rank))
        off = abs(wish.day - day)
        return Closeness.NEAR, wish, off, float(off)

    def _choose(self, place: _Place) -> Chosen | None:
        for at_start in place.starts:
            opening = self.field.crew(at_start)
            if opening is None:
                continue
            clock = int(self.clocks[at_start])
            begins, ends = USUAL[place.half]
            return Chosen(
                at_start=at_start,
                day=place.day,
                half=place.half,
                opening=opening,
                closeness=place.closeness,
                wish=place.wish,
                days_off=place.days_off,
                usual=begins - 60 <= clock and clock + self.field.length_min <= ends,
            )
        return None
