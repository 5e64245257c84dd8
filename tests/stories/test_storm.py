"""Storms over HTTP, on both databases: one winner a slot, gangs whole or not at all, nothing acknowledged is lost.

Small ones here share a server in this process; those of the size that the lab promises are soaks, each with a server in
a process of its own.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from tests.bench.reservations import serving
from tests.remembering import remembering
from tests.stories import storm as storms
from tests.stories.storm import WINDOW, Storm
from web.app import Server, create_app
from web.settings import Settings

soak = [pytest.mark.soak, pytest.mark.timeout(7200)]
pytestmark = pytest.mark.xdist_group("storm")


# --- what must hold, of any size


def one_winner(lab: Storm, rounds: int, clients: int) -> None:
    tally = asyncio.run(storms.for_one_slot(lab, rounds, clients))
    assert tally == {"won": rounds, "late": rounds * (clients - 1)}
    assert lab.overlaps == 0
    assert len(lab.held()) == rounds


def whole_gangs(lab: Storm, races: int, racers: int) -> None:
    tally, won = asyncio.run(storms.gangs(lab, races, racers))
    print(f"gangs: {dict(tally)}")
    assert set(tally) <= {"201", "409"}, tally
    assert tally["201"] >= races
    assert lab.overlaps == 0
    held = lab.held()
    assert set(held) == won
    assert [id_ for id_, places in held.items() if len(places) != 5] == []


def nothing_lost(lab: Storm, operations: int, clients: int) -> None:
    book = asyncio.run(storms.mixed(lab, operations, clients))
    print(f"mixed: {dict(sorted(book.tally.items()))}")
    odd = {name: n for name, n in book.tally.items() if name.split()[1] not in ("200", "201", "409")}
    assert odd == {}
    assert sum(book.tally.values()) == operations
    assert lab.overlaps == 0
    assert storms.lost(lab, book) == []


# --- small


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def small(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storm]:
    """One lab and one server for all three; each has a hundred days of its own."""
    folder = tmp_path_factory.mktemp("storm")
    with ExitStack() as stack:
        if request.param == "sqlite":
            url = f"sqlite:///{folder / 'lab.db'}"
        else:
            url = stack.enter_context(_database(request.getfixturevalue("postgres_server")))
        lab = storms.found(remembering(url), 48)
        stack.callback(lab.database.dispose)
        lab.port = stack.enter_context(_in_a_thread(folder, remembering(url)))
        yield lab


@contextmanager
def _database(server: str) -> Iterator[str]:
    name = f"storm_{uuid.uuid4().hex[:12]}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield server.replace("/postgres?", f"/{name}?")
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


@contextmanager
def _in_a_thread(folder: Path, url: str) -> Iterator[int]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    settings = Settings(data_dir=folder, database_url=url, dispatch=False, search_s=0)
    app = create_app(settings, links={})
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        server = Server(app, settings)
        # A test has signals of its own.
        thread = threading.Thread(target=lambda: asyncio.run(server._serve([listener])))
        thread.start()
        deadline = time.monotonic() + 30
        while not server.started:
            assert time.monotonic() < deadline, "the server did not start in time"
            time.sleep(0.01)
        try:
            yield int(listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(30)
            root.handlers[:] = handlers  # the server sets the root logger up
            root.setLevel(level)


def test_a_slot_has_one_winner_and_every_loser_is_offered_another(small: Storm) -> None:
    one_winner(small, rounds=2, clients=40)


def test_a_gang_is_held_whole_or_not_at_all(small: Storm) -> None:
    whole_gangs(replace(small, since=small.since + WINDOW), races=10, racers=4)


def test_nothing_that_was_acknowledged_is_lost_in_a_mixed_storm(small: Storm) -> None:
    nothing_lost(replace(small, since=small.since + 2 * WINDOW), operations=120, clients=16)


# --- as large as promised


@pytest.fixture
def storm(database_url: str, tmp_path: Path) -> Iterator[Callable[[int], Storm]]:
    """A server in a process of its own, over a fresh lab with so many members."""
    with ExitStack() as stack:

        def make(members: int) -> Storm:
            lab = storms.found(database_url, members)
            stack.callback(lab.database.dispose)
            lab.port = stack.enter_context(serving(tmp_path / "data", database_url))
            return lab

        yield make


class TestAsLargeAsPromised:
    pytestmark = soak

    def test_a_hundred_slots_have_a_hundred_winners(self, storm: Callable[[int], Storm]) -> None:
        one_winner(storm(200), rounds=100, clients=200)

    def test_five_thousand_races_of_gangs_leave_none_in_part(self, storm: Callable[[int], Storm]) -> None:
        lab = storm(32)
        # A hundred days have 2400 hours.
        for number in range(3):
            whole_gangs(replace(lab, since=lab.since + number * WINDOW), races=1667, racers=4)

    def test_twenty_thousand_mixed_operations_lose_nothing(self, storm: Callable[[int], Storm]) -> None:
        nothing_lost(storm(128), operations=20_000, clients=16)
