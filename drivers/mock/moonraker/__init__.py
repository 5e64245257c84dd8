"""A Moonraker with a Klipper of our own making for tests and the demo lab: the real paths, answers and oddities as
measured on Moonraker 0.11 with Kalico 2026.10, over a pretended printer.

Rooms: `klippy` (Klipper's host: states, print, heaters), `history` (what Moonraker writes down of it), `rpc` (the
websocket), `device` (HTTP).
"""

import argparse
from collections.abc import Sequence

from drivers.mock import networked
from drivers.mock.moonraker.device import MockMoonraker
from drivers.mock.network_faults import Fault

__all__ = ["Fault", "MockMoonraker", "main"]


def main(argv: Sequence[str]) -> int:
    return networked.main("moonraker", argv, _build)


def _build(options: argparse.Namespace) -> MockMoonraker:
    # At the speed of life, as against tests: four looks a second.
    return MockMoonraker(
        name=options.name,
        api_key=options.key,
        instance_id=f"mock-{options.name}",
        port=options.port,
        speed=options.speed,
        tick_s=0.25,
        unseen_s=0.5,
    )
