"""From an estimate to a distribution: what this lab's own finished runs say about what the next one will
take.

The factor actual / estimate is taken as log-normal. It is learnt per machine, material and source of the
estimate, in three steps that each lean on the one above while data are few: a prior for any lab, this
lab, this source in the lab, this key. Leaning is the usual normal shrinkage: the level above counts like
`strength` runs of its own. The spread grows by what is not known about the mean, so a key never seen
promises a wider interval.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import ceil, erfc, exp, log, sqrt
from statistics import NormalDist
from types import MappingProxyType

_STANDARD = NormalDist()
_TINY = 1e-290  # below this an upper tail is taken from its asymptote


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What a factor is learnt for. `source` says who made the estimate: a slicer by name, or our own pass."""

    machine: str
    material: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedRun:
    """A run that went to its end; leave out failed, cancelled and long paused ones."""

    key: Key
    estimate_s: float
    actual_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """What is believed before the first run: the median factor and the spread of its logarithm.

    `strength`: how many runs a level must have to weigh as much as the one above it. `log_limit`: a
    factor further than this from 1 (as a logarithm; 1.4 is about fourfold) counts as that far, so one
    forgotten print weighs little.
    """

    factor: float = 1.05
    log_sigma: float = 0.18
    strength: float = 8.0
    log_limit: float = 1.4
    least_log_sigma: float = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A log-normal factor: mean and variance of its logarithm, and how many runs (with those leant on)
    say so.
    """

    log_mean: float
    log_var: float
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Duration:
    """A log-normal time in seconds of which `elapsed_s` have passed; every quantile is of what then
    remains.
    """

    log_mean: float
    log_sigma: float
    elapsed_s: float = 0.0

    def quantile(self, q: float) -> float:
        """Seconds still to go with probability `q` (0 < q < 1) of being done by then."""
        if not 0 < q < 1:
            raise ValueError(f"a quantile lies between 0 and 1, not at {q}")
        if self.elapsed_s <= 0:
            return exp(self.log_mean + self.log_sigma * _STANDARD.inv_cdf(q))
        z = (log(self.elapsed_s) - self.log_mean) / self.log_sigma
        tail = erfc(z / sqrt(2)) / 2 * (1 - q)
        later = -_STANDARD.inv_cdf(tail) if tail > _TINY else sqrt(z * z - 2 * log(1 - q))
        return max(0.0, exp(self.log_mean + self.log_sigma * later) - self.elapsed_s)

    def quantile_min(self, q: float) -> int:
        """Whole minutes, rounded up, at least one: what a plan may count with."""
        return max(1, ceil(self.quantile(q) / 60))

    def remaining(self, elapsed_s: float) -> Duration:
        """The same run once `elapsed_s` have passed since its start and it is not done. Raises ValueError
        below 0.
        """
        if elapsed_s < 0:
            raise ValueError("time does not run backwards")
        return replace(self, elapsed_s=elapsed_s)

    @property
    def p10_s(self) -> float:
        return self.quantile(0.10)

    @property
    def p50_s(self) -> float:
        return self.quantile(0.50)

    @property
    def p60_s(self) -> float:
        return self.quantile(0.60)

    @property
    def p90_s(self) -> float:
        return self.quantile(0.90)


@dataclass(frozen=True, slots=True, kw_only=True)
class Factors:
    """What was learnt. A key never seen takes its source's factor, a source never seen the lab's."""

    lab: Level
    sources: Mapping[str, Level] = field(default_factory=lambda: MappingProxyType({}))
    keys: Mapping[Key, Level] = field(default_factory=lambda: MappingProxyType({}))
    least_log_sigma: float = 0.02

    def level(self, key: Key) -> Level:
        return self.keys.get(key) or self.sources.get(key.source) or self.lab

    def distribution(self, key: Key, estimate_s: float) -> Duration:
        """What a run estimated at `estimate_s` (> 0) will take, uncertainty of the factor itself included."""
        if not estimate_s > 0:
            raise ValueError(f"an estimate is longer than nothing, not {estimate_s} s")
        level = self.level(key)
        log_sigma = sqrt(level.log_var * (1 + 1 / level.weight))
        return Duration(
            log_mean=log(estimate_s) + level.log_mean, log_sigma=max(log_sigma, self.least_log_sigma)
        )


def learn(runs: Iterable[FinishedRun], prior: Prior | None = None) -> Factors:
    """Factors from finished runs, in any order with the same result. Raises ValueError for times not
    above 0.
    """
    prior = prior or Prior()
    logs: dict[Key, list[float]] = {}
    for run in runs:
        if not (run.estimate_s > 0 and run.actual_s > 0):
            raise ValueError(f"a finished run took some time and was expected to: {run}")
        factor = log(run.actual_s / run.estimate_s)
        logs.setdefault(run.key, []).append(min(max(factor, -prior.log_limit), prior.log_limit))
    top = Level(log_mean=log(prior.factor), log_var=prior.log_sigma**2, weight=prior.strength)
    lab = _lean(top, [x for of_key in logs.values() for x in of_key], prior.strength)
    of_source: dict[str, list[float]] = {}
    for key, of_key in logs.items():
        of_source.setdefault(key.source, []).extend(of_key)
    sources = {source: _lean(lab, found, prior.strength) for source, found in of_source.items()}
    keys = {key: _lean(sources[key.source], found, prior.strength) for key, found in logs.items()}
    return Factors(lab=lab, sources=sources, keys=keys, least_log_sigma=prior.least_log_sigma)


def _lean(above: Level, logs: list[float], strength: float) -> Level:
    """The level above counts like `strength` observations around its own mean with its own variance."""
    weight = strength + len(logs)
    in_order = sorted(logs)  # a sum of floats depends on its order; the answer must not
    log_mean = (strength * above.log_mean + sum(in_order)) / weight
    spread = strength * (above.log_var + (above.log_mean - log_mean) ** 2)
    spread += sum((x - log_mean) ** 2 for x in in_order)
    return Level(log_mean=log_mean, log_var=spread / weight, weight=weight)
