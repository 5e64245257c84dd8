"""Where orders are handed in: whoever waits while others are written down is written down with all who wait.

Nobody is kept waiting for company: a lone order goes at once. It is while one transaction is written that the next ones
gather, so the busier it is the more go together, and each takes less.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future

from fablab.base.database import Actor, Database
from fablab.base.errors import Conflict, LabError
from fablab.claims import reservations
from fablab.claims.reservations import Order, Reservation
from fablab.claims.reservations.together import is_plain, reserve_together

log = logging.getLogger(__name__)

MOST_TOGETHER = 48
#: A transaction of others that goes wrong is tried anew for each alone: nobody pays for somebody else's order.
_Waiting = tuple[Actor, Order, "Future[Reservation]"]


class Window:
    """Belongs to the server; `reserve` may be called from any thread. Its own thread begins with the first order."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: deque[_Waiting] = deque()
        self._news = threading.Condition()
        self._closing = False
        self._thread: threading.Thread | None = None

    def reserve(self, actor: Actor, order: Order) -> Future[Reservation]:
        """Its result raises as `reservations.reserve` does. What is not plain is taken alone, but in its turn."""
        future: Future[Reservation] = Future()
        with self._news:
            if self._closing:
                raise Conflict("busy", heals=False)
            self._waiting.append((actor, order, future))
            if self._thread is None:
                self._thread = threading.Thread(target=self._live, name="orders", daemon=True)
                self._thread.start()
            self._news.notify()
        return future

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
                actor, order, _ = case
                plain = is_plain(actor, order)
                if (batch and not plain) or actor.member_id in members:
                    later.append(case)
                    continue
                batch.append(case)
                members.add(actor.member_id)
                if not plain:
                    break
            self._waiting.extendleft(reversed(later))
            return batch

    def _serve(self, batch: Sequence[_Waiting]) -> None:
        if len(batch) > 1:
            asked = [(actor, order) for actor, order, _ in batch]
            try:
                answers = self._database.write(lambda uow: reserve_together(uow, asked))
            except Exception as error:
                # Whatever it is, it is one order's, and nothing was written: the others must not suffer for it.
                log.info("%d orders are taken one by one (%s)", len(batch), error)
            else:
                for (_, _, future), answer in zip(batch, answers, strict=True):
                    _tell(future, answer)
                return
        for actor, order, future in batch:
            self._serve_one(actor, order, future)

    def _serve_one(self, actor: Actor, order: Order, future: Future[Reservation]) -> None:
        try:
            row = self._database.write(lambda uow: reservations.reserve(uow, order), actor)
        except LabError as error:
            _tell(future, error)
        except Exception as error:
            # Whoever waits for the answer hears of it, as if they had asked for it themselves.
            future.set_exception(error)
        else:
            _tell(future, row)


def _tell(future: Future[Reservation], answer: Reservation | LabError) -> None:
    if isinstance(answer, LabError):
        future.set_exception(answer)
    else:
        future.set_result(answer)
