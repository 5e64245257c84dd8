"""The database as the dispatcher asks it: in threads of its own, one transaction after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from fablab.base.database import SYSTEM, Actor, Database, UnitOfWork
from fablab.runs import attempts
from scheduler.live import Live, remember

T = TypeVar("T")


class Books:
    """A database that hangs must not take those threads that a stop needs to find its machine."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._threads = ThreadPoolExecutor(8, thread_name_prefix="dispatch")

    async def do(self, work: Callable[[UnitOfWork], T], actor: Actor = SYSTEM) -> T:
        """Written in one transaction. Raises what `work` raises, with nothing kept."""
        return await self.in_thread(lambda: self.database.write(work, actor))

    async def look(self, work: Callable[[UnitOfWork], T], actor: Actor = SYSTEM) -> T:
        """Read only: whatever `work` changes is thrown away."""

        def read() -> T:
            with self.database.read(actor) as uow:
                return work(uow)

        return await self.in_thread(read)

    async def in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def live(self) -> dict[int, Live]:
        """The runs that are live, by machine."""
        return await self.in_thread(self._read_live)

    def _read_live(self) -> dict[int, Live]:
        with self.database.read() as uow:
            return {run.resource_id: remember(uow, run) for run in attempts.all_live(uow)}

    def close(self) -> None:
        self._threads.shutdown(wait=False)
