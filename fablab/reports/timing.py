"""How long things took beside what was estimated, and when they were ready beside what was promised."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import log
from statistics import NormalDist, median

from sqlalchemy import func, select

from fablab.base.database import UnitOfWork
from fablab.claims.models import Claim, ClaimKind
from fablab.claims.promises import Promised
from fablab.people.access import Right, require
from fablab.places.models import Machine, Material, Resource
from fablab.runs.models import Run, RunState

LOOK_BACK = timedelta(days=180)  # what a machine did before that says little of what it does now
QUANTILES = (0.10, 0.50, 0.80, 0.90)
# A short pause (a change of filament) is part of making the thing; a long one is somebody's evening at home.
PAUSED_MOST_S, PAUSED_MOST_SHARE = 300.0, 0.05

_STANDARD = NormalDist()


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    """One run that came to a good end without a long pause. `foreseen`: mean and deviation of the logarithm of its
    seconds, as believed when it was started; None where nobody had said anything."""

    resource_id: int
    material_id: int | None
    source: str
    estimate_s: float
    actual_s: float
    foreseen: tuple[float, float] | None = None

    @property
    def factor(self) -> float:
        return self.actual_s / self.estimate_s

    @property
    def odds(self) -> float | None:
        """The probability with which it had been foreseen to end by then."""
        if self.foreseen is None:
            return None
        return _STANDARD.cdf((log(self.actual_s) - self.foreseen[0]) / self.foreseen[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A promise that has been put to the test, and when the part was off the bed, on which machine; `clear_s` of a
    person's time before that."""

    resource_id: int
    material_id: int | None
    source: str
    told_at: datetime
    by: tuple[datetime, ...]  # as QUANTILES
    middle_at: datetime
    scale_s: float
    ready_at: datetime
    clear_s: float

    @property
    def off_by(self) -> float:
        """In scales of the promise; see `scheduler.odds`. A run whose part nobody came to take off was, to its owner,
        not finished."""
        late_s = (self.ready_at - self.middle_at).total_seconds() - self.clear_s
        return late_s / self.scale_s

    def kept(self) -> tuple[bool, ...]:
        return tuple(self.ready_at <= at for at in self.by)


def since(uow: UnitOfWork) -> datetime:
    """Midnight, so that what is remembered of the past changes with what happens, and once a day with time."""
    return (uow.now - LOOK_BACK).replace(hour=0, minute=0, second=0, microsecond=0)


def stamp(uow: UnitOfWork) -> tuple[object, ...]:
    """Changes whenever another run has come to a good end or its part was taken off, or one has become too old."""
    query = select(func.count(), func.max(Run.ended_at), func.max(Run.cleared_at)).where(
        Run.state == RunState.SUCCEEDED, Run.ended_at >= since(uow)
    )
    return tuple(uow.session.execute(query).one())


def took(uow: UnitOfWork) -> list[Took]:
    """Oldest first. A claim that was estimated at nothing, and a run without a beginning, say nothing."""
    query = (
        select(
            Run.resource_id,
            Claim.material_id,
            Claim.estimate_source,
            Claim.estimate_s,
            Run.started_at,
            Run.ended_at,
            Run.paused_s,
            Promised.run_log_mean,
            Promised.run_log_sigma,
        )
        .join(Claim, Claim.id == Run.claim_id)
        .outerjoin(Promised, Promised.claim_id == Run.claim_id)
        .where(
            Run.state == RunState.SUCCEEDED,
            Run.ended_at >= since(uow),
            Run.started_at.is_not(None),
            Claim.estimate_s > 0,
        )
        .order_by(Run.ended_at, Run.id)
    )
    found: list[Took] = []
    for (
        resource_id,
        material_id,
        source,
        estimate_s,
        started_at,
        ended_at,
        paused_s,
        mean,
        sigma,
    ) in uow.session.execute(query):
        assert ended_at is not None
        assert started_at is not None
        actual_s = (ended_at - started_at).total_seconds()
        if actual_s <= 0 or paused_s > max(PAUSED_MOST_S, PAUSED_MOST_SHARE * actual_s):
            continue
        found.append(
            Took(
                resource_id=resource_id,
                material_id=material_id,
                source=source,
                estimate_s=float(estimate_s),
                actual_s=actual_s,
                foreseen=None if mean is None or not sigma else (mean, sigma),
            )
        )
    return found


def kept(uow: UnitOfWork) -> list[Kept]:
    """Promises whose part is off the bed, oldest first, however many tries it took. What was cancelled, or given up
    for good, was never finished: it says nothing about when."""
    query = (
        select(
            Promised,
            Claim.material_id,
            Claim.estimate_source,
            Run.resource_id,
            Run.cleared_at,
            func.coalesce(Machine.clear_s, 0),
        )
        .join(Claim, Claim.id == Promised.claim_id)
        .join(Run, Run.claim_id == Promised.claim_id)
        .outerjoin(Machine, Machine.resource_id == Run.resource_id)
        .where(
            Run.state == RunState.SUCCEEDED,
            Run.ended_at >= since(uow),
            Run.cleared_at.is_not(None),
            Claim.kind == ClaimKind.JOB,
        )
        .order_by(Run.ended_at, Run.id)
    )
    return [
        Kept(
            resource_id=resource_id,
            material_id=material_id,
            source=source,
            told_at=row.told_at,
            by=(row.p10_at, row.p50_at, row.p80_at, row.p90_at),
            middle_at=row.middle_at,
            scale_s=row.scale_s,
            ready_at=cleared_at,
            clear_s=float(clear_s),
        )
        for row, material_id, source, resource_id, cleared_at, clear_s in uow.session.execute(query)
        if cleared_at is not None
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One machine, material and source: how many runs, what they took beside the estimate (median, and the factors
    that 10 % and 90 % stayed under), and of its promises the share kept at each of QUANTILES."""

    resource_id: int
    machine: str
    material: str
    source: str
    runs: int
    factor: float | None
    low: float | None
    high: float | None
    promises: int
    shares: tuple[float, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dots:
    """Every run's factor of one machine, oldest first."""

    machine: str
    factors: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """`shares`: of all promises, those kept at each of QUANTILES; `run_shares` the same of the durations of runs, as
    they were foreseen at their start. None without any."""

    since: datetime
    runs: int
    factor: float | None
    promises: int
    shares: tuple[float, ...] | None
    foreseen: int
    run_shares: tuple[float, ...] | None
    lines: tuple[Line, ...]
    dots: tuple[Dots, ...]


def calibration(uow: UnitOfWork) -> Calibration:
    """For whoever works the machines."""
    require(uow.actor, Right.OPERATE)
    runs, promises = took(uow), kept(uow)
    machines = {row.id: row.name for row in uow.session.scalars(select(Resource)).unique()}
    materials: dict[int | None, str] = {row.id: row.name for row in uow.session.scalars(select(Material))}
    odds = [run.odds for run in runs if run.odds is not None]
    factors = [run.factor for run in runs]
    of_machine: dict[int, list[float]] = {}
    for run in runs:
        of_machine.setdefault(run.resource_id, []).append(run.factor)
    return Calibration(
        since=since(uow),
        runs=len(runs),
        factor=median(factors) if factors else None,
        promises=len(promises),
        shares=_shares(row.kept() for row in promises),
        foreseen=len(odds),
        run_shares=_shares(tuple(found <= q for q in QUANTILES) for found in odds),
        lines=tuple(_lines(runs, promises, machines, materials)),
        dots=tuple(
            Dots(machine=machines[key], factors=tuple(of_machine[key]))
            for key in sorted(of_machine, key=lambda key: machines[key])
        ),
    )


def _lines(
    runs: list[Took], promises: list[Kept], machines: dict[int, str], materials: dict[int | None, str]
) -> list[Line]:
    def key(row: Took | Kept) -> tuple[str, str, str, int]:
        return machines[row.resource_id], materials.get(row.material_id, ""), row.source, row.resource_id

    ours: dict[tuple[str, str, str, int], list[float]] = {}
    told: dict[tuple[str, str, str, int], list[tuple[bool, ...]]] = {}
    for run in runs:
        ours.setdefault(key(run), []).append(run.factor)
    for promise in promises:
        told.setdefault(key(promise), []).append(promise.kept())
    found: list[Line] = []
    for machine, material, source, resource_id in sorted({*ours, *told}):
        group = (machine, material, source, resource_id)
        factors = sorted(ours.get(group, ()))
        found.append(
            Line(
                resource_id=resource_id,
                machine=machine,
                material=material,
                source=source,
                runs=len(factors),
                factor=median(factors) if factors else None,
                low=_at(factors, 0.10),
                high=_at(factors, 0.90),
                promises=len(told.get(group, ())),
                shares=_shares(told.get(group, ())),
            )
        )
    return found


def _at(ordered: list[float], q: float) -> float | None:
    """The value that a share `q` stays under; None without any."""
    if not ordered:
        return None
    return ordered[min(len(ordered) - 1, max(0, round(q * (len(ordered) - 1))))]


def _shares(rows: Iterable[tuple[bool, ...]]) -> tuple[float, ...] | None:
    known = list(rows)
    if not known:
        return None
    return tuple(sum(row[n] for row in known) / len(known) for n in range(len(QUANTILES)))
