"""The lab's heartbeat; the only file that knows APScheduler."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from threading import Event as Flag
from threading import Lock

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from fablab.base.database import Database
from fablab.base.errors import Conflict, LabError
from fablab.base.events import Event
from fablab.claims import hires, reservations, workshops
from fablab.claims.jobs import use as jobs
from fablab.claims.reservations import handing
from fablab.claims.rules import passport
from fablab.claims.workshops import came, due, forgetting
from fablab.notices import hooks, outbox
from scheduler import waiting

log = logging.getLogger(__name__)

REPLAN_EVERY_S = 60
SETTLE = timedelta(seconds=1)  # several changes at once are one new plan

#: What happened that the plan has to follow at once, and not at the next minute.
_UPSETS = frozenset(
    {
        ("machine", "gate"),
        ("run", "succeeded"),
        ("run", "failed"),
        ("run", "cancelled"),
        ("run", "interrupted"),
    }
)
#: Somebody's place is free again, and others may have it.
_FREED = ("calendar", "freed")


class Ticks:
    """`replan` is called every minute and soon after an upset, never twice at the same time.

    `on_freed`: who may have a place that has become free before the plan fills it, such as a waiting list; each is called
    once before the next plan and returns how many were offered something. `tidy`: once an hour, what is no longer
    needed; how many files went. `catch_up`: before each plan, what sessions that are over have left.
    """

    def __init__(
        self,
        database: Database,
        replan: Callable[[], int],
        *,
        on_freed: Sequence[Callable[[], int]] = (),
        tidy: Callable[[], int] | None = None,
        catch_up: Callable[[], int] | None = None,
    ) -> None:
        self._database = database
        self._replan = replan
        self._on_freed = tuple(on_freed)
        self._tidy = tidy
        self._catch_up = catch_up
        self._is_freed = Flag()  # set by whoever hears of it, in any thread
        self._turn = Lock()  # an upset during a plan is worth another one, after it
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(2)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": 300},
        )

    def begin(self) -> None:
        self._scheduler.add_job(self.plan, "interval", seconds=REPLAN_EVERY_S, id="replan", max_instances=2)
        self._scheduler.add_job(self.sweep, "interval", hours=1, id="sweep")
        self._scheduler.start()
        self._unsubscribe = self._database.bus.subscribe(self._hear)

    def close(self) -> None:
        self._unsubscribe()
        self._scheduler.shutdown(wait=True)

    def _hear(self, event: Event) -> None:
        freed = (event.topic, event.name) == _FREED
        if freed:
            self._is_freed.set()
        if freed or (event.topic, event.name) in _UPSETS:
            # The wall clock, not the lab's: APScheduler sleeps by it.
            soon = datetime.now(UTC) + SETTLE
            # The one job is brought forward: a second one, run once and removed, trips over a shutdown.
            self._scheduler.modify_job("replan", next_run_time=soon)

    def plan(self) -> None:
        try:
            with self._turn:
                self._mark_hours()
                self._offer_freed()
                told = self._replan()
        except Conflict as error:
            log.info("the plan was busy (%s); the next tick comes", error)
        else:
            if told:
                log.info("the plan moved; %d owners were told", told)

    def _mark_hours(self) -> None:
        """Reservations that nobody came to, those that are over, and offers that nobody took."""
        try:
            missed = self._database.write(reservations.release_missed)
            self._database.write(reservations.complete_ended)
            self._database.write(handing.lapse)
            self._database.write(hires.tend)
            self._database.write(waiting.sweep)
            self._database.write(workshops.lapse_due)
            self._database.write(workshops.remind_due)
            self._database.write(due.tend)
            if self._catch_up is not None:
                self._catch_up()
        except LabError as error:  # the plan goes on with the calendar as it is
            log.warning("reservations could not be brought up to now: %s", error)
        else:
            if missed:
                self._is_freed.set()
                log.info("%d reservations were missed", missed)

    def _offer_freed(self) -> None:
        if not self._is_freed.is_set():
            return
        self._is_freed.clear()
        for offer in self._on_freed:
            try:
                offered = offer()
            except LabError as error:
                log.warning("a place that became free could not be offered: %s", error)
            else:
                if offered:
                    log.info("%d were offered a place that became free", offered)

    def sweep(self) -> None:
        gone = self._tidy() if self._tidy is not None else 0
        if gone:
            log.info("%d documents were no longer needed and are gone", gone)
        dropped = self._database.write(jobs.drop_old_drafts)
        if dropped:
            log.info("%d old drafts were dropped", dropped)
        reminded = self._database.write(passport.remind)
        if reminded:
            log.info("%d certifications come to their end, and their holders were told", reminded)
        self._database.write(hires.forget)
        forgotten = self._database.write(came.forget)
        if forgotten:
            log.info("%d registrations are numbers from now on: nobody is named in them", forgotten)
        self._database.write(forgetting.forget)
        unconfirmed = self._database.write(workshops.forget_unconfirmed)
        if unconfirmed:
            log.info("%d requests were forgotten: nobody confirmed their address", unconfirmed)
        self._database.write(outbox.sweep)
        self._database.write(hooks.sweep)
