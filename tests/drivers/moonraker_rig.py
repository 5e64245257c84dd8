"""A Moonraker driver on a mocked Moonraker, and what its tests look with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any, cast

from drivers.mock.moonraker import MockMoonraker
from drivers.moonraker import Moonraker
from fablab.device import Device, DeviceState, Progress, Status

SHORT = "G28\n" + "G1 X1\n" * 4 + "G4 P100\n"  # one that ends between two looks has no row in the history
LONG = "G1 X1\n" * 6000


def driver(server: MockMoonraker, **options: Any) -> Moonraker:
    settings: dict[str, Any] = {
        "api_key": server.api_key,
        "answer_s": 6.0,  # no test waits so long, but a busy computer may
        "look_s": 0.5,
        "safe_s": 5.0,
        "settle_s": 0.0,
    }
    return Moonraker(name="mock", url=server.url, **(settings | options))


@asynccontextmanager
async def opened(server: MockMoonraker, **options: Any) -> AsyncIterator[Moonraker]:
    device = driver(server, **options)
    await device.open()
    try:
        yield device
    finally:
        await device.close()


async def until(device: Device, want: Callable[[Status], bool], within_s: float = 15) -> Status:
    last = None
    try:
        async with asyncio.timeout(within_s):
            async with aclosing(cast("AsyncGenerator[Status]", device.watch())) as looks:
                async for last in looks:
                    if want(last):
                        return last
    except TimeoutError:
        raise AssertionError(f"not within {within_s} s; last was {last}") from None
    raise AssertionError("the watch ended")


async def now(device: Device) -> Status:
    return await until(device, lambda status: True)


def progress(status: Status) -> Progress:
    assert status.progress is not None
    return status.progress


def ended(status: Status) -> bool:
    return status.progress is not None and status.progress.outcome is not None


def settled(status: Status) -> bool:
    return ended(status) and status.state is DeviceState.IDLE


def running(status: Status) -> bool:
    return status.state is DeviceState.RUNNING and (progress(status).fraction or 0) > 0


def in_state(state: DeviceState) -> Callable[[Status], bool]:
    return lambda status: status.state is state
