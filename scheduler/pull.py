"""What a machine that would stand idle takes, and what the operator's hands do first.

The plan says who is made where; it counts with the time of machines. Hands are the narrowest place of a small lab,
and they are spent where a minute of them is worth most: by what the delay costs those who wait.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from scheduler.wish import Wish

EARLY_MIN = 120  # a start may be brought forward by that much without being ready earlier
GAIN_MIN = 15.0  # weighted minutes that a job out of its turn has to gain
HANDS_PRICE = 20.0  # weighted minutes that each minute of set-up keeps others waiting
RANK_MIN = 30  # the delay by which two things to do are compared
FOLLOWERS = 4  # more of those behind do not make a machine more pressing: they may go elsewhere


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A job and its place in the plan, from `setup_start` to `ready`; for one that has no place, far away."""

    name: str
    wish: Wish
    setup_start: int
    ready: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What comes of a job if it is begun on the machine at once."""

    ready: int
    setup_min: int


AtOnce = Callable[[Planned], Begun | None]


def pull(now: int, mine: Sequence[Planned], waiting: Iterable[Planned], at_once: AtOnce) -> str | None:
    """Who is begun now on a machine where nothing is: its own next one or, where that cannot be or is not yet to be
    begun, whoever gains most by it. None: nobody.

    `mine`: what is planned on it, in order. `at_once`: None where a rule or somebody with a date is in the way.
    """
    first = mine[0] if mine else None
    begun = at_once(first) if first else None
    if first and begun and (first.setup_start <= now + EARLY_MIN or begun.ready < first.ready):
        return first.name
    best, most = None, GAIN_MIN
    for job in waiting:
        begun = None if first and job.name == first.name else at_once(job)
        gained = gain(job, begun, [other for other in mine if other.name != job.name]) if begun else 0.0
        if gained > most:
            best, most = job.name, gained
    return best


def gain(job: Planned, begun: Begun, behind: Sequence[Planned]) -> float:
    """Weighted minutes that people together would get their parts earlier; `behind` would all wait for it."""
    found = job.wish.of_delay(begun.ready, job.ready)
    delay_min = max(0, begun.ready - behind[0].setup_start) if behind else 0
    if delay_min and found > GAIN_MIN:
        found -= sum(other.wish.of_delay(other.ready, other.ready + delay_min) for other in behind)
    return found - HANDS_PRICE * begun.setup_min


def worth(
    hands_min: int,
    *,
    part: Wish | None = None,
    job: Wish | None = None,
    soon: int = 0,
    later: int = 0,
    behind: int = 0,
) -> float:
    """What half an hour's delay of something to do would cost, for each minute of hands that it takes.

    `part`: of the part that lies on the bed. `job`: of what would be begun, ready `soon`, or `later` if the hands come
    RANK_MIN later; `behind`: how many more are planned there.
    """
    cost = part.weight * RANK_MIN if part else 0.0
    if job:
        cost += job.of_delay(soon, later) + min(RANK_MIN, later - soon) * min(behind, FOLLOWERS)
    return cost / hands_min
