"""One Chromium for all browser tests, and labs with a real mocked Marlin behind a real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.screen import chromium
from tests.served import Served, end_hosts, served
from tests.web.fake_camera import FakeCamera, fake_camera

DEVICES = '[devices.mk3]\ndriver = "marlin"\nmock = true\nspeed = 200\n'


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    """No wider than a module: while it is open an event loop runs in this thread, and asyncio tests need their own."""
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """For tests that start nothing; each signs in as somebody else, so that their drafts do not meet."""
    yield from _house(tmp_path_factory.mktemp("house") / "data")


@pytest.fixture(scope="module")
def camera() -> Iterator[FakeCamera]:
    with fake_camera() as found:
        yield found


@pytest.fixture
def watched(camera: FakeCamera, tmp_path: Path) -> Iterator[Served]:
    """For a test that adds and removes machines, one of which has a camera."""
    pictures = f'{{ snapshot = "{camera.url}/jpeg", stream = "{camera.url}/mjpeg" }}'
    devices = f'[cameras]\nhosts = ["127.0.0.1"]\n[devices.mk3]\ndriver = "manual"\ncamera = {pictures}\n'
    yield from _house(tmp_path / "data", devices)


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Served]:
    """For a test that prints: machines and calendar are its own."""
    yield from _house(tmp_path / "data")


def _house(folder: Path, devices: str = DEVICES) -> Iterator[Served]:
    """The tests' lab on the wall clock: mk3 has a firmware at 200 times the speed, the others have no wire."""
    try:
        with served(folder, devices, {"mk3": "mk3"}) as server:
            yield server
    finally:
        end_hosts(folder)
