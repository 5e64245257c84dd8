"""A device in a test's hand, and what the tests of this folder wait with."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

from fablab.device import (
    Capability,
    DeviceError,
    DeviceState,
    Identity,
    Safety,
    Status,
)

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


def status(state: DeviceState = DeviceState.IDLE, message: str = "") -> Status:
    return Status(at=NOON, state=state, message=message)


class PuppetDevice:
    """Says what the test puts into it: a Status is told, an error is raised by `watch`."""

    capabilities = frozenset({Capability.START, Capability.PAUSE, Capability.CANCEL})

    def __init__(self, name: str = "puppet") -> None:
        self.name = name
        self.identity = Identity(firmware="puppet", serial_number="S1")
        self.open_errors: list[Exception] = []
        self.says: asyncio.Queue[Status | BaseException | None] = asyncio.Queue()
        self.heard: list[str] = []
        self.opened = 0
        self.closed = 0
        self.hang = False
        self.hang_close = False
        self.close_error: Exception | None = None

    async def open(self) -> Identity:
        self.opened += 1
        if self.hang:
            await asyncio.Event().wait()
        if self.open_errors:
            raise self.open_errors.pop(0)
        return self.identity

    async def close(self) -> None:
        self.closed += 1
        if self.hang_close:
            await asyncio.Event().wait()
        if self.close_error:
            raise self.close_error

    async def watch(self) -> AsyncIterator[Status]:
        while (said := await self.says.get()) is not None:
            if isinstance(said, BaseException):
                raise said
            yield said

    async def start(self, program: Path, token: str) -> None:
        await self._do(f"start {program} {token}")

    async def pause(self) -> None:
        await self._do("pause")

    async def resume(self) -> None:
        await self._do("resume")

    async def cancel(self) -> None:
        await self._do("cancel")

    async def make_safe(self) -> Safety:
        await self._do("make_safe")
        return Safety.CONFIRMED

    async def _do(self, what: str) -> None:
        if self.hang:
            await asyncio.Event().wait()
        if self.close_error:
            raise DeviceError(what)
        self.heard.append(what)


async def until(condition: Callable[[], object], *, within_s: float = 20.0) -> None:
    """Look often until `condition` holds; a test that waits longer has failed."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("what was waited for did not come")
        await asyncio.sleep(0.01)


async def first(statuses: AsyncIterator[Status], wanted: Callable[[Status], object]) -> Status:
    """The first status that is wanted."""
    async with asyncio.timeout(60):  # a real server that a busy machine lets wait is no fault
        async for seen in statuses:
            if wanted(seen):
                return seen
    raise AssertionError("the watch ended without what was wanted")
