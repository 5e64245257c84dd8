"""How many like pieces so many machines make in a session, how many are left for afterwards, and until when.

Whole minutes from an origin; nothing here knows of a FabLab. Somebody loads a machine before each piece and takes the
piece off before the next; a piece runs through. On each machine every piece begins as early as it can, and of all
machines together the earliest ends are taken: for pieces that are alike no other order is done sooner.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import chain, islice

from scheduler.problem import Piece


@dataclass(frozen=True, slots=True, kw_only=True)
class Bed:
    """One machine: held in `session`, and free with somebody there in `after`, which lies behind it."""

    machine: int
    session: Piece
    after: tuple[Piece, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One piece. `load_at`: somebody loads the machine; then it runs from `start` to `end`."""

    machine: int
    load_at: int
    start: int
    end: int
    in_session: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """`made`: by end. `left`: for afterwards, of which `unplaced` found no time in what is free; `ready_at`: when the
    last one that did is done, None where there is none at all."""

    made: tuple[Made, ...]
    left: int
    unplaced: int

    @property
    def in_session(self) -> int:
        return sum(each.in_session for each in self.made)

    @property
    def fits(self) -> bool:
        return not self.left

    @property
    def ready_at(self) -> int | None:
        return self.made[-1].end if self.made else None


def fit(beds: Sequence[Bed], *, pieces: int, run_min: int, load_min: int) -> Fit:
    """`run_min`: of one piece on the machine; `load_min`: to take off the last one and to load the next.

    Raises ValueError for pieces that take no time.
    """
    if run_min < 1 or load_min < 0 or pieces < 0:
        raise ValueError(f"{pieces} pieces of {run_min} min, {load_min} min to load")
    inside = _first(pieces, (_on(bed.machine, [bed.session], run_min, load_min, True) for bed in beds))
    left = pieces - len(inside)
    outside = _first(left, (_on(bed.machine, bed.after, run_min, load_min, False) for bed in beds))
    return Fit(made=(*inside, *outside), left=left, unplaced=left - len(outside))


def _first(count: int, each: Iterable[Iterator[Made]]) -> tuple[Made, ...]:
    return tuple(islice(merge(*each, key=lambda made: (made.end, made.machine)), count))


def _on(
    machine: int, stretches: Iterable[Piece], run_min: int, load_min: int, in_session: bool
) -> Iterator[Made]:
    def within(piece: Piece) -> Iterator[Made]:
        each = load_min + run_min
        for load_at in range(piece.start, piece.end - each + 1, each):
            start = load_at + load_min
            yield Made(
                machine=machine, load_at=load_at, start=start, end=start + run_min, in_session=in_session
            )

    return chain.from_iterable(map(within, stretches))
