"""The hours through the real app: a day that differs, a closure, the usual week; who moves is said before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fablab.claims.jobs.use import Wishes
from fablab.places import hours
from tests.lab import Lab, analysed, drafted
from tests.web.conftest import copy_of
from tests.web.page_rig import Browser, browser
from tests.web.test_pages import INLINE, LEFT_OPEN

Seat = tuple[Browser, Lab]
TODAY, WEDNESDAY = "2026-11-24", "2026-11-25"


@pytest.fixture
def seat(template: Lab, tmp_path: Path) -> Iterator[Seat]:
    """Five jobs, more than two printers do in the first hour."""
    lab = copy_of(template, tmp_path)
    for number in range(5):
        job = drafted(lab, analysed(duration_s=7200), name=f"part {number}.gcode")
        lab.intake.submit(lab.maker, job, Wishes())
    with browser(lab, tmp_path, dispatch=False) as (desk, _):
        yield desk, lab
    lab.database.dispose()


def differing(lab: Lab) -> dict[str, str]:
    with lab.database.read() as uow:
        return {f"{day} {kind}": str(spans) for (day, kind), spans in hours.differing(uow).items()}


def asked(desk: Browser, path: str, wish: dict[str, str]) -> Any:
    answer = desk.client.post(path, json=wish, headers={"X-CSRF-Token": desk.csrf})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_page_is_whole_in_both_languages(seat: Seat, language: str) -> None:
    desk, _ = seat
    desk.sign_in("staff", language=language)
    answer = desk.get("/hours")
    assert answer.status_code == 200
    assert INLINE.search(answer.text) is None
    assert LEFT_OPEN.search(answer.text) is None


def test_who_would_move_is_shown_and_nothing_is_done_yet(seat: Seat) -> None:
    desk, lab = seat
    desk.sign_in("staff", language="en")
    answer = desk.post("/hours", what="day", day=TODAY, kind="", how="shut", spans="")
    assert "This would move people" in answer.text
    assert "part 4.gcode" in answer.text
    assert differing(lab) == {}


def test_with_a_yes_it_is_done(seat: Seat) -> None:
    desk, lab = seat
    desk.sign_in("staff", language="en")
    desk.post("/hours", what="day", day=TODAY, kind="staffed", how="shut", spans="", sure="1")
    assert differing(lab) == {f"{TODAY} staffed": "()"}


def test_a_change_that_moves_nobody_is_done_at_once(seat: Seat) -> None:
    desk, lab = seat
    desk.sign_in("staff", language="en")
    desk.post("/hours", what="day", day="2026-12-15", kind="open", how="hours", spans="9h-12h, 14:00-22:00")
    assert list(differing(lab)) == ["2026-12-15 open"]
    assert "09:00-12:00, 14:00-22:00" in desk.get("/hours").text


def test_hours_that_cannot_be_read_are_said_beside_their_field_and_stay_there(seat: Seat) -> None:
    desk, _ = seat
    desk.sign_in("staff", language="en")
    answer = desk.post("/hours", what="day", day=WEDNESDAY, kind="", how="hours", spans="noon-18:00")
    assert answer.status_code == 422
    assert "“noon” is no time of day." in answer.text
    assert 'value="noon-18:00"' in answer.text


def test_the_week_is_the_administrators(seat: Seat) -> None:
    desk, _ = seat
    desk.sign_in("staff", language="en")
    assert desk.post("/hours", what="usual", **{"open-0": "10:00-12:00"}).status_code == 403


def test_the_api_says_who_would_move_and_then_does_it(seat: Seat) -> None:
    desk, lab = seat
    desk.sign_in("staff", language="en")
    wish = {"day": TODAY, "kind": "staffed", "hours": ""}
    found = asked(desk, "/api/hours/forecast", wish)
    assert found["forecast"]["displaced"]
    assert differing(lab) == {}
    done = asked(desk, "/api/hours", wish)
    assert done["told"] == found["forecast"]["told"]
    assert desk.get("/api/hours").json()["days"] == [{"day": TODAY, "kind": "staffed", "hours": ""}]
