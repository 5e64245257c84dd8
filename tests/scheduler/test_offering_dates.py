"""Dates for a gang in whole minutes: against a reading minute by minute, and in the order a person would put them."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.offering.field import Field, Spans, Thing, Want
from scheduler.offering.rank import Closeness, Half, Lack, Table, Wished

DAY = 24 * 60
#: Days of the tests are numbered from this one, which begins at minute 0.
MONDAY = 740_000


def spans(*pairs: tuple[int, int]) -> Spans:
    return Spans.of(sorted(pairs))


def week(opens: int = 9, closes: int = 18, days: int = 14) -> Spans:
    return spans(*((day * DAY + opens * 60, day * DAY + closes * 60) for day in range(days)))


def table(things: list[Thing], wants: list[Want], wishes: tuple[Wished, ...] = (), days: int = 14) -> Table:
    """A gang of two hours with half an hour before and a quarter behind, on the half hours from 8 to 17."""
    starts = np.array([day * DAY + minute for day in range(days) for minute in range(8 * 60, 17 * 60, 30)])
    field = Field(
        things=tuple(things), wants=tuple(wants), starts=starts, before_min=30, length_min=120, after_min=15
    )
    return Table(field=field, days=MONDAY + starts // DAY, clocks=starts % DAY, wishes=wishes)


def printers(count: int, **others: Spans) -> list[Thing]:
    return [Thing(resource=number, hours=week(), **others) for number in range(count)]  # type: ignore[arg-type]


ROOM, MEDIATOR = 90, 91
CREW = [Thing(resource=ROOM, hours=week()), Thing(resource=MEDIATOR, hours=week(10, 18))]
WANTS = [
    Want(eligible=tuple(range(8)), quantity=6),
    Want(eligible=(ROOM,)),
    Want(eligible=(MEDIATOR,)),
]


def test_without_a_wish_the_first_days_come_first_and_each_once() -> None:
    found = table([*printers(8), *CREW], WANTS).best(3)
    assert [each.day - MONDAY for each in found] == [0, 1, 2]
    assert {each.closeness for each in found} == {Closeness.UNASKED}
    # The mediator comes at ten, and it takes half an hour to set up; in the afternoon a class has its usual hours.
    assert len(found[0].opening.taken) == 8


def test_a_wished_day_goes_before_all_others_and_its_other_half_before_the_next_day() -> None:
    wish = Wished(day=MONDAY + 8, half=Half.AM)
    found = table([*printers(8), *CREW], WANTS, (wish,)).best(3)
    assert (found[0].day, found[0].half, found[0].closeness) == (MONDAY + 8, Half.AM, Closeness.WISHED)
    assert [each.closeness for each in found[1:]] == [Closeness.NEAR, Closeness.NEAR]
    assert {each.day - MONDAY for each in found[1:]} == {7, 9}
    assert [each.days_off for each in found[1:]] == [1, 1]


def test_the_other_half_of_a_wished_day_is_offered_where_the_wished_one_is_taken() -> None:
    taken = spans((8 * DAY + 8 * 60, 8 * DAY + 12 * 60))
    crew = [Thing(resource=ROOM, hours=week(), hard=taken), CREW[1]]
    asked = table([*printers(8), *crew], WANTS, (Wished(day=MONDAY + 8, half=Half.AM),))
    (first,) = asked.best(1)
    assert (first.day, first.half, first.closeness) == (MONDAY + 8, Half.PM, Closeness.OTHER_HALF)
    assert asked.lack(asked.wishes[0]) == Lack(starts=8, want=1, most_free=0)


def test_a_second_half_day_is_offered_only_where_days_run_out() -> None:
    found = table([*printers(8), *CREW], WANTS, days=2).best(9)
    assert [(each.day - MONDAY, each.half) for each in found[:2]] == [(0, Half.PM), (1, Half.PM)]
    assert [(each.day - MONDAY, each.half) for each in found[2:]] == [(0, Half.AM), (1, Half.AM)]


def test_a_planned_job_is_in_nobodys_way_but_a_date_without_one_is_better() -> None:
    soft = spans((60 * 9, 60 * 18))
    busy = [Thing(resource=number, hours=week(), soft=soft) for number in range(6)]
    found = table([*busy, *CREW], WANTS).best(2)
    assert [each.day - MONDAY for each in found] == [1, 2]
    (only,) = table([*busy, *CREW], WANTS, days=1).best(1)
    assert only.opening.moved == tuple(f"{number}@{60 * 9}" for number in range(6))


def test_what_was_missing_is_told_with_how_many_there_would_have_been() -> None:
    out = spans((0, 2 * DAY))
    some = [Thing(resource=number, hours=week(), hard=out if number < 4 else spans()) for number in range(8)]
    wish = Wished(day=MONDAY + 1)
    asked = table([*some, *CREW], WANTS, (wish,))
    assert asked.lack(wish) == Lack(starts=18, want=0, most_free=4)


def test_a_day_without_a_start_says_so() -> None:
    asked = table([*printers(8), *CREW], WANTS)
    assert asked.lack(Wished(day=MONDAY + 40)) == Lack(starts=0)


def test_who_can_all_be_had_but_never_at_once_is_told_apart() -> None:
    morning, evening = spans((0, 14 * 60)), spans((12 * 60, DAY))
    crew = [
        Thing(resource=ROOM, hours=week(), hard=morning),
        Thing(resource=MEDIATOR, hours=week(), hard=evening),
    ]
    asked = table([*printers(8), *crew], WANTS, days=1)
    assert asked.best(1) == ()
    assert asked.lack(Wished(day=MONDAY)) == Lack(starts=18)


def test_two_wants_for_the_same_resource_are_not_served_by_one() -> None:
    wants = [Want(eligible=(0, 1), quantity=1), Want(eligible=(0,), quantity=1), Want(eligible=(1,))]
    asked = table(printers(2), wants)
    assert bool(asked.field.possible.any())
    assert asked.best(1) == ()
    assert asked.lack(Wished(day=MONDAY)) == Lack(starts=18)


busy = st.lists(st.integers(0, 200), max_size=8).map(
    lambda cuts: tuple(zip(*[iter(sorted(set(cuts)))] * 2, strict=False))
)


@st.composite
def fields(draw: st.DrawFn) -> Field:
    """Three or four resources over two hundred minutes."""
    things = []
    for number in range(draw(st.integers(3, 4))):
        hard = draw(busy)
        soft = tuple(
            (start, end)
            for start, end in draw(busy)
            if not any(start < other[1] and other[0] < end for other in hard)
        )
        things.append(
            Thing(
                resource=number,
                hours=spans(*draw(st.sampled_from([((0, 200),), ((0, 90), (100, 200)), ((20, 150),)]))),
                hard=spans(*hard),
                soft=spans(*soft),
            )
        )
    wants = tuple(
        Want(
            eligible=tuple(sorted(draw(st.sets(st.integers(0, 3), min_size=1)))),
            quantity=draw(st.integers(1, 2)),
        )
        for _ in range(draw(st.integers(1, 2)))
    )
    return Field(
        things=tuple(things),
        wants=wants,
        starts=np.arange(0, 200, 7),
        before_min=draw(st.integers(0, 10)),
        length_min=draw(st.integers(1, 40)),
        after_min=draw(st.integers(0, 10)),
    )


def crews(field: Field, start: int) -> list[int]:
    """For every way to serve all wants at this start, how many runs would move: minute by minute."""
    first, end = start - field.before_min, start + field.length_min + field.after_min

    def inside(table: Spans, minute: int) -> bool:
        return any(a <= minute < b for a, b in zip(table.starts, table.ends, strict=True))

    able = {
        thing.resource: sum(
            bool(a < end and first < b) for a, b in zip(thing.soft.starts, thing.soft.ends, strict=True)
        )
        for thing in field.things
        if any(a <= first and end <= b for a, b in zip(thing.hours.starts, thing.hours.ends, strict=True))
        and not any(inside(thing.hard, minute) for minute in range(first, end))
    }
    ways: list[set[int]] = [set()]
    for want in field.wants:
        ways = [
            way | set(chosen)
            for way in ways
            for chosen in combinations(
                [e for e in want.eligible if e in able and e not in way], want.quantity
            )
        ]
    return [sum(able[each] for each in way) for way in ways]


@settings(max_examples=40)
@given(field=fields())
def test_who_is_found_is_what_a_look_at_every_minute_finds(field: Field) -> None:
    for at, start in enumerate(field.starts):
        expected = crews(field, int(start))
        opening = field.crew(at)
        assert (opening is not None) == bool(expected)
        if opening is not None:
            assert field.possible[at]
            assert len(opening.moved) == min(expected)
            assert field.least_moved[at] <= len(opening.moved)
            taken = [resource for _want, resource in opening.taken]
            assert len(set(taken)) == len(taken) == sum(want.quantity for want in field.wants)
