"""What the storms of reservations share: a server over a lab of ten machines, two rooms and two people, and its clients.

What is asserted about the calendar afterwards is asked in SQL, not of the code that keeps it.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from datetime import time as wall
from typing import Any

from sqlalchemy import text

from fablab import migrations
from fablab.base.database import Database
from fablab.claims.rules.models import ReservationPolicy
from fablab.money.models import Tariff
from fablab.people import members
from fablab.people.access import Scope, make_token
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
from tests.crowd import Answer, Ask, Client, at_once
from tests.lab import OVERLAPS

#: The beginning of the first hour that anybody takes: tomorrow, whole, in UTC.
FIRST = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=2)
HOUR = timedelta(hours=1)
WINDOW = timedelta(days=100)
MACHINES = 10


@dataclass
class Storm:
    """The database, and by name who and what is in it."""

    database: Database
    port: int
    since: datetime = FIRST
    tokens: list[str] = field(default_factory=list)
    machines: list[int] = field(default_factory=list)
    rooms: list[int] = field(default_factory=list)
    people: list[int] = field(default_factory=list)

    def count(self, sql: str, **values: object) -> int:
        with self.database.engine.connect() as connection:
            return int(connection.execute(text(sql), values).scalar_one())

    @property
    def overlaps(self) -> int:
        return self.count(OVERLAPS)

    def order(
        self, resources: list[int], start: datetime, hours: float = 1, **more: object
    ) -> dict[str, object]:
        end = start + timedelta(hours=hours)
        return {"resources": resources, "start_at": start.isoformat(), "end_at": end.isoformat(), **more}

    def held(self) -> dict[str, list[tuple[int, datetime, datetime]]]:
        """By claim: what the database holds of it from `since` on and for a hundred days, by resource."""
        found: dict[str, list[tuple[int, datetime, datetime]]] = {}
        sql = "SELECT claim_id, resource_id, start_at, end_at FROM allocations ORDER BY claim_id, resource_id"
        with self.database.engine.connect() as connection:
            for claim_id, resource_id, start, end in connection.execute(text(sql)):
                if self.since <= _instant(start) < self.since + WINDOW:
                    found.setdefault(claim_id, []).append((resource_id, _instant(start), _instant(end)))
        return found


def _instant(stored: object) -> datetime:
    """SQLite keeps instants as text in UTC."""
    if isinstance(stored, datetime):
        return stored.astimezone(UTC)
    return datetime.fromisoformat(str(stored)).replace(tzinfo=UTC)


def found(url: str, members_: int) -> Storm:
    """A lab that is always open, and where everybody may have everything."""
    storm = Storm(database=Database(url), port=0)
    migrations.upgrade(storm.database)
    with storm.database.begin() as uow:
        uow.session.add(House(id=1, name="Storm", zone="Europe/Paris", synthetic=True))
        for kind in HoursKind:
            for weekday in range(7):
                uow.session.add(HoursRule(kind=kind, weekday=weekday, opens=wall(0), closes=wall(0)))
        uow.session.add(ReservationPolicy(horizon_s=1000 * 86400, set_at=uow.now))
        uow.session.add(
            Tariff(
                audience=Audience.PERSONAL,
                technology=Technology.FDM,
                hour_cents=200,
                step_s=1800,
                first_day=date(2020, 1, 1),
            )
        )
        for number in range(MACHINES):
            storm.machines.append(_resource(uow, ResourceKind.MACHINE, f"machine {number}"))
        for number in range(2):
            storm.rooms.append(_resource(uow, ResourceKind.ROOM, f"room {number}"))
            storm.people.append(_resource(uow, ResourceKind.PERSON, f"person {number}"))
        for number in range(members_):
            member = members.add_member(uow, name=f"Member {number}", email=f"m{number}@lab.example")
            scopes = frozenset({Scope.READ, Scope.SUBMIT})
            storm.tokens.append(make_token(uow, member, "storm", scopes))
    return storm


def _resource(uow: Any, kind: ResourceKind, name: str) -> int:
    is_machine = kind is ResourceKind.MACHINE
    row = Resource(kind=kind, name=name, technology=Technology.FDM if is_machine else None, seats=10)
    uow.session.add(row)
    uow.session.flush()
    if is_machine:
        machine = Machine(
            resource_id=row.id,
            gate=MachineGate.CLEAR,
            gate_at=uow.now,
            bed_x_mm=200,
            bed_y_mm=200,
            height_mm=200,
            max_nozzle_c=290,
            max_bed_c=110,
        )
        uow.session.add(machine)
    return row.id


# --- one slot for all


async def for_one_slot(storm: Storm, rounds: int, clients: int) -> Counter[str]:
    """Everybody wants the same hour of the same machine at the same moment, again and again."""
    crowd = [Client(storm.port) for _ in range(clients)]
    tally: Counter[str] = Counter()
    for number in range(rounds):
        start = storm.since + number * HOUR
        body = storm.order([storm.machines[0]], start)
        answers = await at_once(crowd, _same(storm, body))
        for answer in answers:
            tally[_kind(answer)] += 1
    for client in crowd:
        await client.close()
    return tally


def _same(storm: Storm, body: object) -> Callable[[int], Ask]:
    return lambda number: Ask("/api/reservations", storm.tokens[number], body)


def _kind(answer: Answer) -> str:
    """won, late (a clean 409 with an alternative), or what it was instead."""
    if answer.status == 201:
        return "won"
    if answer.status == 409:
        problem = answer.json()
        is_clean = problem["code"] == "slot_taken" and problem["detail"] and problem["alternatives"]
        return "late" if is_clean else f"409 {problem}"[:200]
    return f"{answer.status} {answer.body!r}"[:200]


# --- gangs


async def gangs(storm: Storm, races: int, racers: int) -> tuple[Counter[str], set[str]]:
    """A room, three machines and a person at once, each gang with a part in common with the others. The tally, and the
    ids of those that were acknowledged."""
    chance = random.Random(races)
    crowd = [Client(storm.port) for _ in range(racers)]
    tally: Counter[str] = Counter()
    won: set[str] = set()
    for number in range(races):
        start = storm.since + number * HOUR
        wanted = [
            [
                chance.choice(storm.rooms),
                *chance.sample(storm.machines, 3),
                chance.choice(storm.people),
            ]
            for _ in range(racers)
        ]
        answers = await at_once(
            crowd,
            lambda i: Ask(
                "/api/reservations",
                storm.tokens[i],
                storm.order(chance.sample(wanted[i], 5), start),  # noqa: B023 - asked at once
            ),
        )
        for answer in answers:
            tally[str(answer.status)] += 1
            if answer.status == 201:
                won.add(answer.json()["id"])
    for client in crowd:
        await client.close()
    return tally, won


# --- everything at once


@dataclass
class Book:
    """What the clients were told: by id the last acknowledged (resources, start, end), and what was given back."""

    live: dict[str, tuple[tuple[int, ...], datetime, datetime]] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    tally: Counter[str] = field(default_factory=Counter)


async def mixed(storm: Storm, operations: int, clients: int) -> Book:
    """Create, gangs, move, extend, cancel, by chance and all at once; each client changes what is its own."""
    book = Book()
    left = iter(range(operations))

    async def one(number: int) -> None:
        chance = random.Random(number)
        client = Client(storm.port)
        mine: list[str] = []
        for turn in left:
            ask, done = _something(
                storm, book, chance, mine, storm.tokens[(number + 16 * turn) % len(storm.tokens)]
            )
            answer = await client.ask(ask)
            book.tally[f"{done} {answer.status}"] += 1
            _note(book, mine, done, ask, answer)
        await client.close()

    await asyncio.gather(*(one(number) for number in range(clients)))
    return book


def _something(
    storm: Storm, book: Book, chance: random.Random, mine: list[str], token: str
) -> tuple[Ask, str]:
    start = storm.since + chance.randrange(0, 24 * 30 * 2) * timedelta(minutes=30)
    roll = chance.random()
    if not mine or roll < 0.4:
        body = storm.order([chance.choice(storm.machines)], start, chance.choice((0.5, 1, 2)))
        return Ask("/api/reservations", token, body), "create"
    if roll < 0.5:
        some = [chance.choice(storm.rooms), *chance.sample(storm.machines, 3), chance.choice(storm.people)]
        return Ask("/api/reservations", token, storm.order(some, start)), "gang"
    name = chance.choice(mine)
    own, id_ = name.split(" ")
    path = f"/api/reservations/{id_}"
    if roll < 0.7:
        return Ask(f"{path}/move", own, {"start_at": start.isoformat()}), "move"
    if roll < 0.85:
        end = book.live[id_][2] + timedelta(minutes=30)
        return Ask(f"{path}/move", own, {"end_at": end.isoformat()}), "extend"
    return Ask(f"{path}/cancel", own, {"why": "storm"}), "cancel"


def _note(book: Book, mine: list[str], done: str, ask: Ask, answer: Answer) -> None:
    if answer.status not in (200, 201):
        return
    row = answer.json()
    name = f"{ask.token} {row['id']}"
    if done == "cancel":
        mine.remove(name)
        book.gone.add(row["id"])
        del book.live[row["id"]]
        return
    if name not in mine:
        mine.append(name)
    start, end = (datetime.fromisoformat(row[key]) for key in ("start_at", "end_at"))
    book.live[row["id"]] = (tuple(row["resources"]), start, end)


def lost(storm: Storm, book: Book) -> list[str]:
    """Acknowledged, and not so in the database: what is held must be exactly what was said last."""
    held = storm.held()
    wrong = [
        id_
        for id_, (resources, start, end) in book.live.items()
        if held.get(id_) != [(resource, start, end) for resource in sorted(resources)]
    ]
    return wrong + [id_ for id_ in book.gone if id_ in held] + [id_ for id_ in held if id_ not in book.live]
