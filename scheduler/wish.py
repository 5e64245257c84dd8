"""What a job's delay costs: from the moment it was wished for on, and more as the day it is wanted by comes near.

While the day that people named is far, or none was named, what counts is the wait: due is when the wish came. Once
the day comes near it counts as well, and heavily. Days and nights without anybody bring it no nearer: slack is counted
in worked minutes, those with somebody there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp

from scheduler.problem import Piece

NEAR_MIN = 240.0  # a day is near when less than that is left
MOST_URGENT = 10.0  # what a day that has come adds to a weight of 1
WORKDAY_MIN = (
    8 * 60
)  # a run that is longer than that goes on by night, and asks for no more of the worked time


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """`due`: from when on waiting costs. `weight`: what a minute of it costs."""

    due: int
    weight: float = 1.0

    def cost(self, ready: int) -> float:
        """Weighted minutes of being ready then."""
        return self.weight * max(0, ready - self.due)

    def of_delay(self, ready: int, later: int) -> float:
        """What it costs to be ready later, instead."""
        return self.cost(later) - self.cost(ready)


def slack_min(worked_left_min: float, run_min: float) -> float:
    """Worked minutes until a run of that length would have to begin."""
    return worked_left_min - min(run_min, WORKDAY_MIN)


def urgency(slack: float | None) -> float:
    """The factor of a weight: 1 where no day was named (None) or it is far, rising to 1 + MOST_URGENT."""
    return 1.0 if slack is None else 1.0 + MOST_URGENT * exp(-max(0.0, slack) / NEAR_MIN)


def worked_min(staffed: Sequence[Piece], start: int, end: int) -> int:
    """Minutes of these hours that lie in [start, end)."""
    return sum(max(0, min(piece.end, end) - max(piece.start, start)) for piece in staffed)
