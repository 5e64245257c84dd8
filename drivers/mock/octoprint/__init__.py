"""An OctoPrint of our own making for tests and the demo lab: the real paths, answers and oddities as measured
on 1.11.8, over a pretended printer.

Rooms: `state` (the printer as OctoPrint sees it, and what it pushes), `files` (uploads), `appkeys`, `device` (HTTP).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from drivers.mock import networked
from drivers.mock.network_faults import Fault
from drivers.mock.octoprint.device import MockOctoPrint
from drivers.mock.octoprint.files import Stored

__all__ = ["Fault", "MockOctoPrint", "Stored", "main"]


def main(argv: Sequence[str]) -> int:
    return networked.main("octoprint", argv, _build)


def _build(options: argparse.Namespace) -> MockOctoPrint:
    # At the speed of life, as against tests: pictures twice a second, and a cancelled print that takes its time.
    return MockOctoPrint(
        name=options.name,
        api_key=options.key,
        port=options.port,
        speed=options.speed,
        push_s=0.5,
        cancelling_s=2.0 / options.speed,
    )
