"""Rotations: each group at each station once, no two at one, within the time there is; and head-counts that agree."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fablab.base.errors import Invalid
from fablab.claims.workshops.attendance import Came, checked
from fablab.claims.workshops.rotations import letter, rotations, sizes
from fablab.claims.workshops.words import AttendanceAxis

STATIONS = st.lists(st.integers(5, 60), min_size=1, max_size=6)


@given(minutes=STATIONS, groups=st.integers(1, 8), available_min=st.integers(60, 300))
def test_every_group_is_at_every_station_once_and_nowhere_twice_at_a_time(
    minutes: list[int], groups: int, available_min: int
) -> None:
    rounds = rotations(minutes, groups, available_min=available_min)
    stops = [stop for each in rounds for stop in each.stops]
    assert sorted((stop.group, stop.station) for stop in stops) == sorted(
        (group, station) for group in range(groups) for station in range(len(minutes))
    )
    for each in rounds:
        assert len({stop.group for stop in each.stops}) == len(each.stops)
        assert len({stop.station for stop in each.stops}) == len(each.stops)


@given(minutes=STATIONS, groups=st.integers(1, 8), available_min=st.integers(60, 300))
def test_rounds_follow_each_other_and_end_with_the_workshop(
    minutes: list[int], groups: int, available_min: int
) -> None:
    rounds = rotations(minutes, groups, available_min=available_min)
    assert [each.since_min for each in rounds] == [0, *(each.until_min for each in rounds[:-1])]
    assert rounds[-1].until_min == available_min
    assert all(each.since_min < each.until_min for each in rounds)


def test_three_groups_at_three_stations_of_forty_five_minutes() -> None:
    rounds = rotations([45, 45, 45], 3, available_min=135)
    assert [(r.since_min, r.until_min, [s.group for s in r.stops]) for r in rounds] == [
        (0, 45, [0, 1, 2]),
        (45, 90, [1, 2, 0]),
        (90, 135, [2, 0, 1]),
    ]


def test_what_is_no_rotation_is_said() -> None:
    with pytest.raises(ValueError, match="groups"):
        rotations([30], 0, available_min=60)
    assert rotations([], 2, available_min=60) == ()


def test_groups_are_as_even_as_can_be() -> None:
    assert sizes(26, 3) == (9, 9, 8)
    assert [letter(number) for number in (0, 1, 25, 26)] == ["A", "B", "Z", "AA"]


def test_sums_are_checked_against_the_people_who_came() -> None:
    counts = {AttendanceAxis.GENDER: {"feminin": 12, "masculin": 11}}
    with pytest.raises(Invalid) as raised:
        checked(Came(people=24, adults=2, counts=counts))
    assert (raised.value.code, raised.value.field) == ("attendance.sum", "gender")
    assert raised.value.facts == {"counted": 23, "people": 24}


def test_what_nothing_is_said_of_is_not_communicated() -> None:
    counts = {AttendanceAxis.AGE: {"moins_de_douze": 24, "soixante_dix_plus": 0}}
    assert checked(Came(people=24, adults=2, counts=counts)) == {
        AttendanceAxis.AGE: {"moins_de_douze": 24},
        AttendanceAxis.GENDER: {"non_communique": 24},
        AttendanceAxis.STATUS: {"non_communique": 24},
        AttendanceAxis.ADULTS: {"accompagnants": 2},
    }


@pytest.mark.parametrize("counts", [{"nobody": 3}, {"feminin": -1, "masculin": 25}])
def test_other_words_and_fewer_than_none_are_refused(counts: dict[str, int]) -> None:
    with pytest.raises(Invalid, match=r"attendance\."):
        checked(Came(people=24, adults=0, counts={AttendanceAxis.GENDER: counts}))
