"""Work that is done in rounds beside the pages: woken by what happens in the house, and at the latest after a while.

An asynchronous task rather than a job of `scheduler.ticks`: most of such a round is waiting for other computers, and
a task that waits is ended at once when the server is. Its looks into the database run in a thread of its own, so that
no page waits for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import anyio
import anyio.to_thread
import structlog

from fablab.base.database import Database
from fablab.base.errors import LabError
from fablab.base.events import Event

T = TypeVar("T")
log = structlog.get_logger("web")

LONGEST_S = 60.0  # another process may have written something without our hearing of it
AFTER_TROUBLE_S = 30.0
AGAIN_S = 0.1


class Rounds:
    """`round_` does what there is to do and answers after how many seconds there may be more."""

    def __init__(
        self,
        name: str,
        database: Database,
        round_: Callable[[], Awaitable[float]],
        wakes: Callable[[Event], bool],
    ) -> None:
        self._name = name
        self._database = database
        self._round = round_
        self._wakes = wakes
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Call it in the loop that the rounds shall live in."""
        self._loop = asyncio.get_running_loop()
        self._unsubscribe = self._database.bus.subscribe(self._hear)
        self._task = asyncio.create_task(self._go(), name=self._name)

    async def close(self) -> None:
        """What is under way is broken off; it is taken up again when its lease has run out."""
        if self._task is None:
            return
        self._unsubscribe()
        # More than once: a library in the middle of a talk with its server may keep a cancellation to itself.
        while not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=AGAIN_S)
        self._task = None

    def _hear(self, event: Event) -> None:
        # Awake already: its round has not begun yet, and will see this.
        if self._wakes(event) and not self._news.is_set():
            # From whichever thread has committed; a loop that has just closed needs no news any more.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._news.set)

    async def _go(self) -> None:
        while True:
            self._news.clear()
            try:
                wait_s = await self._round()
            except LabError as error:  # the database was busy, or there is no house yet
                log.info("a round was put off", name=self._name, why=error.code)
                wait_s = AFTER_TROUBLE_S
            except Exception:
                # A fault in one letter must not end all post until somebody restarts the server.
                log.exception("a round failed", name=self._name)
                wait_s = AFTER_TROUBLE_S
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, min(wait_s, LONGEST_S))):
                    await self._news.wait()


class Aside:
    """Runs what blocks in one thread of its own, one after the other."""

    def __init__(self) -> None:
        self._limiter: anyio.CapacityLimiter | None = None

    async def __call__(self, work: Callable[[], T]) -> T:
        if self._limiter is None:  # made where there is a loop
            self._limiter = anyio.CapacityLimiter(1)
        return await anyio.to_thread.run_sync(work, limiter=self._limiter)
