"""To reserve, and to look at the calendar: 32 clients against one worker, over a calendar of 50,000 places on 50 machines.

The server is `fablab serve` in a process of its own, with its dispatcher, its ticks and its search; the clients speak
HTTP over sockets that stay open. 40 of the machines are free for all, 10 take a certification that everybody has; every
order is judged by all rules, has its price, its notice and its letter, and is acknowledged once it is committed.
Both databases are as they come: SQLite in WAL, PostgreSQL with every commit on the disk.

`create`: half hours that are free, each once. `week`: one machine's week. `day`: all machines' day. `doubles`: pairs
of places that share a machine and a moment, counted in SQL afterwards.
"""

from __future__ import annotations

import asyncio
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from datetime import time as wall
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table
from sqlalchemy import insert, text

from fablab import migrations
from fablab.base.database import Database
from fablab.base.ids import new_id
from fablab.claims.models import Allocation, AllocationState, Claim, ClaimKind, ClaimState
from fablab.claims.reservations.models import Reservation, ReservationState
from fablab.claims.rules.models import ReservationPolicy
from fablab.money.models import Tariff
from fablab.people import members
from fablab.people.access import Scope, make_token
from fablab.people.models import Audience, Member
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
from tests.crowd import Answer, Ask, ask_all
from tests.lab import OVERLAPS
from tests.served import free_port

ROOT = Path(__file__).resolve().parents[2]
MACHINES, PLACES, MEMBERS, CLIENTS = 50, 50_000, 400, 32
CREATES, WEEKS, DAYS = 4000, 4000, 800
SPAN_DAYS = 200  # half of them behind, half ahead
OPENS, CLOSES = 8, 22
PARIS = ZoneInfo("Europe/Paris")
SEED = 20261124


def found(database: Database) -> tuple[list[str], list[tuple[int, datetime]]]:
    """The lab with its calendar. Tokens of its members, and half hours that are free, shuffled."""
    migrations.upgrade(database)
    chance = random.Random(SEED)
    with database.begin() as uow:
        uow.session.add(House(id=1, name="Bench", zone="Europe/Paris", synthetic=True))
        for kind in HoursKind:
            for weekday in range(7):
                hours = {"opens": wall(OPENS), "closes": wall(CLOSES)}
                uow.session.add(HoursRule(kind=kind, weekday=weekday, **hours))
        uow.session.add(ReservationPolicy(horizon_s=120 * 86400, longest_s=8 * 3600, set_at=uow.now))
        for technology in Technology:
            uow.session.add(_tariff(technology))
        machines = [_machine(uow, number) for number in range(MACHINES)]
        people: list[Member] = []
        tokens: list[str] = []
        for number in range(MEMBERS):
            member = members.add_member(uow, name=f"Member {number}", email=f"m{number}@lab.example")
            members.certify(uow, member, Technology.LASER)
            tokens.append(make_token(uow, member, "bench", frozenset({Scope.READ, Scope.SUBMIT})))
            people.append(member)
        ids = [member.id for member in people]
    free = _fill(database, machines, ids, chance)
    chance.shuffle(free)
    return tokens, free


def _tariff(technology: Technology) -> Tariff:
    return Tariff(
        audience=Audience.PERSONAL,
        technology=technology,
        hour_cents=200,
        step_s=1800,
        first_day=date(2020, 1, 1),
    )


def _machine(uow: Any, number: int) -> int:
    technology = Technology.LASER if number % 5 == 0 else Technology.FDM
    row = Resource(kind=ResourceKind.MACHINE, name=f"{technology.value} {number:02}", technology=technology)
    uow.session.add(row)
    uow.session.flush()
    uow.session.add(
        Machine(
            resource_id=row.id,
            gate=MachineGate.CLEAR,
            gate_at=uow.now,
            bed_x_mm=300,
            bed_y_mm=300,
            height_mm=300,
            max_nozzle_c=290,
            max_bed_c=110,
            needs_certification=technology is Technology.LASER,
        )
    )
    return row.id


def _fill(
    database: Database, machines: list[int], people: list[int], chance: random.Random
) -> list[tuple[int, datetime]]:
    """Five places of an hour a day and machine; the half hours between them that lie ahead are free."""
    now, free, rows = datetime.now(UTC), [], []
    today = now.astimezone(PARIS).date()
    each = PLACES // MACHINES // SPAN_DAYS
    for machine in machines:
        for offset in range(-SPAN_DAYS // 2, SPAN_DAYS // 2):
            day = datetime.combine(today + timedelta(days=offset), wall(OPENS), PARIS)
            hours = sorted(chance.sample(range(CLOSES - OPENS), each))
            rows += [
                (machine, day.replace(hour=OPENS + hour).astimezone(UTC), chance.choice(people))
                for hour in hours
            ]
            if 1 <= offset < 90:
                left = set(range(CLOSES - OPENS)) - set(hours)
                free += [
                    (machine, day.replace(hour=OPENS + hour, minute=half).astimezone(UTC))
                    for hour in left
                    for half in (0, 30)
                ]
    with database.begin() as uow:
        for start in range(0, len(rows), 5000):
            _write(uow, rows[start : start + 5000])
    return free


def _write(uow: Any, rows: list[tuple[int, datetime, int]]) -> None:
    claims, reservations, places = [], [], []
    hour = timedelta(hours=1)
    for number, (machine, start, member) in enumerate(rows):
        # Each of another millisecond: of fifty thousand in one, two would be alike once in thirty times.
        id_, over = new_id(uow.now - number * timedelta(milliseconds=1)), start + hour <= uow.now
        known = {"id": id_, "member_id": member, "made_at": uow.now}
        state = ClaimState.CLOSED if over else ClaimState.HELD
        claims.append(
            {
                **known,
                "kind": ClaimKind.RESERVATION,
                "state": state,
                "title": "A part",
                "audience": Audience.PERSONAL,
                "release_at": start,
                "estimate_s": 3600,
            }
        )
        stands = ReservationState.COMPLETED if over else ReservationState.CONFIRMED
        span = {"start_at": start, "end_at": start + hour}
        reservations.append(
            {**known, **span, "made_by_id": member, "state": stands, "resource_ids": [machine]}
        )
        places.append(
            {
                "claim_id": id_,
                "resource_id": machine,
                "state": AllocationState.FIRM,
                **span,
                "run_start_at": start,
                "run_end_at": start + hour,
            }
        )
    uow.session.execute(insert(Claim.__table__), claims)
    uow.session.execute(insert(Reservation.__table__), reservations)
    uow.session.execute(insert(Allocation.__table__), places)


@contextmanager
def serving(folder: Path, url: str) -> Iterator[int]:
    """`fablab serve` on a free port; stopped when it is left."""
    folder.mkdir(exist_ok=True)
    (folder / "devices.toml").write_text("")
    port = free_port()
    environment = {**os.environ, "FABLAB_DATABASE_URL": url}
    command = [sys.executable, "-m", "web.cli", "serve", "--data", str(folder), "--port", str(port)]
    with (folder / "server.log").open("wb") as out:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out)
        try:
            deadline = time.monotonic() + 180  # where nothing is compiled yet it takes a while
            while not _answers(port):
                assert process.poll() is None, (folder / "server.log").read_text()[-2000:]
                assert time.monotonic() < deadline, "the server did not start in time"
                time.sleep(0.1)
            yield port
        finally:
            process.terminate()
            process.wait(60)


def _answers(port: int) -> bool:
    try:
        answers, _ = asyncio.run(ask_all(port, [Ask("/api/health", "")], 1))
    except OSError:
        return False
    return answers[0].status == 200


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """A server of its own, with every commit on the disk."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pgserver

        server = pgserver.get_server(folder)
        try:
            yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        finally:
            server.cleanup()


def p99(answers: list[Answer]) -> float:
    times = sorted(answer.took_s for answer in answers)
    return times[max(0, math.ceil(len(times) * 0.99) - 1)] * 1000


def _order(machine: int, start: datetime) -> dict[str, object]:
    end = start + timedelta(minutes=30)
    return {"resources": [machine], "start_at": start.isoformat(), "end_at": end.isoformat()}


def measure(
    port: int, tokens: list[str], free: list[tuple[int, datetime]], console: Console, engine: str
) -> dict[str, float]:
    chance = random.Random(SEED)
    creates = [
        Ask("/api/reservations", tokens[number % MEMBERS], _order(*place))
        for number, place in enumerate(free[: CREATES + 200])
    ]
    today = datetime.now(PARIS).date()

    def some_day() -> date:
        return today + timedelta(days=chance.randrange(-60, 60))

    weeks = [
        Ask(
            f"/api/reservations/week?resource={chance.randint(1, MACHINES)}&day={some_day()}",
            tokens[number % MEMBERS],
        )
        for number in range(WEEKS)
    ]
    days = [
        Ask(f"/api/reservations/day?day={some_day()}", tokens[number % MEMBERS]) for number in range(DAYS)
    ]
    asyncio.run(ask_all(port, creates[:200], CLIENTS))
    asyncio.run(ask_all(port, weeks[:100], CLIENTS))
    table = Table(
        "what",
        "a second",
        "p50 ms",
        "p99 ms",
        "most ms",
        "load",
        title=f"{engine}, {CLIENTS} clients, one worker",
    )
    figures: dict[str, float] = {}
    for name, asks, wanted in (("create", creates[200:], 201), ("week", weeks, 200), ("day", days, 200)):
        answers, took_s = asyncio.run(ask_all(port, asks, CLIENTS))
        wrong = [answer for answer in answers if answer.status != wanted]
        assert not wrong, (len(wrong), wrong[0])
        middle = statistics.median(answer.took_s for answer in answers) * 1000
        most = max(answer.took_s for answer in answers) * 1000
        rate = len(answers) / took_s
        load = f"{os.getloadavg()[0]:.1f}"
        table.add_row(name, f"{rate:.0f}", f"{middle:.1f}", f"{p99(answers):.1f}", f"{most:.1f}", load)
        figures |= {f"{name}_per_s": round(rate, 1), f"{name}_p50_ms": round(middle, 1)}
        figures[f"{name}_p99_ms"] = round(p99(answers), 1)
    console.print(table)
    return figures


def bench(url: str, folder: Path, console: Console, engine: str) -> dict[str, float]:
    database = Database(url)
    began = time.perf_counter()
    tokens, free = found(database)
    console.print(f"{engine}: {PLACES} places founded in {time.perf_counter() - began:.0f} s")
    with serving(folder / "data", url) as port:
        figures = measure(port, tokens, free, console, engine)
    with database.engine.connect() as connection:
        figures["doubles"] = int(connection.execute(text(OVERLAPS)).scalar_one())
        held = int(connection.execute(text("SELECT count(*) FROM allocations")).scalar_one())
        assert held == PLACES + CREATES + 200, held
    database.dispose()
    return figures


def run(console: Console, *engines: str) -> dict[str, dict[str, float]]:
    """`engines`: sqlite, postgresql; both where none is named."""
    figures: dict[str, dict[str, float]] = {}
    for engine in engines or ("sqlite", "postgresql"):
        with tempfile.TemporaryDirectory(prefix="fablab-bench-") as name:
            folder = Path(name)
            if engine == "sqlite":
                figures[engine] = bench(f"sqlite:///{folder / 'lab.db'}", folder, console, engine)
                continue
            with postgres(folder / "pg") as url:
                figures[engine] = bench(url, folder, console, engine)
    return figures
