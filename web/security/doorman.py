"""Who is calling, asked of the database for everybody at once who came while it was asked the last time.

Nothing is remembered: each answer was read after its request had come. The busier it is the more share one look-up; a
lone request has its own at once.
"""

from __future__ import annotations

import asyncio

import anyio
import anyio.to_thread

from fablab.base.database import Database
from fablab.people import access
from web.security.identity import Known, Shown, look_up


class Doorman:
    """Belongs to the event loop; looks up in a thread of its own, so that no page is waited for."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._thread = anyio.CapacityLimiter(1)
        self._waiting: list[tuple[Shown, asyncio.Future[Known]]] = []
        self._task: asyncio.Task[None] | None = None

    async def ask(self, shown: Shown) -> Known:
        """Also writes down, once in ten minutes, when a sign-in was last seen."""
        if not shown.kind and not shown.secret:
            return Known()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Known] = loop.create_future()
        self._waiting.append((shown, answer))
        if self._task is None:
            self._task = loop.create_task(self._serve(), name="doorman")
        known = await answer
        if known.is_tired:
            touch = self._database.write
            await anyio.to_thread.run_sync(touch, lambda uow: access.touch(uow, shown.secret))
        return known

    async def _serve(self) -> None:
        try:
            while self._waiting:
                asked, self._waiting = self._waiting, []
                await self._answer(asked)
        finally:
            self._task = None

    async def _answer(self, asked: list[tuple[Shown, asyncio.Future[Known]]]) -> None:
        try:
            shown = [each for each, _ in asked]
            found = await anyio.to_thread.run_sync(look_up, self._database, shown, limiter=self._thread)
        except Exception as error:  # whoever asked hears of it, as if they had looked for themselves
            for _, answer in asked:
                if not answer.done():
                    answer.set_exception(error)
            return
        for (_, answer), known in zip(asked, found, strict=True):
            if not answer.done():  # or somebody did not stay for it
                answer.set_result(known)
