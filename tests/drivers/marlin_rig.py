"""A Marlin driver and a mocked Marlin, connected by a real pty, with timers short enough for tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from drivers.marlin import Limits, Marlin
from drivers.mock.marlin import MockMarlin
from fablab.device import DeviceError, Outcome, Status

QUICK = Limits(
    open_s=4.0,
    hello_s=0.5,
    silence_s=0.4,
    busy_silence_s=0.4,
    long_s=5.0,
    resend_ok_s=0.1,
    poll_s=0.1,
    safe_s=1.0,
    tick_s=0.02,
)


@asynccontextmanager
async def connected(
    *, device: dict[str, Any] | None = None, limits: dict[str, float] | None = None, **mocked: Any
) -> AsyncIterator[tuple[Marlin, MockMarlin]]:
    """`mocked` goes to MockMarlin, `device` to Marlin, `limits` changes `QUICK`."""
    with MockMarlin(**mocked) as mock:
        marlin = Marlin(
            **{"name": "m", "port": mock.port, "limits": replace(QUICK, **(limits or {})), "every_s": 0.1}
            | (device or {})
        )
        await marlin.open()
        try:
            yield marlin, mock
        finally:
            await marlin.close()


async def until(marlin: Marlin, wanted: Callable[[Status], bool], within_s: float = 10.0) -> Status:
    """The first status for which `wanted` holds; the last one is in the failure's message."""
    last: Status | None = None
    with suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            async for status in marlin.watch():
                last = status
                if wanted(status):
                    return status
    raise AssertionError(f"never came; last was {last}")


async def ended(marlin: Marlin, within_s: float = 20.0) -> Status:
    return await until(marlin, lambda status: outcome(status) is not None, within_s)


def outcome(status: Status) -> Outcome | None:
    return status.progress.outcome if status.progress else None


async def holds(fact: Callable[[], bool], within_s: float = 5.0) -> None:
    """Wait for a fact that no status tells."""
    async with asyncio.timeout(within_s):
        while not fact():
            await asyncio.sleep(0.005)


async def lost(marlin: Marlin, within_s: float = 10.0) -> tuple[Status | None, DeviceError]:
    """Watch until the watch ends; the last status and the error."""
    last: Status | None = None
    try:
        async with asyncio.timeout(within_s):
            async for status in marlin.watch():
                last = status
    except DeviceError as error:
        return last, error
    raise AssertionError("a watch may only end with an error")


def moves(count: int, *, step_mm: float = 0.1, feed: int = 6000) -> list[str]:
    """Moves that are all different, so that order and number can be told."""
    return [f"G1 X{index * step_mm:.2f} F{feed}" for index in range(1, count + 1)]


def written(folder: Path, lines: list[str], name: str = "part.gcode") -> Path:
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return path


def reached(mock: MockMarlin) -> list[str]:
    """The program's moves as the firmware accepted them."""
    return [line for line in mock.accepted if line.startswith("G1 X")]
