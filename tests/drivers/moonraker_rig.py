"""A Moonraker driver on a mocked Moonraker, with times for tests."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any

from drivers.mock.moonraker import MockMoonraker
from drivers.moonraker import Moonraker
from tests.drivers.network_rig import using

SHORT = "G28\n" + "G1 X1\n" * 4 + "G4 P100\n"  # one that ends between two looks has no row in the history


def driver(server: MockMoonraker, **options: Any) -> Moonraker:
    settings: dict[str, Any] = {
        "api_key": server.api_key,
        "answer_s": 6.0,  # no test waits so long, but a busy computer may
        "look_s": 0.5,
        "safe_s": 5.0,
        "settle_s": 0.0,
    }
    return Moonraker(name="mock", url=server.url, **(settings | options))


def opened(server: MockMoonraker, **options: Any) -> AbstractAsyncContextManager[Moonraker]:
    return using(driver(server, **options))
