"""From estimates to distributions: learnt, shrunk while data are few, and conditioned on time already passed."""

from __future__ import annotations

from math import exp, log
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.durations import Duration, Factors, FinishedRun, Key, Prior, blend, learn

SLOW = Key(machine="old", material="PLA", source="slicer")
FAST = Key(machine="new", material="PLA", source="slicer")
OURS = Key(machine="old", material="PLA", source="ours")
HOUR = Duration(log_mean=log(3600), log_sigma=0.3)


def runs(key: Key, factor: float, count: int, *, spread: float = 0.1, seed: int = 1) -> list[FinishedRun]:
    random = Random(seed)
    return [
        FinishedRun(key=key, estimate_s=1000, actual_s=1000 * exp(log(factor) + random.gauss(0, spread)))
        for _ in range(count)
    ]


def median(factors: Factors, key: Key) -> float:
    return factors.distribution(key, 1000).p50_s / 1000


def test_before_the_first_run_the_prior_speaks() -> None:
    prior = Prior(factor=1.2)
    assert median(learn([], prior), SLOW) == pytest.approx(1.2)


def test_many_runs_of_a_machine_are_believed() -> None:
    factors = learn([*runs(SLOW, 1.5, 200), *runs(FAST, 0.9, 200)])
    assert median(factors, SLOW) == pytest.approx(1.5, rel=0.03)
    assert median(factors, FAST) == pytest.approx(0.9, rel=0.03)


def test_few_runs_lean_on_the_rest_of_the_lab() -> None:
    factors = learn([*runs(FAST, 1.0, 200), *runs(SLOW, 1.6, 2)])
    assert 1.0 < median(factors, SLOW) < 1.3


def test_a_key_never_seen_takes_its_source_and_a_source_never_seen_the_lab() -> None:
    factors = learn([*runs(SLOW, 1.4, 100), *runs(OURS, 1.0, 100)])
    seen_source = Key(machine="third", material="PETG", source="slicer")
    stranger = Key(machine="third", material="PETG", source="stranger")
    assert median(factors, seen_source) == pytest.approx(1.4, rel=0.05)
    assert 1.1 < median(factors, stranger) < 1.3


def test_more_runs_make_a_narrower_promise() -> None:
    few, many = (learn(runs(SLOW, 1.1, count, spread=0.05)).distribution(SLOW, 1000) for count in (3, 300))
    assert many.p90_s - many.p10_s < few.p90_s - few.p10_s


def test_one_forgotten_print_weighs_little() -> None:
    forgotten = FinishedRun(key=SLOW, estimate_s=60, actual_s=86_400)
    assert median(learn([*runs(SLOW, 1.0, 50), forgotten]), SLOW) < 1.1


def test_the_order_of_the_runs_does_not_matter() -> None:
    told = [*runs(SLOW, 1.5, 20), *runs(FAST, 0.9, 30), *runs(OURS, 1.0, 10)]
    assert learn(told) == learn(told[::-1])


def test_a_promise_keeps_its_odds() -> None:
    factors = learn(runs(SLOW, 1.2, 400, spread=0.2))
    wanted = factors.distribution(SLOW, 1000)
    actual = [run.actual_s for run in runs(SLOW, 1.2, 4000, spread=0.2, seed=2)]
    kept = sum(wanted.p10_s <= actual_s <= wanted.p90_s for actual_s in actual) / len(actual)
    assert kept == pytest.approx(0.8, abs=0.03)


def test_a_lab_whose_runs_all_agree_still_leaves_a_margin() -> None:
    sure = learn(runs(SLOW, 1.0, 5000, spread=0.0), Prior(strength=0.001, factor=1.0))
    assert sure.distribution(SLOW, 1000).log_sigma == 0.02


@settings(max_examples=100, deadline=None)
@given(
    q=st.floats(0.01, 0.98),
    elapsed_s=st.floats(0, 10_000_000),
    log_sigma=st.floats(0.02, 1.0),
)
def test_what_remains_is_a_distribution(q: float, elapsed_s: float, log_sigma: float) -> None:
    left = Duration(log_mean=log(3600), log_sigma=log_sigma).remaining(elapsed_s)
    assert 0 <= left.quantile(q) <= left.quantile(q + 0.01)


def test_what_remains_agrees_with_counting() -> None:
    random = Random(3)
    sample = sorted(exp(random.gauss(log(3600), 0.3)) for _ in range(40_000))
    still = [total_s - 3000 for total_s in sample if total_s > 3000]
    left = HOUR.remaining(3000)
    for q in (0.1, 0.5, 0.9):
        assert left.quantile(q) == pytest.approx(still[int(q * len(still))], rel=0.04)


def test_nothing_elapsed_changes_nothing() -> None:
    assert HOUR.remaining(0).quantile(0.7) == HOUR.quantile(0.7)


def test_a_moment_elapsed_shifts_by_that_moment() -> None:
    assert HOUR.remaining(60).p50_s == pytest.approx(HOUR.p50_s - 60, rel=1e-6)


def test_an_overrun_run_is_never_done_in_the_past() -> None:
    sharp = Duration(log_mean=log(3600), log_sigma=0.02)
    assert 0 < sharp.remaining(36_000).p50_s < 60


def test_the_tail_does_not_jump_where_it_turns_to_its_asymptote() -> None:
    sharp = Duration(log_mean=0.0, log_sigma=0.1)
    before, after = (sharp.remaining(exp(3.6 + step)).p50_s / exp(3.6 + step) for step in (0.0, 0.1))
    assert before == pytest.approx(after, rel=0.1)


def test_named_quantiles_are_in_order() -> None:
    assert HOUR.p10_s < HOUR.p50_s < HOUR.p60_s < HOUR.p90_s


def test_a_plan_counts_in_whole_minutes_rounded_up() -> None:
    assert HOUR.quantile_min(0.5) == 60
    assert Duration(log_mean=log(3601), log_sigma=0.3).quantile_min(0.5) == 61
    assert Duration(log_mean=log(2), log_sigma=0.3).quantile_min(0.5) == 1


@pytest.mark.parametrize("q", [0.0, 1.0, -1.0, 2.0])
def test_certainty_is_not_a_quantile(q: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        HOUR.quantile(q)


def test_time_that_runs_backwards_is_refused() -> None:
    with pytest.raises(ValueError, match="backwards"):
        HOUR.remaining(-1)


@pytest.mark.parametrize("estimate_s", [0.0, -5.0, float("nan")])
def test_an_estimate_of_nothing_is_refused(estimate_s: float) -> None:
    with pytest.raises(ValueError, match="longer than nothing"):
        learn([]).distribution(SLOW, estimate_s)


def test_a_run_that_took_no_time_is_refused() -> None:
    with pytest.raises(ValueError, match="took some time"):
        learn([FinishedRun(key=SLOW, estimate_s=100, actual_s=0)])


def test_a_known_machine_does_not_promise_the_differences_between_machines() -> None:
    keys = [Key(machine=str(number), material="PLA", source="slicer") for number in range(6)]
    told = [
        run
        for number, key in enumerate(keys)
        for run in runs(key, 0.7 + 0.15 * number, 60, spread=0.05, seed=number)
    ]
    factors = learn(told)
    known = factors.distribution(keys[0], 1000)
    stranger = factors.distribution(Key(machine="new", material="PLA", source="slicer"), 1000)
    assert known.log_sigma < 0.1
    assert stranger.log_sigma > 0.15


def test_a_machine_s_own_word_counts_the_more_the_further_it_has_come() -> None:
    left = HOUR.remaining(1800)
    early, late = blend(left, 5400, 0.1), blend(left, 5400, 0.95)
    assert left.p50_s < early.p50_s < late.p50_s < 5400
    assert late.log_sigma < early.log_sigma


@given(said_s=st.floats(0, 1e6), fraction=st.floats(-1, 2), elapsed_s=st.floats(0, 1e5))
def test_whatever_a_machine_says_what_remains_is_some_time(
    said_s: float, fraction: float, elapsed_s: float
) -> None:
    left = blend(HOUR.remaining(elapsed_s), said_s, fraction)
    assert 0 < left.p10_s < left.p90_s
