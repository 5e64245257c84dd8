"""Whoever improves the plan may be killed between search and commit, and in the middle of it: the calendar is always the
old plan or the new one, never a mixture. Told by SQL of its own, on both databases."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

from tests.conftest import LabMaker
from tests.lab import TUESDAY
from tests.scheduler.test_improve import gap

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0
State = list[list[tuple[Any, ...]]]

#: The calendar and everything that was said of it, without what numbers and versions the rows have.
QUESTIONS = (
    "SELECT claim_id, resource_id, state, start_at, run_start_at, run_end_at, end_at, run_id FROM allocations"
    " ORDER BY claim_id, resource_id, start_at",
    "SELECT id, state, ready_at, ready_from, ready_until, told_ready_at, CAST(reasons AS text) FROM claims ORDER BY id",
    "SELECT member_id, code, claim_id, CAST(facts AS text) FROM notices ORDER BY member_id, claim_id, id",
)


class Killed:
    """The process that is forked for every kill."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.scheduler.killed_swap"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def improve(self, url: str, kill_at: int | None = None, after_s: float | None = None) -> int | None:
        """How many steps it took; None when it was killed: at a step, or so long after it had found its plan."""
        assert self._process.stdin is not None
        wanted = {"url": url, "at": TUESDAY.isoformat(), "kill_at": kill_at}
        self._process.stdin.write(json.dumps(wanted) + "\n")
        self._process.stdin.flush()
        steps, pid = None, 0
        while (words := self._line())[0] != "ended":
            if words[0] == "pid":
                pid = int(words[1])
            elif words[0] == "applied":
                steps = int(words[1])
            elif after_s is not None:
                while not pid:
                    pid = int(self._line()[1])
                time.sleep(after_s)  # the moment is the point of the test
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        return steps

    def _line(self) -> list[str]:
        assert self._process.stdout is not None
        words = self._process.stdout.readline().split()
        assert words, f"it ended with {self._process.poll()}"
        return words

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(PATIENCE_S)
        self._process.stdout.close()


@pytest.fixture(scope="module")
def killed() -> Iterator[Killed]:
    process = Killed()
    yield process
    process.close()


class House:
    """One lab with a gap in its plan, and as many copies of its database as there are kills."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = make_url(url)
        self._folder = folder
        self._copies = 0

    def copy(self) -> str:
        self._copies += 1
        if self._url.get_backend_name() == "sqlite":
            path = self._folder / f"copy{self._copies}.db"
            shutil.copyfile(str(self._url.database), path)
            return f"sqlite:///{path}"
        name = f"{self._url.database}_{self._copies}"
        self._server(f"CREATE DATABASE {name} TEMPLATE {self._url.database}")
        return self._url.set(database=name).render_as_string(hide_password=False)

    def state(self, url: str) -> State:
        """Once nobody is connected any more: what a killed client began may still be ending."""
        at = make_url(url)
        if at.get_backend_name() == "sqlite":
            with closing(sqlite3.connect(str(at.database))) as file:
                assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
                return [file.execute(question).fetchall() for question in QUESTIONS]
        until = time.monotonic() + PATIENCE_S
        while self._server(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{at.database}'")[0][0]:
            assert time.monotonic() < until, "somebody stays connected"
            time.sleep(0.005)
        with psycopg.connect(_dsn(url)) as connection:
            return [connection.execute(question).fetchall() for question in QUESTIONS]

    def forget(self, url: str) -> None:
        at = make_url(url)
        if at.get_backend_name() == "sqlite":
            for suffix in ("", "-wal", "-shm"):
                Path(f"{at.database}{suffix}").unlink(missing_ok=True)
        else:
            self._server(f"DROP DATABASE {at.database}")

    def _server(self, sql: str) -> list[tuple[Any, ...]]:
        dsn = _dsn(self._url.set(database="postgres").render_as_string(hide_password=False))
        with psycopg.connect(dsn, autocommit=True) as connection:
            answer = connection.execute(sql)
            return answer.fetchall() if answer.description else []


def _dsn(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://")


@pytest.fixture
def house(database_url: str, lab_maker: LabMaker, tmp_path: Path) -> House:
    lab = lab_maker(database_url)
    gap(lab)
    if lab.database.is_sqlite:
        with lab.database.engine.connect() as connection:
            connection.exec_driver_sql("COMMIT")  # a checkpoint wants no transaction around it
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.exec_driver_sql("BEGIN")
    lab.database.dispose()
    return House(database_url, tmp_path)


def kill_often(house: House, killed: Killed, kill: Callable[[str, int], bool], times: int) -> tuple[int, int]:
    """How often the old plan and the new one were found after `kill(url, number)`; anything else fails."""
    whole = house.copy()
    old = house.state(whole)
    assert killed.improve(whole)
    new = house.state(whole)
    assert old[0] != new[0]
    assert old[1] != new[1]
    assert len(new[2]) > len(old[2])
    seen = [0, 0]
    for number in range(times):
        url = house.copy()
        committed = kill(url, number)
        state = house.state(url)
        assert state in (old, new), number
        assert state == new or not committed
        seen[state == new] += 1
        house.forget(url)
    return seen[0], seen[1]


def at_each_step(house: House, killed: Killed, times: int) -> tuple[int, int]:
    """Killed at `times` steps, evenly spread from the first look to what comes after the commit."""
    steps = killed.improve(house.copy())
    assert steps is not None

    def kill(url: str, number: int) -> bool:
        step = round(1 + (steps - 1) * number / (times - 1))
        assert killed.improve(url, kill_at=step) is None
        return step == steps

    return kill_often(house, killed, kill, times)


def test_killed_at_ten_steps_it_leaves_one_plan_or_the_other(house: House, killed: Killed) -> None:
    assert at_each_step(house, killed, 10) == (9, 1)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_killed_at_fifty_steps_it_leaves_one_plan_or_the_other(house: House, killed: Killed) -> None:
    old, new = at_each_step(house, killed, 50)
    print(f"\nold plan {old}, new plan {new}")
    assert (old, new) == (49, 1)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_killed_at_a_hundred_random_moments_it_leaves_one_plan_or_the_other(
    house: House, killed: Killed
) -> None:
    begun = time.monotonic()
    killed.improve(house.copy())
    takes_s = time.monotonic() - begun
    chance = random.Random(7)

    def kill(url: str, _number: int) -> bool:
        return killed.improve(url, after_s=chance.uniform(0, takes_s)) is not None

    old, new = kill_often(house, killed, kill, 100)
    print(f"\nold plan {old}, new plan {new}, within {takes_s:.3f} s")
    assert old
    assert new
