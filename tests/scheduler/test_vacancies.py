"""Where several resources could be had at once, beside a search that tries every minute and every set."""

from __future__ import annotations

from itertools import combinations, permutations

from hypothesis import given
from hypothesis import strategies as st

from scheduler.problem import Piece, pieces
from scheduler.vacancies import MOVE_PRICE_MIN, Ask, Call, Opening, Row, Soft, at, openings

DAY = (Piece(0, 600),)


def row(resource: int, *, hard: tuple[Piece, ...] = (), soft: tuple[Soft, ...] = ()) -> Row:
    return Row(resource=resource, hours=DAY, hard=hard, soft=soft)


def ask(*calls: Call, near: int | None = None, attended_min: int | None = None) -> Ask:
    length = max(call.length_min for call in calls)
    return Ask(
        calls=calls,
        since=0,
        until=600,
        near=near,
        attended_min=length if attended_min is None else attended_min,
    )


def test_the_first_start_is_the_best_where_nobody_names_one() -> None:
    found = openings([row(1, hard=(Piece(0, 90),))], ask(Call(eligible=(1,), length_min=60)), 3)
    assert [opening.start for opening in found] == [90, 150, 210]


def test_the_nearest_to_the_hour_that_was_named_comes_first() -> None:
    busy = row(1, hard=(Piece(280, 330),))
    found = openings([busy], ask(Call(eligible=(1,), length_min=60), near=300), 3)
    assert [opening.start for opening in found] == [330, 220, 390]


def test_an_hour_further_away_is_better_than_somebody_who_has_to_move() -> None:
    planned = row(1, soft=(Soft(start=60, end=90, name="job"),))
    found = openings([planned], ask(Call(eligible=(1,), length_min=60), near=60), 2)
    assert [(opening.start, opening.moved) for opening in found] == [(90, ()), (0, ())]


def test_of_two_at_the_same_hour_the_one_that_moves_nobody_is_taken() -> None:
    rows = [row(1, soft=(Soft(start=0, end=60, name="job"),)), row(2)]
    (found,) = openings(rows, ask(Call(eligible=(1, 2), length_min=60)), 1)
    assert (found.taken, found.moved) == (((0, 2),), ())


def test_one_that_only_this_need_may_have_is_left_to_it() -> None:
    calls = (Call(eligible=(1, 2), length_min=60), Call(eligible=(1,), length_min=60))
    (found,) = openings([row(1), row(2)], ask(*calls), 1)
    assert found.taken == ((0, 2), (1, 1))


def test_a_machine_may_be_left_alone_for_as_long_as_it_may_and_no_longer() -> None:
    alone = Row(resource=1, hours=(Piece(0, 120),), watched=(Piece(0, 100),), alone_max_min=200)
    call = Call(eligible=(1,), length_min=300)
    assert at([alone], ask(call, attended_min=60), 0) is not None
    assert at([alone], ask(call, attended_min=60), 15) is None


def test_what_may_never_be_left_alone_is_attended_throughout() -> None:
    never = Row(resource=1, hours=DAY, watched=DAY, alone_max_min=0)
    call = Call(eligible=(1,), length_min=120)
    assert at([never], ask(call, attended_min=60), 0) is None
    assert at([never], ask(call), 0) is not None


def test_people_are_there_for_the_beginning_only() -> None:
    person = Row(resource=2, hours=(Piece(0, 60),))
    machine = Row(resource=1, hours=DAY, alone_max_min=600)
    calls = (Call(eligible=(1,), length_min=300), Call(eligible=(2,), length_min=60))
    found = at([machine, person], ask(*calls, attended_min=60), 0)
    assert found is not None
    assert found.taken == ((0, 1), (1, 2))


@st.composite
def labs(draw: st.DrawFn) -> tuple[list[Row], Ask]:
    """A few resources over ten quarters of an hour, and needs that compete for them."""
    quarter = 15

    def stretches(taken: list[tuple[int, int]]) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        for start, length in sorted(taken):
            begin = max(start, found[-1][1] if found else 0)
            if begin + length <= 10:
                found.append((begin, begin + length))
        return [(a * quarter, b * quarter) for a, b in found]

    spans = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 3)), max_size=3)
    rows = []
    for number in range(draw(st.integers(1, 4))):
        held = stretches(draw(spans))
        hard = [draw(st.booleans()) for _ in held]
        rows.append(
            Row(
                resource=number,
                hours=pieces([(0, draw(st.sampled_from((75, 150))))]),
                hard=tuple(Piece(*span) for span, is_hard in zip(held, hard, strict=True) if is_hard),
                soft=tuple(
                    Soft(start=a, end=b, name=f"{number}/{a}")
                    for (a, b), is_hard in zip(held, hard, strict=True)
                    if not is_hard
                ),
            )
        )
    ids = [each.resource for each in rows]
    length = draw(st.integers(1, 4)) * quarter
    calls = []
    for _ in range(draw(st.integers(1, 2))):
        eligible = tuple(draw(st.sets(st.sampled_from(ids), min_size=1)))
        quantity = draw(st.integers(1, len(eligible)))
        calls.append(Call(eligible=eligible, length_min=length, quantity=quantity))
    near = draw(st.one_of(st.none(), st.integers(0, 9).map(lambda each: each * quarter)))
    return rows, Ask(calls=tuple(calls), since=0, until=150, attended_min=length, near=near)


def slow(rows: list[Row], asked: Ask, start: int) -> int | None:
    """The fewest runs that would have to move for this start, by trying every set; None where there is none."""
    length = asked.calls[0].length_min
    end = start + length

    def free(each: Row) -> bool:
        inside = any(piece.start <= start and end <= piece.end for piece in each.hours)
        return inside and all(piece.end <= start or end <= piece.start for piece in each.hard)

    usable = {each.resource: each for each in rows if free(each)}
    best: int | None = None
    size = sum(call.quantity for call in asked.calls)
    for chosen in combinations(sorted(usable), size):
        for order in permutations(chosen):
            rest, fits = list(order), True
            for call in asked.calls:
                mine, rest = rest[: call.quantity], rest[call.quantity :]
                fits = fits and set(mine) <= set(call.eligible)
            if fits:
                moved = sum(
                    soft.start < end and start < soft.end for each in chosen for soft in usable[each].soft
                )
                best = moved if best is None else min(best, moved)
                break
    return best


@given(labs())
def test_the_best_start_costs_what_the_best_of_all_starts_costs(lab: tuple[list[Row], Ask]) -> None:
    rows, asked = lab
    last = asked.until - asked.calls[0].length_min
    costs = {
        start: asked.distance(start) + MOVE_PRICE_MIN * moved
        for start in range(0, last + 1, 15)
        if (moved := slow(rows, asked, start)) is not None
    }
    found: tuple[Opening, ...] = openings(rows, asked, 2)
    assert [opening.score for opening in found[:1]] == ([min(costs.values())] if costs else [])
    for opening in found:
        assert slow(rows, asked, opening.start) == len(opening.moved)
        assert len({resource for _call, resource in opening.taken}) == len(opening.taken)
