"""What will happen to the lab whatever its policy: who comes with what, how long it really takes, what breaks.

Everything is drawn before the first minute, each thing from a chance of its own: two policies that live through the
same luck differ by what they do, not by their dice (common random numbers). Nothing here is known to a policy before
its time; the true factors of the machines never are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import exp, log
from random import Random

from scheduler.problem import Family
from scheduler.simulate.house import AUDIENCES, DAY, House, Settings, is_shut, is_staffed, is_term

MONTH_DAYS = 365 / 12
TRIES = 3

#: Jobs a month (260 prints are 229 jobs where 12 % of the prints fail and are made again), median minutes as the
#: slicer says, spread of the logarithm. Prints: median 2.5 h, p95 14 h.
_KINDS: tuple[tuple[str, float, float, float], ...] = (
    ("fdm", 229, 150, log(840 / 150) / 1.645),
    ("resin", 14, 150, 0.35),
    ("laser", 70, 21, 0.40),
)
_SHORTEST_MIN, _LONGEST_MIN = 8, 20 * 60
_RESIN_LONGEST_MIN = 3 * 60 + 30

#: In person, a month: technology, how many, shortest and longest minutes. Half of the lab's laser sessions are asked
#: for with a date, the other half handed in.
_VISITS: tuple[tuple[str, float, int, int], ...] = (
    ("laser", 70, 15, 60),
    ("cnc", 12, 60, 180),
    ("vinyl", 20, 15, 45),
    ("fdm", 14, 60, 150),
)
_SESSIONS_A_MONTH = 6.0
SESSION_PRINTERS, SESSION_MIN, SESSION_AROUND_MIN = 6, 150, 30

_MATERIALS, _MATERIAL_SHARES = (0, 1, 2), (70, 24, 6)  # PLA, PETG, TPU
_COLOURS, _COLOUR_SHARES = (0, 1, 2, 3, 4, 5), (30, 22, 16, 14, 10, 8)
#: When people send their wishes, by the hour of the day: makers in the evening too, firms and schools by day.
_BY_DAY = (0, 0, 0, 0, 0, 0, 0, 1, 3, 8, 10, 9, 5, 7, 10, 10, 9, 7, 3, 1, 1, 0, 0, 0)
_ALL_DAY = (0, 0, 0, 0, 0, 0, 0, 1, 2, 5, 7, 7, 6, 6, 8, 8, 8, 8, 7, 6, 6, 5, 3, 1)
_OFFICE = frozenset({"professional", "school", "public_body"})
#: On a day of the week from Monday on, of a mean day.
_WEEK = (1.2, 1.2, 1.3, 1.2, 1.1, 0.6, 0.4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One attempt at a job: its place in the spread of durations, and where it fails (a part of the run), if it does."""

    z: float
    fails_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What somebody wants made. `estimate_min` is the slicer's; `manners`: who comes late to a slot booked in person."""

    id: str
    audience: str
    technology: str
    arrives: int
    estimate_min: float
    family: Family
    eligible: tuple[int, ...]
    due: int | None
    tries: tuple[Try, ...]
    likes: int
    missed_first: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """Somebody wants a machine in person. `starts`: when it would suit, best first, in steps of a quarter of an hour."""

    id: str
    technology: str
    asked: int
    run_min: int
    eligible: tuple[int, ...]
    starts: tuple[int, ...]
    shows: bool
    over_min: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A workshop of a class: `SESSION_PRINTERS` out of the printers on one of several half-days, asked weeks ahead."""

    id: str
    asked: int
    starts: tuple[int, ...]
    eligible: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakdown:
    """A machine out of order. `said_min`: how long people believe it will take."""

    machine: int
    at: int
    repair_min: int
    said_min: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Luck:
    """`bias`: by (machine, material) the logarithm of true over estimated minutes; `spread`: of a single run."""

    jobs: tuple[Job, ...]
    visits: tuple[Visit, ...]
    sessions: tuple[Session, ...]
    breakdowns: tuple[Breakdown, ...]
    bias: dict[tuple[int, int], float]
    spread: float = 0.13

    def true_min(self, job: Job, machine: int, number: int) -> float:
        """What the attempt takes from start to end if it does not fail."""
        return job.estimate_min * exp(
            self.bias[machine, job.family.material] + self.spread * job.tries[number].z
        )


def draw(settings: Settings, house: House) -> Luck:
    return Luck(
        jobs=tuple(sorted(_jobs(settings, house), key=lambda job: (job.arrives, job.id))),
        visits=tuple(_visits(settings, house)),
        sessions=tuple(_sessions(settings, house)),
        breakdowns=tuple(_breakdowns(settings, house)),
        bias={
            (number, material): _chance(settings, "bias", bench.name, material).gauss(log(1.06), 0.11)
            for number, bench in enumerate(house.benches)
            for material in _MATERIALS
        },
    )


def _chance(settings: Settings, *what: object) -> Random:
    return Random(f"{settings.seed}/{'/'.join(map(str, what))}")  # noqa: S311 - chance that must repeat itself


def season(audience: str, day: int) -> float:
    """How much of a mean day's wishes come from a public: pupils and students go with the terms."""
    if is_shut(day):
        return 0.1
    if audience == "school":
        return 1.5 if is_term(day) else 0.05
    if audience == "student":
        return 1.3 if is_term(day) else 0.35
    return 1.0 if is_term(day) else 0.8


def _days(audience: str) -> tuple[float, ...]:
    """The rate of each of the 364 days; one is the mean of those on which the lab is not shut for longer."""
    rates = [season(audience, day) * _WEEK[(day + 1) % 7] for day in range(364)]
    ordinary = [rate for day, rate in enumerate(rates) if not is_shut(day)]
    mean = sum(ordinary) / len(ordinary)
    return tuple(rate / mean for rate in rates)


def _moments(random: Random, audience: str, a_month: float, days: int) -> Iterator[int]:
    """Arrivals of a Poisson process whose rate goes with season, weekday and hour: thinned from its highest rate."""
    by_day, hours = _days(audience), _BY_DAY if audience in _OFFICE else _ALL_DAY
    by_hour = [24 * weight / sum(hours) for weight in hours]
    mean = a_month / MONTH_DAYS / DAY
    highest = max(by_day) * max(by_hour)
    at = 0.0
    while mean > 0:
        at += random.expovariate(mean * highest)
        if at >= days * DAY:
            return
        minute = int(at)
        if random.random() * highest < by_day[minute // DAY % 364] * by_hour[minute % DAY // 60]:
            yield minute


def _jobs(settings: Settings, house: House) -> Iterator[Job]:
    for kind, a_month, median_min, spread in _KINDS:
        for audience, (percent, fails) in AUDIENCES.items():
            arrivals = _chance(settings, kind, audience)
            rate = a_month * settings.load * percent / 100
            for number, at in enumerate(_moments(arrivals, audience, rate, settings.days)):
                name = f"{kind}-{audience}-{number}"
                random = _chance(settings, name)
                estimate_min = median_min * exp(spread * random.gauss(0, 1))
                longest = _RESIN_LONGEST_MIN if kind == "resin" else _LONGEST_MIN
                yield _job(
                    random,
                    house,
                    name,
                    audience,
                    kind,
                    at,
                    min(max(estimate_min, _SHORTEST_MIN), longest),
                    fails if kind == "fdm" else 0.04,
                )


def _job(
    random: Random,
    house: House,
    name: str,
    audience: str,
    kind: str,
    at: int,
    estimate_min: float,
    fails: float,
) -> Job:
    family = Family(
        material=random.choices(_MATERIALS, _MATERIAL_SHARES)[0] if kind == "fdm" else 0,
        colour=random.choices(_COLOURS, _COLOUR_SHARES)[0] if kind == "fdm" else 0,
        nozzle=4,
    )
    large, coarse = random.random() < 0.15, random.random() < 0.15
    eligible = tuple(
        number
        for number in house.of(kind)
        if kind != "fdm"
        or (
            (house.benches[number].large or (not large and family.material != 2))
            and (coarse or house.benches[number].nozzle == 4)
        )
    )
    lead_min = _workdays(house, at, exp(random.gauss(log(3.0), 0.6)))
    tries = tuple(
        Try(z=random.gauss(0, 1), fails_at=random.betavariate(1, 2) if random.random() < fails else None)
        for _ in range(TRIES)
    )
    return Job(
        id=name,
        audience=audience,
        technology=kind,
        arrives=at,
        estimate_min=estimate_min,
        family=family,
        eligible=eligible,
        due=lead_min if random.random() < 0.7 else None,
        tries=tries,
        likes=random.randrange(1 << 16),
        missed_first=random.random() < 0.05,
    )


def _workdays(house: House, at: int, days: float) -> int:
    """The evening of the staffed day that is that many staffed days (and a piece) away: when people want to have it."""
    wanted = house.worked(at) + int(days * 8 * 60)
    day = house.at_worked(wanted) // DAY
    return day * DAY + 18 * 60 + 30


def _visits(settings: Settings, house: House) -> Iterator[Visit]:
    for kind, a_month, shortest, longest in _VISITS:
        arrivals = _chance(settings, "visit", kind)
        for number, at in enumerate(_moments(arrivals, "personal", a_month * settings.load, settings.days)):
            name = f"visit-{kind}-{number}"
            random = _chance(settings, name)
            run_min = random.randrange(shortest, longest + 1, 5)
            yield Visit(
                id=name,
                technology=kind,
                asked=at,
                run_min=run_min,
                eligible=house.of(kind),
                starts=_wished(random, house, at, run_min),
                shows=random.random() >= 0.08,
                over_min=max(0, int(random.gauss(-2, 6))),
            )


def _wished(random: Random, house: House, at: int, run_min: int) -> tuple[int, ...]:
    """A day some days ahead and an hour that suits, and what lies around it; then the same on the two open days after."""
    day = at // DAY + 1 + int(random.expovariate(1 / 3.5))
    hour = random.choice((10, 11, 14, 15, 16, 17, 18))
    found: list[int] = []
    days = 0
    while days < 3:
        if is_staffed(day, False):
            days += 1
            for step in (0, 1, -1, 2, -2, 3, -3, 4, -4, 6, -6, 8, -8):
                start = day * DAY + hour * 60 + 15 * step
                if house.opens.room(start, run_min) == start:
                    found.append(start)
        day += 1
    return tuple(found)


def _sessions(settings: Settings, house: House) -> Iterator[Session]:
    """Half-days of classes, in term, asked for three to seven weeks before, with four other half-days that would do."""
    random = _chance(settings, "sessions")
    everyone = house.of("fdm")
    if len(everyone) < SESSION_PRINTERS:
        return
    days = [day for day in range(21, settings.days) if is_staffed(day, False) and is_term(day)]
    wanted = min(len(days), round(_SESSIONS_A_MONTH * settings.load * settings.days / MONTH_DAYS))
    for number, day in enumerate(sorted(random.sample(days, wanted))):
        around = [other for other in days if day - 4 <= other <= day + 10]
        starts = [at for other in around for at in (other * DAY + 9 * 60 + 45, other * DAY + 14 * 60)]
        asked = max(0, day * DAY - random.randrange(21 * DAY, 50 * DAY))
        yield Session(
            id=f"session-{number}",
            asked=asked + random.randrange(9 * 60, 17 * 60),
            starts=tuple(sorted(random.sample(starts, min(5, len(starts))))),
            eligible=everyone,
        )


def _breakdowns(settings: Settings, house: House) -> Iterator[Breakdown]:
    """By machine: on average one in sixty days, mended in a day and a half (half of them), believed more or less rightly."""
    for number, bench in enumerate(house.benches):
        random = _chance(settings, "breakdown", bench.name)
        at = random.expovariate(1 / (60 * DAY))
        while at < settings.days * DAY:
            repair_min = int(36 * 60 * exp(0.7 * random.gauss(0, 1)))
            said_min = int(repair_min * exp(0.3 * random.gauss(0, 1)))
            yield Breakdown(machine=number, at=int(at), repair_min=repair_min, said_min=said_min)
            at += repair_min + random.expovariate(1 / (60 * DAY))
