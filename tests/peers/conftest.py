"""Fixtures that start software this project did not write, once for a test session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

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
