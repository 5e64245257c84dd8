"""What is known of a machine behind a server, who waits to hear it, and how it becomes known that nobody hears more.

A *look* asks what is. Several may be on their way at once, and the machine may be commanded meanwhile: so looks are
numbered, and an answer that was overtaken is never believed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from dataclasses import replace
from typing import Any, Final, Generic, TypeVar

import websockets

from drivers.seen import Seen
from fablab.base.clock import Clock
from fablab.device import DeviceError, LinkLost, Status

log = logging.getLogger(__name__)

LOOK_TRIES: Final = 3
S = TypeVar("S", bound=Seen[Any])
L = TypeVar("L")


class News(Generic[S]):
    """`name` is the machine's; whoever watches is told at least every `every_s` seconds."""

    def __init__(self, nothing: S, *, name: str, clock: Clock, every_s: float) -> None:
        self.seen = nothing
        self.lost: LinkLost | None = LinkLost(f"{name} is not open")
        self._name = name
        self._clock = clock
        self._every_s = every_s
        self._at = clock.now()
        self._changed = asyncio.Event()  # replaced at each change, so that every watcher sees each of them
        self._look_wanted = asyncio.Event()
        self._overtaken = 0  # counts what makes every look on its way out of date
        self._asked = self._believed = 0  # the number of the last look begun, and of the last one believed
        self._tasks: list[asyncio.Task[None]] = []

    # -- the link

    def begin(self) -> None:
        """The link is there; nobody listens on it yet."""
        self.lost = None

    def listen(self, **listening: Coroutine[Any, Any, None]) -> None:
        """Until `end`, or until one of them ends: then the watch ends too."""
        self._tasks = [
            asyncio.create_task(it, name=f"{self._name}: {what}") for what, it in listening.items()
        ]
        for task in self._tasks:
            task.add_done_callback(self._ended)

    async def end(self) -> None:
        self._lose(LinkLost("closed"))
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A task that stopped listening, whatever the reason, ends the watch: silence must not look healthy."""
        if task.cancelled():  # by us, who have said so already; or by a mistake somewhere inside
            self._lose(LinkLost("listening was broken off"))
            return
        error = task.exception()
        expected = isinstance(error, DeviceError | websockets.WebSocketException)
        if not expected:
            log.error("%s: listening failed", self._name, exc_info=error)
        self._lose(LinkLost(str(error) if isinstance(error, DeviceError) else f"{type(error).__name__}"))

    def _lose(self, why: LinkLost) -> None:
        if self.lost is None:
            self.lost = why
        self._tell()

    # -- what is known

    async def watch(self) -> AsyncIterator[Status]:
        last: Status | None = None
        due = 0.0
        while True:
            changed = self._changed
            if self.lost is not None:
                raise LinkLost(str(self.lost))
            status, now = self.seen.status(self._at), asyncio.get_running_loop().time()
            if last is None or now >= due or replace(status, at=last.at) != last:
                last, due = status, now + self._every_s
                yield status
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._every_s):
                    await changed.wait()

    def heard(self) -> None:
        """The machine spoke at this moment, whatever it said."""
        self._at = self._clock.now()

    def see(self, seen: S) -> None:
        self.seen = seen
        self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    # -- looks

    def want_look(self) -> None:
        self._look_wanted.set()

    async def look_due(self, within_s: float) -> None:
        """Returns when somebody wants a look, and in any case `within_s` seconds from now."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._look_wanted.wait()
        self._look_wanted.clear()

    def overtake(self) -> None:
        """Something was heard or commanded: a look begun before is out of date."""
        self._overtaken += 1

    @contextlib.contextmanager
    def commanding(self) -> Iterator[None]:
        """A look asked before, and answered after, knows nothing of what is commanded in this block."""
        try:
            yield
        finally:
            self.overtake()

    async def look(self, ask: Callable[[], Awaitable[L]], believe: Callable[[L], S | None]) -> L:
        """The last answer. One that was overtaken, by news, by a command of ours or by a later look, is thrown away:
        one from before a start would show a machine that stands still and knows nothing of the run.

        `believe` says what is seen now; None for an answer that does not fit together.
        """
        for _ in range(LOOK_TRIES):
            self._asked += 1
            number, overtaken = self._asked, self._overtaken
            answer = await ask()
            if number < self._believed:
                return answer
            if overtaken == self._overtaken and (seen := believe(answer)) is not None:
                self._believed = number
                self.heard()
                self.see(seen)
                return answer
        self.want_look()
        return answer
