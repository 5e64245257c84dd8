"""A link whose statuses the test gives by hand, and a way to wait for what follows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from fablab.base.clock import Clock
from fablab.device import Capability, DeviceState, Identity, LinkState, Progress, Safety, Status

T = TypeVar("T")


class HandLink:
    """`sent` is what went to the wire; `answer` is raised by the next starts; `on_start` happens during one."""

    def __init__(self, clock: Clock, name: str) -> None:
        self.name = name
        self.capabilities = frozenset(Capability)
        self.state = LinkState.ONLINE
        self.reason = ""
        self.identity: Identity | None = Identity(firmware="test")
        self.age_s: float | None = 0.0
        self.sent: list[tuple[str, ...]] = []
        self.answer: Exception | None = None
        self.on_start: Callable[[str], None] | None = None
        self._clock = clock
        self._queue: asyncio.Queue[Status] = asyncio.Queue()
        self.status = Status(at=clock.now(), state=DeviceState.IDLE)

    def begin(self) -> None:
        self._queue.put_nowait(self.status)

    async def close(self) -> None: ...

    def retry(self) -> None: ...

    def say(self, state: DeviceState, progress: Progress | None = None, message: str = "") -> None:
        self.status = Status(at=self._clock.now(), state=state, progress=progress, message=message)
        self._queue.put_nowait(self.status)

    async def subscribe(self) -> AsyncIterator[Status]:
        while True:
            yield await self._queue.get()

    async def start(self, program: Path, token: str, deadline: datetime) -> None:
        assert program.exists()
        assert deadline > self._clock.now()
        self.sent.append(("start", token))
        if self.on_start is not None:
            self.on_start(token)
            await asyncio.sleep(0.05)  # so that what was said is seen before the start is answered
        if self.answer is not None:
            raise self.answer

    async def pause(self) -> None:
        self.sent.append(("pause",))

    async def resume(self) -> None:
        self.sent.append(("resume",))

    async def cancel(self) -> None:
        self.sent.append(("cancel",))

    async def make_safe(self) -> Safety:
        self.sent.append(("make_safe",))
        return Safety.CONFIRMED


async def eventually(look: Callable[[], T | None], within_s: float = 20.0) -> T:
    """What `look` finds, once it finds something."""
    deadline = asyncio.get_running_loop().time() + within_s
    while True:
        found = await asyncio.to_thread(look)
        if found is not None:
            return found
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError("it did not happen in time")
        await asyncio.sleep(0.02)
