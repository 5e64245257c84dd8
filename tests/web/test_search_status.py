"""What the server says of its search for a better plan, and that it searches at all."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from litestar.testing import TestClient

from scheduler.improve import End, Gain, Outcome, Status
from tests.lab import OVERLAPS, TUESDAY, Lab, breaches, counted
from tests.scheduler.test_improve import gap
from tests.web.site import HOST, Site, make_app
from web.api.schema import search_out
from web.settings import SettingsError, load
from web.words import LANGUAGES, Words
from web.words.search import ENDS, GAINS

PATIENCE_S = 120


def status(end: End = End.APPLIED, **gain: float) -> Status:
    return Status(at=TUESDAY, took_s=5.04, outcome=Outcome(end=end, gain=Gain(**gain), moved=3, told=2))  # type: ignore[arg-type]  # minutes


def test_every_end_and_every_gain_has_words_in_every_language(lab: Lab) -> None:
    assert set(ENDS) == {end.value for end in End}
    assert set(GAINS) == set(Gain.__slots__)
    for language in LANGUAGES:
        words = Words(language, clock=lab.clock)
        said = {search.said for end in End if (search := search_out(status(end), words))}
        assert len(said) == len(End)


def test_gains_and_losses_are_said_tier_by_tier(lab: Lab) -> None:
    found = search_out(status(late_min=90.0, setup_min=-10, earlier_min=3), Words("en", clock=lab.clock))
    assert found is not None
    assert found.took_s == 5.0
    assert "less late" in found.said
    assert "more of set-up" in found.said
    assert "less of waiting" in found.said
    assert "told" not in found.said


def test_before_the_first_search_there_is_nothing_to_say(steady: Site) -> None:
    assert steady.client.get("/api/health").json()["search"] is None


@pytest.mark.xdist_group("search")
def test_a_server_that_runs_fills_the_gap_by_itself(lab: Lab, tmp_path: Path) -> None:
    gap(lab)
    app = make_app(lab, tmp_path, dispatch=True, search_s=0.3)
    until = time.monotonic() + PATIENCE_S
    with TestClient(app, base_url=HOST) as client:
        while (search := client.get("/api/health").json()["search"]) is None:
            assert time.monotonic() < until
            time.sleep(0.1)
    assert search["end"] == "applied"
    assert search["gain"]["earlier_min"] > 60
    assert breaches(lab) == ()
    assert counted(lab, OVERLAPS) == 0


@pytest.mark.parametrize("value", ["-1", "601", "soon", "nan"])
def test_a_search_time_that_is_none_is_said(value: str) -> None:
    with pytest.raises(SettingsError, match=r"^FABLAB_SEARCH_S: "):
        load({"FABLAB_SEARCH_S": value})


def test_it_can_be_switched_off() -> None:
    assert load({"FABLAB_SEARCH_S": "0"}).search_s == 0
