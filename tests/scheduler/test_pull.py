"""What an idle machine takes and what hands do first, as the simulation and the live planner both have it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.problem import Piece
from scheduler.pull import EARLY_MIN, HANDS_PRICE, RANK_MIN, AtOnce, Begun, Planned, gain, pull, worth
from scheduler.wish import MOST_URGENT, WORKDAY_MIN, Wish, slack_min, urgency, worked_min

NOW = 600


def planned(name: str, start: int, *, weight: float = 1.0, run_min: int = 60) -> Planned:
    return Planned(name=name, wish=Wish(due=0, weight=weight), setup_start=start, ready=start + run_min)


def at_once(setup_min: int = 0, but: tuple[str, ...] = ()) -> AtOnce:
    def begun(job: Planned) -> Begun | None:
        ready = NOW + setup_min + job.ready - job.setup_start
        return None if job.name in but else Begun(ready=ready, setup_min=setup_min)

    return begun


def test_a_day_counts_for_nothing_while_it_is_far_and_most_once_it_has_come() -> None:
    assert urgency(None) == 1
    assert urgency(40 * 60) == pytest.approx(1, abs=0.01)
    assert urgency(0) == urgency(-500) == 1 + MOST_URGENT


@given(st.floats(-1000, 5000), st.floats(0, 5000))
def test_a_day_that_comes_nearer_never_weighs_less(slack: float, more: float) -> None:
    assert 1 <= urgency(slack + more) <= urgency(slack)


def test_a_run_longer_than_a_day_asks_for_no_more_than_a_day_of_the_slack() -> None:
    assert slack_min(1000, 60) == 940
    assert slack_min(1000, 20 * 60) == 1000 - WORKDAY_MIN


def test_only_minutes_with_somebody_there_bring_a_day_nearer() -> None:
    assert worked_min((Piece(0, 100), Piece(200, 300)), 50, 250) == 100
    assert worked_min((), 0, 500) == 0


def test_the_machine_s_next_is_brought_forward() -> None:
    mine = [planned("next", NOW + EARLY_MIN)]
    assert pull(NOW, mine, [], at_once()) == "next"


def test_who_would_not_be_ready_earlier_for_it_waits_for_its_hour() -> None:
    """A night's run: begun now or in the evening, its bed is cleared tomorrow."""
    night = Planned(name="night", wish=Wish(due=0), setup_start=NOW + 300, ready=2000)
    assert pull(NOW, [night], [night], lambda _: Begun(ready=2000, setup_min=0)) is None


def test_where_the_next_cannot_begin_whoever_gains_most_is_taken() -> None:
    mine = [planned("next", NOW)]
    waiting = [*mine, planned("light", NOW + 900), planned("heavy", NOW + 900, weight=2)]
    assert pull(NOW, mine, waiting, at_once(but=("next",))) == "heavy"


def test_nobody_is_taken_whom_it_costs_the_others_more() -> None:
    mine = [planned("next", NOW + 10, weight=50)]
    waiting = [*mine, planned("other", NOW + 90)]
    assert pull(NOW, mine, waiting, at_once(but=("next",))) is None


def test_a_set_up_has_its_price() -> None:
    job = planned("a", NOW + 200)
    free, set_up = (gain(job, Begun(ready=NOW + 60, setup_min=minutes), []) for minutes in (0, 10))
    assert free - set_up == 10 * HANDS_PRICE


def test_hands_go_where_a_minute_is_worth_most() -> None:
    light, heavy = Wish(due=0), Wish(due=0, weight=3)
    clear_heavy, clear_light = worth(7, part=heavy), worth(7, part=light)
    begin = worth(9, job=light, soon=100, later=100 + RANK_MIN)
    assert clear_heavy > clear_light > begin > worth(29, job=light, soon=100, later=100 + RANK_MIN)
    assert worth(9, job=light, soon=100, later=100 + RANK_MIN, behind=3) > begin
