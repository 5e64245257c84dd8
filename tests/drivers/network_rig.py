"""What the tests of drivers of machines behind a server look with, mocked or real."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import TypeVar, cast

import pytest

from fablab.device import Device, DeviceState, LinkLost, Progress, Status

LONG = "G1 X1\n" * 6000
D = TypeVar("D", bound=Device)


@asynccontextmanager
async def using(device: D) -> AsyncIterator[D]:
    """The device, open for as long as the block lasts."""
    await device.open()
    try:
        yield device
    finally:
        await device.close()


def written(file: Path, text: str) -> Path:
    file.write_text(text)
    return file


async def until(device: Device, want: Callable[[Status], bool], within_s: float = 15) -> Status:
    """The first status that is wanted; the last one is in the failure's message."""
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


async def lost(device: Device) -> LinkLost:
    """What the watch ends with."""
    with pytest.raises(LinkLost) as caught:
        await until(device, lambda status: False)
    return caught.value


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
