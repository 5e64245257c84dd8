"""Fixtures that start software this project did not write, once for a test session, and what its tests print."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.drivers.network_rig import written
from tests.peers import moonraker_server as moonraker
from tests.peers.octoprint_server import Server, serve


@pytest.fixture(scope="session")
def octoprint_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real OctoPrint with its virtual printer; tests share it, so each begins with `.connect()`."""
    with serve(tmp_path_factory.mktemp("octoprint")) as server:
        yield server


@pytest.fixture(scope="session")
def moonraker_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[moonraker.Server]:
    """A real Moonraker with a real Klipper host; tests share it, so each begins with `.make_ready()`."""
    with moonraker.serve(tmp_path_factory.mktemp("moonraker")) as server:
        yield server


@pytest.fixture
def token() -> str:
    """Of a run that no peer has printed yet."""
    return uuid.uuid4().hex


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], Path]:
    """A program file of that text."""
    return partial(written, tmp_path / "program.gcode")
