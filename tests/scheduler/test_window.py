"""The window where orders are handed in: everybody gets their own answer, and who goes away takes nobody's."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import pytest

from fablab.base.errors import Conflict
from fablab.claims import reservations
from fablab.claims.reservations import Order, Reservation
from scheduler.reserving import Window
from tests.lab import Lab

HOUR = timedelta(hours=1)


@pytest.fixture
def window(lab: Lab) -> Iterator[Window]:
    made = Window(lab.database)
    yield made
    made.close()


def order(lab: Lab, name: str) -> Order:
    start = lab.clock.now().replace(second=0, microsecond=0) + HOUR
    return Order(resource_ids=(lab.resources[name],), start_at=start, end_at=start + HOUR)


def count(lab: Lab, who: str) -> int:
    with lab.database.read() as uow:
        return len(reservations.of_member(uow, lab.actors[who].member_id or 0))


async def test_of_several_at_once_each_gets_their_own_answer(lab: Lab, window: Window) -> None:
    asked = [
        window.reserve(lab.actors[who], order(lab, what))
        for who, what in (("maker", "mk3"), ("other", "mk3"), ("staff", "ender"))
    ]
    first, late, third = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(first, Reservation)
    assert first.resource_ids == [lab.resources["mk3"]]
    assert isinstance(late, Conflict)
    assert late.code == "slot_taken"
    assert isinstance(third, Reservation)
    assert third.member_id == lab.staff.member_id


async def test_who_goes_away_has_ordered_and_keeps_nobody_waiting(lab: Lab, window: Window) -> None:
    """The thread that writes hands its answer to somebody who is not there any more."""
    with lab.database.begin():  # the first order waits behind somebody else's transaction
        gone = asyncio.create_task(window.reserve(lab.maker, order(lab, "mk3")))
        await asyncio.sleep(0)
        gone.cancel()
    async with asyncio.timeout(20):
        row = await window.reserve(lab.actors["other"], order(lab, "ender"))
    assert row.resource_ids == [lab.resources["ender"]]
    assert (count(lab, "maker"), count(lab, "other")) == (1, 1)


async def test_a_window_that_is_closed_takes_nothing_more(lab: Lab, window: Window) -> None:
    window.close()
    with pytest.raises(Conflict):
        await window.reserve(lab.maker, order(lab, "mk3"))
    assert count(lab, "maker") == 0
