"""Series by the clock on the wall: the hour is kept through every change of the clocks, and what really passes is billed."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from fablab.base.errors import Invalid
from fablab.claims import reservations
from fablab.claims.reservations import Every, Order, Repeat, dates, prices
from fablab.people.models import Audience
from fablab.places.models import Technology
from tests.lab import Lab

PARIS = ZoneInfo("Europe/Paris")
#: The days on which the clocks change in 2026 and 2027: in March forward, in October back.
SPRING, AUTUMN = (date(2026, 3, 29), date(2027, 3, 28)), (date(2026, 10, 25), date(2027, 10, 31))
HOUR = timedelta(hours=1)


def at(day: date, hour: int, minute: int = 0, fold: int = 0) -> datetime:
    return datetime.combine(day, time(hour, minute, fold=fold), PARIS).astimezone(UTC)


def wall(starts: tuple[int, int], ends: tuple[int, int], days: int = 0) -> dates.Wall:
    return dates.Wall(starts=time(*starts), ends=time(*ends), days=days, zone=PARIS)


def codes(found: dates.Date) -> list[str]:
    return [each.code for each in found.shifted]


@pytest.mark.parametrize("change", [*SPRING, *AUTUMN])
def test_a_weekly_series_keeps_its_hour_through_the_change(change: date) -> None:
    first = change - timedelta(weeks=2)
    for day in dates.days(first, Repeat(count=5)):
        found = dates.on(day, wall((14, 0), (16, 0)))
        assert found.start_at.astimezone(PARIS).time() == time(14)
        assert found.end_at - found.start_at == 2 * HOUR
        assert found.shifted == ()


@pytest.mark.parametrize("change", SPRING)
def test_a_night_in_which_the_clocks_go_forward_is_an_hour_shorter_and_said(change: date) -> None:
    found = dates.on(change - timedelta(days=1), wall((22, 0), (6, 0), 1))
    assert found.end_at - found.start_at == 7 * HOUR
    assert codes(found) == ["series.shorter"]
    assert found.shifted[0].by_s == 3600


@pytest.mark.parametrize("change", AUTUMN)
def test_a_night_in_which_the_clocks_go_back_is_an_hour_longer_and_said(change: date) -> None:
    found = dates.on(change - timedelta(days=1), wall((22, 0), (6, 0), 1))
    assert found.end_at - found.start_at == 9 * HOUR
    assert codes(found) == ["series.longer"]


@pytest.mark.parametrize("change", SPRING)
def test_a_start_that_does_not_exist_begins_right_after_the_jump(change: date) -> None:
    found = dates.on(change, wall((2, 30), (5, 0)))
    assert found.start_at == at(change, 3)
    assert codes(found) == ["series.start_gap", "series.shorter"]


@pytest.mark.parametrize("change", SPRING)
def test_a_date_that_lies_wholly_in_the_jump_does_not_happen(change: date) -> None:
    assert not dates.on(change, wall((2, 10), (2, 50))).happens


@pytest.mark.parametrize("change", AUTUMN)
def test_of_an_hour_that_comes_twice_the_first_counts(change: date) -> None:
    found = dates.on(change, wall((2, 15), (2, 45)))
    assert found.start_at == at(change, 2, 15, fold=0)
    assert found.end_at - found.start_at == HOUR / 2
    assert codes(found) == ["series.start_fold", "series.end_fold"]


def test_the_second_tuesday_is_the_second_tuesday_of_every_month() -> None:
    found = dates.days(date(2026, 1, 13), Repeat(every=Every.MONTH, count=6))
    assert [day.day for day in found] == [13, 10, 10, 14, 12, 9]
    assert {day.weekday() for day in found} == {1}


def test_a_fifth_friday_is_the_last_friday_where_there_are_four() -> None:
    found = dates.days(date(2026, 1, 30), Repeat(every=Every.MONTH, count=4))
    assert found == [date(2026, 1, 30), date(2026, 2, 27), date(2026, 3, 27), date(2026, 4, 24)]


def test_the_last_day_belongs_to_the_series() -> None:
    found = dates.days(date(2026, 1, 5), Repeat(step=2, until=date(2026, 2, 2)))
    assert found == [date(2026, 1, 5), date(2026, 1, 19), date(2026, 2, 2)]


@pytest.mark.parametrize(
    ("how", "code"),
    [
        (Repeat(), "series.end"),
        (Repeat(count=3, until=date(2027, 1, 1)), "series.end"),
        (Repeat(step=0, count=3), "series.step"),
        (Repeat(count=0), "series.count"),
        (Repeat(until=date(2025, 1, 1)), "series.until"),
        (Repeat(until=date(2036, 1, 1)), "series.too_many"),
    ],
)
def test_a_repetition_that_makes_no_sense_is_refused_with_its_reason(how: Repeat, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        dates.check(how, date(2026, 1, 5))
    assert caught.value.code == code


def random_series(seed: int) -> None:
    """One series anywhere in two years, of any hours: every date is as the wall says, or says why not."""
    chance = random.Random(seed)
    first = date(2026, 1, 1) + timedelta(days=chance.randrange(700))
    starts = time(chance.randrange(24), chance.choice((0, 15, 30, 45)))
    length = timedelta(minutes=15 * chance.randrange(1, 120))
    begin = datetime.combine(first, starts)
    end = begin + length
    span = dates.Wall(starts=starts, ends=end.time(), days=(end.date() - first).days, zone=PARIS)
    how = Repeat(every=chance.choice(tuple(Every)), step=chance.randint(1, 3), count=chance.randint(1, 30))
    for day in dates.days(first, how):
        found = dates.on(day, span)
        said = codes(found)
        local = found.start_at.astimezone(PARIS)
        last = found.end_at.astimezone(PARIS)
        assert (local.date(), local.time()) == (day, starts) or "series.start_gap" in said
        assert (last.date(), last.time()) == (day + timedelta(days=span.days), span.ends) or (
            "series.end_gap" in said
        )
        by = (found.end_at - found.start_at - length).total_seconds()
        assert bool(by) == bool({"series.shorter", "series.longer"} & set(said))
        assert abs(by) <= 3600


def test_random_series_keep_their_local_hours() -> None:
    for seed in range(300):
        random_series(seed)


@pytest.mark.soak
def test_ten_thousand_random_series_keep_their_local_hours() -> None:
    for seed in range(10_000):
        random_series(seed)


@pytest.mark.parametrize(("change", "hours"), [(SPRING[1], 7), (AUTUMN[1], 9)])
def test_what_is_billed_are_the_hours_that_pass(lab: Lab, change: date, hours: int) -> None:
    evening = change - timedelta(days=1)
    start, end = at(evening, 22), at(change, 6)
    with lab.database.read() as uow:
        quote = prices.quote(uow, [Technology.FDM], Audience.PERSONAL, start, end)
    assert quote.total_cents == hours * 100


def test_a_series_over_the_change_is_reserved_and_charged_as_the_wall_says(lab: Lab) -> None:
    """In the house's wall time, from the lab's own November to the end of March, over the jump."""
    lab.clock.set(datetime(2027, 3, 9, 9, tzinfo=UTC))
    start = at(date(2027, 3, 12), 18)
    order = Order(resource_ids=(lab.resources["mk3"],), start_at=start, end_at=start + HOUR)
    with lab.database.begin(lab.maker) as uow:
        found = reservations.repeat(uow, order, Repeat(count=4))
    walls = [row.start_at.astimezone(PARIS).hour for row in found.made]
    utc = [row.start_at.hour for row in found.made]
    assert (walls, utc) == ([18, 18, 18, 18], [17, 17, 17, 16])
