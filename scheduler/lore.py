"""What this lab has learnt of itself, read once and remembered: factors of durations, odds of promises, fairness.

Every look at the calendar asks here, and nobody hands these about. Factors and odds are worked out anew when another
run has come to a good end: one query of two numbers tells. They live in the memory of the database that the
composition root made, so every process learns what all of them wrote.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from fablab.base.database import UnitOfWork
from fablab.people import shares as due
from fablab.reports import shares, timing
from scheduler.durations import Factors, FinishedRun, Key, learn
from scheduler.fairness import Fairness, Load, judge
from scheduler.odds import Odds, learn_odds

_FACTORS = "lore.factors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lore:
    """Before the first run: what holds for any lab."""

    factors: Factors = field(default_factory=lambda: learn(()))
    odds: Odds = field(default_factory=Odds)
    fairness: Fairness = field(default_factory=Fairness)


def lore(uow: UnitOfWork) -> Lore:
    known, odds = _learnt(uow)
    return Lore(factors=known, odds=odds, fairness=fairness(uow, shares.hours(uow)))


def factors(uow: UnitOfWork) -> Factors:
    """How long runs take here, and nothing else: for whoever asks about one start."""
    return _learnt(uow)[0]


def key_of(resource_id: int, material_id: int | None, source: str) -> Key:
    return Key(machine=str(resource_id), material=str(material_id), source=source)


def fairness(uow: UnitOfWork, rows: list[shares.Hours]) -> Fairness:
    """Shares used beside shares due, as they stand at this moment."""
    loads = [
        Load(
            audience=row.audience.value,
            owner=row.owner,
            used_h=row.used_h,
            held_h=row.held_h,
            waiting=row.waiting,
        )
        for row in rows
    ]
    return judge(loads, {audience.value: parts for audience, parts in due.parts_due(uow).items()})


def _learnt(uow: UnitOfWork) -> tuple[Factors, Odds]:
    stamp = timing.stamp(uow)
    known = uow.memory.get(_FACTORS)
    if known is not None and known[0] == stamp:
        found: tuple[Factors, Odds] = known[1]
        return found
    runs = [
        FinishedRun(
            key=key_of(run.resource_id, run.material_id, run.source),
            estimate_s=run.estimate_s,
            actual_s=run.actual_s,
        )
        for run in timing.took(uow)
    ]
    found = learn(runs), learn_odds(promise.off_by for promise in timing.kept(uow))
    uow.memory[_FACTORS] = (stamp, found)
    return found
