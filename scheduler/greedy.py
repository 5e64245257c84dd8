"""The first answer, in milliseconds: each demand where it is ready earliest, moving nobody.

Keep a `Board` to ask it many things; `insert` and `options` lay one out for a single question.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from math import inf

from scheduler.board import APART_MIN, Board, Insertion
from scheduler.lanes import Entry, Lane
from scheduler.plan import Plan, Unplaced
from scheduler.problem import Demand, Problem, Slot

__all__ = [
    "APART_MIN",
    "Board",
    "Insertion",
    "insert",
    "mend_setups",
    "options",
    "replan",
    "solve",
    "urgency",
]


def insert(problem: Problem, demand: Demand, plan: Plan, *, earliest: int = 0) -> Insertion | Unplaced:
    """`Board.insert` for a single question; `demand` need not be in the problem."""
    return Board(problem, plan).insert(demand, earliest=earliest)


def options(
    problem: Problem, demand: Demand, plan: Plan, n: int, *, earliest: int = 0, apart_min: int = APART_MIN
) -> tuple[Insertion, ...]:
    """`Board.options` for a single question."""
    return Board(problem, plan).options(demand, n, earliest=earliest, apart_min=apart_min)


def solve(problem: Problem) -> Plan:
    """Every demand inserted once: those with few starts to choose from, then by due, weight, release and
    id.
    """
    return replan(problem, Plan())


def replan(problem: Problem, plan: Plan, movable: Collection[str] = ()) -> Plan:
    """`plan` made good for `problem`: the movable, the unplaced and the new are inserted again, the rest
    stays.

    Demands no longer in the problem are dropped. Where a neighbour went and a set-up is now too short, it
    begins earlier if there is room for that, the run staying where it is; else its demand (before a fixed
    slot: the one in front of it) is moved too. After a change of calendars, pass the demands that
    `check.violations` names.
    """
    movable = set(movable)
    kept = {d.id: plan.slots[d.id] for d in problem.demands if plan.slots.get(d.id) and d.id not in movable}
    board = Board(problem, Plan(slots=kept))
    mend_setups(board, kept)
    waiting = sorted((d for d in problem.demands if d.id not in kept), key=urgency)
    unplaced = fill(board, kept, waiting)
    return Plan(slots=kept, unplaced=unplaced)


def fill(board: Board, kept: dict[str, tuple[Slot, ...]], waiting: Sequence[Demand]) -> dict[str, Unplaced]:
    """A place on the board and in `kept` for each in turn, until no further one helps; who found none, and why.

    What came later may have loaded just what an earlier one lacked the set-up time for.
    """
    while True:
        unplaced: dict[str, Unplaced] = {}
        for demand in waiting:
            found = board.insert(demand)
            if isinstance(found, Unplaced):
                unplaced[demand.id] = found
            else:
                kept[demand.id] = found.slots
                board.place(found.slots)
        if len(unplaced) in (0, len(waiting)):
            return unplaced
        waiting = [demand for demand in waiting if demand.id in unplaced]


def urgency(demand: Demand) -> tuple[bool, float, float, int, str]:
    due = inf if demand.due is None else demand.due
    return (not demand.starts, due, -demand.weight, demand.release, demand.id)


def mend_setups(board: Board, kept: dict[str, tuple[Slot, ...]]) -> None:
    """Make the set-ups of `kept` good that a neighbour's going made too short, on the board too: see `replan`.

    What cannot be mended leaves both.
    """
    while _mend_one(board, kept):
        pass


def _mend_one(board: Board, kept: dict[str, tuple[Slot, ...]]) -> bool:
    """Mend the first set-up that its neighbour's going made too short; False when there is none (left)."""
    for lane in board.lanes:
        front: Entry | None = None
        for index, entry in enumerate(lane.entries):
            missing_min = lane.change_min(lane.before[index], entry.family) - entry.spare_min
            if missing_min > 0 and entry.slot and _mend(board, kept, lane, index, missing_min, front):
                return True
            front = entry if entry.family else front
    return False


def _mend(
    board: Board,
    kept: dict[str, tuple[Slot, ...]],
    lane: Lane,
    index: int,
    missing_min: int,
    front: Entry | None,
) -> bool:
    slot = lane.entries[index].slot
    assert slot is not None
    if slot.demand not in kept:  # fixed: only a planned slot in front of it can go
        culprit = front.slot.demand if front and front.slot else None
        if culprit not in kept:
            return False
        board.remove(culprit)
        del kept[culprit]
        return True
    board.remove(slot.demand)
    slots = kept.pop(slot.demand)
    start = slot.setup_start - missing_min
    seen = lane.staffed.room(start, slot.run_start - start) == start
    if seen and lane.reach[index] <= start and start >= board.release_of(slot.demand):
        kept[slot.demand] = tuple(replace(s, setup_start=start) if s is slot else s for s in slots)
        board.place(kept[slot.demand])
    return True
