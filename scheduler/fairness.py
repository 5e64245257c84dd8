"""Who is owed machine time: shares used against shares due, and what that makes of a claim's weight.

`weight = priority x fairness x ageing x urgency`. Fairness compares the hours that an audience has used and holds with its
share due, and within it the hours of one project (or of a person's work without one) with an equal share; it is
bounded, so it shifts turns and never shuts anybody out: nothing here is a cap. Ageing doubles with every two days
of waiting. As it doubles for all alike, the order of two waiting claims turns with time only where the day that one
of them is wanted by comes near (`wish.urgency`); and as everything else is bounded, nobody is overtaken by what came
more than `OVERTAKEN_AT_MOST_DAYS` later.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import log2
from types import MappingProxyType

from scheduler.wish import MOST_URGENT, urgency

LEAST, MOST = 0.25, 4.0
DOUBLES_EVERY_DAYS = 2.0
OLDEST_DAYS = 60.0  # older is not heavier: by then somebody has to look at it
#: Hours that everybody present is believed to have had as it is due: the first job of a month tips no scale, and
#: among a hundred members one long print makes nobody a glutton.
CALM_H = 24.0

#: Weight of a claim by the priority that staff gave it.
PRIORITIES: Mapping[int, float] = MappingProxyType({-1: 0.5, 0: 1.0, 1: 3.0})

OVERTAKEN_AT_MOST_DAYS = DOUBLES_EVERY_DAYS * log2(
    max(PRIORITIES.values()) / min(PRIORITIES.values()) * MOST / LEAST * (1.0 + MOST_URGENT)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Machine hours of one owner (a project, or one person's work without a project) of an audience."""

    audience: str
    owner: str
    used_h: float = 0.0
    held_h: float = 0.0
    waiting: int = 0

    @property
    def hours(self) -> float:
        return self.used_h + self.held_h


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One group among its like: hours, the share these are and the share due (both 0..1), and the factor of it."""

    used_h: float
    held_h: float
    share: float
    due: float
    factor: float
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a weight is made of."""

    priority: float = 1.0
    fairness: float = 1.0
    ageing: float = 1.0
    urgency: float = 1.0

    @property
    def weight(self) -> float:
        return self.priority * self.fairness * self.ageing * self.urgency


@dataclass(frozen=True, slots=True, kw_only=True)
class Fairness:
    """Standings by audience, and by audience and owner within it; whoever is in neither is owed no more, no less."""

    audiences: Mapping[str, Standing] = field(default_factory=dict)
    owners: Mapping[tuple[str, str], Standing] = field(default_factory=dict)

    def factor(self, audience: str, owner: str) -> float:
        """Between LEAST and MOST. An owner who is not known yet stands as their audience does."""
        whole = self.audiences.get(audience)
        if whole is None:
            return 1.0
        own = self.owners.get((audience, owner))
        return _bounded(whole.factor * (own.factor if own is not None else 1.0))


def judge(loads: Iterable[Load], parts: Mapping[str, float] | None = None) -> Fairness:
    """Standings of all who used, hold or wait for something. `parts`: an audience's share due beside the others';
    1 for those that are not named. Raises ValueError for a part that is not above 0.
    """
    parts = parts or {}
    if any(not part > 0 for part in parts.values()):
        raise ValueError("a share due is a number above 0")
    present = [load for load in loads if load.hours > 0 or load.waiting]
    of_audience: dict[str, list[Load]] = {}
    for load in present:
        of_audience.setdefault(load.audience, []).append(load)
    audiences = _standings(of_audience, {name: parts.get(name, 1.0) for name in of_audience})
    owners: dict[tuple[str, str], Standing] = {}
    for audience, members in of_audience.items():
        of_owner: dict[str, list[Load]] = {}
        for load in members:
            of_owner.setdefault(load.owner, []).append(load)
        found = _standings(of_owner, dict.fromkeys(of_owner, 1.0))
        owners |= {(audience, owner): standing for owner, standing in found.items()}
    return Fairness(audiences=audiences, owners=owners)


def _standings(groups: Mapping[str, list[Load]], parts: Mapping[str, float]) -> dict[str, Standing]:
    all_h = sum(load.hours for loads in groups.values() for load in loads)
    all_parts = sum(parts.values())
    calm_h = CALM_H * len(groups)
    found: dict[str, Standing] = {}
    for name, loads in groups.items():
        hours, due = sum(load.hours for load in loads), parts[name] / all_parts
        calmed = (hours + calm_h * due) / (all_h + calm_h)
        found[name] = Standing(
            used_h=sum(load.used_h for load in loads),
            held_h=sum(load.held_h for load in loads),
            share=hours / all_h if all_h else 0.0,
            due=due,
            factor=_bounded(due / calmed),
            waiting=sum(load.waiting for load in loads),
        )
    return found


def ageing(waited_days: float) -> float:
    """1 at once, doubled every two days; never less for having waited longer."""
    return float(2.0 ** (min(max(0.0, waited_days), OLDEST_DAYS) / DOUBLES_EVERY_DAYS))


def weigh(
    fairness: Fairness,
    *,
    priority: int,
    audience: str,
    owner: str,
    waited_days: float,
    slack_min: float | None = None,
) -> Parts:
    """`slack_min`: of `wish.slack_min`; None where no day was named."""
    return Parts(
        priority=PRIORITIES.get(priority, 1.0),
        fairness=fairness.factor(audience, owner),
        ageing=ageing(waited_days),
        urgency=urgency(slack_min),
    )


def _bounded(factor: float) -> float:
    return min(MOST, max(LEAST, factor))
