"""Several people at once want the hour in which a planned job stands: one has it, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from fablab.claims import calendar
from fablab.claims.models import ClaimState
from fablab.claims.reservations import Order, Reservation
from scheduler.reserving import Reserving, Taken
from tests.lab import OVERLAPS, Lab, analysed, counted, submitted

RIVALS = 6


def test_one_of_many_has_the_place_of_a_planned_job_and_the_job_has_another(any_lab: Lab) -> None:
    for _ in range(2):
        submitted(any_lab, analysed(duration_s=7200))
    job = submitted(any_lab, analysed(duration_s=3600))
    with any_lab.database.read() as uow:
        (was,) = calendar.claim(uow, job).allocations
    order = Order(
        resource_ids=(was.resource_id,), start_at=was.start_at, end_at=was.start_at + timedelta(hours=1)
    )
    reserving = Reserving(database=any_lab.database)

    def ask(number: int) -> Reservation | Taken:
        who = (any_lab.staff, any_lab.maker, any_lab.actors["other"])[number % 3]
        try:
            return reserving.reserve(who, order)
        except Taken as lost:
            return lost

    with ThreadPoolExecutor(RIVALS) as pool:
        answers = list(pool.map(ask, range(RIVALS)))
    lost = [answer for answer in answers if isinstance(answer, Taken)]
    assert len(lost) == RIVALS - 1
    assert all(answer.offers for answer in lost)
    assert counted(any_lab, OVERLAPS) == 0
    with any_lab.database.read() as uow:
        row = calendar.claim(uow, job)
        assert row.state is ClaimState.HELD
        (now,) = row.allocations
        assert (now.resource_id, now.start_at) != (was.resource_id, was.start_at)
