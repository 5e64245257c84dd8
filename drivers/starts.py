"""One start at a time on a machine behind a server: with a deadline, stops that overtake it, and a lost answer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from datetime import datetime
from typing import Any

from drivers.news import LOOK_TRIES, News
from fablab.base.clock import Clock
from fablab.device import DeviceError, DeviceRefused, LinkLost, Safety

log = logging.getLogger(__name__)


class Starts:
    """`name` is the machine's, `answer_s` what a request takes at most, `safe_s` bounds a stop that is read back;
    `make_safe` is the driver's own."""

    def __init__(
        self,
        news: News[Any],
        make_safe: Callable[[], Awaitable[Safety]],
        *,
        name: str,
        clock: Clock,
        answer_s: float,
        safe_s: float,
    ) -> None:
        self.clock = clock
        self.make_safe = make_safe
        self.stops = 0  # counts stops: one that comes during an upload wins
        self.safeties = 0  # counts those of them that also want the heaters off, read back
        self.news = news
        self._name = name
        self._answer_s = answer_s
        self._safe_s = safe_s
        self._one = asyncio.Lock()

    @property
    def under_way(self) -> bool:
        """Then there may be nothing to stop yet, and the start itself sees that a stop was counted."""
        return self._one.locked()

    def count_stop(self) -> None:
        self.stops += 1

    @contextlib.asynccontextmanager
    async def one(self, token: str, deadline: datetime | None) -> AsyncIterator[Start]:
        """Waits for the start before; a stop counts from this call on."""
        start = Start(self, token=token, deadline=deadline)
        async with self._one:
            yield start

    async def took(self, on_machine: Callable[[], Awaitable[bool]]) -> bool:
        """The answer to a start is lost, the command perhaps not: what counts is what the machine does."""
        for _ in range(LOOK_TRIES):
            if await on_machine():
                return True
            await asyncio.sleep(self._answer_s / 10)
        return False

    async def stop_safely(
        self, work: Coroutine[Any, Any, Safety], close: Callable[[], Awaitable[None]]
    ) -> Safety:
        """A stop that wants the heaters off. `work` does it over a connection of its own, which is closed in the end;
        a failure is told as NOT confirmed."""
        self.count_stop()
        self.safeties += 1
        try:
            async with asyncio.timeout(self._safe_s):
                return await work
        except TimeoutError:
            log.warning("%s: heaters not confirmed off within %g s", self._name, self._safe_s)
        except DeviceError as error:
            log.warning("%s: heaters not confirmed off: %s", self._name, error)
        finally:
            await close()
            self.news.want_look()
        return Safety.NOT_CONFIRMED


class Start:
    """One of `Starts`, which is overtaken by every stop that is counted after it was called for."""

    def __init__(self, starts: Starts, *, token: str, deadline: datetime | None) -> None:
        self._starts = starts
        self._token = token
        self._deadline = deadline
        self._stops, self._safeties = starts.stops, starts.safeties

    @property
    def _overtaken(self) -> bool:
        return self._stops != self._starts.stops

    def may_go(self) -> None:
        """`DeviceRefused` if it was stopped or has come too late: asked right before the machine is told to begin,
        however long this computer was asleep meanwhile."""
        if self._overtaken:
            raise DeviceRefused("stopped while its program was still on its way")
        if self._deadline is not None and self._starts.clock.now() >= self._deadline:
            raise DeviceRefused(f"the start of {self._token} came after its deadline and was dropped")

    @contextlib.asynccontextmanager
    async def begins(self, stop: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
        """The machine is told to begin in this block; a stop that overtook the command is carried out after it."""
        try:
            yield
        except LinkLost:
            if self._overtaken:  # it may have begun all the same
                with contextlib.suppress(DeviceError):
                    await self._take_back(stop)
            raise
        if self._overtaken:
            await self._take_back(stop)

    async def _take_back(self, stop: Callable[[], Awaitable[None]]) -> None:
        """The stop found nothing to stop; a safe one found the heaters off, and the program's first lines may have
        switched them on since."""
        if self._safeties != self._starts.safeties:
            await self._starts.make_safe()
            return
        with contextlib.suppress(DeviceRefused):  # the stop came after all, or it has ended by itself
            await stop()
        self._starts.news.want_look()
