"""A stretch of the calendar costs as many queries with forty jobs in it as with four."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import event

from fablab.reports import week
from tests.lab import Lab, analysed, submitted


def queries(lab: Lab) -> tuple[int, int]:
    """How many it takes to look at two weeks and say whose everything is, and how much there is."""
    said: list[str] = []

    def hear(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        said.append(statement)

    event.listen(lab.database.engine, "before_cursor_execute", hear)
    with lab.database.read() as uow:
        found = week.stretch(uow, uow.now, uow.now + timedelta(days=14)).allocations
        assert all(row.claim.member is not None and row.claim.title for row in found)
        assert all(row.claim.needs and row in row.claim.allocations for row in found)
    event.remove(lab.database.engine, "before_cursor_execute", hear)
    return len(said), len(found)


def test_a_calendar_that_is_full_is_read_in_as_few_queries_as_one_that_is_not(lab: Lab) -> None:
    for _ in range(2):
        submitted(lab, analysed(duration_s=1200))
    few, two = queries(lab)
    for number in range(8):
        submitted(lab, analysed(duration_s=1200), actor=lab.actors["other" if number % 2 else "maker"])
    many, ten = queries(lab)
    assert (two, ten) == (2, 10)
    assert many == few
