"""Firmware and servers that speak the real wire, for tests and the demo lab: `python -m drivers mock KIND ...`."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Final

# What can be mocked: the module whose `main(argv) -> int` runs it. By name, so that a mock loads no other one.
MOCKS: Final = {
    "marlin": "drivers.mock.marlin",
    "grbl": "drivers.mock.grbl",
    "moonraker": "drivers.mock.moonraker",
    "octoprint": "drivers.mock.octoprint",
    "prusalink": "drivers.mock.prusalink",
}


def main_of(kind: str) -> Callable[[Sequence[str]], int]:
    """Raises KeyError for a kind that is not in `MOCKS`."""
    main: Callable[[Sequence[str]], int] = importlib.import_module(MOCKS[kind]).main
    return main
