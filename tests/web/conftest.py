"""Fixtures of the web's tests."""

from __future__ import annotations

import dataclasses
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from litestar.testing import TestClient

from fablab.base.clock import FakeClock
from fablab.base.database import Database
from fablab.programs.store import Store
from scheduler.intake import Intake
from tests.lab import Lab, make_lab
from tests.remembering import SCHEME
from tests.web.site import HOST, Site, make_app
from web.security.limits import Limiter, Pace, Rate


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """The server sets the root logger up; a test gives it back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """One lab on SQLite, made once and closed again; tests work on copies of its file."""
    folder = tmp_path_factory.mktemp("template")
    made = make_lab(f"sqlite:///{folder / 'lab.db'}", folder)
    made.database.dispose()
    return made


def copy_of(template: Lab, folder: Path) -> Lab:
    source = template.database.url.database
    assert source is not None
    shutil.copy(source, folder / "lab.db")
    clock = FakeClock(template.clock.now())
    database = Database(f"{SCHEME}:///{folder / 'lab.db'}", clock=clock)
    intake = Intake(database=database, store=Store(folder / "programs"), limit_bytes=300_000_000)
    return dataclasses.replace(template, database=database, clock=clock, intake=intake)


@pytest.fixture
def lab(template: Lab, tmp_path: Path) -> Iterator[Lab]:
    """A lab of this test's own."""
    made = copy_of(template, tmp_path)
    yield made
    made.database.dispose()


@pytest.fixture
def site(lab: Lab, tmp_path: Path) -> Iterator[Site]:
    app = make_app(lab, tmp_path)
    with TestClient(app, base_url=HOST, raise_server_exceptions=False) as client:
        yield Site(lab, app, client)


@pytest.fixture(scope="session")
def steady(template: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One site for all tests that leave nothing behind, signed in as the maker, as often as they like."""
    folder = tmp_path_factory.mktemp("steady")
    lab = copy_of(template, folder)
    wide = Limiter({pace: Rate(burst=100_000, per_minute=100_000) for pace in Pace})
    app = make_app(lab, folder, limiter=wide)
    with TestClient(app, base_url=HOST, raise_server_exceptions=False) as client:
        site = Site(lab, app, client)
        site.sign_in("maker")
        yield site
    lab.database.dispose()
