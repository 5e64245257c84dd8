"""A demand at a start that somebody has pointed at: whether it may lie there, who would have to leave, or why not.

`spot` judges one start on one machine, `stretches` all of them on a raster, by the same rules. Nothing is placed.
What may not move (a fact, an outage, what the caller calls immovable) is never in `gone`: it is the reason of a `Not`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection
from dataclasses import dataclass

from scheduler.board import Board, slot_of
from scheduler.lanes import Entry, Fit, Lane, Shape, Wait, shape_of
from scheduler.problem import Demand, Family, Slot


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """It may lie here once `gone` have left, in order of their starts."""

    slot: Slot
    gone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Not:
    """It may not. `until`: no start before this minute has a chance on that machine, for this reason; None: none has.

    Codes are those of `lanes.Wait`, and: too_early (its release), machine_busy (`entry` says with whom), blocked,
    beyond_horizon.
    """

    code: str
    until: int | None
    entry: Entry | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Every start of the raster in [start, end) may be had if `gone` leave; there is one at least."""

    start: int
    end: int
    gone: tuple[str, ...] = ()


def spot(board: Board, demand: Demand, machine: int, at: int, movable: Callable[[Entry], bool]) -> Spot | Not:
    """The demand with its run starting at this very minute; it may not lie on the board. Needs one machine only.

    Its set-up is as long as what then stands before it asks for. Who leaves: those in the way of set-up, run and
    clearing, and who stands behind with too short a set-up for what this run would leave loaded.
    """
    lane = board.lanes[machine]
    shape = shape_of(demand, 0, lane.machine)
    gone: list[Entry] = []
    while True:
        # Who lies under set-up and run leaves before anything else is asked: without them the set-up may be shorter.
        setup_min = shape.setup_min + lane.change_min(_before(lane, at, gone), shape.family)
        least = Fit(at - setup_min, at, at + shape.run_min, at + shape.run_min)
        more, fit = _over(lane, least, gone), least
        if not more:
            found = _alone(lane, shape, at, _before(lane, at, gone))
            if isinstance(found, Not):
                return found
            fit = found
            more = [*_over(lane, fit, gone), *_short_of_setup(lane, shape, fit, gone)]
        leaving = [entry for entry in more if movable(entry)]
        if leaving:
            gone += leaving
        elif more:
            return _stuck(more[0], fit)
        else:
            gone.sort(key=lambda entry: entry.start)
            names = dict.fromkeys(entry.slot.demand for entry in gone if entry.slot)
            return Spot(slot=slot_of(demand, 0, machine, shape, fit), gone=tuple(names))


def stretches(
    board: Board,
    demand: Demand,
    machine: int,
    since: int,
    until: int,
    movable: Callable[[Entry], bool],
    *,
    step: int,
    offset: int = 0,
) -> tuple[Stretch, ...]:
    """All starts in [since, until) that lie on the raster `offset`, `offset + step`, ...; the first one first."""
    found: list[Stretch] = []
    at = _on_raster(since, step, offset)
    while at < until:
        answer = spot(board, demand, machine, at, movable)
        if isinstance(answer, Not):
            at = _on_raster(max(at + 1, _chance(board.lanes[machine], at, answer)), step, offset)
            continue
        last = found[-1] if found else None
        if last is not None and last.end == at and last.gone == answer.gone:
            found[-1] = Stretch(start=last.start, end=at + step, gone=last.gone)
        else:
            found.append(Stretch(start=at, end=at + step, gone=answer.gone))
        at += step
    return tuple(found)


def _chance(lane: Lane, at: int, answer: Not) -> int:
    """The next start worth asking about: the answer holds only while nothing else comes to be loaded before it."""
    until = lane.horizon if answer.until is None else answer.until
    index = bisect_right(lane.starts, at)
    if answer.entry is None and index < len(lane.starts):
        until = min(until, lane.starts[index] + 1)
    return until


def _on_raster(at: int, step: int, offset: int) -> int:
    return at + (offset - at) % step


def _before(lane: Lane, at: int, gone: Collection[Entry]) -> Family | None:
    """What is loaded when a run starts, by what has begun by then and stays."""
    index = bisect_left(lane.starts, at)
    if not gone:
        return lane.before[index]
    staying = (entry for entry in reversed(lane.entries[:index]) if entry.family and entry not in gone)
    return next((entry.family for entry in staying), lane.machine.loaded)


def _alone(lane: Lane, shape: Shape, at: int, before: Family | None) -> Fit | Not:
    """The rules of the calendar for this start, as if nobody else were on the machine."""
    setup_min = shape.setup_min + lane.change_min(before, shape.family)
    if at - setup_min < shape.release:
        return Not(code="too_early", until=shape.release + setup_min)
    fit = lane.fits(shape, at - setup_min, lane.horizon, before, at)
    if fit is not None and fit.run_start == at:
        return fit
    waits: list[Wait] = []
    lane.fits(shape, at - setup_min, lane.horizon, before, at, waits)
    code = waits[0].code if waits else "beyond_horizon"
    return Not(code=code, until=fit.run_start if fit is not None else None)


def _over(lane: Lane, fit: Fit, gone: Collection[Entry]) -> list[Entry]:
    """Those that stay and overlap."""
    found: list[Entry] = []
    for entry in lane.entries[max(0, bisect_right(lane.reach, fit.setup_start) - 1) :]:
        if entry.start >= fit.free_at:
            break
        if entry.end > fit.setup_start and entry not in gone:
            found.append(entry)
    return found


def _short_of_setup(lane: Lane, shape: Shape, fit: Fit, gone: Collection[Entry]) -> list[Entry]:
    """The next one that loads something, if this run leaves it too short a set-up."""
    if shape.family is None:
        return []
    behind = lane.entries[bisect_left(lane.starts, fit.free_at) :]
    entry = next((entry for entry in behind if entry.family is not None and entry not in gone), None)
    if entry is None or entry.spare_min >= lane.change_min(shape.family, entry.family):
        return []
    return [entry]


def _stuck(entry: Entry, fit: Fit) -> Not:
    if entry.block is not None:
        return Not(code="blocked", until=entry.end, entry=entry)
    code = "machine_busy" if entry.start < fit.free_at else "next_needs_setup"
    return Not(code=code, until=entry.end, entry=entry)
