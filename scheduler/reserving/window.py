"""Where orders are handed in: whoever waits while others are written down is written down with all who wait.

Nobody is kept waiting for company: a lone order goes at once. It is while one transaction is written that the next ones
gather, so the busier it is the more go together, and each takes less.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from fablab.base.database import Actor, Database
from fablab.base.errors import Conflict
from fablab.claims import reservations
from fablab.claims.reservations import Order, Reservation
from fablab.claims.reservations.together import is_plain, reserve_together

log = logging.getLogger(__name__)

MOST_TOGETHER = 48


@dataclass(frozen=True, slots=True)
class _Waiting:
    actor: Actor
    order: Order
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[Reservation]


class Window:
    """Belongs to the server. Its own thread begins with the first order."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: deque[_Waiting] = deque()
        self._news = threading.Condition()
        self._closing = False
        self._thread: threading.Thread | None = None

    async def reserve(self, actor: Actor, order: Order) -> Reservation:
        """As `reservations.reserve`, also in what it raises. What is not plain is taken alone, but in its turn. Whoever
        does not stay for the answer has ordered all the same."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Reservation] = loop.create_future()
        with self._news:
            if self._closing:
                raise Conflict("busy", heals=False)
            self._waiting.append(_Waiting(actor, order, loop, answer))
            if self._thread is None:
                self._thread = threading.Thread(target=self._live, name="orders", daemon=True)
                self._thread.start()
            self._news.notify()
        return await answer

    def close(self) -> None:
        """What waits is still written; nothing more is taken."""
        with self._news:
            self._closing = True
            self._news.notify()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _live(self) -> None:
        while batch := self._next():
            self._serve(batch)

    def _next(self) -> list[_Waiting]:
        """The next ones that go together; none once it is closed and everybody has been served."""
        with self._news:
            while not self._waiting and not self._closing:
                self._news.wait()
            batch: list[_Waiting] = []
            later: list[_Waiting] = []
            members: set[int | None] = set()
            while self._waiting and len(batch) < MOST_TOGETHER:
                case = self._waiting.popleft()
                plain = is_plain(case.actor, case.order)
                if (batch and not plain) or case.actor.member_id in members:
                    later.append(case)
                    continue
                batch.append(case)
                members.add(case.actor.member_id)
                if not plain:
                    break
            self._waiting.extendleft(reversed(later))
            return batch

    def _serve(self, batch: Sequence[_Waiting]) -> None:
        if len(batch) > 1:
            asked = [(case.actor, case.order) for case in batch]
            try:
                answers = self._database.write(lambda uow: reserve_together(uow, asked))
            except Exception as error:
                # Whatever it is, it is one order's, and nothing was written: each is tried anew alone, and nobody pays
                # for somebody else's order.
                log.info("%d orders are taken one by one (%s)", len(batch), error)
            else:
                _tell(list(zip(batch, answers, strict=True)))
                return
        for case in batch:
            _tell([(case, self._serve_one(case))])

    def _serve_one(self, case: _Waiting) -> Reservation | Exception:
        try:
            return self._database.write(lambda uow: reservations.reserve(uow, case.order), case.actor)
        except Exception as error:  # whoever waits hears of it, as if they had asked for it themselves
            return error


def _tell(answers: Sequence[tuple[_Waiting, Reservation | Exception]]) -> None:
    """All at once: the loop is woken once for a whole batch."""
    for loop in {case.loop for case, _ in answers}:
        mine = [(case.answer, answer) for case, answer in answers if case.loop is loop]
        with suppress(RuntimeError):  # a loop that has closed has nobody who waits
            loop.call_soon_threadsafe(_settle, mine)


def _settle(answers: Sequence[tuple[asyncio.Future[Reservation], Reservation | Exception]]) -> None:
    for future, answer in answers:
        if future.done():  # somebody has gone away
            continue
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)
