"""Whose turn it is: used against due, bounded, and nobody waits for ever."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.fairness import (
    LEAST,
    MOST,
    OVERTAKEN_AT_MOST_DAYS,
    PRIORITIES,
    Fairness,
    Load,
    ageing,
    judge,
    weigh,
)

HOURS = st.floats(0, 5000, allow_nan=False)
LOADS = st.lists(
    st.builds(
        Load,
        audience=st.sampled_from(["school", "personal", "professional"]),
        owner=st.sampled_from(["a", "b", "c", "d"]),
        used_h=HOURS,
        held_h=HOURS,
        waiting=st.integers(1, 5),
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda load: (load.audience, load.owner),
)
DAYS = st.floats(0, 400, allow_nan=False)


@settings(max_examples=40)
@given(LOADS, st.data())
def test_who_used_more_weighs_no_more(loads: list[Load], data: st.DataObject) -> None:
    which = data.draw(st.integers(0, len(loads) - 1))
    one = loads[which]
    more = [*loads[:which], replace(one, used_h=one.used_h + data.draw(HOURS)), *loads[which + 1 :]]
    before, after = (judge(found).factor(one.audience, one.owner) for found in (loads, more))
    assert after <= before + 1e-9


@settings(max_examples=40)
@given(LOADS)
def test_every_factor_is_bounded_and_every_due_share_handed_out_once(loads: list[Load]) -> None:
    found = judge(loads)
    assert all(LEAST <= found.factor(load.audience, load.owner) <= MOST for load in loads)
    assert sum(standing.due for standing in found.audiences.values()) == pytest.approx(1)


@given(DAYS, DAYS)
def test_waiting_only_ever_makes_heavier(one: float, more: float) -> None:
    assert ageing(one + more) >= ageing(one) >= 1


@given(
    mine=st.tuples(st.sampled_from(list(PRIORITIES)), st.floats(LEAST, MOST)),
    theirs=st.tuples(st.sampled_from(list(PRIORITIES)), st.floats(LEAST, MOST)),
    later=st.floats(OVERTAKEN_AT_MOST_DAYS + 0.1, 40),
)
def test_nobody_is_overtaken_by_what_came_much_later(
    mine: tuple[int, float], theirs: tuple[int, float], later: float
) -> None:
    waited = 15.0
    old = PRIORITIES[mine[0]] * mine[1] * ageing(waited + later)
    new = PRIORITIES[theirs[0]] * theirs[1] * ageing(waited)
    assert old > new


def test_an_audience_below_its_share_comes_before_one_above_it() -> None:
    found = judge(
        [
            Load(audience="school", owner="s", used_h=10, waiting=1),
            Load(audience="firm", owner="f", used_h=90),
        ]
    )
    assert found.audiences["school"].share == 0.1
    assert found.factor("school", "s") > 1 > found.factor("firm", "f")


def test_a_larger_share_due_allows_for_more() -> None:
    loads = [Load(audience="school", owner="s", used_h=200), Load(audience="firm", owner="f", used_h=100)]
    assert judge(loads, {"school": 2}).factor("school", "s") == pytest.approx(1)
    assert judge(loads).factor("school", "s") < 1


def test_who_holds_forty_two_long_jobs_makes_room_for_a_neighbour() -> None:
    hog = Load(audience="personal", owner="hog", held_h=420, waiting=42)
    other = Load(audience="personal", owner="other", waiting=1)
    found = judge([hog, other])
    assert found.factor("personal", "other") == MOST
    assert found.factor("personal", "hog") < 1


def test_the_first_job_of_a_quiet_month_tips_no_scale() -> None:
    found = judge(
        [Load(audience="personal", owner="a", used_h=2), Load(audience="personal", owner="b", waiting=1)]
    )
    assert 0.9 < found.factor("personal", "a") < 1 < found.factor("personal", "b") < 1.1


def test_alone_in_the_lab_one_is_owed_what_one_takes() -> None:
    assert judge([Load(audience="personal", owner="a", used_h=500)]).factor("personal", "a") == 1


def test_who_is_not_known_weighs_what_everybody_does() -> None:
    assert Fairness().factor("personal", "new") == 1
    assert weigh(Fairness(), priority=1, audience="", owner="", waited_days=2).weight == 3.0 * 2.0


@pytest.mark.parametrize("part", [0.0, -1.0, float("nan")])
def test_a_share_of_nothing_is_refused(part: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        judge([], {"school": part})


def test_nobody_starves_behind_a_stream_of_the_favoured() -> None:
    """One machine, one job a day done, and every day another of an audience that is owed far more."""
    poor = judge([Load(audience="a", owner="a", used_h=5000), Load(audience="b", owner="b", waiting=1)])
    queue = [("a", 0)]
    for today in range(60):
        queue.append(("b", today))
        queue.sort(
            key=lambda job: (
                -weigh(
                    poor,
                    priority=1 if job[0] == "b" else -1,
                    audience=job[0],
                    owner=job[0],
                    waited_days=today - job[1],
                ).weight
            )
        )
        if queue.pop(0)[0] == "a":
            assert today <= OVERTAKEN_AT_MOST_DAYS + 1
            return
    raise AssertionError("it was never made")


def test_over_a_month_two_greedy_audiences_get_what_they_are_owed() -> None:
    """Both always want more than there is; what is used then follows the shares due, 2 to 1."""
    random, used = Random(4), {"school": 0.0, "firm": 0.0}
    for _ in range(400):
        loads = [Load(audience=name, owner=name, used_h=hours, waiting=9) for name, hours in used.items()]
        found = judge(loads, {"school": 2})
        turn = max(used, key=lambda name: found.factor(name, name))
        used[turn] += random.lognormvariate(0.5, 0.6)
    assert used["school"] / sum(used.values()) == pytest.approx(2 / 3, abs=0.02)
