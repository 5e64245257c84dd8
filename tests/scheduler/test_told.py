"""What an owner hears of a place that moves and moves again: one notice that is true, not a row of old ones."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from fablab import notices
from fablab.claims import calendar
from fablab.notices import Notice
from scheduler.planner.upkeep import tell_if_moved
from tests.lab import Lab, analysed, submitted

HOUR = timedelta(hours=1)


@pytest.fixture
def job(lab: Lab) -> str:
    return submitted(lab, analysed())


def move(lab: Lab, job: str, by: timedelta) -> bool:
    """The plan makes it ready that much later; whether its owner is told."""
    with lab.database.begin() as uow:
        claim = calendar.claim(uow, job)
        assert claim.ready_at is not None
        claim.ready_at += by
        return tell_if_moved(uow, claim)


def heard(lab: Lab) -> list[tuple[timedelta, bool]]:
    """By how much later each notice says, oldest first, and whether somebody has looked."""
    with lab.database.read() as uow:
        rows = uow.session.query(Notice).order_by(Notice.id).all()
    return [(_at(row, "ready") - _at(row, "was"), row.seen_at is not None) for row in rows]


def _at(row: Notice, fact: str) -> datetime:
    return datetime.fromisoformat(str(row.facts[fact]))


def look(lab: Lab) -> None:
    member_id = lab.maker.member_id
    assert member_id is not None
    with lab.database.begin() as uow:
        (newest,) = notices.unseen(uow, member_id, limit=1)
        notices.seen(uow, member_id, newest.id)


def test_two_moves_that_nobody_has_looked_at_are_one(lab: Lab, job: str) -> None:
    assert move(lab, job, 16 * HOUR)
    assert move(lab, job, -17 * HOUR)
    assert heard(lab) == [(-HOUR, False)]


def test_a_move_there_and_back_is_none(lab: Lab, job: str) -> None:
    assert move(lab, job, 16 * HOUR)
    assert not move(lab, job, -16 * HOUR)
    assert heard(lab) == []
    assert not move(lab, job, timedelta(minutes=10))
    assert move(lab, job, timedelta(minutes=10))


def test_what_somebody_has_read_is_answered_by_another(lab: Lab, job: str) -> None:
    move(lab, job, 16 * HOUR)
    look(lab)
    assert move(lab, job, -16 * HOUR)
    assert heard(lab) == [(16 * HOUR, True), (-16 * HOUR, False)]


def test_another_jobs_notice_stays(lab: Lab, job: str) -> None:
    other = submitted(lab, analysed())
    move(lab, job, HOUR)
    move(lab, other, 2 * HOUR)
    assert heard(lab) == [(HOUR, False), (2 * HOUR, False)]
