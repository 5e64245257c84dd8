"""Ten best dates for a workshop over 90 days: a house of 60 resources with 20,000 places in its calendar, all ahead.

Every question is another one: four to eight printers, a room and a mediator with or without a kit, in one of the
school zones, with no wish, a list of days or "any Tuesday"; and before each one a place is added to the calendar or
taken out of it, so that no answer is an old one. A question is all that a page waits for: a transaction of its own,
the house and the calendar read from the database, dates, reasons, and what the wished days lacked. One printed place
in two is a planned job that may still move. Times are of the wall; the column beside p99 is what the thread itself
took of it, so that a busy machine can be told from a slow answer.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from datetime import time as wall
from itertools import count
from pathlib import Path
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table
from sqlalchemy import insert

from fablab import migrations
from fablab.base.clock import FakeClock
from fablab.base.database import Database, UnitOfWork
from fablab.claims.models import Allocation, AllocationState, Claim, ClaimKind, ClaimState
from fablab.claims.workshops.offer import Want
from fablab.people.models import Audience
from fablab.places.models import (
    HoursKind,
    HoursRule,
    House,
    Machine,
    MachineGate,
    Resource,
    ResourceKind,
    Technology,
)
from fablab.places.terms import Zone
from scheduler.offering.asked import Asked, Gang, Wish
from scheduler.offering.find import find
from scheduler.offering.rank import Half
from tests.bench.reservations import postgres

PLACES, DAYS, OPTIONS = 20_000, 90, 10
WARM, TIMED = 20, 400
SEED = 20261125
NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)  # a Tuesday
PARIS = ZoneInfo("Europe/Paris")
OPENS, CLOSES = 8, 20
_NUMBERS = count()
#: Kind, technology, how many: sixty.
STOCK = [
    (ResourceKind.MACHINE, Technology.FDM, 24),
    (ResourceKind.MACHINE, Technology.RESIN, 2),
    (ResourceKind.MACHINE, Technology.LASER, 4),
    (ResourceKind.MACHINE, Technology.CNC, 1),
    (ResourceKind.MACHINE, Technology.VINYL, 1),
    (ResourceKind.ROOM, None, 6),
    (ResourceKind.DESK, None, 12),
    (ResourceKind.PERSON, None, 6),
    (ResourceKind.KIT, None, 4),
]


def found(database: Database, chance: random.Random) -> dict[int, ResourceKind]:
    """The house with its calendar: resource ids with their kinds."""
    migrations.upgrade(database)
    with database.begin() as uow:
        uow.session.add(House(id=1, name="Bench", zone="Europe/Paris", synthetic=True))
        for kind in HoursKind:
            for weekday in range(6):
                hours = {"opens": wall(OPENS), "closes": wall(CLOSES)}
                uow.session.add(HoursRule(kind=kind, weekday=weekday, **hours))
        ids = dict(_resource(uow, *each) for each in _stock())
        _fill(uow, ids, chance)
    return ids


def _stock() -> Iterator[tuple[ResourceKind, Technology | None, int]]:
    for kind, technology, how_many in STOCK:
        for number in range(how_many):
            yield kind, technology, number


def _resource(
    uow: UnitOfWork, kind: ResourceKind, technology: Technology | None, number: int
) -> tuple[int, ResourceKind]:
    name = f"{technology.value if technology else kind.value} {number:02}"
    row = Resource(kind=kind, name=name, technology=technology, seats=20 + 4 * number, equipment=[])
    uow.session.add(row)
    uow.session.flush()
    if kind is ResourceKind.MACHINE:
        machine = {"bed_x_mm": 250, "bed_y_mm": 250, "height_mm": 250, "max_nozzle_c": 290, "max_bed_c": 110}
        uow.session.add(Machine(resource_id=row.id, gate=MachineGate.CLEAR, gate_at=uow.now, **machine))
    return row.id, kind


def _fill(uow: UnitOfWork, ids: dict[int, ResourceKind], chance: random.Random) -> None:
    """As many on each resource: stretches of an hour to three, in the hours of working days, apart from each other."""
    today = uow.now.astimezone(PARIS).date()
    working = [day for n in range(1, DAYS + 1) if (day := today + timedelta(days=n)).weekday() < 6]
    each, claims, places = PLACES // len(ids), [], []
    extra = PLACES - each * len(ids)
    for at, (resource, kind) in enumerate(ids.items()):
        for number in range(each + (at < extra)):
            day = working[number % len(working)]
            slot = number // len(working)  # up to five a day
            start = datetime.combine(day, wall(OPENS), PARIS).astimezone(UTC)
            start += timedelta(minutes=144 * slot + chance.randrange(0, 40))
            length = timedelta(minutes=chance.randrange(30, 100))
            is_job = kind is ResourceKind.MACHINE and chance.random() < 0.5
            claim, place = _place(uow.now, resource, start, start + length, is_job=is_job)
            claims.append(claim)
            places.append(place)
    for first in range(0, len(claims), 5000):
        uow.session.execute(insert(Claim.__table__), claims[first : first + 5000])
        uow.session.execute(insert(Allocation.__table__), places[first : first + 5000])


def _place(
    now: datetime, resource: int, start: datetime, end: datetime, *, is_job: bool
) -> tuple[dict[str, object], dict[str, object]]:
    id_ = f"bench{next(_NUMBERS):011}"  # twenty thousand made in one millisecond might meet by chance
    claim = {
        "id": id_,
        "kind": ClaimKind.JOB if is_job else ClaimKind.RESERVATION,
        "state": ClaimState.HELD,
        "title": "A part",
        "audience": Audience.PERSONAL,
        "release_at": start,
        "estimate_s": int((end - start).total_seconds()),
        "made_at": now,
    }
    place = {
        "claim_id": id_,
        "resource_id": resource,
        "state": AllocationState.TENTATIVE if is_job else AllocationState.FIRM,
        "start_at": start,
        "run_start_at": start,
        "run_end_at": end,
        "end_at": end,
    }
    return claim, place


def _question(chance: random.Random) -> Asked:
    wants = [
        Want(kind=ResourceKind.MACHINE, technology=Technology.FDM, quantity=chance.randint(4, 8)),
        Want(kind=ResourceKind.ROOM, seats=chance.choice((20, 24, 30))),
        Want(kind=ResourceKind.PERSON),
    ]
    if chance.random() < 0.5:
        wants.append(Want(kind=ResourceKind.KIT))
    gang = Gang(wants=tuple(wants), duration_min=chance.choice((90, 120, 180)), setup_min=30, clear_min=15)
    first = NOW.date() + timedelta(days=7)
    return Asked(
        gang=gang,
        wishes=_wishes(chance),
        school=True,
        zone=chance.choice(list(Zone)),
        first=first,
        last=first + timedelta(days=DAYS),
    )


def _wishes(chance: random.Random) -> tuple[Wish, ...]:
    first = NOW.date() + timedelta(days=7)
    half = chance.choice(list(Half))
    asked = chance.choice(("nothing", "days", "weekday"))
    if asked == "nothing":
        return ()
    if asked == "days":
        days: list[date] = [first + timedelta(days=chance.randrange(DAYS)) for _ in range(3)]
        return tuple(Wish(first=day, last=day, half=half) for day in days)
    begin = first + timedelta(days=chance.randrange(60))
    return (Wish(first=begin, last=begin + timedelta(days=30), weekday=chance.randrange(5), half=half),)


def _stir(database: Database, ids: dict[int, ResourceKind], number: int) -> None:
    """The calendar is another one than before: one place more, in the evening when nobody else is there."""
    resource = list(ids)[number % len(ids)]
    start = NOW + timedelta(days=2 + number // len(ids), hours=12)
    claim, place = _place(NOW, resource, start, start + timedelta(minutes=5), is_job=False)
    with database.begin() as uow:
        uow.session.execute(insert(Claim.__table__), [claim])
        uow.session.execute(insert(Allocation.__table__), [place])


def bench(url: str, console: Console, engine: str) -> dict[str, float]:
    chance = random.Random(SEED)
    database = Database(url, clock=FakeClock(NOW))
    ids = found(database, chance)
    walls: list[float] = []
    own: list[float] = []
    offered = 0
    for number in range(WARM + TIMED):
        asked = _question(chance)
        _stir(database, ids, number)
        begin, begin_own = time.perf_counter(), time.thread_time()
        with database.read() as uow:
            answer = find(uow, asked, OPTIONS)
        walls.append((time.perf_counter() - begin) * 1000)
        own.append((time.thread_time() - begin_own) * 1000)
        offered += len(answer.offers) == OPTIONS
    database.dispose()
    walls, own = walls[WARM:], own[WARM:]
    figures = {"p50_ms": round(statistics.median(walls), 1), "p99_ms": round(_p99(walls), 1)}
    table = Table(
        "engine",
        "resources",
        "places",
        "p50 ms",
        "p99 ms",
        "of that its own",
        "worst",
        "all ten",
        title="offers",
    )
    row = (len(ids), PLACES, figures["p50_ms"], figures["p99_ms"], round(_p99(own), 1), round(max(walls), 1))
    table.add_row(engine, *map(str, row), f"{offered}/{WARM + TIMED}")
    console.print(table)
    return figures


def _p99(times: list[float]) -> float:
    return sorted(times)[max(0, -(-len(times) * 99 // 100) - 1)]


def run(console: Console, *engines: str) -> dict[str, float]:
    """`engines`: sqlite, postgresql; SQLite where none is named. The figures are those of the first."""
    figures: dict[str, float] = {}
    for engine in engines or ("sqlite",):
        with tempfile.TemporaryDirectory(prefix="fablab-bench-") as name:
            if engine == "sqlite":
                answer = bench(f"sqlite:///{Path(name) / 'lab.db'}", console, engine)
            else:
                with postgres(Path(name) / "pg") as url:
                    answer = bench(url, console, engine)
        figures = figures or answer
    return figures
