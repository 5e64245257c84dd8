"""The lab's heartbeat: soon after an upset, one plan at a time, and on through a busy database."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest

from fablab.base.errors import Conflict
from fablab.base.events import Event
from fablab.claims.jobs import use as jobs
from fablab.claims.jobs.models import Job
from scheduler import ticks
from scheduler.ticks import Ticks
from tests.lab import Lab, drafted

PATIENCE_S = 20


def say(lab: Lab, topic: str, name: str) -> None:
    lab.database.bus.publish([Event(topic=topic, id=1, name=name, at=lab.clock.now())])


class Plan:
    """A replan that can be waited for, and held up."""

    def __init__(self, answer: Callable[[], int] = lambda: 0) -> None:
        self.called = threading.Event()
        self.together = self.count = 0
        self.most_together = 0
        self._answer = answer
        self._lock = threading.Lock()

    def __call__(self) -> int:
        with self._lock:
            self.count += 1
            self.together += 1
            self.most_together = max(self.most_together, self.together)
        self.called.set()
        try:
            return self._answer()
        finally:
            with self._lock:
                self.together -= 1


@pytest.mark.parametrize(
    ("topic", "name"),
    [
        ("machine", "gate"),
        ("run", "succeeded"),
        ("run", "failed"),
        ("run", "cancelled"),
        ("run", "interrupted"),
    ],
)
def test_an_upset_is_followed_by_a_new_plan(lab: Lab, topic: str, name: str) -> None:
    plan = Plan()
    beat = Ticks(lab.database, plan)
    beat.begin()
    say(lab, topic, name)
    assert plan.called.wait(PATIENCE_S)
    beat.close()


def test_everyday_news_upsets_nothing(lab: Lab) -> None:
    plan = Plan()
    beat = Ticks(lab.database, plan)
    beat.begin()
    for topic, name in (("machine", "status"), ("run", "running"), ("claim", "changed"), ("job", "failed")):
        say(lab, topic, name)
    assert not plan.called.wait(ticks.SETTLE.total_seconds() + 0.3)
    beat.close()


def test_several_upsets_at_once_are_one_plan(lab: Lab) -> None:
    plan = Plan()
    beat = Ticks(lab.database, plan)
    beat.begin()
    for _ in range(5):
        say(lab, "machine", "gate")
    assert plan.called.wait(PATIENCE_S)
    beat.close()
    assert plan.count == 1


def test_two_plans_are_never_made_at_the_same_time(lab: Lab) -> None:
    gate = threading.Event()
    plan = Plan(lambda: int(gate.wait(PATIENCE_S)))
    beat = Ticks(lab.database, plan)
    both = [threading.Thread(target=beat.plan) for _ in range(4)]
    for thread in both:
        thread.start()
    assert plan.called.wait(PATIENCE_S)
    gate.set()
    for thread in both:
        thread.join(PATIENCE_S)
    assert (plan.count, plan.most_together) == (4, 1)


def test_a_busy_database_is_left_for_the_next_tick(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    def busy() -> int:
        raise Conflict("busy", heals=True)

    with caplog.at_level(logging.INFO, "scheduler.ticks"):
        Ticks(lab.database, busy).plan()
        Ticks(lab.database, lambda: 3).plan()
        Ticks(lab.database, lambda: 0).plan()
    assert [record.message.split(";")[-1] for record in caplog.records] == [
        " the next tick comes",
        " 3 owners were told",
    ]


def test_nothing_is_heard_any_more_after_the_end(lab: Lab) -> None:
    plan = Plan()
    beat = Ticks(lab.database, plan)
    beat.begin()
    beat.close()
    say(lab, "machine", "gate")
    assert plan.count == 0


def test_old_drafts_are_swept(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    beat = Ticks(lab.database, lambda: 0)
    job_id = drafted(lab)
    with caplog.at_level(logging.INFO, "scheduler.ticks"):
        beat.sweep()
        lab.clock.advance(jobs.DRAFT_LIFE + timedelta(seconds=1))
        beat.sweep()
    assert [record.message for record in caplog.records] == ["1 old drafts were dropped"]
    with lab.database.read() as uow:
        assert uow.session.get(Job, job_id) is None
