"""Opening hours: weekly rules, days that differ, closures, and the two nights when clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fablab.base.errors import Invalid
from fablab.base.intervals import DayException, Hours, Interval, WeeklyRule, instant, merge, parse_rules

PARIS = ZoneInfo("Europe/Paris")
SPRING = date(2026, 3, 29)  # a Sunday; 02:00 becomes 03:00
AUTUMN = date(2026, 10, 25)  # a Sunday; 03:00 becomes 02:00
WEEK = parse_rules("Tue-Sat 09:00-12:30, 14:00-19:00")
TUESDAY = date(2026, 6, 2)
HOUR = timedelta(hours=1)


def utc(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)


def sunday(opens: time, closes: time) -> Hours:
    return Hours(PARIS, (WeeklyRule(6, opens, closes),))


# Weekly rules


def test_a_day_has_the_hours_its_rules_say_in_local_time() -> None:
    assert Hours(PARIS, WEEK).day(TUESDAY) == (
        Interval(utc(TUESDAY, 7), utc(TUESDAY, 10, 30)),
        Interval(utc(TUESDAY, 12), utc(TUESDAY, 17)),
    )


def test_a_day_without_a_rule_is_shut() -> None:
    assert Hours(PARIS, WEEK).day(TUESDAY - timedelta(days=1)) == ()


def test_a_zone_may_be_given_by_its_name() -> None:
    assert Hours("Europe/Paris", WEEK).day(TUESDAY) == Hours(PARIS, WEEK).day(TUESDAY)


@pytest.mark.parametrize("name", ["Europe/Atlantis", "", "../etc/passwd", "/etc/passwd", "Europe"])
def test_an_unknown_zone_is_refused_by_name(name: str) -> None:
    with pytest.raises(ValueError, match="no such time zone"):
        Hours(name)


def test_an_evening_past_midnight_belongs_to_the_day_it_opens() -> None:
    late = Hours(PARIS, (WeeklyRule(4, time(20), time(2)),))
    friday, saturday = date(2026, 6, 5), date(2026, 6, 6)
    assert late.between(utc(friday, 0), utc(saturday, 12)) == (Interval(utc(friday, 18), utc(saturday, 0)),)


def test_a_calendar_day_shows_the_evening_before_up_to_its_end() -> None:
    late = Hours(PARIS, (WeeklyRule(4, time(20), time(2)),))
    saturday = date(2026, 6, 6)
    assert late.day(saturday) == (Interval(utc(date(2026, 6, 5), 22), utc(saturday, 0)),)


def test_closing_at_midnight_means_the_end_of_the_day() -> None:
    hours = Hours(PARIS, (WeeklyRule(1, time(22), time(0)),))
    assert hours.day(TUESDAY) == (Interval(utc(TUESDAY, 20), utc(TUESDAY, 22)),)


def test_midnight_to_midnight_is_a_whole_day_and_seven_of_them_never_end() -> None:
    always = Hours(PARIS, parse_rules("Mon-Sun 00:00-24:00"))
    start, end = utc(SPRING, 0) - timedelta(days=9), utc(SPRING, 0) + timedelta(days=9)
    assert always.between(start, end) == (Interval(start, end),)


def test_a_rule_holds_from_its_first_day_to_its_last_and_not_beyond() -> None:
    rule = WeeklyRule(1, time(9), time(10), first_day=TUESDAY, last_day=TUESDAY + timedelta(days=7))
    hours = Hours(PARIS, (rule,))
    open_days = [day for week in range(-1, 4) if hours.day(day := TUESDAY + timedelta(days=7 * week))]
    assert open_days == [TUESDAY, TUESDAY + timedelta(days=7)]


def test_rules_that_overlap_or_touch_open_once() -> None:
    hours = Hours(PARIS, (WeeklyRule(1, time(9), time(12)), WeeklyRule(1, time(12), time(14))))
    assert hours.day(TUESDAY) == (Interval(utc(TUESDAY, 7), utc(TUESDAY, 12)),)


@pytest.mark.parametrize("weekday", [-1, 7])
def test_a_weekday_that_does_not_exist_is_refused(weekday: int) -> None:
    with pytest.raises(ValueError, match="a weekday is 0"):
        WeeklyRule(weekday, time(9), time(10))


def test_a_rule_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot begin on"):
        WeeklyRule(0, time(9), time(10), first_day=TUESDAY, last_day=TUESDAY - timedelta(days=1))


def test_a_wall_time_with_a_zone_of_its_own_is_refused() -> None:
    with pytest.raises(ValueError, match="without a zone of their own"):
        DayException(TUESDAY, ((time(9, tzinfo=UTC), time(10)),))


# Days that differ, and closures


def test_an_exception_replaces_the_rules_of_its_day() -> None:
    hours = Hours(PARIS, WEEK, (DayException(TUESDAY, ((time(10), time(11)),)),))
    assert hours.day(TUESDAY) == (Interval(utc(TUESDAY, 8), utc(TUESDAY, 9)),)


def test_an_exception_without_hours_shuts_its_day_and_no_other() -> None:
    hours = Hours(PARIS, WEEK, (DayException(TUESDAY),))
    assert hours.day(TUESDAY) == ()
    assert hours.day(TUESDAY + timedelta(days=7)) != ()


def test_an_exception_can_open_a_day_without_rules() -> None:
    sunday_open = date(2026, 6, 7)
    hours = Hours(PARIS, WEEK, (DayException(sunday_open, ((time(14), time(18)),)),))
    assert hours.day(sunday_open) == (Interval(utc(sunday_open, 12), utc(sunday_open, 16)),)


def test_an_exception_does_not_cut_short_the_evening_before() -> None:
    friday, saturday = date(2026, 6, 5), date(2026, 6, 6)
    hours = Hours(PARIS, (WeeklyRule(4, time(20), time(2)),), (DayException(saturday),))
    assert hours.between(utc(friday, 0), utc(saturday, 12)) == (Interval(utc(friday, 18), utc(saturday, 0)),)


def test_two_exceptions_for_one_day_are_refused() -> None:
    with pytest.raises(ValueError, match="two exceptions for 2026-06-02"):
        Hours(PARIS, WEEK, (DayException(TUESDAY), DayException(TUESDAY, ((time(9), time(10)),))))


def test_a_closure_wins_over_rules_and_exceptions() -> None:
    shut = Interval(utc(TUESDAY, 8), utc(TUESDAY, 13))
    hours = Hours(PARIS, WEEK, (DayException(TUESDAY, ((time(9), time(19)),)),), (shut,))
    assert hours.day(TUESDAY) == (
        Interval(utc(TUESDAY, 7), utc(TUESDAY, 8)),
        Interval(utc(TUESDAY, 13), utc(TUESDAY, 17)),
    )


def test_closures_may_come_in_any_order_and_overlap() -> None:
    late = Interval(utc(TUESDAY, 9), utc(TUESDAY, 18))
    early = Interval(utc(TUESDAY, 5), utc(TUESDAY, 10))
    assert Hours(PARIS, WEEK, closures=(late, early)).day(TUESDAY) == ()


# Asking


def test_a_door_is_open_at_its_opening_and_shut_at_its_closing() -> None:
    hours = Hours(PARIS, WEEK)
    assert hours.is_open(utc(TUESDAY, 7))
    assert not hours.is_open(utc(TUESDAY, 10, 30))
    assert not hours.is_open(utc(TUESDAY, 7) - datetime.resolution)


def test_the_next_opening_of_an_open_house_is_now() -> None:
    assert Hours(PARIS, WEEK).next_open(utc(TUESDAY, 8)) == utc(TUESDAY, 8)


def test_the_next_opening_after_closing_time_is_the_next_day() -> None:
    assert Hours(PARIS, WEEK).next_open(utc(TUESDAY, 17)) == utc(TUESDAY + timedelta(days=1), 7)


def test_the_next_opening_skips_a_long_closure() -> None:
    shut = Interval(utc(TUESDAY, 0), utc(TUESDAY, 0) + timedelta(days=30))
    reopens = date(2026, 7, 2)  # the Thursday on which the thirty days end
    assert Hours(PARIS, WEEK, closures=(shut,)).next_open(utc(TUESDAY, 8)) == utc(reopens, 7)


def test_a_house_that_never_opens_has_no_next_opening() -> None:
    assert Hours(PARIS).next_open(utc(TUESDAY, 8)) is None


def test_the_next_opening_is_looked_for_only_so_far() -> None:
    hours = Hours(PARIS, WEEK)
    assert hours.next_open(utc(TUESDAY, 17), within=14 * HOUR) is None
    assert hours.next_open(utc(TUESDAY, 17), within=14 * HOUR + datetime.resolution) is not None


def test_a_window_cuts_what_reaches_over_its_edges() -> None:
    window = Interval(utc(TUESDAY, 8), utc(TUESDAY, 13))
    assert Hours(PARIS, WEEK).between(window.start, window.end) == (
        Interval(window.start, utc(TUESDAY, 10, 30)),
        Interval(utc(TUESDAY, 12), window.end),
    )


def test_an_empty_or_backward_window_has_no_hours() -> None:
    assert Hours(PARIS, WEEK).between(utc(TUESDAY, 9), utc(TUESDAY, 9)) == ()
    assert Hours(PARIS, WEEK).between(utc(TUESDAY, 9), utc(TUESDAY, 8)) == ()


def test_a_question_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a time zone"):
        Hours(PARIS, WEEK).is_open(datetime(2026, 6, 2, 9))  # noqa: DTZ001 - the naive instant is the case


def test_more_days_than_are_kept_give_the_same_answer_again() -> None:
    hours = Hours(PARIS, WEEK)
    first = hours.day(TUESDAY)
    hours.between(utc(TUESDAY, 0), utc(TUESDAY, 0) + timedelta(days=4200))
    assert hours.day(TUESDAY) == first


# Spring: 02:00 to 03:00 does not happen


def test_opening_in_the_spring_gap_moves_to_its_end() -> None:
    assert sunday(time(2, 30), time(6)).day(SPRING) == (Interval(utc(SPRING, 1), utc(SPRING, 4)),)


def test_closing_in_the_spring_gap_moves_to_its_end() -> None:
    assert sunday(time(1), time(2, 30)).day(SPRING) == (Interval(utc(SPRING, 0), utc(SPRING, 1)),)


def test_hours_wholly_inside_the_spring_gap_do_not_happen() -> None:
    assert sunday(time(2, 10), time(2, 50)).day(SPRING) == ()


def test_a_spring_day_has_twenty_three_hours() -> None:
    assert [piece.duration for piece in sunday(time(0), time(0)).day(SPRING)] == [23 * HOUR]


@pytest.mark.parametrize("wall", [time(2), time(2, 0, 1), time(2, 30), time(2, 59, 59, 999_999)])
def test_every_wall_time_of_the_gap_is_the_instant_of_the_change(wall: time) -> None:
    assert instant(SPRING, wall, PARIS) == instant(SPRING, wall, PARIS, closing=True) == utc(SPRING, 1)


def test_a_gap_of_half_an_hour_at_another_place_ends_where_it_ends() -> None:
    """Lord Howe Island moves its clocks by thirty minutes: 02:00 becomes 02:30 on 4 October 2026."""
    lord_howe = ZoneInfo("Australia/Lord_Howe")
    at = instant(date(2026, 10, 4), time(2, 10), lord_howe)
    assert at.astimezone(lord_howe).time() == time(2, 30)


def test_a_day_whose_midnight_does_not_exist_starts_when_the_clock_does() -> None:
    """Beirut went from 00:00 to 01:00 on 27 March 2022."""
    beirut = ZoneInfo("Asia/Beirut")
    always = Hours(beirut, parse_rules("Mon-Sun 0:00-24:00"))
    day = always.day(date(2022, 3, 27))
    assert [piece.duration for piece in day] == [23 * HOUR]
    assert day[0].start.astimezone(beirut).time() == time(1)


# Autumn: 02:00 to 03:00 happens twice


def test_opening_at_a_time_that_happens_twice_takes_the_first() -> None:
    assert sunday(time(2, 30), time(6)).day(AUTUMN) == (Interval(utc(AUTUMN, 0, 30), utc(AUTUMN, 5)),)


def test_closing_at_a_time_that_happens_twice_takes_the_second() -> None:
    start = utc(AUTUMN, 0) - HOUR
    assert sunday(time(1), time(2, 30)).day(AUTUMN) == (Interval(start, utc(AUTUMN, 1, 30)),)


def test_an_autumn_day_has_twenty_five_hours() -> None:
    assert [piece.duration for piece in sunday(time(0), time(0)).day(AUTUMN)] == [25 * HOUR]


def test_saturday_night_into_the_autumn_change_closes_at_the_second_hour() -> None:
    saturday = AUTUMN - timedelta(days=1)
    late = Hours(PARIS, (WeeklyRule(5, time(22), time(2)),))
    assert late.between(utc(saturday, 12), utc(AUTUMN, 12)) == (Interval(utc(saturday, 20), utc(AUTUMN, 1)),)


wall_times = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30, 45]))
change_days = st.sampled_from([SPRING, AUTUMN])


@given(change_days, wall_times, wall_times, st.integers(-30 * 60, 30 * 60))
def test_whenever_the_wall_clock_shows_open_the_house_is_open(
    day: date, opens: time, closes: time, minute: int
) -> None:
    """Every day has the same hours, so the poster reads the same on all of them: the clock alone decides."""
    hours = Hours(PARIS, tuple(WeeklyRule(weekday, opens, closes) for weekday in range(7)))
    at = utc(day, 2) + timedelta(minutes=minute)
    shown = at.astimezone(PARIS).time()
    says_open = opens <= shown < closes if opens < closes else shown >= opens or shown < closes
    assert hours.is_open(at) or not says_open


@given(change_days, wall_times, wall_times, st.integers(-30 * 60, 30 * 60))
def test_the_house_is_open_against_the_wall_clock_only_in_a_repeated_hour(
    day: date, opens: time, closes: time, minute: int
) -> None:
    hours = Hours(PARIS, tuple(WeeklyRule(weekday, opens, closes) for weekday in range(7)))
    at = utc(day, 2) + timedelta(minutes=minute)
    shown = at.astimezone(PARIS).time()
    says_open = opens <= shown < closes if opens < closes else shown >= opens or shown < closes
    repeated = utc(AUTUMN, 0) <= at < utc(AUTUMN, 2)
    assert says_open or not hours.is_open(at) or repeated


@settings(max_examples=50)
@given(
    st.lists(st.builds(WeeklyRule, st.integers(0, 6), wall_times, wall_times), max_size=6),
    st.dates(date(2026, 3, 20), date(2026, 4, 5)) | st.dates(date(2026, 10, 15), date(2026, 11, 2)),
    st.integers(1, 12),
)
def test_the_days_laid_end_to_end_are_the_whole_window(
    rules: list[WeeklyRule], first: date, count: int
) -> None:
    hours = Hours(PARIS, tuple(rules))
    days = [first + timedelta(days=n) for n in range(count)]
    whole = hours.between(
        instant(first, time(0), PARIS), instant(first + timedelta(days=count), time(0), PARIS)
    )
    assert merge(piece for day in days for piece in hours.day(day)) == whole


# Reading rules


def test_days_and_hours_are_read_from_words() -> None:
    expected = {(d, o, c) for d in range(1, 6) for o, c in [(time(9), time(12, 30)), (time(14), time(19))]}
    assert {(rule.weekday, rule.opens, rule.closes) for rule in WEEK} == expected


@pytest.mark.parametrize(
    ("text", "weekdays"),
    [
        ("Mon 9:00-10:00", [0]),
        ("monday 9h-10h00", [0]),
        ("mar-jeu 9h-10h", [1, 2, 3]),
        ("Mon, Wed-Fri: 09:00 - 10:00", [0, 2, 3, 4]),
        ("Sat–Mon 9:00–10:00", [0, 5, 6]),
        ("Mon 9:00-10:00; Dim. 9:00-10:00", [0, 6]),
        ("Mon 9:00-10:00\n\nTue 9:00-10:00\n", [0, 1]),
    ],
)
def test_the_days_of_a_line_may_be_written_many_ways(text: str, weekdays: list[int]) -> None:
    rules = parse_rules(text)
    assert [rule.weekday for rule in rules] == weekdays
    assert {(rule.opens, rule.closes) for rule in rules} == {(time(9), time(10))}


def test_twenty_four_hundred_is_midnight_at_the_end_of_the_day() -> None:
    assert parse_rules("Fri 18:00-24:00") == (WeeklyRule(4, time(18), time(0)),)


@pytest.mark.parametrize(
    ("text", "code", "quoted"),
    [
        ("", "hours_empty", None),
        (" ; \n", "hours_empty", None),
        ("Tue", "hours_line", "Tue"),
        ("09:00-10:00", "hours_line", "09:00-10:00"),
        ("Tue 9:00-10:00; always", "hours_line", "always"),
        ("Tux 09:00-10:00", "hours_weekday", "Tux"),
        ("T 09:00-10:00", "hours_weekday", "T"),
        ("Mon-Tue-Wed 09:00-10:00", "hours_weekday", "Mon-Tue-Wed"),
        ("Tue 09:00", "hours_span", "09:00"),
        ("Tue 09:00-10:00 11:00-12:00", "hours_span", "09:00-10:00 11:00-12:00"),
        ("Tue 09:00-12:00,", "hours_span", ""),
        ("Tue 9-10", "hours_time", "9"),
        ("Tue 09:60-10:00", "hours_time", "09:60"),
        ("Tue 24:00-10:00", "hours_time", "24:00"),
        ("Tue 09:00-25:00", "hours_time", "25:00"),
        ("Tue 09:00-12:00, 11:00-13:00", "hours_overlap", "tuesday 09:00-12:00, 11:00"),
        ("Tue 20:00-02:00, 23:00-23:30", "hours_overlap", "tuesday 20:00-02:00, 23:00"),
    ],
)
def test_words_that_cannot_be_read_are_quoted_with_what_is_wrong(
    text: str, code: str, quoted: str | None
) -> None:
    with pytest.raises(Invalid) as caught:
        parse_rules(text)
    assert (caught.value.code, caught.value.facts.get("text")) == (code, quoted)
    assert caught.value.field == "hours"


@given(st.text(alphabet="MonTueWd 0123456789:h-,;\n²٣", max_size=60))
def test_any_text_is_read_or_refused_and_nothing_else(text: str) -> None:
    try:
        rules = parse_rules(text)
    except Invalid:
        return
    assert rules
