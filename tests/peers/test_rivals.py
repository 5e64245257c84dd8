"""CP-SAT proves what the best plan of a very small lab costs; the search finds one that costs no more."""

from __future__ import annotations

import pytest

from scheduler.check import violations
from scheduler.plan import objective
from scheduler.search import cost, search, warm
from tests.bench.labs import lab
from tests.bench.rivals import cpsat

pytestmark = [pytest.mark.peers, pytest.mark.soak, pytest.mark.xdist_group("search")]
NOT_SAID = 0.02  # set-up minutes and earliness are not in CP-SAT's objective: about 200 x 1e-5, 50,000 x 1e-9


@pytest.mark.parametrize("seed", range(10))
def test_the_search_finds_what_cp_sat_proves_to_be_the_best(seed: int) -> None:
    warm()
    problem = lab(seed, machines=5, jobs=9)
    ours = search(problem, iterations=60_000, limit_s=60, seed=seed)
    theirs = cpsat(problem, 60, ours.plan)
    assert theirs.status == "OPTIMAL"
    assert theirs.plan is not None
    assert violations(problem, theirs.plan) == ()
    assert theirs.bound is not None
    assert theirs.bound - 1e-3 <= cost(ours.objective) <= cost(objective(problem, theirs.plan)) + NOT_SAID
