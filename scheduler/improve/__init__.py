"""The plan gets better by itself: a look at the calendar, a search in a process of its own, and a swap if it pays.

    something changed -> quiet for a moment -> stand (read) -> search (elsewhere) -> swap_in (one transaction)

Everything that happens to the calendar in between wins: the search is called off, and what it found counts for nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from fablab.base.database import Database, UnitOfWork
from fablab.base.errors import Conflict, LabError
from fablab.base.events import Event
from scheduler.improve.pace import Pace
from scheduler.improve.process import SearchDied, Searcher, SearchProcess
from scheduler.improve.swap import End, Gain, Outcome, explained, is_sound, swap_in
from scheduler.planner.budget import CHANGES_A_DAY, spent
from scheduler.planner.standing import Standing, has_jobs, stand, wished

__all__ = [
    "End",
    "Gain",
    "Improver",
    "Outcome",
    "Pace",
    "SearchProcess",
    "Status",
    "explained",
    "stand",
    "swap_in",
]

log = logging.getLogger(__name__)

LIMIT_S = 5.0
ROUNDS = 3  # of pinning those who would hear too often, and searching again
DEATHS = 3  # of the search process in a row, after which the same calendar is not tried again

#: After these the same thing is worth another try.
_AGAIN = frozenset({End.MOVED_MEANWHILE, End.FROZEN_MEANWHILE, End.DIED, End.APPLIED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The last search: when it began, how long it took with everything around it, and what became of it."""

    at: datetime
    took_s: float
    outcome: Outcome
    moves_tried: int = 0


@dataclass(slots=True)
class _Work:
    """What one turn has done so far."""

    pinned: frozenset[str] = frozenset()
    moves_tried: int = 0
    outcome: Outcome = field(default_factory=lambda: Outcome(end=End.NOTHING_TO_MOVE))


class Improver:
    """A thread that listens to the house. `begin` and `close` from anywhere; `turn` is one search, for tests."""

    def __init__(
        self,
        database: Database,
        searcher: Searcher | None = None,
        *,
        limit_s: float = LIMIT_S,
        changes_a_day: int = CHANGES_A_DAY,
        pace: Pace | None = None,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._searcher = searcher or SearchProcess()
        self._limit_s = limit_s
        self._changes_a_day = changes_a_day
        self._pace = pace or Pace()
        self._seconds = seconds
        self._news = threading.Condition()
        self._closing = self._searching = self._called_off = False
        self._seed = self._deaths = 0
        # Whoever pulls the plug (a second Ctrl-C) has no `close`: an interpreter that ends does not wait for this one.
        self._thread = threading.Thread(target=self._live, name="improve the plan", daemon=True)
        self.status: Status | None = None

    def begin(self) -> None:
        self._unsubscribe = self._database.bus.subscribe(self.hear)
        self._pace.hear(self._seconds())  # whatever happened while nobody was looking
        self._thread.start()

    def close(self) -> None:
        """Waits for the transaction under way, not for the search; its process ends."""
        self._unsubscribe()
        with self._news:
            self._closing = True
            self._news.notify()
        self._searcher.abandon()
        self._thread.join()
        self._searcher.close()

    def hear(self, event: Event) -> None:
        if event.topic != "calendar" and (event.topic, event.name) != ("machine", "gate"):
            return
        with self._news:
            sleeps = self._pace.due_at() is None
            self._pace.hear(self._seconds())
            self._called_off = calls_off = self._searching
            if sleeps:  # what is only put off by this is found to be so when it would have begun
                self._news.notify()
        if calls_off:
            self._searcher.cancel()

    def _live(self) -> None:
        while self._wait():
            try:
                self.turn()
            except LabError as error:
                log.info("nothing to search in: %s", error)  # a house that is not set up yet
            except Exception:
                # A fault here costs an improvement; the calendar is good without, and the next event tries again.
                log.exception("the plan was not improved")

    def _wait(self) -> bool:
        """Until a search is due; False when there will be none."""
        with self._news:
            while not self._closing:
                due_at, now = self._pace.due_at(), self._seconds()
                if due_at is not None and due_at <= now:
                    return True
                self._news.wait(None if due_at is None else due_at - now)
            return False

    def turn(self) -> Status:
        """One look, search and try, and again for those who would hear too often of it."""
        begun, at, work = self._seconds(), self._database.clock.now(), _Work()
        with self._news:
            self._pace.begin()
        try:
            for _ in range(ROUNDS):
                outcome = self._try(work)
                if outcome.end is not End.NOTHING_TO_MOVE or not work.pinned:
                    work.outcome = outcome
                if outcome.end is not End.OVER_BUDGET:
                    break
                work.pinned |= outcome.pin
        except Conflict as error:
            log.info("the calendar was busy (%s); it is tried again", error)
            work.outcome = Outcome(end=End.MOVED_MEANWHILE)
        finally:
            with self._news:
                ended = self._seconds()
                self._pace.end(begun, ended)
                self._deaths = self._deaths + 1 if work.outcome.end is End.DIED else 0
                if work.outcome.end in _AGAIN and self._deaths < DEATHS and not self._closing:
                    self._pace.hear(ended)
        self.status = Status(at=at, took_s=ended - begun, outcome=work.outcome, moves_tried=work.moves_tried)
        _log(self.status)
        return self.status

    def _try(self, work: _Work) -> Outcome:
        with self._news:
            self._searching, self._called_off = True, False
        try:
            with self._database.read() as uow:
                if not has_jobs(uow):
                    return Outcome(end=End.NOTHING_TO_MOVE)
                standing = self._stand(uow, work.pinned)
            if not standing.problem.demands:
                return Outcome(end=End.NOTHING_TO_MOVE)
            if self._called_off:  # while it was looked at: to search in that would be for nothing
                return Outcome(end=End.MOVED_MEANWHILE)
            self._seed += 1
            found = self._searcher.search(
                wished(standing), standing.plan.slots, limit_s=self._limit_s, seed=self._seed
            )
        except SearchDied as error:
            if not self._closing:
                log.warning("the search process died (%s); another one will start", error)
            return Outcome(end=End.DIED)
        finally:
            with self._news:
                self._searching, called_off = False, self._called_off
        work.moves_tried += found.iterations
        if called_off or self._closing:
            return Outcome(end=End.MOVED_MEANWHILE)
        if not is_sound(standing, found.slots):
            log.error(
                "what the search process found breaks the rules it was given: %d slots", len(found.slots)
            )
            return Outcome(end=End.UNSOUND)
        reasons = explained(standing, found.slots)
        return self._database.write(
            lambda uow: swap_in(uow, standing, found.slots, reasons, changes_a_day=self._changes_a_day)
        )

    def _stand(self, uow: UnitOfWork, pinned: frozenset[str]) -> Standing:
        """The calendar, without those who have heard of enough changes today."""
        standing = stand(uow, pinned=pinned)
        more = spent(uow, standing.claims.values(), self._changes_a_day)
        return stand(uow, pinned=pinned | more) if more else standing


def _log(status: Status) -> None:
    outcome, gain = status.outcome, status.outcome.gain
    if outcome.end is not End.APPLIED:
        log.debug("no better plan: %s, after %.1f s", outcome.end.value, status.took_s)
        return
    log.info(
        "a better plan: %d jobs moved, %d owners told; %.0f weighted minutes less late, %d minutes less of set-up, "
        "%d minutes less of waiting, %g more with a place; %.1f s",
        outcome.moved,
        outcome.told,
        gain.late_min,
        gain.setup_min,
        gain.earlier_min,
        gain.placed,
        status.took_s,
    )
