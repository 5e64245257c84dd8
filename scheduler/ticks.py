"""The lab's heartbeat; the only file that knows APScheduler."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Lock

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from fablab.base.database import Database
from fablab.base.errors import Conflict
from fablab.base.events import Event
from fablab.claims.jobs import use as jobs

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


class Ticks:
    """`replan` is called every minute and soon after an upset, never twice at the same time."""

    def __init__(self, database: Database, replan: Callable[[], int]) -> None:
        self._database = database
        self._replan = replan
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
        if (event.topic, event.name) in _UPSETS:
            # The wall clock, not the lab's: APScheduler sleeps by it.
            soon = datetime.now(UTC) + SETTLE
            # The one job is brought forward: a second one, run once and removed, trips over a shutdown.
            self._scheduler.modify_job("replan", next_run_time=soon)

    def plan(self) -> None:
        try:
            with self._turn:
                told = self._replan()
        except Conflict as error:
            log.info("the plan was busy (%s); the next tick comes", error)
        else:
            if told:
                log.info("the plan moved; %d owners were told", told)

    def sweep(self) -> None:
        dropped = self._database.write(jobs.drop_old_drafts)
        if dropped:
            log.info("%d old drafts were dropped", dropped)
