"""What a simulated life came to, in figures that mean the same for every policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scheduler.simulate.house import DAY
from scheduler.simulate.state import Fate
from scheduler.simulate.world import World

VISITS = ("refused", "served", "waited", "missed", "lost")
PROMISES = ("p10", "p80", "p90", "slot")


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Times in minutes; shares between 0 and 1. `ready_`: from the wish to the part; `start_`: to the
    run; `wait_`: how much later than an empty lab could have had it ready."""

    policy: str
    jobs: int
    done: int
    failed: int
    with_due: int
    late: int
    late_mean_min: float
    late_p95_min: float
    ready_mean_min: float
    ready_p95_min: float
    wait_mean_min: float
    wait_p95_min: float
    start_mean_min: float
    utilisation: Mapping[str, float]
    walks: int
    hands_h: float
    setups: int
    spool_changes: int
    setup_h: float
    kept: Mapping[str, float]
    notices: int
    moved: int
    worse: int
    visits: Mapping[str, int]
    visit_wait_mean_min: float
    sessions: int
    refused_sessions: int
    class_printers: float
    share: Mapping[str, float]
    worst_share: Mapping[str, float]
    audience_ready_min: Mapping[str, float]
    weekly_ready_min: tuple[float, ...]
    plans: int
    searches: int


def quantile(values: Sequence[float], q: float) -> float:
    if not values:
        return 0.0
    return sorted(values)[min(len(values) - 1, int(q * len(values)))]


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def score(policy: str, world: World) -> Score:
    diary, fates = world.diary, list(world.diary.fates.values())
    done = [f for f in fates if f.done]
    due = [f for f in fates if f.job.due is not None]
    late = [
        f.ended - f.job.due
        for f in due
        if f.ended is not None and f.job.due is not None and f.ended > f.job.due
    ]
    ready = [float(f.ended - f.job.arrives) for f in done if f.ended is not None]
    waits = [_wait_min(world, f) for f in done]
    granted = [v for v in diary.visits.values() if v != "refused"]
    found = [n for n in diary.sessions.values() if n >= 0]
    return Score(
        policy=policy,
        jobs=len(fates),
        done=len(done),
        failed=len(fates) - len(done),
        with_due=len(due),
        late=len(late),
        late_mean_min=mean(late),
        late_p95_min=quantile(late, 0.95),
        ready_mean_min=mean(ready),
        ready_p95_min=quantile(ready, 0.95),
        wait_mean_min=mean(waits),
        wait_p95_min=quantile(waits, 0.95),
        start_mean_min=mean([float(f.begun - f.job.arrives) for f in done if f.begun is not None]),
        utilisation=_utilisation(world),
        walks=diary.walks,
        hands_h=diary.hands_min / 60,
        setups=diary.setups,
        spool_changes=diary.spool_changes,
        setup_h=diary.setup_min / 60,
        kept=_kept(fates),
        notices=sum(f.notices for f in fates),
        moved=sum(f.notices > 0 for f in fates),
        worse=sum(f.worse for f in fates),
        visits={
            name: sum(v == name for v in diary.visits.values())
            for name in ("refused", "served", "waited", "missed", "lost")
        },
        visit_wait_mean_min=diary.visit_wait_min / max(1, len(granted)),
        sessions=len(found),
        refused_sessions=len(diary.sessions) - len(found),
        class_printers=mean([float(n) for n in found]),
        share=_shares(fates, 0, 1 << 40),
        worst_share=_worst_shares(fates, world.house.days),
        audience_ready_min={
            audience: mean(
                [float(f.ended - f.job.arrives) for f in done if f.job.audience == audience and f.ended]
            )
            for audience in sorted({f.job.audience for f in fates})
        },
        weekly_ready_min=_weekly(done, world.house.days),
        plans=diary.plans,
        searches=diary.searches,
    )


def _wait_min(world: World, fate: Fate) -> float:
    """What the others, the hands and failures cost: later than an empty lab would have had it ready."""
    job = fate.job
    return (fate.ended or 0) - world.house.soonest(job.arrives, job.eligible, round(job.estimate_min))


def _utilisation(world: World) -> dict[str, float]:
    """Machine time with jobs, of the staffed time (nights count on top: more than 1 is possible)."""
    house = world.house
    whole = max(1, house.worked(house.days * DAY))
    found: dict[str, list[int]] = {}
    for bench, busy in zip(house.benches, world.diary.busy_min, strict=True):
        found.setdefault(bench.technology, []).append(busy)
    return {kind: sum(busy) / len(busy) / whole for kind, busy in found.items() if sum(busy)}


def _kept(fates: Sequence[Fate]) -> dict[str, float]:
    """Of those promised: who was ready by then. A job that never came out kept nothing."""
    found: dict[str, float] = {}
    for name in PROMISES:
        told = [f for f in fates if name in f.told]
        if told:
            found[name] = mean([float(f.done and (f.ended or 0) <= f.told[name]) for f in told])
    return found


def _shares(fates: Sequence[Fate], start: int, end: int) -> dict[str, float]:
    """By audience: machine minutes got, of those due. Due is its part of what was wished for; got, of what was made."""
    wished: dict[str, float] = {}
    got: dict[str, float] = {}
    for fate in fates:
        name = fate.job.audience
        if start <= fate.job.arrives < end:
            wished[name] = wished.get(name, 0.0) + fate.job.estimate_min
        if fate.done and fate.ended is not None and start <= fate.ended < end:
            got[name] = got.get(name, 0.0) + fate.job.estimate_min
    all_wished, all_got = sum(wished.values()) or 1.0, sum(got.values()) or 1.0
    return {name: (got.get(name, 0.0) / all_got) / (wished[name] / all_wished) for name in sorted(wished)}


def _worst_shares(fates: Sequence[Fate], days: int) -> dict[str, float]:
    """The least share of each audience over 28 days."""
    worst: dict[str, float] = {}
    for first in range(0, days - 27, 28):
        for name, share in _shares(fates, first * DAY, (first + 28) * DAY).items():
            worst[name] = min(worst.get(name, share), share)
    return worst


def _weekly(done: Sequence[Fate], days: int) -> tuple[float, ...]:
    weeks: list[list[float]] = [[] for _ in range(max(1, days // 7))]
    for fate in done:
        week = fate.job.arrives // (7 * DAY)
        if week < len(weeks) and fate.ended is not None:
            weeks[week].append(float(fate.ended - fate.job.arrives))
    return tuple(mean(week) for week in weeks)
