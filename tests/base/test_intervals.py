"""The interval algebra against a model too simple to be wrong: the set of minutes an interval covers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fablab.base.intervals import Interval, Intervals, intersect, merge, subtract

ORIGIN = datetime(2026, 3, 28, 22, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SPAN = 60


def minute(number: int) -> datetime:
    return ORIGIN + number * MINUTE


def stretch(start: int, end: int) -> Interval:
    return Interval(minute(start), minute(end))


@st.composite
def stretches(draw: st.DrawFn) -> Interval:
    start = draw(st.integers(0, SPAN - 1))
    return stretch(start, draw(st.integers(start + 1, SPAN)))


lists = st.lists(stretches(), max_size=8)


def minutes(intervals: list[Interval] | Intervals) -> set[int]:
    return {n for n in range(SPAN) if any(i.start <= minute(n) < i.end for i in intervals)}


def is_tidy(intervals: Intervals) -> bool:
    return all(one.end < other.start for one, other in pairwise(intervals))


@given(lists)
def test_merging_keeps_exactly_the_same_minutes(some: list[Interval]) -> None:
    assert minutes(merge(some)) == minutes(some)


@given(lists)
def test_merged_intervals_are_sorted_and_do_not_touch(some: list[Interval]) -> None:
    assert is_tidy(merge(some))


@given(lists)
def test_merging_twice_changes_nothing_more(some: list[Interval]) -> None:
    assert merge(merge(some)) == merge(some)


@given(lists, lists)
def test_an_intersection_has_the_minutes_of_both(a: list[Interval], b: list[Interval]) -> None:
    assert minutes(intersect(merge(a), merge(b))) == minutes(a) & minutes(b)


@given(lists, lists)
def test_an_intersection_is_tidy_and_does_not_mind_the_order(a: list[Interval], b: list[Interval]) -> None:
    both = intersect(merge(a), merge(b))
    assert is_tidy(both)
    assert both == intersect(merge(b), merge(a))


@given(lists, lists)
def test_a_difference_has_the_minutes_of_the_first_alone(a: list[Interval], b: list[Interval]) -> None:
    assert minutes(subtract(merge(a), merge(b))) == minutes(a) - minutes(b)


@given(lists, lists)
def test_a_difference_is_tidy(a: list[Interval], b: list[Interval]) -> None:
    assert is_tidy(subtract(merge(a), merge(b)))


@given(lists, lists)
def test_what_is_shared_and_what_is_left_make_the_whole_again(a: list[Interval], b: list[Interval]) -> None:
    whole, other = merge(a), merge(b)
    assert merge(intersect(whole, other) + subtract(whole, other)) == whole


@given(stretches(), stretches())
def test_two_intervals_overlap_when_they_share_a_minute(a: Interval, b: Interval) -> None:
    assert a.overlaps(b) == b.overlaps(a) == bool(minutes([a]) & minutes([b]))


@given(stretches(), stretches())
def test_an_interval_contains_another_when_it_has_all_its_minutes(a: Interval, b: Interval) -> None:
    assert a.contains(b) == (minutes([b]) <= minutes([a]))


def test_an_interval_has_its_start_and_not_its_end() -> None:
    half_hour = stretch(0, 30)
    assert half_hour.contains(minute(0))
    assert not half_hour.contains(minute(30))


def test_touching_intervals_do_not_overlap_but_merge_into_one() -> None:
    assert not stretch(0, 10).overlaps(stretch(10, 20))
    assert merge([stretch(10, 20), stretch(0, 10)]) == (stretch(0, 20),)


def test_an_interval_knows_how_long_it_is() -> None:
    assert stretch(5, 35).duration == timedelta(minutes=30)


@pytest.mark.parametrize("end", [0, -1])
def test_an_interval_that_does_not_end_after_it_starts_is_refused(end: int) -> None:
    with pytest.raises(ValueError, match="ends after it starts"):
        Interval(minute(0), minute(end))


def test_an_interval_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a time zone"):
        Interval(minute(0).replace(tzinfo=None), minute(1))


def test_an_interval_in_another_zone_is_turned_into_utc() -> None:
    there = timezone(timedelta(hours=2))
    told = Interval(minute(0).astimezone(there), minute(5).astimezone(there))
    assert told == stretch(0, 5)
    assert told.start.tzinfo is UTC
    assert told.end.tzinfo is UTC


def test_an_hour_that_the_clocks_repeat_is_still_an_hour() -> None:
    """Two datetimes of one zone compare by wall time in Python; in UTC they cannot be mixed up."""
    paris = ZoneInfo("Europe/Paris")
    first = datetime(2026, 10, 25, 2, 30, tzinfo=paris)
    assert Interval(first, first.replace(fold=1)).duration == timedelta(hours=1)
