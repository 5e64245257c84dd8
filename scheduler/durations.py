"""From an estimate to a distribution: what this lab's own finished runs say about what the next one will
take.

The factor actual / estimate is taken as log-normal. It is learnt per machine, material and source of the
estimate, in three steps that each lean on the one above while data are few: a prior for any lab, this
lab, this source in the lab, this key. Leaning is the usual normal shrinkage: the level above counts like
a few runs of its own. The spread of one run around its key's mean and the spread of those means are kept
apart: a key that is known promises only the first, one never seen both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil, erfc, exp, log, sqrt
from statistics import NormalDist
from types import MappingProxyType

_STANDARD = NormalDist()
_TINY = 1e-290  # below this an upper tail is taken from its asymptote

#: How far, as a deviation of the logarithm, a machine's own word on what remains may be wrong.
SAID_SIGMA_AT_START = 0.5
SAID_SIGMA_AT_END = 0.05

LEAST_LEAN = 3.0  # runs: however much machines differ, one or two runs of a new one may be chance


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

    `between`: how far the medians of two keys lie apart, as a deviation of the logarithm. `strength`: how
    many runs a level must have to weigh as much as what was believed before it. `log_limit`: a factor
    further than this from 1 (as a logarithm; 1.4 is about fourfold) counts as that far, so one forgotten
    print weighs little.
    """

    factor: float = 1.05
    log_sigma: float = 0.16
    between: float = 0.08
    strength: float = 8.0
    log_limit: float = 1.4
    least_log_sigma: float = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A log-normal factor: its logarithm's mean and the variance of one run around it, how unsure the mean
    itself is (as a variance), and how many runs of its own say so.
    """

    log_mean: float
    log_var: float
    mean_var: float
    runs: int

    @property
    def median(self) -> float:
        return exp(self.log_mean)


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
        log_sigma = sqrt(level.log_var + level.mean_var)
        return Duration(
            log_mean=log(estimate_s) + level.log_mean, log_sigma=max(log_sigma, self.least_log_sigma)
        )


def learn(runs: Iterable[FinishedRun], prior: Prior | None = None) -> Factors:
    """Factors from finished runs, in any order with the same result. Raises ValueError for times not
    above 0.
    """
    prior = prior or Prior()
    of_key = _logs(runs, prior)
    of_source: dict[str, list[float]] = {}
    for key, found in of_key.items():
        of_source.setdefault(key.source, []).extend(found)
    within = _within(of_key.values(), prior)
    lab_mean = _mean(log(prior.factor), [x for found in of_key.values() for x in found], prior.strength)
    source_means = {source: _mean(lab_mean, found, prior.strength) for source, found in of_source.items()}
    between = _between(of_key, source_means, within, prior)
    # What leaning on the source is worth in runs: little where machines differ much, a lot where they agree.
    lean = min(prior.strength, max(LEAST_LEAN, within / between))

    def unseen(log_mean: float, count: int) -> Level:
        unsure = between + within / (prior.strength + count)
        return Level(log_mean=log_mean, log_var=within, mean_var=unsure, runs=count)

    return Factors(
        lab=unseen(lab_mean, sum(map(len, of_key.values()))),
        sources={source: unseen(mean, len(of_source[source])) for source, mean in source_means.items()},
        keys={
            key: _key_level(found, source_means[key.source], within, lean, prior)
            for key, found in of_key.items()
        },
        least_log_sigma=prior.least_log_sigma,
    )


def _logs(runs: Iterable[FinishedRun], prior: Prior) -> dict[Key, list[float]]:
    """By key, sorted: a sum of floats depends on its order, and the answer must not."""
    found: dict[Key, list[float]] = {}
    for run in runs:
        if not (run.estimate_s > 0 and run.actual_s > 0):
            raise ValueError(f"a finished run took some time and was expected to: {run}")
        factor = log(run.actual_s / run.estimate_s)
        found.setdefault(run.key, []).append(min(max(factor, -prior.log_limit), prior.log_limit))
    return {key: sorted(found[key]) for key in sorted(found, key=repr)}


def _key_level(logs: list[float], above: float, within: float, lean: float, prior: Prior) -> Level:
    """Its mean leans on its source's, its spread on what is usual around a key's own mean in this lab. A
    spread of the whole lab would be too wide here: it holds the differences between machines, too.
    """
    log_mean = _mean(above, logs, lean)
    own = sum(logs) / len(logs)
    freedom = prior.strength + len(logs) - 1
    log_var = (prior.strength * within + sum((x - own) ** 2 for x in logs)) / freedom
    return Level(log_mean=log_mean, log_var=log_var, mean_var=log_var / (lean + len(logs)), runs=len(logs))


def _mean(above: float, logs: Sequence[float], strength: float) -> float:
    """The level above counts like `strength` runs of its own."""
    return (strength * above + sum(sorted(logs))) / (strength + len(logs))


def _within(keys: Iterable[list[float]], prior: Prior) -> float:
    """The variance of one run around its own key's mean, over all keys."""
    squares, freedom = prior.strength * prior.log_sigma**2, prior.strength
    for logs in keys:
        own = sum(logs) / len(logs)
        squares += sum((x - own) ** 2 for x in logs)
        freedom += len(logs) - 1
    return squares / freedom


def _between(
    of_key: Mapping[Key, list[float]], means: Mapping[str, float], within: float, prior: Prior
) -> float:
    """The variance of the keys' own means around their source's, less what chance alone would make of it."""
    squares, count = 2 * prior.between**2, 2.0
    for key, logs in of_key.items():
        own = sum(logs) / len(logs)
        squares += max(0.0, (own - means[key.source]) ** 2 - within / len(logs))
        count += 1
    return squares / count


def blend(left: Duration, said_s: float, fraction: float) -> Duration:
    """What remains of a run when its machine says `said_s`, with `fraction` (0..1) of it done.

    Both are weighed by how sure they are. A machine is the surer the further it has come; the record is the
    less sure the further the machine is off it, for the machine sees what no record knows (a slowed feed, a part
    of a print left out). Both mostly lean on one slicer's same estimate: two of them are no surer than the surer.
    """
    own_sigma = max(log(max(left.p90_s, 1.0) / max(left.p10_s, 1.0)) / (2 * _STANDARD.inv_cdf(0.9)), 0.02)
    own_mean, said_mean = log(max(left.p50_s, 1.0)), log(max(said_s, 1.0))
    done = min(1.0, max(0.0, fraction))
    said_sigma = SAID_SIGMA_AT_END * done + SAID_SIGMA_AT_START * (1 - done)
    own_weight = 1 / (own_sigma**2 + (said_mean - own_mean) ** 2)
    said_weight = 1 / said_sigma**2
    return Duration(
        log_mean=(own_weight * own_mean + said_weight * said_mean) / (own_weight + said_weight),
        log_sigma=min(own_sigma, said_sigma),
    )
