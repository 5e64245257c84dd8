"""Fixtures of the web's tests."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from litestar.testing import TestClient

from tests.lab import Lab
from tests.web.site import HOST, Site, make_app


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """The server sets the root logger up; a test gives it back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def site(lab: Lab, tmp_path: Path) -> Iterator[Site]:
    app = make_app(lab, tmp_path)
    with TestClient(app, base_url=HOST, raise_server_exceptions=False) as client:
        yield Site(lab, app, client)
