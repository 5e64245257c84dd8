"""A PrusaLink of our own making for tests and the demo lab: the paths, answers and oddities of 0.8.1, or those
of the firmware that MK4, MINI and XL share (`built_in`), over a pretended printer.

Rooms: `digest` (who may ask), `state` (the printer in PrusaLink's words), `files` (uploads), `device` (HTTP).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from drivers.mock import networked
from drivers.mock.network_faults import Fault
from drivers.mock.prusalink.device import MockPrusaLink
from drivers.mock.prusalink.files import Stored

__all__ = ["Fault", "MockPrusaLink", "Stored", "main"]


def main(argv: Sequence[str]) -> int:
    return networked.main("prusalink", argv, _build)


def _build(options: argparse.Namespace) -> MockPrusaLink:
    return MockPrusaLink(
        name=options.name,
        password=options.key,
        serial_number=f"mock-{options.name}",
        port=options.port,
        speed=options.speed,
    )
