"""A GRBL driver and a mocked GRBL, connected by a real pty, with timers short enough for tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from drivers.grbl import Grbl, Limits
from drivers.mock.grbl import MockGrbl
from fablab.device import DeviceError, Outcome, Status

QUICK = Limits(
    open_s=4.0,
    hello_s=0.5,
    poll_s=0.03,
    idle_poll_s=0.05,
    silence_s=0.5,
    line_s=5.0,
    stall_s=0.1,
    check_s=5.0,
    pause_s=3.0,
    resume_s=1.0,
    hold_s=0.5,
    reset_s=0.4,
    safe_s=1.6,
    tick_s=0.01,
)

SAMPLE = Path(__file__).parents[1] / "samples" / "box_side_laser.nc"


@asynccontextmanager
async def connected(
    *, device: dict[str, Any] | None = None, limits: dict[str, Any] | None = None, **mocked: Any
) -> AsyncIterator[tuple[Grbl, MockGrbl]]:
    """`mocked` goes to MockGrbl, `device` to Grbl, `limits` changes `QUICK`."""
    with MockGrbl(**mocked) as mock:
        grbl = Grbl(
            **{"name": "g", "port": mock.port, "limits": replace(QUICK, **(limits or {})), "every_s": 0.1}
            | (device or {})
        )
        await grbl.open()
        try:
            yield grbl, mock
        finally:
            await grbl.close()


async def until(grbl: Grbl, wanted: Callable[[Status], object], within_s: float = 10.0) -> Status:
    """The first status for which `wanted` holds; the last one is in the failure's message."""
    last: Status | None = None
    with suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            async for status in grbl.watch():
                last = status
                if wanted(status):
                    return status
    raise AssertionError(f"never came; last was {last}")


async def ended(grbl: Grbl, within_s: float = 20.0) -> Status:
    return await until(grbl, lambda status: outcome(status) is not None, within_s)


def outcome(status: Status) -> Outcome | None:
    return status.progress.outcome if status.progress else None


def detail(status: Status) -> str:
    return status.progress.detail if status.progress else ""


async def holds(fact: Callable[[], object], within_s: float = 5.0) -> None:
    """Wait for a fact that no status tells."""
    async with asyncio.timeout(within_s):
        while not fact():
            await asyncio.sleep(0.005)


async def lost(grbl: Grbl, within_s: float = 10.0) -> tuple[Status | None, DeviceError]:
    """Watch until the watch ends; the last status and the error."""
    last: Status | None = None
    try:
        async with asyncio.timeout(within_s):
            async for status in grbl.watch():
                last = status
    except DeviceError as error:
        return last, error
    raise AssertionError("a watch may only end with an error")


def burns(count: int, *, step_mm: float = 0.5, feed: int = 3000) -> list[str]:
    """Cuts that are all different, so that order and number can be told."""
    return [
        "M4 S0",
        *(f"G1 X{index * step_mm:.2f} S{100 + index % 800} F{feed}" for index in range(1, count + 1)),
    ]


def back_and_forth(count: int) -> list[str]:
    """About a second each at speed 1: what fills the buffers goes on for half a minute."""
    return ["M4 S0", *(f"G1 X{50 if index % 2 else 0} S500 F3000" for index in range(1, count + 1))]


def written(folder: Path, lines: list[str], name: str = "part.nc") -> Path:
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return path
