"""When several resources could be had at once by people in person: what is taken for good, and what would give way.

Minutes from an origin, half-open stretches; nothing here knows of a FabLab. A start is worth the less the further it is
from the one wished for, and each run that has to give way counts as `MOVE_PRICE_MIN` minutes of that distance. Starts
are looked at in the order of their distance, and no more of them than it takes: an empty week is answered from its first
hour, and only a full one is read to its end.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from scheduler.problem import Piece

STEP_MIN = 15  # starts that a person would name; what ends at another minute opens one there, too
APART_MIN = 60  # two starts less than this apart are one choice to a person
MOVE_PRICE_MIN = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Soft:
    """A run that may still move."""

    start: int
    end: int
    name: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """One resource. `hours`: when somebody may be at it, as `pieces()` makes them; `hard` and `soft`: by start, no two
    overlap. `alone_max_min`: the longest stretch outside of `watched` for which it may be left alone, 0: never at all;
    None: nobody asks. `cost`: of two that could be had at the same time the lesser is taken.
    """

    resource: int
    hours: tuple[Piece, ...]
    hard: tuple[Piece, ...] = ()
    soft: tuple[Soft, ...] = ()
    alone_max_min: int | None = None
    watched: tuple[Piece, ...] = ()
    cost: tuple[float, ...] = ()

    @cached_property
    def _hard_ends(self) -> list[int]:
        return [piece.end for piece in self.hard]

    @cached_property
    def _soft_ends(self) -> list[int]:
        return [soft.end for soft in self.soft]

    @cached_property
    def _opens(self) -> list[int]:
        return [piece.start for piece in self.hours]

    def may_lie(self, start: int, attended_until: int, end: int) -> bool:
        """Whether nothing that stays is in the way, somebody may be there as long as it takes, and it may be left alone
        for the rest."""
        at = bisect_right(self._opens, start) - 1
        if at < 0 or self.hours[at].end < min(attended_until, end):
            return False
        if end > attended_until and not self._may_be_alone(attended_until, end):
            return False
        first = bisect_right(self._hard_ends, start)
        return first == len(self.hard) or self.hard[first].start >= end

    def _may_be_alone(self, start: int, end: int) -> bool:
        if self.alone_max_min is None:
            return True
        if not self.alone_max_min:
            return False
        for piece in self.watched:
            if piece.end <= start:
                continue
            if piece.start >= end:
                break
            if piece.start - start > self.alone_max_min:
                return False
            start = piece.end
        return end - start <= self.alone_max_min

    def moved_by(self, start: int, end: int) -> tuple[str, ...]:
        """Who would have to give way, by start."""
        names: list[str] = []
        for soft in islice(self.soft, bisect_right(self._soft_ends, start), None):
            if soft.start >= end:
                break
            names.append(soft.name)
        return tuple(names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """`quantity` of `eligible` resources, held for `length_min` from the common start."""

    eligible: tuple[int, ...]
    length_min: int
    quantity: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """All calls at one start in [since, until), over by `until`. `attended_min`: of the beginning, in the rows' hours.
    `near`: the start wished for; None: the first."""

    calls: tuple[Call, ...]
    since: int
    until: int
    attended_min: int
    near: int | None = None

    def distance(self, start: int) -> int:
        return start - self.since if self.near is None else abs(start - self.near)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """`taken`: (number of the call, resource), by call. `moved`: who gives way, each once."""

    start: int
    taken: tuple[tuple[int, int], ...]
    moved: tuple[str, ...]
    score: int

    @property
    def resources(self) -> tuple[int, ...]:
        return tuple(resource for _call, resource in self.taken)


def openings(
    rows: Iterable[Row], ask: Ask, n: int, *, apart_min: int = APART_MIN, move_price_min: int = MOVE_PRICE_MIN
) -> tuple[Opening, ...]:
    """The `n` best that lie `apart_min` apart, the best first: least by distance and runs moved, then the earliest."""
    by_resource = {row.resource: row for row in rows}
    found: list[Opening] = []
    look_at = 0  # the distance from which on the best found so far may be all
    for start in _starts(by_resource, ask):
        distance = ask.distance(start)
        if len(found) >= n and distance >= look_at:
            best = _apart(found, n, apart_min)
            if len(best) == n:
                # What is further away than the last of the best can only be worse, however few it moves.
                look_at = best[-1].score
                if look_at <= distance:
                    return best
        crew = _crew(by_resource, ask, start)
        if crew is not None:
            moved = _moved(by_resource, ask, start, crew)
            score = distance + move_price_min * len(moved)
            found.append(Opening(start=start, taken=crew, moved=moved, score=score))
    return _apart(found, n, apart_min)


def at(rows: Iterable[Row], ask: Ask, start: int) -> Opening | None:
    """What it would be at this very start; None where it cannot be."""
    by_resource = {row.resource: row for row in rows}
    crew = _crew(by_resource, ask, start)
    if crew is None:
        return None
    moved = _moved(by_resource, ask, start, crew)
    return Opening(start=start, taken=crew, moved=moved, score=ask.distance(start))


def _starts(rows: Mapping[int, Row], ask: Ask) -> Iterator[int]:
    """Every start worth a try, the nearest first."""
    last = ask.until - max(call.length_min for call in ask.calls)
    chosen = {each for call in ask.calls for each in call.eligible if each in rows}
    found = {ask.since, *([ask.near] if ask.near is not None else [])}
    for piece in {piece for resource in chosen for piece in rows[resource].hours}:
        first = max(piece.start, ask.since)
        found.add(first)
        found.update(range(first + -first % STEP_MIN, min(piece.end, last + 1), STEP_MIN))
    for resource in chosen:
        row = rows[resource]
        found.update(piece.end for piece in row.hard)
        found.update(soft.end for soft in row.soft)
        for call in ask.calls:  # just before what stays, where that is no quarter of an hour
            found.update(piece.start - call.length_min for piece in row.hard if resource in call.eligible)
    within = (start for start in found if ask.since <= start <= last)
    return iter(sorted(within, key=lambda start: (ask.distance(start), start)))


def _crew(rows: Mapping[int, Row], ask: Ask, start: int) -> tuple[tuple[int, int], ...] | None:
    """Who serves every call, together moving as few runs as can be; None if they cannot all be served.

    Resources are let in the cheapest first, each if all that are in can still be matched to calls: what can be matched
    is a matroid, so this greedy choice is the cheapest there is.
    """
    attended_until = start + ask.attended_min
    able: dict[int, list[int]] = {}
    price: dict[int, tuple[int, tuple[float, ...], int]] = {}
    for number, call in enumerate(ask.calls):
        end, least = start + call.length_min, call.quantity
        for resource in call.eligible:
            row = rows.get(resource)
            if row is None or not row.may_lie(start, attended_until, end):
                continue
            able.setdefault(resource, []).append(number)
            moved = len(row.moved_by(start, end))
            price[resource] = min(
                price.get(resource, (moved, row.cost, resource)), (moved, row.cost, resource)
            )
            least -= 1
        if least > 0:
            return None
    left = [call.quantity for call in ask.calls]
    holds: dict[int, int] = {}  # resource -> call

    def seat(resource: int, tried: set[int]) -> bool:
        for number in able[resource]:
            if number in tried:
                continue
            tried.add(number)
            if left[number] > 0:
                left[number] -= 1
                holds[resource] = number
                return True
            for other in [held for held, call in holds.items() if call == number]:
                if seat(other, tried):
                    # It has found another call, and leaves this one's seat.
                    holds[resource] = number
                    return True
        return False

    for resource in sorted(able, key=price.__getitem__):
        if not any(left):
            break
        seat(resource, set())
    return None if any(left) else tuple(sorted((call, resource) for resource, call in holds.items()))


def _moved(rows: Mapping[int, Row], ask: Ask, start: int, crew: Sequence[tuple[int, int]]) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for call, resource in crew:
        names.update(dict.fromkeys(rows[resource].moved_by(start, start + ask.calls[call].length_min)))
    return tuple(names)


def _apart(found: Sequence[Opening], n: int, apart_min: int) -> tuple[Opening, ...]:
    chosen: list[Opening] = []
    starts: list[int] = []
    for each in sorted(found, key=lambda opening: (opening.score, opening.start)):
        near = bisect_left(starts, each.start - apart_min + 1)
        if near < len(starts) and starts[near] < each.start + apart_min:
            continue
        starts.insert(bisect_left(starts, each.start), each.start)
        chosen.append(each)
        if len(chosen) == n:
            break
    return tuple(chosen)
