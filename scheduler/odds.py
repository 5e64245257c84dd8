"""From a planned start and a duration to the instant of the finish, with odds that this lab's own promises corrected.

A finish is uncertain in three ways: the run's own duration, a start that slips the more the longer one waits
for it, and people's hands. What these make together is the promise's scale; how many scales past promises
were early or late, whatever the cause (overruns ahead, a part made twice, a plan that moved), says where the
quantiles lie. With few promises kept in mind the normal curve speaks, with many the record.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import floor, sqrt
from statistics import NormalDist

from scheduler.durations import Duration

TOLD = (0.10, 0.50, 0.80, 0.90)  # the quantiles that a promise is remembered with
SLIP = 0.10  # of the wait for a start: as far as that start is usually off
HAND_S = 300.0  # a person taps some minutes early or late
BELIEF = 20.0  # how many promises the record must hold to weigh as much as the normal curve

_STANDARD = NormalDist()
_SPREAD = 2 * _STANDARD.inv_cdf(0.9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """Seconds from now to the middle of a finish, its scale (one deviation, were all normal), and what it takes at
    the very least.
    """

    middle_s: float
    scale_s: float
    least_s: float = 60.0

    def off_by(self, finished_s: float) -> float:
        """How many scales after its middle a finish came; what `learn_odds` learns from."""
        return (finished_s - self.middle_s) / self.scale_s


def outlook(wait_s: float, duration: Duration) -> Outlook:
    """Of a run planned to start in `wait_s`."""
    own_s = (duration.p90_s - duration.p10_s) / _SPREAD
    slip_s = SLIP * max(0.0, wait_s)
    return Outlook(
        middle_s=wait_s + duration.p50_s,
        scale_s=sqrt(own_s**2 + slip_s**2 + HAND_S**2),
        least_s=duration.quantile(0.01),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Odds:
    """`record`: how far past promises were off, in scales, sorted."""

    record: tuple[float, ...] = ()

    def finish_s(self, view: Outlook, q: float) -> float:
        """Seconds from now by which it is finished with probability `q` (0 < q < 1)."""
        return max(view.least_s, view.middle_s + view.scale_s * self.deviation(q))

    def deviation(self, q: float) -> float:
        """In scales: the normal curve's quantile and the record's own, each weighed by what stands behind it."""
        count = len(self.record)
        believed = _STANDARD.inv_cdf(q)
        if not count:
            return believed
        # Squared: a belief that is wrong must not be felt any more where the record is long.
        known = count**2 / (count**2 + BELIEF**2)
        return (1 - known) * believed + known * _quantile(self.record, q)


def learn_odds(off_by: Iterable[float]) -> Odds:
    """From how far past promises were off, in any order."""
    return Odds(record=tuple(sorted(off_by)))


def _quantile(ordered: tuple[float, ...], q: float) -> float:
    """At rank (n + 1) q, between neighbours in proportion: so that the next one is below it with probability q."""
    rank = q * (len(ordered) + 1) - 1
    low = min(max(floor(rank), 0), len(ordered) - 1)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * min(1.0, max(0.0, rank - low))
