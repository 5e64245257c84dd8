"""Lab instances for benches and tests, made from a seed: the same problem everywhere and every time.

A park of printers, attended machines, rooms and people at several sites with hours of their own; the jobs of a
queue and of the days to come at about 70 % load; workshops that want several printers, a room and a person at one of
a few dates; runs under way, reservations, outages, and promises already made. Chance is `Random(seed)` alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from scheduler.problem import (
    Block,
    Demand,
    Family,
    Machine,
    Need,
    Piece,
    Presence,
    Problem,
    SetupRule,
    Slot,
    Told,
    Why,
    pieces,
)

DAY = 24 * 60
LOAD = 0.7  # work over what the machines can take until the last release
NIGHT = 1.5  # what a printer can take in a day, of its staffed minutes: it runs on alone
SIZES = {"small": (10, 60), "mid": (40, 400), "large": (200, 4000), "huge": (500, 10_000)}

_WORK_MIN = {True: 185, False: 95}  # of a mean job with set-up and clearing: printing or not
_SITE = 20  # machines
_PRIORITY = (1.0, 1.0, 1.0, 2.0, 4.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Park:
    machines: tuple[Machine, ...]
    printers: tuple[int, ...]
    attended: tuple[int, ...]
    rooms: tuple[int, ...]
    people: tuple[int, ...]
    speed: tuple[float, ...]  # minutes of a machine for one of the slicer's


def lab(seed: int, machines: int, jobs: int, days: int | None = None) -> Problem:
    """`jobs` counts the workshops among it, about one in forty. `days`: the horizon; by default ten days more than
    the work takes at 70 % load. A sound problem (`problem.faults` finds nothing) whose demands all have a place.
    """
    random = Random(seed)
    window = _window_days(machines, jobs)
    days = days or window + 10
    park = _park(random, machines, days)
    gangs = max(1, jobs // 40) if park.rooms else 0
    demands = [_job(random, number, park, min(window, days)) for number in range(jobs - gangs)]
    demands += [_workshop(random, number, park, days) for number in range(gangs)]
    fixed = _running(random, park) + _reservations(random, park, days)
    told = _tell(random, demands, park, fixed)
    return Problem(horizon_min=days * DAY, machines=park.machines, demands=tuple(told), fixed=tuple(fixed))


def _window_days(machines: int, jobs: int) -> int:
    """Calendar days until the last release; a house is open five days of seven, eight hours staffed."""
    printers, attended = _counts(machines)[:2]
    part = 0.75 if attended else 1.0
    need = max(
        jobs * part * _WORK_MIN[True] / (printers * 480 * NIGHT * LOAD),
        jobs * (1 - part) * _WORK_MIN[False] / (max(1, attended) * 480 * LOAD),
    )
    return max(2, round(need * 7 / 5 + 0.5))


def _counts(machines: int) -> tuple[int, int, int, int]:
    """Printers, attended machines, rooms, people."""
    if machines < 5:
        return machines, 0, 0, 0
    rooms = people = max(1, machines // 20)
    attended = max(1, machines // 5)
    return machines - attended - rooms - people, attended, rooms, people


def _park(random: Random, machines: int, days: int) -> _Park:
    printers, attended, rooms, people = _counts(machines)
    sites = max(1, machines // _SITE)
    hours = [_hours(random, days) for _ in range(sites)]
    kinds = ["printer"] * printers + ["attended"] * attended + ["room"] * rooms + ["person"] * people
    park = [_machine(random, i, kind, hours[i % sites], days) for i, kind in enumerate(kinds)]
    by_kind = {kind: tuple(i for i, k in enumerate(kinds) if k == kind) for kind in set(kinds)}
    return _Park(
        machines=tuple(park),
        printers=by_kind["printer"],
        attended=by_kind.get("attended", ()),
        rooms=by_kind.get("room", ()),
        people=by_kind.get("person", ()),
        speed=tuple(random.uniform(0.8, 1.3) for _ in park),
    )


def _hours(random: Random, days: int) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    """(open, staffed): Tuesday to Saturday or Monday to Friday, a closed day now and then; the origin is a midnight."""
    shut = random.choice(((0, 6), (5, 6)))
    first, last = random.choice(((9, 18), (10, 19), (8, 17)))
    house, staff = [], []
    for day in range(days):
        if day % 7 in shut or random.random() < 0.04:
            continue
        at = day * DAY
        until = last + (2 if random.random() < 0.2 else 0)  # an evening
        house.append((at + first * 60, at + until * 60))
        lunch = at + random.choice((12, 13)) * 60
        staff += [(at + first * 60, lunch), (lunch + 45, at + until * 60)]
    return pieces(house), pieces(staff)


def _machine(
    random: Random, index: int, kind: str, hours: tuple[tuple[Piece, ...], tuple[Piece, ...]], days: int
) -> Machine:
    opened, staffed = hours
    machine = Machine(index=index, staffed=staffed, open=opened, blocked=_outage(random, index, days))
    if kind != "printer":
        return machine
    return replace(
        machine,
        unattended_max_min=random.choice((10 * 60, 16 * 60, 16 * 60, 64 * 60)),
        night_start_ok=random.random() < 0.1,
        worn_min=random.randrange(20_000),
        loads=SetupRule(),
        loaded=_family(random) if random.random() < 0.8 else None,
    )


def _outage(random: Random, index: int, days: int) -> tuple[Block, ...]:
    if random.random() > 0.15:
        return ()
    begin = random.randrange(days * DAY * 2 // 3)
    length = random.choice((120, 8 * 60, 2 * DAY))
    why = random.choice((Why.OUTAGE, Why.OUTAGE, Why.OTHER))
    return (Block(start=begin, end=begin + length, why=why, ref=f"outage-{index}"),)


def _family(random: Random) -> Family:
    return Family(
        material=random.choice((0, 0, 0, 1, 2)),
        colour=random.randrange(5),
        nozzle=random.choice((4, 4, 4, 4, 6)),
    )


def _weight(random: Random) -> float:
    """Priority times what fairness makes of it."""
    return random.choice(_PRIORITY) * round(random.uniform(0.7, 1.4), 2)


def _job(random: Random, number: int, park: _Park, window: int) -> Demand:
    printing = random.random() < 0.75 or not park.attended
    pool = park.printers if printing else park.attended
    eligible = tuple(sorted(random.sample(pool, random.randint(1, min(len(pool), 8)))))
    slicer_min = min(12 * 60, max(10, random.lognormvariate(4.7 if printing else 3.9, 0.8)))
    if not printing:
        slicer_min = min(150.0, slicer_min)  # must end before lunch or closing
    release = 0 if random.random() < 0.5 else random.randrange(window * DAY)
    slack_min = int(slicer_min) + random.randrange(2 * 60, window * DAY // 2)
    return Demand(
        id=f"job-{number}",
        needs=(Need(eligible=eligible),),
        duration_min={m: max(1, round(slicer_min * park.speed[m])) for m in eligible},
        release=release,
        due=release + slack_min if random.random() < 0.85 else None,
        weight=_weight(random),
        presence=Presence.NOBODY if printing else random.choice((Presence.STAFF, Presence.HOUSE)),
        setup_min=random.choice((0, 5)) if printing else 10,
        clear_min=random.choice((5, 10)),
        family=_family(random) if printing else None,
    )


def _workshop(random: Random, number: int, park: _Park, days: int) -> Demand:
    """Several printers, a room and a person, at the beginning of a morning or an afternoon of a few days."""
    cell = tuple(sorted(random.sample(park.printers, min(len(park.printers), random.randint(3, 12)))))
    dates = random.sample(range(1, days - 1), min(days - 2, random.randint(4, 8)))
    begins = [day * DAY + h * 60 for day in dates for h in (10, 14)]
    begins += [
        day * DAY + h * 60 for day in range(days - 7, days) for h in (10, 11, 12, 14, 15)
    ]  # or at the end
    starts = pieces((begin, begin + 59) for begin in begins)
    needs = (
        Need(eligible=cell, quantity=random.randint(2, max(2, len(cell) // 2))),
        Need(eligible=park.rooms, setup_min=random.choice((0, 30)), clear_min=15),
        Need(eligible=park.people, setup_min=15, clear_min=0),
    )
    run_min = random.choice((60, 90, 120))
    return Demand(
        id=f"workshop-{number}",
        needs=needs,
        duration_min={m: run_min for need in needs for m in need.eligible},
        due=sorted(dates)[len(dates) // 2] * DAY + 20 * 60,
        weight=0.5 * _weight(random),
        presence=Presence.HOUSE,
        setup_min=5,
        clear_min=10,
        starts=starts,
        dislike_min=tuple(random.choice((0, 0, 30, 120)) for _ in starts),
    )


def _running(random: Random, park: _Park) -> list[Slot]:
    """A third of the printers are at work when the plan begins."""
    slots = []
    for number in (n for n in park.printers if random.random() < 0.33):
        machine = park.machines[number]
        begin, run_end = -random.randrange(30, 600), random.randrange(20, 10 * 60)
        free_at = next(
            (max(run_end, p.start) + 10 for p in machine.staffed if p.end >= run_end + 10), run_end
        )
        slots.append(
            Slot(
                demand=f"running-{number}",
                machine=number,
                setup_start=begin - 10,
                run_start=begin,
                run_end=run_end,
                free_at=free_at,
                family=_family(random),
            )
        )
    return slots


def _reservations(random: Random, park: _Park, days: int) -> list[Slot]:
    """Members in person on attended machines, in rooms, with people; two on one machine never meet."""
    slots = []
    for number in (*park.attended, *park.rooms, *park.people):
        for piece in park.machines[number].open[:days]:
            if random.random() < 0.2:
                begin = piece.start + random.randrange(0, piece.end - piece.start - 60, 30)
                end = min(piece.end, begin + random.choice((60, 90, 120)))
                slots.append(
                    Slot(
                        demand=f"reserved-{number}-{piece.start // DAY}",
                        machine=number,
                        setup_start=begin,
                        run_start=begin,
                        run_end=end,
                        free_at=end,
                    )
                )
    return slots


def _tell(random: Random, demands: list[Demand], park: _Park, fixed: list[Slot]) -> list[Demand]:
    """A fifth of the queue was told a machine and a start: each behind the one before, as a desk would have said."""
    free = [0] * len(park.machines)
    for slot in fixed:
        if slot.setup_start < 0:
            free[slot.machine] = max(free[slot.machine], slot.free_at)
    told = []
    for demand in demands:
        if demand.is_gang or random.random() > 0.2:
            told.append(demand)
            continue
        on = min(demand.needs[0].eligible, key=lambda m: (free[m], m))
        at = max(free[on], demand.release)
        begin = next((max(p.start, at) for p in park.machines[on].staffed if p.end >= at + 30), at) + 30
        free[on] = begin + demand.duration_min[on] + 40
        told.append(replace(demand, told=Told(machines=(on,), start=begin)))
    return told
