"""From submit to promise: rules, price, claim and the earliest place, in one transaction of a lab with 200 standing jobs.

The lab has the demo lab's size: eight filament printers and nineteen other things with a calendar. The file is
already stored and read. Every submission is cancelled again after it was timed, so that each finds as many standing.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table

from fablab import migrations
from fablab.base.clock import FakeClock
from fablab.base.database import Actor, Database
from fablab.claims.jobs.use import Wishes
from fablab.people.members import add_member
from fablab.people.models import Role
from fablab.programs.store import Store
from scheduler.intake import Intake
from tests.lab import OVERLAPS, Lab, analysed, counted, drafted
from web.demo import seed

STANDING, WARM, TIMED = 200, 10, 300
SEED = 20261124


def _lab(folder: Path) -> Lab:
    """The demo lab with four weeks behind it, on SQLite, on a Tuesday morning."""
    clock = FakeClock(datetime(2026, 11, 24, 9, 0, tzinfo=UTC))
    database = Database(f"sqlite:///{folder / 'lab.db'}", clock=clock)
    migrations.upgrade(database)
    intake = Intake(database=database, store=Store(folder / "programs"), limit_bytes=1_000_000)
    lab = Lab(database, clock, intake)
    seed.seed(database, intake.store)
    with database.begin() as uow:
        for name, role in (("maker", Role.MAKER), ("staff", Role.STAFF)):
            member = add_member(uow, name=name, role=role)
            lab.actors[name] = Actor(member_id=member.id, name=name, role=role.value)
    return lab


def _draft(lab: Lab, chance: random.Random) -> str:
    """A print as the lab knows them: median two and a half hours, one in twenty longer than fourteen; 30 to 80 g."""
    duration_s = min(20 * 3600.0, chance.lognormvariate(9.1, 1.05))
    material = chance.choice(("PLA", "PLA", "PETG"))
    return drafted(lab, analysed(duration_s=duration_s, weight_g=chance.uniform(30, 80), material=material))


def _timed(lab: Lab, chance: random.Random) -> float:
    """Milliseconds of one submission."""
    lab.clock.advance(timedelta(seconds=20))
    job_id = _draft(lab, chance)
    begin = time.perf_counter()
    lab.intake.submit(lab.maker, job_id, Wishes())
    taken = (time.perf_counter() - begin) * 1000
    lab.intake.cancel(lab.maker, job_id)
    return taken


def run(console: Console) -> dict[str, float]:
    chance = random.Random(SEED)
    with tempfile.TemporaryDirectory() as folder:
        lab = _lab(Path(folder))
        for _ in range(STANDING):
            lab.intake.submit(lab.maker, _draft(lab, chance), Wishes())
        held = counted(
            lab,
            "SELECT count(*) FROM claims WHERE state = 'held' AND member_id = :id",
            id=lab.maker.member_id,
        )
        times = [_timed(lab, chance) for _ in range(WARM + TIMED)][WARM:]
        overlaps = counted(lab, OVERLAPS)
        lab.database.dispose()
    cuts = statistics.quantiles(times, n=100)
    figures = {
        "p50_ms": round(statistics.median(times), 1),
        "p99_ms": round(cuts[98], 1),
        "p90_ms": round(cuts[89], 1),
        "max_ms": round(max(times), 1),
        "submissions": len(times),
        "standing_held": held,
        "overlaps": overlaps,
    }
    table = Table(title="From submit to promise, SQLite")
    for name in figures:
        table.add_column(name, justify="right")
    table.add_row(*(str(value) for value in figures.values()))
    console.print(table)
    return figures
