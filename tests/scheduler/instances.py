"""Synthetic labs for tests and benches: from a seed, the same problem everywhere and every time; or drawn
by hypothesis, which makes them small again when one goes wrong.
"""

from __future__ import annotations

from random import Random

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

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


def always(days: int = 7) -> tuple[Piece, ...]:
    return (Piece(0, days * DAY),)


def weekdays(days: int, start_h: float, end_h: float, *, lunch: bool = False) -> tuple[Piece, ...]:
    """Every day but the sixth and seventh of each week; the origin is a midnight."""
    stretches: list[tuple[int, int]] = []
    for day in (d for d in range(days) if d % 7 < 5):
        begin, end = int(day * DAY + start_h * 60), int(day * DAY + end_h * 60)
        if lunch:
            stretches += [(begin, day * DAY + 12 * 60), (day * DAY + 13 * 60, end)]
        else:
            stretches.append((begin, end))
    return pieces(stretches)


def machine(index: int = 0, **changes: object) -> Machine:
    """One machine staffed and open from 9 to 17 on week days of two weeks, unless told otherwise."""
    hours = weekdays(14, 9, 17)
    return Machine(**{"index": index, "staffed": hours, "open": hours, **changes})  # type: ignore[arg-type]  # a test's shorthand


def job(
    name: str = "job", *, run_min: int = 60, machines: tuple[int, ...] = (0,), **changes: object
) -> Demand:
    """One need for one machine, the same duration on each."""
    stated = {
        "id": name,
        "needs": (Need(eligible=machines),),
        "duration_min": dict.fromkeys(machines, run_min),
        "setup_min": 5,
        "clear_min": 5,
    }
    return Demand(**{**stated, **changes})  # type: ignore[arg-type]  # a test's shorthand


def family(random: Random) -> Family:
    return Family(
        material=random.randrange(2), colour=random.randrange(3), nozzle=random.choice((4, 4, 4, 6))
    )


def lab(
    seed: int, *, machines: int = 15, jobs: int = 200, gangs: int = 4, fixed: int = 10, days: int = 28
) -> Problem:
    """Printers that may run at night, attended machines and rooms; jobs, reservations and workshops on
    them.
    """
    random = Random(seed)
    park = tuple(_machine(random, index, days) for index in range(machines))
    demands = [_job(random, f"job-{number}", park, days) for number in range(jobs)]
    demands += [_gang(random, f"gang-{number}", park, days) for number in range(gangs)]
    taken = tuple(_fixed(random, number, park, days) for number in range(fixed))
    return Problem(horizon_min=days * DAY, machines=park, demands=tuple(demands), fixed=taken)


def _machine(random: Random, index: int, days: int) -> Machine:
    start_h, end_h = random.choice((8, 9, 10)), random.choice((17, 18, 20))
    opened = weekdays(days, start_h, end_h)
    staffed = weekdays(days, start_h + random.choice((0, 0, 0.5)), end_h, lunch=random.random() < 0.3)
    printer = random.random() < 0.6
    blocked = ()
    if random.random() < 0.3:
        begin = random.randrange(days * DAY)
        why = random.choice((Why.OUTAGE, Why.OTHER))
        blocked = (
            Block(start=begin, end=begin + random.randrange(30, 2 * DAY), why=why, ref=f"block-{index}"),
        )
    return Machine(
        index=index,
        staffed=staffed,
        open=opened,
        blocked=blocked,
        unattended_max_min=random.choice((60, 16 * 60, 70 * 60)) if printer else 0,
        night_start_ok=printer and random.random() < 0.2,
        loads=SetupRule() if printer else None,
        loaded=family(random) if printer and random.random() < 0.7 else None,
    )


def _job(random: Random, name: str, park: tuple[Machine, ...], days: int) -> Demand:
    eligible = tuple(sorted(random.sample(range(len(park)), random.randint(1, min(6, len(park))))))
    base_min = int(min(1200, max(8, random.lognormvariate(4.6, 0.9))))
    release = random.choice((0, 0, random.randrange(days * DAY // 3)))
    starts: tuple[Piece, ...] = ()
    if random.random() < 0.15:
        starts = pieces(
            (begin, begin + random.choice((1, 240)))
            for begin in (random.randrange(days) * DAY + random.randrange(9, 17) * 60 for _ in range(3))
        )
    return Demand(
        id=name,
        needs=(Need(eligible=eligible),),
        duration_min={m: max(1, int(base_min * random.uniform(0.8, 1.3))) for m in eligible},
        release=release,
        due=release + random.randrange(DAY, 8 * DAY) if random.random() < 0.7 else None,
        weight=random.choice((1.0, 1.0, 2.5, 4.0)),
        presence=random.choice((Presence.NOBODY, Presence.NOBODY, Presence.STAFF, Presence.HOUSE)),
        setup_min=random.choice((0, 0, 5, 12)),
        clear_min=random.choice((0, 5, 10)),
        family=family(random) if random.random() < 0.8 else None,
        starts=starts,
        told=Told(machines=eligible[:1], start=release + 600) if random.random() < 0.2 else None,
    )


def _gang(random: Random, name: str, park: tuple[Machine, ...], days: int) -> Demand:
    everything = range(len(park))
    first = tuple(sorted(random.sample(everything, random.randint(min(2, len(park)), len(park)))))
    needs = [Need(eligible=first, quantity=random.randint(1, max(1, len(first) // 2)))]
    if random.random() < 0.6:
        second = tuple(sorted(random.sample(everything, random.randint(1, len(park)))))
        needs.append(Need(eligible=second, setup_min=random.choice((None, 0, 30)), clear_min=0))
    run_min = random.choice((60, 120, 180))
    return Demand(
        id=name,
        needs=tuple(needs),
        duration_min={m: run_min for need in needs for m in need.eligible},
        release=random.randrange(days * DAY // 2),
        weight=5.0,
        presence=random.choice((Presence.STAFF, Presence.HOUSE, Presence.NOBODY)),
        setup_min=random.choice((0, 15)),
        clear_min=random.choice((0, 15)),
    )


def _fixed(random: Random, number: int, park: tuple[Machine, ...], days: int) -> Slot:
    """Facts as they come: any minute, some begun before the origin, some on top of each other."""
    on = random.choice(park)
    begin = random.randrange(-60, days * DAY // 2)
    setup_min, run_min, wait_min = (
        random.choice((0, 10)),
        random.randrange(15, 600),
        random.choice((0, 5, 60)),
    )
    return Slot(
        demand=f"fixed-{number}",
        machine=on.index,
        setup_start=begin,
        run_start=begin + setup_min,
        run_end=begin + setup_min + run_min,
        free_at=begin + setup_min + run_min + wait_min,
        family=family(random) if on.loads and random.random() < 0.8 else None,
    )


def tiny(seed: int) -> Problem:
    """Four hours, two or three machines with ragged calendars: small enough to try every minute."""
    random = Random(seed)
    horizon = 240

    def ragged() -> tuple[Piece, ...]:
        begins = (random.randrange(horizon) for _ in range(random.randint(1, 4)))
        return pieces((begin, min(horizon, begin + random.randrange(15, 120))) for begin in begins)

    rule = SetupRule(same_min=2, colour_min=3, material_min=5, nozzle_min=8)
    park = tuple(
        Machine(
            index=index,
            staffed=ragged(),
            open=ragged(),
            blocked=(Block(start=100, end=115),) if random.random() < 0.3 else (),
            unattended_max_min=random.choice((0, 10, 40, 240)),
            night_start_ok=random.random() < 0.3,
            loads=rule if random.random() < 0.7 else None,
            loaded=family(random) if random.random() < 0.5 else None,
        )
        for index in range(random.randint(2, 3))
    )
    demands = tuple(_tiny_job(random, f"job-{number}", len(park)) for number in range(6))
    fact = Slot(
        demand="fact", machine=0, setup_start=50, run_start=54, run_end=70, free_at=72, family=family(random)
    )
    fixed = (fact,) if random.random() < 0.5 else ()
    return Problem(horizon_min=horizon, machines=park, demands=demands, fixed=fixed)


def _tiny_job(random: Random, name: str, machines: int) -> Demand:
    eligible = tuple(range(machines))
    starts = pieces((b, b + random.choice((1, 40))) for b in random.sample(range(200), 2))
    return Demand(
        id=name,
        needs=(Need(eligible=eligible),),
        duration_min={m: random.randint(3, 45) for m in eligible},
        release=random.choice((0, 0, 60)),
        presence=random.choice(tuple(Presence)),
        setup_min=random.choice((0, 0, 3)),
        clear_min=random.choice((0, 2, 5)),
        family=family(random) if random.random() < 0.7 else None,
        starts=starts if random.random() < 0.2 else (),
    )


# --- strange: every feature of a problem, in any mixture that has no faults

_MINUTES = (0, 0, 5, 12, 40)


def strange(random: Random, *, most_machines: int = 4, most_demands: int = 9) -> Problem:
    """Up to five days of a small park, with gangs, dates, families, facts and outages as chance has it."""
    days, machines = random.randint(1, 5), random.randint(1, most_machines)
    demands, facts = random.randint(0, most_demands), random.randint(0, 3)
    return Problem(
        horizon_min=days * DAY - random.choice((0, 0, 100)),
        machines=tuple(_strange_machine(random, index, days) for index in range(machines)),
        demands=tuple(_strange_demand(random, f"job-{n}", machines, days) for n in range(demands)),
        fixed=tuple(_strange_fact(random, f"fact-{n}", machines, days) for n in range(facts)),
    )


def problems() -> SearchStrategy[Problem]:
    """What `strange` gives, made small again by hypothesis when one goes wrong."""
    return st.randoms(use_true_random=False).map(strange)


def labs() -> SearchStrategy[Problem]:
    """Small labs from a seed: less strange, and fuller."""
    sizes = {"machines": st.integers(2, 5), "jobs": st.integers(0, 14), "days": st.integers(3, 7)}
    return st.builds(lab, st.integers(0, 10**9), gangs=st.integers(0, 3), fixed=st.integers(0, 4), **sizes)


def _strange_calendar(random: Random, days: int) -> tuple[Piece, ...]:
    """A house's hours, always, or hours without reason, which may be none at all."""
    kind = random.randrange(6)
    if kind < 3:
        return weekdays(days, random.choice((0, 8, 9.5)), random.choice((16, 20, 24)), lunch=kind == 2)
    if kind < 5:
        return always(days)
    begins = [random.randint(-200, days * DAY) for _ in range(random.randint(0, 5))]
    return pieces((begin, begin + random.randint(1, DAY)) for begin in begins)


def _strange_machine(random: Random, index: int, days: int) -> Machine:
    begins = [random.randint(-100, days * DAY) for _ in range(random.choice((0, 0, 1, 2)))]
    own = SetupRule(
        same_min=random.randint(0, 50),
        colour_min=random.randint(0, 50),
        material_min=random.randint(0, 50),
        nozzle_min=random.randint(0, 50),
    )
    return Machine(
        index=index,
        staffed=_strange_calendar(random, days),
        open=_strange_calendar(random, days),
        blocked=tuple(Block(start=begin, end=begin + random.randint(1, 900)) for begin in begins),
        unattended_max_min=random.choice((0, 0, 20, 600, 5000)),
        night_start_ok=random.choice((False, False, True)),
        loads=random.choice((None, SetupRule(), own)),
        loaded=random.choice((None, family(random))),
        worn_min=random.randint(0, 3),
    )


def _strange_need(random: Random, machines: int) -> Need:
    """Mostly one that can be met; now and then more machines are wanted than there are."""
    eligible = random.sample(range(machines), random.randint(1, machines))
    return Need(
        eligible=tuple(eligible),
        quantity=random.choice((1, 1, random.randint(1, len(eligible) + (len(eligible) == 3)))),
        setup_min=random.choice((None, None, *_MINUTES)),
        clear_min=random.choice((None, None, *_MINUTES)),
    )


def _strange_demand(random: Random, name: str, machines: int, days: int) -> Demand:
    needs = tuple(_strange_need(random, machines) for _ in range(random.choice((1, 1, 1, 2))))
    base_min, slower_min = random.choice((1, 30, 90, 240, 700)), random.choice((0, 0, 7))
    begins = [random.randint(0, days * DAY) for _ in range(random.choice((0, 0, 1, 3)))]
    starts = pieces((begin, begin + random.choice((1, 200))) for begin in begins)
    told = Told(machines=needs[0].eligible[:1], start=random.randint(0, days * DAY))
    return Demand(
        id=name,
        needs=needs,
        duration_min={m: base_min + slower_min * m for need in needs for m in need.eligible},
        release=random.choice((0, 0, random.randint(0, days * DAY // 2))),
        due=random.choice((None, random.randint(0, days * DAY))),
        weight=random.choice((0.5, 1.0, 4.0)),
        presence=random.choice((Presence.NOBODY, Presence.NOBODY, Presence.STAFF, Presence.HOUSE)),
        setup_min=random.choice(_MINUTES),
        clear_min=random.choice(_MINUTES),
        family=random.choice((None, family(random))),
        starts=starts,
        dislike_min=random.choice(((), tuple(random.randint(0, 90) for _ in starts))),
        told=random.choice((None, None, told)),
    )


def _strange_fact(random: Random, name: str, machines: int, days: int) -> Slot:
    """Any minute, some begun before the origin, some on top of each other."""
    begin, setup_min = random.randint(-300, days * DAY), random.choice(_MINUTES)
    run_end = begin + setup_min + random.randint(1, 400)
    return Slot(
        demand=name,
        machine=random.randrange(machines),
        setup_start=begin,
        run_start=begin + setup_min,
        run_end=run_end,
        free_at=run_end + random.choice(_MINUTES),
        family=random.choice((None, family(random))),
    )
