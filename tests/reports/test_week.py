"""A stretch of the calendar, or a list of jobs, costs as many queries with many jobs in it as with a few."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy import event

from fablab.reports import jobs, week
from tests.lab import Lab, analysed, submitted
from tests.reports.test_timing import made


@contextmanager
def counted_queries(lab: Lab) -> Iterator[list[str]]:
    said: list[str] = []

    def hear(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        said.append(statement)

    event.listen(lab.database.engine, "before_cursor_execute", hear)
    yield said
    event.remove(lab.database.engine, "before_cursor_execute", hear)


def calendar_queries(lab: Lab) -> tuple[int, int]:
    """How many it takes to look at two weeks and say whose everything is, and how much there is."""
    with counted_queries(lab) as said, lab.database.read() as uow:
        found = week.stretch(uow, uow.now, uow.now + timedelta(days=14)).allocations
        assert all(row.claim.member is not None and row.claim.title for row in found)
        assert all(row.claim.needs and row in row.claim.allocations for row in found)
    return len(said), len(found)


def job_queries(lab: Lab) -> tuple[int, int]:
    """How many it takes to list a maker's jobs, and how many of them have been charged."""
    assert lab.maker.member_id is not None
    with counted_queries(lab) as said, lab.database.read(lab.maker) as uow:
        found = jobs.jobs_of(uow, lab.maker.member_id)
    return len(said), sum(row.charge is not None for row in found)


def test_a_calendar_that_is_full_is_read_in_as_few_queries_as_one_that_is_not(lab: Lab) -> None:
    for _ in range(2):
        submitted(lab, analysed(duration_s=1200))
    few, two = calendar_queries(lab)
    for number in range(8):
        submitted(lab, analysed(duration_s=1200), actor=lab.actors["other" if number % 2 else "maker"])
    many, ten = calendar_queries(lab)
    assert (two, ten) == (2, 10)
    assert many == few


def test_a_long_list_of_jobs_is_read_in_as_few_queries_as_a_short_one(lab: Lab) -> None:
    made(lab)
    few, one = job_queries(lab)
    for _ in range(3):
        made(lab)
    many, four = job_queries(lab)
    assert (one, four) == (1, 4)
    assert many == few
